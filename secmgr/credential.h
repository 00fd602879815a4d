/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/credential.h - the credential generator: capability and secret key to credential
 * (reference 5.2, 6.3)
 */
#ifndef SECMGR_CREDENTIAL_H
#define SECMGR_CREDENTIAL_H

#include "security/icv.h"
#include "wire/cdb.h"

/** What the client gets: the capability goes into its CDBs, the key never leaves it. */
struct sm_credential {
    size_t len; /* of the capability: 80 or 104 */
    uint8_t capability[OSD2_CAPABILITY_LEN];
    uint8_t key[OSD_KEY_LEN]; /* capability key = credential integrity check value */
};

/** For a CDB of generation gen, whose layout the capability takes; hmac: what its
 *  index means on the device. OSD_E_NOMEM. Any thread. */
osd_status sm_credential_make(const struct osd_capability *cap, enum osd_hmac hmac,
                              enum osd_gen gen, const uint8_t secret[OSD_KEY_LEN],
                              const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                              struct sm_credential *ret);

#endif
