/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/hash.h - hashing of ids and nonces that a peer chooses
 *
 * The seed is random and never leaves the process, so nobody outside can aim at one bucket.
 * Every bit of the result depends on every bit of the input: take any of them.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <stdint.h>

/** The 64-bit finalizer of MurmurHash3: a bijection in which each input bit flips half of the
 *  output bits. */
static inline uint64_t osd_hash_mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

/** Hash of two words under a seed. */
static inline uint64_t osd_hash(uint64_t seed, uint64_t a, uint64_t b)
{
    return osd_hash_mix(osd_hash_mix(a ^ seed) ^ b);
}

#endif
