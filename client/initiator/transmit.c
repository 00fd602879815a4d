/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/transmit.c - from tasks to bytes: batches of PDUs, one sendmsg each
 *
 * A batch holds headers in its arena and points into the callers' Data-Out memory; nothing is
 * copied. Order: control PDUs, running bursts (first come, first served, so unsolicited data
 * keeps the order of its commands), then new commands as far as MaxCmdSN allows.
 *
 * Invariants:
 *  (1) A task named by a PDU of the batch that has not left completely is counted in
 *      task->batched; its memory is not given back before the count is zero.
 *  (2) A PDU is built only when the batch has room for it, so building cannot fail half way.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/crc32c.h"
#include "initiator_internal.h"

#define PDU_IOV_MIN 8 /* free pieces needed to start another PDU */

static bool batch_has_room(const struct isc_batch *b)
{
    return b->pdu_n < ISC_BATCH_PDUS && b->iov_n + PDU_IOV_MIN <= ISC_BATCH_IOV;
}

static void batch_add(struct isc_batch *b, void *base, size_t len)
{
    b->iov[b->iov_n++] = (struct iovec){base, len};
    b->len += len;
}

/* Pieces of the Data-Out range that fit the batch. Returns the bytes they cover, which may be
 * fewer than asked: whole words then, so that only a last PDU has padding. */
static uint32_t batch_add_data(struct isc_batch *b, const struct osd_iov *data, uint64_t at,
                               uint32_t len)
{
    struct iovec *v = b->iov + b->iov_n;
    int n = osd_iov_slice(data, at, len, v, ISC_BATCH_IOV - b->iov_n - 1);
    uint32_t have = 0;

    for (int i = 0; i < n; i++)
        have += (uint32_t)v[i].iov_len;
    for (uint32_t cut = have < len && have > 3 ? have & 3 : 0; cut > 0;) {
        uint32_t part = v[n - 1].iov_len < cut ? (uint32_t)v[n - 1].iov_len : cut;
        v[n - 1].iov_len -= part;
        n -= v[n - 1].iov_len == 0;
        cut -= part;
        have -= part;
    }
    b->iov_n += n;
    b->len += have;
    return have;
}

/* Padding and, when agreed, the digest behind a data segment of pieces first..iov_n-1. */
static void batch_add_tail(struct iscsi_session *s, int first, uint32_t len)
{
    struct isc_batch *b = &s->batch;
    uint8_t *tail = b->arena[b->pdu_n] + ISC_HEAD_MAX;
    size_t pad = isc_pad(len), n = pad;

    if (len == 0)
        return;
    memset(tail, 0, ISC_TAIL_MAX);
    if (s->link.agreed.data_digest) {
        uint32_t crc = 0;
        for (int i = first; i < b->iov_n; i++)
            crc = osd_crc32c(crc, b->iov[i].iov_base, b->iov[i].iov_len);
        crc = osd_crc32c(crc, tail, pad);
        for (int i = 0; i < 4; i++)
            tail[n++] = (uint8_t)(crc >> 8 * i); /* least significant byte first */
    }
    if (n > 0)
        batch_add(b, tail, n);
}

static void batch_end_pdu(struct isc_batch *b, struct isc_task *t, bool command)
{
    b->pdu[b->pdu_n].task = t;
    b->pdu[b->pdu_n].command = command;
    b->pdu[b->pdu_n].end = b->len;
    b->pdu_n++;
    if (t)
        t->batched++;
}

static void put_control(struct iscsi_session *s)
{
    struct isc_batch *b = &s->batch;
    uint8_t *head = b->arena[b->pdu_n];

    memcpy(head, s->control[s->control_at], ISC_BHS_LEN);
    s->control_at = (s->control_at + 1) % ISC_CONTROL_MAX;
    s->control_n--;
    if (head[0] & ISC_IMMEDIATE) /* otherwise it fills a gap and has its number */
        be32_put(head + ISC_CMD_SN, s->link.cmd_sn);
    be32_put(head + ISC_EXP_STAT_SN, s->link.exp_stat_sn);
    batch_add(b, head, ISC_BHS_LEN);
    batch_end_pdu(b, NULL, false);
}

void isc_burst_start(struct iscsi_session *s, struct isc_task *t, uint32_t ttt, uint64_t at,
                     uint64_t len)
{
    t->burst_ttt = ttt;
    t->burst_at = at;
    t->burst_end = at + len;
    t->burst_sn = 0;
    t->bursting = true;
    TAILQ_INSERT_TAIL(&s->bursts, t, burst_link);
}

void isc_burst_stop(struct iscsi_session *s, struct isc_task *t)
{
    if (t->bursting)
        TAILQ_REMOVE(&s->bursts, t, burst_link);
    t->bursting = false;
}

/* A burst has been put into batches; an R2T may have come meanwhile. */
static void burst_end(struct iscsi_session *s, struct isc_task *t)
{
    isc_burst_stop(s, t);
    if (t->held)
        isc_burst_start(s, t, t->held_ttt, t->held_at, t->held_len);
    t->held = false;
}

static void put_data_out(struct iscsi_session *s, struct isc_task *t)
{
    struct isc_batch *b = &s->batch;
    uint8_t *head = b->arena[b->pdu_n];
    uint64_t left = t->burst_end - t->burst_at;
    uint32_t max = s->link.agreed.max_recv;

    batch_add(b, head, ISC_BHS_LEN);
    int first = b->iov_n;
    uint32_t len =
        batch_add_data(b, &t->cmd->out, t->burst_at, left < max ? (uint32_t)left : max);
    isc_pdu_data_out(head, &(struct isc_data_out_pdu){.lun = t->cmd->lun,
                                                      .itt = t->itt,
                                                      .ttt = t->burst_ttt,
                                                      .data_sn = t->burst_sn++,
                                                      .offset = (uint32_t)t->burst_at,
                                                      .len = len,
                                                      .final = len == left});
    be32_put(head + ISC_EXP_STAT_SN, s->link.exp_stat_sn);
    t->burst_at += len;
    batch_add_tail(s, first, len);
    batch_end_pdu(b, t, false);
    if (t->burst_at == t->burst_end)
        burst_end(s, t);
}

/* Give a pending task a slot, a tag and a number. */
static void task_start(struct iscsi_session *s, struct isc_task *t)
{
    unsigned slot = 0;

    while (s->slot[slot])
        slot++;
    s->slot[slot] = t;
    s->n_running++;
    TAILQ_REMOVE(&s->pending, t, link);
    TAILQ_INSERT_TAIL(&s->running, t, link);
    t->itt = ++s->generation << 8 | slot;
    t->cmd_sn = s->link.cmd_sn++;
    t->cmd->resent = t->sends++ > 0;
    t->running = true;
    t->whole = t->held = false;
    t->r2t_sn = t->data_sn = 0;
    t->received = 0;
}

static uint32_t least(uint64_t a, uint32_t b)
{
    return a < b ? (uint32_t)a : b;
}

static void put_command(struct iscsi_session *s, struct isc_task *t)
{
    const struct isc_params *p = &s->link.agreed;
    struct iscsi_command *c = t->cmd;
    struct isc_batch *b = &s->batch;
    uint8_t *head = b->arena[b->pdu_n];
    uint32_t unasked = least(c->out.len, p->first_burst);
    uint32_t immediate = p->immediate_data ? least(unasked, p->max_recv) : 0;

    task_start(s, t);
    batch_add(b, head, 0);
    int at = b->iov_n;
    immediate = batch_add_data(b, &c->out, 0, immediate);
    unasked = p->initial_r2t ? 0 : unasked - immediate;
    size_t len = isc_pdu_command(
        head, &(struct isc_command_pdu){.lun = c->lun,
                                        .itt = t->itt,
                                        .edtl = (uint32_t)(c->out.len + c->in.len),
                                        .cmd_sn = t->cmd_sn,
                                        .immediate = immediate,
                                        .read = c->in.len > 0,
                                        .write = c->out.len > 0,
                                        .final = unasked == 0,
                                        .cdb = c->cdb,
                                        .cdb_len = c->cdb_len});
    be32_put(head + ISC_EXP_STAT_SN, s->link.exp_stat_sn);
    b->iov[at - 1].iov_len = len;
    b->len += len;
    batch_add_tail(s, at, immediate);
    batch_end_pdu(b, t, true);
    if (unasked > 0)
        isc_burst_start(s, t, ISC_NO_TAG, immediate, unasked);
}

static bool may_start(const struct iscsi_session *s)
{
    return !TAILQ_EMPTY(&s->pending) && s->n_running < ISC_RUNNING_MAX && !s->draining &&
           !isc_sn_before(s->link.max_cmd_sn, s->link.cmd_sn);
}

static void fill_batch(struct iscsi_session *s)
{
    while (batch_has_room(&s->batch)) {
        if (s->control_n > 0)
            put_control(s);
        else if (!TAILQ_EMPTY(&s->bursts))
            put_data_out(s, TAILQ_FIRST(&s->bursts));
        else if (may_start(s))
            put_command(s, TAILQ_FIRST(&s->pending));
        else
            break;
    }
}

/* PDUs that have left completely no longer hold their tasks. */
static void retire_pdus(struct iscsi_session *s)
{
    struct isc_batch *b = &s->batch;

    while (b->pdu_at < b->pdu_n && b->pdu[b->pdu_at].end <= b->written) {
        struct isc_task *t = b->pdu[b->pdu_at].task;
        if (t) {
            t->whole |= b->pdu[b->pdu_at].command;
            t->batched--;
            if (t->over && t->batched == 0)
                isc_task_release(s, t);
        }
        b->pdu_at++;
    }
}

static void batch_reset(struct isc_batch *b)
{
    b->iov_at = b->iov_n = b->pdu_at = b->pdu_n = 0;
    b->written = b->len = 0;
}

static void batch_advance(struct iscsi_session *s, size_t n)
{
    struct isc_batch *b = &s->batch;

    b->written += n;
    while (n > 0) {
        struct iovec *v = &b->iov[b->iov_at];
        size_t part = v->iov_len < n ? v->iov_len : n;
        v->iov_base = (uint8_t *)v->iov_base + part;
        v->iov_len -= part;
        n -= part;
        b->iov_at += v->iov_len == 0;
    }
    retire_pdus(s);
    if (b->written == b->len)
        batch_reset(b);
}

void isc_batch_drop(struct iscsi_session *s)
{
    struct isc_batch *b = &s->batch;

    b->written = 0;
    for (; b->pdu_at < b->pdu_n; b->pdu_at++) {
        struct isc_task *t = b->pdu[b->pdu_at].task;
        if (t && --t->batched == 0 && t->over)
            isc_task_release(s, t);
    }
    batch_reset(b);
    s->control_n = 0;
    s->want_out = false;
}

void isc_transmit(struct iscsi_session *s)
{
    struct isc_batch *b = &s->batch;

    while (s->state == ISC_UP && !s->broken) {
        if (b->len == 0)
            fill_batch(s);
        s->want_out = b->len > 0;
        if (b->len == 0)
            return;
        struct msghdr m = {.msg_iov = b->iov + b->iov_at,
                           .msg_iovlen = (size_t)(b->iov_n - b->iov_at)};
        ssize_t n = sendmsg(s->link.fd, &m, MSG_NOSIGNAL);
        if (n > 0)
            batch_advance(s, (size_t)n);
        else if (n < 0 && errno == EAGAIN)
            return;
        else if (n == 0 || errno != EINTR)
            isc_break(s, "%s: %s", s->link.portal, strerror(errno));
    }
}
