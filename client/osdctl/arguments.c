/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/arguments.c - numbers, sizes, object names and attribute values of the command
 * line
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "osdctl.h"

bool new_id(uint64_t id)
{
    return id == 0 || id >= FIRST_ID;
}

int too_small(uint64_t id)
{
    return usage_error("0x%" PRIx64 " is reserved: ids are 0x%x and larger", id, FIRST_ID);
}

bool parse_size(const char *s, uint64_t *ret)
{
    static const char units[] = "kmgt";
    size_t len = strlen(s);
    char digits[32];
    uint64_t v;
    int shift = 0;

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, s, len + 1);
    const char *u = strchr(units, digits[len - 1] | 0x20);
    if (u && *u) {
        shift = 10 * (int)(u - units + 1);
        digits[len - 1] = 0;
    }
    if (!osd_number_parse(digits, &v) || v > UINT64_MAX >> shift)
        return false;
    *ret = v << shift;
    return true;
}

bool parse_target(const char *s, struct target *ret)
{
    const char *slash = strchr(s, '/');
    size_t len = slash ? (size_t)(slash - s) : strlen(s);
    struct target t = {0, 0};
    char pid[32];

    if (len >= sizeof(pid))
        return false;
    memcpy(pid, s, len);
    pid[len] = 0;
    if (!osd_number_parse(pid, &t.pid) || (slash && !osd_number_parse(slash + 1, &t.oid)))
        return false;
    *ret = t;
    return true;
}

bool parse_hex(const char *s, uint8_t *dst, size_t cap, size_t *ret_len)
{
    size_t len = strlen(s);

    if (len % 2 || len / 2 > cap || strspn(s, "0123456789abcdefABCDEF") != len)
        return false;
    for (size_t i = 0; i < len; i += 2) {
        char two[3] = {s[i], s[i + 1], 0};
        dst[i / 2] = (uint8_t)strtoul(two, NULL, 16);
    }
    *ret_len = len / 2;
    return true;
}

bool parse_value(const char *s, uint8_t *dst, size_t cap, uint16_t *ret_len)
{
    size_t len;

    if (strncmp(s, "0x", 2) == 0) {
        if (!parse_hex(s + 2, dst, cap, &len))
            return false;
    } else {
        if (strncmp(s, "text:", 5) == 0)
            s += 5;
        len = strlen(s);
        if (len > cap)
            return false;
        memcpy(dst, s, len);
    }
    *ret_len = (uint16_t)len;
    return true;
}

const char *target_name(char dst[TARGET_NAME_LEN], uint64_t pid, uint64_t oid)
{
    if (oid)
        snprintf(dst, TARGET_NAME_LEN, "0x%" PRIx64 "/0x%" PRIx64, pid, oid);
    else
        snprintf(dst, TARGET_NAME_LEN, "0x%" PRIx64, pid);
    return dst;
}
