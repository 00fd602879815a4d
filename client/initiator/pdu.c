/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/pdu.c - see pdu.h
 */
#include "pdu.h"

#define AHS_EXTENDED_CDB 1
#define CDB_IN_BHS       16

void isc_pdu_start(uint8_t bhs[ISC_BHS_LEN], uint8_t opcode, uint8_t flags, uint32_t itt)
{
    memset(bhs, 0, ISC_BHS_LEN);
    bhs[0] = opcode;
    bhs[ISC_FLAGS] = flags;
    be32_put(bhs + ISC_ITT, itt);
}

void isc_pdu_set_data_len(uint8_t *bhs, uint32_t len)
{
    bhs[5] = (uint8_t)(len >> 16);
    be16_put(bhs + 6, (uint16_t)len);
}

bool isc_lun_encode(uint64_t lun, uint8_t dst[8])
{
    if (lun >= 1 << 14 && lun < 1 << 24)
        return false;
    if (lun < 256)
        be64_put(dst, lun << 48);
    else if (lun < 1 << 14)
        be64_put(dst, (lun | 0x4000) << 48);
    else
        be64_put(dst, lun);
    return true;
}

/* The AHS of RFC 7143 11.2.2.3: its length field counts the reserved byte and the CDB's rest.
 */
static size_t put_extended_cdb(uint8_t *ahs, const uint8_t *cdb, size_t cdb_len)
{
    size_t rest = cdb_len - CDB_IN_BHS, len = 4 + rest;

    be16_put(ahs, (uint16_t)(rest + 1));
    ahs[2] = AHS_EXTENDED_CDB;
    ahs[3] = 0;
    memcpy(ahs + 4, cdb + CDB_IN_BHS, rest);
    memset(ahs + len, 0, isc_pad(len));
    return len + isc_pad(len);
}

size_t isc_pdu_command(uint8_t head[ISC_HEAD_MAX], const struct isc_command_pdu *c)
{
    uint8_t flags = ISC_F_SIMPLE;
    size_t ahs = 0;

    flags |= c->final ? ISC_F_FINAL : 0;
    flags |= c->read ? ISC_F_READ : 0;
    flags |= c->write ? ISC_F_WRITE : 0;
    isc_pdu_start(head, ISC_COMMAND, flags, c->itt);
    isc_lun_encode(c->lun, head + ISC_LUN);
    be32_put(head + ISC_EDTL, c->edtl);
    be32_put(head + ISC_CMD_SN, c->cmd_sn);
    memcpy(head + ISC_CDB, c->cdb, c->cdb_len < CDB_IN_BHS ? c->cdb_len : CDB_IN_BHS);
    if (c->cdb_len > CDB_IN_BHS)
        ahs = put_extended_cdb(head + ISC_BHS_LEN, c->cdb, c->cdb_len);
    head[ISC_AHS_WORDS] = (uint8_t)(ahs / 4);
    isc_pdu_set_data_len(head, c->immediate);
    return ISC_BHS_LEN + ahs;
}

void isc_pdu_data_out(uint8_t bhs[ISC_BHS_LEN], const struct isc_data_out_pdu *d)
{
    isc_pdu_start(bhs, ISC_DATA_OUT, d->final ? ISC_F_FINAL : 0, d->itt);
    isc_lun_encode(d->lun, bhs + ISC_LUN);
    isc_pdu_set_data_len(bhs, d->len);
    be32_put(bhs + ISC_TTT, d->ttt);
    be32_put(bhs + ISC_DATA_SN, d->data_sn);
    be32_put(bhs + ISC_OFFSET, d->offset);
}
