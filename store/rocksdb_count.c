/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_count.c - used capacity and object counts of partitions, quotas, capacity
 *
 * Invariants:
 *  (1) What is committed plus what open transactions may still add never exceeds a limit, except
 *      where a limit was lowered afterwards.
 *  (2) What a transaction gives back counts for itself at once, for others at its commit.
 */
#include "rocksdb_internal.h"

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

struct store_meta limits_of(const struct txn *t, struct part *p)
{
    struct record rec;

    txn_part_record(t, p, &rec);
    return rec.meta;
}

void txn_counters(const struct txn *t, struct part *p, struct store_meta *m)
{
    struct delta none = {0};
    const struct delta *d = &none;

    for (int i = 0; i < t->n_deltas; i++)
        if (t->deltas[i].part == p)
            d = &t->deltas[i];
    bool empty = t->formatted && p->pid == 0;
    uint64_t used = empty ? 0 : __atomic_load_n(&p->used, __ATOMIC_RELAXED);
    uint64_t count = empty ? 0 : __atomic_load_n(&p->count, __ATOMIC_RELAXED);
    m->used = used + (uint64_t)d->used;
    m->count = count + (uint64_t)d->count;
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

osd_status charge_part(struct txn *t, struct part *p, int64_t delta, uint64_t limit)
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

osd_status charge_counters(struct txn *t, uint64_t pid, int64_t delta)
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
    osd_status st = delta && !t->deferring ? charge_counters(t, id.pid, delta) : OSD_OK;

    if (t->deferring)
        t->deferred += delta;
    if (!st)
        m->used += (uint64_t)delta;
    return st;
}

osd_status count_objects(struct txn *t, struct part *p, int64_t delta, uint64_t limit,
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

void deltas_end(struct txn *t, bool commit)
{
    for (int i = 0; i < t->n_deltas; i++) {
        struct delta *d = &t->deltas[i];
        pthread_mutex_lock(&d->part->mutex);
        d->part->used_open -= growth(d->used);
        d->part->count_open -= growth(d->count);
        if (commit) {
            part_counted(d->part, d->part->used + (uint64_t)d->used,
                         d->part->count + (uint64_t)d->count);
            d->part->changes += d->changed;
        }
        pthread_mutex_unlock(&d->part->mutex);
    }
    t->n_deltas = 0;
}
