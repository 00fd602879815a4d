/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_seal.c - sealed keys: what opens them, what does not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "security/seal.h"

#define LEN 20

static const uint8_t salt[OSD_SEAL_SALT_LEN] = "0123456789abcde",
                     plain[LEN] = "nineteen characters";
static const struct osd_bytes label = {(const uint8_t *)"label", 5}, src = {plain, LEN};

static struct osd_seal make(const char *pass, const uint8_t *with)
{
    struct osd_seal s;

    assert_int_equal(
        osd_seal_make((struct osd_bytes){(const uint8_t *)pass, strlen(pass)}, with, &s),
        OSD_OK);
    return s;
}

/* Every bit of the sealed form counts, and so do label, passphrase and salt. */
static void test_security_seal__opens_for_the_right_one_only(void **state)
{
    static const uint8_t other_salt[OSD_SEAL_SALT_LEN] = "0123456789abcdf";
    static const struct osd_bytes other = {(const uint8_t *)"lebal", 5};
    struct osd_seal s = make("correct horse battery", salt), t;
    uint8_t sealed[LEN + OSD_SEAL_MORE], out[LEN], zero[LEN] = {0};
    const struct osd_bytes whole = {sealed, sizeof(sealed)};

    (void)state;
    assert_int_equal(osd_seal_put(&s, label, src, sealed), OSD_OK);
    assert_int_equal(osd_seal_get(&s, label, whole, out), OSD_OK);
    assert_memory_equal(out, plain, LEN);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(osd_seal_get(&s, label, whole, out), OSD_E_CORRUPT);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < sizeof(sealed); len++)
        assert_int_equal(osd_seal_get(&s, label, (struct osd_bytes){sealed, len}, out),
                         OSD_E_CORRUPT);
    memcpy(out, plain, LEN);
    assert_int_equal(osd_seal_get(&s, other, whole, out), OSD_E_CORRUPT);
    assert_memory_equal(out, zero, LEN); /* nothing of it is left */
    t = make("correct horse batterz", salt);
    assert_int_equal(osd_seal_get(&t, label, whole, out), OSD_E_CORRUPT);
    t = make("correct horse battery", other_salt);
    assert_int_equal(osd_seal_get(&t, label, whole, out), OSD_E_CORRUPT);
}

static void test_security_seal__the_same_is_never_sealed_alike(void **state)
{
    struct osd_seal s = make("correct horse battery", salt);
    uint8_t a[LEN + OSD_SEAL_MORE], b[LEN + OSD_SEAL_MORE];

    (void)state;
    assert_int_equal(osd_seal_put(&s, label, src, a), OSD_OK);
    assert_int_equal(osd_seal_put(&s, label, src, b), OSD_OK);
    assert_memory_not_equal(a + 1, b + 1, 12);
    assert_memory_not_equal(a + 13, b + 13, LEN);
}

static void test_security_seal__short_passphrases_are_refused(void **state)
{
    struct osd_seal s;

    (void)state;
    assert_int_equal(
        osd_seal_make((struct osd_bytes){(const uint8_t *)"fifteen letters", 15}, salt, &s),
        OSD_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_security_seal__opens_for_the_right_one_only),
        cmocka_unit_test(test_security_seal__the_same_is_never_sealed_alike),
        cmocka_unit_test(test_security_seal__short_passphrases_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
