/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_limits.c - what the RocksDB store does not let anybody do: take memory
 * without end, leave attributes behind, share a directory
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "rig.h"
#include "store/rocksdb_internal.h"

#define VALUE 60000u

/* ---- memory ---- */

/* Create objects with a large attribute in one transaction until that fails; how many. */
static unsigned fill(struct store_txn *t, uint64_t pid, osd_status *ret)
{
    static uint8_t value[VALUE];
    struct store_meta m = rig_meta(STORE_USER);
    unsigned n = 0;

    do {
        struct store_id id = {pid, 0};
        *ret = t->store->ops->create(t, id, &m, &id);
        if (!*ret)
            *ret = t->store->ops->set_attr(t, id, 0x10000, 1, value, sizeof(value));
    } while (!*ret && ++n < 1000);
    return n;
}

/* One small command can ask for 65,535 objects with megabytes of attributes each. */
static void test_store_limits__a_transaction_takes_bounded_memory(void **state)
{
    struct rig *r = *state;
    struct rdb *db = (struct rdb *)r->s;
    struct store_id part = rig_partition(r);
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id id = {part.pid, 0};
    osd_status st;

    db->batch_room = 4 * BATCH_STEP;
    struct store_txn *t = rig_begin(r, part, STORE_EXCLUSIVE);
    unsigned n = fill(t, part.pid, &st);
    assert_int_equal(st, OSD_E_NOMEM);
    assert_in_range(n, 60, 100);
    rig_fails(r->ops->create(t, id, &m, &id), OSD_E_NOMEM); /* and so with everything else */
    rig_fails(r->ops->commit(t, 0), OSD_E_NOMEM);
    assert_int_equal(db->batch_room, 4 * BATCH_STEP);
    assert_int_equal(rig_get_meta(r, part).count, 0);
}

/* What one transaction holds the other does not get; a small one needs none of it. */
static void test_store_limits__memory_is_shared_and_given_back(void **state)
{
    struct rig *r = *state;
    struct rdb *db = (struct rdb *)r->s;
    struct store_id a = rig_partition(r);
    osd_status st;

    db->batch_room = 0;
    rig_object(r, a.pid);
    struct store_txn *t = rig_begin(r, a, STORE_EXCLUSIVE);
    assert_in_range(fill(t, a.pid, &st), 10, 20);
    r->ops->abort(t);
    db->batch_room = 2 * BATCH_STEP;
    t = rig_begin(r, a, STORE_EXCLUSIVE);
    assert_in_range(fill(t, a.pid, &st), 30, 60);
    assert_true(db->batch_room < BATCH_STEP);
    r->ops->abort(t);
    assert_int_equal(db->batch_room, 2 * BATCH_STEP);
}

/* Every partition is kept in memory. */
static void test_store_limits__partitions_are_not_without_number(void **state)
{
    struct rig *r = *state;
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id id = {0, 0};

    ((struct rdb *)r->s)->max_parts = 3;
    struct store_id first = rig_partition(r);
    rig_partition(r);
    rig_partition(r);
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    rig_fails(r->ops->create(t, id, &m, &id), OSD_E_QUOTA);
    assert_int_equal(t->quota, STORE_QUOTA_PARTITIONS);
    r->ops->abort(t);
    rig_remove(r, first);
    rig_partition(r);
}

/* A later object under the same id would show what was left behind. */
static void test_store_limits__all_of_many_attributes_are_removed(void **state)
{
    struct rig *r = *state;
    struct store_id part = rig_partition(r), id = rig_object(r, part.pid);
    struct store_meta m = rig_meta(STORE_USER);
    uint32_t len;

    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
    for (uint32_t i = 1; i <= 10000; i++)
        rig_ok(r->ops->set_attr(t, id, 0x10000, i, &i, sizeof(i)));
    rig_commit(r, t);
    rig_remove(r, id);
    t = rig_begin(r, part, STORE_EXCLUSIVE);
    rig_ok(r->ops->create(t, id, &m, &id));
    for (uint32_t i = 1; i <= 10000; i++)
        rig_fails(r->ops->get_attr(t, id, 0x10000, i, &len, 4, &len), OSD_E_NOT_FOUND);
    rig_commit(r, t);
}

/* ---- the directory ---- */

static void expect_open(const char *path, osd_status status, const char *word)
{
    struct store_config cfg = {.path = path, .create = true};
    struct osd_store *s = NULL;
    char reason[300] = "";

    assert_int_equal(store_rocksdb_open(&cfg, &s, reason, sizeof(reason)), status);
    if (status)
        assert_non_null(strstr(reason, word));
    else
        s->ops->close(s);
}

/* tcmu-runner opens all LUNs in one process, where RocksDB's lock sees names only: two LUNs
 * would write to one store. */
static void test_store_limits__one_store_is_open_once_under_any_name(void **state)
{
    struct rig *r = *state;
    char other[80], slashes[80];

    snprintf(other, sizeof(other), "%s-link", r->dir);
    snprintf(slashes, sizeof(slashes), "%s//./", r->dir);
    assert_int_equal(symlink(r->dir, other), 0);
    expect_open(r->dir, OSD_E_BUSY, "in use");
    expect_open(slashes, OSD_E_BUSY, "in use");
    expect_open(other, OSD_E_BUSY, "in use");
    assert_int_equal(unlink(other), 0);
    rig_reopen(r);
}

/* Whoever can write there can put symbolic links and databases of his own there. */
static void test_store_limits__a_directory_of_others_is_refused(void **state)
{
    struct rig *r = *state;

    rig_close(r);
    assert_int_equal(chmod(r->dir, 0777), 0);
    expect_open(r->dir, OSD_E_DENIED, "everybody");
    assert_int_equal(chmod(r->dir, 0700), 0);
    if (chown(r->dir, 12345, 12345) == 0) { /* as root only */
        expect_open(r->dir, OSD_E_DENIED, "another user");
        assert_int_equal(chown(r->dir, 0, 0), 0);
    }
    rig_open(r);
}

/* RocksDB makes its files readable to all; the directory above may be so too. */
static void test_store_limits__what_is_stored_is_not_for_others(void **state)
{
    static const char *const parts[] = {"db", "data"};
    struct rig *r = *state;
    char path[100];
    struct stat s;

    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", r->dir, parts[i]);
        assert_int_equal(stat(path, &s), 0);
        assert_int_equal(s.st_mode & 077, 0);
    }
}

/* ---- descriptors ---- */

/* Returns the limit before. */
static struct rlimit limit_files(rlim_t most)
{
    struct rlimit was, few;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = (struct rlimit){most, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    return was;
}

/* With this limit the store opens, or says why not and what helps. Returns whether it opened. */
static bool opens_within(struct rig *r, rlim_t most, bool read_only)
{
    struct store_config cfg = r->cfg;
    char reason[256] = "";

    cfg.read_only = read_only;
    struct rlimit was = limit_files(most);
    osd_status st = store_rocksdb_open(&cfg, &r->s, reason, sizeof(reason));
    if (!st)
        r->s->ops->close(r->s);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    if (st && !strstr(reason, OSD_TOO_MANY_FILES))
        fail_msg("%u files, %s: %s", (unsigned)most, osd_status_name(st), reason);
    return !st;
}

/* Would catch: "input/output failure" of a store that needs more descriptors than there are; wherever they
 * run out it is told. */
static void test_store_limits__too_many_open_files_are_told(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    unsigned opened = 0;

    rig_write(r, o, 0, "much", 4);
    rig_close(r);
    for (rlim_t most = 4; most < 80; most++)
        for (int read_only = 0; read_only < 2; read_only++)
            opened += opens_within(r, most, read_only);
    assert_in_range(opened, 40, 140);
    rig_open(r);
    rig_check(r);
}

/* Would catch: names of data files that take the descriptors of the database, so that it fails and the store cannot be
 * opened with the limit that it was made with. */
static void test_store_limits__files_made_ahead_leave_descriptors(void **state)
{
    struct rig *r = *state;
    char data[100], fresh[80];

    rig_close(r);
    snprintf(fresh, sizeof(fresh), "%s/fresh", r->dir);
    snprintf(data, sizeof(data), "%s/data", fresh);
    r->cfg.path = fresh;
    struct rlimit was = limit_files(64);
    for (unsigned i = 0; i < 8; i++) {
        rig_open(r);
        rig_object(r, rig_partition(r).pid);
        rig_ok(r->ops->flush(r->s));
        rig_close(r);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_in_range(blocks_count(data), 3, 8); /* with the spare file, and "." and ".." */
    r->cfg.path = r->dir;
    rig_open(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_limits__a_transaction_takes_bounded_memory),
        RIG_TEST(test_store_limits__memory_is_shared_and_given_back),
        RIG_TEST(test_store_limits__partitions_are_not_without_number),
        RIG_TEST(test_store_limits__all_of_many_attributes_are_removed),
        RIG_TEST(test_store_limits__one_store_is_open_once_under_any_name),
        RIG_TEST(test_store_limits__a_directory_of_others_is_refused),
        RIG_TEST(test_store_limits__what_is_stored_is_not_for_others),
        RIG_TEST(test_store_limits__too_many_open_files_are_told),
        RIG_TEST(test_store_limits__files_made_ahead_leave_descriptors),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
