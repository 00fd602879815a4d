/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/test_turns.c - two security methods in one batch: each has its turns, its commands are those
 * that it signed, and nothing but the steps is counted
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ops.h"
#include "signer.h"

#define STEPS (2 * BENCH_TURN + 3)

/* What the unit was asked for. */
struct seen {
    struct bench_target unit;
    uint8_t methods[2 * STEPS];
    unsigned n;
};

/* The unit refuses what is signed wrongly, which ends the program. */
static uint64_t note(void *arg, const struct bench_cmd *c)
{
    struct seen *seen = arg;
    struct osd_wire_error err;
    struct osd_cdb cdb;

    assert_int_equal(osd_cdb_decode(c->cdb, c->cdb_len, &cdb, &err), OSD_OK);
    if (cdb.cap.format != 0) { /* neither prepare nor tidy */
        assert_true(seen->n < sizeof(seen->methods));
        seen->methods[seen->n++] = cdb.cap.method;
    }
    return bench_cmd_run(&seen->unit, c);
}

/* Would catch: a method that is charged for the other one's commands, or has none. */
static void test_bench_turns__of_eight_commands_each(void **state)
{
    static const enum bench_method methods[2] = {BENCH_CMDRSP, BENCH_CAPKEY};
    struct bench_signer *s = bench_signer_open("memory", "");
    struct bench_target to = bench_signer_target(s);
    struct bench_op op = *bench_op_find("write_4k");
    struct seen seen = {.unit = bench_signer_unit(s)};
    struct bench_work w;
    double us[2];

    (void)state;
    bench_work_init(&w, &to, "/", 0, BENCH_PID, 0);
    bench_signer_watch(s, (struct bench_target){.run = note, .arg = &seen});
    op.batch = STEPS;
    bench_signer_turns(s, &w, &op, methods, us);
    assert_int_equal(seen.n, STEPS);
    for (unsigned i = 0; i < STEPS; i++)
        assert_int_equal(seen.methods[i],
                         i / BENCH_TURN == 1 ? OSD_SEC_CAPKEY : OSD_SEC_CMDRSP);
    assert_true(us[0] > 0 && us[1] > 0);
    bench_signer_batch(s, &w, &op, BENCH_CAPKEY); /* one method again */
    assert_int_equal(seen.n, 2 * STEPS);
    for (unsigned i = STEPS; i < 2 * STEPS; i++)
        assert_int_equal(seen.methods[i], OSD_SEC_CAPKEY);
    bench_work_end(&w);
    bench_signer_close(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench_turns__of_eight_commands_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
