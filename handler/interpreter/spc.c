/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/spc.c - INQUIRY and the other commands every SCSI device answers
 * (reference 8, SPC-4)
 */
#include "spc.h"

#include <stdlib.h>

#include "common/buf.h"
#include "wire/spc.h"

bool spc_bad(struct spc *s, enum fault_kind kind, uint16_t field)
{
    s->fault = kind;
    s->field = field;
    return false;
}

static bool bad(struct spc *s, uint16_t field)
{
    return spc_bad(s, FAULT_CDB, field);
}

static bool do_test_unit_ready(struct spc *s)
{
    (void)s;
    return true;
}

static bool is_formatting(const struct spc *s)
{
    return atomic_load(&s->dev->formatting) > 0;
}

/* Nothing is ever pending but a FORMAT OSD; descriptor format whatever DESC says (reference 0.2). */
static bool do_request_sense(struct spc *s)
{
    static const struct osd_sense none = {.key = SENSE_NO_SENSE, .asc = ASC_NONE};
    static const struct osd_sense not_ready = {.key = SENSE_NOT_READY, .asc = ASC_OPERATION};
    uint8_t raw[OSD_SENSE_MAX];

    s->alloc = s->cdb[4];
    osd_writer_put(&s->w, raw, osd_sense_encode(is_formatting(s) ? &not_ready : &none, raw));
    return true;
}

static bool do_inquiry(struct spc *s)
{
    const struct osd_identity *id = &s->dev->identity;

    s->alloc = be16_get(s->cdb + 3);
    if (!(s->cdb[1] & 1)) {
        if (s->cdb[2] != 0)
            return bad(s, 2);
        osd_inquiry_standard(&s->w, id);
        return true;
    }
    switch (s->cdb[2]) {
    case 0x00:
        osd_vpd_supported(&s->w);
        return true;
    case 0x80:
        osd_vpd_serial(&s->w, id);
        return true;
    case 0x83:
        osd_vpd_identification(&s->w, id);
        return true;
    case 0xb0:
        osd_vpd_information(&s->w);
        return true;
    case 0xb1:
        osd_vpd_security_token(&s->w, s->dev->security_token, SECURITY_TOKEN_LEN);
        return true;
    default:
        return bad(s, 2);
    }
}

static bool do_report_luns(struct spc *s)
{
    s->alloc = be32_get(s->cdb + 6);
    if (s->cdb[2] > 2)
        return bad(s, 2);
    osd_writer_be32(&s->w, s->cdb[2] == 1 ? 0 : 8); /* 1: well known logical units only */
    osd_writer_be32(&s->w, 0);
    if (s->cdb[2] != 1)
        osd_writer_be64(&s->w, 0);
    return true;
}

static bool do_maintenance_in(struct spc *s)
{
    const uint8_t *cdb = s->cdb;

    s->alloc = be32_get(cdb + 6);
    switch (cdb[1] & 0x1f) {
    case SPC_MI_SUPPORTED_OPCODES:
        if (osd_report_opcodes(&s->w, cdb[2] & 7, cdb[3], be16_get(cdb + 4), cdb[2] & 0x80,
                               action_supported))
            return bad(s, 2);
        return true;
    case SPC_MI_SUPPORTED_TMF:
        osd_report_tmf(&s->w, cdb[2] & 0x80);
        return true;
    default:
        return bad(s, 1);
    }
}

static const struct spc_command {
    uint8_t opcode, cdb_len;
    bool (*run)(struct spc *s);
    bool any_time; /* also while FORMAT OSD is at work */
    bool to_all;   /* also to who has no credential (reference 8.3) */
} spc_commands[] = {
    {SPC_TEST_UNIT_READY, 6, do_test_unit_ready, false, true},
    {SPC_REQUEST_SENSE, 6, do_request_sense, true, true},
    {SPC_INQUIRY, 6, do_inquiry, true, true},
    {SPC_START_STOP_UNIT, 6, spc_start_stop},
    {SPC_RECEIVE_DIAGNOSTIC, 6, spc_receive_diagnostic},
    {SPC_SEND_DIAGNOSTIC, 6, spc_send_diagnostic},
    {SPC_PREVENT_ALLOW, 6, spc_prevent_allow},
    {SPC_LOG_SENSE, 10, spc_log_sense},
    {SPC_MODE_SELECT10, 10, spc_mode_select},
    {SPC_MODE_SENSE6, 6, spc_mode_sense},
    {SPC_MODE_SENSE10, 10, spc_mode_sense},
    {SPC_REPORT_LUNS, 12, do_report_luns, true, true},
    {SPC_MAINTENANCE_IN, 12, do_maintenance_in, true},
};

static const struct spc_command *find(uint8_t opcode)
{
    for (size_t i = 0; i < sizeof(spc_commands) / sizeof(spc_commands[0]); i++)
        if (spc_commands[i].opcode == opcode)
            return &spc_commands[i];
    return NULL;
}

/* Whether the device as a whole asks for no credential. */
static bool is_open(const struct spc *s)
{
    return atomic_load(&s->dev->root_method) == OSD_SEC_NOSEC;
}

bool spc_run(struct spc *s, size_t cdb_len)
{
    const struct spc_command *cmd = cdb_len > 0 ? find(s->cdb[0]) : NULL;

    if (!cmd || (s->direct && !cmd->to_all && !is_open(s)))
        return spc_bad(s, FAULT_OPCODE, 0);
    if (cdb_len < cmd->cdb_len)
        return bad(s, 0);
    if (!cmd->any_time && is_formatting(s))
        return spc_bad(s, FAULT_NOT_READY, 0);
    return cmd->run(s);
}

/* Run into a scratch buffer and bring home what the allocation length and Data-In leave. */
static void answer(struct osd_device *dev, const struct osd_request *req,
                   struct osd_response *ret)
{
    struct spc s = {.dev = dev, .cdb = req->cdb, .out = &req->out, .direct = true};
    _cleanup_free_ uint8_t *data = malloc(SPC_DATA_MAX);
    uint64_t len;

    if (!data) {
        respond_plain(FAULT_ROOM, 0, ret);
        return;
    }
    s.w = osd_writer_make(data, SPC_DATA_MAX);
    if (!spc_run(&s, req->cdb_len)) {
        respond_plain(s.fault, s.field, ret);
        return;
    }
    len = osd_writer_kept(&s.w);
    len = len < s.alloc ? len : s.alloc;
    ret->in_len = osd_iov_write(&req->in, 0, data, len);
}

void spc_execute(struct osd_device *dev, const struct osd_request *req,
                 struct osd_response *ret)
{
    *ret = (struct osd_response){.status = SAM_GOOD};
    answer(dev, req, ret);
    osd_iov_zero(&req->in, ret->in_len, req->in.len - ret->in_len);
}
