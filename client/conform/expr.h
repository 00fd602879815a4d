/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/expr.h - numbers and byte strings of the script language (docs/conform.md)
 *
 * Everything yields bytes within the bounds given; what does not parse yields OSD_E_INVALID and
 * changes nothing.
 */
#ifndef CONFORM_EXPR_H
#define CONFORM_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "osd/status.h"

#define EXPR_MAX (8u << 20) /* bytes of one expression */

/** The part of "osd1|osd2" that belongs to the generation, or all of it; parentheses and quotes
 *  are not looked into. Points into text, *ret_len is its length. */
const char *expr_pick(const char *text, int gen, size_t *ret_len);

/** A number: decimal, 0x hex, hex with h ("82h"), sums and differences of them, "a|b". */
bool expr_number(const char *text, int gen, uint64_t *ret);

/**
 * Bytes: terms joined by "+". "text", hex(00ff), zeros(n), fill(n,byte), pattern(n,seed[,from]),
 * u8(v)..u64(v), u48(v), id("name") (page identification of the standard), repeat(n,bytes),
 * counted(bytes) (after their two-byte length), descriptor(type,bytes) (of a continuation),
 * hmac(key,bytes) (HMAC-SHA1), power(group,base,exponent) (Diffie-Hellman), odd(bytes) and
 * even(bytes) (the last bit set or cleared).
 *
 * @return OSD_OK; OSD_E_INVALID; OSD_E_NOMEM beyond the buffer's maximum.
 */
osd_status expr_bytes(const char *text, int gen, struct osd_buf *ret);

/** Byte `at` of pattern(n,seed). */
uint8_t expr_pattern(uint64_t seed, uint64_t at);

/** An attribute page or "PAGE/NUMBER": numbers, or U+ P+ C+ R+ and an offset, "current", "all". */
bool expr_page(const char *text, size_t len, int gen, uint32_t *ret);
bool expr_attribute(const char *text, size_t len, int gen, uint32_t *ret_page,
                    uint32_t *ret_number);

#endif
