/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/api_admin.c - OSDs, their keys, rules and groups: for administrators
 */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "api_internal.h"
#include "common/clock.h"
#include "requests.h"
#include "revoke.h"
#include "tags.h"

/* A database's failure, in a sentence; passes other statuses on. */
static osd_status db_status(struct ask *a, osd_status st, const char *none)
{
    if (st == OSD_E_NOT_FOUND)
        snprintf(a->why, sizeof(a->why), "%s", none);
    else if (st)
        snprintf(a->why, sizeof(a->why), "database: %s", sm_db_text());
    return st;
}

/* A change is noted before (intended) and after it was made. */
static osd_status note(struct ask *a, const char *event, const char *outcome, json_t *what)
{
    json_object_set_new(what, "osd", json_string(a->osd.name[0] ? a->osd.name : ""));
    return ask_audit(a, event, outcome, what);
}

static osd_status note_end(struct ask *a, const char *event, osd_status st, json_t *what)
{
    osd_status noted;

    if (st)
        json_object_set_new(what, "reason", json_string(a->why));
    noted = note(a, event, st ? "failed" : "done", what);
    return st ? st : noted;
}

/* ---- OSDs ---- */

static const char *method_name(uint8_t method)
{
    static const char *const names[] = {"nosec", "capkey", "cmdrsp", "alldata"};

    return names[method % 4];
}

/* The secret of an iSCSI URL is not for everybody's eyes. */
static json_t *public_url(const char *url)
{
    const char *at = strchr(url, '@'), *percent = strchr(url, '%');
    char text[SM_URL_LEN + 4];

    if (!at || !percent || percent > at)
        return json_string(url);
    snprintf(text, sizeof(text), "%.*s%%***%s", (int)(percent - url), url, at);
    return json_string(text);
}

struct osd_list {
    struct sm_keys *keys;
    const struct sm_wishes *wishes;
    json_t *items;
};

/* icv_algorithm: of its credentials; icv_algorithms: all that it lists. Without the former it
 * does not have what is asked for, or was not asked yet: then the latter is empty, too. */
static void describe_algorithms(const struct osd_list *l, const struct sm_osd *o, json_t *item)
{
    struct osd_algorithms a;
    struct osd_algorithm one;
    json_t *all = json_array();

    if (sm_keys_algorithms(l->keys, o, &a) == OSD_OK) {
        for (enum osd_wish w = OSD_WISH_SHA1; w < OSD_WISH_BEST; w++)
            if (osd_algorithm_choose(&a, w, &one))
                json_array_append_new(all, json_string(osd_wish_name(w)));
        if (osd_algorithm_choose(&a, sm_wish_of(l->wishes, o->name), &one))
            json_object_set_new(item, "icv_algorithm", json_string(osd_hmac_name(one.hmac)));
    }
    json_object_set_new(item, "icv_algorithms", all);
}

static void list_osd(void *arg, const struct sm_osd *o)
{
    const struct osd_list *l = arg;
    json_t *item = json_pack("{s:s, s:s, s:o, s:s}", "name", o->name, "osd_id", o->id, "url",
                             public_url(o->url), "method", method_name(o->method));

    describe_algorithms(l, o, item);
    json_array_append_new(l->items, item);
}

osd_status api_osds(struct ask *a)
{
    struct osd_list l = {.keys = a->api->parts.keys,
                         .wishes = &a->api->parts.config->wishes,
                         .items = json_array()};

    a->data = json_pack("{s:o}", "osds", l.items);
    return db_status(a, sm_db_osd_each(a->api->parts.db, list_osd, &l), "");
}

osd_status api_enrol(struct ask *a)
{
    struct sm_enrol_request r;
    char id[SM_ID_TEXT];
    osd_status st = sm_parse_enrol(a->req->body, a->req->body_len, &r, a->why, sizeof(a->why));

    if (st)
        return st;
    snprintf(a->osd.name, sizeof(a->osd.name), "%s", r.name);
    st = note(a, "enrol", "intended", json_object());
    if (!st)
        st = sm_keys_enrol(a->api->parts.keys, r.name, r.url, r.method, r.master, id, a->why,
                           sizeof(a->why));
    OPENSSL_cleanse(&r.master, sizeof(r.master));
    if (!st)
        a->data = json_pack("{s:s, s:s}", "name", r.name, "osd_id", id);
    return note_end(a, "enrol", st, json_object());
}

osd_status api_reenrol(struct ask *a)
{
    struct sm_key_request r;
    osd_status st = sm_parse_key(a->req->body, a->req->body_len, &r, a->why, sizeof(a->why));

    if (!st)
        st = note(a, "reenrol", "intended", json_object());
    if (st)
        return st;
    st = sm_keys_reenrol(a->api->parts.keys, a->osd.name, r.new_master, a->why, sizeof(a->why));
    return note_end(a, "reenrol", st, json_object());
}

osd_status api_remove_osd(struct ask *a)
{
    osd_status st = note(a, "forget", "intended", json_object());

    if (!st)
        st = db_status(a, sm_db_osd_remove(a->api->parts.db, a->osd.id), "it is gone already");
    return note_end(a, "forget", st, json_object());
}

/* ---- keys ---- */

static void list_key(void *arg, const struct sm_key_state *s)
{
    json_t *item = json_pack("{s:o, s:b, s:b}", "pid", json_id(s->pid), "ready", s->ready,
                             "pending", s->pending);

    if (s->ready) {
        json_object_set_new(item, "key_version", json_integer(s->version));
        json_object_set_new(item, "set", json_integer((json_int_t)s->set_ms));
    }
    json_array_append_new(arg, item);
}

osd_status api_keys(struct ask *a)
{
    json_t *list = json_array();
    osd_status st = sm_keys_each(a->api->parts.keys, &a->osd, list_key, list);

    a->data = json_pack("{s:o}", "partitions", list);
    if (st == OSD_E_CORRUPT)
        snprintf(a->why, sizeof(a->why), "the keys do not open: another passphrase?");
    return st;
}

static osd_status rotate_one(struct ask *a, const struct sm_key_request *r, uint64_t pid)
{
    struct sm_keys *k = a->api->parts.keys;

    if (r->oid)
        return sm_tag_change(k, &a->osd, r->collection ? OSD_TYPE_COLLECTION : OSD_TYPE_USER,
                             pid, r->oid, a->why, sizeof(a->why));
    return r->revoke ? sm_keys_revoke(k, &a->osd, pid, a->why, sizeof(a->why))
                     : sm_keys_rotate(k, &a->osd, pid, a->why, sizeof(a->why));
}

struct pids {
    size_t n;
    uint64_t list[4096];
};

static void keep_pid(void *arg, const struct sm_key_state *s)
{
    struct pids *p = arg;

    if (s->ready && p->n < sizeof(p->list) / sizeof(p->list[0]))
        p->list[p->n++] = s->pid;
}

/* The one partition, or all that have keys. */
static osd_status rotate_all(struct ask *a, const struct sm_key_request *r, size_t *ret_n)
{
    struct pids pids = {.n = 1, .list = {r->pid}};
    osd_status st = OSD_OK;

    if (r->all) {
        pids.n = 0;
        st = sm_keys_each(a->api->parts.keys, &a->osd, keep_pid, &pids);
    }
    for (*ret_n = 0; *ret_n < pids.n && !st; ++*ret_n) {
        st = rotate_one(a, r, pids.list[*ret_n]);
        if (st == OSD_E_NOT_FOUND && r->all) /* the partition has gone since */
            st = OSD_OK;
        if (st)
            break;
    }
    return st == OSD_E_DENIED ? OSD_E_IO : st;
}

osd_status api_rotate(struct ask *a)
{
    struct sm_key_request r;
    size_t n = 0;
    osd_status st = sm_parse_key(a->req->body, a->req->body_len, &r, a->why, sizeof(a->why));
    const char *event = !st && r.revoke ? "revoke" : "rotate";

    if (!st)
        st = note(a, event, "intended",
                  json_pack("{s:o, s:o}", "pid", json_id(r.pid), "oid", json_id(r.oid)));
    if (st)
        return st;
    st = rotate_all(a, &r, &n);
    a->data = json_pack("{s:I}", "partitions", (json_int_t)n);
    return note_end(a, event, st, json_pack("{s:I}", "partitions", (json_int_t)n));
}

/* ---- rules ---- */

static json_t *json_rule(const struct sm_rule *r)
{
    json_t *item = json_place(r->type, r->pid, r->oid);

    json_object_set_new(item, "principal", json_string(r->principal));
    json_object_set_new(item, "permissions", json_perms(r->perms));
    if (r->inherits)
        json_object_set_new(item, "inherit", json_perms(r->inherit));
    if (r->expires)
        json_object_set_new(item, "expires", json_integer((json_int_t)r->expires));
    return item;
}

static void list_rule(void *arg, const struct sm_rule *r)
{
    json_array_append_new(arg, json_rule(r));
}

osd_status api_acl(struct ask *a)
{
    json_t *list = json_array();

    a->data = json_pack("{s:o}", "rules", list);
    return db_status(a, sm_db_rule_each(a->api->parts.db, a->osd.id, list_rule, list), "");
}

static osd_status parse_rule(struct ask *a, bool remove, struct sm_rule *ret)
{
    memcpy(ret->osd, a->osd.id, sizeof(ret->osd));
    return sm_parse_rule(a->req->body, a->req->body_len, remove, ret, a->why, sizeof(a->why));
}

/* What a change takes away ends on the devices; the reply says whether it has. */
static osd_status finish(struct ask *a, osd_status st, const struct sm_revocations *rs)
{
    char why[400] = "";
    size_t left;

    if (st) {
        sm_revocations_forget(a->api->parts.db, rs);
        return st;
    }
    sm_revocations_end(a->api->parts.keys, rs, &left, why, sizeof(why));
    a->data = json_pack("{s:s}", "revocation", left ? "pending" : rs->n ? "done" : "none");
    if (left) {
        a->status = 202;
        json_object_set_new(a->data, "message", json_string(why));
    }
    return OSD_OK;
}

/* The rule as it is becomes the rule as it shall be; after: NULL: is removed. */
static osd_status replace_rule(struct ask *a, const struct sm_rule *r, bool remove,
                               struct sm_revocations *rs)
{
    struct sm_db *db = a->api->parts.db;
    struct sm_rule before;
    osd_status st = sm_db_rule_get(db, r, &before);
    bool there = st == OSD_OK;

    if (remove || (st && st != OSD_E_NOT_FOUND))
        st = db_status(a, st, "there is no such rule");
    else
        st = OSD_OK;
    if (!st)
        st = db_status(a,
                       sm_revocations_of_change(db, there ? &before : NULL, remove ? NULL : r,
                                                osd_clock_now(&osd_clock_system), rs),
                       "");
    if (!st)
        st = db_status(a, sm_revocations_begin(db, rs), "");
    if (!st)
        st = db_status(a, remove ? sm_db_rule_remove(db, r) : sm_db_rule_set(db, r),
                       "there is no such rule");
    return st;
}

static json_t *json_outcome(const struct ask *a, json_t *what)
{
    json_object_update(what, a->data);
    return what;
}

static osd_status change_rule(struct ask *a, bool remove)
{
    const char *event = remove ? "acl remove" : "acl set";
    struct sm_revocations rs = {0};
    struct sm_rule r = {0};
    osd_status st = parse_rule(a, remove, &r);

    if (!st)
        st = note(a, event, "intended", json_rule(&r));
    if (st)
        return st;
    pthread_mutex_lock(&a->api->rules);
    st = replace_rule(a, &r, remove, &rs);
    pthread_mutex_unlock(&a->api->rules);
    st = finish(a, st, &rs);
    sm_revocations_free(&rs);
    return note_end(a, event, st, json_outcome(a, json_rule(&r)));
}

osd_status api_acl_set(struct ask *a)
{
    return change_rule(a, false);
}

osd_status api_acl_remove(struct ask *a)
{
    return change_rule(a, true);
}

/* ---- groups ---- */

static void list_member(void *arg, const char *group, const char *principal)
{
    json_array_append_new(arg, json_pack("{s:s, s:s}", "group", group, "principal", principal));
}

osd_status api_groups(struct ask *a)
{
    json_t *list = json_array();

    a->data = json_pack("{s:o}", "members", list);
    return db_status(a, sm_db_member_each(a->api->parts.db, NULL, list_member, list), "");
}

static osd_status parse_member(struct ask *a, char group[SM_NAME_LEN],
                               char member[SM_PRINCIPAL])
{
    if (snprintf(group, SM_NAME_LEN, "%s%.56s", strncmp(a->name, "group:", 6) ? "group:" : "",
                 a->name) >= SM_NAME_LEN ||
        !sm_group_valid(group)) {
        snprintf(a->why, sizeof(a->why), "a group's name has letters, digits, _ . -");
        return OSD_E_INVALID;
    }
    return sm_parse_member(a->req->body, a->req->body_len, member, a->why, sizeof(a->why));
}

static osd_status replace_member(struct ask *a, bool add, const char *group, const char *member,
                                 struct sm_revocations *rs)
{
    struct sm_db *db = a->api->parts.db;
    osd_status st =
        sm_revocations_of_member(db, group, member, add, osd_clock_now(&osd_clock_system), rs);

    if (!st)
        st = sm_revocations_begin(db, rs);
    if (!st)
        st = add ? sm_db_member_add(db, group, member) : sm_db_member_remove(db, group, member);
    return db_status(a, st, "it is no member");
}

static osd_status change_member(struct ask *a, bool add)
{
    const char *event = add ? "group add" : "group remove";
    char group[SM_NAME_LEN], member[SM_PRINCIPAL];
    struct sm_revocations rs = {0};
    osd_status st = parse_member(a, group, member);

    if (!st)
        st = note(a, event, "intended",
                  json_pack("{s:s, s:s}", "group", group, "member", member));
    if (st)
        return st;
    pthread_mutex_lock(&a->api->rules);
    st = replace_member(a, add, group, member, &rs);
    pthread_mutex_unlock(&a->api->rules);
    st = finish(a, st, &rs);
    sm_revocations_free(&rs);
    return note_end(a, event, st,
                    json_outcome(a, json_pack("{s:s, s:s}", "group", group, "member", member)));
}

osd_status api_member_add(struct ask *a)
{
    return change_member(a, true);
}

osd_status api_member_remove(struct ask *a)
{
    return change_member(a, false);
}
