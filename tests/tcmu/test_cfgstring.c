/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/test_cfgstring.c - the configuration string: what is accepted, and that a refusal
 * names the option and the remedy
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tcmu/cfgstring.h"
#include "wire/cdb.h"

#define NOSEC ";security=nosec"

static struct osd_cfg accept(const char *s)
{
    struct osd_cfg c;
    char why[512] = "";

    if (osd_cfgstring_parse(s, &c, why, sizeof(why)))
        fail_msg("%s refused: %s", s, why);
    return c;
}

/* Refused with these words; what the caller gave for the result stays as it was. */
static void refuse(const char *s, const char *words)
{
    struct osd_cfg c, before;
    char why[512] = "";

    memset(&c, 0x5a, sizeof(c));
    before = c;
    if (osd_cfgstring_parse(s, &c, why, sizeof(why)) != OSD_E_INVALID)
        fail_msg("%s accepted", s);
    if (!strstr(why, words))
        fail_msg("%s: no \"%s\" in \"%s\"", s, words, why);
    if (!strstr(why, OSD_CFGSTRING_EXAMPLE))
        fail_msg("%s: no example in \"%s\"", s, why);
    assert_memory_equal(&c, &before, sizeof(c));
}

static void test_tcmu_cfgstring__path_and_defaults(void **state)
{
    struct osd_cfg c = accept("/srv/a-b_c.d@e+f~g%h" NOSEC);

    (void)state;
    assert_string_equal(c.path, "/srv/a-b_c.d@e+f~g%h");
    assert_int_equal(c.capacity, 0);
    assert_int_equal(c.threads, 4);
    assert_false(c.sync_always);
    assert_false(c.memory);
    assert_int_equal(c.scrub, 8 << 20);
    assert_int_equal(c.scrub_days, 7);
    c = accept("/s;scrub=64k;scrub_days=0;security=nosec");
    assert_int_equal(c.scrub, 64 << 10);
    assert_int_equal(c.scrub_days, 0);
    assert_int_equal(accept("/s;scrub=16g" NOSEC).scrub, 16ULL << 30);
    assert_int_equal(accept("/s;scrub=off" NOSEC).scrub, 0);
}

/* tcmu-runner gives the string with the subtype in front, D-Bus as well. */
static void test_tcmu_cfgstring__subtype_in_front_is_taken_off(void **state)
{
    (void)state;
    assert_string_equal(accept("osd//srv/x" NOSEC).path, "/srv/x");
    refuse("osd/srv/x" NOSEC, "absolute path");
}

static void test_tcmu_cfgstring__every_option(void **state)
{
    struct osd_cfg c =
        accept("/s;threads=64;sync=always;store=memory;capacity=3G;security=nosec");

    (void)state;
    assert_int_equal(c.threads, 64);
    assert_int_equal(c.capacity, 3ULL << 30);
    assert_true(c.sync_always);
    assert_true(c.memory);
    c = accept("/s;threads=1;sync=normal;store=rocksdb;security=nosec");
    assert_int_equal(c.threads, 1);
    assert_false(c.sync_always);
    assert_false(c.memory);
    assert_int_equal(c.scrub, 8 << 20);
    assert_int_equal(c.scrub_days, 7);
    c = accept("/s;scrub=64k;scrub_days=0;security=nosec");
    assert_int_equal(c.scrub, 64 << 10);
    assert_int_equal(c.scrub_days, 0);
    assert_int_equal(accept("/s;scrub=16g" NOSEC).scrub, 16ULL << 30);
    assert_int_equal(accept("/s;scrub=off" NOSEC).scrub, 0);
}

/* Who says nothing about security gets a store that asks for credentials. */
static void test_tcmu_cfgstring__secure_unless_told_otherwise(void **state)
{
    struct osd_cfg c = accept("/s");

    (void)state;
    assert_int_equal(c.method, OSD_SEC_CMDRSP);
    assert_string_equal(c.master_key_file, "");
    assert_false(c.weak_groups);
    assert_int_equal(accept("/s;security=nosec").method, OSD_SEC_NOSEC);
    assert_int_equal(accept("/s;security=capkey").method, OSD_SEC_CAPKEY);
    assert_int_equal(accept("/s;security=cmdrsp").method, OSD_SEC_CMDRSP);
    assert_int_equal(accept("/s;security=alldata").method, OSD_SEC_ALLDATA);
    assert_string_equal(c.passphrase_file, "");
    assert_string_equal(accept("/s;passphrase_file=/etc/p").passphrase_file, "/etc/p");
    c = accept("/s;store=memory;master_key_file=/etc/k;dh1024=allow");
    assert_string_equal(c.master_key_file, "/etc/k");
    assert_true(c.weak_groups);
    assert_false(accept("/s;dh1024=refuse").weak_groups);
}

static void test_tcmu_cfgstring__sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t want; /* 0: refused */
    } sizes[] = {
        {"1048576", 1 << 20},
        {"1048575", 0},
        {"1024k", 1 << 20},
        {"1m", 1 << 20},
        {"1M", 1 << 20},
        {"7g", 7ULL << 30},
        {"16777215T", 16777215ULL << 40},
        {"16777216T", 0}, /* 2^64 */
        {"18446744073709551615", UINT64_MAX},
        {"18446744073709551616", 0},
        {"99999999999999999999999999g", 0},
        {"", 0},
        {"m", 0},
        {"-1", 0},
        {"+5m", 0},
        {"0", 0},
        {"1mm", 0},
        {"1p", 0},
        {"1.5g", 0},
        {"0x100000", 0},
    };
    char s[300];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(s, sizeof(s), "/s;security=nosec;capacity=%s", sizes[i].text);
        if (sizes[i].want)
            assert_int_equal(accept(s).capacity, sizes[i].want);
        else
            refuse(s, "capacity=");
    }
}

static void test_tcmu_cfgstring__refusals_name_option_and_remedy(void **state)
{
    static const struct {
        const char *s, *words;
    } wrong[] = {
        {"", "absolute path"},
        {"relative" NOSEC, "\"relative;security=nosec\" does not start with an absolute path"},
        {"/s;security=", "security= is none of nosec, capkey, cmdrsp, alldata"},
        {"/s;security=NOSEC", "security=NOSEC is none of"},
        {"/s;store=memory", "store=memory has no place for a master key"},
        {"/s;store=memory;security=alldata", "add master_key_file=/path, or security=nosec"},
        {"/s;master_key_file=k", "master_key_file=k is not an absolute path"},
        {"/s;passphrase_file=p", "passphrase_file=p is not an absolute path"},
        {"/s;dh1024=yes", "dh1024=yes is neither refuse nor allow"},
        {"/s" NOSEC ";capacity=much", "capacity=much is not a size of at least 1m"},
        {"/s" NOSEC ";sync=sometimes", "sync=sometimes is neither normal nor always"},
        {"/s" NOSEC ";store=tape", "store=tape is neither rocksdb nor memory"},
        {"/s" NOSEC ";threads=0", "threads=0 is not a number from 1 to 64"},
        {"/s" NOSEC ";threads=65", "threads=65 is not a number from 1 to 64"},
        {"/s" NOSEC ";threads=many", "threads=many is not a number from 1 to 64"},
        {"/s" NOSEC ";scrub=on", "scrub=on is neither off nor bytes per second from 64k"},
        {"/s" NOSEC ";scrub=0", "scrub=0 is neither off nor"},
        {"/s" NOSEC ";scrub=17g", "scrub=17g is neither off nor"},
        {"/s" NOSEC ";scrub_days=366", "scrub_days=366 is not a number from 0 to 365"},
        {"/s" NOSEC ";colour=blue", "unknown option \"colour\" (known: capacity, security"},
        {"/s" NOSEC ";capacityx=1g", "unknown option \"capacityx\""},
        {"/s" NOSEC ";cap=1g", "unknown option \"cap\""},
        {"/s" NOSEC ";fast", "\"fast\" is not key=value"},
        {"/s" NOSEC ";=1", "\"=1\" is not key=value"},
        {"/s" NOSEC ";", "\"\" is not key=value"},
        {"/s;;security=nosec", "\"\" is not key=value"},
        {"/s" NOSEC NOSEC, "security= is given twice"},
        {"/s" NOSEC ";capacity=1g;capacity=2g", "capacity= is given twice"},
        {"/s" NOSEC ";tcmur_cmd_time_out=5", "leave tcmur_cmd_time_out=5 out"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse(wrong[i].s, wrong[i].words);
}

/* A comma ends the string in the kernel, a colon does in targetcli: both would cut silently. */
static void test_tcmu_cfgstring__only_characters_that_everybody_carries(void **state)
{
    char s[] = "/s?;security=nosec";

    (void)state;
    for (int c = 1; c < 256; c++) {
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        s[2] = (char)c;
        if (letter || strchr("/._@+~%-", c))
            accept(s);
        else if (c != '=' && c != ';')
            refuse(s, "is not allowed");
    }
    refuse("/s,x" NOSEC, "character ',' is not allowed");
    refuse("/s\nx" NOSEC, "character '?' is not allowed"); /* nothing unprintable in logs */
}

static void test_tcmu_cfgstring__length_limit(void **state)
{
    char s[OSD_CFGSTRING_MAX + 2];

    (void)state;
    memset(s, 'a', sizeof(s));
    s[0] = '/';
    memcpy(s + OSD_CFGSTRING_MAX - strlen(NOSEC), NOSEC, sizeof(NOSEC));
    assert_int_equal(strlen(s), OSD_CFGSTRING_MAX);
    assert_int_equal(strlen(accept(s).path), OSD_CFGSTRING_MAX - strlen(NOSEC));
    memcpy(s + OSD_CFGSTRING_MAX + 1 - strlen(NOSEC), NOSEC, sizeof(NOSEC));
    refuse(s, "longer than 255");
}

/* The reason is cut at its buffer's end, whatever the length. */
static void test_tcmu_cfgstring__short_reason_buffer(void **state)
{
    struct osd_cfg c;
    char why[64];

    (void)state;
    for (size_t len = 1; len < sizeof(why); len++) {
        memset(why, 'X', sizeof(why));
        osd_cfgstring_parse("/s" NOSEC ";threads=many", &c, why, len);
        assert_true(memchr(why, 0, len) != NULL);
        assert_int_equal(why[len], 'X');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcmu_cfgstring__path_and_defaults),
        cmocka_unit_test(test_tcmu_cfgstring__subtype_in_front_is_taken_off),
        cmocka_unit_test(test_tcmu_cfgstring__every_option),
        cmocka_unit_test(test_tcmu_cfgstring__secure_unless_told_otherwise),
        cmocka_unit_test(test_tcmu_cfgstring__sizes),
        cmocka_unit_test(test_tcmu_cfgstring__refusals_name_option_and_remedy),
        cmocka_unit_test(test_tcmu_cfgstring__only_characters_that_everybody_carries),
        cmocka_unit_test(test_tcmu_cfgstring__length_limit),
        cmocka_unit_test(test_tcmu_cfgstring__short_reason_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
