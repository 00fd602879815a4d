/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_damage.c - what the RocksDB store does about values that are not what it wrote
 *
 * Between close and open the test changes keys of the database by itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "common/log.h"
#include "raw.h"
#include "rig.h"
#include "store/blocks.h"
#include "store/journal.h"
#include "store/mapped.h"

static unsigned gets; /* values asked of RocksDB */

rocksdb_pinnableslice_t *__real_rocksdb_get_pinned_cf(rocksdb_t *db,
                                                      const rocksdb_readoptions_t *o,
                                                      rocksdb_column_family_handle_t *cf,
                                                      const char *key, size_t len, char **err);
rocksdb_pinnableslice_t *__wrap_rocksdb_get_pinned_cf(rocksdb_t *db,
                                                      const rocksdb_readoptions_t *o,
                                                      rocksdb_column_family_handle_t *cf,
                                                      const char *key, size_t len, char **err);
rocksdb_pinnableslice_t *__wrap_rocksdb_get_pinned_cf(rocksdb_t *db,
                                                      const rocksdb_readoptions_t *o,
                                                      rocksdb_column_family_handle_t *cf,
                                                      const char *key, size_t len, char **err)
{
    __atomic_add_fetch(&gets, 1, __ATOMIC_RELAXED);
    return __real_rocksdb_get_pinned_cf(db, o, cf, key, len, err);
}

/* What a process leaves that dies now. The copy is removed by remove_left(). */
static void copy_left(const struct rig *r, unsigned n)
{
    char command[250];

    snprintf(command, sizeof(command), "cp -r --sparse=always '%s' '%s-%u'", r->dir, r->dir, n);
    assert_int_equal(system(command), 0);
}

static void remove_left(const struct rig *r, unsigned n)
{
    char command[250];

    snprintf(command, sizeof(command), "rm -r '%s-%u'", r->dir, n);
    assert_int_equal(system(command), 0);
}

static struct rig
    *copied; /* before and behind each sync of its database's log; NULL: none is */
static unsigned copies, sync_fails; /* so many; the one after so many; 0: none does */

void __real_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **err);
void __wrap_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **err);
void __wrap_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **err)
{
    if (sync_fails > 0 && --sync_fails == 0) {
        *err = strdup("IO error: by the test");
        return;
    }
    if (copied)
        copy_left(copied, copies++);
    __real_rocksdb_flush_wal(db, sync, err);
    if (copied)
        copy_left(copied, copies++);
}

/* The store closed, its database open. */
static struct raw open_below(struct rig *r)
{
    if (r->opened)
        rig_close(r);
    return raw_open(r->dir);
}

static void remember(void *arg, struct store_id id, const char *finding)
{
    (void)id;
    snprintf(arg, 100, "%s", finding);
}

static uint64_t findings(struct rig *r, bool repair, char text[100])
{
    struct store_check_result res;

    text[0] = 0;
    rig_ok(r->ops->check(r->s, repair, remember, text, &res));
    assert_int_equal(res.repaired, repair ? res.findings : 0);
    return res.findings;
}

/* An object with two attributes and 300 bytes. */
static struct store_id small(struct rig *r)
{
    struct store_id id = rig_object(r, rig_partition(r).pid);
    uint8_t bytes[300];

    rig_fill(bytes, sizeof(bytes), 1);
    rig_write(r, id, 0, bytes, sizeof(bytes));
    rig_set_attr(r, id, 1, 1, "first", 5);
    rig_set_attr(r, id, 1, 2, "second", 6);
    return id;
}

static osd_status read_byte(struct rig *r, struct store_id id, uint64_t off)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint8_t byte;
    osd_status st = rig_txn_read(t, id, off, &byte, 1);

    r->ops->abort(t);
    return st;
}

static void test_store_damage__a_flipped_bit_of_inline_data_is_found(void **state)
{
    struct rig *r = *state;
    struct store_id id = small(r), other = small(r);
    uint8_t value[OBJECT_MAX];
    char text[100];
    struct raw w = open_below(r);
    size_t len = raw_get(&w, id, value);

    value[len - 100] ^= 4;
    raw_set(&w, id, value, len);
    raw_close(&w);
    rig_open(r);
    assert_int_equal(findings(r, false, text), 1);
    assert_string_equal(text, "data damaged in bytes 0..299");
    rig_fails(read_byte(r, id, 250), OSD_E_CORRUPT);
    rig_ok(read_byte(r, other, 250));
    assert_int_equal(rig_get_meta(r, id).length, 300); /* the rest of it is there */
    rig_set_attr(r, id, 1, 1, "other", 5);

    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE); /* not made good by accident */
    rig_fails(rig_txn_write(t, id, 10, "x", 1), OSD_E_CORRUPT);
    r->ops->abort(t);
    static const uint8_t whole[STORE_BLOCK];
    rig_write(r, id, 0, whole, sizeof(whole));
    assert_int_equal(findings(r, false, text), 0);
}

static osd_status reopen(struct rig *r, char reason[200])
{
    struct osd_store *s;
    osd_status st = store_rocksdb_open(&r->cfg, &s, reason, 200);

    if (st == OSD_OK)
        s->ops->close(s);
    return st;
}

static void set_and_reopen(struct rig *r, struct store_id id, const uint8_t *value, size_t len,
                           osd_status want)
{
    char reason[200] = "";
    struct raw w = open_below(r);

    raw_set(&w, id, value, len);
    raw_close(&w);
    rig_fails(reopen(r, reason), want);
    assert_true(want == OSD_OK || strstr(reason, r->dir));
}

static void test_store_damage__records_that_make_no_sense_are_refused(void **state)
{
    struct rig *r = *state;
    struct store_id id = small(r);
    uint8_t good[OBJECT_MAX], bad[OBJECT_MAX];
    struct raw w = open_below(r);
    size_t len = raw_get(&w, id, good), attrs = RECORD_LEN + 2, second = attrs + 15;

    raw_close(&w);
    static const struct {
        size_t at;
        uint8_t byte;
    } changes[] = {{0, 1}, {1, 0}, {1, 5}, {RECORD_LEN, 255}, {RECORD_LEN + 1, 33}};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        memcpy(bad, good, len);
        bad[changes[i].at] = changes[i].byte;
        set_and_reopen(r, id, bad, len, OSD_E_CORRUPT);
    }
    memcpy(bad, good, len);
    bad[second + 7] = 1; /* two attributes of one number */
    set_and_reopen(r, id, bad, len, OSD_E_CORRUPT);
    set_and_reopen(r, id, good, len - 1, OSD_E_CORRUPT);
    set_and_reopen(r, id, good, attrs + 3, OSD_E_CORRUPT);
    set_and_reopen(r, id, good, 3, OSD_E_CORRUPT);
    memcpy(bad, good, len);
    bad[len] = 0;
    set_and_reopen(r, id, bad, len + 1, OSD_E_CORRUPT);
    set_and_reopen(r, id, good, len, OSD_OK);
    rig_open(r);
}

static void test_store_damage__a_block_of_two_records_is_refused(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), a = rig_object(r, p.pid), b = rig_object(r, p.pid);
    static const uint8_t block[STORE_BLOCK] = {1};
    uint8_t value[OBJECT_MAX], old[OBJECT_MAX];
    char reason[200] = "";

    rig_write(r, a, 0, block, sizeof(block));
    rig_write(r, b, 0, block, sizeof(block));
    struct raw w = open_below(r);
    size_t len = raw_get(&w, a, value), old_len = raw_get(&w, b, old);
    raw_set(&w, b, value, len);
    raw_close(&w);
    rig_fails(reopen(r, reason), OSD_E_CORRUPT);
    w = open_below(r);
    raw_set(&w, b, old, old_len);
    raw_close(&w);
    rig_open(r);
}

static size_t listed(struct rig *r, uint64_t pid)
{
    struct store_txn *t = rig_begin(r, (struct store_id){pid, 0}, STORE_SHARED);
    uint64_t ids[10], next, changes;
    size_t n;

    rig_ok(r->ops->list(t, pid, pid ? STORE_USER : STORE_PARTITION, 0, ids, 10, &n, &next,
                        &changes));
    r->ops->abort(t);
    return n;
}

static void test_store_damage__listings_are_repaired(void **state)
{
    struct rig *r = *state;
    struct store_id id = small(r), ghost = {id.pid, id.oid + 5}, p = {id.pid, 0};
    uint8_t key[LISTED_KEY_LEN];
    char text[100];
    struct raw w = open_below(r);

    key_listed(key, ghost, STORE_USER);
    raw_put(&w, RAW_IDS, key, sizeof(key), "", 0);
    key_listed(key, id, STORE_COLLECTION); /* listed as what it is not */
    raw_put(&w, RAW_IDS, key, sizeof(key), "", 0);
    key_listed(key, id, STORE_USER);
    raw_delete(&w, RAW_IDS, key, sizeof(key));
    key_listed(key, p, STORE_PARTITION);
    raw_delete(&w, RAW_IDS, key, sizeof(key));
    raw_close(&w);
    rig_open(r);
    assert_int_equal(findings(r, false, text), 4);
    assert_int_equal(findings(r, true, text), 4);
    assert_int_equal(findings(r, false, text), 0);
    assert_int_equal(listed(r, id.pid), 1);
    assert_int_equal(listed(r, 0), 1);
}

static void test_store_damage__counts_of_a_record_are_repaired(void **state)
{
    struct rig *r = *state;
    struct store_id id = small(r);
    uint8_t value[OBJECT_MAX], large[400];
    struct object *o = malloc(sizeof(*o));
    char text[100];

    assert_non_null(o);
    rig_fill(large, sizeof(large), 1);
    rig_set_attr(r, id, 2, 1, large, sizeof(large));
    rig_write(r, id, 40 * STORE_BLOCK, large, sizeof(large));
    struct raw w = open_below(r);
    rig_ok(object_decode(value, raw_get(&w, id, value), id, o));
    assert_int_equal(o->rec.outside, 1);
    assert_int_equal(o->rec.chunks, 1);
    o->rec.outside = 0;
    o->rec.chunks = 7;
    o->rec.attr_bytes++;
    raw_set(&w, id, value, object_encode(o, value));
    raw_close(&w);
    rig_open(r);
    assert_true(findings(r, false, text) > 0);
    assert_true(findings(r, true, text) > 0);
    assert_int_equal(findings(r, false, text), 0);
    rig_ok(read_byte(r, id, 40 * STORE_BLOCK));
    free(o);
}

/* A store with one indexed value; the key of its entry. */
static size_t indexed(struct rig *r, uint8_t key[64])
{
    static const uint8_t head[] = {0xfe, 0, 1, 0, 0, 0, 0, 0, 5, 3, 'r', 'e', 'd'};
    struct store_id id = rig_object(r, rig_partition(r).pid);
    struct store_values want = {.page = 0x10000, .number = 5};
    osd_status st = OSD_E_NOT_FOUND;
    struct store_txn *t;
    bool more;
    size_t n;

    rig_set_attr(r, id, 0x10000, 5, "red", 3);
    rig_set_attr(r, (struct store_id){id.pid, 0}, STORE_INDEX_PAGE, 1, "\0\1\0\0\0\0\0\5", 8);
    while (st == OSD_E_NOT_FOUND) { /* until the keeper has built it */
        t = rig_begin(r, id, STORE_SHARED);
        st = r->ops->find(t, id.pid, &want, NULL, 0, &n, &more);
        r->ops->abort(t);
        usleep(1000);
    }
    rig_ok(st);
    be64_put(key, id.pid);
    memcpy(key + 8, head, sizeof(head));
    be64_put(key + 8 + sizeof(head), id.oid);
    return 8 + sizeof(head) + 8;
}

/* Check finds it, repairs it, and finds nothing then. */
static void repairs_one(struct rig *r, const char *finding)
{
    char text[100];

    rig_open(r);
    assert_int_equal(findings(r, false, text), 1);
    assert_string_equal(text, finding);
    assert_int_equal(findings(r, true, text), 1);
    assert_int_equal(findings(r, false, text), 0);
}

static void test_store_damage__an_index_gets_back_what_it_lacks(void **state)
{
    struct rig *r = *state;
    uint8_t key[64];
    size_t len = indexed(r, key);
    struct raw w = open_below(r);
    char *err = NULL;

    raw_delete(&w, RAW_IDS, key, len);
    raw_close(&w);
    repairs_one(r, "attribute that the index lacks");
    w = open_below(r);
    rocksdb_free(rocksdb_get_cf(w.db, w.ro, w.cf[RAW_IDS], (char *)key, len, &len, &err));
    assert_null(err);
    raw_close(&w);
}

static void test_store_damage__an_index_loses_what_it_should_not_have(void **state)
{
    struct rig *r = *state;
    uint8_t key[64];
    size_t len = indexed(r, key);

    for (size_t at = 8; at < len; at++) { /* kind, page, number, length, value, object */
        if (at == 17)
            continue; /* the length does not fit the key then: the same finding */
        struct raw w = open_below(r);
        key[at] ^= at == 8 ? 3 : 1;
        raw_put(&w, RAW_IDS, key, len, "", 0);
        key[at] ^= at == 8 ? 3 : 1;
        raw_close(&w);
        repairs_one(r, "index entry without its attribute");
    }
}

/* What an older program made: from now on such a program refuses it. */
static void expect_format(struct raw *w, const uint8_t want[4])
{
    char *err = NULL;
    size_t len;
    char *found = rocksdb_get_cf(w->db, w->ro, w->cf[RAW_DEFAULT], "format", 6, &len, &err);

    assert_null(err);
    assert_int_equal(len, 4);
    assert_memory_equal(found, want, 4);
    rocksdb_free(found);
}

static void test_store_damage__an_older_format_becomes_this_one(void **state)
{
    struct rig *r = *state;

    for (uint8_t version = 2; version <= 7; version++) {
        const uint8_t older[4] = {0, 0, 0, version}, ours[4] = {0, 0, 0, 6 + version % 2};
        struct raw w = open_below(r);
        raw_put(&w, RAW_DEFAULT, "format", 6, older, 4);
        raw_close(&w);
        rig_open(r);
        rig_check(r);
        w = open_below(r);
        expect_format(&w, ours);
        raw_close(&w);
    }
    rig_open(r);
}

/* Would catch: a check that only reads and takes an index of an older store for none. */
static void test_store_damage__an_older_format_can_be_read_and_stays(void **state)
{
    static const uint8_t older[4] = {0, 0, 0, 3};
    struct rig *r = *state;
    uint8_t key[64];

    indexed(r, key);
    struct raw w = open_below(r);
    raw_put(&w, RAW_DEFAULT, "format", 6, older, 4);
    raw_close(&w);
    r->cfg.read_only = true;
    rig_open(r);
    rig_check(r);
    w = open_below(r);
    expect_format(&w, older);
    raw_close(&w);
    r->cfg.read_only = false;
    rig_open(r);
    rig_check(r);
}

/* Would catch: a damaged "block" taken for a "lock" that another process has. */
static void test_store_damage__a_table_with_a_damaged_block_is_no_store_in_use(void **state)
{
    struct rig *r = *state;
    struct store_id id = rig_object(r, rig_partition(r).pid);
    char path[120], reason[200];
    struct stat s;

    rig_set_attr(r, id, 1, 1, "value", 5);
    rig_close(r);
    struct raw w = raw_open(r->dir);
    raw_close(&w);
    w = raw_open(r->dir);
    assert_true(raw_table(&w, r->dir, RAW_OBJECTS, 0, path));
    raw_close(&w);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &s), 0);
    for (off_t at = s.st_size / 4; at < s.st_size - 60;
         at++) { /* all but its first block and its end */
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    rig_fails(reopen(r, reason), OSD_E_CORRUPT);
    assert_non_null(strstr(reason, "osdctl salvage"));
}

static void test_store_damage__another_format_is_refused_and_left_alone(void **state)
{
    static const uint8_t newer[4] = {0, 0, 0, 8}, ours[4] = {0, 0, 0, 6};
    struct rig *r = *state;
    char reason[200] = "", path[100], *err = NULL;
    struct raw w = open_below(r);

    raw_put(&w, RAW_DEFAULT, "format", 6, newer, 4);
    raw_close(&w);
    rig_fails(reopen(r, reason), OSD_E_VERSION);
    assert_non_null(strstr(reason, "format version 8"));
    w = open_below(r);
    raw_put(&w, RAW_DEFAULT, "format", 6, ours, 4);
    rocksdb_drop_column_family(w.db, w.cf[RAW_IDS], &err); /* what version 1 did not have */
    assert_null(err);
    raw_close(&w);
    rig_fails(reopen(r, reason), OSD_E_VERSION);
    assert_non_null(strstr(reason, "format version 1"));

    rocksdb_options_t *o = rocksdb_options_create();
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/db", r->dir);
    char **names = rocksdb_list_column_families(o, path, &n, &err);
    assert_null(err);
    assert_int_equal(n, RAW_FAMILIES - 1); /* looking made no family */
    rocksdb_list_column_families_destroy(names, n);
    rocksdb_options_destroy(o);
}

static struct store_id snapshot_of(struct rig *r, uint64_t pid)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, (struct store_id){0, 0}, STORE_EXCLUSIVE);
    struct store_id made;

    rig_ok(r->ops->duplicate(t, pid, (struct store_id){0, 0}, &m, &made));
    rig_commit(r, t);
    return made;
}

static osd_status get_large(struct rig *r, struct store_id id, uint8_t *dst, uint32_t cap)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint32_t len;
    osd_status st = r->ops->get_attr(t, id, 9, 9, dst, cap, &len);

    r->ops->abort(t);
    return st;
}

/* A duplicate was not complete, and now it cannot be: that does not keep the store shut. Nothing of
 * it is lost: it is complete when the damage is mended. */
static void test_store_damage__a_duplicate_that_cannot_be_completed_is_put_aside(void **state)
{
    struct rig *r = *state;
    struct store_id good, bad, p = rig_partition(r), d;
    uint8_t large[3000], got[3000];
    uint64_t seed = 1, used;

    rig_close(r);
    r->cfg.idle = true; /* nothing is copied before it is needed */
    rig_open(r);
    good = rig_object(r, p.pid);
    bad = rig_object(r, p.pid);
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (uint8_t)rig_random(&seed, 256);
    rig_write(r, good, 0, large, sizeof(large));
    rig_set_attr(r, bad, 9, 9, large, sizeof(large));
    d = snapshot_of(r, p.pid);
    used = rig_get_meta(r, d).used;
    rig_close(r);
    struct raw w = raw_open(r->dir); /* what is in the log goes into tables */
    raw_close(&w);
    assert_int_equal(raw_flip(r->dir, "db", ".sst", large, sizeof(large)), 1);

    rig_open(r);
    assert_int_equal(rig_get_meta(r, d).used, used);
    assert_int_equal(rig_get_meta(r, d).count, 2);
    good.pid = bad.pid = d.pid;
    rig_read(r, good, 0, got, sizeof(got));
    assert_memory_equal(got, large, sizeof(got));
    rig_fails(get_large(r, bad, got, sizeof(got)), OSD_E_CORRUPT);
    rig_fails(read_byte(r, bad, 0), OSD_E_CORRUPT);
    struct store_id other = rig_object(r, p.pid);
    rig_write(r, other, 0, large, sizeof(large));
    assert_false(rig_exists(r, (struct store_id){d.pid, other.oid}));
    rig_close(r);

    large[sizeof(large) / 2] ^= 4;
    assert_int_equal(raw_flip(r->dir, "db", ".sst", large, sizeof(large)), 1);
    large[sizeof(large) / 2] ^= 4;
    rig_open(r);
    rig_ok(get_large(r, bad, got, sizeof(got)));
    assert_memory_equal(got, large, sizeof(got));
    assert_int_equal(rig_get_meta(r, d).used, used);
    assert_int_equal(rig_get_meta(r, d).count, 2);
}

/* Partitions of stores that are older have no identity in their records. */
static void test_store_damage__a_partition_of_an_older_store_has_an_identity(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), q = rig_partition(r);
    uint8_t value[OBJECT_MAX];
    struct raw w = open_below(r);

    assert_int_equal(raw_get(&w, p, value), PART_LEN);
    raw_set(&w, p, value, PART_SHORT);
    raw_close(&w);
    rig_open(r);
    assert_true(rig_get_meta(r, p).identity > 0);
    assert_int_not_equal(rig_get_meta(r, p).identity, rig_get_meta(r, q).identity);
}

/* How often RocksDB is asked when a byte of an object with a map is read. */
static unsigned asked(struct rig *r, struct store_id id, uint64_t off, bool past_memory)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint8_t byte;

    t->past_memory = past_memory;
    gets = 0;
    rig_ok(rig_txn_read(t, id, off, &byte, 1));
    r->ops->abort(t);
    return gets;
}

/* Would catch: a scrub that looks at memory, and says that the disk is sound. */
static void test_store_damage__who_asks_for_it_reads_past_what_is_kept_in_memory(void **state)
{
    static uint8_t bytes[300000];
    struct rig *r = *state;
    struct store_id id = rig_object(r, rig_partition(r).pid);

    rig_fill(bytes, sizeof(bytes), 1);
    rig_write(r, id, 0, bytes, sizeof(bytes));
    asked(r, id, 200000, false);
    assert_int_equal(asked(r, id, 200000, false), 0);
    assert_int_equal(asked(r, id, 200000, true), 2); /* the record, a piece of the map */
    assert_int_equal(asked(r, id, 200000, false), 0);
}

/* ---- a data file that somebody cuts short ---- */

#define CUT_AT (12 * STORE_BLOCK)

/* Would catch: a read of a page that is no more, which ends the process. */
static void test_store_damage__a_data_file_cut_short_fails_reads_of_what_it_had(void **state)
{
    static uint8_t bytes[8 * STORE_BLOCK], kept[64 * STORE_BLOCK];
    struct rig *r = *state;
    struct store_id first = rig_object(r, rig_partition(r).pid),
                    second = rig_object(r, first.pid);
    char path[100];

    rig_guard();
    rig_fill(bytes, sizeof(bytes), 1);
    rig_write(r, first, 0, bytes, sizeof(bytes));
    rig_write(r, second, 0, bytes, sizeof(bytes));
    snprintf(path, sizeof(path), "%s/data/000000", r->dir);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, kept, sizeof(kept), 0), sizeof(kept));
    for (unsigned i = 0; i < 2 * MAPPED_HOT; i++) /* in the end from the mapped file */
        for (uint64_t block = 0; block < 8; block++) {
            rig_ok(read_byte(r, first, block * STORE_BLOCK));
            rig_ok(read_byte(r, second, block * STORE_BLOCK));
        }
    assert_int_equal(ftruncate(fd, CUT_AT), 0);
    for (uint64_t block = 0; block < 8; block++) {
        rig_ok(read_byte(r, first, block * STORE_BLOCK));
        rig_fails(read_byte(r, second, block * STORE_BLOCK),
                  block < 4 ? OSD_OK : OSD_E_CORRUPT);
    }
    assert_int_equal(ftruncate(fd, (off_t)BLOCKS_PER_FILE * STORE_BLOCK), 0);
    assert_int_equal(pwrite(fd, kept, sizeof(kept), 0), sizeof(kept));
    close(fd);
    rig_ok(read_byte(r, second, 7 * STORE_BLOCK));
}

/* ---- the journal that a crash leaves ---- */

/* The closed store has this record in its journal, as if it was the next one. */
static void leave_record(struct rig *r, const void *data, size_t len)
{
    raw_journal(r->dir, 0, false, &(struct raw_record){data, len}, 1);
}

static void drop_journal(struct rig *r)
{
    char path[100];

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/journal/%c", r->dir, "ab"[i]);
        assert_int_equal(truncate(path, 0), 0);
    }
}

/* The store does not open as long as the record is there, and nothing of it is in the database. */
static void refuses_record(struct rig *r, const void *data, size_t len)
{
    char reason[200];

    leave_record(r, data, len);
    rig_fails(reopen(r, reason), OSD_E_CORRUPT);
    drop_journal(r); /* whoever opens the database next sees that it is as it was */
}

static uint8_t long_key[24] = {0xff, 0xff, 0xff};

/* A record with a batch of every kind of change. Returns its length. */
static size_t whole_batch(struct rig *r, uint8_t dst[300])
{
    struct raw w = raw_open(r->dir);
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    const char *key = (const char *)long_key;
    size_t len;

    rocksdb_writebatch_put_cf(b, w.cf[RAW_DEFAULT], "name", 4, "value", 5);
    rocksdb_writebatch_put_cf(b, w.cf[RAW_ATTRS], key, 24, "x", 1);
    rocksdb_writebatch_delete_cf(b, w.cf[RAW_ATTRS], key, 24);
    rocksdb_writebatch_delete_cf(b, w.cf[RAW_DEFAULT], "other", 5);
    rocksdb_writebatch_delete_range_cf(b, w.cf[RAW_ATTRS], key, 2, key, 3);
    rocksdb_writebatch_delete_range_cf(b, w.cf[RAW_IDS], key, 20, key, 21); /* as of an index */
    rocksdb_writebatch_delete_range_cf(b, w.cf[RAW_DEFAULT], "a", 1, "b", 1);
    const char *data = rocksdb_writebatch_data(b, &len);
    assert_true(len < 299);
    dst[0] = 2;
    memcpy(dst + 1, data, len);
    rocksdb_writebatch_destroy(b);
    raw_close(&w);
    return len + 1;
}

/* Would catch: a batch that RocksDB refuses when it has it in its log already, or aborts upon. */
static void test_store_damage__a_batch_in_the_journal_that_is_not_whole_is_refused(void **state)
{
    static const uint8_t others[] = {2, 3, 7, 9, 17, 0xff}; /* kinds that are RocksDB's alone */
    struct rig *r = *state;
    uint8_t record[300], value[10];
    size_t len, n;

    rig_close(r);
    len = whole_batch(r, record);
    for (size_t cut = 1; cut < len; cut += cut == 12 ? 1 : 11)
        refuses_record(r, record, cut);
    record[9]++; /* there is one change more, it says */
    refuses_record(r, record, len);
    record[9]--;
    for (size_t i = 0; i < sizeof(others); i++) {
        record[13] = others[i]; /* in place of the first change's */
        refuses_record(r, record, len);
    }
    record[13] = 1;
    leave_record(r, record, len);
    rig_open(r);
    rig_ok(r->ops->get_setting(r->s, "name", value, sizeof(value), &n));
    assert_int_equal(n, 5);
}

static void test_store_damage__a_batch_in_the_journal_has_keys_the_database_takes(void **state)
{
    static const uint8_t short_key[] = {2, 0, 0, 0, 0, 0, 0,   0, 0,  1,
                                        0, 0, 0, 5, 2, 1, 'k', 1, 'v'},
                         range_back[] = {2, 0, 0, 0, 0,  0, 0,   0, 0,
                                         1, 0, 0, 0, 15, 1, 'b', 1, 'a'},
                         no_family[] = {2, 0, 0, 0, 0,  0, 0,   0, 0,  1,
                                        0, 0, 0, 5, 99, 1, 'k', 1, 'v'};
    uint8_t long_range[100] = {2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 14, RAW_ATTRS};
    size_t at = 15;
    struct rig *r = *state;

    rig_close(r);
    for (uint8_t last = 1; last <= 2; last++) { /* from 9 bytes on, to as many */
        long_range[at++] = 9;
        at += 8;
        long_range[at++] = last;
    }
    refuses_record(r, long_range, at);
    refuses_record(r, short_key, sizeof(short_key));
    refuses_record(r, range_back, sizeof(range_back));
    refuses_record(r, no_family, sizeof(no_family));
    rig_open(r);
}

static void test_store_damage__changes_in_the_journal_that_make_no_sense_are_refused(
    void **state)
{
    static const uint8_t whole[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'k', 'v', 'w'};
    static const struct {
        uint8_t at, value;
    } wrong[] = {
        {0, 0},    /* kind */
        {0, 3},    /* kind */
        {1, 7},    /* family */
        {1, 0xff}, /* family */
        {1, 2},    /* objects: the key is shorter than all of them */
        {1, 5},    /* records: likewise */
        {2, 1},    /* a deletion, with a value */
        {2, 2},    /* deleted, or not */
        {3, 1},    /* length of the key */
        {4, 0},    /* likewise: the value is longer, then more follows */
        {5, 0xff}, /* length of the value */
        {8, 1},    /* likewise: one byte is left */
    };
    struct rig *r = *state;
    uint8_t record[sizeof(whole)], value[10];
    size_t n;

    rig_close(r);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memcpy(record, whole, sizeof(whole));
        record[wrong[i].at] = wrong[i].value;
        refuses_record(r, record, sizeof(record));
    }
    refuses_record(r, whole, 0);
    for (size_t cut = 2; cut < sizeof(whole); cut += 3)
        refuses_record(r, whole, cut);
    leave_record(r, whole, sizeof(whole));
    rig_open(r);
    rig_ok(r->ops->get_setting(r->s, "k", value, sizeof(value), &n));
    assert_int_equal(n, 2);
}

/* Puts "vw" under k, under l, under m into the settings. */
static const uint8_t in_k[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'k', 'v', 'w'},
                     in_l[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'l', 'v', 'w'},
                     in_m[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'm', 'v', 'w'};
static const struct raw_record three[] = {
    {in_k, sizeof(in_k)}, {in_l, sizeof(in_l)}, {in_m, sizeof(in_m)}};

#define MANY                                                                                   \
    (1 +                                                                                       \
     JOURNAL_AT_ONCE) /* records behind the first of which one was not whole when somebody died */

/* The first ones of `three`, and the last one of it as often as it takes. */
static void journal_of_many(struct rig *r)
{
    struct raw_record v[1 + MANY] = {three[0], three[1]};

    for (unsigned i = 2; i < 1 + MANY; i++)
        v[i] = three[2];
    raw_journal(r->dir, 0, false, v, 1 + MANY);
}

static char logged[1000];

static void keep_line(enum osd_log_level level, const char *line)
{
    if (level <= OSD_LOG_WARN)
        snprintf(logged, sizeof(logged), "%s", line);
}

static const char *numbered(const char *format, uint64_t number)
{
    static char text[50];

    snprintf(text, sizeof(text), format, (unsigned long long)number);
    return text;
}

/* Opened and not closed: by it or by whoever had to bring the journal into the database before. */
static void expect_said(struct rig *r, const char *part)
{
    struct store_check_result res;
    char text[100];

    assert_non_null(strstr(logged, r->dir));
    assert_non_null(strstr(logged, part));
    rig_ok(r->ops->check(r->s, false, remember, text, &res));
    assert_int_equal(res.findings, 1);
    assert_int_equal(res.repaired, 1);
    assert_non_null(strstr(text, part));
}

static bool has_setting(struct rig *r, const char *name)
{
    uint8_t value[10];
    size_t n;

    return r->ops->get_setting(r->s, name, value, sizeof(value), &n) == OSD_OK;
}

/* Would catch: a journal of which only the begin was taken over, without a word. */
static void middle_of_journal(struct rig *r, bool read_only)
{
    rig_close(r);
    uint64_t before = raw_applied(r->dir);
    journal_of_many(r);
    assert_int_equal(raw_flip(r->dir, "journal", "", in_l, sizeof(in_l)), 1);
    r->cfg.read_only = read_only;
    logged[0] = 0;
    osd_log_set_sink(keep_line);
    rig_open(r);
    expect_said(r, numbered("up to record %llu", before + 1));
    assert_non_null(strstr(logged, numbered("up to %llu", before + 1 + MANY)));
    assert_true(has_setting(r, "k"));
    assert_false(has_setting(r, "l"));
    assert_false(has_setting(r, "m"));
    r->cfg.read_only = false;
    logged[0] = 0;
    rig_reopen(r); /* once */
    osd_log_set_sink(NULL);
    assert_string_equal(logged, "");
}

static void
test_store_damage__records_behind_a_damaged_one_of_the_journal_are_said_to_be_dropped(
    void **state)
{
    middle_of_journal(*state, false);
}

static void test_store_damage__whoever_only_reads_says_what_was_dropped_before(void **state)
{
    middle_of_journal(*state, true);
}

/* Would catch: an alarm about records that nobody was told of: what several threads were writing. */
static void test_store_damage__records_that_a_death_cut_off_are_no_damage(void **state)
{
    struct rig *r = *state;

    for (unsigned n = 2; n <= 3; n++) {
        rig_close(r);
        raw_journal(r->dir, 0, false, three, n);
        assert_int_equal(raw_flip(r->dir, "journal", "", in_l, sizeof(in_l)), 1);
        logged[0] = 0;
        osd_log_set_sink(keep_line);
        rig_open(r);
        osd_log_set_sink(NULL);
        assert_string_equal(logged, "");
        assert_true(has_setting(r, "k"));
        assert_false(has_setting(r, "l"));
        assert_false(has_setting(r, "m"));
        rig_check(r);
    }
}

/* Would catch: a database that lost its end, under a journal that begins behind it, taken for one that
 * nothing was done to. */
static void test_store_damage__a_database_older_than_its_journal_is_refused(void **state)
{
    struct rig *r = *state;
    char reason[200];

    rig_close(r);
    uint64_t before = raw_applied(r->dir);
    raw_journal(r->dir, 50, true, three, 3);
    for (int i = 0; i < 2; i++) {
        r->cfg.read_only = i;
        rig_fails(reopen(r, reason), OSD_E_CORRUPT);
        assert_non_null(strstr(reason, numbered("those from %llu on", before + 51)));
        assert_non_null(strstr(reason, "osdctl salvage"));
    }
    r->cfg.read_only = false;
    drop_journal(r);
    rig_open(r);
}

/* The begin of the other file did not reach the disk when power was lost, perhaps. */
static void test_store_damage__one_file_of_the_journal_alone_proves_nothing(void **state)
{
    struct rig *r = *state;

    rig_close(r);
    uint64_t before = raw_applied(r->dir);
    raw_journal(r->dir, 50, false, three, 3);
    osd_log_set_sink(keep_line);
    rig_open(r);
    osd_log_set_sink(NULL);
    expect_said(r, numbered("up to record %llu", before));
    assert_false(has_setting(r, "k"));
    rig_reopen(r);
}

/* Would catch: all that the journal has thrown away, as the database does not know how far it leapt. */
static void test_store_damage__a_database_that_lost_a_leap_is_refused(void **state)
{
    struct rig *r = *state;
    char reason[200];

    rig_close(r);
    uint64_t before = raw_applied(r->dir);
    raw_journal(r->dir, JOURNAL_LEAP, false, three, 3);
    rig_fails(reopen(r, reason), OSD_E_CORRUPT);
    assert_non_null(strstr(reason, numbered("those from %llu on", before + JOURNAL_LEAP + 1)));
    drop_journal(r);
    rig_open(r);
}

/* ---- numbers of records ---- */

static void test_store_damage__each_opening_leaps_by_chance(void **state)
{
    struct rig *r = *state;
    uint64_t was, leap[3];

    rig_close(r);
    assert_true(raw_applied(r->dir) >= JOURNAL_LEAP); /* also the first one */
    for (int i = 0; i < 3; i++) {
        was = raw_applied(r->dir);
        rig_open(r);
        rig_close(r);
        leap[i] = raw_applied(r->dir) - was;
        assert_in_range(leap[i], JOURNAL_LEAP, 2 * JOURNAL_LEAP - 1);
    }
    assert_false(leap[0] == leap[1] && leap[1] == leap[2]);
    was = raw_applied(r->dir);
    r->cfg.read_only = true;
    rig_open(r);
    rig_close(r);
    assert_int_equal(raw_applied(r->dir), was);
    r->cfg.read_only = false;
    rig_open(r);
}

#define FORGED 32u /* bytes of a record that puts a setting */

/* The records that lie in a file of the journal, from its start on. */
struct chain {
    uint8_t bytes[256 * KIB];
    uint64_t first, last;
    size_t len, end, at; /* at: where the last one lies */
};

static void read_chain(const struct rig *r, struct chain *ret)
{
    char path[100];

    snprintf(path, sizeof(path), "%s/journal/a", r->dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    ret->len = fread(ret->bytes, 1, sizeof(ret->bytes), f);
    fclose(f);
    ret->first = ret->last = be64_get(ret->bytes + 4);
    ret->at = 0;
    ret->end = 20 + be32_get(ret->bytes);
    while (be64_get(ret->bytes + ret->end + 4) == ret->last + 1 &&
           be32_get(ret->bytes + ret->end + 16) == osd_crc32c(0, ret->bytes + ret->end, 16)) {
        ret->at = ret->end;
        ret->end += 20 + be32_get(ret->bytes + ret->end);
        ret->last++;
    }
}

/* A record like those of the journal: in_k. */
static void forge(uint8_t dst[FORGED], uint64_t number)
{
    be32_put(dst, sizeof(in_k));
    be64_put(dst + 4, number);
    be32_put(dst + 12, osd_crc32c(0, in_k, sizeof(in_k)));
    be32_put(dst + 16, osd_crc32c(0, dst, 16));
    memcpy(dst + 20, in_k, sizeof(in_k));
}

/* Who dies now leaves a forged record just where the next one would have come. */
static void expect_forged_next(const struct rig *r, const uint8_t forged[FORGED])
{
    static struct chain c;

    read_chain(r, &c);
    if (memcmp(forged + 4, c.bytes + c.at + 4, 8) == 0)
        return; /* was taken for one of the chain */
    assert_memory_equal(c.bytes + c.end, forged, FORGED);
}

/* Would catch: changes that a client wrote into a value, as records of the journal, with the numbers that come
 * next for who has counted commands. They are behind the last record when a file is used again. */
static void test_store_damage__records_in_a_value_are_never_replayed(void **state)
{
    enum { LARGE = 30000, SMALL = 25, COMMITS = 40 };
    struct rig *r = *state;
    uint8_t forged[FORGED], large[LARGE], *next;
    static struct chain c;

    rig_close(r);
    uint64_t number = raw_applied(r->dir) + 1 + COMMITS; /* as it would be if nobody leapt */
    forge(forged, number);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = forged[i % FORGED];
    r->cfg.journal = 65536;
    r->cfg.idle = true;
    rig_open(r);
    uint64_t pid = rig_partition(r).pid;
    struct store_id id = rig_object(r, pid), other = rig_object(r, pid);
    read_chain(r, &c);
    uint64_t first = c.first;
    do {
        rig_set_attr(r, id, 1, 1, large, sizeof(large));
        read_chain(r, &c);
    } while (c.first == first); /* it is used again */
    do {
        rig_set_attr(r, other, 1, 1, large, SMALL);
        read_chain(r, &c);
    } while (c.last < first + COMMITS - 2);
    assert_int_equal(c.last, first + COMMITS - 2);
    next = memmem(c.bytes + c.end + (c.end - c.at), FORGED * 4, forged, FORGED);
    assert_non_null(next);
    size_t more = (size_t)(next - c.bytes) - c.end - (c.end - c.at);
    rig_set_attr(r, other, 1, 1, large, SMALL + (uint32_t)more);
    expect_forged_next(r, forged);
    copy_left(r, 0);
    struct rig died = *r;
    char path[100];
    snprintf(path, sizeof(path), "%s-0", r->dir);
    died.cfg.path = path;
    rig_open(&died);
    bool replayed = has_setting(&died, "k");
    rig_check(&died);
    rig_close(&died);
    remove_left(r, 0);
    assert_false(replayed);
}

/* Would catch: a number in the database that is not durable, or less than one in the files, before these are
 * begun anew. */
static void test_store_damage__a_death_while_opening_leaps_loses_nothing(void **state)
{
    struct rig *r = *state;
    char path[100];

    rig_close(r);
    raw_journal(r->dir, 0, false, three, 3);
    copied = r;
    rig_open(r);
    copied = NULL;
    assert_int_equal(copies, 2);
    copy_left(r, copies++); /* all is done */
    struct rig died = *r;
    died.cfg.path = path;
    for (unsigned i = 0; i < copies; i++) {
        snprintf(path, sizeof(path), "%s-%u", r->dir, i);
        rig_open(&died);
        assert_true(has_setting(&died, "k") && has_setting(&died, "m"));
        rig_check(&died);
        rig_set_attr(&died, rig_object(&died, rig_partition(&died).pid), 1, 1, "x", 1);
        rig_reopen(&died);
        rig_check(&died);
        rig_close(&died);
        remove_left(r, i);
    }
}

static void test_store_damage__an_opening_that_cannot_leap_fails_and_loses_nothing(void **state)
{
    struct rig *r = *state;
    char reason[200] = "";

    rig_close(r);
    raw_journal(r->dir, 0, false, three, 3);
    sync_fails = 1;
    rig_fails(reopen(r, reason), OSD_E_IO);
    assert_non_null(strstr(reason, r->dir));
    assert_int_equal(sync_fails, 0);
    rig_open(r);
    assert_true(has_setting(r, "k") && has_setting(r, "m"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_damage__a_flipped_bit_of_inline_data_is_found),
        RIG_TEST(test_store_damage__records_that_make_no_sense_are_refused),
        RIG_TEST(test_store_damage__a_block_of_two_records_is_refused),
        RIG_TEST(test_store_damage__listings_are_repaired),
        RIG_TEST(test_store_damage__counts_of_a_record_are_repaired),
        RIG_TEST(test_store_damage__an_index_gets_back_what_it_lacks),
        RIG_TEST(test_store_damage__an_index_loses_what_it_should_not_have),
        RIG_TEST(test_store_damage__an_older_format_becomes_this_one),
        RIG_TEST(test_store_damage__an_older_format_can_be_read_and_stays),
        RIG_TEST(test_store_damage__another_format_is_refused_and_left_alone),
        RIG_TEST(test_store_damage__a_table_with_a_damaged_block_is_no_store_in_use),
        RIG_TEST(test_store_damage__a_duplicate_that_cannot_be_completed_is_put_aside),
        RIG_TEST(test_store_damage__a_partition_of_an_older_store_has_an_identity),
        RIG_TEST(test_store_damage__who_asks_for_it_reads_past_what_is_kept_in_memory),
        RIG_TEST(test_store_damage__a_data_file_cut_short_fails_reads_of_what_it_had),
        RIG_TEST(test_store_damage__a_batch_in_the_journal_that_is_not_whole_is_refused),
        RIG_TEST(test_store_damage__a_batch_in_the_journal_has_keys_the_database_takes),
        RIG_TEST(test_store_damage__changes_in_the_journal_that_make_no_sense_are_refused),
        RIG_TEST(
            test_store_damage__records_behind_a_damaged_one_of_the_journal_are_said_to_be_dropped),
        RIG_TEST(test_store_damage__whoever_only_reads_says_what_was_dropped_before),
        RIG_TEST(test_store_damage__records_that_a_death_cut_off_are_no_damage),
        RIG_TEST(test_store_damage__a_database_older_than_its_journal_is_refused),
        RIG_TEST(test_store_damage__one_file_of_the_journal_alone_proves_nothing),
        RIG_TEST(test_store_damage__a_database_that_lost_a_leap_is_refused),
        RIG_TEST(test_store_damage__each_opening_leaps_by_chance),
        RIG_TEST(test_store_damage__records_in_a_value_are_never_replayed),
        RIG_TEST(test_store_damage__a_death_while_opening_leaps_loses_nothing),
        RIG_TEST(test_store_damage__an_opening_that_cannot_leap_fails_and_loses_nothing),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
