/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/nonces.h - request nonces that were accepted (reference 6.9)
 *
 * The last NONCES of them. When a nonce has to make way, the lower bound of the window moves
 * behind it, so no nonce is ever accepted twice.
 */
#ifndef INTERPRETER_NONCES_H
#define INTERPRETER_NONCES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "osd/status.h"
#include "wire/cdb.h"

#define NONCES (1u << 20)

struct nonces {
    pthread_mutex_t lock;
    uint64_t seed;              /* of the hash */
    atomic_uint_fast64_t floor; /* timestamps below are too old, ms; only rises */
    struct nonce_slot *slots;
    uint32_t *buckets; /* slot of the newest nonce of each hash, if any */
    uint64_t taken;    /* accepted so far; the next one gets slot taken % NONCES */
};

/** floor: the clock now; nothing older is accepted. No memory is taken before the first use. */
void nonces_init(struct nonces *n, uint64_t floor);
void nonces_destroy(struct nonces *n);

/** Least timestamp that can be accepted. Any thread. */
uint64_t nonces_floor(struct nonces *n);

/** Accept a nonce once. OSD_E_EXISTS, also when it is older than nonces_floor(); OSD_E_NOMEM. Any
 *  thread. */
osd_status nonces_use(struct nonces *n, const uint8_t nonce[OSD_NONCE_LEN]);

#endif
