/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/memory.c - see memory.h; glibc's tunables
 *
 * Invariants: (1) Pieces of PIECE bytes lie in the heap of the thread that asks for them, and a
 * heap does not become smaller while anything lies in it. (2) Nothing stays allocated here.
 */
#include "memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE   MIB /* what RocksDB asks for */
#define PIECES  (MEMORY_AHEAD / PIECE)
#define LARGEST (4 * MIB)    /* more than that comes from the kernel and goes back to it */
#define KEPT    (1024 * MIB) /* at the end of a heap */

void osd_memory_keep(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGEST);
    mallopt(M_TRIM_THRESHOLD, KEPT);
}

void osd_memory_ahead(void)
{
    static atomic_uint threads;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile uint8_t *pieces[PIECES];

    if (atomic_fetch_add(&threads, 1) >= MEMORY_AHEAD_ALL / MEMORY_AHEAD)
        return;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = malloc(PIECE);
        for (size_t at = 0; pieces[i] && at < PIECE; at += page)
            pieces[i][at] = 0;
    }
    for (size_t i = 0; i < PIECES; i++)
        free((void *)pieces[i]);
}
