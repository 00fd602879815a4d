/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/manager_text.c - see manager_text.h
 */
#include "manager_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "security/algorithms.h"
#include "security/hex.h"
#include "security/names.h"

/* ---- questions ---- */

static json_t *id_text(uint64_t id)
{
    char text[24];

    snprintf(text, sizeof(text), "0x%" PRIx64, id);
    return json_string(text);
}

/* What both questions say. */
static json_t *describe(const struct manager_want *w)
{
    char osd[2 * OSD_SYSTEM_ID_LEN + 1], permissions[OSD_PERMISSIONS_TEXT];

    osd_hex_put(w->system_id, OSD_SYSTEM_ID_LEN, osd);
    return json_pack("{s:s, s:s, s:o, s:i, s:s}", "osd", osd, "type", osd_type_name(w->type),
                     "pid", id_text(w->pid), "generation", (int)w->gen, "permissions",
                     osd_permissions_format(w->permissions, permissions));
}

static char *dump(json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    json_decref(body);
    return text;
}

static uint32_t tag_of(const struct manager_credential *c)
{
    return be32_get(c->capability + (c->len == OSD1_CAPABILITY_LEN ? 56 : 60));
}

char *manager_ask(const struct manager_want *w, enum manager_refused refused,
                  const struct manager_credential *last)
{
    json_t *body = describe(w);

    json_object_set_new(body, "oid", id_text(w->oid));
    if (refused == MANAGER_KEY)
        json_object_set_new(body, "stale", json_true());
    if (refused == MANAGER_TAG)
        json_object_set_new(body, "refused_tag", json_integer(tag_of(last)));
    return dump(body);
}

char *manager_ask_many(const struct manager_want *w, const uint64_t *oids, size_t n)
{
    json_t *body = describe(w), *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, id_text(oids[i]));
    json_object_set_new(body, "oids", list);
    return dump(body);
}

/* ---- answers ---- */

static json_t *parse(const void *reply, size_t len)
{
    return json_loadb(reply ? reply : "", len, JSON_REJECT_DUPLICATES, NULL);
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));

    return text ? text : "";
}

static bool take_hex(const json_t *o, const char *name, uint8_t *dst, size_t len)
{
    const char *text = text_of(o, name);

    return strlen(text) == 2 * len && osd_hex_parse(text, dst, len);
}

/* The text of a key does not stay behind when its document is freed. */
static bool take_key(json_t *o, uint8_t ret[OSD_KEY_LEN])
{
    json_t *key = json_object_get(o, "key");
    bool good = take_hex(o, "key", ret, OSD_KEY_LEN);

    if (json_is_string(key))
        OPENSSL_cleanse((char *)json_string_value(key), json_string_length(key));
    return good;
}

/* The algorithm by name; a manager that does not say means ours (reference 6.2). */
static bool take_algorithm(const json_t *o, const uint8_t *capability, enum osd_hmac *ret)
{
    const char *name = text_of(o, "icv_algorithm");

    return name[0] ? osd_hmac_by_name(name, ret) : osd_hmac_of_index(capability[1] & 0xf, ret);
}

/* Members capability, key, expires and icv_algorithm of an object. */
static bool take_credential(json_t *o, enum osd_gen gen, struct manager_credential *ret,
                            uint64_t *ret_expires)
{
    const json_t *expires = json_object_get(o, "expires");

    *ret = (struct manager_credential){.len = gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN
                                                              : OSD2_CAPABILITY_LEN};
    if (!json_is_integer(expires) || json_integer_value(expires) < 0 ||
        !take_hex(o, "capability", ret->capability, ret->len) || !take_key(o, ret->key) ||
        !take_algorithm(o, ret->capability, &ret->hmac))
        return false;
    *ret_expires = (uint64_t)json_integer_value(expires);
    return true;
}

bool manager_granted(const void *reply, size_t len, enum osd_gen gen,
                     struct manager_credential *ret, uint64_t *ret_expires)
{
    json_t *d = parse(reply, len);
    bool good = take_credential(json_object_get(d, "data"), gen, ret, ret_expires);

    json_decref(d);
    return good;
}

bool manager_granted_many(const void *reply, size_t len, enum osd_gen gen, manager_take *take,
                          void *arg)
{
    json_t *d = parse(reply, len), *one;
    const json_t *list = json_object_get(json_object_get(d, "data"), "credentials");
    bool good = json_is_array(list);
    struct manager_credential c;
    uint64_t oid, expires;
    size_t i;

    json_array_foreach(list, i, one)
    {
        good = good && osd_number_parse(text_of(one, "oid"), &oid) &&
               take_credential(one, gen, &c, &expires);
        if (good)
            take(arg, oid, &c, expires);
    }
    OPENSSL_cleanse(&c, sizeof(c));
    json_decref(d);
    return good;
}

void manager_refusal(const void *reply, size_t len, char *why, size_t why_len)
{
    json_t *d = parse(reply, len);
    const json_t *list = json_object_get(json_object_get(d, "data"), "refused");
    const char *text = text_of(json_array_get(list, 0), "message");

    if (text[0])
        snprintf(why, why_len, "%s (security manager, request %.32s)", text,
                 text_of(d, "request_id"));
    else
        snprintf(why, why_len, "the security manager grants none of them");
    json_decref(d);
}

void manager_message(const void *reply, size_t len, long code, char *why, size_t why_len)
{
    json_t *d = parse(reply, len);
    const char *text = text_of(json_object_get(d, "error"), "message");

    if (text[0])
        snprintf(why, why_len, "%s (security manager, request %.32s)", text,
                 text_of(d, "request_id"));
    else
        snprintf(why, why_len, "the security manager answers with HTTP status %ld", code);
    json_decref(d);
}
