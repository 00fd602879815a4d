/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/together.h - batches at the same time: by threads of this process, by processes
 *
 * Processes have a store, a partition and files of their own: what they gain together is what the
 * machine gives where nothing is shared, with what every store does behind the commands.
 */
#ifndef BENCH_TOGETHER_H
#define BENCH_TOGETHER_H

#include "ops.h"

#define BENCH_MAX_THREADS 16
#define BENCH_PROCESSES   4

/** What several did together. */
struct bench_rate {
    double speed; /* thousand commands per second */
    double cpu;   /* us of a thread per command, not of those in the background */
    double all;   /* us of these as well; only of one thread, else 0 */
};

/** A batch by each of n threads at once, which run on any CPU that this process had when it began. */
struct bench_rate bench_by_threads(struct bench_work *works, const struct bench_op *op,
                                   unsigned n);

/** Remember the CPUs this process may use. Before bench_pin(). */
void bench_together_init(void);

/** How many they are. */
unsigned bench_cpus(void);

struct bench_processes;

/** Start BENCH_PROCESSES of them, with stores of this kind (bench_unit_open()) in directories they make
 *  below dir. Only as long as this process has no threads; before bench_pin(). */
struct bench_processes *bench_processes_start(const char *kind, const char *dir);

/** A batch by each of the first n at once. When one fails, this process ends. */
struct bench_rate bench_by_processes(struct bench_processes *p, const struct bench_op *op,
                                     unsigned n);

/** They close their stores and end. NULL is allowed. */
void bench_processes_end(struct bench_processes *p);

#endif
