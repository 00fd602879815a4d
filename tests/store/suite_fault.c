/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_fault.c - conformance: after a failure at any call the store is as before
 *
 * Runs on the chosen store through store/fault.h; tests the wrapper at the same time. Would
 * catch: an abort that leaves something, a reservation that is not given back, a lock or a
 * claim that stays.
 */
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "rig.h"
#include "store/fault.h"
#include "suite.h"

#define B STORE_BLOCK

static const struct store_id root = {0, 0};

/* What the operations work on. */
struct scene {
    struct osd_store *s;           /* the wrapper */
    struct store_id p, user, copy; /* copy: a partition made from p */
    struct store_txn *t;           /* of the operation that runs */
};

/* Each does one operation inside a transaction and returns the first failure. */
typedef osd_status (*operation)(struct scene *c);

static osd_status op_create(struct scene *c)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id made;
    osd_status status = c->s->ops->create(c->t, c->p, &m, &made);

    if (status == OSD_OK)
        status = rig_txn_write(c->t, made, 3 * B, "new", 3);
    return status ? status : c->s->ops->create(c->t, c->p, &m, &made);
}

static osd_status op_create_given(struct scene *c)
{
    struct store_meta m = rig_meta(STORE_COLLECTION);
    struct store_id made;
    osd_status status =
        c->s->ops->create(c->t, (struct store_id){c->p.pid, 0x30000}, &m, &made);

    return status ? status : c->s->ops->set_attr(c->t, made, 4, 4, "new", 3);
}

static osd_status op_create_partition(struct scene *c)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id made;
    osd_status status = c->s->ops->create(c->t, root, &m, &made);

    return status ? status : c->s->ops->set_attr(c->t, made, 4, 4, "new", 3);
}

static osd_status op_remove(struct scene *c)
{
    return c->s->ops->remove(c->t, c->user, false);
}

static osd_status op_remove_partition(struct scene *c)
{
    return c->s->ops->remove(c->t, c->p, true);
}

static osd_status op_format(struct scene *c)
{
    struct store_meta m = rig_meta(STORE_ROOT);

    return c->s->ops->format(c->t, RIG_CAPACITY / 2, &m);
}

static osd_status op_write(struct scene *c)
{
    uint8_t bytes[3 * B];
    osd_status status;

    rig_fill(bytes, sizeof(bytes), 8);
    status = rig_txn_write(c->t, c->user, 100, bytes, sizeof(bytes));
    return status ? status : rig_txn_write(c->t, c->user, 50 * B, bytes, 2 * B);
}

static osd_status op_clear(struct scene *c)
{
    return c->s->ops->clear(c->t, c->user, 10, 3 * B);
}

static osd_status op_punch(struct scene *c)
{
    return c->s->ops->punch(c->t, c->user, 10, B + 3);
}

static osd_status op_truncate(struct scene *c)
{
    return c->s->ops->truncate(c->t, c->user, 7);
}

static osd_status op_put_meta(struct scene *c)
{
    struct store_meta m;
    osd_status status = c->s->ops->get_meta(c->t, c->user, &m);

    m.max_length = 1ULL << 41;
    return status ? status : c->s->ops->put_meta(c->t, c->user, &m);
}

static osd_status op_set_attr(struct scene *c)
{
    osd_status status = c->s->ops->set_attr(c->t, c->user, 1, 1, NULL, 0);

    return status ? status : c->s->ops->set_attr(c->t, c->user, 1, 2, "other", 5);
}

static osd_status op_set_index(struct scene *c)
{
    osd_status status = c->s->ops->set_attr(c->t, c->p, STORE_INDEX_PAGE, 1, NULL, 0);

    return status ? status
                  : c->s->ops->set_attr(c->t, c->p, STORE_INDEX_PAGE, 2, "\0\0\0\1\0\0\0\2", 8);
}

static bool any_attr(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    return true;
}

/* Calls that only look, then one that changes. */
static osd_status op_look(struct scene *c)
{
    uint64_t ids[4], next, changes, len;
    enum store_extent kind;
    uint32_t attr_len;
    char byte;
    size_t n;
    osd_status status = rig_txn_read(c->t, c->user, 5, &byte, 1);

    if (status == OSD_OK)
        status = c->s->ops->seek(c->t, c->user, 0, &kind, &len);
    if (status == OSD_OK)
        status = c->s->ops->get_attr(c->t, c->user, 1, 1, NULL, 0, &attr_len);
    if (status == OSD_OK)
        status = c->s->ops->each_attr(c->t, c->user, 0, 0, any_attr, NULL);
    if (status == OSD_OK)
        status = c->s->ops->list(c->t, c->p.pid, STORE_USER, 0, ids, 4, &n, &next, &changes);
    return status ? status : rig_txn_write(c->t, c->user, 0, "look", 4);
}

static osd_status op_record(struct scene *c)
{
    uint8_t nonce[STORE_NONCE_LEN] = {1};
    osd_status status = c->s->ops->record(c->t, nonce, "x", 1);

    return status ? status : rig_txn_write(c->t, c->user, 0, "record", 6);
}

static osd_status op_duplicate(struct scene *c)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id made;
    osd_status status = c->s->ops->duplicate(c->t, c->p.pid, root, &m, &made);

    return status ? status : c->s->ops->set_attr(c->t, made, 4, 4, "new", 3);
}

/* The source's place is taken by what is made from its duplicate. */
static osd_status op_restore(struct scene *c)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id made;
    osd_status status = c->s->ops->remove(c->t, c->p, true);

    if (status == OSD_OK)
        status = c->s->ops->duplicate(c->t, c->copy.pid, c->p, &m, &made);
    return status ? status : c->s->ops->set_attr(c->t, c->p, 4, 4, "restored", 8);
}

enum where { ON_USER, ON_PARTITION, ON_ROOT };

static const struct {
    operation run;
    enum where where;
    enum store_mode mode;
} operations[] = {
    {op_create, ON_PARTITION, STORE_SHARED},
    {op_create_given, ON_PARTITION, STORE_SHARED},
    {op_create_partition, ON_ROOT, STORE_SHARED},
    {op_remove, ON_USER, STORE_EXCLUSIVE},
    {op_remove_partition, ON_PARTITION, STORE_EXCLUSIVE},
    {op_format, ON_ROOT, STORE_EXCLUSIVE},
    {op_write, ON_USER, STORE_EXCLUSIVE},
    {op_clear, ON_USER, STORE_EXCLUSIVE},
    {op_punch, ON_USER, STORE_EXCLUSIVE},
    {op_truncate, ON_USER, STORE_EXCLUSIVE},
    {op_put_meta, ON_USER, STORE_EXCLUSIVE},
    {op_set_attr, ON_USER, STORE_EXCLUSIVE},
    {op_set_index, ON_PARTITION, STORE_EXCLUSIVE},
    {op_look, ON_USER, STORE_EXCLUSIVE},
    {op_record, ON_USER, STORE_EXCLUSIVE},
    {op_duplicate, ON_ROOT, STORE_EXCLUSIVE},
    {op_restore, ON_ROOT, STORE_EXCLUSIVE},
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const osd_status statuses[] = {OSD_E_IO, OSD_E_NO_SPACE, OSD_E_NOMEM};

/* The operation as a transaction; a caller that commits in spite of failures if `stubborn`. */
static osd_status run(struct scene *c, size_t op, bool stubborn)
{
    const struct store_id on[] = {c->user, c->p, root};
    osd_status status =
        c->s->ops->begin(c->s, on[operations[op].where], operations[op].mode, &c->t);

    if (status)
        return status;
    status = operations[op].run(c);
    if (status == OSD_OK || stubborn)
        return c->s->ops->commit(c->t, 0);
    c->s->ops->abort(c->t);
    return status;
}

static struct store_id copy_of(struct rig *r, struct store_id source)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, root, STORE_EXCLUSIVE);
    struct store_id made;

    rig_ok(r->ops->duplicate(t, source.pid, root, &m, &made));
    rig_commit(r, t);
    return made;
}

static void build_scene(struct rig *r, struct scene *c)
{
    uint8_t bytes[6 * B];

    c->p = rig_partition(r);
    c->user = rig_object(r, c->p.pid);
    rig_fill(bytes, sizeof(bytes), 1);
    rig_write(r, c->user, 0, bytes, sizeof(bytes));
    rig_set_attr(r, c->user, 1, 1, "one", 3);
    rig_set_attr(r, c->user, 1, 2, bytes, 5000);
    rig_set_attr(r, c->p, 1, 1, "partition", 9);
    rig_set_attr(r, c->p, STORE_INDEX_PAGE, 1, "\0\0\0\1\xff\xff\xff\xff", 8);
    rig_collection(r, c->p.pid);
    c->copy = copy_of(r, c->p);
}

/* Wrap the rig's store for the test; the rig closes the wrapper. */
static struct scene wrap(struct rig *r)
{
    struct scene c = {.s = NULL};

    rig_ok(store_fault_wrap(r->s, &c.s));
    r->s = c.s;
    r->ops = c.s->ops;
    build_scene(r, &c);
    return c;
}

static void same_as(struct rig *r, const char *before)
{
    char *after;

    store_fault_arm(r->s, 0, OSD_OK);
    assert_int_equal(store_fault_open_transactions(r->s), 0);
    after = store_dump(r->s, STORE_DUMP_TIMES);
    assert_string_equal(before, after);
    rig_check(r);
    free(after);
}

/* Fail the operation at every call with every status, then let it succeed. */
static void exhaust(struct rig *r, struct scene *c, size_t op, bool stubborn)
{
    char *before = store_dump(r->s, STORE_DUMP_TIMES), *after;
    osd_status status = OSD_E_IO;

    for (uint64_t nth = 1; status != OSD_OK; nth++) {
        osd_status injected = statuses[nth % 3];
        assert_true(nth < 100);
        store_fault_arm(r->s, nth, injected);
        status = run(c, op, stubborn);
        if (status == OSD_OK)
            break;
        assert_int_equal(status, injected);
        same_as(r, before);
    }
    store_fault_arm(r->s, 0, OSD_OK);
    after = store_dump(r->s, STORE_DUMP_TIMES);
    assert_string_not_equal(before, after);
    free(before);
    free(after);
}

static void test_store_fault__every_failed_call_leaves_the_content_as_before(void **state)
{
    struct rig *r = *state;
    struct scene c = wrap(r);

    for (size_t op = 0; op < OPERATIONS; op++) {
        build_scene(r, &c);
        exhaust(r, &c, op, false);
    }
}

static void test_store_fault__a_caller_that_commits_all_the_same_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct scene c = wrap(r);

    for (size_t op = 0; op < OPERATIONS; op++) {
        build_scene(r, &c);
        exhaust(r, &c, op, true);
    }
}

static void test_store_fault__calls_outside_transactions_fail_too(void **state)
{
    struct rig *r = *state;
    struct scene c = wrap(r);
    uint8_t nonce[STORE_NONCE_LEN] = {9}, out[STORE_OUTCOME_MAX];
    struct store_check_result result;
    size_t len;

    rig_ok(c.s->ops->put_setting(c.s, "name", "old", 3));
    store_fault_arm(c.s, 1, OSD_E_IO);
    rig_fails(c.s->ops->flush(c.s), OSD_E_IO);
    rig_ok(c.s->ops->flush(c.s)); /* once only */
    store_fault_arm(c.s, 1, OSD_E_IO);
    rig_fails(c.s->ops->publish(c.s), OSD_E_IO);
    rig_ok(c.s->ops->publish(c.s));
    store_fault_arm(c.s, 1, OSD_E_IO);
    rig_fails(c.s->ops->put_setting(c.s, "name", "new", 3), OSD_E_IO);
    store_fault_arm(c.s, 1, OSD_E_IO);
    rig_fails(c.s->ops->get_setting(c.s, "name", out, sizeof(out), &len), OSD_E_IO);
    store_fault_arm(c.s, 1, OSD_E_IO);
    rig_fails(c.s->ops->recall(c.s, nonce, out, &len), OSD_E_IO);
    store_fault_arm(c.s, 1, OSD_E_IO);
    rig_fails(c.s->ops->check(c.s, false, NULL, NULL, &result), OSD_E_IO);
    assert_int_equal(store_fault_calls(c.s), 1);
    rig_ok(c.s->ops->get_setting(c.s, "name", out, sizeof(out), &len));
    assert_memory_equal(out, "old", 3);
    assert_int_equal(store_fault_calls(c.s), 2);
}

/* An id whose creation failed must not stay claimed, a quota not stay reserved. */
static void test_store_fault__failed_creations_leave_ids_and_quotas_free(void **state)
{
    struct rig *r = *state;
    struct scene c = wrap(r);
    struct store_meta m = rig_get_meta(r, c.p), user = rig_meta(STORE_USER);
    struct store_id id = {c.p.pid, 0x44444}, made;

    m.object_quota = m.count + 1;
    m.capacity_quota = m.used + B;
    rig_put_meta(r, c.p, &m);
    for (uint64_t nth = 1; nth <= 4; nth++) {
        struct store_txn *t = NULL;
        osd_status status;
        store_fault_arm(c.s, nth, OSD_E_IO);
        status = c.s->ops->begin(c.s, c.p, STORE_SHARED, &t);
        if (status == OSD_OK) {
            status = c.s->ops->create(t, id, &user, &made);
            if (status == OSD_OK)
                status = rig_txn_write(t, id, 0, "abc", 3);
            if (status == OSD_OK)
                status = c.s->ops->commit(t, 0);
            else
                c.s->ops->abort(t);
        }
        assert_int_equal(status, OSD_E_IO);
    }
    store_fault_arm(c.s, 0, OSD_OK);
    rig_write(r, c.user, 100 * B, "x", 1);
    assert_int_equal(rig_object(r, c.p.pid).pid, c.p.pid);
}

static void test_store_fault__the_quota_that_stopped_a_call_shows_through(void **state)
{
    struct rig *r = *state;
    struct scene c = wrap(r);
    struct store_txn *t = rig_begin(r, c.user, STORE_EXCLUSIVE);

    rig_fails(c.s->ops->truncate(t, c.user, STORE_LENGTH_MAX + 1), OSD_E_QUOTA);
    assert_int_equal(t->quota, STORE_QUOTA_LENGTH);
    assert_int_equal(store_fault_open_transactions(c.s), 1);
    c.s->ops->abort(t);
}

int suite_fault(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_fault__every_failed_call_leaves_the_content_as_before),
        RIG_TEST(test_store_fault__a_caller_that_commits_all_the_same_changes_nothing),
        RIG_TEST(test_store_fault__calls_outside_transactions_fail_too),
        RIG_TEST(test_store_fault__failed_creations_leave_ids_and_quotas_free),
        RIG_TEST(test_store_fault__the_quota_that_stopped_a_call_shows_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
