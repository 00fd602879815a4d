/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/memory.h - what tcmu-runner's malloc() does with memory that is free again
 *
 * A command that changes something leaves some hundred bytes in what is ahead of RocksDB and in the
 * records that are kept, later as many in RocksDB's tables in memory, which come in pieces of 1 MiB and
 * go when they have been written to files. Left to itself malloc() gives such pieces back, and each page
 * of the next ones is one fault of the thread that carries commands out, or of the one that fills these
 * tables: several times a system call.
 */
#ifndef TCMU_MEMORY_H
#define TCMU_MEMORY_H

#include "common/bytes.h"

#define MEMORY_AHEAD     (16 * MIB)
#define MEMORY_AHEAD_ALL (8 * MEMORY_AHEAD)

/** Memory that was used once stays with the process. Any thread, any number of times. */
void osd_memory_keep(void);

/** Touch the memory that this thread fills first before it is needed: MEMORY_AHEAD bytes of its part of the
 *  heap, for all threads together MEMORY_AHEAD_ALL. What cannot be had is left out. */
void osd_memory_ahead(void);

#endif
