/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/tags.c - see tags.h, keys_internal.h
 */
#include "tags.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "digits.h"
#include "keys_internal.h"

#define VERIFIED 2 /* times that one change looks for lost keys */

uint32_t sm_tag_after(uint32_t value)
{
    return value + 1 ? value + 1 : 1;
}

/* Commands that make or remove a partition are matters of the device; a capability for any new
 * object has nothing to compare with. */
static bool has_tag(const struct sm_ask *ask)
{
    return sm_ask_key_partition(ask) != 0 && (ask->type == OSD_TYPE_PARTITION || ask->oid != 0);
}

/* ---- the tag of one object ---- */

struct object {
    struct sm_job *j;
    uint8_t type;
    struct sm_tag_record r;
};

/* That of new objects, if it has no record. */
static osd_status load(struct object *ob)
{
    struct sm_job *j = ob->j;
    uint64_t pid = j->part.pid, oid = ob->r.oid;
    osd_status st = sm_db_tag_get(sm_keys_db(j->k), j->osd.id, pid, oid, &ob->r);

    if (st != OSD_E_NOT_FOUND)
        return st;
    ob->r = (struct sm_tag_record){.pid = pid, .oid = oid, .value = j->keys.new_tag.value};
    memcpy(ob->r.osd, j->osd.id, sizeof(ob->r.osd));
    return OSD_OK;
}

static osd_status plan(struct object *ob, uint32_t value)
{
    uint8_t nonce[OSD_NONCE_LEN];

    sm_nonce_make(nonce, ob->j->ahead_ms);
    sm_hex_format(nonce, sizeof(nonce), ob->r.nonce);
    ob->r.value = value;
    return sm_db_tag_put(sm_keys_db(ob->j->k), &ob->r);
}

static osd_status send(struct object *ob)
{
    struct sm_job *j = ob->j;
    const struct sm_part_keys *keys = &j->keys;
    struct sm_set_tag set = {
        .type = ob->type, .pid = ob->r.pid, .oid = ob->r.oid, .value = ob->r.value};
    osd_status st = sm_job_link(j);

    if (!st && !sm_hex_parse(ob->r.nonce, set.nonce, sizeof(set.nonce)))
        st = OSD_E_CORRUPT;
    return st ? st
              : sm_device_set_tag(j->link, j->system_id, &set, keys->current,
                                  keys->working[keys->current].key, &j->ahead_ms, j->why,
                                  j->why_len);
}

static osd_status done(struct object *ob)
{
    ob->r.nonce[0] = 0;
    return sm_db_tag_put(sm_keys_db(ob->j->k), &ob->r);
}

/* Carry out what is written down. An object that is not there has no tag, and gets this one when
 * somebody is refused who asks for it once it is. */
static osd_status carry_out(struct object *ob, int *verified)
{
    osd_status st = send(ob);

    switch (st) {
    case OSD_OK:
    case OSD_E_NOT_FOUND:
        return done(ob);
    case OSD_E_TIMEOUT: /* the nonce is used up, or too old for the device */
        return plan(ob, ob->r.value);
    case OSD_E_DENIED:
        return (*verified)++ < VERIFIED ? sm_job_verify(ob->j) : st;
    default:
        return st;
    }
}

/* Until the device has what is written down. */
static osd_status settle(struct object *ob)
{
    int verified = 0;
    osd_status st = OSD_OK;

    for (int i = 0; i < SM_STEPS && !st && ob->r.nonce[0]; i++) {
        st = carry_out(ob, &verified);
        if (st == OSD_E_BUSY)
            st = load(ob);
    }
    return st ? st : ob->r.nonce[0] ? OSD_E_BUSY : OSD_OK;
}

static osd_status begin(struct sm_job *j, const struct sm_osd *o, uint64_t pid)
{
    osd_status st = sm_job_begin(j, o, pid);

    return st ? st : sm_job_settle(j);
}

static osd_status change_object(struct object *ob)
{
    osd_status st = OSD_E_BUSY;

    for (int i = 0; i < SM_STEPS && st == OSD_E_BUSY; i++) {
        st = load(ob);
        if (!st)
            st = settle(ob);
        if (!st)
            st = plan(ob, sm_tag_after(ob->r.value));
    }
    return st ? st : settle(ob);
}

static osd_status restore_object(struct object *ob, uint32_t refused)
{
    osd_status st = load(ob);

    if (!st)
        st = settle(ob);
    if (!st && ob->r.value == refused)
        st = plan(ob, refused);
    if (st == OSD_E_BUSY) /* another manager does the same */
        st = load(ob);
    return st ? st : settle(ob);
}

/* ---- the tag of a partition ---- */

static osd_status change_partition(struct sm_job *j)
{
    osd_status st = OSD_E_BUSY;

    for (int i = 0; i < SM_STEPS && st == OSD_E_BUSY; i++) {
        if (i > 0 && ((st = sm_job_reload(j)) || (st = sm_job_settle(j))))
            break;
        sm_tag_plan(j, &j->keys.own_tag, sm_tag_after(j->keys.own_tag.value));
        st = sm_job_save(j);
    }
    return st ? st : sm_job_settle(j);
}

static osd_status restore_partition(struct sm_job *j, uint32_t refused)
{
    osd_status st;

    if (j->keys.own_tag.value != refused)
        return OSD_OK;
    sm_tag_plan(j, &j->keys.own_tag, refused);
    sm_tag_plan(j, &j->keys.new_tag, j->keys.new_tag.value);
    st = sm_job_save(j);
    if (st == OSD_E_BUSY)
        st = sm_job_reload(j);
    return st ? st : sm_job_settle(j);
}

/* ---- public ---- */

osd_status sm_tag_of(struct sm_keys *k, const struct sm_osd *o, const struct sm_ask *ask,
                     const struct sm_working *w, uint32_t *ret, char *why, size_t why_len)
{
    SM_JOB(j, k);
    struct object ob = {.j = &j, .type = ask->type, .r.oid = ask->oid};
    osd_status st;

    *ret = 0;
    if (!has_tag(ask) || w->own_tag == 0)
        return OSD_OK;
    *ret = ask->type == OSD_TYPE_PARTITION ? w->own_tag : w->new_tag;
    if (ask->type == OSD_TYPE_PARTITION)
        return OSD_OK;
    st = sm_db_tag_get(sm_keys_db(k), o->id, ask->pid, ask->oid, &ob.r);
    if (st == OSD_OK && ob.r.nonce[0]) {
        st = begin(&j, o, ask->pid);
        if (!st)
            st = load(&ob);
        if (!st)
            st = settle(&ob);
        sm_job_end(&j, st);
    }
    if (st == OSD_OK)
        *ret = ob.r.value;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

osd_status sm_tag_restore(struct sm_keys *k, const struct sm_osd *o, const struct sm_ask *ask,
                          uint32_t refused, char *why, size_t why_len)
{
    SM_JOB(j, k);
    struct object ob = {.j = &j, .type = ask->type, .r.oid = ask->oid};
    osd_status st;

    if (!has_tag(ask))
        return OSD_OK;
    st = begin(&j, o, ask->pid);
    if (!st && !j.keys.untagged)
        st = ask->type == OSD_TYPE_PARTITION ? restore_partition(&j, refused)
                                             : restore_object(&ob, refused);
    sm_job_end(&j, st);
    return st;
}

osd_status sm_tag_change(struct sm_keys *k, const struct sm_osd *o, uint8_t type, uint64_t pid,
                         uint64_t oid, char *why, size_t why_len)
{
    SM_JOB(j, k);
    struct object ob = {.j = &j, .type = type, .r.oid = oid};
    bool untagged = false;
    osd_status st = begin(&j, o, pid);

    if (!st) {
        untagged = j.keys.untagged;
        st = untagged ? OSD_OK : oid == 0 ? change_partition(&j) : change_object(&ob);
    }
    sm_job_end(&j, st);
    if (untagged)
        return sm_keys_revoke(k, o, pid, why, why_len);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}
