/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/common/test_values.c - status names, CRC32C, hashing, time, the log
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/crc32c.h"
#include "common/hash.h"
#include "common/log.h"
#include "osd/status.h"

/* Would catch: a status added to the enumeration and forgotten in the table. */
static void test_common_values__every_status_has_a_name_and_a_sentence(void **state)
{
    for (int i = 0; i < OSD_STATUS_MAX; i++) {
        assert_non_null(osd_status_name((osd_status)i));
        assert_non_null(osd_status_text((osd_status)i));
        assert_int_not_equal(strlen(osd_status_text((osd_status)i)), 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(osd_status_name((osd_status)i),
                                    osd_status_name((osd_status)j));
    }
    assert_string_equal(osd_status_name((osd_status)-1), "unknown");
    assert_string_equal(osd_status_name(OSD_STATUS_MAX), "unknown");
    assert_string_equal(osd_status_text(OSD_STATUS_MAX), "unknown status");
}

/* The examples of RFC 7143 (appendix A.4) and the usual check value. */
static void test_common_values__crc32c_of_the_published_examples(void **state)
{
    uint8_t b[32];

    memset(b, 0, 32);
    assert_int_equal(osd_crc32c(0, b, 32), 0x8a9136aa);
    memset(b, 0xff, 32);
    assert_int_equal(osd_crc32c(0, b, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        b[i] = (uint8_t)i;
    assert_int_equal(osd_crc32c(0, b, 32), 0x46dd794e);
    assert_int_equal(osd_crc32c(0, "123456789", 9), 0xe3069283);
    for (size_t cut = 0; cut <= 32; cut++)
        assert_int_equal(osd_crc32c(osd_crc32c(0, b, cut), b + cut, 32 - cut), 0x46dd794e);
}

/* Would catch: consecutive ids, which are the usual ones, in the same few buckets. */
static void test_common_values__hash_spreads_consecutive_ids(void **state)
{
    static uint16_t low[1024], high[1024];

    for (uint64_t id = 0x10000; id < 0x10000 + 16 * 1024; id++) {
        uint64_t h = osd_hash(7, 0x10000, id);
        low[h & 1023]++;
        high[h >> 54]++;
    }
    for (int i = 0; i < 1024; i++)
        assert_true(low[i] < 64 && high[i] < 64);
    assert_int_not_equal(osd_hash(7, 1, 2), osd_hash(8, 1, 2));
    assert_int_not_equal(osd_hash(7, 1, 2), osd_hash(7, 2, 1));
}

static void test_common_values__clocks_agree_with_the_machine(void **state)
{
    uint64_t s = (uint64_t)time(NULL), a = osd_clock_now(&osd_clock_system),
             b = osd_clock_now(&osd_clock_frequent), m = osd_monotonic_ms();

    assert_true(a / 1000 + 1 >= s && a / 1000 <= s + 60);
    assert_true(b + 1000 >= a && b <= a + 60000);
    assert_true(osd_monotonic_ms() >= m);
}

static void test_common_values__random_bytes_fill_all_and_differ(void **state)
{
    uint8_t a[64] = {0}, b[64] = {0}, any[64] = {0};

    for (int round = 0; round < 64; round++) {
        osd_random(a, 63);
        for (int i = 0; i < 64; i++)
            any[i] |= a[i];
    }
    for (int i = 0; i < 63; i++)
        assert_int_not_equal(any[i], 0);
    assert_int_equal(any[63], 0);
    osd_random(b, 63);
    assert_memory_not_equal(a, b, 63);
}

static char logged[2000];
static enum osd_log_level logged_level;

static void keep_line(enum osd_log_level level, const char *line)
{
    logged_level = level;
    snprintf(logged, sizeof(logged), "%s", line);
}

static void test_common_values__log_lines_reach_the_sink_cut(void **state)
{
    char longer[1500];

    osd_log_set_sink(keep_line);
    osd_log(OSD_LOG_INFO, "partition %#x", 0x10000);
    assert_string_equal(logged, "partition 0x10000");
    assert_int_equal(logged_level, OSD_LOG_INFO);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    osd_log(OSD_LOG_ERROR, "%s", longer);
    assert_in_range(strlen(logged), 900, 1000);
    osd_log_set_sink(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_values__every_status_has_a_name_and_a_sentence),
        cmocka_unit_test(test_common_values__crc32c_of_the_published_examples),
        cmocka_unit_test(test_common_values__hash_spreads_consecutive_ids),
        cmocka_unit_test(test_common_values__clocks_agree_with_the_machine),
        cmocka_unit_test(test_common_values__random_bytes_fill_all_and_differ),
        cmocka_unit_test(test_common_values__log_lines_reach_the_sink_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
