/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_journal_threads.c - a journal that several threads add to, beside all else that it does
 *
 * A record of these tests says who added it and as the how manieth of its own, from which its length and its
 * bytes follow. All tests run twice, as those of test_journal.c do.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "by_calls.h"
#include "common/bytes.h"
#include "rig.h"
#include "store/journal.h"

#define ADDERS   4u
#define MOST     20000u /* records of each of them */
#define FILE_LEN (256u * 1024)
#define HEAD     16u                /* who and how manieth, of 8 bytes each */
#define LONGEST  (FILE_LEN + 5000)  /* longer than a file, but one of the long ones */
#define LONG_LEN (4u * 1024 * 1024) /* such a file is made ready bit by bit */
#define BEHIND   1000u              /* so many records are not released, about */

/** Somebody who adds. */
struct adder {
    pthread_t thread;
    unsigned who;
    atomic_uint n; /* records so far */
    unsigned upto;
    uint64_t written; /* the last number that was told to be written */
    uint64_t failed;  /* the first that was told not to be; 0: none */
};

/** The journal of a test and what is known of it. */
static struct {
    char dir[200];
    char image[200]; /* for what is on stable storage; "": nobody asks */
    struct journal *j;
    uint64_t first; /* number */
    struct adder adder[ADDERS];
    uint64_t number[ADDERS][MOST];
    atomic_ullong may_release;
    atomic_bool stop;
    atomic_int
        wrong; /* line of what was not as it should be; other threads cannot fail a test */
} mill;

static bool expect(bool holds, int line)
{
    if (!holds)
        mill.wrong = line;
    return holds;
}

#define EXPECT(what) expect((what), __LINE__)

/* ---- what the journal calls ---- */

#define RING 4096u

static atomic_int writes_fail, syncs_fail;
static atomic_ullong
    there[RING]; /* by its number: the last record that was written, at its end */

static void note_record(const uint8_t *head)
{
    uint64_t number = be64_get(head + 4);

    there[number % RING] = number;
}

/* The last of those up to this number. */
static void expect_there(uint64_t upto)
{
    for (uint64_t n = upto; n >= mill.first && n + JOURNAL_AT_ONCE > upto; n--)
        EXPECT(there[n % RING] >= n);
}

ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
    errno = writes_fail;
    if (errno)
        return -1;
    ssize_t n = __real_pwrite64(fd, buf, len, off);
    note_record(buf);
    return n;
}

/* When writes fail, half a copy is made. */
bool __real_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len)
{
    bool fails = writes_fail,
         copied = __real_guarded_write(mapped, src, fails ? len / 2 : len) && !fails;

    if (copied)
        note_record(src);
    return copied;
}

/* What a file holds now, under its name in another directory. */
static void take_image(int fd, const char *dir)
{
    static uint8_t bytes[64 * 1024];
    char link[40], from[240] = "", to[480];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    EXPECT(readlink(link, from, sizeof(from) - 1) > 0);
    snprintf(to, sizeof(to), "%s/%s", dir, strrchr(from, '/') + 1);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (off_t at = 0; (n = pread(fd, bytes, sizeof(bytes), at)) > 0; at += n)
        EXPECT(__real_pwrite64(out, bytes, (size_t)n, at) == n);
    close(out);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    if (mill.image[0])
        take_image(fd, mill.image); /* what is written from here on need not be there */
    if (!syncs_fail)
        return __real_fdatasync(fd);
    usleep(200); /* others go on until it has failed */
    errno = syncs_fail;
    return -1;
}

/* ---- records ---- */

/* Some are longer than what is put together on the stack, and few longer than a file. */
static size_t length_of(unsigned who, unsigned n)
{
    uint32_t h = ((who + 1) * 1000003u + n) * 2654435761u;

    h ^= h >> 15;
    if (h % 499 == 0)
        return LONGEST - h % 7;
    return HEAD + (h % 16 == 1 ? 4000 + h % 3000 : h % 300);
}

static uint8_t byte_of(unsigned who, unsigned n)
{
    return (uint8_t)(who * 50 + n * 7 + 1);
}

static uint64_t add_one(struct adder *a)
{
    static _Thread_local uint8_t bytes[LONGEST];
    uint8_t head[HEAD];
    size_t len = length_of(a->who, a->n);
    struct iovec v[2] = {{head, HEAD}, {bytes, len - HEAD}};

    be64_put(head, a->who);
    be64_put(head + 8, a->n);
    memset(bytes, byte_of(a->who, a->n), len - HEAD);
    uint64_t number = journal_add(mill.j, v, 2, journal_crc(v, 2));
    mill.number[a->who][a->n] = number;
    EXPECT(number > 0 && number <= journal_last(mill.j));
    EXPECT(a->n == 0 || number > mill.number[a->who][a->n - 1]);
    a->n++;
    return number;
}

static void *add_many(void *arg)
{
    struct adder *a = arg;

    while (a->n < a->upto && !mill.stop) {
        if (journal_last(mill.j) > mill.may_release + BEHIND) {
            usleep(20);
            continue;
        }
        uint64_t number = add_one(a);
        if (a->n % 3 == 0) /* so that several of a thread wait to be found, too */
            continue;
        if (journal_written(mill.j, number) != OSD_OK) {
            a->failed = number;
            break;
        }
        expect_there(number);
        a->written = number;
    }
    return NULL;
}

/** What a replay has shown. */
struct shown {
    uint64_t last; /* number; 0: nothing yet */
    unsigned n;
};

/* Whole, in order, and the one that got this number. */
static osd_status show(void *arg, uint64_t number, const void *data, size_t len)
{
    struct shown *s = arg;
    const uint8_t *p = data;
    uint64_t who = be64_get(p), n = be64_get(p + 8);

    assert_true(len >= HEAD && who < ADDERS && n < MOST);
    assert_int_equal(len, length_of((unsigned)who, (unsigned)n));
    for (size_t i = HEAD; i < len; i++)
        if (p[i] != byte_of((unsigned)who, (unsigned)n))
            fail_msg("record %llu: byte %zu", (unsigned long long)number, i);
    if (s->last)
        assert_int_equal(number, s->last + 1);
    if (mill.stop) /* otherwise its thread may not have noted it yet */
        assert_int_equal(number, mill.number[who][n]);
    s->last = number;
    s->n++;
    return OSD_OK;
}

/* ---- a journal and its adders ---- */

static void begin(void **state, uint64_t last, uint64_t file_len, bool image)
{
    const struct rig *r = *state;

    writes_fail = syncs_fail = 0;
    memset(&mill, 0, sizeof(mill));
    snprintf(mill.dir, sizeof(mill.dir), "%s/a-journal", r->dir);
    if (image) {
        snprintf(mill.image, sizeof(mill.image), "%s/an-image", r->dir);
        assert_int_equal(mkdir(mill.image, 0700), 0);
    }
    for (unsigned i = 0; i < ADDERS; i++)
        mill.adder[i].who = i;
    mill.first = last + 1;
    mill.may_release = last;
    for (unsigned i = 0; i < RING; i++)
        there[i] = 0;
    rig_ok(journal_open(mill.dir, last, file_len, &mill.j));
}

static void end(void)
{
    journal_close(mill.j);
    assert_int_equal(mill.wrong, 0);
}

/* Each adds so many more. */
static void adders_start(unsigned n)
{
    mill.stop = false;
    for (unsigned i = 0; i < ADDERS; i++) {
        struct adder *a = &mill.adder[i];
        a->upto = a->n + n < MOST ? a->n + n : MOST;
        assert_int_equal(pthread_create(&a->thread, NULL, add_many, a), 0);
    }
}

static void adders_join(void)
{
    for (unsigned i = 0; i < ADDERS; i++)
        pthread_join(mill.adder[i].thread, NULL);
    mill.stop = true;
}

static unsigned all_added(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ADDERS; i++)
        n += mill.adder[i].n;
    return n;
}

/* All else that is done with a journal, in any order. */
static void *tend(void *arg)
{
    uint64_t seed = 11, released = mill.may_release;

    while (!mill.stop) {
        switch (rig_random(&seed, 4)) {
        case 0:
            journal_make_ready(mill.j);
            break;
        case 1:
            released += rig_random(&seed, mill.may_release - released + 1);
            journal_release(mill.j, released);
            break;
        case 2:
            EXPECT(journal_sync(mill.j) == OSD_OK);
            break;
        default:
            (void)journal_crowded(mill.j);
        }
        if (rig_random(&seed, 8) == 0)
            usleep(50);
    }
    return arg;
}

/* The last number is that of a record that is there once it is waited for. */
static void *watch(void *arg)
{
    for (uint64_t last = mill.first - 1, now; !mill.stop; last = now) {
        now = journal_last(mill.j);
        EXPECT(now >= last);
        EXPECT(journal_written(mill.j, now) == OSD_OK);
        expect_there(now);
    }
    return arg;
}

#define ROUNDS 80u
#define EACH   50u

/* Rounds of adding with all else beside it, each checked, and released one later. */
static void add_in_rounds(void)
{
    uint64_t checked = 0, end_at;
    pthread_t tender, watcher;

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = all_added();
        struct shown s = {0};
        adders_start(EACH);
        assert_int_equal(pthread_create(&tender, NULL, tend, NULL), 0);
        assert_int_equal(pthread_create(&watcher, NULL, watch, NULL), 0);
        adders_join();
        pthread_join(tender, NULL);
        pthread_join(watcher, NULL);
        assert_int_equal(journal_last(mill.j), all_added());
        rig_ok(journal_written(mill.j, all_added()));
        rig_ok(rig_replay(mill.dir, checked, show, &s, &end_at));
        assert_int_equal(s.n, all_added() - before);
        assert_int_equal(end_at, all_added());
        mill.may_release = checked;
        checked = end_at;
    }
}

/* Would catch: a number that two threads have, or none; two records in one place, or room between them; a file begun
 * anew while somebody takes a place in it. */
static void test_store_journal_threads__each_number_has_one_whole_record(void **state)
{
    begin(state, 0, FILE_LEN, false);
    add_in_rounds();
    end();
}

/* Would catch: a place behind the end of what is ready, copied to as if it were. */
static void test_store_journal_threads__files_are_made_ready_beside_them(void **state)
{
    begin(state, 0, LONG_LEN, false);
    add_in_rounds();
    end();
}

#define SYNCS 150u

/* Would catch: a number that is told as given before its record is waited for; a record that a sync leaves out, as it
 * got its place without anybody's knowing. */
static void test_store_journal_threads__all_up_to_the_last_number_is_there_and_stays(
    void **state)
{
    uint64_t released = 0, end_at = 0, seed = 5;

    begin(state, 0, FILE_LEN, true);
    adders_start(MOST);
    for (unsigned i = 0; i < SYNCS; i++) {
        struct shown s = {0}, synced = {0};
        if (journal_last(mill.j) == end_at) /* they add, unless they wait for a release */
            usleep(100);
        uint64_t last = journal_last(mill.j);
        rig_ok(journal_written(mill.j, last));
        expect_there(last);
        rig_ok(rig_replay(mill.dir, released, show, &s, &end_at));
        assert_true(end_at >= last);
        last = journal_last(mill.j);
        rig_ok(journal_sync(mill.j));
        rig_ok(rig_replay(mill.image, released, show, &synced, &end_at));
        assert_true(end_at >= last);
        released += rig_random(&seed, last - released + 1);
        journal_release(mill.j, released);
        mill.may_release = released;
        journal_make_ready(mill.j);
    }
    mill.stop = true;
    adders_join();
    end();
}

/* A failure ends it for all: nothing from one number on is written, everything before is. */
static void expect_one_end(void)
{
    uint64_t written = 0, failed = UINT64_MAX, end_at;
    struct shown s = {0};

    for (unsigned i = 0; i < ADDERS; i++) {
        const struct adder *a = &mill.adder[i];
        if (!a->failed) { /* it was faster than the failure */
            assert_int_equal(a->n, a->upto);
            continue;
        }
        written = a->written > written ? a->written : written;
        failed = a->failed < failed ? a->failed : failed;
    }
    assert_true(written < failed);
    assert_int_equal(journal_last(mill.j), all_added());
    rig_ok(journal_written(mill.j, written));
    rig_ok(rig_replay(mill.dir, 0, show, &s, &end_at));
    assert_true(end_at >= written);
    assert_true(failed == UINT64_MAX || journal_written(mill.j, failed) != OSD_OK);
}

/* Would catch: a record told to be written although one before it was not, as its place was taken beside the failure;
 * one that was written no longer, as it got its number while a sync failed. */
static void test_store_journal_threads__a_failure_beside_others_ends_it_for_all(void **state)
{
    uint64_t seed = 9;

    for (unsigned round = 0; round < 30; round++) {
        begin(state, 0, LONG_LEN, false);
        mill.may_release = UINT32_MAX; /* nobody does, and nobody waits for it */
        adders_start(MOST);
        usleep((useconds_t)rig_random(&seed, 1000));
        if (round % 2 == 0) {
            writes_fail = ENOSPC;
        } else {
            syncs_fail = EIO;
            while (journal_sync(mill.j) == OSD_OK) /* nothing was added yet */
                usleep(50);
        }
        adders_join();
        writes_fail = syncs_fail = 0;
        expect_one_end();
        uint64_t number = add_one(&mill.adder[0]);
        assert_int_equal(number, all_added());
        rig_fails(journal_written(mill.j, number), OSD_E_IO);
        rig_fails(journal_sync(mill.j), OSD_E_IO);
        end();
    }
}

/* Would catch: a part of a number that is kept by itself and begins anew. */
static void test_store_journal_threads__numbers_go_on_wherever_they_began(void **state)
{
    static const uint64_t lasts[] = {UINT32_MAX - 100, (1ULL << 36) - 100, (1ULL << 38) - 70,
                                     (1ULL << 40) - 90, INT64_MAX - 100ULL};

    for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        struct shown s = {0};
        uint64_t end_at;
        begin(state, lasts[i], FILE_LEN, false);
        assert_int_equal(journal_last(mill.j), lasts[i]);
        adders_start(EACH);
        adders_join();
        assert_int_equal(journal_last(mill.j), lasts[i] + all_added());
        rig_ok(journal_sync(mill.j));
        rig_ok(rig_replay(mill.dir, lasts[i], show, &s, &end_at));
        assert_int_equal(end_at, lasts[i] + all_added());
        end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_journal_threads__each_number_has_one_whole_record),
        RIG_TEST(test_store_journal_threads__files_are_made_ready_beside_them),
        RIG_TEST(test_store_journal_threads__all_up_to_the_last_number_is_there_and_stays),
        RIG_TEST(test_store_journal_threads__a_failure_beside_others_ends_it_for_all),
        RIG_TEST(test_store_journal_threads__numbers_go_on_wherever_they_began),
    };

    rig_choose("rocksdb");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    by_calls = true;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
