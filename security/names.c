/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/names.c - see names.h
 */
#include "names.h"

#include <stdio.h>
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

uint16_t osd_permission_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < N_PERMS; i++)
        if (strlen(perms[i].name) == len && memcmp(perms[i].name, name, len) == 0)
            return perms[i].bit;
    return 0;
}

uint16_t osd_permissions_all(void)
{
    uint16_t all = 0;

    for (size_t i = 0; i < N_PERMS; i++)
        all |= perms[i].bit;
    return all;
}

osd_status osd_permissions_parse(const char *s, uint16_t *ret)
{
    uint16_t sum = 0;

    if (strcmp(s, "none") == 0 || strcmp(s, "all") == 0) {
        *ret = s[0] == 'a' ? osd_permissions_all() : 0;
        return OSD_OK;
    }
    for (;;) {
        size_t len = strcspn(s, ",");
        uint16_t bit = osd_permission_by_name(s, len);
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

const char *osd_permissions_format(uint16_t bits, char dst[OSD_PERMISSIONS_TEXT])
{
    size_t at = 0;

    for (size_t i = 0; i < N_PERMS; i++)
        if (bits & perms[i].bit)
            at += (size_t)snprintf(dst + at, OSD_PERMISSIONS_TEXT - at, "%s%s", at ? "," : "",
                                   perms[i].name);
    if (at == 0)
        snprintf(dst, OSD_PERMISSIONS_TEXT, "none");
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

uint8_t osd_type_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    return 0;
}

const char *osd_type_name(uint8_t type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}
