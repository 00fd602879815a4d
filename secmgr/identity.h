/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/identity.h - who a caller is, as the connection proves it
 *
 * Names: "uid:1000" (Unix socket), "cert:CN=alice,O=example" (client certificate),
 * "krb:alice@REALM" (Kerberos). Groups: "gid:100" (of the system, for Unix sockets) and
 * "group:NAME" (of the database).
 */
#ifndef SECMGR_IDENTITY_H
#define SECMGR_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "db.h"

#define SM_GROUPS 64

struct sm_identity {
    char name[SM_PRINCIPAL];
    int n_groups;
    char groups[SM_GROUPS][SM_NAME_LEN];
};

/** A process on this machine: its uid, and the groups that the system gives that user. */
void sm_identity_unix(uid_t uid, gid_t gid, struct sm_identity *ret);

/** Add the groups of the database; those beyond SM_GROUPS are left out (and so grant nothing).
 */
osd_status sm_identity_load_groups(struct sm_db *db, struct sm_identity *who);

bool sm_identity_in_group(const struct sm_identity *who, const char *group);

/** Whether a word can stand as principal of a rule: one of the forms above, or "other". */
bool sm_principal_valid(const char *s);
/** Whether it names a group of the database: "group:" and letters, digits, _ . - */
bool sm_group_valid(const char *s);

#endif
