/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/attributes.c - the attribute phases: get and set in all three formats
 *
 * Reference 1.5, 3.2, 3.3. Lists are walked twice: once by authorize.c, which finds every
 * malformed entry before anything has happened, once to do the work.
 */
#include "attributes.h"

#include "collections.h"
#include "pages.h"
#include "secure.h"
#include "segments.h"

/* Fields of the CDB by enum attr_refusal (reference 1.5). */
static const uint8_t page_fields[] = {
    [REFUSE_PAGE] = 64, [REFUSE_NUMBER] = 68, [REFUSE_LENGTH] = 72, [REFUSE_VALUE] = 76};
static const uint8_t cdb_fields[] = {
    [REFUSE_PAGE] = 52, [REFUSE_NUMBER] = 56, [REFUSE_LENGTH] = 60, [REFUSE_VALUE] = 62};

static bool is_list(const struct command *c)
{
    return c->cdb.attr.format == OSD_ATTR_LIST;
}

/* ---- walking lists ---- */

static osd_status bad_list(struct command *c, uint64_t list_off,
                           const struct osd_wire_error *err)
{
    return fail_param(c, list_off + err->field);
}

/* Start of the entry the cursor stands on, as a byte of Data-Out. */
static uint64_t entry_at(const struct osd_attr_cursor *cur, uint64_t list_off)
{
    return list_off + cur->at;
}

/* Called for each entry; at is its byte in Data-Out. */
typedef osd_status (*entry_fn)(struct command *c, const struct osd_attr_entry *e, uint64_t at,
                               void *arg);

static osd_status walk_list(struct command *c, struct osd_bytes list, enum osd_list_type type,
                            uint64_t off, entry_fn fn, void *arg)
{
    struct osd_wire_error err = {0};
    struct osd_attr_cursor cur;
    osd_status st;

    if (list.len == 0)
        return OSD_OK;
    if (osd_attr_cursor_open(list, c->cdb.gen, type, false, &cur, &err))
        return bad_list(c, off, &err);
    for (;;) {
        uint64_t at = entry_at(&cur, off);
        struct osd_attr_entry e;

        st = osd_attr_cursor_next(&cur, &e, &err);
        if (st == OSD_E_NOT_FOUND)
            return OSD_OK;
        if (st)
            return bad_list(c, off, &err);
        st = fn(c, &e, at, arg);
        if (st)
            return st;
    }
}

static osd_status walk_sets(struct command *c, entry_fn fn, void *arg)
{
    return walk_list(c, c->set_list, OSD_LIST_SET, c->cdb.attr.set_off, fn, arg);
}

static osd_status walk_gets(struct command *c, entry_fn fn, void *arg)
{
    return walk_list(c, c->get_list, OSD_LIST_GET, c->cdb.attr.get_list_off, fn, arg);
}

/* ---- what is asked for ---- */

struct checker {
    attr_check check;
    void *arg;
    struct attr_object object; /* what the attributes must belong to */
};

/* The object whose attributes are meant, as far as its type goes. With LIST_ATTR the get list
 * speaks of what is listed, in member commands both lists of the members. */
static struct attr_object subject(const struct command *c, bool get)
{
    struct attr_object o = c->object;

    if (c->act->flags & ACT_MEMBERS || (get && c->cdb.list_attr))
        o.type = !c->target.pid                                          ? OSD_TYPE_PARTITION
                 : c->cdb.op == OSD_OP_LIST_COLLECTION && !c->target.oid ? OSD_TYPE_COLLECTION
                                                                         : OSD_TYPE_USER;
    return o;
}

static osd_status run_check(const struct checker *k, struct osd_attr_id id)
{
    return k->check ? k->check(k->arg, id) : OSD_OK;
}

static osd_status check_set_entry(struct command *c, const struct osd_attr_entry *e,
                                  uint64_t at, void *arg)
{
    const struct checker *k = arg;

    if (e->undefined || e->id.number == OSD_ATTR_ALL || !attr_page_fits(&k->object, e->id.page))
        return fail_param(c, at);
    return run_check(k, e->id);
}

osd_status attributes_each_set(struct command *c, attr_check check, void *arg)
{
    const struct osd_attr_params *a = &c->cdb.attr;
    struct checker k = {.check = check, .arg = arg, .object = subject(c, false)};

    if (!c->sets)
        return OSD_OK;
    if (is_list(c))
        return walk_sets(c, check_set_entry, &k);
    return run_check(&k, (struct osd_attr_id){a->set_page, a->set_number});
}

static osd_status check_get_entry(struct command *c, const struct osd_attr_entry *e,
                                  uint64_t at, void *arg)
{
    const struct checker *k = arg;
    bool everything = e->id.page == OSD_PAGE_ALL && e->id.number == OSD_ATTR_ALL;

    if (!everything && !attr_page_fits(&k->object, e->id.page))
        return fail_param(c, at);
    return run_check(k, e->id);
}

/* ---- whole pages (docs/whole-pages.md) ---- */

#define WHOLE     0x20000000u /* vendor pages of each range: this + n brings all of page n home */
#define WHOLE_ALL 0x2fffffffu /* ... and this one every page */

static bool is_whole(uint32_t page)
{
    return osd_page_owner(page) && osd_page_offset(page) >= WHOLE;
}

/* The attributes a whole page stands for, as a get list would name them. */
static struct osd_attr_id whole_of(uint32_t page)
{
    return (struct osd_attr_id){
        osd_page_offset(page) == WHOLE_ALL ? OSD_PAGE_ALL : page - WHOLE, OSD_ATTR_ALL};
}

/* Whether a page can be got in page format: it has a layout, or it has no attributes and reads
 * as the null page. */
static bool has_page_format(const struct command *c, uint32_t page)
{
    uint32_t offset = osd_page_offset(page);

    if (page == OSD_PAGE_CURRENT)
        return true;
    if (page >= OSD_PAGE_ANY || !attr_page_fits(&c->object, page))
        return false;
    if (offset >= OSD_PG_CLIENT && offset < 0x20000000)
        return false;
    return offset != OSD_PG_DIRECTORY && offset != OSD_PG_INFORMATION;
}

osd_status attributes_each_get(struct command *c, attr_check check, void *arg)
{
    const struct osd_attr_params *a = &c->cdb.attr;
    struct checker k = {.check = check, .arg = arg, .object = subject(c, true)};

    if (c->get_list.len > 0)
        return walk_gets(c, check_get_entry, &k);
    if (!c->gets)
        return OSD_OK;
    if (!has_page_format(c, a->get_page) || c->act->flags & ACT_MEMBERS ||
        (c->n_objects > 1 && a->get_page != OSD_PAGE_CURRENT))
        return fail_cdb(c, 52);
    if (is_whole(a->get_page))
        return run_check(&k, whole_of(a->get_page));
    if (!osd_page_layout(a->get_page, c->cdb.gen) &&
        a->get_page != OSD_PAGE_U + OSD_PG_COLLECTIONS)
        return OSD_OK; /* the null page and the current command page need no permission */
    return run_check(&k, (struct osd_attr_id){a->get_page, OSD_ATTR_ALL});
}

/* ---- whose attributes ---- */

typedef osd_status (*object_fn)(struct command *c, const struct attr_object *o, void *arg);

struct member_call {
    object_fn fn;
    void *arg;
};

static osd_status call_member(struct command *c, uint64_t oid, void *arg)
{
    struct attr_object o = {.id = {c->target.pid, oid}, .type = OSD_TYPE_USER, .exists = true};
    const struct member_call *call = arg;
    osd_status st = call->fn(c, &o, call->arg);

    count_processed(c, 1);
    return st;
}

/* Every object whose attributes the command means: the members, or n_objects from object on. */
static osd_status each_object(struct command *c, object_fn fn, void *arg)
{
    struct member_call call = {fn, arg};
    struct attr_object o = c->object;
    osd_status st = OSD_OK;

    if (c->act->flags & ACT_MEMBERS)
        return members_each(c, c->target, call_member, &call);
    for (uint32_t i = 0; i < c->n_objects && st == OSD_OK; i++, o.id.oid++)
        st = fn(c, &o, arg);
    return st;
}

/* ---- setting ---- */

static osd_status refused(struct command *c, osd_status st, struct osd_attr_id id)
{
    c->fault.has_attr = true;
    c->fault.attr = id;
    return st;
}

static osd_status set_entry(struct command *c, const struct osd_attr_entry *e, uint64_t at,
                            void *arg)
{
    const struct attr_object *o = arg;
    enum attr_refusal why;
    osd_status st = attr_set(c, o, e->id, e->value.data, e->len, &why);

    return st == OSD_E_DENIED ? refused(c, fail_param(c, at), e->id) : st;
}

static osd_status set_value(struct command *c, const struct attr_object *o)
{
    const struct osd_attr_params *a = &c->cdb.attr;
    bool page_format = a->format == OSD_ATTR_PAGE;
    const uint8_t *value = page_format ? c->set_list.data : a->value;
    struct osd_attr_id id = {a->set_page, a->set_number};
    enum attr_refusal why;
    osd_status st = attr_set(c, o, id, value, a->set_len, &why);

    if (st == OSD_E_DENIED)
        return refused(c, fail_cdb(c, page_format ? page_fields[why] : cdb_fields[why]), id);
    return st;
}

/* All of it on one object: a member may leave the collection by it. */
static osd_status set_object(struct command *c, const struct attr_object *o, void *arg)
{
    struct attr_object object = *o;
    osd_status st = is_list(c) ? walk_sets(c, set_entry, &object) : set_value(c, o);

    (void)arg;
    if (st || !(c->act->flags & ACT_MEMBERS))
        return st;
    return command_stamp(c, o->id,
                         STORE_TOUCH_ATTR_MODIFIED | (c->touch & STORE_TOUCH_DATA_MODIFIED));
}

osd_status attributes_set(struct command *c)
{
    osd_status st;

    if (!c->sets)
        return OSD_OK;
    st = each_object(c, set_object, NULL);
    c->touch |= STORE_TOUCH_ATTR_MODIFIED;
    c->cache_valid = false;
    return st;
}

/* ---- getting ---- */

/* Where retrieved entries go. */
struct emit {
    struct command *c;
    const struct attr_object *object;
    struct osd_writer *w;
    bool multi_v1;    /* OSD-1 type Fh: every entry names its object */
    bool grouped;     /* inside an OSD-2 group, whose length has 16 bits ... */
    size_t group_end; /* ... so it ends here at the latest */
};

/* Entries that nobody will see are counted so far, so that the list says that it was cut. */
#define LOOK_AHEAD (64 * KIB)

static bool is_over(const struct emit *e)
{
    return e->w->full > e->w->cap && e->w->full - e->w->cap > LOOK_AHEAD;
}

static bool has_room(const struct emit *e, uint32_t len)
{
    return !e->grouped || e->w->full + 16 + ((size_t)len + 7) / 8 * 8 <= e->group_end;
}

static bool put(void *arg, struct osd_attr_id id, const uint8_t *value, uint32_t len)
{
    struct emit *e = arg;

    if (!has_room(e, len))
        return true;
    if (e->multi_v1)
        osd_attr_put_multi_v1(e->w, e->object->id.oid, id, value, (uint16_t)len, len == 0);
    else if (len == 0)
        osd_attr_put_undefined(e->w, e->c->cdb.gen, id);
    else
        osd_attr_put_value(e->w, e->c->cdb.gen, id, value, (uint16_t)len);
    return !is_over(e);
}

/* Security pages are left out of "all pages" when the capability may not read them. */
static bool hidden(const struct command *c, uint32_t page)
{
    return c->cdb.cap.format != 0 && !(c->cdb.cap.permissions & OSD_PERM_POL_SEC) &&
           osd_page_offset(page) == OSD_PG_SECURITY;
}

static osd_status put_everything(struct emit *e)
{
    uint32_t page = 0;
    osd_status st = OSD_OK;

    while (e->object->exists && st == OSD_OK && !is_over(e) &&
           (st = attr_next_page(e->c, e->object, page, &page)) == OSD_OK) {
        if (!hidden(e->c, page))
            st = attr_each(e->c, e->object, page, put, e);
        page++;
    }
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status get_entry(struct command *c, const struct osd_attr_entry *want, uint64_t at,
                            void *arg)
{
    struct emit *e = arg;
    struct attr_value v;
    osd_status st;

    (void)at;
    if (is_over(e))
        return OSD_E_PAST_END;
    if (want->id.page == OSD_PAGE_ALL)
        return put_everything(e);
    if (want->id.number == OSD_ATTR_ALL)
        return attr_each(c, e->object, want->id.page, put, e);
    st = attr_get(c, e->object, want->id, &v);
    if (st == OSD_OK)
        put(e, want->id, v.data, v.len);
    return st;
}

#define GROUP_HEAD 16

static osd_status put_group(struct emit *e)
{
    struct osd_writer *w = e->w;
    size_t start = osd_attr_group_open(w, e->object->id.oid, e->object->type);
    osd_status st;

    e->grouped = true;
    e->group_end = start + GROUP_HEAD + 0xfff8;
    st = walk_gets(e->c, get_entry, e);
    osd_attr_group_close(w, start);
    return st;
}

/* Whether the retrieved list speaks of several objects. */
static bool is_multi(const struct command *c)
{
    return c->n_objects > 1 || c->act->flags & ACT_MEMBERS;
}

void attributes_note_got(struct command *c, struct store_id id)
{
    c->got.max = c->req->in.len + sizeof(id); /* an object's head alone takes as much there */
    (void)osd_buf_put(&c->got, &id, sizeof(id)); /* at worst a time of access stays as it was */
}

static osd_status put_object(struct command *c, const struct attr_object *o, void *arg)
{
    struct osd_writer *w = arg;
    struct emit e = {
        .c = c, .object = o, .w = w, .multi_v1 = is_multi(c) && c->cdb.gen == OSD_GEN1};
    size_t start = w->full;
    osd_status st =
        is_multi(c) && c->cdb.gen == OSD_GEN2 ? put_group(&e) : walk_gets(c, get_entry, &e);

    if (st == OSD_E_NOT_FOUND && c->act->flags & ACT_MEMBERS) { /* a member removed meanwhile */
        w->full = start;
        return OSD_OK;
    }
    if (st == OSD_OK && c->act->flags & ACT_MEMBERS && start < w->cap)
        attributes_note_got(c, o->id);
    return st;
}

/* A list of one object, or of the members, or of all that CREATE has made. */
static osd_status put_list(struct command *c, struct osd_writer *w)
{
    enum osd_gen gen = c->cdb.gen;
    osd_status st;

    osd_attr_list_open(w, gen,
                       !is_multi(c)      ? OSD_LIST_SET
                       : gen == OSD_GEN1 ? OSD_LIST_MULTI_V1
                                         : OSD_LIST_MULTI_V2);
    st = each_object(c, put_object, w);
    osd_attr_list_close(w, gen, 0);
    return st == OSD_E_PAST_END ? OSD_OK : st; /* enough for a list that is cut */
}

osd_status attributes_put_entries(struct command *c, const struct attr_object *o,
                                  struct osd_writer *w)
{
    struct emit e = {.c = c, .object = o, .w = w, .grouped = true};

    e.group_end = w->full + 0xfff8;
    return walk_gets(c, get_entry, &e);
}

/* ---- page format ---- */

static osd_status put_current(struct command *c, struct osd_writer *w)
{
    struct osd_current_command cc = {.object_type = c->object.type,
                                     .pid = c->object.id.pid,
                                     .oid = c->object.id.oid + c->n_objects - 1,
                                     .append_start = c->append_start,
                                     .used_change = c->used_change};

    if (secure_signs(c) && secure_good_icv(c, cc.response_icv))
        return OSD_E_NOMEM;
    osd_current_command_put(w, c->cdb.gen, &cc);
    return OSD_OK;
}

#define PAGE_MAX 256

static osd_status put_layout(struct command *c, const struct osd_page_layout *l,
                             struct osd_writer *w)
{
    uint8_t page[PAGE_MAX] = {0};

    be32_put(page, l->page);
    be32_put(page + 4, l->total - 8u);
    for (uint16_t i = 0; i < l->n_fields; i++) {
        const struct osd_page_field *f = &l->fields[i];
        struct attr_value v;
        osd_status st = attr_get(c, &c->object, (struct osd_attr_id){l->page, f->number}, &v);
        if (st)
            return st;
        if (v.len == f->len)
            memcpy(page + f->offset, v.data, v.len);
    }
    osd_status st = osd_page_offset(l->page) == OSD_PG_SECURITY
                        ? page_put_key_ids(c, &c->object, l->page, page)
                        : OSD_OK;
    if (st == OSD_OK)
        osd_writer_put(w, page, l->total);
    return st;
}

static bool put_membership(void *arg, struct osd_attr_id id, const uint8_t *value, uint32_t len)
{
    if (id.number != 0)
        osd_writer_put(arg, value, len);
    return true;
}

/* The collections page: the ids one after the other (reference 4.7). */
static osd_status put_collections(struct command *c, struct osd_writer *w)
{
    uint32_t page = c->cdb.attr.get_page;
    uint8_t len[4];
    osd_status st;

    osd_page_put_null(w, page);
    st = attr_each(c, &c->object, page, put_membership, w);
    be32_put(len, (uint32_t)(w->full - 8));
    osd_writer_patch(w, 4, len, sizeof(len));
    return st;
}

/* Entries as in a retrieved list of the generation, behind the header of a page. */
static osd_status put_whole(struct command *c, struct osd_writer *w)
{
    struct osd_attr_id want = whole_of(c->cdb.attr.get_page);
    struct emit e = {.c = c, .object = &c->object, .w = w};
    uint8_t len[4];
    osd_status st;

    osd_page_put_null(w, c->cdb.attr.get_page);
    st = want.page == OSD_PAGE_ALL ? put_everything(&e)
                                   : attr_each(c, &c->object, want.page, put, &e);
    be32_put(len, (uint32_t)(w->full - 8));
    osd_writer_patch(w, 4, len, sizeof(len));
    return st;
}

static osd_status put_page(struct command *c, struct osd_writer *w)
{
    uint32_t page = c->cdb.attr.get_page;
    const struct osd_page_layout *l = osd_page_layout(page, c->cdb.gen);

    if (page == OSD_PAGE_CURRENT)
        return put_current(c, w);
    if (l && c->object.exists && l->total <= PAGE_MAX)
        return put_layout(c, l, w);
    if (page == OSD_PAGE_U + OSD_PG_COLLECTIONS && c->object.exists)
        return put_collections(c, w);
    if (is_whole(page) && c->object.exists)
        return put_whole(c, w);
    osd_page_put_null(w, page);
    return OSD_OK;
}

osd_status attributes_get(struct command *c)
{
    const struct osd_attr_params *a = &c->cdb.attr;
    struct in_window iw;
    osd_status st;

    if (!c->gets)
        return OSD_OK;
    c->cache_valid = false;
    st = in_window_open(c, a->retrieved_off, a->get_alloc_len, &iw);
    if (st)
        return st;
    st = is_list(c) ? put_list(c, &iw.w) : put_page(c, &iw.w);
    c->attr_in_off = a->retrieved_off;
    c->attr_in_len = in_window_close(c, &iw);
    if (is_list(c) || a->get_page != OSD_PAGE_CURRENT)
        c->touch |= STORE_TOUCH_ATTR_ACCESSED;
    return st;
}
