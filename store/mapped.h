/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/mapped.h - data files mapped into memory, for blocks that are used again and again
 *
 * A copy out of a mapping costs no system call, but pages have to be mapped first, and only reads from the
 * file have the kernel read ahead. So a mapping serves blocks whose neighbourhood was read MAPPED_HOT times;
 * the caller reads the others, and whatever could not be had here, from the file.
 *
 * Nothing is written through a mapping of a file on a disk. Its blocks are free only when they were written
 * back, and a page that was faults when it is written to next, which costs more than pwrite(). A page of a
 * file on tmpfs stays as it is: when MAPPED_WRITTEN blocks were moved by system calls, which takes about as
 * long, all its pages are mapped, and what is written is copied there. Blocks that were never written have
 * no page then, and are copied from their second time on.
 * Invariants:
 *  (1) What is served was in memory a short while ago, measured in bytes that were read from files or
 *      written to them since: as long as they are few beside the machine's memory, it still is. Long
 *      reads ask the kernel, too. Of files that lie in memory that is not asked.
 *  (2) At most so many files are mapped, 16,384 in a process. One that is read often takes the place of
 *      one that was not used of late, which is unmapped when each thread that could be reading it has
 *      been seen elsewhere; nobody waits for that.
 *  (3) A page that cannot be had, as the file is shorter, the device fails or there is no space, makes a read
 *      or a write fail here, not the process (store/guarded.h).
 * Threads: every function from any thread, but for mapped_new() and mapped_free().
 */
#ifndef STORE_MAPPED_H
#define STORE_MAPPED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "store/store.h"

#define MAPPED_MOST   256u /* blocks; longer reads and writes are not for this */
#define MAPPED_WINDOW 16u  /* blocks whose pages are mapped together ... */
#define MAPPED_HOT    16u  /* ... with that many reads of any of them from the file */

#define MAPPED_WRITTEN 16384u /* blocks, as a file has: one that is only filled is let be */

struct mapped;
struct mapping;

/** What is known of a file; begins with zeros, belongs to the owner of the file. Atomic. */
struct mapped_file {
    struct mapping *mapping;
    uint32_t missed; /* blocks that were not copied here since it was mapped last */
};

/** @param most   files mapped at the same time, at most; 0: as many as suit the machine
 *  @param recent bytes as in (1); 0: as the machine has memory
 *  @param in_memory the files lie on tmpfs, and are open for writing
 *  OSD_E_NOMEM. Ended with mapped_free(), which unmaps all; NULL is allowed. */
osd_status mapped_new(uint32_t most, uint64_t recent, bool in_memory, struct mapped **ret);
void mapped_free(struct mapped *m);

/**
 * Copy n whole blocks of a file (BLOCKS_PER_FILE long) and say the CRC32C of each as it was
 * delivered. m may be NULL: never.
 *
 * @return false: they have to be read from the file, as will be taken for done; part of v may have been
 *         written.
 */
bool mapped_read(struct mapped *m, struct mapped_file *f, int fd, uint32_t block, uint32_t n,
                 const struct iovec *v, uint32_t *ret_crc);

/** The same into a file, with the CRC32C of each block as it lies there. Never where files lie on a disk. */
bool mapped_write(struct mapped *m, struct mapped_file *f, int fd, uint32_t block, uint32_t n,
                  const struct iovec *v, uint32_t *ret_crc);
/** Otherwise: so many blocks were written to the file. m may be NULL. */
void mapped_written(struct mapped *m, struct mapped_file *f, uint32_t block, uint32_t n);

#endif
