/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/rig.h - a fresh store per test, and short forms of what tests do all the time
 *
 * Functions without a status fail the test. They are for the test's main thread: a failing
 * assertion in another thread would jump across stacks.
 */
#ifndef TESTS_STORE_RIG_H
#define TESTS_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/journal.h"
#include "store/store.h"

#define RIG_CAPACITY (1ULL << 30)

struct rig {
    struct osd_store *s;
    const struct store_ops *ops;
    struct store_config cfg;
    char dir[64];
    bool opened;
};

/** Which store rigs open from now on: "memory" or "rocksdb"; "rocksdb-idle": without anything in
 *  the background. */
void rig_choose(const char *kind);

/** Whether the chosen store outlives its process. */
bool rig_persists(void);

/** Whether it has indexes, which it completes by itself. */
bool rig_indexes(void);

/** cmocka setup and teardown: an empty store of RIG_CAPACITY in *state. Teardown checks it. */
int rig_setup(void **state);
int rig_teardown(void **state);

/** Close and open again, in one or in two steps. */
void rig_close(struct rig *r);
void rig_open(struct rig *r);
void rig_reopen(struct rig *r);

/** Fails the test unless the store's own check finds nothing. */
void rig_check(struct rig *r);

/** A test of the suite with a fresh store. */
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/** Fails the test unless the call returns this. */
#define rig_ok(call)            assert_int_equal((call), OSD_OK)
#define rig_fails(call, status) assert_int_equal((call), (status))

/** cmocka puts a handler of SIGBUS around each test: have that of store/guarded.h instead. */
void rig_guard(void);

/** Metadata without limits. */
struct store_meta rig_meta(enum store_kind kind);

struct store_txn *rig_begin(struct rig *r, struct store_id id, enum store_mode mode);
void rig_commit(struct rig *r, struct store_txn *t);

/** Each of these is a transaction of its own. */
struct store_id rig_partition(struct rig *r);
struct store_id rig_object(struct rig *r, uint64_t pid);
struct store_id rig_collection(struct rig *r, uint64_t pid);
struct store_meta rig_get_meta(struct rig *r, struct store_id id);
void rig_put_meta(struct rig *r, struct store_id id, const struct store_meta *m);
bool rig_exists(struct rig *r, struct store_id id);
void rig_remove(struct rig *r, struct store_id id);
void rig_write(struct rig *r, struct store_id id, uint64_t off, const void *src, uint64_t len);
void rig_read(struct rig *r, struct store_id id, uint64_t off, void *dst, uint64_t len);
void rig_set_attr(struct rig *r, struct store_id id, uint32_t page, uint32_t number,
                  const void *value, uint32_t len);
void rig_truncate(struct rig *r, struct store_id id, uint64_t length);

/** Objects, by ids that nobody else uses, with an attribute each: a partition with them is removed by
 *  range. Check that they are there, or that the partition is not. */
void rig_ballast(struct rig *r, uint64_t pid);
void rig_check_ballast(struct rig *r, uint64_t pid);

/** Within a transaction, from and to plain memory. */
osd_status rig_txn_write(struct store_txn *t, struct store_id id, uint64_t off, const void *src,
                         uint64_t len);
osd_status rig_txn_read(struct store_txn *t, struct store_id id, uint64_t off, void *dst,
                        uint64_t len);

/** Read the files of a journal and replay them. */
osd_status rig_replay(const char *dir, uint64_t after, journal_visit visit, void *arg,
                      uint64_t *ret_last);

/** Bytes that differ by place and seed, never zero. */
void rig_fill(void *dst, size_t len, unsigned seed);

/** Fails the test unless all bytes are zero. */
void rig_zeros(const void *p, size_t len);

/** A number below n, from a sequence that seed starts. */
uint64_t rig_random(uint64_t *seed, uint64_t n);

#endif
