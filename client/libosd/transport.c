/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/transport.c - see transport.h
 */
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "initiator/initiator.h"
#include "interpreter/interpreter.h"
#include "security/keyfile.h"
#include "security/seal.h"
#include "store/store.h"
#include "wire/cdb.h"
#include "wire/twophase.h"

#define RETRY_MS       60000u
#define FIRST_PAUSE_US 2000u
#define LAST_PAUSE_US  250000u

struct transport {
    uint32_t retry_ms;
    struct iscsi_session *iscsi; /* one of the two is set */
    uint64_t lun;
    struct osd_device *device;
    struct osd_store *store; /* the device's, for checks */
};

static osd_status open_iscsi(struct transport *t, const char *url, uint32_t command_ms,
                             char *reason, size_t reason_len)
{
    struct iscsi_options opt = {.reconnect_ms = t->retry_ms,
                                .login_timeout_ms = command_ms,
                                .command_timeout_ms = command_ms};
    struct iscsi_url u;
    osd_status st = iscsi_url_parse(url, &u, reason, reason_len);

    if (st)
        return st;
    if (!u.has_target || !u.has_lun) {
        snprintf(reason, reason_len, "%s names no target and LUN: iscsi://host/iqn/lun", url);
        return OSD_E_INVALID;
    }
    t->lun = u.lun;
    return iscsi_connect(&u, &opt, &t->iscsi, reason, reason_len);
}

struct key_source {
    const char *path;
    char *why;
    size_t why_len;
};

static osd_status first_key(void *arg, uint8_t ret[OSD_MASTER_LEN])
{
    const struct key_source *k = arg;

    return osd_keyfile_read(k->path, ret, k->why, k->why_len);
}

/* A store that lets everybody do everything is made only for who says so. */
static bool may_create(const struct osd_options *opt)
{
    return opt && opt->create && (opt->key_file || opt->method < 0);
}

/* A device is made of a store on the same terms, and nobody who asks for proof gets one that was made
 * with less. */
static osd_status check_method(const struct osd_device_config *dc, const char *path,
                               bool may_make, char *reason, size_t reason_len)
{
    uint8_t method;
    osd_status st = osd_device_made_with(dc->store, &method);

    if (st == OSD_E_NOT_FOUND && may_make)
        return OSD_OK;
    if (st == OSD_E_NOT_FOUND)
        snprintf(reason, reason_len, "%s is not an OSD store: it was not finished", path);
    if (st || method >= dc->default_method)
        return st;
    snprintf(reason, reason_len,
             "%s was made with a weaker security method: open it without a key", path);
    return OSD_E_DENIED;
}

static osd_status open_store(struct transport *t, const char *path, bool memory,
                             const struct osd_options *opt, char *reason, size_t reason_len)
{
    struct store_config sc = {
        .path = path,
        .create = may_create(opt),
        .read_only = opt && opt->read_only,
        .capacity = opt ? opt->capacity : 0,
        .clock = &osd_clock_system,
    };
    struct osd_device_config dc = {.clock = &osd_clock_system};
    uint8_t passphrase[OSD_SEAL_PASS_MAX];
    size_t len;
    struct key_source source = {opt ? opt->key_file : NULL, reason, reason_len};
    osd_status st = memory ? store_memory_open(&sc, &dc.store, reason, reason_len)
                           : store_rocksdb_open(&sc, &dc.store, reason, reason_len);

    if (st)
        return st;
    t->store = dc.store;
    if (sc.read_only) /* checks only: no device, which would write */
        return OSD_OK;
    if (source.path && opt->create) {
        dc.default_method = opt->method < 0 ? OSD_SEC_NOSEC
                            : opt->method   ? (uint8_t)opt->method
                                            : OSD_SEC_CMDRSP;
        dc.first_key = first_key;
        dc.key_arg = &source;
    }
    st = check_method(&dc, path, memory || sc.create, reason, reason_len);
    len = 0;
    if (st == OSD_OK)
        st = osd_seal_passphrase(opt ? opt->passphrase_file : NULL, passphrase, &len, reason,
                                 reason_len);
    if (st == OSD_OK && len > 0) {
        dc.passphrase = passphrase;
        dc.passphrase_len = len;
    }
    if (st == OSD_OK)
        st = osd_device_open(&dc, &t->device);
    explicit_bzero(passphrase, sizeof(passphrase));
    if (st) {
        if (reason[0] == 0 && st == OSD_E_DENIED)
            snprintf(reason, reason_len,
                     "%s: its keys are sealed; give the file of their passphrase", path);
        if (reason[0] == 0)
            snprintf(reason, reason_len, "device on store %s: %s", path, osd_status_text(st));
        dc.store->ops->close(dc.store);
        t->store = NULL;
    }
    return st;
}

osd_status transport_open(const char *url, const struct osd_options *opt,
                          struct transport **ret, char *reason, size_t reason_len)
{
    return transport_open_within(url, opt, 0, ret, reason, reason_len);
}

osd_status transport_open_within(const char *url, const struct osd_options *opt,
                                 uint32_t command_ms, struct transport **ret, char *reason,
                                 size_t reason_len)
{
    struct transport *t = calloc(1, sizeof(*t));
    osd_status st;

    if (!t)
        return OSD_E_NOMEM;
    t->retry_ms = opt && opt->retry_ms ? opt->retry_ms : RETRY_MS;
    if (strncmp(url, "iscsi://", 8) == 0) {
        st = open_iscsi(t, url, command_ms, reason, reason_len);
    } else if (strncmp(url, "file:///", 8) == 0) {
        st = open_store(t, url + 7, false, opt, reason, reason_len);
    } else if (strcmp(url, "memory:") == 0) {
        st = open_store(t, "", true, opt, reason, reason_len);
    } else {
        snprintf(reason, reason_len,
                 "%s is not a device URL: iscsi://host/iqn/lun or file:///path", url);
        st = OSD_E_INVALID;
    }
    if (st) {
        free(t);
        return st;
    }
    *ret = t;
    return OSD_OK;
}

void transport_close(struct transport *t)
{
    if (t->iscsi)
        iscsi_disconnect(t->iscsi);
    if (t->device)
        osd_device_close(t->device);
    else if (t->store)
        t->store->ops->close(t->store);
    free(t);
}

struct osd_store *transport_store(struct transport *t)
{
    return t->store;
}

/* ---- one try ---- */

static osd_status try_local(struct transport *t, struct exchange *x)
{
    struct osd_request req = {.cdb = x->cdb, .cdb_len = x->cdb_len, .out = x->out, .in = x->in};
    struct osd_response r;

    if (!t->device)
        return OSD_E_UNSUPPORTED;
    osd_device_execute(t->device, &req, &r);
    osd_device_settle(t->device); /* nobody else could look at it meanwhile */
    x->status = r.status;
    x->sense_len = r.sense_len;
    memcpy(x->sense, r.sense, r.sense_len);
    x->in_len = r.in_len;
    return OSD_OK;
}

static osd_status send_one(struct transport *t, struct exchange *x, const uint8_t *cdb,
                           size_t cdb_len, struct osd_iov out, struct osd_iov in)
{
    struct iscsi_command c = {.lun = t->lun,
                              .cdb = cdb,
                              .cdb_len = cdb_len,
                              .out = out,
                              .in = in,
                              .retry = ISCSI_RETRY_SAFE};
    osd_status st = iscsi_execute(t->iscsi, &c);

    x->status = c.scsi_status;
    x->sense_len = c.sense_len < sizeof(x->sense) ? c.sense_len : sizeof(x->sense);
    memcpy(x->sense, c.sense, x->sense_len);
    x->in_len = c.in_len;
    return st;
}

static bool goes_in_two_phases(const struct exchange *x)
{
    return x->out.len > 0 && x->in.len > 0;
}

#define PIECES 16

/* STAGE DATA-OUT with the embedded CDB in front of the data, then COLLECT. */
static osd_status try_two_phase(struct transport *t, struct exchange *x)
{
    struct osd_twophase stage = {.action = OSD_ACT_STAGE},
                        collect = {.action = OSD_ACT_COLLECT};
    const struct osd_iov none = {0};
    uint8_t cdb[OSD_TWOPHASE_CDB_LEN];
    struct iovec v[PIECES];
    osd_status st;
    int n;

    v[0] = (struct iovec){.iov_base = (void *)x->cdb, .iov_len = x->cdb_len};
    n = 1 + osd_iov_slice(&x->out, 0, x->out.len, v + 1, PIECES - 1);
    struct osd_iov all = osd_iov_make(v, n);
    if (all.len != x->cdb_len + x->out.len || all.len > UINT32_MAX || x->in.len > UINT32_MAX)
        return OSD_E_INVALID;
    memcpy(stage.tag, x->tag, sizeof(stage.tag));
    memcpy(collect.tag, x->tag, sizeof(collect.tag));
    stage.length = (uint32_t)all.len;
    collect.length = (uint32_t)x->in.len;
    osd_twophase_encode(&stage, cdb);
    st = send_one(t, x, cdb, sizeof(cdb), all, none);
    if (st || x->status != SAM_GOOD)
        return st;
    osd_twophase_encode(&collect, cdb);
    return send_one(t, x, cdb, sizeof(cdb), none, x->in);
}

static osd_status try_once(struct transport *t, struct exchange *x)
{
    static const struct osd_iov none = {0};

    if (!t->iscsi)
        return try_local(t, x);
    if (goes_in_two_phases(x))
        return try_two_phase(t, x);
    return send_one(t, x, x->cdb, x->cdb_len, x->out.len ? x->out : none,
                    x->in.len ? x->in : none);
}

/* ---- retries ---- */

/* The stage was lost with the device's memory: COLLECT names a tag it does not know. */
static bool lost_stage(const struct exchange *x, const struct osd_sense *s)
{
    return goes_in_two_phases(x) && s->key == SENSE_ILLEGAL_REQUEST &&
           s->asc == ASC_INVALID_FIELD_CDB && s->has_field && s->field_in_cdb &&
           s->field == 16 && !s->has_object;
}

/* Busy, unit attention, device restarting, another initiator's reset (the command may have been
 * carried out: the nonce tells the device): worth another try with the same bytes. */
static bool worth_retry(const struct exchange *x)
{
    struct osd_sense s;

    if (x->status == SAM_BUSY || x->status == SAM_TASK_SET_FULL ||
        x->status == SAM_TASK_ABORTED)
        return true;
    if (x->status != SAM_CHECK_CONDITION || osd_sense_decode(x->sense, x->sense_len, &s))
        return false;
    return s.key == SENSE_UNIT_ATTENTION || s.key == SENSE_NOT_READY || lost_stage(x, &s);
}

osd_status transport_once(struct transport *t, struct exchange *x, char *reason,
                          size_t reason_len)
{
    osd_status st = try_once(t, x);

    if (st)
        snprintf(reason, reason_len, "%s", osd_status_text(st));
    return st;
}

osd_status transport_execute(struct transport *t, struct exchange *x, char *reason,
                             size_t reason_len)
{
    uint64_t until = osd_monotonic_ms() + t->retry_ms;
    useconds_t pause = FIRST_PAUSE_US;

    /* One tag for all tries: a stage that was thought lost is replaced, not left behind. */
    if (goes_in_two_phases(x))
        osd_random(x->tag, sizeof(x->tag));
    for (;;) {
        osd_status st = transport_once(t, x, reason, reason_len);
        if (st || !worth_retry(x) || osd_monotonic_ms() >= until)
            return st;
        usleep(pause);
        pause = pause * 2 < LAST_PAUSE_US ? pause * 2 : LAST_PAUSE_US;
    }
}
