/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_parts.c - the small parts: names, vault, key records, rate limit,
 * configuration, bodies of requests, the audit log
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/number.h"
#include "secmgr/audit.h"
#include "secmgr/config.h"
#include "secmgr/digits.h"
#include "secmgr/key_records.h"
#include "secmgr/limit.h"
#include "secmgr/requests.h"
#include "security/names.h"

/* ---- names ---- */

static void test_secmgr_names__permissions_are_read_as_they_are_written(void **state)
{
    char text[OSD_PERMISSIONS_TEXT];
    uint16_t got;

    (void)state;
    for (uint32_t v = 0; v < 0x10000; v += 4) { /* the two lowest bits mean nothing */
        osd_permissions_format((uint16_t)v, text);
        assert_int_equal(osd_permissions_parse(text, &got), OSD_OK);
        assert_int_equal(got, v);
    }
    assert_int_equal(osd_permissions_parse("all", &got), OSD_OK);
    assert_int_equal(got, osd_permissions_all());
    assert_int_equal(osd_permissions_parse("read,,write", &got), OSD_E_INVALID);
    assert_int_equal(osd_permissions_parse("read,", &got), OSD_E_INVALID);
    assert_int_equal(osd_permissions_parse("", &got), OSD_E_INVALID);
    assert_int_equal(osd_permissions_parse("rea", &got), OSD_E_INVALID);
}

static void test_secmgr_names__numbers_and_digits_are_strict(void **state)
{
    uint8_t raw[2] = {1, 2};
    uint64_t v = 0;
    char text[5];

    (void)state;
    assert_true(osd_number_parse("0xFFFFFFFFFFFFFFFF", &v));
    assert_true(v == UINT64_MAX);
    assert_false(osd_number_parse("18446744073709551616", &v));
    assert_false(osd_number_parse("-1", &v));
    assert_false(osd_number_parse(" 1", &v));
    assert_false(osd_number_parse("0x", &v));
    assert_false(sm_hex_parse("010", raw, 2));
    assert_false(sm_hex_parse("01020", raw, 2));
    assert_false(sm_hex_parse("01g2", raw, 2));
    assert_true(sm_hex_parse("aB0f", raw, 2));
    assert_string_equal(sm_hex_format(raw, 2, text), "ab0f");
}

static void test_secmgr_identity__principals_have_one_of_the_forms(void **state)
{
    static const char *const good[] = {"uid:0",   "gid:4294967295", "cert:CN=a b,O=c",
                                       "krb:a@B", "group:x-1_y.z",  "other"};
    static const char *const bad[] = {"",          "uid:",   "uid:-1",         "uid:1x",
                                      "alice",     "cert:",  "cert:a\n",       "group:",
                                      "group:a b", "others", "uid:12345678901"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(sm_principal_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(sm_principal_valid(bad[i]));
}

static void test_secmgr_identity__a_user_of_the_system_has_its_groups(void **state)
{
    struct sm_identity who;

    (void)state;
    sm_identity_unix(0, 0, &who);
    assert_string_equal(who.name, "uid:0");
    assert_true(sm_identity_in_group(&who, "gid:0"));
    assert_false(sm_identity_in_group(&who, "gid:00"));
    sm_identity_unix(4000000, 12345, &who); /* nobody knows this user */
    assert_int_equal(who.n_groups, 1);
    assert_true(sm_identity_in_group(&who, "gid:12345"));
}

/* ---- vault ---- */

static struct sm_vault *open_vault(const char *pass)
{
    static const uint8_t salt[SM_SALT_LEN] = {1, 2, 3};
    struct sm_vault *v = NULL;

    assert_int_equal(sm_vault_open((const uint8_t *)pass, strlen(pass), salt, &v), OSD_OK);
    return v;
}

/* Would catch: a record that opens in another's place, or after a change. */
static void test_secmgr_vault__opens_what_it_sealed_and_nothing_else(void **state)
{
    struct sm_vault *v = open_vault("sixteen letters."), *w = open_vault("other letters...");
    char sealed[200], again[200], bad[200];
    uint8_t plain[60];
    size_t len;

    (void)state;
    assert_int_equal(sm_vault_seal(v, "label", (const uint8_t *)"secret", 6, sealed, 200),
                     OSD_OK);
    assert_int_equal(sm_vault_seal(v, "label", (const uint8_t *)"secret", 6, again, 200),
                     OSD_OK);
    assert_string_not_equal(sealed, again);
    assert_int_equal(sm_vault_unseal(v, "label", sealed, plain, 60, &len), OSD_OK);
    assert_int_equal(len, 6);
    assert_memory_equal(plain, "secret", 6);
    assert_int_equal(sm_vault_unseal(v, "Label", sealed, plain, 60, &len), OSD_E_CORRUPT);
    assert_int_equal(sm_vault_unseal(w, "label", sealed, plain, 60, &len), OSD_E_CORRUPT);
    assert_int_equal(sm_vault_unseal(v, "label", sealed, plain, 5, &len), OSD_E_CORRUPT);
    for (size_t i = 0; sealed[i]; i++) {
        memcpy(bad, sealed, sizeof(bad));
        bad[i] = bad[i] == '0' ? '1' : '0';
        assert_int_equal(sm_vault_unseal(v, "label", bad, plain, 60, &len), OSD_E_CORRUPT);
        memcpy(bad, sealed, sizeof(bad));
        bad[i] = 0;
        assert_int_equal(sm_vault_unseal(v, "label", bad, plain, 60, &len), OSD_E_CORRUPT);
    }
    assert_int_equal(sm_vault_seal(v, "label", (const uint8_t *)"secret", 6, sealed, 70),
                     OSD_E_NOMEM);
    sm_vault_close(v);
    sm_vault_close(w);
    assert_int_equal(sm_vault_open((const uint8_t *)"short", 5, plain, &v), OSD_E_INVALID);
}

static void test_secmgr_key_records__come_back_whole(void **state)
{
    struct sm_vault *v = open_vault("sixteen letters.");
    struct sm_osd o = {.id = "01"}, elsewhere = {.id = "02"};
    struct sm_part p = {.osd = "01", .pid = 7}, q;
    struct sm_osd_keys a, b;
    struct sm_part_keys k, l;

    (void)state;
    memset(&a, 0, sizeof(a));
    memset(&k, 0, sizeof(k));
    memset(&a.master, 0x11, sizeof(a.master));
    memset(&a.root, 0x22, sizeof(a.root));
    a.has_root = a.knows_algorithms = a.algorithms.ours = true;
    a.algorithms.code[15] = 0xff;
    sm_set_key_plan(&a.pending, SM_KEY_ROOT, 0, 0);
    assert_int_equal(sm_osd_keys_store(v, &a, &o), OSD_OK);
    assert_int_equal(sm_osd_keys_load(v, &o, &b), OSD_OK);
    assert_memory_equal(&a, &b, sizeof(a));
    memcpy(elsewhere.secret, o.secret, sizeof(o.secret));
    assert_int_equal(sm_osd_keys_load(v, &elsewhere, &b), OSD_E_CORRUPT);
    k.has_key = k.has_current = true;
    k.current = 15;
    for (int i = 0; i < SM_WORKING; i++) {
        k.working[i].valid = i % 2;
        k.working[i].set_ms = 1000u + (uint64_t)i;
        memset(k.working[i].key, i, OSD_KEY_LEN);
    }
    sm_set_key_plan(&k.pending, SM_KEY_WORKING, 3, 0);
    assert_int_equal(sm_part_keys_store(v, &k, &p), OSD_OK);
    assert_int_equal(sm_part_keys_load(v, &p, &l), OSD_OK);
    assert_int_equal(l.current, 15);
    assert_memory_equal(l.working[9].key, k.working[9].key, OSD_KEY_LEN);
    assert_int_equal(l.working[14].set_ms, 1014);
    assert_memory_equal(&l.pending, &k.pending, sizeof(k.pending));
    q = p;
    q.pid = 8;
    assert_int_equal(sm_part_keys_load(v, &q, &l), OSD_E_CORRUPT);
    sm_vault_close(v);
}

/* ---- limit ---- */

static void test_secmgr_limit__a_burst_then_the_rate(void **state)
{
    struct sm_limit *l = sm_limit_new(10, 3);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(sm_limit_take(l, "uid:1", 1, 1000));
    assert_false(sm_limit_take(l, "uid:1", 1, 1000));
    assert_true(sm_limit_take(l, "uid:2", 1, 1000)); /* each has its own */
    assert_false(sm_limit_take(l, "uid:1", 1, 1099));
    assert_true(sm_limit_take(l, "uid:1", 1, 1100));
    assert_false(sm_limit_take(l, "uid:1", 1, 1100));
    for (int i = 0; i < 3; i++)
        assert_true(sm_limit_take(l, "uid:1", 1, 9000));
    assert_false(sm_limit_take(l, "uid:1", 1, 9000)); /* no more than a burst is saved up */
    sm_limit_free(l);
    l = sm_limit_new(10, 8);
    assert_true(sm_limit_take(l, "uid:1", 5, 1000));
    assert_false(sm_limit_take(l, "uid:1", 5, 1000)); /* takes nothing */
    assert_true(sm_limit_take(l, "uid:1", 3, 1000));
    assert_false(sm_limit_take(l, "uid:1", 1000, 1700));
    assert_true(sm_limit_take(l, "uid:1", 1000, 1800)); /* the whole bucket */
    assert_false(sm_limit_take(l, "uid:1", 1, 1899));
    sm_limit_free(l);
    l = sm_limit_new(0, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(sm_limit_take(l, "uid:1", 1, 1));
    sm_limit_free(l);
}

/* Would catch: a table that grows, or one caller that locks all others out. */
static void test_secmgr_limit__many_callers(void **state)
{
    struct sm_limit *l = sm_limit_new(1, 1);
    char name[32];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "uid:%d", i);
        assert_true(sm_limit_take(l, name, 1, 5));
    }
    sm_limit_free(l);
}

/* ---- configuration ---- */

static osd_status configure(struct sm_config *c, const char *text, char why[300])
{
    sm_config_defaults(c);
    why[0] = 0;
    return sm_config_parse(c, text, strlen(text), why, 300);
}

static void test_secmgr_config__is_read(void **state)
{
    struct sm_config c;
    char why[300];

    (void)state;
    assert_int_equal(configure(&c,
                               "# comment\n\n[listen]\n unix = /a b \n https=:443\r\n"
                               "unix_mode = 0600\n[keys]\nrotate = 2d\n"
                               "[access]\nadmin=uid:7\nadmin = group:x\nobserver = other\n",
                               why),
                     OSD_OK);
    assert_string_equal(c.unix_path, "/a b");
    assert_string_equal(c.https, ":443");
    assert_int_equal(c.unix_mode, 0600);
    assert_int_equal(c.rotate_s, 172800);
    assert_int_equal(c.admins.n, 3);
    assert_string_equal(c.admins.list[2], "group:x");
    assert_int_equal(c.observers.n, 1);
    assert_string_equal(c.observers.list[0], "other");
    assert_int_equal(sm_config_check(&c, why, sizeof(why)), OSD_E_INVALID); /* no certificate */
    assert_non_null(strstr(why, "certificate"));
}

static void test_secmgr_config__a_device_has_a_section_of_its_own(void **state)
{
    struct sm_config c;
    char why[300];

    (void)state;
    assert_int_equal(configure(&c, "[keys]\npassphrase_file = /x\n", why), OSD_OK);
    assert_int_equal(sm_wish_of(&c.wishes, "disk1"), OSD_WISH_SHA1);
    assert_int_equal(configure(&c,
                               "[osd disk1]\nicv_algorithm = sha256\n[osd   a.b ]\n"
                               "icv_algorithm = sha1\n[credentials]\nicv_algorithm = best\n"
                               "[osd x]\n[osd disk1]\nicv_algorithm = sha1\n"
                               "icv_algorithm = sha256\n",
                               why),
                     OSD_OK);
    assert_int_equal(sm_wish_of(&c.wishes, "disk1"), OSD_WISH_SHA256);
    assert_int_equal(sm_wish_of(&c.wishes, "a.b"), OSD_WISH_SHA1);
    assert_int_equal(sm_wish_of(&c.wishes, "x"), OSD_WISH_BEST);
    assert_int_equal(sm_wish_of(&c.wishes, "NAME"), OSD_WISH_BEST);
}

/* Would catch: lists that end where somebody else's memory begins. */
static void test_secmgr_config__lists_have_an_end(void **state)
{
    static const struct {
        const char *head, *line;
        int room;
    } lists[] = {{"[access]\n", "admin = uid:1\n", SM_ADMINS - 1},
                 {"[access]\n", "observer = uid:1\n", SM_ADMINS},
                 {"[osd a]\n", "icv_algorithm = best\n", SM_WISHES}};
    struct sm_config c;
    char why[300], text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", lists[i].head);
        for (int n = 0; n <= lists[i].room; n++) {
            assert_int_equal(configure(&c, text, why), OSD_OK);
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", lists[i].line);
        }
        assert_int_equal(configure(&c, text, why), OSD_E_INVALID);
    }
}

static void test_secmgr_config__mistakes_are_named_with_their_line(void **state)
{
    static const char *const bad[] = {
        "[listen]\nunixx = a\n",
        "\nunix = a\n",
        "[listn]\n\n",
        "[listen]\nunix\n",
        "[keys]\nrotate = 5y\n",
        "[limits]\nburst = 0\n",
        "[listen]\nunix_mode = 0888",
        "[access]\nadmin = joe",
        "[access]\nadmin = other",
        "[limits]\nthreads = -1\n",
        "[listen\nunix = a",
        "[credentials]\nlifetime = 1\n",
        "[credentials]\nicv_algorithm = md5\n",
        "[osd a]\nicv_algorithm = SHA1\n",
        "[osd a]\nlifetime = 60\n",
        "[osd]\n",
        "[osd ]\n",
        "[osd a b]\n",
        "[osd ../a]\n",
        "[osd aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb1234]\n",
    };
    static const char *const lines[] = {"line 2", "line 2", "line 1", "line 2", "line 2",
                                        "line 2", "line 2", "line 2", "line 2", "line 2",
                                        "line 1", "line 2", "line 2", "line 2", "line 2",
                                        "line 1", "line 1", "line 1", "line 1", "line 1"};
    struct sm_config c;
    char why[300];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(configure(&c, bad[i], why), OSD_E_INVALID);
        if (!strstr(why, lines[i]))
            fail_msg("\"%s\": \"%s\"", bad[i], why);
    }
}

/* Would catch: sample or man page that lag behind the program. */
static void test_secmgr_config__the_sample_is_valid_and_names_every_key(void **state)
{
    _cleanup_free_ char *text = calloc(1, 65536);
    FILE *f = fopen(SOURCE_DIR "/secmgr/osd-secmgr.conf", "r");
    struct sm_config c;
    char why[300], section[40], key[80], plain[80];

    (void)state;
    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    assert_int_equal(configure(&c, text, why), OSD_OK);
    for (size_t i = 0; sm_config_key(i); i++) {
        const char *dot = strchr(sm_config_key(i), '.');
        snprintf(section, sizeof(section), "[%.*s]", (int)(dot - sm_config_key(i)),
                 sm_config_key(i));
        snprintf(key, sizeof(key), "\n#%s = ", dot + 1);
        snprintf(plain, sizeof(plain), "\n%s = ", dot + 1);
        if (!strstr(text, section) || (!strstr(text, key) && !strstr(text, plain)))
            fail_msg("the sample does not name %s", sm_config_key(i));
    }
}

/* ---- requests ---- */

static osd_status credential(const char *text, struct sm_credential_request *r)
{
    char why[400] = "";
    osd_status st = sm_parse_credential(text, strlen(text), r, why, sizeof(why));

    assert_true((st == OSD_OK) == (why[0] == 0));
    return st;
}

static void test_secmgr_requests__a_credential(void **state)
{
    struct sm_credential_request r;

    (void)state;
    assert_int_equal(
        credential("{\"osd\":\"d\",\"type\":\"object\",\"pid\":\"0x10000\",\"oid\":65537,"
                   "\"permissions\":[\"read\",\"get-attr\"],\"lifetime\":60}",
                   &r),
        OSD_OK);
    assert_int_equal(r.ask.pid, 0x10000);
    assert_int_equal(r.ask.oid, 0x10001);
    assert_int_equal(r.ask.perms, OSD_PERM_READ | OSD_PERM_GET_ATTR);
    assert_int_equal(r.ask.lifetime_ms, 60000);
    assert_int_equal(r.ask.gen, OSD_GEN2);
    assert_true(r.ask.range_len == 0);
}

static void test_secmgr_requests__malformed_ones_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"osd\":\"d\",\"type\":\"root\"}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[]}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":\"none\"}",
        "{\"osd\":\"d\",\"type\":\"toor\",\"permissions\":[\"read\"]}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[\"read\"],\"pid\":-1}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[\"read\"],\"pid\":1.5}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[\"read\"],\"generation\":3}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[\"read\"],\"stale\":1}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[\"read\"],\"more\":1}",
        "{\"osd\":\"d\",\"osd\":\"e\",\"type\":\"root\",\"permissions\":[\"read\"]}",
        "{\"osd\":\"../d\",\"type\":\"root\",\"permissions\":[\"read\"]}",
        "{\"osd\":\"d\\u0000e\",\"type\":\"root\",\"permissions\":[\"read\"]}",
        "{\"osd\":\"d\",\"type\":\"root\",\"permissions\":[\"read\"],\"range_start\":1}",
        "{\"osd\":\"d\",\"type\":\"object\",\"pid\":65536,\"oid\":65536,\"generation\":1,"
        "\"permissions\":[\"read\"],\"range_start\":1}",
    };
    struct sm_credential_request r;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (credential(bad[i], &r) != OSD_E_INVALID)
            fail_msg("accepted: %s", bad[i]);
}

static void test_secmgr_requests__rules_name_what_there_can_be(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"{\"type\":\"root\",\"principal\":\"other\",\"permissions\":\"all\",\"inherit\":[]}",
         1},
        {"{\"type\":\"root\",\"pid\":1,\"principal\":\"other\",\"permissions\":\"all\"}", 0},
        {"{\"type\":\"partition\",\"pid\":65536,\"principal\":\"uid:1\",\"permissions\":[]}",
         1},
        {"{\"type\":\"partition\",\"pid\":6,\"principal\":\"uid:1\",\"permissions\":[]}", 0},
        {"{\"type\":\"object\",\"pid\":65536,\"principal\":\"uid:1\",\"permissions\":[]}", 0},
        {"{\"type\":\"object\",\"pid\":65536,\"oid\":65536,\"principal\":\"uid:1\","
         "\"permissions\":[],\"inherit\":[\"read\"]}",
         0},
        {"{\"type\":\"root\",\"principal\":\"joe\",\"permissions\":[]}", 0},
        {"{\"type\":\"root\",\"principal\":\"uid:1\",\"permissions\":\"reed\"}", 0},
        {"{\"type\":\"root\",\"principal\":\"uid:1\",\"permissions\":[\"reed\"]}", 0},
        {"{\"type\":\"root\",\"principal\":\"uid:1\",\"permissions\":{}}", 0},
        {"{\"type\":\"root\",\"principal\":\"uid:1\",\"permissions\":[],\"inherit\":\"reed\"}",
         0},
    };
    struct sm_rule r = {.osd = "id"};
    char why[400];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if ((sm_parse_rule(cases[i].text, strlen(cases[i].text), false, &r, why, 400) ==
             OSD_OK) != cases[i].good)
            fail_msg("%s: %s", cases[i].text, why);
    assert_string_equal(r.osd, "id");
}

#define D20 "01234567890123456789"
#define D80 D20 D20 D20 D20

/* A batch of n objects, the last of which has another id; 0: all are good. */
static osd_status batch(const char *more, size_t n, uint64_t last, struct sm_batch_request *r)
{
    static char text[16384], why[400];
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "{%s,\"osd\":\"d\",\"pid\":65536,\"oids\":[", more);

    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", i ? "," : "",
                                (unsigned long long)(i + 1 == n && last ? last : 65536 + i));
    len += (size_t)snprintf(text + len, sizeof(text) - len, "]}");
    return sm_parse_batch(text, len, r, why, sizeof(why));
}

/* Would catch: more objects than there is room for. */
static void test_secmgr_requests__a_batch_is_one_to_256_objects(void **state)
{
    static const char read[] = "\"type\":\"object\",\"permissions\":\"read\"";
    struct sm_batch_request r;

    (void)state;
    assert_int_equal(batch(read, SM_BATCH, 0, &r), OSD_OK);
    assert_int_equal(r.n, SM_BATCH);
    assert_int_equal(r.oids[SM_BATCH - 1], 65536 + SM_BATCH - 1);
    assert_int_equal(batch(read, SM_BATCH + 1, 0, &r), OSD_E_INVALID);
    assert_int_equal(batch(read, 0, 0, &r), OSD_E_INVALID);
    assert_int_equal(batch(read, 2, OSD_ID_FIRST - 1, &r), OSD_E_INVALID);
    assert_int_equal(batch("\"type\":\"collection\",\"permissions\":\"read\"", 1, 0, &r),
                     OSD_OK);
    assert_int_equal(batch("\"type\":\"partition\",\"permissions\":\"read\"", 1, 0, &r),
                     OSD_E_INVALID);
    assert_int_equal(batch("\"type\":\"object\",\"permissions\":\"read,create\"", 1, 0, &r),
                     OSD_E_INVALID);
    assert_int_equal(batch("\"type\":\"object\",\"permissions\":\"none\"", 1, 0, &r),
                     OSD_E_INVALID);
    assert_int_equal(
        batch("\"type\":\"object\",\"permissions\":\"read\",\"generation\":0", 1, 0, &r),
        OSD_E_INVALID);
}

static bool key_is_good(const char *text)
{
    struct sm_key_request r;
    char why[400];

    return sm_parse_key(text, strlen(text), &r, why, sizeof(why)) == OSD_OK;
}

static bool member_is_good(const char *principal)
{
    char text[SM_PRINCIPAL + 40], got[SM_PRINCIPAL], why[400];

    snprintf(text, sizeof(text), "{\"principal\":\"%s\"}", principal);
    return sm_parse_member(text, strlen(text), got, why, sizeof(why)) == OSD_OK &&
           strcmp(got, principal) == 0;
}

static bool enrolment_is_good(const char *url, const char *more)
{
    char text[SM_URL_LEN + 300], why[400];
    struct sm_enrol_request r;

    snprintf(text, sizeof(text), "{\"name\":\"d\",\"url\":\"%s\",%s}", url, more);
    return sm_parse_enrol(text, strlen(text), &r, why, sizeof(why)) == OSD_OK;
}

static void test_secmgr_requests__keys_members_and_devices(void **state)
{
    static const char key[] = "\"master_key\":\"" D80 "\"";
    char url[SM_URL_LEN + 1];

    (void)state;
    assert_true(key_is_good("{}"));
    assert_true(key_is_good("{\"pid\":0,\"revoke\":true}"));
    assert_true(key_is_good("{\"pid\":65536,\"oid\":65536,\"revoke\":true}"));
    assert_false(key_is_good("{\"pid\":65536,\"oid\":65536}"));
    assert_false(key_is_good("{\"oid\":65536,\"revoke\":true}"));
    assert_false(key_is_good("{\"pid\":0,\"version\":1}"));
    assert_true(member_is_good("uid:1"));
    assert_true(member_is_good("gid:1"));
    assert_false(member_is_good("group:staff"));
    assert_false(member_is_good("other"));
    assert_true(enrolment_is_good("iscsi://h/iqn/0", key));
    assert_true(enrolment_is_good("file:///x", key));
    assert_false(enrolment_is_good("memory:", key));
    assert_false(enrolment_is_good("file://x/y", key));
    assert_false(enrolment_is_good("file:///x", "\"master_key\":\"" D80 "0\""));
    assert_false(enrolment_is_good("file:///x", "\"master_key\":\"" D20 D20 D20 "\""));
    assert_false(enrolment_is_good("file:///x", "\"method\":\"alldata\""));
    assert_false(
        enrolment_is_good("file:///x", "\"method\":\"none\",\"master_key\":\"" D80 "\""));
    memset(url, 'x', sizeof(url));
    memcpy(url, "file:///", 8);
    url[SM_URL_LEN] = 0; /* one too long */
    assert_false(enrolment_is_good(url, key));
    url[SM_URL_LEN - 1] = 0;
    assert_true(enrolment_is_good(url, key));
}

static void test_secmgr_requests__a_body_has_a_most(void **state)
{
    static char text[SM_BODY_MAX + 2];
    struct sm_key_request r;
    char why[400];

    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, "{}", 2);
    assert_int_equal(sm_parse_key(text, SM_BODY_MAX, &r, why, sizeof(why)), OSD_OK);
    assert_int_equal(sm_parse_key(text, SM_BODY_MAX + 1, &r, why, sizeof(why)), OSD_E_INVALID);
}

/* ---- audit ---- */

static void test_secmgr_audit__whole_lines_and_a_failure_is_told(void **state)
{
    char path[] = "/tmp/secmgr-audit.XXXXXX", line[400];
    struct sm_audit *a;
    int fd = mkstemp(path);
    FILE *f;

    (void)state;
    close(fd);
    assert_int_equal(sm_audit_open(path, &a), OSD_OK);
    assert_true(sm_audit_write(a, json_pack("{s:s}", "event", "line\nbreak")));
    assert_int_equal(sm_audit_reopen(a), OSD_OK);
    assert_true(sm_audit_write(a, json_pack("{s:s}", "event", "two")));
    assert_false(sm_audit_write(a, NULL));
    assert_int_equal(sm_audit_failures(a), 1);
    f = fopen(path, "r");
    assert_non_null(fgets(line, sizeof(line), f));
    assert_non_null(strstr(line, "line\\nbreak"));
    assert_non_null(fgets(line, sizeof(line), f));
    assert_non_null(strstr(line, "\"time\":\"20"));
    assert_null(fgets(line, sizeof(line), f));
    fclose(f);
    sm_audit_close(a);
    unlink(path);
    assert_int_equal(sm_audit_open("/nonexistent/x", &a), OSD_E_IO);
    assert_int_equal(sm_audit_open("/dev/full", &a), OSD_OK);
    assert_false(sm_audit_write(a, json_pack("{s:s}", "event", "lost")));
    sm_audit_close(a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secmgr_names__permissions_are_read_as_they_are_written),
        cmocka_unit_test(test_secmgr_names__numbers_and_digits_are_strict),
        cmocka_unit_test(test_secmgr_identity__principals_have_one_of_the_forms),
        cmocka_unit_test(test_secmgr_identity__a_user_of_the_system_has_its_groups),
        cmocka_unit_test(test_secmgr_vault__opens_what_it_sealed_and_nothing_else),
        cmocka_unit_test(test_secmgr_key_records__come_back_whole),
        cmocka_unit_test(test_secmgr_limit__a_burst_then_the_rate),
        cmocka_unit_test(test_secmgr_limit__many_callers),
        cmocka_unit_test(test_secmgr_config__is_read),
        cmocka_unit_test(test_secmgr_config__a_device_has_a_section_of_its_own),
        cmocka_unit_test(test_secmgr_config__lists_have_an_end),
        cmocka_unit_test(test_secmgr_config__mistakes_are_named_with_their_line),
        cmocka_unit_test(test_secmgr_config__the_sample_is_valid_and_names_every_key),
        cmocka_unit_test(test_secmgr_requests__a_credential),
        cmocka_unit_test(test_secmgr_requests__malformed_ones_are_refused),
        cmocka_unit_test(test_secmgr_requests__rules_name_what_there_can_be),
        cmocka_unit_test(test_secmgr_requests__a_batch_is_one_to_256_objects),
        cmocka_unit_test(test_secmgr_requests__keys_members_and_devices),
        cmocka_unit_test(test_secmgr_requests__a_body_has_a_most),
        cmocka_unit_test(test_secmgr_audit__whole_lines_and_a_failure_is_told),
    };

    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
