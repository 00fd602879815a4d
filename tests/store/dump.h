/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/dump.h - the whole content of a store as text, to compare before and after
 *
 * Goes through the seam only, so it works on every store and every wrapper. The calling thread
 * must hold no transaction. Two stores with the same logical content give the same text.
 */
#ifndef TESTS_STORE_DUMP_H
#define TESTS_STORE_DUMP_H

#include "store/store.h"

enum store_dump_flags {
    STORE_DUMP_TIMES = 1, /* with timestamps (touch makes them volatile) */
};

/**
 * Every partition, object, metadata, attribute (length and CRC32C) and run of data (offset,
 * length, CRC32C), one line each. A failure while reading becomes a line of its own.
 *
 * @return text to free(); NULL without memory.
 */
char *store_dump(struct osd_store *s, unsigned flags);

/** The same of what one partition holds, without its id: duplicates give the same text. */
char *store_dump_partition(struct osd_store *s, uint64_t pid, unsigned flags);

#endif
