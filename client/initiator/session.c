/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/session.c - life of a session, submitting, and who serves the connection
 *
 * Whoever waits for a command serves the connection for all: one thread leads (polls, with the
 * lock given up), the others wait on a condition of their own until their command is over or
 * the lead falls to them. A keeper thread ticks slowly; it serves the connection only when
 * nobody else does, watches the clock (so commands never ask for the time) and reconnects.
 * Callbacks it causes are left for the next caller of iscsi_service or iscsi_execute.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/cond.h"
#include "initiator_internal.h"

#define FAREWELL_MS 1000
#define CDB_MIN     6
#define IDLE_TICKS  5 /* the keeper ticks this much slower when nothing is under way */

/* ---- small things ---- */

/* Wait at most timeout_ms, -1 = for ever. */
static void cond_wait_ms(struct iscsi_session *s, pthread_cond_t *c, int timeout_ms)
{
    if (timeout_ms < 0)
        pthread_cond_wait(c, &s->lock);
    else
        osd_cond_wait_until(c, &s->lock, osd_monotonic_ms() + (uint64_t)timeout_ms);
}

static void wake_always(struct iscsi_session *s)
{
    uint64_t one = 1;

    if (write(s->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        isc_say(NULL, OSD_E_IO, "eventfd");
}

/* Make the leader return from poll(). */
static void wake(struct iscsi_session *s)
{
    if (s->polling)
        wake_always(s);
}

void isc_break(struct iscsi_session *s, const char *fmt, ...)
{
    va_list ap;

    if (s->broken || s->state != ISC_UP)
        return;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, ap);
    va_end(ap);
    s->broken = true;
    shutdown(s->link.fd, SHUT_RDWR);
    wake(s);
}

void isc_waiters_wake(struct iscsi_session *s)
{
    struct isc_waiter *w;

    TAILQ_FOREACH(w, &s->waiters, link)
    pthread_cond_signal(&w->cond);
}

/* Nobody leads any more: let one of the others do it. */
static void pass_on(struct iscsi_session *s, const struct isc_waiter *self)
{
    struct isc_waiter *w = TAILQ_FIRST(&s->waiters);

    if (s->leader)
        return;
    if (w == self && w)
        w = TAILQ_NEXT(w, link);
    if (w)
        pthread_cond_signal(&w->cond);
}

/* ---- tasks ---- */

struct isc_task *isc_task_find(struct iscsi_session *s, uint32_t itt)
{
    unsigned slot = itt & 0xff;
    struct isc_task *t = slot < ISC_RUNNING_MAX ? s->slot[slot] : NULL;

    return t && t->itt == itt ? t : NULL;
}

uint32_t isc_control_tag(struct iscsi_session *s, unsigned kind)
{
    return ++s->generation << 8 | 0xe0 | (kind & 0xf);
}

void isc_control_put(struct iscsi_session *s, const uint8_t bhs[ISC_BHS_LEN])
{
    if (s->control_n == ISC_CONTROL_MAX) {
        isc_break(s, "%s asks for answers faster than it takes them", s->link.portal);
        return;
    }
    unsigned at = (s->control_at + s->control_n++) % ISC_CONTROL_MAX;
    memcpy(s->control[at], bhs, ISC_BHS_LEN);
}

static void hand_over(struct iscsi_session *s, struct isc_task *t)
{
    wake(s);
    if (!t->waiter) {
        TAILQ_INSERT_TAIL(&s->done, t, link);
        return;
    }
    t->waiter->done = true;
    pthread_cond_signal(&t->waiter->cond);
    t->cmd->internal = NULL;
    free(t);
}

void isc_task_release(struct iscsi_session *s, struct isc_task *t)
{
    TAILQ_REMOVE(&s->lingering, t, link);
    hand_over(s, t);
}

void isc_task_end(struct iscsi_session *s, struct isc_task *t, osd_status st)
{
    TAILQ_REMOVE(t->running ? &s->running : &s->pending, t, link);
    if (t->running) {
        isc_burst_stop(s, t);
        s->slot[t->itt & 0xff] = NULL;
        s->n_running--;
        t->running = false;
        if (s->rx.task == t)
            s->rx.task = NULL;
    }
    t->cmd->status = st;
    if (st) {
        t->cmd->scsi_status = 0;
        t->cmd->sense_len = 0;
        t->cmd->in_len = 0;
    }
    t->over = t->batched > 0;
    if (t->over)
        TAILQ_INSERT_TAIL(&s->lingering, t, link);
    else
        hand_over(s, t);
    if (s->draining && s->n_running == 0)
        isc_logout_send(s);
}

static bool acceptable(const struct iscsi_command *c)
{
    uint8_t lun[8];

    return c->cdb && c->cdb_len >= CDB_MIN && c->cdb_len <= ISC_CDB_MAX &&
           (c->in.len == 0 || c->out.len == 0) && c->in.len <= UINT32_MAX &&
           c->out.len <= UINT32_MAX && isc_lun_encode(c->lun, lun);
}

static osd_status enqueue(struct iscsi_session *s, struct iscsi_command *c,
                          struct isc_waiter *w)
{
    struct isc_task *t;

    if (s->state == ISC_DEAD || s->closing)
        return OSD_E_UNREACHABLE;
    t = calloc(1, sizeof(*t));
    if (!t)
        return OSD_E_NOMEM;
    t->cmd = c;
    t->waiter = w;
    c->internal = t;
    c->status = OSD_OK;
    c->sense_len = 0;
    c->in_len = 0;
    c->resent = false;
    TAILQ_INSERT_TAIL(&s->pending, t, link);
    if (s->state == ISC_LOST)
        pthread_cond_signal(&s->keeper_cond);
    isc_transmit(s);
    if (s->want_out)
        wake(s);
    isc_settle(s);
    return OSD_OK;
}

/* Run the callbacks that are due, with the lock given up. Returns how many. */
static int run_callbacks(struct iscsi_session *s, const struct isc_waiter *self)
{
    struct isc_task_list due = TAILQ_HEAD_INITIALIZER(due);
    struct isc_task *t;
    int n = 0;

    if (TAILQ_EMPTY(&s->done))
        return 0;
    TAILQ_CONCAT(&due, &s->done, link);
    pass_on(s, self);
    pthread_mutex_unlock(&s->lock);
    while ((t = TAILQ_FIRST(&due))) {
        struct iscsi_command *c = t->cmd;
        TAILQ_REMOVE(&due, t, link);
        free(t);
        c->internal = NULL;
        c->done(c, c->arg);
        n++;
    }
    pthread_mutex_lock(&s->lock);
    return n;
}

/* ---- serving the connection ---- */

static void drain_wake(struct iscsi_session *s)
{
    uint64_t count;

    if (read(s->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        isc_break(s, "eventfd: %s", strerror(errno));
}

/* Wait for the connection, another thread's call or the time; lock given up meanwhile. */
static void wait_for_events(struct iscsi_session *s, int timeout_ms)
{
    struct pollfd p[2] = {{.fd = s->link.fd, .events = POLLIN},
                          {.fd = s->wake_fd, .events = POLLIN}};

    if (s->want_out)
        p[0].events |= POLLOUT;
    s->polling = true;
    pthread_mutex_unlock(&s->lock);
    int n = poll(p, 2, timeout_ms);
    pthread_mutex_lock(&s->lock);
    s->polling = false;
    if (n > 0 && p[1].revents)
        drain_wake(s);
    if (n > 0 && p[0].revents & (POLLIN | POLLHUP | POLLERR))
        isc_receive(s);
}

static void lead(struct iscsi_session *s, int timeout_ms)
{
    s->leader = true;
    isc_transmit(s);
    if (!s->broken && TAILQ_EMPTY(&s->done)) {
        wait_for_events(s, timeout_ms);
        isc_transmit(s);
    }
    s->leader = false;
    isc_settle(s);
    if (s->closing)
        pthread_cond_broadcast(&s->idle);
}

static bool may_lead(const struct iscsi_session *s)
{
    return !s->leader && s->state == ISC_UP && !s->closing;
}

static void enter(struct iscsi_session *s, struct isc_waiter *w)
{
    w->done = false;
    osd_cond_init(&w->cond);
    pthread_mutex_lock(&s->lock);
    s->users++;
    TAILQ_INSERT_TAIL(&s->waiters, w, link);
}

static void leave(struct iscsi_session *s, struct isc_waiter *w)
{
    TAILQ_REMOVE(&s->waiters, w, link);
    pass_on(s, NULL);
    if (--s->users == 0 && s->closing)
        pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&w->cond);
}

osd_status iscsi_submit(struct iscsi_session *s, struct iscsi_command *cmd)
{
    osd_status st;

    if (!acceptable(cmd) || !cmd->done)
        return OSD_E_INVALID;
    pthread_mutex_lock(&s->lock);
    st = enqueue(s, cmd, NULL);
    pthread_mutex_unlock(&s->lock);
    return st;
}

osd_status iscsi_execute(struct iscsi_session *s, struct iscsi_command *cmd)
{
    struct isc_waiter w;

    if (!acceptable(cmd))
        return OSD_E_INVALID;
    enter(s, &w);
    osd_status st = enqueue(s, cmd, &w);
    if (st) {
        cmd->status = st;
        leave(s, &w);
        return st;
    }
    while (!w.done) {
        if (may_lead(s))
            lead(s, -1);
        else
            pthread_cond_wait(&w.cond, &s->lock);
        run_callbacks(s, &w);
    }
    leave(s, &w);
    return cmd->status;
}

int iscsi_service(struct iscsi_session *s, int timeout_ms)
{
    struct isc_waiter w;

    enter(s, &w);
    if (TAILQ_EMPTY(&s->done)) {
        if (may_lead(s))
            lead(s, timeout_ms);
        else if (s->state != ISC_DEAD && !s->closing && timeout_ms != 0)
            cond_wait_ms(s, &w.cond, timeout_ms);
    }
    int n = run_callbacks(s, &w);
    if (n == 0 && (s->state == ISC_DEAD || s->closing))
        n = -1;
    leave(s, &w);
    return n;
}

/* ---- the keeper ---- */

static void keeper_tick(struct iscsi_session *s)
{
    s->now_ms = osd_monotonic_ms();
    if (s->state == ISC_LOST && !TAILQ_EMPTY(&s->pending) && !s->leader) {
        drain_wake(s);
        isc_reconnect(s);
        pthread_cond_broadcast(&s->idle);
        return;
    }
    if (s->state != ISC_UP)
        return;
    if (!s->leader)
        isc_receive(s);
    isc_timers(s);
    isc_transmit(s);
    if (s->want_out)
        wake(s);
    isc_settle(s);
    if (!TAILQ_EMPTY(&s->done))
        pass_on(s, NULL);
}

static void *keeper_main(void *arg)
{
    struct iscsi_session *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->closing) {
        bool busy = s->n_running > 0 || !TAILQ_EMPTY(&s->pending);
        if (s->state != ISC_LOST || TAILQ_EMPTY(&s->pending))
            cond_wait_ms(s, &s->keeper_cond,
                         (int)(busy ? s->tick_ms : s->tick_ms * IDLE_TICKS));
        if (!s->closing)
            keeper_tick(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- life ---- */

void isc_options_fill(const struct iscsi_options *opt, struct iscsi_options *ret)
{
    struct iscsi_options o = {.login_timeout_ms = 0};
    char host[128] = "localhost";

    if (opt)
        o = *opt;
    if (!o.initiator_name[0]) {
        gethostname(host, sizeof(host) - 1);
        for (char *p = host; *p; p++) {
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p | 0x20);
            else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '.'))
                *p = '-';
        }
        snprintf(o.initiator_name, sizeof(o.initiator_name), "iqn.2026-11.org.liosd:%s",
                 host[0] == '-' ? "localhost" : host); /* an unset name is "(none)" */
    }
    *ret = o;
}

static void session_free(struct iscsi_session *s)
{
    isc_link_close(&s->link);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->keeper_cond);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

osd_status isc_session_make(const struct iscsi_url *url, const struct iscsi_options *opt,
                            const struct isc_link *link, struct iscsi_session **ret)
{
    struct iscsi_session *s = calloc(1, sizeof(*s));

    if (!s)
        return OSD_E_NOMEM;
    s->url = *url;
    s->opt = *opt;
    s->link = *link;
    s->abort_tag = ISC_NO_TAG;
    s->tick_ms = 200;
    s->quiet_ms = s->ping_ms = 10000;
    s->abort_ms = 5000;
    s->backoff_ms = 100;
    s->now_ms = s->heard_ms = osd_monotonic_ms();
    TAILQ_INIT(&s->pending);
    TAILQ_INIT(&s->running);
    TAILQ_INIT(&s->lingering);
    TAILQ_INIT(&s->done);
    TAILQ_INIT(&s->bursts);
    TAILQ_INIT(&s->waiters);
    pthread_mutex_init(&s->lock, NULL);
    osd_cond_init(&s->idle);
    osd_cond_init(&s->keeper_cond);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->has_keeper = s->wake_fd >= 0 && pthread_create(&s->keeper, NULL, keeper_main, s) == 0;
    if (!s->has_keeper) {
        s->link.fd = -1; /* stays the caller's */
        session_free(s);
        return OSD_E_NOMEM;
    }
    *ret = s;
    return OSD_OK;
}

osd_status iscsi_connect(const struct iscsi_url *url, const struct iscsi_options *opt,
                         struct iscsi_session **ret, char *reason, size_t reason_len)
{
    struct isc_reason why = {reason, reason_len};
    struct isc_link l = isc_link_make(-1);
    struct iscsi_options o;
    int portal = 0;

    if (!url->has_target)
        return isc_say(&why, OSD_E_INVALID, "the URL names no target");
    isc_options_fill(opt, &o);
    osd_status st = isc_establish(&l, url, &o, false, &portal, &why);
    if (st)
        return st;
    st = isc_session_make(url, &o, &l, ret);
    if (st) {
        isc_link_close(&l);
        return isc_say(&why, st, "cannot start a session: no memory or no threads");
    }
    return OSD_OK;
}

/* Log out and wait a moment for the answer. The lock stays held: nobody has a use for it. */
static void farewell(struct iscsi_session *s)
{
    uint64_t end = osd_monotonic_ms() + FAREWELL_MS, now;

    isc_logout_send(s);
    while (s->state == ISC_UP && !s->broken && (now = osd_monotonic_ms()) < end) {
        struct pollfd p = {.fd = s->link.fd, .events = POLLIN};
        isc_transmit(s);
        if (s->want_out)
            p.events |= POLLOUT;
        if (poll(&p, 1, (int)(end - now)) > 0 && p.revents & (POLLIN | POLLHUP | POLLERR))
            isc_receive(s);
    }
}

void iscsi_disconnect(struct iscsi_session *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    wake_always(s);
    pthread_cond_signal(&s->keeper_cond);
    isc_waiters_wake(s);
    while (s->leader)
        pthread_cond_wait(&s->idle, &s->lock);
    s->leader = true;
    farewell(s);
    isc_teardown(s, OSD_E_INTERRUPTED);
    s->leader = false;
    while (run_callbacks(s, NULL) > 0 || s->users > 0) {
        if (s->users > 0)
            pthread_cond_wait(&s->idle, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->keeper, NULL);
    session_free(s);
}

uint32_t iscsi_window(struct iscsi_session *s)
{
    pthread_mutex_lock(&s->lock);
    uint32_t n = s->n_running;
    if (!isc_sn_before(s->link.max_cmd_sn, s->link.cmd_sn))
        n += s->link.max_cmd_sn - s->link.cmd_sn + 1;
    pthread_mutex_unlock(&s->lock);
    return n < 1 ? 1 : n > ISC_RUNNING_MAX ? ISC_RUNNING_MAX : n;
}
