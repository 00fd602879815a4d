/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/cache.c - see cache.h
 *
 * Shards, each a hash table and a queue. Who stands at the head of the queue when room is needed
 * goes, or back to its end if it was asked for since. Entries know the era their partition was in
 * when they were made: to drop a partition is to begin another one; entries of an earlier one count
 * as gone, and leave when room is needed.
 * Locks: a shard's mutex is for who adds and drops entries; values and the chains they hang in are
 * under one of many locks by the key's hash, which is all that getting one and putting another of
 * its length takes. The mutex comes first, then one of these.
 */
#include "cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/hash.h"

#define SHARDS  64u
#define BUCKETS 1024u /* of a shard */
#define ERAS    1024u /* partitions that hash alike share one */
#define STEP    64u   /* room for values comes in multiples of this */
#define CHAINS  (SHARDS * BUCKETS)
#define LOCKS   4096u

struct entry {
    struct entry *next; /* hash chain */
    TAILQ_ENTRY(entry) order;
    struct cache_key key;
    uint64_t era;
    bool used; /* since it came to where it stands in the queue; atomic */
    uint16_t len, room;
    uint8_t value[];
};

struct shard {
    _Alignas(64) pthread_mutex_t mutex;
    size_t bytes;
    TAILQ_HEAD(, entry) queue;
    struct entry *bucket[BUCKETS];
};

struct lock {
    _Alignas(64) pthread_mutex_t mutex;
};

struct cache {
    uint64_t seed;
    size_t capacity;    /* of a shard */
    uint64_t era[ERAS]; /* atomic */
    struct shard shard[SHARDS];
    struct lock lock[LOCKS];
};

static uint64_t hash_key(const struct cache *c, struct cache_key key)
{
    return osd_hash(osd_hash(c->seed, key.id.pid, key.id.oid), key.part, 0);
}

/* What guards the chain of such hashes: all bits that choose it are among those of the lock. */
_Static_assert(CHAINS % LOCKS == 0, "entries of one chain have one lock");
static pthread_mutex_t *lock_of(struct cache *c, uint64_t hash)
{
    return &c->lock[hash % LOCKS].mutex;
}

static uint64_t *era_of(struct cache *c, uint64_t pid)
{
    return &c->era[osd_hash(c->seed, pid, 0) % ERAS];
}

static size_t size_of(const struct entry *e)
{
    return sizeof(*e) + e->room;
}

struct cache *cache_new(size_t capacity)
{
    struct cache *c = aligned_alloc(_Alignof(struct cache), sizeof(*c));

    if (!c)
        return NULL;
    memset(c, 0, sizeof(*c));
    osd_random(&c->seed, sizeof(c->seed));
    c->capacity = capacity / SHARDS;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&c->shard[i].mutex, NULL);
        TAILQ_INIT(&c->shard[i].queue);
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&c->lock[i].mutex, NULL);
    return c;
}

/* The link that points to an entry, or to NULL at the end of its chain. */
static struct entry **find(struct shard *s, uint64_t hash, struct cache_key key)
{
    struct entry **at = &s->bucket[hash / SHARDS % BUCKETS];

    while (*at && ((*at)->key.id.oid != key.id.oid || (*at)->key.part != key.part ||
                   (*at)->key.id.pid != key.id.pid))
        at = &(*at)->next;
    return at;
}

/* The entry leaves its chain, the queue and memory. Under the shard's mutex. */
static void drop(struct cache *c, struct shard *s, uint64_t hash, struct entry *e)
{
    pthread_mutex_lock(lock_of(c, hash));
    *find(s, hash, e->key) = e->next;
    pthread_mutex_unlock(lock_of(c, hash));
    TAILQ_REMOVE(&s->queue, e, order);
    s->bytes -= size_of(e);
    free(e);
}

/* Until the shard has room for so many bytes more. Under its mutex. */
static void make_room(struct cache *c, struct shard *s, size_t bytes)
{
    while (s->bytes + bytes > c->capacity) {
        struct entry *e = TAILQ_FIRST(&s->queue);
        if (!__atomic_exchange_n(&e->used, false, __ATOMIC_RELAXED)) {
            drop(c, s, hash_key(c, e->key), e);
            continue;
        }
        TAILQ_REMOVE(&s->queue, e, order);
        TAILQ_INSERT_TAIL(&s->queue, e, order);
    }
}

/* Under the lock of the hash. */
static void fill(struct cache *c, struct entry *e, const void *value, size_t len)
{
    e->era = __atomic_load_n(era_of(c, e->key.id.pid), __ATOMIC_RELAXED);
    e->len = (uint16_t)len;
    memcpy(e->value, value, len);
}

/* A filled entry into a shard that has none for the key. Under its mutex. */
static void add(struct cache *c, struct shard *s, uint64_t hash, struct entry *e)
{
    struct entry **head = &s->bucket[hash / SHARDS % BUCKETS];

    make_room(c, s, size_of(e));
    pthread_mutex_lock(lock_of(c, hash));
    e->next = *head;
    *head = e;
    pthread_mutex_unlock(lock_of(c, hash));
    TAILQ_INSERT_TAIL(&s->queue, e, order);
    s->bytes += size_of(e);
}

/* NULL: no memory, or too long. */
static struct entry *make(const struct cache *c, struct cache_key key, size_t len)
{
    size_t room = (len + STEP - 1) / STEP * STEP;
    struct entry *e = NULL;

    if (len <= CACHE_VALUE_MAX && sizeof(*e) + room <= c->capacity)
        e = malloc(sizeof(*e) + room);
    if (e)
        *e = (struct entry){.key = key, .room = (uint16_t)room};
    return e;
}

size_t cache_get(struct cache *c, struct cache_key key, void *dst, size_t cap)
{
    uint64_t hash = hash_key(c, key);
    size_t len = 0;

    pthread_mutex_lock(lock_of(c, hash));
    struct entry *e = *find(&c->shard[hash % SHARDS], hash, key);
    if (e && e->len <= cap &&
        e->era == __atomic_load_n(era_of(c, key.id.pid), __ATOMIC_RELAXED)) {
        __atomic_store_n(&e->used, true, __ATOMIC_RELAXED);
        len = e->len;
        memcpy(dst, e->value, len);
    }
    pthread_mutex_unlock(lock_of(c, hash));
    return len;
}

/* Over what is there, if there is something that has the room. */
static bool put_over(struct cache *c, uint64_t hash, struct cache_key key, const void *value,
                     size_t len)
{
    pthread_mutex_lock(lock_of(c, hash));
    struct entry *e = *find(&c->shard[hash % SHARDS], hash, key);
    bool fits = e && e->room >= len;
    if (fits)
        fill(c, e, value, len);
    pthread_mutex_unlock(lock_of(c, hash));
    return fits;
}

/* NULL next: drop what is there. */
static void replace(struct cache *c, uint64_t hash, struct cache_key key, struct entry *next)
{
    struct shard *s = &c->shard[hash % SHARDS];

    pthread_mutex_lock(&s->mutex);
    struct entry *e = *find(s, hash, key); /* chains change under the mutex only */
    if (e)
        drop(c, s, hash, e);
    if (next)
        add(c, s, hash, next);
    pthread_mutex_unlock(&s->mutex);
}

void cache_put(struct cache *c, struct cache_key key, const void *value, size_t len)
{
    uint64_t hash = hash_key(c, key);

    if (put_over(c, hash, key, value, len))
        return;
    struct entry *e = make(c, key, len);
    if (e)
        fill(c, e, value, len);
    replace(c, hash, key, e);
}

void cache_drop(struct cache *c, struct cache_key key)
{
    uint64_t hash = hash_key(c, key);

    pthread_mutex_lock(lock_of(c, hash));
    bool there = *find(&c->shard[hash % SHARDS], hash, key) != NULL;
    pthread_mutex_unlock(lock_of(c, hash));
    if (there)
        replace(c, hash, key, NULL);
}

void cache_drop_partition(struct cache *c, uint64_t pid)
{
    __atomic_add_fetch(era_of(c, pid), 1, __ATOMIC_RELAXED);
}

void cache_clear(struct cache *c)
{
    for (size_t i = 0; i < ERAS; i++)
        __atomic_add_fetch(&c->era[i], 1, __ATOMIC_RELAXED);
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &c->shard[i];
        while (!TAILQ_EMPTY(&s->queue)) {
            struct entry *e = TAILQ_FIRST(&s->queue);
            TAILQ_REMOVE(&s->queue, e, order);
            free(e);
        }
        pthread_mutex_destroy(&s->mutex);
    }
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&c->lock[i].mutex);
    free(c);
}
