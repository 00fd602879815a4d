/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/pool.c - see pool.h
 */
#include "pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct osd_pool {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct osd_job *first, **last;
    bool stopping;
    unsigned n;
    pthread_t threads[64];
};

static void *work(void *arg)
{
    struct osd_pool *p = arg;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->first && !p->stopping)
            pthread_cond_wait(&p->wake, &p->mutex);
        struct osd_job *job = p->first;
        if (!job)
            break;
        p->first = job->next;
        if (!p->first)
            p->last = &p->first;
        pthread_mutex_unlock(&p->mutex);
        job->run(job);
        pthread_mutex_lock(&p->mutex);
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
    p->last = &p->first;
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
    *p->last = job;
    p->last = &job->next;
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
