/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/twophase.h - two vendor commands that carry one bidirectional OSD command
 * (docs/two-phase.md)
 *
 * STAGE DATA-OUT (service action 8FD0h) brings an embedded OSD CDB followed by its whole
 * Data-Out; COLLECT (8FD1h) executes it and takes its Data-In, status and sense. Both are 48
 * bytes: 0 7Fh | 7 28h | 8-9 service action | 16-31 tag | 32-35 length of Data-Out (STAGE) or
 *   allocation length (COLLECT) | all else zero
 * The embedded CDB keeps its own capability, nonce and integrity check values; offsets in it
 * count from the byte after it, as if it had travelled alone.
 */
#ifndef WIRE_TWOPHASE_H
#define WIRE_TWOPHASE_H

#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define OSD_TWOPHASE_CDB_LEN 48
#define OSD_ACT_STAGE        0x8fd0
#define OSD_ACT_COLLECT      0x8fd1
#define OSD_TAG_LEN          16

struct osd_twophase {
    uint16_t action; /* OSD_ACT_STAGE or OSD_ACT_COLLECT */
    uint8_t tag[OSD_TAG_LEN];
    uint32_t length;
};

void osd_twophase_encode(const struct osd_twophase *t, uint8_t dst[OSD_TWOPHASE_CDB_LEN]);

/** OSD_E_UNSUPPORTED when the bytes are some other command; OSD_E_INVALID when malformed. */
osd_status osd_twophase_decode(const uint8_t *cdb, size_t len, struct osd_twophase *ret);

#endif
