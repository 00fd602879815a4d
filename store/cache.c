/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/cache.c - see cache.h
 *
 * Shards of their own mutex, each a hash table and a queue. Who stands at the head of the queue
 * when room is needed goes, or back to its end if it was asked for since. Entries know the era
 * their partition was in when they were made: to drop a partition is to begin another one; entries
 * of an earlier one count as gone, and leave when somebody meets them.
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

struct entry {
    struct entry *next; /* hash chain */
    TAILQ_ENTRY(entry) order;
    struct cache_key key;
    uint64_t era;
    bool used; /* since it came to where it stands in the queue */
    uint16_t len, room;
    uint8_t value[];
};

struct shard {
    _Alignas(64) pthread_mutex_t mutex;
    size_t bytes;
    TAILQ_HEAD(, entry) queue;
    struct entry *bucket[BUCKETS];
};

struct cache {
    uint64_t seed;
    size_t capacity;    /* of a shard */
    uint64_t era[ERAS]; /* atomic */
    struct shard shard[SHARDS];
};

static uint64_t hash_key(const struct cache *c, struct cache_key key)
{
    return osd_hash(osd_hash(c->seed, key.id.pid, key.id.oid), key.part, 0);
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

static void drop(struct shard *s, struct entry **at)
{
    struct entry *e = *at;

    *at = e->next;
    TAILQ_REMOVE(&s->queue, e, order);
    s->bytes -= size_of(e);
    free(e);
}

/* Until the shard has room for so many bytes more. */
static void make_room(struct cache *c, struct shard *s, size_t bytes)
{
    while (s->bytes + bytes > c->capacity) {
        struct entry *e = TAILQ_FIRST(&s->queue);
        if (!e->used) {
            drop(s, find(s, hash_key(c, e->key), e->key));
            continue;
        }
        e->used = false;
        TAILQ_REMOVE(&s->queue, e, order);
        TAILQ_INSERT_TAIL(&s->queue, e, order);
    }
}

static struct entry *add(struct cache *c, struct shard *s, uint64_t hash, struct cache_key key,
                         size_t len)
{
    size_t room = (len + STEP - 1) / STEP * STEP;
    struct entry *e = NULL, **head = &s->bucket[hash / SHARDS % BUCKETS];

    if (sizeof(*e) + room <= c->capacity)
        e = malloc(sizeof(*e) + room);
    if (!e)
        return NULL;
    make_room(c, s, sizeof(*e) + room);
    *e = (struct entry){.next = *head, .key = key, .room = (uint16_t)room};
    *head = e;
    TAILQ_INSERT_TAIL(&s->queue, e, order);
    s->bytes += size_of(e);
    return e;
}

size_t cache_get(struct cache *c, struct cache_key key, void *dst, size_t cap)
{
    uint64_t hash = hash_key(c, key);
    struct shard *s = &c->shard[hash % SHARDS];
    size_t len = 0;

    pthread_mutex_lock(&s->mutex);
    struct entry **at = find(s, hash, key), *e = *at;
    if (e && e->era != __atomic_load_n(era_of(c, key.id.pid), __ATOMIC_RELAXED)) {
        drop(s, at);
    } else if (e && e->len <= cap) {
        e->used = true;
        len = e->len;
        memcpy(dst, e->value, len);
    }
    pthread_mutex_unlock(&s->mutex);
    return len;
}

void cache_put(struct cache *c, struct cache_key key, const void *value, size_t len)
{
    uint64_t hash = hash_key(c, key);
    struct shard *s = &c->shard[hash % SHARDS];

    pthread_mutex_lock(&s->mutex);
    struct entry **at = find(s, hash, key), *e = *at;
    if (e && e->room < len) {
        drop(s, at);
        e = NULL;
    }
    if (!e && len <= CACHE_VALUE_MAX)
        e = add(c, s, hash, key, len);
    if (e) {
        e->era = __atomic_load_n(era_of(c, key.id.pid), __ATOMIC_RELAXED);
        e->len = (uint16_t)len;
        memcpy(e->value, value, len);
    }
    pthread_mutex_unlock(&s->mutex);
}

void cache_drop(struct cache *c, struct cache_key key)
{
    uint64_t hash = hash_key(c, key);
    struct shard *s = &c->shard[hash % SHARDS];

    pthread_mutex_lock(&s->mutex);
    struct entry **at = find(s, hash, key);
    if (*at)
        drop(s, at);
    pthread_mutex_unlock(&s->mutex);
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
    free(c);
}
