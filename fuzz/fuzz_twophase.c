/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_twophase.c - any bytes as a wrapper of two-phase transfer
 *
 * Holds: a wrapper and an OSD command are never the same bytes, what decodes survives encoding,
 * and a failure leaves the output alone.
 */
#include <string.h>

#include "check.h"
#include "wire/cdb.h"
#include "wire/twophase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct osd_twophase t = {.length = 77}, again;
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];
    struct osd_wire_error err;
    struct osd_cdb c;
    osd_status st = osd_twophase_decode(data, size, &t);

    if (st) {
        require(t.length == 77 && t.action == 0);
        require(st == OSD_E_UNSUPPORTED || osd_cdb_decode(data, size, &c, &err) != OSD_OK);
        return 0;
    }
    require(t.action == OSD_ACT_STAGE || t.action == OSD_ACT_COLLECT);
    require(osd_cdb_decode(data, size, &c, &err) == OSD_E_UNSUPPORTED);
    osd_twophase_encode(&t, raw);
    require(osd_twophase_decode(raw, sizeof(raw), &again) == OSD_OK);
    require(again.action == t.action && again.length == t.length);
    require(memcmp(again.tag, t.tag, OSD_TAG_LEN) == 0);
    return 0;
}
