/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/credential.c - see credential.h
 */
#include "credential.h"

osd_status sm_credential_make(const struct osd_capability *cap, enum osd_hmac hmac,
                              enum osd_gen gen, const uint8_t secret[OSD_KEY_LEN],
                              const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                              struct sm_credential *ret)
{
    struct sm_credential c = {0};
    osd_status st;

    c.len = osd_capability_encode(cap, gen, c.capability);
    st = osd_capability_key_by(hmac, secret, (struct osd_bytes){c.capability, c.len}, system_id,
                               c.key);
    if (!st)
        *ret = c;
    return st;
}
