/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/test_pool.c - the worker threads: every job runs once, in order, several at once
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tcmu/pool.h"

#define JOBS     2000
#define GIVERS   4
#define TOGETHER 4

struct counted {
    struct osd_job job;
    atomic_int runs;
    int number;
};

static atomic_int total;
static int order[JOBS];

static void count(struct osd_job *job)
{
    struct counted *c = (struct counted *)job;

    atomic_fetch_add(&c->runs, 1);
    order[atomic_fetch_add(&total, 1) % JOBS] = c->number;
}

static struct counted *jobs_new(void)
{
    struct counted *jobs = calloc(JOBS, sizeof(*jobs));

    assert_non_null(jobs);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job.run = count;
        jobs[i].number = i;
    }
    atomic_store(&total, 0);
    return jobs;
}

static void assert_each_ran_once(struct counted *jobs)
{
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(atomic_load(&jobs[i].runs), 1);
    assert_int_equal(atomic_load(&total), JOBS);
}

static void test_tcmu_pool__one_thread_keeps_the_order(void **state)
{
    struct counted *jobs = jobs_new();
    struct osd_pool *p;

    (void)state;
    assert_int_equal(osd_pool_start(1, &p), OSD_OK);
    for (int i = 0; i < JOBS; i++)
        osd_pool_add(p, &jobs[i].job);
    osd_pool_stop(p); /* runs what is queued */
    assert_each_ran_once(jobs);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(order[i], i);
    free(jobs);
}

struct giver {
    struct osd_pool *p;
    struct counted *jobs;
    int from;
};

static void *give(void *arg)
{
    struct giver *g = arg;

    for (int i = g->from; i < JOBS; i += GIVERS)
        osd_pool_add(g->p, &g->jobs[i].job);
    return NULL;
}

static void test_tcmu_pool__many_givers_and_workers(void **state)
{
    struct counted *jobs = jobs_new();
    struct giver givers[GIVERS];
    pthread_t threads[GIVERS];
    struct osd_pool *p;

    (void)state;
    assert_int_equal(osd_pool_start(8, &p), OSD_OK);
    for (int i = 0; i < GIVERS; i++) {
        givers[i] = (struct giver){p, jobs, i};
        assert_int_equal(pthread_create(&threads[i], NULL, give, &givers[i]), 0);
    }
    for (int i = 0; i < GIVERS; i++)
        pthread_join(threads[i], NULL);
    osd_pool_stop(p);
    assert_each_ran_once(jobs);
    free(jobs);
}

static pthread_barrier_t meeting;

static void meet(struct osd_job *job)
{
    (void)job;
    pthread_barrier_wait(&meeting);
}

/* Each job waits for the others: with fewer workers at a time this would hang. */
static void test_tcmu_pool__as_many_at_once_as_asked_for(void **state)
{
    struct osd_job jobs[TOGETHER];
    struct osd_pool *p;

    (void)state;
    pthread_barrier_init(&meeting, NULL, TOGETHER);
    assert_int_equal(osd_pool_start(TOGETHER, &p), OSD_OK);
    for (int i = 0; i < TOGETHER; i++) {
        jobs[i] = (struct osd_job){.run = meet};
        osd_pool_add(p, &jobs[i]);
    }
    osd_pool_stop(p);
    pthread_barrier_destroy(&meeting);
}

/* Heavy jobs that wait for a light one: on all threads they would wait for ever. */
static void test_tcmu_pool__heavy_jobs_leave_half_of_the_threads(void **state)
{
    struct osd_job heavy[TOGETHER], light = {.run = meet};
    struct osd_pool *p;

    (void)state;
    for (unsigned threads = 2; threads <= 4; threads += 2) {
        pthread_barrier_init(&meeting, NULL, threads / 2 + 1);
        assert_int_equal(osd_pool_start(threads, &p), OSD_OK);
        for (unsigned i = 0; i < threads / 2; i++) {
            heavy[i] = (struct osd_job){.run = meet, .heavy = true};
            osd_pool_add(p, &heavy[i]);
        }
        osd_pool_add(p, &light);
        osd_pool_stop(p);
        pthread_barrier_destroy(&meeting);
    }
}

static atomic_int heavy_now, heavy_most;

static void count_heavy(struct osd_job *job)
{
    int now = atomic_fetch_add(&heavy_now, 1) + 1, most = atomic_load(&heavy_most);

    while (now > most && !atomic_compare_exchange_weak(&heavy_most, &most, now))
        ;
    usleep(100);
    atomic_fetch_sub(&heavy_now, 1);
    count(job);
}

/* Both kinds mixed: each runs once, heavy ones on half of the threads at most, and stopping
 * forgets none of those that had to wait. */
static void test_tcmu_pool__heavy_and_light_jobs_mixed(void **state)
{
    struct counted *jobs = jobs_new();
    struct osd_pool *p;

    (void)state;
    atomic_store(&heavy_most, 0);
    assert_int_equal(osd_pool_start(5, &p), OSD_OK);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job.heavy = i % 3 == 0;
        jobs[i].job.run = i % 3 == 0 ? count_heavy : count;
        osd_pool_add(p, &jobs[i].job);
    }
    osd_pool_stop(p);
    assert_each_ran_once(jobs);
    assert_in_range(atomic_load(&heavy_most), 1, 2);
    free(jobs);
}

static void free_itself(struct osd_job *job)
{
    free(job);
    atomic_fetch_add(&total, 1);
}

/* A job's memory is its own from run() on: the pool must not look at it afterwards. */
static void test_tcmu_pool__job_may_free_itself(void **state)
{
    struct osd_pool *p;

    (void)state;
    atomic_store(&total, 0);
    assert_int_equal(osd_pool_start(3, &p), OSD_OK);
    for (int i = 0; i < JOBS; i++) {
        struct osd_job *job = calloc(1, sizeof(*job));
        assert_non_null(job);
        job->run = free_itself;
        osd_pool_add(p, job);
    }
    osd_pool_stop(p);
    assert_int_equal(atomic_load(&total), JOBS);
}

static void test_tcmu_pool__stop_without_work(void **state)
{
    struct osd_pool *p;

    (void)state;
    osd_pool_stop(NULL);
    assert_int_equal(osd_pool_start(64, &p), OSD_OK);
    osd_pool_stop(p);
}

/* More than the pool has room for is cut, never overrun. */
static void test_tcmu_pool__at_most_64_threads(void **state)
{
    struct counted *jobs = jobs_new();
    struct osd_pool *p;

    (void)state;
    assert_int_equal(osd_pool_start(1000, &p), OSD_OK);
    for (int i = 0; i < JOBS; i++)
        osd_pool_add(p, &jobs[i].job);
    osd_pool_stop(p);
    assert_each_ran_once(jobs);
    free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcmu_pool__one_thread_keeps_the_order),
        cmocka_unit_test(test_tcmu_pool__many_givers_and_workers),
        cmocka_unit_test(test_tcmu_pool__as_many_at_once_as_asked_for),
        cmocka_unit_test(test_tcmu_pool__heavy_jobs_leave_half_of_the_threads),
        cmocka_unit_test(test_tcmu_pool__heavy_and_light_jobs_mixed),
        cmocka_unit_test(test_tcmu_pool__job_may_free_itself),
        cmocka_unit_test(test_tcmu_pool__stop_without_work),
        cmocka_unit_test(test_tcmu_pool__at_most_64_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
