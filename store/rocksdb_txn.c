/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_txn.c - transactions of the RocksDB store: begin, commit, abort, objects
 *
 * Invariants:
 *  (1) Everything a transaction changes on disk is in its batch; one write commits it.
 *  (2) Counters of partitions are charged as the transaction goes (so that quotas hold under
 *      concurrency) and given back by abort.
 *  (3) Blocks it allocated are released by abort; blocks it freed are retired by commit.
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

/* Freed blocks that wait for a sync: from when on the keeper makes one (32 MiB), and from when
 * on whoever commits does (256 MiB). */
#define WAITING_MANY 8192u
#define WAITING_MAX  65536u

/* ---- batch access ---- */

osd_status rdb_error(struct rdb *r, char *err)
{
    osd_status st = strstr(err, "No space")    ? OSD_E_NO_SPACE
                    : strstr(err, "orruption") ? OSD_E_CORRUPT
                                               : OSD_E_IO;
    rocksdb_free(err);
    return st;
}

/* Families whose keys begin with a partition id; range deletions cover them. */
static bool ranged(enum cf cf)
{
    return cf == CF_OBJECTS || cf == CF_ATTRS || cf == CF_EXTENTS || cf == CF_MEMBERS;
}

/* Whether what is committed of a partition is deleted by range, which the batch does not show.
 */
static bool range_gone(const struct txn *t, uint64_t pid)
{
    return (t->formatted && pid != 0) || (t->contents && pid == t->base.id.pid);
}

osd_status txn_get(struct txn *t, enum cf cf, const void *key, size_t key_len, char **ret,
                   size_t *ret_len)
{
    struct rdb *r = t->rdb;
    bool batch_only = ranged(cf) && range_gone(t, be64_get(key));
    char *err = NULL;
    char *v = batch_only ? rocksdb_writebatch_wi_get_from_batch_cf(
                               t->batch, r->options, r->cf[cf], key, key_len, ret_len, &err)
              : t->batch ? rocksdb_writebatch_wi_get_from_batch_and_db_cf(
                               t->batch, r->db, r->ro, r->cf[cf], key, key_len, ret_len, &err)
                         : rocksdb_get_cf(r->db, r->ro, r->cf[cf], key, key_len, ret_len, &err);

    if (err)
        return rdb_error(r, err);
    if (!v)
        return OSD_E_NOT_FOUND;
    *ret = v;
    return OSD_OK;
}

static rocksdb_writebatch_wi_t *batch_of(struct txn *t)
{
    if (!t->batch)
        t->batch = rocksdb_writebatch_wi_create(0, 1);
    return t->batch;
}

void txn_put(struct txn *t, enum cf cf, const void *key, size_t key_len, const void *value,
             size_t len)
{
    rocksdb_writebatch_wi_put_cf(batch_of(t), t->rdb->cf[cf], key, key_len, value, len);
}

void txn_delete(struct txn *t, enum cf cf, const void *key, size_t key_len)
{
    rocksdb_writebatch_wi_delete_cf(batch_of(t), t->rdb->cf[cf], key, key_len);
}

rocksdb_iterator_t *txn_iterate(struct txn *t, enum cf cf)
{
    struct rdb *r = t->rdb;
    rocksdb_iterator_t *base =
        rocksdb_create_iterator_cf(r->db, t->ro ? t->ro : r->ro, r->cf[cf]);

    return t->batch
               ? rocksdb_writebatch_wi_create_iterator_with_base_cf(t->batch, base, r->cf[cf])
               : base;
}

static struct part *new_part_find(const struct txn *t, uint64_t pid)
{
    struct part *p = t->new_parts;

    while (p && (p->pid != pid || p->dropped))
        p = p->next;
    return p;
}

osd_status txn_load(struct txn *t, struct store_id id, struct store_meta *ret)
{
    uint8_t key[OBJECT_KEY_LEN];
    char *value;
    size_t len;

    key_object(key, id);
    osd_status st = txn_get(t, CF_OBJECTS, key, sizeof(key), &value, &len);
    if (st)
        return st;
    st = meta_decode(value, len, ret);
    rocksdb_free(value);
    return st;
}

void txn_store(struct txn *t, struct store_id id, const struct store_meta *m)
{
    uint8_t key[OBJECT_KEY_LEN], record[RECORD_MAX];

    key_object(key, id);
    txn_put(t, CF_OBJECTS, key, sizeof(key), record, meta_encode(m, record));
}

osd_status run_add(struct run_list *l, uint64_t first, uint32_t count)
{
    if (l->n > 0 && l->v[l->n - 1].first + l->v[l->n - 1].count == first &&
        first % BLOCKS_PER_FILE != 0) {
        l->v[l->n - 1].count += count;
        return OSD_OK;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        void *v = realloc(l->v, cap * sizeof(*l->v));
        if (!v)
            return OSD_E_NOMEM;
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = (struct run_entry){first, count};
    return OSD_OK;
}

/* ---- counters ---- */

struct part *txn_part(struct txn *t, uint64_t pid)
{
    struct part *p = new_part_find(t, pid);
    const struct removed *gone = t->removed;

    if (p)
        return p;
    while (gone && gone->pid != pid)
        gone = gone->next;
    return gone || (t->formatted && pid != 0) ? NULL : part_find(t->rdb, pid);
}

static struct delta *delta_of(struct txn *t, struct part *p)
{
    for (int i = 0; i < t->n_deltas; i++)
        if (t->deltas[i].part == p)
            return &t->deltas[i];
    if (t->n_deltas == TXN_DELTAS)
        return NULL;
    t->deltas[t->n_deltas] = (struct delta){.part = p};
    return &t->deltas[t->n_deltas++];
}

/* The limits in force: those of this transaction's own put_meta count at once. */
static struct store_meta limits_of(struct txn *t, struct part *p)
{
    struct store_meta m;

    if ((p->pid ? t->part_meta : t->root_meta) &&
        txn_load(t, (struct store_id){p->pid, 0}, &m) == OSD_OK)
        return m;
    pthread_mutex_lock(&p->mutex);
    m = p->meta;
    pthread_mutex_unlock(&p->mutex);
    return m;
}

static uint64_t growth(int64_t delta)
{
    return delta > 0 ? (uint64_t)delta : 0;
}

/* Move a counter's delta of this transaction, unless growth would pass the limit: what is
 * committed, what others may still add, and this transaction's own sum. Caller holds the mutex.
 */
static bool move_delta(uint64_t committed, uint64_t *open, int64_t *own, int64_t delta,
                       uint64_t limit)
{
    int64_t next = *own + delta;
    uint64_t others = *open - growth(*own);

    if (delta > 0 && committed + others + (uint64_t)next > limit)
        return false;
    *open = others + growth(next);
    *own = next;
    return true;
}

static osd_status charge_part(struct txn *t, struct part *p, int64_t delta, uint64_t limit)
{
    struct delta *d = delta_of(t, p);

    if (!d)
        return OSD_E_NOMEM;
    pthread_mutex_lock(&p->mutex);
    uint64_t committed = t->formatted && p->pid == 0 ? 0 : p->used;
    bool fits = move_delta(committed, &p->used_open, &d->used, delta, limit);
    pthread_mutex_unlock(&p->mutex);
    return fits ? OSD_OK : OSD_E_QUOTA;
}

/* Partition and device. The device's capacity counts everything. */
static osd_status charge_counters(struct txn *t, uint64_t pid, int64_t delta)
{
    struct rdb *r = t->rdb;
    struct part *p = txn_part(t, pid);
    osd_status st;

    if (delta > 0 && blocks_full(r->blocks))
        return OSD_E_NO_SPACE;
    if (pid != 0) {
        st = p ? charge_part(t, p, delta, limits_of(t, p).capacity_quota) : OSD_E_NOT_FOUND;
        if (st == OSD_E_QUOTA)
            t->base.quota = STORE_QUOTA_CAPACITY;
        if (st)
            return st;
    }
    uint64_t capacity = __atomic_load_n(&r->capacity, __ATOMIC_RELAXED);
    st = charge_part(t, r->root, delta, t->new_capacity ? t->new_capacity : capacity);
    return st == OSD_E_QUOTA ? OSD_E_NO_SPACE : st;
}

osd_status txn_charge(struct txn *t, struct store_id id, struct store_meta *m, int64_t delta)
{
    osd_status st = delta ? charge_counters(t, id.pid, delta) : OSD_OK;

    if (!st)
        m->used += (uint64_t)delta;
    return st;
}

static osd_status count_objects(struct txn *t, struct part *p, int64_t delta, uint64_t limit,
                                enum store_quota quota)
{
    struct delta *d = delta_of(t, p);

    if (!d)
        return OSD_E_NOMEM;
    if (delta > 0 && blocks_full(t->rdb->blocks))
        return OSD_E_NO_SPACE;
    pthread_mutex_lock(&p->mutex);
    uint64_t committed = t->formatted && p->pid == 0 ? 0 : p->count;
    bool fits = move_delta(committed, &p->count_open, &d->count, delta, limit);
    pthread_mutex_unlock(&p->mutex);
    if (!fits) {
        t->base.quota = quota;
        return OSD_E_QUOTA;
    }
    d->changed = true;
    return OSD_OK;
}

/* End of a transaction's claims on counters; with commit they become the counters. */
static void deltas_end(struct txn *t, bool commit)
{
    for (int i = 0; i < t->n_deltas; i++) {
        struct delta *d = &t->deltas[i];
        pthread_mutex_lock(&d->part->mutex);
        d->part->used_open -= growth(d->used);
        d->part->count_open -= growth(d->count);
        if (commit) {
            d->part->used += (uint64_t)d->used;
            d->part->count += (uint64_t)d->count;
            d->part->changes += d->changed;
        }
        pthread_mutex_unlock(&d->part->mutex);
    }
    t->n_deltas = 0;
}

bool txn_may_change(const struct txn *t, struct store_id id)
{
    if (store_held_covers(&t->held, id))
        return true;
    for (const struct created *c = t->created; c; c = c->next)
        if (c->claim.id.pid == id.pid && c->claim.id.oid == id.oid)
            return true;
    return false;
}

osd_status txn_noted(struct store_txn *base, osd_status st)
{
    struct txn *t = (struct txn *)base;

    if (st && st != OSD_E_NOT_FOUND && !t->failed)
        t->failed = st;
    return st;
}

/* ---- begin, commit, abort ---- */

osd_status rdb_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                     struct store_txn **ret)
{
    struct rdb *r = (struct rdb *)s;
    struct txn *t = calloc(1, sizeof(*t));

    if (!t)
        return OSD_E_NOMEM;
    store_locks_acquire(r->locks, id, mode, &t->held);
    t->base = (struct store_txn){.store = s, .id = id, .mode = mode};
    t->rdb = r;
    *ret = &t->base;
    return OSD_OK;
}

static void txn_free(struct txn *t)
{
    while (t->created) {
        struct created *c = t->created;
        t->created = c->next;
        store_unclaim(t->rdb->locks, &c->claim);
        free(c);
    }
    while (t->removed) {
        struct removed *d = t->removed;
        t->removed = d->next;
        free(d);
    }
    store_locks_release(t->rdb->locks, &t->held);
    if (t->batch)
        rocksdb_writebatch_wi_destroy(t->batch);
    if (t->ro)
        rocksdb_readoptions_destroy(t->ro);
    free(t->allocated.v);
    free(t->freed.v);
    free(t);
}

void rdb_abort(struct store_txn *base)
{
    struct txn *t = (struct txn *)base;

    deltas_end(t, false);
    for (size_t i = 0; i < t->allocated.n; i++)
        blocks_release(t->rdb->blocks, t->allocated.v[i].first, t->allocated.v[i].count);
    while (t->new_parts) {
        struct part *p = t->new_parts;
        t->new_parts = p->next;
        part_free(p);
    }
    txn_free(t);
}

/* Range deletions of a removed partition, or of everything. Objects keys of partition pid lie
 * in [pid.0, pid+1.0); the other families have longer keys with the same prefix. */
static void put_range_deletes(struct rdb *r, rocksdb_writebatch_t *b, uint64_t from,
                              uint64_t to)
{
    static const enum cf families[] = {CF_OBJECTS, CF_ATTRS, CF_EXTENTS, CF_MEMBERS};
    uint8_t lo[8], hi[9];

    be64_put(lo, from);
    be64_put(hi, to);
    hi[8] = 0xff;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        rocksdb_writebatch_delete_range_cf(b, r->cf[families[i]], (char *)lo, sizeof(lo),
                                           (char *)hi, to == UINT64_MAX ? 9 : 8);
}

#define BATCH_HEAD 12 /* sequence 8, count 4 little-endian, then the records */

static uint32_t le32_get(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The indexed batch cannot delete ranges: put them into a plain batch and append the records of
 * the indexed one behind them. */
static osd_status write_with_ranges(struct txn *t, char **err)
{
    struct rdb *r = t->rdb;
    rocksdb_writebatch_t *ranges = rocksdb_writebatch_create(), *whole;
    size_t n1, n2;

    if (t->formatted)
        put_range_deletes(r, ranges, 1, UINT64_MAX);
    else
        put_range_deletes(r, ranges, t->base.id.pid, t->base.id.pid + 1);
    const char *head = rocksdb_writebatch_data(ranges, &n1);
    const char *tail = rocksdb_writebatch_wi_data(batch_of(t), &n2);
    char *rep = malloc(n1 + n2 - BATCH_HEAD);
    if (!rep) {
        rocksdb_writebatch_destroy(ranges);
        return OSD_E_NOMEM;
    }
    memcpy(rep, head, n1);
    memcpy(rep + n1, tail + BATCH_HEAD, n2 - BATCH_HEAD);
    uint32_t count = le32_get((const uint8_t *)head + 8) + le32_get((const uint8_t *)tail + 8);
    for (int i = 0; i < 4; i++)
        rep[8 + i] = (char)(count >> (8 * i));
    whole = rocksdb_writebatch_create_from(rep, n1 + n2 - BATCH_HEAD);
    free(rep);
    rocksdb_write(r->db, r->wo, whole, err);
    rocksdb_writebatch_destroy(whole);
    rocksdb_writebatch_destroy(ranges);
    return OSD_OK;
}

static osd_status txn_write(struct txn *t)
{
    struct rdb *r = t->rdb;
    char *err = NULL;
    osd_status st = OSD_OK;

    if (__atomic_load_n(&r->failed, __ATOMIC_RELAXED))
        return OSD_E_IO;
    if (t->formatted || t->contents)
        st = write_with_ranges(t, &err);
    else
        rocksdb_write_writebatch_wi(r->db, r->wo, t->batch, &err);
    if (err) {
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        return rdb_error(r, err);
    }
    return st;
}

/* Release the blocks of every object of a removed partition (its map is still readable). */
static osd_status free_partition_blocks(struct txn *t);

/* Effects of a commit on what is kept in memory. */
static void refresh_meta(struct rdb *r, struct txn *t, struct part *p)
{
    struct store_meta m;

    if (p && txn_load(t, (struct store_id){p->pid, 0}, &m) == OSD_OK) {
        pthread_mutex_lock(&p->mutex);
        p->meta = m;
        pthread_mutex_unlock(&p->mutex);
    }
}

static void apply_format(struct txn *t)
{
    struct rdb *r = t->rdb;

    parts_clear(r);
    blocks_retire_all(r->blocks);
    touch_clear(r);
    pthread_mutex_lock(&r->root->mutex);
    r->root->count = 0;
    r->root->used = 0;
    r->root->changes++;
    pthread_mutex_unlock(&r->root->mutex);
    if (t->new_capacity)
        __atomic_store_n(&r->capacity, t->new_capacity, __ATOMIC_RELAXED);
}

static void txn_applied(struct txn *t)
{
    struct rdb *r = t->rdb;

    if (t->formatted)
        apply_format(t);
    deltas_end(t, true);
    if (t->part_meta && t->base.id.pid)
        refresh_meta(r, t, part_find(r, t->base.id.pid));
    if (t->root_meta || t->formatted)
        refresh_meta(r, t, r->root);
    for (const struct removed *d = t->removed; d; d = d->next)
        part_drop(r, d->pid);
    while (t->new_parts) {
        struct part *p = t->new_parts;
        t->new_parts = p->next;
        if (p->dropped)
            part_free(p);
        else
            part_insert(r, p);
    }
    if (t->record.seq)
        record_remember(r, &t->record);
    for (size_t i = 0; i < t->freed.n; i++)
        blocks_retire(r->blocks, t->freed.v[i].first, t->freed.v[i].count);
}

osd_status rdb_commit(struct store_txn *base, unsigned flags)
{
    struct txn *t = (struct txn *)base;
    struct rdb *r = t->rdb;
    bool sync = flags & STORE_COMMIT_SYNC || r->cfg.sync == STORE_SYNC_ALWAYS;
    osd_status st = t->failed;

    if (!st && t->contents)
        st = free_partition_blocks(t);
    if (!st && t->batch)
        st = txn_write(t);
    if (st) {
        rdb_abort(base);
        return st;
    }
    if (t->batch)
        txn_applied(t);
    bool wrote = t->batch != NULL;
    txn_free(t);
    if (flags & STORE_COMMIT_SYNC || (sync && wrote))
        return rdb_sync(r);
    if (!wrote)
        return OSD_OK;
    __atomic_store_n(&r->keeper.unsynced, true, __ATOMIC_RELEASE);
    uint64_t waiting = blocks_waiting(r->blocks);
    if (waiting >= WAITING_MAX)
        return rdb_sync(r);
    if (waiting >= WAITING_MANY)
        keeper_ring(r);
    return OSD_OK;
}

/* ---- metadata ---- */

osd_status rdb_get_meta(struct store_txn *base, struct store_id id, struct store_meta *ret)
{
    struct txn *t = (struct txn *)base;
    struct store_meta m;
    osd_status st = txn_load(t, id, &m);

    if (st)
        return st;
    touch_apply(t->rdb, id, &m);
    if (id.oid == 0) {
        struct part *p = txn_part(t, id.pid);
        struct delta *d = p ? delta_of(t, p) : NULL;
        if (!d)
            return p ? OSD_E_NOMEM : OSD_E_NOT_FOUND;
        pthread_mutex_lock(&p->mutex);
        bool empty = t->formatted && p->pid == 0;
        m.used = (empty ? 0 : p->used) + (uint64_t)d->used;
        m.count = (empty ? 0 : p->count) + (uint64_t)d->count;
        pthread_mutex_unlock(&p->mutex);
    }
    t->shown_id = id;
    t->shown = m;
    *ret = m;
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
    merge_times(t, id, &next, &old);
    txn_store(t, id, &next);
    if (id.oid == 0) {
        *(id.pid ? &t->part_meta : &t->root_meta) = true;
        struct part *p = new_part_find(t, id.pid);
        if (p)
            p->meta = next;
    }
    return OSD_OK;
}

/* ---- create and remove ---- */

static osd_status claim(struct txn *t, struct store_id id)
{
    struct created *c = t->created;

    while (c && (c->claim.id.pid != id.pid || c->claim.id.oid != id.oid))
        c = c->next;
    if (c) /* created and removed before in this transaction */
        return OSD_OK;
    c = calloc(1, sizeof(*c));
    if (!c)
        return OSD_E_NOMEM;
    c->claim.id = id;
    osd_status st = store_claim(t->rdb->locks, &c->claim);
    if (st) {
        free(c);
        return st;
    }
    c->next = t->created;
    t->created = c;
    return OSD_OK;
}

/* Claim one id and make sure that it is free. */
static osd_status claim_free(struct txn *t, struct store_id id)
{
    struct store_meta m;
    osd_status st = txn_load(t, id, &m);

    if (st != OSD_E_NOT_FOUND)
        return st ? st : OSD_E_EXISTS;
    st = claim(t, id);
    if (st)
        return st;
    st = txn_load(t, id, &m); /* again, now that nobody else can create it */
    return st == OSD_E_NOT_FOUND ? OSD_OK : st ? st : OSD_E_EXISTS;
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

static osd_status create_partition(struct txn *t, struct store_id id,
                                   const struct store_meta *meta, struct store_id *ret)
{
    struct rdb *r = t->rdb;
    struct store_meta m = *meta;
    osd_status st;

    id.oid = 0;
    if (t->base.id.pid != 0 && !store_held_covers(&t->held, id))
        return OSD_E_INVALID;
    st = count_objects(t, r->root, 1, limits_of(t, r->root).partition_quota,
                       STORE_QUOTA_PARTITIONS);
    if (!st)
        st = choose_id(t, &r->next_pid, true, &id);
    if (st)
        return st;
    m.used = m.count = m.length = 0;
    struct part *p = part_new(id.pid, &m);
    if (!p)
        return OSD_E_NOMEM;
    p->next = t->new_parts;
    t->new_parts = p;
    txn_store(t, id, &m);
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
    txn_store(t, id, &m);
    *ret = id;
    return OSD_OK;
}

osd_status rdb_create(struct store_txn *base, struct store_id id, const struct store_meta *meta,
                      struct store_id *ret)
{
    struct txn *t = (struct txn *)base;

    return txn_noted(base, meta->kind == STORE_PARTITION ? create_partition(t, id, meta, ret)
                                                         : create_object(t, id, meta, ret));
}

static osd_status retire_run(void *arg, uint64_t first, uint32_t count)
{
    return run_add(arg, first, count);
}

static osd_status free_partition_blocks(struct txn *t)
{
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(t->rdb->db, t->rdb->ro, t->rdb->cf[CF_EXTENTS]);
    uint8_t from[8];
    osd_status st = OSD_OK;

    be64_put(from, t->base.id.pid);
    for (rocksdb_iter_seek(it, (char *)from, sizeof(from)); rocksdb_iter_valid(it) && !st;
         rocksdb_iter_next(it)) {
        size_t klen, len;
        const char *key = rocksdb_iter_key(it, &klen);
        if (klen < 8 || memcmp(key, from, 8) != 0)
            break;
        const char *value = rocksdb_iter_value(it, &len);
        st = chunk_runs(value, len, retire_run, &t->freed);
    }
    rocksdb_iter_destroy(it);
    return st;
}

/* Before everything below a partition goes by range: what the transaction did there so far must
 * not be written behind the range deletion. Blocks it allocated become garbage of the commit.
 */
static osd_status forget_changes(struct txn *t)
{
    osd_status st = OSD_OK;

    be64_put(t->hidden_from, t->base.id.pid ? t->base.id.pid : 1);
    if (!t->ro)
        t->ro = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(t->ro, (char *)t->hidden_from,
                                                sizeof(t->hidden_from));
    if (t->batch)
        rocksdb_writebatch_wi_clear(t->batch);
    if (t->record.seq)
        record_put(t);
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

static osd_status remove_partition(struct txn *t, struct store_id id, bool contents)
{
    bool by_range = contents && t->base.id.pid == id.pid && !new_part_find(t, id.pid);
    struct part *p = txn_part(t, id.pid);
    uint8_t key[OBJECT_KEY_LEN];
    struct store_meta m;
    osd_status st = p ? rdb_get_meta(&t->base, id, &m) : OSD_E_NOT_FOUND;

    if (!st && m.count > 0 && !contents)
        st = OSD_E_NOT_EMPTY;
    if (!st && contents && !by_range)
        st = remove_one_by_one(t, id.pid);
    if (!st && !by_range)
        st = attrs_remove(t, id);
    if (!st)
        st = rdb_get_meta(&t->base, id, &m); /* what is left of it by now */
    if (!st)
        st = count_objects(t, t->rdb->root, -1, STORE_NO_LIMIT, STORE_QUOTA_NONE);
    if (!st)
        st = charge_part(t, t->rdb->root, -(int64_t)m.used, STORE_NO_LIMIT);
    if (!st && by_range)
        st = forget_changes(t);
    if (!st)
        st = note_removed(t, p);
    if (st)
        return st;
    key_object(key, id);
    txn_delete(t, CF_OBJECTS, key, sizeof(key));
    t->contents |= by_range;
    return OSD_OK;
}

static osd_status remove_any(struct txn *t, struct store_id id, bool contents)
{
    struct store_meta m;
    uint8_t key[OBJECT_KEY_LEN];
    osd_status st = txn_may_change(t, id) ? txn_load(t, id, &m) : OSD_E_INVALID;

    if (st)
        return st;
    if (id.oid == 0)
        return id.pid ? remove_partition(t, id, contents) : OSD_E_INVALID;
    st = data_remove(t, id);
    if (!st)
        st = attrs_remove(t, id);
    if (!st)
        st = members_remove(t, id);
    if (!st)
        st = charge_counters(t, id.pid, -(int64_t)m.used);
    if (!st)
        st = count_objects(t, txn_part(t, id.pid), -1, STORE_NO_LIMIT, STORE_QUOTA_NONE);
    if (st)
        return st;
    touch_forget(t->rdb, id, 15);
    key_object(key, id);
    txn_delete(t, CF_OBJECTS, key, sizeof(key));
    return OSD_OK;
}

osd_status rdb_remove(struct store_txn *base, struct store_id id, bool contents)
{
    return txn_noted(base, remove_any((struct txn *)base, id, contents));
}

osd_status rdb_format(struct store_txn *base, uint64_t capacity, const struct store_meta *root)
{
    struct txn *t = (struct txn *)base;
    struct store_id id = {0, 0};
    struct store_meta m = *root;
    uint8_t field[8];

    osd_status st = store_held_covers(&t->held, id) ? forget_changes(t) : OSD_E_INVALID;
    if (!st)
        st = attrs_remove(t, id);
    if (st)
        return txn_noted(base, st);
    t->freed.n = 0; /* the commit retires every block there is */
    deltas_end(t, false);
    m.kind = STORE_ROOT;
    m.used = m.count = m.length = 0;
    txn_store(t, id, &m);
    if (capacity) {
        be64_put(field, capacity);
        txn_put(t, CF_DEFAULT, "capacity", 8, field, sizeof(field));
    }
    t->formatted = true;
    t->new_capacity = capacity;
    return OSD_OK;
}
