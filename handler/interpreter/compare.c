/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/compare.c - READ MAPS AND COMPARE (docs/map-compare.md)
 *
 * Where two user objects may differ, told by their maps: what shares its storage is the same.
 * Bytes are looked at in the first block only, because short data lies in an object's record,
 * which is never shared.
 * Invariants:
 *  (1) What is not reported, up to the byte the answer names, is the same in both objects;
 *      behind the end of the second one zeros are meant.
 *  (2) One command looks at LOOKS_MAX ranges at most: it holds the device meanwhile.
 */
#include <string.h>

#include "commands.h"
#include "continuation.h"
#include "segments.h"
#include "wire/list.h"

#define HEAD      OSD_COMPARE_HEADER_LEN
#define ENTRY     16
#define LOOKS_MAX 16384u /* a gigabyte at least where data lies in order */

/* What one of the objects holds around a position: the same until `end`. */
struct side {
    struct store_id id;
    uint64_t length, begin, end;
    enum store_extent kind;
    uint64_t place; /* of the block at begin */
};

static osd_status look(struct command *c, struct side *s, uint64_t at)
{
    uint64_t len;
    osd_status st;

    if (at < s->end)
        return OSD_OK;
    s->begin = at;
    s->kind = STORE_HOLE;
    s->end = UINT64_MAX;
    if (at >= s->length)
        return OSD_OK;
    st = ops_of(c)->place(c->txn, s->id, at, &s->kind, &s->place, &len);
    s->end = at + len;
    if (s->kind == STORE_DATA && s->end == s->length) /* zeros follow in its last block */
        s->end += -s->end % STORE_BLOCK;
    return st ? st : len ? spend(c) : OSD_E_CORRUPT;
}

static uint64_t place_at(const struct side *s, uint64_t at)
{
    return s->place ? s->place + at / STORE_BLOCK - s->begin / STORE_BLOCK : 0;
}

/* ---- the two sides ---- */

struct pair {
    struct side a, b;
    uint64_t at, end; /* the present range: the same kind and places on each side */
    unsigned looks;   /* ranges so far */
    struct osd_writer *w;
    uint64_t room, full; /* entries that Data-In takes, that it has */
};

/* Of a block at least one of the objects keeps in its record. */
static osd_status same_bytes(struct command *c, const struct pair *p, bool *ret)
{
    uint8_t bytes[2][STORE_BLOCK] = {{0}};
    const struct store_id ids[] = {p->a.id, p->b.id};
    osd_status st = OSD_OK;

    for (int i = 0; i < 2 && st == OSD_OK; i++) {
        struct iovec v = {.iov_base = bytes[i], .iov_len = p->end - p->at};
        struct osd_iov iov = osd_iov_make(&v, 1);
        st = ops_of(c)->read(c->txn, ids[i], p->at, v.iov_len, &iov, 0);
    }
    *ret = st == OSD_OK && memcmp(bytes[0], bytes[1], p->end - p->at) == 0;
    return st;
}

/* Whether both objects are the same in the range that begins at p->at; finds where it ends. */
static osd_status compare_range(struct command *c, struct pair *p, bool *ret_same)
{
    uint64_t place = 0, end;
    osd_status st;

    p->looks++;
    if ((st = look(c, &p->a, p->at)) || (st = look(c, &p->b, p->at)))
        return st;
    end = p->a.end < p->b.end ? p->a.end : p->b.end;
    p->end = end < p->a.length ? end : p->a.length;
    *ret_same = p->a.kind == STORE_HOLE && p->b.kind == STORE_HOLE;
    if (p->a.kind != STORE_DATA || p->b.kind != STORE_DATA)
        return OSD_OK;
    place = place_at(&p->a, p->at);
    if (place && place_at(&p->b, p->at)) {
        *ret_same = place == place_at(&p->b, p->at);
        return OSD_OK;
    }
    end = (p->at / STORE_BLOCK + 1) * STORE_BLOCK;
    p->end = p->end < end ? p->end : end;
    return same_bytes(c, p, ret_same);
}

/* ---- the answer ---- */

/* Ranges [from, to) of the first object that differ, as descriptors; it stops at *at when
 * Data-In is full. */
static bool put(struct pair *p, enum store_extent kind, uint64_t from, uint64_t to,
                uint64_t *at)
{
    for (*at = from; *at < to; p->full++) {
        uint64_t len = to - *at < UINT32_MAX ? to - *at : UINT32_MAX;
        struct osd_map_entry e = {.type = kind == STORE_HOLE ? OSD_MAP_HOLE : OSD_MAP_WRITTEN,
                                  .len = (uint32_t)len,
                                  .offset = *at};
        if (p->full == p->room)
            return false;
        osd_map_entry_put(p->w, &e);
        *at += len;
    }
    return true;
}

/* Walk both maps; *ret_next is where to go on, or OSD_COMPARE_COMPLETE. */
static osd_status walk(struct command *c, struct pair *p, uint64_t *ret_next)
{
    uint64_t from = p->at; /* what lies from here to p->at differs, and is of one kind */
    enum store_extent kind = STORE_HOLE;
    bool same, goes_on = true;
    osd_status st;

    while (p->at < p->a.length && p->looks < LOOKS_MAX) {
        st = compare_range(c, p, &same);
        if (st)
            return st;
        if (same || (from < p->at && p->a.kind != kind)) {
            goes_on = put(p, kind, from, p->at, ret_next);
            from = p->at;
        }
        if (!goes_on)
            return OSD_OK;
        kind = p->a.kind;
        p->at = p->end;
        from = same ? p->at : from;
    }
    goes_on = put(p, kind, from, p->at, ret_next);
    if (goes_on)
        *ret_next = p->at < p->a.length ? p->at : OSD_COMPARE_COMPLETE;
    return OSD_OK;
}

osd_status run_compare(struct command *c)
{
    struct pair p = {.at = c->cdb.start};
    uint8_t head[HEAD];
    struct store_meta second;
    struct in_window iw;
    struct osd_compare_head h = {.next = c->cdb.start};
    osd_status st;

    if (c->second.len == 0)
        return fail_cdb(c, 48);
    if (c->cdb.start > c->meta.length)
        return fail_cdb(c, 40);
    if ((st = second_load(c, &second)) || (st = in_window_open(c, 0, c->cdb.length, &iw)))
        return st;
    p.a = (struct side){.id = c->target, .length = c->meta.length};
    p.b = (struct side){.id = second_object(c), .length = second.length};
    p.w = &iw.w;
    p.room = iw.w.cap > HEAD ? (iw.w.cap - HEAD) / ENTRY : 0;
    osd_writer_zero(p.w, HEAD);
    st = walk(c, &p, &h.next);
    h.additional_len = HEAD - 8 + ENTRY * p.full;
    osd_compare_head_encode(&h, head);
    osd_writer_patch(p.w, 0, head, HEAD);
    c->data_in_len = in_window_close(c, &iw);
    return st;
}
