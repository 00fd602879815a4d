/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/query/test_expression.c - what users write becomes the right criteria, or a reason
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "query/expression.h"

static struct query q;

static void parse(const char *text)
{
    char why[200] = "";

    if (!query_parse(text, &q, why, sizeof(why)))
        fail_msg("%s: %s", text, why);
}

#define NONE UINT64_MAX

static uint64_t bound(const void *data, uint16_t len)
{
    if (len == 0)
        return NONE;
    assert_int_equal(len, 8);
    return be64_get(data);
}

static void expect_numbers(const char *text, uint32_t page, uint32_t number, uint64_t min,
                           uint64_t max)
{
    parse(text);
    assert_int_equal(q.n, 1);
    assert_true(q.all);
    assert_int_equal(q.criteria[0].page, page);
    assert_int_equal(q.criteria[0].number, number);
    assert_int_equal(bound(q.criteria[0].min, q.criteria[0].min_len), min);
    assert_int_equal(bound(q.criteria[0].max, q.criteria[0].max_len), max);
}

static void expect_bytes(const char *text, const char *bytes, size_t len)
{
    parse(text);
    assert_int_equal(q.n, 1);
    assert_int_equal(q.criteria[0].min_len, len);
    assert_int_equal(q.criteria[0].max_len, len);
    assert_memory_equal(q.criteria[0].min, bytes, len);
    assert_memory_equal(q.criteria[0].max, bytes, len);
}

static void expect_reason(const char *text, const char *reason)
{
    char why[200] = "";

    if (query_parse(text, &q, why, sizeof(why)))
        fail_msg("%s was accepted", text);
    if (!strstr(why, reason))
        fail_msg("%s: \"%s\", without \"%s\"", text, why, reason);
}

static void test_query_expression__operators_become_inclusive_bounds(void **state)
{
    expect_numbers("size = 5", 1, 0x82, 5, 5);
    expect_numbers("size==5", 1, 0x82, 5, 5);
    expect_numbers("size<5", 1, 0x82, NONE, 4);
    expect_numbers("size <= 5", 1, 0x82, NONE, 5);
    expect_numbers("size>5", 1, 0x82, 6, NONE);
    expect_numbers(" size >= 5 ", 1, 0x82, 5, NONE);
    expect_reason("size < 0", "nothing is less");
    expect_reason("size > 18446744073709551615", "nothing is greater");
}

static void test_query_expression__numbers_have_units_and_bases(void **state)
{
    expect_numbers("size >= 1K", 1, 0x82, 1024, NONE);
    expect_numbers("size >= 3m", 1, 0x82, 3 << 20, NONE);
    expect_numbers("used > 2G", 1, 0x81, (2ULL << 30) + 1, NONE);
    expect_numbers("used < 16T", 1, 0x81, NONE, (16ULL << 40) - 1);
    expect_numbers("id = 0x10000", 1, 2, 0x10000, 0x10000);
    expect_numbers("0x10000:7 >= 12", 0x10000, 7, 12, NONE);
    expect_numbers("65536:0x7 < 12", 0x10000, 7, NONE, 11);
    expect_numbers("0x10000:7 > 0x00ff", 0x10000, 7, 0x100, NONE);
    for (const char *const *bad =
             (const char *const[]){"size > K", "size > 5X", "size > -1", "size > 0x",
                                   "size > 1.5", "size > 99999999999999999999",
                                   "size > 99999999T", "size > \"5\"", NULL};
         *bad; bad++)
        expect_reason(*bad, "number");
}

static void test_query_expression__text_and_bytes(void **state)
{
    expect_bytes("username = \"alice\"", "alice", 5);
    expect_bytes("owner = \"a \\\"b\\\" \\\\ \\x00\\xFf\"", "a \"b\" \\ \0\xff", 10);
    expect_bytes("0x10000:7 = 0x0001fF", "\0\1\xff", 3);
    expect_bytes("path = \"dir/and or.txt\"", "dir/and or.txt", 14);
    parse("owner >= \"b\"");
    assert_int_equal(q.criteria[0].min_len, 1);
    assert_int_equal(q.criteria[0].max_len, 0);
    expect_reason("owner = alice", "quotes");
    expect_reason("owner > \"b\"", "inclusive");
    expect_reason("0x10000:7 < \"b\"", "inclusive");
    expect_reason("0x10000:7 < 0x010203040506070809", "inclusive");
    expect_reason("owner = \"b", "never closed");
    expect_reason("owner = \"\"", "undefined");
    expect_reason("owner = \"\\n\"", "after \\");
    expect_reason("0x10000:7 = 0x123", "pairs");
}

static void test_query_expression__a_day_is_a_range(void **state)
{
    const uint64_t day = 1769817600000, ms = 86400000; /* 2026-01-31 */

    expect_numbers("created = 2026-01-31", 3, 1, day, day + ms - 1);
    expect_numbers("created < 2026-01-31", 3, 1, NONE, day - 1);
    expect_numbers("modified <= \"2026-01-31\"", 3, 5, NONE, day + ms - 1);
    expect_numbers("data-modified > 2026-01-31", 3, 5, day + ms, NONE);
    expect_numbers("accessed >= 2026-01-31", 3, 4, day, NONE);
    expect_numbers("created = 2026-01-31T01:02", 3, 1, day + 3720000, day + 3779999);
    expect_numbers("created = \"2026-01-31 01:02:03Z\"", 3, 1, day + 3723000, day + 3723999);
    expect_numbers("created = 1769817600000", 3, 1, day, day);
    for (const char *const *bad =
             (const char *const[]){"created = 2026-02-30", "created = 2026-13-01",
                                   "created = 2026-01-31T25:00", "created = \"yesterday\"",
                                   "created = 1969-12-31", NULL};
         *bad; bad++)
        expect_reason(*bad, "YYYY-MM-DD");
}

static void test_query_expression__one_level_of_and_or_or(void **state)
{
    parse("size > 1M and owner = \"a\" and 0x10000:1 = 5");
    assert_int_equal(q.n, 3);
    assert_true(q.all);
    assert_int_equal(q.criteria[2].page, 0x10000);
    parse("size > 1M or owner = \"a\"");
    assert_int_equal(q.n, 2);
    assert_false(q.all);
    expect_reason("size > 1 and size < 5 or size = 9", "one level");
    expect_reason("(size > 1)", "parentheses");
    expect_reason("size > 1 )", "parentheses");
    expect_reason("not size > 1", "negate");
    expect_reason("size != 1", "unequal");
    expect_reason("size > 1 xor size < 5", "\"and\" or \"or\"");
    expect_reason("size > 1 and", "here should be an attribute");
    expect_reason("", "here should be an attribute");
    expect_reason("size", "one of =");
    expect_reason("size =", "a value");
    expect_reason("colour = 5", "no attribute has this name");
    expect_reason("5 = 5", "PAGE:NUMBER");
    expect_reason("0x30000001:5 = 5", "user objects");
    expect_reason("1:0xffffffff = 5", "user objects");
}

static void test_query_expression__the_place_is_named(void **state)
{
    expect_reason("size > 1 and colour = 2", "character 14:");
    expect_reason("size != 1", "character 6:");
}

#define TEXT_MAX 40000u

static void test_query_expression__what_is_too_long_is_refused(void **state)
{
    char *text = malloc(TEXT_MAX);
    size_t len = 0;

    assert_non_null(text);
    for (int i = 0; i < QUERY_COMPARISONS; i++)
        len += (size_t)snprintf(text + len, TEXT_MAX - len, i ? " or size > 1" : "size > 1");
    parse(text);
    snprintf(text + len, TEXT_MAX - len, " or size > 1");
    expect_reason(text, "more comparisons");
    snprintf(text, TEXT_MAX, "owner = \"%0*d\"", QUERY_BYTES, 0);
    parse(text);
    snprintf(text, TEXT_MAX, "owner = \"%0*d\"", QUERY_BYTES + 1, 0);
    expect_reason(text, "too long");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_expression__operators_become_inclusive_bounds),
        cmocka_unit_test(test_query_expression__numbers_have_units_and_bases),
        cmocka_unit_test(test_query_expression__text_and_bytes),
        cmocka_unit_test(test_query_expression__a_day_is_a_range),
        cmocka_unit_test(test_query_expression__one_level_of_and_or_or),
        cmocka_unit_test(test_query_expression__the_place_is_named),
        cmocka_unit_test(test_query_expression__what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
