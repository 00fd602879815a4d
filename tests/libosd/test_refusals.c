/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/test_refusals.c - what a caller is told when the device refuses its credential:
 * the command and the object first, then what is wrong, with the permissions by name
 *
 * Would catch: "denied", and nobody knows what to ask the administrator for.
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
#include "wire/attrs.h"
#include "wire/cdb.h"

#define PID    0x10000u
#define OID    0x10000u
#define POLICY 5u /* policy/security page of an object; of the partition behind OSD_PAGE_P */
#define ALL    0xfffc
#define FAR    ((1ull << 48) - 1)

static struct osd_session *owner;
static char key_file[] = "/tmp/libosd-refusals-key.XXXXXX";
static char credential_file[] = "/tmp/libosd-refusals-cred.XXXXXX";

static const struct row {
    const char *name;
    struct osd_allowance allows; /* pid 0: there is no credential */
    struct osd_call call;
    const char *says; /* from the beginning, before the sense data */
} rows[] = {
    {"a permission",
     {.pid = PID, .oid = OID, .permissions = OSD_PERM_READ, .expires_ms = FAR},
     {.verb = OSD_V_WRITE, .pid = PID, .oid = OID, .out = "x", .out_len = 1},
     "WRITE 0x10000/0x10000: the credential lacks permission write ("},
    {"one of several",
     {.pid = PID, .oid = 0, .permissions = OSD_PERM_REMOVE, .expires_ms = FAR},
     {.verb = OSD_V_CREATE_AND_WRITE, .pid = PID, .oid = OID + 9, .out = "x", .out_len = 1},
     "CREATE AND WRITE 0x10000/0x10009: the credential is for another type of object ("},
    {"two",
     {.pid = PID, .oid = OID, .permissions = OSD_PERM_READ, .expires_ms = FAR},
     {.verb = OSD_V_SET_ATTRIBUTES,
      .pid = PID,
      .oid = OID,
      .set = &(struct osd_attr){POLICY, 0x40000001, "1234", 4},
      .n_set = 1},
     "SET ATTRIBUTES 0x10000/0x10000: the credential lacks permission set-attr,pol-sec ("},
    {"another object",
     {.pid = PID, .oid = OID + 1, .permissions = ALL, .expires_ms = FAR},
     {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID},
     "FLUSH 0x10000/0x10000: the credential is for another object ("},
    {"another type",
     {.pid = PID, .oid = OID, .permissions = ALL, .expires_ms = FAR},
     {.verb = OSD_V_FLUSH_PARTITION, .pid = PID},
     "FLUSH PARTITION 0x10000/0x0: the credential is for another type of object ("},
    {"expired",
     {.pid = PID, .oid = OID, .permissions = ALL, .expires_ms = 1},
     {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID},
     "FLUSH 0x10000/0x10000: the credential has expired ("},
    {"no such key",
     {.pid = PID, .oid = OID, .permissions = ALL, .expires_ms = FAR, .version = 7},
     {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID},
     "FLUSH 0x10000/0x10000: the device has no such key; keys have to be installed first ("},
    {"no credential",
     {.pid = 0},
     {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID},
     "FLUSH 0x10000/0x10000: the device asks for a credential"},
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

/* A session with a credential of its own; without one when there is nothing to allow. */
static struct osd_session *open_with(const struct osd_allowance *a)
{
    struct osd_options opt = {.retry_ms = 2000};
    struct osd_session *s = NULL;
    char text[1024];

    if (a->pid) {
        assert_int_equal(osd_mint(owner, a, text, sizeof(text)), OSD_OK);
        write_file(credential_file, text);
        opt.credential_file = credential_file;
    }
    assert_int_equal(osd_open(FAKE_URL, &opt, &s), OSD_OK);
    return s;
}

static void expect_refusal(const struct osd_allowance *a, struct osd_call call,
                           const char *says)
{
    struct osd_session *s = open_with(a);

    assert_int_equal(osd_execute(s, &call), OSD_E_DENIED);
    if (strncmp(osd_last_error(), says, strlen(says)) != 0)
        fail_msg("\"%s\" is not \"%s...\"", osd_last_error(), says);
    osd_close(s);
}

static void test_libosd_refusals__say_what_and_which_permission(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_refusal(&rows[i].allows, rows[i].call, rows[i].says);
}

/* The owner's credentials are made with the same key: it is the last test. */
static void test_libosd_refusals__of_a_frozen_key_say_so(void **state)
{
    const struct osd_allowance all = {
        .pid = PID, .oid = OID, .permissions = ALL, .expires_ms = FAR};
    const struct osd_call flush = {.verb = OSD_V_FLUSH, .pid = PID, .oid = OID};
    const struct osd_attr frozen = {OSD_PAGE_P + POLICY, 5, "\0\1", 2};

    (void)state;
    assert_int_equal(osd_set_attrs(owner, PID, 0, &frozen, 1), OSD_OK);
    expect_refusal(&all, flush, "FLUSH 0x10000/0x10000: the key of the credential is frozen (");
}

static int setup(void **state)
{
    const struct osd_options opt = {.retry_ms = 2000, .key_file = key_file};
    int fd = mkstemp(key_file), cred = mkstemp(credential_file);

    (void)state;
    if (fd < 0 || cred < 0 || close(fd) || close(cred))
        return -1;
    write_file(key_file,
               FAKE_KEY FAKE_KEY FAKE_KEY FAKE_KEY FAKE_KEY FAKE_KEY FAKE_KEY FAKE_KEY);
    fake_forget();
    fake.method = OSD_SEC_CMDRSP;
    return osd_open(FAKE_URL, &opt, &owner) || osd_install_keys(owner, 0) ||
           osd_create_partition(owner, PID, NULL) || osd_create(owner, PID, OID, NULL) ||
           osd_create(owner, PID, OID + 1, NULL);
}

static int teardown(void **state)
{
    (void)state;
    osd_close(owner);
    fake_reset();
    unlink(credential_file);
    return unlink(key_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libosd_refusals__say_what_and_which_permission),
        cmocka_unit_test(test_libosd_refusals__of_a_frozen_key_say_so),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
