/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/sense.h - descriptor-format sense data, the only place that writes or reads sense bytes
 *
 * Reference 7. Invariants:
 *  (1) Always response code 72h; at most 96 bytes (LIO's limit), descriptors in the order
 *      01h/00h, 02h, 06h, 08h, 07h; what does not fit is left out from the end, 08h first.
 *  (2) encode and decode are inverse for every struct that fits.
 */
#ifndef WIRE_SENSE_H
#define WIRE_SENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"
#include "wire/attrs.h"

#define OSD_SENSE_MAX 96

/* SAM status codes. */
#define SAM_GOOD                 0x00
#define SAM_CHECK_CONDITION      0x02
#define SAM_BUSY                 0x08
#define SAM_RESERVATION_CONFLICT 0x18
#define SAM_TASK_SET_FULL        0x28
#define SAM_TASK_ABORTED         0x40

enum osd_sense_key {
    SENSE_NO_SENSE = 0x0,
    SENSE_RECOVERED = 0x1,
    SENSE_NOT_READY = 0x2,
    SENSE_MEDIUM_ERROR = 0x3,
    SENSE_HARDWARE_ERROR = 0x4,
    SENSE_ILLEGAL_REQUEST = 0x5,
    SENSE_UNIT_ATTENTION = 0x6,
    SENSE_DATA_PROTECT = 0x7,
    SENSE_ABORTED_COMMAND = 0xb
};

/* ASC/ASCQ as one number (reference 7.4). */
#define ASC_NONE                 0x0000
#define ASC_NOT_READY            0x0400
#define ASC_FORMAT_IN_PROGRESS   0x0404
#define ASC_OPERATION            0x0407 /* operation in progress */
#define ASC_STRUCTURE_CHECK      0x040d
#define ASC_PARAM_LIST_LENGTH    0x1a00
#define ASC_INVALID_OPCODE       0x2000
#define ASC_INVALID_FIELD_CDB    0x2400
#define ASC_AUDIT_FROZEN         0x2404
#define ASC_KEY_FROZEN           0x2405
#define ASC_NONCE_NOT_UNIQUE     0x2406
#define ASC_NONCE_TIMESTAMP      0x2407
#define ASC_NO_SUCH_LUN          0x2500
#define ASC_INVALID_FIELD_PARAM  0x2600
#define ASC_INVALID_DATA_OUT_ICV 0x260f
#define ASC_WRITE_PROTECTED      0x2700 /* LIO: no LUN is mapped */
#define ASC_SEQUENCE_ERROR       0x2c00
#define ASC_NOT_EMPTY            0x2c0a
#define ASC_COMMANDS_CLEARED     0x2f00 /* by another initiator */
#define ASC_FORMAT_FAILED        0x3101
#define ASC_READ_PAST_END        0x3b17
#define ASC_INTERNAL_FAILURE     0x4400
#define ASC_UNRECOVERED_READ     0x1100
#define ASC_RESOURCE_FAILURE     0x5500
#define ASC_QUOTA                0x5507

/* Function bits of descriptor 06h (reference 7.3), byte 0 most significant. */
#define OSD_FN_VALIDATION 0x80000000u
#define OSD_FN_CMD_CAP    0x20000000u
#define OSD_FN_COMMAND    0x10000000u
#define OSD_FN_IMPLIED    0x00100000u
#define OSD_FN_SA_CAP     0x00002000u
#define OSD_FN_SET_ATTR   0x00001000u
#define OSD_FN_GA_CAP     0x00000020u
#define OSD_FN_GET_ATTR   0x00000010u
#define OSD_FN_ALL        0xb0103030u

/** Meaning of one CHECK CONDITION. */
struct osd_sense {
    uint8_t key;  /* enum osd_sense_key */
    uint16_t asc; /* ASC_*: code and qualifier */
    bool has_field, field_in_cdb;
    uint16_t field;
    bool has_command_info; /* descriptor 01h */
    uint64_t command_info;
    bool has_information; /* descriptor 00h */
    uint64_t information;
    bool has_object; /* descriptor 06h */
    uint32_t not_initiated, completed;
    uint64_t pid, oid;
    uint8_t n_attrs; /* descriptor 08h when > 0 */
    struct osd_attr_id attrs[4];
    uint8_t icv_len; /* descriptor 07h when 20 or 32 */
    uint8_t icv[OSD_ICV2_LEN];
};

/** Encode; returns the length, 8..96. */
size_t osd_sense_encode(const struct osd_sense *s, uint8_t dst[OSD_SENSE_MAX]);

/** Decode 72h/73h; also reads the kernel's fixed format (70h/71h) as far as it goes.
 *  OSD_E_INVALID when it is neither. Unknown descriptors are skipped. */
osd_status osd_sense_decode(const uint8_t *src, size_t len, struct osd_sense *ret);

/** Status a client should report for a sense (reference 2.3: field 24 = no such object, field
 *  129 = denied, quota, past end, ...). */
osd_status osd_sense_status(const struct osd_sense *s);

/** Sentence of an ASC/ASCQ this project knows ("read past end of user object"), or NULL. */
const char *osd_sense_asc_text(uint16_t asc);

/** One human line for a sense, at most len bytes, zero terminated. */
void osd_sense_format(const struct osd_sense *s, char *dst, size_t len);

#endif
