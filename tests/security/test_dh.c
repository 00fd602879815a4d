/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_dh.c - the exchange of SET MASTER KEY
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "security/dh.h"

static void test_security_dh__both_sides_find_the_same_secret(void **state)
{
    (void)state;
    for (uint8_t group = OSD_DH_1024; group <= OSD_DH_2048; group++) {
        uint8_t x[OSD_DH_MAX], y[OSD_DH_MAX], px[OSD_DH_MAX], py[OSD_DH_MAX];
        uint8_t one[OSD_DH_MAX] = {0}, other[OSD_DH_MAX] = {0};
        size_t len = osd_dh_len(group);
        assert_int_equal(len, 128 * group);
        assert_int_equal(osd_dh_make(group, x, px), OSD_OK);
        assert_int_equal(osd_dh_make(group, y, py), OSD_OK);
        assert_memory_not_equal(x, y, len);
        assert_int_equal(osd_dh_shared(group, x, py, one), OSD_OK);
        assert_int_equal(osd_dh_shared(group, y, px, other), OSD_OK);
        assert_memory_equal(one, other, len);
    }
}

/* 2^3 = 8 in every group. */
static void test_security_dh__small_numbers_are_what_they_are(void **state)
{
    uint8_t x[OSD_DH_MAX] = {0}, two[OSD_DH_MAX] = {0}, ret[OSD_DH_MAX];

    (void)state;
    x[127] = 3;
    two[127] = 2;
    assert_int_equal(osd_dh_shared(OSD_DH_1024, x, two, ret), OSD_OK);
    for (int i = 0; i < 127; i++)
        assert_int_equal(ret[i], 0);
    assert_int_equal(ret[127], 8);
}

static void test_security_dh__values_outside_the_group_are_refused(void **state)
{
    uint8_t x[OSD_DH_MAX] = {0}, bad[OSD_DH_MAX], ret[OSD_DH_MAX];

    (void)state;
    x[255] = 5;
    memset(bad, 0, sizeof(bad));
    assert_int_equal(osd_dh_shared(OSD_DH_2048, x, bad, ret), OSD_E_INVALID);
    bad[255] = 1;
    assert_int_equal(osd_dh_shared(OSD_DH_2048, x, bad, ret), OSD_E_INVALID);
    memset(bad, 0xff, sizeof(bad));
    assert_int_equal(osd_dh_shared(OSD_DH_2048, x, bad, ret), OSD_E_INVALID);
    assert_int_equal(osd_dh_len(0), 0);
    assert_int_equal(osd_dh_len(3), 0);
    assert_int_equal(osd_dh_make(3, x, bad), OSD_E_INVALID);
    assert_int_equal(osd_dh_shared(0, x, bad, ret), OSD_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_security_dh__both_sides_find_the_same_secret),
        cmocka_unit_test(test_security_dh__small_numbers_are_what_they_are),
        cmocka_unit_test(test_security_dh__values_outside_the_group_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
