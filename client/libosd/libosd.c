/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/libosd.c - struct osd_call to CDB, Data-Out and Data-In, and the answer back
 *
 * Invariants:
 *  (1) Command data travels from and into the caller's memory; only lists are copied.
 *  (2) Every command that changes something carries a fresh nonce; retries carry the same.
 *  (3) Page format is used where one page or one attribute suffices, because it needs one
 *      direction only; list format otherwise.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "osd/osd.h"
#include "store/store.h"
#include "transport.h"
#include "wire/attrs.h"
#include "wire/cdb.h"
#include "wire/list.h"

#define TRANSFER_MAX (1u << 20) /* bytes in one command of osd_read() and osd_write() */
#define LISTS_MAX    (1u << 20)

struct osd_session {
    struct transport *transport;
    enum osd_gen gen;
};

static _Thread_local char last_error[512] = "no error";

const char *osd_last_error(void)
{
    return last_error;
}

static osd_status __attribute__((format(printf, 2, 3)))
failed(osd_status st, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(last_error, sizeof(last_error), fmt, ap);
    va_end(ap);
    return st;
}

osd_status osd_open(const char *url, const struct osd_options *options,
                    struct osd_session **ret)
{
    struct osd_session *s = calloc(1, sizeof(*s));
    char why[400] = "";
    osd_status st;

    if (!s)
        return failed(OSD_E_NOMEM, "out of memory");
    s->gen = options && options->generation == 1 ? OSD_GEN1 : OSD_GEN2;
    st = transport_open(url, options, &s->transport, why, sizeof(why));
    if (st) {
        free(s);
        return failed(st, "%s", why[0] ? why : osd_status_text(st));
    }
    *ret = s;
    return OSD_OK;
}

void osd_close(struct osd_session *s)
{
    if (!s)
        return;
    transport_close(s->transport);
    free(s);
}

/* ---- verbs ---- */

/* What a verb is on the wire and what its capability says. */
static const struct verb {
    enum osd_op op;
    uint16_t permissions;
    uint8_t type; /* OSD_TYPE_*; 0 = that of the addressed object */
    bool changes;
    bool makes_ids; /* its results are in the current command page */
} verbs[OSD_V_MAX] = {
    [OSD_V_FORMAT] = {OSD_OP_FORMAT_OSD, OSD_PERM_OBJ_MGMT | OSD_PERM_GLOBAL, OSD_TYPE_ROOT,
                      true, false},
    [OSD_V_CREATE_PARTITION] = {OSD_OP_CREATE_PARTITION, OSD_PERM_CREATE, OSD_TYPE_PARTITION,
                                true, true},
    [OSD_V_REMOVE_PARTITION] = {OSD_OP_REMOVE_PARTITION, OSD_PERM_REMOVE | OSD_PERM_GBL_REM,
                                OSD_TYPE_PARTITION, true, false},
    [OSD_V_CREATE] = {OSD_OP_CREATE, OSD_PERM_CREATE, OSD_TYPE_USER, true, true},
    [OSD_V_CREATE_AND_WRITE] = {OSD_OP_CREATE_AND_WRITE, OSD_PERM_CREATE | OSD_PERM_WRITE,
                                OSD_TYPE_USER, true, true},
    [OSD_V_REMOVE] = {OSD_OP_REMOVE, OSD_PERM_REMOVE, OSD_TYPE_USER, true, false},
    [OSD_V_READ] = {OSD_OP_READ, OSD_PERM_READ, OSD_TYPE_USER, false, false},
    [OSD_V_WRITE] = {OSD_OP_WRITE, OSD_PERM_WRITE, OSD_TYPE_USER, true, false},
    [OSD_V_APPEND] = {OSD_OP_APPEND, OSD_PERM_APPEND, OSD_TYPE_USER, true, true},
    [OSD_V_CLEAR] = {OSD_OP_CLEAR, OSD_PERM_WRITE, OSD_TYPE_USER, true, false},
    [OSD_V_PUNCH] = {OSD_OP_PUNCH, OSD_PERM_WRITE, OSD_TYPE_USER, true, false},
    [OSD_V_FLUSH] = {OSD_OP_FLUSH, OSD_PERM_OBJ_MGMT, OSD_TYPE_USER, false, false},
    [OSD_V_FLUSH_PARTITION] = {OSD_OP_FLUSH_PARTITION, OSD_PERM_OBJ_MGMT, OSD_TYPE_PARTITION,
                               false, false},
    [OSD_V_FLUSH_OSD] = {OSD_OP_FLUSH_OSD, OSD_PERM_OBJ_MGMT, OSD_TYPE_ROOT, false, false},
    [OSD_V_LIST] = {OSD_OP_LIST, OSD_PERM_READ, 0, false, false},
    [OSD_V_GET_ATTRIBUTES] = {OSD_OP_GET_ATTRIBUTES, 0, 0, false, false},
    [OSD_V_SET_ATTRIBUTES] = {OSD_OP_SET_ATTRIBUTES, 0, 0, true, false},
};

static uint8_t object_type(const struct osd_call *c)
{
    if (c->pid == 0)
        return OSD_TYPE_ROOT;
    return c->oid == 0 ? OSD_TYPE_PARTITION : OSD_TYPE_USER;
}

/* A capability that grants exactly this call (security method NOSEC). */
static void fill_capability(const struct osd_session *s, const struct osd_call *c,
                            const struct verb *v, struct osd_capability *cap)
{
    *cap = (struct osd_capability){
        .format = (uint8_t)s->gen,
        .object_type = v->type ? v->type : object_type(c),
        .permissions = v->permissions,
        .allowed_pid = c->pid,
        .allowed_oid = c->oid,
    };
    if (c->n_set > 0)
        cap->permissions |= OSD_PERM_SET_ATTR | OSD_PERM_POL_SEC;
    if (c->n_get > 0)
        cap->permissions |= OSD_PERM_GET_ATTR | OSD_PERM_POL_SEC;
    if (s->gen == OSD_GEN1)
        cap->permissions &= 0xffe0;
    cap->descriptor = cap->object_type == OSD_TYPE_USER ? OSD_DESC_USER : OSD_DESC_PAR;
    if (cap->descriptor == OSD_DESC_PAR)
        cap->allowed_oid = 0;
}

static void fill_nonce(uint8_t nonce[OSD_NONCE_LEN])
{
    be48_put(nonce, osd_clock_now(&osd_clock_system));
    osd_random(nonce + 6, 6);
}

/* ---- building one command ---- */

struct build {
    struct osd_cdb cdb;
    struct osd_buf out_lists; /* what follows the command data in Data-Out, padding included */
    struct osd_buf in_lists;  /* what follows the command data in Data-In, padding included */
    size_t in_gap;            /* bytes between command data and retrieved attributes */
    bool current_page;        /* the retrieved attributes are the current command page */
    struct iovec out_v[2], in_v[2];
    uint8_t raw[OSD_CDB_MAX];
    size_t raw_len;
};

static void build_free(struct build *b)
{
    osd_buf_free(&b->out_lists);
    osd_buf_free(&b->in_lists);
}

/* Append a list to Data-Out at the next representable offset. */
static osd_status add_out(struct build *b, size_t data_len, const void *src, size_t len,
                          uint64_t *ret_off)
{
    uint64_t at = osd_offset_align(data_len + b->out_lists.len, b->cdb.gen);
    osd_status st = osd_buf_put(&b->out_lists, NULL, at - data_len - b->out_lists.len);

    *ret_off = at;
    return st ? st : osd_buf_put(&b->out_lists, src, len);
}

static osd_status reserve_in(struct build *b, size_t data_len, size_t len)
{
    uint64_t at = osd_offset_align(data_len, b->cdb.gen);

    b->in_gap = at - data_len;
    b->cdb.attr.retrieved_off = at;
    b->cdb.attr.get_alloc_len = (uint32_t)len;
    return osd_buf_put(&b->in_lists, NULL, b->in_gap + len);
}

static osd_status build_page(struct build *b, const struct osd_call *c, bool want_current)
{
    struct osd_attr_params *a = &b->cdb.attr;
    osd_status st = OSD_OK;

    a->format = OSD_ATTR_PAGE;
    a->retrieved_off = a->set_off = OSD_OFFSET_UNUSED;
    if (want_current) {
        a->get_page = OSD_PAGE_CURRENT;
        b->current_page = true;
        st = reserve_in(b, c->in_len, b->cdb.gen == OSD_GEN1 ? 56 : 76);
    }
    if (!st && c->n_set == 1) {
        a->set_page = c->set[0].page;
        a->set_number = c->set[0].number;
        a->set_len = c->set[0].len;
        if (c->set[0].len > 0)
            st = add_out(b, c->out_len, c->set[0].value, c->set[0].len, &a->set_off);
    }
    return st;
}

static osd_status build_set_list(struct build *b, const struct osd_call *c)
{
    _cleanup_buf_ struct osd_buf list = osd_buf_make(LISTS_MAX);
    size_t need = 16;
    osd_status st;

    for (size_t i = 0; i < c->n_set; i++)
        need += 24 + (size_t)c->set[i].len;
    if ((st = osd_buf_reserve(&list, need)))
        return st;
    struct osd_writer w = osd_writer_make(list.data, need);
    osd_attr_list_open(&w, b->cdb.gen, OSD_LIST_SET);
    for (size_t i = 0; i < c->n_set; i++)
        osd_attr_put_value(&w, b->cdb.gen,
                           (struct osd_attr_id){c->set[i].page, c->set[i].number},
                           c->set[i].value, c->set[i].len);
    osd_attr_list_close(&w, b->cdb.gen, 0);
    b->cdb.attr.set_len = (uint32_t)w.full;
    return add_out(b, c->out_len, list.data, w.full, &b->cdb.attr.set_off);
}

static osd_status build_get_list(struct build *b, const struct osd_call *c, bool want_current)
{
    _cleanup_buf_ struct osd_buf list = osd_buf_make(LISTS_MAX);
    size_t need = 16 + 8 * (c->n_get + 2), answer = 8 + 3 * 24;
    osd_status st = osd_buf_reserve(&list, need);

    if (st)
        return st;
    struct osd_writer w = osd_writer_make(list.data, need);
    osd_attr_list_open(&w, b->cdb.gen, OSD_LIST_GET);
    for (uint32_t n = 3; want_current && n <= 5; n++)
        osd_attr_put_get(&w, b->cdb.gen, (struct osd_attr_id){OSD_PAGE_CURRENT, n});
    for (size_t i = 0; i < c->n_get; i++) {
        osd_attr_put_get(&w, b->cdb.gen,
                         (struct osd_attr_id){c->get[i].page, c->get[i].number});
        answer += 24 + (size_t)c->get[i].cap;
        if (c->get[i].number == OSD_ATTR_ALL)
            answer += LISTS_MAX / 2;
    }
    osd_attr_list_close(&w, b->cdb.gen, 0);
    b->cdb.attr.get_list_len = (uint32_t)w.full;
    st = add_out(b, c->out_len, list.data, w.full, &b->cdb.attr.get_list_off);
    return st ? st : reserve_in(b, c->in_len, answer);
}

static osd_status build_attrs(struct build *b, const struct osd_call *c, const struct verb *v)
{
    bool ids_known = v->op != OSD_OP_APPEND &&
                     (c->oid != 0 || (v->op == OSD_OP_CREATE_PARTITION && c->pid != 0));
    bool want_current = v->makes_ids && !ids_known;
    osd_status st = OSD_OK;

    if (c->n_get == 0 && c->n_set <= 1)
        return build_page(b, c, want_current);
    b->cdb.attr.format = OSD_ATTR_LIST;
    b->cdb.attr.set_off = b->cdb.attr.get_list_off = b->cdb.attr.retrieved_off =
        OSD_OFFSET_UNUSED;
    if (c->n_set > 0)
        st = build_set_list(b, c);
    if (!st && (c->n_get > 0 || want_current))
        st = build_get_list(b, c, want_current);
    return st;
}

static osd_status build(const struct osd_session *s, const struct osd_call *c,
                        const struct verb *v, struct build *b)
{
    osd_status st;

    b->out_lists = osd_buf_make(2 * LISTS_MAX);
    b->in_lists = osd_buf_make(2 * LISTS_MAX);
    b->cdb = (struct osd_cdb){
        .op = v->op,
        .gen = s->gen,
        .fua = c->fua,
        .option = (uint8_t)c->option,
        .timestamps = c->no_timestamps ? 0x7f : 0,
        .pid = c->pid,
        .oid = c->oid,
        .start = c->start,
        .length = c->out_len  ? c->out_len
                  : c->in_len ? c->in_len
                              : c->length,
        .list_id = c->list_id,
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED},
    };
    if (v->op == OSD_OP_CREATE) {
        b->cdb.count = (uint16_t)c->length;
        b->cdb.length = 0;
    }
    fill_capability(s, c, v, &b->cdb.cap);
    if (v->changes)
        fill_nonce(b->cdb.sec.nonce);
    st = build_attrs(b, c, v);
    return st ? st : osd_cdb_encode(&b->cdb, b->raw, &b->raw_len);
}

/* ---- the answer ---- */

static void take_current(struct osd_call *c, const struct osd_attr_entry *e)
{
    uint64_t value = e->value.len == 8 ? be64_get(e->value.data) : 0;

    if (e->id.number == 3)
        c->ret_pid = value;
    else if (e->id.number == 4)
        c->ret_oid = value;
    else if (e->id.number == 5)
        c->ret_start = value;
}

static void take_attr(struct osd_call *c, const struct osd_attr_entry *e)
{
    for (size_t i = 0; i < c->n_get; i++) {
        struct osd_attr_get *g = &c->get[i];
        if (g->page != e->id.page || g->number != e->id.number || g->defined)
            continue;
        g->defined = !e->undefined;
        g->len = e->len;
        if (g->defined && g->cap > 0)
            memcpy(g->value, e->value.data, e->value.len < g->cap ? e->value.len : g->cap);
        return;
    }
}

static osd_status take_answer(const struct build *b, struct osd_call *c)
{
    struct osd_bytes raw = {b->in_lists.data + b->in_gap, b->in_lists.len - b->in_gap};
    struct osd_current_command cc;
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    struct osd_wire_error err;

    c->ret_pid = c->pid;
    c->ret_oid = c->oid;
    if (b->current_page) {
        if (osd_current_command_parse(raw, b->cdb.gen, &cc))
            return failed(OSD_E_PROTOCOL, "the device sent no current command page");
        c->ret_pid = cc.pid;
        c->ret_oid = cc.oid;
        c->ret_start = cc.append_start;
        return OSD_OK;
    }
    if (b->cdb.attr.get_list_len == 0)
        return OSD_OK;
    if (osd_attr_cursor_open(raw, b->cdb.gen, OSD_LIST_SET, true, &cur, &err))
        return failed(OSD_E_PROTOCOL, "the device sent no attribute list: %s", err.what);
    while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK) {
        if (e.id.page == OSD_PAGE_CURRENT)
            take_current(c, &e);
        else
            take_attr(c, &e);
    }
    return OSD_OK;
}

/* CREATE says "invalid id" for a taken id; for a client that is "exists". */
static osd_status refine(osd_status st, const struct verb *v, const struct osd_call *c,
                         const struct osd_sense *s)
{
    if (st != OSD_E_NOT_FOUND)
        return st;
    if ((v->op == OSD_OP_CREATE || v->op == OSD_OP_CREATE_AND_WRITE) && s->field == 24 &&
        c->oid)
        return OSD_E_EXISTS;
    if (v->op == OSD_OP_CREATE_PARTITION && s->field == 16)
        return c->pid >= OSD_ID_FIRST ? OSD_E_EXISTS : OSD_E_INVALID;
    return st;
}

static osd_status judge(const struct verb *v, struct osd_call *c, const struct exchange *x)
{
    const char *name = osd_op_info(v->op)->name;
    struct osd_sense s;
    char text[256];
    osd_status st;

    c->scsi_status = x->status;
    c->sense_len = x->sense_len;
    memcpy(c->sense, x->sense, x->sense_len);
    if (x->status == SAM_GOOD)
        return OSD_OK;
    if (x->status != SAM_CHECK_CONDITION || osd_sense_decode(x->sense, x->sense_len, &s)) {
        bool busy = x->status == SAM_BUSY || x->status == SAM_TASK_SET_FULL;
        return failed(busy ? OSD_E_BUSY : OSD_E_PROTOCOL,
                      "%s 0x%" PRIx64 "/0x%" PRIx64 ": SCSI status %02Xh", name, c->pid, c->oid,
                      x->status);
    }
    st = refine(osd_sense_status(&s), v, c, &s);
    if (st == OSD_E_PAST_END && s.has_command_info)
        c->ret_len = (size_t)s.command_info;
    if (!st)
        return OSD_OK;
    osd_sense_format(&s, text, sizeof(text));
    return failed(st, "%s 0x%" PRIx64 "/0x%" PRIx64 ": %s (%s)", name, c->pid, c->oid,
                  osd_status_text(st), text);
}

osd_status osd_execute(struct osd_session *s, struct osd_call *c)
{
    const struct verb *v;
    struct build b = {0};
    struct exchange x = {0};
    char why[400] = "";
    osd_status st;

    if ((unsigned)c->verb >= OSD_V_MAX)
        return failed(OSD_E_INVALID, "no such verb");
    v = &verbs[c->verb];
    for (size_t i = 0; i < c->n_get; i++)
        c->get[i].defined = false;
    st = build(s, c, v, &b);
    if (st) {
        build_free(&b);
        return failed(st, "%s: %s", osd_op_info(v->op)->name, osd_status_text(st));
    }
    b.out_v[0] = (struct iovec){(void *)c->out, c->out_len};
    b.out_v[1] = (struct iovec){b.out_lists.data, b.out_lists.len};
    b.in_v[0] = (struct iovec){c->in, c->in_len};
    b.in_v[1] = (struct iovec){b.in_lists.data, b.in_lists.len};
    x.cdb = b.raw;
    x.cdb_len = b.raw_len;
    x.out = osd_iov_make(b.out_v, 2);
    x.in = osd_iov_make(b.in_v, 2);
    c->ret_len = 0;
    st = transport_execute(s->transport, &x, why, sizeof(why));
    if (st) {
        failed(st, "%s: %s", osd_op_info(v->op)->name, why);
    } else {
        c->ret_len = x.in_len < c->in_len ? (size_t)x.in_len : c->in_len;
        st = judge(v, c, &x);
        if (!st || st == OSD_E_PAST_END) {
            osd_status answer = take_answer(&b, c);
            st = answer ? answer : st;
        }
    }
    build_free(&b);
    return st;
}

/* ---- short forms ---- */

osd_status osd_create_partition(struct osd_session *s, uint64_t pid, uint64_t *ret_pid)
{
    struct osd_call c = {.verb = OSD_V_CREATE_PARTITION, .pid = pid};
    osd_status st = osd_execute(s, &c);

    if (!st && ret_pid)
        *ret_pid = c.ret_pid;
    return st;
}

osd_status osd_remove_partition(struct osd_session *s, uint64_t pid, bool contents)
{
    struct osd_call c = {.verb = OSD_V_REMOVE_PARTITION, .pid = pid, .option = contents};

    return osd_execute(s, &c);
}

osd_status osd_create(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t *ret_oid)
{
    struct osd_call c = {.verb = OSD_V_CREATE, .pid = pid, .oid = oid};
    osd_status st = osd_execute(s, &c);

    if (!st && ret_oid)
        *ret_oid = c.ret_oid;
    return st;
}

osd_status osd_remove(struct osd_session *s, uint64_t pid, uint64_t oid)
{
    struct osd_call c = {.verb = OSD_V_REMOVE, .pid = pid, .oid = oid};

    return osd_execute(s, &c);
}

osd_status osd_read(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t start,
                    void *buf, size_t len, size_t *ret_len)
{
    size_t done = 0;
    osd_status st = OSD_OK;

    while (done < len && !st) {
        struct osd_call c = {.verb = OSD_V_READ, .pid = pid, .oid = oid, .start = start + done};
        c.in = (char *)buf + done;
        c.in_len = len - done < TRANSFER_MAX ? len - done : TRANSFER_MAX;
        st = osd_execute(s, &c);
        if (!st || st == OSD_E_PAST_END)
            done += c.ret_len;
        /* Past the end by the start address: nothing there, and no error for a reader. */
        if (st == OSD_E_INVALID && done == 0 && start > 0)
            break;
    }
    if (st && st != OSD_E_PAST_END)
        return st;
    *ret_len = done;
    return OSD_OK;
}

osd_status osd_write(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t start,
                     const void *buf, size_t len)
{
    osd_status st = OSD_OK;

    for (size_t done = 0; done < len && !st;) {
        struct osd_call c = {
            .verb = OSD_V_WRITE, .pid = pid, .oid = oid, .start = start + done};
        c.out = (const char *)buf + done;
        c.out_len = len - done < TRANSFER_MAX ? len - done : TRANSFER_MAX;
        st = osd_execute(s, &c);
        done += c.out_len;
    }
    return st;
}

osd_status osd_append(struct osd_session *s, uint64_t pid, uint64_t oid, const void *buf,
                      size_t len, uint64_t *ret_start)
{
    struct osd_call c = {
        .verb = OSD_V_APPEND, .pid = pid, .oid = oid, .out = buf, .out_len = len};
    osd_status st = osd_execute(s, &c);

    if (!st && ret_start)
        *ret_start = c.ret_start;
    return st;
}

osd_status osd_truncate(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t length)
{
    uint8_t value[8];
    struct osd_attr a = {OSD_PAGE_U + OSD_PG_INFORMATION, 0x82, value, sizeof(value)};

    be64_put(value, length);
    return osd_set_attrs(s, pid, oid, &a, 1);
}

osd_status osd_get_attrs(struct osd_session *s, uint64_t pid, uint64_t oid,
                         struct osd_attr_get *get, size_t n)
{
    struct osd_call c = {
        .verb = OSD_V_GET_ATTRIBUTES, .pid = pid, .oid = oid, .get = get, .n_get = n};

    return osd_execute(s, &c);
}

osd_status osd_set_attrs(struct osd_session *s, uint64_t pid, uint64_t oid,
                         const struct osd_attr *set, size_t n)
{
    struct osd_call c = {
        .verb = OSD_V_SET_ATTRIBUTES, .pid = pid, .oid = oid, .set = set, .n_set = n};

    return osd_execute(s, &c);
}

osd_status osd_each_attr(struct osd_session *s, uint64_t pid, uint64_t oid, uint32_t page,
                         bool (*visit)(void *arg, uint32_t page, uint32_t number,
                                       const void *value, uint16_t len),
                         void *arg)
{
    const struct verb *v = &verbs[OSD_V_GET_ATTRIBUTES];
    struct osd_attr_get get = {.page = page, .number = OSD_ATTR_ALL};
    struct osd_call c = {
        .verb = OSD_V_GET_ATTRIBUTES, .pid = pid, .oid = oid, .get = &get, .n_get = 1};
    struct build b = {0};
    struct exchange x = {0};
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    struct osd_wire_error err;
    char why[400] = "";
    osd_status st = build(s, &c, v, &b);

    if (!st) {
        b.out_v[0] = (struct iovec){b.out_lists.data, b.out_lists.len};
        b.in_v[0] = (struct iovec){b.in_lists.data, b.in_lists.len};
        x.cdb = b.raw;
        x.cdb_len = b.raw_len;
        x.out = osd_iov_make(b.out_v, 1);
        x.in = osd_iov_make(b.in_v, 1);
        st = transport_execute(s->transport, &x, why, sizeof(why));
        if (st)
            failed(st, "GET ATTRIBUTES: %s", why);
    }
    if (!st)
        st = judge(v, &c, &x);
    struct osd_bytes raw = {b.in_lists.data, b.in_lists.len};
    if (!st && osd_attr_cursor_open(raw, s->gen, OSD_LIST_SET, true, &cur, &err))
        st = failed(OSD_E_PROTOCOL, "the device sent no attribute list: %s", err.what);
    while (!st && osd_attr_cursor_next(&cur, &e, &err) == OSD_OK)
        if (!e.undefined && e.value.len == e.len &&
            !visit(arg, e.id.page, e.id.number, e.value.data, e.len))
            break;
    build_free(&b);
    return st;
}

#define LIST_IDS 1024

osd_status osd_each_id(struct osd_session *s, uint64_t pid, uint64_t from,
                       bool (*visit)(void *arg, uint64_t id), void *arg)
{
    size_t len = OSD_LIST_HEADER_LEN + 8 * LIST_IDS;
    _cleanup_free_ uint8_t *data = malloc(len);
    struct osd_list_head h = {.continuation = from};

    if (!data)
        return failed(OSD_E_NOMEM, "out of memory");
    do {
        struct osd_call c = {.verb = OSD_V_LIST,
                             .pid = pid,
                             .start = h.continuation,
                             .list_id = h.list_id,
                             .in = data,
                             .in_len = len};
        osd_status st = osd_execute(s, &c);
        struct osd_bytes raw = {data, c.ret_len};
        struct osd_list_entry e;
        size_t at = OSD_LIST_HEADER_LEN;

        if (st)
            return st;
        if (osd_list_head_decode(raw, s->gen, &h))
            return failed(OSD_E_PROTOCOL, "the device sent malformed list data");
        while (osd_list_entry_next(raw, &h, &at, &e) == OSD_OK)
            if (!visit(arg, e.id))
                return OSD_OK;
    } while (h.continuation != 0);
    return OSD_OK;
}

osd_status osd_flush(struct osd_session *s)
{
    struct osd_call c = {.verb = OSD_V_FLUSH_OSD, .option = 2};

    return osd_execute(s, &c);
}

/* ---- check ---- */

struct relay {
    void (*report)(void *arg, const char *line);
    void *arg;
};

static void relay_finding(void *arg, struct store_id id, const char *finding)
{
    struct relay *r = arg;
    char line[256];

    snprintf(line, sizeof(line), "0x%" PRIx64 "/0x%" PRIx64 ": %s", id.pid, id.oid, finding);
    if (r->report)
        r->report(r->arg, line);
}

osd_status osd_check(struct osd_session *s, bool repair,
                     void (*report)(void *arg, const char *line), void *arg,
                     struct osd_check_result *ret)
{
    struct osd_store *store = transport_store(s->transport);
    struct relay relay = {report, arg};
    struct store_check_result r;
    osd_status st;

    if (!store)
        return failed(OSD_E_UNSUPPORTED, "check works on a store that nobody serves: give "
                                         "file:///path, with the LUN deleted or the "
                                         "tcmu-runner stopped");
    st = store->ops->check(store, repair, relay_finding, &relay, &r);
    if (st)
        return failed(st, "check: %s", osd_status_text(st));
    *ret = (struct osd_check_result){r.partitions, r.objects,  r.attributes,
                                     r.bytes,      r.findings, r.repaired};
    return OSD_OK;
}

void osd_explain_sense(const uint8_t *sense, size_t sense_len, char *dst, size_t len)
{
    struct osd_sense s;

    if (osd_sense_decode(sense, sense_len, &s))
        snprintf(dst, len, "not sense data");
    else
        osd_sense_format(&s, dst, len);
}
