/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/data/vectors.h - byte strings from vectors.txt, the published samples
 */
#ifndef TESTS_DATA_VECTORS_H
#define TESTS_DATA_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#define VECTOR_MAX 2048

/** Value of a key as bytes, at most VECTOR_MAX. Returns their number; 0: no such key. A file that
 *  cannot be read fails the test. */
size_t vector_read(const char *key, uint8_t *dst);

/** The same; a missing key fails the test. */
size_t vector_need(const char *key, uint8_t *dst);

#endif
