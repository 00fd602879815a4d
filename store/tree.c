/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/tree.c - persistent treap; see tree.h
 *
 * A node is ours to change when its count and those of all nodes above it are one. own() makes
 * it so on the way down. Rotations keep the order of keys, so a change that runs out of memory
 * half way leaves the same content, at worst a little less balanced.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tree.h"

static uint64_t secret;

static void make_secret(void)
{
    osd_random(&secret, sizeof(secret));
}

static uint64_t priority_of(uint64_t key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t x;

    pthread_once(&once, make_secret);
    x = key ^ secret;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

void *store_ref_get(struct store_ref *r)
{
    __atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void store_ref_put(struct store_ref *r)
{
    if (r && __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) == 0)
        r->drop(r);
}

struct tree_node *tree_ref(struct tree_node *tree)
{
    if (tree)
        __atomic_fetch_add(&tree->refs, 1, __ATOMIC_RELAXED);
    return tree;
}

void tree_unref(struct tree_node *tree)
{
    if (!tree || __atomic_sub_fetch(&tree->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    tree_unref(tree->child[0]);
    tree_unref(tree->child[1]);
    store_ref_put(tree->value);
    free(tree);
}

void *tree_get(const struct tree_node *tree, uint64_t key)
{
    while (tree && tree->key != key)
        tree = tree->child[key > tree->key];
    return tree ? tree->value : NULL;
}

const struct tree_node *tree_ceil(const struct tree_node *tree, uint64_t key)
{
    const struct tree_node *best = NULL;

    while (tree) {
        if (tree->key == key)
            return tree;
        if (tree->key > key)
            best = tree;
        tree = tree->child[key > tree->key];
    }
    return best;
}

const struct tree_node *tree_next(const struct tree_node *tree, const struct tree_node *n)
{
    return n->key == UINT64_MAX ? NULL : tree_ceil(tree, n->key + 1);
}

/* Make the node at *at ours, copying it when others reach it too. */
static osd_status own(struct tree_node **at)
{
    struct tree_node *old = *at, *copy;

    if (__atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1)
        return OSD_OK;
    copy = malloc(sizeof(*copy));
    if (!copy)
        return OSD_E_NOMEM;
    *copy = (struct tree_node){.refs = 1,
                               .key = old->key,
                               .priority = old->priority,
                               .child = {tree_ref(old->child[0]), tree_ref(old->child[1])},
                               .value = store_ref_get(old->value)};
    tree_unref(old);
    *at = copy;
    return OSD_OK;
}

/* Lift the child on `side` above its parent at *at; both are ours. */
static void rotate(struct tree_node **at, int side)
{
    struct tree_node *parent = *at, *child = parent->child[side];

    parent->child[side] = child->child[!side];
    child->child[!side] = parent;
    *at = child;
}

static osd_status add_leaf(struct tree_node **at, uint64_t key, struct store_ref *value)
{
    struct tree_node *n = malloc(sizeof(*n));

    if (!n)
        return OSD_E_NOMEM;
    *n =
        (struct tree_node){.refs = 1, .key = key, .priority = priority_of(key), .value = value};
    *at = n;
    return OSD_OK;
}

osd_status tree_put(struct tree_node **tree, uint64_t key, struct store_ref *value)
{
    osd_status status;

    if (!*tree)
        return add_leaf(tree, key, value);
    status = own(tree);
    if (status)
        return status;
    if ((*tree)->key == key) {
        store_ref_put((*tree)->value);
        (*tree)->value = value;
        return OSD_OK;
    }

    int side = key > (*tree)->key;
    status = tree_put(&(*tree)->child[side], key, value);
    if (status == OSD_OK && (*tree)->child[side]->priority > (*tree)->priority)
        rotate(tree, side);
    return status;
}

/* Which child of n to lift above it: the one of higher priority. -1: it has at most one. */
static int lift_side(const struct tree_node *n)
{
    if (!n->child[0] || !n->child[1])
        return -1;
    return n->child[1]->priority > n->child[0]->priority;
}

/* Take the node at *at, which is ours, out of the tree. */
static osd_status unlink_node(struct tree_node **at)
{
    struct tree_node *gone = *at;

    for (int side = lift_side(gone); side >= 0; side = lift_side(gone)) {
        osd_status status = own(&gone->child[side]);
        if (status)
            return status;
        rotate(at, side);
        at = &(*at)->child[!side];
    }
    *at = gone->child[0] ? gone->child[0] : gone->child[1];
    gone->child[0] = gone->child[1] = NULL;
    tree_unref(gone);
    return OSD_OK;
}

osd_status tree_del(struct tree_node **tree, uint64_t key)
{
    osd_status status = OSD_OK;

    if (!tree_get(*tree, key))
        return OSD_OK;
    while (status == OSD_OK) {
        status = own(tree);
        if (status)
            return status;
        if ((*tree)->key == key)
            return unlink_node(tree);
        tree = &(*tree)->child[key > (*tree)->key];
    }
    return status;
}
