/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_duplicate.c - conformance: partitions that hold what another one holds
 *
 * The source is changed in every way there is while its duplicate must stay what it was, and
 * the other way round.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "rig.h"
#include "suite.h"

#define B     STORE_BLOCK
#define CHUNK (128u * B)
#define MANY  40

static const struct store_id root = {0, 0};

/* A partition with a little of everything; ids follow in the order of creation. */
struct scene {
    struct store_id p, small, blocks, far, tagged, empty, c1, c2;
    struct store_id many[MANY];
};

static void join(struct rig *r, struct store_id c, struct store_id o, bool member)
{
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_ok(r->ops->set_member(t, c, o.oid, member));
    rig_commit(r, t);
}

static struct scene make_scene(struct rig *r)
{
    static uint8_t bytes[CHUNK + 3 * B];
    struct scene s;

    rig_fill(bytes, sizeof(bytes), 5);
    s.p = rig_partition(r);
    s.small = rig_object(r, s.p.pid);
    s.blocks = rig_object(r, s.p.pid);
    s.far = rig_object(r, s.p.pid);
    s.tagged = rig_object(r, s.p.pid);
    s.empty = rig_object(r, s.p.pid);
    s.c1 = rig_collection(r, s.p.pid);
    s.c2 = rig_collection(r, s.p.pid);
    rig_write(r, s.small, 0, bytes, 100);
    rig_write(r, s.blocks, 0, bytes, CHUNK + 2 * B + 7);
    rig_write(r, s.far, 1ULL << 40, bytes, 5000);
    for (uint32_t i = 1; i < 20; i++)
        rig_set_attr(r, s.tagged, i % 3, i, bytes, i * 97);
    rig_set_attr(r, s.p, 7, 7, "partition", 9);
    join(r, s.c1, s.small, true);
    join(r, s.c1, s.blocks, true);
    join(r, s.c2, s.small, true);
    for (int i = 0; i < MANY; i++) {
        s.many[i] = rig_object(r, s.p.pid);
        rig_write(r, s.many[i], (uint64_t)i * 1000, bytes, (uint64_t)i * 50 + 1);
    }
    return s;
}

static osd_status try_duplicate(struct rig *r, uint64_t source, struct store_id id,
                                struct store_id *ret)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    osd_status st = r->ops->duplicate(t, source, id, &m, ret);

    if (st == OSD_OK)
        rig_commit(r, t);
    else
        r->ops->abort(t);
    return st;
}

static struct store_id duplicate(struct rig *r, struct store_id source)
{
    struct store_id made = {0, 0};

    rig_ok(try_duplicate(r, source.pid, made, &made));
    return made;
}

/* Fails the test unless the partition holds exactly what text says. Frees nothing. */
static void holds(struct rig *r, struct store_id p, const char *text)
{
    char *now = store_dump_partition(r->s, p.pid, 0);

    assert_non_null(now);
    assert_string_equal(now, text);
    free(now);
}

static char *content(struct rig *r, struct store_id p)
{
    char *text = store_dump_partition(r->s, p.pid, 0);

    assert_non_null(text);
    return text;
}

/* ---- ways to change a partition; p is the one to change, which may be the duplicate ---- */

typedef void (*change)(struct rig *r, const struct scene *s, uint64_t pid);

static struct store_id in(uint64_t pid, struct store_id id)
{
    return (struct store_id){pid, id.oid};
}

static void change_nothing(struct rig *r, const struct scene *s, uint64_t pid)
{
    (void)r, (void)s, (void)pid;
}

static void change_bytes(struct rig *r, const struct scene *s, uint64_t pid)
{
    rig_write(r, in(pid, s->small), 50, "changed", 7);
    rig_write(r, in(pid, s->blocks), B + 3, "changed", 7);
    rig_write(r, in(pid, s->blocks), CHUNK - 2, "over the border", 15);
    rig_write(r, in(pid, s->far), 0, "near", 4);
    rig_write(r, in(pid, s->empty), 9 * B, "no more", 7);
}

static void change_shape(struct rig *r, const struct scene *s, uint64_t pid)
{
    struct store_txn *t = rig_begin(r, in(pid, s->blocks), STORE_EXCLUSIVE);

    rig_ok(r->ops->punch(t, in(pid, s->blocks), 5, B));
    rig_ok(r->ops->clear(t, in(pid, s->blocks), 10 * B, 20 * B));
    rig_commit(r, t);
    rig_truncate(r, in(pid, s->far), 10);
    rig_truncate(r, in(pid, s->small), 3);
}

static void change_attrs(struct rig *r, const struct scene *s, uint64_t pid)
{
    rig_set_attr(r, in(pid, s->tagged), 1, 1, "other", 5);
    rig_set_attr(r, in(pid, s->tagged), 2, 2, NULL, 0);
    rig_set_attr(r, in(pid, s->tagged), 1, 19, NULL, 0);
    rig_set_attr(r, in(pid, s->empty), 4, 4, "new", 3);
    rig_set_attr(r, (struct store_id){pid, 0}, 7, 7, NULL, 0);
}

static void change_members(struct rig *r, const struct scene *s, uint64_t pid)
{
    join(r, in(pid, s->c1), in(pid, s->small), false);
    join(r, in(pid, s->c2), in(pid, s->blocks), true);
}

static void change_population(struct rig *r, const struct scene *s, uint64_t pid)
{
    struct store_txn *t;

    for (int i = 0; i < MANY; i += 2)
        rig_remove(r, in(pid, s->many[i]));
    rig_remove(r, in(pid, s->small));
    rig_object(r, pid);
    t = rig_begin(r, (struct store_id){pid, 0}, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, in(pid, s->c1), false));
    rig_commit(r, t);
}

static void change_all(struct rig *r, const struct scene *s, uint64_t pid)
{
    change_bytes(r, s, pid);
    change_shape(r, s, pid);
    change_attrs(r, s, pid);
    change_members(r, s, pid);
    change_population(r, s, pid);
}

static void change_reborn(struct rig *r, const struct scene *s, uint64_t pid)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id id = in(pid, s->blocks), made;
    struct store_txn *t;

    rig_remove(r, id);
    t = rig_begin(r, id, STORE_EXCLUSIVE);
    rig_ok(r->ops->create(t, id, &m, &made));
    rig_ok(rig_txn_write(t, id, 0, "another life", 12));
    rig_commit(r, t);
}

static const change changes[] = {change_nothing, change_bytes,   change_shape,
                                 change_attrs,   change_members, change_population,
                                 change_all,     change_reborn};

#define N_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* ---- tests ---- */

static void test_store_duplicate__holds_what_the_source_held(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    char *before = content(r, s.p);
    struct store_id d = duplicate(r, s.p);

    assert_int_not_equal(d.pid, s.p.pid);
    holds(r, d, before);
    holds(r, s.p, before);
    free(before);
}

static void test_store_duplicate__stays_when_the_source_changes(void **state)
{
    struct rig *r = *state;

    for (size_t i = 0; i < N_CHANGES; i++) {
        struct scene s = make_scene(r);
        char *before = content(r, s.p);
        struct store_id d = duplicate(r, s.p);
        changes[i](r, &s, s.p.pid);
        holds(r, d, before);
        rig_check(r);
        free(before);
    }
}

static void test_store_duplicate__changes_without_the_source(void **state)
{
    struct rig *r = *state;

    for (size_t i = 0; i < N_CHANGES; i++) {
        struct scene s = make_scene(r);
        char *before = content(r, s.p);
        struct store_id d = duplicate(r, s.p);
        changes[i](r, &s, d.pid);
        holds(r, s.p, before);
        rig_check(r);
        free(before);
    }
}

/* The same change leads to the same content on both sides: nothing is lost on the way. */
static void test_store_duplicate__changes_as_the_source_does(void **state)
{
    struct rig *r = *state;

    for (size_t i = 0; i < N_CHANGES; i++) {
        struct scene s = make_scene(r);
        struct store_id d = duplicate(r, s.p);
        changes[i](r, &s, d.pid);
        changes[i](r, &s, s.p.pid);
        char *text = content(r, s.p);
        holds(r, d, text);
        free(text);
    }
}

static void test_store_duplicate__of_duplicates_and_several_of_one(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_id d[4];
    char *text[4];

    for (int i = 0; i < 4; i++) {
        text[i] = content(r, i == 2 ? d[1] : s.p);
        d[i] = duplicate(r, i == 2 ? d[1] : s.p);
        rig_write(r, s.blocks, (uint64_t)i * 3 * B, "generation", 10);
        rig_write(r, s.many[i], 3, "generation", 10);
        rig_remove(r, s.many[10 + i]);
    }
    for (int i = 0; i < 4; i++) {
        holds(r, d[i], text[i]);
        free(text[i]);
    }
}

static void test_store_duplicate__outlives_the_source(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    char *before = content(r, s.p);
    struct store_id d = duplicate(r, s.p);
    struct store_txn *t = rig_begin(r, s.p, STORE_EXCLUSIVE);

    rig_ok(r->ops->remove(t, s.p, true));
    rig_commit(r, t);
    holds(r, d, before);
    rig_reopen(r);
    if (rig_persists())
        holds(r, d, before);
    free(before);
}

static void test_store_duplicate__goes_without_the_source(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    char *before = content(r, s.p);
    struct store_meta m = rig_get_meta(r, root);
    struct store_id d = duplicate(r, s.p);
    struct store_txn *t = rig_begin(r, d, STORE_EXCLUSIVE);

    rig_ok(r->ops->remove(t, d, true));
    rig_commit(r, t);
    assert_int_equal(rig_get_meta(r, root).used, m.used);
    holds(r, s.p, before);
    free(before);
}

static void test_store_duplicate__counts_as_much_as_the_source(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_meta p = rig_get_meta(r, s.p), before = rig_get_meta(r, root), after;
    struct store_meta d = rig_get_meta(r, duplicate(r, s.p));

    after = rig_get_meta(r, root);
    assert_int_equal(d.used, p.used);
    assert_int_equal(d.count, p.count);
    assert_int_equal(after.used, before.used + p.used);
    assert_int_equal(after.count, before.count + 1);
}

static void test_store_duplicate__in_place_of_a_removed_one(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    char *before = content(r, s.p);
    struct store_id d = duplicate(r, s.p), made;
    struct store_meta m = rig_meta(STORE_PARTITION);

    change_all(r, &s, s.p.pid);
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, s.p, true));
    rig_ok(r->ops->duplicate(t, d.pid, s.p, &m, &made));
    rig_commit(r, t);
    assert_int_equal(made.pid, s.p.pid);
    holds(r, s.p, before);
    holds(r, d, before);
    change_all(r, &s, s.p.pid);
    holds(r, d, before);
    free(before);
}

static void test_store_duplicate__aborted_never_was(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    char *before = store_dump(r->s, 0), *after;
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id made;
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);

    rig_ok(r->ops->duplicate(t, s.p.pid, root, &m, &made));
    r->ops->abort(t);
    assert_false(rig_exists(r, made));
    change_nothing(r, &s, s.p.pid);
    after = store_dump(r->s, 0);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void test_store_duplicate__refuses_what_cannot_be(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id made, other = rig_partition(r);
    struct store_txn *t;

    rig_fails(try_duplicate(r, 0x7777777, root, &made), OSD_E_NOT_FOUND);
    rig_fails(try_duplicate(r, s.p.pid, other, &made), OSD_E_EXISTS);
    rig_fails(try_duplicate(r, s.p.pid, s.p, &made), OSD_E_EXISTS);
    rig_fails(try_duplicate(r, 0, root, &made), OSD_E_INVALID);
    t = rig_begin(r, s.p, STORE_EXCLUSIVE); /* not the store */
    rig_fails(r->ops->duplicate(t, s.p.pid, root, &m, &made), OSD_E_INVALID);
    r->ops->abort(t);
    m.capacity_quota = B;
    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_fails(r->ops->duplicate(t, s.p.pid, root, &m, &made), OSD_E_QUOTA);
    assert_int_equal(t->quota, STORE_QUOTA_CAPACITY);
    r->ops->abort(t);
}

static void test_store_duplicate__needs_capacity_for_all_of_it(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_meta m = store_root_defaults(1);
    uint64_t used = rig_get_meta(r, root).used;
    struct store_id made;
    struct store_txn *t;

    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->format(t, used, &m));
    rig_commit(r, t);
    s = make_scene(r);
    rig_fails(try_duplicate(r, s.p.pid, root, &made), OSD_E_NO_SPACE);
}

/* Everything is there after a restart in the middle, whichever side was touched. */
static void test_store_duplicate__survives_a_restart(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);

    if (!rig_persists())
        return;
    char *before = content(r, s.p);
    struct store_id d = duplicate(r, s.p);
    rig_reopen(r);
    rig_check(r);
    change_bytes(r, &s, s.p.pid);
    rig_reopen(r);
    change_population(r, &s, s.p.pid);
    rig_check(r);
    rig_reopen(r);
    holds(r, d, before);
    rig_check(r);
    free(before);
}

/* A value of an object that has many takes the place of one as long: the object's record says the
 * same as before, and only what was copied in time keeps the old value over a restart. */
static void test_store_duplicate__keeps_an_attribute_replaced_by_one_as_long(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    static uint8_t value[5000];

    rig_fill(value, sizeof(value), 1);
    rig_set_attr(r, s.tagged, 9, 9, value, sizeof(value));
    char *before = content(r, s.p);
    struct store_id d = duplicate(r, s.p);
    rig_fill(value, sizeof(value), 2);
    rig_set_attr(r, s.tagged, 9, 9, value, sizeof(value));
    if (rig_persists())
        rig_reopen(r);
    holds(r, d, before);
    free(before);
}

/* ---- threads ---- */

struct writer {
    struct rig *r;
    struct scene s;
    uint64_t pid;
    bool failed;
};

static void *write_all(void *arg)
{
    struct writer *w = arg;
    const struct store_ops *ops = w->r->ops;

    for (int round = 0; round < 20; round++)
        for (int i = 0; i < MANY; i++) {
            struct store_id id = in(w->pid, w->s.many[i]);
            struct store_txn *t;
            osd_status st = ops->begin(w->r->s, id, STORE_EXCLUSIVE, &t);
            if (st == OSD_OK)
                st = rig_txn_write(t, id, (uint64_t)round * 700, "overwritten", 11);
            if (st == OSD_OK)
                st = ops->commit(t, 0);
            w->failed = w->failed || st;
        }
    return NULL;
}

static void test_store_duplicate__is_taken_at_one_moment_and_stays(void **state)
{
    struct rig *r = *state;
    struct writer w = {.r = r, .s = make_scene(r)};
    pthread_t thread;

    w.pid = w.s.p.pid;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
        struct store_id d = duplicate(r, w.s.p);
        char *early = content(r, d);
        pthread_join(thread, NULL);
        assert_false(w.failed);
        holds(r, d, early);
        free(early);
    }
}

static void test_store_duplicate__both_sides_change_at_once(void **state)
{
    struct rig *r = *state;
    struct writer w[2] = {{.r = r, .s = make_scene(r)}};
    pthread_t thread;

    w[1] = w[0];
    w[0].pid = w[0].s.p.pid;
    w[1].pid = duplicate(r, w[0].s.p).pid;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &w[1]), 0);
    write_all(&w[0]);
    pthread_join(thread, NULL);
    assert_false(w[0].failed || w[1].failed);
    char *text = content(r, (struct store_id){w[0].pid, 0});
    holds(r, (struct store_id){w[1].pid, 0}, text);
    free(text);
}

/* Removed before it was complete, again and again, while the source's writers and the background
 * copy into it: nothing of it may stay, and nothing of the source go. */
static void test_store_duplicate__goes_while_it_is_being_made(void **state)
{
    struct rig *r = *state;
    struct writer w = {.r = r, .s = make_scene(r)};
    uint64_t others = rig_get_meta(r, root).used - rig_get_meta(r, w.s.p).used;
    struct store_id d;
    pthread_t thread;

    w.pid = w.s.p.pid;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
    for (int i = 0; i < 60; i++) {
        d = duplicate(r, w.s.p);
        struct store_txn *t = rig_begin(r, i % 2 ? d : root, STORE_EXCLUSIVE);
        rig_ok(r->ops->remove(t, d, true));
        rig_commit(r, t);
    }
    pthread_join(thread, NULL);
    assert_false(w.failed);
    assert_false(rig_exists(r, d));
    assert_int_equal(rig_get_meta(r, root).used, others + rig_get_meta(r, w.s.p).used);
    rig_check(r);
    char *before = content(r, w.s.p);
    rig_reopen(r);
    if (rig_persists())
        holds(r, w.s.p, before);
    free(before);
}

/* Places of the blocks at off in the source and in the duplicate, and whether their bytes are the
 * same. */
static void two_places(struct rig *r, const struct store_id ids[2], uint64_t off,
                       uint64_t place[2], bool *ret_same)
{
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    uint8_t bytes[2][B] = {{0}};

    for (int i = 0; i < 2; i++) {
        struct iovec v = {bytes[i], B};
        struct osd_iov iov = osd_iov_make(&v, 1);
        enum store_extent kind;
        uint64_t len;
        place[i] = 0;
        osd_status st = r->ops->place(t, ids[i], off, &kind, &place[i], &len);
        if (st == OSD_E_PAST_END)
            continue;
        rig_ok(st);
        assert_true(len > 0);
        assert_true(kind == STORE_DATA || place[i] == 0);
        rig_ok(r->ops->read(t, ids[i], off, B, &iov, 0));
    }
    *ret_same = memcmp(bytes[0], bytes[1], B) == 0;
    rig_commit(r, t);
}

/* What has one place has the same bytes; what nobody changed has one place. */
static void test_store_duplicate__places_tell_what_is_shared(void **state)
{
    struct rig *r = *state;
    uint64_t place[2];
    bool same;

    for (size_t i = 0; i < N_CHANGES; i++) {
        struct scene s = make_scene(r);
        struct store_id d = duplicate(r, s.p), both[2] = {s.blocks, in(d.pid, s.blocks)};
        changes[i](r, &s, s.p.pid);
        if (!rig_exists(r, s.p) || !rig_exists(r, s.blocks))
            continue;
        for (uint64_t off = 0; off < CHUNK + 2 * B; off += B) {
            bool untouched = changes[i] == change_nothing ||
                             (changes[i] == change_bytes && off > B && off < CHUNK - B);
            two_places(r, both, off, place, &same);
            if (untouched)
                assert_true(place[0] != 0 && place[0] == place[1]);
            else
                assert_true(same || place[0] == 0 || place[0] != place[1]);
        }
    }
}

static struct store_id with_identity(struct rig *r, uint64_t identity)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    struct store_id made;

    m.identity = identity;
    rig_ok(r->ops->create(t, root, &m, &made));
    rig_commit(r, t);
    return made;
}

static void test_store_duplicate__identities_are_nobody_elses(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), q = duplicate(r, p), again;
    uint64_t of_p = rig_get_meta(r, p).identity, of_q = rig_get_meta(r, q).identity;
    struct store_meta m = rig_get_meta(r, q);

    assert_true(of_p != 0 && of_q != 0 && of_p != of_q);
    m.source_identity = of_p;
    m.identity = 1234;
    rig_put_meta(r, q, &m);
    rig_remove(r, p);
    rig_reopen(r);
    if (!rig_persists())
        return;
    assert_int_equal(rig_get_meta(r, q).source_identity, of_p);
    assert_int_equal(rig_get_meta(r, q).identity, of_q); /* not to be changed */
    assert_true(rig_get_meta(r, rig_partition(r)).identity > of_q);
    again = with_identity(r, of_p);
    assert_int_equal(rig_get_meta(r, again).identity, of_p);
}

int suite_duplicate(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_duplicate__holds_what_the_source_held),
        RIG_TEST(test_store_duplicate__stays_when_the_source_changes),
        RIG_TEST(test_store_duplicate__changes_without_the_source),
        RIG_TEST(test_store_duplicate__changes_as_the_source_does),
        RIG_TEST(test_store_duplicate__of_duplicates_and_several_of_one),
        RIG_TEST(test_store_duplicate__outlives_the_source),
        RIG_TEST(test_store_duplicate__goes_without_the_source),
        RIG_TEST(test_store_duplicate__counts_as_much_as_the_source),
        RIG_TEST(test_store_duplicate__in_place_of_a_removed_one),
        RIG_TEST(test_store_duplicate__aborted_never_was),
        RIG_TEST(test_store_duplicate__refuses_what_cannot_be),
        RIG_TEST(test_store_duplicate__needs_capacity_for_all_of_it),
        RIG_TEST(test_store_duplicate__survives_a_restart),
        RIG_TEST(test_store_duplicate__keeps_an_attribute_replaced_by_one_as_long),
        RIG_TEST(test_store_duplicate__is_taken_at_one_moment_and_stays),
        RIG_TEST(test_store_duplicate__both_sides_change_at_once),
        RIG_TEST(test_store_duplicate__goes_while_it_is_being_made),
        RIG_TEST(test_store_duplicate__places_tell_what_is_shared),
        RIG_TEST(test_store_duplicate__identities_are_nobody_elses),
    };

    return cmocka_run_group_tests_name("duplicate", tests, NULL, NULL);
}
