/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/tracker.h - commands that work on after their status (IMMED_TR, reference
 * 4.9)
 *
 * A command is a job from its reservation on. One thread of the device carries the jobs out, in
 * the order of their reservations as far as these are submitted (execute.c, command_work_on()).
 * Invariants:
 *  (1) A collection has one job at most.
 *  (2) Whoever sees in the store that a collection has a command under way finds its job, as long
 *      as this process carries it out: the job is there before the page says so, and until after
 *      the page says that it has ended.
 */
#ifndef INTERPRETER_TRACKER_H
#define INTERPRETER_TRACKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"
#include "store/store.h"
#include "tasks.h"
#include "wire/cdb.h"

#define JOBS_MAX    16u
#define JOB_OUT_MAX (1u << 20) /* bytes of Data-Out that a job may keep */

struct osd_device;

/** A command with all it needs. Constant after its reservation, except the task, the numbers and
 *  what is under the tracker's lock. */
struct job {
    struct job *next; /* under the lock, as is: */
    bool submitted;
    struct task task;
    struct store_id collection;
    struct store_meta meta,
        partition;      /* of the collection, of its partition: it must be these */
    uint16_t action;    /* service action */
    uint32_t validated; /* functions that the request has passed */
    uint8_t cdb[OSD_CDB_MAX];
    size_t cdb_len;
    uint8_t *out; /* owned */
    size_t out_len;
    atomic_uint_fast64_t members, processed;
};

struct tracker {
    pthread_mutex_t lock;
    pthread_cond_t bell, idle; /* something to do; no job is left */
    pthread_t thread;
    bool running, stop;
    struct job *head;
    atomic_uint n; /* changes under the lock */
};

/** What is known of a command under way. */
struct progress {
    uint8_t percent; /* below 100 */
    uint16_t action;
    uint64_t members, processed;
};

void tracker_init(struct tracker *t);

/** Abort all jobs, wait until each has said so, end the thread. No command is being executed. */
void tracker_stop(struct tracker *t);
void tracker_destroy(struct tracker *t);

/** From here on the job is in the list and may be aborted by its tag. The job is taken over only
 *  when it is reserved. OSD_E_BUSY: the collection has one; OSD_E_NO_SPACE: there are too many;
 *  OSD_E_NOMEM: there is no thread. */
osd_status tracker_reserve(struct osd_device *dev, struct job *job, uint64_t tag);

/** A reserved job begins, or is none and freed. */
void tracker_submit(struct osd_device *dev, struct job *job);
void tracker_drop(struct osd_device *dev, struct job *job);
void job_free(struct job *job);

/** Whether the collection has a job; ret may be NULL. Any thread. */
bool tracker_find(struct tracker *t, struct store_id collection, struct progress *ret);

/** Whether there is a job in the partition; 0: in any. Cheap when there is none. Any thread. */
bool tracker_meets(struct tracker *t, uint64_t pid);

/** Wait until there is no job. */
void tracker_settle(struct tracker *t);

#endif
