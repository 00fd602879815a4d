/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/requests.c - see requests.h
 */
#include "requests.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "common/number.h"
#include "digits.h"
#include "security/names.h"

bool sm_osd_name_valid(const char *s)
{
    size_t len = strlen(s);

    return len > 0 && len < SM_NAME_LEN && s[0] != '.' && s[0] != '-' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
               0;
}

/* ---- reading an object member by member ---- */

struct body {
    json_t *root;
    size_t taken; /* members that were asked for and there */
    char *why;
    size_t why_len;
    osd_status st; /* the first failure */
};

static void complain(struct body *b, const char *name, const char *what)
{
    if (!b->st)
        snprintf(b->why, b->why_len, "\"%s\" %s", name, what);
    b->st = OSD_E_INVALID;
}

static void open_body(struct body *b, const char *text, size_t len)
{
    json_error_t e;

    b->root = len > SM_BODY_MAX ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (json_is_object(b->root))
        return;
    snprintf(b->why, b->why_len, "the body is not a JSON object");
    b->st = OSD_E_INVALID;
}

static json_t *member(struct body *b, const char *name, bool needed)
{
    json_t *v = json_object_get(b->root, name);

    if (v)
        b->taken++;
    else if (needed)
        complain(b, name, "is missing");
    return v;
}

static osd_status close_body(struct body *b)
{
    const char *name;
    json_t *v;

    if (!b->st && json_object_size(b->root) != b->taken) {
        snprintf(b->why, b->why_len, "the request has a member that is not known here:");
        json_object_foreach(b->root, name, v)
        {
            size_t at = strlen(b->why);
            snprintf(b->why + at, b->why_len - at, " %.40s", name);
        }
        b->st = OSD_E_INVALID;
    }
    json_decref(b->root);
    return b->st;
}

/* A text of letters that never end the buffer; false when missing. */
static bool get_text(struct body *b, const char *name, bool needed, char *dst, size_t len)
{
    json_t *v = member(b, name, needed);

    if (!v)
        return false;
    if (!json_is_string(v) || json_string_length(v) >= len ||
        strlen(json_string_value(v)) != json_string_length(v)) {
        complain(b, name, "is no string, or too long");
        return false;
    }
    snprintf(dst, len, "%s", json_string_value(v));
    return true;
}

/* A number, or a text that is one. */
static bool take_number(const json_t *v, uint64_t *ret)
{
    if (json_is_string(v))
        return osd_number_parse(json_string_value(v), ret);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static void get_number(struct body *b, const char *name, bool needed, uint64_t max,
                       uint64_t *dst)
{
    json_t *v = member(b, name, needed);
    uint64_t n = 0;

    if (!v)
        return;
    if (!take_number(v, &n) || n > max)
        complain(b, name, "is not a number, or out of range");
    else
        *dst = n;
}

static bool get_flag(struct body *b, const char *name)
{
    json_t *v = member(b, name, false);

    if (v && !json_is_boolean(v))
        complain(b, name, "is neither true nor false");
    return json_is_true(v);
}

/* A list of names, or one string of names with commas. *ret_there: it was given. */
static uint16_t get_perms(struct body *b, const char *name, bool needed, bool *ret_there)
{
    json_t *v = member(b, name, needed), *item;
    uint16_t sum = 0;
    size_t i;

    *ret_there = v != NULL;
    if (!v)
        return 0;
    if (json_is_string(v)) {
        if (osd_permissions_parse(json_string_value(v), &sum))
            complain(b, name, "names a permission that there is not");
        return sum;
    }
    if (!json_is_array(v))
        complain(b, name, "is no list of permissions");
    json_array_foreach(v, i, item)
    {
        uint16_t bit = json_is_string(item) ? osd_permission_by_name(json_string_value(item),
                                                                     json_string_length(item))
                                            : 0;
        if (!bit)
            complain(b, name, "names a permission that there is not");
        sum |= bit;
    }
    return sum;
}

static uint8_t get_type(struct body *b)
{
    char text[20] = "";
    uint8_t type = 0;

    if (get_text(b, "type", true, text, sizeof(text)) && !(type = osd_type_by_name(text)))
        complain(b, "type", "is none of root, partition, collection, object");
    return type;
}

static void get_osd(struct body *b, const char *name, char dst[SM_NAME_LEN])
{
    if (get_text(b, name, true, dst, SM_NAME_LEN) && !sm_osd_name_valid(dst))
        complain(b, name, "is no name: letters, digits, _ . -");
}

static void get_principal(struct body *b, char dst[SM_PRINCIPAL])
{
    if (get_text(b, "principal", true, dst, SM_PRINCIPAL) && !sm_principal_valid(dst))
        complain(b, "principal",
                 "is none of uid:N, gid:N, cert:DN, krb:NAME, group:NAME, other");
}

#define MS48 ((1ull << 48) - 1)

/* ---- the requests ---- */

osd_status sm_parse_credential(const char *body, size_t len, struct sm_credential_request *ret,
                               char *why, size_t why_len)
{
    struct body b = {.why = why, .why_len = why_len};
    struct sm_credential_request r = {.ask.range_len = UINT64_MAX};
    uint64_t gen = 2, lifetime = 0, tag = UINT64_MAX;
    bool there;
    osd_status st;

    open_body(&b, body, len);
    get_osd(&b, "osd", r.osd);
    r.ask.type = get_type(&b);
    get_number(&b, "pid", false, UINT64_MAX, &r.ask.pid);
    get_number(&b, "oid", false, UINT64_MAX, &r.ask.oid);
    r.ask.perms = get_perms(&b, "permissions", true, &there);
    get_number(&b, "generation", false, 2, &gen);
    get_number(&b, "lifetime", false, UINT32_MAX, &lifetime);
    get_number(&b, "created", false, MS48, &r.ask.created);
    get_number(&b, "refused_tag", false, UINT32_MAX, &tag);
    get_number(&b, "range_start", false, UINT64_MAX, &r.ask.range_start);
    get_number(&b, "range_length", false, UINT64_MAX, &r.ask.range_len);
    r.stale = get_flag(&b, "stale");
    if (gen != 1 && gen != 2)
        complain(&b, "generation", "is 1 or 2");
    if (there && r.ask.perms == 0)
        complain(&b, "permissions", "asks for nothing");
    r.ask.gen = gen == 1 ? OSD_GEN1 : OSD_GEN2;
    r.ask.lifetime_ms = lifetime * 1000;
    r.tag_refused = tag != UINT64_MAX;
    r.refused_tag = (uint32_t)tag;
    if (r.ask.range_start == 0 && r.ask.range_len == UINT64_MAX)
        r.ask.range_len = 0; /* no limit is written with zeros */
    else if (gen == 1 || r.ask.type != OSD_TYPE_USER)
        complain(&b, "range_start", "is for user objects and generation 2");
    st = close_body(&b);
    if (!st)
        *ret = r;
    return st;
}

static void get_oids(struct body *b, struct sm_batch_request *r)
{
    json_t *list = member(b, "oids", true), *item;
    size_t i;

    if (!list)
        return;
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > SM_BATCH) {
        complain(b, "oids", "is no list of 1 to 256 ids");
        return;
    }
    json_array_foreach(list, i, item)
    {
        if (!take_number(item, &r->oids[i]) || r->oids[i] < OSD_ID_FIRST)
            complain(b, "oids", "has what is no id of an object");
    }
    r->n = json_array_size(list);
}

osd_status sm_parse_batch(const char *body, size_t len, struct sm_batch_request *ret, char *why,
                          size_t why_len)
{
    struct body b = {.why = why, .why_len = why_len};
    struct sm_credential_request *one = &ret->one;
    uint64_t gen = 2, lifetime = 0;
    bool there;

    *ret = (struct sm_batch_request){0};
    open_body(&b, body, len);
    get_osd(&b, "osd", one->osd);
    one->ask.type = get_type(&b);
    get_number(&b, "pid", true, UINT64_MAX, &one->ask.pid);
    get_oids(&b, ret);
    one->ask.perms = get_perms(&b, "permissions", true, &there);
    get_number(&b, "generation", false, 2, &gen);
    get_number(&b, "lifetime", false, UINT32_MAX, &lifetime);
    if (gen != 1 && gen != 2)
        complain(&b, "generation", "is 1 or 2");
    if (one->ask.type != OSD_TYPE_USER && one->ask.type != OSD_TYPE_COLLECTION)
        complain(&b, "type", "is neither object nor collection");
    if (there && (one->ask.perms == 0 || one->ask.perms & OSD_PERM_CREATE))
        complain(&b, "permissions", "asks for nothing, or for create");
    one->ask.gen = gen == 1 ? OSD_GEN1 : OSD_GEN2;
    one->ask.lifetime_ms = lifetime * 1000;
    return close_body(&b);
}

/* A rule about an id that nothing can ever have is a mistake; one that is there can be removed. */
static void check_place(struct body *b, const struct sm_rule *r, bool remove)
{
    bool root = r->type == OSD_TYPE_ROOT, partition = r->type == OSD_TYPE_PARTITION;

    if (root ? r->pid || r->oid : partition ? r->oid : !r->oid)
        complain(b, "type", "does not fit pid and oid");
    else if (!root && r->pid < OSD_ID_FIRST)
        complain(b, "pid", "is reserved: ids of partitions begin at 0x10000");
    else if (!root && !partition && r->oid < OSD_ID_FIRST && !remove)
        complain(b, "oid", "is reserved: ids of objects and collections begin at 0x10000");
}

osd_status sm_parse_rule(const char *body, size_t len, bool remove, struct sm_rule *ret,
                         char *why, size_t why_len)
{
    struct body b = {.why = why, .why_len = why_len};
    struct sm_rule r = {0};
    bool there;
    osd_status st;

    open_body(&b, body, len);
    r.type = get_type(&b);
    get_number(&b, "pid", false, UINT64_MAX, &r.pid);
    get_number(&b, "oid", false, UINT64_MAX, &r.oid);
    get_principal(&b, r.principal);
    if (!remove) {
        r.perms = get_perms(&b, "permissions", true, &there);
        r.inherit = get_perms(&b, "inherit", false, &r.inherits);
        get_number(&b, "expires", false, MS48, &r.expires);
    }
    if (!b.st)
        check_place(&b, &r, remove);
    if (r.inherits && (r.type == OSD_TYPE_USER || r.type == OSD_TYPE_COLLECTION))
        complain(&b, "inherit", "is for the root and partitions");
    st = close_body(&b);
    if (!st) {
        memcpy(r.osd, ret->osd, sizeof(r.osd));
        *ret = r;
    }
    return st;
}

static const char *const methods[] = {"nosec", "capkey", "cmdrsp", "alldata"};

static uint8_t get_method(struct body *b)
{
    char text[16] = "";

    if (!get_text(b, "method", false, text, sizeof(text)))
        return OSD_SEC_CMDRSP;
    for (uint8_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(methods[i], text) == 0)
            return i;
    complain(b, "method", "is none of nosec, capkey, cmdrsp, alldata");
    return OSD_SEC_CMDRSP;
}

osd_status sm_parse_enrol(const char *body, size_t len, struct sm_enrol_request *ret, char *why,
                          size_t why_len)
{
    struct body b = {.why = why, .why_len = why_len};
    struct sm_enrol_request r = {0};
    char master[4 * OSD_KEY_LEN + 1] = "";
    osd_status st;

    open_body(&b, body, len);
    get_osd(&b, "name", r.name);
    if (get_text(&b, "url", true, r.url, sizeof(r.url)) && strncmp(r.url, "iscsi://", 8) != 0 &&
        strncmp(r.url, "file:///", 8) != 0)
        complain(&b, "url", "is neither iscsi://host/iqn/lun nor file:///path");
    r.method = get_method(&b);
    if (get_text(&b, "master_key", true, master, sizeof(master)) &&
        !sm_hex_parse(master, r.master, sizeof(r.master)))
        complain(&b, "master_key", "is not 80 hexadecimal digits");
    st = close_body(&b);
    if (!st)
        *ret = r;
    OPENSSL_cleanse(master, sizeof(master));
    OPENSSL_cleanse(&r, sizeof(r));
    return st;
}

osd_status sm_parse_key(const char *body, size_t len, struct sm_key_request *ret, char *why,
                        size_t why_len)
{
    struct body b = {.why = why, .why_len = why_len};
    struct sm_key_request r = {0};
    osd_status st;

    open_body(&b, body, len);
    r.all = !json_object_get(b.root, "pid");
    get_number(&b, "pid", false, UINT64_MAX, &r.pid);
    get_number(&b, "oid", false, UINT64_MAX, &r.oid);
    r.revoke = get_flag(&b, "revoke");
    r.collection = get_flag(&b, "collection");
    r.new_master = get_flag(&b, "new_master");
    if (r.oid && (r.all || !r.revoke))
        complain(&b, "oid", "goes with pid and revoke");
    st = close_body(&b);
    if (!st)
        *ret = r;
    return st;
}

osd_status sm_parse_member(const char *body, size_t len, char ret[SM_PRINCIPAL], char *why,
                           size_t why_len)
{
    struct body b = {.why = why, .why_len = why_len};
    char principal[SM_PRINCIPAL] = "";
    osd_status st;

    open_body(&b, body, len);
    get_principal(&b, principal);
    if (!b.st && (strncmp(principal, "group:", 6) == 0 || strcmp(principal, "other") == 0))
        complain(&b, "principal", "is no single caller");
    st = close_body(&b);
    if (!st)
        memcpy(ret, principal, SM_PRINCIPAL);
    return st;
}
