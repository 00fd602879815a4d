/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/data.c - READ, WRITE, APPEND, CLEAR, PUNCH, FLUSH, READ MAP
 *
 * Bytes go straight between the store and the transport's buffers.
 */
#include <stdlib.h>

#include "commands.h"
#include "continuation.h"
#include "recovery.h"
#include "segments.h"
#include "wire/list.h"

/* A length beyond what any object can have: the same answer as a length quota. */
static osd_status check_end(struct command *c, uint64_t start, uint64_t len)
{
    if (start > STORE_LENGTH_MAX || len > STORE_LENGTH_MAX - start)
        return fail_quota(c, OSD_PAGE_U + OSD_PG_QUOTAS, 0x1);
    return OSD_OK;
}

/* ---- READ ---- */

/* One extent to `at` of Data-In; counts the bytes that exist. */
static osd_status read_extent(struct command *c, struct extent e, uint64_t at)
{
    uint64_t length = c->meta.length;
    uint64_t there = e.start < length ? length - e.start : 0;

    if (there < e.len)
        c->past_end = true;
    c->bytes_read += there < e.len ? there : e.len;
    if (there == 0) {
        osd_iov_zero(&c->req->in, at, e.len);
        return OSD_OK;
    }
    return ops_of(c)->read(c->txn, c->target, e.start, e.len, &c->req->in, at);
}

osd_status run_read(struct command *c)
{
    osd_status st = OSD_OK;

    if (c->cdb.length == 0)
        return OSD_OK;
    if (c->cdb.start > c->meta.length)
        return fail_cdb(c, by_gen(c, 44, 40));
    for (uint32_t i = 0; i < c->n_extents && st == OSD_OK; i++) {
        struct extent e = command_extent(c, i);
        if (e.len > 0)
            st = read_extent(c, e, c->data_in_len);
        c->data_in_len += e.len;
    }
    return st;
}

/* ---- writing ---- */

static osd_status write_extent(struct command *c, struct store_id id, struct extent e,
                               uint64_t at)
{
    osd_status st = check_end(c, e.start, e.len);

    return st ? st : ops_of(c)->write(c->txn, id, e.start, e.len, &c->req->out, at);
}

osd_status write_data(struct command *c, struct store_id id)
{
    uint64_t at = c->data_off;
    osd_status st = OSD_OK;

    for (uint32_t i = 0; i < c->n_extents && st == OSD_OK; i++) {
        struct extent e = command_extent(c, i);
        if (e.len > 0)
            st = write_extent(c, id, e, at);
        at += e.len;
    }
    return st;
}

osd_status run_write(struct command *c)
{
    return write_data(c, c->target);
}

osd_status run_append(struct command *c)
{
    struct extent e = {c->meta.length, c->cdb.length};

    c->append_start = e.start;
    return e.len ? write_extent(c, c->target, e, c->data_off) : OSD_OK;
}

osd_status run_clear(struct command *c)
{
    osd_status st;

    if (c->cdb.length == 0)
        return OSD_OK;
    st = check_end(c, c->cdb.start, c->cdb.length);
    if (st)
        return st;
    return ops_of(c)->clear(c->txn, c->target, c->cdb.start, c->cdb.length);
}

osd_status run_punch(struct command *c)
{
    uint64_t start = c->cdb.start, len = c->cdb.length;

    if (start > c->meta.length)
        return fail_cdb(c, 40);
    if (len >= c->meta.length - start)
        return ops_of(c)->truncate(c->txn, c->target, start);
    return len ? ops_of(c)->punch(c->txn, c->target, start, len) : OSD_OK;
}

/* ---- FLUSH ---- */

#define SCOPE_RANGE 2 /* of FLUSH; everything for partitions and the root */

static osd_status flush_store(struct command *c)
{
    return ops_of(c)->flush(c->dev->store);
}

/* Whatever the scope, everything committed before goes to stable storage: once the command's
 * own changes are committed, because nobody may flush inside a transaction. */
osd_status run_flush(struct command *c)
{
    bool one_object = c->target_type == OSD_TYPE_USER;

    if (c->cdb.option > SCOPE_RANGE ||
        (one_object && c->cdb.option == SCOPE_RANGE && c->cdb.gen == OSD_GEN1))
        return fail_cdb(c, by_gen(c, 10, 11));
    if (one_object && c->cdb.option == SCOPE_RANGE && c->cdb.start > c->meta.length)
        return fail_cdb(c, 40);
    c->sync = true;
    c->after = flush_store;
    return OSD_OK;
}

/* ---- READ MAP ---- */

static const uint16_t map_types[] = {[STORE_HOLE] = OSD_MAP_HOLE,
                                     [STORE_DATA] = OSD_MAP_WRITTEN,
                                     [STORE_DAMAGED] = OSD_MAP_DAMAGED};

static bool is_map_type(uint16_t type)
{
    return type <= OSD_MAP_DAMAGED || type == OSD_MAP_DAMAGED_ATTRS;
}

#define MAP_ENTRY 16

/* A range as descriptors of at most FFFFFFFFh bytes; those beyond the answer are counted only:
 * a hole may be 2^60 bytes long. */
static void put_range(struct osd_writer *w, uint16_t type, uint64_t off, uint64_t len)
{
    while (len > 0 && w->full < w->cap) {
        uint32_t part = len > UINT32_MAX ? UINT32_MAX : (uint32_t)len;
        struct osd_map_entry e = {.type = type, .len = part, .offset = off};
        osd_map_entry_put(w, &e);
        off += part;
        len -= part;
    }
    w->full += MAP_ENTRY * (len / UINT32_MAX + (len % UINT32_MAX != 0));
}

/* Read bytes to see whether they can be read. */
static osd_status try_read(struct command *c, uint64_t off, uint64_t len, uint8_t *buf)
{
    struct iovec v = {.iov_base = buf, .iov_len = len};
    struct osd_iov iov = osd_iov_make(&v, 1);

    return ops_of(c)->read(c->txn, c->target, off, len, &iov, 0);
}

#define TRY_LEN (256 * KIB)

/* What data that begins at off really is: some of it damaged on record. Looks at TRY_LEN bytes at
 * once, and when they cannot be read, at their first block. */
static osd_status find_damage(struct command *c, uint64_t off, enum store_extent *kind,
                              uint64_t *len)
{
    uint64_t block = STORE_BLOCK - off % STORE_BLOCK;
    uint8_t *buf = malloc(TRY_LEN);
    osd_status st;

    if (!buf)
        return OSD_E_NOMEM;
    *len = *len < TRY_LEN ? *len : TRY_LEN;
    st = try_read(c, off, *len, buf);
    if (st == OSD_E_CORRUPT) {
        *len = *len < block ? *len : block;
        st = try_read(c, off, *len, buf);
    }
    free(buf);
    if (st == OSD_E_CORRUPT)
        *kind = STORE_DAMAGED;
    return st == OSD_E_CORRUPT ? OSD_OK : st;
}

/* What begins at off, and how far it goes on at least. */
static osd_status find_extent(struct command *c, uint64_t off, bool suspect,
                              enum store_extent *ret_kind, uint64_t *ret_len)
{
    osd_status st = ops_of(c)->seek(c->txn, c->target, off, ret_kind, ret_len);

    if (st)
        return st;
    if (*ret_len == 0)
        return OSD_E_CORRUPT;
    return suspect && *ret_kind == STORE_DATA ? find_damage(c, off, ret_kind, ret_len) : OSD_OK;
}

static bool is_wanted(const struct command *c, uint16_t type)
{
    return c->cdb.map_type == OSD_MAP_ALL || c->cdb.map_type == type;
}

/* Walk the extents from the start on, neighbours of one kind merged. */
static osd_status put_map(struct command *c, bool suspect, struct osd_writer *w)
{
    uint64_t at = c->cdb.start, begin = at;
    enum store_extent kind = STORE_HOLE, next;

    while (at < c->meta.length) {
        uint64_t len;
        osd_status st = find_extent(c, at, suspect, &next, &len);
        if (st)
            return st;
        if (next != kind && at > begin) {
            if (is_wanted(c, map_types[kind]))
                put_range(w, map_types[kind], begin, at - begin);
            begin = at;
        }
        kind = next;
        at += len;
    }
    if (at > begin && is_wanted(c, map_types[kind]))
        put_range(w, map_types[kind], begin, at - begin);
    return OSD_OK;
}

/* Where damage is on record, data is read to see which: the record knows no places. */
static osd_status put_map_and_damage(struct command *c, struct osd_writer *w)
{
    const struct osd_map_entry attrs = {.type = OSD_MAP_DAMAGED_ATTRS};
    uint8_t damage;
    osd_status st = damage_on_record(c->txn, c->target, STORE_USER, &damage);

    if (st == OSD_OK && damage & DAMAGED_ATTRS && is_wanted(c, OSD_MAP_DAMAGED_ATTRS))
        osd_map_entry_put(w, &attrs);
    return st ? st : put_map(c, damage & DAMAGED_DATA, w);
}

osd_status run_read_map(struct command *c)
{
    struct in_window iw;
    uint8_t head[8];
    osd_status st;

    if (!is_map_type(c->cdb.map_type))
        return fail_cdb(c, 48);
    if (c->cdb.start > c->meta.length)
        return fail_cdb(c, 40);
    st = in_window_open(c, 0, c->cdb.length, &iw);
    if (st)
        return st;
    osd_writer_zero(&iw.w, sizeof(head));
    st = put_map_and_damage(c, &iw.w);
    be64_put(head, iw.w.full - sizeof(head));
    osd_writer_patch(&iw.w, 0, head, sizeof(head));
    c->data_in_len = in_window_close(c, &iw);
    return st;
}
