/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/tree.h - ordered map from 64-bit keys to counted values, with cheap snapshots
 *
 * A tree is a pointer to its top node, NULL when empty. tree_ref() makes a second pointer to
 * the same content; from then on a change through one pointer copies the path it touches and
 * leaves the other pointer's content alone. Nodes that only one pointer reaches are changed in
 * place.
 *
 * Invariants:
 *  (1) Keys ascend from left to right; no key occurs twice. Depth is logarithmic with high
 *      probability: priorities depend on the key and a secret of the process.
 *  (2) A failed change leaves the content as it was.
 * Threads: one pointer is used by one thread at a time; different pointers to shared content by
 * as many as like.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include <stdint.h>

#include "osd/status.h"

/** Header of a value: first member of what trees and others hold counted references to. */
struct store_ref {
    int refs;
    void (*drop)(struct store_ref *r); /* called when the last reference is gone */
};

struct tree_node {
    int refs;
    uint64_t key, priority;
    struct tree_node *child[2];
    struct store_ref *value;
};

/** One more reference; returns r. Any thread that holds one. */
void *store_ref_get(struct store_ref *r);

/** Give a reference back. NULL is allowed. */
void store_ref_put(struct store_ref *r);

/** A second pointer to the content of tree (may be NULL). */
struct tree_node *tree_ref(struct tree_node *tree);

/** Give a pointer back; values nobody else reaches are dropped. NULL is allowed. */
void tree_unref(struct tree_node *tree);

/** The value at key (a struct that begins with a store_ref) or NULL; no reference is added. */
void *tree_get(const struct tree_node *tree, uint64_t key);

/** The node with the least key >= key, or NULL. Valid until the tree changes. */
const struct tree_node *tree_ceil(const struct tree_node *tree, uint64_t key);

/** The node after n, or NULL. */
const struct tree_node *tree_next(const struct tree_node *tree, const struct tree_node *n);

/** Put value at key, replacing what is there. Takes over the reference on success only.
 *  OSD_E_NOMEM. */
osd_status tree_put(struct tree_node **tree, uint64_t key, struct store_ref *value);

/** Remove key; fine when it is absent. OSD_E_NOMEM. */
osd_status tree_del(struct tree_node **tree, uint64_t key);

#endif
