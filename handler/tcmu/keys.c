/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/keys.c - see keys.h
 */
#include "keys.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "security/keyfile.h"
#include "wire/cdb.h"

static osd_status own_key(const struct osd_key_source *s, uint8_t ret[OSD_MASTER_LEN])
{
    char path[sizeof(s->cfg->path) + sizeof("/" OSD_OWN_KEY_FILE)];
    osd_status st;

    snprintf(path, sizeof(path), "%s/" OSD_OWN_KEY_FILE, s->cfg->path);
    st = osd_keyfile_make(path, ret, s->why, s->why_len);
    if (st == OSD_E_EXISTS) /* it was made, but did not get into the store */
        return osd_keyfile_read(path, ret, s->why, s->why_len);
    if (st == OSD_OK)
        osd_log(OSD_LOG_WARN, "the master key of %s is in %s: fetch it, then delete the file",
                s->cfg->path, path);
    return st;
}

static osd_status first_key(void *arg, uint8_t ret[OSD_MASTER_LEN])
{
    const struct osd_key_source *s = arg;
    const char *file = s->cfg->master_key_file;

    return file[0] ? osd_keyfile_read(file, ret, s->why, s->why_len) : own_key(s, ret);
}

static osd_status set_passphrase(struct osd_key_source *s, struct osd_device_config *dc)
{
    const char *file = s->cfg->passphrase_file[0] ? s->cfg->passphrase_file : NULL;
    size_t len;
    osd_status st = osd_seal_passphrase(file, s->passphrase, &len, s->why, s->why_len);

    if (st == OSD_OK && len > 0) {
        dc->passphrase = s->passphrase;
        dc->passphrase_len = len;
    }
    return st;
}

osd_status osd_key_source_set(struct osd_key_source *source, struct osd_device_config *dc)
{
    const struct osd_cfg *cfg = source->cfg;

    dc->default_method = cfg->method;
    dc->weak_groups = cfg->weak_groups;
    if (cfg->method != OSD_SEC_NOSEC || cfg->master_key_file[0]) {
        dc->first_key = first_key;
        dc->key_arg = source;
    }
    return set_passphrase(source, dc);
}

void osd_key_source_wipe(struct osd_key_source *source)
{
    explicit_bzero(source->passphrase, sizeof(source->passphrase));
}

const char *osd_method_name(uint8_t method)
{
    static const char *const names[] = {"NOSEC (everybody may do everything)", "CAPKEY",
                                        "CMDRSP", "ALLDATA"};

    return method < sizeof(names) / sizeof(names[0]) ? names[method] : "unknown";
}
