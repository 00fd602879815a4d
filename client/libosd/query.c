/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/query.c - QUERY: the query list, the segment that carries it, the matches
 *
 * A matches list that does not fit into one answer is asked for in pieces: by one more criterion on
 * the id, where all criteria must hold.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "libosd.h"
#include "wire/attrs.h"

/* ---- what is sent ---- */

#define SEGMENT_HEAD    40
#define DESCRIPTOR_HEAD 8
#define DESCRIPTOR_LIST 0x0002
#define SEGMENT_FORMAT  0x01
#define LIST_MAX        (1u << 20)
#define LIST_HEAD       4
#define ENTRY_HEAD      4
#define ENTRY_FIXED     12 /* page, number, two lengths */

osd_status query_build(struct build *b, const struct osd_call *c)
{
    size_t pad = (8 - c->out_len % 8) % 8;
    uint8_t head[SEGMENT_HEAD + DESCRIPTOR_HEAD] = {SEGMENT_FORMAT};
    osd_status st;

    if (c->out_len == 0)
        return OSD_E_INVALID;
    be16_put(head + 2, osd_op_info(b->cdb.op)->action[OSD_GEN2]);
    be16_put(head + SEGMENT_HEAD, DESCRIPTOR_LIST);
    head[SEGMENT_HEAD + 3] = (uint8_t)pad;
    be32_put(head + SEGMENT_HEAD + 4, (uint32_t)c->out_len);
    b->cdb.cont_len = (uint32_t)(sizeof(head) + c->out_len + pad);
    st = osd_buf_put(&b->out_lists, head, sizeof(head));
    if (!st)
        st = osd_buf_put(&b->out_lists, c->out, c->out_len);
    return st ? st : osd_buf_put(&b->out_lists, NULL, pad);
}

static osd_status put_criterion(struct osd_buf *list, const struct osd_criterion *k)
{
    uint8_t head[ENTRY_HEAD + 10] = {0}, len[2];
    osd_status st;

    if (k->min_len + k->max_len > UINT16_MAX - ENTRY_FIXED)
        return failed(OSD_E_INVALID, "the bounds of a criterion are too long");
    be16_put(head + 2, (uint16_t)(ENTRY_FIXED + k->min_len + k->max_len));
    be32_put(head + 4, k->page);
    be32_put(head + 8, k->number);
    be16_put(head + 12, k->min_len);
    be16_put(len, k->max_len);
    st = osd_buf_put(list, head, sizeof(head));
    if (!st && k->min_len)
        st = osd_buf_put(list, k->min, k->min_len);
    if (!st)
        st = osd_buf_put(list, len, sizeof(len));
    if (!st && k->max_len)
        st = osd_buf_put(list, k->max, k->max_len);
    return st;
}

static osd_status put_list(struct osd_buf *list, bool all, const struct osd_criterion *criteria,
                           size_t n)
{
    uint8_t head[LIST_HEAD] = {all};
    osd_status st = OSD_OK;

    if (n > OSD_CRITERIA_MAX)
        return failed(OSD_E_INVALID, "more than %d criteria", OSD_CRITERIA_MAX);
    *list = osd_buf_make(LIST_MAX);
    st = osd_buf_put(list, head, sizeof(head));
    for (size_t i = 0; i < n && !st; i++)
        st = put_criterion(list, &criteria[i]);
    return st;
}

/* ---- what comes back ---- */

#define MATCHES_HEAD  12
#define MATCHES_FIRST (MATCHES_HEAD + 8u * 8192)
#define MARK          0x84 /* user objects; at byte 11 or, in older drafts, 12 */

/** A query that is asked in pieces. */
struct query {
    struct osd_session *s;
    struct osd_call call;
    bool (*visit)(void *arg, uint64_t id);
    void *arg;
    uint64_t last; /* id that was visited last */
    bool stopped;
};

/* Visit what is there; *ret_cut: there is more. */
static osd_status take_matches(struct query *q, bool *ret_cut)
{
    const uint8_t *p = q->call.in;
    size_t len = q->call.ret_len, at;
    uint64_t full;

    if (len < MATCHES_HEAD || (p[11] != MARK && (len < 13 || p[12] != MARK)))
        return failed(OSD_E_PROTOCOL, "the device sent no list of matches");
    at = p[11] == MARK ? MATCHES_HEAD : MATCHES_HEAD + 1;
    full = be64_get(p);
    *ret_cut = full > len - 8;
    if (full < len - 8)
        len = (size_t)full + 8;
    for (; at + 8 <= len && !q->stopped; at += 8) {
        uint64_t id = be64_get(p + at);
        if (id <= q->last)
            return failed(OSD_E_PROTOCOL, "the device sent matches out of order");
        q->last = id;
        q->stopped = !q->visit(q->arg, id);
    }
    return OSD_OK;
}

/* One command. Matches that are visited are those of an answer that is whole, or as large as one
 * can be. */
static osd_status ask(struct query *q, struct osd_buf *room, size_t len, bool *ret_cut)
{
    osd_status st;

    *ret_cut = false;
    room->len = 0;
    st = osd_buf_put(room, NULL, len);
    if (st)
        return failed(st, "out of memory");
    q->call.in = room->data;
    q->call.in_len = len;
    st = osd_execute(q->s, &q->call);
    if (st || q->call.ret_len < 8)
        return st ? st : failed(OSD_E_PROTOCOL, "the device sent no list of matches");
    if (len < ANSWER_MAX && be64_get(room->data) > q->call.ret_len - 8) {
        *ret_cut = true;
        return OSD_OK;
    }
    return take_matches(q, ret_cut);
}

/* The matches behind those that were visited; criteria has room for one more. */
static osd_status ask_rest(struct query *q, struct osd_criterion *criteria, size_t n,
                           struct osd_buf *room)
{
    uint8_t next[8];
    bool cut = true;
    osd_status st = OSD_OK;

    criteria[n] = (struct osd_criterion){
        .page = OSD_PG_INFORMATION, .number = 2, .min = next, .min_len = sizeof(next)};
    while (!st && cut && !q->stopped && q->last < UINT64_MAX) {
        _cleanup_buf_ struct osd_buf list = {0};
        be64_put(next, q->last + 1);
        st = put_list(&list, true, criteria, n + 1);
        q->call.out = list.data;
        q->call.out_len = list.len;
        if (!st)
            st = ask(q, room, ANSWER_MAX, &cut);
    }
    return st;
}

osd_status osd_query(struct osd_session *s, uint64_t pid, uint64_t cid, bool all,
                     const struct osd_criterion *criteria, size_t n,
                     bool (*visit)(void *arg, uint64_t id), void *arg)
{
    _cleanup_buf_ struct osd_buf list = {0}, room = osd_buf_make(ANSWER_MAX);
    struct osd_criterion own[OSD_CRITERIA_MAX + 1];
    struct query q = {.s = s, .visit = visit, .arg = arg};
    bool cut = false;
    osd_status st = put_list(&list, all, criteria, n);

    if (st)
        return st;
    q.call = (struct osd_call){.verb = OSD_V_QUERY, .pid = pid, .oid = cid};
    q.call.out = list.data;
    q.call.out_len = list.len;
    st = ask(&q, &room, MATCHES_FIRST, &cut);
    if (!st && cut)
        st = ask(&q, &room, ANSWER_MAX, &cut);
    if (st || !cut || q.stopped)
        return st;
    if (!all && n > 0)
        return failed(OSD_E_NOMEM, "more matches than one answer carries: enter them into a "
                                   "collection instead");
    if (n == OSD_CRITERIA_MAX)
        return failed(OSD_E_NOMEM, "no room for a criterion more");
    for (size_t i = 0; i < n; i++)
        own[i] = criteria[i];
    return ask_rest(&q, own, n, &room);
}

osd_status osd_query_into(struct osd_session *s, uint64_t pid, uint64_t cid, bool all,
                          const struct osd_criterion *criteria, size_t n, uint64_t matches)
{
    _cleanup_buf_ struct osd_buf list = {0};
    struct osd_call c = {.verb = OSD_V_QUERY, .pid = pid, .oid = cid, .start = matches};
    osd_status st = put_list(&list, all, criteria, n);

    if (st)
        return st;
    if (matches == 0)
        return failed(OSD_E_INVALID, "0 is no collection");
    if (matches == cid)
        return failed(OSD_E_INVALID,
                      "the matches of collection 0x%" PRIx64 " cannot be entered into itself",
                      cid);
    c.out = list.data;
    c.out_len = list.len;
    return osd_execute(s, &c);
}
