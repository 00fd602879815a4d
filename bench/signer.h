/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/signer.h - commands with a capability, signed as a client signs them
 *
 * A target (unit.h) that gives every command what its security method asks for before the unit
 * executes it. Signing is the client's work and not part of the time that is kept.
 */
#ifndef BENCH_SIGNER_H
#define BENCH_SIGNER_H

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

struct bench_signer;

/** Open a unit with keys for what bench_furnish() makes in it (ops.h), and furnish it. */
struct bench_signer *bench_signer_open(const char *kind, const char *path);
void bench_signer_close(struct bench_signer *s);

struct bench_target bench_signer_target(struct bench_signer *s);

/** From now on: method, and the clock of the unit's time at zero. */
void bench_signer_start(struct bench_signer *s, enum bench_method method);

/** Nanoseconds inside the unit since the start. */
uint64_t bench_signer_spent(const struct bench_signer *s);

#endif
