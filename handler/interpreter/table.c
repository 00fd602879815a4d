/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/table.c - every command that is offered, in one table (reference 2.1)
 *
 * What has no row here answers INVALID FIELD IN CDB at byte 8.
 */
#include "commands.h"
#include "wire/twophase.h"

#define TA STORE_TOUCH_DATA_ACCESSED
#define TM STORE_TOUCH_DATA_MODIFIED

#define W_S_G ORDER_WORK_SET_GET
#define S_G_W ORDER_SET_GET_WORK
#define G_S   ORDER_GET_SET

#define YES    MUTATES_YES
#define NO     MUTATES_NO
#define SECOND MUTATES_SECOND
#define STEP   MUTATES_STEP

#define SNAPSHOTS (ACT_DEVICE | ACT_FROZEN | ACT_LONG)

/* target, order, changes objects, timestamps of the object, of its partition, function, flags;
 * what a capability must say is in security/grants.c */
static const struct action actions[OSD_OP_MAX] = {
    [OSD_OP_APPEND] = {TARGET_USER, W_S_G, YES, TM, TM, run_append},
    [OSD_OP_CLEAR] = {TARGET_USER, W_S_G, YES, TM, TM, run_clear},
    [OSD_OP_COPY_USER_OBJECTS] = {TARGET_NEW_USER, W_S_G, YES, 0, TM, run_copy,
                                  ACT_WHOLE | ACT_LONG},
    [OSD_OP_CREATE_CLONE] = {TARGET_SOURCE, W_S_G, YES, 0, 0, run_create_duplicate, SNAPSHOTS},
    [OSD_OP_CREATE_SNAPSHOT] = {TARGET_SOURCE, W_S_G, YES, 0, 0, run_create_duplicate,
                                SNAPSHOTS},
    [OSD_OP_CREATE] = {TARGET_NEW_USER, W_S_G, YES, 0, TM, run_create},
    [OSD_OP_CREATE_AND_WRITE] = {TARGET_NEW_USER, W_S_G, YES, 0, TM, run_create_and_write},
    [OSD_OP_CREATE_COLLECTION] = {TARGET_NEW_COLLECTION, W_S_G, YES, 0, TM,
                                  run_create_collection},
    [OSD_OP_CREATE_USER_TRACKING_COLLECTION] = {TARGET_NEW_COLLECTION, W_S_G, YES, 0, TM,
                                                run_create_tracking, ACT_WHOLE | ACT_LONG},
    [OSD_OP_CREATE_PARTITION] = {TARGET_NEW_PARTITION, W_S_G, YES, 0, 0, run_create_partition},
    [OSD_OP_DETACH_CLONE] = {TARGET_PARTITION, W_S_G, YES, 0, 0, run_detach, SNAPSHOTS},
    [OSD_OP_FLUSH] = {TARGET_USER, W_S_G, NO, 0, 0, run_flush},
    [OSD_OP_FLUSH_COLLECTION] = {TARGET_COLLECTION, W_S_G, NO, 0, 0, run_flush},
    [OSD_OP_FLUSH_OSD] = {TARGET_ROOT, W_S_G, NO, 0, 0, run_flush},
    [OSD_OP_FLUSH_PARTITION] = {TARGET_PARTITION, W_S_G, NO, 0, 0, run_flush},
    [OSD_OP_FORMAT_OSD] = {TARGET_ROOT, W_S_G, YES, 0, 0, run_format, ACT_LONG},
    [OSD_OP_GET_ATTRIBUTES] = {TARGET_ANY, G_S, NO, 0, 0, run_none},
    [OSD_OP_GET_MEMBER_ATTRIBUTES] = {TARGET_COLLECTION, G_S, NO, 0, 0, run_none,
                                      ACT_WHOLE | ACT_MEMBERS | ACT_LONG},
    [OSD_OP_LIST_COLLECTION] = {TARGET_COLLECTIONS, W_S_G, NO, TA, 0, run_list, ACT_LONG},
    [OSD_OP_LIST] = {TARGET_CONTAINER, W_S_G, NO, TA, 0, run_list, ACT_LONG},
    [OSD_OP_OBJECT_STRUCTURE_CHECK] = {TARGET_CONTAINER, W_S_G, NO, 0, 0, run_structure_check,
                                       ACT_LONG},
    [OSD_OP_PERFORM_SCSI_COMMAND] = {TARGET_ROOT, W_S_G, NO, 0, 0, run_scsi},
    [OSD_OP_PERFORM_TASK_MANAGEMENT] = {TARGET_ROOT, W_S_G, NO, 0, 0, run_task_management,
                                        ACT_AHEAD},
    [OSD_OP_PUNCH] = {TARGET_USER, W_S_G, YES, TM, TM, run_punch},
    [OSD_OP_QUERY] = {TARGET_COLLECTION, W_S_G, SECOND, TA, 0, run_query,
                      ACT_WHOLE | ACT_LOOKS | ACT_LONG},
    [OSD_OP_READ] = {TARGET_USER, W_S_G, NO, TA, TA, run_read},
    [OSD_OP_READ_MAP] = {TARGET_USER, W_S_G, NO, 0, 0, run_read_map},
    [OSD_OP_READ_MAPS_AND_COMPARE] = {TARGET_USER, W_S_G, NO, 0, 0, run_compare,
                                      ACT_PAIR | ACT_LONG},
    [OSD_OP_REFRESH_SNAPSHOT_OR_CLONE] = {TARGET_PARTITION, W_S_G, YES, 0, 0, run_refresh,
                                          SNAPSHOTS},
    [OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT] = {TARGET_PARTITION, W_S_G, YES, 0, 0, run_restore,
                                                ACT_DEVICE | ACT_LONG},
    [OSD_OP_REMOVE] = {TARGET_USER, S_G_W, YES, 0, TM, run_remove},
    [OSD_OP_REMOVE_COLLECTION] = {TARGET_COLLECTION, S_G_W, YES, 0, TM, run_remove_collection,
                                  ACT_WHOLE | ACT_LONG},
    [OSD_OP_REMOVE_MEMBER_OBJECTS] = {TARGET_COLLECTION, W_S_G, YES, TM, TM, run_remove_members,
                                      ACT_WHOLE | ACT_LONG},
    [OSD_OP_REMOVE_PARTITION] = {TARGET_PARTITION, S_G_W, YES, 0, 0, run_remove,
                                 ACT_FROZEN | ACT_LONG},
    [OSD_OP_SET_ATTRIBUTES] = {TARGET_ANY, W_S_G, NO, 0, 0, run_none},
    [OSD_OP_SET_KEY] = {TARGET_KEY, W_S_G, YES, 0, 0, run_set_key, ACT_FROZEN},
    [OSD_OP_SET_MASTER_KEY] = {TARGET_ROOT, W_S_G, STEP, 0, 0, run_set_master_key},
    [OSD_OP_SET_MEMBER_ATTRIBUTES] = {TARGET_COLLECTION, W_S_G, YES, 0, 0, run_set_members,
                                      ACT_WHOLE | ACT_MEMBERS | ACT_LONG},
    [OSD_OP_WRITE] = {TARGET_USER, W_S_G, YES, TM, TM, run_write},
};

const struct action *action_of(enum osd_op op)
{
    return (unsigned)op < OSD_OP_MAX && actions[op].run ? &actions[op] : NULL;
}

bool command_mutates(const struct osd_cdb *cdb)
{
    const struct action *a = action_of(cdb->op);

    if (!a)
        return false;
    return a->mutates == MUTATES_YES || (a->mutates == MUTATES_SECOND && cdb->start) ||
           (a->mutates == MUTATES_STEP && cdb->option);
}

bool command_changes(const struct osd_cdb *cdb)
{
    bool sets =
        cdb->attr.format == OSD_ATTR_LIST ? cdb->attr.set_len > 0 : cdb->attr.set_page != 0;

    return sets || command_mutates(cdb);
}

bool action_supported(uint16_t service_action)
{
    return service_action == OSD_ACT_STAGE || service_action == OSD_ACT_COLLECT ||
           action_of(osd_op_by_action(service_action, NULL));
}

#define LONG_TRANSFER (256 * KIB)
#define MOST_TRANSFER MIB
#define LONG_LIST     (16 * KIB) /* attributes to set */
#define LONG_GET_LIST KIB        /* an entry of it may ask for everything */
#define LONG_ANSWER   (64 * KIB) /* attributes to get */
#define MANY_OBJECTS  64u

/* By the attributes: a short list may ask for everything there is, again and again. */
static enum osd_weight weigh_attrs(const struct osd_cdb *c)
{
    const struct osd_attr_params *a = &c->attr;
    bool length = a->format != OSD_ATTR_LIST && a->set_page == OSD_PAGE_U + OSD_PG_INFORMATION;

    if (a->format == OSD_ATTR_LIST && (a->get_list_len >= LONG_GET_LIST || c->list_attr))
        return OSD_WEIGHT_HEAVY;
    if (length || a->set_len >= LONG_LIST || a->get_alloc_len >= LONG_ANSWER)
        return OSD_WEIGHT_LONG; /* cutting an object may free much */
    return OSD_WEIGHT_SHORT;
}

/* Those between are moved in 20 to 100 us when they are in memory: what it takes to wake a worker. */
static enum osd_weight weigh_transfer(const struct osd_cdb *c)
{
    if (c->length < LONG_TRANSFER)
        return OSD_WEIGHT_SHORT;
    return c->length <= MOST_TRANSFER ? OSD_WEIGHT_TRANSFER : OSD_WEIGHT_LONG;
}

static enum osd_weight long_if(bool is_long)
{
    return is_long ? OSD_WEIGHT_LONG : OSD_WEIGHT_SHORT;
}

/* By nature, or by what it moves. */
static enum osd_weight weigh_work(const struct osd_cdb *c)
{
    switch (c->op) {
    case OSD_OP_COPY_USER_OBJECTS:
    case OSD_OP_REFRESH_SNAPSHOT_OR_CLONE:
    case OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT:
    case OSD_OP_CREATE_USER_TRACKING_COLLECTION:
    case OSD_OP_GET_MEMBER_ATTRIBUTES:
    case OSD_OP_OBJECT_STRUCTURE_CHECK:
    case OSD_OP_PUNCH:
    case OSD_OP_QUERY:
    case OSD_OP_READ_MAP:
    case OSD_OP_READ_MAPS_AND_COMPARE:
    case OSD_OP_REMOVE_COLLECTION:
    case OSD_OP_REMOVE_MEMBER_OBJECTS:
    case OSD_OP_SET_MEMBER_ATTRIBUTES:
        return OSD_WEIGHT_HEAVY;
    case OSD_OP_CREATE_CLONE:
    case OSD_OP_CREATE_SNAPSHOT:
    case OSD_OP_DETACH_CLONE:
    case OSD_OP_FORMAT_OSD:
    case OSD_OP_FLUSH:
    case OSD_OP_FLUSH_COLLECTION:
    case OSD_OP_FLUSH_OSD:
    case OSD_OP_FLUSH_PARTITION:
    case OSD_OP_PERFORM_TASK_MANAGEMENT:
    case OSD_OP_REMOVE:
        return OSD_WEIGHT_LONG;
    case OSD_OP_REMOVE_PARTITION:
        return c->option == 1 ? OSD_WEIGHT_HEAVY : OSD_WEIGHT_SHORT;
    case OSD_OP_CREATE:
        return long_if(c->count > MANY_OBJECTS || c->fua);
    case OSD_OP_CLEAR:
    case OSD_OP_LIST:
    case OSD_OP_LIST_COLLECTION:
        return long_if(c->length >= LONG_TRANSFER || c->fua);
    case OSD_OP_APPEND:
    case OSD_OP_CREATE_AND_WRITE:
    case OSD_OP_READ:
    case OSD_OP_WRITE:
        return c->fua ? OSD_WEIGHT_LONG : weigh_transfer(c);
    default:
        return long_if(c->fua);
    }
}

/* Commands whose long part comes when they have given their locks back. */
static bool works_unlocked(enum osd_op op)
{
    return op == OSD_OP_FLUSH || op == OSD_OP_FLUSH_COLLECTION || op == OSD_OP_FLUSH_OSD ||
           op == OSD_OP_FLUSH_PARTITION || op == OSD_OP_OBJECT_STRUCTURE_CHECK;
}

/* What the command will lock for long, or more (execute.c, lock_id()). Task management goes past
 * the commands that it is to end. */
static struct osd_scope scope_of(const struct osd_cdb *c, const struct action *a)
{
    struct osd_scope s = {.pid = c->pid, .oid = c->oid};

    bool passes = works_unlocked(c->op) || c->op == OSD_OP_PERFORM_TASK_MANAGEMENT;

    if (passes && !command_changes(c))
        return (struct osd_scope){.nothing = true};
    if (a->flags & ACT_DEVICE)
        return (struct osd_scope){.pid = 0};
    switch (a->target) {
    case TARGET_ROOT:
        return (struct osd_scope){.pid = 0};
    case TARGET_PARTITION:
    case TARGET_NEW_PARTITION:
    case TARGET_CONTAINER:
        s.oid = 0;
        break;
    default:
        if (a->flags & ACT_WHOLE && !(a->flags & ACT_LOOKS) && command_changes(c))
            s.oid = 0;
    }
    if (c->op == OSD_OP_COPY_USER_OBJECTS || c->op == OSD_OP_READ_MAPS_AND_COMPARE)
        s.pid = 0; /* the second object may be in another partition */
    return s;
}

enum osd_weight command_weigh(const uint8_t *cdb, size_t cdb_len, struct osd_scope *ret_scope)
{
    enum osd_weight work, attrs;
    const struct action *a;
    struct osd_cdb c;

    *ret_scope = (struct osd_scope){.nothing = true};
    if (osd_cdb_glance(cdb, cdb_len, &c) || !(a = action_of(c.op)))
        return OSD_WEIGHT_SHORT;
    *ret_scope = scope_of(&c, a);
    work = weigh_work(&c);
    attrs = weigh_attrs(&c);
    return work > attrs ? work : attrs;
}
