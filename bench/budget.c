/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/budget.c - every operation a few times on the memory store, for callgrind to count
 *
 * Under "valgrind --tool=callgrind --collect-atstart=no" each operation ends with a dump that
 * is named after it and holds the instructions of its steps only. Prints "name steps
 * allocations" per operation, so the counts can be divided. check-budget does both.
 * Randomness is replaced (the linker wraps osd_random), so the shapes of hash tables and trees,
 * and with them the counts, repeat from run to run, and each operation finds the same numbers whatever
 * came before it. malloc() is budget_heap.c's, for the same reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "budget_heap.h"
#include "ops_rest.h"
#include "signer.h"

#define STEPS 100u /* at most, per operation */

void __wrap_osd_random(void *dst, size_t len);

static uint64_t random_state = 1;

void __wrap_osd_random(void *dst, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)dst)[i] = (uint8_t)(random_state >> 56);
    }
}

/* ---- operations ---- */

static bool counted[OSD_OP_MAX];

/* What is no OSD command is none of the standard's. */
static void tick_off(const struct bench_cmd *c)
{
    struct osd_wire_error err;
    struct osd_cdb cdb;

    if (!osd_cdb_decode(c->cdb, c->cdb_len, &cdb, &err))
        counted[cdb.op] = true;
}

static int missing(void)
{
    int n = 0;

    for (int op = 0; op < OSD_OP_MAX; op++)
        if (!counted[op]) {
            fprintf(stderr, "budget: %s is not counted\n", osd_op_info((enum osd_op)op)->name);
            n++;
        }
    return n;
}

static void count(struct bench_work *w, const struct bench_op *full)
{
    struct bench_op op = *full;

    if (op.batch > STEPS)
        op.batch = STEPS;
    random_state = 1;
    bench_batch(w, &op); /* first uses of memory and tables do not count */
    w->turn++;
    op.prepare(w, &op);
    tick_off(&w->cmd);
    uint64_t before = budget_allocations();
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
    for (unsigned i = 0; i < op.batch; i++)
        op.step(w, &op, i);
    CALLGRIND_TOGGLE_COLLECT;
    uint64_t made = budget_allocations() - before;
    CALLGRIND_DUMP_STATS_AT(op.name);
    op.tidy(w, &op);
    printf("%s %u %.2f\n", op.name, op.batch, (double)made / op.batch);
}

static void count_all(struct bench_work *w)
{
    for (unsigned i = 0; i < bench_n_ops; i++)
        if (!bench_op_is_peer(&bench_ops[i]) && !bench_op_needs_many(&bench_ops[i]))
            count(w, &bench_ops[i]);
    for (unsigned i = 0; i < bench_n_rest_ops; i++)
        count(w, &bench_rest_ops[i]);
}

/* ---- what a security method adds ---- */

/* The unit of which commands are counted, and nothing of who signs them. */
struct counted_unit {
    struct bench_target unit;
    bool counting;
    uint64_t allocations;
};

static uint64_t run_counted(void *arg, const struct bench_cmd *c)
{
    struct counted_unit *u = arg;

    if (!u->counting)
        return bench_cmd_run(&u->unit, c);
    uint64_t before = budget_allocations();
    CALLGRIND_TOGGLE_COLLECT;
    uint64_t n = bench_cmd_run(&u->unit, c);
    CALLGRIND_TOGGLE_COLLECT;
    u->allocations += budget_allocations() - before;
    return n;
}

static void count_signed(struct counted_unit *u, struct bench_signer *s, struct bench_work *w,
                         const char *name, enum bench_method method)
{
    static const char *const ends[BENCH_METHODS] = {
        [BENCH_CAPKEY] = "capkey", [BENCH_CMDRSP] = "cmdrsp"};
    struct bench_op op = *bench_op_find(name);
    char what[64];

    op.batch = STEPS;
    random_state = 1;
    bench_signer_batch(s, w, &op, method);
    w->turn++;
    op.prepare(w, &op);
    bench_signer_start(s, method);
    u->counting = true;
    u->allocations = 0;
    CALLGRIND_ZERO_STATS;
    for (unsigned i = 0; i < op.batch; i++)
        op.step(w, &op, i);
    snprintf(what, sizeof(what), "%s_%s", name, ends[method]);
    CALLGRIND_DUMP_STATS_AT(what);
    u->counting = false;
    bench_signer_start(s, BENCH_NOSEC);
    op.tidy(w, &op);
    printf("%s %u %.2f\n", what, op.batch, (double)u->allocations / op.batch);
}

/* On a unit of their own, so that the others find what they would find without. */
static void count_methods(void)
{
    static const char *const names[] = {"create", "read_4k", "remove", "set_1", "write_4k"};
    struct bench_signer *s = bench_signer_open("memory", "/");
    struct counted_unit unit = {.unit = bench_signer_unit(s)};
    struct bench_target to = bench_signer_target(s);
    struct bench_work w;

    bench_signer_watch(s, (struct bench_target){.run = run_counted, .arg = &unit});
    bench_work_init(&w, &to, "/", 0, BENCH_PID, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        count_signed(&unit, s, &w, names[i], BENCH_CAPKEY);
        count_signed(&unit, s, &w, names[i], BENCH_CMDRSP);
    }
    bench_work_end(&w);
    bench_signer_close(s);
}

int main(void)
{
    struct bench_signer *signer = bench_signer_open("memory", "/");
    struct bench_target to = bench_signer_unit(signer);
    struct bench_work w;

    bench_rest_keys(signer);
    bench_work_init(&w, &to, "/", 0, BENCH_PID, 0);
    count_all(&w);
    bench_work_end(&w);
    bench_signer_close(signer);
    count_methods();
    return missing() > 0;
}
