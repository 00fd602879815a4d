/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_spc.c - the builders of SPC data under any request and any allocation length
 *
 * Input: capacity (16 bits), options, opcode, service action (16 bits), page control, page,
 * subpage, then a serial number. Holds: nothing is written beyond the capacity, and where the
 * capacity suffices every length field counts what follows it.
 */
#include <string.h>

#include "check.h"
#include "common/bytes.h"
#include "wire/spc.h"

#define HEAD 9

static bool every_other(uint16_t action)
{
    return action & 1;
}

/* Length field of `bytes` bytes at `at`, counting from its end. */
static void check_length(const struct osd_writer *w, size_t at, size_t bytes)
{
    size_t said = 0;

    if (w->full > w->cap)
        return;
    for (size_t i = 0; i < bytes; i++)
        said = said << 8 | w->data[at + i];
    require(said == w->full - at - bytes);
}

static void restart(struct osd_writer *w)
{
    w->full = 0;
}

static void check_inquiry(struct osd_writer *w, const struct osd_identity *id)
{
    uint8_t system_id[OSD_SYSTEM_ID_LEN];

    osd_inquiry_standard(w, id);
    check_length(w, 4, 1);
    restart(w);
    osd_vpd_supported(w);
    check_length(w, 2, 2);
    restart(w);
    osd_vpd_serial(w, id);
    check_length(w, 2, 2);
    restart(w);
    osd_vpd_identification(w, id);
    check_length(w, 2, 2);
    restart(w);
    osd_system_id(id, system_id);
}

static void check_mode(struct osd_writer *w, const uint8_t *p)
{
    for (int ten = 0; ten <= 1; ten++) {
        restart(w);
        if (osd_mode_sense(w, ten, p[6] & 3, p[7] & 0x3f, p[8]) == OSD_OK)
            check_length(w, 0, ten ? 2 : 1);
    }
}

static void check_opcodes(struct osd_writer *w, const uint8_t *p)
{
    bool rctd = p[2] & 0x80;

    restart(w);
    if (osd_report_opcodes(w, p[2] & 7, p[3], be16_get(p + 4), rctd, every_other))
        return;
    if ((p[2] & 7) == 0)
        check_length(w, 0, 4);
    else if (w->full <= w->cap)
        require(w->full == 4u + be16_get(w->data + 2) + (rctd ? 12u : 0));
    restart(w);
    osd_report_tmf(w, rctd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct osd_identity id = {.vendor = "LIOSD", .product = "Object Storage", .naa = {0x30}};
    struct osd_writer w;
    uint8_t *mem;

    if (size < HEAD)
        return 0;
    w = osd_writer_make(NULL, be16_get(data));
    mem = malloc(w.cap ? w.cap : 1);
    require(mem);
    w.data = mem;
    memcpy(id.serial, data + HEAD,
           size - HEAD < sizeof(id.serial) ? size - HEAD : sizeof(id.serial) - 1);
    check_inquiry(&w, &id);
    check_mode(&w, data);
    check_opcodes(&w, data);
    free(mem);
    return 0;
}
