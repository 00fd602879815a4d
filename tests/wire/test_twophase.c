/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_twophase.c - the wrappers STAGE DATA-OUT and COLLECT, with the bytes of
 * docs/two-phase.md
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "wire/cdb.h"
#include "wire/twophase.h"

/* The 48 bytes of the n-th example in the page: three lines that begin with 00, 10, 20. */
static void read_example(int n, uint8_t dst[OSD_TWOPHASE_CDB_LEN])
{
    FILE *f = fopen(SOURCE_DIR "/docs/two-phase.md", "r");
    char line[256];
    int got = -1;

    assert_non_null(f);
    while (got < 3 && fgets(line, sizeof(line), f)) {
        if (strstr(line, "00  7f 00 00 00 00 00 00 28") == line && n-- == 0)
            got = 0;
        if (got < 0)
            continue;
        for (int i = 0; i < 16; i++)
            dst[16 * got + i] = (uint8_t)strtoul(line + 4 + 3 * i, NULL, 16);
        got++;
    }
    fclose(f);
    assert_int_equal(got, 3);
}

static void test_wire_twophase__the_page_shows_what_is_sent(void **state)
{
    static const uint8_t tag[OSD_TAG_LEN] = {0x6b, 0x1f, 0x0e, 0x93, 0x27, 0xc4, 0x5a, 0xd8,
                                             0x01, 0x7e, 0x3c, 0xb2, 0x95, 0x40, 0xea, 0x66};
    struct osd_twophase t = {.action = OSD_ACT_STAGE, .length = 212}, back;
    uint8_t page[OSD_TWOPHASE_CDB_LEN], raw[OSD_TWOPHASE_CDB_LEN];

    (void)state;
    memcpy(t.tag, tag, sizeof(tag));
    for (int i = 0; i < 2; i++) {
        read_example(i, page);
        osd_twophase_encode(&t, raw);
        assert_memory_equal(raw, page, sizeof(raw));
        assert_int_equal(osd_twophase_decode(page, sizeof(page), &back), OSD_OK);
        assert_int_equal(back.length, t.length);
        t.action = OSD_ACT_COLLECT;
        t.length = 320;
    }
}

static void test_wire_twophase__random_wrappers_survive(void **state)
{
    uint64_t rng = 5;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct osd_twophase t = {.action = i % 2 ? OSD_ACT_STAGE : OSD_ACT_COLLECT,
                                 .length = (uint32_t)random_next(&rng)},
                            back;
        uint8_t raw[OSD_TWOPHASE_CDB_LEN];

        random_fill(&rng, t.tag, sizeof(t.tag));
        osd_twophase_encode(&t, raw);
        assert_int_equal(osd_twophase_decode(raw, sizeof(raw), &back), OSD_OK);
        assert_int_equal(back.action, t.action);
        assert_int_equal(back.length, t.length);
        assert_memory_equal(back.tag, t.tag, sizeof(t.tag));
    }
}

static void test_wire_twophase__others_are_left_to_others(void **state)
{
    struct osd_twophase t = {.action = OSD_ACT_STAGE, .length = 1}, back = {.length = 9};
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];

    (void)state;
    osd_twophase_encode(&t, raw);
    for (size_t len = 0; len < sizeof(raw); len++)
        assert_int_equal(osd_twophase_decode(raw, len, &back),
                         len < 10 ? OSD_E_UNSUPPORTED : OSD_E_INVALID);
    for (unsigned additional = 0; additional < 256; additional++) {
        raw[7] = (uint8_t)additional;
        assert_int_equal(osd_twophase_decode(raw, sizeof(raw), &back),
                         additional == 0x28 ? OSD_OK : OSD_E_INVALID);
    }
    raw[7] = 0x28;
    back.length = 9;
    for (unsigned action = 0; action <= 0xffff; action++) {
        raw[8] = (uint8_t)(action >> 8);
        raw[9] = (uint8_t)action;
        if (action == OSD_ACT_STAGE || action == OSD_ACT_COLLECT)
            assert_int_equal(osd_op_by_action((uint16_t)action, NULL), OSD_OP_INVALID);
        else
            assert_int_equal(osd_twophase_decode(raw, sizeof(raw), &back), OSD_E_UNSUPPORTED);
    }
    raw[0] = 0x12;
    assert_int_equal(osd_twophase_decode(raw, sizeof(raw), &back), OSD_E_UNSUPPORTED);
    assert_int_equal(back.length, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_twophase__the_page_shows_what_is_sent),
        cmocka_unit_test(test_wire_twophase__random_wrappers_survive),
        cmocka_unit_test(test_wire_twophase__others_are_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
