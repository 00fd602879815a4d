/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/perform.c - PERFORM SCSI COMMAND, PERFORM TASK MANAGEMENT FUNCTION
 * (reference 2.4)
 *
 * The embedded command is one of spc.c; its fields are reported where they stand in the OSD
 * CDB. Task management is carried out by the transport's target before a logical unit hears of
 * it, so every function on tasks is rejected here, in words the standard has for it.
 */
#include <stdlib.h>

#include "commands.h"
#include "common/buf.h"
#include "spc.h"

/* ---- PERFORM SCSI COMMAND ---- */

static uint16_t embedded_at(const struct command *c)
{
    return by_gen(c, 36, 32);
}

static osd_status translate(struct command *c, const struct spc *s)
{
    switch (s->fault) {
    case FAULT_OPCODE:
        return fail_cdb(c, embedded_at(c));
    case FAULT_CDB:
        return fail_cdb(c, (uint16_t)(embedded_at(c) + s->field));
    case FAULT_PARAM:
        return fail_param(c, c->data_off + s->field);
    default:
        return fail_kind(c, s->fault);
    }
}

/* Command data must not run into the retrieved attributes, nor into a buffer that holds
 * Data-Out. */
static osd_status bring_home(struct command *c, const struct spc *s)
{
    uint64_t len = osd_writer_kept(&s->w);

    len = len < s->alloc ? len : s->alloc;
    if (c->gets && len > c->cdb.attr.retrieved_off)
        return fail_cdb(c, c->cdb.attr.format == OSD_ATTR_LIST ? 64 : 60);
    if (len > 0 && c->keeps_in)
        return fail_cdb(c, embedded_at(c));
    c->data_in_len = osd_iov_write(&c->req->in, 0, s->w.data, len);
    return OSD_OK;
}

osd_status run_scsi(struct command *c)
{
    _cleanup_free_ uint8_t *data = malloc(SPC_DATA_MAX);
    struct spc s = {.dev = c->dev,
                    .cdb = c->cdb.scsi_cdb,
                    .out = &c->req->out,
                    .out_off = c->data_off,
                    .w = osd_writer_make(data, SPC_DATA_MAX)};

    if (!data)
        return OSD_E_NOMEM;
    if (!spc_run(&s, sizeof(c->cdb.scsi_cdb)))
        return translate(c, &s);
    return bring_home(c, &s);
}

/* ---- PERFORM TASK MANAGEMENT FUNCTION ---- */

#define SERVICE_COMPLETE 0x00
#define SERVICE_REJECTED 0x08
#define ANSWER_LEN       8

static const struct {
    uint8_t function;
    uint8_t response; /* of OSD-2 */
} functions[] = {
    {0x01, SERVICE_REJECTED}, /* ABORT TASK */
    {0x02, SERVICE_REJECTED}, /* ABORT TASK SET */
    {0x04, SERVICE_REJECTED}, /* CLEAR TASK SET */
    {0x08, SERVICE_REJECTED}, /* LOGICAL UNIT RESET */
    {0x10, SERVICE_REJECTED}, /* I_T NEXUS RESET */
    {0x40, SERVICE_REJECTED}, /* CLEAR ACA */
    {0x80, SERVICE_REJECTED}, /* QUERY TASK */
    {0x81, SERVICE_REJECTED}, /* QUERY TASK SET */
    {0x82, SERVICE_COMPLETE}, /* QUERY UNIT ATTENTION: there is none here */
};

/* OSD-1 has no way of saying "rejected" but a CHECK CONDITION. */
osd_status run_task_management(struct command *c)
{
    uint8_t raw[ANSWER_LEN] = {0, ANSWER_LEN - 2};
    uint16_t at = by_gen(c, 43, 39);
    size_t i = 0, n = sizeof(functions) / sizeof(functions[0]);
    uint64_t len = c->cdb.tm_alloc_len < ANSWER_LEN ? c->cdb.tm_alloc_len : ANSWER_LEN;

    while (i < n && functions[i].function != c->cdb.tm_function)
        i++;
    if (i == n || c->cdb.gen == OSD_GEN1)
        return fail_cdb(c, at);
    if (len > 0 && c->keeps_in)
        return fail_cdb(c, 32);
    if (c->gets && len > c->cdb.attr.retrieved_off)
        return fail_cdb(c, c->cdb.attr.format == OSD_ATTR_LIST ? 64 : 60);
    raw[4] = functions[i].response;
    c->data_in_len = osd_iov_write(&c->req->in, 0, raw, len);
    return OSD_OK;
}
