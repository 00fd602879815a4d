/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/perform.c - PERFORM SCSI COMMAND, PERFORM TASK MANAGEMENT FUNCTION
 * (reference 2.4)
 *
 * The embedded command is one of spc.c; its fields are reported where they stand in the OSD
 * CDB. Task management that comes as such is carried out by the transport's target, and a logical
 * unit hears nothing of it; the function here ends commands that may take long (tasks.h), named by
 * what the device knows of them. It takes no lock (execute.c, goes_ahead()).
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

enum service { SERVICE_COMPLETE = 0x00, SERVICE_SUCCEEDED = 0x05, SERVICE_REJECTED = 0x08 };

#define ANSWER_LEN 8

static enum service abort_one(struct command *c)
{
    tasks_abort(&c->dev->tasks, c->cdb.tm_tag);
    return SERVICE_COMPLETE;
}

static enum service abort_all(struct command *c)
{
    tasks_abort_all(&c->dev->tasks);
    return SERVICE_COMPLETE;
}

static enum service query_one(struct command *c)
{
    return tasks_find(&c->dev->tasks, c->cdb.tm_tag) ? SERVICE_SUCCEEDED : SERVICE_COMPLETE;
}

static enum service query_all(struct command *c)
{
    return tasks_any(&c->dev->tasks) ? SERVICE_SUCCEEDED : SERVICE_COMPLETE;
}

static enum service query_attention(struct command *c)
{
    (void)c; /* there is none here */
    return SERVICE_COMPLETE;
}

/* run: NULL where the transport alone could do it. osd1: its status GOOD says enough. */
static const struct {
    uint8_t function;
    bool osd1;
    enum service (*run)(struct command *c);
} functions[] = {
    {0x01, true, abort_one},        /* ABORT TASK */
    {0x02, true, abort_all},        /* ABORT TASK SET */
    {0x04, true, abort_all},        /* CLEAR TASK SET */
    {0x08, true, abort_all},        /* LOGICAL UNIT RESET */
    {0x10, false, NULL},            /* I_T NEXUS RESET */
    {0x40, false, NULL},            /* CLEAR ACA */
    {0x80, false, query_one},       /* QUERY TASK */
    {0x81, false, query_all},       /* QUERY TASK SET */
    {0x82, false, query_attention}, /* QUERY UNIT ATTENTION */
};

#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static size_t find_function(uint8_t function)
{
    size_t i = 0;

    while (i < N_FUNCTIONS && functions[i].function != function)
        i++;
    return i;
}

static uint64_t answer_len(const struct command *c)
{
    return c->cdb.tm_alloc_len < ANSWER_LEN ? c->cdb.tm_alloc_len : ANSWER_LEN;
}

/* The command itself has ended well: now, and only now, others are ended. */
static osd_status carry_out(struct command *c)
{
    uint8_t raw[ANSWER_LEN] = {0, ANSWER_LEN - 2};
    size_t i = find_function(c->cdb.tm_function);

    raw[4] = (uint8_t)(functions[i].run ? functions[i].run(c) : SERVICE_REJECTED);
    if (c->cdb.gen == OSD_GEN2)
        c->data_in_len = osd_iov_write(&c->req->in, 0, raw, answer_len(c));
    return OSD_OK;
}

/* OSD-1 has no way of saying anything but "complete" or, by a CHECK CONDITION, "rejected". */
osd_status run_task_management(struct command *c)
{
    size_t i = find_function(c->cdb.tm_function);

    if (i == N_FUNCTIONS || (c->cdb.gen == OSD_GEN1 && !functions[i].osd1))
        return fail_cdb(c, by_gen(c, 43, 39));
    if (answer_len(c) > 0 && c->keeps_in)
        return fail_cdb(c, 32);
    if (c->gets && answer_len(c) > c->cdb.attr.retrieved_off)
        return fail_cdb(c, c->cdb.attr.format == OSD_ATTR_LIST ? 64 : 60);
    c->after = carry_out;
    return OSD_OK;
}
