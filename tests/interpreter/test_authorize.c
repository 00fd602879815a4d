/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_authorize.c - capability checks, each with its field pointer
 */
#include "rig.h"

#define ALL_PERMS 0xffff

/* A READ of 4 bytes with a good capability. */
static struct osd_cdb good_read(struct rig *rig, enum osd_gen g)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, g, RIG_PID, RIG_OID);

    c.length = 4;
    rig_cap(&c, OSD_TYPE_USER, OSD_PERM_READ);
    rig->out_len = 0;
    rig->in_len = 4;
    return c;
}

static void prepare(struct rig *rig)
{
    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abcd", 4);
    rig_collection(rig, RIG_PID, RIG_CID);
}

static void test_interpreter_authorize__each_field_has_its_pointer(void **state)
{
    struct rig *rig = *state;

    prepare(rig);
    for (BOTH(g)) {
        struct osd_cdb c = good_read(rig, g);
        rig_run(rig, &c);
        expect_good(rig);
        c.cap.format = 3;
        rig_run(rig, &c);
        expect_cdb(rig, 80);
        assert_int_equal(rig->sense.completed, 0);
        c = good_read(rig, g);
        c.cap.method = OSD_SEC_CMDRSP; /* without a key */
        rig_run(rig, &c);
        expect_cdb(rig, 82);
        c = good_read(rig, g);
        c.cap.expiration = RIG_NOW - 1;
        rig_run(rig, &c);
        expect_cdb(rig, 84);
        assert_int_equal(rig->sense.completed, OSD_FN_VALIDATION);
        c.cap.expiration = 0; /* what Linux sends */
        rig_run(rig, &c);
        expect_good(rig);
        c.cap.created = RIG_NOW + 1;
        rig_run(rig, &c);
        expect_cdb(rig, 122);
        c.cap.created = RIG_NOW;
        rig_run(rig, &c);
        expect_good(rig);
        c.cap.object_type = OSD_TYPE_PARTITION;
        rig_run(rig, &c);
        expect_cdb(rig, 128);
        c = good_read(rig, g);
        c.cap.permissions = ALL_PERMS & ~OSD_PERM_READ;
        rig_run(rig, &c);
        expect_cdb(rig, 129);
        c = good_read(rig, g);
        c.cap.descriptor = OSD_DESC_PAR;
        rig_run(rig, &c);
        expect_cdb(rig, 135);
        c = good_read(rig, g);
        c.cap.policy_tag = 5;
        rig_run(rig, &c);
        expect_cdb(rig, g == OSD_GEN1 ? 136 : 140);
        c = good_read(rig, g);
        c.cap.allowed_pid++;
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c = good_read(rig, g);
        c.cap.allowed_oid++;
        rig_run(rig, &c);
        expect_cdb(rig, 24);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(rig->in[i], 0);
    }
}

static void test_interpreter_authorize__policy_tag_of_object_and_partition(void **state)
{
    struct rig *rig = *state;

    prepare(rig);
    rig_set_u(rig, RIG_PID, RIG_OID, 5, 0x40000001, 7, 4);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 0x40000001, 8, 4);
    for (BOTH(g)) {
        struct osd_cdb c = good_read(rig, g);
        c.cap.policy_tag = 7;
        rig_run(rig, &c);
        expect_good(rig);
        c = rig_cmd(OSD_OP_LIST, g, RIG_PID, 0);
        c.length = 4;
        rig_cap(&c, OSD_TYPE_PARTITION, OSD_PERM_READ);
        c.cap.policy_tag = 8;
        rig_run(rig, &c);
        expect_good(rig);
        c.cap.policy_tag = 7;
        rig_run(rig, &c);
        expect_cdb(rig, g == OSD_GEN1 ? 136 : 140);
    }
}

static void test_interpreter_authorize__boot_epoch_and_range_of_osd2(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    uint16_t epoch;

    prepare(rig);
    epoch = (uint16_t)rig_get_u(rig, 0, 0, OSD_PAGE_R + 5, 0xa);
    c = good_read(rig, OSD_GEN2);
    c.cap.boot_epoch = epoch;
    rig_run(rig, &c);
    expect_good(rig);
    c.cap.boot_epoch++;
    rig_run(rig, &c);
    expect_cdb(rig, 144);
    c = good_read(rig, OSD_GEN2);
    c.start = 2;
    c.length = 2;
    c.cap.range_start = 2;
    c.cap.range_len = 2;
    rig_run(rig, &c);
    expect_good(rig);
    c.start = 1;
    rig_run(rig, &c);
    expect_cdb(rig, 40);
    c.start = 3;
    rig_run(rig, &c);
    expect_cdb(rig, 32);
    c.cap.range_len = UINT64_MAX; /* from the start on */
    c.start = 2;
    rig_run(rig, &c);
    expect_good(rig);
    c.op = OSD_OP_APPEND; /* at 4: outside of 0..3 */
    c.cap.permissions = OSD_PERM_APPEND;
    c.cap.range_start = 0;
    c.cap.range_len = 3;
    rig->out_len = 2;
    rig_run(rig, &c);
    expect_cdb(rig, 40);
}

/* Every extent of a scatter/gather list is held against the range. */
static void test_interpreter_authorize__scattering_does_not_leave_the_range(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;
    uint8_t *p = rig->out;

    prepare(rig);
    rig_cap(&c, OSD_TYPE_USER, OSD_PERM_WRITE);
    c.cap.range_len = 100;
    c.length = 8;
    c.cont_len = 80;
    memset(p, 0, 128);
    p[0] = 1;
    be16_put(p + 2, 0x8886);
    be16_put(p + 40, 1);
    be32_put(p + 44, 32);
    be64_put(p + 56, 4);
    be64_put(p + 64, 97);
    be64_put(p + 72, 4);
    rig->out_len = 88;
    rig_run(rig, &c);
    expect_cdb(rig, 32);
    be64_put(p + 64, 96);
    rig_run(rig, &c);
    expect_good(rig);
}

/* Needed permission of each command; one bit less is refused at byte 129. */
static const struct {
    enum osd_op op;
    uint8_t type;
    uint16_t perms;
    uint64_t pid, oid;
} table[] = {
    {OSD_OP_APPEND, OSD_TYPE_USER, OSD_PERM_APPEND, RIG_PID, RIG_OID},
    {OSD_OP_CLEAR, OSD_TYPE_USER, OSD_PERM_WRITE, RIG_PID, RIG_OID},
    {OSD_OP_PUNCH, OSD_TYPE_USER, OSD_PERM_WRITE, RIG_PID, RIG_OID},
    {OSD_OP_WRITE, OSD_TYPE_USER, OSD_PERM_WRITE, RIG_PID, RIG_OID},
    {OSD_OP_READ, OSD_TYPE_USER, OSD_PERM_READ, RIG_PID, RIG_OID},
    {OSD_OP_READ_MAP, OSD_TYPE_USER, OSD_PERM_READ, RIG_PID, RIG_OID},
    {OSD_OP_READ_MAP, OSD_TYPE_USER, OSD_PERM_DEV_MGMT, RIG_PID, RIG_OID},
    {OSD_OP_FLUSH, OSD_TYPE_USER, OSD_PERM_OBJ_MGMT, RIG_PID, RIG_OID},
    {OSD_OP_FLUSH_PARTITION, OSD_TYPE_PARTITION, OSD_PERM_OBJ_MGMT, RIG_PID, 0},
    {OSD_OP_FLUSH_OSD, OSD_TYPE_ROOT, OSD_PERM_OBJ_MGMT, 0, 0},
    {OSD_OP_LIST, OSD_TYPE_PARTITION, OSD_PERM_READ, RIG_PID, 0},
    {OSD_OP_LIST, OSD_TYPE_ROOT, OSD_PERM_READ, 0, 0},
    {OSD_OP_GET_ATTRIBUTES, OSD_TYPE_USER, OSD_PERM_GET_ATTR, RIG_PID, RIG_OID},
    {OSD_OP_GET_ATTRIBUTES, OSD_TYPE_PARTITION, OSD_PERM_GET_ATTR, RIG_PID, 0},
    {OSD_OP_GET_ATTRIBUTES, OSD_TYPE_ROOT, OSD_PERM_GET_ATTR, 0, 0},
    {OSD_OP_SET_ATTRIBUTES, OSD_TYPE_USER, OSD_PERM_SET_ATTR, RIG_PID, RIG_OID},
    {OSD_OP_CREATE, OSD_TYPE_USER, OSD_PERM_CREATE, RIG_PID, RIG_OID + 1},
    {OSD_OP_CREATE_AND_WRITE, OSD_TYPE_USER, OSD_PERM_CREATE | OSD_PERM_WRITE, RIG_PID,
     RIG_OID + 2},
    {OSD_OP_REMOVE, OSD_TYPE_USER, OSD_PERM_REMOVE, RIG_PID, RIG_OID},
    {OSD_OP_CREATE_PARTITION, OSD_TYPE_PARTITION, OSD_PERM_CREATE, RIG_PID + 1, 0},
    {OSD_OP_REMOVE_PARTITION, OSD_TYPE_PARTITION, OSD_PERM_REMOVE, RIG_PID + 1, 0},
    {OSD_OP_LIST_COLLECTION, OSD_TYPE_COLLECTION, OSD_PERM_READ, RIG_PID, RIG_CID},
    {OSD_OP_LIST_COLLECTION, OSD_TYPE_PARTITION, OSD_PERM_READ, RIG_PID, 0},
    {OSD_OP_FLUSH_COLLECTION, OSD_TYPE_COLLECTION, OSD_PERM_OBJ_MGMT, RIG_PID, RIG_CID},
    {OSD_OP_GET_ATTRIBUTES, OSD_TYPE_COLLECTION, OSD_PERM_GET_ATTR, RIG_PID, RIG_CID},
    {OSD_OP_SET_ATTRIBUTES, OSD_TYPE_COLLECTION, OSD_PERM_SET_ATTR, RIG_PID, RIG_CID},
    {OSD_OP_GET_MEMBER_ATTRIBUTES, OSD_TYPE_COLLECTION, OSD_PERM_GET_ATTR | OSD_PERM_M_OBJECT,
     RIG_PID, RIG_CID},
    {OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_TYPE_COLLECTION, OSD_PERM_SET_ATTR | OSD_PERM_M_OBJECT,
     RIG_PID, RIG_CID},
    {OSD_OP_REMOVE_MEMBER_OBJECTS, OSD_TYPE_COLLECTION, OSD_PERM_REMOVE | OSD_PERM_M_OBJECT,
     RIG_PID, RIG_CID},
    {OSD_OP_REMOVE_COLLECTION, OSD_TYPE_COLLECTION, OSD_PERM_REMOVE, RIG_PID, RIG_CID},
    {OSD_OP_CREATE_COLLECTION, OSD_TYPE_COLLECTION, OSD_PERM_CREATE, RIG_PID, RIG_CID + 1},
    {OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_TYPE_COLLECTION,
     OSD_PERM_CREATE | OSD_PERM_READ | OSD_PERM_WRITE, RIG_PID, RIG_CID + 2},
    {OSD_OP_FORMAT_OSD, OSD_TYPE_ROOT, OSD_PERM_OBJ_MGMT | OSD_PERM_GLOBAL, 0, 0},
};

static void test_interpreter_authorize__permissions_of_every_command(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        prepare(rig);
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
            struct osd_cdb c = rig_cmd(table[i].op, g, table[i].pid, table[i].oid);
            if (!osd_op_info(table[i].op)->action[g])
                continue;
            rig->out_len = rig->in_len = 0;
            for (uint16_t bit = 1; bit; bit = (uint16_t)(bit << 1)) {
                if (!(table[i].perms & bit))
                    continue;
                uint16_t less = (uint16_t)(ALL_PERMS & ~bit);
                if (table[i].op == OSD_OP_READ_MAP)
                    less &= ~(OSD_PERM_READ | OSD_PERM_DEV_MGMT);
                rig_cap(&c, table[i].type, less);
                rig_run(rig, &c);
                expect_cdb(rig, 129);
                assert_int_equal(rig->sense.completed, OSD_FN_VALIDATION);
            }
            rig_cap(&c, table[i].type, table[i].perms);
            rig_run(rig, &c);
            expect_good(rig);
        }
    }
}

static void test_interpreter_authorize__performing_needs_less_in_osd1(void **state)
{
    static const enum osd_op ops[] = {OSD_OP_PERFORM_SCSI_COMMAND,
                                      OSD_OP_PERFORM_TASK_MANAGEMENT};
    struct rig *rig = *state;

    for (size_t i = 0; i < 2; i++) {
        for (BOTH(g)) {
            struct osd_cdb c = rig_cmd(ops[i], g, 0, 0);
            c.tm_function = 0x82;
            rig->out_len = rig->in_len = 0;
            rig_cap(&c, OSD_TYPE_ROOT, (uint16_t)~OSD_PERM_DEV_MGMT);
            rig_run(rig, &c);
            expect_cdb(rig, 129);
            rig_cap(&c, OSD_TYPE_ROOT, OSD_PERM_DEV_MGMT);
            rig_run(rig, &c);
            if (g == OSD_GEN2)
                expect_cdb(rig, 129);
            else if (i == 0)
                expect_good(rig); /* TEST UNIT READY */
            rig_cap(&c, OSD_TYPE_ROOT, OSD_PERM_DEV_MGMT | OSD_PERM_GLOBAL);
            rig_run(rig, &c);
            if (g == OSD_GEN2)
                expect_good(rig);
        }
    }
}

static void test_interpreter_authorize__contents_of_a_partition_need_more(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, RIG_PID, 0);
    struct rig *rig = *state;

    prepare(rig);
    c.option = 1;
    rig_cap(&c, OSD_TYPE_PARTITION, OSD_PERM_REMOVE);
    rig_run(rig, &c);
    expect_cdb(rig, 129);
    rig_cap(&c, OSD_TYPE_PARTITION, OSD_PERM_REMOVE | OSD_PERM_GBL_REM);
    rig_run(rig, &c);
    expect_good(rig);
}

/* An old initiator puts the OSD-1 layout into OSD-2 CDBs. */
static void test_interpreter_authorize__format_1_in_an_osd2_cdb(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    prepare(rig);
    c = good_read(rig, OSD_GEN2);
    c.cap.format = 1;
    c.cap.expiration = 0;
    rig_run(rig, &c);
    expect_good(rig);
    c.cap.policy_tag = 9;
    rig_run(rig, &c);
    expect_cdb(rig, 136);
    c = good_read(rig, OSD_GEN1); /* but not the other way round */
    c.cap.format = 2;
    rig_run(rig, &c);
    expect_cdb(rig, 80);
}

/* ---- attributes ---- */

static void get_one(struct rig *rig, struct osd_cdb *c, uint32_t page, uint32_t number)
{
    struct osd_attr_id id = {page, number};

    rig->out_len = rig_get_list(rig, c->gen, 0, &id, 1);
    rig->in_len = 4096;
    c->attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                       .get_list_len = (uint32_t)rig->out_len,
                                       .get_alloc_len = 4096,
                                       .set_off = OSD_OFFSET_UNUSED};
    rig_run(rig, c);
}

static void test_interpreter_authorize__attributes_need_their_own_permissions(void **state)
{
    struct rig *rig = *state;

    prepare(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_FLUSH, g, RIG_PID, RIG_OID);
        rig_cap(&c, OSD_TYPE_USER, OSD_PERM_OBJ_MGMT);
        get_one(rig, &c, 1, 0x82);
        expect_cdb(rig, 129);
        assert_int_equal(rig->sense.completed, OSD_FN_VALIDATION | OSD_FN_CMD_CAP);
        assert_int_equal(rig->sense.not_initiated,
                         OSD_FN_ALL & ~rig->sense.completed & ~OSD_FN_GA_CAP);
        get_one(rig, &c, OSD_PAGE_CURRENT, 2); /* free for all */
        expect_good(rig);
        c.cap.permissions |= OSD_PERM_GET_ATTR;
        get_one(rig, &c, 1, 0x82);
        expect_good(rig);
        get_one(rig, &c, 5, 0x40000001);
        expect_cdb(rig, 129);
        c.cap.permissions |= OSD_PERM_POL_SEC;
        get_one(rig, &c, 5, 0x40000001);
        expect_good(rig);
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_PAGE,
                                          .set_page = 1,
                                          .set_number = 9,
                                          .set_len = 1,
                                          .retrieved_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_cdb(rig, 129);
        assert_int_equal(rig->sense.not_initiated & OSD_FN_SA_CAP, 0);
        c.cap.permissions |= OSD_PERM_SET_ATTR;
        rig_run(rig, &c);
        expect_good(rig);
        c.attr.get_page = 0x60; /* the null page */
        c.cap.permissions = OSD_PERM_OBJ_MGMT | OSD_PERM_SET_ATTR;
        c.attr.get_alloc_len = 8;
        c.attr.retrieved_off = 0;
        rig_run(rig, &c);
        expect_good(rig);
    }
}

static void test_interpreter_authorize__all_pages_hide_security(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;
    struct osd_attr_cursor cur;
    struct osd_wire_error err;
    struct osd_attr_entry e;

    prepare(rig);
    for (int allowed = 0; allowed < 2; allowed++) {
        bool seen = false;
        rig_cap(&c, OSD_TYPE_USER, OSD_PERM_GET_ATTR | (allowed ? OSD_PERM_POL_SEC : 0));
        get_one(rig, &c, OSD_PAGE_ALL, OSD_ATTR_ALL);
        expect_good(rig);
        struct osd_bytes list = {rig->in, rig->r.in_len};
        assert_int_equal(osd_attr_cursor_open(list, OSD_GEN2, OSD_LIST_SET, true, &cur, &err),
                         OSD_OK);
        while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK)
            seen = seen || e.id.page == 5;
        assert_int_equal(seen, allowed);
    }
}

/* R pages are the root's, P pages at (0,0) those of partition zero. */
static void test_interpreter_authorize__root_and_partition_zero(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, 0, 0);
        rig_cap(&c, OSD_TYPE_ROOT, ALL_PERMS);
        get_one(rig, &c, OSD_PAGE_R + 1, 9);
        expect_good(rig);
        get_one(rig, &c, OSD_PAGE_P + 5, 1);
        expect_cdb(rig, 128);
        rig_cap(&c, OSD_TYPE_PARTITION, ALL_PERMS);
        get_one(rig, &c, OSD_PAGE_P + 5, 1);
        expect_good(rig);
        get_one(rig, &c, OSD_PAGE_R + 1, 9);
        expect_cdb(rig, 128);
    }
}

static void test_interpreter_authorize__allowed_attributes_access(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;
    uint8_t list[16];

    prepare(rig);
    rig_cap(&c, OSD_TYPE_USER, ALL_PERMS);
    c.cap.allowed_attrs = 3;
    get_one(rig, &c, 1, 9); /* no list 3 yet: nothing is allowed */
    expect_cdb(rig, 136);
    be32_put(list, 1);
    be32_put(list + 4, 9);
    be32_put(list + 8, 3);
    be32_put(list + 12, OSD_ATTR_ALL);
    rig_set(rig, OSD_GEN2, RIG_PID, 0, OSD_PAGE_P + 4, 3, list, sizeof(list));
    expect_good(rig);
    get_one(rig, &c, 1, 9);
    expect_good(rig);
    get_one(rig, &c, 1, 0x82);
    expect_cdb(rig, 136);
    get_one(rig, &c, 3, 5);
    expect_good(rig);
    get_one(rig, &c, OSD_PAGE_ALL, OSD_ATTR_ALL);
    expect_cdb(rig, 136);
}

static void test_interpreter_authorize__creating_needs_no_known_id(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, g, RIG_PID + g, 0);
        rig_cap(&c, OSD_TYPE_PARTITION, OSD_PERM_CREATE);
        c.cap.created = 5; /* not compared when creating */
        rig_run(rig, &c);
        expect_good(rig);
        c = rig_cmd(OSD_OP_CREATE, g, RIG_PID + g, RIG_OID);
        rig_cap(&c, OSD_TYPE_USER, OSD_PERM_CREATE);
        c.cap.allowed_oid = 0;
        rig_run(rig, &c);
        expect_good(rig);
        c.oid++;
        c.cap.allowed_oid = RIG_OID;
        rig_run(rig, &c);
        expect_cdb(rig, 24);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_authorize__each_field_has_its_pointer),
        rig_test(test_interpreter_authorize__policy_tag_of_object_and_partition),
        rig_test(test_interpreter_authorize__boot_epoch_and_range_of_osd2),
        rig_test(test_interpreter_authorize__scattering_does_not_leave_the_range),
        rig_test(test_interpreter_authorize__permissions_of_every_command),
        rig_test(test_interpreter_authorize__performing_needs_less_in_osd1),
        rig_test(test_interpreter_authorize__contents_of_a_partition_need_more),
        rig_test(test_interpreter_authorize__format_1_in_an_osd2_cdb),
        rig_test(test_interpreter_authorize__attributes_need_their_own_permissions),
        rig_test(test_interpreter_authorize__all_pages_hide_security),
        rig_test(test_interpreter_authorize__root_and_partition_zero),
        rig_test(test_interpreter_authorize__allowed_attributes_access),
        rig_test(test_interpreter_authorize__creating_needs_no_known_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
