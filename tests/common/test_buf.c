/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/common/test_buf.c - buffers that are born with a maximum
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

static void test_common_buf__grows_to_its_maximum_and_no_further(void **state)
{
    struct osd_buf b = osd_buf_make(1000);

    for (int i = 0; i < 1000; i++) {
        uint8_t v = (uint8_t)i;
        assert_int_equal(osd_buf_put(&b, &v, 1), OSD_OK);
        assert_true(b.len <= b.cap && b.cap <= b.max);
    }
    assert_int_equal(osd_buf_put(&b, "x", 1), OSD_E_NOMEM);
    assert_int_equal(osd_buf_put(&b, "x", 0), OSD_OK);
    assert_int_equal(b.len, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    osd_buf_free(&b);
}

static void test_common_buf__failed_append_leaves_the_content(void **state)
{
    struct osd_buf b = osd_buf_make(10);

    assert_int_equal(osd_buf_put(&b, "12345678", 8), OSD_OK);
    assert_int_equal(osd_buf_put(&b, "abc", 3), OSD_E_NOMEM);
    assert_int_equal(osd_buf_reserve(&b, SIZE_MAX), OSD_E_NOMEM); /* would wrap */
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, "12345678", 8);
    assert_int_equal(osd_buf_put(&b, NULL, 2), OSD_OK);
    assert_memory_equal(b.data, "12345678\0\0", 10);
    osd_buf_free(&b);
}

static void test_common_buf__freed_one_is_empty_and_usable(void **state)
{
    struct osd_buf b = osd_buf_make(4);

    osd_buf_free(&b);
    assert_int_equal(osd_buf_put(&b, "abcd", 4), OSD_OK);
    osd_buf_free(&b);
    assert_null(b.data);
    assert_true(b.len == 0 && b.cap == 0 && b.max == 4);
    assert_int_equal(osd_buf_put(&b, "efgh", 4), OSD_OK);
    osd_buf_free(&b);
}

static void test_common_buf__maximum_of_zero_takes_nothing(void **state)
{
    struct osd_buf b = osd_buf_make(0);

    assert_int_equal(osd_buf_put(&b, "", 0), OSD_OK);
    assert_int_equal(osd_buf_put(&b, "x", 1), OSD_E_NOMEM);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_buf__grows_to_its_maximum_and_no_further),
        cmocka_unit_test(test_common_buf__failed_append_leaves_the_content),
        cmocka_unit_test(test_common_buf__freed_one_is_empty_and_usable),
        cmocka_unit_test(test_common_buf__maximum_of_zero_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
