/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_collections.c - pages x+4h: memberships of a user object,
 * attributes access lists of a partition, command tracking of a collection (reference 4.7, 4.9)
 *
 * Invariant: an attribute of page U+4h holds an 8-byte collection id exactly when the store has
 * the membership, and no two attributes of one object hold the same id.
 */
#include <string.h>

#include "collections.h"
#include "pages.h"

#define LAST_MEMBERSHIP 0xffffff00u

osd_status page_set_access_list(const struct ask *a, const uint8_t *value, uint32_t len,
                                enum attr_refusal *ret_why)
{
    if (len % 8 != 0 || len > OSD_ATTR_VALUE_MAX)
        return row_refuse(REFUSE_LENGTH, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

/* ---- memberships ---- */

/* Whether id is a collection that clients fill, and the object is not in it yet. */
static osd_status may_join(const struct ask *a, struct store_id id, bool *ret)
{
    const struct store_ops *ops = ops_of(a->c);
    struct store_meta m;
    uint64_t found = 0, next;
    size_t n = 0;
    osd_status st = ops->get_meta(a->c->txn, id, &m);

    *ret = false;
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    if (m.kind != STORE_COLLECTION || m.type != COLLECTION_LINKED)
        return OSD_OK;
    st = ops->members(a->c->txn, a->o->id, id.oid, &found, 1, &n, &next);
    *ret = n == 0 || found != id.oid;
    return st;
}

static bool count_one(void *arg, struct osd_attr_id id, const uint8_t *value, uint32_t len)
{
    (void)id, (void)value, (void)len;
    ++*(uint64_t *)arg;
    return true;
}

/* One membership more must stay within the partition's quota. */
static osd_status check_quota(const struct ask *a)
{
    uint64_t n = 0; /* attribute 0, the page's identification, stands for the new one */
    struct store_meta partition;
    osd_status st =
        ops_of(a->c)->get_meta(a->c->txn, (struct store_id){a->o->id.pid, 0}, &partition);

    if (st == OSD_OK && partition.collections_quota == UINT32_MAX)
        return OSD_OK;
    if (st == OSD_OK)
        st = attr_each(a->c, a->o, a->id.page, count_one, &n);
    if (st == OSD_OK && n > partition.collections_quota)
        st = fail_quota(a->c, OSD_PAGE_P + OSD_PG_QUOTAS, 0x10081);
    return st;
}

static osd_status change(const struct ask *a, uint64_t cid, bool member)
{
    collection_changed(a->c, cid);
    return ops_of(a->c)->set_member(a->c->txn, (struct store_id){a->o->id.pid, cid},
                                    a->o->id.oid, member);
}

/* The collection the attribute names now; 0: none. */
static osd_status present(const struct ask *a, uint64_t *ret)
{
    struct attr_value v;
    osd_status st = row_get_stored(a, &v);

    *ret = st == OSD_OK && v.len == 8 ? be64_get(v.data) : 0;
    return st;
}

static osd_status join(const struct ask *a, uint64_t old, uint64_t cid,
                       enum attr_refusal *ret_why)
{
    bool allowed;
    osd_status st = may_join(a, (struct store_id){a->o->id.pid, cid}, &allowed);

    if (st)
        return st;
    if (!allowed)
        return row_refuse(REFUSE_VALUE, ret_why);
    st = old ? OSD_OK : check_quota(a);
    return st ? st : change(a, cid, true);
}

osd_status page_set_membership(const struct ask *a, const uint8_t *value, uint32_t len,
                               enum attr_refusal *ret_why)
{
    uint64_t old, cid = len == 8 ? be64_get(value) : 0;
    osd_status st;

    if (a->id.number > LAST_MEMBERSHIP)
        return row_refuse(REFUSE_NUMBER, ret_why);
    if (len != 0 && len != 8)
        return row_refuse(REFUSE_LENGTH, ret_why);
    st = present(a, &old);
    if (st || (len == 8 && old && cid == old) || (len == 0 && old == 0))
        return st;
    if (len == 8)
        st = join(a, old, cid, ret_why);
    if (st == OSD_OK && old)
        st = change(a, old, false);
    return st ? st : row_set_stored(a, value, len, ret_why);
}

/* ---- command tracking ---- */

/** What a page that says "under way" is to be taken for. */
enum view { VIEW_STORED, VIEW_RUNNING, VIEW_LOST };

/* A command may end between the two looks: then the page says so by now. */
static osd_status find_view(const struct ask *a, enum view *ret, struct progress *ret_p)
{
    bool running;
    osd_status st = tracking_says_running(a->c, a->o->id, &running);

    *ret = VIEW_STORED;
    if (st || !running)
        return st;
    *ret = VIEW_RUNNING;
    if (tracker_find(&a->c->dev->tracker, a->o->id, ret_p))
        return OSD_OK;
    st = tracking_says_running(a->c, a->o->id, &running);
    *ret = running ? VIEW_LOST : VIEW_STORED;
    return st;
}

static osd_status get_running(const struct ask *a, const struct progress *p,
                              struct attr_value *ret)
{
    switch (a->id.number) {
    case TRACK_PERCENT:
        return row_number(a, p->percent, ret);
    case TRACK_MEMBERS:
        return row_number(a, p->members, ret);
    case TRACK_PROCESSED:
        return row_number(a, p->processed, ret);
    case TRACK_SENSE: /* there is only room for it */
        return row_get_undefined(a, ret);
    default:
        return row_get_default(a, ret);
    }
}

/* The process that carried the command out is gone, or could not say how it ended; nothing of it
 * was done. */
static osd_status get_lost(const struct ask *a, struct attr_value *ret)
{
    struct osd_response r;

    switch (a->id.number) {
    case TRACK_ACTIVE:
        return row_number(a, 0, ret);
    case TRACK_STATUS:
        return row_number(a, SAM_CHECK_CONDITION, ret);
    case TRACK_SENSE:
        respond_plain(FAULT_ABORTED, 0, &r);
        memcpy(a->c->small, r.sense, r.sense_len);
        *ret = (struct attr_value){.data = a->c->small, .len = (uint32_t)r.sense_len};
        return OSD_OK;
    default:
        return row_get_default(a, ret);
    }
}

/* Collections that no tracked command can work on have none of it. */
static osd_status get_tracking(const struct ask *a, struct attr_value *ret)
{
    struct progress p = {0};
    struct store_meta m;
    enum view view;
    osd_status st = ops_of(a->c)->get_meta(a->c->txn, a->o->id, &m);

    if (st == OSD_OK && m.type != COLLECTION_TRACKING)
        return row_get_undefined(a, ret);
    if (st == OSD_OK)
        st = find_view(a, &view, &p);
    if (st)
        return st;
    if (view == VIEW_RUNNING)
        return get_running(a, &p, ret);
    return view == VIEW_LOST ? get_lost(a, ret) : row_get_default(a, ret);
}

static const struct row rows_tracking_c[] = {
    {TRACK_PERCENT, 1, 1, GEN2, get_tracking, NULL, 100},
    {TRACK_ACTIVE, 1, 2, GEN2, get_tracking, NULL, 0},
    {TRACK_STATUS, 1, 2, GEN2, get_tracking, NULL, 0},
    {TRACK_SENSE, 1, 0, GEN2, get_tracking, NULL, 0},
    {TRACK_MEMBERS, 1, 8, GEN2, get_tracking, NULL, 0},
    {TRACK_PROCESSED, 1, 8, GEN2, get_tracking, NULL, 0},
    {TRACK_NEWER, 2, 8, GEN2, get_tracking, NULL, 0},
};
const struct page_rows page_tracking_c = ROWS(rows_tracking_c);
