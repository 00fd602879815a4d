/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/hex.c - see hex.h
 */
#include "hex.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

static int digit(char c)
{
    const char *p = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;

    return p ? (int)(p - digits) : -1;
}

bool osd_hex_parse(const char *text, uint8_t *dst, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        dst[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void osd_hex_put(const uint8_t *src, size_t len, char *dst)
{
    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
    dst[2 * len] = 0;
}
