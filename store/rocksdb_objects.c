/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_objects.c - metadata, creation and removal of objects and partitions; format
 *
 * Invariants:
 *  (1) An id is claimed before it is created, so that one of several creators wins.
 *  (2) A partition that holds objects and is the transaction's own goes by range deletion; until
 *      commit txn_get() and iterators hide what the range covers.
 *  (3) Removing leaves no key behind.
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

static struct part *new_part_find(const struct txn *t, uint64_t pid)
{
    struct part *p = t->new_parts;

    while (p && (p->pid != pid || p->dropped))
        p = p->next;
    return p;
}

/* Whether a committed partition is none for the transaction. */
static bool is_gone(const struct txn *t, uint64_t pid)
{
    const struct removed *gone = t->removed;

    while (gone && gone->pid != pid)
        gone = gone->next;
    return gone || (t->formatted && pid != 0);
}

struct part *txn_part(struct txn *t, uint64_t pid)
{
    struct part *p = new_part_find(t, pid);

    if (p)
        return p;
    if (is_gone(t, pid))
        return NULL;
    if (pid == 0 || pid != t->held.id.pid)
        return part_find(t->rdb, pid);
    if (!t->part) /* as long as it is held, nobody else removes it */
        t->part = part_find(t->rdb, pid);
    return t->part;
}

uint64_t txn_next_part(const struct txn *t, uint64_t from)
{
    uint64_t next = part_next(t->rdb, from);

    while (next && is_gone(t, next))
        next = next < UINT64_MAX ? part_next(t->rdb, next + 1) : 0;
    for (const struct part *p = t->new_parts; p; p = p->next)
        if (!p->dropped && p->pid >= from && (!next || p->pid < next))
            next = p->pid;
    return next;
}

osd_status rdb_get_meta(struct store_txn *base, struct store_id id, struct store_meta *ret)
{
    struct txn *t = (struct txn *)base;
    /* looked up once: it may be removed at any time while no more than the root is locked */
    struct part *p = id.oid ? NULL : txn_part(t, id.pid);
    struct store_meta *m = &t->shown;
    osd_status st = id.oid || p ? txn_load(t, id, m) : OSD_E_NOT_FOUND;

    if (st)
        return st;
    if (p) {
        touch_apply_part(p, m);
        txn_counters(t, p, m);
    } else {
        touch_apply(t->rdb, id, m);
    }
    t->shown_id = id;
    *ret = *m;
    return OSD_OK;
}

/* Timestamps the caller set itself end the touched ones; those left as get_meta showed them
 * follow whatever was touched meanwhile. */
static void merge_times(struct txn *t, struct store_id id, struct store_meta *next,
                        const struct store_meta *old)
{
    bool shown = t->shown_id.pid == id.pid && t->shown_id.oid == id.oid && t->shown.kind;
    const struct store_meta *base = shown ? &t->shown : old;
    struct store_meta now = *old;
    unsigned set = 0;

    touch_apply(t->rdb, id, &now);
    const size_t at[4] = {
        offsetof(struct store_meta, attr_accessed), offsetof(struct store_meta, attr_modified),
        offsetof(struct store_meta, data_accessed), offsetof(struct store_meta, data_modified)};
    for (int i = 0; i < 4; i++) {
        uint64_t *mine = (uint64_t *)((char *)next + at[i]);
        if (*mine == *(const uint64_t *)((const char *)base + at[i]))
            *mine = *(const uint64_t *)((const char *)&now + at[i]);
        else
            set |= 1u << i;
    }
    if (set)
        touch_forget(t->rdb, id, set);
}

osd_status rdb_put_meta(struct store_txn *base, struct store_id id, const struct store_meta *m)
{
    struct txn *t = (struct txn *)base;
    struct store_meta old, next = *m;
    osd_status st = txn_may_change(t, id) ? txn_load(t, id, &old) : OSD_E_INVALID;

    if (st)
        return txn_noted(base, st);
    next.kind = old.kind;
    next.length = old.length;
    next.used = old.used;
    next.identity = old.identity;
    merge_times(t, id, &next, &old);
    txn_store(t, id, &next);
    return txn_noted(base, OSD_OK);
}

/* ---- create and remove ---- */

/* Claim an id, unless that was done before: it was created and removed in this transaction. */
static osd_status claim(struct txn *t, struct store_id id, bool *ret_new)
{
    struct created *c;

    *ret_new = false;
    if (t->created && store_claimed_by(t->rdb->locks, id, t))
        return OSD_OK;
    c = calloc(1, sizeof(*c));
    if (!c)
        return OSD_E_NOMEM;
    c->claim = (struct store_claim){.id = id, .owner = t};
    osd_status st = store_claim(t->rdb->locks, &c->claim);
    if (st) {
        free(c);
        return st;
    }
    c->next = t->created;
    t->created = c;
    *ret_new = true;
    return OSD_OK;
}

/* Claim one id and make sure that it is free, now that nobody else can create it. */
static osd_status claim_free(struct txn *t, struct store_id id)
{
    struct store_meta m;
    bool claimed;
    osd_status st = claim(t, id, &claimed);

    if (st)
        return st;
    st = txn_load(t, id, &m);
    if (st == OSD_E_NOT_FOUND)
        return OSD_OK;
    if (claimed)
        txn_unclaim(t);
    return st ? st : OSD_E_EXISTS;
}

/* The id itself, or the next unused one after the hint. */
static osd_status choose_id(struct txn *t, uint64_t *hint, bool partition, struct store_id *id)
{
    uint64_t *member = partition ? &id->pid : &id->oid;

    if (*member != 0)
        return claim_free(t, *id);
    for (;;) {
        *member = __atomic_fetch_add(hint, 1, __ATOMIC_RELAXED);
        if (*member < STORE_ID_FIRST) { /* wrapped around: start again at the first id */
            __atomic_store_n(hint, STORE_ID_FIRST, __ATOMIC_RELAXED);
            continue;
        }
        osd_status st = claim_free(t, *id);
        if (st != OSD_E_EXISTS && st != OSD_E_BUSY)
            return st;
    }
}

osd_status part_create(struct txn *t, struct store_id id, const struct store_meta *meta,
                       struct store_id *ret)
{
    struct rdb *r = t->rdb;
    struct store_meta m = *meta;
    osd_status st;

    id.oid = 0;
    if (t->base.id.pid != 0 && !store_held_covers(&t->held, id))
        return OSD_E_INVALID;
    uint64_t limit = limits_of(t, r->root).partition_quota;
    st = count_objects(t, r->root, 1, limit < r->max_parts ? limit : r->max_parts,
                       STORE_QUOTA_PARTITIONS);
    if (!st)
        st = choose_id(t, &r->next_pid, true, &id);
    if (st)
        return st;
    struct record rec = {.id = id, .fresh = true};
    rec.serial = __atomic_add_fetch(&r->last_serial, 1, __ATOMIC_RELAXED);
    m.used = m.count = m.length = 0;
    m.identity = m.identity ? m.identity : rec.serial;
    rec.meta = m;
    struct part *p = part_new(r, &rec);
    if (!p)
        return OSD_E_NOMEM;
    p->next = t->new_parts;
    t->new_parts = p;
    txn_record_put(t, &rec);
    *ret = id;
    return OSD_OK;
}

static osd_status create_object(struct txn *t, struct store_id id,
                                const struct store_meta *meta, struct store_id *ret)
{
    struct store_meta m = *meta;
    struct part *p;
    osd_status st;

    bool own_partition = t->base.id.pid == id.pid && t->base.id.oid == 0;
    if (id.pid == 0 || (!own_partition && !txn_may_change(t, id) &&
                        !txn_may_change(t, (struct store_id){id.pid, 0})))
        return OSD_E_INVALID;
    p = txn_part(t, id.pid);
    if (!p)
        return OSD_E_NOT_FOUND;
    st = count_objects(t, p, 1, limits_of(t, p).object_quota, STORE_QUOTA_OBJECTS);
    if (!st)
        st = choose_id(t, &p->next_oid, false, &id);
    if (st)
        return st;
    m.used = m.count = m.length = 0;
    txn_object_make(t, &(struct record){.id = id, .meta = m});
    *ret = id;
    return OSD_OK;
}

osd_status rdb_create(struct store_txn *base, struct store_id id, const struct store_meta *meta,
                      struct store_id *ret)
{
    struct txn *t = (struct txn *)base;
    osd_status st = meta->kind == STORE_PARTITION ? part_create(t, id, meta, ret)
                                                  : create_object(t, id, meta, ret);

    if (!st) /* what was touched of an object of this id that is gone */
        touch_forget(t->rdb, *ret, 15);
    return txn_noted(base, st);
}

static osd_status retire_run(void *arg, uint64_t first, uint32_t count)
{
    return run_add(arg, first, count);
}

static osd_status retire_chunk(void *arg, uint64_t number, const void *value, size_t len)
{
    (void)number;
    return chunk_runs(value, len, retire_run, arg);
}

/* As it is committed: the transaction's view has it removed already. One that was not copied into
 * the partition yet has no blocks there, and is not looked for. */
static osd_status free_object_blocks(struct txn *t, struct txn *committed, struct store_id id)
{
    uint8_t key[OBJECT_KEY_LEN];
    struct object o;
    struct value v;

    key_object(key, id);
    osd_status st = txn_get(committed, CF_OBJECTS, key, sizeof(key), &v);
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    st = object_decode(v.data, v.len, id, &o);
    value_free(&v);
    if (!st && o.body_len > 0)
        st = chunk_runs(o.body, o.body_len, retire_run, &t->freed);
    return st ? st : chunks_each(committed, &o.rec, retire_chunk, &t->freed);
}

osd_status free_partition_blocks(struct txn *t)
{
    struct txn *committed = calloc(1, sizeof(*committed));
    osd_status st = committed ? OSD_OK : OSD_E_NOMEM;
    uint64_t ids[64], next = 1;

    if (!committed)
        return st;
    committed->rdb = t->rdb;
    while (!st && next) {
        size_t n = 0;
        st = listed_ids(committed, t->range_pid, STORE_USER, next, ids, 64, &n, &next);
        for (size_t i = 0; !st && i < n; i++)
            st = free_object_blocks(t, committed, (struct store_id){t->range_pid, ids[i]});
    }
    txn_destroy(committed);
    return st;
}

/* Before everything below a partition goes by range: what the transaction did there so far must
 * not be written behind the range deletion. Blocks it allocated become garbage of the commit.
 */
static osd_status forget_changes(struct txn *t, uint64_t pid)
{
    osd_status st = OSD_OK;

    be64_put(t->hidden_from, pid ? pid : 1);
    if (!t->ro)
        t->ro = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(t->ro, (char *)t->hidden_from,
                                                sizeof(t->hidden_from));
    if (t->batch)
        rocksdb_writebatch_wi_clear(t->batch);
    t->put = 0;
    t->n_chunks = 0;
    index_forget(t);
    txn_records_forget(t);
    t->freed.n = 0;
    for (size_t i = 0; i < t->allocated.n && !st; i++)
        st = run_add(&t->freed, t->allocated.v[i].first, t->allocated.v[i].count);
    return st;
}

static osd_status remove_any(struct txn *t, struct store_id id, bool contents);

/* The contents of a partition that is removed among other changes. */
static osd_status remove_one_by_one(struct txn *t, uint64_t pid)
{
    static const enum store_kind kinds[] = {STORE_USER, STORE_COLLECTION};
    osd_status st = OSD_OK;

    for (size_t k = 0; k < 2 && !st; k++) {
        uint64_t ids[64], next = 1, changes;
        size_t n;
        while (next && !st) {
            st = rdb_list(&t->base, pid, kinds[k], next, ids, 64, &n, &next, &changes);
            for (size_t i = 0; i < n && !st; i++)
                st = remove_any(t, (struct store_id){pid, ids[i]}, false);
        }
    }
    return st;
}

static osd_status note_removed(struct txn *t, struct part *p)
{
    struct removed *d;

    if (new_part_find(t, p->pid) == p) {
        p->dropped = true;
        return OSD_OK;
    }
    d = calloc(1, sizeof(*d));
    if (!d)
        return OSD_E_NOMEM;
    *d = (struct removed){.pid = p->pid, .next = t->removed};
    t->removed = d;
    return OSD_OK;
}

#define FEW_OBJECTS 16
#define FEW_BYTES   (1 * MIB) /* so the keys are few as well */

/* Whether a partition, which may be deleted by range, is better deleted key by key: range deletions
 * are in the way of every iterator until they are merged into the tables. */
static bool has_little(const struct part *p, const struct store_meta *m,
                       const struct record *rec)
{
    return m->count <= FEW_OBJECTS && m->used <= FEW_BYTES && !rec->copying && !p->index;
}

/* What is in a partition goes, and what it has outside of its record. */
static osd_status remove_contents(struct txn *t, const struct record *rec, bool contents)
{
    osd_status st = contents ? remove_one_by_one(t, rec->id.pid) : OSD_OK;

    if (!st)
        st = attrs_remove(t, rec);
    return st ? st : index_part_removed(t, rec->id.pid);
}

static osd_status remove_partition(struct txn *t, struct store_id id, bool contents)
{
    bool alone = t->base.id.pid == id.pid || !t->changed;
    bool may_range = contents && alone && !t->range_pid && !new_part_find(t, id.pid);
    bool by_range = may_range;
    struct part *p = txn_part(t, id.pid);
    struct record rec;
    struct store_meta m;
    osd_status st = p ? rdb_get_meta(&t->base, id, &m) : OSD_E_NOT_FOUND;

    if (!st)
        st = txn_record(t, id, &rec);
    if (!st && has_little(p, &m, &rec))
        by_range = false;
    if (!st)
        st = dups_settle(t->rdb, id.pid, by_range ? DUPS_FROM : DUPS_FROM | DUPS_TO);
    if (!st && m.count > 0 && !contents)
        st = OSD_E_NOT_EMPTY;
    if (!st && !by_range)
        st = remove_contents(t, &rec, contents);
    if (st == OSD_E_CORRUPT && may_range && !t->failed) { /* nobody has to read what goes */
        by_range = true;
        st = OSD_OK;
    }
    if (!st)
        st = txn_record(t, id, &rec);
    if (!st)
        st = rdb_get_meta(&t->base, id, &m); /* what is left of it by now */
    if (!st)
        st = count_objects(t, t->rdb->root, -1, STORE_NO_LIMIT, STORE_QUOTA_NONE);
    if (!st)
        st = charge_part(t, t->rdb->root, -(int64_t)m.used, STORE_NO_LIMIT);
    if (!st && by_range)
        st = forget_changes(t, id.pid);
    if (!st)
        st = note_removed(t, p);
    if (st)
        return st;
    txn_record_delete(t, &rec);
    if (by_range)
        t->range_pid = id.pid;
    return OSD_OK;
}

static osd_status remove_object(struct txn *t, struct store_id id)
{
    struct object *o;
    osd_status st = txn_object(t, id, &o);

    if (st)
        return st;
    struct record rec = o->rec;
    if (index_any(t->rdb))
        st = index_object_removed(t, &rec);
    if (!st)
        st = data_remove(t, o);
    if (!st)
        st = attrs_remove(t, &rec);
    if (!st && (rec.members > 0 || rec.meta.kind == STORE_COLLECTION))
        st = members_remove(t, &rec);
    if (!st)
        st = charge_counters(t, id.pid, -(int64_t)rec.meta.used);
    if (!st)
        st = count_objects(t, txn_part(t, id.pid), -1, STORE_NO_LIMIT, STORE_QUOTA_NONE);
    if (st)
        return st;
    txn_record_delete(t, &rec); /* its touched times stay until that is committed, and longer */
    return OSD_OK;
}

static osd_status remove_any(struct txn *t, struct store_id id, bool contents)
{
    if (!txn_may_change(t, id))
        return OSD_E_INVALID;
    if (id.oid != 0)
        return remove_object(t, id);
    return id.pid ? remove_partition(t, id, contents) : OSD_E_INVALID;
}

osd_status rdb_remove(struct store_txn *base, struct store_id id, bool contents)
{
    return txn_noted(base, remove_any((struct txn *)base, id, contents));
}

osd_status rdb_format(struct store_txn *base, uint64_t capacity, const struct store_meta *root)
{
    struct txn *t = (struct txn *)base;
    struct record rec;
    struct store_meta m = *root;
    uint8_t field[8];

    osd_status st = store_held_covers(&t->held, (struct store_id){0, 0}) ? forget_changes(t, 0)
                                                                         : OSD_E_INVALID;
    if (!st)
        st = txn_record(t, (struct store_id){0, 0}, &rec);
    if (!st)
        st = attrs_remove(t, &rec);
    if (st)
        return txn_noted(base, st);
    be64_put(t->hidden_from, 0); /* now what is listed in the root, too */
    t->freed.n = 0;              /* the commit retires every block there is */
    deltas_end(t, false);
    m.kind = STORE_ROOT;
    m.used = m.count = m.length = 0;
    txn_record_put(t, &(struct record){.meta = m});
    if (capacity) {
        be64_put(field, capacity);
        txn_put(t, CF_DEFAULT, "capacity", 8, field, sizeof(field));
    }
    t->formatted = true;
    t->new_capacity = capacity;
    return OSD_OK;
}
