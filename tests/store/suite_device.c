/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_device.c - conformance: what belongs to the store as a whole: remembered
 * outcomes, touched times, settings, information, flush, check
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

static const struct store_id root = {0, 0};

/* ---- outcomes ---- */

static void make_nonce(uint8_t *nonce, uint32_t n)
{
    memset(nonce, 0, STORE_NONCE_LEN);
    memcpy(nonce + 3, &n, sizeof(n));
}

static void remember(struct rig *r, uint32_t n, const void *outcome, size_t len)
{
    struct store_txn *t = rig_begin(r, root, STORE_SHARED);
    uint8_t nonce[STORE_NONCE_LEN];

    make_nonce(nonce, n);
    rig_ok(r->ops->record(t, nonce, outcome, len));
    rig_commit(r, t);
}

static osd_status recall(struct rig *r, uint32_t n, void *outcome, size_t *len)
{
    uint8_t nonce[STORE_NONCE_LEN];

    make_nonce(nonce, n);
    return r->ops->recall(r->s, nonce, outcome, len);
}

static void test_store_device__a_recorded_outcome_is_recalled(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    uint8_t nonce[STORE_NONCE_LEN], out[STORE_OUTCOME_MAX], in[STORE_OUTCOME_MAX];
    struct store_txn *t;
    size_t len = 0;

    rig_fill(in, sizeof(in), 1);
    rig_fails(recall(r, 1, out, &len), OSD_E_NOT_FOUND);
    make_nonce(nonce, 1);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(rig_txn_write(t, o, 0, "abc", 3));
    rig_ok(r->ops->record(t, nonce, in, sizeof(in)));
    rig_fails(recall(r, 1, out, &len), OSD_E_NOT_FOUND); /* not before commit */
    rig_commit(r, t);
    rig_ok(recall(r, 1, out, &len));
    assert_int_equal(len, sizeof(in));
    assert_memory_equal(in, out, len);
    remember(r, 2, "", 0);
    rig_ok(recall(r, 2, out, &len));
    assert_int_equal(len, 0);
    remember(r, 1, "again", 5);
    rig_ok(recall(r, 1, out, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(out, "again", 5);
}

static void test_store_device__an_aborted_outcome_is_not_remembered(void **state)
{
    struct rig *r = *state;
    uint8_t nonce[STORE_NONCE_LEN], out[STORE_OUTCOME_MAX] = {0};
    struct store_txn *t = rig_begin(r, root, STORE_SHARED);
    size_t len;

    make_nonce(nonce, 7);
    rig_ok(r->ops->record(t, nonce, "x", 1));
    r->ops->abort(t);
    rig_fails(recall(r, 7, out, &len), OSD_E_NOT_FOUND);
    t = rig_begin(r, root, STORE_SHARED);
    rig_fails(r->ops->record(t, nonce, out, STORE_OUTCOME_MAX + 1), OSD_E_INVALID);
    r->ops->abort(t);
}

static void test_store_device__the_oldest_outcomes_are_forgotten_first(void **state)
{
    struct rig *r = *state;
    uint8_t out[STORE_OUTCOME_MAX];
    uint32_t extra = 10;
    size_t len;

    for (uint32_t i = 0; i < STORE_RECORDS + extra; i++)
        remember(r, i, &i, sizeof(i));
    for (uint32_t i = 0; i < extra; i++)
        rig_fails(recall(r, i, out, &len), OSD_E_NOT_FOUND);
    for (uint32_t i = extra; i < STORE_RECORDS + extra; i++) {
        rig_ok(recall(r, i, out, &len));
        assert_int_equal(len, sizeof(i));
        assert_memory_equal(out, &i, len);
    }
}

/* ---- touch ---- */

static void touch_one(struct rig *r, struct store_id id)
{
    struct store_meta before = rig_get_meta(r, id), m;

    r->ops->touch(r->s, id, STORE_TOUCH_DATA_ACCESSED, 5000000);
    m = rig_get_meta(r, id);
    assert_int_equal(m.data_accessed, 5000000);
    assert_int_equal(m.data_modified, before.data_modified);
    assert_int_equal(m.attr_accessed, before.attr_accessed);
    assert_int_equal(m.attr_modified, before.attr_modified);
    assert_int_equal(m.created, before.created);
    r->ops->touch(r->s, id, STORE_TOUCH_ATTR_ACCESSED | STORE_TOUCH_ATTR_MODIFIED, 6000000);
    r->ops->touch(r->s, id, STORE_TOUCH_DATA_MODIFIED, 7000000);
    m = rig_get_meta(r, id);
    assert_int_equal(m.data_accessed, 5000000);
    assert_int_equal(m.attr_accessed, 6000000);
    assert_int_equal(m.attr_modified, 6000000);
    assert_int_equal(m.data_modified, 7000000);
    r->ops->touch(r->s, id, 15, 1);
    assert_int_equal(rig_get_meta(r, id).data_modified, 7000000);
}

static void test_store_device__touch_is_visible_at_once(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);

    touch_one(r, o);
    touch_one(r, rig_collection(r, p.pid));
    touch_one(r, p);
    touch_one(r, root);
    r->ops->touch(r->s, (struct store_id){p.pid, 0x999999}, 15, 1);
    r->ops->touch(r->s, (struct store_id){0x999999, 0}, 15, 1);
    r->ops->touch(r->s, (struct store_id){0x999999, 0x999999}, 15, 1);
}

/* A write that knows nothing of the touch must not turn the time back. */
static void test_store_device__touch_survives_changes_of_other_things(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);
    struct store_meta m;

    rig_ok(r->ops->get_meta(t, o, &m));
    r->ops->touch(r->s, o, STORE_TOUCH_DATA_ACCESSED, 4999999);
    rig_ok(rig_txn_write(t, o, 0, "abc", 3));
    r->ops->touch(r->s, o, STORE_TOUCH_DATA_ACCESSED, 5000000);
    rig_ok(r->ops->get_meta(t, o, &m));
    assert_int_equal(m.data_accessed, 5000000);
    m.data_modified = 4000;
    rig_ok(r->ops->put_meta(t, o, &m));
    r->ops->touch(r->s, o, STORE_TOUCH_ATTR_ACCESSED, 6000000);
    rig_commit(r, t);
    m = rig_get_meta(r, o);
    assert_int_equal(m.data_accessed, 5000000);
    assert_int_equal(m.data_modified, 4000);
    assert_int_equal(m.attr_accessed, 6000000);
}

static void test_store_device__put_meta_after_touch_sets_the_time(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_meta m;

    r->ops->touch(r->s, o, 15, 9000000);
    m = rig_get_meta(r, o);
    m.data_accessed = 3;
    rig_put_meta(r, o, &m);
    m = rig_get_meta(r, o);
    assert_int_equal(m.data_accessed, 3);
    assert_int_equal(m.data_modified, 9000000);
}

/* ---- settings ---- */

static void test_store_device__settings_come_back(void **state)
{
    struct rig *r = *state;
    uint8_t big[4096], out[4096];
    size_t len = 0;

    rig_fails(r->ops->get_setting(r->s, "identity", out, sizeof(out), &len), OSD_E_NOT_FOUND);
    rig_ok(r->ops->put_setting(r->s, "identity", "abc", 3));
    rig_ok(r->ops->put_setting(r->s, "identit", "", 0));
    rig_ok(r->ops->get_setting(r->s, "identity", out, sizeof(out), &len));
    assert_int_equal(len, 3);
    assert_memory_equal(out, "abc", 3);
    rig_ok(r->ops->get_setting(r->s, "identit", out, sizeof(out), &len));
    assert_int_equal(len, 0);
    rig_fill(big, sizeof(big), 2);
    rig_ok(r->ops->put_setting(r->s, "identity", big, sizeof(big)));
    rig_ok(r->ops->get_setting(r->s, "identity", out, sizeof(out), &len));
    assert_int_equal(len, sizeof(big));
    assert_memory_equal(out, big, sizeof(big));
    memset(out, 0xee, sizeof(out));
    rig_ok(r->ops->get_setting(r->s, "identity", out, 2, &len));
    assert_int_equal(len, sizeof(big));
    assert_memory_equal(out, big, 2);
    assert_int_equal(out[2], 0xee);
}

static void test_store_device__impossible_settings_are_refused(void **state)
{
    struct rig *r = *state;
    char name[66];
    uint8_t big[4097] = {0};

    memset(name, 'n', 65);
    name[65] = 0;
    rig_fails(r->ops->put_setting(r->s, "", "a", 1), OSD_E_INVALID);
    rig_fails(r->ops->put_setting(r->s, name, "a", 1), OSD_E_INVALID);
    rig_ok(r->ops->put_setting(r->s, name + 1, "a", 1));
    rig_fails(r->ops->put_setting(r->s, "big", big, sizeof(big)), OSD_E_INVALID);
}

static void test_store_device__settings_and_outcomes_survive_format(void **state)
{
    struct rig *r = *state;
    struct store_meta m = rig_meta(STORE_ROOT);
    uint8_t out[STORE_OUTCOME_MAX], nonce[STORE_NONCE_LEN];
    struct store_txn *t;
    size_t len;

    rig_ok(r->ops->put_setting(r->s, "key", "abc", 3));
    remember(r, 1, "before", 6);
    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->format(t, 0, &m));
    make_nonce(nonce, 2);
    rig_ok(r->ops->record(t, nonce, "format", 6));
    rig_commit(r, t);
    rig_ok(r->ops->get_setting(r->s, "key", out, sizeof(out), &len));
    rig_ok(recall(r, 1, out, &len));
    rig_ok(recall(r, 2, out, &len));
    assert_memory_equal(out, "format", 6);
}

/* ---- information, flush, check ---- */

static void test_store_device__info_tells_capacity_and_use(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_info info;

    rig_partition(r);
    rig_write(r, o, 0, "abc", 3);
    rig_set_attr(r, root, 1, 1, "abc", 3);
    rig_set_attr(r, p, 1, 1, "abc", 3);
    r->ops->info(r->s, &info);
    assert_int_equal(info.capacity, RIG_CAPACITY);
    assert_int_equal(info.used, STORE_BLOCK + 2 * 19);
    assert_int_equal(info.partitions, 2);
    assert_false(info.read_only);
    assert_true(strcmp(info.kind, "memory") == 0 || strcmp(info.kind, "rocksdb") == 0);
    assert_int_equal(rig_get_meta(r, root).used, info.used);
}

static void test_store_device__flush_and_synced_commits_work(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_ok(rig_txn_write(t, o, 0, "abc", 3));
    rig_ok(r->ops->commit(t, STORE_COMMIT_SYNC));
    t = rig_begin(r, o, STORE_SHARED);
    rig_ok(r->ops->commit(t, STORE_COMMIT_SYNC));
    r->ops->touch(r->s, o, STORE_TOUCH_DATA_ACCESSED, 7700);
    rig_ok(r->ops->flush(r->s));
    assert_int_equal(rig_get_meta(r, o).data_accessed, 7700);
}

static void test_store_device__check_counts_what_it_walks(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_check_result result;

    rig_collection(r, p.pid);
    rig_write(r, o, 0, "abc", 3);
    rig_set_attr(r, o, 1, 1, "abc", 3);
    rig_ok(r->ops->check(r->s, false, NULL, NULL, &result));
    assert_int_equal(result.partitions, 1);
    assert_int_equal(result.objects, 2);
    assert_int_equal(result.attributes, 1);
    assert_true(result.bytes > 0);
    assert_int_equal(result.findings, 0);
    assert_int_equal(result.repaired, 0);
}

int suite_device(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_device__a_recorded_outcome_is_recalled),
        RIG_TEST(test_store_device__an_aborted_outcome_is_not_remembered),
        RIG_TEST(test_store_device__the_oldest_outcomes_are_forgotten_first),
        RIG_TEST(test_store_device__touch_is_visible_at_once),
        RIG_TEST(test_store_device__touch_survives_changes_of_other_things),
        RIG_TEST(test_store_device__put_meta_after_touch_sets_the_time),
        RIG_TEST(test_store_device__settings_come_back),
        RIG_TEST(test_store_device__impossible_settings_are_refused),
        RIG_TEST(test_store_device__settings_and_outcomes_survive_format),
        RIG_TEST(test_store_device__info_tells_capacity_and_use),
        RIG_TEST(test_store_device__flush_and_synced_commits_work),
        RIG_TEST(test_store_device__check_counts_what_it_walks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
