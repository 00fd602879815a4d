/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/model_pages.c - attributes (reference 4)
 */
#include <string.h>

#include "pages.h"

enum what {
    W_LEARNED, /* the device's own, the same whenever asked */
    W_CONST,
    W_PID,
    W_OID,
    W_TEXT,   /* undefined until set, any length */
    W_STORED, /* fixed length, arg until set */
    W_FIRST,  /* fixed length, what was learned until set */
    W_USED,
    W_COUNT,
    W_LENGTH,
    W_CTYPE,
    W_TIME,
    W_CLOCK,
    W_MAX_LENGTH,
    W_CAPACITY,
    W_OBJECTS,
    W_PARTITIONS,
    W_COLLECTIONS,
    W_BYPASS,
    W_NAMED, /* learned (never empty) until set, any length */
    W_NONE,  /* undefined */
    W_TRACK, /* arg in tracking collections, undefined in others */
    W_SENSE, /* of a tracked command that failed; its bytes are not known */
};

#define S    0x01 /* settable */
#define G2   0x02 /* OSD-2 */
#define ZERO 0x04 /* partition zero has it */

struct row {
    uint32_t page, number, span;
    uint16_t len; /* 0: variable */
    uint8_t flags;
    enum what what;
    uint64_t arg;
};

#define P 0x30000000u
#define C 0x60000000u
#define R 0x90000000u

/* Ascending. */
static const struct row rows[] = {
    {1, 0x1, 1, 8, 0, W_PID, 0},
    {1, 0x2, 1, 8, 0, W_OID, 0},
    {1, 0x9, 1, 0, S, W_TEXT, 0},
    {1, 0x81, 1, 8, 0, W_USED, 0},
    {1, 0x82, 1, 8, S, W_LENGTH, 0},
    {1, 0x83, 1, 4, G2, W_CONST, 0},
    {1, 0xd1, 1, 8, G2, W_USED, 0},
    {2, 0x1, 1, 8, S, W_MAX_LENGTH, 0},
    {3, 0x1, 5, 6, 0, W_TIME, 0},
    {5, 0x40000001, 1, 4, S, W_STORED, 0},
    {6, 0x1, 1, 1, G2, W_CONST, 0},
    {6, 0x3, 2, 6, G2, W_CONST, 0},
    {P + 1, 0x1, 1, 8, ZERO, W_PID, 0},
    {P + 1, 0x9, 1, 0, S | ZERO, W_TEXT, 0},
    {P + 1, 0x81, 1, 8, 0, W_USED, 0},
    {P + 1, 0x83, 1, 4, G2, W_CONST, 0},
    {P + 1, 0x84, 1, 8, G2, W_CONST, M_BLOCK},
    {P + 1, 0xc1, 1, 8, 0, W_COUNT, 0},
    {P + 1, 0xd1, 1, 8, G2, W_USED, 0},
    {P + 1, 0x200, 2, 4, S | G2, W_STORED, 1},
    {P + 1, 0x300, 2, 4, S | G2, W_STORED, 0},
    {P + 1, 0x80000001, 1, 1, G2, W_CONST, 0},
    {P + 1, 0x80000002, 1, 8, G2, W_CONST, 0},
    {P + 2, 0x1, 1, 8, S, W_MAX_LENGTH, 0},
    {P + 2, 0x10001, 1, 8, S, W_CAPACITY, 0},
    {P + 2, 0x10002, 1, 8, S, W_OBJECTS, 0},
    {P + 2, 0x10081, 1, 4, S, W_COLLECTIONS, 0},
    {P + 3, 0x1, 5, 6, 0, W_TIME, 0},
    {P + 3, 0xfffffffe, 1, 1, S, W_BYPASS, 0},
    {P + 5, 0x1, 1, 1, S | ZERO, W_STORED, 0},
    {P + 5, 0x2, 2, 6, S | ZERO, W_FIRST, 0},
    {P + 5, 0x4, 1, 2, S | ZERO, W_STORED, 65535},
    {P + 5, 0x5, 1, 2, S | ZERO, W_STORED, 0},
    {P + 5, 0x7fff, 17, 7, ZERO, W_NONE, 0},
    {P + 5, 0x40000001, 2, 4, S | ZERO, W_STORED, 0},
    {P + 6, 0x1, 2, 1, G2, W_CONST, 0},
    {P + 6, 0x3, 3, 6, G2, W_CONST, 0},
    {P + 6, 0x6, 1, 8, G2, W_CONST, 0},
    {C + 1, 0x1, 1, 8, 0, W_PID, 0},
    {C + 1, 0x2, 1, 8, 0, W_OID, 0},
    {C + 1, 0x9, 1, 0, S, W_TEXT, 0},
    {C + 1, 0xa, 1, 1, G2, W_CTYPE, 0},
    {C + 1, 0x81, 1, 8, 0, W_USED, 0},
    {C + 1, 0x83, 1, 4, G2, W_CONST, 0},
    {C + 3, 0x1, 5, 6, 0, W_TIME, 0},
    {C + 4, 0x1, 1, 1, G2, W_TRACK, 100},
    {C + 4, 0x2, 2, 2, G2, W_TRACK, 0},
    {C + 4, 0x4, 1, 0, G2, W_SENSE, 0},
    {C + 4, 0x10, 4, 8, G2, W_TRACK, 0},
    {C + 5, 0x40000001, 1, 4, S, W_STORED, 0},
    {C + 6, 0x1, 1, 1, G2, W_CONST, 0},
    {C + 6, 0x3, 2, 6, G2, W_CONST, 0},
    {R + 1, 0x3, 1, 20, 0, W_LEARNED, 0},
    {R + 1, 0x4, 1, 8, 0, W_LEARNED, 0},
    {R + 1, 0x5, 1, 16, 0, W_LEARNED, 0},
    {R + 1, 0x6, 1, 32, 0, W_LEARNED, 0},
    {R + 1, 0x7, 1, 4, 0, W_LEARNED, 0},
    {R + 1, 0x8, 1, 0, 0, W_LEARNED, 0},
    {R + 1, 0x9, 1, 0, S, W_NAMED, 0},
    {R + 1, 0xa, 1, 4, G2, W_LEARNED, 0},
    {R + 1, 0x80, 1, 8, 0, W_LEARNED, 0},
    {R + 1, 0x81, 1, 8, 0, W_USED, 0},
    {R + 1, 0x83, 1, 4, G2, W_CONST, 0},
    {R + 1, 0xc0, 1, 8, 0, W_COUNT, 0},
    {R + 1, 0x100, 1, 6, 0, W_CLOCK, 0},
    {R + 1, 0x110, 1, 1, S | G2, W_STORED, 2},
    {R + 1, 0x111, 1, 32, G2, W_LEARNED, 0},
    {R + 1, 0x120, 3, 8, G2, W_LEARNED, 0},
    {R + 1, 0x123, 1, 1, G2, W_LEARNED, 0},
    {R + 1, 0x1c1, 2, 4, G2, W_LEARNED, 0},
    {R + 1, 0x1cc, 1, 4, G2, W_LEARNED, 0},
    {R + 1, 0x200, 0x100, 4, G2, W_LEARNED, 0},
    {R + 1, 0x300, 0x11, 4, G2, W_LEARNED, 0},
    {R + 1, 0x311, 1, 1, G2, W_LEARNED, 0},
    {R + 1, 0x7000001, 0xffff, 4, G2, W_LEARNED, 0},
    {R + 2, 0x1, 1, 8, S, W_MAX_LENGTH, 0},
    {R + 2, 0x10001, 1, 8, S, W_CAPACITY, 0},
    {R + 2, 0x10002, 1, 8, S, W_OBJECTS, 0},
    {R + 2, 0x10081, 1, 4, S, W_COLLECTIONS, 0},
    {R + 2, 0x20002, 1, 8, S, W_PARTITIONS, 0},
    {R + 3, 0x2, 2, 6, 0, W_TIME, 0},
    {R + 3, 0xfffffffe, 1, 1, S, W_BYPASS, 0},
    {R + 5, 0x1, 1, 1, S, W_STORED, 0},
    {R + 5, 0x2, 2, 6, 0, W_LEARNED, 0},
    {R + 5, 0x6, 1, 1, S, W_STORED, 0},
    {R + 5, 0x7, 1, 2, 0, W_LEARNED, 0},
    {R + 5, 0x9, 1, 6, S, W_CLOCK, 0},
    {R + 5, 0xa, 1, 2, G2, W_LEARNED, 0},
    {R + 5, 0x7ffd, 2, 7, 0, W_LEARNED, 0},
    {R + 5, 0x80000000, 32, 1, 0, W_LEARNED, 0},
    {R + 6, 0x1, 2, 1, G2, W_CONST, 0},
    {R + 6, 0x3, 3, 6, G2, W_CONST, 0},
    {R + 6, 0x6, 1, 8, G2, W_CONST, 0},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Standard pages: what the identification says where the reference has the words. */
static const struct {
    uint32_t page;
    uint8_t flags;
    const char *name;
} standard[] = {
    {0, 0, NULL},     {1, 0, "T10 User Object Information"},
    {2, 0, NULL},     {3, 0, NULL},
    {4, 0, NULL},     {5, 0, NULL},
    {6, G2, NULL},    {P, 0, NULL},
    {P + 1, 0, NULL}, {P + 2, 0, NULL},
    {P + 3, 0, NULL}, {P + 4, G2, NULL},
    {P + 5, 0, NULL}, {P + 6, G2, NULL},
    {C, 0, NULL},     {C + 1, 0, NULL},
    {C + 3, 0, NULL}, {C + 4, G2, NULL},
    {C + 5, 0, NULL}, {C + 6, G2, NULL},
    {R, 0, NULL},     {R + 1, 0, NULL},
    {R + 2, 0, NULL}, {R + 3, 0, NULL},
    {R + 5, 0, NULL}, {R + 6, G2, NULL},
};

static bool is_standard(int gen, uint32_t page, const char **ret_name)
{
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
        if (standard[i].page == page && (gen == 2 || !(standard[i].flags & G2))) {
            *ret_name = standard[i].name;
            return true;
        }
    return false;
}

uint8_t m_page_owner(uint32_t page)
{
    return page < P            ? M_USER
           : page < C          ? M_PARTITION
           : page < R          ? M_COLLECTION
           : page < 0xc0000000 ? M_ROOT
                               : 0;
}

bool m_page_fits(const struct m_object *o, uint8_t type, uint32_t page)
{
    uint8_t owner = m_page_owner(page);

    (void)o;
    if ((page >= 0xc0000000 && page < 0xf0000000) || page == M_ALL)
        return false;
    return owner == 0 || owner == type || (type == M_ROOT && owner == M_PARTITION);
}

bool m_is_client_page(uint32_t page)
{
    if (page >= 0xf0000000)
        return page < M_CURRENT;
    return page < 0xc0000000 && page % P >= 0x10000 && page % P <= 0x1fffffff;
}

static const struct row *find(int gen, const struct m_object *o, uint32_t page, uint32_t number)
{
    bool zero = o->pid == 0 && m_page_owner(page) == M_PARTITION;

    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].page == page && number >= rows[i].number &&
            number - rows[i].number < rows[i].span)
            return (rows[i].flags & G2 && gen == 1) || (zero && !(rows[i].flags & ZERO))
                       ? NULL
                       : &rows[i];
    return NULL;
}

/* ---- values ---- */

static void put_bytes(struct m_value *v, const void *p, uint32_t len)
{
    memcpy(v->bytes, p, len);
    v->len = v->known = len;
}

static void put_number(struct m_value *v, uint64_t n, uint32_t len)
{
    memset(v->bytes, 0, len);
    for (uint32_t i = 0; i < 8 && i < len; i++)
        v->bytes[len - 1 - i] = (uint8_t)(n >> 8 * i);
    v->len = v->known = len;
}

static const struct m_attr *learned(const struct m_view *v, uint32_t page, uint32_t number)
{
    for (size_t i = 0; i < v->m->n_learned; i++)
        if (v->m->learned[i].page == page && v->m->learned[i].number == number)
            return &v->m->learned[i];
    return NULL;
}

static void put_attr(struct m_value *ret, const struct m_attr *a)
{
    if (a)
        put_bytes(ret, a->value, a->len);
}

static uint64_t member(const struct m_object *o, enum what w, uint32_t number)
{
    switch (w) {
    case W_LENGTH:
        return o->length;
    case W_CTYPE:
        return o->collection_type;
    case W_TIME:
        return o->t[number];
    case W_MAX_LENGTH:
        return o->max_length;
    case W_CAPACITY:
        return o->capacity;
    case W_OBJECTS:
        return o->objects;
    case W_PARTITIONS:
        return o->partitions;
    case W_COLLECTIONS:
        return o->collections;
    case W_BYPASS:
        return o->bypass;
    case W_PID:
        return o->pid;
    default:
        return o->oid;
    }
}

static void get_row(const struct m_view *v, const struct m_object *o, const struct row *r,
                    uint32_t page, uint32_t number, struct m_value *ret)
{
    const struct m_attr *a = model_attr(o, page, number);

    switch (r->what) {
    case W_NONE:
        break;
    case W_LEARNED:
        put_attr(ret, learned(v, page, number));
        break;
    case W_CONST:
        put_number(ret, r->arg, r->len);
        break;
    case W_TEXT:
        put_attr(ret, a);
        break;
    case W_SENSE:
        put_attr(ret, a);
        ret->known = 0;
        break;
    case W_TRACK:
        if (o->collection_type != 1)
            break;
        /* fall through */
    case W_STORED:
        if (a)
            put_attr(ret, a);
        else
            put_number(ret, r->arg, r->len);
        break;
    case W_NAMED:
        put_attr(ret, a ? a : learned(v, page, number));
        break;
    case W_FIRST: /* of the partition: as in the root until set */
        put_attr(ret, a ? a : learned(v, R + 5, number));
        break;
    case W_USED:
        put_number(ret, model_used(v->m, o), 8);
        break;
    case W_COUNT:
        put_number(ret, model_count(v->m, o), 8);
        break;
    case W_CLOCK:
        put_number(ret, v->now, 6);
        break;
    default:
        put_number(ret, member(o, r->what, number), r->len);
    }
}

static void identification(const struct m_view *v, const struct m_object *o, uint32_t page,
                           struct m_value *ret)
{
    const char *name = NULL;

    if (!is_standard(v->gen, page, &name)) {
        put_attr(ret, model_attr(o, page, 0));
        return;
    }
    memset(ret->bytes, 0, 40);
    memcpy(ret->bytes, "INCITS  T10 ", 12);
    if (name)
        memcpy(ret->bytes + 8, name, strlen(name));
    ret->len = 40;
    ret->known = name ? 40 : 12;
}

static bool page_present(const struct m_view *v, const struct m_object *o, uint32_t page)
{
    uint32_t next = page;

    return m_next_page(v, o, &next) && next == page;
}

static void directory(const struct m_view *v, const struct m_object *o, uint32_t dir,
                      uint32_t page, struct m_value *ret)
{
    if (m_page_owner(page) != m_page_owner(dir) || !page_present(v, o, page))
        return;
    identification(v, o, page, ret);
    if (ret->len == 0)
        put_number(ret, 0, 40);
}

static void current(const struct m_view *v, uint32_t n, struct m_value *ret)
{
    const uint64_t numbers[] = {0, 0, v->type, v->pid, v->oid, v->append_start, v->used_change};

    if (n == 0 || n > 6 || (n == 6 && v->gen == 1))
        return;
    put_number(ret, numbers[n], n == 1 ? (v->gen == 1 ? 20 : 32) : n == 2 ? 1 : 8);
    if (n == 6)
        ret->known = 8;
}

/* The root object and partition zero have one default security method (reference 4.8). */
static uint32_t alias(const struct m_object *o, uint32_t page, uint32_t number)
{
    return o && o->pid == 0 && page == P + 5 && number == 1 ? R + 5 : page;
}

void m_get(const struct m_view *v, const struct m_object *o, uint32_t page, uint32_t number,
           struct m_value *ret)
{
    const struct row *r;
    const char *name;

    page = alias(o, page, number);
    ret->len = ret->known = 0;
    if (page == M_CURRENT) {
        current(v, number, ret);
        return;
    }
    if (!o || !m_page_fits(o, o->type, page))
        return;
    if (m_is_client_page(page)) {
        put_attr(ret, model_attr(o, page, number));
        return;
    }
    if (number == 0) {
        if (is_standard(v->gen, page, &name))
            identification(v, o, page, ret);
        return;
    }
    if (page < 0xc0000000 && page % P == 0) {
        directory(v, o, page, number, ret);
        return;
    }
    r = find(v->gen, o, page, number);
    if (r)
        get_row(v, o, r, page, number, ret);
    else if (page == 4 || (page == P + 4 && v->gen == 2))
        put_attr(ret, model_attr(o, page, number));
}

static bool defined(const struct m_view *v, const struct m_object *o, uint32_t page,
                    uint32_t number)
{
    static struct m_value value;

    m_get(v, o, page, number, &value);
    return value.len > 0;
}

/* The least number >= from that a table or the object has for the page. */
static bool candidate(const struct m_view *v, const struct m_object *o, uint32_t page,
                      uint32_t from, uint32_t *ret)
{
    uint64_t best = UINT64_MAX;

    if (from == 0 && page != 0)
        best = 0;
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *r = &rows[i];
        uint32_t n = r->number > from ? r->number : from;
        if (r->page != page || n - r->number >= r->span)
            continue;
        if (r->what == W_LEARNED) { /* long spans: go from one learned to the next */
            for (size_t k = 0; k < v->m->n_learned; k++) {
                const struct m_attr *a = &v->m->learned[k];
                if (a->page == page && a->number >= n && a->number - r->number < r->span &&
                    a->number < best)
                    best = a->number;
            }
        } else if (n < best) {
            best = n;
        }
    }
    for (size_t i = 0; i < o->n_attrs; i++)
        if (o->attrs[i].page == page && o->attrs[i].number >= from && o->attrs[i].number < best)
            best = o->attrs[i].number;
    *ret = (uint32_t)best;
    return best < M_ALL;
}

static bool next_current(const struct m_view *v, uint32_t *number)
{
    if (*number == 0)
        *number = 1;
    return *number <= (v->gen == 1 ? 5u : 6u);
}

bool m_next(const struct m_view *v, const struct m_object *o, uint32_t page, uint32_t *number)
{
    uint32_t n = *number;

    if (page == M_CURRENT)
        return next_current(v, number);
    if (!o || !m_page_fits(o, o->type, page))
        return false;
    if (page < 0xc0000000 && page % P == 0) {
        uint32_t p = n > page ? n : page;
        if (n == 0 && page != 0)
            return true; /* its own identification */
        if (!m_next_page(v, o, &p) || m_page_owner(p) != m_page_owner(page))
            return false;
        *number = p;
        return true;
    }
    while (candidate(v, o, page, n, &n)) {
        if (defined(v, o, page, n)) {
            *number = n;
            return true;
        }
        n++;
    }
    return false;
}

bool m_next_page(const struct m_view *v, const struct m_object *o, uint32_t *page)
{
    uint64_t best = UINT64_MAX;

    if (!o)
        return false;
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
        if (standard[i].page >= *page && m_page_owner(standard[i].page) == o->type &&
            standard[i].page < best && (v->gen == 2 || !(standard[i].flags & G2)))
            best = standard[i].page;
    for (size_t i = 0; i < o->n_attrs; i++)
        if (o->attrs[i].page >= *page && o->attrs[i].page < best &&
            m_is_client_page(o->attrs[i].page) && m_page_owner(o->attrs[i].page) == o->type)
            best = o->attrs[i].page;
    *page = (uint32_t)best;
    return best != UINT64_MAX;
}

/* ---- setting ---- */

static uint64_t number_of(const uint8_t *p, uint32_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

static struct m_object *partition_of(const struct m_view *v, const struct m_object *o)
{
    return model_find(v->m, o->pid, 0);
}

/* Whether the partition has room for grow more bytes. */
static bool has_room(const struct m_view *v, const struct m_object *o, int64_t grow)
{
    struct m_object *p = partition_of(v, o);

    return o->pid == 0 || grow <= 0 || model_used(v->m, p) + (uint64_t)grow <= p->capacity;
}

static enum m_set store(const struct m_view *v, struct m_object *o, uint32_t page,
                        uint32_t number, const void *value, uint32_t len)
{
    const struct m_attr *a = model_attr(o, page, number);
    int64_t before = a ? 16 + (int64_t)a->len : 0, after = len ? 16 + (int64_t)len : 0;

    if (!has_room(v, o, after - before))
        return M_SET_CAPACITY;
    model_put_attr(o, page, number, value, len);
    return M_SET_OK;
}

static enum m_set set_client(const struct m_view *v, struct m_object *o, uint32_t page,
                             uint32_t number, const uint8_t *value, uint32_t len)
{
    uint8_t name[40] = {0};

    if (len > M_VALUE_MAX)
        return M_SET_REFUSED;
    if (number != 0 || len == 0)
        return store(v, o, page, number, value, len);
    if (len > 40 || (len == 40 && !memchr(value, 0, 40)))
        return M_SET_REFUSED;
    memcpy(name, value, len);
    return store(v, o, page, 0, name, 40);
}

/* What happens to the members is data of a collection. */
static void change_members(const struct m_view *v, struct m_object *c, uint64_t oid,
                           bool member)
{
    c = model_own(v->m, c);
    model_set_member(c, oid, member);
    if (!v->bypass && v->now > c->t[5])
        c->t[5] = v->now;
}

static enum m_set set_membership(const struct m_view *v, struct m_object *o, uint32_t number,
                                 const uint8_t *value, uint32_t len)
{
    const struct m_attr *a = model_attr(o, 4, number);
    uint64_t old = a ? number_of(a->value, 8) : 0, cid = len == 8 ? number_of(value, 8) : 0;
    struct m_object *c;
    size_t n = 0;

    if (number > 0xffffff00 || (len != 0 && len != 8))
        return M_SET_REFUSED;
    if ((len == 8 && old && cid == old) || (len == 0 && !old))
        return M_SET_OK;
    c = len == 8 ? model_find(v->m, o->pid, cid) : NULL;
    if (len == 8 && (!c || c->type != M_COLLECTION || c->collection_type != 0 ||
                     model_is_member(c, o->oid)))
        return M_SET_REFUSED;
    for (size_t i = 0; i < o->n_attrs; i++)
        n += o->attrs[i].page == 4;
    if (c && !old && n + 1 > partition_of(v, o)->collections)
        return M_SET_MEMBERSHIPS;
    if (!has_room(v, o, a ? (len ? 0 : -24) : 24))
        return M_SET_CAPACITY;
    if (c)
        change_members(v, c, o->oid, true);
    if (old)
        change_members(v, model_find(v->m, o->pid, old), o->oid, false);
    return store(v, o, 4, number, value, len);
}

static enum m_set set_length(struct m_object *o, uint64_t length, unsigned *ret_touch)
{
    if (length > o->length && length > o->max_length)
        return M_SET_LENGTH;
    if (length > 1ULL << 60)
        return M_SET_LENGTH;
    model_truncate(o, length);
    *ret_touch |= 1u << 5;
    return M_SET_OK;
}

static bool supports(const struct m_view *v, unsigned method)
{
    const struct m_attr *methods = learned(v, R + 5, 0x7);

    return methods && number_of(methods->value, methods->len) >> method & 1;
}

static bool bad_value(const struct m_view *v, const struct row *r, uint32_t number, uint64_t n)
{
    const struct m_attr *limit;

    switch (r->what) {
    case W_BYPASS:
        return n != 0 && n != 0x7f && n < 0xe0;
    case W_CONST: /* the only security method of a device without keys */
        return n != 0;
    case W_FIRST:
        limit = learned(v, R + 5, number);
        return limit && n > number_of(limit->value, limit->len);
    case W_STORED:
        if (r->page % P == 5 && r->len == 1) /* default methods: one that is supported */
            return n > 15 || !supports(v, (unsigned)n);
        if (r->page == P + 1) /* methods and times of duplication that are offered */
            return number < 0x300 ? n != 1 && (n < 0xfd || n > 0xff) : n != 0;
        return r->page == R + 1 && n != 1 && n != 2 && n != 4 && n != 5;
    default:
        return false;
    }
}

static enum m_set set_row(const struct m_view *v, struct m_object *o, const struct row *r,
                          uint32_t number, const uint8_t *value, uint32_t len,
                          unsigned *ret_touch)
{
    uint64_t n = number_of(value, len < 8 ? len : 8);

    if (r->len && bad_value(v, r, number, n))
        return M_SET_REFUSED;
    switch (r->what) {
    case W_LENGTH:
        return set_length(o, n, ret_touch);
    case W_MAX_LENGTH:
        o->max_length = n;
        return M_SET_OK;
    case W_CAPACITY:
        o->capacity = n;
        return M_SET_OK;
    case W_OBJECTS:
        o->objects = n;
        return M_SET_OK;
    case W_PARTITIONS:
        o->partitions = n;
        return M_SET_OK;
    case W_COLLECTIONS:
        o->collections = (uint32_t)n;
        return M_SET_OK;
    case W_BYPASS:
        o->bypass = (uint8_t)n;
        return M_SET_OK;
    case W_CONST:
        return M_SET_OK;
    case W_CLOCK:
        v->m->clock_offset += (int64_t)(n - v->now);
        return M_SET_OK;
    default:
        return store(v, o, r->page, number, value, len);
    }
}

enum m_set m_set(const struct m_view *v, struct m_object *o, uint32_t page, uint32_t number,
                 const uint8_t *value, uint32_t len, unsigned *ret_touch)
{
    const struct row *r;

    page = alias(o, page, number);
    if (!m_page_fits(o, o->type, page) || page == M_CURRENT || number == M_ALL)
        return M_SET_REFUSED;
    if (m_is_client_page(page))
        return set_client(v, o, page, number, value, len);
    if (number == 0)
        return M_SET_REFUSED;
    if (page == 4)
        return set_membership(v, o, number, value, len);
    if (page == P + 4 && v->gen == 2)
        return len % 8 || len > M_VALUE_MAX ? M_SET_REFUSED
                                            : store(v, o, page, number, value, len);
    r = find(v->gen, o, page, number);
    if (!r || !(r->flags & S) || (r->len && len != r->len) || len > M_VALUE_MAX)
        return M_SET_REFUSED;
    return set_row(v, o, r, number, value, len, ret_touch);
}

/* ---- page format (reference 4.5, 4.6, 4.8, 4.9) ---- */

struct field {
    uint32_t number;
    uint16_t at, len;
};

static const struct field f_quotas[] = {{0x1, 8, 8},      {0x10001, 16, 8}, {0x10002, 24, 8},
                                        {0x10081, 32, 4}, {0x20002, 36, 8}, {0}};
static const struct field f_times_r[] = {{2, 8, 6}, {3, 14, 6}, {0xfffffffe, 20, 1}, {0}};
static const struct field f_times[] = {{1, 8, 6},  {2, 14, 6},          {3, 20, 6}, {4, 26, 6},
                                       {5, 32, 6}, {0xfffffffe, 38, 1}, {0}};
static const struct field f_security_r[] = {
    {0x1, 8, 1},         {0x6, 9, 1},         {0x7, 10, 2},        {0x2, 12, 6},
    {0x3, 18, 6},        {0x7ffd, 25, 7},     {0x7ffe, 32, 7},     {0x80000000, 39, 1},
    {0x80000001, 40, 1}, {0x80000002, 41, 1}, {0x80000003, 42, 1}, {0x80000010, 55, 1},
    {0x80000011, 56, 1}, {0x80000012, 57, 1}, {0xa, 72, 2},        {0}};
static const struct field f_security_p1[] = {
    {0x1, 11, 1}, {0x2, 12, 6},         {0x3, 18, 6},         {0x4, 24, 2},
    {0x5, 26, 2}, {0x40000001, 150, 4}, {0x40000002, 154, 4}, {0}};
static const struct field f_security_p2[] = {
    {0x1, 11, 1}, {0x2, 12, 6},        {0x3, 18, 6},        {0x4, 24, 2},
    {0x5, 26, 2}, {0x40000001, 28, 4}, {0x40000002, 32, 4}, {0}};
static const struct field f_tag[] = {{0x40000001, 8, 4}, {0}};
static const struct field f_recovery_rp[] = {{6, 8, 8},  {1, 16, 1}, {2, 17, 1}, {3, 18, 6},
                                             {4, 24, 6}, {5, 30, 6}, {0}};
static const struct field f_recovery[] = {{1, 8, 1}, {3, 10, 6}, {4, 16, 6}, {0}};

static const struct layout {
    uint32_t page;
    int gen; /* 0: both */
    uint16_t total;
    const struct field *fields;
} layouts[] = {
    {R + 2, 0, 44, f_quotas},
    {P + 2, 0, 36, f_quotas},
    {2, 0, 16, f_quotas},
    {R + 3, 0, 21, f_times_r},
    {P + 3, 0, 39, f_times},
    {C + 3, 0, 38, f_times},
    {3, 0, 38, f_times},
    {R + 5, 1, 71, f_security_r},
    {R + 5, 2, 74, f_security_r},
    {P + 5, 1, 158, f_security_p1},
    {P + 5, 2, 158, f_security_p2},
    {C + 5, 0, 12, f_tag},
    {5, 0, 12, f_tag},
    {R + 6, 2, 36, f_recovery_rp},
    {P + 6, 2, 36, f_recovery_rp},
    {C + 6, 2, 22, f_recovery},
    {6, 2, 22, f_recovery},
};

bool m_layout(const struct m_view *v, const struct m_object *o, uint32_t page, uint8_t *ret,
              bool *known, size_t *ret_len)
{
    static struct m_value value;
    const struct layout *l = NULL;

    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].page == page && (!layouts[i].gen || layouts[i].gen == v->gen))
            l = &layouts[i];
    if (!l)
        return false;
    memset(ret, 0, l->total);
    for (int i = 0; i < 4; i++)
        ret[i] = (uint8_t)(page >> 8 * (3 - i));
    ret[7] = (uint8_t)(l->total - 8);
    for (size_t i = 0; i < l->total; i++)
        known[i] = true;
    for (const struct field *f = l->fields; f->number; f++) {
        if (f->at + f->len > l->total)
            break;
        m_get(v, o, page, f->number, &value);
        if (value.len == f->len)
            memcpy(ret + f->at, value.bytes, f->len);
    }
    /* Which keys there are is said by bits whose values come with the keys. */
    if (page == R + 5)
        known[24] = false;
    *ret_len = l->total;
    return true;
}
