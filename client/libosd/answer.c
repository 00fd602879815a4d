/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/answer.c - SCSI status, sense data and Data-In back into a struct osd_call
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libosd.h"
#include "wire/attrs.h"
#include "wire/sense.h"

/* ---- attributes ---- */

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

/* False: the answer ended inside the value, before what the caller has room for. */
static bool take_attr(struct osd_call *c, const struct osd_attr_entry *e)
{
    for (size_t i = 0; i < c->n_get; i++) {
        struct osd_attr_get *g = &c->get[i];
        size_t want = e->len < g->cap ? e->len : g->cap;
        if (g->page != e->id.page || g->number != e->id.number || g->defined)
            continue;
        g->defined = !e->undefined;
        g->len = e->len;
        if (!g->defined)
            return true;
        if (e->value.len < want)
            return false;
        if (want > 0)
            memcpy(g->value, e->value.data, want);
        return true;
    }
    return true;
}

static osd_status take_current_page(struct osd_bytes raw, enum osd_gen gen, struct osd_call *c)
{
    struct osd_current_command cc;

    if (osd_current_command_parse(raw, gen, &cc))
        return failed(OSD_E_PROTOCOL, "the device sent no current command page");
    c->ret_pid = cc.pid;
    c->ret_oid = cc.oid;
    c->ret_start = cc.append_start;
    return OSD_OK;
}

enum osd_list_type retrieved_type(const struct build *b)
{
    if (objects_made(b) == 1)
        return OSD_LIST_SET;
    return b->cdb.gen == OSD_GEN1 ? OSD_LIST_MULTI_V1 : OSD_LIST_MULTI_V2;
}

/* The attributes of one of several objects are complete. */
static void show_object(const struct osd_call *c, uint64_t oid)
{
    for (size_t i = 0; c->each && i < c->n_get; i++)
        if (c->get[i].defined)
            c->each(c->each_arg, oid, &c->get[i]);
}

/* Entries of several objects: those of the next one begin. */
static void next_object(struct osd_call *c, uint64_t *oid, uint64_t next)
{
    if (*oid)
        show_object(c, *oid);
    for (size_t i = 0; i < c->n_get; i++)
        c->get[i].defined = false;
    *oid = next;
}

static osd_status take_list(struct osd_bytes raw, const struct build *b, struct osd_call *c)
{
    enum osd_gen gen = b->cdb.gen;
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    struct osd_wire_error err;
    uint64_t oid = 0;
    size_t seen = 0;
    bool whole = true;

    if (osd_attr_cursor_open(raw, gen, retrieved_type(b), true, &cur, &err))
        return failed(OSD_E_PROTOCOL, "the device sent no attribute list: %s", err.what);
    while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK) {
        if (e.oid != oid)
            next_object(c, &oid, e.oid);
        if (e.id.page == OSD_PAGE_CURRENT) {
            take_current(c, &e);
        } else {
            whole = take_attr(c, &e) && whole;
            seen++;
        }
    }
    if (!whole && !osd_attr_list_cut(raw, gen))
        return failed(OSD_E_PROTOCOL, "the device sent an attribute longer than its list");
    if (oid && whole)
        show_object(c, oid);
    if (osd_attr_list_cut(raw, gen) && (!whole || seen < c->n_get * objects_made(b)))
        return failed(OSD_E_NOMEM,
                      "%s was carried out, but its attributes did not fit into the "
                      "answer: their caps are too small, or together they are too long",
                      verb_name(c));
    return OSD_OK;
}

osd_status take_answer(const struct build *b, struct osd_call *c)
{
    struct osd_bytes raw = {b->in_lists.data + b->in_gap,
                            b->in_lists.len - b->in_gap - b->in_tail};

    c->ret_pid = c->pid;
    c->ret_oid = c->oid;
    if (b->current_page)
        return take_current_page(raw, b->cdb.gen, c);
    return b->cdb.attr.get_list_len ? take_list(raw, b, c) : OSD_OK;
}

/* ---- status ---- */

/* The collection that a QUERY cannot use, 0: the device says nothing of the kind. */
static uint64_t refused_collection(const struct osd_call *c, const struct osd_sense *s)
{
    if (verb_of(c)->op != OSD_OP_QUERY || !s->has_field || !s->field_in_cdb)
        return 0;
    return s->field == 24 ? c->oid : s->field == 40 ? c->start : 0;
}

/* CREATE says "invalid id" for a taken id; for a client that is "exists". */
static osd_status refine(osd_status st, const struct verb *v, const struct osd_call *c,
                         const struct osd_sense *s)
{
    bool makes_partition = v->flags & VERB_MAKES_PARTITION;

    if (refused_collection(c, s))
        return OSD_E_NOT_FOUND;
    if (v->flags & VERB_NAMES_SOURCE && s->has_field && s->field_in_cdb && s->field == 40)
        return OSD_E_NOT_FOUND;
    if (v->op == OSD_OP_READ_MAPS_AND_COMPARE && s->asc == ASC_INVALID_FIELD_PARAM)
        return OSD_E_NOT_FOUND; /* the second object, all that Data-Out names */
    if (st != OSD_E_NOT_FOUND)
        return st;
    if (v->flags & VERB_MAKES_IDS && !makes_partition && v->op != OSD_OP_APPEND &&
        s->field == 24 && c->oid)
        return c->oid >= OSD_ID_FIRST ? OSD_E_EXISTS : OSD_E_INVALID;
    if (makes_partition && s->field == 16)
        return c->pid >= OSD_ID_FIRST ? OSD_E_EXISTS : OSD_E_INVALID;
    return st;
}

/* What the device said, for humans: of a refused capability, what was wrong with it. */
static const char *meaning(osd_status st, const struct build *b, const struct osd_sense *s,
                           char dst[REFUSAL_TEXT])
{
    const char *refusal = st == OSD_E_DENIED ? refusal_text(b, s, dst) : NULL;

    if (s->asc == ASC_WRITE_PROTECTED && s->has_object)
        return "the partition is a snapshot, which cannot be changed; a clone of it can";
    return refusal ? refusal : osd_status_text(st);
}

osd_status judge(const struct build *b, struct osd_call *c, const struct exchange *x)
{
    char refusal[REFUSAL_TEXT];
    const char *name = verb_name(c);
    struct osd_sense s;
    uint64_t collection;
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
    st = refine(osd_sense_status(&s), verb_of(c), c, &s);
    if (st == OSD_E_PAST_END && s.has_command_info && s.command_info < c->ret_len)
        c->ret_len = (size_t)s.command_info;
    if (!st)
        return OSD_OK;
    osd_sense_format(&s, text, sizeof(text));
    if ((collection = refused_collection(c, &s)))
        return failed(st, "%s: 0x%" PRIx64 "/0x%" PRIx64 " is no tracking collection%s (%s)",
                      name, c->pid, collection,
                      collection == c->oid ? "" : ", which the matches need", text);
    return failed(st, "%s 0x%" PRIx64 "/0x%" PRIx64 ": %s (%s)", name, c->pid, c->oid,
                  meaning(st, b, &s, refusal), text);
}

void osd_explain_sense(const uint8_t *sense, size_t sense_len, char *dst, size_t len)
{
    struct osd_sense s;

    if (osd_sense_decode(sense, sense_len, &s))
        snprintf(dst, len, "not sense data");
    else
        osd_sense_format(&s, dst, len);
}
