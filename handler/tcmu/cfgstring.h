/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/cfgstring.h - the configuration string of a LUN
 *
 *   [osd/]/absolute/path[;key=value]...
 * Characters: letters, digits and /._@=+~%-; (what targetcli, configfs and tcmu-runner all
 * carry); at most 255 with "osd/". A pure parser: it touches no file, so any local user may
 * call it through D-Bus.
 */
#ifndef TCMU_CFGSTRING_H
#define TCMU_CFGSTRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define OSD_CFGSTRING_MAX 255

struct osd_cfg {
    char path[OSD_CFGSTRING_MAX + 1];
    uint64_t capacity; /* bytes; 0 = the LUN's size */
    bool sync_always;  /* sync=always */
    bool memory;       /* store=memory: for tests, forgets everything */
    uint8_t method;    /* security method of a store that is made, and the least of one that is
                          there; default CMDRSP */
    bool weak_groups;  /* dh1024=allow */
    char master_key_file[OSD_CFGSTRING_MAX + 1]; /* "" = master.key in the store's directory */
    char passphrase_file[OSD_CFGSTRING_MAX + 1]; /* "" = the systemd credential, if any */
    unsigned threads;    /* workers for long commands, 1-64; default 4 */
    uint64_t scrub;      /* bytes per second read to find damage; 0 = never; default 8 MiB */
    unsigned scrub_days; /* from the end of one pass to the next, 0-365; default 7 */
};

/** The line that help and error messages show. */
#define OSD_CFGSTRING_EXAMPLE "/var/lib/osd/osd0;capacity=100G;security=cmdrsp"

/** Parse. OSD_E_INVALID with a sentence naming the offending part and an example in reason. */
osd_status osd_cfgstring_parse(const char *s, struct osd_cfg *ret, char *reason,
                               size_t reason_len);

/** What security= is given for a method, OSD_SEC_*. */
const char *osd_cfgstring_method(uint8_t method);

#endif
