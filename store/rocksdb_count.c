/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_count.c - used capacity and object counts of partitions, quotas, capacity
 *
 * Invariants:
 *  (1) What is committed plus what open transactions may still add never exceeds a limit, except
 *      where a limit was lowered afterwards.
 *  (2) What a transaction gives back counts for itself at once, for others at its commit.
 *  (3) A counter's `most` is what is committed and the growth that open transactions may still commit,
 *      so one exchange of it decides whether more growth fits: threads take no lock for that.
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
    uint64_t used = empty ? 0 : counter_now(&p->used);
    uint64_t count = empty ? 0 : counter_now(&p->count);
    m->used = used + (uint64_t)d->used;
    m->count = count + (uint64_t)d->count;
}

static uint64_t growth(int64_t delta)
{
    return delta > 0 ? (uint64_t)delta : 0;
}

/* Move a counter's delta of this transaction, unless growth would pass the limit: what is
 * committed, what others may still add, and this transaction's own sum. */
static bool move_delta(const struct txn *t, const struct part *p, struct counter *c,
                       int64_t *own, int64_t delta, uint64_t limit)
{
    int64_t next = *own + delta;
    uint64_t gone = t->formatted && p->pid == 0 ? counter_now(c) : 0; /* nobody else is there */
    uint64_t most = __atomic_load_n(&c->most, __ATOMIC_RELAXED), others;

    do {
        others = most - growth(*own);
        if (delta > 0 && others - gone + (uint64_t)next > limit)
            return false;
    } while (growth(next) != growth(*own) &&
             !__atomic_compare_exchange_n(&c->most, &most, others + growth(next), true,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    *own = next;
    return true;
}

osd_status charge_part(struct txn *t, struct part *p, int64_t delta, uint64_t limit)
{
    struct delta *d = delta_of(t, p);

    if (!d)
        return OSD_E_NOMEM;
    return move_delta(t, p, &p->used, &d->used, delta, limit) ? OSD_OK : OSD_E_QUOTA;
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
    if (!move_delta(t, p, &p->count, &d->count, delta, limit)) {
        t->base.quota = quota;
        return OSD_E_QUOTA;
    }
    d->changed = true;
    return OSD_OK;
}

/* What a delta is of a counter at the end: `most` has the growth already. What is given back leaves `now`
 * first: who takes the room may add to `now` at once, which nobody shall see beyond the limit. */
static void delta_end(struct counter *c, int64_t delta, bool commit)
{
    uint64_t over = growth(delta) - (commit ? (uint64_t)delta : 0);

    if (commit && delta)
        __atomic_add_fetch(&c->now, (uint64_t)delta, __ATOMIC_RELAXED);
    if (over)
        __atomic_sub_fetch(&c->most, over, __ATOMIC_RELEASE);
}

void deltas_end(struct txn *t, bool commit)
{
    for (int i = 0; i < t->n_deltas; i++) {
        struct delta *d = &t->deltas[i];
        delta_end(&d->part->used, d->used, commit);
        delta_end(&d->part->count, d->count, commit);
        if (commit && d->changed && d->part->pid) /* of the root: root_changed() */
            __atomic_add_fetch(&d->part->changes, 1, __ATOMIC_RELEASE);
    }
    t->n_deltas = 0;
}
