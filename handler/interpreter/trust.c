/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/trust.c - see trust.h
 */
#include "trust.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"
#include "common/hash.h"

struct trusted_entry {
    pthread_mutex_t lock;
    uint64_t epoch; /* 0: free */
    uint64_t pid;
    size_t len;
    uint8_t capability[OSD2_CAPABILITY_LEN];
    struct trust what;
};

struct trusted_ground {
    pthread_mutex_t lock;
    uint64_t epoch; /* 0: free */
    uint64_t pid;
    uint8_t version;
    struct trust_ground what;
};

void trusted_init(struct trusted *t)
{
    atomic_init(&t->epoch, 1);
    t->entries = calloc(TRUSTED, sizeof(*t->entries));
    t->grounds = calloc(TRUSTED_KEYS, sizeof(*t->grounds));
    for (unsigned i = 0; t->entries && i < TRUSTED; i++)
        pthread_mutex_init(&t->entries[i].lock, NULL);
    for (unsigned i = 0; t->grounds && i < TRUSTED_KEYS; i++)
        pthread_mutex_init(&t->grounds[i].lock, NULL);
}

void trusted_destroy(struct trusted *t)
{
    for (unsigned i = 0; t->entries && i < TRUSTED; i++)
        pthread_mutex_destroy(&t->entries[i].lock);
    for (unsigned i = 0; t->grounds && i < TRUSTED_KEYS; i++)
        pthread_mutex_destroy(&t->grounds[i].lock);
    if (t->entries)
        OPENSSL_cleanse(t->entries, TRUSTED * sizeof(*t->entries));
    if (t->grounds)
        OPENSSL_cleanse(t->grounds, TRUSTED_KEYS * sizeof(*t->grounds));
    free(t->entries);
    free(t->grounds);
}

uint64_t trusted_epoch(struct trusted *t)
{
    return atomic_load_explicit(&t->epoch, memory_order_acquire);
}

void trusted_expire(struct trusted *t)
{
    atomic_fetch_add_explicit(&t->epoch, 1, memory_order_acq_rel);
}

/* One place for each capability; the newest has it. */
static struct trusted_entry *place(struct trusted *t, uint64_t pid, struct osd_bytes capability)
{
    return &t->entries[osd_crc32c((uint32_t)pid, capability.data, capability.len) % TRUSTED];
}

bool trusted_find(struct trusted *t, uint64_t pid, struct osd_bytes capability,
                  struct trust *ret)
{
    uint64_t epoch = trusted_epoch(t);
    struct trusted_entry *e;
    bool found;

    if (!t->entries)
        return false;
    e = place(t, pid, capability);
    pthread_mutex_lock(&e->lock);
    found = e->epoch == epoch && e->pid == pid && e->len == capability.len &&
            memcmp(e->capability, capability.data, capability.len) == 0;
    if (found)
        *ret = e->what;
    pthread_mutex_unlock(&e->lock);
    return found;
}

void trusted_enter(struct trusted *t, uint64_t epoch, uint64_t pid, struct osd_bytes capability,
                   const struct trust *what)
{
    struct trusted_entry *e;

    if (!t->entries)
        return;
    e = place(t, pid, capability);
    pthread_mutex_lock(&e->lock);
    e->epoch = epoch;
    e->pid = pid;
    e->len = capability.len;
    memcpy(e->capability, capability.data, capability.len);
    e->what = *what;
    pthread_mutex_unlock(&e->lock);
}

/* ---- working keys ---- */

static struct trusted_ground *ground_place(struct trusted *t, uint64_t pid, uint8_t version)
{
    return &t->grounds[osd_hash(0, pid, version) % TRUSTED_KEYS];
}

bool trusted_find_ground(struct trusted *t, uint64_t pid, uint8_t version,
                         struct trust_ground *ret)
{
    uint64_t epoch = trusted_epoch(t);
    struct trusted_ground *g;
    bool found;

    if (!t->grounds)
        return false;
    g = ground_place(t, pid, version);
    pthread_mutex_lock(&g->lock);
    found = g->epoch == epoch && g->pid == pid && g->version == version;
    if (found)
        *ret = g->what;
    pthread_mutex_unlock(&g->lock);
    return found;
}

void trusted_enter_ground(struct trusted *t, uint64_t epoch, uint64_t pid, uint8_t version,
                          const struct trust_ground *what)
{
    struct trusted_ground *g;

    if (!t->grounds)
        return;
    g = ground_place(t, pid, version);
    pthread_mutex_lock(&g->lock);
    g->epoch = epoch;
    g->pid = pid;
    g->version = version;
    g->what = *what;
    pthread_mutex_unlock(&g->lock);
}
