/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages.c - what every attribute is (reference 4)
 *
 * Standard pages are tables of (number, length, getter, setter). Values that the store keeps in
 * its metadata come from there, settable ones without a place in it are stored as attributes
 * under their own page and number. Client pages are stored attributes and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "continuation.h"

#define FIRST_CLIENT 0x10000u    /* offsets of client-defined pages ... */
#define LAST_CLIENT  0x1fffffffu /* ... reference 4.1 */
#define VALUE_MAX    (OSD_ATTR_VALUE_MAX + 1u)
#define POLICY_TAG   0x40000001u
#define GEN2         0x01 /* OSD-2 only */
#define ZERO         0x02 /* partition zero has it too */
#define DEFAULT_NAME "liosd"
#define MODEL        "liosd object storage device"

struct row;

/* One attribute being got or set. */
struct ask {
    struct command *c;
    const struct attr_object *o;
    struct osd_attr_id id;
    const struct row *row;
};

typedef osd_status (*getter)(const struct ask *a, struct attr_value *ret);
typedef osd_status (*setter)(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why);

struct row {
    uint32_t number;
    uint32_t span; /* so many numbers from there on */
    uint16_t len;  /* 0: variable */
    uint8_t flags;
    getter get;
    setter set; /* NULL: clients cannot */
    uint64_t arg;
};

struct page {
    uint32_t page;
    const char *name;
    const struct row *rows;
    size_t n;
    bool stored; /* numbers not in rows are stored, values multiples of 8 */
};

/* ---- getters ---- */

static osd_status number(const struct ask *a, uint64_t v, struct attr_value *ret)
{
    uint32_t len = a->row->len;

    for (uint32_t i = 0; i < len; i++)
        a->c->small[i] = len - 1 - i < 8 ? (uint8_t)(v >> 8 * (len - 1 - i)) : 0;
    *ret = (struct attr_value){.data = a->c->small, .len = len};
    return OSD_OK;
}

static osd_status text(struct attr_value *ret, const char *s)
{
    *ret = (struct attr_value){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
    return OSD_OK;
}

/* ASCII of fixed length: left aligned, padded with spaces. */
static osd_status padded(const struct ask *a, const char *s, struct attr_value *ret)
{
    memset(a->c->small, ' ', a->row->len);
    memcpy(a->c->small, s, strnlen(s, a->row->len));
    *ret = (struct attr_value){.data = a->c->small, .len = a->row->len};
    return OSD_OK;
}

static osd_status load_meta(const struct ask *a, struct store_meta *ret)
{
    struct command *c = a->c;
    osd_status st = OSD_OK;

    if (!c->cache_valid || c->cache_id.pid != a->o->id.pid || c->cache_id.oid != a->o->id.oid) {
        st = ops_of(c)->get_meta(c->txn, a->o->id, &c->cache);
        c->cache_id = a->o->id;
        c->cache_valid = st == OSD_OK;
    }
    *ret = c->cache;
    return st;
}

/* A member of struct store_meta; arg is its offset, the row's length decides its type. */
static osd_status get_meta(const struct ask *a, struct attr_value *ret)
{
    struct store_meta m;
    const uint8_t *p = (const uint8_t *)&m + a->row->arg;
    osd_status st = load_meta(a, &m);
    uint64_t v;

    if (st)
        return st;
    if (a->row->len == 1) {
        v = *p;
    } else if (a->row->len == 4) {
        uint32_t v32;
        memcpy(&v32, p, sizeof(v32));
        v = v32;
    } else {
        memcpy(&v, p, sizeof(v));
    }
    return number(a, v, ret);
}

static osd_status load_stored(struct command *c, struct store_id id, struct osd_attr_id attr,
                              struct attr_value *ret)
{
    const struct store_ops *ops = ops_of(c);
    uint8_t *dst = c->small;
    uint32_t len;
    osd_status st =
        ops->get_attr(c->txn, id, attr.page, attr.number, dst, sizeof(c->small), &len);

    *ret = (struct attr_value){0};
    if (st == OSD_E_NOT_FOUND)
        return OSD_OK;
    if (st == OSD_OK && len > sizeof(c->small)) {
        if (!c->big && !(c->big = malloc(VALUE_MAX)))
            return OSD_E_NOMEM;
        dst = c->big;
        st = ops->get_attr(c->txn, id, attr.page, attr.number, dst, VALUE_MAX, &len);
    }
    if (st == OSD_OK)
        *ret = (struct attr_value){.data = dst, .len = len};
    return st;
}

static osd_status get_stored(const struct ask *a, struct attr_value *ret)
{
    return load_stored(a->c, a->o->id, a->id, ret);
}

static osd_status get_const(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->row->arg, ret);
}

/* Stored, or else arg. */
static osd_status get_default(const struct ask *a, struct attr_value *ret)
{
    osd_status st = get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? get_const(a, ret) : st;
}

static osd_status get_undefined(const struct ask *a, struct attr_value *ret)
{
    *ret = (struct attr_value){0};
    return OSD_OK;
}

static osd_status get_pid(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->o->id.pid, ret);
}

static osd_status get_oid(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->o->id.oid, ret);
}

static osd_status get_system_id(const struct ask *a, struct attr_value *ret)
{
    *ret = (struct attr_value){.data = a->c->dev->system_id, .len = OSD_SYSTEM_ID_LEN};
    return OSD_OK;
}

static osd_status get_vendor(const struct ask *a, struct attr_value *ret)
{
    return padded(a, a->c->dev->identity.vendor, ret);
}

static osd_status get_product(const struct ask *a, struct attr_value *ret)
{
    return padded(a, a->c->dev->identity.product, ret);
}

static osd_status get_model(const struct ask *a, struct attr_value *ret)
{
    return padded(a, MODEL, ret);
}

static osd_status get_revision(const struct ask *a, struct attr_value *ret)
{
    return padded(a, a->c->dev->identity.revision, ret);
}

static osd_status get_serial(const struct ask *a, struct attr_value *ret)
{
    return text(ret, a->c->dev->identity.serial);
}

/* Never empty: deployed initiators stop at an undefined attribute (reference 10 row 31). */
static osd_status get_name(const struct ask *a, struct attr_value *ret)
{
    osd_status st = get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? text(ret, DEFAULT_NAME) : st;
}

static osd_status get_capacity(const struct ask *a, struct attr_value *ret)
{
    struct store_info info;

    ops_of(a->c)->info(a->c->dev->store, &info);
    return number(a, info.capacity, ret);
}

static osd_status get_clock(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->c->set_clock ? a->c->new_clock : a->c->now, ret);
}

static osd_status get_isolation_methods(const struct ask *a, struct attr_value *ret)
{
    memset(a->c->small, 0, a->row->len);
    a->c->small[0] =
        0x6c; /* none, strict, range, functional: commands on an object are serial */
    *ret = (struct attr_value){.data = a->c->small, .len = a->row->len};
    return OSD_OK;
}

static osd_status get_methods(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->c->dev->security->supported, ret);
}

static osd_status get_default_method(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->c->dev->security->default_method, ret);
}

static osd_status get_oldest(const struct ask *a, struct attr_value *ret)
{
    osd_status st = get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? number(a, a->c->dev->security->oldest_nonce_ms, ret)
                                         : st;
}

static osd_status get_newest(const struct ask *a, struct attr_value *ret)
{
    osd_status st = get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? number(a, a->c->dev->security->newest_nonce_ms, ret)
                                         : st;
}

static osd_status get_epoch(const struct ask *a, struct attr_value *ret)
{
    return number(a, a->c->dev->boot_epoch, ret);
}

/* ---- setters ---- */

static osd_status refuse(enum attr_refusal why, enum attr_refusal *ret_why)
{
    *ret_why = why;
    return OSD_E_DENIED;
}

static osd_status set_stored(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    (void)ret_why;
    return ops_of(a->c)->set_attr(a->c->txn, a->o->id, a->id.page, a->id.number, value, len);
}

static uint64_t be_value(const uint8_t *p, uint32_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

static osd_status set_meta(const struct ask *a, const uint8_t *value, uint32_t len,
                           enum attr_refusal *ret_why)
{
    const struct store_ops *ops = ops_of(a->c);
    struct store_meta m;
    uint8_t *p = (uint8_t *)&m + a->row->arg;
    uint64_t v = be_value(value, len);
    osd_status st = ops->get_meta(a->c->txn, a->o->id, &m);

    (void)ret_why;
    if (st)
        return st;
    if (len == 1) {
        *p = (uint8_t)v;
    } else if (len == 4) {
        uint32_t v32 = (uint32_t)v;
        memcpy(p, &v32, sizeof(v32));
    } else {
        memcpy(p, &v, sizeof(v));
    }
    return ops->put_meta(a->c->txn, a->o->id, &m);
}

static osd_status set_bypass(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    if (value[0] != 0 && value[0] != 0x7f && value[0] < 0xe0)
        return refuse(REFUSE_VALUE, ret_why);
    return set_meta(a, value, len, ret_why);
}

static osd_status set_length(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    (void)ret_why;
    a->c->touch |= STORE_TOUCH_DATA_MODIFIED;
    return ops_of(a->c)->truncate(a->c->txn, a->o->id, be_value(value, len));
}

static osd_status set_method(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    (void)len;
    if (value[0] > 15 || !(a->c->dev->security->supported >> value[0] & 1))
        return refuse(REFUSE_VALUE, ret_why);
    return OSD_OK;
}

static osd_status set_isolation(const struct ask *a, const uint8_t *value, uint32_t len,
                                enum attr_refusal *ret_why)
{
    if (value[0] != 1 && value[0] != 2 && value[0] != 4 && value[0] != 5)
        return refuse(REFUSE_VALUE, ret_why);
    return set_stored(a, value, len, ret_why);
}

/* A nonce window of a partition lies inside that of the root. */
static osd_status set_window(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    const struct security_ops *s = a->c->dev->security;
    uint64_t limit = a->id.number == 2 ? s->oldest_nonce_ms : s->newest_nonce_ms;

    if (be_value(value, len) > limit)
        return refuse(REFUSE_VALUE, ret_why);
    return set_stored(a, value, len, ret_why);
}

/* Takes effect when the command has committed. */
static osd_status set_clock(const struct ask *a, const uint8_t *value, uint32_t len,
                            enum attr_refusal *ret_why)
{
    (void)ret_why;
    a->c->set_clock = true;
    a->c->new_clock = be_value(value, len);
    return OSD_OK;
}

/* ---- tables ---- */

#define M(member) offsetof(struct store_meta, member)

static const struct row information_r[] = {
    {0x3, 1, 20, 0, get_system_id, NULL, 0},
    {0x4, 1, 8, 0, get_vendor, NULL, 0},
    {0x5, 1, 16, 0, get_product, NULL, 0},
    {0x6, 1, 32, 0, get_model, NULL, 0},
    {0x7, 1, 4, 0, get_revision, NULL, 0},
    {0x8, 1, 0, 0, get_serial, NULL, 0},
    {0x9, 1, 0, 0, get_name, set_stored, 0},
    {0xa, 1, 4, GEN2, get_const, NULL, CONTINUATION_MAX},
    {0x80, 1, 8, 0, get_capacity, NULL, 0},
    {0x81, 1, 8, 0, get_meta, NULL, M(used)},
    {0x83, 1, 4, GEN2, get_const, NULL, 0},
    {0xc0, 1, 8, 0, get_meta, NULL, M(count)},
    {0x100, 1, 6, 0, get_clock, NULL, 0},
    {0x110, 1, 1, GEN2, get_default, set_isolation, 2},
    {0x111, 1, 32, GEN2, get_isolation_methods, NULL, 0},
    {0x120, 1, 8, GEN2, get_const, NULL, STORE_LENGTH_MAX},
    {0x121, 1, 8, GEN2, get_const, NULL, 1},
    {0x122, 1, 8, GEN2, get_const, NULL, OSD_ATTR_VALUE_MAX},
    {0x123, 1, 1, GEN2, get_const, NULL, 1},
    {0x7000001, 1, 4, GEN2, get_const, NULL, CONTINUATION_MAX - CONTINUATION_HEAD - 8},
};

static const struct row information_p[] = {
    {0x1, 1, 8, ZERO, get_pid, NULL, 0},       {0x9, 1, 0, ZERO, get_stored, set_stored, 0},
    {0x81, 1, 8, 0, get_meta, NULL, M(used)},  {0x83, 1, 4, GEN2, get_const, NULL, 0},
    {0xc1, 1, 8, 0, get_meta, NULL, M(count)},
};

static const struct row information_c[] = {
    {0x1, 1, 8, 0, get_pid, NULL, 0},          {0x2, 1, 8, 0, get_oid, NULL, 0},
    {0x9, 1, 0, 0, get_stored, set_stored, 0}, {0xa, 1, 1, GEN2, get_meta, NULL, M(type)},
    {0x81, 1, 8, 0, get_meta, NULL, M(used)},  {0x83, 1, 4, GEN2, get_const, NULL, 0},
};

static const struct row information_u[] = {
    {0x1, 1, 8, 0, get_pid, NULL, 0},
    {0x2, 1, 8, 0, get_oid, NULL, 0},
    {0x9, 1, 0, 0, get_stored, set_stored, 0},
    {0x81, 1, 8, 0, get_meta, NULL, M(used)},
    {0x82, 1, 8, 0, get_meta, set_length, M(length)},
    {0x83, 1, 4, GEN2, get_const, NULL, 0},
};

static const struct row quotas_r[] = {
    {0x1, 1, 8, 0, get_meta, set_meta, M(max_length)},
    {0x10001, 1, 8, 0, get_meta, set_meta, M(capacity_quota)},
    {0x10002, 1, 8, 0, get_meta, set_meta, M(object_quota)},
    {0x10081, 1, 4, 0, get_meta, set_meta, M(collections_quota)},
    {0x20002, 1, 8, 0, get_meta, set_meta, M(partition_quota)},
};

static const struct row quotas_p[] = {
    {0x1, 1, 8, 0, get_meta, set_meta, M(max_length)},
    {0x10001, 1, 8, 0, get_meta, set_meta, M(capacity_quota)},
    {0x10002, 1, 8, 0, get_meta, set_meta, M(object_quota)},
    {0x10081, 1, 4, 0, get_meta, set_meta, M(collections_quota)},
};

static const struct row quotas_u[] = {
    {0x1, 1, 8, 0, get_meta, set_meta, M(max_length)},
};

static const struct row times_r[] = {
    {0x2, 1, 6, 0, get_meta, NULL, M(attr_accessed)},
    {0x3, 1, 6, 0, get_meta, NULL, M(attr_modified)},
    {0xfffffffe, 1, 1, 0, get_meta, set_bypass, M(time_bypass)},
};

static const struct row times_p[] = {
    {0x1, 1, 6, 0, get_meta, NULL, M(created)},
    {0x2, 1, 6, 0, get_meta, NULL, M(attr_accessed)},
    {0x3, 1, 6, 0, get_meta, NULL, M(attr_modified)},
    {0x4, 1, 6, 0, get_meta, NULL, M(data_accessed)},
    {0x5, 1, 6, 0, get_meta, NULL, M(data_modified)},
    {0xfffffffe, 1, 1, 0, get_meta, set_bypass, M(time_bypass)},
};

static const struct row times_cu[] = {
    {0x1, 1, 6, 0, get_meta, NULL, M(created)},
    {0x2, 1, 6, 0, get_meta, NULL, M(attr_accessed)},
    {0x3, 1, 6, 0, get_meta, NULL, M(attr_modified)},
    {0x4, 1, 6, 0, get_meta, NULL, M(data_accessed)},
    {0x5, 1, 6, 0, get_meta, NULL, M(data_modified)},
};

static const struct row security_r[] = {
    {0x1, 1, 1, 0, get_default_method, set_method, 0},
    {0x2, 1, 6, 0, get_oldest, NULL, 0},
    {0x3, 1, 6, 0, get_newest, NULL, 0},
    {0x6, 1, 1, 0, get_default_method, set_method, 0},
    {0x7, 1, 2, 0, get_methods, NULL, 0},
    {0x9, 1, 6, 0, get_clock, set_clock, 0},
    {0xa, 1, 2, GEN2, get_epoch, NULL, 0},
    {0x7ffd, 2, 7, 0, get_undefined, NULL, 0},
    {0x80000000, 32, 1, 0, get_const, NULL, 0},
};

static const struct row security_p[] = {
    {0x1, 1, 1, ZERO, get_default_method, set_method, 0},
    {0x2, 1, 6, ZERO, get_oldest, set_window, 0},
    {0x3, 1, 6, ZERO, get_newest, set_window, 0},
    {0x4, 1, 2, ZERO, get_default, set_stored, 0},
    {0x5, 1, 2, ZERO, get_default, set_stored, 0},
    {0x7fff, 17, 7, ZERO, get_undefined, NULL, 0},
    {POLICY_TAG, 2, 4, ZERO, get_default, set_stored, 0},
};

static const struct row security_cu[] = {
    {POLICY_TAG, 1, 4, 0, get_default, set_stored, 0},
};

#define ROWS(a) (a), sizeof(a) / sizeof((a)[0])
#define R(x)    (OSD_PAGE_R + (x))
#define P(x)    (OSD_PAGE_P + (x))
#define C(x)    (OSD_PAGE_C + (x))
#define U(x)    (OSD_PAGE_U + (x))

static const struct page pages[] = {
    /* ascending */
    {U(OSD_PG_DIRECTORY), "User Object Directory", NULL, 0, false},
    {U(OSD_PG_INFORMATION), "User Object Information", ROWS(information_u), false},
    {U(OSD_PG_QUOTAS), "User Object Quotas", ROWS(quotas_u), false},
    {U(OSD_PG_TIMESTAMPS), "User Object Timestamps", ROWS(times_cu), false},
    {U(OSD_PG_SECURITY), "User Object Policy/Security", ROWS(security_cu), false},
    {P(OSD_PG_DIRECTORY), "Partition Directory", NULL, 0, false},
    {P(OSD_PG_INFORMATION), "Partition Information", ROWS(information_p), false},
    {P(OSD_PG_QUOTAS), "Partition Quotas", ROWS(quotas_p), false},
    {P(OSD_PG_TIMESTAMPS), "Partition Timestamps", ROWS(times_p), false},
    {P(OSD_PG_COLLECTIONS), "Partition Attributes Access", NULL, 0, true},
    {P(OSD_PG_SECURITY), "Partition Policy/Security", ROWS(security_p), false},
    {C(OSD_PG_DIRECTORY), "Collection Directory", NULL, 0, false},
    {C(OSD_PG_INFORMATION), "Collection Information", ROWS(information_c), false},
    {C(OSD_PG_TIMESTAMPS), "Collection Timestamps", ROWS(times_cu), false},
    {C(OSD_PG_SECURITY), "Collection Policy/Security", ROWS(security_cu), false},
    {R(OSD_PG_DIRECTORY), "Root Directory", NULL, 0, false},
    {R(OSD_PG_INFORMATION), "Root Information", ROWS(information_r), false},
    {R(OSD_PG_QUOTAS), "Root Quotas", ROWS(quotas_r), false},
    {R(OSD_PG_TIMESTAMPS), "Root Timestamps", ROWS(times_r), false},
    {R(OSD_PG_SECURITY), "Root Policy/Security", ROWS(security_r), false},
};
#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

static const struct page *find_page(uint32_t page)
{
    for (size_t i = 0; i < N_PAGES; i++)
        if (pages[i].page == page)
            return &pages[i];
    return NULL;
}

static bool is_zero_partition(const struct attr_object *o, uint32_t page)
{
    return o->id.pid == 0 && osd_page_owner(page) == OSD_TYPE_PARTITION;
}

static const struct row *find_row(const struct ask *a)
{
    const struct page *p = find_page(a->id.page);

    for (size_t i = 0; p && i < p->n; i++) {
        const struct row *r = &p->rows[i];
        if (a->id.number - r->number >= r->span || a->id.number < r->number)
            continue;
        if ((r->flags & GEN2 && a->c->cdb.gen == OSD_GEN1) ||
            (!(r->flags & ZERO) && is_zero_partition(a->o, a->id.page)))
            return NULL;
        return r;
    }
    return NULL;
}

static bool is_client_page(uint32_t page)
{
    uint32_t offset = osd_page_offset(page);

    if (page >= OSD_PAGE_ANY)
        return page < OSD_PAGE_CURRENT;
    return offset >= FIRST_CLIENT && offset <= LAST_CLIENT;
}

bool attr_page_fits(const struct attr_object *o, uint32_t page)
{
    uint8_t owner = osd_page_owner(page);

    if (osd_page_reserved(page) || page == OSD_PAGE_ALL)
        return false;
    return owner == 0 || owner == o->type ||
           (o->type == OSD_TYPE_ROOT && owner == OSD_TYPE_PARTITION);
}

/* ---- one value ---- */

static void put_identification(const char *name, uint8_t dst[OSD_PAGE_ID_LEN])
{
    memset(dst, 0, OSD_PAGE_ID_LEN);
    memcpy(dst, "INCITS  T10 ", 12);
    memcpy(dst + 12, name, strnlen(name, OSD_PAGE_ID_LEN - 13));
}

static osd_status page_identification(struct command *c, const struct attr_object *o,
                                      uint32_t page, struct attr_value *ret)
{
    const struct page *p = find_page(page);

    if (!p)
        return load_stored(c, o->id, (struct osd_attr_id){page, 0}, ret);
    put_identification(p->name, c->small);
    *ret = (struct attr_value){.data = c->small, .len = OSD_PAGE_ID_LEN};
    return OSD_OK;
}

/* Attribute `number` of a directory page: the identification of page `number`. */
static osd_status directory_entry(struct command *c, const struct attr_object *o,
                                  uint32_t directory, uint32_t page, struct attr_value *ret)
{
    uint32_t next;
    osd_status st;

    *ret = (struct attr_value){0};
    if (osd_page_owner(page) != osd_page_owner(directory))
        return OSD_OK;
    st = attr_next_page(c, o, page, &next);
    if (st || next != page)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    st = page_identification(c, o, page, ret);
    if (st == OSD_OK && ret->len == 0) {
        memset(c->small, 0, OSD_PAGE_ID_LEN);
        *ret = (struct attr_value){.data = c->small, .len = OSD_PAGE_ID_LEN};
    }
    return st;
}

static bool is_directory(uint32_t page)
{
    return osd_page_owner(page) && osd_page_offset(page) == OSD_PG_DIRECTORY;
}

/* Attributes 1h-6h of the current command page (reference 4.9). */
static osd_status current_command(struct command *c, uint32_t n, struct attr_value *ret)
{
    bool v2 = c->cdb.gen == OSD_GEN2;
    uint32_t len = n == 1 ? (v2 ? OSD_ICV2_LEN : OSD_ICV1_LEN) : n == 2 ? 1 : 8;
    const uint64_t values[7] = {0,
                                0,
                                c->object.type,
                                c->object.id.pid,
                                c->object.id.oid + c->n_objects - 1,
                                c->append_start,
                                (uint64_t)c->used_change};

    *ret = (struct attr_value){0};
    if (n == 0 || n > 6 || (n == 6 && !v2))
        return OSD_OK;
    memset(c->small, 0, len);
    if (n == 2)
        c->small[0] = (uint8_t)values[n];
    else if (n > 2)
        be64_put(c->small, values[n]);
    *ret = (struct attr_value){.data = c->small, .len = len};
    return OSD_OK;
}

osd_status attr_get(struct command *c, const struct attr_object *o, struct osd_attr_id id,
                    struct attr_value *ret)
{
    struct ask a = {.c = c, .o = o, .id = id};
    const struct page *p = find_page(id.page);

    *ret = (struct attr_value){0};
    if (id.page == OSD_PAGE_CURRENT)
        return current_command(c, id.number, ret);
    if (!o->exists || !attr_page_fits(o, id.page))
        return OSD_OK;
    if (is_client_page(id.page))
        return load_stored(c, o->id, id, ret);
    if (id.number == 0)
        return p ? page_identification(c, o, id.page, ret) : OSD_OK;
    if (is_directory(id.page))
        return directory_entry(c, o, id.page, id.number, ret);
    a.row = find_row(&a);
    if (a.row)
        return a.row->get(&a, ret);
    return p && p->stored ? get_stored(&a, ret) : OSD_OK;
}

static osd_status set_client(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    uint8_t name[OSD_PAGE_ID_LEN] = {0};

    if (len > OSD_ATTR_VALUE_MAX)
        return refuse(REFUSE_LENGTH, ret_why);
    if (a->id.number != 0 || len == 0)
        return set_stored(a, value, len, ret_why);
    if (len > OSD_PAGE_ID_LEN)
        return refuse(REFUSE_LENGTH, ret_why);
    if (len == OSD_PAGE_ID_LEN && !memchr(value, 0, len))
        return refuse(REFUSE_VALUE, ret_why);
    memcpy(name, value, len);
    return set_stored(a, name, sizeof(name), ret_why);
}

static osd_status set_standard(struct ask *a, const uint8_t *value, uint32_t len,
                               enum attr_refusal *ret_why)
{
    const struct page *p = find_page(a->id.page);

    a->row = a->id.number ? find_row(a) : NULL;
    if (p && p->stored && a->id.number != 0) {
        if (len % 8 != 0 || len > OSD_ATTR_VALUE_MAX)
            return refuse(REFUSE_LENGTH, ret_why);
        return set_stored(a, value, len, ret_why);
    }
    if (!a->row || !a->row->set)
        return refuse(p ? REFUSE_NUMBER : REFUSE_PAGE, ret_why);
    if ((a->row->len && len != a->row->len) || len > OSD_ATTR_VALUE_MAX)
        return refuse(REFUSE_LENGTH, ret_why);
    return a->row->set(a, value, len, ret_why);
}

osd_status attr_set(struct command *c, const struct attr_object *o, struct osd_attr_id id,
                    const uint8_t *value, uint32_t len, enum attr_refusal *ret_why)
{
    struct ask a = {.c = c, .o = o, .id = id};

    c->cache_valid = false;
    if (!attr_page_fits(o, id.page) || id.page == OSD_PAGE_CURRENT)
        return refuse(REFUSE_PAGE, ret_why);
    if (id.number == OSD_ATTR_ALL)
        return refuse(REFUSE_NUMBER, ret_why);
    if (is_client_page(id.page))
        return set_client(&a, value, len, ret_why);
    return set_standard(&a, value, len, ret_why);
}

/* ---- whole pages ---- */

struct each_stored {
    attr_visit visit;
    void *arg;
    uint32_t page;
};

static bool visit_stored(void *arg, uint32_t page, uint32_t number_, const void *value,
                         uint32_t len)
{
    struct each_stored *e = arg;

    if (page != e->page)
        return false;
    e->visit(e->arg, (struct osd_attr_id){page, number_}, value, len);
    return true;
}

static osd_status each_stored(struct command *c, const struct attr_object *o, uint32_t page,
                              uint32_t from, attr_visit visit, void *arg)
{
    struct each_stored e = {.visit = visit, .arg = arg, .page = page};

    return ops_of(c)->each_attr(c->txn, o->id, page, from, visit_stored, &e);
}

static osd_status visit_one(struct command *c, const struct attr_object *o,
                            struct osd_attr_id id, attr_visit visit, void *arg)
{
    struct attr_value v;
    osd_status st = attr_get(c, o, id, &v);

    if (st == OSD_OK && v.len > 0)
        visit(arg, id, v.data, v.len);
    return st;
}

static osd_status each_directory(struct command *c, const struct attr_object *o,
                                 uint32_t directory, attr_visit visit, void *arg)
{
    uint32_t page = directory;
    osd_status st = OSD_OK;

    /* The first is the directory page itself, whose entry is attribute 0 in page 0h. */
    while (st == OSD_OK && (st = attr_next_page(c, o, page, &page)) == OSD_OK &&
           osd_page_owner(page) == osd_page_owner(directory))
        st = visit_one(c, o, (struct osd_attr_id){directory, page++}, visit, arg);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status each_row(struct command *c, const struct attr_object *o, const struct page *p,
                           attr_visit visit, void *arg)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < p->n && st == OSD_OK; i++)
        for (uint32_t k = 0; k < p->rows[i].span && st == OSD_OK; k++)
            st = visit_one(c, o, (struct osd_attr_id){p->page, p->rows[i].number + k}, visit,
                           arg);
    return st;
}

static osd_status each_current(struct command *c, const struct attr_object *o, attr_visit visit,
                               void *arg)
{
    osd_status st = OSD_OK;

    for (uint32_t n = 1; n <= 6 && st == OSD_OK; n++)
        st = visit_one(c, o, (struct osd_attr_id){OSD_PAGE_CURRENT, n}, visit, arg);
    return st;
}

osd_status attr_each(struct command *c, const struct attr_object *o, uint32_t page,
                     attr_visit visit, void *arg)
{
    const struct page *p = find_page(page);
    osd_status st;

    if (page == OSD_PAGE_CURRENT)
        return each_current(c, o, visit, arg);
    if (!o->exists || !attr_page_fits(o, page))
        return OSD_OK;
    if (is_client_page(page))
        return each_stored(c, o, page, 0, visit, arg);
    if (!p)
        return OSD_OK;
    if (page != OSD_PAGE_U) { /* there number 0 is the first entry of the directory as well */
        st = visit_one(c, o, (struct osd_attr_id){page, 0}, visit, arg);
        if (st)
            return st;
    }
    if (is_directory(page))
        return each_directory(c, o, page, visit, arg);
    if (p->stored)
        return each_stored(c, o, page, 1, visit, arg);
    return each_row(c, o, p, visit, arg);
}

struct first_page {
    uint32_t page;
    bool found;
};

static bool visit_first(void *arg, uint32_t page, uint32_t number_, const void *value,
                        uint32_t len)
{
    struct first_page *f = arg;

    (void)number_, (void)value, (void)len;
    f->page = page;
    f->found = true;
    return false;
}

osd_status attr_next_page(struct command *c, const struct attr_object *o, uint32_t from,
                          uint32_t *ret)
{
    static const uint8_t types[] = {OSD_TYPE_USER, OSD_TYPE_PARTITION, OSD_TYPE_COLLECTION,
                                    OSD_TYPE_ROOT};
    uint32_t base = 0;
    struct first_page f = {0};
    osd_status st;

    for (size_t i = 0; i < sizeof(types); i++)
        if (types[i] == o->type)
            base = OSD_PAGE_P * (uint32_t)i;
    if (from < base)
        from = base;
    for (size_t i = 0; i < N_PAGES; i++) {
        if (pages[i].page >= from && osd_page_owner(pages[i].page) == o->type) {
            *ret = pages[i].page;
            return OSD_OK;
        }
    }
    if (from < base + FIRST_CLIENT)
        from = base + FIRST_CLIENT;
    st = ops_of(c)->each_attr(c->txn, o->id, from, 0, visit_first, &f);
    if (st)
        return st;
    if (!f.found || osd_page_owner(f.page) != o->type)
        return OSD_E_NOT_FOUND;
    *ret = f.page;
    return OSD_OK;
}
