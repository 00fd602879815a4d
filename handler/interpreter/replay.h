/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/replay.h - exactly once: nonces in progress and recorded outcomes
 *
 * A state-changing command with a non-zero nonce is remembered, in its own transaction, by
 * nonce: a mark of its CDB (SHA-256, or its request integrity value) and what it answered. The same bytes again are answered from the
 * record; other bytes under the nonce are refused. So is every command under a nonce whose record is of
 * another format: what it was is not known, only that it was carried out.
 */
#ifndef INTERPRETER_REPLAY_H
#define INTERPRETER_REPLAY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"
#include "security/icv.h"
#include "wire/cdb.h"

#define INFLIGHT_SHARDS 64

struct inflight_entry {
    struct inflight_entry *next;
    uint8_t nonce[OSD_NONCE_LEN];
};

/** Nonces being executed right now; entries live on their threads' stacks. */
struct inflight {
    struct {
        pthread_mutex_t lock;
        struct inflight_entry *head;
    } shards[INFLIGHT_SHARDS];
};

void inflight_init(struct inflight *f);
void inflight_destroy(struct inflight *f);

/** What was answered the first time, and what that was. */
#define OUTCOME_MARK_LEN OSD_DIGEST_LEN
struct outcome {
    uint32_t format;                /* of the record */
    uint8_t mark[OUTCOME_MARK_LEN]; /* of the CDB, as the format says */
    uint64_t pid, oid;              /* object created or addressed */
    uint32_t n_objects;             /* consecutive ids from oid on */
    uint64_t append_start;
    int64_t used_change;
};

/** A command's part in this. */
struct replay {
    bool active;  /* has a nonce and changes state: guarded and recorded */
    bool entered; /* the nonce is marked as in progress */
    bool found;   /* seen before */
    bool foreign; /* ... with another CDB */
    struct inflight_entry entry;
    struct outcome outcome; /* recorded, or to be recorded */
};

struct command;

/** Mark the nonce as in progress and look it up. OSD_E_BUSY when another thread has it. */
osd_status replay_enter(struct command *c);

/** Put the outcome into the transaction. */
osd_status replay_record(struct command *c);

/** The nonce is no longer in progress. */
void replay_leave(struct command *c);

#endif
