/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/collections.c - CREATE, REMOVE COLLECTION, CREATE USER TRACKING
 * COLLECTION, REMOVE MEMBER OBJECTS, members (reference 2.4, 9.2)
 *
 * Commands that work on many members hold the whole partition. What of the tracking page is as in a
 * collection without tracked commands is not stored.
 */
#include "collections.h"

#include "attributes.h"
#include "commands.h"

#define CHUNK 256

void collection_changed(struct command *c, uint64_t cid)
{
    for (unsigned i = 0; i < c->n_changed; i++)
        if (c->changed[i] == cid)
            return;
    if (c->n_changed < sizeof(c->changed) / sizeof(c->changed[0]))
        c->changed[c->n_changed++] = cid;
}

osd_status collections_of_changed(struct command *c, struct store_id object)
{
    uint64_t ids[CHANGED_MAX], next;
    size_t n = 0;
    osd_status st = ops_of(c)->members(c->txn, object, 0, ids, CHANGED_MAX, &n, &next);

    for (size_t i = 0; i < n; i++)
        collection_changed(c, ids[i]);
    return st;
}

osd_status members_each(struct command *c, struct store_id collection, member_visit visit,
                        void *arg)
{
    uint64_t ids[CHUNK], next = 0;
    size_t n = 0;
    osd_status st;

    do {
        st = ops_of(c)->members(c->txn, collection, next, ids, CHUNK, &n, &next);
        for (size_t i = 0; i < n && st == OSD_OK; i++)
            if ((st = spend(c)) == OSD_OK)
                st = visit(c, ids[i], arg);
    } while (st == OSD_OK && next);
    return st;
}

/* ---- creation ---- */

static osd_status create_collection(struct command *c, uint8_t type)
{
    struct store_meta m = fresh_object(c, STORE_COLLECTION);
    struct store_id id = c->target;
    osd_status st;

    m.type = type;
    if (id.oid != 0 && id.oid < OSD_ID_FIRST)
        return fail_cdb(c, 24);
    st = ops_of(c)->create(c->txn, id, &m, &id);
    if (st == OSD_E_EXISTS)
        return fail_cdb(c, 24);
    c->object = (struct attr_object){.id = id, .type = OSD_TYPE_COLLECTION, .exists = true};
    return st;
}

osd_status run_create_collection(struct command *c)
{
    return create_collection(c, COLLECTION_LINKED);
}

static osd_status copy_member(struct command *c, uint64_t oid, void *arg)
{
    uint64_t *n = arg;

    ++*n;
    return ops_of(c)->set_member(c->txn, c->object.id, oid, true);
}

static osd_status is_collection(struct command *c, struct store_id id, bool *ret)
{
    struct store_meta m;
    osd_status st = ops_of(c)->get_meta(c->txn, id, &m);

    *ret = st == OSD_OK && m.kind == STORE_COLLECTION;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

osd_status run_create_tracking(struct command *c)
{
    struct store_id source = {c->target.pid, c->cdb.start};
    bool there = true;
    uint64_t n = 0;
    osd_status st = source.oid ? is_collection(c, source, &there) : OSD_OK;

    if (st == OSD_OK && !there)
        return fail_cdb(c, 40);
    if (st == OSD_OK)
        st = create_collection(c, COLLECTION_TRACKING);
    if (st == OSD_OK && source.oid)
        st = members_each(c, source, copy_member, &n);
    return st ? st : tracking_finish(c, n, n);
}

/* ---- removal ---- */

struct leave {
    const struct attr_object *member;
    uint64_t cid;
    struct osd_attr_id handle; /* the attribute that holds cid */
};

static bool find_handle(void *arg, struct osd_attr_id id, const uint8_t *value, uint32_t len)
{
    struct leave *l = arg;

    if (id.number != 0 && len == 8 && be64_get(value) == l->cid)
        l->handle = id;
    return l->handle.number == 0;
}

/* Undefine the attribute through which a user object is in the collection. */
static osd_status dissolve(struct command *c, uint64_t oid, void *arg)
{
    struct attr_object o = {.id = {c->target.pid, oid}, .type = OSD_TYPE_USER, .exists = true};
    struct leave l = {.cid = c->target.oid};
    uint32_t page = OSD_PAGE_U + OSD_PG_COLLECTIONS;
    osd_status st = attr_each(c, &o, page, find_handle, &l);

    (void)arg;
    if (st || l.handle.number == 0)
        return st;
    return ops_of(c)->set_attr(c->txn, o.id, page, l.handle.number, NULL, 0);
}

osd_status run_remove_collection(struct command *c)
{
    uint64_t first, next;
    size_t n = 0;
    osd_status st = ops_of(c)->members(c->txn, c->target, 0, &first, 1, &n, &next);

    if (st == OSD_OK && n > 0 && c->cdb.option == 0)
        return fail_kind(c, FAULT_NOT_EMPTY);
    if (st == OSD_OK && c->meta.type == COLLECTION_LINKED)
        st = members_each(c, c->target, dissolve, NULL);
    if (st == OSD_OK)
        st = ops_of(c)->remove(c->txn, c->target, false);
    c->object.exists = false;
    return st;
}

static osd_status remove_member(struct command *c, uint64_t oid, void *arg)
{
    struct store_id id = {c->target.pid, oid};
    uint64_t *n = arg;
    osd_status st = collections_of_changed(c, id);

    ++*n;
    if (st == OSD_OK)
        st = ops_of(c)->remove(c->txn, id, false);
    count_processed(c, 1);
    return st;
}

/* What is done before its status is not done beside another one either. */
static osd_status require_idle(struct command *c)
{
    bool busy = c->cdb.immed_tr && !c->job && tracker_find(&c->dev->tracker, c->target, NULL);

    return busy ? fail_cdb(c, 24) : OSD_OK;
}

osd_status run_remove_members(struct command *c)
{
    uint64_t n = 0;
    osd_status st = require_idle(c);

    if (st == OSD_OK)
        st = members_each(c, c->target, remove_member, &n);

    return st ? st : tracking_finish(c, n, n);
}

/* ---- member attributes ---- */

static osd_status count_member(struct command *c, uint64_t oid, void *arg)
{
    (void)c, (void)oid;
    ++*(uint64_t *)arg;
    return OSD_OK;
}

/* The attribute phases do the work. */
osd_status run_set_members(struct command *c)
{
    uint64_t n = 0;
    osd_status st = require_idle(c);

    if (st == OSD_OK && c->cdb.immed_tr)
        st = members_each(c, c->target, count_member, &n);
    return st ? st : tracking_finish(c, n, n);
}

/* ---- tracking ---- */

static osd_status track_bytes(struct command *c, uint32_t number, const uint8_t *value,
                              size_t len)
{
    return ops_of(c)->set_attr(c->txn, c->object.id, OSD_PAGE_C + OSD_PG_COLLECTIONS, number,
                               value, (uint32_t)len);
}

/** A number of the page; len 0: what it is when no command is under way. */
struct track {
    uint32_t number;
    uint8_t len;
    uint64_t value;
};

static osd_status track(struct command *c, const struct track *t, size_t n)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < n && st == OSD_OK; i++) {
        uint8_t raw[8];
        be64_put(raw, t[i].value);
        st = track_bytes(c, t[i].number, raw + 8 - t[i].len, t[i].len);
    }
    return st;
}

/* Sense data takes its room now: a failure for want of room must be told, too. */
osd_status tracking_begin(struct command *c)
{
    static const uint8_t room[OSD_SENSE_MAX];
    const struct track page[] = {
        {TRACK_PERCENT, 1, 0},
        {TRACK_ACTIVE, 2, be16_get(c->req->cdb + 8)},
        {TRACK_STATUS, 2, TRACK_RUNNING},
        {TRACK_PROCESSED, 8, 0},
        {TRACK_MEMBERS, 8, 0},
    };
    osd_status st = track(c, page, sizeof(page) / sizeof(page[0]));

    return st ? st : track_bytes(c, TRACK_SENSE, room, sizeof(room));
}

osd_status tracking_finish(struct command *c, uint64_t members, uint64_t processed)
{
    const struct track page[] = {
        {TRACK_PERCENT, 0, 0}, {TRACK_ACTIVE, 0, 0},        {TRACK_STATUS, 0, 0},
        {TRACK_SENSE, 0, 0},   {TRACK_MEMBERS, 8, members}, {TRACK_PROCESSED, 8, processed},
    };

    return c->cdb.immed_tr ? track(c, page, sizeof(page) / sizeof(page[0])) : OSD_OK;
}

osd_status tracking_fail(struct command *c, const uint8_t *sense, size_t len)
{
    static const struct track page[] = {{TRACK_ACTIVE, 0, 0},
                                        {TRACK_STATUS, 2, SAM_CHECK_CONDITION}};
    osd_status st = track(c, page, sizeof(page) / sizeof(page[0]));

    return st ? st : track_bytes(c, TRACK_SENSE, sense, len);
}

osd_status tracking_says_running(struct command *c, struct store_id id, bool *ret)
{
    uint8_t raw[2];
    uint32_t len = 0;
    osd_status st = ops_of(c)->get_attr(c->txn, id, OSD_PAGE_C + OSD_PG_COLLECTIONS,
                                        TRACK_STATUS, raw, sizeof(raw), &len);

    *ret = st == OSD_OK && len == sizeof(raw) && be16_get(raw) == TRACK_RUNNING;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}
