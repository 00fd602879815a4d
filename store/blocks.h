/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/blocks.h - data files and the allocator of their 4096-byte blocks
 *
 * Block numbers are global: file number = block / BLOCKS_PER_FILE. Which blocks are in use is
 * kept in memory only; the owner rebuilds it at open from its extent maps (blocks_mark()).
 * Invariants:
 *  (1) A block is free, in use, or waiting: freed by a committed transaction but not yet safe
 * to overwrite, because the commit that freed it may still be lost with the machine. Waiting
 *      blocks become free in blocks_sync_done(), called after everything was made durable.
 *      Threads have free blocks at hand, and retired ones (store/stock.h); these count as in use, those wait
 *      from the next sync on at the latest.
 *  (2) A run never crosses a file.
 *  (3) A block in use may have several owners; it is retired when the last of them retires it.
 *  (4) The space of one file is reserved or given back at a time, and nobody is kept from the
 *      others meanwhile. A file is used only when its name is durable.
 *  (5) A file loses space only in whole pieces of 1 MiB that are free, as (1) says. They count as in
 *      use until they have their space again. What has an owner has its space, except after loss
 *      of power.
 * Threads: every function from any thread.
 */
#ifndef STORE_BLOCKS_H
#define STORE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/iov.h"
#include "store/store.h"

#define BLOCKS_PER_FILE 16384u /* 64 MiB */

/* Files whose names are durable, and that have no space yet: as many as have some, within these
 * bounds. Half of them are made at a time, with one sync of the directory. */
#define BLOCKS_LEAST_NAMES 16u
#define BLOCKS_MOST_NAMES  64u

/* A twentieth of the file system is kept for the metadata, within these bounds. */
#define BLOCKS_RESERVE_MIN (64 * MIB)
#define BLOCKS_RESERVE_MAX (1024 * MIB)

/* A file of this size is kept beside the data files, to be given up when the store has to be opened
 * on a file system that has less: what is in the log is put into tables then. */
#define BLOCKS_SPARE (32 * MIB)

struct blocks;

/** Before the database is opened: give that file up if the file system below dir needs it. */
void blocks_give_spare(const char *dir);

/** Whether a directory is one of tmpfs: the pages of its files are nowhere but in memory. */
bool blocks_in_memory(const char *dir);

/** How many files lie there: data files, and not many more. */
uint64_t blocks_count(const char *dir);

/** Open the data files below directory dir (created if needed); dir NULL: memory only. A part
 * of the file system, BLOCKS_RESERVE_MIN or more, is never given to data files. */
osd_status blocks_open(const char *dir, bool read_only, struct blocks **ret);
/** At open, when everything was marked: what holds nothing and may have no space is told apart. */
void blocks_recovered(struct blocks *b);

#define BLOCKS_QUIET_MS 30000u

/** After that: have threads make data files before they are needed, and reserve their space as long as
 * there is room for two: few commands do it then. What was free for quiet_ms goes back to the file system, but
 * as much as is in use (64 MiB at least, 512 MiB at most; for a minute after 8 files were filled in a
 * second 1,088 MiB). Makes the spare file if there is none, and room for it and a data file. Not in memory. */
osd_status blocks_make_ahead(struct blocks *b, uint64_t quiet_ms);
/** Ends these threads, too, and gives back what is too much, a second long at most. NULL is allowed. */
void blocks_close(struct blocks *b);

/** Mark a run as in use while maps are walked at open. OSD_E_CORRUPT when part of it already
 * is. */
osd_status blocks_mark(struct blocks *b, uint64_t first, uint32_t count);

/** The same where blocks may have several owners: one that is in use gets one more.
 *  OSD_E_CORRUPT; OSD_E_NOMEM. */
osd_status blocks_mark_shared(struct blocks *b, uint64_t first, uint32_t count);

/** One more owner for each block of a run in use. OSD_E_NOMEM; OSD_E_NO_SPACE (as many owners as
 *  can be counted); then nothing has changed. */
osd_status blocks_share(struct blocks *b, uint64_t first, uint32_t count);

/** Allocate a run of at most want blocks (>= 1). whose: what is written next for the same is put
 *  behind it if it can be; what is written for others at the same time may go to other files.
 *  OSD_E_NO_SPACE. */
osd_status blocks_alloc(struct blocks *b, uint64_t whose, uint32_t want, uint64_t *ret_first,
                        uint32_t *ret_n);

/** Give back a run that was allocated but never committed: free at once. */
void blocks_release(struct blocks *b, uint64_t first, uint32_t count);

/** Give back a run that a committed transaction no longer refers to: what has no other owner
 *  waits for a sync. */
void blocks_retire(struct blocks *b, uint64_t first, uint32_t count);

/** Blocks that wait for a sync. What threads have retired since the last one, some hundred blocks each at most, is
 *  counted when a sync begins, or no space is left. */
uint64_t blocks_waiting(struct blocks *b);

/** Before a sync: returns a mark; fdatasync of all files written since the last time follows.
 */
osd_status blocks_sync(struct blocks *b, uint64_t *ret_mark);
/** After the metadata is durable too: blocks retired before the mark are free. */
void blocks_sync_done(struct blocks *b, uint64_t mark);

/** Most pieces of memory that blocks are read into at once. */
#define BLOCKS_PIECES 64

/** Read count whole blocks of one run into pieces of memory, and say the CRC32C of each as it was
 *  delivered. What was read lately comes from memory that the file is mapped into (store/mapped.h), but
 *  not in a read-only or memory store. */
osd_status blocks_read(struct blocks *b, uint64_t first, uint32_t count, const struct iovec *v,
                       int n, uint32_t *ret_crc);
/** Write count whole blocks from pieces of memory to a run, and say the CRC32C of each. In a store on tmpfs
 *  they are copied to where the file is mapped, if it is (store/mapped.h). */
osd_status blocks_write(struct blocks *b, uint64_t first, uint32_t count, const struct iovec *v,
                        int n, uint32_t *ret_crc);

/** Forget all allocation (format); everything in use is retired. */
void blocks_retire_all(struct blocks *b);

/** True when half of the reserve is gone too: nothing that grows may be written, so that what
 *  frees space still can be (looked at every 100 ms at most). Always false in memory. */
bool blocks_full(struct blocks *b);

#endif
