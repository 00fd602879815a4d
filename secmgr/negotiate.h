/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/negotiate.h - Kerberos: a caller's name from an HTTP Negotiate header (RFC 4559)
 *
 * Built with LIOSD_KERBEROS; without it, a keytab in the configuration is an error.
 */
#ifndef SECMGR_NEGOTIATE_H
#define SECMGR_NEGOTIATE_H

#include "identity.h"

/** Use the keys of this keytab. OSD_E_UNSUPPORTED, OSD_E_NOT_FOUND. */
osd_status sm_negotiate_open(const char *keytab, char *why, size_t why_len);

/** Judge the value of an Authorization header. True: who->name is "krb:principal". Any thread.
 */
bool sm_negotiate(const char *header, struct sm_identity *who, const char **ret_refusal);

#endif
