/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_early.c - bytes of several writes that are put into place together, before them
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "rig.h"

#define N      STORE_EARLY_MAX
#define BLOCK  STORE_BLOCK
#define OTHERS 40

#define SHORT_RUNS 100 /* more than there are between two long ones */

static unsigned writes; /* of data: the journal's begin nowhere near a block's boundary */

ssize_t __real_pwritev64(int fd, const struct iovec *v, int n, int64_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *v, int n, int64_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *v, int n, int64_t at)
{
    writes++;
    return __real_pwritev64(fd, v, n, at);
}

ssize_t __real_pwrite64(int fd, const void *p, size_t len, int64_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t len, int64_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t len, int64_t at)
{
    writes += len % BLOCK == 0;
    return __real_pwrite64(fd, p, len, at);
}

/* Eight writes, of eight blocks, seven, and so on. */
struct eight {
    struct store_id id;
    uint8_t bytes[N][N * BLOCK];
    struct iovec v[N];
    struct osd_iov data[N];
    struct store_early *early;
};

static uint64_t place_of(unsigned i)
{
    return (uint64_t)i * N * BLOCK;
}

static unsigned data_files(struct rig *r)
{
    char path[96];
    unsigned n = 0;

    snprintf(path, sizeof(path), "%s/data", r->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));)
        n += f->d_name[0] >= '0' && f->d_name[0] <= '9';
    closedir(d);
    return n;
}

static void put_early(struct rig *r, struct eight *e)
{
    rig_ok(r->ops->early(r->s, e->id, e->data, N, &e->early));
}

static struct eight *prepare(struct rig *r)
{
    static struct eight e;

    e = (struct eight){.id = rig_object(r, rig_partition(r).pid)};
    for (unsigned i = 0; i < N; i++) {
        rig_fill(e.bytes[i], sizeof(e.bytes[i]), i);
        e.v[i] = (struct iovec){e.bytes[i], (N - i) * BLOCK};
        e.data[i] = osd_iov_make(&e.v[i], 1);
    }
    put_early(r, &e);
    return &e;
}

/* Write to every block that is free, or becomes it: a data file has 64 MiB. */
static void churn(struct rig *r, struct eight *e)
{
    static uint8_t much[MIB];
    struct store_id other = rig_object(r, e->id.pid);

    for (unsigned i = 0; i < 66 * data_files(r); i++) {
        if (i % 8 == 0)
            rig_ok(r->ops->flush(r->s));
        rig_write(r, other, 0, much, sizeof(much));
    }
}

static struct store_txn *begin(struct rig *r, struct eight *e)
{
    struct store_txn *t = rig_begin(r, e->id, STORE_EXCLUSIVE);

    r->ops->early_use(t, e->early);
    return t;
}

static osd_status write_one(struct rig *r, struct eight *e, struct store_txn *t, unsigned i)
{
    return r->ops->write(t, e->id, place_of(i), e->v[i].iov_len, &e->data[i], 0);
}

static void write_alone(struct rig *r, struct eight *e, unsigned i)
{
    struct store_txn *t = begin(r, e);

    rig_ok(write_one(r, e, t, i));
    rig_commit(r, t);
}

static void check_one(struct rig *r, struct eight *e, unsigned i)
{
    static uint8_t back[N * BLOCK];

    rig_read(r, e->id, place_of(i), back, e->v[i].iov_len);
    assert_memory_equal(back, e->bytes[i], e->v[i].iov_len);
}

static void test_store_early__writes_find_their_bytes_in_place(void **state)
{
    struct rig *r = *state;

    writes = 0;
    struct eight *e = prepare(r);
    assert_int_equal(writes, 1);
    for (unsigned i = 0; i < N; i++)
        write_alone(r, e, i);
    assert_int_equal(writes, 1);
    r->ops->early_end(r->s, e->early);
    rig_reopen(r);
    for (unsigned i = 0; i < N; i++)
        check_one(r, e, i);
}

/* Only whole: part of the bytes, other bytes, or bytes beside a block's place are written as ever. */
static void test_store_early__other_writes_write_by_themselves(void **state)
{
    struct rig *r = *state;
    struct eight *e = prepare(r);
    static uint8_t other[3 * BLOCK], back[3 * BLOCK];
    struct store_txn *t = begin(r, e);
    struct osd_iov longer = osd_iov_make(&e->v[5], 2);

    rig_ok(r->ops->write(t, e->id, 0, 2 * BLOCK, &e->data[5], 0));
    rig_ok(r->ops->write(t, e->id, 2 * BLOCK, BLOCK, &e->data[5], 2 * BLOCK));
    rig_fill(other, sizeof(other), 99);
    rig_ok(rig_txn_write(t, e->id, 8 * BLOCK, other, sizeof(other)));
    rig_ok(r->ops->write(t, e->id, 20 * BLOCK + 1, 3 * BLOCK, &e->data[5], 0));
    rig_ok(r->ops->write(t, e->id, 30 * BLOCK, 3 * BLOCK, &longer, 2 * BLOCK));
    rig_commit(r, t);
    r->ops->early_end(r->s, e->early);
    rig_read(r, e->id, 30 * BLOCK, back, sizeof(back));
    assert_memory_equal(back, e->bytes[5] + 2 * BLOCK, BLOCK);
    assert_memory_equal(back + BLOCK, e->bytes[6], 2 * BLOCK);
    rig_read(r, e->id, 0, back, sizeof(back));
    assert_memory_equal(back, e->bytes[5], sizeof(back));
    rig_read(r, e->id, 8 * BLOCK, back, sizeof(back));
    assert_memory_equal(back, other, sizeof(back));
    rig_read(r, e->id, 20 * BLOCK + 1, back, sizeof(back));
    assert_memory_equal(back, e->bytes[5], sizeof(back));
}

/* The second time they are somebody's already. */
static void test_store_early__bytes_are_used_once(void **state)
{
    struct rig *r = *state;
    struct eight *e = prepare(r);
    struct store_txn *t = begin(r, e);

    rig_ok(write_one(r, e, t, 7));
    rig_ok(r->ops->write(t, e->id, place_of(5), BLOCK, &e->data[7], 0));
    rig_commit(r, t);
    r->ops->early_end(r->s, e->early);
    rig_write(r, e->id, place_of(7), e->bytes[1], BLOCK);
    churn(r, e);
    uint8_t back[BLOCK];
    rig_read(r, e->id, place_of(5), back, BLOCK);
    assert_memory_equal(back, e->bytes[7], BLOCK);
}

static void test_store_early__abort_gives_them_back(void **state)
{
    struct rig *r = *state;
    struct eight *e = prepare(r);
    struct store_txn *t = begin(r, e);

    rig_ok(write_one(r, e, t, 7));
    r->ops->abort(t);
    write_alone(r, e, 7); /* to another place */
    r->ops->early_end(r->s, e->early);
    check_one(r, e, 7);
}

/* Where a run of free blocks is short, one behind it is longer. */
static void put_behind_short_runs(struct rig *r, struct eight *e)
{
    unsigned refused = 0;

    while (r->ops->early(r->s, e->id, e->data, N, &e->early))
        if (++refused == SHORT_RUNS)
            fail_msg("%u times no place for two of them", refused);
}

/* More than a data file holds, one after the other. */
static void test_store_early__what_nobody_used_is_free_again(void **state)
{
    struct rig *r = *state;
    struct eight *e = prepare(r);

    for (int i = 0; i < 5000; i++) {
        struct store_txn *t = begin(r, e);
        rig_ok(i % 2 ? write_one(r, e, t, 3)
                     : r->ops->write(t, e->id, 0, BLOCK, &e->data[0], 0));
        r->ops->abort(t);
        r->ops->early_end(r->s, e->early);
        put_behind_short_runs(r, e);
    }
    r->ops->early_end(r->s, e->early);
    assert_int_equal(data_files(r), 1);
}

/* A format takes all blocks, those that are in place for somebody as well. */
static void test_store_early__format_takes_them_away(void **state)
{
    struct rig *r = *state;
    struct eight *e = prepare(r);
    struct store_meta root = store_root_defaults(1);
    struct store_txn *t = rig_begin(r, (struct store_id){0}, STORE_EXCLUSIVE);

    rig_ok(r->ops->format(t, 0, &root));
    rig_commit(r, t);
    e->id = rig_object(r, rig_partition(r).pid);
    write_alone(r, e, 0);
    r->ops->early_end(r->s, e->early);
    for (unsigned i = 1; i < N; i++)
        rig_write(r, e->id, place_of(i), e->bytes[i], (N - i) * BLOCK);
    struct store_id others[OTHERS];
    for (unsigned i = 0; i < OTHERS; i++) { /* they look for blocks from the first one on */
        others[i] = rig_object(r, e->id.pid);
        rig_write(r, others[i], 0, e->bytes[i % N], BLOCK);
    }
    churn(r, e);
    for (unsigned i = 0; i < N; i++)
        check_one(r, e, i);
    for (unsigned i = 0; i < OTHERS; i++) {
        uint8_t back[BLOCK];
        rig_read(r, others[i], 0, back, BLOCK);
        assert_memory_equal(back, e->bytes[i % N], BLOCK);
    }
    rig_check(r);
}

static void test_store_early__one_alone_is_refused(void **state)
{
    struct rig *r = *state;
    static uint8_t bytes[BLOCK];
    struct iovec v = {bytes, BLOCK};
    struct osd_iov data = osd_iov_make(&v, 1);
    struct store_early *e;

    rig_fails(r->ops->early(r->s, (struct store_id){1, 1}, &data, 1, &e), OSD_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_early__writes_find_their_bytes_in_place),
        RIG_TEST(test_store_early__other_writes_write_by_themselves),
        RIG_TEST(test_store_early__bytes_are_used_once),
        RIG_TEST(test_store_early__abort_gives_them_back),
        RIG_TEST(test_store_early__what_nobody_used_is_free_again),
        RIG_TEST(test_store_early__format_takes_them_away),
        RIG_TEST(test_store_early__one_alone_is_refused),
    };

    rig_choose("rocksdb-idle"); /* free is what is synced here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
