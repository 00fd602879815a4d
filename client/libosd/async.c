/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/async.c - commands begun now and finished later: osd_submit(), osd_poll()
 *
 * A command waits in `queued`, is carried out by one of the threads as a blocking call, waits in
 * `finished` for osd_poll(). Threads are made when more is queued than are idle, up to in_flight. Blocking calls as the inside keep retries and two-phase transfer in one place.
 * Invariants (under the mutex):
 *  (1) A command is in exactly one place: queued, with a thread, finished, or with the poller
 *      that runs its done(); under_way counts the first three.
 *  (2) The descriptor is readable exactly when `finished` is not empty.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "libosd.h"

#define IN_FLIGHT     16
#define IN_FLIGHT_MAX 256
#define ERROR_LEN     256

struct pending {
    struct pending *next;
    struct osd_call *call;
    osd_done *done;
    void *arg;
    osd_status status;
    char error[ERROR_LEN]; /* sentence of the thread that carried it out */
};

struct list {
    struct pending *first, **last;
};

struct async {
    struct osd_session *session;
    pthread_mutex_t mutex;
    pthread_cond_t more; /* something is queued, or the end has come */
    struct list queued, finished;
    uint32_t under_way, n_queued, idle, n_threads, max_threads;
    bool ending;
    int fd;
    pthread_t threads[IN_FLIGHT_MAX];
};

/* ---- lists ---- */

static void list_init(struct list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_add(struct list *l, struct pending *p)
{
    p->next = NULL;
    *l->last = p;
    l->last = &p->next;
}

static struct pending *list_take(struct list *l)
{
    struct pending *p = l->first;

    if (p) {
        l->first = p->next;
        if (!l->first)
            l->last = &l->first;
    }
    return p;
}

/* ---- threads ---- */

static void finish(struct async *a, struct pending *p)
{
    if (!a->finished.first)
        eventfd_write(a->fd, 1);
    list_add(&a->finished, p);
}

static void *worker(void *arg)
{
    struct async *a = arg;
    struct pending *p;

    pthread_mutex_lock(&a->mutex);
    for (;;) {
        while (!(p = list_take(&a->queued)) && !a->ending) {
            a->idle++;
            pthread_cond_wait(&a->more, &a->mutex);
            a->idle--;
        }
        if (!p)
            break;
        a->n_queued--;
        pthread_mutex_unlock(&a->mutex);
        p->status = osd_execute(a->session, p->call);
        if (p->status)
            memccpy(p->error, osd_last_error(), 0, sizeof(p->error) - 1);
        pthread_mutex_lock(&a->mutex);
        finish(a, p);
    }
    pthread_mutex_unlock(&a->mutex);
    return NULL;
}

/* One more thread, which takes no signals of the program. */
static bool add_thread(struct async *a)
{
    sigset_t all, before;
    bool good;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    good = pthread_create(&a->threads[a->n_threads], NULL, worker, a) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    a->n_threads += good;
    return good;
}

/* ---- the interface ---- */

osd_status async_open(struct osd_session *s, uint32_t in_flight, struct async **ret)
{
    struct async *a = calloc(1, sizeof(*a));

    if (!a)
        return OSD_E_NOMEM;
    a->session = s;
    a->max_threads = in_flight == 0              ? IN_FLIGHT
                     : in_flight > IN_FLIGHT_MAX ? IN_FLIGHT_MAX
                                                 : in_flight;
    a->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->fd < 0) {
        free(a);
        return OSD_E_IO;
    }
    list_init(&a->queued);
    list_init(&a->finished);
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->more, NULL);
    *ret = a;
    return OSD_OK;
}

static osd_status enqueue(struct async *a, struct pending *p)
{
    osd_status st = OSD_OK;

    pthread_mutex_lock(&a->mutex);
    if (a->under_way >= OSD_SUBMITTED_MAX)
        st = failed(OSD_E_BUSY, "%d commands are submitted and not polled for",
                    OSD_SUBMITTED_MAX);
    else if (a->idle <= a->n_queued && a->n_threads < a->max_threads && !add_thread(a) &&
             a->n_threads == 0)
        st = failed(OSD_E_NOMEM, "no thread for asynchronous commands: %s", strerror(errno));
    if (!st) {
        list_add(&a->queued, p);
        a->under_way++;
        a->n_queued++;
        pthread_cond_signal(&a->more);
    }
    pthread_mutex_unlock(&a->mutex);
    return st;
}

osd_status osd_submit(struct osd_session *s, struct osd_call *call, osd_done *done, void *arg)
{
    struct pending *p;
    osd_status st;

    if (!verb_of(call))
        return failed(OSD_E_INVALID, "no such verb: %d", (int)call->verb);
    p = calloc(1, sizeof(*p));
    if (!p)
        return failed(OSD_E_NOMEM, "out of memory");
    p->call = call;
    p->done = done;
    p->arg = arg;
    st = enqueue(s->async, p);
    if (st)
        free(p);
    return st;
}

int osd_fd(struct osd_session *s)
{
    return s->async->fd;
}

/* Everything that has finished, as a list of its own. */
static struct pending *take_finished(struct async *a)
{
    struct pending *first, *p;
    eventfd_t value;

    pthread_mutex_lock(&a->mutex);
    first = a->finished.first;
    for (p = first; p; p = p->next)
        a->under_way--;
    if (first)
        eventfd_read(a->fd, &value);
    list_init(&a->finished);
    pthread_mutex_unlock(&a->mutex);
    return first;
}

static int run_done(struct pending *p)
{
    int n = 0;

    for (struct pending *next; p; p = next, n++) {
        next = p->next;
        if (p->status)
            failed(p->status, "%s", p->error);
        p->done(p->call, p->status, p->arg);
        free(p);
    }
    return n;
}

static bool nothing_under_way(struct async *a)
{
    pthread_mutex_lock(&a->mutex);
    bool nothing = a->under_way == 0;
    pthread_mutex_unlock(&a->mutex);
    return nothing;
}

/* Other pollers may be faster, or take the last command: so short waits when there is no limit.
 */
#define WAIT_MS 100

static int async_poll(struct async *a, int timeout_ms)
{
    uint64_t until = osd_monotonic_ms() + (timeout_ms < 0 ? 0 : (uint64_t)timeout_ms);

    for (;;) {
        struct pollfd fd = {.fd = a->fd, .events = POLLIN};
        struct pending *p = take_finished(a);
        uint64_t now = osd_monotonic_ms();
        if (p)
            return run_done(p);
        if (nothing_under_way(a) || (timeout_ms >= 0 && now >= until))
            return 0;
        poll(&fd, 1, timeout_ms < 0 || until - now > WAIT_MS ? WAIT_MS : (int)(until - now));
    }
}

int osd_poll(struct osd_session *s, int timeout_ms)
{
    return async_poll(s->async, timeout_ms);
}

void async_close(struct async *a)
{
    if (!a)
        return;
    while (!nothing_under_way(a))
        async_poll(a, -1);
    pthread_mutex_lock(&a->mutex);
    a->ending = true;
    pthread_cond_broadcast(&a->more);
    pthread_mutex_unlock(&a->mutex);
    for (uint32_t i = 0; i < a->n_threads; i++)
        pthread_join(a->threads[i], NULL);
    close(a->fd);
    pthread_cond_destroy(&a->more);
    pthread_mutex_destroy(&a->mutex);
    free(a);
}
