/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_txn.c - transactions of the RocksDB store: batch, begin, commit, abort
 *
 * Invariants:
 *  (1) Everything a transaction changes on disk is in its batch; one write commits it.
 *  (2) Counters it charged (rocksdb_count.c) are given back by abort.
 *  (3) Blocks it allocated are released by abort; blocks it freed are retired by commit.
 *  (4) Batches have a common bound, so no command takes memory without end: a change that finds
 *      no room is left out and fails the transaction.
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

void value_free(struct value *v)
{
    if (v->pin)
        rocksdb_pinnableslice_destroy(v->pin);
    if (v->own)
        rocksdb_free(v->own);
}

/* From the batch alone, or from what the batch makes of the database. */
static osd_status get_through(struct txn *t, enum cf cf, const void *key, size_t key_len,
                              bool batch_only, struct value *ret)
{
    struct rdb *r = t->rdb;
    char *err = NULL;
    char *v = batch_only
                  ? rocksdb_writebatch_wi_get_from_batch_cf(t->batch, r->options, r->cf[cf],
                                                            key, key_len, &ret->len, &err)
                  : rocksdb_writebatch_wi_get_from_batch_and_db_cf(
                        t->batch, r->db, r->ro, r->cf[cf], key, key_len, &ret->len, &err);

    if (err)
        return rdb_error(r, err);
    ret->data = ret->own = v;
    return v ? OSD_OK : OSD_E_NOT_FOUND;
}

osd_status txn_get(struct txn *t, enum cf cf, const void *key, size_t key_len,
                   struct value *ret)
{
    struct rdb *r = t->rdb;
    bool batch_only = ranged(cf) && range_gone(t, be64_get(key));
    char *err = NULL;

    *ret = (struct value){0};
    if (batch_only || t->put & 1u << cf)
        return get_through(t, cf, key, key_len, batch_only, ret);
    ret->pin = rocksdb_get_pinned_cf(r->db, r->ro, r->cf[cf], key, key_len, &err);
    if (err)
        return rdb_error(r, err);
    if (!ret->pin)
        return OSD_E_NOT_FOUND;
    ret->data = rocksdb_pinnableslice_value(ret->pin, &ret->len);
    return OSD_OK;
}

rocksdb_writebatch_wi_t *batch_of(struct txn *t)
{
    if (!t->batch)
        t->batch = rocksdb_writebatch_wi_create(0, 1);
    return t->batch;
}

#define ENTRY_MEMORY 100 /* of the index, for each key */

/* Whether one more key may go into the batch. If not, the transaction has failed. */
static bool batch_grows(struct txn *t, size_t len)
{
    int64_t *room = &t->rdb->batch_room;

    t->batch_used += (int64_t)len + ENTRY_MEMORY;
    while (t->batch_used > t->batch_granted + BATCH_STEP) {
        if (__atomic_sub_fetch(room, BATCH_STEP, __ATOMIC_RELAXED) < 0) {
            __atomic_add_fetch(room, BATCH_STEP, __ATOMIC_RELAXED);
            txn_noted(&t->base, OSD_E_NOMEM);
            return false;
        }
        t->batch_granted += BATCH_STEP;
    }
    return true;
}

void txn_put(struct txn *t, enum cf cf, const void *key, size_t key_len, const void *value,
             size_t len)
{
    if (!batch_grows(t, key_len + len))
        return;
    t->put |= 1u << cf;
    rocksdb_writebatch_wi_put_cf(batch_of(t), t->rdb->cf[cf], key, key_len, value, len);
}

void txn_delete(struct txn *t, enum cf cf, const void *key, size_t key_len)
{
    if (!batch_grows(t, key_len))
        return;
    t->put |= 1u << cf;
    rocksdb_writebatch_wi_delete_cf(batch_of(t), t->rdb->cf[cf], key, key_len);
}

rocksdb_iterator_t *txn_iterate(struct txn *t, enum cf cf)
{
    struct rdb *r = t->rdb;
    rocksdb_iterator_t *base;

    if (cf == CF_OBJECTS)
        txn_records_write(t);
    base = rocksdb_create_iterator_cf(r->db, t->ro ? t->ro : r->ro, r->cf[cf]);
    return t->put & 1u << cf
               ? rocksdb_writebatch_wi_create_iterator_with_base_cf(t->batch, base, r->cf[cf])
               : base;
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

bool txn_may_change(const struct txn *t, struct store_id id)
{
    if (store_held_covers(&t->held, id))
        return true;
    return t->created && store_claimed_by(t->rdb->locks, id, t);
}

osd_status txn_noted(struct store_txn *base, osd_status st)
{
    struct txn *t = (struct txn *)base;

    if (st && st != OSD_E_NOT_FOUND && !t->failed)
        t->failed = st;
    return st ? st : t->failed;
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
    txn_records_forget(t);
    store_locks_release(t->rdb->locks, &t->held);
    if (t->batch)
        rocksdb_writebatch_wi_destroy(t->batch);
    if (t->ro)
        rocksdb_readoptions_destroy(t->ro);
    __atomic_add_fetch(&t->rdb->batch_room, t->batch_granted, __ATOMIC_RELAXED);
    free(t->allocated.v);
    free(t->freed.v);
    free(t);
}

void rdb_abort(struct store_txn *base)
{
    struct txn *t = (struct txn *)base;
    struct rdb *r = t->rdb;

    deltas_end(t, false);
    for (size_t i = 0; i < t->allocated.n; i++)
        blocks_release(r->blocks, t->allocated.v[i].first, t->allocated.v[i].count);
    while (t->new_parts) {
        struct part *p = t->new_parts;
        t->new_parts = p->next;
        part_free(r, p);
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

/* Effects of a commit on what is kept in memory. */
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
    part_records_applied(t);
    for (const struct removed *d = t->removed; d; d = d->next)
        part_drop(r, d->pid);
    while (t->new_parts) {
        struct part *p = t->new_parts;
        t->new_parts = p->next;
        if (p->dropped)
            part_free(r, p);
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
    if (!st && sync && t->allocated.n > 0) /* the log never names blocks that are not there */
        st = rdb_sync_data(r);
    if (!st && t->batch) {
        txn_records_write(t);
        st = t->failed ? t->failed : txn_write(t);
    }
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
