/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/test_hostile.c - a device that lies: lengths beyond what it sent, lists without
 * end, answers without data. Nothing of it may reach past the caller's memory or go on for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "fake_iscsi.h"
#include "osd/osd.h"
#include "wire/attrs.h"
#include "wire/cdb.h"
#include "wire/sense.h"

#define PID 0x10000u
#define OID 0x10000u

static struct osd_session *s;
static int lies;

static int setup(void **state)
{
    const struct osd_options opt = {.retry_ms = 100};

    lies = 0;
    fake_forget();
    return osd_open(FAKE_URL, &opt, &s) ? -1 : 0;
}

static int teardown(void **state)
{
    fake_forget();
    osd_close(s);
    fake_reset();
    return 0;
}

/* Data-In of the command as one piece of its size. */
static uint8_t *answer(struct iscsi_command *c, size_t *ret_len)
{
    uint8_t *p = calloc(1, c->in.len + 1);

    if (!p || ++lies > 1000)
        abort(); /* somebody asks for ever */
    *ret_len = (size_t)c->in.len;
    c->scsi_status = SAM_GOOD;
    c->in_len = c->in.len;
    return p;
}

static void send(struct iscsi_command *c, uint8_t *p, size_t len)
{
    osd_iov_write(&c->in, 0, p, len);
    free(p);
}

/* ---- reading ---- */

static uint64_t past_end_bytes;
static size_t past_end_sent;

static void claim_past_end(struct iscsi_command *c)
{
    struct osd_sense sense = {.key = SENSE_RECOVERED,
                              .asc = ASC_READ_PAST_END,
                              .has_command_info = true,
                              .command_info = past_end_bytes};
    size_t len;

    send(c, answer(c, &len), past_end_sent);
    c->in_len = past_end_sent;
    c->scsi_status = SAM_CHECK_CONDITION;
    c->sense_len = osd_sense_encode(&sense, c->sense);
}

/* The caller would write out what lies behind its buffer, or bytes that never came. */
static void test_libosd_hostile__more_read_than_asked_for_or_sent(void **state)
{
    static const uint64_t claims[] = {101, 1 << 20, UINT32_MAX, UINT64_MAX};
    char buf[100];
    size_t got;

    fake.lie = claim_past_end;
    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        past_end_bytes = claims[i];
        past_end_sent = sizeof(buf);
        assert_int_equal(osd_read(s, PID, OID, 0, buf, sizeof(buf), &got), OSD_OK);
        assert_int_equal(got, sizeof(buf));
        past_end_sent = 10;
        assert_int_equal(osd_read(s, PID, OID, 0, buf, sizeof(buf), &got), OSD_OK);
        assert_int_equal(got, 10);
    }
}

static void send_nothing(struct iscsi_command *c)
{
    size_t len;

    free(answer(c, &len));
    c->in_len = 0;
}

static void test_libosd_hostile__good_without_data_is_no_loop(void **state)
{
    char buf[100];
    size_t got;

    fake.lie = send_nothing;
    assert_int_equal(osd_read(s, PID, OID, 0, buf, sizeof(buf), &got), OSD_E_PROTOCOL);
}

/* ---- attributes ---- */

/* A list of one attribute which says that it has 60000 bytes, but ends after eight. */
static void send_long_value(struct iscsi_command *c)
{
    size_t len;
    uint8_t *p = answer(c, &len);
    struct osd_writer w = osd_writer_make(p, len);

    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_SET);
    osd_attr_put_value(&w, OSD_GEN2, (struct osd_attr_id){0x10000, 1}, "8 bytes.", 8);
    osd_attr_list_close(&w, OSD_GEN2, 0);
    be16_put(p + 22, 60000);
    send(c, p, len);
}

static bool touch_every_byte(void *arg, uint32_t page, uint32_t number, const void *value,
                             uint16_t len)
{
    unsigned *sum = arg;

    for (uint16_t i = 0; i < len; i++)
        *sum += ((const uint8_t *)value)[i];
    return true;
}

static void test_libosd_hostile__attributes_longer_than_their_list(void **state)
{
    uint8_t value[1000];
    struct osd_attr_get g = {
        .page = 0x10000, .number = 1, .value = value, .cap = sizeof(value)};
    unsigned sum = 0;

    fake.lie = send_long_value;
    assert_int_equal(osd_each_attr(s, PID, OID, 0x10000, touch_every_byte, &sum),
                     OSD_E_PROTOCOL);
    assert_int_equal(osd_get_attrs(s, PID, OID, &g, 1), OSD_E_PROTOCOL);
}

/* ---- lists ---- */

static uint64_t continuation;

static void send_endless_list(struct iscsi_command *c)
{
    size_t len;
    uint8_t *p = answer(c, &len);

    be64_put(p, 24);               /* additional length */
    be64_put(p + 8, continuation); /* go on there */
    p[23] = 0x21 << 2;             /* ids of user objects */
    be64_put(p + 24, OID);
    send(c, p, len);
}

static bool visit(void *arg, uint64_t id)
{
    ++*(unsigned *)arg;
    return true;
}

static void test_libosd_hostile__a_list_that_does_not_go_on_ends(void **state)
{
    unsigned n = 0;

    fake.lie = send_endless_list;
    continuation = OID; /* for ever the same */
    assert_int_equal(osd_each_id(s, PID, 0, visit, &n), OSD_E_PROTOCOL);
    assert_true(n <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_libosd_hostile__more_read_than_asked_for_or_sent,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_libosd_hostile__good_without_data_is_no_loop,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_libosd_hostile__attributes_longer_than_their_list,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_libosd_hostile__a_list_that_does_not_go_on_ends,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
