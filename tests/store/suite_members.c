/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_members.c - conformance: memberships
 */
#include <pthread.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

#define MANY 300

static void set(struct rig *r, struct store_id c, struct store_id o, bool member)
{
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_ok(r->ops->set_member(t, c, o.oid, member));
    rig_commit(r, t);
}

/* Ids of the other side, in pages of three; at most cap of them. */
static size_t members(struct rig *r, struct store_txn *t, struct store_id id, uint64_t *ids,
                      size_t cap)
{
    uint64_t next = 0;
    size_t n = 0, got;

    do {
        size_t room = cap - n < 3 ? cap - n : 3;
        rig_ok(r->ops->members(t, id, next, ids + n, room, &got, &next));
        assert_true(got <= room);
        n += got;
    } while (next && n < cap);
    return n;
}

static size_t count(struct rig *r, struct store_id id)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint64_t ids[MANY];
    size_t n = members(r, t, id, ids, MANY);

    rig_commit(r, t);
    return n;
}

static void test_store_members__are_seen_from_both_sides(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid, ids[8];
    struct store_id c1 = rig_collection(r, pid), c2 = rig_collection(r, pid);
    struct store_id o1 = rig_object(r, pid), o2 = rig_object(r, pid);
    struct store_meta before = rig_get_meta(r, c1);

    set(r, c1, o2, true);
    set(r, c1, o1, true);
    set(r, c1, o1, true);
    set(r, c2, o1, true);
    struct store_txn *t = rig_begin(r, (struct store_id){pid, 0}, STORE_SHARED);
    assert_int_equal(members(r, t, c1, ids, 8), 2);
    assert_int_equal(ids[0], o1.oid);
    assert_int_equal(ids[1], o2.oid);
    assert_int_equal(members(r, t, o1, ids, 8), 2);
    assert_int_equal(ids[0], c1.oid);
    assert_int_equal(ids[1], c2.oid);
    rig_commit(r, t);
    struct store_meta after = rig_get_meta(r, c1);
    assert_memory_equal(&before, &after, sizeof(before));
    set(r, c1, o1, false);
    set(r, c1, o1, false);
    assert_int_equal(count(r, c1), 1);
    assert_int_equal(count(r, o1), 1);
}

static void test_store_members__need_both_objects_of_their_kinds(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id c = rig_collection(r, pid), o = rig_object(r, pid);
    struct store_id o2 = rig_object(r, pid), none = {pid, 0x7777777};
    uint64_t id, next;
    size_t n;
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_fails(r->ops->set_member(t, none, o.oid, true), OSD_E_NOT_FOUND);
    rig_fails(r->ops->members(t, none, 0, &id, 1, &n, &next), OSD_E_NOT_FOUND);
    rig_fails(r->ops->set_member(t, o2, o.oid, true), OSD_E_INVALID);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_EXCLUSIVE); /* holds o, not o2 */
    rig_fails(r->ops->set_member(t, c, o2.oid, true), OSD_E_INVALID);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_SHARED);
    rig_fails(r->ops->set_member(t, c, o.oid, true), OSD_E_INVALID);
    r->ops->abort(t);
}

static void test_store_members__a_transaction_sees_its_own_and_nobody_else_does(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid, ids[8];
    struct store_id c = rig_collection(r, pid), o = rig_object(r, pid);
    struct store_id o2 = rig_object(r, pid);
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id made = {pid, 0};
    struct store_txn *t = rig_begin(r, (struct store_id){pid, 0}, STORE_EXCLUSIVE);

    rig_ok(r->ops->set_member(t, c, o.oid, true));
    rig_ok(r->ops->set_member(t, c, o2.oid, true));
    rig_ok(r->ops->set_member(t, c, o.oid, false));
    rig_ok(r->ops->create(t, made, &m, &made));
    rig_ok(r->ops->set_member(t, c, made.oid, true));
    assert_int_equal(members(r, t, c, ids, 8), 2);
    assert_int_equal(members(r, t, o, ids, 8), 0);
    r->ops->abort(t);
    assert_int_equal(count(r, c), 0);
    t = rig_begin(r, (struct store_id){pid, 0}, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_member(t, c, o.oid, true));
    rig_ok(r->ops->remove(t, o, false));
    assert_int_equal(members(r, t, c, ids, 8), 0);
    rig_commit(r, t);
    assert_int_equal(count(r, c), 0);
}

static void test_store_members__end_with_either_side(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    struct store_id c1 = rig_collection(r, p.pid), c2 = rig_collection(r, p.pid);
    struct store_id o1 = rig_object(r, p.pid), o2 = rig_object(r, p.pid);
    struct store_meta m = rig_meta(STORE_USER);

    set(r, c1, o1, true);
    set(r, c1, o2, true);
    set(r, c2, o1, true);
    rig_remove(r, o1);
    assert_int_equal(count(r, c1), 1);
    assert_int_equal(count(r, c2), 0);
    struct store_txn *t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, c1, false));
    rig_commit(r, t);
    assert_int_equal(count(r, o2), 0);
    /* the id used again starts without */
    t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_member(t, c2, o2.oid, true));
    rig_commit(r, t);
    t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, o2, false));
    rig_ok(r->ops->create(t, o2, &m, &o2));
    rig_commit(r, t);
    assert_int_equal(count(r, o2), 0);
    assert_int_equal(count(r, c2), 0);
}

static void test_store_members__go_with_their_partition(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), root = {0, 0};
    struct store_meta m = rig_meta(STORE_PARTITION), mu = rig_meta(STORE_USER);
    struct store_meta mc = rig_meta(STORE_COLLECTION);
    struct store_id c = rig_collection(r, p.pid), o = rig_object(r, p.pid);

    set(r, c, o, true);
    struct store_txn *t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, p, true));
    rig_commit(r, t);
    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->create(t, p, &m, &p));
    rig_ok(r->ops->create(t, o, &mu, &o));
    rig_ok(r->ops->create(t, c, &mc, &c));
    rig_commit(r, t);
    assert_int_equal(count(r, c), 0);
    assert_int_equal(count(r, o), 0);
}

/* A change of the collection that began before a membership was made must not undo it. */
static void test_store_members__and_changes_of_the_collection_do_not_collide(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id c = rig_collection(r, pid);
    struct store_id objects[MANY];
    struct store_txn *t;

    for (int i = 0; i < MANY; i++)
        objects[i] = rig_object(r, pid);
    for (int i = 0; i < MANY; i++) {
        set(r, c, objects[i], true);
        rig_set_attr(r, c, 0x60010000, (uint32_t)i, "x", 1);
    }
    assert_int_equal(count(r, c), MANY);
    t = rig_begin(r, c, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, c, 0x60010000, 1, "y", 1));
    rig_commit(r, t);
    assert_int_equal(count(r, c), MANY);
}

static void test_store_members__survive_a_restart(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id c = rig_collection(r, pid), o = rig_object(r, pid);

    if (!rig_persists())
        return;
    set(r, c, o, true);
    rig_reopen(r);
    assert_int_equal(count(r, c), 1);
    assert_int_equal(count(r, o), 1);
}

struct joiner {
    struct rig *r;
    struct store_id c, o;
    osd_status status;
};

static void *join_and_leave(void *arg)
{
    struct joiner *j = arg;

    for (int i = 0; i < 51 && j->status == OSD_OK; i++) {
        struct store_txn *t;
        j->status = j->r->ops->begin(j->r->s, j->o, STORE_EXCLUSIVE, &t);
        if (j->status)
            break;
        j->status = j->r->ops->set_member(t, j->c, j->o.oid, i % 2 == 0);
        if (j->status)
            j->r->ops->abort(t);
        else
            j->status = j->r->ops->commit(t, 0);
    }
    return NULL;
}

static void test_store_members__many_objects_join_one_collection_at_once(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id c = rig_collection(r, pid);
    struct joiner jobs[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct joiner){.r = r, .c = c, .o = rig_object(r, pid)};
        assert_int_equal(pthread_create(&threads[i], NULL, join_and_leave, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(jobs[i].status, OSD_OK);
    assert_int_equal(count(r, c), 4);
}

int suite_members(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_members__are_seen_from_both_sides),
        RIG_TEST(test_store_members__need_both_objects_of_their_kinds),
        RIG_TEST(test_store_members__a_transaction_sees_its_own_and_nobody_else_does),
        RIG_TEST(test_store_members__end_with_either_side),
        RIG_TEST(test_store_members__go_with_their_partition),
        RIG_TEST(test_store_members__and_changes_of_the_collection_do_not_collide),
        RIG_TEST(test_store_members__survive_a_restart),
        RIG_TEST(test_store_members__many_objects_join_one_collection_at_once),
    };

    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
