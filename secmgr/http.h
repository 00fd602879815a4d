/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/http.h - communication: HTTP over a Unix socket and over TLS with client certificates;
 * who the caller is
 *
 * On the Unix socket the kernel says who connected (SO_PEERCRED); over TLS it is the subject of
 * a certificate that the configured authority signed and has not revoked, or Kerberos where it is built in.
 */
#ifndef SECMGR_HTTP_H
#define SECMGR_HTTP_H

#include "api.h"

struct sm_http;

/** Listen as configured. OSD_E_IO with a sentence. */
osd_status sm_http_start(const struct sm_config *c, struct sm_api *api, struct sm_http **ret,
                         char *why, size_t why_len);
/** Look at the revocation lists now. */
void sm_http_reload(struct sm_http *h);
/** Stop listening, let requests under way end. NULL is allowed. */
void sm_http_stop(struct sm_http *h);

#endif
