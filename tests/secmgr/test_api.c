/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_api.c - requests to the API in this process: what goes into a credential, who is
 * limited and by what, and when a device is asked again
 *
 * The records of two devices lie in the database as an enrolment leaves them; a device itself does
 * not answer, or what it is told to, and it is counted how often it is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "secmgr/api.h"
#include "secmgr/digits.h"
#include "secmgr/key_records.h"
#include "secmgr/revoke.h"
#include "wire/sense.h"

#define PID      0x10000u
#define VERSION  3u /* of working keys */
#define OWN_TAG  5u
#define NEW_TAG  6u
#define LIFE     100u /* seconds */
#define MAX_LIFE 1000u
#define BURST    3u
#define DEVICES  40u
#define ASKS     20u

static char dir[] = "/tmp/secmgr-api.XXXXXX", file[64], log_file[64], why[400];
static struct sm_config config;
static struct sm_db *db;
static struct sm_vault *vault;
static struct sm_keys *keys;
static struct sm_audit *audit;
static struct sm_api *api;
static int opened;                      /* links to devices */
static bool talks;                      /* devices answer */
static const struct osd_sense *failure; /* with this; NULL: GOOD */
static uint8_t data_in[1024];           /* and this */
static void (*meanwhile)(void);         /* what happens before the answer */

static osd_status execute(struct sm_link *l, struct exchange *x, char *text, size_t len)
{
    (void)l;
    (void)text;
    (void)len;
    if (meanwhile)
        meanwhile();
    osd_iov_write(&x->in, 0, data_in, x->in.len);
    x->in_len = x->in.len;
    x->status = failure ? SAM_CHECK_CONDITION : SAM_GOOD;
    x->sense_len = failure ? osd_sense_encode(failure, x->sense) : 0;
    return OSD_OK;
}

static void close_link(struct sm_link *l)
{
    (void)l;
}

static struct sm_link the_link = {.execute = execute, .close = close_link};

static osd_status open_link(const char *url, struct sm_link **ret, char *text, size_t len)
{
    (void)url;
    opened++;
    *ret = &the_link;
    if (!talks)
        snprintf(text, len, "silence");
    return talks ? OSD_OK : OSD_E_UNREACHABLE;
}

/* ---- two devices as they are after enrolment ---- */

static void add_part(const struct sm_osd_keys *k, const char *id, uint64_t pid)
{
    struct sm_part p = {.pid = pid};
    struct sm_part_keys part = {.has_key = true,
                                .has_current = true,
                                .current = VERSION,
                                .own_tag.value = OWN_TAG,
                                .new_tag.value = NEW_TAG};

    snprintf(p.osd, sizeof(p.osd), "%s", id);
    part.working[VERSION].valid = true;
    assert_int_equal(sm_root_mark(k, part.root_mark), OSD_OK);
    assert_int_equal(sm_part_keys_store(vault, &part, &p), OSD_OK);
    assert_int_equal(sm_db_part_put(db, &p), OSD_OK);
}

/* enrolled: whether that came to its end. */
static void add_osd(const char *name, uint8_t serial, bool enrolled)
{
    struct sm_osd o = {.url = "file:///x", .method = OSD_SEC_CMDRSP, .version = 1};
    struct sm_osd_keys k = {.has_root = enrolled};
    uint8_t id[OSD_SYSTEM_ID_LEN] = {1, 3, 0, 8, serial};

    snprintf(o.name, sizeof(o.name), "%s", name);
    sm_hex_format(id, sizeof(id), o.id);
    assert_int_equal(sm_osd_keys_store(vault, &k, &o), OSD_OK);
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    for (uint64_t pid = 0; pid <= 2 * PID; pid += PID)
        add_part(&k, o.id, pid);
}

static void open_api(void)
{
    const struct sm_keys_config kc = {
        .db = db, .vault = vault, .wishes = &config.wishes, .open_link = open_link};
    const struct sm_api_parts parts = {&config, db, NULL, audit};
    struct sm_api_parts with = parts;

    assert_int_equal(sm_keys_open(&kc, &keys), OSD_OK);
    with.keys = keys;
    assert_int_equal(sm_api_new(&with, &api), OSD_OK);
}

static int set_up(void **state)
{
    (void)state;
    sm_config_defaults(&config);
    config.lifetime_s = LIFE;
    config.max_lifetime_s = MAX_LIFE;
    config.requests_per_second = 0;
    opened = 0;
    talks = false;
    failure = NULL;
    meanwhile = NULL;
    memset(data_in, 0, sizeof(data_in));
    if (sm_db_open("sqlite", file, &db, why, sizeof(why)) || sm_audit_open(log_file, &audit))
        return -1;
    add_osd("disk1", 1, true);
    add_osd("disk2", 2, true);
    open_api();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sm_api_free(api);
    sm_keys_close(keys);
    sm_audit_close(audit);
    sm_db_close(db);
    for (size_t i = 0; i < 3; i++) {
        char name[80];
        snprintf(name, sizeof(name), "%s%s", file, (const char *[]){"", "-wal", "-shm"}[i]);
        unlink(name);
    }
    unlink(log_file);
    return 0;
}

/* Another limit. */
static void limit_to(uint64_t per_second, uint64_t burst)
{
    sm_api_free(api);
    sm_keys_close(keys);
    config.requests_per_second = per_second;
    config.burst = burst;
    open_api();
}

/* ---- requests ---- */

static unsigned status; /* of the last one */

/* The reply, which the caller gives back. */
static json_t *send_request(const struct sm_request *r)
{
    struct sm_reply reply;
    json_t *doc;

    sm_api_handle(api, r, &reply);
    status = reply.status;
    doc = json_loads(reply.body, 0, NULL);
    free(reply.body);
    assert_non_null(doc);
    return doc;
}

static json_t *ask_as(const char *name, const char *method, const char *path, const char *body)
{
    struct sm_identity who = {.n_groups = 0};
    const struct sm_request r = {.method = method,
                                 .path = path,
                                 .body = body,
                                 .body_len = strlen(body),
                                 .known = true,
                                 .who = &who,
                                 .peer = "unix"};

    snprintf(who.name, sizeof(who.name), "%s", name);
    return send_request(&r);
}

/* Status of a request by an administrator. */
static unsigned administer(const char *method, const char *path, const char *body)
{
    json_decref(ask_as("uid:0", method, path, body));
    return status;
}

/* ... of one by nobody who is known, from an address. */
static unsigned ask_unknown(const char *peer)
{
    const struct sm_request r = {
        .method = "GET", .path = "/v1/status", .body = "", .peer = peer};

    json_decref(send_request(&r));
    return status;
}

/* A credential for alice, with more members. */
static json_t *credential(const char *osd, const char *more)
{
    char body[300];

    snprintf(body, sizeof(body), "{\"osd\":\"%s\",\"permissions\":\"read\"%s}", osd, more);
    return ask_as("uid:7", "POST", "/v1/credentials", body);
}

static void allow(const char *osd, const char *more)
{
    char path[80], body[300];

    snprintf(path, sizeof(path), "/v1/osds/%s/acl", osd);
    snprintf(body, sizeof(body), "{\"principal\":\"uid:7\",\"permissions\":\"read\"%s}", more);
    assert_int_equal(administer("PUT", path, body), 200);
}

static struct osd_capability capability_of(const json_t *data, enum osd_gen gen)
{
    uint8_t raw[OSD2_CAPABILITY_LEN];
    size_t len = gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN;
    struct osd_capability cap;

    assert_true(sm_hex_parse(json_string_value(json_object_get(data, "capability")), raw, len));
    osd_capability_decode(raw, gen, &cap);
    return cap;
}

/* ---- how long ---- */

static void assert_lives(const char *more, uint64_t seconds)
{
    uint64_t before = osd_clock_now(&osd_clock_system), after, expires;
    json_t *doc = credential("disk1", more), *data = json_object_get(doc, "data");

    after = osd_clock_now(&osd_clock_system);
    assert_int_equal(status, 200);
    expires = (uint64_t)json_integer_value(json_object_get(data, "expires"));
    assert_in_range(expires, before + seconds * 1000, after + seconds * 1000);
    assert_int_equal(capability_of(data, OSD_GEN2).expiration, expires);
    json_decref(doc);
}

#define ROOT ",\"type\":\"root\""

/* Would catch: a client that gets more than max_lifetime, or not what it asked for. */
static void test_secmgr_api__a_credential_lives_as_long_as_asked_but_no_longer_than_the_most(
    void **state)
{
    (void)state;
    allow("disk1", ROOT);
    assert_lives(ROOT, LIFE);
    assert_lives(ROOT ",\"lifetime\":60", 60);
    assert_lives(ROOT ",\"lifetime\":1000", MAX_LIFE);
    assert_lives(ROOT ",\"lifetime\":1001", MAX_LIFE);
    assert_lives(ROOT ",\"lifetime\":4294967295", MAX_LIFE);
}

static void test_secmgr_api__a_credential_ends_with_the_rule_it_rests_on(void **state)
{
    uint64_t at = osd_clock_now(&osd_clock_system) + 50000;
    char more[80];
    json_t *doc;

    (void)state;
    snprintf(more, sizeof(more), ROOT ",\"expires\":%llu", (unsigned long long)at);
    allow("disk1", more);
    doc = credential("disk1", ROOT ",\"lifetime\":500");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(doc, "data"), "expires")), at);
    json_decref(doc);
    assert_lives(ROOT ",\"lifetime\":20", 20);
}

/* ---- what is in it ---- */

static void check_capability(const char *place, uint32_t tag, uint64_t pid, uint64_t oid)
{
    json_t *doc = credential("disk1", place), *data = json_object_get(doc, "data");
    struct osd_capability cap = capability_of(data, OSD_GEN2);
    uint8_t id[16];

    assert_int_equal(status, 200);
    assert_int_equal(cap.policy_tag, tag);
    assert_int_equal(cap.key_version, VERSION);
    assert_int_equal(cap.method, OSD_SEC_CMDRSP);
    assert_int_equal(cap.permissions, OSD_PERM_READ);
    assert_int_equal(cap.allowed_pid, pid);
    assert_int_equal(cap.allowed_oid, oid);
    assert_true(sm_hex_parse(json_string_value(json_object_get(doc, "request_id")), id, 16));
    assert_memory_equal(cap.audit, id, 16);
    json_decref(doc);
}

static void test_secmgr_api__a_capability_has_the_tag_of_what_it_is_for(void **state)
{
    (void)state;
    allow("disk1", ROOT ",\"inherit\":\"read\"");
    check_capability(ROOT, 0, 0, 0);
    check_capability(",\"type\":\"partition\",\"pid\":65536", OWN_TAG, PID, 0);
    check_capability(",\"type\":\"object\",\"pid\":65536,\"oid\":65537", NEW_TAG, PID, PID + 1);
    assert_int_equal(opened, 0);
}

/* ---- limits ---- */

static unsigned lines_of_audit(void)
{
    FILE *f = fopen(log_file, "re");
    unsigned n = 0;

    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

/* Would catch: somebody without any proof who fills the audit log. */
static void test_secmgr_api__unknown_callers_are_limited_by_their_address(void **state)
{
    (void)state;
    limit_to(1, BURST);
    for (unsigned i = 0; i < BURST; i++)
        assert_int_equal(ask_unknown("192.0.2.1"), 401);
    assert_int_equal(lines_of_audit(), BURST);
    /* a token may come back meanwhile, not more than one a second */
    for (unsigned i = 0, limited = 0; limited == 0; i++) {
        assert_in_range(i, 0, 100);
        limited += ask_unknown("192.0.2.1") == 429;
    }
    assert_int_equal(ask_unknown("192.0.2.2"), 401);
    assert_int_equal(administer("GET", "/v1/status", ""), 200);
}

/* ---- asking the device again ---- */

static unsigned refused_key(const char *osd, const char *place)
{
    char more[120];

    snprintf(more, sizeof(more), "%s,\"stale\":true", place);
    json_decref(credential(osd, more));
    return status;
}

/* Would catch: one device, or one partition, that is not asked because another one just was. */
static void test_secmgr_api__each_partition_of_each_device_is_asked_for_its_key(void **state)
{
    static const char one[] = ",\"type\":\"partition\",\"pid\":65536",
                      two[] = ",\"type\":\"partition\",\"pid\":131072";

    (void)state;
    allow("disk1", ROOT ",\"inherit\":\"read\"");
    allow("disk2", ROOT ",\"inherit\":\"read\"");
    assert_int_equal(refused_key("disk1", one), 503);
    assert_int_equal(opened, 1);
    assert_int_equal(refused_key("disk2", one), 503);
    assert_int_equal(refused_key("disk1", two), 503);
    assert_int_equal(refused_key("disk2", two), 503);
    assert_int_equal(opened, 4);
}

/* Would catch: clients that have the manager ask a device without end. */
static void test_secmgr_api__a_partition_is_not_asked_for_each_complaint(void **state)
{
    static const char one[] = ",\"type\":\"partition\",\"pid\":65536",
                      two[] = ",\"type\":\"partition\",\"pid\":131072";
    unsigned good = 0;

    (void)state;
    allow("disk1", ROOT ",\"inherit\":\"read\"");
    for (unsigned i = 0; i < ASKS; i++) {
        good += refused_key("disk1", one) == 200;
        good += refused_key("disk1", two) == 200;
    }
    assert_int_equal(opened + good, 2 * ASKS);
    assert_in_range(good, ASKS, 2 * ASKS - 2);
}

/* Would catch: a tag that a client complains of, and nobody sets again; or any that it makes up. */
static void test_secmgr_api__a_refused_tag_is_set_again_if_it_is_the_last_one(void **state)
{
    static const struct {
        const char *place;
        unsigned last;
    } cases[] = {{",\"type\":\"partition\",\"pid\":65536", OWN_TAG},
                 {",\"type\":\"object\",\"pid\":131072,\"oid\":65537", NEW_TAG}};
    char more[120];

    (void)state;
    allow("disk1", ROOT ",\"inherit\":\"read\"");
    for (int i = 0; i < 2; i++) {
        snprintf(more, sizeof(more), "%s,\"refused_tag\":%u", cases[i].place,
                 cases[i].last + 7);
        json_decref(credential("disk1", more));
        assert_int_equal(status, 200);
        assert_int_equal(opened, i);
        snprintf(more, sizeof(more), "%s,\"refused_tag\":%u", cases[i].place, cases[i].last);
        json_decref(credential("disk1", more));
        assert_int_equal(status, 503);
        assert_int_equal(opened, i + 1);
    }
}

/* ---- the moment that counts ---- */

static void take_away(void)
{
    struct sm_rule r = {.type = OSD_TYPE_ROOT, .principal = "uid:7"};
    struct sm_osd o;

    assert_int_equal(sm_db_osd_get(db, "disk1", &o), OSD_OK);
    memcpy(r.osd, o.id, sizeof(r.osd));
    assert_int_equal(sm_db_rule_remove(db, &r), OSD_OK);
}

/* Would catch: a credential with the new tag or key for somebody whom they were changed for. */
static void test_secmgr_api__what_is_taken_away_meanwhile_is_not_granted(void **state)
{
    (void)state;
    talks = true;
    allow("disk1", ROOT);
    assert_int_equal(refused_key("disk2", ROOT), 403);
    assert_int_equal(opened, 0); /* nobody asks a device for who may do nothing */
    meanwhile = take_away;
    assert_int_equal(refused_key("disk1", ROOT), 403);
    assert_int_equal(opened, 1);
}

/* Would catch: keys that nobody knows, or a manager's trouble that is told as the caller's. */
static void test_secmgr_api__an_enrolment_that_was_not_ended_grants_nothing(void **state)
{
    const char *message;
    json_t *doc;

    (void)state;
    add_osd("half", 3, false);
    allow("half", ROOT);
    doc = credential("half", ROOT);
    assert_int_equal(status, 500);
    message = json_string_value(json_object_get(json_object_get(doc, "error"), "message"));
    assert_non_null(strstr(message, "was not ended"));
    json_decref(doc);
}

/* What was begun lies in the past then. */
static void let_time_pass(void)
{
    uint64_t now = osd_clock_now(&osd_clock_system);

    while (osd_clock_now(&osd_clock_system) <= now)
        usleep(500);
}

/* Would catch: a revocation that is forgotten although it was not carried out. */
static void test_secmgr_api__a_revocation_stays_until_it_is_carried_out(void **state)
{
    size_t done = 9;

    (void)state;
    allow("disk1", ",\"type\":\"partition\",\"pid\":65536,\"inherit\":\"read\"");
    assert_int_equal(administer("DELETE", "/v1/osds/disk1/acl",
                                "{\"type\":\"partition\",\"pid\":65536,"
                                "\"principal\":\"uid:7\"}"),
                     202);
    let_time_pass();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sm_revocations_resume(keys, 0, &done), OSD_E_UNREACHABLE);
        assert_int_equal(done, 0);
    }
    talks = true;
    assert_int_equal(sm_revocations_resume(keys, 0, &done), OSD_OK);
    assert_int_equal(done, 1);
    assert_int_equal(sm_revocations_resume(keys, 0, &done), OSD_OK);
    assert_int_equal(done, 0);
}

static void note_new(void *arg, const struct sm_key_state *s)
{
    if (s->version != VERSION)
        *(uint64_t *)arg += 1 + s->pid;
}

/* Sum of the partitions with new keys, each with one more. */
static uint64_t with_new_keys(void)
{
    struct sm_osd o;
    uint64_t sum = 0;

    assert_int_equal(sm_db_osd_get(db, "disk1", &o), OSD_OK);
    assert_int_equal(sm_keys_each(keys, &o, note_new, &sum), OSD_OK);
    return sum;
}

/* Would catch: credentials on a partition that outlive what they rested on, or end for nothing. */
static void test_secmgr_api__keys_end_where_something_was_inherited(void **state)
{
    static const struct {
        const char *place;
        uint64_t want;
    } cases[] = {
        {"\"type\":\"root\"", 1},
        {"\"type\":\"partition\",\"pid\":131072,\"inherit\":\"read\"", 1 + 1 + 2 * PID},
        {"\"type\":\"root\",\"inherit\":\"read\"", 3 + 3 * PID}};
    char rule[120];

    (void)state;
    talks = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(rule, sizeof(rule), ",%s", cases[i].place);
        allow("disk1", rule);
        snprintf(rule, sizeof(rule), "{\"principal\":\"uid:7\",\"permissions\":\"none\",%s}",
                 cases[i].place);
        if (strstr(rule, "inherit"))
            memcpy(strstr(rule, "\"read\""), "\"none\"", 6);
        assert_int_equal(administer("PUT", "/v1/osds/disk1/acl", rule), 200);
        assert_int_equal(with_new_keys(), cases[i].want);
    }
}

/* ---- who may ---- */

static unsigned ask_for(const char *who, const char *path)
{
    json_decref(ask_as(who, "GET", path, ""));
    return status;
}

static void test_secmgr_api__administrators_and_observers_are_listed(void **state)
{
    (void)state;
    config.admins = (struct sm_principals){2, {"uid:0", "group:admins"}};
    config.observers = (struct sm_principals){2, {"uid:8", "group:eyes"}};
    assert_int_equal(ask_for("uid:7", "/v1/osds"), 403);
    assert_int_equal(ask_for("uid:7", "/v1/status"), 403);
    assert_int_equal(ask_for("uid:8", "/v1/osds"), 403);
    assert_int_equal(ask_for("uid:8", "/v1/status"), 200);
    assert_int_equal(administer("PUT", "/v1/groups/eyes/members", "{\"principal\":\"uid:7\"}"),
                     200);
    assert_int_equal(ask_for("uid:7", "/v1/osds"), 403);
    assert_int_equal(ask_for("uid:7", "/v1/status"), 200);
    assert_int_equal(
        administer("PUT", "/v1/groups/admins/members", "{\"principal\":\"uid:7\"}"), 200);
    assert_int_equal(ask_for("uid:7", "/v1/osds"), 200);
    config.observers = (struct sm_principals){1, {"other"}};
    assert_int_equal(ask_for("uid:9", "/v1/status"), 200);
    assert_int_equal(ask_for("uid:9", "/v1/osds"), 403);
}

/* Would catch: groups behind the end of the list. */
static void test_secmgr_identity__groups_beyond_the_list_grant_nothing(void **state)
{
    struct sm_identity who = {.name = "uid:7"};
    char group[20];

    (void)state;
    for (unsigned i = 0; i < SM_GROUPS + 3; i++) {
        snprintf(group, sizeof(group), "group:g%u", i);
        assert_int_equal(sm_db_member_add(db, group, who.name), OSD_OK);
    }
    assert_int_equal(sm_identity_load_groups(db, &who), OSD_OK);
    assert_int_equal(who.n_groups, SM_GROUPS);
}

/* ---- what a device answers ---- */

static const uint8_t system_id[OSD_SYSTEM_ID_LEN] = {1, 3}, secret[OSD_KEY_LEN] = {5};

static void test_secmgr_device__each_refusal_has_its_meaning(void **state)
{
    static const struct {
        struct osd_sense s;
        osd_status want;
    } cases[] = {
        {{.asc = ASC_INVALID_FIELD_CDB, .has_field = true, .field_in_cdb = true, .field = 184},
         OSD_E_DENIED}, /* another key */
        {{.asc = ASC_INVALID_FIELD_CDB, .has_field = true, .field_in_cdb = true, .field = 81},
         OSD_E_DENIED}, /* no key */
        {{.asc = ASC_INVALID_FIELD_CDB, .has_field = true, .field_in_cdb = true, .field = 16},
         OSD_E_NOT_FOUND},
        {{.asc = ASC_INVALID_FIELD_CDB, .has_field = true, .field_in_cdb = true, .field = 128},
         OSD_E_NOT_FOUND},
        {{.asc = ASC_NONCE_NOT_UNIQUE}, OSD_E_TIMEOUT},
        {{.asc = ASC_NONCE_TIMESTAMP, .has_command_info = true, .command_info = 1000},
         OSD_E_TIMEOUT},
        {{.asc = ASC_SEQUENCE_ERROR}, OSD_E_BUSY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct osd_sense s = cases[i].s;
        s.key = SENSE_ILLEGAL_REQUEST;
        failure = &s;
        assert_int_equal(
            sm_device_probe(&the_link, system_id, PID, VERSION, secret, why, sizeof(why)),
            cases[i].want);
        failure = NULL;
    }
}

/* Would catch: lengths in an answer that are believed. */
static void test_secmgr_device__an_answer_is_no_longer_than_its_room(void **state)
{
    struct osd_algorithms a;
    struct sm_exchange x;
    struct sm_key master = {{1}, {2}};
    int64_t ahead = 0;

    (void)state;
    be32_put(data_in, 255); /* of 256 */
    assert_int_equal(
        sm_device_master_begin(&the_link, system_id, &master, 2, &x, &ahead, why, sizeof(why)),
        OSD_E_PROTOCOL);
    assert_non_null(strstr(why, "no Diffie-Hellman value"));
    memset(data_in, 0, sizeof(data_in));
    be64_put(data_in + 512 + 8, 1ull << 40); /* attributes, behind the list */
    the_link.method = OSD_SEC_ALLDATA;
    assert_int_equal(
        sm_device_algorithms(&the_link, system_id, VERSION, secret, &a, why, sizeof(why)),
        OSD_E_PROTOCOL);
    the_link.method = OSD_SEC_CMDRSP;
}

/* Would catch: a device that is forgotten because there are many, or because another one is silent. */
static void test_secmgr_keys__every_device_is_looked_after(void **state)
{
    unsigned rotated = 1;
    char name[16];

    (void)state;
    for (uint8_t i = 3; i <= DEVICES; i++) {
        snprintf(name, sizeof(name), "disk%u", (unsigned)i);
        add_osd(name, i, true);
    }
    assert_int_equal(sm_keys_rotate_due(keys, 1000, &rotated), OSD_OK);
    assert_int_equal(rotated, 0);
    assert_int_equal(opened, DEVICES); /* each once: its other partitions need not be tried */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_secmgr_api__a_credential_lives_as_long_as_asked_but_no_longer_than_the_most),
        CASE(test_secmgr_api__a_credential_ends_with_the_rule_it_rests_on),
        CASE(test_secmgr_api__a_capability_has_the_tag_of_what_it_is_for),
        CASE(test_secmgr_api__unknown_callers_are_limited_by_their_address),
        CASE(test_secmgr_api__each_partition_of_each_device_is_asked_for_its_key),
        CASE(test_secmgr_api__a_partition_is_not_asked_for_each_complaint),
        CASE(test_secmgr_api__a_refused_tag_is_set_again_if_it_is_the_last_one),
        CASE(test_secmgr_api__what_is_taken_away_meanwhile_is_not_granted),
        CASE(test_secmgr_api__an_enrolment_that_was_not_ended_grants_nothing),
        CASE(test_secmgr_api__a_revocation_stays_until_it_is_carried_out),
        CASE(test_secmgr_api__keys_end_where_something_was_inherited),
        CASE(test_secmgr_api__administrators_and_observers_are_listed),
        CASE(test_secmgr_identity__groups_beyond_the_list_grant_nothing),
        CASE(test_secmgr_device__each_refusal_has_its_meaning),
        CASE(test_secmgr_device__an_answer_is_no_longer_than_its_room),
        CASE(test_secmgr_keys__every_device_is_looked_after),
    };
    static const uint8_t salt[SM_SALT_LEN];
    int rc;

    if (access("/dev/shm", W_OK) == 0)
        memcpy(dir, "/dev/shm/sa.XXXXXX", sizeof("/dev/shm/sa.XXXXXX"));
    if (!mkdtemp(dir))
        return 1;
    snprintf(file, sizeof(file), "%s/db", dir);
    snprintf(log_file, sizeof(log_file), "%s/audit", dir);
    if (sm_vault_open((const uint8_t *)"sixteen letters.", 16, salt, &vault))
        return 1;
    rc = cmocka_run_group_tests_name("api", tests, NULL, NULL);
    sm_vault_close(vault);
    rmdir(dir);
    return rc;
}
