/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/initiator_internal.h - what the files of this room share
 *
 * Two halves. A link (link.c, login.c, discover.c) is a connection used by one thread with
 * deadlines, from connecting to the end of login, or for a discovery session. A session
 * (session.c, transmit.c, receive.c, recover.c) takes a logged-in link over and runs commands.
 *
 * Invariants of a session:
 *  (1) Everything in it is read and written with its lock held. The lock is given up only in
 *      poll() by the leader, while reconnecting by the keeper (which then is the leader), while
 *      waiting on a condition, and around callbacks.
 *  (2) At most one thread leads; only the leader, or anybody while there is no leader, closes
 *      or replaces the descriptor. Others mark the session broken and wake the leader.
 *  (3) A task is in exactly one list: pending (not on the wire), running (CmdSN order, with a
 *      slot), lingering (finished, its memory still part of the transmit batch) or done
 *      (callback due).
 */
#ifndef INITIATOR_INTERNAL_H
#define INITIATOR_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "initiator/initiator.h"
#include "pdu.h"

#define ISC_PORTAL_MAX   280
#define ISC_TEXT_MAX     65536         /* login text, either direction */
#define ISC_DISCOVER_MAX (1024 * 1024) /* answer to SendTargets */
#define ISC_RUNNING_MAX  128           /* commands on the wire */
#define ISC_SENDS_MAX    16            /* times one command is put on the wire */

/* ---- reasons ---- */

/** Where the sentence for the human goes; text may be NULL. */
struct isc_reason {
    char *text;
    size_t len;
};

/** Write the sentence; returns st, so that it can be returned in one line. */
osd_status isc_say(struct isc_reason *why, osd_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** "host[:port]" (IPv6 in brackets, percent escapes undone) to "host:port". */
osd_status isc_portal_parse(const char *text, size_t len, char dst[ISC_PORTAL_MAX],
                            struct isc_reason *why);

/** Copy of the options with every default filled in; opt may be NULL. */
void isc_options_fill(const struct iscsi_options *opt, struct iscsi_options *ret);

/* ---- negotiation (negotiate.c) ---- */

/** Operational parameters; booleans are 0 or 1. */
struct isc_params {
    uint32_t header_digest, data_digest;
    uint32_t initial_r2t, immediate_data;
    uint32_t max_burst, first_burst;
    uint32_t max_recv; /* as offered: ours; as agreed: the target's, so what we may send */
    uint32_t max_outstanding_r2t;
    uint32_t time2wait, time2retain;
    uint32_t max_connections, error_recovery;
    uint32_t pdu_in_order, sequence_in_order;
};

/** One key=value of a text; both NUL-terminated inside the text's memory. */
struct isc_pair {
    char key[64];
    const char *value;
};

/**
 * Next pair at *pos of a text. The text's last byte must be NUL; empty strings are skipped.
 * OSD_E_NOT_FOUND at the end, OSD_E_PROTOCOL for something that is no key=value.
 */
osd_status isc_text_next(struct osd_bytes text, size_t *pos, struct isc_pair *ret);

/** Value of the first pair with this key, or NULL. */
const char *isc_text_find(struct osd_bytes text, const char *key);

/** Append key=value and its NUL. OSD_E_NOMEM beyond the buffer's maximum. */
osd_status isc_text_add(struct osd_buf *b, const char *key, const char *value);

/** What we offer, from the options and the URL. */
struct isc_params isc_params_offer(const struct iscsi_options *opt, bool data_digest);

/** What holds if the target answers nothing: our offer combined with the RFC's defaults. */
struct isc_params isc_params_start(const struct isc_params *offer);

/** Append all keys of the offer. */
osd_status isc_params_put(const struct isc_params *offer, struct osd_buf *b);

/**
 * Take the target's text: answers change agreed, keys the target brought up itself get a reply.
 * OSD_E_PROTOCOL or OSD_E_UNSUPPORTED with a reason.
 */
osd_status isc_params_take(struct osd_bytes text, const struct isc_params *offer,
                           struct isc_params *agreed, struct osd_buf *reply,
                           struct isc_reason *why);

/* ---- CHAP (chap.c) ---- */

#define ISC_CHAP_DIGEST_MAX    32
#define ISC_CHAP_CHALLENGE_MAX 1024

/** One CHAP exchange. Zero it, set the four names, then offer, answer, verify. */
struct isc_chap {
    const char *user, *secret;               /* we prove ourselves with these */
    const char *mutual_user, *mutual_secret; /* "" = the target need not prove itself */
    int algorithm;
    uint8_t id; /* ours, sent to the target */
    uint8_t challenge[ISC_CHAP_DIGEST_MAX];
    size_t challenge_len;
    uint8_t response[ISC_CHAP_DIGEST_MAX]; /* ours, to recognise its reflection */
};

/** Digest length of a CHAP algorithm number that works here, or 0. */
size_t isc_chap_digest_len(int algorithm);

/** Digest of id, secret, challenge (RFC 1994). OSD_E_UNSUPPORTED for the algorithm. */
osd_status isc_chap_digest(int algorithm, uint8_t id, const char *secret,
                           struct osd_bytes challenge, uint8_t dst[ISC_CHAP_DIGEST_MAX]);

/** Hex (0x) or base64 (0b) constant to bytes. OSD_E_INVALID when malformed or too long. */
osd_status isc_binary_decode(const char *value, uint8_t *dst, size_t max, size_t *ret_len);

/** Append CHAP_A with what works here. */
osd_status isc_chap_offer(struct osd_buf *b);

/** Answer CHAP_A, CHAP_I, CHAP_C; challenges the target when mutual. */
osd_status isc_chap_answer(struct isc_chap *c, struct osd_bytes text, struct osd_buf *b,
                           struct isc_reason *why);

/** Check CHAP_N, CHAP_R of the target. OSD_E_DENIED unless it proved itself. */
osd_status isc_chap_verify(const struct isc_chap *c, struct osd_bytes text,
                           struct isc_reason *why);

/* ---- a connection with deadlines (link.c, login.c) ---- */

struct isc_link {
    int fd;               /* -1: none */
    int cancel_fd;        /* readable = give up; -1: none */
    uint64_t deadline_ms; /* monotonic */
    char portal[ISC_PORTAL_MAX];
    uint8_t isid[6];
    uint16_t tsih;
    uint32_t itt, cmd_sn, exp_stat_sn, max_cmd_sn;
    struct isc_params offer, agreed;
};

/** Connect fd to a portal. UNREACHABLE, TIMEOUT, INTERRUPTED. */
osd_status isc_link_connect(struct isc_link *l, const char *portal, struct isc_reason *why);

/** Close fd; harmless twice. */
void isc_link_close(struct isc_link *l);

/** Send a header and its data with padding. */
osd_status isc_link_send(struct isc_link *l, uint8_t *bhs, struct osd_bytes data,
                         struct isc_reason *why);

/** Receive one PDU; its data is appended to data (OSD_E_PROTOCOL when it would not fit). */
osd_status isc_link_receive(struct isc_link *l, uint8_t bhs[ISC_BHS_LEN], struct osd_buf *data,
                            struct isc_reason *why);

/** Login of a connected link; discovery session if url has no target or discovery is set.
 *  On OSD_E_BUSY with a non-empty redirect: log in there instead. */
osd_status isc_login(struct isc_link *l, const struct iscsi_url *url,
                     const struct iscsi_options *opt, bool discovery,
                     char redirect[ISC_PORTAL_MAX], struct isc_reason *why);

/**
 * Connect and log in, trying the portals in turn from *portal on and following redirections.
 * On success the link is in full feature phase and *portal is the one that answered.
 */
osd_status isc_establish(struct isc_link *l, const struct iscsi_url *url,
                         const struct iscsi_options *opt, bool discovery, int *portal,
                         struct isc_reason *why);

/** A link with a fresh ISID. */
struct isc_link isc_link_make(int cancel_fd);

/* ---- a session ---- */

enum isc_state {
    ISC_UP,
    ISC_LOST, /* no connection; the keeper makes one when a command waits */
    ISC_DEAD  /* no connection and never again */
};

struct isc_waiter {
    TAILQ_ENTRY(isc_waiter) link;
    pthread_cond_t cond;
    bool done; /* iscsi_execute: the command is over */
};

/** One command on its way. */
struct isc_task {
    TAILQ_ENTRY(isc_task) link; /* pending, running, lingering or done */
    TAILQ_ENTRY(isc_task) burst_link;
    struct iscsi_command *cmd;
    struct isc_waiter *waiter; /* iscsi_execute's; NULL: callback */
    uint32_t itt, cmd_sn;
    bool running;       /* has a slot */
    unsigned sends;     /* times put into a transmit batch */
    unsigned batched;   /* PDUs of it in the transmit batch */
    bool whole;         /* its command PDU has left completely */
    bool over;          /* lingering */
    bool aborting;      /* ABORT TASK wanted or sent */
    uint64_t due_ms;    /* 0 = not yet set by the keeper */
    bool bursting;      /* in the burst list */
    uint32_t burst_ttt; /* the burst being sent: tag, position, end, next DataSN */
    uint64_t burst_at, burst_end;
    uint32_t burst_sn;
    bool held; /* an R2T came while unsolicited data was still leaving */
    uint32_t held_ttt, held_at, held_len;
    uint32_t r2t_sn;   /* next expected */
    uint32_t data_sn;  /* of Data-In, next expected */
    uint64_t received; /* Data-In bytes, contiguous from 0 */
};

TAILQ_HEAD(isc_task_list, isc_task);
TAILQ_HEAD(isc_waiter_list, isc_waiter);

#define ISC_BATCH_PDUS 16
#define ISC_BATCH_IOV  160
#define ISC_TAIL_MAX   8 /* padding and digest */

/** PDUs being written, as one writev. */
struct isc_batch {
    uint8_t arena[ISC_BATCH_PDUS][ISC_HEAD_MAX + ISC_TAIL_MAX];
    struct iovec iov[ISC_BATCH_IOV];
    int iov_at, iov_n;
    struct {
        struct isc_task *task; /* NULL: none */
        bool command;
        uint64_t end; /* in bytes of the batch */
    } pdu[ISC_BATCH_PDUS];
    int pdu_at, pdu_n;
    uint64_t written, len;
};

#define ISC_CONTROL_MAX 16
#define ISC_RX_BUF      16384
#define ISC_STASH       2048

/** The receive side: bytes not yet consumed and the PDU being received. */
struct isc_rx {
    uint8_t buf[ISC_RX_BUF];
    size_t start, end;
    bool body; /* bhs is valid, its data is being received */
    uint8_t bhs[ISC_BHS_LEN];
    uint32_t data_len, got;
    uint32_t crc;
    struct isc_task *task;    /* Data-In goes to this command's memory at task->received */
    uint8_t stash[ISC_STASH]; /* start of other PDUs' data */
};

struct iscsi_session {
    pthread_mutex_t lock;
    enum isc_state state;
    struct iscsi_url url;
    struct iscsi_options opt;
    struct isc_link link;
    int portal;
    int wake_fd;
    bool closing, leader, polling, broken, want_out;
    char why[256]; /* reason of the last loss */

    struct isc_task_list pending, running, lingering, done, bursts;
    struct isc_task *slot[ISC_RUNNING_MAX];
    unsigned n_running;
    uint32_t generation; /* makes task tags differ between uses of a slot */
    struct isc_batch batch;
    struct isc_rx rx;
    uint8_t control[ISC_CONTROL_MAX][ISC_BHS_LEN]; /* PDUs without data, waiting */
    unsigned control_at, control_n;

    struct isc_waiter_list waiters;
    unsigned users; /* threads inside execute or service */
    pthread_cond_t idle;
    pthread_t keeper;
    bool has_keeper;
    pthread_cond_t keeper_cond;

    /* the keeper's own */
    uint64_t now_ms, heard_ms, pinged_ms, rx_count, rx_seen;
    bool pinging;
    uint32_t abort_tag; /* of the outstanding ABORT TASK, or ISC_NO_TAG */
    uint32_t abort_of;  /* task tag it names */
    uint64_t abort_due_ms;
    bool draining, logout_sent; /* the target asked for logout */
    uint64_t drain_due_ms;
    uint32_t hold_ms; /* wait before the next connection (asynchronous message) */

    /* times, variable for tests */
    uint32_t tick_ms, quiet_ms, ping_ms, abort_ms, backoff_ms;
};

/** A session on a link that is in full feature phase; takes the descriptor over. */
osd_status isc_session_make(const struct iscsi_url *url, const struct iscsi_options *opt,
                            const struct isc_link *link, struct iscsi_session **ret);

/** Mark the connection unusable; the teardown follows by whoever may. */
void isc_break(struct iscsi_session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** End a task: fill the status, take it out of every list, hand it to its waiter. */
void isc_task_end(struct iscsi_session *s, struct isc_task *t, osd_status st);

/** A lingering task's memory is free of the batch: hand it over. */
void isc_task_release(struct iscsi_session *s, struct isc_task *t);

/** Wake every thread that waits inside execute or service. */
void isc_waiters_wake(struct iscsi_session *s);

/** Running task of a tag, or NULL. */
struct isc_task *isc_task_find(struct iscsi_session *s, uint32_t itt);

/** Fresh tag for something that is no command; kind 0..15 tells them apart. */
uint32_t isc_control_tag(struct iscsi_session *s, unsigned kind);

/** Append a header to the control queue; breaks the session when the peer provoked too many. */
void isc_control_put(struct iscsi_session *s, const uint8_t bhs[ISC_BHS_LEN]);

enum isc_control_kind { ISC_TAG_PING, ISC_TAG_ABORT, ISC_TAG_LOGOUT, ISC_TAG_PLUG };

/* transmit.c */
/** Write what may be written; never blocks. */
void isc_transmit(struct iscsi_session *s);
/** Forget the batch (the connection is gone). */
void isc_batch_drop(struct iscsi_session *s);
/** Begin to send a range of a task's Data-Out. */
void isc_burst_start(struct iscsi_session *s, struct isc_task *t, uint32_t ttt, uint64_t at,
                     uint64_t len);
void isc_burst_stop(struct iscsi_session *s, struct isc_task *t);

/* receive.c */
/** Read and act on what is there; never blocks. */
void isc_receive(struct iscsi_session *s);

/* recover.c */
/** If the connection is broken and nobody leads: close it, sort the tasks. */
void isc_settle(struct iscsi_session *s);
/** Close the connection; tasks that may be sent again go back to pending unless final. */
void isc_teardown(struct iscsi_session *s, osd_status final);
/** Timeouts, pings, draining. */
void isc_timers(struct iscsi_session *s);
/** Make a new connection; called by the keeper with the lock held, which it gives up. */
void isc_reconnect(struct iscsi_session *s);
/** Ask the target to end the session. */
void isc_logout_send(struct iscsi_session *s);

#endif
