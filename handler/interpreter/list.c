/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/list.c - LIST and LIST COLLECTION (reference 2.4, 3.1)
 *
 * The list identifier is the container's change counter at the first LIST, with the top bit set
 * so that it is never zero; LSTCHG compares it with the counter of now. Of a collection's
 * members the device keeps a counter.
 * Announced length: exact when the rest is short enough to be counted, otherwise an upper bound
 * (the number of objects in the container), or without bound when attributes are listed. The
 * entries beyond the answer are made too, for their length.
 */
#include "wire/list.h"
#include "attributes.h"
#include "commands.h"
#include "common/buf.h"
#include "segments.h"

#define CHUNK      2048 /* ids asked for at once, */
#define FEW        256  /* or entries that are likely to be long */
#define LOOK_AHEAD 256  /* ids counted beyond the page before an upper bound has to do */
#define ID_FLAG    0x80000000u

static const struct {
    uint8_t type;
    enum osd_list_what lists;
} what[] = {[STORE_PARTITION] = {OSD_TYPE_PARTITION, OSD_LISTS_PARTITIONS},
            [STORE_COLLECTION] = {OSD_TYPE_COLLECTION, OSD_LISTS_COLLECTIONS},
            [STORE_USER] = {OSD_TYPE_USER, OSD_LISTS_USERS}};

struct listing {
    struct command *c;
    struct osd_writer w;
    enum store_kind kind;
    bool of_members;    /* of the collection addressed */
    uint64_t announced; /* bytes of the entries so far, returned or not */
    uint64_t continuation;
    uint64_t began;   /* changes of the container, counted before the first walk */
    uint64_t changes; /* ... before the last */
    bool begun;
    size_t look_ahead; /* ids counted beyond the page */
    bool full;         /* an entry did not fit: nothing more is returned */
    bool endless;      /* announced is not known */
};

static osd_status next_chunk(struct listing *l, uint64_t from, uint64_t *ids, size_t max,
                             size_t *ret_n, uint64_t *ret_next)
{
    struct command *c = l->c;
    osd_status st;

    if (l->of_members) {
        l->changes = device_member_changes(c->dev, c->target);
        st = ops_of(c)->members(c->txn, c->target, from, ids, max, ret_n, ret_next);
    } else {
        st = ops_of(c)->list(c->txn, c->target.pid, l->kind, from, ids, max, ret_n, ret_next,
                             &l->changes);
    }
    if (!l->begun)
        l->began = l->changes;
    l->begun = true;
    return st;
}

/* ---- plain ids ---- */

/* How many more ids there is room for. */
static size_t room_for(const struct listing *l)
{
    return l->w.full < l->w.cap && !l->full ? (l->w.cap - l->w.full) / 8 : 0;
}

static void put_ids(struct listing *l, const uint64_t *ids, size_t n)
{
    size_t room = room_for(l), fit = n < room ? n : room;

    for (size_t i = 0; i < fit; i++)
        osd_writer_be64(&l->w, ids[i]);
    if (fit < n && !l->full) {
        l->full = true;
        l->continuation = ids[fit];
    }
    l->announced += 8 * n;
}

/* What there is room for and what is looked ahead, in one walk. */
static size_t worth_asking(const struct listing *l, size_t beyond)
{
    size_t room = room_for(l);

    return room < CHUNK - LOOK_AHEAD ? room + l->look_ahead - beyond : CHUNK;
}

/* None where the rest is too long to be counted anyway: below an id there are no more objects than
 * ids. Collections count among objects here, and may have their part in the upper bound. */
static size_t worth_looking_ahead(const struct listing *l)
{
    uint64_t start = l->c->cdb.start, room = room_for(l);
    uint64_t below = start > OSD_ID_FIRST ? start - OSD_ID_FIRST : 0;
    bool many = l->kind != STORE_COLLECTION && !l->of_members && room > 0 &&
                l->c->partition.count > below &&
                l->c->partition.count - below >= room + LOOK_AHEAD;

    return many ? 0 : LOOK_AHEAD;
}

static osd_status walk_ids(struct listing *l)
{
    uint64_t ids[CHUNK], from = l->c->cdb.start;
    size_t n, beyond = 0;
    osd_status st;

    l->look_ahead = worth_looking_ahead(l);
    do {
        st = go_on(l->c);
        if (st == OSD_OK)
            st = next_chunk(l, from, ids, worth_asking(l, beyond), &n, &from);
        if (st)
            return st;
        put_ids(l, ids, n);
        beyond += l->full ? n : 0;
    } while (from != 0 && (room_for(l) > 0 || beyond < l->look_ahead));
    if (from != 0 && !l->full)
        l->continuation = from;
    if (from != 0 && 8 * l->c->partition.count > l->announced)
        l->announced = 8 * l->c->partition.count;
    return OSD_OK;
}

/* ---- entries with attributes (OSD-2) ---- */

#define ENTRY_MAX (16 + 0x10000)

static osd_status put_entry(struct listing *l, uint64_t id, uint8_t *scratch)
{
    struct command *c = l->c;
    bool inside = l->kind != STORE_PARTITION;
    struct attr_object o = {.id = inside ? (struct store_id){c->target.pid, id}
                                         : (struct store_id){id, 0},
                            .type = what[l->kind].type,
                            .exists = true};
    struct osd_writer e = osd_writer_make(scratch, ENTRY_MAX);
    size_t start = osd_list_entry_open(&e, id, o.type);
    osd_status st = attributes_put_entries(c, &o, &e);

    if (st == OSD_E_NOT_FOUND) /* removed meanwhile: the list is of no single moment */
        return OSD_OK;
    if (st)
        return st;
    osd_list_entry_close(&e, start);
    l->announced += e.full;
    if (!l->full && l->w.full + e.full > l->w.cap) {
        l->full = true;
        l->continuation = id;
    }
    if (l->full)
        return OSD_OK;
    osd_writer_put(&l->w, scratch, e.full);
    attributes_note_got(c, o.id);
    return OSD_OK;
}

static osd_status walk_entries(struct listing *l)
{
    uint64_t ids[FEW], from = l->c->cdb.start;
    _cleanup_free_ uint8_t *scratch = malloc(ENTRY_MAX);
    osd_status st = scratch ? OSD_OK : OSD_E_NOMEM;
    size_t n = 0, beyond = 0;

    do {
        if (st == OSD_OK)
            st = next_chunk(l, from, ids, FEW, &n, &from);
        for (size_t i = 0; st == OSD_OK && i < n; i++)
            st = put_entry(l, ids[i], scratch);
        beyond += l->full ? n : 0;
    } while (st == OSD_OK && from != 0 && beyond < LOOK_AHEAD);
    l->endless = from != 0;
    return st;
}

/* ---- the command ---- */

static uint32_t list_id(uint64_t changes)
{
    return (uint32_t)changes | ID_FLAG;
}

/* An identifier we can have given out: of this container's past. */
static bool is_known(const struct listing *l, uint32_t id)
{
    return id & ID_FLAG && ((list_id(l->changes) - id) & ~ID_FLAG) < 1u << 30;
}

static void put_head(struct listing *l)
{
    struct command *c = l->c;
    uint32_t given = c->cdb.list_id;
    uint8_t raw[OSD_LIST_HEADER_LEN];
    struct osd_list_head h = {
        .additional_len = l->endless ? UINT64_MAX : OSD_LIST_HEADER_LEN - 8 + l->announced,
        .continuation = l->continuation,
        .changed = given != 0 && given != list_id(l->changes),
        .with_attrs = c->cdb.list_attr,
        .what = what[l->kind].lists,
        .list_collection = c->cdb.op == OSD_OP_LIST_COLLECTION};

    if (l->continuation)
        h.list_id = given ? given : list_id(l->began);
    osd_list_head_encode(&h, c->cdb.gen, raw);
    osd_writer_patch(&l->w, 0, raw, sizeof(raw));
}

static osd_status fill(struct listing *l)
{
    struct command *c = l->c;
    osd_status st;

    osd_writer_zero(&l->w, OSD_LIST_HEADER_LEN);
    st = c->cdb.list_attr ? walk_entries(l) : walk_ids(l);
    if (st)
        return st;
    if (c->cdb.list_id != 0 && !is_known(l, c->cdb.list_id))
        return fail_cdb(c, by_gen(c, 32, 48));
    put_head(l);
    return OSD_OK;
}

static enum store_kind kind_listed(const struct command *c)
{
    if (c->cdb.op == OSD_OP_LIST_COLLECTION)
        return c->target.oid ? STORE_USER : STORE_COLLECTION;
    return c->target.pid ? STORE_USER : STORE_PARTITION;
}

osd_status run_list(struct command *c)
{
    struct listing l = {.c = c, .kind = kind_listed(c), .of_members = c->target.oid != 0};
    struct in_window iw;
    osd_status st;

    if (c->cdb.option != 0 || (c->cdb.list_attr && c->cdb.attr.format != OSD_ATTR_LIST))
        return fail_cdb(c, 11);
    if (c->cdb.length == 0)
        return OSD_OK;
    st = in_window_open(c, 0, c->cdb.length, &iw);
    if (st)
        return st;
    l.w = iw.w;
    st = fill(&l);
    iw.w = l.w;
    c->data_in_len = in_window_close(c, &iw);
    return st;
}
