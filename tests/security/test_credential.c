/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_credential.c - the text of a credential: what is written is read, anything else
 * is refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "security/credential.h"

#define HEAD "liosd credential 1\n"

static const enum osd_gen gens[] = {OSD_GEN1, OSD_GEN2};

static struct osd_credential make(enum osd_gen gen)
{
    const struct osd_capability cap = {.format = (uint8_t)gen, .key_version = 3};
    const uint8_t id[OSD_SYSTEM_ID_LEN] = {1, 3, 0xab}, secret[OSD_KEY_LEN] = {7};
    struct osd_credential c;

    assert_int_equal(osd_credential_make(&cap, OSD_HMAC_SHA1, gen, id, secret, &c), OSD_OK);
    return c;
}

static void test_security_credential__what_is_written_is_read(void **state)
{
    char text[OSD_CREDENTIAL_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct osd_credential c = make(gens[i]), got;
        osd_credential_format(&c, text);
        assert_int_equal(osd_credential_parse(text, &got), OSD_OK);
        assert_int_equal(got.gen, gens[i]);
        assert_memory_equal(got.capability, c.capability, sizeof(c.capability));
        assert_memory_equal(got.system_id, c.system_id, sizeof(c.system_id));
        assert_memory_equal(got.key, c.key, sizeof(c.key));
    }
}

/* The lines of a text, one left out, doubled, or with another value; 9: none. */
static void put_lines(const char *text, unsigned skip, unsigned twice, char *dst)
{
    const char *line = text + strlen(HEAD);

    memcpy(dst, HEAD, sizeof(HEAD));
    for (unsigned n = 0; *line; n++) {
        size_t len = strcspn(line, "\n") + 1;
        for (unsigned times = n == skip ? 0 : n == twice ? 2 : 1; times > 0; times--)
            strncat(dst, line, len);
        line += len;
    }
}

static void test_security_credential__every_line_stands_there_once(void **state)
{
    char text[OSD_CREDENTIAL_TEXT_MAX], other[2 * OSD_CREDENTIAL_TEXT_MAX];
    struct osd_credential c = make(OSD_GEN2), got;

    (void)state;
    osd_credential_format(&c, text);
    put_lines(text, 9, 9, other);
    assert_string_equal(other, text);
    for (unsigned i = 0; i < 4; i++) {
        put_lines(text, i, 9, other);
        assert_int_equal(osd_credential_parse(other, &got), OSD_E_INVALID);
        put_lines(text, 9, i, other);
        assert_int_equal(osd_credential_parse(other, &got), OSD_E_INVALID);
    }
    text[strlen("liosd credential ")] = '2';
    assert_int_equal(osd_credential_parse(text, &got), OSD_E_INVALID);
}

/* Any byte that is another, or missing, or one too many, before the end of the last line. */
static void test_security_credential__digits_are_counted(void **state)
{
    char text[OSD_CREDENTIAL_TEXT_MAX], other[OSD_CREDENTIAL_TEXT_MAX + 1];
    struct osd_credential got;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct osd_credential c = make(gens[i]);
        osd_credential_format(&c, text);
        for (size_t at = 0; at + 1 < strlen(text); at++) {
            memcpy(other, text, strlen(text) + 1);
            other[at] = '\t';
            assert_int_equal(osd_credential_parse(other, &got), OSD_E_INVALID);
            memcpy(other + at, text + at + 1, strlen(text + at));
            assert_int_equal(osd_credential_parse(other, &got), OSD_E_INVALID);
            snprintf(other, sizeof(other), "%.*s0%s", (int)at, text, text + at);
            assert_int_equal(osd_credential_parse(other, &got), OSD_E_INVALID);
        }
        text[strlen(HEAD "generation ")] = '3';
        assert_int_equal(osd_credential_parse(text, &got), OSD_E_INVALID);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_security_credential__what_is_written_is_read),
        cmocka_unit_test(test_security_credential__every_line_stands_there_once),
        cmocka_unit_test(test_security_credential__digits_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
