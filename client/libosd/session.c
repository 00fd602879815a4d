/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/session.c - opening and closing, the last error, what concerns the whole device
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "initiator/initiator.h"
#include "interpreter/interpreter.h"
#include "libosd.h"
#include "store/salvage.h"
#include "store/store.h"
#include "wire/sense.h"

static _Thread_local char last_error[512] = "no error";

const char *osd_last_error(void)
{
    return last_error;
}

osd_status failed(osd_status st, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(last_error, sizeof(last_error), fmt, ap);
    va_end(ap);
    return st;
}

static osd_status open_parts(struct osd_session *s, const char *url,
                             const struct osd_options *options, char *why, size_t why_len)
{
    uint32_t in_flight = options ? options->in_flight : 0;
    osd_status st = signer_open(&s->signer, options, s->gen, why, why_len);

    if (st == OSD_OK)
        st = transport_open(url, options, &s->transport, why, why_len);
    return st ? st : async_open(s, in_flight, &s->async);
}

osd_status osd_open(const char *url, const struct osd_options *options,
                    struct osd_session **ret)
{
    struct osd_session *s = calloc(1, sizeof(*s));
    char why[400] = "";
    osd_status st;

    if (!s)
        return failed(OSD_E_NOMEM, "out of memory");
    s->gen = options && options->generation == 1 ? OSD_GEN1 : OSD_GEN2;
    st = open_parts(s, url, options, why, sizeof(why));
    if (st) {
        osd_close(s);
        return failed(st, "%s", why[0] ? why : osd_status_text(st));
    }
    *ret = s;
    return OSD_OK;
}

void osd_close(struct osd_session *s)
{
    if (!s)
        return;
    async_close(s->async);
    if (s->transport)
        transport_close(s->transport);
    signer_close(&s->signer);
    free(s);
}

/* ---- discover, ping ---- */

osd_status osd_discover(const char *url,
                        void (*visit)(void *arg, const char *target, const char *portal),
                        void *arg)
{
    const struct iscsi_options opt = {0};
    struct iscsi_url u;
    char why[400] = "";
    osd_status st = iscsi_url_parse(url, &u, why, sizeof(why));

    if (!st)
        st = iscsi_discover(&u, &opt, visit, arg, why, sizeof(why));
    return st ? failed(st, "%s", why[0] ? why : osd_status_text(st)) : OSD_OK;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

osd_status osd_ping(struct osd_session *s, uint64_t *ret_us)
{
    static const uint8_t test_unit_ready[6] = {0};
    struct exchange x = {.cdb = test_unit_ready, .cdb_len = sizeof(test_unit_ready)};
    uint64_t start = now_us();
    char why[400] = "";
    osd_status st = transport_once(s->transport, &x, why, sizeof(why));

    if (st)
        return failed(st, "TEST UNIT READY: %s", why);
    *ret_us = now_us() - start;
    if (x.status == SAM_GOOD)
        return OSD_OK;
    if (x.status == SAM_CHECK_CONDITION)
        osd_explain_sense(x.sense, x.sense_len, why, sizeof(why));
    else
        snprintf(why, sizeof(why), "SCSI status %02Xh", x.status);
    return failed(OSD_E_BUSY, "not ready: %s", why);
}

/* ---- security manager ---- */

osd_status osd_secmgr_request(const struct osd_options *options, const char *method,
                              const char *path, const char *body, char **ret_reply)
{
    const struct manager_options mo = {options->secmgr, options->secmgr_ca,
                                       options->secmgr_cert, options->secmgr_key};
    struct manager *m = NULL;
    char why[400] = "";
    osd_status st;

    *ret_reply = NULL;
    if (!options->secmgr)
        return failed(OSD_E_INVALID, "no security manager is named");
    st = manager_open(&mo, &m, why, sizeof(why));
    if (!st)
        st = manager_request(m, method, path, body, ret_reply, why, sizeof(why));
    manager_close(m);
    return st ? failed(st, "%s", why[0] ? why : osd_status_text(st)) : OSD_OK;
}

/* ---- check and salvage ---- */

struct relay {
    void (*report)(void *arg, const char *line);
    void (*progress)(void *arg, const char *step, uint64_t done, uint64_t total);
    void *arg;
};

static void relay_finding(void *arg, struct store_id id, const char *finding)
{
    struct relay *r = arg;
    char line[256];

    snprintf(line, sizeof(line), "0x%" PRIx64 "/0x%" PRIx64 ": %s", id.pid, id.oid, finding);
    if (r->report)
        r->report(r->arg, line);
}

osd_status osd_check(struct osd_session *s, bool repair,
                     void (*report)(void *arg, const char *line), void *arg,
                     struct osd_check_result *ret)
{
    struct osd_store *store = transport_store(s->transport);
    struct relay relay = {.report = report, .arg = arg};
    struct store_check_result r;
    osd_status st;

    if (!store)
        return failed(OSD_E_UNSUPPORTED, "check works on a store that nobody serves: give "
                                         "file:///path, with the LUN deleted or the "
                                         "tcmu-runner stopped");
    st = store->ops->check(store, repair, relay_finding, &relay, &r);
    if (st)
        return failed(st, "check: %s", osd_status_text(st));
    *ret = (struct osd_check_result){r.partitions, r.objects,  r.attributes,
                                     r.bytes,      r.findings, r.repaired};
    return OSD_OK;
}

static void relay_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct relay *r = arg;

    if (r->progress)
        r->progress(r->arg, step, done, total);
}

static osd_status relay_distrust(void *arg, struct osd_store *s, uint64_t pid, bool own)
{
    const struct store_id id = {pid, 0};
    osd_status st = osd_device_distrust(s, pid, own);

    if (!st)
        relay_finding(
            arg, id,
            pid   ? "its partition key and working keys have ended, as far as it had any"
            : own ? "all keys have ended, root and master key among them, as far as there were "
                    "any"
                  : "all partition and working keys have ended, as far as there were any");
    return st;
}

osd_status osd_salvage(const char *source, const char *target,
                       void (*report)(void *arg, const char *line),
                       void (*progress)(void *arg, const char *step, uint64_t done,
                                        uint64_t total),
                       void *arg, struct osd_salvage_result *ret)
{
    struct relay relay = {report, progress, arg};
    const struct store_salvage what = {.source = source,
                                       .target = target,
                                       .report = relay_finding,
                                       .progress = relay_progress,
                                       .distrust = relay_distrust,
                                       .arg = &relay,
                                       .clock = &osd_clock_system};
    struct store_salvaged r;
    char why[400];
    osd_status st = store_rocksdb_salvage(&what, &r, why, sizeof(why));

    if (st)
        return failed(st, "%s", why);
    *ret =
        (struct osd_salvage_result){r.partitions, r.objects, r.attributes, r.bytes,    r.lost,
                                    r.harmed,     r.dropped, r.older,      r.uncounted};
    return OSD_OK;
}
