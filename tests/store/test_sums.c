/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_sums.c - blocks that lie in pieces of any length, copied and summed up
 *
 * What is expected is the checksum of each block of the same bytes in one piece.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "rig.h"
#include "store/store.h"
#include "store/sums.h"

#define MOST   19u /* blocks: several times what is worked on at once, and some */
#define SIZE   (MOST * STORE_BLOCK)
#define PIECES 64
#define ROUNDS 200

static uint8_t whole[SIZE], scattered[SIZE + PIECES], copied[SIZE + 1];

static unsigned any(unsigned n)
{
    static uint64_t seed;

    return (unsigned)rig_random(&seed, n);
}

static void fill(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)any(256);
}

/* Pieces of `scattered` with gaps between them, len bytes together; some are empty. */
static int cut(struct iovec v[PIECES], size_t len)
{
    uint8_t *at = scattered;
    int n = 0;

    for (size_t left = len, part; left > 0; left -= part) {
        part = n == PIECES - 1 ? left
               : any(4) == 0   ? STORE_BLOCK
               : any(8) == 0   ? 0
                               : any(2 * STORE_BLOCK);
        part = part < left ? part : left;
        v[n++] = (struct iovec){at, part};
        at += part + 1;
    }
    return n;
}

static void expect_sums(const uint32_t *crc, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(crc[i], osd_crc32c(0, whole + (size_t)i * STORE_BLOCK, STORE_BLOCK));
}

static void gather(const struct iovec *v, int n, uint8_t *to)
{
    for (int i = 0; i < n; to += v[i++].iov_len)
        memcpy(to, v[i].iov_base, v[i].iov_len);
}

/* Some blocks of any bytes in pieces, and the same in `whole`. Returns how many. */
static uint32_t some_in_pieces(struct iovec v[PIECES])
{
    uint32_t n = 1 + any(MOST);
    int pieces = cut(v, (size_t)n * STORE_BLOCK);

    fill(scattered, sizeof(scattered));
    gather(v, pieces, whole);
    return n;
}

/* A checksum of other bytes than those of the block would be found only when it is read next. */
static void test_store_sums__pieces_of_any_length_have_the_sums_of_the_whole(void **state)
{
    struct iovec v[PIECES];
    uint32_t crc[MOST];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t n = some_in_pieces(v);
        sums_of(v, n, crc);
        expect_sums(crc, n);
    }
}

/* Nothing behind the last block is touched. */
static void test_store_sums__copy_out_of_pieces_is_whole_and_summed_up(void **state)
{
    struct iovec v[PIECES];
    uint32_t crc[MOST];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t n = some_in_pieces(v);
        size_t len = (size_t)n * STORE_BLOCK;
        copied[len] = 0x77;
        sums_of_copy_to(copied, v, n, crc);
        assert_memory_equal(copied, whole, len);
        assert_int_equal(copied[len], 0x77);
        expect_sums(crc, n);
    }
}

/* What lies between the pieces stays. */
static void test_store_sums__copy_into_pieces_is_whole_and_summed_up(void **state)
{
    struct iovec v[PIECES];
    uint32_t crc[MOST];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t n = 1 + any(MOST);
        size_t len = (size_t)n * STORE_BLOCK;
        int pieces = cut(v, len);
        fill(whole, len);
        memset(scattered, 0x77, sizeof(scattered));
        sums_of_copy(whole, v, n, crc);
        gather(v, pieces, copied);
        assert_memory_equal(copied, whole, len);
        for (int i = 0; i < pieces; i++)
            assert_int_equal(((uint8_t *)v[i].iov_base)[v[i].iov_len], 0x77);
        expect_sums(crc, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_sums__pieces_of_any_length_have_the_sums_of_the_whole),
        cmocka_unit_test(test_store_sums__copy_out_of_pieces_is_whole_and_summed_up),
        cmocka_unit_test(test_store_sums__copy_into_pieces_is_whole_and_summed_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
