/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/manager.h - the client of the security manager: requests, and credentials that are
 * fetched once and renewed in time
 *
 * URLs: unix:/path of a socket, https://host[:port]; several with commas between are managers over
 * one database, of which any will do.
 * Invariants:
 *  (1) The cache has a maximum; what was used longest ago makes way. A credential for more than
 *      is wanted does.
 *  (2) A credential is given out only if it is good for some time yet; keys are wiped when they
 *      leave the cache.
 *  (3) Nothing is sent over TLS to a server whose certificate does not check out.
 * Every function but open and close may be called from any thread and blocks.
 */
#ifndef LIBOSD_MANAGER_H
#define LIBOSD_MANAGER_H

#include <stdbool.h>

#include "osd/status.h"
#include "security/icv.h"
#include "wire/cdb.h"

struct manager;

struct manager_options {
    const char *urls;
    const char *ca, *certificate, *private_key; /* PEM files for https; NULL: none */
};

/** Nothing is asked yet. OSD_E_INVALID (URL, with a sentence), OSD_E_UNSUPPORTED (not built). */
osd_status manager_open(const struct manager_options *o, struct manager **ret, char *why,
                        size_t why_len);
void manager_close(struct manager *m);

/** What a credential is wanted for. */
struct manager_want {
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    enum osd_gen gen;
    uint8_t type; /* OSD_TYPE_* */
    uint64_t pid, oid;
    uint16_t permissions;
};

/** Why the device did not take the last credential. */
enum manager_refused { MANAGER_NOTHING, MANAGER_KEY, MANAGER_TAG };

struct manager_credential {
    size_t len; /* of the capability */
    uint8_t capability[OSD2_CAPABILITY_LEN];
    uint8_t key[OSD_KEY_LEN];
    enum osd_hmac hmac; /* what the capability's index means on the device */
};

/**
 * A credential, from the cache or the manager.
 *
 * @param refused what the device refused of the one in *ret: ask anew, and say so.
 * @return OSD_OK; OSD_E_DENIED with the manager's sentence (who, what, which permission);
 *         OSD_E_NOT_FOUND (it does not know the device, or the device has no such partition);
 *         OSD_E_UNREACHABLE; OSD_E_PROTOCOL.
 */
osd_status manager_credential(struct manager *m, const struct manager_want *w,
                              enum manager_refused refused, struct manager_credential *ret,
                              char *why, size_t why_len);

#define MANAGER_MANY 256 /* objects in one question */

/** Credentials for n objects, MANAGER_MANY at most, into the cache, in one question; w->oid does
 *  not count. Those that are refused are passed over. OSD_E_DENIED: all are; errors as above. */
osd_status manager_credentials(struct manager *m, const struct manager_want *w,
                               const uint64_t *oids, size_t n, char *why, size_t why_len);

/**
 * Any request of the manager's API.
 *
 * @param body NULL: none.
 * @param ret_reply text of the reply, also with failures that the manager reports; NULL when
 *        there is none. free() it.
 */
osd_status manager_request(struct manager *m, const char *method, const char *path,
                           const char *body, char **ret_reply, char *why, size_t why_len);

#endif
