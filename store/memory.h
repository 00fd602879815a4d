/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory.h - inside of the memory store, shared by its files (memory*.c)
 *
 * The committed state is a tree of partitions, each with a tree of objects; an object version
 * is never changed once it is committed. A transaction works on copies that share everything
 * unchanged (tree.h) and commit swaps them in under one mutex.
 *
 * Invariants:
 *  (1) Everything reachable from struct mem_store is read and changed under its lock; object
 *      versions taken out with a reference are read without.
 *  (2) The root is the partition 0 of its own kind: its counters are those of the store.
 *  (3) reserved is the sum over open transactions of what each may still add to a partition;
 *      committed value + reserved never passes a quota except where the quota was lowered.
 *  (4) Bytes of an object's last block beyond its length are zeros.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include <pthread.h>

#include "locks.h"
#include "store.h"
#include "tree.h"

/** Bytes of an attribute, or the STORE_BLOCK bytes of a block. */
struct mem_value {
    struct store_ref ref;
    uint32_t len;
    uint8_t data[];
};

/** One version of an object, partition or root. meta.used counts its own attributes and blocks;
 *  meta.count is unused. */
struct mem_object {
    struct store_ref ref;
    struct store_meta meta;
    struct tree_node *attrs;  /* page << 32 | number -> mem_value */
    struct tree_node *blocks; /* offset / STORE_BLOCK -> mem_value */
    /* collection: oid of each member; user object: cid of each collection it is in. Working
     * copies do not keep this up to date: it changes at commit, by mem_part_work.pairs. */
    struct tree_node *members;
};

/** A membership that a transaction makes or drops. */
struct mem_pair {
    struct mem_pair *next;
    uint64_t cid, oid;
    bool member;
};

/** A partition, or the root as partition 0. */
struct mem_part {
    struct store_ref ref;
    uint64_t pid;
    struct mem_object *self;
    struct tree_node *objects; /* oid -> mem_object */
    uint64_t used, count;
    uint64_t reserved_used, reserved_count;
    uint64_t changes, next_id;
};

/** What a transaction made of one object. obj NULL: removed. */
struct mem_work {
    struct store_ref ref;
    struct store_locks *locks;
    struct store_claim claim;
    bool claimed;
    bool created;
    unsigned stamps; /* enum store_touch: timestamps this transaction has set */
    struct mem_object *obj;
};

/** What a transaction changes in one partition. */
struct mem_part_work {
    struct mem_part_work *next;
    uint64_t pid;
    struct mem_part *live;    /* as committed; NULL: none */
    struct mem_part *part;    /* as the transaction sees it: live, a new one, or NULL */
    struct tree_node *works;  /* oid -> mem_work; 0 is the partition itself */
    struct tree_node *merged; /* during commit: the objects of part as they will be */
    struct mem_pair *pairs, **last_pair; /* memberships changed, in order */
    int64_t used, count;                 /* change against part */
    uint64_t reserved_used, reserved_count, changes;
    struct store_locks *locks;
    struct store_claim claim;
    bool claimed;
};

struct mem_record {
    struct mem_record *chain;
    uint8_t nonce[STORE_NONCE_LEN];
    uint8_t outcome[STORE_OUTCOME_MAX];
    size_t len;
};

struct mem_setting {
    struct mem_setting *next;
    char name[65];
    size_t len;
    uint8_t value[];
};

struct mem_store {
    struct osd_store base;
    struct store_locks *locks;
    pthread_mutex_t lock;
    struct mem_part *root;
    struct tree_node *parts; /* pid -> mem_part */
    uint64_t capacity;
    struct mem_record **records; /* ring of STORE_RECORDS, made by the first record */
    struct mem_record **buckets; /* by nonce, as many */
    size_t next_record;
    uint64_t last_identity; /* of a partition; atomic */
    struct mem_setting *settings;
};

struct mem_txn {
    struct store_txn base;
    struct store_held held;
    struct mem_part_work root; /* head of the list */
    osd_status failed;
    uint64_t capacity; /* after commit; 0: as it is */
    struct mem_record *record;
};

static inline struct mem_store *mem_store_of(const struct store_txn *t)
{
    return (struct mem_store *)t->store;
}

static inline struct mem_txn *mem_txn_of(struct store_txn *t)
{
    return (struct mem_txn *)t;
}

/* memory_txn.c: versions, working copies, accounting */

/** A value with room for len bytes, or NULL. */
struct mem_value *mem_value_new(uint32_t len);

/** A version without attributes and data, or NULL. */
struct mem_object *mem_object_new(const struct store_meta *meta);

/** An empty partition without self, or NULL. */
struct mem_part *mem_part_new(uint64_t pid);

/** What the transaction sees of id, with a reference. NOT_FOUND. */
osd_status mem_find(struct mem_txn *t, struct store_id id, struct mem_object **ret);

/** The same for reading bytes: INVALID unless the transaction may and id is a user object. */
osd_status mem_find_data(struct mem_txn *t, struct store_id id, struct mem_object **ret);

/** A working copy to change. NOT_FOUND; INVALID (not the transaction's to change). */
osd_status mem_change(struct mem_txn *t, struct store_id id, struct mem_work **ret);

/** The same for bytes: INVALID unless id is a user object. */
osd_status mem_change_data(struct mem_txn *t, struct store_id id, struct mem_work **ret);

/** The transaction's notes about a partition (0: root), made when absent. */
osd_status mem_part_work(struct mem_txn *t, uint64_t pid, struct mem_part_work **ret);

/** A copy of a version that shares its content, or NULL. */
struct mem_object *mem_object_copy(const struct mem_object *from);

/** An empty working copy, not yet in a partition's notes; or NULL. */
struct mem_work *mem_work_new(struct mem_store *s, struct store_id id);

/** Drop what the transaction did inside a partition and what it may still add to it. */
void mem_forget_part(struct mem_store *s, struct mem_part_work *pw);

/** Add to the used of the partition and of the root. QUOTA, NO_SPACE when that grows too far;
 *  then nothing has changed. */
osd_status mem_use_part(struct mem_txn *t, struct mem_part_work *pw, int64_t delta);

/** The same for an object of any kind, whose own used changes too. */
osd_status mem_use(struct mem_txn *t, struct mem_work *w, int64_t delta);

/** Timestamp number i (0..3; bit 1 << i of enum store_touch). */
uint64_t *mem_stamp(struct store_meta *m, unsigned i);

/** The committed version in a partition, NULL when absent. Caller holds the store's lock. */
struct mem_object *mem_committed(const struct mem_part *part, uint64_t oid);

/** Add to the count of a partition (of the root: partitions). QUOTA. */
osd_status mem_count(struct mem_txn *t, struct mem_part_work *pw, int64_t delta);

/** Remember a failed change: the transaction can only be aborted. Returns status. */
osd_status mem_failed(struct store_txn *t, osd_status status);

/** What the store's table needs; contracts in store.h. */
osd_status mem_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                     struct store_txn **ret);
osd_status mem_commit(struct store_txn *t, unsigned flags);
void mem_abort(struct store_txn *t);

/* memory.c: outcomes of commands */

/** Remember r, which must be complete; forgets the oldest beyond STORE_RECORDS. Caller holds
 * the store's lock. mem_record() has made the room, so this cannot fail. */
void mem_add_record(struct mem_store *s, struct mem_record *r);

/* memory_objects.c: metadata, creation, removal, lists */
osd_status mem_get_meta(struct store_txn *t, struct store_id id, struct store_meta *ret);
osd_status mem_put_meta(struct store_txn *t, struct store_id id, const struct store_meta *m);
osd_status mem_create(struct store_txn *t, struct store_id id, const struct store_meta *meta,
                      struct store_id *ret);
osd_status mem_duplicate(struct store_txn *t, uint64_t source, struct store_id id,
                         const struct store_meta *meta, struct store_id *ret);
/** This store has no indexes: NOT_FOUND. */
osd_status mem_find_values(struct store_txn *t, uint64_t pid, const struct store_values *want,
                           uint64_t *ids, size_t max, size_t *ret_n, bool *ret_more);
osd_status mem_remove(struct store_txn *t, struct store_id id, bool contents);
osd_status mem_format(struct store_txn *t, uint64_t capacity, const struct store_meta *root);
osd_status mem_list(struct store_txn *t, uint64_t pid, enum store_kind kind, uint64_t from,
                    uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                    uint64_t *ret_changes);
void mem_touch(struct osd_store *s, struct store_id id, unsigned flags, uint64_t now_ms);

/* memory_data.c: bytes */
osd_status mem_read(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                    const struct osd_iov *dst, uint64_t dst_off);
osd_status mem_write(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                     const struct osd_iov *src, uint64_t src_off);
osd_status mem_clear(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len);
osd_status mem_punch(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len);
osd_status mem_truncate(struct store_txn *t, struct store_id id, uint64_t length);
osd_status mem_place(struct store_txn *t, struct store_id id, uint64_t off,
                     enum store_extent *ret_kind, uint64_t *ret_place, uint64_t *ret_len);
osd_status mem_seek(struct store_txn *t, struct store_id id, uint64_t off,
                    enum store_extent *ret_kind, uint64_t *ret_len);

/* memory_attr.c: attributes */
osd_status mem_get_attr(struct store_txn *t, struct store_id id, uint32_t page, uint32_t number,
                        void *dst, uint32_t cap, uint32_t *ret_len);
osd_status mem_set_attr(struct store_txn *t, struct store_id id, uint32_t page, uint32_t number,
                        const void *value, uint32_t len);
osd_status mem_each_attr(struct store_txn *t, struct store_id id, uint32_t page,
                         uint32_t number, store_attr_visit visit, void *arg);

/* memory_members.c: memberships */
osd_status mem_set_member(struct store_txn *t, struct store_id collection, uint64_t oid,
                          bool member);
osd_status mem_members(struct store_txn *t, struct store_id id, uint64_t from, uint64_t *ids,
                       size_t max, size_t *ret_n, uint64_t *ret_next);

/** Note that every membership of id ends. */
osd_status mem_drop_members(struct mem_txn *t, struct store_id id);

/** Carry the changed memberships out on the objects of a partition as they will be. */
osd_status mem_merge_members(const struct mem_part_work *pw, struct tree_node **objects);

/** Forget the changed memberships. */
void mem_free_pairs(struct mem_part_work *pw);

/* memory_check.c */
osd_status mem_check(struct osd_store *s, bool repair, store_check_report report, void *arg,
                     struct store_check_result *ret);

#endif
