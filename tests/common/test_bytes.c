/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/common/test_bytes.c - big-endian access and the writer that counts what it cuts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"

static const uint8_t digits[8] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static void test_common_bytes__numbers_are_big_endian_at_any_address(void **state)
{
    uint8_t odd[9] = {0};

    memcpy(odd + 1, digits, 8);
    assert_int_equal(be16_get(odd + 1), 0x0123);
    assert_int_equal(be32_get(odd + 1), 0x01234567);
    assert_int_equal(be48_get(odd + 1), 0x0123456789abULL);
    assert_int_equal(be64_get(odd + 1), 0x0123456789abcdefULL);
}

/* Would catch: a put that writes more than its width. */
static void test_common_bytes__put_writes_its_width_and_no_more(void **state)
{
    static void (*const puts_of[])(void *p, uint64_t v) = {be48_put, be64_put};
    static const size_t widths[] = {6, 8};
    uint8_t b[10];

    for (size_t i = 0; i < 2; i++) {
        memset(b, 0x5a, sizeof(b));
        puts_of[i](b + 1, be64_get(digits) >> (64 - 8 * widths[i]));
        assert_memory_equal(b + 1, digits, widths[i]);
        assert_true(b[0] == 0x5a && b[1 + widths[i]] == 0x5a);
    }
    memset(b, 0x5a, sizeof(b));
    be16_put(b + 1, 0x0123);
    assert_true(b[0] == 0x5a && b[1] == 1 && b[2] == 0x23 && b[3] == 0x5a);
    be32_put(b + 1, 0x01234567);
    assert_true(b[0] == 0x5a && b[4] == 0x67 && b[5] == 0x5a);
}

static void write_all(struct osd_writer *w)
{
    osd_writer_u8(w, 0x01);
    osd_writer_be16(w, 0x2345);
    osd_writer_be32(w, 0x6789abcd);
    osd_writer_be48(w, 0x0123456789abULL);
    osd_writer_be64(w, 0x0123456789abcdefULL);
    osd_writer_zero(w, 3);
    osd_writer_put(w, digits, sizeof(digits));
}

/* Cut at every length: what is kept is a prefix, the count is of the whole, nothing is written
 * behind. */
static void test_common_bytes__writer_cuts_anywhere_and_counts_all(void **state)
{
    uint8_t whole[64], cut[64];
    struct osd_writer all = osd_writer_make(whole, sizeof(whole));

    write_all(&all);
    assert_int_equal(all.full, 1 + 2 + 4 + 6 + 8 + 3 + 8);
    for (size_t cap = 0; cap <= all.full + 1; cap++) {
        struct osd_writer w = osd_writer_make(cap ? cut : NULL, cap);
        memset(cut, 0x5a, sizeof(cut));
        write_all(&w);
        assert_int_equal(w.full, all.full);
        assert_int_equal(osd_writer_kept(&w), cap < all.full ? cap : all.full);
        assert_memory_equal(cut, whole, osd_writer_kept(&w));
        assert_int_equal(cut[osd_writer_kept(&w)], 0x5a);
    }
}

static void test_common_bytes__patch_stays_inside(void **state)
{
    uint8_t b[6] = {0};
    struct osd_writer w = osd_writer_make(b, 4);

    osd_writer_zero(&w, 8);
    osd_writer_patch(&w, 2, digits, 4);
    osd_writer_patch(&w, 4, digits, 1);
    assert_memory_equal(b, "\0\0\x01\x23\0\0", 6);
    assert_int_equal(w.full, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_bytes__numbers_are_big_endian_at_any_address),
        cmocka_unit_test(test_common_bytes__put_writes_its_width_and_no_more),
        cmocka_unit_test(test_common_bytes__writer_cuts_anywhere_and_counts_all),
        cmocka_unit_test(test_common_bytes__patch_stays_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
