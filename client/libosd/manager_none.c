/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/manager_none.c - see manager.h: what is there without libcurl
 */
#include <stdio.h>

#include "manager.h"

osd_status manager_open(const struct manager_options *o, struct manager **ret, char *why,
                        size_t why_len)
{
    (void)o;
    (void)ret;
    snprintf(why, why_len,
             "this libosd is built without libcurl: it reaches no security "
             "manager");
    return OSD_E_UNSUPPORTED;
}

void manager_close(struct manager *m)
{
    (void)m;
}

osd_status manager_credential(struct manager *m, const struct manager_want *w,
                              enum manager_refused refused, struct manager_credential *ret,
                              char *why, size_t why_len)
{
    (void)m;
    (void)w;
    (void)refused;
    (void)ret;
    snprintf(why, why_len, "built without libcurl");
    return OSD_E_UNSUPPORTED;
}

osd_status manager_credentials(struct manager *m, const struct manager_want *w,
                               const uint64_t *oids, size_t n, char *why, size_t why_len)
{
    (void)m;
    (void)w;
    (void)oids;
    (void)n;
    snprintf(why, why_len, "built without libcurl");
    return OSD_E_UNSUPPORTED;
}

osd_status manager_request(struct manager *m, const char *method, const char *path,
                           const char *body, char **ret_reply, char *why, size_t why_len)
{
    (void)m;
    (void)method;
    (void)path;
    (void)body;
    *ret_reply = NULL;
    snprintf(why, why_len, "built without libcurl");
    return OSD_E_UNSUPPORTED;
}
