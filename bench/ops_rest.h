/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/ops_rest.h - the commands that no comparison needs, for budget and growth
 */
#ifndef BENCH_OPS_REST_H
#define BENCH_OPS_REST_H

#include "ops.h"
#include "signer.h"

/** The last BENCH_REST_LAST end the keys and format the unit. After bench_rest_keys(). */
extern const struct bench_op bench_rest_ops[];
extern const unsigned bench_n_rest_ops;
#define BENCH_REST_LAST 2

/** Duplicates of the whole partition that the work is in; the last one, RESTORE, writes all of it anew. */
extern const struct bench_op bench_whole_ops[];
extern const unsigned bench_n_whole_ops;

/** Who signs what sets keys; of the unit that the works are for. */
void bench_rest_keys(struct bench_signer *s);

#endif
