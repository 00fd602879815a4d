/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_sense.c - sense data beyond the vector: every descriptor, what is left out,
 * what a client makes of it
 */
#include <string.h>

#include "common/bytes.h"
#include "random.h"
#include "wire/cdb.h"
#include "wire/sense.h"

static struct osd_sense random_sense(uint64_t *rng)
{
    uint64_t bits = random_next(rng);
    struct osd_sense s = {.key = bits & 15, .asc = (uint16_t)random_next(rng)};

    if ((s.has_field = bits >> 4 & 1)) {
        s.field = (uint16_t)random_next(rng);
        s.field_in_cdb = bits >> 5 & 1;
    }
    if ((s.has_information = bits >> 6 & 1))
        s.information = random_next(rng);
    if ((s.has_command_info = bits >> 7 & 1))
        s.command_info = random_next(rng);
    if ((s.has_object = bits >> 8 & 1)) {
        s.pid = random_next(rng);
        s.oid = random_next(rng);
        s.not_initiated = (uint32_t)random_next(rng);
        s.completed = (uint32_t)random_next(rng);
    }
    s.n_attrs = bits >> 9 & 3;
    for (int i = 0; i < s.n_attrs; i++)
        s.attrs[i] =
            (struct osd_attr_id){(uint32_t)random_next(rng), (uint32_t)random_next(rng)};
    if (bits >> 11 & 1) {
        s.icv_len = bits >> 12 & 1 ? 20 : 32;
        random_fill(rng, s.icv, s.icv_len);
    }
    return s;
}

static size_t size_of(const struct osd_sense *s)
{
    return 8u + 12u * s->has_information + 12u * s->has_command_info + 8u * s->has_field +
           32u * s->has_object + (s->n_attrs ? 4u + 8u * s->n_attrs : 0) +
           (s->icv_len ? 2u + s->icv_len : 0);
}

static void expect_equal(const struct osd_sense *a, const struct osd_sense *b)
{
    assert_int_equal(a->key, b->key);
    assert_int_equal(a->asc, b->asc);
    assert_int_equal(a->has_field, b->has_field);
    assert_int_equal(a->field_in_cdb, b->field_in_cdb);
    assert_int_equal(a->field, b->field);
    assert_int_equal(a->has_information, b->has_information);
    assert_int_equal(a->information, b->information);
    assert_int_equal(a->has_command_info, b->has_command_info);
    assert_int_equal(a->command_info, b->command_info);
    assert_int_equal(a->has_object, b->has_object);
    assert_int_equal(a->pid, b->pid);
    assert_int_equal(a->oid, b->oid);
    assert_int_equal(a->not_initiated, b->not_initiated);
    assert_int_equal(a->completed, b->completed);
    assert_int_equal(a->n_attrs, b->n_attrs);
    assert_memory_equal(a->attrs, b->attrs, a->n_attrs * sizeof(a->attrs[0]));
    assert_int_equal(a->icv_len, b->icv_len);
    assert_memory_equal(a->icv, b->icv, sizeof(a->icv));
}

static void test_wire_sense__random_ones_that_fit_survive(void **state)
{
    uint64_t rng = 4711;
    int fitted = 0, cut = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct osd_sense s = random_sense(&rng), back;
        uint8_t raw[OSD_SENSE_MAX];
        size_t len = osd_sense_encode(&s, raw);

        assert_true(len >= 8 && len <= OSD_SENSE_MAX);
        assert_int_equal(raw[0], 0x72);
        assert_int_equal(raw[7], len - 8);
        assert_int_equal(osd_sense_decode(raw, len, &back), OSD_OK);
        if (size_of(&s) <= OSD_SENSE_MAX) {
            assert_int_equal(len, size_of(&s));
            expect_equal(&s, &back);
            fitted++;
        } else {
            assert_int_equal(back.asc, s.asc);
            assert_int_equal(back.field, s.field);
            cut++;
        }
    }
    assert_true(fitted > 1000 && cut > 1000);
}

static void test_wire_sense__descriptors_have_the_bytes_of_the_reference(void **state)
{
    static const uint8_t want[] = {
        0x72, 0x05, 0x24, 0x00, 0,    0, 0,    0x40,                         /* head */
        0x01, 0x0a, 0,    0,    0,    0, 0,    0,    0x12, 0x34, 0x56, 0x78, /* bytes read */
        0x02, 0x06, 0,    0,    0xc0, 0, 24,   0,                            /* CDB byte 24 */
        0x06, 0x1e, 0,    0,    0,    0, 0,    0,    0x00, 0x10, 0x30, 0x30, 0xa0, 0, 0,
        0,    0,    0,    0,    0,    0, 1,    0,    0,    0,    0,    0,    0,    0, 1,
        0,    5,    0x08, 0x0a, 0,    0, 0x30, 0,    0,    2,    0,    1,    0,    1};
    struct osd_sense s = {.key = 5,
                          .asc = 0x2400,
                          .has_command_info = true,
                          .command_info = 0x12345678,
                          .has_field = true,
                          .field_in_cdb = true,
                          .field = 24,
                          .has_object = true,
                          .not_initiated = 0x00103030,
                          .completed = 0xa0000000,
                          .pid = 0x10000,
                          .oid = 0x10005,
                          .n_attrs = 1,
                          .attrs = {{0x30000002, 0x10001}}};
    uint8_t raw[OSD_SENSE_MAX];
    size_t len = osd_sense_encode(&s, raw);

    (void)state;
    assert_int_equal(len, sizeof(want));
    assert_memory_equal(raw, want, len);
    s.field_in_cdb = false; /* Data-Out: bit 6 is off */
    osd_sense_encode(&s, raw);
    assert_int_equal(raw[24], 0x80);
    s = (struct osd_sense){.has_information = true, .information = 0x99};
    assert_int_equal(osd_sense_encode(&s, raw), 20);
    assert_memory_equal(raw + 8, "\0\x0a\x80\0\0\0\0\0\0\0\0\x99", 12);
}

/* What does not fit goes: attributes first, the integrity check value last. */
static void test_wire_sense__what_does_not_fit_is_left_out(void **state)
{
    struct osd_sense s = {.key = 7,
                          .asc = ASC_QUOTA,
                          .has_field = true,
                          .has_object = true,
                          .oid = 5,
                          .n_attrs = 4,
                          .icv_len = 32};
    struct osd_sense back;
    uint8_t raw[OSD_SENSE_MAX];
    size_t len = osd_sense_encode(&s, raw);

    (void)state;
    assert_true(len <= OSD_SENSE_MAX);
    assert_int_equal(osd_sense_decode(raw, len, &back), OSD_OK);
    assert_true(back.has_object);
    assert_int_equal(back.icv_len, 32);
    assert_int_equal(back.n_attrs, 1); /* 8 + 8 + 32 + 34 leave room for 12 */
    s.icv_len = 20;
    len = osd_sense_encode(&s, raw);
    assert_int_equal(osd_sense_decode(raw, len, &back), OSD_OK);
    assert_int_equal(back.n_attrs, 2);
    s.icv_len = 0;
    len = osd_sense_encode(&s, raw);
    assert_int_equal(osd_sense_decode(raw, len, &back), OSD_OK);
    assert_int_equal(back.n_attrs, 4);
    assert_int_equal(len, 8 + 8 + 32 + 36);
    s.has_information = true; /* exactly full */
    len = osd_sense_encode(&s, raw);
    assert_int_equal(len, 96);
    assert_int_equal(osd_sense_decode(raw, len, &back), OSD_OK);
    assert_int_equal(back.n_attrs, 4);
    s.has_command_info = true;
    s.n_attrs = 0;
    s.icv_len = 32; /* the object makes way for it */
    len = osd_sense_encode(&s, raw);
    assert_int_equal(len, 8 + 12 + 12 + 8 + 34);
    assert_int_equal(osd_sense_decode(raw, len, &back), OSD_OK);
    assert_false(back.has_object);
    assert_int_equal(back.icv_len, 32);
}

static void test_wire_sense__cut_at_every_length(void **state)
{
    uint64_t rng = 31;

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct osd_sense s = random_sense(&rng), back;
        uint8_t raw[OSD_SENSE_MAX];
        size_t len = osd_sense_encode(&s, raw);

        for (size_t cut = 0; cut < len; cut++) {
            back = (struct osd_sense){.asc = 0xdead};
            if (cut < 8) {
                assert_int_equal(osd_sense_decode(raw, cut, &back), OSD_E_INVALID);
                assert_int_equal(back.asc, 0xdead);
                continue;
            }
            assert_int_equal(osd_sense_decode(raw, cut, &back), OSD_OK);
            assert_int_equal(back.key, s.key);
            assert_int_equal(back.asc, s.asc);
            assert_true(!back.has_object || s.has_object);
        }
    }
}

/* Would catch: bytes of a first, longer descriptor behind those of a second. */
static void test_wire_sense__the_last_of_two_descriptors_counts(void **state)
{
    uint8_t raw[8 + 34 + 22] = {0x72, 5, 0x24, 0, 0, 0, 0, 34 + 22};
    struct osd_sense s;

    (void)state;
    raw[8] = raw[42] = 7;
    raw[9] = 32;
    raw[43] = 20;
    memset(raw + 10, 0xaa, 32);
    memset(raw + 44, 0xbb, 20);
    assert_int_equal(osd_sense_decode(raw, sizeof(raw), &s), OSD_OK);
    assert_int_equal(s.icv_len, 20);
    assert_int_equal(s.icv[19], 0xbb);
    assert_int_equal(s.icv[20], 0);
    assert_int_equal(s.icv[31], 0);
}

static void test_wire_sense__odd_descriptors_are_skipped(void **state)
{
    uint8_t raw[64] = {0x73, 0x05, 0x26, 0x00, 0, 0, 0, 48};
    struct osd_sense s;

    (void)state;
    raw[8] = 0x80; /* a vendor's, 4 bytes */
    raw[9] = 2;
    raw[12] = 0x02; /* too short to hold a field pointer */
    raw[13] = 2;
    raw[14] = 0xff;
    raw[16] = 0x82; /* a vendor's, no bytes */
    raw[18] = 0x00; /* too short for its value */
    raw[19] = 4;
    raw[24] = 0x01;
    raw[25] = 4;
    raw[30] = 0x02; /* SKSV is off */
    raw[31] = 6;
    raw[38] = 0x02;
    raw[39] = 6;
    raw[42] = 0x8f; /* with a bit pointer */
    be16_put(raw + 43, 300);
    raw[46] = 0x06; /* reaches beyond the end */
    raw[47] = 0x1e;
    assert_int_equal(osd_sense_decode(raw, sizeof(raw), &s), OSD_OK);
    assert_int_equal(s.asc, ASC_INVALID_FIELD_PARAM);
    assert_true(s.has_field);
    assert_false(s.field_in_cdb);
    assert_int_equal(s.field, 300);
    assert_false(s.has_object || s.has_information || s.has_command_info);
    assert_int_equal(s.information | s.command_info, 0);
}

static void test_wire_sense__four_attributes_are_enough(void **state)
{
    uint8_t raw[8 + 4 + 5 * 8] = {0x72, 7, 0x55, 0x07, 0, 0, 0, 44, 8, 42};
    struct osd_sense s;

    (void)state;
    for (int i = 0; i < 5; i++)
        raw[12 + 8 * i + 7] = (uint8_t)(i + 1);
    assert_int_equal(osd_sense_decode(raw, sizeof(raw), &s), OSD_OK);
    assert_int_equal(s.n_attrs, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(s.attrs[i].number, i + 1);
    assert_int_equal(s.icv_len, 0);
}

static void test_wire_sense__fixed_format_of_the_kernel_is_read(void **state)
{
    uint8_t raw[18] = {0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 8};
    struct osd_sense s;

    (void)state;
    assert_int_equal(osd_sense_decode(raw, 18, &s), OSD_OK);
    assert_int_equal(s.key, 5);
    assert_int_equal(s.asc, ASC_INVALID_FIELD_CDB);
    assert_true(s.has_field && s.field_in_cdb);
    assert_int_equal(s.field, 8);
    assert_int_equal(osd_sense_status(&s), OSD_E_UNSUPPORTED);
    raw[15] = 0x8f; /* Data-Out, with a bit pointer */
    assert_int_equal(osd_sense_decode(raw, 18, &s), OSD_OK);
    assert_true(s.has_field && !s.field_in_cdb);
    raw[15] = 0x4f;
    assert_int_equal(osd_sense_decode(raw, 18, &s), OSD_OK);
    assert_false(s.has_field);
    raw[15] = 0xc0;
    assert_int_equal(osd_sense_decode(raw, 17, &s), OSD_OK);
    assert_false(s.has_field);
    assert_int_equal(osd_sense_decode(raw, 14, &s), OSD_OK);
    assert_false(s.has_field);
    for (size_t cut = 0; cut < 14; cut++)
        assert_int_equal(osd_sense_decode(raw, cut, &s), OSD_E_INVALID);
    for (unsigned code = 0; code < 256; code++) {
        raw[0] = (uint8_t)code;
        bool known = (code & 0x7f) >= 0x70 && (code & 0x7f) <= 0x73;
        assert_int_equal(osd_sense_decode(raw, 18, &s), known ? OSD_OK : OSD_E_INVALID);
    }
}

static void test_wire_sense__status_a_client_reports(void **state)
{
    static const struct {
        uint8_t key;
        uint16_t asc;
        int field; /* byte of the CDB; -1: none */
        osd_status want;
    } table[] = {
        {1, 0x3b17, -1, OSD_E_PAST_END},
        {1, 0x0b01, -1, OSD_OK},
        {0, 0, -1, OSD_OK},
        {2, 0x0404, -1, OSD_E_BUSY},
        {6, 0x2900, -1, OSD_E_BUSY},
        {3, 0x1100, -1, OSD_E_CORRUPT},
        {4, 0x4400, -1, OSD_E_IO},
        {7, 0x5507, -1, OSD_E_QUOTA},
        {7, 0x2700, -1, OSD_E_DENIED},
        {5, 0x2c0a, -1, OSD_E_NOT_EMPTY},
        {5, 0x2000, -1, OSD_E_UNSUPPORTED},
        {5, 0x2400, 8, OSD_E_UNSUPPORTED},
        {5, 0x2400, 16, OSD_E_NOT_FOUND},
        {5, 0x2400, 24, OSD_E_NOT_FOUND},
        {5, 0x2400, 80, OSD_E_DENIED},
        {5, 0x2400, 129, OSD_E_DENIED},
        {5, 0x2400, 235, OSD_E_DENIED},
        {5, 0x2400, 236, OSD_E_INVALID},
        {5, 0x2400, 11, OSD_E_INVALID},
        {5, 0x2400, -1, OSD_E_INVALID},
        {5, 0x2600, -1, OSD_E_INVALID},
        {5, 0x2406, -1, OSD_E_DENIED},
        {5, 0x5500, -1, OSD_E_BUSY},
        {0xb, 0x4e00, -1, OSD_E_IO},
        {5, 0x2500, -1, OSD_E_NOT_FOUND},
        {5, 0x2404, -1, OSD_E_DENIED},
        {5, 0x2405, -1, OSD_E_DENIED},
        {5, 0x2407, -1, OSD_E_DENIED},
        {5, 0x2406, 24, OSD_E_DENIED},
        {4, 0x2400, 24, OSD_E_IO},
        {5, 0x2600, 24, OSD_E_INVALID},
        {0xd, 0, -1, OSD_E_INVALID},
    };
    struct osd_sense out = {.key = 5, .asc = 0x2400, .has_field = true, .field = 24};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct osd_sense s = {.key = table[i].key,
                              .asc = table[i].asc,
                              .has_field = table[i].field >= 0,
                              .field_in_cdb = true,
                              .field = (uint16_t)(table[i].field & 0xffff)};
        if (osd_sense_status(&s) != table[i].want)
            fail_msg("key %x asc %04x field %d", s.key, s.asc, table[i].field);
    }
    assert_int_equal(osd_sense_status(&out), OSD_E_INVALID); /* a byte of Data-Out */
}

static void test_wire_sense__one_line_in_any_room(void **state)
{
    struct osd_sense s = {.key = 5,
                          .asc = 0x2400,
                          .has_field = true,
                          .field_in_cdb = true,
                          .field = 24,
                          .has_object = true,
                          .pid = 0x10000,
                          .oid = 0x10005};
    static const char want[] = "ILLEGAL REQUEST: invalid field in CDB (24h/00h), CDB byte 24, "
                               "object 0x10000/0x10005";
    char line[200];

    (void)state;
    for (size_t len = 1; len <= sizeof(line); len++) {
        memset(line, 'x', sizeof(line));
        osd_sense_format(&s, line, len);
        size_t expected = len - 1 < strlen(want) ? len - 1 : strlen(want);
        assert_int_equal(strlen(line), expected);
        assert_memory_equal(line, want, expected);
        assert_true(len == sizeof(line) || line[len] == 'x');
    }
    s = (struct osd_sense){.key = 0xe, .asc = 0x1d00, .has_field = true, .field = 3};
    osd_sense_format(&s, line, sizeof(line));
    assert_string_equal(line, "MISCOMPARE: unknown (1Dh/00h), Data-Out byte 3");
    assert_null(osd_sense_asc_text(0x1d00));
    assert_string_equal(osd_sense_asc_text(ASC_READ_PAST_END), "read past end of user object");
    assert_string_equal(osd_sense_asc_text(0x0800), "logical unit communication failure");
    assert_string_equal(osd_sense_asc_text(0x2500), "logical unit not supported");
    assert_string_equal(osd_sense_asc_text(0x2700), "write protected, or no such logical unit");
    assert_string_equal(osd_sense_asc_text(0x2900), "power on or reset occurred");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_sense__random_ones_that_fit_survive),
        cmocka_unit_test(test_wire_sense__descriptors_have_the_bytes_of_the_reference),
        cmocka_unit_test(test_wire_sense__what_does_not_fit_is_left_out),
        cmocka_unit_test(test_wire_sense__cut_at_every_length),
        cmocka_unit_test(test_wire_sense__the_last_of_two_descriptors_counts),
        cmocka_unit_test(test_wire_sense__odd_descriptors_are_skipped),
        cmocka_unit_test(test_wire_sense__four_attributes_are_enough),
        cmocka_unit_test(test_wire_sense__fixed_format_of_the_kernel_is_read),
        cmocka_unit_test(test_wire_sense__status_a_client_reports),
        cmocka_unit_test(test_wire_sense__one_line_in_any_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
