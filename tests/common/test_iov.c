/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/common/test_iov.c - one logical buffer of pieces: every range against a flat copy
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/iov.h"

#define LEN 24

/* Pieces of several lengths, empty ones among them, with a guard byte behind each. */
static const size_t lengths[] = {0, 1, 7, 0, 3, 12, 1, 0};
#define PIECES (sizeof(lengths) / sizeof(lengths[0]))

struct pieces {
    uint8_t memory[PIECES][16];
    struct iovec v[PIECES];
    struct osd_iov iov;
};

static void cut_up(struct pieces *p, const uint8_t flat[LEN])
{
    size_t at = 0;

    memset(p->memory, 0x5a, sizeof(p->memory));
    for (size_t i = 0; i < PIECES; i++) {
        memcpy(p->memory[i], flat + at, lengths[i]);
        p->v[i] = (struct iovec){.iov_base = p->memory[i], .iov_len = lengths[i]};
        at += lengths[i];
    }
    assert_int_equal(at, LEN);
    p->iov = osd_iov_make(p->v, PIECES);
    assert_int_equal(p->iov.len, LEN);
}

static void check_against(const struct pieces *p, const uint8_t flat[LEN])
{
    size_t at = 0;

    for (size_t i = 0; i < PIECES; i++) {
        assert_memory_equal(p->memory[i], flat + at, lengths[i]);
        assert_int_equal(p->memory[i][lengths[i]], 0x5a);
        at += lengths[i];
    }
}

static void numbers(uint8_t flat[LEN])
{
    for (int i = 0; i < LEN; i++)
        flat[i] = (uint8_t)(i + 1);
}

/* How much of a range lies inside. */
static size_t clipped(size_t off, size_t len)
{
    size_t rest = off < LEN ? LEN - off : 0;

    return len < rest ? len : rest;
}

static void test_common_iov__every_range_is_read_as_from_a_flat_buffer(void **state)
{
    uint8_t flat[LEN], got[LEN + 3];
    struct pieces p;

    numbers(flat);
    cut_up(&p, flat);
    for (size_t off = 0; off <= LEN + 1; off++) {
        for (size_t len = 0; len <= LEN + 2; len++) {
            size_t want = clipped(off, len);
            memset(got, 0x77, sizeof(got));
            assert_int_equal(osd_iov_read(&p.iov, off, got, len), want);
            if (want > 0)
                assert_memory_equal(got, flat + off, want);
            assert_int_equal(got[want], 0x77);
        }
    }
}

static void test_common_iov__every_range_is_written_and_zeroed_inside_only(void **state)
{
    uint8_t flat[LEN], src[LEN + 2];
    struct pieces p;

    memset(src, 0xee, sizeof(src));
    for (size_t off = 0; off <= LEN + 1; off++) {
        for (size_t len = 0; len <= LEN + 2; len++) {
            size_t want = clipped(off, len);
            numbers(flat);
            cut_up(&p, flat);
            assert_int_equal(osd_iov_write(&p.iov, off, src, len), want);
            memset(flat + (off < LEN ? off : 0), 0xee, want);
            check_against(&p, flat);
            osd_iov_zero(&p.iov, off, len);
            memset(flat + (off < LEN ? off : 0), 0, want);
            check_against(&p, flat);
        }
    }
}

static void test_common_iov__slices_are_the_range(void **state)
{
    uint8_t flat[LEN], got[LEN];
    struct iovec v[PIECES];
    struct pieces p;

    numbers(flat);
    cut_up(&p, flat);
    for (size_t off = 0; off <= LEN; off++) {
        for (size_t len = 0; len <= LEN + 1; len++) {
            int n = osd_iov_slice(&p.iov, off, len, v, PIECES);
            struct osd_iov part = osd_iov_make(v, n);
            assert_int_equal(part.len, clipped(off, len));
            assert_int_equal(osd_iov_read(&part, 0, got, LEN), part.len);
            assert_memory_equal(got, flat + (part.len ? off : 0), part.len);
        }
    }
    assert_int_equal(osd_iov_slice(&p.iov, 0, LEN, v, 2),
                     2); /* no more than there is room for */
}

static void test_common_iov__offsets_beyond_32_bits_are_outside(void **state)
{
    uint8_t flat[LEN], b = 9;
    struct pieces p;

    numbers(flat);
    cut_up(&p, flat);
    assert_int_equal(osd_iov_write(&p.iov, 1ULL << 32, &b, 1), 0);
    assert_int_equal(osd_iov_write(&p.iov, UINT64_MAX, &b, 1), 0);
    osd_iov_zero(&p.iov, LEN - 1, UINT64_MAX);
    flat[LEN - 1] = 0;
    check_against(&p, flat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_iov__every_range_is_read_as_from_a_flat_buffer),
        cmocka_unit_test(test_common_iov__every_range_is_written_and_zeroed_inside_only),
        cmocka_unit_test(test_common_iov__slices_are_the_range),
        cmocka_unit_test(test_common_iov__offsets_beyond_32_bits_are_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
