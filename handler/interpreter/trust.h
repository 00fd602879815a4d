/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/trust.h - what is known of credentials that were used and of the working keys
 * they were made with: a command of a known credential computes nothing for it, one of a known
 * working key reads nothing of this in the store
 *
 * Invariants:
 *  (1) An entry holds for one epoch. Whatever changes keys, methods, windows or the set of
 *      partitions starts a new epoch after its commit and before its answer; what was read in an
 *      epoch is entered under that epoch, so nothing outlives the change.
 *  (2) Entries are found by all bytes of the capability and the partition that judges; working keys
 *      by partition and version.
 *  (3) Keys are wiped when the device closes.
 */
#ifndef INTERPRETER_TRUST_H
#define INTERPRETER_TRUST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "security/icv.h"

#define TRUSTED      512u
#define TRUSTED_KEYS 128u

/* A working key, and what its partition asks for. */
struct trust_ground {
    uint8_t secret[OSD_KEY_LEN];
    uint8_t least;           /* method at least */
    bool frozen;             /* the working key is */
    bool audits;             /* the partition has frozen audit values */
    uint64_t oldest, newest; /* nonce window, as durations, ms */
};

struct trust {
    uint8_t key[OSD_KEY_LEN];       /* capability key */
    struct osd_mac_key ready;       /* the same for the algorithm that the capability names */
    uint8_t token_icv[OSD_KEY_LEN]; /* CAPKEY: the one right request integrity value */
    bool audit_frozen;              /* the capability's audit value is */
    struct trust_ground ground;
};

struct trusted_entry;
struct trusted_ground;

struct trusted {
    atomic_uint_fast64_t epoch;
    struct trusted_entry *entries; /* NULL: nothing is kept */
    struct trusted_ground *grounds;
};

void trusted_init(struct trusted *t);
void trusted_destroy(struct trusted *t);

/** The epoch to enter things under; read before the store is. */
uint64_t trusted_epoch(struct trusted *t);

/** Everything that was entered is void. */
void trusted_expire(struct trusted *t);

/** Any thread. Whether a capability is known, judged by a partition. */
bool trusted_find(struct trusted *t, uint64_t pid, struct osd_bytes capability,
                  struct trust *ret);
void trusted_enter(struct trusted *t, uint64_t epoch, uint64_t pid, struct osd_bytes capability,
                   const struct trust *what);

/** The same for a working key. */
bool trusted_find_ground(struct trusted *t, uint64_t pid, uint8_t version,
                         struct trust_ground *ret);
void trusted_enter_ground(struct trusted *t, uint64_t epoch, uint64_t pid, uint8_t version,
                          const struct trust_ground *what);

#endif
