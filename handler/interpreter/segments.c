/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/segments.c - where the parts of a command lie (see segments.h)
 *
 * Field pointers: an attribute segment that leaves its buffer or overlaps another is reported
 * at its offset field; missing command data is a parameter list length error.
 */
#include "segments.h"

#include <stdlib.h>

#define CDB_ATTR_FIRST 52 /* where the attribute parameters begin */

struct segment {
    uint64_t off, len;
    uint16_t field; /* of its offset in the CDB; 0: offset is not stated */
};

struct plan {
    struct segment out[4]; /* continuation, data, set, get list */
    struct segment in[2];  /* data, retrieved attributes */
};

enum { OUT_CONT, OUT_DATA, OUT_SET, OUT_GET };

static uint16_t length_field(const struct command *c)
{
    return by_gen(c, 36, 32);
}

/* The attribute parameters as segments. LIST with attributes brings them home in its own data.
 */
static void plan_attrs(struct command *c, struct plan *p)
{
    const struct osd_attr_params *a = &c->cdb.attr;

    if (a->format == OSD_ATTR_LIST) {
        p->out[OUT_GET] = (struct segment){a->get_list_off, a->get_list_len, 56};
        p->out[OUT_SET] = (struct segment){a->set_off, a->set_len, 72};
        c->sets = a->set_len > 0;
        c->gets = a->get_list_len > 0 && !c->cdb.list_attr;
        if (c->gets)
            p->in[1] = (struct segment){a->retrieved_off, a->get_alloc_len, 64};
    } else if (a->format == OSD_ATTR_PAGE) {
        c->sets = a->set_page != 0;
        c->gets = a->get_page != 0;
        if (c->sets)
            p->out[OUT_SET] = (struct segment){a->set_off, a->set_len, 76};
        if (c->gets)
            p->in[1] = (struct segment){a->retrieved_off, a->get_alloc_len, 60};
    } else {
        c->sets = a->set_page != 0;
    }
}

static void plan_data(struct command *c, struct plan *p)
{
    const struct osd_op_info *info = osd_op_info(c->cdb.op);

    uint64_t out = c->cdb.length, in = c->cdb.length;

    if (c->cdb.op == OSD_OP_SET_MASTER_KEY) {
        out = c->cdb.param_len;
        in = c->cdb.option == 0 ? c->cdb.alloc_len : 0;
    }
    c->data_off = c->cdb.cont_len;
    p->out[OUT_CONT] = (struct segment){0, c->cdb.cont_len, 0};
    if (info->data_out) {
        c->data_out_len = out;
        p->out[OUT_DATA] = (struct segment){c->data_off, out, 0};
    }
    if (info->data_in)
        p->in[0] = (struct segment){0, in, 0};
}

static bool overlap(const struct segment *a, const struct segment *b)
{
    return a->len && b->len && a->off < b->off + b->len && b->off < a->off + a->len;
}

static bool inside(const struct segment *s, uint64_t limit)
{
    return s->len == 0 || (s->off <= limit && s->len <= limit - s->off);
}

static osd_status check_out(struct command *c, const struct plan *p)
{
    uint64_t limit = c->req->out.len;

    for (int i = 0; i < 4; i++) {
        const struct segment *s = &p->out[i];
        if (!inside(s, limit))
            return s->field ? fail_cdb(c, s->field) : fail_kind(c, FAULT_LENGTH);
        for (int j = 0; j < i; j++)
            if (overlap(s, &p->out[j]))
                return fail_cdb(c, s->field);
    }
    return OSD_OK;
}

/* READ must fit; what has an allocation length is cut. */
static osd_status check_in(struct command *c, struct plan *p)
{
    uint64_t limit = c->req->in.len;

    if (p->in[0].len > limit) {
        if (c->cdb.op == OSD_OP_READ)
            return fail_cdb(c, length_field(c));
        p->in[0].len = limit;
    }
    if (!inside(&p->in[1], limit) || overlap(&p->in[0], &p->in[1]))
        return fail_cdb(c, p->in[1].field);
    return OSD_OK;
}

/* One buffer serves one direction. */
static osd_status check_direction(struct command *c, const struct plan *p)
{
    bool out = p->out[0].len || p->out[1].len || p->out[2].len || p->out[3].len;
    bool in = p->in[0].len || p->in[1].len;

    c->keeps_in = c->req->shared_buffer && out;
    return c->keeps_in && in ? fail_cdb(c, CDB_ATTR_FIRST) : OSD_OK;
}

/* A segment as one piece: in place, or copied. */
static osd_status view(struct command *c, const struct segment *s, struct osd_bytes *ret)
{
    struct iovec piece[2];
    uint8_t *copy;

    if (s->len == 0)
        return OSD_OK;
    if (s->len > ATTR_LIST_MAX)
        return fail_kind(c, FAULT_ROOM);
    if (osd_iov_slice(&c->req->out, s->off, s->len, piece, 2) == 1 &&
        piece[0].iov_len == s->len) {
        *ret = (struct osd_bytes){.data = piece[0].iov_base, .len = s->len};
        return OSD_OK;
    }
    copy = malloc(s->len);
    if (!copy)
        return OSD_E_NOMEM;
    c->owned[c->n_owned++] = copy;
    *ret = (struct osd_bytes){.data = copy,
                              .len = osd_iov_read(&c->req->out, s->off, copy, s->len)};
    return OSD_OK;
}

osd_status segments_plan(struct command *c, bool with_in)
{
    struct plan p = {0};
    osd_status st;

    plan_attrs(c, &p);
    plan_data(c, &p);
    if ((st = check_direction(c, &p)) || (st = check_out(c, &p)) ||
        (with_in && (st = check_in(c, &p))))
        return st;
    (void)((st = view(c, &p.out[OUT_CONT], &c->continuation)) ||
           (st = view(c, &p.out[OUT_SET], &c->set_list)) ||
           (st = view(c, &p.out[OUT_GET], &c->get_list)));
    return st;
}

void segments_free(struct command *c)
{
    while (c->n_owned > 0)
        free(c->owned[--c->n_owned]);
    free(c->big);
    c->big = NULL;
    osd_buf_free(&c->got);
}

/* ---- Data-In ---- */

osd_status in_window_open(struct command *c, uint64_t off, uint64_t len, struct in_window *ret)
{
    uint64_t room = off < c->req->in.len ? c->req->in.len - off : 0;
    struct in_window iw = {.off = off};
    struct iovec piece[2];

    len = len < room ? len : room;
    if (len > 0 && osd_iov_slice(&c->req->in, off, len, piece, 2) == 1 &&
        piece[0].iov_len == len) {
        iw.w = osd_writer_make(piece[0].iov_base, len);
    } else if (len > 0) {
        iw.copy = malloc(len);
        if (!iw.copy)
            return OSD_E_NOMEM;
        iw.w = osd_writer_make(iw.copy, len);
    }
    *ret = iw;
    return OSD_OK;
}

uint64_t in_window_close(struct command *c, struct in_window *iw)
{
    uint64_t kept = osd_writer_kept(&iw->w);

    if (iw->copy)
        osd_iov_write(&c->req->in, iw->off, iw->copy, kept);
    free(iw->copy);
    iw->copy = NULL;
    return kept;
}

uint64_t segments_finish(struct command *c, bool ok)
{
    const struct osd_iov *in = &c->req->in;
    uint64_t end;

    if (c->keeps_in)
        return 0;
    if (!ok)
        c->data_in_len = c->attr_in_len = 0;
    if (c->attr_in_len == 0) {
        osd_iov_zero(in, c->data_in_len, in->len - c->data_in_len);
        return c->data_in_len;
    }
    end = c->attr_in_off + c->attr_in_len;
    if (c->attr_in_off > c->data_in_len)
        osd_iov_zero(in, c->data_in_len, c->attr_in_off - c->data_in_len);
    osd_iov_zero(in, end, in->len - end);
    return end;
}
