/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_small.c - conformance: small attributes and short data
 *
 * A store may keep what is small beside the metadata, and move it out and back as it grows and
 * shrinks. Nobody may see that: these tests go over the borders of the RocksDB store
 * (store/rocksdb_codec.h) in every direction, and compare content and used each time.
 */
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "rig.h"
#include "suite.h"

#define B     STORE_BLOCK
#define N     64
#define VALUE 300

/** What one object should hold. */
struct want {
    uint32_t attr_len[N];
    uint8_t attr[N][VALUE];
    uint64_t length;
    uint8_t bytes[3 * B];
    bool data[3]; /* whether the block holds written data */
};

static void fresh(struct rig *r, struct store_id *ret_id, struct want *w)
{
    memset(w, 0, sizeof(*w));
    *ret_id = rig_object(r, rig_partition(r).pid);
}

static bool count(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    uint32_t *next = arg;

    (void)value, (void)len;
    assert_int_equal(page, 7);
    assert_true(number >= *next);
    *next = number + 1;
    return true;
}

static void compare(struct rig *r, struct store_id id, const struct want *w)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    static uint8_t got[3 * B];
    uint64_t used = (uint64_t)(w->data[0] + w->data[1] + w->data[2]) * B;
    struct store_meta m;
    uint32_t next = 0, len = 0, last = 0;

    for (uint32_t i = 0; i < N; i++) {
        osd_status st = r->ops->get_attr(t, id, 7, i, got, VALUE, &len);
        assert_int_equal(st, w->attr_len[i] ? OSD_OK : OSD_E_NOT_FOUND);
        if (st)
            continue;
        assert_int_equal(len, w->attr_len[i]);
        assert_memory_equal(got, w->attr[i], len);
        used += 16 + len;
        last = i + 1;
    }
    rig_ok(r->ops->each_attr(t, id, 0, 0, count, &next));
    assert_int_equal(next, last);
    rig_ok(r->ops->get_meta(t, id, &m));
    assert_int_equal(m.length, w->length);
    assert_int_equal(m.used, used);
    rig_ok(rig_txn_read(t, id, 0, got, sizeof(got)));
    assert_memory_equal(got, w->bytes, sizeof(got));
    r->ops->abort(t);
}

static void check(struct rig *r, struct store_id id, const struct want *w)
{
    compare(r, id, w);
    if (!rig_persists())
        return;
    rig_reopen(r);
    compare(r, id, w);
    rig_check(r);
}

static void set(struct rig *r, struct store_id id, struct want *w, uint32_t number,
                uint32_t len)
{
    rig_fill(w->attr[number], len, number + len);
    w->attr_len[number] = len;
    rig_set_attr(r, id, 7, number, w->attr[number], len);
    compare(r, id, w);
}

static void put(struct rig *r, struct store_id id, struct want *w, uint64_t off, uint64_t len)
{
    rig_fill(w->bytes + off, len, (unsigned)(off + len));
    if (off + len > w->length)
        w->length = off + len;
    for (uint64_t b = off / B; b < (off + len + B - 1) / B; b++)
        w->data[b] = true;
    rig_write(r, id, off, w->bytes + off, len);
    compare(r, id, w);
}

static void cut(struct rig *r, struct store_id id, struct want *w, uint64_t length)
{
    if (length < w->length)
        memset(w->bytes + length, 0, sizeof(w->bytes) - length);
    w->length = length;
    for (uint64_t b = (length + B - 1) / B; b < 3; b++)
        w->data[b] = false;
    rig_truncate(r, id, length);
    compare(r, id, w);
}

static void clear(struct rig *r, struct store_id id, struct want *w, uint64_t off, uint64_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    memset(w->bytes + off, 0, len);
    for (uint64_t b = (off + B - 1) / B; b < 3; b++)
        w->data[b] &= (b + 1) * B > off + len && off + len < w->length;
    rig_ok(r->ops->clear(t, id, off, len));
    rig_commit(r, t);
    compare(r, id, w);
}

/* Values around the longest that lies inside, each followed by one on the other side. */
static void test_store_small__values_of_255_256_and_257_bytes_replace_each_other(void **state)
{
    static const uint32_t lengths[] = {255, 256, 257, 256, 255, 257, 1, 257, 0, 257, 0, 256, 0};
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        set(r, id, &w, 3, lengths[i]);
        set(r, id, &w, 1, lengths[sizeof(lengths) / sizeof(lengths[0]) - 1 - i]);
        check(r, id, &w);
    }
}

/* Three values whose sum with their heads (10 bytes each) is 767, 768 and 769 bytes. */
static void test_store_small__a_total_of_767_768_and_769_bytes(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    for (uint32_t last = 225; last <= 227; last++) {
        fresh(r, &id, &w);
        set(r, id, &w, 1, 256);
        set(r, id, &w, 5, 256);
        set(r, id, &w, 3, last); /* 256 + 256 + 30 + 226 = 768 */
        check(r, id, &w);
        set(r, id, &w, 1, 255); /* room for one more byte: 3 may come back */
        set(r, id, &w, 3, last);
        set(r, id, &w, 5, 0);
        check(r, id, &w);
    }
}

static void test_store_small__more_attributes_than_have_room(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    for (uint32_t i = 0; i < N; i++) /* not in order; some go in, some do not */
        set(r, id, &w, i * 37 % N, 1 + i * 5 % 60);
    check(r, id, &w);
    for (uint32_t i = 0; i < N; i += 2)
        set(r, id, &w, i, 0);
    check(r, id, &w);
    for (uint32_t i = 0; i < N; i++)
        set(r, id, &w, i, 20);
    check(r, id, &w);
    for (uint32_t i = 0; i < N; i++)
        set(r, id, &w, i, 0);
    check(r, id, &w);
    assert_int_equal(rig_get_meta(r, id).used, 0);
}

static void test_store_small__data_of_1023_1024_and_1025_bytes(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    for (uint64_t len = 1023; len <= 1025; len++) {
        fresh(r, &id, &w);
        put(r, id, &w, 0, len);
        check(r, id, &w);
        put(r, id, &w, 10, 20);
        put(r, id, &w, len - 1, 1);
        check(r, id, &w);
        put(r, id, &w, len, 2); /* over the border from 1023 and 1024 */
        check(r, id, &w);
    }
}

static void test_store_small__appends_move_out_at_the_border(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    for (uint64_t at = 0; at < 2048; at += 64)
        put(r, id, &w, at, 64);
    check(r, id, &w);
}

static void test_store_small__truncation_moves_back_and_zeroes(void **state)
{
    static const uint64_t lengths[] = {1025, 1024, 2000, 1023, 1, 1024, 3000, 0, 500};
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    put(r, id, &w, 0, B);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        cut(r, id, &w, lengths[i]);
        check(r, id, &w);
        if (lengths[i] >= 500)
            put(r, id, &w, lengths[i] - 1, 1);
    }
}

/* Clearing inside keeps the block, clearing all of it does not. */
static void test_store_small__clearing_short_data(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    put(r, id, &w, 0, 1000);
    clear(r, id, &w, 100, 50);
    clear(r, id, &w, 900, 99);
    check(r, id, &w);
    cut(r, id, &w, 3000);
    clear(r, id, &w, 500, 2000); /* up to where nothing counts */
    clear(r, id, &w, 0, 600);    /* all that counts, but not the block */
    check(r, id, &w);
    assert_int_equal(rig_get_meta(r, id).used, B);
    put(r, id, &w, 1023, 1);
    check(r, id, &w);
    clear(r, id, &w, 0, 3000);
    check(r, id, &w);
    assert_int_equal(rig_get_meta(r, id).used, 0);
}

static void punch(struct rig *r, struct store_id id, struct want *w, uint64_t off, uint64_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    bool data[3] = {false};

    w->length -= len;
    for (uint64_t i = 0; i < w->length; i++)
        data[i / B] |= w->data[(i < off ? i : i + len) / B];
    memmove(w->bytes + off, w->bytes + off + len, w->length - off);
    memset(w->bytes + w->length, 0, sizeof(w->bytes) - w->length);
    memcpy(w->data, data, sizeof(data));
    rig_ok(r->ops->punch(t, id, off, len));
    rig_commit(r, t);
    compare(r, id, w);
}

static void test_store_small__punching_short_data(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    put(r, id, &w, 0, 1000);
    punch(r, id, &w, 10, 90);
    punch(r, id, &w, 900, 10);
    punch(r, id, &w, 0, 1);
    check(r, id, &w);
    put(r, id, &w, 899, 2 * B);   /* out, over three blocks */
    punch(r, id, &w, 500, 2 * B); /* what is left is short again */
    check(r, id, &w);
    punch(r, id, &w, 0, w.length);
    check(r, id, &w);
}

/* Block 0 short and the block behind it a hole, or data: neither is taken for the other. */
static void test_store_small__short_data_beside_holes_and_blocks(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    put(r, id, &w, 0, 100);
    cut(r, id, &w, 3 * B);
    check(r, id, &w);
    put(r, id, &w, B, B);
    check(r, id, &w);
    put(r, id, &w, 2 * B, 100);
    check(r, id, &w);
    put(r, id, &w, 50, 500);
    clear(r, id, &w, B, B);
    check(r, id, &w);

    fresh(r, &id, &w); /* a hole first, data behind */
    put(r, id, &w, 2 * B, B);
    check(r, id, &w);
    put(r, id, &w, 1000, 24);
    check(r, id, &w);
    put(r, id, &w, 0, B);
    check(r, id, &w);
}

static void test_store_small__out_and_back_in_one_transaction(void **state)
{
    struct rig *r = *state;
    struct store_id id;
    struct want w;

    fresh(r, &id, &w);
    put(r, id, &w, 0, 700);
    for (int commit = 0; commit < 2; commit++) {
        struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
        static uint8_t big[3 * B];
        rig_fill(big, sizeof(big), 9);
        rig_ok(rig_txn_write(t, id, 0, big, sizeof(big)));
        rig_ok(r->ops->set_attr(t, id, 7, 1, big, 300));
        rig_ok(r->ops->truncate(t, id, 10));
        rig_ok(rig_txn_write(t, id, 5, big, 1019));
        rig_ok(r->ops->set_attr(t, id, 7, 1, big, 30));
        if (!commit) {
            r->ops->abort(t);
            check(r, id, &w);
            continue;
        }
        rig_commit(r, t);
        memcpy(w.bytes, big, 5);
        memcpy(w.bytes + 5, big, 1019);
        memcpy(w.attr[1], big, 30);
        w.attr_len[1] = 30;
        w.length = 1024;
        check(r, id, &w);
    }
}

/* Many at once, so that no transaction keeps all of them in memory. */
static void test_store_small__one_transaction_over_many_objects(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), id[20];
    struct store_txn *t = rig_begin(r, p, STORE_EXCLUSIVE);
    uint8_t bytes[1000], got[1000];
    struct store_meta m = rig_meta(STORE_USER);
    uint32_t len;

    for (unsigned i = 0; i < 20; i++) {
        id[i] = (struct store_id){p.pid, 0};
        rig_ok(r->ops->create(t, id[i], &m, &id[i]));
        rig_fill(bytes, sizeof(bytes), i);
        rig_ok(rig_txn_write(t, id[i], 0, bytes, 500 + i));
        rig_ok(r->ops->set_attr(t, id[i], 7, 1, bytes, 40 + i));
    }
    for (unsigned i = 0; i < 20; i++)
        rig_ok(r->ops->set_attr(t, id[(i * 7) % 20], 7, 2, "second", 6));
    for (unsigned i = 0; i < 20; i += 5)
        rig_ok(r->ops->remove(t, id[i], false));
    rig_commit(r, t);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(rig_exists(r, id[i]), i % 5 != 0);
        if (i % 5 == 0)
            continue;
        rig_fill(bytes, sizeof(bytes), i);
        rig_read(r, id[i], 0, got, 500 + i);
        assert_memory_equal(got, bytes, 500 + i);
        t = rig_begin(r, id[i], STORE_SHARED);
        rig_ok(r->ops->get_attr(t, id[i], 7, 1, got, sizeof(got), &len));
        assert_int_equal(len, 40 + i);
        assert_memory_equal(got, bytes, len);
        rig_ok(r->ops->get_attr(t, id[i], 7, 2, got, sizeof(got), &len));
        assert_int_equal(len, 6);
        r->ops->abort(t);
    }
    rig_check(r);
}

int suite_small(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_small__values_of_255_256_and_257_bytes_replace_each_other),
        RIG_TEST(test_store_small__a_total_of_767_768_and_769_bytes),
        RIG_TEST(test_store_small__more_attributes_than_have_room),
        RIG_TEST(test_store_small__data_of_1023_1024_and_1025_bytes),
        RIG_TEST(test_store_small__appends_move_out_at_the_border),
        RIG_TEST(test_store_small__truncation_moves_back_and_zeroes),
        RIG_TEST(test_store_small__clearing_short_data),
        RIG_TEST(test_store_small__punching_short_data),
        RIG_TEST(test_store_small__short_data_beside_holes_and_blocks),
        RIG_TEST(test_store_small__out_and_back_in_one_transaction),
        RIG_TEST(test_store_small__one_transaction_over_many_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
