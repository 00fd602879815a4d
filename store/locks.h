/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/locks.h - who may touch what: the lock table behind invariant (2) of store.h
 *
 * Three levels, always taken in this order: device, partition, object. A transaction on an
 * object holds device and partition shared and the object in its mode; one on a partition holds
 * the device shared and the partition in its mode; one on the root holds the device in its
 * mode.
 *
 * Invariants:
 *  (1) One holder takes at most one lock of partitions and one of objects, in that order, so
 *      holders cannot wait for each other in a circle. A thread holds one at a time.
 *  (2) Partitions and objects share striped locks: two ids may exclude each other by chance,
 *      the same id always does.
 *  (3) A waiting writer goes before later readers, place by place where a lock is spread
 *      (spread.h).
 *  (4) An id is claimed by at most one claim. Claims never wait.
 */
#ifndef STORE_LOCKS_H
#define STORE_LOCKS_H

#include "store.h"

struct store_locks;

/** What one transaction holds; filled by store_locks_acquire(). */
struct store_held {
    struct store_id id;
    enum store_mode mode;
};

/** An id being created. Memory of the caller, unmoved while claimed. */
struct store_claim {
    struct store_id id;
    struct store_claim *next;
    const void *owner; /* for store_claimed_by(); may be NULL */
};

/** A new lock table without holders; NULL without memory. */
struct store_locks *store_locks_new(void);

/** Free a table nobody holds anything of. NULL is allowed. */
void store_locks_free(struct store_locks *l);

/** Wait for the lock of id (see above) and note in *ret what release needs. Any thread. */
void store_locks_acquire(struct store_locks *l, struct store_id id, enum store_mode mode,
                         struct store_held *ret);

/** Give everything back, in the thread that acquired it. */
void store_locks_release(struct store_locks *l, const struct store_held *held);

/** Whether the holder may change id: it holds id, or what contains it, exclusively. */
bool store_held_covers(const struct store_held *held, struct store_id id);

/**
 * Claim c->id for creation. Whoever creates claims first, looks then whether the id exists, and
 * releases after the commit made the object visible (or after the abort): then exactly one of
 * several creators wins.
 *
 * @return OSD_OK, or OSD_E_BUSY when somebody else has claimed the id. Any thread.
 */
osd_status store_claim(struct store_locks *l, struct store_claim *c);

/** Whether an id is claimed by this owner. */
bool store_claimed_by(struct store_locks *l, struct store_id id, const void *owner);

/** Give a claim back; c can be reused. */
void store_unclaim(struct store_locks *l, struct store_claim *c);

#endif
