/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/negotiate_none.c - see negotiate.h: what is there without Kerberos
 */
#include <stdio.h>

#include "negotiate.h"

osd_status sm_negotiate_open(const char *keytab, char *why, size_t why_len)
{
    snprintf(why, why_len, "keytab = %s: this osd-secmgr is built without Kerberos", keytab);
    return OSD_E_UNSUPPORTED;
}

bool sm_negotiate(const char *header, struct sm_identity *who, const char **ret_refusal)
{
    (void)header;
    (void)who;
    *ret_refusal = "Kerberos is not built in";
    return false;
}
