/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/tracker.c - see tracker.h
 */
#include "tracker.h"

#include <stdlib.h>

#include "command.h"
#include "device.h"

void tracker_init(struct tracker *t)
{
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->bell, NULL);
    pthread_cond_init(&t->idle, NULL);
}

void tracker_destroy(struct tracker *t)
{
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->bell);
    pthread_cond_destroy(&t->idle);
}

void job_free(struct job *job)
{
    if (!job)
        return;
    free(job->out);
    free(job);
}

/* ---- the list; the lock is held ---- */

static struct job *find(const struct tracker *t, struct store_id id)
{
    struct job *j = t->head;

    while (j && (j->collection.pid != id.pid || j->collection.oid != id.oid))
        j = j->next;
    return j;
}

static void append(struct tracker *t, struct job *job)
{
    struct job **end = &t->head;

    while (*end)
        end = &(*end)->next;
    job->next = NULL;
    *end = job;
    t->n++;
}

static void take_out(struct tracker *t, struct job *job)
{
    struct job **p = &t->head;

    while (*p != job)
        p = &(*p)->next;
    *p = job->next;
    if (--t->n == 0)
        pthread_cond_broadcast(&t->idle);
}

/* The next one to carry out; NULL at the end of the device. */
static struct job *wait_for_job(struct tracker *t)
{
    for (;;) {
        struct job *j = t->head;
        while (j && !j->submitted)
            j = j->next;
        if (j || t->stop)
            return j;
        pthread_cond_wait(&t->bell, &t->lock);
    }
}

/* ---- the thread ---- */

static void *tracker_main(void *arg)
{
    struct osd_device *dev = arg;
    struct tracker *t = &dev->tracker;
    struct job *job;

    pthread_mutex_lock(&t->lock);
    while ((job = wait_for_job(t))) {
        pthread_mutex_unlock(&t->lock);
        command_work_on(dev, job);
        task_leave(&dev->tasks, &job->task);
        pthread_mutex_lock(&t->lock);
        take_out(t, job);
        job_free(job);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* The first job brings the thread with it. */
static bool has_thread(struct osd_device *dev)
{
    struct tracker *t = &dev->tracker;

    if (!t->running)
        t->running = pthread_create(&t->thread, NULL, tracker_main, dev) == 0;
    return t->running;
}

void tracker_stop(struct tracker *t)
{
    if (!t->running)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    for (struct job *j = t->head; j; j = j->next)
        task_abort(&j->task);
    pthread_cond_signal(&t->bell);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    t->running = false;
}

/* ---- jobs ---- */

static osd_status may_enter(struct osd_device *dev, const struct job *job)
{
    if (find(&dev->tracker, job->collection))
        return OSD_E_BUSY;
    if (dev->tracker.n == JOBS_MAX)
        return OSD_E_NO_SPACE;
    return has_thread(dev) ? OSD_OK : OSD_E_NOMEM;
}

osd_status tracker_reserve(struct osd_device *dev, struct job *job, uint64_t tag)
{
    struct tracker *t = &dev->tracker;
    osd_status st;

    pthread_mutex_lock(&t->lock);
    st = may_enter(dev, job);
    if (st == OSD_OK)
        append(t, job);
    pthread_mutex_unlock(&t->lock);
    if (st == OSD_OK)
        task_enter(&dev->tasks, &job->task, tag);
    return st;
}

void tracker_submit(struct osd_device *dev, struct job *job)
{
    struct tracker *t = &dev->tracker;

    pthread_mutex_lock(&t->lock);
    job->submitted = true;
    pthread_cond_signal(&t->bell);
    pthread_mutex_unlock(&t->lock);
}

void tracker_drop(struct osd_device *dev, struct job *job)
{
    struct tracker *t = &dev->tracker;

    task_leave(&dev->tasks, &job->task);
    pthread_mutex_lock(&t->lock);
    take_out(t, job);
    pthread_mutex_unlock(&t->lock);
    job_free(job);
}

static void read_progress(struct job *j, struct progress *ret)
{
    uint64_t members = atomic_load_explicit(&j->members, memory_order_relaxed);
    uint64_t processed = atomic_load_explicit(&j->processed, memory_order_relaxed);

    *ret = (struct progress){.action = j->action, .members = members, .processed = processed};
    if (members)
        ret->percent = (uint8_t)(processed < members ? processed * 100 / members : 99);
}

bool tracker_find(struct tracker *t, struct store_id collection, struct progress *ret)
{
    struct job *j;

    pthread_mutex_lock(&t->lock);
    j = find(t, collection);
    if (j && ret)
        read_progress(j, ret);
    pthread_mutex_unlock(&t->lock);
    return j;
}

bool tracker_meets(struct tracker *t, uint64_t pid)
{
    bool met = false;

    if (atomic_load(&t->n) == 0)
        return false;
    pthread_mutex_lock(&t->lock);
    for (const struct job *j = t->head; j && !met; j = j->next)
        met = pid == 0 || j->collection.pid == pid;
    pthread_mutex_unlock(&t->lock);
    return met;
}

void tracker_settle(struct tracker *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->n > 0)
        pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
