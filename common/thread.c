/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/thread.c - see thread.h
 */
#include "common/thread.h"

unsigned osd_thread_place(void)
{
    static unsigned next;
    static _Thread_local unsigned mine; /* 1 + the place; 0: none yet */

    if (mine == 0)
        mine = 1 + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % OSD_PLACES;
    return mine - 1;
}

#define PAUSES 4

void osd_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    for (int i = 0; i < PAUSES; i++)
        __builtin_ia32_pause();
#endif
}

void osd_lock_short(pthread_mutex_t *m)
{
    for (int i = 0; i < OSD_SPINS; i++) {
        if (pthread_mutex_trylock(m) == 0)
            return;
        osd_pause();
    }
    pthread_mutex_lock(m);
}
