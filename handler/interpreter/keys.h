/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/keys.h - the secret keys of the device and its partitions (reference 6.5)
 *
 * Keys are attributes of the root and the partitions under a page number that no client can
 * name, so they change with the transaction of a command and vanish with their partition.
 * Invariants:
 *  (1) Partition and working keys carry the serial of the root key they descend from; when the
 *      root or the master key changes, the serial does, and they are gone.
 *  (2) With a passphrase every key is sealed (security/seal.h), bound to its partition and number;
 *      one that is not, or that another passphrase sealed, is not accepted.
 *  (3) No key is ever part of an answer or a log line.
 */
#ifndef INTERPRETER_KEYS_H
#define INTERPRETER_KEYS_H

#include "command.h"

#define KEYS_PAGE     0xcf000000u /* in the reserved range */
#define KEY_MASTER    0x1u        /* of the root object, as the next two */
#define KEY_ROOT      0x2u
#define KEY_SERIAL    0x3u
#define KEY_PARTITION 0x10u /* of a partition; of the root object for partition zero */
#define KEY_WORKING   0x20u /* ... and 15 more */
#define N_WORKING     16

struct key_record {
    uint64_t serial; /* of the root key it descends from */
    uint8_t generation[OSD_KEY_LEN], authentication[OSD_KEY_LEN];
    uint8_t id[OSD_KEY_ID_LEN];
};

/** A valid key. OSD_E_NOT_FOUND when it is not set, or no longer. */
osd_status keys_load(struct command *c, uint64_t pid, uint32_t number, struct key_record *ret);

/** A working key of a partition. OSD_E_NOT_FOUND. */
osd_status keys_working(struct command *c, uint64_t pid, uint8_t version,
                        uint8_t ret[OSD_KEY_LEN]);

/** The key a command's credential must be made with. OSD_E_NOT_FOUND. */
osd_status keys_secret(struct command *c, uint8_t ret[OSD_KEY_LEN]);

/** Give a device without master key this one: generation key, then authentication key. */
osd_status keys_install_master(struct osd_store *s, const struct osd_seal *seal,
                               const uint8_t key[2 * OSD_KEY_LEN]);

/** Whether the device has a master key. OSD_E_CORRUPT: it is sealed under another passphrase. */
osd_status keys_have_master(struct osd_store *s, const struct osd_seal *seal, bool *ret);

/** End the keys of a partition; pid 0: all partition and working keys there are. Nobody else uses the
 *  store, as with the next one. */
osd_status keys_end(struct osd_store *s, uint64_t pid);
/** All keys there are, the master key as well. */
osd_status keys_end_all(struct osd_store *s);

enum keys_master { KEYS_NO_MASTER, KEYS_MASTER_OPEN, KEYS_MASTER_SEALED };
/** How the master key lies in the store. */
osd_status keys_master(struct osd_store *s, enum keys_master *ret);

/** Seal every key that is not sealed yet. Nobody else uses the store. */
osd_status keys_seal_all(struct osd_store *s, const struct osd_seal *seal);

#endif
