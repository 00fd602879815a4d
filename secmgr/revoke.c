/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/revoke.c - see revoke.h
 *
 * Errs on the side of ending too much: that costs clients one more question to the manager.
 */
#include "revoke.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "digits.h"
#include "keys_internal.h"
#include "tags.h"
#include "wire/cdb.h"

/* ---- a list ---- */

void sm_revocations_free(struct sm_revocations *rs)
{
    free(rs->list);
    *rs = (struct sm_revocations){0};
}

static osd_status append(struct sm_revocations *rs, const struct sm_revocation_record *r)
{
    if (rs->n == rs->cap) {
        size_t cap = rs->cap ? 2 * rs->cap : 8;
        struct sm_revocation_record *more = realloc(rs->list, cap * sizeof(*more));
        if (!more)
            return OSD_E_NOMEM;
        rs->list = more;
        rs->cap = cap;
    }
    rs->list[rs->n++] = *r;
    return OSD_OK;
}

osd_status sm_revocations_add(struct sm_revocations *rs, const char *osd, enum sm_revoke what,
                              uint8_t type, uint64_t pid, uint64_t oid)
{
    struct sm_revocation_record r = {.what = (uint8_t)what,
                                     .type = type,
                                     .pid = pid,
                                     .oid = oid,
                                     .begun_ms = osd_clock_now(&osd_clock_system)};
    uint8_t id[16];

    osd_random(id, sizeof(id));
    sm_hex_format(id, sizeof(id), r.id);
    snprintf(r.osd, sizeof(r.osd), "%s", osd);
    return append(rs, &r);
}

/* ---- what a change takes away ---- */

static bool is_group(const char *principal)
{
    return strncmp(principal, "gid:", 4) == 0 || strncmp(principal, "group:", 6) == 0 ||
           strcmp(principal, "other") == 0;
}

static bool same_thing(const struct sm_rule *a, const struct sm_rule *b)
{
    return a->type == b->type && a->pid == b->pid && a->oid == b->oid;
}

/* What the other rules may have given to those of whom a new rule speaks. */
struct others {
    const struct sm_rule *rule;
    uint64_t now;
    uint16_t perms, inherit;
};

static void weigh(void *arg, const struct sm_rule *r)
{
    struct others *o = arg;
    bool here = same_thing(r, o->rule), same = strcmp(r->principal, o->rule->principal) == 0;
    bool strangers = !same && !is_group(r->principal) && !is_group(o->rule->principal);

    if ((here && same) || strangers || (r->expires && r->expires <= o->now))
        return;
    o->perms |= here ? r->perms : 0;
    if (r->inherits) {
        o->perms |= here ? 0 : r->inherit;
        o->inherit |= r->inherit;
    }
}

/* Of one half of a rule: own permissions, or what is inherited. */
static uint16_t lost(bool had_rule, uint16_t had, uint16_t others, bool has_rule, uint16_t has,
                     bool sooner)
{
    uint16_t before = had_rule ? had : others, after = has_rule ? has : 0;

    if (!had_rule && !has_rule)
        return 0;
    return sooner ? before : before & (uint16_t)~after;
}

static osd_status add_for(struct sm_revocations *rs, const struct sm_rule *r, uint16_t own,
                          uint16_t inherit)
{
    osd_status st = OSD_OK;

    switch (r->type) {
    case OSD_TYPE_ROOT:
        if (inherit)
            return sm_revocations_add(rs, r->osd, SM_REVOKE_EVERYTHING, r->type, 0, 0);
        return own ? sm_revocations_add(rs, r->osd, SM_REVOKE_KEYS, r->type, 0, 0) : st;
    case OSD_TYPE_PARTITION:
        if (inherit)
            return sm_revocations_add(rs, r->osd, SM_REVOKE_KEYS, r->type, r->pid, 0);
        return own ? sm_revocations_add(rs, r->osd, SM_REVOKE_TAG, r->type, r->pid, 0) : st;
    default:
        if (own & OSD_PERM_CREATE) /* tags are not compared when objects are made */
            return sm_revocations_add(rs, r->osd, SM_REVOKE_KEYS, r->type, r->pid, 0);
        return own ? sm_revocations_add(rs, r->osd, SM_REVOKE_TAG, r->type, r->pid, r->oid)
                   : st;
    }
}

osd_status sm_revocations_of_change(struct sm_db *db, const struct sm_rule *before,
                                    const struct sm_rule *after, uint64_t now_ms,
                                    struct sm_revocations *rs)
{
    const struct sm_rule none = {0}, *rule = before ? before : after;
    struct others o = {.rule = rule, .now = now_ms};
    const struct sm_rule *b = before ? before : &none, *a = after ? after : &none;
    osd_status st = sm_db_rule_match(db, rule->osd, rule->pid, rule->oid, weigh, &o);
    bool was, sooner;

    if (st)
        return st;
    was = before && !(b->expires && b->expires <= now_ms);
    sooner = was && after && a->expires && (!b->expires || a->expires < b->expires);
    return add_for(rs, rule, lost(was, b->perms, o.perms, after, a->perms, sooner),
                   lost(was && b->inherits, b->inherit, o.inherit, after && a->inherits,
                        a->inherit, sooner));
}

/* ---- members of groups ---- */

#define RULES_MAX (64u << 20) /* bytes */

static void keep_rule(void *arg, const struct sm_rule *r)
{
    osd_buf_put(arg, r, sizeof(*r));
}

/* Entering, the group's rules come before what others gave so far; leaving takes them away. */
static osd_status of_rule(struct sm_db *db, const struct sm_rule *group_rule,
                          const char *principal, bool enters, uint64_t now_ms,
                          struct sm_revocations *rs)
{
    struct sm_rule r = *group_rule;

    if (!enters)
        return sm_revocations_of_change(db, &r, NULL, now_ms, rs);
    snprintf(r.principal, sizeof(r.principal), "%s", principal);
    return sm_revocations_of_change(db, NULL, &r, now_ms, rs);
}

osd_status sm_revocations_of_member(struct sm_db *db, const char *group, const char *principal,
                                    bool enters, uint64_t now_ms, struct sm_revocations *rs)
{
    _cleanup_buf_ struct osd_buf rules = osd_buf_make(RULES_MAX);
    osd_status st = sm_db_rule_of(db, group, keep_rule, &rules);
    size_t n = rules.len / sizeof(struct sm_rule);
    struct sm_rule r;

    for (size_t i = 0; i < n && !st; i++) {
        memcpy(&r, rules.data + i * sizeof(r), sizeof(r));
        st = of_rule(db, &r, principal, enters, now_ms, rs);
    }
    return st;
}

/* ---- carrying out ---- */

osd_status sm_revocations_begin(struct sm_db *db, const struct sm_revocations *rs)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < rs->n && !st; i++)
        st = sm_db_revocation_add(db, &rs->list[i]);
    if (st)
        sm_revocations_forget(db, rs);
    return st;
}

void sm_revocations_forget(struct sm_db *db, const struct sm_revocations *rs)
{
    for (size_t i = 0; i < rs->n; i++)
        sm_db_revocation_remove(db, rs->list[i].id);
}

static void keep_pid(void *arg, const struct sm_part *p)
{
    osd_buf_put(arg, &p->pid, sizeof(p->pid));
}

/* What never had keys never gave a credential. */
static osd_status revoke_keys(struct sm_keys *k, const struct sm_osd *o, uint64_t pid,
                              char *why, size_t why_len)
{
    struct sm_part p;
    osd_status st = sm_db_part_get(sm_keys_db(k), o->id, pid, &p);

    if (!st)
        st = sm_keys_revoke(k, o, pid, why, why_len);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status revoke_everything(struct sm_keys *k, const struct sm_osd *o, char *why,
                                    size_t why_len)
{
    _cleanup_buf_ struct osd_buf pids = osd_buf_make(RULES_MAX);
    osd_status st = sm_db_part_each(sm_keys_db(k), o->id, keep_pid, &pids);
    uint64_t pid;

    for (size_t at = 0; at < pids.len && !st; at += sizeof(pid)) {
        memcpy(&pid, pids.data + at, sizeof(pid));
        st = revoke_keys(k, o, pid, why, why_len);
    }
    return st;
}

static osd_status revoke_tag(struct sm_keys *k, const struct sm_osd *o,
                             const struct sm_revocation_record *r, char *why, size_t why_len)
{
    struct sm_part p;
    osd_status st = sm_db_part_get(sm_keys_db(k), o->id, r->pid, &p);

    if (!st)
        st = sm_tag_change(k, o, r->type, r->pid, r->oid, why, why_len);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Carried out, it is forgotten. */
static osd_status carry_out(struct sm_keys *k, const struct sm_revocation_record *r, char *why,
                            size_t why_len)
{
    struct sm_osd o;
    osd_status st = sm_db_osd_get(sm_keys_db(k), r->osd, &o);

    if (!st)
        st = r->what == SM_REVOKE_TAG    ? revoke_tag(k, &o, r, why, why_len)
             : r->what == SM_REVOKE_KEYS ? revoke_keys(k, &o, r->pid, why, why_len)
                                         : revoke_everything(k, &o, why, why_len);
    if (!st || st == OSD_E_NOT_FOUND)
        st = sm_db_revocation_remove(sm_keys_db(k), r->id);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

osd_status sm_revocations_end(struct sm_keys *k, const struct sm_revocations *rs,
                              size_t *ret_left, char *why, size_t why_len)
{
    osd_status st, last = OSD_OK;
    const char *silent = ""; /* this device does not answer: others need not wait for it */

    *ret_left = 0;
    for (size_t i = 0; i < rs->n; i++) {
        const struct sm_revocation_record *r = &rs->list[i];
        st = strcmp(r->osd, silent) == 0 ? last : carry_out(k, r, why, why_len);
        if (!st)
            continue;
        last = st;
        ++*ret_left;
        if (st == OSD_E_UNREACHABLE)
            silent = r->osd;
    }
    return last;
}

static void keep_revocation(void *arg, const struct sm_revocation_record *r)
{
    append(arg, r);
}

osd_status sm_revocations_resume(struct sm_keys *k, uint64_t age_ms, size_t *ret_n)
{
    struct sm_revocations rs = {0};
    char why[300] = "";
    size_t left = 0;
    osd_status st = sm_db_revocation_each(
        sm_keys_db(k), osd_clock_now(&osd_clock_system) - age_ms, keep_revocation, &rs);

    if (!st)
        st = sm_revocations_end(k, &rs, &left, why, sizeof(why));
    if (left)
        osd_log(OSD_LOG_WARN, "%zu revocations are still to be carried out: %s", left, why);
    *ret_n = rs.n - left;
    sm_revocations_free(&rs);
    return st;
}
