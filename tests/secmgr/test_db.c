/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_db.c - what every database below db.h must do: test_db sqlite|postgresql
 */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "postgres.h"
#include "secmgr/db.h"
#include "wire/cdb.h"

#define ID "0103000830000000000000010000000000000000"

static const char *kind, *where;
static struct sm_db *db;

static int open_db(void **state)
{
    char why[300] = "";

    (void)state;
    if (sm_db_open(kind, where, &db, why, sizeof(why))) {
        print_error("%s\n", why);
        return -1;
    }
    return 0;
}

static int close_db(void **state)
{
    (void)state;
    sm_db_osd_remove(db, ID);
    sm_db_close(db);
    return 0;
}

static struct sm_osd make_osd(void)
{
    struct sm_osd o = {.id = ID,
                       .name = "disk1",
                       .url = "iscsi://h/iqn/0",
                       .method = 2,
                       .version = 1,
                       .secret = "00ff"};

    return o;
}

static void test_secmgr_db__an_osd_is_found_by_name_and_by_id(void **state)
{
    struct sm_osd o = make_osd(), got;

    (void)state;
    assert_int_equal(sm_db_osd_get(db, "disk1", &got), OSD_E_NOT_FOUND);
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    assert_int_equal(sm_db_osd_get(db, "disk1", &got), OSD_OK);
    assert_string_equal(got.id, ID);
    assert_string_equal(got.url, o.url);
    assert_string_equal(got.secret, "00ff");
    assert_int_equal(got.method, 2);
    assert_int_equal(sm_db_osd_get(db, ID, &got), OSD_OK);
    assert_string_equal(got.name, "disk1");
}

static void test_secmgr_db__a_name_or_an_id_is_taken_once(void **state)
{
    struct sm_osd o = make_osd();

    (void)state;
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    assert_int_equal(sm_db_osd_add(db, &o), OSD_E_EXISTS);
    o.id[0] = 'f';
    assert_int_equal(sm_db_osd_add(db, &o), OSD_E_EXISTS);
}

/* Would catch: two managers that overwrite each other's keys. */
static void test_secmgr_db__the_second_of_two_writers_is_told(void **state)
{
    struct sm_osd a = make_osd(), b;
    struct sm_part p = {.osd = ID, .pid = 0x10000, .secret = "aa"}, q = p;

    (void)state;
    assert_int_equal(sm_db_osd_add(db, &a), OSD_OK);
    assert_int_equal(sm_db_osd_get(db, "disk1", &a), OSD_OK);
    b = a;
    assert_int_equal(sm_db_osd_put(db, &a), OSD_OK);
    assert_int_equal(sm_db_osd_put(db, &b), OSD_E_BUSY);
    assert_int_equal(sm_db_osd_put(db, &a), OSD_OK); /* knows its own version */
    assert_int_equal(sm_db_part_put(db, &p), OSD_OK);
    assert_int_equal(sm_db_part_put(db, &q), OSD_E_BUSY);
    assert_int_equal(sm_db_part_get(db, ID, 0x10000, &q), OSD_OK);
    assert_string_equal(q.secret, "aa");
    snprintf(q.secret, sizeof(q.secret), "bb");
    assert_int_equal(sm_db_part_put(db, &q), OSD_OK);
    assert_int_equal(sm_db_part_put(db, &p), OSD_E_BUSY);
    assert_int_equal(sm_db_part_remove(db, ID, 0x10000), OSD_OK);
    assert_int_equal(sm_db_part_remove(db, ID, 0x10000), OSD_E_NOT_FOUND);
}

static void test_secmgr_db__tags_have_versions_and_go_with_their_partition(void **state)
{
    struct sm_osd o = make_osd();
    struct sm_part p = {.osd = ID, .pid = 0x10000, .secret = "aa"};
    struct sm_tag_record t = {.osd = ID, .pid = 0x10000, .oid = 7, .value = 0xfffffffe}, u = t;

    (void)state;
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    assert_int_equal(sm_db_part_put(db, &p), OSD_OK);
    assert_int_equal(sm_db_tag_get(db, ID, 0x10000, 7, &u), OSD_E_NOT_FOUND);
    snprintf(t.nonce, sizeof(t.nonce), "00112233445566778899aabb");
    assert_int_equal(sm_db_tag_put(db, &t), OSD_OK);
    assert_int_equal(sm_db_tag_put(db, &u), OSD_E_BUSY);
    assert_int_equal(sm_db_tag_get(db, ID, 0x10000, 7, &u), OSD_OK);
    assert_int_equal(u.value, 0xfffffffe);
    assert_string_equal(u.nonce, t.nonce);
    u.nonce[0] = 0;
    assert_int_equal(sm_db_tag_put(db, &u), OSD_OK);
    assert_int_equal(sm_db_tag_put(db, &t), OSD_E_BUSY);
    assert_int_equal(sm_db_part_remove(db, ID, 0x10000), OSD_OK);
    assert_int_equal(sm_db_tag_get(db, ID, 0x10000, 7, &u), OSD_E_NOT_FOUND);
}

static void note_revocation(void *arg, const struct sm_revocation_record *r)
{
    char *text = arg;
    size_t at = strlen(text);

    snprintf(text + at, 200 - at, "%s %u %u %" PRIx64 "/%" PRIx64 " ", r->id, r->what, r->type,
             r->pid, r->oid);
}

static void test_secmgr_db__revocations_wait_in_the_order_of_their_beginning(void **state)
{
    struct sm_revocation_record a = {.id = "aa",
                                     .osd = ID,
                                     .what = 1,
                                     .type = 0x80,
                                     .pid = 0xffffffffffffffff,
                                     .oid = 9,
                                     .begun_ms = 200},
                                b = {.id = "bb", .osd = ID, .what = 2, .begun_ms = 100};
    char text[200] = "";

    (void)state;
    assert_int_equal(sm_db_revocation_add(db, &a), OSD_OK);
    assert_int_equal(sm_db_revocation_add(db, &b), OSD_OK);
    assert_int_equal(sm_db_revocation_each(db, 201, note_revocation, text), OSD_OK);
    assert_string_equal(text, "bb 2 0 0/0 aa 1 128 ffffffffffffffff/9 ");
    text[0] = 0;
    assert_int_equal(sm_db_revocation_each(db, 200, note_revocation, text), OSD_OK);
    assert_string_equal(text, "bb 2 0 0/0 ");
    assert_int_equal(sm_db_revocation_remove(db, "bb"), OSD_OK);
    assert_int_equal(sm_db_revocation_remove(db, "bb"), OSD_E_NOT_FOUND);
    sm_db_osd_remove(db, ID);
    text[0] = 0;
    assert_int_equal(sm_db_revocation_each(db, 300, note_revocation, text), OSD_OK);
    assert_string_equal(text, "");
}

struct seen {
    int n;
    char text[1000];
};

static void note_rule(void *arg, const struct sm_rule *r)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);

    s->n++;
    snprintf(s->text + at, sizeof(s->text) - at,
             "%x %" PRIx64 "/%" PRIx64 " %s %x %d %x %" PRIu64 ";", r->type, r->pid, r->oid,
             r->principal, r->perms, r->inherits, r->inherit, r->expires);
}

static void set_rule(uint8_t type, uint64_t pid, uint64_t oid, const char *who, uint16_t perms)
{
    struct sm_rule r = {.osd = ID, .type = type, .pid = pid, .oid = oid, .perms = perms};

    snprintf(r.principal, sizeof(r.principal), "%s", who);
    assert_int_equal(sm_db_rule_set(db, &r), OSD_OK);
}

static void test_secmgr_db__a_rule_is_replaced_by_the_next_of_its_principal(void **state)
{
    struct seen s = {0};
    struct sm_rule r = {.osd = ID,
                        .type = OSD_TYPE_PARTITION,
                        .pid = UINT64_MAX,
                        .principal = "cert:CN=O'Hara, \"x\"; --",
                        .perms = 0x8000,
                        .inherits = true,
                        .inherit = 0x4000,
                        .expires = 1ull << 47};

    (void)state;
    set_rule(OSD_TYPE_PARTITION, UINT64_MAX, 0, r.principal, 0x4000);
    assert_int_equal(sm_db_rule_set(db, &r), OSD_OK);
    assert_int_equal(sm_db_rule_each(db, ID, note_rule, &s), OSD_OK);
    assert_string_equal(s.text, "2 ffffffffffffffff/0 cert:CN=O'Hara, \"x\"; -- 8000 1 4000 "
                                "140737488355328;");
    assert_int_equal(sm_db_rule_remove(db, &r), OSD_OK);
    assert_int_equal(sm_db_rule_remove(db, &r), OSD_E_NOT_FOUND);
}

/* Would catch: rules of a neighbour in the answer, or levels left out. */
static void test_secmgr_db__rules_of_an_object_its_partition_and_the_device_match(void **state)
{
    struct seen s = {0}, t = {0};

    (void)state;
    set_rule(OSD_TYPE_ROOT, 0, 0, "other", 1);
    set_rule(OSD_TYPE_PARTITION, 0x10000, 0, "other", 2);
    set_rule(OSD_TYPE_USER, 0x10000, 0x10001, "other", 3);
    set_rule(OSD_TYPE_USER, 0x10000, 0x10002, "other", 4);
    set_rule(OSD_TYPE_PARTITION, 0x10001, 0, "other", 5);
    assert_int_equal(sm_db_rule_match(db, ID, 0x10000, 0x10001, note_rule, &s), OSD_OK);
    assert_int_equal(s.n, 3);
    assert_null(strstr(s.text, "10002"));
    assert_int_equal(sm_db_rule_match(db, ID, 0x10001, 0, note_rule, &t), OSD_OK);
    assert_int_equal(t.n, 2);
}

static void test_secmgr_db__what_belongs_to_an_osd_goes_with_it(void **state)
{
    struct sm_osd o = make_osd();
    struct sm_part p = {.osd = ID, .pid = 0, .secret = "aa"};
    struct seen s = {0};

    (void)state;
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    assert_int_equal(sm_db_part_put(db, &p), OSD_OK);
    set_rule(OSD_TYPE_ROOT, 0, 0, "other", 1);
    assert_int_equal(sm_db_osd_remove(db, ID), OSD_OK);
    assert_int_equal(sm_db_osd_remove(db, ID), OSD_E_NOT_FOUND);
    assert_int_equal(sm_db_part_get(db, ID, 0, &p), OSD_E_NOT_FOUND);
    assert_int_equal(sm_db_rule_each(db, ID, note_rule, &s), OSD_OK);
    assert_int_equal(s.n, 0);
}

static void note_member(void *arg, const char *group, const char *principal)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);

    s->n++;
    snprintf(s->text + at, sizeof(s->text) - at, "%s=%s;", group, principal);
}

static void test_secmgr_db__groups_have_members(void **state)
{
    struct seen s = {0}, all = {0};

    (void)state;
    assert_int_equal(sm_db_member_add(db, "group:a", "uid:1"), OSD_OK);
    assert_int_equal(sm_db_member_add(db, "group:a", "uid:1"), OSD_OK);
    assert_int_equal(sm_db_member_add(db, "group:b", "uid:2"), OSD_OK);
    assert_int_equal(sm_db_member_each(db, "uid:1", note_member, &s), OSD_OK);
    assert_string_equal(s.text, "group:a=uid:1;");
    assert_int_equal(sm_db_member_each(db, NULL, note_member, &all), OSD_OK);
    assert_string_equal(all.text, "group:a=uid:1;group:b=uid:2;");
    assert_int_equal(sm_db_member_remove(db, "group:a", "uid:1"), OSD_OK);
    assert_int_equal(sm_db_member_remove(db, "group:a", "uid:1"), OSD_E_NOT_FOUND);
    assert_int_equal(sm_db_member_remove(db, "group:b", "uid:2"), OSD_OK);
}

static void test_secmgr_db__a_setting_keeps_its_first_value(void **state)
{
    char got[SM_SETTING] = "";

    (void)state;
    assert_int_equal(sm_db_setting(db, "test", "first", got), OSD_OK);
    assert_string_equal(got, "first");
    assert_int_equal(sm_db_setting(db, "test", "second", got), OSD_OK);
    assert_string_equal(got, "first");
}

static void test_secmgr_db__another_connection_sees_what_was_written(void **state)
{
    struct sm_db *other;
    struct sm_osd o = make_osd(), got;
    char why[300];

    (void)state;
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    assert_int_equal(sm_db_open(kind, where, &other, why, sizeof(why)), OSD_OK);
    assert_int_equal(sm_db_osd_get(other, "disk1", &got), OSD_OK);
    sm_db_close(other);
}

#define THREADS 6
#define ROUNDS  20

static atomic_int won;

/* Each thread counts a record up, reading again when another was faster. */
static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS;) {
        struct sm_part p;
        if (sm_db_part_get(db, ID, 7, &p))
            break;
        int n = (int)strtol(p.secret, NULL, 10);
        snprintf(p.secret, sizeof(p.secret), "%d", n + 1);
        if (sm_db_part_put(db, &p) == OSD_OK) {
            atomic_fetch_add(&won, 1);
            i++;
        }
    }
    return NULL;
}

/* Would catch: a lost update between the versions' comparison and the write. */
static void test_secmgr_db__no_update_is_lost_among_threads(void **state)
{
    struct sm_part p = {.osd = ID, .pid = 7, .secret = "0"};
    pthread_t t[THREADS];

    (void)state;
    atomic_store(&won, 0);
    assert_int_equal(sm_db_part_put(db, &p), OSD_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(sm_db_part_get(db, ID, 7, &p), OSD_OK);
    assert_int_equal(strtol(p.secret, NULL, 10), THREADS * ROUNDS);
    assert_int_equal(atomic_load(&won), THREADS * ROUNDS);
    assert_int_equal(sm_db_part_remove(db, ID, 7), OSD_OK);
}

/* Would catch: a pool that keeps connections of a server that is gone. */
static void test_secmgr_db__it_outlives_a_restart_of_the_server(void **state)
{
    struct sm_osd o = make_osd(), got;

    (void)state;
    if (strcmp(kind, "postgresql") != 0)
        skip();
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    postgres_restart();
    assert_int_equal(sm_db_osd_get(db, "disk1", &got), OSD_OK);
}

static atomic_bool restarted;

static void *restart_twice(void *arg)
{
    postgres_restart();
    postgres_restart();
    restarted = true;
    return arg;
}

/* Would catch: clients whose commands fail as the server is not back within a moment. */
static void test_secmgr_db__what_is_asked_during_a_restart_waits(void **state)
{
    struct sm_osd o = make_osd(), got;
    osd_status st = OSD_OK;
    pthread_t restarts;
    unsigned asked = 0;

    (void)state;
    if (strcmp(kind, "postgresql") != 0)
        skip();
    assert_int_equal(sm_db_osd_add(db, &o), OSD_OK);
    restarted = false;
    assert_int_equal(pthread_create(&restarts, NULL, restart_twice, NULL), 0);
    for (; !restarted && !st; asked++)
        st = sm_db_osd_get(db, "disk1", &got);
    pthread_join(restarts, NULL);
    if (st)
        fail_msg("number %u: %s", asked, sm_db_text());
}

static void test_secmgr_db__a_database_that_is_not_there_is_explained(void **state)
{
    struct sm_db *none = NULL;
    char why[300] = "";

    (void)state;
    assert_int_not_equal(sm_db_open(kind, "/nonexistent/secmgr.db", &none, why, sizeof(why)),
                         OSD_OK);
    assert_non_null(strstr(why, kind));
    assert_int_equal(sm_db_open("dbase", "x", &none, why, sizeof(why)), OSD_E_UNSUPPORTED);
    assert_null(none);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_db, close_db)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_secmgr_db__an_osd_is_found_by_name_and_by_id),
        CASE(test_secmgr_db__a_name_or_an_id_is_taken_once),
        CASE(test_secmgr_db__the_second_of_two_writers_is_told),
        CASE(test_secmgr_db__tags_have_versions_and_go_with_their_partition),
        CASE(test_secmgr_db__revocations_wait_in_the_order_of_their_beginning),
        CASE(test_secmgr_db__a_rule_is_replaced_by_the_next_of_its_principal),
        CASE(test_secmgr_db__rules_of_an_object_its_partition_and_the_device_match),
        CASE(test_secmgr_db__what_belongs_to_an_osd_goes_with_it),
        CASE(test_secmgr_db__groups_have_members),
        CASE(test_secmgr_db__a_setting_keeps_its_first_value),
        CASE(test_secmgr_db__another_connection_sees_what_was_written),
        CASE(test_secmgr_db__no_update_is_lost_among_threads),
        CASE(test_secmgr_db__it_outlives_a_restart_of_the_server),
        CASE(test_secmgr_db__what_is_asked_during_a_restart_waits),
        CASE(test_secmgr_db__a_database_that_is_not_there_is_explained),
    };
    /* In memory, if there is room: a busy disk is not what is tested. */
    bool shm = access("/dev/shm", W_OK) == 0;
    char path[64], file[80];
    int rc;

    snprintf(path, sizeof(path), "%s/secmgr-db.XXXXXX", shm ? "/dev/shm" : "/tmp");
    kind = argc > 1 ? argv[1] : "sqlite";
    if (strcmp(kind, "postgresql") == 0) {
        where = postgres_start();
        if (!where) {
            puts("PostgreSQL is not installed");
            return 77;
        }
    } else if (mkdtemp(path)) {
        snprintf(file, sizeof(file), "%s/db", path);
        where = file;
    }
    rc = cmocka_run_group_tests_name(kind, tests, NULL, NULL);
    if (strcmp(kind, "postgresql") == 0) {
        postgres_stop();
    } else {
        for (size_t i = 0; i < 3; i++) {
            char name[100];
            snprintf(name, sizeof(name), "%s%s", file, (const char *[]){"", "-wal", "-shm"}[i]);
            unlink(name);
        }
        rmdir(path);
    }
    return rc;
}
