/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/keys.h - the first master key of a LUN's device
 */
#ifndef TCMU_KEYS_H
#define TCMU_KEYS_H

#include "cfgstring.h"
#include "interpreter/interpreter.h"
#include "security/seal.h"

/** Name of the file in the store's directory where a key that was made here can be fetched. */
#define OSD_OWN_KEY_FILE "master.key"

struct osd_key_source {
    const struct osd_cfg *cfg;
    char *why; /* gets a sentence on failure */
    size_t why_len;
    uint8_t passphrase[OSD_SEAL_PASS_MAX];
};

/** Let a device have the keys that its configuration says: the administrator's file, or for
 *  methods that need one a random key, kept in the store's directory; and the passphrase that
 *  keys are sealed under, if there is one. source stays valid until osd_device_open() returns,
 *  and is wiped then. Errors as osd_seal_passphrase(). */
osd_status osd_key_source_set(struct osd_key_source *source, struct osd_device_config *dc);
void osd_key_source_wipe(struct osd_key_source *source);

/** Name of a security method for logs. */
const char *osd_method_name(uint8_t method);

#endif
