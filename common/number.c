/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/number.c - see number.h
 */
#include "number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool osd_number_parse(const char *s, uint64_t *ret)
{
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    const char *digits = hex ? s + 2 : s;
    uint64_t v;

    if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
        return false;
    errno = 0;
    v = strtoull(digits, NULL, hex ? 16 : 10);
    if (errno)
        return false;
    *ret = v;
    return true;
}
