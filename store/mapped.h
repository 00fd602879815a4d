/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/mapped.h - data files mapped into memory, for blocks that are read again and again
 *
 * A copy out of a mapping costs no system call, but pages have to be mapped first, and only reads from the
 * file have the kernel read ahead. So a mapping serves blocks whose neighbourhood was read MAPPED_HOT times;
 * the caller reads the others, and whatever could not be had here, from the file.
 * Invariants:
 *  (1) What is served was in memory a short while ago, measured in bytes that were read from files or
 *      written to them since: as long as they are few beside the machine's memory, it still is. Long
 *      reads ask the kernel, too.
 *  (2) At most so many files are mapped, 16,384 in a process. One that is read often takes the place of
 *      one that was not used of late, which is unmapped when each thread that could be reading it has
 *      been seen elsewhere; nobody waits for that.
 *  (3) A page that cannot be had, as the file is shorter or the device fails, makes a read fail here, not
 *      the process (store/guarded.h).
 * Threads: every function from any thread, but for mapped_new() and mapped_free().
 */
#ifndef STORE_MAPPED_H
#define STORE_MAPPED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "store/store.h"

#define MAPPED_MOST   256u /* blocks; longer reads are not for this */
#define MAPPED_WINDOW 16u  /* blocks whose pages are mapped together ... */
#define MAPPED_HOT    16u  /* ... with that many reads of any of them from the file */

struct mapped;
struct mapping;

/** What is known of a file; begins with zeros, belongs to the owner of the file. Atomic. */
struct mapped_file {
    struct mapping *mapping;
    uint32_t missed; /* blocks that were not read here since it was mapped last */
};

/** @param most   files mapped at the same time, at most; 0: as many as suit the machine
 *  @param recent bytes as in (1); 0: as the machine has memory
 *  OSD_E_NOMEM. Ended with mapped_free(), which unmaps all; NULL is allowed. */
osd_status mapped_new(uint32_t most, uint64_t recent, struct mapped **ret);
void mapped_free(struct mapped *m);

/** So many bytes were written to files. m may be NULL. */
void mapped_moved(struct mapped *m, uint64_t bytes);

/**
 * Copy n whole blocks of a file (BLOCKS_PER_FILE long) and say the CRC32C of each as it was
 * delivered. m may be NULL: never.
 *
 * @return false: they have to be read from the file, as will be taken for done; part of v may have been
 *         written.
 */
bool mapped_read(struct mapped *m, struct mapped_file *f, int fd, uint32_t block, uint32_t n,
                 const struct iovec *v, uint32_t *ret_crc);

#endif
