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
 *  (3) Records are changed under the object's exclusive lock only. A shard's mutex is never
 *      held while waiting for a lock of the store.
 */
#include <stdlib.h>

#include "common/hash.h"
#include "rocksdb_internal.h"

static struct touch_shard *shard_of(struct rdb *r, struct store_id id)
{
    return &r->touch[osd_hash(r->seed, id.pid, id.oid) % TOUCH_SHARDS];
}

/* The link that points to an object's entry, or to NULL at the end of its chain. */
static struct touched **find(struct rdb *r, struct touch_shard *s, struct store_id id)
{
    uint64_t hash = osd_hash(r->seed, id.pid, id.oid) / TOUCH_SHARDS;
    struct touched **at = &s->bucket[hash % TOUCH_BUCKETS];

    while (*at && ((*at)->id.pid != id.pid || (*at)->id.oid != id.oid))
        at = &(*at)->next;
    return at;
}

static void drop(struct touch_shard *s, struct touched **at)
{
    struct touched *e = *at;

    *at = e->next;
    free(e);
    s->n--;
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
        pthread_mutex_init(&r->touch[i].mutex, NULL);
}

void touch_apply(struct rdb *r, struct store_id id, struct store_meta *m)
{
    struct touch_shard *s = shard_of(r, id);

    pthread_mutex_lock(&s->mutex);
    const struct touched *e = *find(r, s, id);
    for (int i = 0; e && i < 4; i++)
        if (e->flags & 1u << i && e->time[i] > *time_member(m, i))
            *time_member(m, i) = e->time[i];
    pthread_mutex_unlock(&s->mutex);
}

void touch_forget(struct rdb *r, struct store_id id, unsigned flags)
{
    struct touch_shard *s = shard_of(r, id);

    pthread_mutex_lock(&s->mutex);
    struct touched **at = find(r, s, id);
    if (*at && !((*at)->flags &= ~flags))
        drop(s, at);
    pthread_mutex_unlock(&s->mutex);
}

/* Forget the times of an object that its record has by now. */
static void settle(struct rdb *r, struct store_id id, struct store_meta *m)
{
    struct touch_shard *s = shard_of(r, id);

    pthread_mutex_lock(&s->mutex);
    struct touched **at = find(r, s, id);
    for (int i = 0; *at && i < 4; i++)
        if ((*at)->time[i] <= *time_member(m, i))
            (*at)->flags &= ~(1u << i);
    if (*at && (*at)->flags == 0)
        drop(s, at);
    pthread_mutex_unlock(&s->mutex);
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

/* Ids of a shard's objects at this moment; the caller frees. */
static size_t list_shard(struct touch_shard *s, struct store_id **ret)
{
    size_t n = 0;

    pthread_mutex_lock(&s->mutex);
    *ret = s->n ? calloc(s->n, sizeof(**ret)) : NULL;
    for (size_t i = 0; *ret && i < TOUCH_BUCKETS; i++)
        for (const struct touched *e = s->bucket[i]; e; e = e->next)
            (*ret)[n++] = e->id;
    pthread_mutex_unlock(&s->mutex);
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
    for (size_t i = 0; i < TOUCH_SHARDS; i++) {
        struct touch_shard *s = &r->touch[i];
        pthread_mutex_lock(&s->mutex);
        for (size_t k = 0; k < TOUCH_BUCKETS; k++)
            while (s->bucket[k])
                drop(s, &s->bucket[k]);
        pthread_mutex_unlock(&s->mutex);
    }
}

bool touch_many(struct rdb *r)
{
    bool many = false;

    for (size_t i = 0; i < TOUCH_SHARDS && !many; i++) {
        pthread_mutex_lock(&r->touch[i].mutex);
        many = r->touch[i].n >= TOUCH_MAX / 2;
        pthread_mutex_unlock(&r->touch[i].mutex);
    }
    return many;
}

/* Find or make an object's entry; NULL when there is no room. Caller holds the mutex. */
static struct touched *entry(struct rdb *r, struct touch_shard *s, struct store_id id)
{
    struct touched **at = find(r, s, id);

    if (!*at) {
        *at = s->n < 2 * TOUCH_MAX ? calloc(1, sizeof(**at)) : NULL;
        if (!*at)
            return NULL;
        (*at)->id = id;
        s->n++;
    }
    return *at;
}

void rdb_touch(struct osd_store *base, struct store_id id, unsigned flags, uint64_t now_ms)
{
    struct rdb *r = (struct rdb *)base;
    struct touch_shard *s = shard_of(r, id);

    pthread_mutex_lock(&s->mutex);
    size_t before = s->n;
    struct touched *e = entry(r, s, id);
    for (int i = 0; e && i < 4; i++)
        if (flags & (1u << i) && (!(e->flags & 1u << i) || e->time[i] < now_ms))
            e->time[i] = now_ms;
    if (e)
        e->flags |= flags & 15u;
    size_t n = s->n;
    pthread_mutex_unlock(&s->mutex);
    if (n > before && n == TOUCH_MAX / 2)
        keeper_ring(r);
    if (n > before && n >= TOUCH_MAX)
        flush_shard(r, s);
}
