/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/credential.h - a credential: a capability and its key; as a file, too
 *
 * The file is text, one "name value" a line, values in hexadecimal digits:
 *   liosd credential 1
 *   generation 2
 *   system 0103...          system id of the device
 *   capability 0231...      80 or 104 bytes
 *   key ...                 20 bytes: the secret part
 */
#ifndef SECURITY_CREDENTIAL_H
#define SECURITY_CREDENTIAL_H

#include "security/icv.h"

#define OSD_CREDENTIAL_TEXT_MAX 512

struct osd_credential {
    enum osd_gen gen;
    uint8_t capability[OSD2_CAPABILITY_LEN]; /* the first 80 bytes in OSD-1 */
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    uint8_t key[OSD_KEY_LEN];
};

/** Make a credential with a secret key (a working key, or what SET KEY asks for), by the
 *  algorithm that the capability's index means on the device. OSD_E_NOMEM. */
osd_status osd_credential_make(const struct osd_capability *cap, enum osd_hmac hmac,
                               enum osd_gen gen, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                               const uint8_t secret[OSD_KEY_LEN], struct osd_credential *ret);

/** Length of the capability. */
static inline size_t osd_credential_capability_len(const struct osd_credential *c)
{
    return c->gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN;
}

/** The text, with a zero byte. */
void osd_credential_format(const struct osd_credential *c, char dst[OSD_CREDENTIAL_TEXT_MAX]);

/** OSD_E_INVALID when a line is missing, unknown, double or malformed. */
osd_status osd_credential_parse(const char *text, struct osd_credential *ret);

/** Read a file, which only its owner may read. Errors as osd_keyfile_read(). */
osd_status osd_credential_read(const char *path, struct osd_credential *ret, char *why,
                               size_t why_len);

#endif
