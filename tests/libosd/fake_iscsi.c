/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/fake_iscsi.c - see fake_iscsi.h
 */
#include "fake_iscsi.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interpreter/interpreter.h"
#include "store/store.h"
#include "wire/sense.h"

struct fake fake;

struct iscsi_session {
    int unused;
};

static struct osd_device *device;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void fake_forget(void)
{
    memset(&fake, 0, sizeof(fake));
}

void fake_reset(void)
{
    if (device)
        osd_device_close(device);
    device = NULL;
    fake_forget();
}

static osd_status first_key(void *arg, uint8_t ret_key[40])
{
    static const uint8_t bytes[5] = {0x01, 0x23, 0x45, 0x67, 0x89}; /* FAKE_KEY */

    for (int i = 0; i < 40; i++)
        ret_key[i] = bytes[i % 5];
    return OSD_OK;
}

static osd_status make_device(void)
{
    struct store_config sc = {.clock = &osd_clock_system};
    struct osd_device_config dc = {.clock = &osd_clock_system,
                                   .default_method = fake.method,
                                   .first_key = fake.method ? first_key : NULL};
    osd_status st;

    if (device)
        return OSD_OK;
    st = store_memory_open(&sc, &dc.store, NULL, 0);
    return st ? st : osd_device_open(&dc, &device);
}

osd_status iscsi_url_parse(const char *url, struct iscsi_url *ret, char *reason,
                           size_t reason_len)
{
    if (strcmp(url, FAKE_URL) != 0) {
        snprintf(reason, reason_len, "%s is not the fake", url);
        return OSD_E_INVALID;
    }
    *ret = (struct iscsi_url){.lun = 3, .has_lun = true, .has_target = true};
    return OSD_OK;
}

osd_status iscsi_connect(const struct iscsi_url *url, const struct iscsi_options *opt,
                         struct iscsi_session **ret, char *reason, size_t reason_len)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? make_device() : OSD_E_NOMEM;
}

void iscsi_disconnect(struct iscsi_session *s)
{
    free(s);
}

osd_status iscsi_discover(const struct iscsi_url *url, const struct iscsi_options *opt,
                          void (*visit)(void *arg, const char *target, const char *portal),
                          void *arg, char *reason, size_t reason_len)
{
    visit(arg, "iqn.2026-11.org.liosd:fake", "192.0.2.1:3260");
    return OSD_OK;
}

static enum fault keep(const struct iscsi_command *c)
{
    enum fault f = FAULT_NONE;

    pthread_mutex_lock(&mutex);
    if (fake.n < FAKE_KEPT) {
        memcpy(fake.kept[fake.n].cdb, c->cdb, c->cdb_len);
        fake.kept[fake.n].cdb_len = c->cdb_len;
        fake.kept[fake.n].out_len = c->out.len;
        fake.kept[fake.n].in_len = c->in.len;
        fake.kept[fake.n].lun = c->lun;
        osd_iov_read(&c->out, 0, fake.kept[fake.n].out, sizeof(fake.kept[fake.n].out));
        f = fake.faults[fake.n];
    }
    fake.n++;
    pthread_mutex_unlock(&mutex);
    return fake.always ? fake.always : f;
}

static void check_condition(struct iscsi_command *c, const struct osd_sense *s)
{
    c->scsi_status = SAM_CHECK_CONDITION;
    c->sense_len = osd_sense_encode(s, c->sense);
}

static void attention_of_lio(struct iscsi_command *c)
{
    static const uint8_t sense[18] = {0x70, 0, SENSE_UNIT_ATTENTION, [7] = 10, [12] = 0x29};

    c->scsi_status = SAM_CHECK_CONDITION;
    c->sense_len = sizeof(sense);
    memcpy(c->sense, sense, sizeof(sense));
}

/* Like LIO with TCMU: one buffer, zeroed before the device fills it. */
static void carry_out(struct iscsi_command *c)
{
    bool out = c->out.len > 0;
    size_t len = (size_t)(out ? c->out.len : c->in.len);
    uint8_t *buffer = calloc(1, len + 1);
    struct iovec v = {buffer, len};
    struct osd_request req = {.cdb = c->cdb,
                              .cdb_len = c->cdb_len,
                              .out = osd_iov_make(&v, 1),
                              .in = osd_iov_make(&v, 1),
                              .shared_buffer = true};
    struct osd_response r;

    if (!buffer)
        abort();
    if (out)
        osd_iov_read(&c->out, 0, buffer, len);
    osd_device_execute(device, &req, &r);
    osd_device_settle(device);
    if (!out)
        osd_iov_write(&c->in, 0, buffer, len);
    c->scsi_status = r.status;
    memset(c->sense, 0, sizeof(c->sense));
    memcpy(c->sense, r.sense, r.sense_len);
    c->sense_len = r.sense_len ? OSD_SENSE_MAX : 0; /* as LIO: the whole buffer */
    c->in_len = out ? 0 : len;                      /* LIO always sends the whole buffer */
    free(buffer);
}

static osd_status meet(struct iscsi_command *c, enum fault f)
{
    switch (f) {
    case FAULT_NONE:
        carry_out(c);
        break;
    case FAULT_LOST_ANSWER:
    case FAULT_ABORTED:
        carry_out(c);
        c->sense_len = 0;
        c->in_len = 0;
        c->scsi_status = f == FAULT_ABORTED ? SAM_TASK_ABORTED : SAM_BUSY;
        break;
    case FAULT_BUSY:
        c->scsi_status = SAM_BUSY;
        break;
    case FAULT_FULL:
        c->scsi_status = SAM_TASK_SET_FULL;
        break;
    case FAULT_CONFLICT:
        c->scsi_status = SAM_RESERVATION_CONFLICT;
        break;
    case FAULT_ATTENTION:
        check_condition(c, &(struct osd_sense){.key = SENSE_UNIT_ATTENTION, .asc = 0x2900});
        break;
    case FAULT_ATTENTION_LIO:
        attention_of_lio(c);
        break;
    case FAULT_NOT_READY:
        check_condition(c, &(struct osd_sense){.key = SENSE_NOT_READY, .asc = 0x0401});
        break;
    case FAULT_FORGOT_STAGE:
        check_condition(c, &(struct osd_sense){.key = SENSE_ILLEGAL_REQUEST,
                                               .asc = ASC_INVALID_FIELD_CDB,
                                               .has_field = true,
                                               .field_in_cdb = true,
                                               .field = 16});
        break;
    case FAULT_UNREACHABLE:
        return OSD_E_UNREACHABLE;
    }
    return OSD_OK;
}

osd_status iscsi_execute(struct iscsi_session *s, struct iscsi_command *c)
{
    enum fault f = keep(c);

    if (fake.before)
        fake.before();
    if (c->out.len > 0 && c->in.len > 0)
        return OSD_E_INVALID; /* LIO carries no bidirectional command */
    if (fake.lie) {
        c->status = OSD_OK;
        c->scsi_status = SAM_GOOD;
        if (c->in.len > 0)
            fake.lie(c);
        return OSD_OK;
    }
    c->status = meet(c, f);
    if (fake.alter && !c->status)
        fake.alter(c);
    return c->status;
}
