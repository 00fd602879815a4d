/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_duplicates.c - which partition is whose snapshot
 *
 * The rig's clock stands still, so that times tell nothing. What duplicates hold is tested by
 * tests/conform/snapshots.osd.
 */
#include "rig.h"

#define SNAPSHOT (RIG_PID + 1)

static void run_on(struct rig *rig, enum osd_op op, uint64_t pid, uint64_t source)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, pid, 0);

    c.start = source;
    rig->out_len = rig->in_len = 0;
    rig_run(rig, &c);
}

static void refresh(struct rig *rig)
{
    run_on(rig, OSD_OP_REFRESH_SNAPSHOT_OR_CLONE, SNAPSHOT, 0);
}

static void restore(struct rig *rig)
{
    run_on(rig, OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT, RIG_PID, SNAPSHOT);
}

static void remove_partition(struct rig *rig)
{
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, RIG_PID, 0);

    c.option = 1;
    rig->out_len = rig->in_len = 0;
    rig_good(rig, &c);
}

static void snapshot(struct rig *rig)
{
    rig_objects(rig);
    run_on(rig, OSD_OP_CREATE_SNAPSHOT, SNAPSHOT, RIG_PID);
    expect_good(rig);
}

static void test_interpreter_duplicates__a_partition_made_anew_is_another_one(void **state)
{
    struct rig *rig = *state;

    snapshot(rig);
    remove_partition(rig);
    rig_partition(rig, RIG_PID);
    refresh(rig);
    expect_cdb(rig, 40);
    restore(rig);
    expect_cdb(rig, 40);
    assert_int_equal(rig_get_u(rig, SNAPSHOT, 0, OSD_PAGE_P + OSD_PG_INFORMATION, 0xc1), 1);
}

static void test_interpreter_duplicates__one_that_is_made_again_is_the_same(void **state)
{
    struct rig *rig = *state;

    snapshot(rig);
    for (int i = 0; i < 3; i++) {
        restore(rig);
        expect_good(rig);
        refresh(rig);
        expect_good(rig);
    }
}

/* What security.md says of a restore, so that nobody believes otherwise: the partition's tag is its
 * own, those of its objects are the snapshot's. */
static void test_interpreter_duplicates__a_restore_brings_old_tags_of_objects_back(void **state)
{
    const uint32_t tag = 0x40000001;
    struct rig *rig = *state;

    snapshot(rig);
    rig_set_u(rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, tag, 7, 4);
    expect_good(rig);
    refresh(rig);
    expect_good(rig);
    rig_set_u(rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, tag, 8, 4);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + OSD_PG_SECURITY, tag, 8, 4);
    restore(rig);
    expect_good(rig);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + OSD_PG_SECURITY, tag), 8);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, tag), 7);
}

/* A command under a capability for a partition; the CDB byte that is refused, 0: good. */
static unsigned try_with(struct rig *rig, struct osd_cdb c, uint64_t allowed, unsigned perms,
                         uint32_t tag)
{
    rig_cap(&c, OSD_TYPE_PARTITION, (uint16_t)perms);
    c.cap.allowed_pid = allowed;
    c.cap.policy_tag = tag;
    rig->out_len = rig->in_len = 0;
    rig_run(rig, &c);
    if (rig->r.status == SAM_GOOD)
        return 0;
    assert_int_equal(rig->sense.asc, ASC_INVALID_FIELD_CDB);
    return rig->sense.field;
}

#define MAKE (OSD_PERM_CREATE | OSD_PERM_READ | OSD_PERM_WRITE)
#define FILL (OSD_PERM_READ | OSD_PERM_WRITE)

/* Would catch: somebody who may make partitions, and so gets a copy of any. */
static void test_interpreter_duplicates__each_is_made_by_right_of_its_source(void **state)
{
    static const struct {
        enum osd_op op;
        uint64_t pid, source, allowed;
        unsigned perms;
    } cases[] = {
        {OSD_OP_CREATE_SNAPSHOT, SNAPSHOT + 1, RIG_PID, RIG_PID, MAKE},
        {OSD_OP_CREATE_CLONE, SNAPSHOT + 2, RIG_PID, RIG_PID, MAKE},
        {OSD_OP_REFRESH_SNAPSHOT_OR_CLONE, SNAPSHOT, RIG_PID, SNAPSHOT, FILL},
        {OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT, RIG_PID, SNAPSHOT, RIG_PID, FILL},
    };
    struct rig *rig = *state;

    rig_objects(rig);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + OSD_PG_SECURITY, 0x40000001, 7, 4);
    run_on(rig, OSD_OP_CREATE_SNAPSHOT, SNAPSHOT, RIG_PID);
    expect_good(rig);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct osd_cdb c = rig_cmd(cases[i].op, OSD_GEN2, cases[i].pid, 0);
        uint64_t allowed = cases[i].allowed;
        unsigned perms = cases[i].perms;
        c.start = cases[i].source;
        assert_int_equal(try_with(rig, c, allowed + 9, perms, 7), perms == MAKE ? 40 : 16);
        assert_int_equal(try_with(rig, c, allowed, perms, 8), 140);
        for (unsigned bit = 1; bit <= perms; bit <<= 1)
            if (perms & bit)
                assert_int_equal(try_with(rig, c, allowed, perms & ~bit, 7), 129);
        assert_int_equal(try_with(rig, c, allowed, perms, 7), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_duplicates__a_partition_made_anew_is_another_one),
        rig_test(test_interpreter_duplicates__one_that_is_made_again_is_the_same),
        rig_test(test_interpreter_duplicates__a_restore_brings_old_tags_of_objects_back),
        rig_test(test_interpreter_duplicates__each_is_made_by_right_of_its_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
