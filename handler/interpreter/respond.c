/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/respond.c - what went wrong, as SAM status and sense data
 *
 * The only place of the room that makes sense data. What a function knew of its failure is in
 * command.fault; a bare status of the store is translated by a second table. In the function
 * bits only the checks count as completed: a failing command has changed nothing.
 */
#include <string.h>

#include "command.h"
#include "common/log.h"
#include "secure.h"

struct verdict {
    uint8_t key;
    uint16_t asc;
};

static const struct verdict by_fault[] = {
    [FAULT_CDB] = {SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD_CDB},
    [FAULT_PARAM] = {SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD_PARAM},
    [FAULT_LENGTH] = {SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH},
    [FAULT_QUOTA] = {SENSE_DATA_PROTECT, ASC_QUOTA},
    [FAULT_NOT_EMPTY] = {SENSE_ILLEGAL_REQUEST, ASC_NOT_EMPTY},
    [FAULT_NONCE_TIME] = {SENSE_ILLEGAL_REQUEST, ASC_NONCE_TIMESTAMP},
    [FAULT_AUDIT] = {SENSE_ILLEGAL_REQUEST, ASC_AUDIT_FROZEN},
    [FAULT_KEY_FROZEN] = {SENSE_ILLEGAL_REQUEST, ASC_KEY_FROZEN},
    [FAULT_DATA_ICV] = {SENSE_ILLEGAL_REQUEST, ASC_INVALID_DATA_OUT_ICV},
    [FAULT_SEQUENCE] = {SENSE_ILLEGAL_REQUEST, ASC_SEQUENCE_ERROR},
    [FAULT_PROTECTED] = {SENSE_DATA_PROTECT, ASC_WRITE_PROTECTED},
    [FAULT_NOT_READY] = {SENSE_NOT_READY, ASC_OPERATION},
    [FAULT_NONCE] = {SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE},
    [FAULT_ABORTED] = {SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED},
    [FAULT_ROOM] = {SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE},
    [FAULT_OPCODE] = {SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE},
};

static struct verdict by_status(osd_status st)
{
    switch (st) {
    case OSD_E_CORRUPT:
        return (struct verdict){SENSE_MEDIUM_ERROR, ASC_UNRECOVERED_READ};
    case OSD_E_NOMEM:
        return (struct verdict){SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE};
    default:
        return (struct verdict){SENSE_HARDWARE_ERROR, ASC_INTERNAL_FAILURE};
    }
}

osd_status fail_cdb(struct command *c, uint16_t field)
{
    c->fault = (struct fault){.kind = FAULT_CDB, .field = field};
    return OSD_E_INVALID;
}

osd_status fail_param(struct command *c, uint64_t at)
{
    c->fault = (struct fault){.kind = FAULT_PARAM,
                              .field = (uint16_t)(at > UINT16_MAX ? UINT16_MAX : at)};
    return OSD_E_INVALID;
}

osd_status fail_kind(struct command *c, enum fault_kind kind)
{
    c->fault = (struct fault){.kind = kind};
    return OSD_E_INVALID;
}

osd_status fail_quota(struct command *c, uint32_t page, uint32_t number)
{
    c->fault = (struct fault){
        .kind = FAULT_QUOTA, .has_attr = true, .attr = {.page = page, .number = number}};
    return OSD_E_QUOTA;
}

/* Which attribute is the quota that stopped a call (reference 9.4). */
static struct osd_attr_id quota_attr(enum store_quota q)
{
    switch (q) {
    case STORE_QUOTA_LENGTH:
        return (struct osd_attr_id){OSD_PAGE_U + OSD_PG_QUOTAS, 0x1};
    case STORE_QUOTA_OBJECTS:
        return (struct osd_attr_id){OSD_PAGE_P + OSD_PG_QUOTAS, 0x10002};
    case STORE_QUOTA_PARTITIONS:
        return (struct osd_attr_id){OSD_PAGE_R + OSD_PG_QUOTAS, 0x20002};
    case STORE_QUOTA_CAPACITY:
    case STORE_QUOTA_NONE:
        break;
    }
    return (struct osd_attr_id){OSD_PAGE_P + OSD_PG_QUOTAS, 0x10001};
}

/* The store's own refusals as faults; a full store reads like a full partition. */
static struct fault fault_of(const struct command *c, osd_status st)
{
    struct fault f = c->fault;

    if (f.kind != FAULT_NONE)
        return f;
    if (st == OSD_E_QUOTA || st == OSD_E_NO_SPACE) {
        enum store_quota q = st == OSD_E_QUOTA && c->txn ? c->txn->quota : STORE_QUOTA_NONE;
        f = (struct fault){.kind = FAULT_QUOTA, .has_attr = true, .attr = quota_attr(q)};
    }
    return f;
}

static void log_failure(const struct command *c, osd_status st)
{
    const struct osd_op_info *info = osd_op_info(c->cdb.op);

    osd_log(OSD_LOG_ERROR, "%s of object 0x%llx/0x%llx: %s", info ? info->name : "command",
            (unsigned long long)c->target.pid, (unsigned long long)c->target.oid,
            osd_status_text(st));
}

static struct osd_sense failure_sense(const struct command *c, osd_status st)
{
    struct fault f = fault_of(c, st);
    struct verdict v = f.kind != FAULT_NONE ? by_fault[f.kind] : by_status(st);
    struct osd_sense s = {.key = v.key,
                          .asc = v.asc,
                          .has_field = f.kind == FAULT_CDB || f.kind == FAULT_PARAM,
                          .field_in_cdb = f.kind == FAULT_CDB,
                          .field = f.field,
                          .has_command_info = f.kind == FAULT_NONCE_TIME,
                          .command_info = c->now,
                          .has_object = true,
                          .completed = c->validated,
                          .not_initiated = OSD_FN_ALL & ~c->validated & ~c->function,
                          .pid = c->target.pid,
                          .oid = c->target.oid,
                          .n_attrs = f.has_attr,
                          .attrs = {f.attr}};

    if (f.kind == FAULT_NONE)
        log_failure(c, st);
    return s;
}

/* READ beyond the end: everything was done, the client learns how much was there. */
static struct osd_sense past_end_sense(const struct command *c)
{
    return (struct osd_sense){.key = SENSE_RECOVERED,
                              .asc = ASC_READ_PAST_END,
                              .has_command_info = true,
                              .command_info = c->bytes_read,
                              .has_object = true,
                              .completed = OSD_FN_ALL,
                              .pid = c->target.pid,
                              .oid = c->target.oid};
}

void respond(const struct command *c, osd_status st, struct osd_response *ret)
{
    struct osd_sense s;

    memset(ret, 0, sizeof(*ret));
    if (st == OSD_E_BUSY) {
        ret->status = SAM_BUSY;
        return;
    }
    if (st == OSD_OK && !c->past_end)
        return;
    s = st ? failure_sense(c, st) : past_end_sense(c);
    secure_sign_sense(c, &s);
    ret->status = SAM_CHECK_CONDITION;
    ret->sense_len = osd_sense_encode(&s, ret->sense);
}

void respond_lost(struct osd_response *ret)
{
    struct osd_sense s = {.key = SENSE_HARDWARE_ERROR, .asc = ASC_INTERNAL_FAILURE};

    memset(ret, 0, sizeof(*ret));
    ret->status = SAM_CHECK_CONDITION;
    ret->sense_len = osd_sense_encode(&s, ret->sense);
}

void respond_plain(enum fault_kind kind, uint16_t field, struct osd_response *ret)
{
    struct osd_sense s = {.key = by_fault[kind].key,
                          .asc = by_fault[kind].asc,
                          .has_field = kind == FAULT_CDB || kind == FAULT_PARAM,
                          .field_in_cdb = kind == FAULT_CDB,
                          .field = field};

    memset(ret, 0, sizeof(*ret));
    ret->status = SAM_CHECK_CONDITION;
    ret->sense_len = osd_sense_encode(&s, ret->sense);
}
