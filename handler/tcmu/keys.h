/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/keys.h - the first master key of a LUN's device
 */
#ifndef TCMU_KEYS_H
#define TCMU_KEYS_H

#include "cfgstring.h"
#include "interpreter/interpreter.h"

/** Name of the file in the store's directory where a key that was made here can be fetched. */
#define OSD_OWN_KEY_FILE "master.key"

struct osd_key_source {
    const struct osd_cfg *cfg;
    char *why; /* gets a sentence on failure */
    size_t why_len;
};

/** Let a device have the key that its configuration says: the administrator's file, or for
 *  methods that need one a random key, kept in the store's directory. source stays valid until
 *  osd_device_open() returns. */
void osd_key_source_set(struct osd_key_source *source, struct osd_device_config *dc);

/** Name of a security method for logs. */
const char *osd_method_name(uint8_t method);

#endif
