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
