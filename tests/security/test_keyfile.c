/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_keyfile.c - files of master keys: what is read, what is refused and why
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "security/keyfile.h"

#define D10 "0123456789"
#define D80 D10 D10 D10 D10 "abcdefABCD" D10 D10 D10

static char path[64];
static char why[300];

static void put(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/keyfile-%d", (int)getpid());
    unlink(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void test_security_keyfile__what_is_made_is_read(void **state)
{
    uint8_t made[OSD_MASTER_LEN], again[OSD_MASTER_LEN], key[OSD_MASTER_LEN];
    struct stat s;

    (void)state;
    assert_int_equal(osd_keyfile_make(path, made, why, sizeof(why)), OSD_OK);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), OSD_OK);
    assert_memory_equal(made, key, sizeof(key));
    memcpy(again, made, sizeof(again)); /* never written over */
    assert_int_equal(osd_keyfile_make(path, again, why, sizeof(why)), OSD_E_EXISTS);
    assert_memory_equal(again, made, sizeof(again));
    assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), OSD_OK);
    assert_memory_equal(made, key, sizeof(key));
    unlink(path);
    assert_int_equal(osd_keyfile_make(path, again, why, sizeof(why)), OSD_OK);
    assert_memory_not_equal(made, again, sizeof(made));
}

static void test_security_keyfile__digits_and_white_space(void **state)
{
    static const struct {
        const char *text;
        osd_status want;
    } cases[] = {
        {D80, OSD_OK},
        {"\n " D80 "\r\n\n", OSD_OK},
        {"", OSD_E_INVALID},
        {D80 "0", OSD_E_INVALID},
        {D80 D80, OSD_E_INVALID},
        {D80 "\n" D80, OSD_E_INVALID},
        {D10 D10 D10 D10, OSD_E_INVALID},
        {D10 D10 D10 D10 " " D10 D10 D10 D10, OSD_E_INVALID},
        {D10 D10 D10 D10 D10 D10 D10 "012345678g", OSD_E_INVALID},
        {D10 D10 D10 D10 D10 D10 D10 "012345678", OSD_E_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t key[OSD_MASTER_LEN] = {9};
        put(cases[i].text, 0600);
        assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), cases[i].want);
        if (cases[i].want) {
            assert_int_equal(key[0], 9);
            assert_non_null(strstr(why, path));
            assert_null(strstr(why, "0123")); /* nothing of the key */
        } else {
            assert_int_equal(key[0], 0x01);
            assert_int_equal(key[20], 0xab);
            assert_int_equal(key[39], 0x89);
        }
    }
}

static void test_security_keyfile__others_must_not_read_it(void **state)
{
    static const mode_t wrong[] = {0640, 0604, 0620, 0602, 0601, 0610, 0644};
    uint8_t key[OSD_MASTER_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put(D80, wrong[i]);
        assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), OSD_E_DENIED);
        assert_non_null(strstr(why, "chmod 600"));
    }
    put(D80, 0400);
    assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), OSD_OK);
}

static void test_security_keyfile__what_is_no_file(void **state)
{
    uint8_t key[OSD_MASTER_LEN];

    (void)state;
    assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), OSD_E_NOT_FOUND);
    assert_int_equal(osd_keyfile_read("/dev/zero", key, why, sizeof(why)), OSD_E_INVALID);
    assert_int_equal(osd_keyfile_read("/tmp", key, why, sizeof(why)), OSD_E_INVALID);
    assert_int_equal(osd_keyfile_make("/no/such/place", key, why, sizeof(why)),
                     OSD_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_security_keyfile__what_is_made_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_security_keyfile__digits_and_white_space, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_security_keyfile__others_must_not_read_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_security_keyfile__what_is_no_file, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
