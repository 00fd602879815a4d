/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/receive.c - from bytes to finished tasks
 *
 * Small PDUs come whole through the receive buffer, several per recv. The data of a large
 * Data-In is read straight into the caller's memory, together with whatever follows it into the
 * buffer, by one recvmsg.
 *
 * Invariants:
 *  (1) Data-In is accepted in order only (DataPDUInOrder and DataSequenceInOrder are Yes): it
 *      begins at task->received and ends within the Data-In memory. Anything else breaks the
 *      connection before a byte is stored.
 *  (2) Status numbers are taken from PDUs that carry one; MaxCmdSN never goes back.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/crc32c.h"
#include "initiator_internal.h"

#define READS_MAX   64 /* system calls before others get a chance */
#define DIRECT_IOV  62
#define REJECT_CRC  0x02
#define SAM_GOOD    0x00
#define TASK_GONE   1 /* task management: function complete is 0, task does not exist is 1 */
#define EVENT_SCSI  0
#define EVENT_LEAVE 1
#define EVENT_DROP  2
#define EVENT_DROPS 3
#define EVENT_TEXT  4

/* ---- numbers ---- */

static void take_window(struct iscsi_session *s, const uint8_t *bhs)
{
    uint32_t exp = isc_word(bhs, ISC_EXP_CMD_SN), max = isc_word(bhs, ISC_MAX_CMD_SN);

    if (!isc_sn_before(max, exp - 1) && isc_sn_before(s->link.max_cmd_sn, max))
        s->link.max_cmd_sn = max;
}

static void take_status_number(struct iscsi_session *s, const uint8_t *bhs)
{
    uint32_t sn = isc_word(bhs, ISC_STAT_SN);

    if (!isc_sn_before(sn, s->link.exp_stat_sn))
        s->link.exp_stat_sn = sn + 1;
}

/* ---- what a PDU means ---- */

/* Fill the results from a status and the residual; sense is already in place. */
static void end_with_status(struct iscsi_session *s, struct isc_task *t, const uint8_t *bhs)
{
    struct iscsi_command *c = t->cmd;
    uint64_t expected = c->in.len, residual = isc_word(bhs, ISC_RESIDUAL);

    if (bhs[ISC_FLAGS] & ISC_F_UNDERFLOW)
        expected = residual < expected ? expected - residual : 0;
    c->scsi_status = bhs[ISC_STATUS];
    c->in_len = t->received < expected ? t->received : expected;
    /* GOOD with bytes missing that no residual accounts for: data was lost. */
    bool lost = c->scsi_status == SAM_GOOD && t->received < expected;
    isc_task_end(s, t, lost ? OSD_E_PROTOCOL : OSD_OK);
}

static void on_response(struct iscsi_session *s)
{
    const struct isc_rx *rx = &s->rx;
    struct isc_task *t = isc_task_find(s, isc_word(rx->bhs, ISC_ITT));

    take_status_number(s, rx->bhs);
    if (!t)
        return;                     /* aborted meanwhile */
    if (rx->bhs[ISC_REASON] != 0) { /* target failure */
        isc_task_end(s, t, OSD_E_IO);
        return;
    }
    t->cmd->sense_len = 0;
    if (rx->data_len >= 2) {
        size_t len = be16_get(rx->stash);
        if (len > rx->data_len - 2)
            len = rx->data_len - 2;
        if (len > ISCSI_SENSE_MAX)
            len = ISCSI_SENSE_MAX;
        memcpy(t->cmd->sense, rx->stash + 2, len);
        t->cmd->sense_len = len;
    }
    end_with_status(s, t, rx->bhs);
}

static void on_data_in(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;
    struct isc_task *t = rx->task;
    bool status = rx->bhs[ISC_FLAGS] & ISC_F_STATUS;

    rx->task = NULL;
    if (status)
        take_status_number(s, rx->bhs);
    if (!t)
        return;
    t->data_sn++;
    if (status) {
        t->cmd->sense_len = 0;
        end_with_status(s, t, rx->bhs);
    }
}

static void on_r2t(struct iscsi_session *s)
{
    const uint8_t *bhs = s->rx.bhs;
    struct isc_task *t = isc_task_find(s, isc_word(bhs, ISC_ITT));
    uint32_t at = isc_word(bhs, ISC_OFFSET), len = isc_word(bhs, ISC_DESIRED);

    if (!t)
        return;
    bool early = t->bursting && t->burst_ttt == ISC_NO_TAG && !t->held;
    if ((t->bursting && !early) || isc_word(bhs, ISC_DATA_SN) != t->r2t_sn || len == 0 ||
        len > s->link.agreed.max_burst || (uint64_t)at + len > t->cmd->out.len) {
        isc_break(s, "%s asks for data in a way that was not agreed", s->link.portal);
        return;
    }
    t->r2t_sn++;
    t->held = early;
    t->held_ttt = isc_word(bhs, ISC_TTT);
    t->held_at = at;
    t->held_len = len;
    if (!early)
        isc_burst_start(s, t, t->held_ttt, at, len);
}

static void on_nop_in(struct iscsi_session *s)
{
    const uint8_t *in = s->rx.bhs;
    uint8_t bhs[ISC_BHS_LEN];

    if (isc_word(in, ISC_ITT) != ISC_NO_TAG) { /* answer to ours */
        take_status_number(s, in);
        return;
    }
    if (isc_word(in, ISC_TTT) == ISC_NO_TAG)
        return;
    isc_pdu_start(bhs, ISC_NOP_OUT | ISC_IMMEDIATE, ISC_F_FINAL, ISC_NO_TAG);
    memcpy(bhs + ISC_LUN, in + ISC_LUN, 8);
    be32_put(bhs + ISC_TTT, isc_word(in, ISC_TTT));
    isc_control_put(s, bhs);
}

static void on_task_response(struct iscsi_session *s)
{
    const uint8_t *bhs = s->rx.bhs;

    take_status_number(s, bhs);
    if (isc_word(bhs, ISC_ITT) != s->abort_tag)
        return;
    struct isc_task *t = isc_task_find(s, s->abort_of);
    s->abort_tag = ISC_NO_TAG;
    if (!t)
        return;
    if (bhs[ISC_REASON] <= TASK_GONE)
        isc_task_end(s, t, OSD_E_TIMEOUT);
    else
        isc_break(s, "%s cannot abort a command (response %u)", s->link.portal,
                  bhs[ISC_REASON]);
}

/* A number the target did not take leaves a gap that holds up all later commands. A ping that
 * is not immediate takes the number. */
static void plug_gap(struct iscsi_session *s, uint32_t cmd_sn)
{
    uint8_t bhs[ISC_BHS_LEN];

    isc_pdu_start(bhs, ISC_NOP_OUT, ISC_F_FINAL, isc_control_tag(s, ISC_TAG_PLUG));
    be32_put(bhs + ISC_TTT, ISC_NO_TAG);
    be32_put(bhs + ISC_CMD_SN, cmd_sn);
    isc_control_put(s, bhs);
}

static void on_reject(struct iscsi_session *s)
{
    const struct isc_rx *rx = &s->rx;
    const uint8_t *refused = rx->stash;
    uint8_t reason = rx->bhs[ISC_REASON];

    take_status_number(s, rx->bhs);
    if (rx->data_len < ISC_BHS_LEN || isc_opcode(refused) != ISC_COMMAND ||
        reason == REJECT_CRC) {
        isc_break(s, "%s rejects a PDU (%02xh, reason %02xh)", s->link.portal,
                  rx->data_len > 0 ? isc_opcode(refused) : 0, reason);
        return;
    }
    struct isc_task *t = isc_task_find(s, isc_word(refused, ISC_ITT));
    if (!t)
        return;
    uint32_t cmd_sn = t->cmd_sn;
    isc_task_end(s, t, OSD_E_PROTOCOL);
    if (!isc_sn_before(cmd_sn, isc_word(rx->bhs, ISC_EXP_CMD_SN)))
        plug_gap(s, cmd_sn);
}

static void on_logout_response(struct iscsi_session *s)
{
    take_status_number(s, s->rx.bhs);
    isc_break(s, "%s: logged out", s->link.portal);
}

static void on_async(struct iscsi_session *s)
{
    const uint8_t *bhs = s->rx.bhs;
    uint8_t event = bhs[ISC_ASYNC_EVENT];
    uint32_t p2 = be16_get(bhs + ISC_ASYNC_PARAM1 + 2),
             p3 = be16_get(bhs + ISC_ASYNC_PARAM1 + 4);

    take_status_number(s, bhs);
    if (event == EVENT_LEAVE || event == EVENT_TEXT) {
        s->draining = true;
        s->drain_due_ms = s->now_ms + 1000 * (p3 ? p3 : 3);
        if (s->n_running == 0)
            isc_logout_send(s);
    } else if (event == EVENT_DROP || event == EVENT_DROPS) {
        s->hold_ms = 1000 * (p2 < 30 ? p2 : 30);
        isc_break(s, "%s announces that it drops the connection", s->link.portal);
    }
}

static const struct {
    uint8_t opcode;
    void (*act)(struct iscsi_session *s);
} actions[] = {
    {ISC_DATA_IN, on_data_in},
    {ISC_RESPONSE, on_response},
    {ISC_R2T, on_r2t},
    {ISC_NOP_IN, on_nop_in},
    {ISC_TASK_RESPONSE, on_task_response},
    {ISC_REJECT, on_reject},
    {ISC_ASYNC, on_async},
    {ISC_LOGOUT_RESPONSE, on_logout_response},
};

static void act(struct iscsi_session *s)
{
    uint8_t opcode = isc_opcode(s->rx.bhs);

    take_window(s, s->rx.bhs);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (actions[i].opcode == opcode) {
            actions[i].act(s);
            return;
        }
    }
    isc_break(s, "%s sends an unexpected PDU (%02xh)", s->link.portal, opcode);
}

/* ---- the stream ---- */

static size_t have(const struct isc_rx *rx)
{
    return rx->end - rx->start;
}

/* A header has come: is it acceptable, and where does its data go? */
static void begin_body(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;

    rx->data_len = isc_data_len(rx->bhs);
    rx->got = 0;
    rx->crc = 0;
    rx->task = NULL;
    rx->body = true;
    s->rx_count++;
    if (rx->data_len > s->link.offer.max_recv) {
        isc_break(s, "%s sends more data in one PDU than agreed", s->link.portal);
        return;
    }
    if (isc_opcode(rx->bhs) != ISC_DATA_IN)
        return;
    struct isc_task *t = isc_task_find(s, isc_word(rx->bhs, ISC_ITT));
    if (!t)
        return; /* aborted meanwhile: read and forget */
    if (isc_word(rx->bhs, ISC_OFFSET) != t->received ||
        isc_word(rx->bhs, ISC_DATA_SN) != t->data_sn ||
        t->received + rx->data_len > t->cmd->in.len)
        isc_break(s, "%s sends Data-In out of order or beyond the end", s->link.portal);
    else
        rx->task = t;
}

static bool take_header(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;
    const uint8_t *at = rx->buf + rx->start;

    if (have(rx) < ISC_BHS_LEN || have(rx) < ISC_BHS_LEN + isc_ahs_len(at))
        return false;
    memcpy(rx->bhs, at, ISC_BHS_LEN);
    rx->start += ISC_BHS_LEN + isc_ahs_len(at);
    begin_body(s);
    return true;
}

/* Data bytes that are in the receive buffer, to where they belong. */
static void take_data(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;
    const uint8_t *at = rx->buf + rx->start;
    size_t n = rx->data_len - rx->got;

    if (n > have(rx))
        n = have(rx);
    if (s->link.agreed.data_digest)
        rx->crc = osd_crc32c(rx->crc, at, n);
    if (rx->task) {
        osd_iov_write(&rx->task->cmd->in, rx->task->received, at, n);
        rx->task->received += n;
    } else if (rx->got < ISC_STASH) {
        size_t room = ISC_STASH - rx->got;
        memcpy(rx->stash + rx->got, at, n < room ? n : room);
    }
    rx->got += (uint32_t)n;
    rx->start += n;
}

/* Padding and digest. False: not all there yet. */
static bool take_tail(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;
    const uint8_t *at = rx->buf + rx->start;
    size_t pad = isc_pad(rx->data_len);
    size_t digest = s->link.agreed.data_digest && rx->data_len > 0 ? 4 : 0;

    if (have(rx) < pad + digest)
        return false;
    rx->start += pad + digest;
    rx->body = false;
    if (digest) {
        uint32_t crc = osd_crc32c(rx->crc, at, pad);
        at += pad;
        if (crc !=
            ((uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0]))
            isc_break(s, "%s: data digest error", s->link.portal);
    }
    return true;
}

/* Consume what the buffer holds. */
static void take(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;

    while (!s->broken) {
        if (!rx->body && !take_header(s))
            break;
        if (s->broken)
            break;
        take_data(s);
        if (rx->got < rx->data_len || !take_tail(s))
            break;
        if (!s->broken)
            act(s);
    }
    if (rx->start == rx->end)
        rx->start = rx->end = 0;
    if (rx->start > 0 && ISC_RX_BUF - rx->end < 4096) {
        memmove(rx->buf, rx->buf + rx->start, have(rx));
        rx->end -= rx->start;
        rx->start = 0;
    }
}

/* The caller's memory for the rest of a Data-In, when nothing of it is left in the buffer. */
static int direct_pieces(struct iscsi_session *s, struct iovec *v)
{
    struct isc_rx *rx = &s->rx;

    if (!rx->body || !rx->task || have(rx) > 0 || rx->got == rx->data_len)
        return 0;
    return osd_iov_slice(&rx->task->cmd->in, rx->task->received, rx->data_len - rx->got, v,
                         DIRECT_IOV);
}

/* Bytes that went directly to the caller's memory. Returns how many of n those were. */
static size_t take_direct(struct iscsi_session *s, const struct iovec *v, int pieces, size_t n)
{
    size_t done = 0;

    for (int i = 0; i < pieces && done < n; i++) {
        size_t part = v[i].iov_len < n - done ? v[i].iov_len : n - done;
        if (s->link.agreed.data_digest)
            s->rx.crc = osd_crc32c(s->rx.crc, v[i].iov_base, part);
        done += part;
    }
    s->rx.got += (uint32_t)done;
    if (pieces > 0)
        s->rx.task->received += done;
    return done;
}

/* One system call. False: nothing more to read now. */
static bool receive_once(struct iscsi_session *s)
{
    struct isc_rx *rx = &s->rx;
    struct iovec v[DIRECT_IOV + 1];
    int pieces = direct_pieces(s, v);
    size_t want = ISC_RX_BUF - rx->end;
    struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)pieces + 1};

    v[pieces] = (struct iovec){rx->buf + rx->end, want};
    uint64_t direct = osd_iov_make(v, pieces).len;
    if (pieces > 0 && direct < rx->data_len - rx->got)
        m.msg_iovlen--; /* many pieces: the rest of the data comes first */
    else
        direct += want;
    ssize_t n = recvmsg(s->link.fd, &m, MSG_DONTWAIT);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            isc_break(s, "%s: %s", s->link.portal, strerror(errno));
        return errno == EINTR && !s->broken;
    }
    if (n == 0) {
        isc_break(s, "%s closed the connection", s->link.portal);
        return false;
    }
    rx->end += (size_t)n - take_direct(s, v, pieces, (size_t)n);
    take(s);
    return (uint64_t)n == direct && !s->broken;
}

void isc_receive(struct iscsi_session *s)
{
    if (s->state != ISC_UP || s->broken)
        return;
    for (int i = 0; i < READS_MAX && receive_once(s); i++)
        ;
}
