/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/test_pdu.c - PDU layouts byte by byte, serial numbers, digests
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/crc32c.h"
#include "initiator/pdu.h"

static void fill(uint8_t *dst, size_t len, uint8_t from)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)(from + i);
}

/* TotalAHSLength and AHSLength as LIO was seen to accept them. */
static const struct {
    size_t cdb_len;
    uint8_t words;
    uint16_t ahs_len;
} lengths[] = {{6, 0, 0},      {16, 0, 0},     {17, 2, 2},    {32, 5, 17},
               {200, 47, 185}, {236, 56, 221}, {260, 62, 245}};

static void test_initiator_pdu__extended_cdb_header_has_the_published_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t n = lengths[i].cdb_len, rest = n > 16 ? n - 16 : 0;
        uint8_t cdb[ISC_CDB_MAX], head[ISC_HEAD_MAX], zero[16] = {0};
        fill(cdb, n, 1);
        memset(head, 0xee, sizeof(head));
        size_t len = isc_pdu_command(head, &(struct isc_command_pdu){.cdb = cdb, .cdb_len = n});
        assert_int_equal(len, 48 + 4 * lengths[i].words);
        assert_int_equal(head[4], lengths[i].words);
        assert_memory_equal(head + 32, cdb, n < 16 ? n : 16);
        if (n < 16)
            assert_memory_equal(head + 32 + n, zero, 16 - n);
        if (rest == 0)
            continue;
        assert_int_equal(be16_get(head + 48), lengths[i].ahs_len);
        assert_int_equal(head[50], 1);
        assert_int_equal(head[51], 0);
        assert_memory_equal(head + 52, cdb + 16, rest);
        assert_memory_equal(head + 52 + rest, zero, len - 52 - rest);
    }
}

static void test_initiator_pdu__command_fields_stand_where_the_rfc_says(void **state)
{
    static const uint8_t cdb[6] = {0x12, 0, 0, 0, 36, 0};
    uint8_t head[ISC_HEAD_MAX];

    (void)state;
    isc_pdu_command(head, &(struct isc_command_pdu){.lun = 5,
                                                    .itt = 0x01020304,
                                                    .edtl = 0x0a0b0c0d,
                                                    .cmd_sn = 0x11121314,
                                                    .immediate = 0x030201,
                                                    .write = true,
                                                    .cdb = cdb,
                                                    .cdb_len = 6});
    static const uint8_t want[32] = {0x01, 0x21, 0,    0,    0,    3,    2,    1,   0, 5,
                                     0,    0,    0,    0,    0,    0,    1,    2,   3, 4,
                                     0x0a, 0x0b, 0x0c, 0x0d, 0x11, 0x12, 0x13, 0x14};
    assert_memory_equal(head, want, sizeof(want));
    isc_pdu_command(
        head, &(struct isc_command_pdu){.read = true, .final = true, .cdb = cdb, .cdb_len = 6});
    assert_int_equal(head[1], 0xc1);
}

static void test_initiator_pdu__data_out_fields_stand_where_the_rfc_says(void **state)
{
    uint8_t head[ISC_BHS_LEN];

    (void)state;
    isc_pdu_data_out(head, &(struct isc_data_out_pdu){.lun = 300,
                                                      .itt = 1,
                                                      .ttt = 0xaabbccdd,
                                                      .data_sn = 7,
                                                      .offset = 0x00012000,
                                                      .len = 513,
                                                      .final = true});
    static const uint8_t want[ISC_BHS_LEN] = {
        5,    0x80, 0, 0, 0, 0, 2, 1, 0x41, 0x2c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xaa, 0xbb,
        0xcc, 0xdd, 0, 0, 0, 0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 0x20, 0};
    assert_memory_equal(head, want, sizeof(want));
}

static void test_initiator_pdu__luns_are_encoded_as_sam_says(void **state)
{
    static const struct {
        uint64_t lun, wire;
    } table[] = {{0, 0},
                 {255, 0x00ff000000000000},
                 {256, 0x4100000000000000},
                 {16383, 0x7fff000000000000},
                 {0xc101000000000000, 0xc101000000000000}};
    uint8_t raw[8];

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_true(isc_lun_encode(table[i].lun, raw));
        assert_true(be64_get(raw) == table[i].wire);
    }
    assert_false(isc_lun_encode(16384, raw));
    assert_false(isc_lun_encode(0xffffff, raw));
}

static void test_initiator_pdu__serial_numbers_wrap(void **state)
{
    (void)state;
    assert_true(isc_sn_before(1, 2));
    assert_false(isc_sn_before(2, 1));
    assert_false(isc_sn_before(2, 2));
    assert_true(isc_sn_before(0xffffffff, 0));
    assert_true(isc_sn_before(0xfffffff0, 0x10));
    assert_false(isc_sn_before(0x10, 0xfffffff0));
    assert_true(isc_sn_before(0, 0x7fffffff));
}

static void test_initiator_pdu__padding_completes_words(void **state)
{
    (void)state;
    assert_int_equal(isc_pad(0), 0);
    assert_int_equal(isc_pad(1), 3);
    assert_int_equal(isc_pad(3), 1);
    assert_int_equal(isc_pad(4), 0);
}

/* RFC 3720 B.4, the CRC as a number (the RFC prints its bytes, least significant first). */
static void test_initiator_pdu__digests_have_the_rfc_values(void **state)
{
    static const uint8_t read10[48] = {0x01, 0xc0, 0, 0,    0,    0, 0, 0,    0,    0, 0, 0,
                                       0,    0,    0, 0,    0x14, 0, 0, 0,    0,    0, 4, 0,
                                       0,    0,    0, 0x14, 0,    0, 0, 0x18, 0x28, 0, 0, 0,
                                       0,    0,    0, 0,    2,    0, 0, 0,    0,    0, 0, 0};
    uint8_t data[32];

    (void)state;
    memset(data, 0, sizeof(data));
    assert_int_equal(osd_crc32c(0, data, 32), 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(osd_crc32c(0, data, 32), 0x62a8ab43);
    fill(data, 32, 0);
    assert_int_equal(osd_crc32c(0, data, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        data[i] = (uint8_t)(31 - i);
    assert_int_equal(osd_crc32c(0, data, 32), 0x113fdb5c);
    assert_int_equal(osd_crc32c(0, read10, 48), 0xd9963a56);
    assert_int_equal(osd_crc32c(osd_crc32c(0, read10, 20), read10 + 20, 28), 0xd9963a56);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initiator_pdu__extended_cdb_header_has_the_published_lengths),
        cmocka_unit_test(test_initiator_pdu__command_fields_stand_where_the_rfc_says),
        cmocka_unit_test(test_initiator_pdu__data_out_fields_stand_where_the_rfc_says),
        cmocka_unit_test(test_initiator_pdu__luns_are_encoded_as_sam_says),
        cmocka_unit_test(test_initiator_pdu__serial_numbers_wrap),
        cmocka_unit_test(test_initiator_pdu__padding_completes_words),
        cmocka_unit_test(test_initiator_pdu__digests_have_the_rfc_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
