/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/sums.h - CRC32C of blocks that lie in pieces of memory
 *
 * Threads: every function from any thread.
 */
#ifndef STORE_SUMS_H
#define STORE_SUMS_H

#include <stdint.h>
#include <sys/uio.h>

/** CRC32C of each of n whole blocks of STORE_BLOCK bytes; the pieces have that many, or more. */
void sums_of(const struct iovec *v, uint32_t n, uint32_t *ret);

/** The same of a copy that is made before: some blocks are copied, then summed up while they are
 *  in the CPU's cache. What the source becomes meanwhile does not count. */
void sums_of_copy(const uint8_t *from, const struct iovec *v, uint32_t n, uint32_t *ret);

/** The same of a copy out of the pieces. */
void sums_of_copy_to(uint8_t *to, const struct iovec *v, uint32_t n, uint32_t *ret);

#endif
