/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/seal.h - keys at rest: sealed under a key that comes from a passphrase
 *
 * AES-256-GCM under a key that scrypt makes of the passphrase and a salt. What is sealed is bound
 * to its label, so a record cannot take another's place. Sealed form: 1 byte version, 12 bytes
 * nonce, ciphertext, 16 bytes tag.
 */
#ifndef SECURITY_SEAL_H
#define SECURITY_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "osd/status.h"

#define OSD_SEAL_SALT_LEN 16
#define OSD_SEAL_MORE     29 /* bytes that sealing adds */
#define OSD_SEAL_PASS_MIN 16
#define OSD_SEAL_PASS_MAX 4096

struct osd_seal {
    uint8_t key[32];
};

/** From a passphrase of any bytes. Takes about 50 ms and 16 MiB. OSD_E_INVALID: it is shorter
 *  than 16 bytes; OSD_E_NOMEM. The caller wipes *ret in the end. */
osd_status osd_seal_make(struct osd_bytes passphrase, const uint8_t salt[OSD_SEAL_SALT_LEN],
                         struct osd_seal *ret);

/** dst gets src.len + OSD_SEAL_MORE bytes. OSD_E_NOMEM. Any thread. */
osd_status osd_seal_put(const struct osd_seal *s, struct osd_bytes label, struct osd_bytes src,
                        uint8_t *dst);

/** dst gets src.len - OSD_SEAL_MORE bytes. OSD_E_CORRUPT: sealed under another key or label, or
 *  changed; then dst is zero. Any thread. */
osd_status osd_seal_get(const struct osd_seal *s, struct osd_bytes label, struct osd_bytes src,
                        uint8_t *dst);

/** The passphrase: the first line of a file that is its owner's alone, or as a systemd credential
 *  ($CREDENTIALS_DIRECTORY/liosd-passphrase) when path is NULL. *ret_len 0: there is none of the
 *  latter. Errors as osd_keyfile_read(). The caller wipes dst. */
osd_status osd_seal_passphrase(const char *path, uint8_t dst[OSD_SEAL_PASS_MAX],
                               size_t *ret_len, char *why, size_t why_len);

#endif
