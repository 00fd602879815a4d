/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/pdu.h - iSCSI PDUs by offset (RFC 7143 section 11)
 *
 * Headers are raw bytes; fields are read and written at the offsets named here, which are the
 * byte numbers of the RFC's tables. Several names share an offset because PDUs do.
 */
#ifndef INITIATOR_PDU_H
#define INITIATOR_PDU_H

#include <stdbool.h>

#include "common/bytes.h"

#define ISC_BHS_LEN  48
#define ISC_CDB_MAX  260
#define ISC_AHS_MAX  (4 + ISC_CDB_MAX - 16) /* extended CDB; already a multiple of 4 */
#define ISC_HEAD_MAX (ISC_BHS_LEN + ISC_AHS_MAX)
#define ISC_NO_TAG   0xffffffffU

enum isc_opcode {
    ISC_NOP_OUT = 0x00,
    ISC_COMMAND = 0x01,
    ISC_TASK_REQUEST = 0x02,
    ISC_LOGIN_REQUEST = 0x03,
    ISC_TEXT_REQUEST = 0x04,
    ISC_DATA_OUT = 0x05,
    ISC_LOGOUT_REQUEST = 0x06,
    ISC_NOP_IN = 0x20,
    ISC_RESPONSE = 0x21,
    ISC_TASK_RESPONSE = 0x22,
    ISC_LOGIN_RESPONSE = 0x23,
    ISC_TEXT_RESPONSE = 0x24,
    ISC_DATA_IN = 0x25,
    ISC_LOGOUT_RESPONSE = 0x26,
    ISC_R2T = 0x31,
    ISC_ASYNC = 0x32,
    ISC_REJECT = 0x3f,
};

enum isc_offset {
    ISC_FLAGS = 1,
    ISC_VERSION_MAX = 2, /* login */
    ISC_VERSION_MIN = 3, /* login */
    ISC_REASON = 2,      /* reject, task and logout response; response of a SCSI Response */
    ISC_STATUS = 3,      /* SCSI Response, Data-In */
    ISC_AHS_WORDS = 4,   /* TotalAHSLength */
    ISC_LUN = 8,
    ISC_ISID = 8,  /* login */
    ISC_TSIH = 14, /* login */
    ISC_ITT = 16,
    ISC_TTT = 20,          /* NOP, text, Data, R2T */
    ISC_EDTL = 20,         /* command */
    ISC_REF_ITT = 20,      /* task management */
    ISC_CID = 20,          /* login, logout (16 bits) */
    ISC_CMD_SN = 24,       /* from initiator */
    ISC_STAT_SN = 24,      /* from target */
    ISC_EXP_STAT_SN = 28,  /* from initiator */
    ISC_EXP_CMD_SN = 28,   /* from target */
    ISC_MAX_CMD_SN = 32,   /* from target */
    ISC_CDB = 32,          /* command */
    ISC_REF_CMD_SN = 32,   /* task management */
    ISC_DATA_SN = 36,      /* Data-In, Data-Out; R2TSN; ExpDataSN */
    ISC_STATUS_CLASS = 36, /* login response */
    ISC_STATUS_DETAIL = 37,
    ISC_ASYNC_EVENT = 36,
    ISC_ASYNC_PARAM1 = 38, /* 16 bits each, then 40 and 42 */
    ISC_OFFSET = 40,
    ISC_RESIDUAL = 44,
    ISC_DESIRED = 44, /* R2T */
};

enum isc_flag {
    ISC_F_FINAL = 0x80,
    ISC_F_READ = 0x40,     /* command */
    ISC_F_WRITE = 0x20,    /* command */
    ISC_F_SIMPLE = 0x01,   /* command: task attribute */
    ISC_F_CONTINUE = 0x40, /* login, text */
    ISC_F_OVERFLOW = 0x04, /* SCSI Response, Data-In */
    ISC_F_UNDERFLOW = 0x02,
    ISC_F_STATUS = 0x01, /* Data-In carries the status */
    ISC_IMMEDIATE = 0x40 /* in byte 0 */
};

static inline uint8_t isc_opcode(const uint8_t *bhs)
{
    return bhs[0] & 0x3f;
}

static inline uint32_t isc_word(const uint8_t *bhs, enum isc_offset at)
{
    return be32_get(bhs + at);
}

/** DataSegmentLength, without padding. */
static inline uint32_t isc_data_len(const uint8_t *bhs)
{
    return be32_get(bhs + 4) & 0xffffff;
}

/** Length of the additional header segments in bytes. */
static inline size_t isc_ahs_len(const uint8_t *bhs)
{
    return (size_t)bhs[ISC_AHS_WORDS] * 4;
}

/** Bytes that pad a length to a multiple of four. */
static inline size_t isc_pad(size_t len)
{
    return -len & 3;
}

/** Serial number arithmetic of RFC 1982 with 32 bits: a before b. */
static inline bool isc_sn_before(uint32_t a, uint32_t b)
{
    return a != b && b - a < 0x80000000U;
}

/** Start a header: all zero but opcode (with ISC_IMMEDIATE if wanted), flags and ITT. */
void isc_pdu_start(uint8_t bhs[ISC_BHS_LEN], uint8_t opcode, uint8_t flags, uint32_t itt);

/** Set DataSegmentLength (24 bits), leaving TotalAHSLength alone. */
void isc_pdu_set_data_len(uint8_t *bhs, uint32_t len);

/** What a SCSI Command PDU is made of. */
struct isc_command_pdu {
    uint64_t lun; /* as iscsi_command.lun */
    uint32_t itt, edtl, cmd_sn;
    uint32_t immediate; /* bytes of immediate data that will follow */
    bool read, write;
    bool final; /* no unsolicited Data-Out follows */
    const uint8_t *cdb;
    size_t cdb_len; /* 1..ISC_CDB_MAX */
};

/** Build BHS and extended-CDB AHS (type 1, CDBs longer than 16 bytes). Returns their length. */
size_t isc_pdu_command(uint8_t head[ISC_HEAD_MAX], const struct isc_command_pdu *c);

/** What a Data-Out PDU is made of. */
struct isc_data_out_pdu {
    uint64_t lun;
    uint32_t itt, ttt, data_sn, offset, len;
    bool final;
};

void isc_pdu_data_out(uint8_t bhs[ISC_BHS_LEN], const struct isc_data_out_pdu *d);

/**
 * LUN number to the 8 bytes of the wire: below 256 peripheral, below 16384 flat addressing;
 * from 2^24 on the value is the 8 bytes themselves (well-known units). False for the rest.
 */
bool isc_lun_encode(uint64_t lun, uint8_t dst[8]);

#endif
