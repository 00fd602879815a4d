/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_salvage.h - what the files of the salvage share
 *
 * In this order: the keys that can be read become keys of a new database (rocksdb_salvage_read.c), the
 * journal follows (rocksdb_salvage.c), what then does not fit together is mended and named
 * (rocksdb_salvage_mend.c), data files are copied and all is checked (rocksdb_salvage.c).
 */
#ifndef STORE_ROCKSDB_SALVAGE_H
#define STORE_ROCKSDB_SALVAGE_H

#include <limits.h>

#include "rocksdb_internal.h"
#include "store/salvage.h"

#define FILES_MAX 65536u /* data files */
#define KEY_ROOM  64u    /* longer ones are compared by so many bytes */

/** Keys after `from`, not after `to`, both filled up with zeros, that could not be read. */
struct lost_keys {
    enum cf cf;
    bool all; /* of the family */
    uint8_t from[KEY_ROOM], to[KEY_ROOM];
};

/** Map chunks of an object that are lost; both inclusive. */
struct lost_chunks {
    struct store_id id;
    uint64_t length; /* of the object */
    uint64_t first, last;
};

/** Some of an array of things of one size. */
struct list {
    void *v;
    size_t n, cap;
};

/** What is known of the database's log. */
enum log_state {
    LOG_WHOLE,
    LOG_ENDS,   /* it is damaged and was read up to there */
    LOG_SKIPPED /* it is damaged, and changes between others may be missing */
};

struct salvage {
    const struct store_salvage *what;
    struct store_salvaged *ret;
    char source[PATH_MAX];
    char base[PATH_MAX]; /* "unfinished"; in it: */
    char work[PATH_MAX]; /* the new store */
    char links[PATH_MAX], tables[PATH_MAX];
    char *reason;
    size_t reason_len;
    int source_lock;
    bool made, begun;        /* by us: the target; "unfinished" in it */
    unsigned placed;         /* directories of the new store that are in the target */
    struct rdb *to;          /* the new database */
    rocksdb_writebatch_t *b; /* for it */
    struct list keys;        /* struct lost_keys */
    struct list aged;        /* struct store_id of what may be older than it was */
    struct list lost;        /* struct store_id of what is not in the new store */
    struct list chunks;      /* struct lost_chunks */
    struct list distrusted;  /* struct store_id: oid 1: own attributes may be missing as well */
    bool suspect[CF_MAX];    /* keys of the family are lost, or may be */
    enum log_state log;
    bool twice;          /* blocks have several owners where they must not */
    uint64_t done;       /* of the present step */
    uint64_t n_files;    /* data files that there are or that maps name */
    uint64_t serial;     /* the greatest of a partition */
    uint64_t bad_record; /* of the journal: the first that makes no sense; 0: none */
    uint64_t taken;      /* its last record that is in the new database, or was before */
    osd_status noted;    /* how noting what dropped records change has failed */
    struct list changed; /* struct store_id: what the dropped records change */
};

/** Memory for one more at the end; NULL without. */
void *list_add(struct list *l, size_t size);

/** A loss. */
void salvage_harmed(struct salvage *s, struct store_id id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Note that an object is not in the new store. */
osd_status salvage_lost(struct salvage *s, struct store_id id);
osd_status salvage_distrust(struct salvage *s, uint64_t pid, bool own);
void salvage_step(struct salvage *s, const char *step, uint64_t done, uint64_t total);
/** Whether a key is as long as those of its family. */
bool salvage_key_whole(enum cf cf, size_t len);
/** Write the batch if it is large, or in any case. */
osd_status salvage_write(struct salvage *s, bool all);

/** Every key that can be read, into the new database. */
osd_status salvage_read(struct salvage *s);
/** Make the new database one that opens, except that what stands in s->chunks is absent. */
osd_status salvage_mend(struct salvage *s);
/** Sort ids, each of them once. */
void salvage_unique(struct list *l);
/** How many blocks salvage_mark() needs. */
uint64_t salvage_marks(const struct salvage *s);
/** Maps for what stands in s->chunks: they name blocks from `bad` on, in which no checksum holds. */
osd_status salvage_mark(struct salvage *s, uint64_t bad);

#endif
