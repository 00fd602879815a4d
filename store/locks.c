/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/locks.c - lock table of the stores; invariants in locks.h
 *
 * The device lock is an array of shards: a reader takes the shard of its thread, a writer takes
 * all of them in order. Readers of different shards share no cache line.
 */
#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "locks.h"

#define SHARDS  16u
#define STRIPES 1024u
#define CLAIMS  4096u /* hash buckets */

struct shard {
    _Alignas(64) pthread_rwlock_t lock;
};

struct store_locks {
    uint64_t seed;
    struct shard device[SHARDS];
    pthread_rwlock_t partition[STRIPES];
    pthread_rwlock_t object[STRIPES];
    pthread_mutex_t claims_lock;
    struct store_claim *claims[CLAIMS];
};

static uint64_t hash_id(const struct store_locks *l, struct store_id id)
{
    return osd_hash(l->seed, id.pid, id.oid);
}

static pthread_rwlock_t *partition_lock(struct store_locks *l, struct store_id id)
{
    return &l->partition[hash_id(l, (struct store_id){id.pid, 0}) % STRIPES];
}

static pthread_rwlock_t *object_lock(struct store_locks *l, struct store_id id)
{
    return &l->object[hash_id(l, id) % STRIPES];
}

/* A number per thread, handed out round robin so that few threads never share a shard. */
static unsigned my_shard(void)
{
    static unsigned next;
    static _Thread_local unsigned mine;

    if (mine == 0)
        mine = 1 + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % SHARDS;
    return mine - 1;
}

static void lock_mode(pthread_rwlock_t *lock, enum store_mode mode)
{
    if (mode == STORE_EXCLUSIVE)
        pthread_rwlock_wrlock(lock);
    else
        pthread_rwlock_rdlock(lock);
}

static void init_locks(pthread_rwlock_t *locks, size_t n)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    for (size_t i = 0; i < n; i++)
        pthread_rwlock_init(&locks[i], &attr);
    pthread_rwlockattr_destroy(&attr);
}

struct store_locks *store_locks_new(void)
{
    struct store_locks *l = aligned_alloc(_Alignof(struct store_locks), sizeof(*l));

    if (!l)
        return NULL;
    osd_random(&l->seed, sizeof(l->seed));
    for (unsigned i = 0; i < SHARDS; i++)
        init_locks(&l->device[i].lock, 1);
    init_locks(l->partition, STRIPES);
    init_locks(l->object, STRIPES);
    pthread_mutex_init(&l->claims_lock, NULL);
    for (unsigned i = 0; i < CLAIMS; i++)
        l->claims[i] = NULL;
    return l;
}

void store_locks_free(struct store_locks *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_rwlock_destroy(&l->device[i].lock);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_rwlock_destroy(&l->partition[i]);
        pthread_rwlock_destroy(&l->object[i]);
    }
    pthread_mutex_destroy(&l->claims_lock);
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
    *ret = (struct store_held){.id = id, .mode = mode, .shard = my_shard()};
    if (is_root(id) && mode == STORE_EXCLUSIVE) {
        for (unsigned i = 0; i < SHARDS; i++)
            pthread_rwlock_wrlock(&l->device[i].lock);
        return;
    }
    pthread_rwlock_rdlock(&l->device[ret->shard].lock);
    if (is_root(id))
        return;
    lock_mode(partition_lock(l, id), id.oid == 0 ? mode : STORE_SHARED);
    if (id.oid != 0)
        lock_mode(object_lock(l, id), mode);
}

void store_locks_release(struct store_locks *l, const struct store_held *held)
{
    if (is_root(held->id) && held->mode == STORE_EXCLUSIVE) {
        for (unsigned i = SHARDS; i-- > 0;)
            pthread_rwlock_unlock(&l->device[i].lock);
        return;
    }
    if (held->id.oid != 0)
        pthread_rwlock_unlock(object_lock(l, held->id));
    if (!is_root(held->id))
        pthread_rwlock_unlock(partition_lock(l, held->id));
    pthread_rwlock_unlock(&l->device[held->shard].lock);
}

bool store_held_covers(const struct store_held *held, struct store_id id)
{
    if (held->mode != STORE_EXCLUSIVE)
        return false;
    return is_root(held->id) || same_id(held->id, id) ||
           (held->id.oid == 0 && held->id.pid == id.pid);
}

osd_status store_claim(struct store_locks *l, struct store_claim *c)
{
    struct store_claim **bucket = &l->claims[hash_id(l, c->id) % CLAIMS];
    osd_status status = OSD_OK;

    pthread_mutex_lock(&l->claims_lock);
    for (struct store_claim *i = *bucket; i && status == OSD_OK; i = i->next)
        if (same_id(i->id, c->id))
            status = OSD_E_BUSY;
    if (status == OSD_OK) {
        c->next = *bucket;
        *bucket = c;
    }
    pthread_mutex_unlock(&l->claims_lock);
    return status;
}

bool store_claimed_by(struct store_locks *l, struct store_id id, const void *owner)
{
    const struct store_claim *c;

    pthread_mutex_lock(&l->claims_lock);
    c = l->claims[hash_id(l, id) % CLAIMS];
    while (c && !(c->owner == owner && same_id(c->id, id)))
        c = c->next;
    pthread_mutex_unlock(&l->claims_lock);
    return c;
}

void store_unclaim(struct store_locks *l, struct store_claim *c)
{
    struct store_claim **at = &l->claims[hash_id(l, c->id) % CLAIMS];

    pthread_mutex_lock(&l->claims_lock);
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    pthread_mutex_unlock(&l->claims_lock);
}
