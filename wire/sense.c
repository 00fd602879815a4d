/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/sense.c - descriptor-format sense data (reference 7)
 */
#include "wire/sense.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"

enum {
    D_INFORMATION = 0x00,
    D_COMMAND = 0x01,
    D_FIELD = 0x02,
    D_OBJECT = 0x06,
    D_ICV = 0x07,
    D_ATTRS = 0x08
};

#define OBJECT_LEN 32
#define VALUE_LEN  12
#define FIELD_LEN  8

static void put_value(struct osd_writer *w, uint8_t type, uint64_t value)
{
    osd_writer_u8(w, type);
    osd_writer_u8(w, VALUE_LEN - 2);
    osd_writer_u8(w, type == D_INFORMATION ? 0x80 : 0);
    osd_writer_u8(w, 0);
    osd_writer_be64(w, value);
}

static void put_field(struct osd_writer *w, const struct osd_sense *s)
{
    osd_writer_u8(w, D_FIELD);
    osd_writer_u8(w, FIELD_LEN - 2);
    osd_writer_be16(w, 0);
    osd_writer_u8(w, s->field_in_cdb ? 0xc0 : 0x80);
    osd_writer_be16(w, s->field);
    osd_writer_u8(w, 0);
}

static void put_object(struct osd_writer *w, const struct osd_sense *s)
{
    osd_writer_u8(w, D_OBJECT);
    osd_writer_u8(w, OBJECT_LEN - 2);
    osd_writer_zero(w, 6);
    osd_writer_be32(w, s->not_initiated);
    osd_writer_be32(w, s->completed);
    osd_writer_be64(w, s->pid);
    osd_writer_be64(w, s->oid);
}

static void put_attrs(struct osd_writer *w, const struct osd_sense *s, size_t room)
{
    size_t n = s->n_attrs;

    while (n > 0 && 4 + 8 * n > room)
        n--;
    if (n == 0)
        return;
    osd_writer_u8(w, D_ATTRS);
    osd_writer_u8(w, (uint8_t)(2 + 8 * n));
    osd_writer_be16(w, 0);
    for (size_t i = 0; i < n; i++) {
        osd_writer_be32(w, s->attrs[i].page);
        osd_writer_be32(w, s->attrs[i].number);
    }
}

size_t osd_sense_encode(const struct osd_sense *s, uint8_t dst[OSD_SENSE_MAX])
{
    struct osd_writer w = osd_writer_make(dst, OSD_SENSE_MAX);
    size_t icv = s->icv_len ? 2u + s->icv_len : 0;

    memset(dst, 0, OSD_SENSE_MAX);
    osd_writer_u8(&w, 0x72);
    osd_writer_u8(&w, s->key & 0x0f);
    osd_writer_be16(&w, s->asc);
    osd_writer_zero(&w, 4);
    if (s->has_information)
        put_value(&w, D_INFORMATION, s->information);
    if (s->has_command_info)
        put_value(&w, D_COMMAND, s->command_info);
    if (s->has_field)
        put_field(&w, s);
    if (s->has_object && w.full + OBJECT_LEN + icv <= OSD_SENSE_MAX)
        put_object(&w, s);
    put_attrs(&w, s, OSD_SENSE_MAX - w.full > icv ? OSD_SENSE_MAX - w.full - icv : 0);
    if (icv && w.full + icv <= OSD_SENSE_MAX) {
        osd_writer_u8(&w, D_ICV);
        osd_writer_u8(&w, s->icv_len);
        osd_writer_put(&w, s->icv, s->icv_len);
    }
    dst[7] = (uint8_t)(w.full - 8);
    return w.full;
}

static void get_attrs(const uint8_t *p, size_t len, struct osd_sense *s)
{
    for (size_t at = 4; at + 8 <= len && s->n_attrs < 4; at += 8) {
        s->attrs[s->n_attrs].page = be32_get(p + at);
        s->attrs[s->n_attrs++].number = be32_get(p + at + 4);
    }
}

/* One descriptor of len bytes, head included. Too short ones are skipped. */
static void get_descriptor(const uint8_t *p, size_t len, struct osd_sense *s)
{
    switch (p[0]) {
    case D_INFORMATION:
        s->has_information = len >= VALUE_LEN;
        s->information = len >= VALUE_LEN ? be64_get(p + 4) : 0;
        break;
    case D_COMMAND:
        s->has_command_info = len >= VALUE_LEN;
        s->command_info = len >= VALUE_LEN ? be64_get(p + 4) : 0;
        break;
    case D_FIELD:
        if (len >= FIELD_LEN && p[4] & 0x80) {
            s->has_field = true;
            s->field_in_cdb = p[4] & 0x40;
            s->field = be16_get(p + 5);
        }
        break;
    case D_OBJECT:
        if (len >= OBJECT_LEN) {
            s->has_object = true;
            s->not_initiated = be32_get(p + 8);
            s->completed = be32_get(p + 12);
            s->pid = be64_get(p + 16);
            s->oid = be64_get(p + 24);
        }
        break;
    case D_ICV:
        if (len == 2 + OSD_ICV1_LEN || len == 2 + OSD_ICV2_LEN) {
            s->icv_len = (uint8_t)(len - 2);
            memset(s->icv, 0, sizeof(s->icv));
            memcpy(s->icv, p + 2, len - 2);
        }
        break;
    case D_ATTRS:
        get_attrs(p, len, s);
        break;
    default:
        break;
    }
}

static osd_status decode_fixed(const uint8_t *src, size_t len, struct osd_sense *ret)
{
    if (len < 14)
        return OSD_E_INVALID;
    *ret = (struct osd_sense){.key = src[2] & 0x0f, .asc = be16_get(src + 12)};
    if (len >= 18 && src[15] & 0x80) {
        ret->has_field = true;
        ret->field_in_cdb = src[15] & 0x40;
        ret->field = be16_get(src + 16);
    }
    return OSD_OK;
}

osd_status osd_sense_decode(const uint8_t *src, size_t len, struct osd_sense *ret)
{
    uint8_t code = len > 0 ? src[0] & 0x7f : 0;

    if (code == 0x70 || code == 0x71)
        return decode_fixed(src, len, ret);
    if (len < 8 || (code != 0x72 && code != 0x73))
        return OSD_E_INVALID;

    struct osd_sense s = {.key = src[1] & 0x0f, .asc = be16_get(src + 2)};
    size_t end = 8u + src[7] < len ? 8u + src[7] : len;
    for (size_t at = 8; at + 2 <= end;) {
        size_t d = 2u + src[at + 1];
        if (d > end - at)
            break;
        get_descriptor(src + at, d, &s);
        at += d;
    }
    *ret = s;
    return OSD_OK;
}

/* What a client reports, most specific first; asc 0xffff matches any code of the key. */
static const struct {
    uint8_t key;
    uint16_t asc;
    osd_status status;
} verdicts[] = {
    {SENSE_RECOVERED, ASC_READ_PAST_END, OSD_E_PAST_END},
    {SENSE_RECOVERED, 0xffff, OSD_OK},
    {SENSE_NO_SENSE, 0xffff, OSD_OK},
    {SENSE_NOT_READY, 0xffff, OSD_E_BUSY},
    {SENSE_UNIT_ATTENTION, 0xffff, OSD_E_BUSY},
    {SENSE_MEDIUM_ERROR, 0xffff, OSD_E_CORRUPT},
    {SENSE_HARDWARE_ERROR, 0xffff, OSD_E_IO},
    {SENSE_DATA_PROTECT, ASC_QUOTA, OSD_E_QUOTA},
    {SENSE_DATA_PROTECT, 0xffff, OSD_E_DENIED},
    {SENSE_ILLEGAL_REQUEST, ASC_NOT_EMPTY, OSD_E_NOT_EMPTY},
    {SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE, OSD_E_UNSUPPORTED},
    {SENSE_ILLEGAL_REQUEST, 0x2500, OSD_E_NOT_FOUND},
    {SENSE_ILLEGAL_REQUEST, ASC_AUDIT_FROZEN, OSD_E_DENIED},
    {SENSE_ILLEGAL_REQUEST, ASC_KEY_FROZEN, OSD_E_DENIED},
    {SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE, OSD_E_DENIED},
    {SENSE_ILLEGAL_REQUEST, ASC_NONCE_TIMESTAMP, OSD_E_DENIED},
    {SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE, OSD_E_BUSY},
    {SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED, OSD_E_INTERRUPTED},
    {SENSE_ABORTED_COMMAND, 0xffff, OSD_E_IO},
};

/* INVALID FIELD IN CDB: the pointer says what was wrong (reference 2.3). */
static osd_status field_verdict(uint16_t field)
{
    if (field == 8)
        return OSD_E_UNSUPPORTED;
    if (field == 16 || field == 24)
        return OSD_E_NOT_FOUND;
    if (field >= OSD_CAPABILITY_AT && field < 236)
        return OSD_E_DENIED;
    return OSD_E_INVALID;
}

/* The request was valid, but its capability does not cover it. */
static bool capability_failed(const struct osd_sense *s)
{
    return s->has_object && s->completed & OSD_FN_VALIDATION &&
           !((s->completed | s->not_initiated) & OSD_FN_CMD_CAP);
}

osd_status osd_sense_status(const struct osd_sense *s)
{
    if (s->key == SENSE_ILLEGAL_REQUEST && s->asc == ASC_INVALID_FIELD_CDB &&
        capability_failed(s))
        return OSD_E_DENIED;
    if (s->key == SENSE_ILLEGAL_REQUEST && s->asc == ASC_INVALID_FIELD_CDB && s->has_field &&
        s->field_in_cdb)
        return field_verdict(s->field);
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (verdicts[i].key == s->key &&
            (verdicts[i].asc == s->asc || verdicts[i].asc == 0xffff))
            return verdicts[i].status;
    return OSD_E_INVALID;
}

static const struct {
    uint16_t asc;
    const char *text;
} asc_texts[] = {
    {ASC_NONE, "no additional sense information"},
    {ASC_NOT_READY, "logical unit not ready"},
    {ASC_FORMAT_IN_PROGRESS, "format in progress"},
    {ASC_OPERATION, "operation in progress"},
    {ASC_STRUCTURE_CHECK, "structure check required"},
    {0x0800, "logical unit communication failure"},
    {ASC_UNRECOVERED_READ, "unrecovered read error"},
    {ASC_PARAM_LIST_LENGTH, "parameter list length error"},
    {ASC_INVALID_OPCODE, "invalid command operation code"},
    {ASC_INVALID_FIELD_CDB, "invalid field in CDB"},
    {ASC_AUDIT_FROZEN, "security audit value frozen"},
    {ASC_KEY_FROZEN, "security working key frozen"},
    {ASC_NONCE_NOT_UNIQUE, "nonce not unique"},
    {ASC_NONCE_TIMESTAMP, "nonce timestamp out of range"},
    {ASC_NO_SUCH_LUN, "logical unit not supported"},
    {ASC_INVALID_FIELD_PARAM, "invalid field in parameter list"},
    {ASC_INVALID_DATA_OUT_ICV, "invalid data-out buffer integrity check value"},
    {ASC_WRITE_PROTECTED, "write protected, or no such logical unit"},
    {0x2900, "power on or reset occurred"},
    {ASC_SEQUENCE_ERROR, "command sequence error"},
    {ASC_NOT_EMPTY, "partition or collection contains user objects"},
    {ASC_COMMANDS_CLEARED, "commands cleared by another initiator"},
    {ASC_FORMAT_FAILED, "format command failed"},
    {ASC_READ_PAST_END, "read past end of user object"},
    {ASC_INTERNAL_FAILURE, "internal target failure"},
    {ASC_RESOURCE_FAILURE, "system resource failure"},
    {ASC_QUOTA, "quota error"},
};

const char *osd_sense_asc_text(uint16_t asc)
{
    for (size_t i = 0; i < sizeof(asc_texts) / sizeof(asc_texts[0]); i++)
        if (asc_texts[i].asc == asc)
            return asc_texts[i].text;
    return NULL;
}

static const char *const key_names[16] = {
    "NO SENSE",       "RECOVERED ERROR", "NOT READY",      "MEDIUM ERROR",
    "HARDWARE ERROR", "ILLEGAL REQUEST", "UNIT ATTENTION", "DATA PROTECT",
    "BLANK CHECK",    "VENDOR SPECIFIC", "COPY ABORTED",   "ABORTED COMMAND",
    "RESERVED",       "VOLUME OVERFLOW", "MISCOMPARE",     "COMPLETED"};

void osd_sense_format(const struct osd_sense *s, char *dst, size_t len)
{
    const char *text = osd_sense_asc_text(s->asc);
    int n = snprintf(dst, len, "%s: %s (%02Xh/%02Xh)", key_names[s->key & 15],
                     text ? text : "unknown", s->asc >> 8, s->asc & 0xff);

    if (s->has_field && n > 0 && (size_t)n < len)
        n += snprintf(dst + n, len - (size_t)n, ", %s byte %u",
                      s->field_in_cdb ? "CDB" : "Data-Out", s->field);
    if (s->has_object && n > 0 && (size_t)n < len)
        snprintf(dst + n, len - (size_t)n, ", object 0x%" PRIx64 "/0x%" PRIx64, s->pid, s->oid);
}
