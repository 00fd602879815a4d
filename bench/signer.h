/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/signer.h - commands with a capability, signed as a client signs them
 *
 * A target (unit.h) that gives every command what its security method asks for before the unit
 * executes it. Signing is the client's work and not part of the time that is kept. That is measured
 * by the processor's counter where there is one: inside user-mode Linux a question for the time costs
 * a good part of what a command does.
 */
#ifndef BENCH_SIGNER_H
#define BENCH_SIGNER_H

#include "ops.h"
#include "unit.h"

/** What a command carries: BENCH_NONCE is NOSEC with a nonce, so that the outcome is recorded. */
enum bench_method {
    BENCH_NOSEC,
    BENCH_NONCE,
    BENCH_CAPKEY,
    BENCH_CMDRSP,
    BENCH_ALLDATA,
    BENCH_METHODS
};

/** For people. */
extern const char *const bench_method_names[BENCH_METHODS];

/** The commands of the paper's Table 3, in its order; names of operations (ops.h). */
#define BENCH_TABLE3 11
extern const char *const bench_table3[BENCH_TABLE3];

struct bench_signer;

/** 80 digits: the first master key of every unit here. */
const char *bench_signer_first_key(void);

/** Open a unit with keys for what bench_furnish() makes in it (ops.h), and furnish it. */
struct bench_signer *bench_signer_open(const char *kind, const char *path);
/** The same with a unit that is there, with that first key and NOSEC. */
struct bench_signer *bench_signer_over(struct bench_target plain);
/** Over a unit that nods at everything and has no keys: for BENCH_NOSEC only. Not furnished. */
struct bench_signer *bench_signer_none(struct bench_target plain);
void bench_signer_close(struct bench_signer *s);

struct bench_target bench_signer_target(struct bench_signer *s);
/** The unit itself: nothing is signed. */
struct bench_target bench_signer_unit(const struct bench_signer *s);
/** Signed commands go there from now on, which hands them on to the unit. */
void bench_signer_watch(struct bench_signer *s, struct bench_target between);

/** SET KEY of a working key of BENCH_PID, with a nonce of its own, signed. */
void bench_signer_set_key(struct bench_signer *s, struct bench_cmd *ret);
/** SET MASTER KEY, signed: step 0, and step 1 with in, the answer to step 0 (BENCH_MASTER_IN bytes).
 *  room (BENCH_MASTER_OUT bytes) becomes Data-Out. With step 1 carried out only the master key is
 *  there, and the signer has it. */
#define BENCH_MASTER_IN  (4 + 256)
#define BENCH_MASTER_OUT (2 * BENCH_MASTER_IN)
void bench_signer_master_key(struct bench_signer *s, unsigned step, uint8_t *in, uint8_t *room,
                             struct bench_cmd *ret);

/** From now on: method, and the clock of the unit's time at zero. */
void bench_signer_start(struct bench_signer *s, enum bench_method method);

/** One batch of an operation, of which the steps alone are signed and timed: microseconds of the
 *  unit for one step. w works with the signer's target. */
double bench_signer_batch(struct bench_signer *s, struct bench_work *w,
                          const struct bench_op *op, enum bench_method method);

/** Commands of each method that follow each other in bench_signer_turns(). */
#define BENCH_TURN 8

/** Two of CAPKEY and CMDRSP (or one of them twice) in one batch, taking turns, so that what changes in
 *  the machine meanwhile meets both. Each command is signed both ways, so that the client does the
 *  same for either. op has one command for each step, at least BENCH_TURN + 1; ret_us: microseconds
 *  of the unit for one of each. */
void bench_signer_turns(struct bench_signer *s, struct bench_work *w, const struct bench_op *op,
                        const enum bench_method method[2], double ret_us[2]);

#endif
