/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/continuation.c - the CDB continuation segment (reference 3.6)
 *
 * The only descriptor taken is the scatter/gather list of READ, WRITE and CREATE AND WRITE, at
 * most one. Whatever is wrong is reported at byte 48 of the CDB, except that the sum of the
 * lengths must be the length field.
 */
#include "continuation.h"

#define FIELD        48
#define FIELD_LENGTH 32
#define FORMAT       0x01
#define ENTRY        16

enum { TYPE_END = 0x0000, TYPE_SCATTER_GATHER = 0x0001 };

static bool takes_list(const struct command *c)
{
    return c->cdb.op == OSD_OP_READ || c->cdb.op == OSD_OP_WRITE ||
           c->cdb.op == OSD_OP_CREATE_AND_WRITE;
}

static osd_status check_head(struct command *c)
{
    const uint8_t *p = c->continuation.data;
    size_t len = c->continuation.len;

    if (len < CONTINUATION_HEAD || len > CONTINUATION_MAX || len % 8 != 0)
        return fail_cdb(c, FIELD);
    if (p[0] != FORMAT || be16_get(p + 2) != be16_get(c->req->cdb + 8))
        return fail_cdb(c, FIELD);
    return OSD_OK;
}

static osd_status take_list(struct command *c, const uint8_t *descriptor, uint32_t len)
{
    bool padded = (descriptor[3] & 7) != 0;

    if (!takes_list(c) || c->scatter.len != 0 || len == 0 || len % ENTRY != 0 || padded)
        return fail_cdb(c, FIELD);
    c->scatter = (struct osd_bytes){.data = descriptor + 8, .len = len};
    c->n_extents = len / ENTRY;
    return OSD_OK;
}

static osd_status walk_descriptors(struct command *c)
{
    const uint8_t *p = c->continuation.data;
    size_t at = CONTINUATION_HEAD, end = c->continuation.len;

    while (at < end) { /* all lengths are multiples of 8, so a head always fits */
        uint16_t type = be16_get(p + at);
        uint32_t len = be32_get(p + at + 4);
        osd_status st;

        if (type == TYPE_END)
            break;
        if (type != TYPE_SCATTER_GATHER || len > end - at - 8)
            return fail_cdb(c, FIELD);
        st = take_list(c, p + at, len);
        if (st)
            return st;
        at += 8 + len;
    }
    return OSD_OK;
}

/* The entries' lengths add up to the length of the command, and no entry wraps. */
static osd_status check_sum(struct command *c)
{
    uint64_t left = c->cdb.length;

    for (uint32_t i = 0; i < c->n_extents; i++) {
        struct extent e = command_extent(c, i);
        uint64_t offset = c->scatter.len ? e.start - c->cdb.start : 0;

        if (e.len > left)
            return fail_cdb(c, FIELD_LENGTH);
        if (offset > UINT64_MAX - c->cdb.start)
            return fail_cdb(c, FIELD);
        left -= e.len;
    }
    return left ? fail_cdb(c, FIELD_LENGTH) : OSD_OK;
}

osd_status continuation_parse(struct command *c)
{
    osd_status st;

    c->n_extents = 1;
    if (c->cdb.cont_len == 0)
        return OSD_OK;
    if ((st = check_head(c)) || (st = walk_descriptors(c)))
        return st;
    return c->scatter.len ? check_sum(c) : OSD_OK;
}

struct extent command_extent(const struct command *c, uint32_t i)
{
    const uint8_t *p;

    if (c->scatter.len == 0)
        return (struct extent){c->cdb.start, c->cdb.length};
    p = c->scatter.data + (size_t)i * ENTRY;
    return (struct extent){c->cdb.start + be64_get(p), be64_get(p + 8)};
}
