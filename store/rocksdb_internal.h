/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_internal.h - what the files of the RocksDB store share
 *
 * Column families and keys (big-endian, so iteration is in id order):
 *   default   name of a setting        -> value; "format" -> version; "journal" -> number of the
 *             last record of the journal that is in the database
 *   ids       pid kind oid, 0 kind pid -> nothing: what LIST walks over; with kind ffh a marker
 *             (rocksdb_duplicate.c), with fdh and feh the index of attributes (rocksdb_index.c)
 *   objects   pid oid                  -> record (root 0 0, partition pid 0; rocksdb_codec.c)
 *   attrs     pid oid page number      -> value, when it is not in the record
 *   extents   pid oid chunk            -> map chunk other than the first (rocksdb_chunk.c)
 *   records   slot                     -> sequence, nonce, outcome
 *             STORE_RECORDS + page     -> those of some of its slots, the length of each before it
 *   members   pid cid oid, pid oid cid -> nothing: a membership from both sides
 * objects, records and all that is of objects can be iterated over within one object; whoever goes
 * from object to object reads with ro_all.
 * Not on disk, rebuilt at open: block allocation, used and count of partitions, next object
 * ids, the index of records.
 */
#ifndef STORE_ROCKSDB_INTERNAL_H
#define STORE_ROCKSDB_INTERNAL_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "store/blocks.h"
#include "store/cache.h"
#include "store/journal.h"
#include "store/locks.h"
#include "store/rocksdb_codec.h"
#include "store/spread.h"
#include "store/store.h"

enum cf {
    CF_DEFAULT,
    CF_IDS,
    CF_OBJECTS,
    CF_ATTRS,
    CF_EXTENTS,
    CF_RECORDS,
    CF_MEMBERS,
    CF_MAX
};

extern const char *const rdb_family_names[CF_MAX];

/** Where a range deletion begins in a family that is hinted: with no more bytes. */
#define RANGE_MOST 8u

/** Whether RocksDB puts a key of this family, when it has more than RANGE_MOST bytes, from the place of
 *  the one before on. A range deletion there that begins with as many would break what it has in memory. */
static inline bool rdb_is_hinted(enum cf cf)
{
    return cf != CF_DEFAULT && cf != CF_IDS;
}

#define ATTR_OVERHEAD 16 /* charged per attribute besides its length */

/** A counter that has a limit; atomic. */
struct counter {
    uint64_t now;  /* committed */
    uint64_t most; /* with what open transactions may still add */
};

/** A partition, or the root (pid 0), with its counters. The memory of one that is removed is
 *  used for later ones, never freed before the store is closed. */
struct part {
    uint64_t pid;
    struct part *next;           /* hash chain; while new, list of its transaction */
    struct part *before, *after; /* below it in the treap: lesser ids, greater ones */
    bool dropped;                /* created and removed in one transaction */
    pthread_mutex_t mutex;
    struct record
        record;          /* committed; changed under mutex and by who has the partition alone */
    uint64_t touched[4]; /* timestamps newer than the record, or 0; atomic */
    struct dup *dup;     /* while new: how it will be made from another, or NULL */
    struct index *index; /* rocksdb_index.c; NULL: nothing is indexed */

    /* What comes before is read by every command; this changes with each that makes something or grows. */
    _Alignas(64) struct counter used;
    struct counter count; /* of objects, or partitions */
    uint64_t changes;     /* atomic */
    uint64_t next_oid;    /* atomic; hint */
};

#define PART_BUCKETS  16384
#define PARTS_MAX     1048576u /* each takes half a kilobyte of memory */
#define TOUCH_SHARDS  16u
#define TOUCH_BUCKETS 512u  /* of a shard */
#define TOUCH_MAX     4096u /* objects of a shard */

/** Timestamps that are newer than the object's record. */
struct touched {
    struct store_id id;
    unsigned flags;   /* enum store_touch: which of the times count */
    uint64_t time[4]; /* in the order of the flags */
    struct touched *next;
};

struct touch_lock {
    _Alignas(64) pthread_mutex_t mutex;
};

/** The touched ones whose ids hash alike; those in one bucket more so. Each command looks whether its object's
 *  bucket is empty: so these lie close together, and the locks elsewhere. */
struct touch_shard {
    struct touched
        *first[TOUCH_BUCKETS]; /* atomic, changed under the mutex, as all links are */
    struct touch_lock lock[TOUCH_BUCKETS];
    size_t n; /* in all of them; atomic */
};

/** A bucket. */
struct touch_bucket {
    struct touched **first;
    pthread_mutex_t *mutex;
};

struct outcome {
    uint64_t seq;    /* 0 = empty slot */
    uint64_t number; /* of the journal's record; 0: it is in the database */
    uint8_t nonce[STORE_NONCE_LEN];
    uint8_t len;
    uint8_t data[STORE_OUTCOME_MAX];
};

#define OUTCOME_PAGE  64u /* slots */
#define OUTCOME_PAGES (STORE_RECORDS / OUTCOME_PAGE)

/** The background thread (rocksdb_keeper.c). */
struct keeper {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t bell;
    bool running, rung, stop; /* rung, stop: under the mutex */
    uint64_t synced;          /* record of the journal up to which it saw to that; its own */
};

#define FORMAT_OLD     2u /* without a journal; 4: without pages of outcomes; odd ones: indexed */
#define FORMAT_PLAIN   6u
#define FORMAT_INDEXED 7u /* an index was asked for, ever */

/** A key that was committed and is not in the database yet. */
struct change {
    struct change *next;     /* hash chain */
    struct change *in_table; /* the one that came into the table before it */
    uint64_t number;         /* of the record */
    uint64_t hash;
    uint8_t cf;    /* enum cf */
    bool deleted;  /* there is no value */
    bool replaced; /* a later change of the key is in the table */
    uint16_t key_len;
    uint32_t len;
    uint8_t bytes[]; /* key, value */
};

#define AHEAD_SHARDS  16u
#define AHEAD_BUCKETS 1024u /* of a shard's table */

/** Memory of what is ahead: what is in it goes all at once. */
struct slab {
    struct slab *next;
    size_t used;                /* bytes, and more when it is full; atomic */
    _Alignas(8) uint8_t room[]; /* SLAB_ROOM bytes */
};

#define SLAB_ROOM (64 * KIB - sizeof(struct slab))

/** Where the threads of a place put their changes. */
struct slab_place {
    _Alignas(64) struct slab *slab; /* atomic, changed under the lock of what is ahead */
};

/** The last change of each key. */
struct change_table {
    struct change *bucket[AHEAD_BUCKETS];
    struct change *last; /* the one that came last; all of them by in_table */
    size_t n[CF_MAX];    /* keys by family */
};

/** The keys whose hashes begin alike. */
struct ahead_shard {
    _Alignas(64) pthread_mutex_t lock;
    struct change_table *filling, *draining; /* under lock; changed with the gate as well */
    size_t n[CF_MAX]; /* keys in both, by family; atomic, changed under lock */
    size_t n_all;     /* likewise */
};

/** How much is ahead. */
enum ahead_level {
    AHEAD_FEW,
    AHEAD_MANY,     /* the thread brings it into the database */
    AHEAD_TOO_MANY, /* whoever commits waits for that */
};

/** What is ahead of the database (rocksdb_ahead.c). */
struct ahead {
    struct journal *journal;
    struct spread_lock
        gate; /* read while a record and its changes go in; written by who turns */
    struct ahead_shard shard[AHEAD_SHARDS];
    struct change_table *tables; /* two for each shard */
    struct slab_place place[OSD_PLACES];
    /* enum ahead_level; atomic. Raised by who commits, by what one shard has; set right by who drains. */
    _Alignas(64) unsigned level;
    pthread_mutex_t lock;                    /* around slabs, and room */
    struct slab *filling, *draining, *spare; /* slabs of the tables, and of none */
    size_t bytes;               /* of the slabs `filling`; atomic, changed under lock */
    bool stuck;                 /* the database did not take it; atomic */
    pthread_cond_t room;        /* less is ahead; with lock */
    pthread_mutex_t drain_lock; /* around writes to the database; taken first */
    uint64_t applied;           /* record; under drain_lock */
    uint64_t found, beyond;     /* at open: the last record, and one behind damage; 0: none */
    pthread_t thread;
    pthread_mutex_t bell_lock;
    pthread_cond_t bell;
    bool running, stop; /* stop: under bell_lock */
    bool rung;          /* atomic, changed under bell_lock */
};

/** The index that the keeper builds; its own. */
struct index_build {
    uint64_t serial; /* 0: none */
    uint64_t pid;
    uint64_t next; /* objects before this one are in it */
};

/** A transaction that ended, for the next one; atomic. */
struct txn_place {
    _Alignas(64) struct txn *txn;
};

struct rdb {
    struct osd_store base;
    struct store_config cfg;
    char *path;
    int lock_fd;     /* the directory, locked; -1: none */
    uint64_t n_data; /* data files at open, about */
    bool starved;    /* the database could not open a file more; atomic */
    rocksdb_t *db;
    rocksdb_column_family_handle_t *cf[CF_MAX];
    rocksdb_options_t *options;
    rocksdb_readoptions_t *ro, *ro_all; /* ro_all: iterators over all of a family */
    rocksdb_readoptions_t *ro_page;     /* short walks: keys are not copied, blocks stay */
    rocksdb_writeoptions_t *wo;
    struct txn_place ended[OSD_PLACES];
    struct blocks *blocks;
    struct store_locks *locks;
    struct cache *cache; /* committed objects and chunks: txn_get_hot() */
    uint64_t capacity;   /* atomic */
    bool failed;         /* a write below failed; atomic */
    uint64_t formats;    /* changed under the lock of the whole store */
    uint64_t seed;       /* of the hash tables */
    uint64_t max_parts;  /* how many there may be, whatever the quota says */
    uint32_t format;     /* at open; FORMAT_... */
    unsigned n_dups;     /* atomic */
    unsigned n_indexed;  /* partitions with an index; atomic */
    bool index_wanted;   /* one may have to be built; atomic */
    struct part *root;
    struct spread_lock parts_lock;
    struct part *parts[PART_BUCKETS];
    struct part *ordered; /* the same in a treap */

    /* What comes before is read by every command; from here on it changes with some. */
    _Alignas(64) struct ahead ahead;
    unsigned ranges; /* commits that deleted ranges since they were put into tables; atomic */
    int64_t batch_room;   /* what open transactions may still put into batches; atomic */
    uint64_t next_pid;    /* atomic */
    uint64_t last_serial; /* of a partition; atomic */
    pthread_mutex_t spare_lock;
    struct part *spare; /* removed ones; under spare_lock */

    struct touch_shard touch[TOUCH_SHARDS];

    pthread_mutex_t record_lock;
    struct outcome *records; /* STORE_RECORDS slots */
    uint32_t *record_index;  /* hash -> slot + 1, open addressing */
    bool records_used;       /* the pages of both are there; under the lock */
    uint64_t record_seq;     /* atomic */
    /* A bit for each page of the ring that waits to be put, under the lock; and how many, atomic. */
    uint64_t record_pages[OUTCOME_PAGES / 64];
    unsigned n_record_pages;

    pthread_rwlock_t dups_lock;
    struct dup *dups; /* partitions being made from others; under dups_lock */

    uint64_t index_serial; /* the last one given to an index; atomic */
    struct index_build index_build;
    uint64_t index_rest_until; /* ms; after a failure; the keeper's */

    struct keeper keeper;
    pthread_mutex_t flush_lock;
    uint64_t flush_asked, flush_done; /* atomic */
    uint64_t data_asked, data_done;   /* atomic */
};

/** For blocks_alloc(): whose blocks those of an object are. Where each command waits for its sync, one
 *  file is better than several. */
static inline uint64_t rdb_lane(const struct rdb *r, struct store_id id)
{
    return r->cfg.sync == STORE_SYNC_ALWAYS ? 0 : id.oid;
}

/** Whether a write or sync below failed: the store changes nothing any more. */
static inline bool rdb_failed(const struct rdb *r)
{
    return __atomic_load_n(&r->failed, __ATOMIC_RELAXED);
}

/** From so many on, range deletions in memory are put into tables: every iterator has to look at all
 *  of them after each change to them. */
#define RANGES_MANY 128u

#define TXN_DELTAS 4

struct delta {
    struct part *part;
    int64_t used, count;
    bool changed;
};

struct run_list {
    struct run_entry {
        uint64_t first;
        uint32_t count;
    } * v;
    size_t n, cap;
};

/** A partition this transaction removes. */
struct removed {
    uint64_t pid;
    struct removed *next;
};

/** An id this transaction creates. */
struct created {
    struct store_claim claim;
    struct created *next;
};

/** A changed record of a partition or of the root. */
struct part_record {
    struct part *part;
    struct record record;
    struct part_record *next;
};

#define TXN_KEPT   4
#define TXN_CHUNKS 8

/** A map chunk to be put, encoded; len 0: to be deleted. */
struct kept_chunk {
    struct store_id id;
    uint64_t number;
    uint16_t len;
    uint8_t value[CHUNK_MAX];
};

struct txn {
    struct store_txn base;
    struct rdb *rdb;
    bool changed;                   /* the commit has something to write */
    rocksdb_writebatch_wi_t *batch; /* changes that are looked up again; NULL: none */
    struct osd_buf record;          /* of the journal: the others at commit, in their order; its
                                        * memory is kept for the next one */
    size_t table_len;               /* memory that they take in a table */
    bool to_changes;                /* txn_put() puts there */
    bool completing;                /* what is put from now on is what will be there */
    int64_t batch_used, batch_granted; /* memory of the batch, and what of batch_room is its */
    unsigned put;                      /* families with keys in the batch: 1 << enum cf */
    uint64_t uses, used_at[TXN_KEPT];  /* of the kept ones: when last */
    struct part_record *part_records;  /* of partitions and the root */
    rocksdb_readoptions_t *ro; /* after a range deletion: iterators stop before what it hides */
    uint8_t hidden_from[8];
    struct run_list allocated, freed;
    struct store_early *early; /* NULL: nothing was written ahead */
    struct delta deltas[TXN_DELTAS];
    int n_deltas;
    bool deferring; /* charges add up here, for a change that frees after it has taken */
    int64_t deferred;
    struct store_held held;
    struct part *part;       /* the partition held, once it was looked for and found */
    struct created *created; /* ids claimed, newest first */
    struct part *new_parts;  /* partitions created here */
    struct removed *removed; /* partitions removed here */
    uint64_t range_pid;      /* partition that is removed by range; 0: none */
    uint64_t concluded;      /* partition that from now on needs no other one; 0: none */
    bool formatted;
    uint64_t new_capacity;
    osd_status failed;        /* a change failed: commit aborts with this */
    struct store_id shown_id; /* what get_meta showed last, for put_meta */
    struct store_meta shown;
    struct outcome outcome;             /* seq 0 = none */
    struct index_change *index_changes; /* partitions whose index is another one by this */
    struct osd_buf index_pending;       /* entries to be put or deleted at commit */
    unsigned n_chunks;
    struct object kept[TXN_KEPT]; /* rocksdb_record.c; what follows is not cleared for reuse */
    struct kept_chunk chunks[TXN_CHUNKS];
    struct object other; /* one that is not kept */
};

/** A value read from the database; the bytes stay until value_free(). */
struct value {
    const char *data;
    size_t len;
    rocksdb_pinnableslice_t *pin;
    char *own;
};

/** Memory of all batches together, beyond BATCH_STEP that every transaction has anyway. */
#define BATCH_ROOM ((int64_t)(1024 * MIB))
#define BATCH_STEP ((int64_t)MIB)

#define BATCH_HEAD 12 /* of RocksDB: sequence 8, count 4 little-endian, then the changes */

/** The number of changes of a batch of at least BATCH_HEAD bytes. */
static inline uint32_t batch_count(const void *data)
{
    const uint8_t *p = (const uint8_t *)data + 8;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* rocksdb_ahead.c */
/** Whether a key is ahead: NOT_FOUND when it is deleted there; *ret_there false: ask the database. */
osd_status ahead_get(struct rdb *r, enum cf cf, const void *key, size_t key_len,
                     struct value *ret, bool *ret_there);
/** Note a change in a transaction's list. */
osd_status ahead_note(struct txn *t, enum cf cf, const void *key, size_t key_len,
                      const void *value, size_t len, bool deleted);
void ahead_forget(struct txn *t);
/** Commit the transaction's list, which is gone then; when it fails it stays. */
osd_status ahead_commit(struct txn *t);
/** The same with a RocksDB batch: if it is short, all of it goes into the transaction's list. */
osd_status ahead_write_batch(struct txn *t, const char *data, size_t len);
osd_status ahead_publish(struct rdb *r);

/* rocksdb_drain.c */
/** Bring what is committed by now into the database. */
osd_status ahead_drain(struct rdb *r);
/** The same if that changes anything in one family. */
osd_status ahead_drain_family(struct rdb *r, enum cf cf);
/** An iterator that sees what is committed by now. */
rocksdb_iterator_t *rdb_iterate(struct rdb *r, rocksdb_readoptions_t *ro, enum cf cf);
/** Commit a batch, which is in the journal and in the database when this returns; it gets one key
 *  more. When the database fails it may be there once the store is opened again. */
osd_status ahead_write(struct rdb *r, rocksdb_writebatch_t *b);
/** After a commit, without any lock: see that not too much is ahead. */
void ahead_pass(struct rdb *r);
osd_status ahead_start(struct rdb *r);
/** End the thread; then bring everything into the database, durably, and close the journal. */
void ahead_close(struct rdb *r);

/* rocksdb_replay.c */
#define APPLIED "journal" /* in the default family: number of the last record that is there */
/** journal_read() of the store in this directory. */
osd_status rdb_read_journal(const char *store, struct journal_files **ret);
/** Take what a crash left in the journal into the database, and begin a new one. */
osd_status ahead_open(struct rdb *r, char *reason, size_t reason_len);
/** Whether the journal holds what is not in the database. */
osd_status ahead_left(struct rdb *r, bool *ret, char *reason, size_t reason_len);
/** The changes of a record of the journal, as a batch that the database takes; the caller destroys
 *  it. CORRUPT: they cannot be what was added. */
osd_status ahead_decode(struct rdb *r, const void *data, size_t len,
                        rocksdb_writebatch_t **ret);
/** The keys that a record of the journal changes, as far as it makes sense; of a range, where it
 *  begins. */
void ahead_each(struct rdb *r, const void *data, size_t len,
                void (*visit)(void *arg, enum cf cf, const uint8_t *key, size_t len),
                void *arg);

/* rocksdb_txn.c */
/** A value as the transaction sees it. On OSD_OK the caller frees it; NOT_FOUND. */
osd_status txn_get(struct txn *t, enum cf cf, const void *key, size_t key_len,
                   struct value *ret);
/** The same of an object or a map chunk, out of memory if it is there. room: OBJECT_MAX bytes that
 *  stay as long as the value. */
osd_status txn_get_hot(struct txn *t, enum cf cf, const void *key, size_t key_len, void *room,
                       struct value *ret);
void value_free(struct value *v);
rocksdb_writebatch_wi_t *batch_of(struct txn *t);
/** Change a key. Of an object's record: txn_object_changed() and its like instead. */
void txn_put(struct txn *t, enum cf cf, const void *key, size_t key_len, const void *value,
             size_t len);
void txn_delete(struct txn *t, enum cf cf, const void *key, size_t key_len);
rocksdb_iterator_t *txn_iterate(struct txn *t, enum cf cf);
/** Whether the transaction may change an object (store.h). */
bool txn_may_change(const struct txn *t, struct store_id id);
/** Remember a failed change; returns st, or how an earlier change failed. */
osd_status txn_noted(struct store_txn *t, osd_status st);
osd_status run_add(struct run_list *l, uint64_t first, uint32_t count);

/** End the newest claim of an id. */
void txn_unclaim(struct txn *t);
/** Free one that ended; NULL is allowed. */
void txn_destroy(struct txn *t);
osd_status rdb_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                     struct store_txn **ret);
osd_status rdb_commit(struct store_txn *t, unsigned flags);
void rdb_abort(struct store_txn *t);
/* rocksdb_record.c */
/** A record as the transaction sees it. NOT_FOUND. */
osd_status txn_record(struct txn *t, struct store_id id, struct record *ret);
/** The same of an object or collection, with what it holds. It stays where it is until the
 *  transaction looks at TXN_KEPT others. NOT_FOUND. */
osd_status txn_object(struct txn *t, struct store_id id, struct object **ret);
/** Note that *o, which the transaction may change, was changed. */
void txn_object_changed(struct txn *t, struct object *o);
/** Make an object, without attributes and data. */
void txn_object_make(struct txn *t, const struct record *rec);
/** Change a record, or make that of a partition (fresh; after its struct part). */
void txn_record_put(struct txn *t, const struct record *rec);
void txn_record_delete(struct txn *t, const struct record *rec);
/** Put what is kept and changed into the batch. */
void txn_records_write(struct txn *t);
/** Forget what is kept, changed or not. */
void txn_records_forget(struct txn *t);
/** The record of a partition or of the root. */
void txn_part_record(const struct txn *t, struct part *p, struct record *ret);
/** After the commit: changed records of partitions become theirs. */
void part_records_applied(struct txn *t);
/** The metadata of a record alone. */
osd_status txn_load(struct txn *t, struct store_id id, struct store_meta *ret);
void txn_store(struct txn *t, struct store_id id, const struct store_meta *m);

/* rocksdb_count.c */
/** The limits in force: those of this transaction's own put_meta count at once. */
struct store_meta limits_of(const struct txn *t, struct part *p);
/** used and count of a partition or the root as the transaction sees them. */
void txn_counters(const struct txn *t, struct part *p, struct store_meta *m);
/** Charge one partition. QUOTA when growth would pass the limit. */
osd_status charge_part(struct txn *t, struct part *p, int64_t delta, uint64_t limit);
/** Charge a partition and the device, whose capacity counts everything. */
osd_status charge_counters(struct txn *t, uint64_t pid, int64_t delta);
/** Charge bytes to an object's record and its partition; quota and capacity are checked when
 *  delta > 0. The record itself stays the caller's to store. */
osd_status txn_charge(struct txn *t, struct store_id id, struct store_meta *m, int64_t delta);
/** Count an object in or out. */
osd_status count_objects(struct txn *t, struct part *p, int64_t delta, uint64_t limit,
                         enum store_quota quota);
/** What is committed. */
static inline uint64_t counter_now(const struct counter *c)
{
    return __atomic_load_n(&c->now, __ATOMIC_RELAXED);
}
/** While no transaction is open that changes it. */
static inline void counter_set(struct counter *c, uint64_t n)
{
    __atomic_store_n(&c->now, n, __ATOMIC_RELAXED);
    __atomic_store_n(&c->most, n, __ATOMIC_RELAXED);
}
/** n more, or less, are committed. */
static inline void counter_add(struct counter *c, int64_t n)
{
    __atomic_add_fetch(&c->most, (uint64_t)n, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->now, (uint64_t)n, __ATOMIC_RELAXED);
}
/** End of the transaction's claims on counters; with commit they become the counters. */
void deltas_end(struct txn *t, bool commit);

/* rocksdb_objects.c */
/** A partition as the transaction sees it, its own new ones included; NULL. */
struct part *txn_part(struct txn *t, uint64_t pid);
/** The least id of a partition from `from` on as the transaction sees them; 0: none. */
uint64_t txn_next_part(const struct txn *t, uint64_t from);
/** Release the blocks of every object of the partition removed by range (they are still
 *  readable). */
osd_status free_partition_blocks(struct txn *t);
osd_status rdb_get_meta(struct store_txn *t, struct store_id id, struct store_meta *ret);
osd_status rdb_put_meta(struct store_txn *t, struct store_id id, const struct store_meta *m);
osd_status rdb_create(struct store_txn *t, struct store_id id, const struct store_meta *meta,
                      struct store_id *ret);
osd_status rdb_remove(struct store_txn *t, struct store_id id, bool contents);
osd_status rdb_format(struct store_txn *t, uint64_t capacity, const struct store_meta *root);

/** Create a partition; contract in store.h. It becomes the first of new_parts. */
osd_status part_create(struct txn *t, struct store_id id, const struct store_meta *meta,
                       struct store_id *ret);

/* rocksdb_duplicate.c */
osd_status rdb_duplicate(struct store_txn *t, uint64_t source, struct store_id id,
                         const struct store_meta *meta, struct store_id *ret);
/** Whether any partition is being made from another. */
static inline bool dups_any(struct rdb *r)
{
    return __atomic_load_n(&r->n_dups, __ATOMIC_ACQUIRE) != 0;
}
/** An object was not found: copy it if its partition is being made from one that had it. */
osd_status dups_find(struct txn *t, struct store_id id);
/** Before an object changes or goes: those made from its partition get it as it is. */
void dups_before_change(struct txn *t, struct store_id id);
/** An object was made, or removed: put the markers that say so. */
void dups_made(struct txn *t, struct store_id id);
void dups_removed(struct txn *t, struct store_id id);
/** Complete partition pid (DUPS_TO), those made from it (DUPS_FROM), or both. */
#define DUPS_TO   1u
#define DUPS_FROM 2u
osd_status dups_settle(struct rdb *r, uint64_t pid, unsigned which);
/** Nothing is copied into partition pid until it is let go; then nothing ever is again if it is
 *  gone. The caller holds the partition exclusively and looks for no object of it meanwhile.
 *  NULL: it is not being made. */
struct dup *dup_hold(struct rdb *r, uint64_t pid);
void dup_let_go(struct dup *d, bool gone);
/** Complete all of them; takes the device's lock. */
osd_status dups_settle_all(struct rdb *r);
#define DUPS_ALL UINT64_MAX
/** Ids of a kind below this are complete. */
uint64_t dups_bound(struct rdb *r, uint64_t pid, enum store_kind kind);
/** Copy some more for partition pid. */
osd_status dups_step(struct rdb *r, uint64_t pid);
/** Begin to make a partition whose record was committed just now. */
void dup_start(struct rdb *r, struct dup *d);
/** Partition pid is gone or complete. */
void dup_forget(struct rdb *r, uint64_t pid);
/** One that was not started, or is not in the list any more; NULL is allowed. */
void dup_free(struct rdb *r, struct dup *d);
void dups_clear(struct rdb *r);
/** A piece of work for the keeper. One that fails is logged, and does not stop the others. */
osd_status dups_work(struct rdb *r, bool *ret_more);
/** At open: complete what was left. */
osd_status dups_resume(struct rdb *r);
/** The marker that an object is not to be copied into its partition any more. */
void key_gone(uint8_t key[LISTED_KEY_LEN], struct store_id id);
/** Whether a key of the family of ids is a marker. */
bool key_is_marker(const uint8_t *key);

/* rocksdb_index.c */
#define INDEX_ALL UINT32_MAX
/** Whether any partition has an index. */
static inline bool index_any(struct rdb *r)
{
    return __atomic_load_n(&r->n_indexed, __ATOMIC_ACQUIRE) != 0;
}
/** Before an attribute of rec becomes value (len 0: goes): its entry follows, or what is indexed.
 *  Nothing happens for most of them; index_concerns() knows quickly. */
osd_status index_follow(struct txn *t, const struct record *rec, uint32_t page, uint32_t number,
                        const void *value, uint32_t len);
static inline bool index_concerns(struct rdb *r, uint32_t page)
{
    return index_any(r) || page == STORE_INDEX_PAGE;
}
/** Before an object goes. */
osd_status index_object_removed(struct txn *t, const struct record *rec);
/** Before a partition goes whose keys are not deleted by range. */
osd_status index_part_removed(struct txn *t, uint64_t pid);
/** Attributes of a partition were copied from another one. */
osd_status index_copied(struct txn *t, uint64_t pid);
/** Commit, in this order: read what will be indexed; put the entries into the batch; put range
 *  deletions behind it; after the write, make it so. */
osd_status index_prepare(struct txn *t);
void index_write(struct txn *t);
void index_put_ranges(struct txn *t, rocksdb_writebatch_t *b);
void index_applied(struct txn *t);
/** After that, and after new partitions are in the table: have the keeper build what is to be. */
void index_wake(struct rdb *r);
/** End of a transaction, in any case. */
void index_forget(struct txn *t);
/** Give a partition another index, or none; the old one is freed. */
void index_replace(struct rdb *r, struct part *p, struct index *next);
osd_status index_open(struct rdb *r);
/** A piece of work for the keeper. */
osd_status index_work(struct rdb *r, bool *ret_more);
osd_status rdb_find(struct store_txn *t, uint64_t pid, const struct store_values *want,
                    uint64_t *ids, size_t max, size_t *ret_n, bool *ret_more);
/** Whether a key of the family of ids belongs to an index; if so, whether rightly. */
bool index_key(const uint8_t *key);
bool index_justified(struct txn *t, const uint8_t *key, size_t len);
/** Count the entries an object lacks; put them if asked. */
osd_status index_missing(struct txn *t, const struct record *rec, bool repair, uint32_t *ret_n);

/* rocksdb_early.c */

osd_status rdb_early(struct osd_store *s, struct store_id whose, const struct osd_iov *data,
                     unsigned n, struct store_early **ret);
void rdb_early_use(struct store_txn *t, struct store_early *e);
void rdb_early_end(struct osd_store *s, struct store_early *e);

/** Whether n blocks at src_off of src are in place already: from *ret_first on, with checksums *ret_crc.
 *  They are the transaction's from now on, as if it had allocated them. */
bool early_take(struct txn *t, const struct osd_iov *src, uint64_t src_off, uint32_t n,
                uint64_t *ret_first, const uint32_t **ret_crc);

/* rocksdb_data.c */

osd_status rdb_read(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                    const struct osd_iov *dst, uint64_t dst_off);
osd_status rdb_write(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                     const struct osd_iov *src, uint64_t src_off);
osd_status rdb_clear(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len);
osd_status rdb_punch(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len);
osd_status rdb_truncate(struct store_txn *t, struct store_id id, uint64_t length);
osd_status rdb_place(struct store_txn *t, struct store_id id, uint64_t off,
                     enum store_extent *ret_kind, uint64_t *ret_place, uint64_t *ret_len);
osd_status rdb_seek(struct store_txn *t, struct store_id id, uint64_t off,
                    enum store_extent *ret_kind, uint64_t *ret_len);
/** Release every block of an object and its map. */
osd_status data_remove(struct txn *t, const struct object *o);
/** Put what is kept of chunks into the batch. */
void txn_chunks_write(struct txn *t);
/** Chunks with keys of their own, each given to visit until it fails. */
osd_status chunks_each(struct txn *t, const struct record *rec,
                       osd_status (*visit)(void *arg, uint64_t number, const void *value,
                                           size_t len),
                       void *arg);

/* rocksdb_attr.c */
osd_status rdb_get_attr(struct store_txn *t, struct store_id id, uint32_t page, uint32_t number,
                        void *dst, uint32_t cap, uint32_t *ret_len);
osd_status rdb_set_attr(struct store_txn *t, struct store_id id, uint32_t page, uint32_t number,
                        const void *value, uint32_t len);
osd_status rdb_each_attr(struct store_txn *t, struct store_id id, uint32_t page,
                         uint32_t number, store_attr_visit visit, void *arg);
/** Delete the attributes that have keys of their own. */
osd_status attrs_remove(struct txn *t, const struct record *rec);

/* rocksdb_list.c */
osd_status rdb_list(struct store_txn *t, uint64_t pid, enum store_kind kind, uint64_t from,
                    uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                    uint64_t *ret_changes);
/** Ids of one kind of objects in a partition from `from` on, at most max; *ret_next is the
 *  first one left out, or 0. */
osd_status listed_ids(struct txn *t, uint64_t pid, uint8_t kind, uint64_t from, uint64_t *ids,
                      size_t max, size_t *ret_n, uint64_t *ret_next);

/* rocksdb_members.c */
osd_status rdb_set_member(struct store_txn *t, struct store_id collection, uint64_t oid,
                          bool member);
osd_status rdb_members(struct store_txn *t, struct store_id id, uint64_t from, uint64_t *ids,
                       size_t max, size_t *ret_n, uint64_t *ret_next);
/** End every membership of id. */
osd_status members_remove(struct txn *t, const struct record *rec);

/* rocksdb_state.c: partitions */
struct part *part_find(struct rdb *r, uint64_t pid);
/** The partition's touched timestamps become these; nothing happens when there is none. */
void part_touched(struct rdb *r, uint64_t pid, const uint64_t time[4]);
/** The least id of a partition from `from` on; 0: none. */
uint64_t part_next(struct rdb *r, uint64_t from);
/** Up to max ids from one on, ascending; ret_next: the one after them, or 0. */
size_t part_page(struct rdb *r, uint64_t from, uint64_t *ids, size_t max, uint64_t *ret_next);
struct part *part_new(struct rdb *r, const struct record *rec);
void part_free(struct rdb *r, struct part *p);
void part_insert(struct rdb *r, struct part *p);
void part_drop(struct rdb *r, uint64_t pid);
/** All partitions but the root. */
void parts_clear(struct rdb *r);
/** Everything, at close. */
void parts_free(struct rdb *r);

/* rocksdb_outcome.c */
osd_status rdb_record(struct store_txn *t, const uint8_t nonce[STORE_NONCE_LEN],
                      const void *outcome, size_t len);
/** Put the transaction's record into its batch. */
void record_put(struct txn *t);
osd_status rdb_recall(struct osd_store *s, const uint8_t nonce[STORE_NONCE_LEN],
                      void *ret_outcome, size_t *ret_len);
/** With the number of a record of the journal: who has passed the gate. */
void record_remember(struct rdb *r, const struct outcome *o);
osd_status records_load(struct rdb *r);
/** Show what a key of their family holds; false: it makes no sense, or what is left of it. */
bool outcomes_decode(const uint8_t *key, const uint8_t *v, size_t len,
                     void (*visit)(void *arg, const struct outcome *o), void *arg);
/** Whether any may have to be put into the database. */
bool outcomes_wait(const struct rdb *r);
/** Put those of records up to one into a batch; the database has those up to `after`. Under drain_lock. */
void outcomes_put(struct rdb *r, rocksdb_writebatch_t *b, uint64_t after, uint64_t upto);

/* rocksdb_touch.c: timestamps that are newer than the records */
void touch_init(struct rdb *r);
/** Overlay an object's touched timestamps. */
void touch_apply(struct rdb *r, struct store_id id, struct store_meta *m);
/** The same of a partition or the root that is at hand; takes no lock. */
void touch_apply_part(const struct part *p, struct store_meta *m);
/** Forget those of the given flags (enum store_touch). */
void touch_forget(struct rdb *r, struct store_id id, unsigned flags);
/** Write them all into the records. Not by a thread that has a transaction open. */
osd_status touch_flush(struct rdb *r);
/** Forget everything; also the end of a table that touch_init() made. */
void touch_clear(struct rdb *r);
/** Whether so many objects are touched that their timestamps should be written. */
bool touch_many(struct rdb *r);
void rdb_touch(struct osd_store *s, struct store_id id, unsigned flags, uint64_t now_ms);

/* rocksdb_keeper.c */
osd_status keeper_start(struct rdb *r);
/** Have the keeper look now, if there is one. Any thread, between start and stop. */
void keeper_ring(struct rdb *r);
/** End it; nothing happens when none was started. */
void keeper_stop(struct rdb *r);

/* rocksdb_check.c */
osd_status rdb_check(struct osd_store *s, bool repair, store_check_report report, void *arg,
                     struct store_check_result *ret);
/** The same; look is called after each object, when *ret counts it, as often as report is with each
 *  finding. Or NULL. */
osd_status rdb_check_looking(struct osd_store *s, bool repair, store_check_report report,
                             void (*look)(void *arg), void *arg,
                             struct store_check_result *ret);

/* rocksdb.c */
/** A new store's database, empty, with nothing that makes it a store; ops->close ends it. */
osd_status rdb_make_bare(const struct store_config *cfg, struct rdb **ret, char *reason,
                         size_t reason_len);
/** Open a directory that only we may have written; alone: and keep others out until *ret_fd is
 *  closed, which the caller does when it is not negative, in any case. */
osd_status rdb_lock_directory(const char *path, bool alone, int *ret_fd, char *reason,
                              size_t reason_len);
/** RocksDB counts what a thread does there, which nobody looks at here, and which costs a tenth of a small
 *  command and a quarter of putting a key: its variables are the thread's and the library's. No longer in
 *  the calling thread. */
void rdb_be_uncounted(void);
osd_status rdb_publish(struct osd_store *s);
osd_status rdb_flush(struct osd_store *s);
/** Data files, then the journal, on stable storage; concurrent callers share one round. */
osd_status rdb_sync(struct rdb *r);
/** Bring the data of every block written so far to stable storage, but not the journal: before a commit
 *  that has to be whole after loss of power. */
osd_status rdb_sync_data(struct rdb *r);
osd_status rdb_error(struct rdb *r, char *err);

/** Whether RocksDB's message says that the process may open no more files. */
bool rdb_is_starved(const char *err);
/** Destroy an iterator. Returns st, or if that is OSD_OK, whether the iterator got to where there
 *  was no more: one that cannot read on looks like one at its end. */
osd_status rdb_iterated(struct rdb *r, rocksdb_iterator_t *it, osd_status st);

#endif
