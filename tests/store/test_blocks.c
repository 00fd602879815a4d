/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_blocks.c - a data file is synced after the last write, and what is free in it
 * goes back to the file system, whatever meets what
 */
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "rig.h"
#include "store/blocks.h"
#include "store/mapped.h"

/* Called in front of a write, in the place of another thread that comes at that moment. */
static void (*meanwhile)(void);
static unsigned pwrites;
static unsigned syncs;               /* of files */
static _Thread_local unsigned asked; /* for the time, by this thread */

ssize_t __real_pwrite64(int fd, const void *src, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *src, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *src, size_t len, off_t off)
{
    void (*f)(void) = meanwhile;

    meanwhile = NULL;
    if (f)
        f();
    pwrites++;
    return __real_pwrite64(fd, src, len, off);
}

static long fs_type; /* that the files seem to lie on */

int __real_statfs64(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret)
{
    int rc = __real_statfs64(path, ret);

    ret->f_type = fs_type;
    return rc;
}

static unsigned preads;

ssize_t __real_pread64(int fd, void *dst, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *dst, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *dst, size_t len, off_t off)
{
    preads++;
    return __real_pread64(fd, dst, len, off);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    syncs++;
    return __real_fdatasync(fd);
}

static atomic_uint dir_syncs;      /* of the directory */
static atomic_int dir_sync_errno;  /* 0: they work */
static atomic_uint dir_sync_hangs; /* from this one on; 0: never */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    unsigned n = ++dir_syncs;

    while (dir_sync_hangs && n >= dir_sync_hangs)
        usleep(1000);
    errno = dir_sync_errno;
    return dir_sync_errno ? -1 : __real_fsync(fd);
}

static int punch_errno; /* of making files smaller; 0: it works */
static bool half; /* of the space that is asked for is reserved, then the file system is full */
static bool sparse;           /* there is no space to reserve ... */
static atomic_int files_left; /* ... for so many files; then the file system is full */

int __real_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len)
{
    if (mode == 0 && half) {
        assert_int_equal(__real_fallocate64(fd, mode, offset, len / 2), 0);
        errno = ENOSPC;
        return -1;
    }
    if (mode == 0 && sparse) {
        errno = files_left-- > 0 ? EOPNOTSUPP : ENOSPC;
        return -1;
    }
    if (mode == 0 || !punch_errno)
        return __real_fallocate64(fd, mode, offset, len);
    errno = punch_errno;
    return -1;
}

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    asked++;
    return __real_clock_gettime(id, ts);
}

static struct blocks *b;

static unsigned sync_now(void)
{
    uint64_t mark;

    syncs = 0;
    rig_ok(blocks_sync(b, &mark));
    return syncs;
}

static void sync_meanwhile(void)
{
    sync_now();
}

static void write_one(uint64_t block)
{
    static uint8_t bytes[STORE_BLOCK] = {1};
    const struct iovec v = {bytes, sizeof(bytes)};
    uint32_t crc;

    rig_ok(blocks_write(b, block, 1, &v, 1, &crc));
}

static char files[100]; /* the directory */

static void open_files_on(struct rig *r, long type)
{
    if (r->opened) /* its threads would be counted as well */
        rig_close(r);
    snprintf(files, sizeof(files), "%s/files", r->dir);
    punch_errno = 0;
    half = sparse = false;
    fs_type = type;
    dir_sync_errno = 0;
    dir_sync_hangs = 0;
    rig_ok(blocks_open(files, false, &b));
}

static void open_files(struct rig *r)
{
    open_files_on(r, EXT4_SUPER_MAGIC);
}

/* Two blocks, the first of which is written; returns it. */
static uint64_t open_and_write(struct rig *r)
{
    uint64_t first;
    uint32_t n;

    open_files(r);
    rig_ok(blocks_alloc(b, 1, 2, &first, &n));
    assert_int_equal(n, 2);
    write_one(first);
    return first;
}

/* Would catch: a sync that takes place while a block is being written, and makes the next one
 * believe that there is nothing to do. */
static void test_store_blocks__a_sync_during_a_write_does_not_count_for_it(void **state)
{
    uint64_t first = open_and_write(*state);

    assert_int_equal(sync_now(), 1);
    assert_int_equal(sync_now(), 0); /* nothing was written */
    meanwhile = sync_meanwhile;
    write_one(first + 1);
    assert_int_equal(sync_now(), 1);
    blocks_close(b);
}

/* Would catch: a flush that leaves out what a process wrote that then died. */
static void test_store_blocks__the_first_sync_covers_what_was_there_before(void **state)
{
    open_and_write(*state);

    blocks_close(b);
    rig_ok(blocks_open(files, false, &b));
    assert_int_equal(sync_now(), 1);
    assert_int_equal(sync_now(), 0);
    blocks_close(b);
}

/* Would catch: data durable in a file whose name is not, as who made it died before the sync of the
 * directory. */
static void test_store_blocks__the_first_sync_covers_the_names_of_files(void **state)
{
    open_and_write(*state);
    blocks_close(b);
    rig_ok(blocks_open(files, false, &b));
    dir_syncs = 0;
    dir_sync_errno = EIO;
    rig_fails(blocks_sync(b, &(uint64_t){0}), OSD_E_IO);
    dir_sync_errno = 0;
    sync_now();
    assert_int_equal(dir_syncs, 2);
    sync_now();
    assert_int_equal(dir_syncs, 2);
    blocks_close(b);
}

/* ---- blocks that are read again, from the mapped file ---- */

static void read_one(uint64_t block, unsigned seed)
{
    uint8_t got[STORE_BLOCK], want[STORE_BLOCK];
    const struct iovec v = {got, sizeof(got)};
    uint32_t crc;

    rig_fill(want, sizeof(want), seed);
    rig_ok(blocks_read(b, block, 1, &v, 1, &crc));
    assert_memory_equal(got, want, sizeof(got));
    assert_int_equal(crc, osd_crc32c(0, want, sizeof(want)));
}

static void write_seed(uint64_t block, unsigned seed)
{
    uint8_t bytes[STORE_BLOCK];
    const struct iovec v = {bytes, sizeof(bytes)};
    uint32_t crc;

    rig_fill(bytes, sizeof(bytes), seed);
    rig_ok(blocks_write(b, block, 1, &v, 1, &crc));
}

static void test_store_blocks__reading_again_needs_no_system_call(void **state)
{
    uint64_t first = open_and_write(*state);

    write_seed(first, 1);
    preads = 0;
    for (unsigned i = 0; i < 2 * MAPPED_HOT; i++)
        read_one(first, 1);
    assert_int_equal(preads, MAPPED_HOT);
    write_seed(first, 2);
    read_one(first, 2);
    assert_int_equal(preads, MAPPED_HOT);
    blocks_close(b);
    rig_ok(blocks_open(files, true, &b)); /* to look at once */
    for (unsigned i = 0; i < 2 * MAPPED_HOT; i++)
        read_one(first, 2);
    assert_int_equal(preads, 3 * MAPPED_HOT);
    blocks_close(b);
}

/* How many of so many writes are a system call, after many others. */
static unsigned calls_of_writes(struct rig *r, long type, unsigned n)
{
    uint64_t first;
    uint32_t got;

    open_files_on(r, type);
    rig_ok(blocks_alloc(b, 1, 1, &first, &got));
    for (unsigned i = 0; i < MAPPED_WRITTEN; i++)
        write_one(first);
    sync_now();
    pwrites = 0;
    for (unsigned i = 0; i < n; i++) {
        write_seed(first, i);
        assert_int_equal(sync_now(), 1);
        read_one(first, i);
    }
    blocks_close(b);
    return pwrites;
}

static void test_store_blocks__writing_again_and_again_needs_no_system_call_on_tmpfs(
    void **state)
{
    assert_int_equal(calls_of_writes(*state, TMPFS_MAGIC, 9), 0);
}

static void test_store_blocks__writing_to_a_disk_is_a_system_call_each_time(void **state)
{
    assert_int_equal(calls_of_writes(*state, EXT4_SUPER_MAGIC, 9), 9);
}

/* ---- space that is given back ---- */

#define FILES    4u
#define ALL      ((uint64_t)FILES * BLOCKS_PER_FILE)
#define FILE_MIB (BLOCKS_PER_FILE / 256)
#define KEPT_MIB FILE_MIB /* what stays free of so few files */
#define NEVER    3600000u /* ms */

/* MiB that data files take of the file system. */
static uint64_t taken(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < FILES + 1; i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%06u", files, i);
        sum += stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    }
    return sum / MIB;
}

/* Take blocks until there are so many of them. */
static void take(uint64_t want)
{
    while (want > 0) {
        uint64_t first;
        uint32_t n;
        rig_ok(blocks_alloc(b, 1, want > 256 ? 256 : (uint32_t)want, &first, &n));
        want -= n;
    }
}

static void release_file(unsigned n)
{
    blocks_release(b, (uint64_t)n * BLOCKS_PER_FILE, BLOCKS_PER_FILE);
}

static void sync_all(void)
{
    uint64_t mark;

    rig_ok(blocks_sync(b, &mark));
    blocks_sync_done(b, mark);
}

static void test_store_blocks__what_stays_free_goes_back_and_can_be_taken_again(void **state)
{
    static uint8_t bytes[STORE_BLOCK], got[STORE_BLOCK];
    const struct iovec v = {bytes, sizeof(bytes)}, in = {got, sizeof(got)};
    uint32_t crc;

    open_files(*state);
    take(ALL);
    for (uint64_t i = 0; i < FILES; i++) { /* one block in each file stays */
        rig_fill(bytes, sizeof(bytes), (unsigned)i);
        rig_ok(blocks_write(b, i * BLOCKS_PER_FILE + 5000, 1, &v, 1, &crc));
    }
    assert_int_equal(taken(), ALL / 256);
    rig_ok(blocks_make_ahead(b, 1));
    for (uint64_t i = 0; i < FILES; i++) {
        blocks_retire(b, i * BLOCKS_PER_FILE, 5000);
        blocks_retire(b, i * BLOCKS_PER_FILE + 5001, BLOCKS_PER_FILE - 5001);
    }
    sync_all();
    while (taken() > KEPT_MIB + FILES) /* ends with the test's time limit if it never falls */
        usleep(1000);
    for (uint64_t i = 0; i < FILES; i++) {
        rig_fill(bytes, sizeof(bytes), (unsigned)i);
        rig_ok(blocks_read(b, i * BLOCKS_PER_FILE + 5000, 1, &in, 1, &crc));
        assert_memory_equal(got, bytes, sizeof(got));
    }
    take(ALL - FILES);
    assert_in_range(taken(), ALL / 256, ALL / 256 + FILE_MIB); /* and one ahead */
    for (uint64_t i = 0; i < FILES; i++) {
        rig_fill(bytes, sizeof(bytes), (unsigned)i);
        rig_ok(blocks_read(b, i * BLOCKS_PER_FILE + 5000, 1, &in, 1, &crc));
        assert_memory_equal(got, bytes, sizeof(got));
    }
    blocks_close(b);
}

/* Would catch: a power loss that brings the metadata from before the removal, and finds zeros. */
static void test_store_blocks__what_waits_for_a_sync_keeps_its_space(void **state)
{
    open_files(*state);
    take(ALL);
    rig_ok(blocks_make_ahead(b, 1));
    for (unsigned i = 0; i < FILES; i++)
        blocks_retire(b, (uint64_t)i * BLOCKS_PER_FILE, BLOCKS_PER_FILE);
    blocks_close(b);
    assert_in_range(taken(), ALL / 256, ALL / 256 + FILE_MIB);
}

/* Would catch: a store that cannot be opened, and loses what it had not found yet. */
static void test_store_blocks__nothing_goes_back_before_all_is_known(void **state)
{
    open_files(*state);
    take(ALL);
    blocks_close(b);
    open_files(*state);
    blocks_close(b);
    assert_int_equal(taken(), ALL / 256);
}

static void test_store_blocks__closing_gives_back_what_was_free_for_a_moment(void **state)
{
    open_files(*state);
    take(ALL);
    rig_ok(blocks_make_ahead(b, NEVER));
    for (unsigned i = 0; i < FILES; i++)
        release_file(i);
    blocks_close(b);
    assert_int_equal(taken(), KEPT_MIB);
}

static void test_store_blocks__opening_finds_what_had_gone_back(void **state)
{
    open_files(*state);
    take(ALL);
    rig_ok(blocks_make_ahead(b, NEVER));
    for (unsigned i = 1; i < FILES; i++)
        release_file(i);
    blocks_close(b);
    uint64_t left = taken();
    assert_int_equal(left, FILE_MIB + KEPT_MIB);
    open_files(*state);
    rig_ok(blocks_mark(b, 0, BLOCKS_PER_FILE));
    blocks_recovered(b);
    take(KEPT_MIB * 256);
    assert_int_equal(taken(), left); /* what has space comes first */
    take(ALL - BLOCKS_PER_FILE - KEPT_MIB * 256);
    assert_int_equal(taken(), ALL / 256);
    take(1);
    assert_int_equal(taken(), ALL / 256 + FILE_MIB);
    blocks_close(b);
}

static void test_store_blocks__format_leaves_alone_what_had_gone_back(void **state)
{
    open_files(*state);
    take(ALL);
    rig_ok(blocks_make_ahead(b, 1));
    for (unsigned i = 2; i < FILES; i++)
        release_file(i);
    sync_all();
    while (taken() > 4 * FILE_MIB) /* as much as is in use stays free */
        usleep(1000);
    blocks_retire_all(b);
    sync_all();
    while (taken() > KEPT_MIB)
        usleep(1000);
    take(ALL); /* no block twice: the sum of what is taken tells */
    assert_in_range(taken(), ALL / 256, ALL / 256 + FILE_MIB);
    blocks_close(b);
}

static void test_store_blocks__a_file_system_that_takes_nothing_back_works_as_well(void **state)
{
    static const int why[] = {EOPNOTSUPP, EIO};

    open_files(*state);
    for (int i = 0; i < 2; i++) {
        punch_errno = why[i];
        take(ALL);
        rig_ok(blocks_make_ahead(b, NEVER));
        for (unsigned k = 0; k < FILES; k++)
            release_file(k);
        blocks_close(b);
        rig_ok(blocks_open(files, false, &b));
        assert_in_range(taken(), ALL / 256, ALL / 256 + FILE_MIB);
    }
    blocks_close(b);
}

#define LOOKS 100000u

/* Would catch: a system call for each command that grows, where there is no vDSO. */
static void test_store_blocks__whether_it_is_full_seldom_asks_for_the_time(void **state)
{
#if !defined(__x86_64__)
    skip();
#endif
    open_files(*state);
    asked = 0;
    for (unsigned i = 0; i < LOOKS; i++)
        assert_false(blocks_full(b));
    assert_in_range(asked, 1, LOOKS / 10);
    blocks_close(b);
}

/* ---- files made ahead ---- */

#define NAMES     16u /* files that there are at least before they are needed */
#define IN_A_RUSH 16  /* that have space then, before they are needed */

#define LARGE 64u /* files from which on as many are made at once */

static bool file_exists(unsigned n)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%06u", files, n);
    return access(path, F_OK) == 0;
}

/* As many files as LARGE, all in use, and the thread that makes them: how many it may. */
static void begin_large(struct rig *r, int left)
{
    open_files(r);
    sparse = true;
    files_left = (int)LARGE + 1 + left; /* the spare file is one, too */
    take((uint64_t)LARGE * BLOCKS_PER_FILE);
    dir_syncs = 0;
}

static void test_store_blocks__several_files_are_made_with_one_sync(void **state)
{
    begin_large(*state, 10);
    rig_ok(blocks_make_ahead(b, NEVER));
    while (!dir_syncs) /* ends with the test's time limit if it never comes */
        usleep(1000);
    blocks_close(b);
    assert_int_equal(dir_syncs, 1);
    assert_true(file_exists(2 * LARGE - 1));
    assert_false(file_exists(2 * LARGE));
}

static void test_store_blocks__files_get_room_although_the_next_gets_none(void **state)
{
    begin_large(*state, 2);
    rig_ok(blocks_make_ahead(b, NEVER));
    while (!dir_syncs) /* ends with the test's time limit if it never comes */
        usleep(1000);
    take(2ULL * BLOCKS_PER_FILE);
    rig_fails(blocks_alloc(b, 1, 1, &(uint64_t){0}, &(uint32_t){0}), OSD_E_NO_SPACE);
    files_left = 1;
    take(1);
    blocks_close(b);
}

/* Would catch: half a file that nobody can use, of a file system that is full. */
static void test_store_blocks__a_file_that_gets_half_its_space_keeps_none(void **state)
{
    struct stat s;
    char path[128];

    open_files(*state);
    half = true;
    rig_fails(blocks_alloc(b, 1, 1, &(uint64_t){0}, &(uint32_t){0}), OSD_E_NO_SPACE);
    snprintf(path, sizeof(path), "%s/000000", files);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_blocks, 0);
    half = false;
    take(BLOCKS_PER_FILE);
    assert_int_equal(stat(path, &s), 0);
    assert_in_range(s.st_blocks, BLOCKS_PER_FILE * STORE_BLOCK / 512, UINT_MAX);
    blocks_close(b);
}

static void test_store_blocks__files_whose_names_may_be_lost_do_not_stay(void **state)
{
    begin_large(*state, 10);
    dir_sync_errno = EIO;
    rig_ok(blocks_make_ahead(b, NEVER));
    while (!dir_syncs || file_exists(LARGE)) /* ends with the test's time limit if it stays */
        usleep(1000);
    for (unsigned i = 0; i < LARGE; i++)
        assert_false(file_exists(LARGE + i));
    dir_sync_errno = 0;
    take(BLOCKS_PER_FILE); /* by who needs it */
    blocks_close(b);
}

/* Would catch: no file at all where fewer can be open than should be made. */
static void test_store_blocks__as_many_files_are_made_as_can_be_open(void **state)
{
    struct rlimit was, few;

    open_files(*state);
    int three[] = {dup(STDERR_FILENO), dup(STDERR_FILENO), dup(STDERR_FILENO)};
    for (int i = 0; i < 3; i++)
        close(three[i]);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = was;
    few.rlim_cur = (rlim_t)three[2] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rig_ok(blocks_make_ahead(b, NEVER));
    take(1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    blocks_close(b);
}

/* Would catch: names that come when there are none any more. */
static void test_store_blocks__names_come_while_there_are_some(void **state)
{
    open_files(*state);
    sparse = true;
    files_left = INT_MAX;
    dir_syncs = 0;
    rig_ok(blocks_make_ahead(b, NEVER));
    while (!dir_syncs)
        usleep(1000);
    take((uint64_t)(NAMES / 2 - 2) *
         BLOCKS_PER_FILE); /* two more get space, and half have none */
    while (dir_syncs < 2)  /* ends with the test's time limit if they never come */
        usleep(1000);
    blocks_close(b);
    assert_int_equal(INT_MAX - files_left, NAMES / 2 + 1); /* the spare file is one, too */
}

/* Would catch: a command that takes as long as a busy disk needs for a sync. */
static void test_store_blocks__nobody_waits_for_the_sync_of_the_directory(void **state)
{
    open_files(*state);
    sparse = true;
    files_left = INT_MAX;
    dir_syncs = 0;
    dir_sync_hangs = 2;
    rig_ok(blocks_make_ahead(b, NEVER));
    while (!dir_syncs)
        usleep(1000);
    take((uint64_t)(NAMES - 4) * BLOCKS_PER_FILE);
    while (dir_syncs < 2) /* for those that come when there are no names any more */
        usleep(1000);
    take(3ULL * BLOCKS_PER_FILE);
    dir_sync_hangs = 0;
    blocks_close(b);
}

/* Would catch: fast writers that wait until space is reserved, when that takes long. */
static void test_store_blocks__more_files_have_space_in_a_rush(void **state)
{
    int taken_files = 0;

    open_files(*state);
    sparse = true;
    files_left = INT_MAX;
    rig_ok(blocks_make_ahead(b, NEVER));
    do { /* ends with the test's time limit if there never are as many */
        take(10ULL * BLOCKS_PER_FILE);
        taken_files += 10;
        for (int i = 0; i < 100 && INT_MAX - files_left < taken_files + IN_A_RUSH; i++)
            usleep(1000);
    } while (INT_MAX - files_left < taken_files + IN_A_RUSH);
    blocks_close(b);
}

/* ---- writers keep apart ---- */

#define ONE     1u /* of different lanes */
#define ANOTHER 2u
#define MUCH    32u /* blocks: what comes from no stock (test_stock.c) */

static uint64_t met; /* the block that another got meanwhile */

static uint64_t alloc_for(uint64_t whose)
{
    uint64_t first;
    uint32_t n;

    rig_ok(blocks_alloc(b, whose, MUCH, &first, &n));
    assert_int_equal(n, MUCH);
    return first;
}

static void another_comes(void)
{
    met = alloc_for(ANOTHER);
}

static bool in_one_file(uint64_t x, uint64_t y)
{
    return x / BLOCKS_PER_FILE == y / BLOCKS_PER_FILE;
}

/* Would catch: writers of different objects that wait for each other in one file, and blocks of
 * one object that are scattered. */
static void test_store_blocks__writers_that_meet_go_on_in_different_files(void **state)
{
    open_files(*state);
    rig_ok(blocks_make_ahead(b, NEVER));
    uint64_t mine = alloc_for(ONE);
    assert_true(in_one_file(alloc_for(ANOTHER), mine)); /* nobody writes */
    do { /* until a file was made for that; ends with the test's time limit if none is */
        meanwhile = another_comes;
        write_one(mine);
        usleep(1000);
        if (in_one_file(met, mine))
            blocks_release(b, met, MUCH);
    } while (in_one_file(met, mine));
    assert_int_equal(alloc_for(ANOTHER), met + MUCH);
    uint64_t next = alloc_for(ONE);
    assert_true(in_one_file(next, mine));
    assert_int_equal(alloc_for(ONE), next + MUCH);
    blocks_close(b);
    assert_in_range(taken(), KEPT_MIB, KEPT_MIB + FILES); /* with the pieces in use */
}

#define MODEL_RUN   250u /* blocks, at most: over several words of the bitmap */
#define MODEL_RUNS  64u  /* less than a file together */
#define MODEL_STEPS 20000u

static bool out[BLOCKS_PER_FILE]; /* blocks that were given out */

/* All in the first file: there is always room in it. */
static void change_hands(uint64_t first, uint32_t n, bool to_us)
{
    assert_true(first + n <= BLOCKS_PER_FILE);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(out[first + i], !to_us);
        out[first + i] = to_us;
    }
}

static uint32_t take_run(uint32_t want, uint64_t *ret_first)
{
    uint32_t n;

    rig_ok(blocks_alloc(b, 1, want, ret_first, &n));
    assert_in_range(n, 1, want);
    change_hands(*ret_first, n, true);
    return n;
}

static void give_run(uint64_t first, uint32_t n)
{
    change_hands(first, n, false);
    blocks_release(b, first, n);
}

/* A block that is given out twice is written over; one that is not given back is lost until the next open. */
static void test_store_blocks__a_block_is_given_out_once_until_it_is_given_back(void **state)
{
    uint64_t first[MODEL_RUNS] = {0}, seed = 1;
    uint32_t n[MODEL_RUNS] = {0};

    (void)state;
    rig_ok(blocks_open(NULL, false, &b));
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        uint64_t i = rig_random(&seed, MODEL_RUNS);
        if (n[i] > 0)
            give_run(first[i], n[i]);
        n[i] = take_run(1 + (uint32_t)rig_random(&seed, MODEL_RUN), &first[i]);
    }
    for (unsigned i = 0; i < MODEL_RUNS; i++)
        give_run(first[i], n[i]);
    for (uint32_t had = 0; had < BLOCKS_PER_FILE;)
        had += take_run(MODEL_RUN, &first[0]);
    blocks_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_blocks__a_sync_during_a_write_does_not_count_for_it),
        RIG_TEST(test_store_blocks__the_first_sync_covers_what_was_there_before),
        RIG_TEST(test_store_blocks__the_first_sync_covers_the_names_of_files),
        RIG_TEST(test_store_blocks__reading_again_needs_no_system_call),
        RIG_TEST(test_store_blocks__writing_again_and_again_needs_no_system_call_on_tmpfs),
        RIG_TEST(test_store_blocks__writing_to_a_disk_is_a_system_call_each_time),
        RIG_TEST(test_store_blocks__writers_that_meet_go_on_in_different_files),
        RIG_TEST(test_store_blocks__what_stays_free_goes_back_and_can_be_taken_again),
        RIG_TEST(test_store_blocks__what_waits_for_a_sync_keeps_its_space),
        RIG_TEST(test_store_blocks__nothing_goes_back_before_all_is_known),
        RIG_TEST(test_store_blocks__closing_gives_back_what_was_free_for_a_moment),
        RIG_TEST(test_store_blocks__opening_finds_what_had_gone_back),
        RIG_TEST(test_store_blocks__format_leaves_alone_what_had_gone_back),
        RIG_TEST(test_store_blocks__a_file_system_that_takes_nothing_back_works_as_well),
        RIG_TEST(test_store_blocks__whether_it_is_full_seldom_asks_for_the_time),
        RIG_TEST(test_store_blocks__several_files_are_made_with_one_sync),
        RIG_TEST(test_store_blocks__as_many_files_are_made_as_can_be_open),
        RIG_TEST(test_store_blocks__names_come_while_there_are_some),
        RIG_TEST(test_store_blocks__nobody_waits_for_the_sync_of_the_directory),
        RIG_TEST(test_store_blocks__more_files_have_space_in_a_rush),
        RIG_TEST(test_store_blocks__files_get_room_although_the_next_gets_none),
        RIG_TEST(test_store_blocks__a_file_that_gets_half_its_space_keeps_none),
        RIG_TEST(test_store_blocks__files_whose_names_may_be_lost_do_not_stay),
        RIG_TEST(test_store_blocks__a_block_is_given_out_once_until_it_is_given_back),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
