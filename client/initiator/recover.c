/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/recover.c - a lost connection, a command without answer, a silent target
 *
 * Error recovery level 0: whatever is wrong with a connection ends it, and a new login with the
 * same ISID reinstates the session. Commands go back to the head of the queue in their old
 * order if they never left completely or may be carried out twice; the others end with
 * OSD_E_UNREACHABLE. A command that is late is aborted; if the abort gets no answer either, the
 * session is reinstated.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "initiator_internal.h"

#define BACKOFF_MAX_MS   3000
#define LOGIN_TIMEOUT_MS 10000
#define TASK_ABORT       1
#define LOGOUT_SESSION   0

/* ---- losing a connection ---- */

static bool may_send_again(const struct iscsi_session *s, const struct isc_task *t)
{
    return s->opt.reconnect_ms > 0 && !t->aborting && t->sends < ISC_SENDS_MAX &&
           (!t->whole || t->cmd->retry == ISCSI_RETRY_SAFE);
}

static void requeue(struct iscsi_session *s, struct isc_task *t)
{
    isc_burst_stop(s, t);
    s->slot[t->itt & 0xff] = NULL;
    s->n_running--;
    t->running = false;
    if (!t->whole) /* the target cannot have seen all of it */
        t->sends--;
    t->due_ms = 0;
    TAILQ_REMOVE(&s->running, t, link);
    TAILQ_INSERT_HEAD(&s->pending, t, link);
}

static void end_all(struct iscsi_session *s, struct isc_task_list *list, osd_status st)
{
    while (!TAILQ_EMPTY(list))
        isc_task_end(s, TAILQ_FIRST(list), st);
}

static void sort_running(struct iscsi_session *s)
{
    struct isc_task *t, *next;

    for (t = TAILQ_FIRST(&s->running); t; t = next) {
        next = TAILQ_NEXT(t, link);
        if (!may_send_again(s, t))
            isc_task_end(s, t, t->aborting ? OSD_E_TIMEOUT : OSD_E_UNREACHABLE);
    }
    while ((t = TAILQ_LAST(&s->running, isc_task_list)))
        requeue(s, t);
}

void isc_teardown(struct iscsi_session *s, osd_status final)
{
    isc_link_close(&s->link);
    isc_batch_drop(s);
    s->rx.body = false;
    s->rx.task = NULL;
    s->rx.start = s->rx.end = 0;
    s->draining = s->logout_sent = s->broken = s->pinging = false;
    s->abort_tag = ISC_NO_TAG;
    s->state = s->opt.reconnect_ms > 0 && !final ? ISC_LOST : ISC_DEAD;
    if (final)
        end_all(s, &s->running, final);
    else
        sort_running(s);
    if (s->state == ISC_DEAD)
        end_all(s, &s->pending, final ? final : OSD_E_UNREACHABLE);
    else if (!TAILQ_EMPTY(&s->pending))
        pthread_cond_signal(&s->keeper_cond);
    isc_waiters_wake(s);
}

void isc_settle(struct iscsi_session *s)
{
    if (s->broken && !s->leader)
        isc_teardown(s, OSD_OK);
}

/* ---- a new connection ---- */

/* Wait, but end early when the session closes. */
static void pause_ms(const struct iscsi_session *s, uint32_t ms)
{
    struct pollfd p = {.fd = s->wake_fd, .events = POLLIN};

    if (ms > 0)
        poll(&p, 1, (int)ms);
}

/* One round over the portals, lock given up; nothing else touches url, opt and link now. */
static osd_status try_once(struct iscsi_session *s, struct isc_link *l, uint32_t hold_ms,
                           uint64_t left_ms, struct isc_reason *why)
{
    struct iscsi_options o = s->opt;
    uint32_t limit = o.login_timeout_ms ? o.login_timeout_ms : LOGIN_TIMEOUT_MS;

    o.login_timeout_ms = left_ms < limit ? (uint32_t)left_ms + 1 : limit;
    pthread_mutex_unlock(&s->lock);
    pause_ms(s, hold_ms);
    osd_status st = isc_establish(l, &s->url, &o, false, &s->portal, why);
    pthread_mutex_lock(&s->lock);
    return st;
}

static void install(struct iscsi_session *s, const struct isc_link *l)
{
    s->link = *l;
    s->state = ISC_UP;
    s->rx_seen = s->rx_count;
    s->now_ms = s->heard_ms = osd_monotonic_ms();
    isc_transmit(s);
}

/* Trying again would only annoy the target. Without CHAP a refusal may be a target in motion.
 */
static bool is_final(const struct iscsi_session *s, osd_status st)
{
    return st == OSD_E_DENIED && s->url.user[0];
}

void isc_reconnect(struct iscsi_session *s)
{
    struct isc_reason why = {s->why, sizeof(s->why)};
    struct isc_link l = isc_link_make(s->wake_fd);
    uint64_t start = osd_monotonic_ms(), past = 0;
    uint32_t hold = s->hold_ms, backoff = s->backoff_ms;
    osd_status st = OSD_E_UNREACHABLE;

    s->leader = true;
    s->hold_ms = 0;
    memcpy(l.isid, s->link.isid, sizeof(l.isid));
    while (!s->closing && past < s->opt.reconnect_ms) {
        st = try_once(s, &l, hold, s->opt.reconnect_ms - past, &why);
        if (st == OSD_OK || is_final(s, st))
            break;
        past = osd_monotonic_ms() - start;
        hold = backoff;
        backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
    }
    s->leader = false;
    if (st == OSD_OK)
        install(s, &l);
    else if (!s->closing)
        end_all(s, &s->pending, is_final(s, st) ? st : OSD_E_UNREACHABLE);
    isc_waiters_wake(s);
}

/* ---- the clock ---- */

static void send_abort(struct iscsi_session *s, struct isc_task *t)
{
    uint8_t bhs[ISC_BHS_LEN];

    t->aborting = true;
    s->abort_tag = isc_control_tag(s, ISC_TAG_ABORT);
    s->abort_of = t->itt;
    s->abort_due_ms = s->now_ms + s->abort_ms;
    isc_pdu_start(bhs, ISC_TASK_REQUEST | ISC_IMMEDIATE, ISC_F_FINAL | TASK_ABORT,
                  s->abort_tag);
    isc_lun_encode(t->cmd->lun, bhs + ISC_LUN);
    be32_put(bhs + ISC_REF_ITT, t->itt);
    be32_put(bhs + ISC_REF_CMD_SN, t->cmd_sn);
    isc_control_put(s, bhs);
}

static bool is_late(struct iscsi_session *s, struct isc_task *t)
{
    if (t->due_ms == 0)
        t->due_ms = s->now_ms + s->opt.command_timeout_ms;
    return s->now_ms > t->due_ms;
}

static void check_late(struct iscsi_session *s)
{
    struct isc_task *t, *next;

    for (t = TAILQ_FIRST(&s->pending); t; t = next) {
        next = TAILQ_NEXT(t, link);
        if (is_late(s, t)) /* never left */
            isc_task_end(s, t, OSD_E_TIMEOUT);
    }
    TAILQ_FOREACH(t, &s->running, link)
    {
        if (is_late(s, t) && !t->aborting && s->abort_tag == ISC_NO_TAG)
            send_abort(s, t);
    }
    if (s->abort_tag != ISC_NO_TAG && s->now_ms > s->abort_due_ms)
        isc_break(s, "%s does not answer an abort", s->link.portal);
}

static void check_silence(struct iscsi_session *s)
{
    uint8_t bhs[ISC_BHS_LEN];

    if (s->rx_count != s->rx_seen) {
        s->rx_seen = s->rx_count;
        s->heard_ms = s->now_ms;
        s->pinging = false;
    } else if (!s->pinging && s->now_ms - s->heard_ms > s->quiet_ms) {
        isc_pdu_start(bhs, ISC_NOP_OUT | ISC_IMMEDIATE, ISC_F_FINAL,
                      isc_control_tag(s, ISC_TAG_PING));
        be32_put(bhs + ISC_TTT, ISC_NO_TAG);
        isc_control_put(s, bhs);
        s->pinging = true;
        s->pinged_ms = s->now_ms;
    } else if (s->pinging && s->now_ms - s->pinged_ms > s->ping_ms) {
        isc_break(s, "%s does not answer a ping", s->link.portal);
    }
}

void isc_timers(struct iscsi_session *s)
{
    if (s->opt.command_timeout_ms > 0)
        check_late(s);
    check_silence(s);
    if (s->draining && s->now_ms > s->drain_due_ms)
        isc_break(s, "%s asked for logout", s->link.portal);
}

void isc_logout_send(struct iscsi_session *s)
{
    uint8_t bhs[ISC_BHS_LEN];

    if (s->state != ISC_UP || s->broken || s->logout_sent)
        return;
    s->logout_sent = true;
    isc_pdu_start(bhs, ISC_LOGOUT_REQUEST | ISC_IMMEDIATE, ISC_F_FINAL | LOGOUT_SESSION,
                  isc_control_tag(s, ISC_TAG_LOGOUT));
    isc_control_put(s, bhs);
}
