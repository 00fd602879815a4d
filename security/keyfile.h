/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/keyfile.h - files that hold a master key
 *
 * 80 hexadecimal digits: the generation key, then the authentication key; white space around
 * them. Only their owner may read or write them: others' permissions are an error, not a
 * warning. Nothing here logs or keeps a key.
 */
#ifndef SECURITY_KEYFILE_H
#define SECURITY_KEYFILE_H

#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"
#include "security/icv.h"

#define OSD_MASTER_LEN (2 * OSD_KEY_LEN)

/** Read a key. OSD_E_NOT_FOUND; OSD_E_DENIED (may be read or written by others, or not by us);
 *  OSD_E_INVALID (not 80 digits); OSD_E_IO. why gets a sentence of at most why_len bytes that
 *  names the path. Any thread. */
osd_status osd_keyfile_read(const char *path, uint8_t ret[OSD_MASTER_LEN], char *why,
                            size_t why_len);

/** Read at most cap - 1 bytes of a file that is its owner's alone, and add a zero byte. Errors as
 *  above. The caller wipes the text. */
osd_status osd_secret_read(const char *path, char *text, size_t cap, char *why, size_t why_len);

/** Make a random key and keep it in a new file, mode 0600, on stable storage. OSD_E_EXISTS;
 *  OSD_E_DENIED; OSD_E_NO_SPACE; OSD_E_IO. Any thread. */
osd_status osd_keyfile_make(const char *path, uint8_t ret[OSD_MASTER_LEN], char *why,
                            size_t why_len);

#endif
