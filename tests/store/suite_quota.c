/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_quota.c - conformance: quotas and the capacity of the store
 */
#include <pthread.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

#define B       STORE_BLOCK
#define THREADS 8

static const struct store_id root = {0, 0};

static void limit_partition(struct rig *r, struct store_id p, uint64_t capacity,
                            uint64_t objects)
{
    struct store_meta m = rig_get_meta(r, p);

    m.capacity_quota = capacity;
    m.object_quota = objects;
    rig_put_meta(r, p, &m);
}

/* Write in a transaction of its own that is committed when the write goes well. */
static osd_status try_write(struct rig *r, struct store_id o, uint64_t off, uint64_t len,
                            enum store_quota *ret_quota)
{
    static const uint8_t bytes[4 * B] = {1};
    struct store_txn *t;
    osd_status status = r->ops->begin(r->s, o, STORE_EXCLUSIVE, &t);

    if (status)
        return status;
    status = rig_txn_write(t, o, off, bytes, len);
    *ret_quota = t->quota;
    if (status)
        r->ops->abort(t);
    else
        status = r->ops->commit(t, 0);
    return status;
}

static osd_status try_create(struct rig *r, struct store_id in, enum store_kind kind,
                             enum store_quota *ret_quota)
{
    struct store_meta m = rig_meta(kind);
    struct store_txn *t;
    struct store_id made;
    osd_status status = r->ops->begin(r->s, in, STORE_SHARED, &t);

    if (status)
        return status;
    status = r->ops->create(t, in, &m, &made);
    *ret_quota = t->quota;
    if (status)
        r->ops->abort(t);
    else
        status = r->ops->commit(t, 0);
    return status;
}

static void test_store_quota__length_stops_growth_and_nothing_else(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_meta m = rig_get_meta(r, o);
    enum store_quota quota = STORE_QUOTA_NONE;
    struct store_txn *t;

    m.max_length = 100;
    rig_put_meta(r, o, &m);
    rig_ok(try_write(r, o, 0, 100, &quota));
    rig_fails(try_write(r, o, 0, 101, &quota), OSD_E_QUOTA);
    assert_int_equal(quota, STORE_QUOTA_LENGTH);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->truncate(t, o, 101), OSD_E_QUOTA);
    assert_int_equal(t->quota, STORE_QUOTA_LENGTH);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->clear(t, o, 50, 51), OSD_E_QUOTA);
    r->ops->abort(t);
    m.max_length = 10; /* below the present length: overwriting and shrinking still go */
    rig_put_meta(r, o, &m);
    rig_ok(try_write(r, o, 90, 10, &quota));
    rig_truncate(r, o, 50);
    assert_int_equal(rig_get_meta(r, o).length, 50);
    rig_fails(try_write(r, o, 45, 6, &quota), OSD_E_QUOTA);
}

static void test_store_quota__capacity_counts_blocks_and_attributes(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid), q = rig_object(r, p.pid);
    enum store_quota quota = STORE_QUOTA_NONE;
    struct store_txn *t;

    limit_partition(r, p, 3 * B + 20, STORE_NO_LIMIT);
    rig_ok(try_write(r, o, 0, 2 * B, &quota));
    rig_ok(try_write(r, q, 100, 1, &quota));
    rig_fails(try_write(r, q, B, 1, &quota), OSD_E_QUOTA);
    assert_int_equal(quota, STORE_QUOTA_CAPACITY);
    rig_ok(try_write(r, q, 0, B, &quota)); /* within its block */
    rig_set_attr(r, q, 1, 1, "1234", 4);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->set_attr(t, o, 1, 1, "1", 1), OSD_E_QUOTA);
    assert_int_equal(t->quota, STORE_QUOTA_CAPACITY);
    r->ops->abort(t);
    rig_truncate(r, o, B);
    rig_ok(try_write(r, q, B, 1, &quota));
    assert_int_equal(rig_get_meta(r, p).used, 3 * B + 20);
}

/* Would catch: a punch that needs room for both places of what it moves. */
static void test_store_quota__a_punch_that_does_not_grow_needs_no_room(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_txn *t;

    rig_write(r, o, B, "abc", 3);
    limit_partition(r, p, B, STORE_NO_LIMIT);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->punch(t, o, 0, B));
    rig_commit(r, t);
    assert_int_equal(rig_get_meta(r, p).used, B);
}

/* What a transaction freed itself it can use; what it only reserved it gives back. */
static void test_store_quota__a_transaction_may_use_what_it_freed(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    enum store_quota quota = STORE_QUOTA_NONE;
    struct store_txn *t;

    limit_partition(r, p, 2 * B, STORE_NO_LIMIT);
    rig_ok(try_write(r, o, 0, 2 * B, &quota));
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->truncate(t, o, 0));
    rig_ok(rig_txn_write(t, o, 5 * B, "a", 1));
    rig_ok(rig_txn_write(t, o, 9 * B, "b", 1));
    rig_fails(rig_txn_write(t, o, 20 * B, "c", 1), OSD_E_QUOTA);
    r->ops->abort(t);
    for (int i = 0; i < 3; i++) { /* aborted growth must not pile up */
        rig_truncate(r, o, B);
        t = rig_begin(r, o, STORE_EXCLUSIVE);
        rig_ok(rig_txn_write(t, o, B, "b", 1));
        r->ops->abort(t);
    }
    rig_ok(try_write(r, o, B, 1, &quota));
}

static void test_store_quota__over_quota_partitions_can_still_shrink_and_overwrite(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    enum store_quota quota = STORE_QUOTA_NONE;

    rig_ok(try_write(r, o, 0, 4 * B, &quota));
    limit_partition(r, p, B, 0);
    rig_ok(try_write(r, o, 10, 2 * B, &quota));
    rig_fails(try_write(r, o, 4 * B, 1, &quota), OSD_E_QUOTA);
    rig_truncate(r, o, 3 * B);
    rig_fails(try_write(r, o, 3 * B, 1, &quota), OSD_E_QUOTA);
    rig_fails(try_create(r, p, STORE_USER, &quota), OSD_E_QUOTA);
    assert_int_equal(quota, STORE_QUOTA_OBJECTS);
    rig_remove(r, o);
    assert_int_equal(rig_get_meta(r, p).used, 0);
}

static void test_store_quota__objects_count_user_objects_and_collections(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o;
    enum store_quota quota = STORE_QUOTA_NONE;

    limit_partition(r, p, STORE_NO_LIMIT, 2);
    o = rig_object(r, p.pid);
    rig_collection(r, p.pid);
    rig_fails(try_create(r, p, STORE_USER, &quota), OSD_E_QUOTA);
    assert_int_equal(quota, STORE_QUOTA_OBJECTS);
    rig_fails(try_create(r, p, STORE_COLLECTION, &quota), OSD_E_QUOTA);
    rig_remove(r, o);
    rig_ok(try_create(r, p, STORE_COLLECTION, &quota));
}

static void test_store_quota__partitions_are_limited_by_the_root(void **state)
{
    struct rig *r = *state;
    struct store_meta m = rig_get_meta(r, root);
    enum store_quota quota = STORE_QUOTA_NONE;
    struct store_id p;

    m.partition_quota = 2;
    rig_put_meta(r, root, &m);
    p = rig_partition(r);
    rig_partition(r);
    rig_fails(try_create(r, root, STORE_PARTITION, &quota), OSD_E_QUOTA);
    assert_int_equal(quota, STORE_QUOTA_PARTITIONS);
    rig_remove(r, p);
    rig_ok(try_create(r, root, STORE_PARTITION, &quota));
}

static void test_store_quota__a_quota_changed_in_the_transaction_counts_at_once(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_meta m = rig_get_meta(r, p);
    struct store_txn *t = rig_begin(r, p, STORE_EXCLUSIVE);

    m.capacity_quota = B;
    rig_ok(r->ops->put_meta(t, p, &m));
    rig_ok(rig_txn_write(t, o, 0, "a", 1));
    rig_fails(rig_txn_write(t, o, B, "b", 1), OSD_E_QUOTA);
    r->ops->abort(t);
    t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(rig_txn_write(t, o, 3 * B, "b", 1));
    rig_ok(rig_txn_write(t, o, 5 * B, "b", 1));
    rig_commit(r, t);
}

static void test_store_quota__the_store_is_full_at_its_capacity(void **state)
{
    struct rig *r = *state;
    struct store_meta m = rig_meta(STORE_ROOT);
    enum store_quota quota = STORE_QUOTA_NONE;
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    struct store_id o, q;
    struct store_info info;

    rig_ok(r->ops->format(t, 1 << 20, &m));
    rig_commit(r, t);
    o = rig_object(r, rig_partition(r).pid);
    q = rig_object(r, rig_partition(r).pid);
    for (unsigned i = 0; i < 255; i++)
        rig_ok(try_write(r, i % 2 ? o : q, (uint64_t)i * B, B, &quota));
    rig_fails(try_write(r, o, 1000 * B, 2 * B, &quota), OSD_E_NO_SPACE);
    rig_ok(try_write(r, o, 1000 * B, B, &quota));
    rig_fails(try_write(r, q, 1000 * B, 1, &quota), OSD_E_NO_SPACE);
    rig_ok(try_write(r, o, 1000 * B, 10, &quota));
    r->ops->info(r->s, &info);
    assert_int_equal(info.used, 1 << 20);
    rig_remove(r, o);
    rig_ok(try_write(r, q, 1000 * B, 1, &quota));
}

/* ---- concurrency ---- */

struct racer {
    struct rig *r;
    struct store_id in;
    unsigned made, refused, strange;
    bool write;
};

static void *race(void *arg)
{
    struct racer *c = arg;
    enum store_quota quota;

    for (uint64_t i = 0; i < 50; i++) {
        osd_status status = c->write ? try_write(c->r, c->in, i * B, 1, &quota)
                                     : try_create(c->r, c->in, STORE_USER, &quota);
        if (status == OSD_OK)
            c->made++;
        else if (status == OSD_E_QUOTA)
            c->refused++;
        else
            c->strange++;
    }
    return NULL;
}

static unsigned run_racers(struct racer *racers)
{
    pthread_t threads[THREADS];
    unsigned made = 0;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].strange, 0);
        assert_int_equal(racers[i].made + racers[i].refused, 50);
        made += racers[i].made;
    }
    return made;
}

static void test_store_quota__capacity_holds_under_concurrency(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    struct racer racers[THREADS] = {0};
    unsigned made;

    for (int i = 0; i < THREADS; i++)
        racers[i] = (struct racer){.r = r, .in = rig_object(r, p.pid), .write = true};
    limit_partition(r, p, 123 * B + 100, STORE_NO_LIMIT);
    made = run_racers(racers);
    assert_int_equal(made, 123); /* nobody is refused while there is room */
    assert_int_equal(rig_get_meta(r, p).used, 123 * B);
}

static void test_store_quota__object_count_holds_under_concurrency(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    struct racer racers[THREADS] = {0};
    unsigned made;

    for (int i = 0; i < THREADS; i++)
        racers[i] = (struct racer){.r = r, .in = p};
    limit_partition(r, p, STORE_NO_LIMIT, 77);
    made = run_racers(racers);
    assert_int_equal(made, 77);
    assert_int_equal(rig_get_meta(r, p).count, 77);
}

/* A thread that grows its object, makes it shorter and gives up in between; and one that creates others and
 * removes them, or gives up. */
struct changer {
    struct rig *r;
    struct store_id p, o;
    unsigned turn, strange;
    bool *over; /* more than the quota was seen; atomic */
};

#define CHANGES 400u
#define ROOM                                                                                   \
    50u /* blocks, and objects; those of all threads would need several times as many */

static void changer_did(struct changer *c, struct store_txn *t, osd_status st, bool keep)
{
    struct rig *r = c->r;

    if (st || !keep)
        r->ops->abort(t);
    else
        st = r->ops->commit(t, 0);
    c->strange += st != OSD_OK && st != OSD_E_QUOTA;
}

static void change_length(struct changer *c, unsigned i)
{
    static const uint8_t bytes[8 * B] = {1};
    struct rig *r = c->r;
    struct store_txn *t;
    osd_status st = r->ops->begin(r->s, c->o, STORE_EXCLUSIVE, &t);

    if (st) {
        c->strange++;
        return;
    }
    st = i % 3 ? rig_txn_write(t, c->o, i * 5 % 24 * B, bytes, (1 + i % 8) * B) : OSD_OK;
    if (!st && i % 3 != 1)
        st = r->ops->truncate(t, c->o, i * 7 % 16 * B);
    changer_did(c, t, st, i % 4 != 3);
}

static void change_number(struct changer *c, unsigned i, struct store_id *made)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct rig *r = c->r;
    struct store_txn *t;
    bool remove = made->oid != 0, keep = i % 4 != 3;
    osd_status st =
        r->ops->begin(r->s, remove ? *made : c->p, remove ? STORE_EXCLUSIVE : STORE_SHARED, &t);

    if (st) {
        c->strange++;
        return;
    }
    struct store_id id = *made;
    st = remove ? r->ops->remove(t, id, false) : r->ops->create(t, c->p, &m, &id);
    if (!st && keep)
        *made = remove ? (struct store_id){0} : id;
    changer_did(c, t, st, keep);
}

static void *change(void *arg)
{
    struct changer *c = arg;
    struct store_id made[2 * ROOM / THREADS] = {{0}};

    for (unsigned i = c->turn; i < c->turn + CHANGES; i++) {
        struct store_txn *t;
        struct store_meta m;
        change_length(c, i);
        change_number(c, i, &made[i * 7919u % (2 * ROOM / THREADS)]);
        if (c->r->ops->begin(c->r->s, c->p, STORE_SHARED, &t))
            continue;
        if (c->r->ops->get_meta(t, c->p, &m) == OSD_OK &&
            (m.used > ROOM * B || m.count > THREADS + ROOM))
            __atomic_store_n(c->over, true, __ATOMIC_RELAXED);
        c->r->ops->abort(t);
    }
    return NULL;
}

/* Would catch: growth that two threads charge for the same room; room that nobody gets back of what was given up
 * or made shorter. */
static void test_store_quota__room_comes_back_under_concurrency(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    struct changer all[THREADS];
    pthread_t threads[THREADS];
    enum store_quota quota;
    uint64_t sum = 0, free;
    bool over = false;

    for (unsigned i = 0; i < THREADS; i++)
        all[i] = (struct changer){
            .r = r, .p = p, .o = rig_object(r, p.pid), .turn = i * 1001, .over = &over};
    limit_partition(r, p, ROOM * B, THREADS + ROOM);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change, &all[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(all[i].strange, 0);
        sum += rig_get_meta(r, all[i].o).used;
    }
    assert_false(over);
    assert_int_equal(rig_get_meta(r, p).used, sum);
    free = ROOM - sum / B;
    for (uint64_t i = 0; i < free; i++)
        rig_ok(try_write(r, all[0].o, (1000 + i) * B, B, &quota));
    rig_fails(try_write(r, all[0].o, 2000 * B, 1, &quota), OSD_E_QUOTA);
    for (uint64_t n = rig_get_meta(r, p).count; n < THREADS + ROOM; n++)
        rig_ok(try_create(r, p, STORE_USER, &quota));
    rig_fails(try_create(r, p, STORE_USER, &quota), OSD_E_QUOTA);
}

int suite_quota(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_quota__length_stops_growth_and_nothing_else),
        RIG_TEST(test_store_quota__capacity_counts_blocks_and_attributes),
        RIG_TEST(test_store_quota__a_punch_that_does_not_grow_needs_no_room),
        RIG_TEST(test_store_quota__a_transaction_may_use_what_it_freed),
        RIG_TEST(test_store_quota__over_quota_partitions_can_still_shrink_and_overwrite),
        RIG_TEST(test_store_quota__objects_count_user_objects_and_collections),
        RIG_TEST(test_store_quota__partitions_are_limited_by_the_root),
        RIG_TEST(test_store_quota__a_quota_changed_in_the_transaction_counts_at_once),
        RIG_TEST(test_store_quota__the_store_is_full_at_its_capacity),
        RIG_TEST(test_store_quota__capacity_holds_under_concurrency),
        RIG_TEST(test_store_quota__object_count_holds_under_concurrency),
        RIG_TEST(test_store_quota__room_comes_back_under_concurrency),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
