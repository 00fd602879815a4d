/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/cond.h - conditions that are waited for by the monotonic clock
 *
 * A change of the wall clock makes nobody wait longer or shorter.
 */
#ifndef COMMON_COND_H
#define COMMON_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** A condition for osd_cond_wait_until(); cannot fail. */
void osd_cond_init(pthread_cond_t *c);

/** As pthread_cond_wait(), but until a moment of osd_monotonic_ms() at the latest. Returns whether it
 *  was woken before; it may be so for no reason. */
bool osd_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, uint64_t until_ms);

#endif
