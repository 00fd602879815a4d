/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_journal.c - what the journal shows after an end at any moment
 *
 * A record of these tests holds its own number, and more bytes of a length that follows from it.
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

#include "common/bytes.h"
#include "common/crc32c.h"
#include "rig.h"
#include "store/journal.h"

#define SMALL    4096u /* of a file */
#define HEAD_LEN 20u   /* of a record */

static atomic_int writes_fail;

ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
    if (!writes_fail)
        return __real_pwrite64(fd, buf, len, off);
    errno = writes_fail;
    return -1;
}

static atomic_int reads_fail;

ssize_t __real_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t off)
{
    if (!reads_fail)
        return __real_pread64(fd, buf, len > 100 ? 100 : len, off); /* never all at once */
    errno = reads_fail;
    return -1;
}

/** A place for a journal; what was found in it. */
struct place {
    char dir[200];
    struct journal *j;
    uint64_t first, last; /* shown; 0: nothing */
};

static size_t length_of(uint64_t number)
{
    return 8 + number * 37 % 200;
}

static uint64_t add(struct journal *j)
{
    uint8_t bytes[208] = {0};
    uint64_t number = journal_last(j) + 1;
    struct iovec v[2] = {{bytes, 8}, {bytes + 8, length_of(number) - 8}};

    be64_put(bytes, number);
    memset(bytes + 8, (int)number, sizeof(bytes) - 8);
    assert_int_equal(journal_add(j, v, 2, journal_crc(v, 2)), number);
    return number;
}

static void add_written(struct place *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        rig_ok(journal_write(p->j, add(p->j)));
}

static osd_status show(void *arg, uint64_t number, const void *data, size_t len)
{
    struct place *p = arg;

    assert_int_equal(be64_get(data), number);
    assert_int_equal(len, length_of(number));
    if (p->last)
        assert_int_equal(number, p->last + 1);
    else
        p->first = number;
    p->last = number;
    return OSD_OK;
}

/* What is found after a number is exactly what lies between these, both included; 0: nothing. */
static void finds(struct place *p, uint64_t after, uint64_t first, uint64_t last)
{
    uint64_t end;

    p->first = p->last = 0;
    rig_ok(journal_replay(p->dir, after, show, p, &end));
    assert_int_equal(p->first, first);
    assert_int_equal(p->last, last);
    assert_int_equal(end, last ? last : after);
}

static void begin(struct place *p, uint64_t last)
{
    rig_ok(journal_open(p->dir, last, SMALL, &p->j));
}

static void end(struct place *p)
{
    journal_close(p->j);
    p->j = NULL;
}

static int file_of(const struct place *p, const char *name)
{
    char path[240];

    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static off_t size_of(const struct place *p, const char *name)
{
    struct stat s;
    int fd = file_of(p, name);

    assert_int_equal(fstat(fd, &s), 0);
    close(fd);
    return s.st_size;
}

static void flip(const struct place *p, const char *name, off_t at)
{
    int fd = file_of(p, name);
    uint8_t byte;

    assert_int_equal(__real_pread64(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(__real_pwrite64(fd, &byte, 1, at), 1);
    close(fd);
}

static struct place place_of(void **state)
{
    const struct rig *r = *state;
    struct place p = {.j = NULL};

    writes_fail = reads_fail = 0;
    snprintf(p.dir, sizeof(p.dir), "%s/a-journal", r->dir);
    return p;
}

static void test_store_journal__what_was_written_is_found_in_order(void **state)
{
    struct place p = place_of(state);

    finds(&p, 0, 0, 0); /* there is no directory */
    begin(&p, 0);
    finds(&p, 0, 0, 0);
    add_written(&p, 9);
    add(p.j); /* is only in memory */
    finds(&p, 0, 1, 9);
    finds(&p, 4, 5, 9);
    finds(&p, 9, 0, 0);
    rig_ok(journal_write(p.j, 10));
    finds(&p, 8, 9, 10);
    end(&p);
    finds(&p, 0, 1, 10);
    begin(&p, 10); /* is empty, and counts on */
    finds(&p, 0, 0, 0);
    add_written(&p, 1);
    finds(&p, 10, 11, 11);
    finds(&p, 9, 0, 0); /* 10 is missing */
    end(&p);
}

/* Would catch: a record that is taken for whole although a part of it was not written. */
static void test_store_journal__a_record_that_is_not_whole_ends_it(void **state)
{
    struct place p = place_of(state);
    off_t third = 0;

    begin(&p, 0);
    for (uint64_t n = 1; n <= 2; n++)
        third += (off_t)(HEAD_LEN + length_of(n));
    add_written(&p, 5);
    end(&p);
    for (off_t at = third; at < third + (off_t)(HEAD_LEN + length_of(3)); at++) {
        flip(&p, "a", at);
        finds(&p, 0, 1, 2);
        flip(&p, "a", at);
    }
    finds(&p, 0, 1, 5);
    int fd = file_of(&p, "a");
    for (off_t len = size_of(&p, "a") - 1; len >= 0; len--) {
        uint64_t whole = 0;
        for (off_t at = 0; at <= len; whole++)
            at += (off_t)(HEAD_LEN + length_of(whole + 1));
        assert_int_equal(ftruncate(fd, len), 0);
        finds(&p, 0, whole > 1, whole - 1);
    }
    close(fd);
}

static void test_store_journal__its_files_take_turns_when_they_are_released(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_written(&p, 40);
    assert_true(size_of(&p, "a") >= SMALL);
    assert_true(size_of(&p, "b") > 0); /* free from the beginning */
    finds(&p, 0, 1, 40);
    add_written(&p, 200); /* nothing is released: nothing goes */
    assert_true(journal_crowded(p.j));
    finds(&p, 0, 1, 240);
    for (unsigned round = 0; round < 20; round++) {
        journal_release(p.j, journal_last(p.j) - 3);
        assert_false(journal_crowded(p.j));
        add_written(&p, 30);
        uint64_t last = journal_last(p.j);
        finds(&p, last - 33, last - 32, last);
    }
    assert_true(size_of(&p, "a") + size_of(&p, "b") < 10 * SMALL + 240 * 228);
    end(&p);
}

/* Would catch: records of an earlier use of a file, which lie behind those of this one. */
static void test_store_journal__what_a_file_held_before_is_not_shown(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    for (unsigned i = 0; i < 400; i++) {
        add_written(&p, 1);
        uint64_t last = journal_last(p.j);
        journal_release(p.j, last);
        finds(&p, last - 1, last, last);
        finds(&p, last, 0, 0);
    }
    end(&p);
}

/* Would catch: the second file, when the end of the first was lost with the power. */
static void test_store_journal__what_follows_a_gap_is_not_shown(void **state)
{
    struct place p = place_of(state);
    uint64_t in_a = 1, at = 0;

    begin(&p, 0);
    add_written(&p, 40);
    end(&p);
    for (; at < SMALL; in_a++)
        at += HEAD_LEN + length_of(in_a);
    assert_int_equal(size_of(&p, "a"), at);
    finds(&p, 0, 1, 40);
    flip(&p, "a", (off_t)at - 1);
    finds(&p, 0, 1, in_a - 2);
    finds(&p, in_a - 2, 0, 0);
    finds(&p, in_a, in_a + 1, 40); /* the database has what is missing */
    flip(&p, "a", 0);
    finds(&p, 0, 0, 0);
    finds(&p, in_a - 1, in_a, 40); /* all that was in the first is in the database */
}

static uint64_t beyond(struct place *p, uint64_t after)
{
    uint64_t number;

    rig_ok(journal_beyond(p->dir, after, &number));
    return number;
}

/* Would catch: heads of records that somebody has put into a value. */
static void test_store_journal__what_lies_in_a_whole_record_is_none_of_its_own(void **state)
{
    struct place p = place_of(state);
    uint8_t head[HEAD_LEN] = {0}, bytes[300] = {0};
    struct iovec v = {bytes, sizeof(bytes)};
    uint64_t begins[2];

    be64_put(head + 4, 9);
    be32_put(head + 16, osd_crc32c(0, head, 16));
    memcpy(bytes + 100, head, sizeof(head));
    begin(&p, 0);
    for (int i = 0; i < 4; i++)
        rig_ok(journal_write(p.j, journal_add(p.j, &v, 1, journal_crc(&v, 1))));
    end(&p);
    rig_ok(journal_begins(p.dir, begins));
    assert_int_equal(begins[0], 1);
    assert_int_equal(begins[1], 0);
    assert_int_equal(beyond(&p, 4), 0);
    assert_int_equal(beyond(&p, 2), 4);
    flip(&p, "a", 0);
    rig_ok(journal_begins(p.dir, begins));
    assert_int_equal(begins[0], 0);
}

/* Would catch: what was synced given up because a file that is used again holds, after loss of power,
 * the first page of its earlier use and the second of its new one. */
static void test_store_journal__half_of_an_earlier_use_hides_nothing(void **state)
{
    struct place p = place_of(state);
    uint8_t old[SMALL / 2];

    begin(&p, 0);
    while (size_of(&p, "b") == 0)
        add_written(&p, 1);
    uint64_t in_a = journal_last(p.j) - 1;
    while (size_of(&p, "b") < (off_t)SMALL)
        add_written(&p, 1);
    rig_ok(journal_sync(p.j));
    uint64_t synced = journal_last(p.j);
    int fd = file_of(&p, "a");
    assert_int_equal(__real_pread64(fd, old, sizeof(old), 0), sizeof(old));
    journal_release(p.j, in_a);
    add_written(&p, 25);
    assert_int_equal(__real_pwrite64(fd, old, sizeof(old), 0), sizeof(old));
    close(fd);
    finds(&p, in_a, in_a + 1, synced);
    finds(&p, in_a + 3, in_a + 4, synced);
    end(&p);
}

#define SECTOR 512u
#define IMAGE  (64u * 1024)

/** A file as it lies there: what is behind its end is 0. */
struct lying {
    uint8_t bytes[IMAGE];
    size_t len;
};

static void look_at(const struct place *p, const char *name, struct lying *ret)
{
    int fd = file_of(p, name);
    ssize_t n = __real_pread64(fd, ret->bytes, sizeof(ret->bytes), 0);

    assert_in_range(n, 0, sizeof(ret->bytes) - 1);
    memset(ret->bytes + n, 0, sizeof(ret->bytes) - (size_t)n);
    ret->len = (size_t)n;
    close(fd);
}

/* Of each sector what was synced or what was written since, into a file of another journal. */
static void lose(const struct place *cut, const char *name, const struct lying *synced,
                 const struct lying *now, uint64_t *seed)
{
    const struct lying *size = rig_random(seed, 2) ? synced : now;
    int fd = file_of(cut, name);

    assert_int_equal(ftruncate(fd, 0), 0);
    for (size_t at = 0; at < size->len; at += SECTOR) {
        const struct lying *from = rig_random(seed, 2) ? synced : now;
        size_t len = size->len - at < SECTOR ? size->len - at : SECTOR;
        assert_int_equal(__real_pwrite64(fd, from->bytes + at, len, (off_t)at), len);
    }
    close(fd);
}

/* All that was synced is found, and nothing behind a gap, whatever the database has by then: at
 * least what was released. */
static void finds_what_was_synced(struct place *cut, uint64_t after, uint64_t synced)
{
    uint64_t end;

    cut->first = cut->last = 0;
    rig_ok(journal_replay(cut->dir, after, show, cut, &end));
    assert_true(end >= synced);
    if (cut->last)
        assert_int_equal(cut->first, after + 1);
}

/* Would catch: a file that is used again too early, or what is left of its earlier use in the way of
 * what was synced. */
static void test_store_journal__loss_of_power_leaves_what_was_synced(void **state)
{
    static const char *const names[2] = {"a", "b"};
    static struct lying safe[2], now[2];
    struct place p = place_of(state), cut = {.j = NULL};
    const struct rig *r = *state;
    uint64_t seed = 3, synced = 0, released = 0;

    snprintf(cut.dir, sizeof(cut.dir), "%s/another", r->dir);
    begin(&cut, 0);
    begin(&p, 0);
    for (unsigned round = 0; round < 3000; round++) {
        add_written(&p, (unsigned)rig_random(&seed, 12));
        uint64_t last = journal_last(p.j);
        if (rig_random(&seed, 3) == 0 || last > synced + 60) {
            rig_ok(journal_sync(p.j));
            synced = last;
            for (int i = 0; i < 2; i++)
                look_at(&p, names[i], &safe[i]);
        }
        if (rig_random(&seed, 5) == 0 || synced > released + 80) {
            released += rig_random(&seed, synced - released + 1);
            journal_release(p.j, released);
        }
        for (int i = 0; i < 2; i++) {
            look_at(&p, names[i], &now[i]);
            lose(&cut, names[i], &safe[i], &now[i], &seed);
        }
        finds_what_was_synced(&cut, released + rig_random(&seed, last - released + 1), synced);
    }
    end(&p);
    end(&cut);
}

static void test_store_journal__after_a_failed_write_nothing_is_written(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_written(&p, 3);
    writes_fail = ENOSPC;
    rig_fails(journal_write(p.j, add(p.j)), OSD_E_NO_SPACE);
    rig_ok(journal_write(p.j, 3));
    writes_fail = 0;
    rig_fails(journal_write(p.j, add(p.j)), OSD_E_IO);
    rig_fails(journal_sync(p.j), OSD_E_IO);
    finds(&p, 0, 1, 3);
    end(&p);
}

/* Would catch: records that cannot be read taken for records that are not there. */
static void test_store_journal__what_cannot_be_read_is_not_passed_over(void **state)
{
    struct place p = place_of(state);
    uint64_t last;

    begin(&p, 0);
    add_written(&p, 3);
    end(&p);
    reads_fail = EIO;
    rig_fails(journal_replay(p.dir, 0, show, &p, &last), OSD_E_IO);
    reads_fail = 0;
    finds(&p, 0, 1, 3);
}

#define WRITERS 4u
#define RECORDS 500u /* of each */

static void *write_many(void *arg)
{
    struct place *p = arg;
    uint8_t bytes[208] = {0};
    struct iovec v = {bytes, 8};

    for (unsigned i = 0; i < RECORDS; i++) {
        uint64_t number = journal_add(p->j, &v, 1, journal_crc(&v, 1));
        rig_ok(journal_write(p->j, number));
        if (i % 50 == 0)
            rig_ok(journal_sync(p->j));
    }
    return NULL;
}

static osd_status count_one(void *arg, uint64_t number, const void *data, size_t len)
{
    (void)number;
    (void)data;
    assert_int_equal(len, 8);
    ++*(unsigned *)arg;
    return OSD_OK;
}

/* Would catch: a record that is told to be written, and is not, because two threads wrote. */
static void test_store_journal__records_of_many_threads_are_all_there(void **state)
{
    struct place p = place_of(state);
    pthread_t t[WRITERS];
    unsigned n = 0;
    uint64_t last;

    begin(&p, 0);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_many, &p), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    rig_ok(journal_replay(p.dir, 0, count_one, &n, &last));
    assert_int_equal(n, WRITERS * RECORDS);
    assert_int_equal(last, n);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_journal__what_was_written_is_found_in_order),
        RIG_TEST(test_store_journal__a_record_that_is_not_whole_ends_it),
        RIG_TEST(test_store_journal__its_files_take_turns_when_they_are_released),
        RIG_TEST(test_store_journal__what_a_file_held_before_is_not_shown),
        RIG_TEST(test_store_journal__what_follows_a_gap_is_not_shown),
        RIG_TEST(test_store_journal__half_of_an_earlier_use_hides_nothing),
        RIG_TEST(test_store_journal__what_lies_in_a_whole_record_is_none_of_its_own),
        RIG_TEST(test_store_journal__loss_of_power_leaves_what_was_synced),
        RIG_TEST(test_store_journal__after_a_failed_write_nothing_is_written),
        RIG_TEST(test_store_journal__what_cannot_be_read_is_not_passed_over),
        RIG_TEST(test_store_journal__records_of_many_threads_are_all_there),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
