/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/limit.c - see limit.h
 */
#include "limit.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"

#define BUCKETS 4096
#define WAYS    8
#define TOKEN   1000 /* a token in thousandths */

struct bucket {
    uint64_t caller; /* hash; 0: unused */
    uint64_t filled_ms;
    uint64_t level; /* thousandths of a token */
};

struct sm_limit {
    uint32_t per_second, burst;
    uint64_t seed;
    pthread_mutex_t mutex;
    struct bucket buckets[BUCKETS];
};

struct sm_limit *sm_limit_new(uint32_t per_second, uint32_t burst)
{
    struct sm_limit *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->per_second = per_second;
    l->burst = burst ? burst : 1;
    osd_random(&l->seed, sizeof(l->seed));
    pthread_mutex_init(&l->mutex, NULL);
    return l;
}

void sm_limit_free(struct sm_limit *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

static uint64_t hash_of(const struct sm_limit *l, const char *s)
{
    uint64_t h = l->seed;

    for (; *s; s++)
        h = osd_hash(h, (uint8_t)*s, 0);
    return h ? h : 1;
}

static struct bucket *find(struct sm_limit *l, uint64_t caller, uint64_t now_ms)
{
    struct bucket *set = &l->buckets[caller % (BUCKETS / WAYS) * WAYS], *oldest = set;

    for (int i = 0; i < WAYS; i++) {
        if (set[i].caller == caller)
            return &set[i];
        if (set[i].filled_ms < oldest->filled_ms)
            oldest = &set[i];
    }
    *oldest = (struct bucket){caller, now_ms, (uint64_t)l->burst * TOKEN};
    return oldest;
}

bool sm_limit_take(struct sm_limit *l, const char *caller, uint32_t n, uint64_t now_ms)
{
    uint64_t full = (uint64_t)l->burst * TOKEN,
             need = (uint64_t)(n < l->burst ? n : l->burst) * TOKEN;
    struct bucket *b;
    bool good;

    if (l->per_second == 0)
        return true;
    pthread_mutex_lock(&l->mutex);
    b = find(l, hash_of(l, caller), now_ms);
    if (now_ms > b->filled_ms) {
        b->level += (now_ms - b->filled_ms) * l->per_second; /* thousandths a millisecond */
        b->level = b->level < full ? b->level : full;
        b->filled_ms = now_ms;
    }
    good = b->level >= need;
    if (good)
        b->level -= need;
    pthread_mutex_unlock(&l->mutex);
    return good;
}
