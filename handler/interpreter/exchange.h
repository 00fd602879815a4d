/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/exchange.h - SET MASTER KEY between its two steps (reference 6.8)
 *
 * One exchange at a time, the newest wins.
 * Invariant: the secret is in memory for EXCHANGE_MS at most, whether or not another command comes:
 * a thread that lives as long as the exchange wipes it.
 */
#ifndef INTERPRETER_EXCHANGE_H
#define INTERPRETER_EXCHANGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"
#include "security/dh.h"
#include "wire/cdb.h"

#define EXCHANGE_MS 10000u

struct exchange {
    pthread_mutex_t lock;
    size_t len; /* of the values; 0: none under way */
    uint8_t group, id[OSD_KEY_ID_LEN];
    uint8_t secret[OSD_DH_MAX], client[OSD_DH_MAX], device[OSD_DH_MAX];
    /* the rest is the thread's matter */
    uint64_t lifetime;   /* ms */
    uint64_t deadline;   /* monotonic ms */
    pthread_cond_t bell; /* rung to stop */
    pthread_t thread;
    bool stop, watched, to_join; /* watched: the thread is at work */
};

void exchange_init(struct exchange *x);

/** Wipes everything; no other call is under way. */
void exchange_destroy(struct exchange *x);

/** Under the lock, with group, len, id and client filled in: make secret and device's value, which
 *  live until exchange_end() or their time is over. On failure there is no exchange. Errors as
 *  osd_dh_make(), OSD_E_NOMEM. */
osd_status exchange_begin(struct exchange *x);

/** Under the lock: whether there is an exchange that is not too old. */
bool exchange_lives(const struct exchange *x);

/** Under the lock: wipe the exchange. */
void exchange_end(struct exchange *x);

#endif
