/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_api.c - requests to the API in this process: what goes into a credential, who is
 * limited and by what, and when a device is asked again
 *
 * The records of two devices lie in the database as an enrolment leaves them; a device itself does
 * not answer, and it is counted how often it is asked.
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
static int opened; /* links to devices */

static osd_status open_link(const char *url, struct sm_link **ret, char *text, size_t len)
{
    (void)url;
    (void)ret;
    snprintf(text, len, "silence");
    opened++;
    return OSD_E_UNREACHABLE;
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

static void add_osd(const char *name, uint8_t serial)
{
    struct sm_osd o = {.url = "file:///x", .method = OSD_SEC_CMDRSP, .version = 1};
    struct sm_osd_keys k = {.has_root = true};
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
    if (sm_db_open("sqlite", file, &db, why, sizeof(why)) || sm_audit_open(log_file, &audit))
        return -1;
    add_osd("disk1", 1);
    add_osd("disk2", 2);
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

/* Would catch: a device that is forgotten because there are many, or because another one is silent. */
static void test_secmgr_keys__every_device_is_looked_after(void **state)
{
    unsigned rotated = 1;
    char name[16];

    (void)state;
    for (uint8_t i = 3; i <= DEVICES; i++) {
        snprintf(name, sizeof(name), "disk%u", (unsigned)i);
        add_osd(name, i);
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
