/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/spc.c - INQUIRY, VPD, MODE SENSE, REPORT SUPPORTED OPERATION CODES (reference 8, SPC-4)
 */
#include "wire/spc.h"

#include <stdio.h>
#include <string.h>

#include "wire/cdb.h"
#include "wire/twophase.h"

static const uint16_t version_descriptors[] = {
    0x0080, /* SAM-4 */
    0x0960, /* iSCSI */
    0x0460, /* SPC-4 */
    0x0356, /* OSD, INCITS 400-2004 */
    0x0448, /* OSD-2, INCITS 458-2011 */
};

/* ASCII left aligned, space padded (SPC-4 4.4.1). */
static void put_ascii(struct osd_writer *w, const char *s, size_t width)
{
    size_t len = strnlen(s, width);

    osd_writer_put(w, s, len);
    for (size_t i = len; i < width; i++)
        osd_writer_u8(w, ' ');
}

void osd_inquiry_standard(struct osd_writer *w, const struct osd_identity *id)
{
    static const uint8_t head[8] = {OSD_DEVICE_TYPE, 0, 0x06, 0x02, 96 - 5, 0, 0, 0x02};

    osd_writer_put(w, head, sizeof(head));
    put_ascii(w, id->vendor, 8);
    put_ascii(w, id->product, 16);
    put_ascii(w, id->revision, 4);
    osd_writer_zero(w, 58 - 36);
    for (size_t i = 0; i < 8; i++)
        osd_writer_be16(w, i < sizeof(version_descriptors) / 2 ? version_descriptors[i] : 0);
    osd_writer_zero(w, 96 - 74);
}

/* Page header with a length to be patched; returns where it began. */
static size_t vpd_open(struct osd_writer *w, uint8_t page)
{
    size_t start = w->full;

    osd_writer_u8(w, OSD_DEVICE_TYPE);
    osd_writer_u8(w, page);
    osd_writer_be16(w, 0);
    return start;
}

static void vpd_close(struct osd_writer *w, size_t start)
{
    uint8_t len[2];

    be16_put(len, (uint16_t)(w->full - start - 4));
    osd_writer_patch(w, start + 2, len, sizeof(len));
}

void osd_vpd_supported(struct osd_writer *w)
{
    static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb1};
    size_t start = vpd_open(w, 0x00);

    osd_writer_put(w, pages, sizeof(pages));
    vpd_close(w, start);
}

void osd_vpd_serial(struct osd_writer *w, const struct osd_identity *id)
{
    size_t start = vpd_open(w, 0x80);

    osd_writer_put(w, id->serial, strlen(id->serial));
    vpd_close(w, start);
}

static void put_naa(struct osd_writer *w, const struct osd_identity *id)
{
    static const uint8_t head[4] = {0x01, 0x03, 0, 8}; /* binary, LU association, NAA */

    osd_writer_put(w, head, sizeof(head));
    osd_writer_put(w, id->naa, sizeof(id->naa));
}

void osd_vpd_identification(struct osd_writer *w, const struct osd_identity *id)
{
    size_t start = vpd_open(w, 0x83);
    uint8_t head[4] = {0x02, 0x01, 0, (uint8_t)(8 + strlen(id->serial))}; /* T10 vendor id */

    put_naa(w, id);
    osd_writer_put(w, head, sizeof(head));
    put_ascii(w, id->vendor, 8);
    osd_writer_put(w, id->serial, strlen(id->serial));
    vpd_close(w, start);
}

void osd_vpd_information(struct osd_writer *w)
{
    vpd_close(w, vpd_open(w, 0xb0));
}

void osd_vpd_security_token(struct osd_writer *w, const uint8_t *token, uint16_t len)
{
    size_t start = vpd_open(w, 0xb1);

    osd_writer_put(w, token, len);
    vpd_close(w, start);
}

void osd_system_id(const struct osd_identity *id, uint8_t ret[OSD_SYSTEM_ID_LEN])
{
    struct osd_writer w = osd_writer_make(ret, OSD_SYSTEM_ID_LEN);

    memset(ret, 0, OSD_SYSTEM_ID_LEN);
    put_naa(&w, id);
}

bool osd_system_id_of_page(const uint8_t *page, size_t len, uint8_t ret[OSD_SYSTEM_ID_LEN])
{
    size_t end = len >= 4 && page[1] == 0x83 ? 4 + (size_t)be16_get(page + 2) : 0;

    end = end < len ? end : len;
    for (size_t at = 4; at + 4 <= end && page[at + 3] <= end - at - 4; at += 4 + page[at + 3]) {
        bool naa = (page[at + 1] & 0x3f) == 0x03; /* of the logical unit */
        if (!naa || (page[at + 3] != 8 && page[at + 3] != 16))
            continue;
        memset(ret, 0, OSD_SYSTEM_ID_LEN);
        memcpy(ret, page + at, 4 + (size_t)page[at + 3]);
        return true;
    }
    return false;
}

/* ---- MODE SENSE ---- */

struct mode_page {
    uint8_t page, subpage, len;
    uint8_t data[32]; /* whole page, header included */
};

static const struct mode_page mode_pages[] = {
    {0x02, 0x00, 16, {0x02, 14}},
    {0x0a, 0x00, 12, {0x0a, 10, 0x04 /* D_SENSE */}},
    {0x0a, 0x01, 32, {0x4a, 0x01, 0, 28}},
};

static size_t mode_header_len(const struct mode_page *p)
{
    return p->data[0] & 0x40 ? 4 : 2;
}

static void put_mode_page(struct osd_writer *w, const struct mode_page *p, uint8_t page_control)
{
    size_t head = mode_header_len(p);

    if (page_control != 1) {
        osd_writer_put(w, p->data, p->len);
    } else { /* nothing is changeable */
        osd_writer_put(w, p->data, head);
        osd_writer_zero(w, p->len - head);
    }
}

osd_status osd_mode_sense(struct osd_writer *w, bool ten, uint8_t page_control, uint8_t page,
                          uint8_t subpage)
{
    size_t start = w->full;
    uint8_t len[2];
    int n = 0;

    osd_writer_zero(w, ten ? 8 : 4);
    for (size_t i = 0; i < sizeof(mode_pages) / sizeof(mode_pages[0]); i++) {
        const struct mode_page *p = &mode_pages[i];
        bool page_fits = page == 0x3f || page == p->page;
        bool sub_fits = subpage == 0xff || subpage == p->subpage;

        if (page_fits && sub_fits) {
            put_mode_page(w, p, page_control);
            n++;
        }
    }
    if (n == 0)
        return OSD_E_INVALID;
    if (ten) {
        be16_put(len, (uint16_t)(w->full - start - 2));
        osd_writer_patch(w, start, len, 2);
    } else {
        len[0] = (uint8_t)(w->full - start - 1);
        osd_writer_patch(w, start, len, 1);
    }
    return OSD_OK;
}

/* ---- REPORT SUPPORTED OPERATION CODES (SPC-4 6.35) ---- */

#define NO_ACTION 0xffff

static const struct opcode {
    uint8_t opcode;
    uint16_t action;
    uint8_t cdb_len;
    uint8_t usage[16];
} opcodes[] = {
    {0x00, NO_ACTION, 6, {0x00, 0, 0, 0, 0, 0x07}},
    {0x03, NO_ACTION, 6, {0x03, 0x01, 0, 0, 0xff, 0x07}},
    {0x12, NO_ACTION, 6, {0x12, 0x01, 0xff, 0xff, 0xff, 0x07}},
    {0x1a, NO_ACTION, 6, {0x1a, 0x08, 0xff, 0xff, 0xff, 0x07}},
    {0x1b, NO_ACTION, 6, {0x1b, 0x01, 0, 0, 0xf7, 0x07}},
    {0x1c, NO_ACTION, 6, {0x1c, 0x01, 0xff, 0xff, 0xff, 0x07}},
    {0x1d, NO_ACTION, 6, {0x1d, 0xf7, 0, 0xff, 0xff, 0x07}},
    {0x1e, NO_ACTION, 6, {0x1e, 0, 0, 0, 0x03, 0x07}},
    {0x4d, NO_ACTION, 10, {0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x07}},
    {0x55, NO_ACTION, 10, {0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0x07}},
    {0x5a, NO_ACTION, 10, {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x07}},
    {0xa0, NO_ACTION, 12, {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x07}},
    {0xa3, 0x0c, 12, {0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x07}},
    {0xa3, 0x0d, 12, {0xa3, 0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x07}},
};
#define N_OPCODES (sizeof(opcodes) / sizeof(opcodes[0]))

static void put_timeouts(struct osd_writer *w)
{
    osd_writer_be16(w, 0x000a);
    osd_writer_zero(w, 10);
}

static void put_all_entry(struct osd_writer *w, uint8_t opcode, uint16_t action, uint16_t len,
                          bool rctd)
{
    bool has_action = action != NO_ACTION;

    osd_writer_u8(w, opcode);
    osd_writer_u8(w, 0);
    osd_writer_be16(w, has_action ? action : 0);
    osd_writer_u8(w, 0);
    osd_writer_u8(w, (uint8_t)(rctd << 1 | has_action));
    osd_writer_be16(w, len);
    if (rctd)
        put_timeouts(w);
}

/* Length of the CDB of an OSD service action; 0 when nobody has it. */
static uint16_t osd_action_len(uint16_t action)
{
    enum osd_gen gen;

    if (action == OSD_ACT_STAGE || action == OSD_ACT_COLLECT)
        return OSD_TWOPHASE_CDB_LEN;
    if (osd_op_by_action(action, &gen) == OSD_OP_INVALID)
        return 0;
    return gen == OSD_GEN1 ? OSD1_CDB_LEN : OSD2_CDB_LEN;
}

static void put_all(struct osd_writer *w, bool rctd, bool (*supported)(uint16_t action))
{
    size_t start = w->full;
    uint8_t len[4];

    osd_writer_be32(w, 0);
    for (size_t i = 0; i < N_OPCODES; i++)
        put_all_entry(w, opcodes[i].opcode, opcodes[i].action, opcodes[i].cdb_len, rctd);
    for (uint32_t action = 0x8800; action <= 0x8fff; action++) {
        uint16_t cdb_len = osd_action_len((uint16_t)action);
        if (cdb_len && supported((uint16_t)action))
            put_all_entry(w, OSD_OPCODE, (uint16_t)action, cdb_len, rctd);
    }
    be32_put(len, (uint32_t)(w->full - start - 4));
    osd_writer_patch(w, start, len, sizeof(len));
}

static void put_one(struct osd_writer *w, const uint8_t *usage, uint16_t len, bool rctd)
{
    osd_writer_u8(w, 0);
    osd_writer_u8(w, (uint8_t)(rctd << 7 | (usage ? 3 : 1)));
    osd_writer_be16(w, usage ? len : 0);
    if (usage)
        osd_writer_put(w, usage, len);
    if (rctd)
        put_timeouts(w);
}

static void put_one_osd(struct osd_writer *w, uint16_t action, bool rctd,
                        bool (*supported)(uint16_t action))
{
    uint16_t len = osd_action_len(action);
    uint8_t usage[OSD_CDB_MAX];

    memset(usage, 0xff, sizeof(usage));
    usage[0] = OSD_OPCODE;
    usage[1] = 0x07;
    memset(usage + 2, 0, 5);
    if (len) {
        usage[7] = (uint8_t)(len - 8);
        be16_put(usage + 8, action);
    }
    put_one(w, len && supported(action) ? usage : NULL, len, rctd);
}

osd_status osd_report_opcodes(struct osd_writer *w, uint8_t options, uint8_t opcode,
                              uint16_t action, bool rctd, bool (*supported)(uint16_t action))
{
    const struct opcode *hit = NULL;
    bool has_actions = opcode == OSD_OPCODE || opcode == SPC_MAINTENANCE_IN;

    if (options == 0) {
        put_all(w, rctd, supported);
        return OSD_OK;
    }
    if (options > 3 || (options == 1 && has_actions) || (options == 2 && !has_actions))
        return OSD_E_INVALID;
    if (opcode == OSD_OPCODE) {
        put_one_osd(w, action, rctd, supported);
        return OSD_OK;
    }
    for (size_t i = 0; i < N_OPCODES; i++)
        if (opcodes[i].opcode == opcode && (!has_actions || opcodes[i].action == action))
            hit = &opcodes[i];
    put_one(w, hit ? hit->usage : NULL, hit ? hit->cdb_len : 0, rctd);
    return OSD_OK;
}

void osd_report_tmf(struct osd_writer *w, bool extended)
{
    osd_writer_u8(w, 0x88); /* ABORT TASK, LOGICAL UNIT RESET: carried out by LIO */
    osd_writer_u8(w, 0);
    osd_writer_u8(w, 0);
    osd_writer_u8(w, extended ? 12 : 0);
    if (extended)
        osd_writer_zero(w, 12);
}
