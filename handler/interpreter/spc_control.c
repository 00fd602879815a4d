/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/spc_control.c - mode and log pages, diagnostics, START STOP UNIT
 * (SPC-4, reference 8.3, 8.4)
 *
 * No mode page is changeable, so MODE SELECT takes what MODE SENSE gives and nothing else.
 */
#include <stdatomic.h>
#include <string.h>

#include "spc.h"
#include "wire/spc.h"

#define PAGE_ALL 0x3f

bool spc_mode_sense(struct spc *s)
{
    bool ten = s->cdb[0] == SPC_MODE_SENSE10;
    uint8_t control = s->cdb[2] >> 6;

    s->alloc = ten ? be16_get(s->cdb + 7) : s->cdb[4];
    if (control == 3) /* saved values: there are none */
        return spc_bad(s, FAULT_CDB, 2);
    if (osd_mode_sense(&s->w, ten, control, s->cdb[2] & PAGE_ALL, s->cdb[3]))
        return spc_bad(s, FAULT_CDB, 2);
    return true;
}

/* ---- MODE SELECT(10) ---- */

#define MODE_HEAD 8

/* Whole length of the mode page at p, of which len bytes are there; 0: cut off. */
static size_t page_len(const uint8_t *p, size_t len)
{
    bool subpage = len > 0 && p[0] & 0x40;
    size_t head = subpage ? 4 : 2, whole;

    if (len < head)
        return 0;
    whole = head + (subpage ? be16_get(p + 2) : p[1]);
    return whole <= len ? whole : 0;
}

/* A page with the values it has. PS is reserved in MODE SELECT. */
static bool same_page(const uint8_t *p, size_t len)
{
    uint8_t now[256];
    struct osd_writer w = osd_writer_make(now, sizeof(now));
    uint8_t subpage = p[0] & 0x40 ? p[1] : 0;

    if (osd_mode_sense(&w, true, 0, p[0] & PAGE_ALL, subpage) || w.full != MODE_HEAD + len)
        return false;
    return memcmp(now + MODE_HEAD, p, len) == 0;
}

bool spc_mode_select(struct spc *s)
{
    uint16_t len = be16_get(s->cdb + 7);
    uint8_t list[SPC_PARAM_MAX];

    if (s->cdb[1] != 0x10) /* page format, nothing to save */
        return spc_bad(s, FAULT_CDB, 1);
    if (len == 0)
        return true;
    if (len > sizeof(list))
        return spc_bad(s, FAULT_CDB, 7);
    if (len < MODE_HEAD || osd_iov_read(s->out, s->out_off, list, len) != len)
        return spc_bad(s, FAULT_LENGTH, 0);
    if (be16_get(list + 6) != 0) /* block descriptors */
        return spc_bad(s, FAULT_PARAM, 6);
    for (size_t at = MODE_HEAD; at < len;) {
        size_t n = page_len(list + at, len - at);
        if (n == 0)
            return spc_bad(s, FAULT_LENGTH, 0);
        if (!same_page(list + at, n))
            return spc_bad(s, FAULT_PARAM, (uint16_t)at);
        at += n;
    }
    return true;
}

/* ---- LOG SENSE ---- */

#define LOG_SUPPORTED  0x00
#define LOG_NON_MEDIUM 0x06
#define LOG_CUMULATIVE 1
#define PARAMETER_HEAD 4

static void put_log_head(struct spc *s, uint8_t page, uint16_t len)
{
    osd_writer_u8(&s->w, page);
    osd_writer_u8(&s->w, 0);
    osd_writer_be16(&s->w, len);
}

/* Parameter 0: commands that did not end with GOOD. */
static void put_failures(struct spc *s, uint16_t from)
{
    if (from > 0) {
        put_log_head(s, LOG_NON_MEDIUM, 0);
        return;
    }
    put_log_head(s, LOG_NON_MEDIUM, PARAMETER_HEAD + 8);
    osd_writer_be16(&s->w, 0);
    osd_writer_u8(&s->w, 0x03); /* binary list */
    osd_writer_u8(&s->w, 8);
    osd_writer_be64(&s->w, device_failures(s->dev));
}

bool spc_log_sense(struct spc *s)
{
    uint8_t page = s->cdb[2] & 0x3f, subpage = s->cdb[3];

    s->alloc = be16_get(s->cdb + 7);
    if (s->cdb[1] & 1) /* nothing is saved */
        return spc_bad(s, FAULT_CDB, 1);
    if (s->cdb[2] >> 6 != LOG_CUMULATIVE)
        return spc_bad(s, FAULT_CDB, 2);
    if (subpage != 0)
        return spc_bad(s, FAULT_CDB, 3);
    switch (page) {
    case LOG_SUPPORTED:
        put_log_head(s, LOG_SUPPORTED, 2);
        osd_writer_u8(&s->w, LOG_SUPPORTED);
        osd_writer_u8(&s->w, LOG_NON_MEDIUM);
        return true;
    case LOG_NON_MEDIUM:
        put_failures(s, be16_get(s->cdb + 5));
        return true;
    default:
        return spc_bad(s, FAULT_CDB, 2);
    }
}

/* ---- diagnostics ---- */

/* The default self-test passes: a device that answers is well. There are no pages to send. */
bool spc_send_diagnostic(struct spc *s)
{
    if (s->cdb[1] >> 5 != 0) /* self-test code */
        return spc_bad(s, FAULT_CDB, 1);
    return be16_get(s->cdb + 3) == 0 || spc_bad(s, FAULT_CDB, 3);
}

bool spc_receive_diagnostic(struct spc *s)
{
    s->alloc = be16_get(s->cdb + 3);
    if (s->cdb[1] & 1 && s->cdb[2] != 0)
        return spc_bad(s, FAULT_CDB, 2);
    osd_writer_be16(&s->w, 0); /* page 00h: supported pages, of which it is the only one */
    osd_writer_be16(&s->w, 1);
    osd_writer_u8(&s->w, 0);
    return true;
}

/* ---- what has no meaning without a motor and a medium ---- */

bool spc_start_stop(struct spc *s)
{
    bool load = s->cdb[4] & 2, start = s->cdb[4] & 1;

    return (s->cdb[4] >> 4 == 0 && !load && start) || spc_bad(s, FAULT_CDB, 4);
}

bool spc_prevent_allow(struct spc *s)
{
    return s->cdb[4] <= 1 || spc_bad(s, FAULT_CDB, 4);
}
