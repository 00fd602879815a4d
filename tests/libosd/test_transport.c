/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/test_transport.c - retries and two-phase transfer over an iSCSI layer that fails
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "fake_iscsi.h"
#include "osd/osd.h"

#define PID    0x10000u
#define OID    0x10000u
#define CLIENT 0x10000u /* an attribute page of ours */

static struct osd_session *s;

static int setup(void **state)
{
    const struct osd_options opt = {.retry_ms = 2000};

    if (osd_open(FAKE_URL, &opt, &s) || osd_create_partition(s, PID, NULL) ||
        osd_create(s, PID, OID, NULL) || osd_write(s, PID, OID, 0, "hello", 5))
        return -1;
    fake_forget();
    return 0;
}

static int teardown(void **state)
{
    osd_close(s);
    fake_reset();
    return 0;
}

static uint64_t length_now(void)
{
    uint8_t value[8];
    struct osd_attr_get g = {.page = 1, .number = 0x82, .value = value, .cap = sizeof(value)};

    assert_int_equal(osd_get_attrs(s, PID, OID, &g, 1), OSD_OK);
    assert_true(g.defined);
    return be64_get(value);
}

static uint16_t action(int i)
{
    return be16_get(fake.kept[i].cdb + 8);
}

/* ---- credentials ---- */

static void open_secure(uint8_t method, const char *key_file)
{
    const struct osd_options opt = {.retry_ms = 2000, .key_file = key_file, .method = method};

    osd_close(s);
    fake_reset();
    fake.method = method;
    assert_int_equal(osd_open(FAKE_URL, &opt, &s), OSD_OK);
    assert_int_equal(osd_install_keys(s, 0), OSD_OK);
    assert_int_equal(osd_create_partition(s, PID, NULL), OSD_OK);
    assert_int_equal(osd_create(s, PID, OID, NULL), OSD_OK);
    assert_int_equal(osd_write(s, PID, OID, 0, "hello", 5), OSD_OK);
}

/* LIO sends its whole sense buffer, zeros behind what the device made. Would catch: zeros taken
 * for part of what is signed, which makes every failure a forgery. */
static void test_libosd_transport__signed_failures_are_believed(void **state)
{
    char key_file[] = "/tmp/libosd-transport-key.XXXXXX", back[16];
    int fd = mkstemp(key_file);
    size_t n = 0;

    assert_true(fd >= 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(write(fd, FAKE_KEY, 10), 10);
    close(fd);
    for (uint8_t method = 1; method <= 3; method++) {
        open_secure(method, key_file);
        assert_int_equal(osd_read(s, PID, OID, 0, back, sizeof(back), &n), OSD_OK);
        assert_int_equal(n, 5);
        assert_memory_equal(back, "hello", 5);
        assert_int_equal(osd_create(s, PID, OID, NULL), OSD_E_EXISTS);
        assert_int_equal(osd_remove(s, PID, OID + 1), OSD_E_NOT_FOUND);
    }
    fake.method = 0;
    unlink(key_file);
}

/* ---- one command ---- */

/* Would catch: a retry with a new nonce, which the device would carry out a second time. */
static void test_libosd_transport__busy_is_retried_with_the_same_bytes(void **state)
{
    fake.faults[0] = FAULT_BUSY;
    fake.faults[1] = FAULT_FULL;
    fake.faults[2] = FAULT_BUSY;
    assert_int_equal(osd_append(s, PID, OID, "x", 1, NULL), OSD_OK);
    assert_int_equal(fake.n, 4);
    for (int i = 1; i < 4; i++)
        assert_memory_equal(fake.kept[0].cdb, fake.kept[i].cdb, fake.kept[0].cdb_len);
    assert_int_equal(length_now(), 6);
}

static void test_libosd_transport__every_kind_of_attention_is_retried(void **state)
{
    fake.faults[0] = FAULT_ATTENTION;
    fake.faults[1] = FAULT_ATTENTION_LIO;
    fake.faults[2] = FAULT_NOT_READY;
    assert_int_equal(osd_write(s, PID, OID, 5, " there", 6), OSD_OK);
    assert_int_equal(fake.n, 4);
    assert_int_equal(length_now(), 11);
}

/* Another initiator's reset: LIO lets the command end and says TASK ABORTED. */
static void test_libosd_transport__an_aborted_task_is_asked_about(void **state)
{
    uint64_t start = 0;

    fake.faults[0] = FAULT_ABORTED;
    assert_int_equal(osd_append(s, PID, OID, "!", 1, NULL), OSD_OK);
    assert_int_equal(fake.n, 2);
    fake_forget();
    fake.faults[1] = FAULT_ABORTED;
    assert_int_equal(osd_append(s, PID, OID, "abc", 3, &start), OSD_OK);
    assert_int_equal(start, 6);
    assert_int_equal(length_now(), 9);
}

/* Would catch: an append done twice because its answer was lost. */
static void test_libosd_transport__lost_answer_is_not_carried_out_again(void **state)
{
    uint64_t start = 0;

    fake.faults[0] = FAULT_LOST_ANSWER;
    assert_int_equal(osd_write(s, PID, OID, 5, "!", 1), OSD_OK);
    fake_forget();
    /* Two-phase (it returns where it wrote): the answer of COLLECT is lost twice. */
    fake.faults[1] = FAULT_LOST_ANSWER;
    fake.faults[3] = FAULT_LOST_ANSWER;
    assert_int_equal(osd_append(s, PID, OID, "abc", 3, &start), OSD_OK);
    assert_int_equal(start, 6);
    assert_int_equal(length_now(), 9);
}

static void test_libosd_transport__created_id_survives_a_lost_answer(void **state)
{
    uint64_t oid = 0, next = 0;

    fake.faults[0] = FAULT_LOST_ANSWER;
    assert_int_equal(osd_create(s, PID, 0, &oid), OSD_OK);
    assert_int_equal(osd_create(s, PID, 0, &next), OSD_OK);
    assert_int_equal(next, oid + 1);
}

static void test_libosd_transport__retries_end_after_retry_ms(void **state)
{
    const struct osd_options opt = {.retry_ms = 50};
    struct osd_session *other;

    assert_int_equal(osd_open(FAKE_URL, &opt, &other), OSD_OK);
    fake.always = FAULT_BUSY;
    assert_int_equal(osd_flush(other), OSD_E_BUSY);
    assert_non_null(strstr(osd_last_error(), "FLUSH OSD"));
    assert_true(fake.n > 2);
    fake.always = FAULT_ATTENTION;
    assert_int_not_equal(osd_flush(other), OSD_OK);
    osd_close(other);
}

static void test_libosd_transport__other_statuses_are_not_retried(void **state)
{
    fake.faults[0] = FAULT_CONFLICT;
    assert_int_equal(osd_flush(s), OSD_E_PROTOCOL);
    assert_non_null(strstr(osd_last_error(), "18h"));
    assert_int_equal(fake.n, 1);
}

static void test_libosd_transport__lost_connection_names_the_command(void **state)
{
    fake.faults[0] = FAULT_UNREACHABLE;
    assert_int_equal(osd_remove(s, PID, OID), OSD_E_UNREACHABLE);
    assert_non_null(strstr(osd_last_error(), "REMOVE"));
    assert_int_equal(fake.n, 1);
}

static void test_libosd_transport__the_lun_of_the_url_is_addressed(void **state)
{
    assert_int_equal(osd_flush(s), OSD_OK);
    assert_int_equal(fake.kept[0].lun, 3);
}

static void test_libosd_transport__ping_is_not_retried_and_says_why(void **state)
{
    uint64_t us = UINT64_MAX;

    assert_int_equal(osd_ping(s, &us), OSD_OK);
    assert_true(us < 10000000);
    fake.faults[1] = FAULT_ATTENTION;
    assert_int_equal(osd_ping(s, &us), OSD_E_BUSY);
    assert_non_null(strstr(osd_last_error(), "UNIT ATTENTION"));
    fake.faults[2] = FAULT_BUSY;
    assert_int_equal(osd_ping(s, &us), OSD_E_BUSY);
    fake.faults[3] = FAULT_UNREACHABLE;
    assert_int_equal(osd_ping(s, &us), OSD_E_UNREACHABLE);
    assert_int_equal(fake.n, 4);
}

static void count_target(void *arg, const char *target, const char *portal)
{
    ++*(int *)arg;
    assert_string_equal(target, "iqn.2026-11.org.liosd:fake");
    assert_string_equal(portal, "192.0.2.1:3260");
}

static void test_libosd_transport__discover_visits_targets_and_names_bad_urls(void **state)
{
    int n = 0;

    assert_int_equal(osd_discover(FAKE_URL, count_target, &n), OSD_OK);
    assert_int_equal(n, 1);
    assert_int_equal(osd_discover("iscsi://other", count_target, &n), OSD_E_INVALID);
    assert_non_null(strstr(osd_last_error(), "iscsi://other"));
}

/* ---- two-phase ---- */

static osd_status set_and_get(const char *text, char *ret, uint16_t cap)
{
    struct osd_attr set[2] = {{CLIENT, 1, text, (uint16_t)strlen(text)}, {CLIENT, 2, "2", 1}};
    struct osd_attr_get get = {.page = CLIENT, .number = 1, .value = ret, .cap = cap};
    struct osd_call c = {.verb = OSD_V_APPEND,
                         .pid = PID,
                         .oid = OID,
                         .out = "+",
                         .out_len = 1,
                         .set = set,
                         .n_set = 2,
                         .get = &get,
                         .n_get = 1};

    return osd_execute(s, &c);
}

static void test_libosd_transport__both_directions_go_as_stage_and_collect(void **state)
{
    char value[8] = "";

    assert_int_equal(set_and_get("value", value, sizeof(value)), OSD_OK);
    assert_string_equal(value, "value");
    assert_int_equal(fake.n, 2);
    assert_int_equal(action(0), 0x8fd0);
    assert_int_equal(action(1), 0x8fd1);
    assert_memory_equal(fake.kept[0].cdb + 16, fake.kept[1].cdb + 16, 16);
    assert_int_equal(fake.kept[0].in_len, 0);
    assert_int_equal(fake.kept[1].out_len, 0);
    assert_int_equal(fake.kept[0].out_len, be32_get(fake.kept[0].cdb + 32));
    assert_int_equal(fake.kept[1].in_len, be32_get(fake.kept[1].cdb + 32));
}

static void test_libosd_transport__one_direction_goes_plainly(void **state)
{
    struct osd_attr set = {CLIENT, 1, "v", 1};

    assert_int_equal(osd_set_attrs(s, PID, OID, &set, 1), OSD_OK);
    assert_int_equal(osd_write(s, PID, OID, 0, "x", 1), OSD_OK);
    assert_int_equal(osd_create(s, PID, OID + 1, NULL), OSD_OK);
    assert_int_equal(osd_create(s, PID, 0, NULL), OSD_OK);
    assert_int_equal(osd_append(s, PID, OID, "x", 1, NULL), OSD_OK);
    assert_int_equal(fake.n, 5);
    for (int i = 0; i < 5; i++)
        assert_int_not_equal(action(i) & 0xfff0, 0x8fd0);
}

/* Would catch: stages of one command that fill the device, each try with a tag of its own. */
static void test_libosd_transport__all_tries_have_one_tag(void **state)
{
    char value[8] = "";
    uint8_t tag[16];

    fake.faults[0] = FAULT_BUSY;
    fake.faults[1] = FAULT_NOT_READY;
    assert_int_equal(set_and_get("later", value, sizeof(value)), OSD_OK);
    assert_string_equal(value, "later");
    assert_int_equal(fake.n, 4);
    for (int i = 1; i < 4; i++)
        assert_memory_equal(fake.kept[0].cdb + 16, fake.kept[i].cdb + 16, 16);
    memcpy(tag, fake.kept[0].cdb + 16, sizeof(tag));
    fake_forget();
    assert_int_equal(set_and_get("other", value, sizeof(value)), OSD_OK);
    assert_memory_not_equal(fake.kept[0].cdb + 16, tag, sizeof(tag));
}

/* Would catch: a COLLECT repeated for ever after the device lost its memory; a second execution
 * when only the answer was lost. */
static void test_libosd_transport__lost_stage_is_sent_again_with_the_same_command(void **state)
{
    char value[8] = "";

    fake.faults[1] = FAULT_FORGOT_STAGE;
    fake.faults[3] = FAULT_LOST_ANSWER;
    assert_int_equal(set_and_get("again", value, sizeof(value)), OSD_OK);
    assert_string_equal(value, "again");
    assert_int_equal(fake.n, 6);
    for (int i = 2; i < 6; i += 2) {
        assert_int_equal(action(i), 0x8fd0);
        assert_memory_equal(fake.kept[0].out, fake.kept[i].out, 236);
        assert_memory_equal(fake.kept[0].cdb + 16, fake.kept[i].cdb + 16, 16);
    }
    assert_int_equal(length_now(), 6);
}

static void test_libosd_transport__faults_at_every_step_leave_one_execution(void **state)
{
    static const enum fault faults[] = {FAULT_BUSY,      FAULT_FULL,        FAULT_ATTENTION,
                                        FAULT_NOT_READY, FAULT_LOST_ANSWER, FAULT_ATTENTION_LIO,
                                        FAULT_ABORTED};
    uint64_t length = 5;
    char text[16], value[16];

    for (int at = 0; at < 4; at++)
        for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
            fake_forget();
            fake.faults[at] = faults[i];
            snprintf(text, sizeof(text), "%d %zu", at, i);
            memset(value, 0, sizeof(value));
            assert_int_equal(set_and_get(text, value, sizeof(value)), OSD_OK);
            assert_string_equal(value, text);
            assert_int_equal(length_now(), ++length);
        }
}

/* Would catch: an error of the embedded command taken for a lost stage and repeated. */
static void test_libosd_transport__errors_of_staged_commands_come_through(void **state)
{
    struct osd_attr_get get = {.page = CLIENT, .number = 1};

    assert_int_equal(osd_get_attrs(s, PID, 0x77777, &get, 1), OSD_E_NOT_FOUND);
    assert_true(fake.n <= 2);
    fake.faults[fake.n + 1] = FAULT_UNREACHABLE;
    assert_int_equal(osd_get_attrs(s, PID, OID, &get, 1), OSD_E_UNREACHABLE);
}

static void test_libosd_transport__check_needs_a_store_of_this_process(void **state)
{
    struct osd_check_result r;

    assert_int_equal(osd_check(s, false, NULL, NULL, &r), OSD_E_UNSUPPORTED);
    assert_non_null(strstr(osd_last_error(), "file:///"));
}

#define TEST(name)                                                                             \
    cmocka_unit_test_setup_teardown(test_libosd_transport__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signed_failures_are_believed),
        TEST(busy_is_retried_with_the_same_bytes),
        TEST(an_aborted_task_is_asked_about),
        TEST(every_kind_of_attention_is_retried),
        TEST(lost_answer_is_not_carried_out_again),
        TEST(created_id_survives_a_lost_answer),
        TEST(retries_end_after_retry_ms),
        TEST(other_statuses_are_not_retried),
        TEST(lost_connection_names_the_command),
        TEST(the_lun_of_the_url_is_addressed),
        TEST(ping_is_not_retried_and_says_why),
        TEST(discover_visits_targets_and_names_bad_urls),
        TEST(both_directions_go_as_stage_and_collect),
        TEST(one_direction_goes_plainly),
        TEST(all_tries_have_one_tag),
        TEST(lost_stage_is_sent_again_with_the_same_command),
        TEST(faults_at_every_step_leave_one_execution),
        TEST(errors_of_staged_commands_come_through),
        TEST(check_needs_a_store_of_this_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
