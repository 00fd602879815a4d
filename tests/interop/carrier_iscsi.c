/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interop/carrier_iscsi.c - commands over our own initiator (see carrier.h)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "initiator/initiator.h"

struct iscsi_carrier {
    struct carrier base;
    struct iscsi_session *session;
    uint64_t lun;
};

static osd_status execute(struct carrier *base, struct exchange *x)
{
    struct iscsi_carrier *c = (struct iscsi_carrier *)base;
    struct iovec out = {.iov_base = (void *)x->out, .iov_len = x->out_len};
    struct iovec in = {.iov_base = x->in, .iov_len = x->in_cap};
    struct iscsi_command cmd = {.lun = c->lun, .cdb = x->cdb, .cdb_len = x->cdb_len};

    if (x->out_len)
        cmd.out = osd_iov_make(&out, 1);
    if (x->in_cap)
        cmd.in = osd_iov_make(&in, 1);
    osd_status st = iscsi_execute(c->session, &cmd);
    x->status = cmd.scsi_status;
    x->in_len = cmd.in_len;
    x->sense_len = cmd.sense_len;
    memcpy(x->sense, cmd.sense, cmd.sense_len);
    return st;
}

static void close_session(struct carrier *base)
{
    iscsi_disconnect(((struct iscsi_carrier *)base)->session);
    free(base);
}

struct carrier *carrier_iscsi(const char *url)
{
    struct iscsi_carrier *c = calloc(1, sizeof(*c));
    struct iscsi_options opt = {.login_timeout_ms = 10000};
    struct iscsi_url parsed;
    char why[256] = "no memory";

    if (!c || iscsi_url_parse(url, &parsed, why, sizeof(why)) ||
        iscsi_connect(&parsed, &opt, &c->session, why, sizeof(why))) {
        fprintf(stderr, "osd_drive: %s: %s\n", url, why);
        free(c);
        return NULL;
    }
    c->lun = parsed.lun;
    c->base = (struct carrier){.execute = execute, .close = close_session};
    return &c->base;
}
