/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/api.c - see api.h: routes, who may use them, replies
 */
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_internal.h"
#include "common/clock.h"
#include "common/log.h"
#include "digits.h"
#include "requests.h"
#include "security/names.h"

/* ---- routes ---- */

enum who { ANYBODY, KNOWN, OBSERVER, ADMIN };

static osd_status api_description(struct ask *a)
{
    a->text = malloc(sm_openapi_len + 1);
    if (!a->text)
        return OSD_E_NOMEM;
    memcpy(a->text, sm_openapi, sm_openapi_len);
    a->text[sm_openapi_len] = 0;
    a->type = "application/json";
    return OSD_OK;
}

static const struct route {
    const char *method, *path; /* one {osd} or {group} at most */
    enum who who;
    route_function *run;
} routes[] = {
    {"GET", "/v1/openapi.json", ANYBODY, api_description},
    {"GET", "/metrics", OBSERVER, api_metrics},
    {"GET", "/v1/status", OBSERVER, api_status},
    {"POST", "/v1/credentials", KNOWN, api_credential},
    {"POST", "/v1/credentials/batch", KNOWN, api_batch},
    {"GET", "/v1/osds", ADMIN, api_osds},
    {"POST", "/v1/osds", ADMIN, api_enrol},
    {"DELETE", "/v1/osds/{osd}", ADMIN, api_remove_osd},
    {"POST", "/v1/osds/{osd}/enrol", ADMIN, api_reenrol},
    {"GET", "/v1/osds/{osd}/keys", ADMIN, api_keys},
    {"POST", "/v1/osds/{osd}/keys/rotate", ADMIN, api_rotate},
    {"GET", "/v1/osds/{osd}/acl", ADMIN, api_acl},
    {"PUT", "/v1/osds/{osd}/acl", ADMIN, api_acl_set},
    {"DELETE", "/v1/osds/{osd}/acl", ADMIN, api_acl_remove},
    {"GET", "/v1/groups", ADMIN, api_groups},
    {"PUT", "/v1/groups/{group}/members", ADMIN, api_member_add},
    {"DELETE", "/v1/groups/{group}/members", ADMIN, api_member_remove},
};
#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))
_Static_assert(N_ROUTES <= MAX_ROUTES, "figures have room for every route");

const char *sm_api_route(size_t i)
{
    static _Thread_local char text[80];

    if (i >= N_ROUTES)
        return NULL;
    snprintf(text, sizeof(text), "%s %s", routes[i].method, routes[i].path);
    return text;
}

const char *route_path(size_t i, const char **ret_method)
{
    if (i >= N_ROUTES)
        return NULL;
    *ret_method = routes[i].method;
    return routes[i].path;
}

/* Whether a path is of this form; its variable part goes to name. */
static bool matches(const char *form, const char *path, char name[SM_NAME_LEN])
{
    const char *open = strchr(form, '{');
    size_t head, len;

    name[0] = 0;
    if (!open)
        return strcmp(form, path) == 0;
    head = (size_t)(open - form);
    if (strncmp(form, path, head) != 0)
        return false;
    len = strcspn(path + head, "/");
    if (len == 0 || len >= SM_NAME_LEN || strcmp(strchr(open, '}') + 1, path + head + len) != 0)
        return false;
    memcpy(name, path + head, len);
    name[len] = 0;
    return true;
}

/* N_ROUTES: none. *ret_path: the path exists with other methods. */
static size_t find_route(const struct sm_request *req, char name[SM_NAME_LEN], bool *ret_path)
{
    *ret_path = false;
    for (size_t i = 0; i < N_ROUTES; i++)
        if (matches(routes[i].path, req->path, name)) {
            *ret_path = true;
            if (strcmp(routes[i].method, req->method) == 0)
                return i;
        }
    return N_ROUTES;
}

/* ---- pieces of answers ---- */

json_t *json_perms(uint16_t perms)
{
    char text[OSD_PERMISSIONS_TEXT];
    json_t *list = json_array();

    osd_permissions_format(perms, text);
    for (const char *at = text; perms && *at; at += strspn(at, ",")) {
        size_t len = strcspn(at, ",");
        json_array_append_new(list, json_stringn(at, len));
        at += len;
    }
    return list;
}

json_t *json_id(uint64_t id)
{
    char text[24];

    snprintf(text, sizeof(text), "0x%" PRIx64, id);
    return json_string(text);
}

json_t *json_place(uint8_t type, uint64_t pid, uint64_t oid)
{
    const char *name = osd_type_name(type);
    json_t *place = json_pack("{s:s}", "type", name ? name : "?");

    if (type != OSD_TYPE_ROOT)
        json_object_set_new(place, "pid", json_id(pid));
    if (type == OSD_TYPE_USER || type == OSD_TYPE_COLLECTION)
        json_object_set_new(place, "oid", json_id(oid));
    return place;
}

osd_status ask_audit(struct ask *a, const char *event, const char *outcome, json_t *more)
{
    json_t *entry = json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", event, "outcome", outcome,
                              "request_id", a->id_text, "caller",
                              a->req->known ? a->who.name : "unknown", "peer", a->req->peer);

    if (entry && more)
        json_object_update(entry, more);
    json_decref(more);
    if (sm_audit_write(a->api->parts.audit, entry))
        return OSD_OK;
    snprintf(a->why, sizeof(a->why), "the audit log cannot be written");
    return OSD_E_IO;
}

/* ---- who ---- */

static bool is_listed(const struct ask *a, const struct sm_principals *p)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->list[i], a->who.name) == 0 || strcmp(p->list[i], "other") == 0 ||
            sm_identity_in_group(&a->who, p->list[i]))
            return true;
    return false;
}

/* Administrators may see what observers may. */
static bool may_use(const struct ask *a, const struct route *r)
{
    const struct sm_config *c = a->api->parts.config;

    return r->who < OBSERVER || is_listed(a, &c->admins) ||
           (r->who == OBSERVER && is_listed(a, &c->observers));
}

static osd_status refuse_limited(struct ask *a, const char *caller)
{
    a->status = 429;
    atomic_fetch_add(&a->api->figures[FIG_LIMITED], 1);
    snprintf(a->why, sizeof(a->why), "%s makes too many requests", caller);
    return OSD_E_BUSY;
}

osd_status ask_limit(struct ask *a, uint32_t n)
{
    return sm_limit_take(a->api->limit, a->who.name, n, osd_monotonic_ms())
               ? OSD_OK
               : refuse_limited(a, a->who.name);
}

/* They are limited by their address, so that they cannot flood the audit log either. */
static osd_status refuse_unknown(struct ask *a)
{
    if (!sm_limit_take(a->api->limit, a->req->peer, 1, osd_monotonic_ms()))
        return refuse_limited(a, a->req->peer);
    a->status = 401;
    atomic_fetch_add(&a->api->figures[FIG_UNKNOWN_CALLERS], 1);
    snprintf(a->why, sizeof(a->why), "the caller is not known: %s",
             a->req->refusal ? a->req->refusal : "no client certificate was shown");
    ask_audit(a, "request", "unknown caller", json_pack("{s:s}", "reason", a->why));
    return OSD_E_DENIED;
}

static osd_status refuse_user(struct ask *a, const struct route *r)
{
    snprintf(a->why, sizeof(a->why), "%s is no administrator%s: %s %s needs one", a->who.name,
             r->who == OBSERVER ? " or observer" : "", r->method, r->path);
    atomic_fetch_add(&a->api->figures[FIG_REFUSALS], 1);
    ask_audit(a, "request", "refused", json_pack("{s:s}", "reason", a->why));
    return OSD_E_DENIED;
}

static osd_status admit(struct ask *a, const struct route *r)
{
    osd_status st;

    if (r->who == ANYBODY)
        return OSD_OK;
    if (!a->req->known)
        return refuse_unknown(a);
    a->who = *a->req->who;
    if ((st = ask_limit(a, 1)))
        return st;
    st = sm_identity_load_groups(a->api->parts.db, &a->who);
    if (st)
        snprintf(a->why, sizeof(a->why), "database: %s", sm_db_text());
    if (!st && !may_use(a, r))
        st = refuse_user(a, r);
    return st;
}

/* The OSD that the path names. */
static osd_status find_osd(struct ask *a, const struct route *r)
{
    osd_status st;

    if (!strstr(r->path, "{osd}"))
        return OSD_OK;
    st = sm_db_osd_get(a->api->parts.db, a->name, &a->osd);
    if (st == OSD_E_NOT_FOUND)
        snprintf(a->why, sizeof(a->why), "no OSD \"%s\"", a->name);
    else if (st)
        snprintf(a->why, sizeof(a->why), "database: %s", sm_db_text());
    return st;
}

/* ---- replies ---- */

static unsigned http_status(osd_status st)
{
    switch (st) {
    case OSD_OK:
        return 200;
    case OSD_E_INVALID:
        return 400;
    case OSD_E_DENIED:
        return 403;
    case OSD_E_NOT_FOUND:
        return 404;
    case OSD_E_EXISTS:
        return 409;
    case OSD_E_UNSUPPORTED:
        return 501;
    case OSD_E_BUSY:
    case OSD_E_UNREACHABLE:
    case OSD_E_TIMEOUT:
        return 503;
    default:
        return 500;
    }
}

static json_t *error_of(const struct ask *a, osd_status st)
{
    json_t *e = json_pack("{s:s, s:s}", "code", osd_status_name(st), "message",
                          a->why[0] ? a->why : osd_status_text(st));

    if (!e) /* the sentence held bytes that are no UTF-8 */
        e = json_pack("{s:s, s:s}", "code", osd_status_name(st), "message",
                      osd_status_text(st));
    if (a->error)
        json_object_update(e, a->error);
    return e;
}

static void reply_json(struct ask *a, osd_status st, struct sm_reply *ret)
{
    json_t *doc = json_pack("{s:s, s:s, s:b}", "schema", "osd-secmgr/1", "request_id",
                            a->id_text, "ok", st == OSD_OK);

    if (st)
        json_object_set_new(doc, "error", error_of(a, st));
    else
        json_object_set_new(doc, "data", a->data ? json_incref(a->data) : json_object());
    ret->body = json_dumps(doc, JSON_COMPACT | JSON_ENSURE_ASCII);
    ret->type = "application/json";
    json_decref(doc);
}

static void reply(struct ask *a, osd_status st, struct sm_reply *ret)
{
    *ret = (struct sm_reply){.status = a->status ? a->status : http_status(st)};
    if (!st && a->text) {
        ret->body = a->text;
        ret->type = a->type;
    } else {
        free(a->text);
        reply_json(a, st, ret);
    }
    if (!ret->body) {
        ret->status = 500;
        ret->body = strdup("");
    }
    ret->len = ret->body ? strlen(ret->body) : 0;
    ret->negotiate = ret->status == 401 && a->api->parts.config->keytab[0];
    json_decref(a->data);
    json_decref(a->error);
}

static osd_status no_route(struct ask *a, bool path_exists)
{
    a->status = path_exists ? 405 : 404;
    snprintf(a->why, sizeof(a->why),
             path_exists ? "this method is not for this path"
                         : "no such path; see /v1/openapi.json");
    return OSD_E_INVALID;
}

static void count(struct ask *a, size_t route, osd_status st, uint64_t began_us,
                  uint64_t now_us)
{
    struct sm_api *api = a->api;

    if (route < N_ROUTES) {
        atomic_fetch_add(&api->requests[route], 1);
        atomic_fetch_add(&api->microseconds[route], now_us - began_us);
    }
    if (st == OSD_E_INVALID)
        atomic_fetch_add(&api->figures[FIG_BAD_REQUESTS], 1);
    else if (st && st != OSD_E_DENIED && st != OSD_E_NOT_FOUND && st != OSD_E_EXISTS &&
             a->status != 429) {
        atomic_fetch_add(&api->figures[FIG_ERRORS], 1);
        osd_log(OSD_LOG_WARN, "request %s: %s %s: %s", a->id_text, a->req->method, a->req->path,
                a->why[0] ? a->why : osd_status_text(st));
    }
}

static uint64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void sm_api_handle(struct sm_api *api, const struct sm_request *req, struct sm_reply *ret)
{
    struct ask a = {.api = api, .req = req};
    uint64_t began = clock_us();
    bool path_exists;
    size_t route = find_route(req, a.name, &path_exists);
    osd_status st;

    osd_random(a.id, sizeof(a.id));
    sm_hex_format(a.id, sizeof(a.id), a.id_text);
    if (route == N_ROUTES) {
        st = no_route(&a, path_exists);
    } else {
        st = admit(&a, &routes[route]);
        if (!st)
            st = find_osd(&a, &routes[route]);
        if (!st)
            st = routes[route].run(&a);
    }
    count(&a, route, st, began, clock_us());
    reply(&a, st, ret);
}

osd_status sm_api_new(const struct sm_api_parts *parts, struct sm_api **ret)
{
    struct sm_api *api = calloc(1, sizeof(*api));

    if (!api)
        return OSD_E_NOMEM;
    api->parts = *parts;
    api->started_ms = osd_monotonic_ms();
    pthread_mutex_init(&api->rules, NULL);
    api->limit = sm_limit_new((uint32_t)parts->config->requests_per_second,
                              (uint32_t)parts->config->burst);
    if (!api->limit) {
        sm_api_free(api);
        return OSD_E_NOMEM;
    }
    *ret = api;
    return OSD_OK;
}

void sm_api_free(struct sm_api *api)
{
    if (!api)
        return;
    sm_limit_free(api->limit);
    pthread_mutex_destroy(&api->rules);
    free(api);
}
