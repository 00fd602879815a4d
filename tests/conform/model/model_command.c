/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/model_command.c - the steps of every command (reference 1, 2.1, 2.2, 5.3)
 */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define READ     0x8000
#define WRITE    0x4000
#define GET_ATTR 0x2000
#define SET_ATTR 0x1000
#define CREATE   0x0800
#define REMOVE   0x0400
#define OBJ_MGMT 0x0200
#define APPEND   0x0100
#define DEV_MGMT 0x0080
#define GLOBAL   0x0040
#define POL_SEC  0x0020
#define M_OBJECT 0x0010
#define QUERY    0x0008
#define GBL_REM  0x0004

static const struct m_command commands[] = {
    {O_APPEND, {0, 0x8807, 0x8887}, T_USER, false, APPEND, 0, 'o', true},
    {O_CLEAR, {0, 0, 0x8889}, T_USER, false, WRITE, 0, 0, false},
    {O_COPY, {0, 0, 0x8893}, T_USER, true, CREATE | WRITE, 0, 0, true},
    {O_CREATE, {0, 0x8802, 0x8882}, T_USER, true, CREATE, 0, 0, false},
    {O_CREATE_WRITE, {0, 0x8812, 0x8892}, T_USER, true, CREATE | WRITE, 0, 'o', true},
    {O_CREATE_COLLECTION, {0, 0x8815, 0x8895}, T_COLLECTION, true, CREATE, 0, 0, false},
    {O_CREATE_PARTITION, {0, 0x880b, 0x888b}, T_PARTITION, true, CREATE, 0, 0, false},
    {O_CREATE_TRACKING, {0, 0, 0x8894}, T_COLLECTION, true, CREATE | READ | WRITE, 0, 0, true},
    {O_FLUSH, {0, 0x8808, 0x8888}, T_USER, false, OBJ_MGMT, 0, 0, false},
    {O_FLUSH_COLLECTION, {0, 0x881a, 0x889a}, T_COLLECTION, false, OBJ_MGMT, 0, 0, false},
    {O_FLUSH_OSD, {0, 0x881c, 0x889c}, T_ROOT, false, OBJ_MGMT, 0, 0, false},
    {O_FLUSH_PARTITION, {0, 0x881b, 0x889b}, T_PARTITION, false, OBJ_MGMT, 0, 0, false},
    {O_FORMAT, {0, 0x8801, 0x8881}, T_ROOT, false, OBJ_MGMT | GLOBAL, 0, 0, false},
    {O_GET, {0, 0x880e, 0x888e}, T_ANY, false, GET_ATTR, 0, 0, false},
    {O_GET_MEMBERS, {0, 0, 0x88a2}, T_COLLECTION, false, GET_ATTR | M_OBJECT, 0, 0, false},
    {O_LIST, {0, 0x8803, 0x8883}, T_LISTED, false, READ, 0, 'a', false},
    {O_LIST_COLLECTION, {0, 0x8817, 0x8897}, T_MEMBERS_OF, false, READ, 0, 'a', false},
    {O_CHECK, {0, 0, 0x8880}, T_LISTED, false, DEV_MGMT, OBJ_MGMT | GLOBAL, 0, false},
    {O_PUNCH, {0, 0, 0x8884}, T_USER, false, WRITE, 0, 0, false},
    {O_QUERY, {0, 0, 0x88a0}, T_COLLECTION, false, QUERY, 0, 'a', true},
    {O_READ, {0, 0x8805, 0x8885}, T_USER, false, READ, 0, 'i', true},
    {O_READ_MAP, {0, 0, 0x88b1}, T_USER, false, READ, DEV_MGMT, 'a', false},
    {O_REMOVE, {0, 0x880a, 0x888a}, T_USER, false, REMOVE, 0, 0, false},
    {O_REMOVE_COLLECTION, {0, 0x8816, 0x8896}, T_COLLECTION, false, REMOVE, 0, 0, false},
    {O_REMOVE_MEMBERS, {0, 0, 0x88a1}, T_COLLECTION, false, REMOVE | M_OBJECT, 0, 0, false},
    {O_REMOVE_PARTITION, {0, 0x880c, 0x888c}, T_PARTITION, false, REMOVE, 0, 0, false},
    {O_SET, {0, 0x880f, 0x888f}, T_ANY, false, SET_ATTR, 0, 0, false},
    {O_SET_MEMBERS, {0, 0, 0x88a3}, T_COLLECTION, false, SET_ATTR | M_OBJECT, 0, 0, false},
    {O_WRITE, {0, 0x8806, 0x8886}, T_USER, false, WRITE, 0, 'o', true},
};

/* ---- bytes ---- */

uint64_t m_be(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static void room(struct m_answer *a, size_t len)
{
    if (len <= a->in_cap)
        return;
    a->in_cap = len * 2 + 4096;
    a->in = realloc(a->in, a->in_cap);
    a->known = realloc(a->known, a->in_cap * sizeof(bool));
    if (!a->in || !a->known)
        abort();
}

void m_put(struct cmd *c, const void *p, size_t len)
{
    struct m_answer *a = c->a;

    room(a, a->in_len + len);
    if (p)
        memcpy(a->in + a->in_len, p, len);
    else
        memset(a->in + a->in_len, 0, len);
    memset(a->known + a->in_len, true, len);
    a->in_len += len;
}

void m_put_be(struct cmd *c, uint64_t v, unsigned n)
{
    m_put(c, NULL, n);
    m_patch(c, c->a->in_len - n, v, n);
}

void m_patch(struct cmd *c, size_t at, uint64_t v, unsigned n)
{
    for (unsigned i = n; i-- > 0; v >>= 8)
        c->a->in[at + i] = (uint8_t)v;
}

void m_unknown(struct cmd *c, size_t at, size_t n)
{
    memset(c->a->known + at, false, n);
}

/* ---- faults ---- */

static bool note(struct cmd *c, struct m_fault f)
{
    f.function = c->function;
    if (c->a->n_faults < M_FAULTS)
        c->a->faults[c->a->n_faults++] = f;
    return false;
}

bool m_fault_cdb(struct cmd *c, uint16_t from, uint16_t to)
{
    return note(c, (struct m_fault){
                       .key = 5, .asc = 0x2400, .where = 'c', .field = from, .field_to = to});
}

bool m_fault_param(struct cmd *c, uint64_t at)
{
    uint16_t f = at > 0xffff ? 0xffff : (uint16_t)at;

    return note(
        c, (struct m_fault){.key = 5, .asc = 0x2600, .where = 'p', .field = f, .field_to = f});
}

bool m_fault_sense(struct cmd *c, uint8_t key, uint16_t asc)
{
    return note(c, (struct m_fault){.key = key, .asc = asc});
}

bool m_fault_quota(struct cmd *c, uint32_t page, uint32_t number)
{
    return note(c,
                (struct m_fault){
                    .key = 7, .asc = 0x5507, .has_attr = true, .page = page, .number = number});
}

/* ---- the CDB ---- */

static uint64_t offset(struct cmd *c, uint16_t at)
{
    uint32_t f = (uint32_t)m_be(c->r->cdb + at, 4), mantissa = f & 0x0fffffff;
    int exponent = (int)(f >> 28);

    if (f == M_ALL)
        return UINT64_MAX;
    if (c->gen == 2 && exponent > 7)
        exponent -= 16;
    if (exponent < -5)
        BAD(c, at);
    return exponent < -5 ? 0 : (uint64_t)mantissa << (exponent + 8);
}

static void take_attribute_parameters(struct cmd *c)
{
    const uint8_t *p = c->r->cdb;

    if (c->format == 2) {
        c->get_page = (uint32_t)m_be(p + 52, 4);
        c->alloc = (uint32_t)m_be(p + 56, 4);
        c->in_at = offset(c, 60);
        c->set_page = (uint32_t)m_be(p + 64, 4);
        c->set_number = (uint32_t)m_be(p + 68, 4);
        c->set_len = (uint32_t)m_be(p + 72, 4);
        c->set_at = offset(c, 76);
        c->gets = c->get_page != 0;
        c->sets = c->set_page != 0;
    } else if (c->format == 3) {
        c->get_len = (uint32_t)m_be(p + 52, 4);
        c->get_at = offset(c, 56);
        c->alloc = (uint32_t)m_be(p + 60, 4);
        c->in_at = offset(c, 64);
        c->set_len = (uint32_t)m_be(p + 68, 4);
        c->set_at = offset(c, 72);
        c->gets = c->get_len != 0;
        c->sets = c->set_len != 0;
    } else if (c->format == 1) {
        c->set_page = (uint32_t)m_be(p + 52, 4);
        c->set_number = (uint32_t)m_be(p + 56, 4);
        c->set_len = (uint32_t)m_be(p + 60, 2);
        c->value = p + 62;
        c->sets = c->set_page != 0;
        if (c->set_len > 18)
            BAD(c, 60);
        if (c->set_page == M_ALL || (c->set_page == 0 && c->set_len))
            BAD(c, 52);
        if (c->set_number == M_ALL)
            BAD(c, 56);
    }
}

/* Fields whose place depends on the command (reference 1.8). */
static void take_own_fields(struct cmd *c)
{
    const uint8_t *p = c->r->cdb;
    bool list = c->k->op == O_LIST || c->k->op == O_LIST_COLLECTION;
    bool flush = c->k->op >= O_FLUSH && c->k->op <= O_FLUSH_PARTITION;

    c->length = m_be(p + (c->gen == 1 ? 36 : 32), 8);
    c->start = m_be(p + (c->gen == 1 ? 44 : 40), 8);
    c->list_id = list ? (uint32_t)m_be(p + (c->gen == 1 ? 32 : 48), 4) : 0;
    c->count = (uint16_t)m_be(p + (c->gen == 1 ? 36 : 32), 2);
    c->map_type = (uint16_t)m_be(p + 48, 2);
    c->option = p[11] & 15;
    c->immed = c->gen == 2 && p[11] & 0x80;
    c->list_attr = c->gen == 2 && list && p[11] & 0x40;
    c->isolation = c->gen == 2 ? p[10] & 7 : 0;
    if (flush) {
        c->option = c->gen == 1 ? p[10] & 3 : p[11] & 3;
        if (c->gen == 2 && !c->option && (c->isolation == 1 || c->isolation == 2)) {
            c->option = c->isolation;
            c->isolation = 0;
        }
    } else if (c->k->op == O_REMOVE_PARTITION) {
        c->option = c->gen == 2 ? p[11] & 7 : 0;
    } else if (c->k->op == O_REMOVE_COLLECTION) {
        c->option = p[11] & 1;
    }
    c->cont_len =
        c->gen == 2 && !list && c->k->op != O_READ_MAP ? (uint32_t)m_be(p + 48, 4) : 0;
    if (c->cont_len && !c->k->continuation)
        BAD(c, 48);
}

/* Step 1. */
static bool decode(struct cmd *c)
{
    const uint8_t *p = c->r->cdb;
    uint16_t action;

    if (c->r->cdb_len < 10)
        return BAD(c, 7);
    action = (uint16_t)m_be(p + 8, 2);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        for (int g = 1; g <= 2; g++)
            if (commands[i].action[g] == action && action) {
                c->k = &commands[i];
                c->gen = g;
            }
    if (!c->k)
        return BAD(c, 8);
    if (c->r->cdb_len < (c->gen == 1 ? 200u : 236u) ||
        !(p[7] == (c->gen == 1 ? 0xc0 : 0xe4) || (c->gen == 1 && p[7] == 0xe4)))
        return BAD(c, 7);
    c->pid = m_be(p + 16, 8);
    c->oid = m_be(p + 24, 8);
    c->duplication = p[14];
    c->format = p[11] >> 4 & 3;
    c->timestamps = p[12];
    if (c->format == 0 || (c->format == 1 && c->gen == 1))
        BAD(c, 11);
    if (c->timestamps != 0 && c->timestamps != 0x7f && c->timestamps < 0xe0)
        BAD(c, 12);
    take_own_fields(c);
    if (c->isolation == 3 || c->isolation > 5)
        BAD(c, 10);
    take_attribute_parameters(c);
    return c->a->n_faults == 0;
}

/* ---- segments (reference 1.6, 1.7) ---- */

struct segment {
    uint64_t at, len;
    uint16_t field; /* 0: a length error instead */
};

static void check_segments(struct cmd *c, const struct segment *s, int n, uint64_t end)
{
    for (int i = 0; i < n; i++) {
        if (s[i].len == 0)
            continue;
        if (s[i].at > end || s[i].len > end - s[i].at) {
            if (s[i].field)
                BAD(c, s[i].field);
            else
                m_fault_sense(c, 5, 0x1a00);
            continue;
        }
        for (int k = 0; k < i; k++)
            if (s[k].len && s[i].at < s[k].at + s[k].len && s[k].at < s[i].at + s[i].len)
                BAD(c, s[i].field);
    }
}

static bool segments(struct cmd *c)
{
    bool list = c->format == 3, page = c->format == 2;
    uint64_t data = c->k->data == 'o' ? c->length : 0;
    uint64_t in = c->k->data == 'i' || c->k->data == 'a' ? c->length : 0;
    struct segment out[] = {{0, c->cont_len, 0},
                            {c->cont_len, data, 0},
                            {c->set_at, list || page ? c->set_len : 0, list ? 72 : 76},
                            {c->get_at, list ? c->get_len : 0, 56}};
    struct segment ins[] = {
        {0, in, 0}, {c->in_at, c->gets && !c->list_attr ? c->alloc : 0, list ? 64 : 60}};

    if (page && !c->sets)
        out[2].len = 0;
    check_segments(c, out, 4, c->r->out_len);
    if (in > c->r->in_room) {
        if (c->k->op == O_READ)
            BAD(c, c->gen == 1 ? 36 : 32);
        ins[0].len = c->r->in_room;
    }
    check_segments(c, ins, 2, c->r->in_room);
    c->data_at = c->cont_len;
    if (page && c->sets && c->set_len)
        c->value = c->r->out + c->set_at;
    return c->a->n_faults == 0;
}

/* ---- continuation (reference 3.6) ---- */

static bool descriptor(struct cmd *c, const uint8_t *d, uint64_t left, uint64_t *ret_used)
{
    uint16_t type = (uint16_t)m_be(d, 2);
    uint32_t len = (uint32_t)m_be(d + 4, 4), pad = d[3] & 7;
    bool scattered = c->k->op == O_READ || c->k->op == O_WRITE || c->k->op == O_CREATE_WRITE;

    if ((uint64_t)len + pad > left || (len + pad) % 8 || len == 0)
        return BAD(c, 48);
    *ret_used = 8 + (uint64_t)len + pad;
    if (type == 1 && scattered && !c->scatter && len % 16 == 0 && !pad) {
        c->scatter = d + 8;
        c->n_scatter = len / 16;
    } else if (type == 2 && c->k->op == O_QUERY && !c->query) {
        c->query = d + 8;
        c->query_len = len;
    } else if (type == 0x101 && c->k->op == O_COPY && !c->source && (len == 18 || len == 20)) {
        c->source = d + 8;
    } else if (type == 0xffee && c->k->op == O_COPY && !c->extension && len % 104 == 0 &&
               !pad) {
        c->extension = true;
    } else {
        return BAD(c, 48);
    }
    return true;
}

static bool continuation(struct cmd *c)
{
    const uint8_t *p = c->r->out;
    uint64_t used = 0, sum = 0;
    const struct m_attr *max = NULL;

    for (size_t i = 0; i < c->m->n_learned; i++)
        if (c->m->learned[i].page == 0x90000001 && c->m->learned[i].number == 0xa)
            max = &c->m->learned[i];
    if (c->cont_len == 0)
        return true;
    if (c->cont_len < 40 || c->cont_len % 8 || (max && c->cont_len > m_be(max->value, 4)) ||
        p[0] != 1 || m_be(p + 2, 2) != m_be(c->r->cdb + 8, 2))
        return BAD(c, 48);
    for (uint64_t at = 40; at < c->cont_len && m_be(p + at, 2) != 0; at += used)
        if (!descriptor(c, p + at, c->cont_len - at - 8, &used))
            return false;
    for (uint32_t i = 0; i < c->n_scatter; i++) {
        uint64_t from = m_be(c->scatter + 16 * i, 8), len = m_be(c->scatter + 16 * i + 8, 8);
        if (len > c->length - sum)
            BAD(c, 32);
        if (from > UINT64_MAX - c->start)
            BAD(c, 48);
        sum += len <= c->length - sum ? len : 0;
    }
    if (c->scatter && sum != c->length)
        BAD(c, 32);
    return c->a->n_faults == 0;
}

/* ---- what is addressed ---- */

static void address(struct cmd *c)
{
    uint64_t oid = c->oid;

    switch (c->k->target) {
    case T_ROOT:
        c->type = M_ROOT;
        c->target = model_find(c->m, 0, 0);
        break;
    case T_PARTITION:
        c->type = M_PARTITION;
        c->target = c->k->creates ? NULL : model_find(c->m, c->pid, 0);
        break;
    case T_LISTED:
        c->type = c->pid ? M_PARTITION : M_ROOT;
        c->target = model_find(c->m, c->pid, 0);
        break;
    case T_MEMBERS_OF:
        c->type = oid ? M_COLLECTION : M_PARTITION;
        c->target = model_find(c->m, c->pid, oid);
        break;
    case T_ANY:
        c->target = model_find(c->m, c->pid, oid);
        c->type = c->target ? c->target->type : oid ? M_USER : c->pid ? M_PARTITION : M_ROOT;
        break;
    default:
        c->type = c->k->target == T_USER ? M_USER : M_COLLECTION;
        c->target = c->k->creates ? NULL : model_find(c->m, c->pid, oid);
    }
    if (c->target && c->target->type != c->type)
        c->target = NULL;
    c->subject = c->type;
    c->first = oid;
    c->n = 1;
}

struct m_object *m_partition(const struct cmd *c)
{
    return model_find(c->m, c->k->target == T_ROOT ? 0 : c->pid, 0);
}

/* ---- capability (reference 5.3) ---- */

static const uint8_t *cap(const struct cmd *c)
{
    return c->r->cdb + 80;
}

static bool layout1(const struct cmd *c)
{
    return c->gen == 1 || (cap(c)[0] & 15) == 1;
}

static bool no_capability(const struct cmd *c)
{
    return (cap(c)[0] & 15) == 0;
}

static uint16_t held(const struct cmd *c)
{
    return (uint16_t)m_be(cap(c) + 49, 2);
}

static bool holds(const struct cmd *c, uint16_t want)
{
    return (held(c) & want) == want;
}

static bool may(const struct cmd *c)
{
    uint16_t want = c->k->permissions;

    if (c->list_attr)
        want |= M_OBJECT;
    if (c->k->op == O_QUERY && c->start)
        want |= WRITE;
    if (c->k->op == O_REMOVE_PARTITION && c->option == 1)
        want |= GBL_REM;
    if (layout1(c)) /* these bits are not in its layout */
        want &= 0xffe0;
    return holds(c, want) || (c->k->other && holds(c, c->k->other));
}

static bool type_fits(const struct cmd *c, uint8_t t)
{
    if (c->k->target == T_ANY && c->type == M_ROOT && t == M_PARTITION)
        return true; /* partition zero */
    if (c->k->target == T_ANY && !c->target && c->oid && t == M_COLLECTION)
        return true;
    return t == c->type;
}

static void check_tag(struct cmd *c)
{
    static struct m_value v;
    struct m_view view = m_view_of(c);
    uint32_t want = (uint32_t)m_be(cap(c) + (layout1(c) ? 56 : 60), 4);
    uint32_t base = c->type == M_USER ? 0 : c->type == M_COLLECTION ? 0x60000000 : 0x30000000;

    if (want == 0 || c->k->creates || !c->target)
        return;
    m_get(&view, c->target, base + 5, 0x40000001, &v);
    if (v.len != 4 || m_be(v.bytes, 4) != want)
        BAD(c, layout1(c) ? 136 : 140);
}

static void check_extent(struct cmd *c, uint64_t start, uint64_t len)
{
    uint64_t length = m_be(cap(c) + 88, 8), first = m_be(cap(c) + 96, 8);

    if (start < first ||
        (length != UINT64_MAX && (start - first > length || len > length - (start - first))))
        m_fault_cdb(c, 32, 40);
}

static void check_range(struct cmd *c)
{
    const struct m_object *source =
        c->source ? model_find(c->m, m_be(c->source, 8), m_be(c->source + 8, 8)) : NULL;
    enum m_op op = c->k->op;

    if (layout1(c) || (m_be(cap(c) + 88, 8) == 0 && m_be(cap(c) + 96, 8) == 0))
        return;
    if (source) /* all of it is written */
        check_extent(c, 0, source->length);
    if (op == O_APPEND && c->target)
        check_extent(c, c->target->length, c->length);
    if (op != O_READ && op != O_WRITE && op != O_CREATE_WRITE && op != O_CLEAR && op != O_PUNCH)
        return;
    if (!c->scatter)
        check_extent(c, c->start, c->length);
    for (uint32_t i = 0; i < c->n_scatter; i++)
        check_extent(c, c->start + m_be(c->scatter + 16 * i, 8),
                     m_be(c->scatter + 16 * i + 8, 8));
}

static void check_ids(struct cmd *c, uint8_t descriptor)
{
    uint64_t pid = m_be(cap(c) + (layout1(c) ? 60 : 72), 8);
    uint64_t oid = m_be(cap(c) + (layout1(c) ? 68 : 80), 8);

    if (pid != c->pid && !(c->k->op == O_CREATE_PARTITION && pid == 0))
        BAD(c, 16);
    if (descriptor != 2 && oid != c->oid && !(c->k->creates && oid == 0))
        BAD(c, 24);
}

static bool authorize(struct cmd *c)
{
    uint8_t t = cap(c)[48], d = cap(c)[55] >> 4, want;
    uint64_t expires = m_be(cap(c) + 4, 6), created = m_be(cap(c) + 42, 6);
    const struct m_attr *epoch = NULL;

    if (no_capability(c))
        return true;
    c->function = F_VALIDATION;
    if ((cap(c)[0] & 15) > (c->gen == 1 ? 1 : 2))
        return BAD(c, 80);
    c->function = F_CMD_CAP;
    if (expires && c->now > expires)
        BAD(c, 84);
    if (created && !c->k->creates && c->target && c->type != M_ROOT &&
        created != c->target->t[1])
        BAD(c, 122);
    if (!type_fits(c, t))
        BAD(c, 128);
    if (!may(c))
        BAD(c, 129);
    want = t == M_ROOT || t == M_PARTITION ? 2 : t == M_COLLECTION && !layout1(c) ? 3 : 1;
    if (d != want)
        BAD(c, 135);
    check_tag(c);
    for (size_t i = 0; i < c->m->n_learned; i++)
        if (c->m->learned[i].page == 0x90000005 && c->m->learned[i].number == 0xa)
            epoch = &c->m->learned[i];
    if (!layout1(c) && m_be(cap(c) + 64, 2) && epoch &&
        m_be(cap(c) + 64, 2) != m_be(epoch->value, 2))
        BAD(c, 144);
    check_ids(c, d);
    check_range(c);
    if (c->source && !c->extension &&
        model_find(c->m, m_be(c->source, 8), m_be(c->source + 8, 8)))
        BAD(c, 48); /* the source needs a capability of its own */
    return c->a->n_faults == 0;
}

/* ---- capability against attributes ---- */

static bool on_access_list(struct cmd *c, uint32_t page, uint32_t number)
{
    static struct m_value v;
    struct m_view view = m_view_of(c);
    uint32_t n = (uint32_t)m_be(cap(c) + 56, 4);
    struct m_object *p = model_find(c->m, c->pid, 0);

    if (layout1(c) || n == 0)
        return true;
    m_get(&view, p, 0x30000004, n, &v);
    for (uint32_t at = 0; at + 8 <= v.len; at += 8) {
        uint32_t q = (uint32_t)m_be(v.bytes + at, 4), k = (uint32_t)m_be(v.bytes + at + 4, 4);
        if (q == page && (k == number || k == M_ALL))
            return true;
    }
    return false;
}

/* One attribute that is to be got or set. */
bool m_may_access(struct cmd *c, uint16_t perm, uint32_t page, uint32_t number)
{
    uint8_t owner = m_page_owner(page);
    bool policy = page < 0xc0000000 && page % 0x30000000 == 5;

    if (no_capability(c) || page == M_CURRENT)
        return true;
    if (policy || (page == 0x30000004 && perm == SET_ATTR))
        perm |= POL_SEC;
    if (!holds(c, perm))
        return BAD(c, 129);
    if (c->k->target == T_ANY && c->type == M_ROOT &&
        (owner == M_ROOT || owner == M_PARTITION) && cap(c)[48] != owner)
        return BAD(c, 128);
    return on_access_list(c, page, number) || m_fault_cdb(c, 136, 136);
}

struct entry {
    uint32_t page, number, len;
    const uint8_t *value;
    uint64_t at; /* in Data-Out */
};

/* The next entry of a list in Data-Out; -1 fault, 0 end. A malformed list is PAR. */
static int next_entry(struct cmd *c, uint64_t list, uint32_t total, bool set, uint64_t *at,
                      struct entry *e)
{
    const uint8_t *p = c->r->out + list;
    uint32_t head = set ? (c->gen == 1 ? 10 : 16) : 8;

    if (*at == total)
        return 0;
    if (total - *at < head) {
        m_fault_param(c, list + *at);
        return -1;
    }
    *e = (struct entry){.page = (uint32_t)m_be(p + *at, 4),
                        .number = (uint32_t)m_be(p + *at + 4, 4),
                        .at = list + *at};
    if (set) {
        e->len = (uint32_t)m_be(p + *at + head - 2, 2);
        if (c->gen == 1 && e->len == 0xffff) {
            m_fault_param(c, e->at);
            return -1;
        }
        if (e->len > total - *at - head) {
            m_fault_param(c, e->at);
            return -1;
        }
        e->value = p + *at + head;
        head += c->gen == 1 ? e->len : (e->len + 7) / 8 * 8;
    }
    *at += head > total - *at ? total - *at : head;
    return 1;
}

static bool list_head(struct cmd *c, uint64_t list, uint32_t total, uint8_t type, uint64_t *at)
{
    const uint8_t *p = c->r->out + list;
    uint64_t said;

    *at = c->gen == 1 ? 4 : 8;
    if (total < *at || (p[0] & 15) != type)
        return m_fault_param(c, list);
    said = c->gen == 1 ? m_be(p + 2, 2) : m_be(p + 4, 4);
    if (said != 0 && said != total - *at)
        return m_fault_param(c, list + (c->gen == 1 ? 2 : 4));
    return true;
}

static uint8_t members_type(const struct cmd *c, bool get)
{
    if (c->k->op == O_GET_MEMBERS || c->k->op == O_SET_MEMBERS)
        return M_USER;
    if (!get || !c->list_attr)
        return c->type;
    return !c->pid                                    ? M_PARTITION
           : c->k->op == O_LIST_COLLECTION && !c->oid ? M_COLLECTION
                                                      : M_USER;
}

static bool authorize_sets(struct cmd *c)
{
    struct entry e;
    uint64_t at;
    int more;

    c->function = F_SA_CAP;
    if (!c->sets)
        return true;
    if (c->format != 3)
        return m_may_access(c, SET_ATTR, c->set_page, c->set_number);
    if (!list_head(c, c->set_at, c->set_len, 9, &at))
        return false;
    while ((more = next_entry(c, c->set_at, c->set_len, true, &at, &e)) > 0) {
        if (e.number == M_ALL || !m_page_fits(NULL, members_type(c, false), e.page))
            return m_fault_param(c, e.at);
        if (!m_may_access(c, SET_ATTR, e.page, e.number))
            return false;
    }
    return more == 0;
}

/* Whether page format can bring the page. */
static bool has_page_format(const struct cmd *c)
{
    uint32_t offset = c->get_page % 0x30000000;

    if (c->get_page == M_CURRENT)
        return true;
    return c->get_page < 0xc0000000 && m_page_fits(NULL, c->type, c->get_page) && offset > 1 &&
           !m_is_client_page(c->get_page);
}

/* Vendor pages that stand for all of another page, or of all pages (docs/whole-pages.md). */
static bool is_whole(const struct cmd *c)
{
    return c->get_page < 0xc0000000 && c->get_page % 0x30000000 >= 0x20000000;
}

static uint32_t whole_of(const struct cmd *c)
{
    return c->get_page % 0x30000000 == 0x2fffffff ? M_ALL : c->get_page - 0x20000000;
}

static bool is_layout(const struct cmd *c)
{
    static uint8_t bytes[256];
    static bool known[256];
    struct m_view v = m_view_of(c);
    struct m_object *root = model_find(c->m, 0, 0);
    size_t len;

    return c->get_page == 4 || m_layout(&v, root, c->get_page, bytes, known, &len);
}

static bool authorize_gets(struct cmd *c)
{
    uint16_t perm = c->list_attr ? M_OBJECT : GET_ATTR;
    struct entry e;
    uint64_t at;
    int more;

    c->function = F_GA_CAP;
    if (!c->gets)
        return true;
    if (c->format == 2) {
        if (!has_page_format(c) || c->k->op == O_GET_MEMBERS || c->k->op == O_SET_MEMBERS)
            return BAD(c, 52);
        if (is_whole(c))
            return m_may_access(c, perm, whole_of(c), M_ALL);
        return !is_layout(c) || m_may_access(c, perm, c->get_page, M_ALL);
    }
    if (!list_head(c, c->get_at, c->get_len, 1, &at))
        return false;
    while ((more = next_entry(c, c->get_at, c->get_len, false, &at, &e)) > 0) {
        if (!(e.page == M_ALL && e.number == M_ALL) &&
            !m_page_fits(NULL, members_type(c, true), e.page))
            return m_fault_param(c, e.at);
        if (!m_may_access(c, perm, e.page, e.number))
            return false;
    }
    return more == 0;
}

/* ---- attributes ---- */

struct m_view m_view_of(const struct cmd *c)
{
    return (struct m_view){.m = c->m,
                           .gen = c->gen,
                           .now = c->r->now + (uint64_t)c->m->clock_offset,
                           .bypass = c->bypass,
                           .type = c->subject,
                           .pid = c->pid,
                           .oid = c->first + c->n - 1,
                           .append_start = c->append_start,
                           .used_change = (uint64_t)c->used_change};
}

static bool set_one(struct cmd *c, struct m_object *o, const struct entry *e)
{
    struct m_view v = m_view_of(c);
    enum m_set r = m_set(&v, o, e->page, e->number, e->value, e->len, &c->touched);

    switch (r) {
    case M_SET_OK:
        return true;
    case M_SET_CAPACITY:
        return m_fault_quota(c, 0x30000002, 0x10001);
    case M_SET_LENGTH:
        return m_fault_quota(c, 0x2, 0x1);
    case M_SET_MEMBERSHIPS:
        return m_fault_quota(c, 0x30000002, 0x10081);
    case M_SET_REFUSED:
        break;
    }
    if (c->format == 3)
        m_fault_param(c, e->at);
    else
        m_fault_cdb(c, c->format == 2 ? 64 : 52, 79);
    c->a->faults[c->a->n_faults - 1].page = e->page;
    c->a->faults[c->a->n_faults - 1].number = e->number;
    return false;
}

static bool set_all(struct cmd *c, struct m_object *o)
{
    struct entry e = {
        .page = c->set_page, .number = c->set_number, .len = c->set_len, .value = c->value};
    uint64_t at;

    if (c->format != 3)
        return set_one(c, o, &e);
    list_head(c, c->set_at, c->set_len, 9, &at);
    while (next_entry(c, c->set_at, c->set_len, true, &at, &e) > 0)
        if (!set_one(c, o, &e))
            return false;
    return true;
}

/* On every object the command means. The members are those of before. */
static bool set_attributes(struct cmd *c)
{
    bool members = c->k->op == O_SET_MEMBERS || c->k->op == O_GET_MEMBERS;
    size_t n = members ? c->target->n_members : c->n;

    c->function = F_SET;
    for (size_t i = 0; c->sets && i < n; i++) {
        uint64_t oid = members ? c->target->members[i] : c->first + i;
        struct m_object *o = model_find(c->m, c->pid, oid);
        if (o && !set_all(c, model_own(c->m, o)))
            return false;
    }
    return true;
}

static void put_entry(struct cmd *c, const struct m_object *o, uint32_t page, uint32_t number,
                      const struct m_value *v, bool multi1)
{
    static const uint8_t pad[8];
    size_t at;

    if (multi1)
        m_put_be(c, o->oid, 8);
    m_put_be(c, page, 4);
    m_put_be(c, number, 4);
    if (c->gen == 2)
        m_put(c, pad, 6);
    m_put_be(c, v->len ? v->len : c->gen == 1 ? 0xffff : 0, 2);
    at = c->a->in_len;
    m_put(c, v->bytes, v->len);
    if (v->known < v->len)
        m_unknown(c, at + v->known, v->len - v->known);
    if (c->gen == 2)
        m_put(c, pad, (8 - v->len % 8) % 8);
}

static void put_page(struct cmd *c, const struct m_object *o, uint32_t page, bool multi1)
{
    static struct m_value v;
    struct m_view view = m_view_of(c);

    for (uint32_t n = 0; m_next(&view, o, page, &n); n++) {
        m_get(&view, o, page, n, &v);
        if (v.len)
            put_entry(c, o, page, n, &v, multi1);
        if (n == M_ALL - 1)
            break;
    }
}

/* Security pages stay out of "all pages" of a capability that may not see them. */
static bool hidden(const struct cmd *c, uint32_t page)
{
    return !no_capability(c) && !(held(c) & POL_SEC) && page % 0x30000000 == 5;
}

static void put_all_pages(struct cmd *c, const struct m_object *o, bool multi1)
{
    struct m_view view = m_view_of(c);

    for (uint32_t p = 0; m_next_page(&view, o, &p); p++)
        if (!hidden(c, p))
            put_page(c, o, p, multi1);
}

void m_put_entries(struct cmd *c, const struct m_object *o, bool multi1)
{
    static struct m_value v;
    struct m_view view = m_view_of(c);
    struct entry e;
    uint64_t at;

    if (!c->get_len || !list_head(c, c->get_at, c->get_len, 1, &at))
        return;
    while (next_entry(c, c->get_at, c->get_len, false, &at, &e) > 0) {
        if (e.page == M_ALL) {
            put_all_pages(c, o, multi1);
        } else if (e.number == M_ALL) {
            put_page(c, o, e.page, multi1);
        } else {
            m_get(&view, o, e.page, e.number, &v);
            put_entry(c, o, e.page, e.number, &v, multi1);
        }
    }
}

void m_got(struct cmd *c, const struct m_object *o)
{
    c->got[c->n_got++] = o->pid;
    c->got[c->n_got++] = o->oid;
}

static void put_list(struct cmd *c)
{
    bool members = c->k->op == O_SET_MEMBERS || c->k->op == O_GET_MEMBERS;
    bool multi = members || c->n > 1;
    const struct m_object *collection = model_find(c->m, c->pid, c->oid);
    size_t start = c->a->in_len, n = members ? collection->n_members : c->n, head;

    m_put_be(c, !multi ? 9 : c->gen == 1 ? 15 : 14, 1);
    m_put(c, NULL, c->gen == 1 ? 3 : 7);
    for (size_t i = 0; i < n; i++) {
        uint64_t oid = members ? collection->members[i] : c->first + i;
        const struct m_object *o = model_find(c->m, c->pid, oid);
        head = c->a->in_len;
        if (multi && c->gen == 2) {
            m_put_be(c, oid, 8);
            m_put_be(c, M_USER, 1);
            m_put(c, NULL, 7);
        }
        m_put_entries(c, o, multi && c->gen == 1);
        if (multi && c->gen == 2)
            m_patch(c, head + 14, c->a->in_len - head - 16, 2);
        if (members && head < c->in_at + c->alloc)
            m_got(c, o);
    }
    head = c->a->in_len - start - (c->gen == 1 ? 4 : 8);
    if (c->gen == 1)
        m_patch(c, start + 2, head > 0xffff ? 0xffff : head, 2);
    else
        m_patch(c, start + 4, head, 4);
}

static void put_current(struct cmd *c)
{
    m_put_be(c, M_CURRENT, 4);
    m_put_be(c, c->gen == 1 ? 0x30 : 0x44, 4);
    m_put(c, NULL, c->gen == 1 ? 20 : 32);
    m_put_be(c, c->subject, 1);
    m_put(c, NULL, 3);
    m_put_be(c, c->pid, 8);
    m_put_be(c, c->first + c->n - 1, 8);
    m_put_be(c, c->append_start, 8);
    if (c->gen == 2)
        m_put_be(c, (uint64_t)c->used_change, 8);
}

static void put_collections(struct cmd *c, const struct m_object *o)
{
    size_t start = c->a->in_len;

    m_put_be(c, 4, 4);
    m_put_be(c, 0, 4);
    for (size_t i = 0; i < o->n_attrs; i++)
        if (o->attrs[i].page == 4)
            m_put(c, o->attrs[i].value, 8);
    m_patch(c, start + 4, c->a->in_len - start - 8, 4);
}

static void put_whole(struct cmd *c, const struct m_object *o)
{
    size_t start = c->a->in_len;

    m_put_be(c, c->get_page, 4);
    m_put_be(c, 0, 4);
    if (whole_of(c) == M_ALL)
        put_all_pages(c, o, false);
    else
        put_page(c, o, whole_of(c), false);
    m_patch(c, start + 4, c->a->in_len - start - 8, 4);
}

static void put_in_page_format(struct cmd *c, const struct m_object *o)
{
    static uint8_t bytes[256];
    static bool known[256];
    struct m_view v = m_view_of(c);
    size_t len = 0, start = c->a->in_len;

    if (c->get_page == M_CURRENT) {
        put_current(c);
    } else if (o && m_layout(&v, o, c->get_page, bytes, known, &len)) {
        m_put(c, bytes, len);
        memcpy(c->a->known + start, known, len * sizeof(bool));
    } else if (o && c->get_page == 4) {
        put_collections(c, o);
    } else if (o && is_whole(c)) {
        put_whole(c, o);
    } else {
        m_put_be(c, c->get_page, 4);
        m_put_be(c, 0, 4);
    }
}

static bool get_attributes(struct cmd *c)
{
    struct m_object *o = model_find(c->m, c->pid, c->first);
    uint64_t most;

    c->function = F_GET;
    if (!c->gets || c->list_attr)
        return true;
    if (c->a->in_len < c->in_at && c->alloc)
        m_put(c, NULL, c->in_at - c->a->in_len);
    most = c->a->in_len + c->alloc;
    if (c->format == 3)
        put_list(c);
    else
        put_in_page_format(c, o);
    if (c->a->in_len > most)
        c->a->in_len = most;
    if (c->alloc == 0)
        c->a->in_len = c->data_in;
    return true;
}

/* ---- timestamps (reference 9.3) ---- */

void m_stamp_always(struct cmd *c, struct m_object *o, unsigned bits)
{
    if (!bits)
        return;
    o = model_own(c->m, o);
    for (int i = 1; i <= 5; i++)
        if (bits & 1u << i && c->now > o->t[i])
            o->t[i] = c->now;
}

void m_stamp(struct cmd *c, struct m_object *o, unsigned bits)
{
    if (o && !c->bypass)
        m_stamp_always(c, o, bits);
}

static bool gets_something(const struct cmd *c)
{
    return c->gets && !c->list_attr && (c->format == 3 || c->get_page != M_CURRENT);
}

/* What the command does to the times of its object and of the partition. */
static void implied(struct cmd *c)
{
    static const unsigned own[O_MAX] = {
        [O_APPEND] = DM,          [O_CLEAR] = DM, [O_PUNCH] = DM,
        [O_WRITE] = DM,           [O_READ] = DA,  [O_LIST] = DA,
        [O_LIST_COLLECTION] = DA, [O_QUERY] = DA, [O_REMOVE_MEMBERS] = DM};
    static const unsigned partition[O_MAX] = {
        [O_APPEND] = DM,          [O_CLEAR] = DM,  [O_PUNCH] = DM,
        [O_WRITE] = DM,           [O_READ] = DA,   [O_CREATE] = DM,
        [O_CREATE_WRITE] = DM,    [O_COPY] = DM,   [O_CREATE_COLLECTION] = DM,
        [O_CREATE_TRACKING] = DM, [O_REMOVE] = DM, [O_REMOVE_COLLECTION] = DM,
        [O_REMOVE_MEMBERS] = DM};
    struct m_object *o = model_find(c->m, c->pid, c->first);
    unsigned bits = own[c->k->op] | (c->sets ? AM : 0) | c->touched;

    if (c->k->op == O_SET_MEMBERS || c->k->op == O_GET_MEMBERS)
        bits &= ~(c->touched);
    if (!c->k->creates)
        m_stamp(c, o, bits);
    if (c->sets && (c->k->op == O_SET_MEMBERS || c->k->op == O_GET_MEMBERS))
        for (size_t i = 0; i < c->target->n_members; i++)
            m_stamp(c, model_find(c->m, c->pid, c->target->members[i]), AM | c->touched);
    m_stamp(c, m_partition(c), partition[c->k->op] | c->touched);
}

static void after(struct cmd *c)
{
    for (size_t i = 0; i < c->n_got; i += 2)
        m_stamp(c, model_find(c->m, c->got[i], c->got[i + 1]), AA);
    if (gets_something(c))
        for (uint32_t i = 0; i < c->n; i++)
            m_stamp(c, model_find(c->m, c->pid, c->first + i), AA);
}

/* ---- all of it ---- */

static bool phases(struct cmd *c)
{
    uint64_t before = c->target && !c->k->creates ? model_used(c->m, c->target) : 0;
    struct m_object *o;
    bool remove = c->k->op == O_REMOVE || c->k->op == O_REMOVE_COLLECTION ||
                  c->k->op == O_REMOVE_PARTITION;

    if (c->k->op == O_GET || c->k->op == O_GET_MEMBERS)
        get_attributes(c);
    if (remove) {
        if (!set_attributes(c))
            return false;
        if (c->sets)
            implied(c);
        c->used_change = -(int64_t)before;
        get_attributes(c);
    }
    c->function = F_COMMAND;
    if (!m_work(c))
        return false;
    c->data_in = c->data_in ? c->data_in : remove ? 0 : c->a->in_len;
    if (!remove && !set_attributes(c))
        return false;
    o = model_find(c->m, c->pid, c->first);
    if (!remove && o)
        c->used_change = (int64_t)(model_used(c->m, o) * c->n - before);
    implied(c);
    if (!remove && c->k->op != O_GET && c->k->op != O_GET_MEMBERS)
        get_attributes(c);
    after(c);
    return true;
}

static bool find_target(struct cmd *c)
{
    c->function = F_COMMAND;
    if (c->k->op == O_CREATE_PARTITION)
        return true;
    if (!m_partition(c) || (c->k->creates && c->pid == 0))
        return BAD(c, 16);
    if (c->target || c->k->creates)
        return true;
    return c->type == M_ROOT || c->type == M_PARTITION ? BAD(c, 16) : BAD(c, 24);
}

static bool execute(struct cmd *c)
{
    struct m_object *p;
    bool sets, gets;

    if (!decode(c))
        return false;
    c->a->pid = c->k->target == T_ROOT ? 0 : c->pid;
    c->a->oid =
        c->k->target == T_ROOT || c->k->target == T_PARTITION || c->k->target == T_LISTED
            ? 0
            : c->oid;
    if (!segments(c) || !continuation(c))
        return false;
    c->m->now = c->now = c->r->now + (uint64_t)c->m->clock_offset;
    address(c);
    p = m_partition(c);
    c->bypass = c->timestamps == 0x7f || (p && p->bypass == 0x7f);
    if (!authorize(c) || !find_target(c))
        return false;
    /* Whether attributes are looked at before or after the work is of no consequence to the
     * state: one fault of each kind may be reported. */
    sets = authorize_sets(c);
    gets = authorize_gets(c);
    if (sets && gets && !m_query_check(c))
        return false;
    if (sets && gets)
        return phases(c);
    return false;
}

void model_execute(struct model *m, const struct m_request *r, struct m_answer *ret)
{
    struct cmd c = {.m = m, .r = r, .a = ret};
    int64_t offset_before = m->clock_offset;
    uint8_t *in = ret->in;
    bool *known = ret->known, ok;
    size_t cap_ = ret->in_cap;

    *ret = (struct m_answer){.in = in, .known = known, .in_cap = cap_};
    model_begin(m);
    ok = execute(&c);
    model_end(m, ok);
    if (!ok && c.accepted) {
        model_begin(m);
        m_track_failure(&c);
        model_end(m, true);
        ret->n_faults = 0;
    }
    if (!ok) {
        m->clock_offset = offset_before;
        ret->in_len = 0;
        ret->past_end = false;
    }
}

void model_answer_free(struct m_answer *a)
{
    free(a->in);
    free(a->known);
}
