/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/model_work.c - what each command does (reference 2.4, 3)
 */
#include <string.h>

#include "cmd.h"

#define LENGTH_MAX (1ULL << 60) /* of any object: the device's own limit */

/* ---- quotas ---- */

/* Whether what was done fits; before is what the partition used. */
static bool fits(struct cmd *c, uint64_t before)
{
    struct m_object *p = m_partition(c);
    uint64_t used = model_used(c->m, p);

    return used <= before || p->type == M_ROOT || used <= p->capacity ||
           m_fault_quota(c, 0x30000002, 0x10001);
}

static bool length_fits(struct cmd *c, const struct m_object *o, uint64_t start, uint64_t len)
{
    if (start > LENGTH_MAX || len > LENGTH_MAX - start ||
        (start + len > o->length && start + len > o->max_length))
        return m_fault_quota(c, 0x2, 0x1);
    return true;
}

/* ---- bytes ---- */

struct extent {
    uint64_t start, len;
};

static struct extent extent(const struct cmd *c, uint32_t i)
{
    if (!c->scatter)
        return (struct extent){c->start, c->length};
    return (struct extent){c->start + m_be(c->scatter + 16 * i, 8),
                           m_be(c->scatter + 16 * i + 8, 8)};
}

static bool write_one(struct cmd *c, struct m_object *o, struct extent e, uint64_t at)
{
    struct m_object *p = m_partition(c);
    uint64_t before = model_used(c->m, p), more = model_new_blocks(o, e.start, e.len) * M_BLOCK;
    bool ok = length_fits(c, o, e.start, e.len);

    if (more && before + more > p->capacity)
        ok = m_fault_quota(c, 0x30000002, 0x10001);
    if (ok)
        model_write(o, e.start, e.len, c->r->out + at);
    return ok;
}

static bool write_all(struct cmd *c, struct m_object *o)
{
    uint64_t at = c->data_at;

    for (uint32_t i = 0; i < (c->scatter ? c->n_scatter : 1); i++) {
        struct extent e = extent(c, i);
        if (e.len && !write_one(c, o, e, at))
            return false;
        at += e.len;
    }
    return true;
}

static bool work_append(struct cmd *c)
{
    struct m_object *o = model_own(c->m, c->target);

    c->append_start = o->length;
    return c->length == 0 || write_one(c, o, (struct extent){o->length, c->length}, c->data_at);
}

static bool work_clear(struct cmd *c)
{
    struct m_object *o = model_own(c->m, c->target);

    if (c->length && !length_fits(c, o, c->start, c->length))
        return false;
    model_clear(o, c->start, c->length);
    return true;
}

static bool work_punch(struct cmd *c)
{
    uint64_t before = model_used(c->m, m_partition(c));
    struct m_object *o;

    if (c->start > c->target->length)
        return BAD(c, 40);
    o = model_own(c->m, c->target);
    if (c->length >= o->length - c->start)
        model_truncate(o, c->start);
    else if (c->length)
        model_punch(o, c->start, c->length);
    return fits(c, before);
}

static bool work_read(struct cmd *c)
{
    const struct m_object *o = c->target;

    if (c->length == 0)
        return true;
    if (c->start > o->length)
        return BAD(c, c->gen == 1 ? 44 : 40);
    for (uint32_t i = 0; i < (c->scatter ? c->n_scatter : 1); i++) {
        struct extent e = extent(c, i);
        uint64_t there = e.start < o->length ? o->length - e.start : 0;
        size_t at = c->a->in_len;
        if (e.len == 0)
            continue;
        there = there < e.len ? there : e.len;
        m_put(c, NULL, e.len);
        model_read(o, e.start, there, c->a->in + at);
        c->a->bytes_read += there;
        c->a->past_end |= there < e.len;
    }
    return true;
}

static uint64_t limit(const struct cmd *c)
{
    return c->length < c->r->in_room ? c->length : c->r->in_room;
}

/* Descriptors of at most FFFFFFFFh bytes; those beyond the answer are only counted. */
static void put_range(struct cmd *c, uint16_t kind, uint64_t from, uint64_t to)
{
    while (from < to && (c->map_type == 0 || c->map_type == kind)) {
        uint64_t part = to - from > UINT32_MAX ? UINT32_MAX : to - from;
        if (c->a->in_len > limit(c)) {
            c->beyond += 16 * ((to - from + UINT32_MAX - 1) / UINT32_MAX);
            return;
        }
        m_put_be(c, kind, 4);
        m_put_be(c, part, 4);
        m_put_be(c, from, 8);
        from += part;
    }
}

static void cut(struct cmd *c)
{
    if (c->a->in_len > limit(c))
        c->a->in_len = limit(c);
}

static bool work_read_map(struct cmd *c)
{
    const struct m_object *o = c->target;
    uint64_t at = c->start;
    bool ok = true;

    if (c->map_type > 3 && c->map_type != 0x8000)
        ok = BAD(c, 48);
    if (c->start > o->length)
        ok = BAD(c, 40);
    if (!ok)
        return false;
    m_put(c, NULL, 8);
    for (size_t i = 0; i < o->n_blocks && at < o->length;) {
        uint64_t from = o->blocks[i]->index * M_BLOCK, to = from;
        while (i < o->n_blocks && o->blocks[i]->index * M_BLOCK == to) {
            to += M_BLOCK;
            i++;
        }
        if (to <= at)
            continue;
        from = from < at ? at : from;
        to = to < o->length ? to : o->length;
        put_range(c, 2, at, from);
        put_range(c, 1, from, to);
        at = to;
    }
    put_range(c, 2, at, o->length);
    m_patch(c, 0, c->a->in_len - 8 + c->beyond, 8);
    cut(c);
    return true;
}

static bool work_flush(struct cmd *c)
{
    if (c->option > 2 || (c->k->op == O_FLUSH && c->option == 2 && c->gen == 1))
        return BAD(c, c->gen == 1 ? 10 : 11);
    if (c->k->op == O_FLUSH && c->option == 2 && c->start > c->target->length)
        return BAD(c, 40);
    return true;
}

/* ---- creation ---- */

/* What the device chose, if it says so where it was asked to. 0: nothing. */
static uint64_t chosen(const struct cmd *c, bool partition)
{
    const uint8_t *p = c->r->device_in + c->in_at;
    size_t at;

    if (!c->r->device_good || !c->gets)
        return 0;
    if (c->format == 2)
        at = (c->gen == 1 ? 40 : 52) - (partition ? 8 : 0);
    else if ((p[0] & 15) == 9)
        at = c->gen == 1 ? 14 : 24;
    else
        at = c->gen == 1 ? 4 : 8;
    if (c->in_at + at + 8 > c->r->device_in_len)
        return 0;
    return m_be(p + at, 8) - (c->format == 2 ? c->n - 1 : 0);
}

static bool is_free(const struct cmd *c, uint64_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (model_find(c->m, c->pid, first + i))
            return false;
    return true;
}

/* An id for the object(s): asked for, told by the device, or any that is free. */
static uint64_t pick_id(struct cmd *c)
{
    uint64_t id = chosen(c, false);

    if (id && (id < M_ID_FIRST || !is_free(c, id, c->n))) {
        c->a->complaint = "the device chose an id that is taken or reserved";
        id = 0;
    }
    if (!id) {
        c->a->invented = true;
        for (id = 1ULL << 40; !is_free(c, id, c->n);)
            id++;
    }
    return id;
}

static struct m_object *add(struct cmd *c, uint64_t oid, uint8_t type)
{
    struct m_object *p = model_own(c->m, m_partition(c));
    struct m_object *o = model_add(c->m, c->pid, oid, type);

    p->changes++;
    o->max_length = p->max_length;
    for (int i = 1; i <= 5; i++)
        o->t[i] = c->now;
    return o;
}

static bool create_objects(struct cmd *c, uint8_t type)
{
    struct m_object *p = m_partition(c);
    const struct m_attr *tag = model_attr(p, 0x30000005, 0x40000002);
    bool ok = true;

    c->n = c->k->op == O_CREATE && c->count > 1 ? c->count : 1;
    if (c->oid && (c->n > 1 || c->oid < M_ID_FIRST || model_find(c->m, c->pid, c->oid)))
        ok = BAD(c, 24);
    if (c->n > 1 && c->format == 2 && c->get_page && c->get_page != M_CURRENT)
        ok = BAD(c, 52);
    if (model_count(c->m, p) + c->n > p->objects)
        ok = m_fault_quota(c, 0x30000002, 0x10002);
    if (!ok)
        return false;
    c->first = c->oid ? c->oid : pick_id(c);
    for (uint32_t i = 0; i < c->n; i++) {
        uint64_t before = model_used(c->m, m_partition(c));
        struct m_object *o = add(c, c->first + i, type);
        if (type == M_USER && tag && m_be(tag->value, 4))
            model_put_attr(o, 5, 0x40000001, tag->value, 4);
        if (!fits(c, before))
            return false;
    }
    return true;
}

static bool work_create_write(struct cmd *c)
{
    return create_objects(c, M_USER) && write_all(c, model_find(c->m, c->pid, c->first));
}

static bool work_create_partition(struct cmd *c)
{
    struct m_object *root = model_own(c->m, model_find(c->m, 0, 0)), *o;
    uint64_t pid = c->pid ? c->pid : chosen(c, true);
    bool ok = true;

    if (c->pid && (c->pid < M_ID_FIRST || model_find(c->m, c->pid, 0)))
        ok = BAD(c, 16);
    if (model_count(c->m, root) + 1 > root->partitions)
        ok = m_fault_quota(c, 0x90000002, 0x20002);
    if (!ok)
        return false;
    if (pid == 0) {
        c->a->invented = true;
        for (pid = 1ULL << 40; model_find(c->m, pid, 0);)
            pid++;
    }
    if (pid < M_ID_FIRST || model_find(c->m, pid, 0)) {
        c->a->complaint = "the device chose a partition id that is taken or reserved";
        return false;
    }
    root->changes++;
    o = model_add(c->m, pid, 0, M_PARTITION);
    o->max_length = root->max_length;
    o->capacity = root->capacity;
    o->objects = root->objects;
    o->collections = root->collections;
    for (int i = 1; i <= 5; i++)
        o->t[i] = c->now;
    c->pid = pid;
    c->first = 0;
    return true;
}

static bool work_create_tracking(struct cmd *c)
{
    struct m_object *from = c->start ? model_find(c->m, c->pid, c->start) : NULL, *o;
    bool ok = true;

    if (c->start && (!from || from->type != M_COLLECTION))
        ok = BAD(c, 40);
    if (!create_objects(c, M_COLLECTION) || !ok)
        return false;
    o = model_find(c->m, c->pid, c->first);
    o->collection_type = 1;
    for (size_t i = 0; from && i < from->n_members; i++)
        model_set_member(o, from->members[i], true);
    return true;
}

static bool is_method(uint8_t m)
{
    return m == 0 || m == 0x81 || m >= 0xfd;
}

/* Memberships, the policy access tag and damage stay behind. */
static bool copy_attributes(struct cmd *c, const struct m_object *from, struct m_object *o)
{
    for (size_t i = 0; i < from->n_attrs; i++) {
        const struct m_attr *a = &from->attrs[i];
        uint64_t before = model_used(c->m, m_partition(c));
        if (a->page >= 4 && a->page <= 6)
            continue;
        model_put_attr(o, a->page, a->number, a->value, a->len);
        if (!fits(c, before))
            return false;
    }
    return true;
}

static bool work_copy(struct cmd *c)
{
    static uint8_t block[M_BLOCK];
    struct m_object *from, *o;
    uint64_t at = (uint64_t)(c->source - c->r->out), before;
    bool ok = true;

    if (!c->source)
        ok = BAD(c, 48);
    if (!is_method(c->duplication))
        ok = BAD(c, 14);
    if (!c->source)
        return false;
    from = model_find(c->m, m_be(c->source, 8), m_be(c->source + 8, 8));
    if (m_be(c->source, 8) == 0 || !model_find(c->m, m_be(c->source, 8), 0))
        ok = m_fault_param(c, at);
    else if (!from || from->type != M_USER)
        ok = m_fault_param(c, at + 8);
    if (!create_objects(c, M_USER) || !ok)
        return false;
    o = model_find(c->m, c->pid, c->first);
    ok = length_fits(c, o, 0, from->length);
    before = model_used(c->m, m_partition(c));
    for (size_t i = 0; i < from->n_blocks; i++) {
        uint64_t start = from->blocks[i]->index * M_BLOCK;
        uint64_t len = from->length - start < M_BLOCK ? from->length - start : M_BLOCK;
        memcpy(block, from->blocks[i]->bytes, M_BLOCK);
        model_write(o, start, len, block);
    }
    o->length = from->length;
    if (!fits(c, before) || !ok)
        return false;
    return !(c->source[16] & 1) || copy_attributes(c, from, o);
}

/* ---- removal ---- */

static void leave_collections(struct cmd *c, uint64_t oid)
{
    for (size_t i = 0; i < c->m->n; i++) {
        struct m_object *o = c->m->objects[i];
        if (o->pid == c->pid && o->type == M_COLLECTION && model_is_member(o, oid)) {
            o = model_own(c->m, o);
            model_set_member(o, oid, false);
            m_stamp(c, o, DM);
        }
    }
}

static void drop(struct cmd *c, struct m_object *o)
{
    struct m_object *container = model_find(c->m, o->oid ? o->pid : 0, 0);

    if (o->type == M_USER)
        leave_collections(c, o->oid);
    model_own(c->m, container)->changes++;
    model_remove(c->m, model_find(c->m, o->pid, o->oid));
}

/* Members of a linked collection lose the attribute that made them members. */
static void dissolve(struct cmd *c, const struct m_object *collection)
{
    for (size_t i = 0; i < collection->n_members; i++) {
        struct m_object *o = model_own(c->m, model_find(c->m, c->pid, collection->members[i]));
        for (size_t k = 0; k < o->n_attrs; k++)
            if (o->attrs[k].page == 4 && m_be(o->attrs[k].value, 8) == collection->oid) {
                model_put_attr(o, 4, o->attrs[k].number, NULL, 0);
                break;
            }
    }
}

static bool work_remove_collection(struct cmd *c)
{
    struct m_object *o = model_find(c->m, c->pid, c->oid);

    if (o->n_members && !c->option)
        return m_fault_sense(c, 5, 0x2c0a);
    if (o->collection_type == 0)
        dissolve(c, o);
    drop(c, o);
    return true;
}

static bool work_remove_partition(struct cmd *c)
{
    struct m_object *o = model_find(c->m, c->pid, 0);

    if (c->option > 1)
        return BAD(c, 11);
    if (c->option == 0 && model_count(c->m, o))
        return m_fault_sense(c, 5, 0x2c0a);
    for (size_t i = c->m->n; i-- > 0;)
        if (c->m->objects[i]->pid == c->pid)
            model_remove(c->m, c->m->objects[i]);
    model_own(c->m, model_find(c->m, 0, 0))->changes++;
    return true;
}

/* ---- tracking ---- */

#define TRACKING 0x60000004u

static const uint8_t zero[8];

/* Before the work: the page says that it is under way, where the work comes after the status, and
 * has room for the longest sense data of the device. */
static bool accept(struct cmd *c)
{
    static const uint8_t running[2] = {0xff, 0xff}, room[96];
    uint64_t before = model_used(c->m, m_partition(c));
    struct m_object *o;

    if (!c->immed || c->gets || c->target->collection_type != 1)
        return true;
    o = model_own(c->m, model_find(c->m, c->pid, c->oid));
    model_put_attr(o, TRACKING, 0x1, zero, 1);
    model_put_attr(o, TRACKING, 0x2, zero, 2);
    model_put_attr(o, TRACKING, 0x3, running, 2);
    model_put_attr(o, TRACKING, 0x4, room, sizeof(room));
    model_put_attr(o, TRACKING, 0x10, zero, 8);
    model_put_attr(o, TRACKING, 0x11, zero, 8);
    c->accepted = fits(c, before);
    return c->accepted;
}

static bool track(struct cmd *c, uint64_t members)
{
    struct m_object *o;
    uint64_t before = model_used(c->m, m_partition(c));
    uint8_t raw[8];

    if (!c->immed)
        return true;
    o = model_own(c->m, model_find(c->m, c->pid, c->oid));
    for (int i = 0; i < 8; i++)
        raw[i] = (uint8_t)(members >> 8 * (7 - i));
    for (uint32_t n = 0x1; n <= 0x4; n++)
        model_put_attr(o, TRACKING, n, NULL, 0);
    model_put_attr(o, TRACKING, 0x10, raw, 8);
    model_put_attr(o, TRACKING, 0x11, raw, 8);
    return fits(c, before);
}

/* Head, object, then field and attribute as the fault has them. */
static uint32_t sense_len(const struct m_fault *f)
{
    return 8 + 32 + (f->where ? 8 : 0) + (f->page ? 12 : 0);
}

void m_track_failure(struct cmd *c)
{
    static const uint8_t check_condition[2] = {0, 2};
    static const uint8_t sense[64];
    struct m_object *o = model_own(c->m, model_find(c->m, c->pid, c->oid));

    model_put_attr(o, TRACKING, 0x1, zero, 1);
    model_put_attr(o, TRACKING, 0x2, NULL, 0);
    model_put_attr(o, TRACKING, 0x3, check_condition, 2);
    model_put_attr(o, TRACKING, 0x4, sense, sense_len(&c->a->faults[0]));
    model_put_attr(o, TRACKING, 0x10, zero, 8);
    model_put_attr(o, TRACKING, 0x11, zero, 8);
}

static bool work_remove_members(struct cmd *c)
{
    struct m_object *collection = model_own(c->m, c->target);
    uint64_t n = collection->n_members;

    if (!accept(c))
        return false;
    while (collection->n_members > 0)
        drop(c, model_find(c->m, c->pid, collection->members[0]));
    return track(c, n);
}

static bool work_set_members(struct cmd *c)
{
    return accept(c) && track(c, c->target->n_members);
}

/* ---- QUERY (reference 3.5) ---- */

struct criterion {
    bool everything;
    uint32_t page, number, min_len, max_len;
    const uint8_t *min, *max;
};

/* 1: a criterion; 0: the end; -1: malformed, *ret_bad says where. */
static int criterion(const struct cmd *c, uint32_t *at, struct criterion *k, uint32_t *ret_bad)
{
    const uint8_t *p = c->query + *at;
    uint32_t left = c->query_len - *at, len;

    *ret_bad = *at;
    if (left == 0)
        return 0;
    if (left < 4)
        return -1;
    len = (uint32_t)m_be(p + 2, 2);
    *k = (struct criterion){.everything = len == 0};
    *at += 4 + len;
    if (len == 0)
        return 1;
    *ret_bad += 2;
    if (len < 12 || len > left - 4)
        return -1;
    k->page = (uint32_t)m_be(p + 4, 4);
    k->number = (uint32_t)m_be(p + 8, 4);
    *ret_bad += k->page >= 0x30000000 ? 2 : 6;
    if (k->page >= 0x30000000 || k->number == M_ALL)
        return -1;
    *ret_bad -= 6;
    k->min_len = (uint32_t)m_be(p + 12, 2);
    if (k->min_len > len - 12)
        return -1;
    k->min = p + 14;
    k->max_len = (uint32_t)m_be(k->min + k->min_len, 2);
    k->max = k->min + k->min_len + 2;
    return 12 + k->min_len + k->max_len == len ? 1 : -1;
}

bool m_query_check(struct cmd *c)
{
    uint64_t base = (uint64_t)(c->query - c->r->out);
    uint32_t at = 4, bad;
    struct criterion k;
    int more;

    if (!c->query)
        return true;
    c->function = 1;
    if (c->query_len < 4 || (c->query[0] & 15) > 1)
        return m_fault_param(c, base);
    while ((more = criterion(c, &at, &k, &bad)) > 0)
        if (!k.everything && !m_may_access(c, 0x0008, k.page, k.number))
            return false;
    return more == 0 || m_fault_param(c, base + bad);
}

static int compare(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len)
{
    int order;

    if (a_len <= 8 && b_len <= 8) {
        uint64_t x = m_be(a, a_len), y = m_be(b, b_len);
        return x < y ? -1 : x > y;
    }
    order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (int)a_len - (int)b_len;
}

static bool meets(struct cmd *c, const struct m_object *o, const struct criterion *k)
{
    static struct m_value v;
    struct m_view view = m_view_of(c);

    if (k->everything)
        return true;
    m_get(&view, o, k->page, k->number, &v);
    if (v.len == 0)
        return !k->min_len && !k->max_len;
    return (!k->min_len || compare(v.bytes, v.len, k->min, k->min_len) >= 0) &&
           (!k->max_len || compare(v.bytes, v.len, k->max, k->max_len) <= 0);
}

static bool matches(struct cmd *c, uint64_t oid)
{
    const struct m_object *o = model_find(c->m, c->pid, oid);
    bool all = (c->query[0] & 15) == 1;
    uint32_t at = 4, bad;
    struct criterion k;

    if (c->query_len == 4)
        return true;
    while (criterion(c, &at, &k, &bad) > 0)
        if (meets(c, o, &k) != all)
            return !all;
    return all;
}

static bool query_to_data(struct cmd *c)
{
    m_put(c, NULL, 11);
    m_put_be(c, 0x84, 1);
    for (size_t i = 0; i < c->target->n_members; i++)
        if (matches(c, c->target->members[i]))
            m_put_be(c, c->target->members[i], 8);
    m_patch(c, 0, c->a->in_len - 8, 8);
    cut(c);
    return true;
}

static bool query_to_collection(struct cmd *c, struct m_object *to)
{
    to = model_own(c->m, to);
    while (to->n_members)
        model_set_member(to, to->members[0], false);
    for (size_t i = 0; i < c->target->n_members; i++)
        if (matches(c, c->target->members[i]))
            model_set_member(to, c->target->members[i], true);
    m_stamp(c, to, DM);
    return track(c, c->target->n_members);
}

static bool work_query(struct cmd *c)
{
    struct m_object *to = c->start ? model_find(c->m, c->pid, c->start) : NULL;
    bool ok = true;

    if (c->target->collection_type != 1)
        ok = BAD(c, 24);
    if (!c->length == !c->start)
        ok = BAD(c, 32);
    if (c->immed && !c->start)
        ok = BAD(c, 11);
    if (!c->query)
        ok = BAD(c, 48);
    if (c->start &&
        (!to || to->type != M_COLLECTION || to->collection_type != 1 || to == c->target))
        ok = BAD(c, 40);
    if (!ok)
        return false;
    if (!to)
        return query_to_data(c);
    return accept(c) && query_to_collection(c, to);
}

/* ---- LIST (reference 3.1) ---- */

struct listing {
    uint8_t type;
    uint64_t rest; /* bytes of all entries */
    uint64_t next; /* continuation object id */
};

static void put_attribute_entry(struct cmd *c, const struct m_object *o, uint64_t id)
{
    size_t start = c->a->in_len;

    m_put_be(c, id, 8);
    m_put_be(c, o->type, 1);
    m_put(c, NULL, 7);
    m_put_entries(c, o, false);
    m_patch(c, start + 14, c->a->in_len - start - 16, 2);
}

static void list_one(struct cmd *c, struct listing *l, const struct m_object *o)
{
    uint64_t id = l->type == M_PARTITION ? o->pid : o->oid;
    size_t start = c->a->in_len;

    if (id < c->start)
        return;
    if (c->list_attr)
        put_attribute_entry(c, o, id);
    else
        m_put_be(c, id, 8);
    l->rest += c->a->in_len - start;
    if (!l->next && c->a->in_len > limit(c))
        l->next = id;
    if (l->next)
        c->a->in_len = start;
    else if (c->list_attr)
        m_got(c, o);
}

static bool is_listed(const struct cmd *c, const struct m_object *o, uint8_t type)
{
    if (c->k->op == O_LIST_COLLECTION && c->oid)
        return o->pid == c->pid && model_is_member(c->target, o->oid);
    return o->type == type && (type == M_PARTITION || o->pid == c->pid);
}

static struct m_list_id *find_id(const struct cmd *c, uint32_t id)
{
    for (size_t i = 0; i < c->m->n_list_ids; i++) {
        struct m_list_id *l = &c->m->list_ids[i];
        if (l->id == id && l->created == c->target->t[1] && l->pid == c->pid &&
            l->oid == c->target->oid && l->collections == (c->k->op == O_LIST_COLLECTION))
            return l;
    }
    return NULL;
}

/* The identifier is the device's to choose, but not zero. */
static void learn_id(struct cmd *c)
{
    struct model *m = c->m;
    uint32_t id;

    m_unknown(c, 16, 4);
    if (!c->r->device_good || limit(c) < 20)
        return;
    id = (uint32_t)m_be(c->r->device_in + 16, 4);
    if (id == 0)
        c->a->complaint = "a list to be continued has no list identifier";
    if (find_id(c, id))
        return;
    if (m->n_list_ids == M_LIST_IDS)
        memmove(m->list_ids, m->list_ids + 1, --m->n_list_ids * sizeof(m->list_ids[0]));
    m->list_ids[m->n_list_ids++] =
        (struct m_list_id){.id = id,
                           .pid = c->pid,
                           .oid = c->target->oid,
                           .changes = c->target->changes,
                           .created = c->target->t[1],
                           .collections = c->k->op == O_LIST_COLLECTION};
}

static uint8_t format_byte(const struct cmd *c, uint8_t type, bool changed)
{
    static const uint8_t codes[] = {
        [M_PARTITION] = 0x01, [M_COLLECTION] = 0x11, [M_USER] = 0x21};

    if (c->gen == 2)
        return (uint8_t)((codes[type] + c->list_attr) << 2 | changed << 1);
    return (uint8_t)(changed << 1 | (type != M_USER));
}

static bool work_list(struct cmd *c)
{
    struct m_list_id *given = c->list_id ? find_id(c, c->list_id) : NULL;
    struct listing l = {.type = c->k->op == O_LIST ? (c->pid ? M_USER : M_PARTITION)
                                                   : (c->oid ? M_USER : M_COLLECTION)};
    bool changed = given && given->changes != c->target->changes, ok = true;

    if (c->k->op == O_LIST && c->option)
        ok = BAD(c, 11);
    if (c->list_attr && c->format != 3)
        ok = BAD(c, 11);
    if (c->length && c->list_id && !given)
        ok = BAD(c, c->gen == 1 ? 32 : 48);
    if (!ok || c->length == 0)
        return ok;
    m_put(c, NULL, 24);
    for (size_t i = 0; i < c->m->n; i++)
        if (is_listed(c, c->m->objects[i], l.type))
            list_one(c, &l, c->m->objects[i]);
    m_patch(c, 0, 16 + l.rest, 8);
    m_patch(c, 8, l.next, 8);
    m_patch(c, 23, format_byte(c, l.type, changed), 1);
    if (l.next)
        learn_id(c);
    cut(c);
    return true;
}

/* ---- the table ---- */

static bool work_none(struct cmd *c)
{
    (void)c;
    return true;
}

static bool work_create(struct cmd *c)
{
    return create_objects(c, M_USER);
}

static bool work_create_collection(struct cmd *c)
{
    return create_objects(c, M_COLLECTION);
}

static bool work_remove(struct cmd *c)
{
    drop(c, model_find(c->m, c->pid, c->oid));
    return true;
}

static bool work_write(struct cmd *c)
{
    return write_all(c, model_own(c->m, c->target));
}

static bool work_format(struct cmd *c)
{
    model_format(c->m, c->now);
    c->target = model_find(c->m, 0, 0);
    return true;
}

bool m_work(struct cmd *c)
{
    static bool (*const work[O_MAX])(struct cmd *) = {
        [O_APPEND] = work_append,
        [O_CLEAR] = work_clear,
        [O_COPY] = work_copy,
        [O_CREATE] = work_create,
        [O_CREATE_WRITE] = work_create_write,
        [O_CREATE_COLLECTION] = work_create_collection,
        [O_CREATE_PARTITION] = work_create_partition,
        [O_CREATE_TRACKING] = work_create_tracking,
        [O_FLUSH] = work_flush,
        [O_FLUSH_COLLECTION] = work_flush,
        [O_FLUSH_OSD] = work_flush,
        [O_FLUSH_PARTITION] = work_flush,
        [O_FORMAT] = work_format,
        [O_GET] = work_none,
        [O_GET_MEMBERS] = work_none,
        [O_LIST] = work_list,
        [O_LIST_COLLECTION] = work_list,
        [O_CHECK] = work_none,
        [O_PUNCH] = work_punch,
        [O_QUERY] = work_query,
        [O_READ] = work_read,
        [O_READ_MAP] = work_read_map,
        [O_REMOVE] = work_remove,
        [O_REMOVE_COLLECTION] = work_remove_collection,
        [O_REMOVE_MEMBERS] = work_remove_members,
        [O_REMOVE_PARTITION] = work_remove_partition,
        [O_SET] = work_none,
        [O_SET_MEMBERS] = work_set_members,
        [O_WRITE] = work_write,
    };

    return work[c->k->op](c);
}
