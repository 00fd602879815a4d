/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/revoke.h - revocation: what a change of rules takes away ends on the device, too
 *
 * How a revocation works, by what was taken away:
 *
 *     permissions on an object, a collection         its policy access tag changes (tags.h)
 *     permissions on a partition itself              its policy access tag changes
 *     what a partition lets inherit; creating        new keys for the partition
 *     permissions on the device, on partitions       new keys for partition zero
 *     what the device lets inherit                   new keys for every partition
 *
 * Clients that are still allowed get a new credential when the device refuses the old one.
 * Invariants:
 *  (1) A revocation is written down before the rules change and removed after it was carried out;
 *      what a manager that died or a device that did not answer left over is carried out later.
 *  (2) Whoever grants a credential reads keys and tags before the rules (api_credentials.c), so none
 *      that rests on the old rules has the new keys and tags.
 */
#ifndef SECMGR_REVOKE_H
#define SECMGR_REVOKE_H

#include "db.h"
#include "keys.h"

enum sm_revoke { SM_REVOKE_TAG = 1, SM_REVOKE_KEYS, SM_REVOKE_EVERYTHING };

/** Revocations to be carried out; free with sm_revocations_free(). */
struct sm_revocations {
    struct sm_revocation_record *list;
    size_t n, cap;
};

void sm_revocations_free(struct sm_revocations *rs);

/** Add one; the id is made up, the time is now. OSD_E_NOMEM. */
osd_status sm_revocations_add(struct sm_revocations *rs, const char *osd, enum sm_revoke what,
                              uint8_t type, uint64_t pid, uint64_t oid);

/** Add what must end when the first rule becomes the second one. before: NULL: there was none;
 *  after: NULL: it is removed; both are of one principal and one thing. Errors of the database. */
osd_status sm_revocations_of_change(struct sm_db *db, const struct sm_rule *before,
                                    const struct sm_rule *after, uint64_t now_ms,
                                    struct sm_revocations *rs);

/** Add what must end when a principal enters a group, or leaves it. */
osd_status sm_revocations_of_member(struct sm_db *db, const char *group, const char *principal,
                                    bool enters, uint64_t now_ms, struct sm_revocations *rs);

/** Write them down, before the change. */
osd_status sm_revocations_begin(struct sm_db *db, const struct sm_revocations *rs);
/** Carry them out, after the change; what fails stays written down. *ret_left: how many do.
 *  OSD_OK; the last failure, with a sentence. */
osd_status sm_revocations_end(struct sm_keys *k, const struct sm_revocations *rs,
                              size_t *ret_left, char *why, size_t why_len);
/** The change was not made: forget them. */
void sm_revocations_forget(struct sm_db *db, const struct sm_revocations *rs);

/** Carry out what was left over more than age_ms ago. *ret_n: how many were. */
osd_status sm_revocations_resume(struct sm_keys *k, uint64_t age_ms, size_t *ret_n);

#endif
