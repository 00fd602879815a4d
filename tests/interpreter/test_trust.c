/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_trust.c - what is remembered of credentials, working keys and nonces, when
 * there are more of them than places: nothing is taken for another one of its place
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "interpreter/nonces.h"
#include "interpreter/trust.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED /* memory of its own has page faults, too */
#endif

#define PARTITIONS 64u
#define VERSIONS   16u
#define MANY       (32 * TRUSTED)

/* ---- working keys ---- */

static struct trust_ground ground(uint64_t pid, uint8_t version)
{
    return (struct trust_ground){.oldest = pid, .newest = version};
}

/* Would catch: a key of another version, or of another partition, that is taken for this one. */
static void test_interpreter_trust__a_working_key_is_that_of_its_partition_and_version(
    void **state)
{
    struct trust_ground got, mine;
    struct trusted t;
    unsigned found = 0;

    (void)state;
    trusted_init(&t);
    for (uint64_t pid = 0; pid < PARTITIONS; pid++)
        for (uint8_t version = 0; version < VERSIONS; version++) {
            mine = ground(pid, version);
            trusted_enter_ground(&t, trusted_epoch(&t), pid, version, &mine);
            assert_true(trusted_find_ground(&t, pid, version, &got));
            assert_memory_equal(&got, &mine, sizeof(got));
        }
    for (uint64_t pid = 0; pid < PARTITIONS; pid++)
        for (uint8_t version = 0; version < VERSIONS; version++)
            if (trusted_find_ground(&t, pid, version, &got)) {
                found++;
                assert_int_equal(got.oldest, pid);
                assert_int_equal(got.newest, version);
            }
    assert_in_range(found, TRUSTED_KEYS / 2, TRUSTED_KEYS); /* so there were meetings */
    trusted_destroy(&t);
}

/* ---- capabilities ---- */

/* One of many, short or long, for partitions that differ in their highest bits only. */
struct one {
    uint64_t pid;
    uint8_t raw[OSD2_CAPABILITY_LEN];
    struct osd_bytes capability;
};

static void make(unsigned i, struct one *ret)
{
    *ret = (struct one){.pid = (uint64_t)(i % 3) << 60};
    be32_put(ret->raw + 40, i / 6);
    ret->capability =
        (struct osd_bytes){ret->raw, i % 6 < 3 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN};
}

/* Would catch: a credential that is known because another one is. */
static void test_interpreter_trust__a_capability_is_known_by_all_its_bytes(void **state)
{
    struct trust got, mine = {.audit_frozen = true};
    struct trusted t;
    unsigned found = 0;
    struct one c;

    (void)state;
    trusted_init(&t);
    for (unsigned i = 0; i < MANY; i++) {
        make(i, &c);
        mine.ground.oldest = i;
        trusted_enter(&t, trusted_epoch(&t), c.pid, c.capability, &mine);
        assert_true(trusted_find(&t, c.pid, c.capability, &got));
        assert_int_equal(got.ground.oldest, i);
        assert_true(got.audit_frozen);
        c.raw[79] ^= 1;
        assert_false(trusted_find(&t, c.pid, c.capability, &got));
    }
    for (unsigned i = 0; i < MANY; i++) {
        make(i, &c);
        if (trusted_find(&t, c.pid, c.capability, &got)) {
            found++;
            assert_int_equal(got.ground.oldest, i);
        }
    }
    assert_in_range(found, 1, TRUSTED);
    trusted_destroy(&t);
}

/* Would catch: what was read before a change and is entered after it. */
static void test_interpreter_trust__nothing_outlives_its_epoch(void **state)
{
    struct trust what = {.ground.least = 1}, got;
    struct trusted t;
    uint64_t before;
    struct one c;

    (void)state;
    make(1, &c);
    trusted_init(&t);
    for (int late = 0; late < 2; late++) {
        before = trusted_epoch(&t);
        if (late)
            trusted_expire(&t);
        trusted_enter(&t, before, c.pid, c.capability, &what);
        trusted_enter_ground(&t, before, c.pid, 3, &what.ground);
        if (!late)
            trusted_expire(&t);
        assert_false(trusted_find(&t, c.pid, c.capability, &got));
        assert_false(trusted_find_ground(&t, c.pid, 3, &got.ground));
    }
    trusted_destroy(&t);
}

/* ---- nonces ---- */

static void nonce_of(uint32_t i, uint8_t nonce[OSD_NONCE_LEN])
{
    memset(nonce, 0, OSD_NONCE_LEN);
    be48_put(nonce, 1000 + i / 4096);
    be32_put(nonce + 8, i);
}

/* Would catch: one that made way and took others of its bucket with it: they were good again. */
static void test_interpreter_nonces__the_last_ones_are_all_remembered(void **state)
{
    uint8_t nonce[OSD_NONCE_LEN];
    struct nonces n;

    (void)state;
    nonces_init(&n, 0);
    for (uint32_t i = 0; i < NONCES + NONCES / 2; i++) {
        nonce_of(i, nonce);
        assert_int_equal(nonces_use(&n, nonce), OSD_OK);
    }
    for (uint32_t i = NONCES / 2; i < NONCES + NONCES / 2; i++) {
        nonce_of(i, nonce);
        assert_int_equal(nonces_use(&n, nonce), OSD_E_EXISTS);
    }
    nonce_of(NONCES / 2 - 1, nonce); /* the last one that made way is too old now */
    assert_int_equal(nonces_floor(&n), be48_get(nonce) + 1);
    nonces_destroy(&n);
}

#ifndef SANITIZED
static long page_faults(void)
{
    struct rusage u;

    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return u.ru_minflt;
}

/* Would catch: places that are looked at before they are written to, which is two page faults for each
 * page, one for the page of zeros and one for its own; and larger places. */
static void test_interpreter_nonces__a_new_place_is_written_to_at_once(void **state)
{
    enum { FEW = 1 << 16 };
    uint8_t nonce[OSD_NONCE_LEN];
    struct nonces n;

    (void)state;
    nonces_init(&n, 0);
    nonce_of(0, nonce);
    assert_int_equal(nonces_use(&n, nonce), OSD_OK); /* touches all buckets */
    long before = page_faults();
    for (uint32_t i = 1; i <= FEW; i++) {
        nonce_of(i, nonce);
        assert_int_equal(nonces_use(&n, nonce), OSD_OK);
    }
    assert_in_range(page_faults() - before, 0, FEW * 16 / 4096 * 5 / 4);
    nonces_destroy(&n);
}
#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_interpreter_trust__a_working_key_is_that_of_its_partition_and_version),
        cmocka_unit_test(test_interpreter_trust__a_capability_is_known_by_all_its_bytes),
        cmocka_unit_test(test_interpreter_trust__nothing_outlives_its_epoch),
        cmocka_unit_test(test_interpreter_nonces__the_last_ones_are_all_remembered),
#ifndef SANITIZED
        cmocka_unit_test(test_interpreter_nonces__a_new_place_is_written_to_at_once),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
