/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/api_internal.h - what the files of the API share: one request being handled
 */
#ifndef SECMGR_API_INTERNAL_H
#define SECMGR_API_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "api.h"
#include "limit.h"

#define REQUEST_ID_LEN 33 /* 32 digits */

enum figure {
    FIG_GRANTS,
    FIG_REFUSALS,
    FIG_UNKNOWN_CALLERS,
    FIG_LIMITED,
    FIG_BAD_REQUESTS,
    FIG_ERRORS,
    N_FIGURES
};

#define MAX_ROUTES 24

struct sm_api {
    struct sm_api_parts parts;
    struct sm_limit *limit;
    pthread_mutex_t rules; /* one change of rules at a time */
    uint64_t started_ms;
    atomic_uint_fast64_t figures[N_FIGURES];
    atomic_uint_fast64_t requests[MAX_ROUTES], microseconds[MAX_ROUTES];
};

/** One request under way. */
struct ask {
    struct sm_api *api;
    const struct sm_request *req;
    struct sm_identity who; /* with the groups of the database */
    uint8_t id[16];
    char id_text[REQUEST_ID_LEN];
    char name[SM_PRINCIPAL]; /* {osd} or {group} of the path */
    struct sm_osd osd;       /* of {osd} */
    char why[640];
    /* the answer */
    unsigned status;
    json_t *data, *error;
    char *text; /* instead of JSON */
    const char *type;
};

typedef osd_status route_function(struct ask *a);

/* api_credentials.c */
route_function api_credential, api_batch;
/* api_admin.c */
route_function api_osds, api_enrol, api_remove_osd, api_reenrol, api_keys, api_rotate, api_acl,
    api_acl_set, api_acl_remove, api_groups, api_member_add, api_member_remove;
/* metrics.c */
route_function api_metrics, api_status;

/** An entry of the audit log about this request; more is taken. OSD_E_IO: it is not written, and
 *  the request must fail. */
osd_status ask_audit(struct ask *a, const char *event, const char *outcome, json_t *more);

/** Count n things against the caller's limit. OSD_E_BUSY: too many. */
osd_status ask_limit(struct ask *a, uint32_t n);

/** A list of the names of permissions. */
json_t *json_perms(uint16_t perms);
/** "0x10000" */
json_t *json_id(uint64_t id);
/** type, pid and oid as far as they mean something. */
json_t *json_place(uint8_t type, uint64_t pid, uint64_t oid);

/** Name of a route for figures, and how many there are. */
const char *route_path(size_t i, const char **ret_method);

#endif
