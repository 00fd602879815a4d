/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_txn.c - transactions of the RocksDB store: batch, begin, commit, abort
 *
 * Invariants:
 *  (1) Everything a transaction changes on disk is in its batch; one write commits it. What can
 *      be looked up again before that is in an indexed batch, the rest goes into a list: that
 *      is cheaper, and all of what a small command changes.
 *  (2) Counters it charged (rocksdb_count.c) are given back by abort.
 *  (3) Blocks it allocated are released by abort; blocks it freed are retired by commit. After a
 *      failed write neither happens: the log may hold what failed, and the next opening show it.
 *  (4) The cache holds what is committed of objects and chunks, and is used for an object only by
 *      who keeps others from changing it. Such a transaction drops there what it changes, puts
 *      what it will have changed right before the write, and drops everything if that fails.
 *  (5) A commit is in the journal before it gives its locks back (rocksdb_ahead.c): STORE_COMMIT_LATER
 *      saves nothing here.
 *  (6) Batches have a common bound, so no command takes memory without end: a change that finds
 *      no room is left out and fails the transaction.
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

/* Freed blocks that wait for a sync: from when on the keeper makes one (32 MiB), and from when
 * on whoever commits does (1 GiB): as much as is overwritten while a busy disk takes a second for that. */
#define WAITING_MANY 8192u
#define WAITING_MAX  262144u

/* ---- batch access ---- */

bool rdb_is_starved(const char *err)
{
    return strstr(err, "Too many open files") != NULL;
}

osd_status rdb_error(struct rdb *r, char *err)
{
    if (rdb_is_starved(err))
        __atomic_store_n(&r->starved, true, __ATOMIC_RELAXED);
    osd_status st = strstr(err, "No space")    ? OSD_E_NO_SPACE
                    : strstr(err, "orruption") ? OSD_E_CORRUPT
                                               : OSD_E_IO;
    rocksdb_free(err);
    return st;
}

/* Families whose keys begin with a partition id; range deletions cover them. */
static bool ranged(enum cf cf)
{
    return cf != CF_DEFAULT && cf != CF_RECORDS;
}

/* Whether what is committed of a partition is deleted by range, which the batch does not show.
 */
static bool range_gone(const struct txn *t, uint64_t pid)
{
    return (t->formatted && pid != 0) || (t->range_pid && pid == t->range_pid);
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

    if (!t->batch) /* then the batch alone is asked for, and nothing was put into it yet */
        return OSD_E_NOT_FOUND;
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
    bool ahead;
    osd_status st;

    *ret = (struct value){0};
    if (batch_only || t->put & 1u << cf) {
        st = batch_only ? OSD_OK : ahead_drain(r);
        return st ? st : get_through(t, cf, key, key_len, batch_only, ret);
    }
    st = t->base.past_memory ? ahead_drain_family(r, cf) : OSD_OK;
    if (!st)
        st = ahead_get(r, cf, key, key_len, ret, &ahead);
    if (st || ahead)
        return st;
    ret->pin = rocksdb_get_pinned_cf(r->db, r->ro, r->cf[cf], key, key_len, &err);
    if (err)
        return rdb_error(r, err);
    if (!ret->pin)
        return OSD_E_NOT_FOUND;
    ret->data = rocksdb_pinnableslice_value(ret->pin, &ret->len);
    return OSD_OK;
}

/* ---- what is kept in memory of the database ---- */

/* Whether values of this family are kept, and nobody else changes those of the key's object as long
 * as the transaction has its lock. */
static bool is_hot(const struct txn *t, enum cf cf, const void *key, size_t key_len,
                   struct cache_key *ret)
{
    const uint8_t *k = key;

    if (cf != CF_OBJECTS && cf != CF_EXTENTS)
        return false;
    ret->id = (struct store_id){be64_get(k), be64_get(k + 8)};
    ret->part = key_len == EXTENT_KEY_LEN ? be64_get(k + OBJECT_KEY_LEN) : 0;
    bool own = ret->id.pid == t->base.id.pid && ret->id.oid == t->base.id.oid;
    return ret->id.oid && (own || store_held_covers(&t->held, ret->id));
}

osd_status txn_get_hot(struct txn *t, enum cf cf, const void *key, size_t key_len, void *room,
                       struct value *ret)
{
    struct cache_key place;
    bool hot = !t->base.past_memory && !(t->put & 1u << cf) &&
               is_hot(t, cf, key, key_len, &place) && !range_gone(t, place.id.pid);

    if (hot) {
        *ret = (struct value){.data = room};
        ret->len = cache_get(t->rdb->cache, place, room, OBJECT_MAX);
        if (ret->len > 0)
            return OSD_OK;
    }
    osd_status st = txn_get(t, cf, key, key_len, ret);
    if (hot && !st)
        cache_put(t->rdb->cache, place, ret->data, ret->len);
    return st;
}

/* A key is changed; value NULL: deleted. */
static void follow_change(struct txn *t, enum cf cf, const void *key, size_t key_len,
                          const void *value, size_t len)
{
    struct cache_key place;

    if (!is_hot(t, cf, key, key_len, &place))
        return;
    if (value && t->completing)
        cache_put(t->rdb->cache, place, value, len);
    else
        cache_drop(t->rdb->cache, place);
}

/* ---- changes ---- */

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
    rocksdb_column_family_handle_t *family = t->rdb->cf[cf];

    if (!batch_grows(t, key_len + len))
        return;
    t->changed = true;
    follow_change(t, cf, key, key_len, value, len);
    if (t->to_changes) {
        txn_noted(&t->base, ahead_note(t, cf, key, key_len, value, len, false));
        return;
    }
    t->put |= 1u << cf;
    rocksdb_writebatch_wi_put_cf(batch_of(t), family, key, key_len, value, len);
}

void txn_delete(struct txn *t, enum cf cf, const void *key, size_t key_len)
{
    rocksdb_column_family_handle_t *family = t->rdb->cf[cf];

    if (!batch_grows(t, key_len))
        return;
    t->changed = true;
    follow_change(t, cf, key, key_len, NULL, 0);
    if (t->to_changes) {
        txn_noted(&t->base, ahead_note(t, cf, key, key_len, "", 0, true));
        return;
    }
    t->put |= 1u << cf;
    rocksdb_writebatch_wi_delete_cf(batch_of(t), family, key, key_len);
}

rocksdb_iterator_t *txn_iterate(struct txn *t, enum cf cf)
{
    struct rdb *r = t->rdb;
    rocksdb_readoptions_t *ro = cf == CF_IDS ? r->ro_page : r->ro;
    rocksdb_iterator_t *base;

    if (cf == CF_IDS)
        txn_records_write(t);
    if (cf == CF_EXTENTS)
        txn_chunks_write(t);
    base = rdb_iterate(r, t->ro ? t->ro : ro, cf);
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

#define RECORD_KEEP (64 * KIB) /* a larger buffer is not kept for the next transaction */
#define RUNS_KEEP   1024u

/* Back to how a new one is, except for memory that can be used again. */
static void txn_clear(struct txn *t)
{
    struct osd_buf record = t->record;
    struct run_list allocated = t->allocated, freed = t->freed;

    memset(t, 0, offsetof(struct txn, kept));
    t->record = record;
    t->allocated = allocated;
    t->freed = freed;
    t->allocated.n = t->freed.n = 0;
}

/* One that ended before, or a new one; NULL. */
static struct txn *txn_new(struct rdb *r, unsigned place)
{
    struct txn *t = __atomic_exchange_n(&r->ended[place].txn, NULL, __ATOMIC_ACQUIRE);

    if (!t)
        t = calloc(1, sizeof(*t));
    return t;
}

void txn_destroy(struct txn *t)
{
    if (!t)
        return;
    osd_buf_free(&t->record);
    free(t->allocated.v);
    free(t->freed.v);
    free(t);
}

static void txn_keep(struct rdb *r, struct txn *t, unsigned place)
{
    if (t->record.cap > RECORD_KEEP || t->allocated.cap > RUNS_KEEP ||
        t->freed.cap > RUNS_KEEP) {
        txn_destroy(t);
        return;
    }
    txn_clear(t);
    txn_destroy(__atomic_exchange_n(&r->ended[place].txn, t, __ATOMIC_ACQ_REL));
}

void rdb_be_uncounted(void)
{
    static _Thread_local bool done;

    if (!done)
        rocksdb_set_perf_level(rocksdb_disable);
    done = true;
}

osd_status rdb_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                     struct store_txn **ret)
{
    struct rdb *r = (struct rdb *)s;
    struct store_held held;

    rdb_be_uncounted();
    store_locks_acquire(r->locks, id, mode, &held);
    struct txn *t = txn_new(r, osd_thread_place());
    if (!t) {
        store_locks_release(r->locks, &held);
        return OSD_E_NOMEM;
    }
    t->held = held;
    t->base = (struct store_txn){.store = s, .id = id, .mode = mode};
    t->rdb = r;
    *ret = &t->base;
    return OSD_OK;
}

void txn_unclaim(struct txn *t)
{
    struct created *c = t->created;

    t->created = c->next;
    store_unclaim(t->rdb->locks, &c->claim);
    free(c);
}

static void txn_free(struct txn *t)
{
    struct rdb *r = t->rdb;

    while (t->created)
        txn_unclaim(t);
    while (t->removed) {
        struct removed *d = t->removed;
        t->removed = d->next;
        free(d);
    }
    txn_records_forget(t);
    ahead_forget(t);
    if (t->index_changes || t->index_pending.data)
        index_forget(t);
    if (t->batch)
        rocksdb_writebatch_wi_destroy(t->batch);
    if (t->ro)
        rocksdb_readoptions_destroy(t->ro);
    if (t->batch_granted)
        __atomic_add_fetch(&r->batch_room, t->batch_granted, __ATOMIC_RELAXED);
    struct store_held held = t->held;
    txn_keep(r, t, osd_thread_place());
    store_locks_release(r->locks, &held);
}

void rdb_abort(struct store_txn *base)
{
    struct txn *t = (struct txn *)base;
    struct rdb *r = t->rdb;

    deltas_end(t, false);
    for (size_t i = 0; i < t->allocated.n && !rdb_failed(r); i++)
        blocks_release(r->blocks, t->allocated.v[i].first, t->allocated.v[i].count);
    while (t->new_parts) {
        struct part *p = t->new_parts;
        t->new_parts = p->next;
        dup_free(r, p->dup);
        part_free(r, p);
    }
    txn_free(t);
}

#define KEY_BEYOND 40 /* longer than any key */

/* Range deletions of a removed partition, or of everything. Keys of what is in partition pid lie
 * in [pid.0, pid+1.0), those of its place among the partitions in 0. The last partition there can
 * be has none after it: its range ends behind the last key there can be. */
static void put_range_deletes(struct rdb *r, rocksdb_writebatch_t *b, uint64_t from,
                              uint64_t last)
{
    static const enum cf families[] = {CF_IDS, CF_OBJECTS, CF_ATTRS, CF_EXTENTS, CF_MEMBERS};
    uint8_t lo[8], hi[KEY_BEYOND];

    _Static_assert(sizeof(lo) <= RANGE_MOST, "no range begins like a key whose place is kept");
    memset(hi, 0xff, sizeof(hi));
    if (last != UINT64_MAX)
        be64_put(hi, last + 1);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        be64_put(lo, families[i] == CF_IDS && from == 1 ? 0 : from);
        rocksdb_writebatch_delete_range_cf(b, r->cf[families[i]], (char *)lo, sizeof(lo),
                                           (char *)hi, last == UINT64_MAX ? KEY_BEYOND : 8);
    }
}

osd_status rdb_publish(struct osd_store *s)
{
    return ahead_publish((struct rdb *)s);
}

/* Append the records of one batch to those of another. */
static osd_status append_records(struct osd_buf *whole, const char *data, size_t len)
{
    uint32_t count;
    osd_status st = osd_buf_put(whole, data + BATCH_HEAD, len - BATCH_HEAD);

    if (st)
        return st;
    count = batch_count(whole->data) + batch_count(data);
    for (int i = 0; i < 4; i++)
        whole->data[8 + i] = (uint8_t)(count >> (8 * i));
    return OSD_OK;
}

/* The indexed batch cannot delete ranges: its records go behind those of a plain one that deletes
 * what a partition held, and before those that delete entries of indexes. */
static osd_status write_with_ranges(struct txn *t)
{
    struct rdb *r = t->rdb;
    rocksdb_writebatch_t *before = rocksdb_writebatch_create(),
                         *after = rocksdb_writebatch_create(), *all;
    _cleanup_buf_ struct osd_buf whole = osd_buf_make(SIZE_MAX);
    const char *data;
    size_t len;

    if (t->formatted)
        put_range_deletes(r, before, 1, UINT64_MAX);
    else if (t->range_pid)
        put_range_deletes(r, before, t->range_pid, t->range_pid);
    index_put_ranges(t, after);
    data = rocksdb_writebatch_data(before, &len);
    osd_status st = osd_buf_put(&whole, data, len);
    data = rocksdb_writebatch_wi_data(batch_of(t), &len);
    if (!st)
        st = append_records(&whole, data, len);
    data = rocksdb_writebatch_data(after, &len);
    if (!st)
        st = append_records(&whole, data, len);
    if (!st) {
        all = rocksdb_writebatch_create_from((const char *)whole.data, whole.len);
        st = ahead_write(r, all);
        rocksdb_writebatch_destroy(all);
        if (__atomic_add_fetch(&r->ranges, 1, __ATOMIC_RELAXED) == RANGES_MANY)
            keeper_ring(r);
    }
    rocksdb_writebatch_destroy(before);
    rocksdb_writebatch_destroy(after);
    return st;
}

static bool has_ranges(const struct txn *t)
{
    return t->formatted || t->range_pid || t->index_changes;
}

/* The last of the changes, into the indexed batch if there is one: its order is theirs. */
static osd_status complete(struct txn *t)
{
    t->completing = true;
    t->to_changes = !t->batch && !has_ranges(t);
    txn_records_write(t);
    txn_chunks_write(t);
    if (t->index_pending.len)
        index_write(t);
    if (t->outcome.seq)
        record_put(t);
    return t->failed;
}

static osd_status txn_write(struct txn *t)
{
    osd_status st = complete(t);
    size_t len;

    if (!st && rdb_failed(t->rdb))
        st = OSD_E_IO;
    if (st)
        return st;
    if (has_ranges(t))
        return write_with_ranges(t);
    if (!t->batch)
        return ahead_commit(t);
    const char *data = rocksdb_writebatch_wi_data(t->batch, &len);
    return ahead_write_batch(t, data, len);
}

/* Effects of a commit on what is kept in memory. */
static void apply_format(struct txn *t)
{
    struct rdb *r = t->rdb;

    cache_clear(r->cache);
    dups_clear(r);
    parts_clear(r);
    blocks_retire_all(r->blocks);
    r->formats++;
    touch_clear(r);
    counter_add(&r->root->used, -(int64_t)counter_now(&r->root->used));
    counter_add(&r->root->count, -(int64_t)counter_now(&r->root->count));
    if (t->new_capacity)
        __atomic_store_n(&r->capacity, t->new_capacity, __ATOMIC_RELAXED);
}

/* The first of the new partitions is there for everybody. */
static void new_part_applied(struct txn *t)
{
    struct part *p = t->new_parts;
    struct dup *d = p->dup;

    t->new_parts = p->next;
    p->dup = NULL;
    if (p->dropped) {
        dup_free(t->rdb, d);
        part_free(t->rdb, p);
        return;
    }
    part_insert(t->rdb, p);
    if (d)
        dup_start(t->rdb, d);
}

/* Partitions have come or gone, and the table shows it. */
static void root_changed(struct rdb *r)
{
    __atomic_add_fetch(&r->root->changes, 1, __ATOMIC_RELEASE);
}

static void txn_applied(struct txn *t)
{
    struct rdb *r = t->rdb;
    bool parts = t->formatted || t->removed || t->new_parts;

    if (t->formatted)
        apply_format(t);
    if (t->range_pid)
        cache_drop_partition(r->cache, t->range_pid);
    if (t->index_changes)
        index_applied(t);
    deltas_end(t, true);
    part_records_applied(t);
    for (const struct removed *d = t->removed; d; d = d->next) {
        dup_forget(r, d->pid);
        part_drop(r, d->pid);
    }
    if (t->concluded)
        dup_forget(r, t->concluded);
    while (t->new_parts)
        new_part_applied(t);
    if (parts)
        root_changed(r);
    if (t->index_changes)
        index_wake(r);
    if (t->outcome.seq && !t->outcome.number) /* otherwise it is: ahead_commit() */
        record_remember(r, &t->outcome);
    for (size_t i = 0; i < t->freed.n; i++)
        blocks_retire(r->blocks, t->freed.v[i].first, t->freed.v[i].count);
}

osd_status rdb_commit(struct store_txn *base, unsigned flags)
{
    struct txn *t = (struct txn *)base;
    struct rdb *r = t->rdb;
    bool sync = flags & STORE_COMMIT_SYNC || r->cfg.sync == STORE_SYNC_ALWAYS;
    osd_status st = t->failed;

    if (!st && sync && t->allocated.n > 0) /* the log never names blocks that are not there */
        st = rdb_sync_data(r);
    struct dup *goner = !st && t->range_pid ? dup_hold(r, t->range_pid) : NULL;
    if (!st && t->range_pid)
        st = free_partition_blocks(t);
    if (!st && t->index_changes)
        st = index_prepare(t);
    if (!st && t->changed) {
        st = txn_write(t);
        if (st)
            cache_clear(r->cache);
    }
    dup_let_go(goner, !st);
    if (st) {
        rdb_abort(base);
        return st;
    }
    bool wrote = t->changed;
    if (wrote)
        txn_applied(t);
    txn_free(t);
    if (wrote)
        ahead_pass(r);
    if (flags & STORE_COMMIT_SYNC || (sync && wrote))
        return rdb_sync(r);
    if (!wrote)
        return OSD_OK;
    uint64_t waiting = blocks_waiting(r->blocks);
    if (waiting >= WAITING_MAX)
        return rdb_sync(r);
    if (waiting >= WAITING_MANY)
        keeper_ring(r);
    return OSD_OK;
}
