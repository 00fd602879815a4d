/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/pool.h - worker threads for commands that may take long
 *
 * Jobs run in the order they were given, several at once; heavy ones, and those that would wait
 * for them, on half of the threads at most, so that others go on. The queue needs no bound of its own:
 * the iSCSI window and the ring bound the commands in flight.
 */
#ifndef TCMU_POOL_H
#define TCMU_POOL_H

#include <stdbool.h>

#include "osd/status.h"

struct osd_pool;

/** One job; the caller's memory until run() was called. */
struct osd_job {
    void (*run)(struct osd_job *job);
    bool heavy;
    struct osd_job *next; /* the pool's own */
};

osd_status osd_pool_start(unsigned threads, struct osd_pool **ret);
void osd_pool_add(struct osd_pool *p, struct osd_job *job);
/** Run what is queued, end the threads, free. NULL is allowed. */
void osd_pool_stop(struct osd_pool *p);

#endif
