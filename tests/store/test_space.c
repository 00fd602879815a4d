/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_space.c - the file system below the RocksDB store fills up, and heals
 *
 * statvfs() and fallocate() are wrapped: the test says how much space there is. So is what writes
 * to the database: it can be lost from some moment on, as if the process had been killed then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/bytes.h"
#include "rig.h"
#include "store/blocks.h"

#define FS_SIZE  (20 * BLOCKS_RESERVE_MIN)
#define FILE_LEN ((uint64_t)BLOCKS_PER_FILE * STORE_BLOCK)

static _Atomic uint64_t available;
static _Atomic int fallocate_errno;
static pthread_t commands;                     /* the thread of the test */
static _Atomic unsigned by_command, ahead;     /* files made by it, and by others */
static const uint8_t first[STORE_BLOCK] = {1}; /* long enough for a data file */

int __wrap_statvfs64(const char *path, struct statvfs *ret);
int __wrap_statvfs64(const char *path, struct statvfs *ret)
{
    *ret = (struct statvfs){.f_frsize = 4096,
                            .f_bsize = 4096,
                            .f_blocks = FS_SIZE / 4096,
                            .f_bavail = available / 4096};
    return 0;
}

int __real_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len)
{
    if (fallocate_errno) {
        errno = fallocate_errno;
        return -1;
    }
    if (mode & FALLOC_FL_PUNCH_HOLE) {
        available += (uint64_t)len;
        return __real_fallocate64(fd, mode, offset, len);
    }
    if (len < (off_t)MIB) /* a piece of the journal */
        return __real_fallocate64(fd, mode, offset, len);
    available -= available < (uint64_t)len ? available : (uint64_t)len;
    if (len != FILE_LEN) /* the spare file */
        return __real_fallocate64(fd, mode, offset, len);
    if (pthread_equal(pthread_self(), commands))
        by_command++;
    else
        ahead++;
    return __real_fallocate64(fd, mode, offset, len);
}

/* Writes of the journal before they are lost, and with them what goes to the database; -1: none is.
 * The background threads write, too. */
static atomic_int writes_left = -1;
static atomic_bool writes_fail;

/* Whether one of the journal is lost. */
static bool is_lost(void)
{
    int left = atomic_load(&writes_left);

    if (left > 0)
        atomic_fetch_sub(&writes_left, 1);
    return left == 0;
}

ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
    struct stat s;

    if (fstat(fd, &s) == 0 && s.st_size == FILE_LEN) /* a data file */
        return __real_pwrite64(fd, buf, len, off);
    if (atomic_load(&writes_fail)) {
        errno = EIO;
        return -1;
    }
    return is_lost() ? (ssize_t)len : __real_pwrite64(fd, buf, len, off);
}

bool __real_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len)
{
    return !atomic_load(&writes_fail) && (is_lost() || __real_guarded_write(mapped, src, len));
}

static atomic_bool syncs_hang;       /* those of background threads */
static atomic_uint syncs_by_command; /* of files */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    bool command = pthread_equal(pthread_self(), commands);

    syncs_by_command += command;
    while (!command && atomic_load(&syncs_hang))
        usleep(1000);
    return __real_fdatasync(fd);
}

static atomic_bool database_fails;

static struct rig *synced_meanwhile; /* by another thread, when this one asks what waits */

static void *sync_main(void *arg)
{
    const struct rig *r = arg;

    return r->ops->flush(r->s) ? arg : NULL;
}

uint64_t __real_blocks_waiting(struct blocks *b);
uint64_t __wrap_blocks_waiting(struct blocks *b);
uint64_t __wrap_blocks_waiting(struct blocks *b)
{
    struct rig *r = pthread_equal(pthread_self(), commands) ? synced_meanwhile : NULL;
    pthread_t thread;
    void *failed;

    if (r) {
        synced_meanwhile = NULL;
        assert_int_equal(pthread_create(&thread, NULL, sync_main, r), 0);
        assert_int_equal(pthread_join(thread, &failed), 0);
        assert_null(failed);
    }
    return __real_blocks_waiting(b);
}

void __real_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *batch, char **err);
void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *batch, char **err);
void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *batch, char **err)
{
    if (atomic_load(&database_fails))
        *err = strdup("IO error: the database cannot be written");
    else if (atomic_load(&writes_left) != 0)
        __real_rocksdb_write(db, o, batch, err);
}

/* The store looks at the space ten times in a second at most. */
static void set_available(uint64_t bytes)
{
    available = bytes;
    usleep(120000);
}

static int setup(void **state)
{
    available = FS_SIZE;
    fallocate_errno = 0;
    writes_left = -1;
    writes_fail = database_fails = false;
    by_command = ahead = 0;
    commands = pthread_self();
    return rig_setup(state);
}

#define SPACE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

static osd_status try_write(struct rig *r, struct store_id id, uint64_t off, uint64_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
    uint8_t *bytes = malloc(len);

    assert_non_null(bytes);
    rig_fill(bytes, len, (unsigned)(off >> 20));
    osd_status st = rig_txn_write(t, id, off, bytes, len);
    free(bytes);
    if (st) {
        r->ops->abort(t);
        return st;
    }
    rig_commit(r, t);
    return OSD_OK;
}

static osd_status try_set(struct rig *r, struct store_id id, uint32_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
    uint8_t value[100] = {1};
    osd_status st = r->ops->set_attr(t, id, 1, 1, value, len);

    if (st) {
        r->ops->abort(t);
        return st;
    }
    rig_commit(r, t);
    return OSD_OK;
}

static osd_status try_create(struct rig *r, uint64_t pid)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id id = {pid, 0};
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
    osd_status st = r->ops->create(t, id, &m, &id);

    if (st) {
        r->ops->abort(t);
        return st;
    }
    rig_commit(r, t);
    return OSD_OK;
}

/* Write MiB after MiB until the store says it is full; returns how many it took. */
static uint64_t fill_up(struct rig *r, struct store_id id)
{
    uint64_t n = 0;
    osd_status st;

    while ((st = try_write(r, id, n * MIB, MIB)) == OSD_OK)
        n++;
    rig_fails(st, OSD_E_NO_SPACE);
    return n;
}

static void verify(struct rig *r, struct store_id id, uint64_t n)
{
    static uint8_t got[MIB], want[MIB];

    for (uint64_t i = 0; i < n; i++) {
        rig_read(r, id, i * MIB, got, MIB);
        rig_fill(want, MIB, (unsigned)i);
        assert_memory_equal(got, want, MIB);
    }
}

static void test_store_space__full_refuses_data_keeps_all_and_heals_by_removal(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id a = rig_object(r, pid), b = rig_object(r, pid);
    struct store_info info;

    rig_write(r, b, 0, first, sizeof(first)); /* opens the first data file */
    set_available(BLOCKS_RESERVE_MIN + FILE_LEN + 4096);
    uint64_t n = fill_up(r, a);
    assert_true(n >= 2 * FILE_LEN / MIB - 2); /* the rest of one file and another one */
    verify(r, a, n);
    rig_ok(try_set(r, a, 50)); /* metadata has a reserve of its own */
    rig_ok(try_create(r, pid));
    r->ops->info(r->s, &info);
    assert_false(info.read_only);
    rig_remove(r, a);
    rig_ok(try_write(r, b, MIB, 16 * MIB)); /* into what the removal freed */
    rig_check(r);
}

static void test_store_space__overwriting_goes_on_while_full(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);
    uint64_t n;

    rig_write(r, a, 0, first, sizeof(first));
    set_available(BLOCKS_RESERVE_MIN);
    n = fill_up(r, a);
    rig_truncate(r, a, (n - 4) * MIB); /* room for copies of what is written anew */
    for (int i = 0; i < 20; i++)
        rig_ok(try_write(r, a, (uint64_t)i * MIB, 2 * MIB));
    rig_check(r);
}

/* Would catch: a store that is full because nothing waits any more when somebody looks. */
static void test_store_space__what_others_sync_meanwhile_is_found(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);

    rig_write(r, a, 0, first, sizeof(first));
    set_available(BLOCKS_RESERVE_MIN);
    uint64_t n = fill_up(r, a);
    rig_truncate(r, a, (n - 4) * MIB);
    synced_meanwhile = r;
    rig_ok(try_write(r, a, (n - 4) * MIB, MIB));
    assert_null(synced_meanwhile);
    verify(r, a, n - 3);
}

static void test_store_space__below_half_the_reserve_only_shrinking_is_left(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), a = rig_object(r, p.pid), b = rig_object(r, p.pid);

    rig_write(r, a, 0, first, sizeof(first));
    rig_set_attr(r, a, 1, 1, "value", 5);
    set_available(BLOCKS_RESERVE_MIN / 2 - 4096);
    rig_fails(try_set(r, b, 50), OSD_E_NO_SPACE);
    rig_fails(try_create(r, p.pid), OSD_E_NO_SPACE);
    rig_fails(try_write(r, b, 0, 10), OSD_E_NO_SPACE);
    rig_ok(try_set(r, a, 0));
    rig_truncate(r, a, 0);
    rig_remove(r, a);
    set_available(BLOCKS_RESERVE_MIN); /* the file system has space again */
    rig_ok(try_set(r, b, 50));
    rig_ok(try_create(r, p.pid));
    rig_ok(try_write(r, b, 0, 10));
}

static void test_store_space__a_refused_reservation_is_no_failure_of_the_store(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);
    struct store_info info;

    fallocate_errno = ENOSPC;
    rig_fails(try_write(r, a, 0, STORE_BLOCK), OSD_E_NO_SPACE);
    r->ops->info(r->s, &info);
    assert_false(info.read_only);
    fallocate_errno = EOPNOTSUPP; /* file systems without reservations work as well */
    rig_ok(try_write(r, a, 0, STORE_BLOCK));
}

static void test_store_space__files_are_made_before_they_are_needed(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);
    uint64_t at = 0;

    for (unsigned files = 1; files <= 4; files++) {
        for (; at + 16 * MIB < files * FILE_LEN; at += MIB)
            rig_ok(try_write(r, a, at, MIB));
        while (ahead < files) /* ends with the test's time limit if it never is made */
            usleep(1000);
    }
    assert_int_equal(by_command, 1); /* the first: nobody knew that there would be data */
    uint64_t left = available;
    set_available(BLOCKS_RESERVE_MIN + FILE_LEN + 4096); /* for commands alone */
    unsigned before = ahead;
    for (; try_write(r, a, at, MIB) == OSD_OK; at += MIB)
        ;
    assert_int_equal(ahead, before);
    assert_int_equal(by_command, 2);
    set_available(left);
    rig_ok(try_write(r, a, at, MIB)); /* at once, whoever makes the file */
    verify(r, a, at / MIB + 1);
}

/* MiB that the data files take of the file system. */
static uint64_t data_taken(const struct rig *r)
{
    char path[100];
    struct stat st;
    uint64_t sum = 0;

    for (unsigned i = 0;; i++) {
        snprintf(path, sizeof(path), "%s/data/%06u", r->dir, i);
        if (stat(path, &st) != 0)
            return sum / MIB;
        sum += (uint64_t)st.st_blocks * 512;
    }
}

static uint64_t logs_taken(const struct rig *r)
{
    char path[400];
    struct stat st;
    uint64_t sum = 0;

    snprintf(path, sizeof(path), "%s/db", r->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));)
        if (strstr(f->d_name, ".log")) {
            snprintf(path, sizeof(path), "%s/db/%s", r->dir, f->d_name);
            assert_int_equal(stat(path, &st), 0);
            sum += (uint64_t)st.st_blocks * 512;
        }
    closedir(d);
    return sum;
}

/* Would catch: memory that is taken and cleared for logs into which a few changes go. */
static void test_store_space__in_memory_nothing_is_reserved_for_logs(void **state)
{
    struct rig *r = *state;

    if (!blocks_in_memory(r->dir))
        skip();
    rig_reopen(r);
    (void)rig_partition(r);
    rig_ok(r->ops->flush(r->s));
    rig_reopen(r);
    assert_in_range(logs_taken(r), 0, MIB);
}

static void test_store_space__a_file_that_gets_no_room_takes_none(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);

    fallocate_errno = ENOSPC;
    rig_fails(try_write(r, a, 0, STORE_BLOCK), OSD_E_NO_SPACE);
    assert_int_equal(data_taken(r), 0);
    fallocate_errno = 0;
    rig_ok(try_write(r, a, 0, STORE_BLOCK));
    assert_true(data_taken(r) >= FILE_LEN / MIB);
}

static bool has_spare(const struct rig *r)
{
    char path[100];

    snprintf(path, sizeof(path), "%s/data/spare", r->dir);
    return access(path, F_OK) == 0;
}

static void test_store_space__a_spare_file_is_given_up_to_open_a_full_one(void **state)
{
    struct rig *r = *state;

    assert_true(has_spare(r));
    set_available(BLOCKS_SPARE);
    rig_reopen(r);
    assert_true(has_spare(r)); /* there is enough */
    set_available(BLOCKS_SPARE - 4096);
    rig_reopen(r);
    assert_false(has_spare(r));
    set_available(BLOCKS_RESERVE_MIN + FILE_LEN); /* nor is data kept from room */
    rig_reopen(r);
    assert_false(has_spare(r));
    set_available(FS_SIZE);
    rig_reopen(r);
    assert_true(has_spare(r));
}

static struct store_id duplicate(struct rig *r, struct store_id source)
{
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, (struct store_id){0, 0}, STORE_EXCLUSIVE);
    struct store_id made;

    rig_ok(r->ops->duplicate(t, source.pid, (struct store_id){0, 0}, &m, &made));
    rig_commit(r, t);
    return made;
}

static void remove_all(struct rig *r, struct store_id partition)
{
    struct store_txn *t = rig_begin(r, partition, STORE_EXCLUSIVE);

    rig_ok(r->ops->remove(t, partition, true));
    rig_commit(r, t);
}

/* Blocks that a new object can take until the store is full; it is removed again. */
static uint64_t free_blocks(struct rig *r, uint64_t pid)
{
    struct store_id id = rig_object(r, pid);
    uint64_t at = fill_up(r, id) * MIB, n;

    while (try_write(r, id, at, STORE_BLOCK) == OSD_OK)
        at += STORE_BLOCK;
    n = at / STORE_BLOCK;
    rig_remove(r, id);
    rig_ok(r->ops->flush(r->s));
    return n;
}

#define SNAPSHOTS 300
#define OBJECTS   20

/* Objects that differ from one snapshot to the next, a few of them anew. */
static void change_some(struct rig *r, const struct store_id objects[OBJECTS], unsigned round)
{
    uint64_t seed = round;

    for (int i = 0; i < 3; i++) {
        struct store_id id = objects[rig_random(&seed, OBJECTS)];
        rig_ok(try_write(r, id, rig_random(&seed, 60) * STORE_BLOCK + 7, 3 * STORE_BLOCK));
        rig_truncate(r, id, 40 * STORE_BLOCK + rig_random(&seed, 30000));
    }
}

/* Blocks have hundreds of owners that go in any order; one that is forgotten is one that no
 * object can take later. */
static void test_store_space__hundreds_of_snapshots_give_back_every_block(void **state)
{
    struct rig *r = *state;
    uint64_t other = rig_partition(r).pid, seed = 5, ids[SNAPSHOTS + 5], next, changes;
    struct store_id p = rig_partition(r), objects[OBJECTS], all[SNAPSHOTS + 1] = {p};
    struct store_txn *t;
    size_t n;

    rig_write(r, rig_object(r, other), 0, first, sizeof(first));
    set_available(BLOCKS_RESERVE_MIN);
    uint64_t before = free_blocks(r, other);
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = rig_object(r, p.pid);
        rig_ok(try_write(r, objects[i], 0, 50 * STORE_BLOCK));
    }
    for (unsigned i = 1; i <= SNAPSHOTS; i++) {
        all[i] = duplicate(r, i % 10 == 9 ? all[i - 1] : p);
        change_some(r, objects, i);
        if (i % 100 == 50)
            rig_reopen(r);
    }
    t = rig_begin(r, (struct store_id){0, 0}, STORE_SHARED);
    rig_ok(r->ops->list(t, 0, STORE_PARTITION, 0, ids, SNAPSHOTS + 5, &n, &next, &changes));
    r->ops->abort(t);
    assert_int_equal(n, SNAPSHOTS + 2);
    for (uint64_t left = SNAPSHOTS + 1; left > 0; left--) {
        uint64_t i = rig_random(&seed, left);
        remove_all(r, all[i]);
        all[i] = all[left - 1];
        if (left % 100 == 50)
            rig_reopen(r);
    }
    rig_ok(r->ops->flush(r->s));
    assert_int_equal(free_blocks(r, other), before);
    rig_check(r);
}

#define PIECES 32000 /* of a map that takes two batches */

/* A map with a key for each of its blocks. */
static struct store_id scattered(struct rig *r, uint64_t pid)
{
    struct store_id id = rig_object(r, pid);

    for (uint64_t i = 0; i < PIECES;) {
        struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
        do
            rig_ok(rig_txn_write(t, id, ++i * 128 * STORE_BLOCK, first, sizeof(first)));
        while (i % 1000);
        rig_commit(r, t);
    }
    return id;
}

/* What was written of the copy is no second owner of its blocks when it is made again. */
static void test_store_space__a_copy_that_was_cut_off_owns_nothing(void **state)
{
    struct rig *r = *state;
    uint64_t other, before;
    struct store_id p, d, big;

    rig_close(r);
    r->cfg.idle = true; /* nothing but this test copies */
    rig_open(r);
    other = rig_partition(r).pid;
    p = rig_partition(r);
    big = scattered(r, p.pid);
    set_available(BLOCKS_RESERVE_MIN);
    before = free_blocks(r, other);
    d = duplicate(r, p);
    writes_left = 1;
    assert_false(rig_exists(r, (struct store_id){d.pid, big.oid})); /* the record is lost */
    assert_int_equal(writes_left, 0);
    rig_close(r);
    writes_left = -1;
    rig_open(r);
    rig_check(r);
    remove_all(r, d);
    remove_all(r, p);
    rig_ok(r->ops->flush(r->s));
    assert_int_equal(free_blocks(r, other), before + PIECES);
}

/* Before and after opening again: what a commit that failed would have changed is as it was. */
static void verify_first(struct rig *r, struct store_id small, struct store_id large)
{
    uint8_t got[sizeof(first)], attr[5];
    uint32_t len = 0;
    struct store_txn *t = rig_begin(r, small, STORE_SHARED);

    rig_ok(r->ops->get_attr(t, small, 1, 1, attr, sizeof(attr), &len));
    r->ops->abort(t);
    assert_int_equal(len, 5);
    assert_memory_equal(attr, "value", 5);
    rig_read(r, large, MIB, got, sizeof(got));
    assert_memory_equal(got, first, sizeof(first));
    assert_int_equal(rig_get_meta(r, large).length, MIB + sizeof(first));
}

/* Would catch: values of the commit that stay in memory. */
static void test_store_space__a_commit_that_cannot_be_written_changes_nothing(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id small = rig_object(r, pid), large = rig_object(r, pid);
    uint8_t other[2 * sizeof(first)] = {1, 2, 3};
    struct store_txn *t;

    rig_set_attr(r, small, 1, 1, "value", 5);
    rig_write(r, large, MIB, first, sizeof(first)); /* a chunk with a key of its own */
    verify_first(r, small, large);
    t = rig_begin(r, (struct store_id){pid, 0}, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, small, 1, 1, "other", 5));
    rig_ok(rig_txn_write(t, large, MIB, other, sizeof(other)));
    writes_fail = true;
    rig_fails(r->ops->commit(t, 0), OSD_E_IO);
    verify_first(r, small, large);
    writes_fail = false;
    rig_reopen(r);
    verify_first(r, small, large);
}

/* ---- space that the file system gets back ---- */

static void remove_object(struct rig *r, struct store_id id)
{
    rig_remove(r, id);
}

static void remove_partition(struct rig *r, struct store_id id)
{
    remove_all(r, (struct store_id){id.pid, 0});
}

static void format(struct rig *r, struct store_id id)
{
    struct store_meta root = rig_meta(STORE_ROOT);
    struct store_txn *t = rig_begin(r, (struct store_id){0, 0}, STORE_EXCLUSIVE);

    (void)id;
    rig_ok(r->ops->format(t, 0, &root));
    rig_commit(r, t);
}

#define LARGE (3 * FILE_LEN / MIB)
#define FREE  (FILE_LEN / MIB) /* stays free of a store with so little in it */

static void test_store_space__what_is_removed_goes_back_to_the_file_system(void **state)
{
    static void (*const removals[])(struct rig *, struct store_id) = {remove_object,
                                                                      remove_partition, format};
    struct rig *r = *state;

    for (size_t i = 0; i < sizeof(removals) / sizeof(removals[0]); i++) {
        struct store_id stays = rig_object(r, rig_partition(r).pid),
                        goes = rig_object(r, rig_partition(r).pid);
        rig_ok(try_write(r, stays, 0, MIB));
        for (uint64_t k = 0; k < LARGE; k++)
            rig_ok(try_write(r, goes, k * MIB, MIB));
        assert_true(data_taken(r) >= LARGE);
        removals[i](r, goes);
        rig_reopen(r);
        assert_in_range(data_taken(r), FREE, FREE + 3);
        if (removals[i] != format)
            verify(r, stays, 1);
        rig_check(r);
    }
}

static void test_store_space__an_open_store_gives_back_what_stays_free(void **state)
{
    struct rig *r = *state;
    struct store_id a, b;

    rig_close(r);
    r->cfg.quiet_ms = 1;
    rig_open(r);
    a = rig_object(r, rig_partition(r).pid);
    b = rig_object(r, a.pid);
    for (uint64_t k = 0; k < LARGE; k++) { /* pieces of both in every file */
        rig_ok(try_write(r, a, k * MIB, MIB));
        if (k % 16 == 0)
            rig_ok(try_write(r, b, k / 16 * MIB, MIB));
    }
    rig_remove(r, a);
    rig_ok(r->ops->flush(r->s));
    while (data_taken(r) > FREE + 2 * (LARGE / 16)) /* ends with the test's time limit */
        usleep(1000);
    verify(r, b, LARGE / 16);
    a = rig_object(r, a.pid);
    for (uint64_t k = 0; k < LARGE; k++)
        rig_ok(try_write(r, a, k * MIB, MIB));
    verify(r, a, LARGE);
    rig_reopen(r);
    verify(r, a, LARGE);
    verify(r, b, LARGE / 16);
    rig_check(r);
}

/* Would catch: a command that takes as long as a busy disk needs for a sync of all that was written. */
static void test_store_space__overwriting_goes_on_while_a_sync_takes_long(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);

    rig_ok(try_write(r, a, 0, MIB));
    syncs_by_command = 0;
    atomic_store(&syncs_hang, true);
    for (unsigned i = 0; i < 300; i++) /* MiB; the test's time limit ends a wait */
        rig_ok(try_write(r, a, 0, MIB));
    assert_int_equal(syncs_by_command, 0);
    atomic_store(&syncs_hang, false);
    verify(r, a, 1);
}

/* The store is promised no more than what it has, and takes no more than what is there. */
static void test_store_space__others_may_take_what_went_back(void **state)
{
    struct rig *r = *state;
    uint64_t pid = rig_partition(r).pid;
    struct store_id a = rig_object(r, pid);

    for (uint64_t k = 0; k < LARGE; k++)
        rig_ok(try_write(r, a, k * MIB, MIB));
    rig_remove(r, a);
    rig_reopen(r);
    uint64_t left = available;
    set_available(BLOCKS_RESERVE_MIN);
    a = rig_object(r, pid);
    uint64_t n = fill_up(r, a);
    assert_in_range(n, FREE - 1, FREE);
    verify(r, a, n);
    set_available(left);
    for (; n < LARGE; n++)
        rig_ok(try_write(r, a, n * MIB, MIB));
    verify(r, a, n);
}

/* After a write below failed, what is in the log is not known: the next opening may show what the
 * command would have changed, so its blocks stay as they are. */
static void test_store_space__a_store_that_failed_changes_nothing_more(void **state)
{
    struct rig *r = *state;
    struct store_id a = rig_object(r, rig_partition(r).pid);
    struct store_info info;
    uint8_t value[4];
    size_t len;

    rig_ok(r->ops->put_setting(r->s, "name", "old", 3));
    rig_ok(try_write(r, a, 0, MIB));
    struct store_txn *t = rig_begin(r, a, STORE_EXCLUSIVE);
    rig_ok(rig_txn_write(t, a, 0, first, sizeof(first)));
    writes_fail = true;
    rig_fails(r->ops->commit(t, 0), OSD_E_IO);
    writes_fail = false;
    r->ops->info(r->s, &info);
    assert_true(info.read_only);
    rig_fails(r->ops->put_setting(r->s, "name", "new", 3), OSD_E_IO);
    rig_fails(r->ops->flush(r->s), OSD_E_IO);
    rig_ok(r->ops->get_setting(r->s, "name", value, sizeof(value), &len));
    assert_memory_equal(value, "old", len);
    rig_reopen(r);
    rig_ok(r->ops->put_setting(r->s, "name", "new", 3));
    verify(r, a, 1);
}

/* What the database refuses is in the journal, and there again when the store is opened; until then
 * it is found, but nobody walks over what may lack some of it. */
static void database_refuses(struct rig *r, bool read_only)
{
    uint64_t pid = rig_partition(r).pid, ids[4], next, changes;
    struct store_id id = rig_object(r, pid), late;
    struct store_txn *t;
    size_t n;

    database_fails = true;
    rig_set_attr(r, id, 1, 1, "value", 5);
    late = rig_object(r, pid);
    assert_true(rig_exists(r, late));
    t = rig_begin(r, (struct store_id){pid, 0}, STORE_SHARED);
    rig_fails(r->ops->list(t, pid, STORE_USER, 0, ids, 4, &n, &next, &changes), OSD_E_IO);
    r->ops->abort(t);
    assert_true(rig_exists(r, late));
    t = rig_begin(r, id, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, id, 1, 1, "other", 5));
    rig_fails(r->ops->commit(t, 0), OSD_E_IO);
    rig_close(r);
    r->cfg.read_only = read_only;
    rig_fails(store_rocksdb_open(&r->cfg, &r->s, NULL, 0), OSD_E_IO);
    database_fails = false;
    rig_open(r);
    assert_true(rig_exists(r, late));
    rig_check(r);
}

static void test_store_space__what_the_database_refuses_is_not_lost(void **state)
{
    database_refuses(*state, false);
}

/* Would catch: a check of a store that a crash left which does not see what is in the journal. */
static void test_store_space__what_the_database_refused_is_seen_by_who_only_reads(void **state)
{
    database_refuses(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPACE_TEST(test_store_space__full_refuses_data_keeps_all_and_heals_by_removal),
        SPACE_TEST(test_store_space__overwriting_goes_on_while_full),
        SPACE_TEST(test_store_space__what_others_sync_meanwhile_is_found),
        SPACE_TEST(test_store_space__below_half_the_reserve_only_shrinking_is_left),
        SPACE_TEST(test_store_space__a_refused_reservation_is_no_failure_of_the_store),
        SPACE_TEST(test_store_space__files_are_made_before_they_are_needed),
        SPACE_TEST(test_store_space__a_file_that_gets_no_room_takes_none),
        SPACE_TEST(test_store_space__a_spare_file_is_given_up_to_open_a_full_one),
        SPACE_TEST(test_store_space__hundreds_of_snapshots_give_back_every_block),
        SPACE_TEST(test_store_space__a_copy_that_was_cut_off_owns_nothing),
        SPACE_TEST(test_store_space__a_commit_that_cannot_be_written_changes_nothing),
        SPACE_TEST(test_store_space__what_is_removed_goes_back_to_the_file_system),
        SPACE_TEST(test_store_space__an_open_store_gives_back_what_stays_free),
        SPACE_TEST(test_store_space__overwriting_goes_on_while_a_sync_takes_long),
        SPACE_TEST(test_store_space__others_may_take_what_went_back),
        SPACE_TEST(test_store_space__in_memory_nothing_is_reserved_for_logs),
        SPACE_TEST(test_store_space__a_store_that_failed_changes_nothing_more),
        SPACE_TEST(test_store_space__what_the_database_refuses_is_not_lost),
        SPACE_TEST(test_store_space__what_the_database_refused_is_seen_by_who_only_reads),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
