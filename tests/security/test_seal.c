/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_seal.c - sealed keys: what opens them, what does not
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

#include "security/seal.h"

#define LEN 20

static const uint8_t salt[OSD_SEAL_SALT_LEN] = "0123456789abcde",
                     plain[LEN] = "nineteen characters";
static const struct osd_bytes label = {(const uint8_t *)"label", 5}, src = {plain, LEN};

static struct osd_seal make(const char *pass, const uint8_t *with)
{
    struct osd_seal s;

    assert_int_equal(
        osd_seal_make((struct osd_bytes){(const uint8_t *)pass, strlen(pass)}, with, &s),
        OSD_OK);
    return s;
}

/* Every bit of the sealed form counts, and so do label, passphrase and salt. */
static void test_security_seal__opens_for_the_right_one_only(void **state)
{
    static const uint8_t other_salt[OSD_SEAL_SALT_LEN] = "0123456789abcdf";
    static const struct osd_bytes other = {(const uint8_t *)"lebal", 5};
    struct osd_seal s = make("correct horse battery", salt), t;
    uint8_t sealed[LEN + OSD_SEAL_MORE], out[LEN], zero[LEN] = {0};
    const struct osd_bytes whole = {sealed, sizeof(sealed)};

    (void)state;
    assert_int_equal(osd_seal_put(&s, label, src, sealed), OSD_OK);
    assert_int_equal(osd_seal_get(&s, label, whole, out), OSD_OK);
    assert_memory_equal(out, plain, LEN);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(osd_seal_get(&s, label, whole, out), OSD_E_CORRUPT);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < sizeof(sealed); len++)
        assert_int_equal(osd_seal_get(&s, label, (struct osd_bytes){sealed, len}, out),
                         OSD_E_CORRUPT);
    memcpy(out, plain, LEN);
    assert_int_equal(osd_seal_get(&s, other, whole, out), OSD_E_CORRUPT);
    assert_memory_equal(out, zero, LEN); /* nothing of it is left */
    t = make("correct horse batterz", salt);
    assert_int_equal(osd_seal_get(&t, label, whole, out), OSD_E_CORRUPT);
    t = make("correct horse battery", other_salt);
    assert_int_equal(osd_seal_get(&t, label, whole, out), OSD_E_CORRUPT);
}

static void test_security_seal__the_same_is_never_sealed_alike(void **state)
{
    struct osd_seal s = make("correct horse battery", salt);
    uint8_t a[LEN + OSD_SEAL_MORE], b[LEN + OSD_SEAL_MORE];

    (void)state;
    assert_int_equal(osd_seal_put(&s, label, src, a), OSD_OK);
    assert_int_equal(osd_seal_put(&s, label, src, b), OSD_OK);
    assert_memory_not_equal(a + 1, b + 1, 12);
    assert_memory_not_equal(a + 13, b + 13, LEN);
}

static void test_security_seal__short_passphrases_are_refused(void **state)
{
    struct osd_seal s;

    (void)state;
    assert_int_equal(
        osd_seal_make((struct osd_bytes){(const uint8_t *)"fifteen letters", 15}, salt, &s),
        OSD_E_INVALID);
}

/* A file in a directory of its own, as systemd lays credentials down. */
static void put_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    char path[200];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* Would catch: a unit with LoadCredential= whose store keeps its keys in the clear. */
static void test_security_seal__the_passphrase_is_a_systemd_credential(void **state)
{
    char dir[] = "/tmp/seal-test.XXXXXX", file[64], credential[64], why[200] = "";
    uint8_t got[OSD_SEAL_PASS_MAX];
    size_t len = 7;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/file", dir);
    snprintf(credential, sizeof(credential), "%s/liosd-passphrase", dir);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(osd_seal_passphrase(NULL, got, &len, why, sizeof(why)), OSD_OK);
    assert_int_equal(len, 0); /* none, and nothing is sealed */
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    assert_int_equal(osd_seal_passphrase(NULL, got, &len, why, sizeof(why)), OSD_OK);
    assert_int_equal(len, 0); /* others, not this one */
    assert_string_equal(why, "");
    put_file(dir, "liosd-passphrase", "correct horse battery\n", 0400);
    assert_int_equal(osd_seal_passphrase(NULL, got, &len, why, sizeof(why)), OSD_OK);
    assert_int_equal(len, 21);
    assert_memory_equal(got, "correct horse battery", 21);
    put_file(dir, "file", "another one, of a file", 0400);
    assert_int_equal(osd_seal_passphrase(file, got, &len, why, sizeof(why)), OSD_OK);
    assert_memory_equal(got, "another one", 11); /* what was named comes first */
    put_file(dir, "liosd-passphrase", "too short", 0400);
    assert_int_equal(osd_seal_passphrase(NULL, got, &len, why, sizeof(why)), OSD_E_INVALID);
    assert_non_null(strstr(why, "liosd-passphrase"));
    put_file(dir, "liosd-passphrase", "correct horse battery\n", 0444);
    assert_int_not_equal(osd_seal_passphrase(NULL, got, &len, why, sizeof(why)), OSD_OK);
    unsetenv("CREDENTIALS_DIRECTORY");
    unlink(file);
    unlink(credential);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_security_seal__opens_for_the_right_one_only),
        cmocka_unit_test(test_security_seal__the_same_is_never_sealed_alike),
        cmocka_unit_test(test_security_seal__short_passphrases_are_refused),
        cmocka_unit_test(test_security_seal__the_passphrase_is_a_systemd_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
