/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/thread.h - a small number for each thread, to spread threads over places of their own
 */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

/** Places that threads are spread over: as many threads as this made one after another have one
 *  each. */
#define OSD_PLACES 16u

/** The place of the calling thread, 0..OSD_PLACES-1; the same for all its life. */
unsigned osd_thread_place(void);

#endif
