/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/crl.h - revocation lists for clients' certificates, from a PEM file that is read again when
 * it changes
 *
 * Invariants:
 *  (1) A list counts only if the authority of the clients' certificates signed it.
 *  (2) When the file cannot be read, or holds anything else, the lists before stay in force, and the
 *      log says so. A list that is past its next update stays in force, too.
 * Every function but close may be called from any thread.
 */
#ifndef SECMGR_CRL_H
#define SECMGR_CRL_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "osd/status.h"

struct sm_crl;

/** ca: PEM text of the authority, the caller's. OSD_E_INVALID, OSD_E_NOT_FOUND with a sentence. */
osd_status sm_crl_open(const char *path, const char *ca, struct sm_crl **ret, char *why,
                       size_t why_len);
/** NULL is allowed. */
void sm_crl_close(struct sm_crl *c);

/** Look at the file now, even if it was looked at this second. */
void sm_crl_reload(struct sm_crl *c);

/** Whether one of the certificates that a client showed is on a list. */
bool sm_crl_lists(struct sm_crl *c, const gnutls_datum_t *chain, unsigned n);

#endif
