/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/cond.c - see cond.h
 */
#include "common/cond.h"

#include <time.h>

void osd_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

bool osd_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};

    return pthread_cond_timedwait(c, m, &until) == 0;
}
