/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/device.h - the logical unit's own state
 *
 * Everything that is not in the store. Set at open and then constant, except the atomics, the
 * nonces in flight (replay.h), the staged commands (staging.h), the long ones (tasks.h) and those
 * that work on after their status (tracker.h), which have locks of their own.
 */
#ifndef INTERPRETER_DEVICE_H
#define INTERPRETER_DEVICE_H

#include <stdatomic.h>

#include "common/thread.h"
#include "exchange.h"
#include "interpreter.h"
#include "nonces.h"
#include "replay.h"
#include "scrub.h"
#include "security/seal.h"
#include "staging.h"
#include "tasks.h"
#include "tracker.h"
#include "trust.h"

#define SECURITY_TOKEN_LEN 16

#define MEMBER_COUNTERS 4096

/** What threads of one place counted. */
struct counts {
    _Alignas(64) atomic_uint_fast64_t commands;
    atomic_uint_fast64_t failures;
};

struct osd_device {
    struct osd_store *store;
    const struct osd_clock *clock;
    atomic_int_fast64_t clock_offset; /* adjustable clock: added to the clock, ms */
    atomic_uint_fast64_t
        clock_least; /* ... and never below what it was set to last: threads read
                                         the clock up to 1 ms late (osd_clock_frequent) */
    struct osd_identity identity;
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    uint8_t security_token[SECURITY_TOKEN_LEN];
    uint16_t boot_epoch;
    uint64_t max_capacity;       /* what FORMAT OSD may ask for */
    uint64_t max_steps;          /* of one command (command.h) */
    uint8_t default_method;      /* of the root, unless its attribute says another */
    uint16_t methods;            /* bit n: method n is offered */
    bool weak_groups;            /* SET MASTER KEY takes the 1024-bit group, too */
    atomic_bool secured;         /* something may ask for another method than NOSEC */
    atomic_uchar root_method;    /* that of the root, as last committed */
    const struct osd_seal *seal; /* NULL: keys lie open in the store */
    struct osd_seal own_seal;
    struct nonces nonces;
    struct trusted trusted;
    struct exchange exchange;
    struct inflight inflight;
    struct staging staging;
    struct tasks tasks;
    struct tracker tracker;
    atomic_uint formatting; /* FORMAT OSD commands at work: others get NOT READY */
    struct scrub scrub;
    atomic_uint_fast64_t replays;
    struct counts counts[OSD_PLACES];
    /* how often members of collections came or went, by a hash of the collection's id */
    atomic_uint member_changes[MEMBER_COUNTERS];
};

/** The device's clock: ms since 1970. */
uint64_t device_now(struct osd_device *dev);

/** Commands that did not end GOOD since the start. */
uint64_t device_failures(struct osd_device *dev);

/** Set the device's clock; survives a restart. */
osd_status device_set_clock(struct osd_device *dev, uint64_t now_ms);

/** Count a change of a collection's members (after its commit); oid 0: of any collection. */
void device_members_changed(struct osd_device *dev, struct store_id collection);

/** A number that grows with every change of a collection's members, over restarts too. Other
 *  collections may make it grow as well. */
uint32_t device_member_changes(struct osd_device *dev, struct store_id collection);

/** Read the root's default security method, after it may have changed. No transaction is open. */
osd_status device_learn_method(struct osd_device *dev);

/** Remember, also over a restart, that a method other than NOSEC is asked for. */
osd_status device_note_secured(struct osd_device *dev);

/** Weight and scope of a command from its CDB (table.c knows which are long by nature). */
enum osd_weight command_weigh(const uint8_t *cdb, size_t cdb_len, struct osd_scope *ret_scope);

/** An SPC command (spc.c); the opcode is not 7Fh. */
void spc_execute(struct osd_device *dev, const struct osd_request *req,
                 struct osd_response *ret);

#endif
