/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/test_run.c - what a run says of cases that fail, are skipped or are malformed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "conform/conform.h"

#define TEXT 1200

/* The last result that was reported, copied. */
struct seen {
    size_t n, passed;
    enum conform_outcome outcome;
    char name[TEXT], why[TEXT], command[TEXT], expected[TEXT], got[TEXT], cdb[TEXT];
    unsigned line;
    void (*tamper)(void *arg, struct conform_exchange *x);
};

static void report(void *arg, const struct conform_result *r)
{
    struct seen *s = arg;

    s->n++;
    s->passed += r->outcome == CONFORM_PASSED;
    s->outcome = r->outcome;
    s->line = r->line;
    snprintf(s->name, TEXT, "%s", r->name);
    snprintf(s->why, TEXT, "%s", r->why);
    snprintf(s->command, TEXT, "%s", r->command ? r->command : "");
    snprintf(s->expected, TEXT, "%s", r->expected ? r->expected : "");
    snprintf(s->got, TEXT, "%s", r->got ? r->got : "");
    snprintf(s->cdb, TEXT, "%s", r->cdb ? r->cdb : "");
}

/* Run one script on a device in memory. */
static osd_status run_script(const char *text, const char *filter, struct seen *s, char *reason)
{
    char path[] = "/tmp/conform-XXXXXX.osd";
    const char *file = path;
    int fd = mkstemps(path, 4);
    struct conform_options opt = {.url = "memory:",
                                  .scripts = &file,
                                  .n_scripts = 1,
                                  .filters = &filter,
                                  .n_filters = filter ? 1 : 0,
                                  .report = report,
                                  .arg = s,
                                  .tamper = s->tamper};
    struct conform_totals totals;
    osd_status st;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    st = conform_run(&opt, &totals, reason, 512);
    unlink(path);
    return st;
}

static void test_conform_run__a_failed_case_says_what_was_sent_expected_and_got(void **state)
{
    static const char script[] = "clause 2.4 READ\n"
                                 "case one \"wrong\"\n"
                                 "  generation 2\n"
                                 "  CREATE PARTITION $p\n"
                                 "  READ $p/$o length=8\n"
                                 "  -> good in=8\n"
                                 "end\n";
    struct seen s = {0};
    char reason[512];

    (void)state;
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.outcome, CONFORM_FAILED);
    assert_int_equal(s.line, 5);
    assert_string_equal(s.command, "READ 0x10000/0x10005 length=8");
    assert_string_equal(s.expected, "good in=8");
    assert_string_equal(s.got, "CHECK CONDITION, key 5h, 24/00, CDB byte 24");
    assert_memory_equal(s.cdb, "7f000000000000e48885", 20);
    assert_int_equal(strlen(s.cdb), 2 * 236);
}

/* A device that does not know a service action. */
static void refuse(struct conform_exchange *x, uint16_t action)
{
    static const uint8_t sense[48] = {0x72, 5, 0x24, 0, 0, 0, 0, 40,   2, 6,
                                      0,    0, 0xc0, 0, 8, 0, 6, 0x1e, 0};

    if (!x->answered || be16_get(x->cdb + 8) != action)
        return;
    memcpy(x->sense, sense, sizeof(sense));
    x->sense_len = sizeof(sense);
    x->status = 2;
    if (x->in_len)
        memset(x->in, 0, x->in_len);
    x->in_len = 0;
}

static void without_query(void *arg, struct conform_exchange *x)
{
    (void)arg;
    refuse(x, 0x88a0);
}

static void without_read(void *arg, struct conform_exchange *x)
{
    (void)arg;
    refuse(x, 0x8885);
}

static void test_conform_run__what_need_not_be_offered_is_skipped(void **state)
{
    static const char script[] = "clause 2.4 QUERY\n"
                                 "case one \"query\"\n"
                                 "  generation 2\n"
                                 "  CREATE PARTITION $p\n"
                                 "  CREATE USER TRACKING COLLECTION $p/$c\n"
                                 "  CREATE $p/$o\n"
                                 "  READ $p/$o length=0\n"
                                 "  QUERY $p/$c descriptors=descriptor(2,zeros(8))\n"
                                 "end\n";
    struct seen s = {.tamper = without_query};
    char reason[512];

    (void)state;
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.outcome, CONFORM_SKIPPED);
    assert_string_equal(s.why, "the device does not offer QUERY, which is optional");
    s = (struct seen){.tamper = without_read};
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.outcome, CONFORM_FAILED);
    s = (struct seen){0};
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.outcome, CONFORM_PASSED);
}

/* A device that knows OSD-1 only, and no FORMAT OSD. */
static void old_device(void *arg, struct conform_exchange *x)
{
    uint16_t action = be16_get(x->cdb + 8);

    (void)arg;
    if (!x->answered && x->cdb[0] == 0x7f && (action & 0x80 || action == 0x8801))
        be16_put(x->cdb + 8, 0x88ff);
}

static void test_conform_run__a_device_may_lack_a_generation_and_format(void **state)
{
    static const char script[] = "clause 2.4 READ\n"
                                 "case one \"one\"\n"
                                 "  CREATE PARTITION $p\n"
                                 "  CREATE $p/$o\n"
                                 "  CREATE COLLECTION $p/$c\n"
                                 "end\n"
                                 "case two \"two\"\n"
                                 "  LIST 0\n"
                                 "end\n";
    struct seen s = {.tamper = old_device};
    char reason[512];

    (void)state;
    assert_int_equal(run_script(script, "/one", &s, reason), OSD_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.outcome, CONFORM_SKIPPED); /* the later one, of OSD-2 */
    assert_string_equal(s.why, "the device does not speak OSD-2");
    assert_int_equal(s.passed, 1);
    s = (struct seen){.tamper = old_device};
    assert_int_equal(run_script(script, "/two", &s, reason), OSD_OK);
    assert_int_equal(s.passed,
                     0); /* without FORMAT OSD nobody looks at what others have made */
}

/* One bit of what follows the head of the current command page: the response's value. */
static void forge(void *arg, struct conform_exchange *x)
{
    (void)arg;
    if (x->answered && be16_get(x->cdb + 8) == 0x8885 && x->in_len > 40)
        x->in[8] ^= 1;
}

static void forge_data(void *arg, struct conform_exchange *x)
{
    (void)arg;
    if (x->answered && be16_get(x->cdb + 8) == 0x8885 && x->in_len > 40)
        x->in[0] ^= 1;
}

static void test_conform_run__a_forged_answer_is_noticed(void **state)
{
    static const char script[] =
        "clause 6.3 NOSEC\n"
        "case one \"signed\"\n"
        "  generation 2\n"
        "  needs-key\n"
        "  let rg = hmac($master_generation,odd(zeros(20)))\n"
        "  let ra = hmac($master_generation,even(zeros(20)))\n"
        "  SET KEY 0 key_to_set=1 object_type=1 method=cmdrsp key=$master\n"
        "  CREATE PARTITION $p\n"
        "  CREATE $p/$o\n"
        "  SET KEY $p key_to_set=2 method=cmdrsp key=$ra\n"
        "  let pg = hmac($rg,odd(zeros(20)))\n"
        "  let pa = hmac($rg,even(zeros(20)))\n"
        "  SET KEY $p key_to_set=3 method=cmdrsp key=$pa\n"
        "  let wa = hmac($pg,even(zeros(20)))\n"
        "  READ $p/$o length=0 attrs=page get=current method=alldata key=$wa\n"
        "  -> good response=signed data_in=signed\n"
        "end\n";
    struct seen s = {0};
    char reason[512];

    (void)state;
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.outcome, CONFORM_PASSED);
    s = (struct seen){.tamper = forge};
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.outcome, CONFORM_FAILED);
    assert_string_equal(s.why, "the response integrity check value is wrong");
    s = (struct seen){.tamper = forge_data};
    assert_int_equal(run_script(script, NULL, &s, reason), OSD_OK);
    assert_int_equal(s.outcome, CONFORM_FAILED);
}

static void test_conform_run__filters_choose_by_name_and_clause(void **state)
{
    static const char script[] = "clause 2.4 READ\n"
                                 "case apple \"a\"\n  TEST UNIT READY\nend\n"
                                 "clause 3.1 LIST\n"
                                 "case pear \"p\"\n  TEST UNIT READY\nend\n";
    struct seen s = {0};
    char reason[512];

    (void)state;
    assert_int_equal(run_script(script, "app", &s, reason), OSD_OK);
    assert_int_equal(s.n, 2); /* both generations */
    assert_non_null(strstr(s.name, "/apple"));
    s = (struct seen){0};
    assert_int_equal(run_script(script, "clause:3.1", &s, reason), OSD_OK);
    assert_non_null(strstr(s.name, "/pear"));
    s = (struct seen){0};
    assert_int_equal(run_script(script, "plum", &s, reason), OSD_E_NOT_FOUND);
    assert_int_equal(s.n, 0);
}

static void test_conform_run__a_malformed_script_is_named_with_its_line(void **state)
{
    static const struct {
        const char *body, *line, *what;
    } rows[] = {
        {"  READ\n  -> frob\n", ":3:", "no verdict"},
        {"  READ $p/$o\n  -> good frob=1\n", ":3:", "no condition: \"frob=1\""},
        {"  INQUIRY\n  -> status 2 data\n", ":3:", "no condition: \"data\""},
        {"  FROB $p\n", ":3:", "is no command"},
        {"  READ $p/$o frob=1\n", ":3:", "no field \"frob\""},
        {"  READ $p/$o length=x\n", ":3:", "does not fit"},
        {"  READ $p/$nobody\n", ":3:", "no variable \"nobody\""},
        {"  READ $p/$o data=zeros(\n", ":3:", "stays open"},
        {"  READ $p/$o data=power(3,u8(2),u8(2))\n", ":3:", "is no bytes"},
        {"  READ $p/$o data=hmac(u8(1))\n", ":3:", "is no bytes"},
        {"  WRITE $p/$o data=zeros(1) method=cmdrsp\n", ":3:", "needs a key"},
        {"  WRITE $p/$o data=zeros(1) method=frob key=u8(1)\n", ":3:", "none of capkey"},
        {"  SET KEY $p seed=u8(1)\n", ":3:", "seed has 20 bytes"},
        {"  INQUIRY\n  -> good has=frob\n", ":3:", "no bytes"},
        {"  let x\n", ":3:", "let NAME = VALUE"},
        {"  do frob\n", ":3:", "no such definition"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[512], reason[512];
        struct seen s = {0};
        snprintf(text, sizeof(text), "clause 1 x\ncase one \"t\"\n%send\n", rows[i].body);
        assert_int_equal(run_script(text, NULL, &s, reason), OSD_E_INVALID);
        if (!strstr(reason, rows[i].line) || !strstr(reason, rows[i].what))
            fail_msg("row %zu: %s", i, reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conform_run__a_failed_case_says_what_was_sent_expected_and_got),
        cmocka_unit_test(test_conform_run__what_need_not_be_offered_is_skipped),
        cmocka_unit_test(test_conform_run__a_device_may_lack_a_generation_and_format),
        cmocka_unit_test(test_conform_run__a_forged_answer_is_noticed),
        cmocka_unit_test(test_conform_run__filters_choose_by_name_and_clause),
        cmocka_unit_test(test_conform_run__a_malformed_script_is_named_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
