/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_persist.c - conformance: what outlives close and open (stores that persist)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "rig.h"
#include "suite.h"

#define B STORE_BLOCK

static const struct store_id root = {0, 0};

static struct store_id fill_store(struct rig *r)
{
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    uint8_t bytes[20 * B];

    rig_fill(bytes, sizeof(bytes), 1);
    rig_write(r, o, 0, bytes, sizeof(bytes));
    rig_write(r, o, 100 * B + 7, bytes, 9 * B);
    rig_write(r, o, 3 * B + 1, bytes, 2 * B);
    rig_set_attr(r, o, 1, 1, bytes, 60000);
    rig_set_attr(r, o, 1, 2, "small", 5);
    rig_set_attr(r, p, 1, 1, "partition", 9);
    rig_set_attr(r, root, 1, 1, "root", 4);
    for (int i = 0; i < 30; i++)
        rig_write(r, rig_object(r, p.pid), (uint64_t)i * 1000, "piece", 5);
    rig_set_attr(r, rig_collection(r, p.pid), 2, 2, "member", 6);
    return o;
}

static void same_after_reopen(struct rig *r)
{
    char *before = store_dump(r->s, STORE_DUMP_TIMES), *after;

    rig_reopen(r);
    after = store_dump(r->s, STORE_DUMP_TIMES);
    assert_string_equal(before, after);
    rig_check(r);
    free(before);
    free(after);
}

static void test_store_persist__the_same_content_after_reopen(void **state)
{
    struct rig *r = *state;
    struct store_id o = fill_store(r);

    same_after_reopen(r);
    rig_truncate(r, o, 5 * B + 1);
    rig_remove(r, rig_object(r, o.pid));
    same_after_reopen(r);
    same_after_reopen(r);
}

static void test_store_persist__ids_and_counters_go_on_after_reopen(void **state)
{
    struct rig *r = *state;
    struct store_id o = fill_store(r), p = {o.pid, 0}, made, q;
    uint64_t count = rig_get_meta(r, p).count;

    rig_reopen(r);
    made = rig_object(r, o.pid);
    assert_int_equal(rig_get_meta(r, made).length, 0);
    assert_int_equal(rig_get_meta(r, p).count, count + 1);
    q = rig_partition(r);
    assert_true(q.pid != p.pid);
    rig_check(r);
}

static void test_store_persist__format_settings_outcomes_and_touches_stay(void **state)
{
    struct rig *r = *state;
    struct store_id o = fill_store(r);
    uint8_t nonce[STORE_NONCE_LEN] = "twelve bytes", out[4096];
    struct store_info info;
    struct store_txn *t;
    struct store_meta m = rig_meta(STORE_ROOT);
    size_t len = 0;

    rig_ok(r->ops->put_setting(r->s, "name", "value", 5));
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->record(t, nonce, "done", 4));
    rig_commit(r, t);
    r->ops->touch(r->s, o, STORE_TOUCH_DATA_ACCESSED, 424242);
    rig_reopen(r);
    rig_ok(r->ops->get_setting(r->s, "name", out, sizeof(out), &len));
    assert_int_equal(len, 5);
    assert_memory_equal(out, "value", 5);
    rig_ok(r->ops->recall(r->s, nonce, out, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(out, "done", 4);
    assert_int_equal(rig_get_meta(r, o).data_accessed, 424242);

    t = rig_begin(r, root, STORE_EXCLUSIVE);
    rig_ok(r->ops->format(t, RIG_CAPACITY / 2, &m));
    rig_commit(r, t);
    rig_reopen(r);
    r->ops->info(r->s, &info);
    assert_int_equal(info.capacity, RIG_CAPACITY / 2);
    assert_int_equal(info.used, 0);
    assert_false(rig_exists(r, o));
}

static void test_store_persist__a_forgotten_outcome_stays_forgotten(void **state)
{
    struct rig *r = *state;
    uint8_t nonce[STORE_NONCE_LEN] = {0}, out[STORE_OUTCOME_MAX];
    struct store_txn *t;
    size_t len;

    for (uint32_t i = 0; i < STORE_RECORDS + 100; i++) {
        memcpy(nonce, &i, sizeof(i));
        t = rig_begin(r, root, STORE_SHARED);
        rig_ok(r->ops->record(t, nonce, &i, sizeof(i)));
        rig_commit(r, t);
        if (i == STORE_RECORDS + 50)
            rig_reopen(r);
    }
    for (uint32_t i = 0; i < STORE_RECORDS + 100; i += 33) {
        memcpy(nonce, &i, sizeof(i));
        rig_fails(r->ops->recall(r->s, nonce, out, &len), i < 100 ? OSD_E_NOT_FOUND : OSD_OK);
    }
}

static void test_store_persist__without_create_an_absent_store_is_not_found(void **state)
{
    struct rig *r = *state;
    struct store_config cfg = r->cfg;
    char reason[200] = "", path[80];
    struct osd_store *s;

    snprintf(path, sizeof(path), "%s/absent", r->dir);
    cfg.path = path;
    cfg.create = false;
    rig_fails(store_rocksdb_open(&cfg, &s, reason, sizeof(reason)), OSD_E_NOT_FOUND);
    assert_non_null(strstr(reason, path));
}

static void test_store_persist__an_open_store_is_busy(void **state)
{
    struct rig *r = *state;
    char reason[200] = "";
    struct osd_store *s;

    rig_fails(store_rocksdb_open(&r->cfg, &s, reason, sizeof(reason)), OSD_E_BUSY);
    assert_non_null(strstr(reason, r->dir));
}

int suite_persist(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_persist__the_same_content_after_reopen),
        RIG_TEST(test_store_persist__ids_and_counters_go_on_after_reopen),
        RIG_TEST(test_store_persist__format_settings_outcomes_and_touches_stay),
        RIG_TEST(test_store_persist__a_forgotten_outcome_stays_forgotten),
        RIG_TEST(test_store_persist__without_create_an_absent_store_is_not_found),
        RIG_TEST(test_store_persist__an_open_store_is_busy),
    };

    return rig_persists() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
