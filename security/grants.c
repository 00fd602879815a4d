/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/grants.c - see grants.h
 */
#include "grants.h"

#include "wire/attrs.h"

#define OSD1_PERMISSIONS 0xffe0 /* bits a format 1 capability can hold */

#define ROOT      OSD_TYPE_ROOT, OSD_DESC_PAR
#define PARTITION OSD_TYPE_PARTITION, OSD_DESC_PAR
#define CONTAINER 0, OSD_DESC_PAR
#define USER      OSD_TYPE_USER, OSD_DESC_USER
#define ANY       0, OSD_DESC_NONE

#define APPEND   OSD_PERM_APPEND
#define CREATE   OSD_PERM_CREATE
#define DEV_MGMT OSD_PERM_DEV_MGMT
#define GET      OSD_PERM_GET_ATTR
#define GLOBAL   OSD_PERM_GLOBAL
#define M_OBJECT OSD_PERM_M_OBJECT
#define OBJ_MGMT OSD_PERM_OBJ_MGMT
#define POL_SEC  OSD_PERM_POL_SEC
#define QUERY    OSD_PERM_QUERY
#define READ     OSD_PERM_READ
#define REMOVE   OSD_PERM_REMOVE
#define SET      OSD_PERM_SET_ATTR
#define WRITE    OSD_PERM_WRITE

/* permissions, others that do, object type and descriptor */
static const struct osd_grant grants[OSD_OP_MAX] = {
    [OSD_OP_APPEND] = {APPEND, 0, USER},
    [OSD_OP_CLEAR] = {WRITE, 0, USER},
    [OSD_OP_COPY_USER_OBJECTS] = {CREATE | WRITE, 0, USER},
    [OSD_OP_CREATE] = {CREATE, 0, USER},
    [OSD_OP_CREATE_AND_WRITE] = {CREATE | WRITE, 0, USER},
    [OSD_OP_CREATE_CLONE] = {CREATE | READ | WRITE, 0, PARTITION},
    [OSD_OP_CREATE_COLLECTION] = {CREATE, 0, ANY},
    [OSD_OP_CREATE_PARTITION] = {CREATE, 0, PARTITION},
    [OSD_OP_CREATE_SNAPSHOT] = {CREATE | READ | WRITE, 0, PARTITION},
    [OSD_OP_CREATE_USER_TRACKING_COLLECTION] = {CREATE | READ | WRITE, 0, ANY},
    [OSD_OP_DETACH_CLONE] = {WRITE, 0, PARTITION},
    [OSD_OP_FLUSH] = {OBJ_MGMT, 0, USER},
    [OSD_OP_FLUSH_COLLECTION] = {OBJ_MGMT, 0, ANY},
    [OSD_OP_FLUSH_OSD] = {OBJ_MGMT, 0, ROOT},
    [OSD_OP_FLUSH_PARTITION] = {OBJ_MGMT, 0, PARTITION},
    [OSD_OP_FORMAT_OSD] = {OBJ_MGMT | GLOBAL, 0, ROOT},
    [OSD_OP_GET_ATTRIBUTES] = {GET, 0, ANY},
    [OSD_OP_GET_MEMBER_ATTRIBUTES] = {GET | M_OBJECT, 0, ANY},
    [OSD_OP_LIST] = {READ, 0, CONTAINER},
    [OSD_OP_LIST_COLLECTION] = {READ, 0, ANY},
    [OSD_OP_OBJECT_STRUCTURE_CHECK] = {DEV_MGMT, OBJ_MGMT | GLOBAL, CONTAINER},
    [OSD_OP_PERFORM_SCSI_COMMAND] = {DEV_MGMT | GLOBAL, 0, ROOT},
    [OSD_OP_PERFORM_TASK_MANAGEMENT] = {DEV_MGMT | GLOBAL, 0, ROOT},
    [OSD_OP_PUNCH] = {WRITE, 0, USER},
    [OSD_OP_QUERY] = {QUERY, 0, ANY},
    [OSD_OP_READ] = {READ, 0, USER},
    [OSD_OP_READ_MAP] = {READ, DEV_MGMT, USER},
    [OSD_OP_READ_MAPS_AND_COMPARE] = {READ, DEV_MGMT, USER},
    [OSD_OP_REFRESH_SNAPSHOT_OR_CLONE] = {READ | WRITE, 0, PARTITION},
    [OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT] = {READ | WRITE, 0, PARTITION},
    [OSD_OP_REMOVE] = {REMOVE, 0, USER},
    [OSD_OP_REMOVE_COLLECTION] = {REMOVE, 0, ANY},
    [OSD_OP_REMOVE_MEMBER_OBJECTS] = {REMOVE | M_OBJECT, 0, ANY},
    [OSD_OP_REMOVE_PARTITION] = {REMOVE, 0, PARTITION},
    [OSD_OP_SET_ATTRIBUTES] = {SET, 0, ANY},
    [OSD_OP_SET_KEY] = {DEV_MGMT | POL_SEC, 0, CONTAINER},
    [OSD_OP_SET_MASTER_KEY] = {DEV_MGMT | POL_SEC | GLOBAL, 0, ROOT},
    [OSD_OP_SET_MEMBER_ATTRIBUTES] = {SET | M_OBJECT, 0, ANY},
    [OSD_OP_WRITE] = {WRITE, 0, USER},
};

const struct osd_grant *osd_grant_of(enum osd_op op)
{
    return (unsigned)op < OSD_OP_MAX && grants[op].permissions ? &grants[op] : NULL;
}

/* Commands on the whole device need GLOBAL since OSD-2 only. */
static bool is_global_since_osd2(enum osd_op op)
{
    return op == OSD_OP_PERFORM_SCSI_COMMAND || op == OSD_OP_PERFORM_TASK_MANAGEMENT ||
           op == OSD_OP_SET_MASTER_KEY;
}

uint16_t osd_grant_permissions(const struct osd_cdb *cdb)
{
    const struct osd_grant *g = osd_grant_of(cdb->op);
    uint16_t perms = g ? g->permissions : 0;

    if (cdb->gen == OSD_GEN1 && is_global_since_osd2(cdb->op))
        perms &= (uint16_t)~GLOBAL;
    if (cdb->list_attr)
        perms |= M_OBJECT;
    if (cdb->op == OSD_OP_QUERY && cdb->start) /* into a collection */
        perms |= WRITE;
    if (cdb->op == OSD_OP_REMOVE_PARTITION && cdb->option == 1)
        perms |= OSD_PERM_GBL_REM;
    return osd_capability_is_layout1(cdb) ? perms & OSD1_PERMISSIONS : perms;
}

/* Policy and security pages, and setting what ALLOWED ATTRIBUTES ACCESS refers to. */
uint16_t osd_grant_for_attribute(uint32_t page, bool set)
{
    bool policy = (osd_page_owner(page) && osd_page_offset(page) == OSD_PG_SECURITY) ||
                  (page == OSD_PAGE_P + OSD_PG_COLLECTIONS && set);

    return (uint16_t)((set ? SET : GET) | (policy ? POL_SEC : 0));
}

uint8_t osd_grant_descriptor(uint8_t object_type, bool layout1)
{
    switch (object_type) {
    case OSD_TYPE_ROOT:
    case OSD_TYPE_PARTITION:
        return OSD_DESC_PAR;
    case OSD_TYPE_COLLECTION:
        return layout1 ? OSD_DESC_USER : OSD_DESC_COL;
    default:
        return OSD_DESC_USER;
    }
}
