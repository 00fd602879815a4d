/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_objects.c - CREATE, REMOVE, partitions, FORMAT OSD, LIST, quotas
 */
#include "rig.h"

static void get_current(struct rig *rig, struct osd_cdb *c, struct osd_current_command *ret)
{
    c->attr.get_page = OSD_PAGE_CURRENT;
    c->attr.get_alloc_len = 100;
    c->attr.retrieved_off = 0;
    rig->in_len = 100;
    rig_run(rig, c);
    expect_good(rig);
    struct osd_bytes page = {rig->in, rig->r.in_len};
    assert_int_equal(osd_current_command_parse(page, c->gen, ret), OSD_OK);
}

static void test_interpreter_objects__the_device_chooses_ids(void **state)
{
    struct osd_current_command cc;
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, g, 0, 0);
        get_current(rig, &c, &cc);
        assert_true(cc.pid >= OSD_ID_FIRST);
        assert_int_equal(cc.oid, 0);
        assert_int_equal(cc.object_type, OSD_TYPE_PARTITION);
        c = rig_cmd(OSD_OP_CREATE, g, cc.pid, 0);
        get_current(rig, &c, &cc);
        assert_true(cc.oid >= OSD_ID_FIRST);
        assert_int_equal(cc.object_type, OSD_TYPE_USER);
    }
}

static void test_interpreter_objects__ids_are_taken_once(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE, g, RIG_PID, RIG_OID);
        rig_run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = 0xffff;
        rig_run(rig, &c);
        expect_cdb(rig, 24);
        c.oid = RIG_OID + 10 * g;
        c.count = 2; /* several with one requested id */
        rig_run(rig, &c);
        expect_cdb(rig, 24);
        c.count = 1;
        rig_run(rig, &c);
        expect_good(rig);
        c.pid = RIG_PID + 1;
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c = rig_cmd(OSD_OP_CREATE_PARTITION, g, RIG_PID, 0);
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c.pid = 0x5000;
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c = rig_cmd(OSD_OP_CREATE, g, 0, 0);
        rig_run(rig, &c);
        expect_cdb(rig, 16);
    }
}

static void test_interpreter_objects__several_at_once_have_consecutive_ids(void **state)
{
    struct rig *rig = *state;
    struct osd_attr_id want = {OSD_PG_INFORMATION, 2};

    rig_objects(rig);
    rig_object(rig, RIG_PID, 0x10002); /* in the way of the first run */
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE, g, RIG_PID, 0);
        struct osd_attr_cursor cur;
        struct osd_attr_entry e;
        struct osd_wire_error err;
        uint64_t first = 0;
        c.count = 5;
        rig->out_len = rig_get_list(rig, g, 0, &want, 1);
        rig->in_len = 4096;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 4096,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        struct osd_bytes list = {rig->in, rig->r.in_len};
        assert_int_equal(
            osd_attr_cursor_open(list, g, g == OSD_GEN1 ? OSD_LIST_MULTI_V1 : OSD_LIST_MULTI_V2,
                                 true, &cur, &err),
            OSD_OK);
        for (uint64_t i = 0; i < 5; i++) {
            assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_OK);
            first = i == 0 ? e.oid : first;
            assert_int_equal(e.oid, first + i);
            assert_int_equal(be64_get(e.value.data), e.oid);
        }
        assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_E_NOT_FOUND);
        /* Only the current command page can be got in page format; it shows the highest id. */
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_PAGE,
                                          .get_page = OSD_PG_QUOTAS,
                                          .get_alloc_len = 64,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig->out_len = 0;
        rig_run(rig, &c);
        expect_cdb(rig, 52);
        c.attr.get_page = OSD_PAGE_CURRENT;
        c.attr.get_alloc_len = 100;
        rig_run(rig, &c);
        expect_good(rig);
    }
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), 2 + 20);
}

static void test_interpreter_objects__create_and_write(void **state)
{
    struct rig *rig = *state;

    rig_partition(rig, RIG_PID);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_AND_WRITE, g, RIG_PID, RIG_OID + g);
        c.length = 4;
        c.start = 10;
        memcpy(rig->out, "data", 4);
        rig->out_len = 4;
        rig->in_len = 0;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID + g, 1, 0x82), 14);
        rig->out_len = 4;
        rig->in_len = 0;
        rig_run(rig, &c);
        expect_cdb(rig, 24);
        c.oid += 10; /* fails as a whole */
        c.start = UINT64_MAX - 2;
        rig_run(rig, &c);
        expect_quota(rig, OSD_PG_QUOTAS, 1);
        c = rig_cmd(OSD_OP_REMOVE, g, RIG_PID, RIG_OID + g + 10);
        rig_run(rig, &c);
        expect_cdb(rig, 24);
    }
}

static void test_interpreter_objects__removal(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_PARTITION, g, RIG_PID, 0);
        rig_objects(rig);
        rig_run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_NOT_EMPTY);
        c = rig_cmd(OSD_OP_REMOVE, g, RIG_PID, RIG_OID);
        rig_good(rig, &c);
        rig_run(rig, &c);
        expect_cdb(rig, 24);
        c = rig_cmd(OSD_OP_REMOVE_PARTITION, g, RIG_PID, 0);
        rig_good(rig, &c);
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c.pid = 0;
        rig_run(rig, &c);
        expect_cdb(rig, 16);
    }
    rig_objects(rig);
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, RIG_PID, 0);
    c.option = 2;
    rig_run(rig, &c);
    expect_cdb(rig, 11);
    c.option = 1;
    rig_good(rig, &c);
    rig_partition(rig, RIG_PID);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), 0);
}

/* The attributes of what is removed can still be had with the removal. */
static void test_interpreter_objects__remove_gets_before_it_removes(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE, OSD_GEN2, RIG_PID, RIG_OID);
    struct osd_attr_id want = {OSD_PG_INFORMATION, 0x82};

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    rig->out_len = rig_get_list(rig, OSD_GEN2, 0, &want, 1);
    rig->in_len = 64;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)rig->out_len,
                                      .get_alloc_len = 64,
                                      .set_off = OSD_OFFSET_UNUSED};
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(be64_get(rig->in + 24), 3);
}

static void test_interpreter_objects__format_forgets_everything(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_FORMAT_OSD, g, 0, 0);
        uint8_t name[64];
        rig_objects(rig);
        rig_set(rig, g, 0, 0, OSD_PAGE_R + 1, 9, "mine", 4);
        expect_good(rig);
        c.length = 1 << 30;
        rig_good(rig, &c);
        assert_int_equal(rig_get_u(rig, 0, 0, OSD_PAGE_R + 1, 0xc0), 0);
        assert_int_equal(rig_get_u(rig, 0, 0, OSD_PAGE_R + 1, 0x80), 1 << 30);
        assert_int_equal(rig_get(rig, g, 0, 0, OSD_PAGE_R + 1, 9, name), 5);
        assert_memory_equal(name, "liosd", 5);
    }
}

static void test_interpreter_objects__format_tells_its_own_capacity(void **state)
{
    const struct osd_attr_id want = {OSD_PAGE_R + 1, 0x80};
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_FORMAT_OSD, g, 0, 0);
        c.length = 1 << 26;
        rig->out_len = rig_get_list(rig, g, 0, &want, 1);
        rig->in_len = 64;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 64,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(be64_get(rig->in + (g == OSD_GEN1 ? 14 : 24)), 1 << 26);
    }
}

static void test_interpreter_objects__format_larger_than_the_device(void **state)
{
    struct rig small = {0};

    (void)state;
    rig_open_on(&small, rig_store(&small, 1 << 20));
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_FORMAT_OSD, g, 0, 0);
        c.length = (1 << 20) + 1;
        rig_run(&small, &c);
        expect_cdb(&small, g == OSD_GEN1 ? 36 : 32);
        c.length = 1 << 16;
        rig_good(&small, &c);
        c.length = 0; /* back to the most there is */
        rig_good(&small, &c);
        assert_int_equal(rig_get_u(&small, 0, 0, OSD_PAGE_R + 1, 0x80), 1 << 20);
    }
    rig_close(&small);
}

/* ---- LIST ---- */

static struct osd_list_head list(struct rig *rig, enum osd_gen g, uint64_t pid, uint64_t from,
                                 uint32_t id, size_t room)
{
    struct osd_cdb c = rig_cmd(OSD_OP_LIST, g, pid, 0);
    struct osd_list_head h = {0};

    c.start = from;
    c.list_id = id;
    c.length = room;
    rig->out_len = 0;
    rig->in_len = room;
    rig_run(rig, &c);
    expect_good(rig);
    struct osd_bytes data = {rig->in, rig->r.in_len};
    assert_int_equal(osd_list_head_decode(data, g, &h), OSD_OK);
    return h;
}

static void test_interpreter_objects__list_in_pages(void **state)
{
    struct rig *rig = *state;

    rig_partition(rig, RIG_PID);
    for (uint64_t i = 0; i < 20; i++)
        rig_object(rig, RIG_PID, OSD_ID_FIRST + 2 * i);
    for (BOTH(g)) {
        uint64_t from = 0, seen = 0;
        uint32_t id = 0;
        do {
            struct osd_list_head h = list(rig, g, RIG_PID, from, id, 24 + 7 * 8 + 5);
            assert_int_equal(h.additional_len, 16 + 8 * (20 - seen));
            assert_false(h.changed);
            for (size_t at = 24; at + 8 <= rig->r.in_len; at += 8)
                assert_int_equal(be64_get(rig->in + at), OSD_ID_FIRST + 2 * seen++);
            from = h.continuation;
            id = h.list_id;
            assert_int_equal(id != 0, from != 0);
        } while (from);
        assert_int_equal(seen, 20);
    }
}

/* One page from an object on, of n whose ids follow each other. */
static void expect_page(struct rig *rig, enum osd_gen g, uint64_t n, uint64_t first,
                        size_t room)
{
    struct osd_list_head h = list(rig, g, RIG_PID, OSD_ID_FIRST + first, 0, 24 + 8 * room);
    uint64_t fits = n - first < room ? n - first : room;

    assert_int_equal(rig->r.in_len, 24 + 8 * fits);
    for (uint64_t i = 0; i < fits; i++)
        assert_int_equal(be64_get(rig->in + 24 + 8 * i), OSD_ID_FIRST + first + i);
    assert_int_equal(h.continuation, fits < n - first ? OSD_ID_FIRST + first + fits : 0);
    if (n - first - fits < 256)
        assert_int_equal(h.additional_len, 16 + 8 * (n - first));
    else
        assert_in_range(h.additional_len, 16 + 8 * (n - first), 16 + 8 * n);
}

static void test_interpreter_objects__pages_of_many_are_whole_and_announce_enough(void **state)
{
    static const size_t rooms[] = {0, 1, 8, 743, 744, 745, 999, 1000, 1001, 4000};
    static const uint64_t firsts[] = {0, 1, 700, 743, 744, 745, 999};
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, 0);
    struct rig *rig = *state;

    rig_partition(rig, RIG_PID);
    c.count = 1000;
    rig_good(rig, &c);
    for (BOTH(g))
        for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
            for (size_t k = 0; k < sizeof(firsts) / sizeof(firsts[0]); k++)
                expect_page(rig, g, 1000, firsts[k], rooms[i]);
}

static void test_interpreter_objects__list_tells_of_changes(void **state)
{
    struct rig *rig = *state;

    rig_partition(rig, RIG_PID);
    for (uint64_t i = 0; i < 4; i++)
        rig_object(rig, RIG_PID, OSD_ID_FIRST + i);
    for (BOTH(g)) {
        struct osd_list_head h = list(rig, g, RIG_PID, 0, 0, 24 + 16);
        uint32_t id = h.list_id;
        assert_int_equal(h.continuation, OSD_ID_FIRST + 2);
        rig_object(rig, RIG_PID, OSD_ID_FIRST + 100 + g);
        h = list(rig, g, RIG_PID, h.continuation, id, 24 + 8);
        assert_true(h.changed);
        assert_int_equal(h.list_id, id);
        struct osd_cdb c = rig_cmd(OSD_OP_LIST, g, RIG_PID, 0);
        c.length = 64;
        c.list_id = 77;
        rig->in_len = 64;
        rig_run(rig, &c);
        expect_cdb(rig, g == OSD_GEN1 ? 32 : 48);
    }
}

/* A store in which somebody creates an object when a listing goes on. */
static struct {
    struct store_ops ops;
    osd_status (*list)(struct store_txn *t, uint64_t pid, enum store_kind kind, uint64_t from,
                       uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                       uint64_t *ret_changes);
    struct osd_store *store;
    unsigned walks;
} busy;

static void create_beside(struct osd_store *s)
{
    struct store_meta m = {.kind = STORE_USER};
    struct store_id id = {RIG_PID, OSD_ID_FIRST};
    struct store_txn *t;

    assert_int_equal(s->ops->begin(s, (struct store_id){RIG_PID, 0}, STORE_SHARED, &t), OSD_OK);
    assert_int_equal(s->ops->create(t, id, &m, &id), OSD_OK);
    assert_int_equal(s->ops->commit(t, 0), OSD_OK);
}

static osd_status busy_list(struct store_txn *t, uint64_t pid, enum store_kind kind,
                            uint64_t from, uint64_t *ids, size_t max, size_t *ret_n,
                            uint64_t *ret_next, uint64_t *ret_changes)
{
    if (busy.walks++ == 1)
        create_beside(busy.store);
    return busy.list(t, pid, kind, from, ids, max, ret_n, ret_next, ret_changes);
}

/* Would catch: an object that appears before the place where a long LIST is, and which its continuation
 * does not tell of. */
static void test_interpreter_objects__list_tells_of_changes_while_it_works(void **state)
{
    enum { MANY = 3000, ROOM = 2500 };
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, 0);
    struct rig *rig = *state;
    const struct store_ops *ops = rig->store->ops;

    rig_partition(rig, RIG_PID);
    rig_object(rig, RIG_PID, OSD_ID_FIRST);
    c.count = MANY;
    rig_good(rig, &c);
    c = rig_cmd(OSD_OP_REMOVE, OSD_GEN2, RIG_PID, OSD_ID_FIRST);
    rig_good(rig, &c);
    busy.ops = *ops;
    busy.list = ops->list;
    busy.store = rig->store;
    busy.walks = 0;
    busy.ops.list = busy_list;
    rig->store->ops = &busy.ops;
    struct osd_list_head h = list(rig, OSD_GEN2, RIG_PID, 0, 0, 24 + 8 * ROOM);
    rig->store->ops = ops;
    assert_true(busy.walks >= 2);
    assert_int_equal(be64_get(rig->in + 24), OSD_ID_FIRST + 1);
    assert_true(h.continuation);
    h = list(rig, OSD_GEN2, RIG_PID, h.continuation, h.list_id, 24 + 8 * ROOM);
    assert_false(h.continuation);
    assert_true(h.changed);
}

static void test_interpreter_objects__list_partitions(void **state)
{
    struct rig *rig = *state;

    rig_partition(rig, RIG_PID + 5);
    rig_partition(rig, RIG_PID);
    for (BOTH(g)) {
        struct osd_list_head h = list(rig, g, 0, 0, 0, 256);
        assert_int_equal(h.what, OSD_LISTS_PARTITIONS);
        assert_int_equal(h.additional_len, 32);
        assert_int_equal(be64_get(rig->in + 24), RIG_PID);
        assert_int_equal(be64_get(rig->in + 32), RIG_PID + 5);
        struct osd_cdb c = rig_cmd(OSD_OP_LIST, g, RIG_PID + 1, 0);
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c.pid = RIG_PID;
        c.option = 1;
        rig_run(rig, &c);
        expect_cdb(rig, 11);
        c.option = 0; /* allocation length 0 is fine */
        rig_good(rig, &c);
        c.length = 10; /* shorter than the header */
        rig->in_len = 10;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(be64_get(rig->in), 16);
    }
}

static void test_interpreter_objects__list_with_attributes(void **state)
{
    struct rig *rig = *state;
    const struct osd_attr_id want[] = {{OSD_PG_INFORMATION, 0x82}, {OSD_PG_INFORMATION, 9}};
    struct osd_cdb c = rig_cmd(OSD_OP_LIST, OSD_GEN2, RIG_PID, 0);
    struct osd_list_entry e;
    struct osd_list_head h;
    size_t at = 24;

    rig_objects(rig);
    rig_object(rig, RIG_PID, RIG_OID + 1);
    rig_write(rig, RIG_OID + 1, 0, "abc", 3);
    c.list_attr = true;
    c.length = 4096;
    rig->in_len = 4096;
    rig_run(rig, &c);
    expect_cdb(rig, 11); /* needs a get list */
    rig->out_len = rig_get_list(rig, OSD_GEN2, 0, want, 2);
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)rig->out_len,
                                      .retrieved_off = OSD_OFFSET_UNUSED,
                                      .set_off = OSD_OFFSET_UNUSED};
    rig_run(rig, &c);
    expect_good(rig);
    struct osd_bytes data = {rig->in, rig->r.in_len};
    assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
    assert_true(h.with_attrs);
    assert_int_equal(h.additional_len, rig->r.in_len - 8);
    for (uint64_t i = 0; i < 2; i++) {
        struct osd_attr_cursor cur;
        struct osd_attr_entry a;
        struct osd_wire_error err;
        assert_int_equal(osd_list_entry_next(data, &h, &at, &e), OSD_OK);
        assert_int_equal(e.id, RIG_OID + i);
        assert_int_equal(e.object_type, OSD_TYPE_USER);
        osd_list_entry_attrs(&e, &cur);
        assert_int_equal(osd_attr_cursor_next(&cur, &a, &err), OSD_OK);
        assert_int_equal(be64_get(a.value.data), 3 * i);
        assert_int_equal(osd_attr_cursor_next(&cur, &a, &err), OSD_OK);
        assert_true(a.undefined);
    }
    /* An entry that does not fit is not begun. */
    c.length = 24 + 56 + 50;
    rig->in_len = 4096;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 24 + 56);
    assert_int_equal(be64_get(rig->in + 8), RIG_OID + 1);
    /* Attributes of the members, not of the partition. */
    struct osd_attr_id wrong = {OSD_PAGE_P + 1, 1};
    rig->out_len = rig_get_list(rig, OSD_GEN2, 0, &wrong, 1);
    c.attr.get_list_len = (uint32_t)rig->out_len;
    rig_run(rig, &c);
    expect_param(rig, 8);
}

/* ---- quotas ---- */

static void test_interpreter_objects__quotas_name_their_attribute(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    rig_objects(rig);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10002, 1, 8);
    expect_good(rig);
    c = rig_cmd(OSD_OP_CREATE, OSD_GEN1, RIG_PID, 0);
    rig_run(rig, &c);
    expect_quota(rig, OSD_PAGE_P + 2, 0x10002);
    rig_set_u(rig, 0, 0, OSD_PAGE_R + 2, 0x20002, 1, 8);
    expect_good(rig);
    c = rig_cmd(OSD_OP_CREATE_PARTITION, OSD_GEN2, 0, 0);
    rig_run(rig, &c);
    expect_quota(rig, OSD_PAGE_R + 2, 0x20002);
    rig_set_u(rig, RIG_PID, RIG_OID, 2, 1, 100, 8);
    expect_good(rig);
    c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);
    c.length = 101;
    rig->out_len = 101;
    rig_run(rig, &c);
    expect_quota(rig, 2, 1);
    c.length = 100;
    rig_run(rig, &c);
    expect_good(rig);
    rig_set_u(rig, RIG_PID, RIG_OID, 1, 0x82, 101, 8);
    expect_quota(rig, 2, 1);
    rig_set_u(rig, RIG_PID, RIG_OID, 2, 1, UINT64_MAX, 8);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10001, 8192, 8);
    expect_good(rig);
    c.start = 4096;
    c.length = 8192;
    rig->out_len = 8192;
    rig_run(rig, &c);
    expect_quota(rig, OSD_PAGE_P + 2, 0x10001);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), 100);
}

static void test_interpreter_objects__a_full_device_reads_like_a_full_partition(void **state)
{
    struct rig small = {0};
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);

    (void)state;
    rig_open_on(&small, rig_store(&small, 64 << 10));
    rig_objects(&small);
    c.length = 128 << 10;
    small.out_len = 128 << 10;
    rig_run(&small, &c);
    expect_quota(&small, OSD_PAGE_P + 2, 0x10001);
    rig_close(&small);
}

static void test_interpreter_objects__defaults_are_inherited(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, RIG_OID);

    rig_set_u(rig, 0, 0, OSD_PAGE_R + 2, 0x1, 5000, 8);
    rig_set_u(rig, 0, 0, OSD_PAGE_R + 2, 0x10001, 1 << 20, 8);
    rig_set_u(rig, 0, 0, OSD_PAGE_R + 2, 0x10081, 7, 4);
    rig_partition(rig, RIG_PID);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x1), 5000);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10001), 1 << 20);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10081), 7);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 0x40000002, 0xabcd, 4);
    expect_good(rig);
    rig_good(rig, &c);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 2, 0x1), 5000);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 5, 0x40000001), 0xabcd);
}

/* OSD-2 current command attribute 6h. */
static void test_interpreter_objects__change_of_used_capacity_is_told(void **state)
{
    struct rig *rig = *state;
    struct osd_current_command cc;
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);

    rig_objects(rig);
    c.length = 5000;
    rig->out_len = 5000;
    get_current(rig, &c, &cc);
    assert_int_equal(cc.used_change, 8192);
    rig->out_len = 5000;
    get_current(rig, &c, &cc);
    assert_int_equal(cc.used_change, 0);
    c = rig_cmd(OSD_OP_REMOVE, OSD_GEN2, RIG_PID, RIG_OID);
    rig->out_len = 0;
    get_current(rig, &c, &cc);
    assert_int_equal(cc.used_change, -8192);
    assert_int_equal(cc.oid, RIG_OID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_objects__the_device_chooses_ids),
        rig_test(test_interpreter_objects__ids_are_taken_once),
        rig_test(test_interpreter_objects__several_at_once_have_consecutive_ids),
        rig_test(test_interpreter_objects__create_and_write),
        rig_test(test_interpreter_objects__removal),
        rig_test(test_interpreter_objects__remove_gets_before_it_removes),
        rig_test(test_interpreter_objects__format_forgets_everything),
        rig_test(test_interpreter_objects__format_tells_its_own_capacity),
        rig_test(test_interpreter_objects__format_larger_than_the_device),
        rig_test(test_interpreter_objects__list_in_pages),
        rig_test(test_interpreter_objects__pages_of_many_are_whole_and_announce_enough),
        rig_test(test_interpreter_objects__list_tells_of_changes),
        rig_test(test_interpreter_objects__list_tells_of_changes_while_it_works),
        rig_test(test_interpreter_objects__list_partitions),
        rig_test(test_interpreter_objects__list_with_attributes),
        rig_test(test_interpreter_objects__quotas_name_their_attribute),
        rig_test(test_interpreter_objects__a_full_device_reads_like_a_full_partition),
        rig_test(test_interpreter_objects__defaults_are_inherited),
        rig_test(test_interpreter_objects__change_of_used_capacity_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
