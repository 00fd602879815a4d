/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_tree.c - the ordered map with snapshots, against a plain array
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "store/tree.h"

#define KEYS      64
#define SNAPSHOTS 5

static int alive; /* values not yet dropped */

struct value {
    struct store_ref ref;
    uint64_t content;
};

static void drop(struct store_ref *r)
{
    alive--;
    free(r);
}

static struct store_ref *value(uint64_t content)
{
    struct value *v = malloc(sizeof(*v));

    assert_non_null(v);
    *v = (struct value){{1, drop}, content};
    alive++;
    return &v->ref;
}

/* A tree and what it should hold: content per slot, 0 for absent. */
struct pair {
    struct tree_node *tree;
    uint64_t want[KEYS];
};

/* Keys at both ends of the range and between. */
static uint64_t key_of(unsigned slot)
{
    return slot < KEYS / 2 ? slot : UINT64_MAX - (KEYS - 1 - slot) * 1000003ULL;
}

static unsigned next_present(const struct pair *p, unsigned slot)
{
    while (slot < KEYS && p->want[slot] == 0)
        slot++;
    return slot;
}

static void compare(const struct pair *p)
{
    const struct tree_node *n = tree_ceil(p->tree, 0);

    for (unsigned slot = next_present(p, 0); slot < KEYS; slot = next_present(p, slot + 1)) {
        assert_non_null(n);
        assert_true(n->key == key_of(slot));
        assert_true(((struct value *)n->value)->content == p->want[slot]);
        n = tree_next(p->tree, n);
    }
    assert_null(n);
    for (unsigned slot = 0; slot < KEYS; slot++) {
        const struct value *v = tree_get(p->tree, key_of(slot));
        const struct tree_node *ceil = tree_ceil(p->tree, key_of(slot));
        unsigned present = next_present(p, slot);
        assert_true(v ? v->content == p->want[slot] : p->want[slot] == 0);
        assert_true(ceil ? ceil->key == key_of(present) : present == KEYS);
    }
}

static void change(struct pair *p, uint64_t *seed)
{
    unsigned slot = (unsigned)rig_random(seed, KEYS);

    if (rig_random(seed, 3) == 0) {
        rig_ok(tree_del(&p->tree, key_of(slot)));
        p->want[slot] = 0;
        return;
    }
    p->want[slot] = 1 + rig_random(seed, 1000000);
    rig_ok(tree_put(&p->tree, key_of(slot), value(p->want[slot])));
}

/* Would catch: a change through one pointer that shows through another, lost or doubled keys,
 * values leaked or dropped too early (the latter under ASan). */
static void test_store_tree__snapshots_keep_their_content(void **state)
{
    struct pair pairs[SNAPSHOTS] = {{NULL, {0}}};
    uint64_t seed = 5;

    for (int i = 0; i < 20000; i++) {
        unsigned a = (unsigned)rig_random(&seed, SNAPSHOTS);
        unsigned b = (unsigned)rig_random(&seed, SNAPSHOTS);
        if (rig_random(&seed, 50) == 0 && a != b) {
            tree_unref(pairs[a].tree);
            pairs[a] = pairs[b];
            tree_ref(pairs[a].tree);
        }
        change(&pairs[a], &seed);
        if (i % 10 == 0)
            compare(&pairs[b]);
    }
    for (int i = 0; i < SNAPSHOTS; i++) {
        compare(&pairs[i]);
        tree_unref(pairs[i].tree);
    }
    assert_int_equal(alive, 0);
}

static unsigned depth(const struct tree_node *n)
{
    unsigned a = n ? depth(n->child[0]) : 0, b = n ? depth(n->child[1]) : 0;

    return n ? 1 + (a > b ? a : b) : 0;
}

/* Sequential keys are what objects and blocks have; a plain binary tree would become a list. */
static void test_store_tree__ascending_keys_stay_shallow(void **state)
{
    struct tree_node *tree = NULL;

    for (uint64_t key = 0; key < 20000; key++)
        rig_ok(tree_put(&tree, key, value(key)));
    assert_true(depth(tree) < 100);
    for (uint64_t key = 0; key < 20000; key += 2)
        rig_ok(tree_del(&tree, key));
    assert_true(depth(tree) < 100);
    assert_true(tree_ceil(tree, 0)->key == 1);
    tree_unref(tree);
    assert_int_equal(alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_tree__snapshots_keep_their_content),
        cmocka_unit_test(test_store_tree__ascending_keys_stay_shallow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
