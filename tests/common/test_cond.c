/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/common/test_cond.c - conditions that are waited for by the monotonic clock
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/cond.h"

#define WAIT_MS 30u
#define LONG_MS 600000u /* longer than any test may take */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;
static bool said;

/* Would catch: a moment of another clock, milliseconds taken for something else. */
static void test_common_cond__ends_at_the_moment_and_not_before(void **state)
{
    uint64_t until = osd_monotonic_ms() + WAIT_MS;

    (void)state;
    osd_cond_init(&cond);
    pthread_mutex_lock(&lock);
    while (osd_cond_wait_until(&cond, &lock, until))
        ;
    pthread_mutex_unlock(&lock);
    assert_true(osd_monotonic_ms() >= until);
    pthread_cond_destroy(&cond);
}

static void *say(void *arg)
{
    pthread_mutex_lock(&lock);
    said = true;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&lock);
    return arg;
}

static void test_common_cond__is_woken_before_the_moment(void **state)
{
    uint64_t until = osd_monotonic_ms() + LONG_MS;
    bool woken = true;
    pthread_t other;

    (void)state;
    osd_cond_init(&cond);
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_create(&other, NULL, say, NULL), 0);
    while (!said && woken)
        woken = osd_cond_wait_until(&cond, &lock, until);
    pthread_mutex_unlock(&lock);
    assert_true(woken);
    assert_int_equal(pthread_join(other, NULL), 0);
    pthread_cond_destroy(&cond);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_cond__ends_at_the_moment_and_not_before),
        cmocka_unit_test(test_common_cond__is_woken_before_the_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
