/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/common/test_clock.c - the clock that is asked with every command
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"

#define CALLS     1000000u
#define LAG_MS    1u /* what a kept reading may be old, on a counter of 1 GHz and more */
#define LONG_MS   20u
#define MANY_READ (CALLS / 10)

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

static unsigned asked;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    asked++;
    return __real_clock_gettime(id, ts);
}

/* Whenever it is asked it is no older than a millisecond, and never in the future. */
static void test_common_clock__frequent_is_at_most_a_millisecond_late(void **state)
{
    uint64_t end = osd_clock_now(&osd_clock_system) + LONG_MS, before, now, after;

    (void)state;
    do {
        before = osd_clock_now(&osd_clock_system);
        now = osd_clock_now(&osd_clock_frequent);
        after = osd_clock_now(&osd_clock_system);
        assert_in_range(now, before - LAG_MS, after);
    } while (after < end);
}

static void test_common_clock__frequent_monotonic_is_at_most_a_millisecond_late(void **state)
{
    uint64_t end = osd_monotonic_ms() + LONG_MS, before, now, after;

    (void)state;
    do {
        before = osd_monotonic_ms();
        now = osd_monotonic_frequent_ms();
        after = osd_monotonic_ms();
        assert_in_range(now, before - LAG_MS, after);
    } while (after < end);
}

/* The reason they exist: they hardly ever ask the system. */
static void test_common_clock__frequent_seldom_asks(void **state)
{
    (void)state;
#if defined(__x86_64__)
    asked = 0;
    for (unsigned i = 0; i < CALLS; i++)
        (void)osd_clock_now(&osd_clock_frequent);
    assert_in_range(asked, 1, MANY_READ);
    asked = 0;
    for (unsigned i = 0; i < CALLS; i++)
        (void)osd_monotonic_frequent_ms();
    assert_in_range(asked, 1, MANY_READ);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_clock__frequent_is_at_most_a_millisecond_late),
        cmocka_unit_test(test_common_clock__frequent_monotonic_is_at_most_a_millisecond_late),
        cmocka_unit_test(test_common_clock__frequent_seldom_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
