/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_ranges.c - removed partitions stay in nobody's way
 *
 * Range deletions in memory cost every iterator, so the test counts who asks RocksDB for them, and
 * for putting them into tables.
 */
#include <glob.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/bytes.h"
#include "rig.h"

#define FAMILIES 5u /* that hold something of a partition */
#define MANY     17 /* objects: too many to be deleted one by one */

/* Bytes where a range deletion may begin in a family whose keys are put from the place of the one before:
 * fewer than those of a place. */
#define BEGIN_MOST 8u

static atomic_uint ranges, flushes, long_ones;

void __real_rocksdb_writebatch_delete_range_cf(rocksdb_writebatch_t *b,
                                               rocksdb_column_family_handle_t *cf,
                                               const char *lo, size_t lo_len, const char *hi,
                                               size_t hi_len);
void __wrap_rocksdb_writebatch_delete_range_cf(rocksdb_writebatch_t *b,
                                               rocksdb_column_family_handle_t *cf,
                                               const char *lo, size_t lo_len, const char *hi,
                                               size_t hi_len);
void __wrap_rocksdb_writebatch_delete_range_cf(rocksdb_writebatch_t *b,
                                               rocksdb_column_family_handle_t *cf,
                                               const char *lo, size_t lo_len, const char *hi,
                                               size_t hi_len)
{
    ranges++;
    long_ones += lo_len > BEGIN_MOST;
    __real_rocksdb_writebatch_delete_range_cf(b, cf, lo, lo_len, hi, hi_len);
}

void __real_rocksdb_flush_cf(rocksdb_t *db, const rocksdb_flushoptions_t *o,
                             rocksdb_column_family_handle_t *cf, char **err);
void __wrap_rocksdb_flush_cf(rocksdb_t *db, const rocksdb_flushoptions_t *o,
                             rocksdb_column_family_handle_t *cf, char **err);
void __wrap_rocksdb_flush_cf(rocksdb_t *db, const rocksdb_flushoptions_t *o,
                             rocksdb_column_family_handle_t *cf, char **err)
{
    __real_rocksdb_flush_cf(db, o, cf, err);
    flushes++;
}

static void remove_all(struct rig *r, struct store_id partition)
{
    struct store_txn *t = rig_begin(r, partition, STORE_EXCLUSIVE);

    rig_ok(r->ops->remove(t, partition, true));
    rig_commit(r, t);
}

static void make_partition(struct rig *r, struct store_id id)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
    struct store_id made;

    rig_ok(r->ops->create(t, id, &m, &made));
    rig_commit(r, t);
}

/* Some of everything that has keys of its own. */
static void fill(struct rig *r, struct store_id partition)
{
    static uint8_t bytes[300000];
    struct store_id user = rig_object(r, partition.pid),
                    collection = rig_collection(r, partition.pid);

    rig_fill(bytes, sizeof(bytes), 1);
    rig_set_attr(r, partition, 1, 1, bytes, 1000);
    rig_set_attr(r, user, 1, 1, bytes, 1000);
    rig_write(r, user, 0, bytes, sizeof(bytes));
    struct store_txn *t = rig_begin(r, partition, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_member(t, collection, user.oid, true));
    rig_commit(r, t);
}

static void verify_empty(struct rig *r, struct store_id partition)
{
    struct store_txn *t = rig_begin(r, partition, STORE_SHARED);
    static const enum store_kind kinds[] = {STORE_USER, STORE_COLLECTION};
    uint64_t ids[4], next, changes;
    uint8_t value[4];
    uint32_t len;
    size_t n;

    for (int i = 0; i < 2; i++) {
        rig_ok(r->ops->list(t, partition.pid, kinds[i], 0, ids, 4, &n, &next, &changes));
        assert_int_equal(n, 0);
    }
    rig_fails(r->ops->get_attr(t, partition, 1, 1, value, sizeof(value), &len),
              OSD_E_NOT_FOUND);
    r->ops->abort(t);
}

static void test_store_ranges__a_partition_with_little_in_it_goes_key_by_key(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);

    for (int round = 0; round < 3; round++) {
        if (round)
            fill(r, p);
        if (round == 2)
            rig_reopen(r);
        ranges = 0;
        remove_all(r, p);
        assert_int_equal(ranges, 0);
        assert_false(rig_exists(r, p));
        rig_check(r);
        make_partition(r, p);
        verify_empty(r, p);
    }
}

static void test_store_ranges__a_partition_with_much_in_it_goes_by_range(void **state)
{
    static uint8_t bytes[2 * MIB];
    struct rig *r = *state;
    struct store_id p = rig_partition(r);

    rig_write(r, rig_object(r, p.pid), 0, bytes, sizeof(bytes));
    ranges = long_ones = 0;
    remove_all(r, p);
    assert_int_equal(ranges, FAMILIES);
    make_partition(r, p);
    fill(r, p);
    for (int i = 0; i < MANY; i++)
        rig_object(r, p.pid);
    remove_all(r, p);
    assert_int_equal(ranges, 2 * FAMILIES);
    assert_int_equal(long_ones, 0);
    make_partition(r, p);
    verify_empty(r, p);
    rig_check(r);
}

static void test_store_ranges__many_of_them_are_put_into_tables(void **state)
{
    struct rig *r = *state;

    flushes = 0;
    while (flushes < FAMILIES) { /* ends with the test's time limit */
        struct store_id p = rig_partition(r);
        for (int i = 0; i < MANY; i++)
            rig_object(r, p.pid);
        remove_all(r, p);
    }
    rig_reopen(r);
    rig_check(r);
}

/* Among these a range deletion begins with more bytes, and would share a place with keys. */
static bool has_long_ranges(const char *family)
{
    return strcmp(family, "default") == 0 || strcmp(family, "ids") == 0;
}

/* What RocksDB says it does, family by family. Would catch: a family where it forgot, or must not. */
static void test_store_ranges__keys_are_put_from_the_place_of_the_one_before(void **state)
{
    struct rig *r = *state;
    char pattern[4200], line[1000], family[100] = "", with[40] = "";
    unsigned families = 0;
    glob_t files;

    rig_close(r);
    snprintf(pattern, sizeof(pattern), "%s/**/OPTIONS-*", r->dir);
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    FILE *f = fopen(files.gl_pathv[files.gl_pathc - 1], "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "[CFOptions \"%99[^\"]", family);
        if (sscanf(line, " memtable_insert_with_hint_prefix_extractor=%39s", with) != 1)
            continue;
        assert_string_equal(with,
                            has_long_ranges(family) ? "nullptr" : "rocksdb.FixedPrefix.9");
        families++;
    }
    fclose(f);
    globfree(&files);
    assert_int_equal(families, 7);
    rig_open(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_ranges__a_partition_with_little_in_it_goes_key_by_key),
        RIG_TEST(test_store_ranges__a_partition_with_much_in_it_goes_by_range),
        RIG_TEST(test_store_ranges__many_of_them_are_put_into_tables),
        RIG_TEST(test_store_ranges__keys_are_put_from_the_place_of_the_one_before),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
