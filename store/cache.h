/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/cache.h - values of a database kept in memory, found by what they are of
 *
 * Bounded in bytes; values that were not asked for since they last could have gone go first.
 * Invariants:
 *  (1) What is got is what was put last for that key and not dropped since, or nothing.
 *  (2) Values and what is kept with each of them never take more than the capacity.
 * What is put, and when it has to be dropped, is the caller's to know. Any thread, any time.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define CACHE_VALUE_MAX 4096u /* longer values are not kept */

/** What a value is of: an object, or a part of it. */
struct cache_key {
    struct store_id id;
    uint64_t part;
};

/** A cache of so many bytes, all of them free; NULL when there is no memory. */
struct cache *cache_new(size_t capacity);

/** NULL is allowed. */
void cache_free(struct cache *c);

/** Copy a value. Returns its length; 0, and nothing is copied, when it is not here or longer than
 *  cap. */
size_t cache_get(struct cache *c, struct cache_key key, void *dst, size_t cap);

/** Keep a value of 1 byte or more, instead of what is here for the key. When there is no memory
 *  or it is too long, nothing is here for it afterwards. */
void cache_put(struct cache *c, struct cache_key key, const void *value, size_t len);

void cache_drop(struct cache *c, struct cache_key key);

/** Drop all of a partition, perhaps more; the time does not depend on how much that is. */
void cache_drop_partition(struct cache *c, uint64_t pid);

/** Drop everything. */
void cache_clear(struct cache *c);

#endif
