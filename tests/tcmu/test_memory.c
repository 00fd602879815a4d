/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/test_memory.c - memory of tables is there before it is needed, and stays
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <cmocka.h>

#include "tcmu/memory.h"

#define PIECES (MEMORY_AHEAD / MIB - 1)
#define PAGES  (PIECES * MIB / 4096)
#define FEW    (PAGES / 50)
#define MANY   (PAGES / 2)

static unsigned long faults(void)
{
    struct rusage used;

    assert_int_equal(getrusage(RUSAGE_THREAD, &used), 0);
    return (unsigned long)used.ru_minflt;
}

/* Page faults of this thread while it fills as much memory as tables take. */
static unsigned long fill(void)
{
    void *pieces[PIECES];
    unsigned long before = faults();

    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = malloc(MIB);
        assert_non_null(pieces[i]);
        memset(pieces[i], 0x5a, MIB);
    }
    unsigned long n = faults() - before;
    for (size_t i = 0; i < PIECES; i++)
        free(pieces[i]);
    return n;
}

/* Threads that live at the same time have heaps of their own. */
static pthread_barrier_t together;

struct filler {
    pthread_t thread;
    bool ahead;
    unsigned long first, second;
};

static void *run_filler(void *arg)
{
    struct filler *f = arg;

    pthread_barrier_wait(&together);
    if (f->ahead)
        osd_memory_ahead();
    f->first = fill();
    f->second = fill();
    pthread_barrier_wait(&together);
    return NULL;
}

static void run_fillers(struct filler *all, unsigned n)
{
    pthread_barrier_init(&together, NULL, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pthread_create(&all[i].thread, NULL, run_filler, &all[i]), 0);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pthread_join(all[i].thread, NULL), 0);
    pthread_barrier_destroy(&together);
}

static int set_up(void **state)
{
    (void)state;
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* a fault for each page */
    osd_memory_keep();
    return 0;
}

static void test_tcmu_memory__tables_find_pages_that_are_there(void **state)
{
    struct filler all[2] = {{.ahead = false}, {.ahead = true}};

    (void)state;
    run_fillers(all, 2);
    assert_true(all[0].first > MANY);
    assert_true(all[1].first < FEW);
    assert_true(all[0].second < FEW); /* what was used once stays */
    assert_true(all[1].second < FEW);
}

/* More threads than MEMORY_AHEAD_ALL is for. */
static void test_tcmu_memory__many_threads_touch_no_more_than_all_may(void **state)
{
    enum { THREADS = 2 * MEMORY_AHEAD_ALL / MEMORY_AHEAD };
    struct filler all[THREADS];
    unsigned warm = 0;

    (void)state;
    for (unsigned i = 0; i < THREADS; i++)
        all[i] = (struct filler){.ahead = true};
    run_fillers(all, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        warm += all[i].first < FEW;
    assert_in_range(warm, 1, THREADS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcmu_memory__tables_find_pages_that_are_there),
        cmocka_unit_test(test_tcmu_memory__many_threads_touch_no_more_than_all_may),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
