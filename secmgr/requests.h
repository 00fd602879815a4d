/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/requests.h - bodies of requests: JSON to structures, strictly
 *
 * Members that a request does not have are errors, as are wrong types and values out of range.
 * Ids are strings ("0x10000", "65536") or numbers. why gets the sentence for the client.
 */
#ifndef SECMGR_REQUESTS_H
#define SECMGR_REQUESTS_H

#include "capability.h"
#include "security/icv.h"

#define SM_BODY_MAX (64u << 10)

/** Body of POST /v1/credentials. */
struct sm_credential_request {
    char osd[SM_NAME_LEN];
    struct sm_ask ask;
    bool stale; /* the device refused the last credential because of its key */
    bool tag_refused;
    uint32_t refused_tag; /* or because of its policy access tag, which was this */
};
osd_status sm_parse_credential(const char *body, size_t len, struct sm_credential_request *ret,
                               char *why, size_t why_len);

/** Body of POST /v1/credentials/batch: the same question about many objects. */
#define SM_BATCH 256
struct sm_batch_request {
    struct sm_credential_request one; /* oid 0 */
    size_t n;
    uint64_t oids[SM_BATCH];
};
osd_status sm_parse_batch(const char *body, size_t len, struct sm_batch_request *ret, char *why,
                          size_t why_len);

/** Body of PUT and DELETE .../acl; the osd member of the rule is left alone. For DELETE the
 *  permissions may be missing. */
osd_status sm_parse_rule(const char *body, size_t len, bool remove, struct sm_rule *ret,
                         char *why, size_t why_len);

/** Body of POST /v1/osds. */
struct sm_enrol_request {
    char name[SM_NAME_LEN];
    char url[SM_URL_LEN];
    uint8_t method;
    uint8_t master[2 * OSD_KEY_LEN];
};
osd_status sm_parse_enrol(const char *body, size_t len, struct sm_enrol_request *ret, char *why,
                          size_t why_len);

/** Body of POST .../enrol and .../keys/rotate. */
struct sm_key_request {
    uint64_t pid, oid; /* oid: revoke what was given out for this object only */
    bool all, revoke, new_master, collection /* oid is one */;
};
osd_status sm_parse_key(const char *body, size_t len, struct sm_key_request *ret, char *why,
                        size_t why_len);

/** Body of PUT and DELETE .../members. */
osd_status sm_parse_member(const char *body, size_t len, char ret[SM_PRINCIPAL], char *why,
                           size_t why_len);

/** Names of OSDs: letters, digits, _ . - */
bool sm_osd_name_valid(const char *s);

#endif
