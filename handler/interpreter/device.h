/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/device.h - the logical unit's own state
 *
 * Everything that is not in the store. Set at open and then constant, except the atomics, the
 * nonces in flight (replay.h) and the staged commands (staging.h), which have locks of their
 * own.
 */
#ifndef INTERPRETER_DEVICE_H
#define INTERPRETER_DEVICE_H

#include <stdatomic.h>

#include "interpreter.h"
#include "replay.h"
#include "staging.h"

#define SECURITY_TOKEN_LEN 16

struct command;

/**
 * What a security method adds to the checks of authorize.c. One exists (NOSEC); integrity check
 * values and nonce windows come in here.
 */
struct security_ops {
    uint8_t default_method;   /* enum osd_security_method */
    uint16_t supported;       /* bit n: method n */
    uint64_t oldest_nonce_ms; /* limits of the nonce window, as durations */
    uint64_t newest_nonce_ms;
    /* Function VALIDATION: OSD_OK, or a failure with c->fault set. */
    osd_status (*validate)(struct command *c);
};
extern const struct security_ops security_nosec;

struct osd_device {
    struct osd_store *store;
    const struct osd_clock *clock;
    atomic_int_fast64_t clock_offset; /* adjustable clock: added to the clock, ms */
    struct osd_identity identity;
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    uint8_t security_token[SECURITY_TOKEN_LEN];
    uint16_t boot_epoch;
    uint64_t max_capacity; /* what FORMAT OSD may ask for */
    const struct security_ops *security;
    struct inflight inflight;
    struct staging staging;
    atomic_uint_fast64_t commands, failures, replays;
};

/** The device's clock: ms since 1970. */
uint64_t device_now(struct osd_device *dev);

/** Set the device's clock; survives a restart. */
osd_status device_set_clock(struct osd_device *dev, uint64_t now_ms);

/** Weight and scope of a command from its CDB (table.c knows which are long by nature). */
enum osd_weight command_weigh(const uint8_t *cdb, size_t cdb_len, struct osd_scope *ret_scope);

/** An SPC command (spc.c); the opcode is not 7Fh. */
void spc_execute(struct osd_device *dev, const struct osd_request *req,
                 struct osd_response *ret);

#endif
