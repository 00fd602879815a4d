/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_txn.c - conformance: all or nothing, read your writes, locks
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"
#include "rig.h"
#include "suite.h"

#define B STORE_BLOCK

static const struct store_id root = {0, 0};

/* A store with a little of everything, to be damaged by half-done transactions. */
struct scene {
    struct store_id p, q, user, other, collection;
};

static struct scene make_scene(struct rig *r)
{
    struct scene s;
    uint8_t bytes[6 * B];

    s.p = rig_partition(r);
    s.q = rig_partition(r);
    s.user = rig_object(r, s.p.pid);
    s.other = rig_object(r, s.p.pid);
    s.collection = rig_collection(r, s.p.pid);
    rig_fill(bytes, sizeof(bytes), 3);
    rig_write(r, s.user, 0, bytes, sizeof(bytes));
    rig_write(r, s.user, 10 * B + 5, bytes, 5 * B);
    rig_set_attr(r, s.user, 1, 1, "one", 3);
    rig_set_attr(r, s.user, 1, 2, bytes, 5000);
    rig_set_attr(r, s.p, 1, 1, "partition", 9);
    rig_set_attr(r, root, 1, 1, "root", 4);
    rig_object(r, s.q.pid);
    return s;
}

/* ---- abort ---- */

typedef void (*change)(struct rig *r, struct store_txn *t, const struct scene *s);

static void change_data(struct rig *r, struct store_txn *t, const struct scene *s)
{
    rig_ok(rig_txn_write(t, s->user, B / 2, "xyz", 3));
    rig_ok(rig_txn_write(t, s->user, 7 * B, "in a hole", 9));
    rig_ok(r->ops->clear(t, s->user, B, 2 * B + 5));
    rig_ok(r->ops->punch(t, s->user, 3, B + 1));
    rig_ok(r->ops->truncate(t, s->user, 9 * B + 1));
    rig_ok(rig_txn_write(t, s->user, 1ULL << 40, "far", 3));
}

static void change_attrs(struct rig *r, struct store_txn *t, const struct scene *s)
{
    rig_ok(r->ops->set_attr(t, s->user, 1, 1, "changed", 7));
    rig_ok(r->ops->set_attr(t, s->user, 1, 2, NULL, 0));
    rig_ok(r->ops->set_attr(t, s->user, 5, 5, "new", 3));
}

static void change_meta(struct rig *r, struct store_txn *t, const struct scene *s)
{
    struct store_meta m = rig_meta(STORE_USER);

    m.max_length = 7;
    m.created = 8;
    m.data_modified = 9;
    rig_ok(r->ops->put_meta(t, s->user, &m));
}

static void change_remove(struct rig *r, struct store_txn *t, const struct scene *s)
{
    rig_ok(r->ops->remove(t, s->user, false));
}

static void change_replace(struct rig *r, struct store_txn *t, const struct scene *s)
{
    struct store_meta m = rig_meta(STORE_COLLECTION);
    struct store_id made;

    rig_ok(r->ops->remove(t, s->user, false));
    rig_ok(r->ops->create(t, s->user, &m, &made));
    rig_ok(r->ops->set_attr(t, s->user, 1, 1, "reborn", 6));
}

static void change_create(struct rig *r, struct store_txn *t, const struct scene *s)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id made;

    for (int i = 0; i < 10; i++) {
        rig_ok(r->ops->create(t, s->p, &m, &made));
        rig_ok(rig_txn_write(t, made, (uint64_t)i * B, "new", 3));
        rig_ok(r->ops->set_attr(t, made, 1, 1, "new", 3));
    }
}

static void change_partition(struct rig *r, struct store_txn *t, const struct scene *s)
{
    struct store_meta m = rig_meta(STORE_PARTITION);

    change_data(r, t, s);
    change_attrs(r, t, s);
    change_create(r, t, s);
    rig_ok(r->ops->remove(t, s->other, false));
    rig_ok(r->ops->set_attr(t, s->p, 1, 1, NULL, 0));
    m.object_quota = 1000;
    rig_ok(r->ops->put_meta(t, s->p, &m));
}

static void change_drop(struct rig *r, struct store_txn *t, const struct scene *s)
{
    change_create(r, t, s);
    rig_ok(r->ops->remove(t, s->p, true));
}

static void change_new_partition(struct rig *r, struct store_txn *t, const struct scene *s)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id made;

    rig_ok(r->ops->create(t, root, &m, &made));
    rig_ok(r->ops->set_attr(t, made, 1, 1, "new", 3));
}

static void change_format(struct rig *r, struct store_txn *t, const struct scene *s)
{
    struct store_meta m = rig_meta(STORE_ROOT);

    change_partition(r, t, s);
    rig_ok(r->ops->format(t, 1 << 21, &m));
    change_new_partition(r, t, s);
}

static void test_store_txn__abort_undoes_everything(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    const struct {
        change make;
        struct store_id on;
        enum store_mode mode;
    } cases[] = {
        {change_data, s.user, STORE_EXCLUSIVE},
        {change_attrs, s.user, STORE_EXCLUSIVE},
        {change_meta, s.user, STORE_EXCLUSIVE},
        {change_remove, s.user, STORE_EXCLUSIVE},
        {change_replace, s.user, STORE_EXCLUSIVE},
        {change_create, s.p, STORE_SHARED},
        {change_partition, s.p, STORE_EXCLUSIVE},
        {change_drop, s.p, STORE_EXCLUSIVE},
        {change_new_partition, root, STORE_SHARED},
        {change_format, root, STORE_EXCLUSIVE},
        {change_new_partition, root, STORE_EXCLUSIVE},
        {change_partition, root, STORE_EXCLUSIVE},
    };
    char *before = store_dump(r->s, STORE_DUMP_TIMES);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_txn *t = rig_begin(r, cases[i].on, cases[i].mode);
        char *after;
        cases[i].make(r, t, &s);
        r->ops->abort(t);
        after = store_dump(r->s, STORE_DUMP_TIMES);
        assert_string_equal(before, after);
        rig_check(r);
        free(after);
    }
    free(before);
}

/* The same changes committed must not be the same as before: a dump that sees nothing, or a
 * commit that does nothing, would let the test above pass. */
static void test_store_txn__commit_keeps_everything(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    const struct {
        change make;
        struct store_id on;
        enum store_mode mode;
    } cases[] = {
        {change_data, s.user, STORE_EXCLUSIVE},     {change_attrs, s.user, STORE_EXCLUSIVE},
        {change_meta, s.user, STORE_EXCLUSIVE},     {change_create, s.p, STORE_SHARED},
        {change_new_partition, root, STORE_SHARED}, {change_replace, s.user, STORE_EXCLUSIVE},
        {change_drop, s.p, STORE_EXCLUSIVE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *before = store_dump(r->s, STORE_DUMP_TIMES), *after;
        struct store_txn *t = rig_begin(r, cases[i].on, cases[i].mode);
        cases[i].make(r, t, &s);
        rig_commit(r, t);
        after = store_dump(r->s, STORE_DUMP_TIMES);
        assert_string_not_equal(before, after);
        rig_check(r);
        free(before);
        free(after);
    }
}

static void test_store_txn__a_commit_after_a_failed_change_keeps_nothing(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_meta m = rig_get_meta(r, s.user);
    char *before, *after;
    struct store_txn *t;

    m.max_length = 100 * B;
    rig_put_meta(r, s.user, &m);
    before = store_dump(r->s, STORE_DUMP_TIMES);
    t = rig_begin(r, s.user, STORE_EXCLUSIVE);
    rig_ok(rig_txn_write(t, s.user, 0, "half", 4));
    rig_fails(r->ops->truncate(t, s.user, 100 * B + 1), OSD_E_QUOTA);
    rig_fails(r->ops->commit(t, 0), OSD_E_QUOTA);
    after = store_dump(r->s, STORE_DUMP_TIMES);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_store_txn__not_found_leaves_the_transaction_usable(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_id absent = {o.pid, 0x777777};
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);
    struct store_meta m;
    uint32_t len;

    rig_ok(rig_txn_write(t, o, 0, "abc", 3));
    rig_fails(r->ops->get_meta(t, absent, &m), OSD_E_NOT_FOUND);
    rig_fails(r->ops->get_attr(t, o, 3, 3, NULL, 0, &len), OSD_E_NOT_FOUND);
    rig_commit(r, t);
    assert_int_equal(rig_get_meta(r, o).length, 3);
}

/* A partition, and an object in it with bytes, by ids that were in use. */
static void make_again(struct rig *r, struct store_txn *t, struct store_id p, struct store_id o)
{
    struct store_meta as_partition = rig_meta(STORE_PARTITION),
                      as_object = rig_meta(STORE_USER);
    struct store_id made;

    rig_ok(r->ops->create(t, p, &as_partition, &made));
    rig_ok(r->ops->create(t, o, &as_object, &made));
    rig_ok(rig_txn_write(t, o, 0, "abc", 3));
    rig_commit(r, t);
    assert_int_equal(rig_get_meta(r, o).length, 3);
    assert_int_equal(rig_get_meta(r, p).count, 1);
}

/* Would catch: looking into a batch that there is not, where nothing else can have it. */
static void test_store_txn__what_went_at_once_is_made_again(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_meta m = rig_meta(STORE_ROOT);
    struct store_txn *t;

    rig_ballast(r, p.pid);
    t = rig_begin(r, p, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, p, true));
    make_again(r, t, p, o);
    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->format(t, 0, &m));
    make_again(r, t, p, o);
}

/* ---- permission ---- */

static void test_store_txn__bytes_are_read_under_a_lock_that_covers_them(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    const struct {
        struct store_id held;
        enum store_mode mode;
        osd_status want;
    } cases[] = {
        {s.user, STORE_SHARED, OSD_OK},        {s.other, STORE_EXCLUSIVE, OSD_E_INVALID},
        {s.p, STORE_SHARED, OSD_E_INVALID},    {s.p, STORE_EXCLUSIVE, OSD_OK},
        {s.q, STORE_EXCLUSIVE, OSD_E_INVALID}, {root, STORE_SHARED, OSD_E_INVALID},
        {root, STORE_EXCLUSIVE, OSD_OK},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_txn *t = rig_begin(r, cases[i].held, cases[i].mode);
        enum store_extent kind;
        uint64_t len;
        char byte;
        rig_fails(rig_txn_read(t, s.user, 0, &byte, 1), cases[i].want);
        rig_fails(r->ops->seek(t, s.user, 0, &kind, &len), cases[i].want);
        r->ops->abort(t);
    }
}

static void test_store_txn__creation_and_removal_need_the_right_lock(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_id fresh = {s.p.pid, 0x91919}, fresh_part = {0x91919, 0};
    const struct {
        struct store_id held, id;
        enum store_mode mode;
        enum store_kind kind;
        osd_status create, remove;
    } cases[] = {
        {s.user, fresh, STORE_EXCLUSIVE, STORE_USER, OSD_E_INVALID, OSD_E_INVALID},
        {s.q, fresh, STORE_EXCLUSIVE, STORE_USER, OSD_E_INVALID, OSD_E_INVALID},
        {root, fresh, STORE_SHARED, STORE_USER, OSD_E_INVALID, OSD_E_INVALID},
        {root, fresh, STORE_EXCLUSIVE, STORE_USER, OSD_OK, OSD_OK},
        {s.p, fresh, STORE_EXCLUSIVE, STORE_USER, OSD_OK, OSD_OK},
        {s.p, fresh_part, STORE_EXCLUSIVE, STORE_PARTITION, OSD_E_INVALID, OSD_E_INVALID},
        {s.p, fresh_part, STORE_SHARED, STORE_PARTITION, OSD_E_INVALID, OSD_E_INVALID},
        {root, fresh_part, STORE_EXCLUSIVE, STORE_PARTITION, OSD_OK, OSD_OK},
        {fresh_part, fresh_part, STORE_EXCLUSIVE, STORE_PARTITION, OSD_OK, OSD_OK},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_id there = cases[i].kind == STORE_PARTITION ? s.p : s.other, made;
        struct store_meta m = rig_meta(cases[i].kind);
        struct store_txn *t = rig_begin(r, cases[i].held, cases[i].mode);
        rig_fails(r->ops->create(t, cases[i].id, &m, &made), cases[i].create);
        if (cases[i].create == OSD_OK)
            rig_ok(r->ops->remove(t, made, false)); /* what it made itself it may remove */
        r->ops->abort(t);
        if (cases[i].remove == OSD_OK || there.oid == 0)
            continue;
        t = rig_begin(r, cases[i].held, cases[i].mode);
        rig_fails(r->ops->remove(t, there, true), cases[i].remove);
        r->ops->abort(t);
    }
}

/* ---- read your writes ---- */

static void test_store_txn__later_calls_see_earlier_ones(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_txn *t = rig_begin(r, s.user, STORE_EXCLUSIVE);
    struct store_meta m, before = rig_meta(STORE_USER);
    enum store_extent kind;
    char out[16];
    uint64_t len;
    uint32_t n;

    rig_ok(r->ops->get_meta(t, s.p, &before));
    rig_ok(rig_txn_write(t, s.user, 20 * B, "fresh", 5));
    rig_ok(rig_txn_read(t, s.user, 20 * B - 1, out, 7));
    assert_memory_equal(out, "\0fresh\0", 7);
    rig_ok(r->ops->get_meta(t, s.user, &m));
    assert_int_equal(m.length, 20 * B + 5);
    rig_ok(r->ops->seek(t, s.user, 20 * B, &kind, &len));
    assert_int_equal(kind, STORE_DATA);
    rig_ok(r->ops->set_attr(t, s.user, 1, 1, "two", 3));
    rig_ok(r->ops->get_attr(t, s.user, 1, 1, out, sizeof(out), &n));
    assert_memory_equal(out, "two", 3);
    rig_ok(r->ops->get_meta(t, s.p, &m));
    assert_int_equal(m.used, before.used + B);
    rig_ok(r->ops->get_meta(t, root, &m));
    rig_ok(r->ops->truncate(t, s.user, 20 * B));
    rig_ok(rig_txn_write(t, s.user, 20 * B + 2, "x", 1));
    rig_ok(rig_txn_read(t, s.user, 20 * B, out, 4));
    assert_memory_equal(out, "\0\0x\0", 4);
    rig_ok(r->ops->get_meta(t, s.user, &m));
    m.max_length = 1ULL << 33;
    rig_ok(r->ops->put_meta(t, s.user, &m));
    rig_ok(r->ops->get_meta(t, s.user, &m));
    assert_int_equal(m.max_length, 1ULL << 33);
    rig_ok(r->ops->remove(t, s.user, false));
    rig_fails(r->ops->get_meta(t, s.user, &m), OSD_E_NOT_FOUND);
    rig_fails(r->ops->get_attr(t, s.user, 1, 1, out, sizeof(out), &n), OSD_E_NOT_FOUND);
    rig_ok(r->ops->get_meta(t, s.p, &m));
    assert_int_equal(m.count, before.count - 1);
    rig_commit(r, t);
}

struct look {
    struct rig *r;
    struct store_id on, id;
    osd_status status;
    struct store_meta meta;
};

static void *look(void *arg)
{
    struct look *l = arg;
    struct store_txn *t;

    l->status = l->r->ops->begin(l->r->s, l->on, STORE_SHARED, &t);
    if (l->status == OSD_OK) {
        l->status = l->r->ops->get_meta(t, l->id, &l->meta);
        l->r->ops->abort(t);
    }
    return NULL;
}

/* Look at id from another thread's transaction on `on`. */
static struct look look_from_elsewhere(struct rig *r, struct store_id on, struct store_id id)
{
    struct look l = {.r = r, .on = on, .id = id};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, look, &l), 0);
    pthread_join(thread, NULL);
    return l;
}

static void test_store_txn__nobody_else_sees_it_before_commit(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    struct store_meta m = rig_meta(STORE_USER);
    uint64_t length = rig_get_meta(r, s.user).length, used = rig_get_meta(r, s.p).used;
    uint64_t count = rig_get_meta(r, s.p).count;
    struct store_id made;
    struct store_txn *t = rig_begin(r, s.p, STORE_SHARED);
    struct look l;

    rig_ok(r->ops->create(t, s.p, &m, &made));
    rig_ok(rig_txn_write(t, made, 0, "abc", 3));
    assert_int_equal(look_from_elsewhere(r, s.other, made).status, OSD_E_NOT_FOUND);
    l = look_from_elsewhere(r, s.other, s.p);
    assert_true(l.status == OSD_OK && l.meta.count == count && l.meta.used == used);
    rig_commit(r, t);
    assert_int_equal(look_from_elsewhere(r, s.other, made).status, OSD_OK);

    t = rig_begin(r, s.user, STORE_EXCLUSIVE);
    rig_ok(rig_txn_write(t, s.user, 100 * B, "abc", 3));
    l = look_from_elsewhere(r, s.p, s.user);
    assert_true(l.status == OSD_OK && l.meta.length == length);
    rig_commit(r, t);
    l = look_from_elsewhere(r, s.p, s.user);
    assert_int_equal(l.meta.length, 100 * B + 3);
}

/* ---- locks ---- */

struct waiter {
    struct rig *r;
    struct store_id id;
    enum store_mode mode;
    int began;
};

static void *wait_for_lock(void *arg)
{
    struct waiter *w = arg;
    struct store_txn *t;

    if (w->r->ops->begin(w->r->s, w->id, w->mode, &t) == OSD_OK) {
        __atomic_store_n(&w->began, 1, __ATOMIC_SEQ_CST);
        w->r->ops->abort(t);
    }
    return NULL;
}

struct lock_case {
    struct store_id held;
    enum store_mode held_mode;
    struct store_id wanted;
    enum store_mode wanted_mode;
    bool waits;
    bool hashed; /* a hash with a random seed tells their locks: they may have the same */
};

static bool began_within_ms(struct waiter *w, int ms)
{
    for (int i = 0; i < ms; i++) {
        if (__atomic_load_n(&w->began, __ATOMIC_SEQ_CST))
            return true;
        usleep(1000);
    }
    return __atomic_load_n(&w->began, __ATOMIC_SEQ_CST);
}

/* How long those have to wait that do, and may wait that do not, as the machine is busy. */
#define SHORT_MS 30
#define LONG_MS  20000

static bool has_waited(struct rig *r, const struct lock_case *c, struct store_id wanted)
{
    struct waiter w = {.r = r, .id = wanted, .mode = c->wanted_mode};
    struct store_txn *t = rig_begin(r, c->held, c->held_mode);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &w), 0);
    bool began = began_within_ms(&w, c->waits ? SHORT_MS : LONG_MS);
    r->ops->abort(t);
    pthread_join(thread, NULL);
    assert_true(w.began);
    return !began;
}

static struct store_id another(struct rig *r, struct store_id id)
{
    return id.oid ? rig_object(r, id.pid) : rig_partition(r);
}

static void test_store_txn__locks_exclude_as_stated(void **state)
{
    struct rig *r = *state;
    struct scene s = make_scene(r);
    const struct lock_case cases[] = {
        {s.user, STORE_SHARED, s.user, STORE_SHARED, false},
        {s.user, STORE_SHARED, s.user, STORE_EXCLUSIVE, true},
        {s.user, STORE_EXCLUSIVE, s.user, STORE_SHARED, true},
        {s.user, STORE_EXCLUSIVE, s.other, STORE_EXCLUSIVE, false, true},
        {s.user, STORE_EXCLUSIVE, s.p, STORE_SHARED, false},
        {s.user, STORE_SHARED, s.p, STORE_EXCLUSIVE, true},
        {s.p, STORE_SHARED, s.p, STORE_SHARED, false},
        {s.p, STORE_EXCLUSIVE, s.user, STORE_SHARED, true},
        {s.p, STORE_EXCLUSIVE, s.q, STORE_EXCLUSIVE, false, true},
        {s.p, STORE_EXCLUSIVE, root, STORE_SHARED, false},
        {s.p, STORE_SHARED, root, STORE_EXCLUSIVE, true},
        {root, STORE_SHARED, s.p, STORE_EXCLUSIVE, false},
        {root, STORE_EXCLUSIVE, s.user, STORE_SHARED, true},
        {root, STORE_EXCLUSIVE, root, STORE_SHARED, true},
        {{s.p.pid, 0x888888}, STORE_EXCLUSIVE, {s.p.pid, 0x888888}, STORE_SHARED, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool waited = has_waited(r, &cases[i], cases[i].wanted);
        for (int again = 0; again < 3 && waited && cases[i].hashed; again++)
            waited = has_waited(r, &cases[i], another(r, cases[i].wanted));
        if (waited != cases[i].waits)
            fail_msg("case %zu: %s", i, waited ? "waited" : "did not wait");
    }
}

/* ---- exactly one creator ---- */

struct creator {
    struct rig *r;
    struct store_id id;
    osd_status status;
};

static void *create_one(void *arg)
{
    struct creator *c = arg;
    struct store_meta m = rig_meta(c->id.oid ? STORE_USER : STORE_PARTITION);
    struct store_id on = {c->id.oid ? c->id.pid : 0, 0}, made;
    struct store_txn *t;

    c->status = c->r->ops->begin(c->r->s, on, STORE_SHARED, &t);
    if (c->status)
        return NULL;
    c->status = c->r->ops->create(t, c->id, &m, &made);
    if (c->status)
        c->r->ops->abort(t);
    else
        c->status = c->r->ops->commit(t, 0);
    return NULL;
}

static void race_for(struct rig *r, struct store_id id)
{
    struct creator c[8];
    pthread_t threads[8];
    unsigned won = 0;

    for (int i = 0; i < 8; i++) {
        c[i] = (struct creator){.r = r, .id = id};
        assert_int_equal(pthread_create(&threads[i], NULL, create_one, &c[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        won += c[i].status == OSD_OK;
        assert_true(c[i].status == OSD_OK || c[i].status == OSD_E_EXISTS ||
                    c[i].status == OSD_E_BUSY);
    }
    assert_int_equal(won, 1);
    assert_true(rig_exists(r, id));
}

static void test_store_txn__one_creator_of_an_id_wins(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);

    for (uint64_t i = 0; i < 40; i++) {
        race_for(r, (struct store_id){p.pid, 0x50000 + i});
        race_for(r, (struct store_id){0x50000 + i, 0});
    }
    assert_int_equal(rig_get_meta(r, p).count, 40);
    assert_int_equal(rig_get_meta(r, root).count, 41);
}

static void test_store_txn__an_aborted_creation_frees_its_id(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), id = {p.pid, 0x40000}, made;
    struct store_meta m = rig_meta(STORE_USER);
    struct creator c = {.r = r, .id = id};
    struct store_txn *t = rig_begin(r, p, STORE_SHARED);
    pthread_t thread;

    rig_ok(r->ops->create(t, id, &m, &made));
    assert_int_equal(pthread_create(&thread, NULL, create_one, &c), 0);
    pthread_join(thread, NULL);
    assert_true(c.status == OSD_E_EXISTS || c.status == OSD_E_BUSY);
    r->ops->abort(t);
    create_one(&c);
    assert_int_equal(c.status, OSD_OK);
}

/* Left to publish(): seen at once, by readers without a lock too, and nothing to do afterwards. */
static void test_store_txn__a_change_that_is_published_later_is_there_for_everybody(
    void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    uint64_t ids[4], next, changes;
    uint8_t got[3];
    size_t n = 0;

    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(rig_txn_write(t, o, 0, "abc", 3));
    rig_ok(r->ops->commit(t, STORE_COMMIT_LATER));
    rig_read(r, o, 0, got, 3);
    assert_memory_equal(got, "abc", 3);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->remove(t, o, false));
    rig_ok(r->ops->commit(t, STORE_COMMIT_LATER));
    t = rig_begin(r, p, STORE_SHARED);
    rig_ok(r->ops->list(t, p.pid, STORE_USER, 0, ids, 4, &n, &next, &changes));
    r->ops->abort(t);
    assert_int_equal(n, 0);
    rig_ok(r->ops->publish(r->s));
    rig_ok(r->ops->publish(r->s));
    rig_check(r);
}

int suite_txn(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_txn__abort_undoes_everything),
        RIG_TEST(test_store_txn__commit_keeps_everything),
        RIG_TEST(test_store_txn__a_commit_after_a_failed_change_keeps_nothing),
        RIG_TEST(test_store_txn__not_found_leaves_the_transaction_usable),
        RIG_TEST(test_store_txn__what_went_at_once_is_made_again),
        RIG_TEST(test_store_txn__bytes_are_read_under_a_lock_that_covers_them),
        RIG_TEST(test_store_txn__creation_and_removal_need_the_right_lock),
        RIG_TEST(test_store_txn__later_calls_see_earlier_ones),
        RIG_TEST(test_store_txn__nobody_else_sees_it_before_commit),
        RIG_TEST(test_store_txn__locks_exclude_as_stated),
        RIG_TEST(test_store_txn__a_change_that_is_published_later_is_there_for_everybody),
        RIG_TEST(test_store_txn__one_creator_of_an_id_wins),
        RIG_TEST(test_store_txn__an_aborted_creation_frees_its_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
