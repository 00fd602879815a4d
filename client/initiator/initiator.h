/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/initiator.h - userspace iSCSI initiator (RFC 7143) for CDBs of up to 260
 * bytes
 *
 * Knows iSCSI, not OSD: CDBs are opaque. One session has one connection (ERL 0).
 * Invariants:
 *  (1) Every submitted command's callback runs exactly once, also when the session dies.
 *  (2) Commands are numbered and sent in the order of submission and never beyond MaxCmdSN.
 *  (3) Nothing a peer sends grows memory without bound (login text <= 64 KiB, sense <= 252).
 * Threads: any thread may submit, wait or service; the session locks itself. Callbacks run in
 * the thread that services the session, without the session lock held; they may submit.
 */
#ifndef INITIATOR_INITIATOR_H
#define INITIATOR_INITIATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/iov.h"
#include "osd/status.h"

struct iscsi_session;

#define ISCSI_NAME_MAX  224
#define ISCSI_SENSE_MAX 252

/** iscsi://[user%secret@]host[:port][/iqn[/lun]]. IPv6 hosts in brackets. Further portals:
 *  ?portal=host:port (repeatable); mutual CHAP: ?mutual=user%secret; ?digest=data asks for data
 *  digests. Percent-escapes are undone except the first % in user%secret. */
struct iscsi_url {
    char portals[8][280]; /* "host:port" */
    int n_portals;
    char target[ISCSI_NAME_MAX];
    uint64_t lun;
    bool has_target, has_lun;
    char user[256], secret[256];
    char mutual_user[256], mutual_secret[256];
    bool data_digest;
};

/** Parse; OSD_E_INVALID with a sentence in reason (at most reason_len bytes). */
osd_status iscsi_url_parse(const char *url, struct iscsi_url *ret, char *reason,
                           size_t reason_len);

struct iscsi_options {
    char initiator_name[ISCSI_NAME_MAX]; /* "" = iqn.2026-11.org.liosd:<hostname> */
    uint32_t login_timeout_ms;           /* 0 = 10,000 */
    uint32_t command_timeout_ms;         /* 0 = no limit */
    uint32_t reconnect_ms; /* how long to try again after a lost connection; 0 = not at all */
    uint32_t max_burst, first_burst, max_recv_segment; /* 0 = defaults */
    bool no_immediate_data;
};

/**
 * Log in to url->target on the first portal that answers (others are tried in turn).
 * OSD_E_UNREACHABLE, OSD_E_DENIED (CHAP), OSD_E_NOT_FOUND (target), OSD_E_PROTOCOL,
 * OSD_E_TIMEOUT; a sentence in reason.
 */
osd_status iscsi_connect(const struct iscsi_url *url, const struct iscsi_options *opt,
                         struct iscsi_session **ret, char *reason, size_t reason_len);

/** Log out, fail what is under way with OSD_E_INTERRUPTED, free. */
void iscsi_disconnect(struct iscsi_session *s);

enum iscsi_retry {
    ISCSI_RETRY_NEVER, /* fail with OSD_E_UNREACHABLE if the connection dies under it */
    ISCSI_RETRY_SAFE /* send it again on the next connection (idempotent, or nonce-protected) */
};

/** One command. The memory named here stays the caller's and untouched until the callback.
 *  Only one of out and in may be non-empty (LIO carries no bidirectional command). */
struct iscsi_command {
    uint64_t lun;
    const uint8_t *cdb;
    size_t cdb_len;     /* 6..260 */
    struct osd_iov out; /* Data-Out */
    struct osd_iov in;  /* Data-In; bytes not received are left as they were */
    enum iscsi_retry retry;
    void (*done)(struct iscsi_command *cmd, void *arg);
    void *arg;
    /* Results, valid in done(). */
    osd_status status;   /* transport's verdict; OSD_OK = SCSI status below is valid */
    uint8_t scsi_status; /* SAM status */
    uint8_t sense[ISCSI_SENSE_MAX];
    size_t sense_len;
    uint64_t in_len; /* Data-In bytes received (EDTL minus residual) */
    bool resent;     /* was sent more than once */
    void *internal;  /* the session's own */
};

/**
 * Submit. done() will run exactly once (not inside this call) unless an error is returned.
 * OSD_E_INVALID (lengths); OSD_E_UNREACHABLE (session dead and not reconnecting).
 */
osd_status iscsi_submit(struct iscsi_session *s, struct iscsi_command *cmd);

/** Send and receive what can be, running callbacks; waits up to timeout_ms (-1 = for ever) for
 *  something to happen. Returns the number of callbacks run, or -1 when the session is dead. */
int iscsi_service(struct iscsi_session *s, int timeout_ms);

/** Submit and wait. Fills the results; returns cmd->status. BUSY and TASK SET FULL are returned
 *  as scsi_status, not retried here. */
osd_status iscsi_execute(struct iscsi_session *s, struct iscsi_command *cmd);

/** Commands that may be in flight now (MaxCmdSN window). */
uint32_t iscsi_window(struct iscsi_session *s);

/** SendTargets discovery on a portal. visit() gets each target name with one portal address;
 *  several times for several portals. */
osd_status iscsi_discover(const struct iscsi_url *url, const struct iscsi_options *opt,
                          void (*visit)(void *arg, const char *target, const char *portal),
                          void *arg, char *reason, size_t reason_len);

#endif
