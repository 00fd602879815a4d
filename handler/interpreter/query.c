/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/query.c - QUERY (reference 2.4, 3.5)
 *
 * The query list is checked as a whole before any member is looked at. Faults in the list point
 * into Data-Out, where the CDB continuation segment is at offset 0.
 * A query looks at every member, or at those an index of the store finds; what it finds is the
 * same, and in the same order. Nobody waits for a query for longer than some hundred members take:
 * each is looked at as it is then. Only to enter what was found into a collection does it hold the
 * partition.
 */
#include "query.h"

#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "collections.h"
#include "commands.h"
#include "common/buf.h"
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

/* ---- looking at members ---- */

struct result {
    struct osd_writer *w; /* Data-In, or NULL ... */
    struct osd_buf ids;   /* ... and here what goes into the matches collection */
    uint64_t members;
};

static osd_status keep(struct result *r, uint64_t oid)
{
    if (!r->w)
        return osd_buf_put(&r->ids, &oid, sizeof(oid));
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

static osd_status member_matches(struct command *c, uint64_t oid, bool *ret)
{
    osd_status st = member_exists(c, oid, ret);

    if (st == OSD_OK && *ret)
        st = matches(c, oid, ret);
    if (st == OSD_E_NOT_FOUND)
        *ret = false;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status examine(struct command *c, uint64_t oid, struct result *r)
{
    bool match;
    osd_status st = member_matches(c, oid, &match);

    return st || !match ? st : keep(r, oid);
}

#define CHUNK 256

/* Every member, with a pause now and then. */
static osd_status scan(struct command *c, struct result *r)
{
    uint64_t ids[CHUNK], next = 0;
    size_t n = 0;
    osd_status st;

    do {
        st = ops_of(c)->members(c->txn, c->target, next, ids, CHUNK, &n, &next);
        for (size_t i = 0; i < n && st == OSD_OK; i++)
            if ((st = spend(c)) == OSD_OK)
                st = examine(c, ids[i], r);
        r->members += n;
        count_processed(c, n);
        if (st == OSD_OK && next)
            st = command_pause(c);
    } while (st == OSD_OK && next);
    return st;
}

/* ---- looking at what an index finds ---- */

/* An index is used when it finds no more than this, and less than there are members. */
#define CANDIDATES_MAX 65536u
#define CANDIDATES_MIN 256u
#define STEP           16u /* from one number of candidates to the next one that is tried */

/** Objects of the partition that may match; those that do are among them. */
struct candidates {
    uint64_t *ids;
    size_t n, max;
};

/* What an index finds for one criterion, behind what there is. NOT_FOUND: there is none, or it
 * finds too many. */
static osd_status find(struct command *c, const struct criterion *k, struct candidates *all)
{
    struct store_values want = {.page = k->id.page,
                                .number = k->id.number,
                                .min = {k->min.data, k->min.len},
                                .max = {k->max.data, k->max.len}};
    bool more = false;
    size_t n = 0;
    osd_status st;

    if (k->everything || (!k->min.len && !k->max.len) || !attr_is_stored(c, k->id))
        return OSD_E_NOT_FOUND;
    st = ops_of(c)->find(c->txn, c->target.pid, &want, all->ids + all->n, all->max - all->n, &n,
                         &more);
    if (st == OSD_OK && more)
        return OSD_E_NOT_FOUND;
    if (st == OSD_OK)
        all->n += n;
    return st;
}

/* Of an intersection one criterion is enough, of a union each is needed. */
static osd_status find_all(struct command *c, struct candidates *ret)
{
    bool one = (c->query.data[0] & 15) == QUERY_INTERSECTION;
    size_t at = LIST_HEAD;
    struct criterion k = {0};
    osd_status st, found = OSD_E_NOT_FOUND;

    ret->n = 0;
    while ((st = next_criterion(c, &at, &k)) == OSD_OK) {
        found = spend(c);
        if (found == OSD_OK)
            found = find(c, &k, ret);
        if (found == OSD_OK ? one : found != OSD_E_NOT_FOUND || !one)
            return found;
    }
    return st == OSD_E_NOT_FOUND ? found : st;
}

/* Whether an index finds anything for any criterion, however much. */
static osd_status is_indexed(struct command *c, bool *ret)
{
    size_t at = LIST_HEAD, n;
    struct criterion k = {0};
    osd_status st;

    *ret = false;
    while (!*ret && (st = next_criterion(c, &at, &k)) == OSD_OK) {
        struct store_values any = {.page = k.id.page, .number = k.id.number};
        bool more;
        st = spend(c);
        if (st == OSD_OK && !k.everything)
            st = ops_of(c)->find(c->txn, c->target.pid, &any, NULL, 0, &n, &more);
        *ret = st == OSD_OK && !k.everything;
        if (st && st != OSD_E_NOT_FOUND)
            return st;
    }
    return *ret || st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status few_members(struct command *c, struct candidates *scratch, bool *ret)
{
    uint64_t next = 0;
    size_t n;
    osd_status st =
        ops_of(c)->members(c->txn, c->target, 0, scratch->ids, scratch->max, &n, &next);

    *ret = next == 0;
    return st;
}

/* Whoever has fewer wins, members or candidates: each gets more and more room, so that finding out
 * takes little longer than walking over the fewer. NOT_FOUND: the members. */
static osd_status choose(struct command *c, struct candidates *ret)
{
    bool indexed;
    osd_status st = is_indexed(c, &indexed);

    if (st || !indexed)
        return st ? st : OSD_E_NOT_FOUND;
    st = OSD_E_NOT_FOUND;
    for (size_t max = CANDIDATES_MIN; max <= CANDIDATES_MAX && st == OSD_E_NOT_FOUND;
         max *= STEP) {
        bool few = false;
        free(ret->ids);
        *ret = (struct candidates){.ids = malloc(max * sizeof(*ret->ids)), .max = max};
        st = ret->ids ? few_members(c, ret, &few) : OSD_E_NOMEM;
        if (st == OSD_OK && few)
            return OSD_E_NOT_FOUND;
        if (st == OSD_OK)
            st = find_all(c, ret);
    }
    return st;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static osd_status is_member(struct command *c, uint64_t oid, bool *ret)
{
    struct store_id id = {c->target.pid, oid};
    uint64_t cid = 0, next;
    size_t n = 0;
    osd_status st = ops_of(c)->members(c->txn, id, c->target.oid, &cid, 1, &n, &next);

    *ret = st == OSD_OK && n == 1 && cid == c->target.oid;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status examine_candidate(struct command *c, uint64_t oid, struct result *r)
{
    bool member;
    osd_status st = spend(c);

    if (st == OSD_OK)
        st = is_member(c, oid, &member);
    return st || !member ? st : examine(c, oid, r);
}

/* In the order of the members, each once. */
static osd_status examine_all(struct command *c, struct candidates *all, struct result *r)
{
    osd_status st = OSD_OK;

    qsort(all->ids, all->n, sizeof(*all->ids), by_id);
    for (size_t i = 0; i < all->n && st == OSD_OK; i++) {
        if (i == 0 || all->ids[i] != all->ids[i - 1])
            st = examine_candidate(c, all->ids[i], r);
        if (st == OSD_OK && i % CHUNK == CHUNK - 1)
            st = command_pause(c);
    }
    return st;
}

/* Both ways come to the same. A tracked command says how many members there are, and so looks at
 * each. */
static osd_status search(struct command *c, struct result *r)
{
    struct candidates all = {0};
    osd_status st = c->cdb.immed_tr ? OSD_E_NOT_FOUND : choose(c, &all);

    if (st == OSD_OK)
        st = examine_all(c, &all, r);
    else if (st == OSD_E_NOT_FOUND)
        st = scan(c, r);
    free(all.ids);
    return st;
}

/* ---- results ---- */

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
    st = search(c, &r);
    be64_put(head, iw.w.full - 8);
    head[11] = MATCHES_MARK;
    osd_writer_patch(&iw.w, 0, head, sizeof(head));
    c->data_in_len = in_window_close(c, &iw);
    return st ? st : command_lock(c);
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

/* What was found, as far as it still matches. */
static osd_status enter(struct command *c, struct store_id target, const struct osd_buf *ids)
{
    osd_status st = OSD_OK;

    for (size_t at = 0; at < ids->len && st == OSD_OK; at += sizeof(uint64_t)) {
        bool match;
        uint64_t oid;
        memcpy(&oid, ids->data + at, sizeof(oid));
        st = is_member(c, oid, &match);
        if (st == OSD_OK && match)
            st = member_matches(c, oid, &match);
        if (st == OSD_OK && match)
            st = ops_of(c)->set_member(c->txn, target, oid, true);
    }
    return st;
}

#define FOUND_MAX (64 * MIB) /* more memberships than one transaction can make */

static osd_status to_collection(struct command *c)
{
    struct result r = {.ids = osd_buf_make(FOUND_MAX)};
    struct store_id target = {c->target.pid, c->cdb.start};
    osd_status st = search(c, &r);

    if (st == OSD_OK)
        st = command_lock(c);
    if (st == OSD_OK)
        st = check_matches(c, target);
    if (st == OSD_OK)
        st = members_each(c, target, forget_member, &target);
    if (st == OSD_OK)
        st = enter(c, target, &r.ids);
    osd_buf_free(&r.ids);
    collection_changed(c, target.oid);
    return st ? st : tracking_finish(c, r.members, r.members);
}

osd_status query_check(struct command *c)
{
    bool data_in = c->cdb.length != 0, collection = c->cdb.start != 0;

    if (c->meta.type != COLLECTION_TRACKING ||
        (!c->job && tracker_find(&c->dev->tracker, c->target, NULL)))
        return fail_cdb(c, 24);
    if (data_in == collection)
        return fail_cdb(c, 32);
    if (c->cdb.immed_tr && !collection)
        return fail_cdb(c, 11);
    if (c->query.len == 0)
        return fail_cdb(c, 48);
    return collection ? check_matches(c, (struct store_id){c->target.pid, c->cdb.start})
                      : OSD_OK;
}

osd_status run_query(struct command *c)
{
    osd_status st = query_check(c);

    if (st)
        return st;
    return c->cdb.start ? to_collection(c) : to_data_in(c);
}
