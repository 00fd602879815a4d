/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_stock.c - free blocks and retired runs that threads have at hand are lost to nobody, and nobody's
 * twice
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/thread.h"
#include "rig.h"
#include "store/blocks.h"
#include "store/stock.h"

#define PER_FILE BLOCKS_PER_FILE

static atomic_int files_left; /* that get space before the file system is full */

int __real_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len)
{
    if (mode == 0 && files_left-- <= 0) {
        errno = ENOSPC;
        return -1;
    }
    return __real_fallocate64(fd, mode, offset, len);
}

static void (*meanwhile)(void); /* called in front of a write */

ssize_t __real_pwrite64(int fd, const void *src, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *src, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *src, size_t len, off_t off)
{
    void (*f)(void) = meanwhile;

    meanwhile = NULL;
    if (f)
        f();
    return __real_pwrite64(fd, src, len, off);
}

/* Called when this thread locks the mutex of free blocks, or a stock, so many times from now on. */
static _Thread_local struct {
    unsigned left;
    void (*call)(void);
} at_lock;

void __real_osd_lock_short(pthread_mutex_t *m);
void __wrap_osd_lock_short(pthread_mutex_t *m);
void __wrap_osd_lock_short(pthread_mutex_t *m)
{
    if (at_lock.left > 0 && --at_lock.left == 0)
        at_lock.call();
    __real_osd_lock_short(m);
}

static struct blocks *b;
static char files[100]; /* the directory */

static void open_files(struct rig *r, int space)
{
    if (r->opened) /* it would take space as well */
        rig_close(r);
    files_left = space;
    snprintf(files, sizeof(files), "%s/files", r->dir);
    rig_ok(blocks_open(files, false, &b));
}

/* MiB that the first n data files take. */
static uint64_t taken_by(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        char path[128];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%06u", files, i);
        sum += stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    }
    return sum / MIB;
}

static void sync_all(void)
{
    uint64_t mark;

    rig_ok(blocks_sync(b, &mark));
    blocks_sync_done(b, mark);
}

static void take(uint32_t blocks)
{
    for (uint32_t n; blocks > 0; blocks -= n) {
        uint64_t first;
        rig_ok(blocks_alloc(b, 1, blocks, &first, &n));
    }
}

static void nothing_is_left(void)
{
    rig_fails(blocks_alloc(b, 1, 1, &(uint64_t){0}, &(uint32_t){0}), OSD_E_NO_SPACE);
    rig_fails(blocks_alloc(b, 1, STOCK_BLOCKS, &(uint64_t){0}, &(uint32_t){0}), OSD_E_NO_SPACE);
}

/* ---- another thread, of another place ---- */

struct other {
    enum { TAKES, GIVES, RETIRES } what;
    uint64_t whose, first;
    uint32_t n;
    unsigned again; /* so often it gives back what it took, and takes others */
    unsigned here;  /* the place */
    osd_status st;
};

static void *other_main(void *arg)
{
    struct other *o = arg;

    if (osd_thread_place() != o->here)
        return NULL;
    o->st = OSD_OK;
    if (o->what == TAKES)
        o->st = blocks_alloc(b, o->whose, o->n, &o->first, &o->n);
    for (unsigned i = 0; i < o->again && !o->st; i++) {
        blocks_release(b, o->first, o->n);
        o->st = blocks_alloc(b, o->whose, o->n, &o->first, &o->n);
    }
    if (o->what == TAKES)
        return NULL;
    if (o->what == GIVES)
        blocks_release(b, o->first, o->n);
    else
        blocks_retire(b, o->first, o->n);
    return NULL;
}

static struct other run_other(struct other o)
{
    pthread_t thread;

    o.here = (osd_thread_place() + 1) % OSD_PLACES;
    o.st = OSD_E_INVALID;
    while (o.st == OSD_E_INVALID) {
        assert_int_equal(pthread_create(&thread, NULL, other_main, &o), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    rig_ok(o.st);
    return o;
}

/* One block by another thread, which has others at hand since. */
static uint64_t taken_elsewhere(void)
{
    struct other o = run_other((struct other){.what = TAKES, .whose = 2, .n = 1});

    assert_int_equal(o.n, 1);
    return o.first;
}

static void retired_elsewhere(uint64_t first, uint32_t n)
{
    run_other((struct other){.what = RETIRES, .first = first, .n = n});
}

/* ---- no space ---- */

/* Would catch: a store that is full while threads that come no more have blocks at hand. */
static void test_store_stock__there_is_space_as_long_as_somebody_has_some(void **state)
{
    open_files(*state, 1);
    taken_elsewhere();
    take(PER_FILE - 1);
    nothing_is_left();
    blocks_close(b);
}

/* The same, by few blocks at a time. */
static void test_store_stock__little_by_little_all_is_taken(void **state)
{
    open_files(*state, 2);
    taken_elsewhere();
    for (uint32_t i = 0, left = 2 * PER_FILE - 1, n; left > 0; left -= n, i++) {
        uint64_t first;
        uint32_t want = left % 16 + 1 < left ? left % 16 + 1 : left;
        rig_ok(blocks_alloc(b, 1, want, &first, &n));
        if (i % 1000 == 0) {
            taken_elsewhere();
            n++;
        }
    }
    nothing_is_left();
    blocks_close(b);
}

/* Would catch: a store that is full although a sync would help, as nobody knows (blocks_waiting()). */
static void test_store_stock__what_is_retired_is_known_when_there_is_no_space(void **state)
{
    open_files(*state, 1);
    take(PER_FILE);
    retired_elsewhere(100, 3);
    nothing_is_left();
    assert_int_equal(blocks_waiting(b), 3);
    sync_all();
    assert_int_equal(blocks_waiting(b), 0);
    take(3);
    nothing_is_left();
    blocks_close(b);
}

#define PLENTY (OSD_PLACES * STOCK_BLOCKS) /* blocks that are free before anybody keeps some */

/* Much becomes free, another thread takes a block and may keep others, and the rest is taken. */
static void little_is_left(void)
{
    blocks_release(b, 0, PLENTY);
    taken_elsewhere();
    take(PLENTY - STOCK_BLOCKS);
}

/* Would catch: a store that is full for who has looked at all that others have at hand, as one of them has got more
 * behind his back. */
static void test_store_stock__nobody_keeps_what_another_looks_for(void **state)
{
    open_files(*state, 1);
    take(PER_FILE);
    nothing_is_left();
    assert_int_not_equal((osd_thread_place() + 1) % OSD_PLACES, OSD_PLACES - 1);
    at_lock.call = little_is_left;
    at_lock.left = 1 + 2 * (OSD_PLACES - 1) + 1; /* in front of the last stock */
    take(STOCK_BLOCKS - 1);
    assert_int_equal(at_lock.left, 0);
    nothing_is_left();
    blocks_close(b);
}

/* ---- syncs ---- */

/* Would catch: a block written over before the commit that freed it is durable, and one that needs two syncs. */
static void test_store_stock__the_next_sync_frees_what_is_retired_and_none_before(void **state)
{
    uint64_t mark;

    open_files(*state, 1);
    take(PER_FILE);
    retired_elsewhere(5, 1);
    blocks_retire(b, 7, 1);
    rig_ok(blocks_sync(b, &mark));
    retired_elsewhere(100, 10);
    blocks_retire(b, 200, 10);
    nothing_is_left();
    blocks_sync_done(b, mark);
    take(2);
    nothing_is_left();
    sync_all();
    take(20);
    nothing_is_left();
    blocks_close(b);
}

/* A list that is full, by runs and by blocks, goes where all see it. */
static void test_store_stock__many_that_wait_are_counted(void **state)
{
    open_files(*state, 1);
    take(PER_FILE);
    for (unsigned i = 0; i < STOCK_RUNS; i++)
        blocks_retire(b, 2 * i, 1);
    assert_int_equal(blocks_waiting(b), STOCK_RUNS);
    blocks_retire(b, 1000, STOCK_RETIRED);
    assert_int_equal(blocks_waiting(b), STOCK_RUNS + STOCK_RETIRED);
    blocks_retire(b, 5000, PER_FILE - 5000);
    assert_int_equal(blocks_waiting(b), STOCK_RUNS + STOCK_RETIRED + PER_FILE - 5000);
    blocks_close(b);
}

/* Would catch: a block of two owners that is free when one has left, or never. */
static void test_store_stock__the_last_owner_frees_a_block(void **state)
{
    open_files(*state, 1);
    take(PER_FILE);
    blocks_retire(b, 0, 8); /* before any block of the file has two */
    rig_ok(blocks_share(b, 8, 8));
    retired_elsewhere(8, 4);
    rig_ok(blocks_share(b, 8, 2)); /* by who is still there */
    sync_all();
    take(8);
    nothing_is_left();
    blocks_retire(b, 8, 4);
    retired_elsewhere(12, 4);
    sync_all();
    take(2);
    nothing_is_left();
    retired_elsewhere(8, 2);
    blocks_retire(b, 12, 4);
    sync_all();
    take(6);
    nothing_is_left();
    blocks_close(b);
}

/* ---- format ---- */

/* Would catch: blocks at hand before a format that are given out after it, and by all others, too. */
static void test_store_stock__format_leaves_nothing_at_hand(void **state)
{
    open_files(*state, 2);
    uint64_t mark, mine, others = taken_elsewhere();
    uint32_t n;
    rig_ok(blocks_alloc(b, 1, 1, &mine, &n));
    blocks_retire(b, mine, 1);
    retired_elsewhere(others, 1);
    blocks_retire_all(b);
    rig_ok(blocks_sync(b, &mark));
    assert_int_equal(blocks_waiting(b), PER_FILE);
    rig_ok(blocks_alloc(b, 1, 1, &mine, &n));
    assert_in_range(mine, PER_FILE, 2 * PER_FILE - 1);
    assert_in_range(taken_elsewhere(), PER_FILE, 2 * PER_FILE - 1);
    blocks_sync_done(b, mark);
    take(2 * PER_FILE - 2);
    nothing_is_left();
    blocks_close(b);
}

/* ---- space that is given back ---- */

#define FILES    4u
#define FILE_MIB (PER_FILE / 256) /* so much stays free of few files */
#define NEVER    3600000u         /* ms */

/* All is free, but for what another thread has at hand, and this one. */
static void begin_free(struct rig *r)
{
    open_files(r, INT32_MAX);
    take(FILES * PER_FILE);
    for (unsigned i = 0; i < FILES; i++)
        blocks_release(b, (uint64_t)i * PER_FILE, PER_FILE);
    uint64_t first = taken_elsewhere();
    run_other((struct other){.what = GIVES, .first = first, .n = 1});
    uint32_t n;
    rig_ok(blocks_alloc(b, 1, 1, &first, &n));
    blocks_release(b, first, n);
}

/* Would catch: pieces of files that threads keep for themselves that write no more. */
static void test_store_stock__after_a_while_nothing_is_at_hand(void **state)
{
    begin_free(*state);
    rig_ok(blocks_make_ahead(b, 1));
    sync_all();                        /* which wakes the thread */
    while (taken_by(FILES) > FILE_MIB) /* ends with the test's time limit if it never falls */
        usleep(1000);
    blocks_close(b);
    assert_int_equal(taken_by(FILES + 1), FILE_MIB);
}

static void test_store_stock__closing_gives_back_what_is_at_hand(void **state)
{
    begin_free(*state);
    rig_ok(blocks_make_ahead(b, NEVER));
    blocks_close(b);
    assert_int_equal(taken_by(FILES + 1), FILE_MIB);
}

/* ---- where things lie ---- */

/* Would catch: what one thread writes to an object, little by little, in pieces, also when some was given back
 * meanwhile. */
static void test_store_stock__runs_of_one_thread_lie_side_by_side(void **state)
{
    uint64_t first, next = 0;
    uint32_t want, n;

    open_files(*state, 1);
    taken_elsewhere();
    for (unsigned i = 0; next + 8 < PER_FILE - PER_FILE / 2; i++, next = first + n) {
        want = i % 5 == 4 ? 1 : 8 - i % 3;
        rig_ok(blocks_alloc(b, 1, want, &first, &n));
        assert_int_equal(n, want);
        if (i > 0)
            assert_int_equal(first, next);
        if (i % 4 == 0)
            blocks_release(b, first, 1);
    }
    blocks_close(b);
}

/* Would catch: a few blocks that threads take from each other. */
static void test_store_stock__nothing_is_at_hand_while_there_is_little(void **state)
{
    uint64_t first;
    uint32_t n;

    open_files(*state, 1);
    take(PER_FILE - 4 * STOCK_BLOCKS);
    uint64_t others = taken_elsewhere();
    rig_ok(blocks_alloc(b, 1, 1, &first, &n));
    assert_int_equal(first, others + 1);
    blocks_close(b);
}

/* Would catch: blocks that are passed over where the free ones lie one by one. */
static void test_store_stock__scattered_blocks_are_found(void **state)
{
    uint64_t first;
    uint32_t n;

    open_files(*state, 1);
    take(PER_FILE);
    for (uint64_t i = 1; i < PER_FILE; i += 2)
        blocks_release(b, i, 1);
    for (uint64_t i = 1; i < PER_FILE; i += 2) {
        rig_ok(blocks_alloc(b, 1, 8, &first, &n));
        assert_int_equal(first, i);
        assert_int_equal(n, 1);
    }
    nothing_is_left();
    blocks_close(b);
}

static uint64_t whose_met, met; /* the block that another thread got meanwhile */

static void another_comes(void)
{
    /* What it has at hand stays where it is. */
    struct other o = {.what = TAKES, .whose = whose_met, .n = 1, .again = STOCK_BLOCKS};

    met = run_other(o).first;
}

static void write_one(uint64_t block)
{
    static uint8_t bytes[STORE_BLOCK] = {1};
    const struct iovec v = {bytes, sizeof(bytes)};
    uint32_t crc;

    rig_ok(blocks_write(b, block, 1, &v, 1, &crc));
}

static uint64_t alloc_for(uint64_t whose)
{
    uint64_t first;
    uint32_t n;

    rig_ok(blocks_alloc(b, whose, 1, &first, &n));
    return first;
}

#define TRIES 20 /* before the first file is full */

/* Another thread comes to the file while this one writes to it, until it goes on elsewhere. Returns the block written. */
static uint64_t meet_another(struct rig *r, uint64_t whose)
{
    open_files(r, INT32_MAX);
    rig_ok(blocks_make_ahead(b, NEVER));
    take(1); /* there is a file */
    uint64_t mine = alloc_for(whose);
    whose_met = whose ? 2 : 0;
    another_comes();
    assert_int_equal(met / PER_FILE, mine / PER_FILE); /* nobody writes */
    for (int i = 0; i < TRIES && met / PER_FILE == mine / PER_FILE; i++) {
        meanwhile = another_comes;
        write_one(mine);
        while (taken_by(2) < 2 * FILE_MIB) /* which is made for that */
            usleep(1000);
        usleep(1000);
    }
    assert_int_not_equal(met / PER_FILE, mine / PER_FILE);
    return mine;
}

/* Would catch: threads that wait for each other, as what they have at hand lies in one file. */
static void test_store_stock__threads_that_meet_go_on_in_different_files(void **state)
{
    uint64_t mine = meet_another(*state, 1);

    for (unsigned i = 1; i < 2 * STOCK_BLOCKS; i++)
        assert_int_equal(alloc_for(1) / PER_FILE, mine / PER_FILE);
    blocks_close(b);
}

/* Who waits for a sync with each command has one file synced, not several (rdb_lane()). */
static void test_store_stock__what_is_nobodys_stays_together(void **state)
{
    meet_another(*state, 0);
    for (unsigned i = 0; i < STOCK_BLOCKS; i++)
        alloc_for(0);
    assert_int_equal(alloc_for(0) / PER_FILE, met / PER_FILE);
    blocks_close(b);
}

/* ---- many threads at once ---- */

#define THREADS  20u /* more than places: some share one */
#define HELD     24u
#define STEPS    20000u
#define IN_MODEL (8 * PER_FILE)

#define PATIENCE_MS 20000u /* for a sync to begin and to end */

/* Of each block: 0 free, 1 given out, else 2 + the syncs that had begun to free when it was retired. */
static atomic_uint model[IN_MODEL];
static atomic_uint freeing;
static atomic_uint wrong;
static atomic_bool ended;

static void model_takes(uint64_t first, uint32_t n)
{
    for (uint64_t i = first; i < first + n; i++) {
        unsigned was = i < IN_MODEL ? atomic_exchange(&model[i], 1) : 1;
        wrong += was == 1 || (was >= 2 && freeing <= was - 2);
    }
}

static void model_gives(uint64_t first, uint32_t n, unsigned to)
{
    for (uint64_t i = first; i < first + n; i++)
        wrong += atomic_exchange(&model[i], to) != 1;
}

/* What all hold is a fraction of the space: when the rest waits, the next syncs help. */
static osd_status alloc_in_time(uint64_t whose, uint32_t want, uint64_t *ret_first,
                                uint32_t *ret_n)
{
    uint64_t until = osd_monotonic_ms() + PATIENCE_MS;
    osd_status st;

    while ((st = blocks_alloc(b, whose, want, ret_first, ret_n)) == OSD_E_NO_SPACE &&
           osd_monotonic_ms() < until)
        usleep(100);
    return st;
}

static void *thread_main(void *arg)
{
    struct {
        uint64_t first;
        uint32_t n;
    } held[HELD] = {0};
    uint64_t seed = (uint64_t)(uintptr_t)arg;

    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t i = rig_random(&seed, HELD);
        if (held[i].n > 0 && rig_random(&seed, 8) == 0) {
            model_gives(held[i].first, held[i].n, 0);
            blocks_release(b, held[i].first, held[i].n);
        } else if (held[i].n > 0) {
            model_gives(held[i].first, held[i].n, 2 + freeing);
            blocks_retire(b, held[i].first, held[i].n);
        }
        uint32_t want = 1 + (uint32_t)rig_random(&seed, rig_random(&seed, 4) ? 4 : 100);
        wrong += alloc_in_time(rig_random(&seed, 40), want, &held[i].first, &held[i].n) != 0;
        wrong += held[i].n == 0 || held[i].n > want;
        model_takes(held[i].first, held[i].n);
    }
    for (unsigned i = 0; i < HELD; i++)
        if (held[i].n > 0) {
            model_gives(held[i].first, held[i].n, 0);
            blocks_release(b, held[i].first, held[i].n);
        }
    return NULL;
}

static void *syncs_main(void *arg)
{
    while (!ended) {
        uint64_t mark;
        wrong += blocks_sync(b, &mark) != 0;
        freeing++;
        blocks_sync_done(b, mark);
        usleep(200);
    }
    return arg;
}

/* Would catch: a block that two have, one that is written over before a sync, and one that is lost. */
static void test_store_stock__threads_never_have_the_same_blocks(void **state)
{
    pthread_t thread[THREADS], syncs;

    open_files(*state, IN_MODEL / PER_FILE);
    assert_int_equal(pthread_create(&syncs, NULL, syncs_main, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, thread_main, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    ended = true;
    assert_int_equal(pthread_join(syncs, NULL), 0);
    assert_int_equal(wrong, 0);
    sync_all();
    files_left = 0;
    uint32_t made = (uint32_t)taken_by(IN_MODEL / PER_FILE) / FILE_MIB;
    take(made * PER_FILE);
    nothing_is_left();
    blocks_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_stock__there_is_space_as_long_as_somebody_has_some),
        RIG_TEST(test_store_stock__little_by_little_all_is_taken),
        RIG_TEST(test_store_stock__what_is_retired_is_known_when_there_is_no_space),
        RIG_TEST(test_store_stock__nobody_keeps_what_another_looks_for),
        RIG_TEST(test_store_stock__the_next_sync_frees_what_is_retired_and_none_before),
        RIG_TEST(test_store_stock__many_that_wait_are_counted),
        RIG_TEST(test_store_stock__the_last_owner_frees_a_block),
        RIG_TEST(test_store_stock__format_leaves_nothing_at_hand),
        RIG_TEST(test_store_stock__after_a_while_nothing_is_at_hand),
        RIG_TEST(test_store_stock__closing_gives_back_what_is_at_hand),
        RIG_TEST(test_store_stock__runs_of_one_thread_lie_side_by_side),
        RIG_TEST(test_store_stock__nothing_is_at_hand_while_there_is_little),
        RIG_TEST(test_store_stock__scattered_blocks_are_found),
        RIG_TEST(test_store_stock__threads_that_meet_go_on_in_different_files),
        RIG_TEST(test_store_stock__what_is_nobodys_stays_together),
        RIG_TEST(test_store_stock__threads_never_have_the_same_blocks),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
