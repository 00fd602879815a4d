/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_blocks.c - a data file is synced after the last write, whatever meets what
 */
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rig.h"
#include "store/blocks.h"

/* Called in front of a write, in the place of another thread that comes at that moment. */
static void (*meanwhile)(void);
static unsigned syncs; /* of files */

ssize_t __real_pwritev64(int fd, const struct iovec *v, int n, off_t off);
ssize_t __wrap_pwritev64(int fd, const struct iovec *v, int n, off_t off);
ssize_t __wrap_pwritev64(int fd, const struct iovec *v, int n, off_t off)
{
    void (*f)(void) = meanwhile;

    meanwhile = NULL;
    if (f)
        f();
    return __real_pwritev64(fd, v, n, off);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    syncs++;
    return __real_fdatasync(fd);
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

    rig_ok(blocks_write(b, block, &v, 1, sizeof(bytes)));
}

/* Would catch: a sync that takes place while a block is being written, and makes the next one
 * believe that there is nothing to do. */
static void test_store_blocks__a_sync_during_a_write_does_not_count_for_it(void **state)
{
    struct rig *r = *state;
    char dir[128];
    uint64_t first;
    uint32_t n;

    snprintf(dir, sizeof(dir), "%s/files", r->dir);
    rig_ok(blocks_open(dir, false, &b));
    rig_ok(blocks_alloc(b, 2, &first, &n));
    write_one(first);
    assert_int_equal(sync_now(), 1);
    assert_int_equal(sync_now(), 0); /* nothing was written */
    meanwhile = sync_meanwhile;
    write_one(first + 1);
    assert_int_equal(sync_now(), 1);
    blocks_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_blocks__a_sync_during_a_write_does_not_count_for_it),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
