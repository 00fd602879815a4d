/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/nonces.c - see nonces.h
 */
#include "nonces.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/hash.h"

#define BUCKETS     (2 * NONCES)
#define BUCKETS_LEN (BUCKETS * sizeof(uint32_t))
#define NONE        UINT32_MAX

struct nonce_slot {
    uint8_t nonce[OSD_NONCE_LEN];
    uint32_t chain; /* slot of the next one in the bucket; NONE */
};

void nonces_init(struct nonces *n, uint64_t floor)
{
    *n = (struct nonces){0};
    atomic_init(&n->floor, floor);
    pthread_mutex_init(&n->lock, NULL);
}

void nonces_destroy(struct nonces *n)
{
    free(n->slots);
    free(n->buckets);
    pthread_mutex_destroy(&n->lock);
}

uint64_t nonces_floor(struct nonces *n)
{
    return atomic_load_explicit(&n->floor, memory_order_acquire);
}

static uint32_t *bucket_of(struct nonces *n, const uint8_t *nonce)
{
    return &n->buckets[osd_hash(n->seed, be64_get(nonce), be32_get(nonce + 8)) % BUCKETS];
}

static bool is_known(struct nonces *n, const uint8_t *nonce)
{
    uint32_t at = *bucket_of(n, nonce);

    while (at != NONE && memcmp(n->slots[at].nonce, nonce, OSD_NONCE_LEN) != 0)
        at = n->slots[at].chain;
    return at != NONE;
}

/* Take a slot out of its bucket; the window moves behind its nonce, so that it cannot come again
 * even if the clock is set back. */
static void evict(struct nonces *n, struct nonce_slot *s)
{
    uint32_t me = (uint32_t)(s - n->slots), *at = bucket_of(n, s->nonce);
    uint64_t stamp = be48_get(s->nonce);

    while (*at != me)
        at = &n->slots[*at].chain;
    *at = s->chain;
    if (stamp >= nonces_floor(n))
        atomic_store_explicit(&n->floor, stamp + 1, memory_order_release);
}

/* Empty buckets. Each page of them is written to now: nonces spread over all, so that each of the
 * first thousands of commands would touch another one for the first time. */
static uint32_t *make_buckets(void)
{
    uint32_t *buckets = malloc(BUCKETS_LEN);

    if (buckets)
        memset(buckets, 0xff, BUCKETS_LEN); /* NONE */
    return buckets;
}

static osd_status use(struct nonces *n, const uint8_t *nonce)
{
    struct nonce_slot *s;
    uint32_t *bucket, slot;

    if (!n->slots) {
        osd_random(&n->seed, sizeof(n->seed));
        n->slots = malloc(NONCES * sizeof(*n->slots));
    }
    if (!n->buckets)
        n->buckets = make_buckets();
    if (!n->slots || !n->buckets)
        return OSD_E_NOMEM;
    if (is_known(n, nonce) ||
        be48_get(nonce) < nonces_floor(n)) /* it may have made way just now */
        return OSD_E_EXISTS;
    slot = (uint32_t)(n->taken % NONCES);
    s = &n->slots[slot];
    if (n->taken >= NONCES)
        evict(n, s);
    n->taken++;
    bucket = bucket_of(n, nonce);
    memcpy(s->nonce, nonce, OSD_NONCE_LEN);
    s->chain = *bucket;
    *bucket = slot;
    return OSD_OK;
}

osd_status nonces_use(struct nonces *n, const uint8_t nonce[OSD_NONCE_LEN])
{
    osd_status st;

    pthread_mutex_lock(&n->lock);
    st = use(n, nonce);
    pthread_mutex_unlock(&n->lock);
    return st;
}
