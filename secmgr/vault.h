/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/vault.h - keys at rest: sealed under a key-encryption key that comes from a passphrase
 *
 * AES-256-GCM under a key that scrypt makes of the passphrase and a salt (a setting of the
 * database). What is sealed is bound to its label, so a record cannot take another's place.
 * Sealed form, hexadecimal: 1 byte version, 12 bytes nonce, ciphertext, 16 bytes tag.
 */
#ifndef SECMGR_VAULT_H
#define SECMGR_VAULT_H

#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define SM_SALT_LEN  16
#define SM_SEAL_MORE 29 /* bytes that sealing adds */

struct sm_vault;

/** From a passphrase of any bytes. Takes about 50 ms and 16 MiB. OSD_E_NOMEM; OSD_E_INVALID: it
 *  is shorter than 16 bytes. */
osd_status sm_vault_open(const uint8_t *passphrase, size_t len, const uint8_t salt[SM_SALT_LEN],
                         struct sm_vault **ret);
/** From a file; trailing newlines do not count. */
osd_status sm_vault_open_file(const char *path, const uint8_t salt[SM_SALT_LEN],
                              struct sm_vault **ret, char *why, size_t why_len);
/** Forgets the key. NULL is allowed. */
void sm_vault_close(struct sm_vault *v);

/** Seal into hexadecimal text, 2 * (len + SM_SEAL_MORE) + 1 bytes. OSD_E_NOMEM: cap is less.
 *  Any thread. */
osd_status sm_vault_seal(struct sm_vault *v, const char *label, const uint8_t *src, size_t len,
                         char *dst, size_t cap);
/** OSD_E_CORRUPT: sealed under another key or label, changed, or no sealed text; *ret_len bytes
 *  in dst. Any thread. */
osd_status sm_vault_unseal(struct sm_vault *v, const char *label, const char *text,
                           uint8_t *dst, size_t cap, size_t *ret_len);

#endif
