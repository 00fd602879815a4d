/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_data.c - conformance: bytes of user objects and what they cost
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

#define B STORE_BLOCK

static struct store_id new_object(struct rig *r)
{
    return rig_object(r, rig_partition(r).pid);
}

static void used_is(struct rig *r, struct store_id o, uint64_t blocks)
{
    assert_int_equal(rig_get_meta(r, o).used, blocks * B);
    assert_int_equal(rig_get_meta(r, (struct store_id){o.pid, 0}).used, blocks * B);
}

static void length_is(struct rig *r, struct store_id o, uint64_t length)
{
    assert_int_equal(rig_get_meta(r, o).length, length);
}

static void clear(struct rig *r, struct store_id o, uint64_t off, uint64_t len)
{
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_ok(r->ops->clear(t, o, off, len));
    rig_commit(r, t);
}

static void punch(struct rig *r, struct store_id o, uint64_t off, uint64_t len)
{
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_ok(r->ops->punch(t, o, off, len));
    rig_commit(r, t);
}

/* ---- write and read ---- */

static const uint64_t offsets[] = {0,     1,         511,    B - 1,        B,
                                   B + 1, 3 * B - 7, 100000, (1 << 20) + 5};
static const uint64_t lengths[] = {1, 2, 100, B - 1, B, B + 1, 2 * B + 3, 70000};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_store_data__bytes_come_back_at_any_offset_and_length(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    uint8_t *in = malloc(70002), *out = malloc(70002);

    assert_non_null(in);
    assert_non_null(out);
    for (size_t i = 0; i < COUNT(offsets); i++)
        for (size_t j = 0; j < COUNT(lengths); j++) {
            struct store_id o = rig_object(r, p.pid);
            uint64_t off = offsets[i], len = lengths[j], end = off + len;
            rig_fill(in, len, (unsigned)(i * 16 + j));
            rig_write(r, o, off, in, len);
            length_is(r, o, end);
            memset(out, 0xee, len + 2);
            rig_read(r, o, off, out, len);
            assert_memory_equal(in, out, len);
            assert_int_equal(out[len], 0xee);
            assert_int_equal(rig_get_meta(r, o).used, ((end + B - 1) / B - off / B) * B);
        }
    free(in);
    free(out);
}

static void test_store_data__what_was_never_written_reads_as_zeros(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t out[6 * B];

    memset(out, 0xee, sizeof(out));
    rig_write(r, o, 2 * B + 10, "x", 1);
    rig_write(r, o, 4 * B, "y", 1);
    rig_read(r, o, 0, out, sizeof(out));
    assert_int_equal(out[2 * B + 10], 'x');
    assert_int_equal(out[4 * B], 'y');
    out[2 * B + 10] = out[4 * B] = 0;
    rig_zeros(out, sizeof(out));
    length_is(r, o, 4 * B + 1);
    used_is(r, o, 2);
}

static void test_store_data__overwriting_changes_only_what_it_covers(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t want[4 * B], out[4 * B], piece[B + 100];

    rig_fill(want, sizeof(want), 1);
    rig_write(r, o, 0, want, sizeof(want));
    rig_fill(piece, sizeof(piece), 2);
    memcpy(want + B - 50, piece, sizeof(piece));
    rig_write(r, o, B - 50, piece, sizeof(piece));
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(want, out, sizeof(out));
    used_is(r, o, 4);
    length_is(r, o, sizeof(want));
}

/* A write of zeros is data all the same: used capacity must not depend on content. */
static void test_store_data__written_zeros_count_as_data(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t zeros[2 * B] = {0};

    rig_write(r, o, 0, zeros, sizeof(zeros));
    used_is(r, o, 2);
}

static void test_store_data__far_offsets_cost_one_block(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint64_t far = STORE_LENGTH_MAX - 3;
    char out[8] = "zzzzzzz";

    rig_write(r, o, far, "end", 3);
    rig_write(r, o, 1ULL << 40, "mid", 3);
    length_is(r, o, STORE_LENGTH_MAX);
    used_is(r, o, 2);
    rig_read(r, o, far, out, 3);
    assert_memory_equal(out, "end", 3);
    rig_read(r, o, (1ULL << 40) - 1, out, 5);
    assert_memory_equal(out, "\0mid\0", 5);
    rig_remove(r, o);
}

static void test_store_data__reads_beyond_the_length_are_zeros(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t out[3 * B];

    memset(out, 0xee, sizeof(out));
    rig_write(r, o, 0, "abc", 3);
    rig_read(r, o, 1, out, sizeof(out));
    assert_memory_equal(out, "bc", 2);
    rig_zeros(out + 2, sizeof(out) - 2);
    memset(out, 0xee, sizeof(out));
    rig_read(r, o, 1ULL << 61, out, sizeof(out));
    rig_zeros(out, sizeof(out));
    length_is(r, o, 3);
}

/* Would catch: a store that takes the iov's offset for the object's, or its first piece. */
static void test_store_data__pieces_of_memory_are_used_by_offset(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    char a[5] = "abcde", b[3] = "fgh", c[9000], out[32] = "";
    struct iovec pieces[] = {{a, 5}, {b, 3}, {c, sizeof(c)}};
    struct osd_iov iov = osd_iov_make(pieces, 3);
    struct store_txn *t;

    memset(c, 'i', sizeof(c));
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->write(t, o, B - 2, 6000, &iov, 4));
    rig_commit(r, t);
    rig_read(r, o, B - 3, out, 8);
    assert_memory_equal(out, "\0efghiii", 8);
    length_is(r, o, B - 2 + 6000);

    memset(a, '.', sizeof(a));
    memset(b, '.', sizeof(b));
    t = rig_begin(r, o, STORE_SHARED);
    rig_ok(r->ops->read(t, o, B - 3, 5, &iov, 2));
    rig_commit(r, t);
    assert_memory_equal(a, "..\0ef", 5);
    assert_memory_equal(b, "gh.", 3);
}

static void test_store_data__length_zero_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_ok(rig_txn_write(t, o, 5000, "", 0));
    rig_ok(rig_txn_read(t, o, 5000, NULL, 0));
    rig_ok(r->ops->clear(t, o, 5000, 0));
    rig_ok(r->ops->punch(t, o, 0, 0));
    rig_commit(r, t);
    length_is(r, o, 0);
    used_is(r, o, 0);
}

static void test_store_data__impossible_ranges_are_refused(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    char bytes[3] = "ab";
    struct iovec piece = {bytes, 2};
    struct osd_iov two = osd_iov_make(&piece, 1);
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);

    rig_fails(rig_txn_write(t, o, UINT64_MAX - 1, "abc", 3), OSD_E_INVALID);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->clear(t, o, UINT64_MAX, 2), OSD_E_INVALID);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_SHARED);
    rig_fails(rig_txn_read(t, o, UINT64_MAX - 1, bytes, 3), OSD_E_INVALID);
    rig_fails(r->ops->read(t, o, 0, 3, &two, 0), OSD_E_INVALID); /* more than the memory */
    rig_fails(r->ops->read(t, o, 0, 1, &two, 2), OSD_E_INVALID);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->write(t, o, 0, 2, &two, 1), OSD_E_INVALID);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(rig_txn_write(t, o, STORE_LENGTH_MAX - 1, "ab", 2), OSD_E_QUOTA);
    assert_int_equal(t->quota, STORE_QUOTA_LENGTH);
    r->ops->abort(t);
    length_is(r, o, 0);
}

static void test_store_data__only_user_objects_have_bytes(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), c = rig_collection(r, p.pid);
    struct store_id all[] = {c, p, {0, 0}};

    for (size_t i = 0; i < COUNT(all); i++) {
        struct store_txn *t = rig_begin(r, all[i], STORE_EXCLUSIVE);
        enum store_extent kind;
        uint64_t len;
        char byte;
        rig_fails(rig_txn_read(t, all[i], 0, &byte, 1), OSD_E_INVALID);
        rig_fails(r->ops->seek(t, all[i], 0, &kind, &len), OSD_E_INVALID);
        rig_fails(rig_txn_write(t, all[i], 0, "x", 1), OSD_E_INVALID);
        r->ops->abort(t);
    }
}

static void test_store_data__absent_objects_are_not_found(void **state)
{
    struct rig *r = *state;
    struct store_id o = {rig_partition(r).pid, 0x99999};
    struct store_txn *t = rig_begin(r, o, STORE_EXCLUSIVE);
    char byte;

    rig_fails(rig_txn_read(t, o, 0, &byte, 1), OSD_E_NOT_FOUND);
    rig_fails(rig_txn_write(t, o, 0, "x", 1), OSD_E_NOT_FOUND);
    rig_fails(r->ops->truncate(t, o, 1), OSD_E_NOT_FOUND);
    rig_fails(r->ops->punch(t, o, 0, 1), OSD_E_NOT_FOUND);
    rig_fails(r->ops->clear(t, o, 0, 1), OSD_E_NOT_FOUND);
    r->ops->abort(t);
}

/* ---- truncate ---- */

static void test_store_data__shrinking_and_growing_shows_zeros(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[4 * B], out[4 * B];

    rig_fill(in, sizeof(in), 9);
    rig_write(r, o, 0, in, sizeof(in));
    rig_truncate(r, o, B + 100);
    length_is(r, o, B + 100);
    used_is(r, o, 2);
    rig_truncate(r, o, 4 * B);
    length_is(r, o, 4 * B);
    used_is(r, o, 2);
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(in, out, B + 100);
    rig_zeros(out + B + 100, 3 * B - 100);
    rig_truncate(r, o, B);
    used_is(r, o, 1);
    rig_truncate(r, o, 0);
    used_is(r, o, 0);
    length_is(r, o, 0);
}

/* The bytes cut off must be gone at the next write behind them, too. */
static void test_store_data__a_write_behind_the_new_end_shows_zeros_between(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[B], out[B];

    rig_fill(in, sizeof(in), 4);
    rig_write(r, o, 0, in, sizeof(in));
    rig_truncate(r, o, 10);
    rig_write(r, o, 100, "x", 1);
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(in, out, 10);
    rig_zeros(out + 10, 90);
    assert_int_equal(out[100], 'x');
    rig_zeros(out + 101, B - 101);
    used_is(r, o, 1);
}

static void test_store_data__truncate_and_write_in_one_transaction(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[3 * B], out[3 * B];
    struct store_txn *t;

    rig_fill(in, sizeof(in), 4);
    rig_write(r, o, 0, in, sizeof(in));
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->truncate(t, o, 5));
    rig_ok(rig_txn_write(t, o, 2 * B, in, 1));
    rig_ok(r->ops->truncate(t, o, 3 * B));
    rig_commit(r, t);
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(in, out, 5);
    rig_zeros(out + 5, 2 * B - 5);
    assert_int_equal(out[2 * B], in[0]);
    rig_zeros(out + 2 * B + 1, B - 1);
    used_is(r, o, 2);
}

/* ---- clear ---- */

static void test_store_data__clear_zeroes_and_releases_whole_blocks(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[8 * B], out[8 * B];

    rig_fill(in, sizeof(in), 5);
    rig_write(r, o, 0, in, sizeof(in));
    clear(r, o, B + 10, 4 * B);
    memset(in + B + 10, 0, 4 * B);
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(in, out, sizeof(out));
    used_is(r, o, 5); /* blocks 2, 3 and 4 */
    clear(r, o, 7 * B + 1, 5);
    memset(in + 7 * B + 1, 0, 5);
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(in, out, sizeof(out));
    used_is(r, o, 5);
    length_is(r, o, 8 * B);
}

static void test_store_data__clear_to_the_end_releases_the_last_block(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[B + 100];

    rig_fill(in, sizeof(in), 5);
    rig_write(r, o, 0, in, sizeof(in));
    clear(r, o, B, 99); /* one byte short of the end */
    used_is(r, o, 2);
    clear(r, o, B, 100);
    used_is(r, o, 1);
    length_is(r, o, B + 100);
    clear(r, o, 0, B + 100);
    used_is(r, o, 0);
    length_is(r, o, B + 100);
}

static void test_store_data__clear_beyond_the_end_grows_with_a_hole(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t out[3 * B];

    rig_write(r, o, 0, "abc", 3);
    clear(r, o, 2, 1ULL << 50);
    length_is(r, o, (1ULL << 50) + 2);
    used_is(r, o, 1);
    rig_read(r, o, 0, out, sizeof(out));
    assert_memory_equal(out, "ab", 2);
    rig_zeros(out + 2, sizeof(out) - 2);
}

/* ---- punch ---- */

static void test_store_data__punch_by_whole_blocks_keeps_holes(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[B], out[B];

    rig_fill(in, sizeof(in), 1);
    rig_write(r, o, 0, in, B);
    rig_write(r, o, 3 * B, in, B);
    rig_fill(in, sizeof(in), 2);
    rig_write(r, o, 9 * B, in, 100);
    punch(r, o, 2 * B, 2 * B); /* a hole and a block go */
    length_is(r, o, 7 * B + 100);
    used_is(r, o, 2);
    rig_read(r, o, 7 * B, out, 100);
    assert_memory_equal(in, out, 100);
    rig_read(r, o, 3 * B, out, B);
    rig_zeros(out, B);
}

static void test_store_data__punch_moves_bytes_at_any_offset(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r);
    static const uint64_t offs[] = {0, 1, B - 1, B, B + 1, 2 * B + 77};
    static const uint64_t lens[] = {1, 100, B - 1, B, B + 1, 2 * B, 3 * B + 5};
    uint8_t in[8 * B + 33], out[8 * B + 33];

    rig_fill(in, sizeof(in), 6);
    for (size_t i = 0; i < COUNT(offs); i++)
        for (size_t j = 0; j < COUNT(lens); j++) {
            struct store_id o = rig_object(r, p.pid);
            uint64_t rest = sizeof(in) - offs[i] - lens[j];
            rig_write(r, o, 0, in, sizeof(in));
            punch(r, o, offs[i], lens[j]);
            length_is(r, o, sizeof(in) - lens[j]);
            memset(out, 0xee, sizeof(out));
            rig_read(r, o, 0, out, sizeof(out));
            assert_memory_equal(in, out, offs[i]);
            assert_memory_equal(in + offs[i] + lens[j], out + offs[i], rest);
            rig_zeros(out + offs[i] + rest, lens[j]);
            assert_int_equal(rig_get_meta(r, o).used, (sizeof(in) - lens[j] + B - 1) / B * B);
            rig_remove(r, o);
        }
}

/* Block 2 alone is data; moved down by 100 bytes it lies across blocks 1 and 2. */
/* Would catch: a hole that ends where the store cuts its maps, moved as if it were data. */
static void test_store_data__an_unaligned_punch_keeps_long_holes(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);

    rig_write(r, o, 0, "abc", 3);
    rig_write(r, o, 1ULL << 32, "def", 3);
    punch(r, o, 0, 1176);
    length_is(r, o, (1ULL << 32) + 3 - 1176);
    used_is(r, o, 2);
}

static void test_store_data__an_unaligned_punch_spreads_blocks_as_stated(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[B], out[B];

    rig_fill(in, sizeof(in), 6);
    rig_write(r, o, 2 * B, in, B);
    rig_truncate(r, o, 10 * B);
    punch(r, o, 50, 100);
    used_is(r, o, 2);
    rig_read(r, o, 2 * B - 100, out, B);
    assert_memory_equal(in, out, B);
    punch(r, o, 0, 10 * B - 100); /* everything */
    length_is(r, o, 0);
    used_is(r, o, 0);
}

static void test_store_data__punch_stays_inside_the_length(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    struct store_txn *t;

    rig_write(r, o, 0, "abcdef", 6);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->punch(t, o, 4, 3), OSD_E_PAST_END);
    r->ops->abort(t);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->punch(t, o, 7, 1), OSD_E_PAST_END);
    r->ops->abort(t);
    punch(r, o, 4, 2);
    length_is(r, o, 4);
}

/* ---- seek ---- */

static void seek_is(struct rig *r, struct store_id o, uint64_t off, enum store_extent kind,
                    uint64_t len)
{
    struct store_txn *t = rig_begin(r, o, STORE_SHARED);
    uint64_t total = 0;

    while (total < len) { /* a store may report a run in parts */
        enum store_extent got_kind;
        uint64_t got;
        rig_ok(r->ops->seek(t, o, off + total, &got_kind, &got));
        assert_int_equal(got_kind, kind);
        assert_true(got > 0);
        total += got;
    }
    assert_int_equal(total, len);
    rig_commit(r, t);
}

static void test_store_data__seek_tells_data_from_holes(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    uint8_t in[2 * B];
    enum store_extent kind;
    struct store_txn *t;
    uint64_t len;

    rig_fill(in, sizeof(in), 1);
    rig_write(r, o, B + 5, in, B); /* blocks 1 and 2 */
    rig_write(r, o, 1000 * B, in, 7);
    rig_truncate(r, o, (1ULL << 60) - 5);
    seek_is(r, o, 0, STORE_HOLE, B);
    seek_is(r, o, 77, STORE_HOLE, B - 77);
    seek_is(r, o, B, STORE_DATA, 2 * B);
    seek_is(r, o, 2 * B + 9, STORE_DATA, B - 9);
    seek_is(r, o, 3 * B, STORE_HOLE, 997 * B);
    seek_is(r, o, 1000 * B, STORE_DATA, B);
    seek_is(r, o, 1001 * B, STORE_HOLE, (1ULL << 60) - 5 - 1001 * B);
    t = rig_begin(r, o, STORE_SHARED);
    rig_fails(r->ops->seek(t, o, (1ULL << 60) - 5, &kind, &len), OSD_E_PAST_END);
    rig_commit(r, t);
    rig_truncate(r, o, 1000 * B + 3);
    seek_is(r, o, 1000 * B, STORE_DATA, 3);
}

static void test_store_data__seek_in_an_empty_object_is_past_the_end(void **state)
{
    struct rig *r = *state;
    struct store_id o = new_object(r);
    struct store_txn *t = rig_begin(r, o, STORE_SHARED);
    enum store_extent kind;
    uint64_t len;

    rig_fails(r->ops->seek(t, o, 0, &kind, &len), OSD_E_PAST_END);
    rig_commit(r, t);
}

int suite_data(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_data__bytes_come_back_at_any_offset_and_length),
        RIG_TEST(test_store_data__what_was_never_written_reads_as_zeros),
        RIG_TEST(test_store_data__overwriting_changes_only_what_it_covers),
        RIG_TEST(test_store_data__written_zeros_count_as_data),
        RIG_TEST(test_store_data__far_offsets_cost_one_block),
        RIG_TEST(test_store_data__reads_beyond_the_length_are_zeros),
        RIG_TEST(test_store_data__pieces_of_memory_are_used_by_offset),
        RIG_TEST(test_store_data__length_zero_changes_nothing),
        RIG_TEST(test_store_data__impossible_ranges_are_refused),
        RIG_TEST(test_store_data__only_user_objects_have_bytes),
        RIG_TEST(test_store_data__absent_objects_are_not_found),
        RIG_TEST(test_store_data__shrinking_and_growing_shows_zeros),
        RIG_TEST(test_store_data__a_write_behind_the_new_end_shows_zeros_between),
        RIG_TEST(test_store_data__truncate_and_write_in_one_transaction),
        RIG_TEST(test_store_data__clear_zeroes_and_releases_whole_blocks),
        RIG_TEST(test_store_data__clear_to_the_end_releases_the_last_block),
        RIG_TEST(test_store_data__clear_beyond_the_end_grows_with_a_hole),
        RIG_TEST(test_store_data__punch_by_whole_blocks_keeps_holes),
        RIG_TEST(test_store_data__punch_moves_bytes_at_any_offset),
        RIG_TEST(test_store_data__an_unaligned_punch_keeps_long_holes),
        RIG_TEST(test_store_data__an_unaligned_punch_spreads_blocks_as_stated),
        RIG_TEST(test_store_data__punch_stays_inside_the_length),
        RIG_TEST(test_store_data__seek_tells_data_from_holes),
        RIG_TEST(test_store_data__seek_in_an_empty_object_is_past_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
