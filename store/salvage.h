/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/salvage.h - what can be read of a damaged store becomes a new one
 *
 * Invariants:
 *  (1) Nothing below the source is written, made or removed.
 *  (2) The target is a store when all of it is there, durably, and not before: a salvage that was cut
 *      off leaves a directory that no program takes for one.
 *  (3) What is in the new store and differs from what was in the source was reported, or is said
 *      to be possibly older (struct store_salvaged). Bytes that are lost cannot be read there; they do
 *      not read as zeros.
 */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include "store/store.h"

/** What became of a store. */
struct store_salvaged {
    uint64_t partitions, objects, attributes, bytes; /* in the new store */
    uint64_t lost; /* objects and collections that are not in it */
    uint64_t
        harmed; /* findings about what is in it with less than it had, or is of the device */
    uint64_t
        dropped; /* records of the journal that are not in it, those between others included */
    bool uncounted; /* so are changes of which nothing tells how many they were */
    bool older;     /* what it holds may be older than what was there last */
};

/** How far it has come. total 0: not known. Called in the thread that salvages, often. */
typedef void (*store_salvage_progress)(void *arg, const char *step, uint64_t done,
                                       uint64_t total);

/**
 * The protection of a partition, or of the device (pid 0), may be less than it was: what is kept of
 * keys there may be missing or old. own: so may be any of its own attributes. Called for the same one
 * once for each value of own at most; for a partition that is no longer there, too. s is the new store, before
 * it is one. Another status than OSD_OK ends the salvage.
 */
typedef osd_status (*store_salvage_distrust)(void *arg, struct osd_store *s, uint64_t pid,
                                             bool own);

struct store_salvage {
    const char *source, *target;     /* directories; target: absent or empty */
    store_check_report report;       /* every loss; id {0,0}: of the device. Or NULL */
    store_salvage_progress progress; /* or NULL */
    store_salvage_distrust distrust; /* or NULL */
    void *arg;                       /* of all three */
    const struct osd_clock *clock;   /* NULL: the system's */
};

/**
 * Make a new RocksDB store out of what is left of another, which nobody has open.
 *
 * @return OSD_OK, also with losses; OSD_E_NOT_FOUND (no store); OSD_E_BUSY (in use);
 *         OSD_E_EXISTS (the target is not empty); OSD_E_INVALID (it lies in the source);
 *         OSD_E_VERSION; OSD_E_CORRUPT (nothing can be read); OSD_E_DENIED, OSD_E_NO_SPACE, OSD_E_IO,
 *         OSD_E_NOMEM. On failure the target is no store, and what
 *         was made there is removed. reason gets a sentence of at most
 *         reason_len bytes.
 *
 * Blocks for as long as reading all data takes. Any thread.
 */
osd_status store_rocksdb_salvage(const struct store_salvage *what, struct store_salvaged *ret,
                                 char *reason, size_t reason_len);

#endif
