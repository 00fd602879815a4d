/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/identity.c - see identity.h
 */
#include "identity.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define SYSTEM_GROUPS 48 /* of SM_GROUPS; the others are left for groups of the database */

void sm_identity_unix(uid_t uid, gid_t gid, struct sm_identity *ret)
{
    gid_t groups[SYSTEM_GROUPS] = {gid};
    int n = SYSTEM_GROUPS;
    struct passwd pw, *found = NULL;
    char space[4096];

    *ret = (struct sm_identity){0};
    snprintf(ret->name, sizeof(ret->name), "uid:%u", (unsigned)uid);
    if (getpwuid_r(uid, &pw, space, sizeof(space), &found) != 0 || !found)
        n = 1;
    else if (getgrouplist(found->pw_name, gid, groups, &n) < 0)
        n = SYSTEM_GROUPS;
    for (int i = 0; i < n; i++)
        snprintf(ret->groups[ret->n_groups++], SM_NAME_LEN, "gid:%u", (unsigned)groups[i]);
}

static void add_group(void *arg, const char *group, const char *principal)
{
    struct sm_identity *who = arg;

    (void)principal;
    if (who->n_groups < SM_GROUPS)
        snprintf(who->groups[who->n_groups++], SM_NAME_LEN, "%s", group);
}

osd_status sm_identity_load_groups(struct sm_db *db, struct sm_identity *who)
{
    return sm_db_member_each(db, who->name, add_group, who);
}

bool sm_identity_in_group(const struct sm_identity *who, const char *group)
{
    for (int i = 0; i < who->n_groups; i++)
        if (strcmp(who->groups[i], group) == 0)
            return true;
    return false;
}

/* ---- words ---- */

static bool all_of(const char *s, const char *letters)
{
    return *s && s[strspn(s, letters)] == 0;
}

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

bool sm_group_valid(const char *s)
{
    return strncmp(s, "group:", 6) == 0 && strlen(s) < SM_NAME_LEN &&
           all_of(s + 6, LETTERS DIGITS "_.-");
}

static bool printable(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 127)
            return false;
    return true;
}

bool sm_principal_valid(const char *s)
{
    if (strlen(s) >= SM_PRINCIPAL)
        return false;
    if (strcmp(s, "other") == 0 || sm_group_valid(s))
        return true;
    if (strncmp(s, "uid:", 4) == 0 || strncmp(s, "gid:", 4) == 0)
        return strlen(s) <= 14 && all_of(s + 4, DIGITS);
    return (strncmp(s, "cert:", 5) == 0 && printable(s + 5)) ||
           (strncmp(s, "krb:", 4) == 0 && printable(s + 4));
}
