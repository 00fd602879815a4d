/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/pool.c - see pool.h
 */
#include "pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* Jobs waiting, the first to run first. */
struct queue {
    struct osd_job *first, **last;
};

struct osd_pool {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct queue light, heavy;
    unsigned heavy_running, heavy_max;
    bool stopping;
    unsigned n;
    pthread_t threads[64];
};

static void put(struct queue *q, struct osd_job *job)
{
    *q->last = job;
    q->last = &job->next;
}

static struct osd_job *take(struct queue *q)
{
    struct osd_job *job = q->first;

    if (job)
        q->first = job->next;
    if (!q->first)
        q->last = &q->first;
    return job;
}

/* The next job that may run now; heavy ones first, they are few. NULL: none. */
static struct osd_job *next_job(struct osd_pool *p)
{
    struct osd_job *job = p->heavy_running < p->heavy_max ? take(&p->heavy) : NULL;

    p->heavy_running += job != NULL;
    return job ? job : take(&p->light);
}

static void *work(void *arg)
{
    struct osd_pool *p = arg;
    struct osd_job *job;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!(job = next_job(p)) && !(p->stopping && !p->heavy.first))
            pthread_cond_wait(&p->wake, &p->mutex);
        if (!job)
            break;
        bool heavy = job->heavy; /* the job is gone when it has run */
        pthread_mutex_unlock(&p->mutex);
        job->run(job);
        pthread_mutex_lock(&p->mutex);
        p->heavy_running -= heavy;
        if (heavy)
            pthread_cond_broadcast(&p->wake);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

osd_status osd_pool_start(unsigned threads, struct osd_pool **ret)
{
    struct osd_pool *p = calloc(1, sizeof(*p));

    if (!p)
        return OSD_E_NOMEM;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->light.last = &p->light.first;
    p->heavy.last = &p->heavy.first;
    p->heavy_max = threads / 2 ? threads / 2 : 1;
    while (p->n < threads && p->n < 64 && pthread_create(&p->threads[p->n], NULL, work, p) == 0)
        p->n++;
    if (p->n == 0) {
        osd_pool_stop(p);
        return OSD_E_NOMEM;
    }
    *ret = p;
    return OSD_OK;
}

void osd_pool_add(struct osd_pool *p, struct osd_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&p->mutex);
    put(job->heavy ? &p->heavy : &p->light, job);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

void osd_pool_stop(struct osd_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->n; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}
