/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/stock.h - what threads have at hand of free blocks, and of runs to be retired, so that they do
 * not meet over the bitmaps with each WRITE
 *
 * Each place of threads (common/thread.h) has a stock: a window of a data file's bitmap, of which it took
 * all that was free, and a list of runs.
 * Invariants:
 *  (1) What is free in a window counts as in use in the file's bitmap: nobody else is given it, and its piece
 *      does not go back to the file system. After a crash it is free, as bitmaps are made anew at open.
 *  (2) It is given out in the order of the file, and nothing comes back into a window: what is left in it
 *      lies behind what was given out.
 *  (3) A run in a list is in use. It is retired when the list is, so that the sync that makes it free
 *      is never an earlier one.
 *  (4) Locks: a stock's, then the bitmaps'. Who holds several stocks' took them in their order.
 * Threads: the caller holds the stock's lock, and for what is told a bitmap also the bitmap's.
 */
#ifndef STORE_STOCK_H
#define STORE_STOCK_H

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/thread.h"

#define STOCK_WORDS  4u
#define STOCK_BLOCKS (STOCK_WORDS * 64) /* of a window: 1 MiB */

/* A list is full with so many runs, or blocks. */
#define STOCK_RUNS    64u
#define STOCK_RETIRED STOCK_BLOCKS

struct stock {
    alignas(64) pthread_mutex_t mutex;
    uint64_t first;             /* block of the window's first bit */
    uint32_t word;              /* of the file's bitmap */
    uint32_t n_runs, in_runs;   /* runs, read without the lock, and their blocks */
    uint64_t free[STOCK_WORDS]; /* bit set = here to be given out */
    struct stock_run {
        uint64_t first;
        uint32_t count;
    } runs[STOCK_RUNS];
};

/** One for each place, empty. NULL: no memory. Ended with stocks_free(); NULL is allowed. */
struct stock *stocks_new(void);
void stocks_free(struct stock *s);

/** Take a run of at most want blocks (>= 1) out of the window. False: there is none, or, unless `last`, it is
 *  short and ends where the window does: what lies behind may be free as well, so another window has more. */
bool stock_take(struct stock *s, uint32_t want, bool last, uint64_t *ret_first,
                uint32_t *ret_n);

/** First block left in the window. False: there is none. */
bool stock_left(const struct stock *s, uint64_t *ret_first);

/** A new window into an empty stock, from block `at` of a file on, and not beyond its `words`; how many blocks the
 *  file's bitmap has given. `file` is the number of its first block. */
uint32_t stock_fill(struct stock *s, uint64_t file, uint64_t *map, uint32_t words, uint32_t at);

/** What is left in the window is free in its file's bitmap again; how many blocks that is. */
uint32_t stock_return(struct stock *s, uint64_t *map);

/** One more run; whether the list is full. */
bool stock_retire(struct stock *s, uint64_t first, uint32_t count);

/** Whether there are runs, without the lock. One that another thread retires at the same time may be missed, so
 *  it waits for the next sync. */
bool stock_retires(const struct stock *s);

/** The list is empty again. */
void stock_drop_runs(struct stock *s);

/** The list and the window are empty again; in the file's bitmap what was left stays in use. */
void stock_forget(struct stock *s);

#endif
