/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_format.c - what other commands hear while FORMAT OSD is at work
 *
 * The store's format is held until the test lets it go, so that the test decides what comes
 * when; nothing depends on time.
 */
#include <pthread.h>
#include <semaphore.h>

#include "rig.h"

/* The store of a rig with a format that waits; one test at a time. */
static struct held {
    struct store_ops ops;
    osd_status (*format)(struct store_txn *t, uint64_t capacity, const struct store_meta *root);
    osd_status outcome; /* other than OK: it fails with this */
    sem_t begun, go;
} held;

static osd_status held_format(struct store_txn *t, uint64_t capacity,
                              const struct store_meta *root)
{
    sem_post(&held.begun);
    while (sem_wait(&held.go)) {
    }
    return held.outcome ? held.outcome : held.format(t, capacity, root);
}

static void hold(struct rig *rig)
{
    held.ops = *rig->store->ops;
    held.format = held.ops.format;
    held.ops.format = held_format;
    held.outcome = OSD_OK;
    rig->store->ops = &held.ops;
    sem_init(&held.begun, 0, 0);
    sem_init(&held.go, 0, 0);
}

static void *format_in_thread(void *arg)
{
    struct rig *rig = arg, own = {.dev = rig->dev, .out = rig->out, .in = malloc(RIG_BUF)};
    struct osd_cdb c = rig_cmd(OSD_OP_FORMAT_OSD, OSD_GEN2, 0, 0);
    uint8_t *status = malloc(1);

    *status = rig_run(&own, &c);
    free(own.in);
    return status;
}

static pthread_t begin_format(struct rig *rig)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, format_in_thread, rig), 0);
    while (sem_wait(&held.begun)) {
    }
    return thread;
}

static uint8_t end_format(pthread_t thread)
{
    uint8_t status, *ret;

    sem_post(&held.go);
    pthread_join(thread, (void **)&ret);
    status = *ret;
    free(ret);
    return status;
}

static void expect_not_ready(const struct rig *rig)
{
    assert_int_equal(rig->r.status, SAM_CHECK_CONDITION);
    expect_asc(rig, SENSE_NOT_READY, ASC_OPERATION);
}

static void run_spc(struct rig *rig, uint8_t opcode, size_t len)
{
    uint8_t cdb[16] = {opcode};

    if (opcode == SPC_REQUEST_SENSE || opcode == SPC_INQUIRY || opcode == SPC_MODE_SENSE6)
        cdb[4] = 96;
    if (opcode == SPC_MODE_SENSE6)
        cdb[2] = 0x3f;
    if (opcode == SPC_REPORT_LUNS)
        cdb[9] = 16;
    if (opcode == SPC_MAINTENANCE_IN) {
        cdb[1] = SPC_MI_SUPPORTED_TMF;
        cdb[9] = 16;
    }
    rig->in_len = 96;
    rig_run_raw(rig, cdb, len);
}

static void test_interpreter_format__osd_commands_are_not_ready_meanwhile(void **state)
{
    static const enum osd_op ops[] = {OSD_OP_GET_ATTRIBUTES, OSD_OP_CREATE_PARTITION,
                                      OSD_OP_READ,           OSD_OP_FLUSH_OSD,
                                      OSD_OP_FORMAT_OSD,     OSD_OP_PERFORM_SCSI_COMMAND};
    struct rig *rig = *state;
    pthread_t thread;

    rig_objects(rig);
    hold(rig);
    thread = begin_format(rig);
    for (BOTH(g)) {
        for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
            struct osd_cdb c = rig_cmd(ops[i], g, RIG_PID, RIG_OID);
            rig_run(rig, &c);
            expect_not_ready(rig);
            assert_true(rig->sense.has_object);
            assert_int_equal(rig->sense.completed, 0);
        }
    }
    assert_int_equal(end_format(thread), SAM_GOOD);
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, OSD_GEN2, RIG_PID, 0);
    rig_good(rig, &c);
}

static void test_interpreter_format__is_ended_by_task_management(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN1, 0, 0);
    struct rig *rig = *state;
    pthread_t thread;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    hold(rig);
    thread = begin_format(rig);
    c.tm_function = 0x02;
    rig_good(rig, &c);
    assert_int_equal(end_format(thread), SAM_CHECK_CONDITION);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, OSD_PAGE_U + OSD_PG_INFORMATION, 0x82),
                     3);
}

static void test_interpreter_format__identity_can_be_asked_for_meanwhile(void **state)
{
    struct osd_sense s;
    struct rig *rig = *state;
    pthread_t thread;

    hold(rig);
    thread = begin_format(rig);
    run_spc(rig, SPC_INQUIRY, 6);
    expect_good(rig);
    run_spc(rig, SPC_REPORT_LUNS, 12);
    expect_good(rig);
    run_spc(rig, SPC_MAINTENANCE_IN, 12);
    expect_good(rig);
    run_spc(rig, SPC_REQUEST_SENSE, 6);
    expect_good(rig);
    assert_int_equal(osd_sense_decode(rig->in, rig->r.in_len, &s), OSD_OK);
    assert_int_equal(s.key, SENSE_NOT_READY);
    assert_int_equal(s.asc, ASC_OPERATION);
    run_spc(rig, SPC_TEST_UNIT_READY, 6);
    expect_not_ready(rig);
    run_spc(rig, SPC_MODE_SENSE6, 6);
    expect_not_ready(rig);
    assert_int_equal(end_format(thread), SAM_GOOD);
    run_spc(rig, SPC_TEST_UNIT_READY, 6);
    expect_good(rig);
    run_spc(rig, SPC_REQUEST_SENSE, 6);
    assert_int_equal(osd_sense_decode(rig->in, rig->r.in_len, &s), OSD_OK);
    assert_int_equal(s.key, SENSE_NO_SENSE);
}

/* Ready again, and nothing is gone. */
static void test_interpreter_format__a_failed_one_leaves_the_device_ready(void **state)
{
    struct rig *rig = *state;
    pthread_t thread;

    rig_objects(rig);
    hold(rig);
    held.outcome = OSD_E_IO;
    thread = begin_format(rig);
    assert_int_equal(end_format(thread), SAM_CHECK_CONDITION);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, OSD_PAGE_U + 1, 2), RIG_OID);
}

/* A two-phase command that heard NOT READY is still there to be collected. */
static void test_interpreter_format__a_staged_command_is_kept(void **state)
{
    struct osd_twophase t = {.action = OSD_ACT_STAGE, .tag = "kept"};
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, OSD_GEN2, RIG_PID, 0);
    struct rig *rig = *state;
    uint8_t cdb[OSD_TWOPHASE_CDB_LEN];
    pthread_t thread;
    size_t len;

    assert_int_equal(osd_cdb_encode(&c, rig->out, &len), OSD_OK);
    t.length = (uint32_t)(rig->out_len = len);
    osd_twophase_encode(&t, cdb);
    rig_run_raw(rig, cdb, sizeof(cdb));
    expect_good(rig);
    rig->out_len = 0;
    hold(rig);
    thread = begin_format(rig);
    t = (struct osd_twophase){.action = OSD_ACT_COLLECT, .tag = "kept"};
    osd_twophase_encode(&t, cdb);
    rig_run_raw(rig, cdb, sizeof(cdb));
    expect_not_ready(rig);
    assert_int_equal(end_format(thread), SAM_GOOD);
    rig_run_raw(rig, cdb, sizeof(cdb));
    expect_good(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_format__osd_commands_are_not_ready_meanwhile),
        rig_test(test_interpreter_format__is_ended_by_task_management),
        rig_test(test_interpreter_format__identity_can_be_asked_for_meanwhile),
        rig_test(test_interpreter_format__a_failed_one_leaves_the_device_ready),
        rig_test(test_interpreter_format__a_staged_command_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
