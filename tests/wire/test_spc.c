/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_spc.c - SPC data: bytes of every page, length fields, cuts, refusals
 */
#include <string.h>

#include "random.h"
#include "wire/cdb.h"
#include "wire/spc.h"
#include "wire/twophase.h"

static const struct osd_identity me = {.vendor = "LIOSD",
                                       .product = "Object Storage",
                                       .revision = "0.1",
                                       .serial = "0123456789abcdef",
                                       .naa = {0x30, 1, 2, 3, 4, 5, 6, 7}};
static uint8_t raw[65536];

static struct osd_writer fresh(void)
{
    memset(raw, 0xee, sizeof(raw));
    return osd_writer_make(raw, sizeof(raw));
}

static void test_wire_spc__standard_inquiry(void **state)
{
    static const uint8_t descriptors[] = {0x00, 0x80, 0x09, 0x60, 0x04, 0x60,
                                          0x03, 0x56, 0x04, 0x48, 0,    0};
    struct osd_writer w = fresh();

    (void)state;
    osd_inquiry_standard(&w, &me);
    assert_int_equal(w.full, 96);
    assert_int_equal(raw[0], 0x11);
    assert_int_equal(raw[2], 6); /* SPC-4 */
    assert_int_equal(raw[3], 2);
    assert_int_equal(raw[4], 91);
    assert_int_equal(raw[7], 2); /* CMDQUE */
    assert_memory_equal(raw + 8, "LIOSD   Object Storage  0.1 ", 28);
    assert_memory_equal(raw + 58, descriptors, sizeof(descriptors));
    for (size_t i = 0; i < 96; i++) { /* all else is zero */
        bool said =
            i == 0 || i == 2 || i == 3 || i == 4 || (i >= 7 && i < 36) || (i >= 58 && i < 68);
        assert_true(said || raw[i] == 0);
    }
}

static void test_wire_spc__vital_product_data(void **state)
{
    static const uint8_t supported[] = {0x11, 0, 0, 4, 0, 0x80, 0x83, 0xb1};
    static const uint8_t naa[] = {1, 3, 0, 8, 0x30, 1, 2, 3, 4, 5, 6, 7};
    uint8_t token[16] = {9, 8, 7}, id[OSD_SYSTEM_ID_LEN];
    struct osd_writer w = fresh();

    (void)state;
    osd_vpd_supported(&w);
    assert_int_equal(w.full, sizeof(supported));
    assert_memory_equal(raw, supported, sizeof(supported));
    w = fresh();
    osd_vpd_serial(&w, &me);
    assert_int_equal(w.full, 4 + 16);
    assert_int_equal(raw[1], 0x80);
    assert_int_equal(raw[3], 16);
    assert_memory_equal(raw + 4, me.serial, 16);
    w = fresh();
    osd_vpd_identification(&w, &me);
    assert_int_equal(raw[1], 0x83);
    assert_int_equal(raw[3], w.full - 4);
    assert_memory_equal(raw + 4, naa, sizeof(naa));
    assert_memory_equal(raw + 16, "\x02\x01\0\x18LIOSD   0123456789abcdef", 28);
    assert_int_equal(w.full, 44);
    w = fresh();
    osd_vpd_security_token(&w, token, sizeof(token));
    assert_int_equal(w.full, 20);
    assert_memory_equal(raw, "\x11\xb1\0\x10", 4);
    assert_memory_equal(raw + 4, token, 16);
    memset(id, 0xee, sizeof(id));
    osd_system_id(&me, id);
    assert_memory_equal(id, naa, sizeof(naa));
    assert_memory_equal(id + 12, "\0\0\0\0\0\0\0\0", 8);
}

static void test_wire_spc__the_longest_strings(void **state)
{
    struct osd_identity id = me;
    struct osd_writer w = fresh();

    (void)state;
    memset(id.vendor, 'V', 8);
    memset(id.product, 'P', 16);
    memset(id.revision, 'R', 4);
    memset(id.serial, 'S', 64);
    osd_inquiry_standard(&w, &id);
    assert_int_equal(w.full, 96);
    assert_memory_equal(raw + 8, "VVVVVVVVPPPPPPPPPPPPPPPPRRRR", 28);
    w = fresh();
    osd_vpd_identification(&w, &id);
    assert_int_equal(raw[3], 12 + 4 + 8 + 64);
    assert_int_equal(raw[19], 72);
    memset(id.serial, 0, sizeof(id.serial));
    w = fresh();
    osd_vpd_serial(&w, &id);
    assert_int_equal(w.full, 4);
}

/* Cut at every length: nothing behind the cut is touched, length fields stay true. */
static void test_wire_spc__an_allocation_length_cuts(void **state)
{
    uint8_t whole[96], part[97];
    struct osd_writer w = osd_writer_make(whole, sizeof(whole));

    (void)state;
    osd_inquiry_standard(&w, &me);
    for (size_t cut = 0; cut <= 96; cut++) {
        memset(part, 0xee, sizeof(part));
        w = osd_writer_make(part, cut);
        osd_inquiry_standard(&w, &me);
        assert_int_equal(w.full, 96);
        assert_memory_equal(part, whole, cut);
        assert_int_equal(part[cut], 0xee);
    }
    w = osd_writer_make(whole, sizeof(whole));
    osd_vpd_identification(&w, &me);
    for (size_t cut = 0; cut <= 44; cut++) {
        memset(part, 0xee, sizeof(part));
        w = osd_writer_make(part, cut);
        osd_vpd_identification(&w, &me);
        assert_int_equal(w.full, 44);
        assert_memory_equal(part, whole, cut);
        assert_int_equal(part[cut], 0xee);
    }
}

static void test_wire_spc__mode_pages(void **state)
{
    static const struct {
        uint8_t page, subpage;
        size_t body;
    } pages[] = {{0x02, 0, 16},         {0x0a, 0, 12},      {0x0a, 1, 32},
                 {0x0a, 0xff, 12 + 32}, {0x3f, 0, 16 + 12}, {0x3f, 0xff, 16 + 12 + 32}};

    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        for (int ten = 0; ten <= 1; ten++) {
            struct osd_writer w = fresh();
            size_t head = ten ? 8 : 4;

            assert_int_equal(osd_mode_sense(&w, ten, 0, pages[i].page, pages[i].subpage),
                             OSD_OK);
            assert_int_equal(w.full, head + pages[i].body);
            assert_int_equal(ten ? be16_get(raw) : raw[0], w.full - (ten ? 2 : 1));
            for (size_t b = ten ? 2 : 1; b < head; b++) /* no block descriptors either */
                assert_int_equal(raw[b], 0);
            assert_int_equal(raw[head] & 0x3f, pages[i].page == 0x3f ? 0x02 : pages[i].page);
        }
    }
    struct osd_writer w = fresh();
    assert_int_equal(osd_mode_sense(&w, false, 0, 0x3f, 0xff), OSD_OK);
    assert_memory_equal(raw + 4, "\x02\x0e\0\0", 4);
    assert_memory_equal(raw + 4 + 16, "\x0a\x0a\x04\0", 4); /* D_SENSE */
    assert_memory_equal(raw + 4 + 16 + 12, "\x4a\x01\0\x1c\0", 5);
    w = fresh();
    assert_int_equal(osd_mode_sense(&w, false, 1, 0x0a, 1), OSD_OK);
    assert_int_equal(w.full, 4 + 32);
    assert_memory_equal(raw + 4, "\x4a\x01\0\x1c\0", 5);
    w = fresh();
    assert_int_equal(osd_mode_sense(&w, false, 0, 0x0a, 0), OSD_OK);
    assert_int_equal(raw[4 + 2], 0x04);
    w = fresh();
    assert_int_equal(osd_mode_sense(&w, false, 1, 0x0a, 0), OSD_OK);
    assert_int_equal(raw[4 + 2], 0); /* and not changeable */
    assert_int_equal(raw[4 + 1], 10);
    assert_int_equal(osd_mode_sense(&w, false, 0, 0x08, 0), OSD_E_INVALID);
    assert_int_equal(osd_mode_sense(&w, true, 0, 0x0a, 2), OSD_E_INVALID);
}

/* ---- operation codes ---- */

static bool all(uint16_t action)
{
    (void)action;
    return true;
}

static bool none(uint16_t action)
{
    (void)action;
    return false;
}

static void test_wire_spc__all_operation_codes(void **state)
{
    (void)state;
    for (int rctd = 0; rctd <= 1; rctd++) {
        size_t step = rctd ? 20 : 8, osd = 0, spc = 0;
        struct osd_writer w = fresh();

        assert_int_equal(osd_report_opcodes(&w, 0, 0, 0, rctd, all), OSD_OK);
        assert_int_equal(be32_get(raw), w.full - 4);
        assert_int_equal((w.full - 4) % step, 0);
        for (size_t at = 4; at < w.full; at += step) {
            const uint8_t *e = raw + at;
            enum osd_gen gen = 0;
            uint16_t action = be16_get(e + 2);

            assert_int_equal(e[5] >> 1 & 1, rctd);
            assert_int_equal(e[1] | e[4], 0);
            assert_true(e[5] & 1 || action == 0);
            if (rctd)
                assert_int_equal(be16_get(e + 8), 10);
            if (e[0] != OSD_OPCODE) {
                spc++;
                continue;
            }
            osd++;
            assert_int_equal(e[5] & 1, 1); /* service action valid */
            if (osd_op_by_action(action, &gen) == OSD_OP_INVALID)
                assert_int_equal(be16_get(e + 6), OSD_TWOPHASE_CDB_LEN);
            else
                assert_int_equal(be16_get(e + 6), gen == OSD_GEN1 ? 200 : 236);
        }
        assert_int_equal(osd, 23 + 39 + 2);
        assert_int_equal(spc, 14);
        w = fresh();
        assert_int_equal(osd_report_opcodes(&w, 0, 0, 0, rctd, none), OSD_OK);
        assert_int_equal(w.full, 4 + 14 * step);
    }
}

static void test_wire_spc__one_operation_code(void **state)
{
    static const struct {
        uint8_t options, opcode;
        uint16_t action;
        uint8_t support; /* 1 no, 3 yes */
        uint16_t len;
    } asks[] = {{1, 0x12, 0, 3, 6},       {1, 0x00, 0, 3, 6},        {1, 0xa0, 0, 3, 12},
                {1, 0x28, 0, 1, 0},       {2, 0x7f, 0x8885, 3, 236}, {2, 0x7f, 0x8805, 3, 200},
                {2, 0x7f, 0x8fd0, 3, 48}, {2, 0x7f, 0x8123, 1, 0},   {3, 0x7f, 0x8886, 3, 236},
                {3, 0xa3, 0x0c, 3, 12},   {2, 0xa3, 0x0d, 3, 12},    {3, 0xa3, 0x01, 1, 0},
                {3, 0x5a, 0, 3, 10}};

    (void)state;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        for (int rctd = 0; rctd <= 1; rctd++) {
            struct osd_writer w = fresh();

            assert_int_equal(osd_report_opcodes(&w, asks[i].options, asks[i].opcode,
                                                asks[i].action, rctd, all),
                             OSD_OK);
            assert_int_equal(raw[1], asks[i].support | rctd << 7);
            assert_int_equal(be16_get(raw + 2), asks[i].len);
            assert_int_equal(w.full, 4u + asks[i].len + (rctd ? 12 : 0));
            if (asks[i].len)
                assert_int_equal(raw[4], asks[i].opcode);
            if (asks[i].opcode == 0x7f && asks[i].len) {
                assert_int_equal(raw[4 + 7], asks[i].len - 8);
                assert_int_equal(be16_get(raw + 4 + 8), asks[i].action);
            }
        }
    }
    struct osd_writer w = fresh();
    assert_int_equal(osd_report_opcodes(&w, 3, 0x7f, 0x8885, false, none), OSD_OK);
    assert_int_equal(raw[1], 1);
    assert_int_equal(osd_report_opcodes(&w, 1, 0x7f, 0, false, all), OSD_E_INVALID);
    assert_int_equal(osd_report_opcodes(&w, 1, 0xa3, 0, false, all), OSD_E_INVALID);
    assert_int_equal(osd_report_opcodes(&w, 2, 0x12, 0, false, all), OSD_E_INVALID);
    for (uint8_t options = 4; options < 8; options++)
        assert_int_equal(osd_report_opcodes(&w, options, 0x12, 0, false, all), OSD_E_INVALID);
}

/* Usage maps as SPC-4 gives the CDBs: bits that are evaluated. */
static void test_wire_spc__usage_maps_of_operation_codes(void **state)
{
    static const uint8_t maps[][16] = {
        {0x00, 0, 0, 0, 0, 0x07},
        {0x03, 0x01, 0, 0, 0xff, 0x07},
        {0x12, 0x01, 0xff, 0xff, 0xff, 0x07},
        {0x1a, 0x08, 0xff, 0xff, 0xff, 0x07},
        {0x1b, 0x01, 0, 0, 0xf7, 0x07},
        {0x1c, 0x01, 0xff, 0xff, 0xff, 0x07},
        {0x1d, 0xf7, 0, 0xff, 0xff, 0x07},
        {0x1e, 0, 0, 0, 0x03, 0x07},
        {0x4d, 0x01, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x07},
        {0x55, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 0x07},
        {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0x07},
        {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x07},
        {0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x07},
        {0xa3, 0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0x07},
    };
    struct osd_writer w = fresh();

    (void)state;
    assert_int_equal(osd_report_opcodes(&w, 0, 0, 0, false, none), OSD_OK);
    assert_int_equal(w.full, 4 + 8 * sizeof(maps) / sizeof(maps[0]));
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        const uint8_t *m = maps[i];
        uint16_t len = m[0] < 0x20 ? 6 : m[0] < 0x60 ? 10 : 12;

        w = fresh();
        assert_int_equal(osd_report_opcodes(&w, 3, m[0], m[1], false, none), OSD_OK);
        assert_int_equal(raw[1], 3);
        assert_int_equal(be16_get(raw + 2), len);
        assert_memory_equal(raw + 4, m, len);
    }
    w = fresh(); /* an OSD command: everything behind the frame may matter */
    assert_int_equal(osd_report_opcodes(&w, 2, 0x7f, 0x8885, true, all), OSD_OK);
    assert_memory_equal(raw, "\0\x83\0\xec\x7f\x07\0\0\0\0\0\xe4\x88\x85\xff", 15);
    assert_int_equal(raw[4 + 235], 0xff);
    assert_memory_equal(raw + 4 + 236, "\0\x0a\0\0\0\0\0\0\0\0\0\0", 12);
}

/* Length fields count from the page's own beginning, wherever the writer stands. */
static void test_wire_spc__data_may_follow_other_data(void **state)
{
    (void)state;
    struct osd_writer w = fresh();
    osd_writer_zero(&w, 3);
    osd_vpd_serial(&w, &me);
    assert_int_equal(be16_get(raw + 3 + 2), 16);
    for (int ten = 0; ten <= 1; ten++) {
        w = fresh();
        osd_writer_zero(&w, 3);
        assert_int_equal(osd_mode_sense(&w, ten, 0, 0x0a, 0), OSD_OK);
        assert_int_equal(ten ? be16_get(raw + 3) : raw[3], (ten ? 6 : 3) + 12);
    }
    w = fresh();
    osd_writer_zero(&w, 3);
    assert_int_equal(osd_report_opcodes(&w, 0, 0, 0, false, none), OSD_OK);
    assert_int_equal(be32_get(raw + 3), w.full - 3 - 4);
}

static void test_wire_spc__task_management_functions(void **state)
{
    struct osd_writer w = fresh();

    (void)state;
    osd_report_tmf(&w, false);
    assert_int_equal(w.full, 4);
    assert_memory_equal(raw, "\x88\0\0\0", 4);
    w = fresh();
    osd_report_tmf(&w, true);
    assert_int_equal(w.full, 16);
    assert_memory_equal(raw, "\x88\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_spc__standard_inquiry),
        cmocka_unit_test(test_wire_spc__vital_product_data),
        cmocka_unit_test(test_wire_spc__the_longest_strings),
        cmocka_unit_test(test_wire_spc__an_allocation_length_cuts),
        cmocka_unit_test(test_wire_spc__mode_pages),
        cmocka_unit_test(test_wire_spc__all_operation_codes),
        cmocka_unit_test(test_wire_spc__one_operation_code),
        cmocka_unit_test(test_wire_spc__usage_maps_of_operation_codes),
        cmocka_unit_test(test_wire_spc__data_may_follow_other_data),
        cmocka_unit_test(test_wire_spc__task_management_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
