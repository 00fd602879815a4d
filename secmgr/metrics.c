/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/metrics.c - GET /metrics (Prometheus text) and GET /v1/status (the same for people)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "common/buf.h"
#include "common/clock.h"

static const struct {
    const char *name, *help;
} figures[N_FIGURES] = {
    [FIG_GRANTS] = {"osd_secmgr_grants_total", "Credentials granted."},
    [FIG_REFUSALS] = {"osd_secmgr_refusals_total", "Requests refused for want of permission."},
    [FIG_UNKNOWN_CALLERS] = {"osd_secmgr_unknown_callers_total",
                             "Requests of callers that did not prove who they are."},
    [FIG_LIMITED] = {"osd_secmgr_limited_total", "Requests refused by the rate limit."},
    [FIG_BAD_REQUESTS] = {"osd_secmgr_bad_requests_total", "Requests that were malformed."},
    [FIG_ERRORS] = {"osd_secmgr_errors_total", "Requests that failed for other reasons."},
};

#define TEXT_MAX (64u << 10)

static void put(struct osd_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct osd_buf *b, const char *fmt, ...)
{
    char line[300];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n > 0)
        osd_buf_put(b, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void put_one(struct osd_buf *b, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put(b, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name, value);
}

static void put_routes(struct osd_buf *b, struct sm_api *api)
{
    const char *method, *path;

    put(b, "# HELP osd_secmgr_requests_total Requests, by path.\n"
           "# TYPE osd_secmgr_requests_total counter\n");
    for (size_t i = 0; (path = route_path(i, &method)); i++)
        put(b, "osd_secmgr_requests_total{method=\"%s\",path=\"%s\"} %" PRIu64 "\n", method,
            path, atomic_load(&api->requests[i]));
    put(b, "# HELP osd_secmgr_request_seconds_total Time spent on requests, by path.\n"
           "# TYPE osd_secmgr_request_seconds_total counter\n");
    for (size_t i = 0; (path = route_path(i, &method)); i++)
        put(b, "osd_secmgr_request_seconds_total{method=\"%s\",path=\"%s\"} %.6f\n", method,
            path, (double)atomic_load(&api->microseconds[i]) / 1e6);
}

static void put_keys(struct osd_buf *b, struct sm_api *api)
{
    struct sm_keys_stats s;

    sm_keys_get_stats(api->parts.keys, &s);
    put_one(b, "osd_secmgr_enrolments_total", "counter", "OSDs enrolled, also again.",
            s.enrolments);
    put_one(b, "osd_secmgr_key_rotations_total", "counter", "Working keys rotated.",
            s.rotations);
    put_one(b, "osd_secmgr_key_revocations_total", "counter", "Partition keys replaced.",
            s.revocations);
    put_one(b, "osd_secmgr_key_setups_total", "counter", "Partitions given their first keys.",
            s.setups);
    put_one(b, "osd_secmgr_key_failures_total", "counter", "Key operations that failed.",
            s.failures);
}

osd_status api_metrics(struct ask *a)
{
    struct osd_buf b = osd_buf_make(TEXT_MAX);
    struct sm_api *api = a->api;

    for (size_t i = 0; i < N_FIGURES; i++)
        put_one(&b, figures[i].name, "counter", figures[i].help, atomic_load(&api->figures[i]));
    put_keys(&b, api);
    put_one(&b, "osd_secmgr_database_failures_total", "counter",
            "Statements that failed because the database did.", sm_db_failures(api->parts.db));
    put_one(&b, "osd_secmgr_audit_failures_total", "counter", "Audit entries that were lost.",
            sm_audit_failures(api->parts.audit));
    put_one(&b, "osd_secmgr_uptime_seconds", "gauge", "Seconds since the start.",
            (osd_monotonic_ms() - api->started_ms) / 1000);
    put_routes(&b, api);
    if (osd_buf_put(&b, "", 1)) {
        osd_buf_free(&b);
        return OSD_E_NOMEM;
    }
    a->text = (char *)b.data;
    a->type = "text/plain; version=0.0.4";
    return OSD_OK;
}

static void count_osd(void *arg, const struct sm_osd *o)
{
    (void)o;
    ++*(uint64_t *)arg;
}

osd_status api_status(struct ask *a)
{
    struct sm_api *api = a->api;
    uint64_t osds = 0;
    struct sm_keys_stats s;
    osd_status st = sm_db_osd_each(api->parts.db, count_osd, &osds);

    if (st) {
        snprintf(a->why, sizeof(a->why), "database: %s", sm_db_text());
        return st;
    }
    sm_keys_get_stats(api->parts.keys, &s);
    a->data = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "version",
                        LIOSD_VERSION, "database", api->parts.config->database, "icv_algorithm",
                        osd_wish_name(api->parts.config->wishes.usual), "caller", a->who.name,
                        "uptime", (json_int_t)((osd_monotonic_ms() - api->started_ms) / 1000),
                        "osds", (json_int_t)osds, "grants",
                        (json_int_t)atomic_load(&api->figures[FIG_GRANTS]), "refusals",
                        (json_int_t)atomic_load(&api->figures[FIG_REFUSALS]), "rotations",
                        (json_int_t)s.rotations, "key_failures", (json_int_t)s.failures);
    return OSD_OK;
}
