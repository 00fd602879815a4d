/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/spc.h - data of the SPC commands an OSD answers (reference 8)
 *
 * Builders append to a cutting writer; the caller's allocation length is the writer's capacity.
 */
#ifndef WIRE_SPC_H
#define WIRE_SPC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "osd/status.h"

#define SPC_TEST_UNIT_READY       0x00
#define SPC_REQUEST_SENSE         0x03
#define SPC_INQUIRY               0x12
#define SPC_MODE_SENSE6           0x1a
#define SPC_START_STOP_UNIT       0x1b
#define SPC_RECEIVE_DIAGNOSTIC    0x1c
#define SPC_SEND_DIAGNOSTIC       0x1d
#define SPC_PREVENT_ALLOW         0x1e
#define SPC_LOG_SENSE             0x4d
#define SPC_MODE_SELECT10         0x55
#define SPC_MODE_SENSE10          0x5a
#define SPC_REPORT_LUNS           0xa0
#define SPC_MAINTENANCE_IN        0xa3
#define SPC_MI_TARGET_PORT_GROUPS 0x0a
#define SPC_MI_SUPPORTED_OPCODES  0x0c
#define SPC_MI_SUPPORTED_TMF      0x0d

#define OSD_VENDOR        "LIOSD" /* of our devices, in INQUIRY data */
#define OSD_DEVICE_TYPE   0x11
#define OSD_SYSTEM_ID_LEN 20

/** Who the logical unit is; strings are ASCII, zero terminated, padded with spaces on the wire.
 */
struct osd_identity {
    char vendor[9];
    char product[17];
    char revision[5];
    char serial[65];
    uint8_t naa[8]; /* NAA IEEE locally assigned (3h) or registered (5h, 6h first half) */
};

void osd_inquiry_standard(struct osd_writer *w, const struct osd_identity *id);
void osd_vpd_supported(struct osd_writer *w);                                     /* 00h */
void osd_vpd_serial(struct osd_writer *w, const struct osd_identity *id);         /* 80h */
void osd_vpd_identification(struct osd_writer *w, const struct osd_identity *id); /* 83h */
/** B0h: a page without content, since nobody has said what it holds; so it is not listed. */
void osd_vpd_information(struct osd_writer *w);
void osd_vpd_security_token(struct osd_writer *w, const uint8_t *token, uint16_t len); /* B1h */

/** The OSD system id (root information attribute 3h): the NAA designator of page 83h with its
 *  4-byte header, zero padded to 20. */
void osd_system_id(const struct osd_identity *id, uint8_t ret[OSD_SYSTEM_ID_LEN]);

/** The same from page 83h as a device sent it: the first NAA designator of 8 or 16 bytes. False,
 *  and ret untouched, when there is none. */
bool osd_system_id_of_page(const uint8_t *page, size_t len, uint8_t ret[OSD_SYSTEM_ID_LEN]);

/** MODE SENSE(6) or (10) data: control page (0Ah), control extension (0Ah/01h), 02h, or 3Fh
 * all. page_control 1 (changeable) gives zero masks. OSD_E_INVALID for an unknown page. */
osd_status osd_mode_sense(struct osd_writer *w, bool ten, uint8_t page_control, uint8_t page,
                          uint8_t subpage);

/**
 * REPORT SUPPORTED OPERATION CODES.
 *
 * @param options  reporting options (CDB byte 2 bits 2..0): 0 all, 1 by opcode, 2 by opcode and
 *                 service action, 3 either.
 * @param rctd     append command timeouts descriptors (zero timeouts).
 * @param supported asks the interpreter whether an OSD service action is built.
 * @return OSD_OK; OSD_E_INVALID when option 1 names an opcode with service actions or 2 one
 *         without.
 */
osd_status osd_report_opcodes(struct osd_writer *w, uint8_t options, uint8_t opcode,
                              uint16_t action, bool rctd, bool (*supported)(uint16_t action));

void osd_report_tmf(struct osd_writer *w, bool extended);

#endif
