/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/digits.h - hexadecimal digits of whole texts, on top of security/hex.h
 */
#ifndef SECMGR_DIGITS_H
#define SECMGR_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "security/hex.h"

/** len bytes from exactly 2 * len hexadecimal digits. */
static inline bool sm_hex_parse(const char *s, uint8_t *dst, size_t len)
{
    return strlen(s) == 2 * len && osd_hex_parse(s, dst, len);
}

/** 2 * len lower case digits and a zero; returns dst. */
static inline char *sm_hex_format(const uint8_t *src, size_t len, char *dst)
{
    osd_hex_put(src, len, dst);
    return dst;
}

#endif
