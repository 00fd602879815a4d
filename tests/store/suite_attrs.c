/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_attrs.c - conformance: attributes
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

static const struct store_id root = {0, 0};

static uint32_t get(struct rig *r, struct store_id id, uint32_t page, uint32_t number,
                    void *dst, uint32_t cap)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint32_t len = 0;

    rig_ok(r->ops->get_attr(t, id, page, number, dst, cap, &len));
    rig_commit(r, t);
    return len;
}

static void test_store_attrs__a_value_comes_back_on_every_kind_of_object(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    struct store_id all[] = {root, p, o, rig_collection(r, p.pid)};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char value[8] = "value-?", got[8] = "";
        value[6] = (char)('0' + i);
        rig_set_attr(r, all[i], 0xfffffffe, (uint32_t)i, value, 7);
        assert_int_equal(get(r, all[i], 0xfffffffe, (uint32_t)i, got, sizeof(got)), 7);
        assert_string_equal(got, value);
    }
    assert_int_equal(rig_get_meta(r, o).used, 23);
    assert_int_equal(rig_get_meta(r, p).used, 3 * 23);
    assert_int_equal(rig_get_meta(r, root).used, 4 * 23);
}

static void test_store_attrs__a_short_buffer_gets_the_beginning(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    char got[4] = "zzz";

    rig_set_attr(r, o, 1, 1, "abcdef", 6);
    assert_int_equal(get(r, o, 1, 1, got, 2), 6);
    assert_memory_equal(got, "abzz", 3);
    assert_int_equal(get(r, o, 1, 1, NULL, 0), 6);
}

static void test_store_attrs__absent_ones_are_not_found(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_txn *t;
    uint32_t len = 77;

    rig_set_attr(r, o, 5, 5, "x", 1);
    t = rig_begin(r, o, STORE_SHARED);
    rig_fails(r->ops->get_attr(t, o, 5, 4, NULL, 0, &len), OSD_E_NOT_FOUND);
    rig_fails(r->ops->get_attr(t, o, 4, 5, NULL, 0, &len), OSD_E_NOT_FOUND);
    rig_fails(r->ops->get_attr(t, (struct store_id){o.pid, 0x999999}, 5, 5, NULL, 0, &len),
              OSD_E_NOT_FOUND);
    assert_int_equal(len, 77);
    rig_commit(r, t);
}

static void test_store_attrs__length_zero_removes_and_gives_the_bytes_back(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct store_txn *t;
    uint32_t len;

    rig_set_attr(r, o, 1, 1, "abc", 3);
    rig_set_attr(r, o, 1, 2, "abcd", 4);
    rig_set_attr(r, o, 1, 1, NULL, 0);
    rig_set_attr(r, o, 9, 9, NULL, 0); /* never there: no error */
    assert_int_equal(rig_get_meta(r, o).used, 20);
    t = rig_begin(r, o, STORE_SHARED);
    rig_fails(r->ops->get_attr(t, o, 1, 1, NULL, 0, &len), OSD_E_NOT_FOUND);
    rig_commit(r, t);
}

static void test_store_attrs__replacing_counts_the_new_length_only(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    char got[16];

    rig_set_attr(r, o, 1, 1, "a longer one", 12);
    assert_int_equal(rig_get_meta(r, o).used, 28);
    rig_set_attr(r, o, 1, 1, "b", 1);
    assert_int_equal(rig_get_meta(r, o).used, 17);
    assert_int_equal(get(r, o, 1, 1, got, sizeof(got)), 1);
    assert_int_equal(got[0], 'b');
}

static void test_store_attrs__values_up_to_65534_bytes(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid);
    uint8_t *value = malloc(65535), *got = malloc(65535);
    struct store_txn *t;

    assert_non_null(value);
    assert_non_null(got);
    rig_fill(value, 65535, 3);
    rig_set_attr(r, o, 2, 2, value, 65534);
    assert_int_equal(get(r, o, 2, 2, got, 65535), 65534);
    assert_memory_equal(got, value, 65534);
    assert_int_equal(rig_get_meta(r, p).used, 65534 + 16);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_fails(r->ops->set_attr(t, o, 2, 2, value, 65535), OSD_E_INVALID);
    r->ops->abort(t);
    free(value);
    free(got);
}

/* What a visitor saw. */
struct seen {
    uint64_t keys[64];
    size_t n, stop_after;
};

static bool note(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    struct seen *s = arg;
    uint32_t both[2] = {page, number};

    if (len != sizeof(both) || memcmp(value, both, len) != 0 || s->n >= 64)
        return false;
    s->keys[s->n++] = (uint64_t)page << 32 | number;
    return s->n != s->stop_after;
}

static void visit(struct rig *r, struct store_id id, uint32_t page, uint32_t number,
                  struct seen *s)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);

    rig_ok(r->ops->each_attr(t, id, page, number, note, s));
    rig_commit(r, t);
}

/* Numbers that sort differently as text, as signed and as little-endian. */
static const uint32_t odd_numbers[] = {0x80000000, 1, 0x100,      0xffffffff,
                                       2,          0, 0x7fffffff, 0x200};

#define ODD (sizeof(odd_numbers) / sizeof(odd_numbers[0]))

static void set_odd(struct rig *r, struct store_id o)
{
    for (size_t i = 0; i < ODD; i++)
        for (size_t j = 0; j < 4; j++) {
            uint32_t both[2] = {odd_numbers[i], odd_numbers[j]};
            rig_set_attr(r, o, both[0], both[1], both, sizeof(both));
        }
}

static void test_store_attrs__visits_go_in_order_of_page_then_number(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), before = rig_object(r, p.pid);
    struct store_id o = rig_object(r, p.pid), after = rig_object(r, p.pid);
    struct seen s = {.n = 0};

    rig_set_attr(r, before, 1, 1, "neighbour", 9);
    rig_set_attr(r, after, 1, 1, "neighbour", 9);
    set_odd(r, o);
    visit(r, o, 0, 0, &s);
    assert_int_equal(s.n, ODD * 4);
    for (size_t i = 1; i < s.n; i++)
        assert_true(s.keys[i] > s.keys[i - 1]);
    assert_true(s.keys[0] == 1);
    assert_true(s.keys[s.n - 1] == UINT64_MAX);
}

static void test_store_attrs__visits_begin_where_told_and_stop_when_told(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    struct seen s = {.stop_after = 2};

    set_odd(r, o);
    visit(r, o, 2, 2, &s);
    assert_int_equal(s.n, 2);
    assert_true(s.keys[0] == (2ULL << 32 | 0x100) && s.keys[1] == (2ULL << 32 | 0x80000000));
    s = (struct seen){.n = 0};
    visit(r, o, UINT32_MAX, UINT32_MAX, &s);
    assert_int_equal(s.n, 1);
}

static void test_store_attrs__visits_show_the_transaction_its_own_changes(void **state)
{
    struct rig *r = *state;
    struct store_id o = rig_object(r, rig_partition(r).pid);
    uint32_t a[2] = {1, 1}, b[2] = {1, 2}, c[2] = {1, 3};
    struct seen s = {.n = 0};
    struct store_txn *t;

    rig_set_attr(r, o, 1, 1, a, sizeof(a));
    rig_set_attr(r, o, 1, 3, "old", 3);
    t = rig_begin(r, o, STORE_EXCLUSIVE);
    rig_ok(r->ops->set_attr(t, o, 1, 2, b, sizeof(b)));
    rig_ok(r->ops->set_attr(t, o, 1, 3, c, sizeof(c)));
    rig_ok(r->ops->set_attr(t, o, 1, 1, NULL, 0));
    rig_ok(r->ops->each_attr(t, o, 0, 0, note, &s));
    assert_true(s.n == 2 && s.keys[0] == (1ULL << 32 | 2) && s.keys[1] == (1ULL << 32 | 3));
    r->ops->abort(t);
}

static void test_store_attrs__a_transaction_reads_those_of_partition_and_root(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid),
                    other = rig_object(r, p.pid);
    struct store_txn *t;
    uint32_t len;
    char c;

    rig_set_attr(r, root, 1, 1, "r", 1);
    rig_set_attr(r, p, 1, 1, "p", 1);
    rig_set_attr(r, other, 1, 1, "o", 1);
    t = rig_begin(r, o, STORE_SHARED);
    rig_ok(r->ops->get_attr(t, root, 1, 1, &c, 1, &len));
    assert_int_equal(c, 'r');
    rig_ok(r->ops->get_attr(t, p, 1, 1, &c, 1, &len));
    assert_int_equal(c, 'p');
    rig_commit(r, t);
    t = rig_begin(r, p, STORE_SHARED);
    rig_ok(r->ops->get_attr(t, other, 1, 1, &c, 1, &len)); /* last committed state */
    assert_int_equal(c, 'o');
    rig_commit(r, t);
}

static void test_store_attrs__only_what_the_transaction_holds_can_be_changed(void **state)
{
    struct rig *r = *state;
    struct store_id p = rig_partition(r), o = rig_object(r, p.pid),
                    other = rig_object(r, p.pid);
    const struct {
        struct store_id held, changed;
        enum store_mode mode;
        osd_status want;
    } cases[] = {
        {o, o, STORE_SHARED, OSD_E_INVALID},       {o, other, STORE_EXCLUSIVE, OSD_E_INVALID},
        {o, p, STORE_EXCLUSIVE, OSD_E_INVALID},    {p, o, STORE_SHARED, OSD_E_INVALID},
        {p, o, STORE_EXCLUSIVE, OSD_OK},           {p, p, STORE_EXCLUSIVE, OSD_OK},
        {p, root, STORE_EXCLUSIVE, OSD_E_INVALID}, {root, o, STORE_EXCLUSIVE, OSD_OK},
        {root, root, STORE_EXCLUSIVE, OSD_OK},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_txn *t = rig_begin(r, cases[i].held, cases[i].mode);
        rig_fails(r->ops->set_attr(t, cases[i].changed, 1, 1, "x", 1), cases[i].want);
        r->ops->abort(t);
    }
}

int suite_attrs(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_attrs__a_value_comes_back_on_every_kind_of_object),
        RIG_TEST(test_store_attrs__a_short_buffer_gets_the_beginning),
        RIG_TEST(test_store_attrs__absent_ones_are_not_found),
        RIG_TEST(test_store_attrs__length_zero_removes_and_gives_the_bytes_back),
        RIG_TEST(test_store_attrs__replacing_counts_the_new_length_only),
        RIG_TEST(test_store_attrs__values_up_to_65534_bytes),
        RIG_TEST(test_store_attrs__visits_go_in_order_of_page_then_number),
        RIG_TEST(test_store_attrs__visits_begin_where_told_and_stop_when_told),
        RIG_TEST(test_store_attrs__visits_show_the_transaction_its_own_changes),
        RIG_TEST(test_store_attrs__a_transaction_reads_those_of_partition_and_root),
        RIG_TEST(test_store_attrs__only_what_the_transaction_holds_can_be_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
