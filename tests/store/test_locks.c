/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_locks.c - the lock table and the claims of ids being created
 */
#include <pthread.h>
#include <sched.h>

#include "common/thread.h"
#include "rig.h"
#include "store/locks.h"

#define THREADS 8

static void test_store_locks__exclusive_covers_what_lies_inside(void **state)
{
    const struct store_id root = {0, 0}, p = {5, 0}, o = {5, 7}, other = {5, 8}, q = {6, 0};
    const struct {
        struct store_id held, id;
        enum store_mode mode;
        bool covers;
    } cases[] = {
        {root, o, STORE_EXCLUSIVE, true},  {root, root, STORE_EXCLUSIVE, true},
        {root, o, STORE_SHARED, false},    {p, o, STORE_EXCLUSIVE, true},
        {p, p, STORE_EXCLUSIVE, true},     {p, q, STORE_EXCLUSIVE, false},
        {p, root, STORE_EXCLUSIVE, false}, {o, o, STORE_EXCLUSIVE, true},
        {o, o, STORE_SHARED, false},       {o, other, STORE_EXCLUSIVE, false},
        {o, p, STORE_EXCLUSIVE, false},    {p, o, STORE_SHARED, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_held held = {.id = cases[i].held, .mode = cases[i].mode};
        assert_int_equal(store_held_covers(&held, cases[i].id), cases[i].covers);
    }
}

static void test_store_locks__an_id_is_claimed_once_until_given_back(void **state)
{
    struct store_locks *l = store_locks_new();
    struct store_claim a = {.id = {5, 7}}, b = a, many[1000];

    assert_non_null(l);
    rig_ok(store_claim(l, &a));
    rig_fails(store_claim(l, &b), OSD_E_BUSY);
    for (uint64_t i = 0; i < 1000; i++) { /* more than there are buckets */
        many[i] = (struct store_claim){.id = {6, i}};
        rig_ok(store_claim(l, &many[i]));
    }
    for (uint64_t i = 0; i < 1000; i += 2)
        store_unclaim(l, &many[i]);
    for (uint64_t i = 0; i < 1000; i++) {
        struct store_claim again = {.id = {6, i}};
        osd_status status = store_claim(l, &again);
        assert_int_equal(status, i % 2 ? OSD_E_BUSY : OSD_OK);
        if (status == OSD_OK)
            store_unclaim(l, &again);
    }
    store_unclaim(l, &a);
    rig_ok(store_claim(l, &b));
    store_locks_free(l);
}

/* Numbers guarded by the locks of two objects, their partition and the root. A writer makes
 * them differ for a moment; a holder that sees that was not alone. */
struct guarded {
    struct store_locks *l;
    volatile unsigned a[2], b[2];
    unsigned wrong;
};

static struct guarded *shared;

static void step(struct guarded *g, struct store_id id, enum store_mode mode, unsigned first,
                 unsigned last)
{
    struct store_held held;

    store_locks_acquire(g->l, id, mode, &held);
    for (unsigned i = first; i <= last; i++) {
        if (g->a[i] != g->b[i])
            __atomic_add_fetch(&g->wrong, 1, __ATOMIC_RELAXED);
        if (mode == STORE_EXCLUSIVE) {
            g->a[i]++;
            g->b[i]++;
        }
    }
    store_locks_release(g->l, &held);
}

static void *work(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;

    for (int i = 0; i < 3000; i++) {
        enum store_mode mode = rig_random(&seed, 3) ? STORE_SHARED : STORE_EXCLUSIVE;
        unsigned n = (unsigned)rig_random(&seed, 2);
        switch (rig_random(&seed, 8)) {
        case 0:
            step(shared, (struct store_id){0, 0}, STORE_EXCLUSIVE, 0, 1);
            break;
        case 1:
            step(shared, (struct store_id){5, 0}, STORE_EXCLUSIVE, 0, 1);
            break;
        default:
            step(shared, (struct store_id){5, 7 + n}, mode, n, n);
        }
    }
    return NULL;
}

/* Would catch: a level that is not taken, a release of the wrong lock, a deadlock (time out).
 */
static void test_store_locks__holders_exclude_each_other_on_every_level(void **state)
{
    struct guarded g = {.l = store_locks_new()};
    pthread_t threads[THREADS];

    assert_non_null(g.l);
    shared = &g;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(g.wrong, 0);
    assert_true(g.a[0] > 0 && g.a[0] == g.b[0] && g.a[1] == g.b[1]);
    store_locks_free(g.l);
}

static bool written;

static void *read_until_written(void *arg)
{
    struct store_locks *l = arg;
    struct store_held held;

    while (!__atomic_load_n(&written, __ATOMIC_ACQUIRE)) {
        store_locks_acquire(l, (struct store_id){5, 7}, STORE_SHARED, &held);
        sched_yield();
        store_locks_release(l, &held);
    }
    return NULL;
}

/* Several readers in each place, so that there is nearly always one. Would catch: later readers
 * that go before a waiting writer (time out). */
static void test_store_locks__readers_that_keep_coming_let_writers_in(void **state)
{
    static const struct store_id ids[] = {{5, 7}, {5, 0}, {0, 0}};
    struct store_locks *l = store_locks_new();
    pthread_t readers[3 * OSD_PLACES];
    struct store_held held;

    assert_non_null(l);
    written = false;
    for (unsigned i = 0; i < 3 * OSD_PLACES; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_until_written, l), 0);
    for (unsigned i = 0; i < 30; i++) {
        store_locks_acquire(l, ids[i % 3], STORE_EXCLUSIVE, &held);
        store_locks_release(l, &held);
    }
    __atomic_store_n(&written, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < 3 * OSD_PLACES; i++)
        pthread_join(readers[i], NULL);
    store_locks_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_locks__exclusive_covers_what_lies_inside),
        cmocka_unit_test(test_store_locks__an_id_is_claimed_once_until_given_back),
        cmocka_unit_test(test_store_locks__holders_exclude_each_other_on_every_level),
        cmocka_unit_test(test_store_locks__readers_that_keep_coming_let_writers_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
