/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_ahead.h - what the files share that keep what is ahead of the database
 *
 * A commit puts its changes into the journal and into a table in memory (rocksdb_ahead.c), from where
 * they are brought into the database (rocksdb_drain.c, rocksdb_sorted.c); opening takes over what a crash left in the
 * journal (rocksdb_replay.c).
 */
#ifndef STORE_ROCKSDB_AHEAD_H
#define STORE_ROCKSDB_AHEAD_H

#include "rocksdb_internal.h"

enum record_kind { RECORD_CHANGES = 1, RECORD_BATCH };

#define CHANGE_HEAD                                                                            \
    8u /* family, deleted (8 bits each), length of the key (16), of the value (32) */

/** What a change of a RocksDB batch begins with. */
enum batch_tag {
    BATCH_DELETION = 0, /* of the default family */
    BATCH_VALUE = 1,
    BATCH_FAMILY_DELETION = 4, /* the number of a family follows */
    BATCH_FAMILY_VALUE = 5,
    BATCH_FAMILY_RANGE = 14,
    BATCH_RANGE = 15
};

/** Where a RocksDB batch is read. */
struct batch_at {
    const uint8_t *p, *end;
};

/** A change of a batch. */
struct batch_change {
    enum cf cf;
    bool deletes, range;        /* range: the value is the key where it ends */
    const uint8_t *key, *value; /* in the batch */
    uint32_t key_len, len;
};

/** So many keys, or so much of the tables' memory. */
struct amount {
    size_t keys, bytes;
};

/* From when on the thread drains. A key that changes often takes memory each time and is put once,
 * so that more bytes mean fewer puts. */
static const struct amount ahead_many = {2048, 4 * MIB};
/* From when on whoever commits does. */
static const struct amount ahead_too_many = {16384, 8 * MIB};

/* rocksdb_ahead.c */
osd_status ahead_tables_make(struct ahead *a);
/** Nobody uses them. Nothing happens before they were made. */
void ahead_tables_free(struct ahead *a);

/* rocksdb_drain.c */
/** Put a change of keys one by one, no range, into a batch. */
void ahead_put(struct rdb *r, rocksdb_writebatch_t *b, const struct batch_change *c);
/** A batch that makes the database what the records up to this number make it. */
osd_status ahead_apply(struct rdb *r, rocksdb_writebatch_t *b, uint64_t number);

/* rocksdb_sorted.c */
struct placed;

/** Changes of different keys that become one batch. */
struct sorted {
    struct placed *v; /* and as much room again */
    size_t n, bytes;  /* bytes: of the batch, at most */
};

/** Room for so many changes; sorted_free() in any case. */
osd_status sorted_room(struct sorted *s, size_t most);
void sorted_free(struct sorted *s);
/** One change more, which stays where it is. */
void sorted_add(struct sorted *s, const struct change *c);
/** All of them as a batch, in their order, with this number as that of the last record; NULL: no memory. */
rocksdb_writebatch_t *sorted_batch(const struct rdb *r, struct sorted *s, uint64_t number);

/* rocksdb_replay.c */
/** One change at *at of a record of len bytes, which becomes the place behind it; false: there is none. */
bool change_next(const uint8_t *p, size_t len, size_t *at, struct batch_change *ret);

/** The next change of a batch that has not ended; false: there is none of a kind that is known. */
bool batch_next(const struct rdb *r, struct batch_at *b, struct batch_change *ret);

#endif
