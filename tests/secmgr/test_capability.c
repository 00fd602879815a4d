/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_capability.c - who may do what: the matrix of rules and questions, and the
 * capability that comes of an answer; what must end when rules change
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "secmgr/capability.h"
#include "secmgr/credential.h"
#include "secmgr/digits.h"
#include "secmgr/revoke.h"
#include "security/names.h"

#define ID  "0103000830000000000000010000000000000000"
#define NOW 1000000u
#define P   0x10000u
#define O   0x10001u

static struct sm_db *db;
static char dir[64], file[80];

static int open_db(void **state)
{
    char why[300];

    (void)state;
    snprintf(file, sizeof(file), "%s/db", dir);
    return sm_db_open("sqlite", file, &db, why, sizeof(why)) ? -1 : 0;
}

static int close_db(void **state)
{
    (void)state;
    sm_db_osd_remove(db, ID);
    sm_db_close(db);
    return 0;
}

/* A rule in words; inherit NULL: says nothing. */
static void rule(uint8_t type, uint64_t pid, uint64_t oid, const char *who, const char *perms,
                 const char *inherit, uint64_t expires)
{
    struct sm_rule r = {.osd = ID,
                        .type = type,
                        .pid = pid,
                        .oid = oid,
                        .inherits = inherit != NULL,
                        .expires = expires};

    snprintf(r.principal, sizeof(r.principal), "%s", who);
    assert_int_equal(osd_permissions_parse(perms, &r.perms), OSD_OK);
    if (inherit)
        assert_int_equal(osd_permissions_parse(inherit, &r.inherit), OSD_OK);
    assert_int_equal(sm_db_rule_set(db, &r), OSD_OK);
}

static struct sm_decision ask(const char *who, const char *group, uint8_t type, uint64_t pid,
                              uint64_t oid, const char *perms)
{
    struct sm_identity id = {.n_groups = group ? 1 : 0};
    struct sm_ask a = {.gen = OSD_GEN2, .type = type, .pid = pid, .oid = oid};
    struct sm_decision d;

    snprintf(id.name, sizeof(id.name), "%s", who);
    if (group)
        snprintf(id.groups[0], SM_NAME_LEN, "%s", group);
    assert_int_equal(osd_permissions_parse(perms, &a.perms), OSD_OK);
    assert_int_equal(sm_decide(db, ID, &id, &a, NOW, &d), OSD_OK);
    assert_int_equal(d.granted | d.missing, a.perms);
    assert_int_equal(d.granted & d.missing, 0);
    return d;
}

static bool may(const char *who, uint8_t type, uint64_t pid, uint64_t oid, const char *perms)
{
    return ask(who, NULL, type, pid, oid, perms).missing == 0;
}

#define ROOT OSD_TYPE_ROOT
#define PART OSD_TYPE_PARTITION
#define COLL OSD_TYPE_COLLECTION
#define USER OSD_TYPE_USER

static void test_secmgr_capability__nothing_is_granted_without_a_rule(void **state)
{
    struct sm_decision d = ask("uid:1", NULL, USER, P, O, "read");

    (void)state;
    assert_int_equal(d.granted, 0);
    assert_string_equal(d.level, "none");
    assert_false(may("uid:0", ROOT, 0, 0, "read"));
}

/* Every kind of thing with a rule of its own: the rule speaks of it and of nothing else. */
static void test_secmgr_capability__a_rule_speaks_of_its_own_thing(void **state)
{
    static const struct {
        uint8_t type;
        uint64_t pid, oid;
    } things[] = {{ROOT, 0, 0}, {PART, P, 0},     {PART, P + 1, 0}, {COLL, P, O},
                  {USER, P, O}, {USER, P, O + 1}, {USER, P + 1, O}};
    size_t n = sizeof(things) / sizeof(things[0]);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        rule(things[i].type, things[i].pid, things[i].oid, "uid:1", "read,get-attr", NULL, 0);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(may("uid:1", things[k].type, things[k].pid, things[k].oid, "read"),
                             i == k);
            assert_false(may("uid:2", things[k].type, things[k].pid, things[k].oid, "read"));
        }
        assert_false(may("uid:1", things[i].type, things[i].pid, things[i].oid, "read,write"));
        sm_db_osd_remove(db, ID);
    }
}

static void test_secmgr_capability__objects_inherit_from_their_partition_then_the_device(
    void **state)
{
    (void)state;
    rule(ROOT, 0, 0, "uid:1", "none", "read", 0);
    assert_true(may("uid:1", USER, P, O, "read"));
    assert_true(may("uid:1", COLL, P, O, "read"));
    assert_true(may("uid:1", PART, P, 0, "read"));
    assert_false(may("uid:1", ROOT, 0, 0, "read"));
    rule(PART, P, 0, "uid:1", "none", "write", 0);
    assert_true(may("uid:1", USER, P, O, "write"));
    assert_false(may("uid:1", USER, P, O, "read")); /* the partition's word counts */
    assert_true(may("uid:1", USER, P + 1, O, "read"));
    assert_false(may("uid:1", PART, P, 0, "write")); /* its own permissions: none */
    rule(USER, P, O, "uid:1", "append", NULL, 0);
    assert_true(may("uid:1", USER, P, O, "append"));
    assert_false(may("uid:1", USER, P, O, "write"));
    assert_true(may("uid:1", USER, P, O + 1, "write"));
}

/* A partition's rule without `inherit` leaves the word to the device's. */
static void test_secmgr_capability__silence_is_no_denial(void **state)
{
    (void)state;
    rule(ROOT, 0, 0, "uid:1", "none", "read", 0);
    rule(PART, P, 0, "uid:1", "get-attr", NULL, 0);
    assert_true(may("uid:1", USER, P, O, "read"));
    assert_false(may("uid:1", PART, P, 0, "read"));
    rule(USER, P, O, "uid:2", "none", NULL, 0); /* about somebody else */
    assert_true(may("uid:1", USER, P, O, "read"));
}

static void test_secmgr_capability__own_rule_before_groups_before_other(void **state)
{
    (void)state;
    rule(USER, P, O, "other", "read", NULL, 0);
    assert_true(may("uid:1", USER, P, O, "read"));
    rule(USER, P, O, "group:g", "write", NULL, 0);
    assert_int_equal(ask("uid:1", "group:g", USER, P, O, "write").missing, 0);
    assert_int_not_equal(ask("uid:1", "group:g", USER, P, O, "read").missing, 0);
    assert_false(may("uid:1", USER, P, O, "write")); /* no member */
    rule(USER, P, O, "uid:1", "none", NULL, 0);      /* denies */
    assert_int_equal(ask("uid:1", "group:g", USER, P, O, "read,write").granted, 0);
    assert_string_equal(ask("uid:1", "group:g", USER, P, O, "read").because, "own");
    assert_string_equal(ask("uid:2", NULL, USER, P, O, "read").because, "other");
}

/* Would catch: a user named like the word, or a group's name taken for a user's. */
static void test_secmgr_capability__names_are_compared_whole(void **state)
{
    (void)state;
    rule(USER, P, O, "uid:10", "read", NULL, 0);
    assert_false(may("uid:1", USER, P, O, "read"));
    assert_false(may("uid:100", USER, P, O, "read"));
    rule(USER, P, O, "cert:CN=a", "read", NULL, 0);
    assert_false(may("cert:CN=a,O=b", USER, P, O, "read"));
}

static void test_secmgr_capability__expired_rules_do_not_exist(void **state)
{
    struct sm_decision d;

    (void)state;
    rule(USER, P, O, "uid:1", "read", NULL, NOW);
    assert_false(may("uid:1", USER, P, O, "read"));
    rule(USER, P, O, "uid:1", "read", NULL, NOW + 5);
    d = ask("uid:1", NULL, USER, P, O, "read");
    assert_int_equal(d.missing, 0);
    assert_int_equal(d.expires, NOW + 5);
}

/* Inherited REMOVE is about objects; the partition itself is the device's matter. */
static void test_secmgr_capability__partitions_come_and_go_by_rules_of_the_device(void **state)
{
    (void)state;
    rule(PART, P, 0, "uid:1", "all", "all", 0);
    assert_true(may("uid:1", USER, P, O, "remove"));
    assert_true(may("uid:1", USER, P, 0, "create"));
    assert_false(may("uid:1", PART, P, 0, "remove"));
    assert_false(may("uid:1", PART, P, 0, "remove,gbl-rem"));
    rule(ROOT, 0, 0, "uid:2", "create,remove,gbl-rem", NULL, 0);
    assert_true(may("uid:2", PART, P, 0, "create"));
    assert_true(may("uid:2", PART, 0, 0, "create"));
    assert_true(may("uid:2", PART, P, 0, "remove,gbl-rem"));
    assert_false(may("uid:2", USER, P, O, "remove"));
    struct sm_ask a = {.type = PART, .pid = P, .perms = OSD_PERM_REMOVE};
    assert_int_equal(sm_ask_key_partition(&a), 0);
    a.perms = OSD_PERM_READ;
    assert_int_equal(sm_ask_key_partition(&a), P);
}

/* Would catch: a grant that lasts longer than the first rule behind it, or ends with a rule that gives
 * nothing of it. */
static void test_secmgr_capability__a_grant_lasts_as_long_as_the_shortest_rule(void **state)
{
    (void)state;
    rule(USER, P, O, "gid:1", "read", NULL, NOW + 9);
    rule(USER, P, O, "gid:2", "read,write", NULL, NOW + 5);
    rule(USER, P, O, "gid:3", "append", NULL, NOW + 1);
    rule(USER, P, O, "gid:4", "get-attr", NULL, 0);
    rule(USER, P, O, "gid:5", "remove", NULL, NOW); /* is over */
    struct sm_identity who = {.name = "uid:1",
                              .n_groups = 5,
                              .groups = {"gid:1", "gid:2", "gid:3", "gid:4", "gid:5"}};
    static const struct {
        uint16_t perms, missing;
        uint64_t expires;
    } cases[] = {{OSD_PERM_READ, 0, NOW + 5},
                 {OSD_PERM_READ | OSD_PERM_APPEND, 0, NOW + 1},
                 {OSD_PERM_GET_ATTR, 0, 0},
                 {OSD_PERM_REMOVE, OSD_PERM_REMOVE, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sm_ask a = {
            .gen = OSD_GEN2, .type = USER, .pid = P, .oid = O, .perms = cases[i].perms};
        struct sm_decision d;
        assert_int_equal(sm_decide(db, ID, &who, &a, NOW, &d), OSD_OK);
        assert_int_equal(d.missing, cases[i].missing);
        assert_int_equal(d.expires, cases[i].expires);
    }
}

static void test_secmgr_capability__impossible_places_are_refused(void **state)
{
    static const struct sm_ask bad[] = {
        {.type = ROOT, .pid = P},           {.type = ROOT, .oid = O},
        {.type = PART, .pid = P, .oid = O}, {.type = PART, .pid = 5},
        {.type = USER, .pid = P},           {.type = USER, .oid = O},
        {.type = COLL, .pid = P},           {.type = 3, .pid = P, .oid = O},
    };
    struct sm_identity id = {.name = "uid:1"};
    struct sm_decision d;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sm_decide(db, ID, &id, &bad[i], NOW, &d), OSD_E_INVALID);
}

/* The same capability and key as reference vector V25, from the manager's own generators. */
static void test_secmgr_credential__vector_of_the_reference(void **state)
{
    uint8_t want[OSD2_CAPABILITY_LEN], secret[OSD_KEY_LEN] = {0}, id[OSD_SYSTEM_ID_LEN] = {0};
    struct sm_ask a = {.gen = OSD_GEN2,
                       .type = USER,
                       .pid = P,
                       .oid = 0x10005,
                       .perms = OSD_PERM_READ,
                       .range_len = UINT64_MAX};
    static const uint8_t audit[20];
    struct osd_capability cap;
    struct sm_credential c, other;

    (void)state;
    assert_true(sm_hex_parse("02310200020251fe2400"
                             "0000000000000000000000000000000000000000"
                             "000000000000000000000000"
                             "00000000000080800000000000100000000012345678000000000000"
                             "00000000000000010000000000000001"
                             "0005ffffffffffffffff0000000000000000",
                             want, sizeof(want)));
    sm_capability_fill(&a, OSD_SEC_CMDRSP, 1, 3, 0x020251fe2400, 0x12345678, audit, &cap);
    memset(cap.discriminator, 0, sizeof(cap.discriminator));
    assert_int_equal(sm_credential_make(&cap, OSD_HMAC_SHA1, OSD_GEN2, secret, id, &c), OSD_OK);
    assert_int_equal(c.len, OSD2_CAPABILITY_LEN);
    assert_memory_equal(c.capability, want, sizeof(want));
    secret[0] = 1;
    assert_int_equal(sm_credential_make(&cap, OSD_HMAC_SHA1, OSD_GEN2, secret, id, &other),
                     OSD_OK);
    assert_memory_not_equal(c.key, other.key, OSD_KEY_LEN);
}

static void test_secmgr_capability__two_of_the_same_differ(void **state)
{
    struct sm_ask a = {.gen = OSD_GEN1, .type = COLL, .pid = P, .oid = O, .perms = 0xffff};
    static const uint8_t audit[20] = {7};
    struct osd_capability one, two;

    (void)state;
    sm_capability_fill(&a, OSD_SEC_CMDRSP, 1, 1, 9, 0, audit, &one);
    sm_capability_fill(&a, OSD_SEC_CMDRSP, 1, 1, 9, 0, audit, &two);
    assert_memory_not_equal(one.discriminator, two.discriminator, 12);
    assert_int_equal(one.permissions, 0xffe0); /* what a format 1 capability can hold */
    assert_int_equal(one.descriptor, OSD_DESC_USER);
    assert_int_equal(one.audit[0], 7);
}

/* Making a snapshot is a question about its source; see capability.h. */
static void test_secmgr_capability__snapshots_are_matters_of_their_source(void **state)
{
    (void)state;
    rule(PART, P, 0, "uid:1", "create,read,write,remove", NULL, 0);
    assert_true(may("uid:1", PART, P, 0, "create,read,write"));
    assert_false(may("uid:1", PART, P, 0, "create"));
    assert_false(may("uid:1", PART, P, 0, "remove"));
    assert_false(may("uid:1", PART, P + 1, 0, "create,read,write"));
}

/* ---- what a change of rules takes away ---- */

/* "read:write" with inherit, "read" without, "read@5" until then; NULL: no rule. */
static struct sm_rule rule_of(uint8_t type, const char *who, const char *text)
{
    struct sm_rule r = {.osd = ID, .type = type, .pid = type == ROOT ? 0 : P};
    char word[80];
    const char *inherit = strchr(text, ':'), *at = strchr(text, '@');

    r.oid = type == USER ? O : 0;
    r.expires = at ? strtoull(at + 1, NULL, 10) : 0;
    snprintf(r.principal, sizeof(r.principal), "%s", who);
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, ":@"), text);
    assert_int_equal(osd_permissions_parse(word, &r.perms), OSD_OK);
    if (inherit) {
        r.inherits = true;
        snprintf(word, sizeof(word), "%.*s", (int)strcspn(inherit + 1, "@"), inherit + 1);
        assert_int_equal(osd_permissions_parse(word, &r.inherit), OSD_OK);
    }
    return r;
}

/* "tag 10000/10001", "keys 10000", "all", "" */
static const char *revoked(const struct sm_revocations *rs)
{
    static char text[80];
    const struct sm_revocation_record *r = rs->list;

    assert_in_range(rs->n, 0, 1);
    text[0] = 0;
    if (rs->n && r->what == SM_REVOKE_TAG)
        snprintf(text, sizeof(text), "tag %x/%x", (unsigned)r->pid, (unsigned)r->oid);
    else if (rs->n)
        snprintf(text, sizeof(text), r->what == SM_REVOKE_KEYS ? "keys %x" : "all",
                 (unsigned)r->pid);
    return text;
}

static void test_secmgr_revoke__what_is_taken_away_ends_and_nothing_else(void **state)
{
    static const struct {
        uint8_t type;
        const char *who, *before, *after;
        uint8_t other_type; /* of another rule that is there; 0: none */
        const char *other, *other_says, *want;
    } cases[] = {
        {USER, "uid:1", NULL, "read", 0, NULL, NULL, ""},
        {USER, "uid:1", "read", "read,write", 0, NULL, NULL, ""},
        {USER, "uid:1", "read,write", "read", 0, NULL, NULL, "tag 10000/10001"},
        {USER, "uid:1", "read", NULL, 0, NULL, NULL, "tag 10000/10001"},
        {USER, "uid:1", "none", NULL, 0, NULL, NULL, ""},
        {USER, "uid:1", "read@2000000", "read@3000000", 0, NULL, NULL, ""},
        {USER, "uid:1", "read", "read@3000000", 0, NULL, NULL, "tag 10000/10001"},
        {USER, "uid:1", "read@3000000", "read@2000000", 0, NULL, NULL, "tag 10000/10001"},
        {USER, "uid:1", "read@5", "none", 0, NULL, NULL, ""}, /* is over already */
        {USER, "uid:1", "create,read", "read", 0, NULL, NULL, "keys 10000"},
        /* A new rule comes before what others said. */
        {USER, "uid:1", NULL, "read", PART, "other", "none:write", "tag 10000/10001"},
        {USER, "uid:1", NULL, "read", PART, "other", "write", ""},
        {USER, "uid:1", NULL, "read", ROOT, "uid:1", "none:read,write", "tag 10000/10001"},
        {USER, "uid:1", NULL, "read", ROOT, "uid:2", "none:read,write", ""},
        {USER, "group:g", NULL, "read", ROOT, "uid:2", "none:read,write", "tag 10000/10001"},
        {USER, "uid:1", NULL, "none", USER, "group:g", "read", "tag 10000/10001"},
        {USER, "uid:1", NULL, "none", USER, "group:g", "read@5", ""},
        {USER, "uid:1", NULL, "none", USER, "group:g", "read@1000000", ""}, /* NOW */
        {PART, "uid:1", "read", NULL, 0, NULL, NULL, "tag 10000/0"},
        {PART, "uid:1", "read:read", "read", 0, NULL, NULL, "keys 10000"},
        {PART, "uid:1", "read:read", "none:read", 0, NULL, NULL, "tag 10000/0"},
        {PART, "uid:1", "read", "read:none", ROOT, "other", "none:read", "keys 10000"},
        {PART, "uid:1", NULL, "read", ROOT, "other", "none:write", "tag 10000/0"},
        {ROOT, "uid:1", "create", "none", 0, NULL, NULL, "keys 0"},
        {ROOT, "uid:1", "create:read", "create", 0, NULL, NULL, "all"},
        {ROOT, "uid:1", "create:read", "create:read,write", 0, NULL, NULL, ""},
        {ROOT, "uid:1", NULL, "none:none", ROOT, "other", "none:read", "all"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sm_rule before, after, other;
        struct sm_revocations rs = {0};
        if (cases[i].other_type) {
            other = rule_of(cases[i].other_type, cases[i].other, cases[i].other_says);
            assert_int_equal(sm_db_rule_set(db, &other), OSD_OK);
        }
        if (cases[i].before) {
            before = rule_of(cases[i].type, cases[i].who, cases[i].before);
            assert_int_equal(sm_db_rule_set(db, &before), OSD_OK);
        }
        if (cases[i].after)
            after = rule_of(cases[i].type, cases[i].who, cases[i].after);
        assert_int_equal(sm_revocations_of_change(db, cases[i].before ? &before : NULL,
                                                  cases[i].after ? &after : NULL, NOW, &rs),
                         OSD_OK);
        if (strcmp(revoked(&rs), cases[i].want) != 0)
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, revoked(&rs), cases[i].want);
        sm_revocations_free(&rs);
        sm_db_osd_remove(db, ID);
    }
}

static void test_secmgr_revoke__members_lose_what_their_group_had(void **state)
{
    struct sm_rule r = rule_of(USER, "group:g", "read"),
                   none = rule_of(USER, "group:h", "none");
    struct sm_revocations rs = {0};

    (void)state;
    assert_int_equal(sm_db_rule_set(db, &r), OSD_OK);
    assert_int_equal(sm_db_rule_set(db, &none), OSD_OK);
    assert_int_equal(sm_revocations_of_member(db, "group:g", "uid:1", true, NOW, &rs), OSD_OK);
    assert_string_equal(revoked(&rs), "");
    assert_int_equal(sm_revocations_of_member(db, "group:h", "uid:1", false, NOW, &rs), OSD_OK);
    assert_string_equal(revoked(&rs), "");
    assert_int_equal(sm_revocations_of_member(db, "group:g", "uid:1", false, NOW, &rs), OSD_OK);
    assert_string_equal(revoked(&rs), "tag 10000/10001");
    sm_revocations_free(&rs);
    rule(PART, P, 0, "uid:1", "none", "write", 0);
    assert_int_equal(sm_revocations_of_member(db, "group:g", "uid:1", true, NOW, &rs), OSD_OK);
    assert_string_equal(revoked(&rs), "tag 10000/10001"); /* write, by the partition's rule */
    sm_revocations_free(&rs);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_db, close_db)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_secmgr_capability__nothing_is_granted_without_a_rule),
        CASE(test_secmgr_capability__a_rule_speaks_of_its_own_thing),
        CASE(test_secmgr_capability__objects_inherit_from_their_partition_then_the_device),
        CASE(test_secmgr_capability__silence_is_no_denial),
        CASE(test_secmgr_capability__own_rule_before_groups_before_other),
        CASE(test_secmgr_capability__names_are_compared_whole),
        CASE(test_secmgr_capability__expired_rules_do_not_exist),
        CASE(test_secmgr_capability__partitions_come_and_go_by_rules_of_the_device),
        CASE(test_secmgr_capability__a_grant_lasts_as_long_as_the_shortest_rule),
        CASE(test_secmgr_capability__impossible_places_are_refused),
        CASE(test_secmgr_credential__vector_of_the_reference),
        CASE(test_secmgr_capability__two_of_the_same_differ),
        CASE(test_secmgr_capability__snapshots_are_matters_of_their_source),
        CASE(test_secmgr_revoke__what_is_taken_away_ends_and_nothing_else),
        CASE(test_secmgr_revoke__members_lose_what_their_group_had),
    };
    char name[100];
    int rc;

    /* In memory, if there is room: a busy disk is not what is tested. */
    snprintf(dir, sizeof(dir), "%s/secmgr-cap.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir))
        return 1;
    rc = cmocka_run_group_tests_name("capability", tests, NULL, NULL);
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", file, (const char *[]){"", "-wal", "-shm"}[i]);
        unlink(name);
    }
    rmdir(dir);
    return rc;
}
