/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages.c - what every attribute is (reference 4)
 *
 * The pages_*.c files have the standard pages as tables of (number, length, getter, setter).
 * Values that the store keeps in its metadata come from there, settable ones without a place in
 * it are stored as attributes under their own page and number. Client pages are stored
 * attributes and nothing else.
 */
#include <string.h>

#include "pages.h"
#include "secure.h"

#define STANDARD_LAST 0x7fu
#define FIRST_CLIENT  0x10000u    /* offsets of client-defined pages ... */
#define LAST_CLIENT   0x1fffffffu /* ... reference 4.1 */

struct page {
    uint32_t page;
    uint8_t flags; /* GEN2, SPARSE */
    const char *name;
    const struct page_rows *rows; /* NULL: none */
    setter set_other; /* numbers not in rows are stored and set by this; NULL: there are none */
};

/* ---- tables ---- */

#define R(x) (OSD_PAGE_R + (x))
#define P(x) (OSD_PAGE_P + (x))
#define C(x) (OSD_PAGE_C + (x))
#define U(x) (OSD_PAGE_U + (x))

static const struct page pages[] = {
    /* ascending */
    {U(OSD_PG_DIRECTORY), 0, "User Object Directory", NULL, NULL},
    {U(OSD_PG_INFORMATION), 0, "User Object Information", &page_information_u, NULL},
    {U(OSD_PG_QUOTAS), 0, "User Object Quotas", &page_quotas_u, NULL},
    {U(OSD_PG_TIMESTAMPS), 0, "User Object Timestamps", &page_times_cu, NULL},
    {U(OSD_PG_COLLECTIONS), 0, "User Object Collections", NULL, page_set_membership},
    {U(OSD_PG_SECURITY), 0, "User Object Policy/Security", &page_security_cu, NULL},
    {U(OSD_PG_RECOVERY), GEN2, "User Object Error Recovery", &page_recovery_cu, NULL},
    {P(OSD_PG_DIRECTORY), 0, "Partition Directory", NULL, NULL},
    {P(OSD_PG_INFORMATION), 0, "Partition Information", &page_information_p, NULL},
    {P(OSD_PG_QUOTAS), 0, "Partition Quotas", &page_quotas_p, NULL},
    {P(OSD_PG_TIMESTAMPS), 0, "Partition Timestamps", &page_times_p, NULL},
    {P(OSD_PG_COLLECTIONS), GEN2, "Partition Attributes Access", NULL, page_set_access_list},
    {P(OSD_PG_SECURITY), 0, "Partition Policy/Security", &page_security_p, NULL},
    {P(OSD_PG_RECOVERY), GEN2, "Partition Error Recovery", &page_recovery_p, NULL},
    {STORE_INDEX_PAGE, SPARSE, "Partition Indexes", &page_index_p, NULL},
    {C(OSD_PG_DIRECTORY), 0, "Collection Directory", NULL, NULL},
    {C(OSD_PG_INFORMATION), 0, "Collection Information", &page_information_c, NULL},
    {C(OSD_PG_TIMESTAMPS), 0, "Collection Timestamps", &page_times_cu, NULL},
    {C(OSD_PG_COLLECTIONS), GEN2, "Collection Command Tracking", &page_tracking_c, NULL},
    {C(OSD_PG_SECURITY), 0, "Collection Policy/Security", &page_security_cu, NULL},
    {C(OSD_PG_RECOVERY), GEN2, "Collection Error Recovery", &page_recovery_cu, NULL},
    {R(OSD_PG_DIRECTORY), 0, "Root Directory", NULL, NULL},
    {R(OSD_PG_INFORMATION), 0, "Root Information", &page_information_r, NULL},
    {R(OSD_PG_QUOTAS), 0, "Root Quotas", &page_quotas_r, NULL},
    {R(OSD_PG_TIMESTAMPS), 0, "Root Timestamps", &page_times_r, NULL},
    {R(OSD_PG_SECURITY), 0, "Root Policy/Security", &page_security_r, NULL},
    {R(OSD_PG_RECOVERY), GEN2, "Root Error Recovery", &page_recovery_r, NULL},
};
#define N_PAGES (sizeof(pages) / sizeof(pages[0]))

/* Whether the generation of the command knows the page. */
static bool is_known(const struct command *c, const struct page *p)
{
    return c->cdb.gen == OSD_GEN2 || !(p->flags & GEN2);
}

static const struct page *find_page(const struct command *c, uint32_t page)
{
    for (size_t i = 0; i < N_PAGES; i++)
        if (pages[i].page == page && is_known(c, &pages[i]))
            return &pages[i];
    return NULL;
}

static bool is_zero_partition(const struct attr_object *o, uint32_t page)
{
    return o->id.pid == 0 && osd_page_owner(page) == OSD_TYPE_PARTITION;
}

static const struct row *find_row(const struct ask *a)
{
    const struct page *p = find_page(a->c, a->id.page);
    const struct page_rows *rows = p ? p->rows : NULL;

    for (size_t i = 0; rows && i < rows->n; i++) {
        const struct row *r = &rows->rows[i];
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

/* Whose page it is, and its name. */
static void put_identification(const struct page *p, uint8_t dst[OSD_PAGE_ID_LEN])
{
    const char *whose = osd_page_offset(p->page) <= STANDARD_LAST ? "INCITS  T10 " : "LIOSD   ";
    size_t at = strlen(whose);

    memset(dst, 0, OSD_PAGE_ID_LEN);
    memcpy(dst, whose, at);
    memcpy(dst + at, p->name, strnlen(p->name, OSD_PAGE_ID_LEN - 1 - at));
}

static osd_status page_identification(struct command *c, const struct attr_object *o,
                                      uint32_t page, struct attr_value *ret)
{
    const struct page *p = find_page(c, page);

    if (!p)
        return stored_load(c, o->id, (struct osd_attr_id){page, 0}, ret);
    put_identification(p, c->small);
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
    if (n == 1 && secure_signs(c) && secure_good_icv(c, c->small))
        return OSD_E_NOMEM;
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
    const struct page *p = find_page(c, id.page);
    osd_status st = spend(c);

    *ret = (struct attr_value){0};
    if (st)
        return st;
    if (id.page == OSD_PAGE_CURRENT)
        return current_command(c, id.number, ret);
    if (!o->exists || !attr_page_fits(o, id.page))
        return OSD_OK;
    if (is_client_page(id.page))
        return stored_load(c, o->id, id, ret);
    if (id.number == 0)
        return p ? page_identification(c, o, id.page, ret) : OSD_OK;
    if (is_directory(id.page))
        return directory_entry(c, o, id.page, id.number, ret);
    a.row = find_row(&a);
    if (a.row)
        return a.row->get(&a, ret);
    return p && p->set_other ? row_get_stored(&a, ret) : OSD_OK;
}

bool attr_is_stored(const struct command *c, struct osd_attr_id id)
{
    const struct attr_object o = {.type = OSD_TYPE_USER, .exists = true};
    const struct page *p = find_page(c, id.page);
    struct ask a = {.c = (struct command *)c, .o = &o, .id = id};

    if (osd_page_owner(id.page) != OSD_TYPE_USER)
        return false;
    if (is_client_page(id.page))
        return true;
    if (!p || id.number == 0 || id.number == OSD_ATTR_ALL)
        return false;
    a.row = find_row(&a);
    return a.row ? a.row->get == row_get_stored : p->set_other != NULL;
}

static osd_status set_client(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    uint8_t name[OSD_PAGE_ID_LEN] = {0};

    if (len > OSD_ATTR_VALUE_MAX)
        return row_refuse(REFUSE_LENGTH, ret_why);
    if (a->id.number != 0 || len == 0)
        return row_set_stored(a, value, len, ret_why);
    if (len > OSD_PAGE_ID_LEN)
        return row_refuse(REFUSE_LENGTH, ret_why);
    if (len == OSD_PAGE_ID_LEN && !memchr(value, 0, len))
        return row_refuse(REFUSE_VALUE, ret_why);
    memcpy(name, value, len);
    return row_set_stored(a, name, sizeof(name), ret_why);
}

static osd_status set_standard(struct ask *a, const uint8_t *value, uint32_t len,
                               enum attr_refusal *ret_why)
{
    const struct page *p = find_page(a->c, a->id.page);

    a->row = a->id.number ? find_row(a) : NULL;
    if (p && p->set_other && a->id.number != 0)
        return p->set_other(a, value, len, ret_why);
    if (!a->row || !a->row->set)
        return row_refuse(p ? REFUSE_NUMBER : REFUSE_PAGE, ret_why);
    if ((a->row->len && len != a->row->len) || len > OSD_ATTR_VALUE_MAX)
        return row_refuse(REFUSE_LENGTH, ret_why);
    return a->row->set(a, value, len, ret_why);
}

osd_status attr_set(struct command *c, const struct attr_object *o, struct osd_attr_id id,
                    const uint8_t *value, uint32_t len, enum attr_refusal *ret_why)
{
    struct ask a = {.c = c, .o = o, .id = id};
    osd_status st = spend(c);

    if (st)
        return st;
    c->cache_valid = false;
    if (!attr_page_fits(o, id.page) || id.page == OSD_PAGE_CURRENT)
        return row_refuse(REFUSE_PAGE, ret_why);
    if (id.number == OSD_ATTR_ALL)
        return row_refuse(REFUSE_NUMBER, ret_why);
    if (is_client_page(id.page))
        return set_client(&a, value, len, ret_why);
    return set_standard(&a, value, len, ret_why);
}

/* ---- whole pages ---- */

struct each_stored {
    struct command *c;
    attr_visit visit;
    void *arg;
    uint32_t page;
    osd_status st;
};

static bool visit_stored(void *arg, uint32_t page, uint32_t number_, const void *value,
                         uint32_t len)
{
    struct each_stored *e = arg;

    if (page != e->page)
        return false;
    e->st = spend(e->c);
    return e->st == OSD_OK && e->visit(e->arg, (struct osd_attr_id){page, number_}, value, len);
}

static osd_status each_stored(struct command *c, const struct attr_object *o, uint32_t page,
                              uint32_t from, attr_visit visit, void *arg)
{
    struct each_stored e = {.c = c, .visit = visit, .arg = arg, .page = page};
    osd_status st = ops_of(c)->each_attr(c->txn, o->id, page, from, visit_stored, &e);

    return st ? st : e.st;
}

/* What the visits of one page have come to. */
struct visiting {
    attr_visit visit;
    void *arg;
    bool ended; /* a visit returned false */
};

static osd_status visit_one(struct command *c, const struct attr_object *o,
                            struct osd_attr_id id, struct visiting *v)
{
    struct attr_value value;
    osd_status st = attr_get(c, o, id, &value);

    if (st == OSD_OK && value.len > 0)
        v->ended = !v->visit(v->arg, id, value.data, value.len);
    return st;
}

static osd_status each_directory(struct command *c, const struct attr_object *o,
                                 uint32_t directory, struct visiting *v)
{
    uint32_t page = directory;
    osd_status st = OSD_OK;

    /* The first is the directory page itself, whose entry is attribute 0 in page 0h. */
    while (!v->ended && st == OSD_OK && (st = attr_next_page(c, o, page, &page)) == OSD_OK &&
           osd_page_owner(page) == osd_page_owner(directory))
        st = visit_one(c, o, (struct osd_attr_id){directory, page++}, v);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status each_row(struct command *c, const struct attr_object *o, const struct page *p,
                           struct visiting *v)
{
    const struct row *r = p->rows ? p->rows->rows : NULL;
    osd_status st = OSD_OK;

    for (size_t i = 0; r && i < p->rows->n && st == OSD_OK; i++, r++)
        for (uint32_t k = 0; k < r->span && st == OSD_OK && !v->ended; k++)
            st = visit_one(c, o, (struct osd_attr_id){p->page, r->number + k}, v);
    return st;
}

static osd_status each_current(struct command *c, const struct attr_object *o,
                               struct visiting *v)
{
    osd_status st = OSD_OK;

    for (uint32_t n = 1; n <= 6 && st == OSD_OK && !v->ended; n++)
        st = visit_one(c, o, (struct osd_attr_id){OSD_PAGE_CURRENT, n}, v);
    return st;
}

osd_status attr_each(struct command *c, const struct attr_object *o, uint32_t page,
                     attr_visit visit, void *arg)
{
    const struct page *p = find_page(c, page);
    struct visiting v = {.visit = visit, .arg = arg};
    osd_status st = spend(c);

    if (st)
        return st;
    if (page == OSD_PAGE_CURRENT)
        return each_current(c, o, &v);
    if (!o->exists || !attr_page_fits(o, page))
        return OSD_OK;
    if (is_client_page(page))
        return each_stored(c, o, page, 0, visit, arg);
    if (!p)
        return OSD_OK;
    if (page != OSD_PAGE_U) { /* there number 0 is the first entry of the directory as well */
        st = visit_one(c, o, (struct osd_attr_id){page, 0}, &v);
        if (st || v.ended)
            return st;
    }
    if (is_directory(page))
        return each_directory(c, o, page, &v);
    if (p->set_other)
        return each_stored(c, o, page, 1, visit, arg);
    return each_row(c, o, p, &v);
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

/* Whether there is nothing on a page that is there only if something is. */
static osd_status is_absent(struct command *c, const struct attr_object *o,
                            const struct page *p, bool *ret)
{
    struct first_page f = {0};
    osd_status st = OSD_OK;

    if (p->flags & SPARSE)
        st = ops_of(c)->each_attr(c->txn, o->id, p->page, 0, visit_first, &f);
    *ret = p->flags & SPARSE && !(f.found && f.page == p->page);
    return st;
}

osd_status attr_next_page(struct command *c, const struct attr_object *o, uint32_t from,
                          uint32_t *ret)
{
    static const uint8_t types[] = {OSD_TYPE_USER, OSD_TYPE_PARTITION, OSD_TYPE_COLLECTION,
                                    OSD_TYPE_ROOT};
    uint32_t base = 0;
    struct first_page f = {0};
    bool absent;
    osd_status st;

    for (size_t i = 0; i < sizeof(types); i++)
        if (types[i] == o->type)
            base = OSD_PAGE_P * (uint32_t)i;
    if (from < base)
        from = base;
    for (size_t i = 0; i < N_PAGES; i++) {
        if (pages[i].page >= from && osd_page_owner(pages[i].page) == o->type &&
            is_known(c, &pages[i])) {
            st = is_absent(c, o, &pages[i], &absent);
            if (st)
                return st;
            if (absent)
                continue;
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
