/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_journal.c - what the journal shows after an end at any moment
 *
 * A record of these tests holds its own number, and more bytes of a length that follows from it. All tests
 * run twice: with records copied into mapped files, and where files cannot be made ready for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "by_calls.h"
#include "common/bytes.h"
#include "common/crc32c.h"
#include "rig.h"
#include "store/guarded.h"
#include "store/journal.h"

#define SMALL    4096u /* of a file */
#define HEAD_LEN 20u   /* of a record */

/** A place for a journal; what was found in it. */
struct place {
    char dir[200];
    struct journal *j;
    uint64_t first, last; /* shown; 0: nothing */
};

static uint64_t add(struct journal *j);

static atomic_int writes_fail;
static _Thread_local int own_writes_fail;

/** Called once, in the middle of the next write or sync. */
typedef void (*meanwhile)(struct journal *j);

static meanwhile _Atomic within_write, within_sync;
static struct journal *_Atomic worked_on;
static atomic_uint syncs;
static atomic_int syncs_fail;

static void call_once(meanwhile _Atomic *what)
{
    meanwhile f = atomic_exchange(what, NULL);

    if (f)
        f(worked_on);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    syncs++;
    call_once(&within_sync);
    if (!syncs_fail)
        return __real_fdatasync(fd);
    errno = syncs_fail;
    return -1;
}

ssize_t __real_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t len, off_t off)
{
    call_once(&within_write);
    if (!writes_fail && !own_writes_fail)
        return __real_pwrite64(fd, buf, len, off);
    errno = writes_fail ? writes_fail : own_writes_fail;
    return -1;
}

static atomic_uint copies;

/* When writes fail, half a copy is made. */
bool __real_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len)
{
    bool fails = writes_fail || own_writes_fail;

    copies++;
    call_once(&within_write);
    return __real_guarded_write(mapped, src, fails ? len / 2 : len) && !fails;
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
        rig_ok(journal_written(p->j, add(p->j)));
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
    rig_ok(rig_replay(p->dir, after, show, p, &end));
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

/* Where the records of a file end: their numbers go on. */
static off_t end_of(const struct place *p, const char *name)
{
    int fd = file_of(p, name);
    uint8_t head[HEAD_LEN];
    uint64_t number = 0;
    off_t at = 0;

    while (__real_pread64(fd, head, sizeof(head), at) == sizeof(head) && be64_get(head + 4) &&
           (at == 0 || be64_get(head + 4) == number + 1)) {
        number = be64_get(head + 4);
        at += (off_t)(HEAD_LEN + be32_get(head));
    }
    close(fd);
    return at;
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

    writes_fail = reads_fail = syncs_fail = 0;
    copies = 0;
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
    finds(&p, 0, 1, 9);
    finds(&p, 4, 5, 9);
    finds(&p, 9, 0, 0);
    add_written(&p, 1);
    finds(&p, 8, 9, 10);
    assert_int_equal(copies, by_calls ? 0 : 10);
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
        for (off_t at = 0; at <= len && whole <= 5; whole++)
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
    assert_true(end_of(&p, "a") >= SMALL);
    assert_true(end_of(&p, "b") > 0); /* free from the beginning */
    finds(&p, 0, 1, 40);
    add_written(&p, 200); /* nothing is released: nothing goes */
    assert_true(journal_crowded(p.j));
    assert_true(journal_calls(p.j));
    finds(&p, 0, 1, 240);
    for (unsigned round = 0; round < 20; round++) {
        journal_release(p.j, journal_last(p.j) - 3);
        assert_false(journal_crowded(p.j));
        assert_false(journal_calls(p.j));
        add_written(&p, 30);
        uint64_t last = journal_last(p.j);
        finds(&p, last - 33, last - 32, last);
    }
    assert_true(size_of(&p, "a") + size_of(&p, "b") < 10 * SMALL + 240 * 228);
    end(&p);
}

/* Add, and answer what is called for but for the release, until a file has so many bytes. */
static void add_until(struct place *p, const char *name, off_t len)
{
    while (end_of(p, name) < len) {
        add_written(p, 1);
        if (journal_calls(p->j))
            journal_make_ready(p->j);
    }
}

/* Would catch: a system call for each record behind a file's end while the other is not released, a copy behind
 * what is mapped, and a file that stays as long as it once was. */
static void test_store_journal__a_crowded_file_goes_on_where_it_is_mapped(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_until(&p, "b", 1);
    uint64_t first = journal_last(p.j);
    copies = 0;
    add_until(&p, "b", 2 * SMALL - 300);
    unsigned n = copies;
    assert_int_equal(n, by_calls ? 0 : journal_last(p.j) - first);
    add_until(&p, "b", 4 * SMALL);
    assert_in_range(copies, n, by_calls ? 0 : n + 300 / HEAD_LEN);
    uint64_t last = journal_last(p.j);
    finds(&p, 0, 1, last);
    journal_release(p.j, last);
    add_written(&p, 1);
    finds(&p, last, last + 1, last + 1);
    add_until(&p, "a", SMALL);
    assert_true(size_of(&p, "b") >= 4 * SMALL);
    add_written(&p, 1);
    assert_int_equal(size_of(&p, "b"), 2 * SMALL);
    finds(&p, last, last + 1, journal_last(p.j));
    end(&p);
}

/* Would catch: files as long as they once were, all of which the next to open them reads; or less than what they
 * hold. */
static void test_store_journal__what_is_ready_and_not_used_is_given_back(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    assert_int_equal(size_of(&p, "a") > 0, !by_calls);
    end(&p);
    assert_int_equal(size_of(&p, "a"), 0);
    begin(&p, 0);
    add_until(&p, "b", 3 * SMALL);
    uint64_t last = journal_last(p.j);
    journal_release(p.j, last);
    add_written(&p, 1);
    off_t a = end_of(&p, "a"), b = end_of(&p, "b");
    assert_true(size_of(&p, "a") > a);
    end(&p);
    assert_int_equal(size_of(&p, "a"), a);
    assert_int_equal(size_of(&p, "b"), b);
    finds(&p, last, last + 1, last + 1);
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
    assert_int_equal(end_of(&p, "a"), at);
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
    struct journal_files *files;

    rig_ok(journal_read(p->dir, &files));
    uint64_t number = journal_beyond(files, after);
    journal_files_free(files);
    return number;
}

static void begins(struct place *p, uint64_t a, uint64_t b)
{
    struct journal_files *files;
    uint64_t first[2];

    rig_ok(journal_read(p->dir, &files));
    journal_begins(files, first);
    journal_files_free(files);
    assert_int_equal(first[0], a);
    assert_int_equal(first[1], b);
}

/* Would catch: heads of records that somebody has put into a value. */
static void test_store_journal__what_lies_in_a_whole_record_is_none_of_its_own(void **state)
{
    struct place p = place_of(state);
    uint8_t head[HEAD_LEN] = {0}, bytes[300] = {0};
    struct iovec v = {bytes, sizeof(bytes)};

    be64_put(head + 4, 9);
    be32_put(head + 16, osd_crc32c(0, head, 16));
    memcpy(bytes + 100, head, sizeof(head));
    begin(&p, 0);
    for (int i = 0; i < 4; i++)
        rig_ok(journal_written(p.j, journal_add(p.j, &v, 1, journal_crc(&v, 1))));
    end(&p);
    begins(&p, 1, 0);
    assert_int_equal(beyond(&p, 4), 0);
    assert_int_equal(beyond(&p, 2), 4);
    flip(&p, "a", 0);
    begins(&p, 0, 0);
}

/* Would catch: a file passed over because the last of its records is farther on than damage takes them, although its
 * first is not. */
static void test_store_journal__a_file_that_begins_near_enough_is_found_to_its_end(void **state)
{
    struct place p = place_of(state);
    const uint64_t before = 1000000;

    begin(&p, before);
    add_written(&p, 10);
    end(&p);
    uint64_t reach = 2 * (uint64_t)size_of(&p, "a");
    assert_int_equal(beyond(&p, before + 10 - reach), before + 10);
    assert_int_equal(beyond(&p, before + 5 - reach), before + 10);
    assert_int_equal(beyond(&p, before + 1 - reach), before + 10);
    assert_int_equal(beyond(&p, before - reach), 0);
}

/* Would catch: a head stepped over together with the zeros in front of it. */
static void test_store_journal__a_head_is_found_behind_any_number_of_zeros(void **state)
{
    struct place p = place_of(state);
    uint8_t file[3 * 4096] = {0};
    uint8_t *heads[] = {file + 4050, file + 8130}; /* and each of the 60 bytes behind */

    begin(&p, 0);
    end(&p);
    for (int i = 0; i < 2 * 60; i++) {
        uint8_t *head = heads[i / 60] + i % 60;
        int fd = file_of(&p, "a");
        be64_put(head + 4, 9);
        be32_put(head + 16, osd_crc32c(0, head, 16));
        assert_int_equal(pwrite(fd, file, sizeof(file), 0), sizeof(file));
        close(fd);
        assert_int_equal(beyond(&p, 4), 9);
        memset(head, 0, HEAD_LEN);
    }
}

/* Would catch: a search that takes hours when somebody has filled values with heads of long records. */
static void test_store_journal__a_search_among_invented_heads_ends(void **state)
{
    enum { LEN = 12 << 20, OFF = 7 };
    struct place p = place_of(state);
    uint8_t *bytes = calloc(1, LEN), head[HEAD_LEN] = {0};
    struct iovec v = {bytes, LEN};

    assert_non_null(bytes);
    for (size_t at = OFF; at + HEAD_LEN <= LEN; at += HEAD_LEN) {
        be32_put(head, (uint32_t)(LEN - at - HEAD_LEN));
        be64_put(head + 4, 2 + at);
        be32_put(head + 16, osd_crc32c(0, head, 16));
        memcpy(bytes + at, head, HEAD_LEN);
    }
    begin(&p, 0);
    assert_int_equal(journal_add(p.j, &v, 1, journal_crc(&v, 1)), 1);
    end(&p);
    flip(&p, "a", 0);
    assert_in_range(beyond(&p, 0), 2 + OFF, 2 + LEN);
    free(bytes);
}

/* Would catch: what was synced given up because a file that is used again holds, after loss of power,
 * the first page of its earlier use and the second of its new one. */
static void test_store_journal__half_of_an_earlier_use_hides_nothing(void **state)
{
    struct place p = place_of(state);
    uint8_t old[SMALL / 2];

    begin(&p, 0);
    while (end_of(&p, "b") == 0)
        add_written(&p, 1);
    uint64_t in_a = journal_last(p.j) - 1;
    while (end_of(&p, "b") < (off_t)SMALL)
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
    rig_ok(rig_replay(cut->dir, after, show, cut, &end));
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

static void add_one(struct journal *j)
{
    rig_ok(journal_written(j, add(j)));
}

/* Would catch: a record that no sync brings to the disk, because one that began before it was written
 * took it for its own. */
static void test_store_journal__a_sync_before_a_write_does_not_count_for_it(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_written(&p, 1);
    rig_ok(journal_sync(p.j));
    unsigned before = syncs;
    rig_ok(journal_sync(p.j));
    assert_int_equal(syncs, before); /* there is nothing to sync */
    add_written(&p, 1);
    worked_on = p.j;
    within_sync = add_one;
    before = syncs;
    rig_ok(journal_sync(p.j));
    assert_int_equal(syncs, before + 1);
    rig_ok(journal_sync(p.j));
    assert_int_equal(syncs, before + 2);
    end(&p);
}

#define A_WHILE_US 20000u /* in which others do what they should not */

/** What another thread does. */
static struct {
    pthread_t thread;
    osd_status st;
    atomic_bool begun, ended;
} other;

static void other_begins(void *(*main)(void *arg), struct journal *j)
{
    other.begun = other.ended = false;
    assert_int_equal(pthread_create(&other.thread, NULL, main, j), 0);
    while (!other.begun)
        usleep(100);
    usleep(A_WHILE_US);
}

static void *other_syncs(void *arg)
{
    other.begun = true;
    other.st = journal_sync(arg);
    return NULL;
}

static void sync_meanwhile(struct journal *j)
{
    unsigned before = syncs;

    other_begins(other_syncs, j);
    assert_int_equal(syncs, before);
}

/* Would catch: a sync that leaves out a record that got its number before, and is copied only now. */
static void test_store_journal__a_sync_waits_for_what_is_being_written(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    worked_on = p.j;
    within_write = sync_meanwhile;
    unsigned before = syncs;
    add_written(&p, 1);
    pthread_join(other.thread, NULL);
    rig_ok(other.st);
    assert_int_equal(syncs, before + 1);
    end(&p);
}

static void *other_adds(void *arg)
{
    uint64_t number = add(arg);

    other.begun = true;
    other.st = journal_written(arg, number);
    other.ended = true;
    return NULL;
}

static void add_meanwhile(struct journal *j)
{
    other_begins(other_adds, j);
    assert_false(other.ended);
}

/* Would catch: a record told to be written before the one that a replay has to find first is, or one behind
 * a record that never was. */
static void test_store_journal__a_record_waits_for_those_before_it(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_written(&p, 2);
    worked_on = p.j;
    within_write = add_meanwhile;
    rig_ok(journal_written(p.j, add(p.j)));
    pthread_join(other.thread, NULL);
    rig_ok(other.st);
    finds(&p, 0, 1, 4);
    within_write = add_meanwhile;
    own_writes_fail = ENOSPC;
    uint64_t number = add(p.j);
    own_writes_fail = 0;
    rig_fails(journal_written(p.j, number), OSD_E_NO_SPACE);
    pthread_join(other.thread, NULL);
    rig_fails(other.st, OSD_E_IO);
    rig_ok(journal_written(p.j, 4));
    finds(&p, 0, 1, 4);
    end(&p);
}

static void test_store_journal__after_a_failed_write_nothing_is_written(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_written(&p, 3);
    writes_fail = ENOSPC;
    rig_fails(journal_written(p.j, add(p.j)), OSD_E_NO_SPACE);
    rig_ok(journal_written(p.j, 3));
    writes_fail = 0;
    rig_fails(journal_written(p.j, add(p.j)), OSD_E_IO);
    rig_fails(journal_sync(p.j), OSD_E_IO);
    finds(&p, 0, 1, 3);
    end(&p);
}

/* Would catch: a sync that finds nothing to do, because one that failed took the marks of what there was. */
static void test_store_journal__after_a_failed_sync_there_is_none(void **state)
{
    struct place p = place_of(state);

    begin(&p, 0);
    add_written(&p, 3);
    syncs_fail = EIO;
    rig_fails(journal_sync(p.j), OSD_E_IO);
    syncs_fail = 0;
    rig_fails(journal_sync(p.j), OSD_E_IO);
    rig_ok(journal_written(p.j, 3));
    rig_fails(journal_written(p.j, add(p.j)), OSD_E_IO);
    finds(&p, 0, 1, 3);
    end(&p);
}

static osd_status count_one(void *arg, uint64_t number, const void *data, size_t len)
{
    (void)number;
    (void)data;
    (void)len;
    ++*(unsigned *)arg;
    return OSD_OK;
}

/* Would catch: a process that dies of a file that somebody cut short, or a store that goes on as if the
 * record were there although the system call failed as well. */
static void test_store_journal__a_file_that_was_cut_short_kills_nobody(void **state)
{
    struct place p = place_of(state);

    rig_guard();
    begin(&p, 0);
    add_written(&p, 3);
    int fd = file_of(&p, "a");
    off_t third = end_of(&p, "a");
    assert_int_equal(ftruncate(fd, 0), 0);
    add_written(&p, 3); /* behind a hole now */
    finds(&p, 0, 0, 0);
    assert_true(size_of(&p, "a") > third);
    assert_int_equal(copies, by_calls ? 0 : 4); /* not again */
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    writes_fail = EIO;
    rig_fails(journal_written(p.j, add(p.j)), OSD_E_IO);
    writes_fail = 0;
    end(&p);
}

/* Would catch: files that are not made ready before records come there, or asking for it without end. */
static void test_store_journal__who_answers_its_calls_has_all_records_copied(void **state)
{
    static uint8_t bytes[4000];
    struct iovec v = {bytes, sizeof(bytes)};
    struct place p = place_of(state);
    unsigned calls = 0, n = 20 * MIB / sizeof(bytes);

    rig_ok(journal_open(p.dir, 0, 0, &p.j));
    for (unsigned i = 0; i < n; i++) {
        rig_ok(journal_written(p.j, journal_add(p.j, &v, 1, journal_crc(&v, 1))));
        if (!journal_calls(p.j))
            continue;
        calls++;
        journal_make_ready(p.j);
        journal_release(p.j, journal_last(p.j));
        assert_false(journal_calls(p.j));
    }
    assert_in_range(copies, by_calls ? 0 : n - 3,
                    by_calls ? 0 : n); /* not at the end of a file */
    assert_in_range(calls, 2, 40);
    end(&p);
}

/* Would catch: a record that lies in part behind what is mapped, or records behind it. */
static void test_store_journal__a_record_may_be_longer_than_a_file(void **state)
{
    static uint8_t bytes[3 * SMALL + 5], small[8];
    struct place p = place_of(state);
    unsigned n = 0;
    uint64_t last;

    begin(&p, 0);
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned i = 0; i < 20; i++) {
            struct iovec v[2] = {{small, 8}, {bytes, i == 10 ? sizeof(bytes) - round : 0}};
            memset(bytes, (int)round, sizeof(bytes));
            rig_ok(journal_written(p.j, journal_add(p.j, v, 2, journal_crc(v, 2))));
        }
        n = 0;
        rig_ok(rig_replay(p.dir, 20 * (round - 1), count_one, &n, &last));
        assert_int_equal(n, 20);
        journal_release(p.j, journal_last(p.j));
        journal_make_ready(p.j);
    }
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
    rig_fails(rig_replay(p.dir, 0, show, &p, &last), OSD_E_IO);
    reads_fail = 0;
    finds(&p, 0, 1, 3);
}

#define WRITERS 4u
#define CROWD   (3 * JOURNAL_AT_ONCE)
#define RECORDS 100u /* of each of them */

static void *write_many(void *arg)
{
    struct place *p = arg;
    uint8_t bytes[208] = {0};
    struct iovec v = {bytes, 8};

    for (unsigned i = 0; i < RECORDS; i++) {
        uint64_t number = journal_add(p->j, &v, 1, journal_crc(&v, 1));
        rig_ok(journal_written(p->j, number));
        if (i % 50 == 0)
            rig_ok(journal_sync(p->j));
    }
    return NULL;
}

static struct {
    struct place *p;
    pthread_t t[CROWD];
    atomic_uint begun;
} crowd;

static uint64_t ns_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *one_of_the_crowd(void *arg)
{
    struct iovec v = {arg, 8};

    crowd.begun++;
    rig_ok(journal_written(crowd.p->j, journal_add(crowd.p->j, &v, 1, journal_crc(&v, 1))));
    return NULL;
}

static void crowd_begins(struct journal *j)
{
    static uint8_t bytes[8];

    (void)j;
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&crowd.t[i], NULL, one_of_the_crowd, bytes), 0);
    while (crowd.begun < CROWD || beyond(crowd.p, 0) < JOURNAL_AT_ONCE)
        usleep(100);
    uint64_t cpu, since;
    do { /* until they sleep, before which they may ask; ends with the test's time limit */
        cpu = ns_of(CLOCK_PROCESS_CPUTIME_ID), since = ns_of(CLOCK_MONOTONIC);
        usleep(10 * A_WHILE_US);
        cpu = ns_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    } while (cpu > (ns_of(CLOCK_MONOTONIC) - since) / 2); /* half of one CPU */
    assert_in_range(beyond(crowd.p, 0), JOURNAL_AT_ONCE, JOURNAL_AT_ONCE);
}

/* Would catch: more records behind one that a death cuts off than those who open the store expect; threads
 * that keep every CPU busy while one of them waits for a disk. */
static void test_store_journal__many_threads_leave_few_records_behind_one(void **state)
{
    struct place p = place_of(state);
    unsigned n = 0;
    uint64_t last;

    begin(&p, 0);
    crowd.p = &p;
    crowd.begun = 0;
    within_write = crowd_begins;
    worked_on = p.j;
    add_written(&p, 1);
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(crowd.t[i], NULL);
    rig_ok(rig_replay(p.dir, 0, count_one, &n, &last));
    assert_int_equal(n, 1 + CROWD);
    end(&p);
}

/* Would catch: a record that is told to be written, and is not, because two threads wrote. */
static void test_store_journal__records_of_many_threads_are_all_there(void **state)
{
    struct place p = place_of(state);
    pthread_t t[CROWD];
    unsigned n = 0;
    uint64_t last;

    begin(&p, 0);
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_many, &p), 0);
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(t[i], NULL);
    rig_ok(rig_replay(p.dir, 0, count_one, &n, &last));
    assert_int_equal(n, CROWD * RECORDS);
    assert_int_equal(last, n);
    end(&p);
}

/** What a child and who kills it share. */
struct told {
    atomic_ullong of[WRITERS];     /* the last number of each thread that was written */
    atomic_ullong counts[WRITERS]; /* its records that were */
};

struct told_writer {
    struct place *p;
    struct told *told;
    unsigned i;
};

/* Until the process dies. Each record says whose it is, and the how manieth. */
static void *tell(void *arg)
{
    struct told_writer *w = arg;
    uint8_t bytes[300] = {0};

    for (uint64_t n = 1;; n++) {
        struct iovec v = {bytes, 16 + n * 37 % 280};
        be64_put(bytes, w->i);
        be64_put(bytes + 8, n);
        memset(bytes + 16, (int)n, sizeof(bytes) - 16);
        uint64_t number = journal_add(w->p->j, &v, 1, journal_crc(&v, 1));
        if (journal_written(w->p->j, number) != OSD_OK)
            abort();
        w->told->of[w->i] = number;
        w->told->counts[w->i] = n;
        if (n % 100 == 0)
            journal_make_ready(w->p->j);
    }
    return NULL;
}

static struct told *map_told(int fd)
{
    struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return told == MAP_FAILED ? NULL : told;
}

/* Never returns by itself, but for failures. */
static int child_main(const char *dir, int fd)
{
    struct told_writer w[WRITERS];
    struct told *told = map_told(fd);
    struct place p;
    pthread_t t;

    if (!told || journal_open(dir, 0, MIB, &p.j) != OSD_OK)
        return 2;
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i] = (struct told_writer){&p, told, i};
        if (pthread_create(&t, NULL, tell, &w[i]) != 0)
            return 2;
    }
    pause();
    return 2;
}

/* A program anew: the thread sanitizer has none start threads that was forked. */
static pid_t start_child(const struct place *p, int fd)
{
    char fd_text[16];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    execl("/proc/self/exe", "test_store_journal", p->dir, fd_text, by_calls ? "calls" : "maps",
          NULL);
    _exit(127);
}

/* Let it work for some time, and kill it. */
static void kill_child(pid_t pid, const struct told *told, useconds_t us)
{
    int status = 0;

    while (told->counts[0] == 0 && waitpid(pid, &status, WNOHANG) == 0)
        usleep(100);
    usleep(us);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Each thread's records are there in their order, with what they held. */
static osd_status count_told(void *arg, uint64_t number, const void *data, size_t len)
{
    uint64_t *found = arg, writer = be64_get(data), n = be64_get((const uint8_t *)data + 8);
    const uint8_t *bytes = data;

    (void)number;
    assert_in_range(writer, 0, WRITERS - 1);
    assert_int_equal(n, ++found[writer]);
    assert_int_equal(len, 16 + n * 37 % 280);
    for (size_t i = 16; i < len; i++)
        assert_int_equal(bytes[i], (uint8_t)n);
    return OSD_OK;
}

#define KILLS 20

/* Would catch: a record that was told to be written behind one that another thread did not finish. */
static void test_store_journal__killed_at_any_moment_it_has_what_it_told(void **state)
{
    struct place p = place_of(state);
    int fd = memfd_create("told", 0);
    uint64_t seed = 7, all = 0;

    assert_int_equal(ftruncate(fd, sizeof(struct told)), 0);
    struct told *told = map_told(fd);
    assert_non_null(told);
    for (unsigned round = 0; round < KILLS; round++) {
        uint64_t found[WRITERS] = {0}, last;
        memset(told, 0, sizeof(*told));
        kill_child(start_child(&p, fd), told, (useconds_t)rig_random(&seed, 3000));
        rig_ok(rig_replay(p.dir, 0, count_told, found, &last));
        for (unsigned i = 0; i < WRITERS; i++) {
            assert_true(last >= told->of[i]);
            assert_true(found[i] >= told->counts[i]);
            all += found[i];
        }
    }
    assert_true(all > KILLS * WRITERS);
    munmap(told, sizeof(*told));
    close(fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_journal__what_was_written_is_found_in_order),
        RIG_TEST(test_store_journal__a_record_that_is_not_whole_ends_it),
        RIG_TEST(test_store_journal__its_files_take_turns_when_they_are_released),
        RIG_TEST(test_store_journal__a_crowded_file_goes_on_where_it_is_mapped),
        RIG_TEST(test_store_journal__what_is_ready_and_not_used_is_given_back),
        RIG_TEST(test_store_journal__what_a_file_held_before_is_not_shown),
        RIG_TEST(test_store_journal__what_follows_a_gap_is_not_shown),
        RIG_TEST(test_store_journal__half_of_an_earlier_use_hides_nothing),
        RIG_TEST(test_store_journal__what_lies_in_a_whole_record_is_none_of_its_own),
        RIG_TEST(test_store_journal__a_file_that_begins_near_enough_is_found_to_its_end),
        RIG_TEST(test_store_journal__a_head_is_found_behind_any_number_of_zeros),
        RIG_TEST(test_store_journal__a_search_among_invented_heads_ends),
        RIG_TEST(test_store_journal__loss_of_power_leaves_what_was_synced),
        RIG_TEST(test_store_journal__a_sync_before_a_write_does_not_count_for_it),
        RIG_TEST(test_store_journal__a_sync_waits_for_what_is_being_written),
        RIG_TEST(test_store_journal__a_record_waits_for_those_before_it),
        RIG_TEST(test_store_journal__after_a_failed_write_nothing_is_written),
        RIG_TEST(test_store_journal__after_a_failed_sync_there_is_none),
        RIG_TEST(test_store_journal__a_file_that_was_cut_short_kills_nobody),
        RIG_TEST(test_store_journal__who_answers_its_calls_has_all_records_copied),
        RIG_TEST(test_store_journal__a_record_may_be_longer_than_a_file),
        RIG_TEST(test_store_journal__what_cannot_be_read_is_not_passed_over),
        RIG_TEST(test_store_journal__many_threads_leave_few_records_behind_one),
        RIG_TEST(test_store_journal__records_of_many_threads_are_all_there),
        RIG_TEST(test_store_journal__killed_at_any_moment_it_has_what_it_told),
    };

    by_calls = argc == 4 && strcmp(argv[3], "calls") == 0;
    if (argc == 4)
        return child_main(argv[1], (int)strtol(argv[2], NULL, 10));
    rig_choose("rocksdb");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    by_calls = true;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
