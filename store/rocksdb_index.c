/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_index.c - user objects by the values of their attributes
 *
 * Attributes of a partition on page STORE_INDEX_PAGE say what is indexed. Each value that is has an
 * empty key in the family of ids; so has each index that is complete:
 *   pid feh page number class value oid        an entry
 *   pid fdh page number                        complete
 * class is the length of the value, 1 to 8, or 9 when it is longer; value has class bytes, or the
 * first PREFIX of them and zeros. Values of one class compare as their bytes do, values of
 * different classes do not have to: a search is one walk per class.
 * Invariants:
 *  (1) From the commit on that asks for an index, whoever changes a value changes its entry in the
 *      same transaction. So no entry is ever without its value.
 *  (2) The keeper adds entries of objects that were there before, each under the object's lock.
 *      When it has seen all of them the index is complete, which is noted on disk; nobody searches
 *      it before.
 *  (3) A change of what is indexed deletes all entries of the page by range, at the end of the same
 *      write.
 *  (4) struct part.index is replaced by who holds the partition exclusively; who holds it shared
 *      may read it; the keeper looks at the others' under their mutex.
 * A partition that is being made from another one is indexed when everything has been copied, a
 * snapshot never: it takes no space of its own.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "rocksdb_internal.h"

#define KIND_ENTRY    0xfe
#define KIND_COMPLETE 0xfd

#define PREFIX       64u /* bytes of a long value that are in its entry */
#define CLASS_LONG   9u
#define SPEC_LEN     8u /* of the attribute that asks for an index: page, number */
#define COMPLETE_LEN 17u
#define VALUE_AT     18u /* in an entry */
#define ENTRY_MIN    (VALUE_AT + 1 + 8)
#define ENTRY_MAX    (VALUE_AT + PREFIX + 8)

#define STEP         128u /* objects between two looks of the keeper at other things */
#define REST_MS      60000u
#define PENDING_FULL (64 * KIB) /* goes into the batch from there on ... */
#define PENDING_MAX  MIB        /* ... and never comes to this */

/** What is indexed: an attribute, or with number INDEX_ALL a page. */
struct spec {
    uint32_t page, number;
    bool complete; /* atomic */
};

struct index {
    uint64_t serial; /* which index of which partition this is */
    unsigned n;
    struct spec spec[STORE_INDEX_MAX];
};

/** A partition whose index a transaction changes. */
struct index_change {
    struct index_change *next;
    uint64_t pid;
    struct part *part; /* NULL: gone again */
    bool all;          /* entries of all pages go; otherwise of these */
    unsigned n;
    uint32_t pages[2 * STORE_INDEX_MAX];
    struct index *index; /* what it will be; NULL: none */
};

/* ---- keys ---- */

bool index_key(const uint8_t *key)
{
    return key[8] == KIND_ENTRY || key[8] == KIND_COMPLETE;
}

static size_t value_len(unsigned class)
{
    return class < CLASS_LONG ? class : PREFIX;
}

static size_t put_head(uint8_t *key, uint64_t pid, uint8_t kind, uint32_t page, uint32_t number)
{
    be64_put(key, pid);
    key[8] = kind;
    be32_put(key + 9, page);
    be32_put(key + 13, number);
    return COMPLETE_LEN;
}

/* The entry of a value of len bytes, of which the first PREFIX are there. Returns its length. */
static size_t key_entry(uint8_t key[ENTRY_MAX], struct store_id id, uint32_t page,
                        uint32_t number, const void *value, uint32_t len)
{
    unsigned class = len < CLASS_LONG ? len : CLASS_LONG;
    size_t have = len < PREFIX ? len : PREFIX, at = VALUE_AT + value_len(class);

    put_head(key, id.pid, KIND_ENTRY, page, number);
    key[VALUE_AT - 1] = (uint8_t) class;
    memcpy(key + VALUE_AT, value, have);
    memset(key + VALUE_AT + have, 0, at - VALUE_AT - have);
    be64_put(key + at, id.oid);
    return at + 8;
}

/* ---- what is indexed ---- */

static bool covers(const struct spec *s, uint32_t page, uint32_t number)
{
    return s->page == page && (s->number == number || s->number == INDEX_ALL);
}

static bool is_complete(const struct spec *s)
{
    return __atomic_load_n(&s->complete, __ATOMIC_ACQUIRE);
}

/* The index of a partition whose lock the transaction holds; NULL. */
static struct index *index_of(struct txn *t, uint64_t pid)
{
    struct part *p = txn_part(t, pid);

    return p ? p->index : NULL;
}

static const struct spec *find_spec(const struct index *x, uint32_t page, uint32_t number)
{
    for (unsigned i = 0; x && i < x->n; i++)
        if (covers(&x->spec[i], page, number))
            return &x->spec[i];
    return NULL;
}

void index_replace(struct rdb *r, struct part *p, struct index *next)
{
    pthread_mutex_lock(&p->mutex);
    struct index *old = p->index;
    p->index = next;
    pthread_mutex_unlock(&p->mutex);
    if (!old != !next)
        __atomic_add_fetch(&r->n_indexed, next ? 1u : -1u, __ATOMIC_RELEASE);
    free(old);
}

/* ---- changes of a transaction ---- */

/* They are put into the batch at the end: nobody looks them up before. */
static osd_status pend(struct txn *t, bool add, const uint8_t *key, size_t len)
{
    uint8_t head[2] = {add, (uint8_t)len};
    osd_status st;

    t->index_pending.max = PENDING_MAX;
    t->changed = true;
    st = osd_buf_put(&t->index_pending, head, sizeof(head));
    return st ? st : osd_buf_put(&t->index_pending, key, len);
}

void index_write(struct txn *t)
{
    const uint8_t *p = t->index_pending.data, *end = p + t->index_pending.len;

    for (; p < end; p += 2 + p[1])
        if (p[0])
            txn_put(t, CF_IDS, p + 2, p[1], "", 0);
        else
            txn_delete(t, CF_IDS, p + 2, p[1]);
    t->index_pending.len = 0;
}

static osd_status pend_value(struct txn *t, bool add, struct store_id id, uint32_t page,
                             uint32_t number, const void *value, uint32_t len)
{
    uint8_t key[ENTRY_MAX];

    if (t->index_pending.len > PENDING_FULL)
        index_write(t);
    return pend(t, add, key, key_entry(key, id, page, number, value, len));
}

static osd_status follow_value(struct txn *t, struct store_id id, uint32_t page,
                               uint32_t number, const void *value, uint32_t len)
{
    uint8_t old[PREFIX], from[ENTRY_MAX], to[ENTRY_MAX];
    size_t from_len = 0, to_len = 0;
    uint32_t old_len = 0;
    osd_status st = rdb_get_attr(&t->base, id, page, number, old, sizeof(old), &old_len);

    if (st && st != OSD_E_NOT_FOUND)
        return st;
    if (!st)
        from_len = key_entry(from, id, page, number, old, old_len);
    if (len)
        to_len = key_entry(to, id, page, number, value, len);
    if (from_len == to_len && memcmp(from, to, to_len) == 0)
        return OSD_OK;
    if (t->index_pending.len > PENDING_FULL)
        index_write(t);
    st = from_len ? pend(t, false, from, from_len) : OSD_OK;
    return st || !to_len ? st : pend(t, true, to, to_len);
}

/* The transaction's change of a partition's index. NULL: no memory. */
static struct index_change *change_of(struct txn *t, uint64_t pid)
{
    struct part *p = txn_part(t, pid);
    struct index_change *c = t->index_changes;

    while (c && c->part != p)
        c = c->next;
    if (c || !p)
        return c;
    c = calloc(1, sizeof(*c));
    if (c) {
        c->pid = pid;
        c->part = p;
        c->next = t->index_changes;
        t->index_changes = c;
        t->changed = true;
    }
    return c;
}

static void note_page(struct index_change *c, const uint8_t spec[SPEC_LEN])
{
    if (c->n == sizeof(c->pages) / sizeof(c->pages[0]))
        c->all = true;
    else
        c->pages[c->n++] = be32_get(spec);
}

/* The store is one with indexes from now on, which older programs must not change. */
static void note_format(struct txn *t)
{
    uint8_t version[4];

    be32_put(version, FORMAT_INDEXED);
    txn_put(t, CF_DEFAULT, "format", 6, version, sizeof(version));
}

static osd_status follow_spec(struct txn *t, uint64_t pid, uint32_t number, const void *value,
                              uint32_t len)
{
    struct store_id id = {pid, 0};
    uint8_t old[SPEC_LEN];
    uint32_t old_len = 0;
    osd_status st =
        rdb_get_attr(&t->base, id, STORE_INDEX_PAGE, number, old, sizeof(old), &old_len);

    if (st && st != OSD_E_NOT_FOUND)
        return st;
    if (old_len == len && len == SPEC_LEN && memcmp(old, value, len) == 0)
        return OSD_OK;
    struct index_change *c = change_of(t, pid);
    if (!c)
        return OSD_E_NOMEM;
    if (old_len == SPEC_LEN)
        note_page(c, old);
    if (len == SPEC_LEN) {
        note_page(c, value);
        note_format(t);
    }
    return OSD_OK;
}

osd_status index_follow(struct txn *t, const struct record *rec, uint32_t page, uint32_t number,
                        const void *value, uint32_t len)
{
    struct store_id id = rec->id;

    if (!id.oid)
        return id.pid && page == STORE_INDEX_PAGE && number - 1 < STORE_INDEX_MAX
                   ? follow_spec(t, id.pid, number, value, len)
                   : OSD_OK;
    if (rec->meta.kind != STORE_USER || !find_spec(index_of(t, id.pid), page, number))
        return OSD_OK;
    return follow_value(t, id, page, number, value, len);
}

osd_status index_copied(struct txn *t, uint64_t pid)
{
    return change_of(t, pid) ? OSD_OK : OSD_E_NOMEM;
}

osd_status index_part_removed(struct txn *t, uint64_t pid)
{
    struct index_change *c = index_of(t, pid) ? change_of(t, pid) : NULL;

    if (c)
        c->all = true;
    return c || !index_of(t, pid) ? OSD_OK : OSD_E_NOMEM;
}

/* ---- all values of an object ---- */

struct each_value {
    struct txn *t;
    struct store_id id;
    const struct spec *spec;
    bool add, more;
    uint32_t next; /* with more: where the rest begins */
    osd_status st;
};

static bool take_value(void *arg, uint32_t page, uint32_t number, const void *value,
                       uint32_t len)
{
    struct each_value *e = arg;
    uint8_t key[ENTRY_MAX];

    if (!covers(e->spec, page, number))
        return false;
    e->more = e->t->index_pending.len > PENDING_FULL;
    e->next = number;
    if (e->more)
        return false;
    e->st = pend(e->t, e->add, key, key_entry(key, e->id, page, number, value, len));
    return !e->st;
}

/* Add or delete the entries of one spec. */
static osd_status all_values(struct txn *t, struct store_id id, const struct spec *s, bool add)
{
    struct each_value e = {.t = t, .id = id, .spec = s, .add = add};
    uint8_t value[PREFIX];
    uint32_t len;
    osd_status st;

    if (s->number == INDEX_ALL) {
        do { /* nothing goes into the batch while it is read */
            index_write(t);
            e.more = false;
            st = rdb_each_attr(&t->base, id, s->page, e.next, take_value, &e);
            st = st ? st : e.st;
        } while (!st && e.more);
        return st;
    }
    st = rdb_get_attr(&t->base, id, s->page, s->number, value, sizeof(value), &len);
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    return pend_value(t, add, id, s->page, s->number, value, len);
}

osd_status index_object_removed(struct txn *t, const struct record *rec)
{
    const struct index *x = rec->meta.kind == STORE_USER ? index_of(t, rec->id.pid) : NULL;
    osd_status st = OSD_OK;

    for (unsigned i = 0; x && i < x->n && !st; i++)
        st = all_values(t, rec->id, &x->spec[i], false);
    return st;
}

/* ---- commit ---- */

struct read_specs {
    struct txn *t;
    const struct index_change *change; /* whose entries go; NULL: nothing does */
    struct index *x;
};

/* Whether the entries of a page stay. */
static bool page_stays(const struct index_change *c, uint32_t page)
{
    if (!c)
        return true;
    for (unsigned i = 0; i < c->n; i++)
        if (c->pages[i] == page)
            return false;
    return !c->all;
}

static bool read_spec(void *arg, uint32_t page, uint32_t number, const void *value,
                      uint32_t len)
{
    struct read_specs *s = arg;

    if (page != STORE_INDEX_PAGE || number > STORE_INDEX_MAX)
        return false;
    if (len == SPEC_LEN && number > 0)
        s->x->spec[s->x->n++] = (struct spec){.page = be32_get(value),
                                              .number = be32_get((const uint8_t *)value + 4)};
    return true;
}

static osd_status read_complete(struct read_specs *s, uint64_t pid)
{
    osd_status st = OSD_OK;

    for (unsigned i = 0; i < s->x->n && !st; i++) {
        struct spec *spec = &s->x->spec[i];
        uint8_t key[COMPLETE_LEN];
        struct value v;
        put_head(key, pid, KIND_COMPLETE, spec->page, spec->number);
        st = txn_get(s->t, CF_IDS, key, sizeof(key), &v);
        spec->complete = !st && page_stays(s->change, spec->page);
        if (!st)
            value_free(&v);
        st = st == OSD_E_NOT_FOUND ? OSD_OK : st;
    }
    return st;
}

/* What the attributes of a partition ask for, as the transaction sees them; *ret NULL: nothing. */
static osd_status read_index(struct txn *t, uint64_t pid, const struct index_change *c,
                             struct index **ret)
{
    struct read_specs s = {.t = t, .change = c, .x = calloc(1, sizeof(*s.x))};
    osd_status st = OSD_E_NOMEM;

    if (s.x)
        st = rdb_each_attr(&t->base, (struct store_id){pid, 0}, STORE_INDEX_PAGE, 0, read_spec,
                           &s);
    if (!st)
        st = read_complete(&s, pid);
    if (st || s.x->n == 0) {
        free(s.x);
        s.x = NULL;
    } else {
        s.x->serial = __atomic_add_fetch(&t->rdb->index_serial, 1, __ATOMIC_RELAXED);
    }
    *ret = s.x;
    return st;
}

osd_status index_prepare(struct txn *t)
{
    osd_status st = OSD_OK;

    for (struct index_change *c = t->index_changes; c && !st; c = c->next) {
        if (txn_part(t, c->pid) != c->part)
            c->part = NULL;
        else
            st = read_index(t, c->pid, c, &c->index);
    }
    return st;
}

static void delete_kind(struct rdb *r, rocksdb_writebatch_t *b, uint64_t pid, uint8_t kind,
                        uint32_t first, uint32_t last)
{
    uint8_t from[COMPLETE_LEN], to[COMPLETE_LEN + 1];

    put_head(from, pid, kind, first, 0);
    put_head(to, pid, kind, last, INDEX_ALL);
    to[COMPLETE_LEN] = 0xff; /* behind every entry: classes are small */
    rocksdb_writebatch_delete_range_cf(b, r->cf[CF_IDS], (char *)from, sizeof(from), (char *)to,
                                       sizeof(to));
}

void index_put_ranges(struct txn *t, rocksdb_writebatch_t *b)
{
    for (const struct index_change *c = t->index_changes; c; c = c->next) {
        for (unsigned i = 0; !c->all && i < c->n; i++) {
            delete_kind(t->rdb, b, c->pid, KIND_ENTRY, c->pages[i], c->pages[i]);
            delete_kind(t->rdb, b, c->pid, KIND_COMPLETE, c->pages[i], c->pages[i]);
        }
        if (c->all) {
            delete_kind(t->rdb, b, c->pid, KIND_ENTRY, 0, UINT32_MAX);
            delete_kind(t->rdb, b, c->pid, KIND_COMPLETE, 0, UINT32_MAX);
        }
    }
}

void index_applied(struct txn *t)
{
    for (struct index_change *c = t->index_changes; c; c = c->next) {
        if (c->part)
            index_replace(t->rdb, c->part, c->index);
        c->index = NULL;
    }
}

void index_wake(struct rdb *r)
{
    __atomic_store_n(&r->index_wanted, true, __ATOMIC_RELEASE);
    keeper_ring(r);
}

void index_forget(struct txn *t)
{
    while (t->index_changes) {
        struct index_change *c = t->index_changes;
        t->index_changes = c->next;
        free(c->index);
        free(c);
    }
    osd_buf_free(&t->index_pending);
}

static osd_status open_part(struct rdb *r, struct part *p)
{
    struct store_txn *t;
    struct index *x;
    osd_status st = rdb_begin(&r->base, (struct store_id){p->pid, 0}, STORE_SHARED, &t);

    if (st)
        return st;
    st = read_index((struct txn *)t, p->pid, NULL, &x);
    rdb_abort(t);
    if (!st)
        index_replace(r, p, x);
    return st;
}

osd_status index_open(struct rdb *r)
{
    osd_status st = OSD_OK;

    if (r->format < FORMAT_INDEXED)
        return OSD_OK;
    for (size_t i = 0; i < PART_BUCKETS && !st; i++)
        for (struct part *p = r->parts[i]; p && !st; p = p->next)
            if (p->record.outside)
                st = open_part(r, p);
    r->index_wanted = true;
    return st;
}

/* ---- searching ---- */

static uint64_t as_number(const uint8_t *p, size_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

/* A short bound among the values of a class of short ones; false: it is greater than them all. */
static bool put_number(uint8_t *dst, size_t len, uint64_t v)
{
    if (len < 8 && v >> (8 * len))
        return false;
    for (size_t i = len; i-- > 0; v >>= 8)
        dst[i] = (uint8_t)v;
    return true;
}

/* A bound that is compared byte by byte. */
static void put_bytes(uint8_t *dst, size_t len, const struct store_bound *b)
{
    size_t n = b->len < len ? b->len : len;

    memcpy(dst, b->data, n);
    memset(dst + n, 0, len - n);
}

/* First and last value of a class between the bounds; false: there is none. */
static bool class_range(const struct store_values *want, unsigned class, uint8_t *lo,
                        uint8_t *hi)
{
    const struct store_bound *min = &want->min, *max = &want->max;
    size_t len = value_len(class);

    memset(lo, 0, len);
    memset(hi, 0xff, len);
    if (min->len && (class == CLASS_LONG || min->len >= CLASS_LONG))
        put_bytes(lo, len, min);
    else if (!put_number(lo, len, as_number(min->data, min->len)))
        return false;
    if (max->len && (class == CLASS_LONG || max->len >= CLASS_LONG))
        put_bytes(hi, len, max);
    else if (max->len && !put_number(hi, len, as_number(max->data, max->len)))
        memset(hi, 0xff, len);
    return memcmp(lo, hi, len) <= 0;
}

/** A search under way. */
struct search {
    rocksdb_iterator_t *it;
    uint64_t *ids;
    size_t n, max;
    bool more;
};

static void search_class(struct search *s, uint64_t pid, const struct store_values *want,
                         unsigned class)
{
    uint8_t lo[ENTRY_MAX], hi[ENTRY_MAX];
    size_t end = VALUE_AT + value_len(class);

    if (!class_range(want, class, lo + VALUE_AT, hi + VALUE_AT))
        return;
    put_head(lo, pid, KIND_ENTRY, want->page, want->number);
    put_head(hi, pid, KIND_ENTRY, want->page, want->number);
    lo[VALUE_AT - 1] = hi[VALUE_AT - 1] = (uint8_t) class;
    for (rocksdb_iter_seek(s->it, (char *)lo, end); rocksdb_iter_valid(s->it) && !s->more;
         rocksdb_iter_next(s->it)) {
        size_t len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(s->it, &len);
        if (len != end + 8 || memcmp(k, hi, end) > 0)
            break;
        if (s->n < s->max)
            s->ids[s->n++] = be64_get(k + end);
        else
            s->more = true;
    }
}

osd_status rdb_find(struct store_txn *base, uint64_t pid, const struct store_values *want,
                    uint64_t *ids, size_t max, size_t *ret_n, bool *ret_more)
{
    struct txn *t = (struct txn *)base;
    struct search s = {.ids = ids, .max = max};
    const struct spec *spec = find_spec(index_of(t, pid), want->page, want->number);

    if (!spec || !is_complete(spec))
        return OSD_E_NOT_FOUND;
    index_write(t);
    s.it = txn_iterate(t, CF_IDS);
    for (unsigned class = 1; class <= CLASS_LONG && !s.more; class ++)
        search_class(&s, pid, want, class);
    *ret_n = s.n;
    *ret_more = s.more;
    return rdb_iterated(t->rdb, s.it, t->failed);
}

/* ---- building ---- */

static bool is_buildable(const struct part *p)
{
    const struct index *x = p->index;
    bool wanted = false;

    for (unsigned i = 0; x && i < x->n; i++)
        wanted |= !is_complete(&x->spec[i]);
    return wanted && p->record.meta.duplicate != STORE_SNAPSHOT;
}

/* Look for an index to be built; what waits for something else is looked at again later. */
static void choose(struct rdb *r)
{
    struct index_build *b = &r->index_build;

    __atomic_store_n(&r->index_wanted, false, __ATOMIC_RELEASE);
    spread_read(&r->parts_lock);
    for (size_t i = 0; i < PART_BUCKETS && !b->serial; i++)
        for (struct part *p = r->parts[i]; p && !b->serial; p = p->next) {
            pthread_mutex_lock(&p->mutex);
            bool buildable = is_buildable(p);
            if (buildable && !p->record.copying)
                *b = (struct index_build){.serial = p->index->serial, .pid = p->pid};
            pthread_mutex_unlock(&p->mutex);
            if (buildable)
                __atomic_store_n(&r->index_wanted, true, __ATOMIC_RELEASE);
        }
    spread_read_end(&r->parts_lock);
}

/* The index that is being built, if it still is there. */
static struct index *being_built(struct store_txn *t, const struct index_build *b)
{
    struct index *x = index_of((struct txn *)t, b->pid);

    return x && x->serial == b->serial ? x : NULL;
}

static osd_status build_object(struct rdb *r, struct store_id id)
{
    struct store_txn *t;
    osd_status st = rdb_begin(&r->base, id, STORE_SHARED, &t);

    if (st)
        return st;
    const struct index *x = being_built(t, &r->index_build);
    for (unsigned i = 0; x && i < x->n && !st; i++)
        if (!is_complete(&x->spec[i]))
            st = all_values((struct txn *)t, id, &x->spec[i], true);
    if (!st)
        return rdb_commit(t, 0);
    rdb_abort(t);
    return st;
}

/* Every object has been looked at. */
static osd_status build_done(struct rdb *r)
{
    struct store_txn *t;
    osd_status st =
        rdb_begin(&r->base, (struct store_id){r->index_build.pid, 0}, STORE_SHARED, &t);

    if (st)
        return st;
    struct index *x = being_built(t, &r->index_build);
    for (unsigned i = 0; x && i < x->n; i++) {
        uint8_t key[COMPLETE_LEN];
        put_head(key, r->index_build.pid, KIND_COMPLETE, x->spec[i].page, x->spec[i].number);
        txn_put((struct txn *)t, CF_IDS, key, sizeof(key), "", 0);
        __atomic_store_n(&x->spec[i].complete, true, __ATOMIC_RELEASE);
    }
    r->index_build.serial = 0;
    return rdb_commit(t, 0);
}

/* The next objects; *ret_next: those after them, 0 at the end. */
static osd_status build_page(struct rdb *r, uint64_t *ids, size_t *ret_n, uint64_t *ret_next)
{
    struct index_build *b = &r->index_build;
    struct store_txn *t;
    uint64_t changes;
    osd_status st = rdb_begin(&r->base, (struct store_id){b->pid, 0}, STORE_SHARED, &t);

    if (st)
        return st;
    *ret_n = 0;
    if (being_built(t, b))
        st = rdb_list(t, b->pid, STORE_USER, b->next, ids, STEP, ret_n, ret_next, &changes);
    else
        b->serial = 0; /* it was changed, or went */
    rdb_abort(t);
    return st;
}

static osd_status build_some(struct rdb *r)
{
    struct index_build *b = &r->index_build;
    uint64_t ids[STEP], next = 0;
    size_t n = 0;
    osd_status st = build_page(r, ids, &n, &next);

    for (size_t i = 0; i < n && !st; i++) {
        st = build_object(r, (struct store_id){b->pid, ids[i]});
        if (!st)
            b->next = ids[i] + 1;
    }
    if (!st && b->serial && !next)
        st = build_done(r);
    return st;
}

osd_status index_work(struct rdb *r, bool *ret_more)
{
    struct index_build *b = &r->index_build;
    osd_status st = OSD_OK;

    *ret_more = false;
    if (!__atomic_load_n(&r->index_wanted, __ATOMIC_ACQUIRE) ||
        osd_monotonic_ms() < r->index_rest_until || blocks_full(r->blocks) || rdb_failed(r))
        return OSD_OK;
    if (!b->serial)
        choose(r);
    if (!b->serial)
        return OSD_OK;
    st = build_some(r);
    if (st) {
        r->index_rest_until = osd_monotonic_ms() + REST_MS;
        osd_log(OSD_LOG_ERROR, "store %s: the index of partition 0x%llx waits for a minute",
                r->path, (unsigned long long)b->pid);
    }
    *ret_more = !st;
    return st;
}

/* ---- checking ---- */

/* Whether the entry that a key is belongs to a value that is there and indexed. */
static bool entry_justified(struct txn *t, const uint8_t *k, size_t len)
{
    struct store_id id = {be64_get(k), len >= ENTRY_MIN ? be64_get(k + len - 8) : 0};
    uint32_t page = be32_get(k + 9), number = be32_get(k + 13), have;
    uint8_t value[PREFIX], key[ENTRY_MAX];
    struct store_meta m;

    if (!id.oid || !find_spec(index_of(t, id.pid), page, number) || txn_load(t, id, &m) ||
        m.kind != STORE_USER ||
        rdb_get_attr(&t->base, id, page, number, value, sizeof(value), &have))
        return false;
    return key_entry(key, id, page, number, value, have) == len && memcmp(k, key, len) == 0;
}

bool index_justified(struct txn *t, const uint8_t *k, size_t len)
{
    if (k[8] == KIND_ENTRY)
        return len >= ENTRY_MIN && entry_justified(t, k, len);
    return len == COMPLETE_LEN &&
           find_spec(index_of(t, be64_get(k)), be32_get(k + 9), be32_get(k + 13));
}

/* ---- the other way round: entries that should be there ---- */

struct missing {
    struct txn *t;
    struct store_id id;
    const struct spec *spec;
    struct osd_buf keys; /* each with its length before it */
    uint32_t n;
};

static bool look_up(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    struct missing *m = arg;
    uint8_t key[1 + ENTRY_MAX];
    struct value v;

    if (!covers(m->spec, page, number))
        return false;
    size_t n = key_entry(key + 1, m->id, page, number, value, len);
    osd_status st = txn_get(m->t, CF_IDS, key + 1, n, &v);
    if (!st)
        value_free(&v);
    key[0] = (uint8_t)n;
    if (st == OSD_E_NOT_FOUND)
        m->n += !osd_buf_put(&m->keys, key, 1 + n);
    return true;
}

osd_status index_missing(struct txn *t, const struct record *rec, bool repair, uint32_t *ret_n)
{
    const struct index *x = rec->meta.kind == STORE_USER ? index_of(t, rec->id.pid) : NULL;
    struct missing m = {.t = t, .id = rec->id, .keys = osd_buf_make(64 * MIB)};
    osd_status st = OSD_OK;

    for (unsigned i = 0; x && i < x->n && !st; i++) {
        uint32_t first = x->spec[i].number == INDEX_ALL ? 0 : x->spec[i].number;
        m.spec = &x->spec[i];
        if (is_complete(m.spec))
            st = rdb_each_attr(&t->base, rec->id, m.spec->page, first, look_up, &m);
    }
    for (size_t at = 0; repair && at < m.keys.len; at += 1 + m.keys.data[at])
        txn_put(t, CF_IDS, m.keys.data + at + 1, m.keys.data[at], "", 0);
    osd_buf_free(&m.keys);
    *ret_n = m.n;
    return st;
}
