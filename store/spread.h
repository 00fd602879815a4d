/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/spread.h - reader-writer locks whose readers do not meet
 *
 * One lock per place of threads (common/thread.h), each in a cache line of its own. A reader takes
 * that of its place, a writer takes all of them: for what is read by every command and changed
 * rarely.
 * Invariants:
 *  (1) Writers take the places in order, so they do not wait for each other in a circle.
 *  (2) In each place a waiting writer goes before later readers: it waits for readers that are
 *      there already, at most once per place.
 */
#ifndef STORE_SPREAD_H
#define STORE_SPREAD_H

#include <pthread.h>

#include "common/thread.h"

struct spread_lock {
    struct {
        _Alignas(64) pthread_rwlock_t lock;
    } place[OSD_PLACES];
};

void spread_init(struct spread_lock *l);
/** Nobody holds it. */
void spread_destroy(struct spread_lock *l);

/** A thread does not read what it reads already, nor write it. */
void spread_read(struct spread_lock *l);
/** In the thread that took it. */
void spread_read_end(struct spread_lock *l);
void spread_write(struct spread_lock *l);
void spread_write_end(struct spread_lock *l);

/** An rwlock before which later readers wait for a waiting writer. */
void rwlock_init_fair(pthread_rwlock_t *lock);

#endif
