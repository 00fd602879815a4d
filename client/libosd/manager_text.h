/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/manager_text.h - questions to the security manager as JSON, and what its answers say
 *
 * An answer may hold anything: nothing is taken from one that is not whole and of its form.
 */
#ifndef LIBOSD_MANAGER_TEXT_H
#define LIBOSD_MANAGER_TEXT_H

#include <stddef.h>

#include "manager.h"

/** Body of POST /v1/credentials; last: the credential that was refused. free() it. NULL without
 *  memory. */
char *manager_ask(const struct manager_want *w, enum manager_refused refused,
                  const struct manager_credential *last);
/** Body of POST /v1/credentials/batch: for n objects, whatever w->oid is. */
char *manager_ask_many(const struct manager_want *w, const uint64_t *oids, size_t n);

/** What was granted, and until when (ms since 1970). False: the answer is none. */
bool manager_granted(const void *reply, size_t len, enum osd_gen gen,
                     struct manager_credential *ret, uint64_t *ret_expires);

typedef void manager_take(void *arg, uint64_t oid, const struct manager_credential *c,
                          uint64_t expires);
/** The same for many: take() for each, which may be none. */
bool manager_granted_many(const void *reply, size_t len, enum osd_gen gen, manager_take *take,
                          void *arg);

/** The manager's sentence about the first of many that it refused. */
void manager_refusal(const void *reply, size_t len, char *why, size_t why_len);

/** The manager's sentence about a failure, with the request's id. */
void manager_message(const void *reply, size_t len, long code, char *why, size_t why_len);

#endif
