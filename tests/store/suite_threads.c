/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_threads.c - conformance: many threads at once
 *
 * Worth most under the thread sanitizer. Threads count what is wrong; the main thread asserts.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

#define THREADS 8
#define OBJECTS 6
#define ROUNDS  400
#define LEN     (3 * STORE_BLOCK + 100)

struct worker {
    struct rig *r;
    struct store_id p, own, shared[OBJECTS];
    uint64_t seed;
    unsigned number, wrong;
    uint8_t want[LEN];
    uint64_t want_length;
};

static void note(struct worker *w, osd_status status)
{
    w->wrong += status != OSD_OK;
}

/* ---- objects of one thread: content must be exactly what it wrote ---- */

static void change_own(struct worker *w, struct store_txn *t)
{
    uint8_t bytes[STORE_BLOCK + 50];
    uint64_t off = rig_random(&w->seed, LEN - sizeof(bytes));
    uint64_t len = 1 + rig_random(&w->seed, sizeof(bytes));

    rig_fill(bytes, sizeof(bytes), (unsigned)rig_random(&w->seed, 1000));
    if (rig_random(&w->seed, 4) == 0) {
        note(w, w->r->ops->clear(t, w->own, off, len));
        memset(w->want + off, 0, len);
    } else {
        note(w, rig_txn_write(t, w->own, off, bytes, len));
        memcpy(w->want + off, bytes, len);
    }
    if (off + len > w->want_length)
        w->want_length = off + len;
}

static void round_own(struct worker *w)
{
    uint8_t out[LEN], before[LEN];
    uint64_t before_length = w->want_length;
    struct store_meta m;
    struct store_txn *t;
    bool abort = rig_random(&w->seed, 5) == 0;

    memcpy(before, w->want, LEN);
    if (w->r->ops->begin(w->r->s, w->own, STORE_EXCLUSIVE, &t)) {
        w->wrong++;
        return;
    }
    change_own(w, t);
    change_own(w, t);
    if (abort) {
        w->r->ops->abort(t);
        memcpy(w->want, before, LEN);
        w->want_length = before_length;
    } else {
        note(w, w->r->ops->commit(t, 0));
    }
    if (w->r->ops->begin(w->r->s, w->own, STORE_SHARED, &t)) {
        w->wrong++;
        return;
    }
    note(w, rig_txn_read(t, w->own, 0, out, LEN));
    note(w, w->r->ops->get_meta(t, w->own, &m));
    w->wrong += memcmp(out, w->want, LEN) != 0 || m.length != w->want_length;
    w->r->ops->abort(t);
}

/* ---- objects of all: every transaction leaves them uniform, so readers must find them so ----
 */

static void write_shared(struct worker *w, struct store_id o)
{
    uint8_t bytes[LEN];
    uint32_t value = (uint32_t)rig_random(&w->seed, 255) + 1;
    struct store_txn *t;

    memset(bytes, (int)value, sizeof(bytes));
    if (w->r->ops->begin(w->r->s, o, STORE_EXCLUSIVE, &t)) {
        w->wrong++;
        return;
    }
    note(w, rig_txn_write(t, o, 0, bytes, 5000));
    note(w, w->r->ops->set_attr(t, o, 1, 1, &value, sizeof(value)));
    note(w, rig_txn_write(t, o, 5000, bytes, LEN - 5000));
    if (rig_random(&w->seed, 4) == 0)
        w->r->ops->abort(t);
    else
        note(w, w->r->ops->commit(t, 0));
}

static bool uniform(const uint8_t *bytes, size_t len)
{
    for (size_t i = 1; i < len; i++)
        if (bytes[i] != bytes[0])
            return false;
    return true;
}

static void read_shared(struct worker *w, struct store_id o)
{
    uint8_t bytes[LEN];
    uint32_t value = 0, len = 0;
    struct store_txn *t;
    osd_status status;

    if (w->r->ops->begin(w->r->s, o, STORE_SHARED, &t)) {
        w->wrong++;
        return;
    }
    note(w, rig_txn_read(t, o, 0, bytes, LEN));
    status = w->r->ops->get_attr(t, o, 1, 1, &value, sizeof(value), &len);
    w->wrong += status != OSD_OK && status != OSD_E_NOT_FOUND;
    w->wrong += !uniform(bytes, LEN) || bytes[0] != value;
    w->r->ops->abort(t);
    w->r->ops->touch(w->r->s, o, STORE_TOUCH_DATA_ACCESSED, w->seed);
}

/* ---- coming and going ---- */

static void create_and_remove(struct worker *w)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_txn *t;
    struct store_id made;
    osd_status status;

    if (w->r->ops->begin(w->r->s, w->p, STORE_SHARED, &t)) {
        w->wrong++;
        return;
    }
    status = w->r->ops->create(t, w->p, &m, &made);
    if (status == OSD_OK)
        status = rig_txn_write(t, made, 100, "abc", 3);
    note(w, status);
    note(w, w->r->ops->commit(t, 0));
    if (w->r->ops->begin(w->r->s, made, STORE_EXCLUSIVE, &t)) {
        w->wrong++;
        return;
    }
    note(w, w->r->ops->remove(t, made, false));
    note(w, w->r->ops->commit(t, 0));
}

static void look_around(struct worker *w)
{
    uint64_t ids[16], next, changes;
    struct store_meta m;
    struct store_txn *t;
    size_t n;
    bool whole = rig_random(&w->seed, 8) == 0;
    struct store_id on = whole ? (struct store_id){0, 0} : w->p;

    if (w->r->ops->begin(w->r->s, on, whole ? STORE_EXCLUSIVE : STORE_SHARED, &t)) {
        w->wrong++;
        return;
    }
    note(w, w->r->ops->list(t, w->p.pid, STORE_USER, 0, ids, 16, &n, &next, &changes));
    for (size_t i = 0; i < n; i++) {
        osd_status status = w->r->ops->get_meta(t, (struct store_id){w->p.pid, ids[i]}, &m);
        w->wrong += status != OSD_OK && (whole || status != OSD_E_NOT_FOUND);
    }
    w->r->ops->abort(t);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct store_id o = w->shared[rig_random(&w->seed, OBJECTS)];
        switch (rig_random(&w->seed, 5)) {
        case 0:
            write_shared(w, o);
            break;
        case 1:
            read_shared(w, o);
            break;
        case 2:
            create_and_remove(w);
            break;
        case 3:
            look_around(w);
            break;
        default:
            round_own(w);
        }
    }
    return NULL;
}

static void test_store_threads__random_work_leaves_what_each_thread_expects(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), shared[OBJECTS];
    struct worker *workers = calloc(THREADS, sizeof(*workers));
    pthread_t threads[THREADS];

    assert_non_null(workers);
    for (int i = 0; i < OBJECTS; i++) {
        shared[i] = rig_object(r, p.pid);
        rig_truncate(r, shared[i], LEN);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.r = r, .p = p, .seed = i, .number = i};
        memcpy(workers[i].shared, shared, sizeof(shared));
        workers[i].own = rig_object(r, p.pid);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].wrong, 0);
    assert_int_equal(rig_get_meta(r, p).count, OBJECTS + THREADS);
    rig_check(r);
    free(workers);
}

/* ---- several objects per transaction, ids chosen and given, all at once ---- */

static osd_status create_many(struct worker *w, struct store_txn *t, unsigned round)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id made, given = {w->p.pid, 0x20000 + round * 3 + w->number % 3};
    osd_status status = OSD_OK;

    for (int i = 0; i < 6 && status == OSD_OK; i++)
        status = w->r->ops->create(t, i == 3 ? given : w->p, &m, &made);
    return status;
}

/* Threads of equal number % 3 fight for the given id; a loser has created nothing. */
static void *create_in_groups(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < 40; i++) {
        struct store_txn *t;
        osd_status status;
        if (w->r->ops->begin(w->r->s, w->p, STORE_SHARED, &t)) {
            w->wrong++;
            continue;
        }
        status = create_many(w, t, i);
        w->wrong += status != OSD_OK && status != OSD_E_EXISTS && status != OSD_E_BUSY;
        if (status) {
            w->r->ops->abort(t);
        } else {
            note(w, w->r->ops->commit(t, 0));
            w->want_length++; /* here: transactions that went well */
        }
    }
    return NULL;
}

/* Would catch: two transactions that wait for each other's ids (time out), an id given twice.
 */
static void test_store_threads__creators_of_many_objects_do_not_hinder_each_other(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    struct worker *workers = calloc(THREADS, sizeof(*workers));
    pthread_t threads[THREADS];
    uint64_t groups = 0;

    assert_non_null(workers);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.r = r, .p = p, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, create_in_groups, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
        groups += workers[i].want_length;
    }
    free(workers);
    assert_int_equal(groups, 3 * 40); /* every given id has exactly one winner */
    assert_int_equal(rig_get_meta(r, p).count, groups * 6);
}

/* ---- APPEND as a client sees it: read the length, write behind it ---- */

static void *append(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < 100; i++) {
        char record[16];
        struct store_meta m;
        struct store_txn *t;
        snprintf(record, sizeof(record), "%03u-%03u-record", w->number, i);
        if (w->r->ops->begin(w->r->s, w->own, STORE_EXCLUSIVE, &t)) {
            w->wrong++;
            continue;
        }
        note(w, w->r->ops->get_meta(t, w->own, &m));
        note(w, rig_txn_write(t, w->own, m.length, record, 14));
        note(w, w->r->ops->commit(t, 0));
    }
    return NULL;
}

static void test_store_threads__appends_neither_tear_nor_vanish(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct worker *workers = calloc(THREADS, sizeof(*workers));
    unsigned next[THREADS] = {0};
    pthread_t threads[THREADS];

    assert_non_null(workers);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.r = r, .own = o, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, append, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
    }
    free(workers);
    assert_int_equal(rig_get_meta(r, o).length, THREADS * 100 * 14);
    for (uint64_t i = 0; i < THREADS * 100; i++) {
        char record[15] = "";
        unsigned thread, number;
        rig_read(r, o, i * 14, record, 14);
        assert_int_equal(sscanf(record, "%3u-%3u-record", &thread, &number), 2);
        assert_true(thread < THREADS);
        assert_int_equal(number, next[thread]); /* in its thread's order */
        next[thread]++;
    }
}

/* ---- partitions that go while somebody looks at them with nothing but the root locked ---- */

#define COMING 3 /* partitions that come and go, one per thread */

static void *come_and_go(void *arg)
{
    struct worker *w = arg;
    const struct store_id root = {0, 0};

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct store_meta m = {.kind = STORE_PARTITION, .created = w->p.pid};
        struct store_id id = w->p;
        struct store_txn *t;
        note(w, w->r->ops->begin(w->r->s, root, STORE_SHARED, &t));
        note(w, w->r->ops->create(t, id, &m, &id));
        note(w, w->r->ops->commit(t, 0));
        note(w, w->r->ops->begin(w->r->s, id, STORE_EXCLUSIVE, &t));
        note(w, w->r->ops->remove(t, id, true));
        note(w, w->r->ops->commit(t, 0));
    }
    __atomic_store_n(&w->want_length, 1, __ATOMIC_RELEASE); /* ready */
    return NULL;
}

/* Would catch: a partition that is there, and gone when its counters are looked up (a null pointer);
 * one that is shown with what another has. */
static void test_store_threads__a_partition_may_go_while_it_is_looked_at(void **state)
{
    struct rig *r = *state;
    struct worker *workers = calloc(COMING, sizeof(*workers));
    const struct store_id root = {0, 0};
    pthread_t threads[COMING];
    unsigned ready = 0;

    assert_non_null(workers);
    for (unsigned i = 0; i < COMING; i++) {
        workers[i] = (struct worker){.r = r, .p = {STORE_ID_FIRST + i, 0}, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &workers[i]), 0);
    }
    while (ready < COMING) {
        struct store_txn *t;
        assert_int_equal(r->ops->begin(r->s, root, STORE_SHARED, &t), OSD_OK);
        for (unsigned i = 0; i < 100; i++) {
            struct store_meta m;
            struct store_id id = workers[i % COMING].p;
            osd_status st = r->ops->get_meta(t, id, &m);
            assert_true(st == OSD_OK || st == OSD_E_NOT_FOUND);
            if (st == OSD_OK)
                assert_int_equal(m.created, id.pid);
        }
        r->ops->abort(t);
        ready = 0;
        for (unsigned i = 0; i < COMING; i++)
            ready += __atomic_load_n(&workers[i].want_length, __ATOMIC_ACQUIRE) != 0;
    }
    for (unsigned i = 0; i < COMING; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
    }
    free(workers);
}

/* ---- a listing beside creators ---- */

#define MADE 3000

static void *create_ever_more(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < MADE; i++) {
        struct store_meta m = {.kind = w->p.pid ? STORE_USER : STORE_PARTITION};
        struct store_id id = {w->p.pid ? w->p.pid : STORE_ID_FIRST + i,
                              w->p.pid ? STORE_ID_FIRST + i : 0};
        struct store_txn *t;
        note(w, w->r->ops->begin(w->r->s, w->p, STORE_SHARED, &t));
        note(w, w->r->ops->create(t, id, &m, &id));
        note(w, w->r->ops->commit(t, 0));
    }
    return NULL;
}

/* All that is in a container, and the count of its changes as the listing of it tells. */
static size_t list_all(struct rig *r, struct store_id in, uint64_t *ret_changes)
{
    static uint64_t ids[MADE + 1];
    struct store_txn *t;
    uint64_t next;
    size_t n;

    assert_int_equal(r->ops->begin(r->s, in, STORE_SHARED, &t), OSD_OK);
    assert_int_equal(r->ops->list(t, in.pid, in.pid ? STORE_USER : STORE_PARTITION, 0, ids,
                                  MADE + 1, &n, &next, ret_changes),
                     OSD_OK);
    r->ops->abort(t);
    return n;
}

static void list_beside_creator(struct rig *r, struct store_id in)
{
    struct worker *w = calloc(1, sizeof(*w));
    uint64_t before, changes;
    pthread_t thread;
    size_t n, there = list_all(r, in, &before);

    assert_non_null(w);
    *w = (struct worker){.r = r, .p = in};
    assert_int_equal(pthread_create(&thread, NULL, create_ever_more, w), 0);
    do {
        n = list_all(r, in, &changes);
        assert_in_range(n, there + changes - before, there + MADE);
    } while (n < there + MADE);
    pthread_join(thread, NULL);
    assert_int_equal(w->wrong, 0);
    free(w);
}

/* Would catch: a change that is counted and not listed. Who continues the listing with that count would
 * never hear of it. */
static void test_store_threads__what_a_listing_counts_it_lists(void **state)
{
    struct rig *r = *state;

    list_beside_creator(r, (struct store_id){0, 0});
    list_beside_creator(r, rig_partition(r));
}

int suite_threads(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_threads__random_work_leaves_what_each_thread_expects),
        RIG_TEST(test_store_threads__creators_of_many_objects_do_not_hinder_each_other),
        RIG_TEST(test_store_threads__appends_neither_tear_nor_vanish),
        RIG_TEST(test_store_threads__a_partition_may_go_while_it_is_looked_at),
        RIG_TEST(test_store_threads__what_a_listing_counts_it_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
