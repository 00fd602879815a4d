/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_ahead.c - commits beside a database that does not go on for a while
 *
 * RocksDB stops its writers when it has too much to bring to disk. The test does the same to it.
 */
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <unistd.h>

#include "rig.h"

#define AHEAD_MOST 16384u /* keys: from then on who commits waits */
#define IN_RECORD  512u   /* attributes that need no key of their own, at most */
#define COMMITS    24000u
#define LOOK_US    1000u
#define STILL      100u /* looks that find no commit: nobody goes on */

static atomic_bool stalled;
static atomic_uint waiting; /* in the database */
static atomic_uint committed;

void __real_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *batch, char **err);
void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *batch, char **err);
void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *batch, char **err)
{
    waiting++;
    while (stalled)
        usleep(LOOK_US);
    waiting--;
    __real_rocksdb_write(db, o, batch, err);
}

/** Who commits, and how it ended: assertions are for the main thread. */
struct writer {
    struct rig *r;
    struct store_id object;
    osd_status st;
};

static void *commit_all(void *arg)
{
    struct writer *w = arg;
    const struct store_ops *ops = w->r->ops;
    struct store_txn *t;

    for (uint32_t i = 0; i < COMMITS && !w->st; i++) {
        w->st = ops->begin(w->r->s, w->object, STORE_EXCLUSIVE, &t);
        if (w->st)
            break;
        w->st = ops->set_attr(t, w->object, 1, i + 1, &i, sizeof(i));
        if (w->st)
            ops->abort(t);
        else
            w->st = ops->commit(t, 0);
        committed++;
    }
    return NULL;
}

#define FEWEST (AHEAD_MOST / 4)

/* Until commits do not go on, of which there have to be some; returns how many there were. Ends with the
 * test's time limit if they stop before. */
static unsigned when_still(void)
{
    unsigned seen = committed;

    for (unsigned still = 0; still < STILL; still++) {
        usleep(LOOK_US);
        if (committed != seen || committed < FEWEST)
            still = 0;
        seen = committed;
    }
    return seen;
}

static uint32_t attr_of(struct rig *r, struct store_id id, uint32_t number)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint32_t value = UINT32_MAX;
    uint32_t len = 0;

    rig_ok(r->ops->get_attr(t, id, 1, number, &value, sizeof(value), &len));
    assert_int_equal(len, sizeof(value));
    r->ops->abort(t);
    return value;
}

/* Would catch: a table that grows as long as the database stands still, commits that stop as soon
 * as it does, and readers that wait for it. */
static void test_store_ahead__a_database_that_stands_still_holds_back_only_many(void **state)
{
    struct rig *r = *state;
    struct store_id partition = rig_partition(r);
    struct writer w = {.r = r, .object = rig_object(r, partition.pid)};
    pthread_t thread;

    committed = 0;
    stalled = true;
    assert_int_equal(pthread_create(&thread, NULL, commit_all, &w), 0);
    while (waiting == 0)
        usleep(LOOK_US);
    unsigned n = when_still();
    bool both_wait = waiting == 1;
    uint32_t first = attr_of(r, w.object, 1), last = attr_of(r, w.object, n);
    stalled = false;
    assert_int_equal(pthread_join(thread, NULL), 0);
    rig_ok(w.st);
    assert_true(both_wait);
    assert_true(n <= AHEAD_MOST + IN_RECORD);
    assert_int_equal(first, 0);
    assert_int_equal(last, n - 1);
    assert_int_equal(committed, COMMITS);
    rig_reopen(r);
    for (uint32_t i = 0; i < COMMITS; i++)
        assert_int_equal(attr_of(r, w.object, i + 1), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_ahead__a_database_that_stands_still_holds_back_only_many),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
