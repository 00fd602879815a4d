/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/number.h - numbers that people and peers write
 */
#ifndef COMMON_NUMBER_H
#define COMMON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/** Decimal or 0x and hexadecimal digits, nothing else before or behind. False: no such number, or
 *  beyond 64 bits; then *ret is unchanged. */
bool osd_number_parse(const char *s, uint64_t *ret);

#endif
