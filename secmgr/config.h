/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/config.h - osd-secmgr.conf(5)
 *
 * [section], key = value, comments from # or ; at the beginning of a line. Unknown sections, keys
 * and values out of range are errors with the line's number. [osd NAME] is a section about one device.
 */
#ifndef SECMGR_CONFIG_H
#define SECMGR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"
#include "wishes.h"

#define SM_PATH   512
#define SM_ADMINS 32

struct sm_principals {
    int n;
    char list[SM_ADMINS][256];
};

struct sm_config {
    /* [listen] */
    char unix_path[108];
    uint64_t unix_mode;
    char https[128]; /* address:port; "" = none */
    char certificate[SM_PATH], private_key[SM_PATH], client_ca[SM_PATH];
    char client_crl[SM_PATH]; /* revocation lists; "" = none */
    char keytab[SM_PATH];     /* Kerberos Negotiate; "" = none */
    /* [database] */
    char database[16]; /* "sqlite", "postgresql" */
    char where[SM_PATH];
    /* [keys] */
    char passphrase[SM_PATH]; /* file */
    uint64_t rotate_s;        /* age at which working keys are rotated; 0 = never */
    uint64_t dh_bits;
    /* [credentials] */
    uint64_t lifetime_s, max_lifetime_s;
    struct sm_wishes wishes; /* and of [osd NAME]: its icv_algorithm */
    /* [access] */
    struct sm_principals admins, observers;
    /* [limits] */
    uint64_t requests_per_second, burst, connections, threads;
    /* [audit] */
    char audit[SM_PATH];
};

/** What holds where the file says nothing. */
void sm_config_defaults(struct sm_config *ret);

/** Text of a file over what *c holds. OSD_E_INVALID with a sentence that names the line. */
osd_status sm_config_parse(struct sm_config *c, const char *text, size_t len, char *why,
                           size_t why_len);

/** A file, then the files DIR.d/NAME.conf in the order of their names, where DIR is the file's
 *  path. OSD_E_NOT_FOUND, OSD_E_INVALID. */
osd_status sm_config_load(struct sm_config *c, const char *path, char *why, size_t why_len);

/** What belongs together is there. OSD_E_INVALID with a sentence. */
osd_status sm_config_check(const struct sm_config *c, char *why, size_t why_len);

/** Every key as "section.key" ("osd NAME.key"), one after the other; NULL at the end (for tests of the man page).
 */
const char *sm_config_key(size_t i);

#endif
