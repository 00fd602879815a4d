/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/store.h - the seam between the command interpreter and whatever keeps the bytes
 *
 * A store holds one root, partitions, and in each partition user objects and collections. Every
 * object has fixed metadata (struct store_meta) and any number of attributes (page, number) ->
 * value; a user object has bytes besides. The store knows ids, ranges, attributes, quotas and
 * counters. It knows no SCSI.
 *
 * Invariants every implementation keeps (checked by the conformance suite and check):
 *  (1) One transaction is all or nothing, also over kill -9 at any moment (with
 *      STORE_COMMIT_LATER: nothing, until publish); with STORE_COMMIT_SYNC, flush or
 *      STORE_SYNC_ALWAYS also over loss of power.
 *  (2) A transaction holds its object's lock from begin to commit/abort: several readers or one
 *      writer. A transaction on (pid, 0) exclusive excludes everything in the partition, one on
 *      (0, 0) exclusive everything in the store; one on an object holds its partition and the
 *      root shared.
 *  (3) used and count in the metadata of an object equal what a walk over it would find, and a
 *      partition's used is the sum over its objects plus its own attributes.
 *  (4) Within a transaction later calls see the effect of earlier ones; nobody else does before
 *      commit.
 *  (5) One id names at most one object of a partition, user object or collection.
 *  (6) Bytes never written read as zeros.
 *  (7) A membership joins a collection and a user object of one partition that both exist; it
 *      is seen from both sides.
 *
 * Used capacity, the same for every implementation: 4096 for each aligned 4096-byte block of a
 * user object that holds written data, plus (16 + length) for every attribute. Blocks inside a
 * CLEARed range and blocks beyond the logical length are holes. Precisely: a write makes every
 * block it touches a data block, whatever the bytes are; clear releases the blocks that lie
 * wholly inside its range, the object's last block too when the range reaches the logical
 * length; after a punch a block holds data when any byte of it below the new length came from a
 * block that did (so shifting by whole blocks keeps holes); truncate keeps the block the new
 * length ends in, as it was. The used of the root is that of all partitions plus its own
 * attributes; it is limited by the capacity of the store (NO_SPACE).
 *
 * Quotas: a call that grows used (or count) is refused when the committed value, what other
 * open transactions may still add, and what this one has added and freed would exceed the
 * quota; calls that do not grow are never refused. Growth of the logical length beyond
 * min(max_length, STORE_LENGTH_MAX) is STORE_QUOTA_LENGTH. A quota changed in the transaction
 * counts at once.
 *
 * Who may change what: an object whose lock the transaction holds exclusively, what lies in a
 * partition (or the store) it holds exclusively, and what it created. Other objects can be
 * looked at by get_meta, get_attr, each_attr and members only, and show their last committed
 * state.
 * Everything else is INVALID, as are data calls on what is no user object, an offset plus
 * length beyond 2^64, and values longer than stated. Calls with length 0 (read, write, clear,
 * punch) check their arguments and change nothing.
 *
 * Ids: struct store_id {pid, oid}; root {0,0}, partition {pid,0}. Ids of objects chosen by the
 * store are >= 0x10000. Threads: every call is safe from any thread; one transaction is used by
 * one thread at a time. A thread holds at most one transaction.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/iov.h"
#include "osd/status.h"

#define STORE_BLOCK       4096u
#define STORE_ID_FIRST    0x10000ULL
#define STORE_NO_LIMIT    UINT64_MAX
#define STORE_NONCE_LEN   12
#define STORE_OUTCOME_MAX 128          /* bytes of a recorded outcome */
#define STORE_RECORDS     65536        /* outcomes remembered; the oldest are forgotten first */
#define STORE_LENGTH_MAX  (1ULL << 60) /* largest logical length */

struct store_id {
    uint64_t pid, oid;
};

enum store_kind { STORE_ROOT = 1, STORE_PARTITION = 2, STORE_COLLECTION = 3, STORE_USER = 4 };

/** What a partition was made as. */
enum store_duplicate { STORE_ORIGINAL, STORE_SNAPSHOT, STORE_CLONE };

/** Fixed metadata. Members marked ro are kept by the store; store_put_meta ignores them. */
struct store_meta {
    uint8_t kind;        /* enum store_kind; ro */
    uint8_t type;        /* collections: collection type */
    uint8_t time_bypass; /* root, partition: timestamp bypass */
    uint8_t duplicate;   /* partition: enum store_duplicate; the store only keeps it */
    uint64_t length;     /* user: logical length; ro (write, truncate, ... change it) */
    uint64_t used;       /* used capacity in bytes; ro */
    uint64_t count;      /* root: partitions; partition: objects in it; ro */
    uint64_t created;    /* timestamps in ms since 1970 */
    uint64_t attr_accessed, attr_modified, data_accessed, data_modified;
    uint64_t max_length;        /* user: limit; root, partition: default for new ones */
    uint64_t capacity_quota;    /* partition: limit on used; root: default */
    uint64_t object_quota;      /* partition: limit on count; root: default */
    uint64_t partition_quota;   /* root: limit on count */
    uint32_t collections_quota; /* partition: limit per object; root: default */
    uint64_t source;            /* partition: the one it duplicates; the store only keeps it */
    uint64_t source_identity;   /* ... and its identity then; likewise */
    uint64_t identity; /* partition: no other has it, or had while this or a later one is there;
                        * given to create, it is made again as the one that had it; ro */
};

/** UNLOCKED: of {0,0} only; waits for nobody, reads metadata and attributes of the root as they were
 *  last committed, each for itself, and nothing else. */
enum store_mode { STORE_SHARED, STORE_EXCLUSIVE, STORE_UNLOCKED };

/** Which quota stopped the last call of a transaction that returned OSD_E_QUOTA. */
enum store_quota {
    STORE_QUOTA_NONE,
    STORE_QUOTA_LENGTH,    /* max_length of the object */
    STORE_QUOTA_CAPACITY,  /* capacity_quota of the partition */
    STORE_QUOTA_OBJECTS,   /* object_quota of the partition */
    STORE_QUOTA_PARTITIONS /* partition_quota of the root */
};

/** store_touch(): timestamps that change without a transaction. */
enum store_touch {
    STORE_TOUCH_ATTR_ACCESSED = 1,
    STORE_TOUCH_ATTR_MODIFIED = 2,
    STORE_TOUCH_DATA_ACCESSED = 4,
    STORE_TOUCH_DATA_MODIFIED = 8
};

/** LATER: what was changed is there for everybody, but survives the death of the process only
 *  after publish(). Whoever has committed so, or may have seen it, tells nobody before. */
enum store_commit { STORE_COMMIT_SYNC = 1, STORE_COMMIT_LATER = 2 };

/** Attributes 1..STORE_INDEX_MAX of a partition on this page ask for an index over an attribute of
 *  its user objects: 8 bytes, its page and number; number FFFFFFFFh: every one of the page. */
#define STORE_INDEX_PAGE 0x3000f000u
#define STORE_INDEX_MAX  16u

/** A bound of values; len 0: none. */
struct store_bound {
    const void *data;
    size_t len;
};

/** Values of an attribute between two bounds, both inclusive. Values of at most 8 bytes compare as
 *  big-endian numbers with each other, otherwise bytes are compared, the shorter is less. */
struct store_values {
    uint32_t page, number;
    struct store_bound min, max;
};

#define STORE_EARLY_MAX 8u

/** What store_ops.early() put into place. */
struct store_early;

struct store_info {
    uint64_t capacity; /* bytes the store may hold */
    uint64_t used;     /* sum over partitions plus root attributes */
    uint64_t partitions;
    bool read_only; /* a failure below made the store refuse writes */
    char kind[16];  /* "memory", "rocksdb" */
};

/** What a range of an object holds (store_seek). */
enum store_extent { STORE_HOLE, STORE_DATA, STORE_DAMAGED };

/** One finding of check. Called in the checking thread. */
typedef void (*store_check_report)(void *arg, struct store_id id, const char *finding);

struct store_check_result {
    uint64_t partitions, objects, attributes, bytes; /* walked */
    uint64_t findings, repaired;
};

/** Attribute visitor; return false to stop. value is valid during the call only. */
typedef bool (*store_attr_visit)(void *arg, uint32_t page, uint32_t number, const void *value,
                                 uint32_t len);

struct osd_store;

/** A transaction; implementations embed it first. */
struct store_txn {
    struct osd_store *store;
    struct store_id id;
    enum store_mode mode;
    enum store_quota quota;
    /** The caller may set it: what the store keeps of objects in memory is neither looked at nor
     *  filled, as far as the store can help it. */
    bool past_memory;
};

/**
 * The table of an implementation. Fields are only appended; size is sizeof(struct store_ops)
 * of the implementation's build. Unless said otherwise functions return OSD_OK, OSD_E_NOMEM,
 * OSD_E_IO, or OSD_E_CORRUPT besides what is listed. After any failure other than NOT_FOUND the
 * transaction can only be aborted.
 */
struct store_ops {
    size_t size;
    void (*close)(struct osd_store *s);
    void (*info)(struct osd_store *s, struct store_info *ret);

    /* Begin on an object that need not exist. Waits for the lock, unless the mode needs none. */
    osd_status (*begin)(struct osd_store *s, struct store_id id, enum store_mode mode,
                        struct store_txn **ret);
    /* Always ends the transaction. flags: enum store_commit. A transaction without changes
     * costs no I/O (except SYNC). After a failed change it aborts and returns that failure. */
    osd_status (*commit)(struct store_txn *t, unsigned flags);
    void (*abort)(struct store_txn *t);

    /* Metadata of the transaction's object, of its partition or of the root; for others a
     * snapshot without lock. NOT_FOUND. Timestamps include store_touch(). */
    osd_status (*get_meta)(struct store_txn *t, struct store_id id, struct store_meta *ret);
    /* Timestamps left as get_meta shows them do not undo a touch that comes meanwhile. */
    osd_status (*put_meta)(struct store_txn *t, struct store_id id, const struct store_meta *m);

    /* Create a partition, user object or collection; meta->kind says which. oid (or pid for a
     * partition) 0: the store chooses an unused one and returns it in *ret (may equal &id).
     * Transaction is on the partition shared or exclusive, on the new object exclusive, or for
     * partitions on {0,0} shared. Several per transaction. The limits in meta are stored as
     * they are: inheriting defaults is up to the caller. EXISTS; NOT_FOUND (no partition);
     * QUOTA. Concurrent creation of one id has one winner: the loser gets EXISTS or BUSY. */
    osd_status (*create)(struct store_txn *t, struct store_id id, const struct store_meta *meta,
                         struct store_id *ret);
    /* Remove with attributes and data. A partition must be empty (NOT_EMPTY) unless contents.
     */
    osd_status (*remove)(struct store_txn *t, struct store_id id, bool contents);
    /* Remove every partition and all attributes of the root, reset its metadata to *root.
     * Transaction on {0,0} exclusive. capacity 0 keeps the present one. Settings and recorded
     * outcomes stay. */
    osd_status (*format)(struct store_txn *t, uint64_t capacity, const struct store_meta *root);

    /* Bytes. Objects are the transaction's own or ones it created.
     * read: zero-fills holes and what lies beyond the logical length; CORRUPT when a checksum
     * fails. src/dst: len bytes at src_off of the iov.
     * write: grows the logical length when needed. QUOTA (length, capacity), NO_SPACE. */
    osd_status (*read)(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                       const struct osd_iov *dst, uint64_t dst_off);
    osd_status (*write)(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                        const struct osd_iov *src, uint64_t src_off);
    /* Zero a range, releasing whole blocks; grows the length if the range ends beyond it. */
    osd_status (*clear)(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len);
    /* Delete a range and move the rest down; the range must lie inside the length (PAST_END).
     */
    osd_status (*punch)(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len);
    /* Set the logical length; growing adds a hole. QUOTA (length). */
    osd_status (*truncate)(struct store_txn *t, struct store_id id, uint64_t length);
    /* Kind of the range that begins at off and how long it goes on (block granularity, ends at
     * the logical length). PAST_END at or beyond it. */
    osd_status (*seek)(struct store_txn *t, struct store_id id, uint64_t off,
                       enum store_extent *ret_kind, uint64_t *ret_len);

    /* Attributes of any object the transaction may touch, root and partition included.
     * get: copies min(cap, length); *ret_len is the true length. NOT_FOUND.
     * set: length 0 removes (no error if absent). At most 65534 bytes. QUOTA, NO_SPACE.
     * each: ascending (page, number), from the given one on. The visitor calls nothing here. */
    osd_status (*get_attr)(struct store_txn *t, struct store_id id, uint32_t page,
                           uint32_t number, void *dst, uint32_t cap, uint32_t *ret_len);
    osd_status (*set_attr)(struct store_txn *t, struct store_id id, uint32_t page,
                           uint32_t number, const void *value, uint32_t len);
    osd_status (*each_attr)(struct store_txn *t, struct store_id id, uint32_t page,
                            uint32_t number, store_attr_visit visit, void *arg);

    /* Ids >= from in ascending order: partitions (pid 0, kind STORE_PARTITION) or the objects
     * of one kind in a partition. Fills ids[0..*ret_n-1]; *ret_next is the first id not
     * returned, 0 when complete. *ret_changes grows whenever an object of the container is
     * created or removed. Counts committed
     * changes. NOT_FOUND (no partition). */
    osd_status (*list)(struct store_txn *t, uint64_t pid, enum store_kind kind, uint64_t from,
                       uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                       uint64_t *ret_changes);

    /* Exactly once: remember in this transaction that `nonce` led to `outcome`. Once per
     * transaction; a nonce already remembered gets the new outcome. */
    osd_status (*record)(struct store_txn *t, const uint8_t nonce[STORE_NONCE_LEN],
                         const void *outcome, size_t len);
    /* Look a nonce up, without transaction. NOT_FOUND. *ret_len <= STORE_OUTCOME_MAX. */
    osd_status (*recall)(struct osd_store *s, const uint8_t nonce[STORE_NONCE_LEN],
                         void *ret_outcome, size_t *ret_len);

    /* Change timestamps outside a transaction: visible at once, on stable storage at the next
     * change of the object, a flush of it, or close. flags: enum store_touch. Never
     * turns a time back. Unknown ids are ignored. Never called by a thread that has a
     * transaction open. */
    void (*touch)(struct osd_store *s, struct store_id id, unsigned flags, uint64_t now_ms);

    /* Everything committed before the call is on stable storage when it returns. Never called
     * by a thread that has a transaction open (it may wait for locks). */
    osd_status (*flush)(struct osd_store *s);

    /* Walk everything and report what breaks an invariant; repair only if asked. The store is
     * otherwise unused. */
    osd_status (*check)(struct osd_store *s, bool repair, store_check_report report, void *arg,
                        struct store_check_result *ret);
    /* Small named values of the device itself (identity, keys); at most 4096 bytes each.
     * Synced before return. Names: 1..64 characters. get: copies min(cap, length); *ret_len is
     * the true length; NOT_FOUND. */
    osd_status (*get_setting)(struct osd_store *s, const char *name, void *dst, size_t cap,
                              size_t *ret_len);
    osd_status (*put_setting)(struct osd_store *s, const char *name, const void *value,
                              size_t len);

    /* Memberships: pairs of a collection and a user object of its partition. They cost no used
     * capacity and change no metadata. remove() drops those of what it removes.
     * set_member: make or drop the pair {collection, oid}; no error when it is so already.
     * Whoever changes a user object may change its memberships. Since that does not lock the
     * collection, whoever removes a collection holds its partition exclusively. NOT_FOUND
     * (either does not exist); INVALID (not what it must be).
     * members: ids >= from of the other side in ascending order: of a collection its user
     * objects, of a user object its collections. Filled as by list. Any object can be looked
     * at, as by get_attr. */
    osd_status (*set_member)(struct store_txn *t, struct store_id collection, uint64_t oid,
                             bool member);
    osd_status (*members)(struct store_txn *t, struct store_id id, uint64_t from, uint64_t *ids,
                          size_t max, size_t *ret_n, uint64_t *ret_next);

    /* Create a partition (id.pid 0: the store chooses) that holds what partition `source` holds
     * now: its attributes, its objects with attributes and bytes, memberships. That takes no
     * longer for more of them, and what neither side changes takes no space of its own; used
     * and count are those of the source nevertheless. meta as for create. Transaction on {0,0}
     * exclusive that changes nothing in the source before or after; it may have removed the
     * partition id before. NOT_FOUND (no source); EXISTS; QUOTA (number of partitions, or what
     * meta allows); NO_SPACE. */
    osd_status (*duplicate)(struct store_txn *t, uint64_t source, struct store_id id,
                            const struct store_meta *meta, struct store_id *ret);

    /* As seek, and where the data lies: block n of the range has place ret_place + n (a range
     * ends where that does), and two blocks of one place hold the same bytes. *ret_place 0:
     * data of which that cannot be told (short data kept with the metadata), or none. */
    osd_status (*place)(struct store_txn *t, struct store_id id, uint64_t off,
                        enum store_extent *ret_kind, uint64_t *ret_place, uint64_t *ret_len);

    /* User objects of a partition that may have such a value, in no order: all that have one,
     * some that have not, none twice. At most max; *ret_more: there are others. Sees what
     * get_attr sees of other objects. NOT_FOUND: there is no index over the attribute, or it is
     * not complete yet (a store may have none at all). */
    osd_status (*find)(struct store_txn *t, uint64_t pid, const struct store_values *want,
                       uint64_t *ids, size_t max, size_t *ret_n, bool *ret_more);

    /* Everything committed before the call survives the death of the process when it returns;
     * costs next to nothing when it does already. A failure makes the store refuse changes, and
     * what was committed with STORE_COMMIT_LATER may be gone when the store is opened again. */
    osd_status (*publish)(struct osd_store *s);

    /* Put the bytes of several writes that are about to be made into place with as few system calls
     * as there can be. data: n of them, at most STORE_EARLY_MAX, each whole blocks of 4096 bytes;
     * they stay where they are, unchanged, until early_end. whose: an object that one of them is
     * for. Nothing refers to the bytes yet, and write() does as well without: any failure means
     * that it has to. NULL: the store has nothing of the kind. Never called by a thread that has a
     * transaction open.
     * early_use: write() of this transaction, when it is given all of one of them, by the same
     * pieces, and block for block, finds it in place. What no committed write found is free again
     * after early_end. One thread at a time. */
    osd_status (*early)(struct osd_store *s, struct store_id whose, const struct osd_iov *data,
                        unsigned n, struct store_early **ret);
    void (*early_use)(struct store_txn *t, struct store_early *e);
    void (*early_end)(struct osd_store *s, struct store_early *e);
};

struct osd_store {
    const struct store_ops *ops;
};

enum store_sync { STORE_SYNC_NORMAL, STORE_SYNC_ALWAYS };

/** How to open. path is ignored by the memory store. */
struct store_config {
    const char *path;  /* absolute directory */
    bool create;       /* make a new store when the directory is empty or absent */
    bool read_only;    /* for checks */
    uint64_t journal;  /* bytes of each of the journal's two files, about; 0: 8 MiB */
    uint64_t capacity; /* bytes, used at creation; 0: no limit */
    enum store_sync sync;
    bool idle; /* nothing happens in the background: what is due waits until it is asked for */
    uint64_t
        quiet_ms; /* for how long space is free before the file system has it; 0: half a minute */
    const struct osd_clock *clock;
    void (*begins)(
        void); /* called by the thread that fills RocksDB's tables, at first; NULL: nothing */
};

/**
 * Open an implementation.
 *
 * @return OSD_OK; OSD_E_NOT_FOUND (no store and !create); OSD_E_BUSY (in use by another
 *         process); OSD_E_VERSION; OSD_E_CORRUPT; OSD_E_NO_SPACE; OSD_E_DENIED; OSD_E_IO.
 *         reason (may be NULL) gets a sentence of at most reason_len bytes naming the path and
 *         the remedy.
 */
osd_status store_memory_open(const struct store_config *cfg, struct osd_store **ret,
                             char *reason, size_t reason_len);
osd_status store_rocksdb_open(const struct store_config *cfg, struct osd_store **ret,
                              char *reason, size_t reason_len);

/** Metadata of a fresh root: no limits. */
struct store_meta store_root_defaults(uint64_t now_ms);

#endif
