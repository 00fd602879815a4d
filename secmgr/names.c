/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/names.c - see names.h
 */
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/cdb.h"

static const struct {
    const char *name;
    uint16_t bit;
} perms[] = {
    {"read", OSD_PERM_READ},         {"write", OSD_PERM_WRITE},
    {"get-attr", OSD_PERM_GET_ATTR}, {"set-attr", OSD_PERM_SET_ATTR},
    {"create", OSD_PERM_CREATE},     {"remove", OSD_PERM_REMOVE},
    {"obj-mgmt", OSD_PERM_OBJ_MGMT}, {"append", OSD_PERM_APPEND},
    {"dev-mgmt", OSD_PERM_DEV_MGMT}, {"global", OSD_PERM_GLOBAL},
    {"pol-sec", OSD_PERM_POL_SEC},   {"m-object", OSD_PERM_M_OBJECT},
    {"query", OSD_PERM_QUERY},       {"gbl-rem", OSD_PERM_GBL_REM},
};
#define N_PERMS (sizeof(perms) / sizeof(perms[0]))

uint16_t sm_perm_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < N_PERMS; i++)
        if (strlen(perms[i].name) == len && memcmp(perms[i].name, name, len) == 0)
            return perms[i].bit;
    return 0;
}

uint16_t sm_perms_all(void)
{
    uint16_t all = 0;

    for (size_t i = 0; i < N_PERMS; i++)
        all |= perms[i].bit;
    return all;
}

osd_status sm_perms_parse(const char *s, uint16_t *ret)
{
    uint16_t sum = 0;

    if (strcmp(s, "none") == 0 || strcmp(s, "all") == 0) {
        *ret = s[0] == 'a' ? sm_perms_all() : 0;
        return OSD_OK;
    }
    for (;;) {
        size_t len = strcspn(s, ",");
        uint16_t bit = sm_perm_by_name(s, len);
        if (!bit)
            return OSD_E_INVALID;
        sum |= bit;
        if (!s[len])
            break;
        s += len + 1;
    }
    *ret = sum;
    return OSD_OK;
}

const char *sm_perms_format(uint16_t bits, char dst[SM_PERMS_TEXT])
{
    size_t at = 0;

    for (size_t i = 0; i < N_PERMS; i++)
        if (bits & perms[i].bit)
            at += (size_t)snprintf(dst + at, SM_PERMS_TEXT - at, "%s%s", at ? "," : "",
                                   perms[i].name);
    if (at == 0)
        snprintf(dst, SM_PERMS_TEXT, "none");
    return dst;
}

static const struct {
    const char *name;
    uint8_t type;
} types[] = {
    {"root", OSD_TYPE_ROOT},
    {"partition", OSD_TYPE_PARTITION},
    {"collection", OSD_TYPE_COLLECTION},
    {"object", OSD_TYPE_USER},
};

uint8_t sm_type_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    return 0;
}

const char *sm_type_name(uint8_t type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

bool sm_number_parse(const char *s, uint64_t *ret)
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

static int nibble(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool sm_hex_parse(const char *s, uint8_t *dst, size_t len)
{
    if (strlen(s) != 2 * len)
        return false;
    for (size_t i = 0; i < 2 * len; i++)
        if (nibble(s[i]) < 0)
            return false;
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)(nibble(s[2 * i]) << 4 | nibble(s[2 * i + 1]));
    return true;
}

char *sm_hex_format(const uint8_t *src, size_t len, char *dst)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
    dst[2 * len] = 0;
    return dst;
}
