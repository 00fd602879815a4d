/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/twophase.c - see twophase.h
 */
#include "wire/twophase.h"

#include <string.h>

#include "common/bytes.h"
#include "wire/cdb.h"

void osd_twophase_encode(const struct osd_twophase *t, uint8_t dst[OSD_TWOPHASE_CDB_LEN])
{
    memset(dst, 0, OSD_TWOPHASE_CDB_LEN);
    dst[0] = OSD_OPCODE;
    dst[7] = OSD_TWOPHASE_CDB_LEN - 8;
    be16_put(dst + 8, t->action);
    memcpy(dst + 16, t->tag, OSD_TAG_LEN);
    be32_put(dst + 32, t->length);
}

osd_status osd_twophase_decode(const uint8_t *cdb, size_t len, struct osd_twophase *ret)
{
    if (len < 10 || cdb[0] != OSD_OPCODE ||
        (be16_get(cdb + 8) != OSD_ACT_STAGE && be16_get(cdb + 8) != OSD_ACT_COLLECT))
        return OSD_E_UNSUPPORTED;
    if (len < OSD_TWOPHASE_CDB_LEN || cdb[7] != OSD_TWOPHASE_CDB_LEN - 8)
        return OSD_E_INVALID;
    ret->action = be16_get(cdb + 8);
    memcpy(ret->tag, cdb + 16, OSD_TAG_LEN);
    ret->length = be32_get(cdb + 32);
    return OSD_OK;
}
