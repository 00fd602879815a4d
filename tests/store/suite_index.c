/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_index.c - conformance: objects are found by the values of their attributes
 *
 * What an index finds is held against a look at every object. A store without indexes, or one
 * that does nothing in the background, must say so.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "rig.h"
#include "suite.h"

#define PAGE    0x10000u
#define NUMBER  5u
#define OBJECTS 150
#define LONGEST 80u
#define ANY     UINT32_MAX

static const struct store_id root = {0, 0};

/* ---- what a search should find ---- */

static uint64_t as_number(const uint8_t *p, size_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    uint64_t x = as_number(a, a_len), y = as_number(b, b_len);

    if (a_len <= 8 && b_len <= 8)
        return x < y ? -1 : x > y;
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static bool is_wanted(const struct store_values *w, const uint8_t *v, uint32_t len)
{
    return (!w->min.len || compare(v, len, w->min.data, w->min.len) >= 0) &&
           (!w->max.len || compare(v, len, w->max.data, w->max.len) <= 0);
}

/* ---- short forms ---- */

static void ask_index(struct rig *r, struct store_id p, uint32_t place, uint32_t page,
                      uint32_t number)
{
    uint8_t spec[8];

    be32_put(spec, page);
    be32_put(spec + 4, number);
    rig_set_attr(r, p, STORE_INDEX_PAGE, place, spec, sizeof(spec));
}

static osd_status find(struct rig *r, uint64_t pid, const struct store_values *w, uint64_t *ids,
                       size_t max, size_t *ret_n)
{
    struct store_txn *t = rig_begin(r, (struct store_id){pid, 0}, STORE_SHARED);
    bool more = false;
    osd_status st = r->ops->find(t, pid, w, ids, max, ret_n, &more);

    r->ops->abort(t);
    if (st == OSD_OK)
        assert_int_equal(more, *ret_n == max && max < OBJECTS);
    return st;
}

static osd_status has_index(struct rig *r, struct store_id p, uint32_t page, uint32_t number)
{
    struct store_values w = {.page = page, .number = number};
    struct store_txn *t = rig_begin(r, p, STORE_SHARED);
    bool more;
    size_t n;
    osd_status st = r->ops->find(t, p.pid, &w, NULL, 0, &n, &more);

    r->ops->abort(t);
    return st;
}

/* Ends with the test's time limit if the index never is complete. */
static void await_index(struct rig *r, struct store_id p, uint32_t page, uint32_t number)
{
    osd_status st;

    while ((st = has_index(r, p, page, number)) == OSD_E_NOT_FOUND)
        usleep(1000);
    rig_ok(st);
}

/* A value of a few letters, so that there are equal ones and prefixes of others. */
static uint32_t some_value(uint64_t *seed, uint8_t dst[LONGEST])
{
    static const uint8_t lengths[] = {1, 1, 2, 3, 4, 8, 8, 8, 9, 12, 63, 64, 65, 80};
    uint32_t len = lengths[rig_random(seed, sizeof(lengths))];
    bool alike = rig_random(seed, 2);

    for (uint32_t i = 0; i < len; i++)
        dst[i] = alike && i + 1 < len ? 'a' : (uint8_t)("\0\1ab\xff"[rig_random(seed, 5)]);
    return len;
}

static void set_some(struct rig *r, struct store_id o, uint32_t number, uint64_t *seed)
{
    uint8_t value[LONGEST];
    uint32_t len = rig_random(seed, 6) ? some_value(seed, value) : 0;

    rig_set_attr(r, o, PAGE, number, value, len);
}

/* ---- comparison ---- */

struct look {
    const struct store_values *w;
    bool there, wanted;
    uint32_t len;
};

static bool look_at(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    struct look *l = arg;

    l->there = page == l->w->page && number == l->w->number;
    l->len = len;
    l->wanted = l->there && is_wanted(l->w, value, len);
    return false;
}

static bool is_among(uint64_t oid, const uint64_t *ids, size_t n)
{
    unsigned times = 0;

    for (size_t i = 0; i < n; i++)
        times += ids[i] == oid;
    assert_true(times <= 1);
    return times;
}

/* What is found holds what is wanted, and besides only long values that differ late. */
static void same_as_scan(struct rig *r, struct store_id p, const struct store_values *w)
{
    uint64_t found[OBJECTS], all[OBJECTS], next, changes;
    size_t n_found, n;
    struct store_txn *t;

    rig_ok(find(r, p.pid, w, found, OBJECTS, &n_found));
    t = rig_begin(r, p, STORE_SHARED);
    rig_ok(r->ops->list(t, p.pid, STORE_USER, 0, all, OBJECTS, &n, &next, &changes));
    assert_int_equal(next, 0);
    for (size_t i = 0; i < n; i++) {
        struct look l = {.w = w};
        rig_ok(r->ops->each_attr(t, (struct store_id){p.pid, all[i]}, w->page, w->number,
                                 look_at, &l));
        bool is_found = is_among(all[i], found, n_found);
        if (l.wanted)
            assert_true(is_found);
        else if (is_found)
            assert_true(l.there && (l.len > 8 || w->min.len > 8));
    }
    for (size_t i = 0; i < n_found; i++)
        assert_true(is_among(found[i], all, n));
    r->ops->abort(t);
}

static void same_for_many_bounds(struct rig *r, struct store_id p, uint32_t number,
                                 uint64_t *seed)
{
    uint8_t min[LONGEST], max[LONGEST];

    for (int i = 0; i < 60; i++) {
        struct store_values w = {.page = PAGE, .number = number};
        w.min = (struct store_bound){min, rig_random(seed, 5) ? some_value(seed, min) : 0};
        w.max = (struct store_bound){max, rig_random(seed, 5) ? some_value(seed, max) : 0};
        same_as_scan(r, p, &w);
        w.max = w.min;
        same_as_scan(r, p, &w);
    }
}

static void fill(struct rig *r, struct store_id p, uint64_t *seed)
{
    for (int i = 0; i < OBJECTS; i++) {
        struct store_id o = rig_object(r, p.pid);
        set_some(r, o, NUMBER, seed);
        set_some(r, o, NUMBER + 1, seed);
    }
}

static struct store_id object(struct store_id p, uint64_t i)
{
    return (struct store_id){p.pid, STORE_ID_FIRST + i};
}

/* ---- tests ---- */

static void test_store_index__finds_what_a_look_at_every_object_finds(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    uint64_t seed = 1;

    ask_index(r, p, 1, PAGE, NUMBER);
    await_index(r, p, PAGE, NUMBER);
    fill(r, p, &seed);
    for (int round = 0; round < 4; round++) {
        same_for_many_bounds(r, p, NUMBER, &seed);
        for (int i = 0; i < 200; i++)
            set_some(r, object(p, rig_random(&seed, OBJECTS - 9)), NUMBER, &seed);
        rig_remove(r, object(p, OBJECTS - 1 - (uint64_t)round));
        rig_check(r);
    }
    rig_fails(has_index(r, p, PAGE, NUMBER + 1), OSD_E_NOT_FOUND);
}

static void test_store_index__at_most_as_many_as_asked_for(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    struct store_values w = {.page = PAGE, .number = NUMBER};
    uint64_t ids[8];
    size_t n;

    ask_index(r, p, 1, PAGE, NUMBER);
    for (int i = 0; i < 9; i++)
        rig_set_attr(r, rig_object(r, p.pid), PAGE, NUMBER, "same", 4);
    await_index(r, p, PAGE, NUMBER);
    rig_ok(find(r, p.pid, &w, ids, 8, &n));
    assert_int_equal(n, 8);
}

/* ---- building ---- */

struct changer {
    struct rig *r;
    struct store_id p;
    bool stop; /* atomic */
    unsigned failed;
};

static void *keep_changing(void *arg)
{
    struct changer *c = arg;
    uint64_t seed = 77;

    while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
        struct store_id o = object(c->p, rig_random(&seed, OBJECTS));
        uint8_t value[LONGEST];
        struct store_txn *t;
        uint32_t len = some_value(&seed, value);
        c->failed += c->r->ops->begin(c->r->s, o, STORE_EXCLUSIVE, &t) != OSD_OK;
        c->failed += c->r->ops->set_attr(t, o, PAGE, NUMBER, value, len) != OSD_OK;
        c->failed += c->r->ops->commit(t, 0) != OSD_OK;
    }
    return NULL;
}

static void test_store_index__is_built_while_objects_change(void **state)
{
    struct rig *r = *state;
    struct changer c = {.r = r, .p = rig_partition(r)};
    uint64_t seed = 3;
    pthread_t tid;

    fill(r, c.p, &seed);
    assert_int_equal(pthread_create(&tid, NULL, keep_changing, &c), 0);
    for (int i = 0; i < 5; i++) {
        rig_set_attr(r, c.p, STORE_INDEX_PAGE, 1, NULL, 0);
        rig_fails(has_index(r, c.p, PAGE, NUMBER), OSD_E_NOT_FOUND);
        ask_index(r, c.p, 1, PAGE, NUMBER);
        await_index(r, c.p, PAGE, NUMBER);
    }
    __atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
    pthread_join(tid, NULL);
    assert_int_equal(c.failed, 0);
    rig_check(r);
    same_for_many_bounds(r, c.p, NUMBER, &seed);
}

static void test_store_index__one_that_was_off_misses_nothing_that_changed(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    uint64_t seed = 4;

    ask_index(r, p, 3, PAGE, NUMBER);
    fill(r, p, &seed);
    rig_set_attr(r, p, STORE_INDEX_PAGE, 3, NULL, 0);
    for (uint64_t i = 0; i < OBJECTS; i++)
        set_some(r, object(p, i), NUMBER, &seed);
    rig_check(r);
    ask_index(r, p, STORE_INDEX_MAX, PAGE, NUMBER);
    await_index(r, p, PAGE, NUMBER);
    rig_check(r);
    same_for_many_bounds(r, p, NUMBER, &seed);
}

static void test_store_index__two_of_one_page_do_not_disturb_each_other(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    uint64_t seed = 5;

    fill(r, p, &seed);
    ask_index(r, p, 1, PAGE, ANY);
    ask_index(r, p, 2, PAGE, NUMBER);
    await_index(r, p, PAGE, ANY - 1);
    rig_set_attr(r, p, STORE_INDEX_PAGE, 2, NULL, 0);
    await_index(r, p, PAGE, NUMBER);
    same_for_many_bounds(r, p, NUMBER, &seed);
    same_for_many_bounds(r, p, NUMBER + 1, &seed);
    ask_index(r, p, 1, PAGE, NUMBER + 1); /* in its place */
    await_index(r, p, PAGE, NUMBER + 1);
    rig_fails(has_index(r, p, PAGE, NUMBER), OSD_E_NOT_FOUND);
    same_for_many_bounds(r, p, NUMBER + 1, &seed);
    rig_check(r);
}

static void test_store_index__stays_over_reopen_built_or_not(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), q = rig_partition(r);
    uint64_t seed = 6;

    fill(r, p, &seed);
    fill(r, q, &seed);
    ask_index(r, p, 1, PAGE, NUMBER);
    await_index(r, p, PAGE, NUMBER);
    ask_index(r, q, 1, PAGE, NUMBER);
    rig_reopen(r);
    rig_ok(has_index(r, p, PAGE, NUMBER));
    for (uint64_t i = 0; i < OBJECTS; i++)
        set_some(r, object(p, i), NUMBER, &seed);
    await_index(r, q, PAGE, NUMBER);
    same_for_many_bounds(r, p, NUMBER, &seed);
    same_for_many_bounds(r, q, NUMBER, &seed);
}

/* ---- what goes ---- */

static void test_store_index__goes_with_its_partition(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), again;
    struct store_meta m = rig_meta(STORE_PARTITION), fresh = rig_meta(STORE_ROOT);
    uint64_t seed = 7;
    struct store_txn *t;

    for (int i = 0; i < 3; i++) {
        ask_index(r, p, 1, PAGE, NUMBER);
        fill(r, p, &seed);
        await_index(r, p, PAGE, NUMBER);
        t = rig_begin(r, i == 1 ? root : p, STORE_EXCLUSIVE);
        if (i == 1) { /* among other changes: object by object */
            rig_ok(r->ops->set_attr(t, root, 1, 1, "x", 1));
            rig_ok(r->ops->remove(t, p, true));
        } else {
            rig_ok(r->ops->remove(t, p, true));
        }
        rig_commit(r, t);
        rig_check(r);
        t = rig_begin(r, root, STORE_SHARED);
        rig_ok(r->ops->create(t, p, &m, &again));
        rig_commit(r, t);
        rig_fails(has_index(r, p, PAGE, NUMBER), OSD_E_NOT_FOUND);
        rig_check(r);
    }
    ask_index(r, p, 1, PAGE, NUMBER);
    fill(r, p, &seed);
    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->format(t, 0, &fresh));
    rig_commit(r, t);
    rig_check(r);
}

static void test_store_index__an_aborted_change_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    uint8_t spec[8] = {0};
    uint64_t seed = 8;
    struct store_txn *t;

    ask_index(r, p, 1, PAGE, NUMBER);
    rig_set_attr(r, o, PAGE, NUMBER, "kept", 4);
    await_index(r, p, PAGE, NUMBER);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, o, PAGE, NUMBER, "lost", 4));
    r->ops->abort(t);
    t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, p, STORE_INDEX_PAGE, 1, NULL, 0));
    rig_ok(r->ops->set_attr(t, p, STORE_INDEX_PAGE, 2, spec, 8));
    r->ops->abort(t);
    rig_ok(has_index(r, p, PAGE, NUMBER));
    same_for_many_bounds(r, p, NUMBER, &seed);
    rig_check(r);
}

static void test_store_index__a_transaction_finds_what_it_set(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_values w = {
        .page = PAGE, .number = NUMBER, .min = {"new", 3}, .max = {"new", 3}};
    struct store_txn *t;
    uint64_t id = 0;
    bool more;
    size_t n;

    ask_index(r, p, 1, PAGE, NUMBER);
    await_index(r, p, PAGE, NUMBER);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, o, PAGE, NUMBER, "old", 3));
    rig_ok(r->ops->set_attr(t, o, PAGE, NUMBER, "new", 3));
    rig_ok(r->ops->find(t, p.pid, &w, &id, 1, &n, &more));
    assert_int_equal(n, 1);
    assert_int_equal(id, o.oid);
    rig_ok(r->ops->remove(t, o, false));
    rig_ok(r->ops->find(t, p.pid, &w, &id, 1, &n, &more));
    assert_int_equal(n, 0);
    rig_commit(r, t);
    rig_check(r);
}

/* ---- duplicates ---- */

static struct store_id duplicate(struct rig *r, struct store_id p, enum store_duplicate kind)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    struct store_id made = {0, 0};

    m.duplicate = (uint8_t)kind;
    rig_ok(r->ops->duplicate(t, p.pid, made, &m, &made));
    rig_commit(r, t);
    return made;
}

static void test_store_index__a_clone_gets_its_own_and_a_snapshot_none(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), snapshot, clone;
    uint64_t seed = 9;

    ask_index(r, p, 1, PAGE, NUMBER);
    fill(r, p, &seed);
    await_index(r, p, PAGE, NUMBER);
    snapshot = duplicate(r, p, STORE_SNAPSHOT);
    clone = duplicate(r, p, STORE_CLONE);
    for (uint64_t i = 0; i < OBJECTS; i += 2) {
        set_some(r, object(p, i), NUMBER, &seed);
        set_some(r, object(clone, i + 1), NUMBER, &seed);
    }
    rig_remove(r, object(clone, 3));
    await_index(r, clone, PAGE, NUMBER);
    rig_fails(has_index(r, snapshot, PAGE, NUMBER), OSD_E_NOT_FOUND);
    same_for_many_bounds(r, p, NUMBER, &seed);
    same_for_many_bounds(r, clone, NUMBER, &seed);
    rig_check(r);
    rig_reopen(r);
    rig_ok(has_index(r, clone, PAGE, NUMBER));
    rig_fails(has_index(r, snapshot, PAGE, NUMBER), OSD_E_NOT_FOUND);
}

/* More entries than a transaction keeps before they go into its batch. Would catch: an object with
 * that many cannot be indexed, nor removed. */
static void test_store_index__an_object_may_have_any_number_of_values(void **state)
{
    enum { MANY = 20000 };
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);
    uint8_t value[LONGEST] = {0};
    uint64_t ids[OBJECTS];
    size_t n = 0;

    for (uint32_t i = 1; i <= MANY; i++) {
        be32_put(value, i);
        rig_ok(r->ops->set_attr(t, o, PAGE, i, value, sizeof(value)));
    }
    rig_commit(r, t);
    ask_index(r, p, 1, PAGE, ANY);
    await_index(r, p, PAGE, MANY);
    rig_check(r);
    struct store_values w = {.page = PAGE, .number = MANY, .min = {value, sizeof(value)}};
    rig_ok(find(r, p.pid, &w, ids, OBJECTS, &n));
    assert_true(n == 1 && ids[0] == o.oid);
    rig_remove(r, o);
    rig_check(r);
    rig_ok(find(r, p.pid, &w, ids, OBJECTS, &n));
    assert_int_equal(n, 0);
}

/* ---- none ---- */

static void test_store_index__who_has_none_says_so(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    uint64_t seed = 10;

    rig_fails(has_index(r, p, PAGE, NUMBER), OSD_E_NOT_FOUND);
    ask_index(r, p, 1, PAGE, NUMBER);
    fill(r, p, &seed);
    rig_fails(has_index(r, p, PAGE, NUMBER), OSD_E_NOT_FOUND);
    rig_remove(r, object(p, 1));
    rig_check(r);
}

int suite_index(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_index__finds_what_a_look_at_every_object_finds),
        RIG_TEST(test_store_index__at_most_as_many_as_asked_for),
        RIG_TEST(test_store_index__is_built_while_objects_change),
        RIG_TEST(test_store_index__one_that_was_off_misses_nothing_that_changed),
        RIG_TEST(test_store_index__two_of_one_page_do_not_disturb_each_other),
        RIG_TEST(test_store_index__stays_over_reopen_built_or_not),
        RIG_TEST(test_store_index__goes_with_its_partition),
        RIG_TEST(test_store_index__an_aborted_change_changes_nothing),
        RIG_TEST(test_store_index__a_transaction_finds_what_it_set),
        RIG_TEST(test_store_index__an_object_may_have_any_number_of_values),
        RIG_TEST(test_store_index__a_clone_gets_its_own_and_a_snapshot_none),
    };
    const struct CMUnitTest none[] = {RIG_TEST(test_store_index__who_has_none_says_so)};

    return rig_indexes() ? cmocka_run_group_tests(tests, NULL, NULL)
                         : cmocka_run_group_tests(none, NULL, NULL);
}
