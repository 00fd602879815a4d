/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_compare.c - READ MAPS AND COMPARE (docs/map-compare.md)
 */
#include "rig.h"

#define OTHER   (RIG_PID + 1)
#define SEGMENT 40
#define NAMED   (SEGMENT + 8) /* the descriptor's payload in Data-Out */
#define B       4096u
#define ROOM    (OSD_COMPARE_HEADER_LEN + 16 * 64)

/* Compare RIG_OID with an object; the descriptor is in rig->out, to be spoilt. */
static struct osd_cdb compare(struct rig *rig, uint64_t pid, uint64_t oid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ_MAPS_AND_COMPARE, OSD_GEN2, RIG_PID, RIG_OID);
    uint8_t *p = rig->out;

    memset(p, 0, 512);
    p[0] = 1;
    be16_put(p + 2, 0x88b2);
    be16_put(p + SEGMENT, 0x0100);
    be32_put(p + SEGMENT + 4, 16);
    be64_put(p + NAMED, pid);
    be64_put(p + NAMED + 8, oid);
    rig->out_len = c.cont_len = NAMED + 16;
    rig->in_len = c.length = ROOM;
    return c;
}

/* Run it and expect these ranges, in bytes; returns where to go on. */
struct range {
    uint64_t from, to;
    uint16_t type;
};

static uint64_t expect_ranges(struct rig *rig, const struct osd_cdb *c,
                              const struct range *ranges, size_t n)
{
    struct osd_compare_head h;
    struct osd_map_entry e;
    size_t at = OSD_COMPARE_HEADER_LEN;

    rig_run(rig, c);
    expect_good(rig);
    struct osd_bytes data = {rig->in, rig->r.in_len};
    assert_int_equal(osd_compare_head_decode(data, &h), OSD_OK);
    assert_int_equal(h.additional_len, data.len - 8);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(osd_map_entry_next(data, &at, &e), OSD_OK);
        assert_int_equal(e.offset, ranges[i].from);
        assert_int_equal(e.offset + e.len, ranges[i].to);
        assert_int_equal(e.type, ranges[i].type);
    }
    assert_int_equal(osd_map_entry_next(data, &at, &e), OSD_E_NOT_FOUND);
    return h.next;
}

static void snapshot(struct rig *rig)
{
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_SNAPSHOT, OSD_GEN2, OTHER, 0);

    c.start = RIG_PID;
    rig->out_len = rig->in_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
}

static void change(struct rig *rig, enum osd_op op, uint64_t start, uint64_t len)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, RIG_PID, RIG_OID);

    c.start = start;
    c.length = len;
    rig->out_len = op == OSD_OP_WRITE ? len : 0;
    rig->in_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
}

static void fill(struct rig *rig, uint64_t len)
{
    rig_objects(rig);
    for (size_t i = 0; i < len; i++)
        rig->out[i] = (uint8_t)(i / 7 + 1);
    change(rig, OSD_OP_WRITE, 0, len);
}

static void test_interpreter_compare__a_fresh_snapshot_is_the_same(void **state)
{
    struct rig *rig = *state;

    fill(rig, 200 * B + 77);
    snapshot(rig);
    struct osd_cdb c = compare(rig, OTHER, RIG_OID);
    assert_int_equal(expect_ranges(rig, &c, NULL, 0), OSD_COMPARE_COMPLETE);
}

static void test_interpreter_compare__tells_what_changed_since(void **state)
{
    static const struct range want[] = {{2 * B, 4 * B, OSD_MAP_WRITTEN},
                                        {10 * B, 20 * B, OSD_MAP_HOLE},
                                        {20 * B, 21 * B, OSD_MAP_WRITTEN},
                                        {200 * B, 200 * B + 100, OSD_MAP_WRITTEN}};
    struct rig *rig = *state;

    fill(rig, 200 * B + 77);
    snapshot(rig);
    change(rig, OSD_OP_WRITE, 3 * B - 1, 2);
    change(rig, OSD_OP_CLEAR, 10 * B, 10 * B);
    change(rig, OSD_OP_WRITE, 20 * B, 5);
    change(rig, OSD_OP_WRITE, 200 * B + 77, 23);
    struct osd_cdb c = compare(rig, OTHER, RIG_OID);
    assert_int_equal(expect_ranges(rig, &c, want, 4), OSD_COMPARE_COMPLETE);
    c.start = 200 * B;
    assert_int_equal(expect_ranges(rig, &c, want + 3, 1), OSD_COMPARE_COMPLETE);
}

/* Two objects that never had anything in common: wherever one of them has data. */
static void test_interpreter_compare__strangers_differ_where_there_is_data(void **state)
{
    static const struct range want[] = {{0, B, OSD_MAP_HOLE}, {B, 2 * B, OSD_MAP_WRITTEN}};
    struct rig *rig = *state;

    rig_objects(rig);
    rig_object(rig, RIG_PID, RIG_OID + 1);
    change(rig, OSD_OP_WRITE, B, B);
    rig_set_u(rig, RIG_PID, RIG_OID, 1, 0x82, 9 * B, 8);
    rig_write(rig, RIG_OID + 1, 5, "data", 4);
    struct osd_cdb c = compare(rig, RIG_PID, RIG_OID + 1);
    assert_int_equal(expect_ranges(rig, &c, want, 2), OSD_COMPARE_COMPLETE);
    c = compare(rig, RIG_PID, RIG_OID);
    assert_int_equal(expect_ranges(rig, &c, NULL, 0), OSD_COMPARE_COMPLETE);
}

/* Short data is kept elsewhere and shares nothing, so it is looked at. */
static void test_interpreter_compare__short_data_is_compared_by_its_bytes(void **state)
{
    static const struct range all = {0, 10, OSD_MAP_WRITTEN};
    struct rig *rig = *state;

    fill(rig, 10);
    snapshot(rig);
    struct osd_cdb c = compare(rig, OTHER, RIG_OID);
    assert_int_equal(expect_ranges(rig, &c, NULL, 0), OSD_COMPARE_COMPLETE);
    rig_write(rig, RIG_OID, 3, "x", 1);
    c = compare(rig, OTHER, RIG_OID);
    assert_int_equal(expect_ranges(rig, &c, &all, 1), OSD_COMPARE_COMPLETE);
}

/* Every second block changed: the answer comes in as many commands as it needs. */
static void test_interpreter_compare__goes_on_where_data_in_ended(void **state)
{
    struct rig *rig = *state;
    struct range want[20];

    fill(rig, 40 * B);
    snapshot(rig);
    for (size_t i = 0; i < 20; i++) {
        want[i] = (struct range){2 * i * B, (2 * i + 1) * B, OSD_MAP_WRITTEN};
        change(rig, OSD_OP_WRITE, 2 * i * B + 9, 1);
    }
    for (size_t room = 0; room <= 21; room++) {
        struct osd_cdb c = compare(rig, OTHER, RIG_OID);
        rig->in_len = c.length = OSD_COMPARE_HEADER_LEN + 16 * room + 15;
        for (size_t at = 0; at < 20;) {
            size_t n = room < 20 - at ? room : 20 - at;
            uint64_t next = expect_ranges(rig, &c, want + at, n);
            at += n;
            assert_int_equal(next, at < 20 ? want[at].from : OSD_COMPARE_COMPLETE);
            c.start = next;
            if (room == 0)
                break;
        }
    }
}

/* What comes from the source by the answers makes the duplicate the same again. */
static void test_interpreter_compare__is_enough_for_an_incremental_copy(void **state)
{
    enum { LEN = 60 * B + 1234 };
    struct rig *rig = *state;
    uint8_t *old = calloc(1, 2 * LEN), *now = calloc(1, 2 * LEN);
    uint64_t seed = 12345;

    fill(rig, LEN);
    for (int round = 0; round < 12; round++) {
        snapshot(rig);
        struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, OTHER, RIG_OID);
        memset(old, 0, 2 * LEN);
        c.length = rig->in_len = rig_get_u(rig, OTHER, RIG_OID, 1, 0x82);
        rig->out_len = 0;
        rig_run(rig, &c);
        expect_good(rig);
        memcpy(old, rig->in, rig->in_len);
        for (int i = 0; i < 6; i++) {
            static const enum osd_op ops[] = {OSD_OP_WRITE, OSD_OP_CLEAR, OSD_OP_WRITE,
                                              OSD_OP_PUNCH};
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint64_t length = rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82);
            uint64_t start = (seed >> 33) % length, len = 1 + (seed >> 20) % (3 * B);
            memset(rig->out, (int)(seed >> 50), len);
            change(rig, ops[seed >> 62], start, len);
        }
        uint64_t length = rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82);
        assert_true(length < 2 * LEN);
        c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
        c.length = rig->in_len = length;
        rig->out_len = 0;
        rig_run(rig, &c);
        expect_good(rig);
        memcpy(now, rig->in, length);
        c = compare(rig, OTHER, RIG_OID);
        rig_run(rig, &c);
        expect_good(rig);
        struct osd_bytes data = {rig->in, rig->r.in_len};
        size_t at = OSD_COMPARE_HEADER_LEN;
        struct osd_map_entry e;
        while (osd_map_entry_next(data, &at, &e) == OSD_OK)
            memcpy(old + e.offset, now + e.offset, e.len);
        assert_memory_equal(old, now, length);
        c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, OTHER, 0);
        c.option = 1;
        rig->out_len = rig->in_len = 0;
        rig_good(rig, &c);
    }
    free(old);
    free(now);
}

static void test_interpreter_compare__what_is_wrong_is_pointed_at(void **state)
{
    struct rig *rig = *state;

    fill(rig, 100);
    rig_collection(rig, RIG_PID, RIG_CID);
    struct osd_cdb c = compare(rig, RIG_PID, RIG_OID);
    c.cont_len = 0;
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    c = compare(rig, RIG_PID, RIG_OID);
    c.start = 101;
    rig_run(rig, &c);
    expect_cdb(rig, 40);
    c = compare(rig, RIG_PID, RIG_OID);
    be32_put(rig->out + SEGMENT + 4, 8);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    for (int i = 0; i < 3; i++) {
        const struct store_id ids[] = {
            {OTHER, RIG_OID}, {RIG_PID, RIG_OID + 9}, {RIG_PID, RIG_CID}};
        c = compare(rig, ids[i].pid, ids[i].oid);
        rig_run(rig, &c);
        expect_param(rig, i ? NAMED + 8 : NAMED);
    }
    c = compare(rig, RIG_PID, RIG_OID);
    c.oid++;
    rig_run(rig, &c);
    expect_cdb(rig, 24);
}

/* The second object needs a capability of its own, and one that lets it be read. */
static void test_interpreter_compare__the_second_needs_its_own_capability(void **state)
{
    struct rig *rig = *state;

    fill(rig, 100);
    snapshot(rig);
    for (int i = 0; i < 4; i++) {
        struct osd_cdb c = compare(rig, OTHER, RIG_OID), of = c;
        rig_cap(&c, OSD_TYPE_USER, OSD_PERM_READ);
        of.pid = i == 1 ? RIG_PID : OTHER;
        rig_cap(&of, OSD_TYPE_USER, i == 2 ? OSD_PERM_WRITE : OSD_PERM_READ);
        if (i > 0) {
            uint8_t *p = rig->out + NAMED + 16;
            be16_put(p, 0xffee);
            be32_put(p + 4, OSD2_CAPABILITY_LEN);
            osd_capability_encode(&of.cap, OSD_GEN2, p + 8);
            rig->out_len = c.cont_len = NAMED + 24 + OSD2_CAPABILITY_LEN;
        }
        rig_run(rig, &c);
        if (i < 3)
            expect_cdb(rig, 48);
        else
            expect_good(rig);
    }
}

/* Would catch: a credential for some bytes of an object that tells where the others are the same as
 * those of an object one has made up. */
static void test_interpreter_compare__looks_at_no_byte_out_of_range(void **state)
{
    static const struct {
        uint64_t range, second, start;
        uint16_t field; /* 0: good */
    } cases[] = {
        {0, 0, 0, 0},    {100, 100, 0, 0},   {99, 0, 0, 32}, {UINT64_MAX, 99, 0, 48},
        {50, 0, 60, 40}, {100, 100, 100, 0},
    };
    struct rig *rig = *state;

    fill(rig, 100);
    snapshot(rig);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct osd_cdb c = compare(rig, OTHER, RIG_OID), of = c;
        uint8_t *p = rig->out + NAMED + 16;
        c.start = cases[i].start;
        rig_cap(&c, OSD_TYPE_USER, OSD_PERM_READ);
        c.cap.range_len = cases[i].range;
        of.pid = OTHER;
        rig_cap(&of, OSD_TYPE_USER, OSD_PERM_READ);
        of.cap.range_len = cases[i].second;
        be16_put(p, 0xffee);
        be32_put(p + 4, OSD2_CAPABILITY_LEN);
        osd_capability_encode(&of.cap, OSD_GEN2, p + 8);
        rig->out_len = c.cont_len = NAMED + 24 + OSD2_CAPABILITY_LEN;
        rig_run(rig, &c);
        if (cases[i].field)
            expect_cdb(rig, cases[i].field);
        else
            expect_good(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_compare__a_fresh_snapshot_is_the_same),
        rig_test(test_interpreter_compare__tells_what_changed_since),
        rig_test(test_interpreter_compare__strangers_differ_where_there_is_data),
        rig_test(test_interpreter_compare__short_data_is_compared_by_its_bytes),
        rig_test(test_interpreter_compare__goes_on_where_data_in_ended),
        rig_test(test_interpreter_compare__is_enough_for_an_incremental_copy),
        rig_test(test_interpreter_compare__what_is_wrong_is_pointed_at),
        rig_test(test_interpreter_compare__the_second_needs_its_own_capability),
        rig_test(test_interpreter_compare__looks_at_no_byte_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
