/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/query.c - QUERY (reference 2.4, 3.5)
 *
 * The query list is checked as a whole before any member is looked at. Members removed while
 * the query runs are passed over. Faults in the list point into Data-Out, where the CDB
 * continuation segment is at offset 0.
 */
#include "query.h"

#include <string.h>

#include "attributes.h"
#include "collections.h"
#include "commands.h"
#include "segments.h"

#define LIST_HEAD    4
#define ENTRY_HEAD   4
#define ENTRY_MIN    12 /* page, number, two lengths */
#define MATCHES_HEAD 12
#define MATCHES_MARK 0x84 /* descriptor format 21h: user objects */

enum { QUERY_UNION = 0, QUERY_INTERSECTION = 1 };

/* One criterion; a bound without bytes is no bound. */
struct criterion {
    bool everything; /* matches every member */
    struct osd_attr_id id;
    struct osd_bytes min, max;
};

/* ---- the list ---- */

static osd_status bad_query(struct command *c, size_t at)
{
    return fail_param(c, (uint64_t)(c->query.data - c->continuation.data) + at);
}

/* Bytes with a 16-bit length before them, inside [*at, end). */
static bool take_bound(const uint8_t *p, size_t *at, size_t end, struct osd_bytes *ret)
{
    size_t len;

    if (end - *at < 2)
        return false;
    len = be16_get(p + *at);
    *at += 2;
    if (len > end - *at)
        return false;
    *ret = (struct osd_bytes){.data = p + *at, .len = len};
    *at += len;
    return true;
}

/* The criterion at *at, which moves behind it. NOT_FOUND at the end. */
static osd_status next_criterion(struct command *c, size_t *at, struct criterion *ret)
{
    const uint8_t *p = c->query.data;
    size_t start = *at, len, end;

    if (start == c->query.len)
        return OSD_E_NOT_FOUND;
    if (c->query.len - start < ENTRY_HEAD)
        return bad_query(c, start);
    len = be16_get(p + start + 2);
    end = start + ENTRY_HEAD + len;
    *at = end;
    *ret = (struct criterion){.everything = len == 0};
    if (len == 0)
        return OSD_OK;
    if (len < ENTRY_MIN || end > c->query.len)
        return bad_query(c, start + 2);
    ret->id = (struct osd_attr_id){be32_get(p + start + 4), be32_get(p + start + 8)};
    if (osd_page_owner(ret->id.page) != OSD_TYPE_USER)
        return bad_query(c, start + 4);
    if (ret->id.number == OSD_ATTR_ALL)
        return bad_query(c, start + 8);
    start += ENTRY_MIN;
    if (!take_bound(p, &start, end, &ret->min) || !take_bound(p, &start, end, &ret->max) ||
        start != end)
        return bad_query(c, *at - ENTRY_HEAD - len + 2);
    return OSD_OK;
}

osd_status query_each(struct command *c, attr_check check, void *arg)
{
    size_t at = LIST_HEAD;
    osd_status st = OSD_OK;
    struct criterion k = {0};

    if (c->query.len == 0)
        return OSD_OK;
    if (c->query.len < LIST_HEAD || (c->query.data[0] & 15) > QUERY_INTERSECTION)
        return bad_query(c, 0);
    while (st == OSD_OK && (st = next_criterion(c, &at, &k)) == OSD_OK)
        if (check && !k.everything)
            st = check(arg, k.id);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* ---- matching ---- */

static uint64_t as_number(const uint8_t *p, size_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

/* Below, equal or above zero. Short values are numbers, others compare like words. */
static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t common = a_len < b_len ? a_len : b_len;
    int order;

    if (a_len <= 8 && b_len <= 8) {
        uint64_t x = as_number(a, a_len), y = as_number(b, b_len);
        return x < y ? -1 : x > y;
    }
    order = memcmp(a, b, common);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static bool within(const struct criterion *k, const struct attr_value *v)
{
    bool bound = k->min.len || k->max.len;

    if (v->len == 0)
        return !bound;
    return (!k->min.len || compare(v->data, v->len, k->min.data, k->min.len) >= 0) &&
           (!k->max.len || compare(v->data, v->len, k->max.data, k->max.len) <= 0);
}

static osd_status meets(struct command *c, const struct attr_object *o,
                        const struct criterion *k, bool *ret)
{
    struct attr_value v;
    osd_status st = OSD_OK;

    *ret = true;
    if (k->everything)
        return spend(c);
    st = attr_get(c, o, k->id, &v);
    *ret = st == OSD_OK && within(k, &v);
    return st;
}

/* A list without criteria selects every member. */
static osd_status matches(struct command *c, uint64_t oid, bool *ret)
{
    bool all = (c->query.data[0] & 15) == QUERY_INTERSECTION, one;
    struct attr_object o = {.id = {c->target.pid, oid}, .type = OSD_TYPE_USER, .exists = true};
    size_t at = LIST_HEAD;
    struct criterion k = {0};
    osd_status st;

    *ret = all || c->query.len == LIST_HEAD;
    while ((st = next_criterion(c, &at, &k)) == OSD_OK) {
        st = meets(c, &o, &k, &one);
        if (st)
            break;
        if (one != all) { /* decides */
            *ret = one;
            return OSD_OK;
        }
    }
    if (st != OSD_E_NOT_FOUND)
        return st;
    return OSD_OK;
}

/* ---- results ---- */

struct result {
    struct osd_writer *w;   /* Data-In, or ... */
    struct store_id target; /* ... the matches collection */
    uint64_t members, found;
};

static osd_status keep(struct command *c, struct result *r, uint64_t oid)
{
    r->found++;
    if (!r->w)
        return ops_of(c)->set_member(c->txn, r->target, oid, true);
    osd_writer_be64(r->w, oid);
    return OSD_OK;
}

static osd_status member_exists(struct command *c, uint64_t oid, bool *ret)
{
    struct store_meta m;
    osd_status st = ops_of(c)->get_meta(c->txn, (struct store_id){c->target.pid, oid}, &m);

    *ret = st == OSD_OK;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status examine(struct command *c, uint64_t oid, void *arg)
{
    struct result *r = arg;
    bool match;
    osd_status st = member_exists(c, oid, &match);

    if (st || !match)
        return st;
    r->members++;
    st = matches(c, oid, &match);
    if (st == OSD_E_NOT_FOUND)
        return OSD_OK;
    return st || !match ? st : keep(c, r, oid);
}

static osd_status to_data_in(struct command *c)
{
    struct result r = {0};
    struct in_window iw;
    uint8_t head[MATCHES_HEAD] = {0};
    osd_status st = in_window_open(c, 0, c->cdb.length, &iw);

    if (st)
        return st;
    r.w = &iw.w;
    osd_writer_zero(&iw.w, sizeof(head));
    st = members_each(c, c->target, examine, &r);
    be64_put(head, iw.w.full - 8);
    head[11] = MATCHES_MARK;
    osd_writer_patch(&iw.w, 0, head, sizeof(head));
    c->data_in_len = in_window_close(c, &iw);
    return st;
}

static osd_status forget_member(struct command *c, uint64_t oid, void *arg)
{
    const struct store_id *collection = arg;

    return ops_of(c)->set_member(c->txn, *collection, oid, false);
}

/* A tracking collection of the partition, other than the one that is asked. */
static osd_status check_matches(struct command *c, struct store_id id)
{
    struct store_meta m;
    osd_status st = ops_of(c)->get_meta(c->txn, id, &m);

    if (st && st != OSD_E_NOT_FOUND)
        return st;
    if (st || id.oid == c->target.oid || m.kind != STORE_COLLECTION ||
        m.type != COLLECTION_TRACKING)
        return fail_cdb(c, 40);
    return OSD_OK;
}

static osd_status to_collection(struct command *c)
{
    struct result r = {.target = {c->target.pid, c->cdb.start}};
    osd_status st = check_matches(c, r.target);

    if (st == OSD_OK)
        st = members_each(c, r.target, forget_member, &r.target);
    if (st == OSD_OK)
        st = members_each(c, c->target, examine, &r);
    collection_changed(c, r.target.oid);
    return st ? st : tracking_finish(c, r.members, r.members);
}

osd_status run_query(struct command *c)
{
    bool data_in = c->cdb.length != 0, collection = c->cdb.start != 0;

    if (c->meta.type != COLLECTION_TRACKING)
        return fail_cdb(c, 24);
    if (data_in == collection)
        return fail_cdb(c, 32);
    if (c->cdb.immed_tr && !collection)
        return fail_cdb(c, 11);
    if (c->query.len == 0)
        return fail_cdb(c, 48);
    return collection ? to_collection(c) : to_data_in(c);
}
