/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_collections.c - collections, memberships, member commands
 */
#include "rig.h"

#define U4 OSD_PG_COLLECTIONS
#define C4 (OSD_PAGE_C + OSD_PG_COLLECTIONS)

static uint64_t created_id(struct rig *rig, struct osd_cdb *c)
{
    struct osd_current_command cc;

    c->attr.get_page = OSD_PAGE_CURRENT;
    c->attr.get_alloc_len = 100;
    c->attr.retrieved_off = 0;
    rig->in_len = 100;
    rig->out_len = 0;
    rig_run(rig, c);
    expect_good(rig);
    struct osd_bytes page = {rig->in, rig->r.in_len};
    assert_int_equal(osd_current_command_parse(page, c->gen, &cc), OSD_OK);
    assert_int_equal(cc.object_type, OSD_TYPE_COLLECTION);
    return cc.oid;
}

static void run(struct rig *rig, const struct osd_cdb *c)
{
    rig->out_len = rig->in_len = 0;
    rig_run(rig, c);
}

static void test_interpreter_collections__share_the_name_space_of_user_objects(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_COLLECTION, g, RIG_PID, RIG_OID);
        run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = 0xffff;
        run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = RIG_CID + g;
        run(rig, &c);
        expect_good(rig);
        run(rig, &c);
        expect_cdb(rig, 24);
        c.pid = RIG_PID + 1;
        run(rig, &c);
        expect_cdb(rig, 16);
        c.pid = 0;
        run(rig, &c);
        expect_cdb(rig, 16);
        c = rig_cmd(OSD_OP_CREATE, g, RIG_PID, RIG_CID + g);
        run(rig, &c);
        expect_cdb(rig, 24);
        c = rig_cmd(OSD_OP_CREATE_COLLECTION, g, RIG_PID, 0);
        uint64_t cid = created_id(rig, &c);
        assert_true(cid >= OSD_ID_FIRST);
        assert_int_equal(rig_get_u(rig, RIG_PID, cid, OSD_PAGE_C + 1, 2), cid);
        /* neither READ nor REMOVE take a collection for a user object */
        c = rig_cmd(OSD_OP_REMOVE, g, RIG_PID, cid);
        run(rig, &c);
        expect_cdb(rig, 24);
    }
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), 5);
}

static void test_interpreter_collections__count_against_the_object_quota(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10002, 1, 8);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_COLLECTION, g, RIG_PID, 0);
        run(rig, &c);
        expect_quota(rig, OSD_PAGE_P + 2, 0x10002);
    }
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_GEN2, RIG_PID, 0);
    run(rig, &c);
    expect_quota(rig, OSD_PAGE_P + 2, 0x10002);
}

static void test_interpreter_collections__have_information_and_times(void **state)
{
    struct rig *rig = *state;
    uint8_t raw[64];

    rig_partition(rig, RIG_PID);
    rig_collection(rig, RIG_PID, RIG_CID);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID, OSD_PAGE_C + 1, 1), RIG_PID);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID, OSD_PAGE_C + 1, 0xa), 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID, OSD_PAGE_C + 1, 0x81), 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID, OSD_PAGE_C + 3, 1), RIG_NOW);
    assert_int_equal(rig_get(rig, OSD_GEN1, RIG_PID, RIG_CID, OSD_PAGE_C + 1, 0xa, raw), -1);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_CID, C4, 1, raw), -1);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_CID, C4, 0, raw), 40);
    rig_set(rig, OSD_GEN1, RIG_PID, RIG_CID, OSD_PAGE_C + 1, 9, "friends", 7);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN1, RIG_PID, RIG_CID, OSD_PAGE_C + 1, 9, raw), 7);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_CID, OSD_PAGE_U + 0x10000, 9, "wrong", 5);
    expect_param(rig, 8);
    rig_tracking(rig, RIG_PID, RIG_CID + 1, 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID + 1, OSD_PAGE_C + 1, 0xa), 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID + 1, C4, 1), 100);
}

static void test_interpreter_collections__are_joined_by_attribute(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];
    uint8_t raw[64];

    rig_objects(rig);
    rig_object(rig, RIG_PID, RIG_OID + 1);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_collection(rig, RIG_PID, RIG_CID + 1);
    rig_join(rig, RIG_OID, 7, RIG_CID);
    rig_join(rig, RIG_OID, 0xffffff00, RIG_CID + 1);
    rig_join(rig, RIG_OID + 1, 7, RIG_CID);
    rig_join(rig, RIG_OID + 1, 7, RIG_CID); /* is so already */
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 2);
    assert_int_equal(ids[0], RIG_OID);
    assert_int_equal(ids[1], RIG_OID + 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, U4, 7), RIG_CID);
    rig_join(rig, RIG_OID + 1, 7, RIG_CID + 1); /* from one to the other */
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 1);
    assert_int_equal(rig_members(rig, RIG_CID + 1, ids, 8), 2);
    rig_set(rig, OSD_GEN1, RIG_PID, RIG_OID, U4, 7, "", 0);
    expect_good(rig);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, U4, 7, "", 0);
    expect_good(rig);
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 0);
    assert_int_equal(rig_get(rig, OSD_GEN1, RIG_PID, RIG_OID, U4, 7, raw), -1);
}

static void test_interpreter_collections__refuse_what_cannot_join(void **state)
{
    struct rig *rig = *state;
    const struct {
        uint32_t number;
        uint64_t cid;
        uint16_t len;
    } bad[] = {{1, RIG_CID + 5, 8}, /* does not exist */
               {1, RIG_OID + 1, 8}, /* a user object */
               {1, RIG_CID + 1, 8}, /* tracking: filled by commands */
               {2, RIG_CID, 8},     /* joined under another number */
               {1, RIG_CID, 7},     {0xffffff01, RIG_CID + 2, 8},
               {0, RIG_CID + 2, 8}, {0xffffffff, RIG_CID, 8}};

    rig_objects(rig);
    rig_object(rig, RIG_PID, RIG_OID + 1);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_collection(rig, RIG_PID, RIG_CID + 2);
    rig_tracking(rig, RIG_PID, RIG_CID + 1, 0);
    rig_join(rig, RIG_OID, 1, RIG_CID);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rig_set_u(rig, RIG_PID, RIG_OID, U4, bad[i].number, bad[i].cid, bad[i].len);
        expect_param(rig, 8);
    }
    /* page format points at the value, the number, the length */
    struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, OSD_GEN1, RIG_PID, RIG_OID);
    c.attr.set_page = U4;
    c.attr.set_number = 3;
    c.attr.set_len = 8;
    c.attr.set_off = 0;
    memset(rig->out, 0, 8);
    rig->out_len = 8;
    rig->in_len = 0;
    rig_run(rig, &c);
    expect_cdb(rig, 76);
}

static void test_interpreter_collections__memberships_have_a_quota(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (uint64_t i = 0; i < 3; i++)
        rig_collection(rig, RIG_PID, RIG_CID + i);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10081, 2, 4);
    rig_join(rig, RIG_OID, 1, RIG_CID);
    rig_join(rig, RIG_OID, 2, RIG_CID + 1);
    rig_set_u(rig, RIG_PID, RIG_OID, U4, 3, RIG_CID + 2, 8);
    expect_quota(rig, OSD_PAGE_P + 2, 0x10081);
    rig_join(rig, RIG_OID, 2, RIG_CID + 2); /* instead of the other */
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10081, 0, 4);
    rig_set_u(rig, RIG_PID, RIG_OID, U4, 3, RIG_CID + 1, 8);
    expect_quota(rig, OSD_PAGE_P + 2, 0x10081);
}

static void test_interpreter_collections__page_format_lists_the_ids(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_collection(rig, RIG_PID, RIG_CID + 1);
    rig_join(rig, RIG_OID, 9, RIG_CID);
    rig_join(rig, RIG_OID, 4, RIG_CID + 1);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, RIG_PID, RIG_OID);
        c.attr.get_page = U4;
        c.attr.get_alloc_len = 100;
        c.attr.retrieved_off = 0;
        rig->out_len = 0;
        rig->in_len = 100;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, 24);
        assert_int_equal(be32_get(rig->in), U4);
        assert_int_equal(be32_get(rig->in + 4), 16);
        assert_int_equal(be64_get(rig->in + 8), RIG_CID + 1);
        assert_int_equal(be64_get(rig->in + 16), RIG_CID);
    }
}

static void test_interpreter_collections__objects_can_be_created_into_one(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];
    uint8_t cid[8];

    rig_partition(rig, RIG_PID);
    rig_collection(rig, RIG_PID, RIG_CID);
    be64_put(cid, RIG_CID);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE, g, RIG_PID, 0);
        c.count = 3;
        rig->out_len = rig_set_list(rig, g, 0, (struct osd_attr_id){U4, 1}, cid, 8);
        rig->in_len = 0;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_off = OSD_OFFSET_UNUSED,
                                          .retrieved_off = OSD_OFFSET_UNUSED,
                                          .set_len = (uint32_t)rig->out_len};
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 3 * (size_t)g);
    }
}

static void test_interpreter_collections__removal_needs_force_while_there_are_members(
    void **state)
{
    struct rig *rig = *state;
    uint8_t raw[64];

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_COLLECTION, g, RIG_PID, RIG_CID);
        run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = RIG_OID;
        run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = RIG_CID;
        c.pid++;
        run(rig, &c);
        expect_cdb(rig, 16);
        c.pid--;
        rig_collection(rig, RIG_PID, RIG_CID);
        rig_join(rig, RIG_OID, 5, RIG_CID);
        run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_NOT_EMPTY);
        c.option = 1;
        run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig_get(rig, g, RIG_PID, RIG_OID, U4, 5, raw), -1);
        rig_collection(rig, RIG_PID, RIG_CID);
        c.option = 0;
        run(rig, &c);
        expect_good(rig);
        /* a partition with nothing but a collection is not empty */
        rig_partition(rig, RIG_PID + 7);
        rig_collection(rig, RIG_PID + 7, RIG_CID);
        c = rig_cmd(OSD_OP_REMOVE_PARTITION, g, RIG_PID + 7, 0);
        run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_NOT_EMPTY);
        c = rig_cmd(OSD_OP_REMOVE_COLLECTION, g, RIG_PID + 7, RIG_CID);
        rig_good(rig, &c);
        c = rig_cmd(OSD_OP_REMOVE_PARTITION, g, RIG_PID + 7, 0);
        rig_good(rig, &c);
    }
}

static void test_interpreter_collections__a_removed_object_leaves(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];

    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_join(rig, RIG_OID, 5, RIG_CID);
    rig->now += 50;
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE, OSD_GEN1, RIG_PID, RIG_OID);
    rig_good(rig, &c);
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID, OSD_PAGE_C + 3, 5), RIG_NOW + 50);
}

/* ---- LIST COLLECTION ---- */

static void list(struct rig *rig, enum osd_gen g, uint64_t cid, uint64_t len,
                 struct osd_list_head *ret)
{
    struct osd_cdb c = rig_cmd(OSD_OP_LIST_COLLECTION, g, RIG_PID, cid);

    c.length = rig->in_len = len;
    c.start = ret->continuation;
    c.list_id = ret->list_id;
    rig->out_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(osd_list_head_decode((struct osd_bytes){rig->in, rig->r.in_len}, g, ret),
                     OSD_OK);
}

static void test_interpreter_collections__are_listed_and_list_their_members(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (uint64_t i = 0; i < 3; i++) {
        rig_collection(rig, RIG_PID, RIG_CID + i);
        rig_object(rig, RIG_PID, RIG_OID + 1 + i);
        rig_join(rig, RIG_OID + 1 + i, 1, RIG_CID);
    }
    for (BOTH(g)) {
        struct osd_list_head h = {0};
        list(rig, g, 0, 24 + 16, &h);
        assert_int_equal(h.additional_len, 16 + 24);
        assert_int_equal(h.continuation, RIG_CID + 2);
        assert_int_equal(rig->in[23], g == OSD_GEN1 ? 1 : 0x11 << 2);
        assert_int_equal(be64_get(rig->in + 24), RIG_CID);
        list(rig, g, 0, 24 + 16, &h);
        assert_int_equal(h.continuation, 0);
        assert_int_equal(be64_get(rig->in + 24), RIG_CID + 2);
        h = (struct osd_list_head){0};
        list(rig, g, RIG_CID, 24 + 8 + 7, &h);
        assert_int_equal(h.additional_len, 16 + 24);
        assert_int_equal(h.continuation, RIG_OID + 2);
        assert_int_equal(rig->in[23], g == OSD_GEN1 ? 0 : 0x21 << 2);
        assert_int_equal(be64_get(rig->in + 24), RIG_OID + 1);
        assert_false(h.changed);
        rig->now += 5;
        rig_join(rig, RIG_OID, 1, RIG_CID);
        list(rig, g, RIG_CID, 24 + 8, &h);
        assert_true(h.changed);
        rig_set(rig, g, RIG_PID, RIG_OID, U4, 1, "", 0);
        expect_good(rig);
        struct osd_cdb c = rig_cmd(OSD_OP_LIST_COLLECTION, g, RIG_PID, RIG_OID);
        run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = RIG_CID + 9;
        run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = 0;
        c.pid = 0;
        run(rig, &c);
        expect_cdb(rig, 16);
        c.pid = RIG_PID;
        c.oid = RIG_CID;
        c.list_id = 77;
        c.length = rig->in_len = 100;
        rig_run(rig, &c);
        expect_cdb(rig, g == OSD_GEN1 ? 32 : 48);
    }
}

static void test_interpreter_collections__are_listed_with_attributes(void **state)
{
    struct osd_attr_id want = {OSD_PAGE_C + 1, 2};
    struct rig *rig = *state;
    struct osd_list_entry e;
    struct osd_list_head h;
    size_t at = 24;

    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    struct osd_cdb c = rig_cmd(OSD_OP_LIST_COLLECTION, OSD_GEN2, RIG_PID, 0);
    c.list_attr = true;
    c.length = rig->in_len = 1000;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .retrieved_off = OSD_OFFSET_UNUSED,
                                      .set_off = OSD_OFFSET_UNUSED};
    c.attr.get_list_len = (uint32_t)(rig->out_len = rig_get_list(rig, OSD_GEN2, 0, &want, 1));
    rig_run(rig, &c);
    expect_good(rig);
    struct osd_bytes data = {rig->in, rig->r.in_len};
    assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
    assert_int_equal(osd_list_entry_next(data, &h, &at, &e), OSD_OK);
    assert_int_equal(e.id, RIG_CID);
    assert_int_equal(e.object_type, OSD_TYPE_COLLECTION);
    assert_int_equal(be64_get(e.attrs.data + 16), RIG_CID);
    rig_cap(&c, OSD_TYPE_PARTITION, OSD_PERM_READ | OSD_PERM_GET_ATTR);
    rig_run(rig, &c);
    expect_cdb(rig, 129);
    c.cap.permissions |= OSD_PERM_M_OBJECT;
    rig_run(rig, &c);
    expect_good(rig);
}

static void test_interpreter_collections__flush_scopes(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_FLUSH_COLLECTION, g, RIG_PID, RIG_CID);
        for (c.option = 0; c.option < 3; c.option++)
            rig_good(rig, &c);
        run(rig, &c);
        expect_cdb(rig, g == OSD_GEN1 ? 10 : 11);
        c.option = 0;
        c.oid = RIG_OID;
        run(rig, &c);
        expect_cdb(rig, 24);
    }
}

/* ---- tracking collections and member commands ---- */

static void three_members(struct rig *rig)
{
    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (uint64_t i = 0; i < 3; i++) {
        rig_object(rig, RIG_PID, RIG_OID + 1 + i);
        rig_join(rig, RIG_OID + 1 + i, 1, RIG_CID);
    }
}

static void test_interpreter_collections__tracking_ones_copy_their_source(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_GEN2, RIG_PID, 0);

    three_members(rig);
    c.start = RIG_CID;
    uint64_t cid = created_id(rig, &c);
    assert_int_equal(rig_members(rig, cid, ids, 8), 3);
    rig_tracking(rig, RIG_PID, RIG_CID + 1, cid); /* a tracking source */
    assert_int_equal(rig_members(rig, RIG_CID + 1, ids, 8), 3);
    assert_int_equal(rig_members(rig, 0, ids, 8), 3);
    c = rig_cmd(OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_GEN2, RIG_PID, 0);
    c.start = RIG_OID;
    run(rig, &c);
    expect_cdb(rig, 40);
    c.start = RIG_CID + 5;
    run(rig, &c);
    expect_cdb(rig, 40);
    c.start = 0;
    c.oid = RIG_CID;
    run(rig, &c);
    expect_cdb(rig, 24);
    /* members of a tracking collection have no attribute for it; removal leaves them alone */
    c = rig_cmd(OSD_OP_REMOVE_COLLECTION, OSD_GEN2, RIG_PID, cid);
    run(rig, &c);
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_NOT_EMPTY);
    c.option = 1;
    rig_good(rig, &c);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID + 1, U4, 1), RIG_CID);
}

static void member_lists(struct rig *rig, struct osd_cdb *c, struct osd_attr_id want,
                         struct osd_attr_id set)
{
    c->attr = (struct osd_attr_params){
        .format = OSD_ATTR_LIST, .get_list_off = 256, .get_alloc_len = 1000, .set_off = 512};
    c->attr.get_list_len = (uint32_t)rig_get_list(rig, OSD_GEN2, 256, &want, 1);
    c->attr.set_len = (uint32_t)rig_set_list(rig, OSD_GEN2, 512, set, "new", 3);
    rig->out_len = 1024;
    rig->in_len = 1000;
}

/* The retrieved list: all three members with a value of this length. */
static void expect_three(struct rig *rig, uint16_t len)
{
    struct osd_attr_cursor cur;
    struct osd_wire_error err;
    struct osd_attr_entry e;

    expect_good(rig);
    struct osd_bytes data = {rig->in, rig->r.in_len};
    assert_int_equal(osd_attr_cursor_open(data, OSD_GEN2, OSD_LIST_MULTI_V2, true, &cur, &err),
                     OSD_OK);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_OK);
        assert_int_equal(e.oid, RIG_OID + 1 + i);
        assert_int_equal(e.len, len);
    }
    assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_E_NOT_FOUND);
}

static void test_interpreter_collections__attributes_of_all_members(void **state)
{
    struct osd_attr_id mine = {OSD_PAGE_U + 0x10000, 1}, size = {OSD_PAGE_U + 1, 0x82};
    struct rig *rig = *state;
    uint8_t raw[64];

    three_members(rig);
    rig->now += 9;
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_CID);
    member_lists(rig, &c, mine, mine);
    rig_run(rig, &c);
    expect_three(rig, 3); /* set first */
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID + 2, mine.page, 1, raw), 3);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, mine.page, 1, raw), 0 - 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID + 2, 3, 3), RIG_NOW + 9);
    c.op = OSD_OP_GET_MEMBER_ATTRIBUTES;
    member_lists(rig, &c, size, mine);
    rig_run(rig, &c);
    expect_three(rig, 8);
    member_lists(rig, &c, (struct osd_attr_id){mine.page, 2},
                 (struct osd_attr_id){mine.page, 2});
    rig_run(rig, &c);
    expect_three(rig, 0); /* got first: undefined still */
    /* attributes are those of user objects */
    member_lists(rig, &c, (struct osd_attr_id){OSD_PAGE_C + 1, 2}, mine);
    rig_run(rig, &c);
    expect_param(rig, 256 + 8);
    member_lists(rig, &c, size, (struct osd_attr_id){OSD_PAGE_C + 0x10000, 2});
    rig_run(rig, &c);
    expect_param(rig, 512 + 8);
}

static void test_interpreter_collections__member_attributes_without_lists(void **state)
{
    struct rig *rig = *state;
    uint8_t raw[64];

    three_members(rig);
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_CID);
    c.attr.set_page = OSD_PAGE_U + 0x10000;
    c.attr.set_number = 4;
    c.attr.set_len = 3;
    c.attr.set_off = 0;
    memcpy(rig->out, "abc", 3);
    rig->out_len = 3;
    rig->in_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID + 3, 0x10000, 4, raw), 3);
    c.attr.set_page = 0;
    c.attr.get_page = OSD_PG_TIMESTAMPS; /* of which member? */
    c.attr.get_alloc_len = 100;
    c.attr.retrieved_off = 0;
    rig->in_len = 100;
    rig_run(rig, &c);
    expect_cdb(rig, 52);
    c.op = OSD_OP_GET_MEMBER_ATTRIBUTES;
    rig_run(rig, &c);
    expect_cdb(rig, 52);
    c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_CID);
    c.attr = (struct osd_attr_params){
        .format = OSD_ATTR_CDB, .set_page = 0x10000, .set_number = 5, .set_len = 2};
    memcpy(c.attr.value, "ab", 2);
    run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID + 1, 0x10000, 5, raw), 2);
    c.oid = RIG_OID;
    run(rig, &c);
    expect_cdb(rig, 24);
}

/* One member whose quota stops it stops all. */
static void test_interpreter_collections__member_attributes_are_all_or_nothing(void **state)
{
    struct rig *rig = *state;

    three_members(rig);
    rig_set_u(rig, RIG_PID, RIG_OID + 3, OSD_PAGE_U + 2, 1, 10, 8);
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_CID);
    c.attr = (struct osd_attr_params){
        .format = OSD_ATTR_CDB, .set_page = 1, .set_number = 0x82, .set_len = 8};
    c.attr.value[7] = 11;
    run(rig, &c);
    expect_quota(rig, OSD_PAGE_U + 2, 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID + 1, 1, 0x82), 0);
    c.attr.value[7] = 10;
    run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID + 1, 1, 0x82), 10);
}

/* Members may be sent elsewhere while the command walks over them. */
static void test_interpreter_collections__members_can_leave_by_command(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];

    three_members(rig);
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_CID);
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB, .set_page = U4, .set_number = 1};
    run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 0);
}

static void test_interpreter_collections__members_are_removed_at_once(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];

    three_members(rig);
    rig_tracking(rig, RIG_PID, RIG_CID + 1, RIG_CID);
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_MEMBER_OBJECTS, OSD_GEN2, RIG_PID, RIG_CID + 1);
    c.immed_tr = true;
    rig_good(rig, &c);
    osd_device_settle(rig->dev);
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 0);
    assert_int_equal(rig_members(rig, RIG_CID + 1, ids, 8), 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), 3);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID + 1, C4, 0x11), 3);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID + 1, C4, 1), 100);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_CID + 1, C4, 2), 0);
    c.oid = RIG_OID;
    run(rig, &c);
    expect_cdb(rig, 24);
}

/* A repeated creation answers with the collection it made the first time. */
static void test_interpreter_collections__are_created_once(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[8];

    rig_partition(rig, RIG_PID);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_COLLECTION, g, RIG_PID, 0);
        c.sec.nonce[5] = (uint8_t)g;
        assert_int_equal(created_id(rig, &c), created_id(rig, &c));
    }
    assert_int_equal(rig_members(rig, 0, ids, 8), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_collections__share_the_name_space_of_user_objects),
        rig_test(test_interpreter_collections__count_against_the_object_quota),
        rig_test(test_interpreter_collections__have_information_and_times),
        rig_test(test_interpreter_collections__are_joined_by_attribute),
        rig_test(test_interpreter_collections__refuse_what_cannot_join),
        rig_test(test_interpreter_collections__memberships_have_a_quota),
        rig_test(test_interpreter_collections__page_format_lists_the_ids),
        rig_test(test_interpreter_collections__objects_can_be_created_into_one),
        rig_test(test_interpreter_collections__removal_needs_force_while_there_are_members),
        rig_test(test_interpreter_collections__a_removed_object_leaves),
        rig_test(test_interpreter_collections__are_listed_and_list_their_members),
        rig_test(test_interpreter_collections__are_listed_with_attributes),
        rig_test(test_interpreter_collections__flush_scopes),
        rig_test(test_interpreter_collections__tracking_ones_copy_their_source),
        rig_test(test_interpreter_collections__attributes_of_all_members),
        rig_test(test_interpreter_collections__member_attributes_without_lists),
        rig_test(test_interpreter_collections__member_attributes_are_all_or_nothing),
        rig_test(test_interpreter_collections__members_can_leave_by_command),
        rig_test(test_interpreter_collections__members_are_removed_at_once),
        rig_test(test_interpreter_collections__are_created_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
