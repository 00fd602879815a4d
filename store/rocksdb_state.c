/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_state.c - the partitions as the RocksDB store keeps them in memory
 *
 * Invariants:
 *  (1) The table of partitions equals the committed partitions. A struct part stays memory of
 *      one until the store is closed, so that a late look at it is harmless.
 *  (2) The same partitions, but the root, hang in a treap by id: the priority of one, which decides
 *      what hangs below it, is a hash of its id.
 */
#include <stdlib.h>

#include "common/hash.h"
#include "rocksdb_internal.h"

/* ---- partitions ---- */

static struct part *find_locked(struct rdb *r, uint64_t pid)
{
    struct part *p = r->parts[osd_hash(r->seed, pid, 0) % PART_BUCKETS];

    while (p && p->pid != pid)
        p = p->next;
    return pid == 0 ? r->root : p;
}

struct part *part_find(struct rdb *r, uint64_t pid)
{
    struct part *p;

    if (pid == 0)
        return r->root;
    spread_read(&r->parts_lock);
    p = find_locked(r, pid);
    spread_read_end(&r->parts_lock);
    return p;
}

void part_touched(struct rdb *r, uint64_t pid, const uint64_t time[4])
{
    spread_read(
        &r->parts_lock); /* as long as it is in the table, it is no other one's memory */
    struct part *p = find_locked(r, pid);
    for (int i = 0; p && i < 4; i++)
        __atomic_store_n(&p->touched[i], time[i], __ATOMIC_RELAXED);
    spread_read_end(&r->parts_lock);
}

/* ---- their order ---- */

static uint64_t priority(const struct rdb *r, const struct part *p)
{
    return osd_hash(r->seed, p->pid, 1);
}

/* Cut a treap in two: ids below pid, and the others. */
static void split(struct part *top, uint64_t pid, struct part **ret_below,
                  struct part **ret_rest)
{
    if (!top) {
        *ret_below = *ret_rest = NULL;
    } else if (top->pid < pid) {
        split(top->after, pid, &top->after, ret_rest);
        *ret_below = top;
    } else {
        split(top->before, pid, ret_below, &top->before);
        *ret_rest = top;
    }
}

/* All ids of a are less than those of b. */
static struct part *join(const struct rdb *r, struct part *a, struct part *b)
{
    if (!a || !b)
        return a ? a : b;
    if (priority(r, a) > priority(r, b)) {
        a->after = join(r, a->after, b);
        return a;
    }
    b->before = join(r, a, b->before);
    return b;
}

static void order_add(struct rdb *r, struct part *p)
{
    struct part **at = &r->ordered;

    while (*at && priority(r, *at) > priority(r, p))
        at = (*at)->pid < p->pid ? &(*at)->after : &(*at)->before;
    split(*at, p->pid, &p->before, &p->after);
    *at = p;
}

static void order_drop(struct rdb *r, const struct part *p)
{
    struct part **at = &r->ordered;

    while (*at != p)
        at = (*at)->pid < p->pid ? &(*at)->after : &(*at)->before;
    *at = join(r, p->before, p->after);
}

uint64_t part_next(struct rdb *r, uint64_t from)
{
    uint64_t found = 0;

    spread_read(&r->parts_lock);
    for (const struct part *p = r->ordered; p;) {
        if (p->pid >= from)
            found = p->pid;
        p = p->pid < from ? p->after : p->before;
    }
    spread_read_end(&r->parts_lock);
    return found;
}

/* A page of a walk over the partitions. */
struct part_walk {
    uint64_t from, *ids, next; /* next: the first one that found no room, or 0 */
    size_t n, max;
};

static void walk(struct part_walk *w, const struct part *p)
{
    for (; p && !w->next; p = p->after) {
        if (p->pid < w->from)
            continue;
        walk(w, p->before);
        if (w->next)
            return;
        if (w->n < w->max)
            w->ids[w->n++] = p->pid;
        else
            w->next = p->pid;
    }
}

size_t part_page(struct rdb *r, uint64_t from, uint64_t *ids, size_t max, uint64_t *ret_next)
{
    struct part_walk w = {.from = from, .ids = ids, .max = max};

    spread_read(&r->parts_lock);
    walk(&w, r->ordered);
    spread_read_end(&r->parts_lock);
    *ret_next = w.next;
    return w.n;
}

/* ---- making and dropping them ---- */

static struct part *part_from_spare(struct rdb *r)
{
    pthread_mutex_lock(&r->spare_lock);
    struct part *p = r->spare;
    if (p)
        r->spare = p->next;
    pthread_mutex_unlock(&r->spare_lock);
    return p;
}

struct part *part_new(struct rdb *r, const struct record *rec)
{
    struct part *p = part_from_spare(r);

    if (!p) {
        p = aligned_alloc(_Alignof(struct part), sizeof(*p));
        if (!p)
            return NULL;
        memset(p, 0, sizeof(*p));
        pthread_mutex_init(&p->mutex, NULL);
    }
    pthread_mutex_lock(&p->mutex);
    p->pid = rec->id.pid;
    p->record = *rec;
    counter_set(&p->used, 0);
    counter_set(&p->count, 0);
    __atomic_store_n(&p->changes, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++)
        __atomic_store_n(&p->touched[i], 0, __ATOMIC_RELAXED);
    p->next_oid = STORE_ID_FIRST;
    p->dropped = false;
    p->dup = NULL;
    pthread_mutex_unlock(&p->mutex);
    return p;
}

void part_insert(struct rdb *r, struct part *p)
{
    struct part **head = &r->parts[osd_hash(r->seed, p->pid, 0) % PART_BUCKETS];

    spread_write(&r->parts_lock);
    p->next = *head;
    *head = p;
    order_add(r, p);
    spread_write_end(&r->parts_lock);
}

void part_free(struct rdb *r, struct part *p)
{
    if (p->index)
        index_replace(r, p, NULL);
    pthread_mutex_lock(&r->spare_lock);
    p->next = r->spare;
    r->spare = p;
    pthread_mutex_unlock(&r->spare_lock);
}

void part_drop(struct rdb *r, uint64_t pid)
{
    struct part **at = &r->parts[osd_hash(r->seed, pid, 0) % PART_BUCKETS], *p;

    spread_write(&r->parts_lock);
    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    p = *at;
    if (p) {
        *at = p->next;
        order_drop(r, p);
    }
    spread_write_end(&r->parts_lock);
    if (p)
        part_free(r, p);
}

/* All partitions as one list; from here on nobody finds them. */
static struct part *parts_take(struct rdb *r)
{
    struct part *all = NULL;

    spread_write(&r->parts_lock);
    r->ordered = NULL;
    for (size_t i = 0; i < PART_BUCKETS; i++)
        while (r->parts[i]) {
            struct part *p = r->parts[i];
            r->parts[i] = p->next;
            p->next = all;
            all = p;
        }
    spread_write_end(&r->parts_lock);
    return all;
}

void parts_clear(struct rdb *r)
{
    struct part *all = parts_take(r);

    while (all) {
        struct part *p = all;
        all = p->next;
        part_free(r, p);
    }
}

void parts_free(struct rdb *r)
{
    parts_clear(r);
    if (r->root)
        part_free(r, r->root);
    r->root = NULL;
    while (r->spare) {
        struct part *p = r->spare;
        r->spare = p->next;
        pthread_mutex_destroy(&p->mutex);
        free(p);
    }
}
