/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/test_url.c - URLs that are understood, and the reasons given for the others
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "initiator/initiator.h"

static const struct {
    const char *url, *portal, *target;
    int lun; /* -1: none */
    const char *user, *secret;
} good[] = {
    {"iscsi://host", "host:3260", "", -1, "", ""},
    {"iscsi://host/", "host:3260", "", -1, "", ""},
    {"iscsi://host:1", "host:1", "", -1, "", ""},
    {"iscsi://host:65535/iqn.a:b", "host:65535", "iqn.a:b", -1, "", ""},
    {"iscsi://host/iqn.a:b/", "host:3260", "iqn.a:b", -1, "", ""},
    {"iscsi://host/iqn.a:b/0", "host:3260", "iqn.a:b", 0, "", ""},
    {"iscsi://host/eui.02004567A425678D/16383", "host:3260", "eui.02004567A425678D", 16383, "",
     ""},
    {"iscsi://10.0.0.1:99/naa.52004567BA64678D/7", "10.0.0.1:99", "naa.52004567BA64678D", 7, "",
     ""},
    {"iscsi://[::1]/iqn.a:b/1", "[::1]:3260", "iqn.a:b", 1, "", ""},
    {"iscsi://[fe80::1%25eth0]:77/iqn.a:b/1", "[fe80::1%eth0]:77", "iqn.a:b", 1, "", ""},
    {"iscsi://joe%secret@host/iqn.a:b/1", "host:3260", "iqn.a:b", 1, "joe", "secret"},
    {"iscsi://joe%a%25b%40c%2Fd@host/iqn.a:b/1", "host:3260", "iqn.a:b", 1, "joe", "a%b@c/d"},
    {"iscsi://joe%a@b@host/iqn.a:b/1", "host:3260", "iqn.a:b", 1, "joe", "a@b"},
    {"iscsi://host/iqn.2026-11.org%3aa%3Fb/1", "host:3260", "iqn.2026-11.org:a?b", 1, "", ""},
};

static void test_initiator_url__documented_forms_are_parsed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct iscsi_url u;
        char reason[200] = "";
        if (iscsi_url_parse(good[i].url, &u, reason, sizeof(reason)))
            fail_msg("%s: %s", good[i].url, reason);
        assert_int_equal(u.n_portals, 1);
        assert_string_equal(u.portals[0], good[i].portal);
        assert_string_equal(u.target, good[i].target);
        assert_int_equal(u.has_target, good[i].target[0] != 0);
        assert_int_equal(u.has_lun, good[i].lun >= 0);
        assert_int_equal(u.lun, good[i].lun >= 0 ? good[i].lun : 0);
        assert_string_equal(u.user, good[i].user);
        assert_string_equal(u.secret, good[i].secret);
    }
}

static const struct {
    const char *url, *reason; /* a part of it */
} bad[] = {
    {"", "begins with iscsi://"},
    {"http://host/", "begins with iscsi://"},
    {"iscsi://", "no host"},
    {"iscsi:///iqn.a:b/1", "no host"},
    {"iscsi://[]/iqn.a:b", "no host"},
    {"iscsi://host:0/iqn.a:b", "port"},
    {"iscsi://host:65536", "port"},
    {"iscsi://host:", "port"},
    {"iscsi://host:12x", "port \"12x\""},
    {"iscsi://host:99999999999999999999", "port"},
    {"iscsi://::1/iqn.a:b", "brackets"},
    {"iscsi://[::1/iqn.a:b", "[address]"},
    {"iscsi://[::1]x/iqn.a:b", "[address]"},
    {"iscsi://joe@host", "user%secret"},
    {"iscsi://%secret@host", "user%secret"},
    {"iscsi://joe%@host", "user%secret"},
    {"iscsi://joe%a%zz@host", "two hex digits"},
    {"iscsi://joe%a%4@host", "two hex digits"},
    {"iscsi://host/foo/1", "iqn., eui. or naa."},
    {"iscsi://host/iqn.a:b/x", "LUN \"x\""},
    {"iscsi://host/iqn.a:b/-1", "LUN"},
    {"iscsi://host/iqn.a:b/16384", "16383"},
    {"iscsi://host/iqn.a:b/18446744073709551616", "16383"},
    {"iscsi://host/iqn.a:b/1/2", "LUN"},
    {"iscsi://host/iqn.a%00b/1", "NUL"},
    {"iscsi://host?digest=header", "digest must be"},
    {"iscsi://host?foo=1", "unknown option \"foo=1\""},
    {"iscsi://host?mutual=a%b", "before the host too"},
    {"iscsi://joe%same@host?mutual=tgt%same", "must differ"},
    {"iscsi://joe%x@host?mutual=tgt", "mutual must be"},
    {"iscsi://h?portal=", "no host"},
    {"iscsi://h?portal=a&portal=a&portal=a&portal=a&portal=a&portal=a&portal=a&portal=a",
     "more than 8"},
};

static void test_initiator_url__others_are_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct iscsi_url u = {.n_portals = 77};
        char reason[200] = "";
        assert_int_equal(iscsi_url_parse(bad[i].url, &u, reason, sizeof(reason)),
                         OSD_E_INVALID);
        if (!strstr(reason, bad[i].reason))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].url, reason, bad[i].reason);
        assert_int_equal(u.n_portals, 77);
    }
}

static void test_initiator_url__options_are_parsed(void **state)
{
    struct iscsi_url u;

    (void)state;
    assert_int_equal(iscsi_url_parse("iscsi://joe%x@a/iqn.a:b/3?portal=b:9&portal=[::2]&mutual="
                                     "tgt%y%26z&digest=data",
                                     &u, NULL, 0),
                     OSD_OK);
    assert_int_equal(u.n_portals, 3);
    assert_string_equal(u.portals[1], "b:9");
    assert_string_equal(u.portals[2], "[::2]:3260");
    assert_string_equal(u.mutual_user, "tgt");
    assert_string_equal(u.mutual_secret, "y&z");
    assert_true(u.data_digest);
    assert_int_equal(iscsi_url_parse("iscsi://a?digest=none", &u, NULL, 0), OSD_OK);
    assert_false(u.data_digest);
}

/* Would catch: a part longer than its field written past its end. */
static void test_initiator_url__long_parts_are_refused(void **state)
{
    static const char *const forms[] = {
        "iscsi://%s/iqn.a:b/1", "iscsi://h/iqn.%s/1",          "iscsi://%s%%x@h",
        "iscsi://joe%%%s@h",    "iscsi://j%%x@h?mutual=%s%%y", "iscsi://h?portal=%s"};
    char part[400], url[600], reason[64];
    struct iscsi_url u;

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        memset(part, 'a', sizeof(part) - 1);
        part[sizeof(part) - 1] = '\0';
        snprintf(url, sizeof(url), forms[i], part);
        assert_int_equal(iscsi_url_parse(url, &u, reason, sizeof(reason)), OSD_E_INVALID);
        assert_non_null(strstr(reason, "longer than"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initiator_url__documented_forms_are_parsed),
        cmocka_unit_test(test_initiator_url__others_are_refused_with_a_reason),
        cmocka_unit_test(test_initiator_url__options_are_parsed),
        cmocka_unit_test(test_initiator_url__long_parts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
