/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/session.c - opening and closing, the last error, what concerns the whole device
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "initiator/initiator.h"
#include "libosd.h"
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

osd_status osd_open(const char *url, const struct osd_options *options,
                    struct osd_session **ret)
{
    struct osd_session *s = calloc(1, sizeof(*s));
    char why[400] = "";
    osd_status st;

    if (!s)
        return failed(OSD_E_NOMEM, "out of memory");
    s->gen = options && options->generation == 1 ? OSD_GEN1 : OSD_GEN2;
    st = transport_open(url, options, &s->transport, why, sizeof(why));
    if (st) {
        free(s);
        return failed(st, "%s", why[0] ? why : osd_status_text(st));
    }
    *ret = s;
    return OSD_OK;
}

void osd_close(struct osd_session *s)
{
    if (!s)
        return;
    transport_close(s->transport);
    free(s);
}

/* ---- check ---- */

struct relay {
    void (*report)(void *arg, const char *line);
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
    struct relay relay = {report, arg};
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
