/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_touch.c - timestamps that are newer than the objects' records
 *
 * Reading an object changes its timestamps. Writing a record for that would make every READ a
 * write, so they are kept here, overlaid on what is read (touch_apply()), and written when there
 * are many, at a flush and at close.
 * Invariants:
 *  (1) A time stays here until the record that holds it is committed: nobody sees it go back.
 *  (2) Whoever touches the last of TOUCH_MAX objects of a shard writes them all. When that
 *      fails, twice as many are the end: a failing store forgets access times.
 *  (3) Records are changed under the object's exclusive lock only. A bucket's mutex is never
 *      held while waiting for a lock of the store.
 *  (4) Those of partitions and the root stand in struct part as well, changed under the mutex of
 *      their bucket: every command looks at its partition's, and needs no lock for that.
 *      Who touches one that has the time already takes no lock of others either.
 *  (5) Whether a bucket is empty may be looked at without its mutex: who is to see a time that was
 *      touched comes after that anyway.
 */
#include <stdlib.h>

#include "common/hash.h"
#include "rocksdb_internal.h"

static struct touch_shard *shard_of(struct rdb *r, struct store_id id)
{
    return &r->touch[osd_hash(r->seed, id.pid, id.oid) % TOUCH_SHARDS];
}

static struct touch_bucket bucket_at(struct touch_shard *s, size_t i)
{
    return (struct touch_bucket){&s->first[i], &s->lock[i].mutex};
}

static struct touch_bucket bucket_of(struct rdb *r, struct store_id id)
{
    uint64_t hash = osd_hash(r->seed, id.pid, id.oid) / TOUCH_SHARDS;

    return bucket_at(shard_of(r, id), hash % TOUCH_BUCKETS);
}

static bool is_empty(struct touch_bucket b)
{
    return !__atomic_load_n(b.first, __ATOMIC_RELAXED);
}

/* The link that points to an object's entry, or to NULL at the end of its chain. */
static struct touched **find(struct touch_bucket b, struct store_id id)
{
    struct touched **at = b.first;

    while (*at && ((*at)->id.pid != id.pid || (*at)->id.oid != id.oid))
        at = &(*at)->next;
    return at;
}

/* Times that count have changed. */
static void changed(struct rdb *r, const struct touched *e)
{
    uint64_t time[4];

    for (int i = 0; i < 4; i++)
        time[i] = e->flags & 1u << i ? e->time[i] : 0;
    if (!e->id.oid)
        part_touched(r, e->id.pid, time);
}

/* Flags of an entry do not count any more; without any it goes. */
static void uncount(struct rdb *r, struct touched **at, unsigned flags)
{
    struct touched *e = *at;

    e->flags &= ~flags;
    changed(r, e);
    if (e->flags)
        return;
    __atomic_store_n(at, e->next, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&shard_of(r, e->id)->n, 1, __ATOMIC_RELAXED);
    free(e);
}

/* The four timestamps in the order of the flags. */
static uint64_t *time_member(struct store_meta *m, int i)
{
    uint64_t *const members[4] = {&m->attr_accessed, &m->attr_modified, &m->data_accessed,
                                  &m->data_modified};

    return members[i];
}

void touch_init(struct rdb *r)
{
    for (size_t i = 0; i < TOUCH_SHARDS; i++)
        for (size_t k = 0; k < TOUCH_BUCKETS; k++)
            pthread_mutex_init(&r->touch[i].lock[k].mutex, NULL);
}

void touch_apply(struct rdb *r, struct store_id id, struct store_meta *m)
{
    struct touch_bucket b = bucket_of(r, id);

    if (is_empty(b))
        return;
    pthread_mutex_lock(b.mutex);
    const struct touched *e = *find(b, id);
    for (int i = 0; e && i < 4; i++)
        if (e->flags & 1u << i && e->time[i] > *time_member(m, i))
            *time_member(m, i) = e->time[i];
    pthread_mutex_unlock(b.mutex);
}

void touch_apply_part(const struct part *p, struct store_meta *m)
{
    for (int i = 0; i < 4; i++) {
        uint64_t time = __atomic_load_n(&p->touched[i], __ATOMIC_RELAXED);
        if (time > *time_member(m, i))
            *time_member(m, i) = time;
    }
}

void touch_forget(struct rdb *r, struct store_id id, unsigned flags)
{
    struct touch_bucket b = bucket_of(r, id);

    if (is_empty(b))
        return;
    pthread_mutex_lock(b.mutex);
    struct touched **at = find(b, id);
    if (*at)
        uncount(r, at, flags);
    pthread_mutex_unlock(b.mutex);
}

/* Forget the times of an object that its record has by now. */
static void settle(struct rdb *r, struct store_id id, struct store_meta *m)
{
    struct touch_bucket b = bucket_of(r, id);
    unsigned there = 0;

    pthread_mutex_lock(b.mutex);
    struct touched **at = find(b, id);
    for (int i = 0; *at && i < 4; i++)
        if ((*at)->time[i] <= *time_member(m, i))
            there |= 1u << i;
    if (*at)
        uncount(r, at, there);
    pthread_mutex_unlock(b.mutex);
}

/* Write one object's timestamps into its record, if the object is still there. */
static osd_status write_one(struct rdb *r, struct store_id id)
{
    struct store_txn *t;
    struct store_meta m;
    osd_status st = rdb_begin(&r->base, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = txn_load((struct txn *)t, id, &m);
    if (st) {
        rdb_abort(t);
        touch_forget(r, id, 15);
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    }
    touch_apply(r, id, &m);
    txn_store((struct txn *)t, id, &m);
    st = rdb_commit(t, 0);
    if (!st)
        settle(r, id, &m);
    return st;
}

/* Ids of a shard's objects; the caller frees. Those touched meanwhile may be left out. */
static size_t list_shard(struct touch_shard *s, struct store_id **ret)
{
    size_t n = 0, max = __atomic_load_n(&s->n, __ATOMIC_RELAXED);

    *ret = max ? calloc(max, sizeof(**ret)) : NULL;
    for (size_t i = 0; *ret && i < TOUCH_BUCKETS; i++) {
        struct touch_bucket b = bucket_at(s, i);
        pthread_mutex_lock(b.mutex);
        for (const struct touched *e = *b.first; e && n < max; e = e->next)
            (*ret)[n++] = e->id;
        pthread_mutex_unlock(b.mutex);
    }
    return n;
}

static osd_status flush_shard(struct rdb *r, struct touch_shard *s)
{
    struct store_id *ids;
    size_t n = list_shard(s, &ids);
    osd_status st = OSD_OK;

    for (size_t i = 0; i < n; i++) {
        osd_status one = write_one(r, ids[i]);
        if (!st)
            st = one;
    }
    free(ids);
    return st;
}

osd_status touch_flush(struct rdb *r)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < TOUCH_SHARDS; i++) {
        osd_status one = flush_shard(r, &r->touch[i]);
        if (!st)
            st = one;
    }
    return st;
}

void touch_clear(struct rdb *r)
{
    for (size_t i = 0; i < TOUCH_SHARDS * TOUCH_BUCKETS; i++) {
        struct touch_bucket b = bucket_at(&r->touch[i / TOUCH_BUCKETS], i % TOUCH_BUCKETS);
        pthread_mutex_lock(b.mutex);
        while (*b.first)
            uncount(r, b.first, 15);
        pthread_mutex_unlock(b.mutex);
    }
}

bool touch_many(struct rdb *r)
{
    bool many = false;

    for (size_t i = 0; i < TOUCH_SHARDS && !many; i++)
        many = __atomic_load_n(&r->touch[i].n, __ATOMIC_RELAXED) >= TOUCH_MAX / 2;
    return many;
}

/* Make an entry at the end of a chain, unless there is no room. Caller holds the mutex. Returns
 * how many the shard has with it; 0: no room. */
static size_t make(struct touch_shard *s, struct touched **at, struct store_id id)
{
    size_t n = __atomic_add_fetch(&s->n, 1, __ATOMIC_RELAXED);
    struct touched *e = n <= 2 * TOUCH_MAX ? calloc(1, sizeof(*e)) : NULL;

    if (!e) {
        __atomic_sub_fetch(&s->n, 1, __ATOMIC_RELAXED);
        return 0;
    }
    e->id = id;
    __atomic_store_n(at, e, __ATOMIC_RELAXED);
    return n;
}

static void touch(struct rdb *r, struct touched *e, unsigned flags, uint64_t now_ms)
{
    bool news = false;

    for (int i = 0; i < 4; i++)
        if (flags & (1u << i) && (!(e->flags & 1u << i) || e->time[i] < now_ms)) {
            e->time[i] = now_ms;
            news = true;
        }
    e->flags |= flags & 15u;
    if (news)
        changed(r, e);
}

/* Whether a partition has these times already, as nearly always: they change once in a millisecond. Then
 * the mutex of its bucket, which every READ and WRITE in it would take, is left alone. */
static bool part_has(struct rdb *r, struct store_id id, unsigned flags, uint64_t now_ms)
{
    const struct part *p = id.oid ? NULL : part_find(r, id.pid);

    for (int i = 0; p && i < 4; i++)
        if (flags & (1u << i) && __atomic_load_n(&p->touched[i], __ATOMIC_RELAXED) < now_ms)
            return false;
    return p != NULL;
}

void rdb_touch(struct osd_store *base, struct store_id id, unsigned flags, uint64_t now_ms)
{
    struct rdb *r = (struct rdb *)base;
    struct touch_shard *s = shard_of(r, id);
    struct touch_bucket b = bucket_of(r, id);
    size_t n = 0;

    if (part_has(r, id, flags, now_ms))
        return;
    pthread_mutex_lock(b.mutex);
    struct touched **at = find(b, id);
    if (!*at)
        n = make(s, at, id);
    if (*at)
        touch(r, *at, flags, now_ms);
    pthread_mutex_unlock(b.mutex);
    if (n == TOUCH_MAX / 2)
        keeper_ring(r);
    if (n >= TOUCH_MAX)
        flush_shard(r, s);
}
