/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/execute.c - one call to the device and back; what walks attributes and ids
 */
#include <stdlib.h>

#include "libosd.h"
#include "wire/attrs.h"
#include "wire/list.h"
#include "wire/sense.h"
#include "wire/spc.h"

/* ---- a logical unit that is none of ours ---- */

#define DEVICE_TYPE_OSD 0x11

/* Sense data that other kinds of devices, or LIO for a LUN that is not there, answer to an OSD
 * command. */
static uint16_t code_of(const struct exchange *x)
{
    struct osd_sense s;

    return x->status == SAM_CHECK_CONDITION && !osd_sense_decode(x->sense, x->sense_len, &s)
               ? s.asc
               : ASC_NONE;
}

static bool doubtful(const struct exchange *x)
{
    uint16_t code = code_of(x);

    return code == ASC_INVALID_OPCODE || code == ASC_NO_SUCH_LUN || code == ASC_WRITE_PROTECTED;
}

/* What INQUIRY says about it. A device of the right type leaves st and its sentence as they
 * are. */
static osd_status ask_type(struct osd_session *s, osd_status st)
{
    static const uint8_t inquiry[6] = {SPC_INQUIRY, 0, 0, 0, 36, 0};
    uint8_t data[36] = {0};
    struct iovec v = {data, sizeof(data)};
    struct exchange x = {.cdb = inquiry, .cdb_len = sizeof(inquiry), .in = osd_iov_make(&v, 1)};
    char why[400];

    if (transport_once(s->transport, &x, why, sizeof(why)) || data[0] == DEVICE_TYPE_OSD)
        return st;
    if (data[0] >> 5 || code_of(&x) == ASC_NO_SUCH_LUN)
        return failed(OSD_E_NOT_FOUND,
                      "the target has no such logical unit for this initiator");
    if (x.status != SAM_GOOD)
        return st;
    return failed(OSD_E_UNSUPPORTED,
                  "the logical unit is not an object-based storage device (device type %02Xh)",
                  data[0]);
}

/* Everything of the exchange that does not change from try to try. */
static struct exchange prepare(const struct osd_call *c, struct build *b)
{
    struct exchange x = {.cdb = b->raw};

    b->out_v[0] = (struct iovec){(void *)c->out, command_data(c)};
    b->out_v[1] = (struct iovec){b->out_lists.data, b->out_lists.len};
    b->in_v[0] = (struct iovec){c->in, c->in_len};
    b->in_v[1] = (struct iovec){b->in_lists.data, b->in_lists.len};
    x.out = osd_iov_make(b->out_v, 2);
    x.in = osd_iov_make(b->in_v, 2);
    return x;
}

osd_status exchange_signed(struct osd_session *s, struct osd_call *c, struct build *b,
                           struct exchange *x)
{
    char why[400] = "";
    osd_status st;

    for (unsigned try = 0;; try++) {
        if (s->signer.with && (st = sign(s, b, c)))
            return st;
        x->cdb_len = b->raw_len;
        st = transport_execute(s->transport, x, why, sizeof(why));
        if (st)
            return failed(st, "%s: %s", b->name, why);
        st = verify(s, b, c, x);
        if (st || !sign_again(s, b, x, try))
            return st;
    }
}

/* Build, send, judge; take_answer() is left to the caller. b has to be freed in any case. */
static osd_status carry_out(struct osd_session *s, struct osd_call *c, struct build *b)
{
    struct exchange x;
    osd_status st;

    if (!verb_of(c))
        return failed(OSD_E_INVALID, "no such verb: %d", (int)c->verb);
    for (size_t i = 0; i < c->n_get; i++)
        c->get[i].defined = false;
    st = build(s, c, b);
    if (st)
        return b->told ? st : failed(st, "%s: %s", verb_name(c), osd_status_text(st));
    x = prepare(c, b);
    c->ret_len = 0;
    st = exchange_signed(s, c, b, &x);
    if (st)
        return st;
    c->ret_len = x.in_len < c->in_len ? (size_t)x.in_len : c->in_len;
    st = judge(b, c, &x);
    return st && doubtful(&x) ? ask_type(s, st) : st;
}

static osd_status execute_with(struct osd_session *s, struct osd_call *c, struct build b)
{
    osd_status st = carry_out(s, c, &b);

    if (!st || st == OSD_E_PAST_END) {
        osd_status answer = take_answer(&b, c);
        st = answer ? answer : st;
    }
    build_free(&b);
    return st;
}

/* A partition without keys is of no use to anybody. */
static osd_status furnish(struct osd_session *s, const struct osd_call *c)
{
    bool made = verb_of(c)->flags & VERB_MAKES_PARTITION;

    return s->signer.with == SIGN_KEYRING && made ? osd_install_keys(s, c->ret_pid) : OSD_OK;
}

osd_status osd_execute(struct osd_session *s, struct osd_call *c)
{
    osd_status st = execute_with(s, c, (struct build){0});

    /* Values longer than their caps took the room of others: reading them again is harmless. */
    if (st == OSD_E_NOMEM && c->verb == OSD_V_GET_ATTRIBUTES)
        st = execute_with(s, c, (struct build){.answer_room = ANSWER_MAX});
    return st ? st : furnish(s, c);
}

osd_status execute_standard(struct osd_session *s, struct osd_call *c)
{
    return execute_with(s, c, (struct build){.standard = true});
}

/* ---- attributes ---- */

typedef bool attr_visit(void *arg, uint32_t page, uint32_t number, const void *value,
                        uint16_t len);

static osd_status visit_list(struct osd_bytes raw, enum osd_gen gen, attr_visit *visit,
                             void *arg)
{
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    struct osd_wire_error err;

    if (osd_attr_cursor_open(raw, gen, OSD_LIST_SET, true, &cur, &err))
        return failed(OSD_E_PROTOCOL, "the device sent no attribute list: %s", err.what);
    while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK) {
        if (e.value.len < e.len)
            return failed(OSD_E_PROTOCOL, "the device sent an attribute longer than its list");
        if (!e.undefined && e.id.page != OSD_PAGE_CURRENT &&
            !visit(arg, e.id.page, e.id.number, e.value.data, e.len))
            break;
    }
    return OSD_OK;
}

/* One try with some room for the answer. *ret_cut: there is more than the room holds, and
 * nothing was visited. */
static osd_status try_each_attr(struct osd_session *s, struct osd_call *c, size_t room,
                                attr_visit *visit, void *arg, bool *ret_cut)
{
    struct build b = {.answer_room = room};
    osd_status st = carry_out(s, c, &b);
    struct osd_bytes raw = {b.in_lists.data + b.in_gap, b.in_lists.len - b.in_gap - b.in_tail};

    *ret_cut = !st && osd_attr_list_cut(raw, s->gen);
    if (!st && !*ret_cut)
        st = visit_list(raw, s->gen, visit, arg);
    build_free(&b);
    return st;
}

osd_status osd_each_attr(struct osd_session *s, uint64_t pid, uint64_t oid, uint32_t page,
                         attr_visit *visit, void *arg)
{
    struct osd_attr_get get = {.page = page, .number = OSD_ATTR_ALL};
    struct osd_call c = {
        .verb = OSD_V_GET_ATTRIBUTES, .pid = pid, .oid = oid, .get = &get, .n_get = 1};
    bool cut = false;
    osd_status st = try_each_attr(s, &c, 0, visit, arg, &cut);

    if (!st && cut)
        st = try_each_attr(s, &c, ANSWER_MAX - ANSWER_FIRST, visit, arg, &cut);
    if (!st && cut)
        return failed(OSD_E_NOMEM,
                      "the attributes are more than one list of %s carries; ask "
                      "for one page, or for single attributes",
                      s->gen == OSD_GEN1 ? "OSD-1" : "4 MiB");
    return st;
}

/* ---- lists of ids ---- */

#define LIST_IDS 1024

struct listing {
    struct osd_list_head head;
    bool (*visit)(void *arg, uint64_t id);
    void *arg;
    bool stopped;
};

static osd_status list_part(struct osd_session *s, struct osd_call *c, struct listing *l)
{
    osd_status st = osd_execute(s, c);
    struct osd_bytes raw = {c->in, c->ret_len};
    struct osd_list_entry e;
    size_t at = OSD_LIST_HEADER_LEN;

    if (st)
        return st;
    if (osd_list_head_decode(raw, s->gen, &l->head))
        return failed(OSD_E_PROTOCOL, "the device sent malformed list data");
    while (!l->stopped && osd_list_entry_next(raw, &l->head, &at, &e) == OSD_OK)
        l->stopped = !l->visit(l->arg, e.id);
    if (l->head.continuation != 0 && l->head.continuation <= c->start)
        return failed(OSD_E_PROTOCOL, "the device sends a list without end");
    return OSD_OK;
}

osd_status each_listed(struct osd_session *s, enum osd_verb verb, uint64_t pid, uint64_t oid,
                       uint64_t from, bool (*visit)(void *arg, uint64_t id), void *arg)
{
    size_t len = OSD_LIST_HEADER_LEN + 8 * LIST_IDS;
    _cleanup_free_ uint8_t *data = malloc(len);
    struct listing l = {.head = {.continuation = from}, .visit = visit, .arg = arg};
    osd_status st;

    if (!data)
        return failed(OSD_E_NOMEM, "out of memory");
    do {
        struct osd_call c = {.verb = verb,
                             .pid = pid,
                             .oid = oid,
                             .start = l.head.continuation,
                             .list_id = l.head.list_id,
                             .in = data,
                             .in_len = len};
        st = list_part(s, &c, &l);
    } while (!st && !l.stopped && l.head.continuation != 0);
    return st;
}

osd_status osd_each_id(struct osd_session *s, uint64_t pid, uint64_t from,
                       bool (*visit)(void *arg, uint64_t id), void *arg)
{
    return each_listed(s, OSD_V_LIST, pid, 0, from, visit, arg);
}

osd_status osd_each_member(struct osd_session *s, uint64_t pid, uint64_t cid, uint64_t from,
                           bool (*visit)(void *arg, uint64_t id), void *arg)
{
    return each_listed(s, OSD_V_LIST_COLLECTION, pid, cid, from, visit, arg);
}
