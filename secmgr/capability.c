/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/capability.c - see capability.h
 */
#include "capability.h"

#include <string.h>

#include "common/clock.h"

#define PARTITION_CHANGES (OSD_PERM_CREATE | OSD_PERM_REMOVE | OSD_PERM_GBL_REM)
#define DUPLICATION       (OSD_PERM_CREATE | OSD_PERM_READ | OSD_PERM_WRITE)

bool sm_ask_is_partition_change(const struct sm_ask *ask)
{
    return ask->type == OSD_TYPE_PARTITION && (ask->perms & PARTITION_CHANGES) &&
           (ask->perms & ~(OSD_PERM_GET_ATTR | OSD_PERM_SET_ATTR)) != DUPLICATION;
}

uint64_t sm_ask_key_partition(const struct sm_ask *ask)
{
    return ask->type == OSD_TYPE_ROOT || sm_ask_is_partition_change(ask) ? 0 : ask->pid;
}

/* ---- levels ---- */

enum level { LEVEL_OWN, LEVEL_PARTITION, LEVEL_DEVICE, N_LEVELS };
enum class { CLASS_OWN, CLASS_GROUP, CLASS_OTHER, N_CLASSES };

/* Sum of the rules of one class at one level. */
struct sum {
    bool any;
    uint16_t perms;
    uint64_t expires;
};

struct judge {
    const struct sm_identity *who;
    const struct sm_ask *ask;
    uint64_t now;
    struct sum sums[N_LEVELS][N_CLASSES];
};

static bool classify(const struct sm_identity *who, const char *principal, enum class *ret)
{
    if (strcmp(principal, who->name) == 0)
        *ret = CLASS_OWN;
    else if (strcmp(principal, "other") == 0)
        *ret = CLASS_OTHER;
    else if (sm_identity_in_group(who, principal))
        *ret = CLASS_GROUP;
    else
        return false;
    return true;
}

/* At which level a rule speaks about what is asked, and what it says. */
static bool speaks(const struct judge *j, const struct sm_rule *r, enum level *ret_level,
                   uint16_t *ret_perms)
{
    bool device = j->ask->type == OSD_TYPE_ROOT || sm_ask_is_partition_change(j->ask);
    bool own = device ? r->type == OSD_TYPE_ROOT
                      : r->type == j->ask->type && r->pid == j->ask->pid &&
                            (r->type == OSD_TYPE_PARTITION || r->oid == j->ask->oid);

    *ret_level = own                             ? LEVEL_OWN
                 : r->type == OSD_TYPE_PARTITION ? LEVEL_PARTITION
                                                 : LEVEL_DEVICE;
    *ret_perms = own ? r->perms : r->inherit;
    if (own)
        return true;
    return !device && r->inherits &&
           (r->type == OSD_TYPE_ROOT ||
            (r->type == OSD_TYPE_PARTITION && j->ask->type != OSD_TYPE_PARTITION));
}

static void weigh(void *arg, const struct sm_rule *r)
{
    struct judge *j = arg;
    enum level level;
    enum class class;
    uint16_t perms;

    if ((r->expires && r->expires <= j->now) || !classify(j->who, r->principal, &class) ||
        !speaks(j, r, &level, &perms))
        return;
    struct sum *s = &j->sums[level][class];
    s->any = true;
    s->perms |= perms;
    /* A grant lasts as long as the shortest rule behind it. */
    if (r->expires && (perms & j->ask->perms) && (!s->expires || r->expires < s->expires))
        s->expires = r->expires;
}

static const char *level_name(const struct judge *j, enum level level)
{
    static const char *const names[N_LEVELS] = {"object", "partition", "device"};
    bool device = j->ask->type == OSD_TYPE_ROOT || sm_ask_is_partition_change(j->ask);

    if (level == LEVEL_OWN && device)
        return names[LEVEL_DEVICE];
    return level == LEVEL_OWN && j->ask->type == OSD_TYPE_PARTITION ? names[LEVEL_PARTITION]
                                                                    : names[level];
}

static void conclude(const struct judge *j, struct sm_decision *d)
{
    static const char *const becauses[N_CLASSES] = {"own", "group", "other"};

    *d = (struct sm_decision){.missing = j->ask->perms, .level = "none", .because = "no rule"};
    for (enum level l = 0; l < N_LEVELS; l++)
        for (enum class c = 0; c < N_CLASSES; c++) {
            const struct sum *s = &j->sums[l][c];
            if (!s->any)
                continue;
            d->granted = s->perms & j->ask->perms;
            d->missing = j->ask->perms & (uint16_t)~s->perms;
            d->expires = s->expires;
            d->level = level_name(j, l);
            d->because = becauses[c];
            return;
        }
}

static bool well_formed(const struct sm_ask *a)
{
    bool creates = a->perms & OSD_PERM_CREATE;

    switch (a->type) {
    case OSD_TYPE_ROOT:
        return a->pid == 0 && a->oid == 0;
    case OSD_TYPE_PARTITION:
        return a->oid == 0 && (a->pid >= OSD_ID_FIRST || a->pid == 0);
    case OSD_TYPE_COLLECTION:
    case OSD_TYPE_USER:
        return a->pid >= OSD_ID_FIRST && (a->oid != 0 || creates);
    default:
        return false;
    }
}

osd_status sm_decide(struct sm_db *db, const char *osd, const struct sm_identity *who,
                     const struct sm_ask *ask, uint64_t now_ms, struct sm_decision *ret)
{
    struct judge j = {.who = who, .ask = ask, .now = now_ms};
    osd_status st;

    if (!well_formed(ask))
        return OSD_E_INVALID;
    st = sm_db_rule_match(db, osd, ask->pid, ask->oid, weigh, &j);
    if (!st)
        conclude(&j, ret);
    return st;
}

/* ---- the capability ---- */

static uint8_t descriptor(const struct sm_ask *ask)
{
    if (ask->type == OSD_TYPE_ROOT || ask->type == OSD_TYPE_PARTITION)
        return OSD_DESC_PAR;
    return ask->type == OSD_TYPE_COLLECTION && ask->gen == OSD_GEN2 ? OSD_DESC_COL
                                                                    : OSD_DESC_USER;
}

void sm_capability_fill(const struct sm_ask *ask, uint8_t method, uint8_t icv_algorithm,
                        uint8_t key_version, uint64_t expires_ms, uint32_t tag,
                        const uint8_t audit[20], struct osd_capability *ret)
{
    *ret = (struct osd_capability){
        .format = (uint8_t)ask->gen,
        .key_version = key_version,
        .icv_algorithm = icv_algorithm,
        .method = method,
        .expiration = expires_ms,
        .created = ask->created,
        .object_type = ask->type,
        .permissions = ask->gen == OSD_GEN1 ? ask->perms & 0xffe0 : ask->perms,
        .descriptor = descriptor(ask),
        .policy_tag = tag,
        .allowed_pid = ask->pid,
        .allowed_oid = ask->oid,
        .range_len = ask->range_len,
        .range_start = ask->range_start,
    };
    memcpy(ret->audit, audit, sizeof(ret->audit));
    osd_random(ret->discriminator, sizeof(ret->discriminator));
}
