/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/keyring.h - every key of a device out of its master key, for small sites
 *
 * The standard makes each key of its parent and a seed that the security manager chooses. Here
 * the seeds are made of the master key, so whoever has it can make every key below it and needs
 * to remember nothing. Larger sites run a security manager, which chooses its seeds itself.
 */
#ifndef SECURITY_KEYRING_H
#define SECURITY_KEYRING_H

#include "security/icv.h"
#include "security/keyfile.h"

struct osd_keyring {
    uint8_t master[OSD_MASTER_LEN]; /* generation key, authentication key */
};

/** Kinds as SET KEY counts them; 0 is the master key. */
enum osd_key_kind { OSD_KEY_MASTER, OSD_KEY_ROOT, OSD_KEY_PARTITION, OSD_KEY_WORKING };

/** The seed of a key. pid counts for partition and working keys, version for the latter. */
osd_status osd_keyring_seed(const struct osd_keyring *ring, enum osd_key_kind kind,
                            uint64_t pid, uint8_t version, uint8_t ret[OSD_SEED_LEN]);

/** The authentication part of a key, which credentials are made with. Any thread. */
osd_status osd_keyring_key(const struct osd_keyring *ring, enum osd_key_kind kind, uint64_t pid,
                           uint8_t version, uint8_t ret[OSD_KEY_LEN]);

#endif
