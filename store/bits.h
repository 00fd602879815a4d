/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/bits.h - one bit for each block of a file, in words
 */
#ifndef STORE_BITS_H
#define STORE_BITS_H

#include <stdint.h>

/** Those of n (>= 1) bits from `at` on that are in the first one's word; *ret_part is how many. */
static inline uint64_t bits_in_word(uint32_t at, uint32_t n, uint32_t *ret_part)
{
    uint32_t part = 64 - at % 64 < n ? 64 - at % 64 : n;

    *ret_part = part;
    return (UINT64_MAX >> (64 - part)) << (at % 64);
}

#endif
