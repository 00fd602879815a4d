/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_spc.c - commands other than 7Fh, weights, open and close
 */
#include "rig.h"
#include "wire/spc.h"

static uint8_t run(struct rig *rig, const uint8_t *cdb, size_t len, size_t room)
{
    rig->out_len = 0;
    rig->in_len = room;
    return rig_run_raw(rig, cdb, len);
}

static void test_interpreter_spc__test_unit_ready_and_request_sense(void **state)
{
    static const uint8_t ready[6], sense[6] = {0x03, 0, 0, 0, 252, 0};
    struct rig *rig = *state;

    run(rig, ready, 6, 0);
    expect_good(rig);
    run(rig, sense, 6, 252);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 8); /* descriptor format although DESC is 0 */
    assert_int_equal(rig->in[0], 0x72);
    assert_int_equal(rig->in[1], 0);
}

static void test_interpreter_spc__inquiry(void **state)
{
    static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb1};
    uint8_t cdb[6] = {0x12, 0, 0, 0, 255, 0};
    struct rig *rig = *state;

    run(rig, cdb, 6, 255);
    expect_good(rig);
    assert_int_equal(rig->in[0], OSD_DEVICE_TYPE);
    assert_memory_equal(rig->in + 8, "LIOSD   ", 8);
    assert_true(rig->r.in_len >= 74);
    cdb[2] = 0x80; /* a page without EVPD */
    run(rig, cdb, 6, 255);
    expect_cdb(rig, 2);
    assert_false(rig->sense.has_object); /* no OSD command */
    cdb[1] = 1;
    for (size_t i = 0; i < sizeof(pages); i++) {
        cdb[2] = pages[i];
        run(rig, cdb, 6, 255);
        expect_good(rig);
        assert_int_equal(rig->in[1], pages[i]);
        assert_int_equal(be16_get(rig->in + 2), rig->r.in_len - 4);
    }
    assert_int_equal(rig->r.in_len, 4 + 16); /* the security token */
    cdb[2] = 0x80;
    run(rig, cdb, 6, 255);
    assert_memory_equal(rig->in + 4, "rig-serial-0001", 15);
    cdb[2] = 0x84;
    run(rig, cdb, 6, 255);
    expect_cdb(rig, 2);
    cdb[2] = 0x83;
    cdb[4] = 9; /* cut by the allocation length */
    run(rig, cdb, 6, 255);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 9);
}

/* The root's system id is the logical unit designator of page 83h. */
static void test_interpreter_spc__system_id_is_the_designator(void **state)
{
    static const uint8_t cdb[6] = {0x12, 1, 0x83, 0, 255, 0};
    struct rig *rig = *state;
    uint8_t id[64];

    assert_int_equal(rig_get(rig, OSD_GEN2, 0, 0, OSD_PAGE_R + 1, 3, id), 20);
    run(rig, cdb, 6, 255);
    assert_memory_equal(rig->in + 4, id, 12);
    assert_int_equal(id[4] >> 4, 3);
}

static void test_interpreter_spc__mode_sense(void **state)
{
    uint8_t six[6] = {0x1a, 0, 0x0a, 0, 255, 0};
    uint8_t ten[10] = {0x5a, 0, 0x3f, 0xff, 0, 0, 0, 1, 0, 0};
    struct rig *rig = *state;

    run(rig, six, 6, 255);
    expect_good(rig);
    assert_int_equal(rig->in[0], rig->r.in_len - 1);
    assert_true(rig->in[4 + 2] & 0x04); /* D_SENSE */
    run(rig, ten, 10, 256);
    expect_good(rig);
    assert_int_equal(be16_get(rig->in), rig->r.in_len - 2);
    six[2] = 0x08;
    run(rig, six, 6, 255);
    expect_cdb(rig, 2);
    six[2] = 0xca; /* saved values */
    run(rig, six, 6, 255);
    expect_cdb(rig, 2);
}

/* MODE SELECT takes what MODE SENSE gives. */
static void test_interpreter_spc__mode_select_changes_nothing(void **state)
{
    uint8_t sense[10] = {0x5a, 0, 0x3f, 0xff, 0, 0, 0, 0, 255, 0};
    uint8_t select[10] = {0x55, 0x10};
    struct rig *rig = *state;
    size_t len;

    run(rig, sense, 10, 255);
    expect_good(rig);
    len = rig->r.in_len;
    memcpy(rig->out, rig->in, len);
    memset(rig->out, 0, 2);
    select[8] = (uint8_t)len;
    rig->out_len = len;
    rig->in_len = 0;
    rig_run_raw(rig, select, 10);
    expect_good(rig);
    rig->out[len - 1] ^= 1;
    rig_run_raw(rig, select, 10);
    expect_param(rig, (uint16_t)(len - 32)); /* the control extension page is the last */
    rig->out[7] = 8;
    rig_run_raw(rig, select, 10);
    expect_param(rig, 6);
    rig->out[7] = 0;
    for (uint8_t cut = 1; cut < 10; cut++) {
        select[8] = cut;
        rig_run_raw(rig, select, 10);
        if (cut == 8)
            expect_good(rig);
        else
            expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
    }
    select[8] = (uint8_t)(len + 1); /* more than is there */
    rig_run_raw(rig, select, 10);
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
    select[8] = 0;
    rig_run_raw(rig, select, 10);
    expect_good(rig);
    select[7] = 0xff;
    rig_run_raw(rig, select, 10);
    expect_cdb(rig, 7);
    select[1] = 0x11; /* saving */
    rig_run_raw(rig, select, 10);
    expect_cdb(rig, 1);
}

static void test_interpreter_spc__log_sense(void **state)
{
    uint8_t cdb[10] = {0x4d, 0, 0x40, 0, 0, 0, 0, 0, 255, 0};
    struct rig *rig = *state;

    run(rig, cdb, 10, 255);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 6);
    assert_int_equal(rig->in[5], 0x06);
    cdb[2] = 0x46;
    run(rig, cdb, 10, 255);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 16);
    assert_int_equal(be16_get(rig->in + 2), 12);
    assert_int_equal(be64_get(rig->in + 8), 0);
    cdb[2] = 0x47;
    run(rig, cdb, 10, 255);
    expect_cdb(rig, 2);
    cdb[2] = 0x46;
    run(rig, cdb, 10, 255);
    assert_int_equal(be64_get(rig->in + 8), 1); /* that one */
    cdb[6] = 1;                                 /* parameters from 1 on: none */
    run(rig, cdb, 10, 255);
    assert_int_equal(rig->r.in_len, 4);
    cdb[2] = 0x06;
    run(rig, cdb, 10, 255);
    expect_cdb(rig, 2);
    cdb[3] = 1;
    cdb[2] = 0x46;
    run(rig, cdb, 10, 255);
    expect_cdb(rig, 3);
    cdb[1] = 1;
    run(rig, cdb, 10, 255);
    expect_cdb(rig, 1);
}

static void test_interpreter_spc__diagnostics_start_and_prevent(void **state)
{
    static const struct {
        uint8_t cdb[6];
        int field; /* -1: GOOD */
    } cases[] = {
        {{0x1d, 0x04}, -1},           {{0x1d, 0x10}, -1},         {{0x1d, 0x20}, 1},
        {{0x1d, 0x10, 0, 0, 4}, 3},   {{0x1b, 0, 0, 0, 1}, -1},   {{0x1b, 0, 0, 0, 0}, 4},
        {{0x1b, 0, 0, 0, 3}, 4},      {{0x1b, 0, 0, 0, 0x11}, 4}, {{0x1e, 0, 0, 0, 0}, -1},
        {{0x1e, 0, 0, 0, 1}, -1},     {{0x1e, 0, 0, 0, 2}, 4},    {{0x1c, 1, 0, 0, 100}, -1},
        {{0x1c, 1, 0x40, 0, 100}, 2}, {{0x1c, 0, 0, 0, 100}, -1},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(rig, cases[i].cdb, 6, 100);
        if (cases[i].field < 0)
            expect_good(rig);
        else
            expect_cdb(rig, (uint16_t)cases[i].field);
    }
    assert_int_equal(rig->r.in_len, 5);
    assert_int_equal(be16_get(rig->in + 2), 1);
}

static void test_interpreter_spc__report_luns(void **state)
{
    uint8_t cdb[12] = {0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0};
    struct rig *rig = *state;

    run(rig, cdb, 12, 256);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 16);
    assert_int_equal(be32_get(rig->in), 8);
    cdb[2] = 1;
    run(rig, cdb, 12, 256);
    assert_int_equal(be32_get(rig->in), 0);
    cdb[2] = 0x33;
    run(rig, cdb, 12, 256);
    expect_cdb(rig, 2);
}

static bool reports(struct rig *rig, uint16_t action)
{
    uint8_t cdb[12] = {0xa3, 0x0c, 2, 0x7f, 0, 0, 0, 0, 2, 0, 0, 0};

    be16_put(cdb + 4, action);
    run(rig, cdb, 12, 512);
    expect_good(rig);
    return (rig->in[1] & 7) == 3;
}

static void test_interpreter_spc__supported_operation_codes(void **state)
{
    uint8_t all[12] = {0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0};
    uint8_t tmf[12] = {0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0};
    struct rig *rig = *state;

    run(rig, all, 12, 4096);
    expect_good(rig);
    assert_int_equal(be32_get(rig->in), rig->r.in_len - 4);
    assert_true(reports(rig, 0x8805));
    assert_true(reports(rig, 0x88b1));
    assert_true(reports(rig, OSD_ACT_STAGE));
    assert_true(reports(rig, 0x8815));
    assert_true(reports(rig, 0x8899));
    assert_true(reports(rig, 0x88a8));
    assert_true(reports(rig, 0x88b2));
    run(rig, tmf, 12, 16);
    expect_good(rig);
    all[2] = 2; /* by service action, but INQUIRY has none */
    all[3] = 0x12;
    run(rig, all, 12, 4096);
    expect_cdb(rig, 2);
    all[1] = 0x0b;
    run(rig, all, 12, 4096);
    expect_cdb(rig, 1);
}

static void test_interpreter_spc__others_are_unknown(void **state)
{
    static const uint8_t codes[] = {0x28, 0x2a, 0x25, 0x5e, 0x88, 0xff};
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(codes); i++) {
        uint8_t cdb[16] = {codes[i]};
        run(rig, cdb, sizeof(cdb), 100);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
    }
    run(rig, codes, 0, 100);
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
    uint8_t cut[5] = {0x12, 0, 0, 0, 255};
    run(rig, cut, sizeof(cut), 100);
    expect_cdb(rig, 0);
}

/* ---- weight ---- */

static struct rig *unit; /* of the test */

static enum osd_weight weigh_raw(const uint8_t *raw, size_t len)
{
    struct osd_scope scope;

    return osd_device_weigh(unit->dev, raw, len, &scope);
}

static enum osd_weight weigh(struct osd_cdb c)
{
    uint8_t raw[OSD_CDB_MAX];
    size_t len;

    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
    return weigh_raw(raw, len);
}

static void test_interpreter_weight__what_may_block_is_long(void **state)
{
    static const enum osd_op heavy[] = {OSD_OP_PUNCH, OSD_OP_READ_MAP, OSD_OP_QUERY,
                                        OSD_OP_COPY_USER_OBJECTS,
                                        OSD_OP_OBJECT_STRUCTURE_CHECK};
    static const enum osd_op always[] = {OSD_OP_FORMAT_OSD, OSD_OP_FLUSH, OSD_OP_FLUSH_OSD,
                                         OSD_OP_FLUSH_PARTITION, OSD_OP_REMOVE};
    static const uint8_t inquiry[6] = {0x12}, cut[4] = {0x7f};
    struct osd_cdb c;

    unit = *state;
    for (size_t i = 0; i < sizeof(heavy) / sizeof(heavy[0]); i++)
        assert_int_equal(weigh(rig_cmd(heavy[i], OSD_GEN2, 0, 0)), OSD_WEIGHT_HEAVY);
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        assert_int_equal(weigh(rig_cmd(always[i], OSD_GEN2, 0, 0)), OSD_WEIGHT_LONG);
    for (BOTH(g)) {
        c = rig_cmd(OSD_OP_WRITE, g, 0, 0);
        c.length = (256 << 10) - 1;
        assert_int_equal(weigh(c), OSD_WEIGHT_SHORT);
        c.length++;
        assert_int_equal(weigh(c), OSD_WEIGHT_TRANSFER);
        c.length = 1 << 20;
        assert_int_equal(weigh(c), OSD_WEIGHT_TRANSFER);
        c.length++;
        assert_int_equal(weigh(c), OSD_WEIGHT_LONG);
        c.length = 256 << 10;
        c.fua = true;
        assert_int_equal(weigh(c), OSD_WEIGHT_LONG);
        c.length = 1;
        assert_int_equal(weigh(c), OSD_WEIGHT_LONG);
        assert_int_equal(weigh(rig_cmd(OSD_OP_GET_ATTRIBUTES, g, 0, 0)), OSD_WEIGHT_SHORT);
        assert_int_equal(weigh(rig_cmd(OSD_OP_REMOVE_PARTITION, g, 0, 0)), OSD_WEIGHT_SHORT);
    }
    c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, 0, 0);
    c.option = 1;
    assert_int_equal(weigh(c), OSD_WEIGHT_HEAVY);
    assert_int_equal(weigh_raw(inquiry, 6), OSD_WEIGHT_SHORT);
    assert_int_equal(weigh_raw(cut, 4), OSD_WEIGHT_SHORT);
    assert_int_equal(weigh_raw(cut, 0), OSD_WEIGHT_SHORT);
}

/* What can be many times longer than its CDB looks: long lists, and lists that ask for
 * everything. A command that is judged wrong holds up everybody behind it. */
static void test_interpreter_weight__many_attributes_and_objects_are_long(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_OID);

    unit = *state;
    c.attr.format = OSD_ATTR_LIST;
    c.attr.get_list_len = 1016;
    c.attr.get_alloc_len = 65535;
    assert_int_equal(weigh(c), OSD_WEIGHT_SHORT);
    c.attr.get_list_len = 1024;
    assert_int_equal(weigh(c), OSD_WEIGHT_HEAVY);
    c.attr.get_list_len = 8;
    c.attr.get_alloc_len = 65536;
    assert_int_equal(weigh(c), OSD_WEIGHT_LONG);
    c = rig_cmd(OSD_OP_SET_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_OID);
    c.attr.format = OSD_ATTR_LIST;
    c.attr.set_len = 16384;
    assert_int_equal(weigh(c), OSD_WEIGHT_LONG);
    c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, 0);
    c.count = 64;
    assert_int_equal(weigh(c), OSD_WEIGHT_SHORT);
    c.count = 65;
    assert_int_equal(weigh(c), OSD_WEIGHT_LONG);
    c = rig_cmd(OSD_OP_LIST, OSD_GEN2, RIG_PID, 0);
    c.length = 4096;
    assert_int_equal(weigh(c), OSD_WEIGHT_SHORT);
    c.list_attr = true;
    c.attr.format = OSD_ATTR_LIST;
    assert_int_equal(weigh(c), OSD_WEIGHT_HEAVY);
}

static struct osd_scope scope_raw(const uint8_t *raw, size_t len)
{
    struct osd_scope s;

    osd_device_weigh(unit->dev, raw, len, &s);
    return s;
}

static struct osd_scope scope_of(struct osd_cdb c)
{
    uint8_t raw[OSD_CDB_MAX];
    size_t len;

    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
    return scope_raw(raw, len);
}

static struct osd_scope scope(enum osd_gen gen, enum osd_op op, uint64_t pid, uint64_t oid)
{
    return scope_of(rig_cmd(op, gen, pid, oid));
}

/* Whoever may wait for a lock that another holds must be told so: else it holds up everybody
 * behind it. */
static void test_interpreter_scope__who_may_wait_for_whom(void **state)
{
    static const struct {
        uint64_t a_pid, a_oid, b_pid, b_oid;
        bool meet;
    } cases[] = {
        {0x10000, 0x10000, 0x10000, 0x10000, true},
        {0x10000, 0x10000, 0x10000, 0x10001, false},
        {0x10000, 0x10000, 0x10001, 0x10000, false},
        {0x10000, 0, 0x10000, 0x10001, true},
        {0x10000, 0, 0x10001, 0x10001, false},
        {0, 0, 0x10001, 0x10001, true},
        {0x10000, 0, 0x10001, 0, false},
        {0, 0, 0, 0, true},
    };

    unit = *state;
    for (BOTH(g))
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct osd_scope a = scope(g, OSD_OP_READ, cases[i].a_pid, cases[i].a_oid);
            struct osd_scope b = scope(g, OSD_OP_WRITE, cases[i].b_pid, cases[i].b_oid);
            assert_int_equal(osd_scopes_meet(a, b), cases[i].meet);
            assert_int_equal(osd_scopes_meet(b, a), cases[i].meet);
        }
}

/* Commands that hold more than the object they name: short commands on their neighbours would
 * wait for them where all commands arrive. */
static void test_interpreter_scope__commands_on_members_hold_the_partition(void **state)
{
    static const enum osd_op whole[] = {
        OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_OP_REMOVE_MEMBER_OBJECTS, OSD_OP_REMOVE_COLLECTION,
        OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_OP_COPY_USER_OBJECTS};
    struct osd_scope neighbour, far;
    struct osd_cdb c;

    unit = *state;
    neighbour = scope(OSD_GEN2, OSD_OP_READ, RIG_PID, RIG_OID + 1);
    far = scope(OSD_GEN2, OSD_OP_READ, RIG_PID + 1, RIG_OID);
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        c = rig_cmd(whole[i], OSD_GEN2, RIG_PID, RIG_CID);
        assert_true(osd_scopes_meet(scope_of(c), neighbour));
    }
    assert_true(osd_scopes_meet(scope_of(c), far)); /* a copy may come from anywhere */
    c = rig_cmd(OSD_OP_QUERY, OSD_GEN2, RIG_PID, RIG_CID);
    c.length = 1000;
    assert_false(osd_scopes_meet(scope_of(c), neighbour));
    c.length = 0;
    c.start = RIG_CID + 1; /* matches go into a collection, when all of them are known */
    assert_false(osd_scopes_meet(scope_of(c), neighbour));
    c = rig_cmd(OSD_OP_FLUSH_OSD, OSD_GEN2, 0, 0); /* holds nothing while it takes long */
    assert_false(osd_scopes_meet(scope_of(c), neighbour));
}

/* A STAGE and SPC commands wait for nobody; a COLLECT of a command that is not there may be
 * anything; a short CDB is not read beyond its end. */
static void test_interpreter_scope__commands_without_ids(void **state)
{
    static const uint8_t inquiry[6] = {0x12}, stub[10] = {0x7f};
    struct osd_scope all = {0}, object = {.pid = 0x10000, .oid = 0x10000};
    struct osd_twophase t = {.action = OSD_ACT_COLLECT};
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];

    unit = *state;
    assert_false(osd_scopes_meet(scope_raw(inquiry, sizeof(inquiry)), all));
    assert_false(osd_scopes_meet(scope_raw(stub, sizeof(stub)), all));
    osd_twophase_encode(&t, raw);
    assert_true(osd_scopes_meet(scope_raw(raw, sizeof(raw)), object));
    assert_int_equal(weigh_raw(raw, sizeof(raw)), OSD_WEIGHT_LONG);
    t.action = OSD_ACT_STAGE;
    osd_twophase_encode(&t, raw);
    assert_false(osd_scopes_meet(scope_raw(raw, sizeof(raw)), all));
    assert_int_equal(weigh_raw(raw, sizeof(raw)), OSD_WEIGHT_SHORT);
}

/* Stage a command without Data-Out under a tag of sevens. */
static void stage(struct rig *rig, const struct osd_cdb *c)
{
    struct osd_twophase t = {.action = OSD_ACT_STAGE, .tag = {7}};
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];

    assert_int_equal(osd_cdb_encode(c, rig->out, &rig->out_len), OSD_OK);
    t.length = (uint32_t)rig->out_len;
    osd_twophase_encode(&t, raw);
    rig->in_len = 0;
    rig_run_raw(rig, raw, sizeof(raw));
    expect_good(rig);
}

/* A COLLECT is as long as what it executes; otherwise a long command wrapped up in two phases
 * would run in the thread where all commands arrive. */
static void test_interpreter_weight__a_collect_weighs_what_it_executes(void **state)
{
    struct osd_twophase t = {.action = OSD_ACT_COLLECT, .tag = {7}, .length = 100};
    struct osd_cdb c = rig_cmd(OSD_OP_READ_MAP, OSD_GEN2, RIG_PID, RIG_OID);
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];

    unit = *state;
    rig_objects(unit);
    osd_twophase_encode(&t, raw);
    c.length = 100;
    stage(unit, &c);
    assert_int_equal(weigh_raw(raw, sizeof(raw)), OSD_WEIGHT_HEAVY);
    assert_int_equal(scope_raw(raw, sizeof(raw)).oid, RIG_OID);
    c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    c.length = 100;
    stage(unit, &c);
    assert_int_equal(weigh_raw(raw, sizeof(raw)), OSD_WEIGHT_SHORT);
    assert_int_equal(scope_raw(raw, sizeof(raw)).pid, RIG_PID);
}

/* ---- open ---- */

static void test_interpreter_device__methods_need_a_master_key(void **state)
{
    struct rig *rig = *state;
    struct rig other = {0};
    struct osd_device_config cfg = {.store = rig_store(&other, 0),
                                    .default_method = OSD_SEC_CMDRSP};
    struct osd_device *dev = NULL;

    (void)rig;
    assert_int_equal(osd_device_open(&cfg, &dev), OSD_E_NOT_FOUND);
    cfg.default_method = 4;
    assert_int_equal(osd_device_open(&cfg, &dev), OSD_E_UNSUPPORTED);
    assert_null(dev);
    cfg.store->ops->close(cfg.store); /* stays the caller's */
}

static void test_interpreter_device__a_serial_number_is_made_up(void **state)
{
    struct rig other = {0};
    struct osd_device_config cfg = {.store = rig_store(&other, 0)};
    uint8_t cdb[6] = {0x12, 1, 0x80, 0, 255, 0}, in[255];
    struct iovec v = {in, sizeof(in)};
    struct osd_request req = {.cdb = cdb, .cdb_len = 6, .in = osd_iov_make(&v, 1)};
    struct osd_response r;
    struct osd_device *dev;

    (void)state;
    assert_int_equal(osd_device_open(&cfg, &dev), OSD_OK);
    osd_device_execute(dev, &req, &r);
    assert_int_equal(r.status, SAM_GOOD);
    assert_int_equal(in[3], 32);
    osd_device_close(dev);
}

static void test_interpreter_device__counts_what_it_does(void **state)
{
    static const uint8_t ready[6], unknown[6] = {0x28};
    struct osd_device_stats s;
    struct rig *rig = *state;

    run(rig, ready, 6, 0);
    run(rig, unknown, 6, 0);
    osd_device_stats(rig->dev, &s);
    assert_int_equal(s.commands, 2);
    assert_int_equal(s.failures, 1);
    assert_int_equal(s.replays, 0);
    assert_int_equal(s.staged_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_spc__test_unit_ready_and_request_sense),
        rig_test(test_interpreter_spc__inquiry),
        rig_test(test_interpreter_spc__system_id_is_the_designator),
        rig_test(test_interpreter_spc__mode_sense),
        rig_test(test_interpreter_spc__mode_select_changes_nothing),
        rig_test(test_interpreter_spc__log_sense),
        rig_test(test_interpreter_spc__diagnostics_start_and_prevent),
        rig_test(test_interpreter_spc__report_luns),
        rig_test(test_interpreter_spc__supported_operation_codes),
        rig_test(test_interpreter_spc__others_are_unknown),
        rig_test(test_interpreter_weight__what_may_block_is_long),
        rig_test(test_interpreter_weight__many_attributes_and_objects_are_long),
        rig_test(test_interpreter_weight__a_collect_weighs_what_it_executes),
        rig_test(test_interpreter_scope__commands_on_members_hold_the_partition),
        rig_test(test_interpreter_scope__who_may_wait_for_whom),
        rig_test(test_interpreter_scope__commands_without_ids),
        rig_test(test_interpreter_device__methods_need_a_master_key),
        rig_test(test_interpreter_device__a_serial_number_is_made_up),
        rig_test(test_interpreter_device__counts_what_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
