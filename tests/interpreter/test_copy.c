/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_copy.c - COPY USER OBJECTS
 */
#include "dump.h"
#include "rig.h"

#define OTHER   (RIG_PID + 1)
#define COPY    (RIG_OID + 50)
#define SEGMENT 40
#define SOURCE  (SEGMENT + 8) /* the source descriptor's payload in Data-Out */

static void source(struct rig *rig)
{
    rig_objects(rig);
    rig_partition(rig, OTHER);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_join(rig, RIG_OID, 1, RIG_CID);
    rig_write(rig, RIG_OID, 10000, "twenty letters at 10", 20);
    rig_set_u(rig, RIG_PID, RIG_OID, 1, 0x82, 50000, 8);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 1, 9, "name", 4);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10003, 0xfffffffe, "last", 4);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10004, 1, "next", 4);
    rig_set_u(rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, 0x40000001, 77, 4);
}

/* A copy of RIG_OID; the descriptor is in rig->out, to be spoilt. */
static struct osd_cdb copy(struct rig *rig, uint64_t pid, uint64_t oid, bool attributes)
{
    struct osd_cdb c = rig_cmd(OSD_OP_COPY_USER_OBJECTS, OSD_GEN2, pid, oid);
    uint8_t *p = rig->out;

    memset(p, 0, 512);
    p[0] = 1;
    be16_put(p + 2, 0x8893);
    be16_put(p + SEGMENT, 0x0101);
    p[SEGMENT + 3] = 4;
    be32_put(p + SEGMENT + 4, 20);
    be64_put(p + SOURCE, RIG_PID);
    be64_put(p + SOURCE + 8, RIG_OID);
    p[SOURCE + 16] = attributes;
    rig->out_len = c.cont_len = SOURCE + 24;
    rig->in_len = 0;
    return c;
}

static void test_interpreter_copy__has_the_bytes_and_the_holes(void **state)
{
    struct rig *rig = *state;

    source(rig);
    for (uint64_t pid = RIG_PID; pid <= OTHER; pid++) {
        struct osd_cdb c = copy(rig, pid, COPY, false);
        uint8_t raw[64];
        rig->now += 5;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig_get_u(rig, pid, COPY, 1, 0x82), 50000);
        assert_int_equal(rig_get_u(rig, pid, COPY, 1, 0x81), 4096);
        assert_int_equal(rig_get_u(rig, pid, COPY, 3, 1), rig->now);
        assert_int_equal(rig_get(rig, OSD_GEN2, pid, COPY, 1, 9, raw), -1);
        c = rig_cmd(OSD_OP_READ, OSD_GEN2, pid, COPY);
        c.start = 9999;
        c.length = rig->in_len = 22;
        rig->out_len = 0;
        rig_run(rig, &c);
        expect_good(rig);
        assert_memory_equal(rig->in, "\0twenty letters at 10", 22);
    }
}

static void test_interpreter_copy__of_attributes_leaves_what_is_the_sources_own(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[4];
    uint8_t raw[64];

    source(rig);
    struct osd_cdb c = copy(rig, RIG_PID, COPY, true);
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, COPY, 1, 9, raw), 4);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, COPY, 0x10003, 0xfffffffe, raw), 4);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, COPY, 0x10004, 1, raw), 4);
    assert_memory_equal(raw, "next", 4);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, COPY, OSD_PG_COLLECTIONS, 1, raw), -1);
    assert_int_equal(rig_get_u(rig, RIG_PID, COPY, OSD_PG_SECURITY, 0x40000001), 0);
    assert_int_equal(rig_members(rig, RIG_CID, ids, 4), 1);
}

static void test_interpreter_copy__the_device_chooses_an_id(void **state)
{
    struct osd_current_command cc;
    struct rig *rig = *state;

    source(rig);
    struct osd_cdb c = copy(rig, RIG_PID, 0, false);
    c.attr.get_page = OSD_PAGE_CURRENT;
    c.attr.get_alloc_len = 100;
    c.attr.retrieved_off = 0;
    c.sec.nonce[1] = 3;
    for (int i = 0; i < 2; i++) { /* repeated, it answers the same */
        rig->in_len = 100;
        rig_run(rig, &c);
        expect_good(rig);
        struct osd_bytes page = {rig->in, rig->r.in_len};
        uint64_t before = cc.oid;
        assert_int_equal(osd_current_command_parse(page, OSD_GEN2, &cc), OSD_OK);
        assert_true(cc.oid >= OSD_ID_FIRST);
        assert_true(i == 0 || cc.oid == before);
    }
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), 3);
}

static void test_interpreter_copy__duplication_methods(void **state)
{
    static const uint8_t good[] = {0, 0x81, 0xfd, 0xfe, 0xff}, bad[] = {1, 2, 0x41, 0x80, 0xfc};
    struct rig *rig = *state;

    source(rig);
    for (size_t i = 0; i < sizeof(good); i++) {
        struct osd_cdb c = copy(rig, RIG_PID, COPY + i, false);
        c.duplication = good[i];
        rig_run(rig, &c);
        expect_good(rig);
    }
    for (size_t i = 0; i < sizeof(bad); i++) {
        struct osd_cdb c = copy(rig, RIG_PID, 0, false);
        c.duplication = bad[i];
        rig_run(rig, &c);
        expect_cdb(rig, 14);
    }
}

static void test_interpreter_copy__what_is_wrong_is_pointed_at(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    char *before, *after;

    source(rig);
    before = store_dump(rig->store, 0);
    c = copy(rig, RIG_PID, COPY, true);
    c.cont_len = 0;
    rig->out_len = 0;
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    c = copy(rig, RIG_PID, RIG_OID, true);
    rig_run(rig, &c);
    expect_cdb(rig, 24);
    c = copy(rig, RIG_PID, 0xffff, true);
    rig_run(rig, &c);
    expect_cdb(rig, 24);
    c = copy(rig, RIG_PID + 9, COPY, true);
    rig_run(rig, &c);
    expect_cdb(rig, 16);
    for (uint64_t pid = 0; pid < RIG_PID + 9; pid += RIG_PID + 8) { /* none, and the root */
        c = copy(rig, RIG_PID, COPY, true);
        be64_put(rig->out + SOURCE, pid);
        rig_run(rig, &c);
        expect_param(rig, SOURCE);
    }
    for (uint64_t oid = RIG_CID; oid < RIG_CID + 2; oid++) { /* a collection, nothing */
        c = copy(rig, RIG_PID, COPY, true);
        be64_put(rig->out + SOURCE + 8, oid);
        rig_run(rig, &c);
        expect_param(rig, SOURCE + 8);
    }
    c = copy(rig, RIG_PID, COPY, true);
    be32_put(rig->out + SEGMENT + 4, 19);
    rig->out[SEGMENT + 3] = 5;
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    c = copy(rig, RIG_PID, COPY, true); /* two sources */
    memcpy(rig->out + SEGMENT + 32, rig->out + SEGMENT, 32);
    rig->out_len = c.cont_len += 32;
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    rig_set_u(rig, OTHER, 0, OSD_PAGE_P + 2, 1, 40000, 8);
    c = copy(rig, OTHER, COPY, true);
    rig_run(rig, &c);
    expect_quota(rig, OSD_PAGE_U + 2, 1);
    rig_set_u(rig, OTHER, 0, OSD_PAGE_P + 2, 1, UINT64_MAX, 8);
    after = store_dump(rig->store, 0);
    assert_string_equal(before, after);
    free(before);
    free(after);
    c = copy(rig, RIG_PID, COPY, true); /* the short form of old initiators */
    be32_put(rig->out + SEGMENT + 4, 18);
    rig->out[SEGMENT + 3] = 6;
    rig_run(rig, &c);
    expect_good(rig);
}

/* Add a capability for the source behind its descriptor. */
static void extend(struct rig *rig, struct osd_cdb *c, const struct osd_capability *cap)
{
    uint8_t *p = rig->out + SOURCE + 24;

    be16_put(p, 0xffee);
    be32_put(p + 4, OSD2_CAPABILITY_LEN);
    osd_capability_encode(cap, OSD_GEN2, p + 8);
    rig->out_len = c->cont_len = SOURCE + 24 + 8 + OSD2_CAPABILITY_LEN;
}

static void test_interpreter_copy__the_source_needs_its_own_capability(void **state)
{
    struct rig *rig = *state;
    struct osd_capability good, bad;

    source(rig);
    struct osd_cdb c = copy(rig, RIG_PID, COPY, true);
    struct osd_cdb from = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    rig_cap(&c, OSD_TYPE_USER, OSD_PERM_CREATE | OSD_PERM_WRITE);
    rig_cap(&from, OSD_TYPE_USER, OSD_PERM_READ | OSD_PERM_GET_ATTR);
    good = from.cap;
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad = good;
    bad.permissions = OSD_PERM_READ;
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad = good;
    bad.allowed_oid++;
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad = good;
    bad.created = RIG_NOW + 1;
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad = good;
    bad.policy_tag = 78;
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad = good;
    bad.range_len = 1; /* for a part of the bytes, which a copy is not */
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad.range_len = UINT64_MAX;
    bad.range_start = 1;
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    bad = good;
    bad.allowed_attrs = 0x10000; /* for some attributes */
    extend(rig, &c, &bad);
    rig_run(rig, &c);
    expect_cdb(rig, 48);
    c.cap.range_len = 1; /* and the copy is written whole */
    extend(rig, &c, &good);
    rig_run(rig, &c);
    expect_cdb(rig, 32);
    c.cap.range_len = UINT64_MAX;
    good.range_len = UINT64_MAX;
    good.policy_tag = 77;
    good.created = RIG_NOW;
    extend(rig, &c, &good);
    rig_run(rig, &c);
    expect_good(rig);
    c.cap.permissions = OSD_PERM_CREATE;
    rig_run(rig, &c);
    expect_cdb(rig, 129);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_copy__has_the_bytes_and_the_holes),
        rig_test(test_interpreter_copy__of_attributes_leaves_what_is_the_sources_own),
        rig_test(test_interpreter_copy__the_device_chooses_an_id),
        rig_test(test_interpreter_copy__duplication_methods),
        rig_test(test_interpreter_copy__what_is_wrong_is_pointed_at),
        rig_test(test_interpreter_copy__the_source_needs_its_own_capability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
