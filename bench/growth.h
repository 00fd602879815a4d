/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/growth.h - the parts of growth: units of 1,000 objects, 10,000 and so on
 *
 * growth_fill(), then growth_measure(), once; threads: none of the caller's own.
 */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include <stdint.h>

#include <jansson.h>

struct growth_options {
    const char *store, *dir, *json;
    unsigned rounds, batch; /* batch: most steps */
    uint64_t max;
    unsigned partitions; /* most */
    int cpu;             /* -1: any */
};

/** Put what objects take of memory and disk into root ("space"), then open the units, in dir. To be
 *  called while the process has one thread: it forks. */
void growth_fill(const struct growth_options *o, const char *dir, json_t *root);

/** Put every command at every size into root ("growth"), and close the units. */
void growth_measure(const struct growth_options *o, json_t *root);

#endif
