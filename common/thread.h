/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/thread.h - a small number for each thread, to spread threads over places; short waits
 */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

#include <pthread.h>

/** Places that threads are spread over: as many threads as this made one after another have one
 *  each. */
#define OSD_PLACES 16u

/** The place of the calling thread, 0..OSD_PLACES-1; the same for all its life. */
unsigned osd_thread_place(void);

/** How often to ask, with osd_pause() between, for what another thread will have done before this one
 *  could go to sleep and wake up: some tens of microseconds. */
#define OSD_SPINS 512

/** Some hundred cycles in which the thread does nothing. */
void osd_pause(void);

/** pthread_mutex_lock() of a mutex that nobody holds for long: asks OSD_SPINS times before it sleeps. */
void osd_lock_short(pthread_mutex_t *m);

#endif
