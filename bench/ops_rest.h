/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/ops_rest.h - the commands that only budget counts
 */
#ifndef BENCH_OPS_REST_H
#define BENCH_OPS_REST_H

#include "ops.h"
#include "signer.h"

/** The last ones end the keys and format the unit. Works of partition BENCH_PID, after
 *  bench_rest_keys(). */
extern const struct bench_op bench_rest_ops[];
extern const unsigned bench_n_rest_ops;

/** Who signs what sets keys; of the unit that the works are for. */
void bench_rest_keys(struct bench_signer *s);

#endif
