/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/api_credentials.c - POST /v1/credentials: the way from a question to a credential
 */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "api_internal.h"
#include "capability.h"
#include "common/clock.h"
#include "credential.h"
#include "digits.h"
#include "requests.h"
#include "security/names.h"
#include "tags.h"

struct grant {
    struct sm_credential_request req;
    struct sm_decision d;
    uint64_t now, expires;
    struct sm_working with;
    uint32_t tag;
};

static json_t *describe(const struct ask *a, const struct grant *g)
{
    json_t *e = json_pack("{s:s, s:s, s:o, s:o}", "osd", a->osd.name, "osd_id", a->osd.id,
                          "permissions", json_perms(g->req.ask.perms), "object",
                          json_place(g->req.ask.type, g->req.ask.pid, g->req.ask.oid));

    json_object_set_new(e, "level", json_string(g->d.level));
    json_object_set_new(e, "because", json_string(g->d.because));
    return e;
}

/* "uid:1000 has no permission write on object 0x10000/0x10001 of disk1 (partition)" */
static osd_status refuse(struct ask *a, const struct grant *g)
{
    const struct sm_ask *q = &g->req.ask;
    char missing[OSD_PERMISSIONS_TEXT], place[64];
    json_t *e = describe(a, g);

    if (q->type == OSD_TYPE_ROOT)
        snprintf(place, sizeof(place), "the root object");
    else if (q->type == OSD_TYPE_PARTITION)
        snprintf(place, sizeof(place), "partition 0x%" PRIx64, q->pid);
    else if (q->oid == 0)
        snprintf(place, sizeof(place), "new %ss in partition 0x%" PRIx64,
                 osd_type_name(q->type), q->pid);
    else
        snprintf(place, sizeof(place), "%s 0x%" PRIx64 "/0x%" PRIx64, osd_type_name(q->type),
                 q->pid, q->oid);
    osd_permissions_format(g->d.missing, missing);
    snprintf(a->why, sizeof(a->why), "%s has no permission %s on %s of %s (%s)", a->who.name,
             missing, place, a->osd.name,
             strcmp(g->d.level, "none") == 0 ? "no rule speaks of it" : g->d.level);
    json_object_set_new(e, "missing", json_perms(g->d.missing));
    a->error = json_pack("{s:s, s:o, s:O}", "caller", a->who.name, "missing",
                         json_perms(g->d.missing), "object", json_object_get(e, "object"));
    atomic_fetch_add(&a->api->figures[FIG_REFUSALS], 1);
    ask_audit(a, "credential", "refused", e);
    return OSD_E_DENIED;
}

static uint64_t expiry(const struct ask *a, const struct grant *g)
{
    const struct sm_config *c = a->api->parts.config;
    uint64_t life = g->req.ask.lifetime_ms ? g->req.ask.lifetime_ms : c->lifetime_s * 1000;
    uint64_t most = c->max_lifetime_s * 1000, expires;

    expires = g->now + (life < most ? life : most);
    return g->d.expires && g->d.expires < expires ? g->d.expires : expires;
}

static json_t *answer(const struct ask *a, const struct grant *g, const struct sm_credential *c)
{
    static const char *const methods[] = {"nosec", "capkey", "cmdrsp", "alldata"};
    char capability[2 * OSD2_CAPABILITY_LEN + 1], key[2 * OSD_KEY_LEN + 1];
    json_t *data;

    sm_hex_format(c->capability, c->len, capability);
    sm_hex_format(c->key, sizeof(c->key), key);
    data = json_pack("{s:s, s:i, s:s, s:s, s:I, s:s, s:s, s:i, s:o}", "osd_id", a->osd.id,
                     "generation", (int)g->req.ask.gen, "capability", capability, "key", key,
                     "expires", (json_int_t)g->expires, "method", methods[a->osd.method % 4],
                     "icv_algorithm", osd_hmac_name(g->with.algorithm.hmac), "key_version",
                     g->with.version, "permissions", json_perms(g->req.ask.perms));
    OPENSSL_cleanse(key, sizeof(key));
    return data;
}

/* The audit field of the capability tells the device whose request it was. */
static osd_status make(struct ask *a, const struct grant *g, struct sm_credential *ret)
{
    uint8_t audit[20] = {0}, system_id[OSD_SYSTEM_ID_LEN];
    struct osd_capability cap;

    if (!sm_hex_parse(a->osd.id, system_id, sizeof(system_id)))
        return OSD_E_CORRUPT;
    memcpy(audit, a->id, sizeof(a->id));
    sm_capability_fill(&g->req.ask, a->osd.method, g->with.algorithm.index, g->with.version,
                       g->expires, g->tag, audit, &cap);
    return sm_credential_make(&cap, g->with.algorithm.hmac, g->req.ask.gen, g->with.key,
                              system_id, ret);
}

/* Key and tag, first set right where the device refused what was given out before. */
static osd_status prepare(struct ask *a, struct grant *g)
{
    uint64_t pid = sm_ask_key_partition(&g->req.ask);
    struct sm_keys *keys = a->api->parts.keys;
    const struct sm_credential_request *r = &g->req;
    osd_status st = OSD_OK;

    if (r->tag_refused)
        st = sm_tag_restore(keys, &a->osd, &r->ask, r->refused_tag, a->why, sizeof(a->why));
    else if (r->stale)
        st = sm_keys_verify(keys, &a->osd, pid, a->why, sizeof(a->why));
    if (!st)
        st = sm_keys_working(keys, &a->osd, pid, &g->with, a->why, sizeof(a->why));
    if (!st)
        st = sm_tag_of(keys, &a->osd, &r->ask, &g->with, &g->tag, a->why, sizeof(a->why));
    /* What the device says of the manager is no refusal of the caller. */
    return st == OSD_E_DENIED ? OSD_E_IO : st;
}

/* The credential, when it is in the audit log. */
static osd_status grant(struct ask *a, struct grant *g, struct sm_credential *ret)
{
    osd_status st;
    json_t *e;

    g->expires = expiry(a, g);
    st = make(a, g, ret);
    if (st)
        return st;
    e = describe(a, g);
    json_object_set_new(e, "expires", json_integer((json_int_t)g->expires));
    json_object_set_new(e, "key_version", json_integer(g->with.version));
    json_object_set_new(e, "icv_algorithm", json_string(osd_hmac_name(g->with.algorithm.hmac)));
    json_object_set_new(e, "policy_tag", json_integer(g->tag));
    st = ask_audit(a, "credential", "granted", e);
    if (!st)
        atomic_fetch_add(&a->api->figures[FIG_GRANTS], 1);
    return st;
}

static osd_status grant_one(struct ask *a, struct grant *g)
{
    struct sm_credential c;
    osd_status st = grant(a, g, &c);

    if (!st)
        a->data = answer(a, g, &c);
    OPENSSL_cleanse(&c, sizeof(c));
    return st;
}

static osd_status decide(struct ask *a, struct grant *g)
{
    osd_status st = sm_decide(a->api->parts.db, a->osd.id, &a->who, &g->req.ask, g->now, &g->d);

    if (st == OSD_E_INVALID)
        snprintf(a->why, sizeof(a->why), "type, pid and oid do not go together");
    return st;
}

static osd_status find_osd(struct ask *a, const char *name)
{
    osd_status st = sm_db_osd_get(a->api->parts.db, name, &a->osd);

    if (st == OSD_E_NOT_FOUND)
        snprintf(a->why, sizeof(a->why), "no OSD \"%s\" is known here", name);
    return st;
}

/* The rules are read again after key and tag: what is revoked in between does not get the new
 * ones (revoke.h). */
static osd_status judge(struct ask *a, struct grant *g)
{
    osd_status st = decide(a, g);

    if (st || g->d.missing)
        return st;
    st = prepare(a, g);
    return st ? st : decide(a, g);
}

osd_status api_credential(struct ask *a)
{
    struct grant g = {.now = osd_clock_now(&osd_clock_system)};
    osd_status st =
        sm_parse_credential(a->req->body, a->req->body_len, &g.req, a->why, sizeof(a->why));

    if (!st)
        st = find_osd(a, g.req.osd);
    if (!st)
        st = judge(a, &g);
    if (!st)
        st = g.d.missing ? refuse(a, &g) : grant_one(a, &g);
    OPENSSL_cleanse(&g.with, sizeof(g.with));
    return st;
}

/* ---- many objects ---- */

struct lists {
    json_t *granted, *refused;
};

static void note_granted(struct lists *l, const struct grant *g, const struct sm_credential *c)
{
    char capability[2 * OSD2_CAPABILITY_LEN + 1], key[2 * OSD_KEY_LEN + 1];

    sm_hex_format(c->capability, c->len, capability);
    sm_hex_format(c->key, sizeof(c->key), key);
    json_array_append_new(l->granted,
                          json_pack("{s:o, s:s, s:s, s:I, s:s}", "oid", json_id(g->req.ask.oid),
                                    "capability", capability, "key", key, "expires",
                                    (json_int_t)g->expires, "icv_algorithm",
                                    osd_hmac_name(g->with.algorithm.hmac)));
    OPENSSL_cleanse(key, sizeof(key));
}

/* What one object is refused for is no failure of the others. */
static osd_status answer_for(struct ask *a, struct grant *g, struct lists *l)
{
    struct sm_credential c;
    osd_status st = judge(a, g);

    if (st)
        return st;
    if (g->d.missing) {
        st = refuse(a, g);
        json_decref(a->error);
        a->error = NULL;
        json_array_append_new(
            l->refused,
            json_pack("{s:o, s:s}", "oid", json_id(g->req.ask.oid), "message", a->why));
        return st == OSD_E_DENIED ? OSD_OK : st;
    }
    st = grant(a, g, &c);
    if (!st)
        note_granted(l, g, &c);
    OPENSSL_cleanse(&c, sizeof(c));
    return st;
}

osd_status api_batch(struct ask *a)
{
    struct lists l = {json_array(), json_array()};
    struct sm_batch_request r;
    struct grant g = {.now = osd_clock_now(&osd_clock_system)};
    osd_status st = sm_parse_batch(a->req->body, a->req->body_len, &r, a->why, sizeof(a->why));

    if (!st && r.n > 1)
        st = ask_limit(a, (uint32_t)r.n - 1); /* the request was one */
    if (!st)
        st = find_osd(a, r.one.osd);
    g.req = r.one;
    for (size_t i = 0; i < r.n && !st; i++) {
        g.req.ask.oid = r.oids[i];
        st = answer_for(a, &g, &l);
    }
    OPENSSL_cleanse(&g.with, sizeof(g.with));
    a->data = json_pack("{s:s, s:i, s:o, s:o}", "osd_id", a->osd.id, "generation",
                        (int)r.one.ask.gen, "credentials", l.granted, "refused", l.refused);
    return st;
}
