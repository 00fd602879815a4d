/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_perform.c - PERFORM SCSI COMMAND, PERFORM TASK MANAGEMENT FUNCTION
 */
#include "rig.h"
#include "wire/spc.h"

static uint16_t at(enum osd_gen g)
{
    return g == OSD_GEN1 ? 36 : 32;
}

static struct osd_cdb scsi(enum osd_gen g, uint8_t opcode)
{
    struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_SCSI_COMMAND, g, 0, 0);

    c.scsi_cdb[0] = opcode;
    return c;
}

static void test_interpreter_perform__answers_as_the_command_alone(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        uint8_t alone[256];
        struct osd_cdb c = scsi(g, 0x5a);
        c.scsi_cdb[2] = 0x3f;
        c.scsi_cdb[8] = 255;
        rig->out_len = 0;
        rig->in_len = 255;
        rig_run_raw(rig, c.scsi_cdb, 10);
        expect_good(rig);
        size_t len = rig->r.in_len;
        memcpy(alone, rig->in, len);
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, len);
        assert_memory_equal(rig->in, alone, len);
        c.scsi_cdb[8] = 5; /* cut by the embedded allocation length */
        rig_run(rig, &c);
        assert_int_equal(rig->r.in_len, 5);
    }
}

static void test_interpreter_perform__attributes_come_behind_the_data(void **state)
{
    struct osd_attr_id want = {OSD_PAGE_R + 1, 0xc0};
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = scsi(g, 0x12);
        c.scsi_cdb[4] = 255;
        rig->out_len = rig_get_list(rig, g, 0, &want, 1);
        rig->in_len = 1024;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 100,
                                          .retrieved_off = 512,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->in[0], OSD_DEVICE_TYPE);
        assert_int_equal(rig->in[512], OSD_LIST_SET);
        assert_true(rig->r.in_len > 512);
        c.attr.retrieved_off = 0; /* upon the data */
        rig_run(rig, &c);
        expect_cdb(rig, 64);
    }
}

static void test_interpreter_perform__faults_point_into_the_embedded_cdb(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        static const uint8_t unknown[] = {0x7f, 0x28, 0xff};
        struct osd_cdb c;
        rig->out_len = 0;
        rig->in_len = 100;
        for (size_t i = 0; i < sizeof(unknown); i++) {
            c = scsi(g, unknown[i]);
            rig_run(rig, &c);
            expect_cdb(rig, at(g));
            assert_true(rig->sense.has_object);
        }
        c = scsi(g, 0x12);
        c.scsi_cdb[2] = 0x80; /* a page without EVPD */
        rig_run(rig, &c);
        expect_cdb(rig, at(g) + 2);
        c = scsi(g, 0x55);
        c.scsi_cdb[1] = 0x10;
        c.scsi_cdb[8] = 8;
        rig_run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
        memset(rig->out, 0, 8);
        rig->out[7] = 8;
        rig->out_len = 8;
        rig_run(rig, &c);
        expect_param(rig, 6);
        rig->out[7] = 0;
        rig_run(rig, &c);
        expect_good(rig);
    }
}

/* One buffer cannot bring data both ways. */
static void test_interpreter_perform__one_buffer_serves_one_direction(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = scsi(OSD_GEN2, 0x12);

    c.scsi_cdb[4] = 255;
    c.attr.set_page = OSD_PAGE_R + 0x10000;
    c.attr.set_number = 1;
    c.attr.set_len = 3;
    c.attr.set_off = 0;
    rig->shared = true;
    rig->out_len = rig->in_len = 255;
    rig_run(rig, &c);
    expect_cdb(rig, 32);
    c.scsi_cdb[0] = 0;
    c.scsi_cdb[4] = 0;
    rig_run(rig, &c);
    expect_good(rig);
    rig->shared = false;
}

static void test_interpreter_perform__task_management_is_the_transports(void **state)
{
    static const uint8_t rejected[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x40, 0x80, 0x81};
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN2, 0, 0);

    rig->in_len = 20;
    c.tm_alloc_len = 20;
    for (size_t i = 0; i < sizeof(rejected); i++) {
        c.tm_function = rejected[i];
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, 8);
        assert_int_equal(be16_get(rig->in), 6);
        assert_int_equal(rig->in[4], 0x08);
    }
    c.tm_function = 0x82;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig->in[4], 0);
    c.tm_alloc_len = 3;
    rig_run(rig, &c);
    assert_int_equal(rig->r.in_len, 3);
    c.tm_function = 0x03;
    rig_run(rig, &c);
    expect_cdb(rig, 39);
    c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN1, 0, 0);
    c.tm_function = 0x01;
    rig_run(rig, &c);
    expect_cdb(rig, 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_perform__answers_as_the_command_alone),
        rig_test(test_interpreter_perform__attributes_come_behind_the_data),
        rig_test(test_interpreter_perform__faults_point_into_the_embedded_cdb),
        rig_test(test_interpreter_perform__one_buffer_serves_one_direction),
        rig_test(test_interpreter_perform__task_management_is_the_transports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
