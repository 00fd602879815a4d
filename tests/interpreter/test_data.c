/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_data.c - READ, WRITE, APPEND, CLEAR, PUNCH, FLUSH, READ MAP
 */
#include "rig.h"
#include "vectors.h"

#define LEN_FIELD(g)   ((g) == OSD_GEN1 ? 36 : 32)
#define START_FIELD(g) ((g) == OSD_GEN1 ? 44 : 40)

static void fill(uint8_t *p, size_t len, uint8_t seed)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(seed + i * 7);
}

/* READ of a range; the bytes are in rig->in. */
static uint8_t do_read(struct rig *rig, enum osd_gen g, uint64_t start, uint64_t len,
                       size_t room)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, g, RIG_PID, RIG_OID);

    c.start = start;
    c.length = len;
    rig->out_len = 0;
    rig->in_len = room;
    return rig_run(rig, &c);
}

static uint8_t do_op(struct rig *rig, enum osd_op op, uint64_t start, uint64_t len)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, RIG_PID, RIG_OID);

    c.start = start;
    c.length = len;
    rig->in_len = 0;
    return rig_run(rig, &c);
}

static uint64_t length_of(struct rig *rig)
{
    return rig_get_u(rig, RIG_PID, RIG_OID, OSD_PG_INFORMATION, 0x82);
}

static void test_interpreter_data__what_was_written_is_read(void **state)
{
    struct rig *rig = *state;
    uint8_t data[10000];

    rig_objects(rig);
    fill(data, sizeof(data), 3);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_WRITE, g, RIG_PID, RIG_OID);
        c.start = 777;
        c.length = sizeof(data);
        memcpy(rig->out, data, sizeof(data));
        rig->out_len = sizeof(data);
        rig->in_len = 0;
        rig_run(rig, &c);
        expect_good(rig);
        do_read(rig, g, 777, sizeof(data), sizeof(data) + 100);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, sizeof(data));
        assert_memory_equal(rig->in, data, sizeof(data));
        do_read(rig, g, 0, 777, 777); /* the gap before it */
        expect_good(rig);
        for (int i = 0; i < 777; i++)
            assert_int_equal(rig->in[i], 0);
        data[0]++;
    }
}

static void test_interpreter_data__read_beyond_the_end(void **state)
{
    struct rig *rig = *state;
    uint8_t data[300];

    rig_objects(rig);
    fill(data, sizeof(data), 9);
    rig_write(rig, RIG_OID, 0, data, sizeof(data));
    for (BOTH(g)) {
        do_read(rig, g, 200, 300, 512);
        expect_asc(rig, SENSE_RECOVERED, ASC_READ_PAST_END);
        assert_true(rig->sense.has_command_info);
        assert_int_equal(rig->sense.command_info, 100);
        assert_int_equal(rig->sense.completed, OSD_FN_ALL);
        assert_memory_equal(rig->in, data + 200, 100);
        do_read(rig, g, 300, 10, 10);
        expect_asc(rig, SENSE_RECOVERED, ASC_READ_PAST_END);
        assert_int_equal(rig->sense.command_info, 0);
        do_read(rig, g, 301, 10, 10);
        expect_cdb(rig, START_FIELD(g));
        do_read(rig, g, 5000, 0, 10);
        expect_good(rig);
        do_read(rig, g, 0, 300, 299); /* no room for the data */
        expect_cdb(rig, LEN_FIELD(g));
    }
}

/* RECOVERED ERROR is no failure: what was asked for besides still happens. */
static void test_interpreter_data__attributes_come_with_a_read_past_the_end(void **state)
{
    struct rig *rig = *state;
    struct osd_attr_id want = {OSD_PG_INFORMATION, 0x82};
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    uint8_t name[16];

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    c.length = 8;
    c.attr.format = OSD_ATTR_LIST;
    c.attr.get_list_len = (uint32_t)rig_get_list(rig, OSD_GEN2, 0, &want, 1);
    c.attr.get_list_off = 0;
    c.attr.get_alloc_len = 64;
    c.attr.retrieved_off = 64;
    c.attr.set_off = 256;
    c.attr.set_len =
        (uint32_t)rig_set_list(rig, OSD_GEN2, 256, (struct osd_attr_id){1, 9}, "n", 1);
    rig->out_len = 256 + c.attr.set_len;
    rig->in_len = 128;
    rig_run(rig, &c);
    expect_asc(rig, SENSE_RECOVERED, ASC_READ_PAST_END);
    assert_memory_equal(rig->in, "abc\0\0\0\0\0", 8);
    for (int i = 8; i < 64; i++)
        assert_int_equal(rig->in[i], 0);
    assert_int_equal(be64_get(rig->in + 64 + 8 + 16), 3);
    assert_int_equal(rig->r.in_len, 64 + 8 + 24);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 1, 9, name), 1);
}

static void test_interpreter_data__missing_objects_and_partitions(void **state)
{
    static const enum osd_op ops[] = {OSD_OP_READ,  OSD_OP_WRITE, OSD_OP_APPEND,  OSD_OP_CLEAR,
                                      OSD_OP_PUNCH, OSD_OP_FLUSH, OSD_OP_READ_MAP};
    struct rig *rig = *state;

    rig_objects(rig);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        for (BOTH(g)) {
            if (!osd_op_info(ops[i])->action[g])
                continue;
            struct osd_cdb c = rig_cmd(ops[i], g, RIG_PID, RIG_OID + 99);
            rig->out_len = rig->in_len = 0;
            rig_run(rig, &c);
            expect_cdb(rig, 24);
            assert_int_equal(rig->sense.completed, OSD_FN_VALIDATION | OSD_FN_CMD_CAP);
            assert_int_equal(rig->sense.not_initiated, 0x00103030);
            assert_int_equal(rig->sense.pid, RIG_PID);
            assert_int_equal(rig->sense.oid, RIG_OID + 99);
            c.pid++;
            rig_run(rig, &c);
            expect_cdb(rig, 16);
            c.pid = 0;
            rig_run(rig, &c);
            assert_int_equal(rig->r.status, SAM_CHECK_CONDITION);
            c.pid = RIG_PID;
            c.oid = 0; /* the partition is no user object */
            rig_run(rig, &c);
            expect_cdb(rig, 24);
        }
    }
}

static void test_interpreter_data__short_data_out_is_a_length_error(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_WRITE, g, RIG_PID, RIG_OID);
        c.length = 100;
        rig->out_len = 99;
        rig_run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
        c.op = OSD_OP_APPEND;
        c.length = UINT64_MAX;
        rig_run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
    }
    assert_int_equal(length_of(rig), 0);
}

static void test_interpreter_data__append_goes_to_the_end(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_APPEND, g, RIG_PID, RIG_OID);
        c.length = 3;
        c.attr.get_page = OSD_PAGE_CURRENT;
        c.attr.get_alloc_len = 100;
        c.attr.retrieved_off = 0;
        memcpy(rig->out, "def", 3);
        rig->out_len = 3;
        rig->in_len = 100;
        rig_run(rig, &c);
        expect_good(rig);
        struct osd_current_command cc;
        struct osd_bytes page = {rig->in, rig->r.in_len};
        assert_int_equal(osd_current_command_parse(page, g, &cc), OSD_OK);
        assert_int_equal(cc.append_start, 3 * g);
        assert_int_equal(cc.object_type, OSD_TYPE_USER);
        assert_int_equal(cc.oid, RIG_OID);
    }
    do_read(rig, OSD_GEN2, 0, 9, 9);
    assert_memory_equal(rig->in, "abcdefdef", 9);
}

static void test_interpreter_data__clear_writes_zeros(void **state)
{
    struct rig *rig = *state;
    uint8_t data[9000];

    rig_objects(rig);
    fill(data, sizeof(data), 1);
    rig_write(rig, RIG_OID, 0, data, sizeof(data));
    do_op(rig, OSD_OP_CLEAR, 100, 5000);
    expect_good(rig);
    memset(data + 100, 0, 5000);
    do_read(rig, OSD_GEN2, 0, sizeof(data), sizeof(data));
    assert_memory_equal(rig->in, data, sizeof(data));
    do_op(rig, OSD_OP_CLEAR, 8000, 4000);
    expect_good(rig);
    assert_int_equal(length_of(rig), 12000);
    do_op(rig, OSD_OP_CLEAR, UINT64_MAX, 2);
    expect_quota(rig, OSD_PG_QUOTAS, 1);
    do_op(rig, OSD_OP_CLEAR, 0, 0);
    expect_good(rig);
}

static void test_interpreter_data__punch_moves_the_rest_down(void **state)
{
    struct rig *rig = *state;
    uint8_t data[9000];

    rig_objects(rig);
    fill(data, sizeof(data), 1);
    rig_write(rig, RIG_OID, 0, data, sizeof(data));
    do_op(rig, OSD_OP_PUNCH, 100, 1000);
    expect_good(rig);
    memmove(data + 100, data + 1100, sizeof(data) - 1100);
    do_read(rig, OSD_GEN2, 0, 8000, 8000);
    expect_good(rig);
    assert_memory_equal(rig->in, data, 8000);
    do_op(rig, OSD_OP_PUNCH, 8001, 1);
    expect_cdb(rig, 40);
    do_op(rig, OSD_OP_PUNCH, 8000, 1);
    expect_good(rig);
    assert_int_equal(length_of(rig), 8000);
    do_op(rig, OSD_OP_PUNCH, 50, UINT64_MAX);
    expect_good(rig);
    assert_int_equal(length_of(rig), 50);
    do_op(rig, OSD_OP_PUNCH, 10, 0);
    expect_good(rig);
    assert_int_equal(length_of(rig), 50);
}

static void test_interpreter_data__flush_scopes(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_FLUSH, g, RIG_PID, RIG_OID);
        uint16_t field = g == OSD_GEN1 ? 10 : 11;
        c.option = 1;
        rig_good(rig, &c);
        c.option = 3;
        rig_run(rig, &c);
        expect_cdb(rig, field);
        c.option = 2;
        if (g == OSD_GEN1) {
            rig_run(rig, &c);
            expect_cdb(rig, field);
        } else {
            rig_good(rig, &c);
            c.start = 4;
            rig_run(rig, &c);
            expect_cdb(rig, 40);
        }
        c = rig_cmd(OSD_OP_FLUSH_PARTITION, g, RIG_PID, 0);
        c.option = 2;
        rig_good(rig, &c);
        c.option = 3;
        rig_run(rig, &c);
        expect_cdb(rig, field);
        c.pid++;
        rig_run(rig, &c);
        expect_cdb(rig, 16);
        c = rig_cmd(OSD_OP_FLUSH_OSD, g, 0, 0);
        c.option = 2;
        rig_good(rig, &c);
        c.option = 3;
        rig_run(rig, &c);
        expect_cdb(rig, field);
    }
}

static void read_map(struct rig *rig, uint16_t type, uint64_t start, size_t room)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ_MAP, OSD_GEN2, RIG_PID, RIG_OID);

    c.map_type = type;
    c.start = start;
    c.length = room;
    rig->out_len = 0;
    rig->in_len = room;
    rig_run(rig, &c);
}

static void expect_map(struct rig *rig, size_t at, uint16_t type, uint64_t off, uint32_t len)
{
    struct osd_bytes data = {rig->in, rig->r.in_len};
    struct osd_map_entry e;

    assert_int_equal(osd_map_entry_next(data, &at, &e), OSD_OK);
    assert_int_equal(e.type, type);
    assert_int_equal(e.offset, off);
    assert_int_equal(e.len, len);
}

static void test_interpreter_data__read_map_tells_data_from_holes(void **state)
{
    struct rig *rig = *state;
    uint8_t block[4096] = {1};

    rig_objects(rig);
    read_map(rig, OSD_MAP_ALL, 0, 256);
    expect_good(rig);
    assert_int_equal(be64_get(rig->in), 0);
    rig_write(rig, RIG_OID, 8192, block, sizeof(block));
    rig_write(rig, RIG_OID, 12288, block, 100);
    read_map(rig, OSD_MAP_ALL, 0, 256);
    expect_good(rig);
    assert_int_equal(be64_get(rig->in), 32);
    expect_map(rig, 8, OSD_MAP_HOLE, 0, 8192);
    expect_map(rig, 24, OSD_MAP_WRITTEN, 8192, 4196);
    read_map(rig, OSD_MAP_WRITTEN, 9000, 256);
    assert_int_equal(be64_get(rig->in), 16);
    expect_map(rig, 8, OSD_MAP_WRITTEN, 9000, 12388 - 9000);
    read_map(rig, OSD_MAP_HOLE, 0, 8); /* cut by the allocation length, announced whole */
    expect_good(rig);
    assert_int_equal(be64_get(rig->in), 16);
    read_map(rig, OSD_MAP_DAMAGED_ATTRS, 0, 64);
    expect_good(rig);
    assert_int_equal(be64_get(rig->in), 0);
    read_map(rig, 4, 0, 64);
    expect_cdb(rig, 48);
    read_map(rig, OSD_MAP_ALL, 12389, 64);
    expect_cdb(rig, 40);
}

/* ---- scatter/gather ---- */

/* Continuation segment with one scatter/gather descriptor into rig->out; returns its length. */
static uint32_t put_continuation(struct rig *rig, uint16_t action, const uint64_t (*entries)[2],
                                 size_t n)
{
    uint8_t *p = rig->out;

    memset(p, 0, 40);
    p[0] = 1;
    be16_put(p + 2, action);
    be32_put(p + 40, 1);
    p[40] = 0;
    p[41] = 1;
    p[43] = 0;
    be32_put(p + 44, (uint32_t)n * 16);
    for (size_t i = 0; i < n; i++) {
        be64_put(p + 48 + 16 * i, entries[i][0]);
        be64_put(p + 56 + 16 * i, entries[i][1]);
    }
    return (uint32_t)(48 + 16 * n);
}

static const uint64_t two_parts[2][2] = {{0x1000, 16}, {0x2000, 8}};

static void test_interpreter_data__vector_14_scatters(void **state)
{
    struct rig *rig = *state;
    uint8_t cdb[512], back[24];
    size_t len = vector_read("V14.cdb", cdb);
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);

    rig_objects(rig);
    rig->out_len = vector_read("V14.dout", rig->out);
    memcpy(back, rig->out + 80, 24);
    rig->in_len = 0;
    rig_run_raw(rig, cdb, len);
    expect_good(rig);
    assert_int_equal(length_of(rig), 0x2008);
    do_read(rig, OSD_GEN2, 0x1000, 16, 16);
    assert_memory_equal(rig->in, back, 16);
    do_read(rig, OSD_GEN2, 0x2000, 8, 8);
    assert_memory_equal(rig->in, back + 16, 8);

    c.cont_len = put_continuation(rig, 0x8885, two_parts, 2);
    c.length = 24;
    rig->out_len = c.cont_len;
    rig->in_len = 24;
    rig_run(rig, &c);
    expect_good(rig);
    assert_memory_equal(rig->in, back, 24);
}

/* Entries keep their places in Data-In when one of them reaches beyond the end. */
static void test_interpreter_data__gathering_past_the_end_does_not_shift(void **state)
{
    static const uint64_t parts[3][2] = {{1, 4}, {100, 4}, {0, 2}};
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    c.cont_len = put_continuation(rig, 0x8885, parts, 3);
    c.length = 10;
    rig->out_len = c.cont_len;
    rig->in_len = 10;
    rig_run(rig, &c);
    expect_asc(rig, SENSE_RECOVERED, ASC_READ_PAST_END);
    assert_int_equal(rig->sense.command_info, 4);
    assert_memory_equal(rig->in, "bc\0\0\0\0\0\0ab", 10);
}

static void test_interpreter_data__malformed_continuations_are_refused(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;
    static const struct {
        uint8_t at, value;
    } damage[] = {{0, 2}, {3, 0x85}, {41, 2}, {43, 1}, {47, 33}, {47, 0}, {46, 1}, {40, 1}};

    rig_objects(rig);
    c.cont_len = put_continuation(rig, 0x8886, two_parts, 2);
    c.length = 24;
    rig->out_len = c.cont_len + 24;
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        put_continuation(rig, 0x8886, two_parts, 2);
        rig->out[damage[i].at] = damage[i].value;
        rig_run(rig, &c);
        expect_cdb(rig, 48);
    }
    put_continuation(rig, 0x8886, two_parts, 2);
    c.length = 23; /* not the sum of the entries */
    rig_run(rig, &c);
    expect_cdb(rig, 32);
    c.length = 24;
    c.cont_len = 44;
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    c.op = OSD_OP_APPEND; /* takes a continuation but no scatter/gather list */
    c.cont_len = put_continuation(rig, 0x8887, two_parts, 2);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    c.cont_len = 40; /* a continuation without descriptors changes nothing */
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(length_of(rig), 24);
}

/* ---- one buffer ---- */

static void test_interpreter_data__one_buffer_serves_one_direction(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;

    rig_objects(rig);
    rig->shared = true;
    rig_write(rig, RIG_OID, 0, "abcd", 4);
    do_read(rig, OSD_GEN2, 0, 4, 4);
    expect_good(rig);
    assert_memory_equal(rig->in, "abcd", 4);
    c.length = 4;
    c.attr.set_page = 1;
    c.attr.set_number = 9;
    c.attr.set_len = 1;
    c.attr.set_off = 0;
    rig->out_len = 64;
    rig->in_len = 64;
    rig_run(rig, &c);
    expect_cdb(rig, 52);
    c.attr.format = OSD_ATTR_CDB; /* the value travels in the CDB: one direction only */
    rig->out_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    assert_memory_equal(rig->in, "abcd", 4);
}

static void test_interpreter_data__segments_must_not_overlap_or_leave_the_buffer(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);
    struct rig *rig = *state;

    rig_objects(rig);
    c.length = 100;
    c.attr.set_page = 1;
    c.attr.set_number = 9;
    c.attr.set_len = 8;
    c.attr.set_off = 96; /* inside the data */
    rig->out_len = 200;
    rig_run(rig, &c);
    expect_cdb(rig, 76);
    c.attr.set_off = 200;
    rig_run(rig, &c);
    expect_cdb(rig, 76);
    c.attr.set_off = OSD_OFFSET_UNUSED;
    rig_run(rig, &c);
    expect_cdb(rig, 76);
    c.attr.set_off = 104;
    rig_run(rig, &c);
    expect_good(rig);

    c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    c.length = 100;
    c.attr.get_page = OSD_PAGE_CURRENT;
    c.attr.get_alloc_len = 76;
    c.attr.retrieved_off = 96;
    rig->out_len = 0;
    rig->in_len = 256;
    rig_run(rig, &c);
    expect_cdb(rig, 60);
    c.attr.retrieved_off = 200;
    rig_run(rig, &c);
    expect_cdb(rig, 60);
    c.attr.retrieved_off = 104;
    rig_run(rig, &c);
    expect_good(rig);

    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = 16,
                                      .get_list_off = 8,
                                      .get_alloc_len = 64,
                                      .retrieved_off = 104,
                                      .set_len = 16,
                                      .set_off = 16};
    rig->out_len = 64;
    rig_run(rig, &c);
    expect_cdb(rig, 56);
    c.attr.get_list_off = 56;
    rig_run(rig, &c);
    expect_cdb(rig, 56);
    c.attr.get_list_off = 0;
    c.attr.set_off = 56;
    rig_run(rig, &c);
    expect_cdb(rig, 72);
    c.attr.set_off = 16;
    c.attr.retrieved_off = 8;
    rig_run(rig, &c);
    expect_cdb(rig, 64);
}

static void test_interpreter_data__reserved_cdb_fields(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN1, RIG_PID, RIG_OID);
    uint8_t raw[OSD_CDB_MAX];
    struct rig *rig = *state;
    size_t len;

    rig_objects(rig);
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
    rig_run_raw(rig, raw, len);
    expect_good(rig);
    raw[7] = 0xe4; /* said by old initiators */
    rig_run_raw(rig, raw, len);
    expect_good(rig);
    raw[7] = 0x10;
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 7);
    raw[7] = 0xc0;
    rig_run_raw(rig, raw, len - 1);
    expect_cdb(rig, 7);
    rig_run_raw(rig, raw, 9);
    expect_cdb(rig, 7);
    raw[11] = 0x10;
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 11);
    raw[11] = 0x20;
    raw[12] = 0x11;
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 12);
    raw[12] = 0;
    raw[8] = 0x77;
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 8);
    assert_int_equal(rig->sense.completed, 0);
    assert_int_equal(rig->sense.not_initiated, OSD_FN_ALL);
}

static void test_interpreter_data__isolation_methods(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (uint8_t method = 0; method < 8; method++) {
        struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
        c.isolation = method;
        rig->out_len = rig->in_len = 0;
        rig_run(rig, &c);
        if (method == 3 || method > 5)
            expect_cdb(rig, 10);
        else
            expect_good(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_data__what_was_written_is_read),
        rig_test(test_interpreter_data__read_beyond_the_end),
        rig_test(test_interpreter_data__attributes_come_with_a_read_past_the_end),
        rig_test(test_interpreter_data__missing_objects_and_partitions),
        rig_test(test_interpreter_data__short_data_out_is_a_length_error),
        rig_test(test_interpreter_data__append_goes_to_the_end),
        rig_test(test_interpreter_data__clear_writes_zeros),
        rig_test(test_interpreter_data__punch_moves_the_rest_down),
        rig_test(test_interpreter_data__flush_scopes),
        rig_test(test_interpreter_data__read_map_tells_data_from_holes),
        rig_test(test_interpreter_data__vector_14_scatters),
        rig_test(test_interpreter_data__gathering_past_the_end_does_not_shift),
        rig_test(test_interpreter_data__malformed_continuations_are_refused),
        rig_test(test_interpreter_data__one_buffer_serves_one_direction),
        rig_test(test_interpreter_data__segments_must_not_overlap_or_leave_the_buffer),
        rig_test(test_interpreter_data__reserved_cdb_fields),
        rig_test(test_interpreter_data__isolation_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
