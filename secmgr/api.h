/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/api.h - requests in, replies out: who may ask what, limits, errors, audit, figures
 *
 * Knows no HTTP library: http.c brings a request with the identity of its caller.
 * Invariants:
 *  (1) Every reply but /metrics and the description is one JSON document:
 *      {"schema":"osd-secmgr/1","request_id":...,"ok":bool,"data":{} or "error":{}}.
 *  (2) What is granted or changed is in the audit log before the reply leaves; when it cannot be
 *      written, nothing is granted.
 *  (3) No reply and no log line holds a key, except the capability key in a credential.
 */
#ifndef SECMGR_API_H
#define SECMGR_API_H

#include "audit.h"
#include "config.h"
#include "db.h"
#include "identity.h"
#include "keys.h"

struct sm_api;

struct sm_api_parts {
    const struct sm_config *config; /* all of them stay the caller's */
    struct sm_db *db;
    struct sm_keys *keys;
    struct sm_audit *audit;
};

/** OSD_E_NOMEM. */
osd_status sm_api_new(const struct sm_api_parts *parts, struct sm_api **ret);
void sm_api_free(struct sm_api *api);

struct sm_request {
    const char *method, *path; /* path without query */
    const char *body;
    size_t body_len;
    bool known;                    /* the connection proved who the caller is */
    const struct sm_identity *who; /* valid when known */
    const char *refusal;           /* why not known; NULL: no proof was offered */
    const char *peer;              /* "unix", or an address, for the audit log */
};

struct sm_reply {
    unsigned status; /* HTTP */
    const char *type;
    char *body; /* the caller frees it */
    size_t len;
    bool negotiate; /* offer Kerberos: WWW-Authenticate */
};

/** Handle a request. Any thread; blocks. */
void sm_api_handle(struct sm_api *api, const struct sm_request *req, struct sm_reply *ret);

/** The OpenAPI description that /v1/openapi.json serves. */
extern const char sm_openapi[];
extern const size_t sm_openapi_len;

/** Routes, for the test of the description: "METHOD path", NULL at the end. */
const char *sm_api_route(size_t i);

#endif
