/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/locks.c - lock table of the stores; invariants in locks.h
 *
 * Every command reads the device's lock and that of a partition: readers of these share no cache
 * line (spread.h). Objects have many locks, each in its own.
 */
#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "locks.h"
#include "spread.h"

#define PARTITIONS 256u
#define OBJECTS    4096u
#define CLAIMS     4096u /* one CREATE claims up to 65,535 ids */

struct object_lock {
    _Alignas(64) pthread_rwlock_t lock;
};

struct claim_bucket {
    _Alignas(64) pthread_mutex_t lock;
    struct store_claim *first;
};

struct store_locks {
    uint64_t seed;
    struct spread_lock device;
    struct spread_lock partition[PARTITIONS];
    struct object_lock object[OBJECTS];
    struct claim_bucket claims[CLAIMS];
};

static uint64_t hash_id(const struct store_locks *l, struct store_id id)
{
    return osd_hash(l->seed, id.pid, id.oid);
}

static struct spread_lock *partition_lock(struct store_locks *l, struct store_id id)
{
    return &l->partition[hash_id(l, (struct store_id){id.pid, 0}) % PARTITIONS];
}

static pthread_rwlock_t *object_lock(struct store_locks *l, struct store_id id)
{
    return &l->object[hash_id(l, id) % OBJECTS].lock;
}

struct store_locks *store_locks_new(void)
{
    struct store_locks *l = aligned_alloc(_Alignof(struct store_locks), sizeof(*l));

    if (!l)
        return NULL;
    osd_random(&l->seed, sizeof(l->seed));
    spread_init(&l->device);
    for (unsigned i = 0; i < PARTITIONS; i++)
        spread_init(&l->partition[i]);
    for (unsigned i = 0; i < OBJECTS; i++)
        rwlock_init_fair(&l->object[i].lock);
    for (unsigned i = 0; i < CLAIMS; i++) {
        pthread_mutex_init(&l->claims[i].lock, NULL);
        l->claims[i].first = NULL;
    }
    return l;
}

void store_locks_free(struct store_locks *l)
{
    if (!l)
        return;
    spread_destroy(&l->device);
    for (unsigned i = 0; i < PARTITIONS; i++)
        spread_destroy(&l->partition[i]);
    for (unsigned i = 0; i < OBJECTS; i++)
        pthread_rwlock_destroy(&l->object[i].lock);
    for (unsigned i = 0; i < CLAIMS; i++)
        pthread_mutex_destroy(&l->claims[i].lock);
    free(l);
}

static bool is_root(struct store_id id)
{
    return id.pid == 0 && id.oid == 0;
}

static bool same_id(struct store_id a, struct store_id b)
{
    return a.pid == b.pid && a.oid == b.oid;
}

void store_locks_acquire(struct store_locks *l, struct store_id id, enum store_mode mode,
                         struct store_held *ret)
{
    bool write = mode == STORE_EXCLUSIVE;

    *ret = (struct store_held){.id = id, .mode = mode};
    if (mode == STORE_UNLOCKED)
        return;
    (is_root(id) && write ? spread_write : spread_read)(&l->device);
    if (is_root(id))
        return;
    (id.oid == 0 && write ? spread_write : spread_read)(partition_lock(l, id));
    if (id.oid != 0)
        (write ? pthread_rwlock_wrlock : pthread_rwlock_rdlock)(object_lock(l, id));
}

void store_locks_release(struct store_locks *l, const struct store_held *held)
{
    struct store_id id = held->id;
    bool write = held->mode == STORE_EXCLUSIVE;

    if (held->mode == STORE_UNLOCKED)
        return;
    if (id.oid != 0)
        pthread_rwlock_unlock(object_lock(l, id));
    if (!is_root(id))
        (id.oid == 0 && write ? spread_write_end : spread_read_end)(partition_lock(l, id));
    (is_root(id) && write ? spread_write_end : spread_read_end)(&l->device);
}

bool store_held_covers(const struct store_held *held, struct store_id id)
{
    if (held->mode != STORE_EXCLUSIVE)
        return false;
    return is_root(held->id) || same_id(held->id, id) ||
           (held->id.oid == 0 && held->id.pid == id.pid);
}

static struct claim_bucket *claims_of(struct store_locks *l, struct store_id id)
{
    return &l->claims[hash_id(l, id) % CLAIMS];
}

osd_status store_claim(struct store_locks *l, struct store_claim *c)
{
    struct claim_bucket *b = claims_of(l, c->id);
    osd_status status = OSD_OK;

    pthread_mutex_lock(&b->lock);
    for (struct store_claim *i = b->first; i && status == OSD_OK; i = i->next)
        if (same_id(i->id, c->id))
            status = OSD_E_BUSY;
    if (status == OSD_OK) {
        c->next = b->first;
        b->first = c;
    }
    pthread_mutex_unlock(&b->lock);
    return status;
}

bool store_claimed_by(struct store_locks *l, struct store_id id, const void *owner)
{
    struct claim_bucket *b = claims_of(l, id);

    pthread_mutex_lock(&b->lock);
    const struct store_claim *c = b->first;
    while (c && !(c->owner == owner && same_id(c->id, id)))
        c = c->next;
    pthread_mutex_unlock(&b->lock);
    return c;
}

void store_unclaim(struct store_locks *l, struct store_claim *c)
{
    struct claim_bucket *b = claims_of(l, c->id);
    struct store_claim **at = &b->first;

    pthread_mutex_lock(&b->lock);
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    pthread_mutex_unlock(&b->lock);
}
