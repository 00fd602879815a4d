/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_attributes.c - pages, formats, what is settable, timestamps
 */
#include "interpreter/device.h"
#include "rig.h"

#define R1 (OSD_PAGE_R + OSD_PG_INFORMATION)
#define P1 (OSD_PAGE_P + OSD_PG_INFORMATION)
#define U1 (OSD_PAGE_U + OSD_PG_INFORMATION)

/* GET ATTRIBUTES in page format; the page is in rig->in. */
static void get_page(struct rig *rig, enum osd_gen g, uint64_t pid, uint64_t oid, uint32_t page)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, pid, oid);

    c.attr.get_page = page;
    c.attr.get_alloc_len = 256;
    c.attr.retrieved_off = 0;
    rig->out_len = 0;
    rig->in_len = 256;
    rig_run(rig, &c);
}

/* What an initiator of old asks first; every entry must come back with a value. */
static void test_interpreter_attributes__what_linux_probes_is_never_empty(void **state)
{
    static const uint32_t numbers[] = {4, 5, 6, 7, 8, 9, 0x80, 0x81, 0xc0, 0x100, 3};
    struct rig *rig = *state;
    struct osd_attr_id want[11];
    struct osd_attr_cursor cur;
    struct osd_wire_error err;
    struct osd_attr_entry e;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, 0, 0);
        for (int i = 0; i < 11; i++)
            want[i] = (struct osd_attr_id){R1, numbers[i]};
        rig->out_len = rig_get_list(rig, g, 0, want, 11);
        rig->in_len = 1024;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 1024,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        struct osd_bytes list = {rig->in, rig->r.in_len};
        assert_int_equal(osd_attr_cursor_open(list, g, OSD_LIST_SET, true, &cur, &err), OSD_OK);
        for (int i = 0; i < 11; i++) {
            assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_OK);
            assert_int_equal(e.id.number, numbers[i]);
            assert_false(e.undefined);
            assert_true(e.len > 0);
        }
        assert_int_equal(e.len, 20);
        assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_E_NOT_FOUND);
    }
}

/* Length of each standard attribute; -1: undefined. generation 0: both. */
static const struct {
    int gen;
    uint32_t page, number;
    int len;
} lengths[] = {
    {0, R1, 0, 40},
    {0, R1, 3, 20},
    {0, R1, 4, 8},
    {0, R1, 5, 16},
    {0, R1, 6, 32},
    {0, R1, 7, 4},
    {0, R1, 8, 15},
    {0, R1, 0x80, 8},
    {2, R1, 0xa, 4},
    {1, R1, 0xa, -1},
    {2, R1, 0x110, 1},
    {2, R1, 0x111, 32},
    {2, R1, 0x120, 8},
    {2, R1, 0x121, 8},
    {2, R1, 0x122, 8},
    {2, R1, 0x123, 1},
    {2, R1, 0x7000001, 4},
    {2, R1, 0x7000002, 4},
    {2, R1, 0x7000003, -1},
    {2, R1, 0x200, 4},
    {1, R1, 0x200, -1},
    {2, R1, 0x201, 4},
    {0, R1, 0x202, -1},
    {2, R1, 0x281, 4},
    {2, R1, 0x2ff, 4},
    {2, R1, 0x310, 4},
    {2, R1, 0x1c1, 4},
    {2, R1, 0x1c2, 4},
    {1, R1, 0x1c1, -1},
    {2, R1, 0x1cc, 4},
    {2, R1, 0x311, 1},
    {2, R1, 0x7000101, 4},
    {2, R1, 0x700ffee, 4},
    {0, OSD_PAGE_R + 2, 1, 8},
    {0, OSD_PAGE_R + 2, 0x10081, 4},
    {0, OSD_PAGE_R + 2, 0x20002, 8},
    {0, OSD_PAGE_R + 3, 1, -1},
    {0, OSD_PAGE_R + 3, 2, 6},
    {0, OSD_PAGE_R + 3, 0xfffffffe, 1},
    {0, OSD_PAGE_R + 5, 1, 1},
    {0, OSD_PAGE_R + 5, 2, 6},
    {0, OSD_PAGE_R + 5, 6, 1},
    {0, OSD_PAGE_R + 5, 7, 2},
    {0, OSD_PAGE_R + 5, 9, 6},
    {2, OSD_PAGE_R + 5, 0xa, 2},
    {1, OSD_PAGE_R + 5, 0xa, -1},
    {0, OSD_PAGE_R + 5, 0x7ffd, -1},
    {0, OSD_PAGE_R + 5, 0x80000000, 1},
    {0, OSD_PAGE_R + 5, 0x8000001f, 1},
    {0, OSD_PAGE_R + 5, 0x80000020, -1},
    {0, OSD_PAGE_R + 0x60, 1, -1},
    {0, OSD_PAGE_R, R1, 40},
    {0, OSD_PAGE_P + 5, 1, 1}, /* of partition zero */
    {0, OSD_PAGE_P + 5, 0x40000001, 4},
    {0, OSD_PAGE_P + 2, 1, -1},
    {0, P1, 1, 8},
};

static void test_interpreter_attributes__of_the_root_have_their_lengths(void **state)
{
    struct rig *rig = *state;
    uint8_t value[65536];

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (BOTH(g))
            if (lengths[i].gen == 0 || lengths[i].gen == (int)g)
                assert_int_equal(
                    rig_get(rig, g, 0, 0, lengths[i].page, lengths[i].number, value),
                    lengths[i].len);
}

static void test_interpreter_attributes__of_partition_and_object_have_their_values(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, P1, 1), RIG_PID);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, P1, 0x81), 4096);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, P1, 0xc1), 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 3, 1), RIG_NOW);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 0x40000001), 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, U1, 1), RIG_PID);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, U1, 2), RIG_OID);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, U1, 0x81), 4096);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, U1, 0x82), 3);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 2, 1), UINT64_MAX);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 3, 1), RIG_NOW);
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0xc0), 1);
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0x81), 4096);
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0x100), RIG_NOW);
}

/* ---- client attributes ---- */

static void test_interpreter_attributes__clients_define_what_they_like(void **state)
{
    static const uint32_t pages[] = {0x10000,    0x10003,    0x1fffffff,
                                     0xf0000000, 0xf0000003, 0xfffffffd};
    static uint8_t big[65534], value[65536];
    struct rig *rig = *state;

    rig_objects(rig);
    memset(big, 0x5a, sizeof(big));
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        for (BOTH(g)) {
            rig_set(rig, g, RIG_PID, RIG_OID, pages[i], 1, "value", 5);
            expect_good(rig);
            assert_int_equal(rig_get(rig, g, RIG_PID, RIG_OID, pages[i], 1, value), 5);
            rig_set(rig, g, RIG_PID, RIG_OID, pages[i], 0xfffffffe, big,
                    g == OSD_GEN1 ? 40000 : sizeof(big));
            expect_good(rig);
            assert_int_equal(rig_get(rig, g, RIG_PID, RIG_OID, pages[i], 0xfffffffe, value),
                             g == OSD_GEN1 ? 40000 : sizeof(big));
            rig_set(rig, g, RIG_PID, RIG_OID, pages[i], 1, NULL, 0); /* undefine */
            expect_good(rig);
            assert_int_equal(rig_get(rig, g, RIG_PID, RIG_OID, pages[i], 1, value), -1);
        }
    }
    rig_set(rig, OSD_GEN2, RIG_PID, 0, OSD_PAGE_P + 0x10000, 1, "p", 1);
    expect_good(rig);
    rig_set(rig, OSD_GEN2, 0, 0, OSD_PAGE_R + 0x10000, 1, "r", 1);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN1, 0, 0, OSD_PAGE_R + 0x10000, 1, value), 1);
}

static void test_interpreter_attributes__a_page_is_identified_by_attribute_zero(void **state)
{
    uint8_t value[64], full[40];
    struct rig *rig = *state;

    rig_objects(rig);
    memset(full, 'x', sizeof(full));
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, U1, 0, value), 40);
    assert_string_equal((char *)value, "INCITS  T10 User Object Information");
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, 0, OSD_PAGE_P + 0xf000, 0, value), 40);
    assert_string_equal((char *)value, "LIOSD   Partition Indexes"); /* docs/query.md */
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10000, 0, value), -1);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10000, 7, "v", 1);
    /* The directory shows the page, without a name yet. */
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 0, 0x10000, value), 40);
    assert_int_equal(value[0], 0);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 0, 0x10001, value), -1);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10000, 0, "VENDOR  name", 12);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10000, 0, value), 40);
    assert_string_equal((char *)value, "VENDOR  name");
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 0, 0x10000, value), 40);
    assert_string_equal((char *)value, "VENDOR  name");
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10000, 0, full, 40);
    expect_param(rig, 8);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10000, 0, value, 41);
    expect_param(rig, 8);
}

/* ---- what cannot be set ---- */

static const struct {
    uint64_t pid, oid;
    uint32_t page, number;
    uint16_t len;
} refused[] = {
    {0, 0, R1, 0, 8},
    {0, 0, R1, 3, 20},
    {0, 0, R1, 0x81, 8},
    {0, 0, OSD_PAGE_R + 5, 7, 2},
    {0, 0, OSD_PAGE_R + 3, 2, 6},
    {0, 0, OSD_PAGE_R + 2, 1, 7},
    {0, 0, OSD_PAGE_R + 2, 1, 0},
    {0, 0, OSD_PAGE_R + 0x60, 1, 1},
    {0, 0, OSD_PAGE_R + 0x8000, 1, 1},
    {0, 0, OSD_PAGE_R + 0x20000000, 1, 1},
    {0, 0, OSD_PAGE_U + 1, 9, 1},
    {0, 0, 0xc0000000, 1, 1},
    {0, 0, OSD_PAGE_CURRENT, 1, 1},
    {0, 0, OSD_PAGE_ALL, 1, 1},
    {0, 0, OSD_PAGE_R + 0x10000, OSD_ATTR_ALL, 1},
    {RIG_PID, 0, R1, 9, 1},
    {RIG_PID, 0, P1, 0xc1, 8},
    {RIG_PID, 0, OSD_PAGE_P, 1, 40},
    {RIG_PID, 0, OSD_PAGE_P + 5, 0x7fff, 7},
    {RIG_PID, RIG_OID, P1, 9, 1},
    {RIG_PID, RIG_OID, U1, 1, 8},
    {RIG_PID, RIG_OID, U1, 0x82, 4},
    {RIG_PID, RIG_OID, OSD_PG_COLLECTIONS, 1, 8},
    {RIG_PID, RIG_OID, 3, 1, 6},
};

static void test_interpreter_attributes__what_is_not_settable_is_refused_by_entry(void **state)
{
    static const uint8_t zeros[64];
    struct rig *rig = *state;

    rig_objects(rig);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        for (BOTH(g)) {
            rig_set(rig, g, refused[i].pid, refused[i].oid, refused[i].page, refused[i].number,
                    zeros, refused[i].len);
            expect_param(rig, g == OSD_GEN1 ? 4 : 8);
        }
    }
}

/* Everything before the refused entry is undone. */
static void test_interpreter_attributes__a_refused_entry_undoes_the_list(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_OID);
    struct osd_writer w = osd_writer_make(rig->out, RIG_BUF);
    uint8_t value[64];

    rig_objects(rig);
    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_SET);
    osd_attr_put_value(&w, OSD_GEN2, (struct osd_attr_id){U1, 9}, "name", 4);
    osd_attr_put_value(&w, OSD_GEN2, (struct osd_attr_id){U1, 2}, "12345678", 8);
    osd_attr_list_close(&w, OSD_GEN2, 0);
    rig->out_len = w.full;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_off = OSD_OFFSET_UNUSED,
                                      .retrieved_off = OSD_OFFSET_UNUSED,
                                      .set_len = (uint32_t)w.full};
    rig_run(rig, &c);
    expect_param(rig, 8 + 24);
    assert_int_equal(rig->sense.n_attrs, 1);
    assert_int_equal(rig->sense.attrs[0].page, U1);
    assert_int_equal(rig->sense.attrs[0].number, 2);
    assert_int_equal(rig->sense.completed, OSD_FN_VALIDATION | OSD_FN_CMD_CAP | OSD_FN_SA_CAP);
    assert_int_equal(rig->sense.not_initiated,
                     OSD_FN_ALL & ~rig->sense.completed & ~OSD_FN_SET_ATTR);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, U1, 9, value), -1);
}

static void test_interpreter_attributes__page_format_sets_one(void **state)
{
    struct rig *rig = *state;
    uint8_t value[64];

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, g, RIG_PID, RIG_OID);
        c.attr.set_page = U1;
        c.attr.set_number = 9;
        c.attr.set_len = 4;
        c.attr.set_off = 256;
        memcpy(rig->out + 256, "name", 4);
        rig->out_len = 260;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig_get(rig, g, RIG_PID, RIG_OID, U1, 9, value), 4);
        c.attr.set_len = 0; /* undefines */
        c.attr.set_off = OSD_OFFSET_UNUSED;
        rig->out_len = 0;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig_get(rig, g, RIG_PID, RIG_OID, U1, 9, value), -1);
        c.attr.set_off = 0;
        rig->out_len = 64;
        c.attr.set_number = 1;
        c.attr.set_len = 8;
        rig_run(rig, &c);
        expect_cdb(rig, 68);
        c.attr.set_number = 0x82;
        c.attr.set_len = 7;
        rig_run(rig, &c);
        expect_cdb(rig, 72);
        c.attr.set_page = P1;
        rig_run(rig, &c);
        expect_cdb(rig, 64);
        c = rig_cmd(OSD_OP_SET_ATTRIBUTES, g, RIG_PID, 0);
        c.attr.set_page = OSD_PAGE_P + 3;
        c.attr.set_number = 0xfffffffe;
        c.attr.set_len = 1;
        c.attr.set_off = 0;
        rig->out[0] = 0x33;
        rig_run(rig, &c);
        expect_cdb(rig, 76);
    }
}

static void test_interpreter_attributes__the_cdb_field_sets_one(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_OID);
    uint8_t value[64], raw[OSD_CDB_MAX];
    size_t len;

    rig_objects(rig);
    c.attr = (struct osd_attr_params){
        .format = OSD_ATTR_CDB, .set_page = U1, .set_number = 9, .set_len = 18};
    memcpy(c.attr.value, "eighteen bytes    ", 18);
    rig->out_len = rig->in_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, U1, 9, value), 18);
    rig->out_len = rig->in_len = 0;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
    be16_put(raw + 60, 19);
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 60);
    be16_put(raw + 60, 8);
    be32_put(raw + 56, OSD_ATTR_ALL);
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 56);
    be32_put(raw + 52, OSD_PAGE_ALL);
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 52);
    be32_put(raw + 52, 0);
    be32_put(raw + 56, 1);
    rig_run_raw(rig, raw, len);
    expect_cdb(rig, 52);
    be16_put(raw + 60, 0); /* page 0 and length 0: nothing to set */
    rig_run_raw(rig, raw, len);
    expect_good(rig);
    c.attr.set_page = P1;
    c.attr.set_len = 1;
    rig_run(rig, &c);
    expect_cdb(rig, 52);
    c.attr.set_page = U1;
    c.attr.set_number = 1;
    rig_run(rig, &c);
    expect_cdb(rig, 56);
    c.attr.set_number = 0x82;
    rig_run(rig, &c);
    expect_cdb(rig, 60);
}

/* ---- page format ---- */

static void test_interpreter_attributes__pages_have_their_layouts(void **state)
{
    static const struct {
        uint64_t pid, oid;
        uint32_t page, total;
    } layouts[] = {{0, 0, OSD_PAGE_R + 2, 44},        {0, 0, OSD_PAGE_R + 3, 21},
                   {RIG_PID, 0, OSD_PAGE_P + 2, 36},  {RIG_PID, 0, OSD_PAGE_P + 3, 39},
                   {RIG_PID, 0, OSD_PAGE_P + 5, 158}, {RIG_PID, RIG_OID, 2, 16},
                   {RIG_PID, RIG_OID, 3, 38},         {RIG_PID, RIG_OID, 5, 12}};
    struct rig *rig = *state;

    rig_objects(rig);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 2, 0x10001, 123456, 8);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 0x40000001, 0xdead, 4);
    for (BOTH(g)) {
        for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
            get_page(rig, g, layouts[i].pid, layouts[i].oid, layouts[i].page);
            expect_good(rig);
            assert_int_equal(rig->r.in_len, layouts[i].total);
            assert_int_equal(be32_get(rig->in), layouts[i].page);
            assert_int_equal(be32_get(rig->in + 4), layouts[i].total - 8);
        }
        get_page(rig, g, RIG_PID, 0, OSD_PAGE_P + 2);
        assert_int_equal(be64_get(rig->in + 16), 123456);
        get_page(rig, g, RIG_PID, 0, OSD_PAGE_P + 5);
        assert_int_equal(be32_get(rig->in + (g == OSD_GEN1 ? 150 : 28)), 0xdead);
        get_page(rig, g, 0, 0, OSD_PAGE_R + 5);
        assert_int_equal(rig->r.in_len, g == OSD_GEN1 ? 71 : 74);
        assert_int_equal(be16_get(rig->in + 10), 1); /* NOSEC: there is no key */
        get_page(rig, g, RIG_PID, RIG_OID, OSD_PAGE_CURRENT);
        assert_int_equal(rig->r.in_len, g == OSD_GEN1 ? 56 : 76);
    }
}

static void test_interpreter_attributes__pages_without_layout(void **state)
{
    static const uint32_t no_page_format[] = {U1,         OSD_PAGE_P + 2, 0x10000,
                                              0xf0000000, 0xc0000000,     OSD_PAGE_ALL};
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        for (size_t i = 0; i < sizeof(no_page_format) / sizeof(no_page_format[0]); i++) {
            get_page(rig, g, RIG_PID, RIG_OID, no_page_format[i]);
            expect_cdb(rig, 52);
        }
        get_page(rig, g, RIG_PID, RIG_OID, 0x60); /* the null page */
        expect_good(rig);
        assert_int_equal(rig->r.in_len, 8);
        assert_int_equal(be64_get(rig->in), 0x6000000000ULL);
    }
}

/* ---- lists ---- */

static size_t get_all(struct rig *rig, enum osd_gen g, uint32_t page, struct osd_attr_id *ret,
                      size_t max, size_t alloc)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, RIG_PID, RIG_OID);
    struct osd_attr_id want = {page, OSD_ATTR_ALL};
    struct osd_attr_cursor cur;
    struct osd_wire_error err;
    struct osd_attr_entry e;
    size_t n = 0;

    rig->out_len = rig_get_list(rig, g, 0, &want, 1);
    rig->in_len = alloc;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)rig->out_len,
                                      .get_alloc_len = (uint32_t)alloc,
                                      .set_off = OSD_OFFSET_UNUSED};
    rig_run(rig, &c);
    expect_good(rig);
    struct osd_bytes list = {rig->in, rig->r.in_len};
    assert_int_equal(osd_attr_cursor_open(list, g, OSD_LIST_SET, true, &cur, &err), OSD_OK);
    while (n < max && osd_attr_cursor_next(&cur, &e, &err) == OSD_OK) {
        assert_false(e.undefined);
        ret[n++] = e.id;
    }
    return n;
}

static void test_interpreter_attributes__all_of_a_page_and_of_all_pages(void **state)
{
    struct rig *rig = *state;
    struct osd_attr_id ids[64];

    rig_objects(rig);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10003, 5, "five", 4);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10003, 2, "two", 3);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10004, 2, "other", 5);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0xf0000003, 2, "any", 3);
    for (BOTH(g)) {
        assert_int_equal(get_all(rig, g, 0x10003, ids, 64, 4096), 2);
        assert_int_equal(ids[0].number, 2);
        assert_int_equal(ids[1].number, 5);
        assert_int_equal(get_all(rig, g, 0xf0000003, ids, 64, 4096), 1);
        assert_int_equal(get_all(rig, g, 3, ids, 64, 4096), 6);
        assert_int_equal(get_all(rig, g, OSD_PAGE_CURRENT, ids, 64, 4096),
                         g == OSD_GEN1 ? 5 : 6);
        size_t n = get_all(rig, g, OSD_PAGE_ALL, ids, 64, 4096);
        bool client = false;
        for (size_t i = 0; i < n; i++) {
            if (i > 0)
                assert_true(
                    ids[i].page > ids[i - 1].page ||
                    (ids[i].page == ids[i - 1].page && ids[i].number > ids[i - 1].number));
            assert_true(ids[i].page < OSD_PAGE_P);
            client = client || ids[i].page == 0x10004;
        }
        assert_true(client);
        /* In the directory: six or seven pages of the standard, two of the client. */
        assert_int_equal(get_all(rig, g, 0, ids, 64, 4096), g == OSD_GEN1 ? 8 : 9);
    }
}

static void test_interpreter_attributes__an_allocation_length_cuts_but_lengths_stay(
    void **state)
{
    struct rig *rig = *state;
    struct osd_attr_id ids[4];
    static uint8_t value[1000];

    rig_objects(rig);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10003, 5, value, sizeof(value));
    for (BOTH(g)) {
        assert_int_equal(get_all(rig, g, 0x10003, ids, 4, 100), 1);
        assert_int_equal(rig->r.in_len, 100);
        if (g == OSD_GEN1) {
            assert_int_equal(be16_get(rig->in + 2), 1010);
            assert_int_equal(be16_get(rig->in + 12), 1000);
        } else {
            assert_int_equal(be32_get(rig->in + 4), 1016);
            assert_int_equal(be16_get(rig->in + 22), 1000);
        }
    }
}

/* A short list that asks for everything a thousand times: what nobody sees is not looked up, but
 * the list says that it was cut. */
static void test_interpreter_attributes__what_is_cut_off_costs_little(void **state)
{
    static struct osd_attr_id all[1000];
    static uint8_t value[300];
    struct rig *rig = *state;
    struct osd_cdb c;

    rig_objects(rig);
    for (uint32_t i = 1; i <= 500; i++)
        rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 0x10003, i, value, sizeof(value));
    for (size_t i = 0; i < 1000; i++)
        all[i] = (struct osd_attr_id){OSD_PAGE_ALL, OSD_ATTR_ALL};
    rig->dev->max_steps = 1000;
    for (BOTH(g)) {
        c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, RIG_PID, RIG_OID);
        rig->out_len = rig_get_list(rig, g, 0, all, 1000);
        rig->in_len = 1024;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 1024,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, 1024);
        assert_true(osd_attr_list_cut((struct osd_bytes){rig->in, 1024}, g));
    }
}

/* Attributes of members: entries times members are bounded as well. */
static void test_interpreter_attributes__of_members_have_an_end(void **state)
{
    struct osd_attr_id none[50];
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_GET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, RIG_CID);

    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (uint64_t i = 1; i <= 10; i++) {
        rig_object(rig, RIG_PID, RIG_OID + i);
        rig_join(rig, RIG_OID + i, 1, RIG_CID);
    }
    for (size_t i = 0; i < 50; i++) /* pages without attributes: no answer grows */
        none[i] = (struct osd_attr_id){0x20000 + (uint32_t)i, OSD_ATTR_ALL};
    rig->out_len = rig_get_list(rig, OSD_GEN2, 0, none, 50);
    rig->in_len = 1024;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)rig->out_len,
                                      .get_alloc_len = 1024,
                                      .set_off = OSD_OFFSET_UNUSED};
    rig_run(rig, &c);
    expect_good(rig);
    rig->dev->max_steps = 400;
    rig_run(rig, &c);
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE);
}

static void test_interpreter_attributes__malformed_lists_point_into_data_out(void **state)
{
    struct rig *rig = *state;
    struct osd_attr_id want[2] = {{U1, 9}, {U1, 9}};

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, RIG_PID, RIG_OID);
        uint16_t head = g == OSD_GEN1 ? 4 : 8;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_off = 256,
                                          .get_alloc_len = 512,
                                          .set_off = OSD_OFFSET_UNUSED};
        c.attr.get_list_len = (uint32_t)rig_get_list(rig, g, 256, want, 2);
        rig->out_len = 1024;
        rig->in_len = 1024;
        rig_run(rig, &c);
        expect_good(rig);
        rig->out[256] = 9; /* wrong type */
        rig_run(rig, &c);
        expect_param(rig, 256);
        rig->out[256] = 1;
        be32_put(rig->out + 256 + head + 8, P1); /* page of another object */
        rig_run(rig, &c);
        expect_param(rig, 256 + head + 8);
        be32_put(rig->out + 256 + head + 8, OSD_PAGE_ALL); /* all pages, one number */
        rig_run(rig, &c);
        expect_param(rig, 256 + head + 8);
        c.attr.get_list_len = head + 12; /* a cut entry */
        memset(rig->out + 257, 0, head - 1u);
        rig_run(rig, &c);
        expect_param(rig, 256 + head + 8);
        c.attr.get_list_len = 3;
        rig_run(rig, &c);
        expect_param(rig, 256);
    }
}

/* ---- meaning ---- */

static void test_interpreter_attributes__logical_length_truncates_and_extends(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abcdef", 6);
    rig_set_u(rig, RIG_PID, RIG_OID, U1, 0x82, 3, 8);
    expect_good(rig);
    rig_set_u(rig, RIG_PID, RIG_OID, U1, 0x82, 6, 8);
    expect_good(rig);
    c.length = 6;
    rig->out_len = 0;
    rig->in_len = 6;
    rig_run(rig, &c);
    expect_good(rig);
    assert_memory_equal(rig->in, "abc\0\0\0", 6);
}

static void test_interpreter_attributes__get_sees_what_the_command_did(void **state)
{
    struct rig *rig = *state;
    struct osd_attr_id want = {U1, 9};

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, g, RIG_PID, RIG_OID);
        size_t at = g == OSD_GEN1 ? 4 + 10 : 8 + 16;
        c.attr.format = OSD_ATTR_LIST;
        c.attr.get_list_len = (uint32_t)rig_get_list(rig, g, 0, &want, 1);
        c.attr.get_list_off = 0;
        c.attr.get_alloc_len = 64;
        c.attr.retrieved_off = 0;
        c.attr.set_off = 256;
        c.attr.set_len =
            (uint32_t)rig_set_list(rig, g, 256, want, g == OSD_GEN1 ? "a" : "c", 1);
        rig->out_len = 256 + c.attr.set_len;
        rig->in_len = 64;
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->in[at], g == OSD_GEN1 ? 'a' : 'c');
        c.op = OSD_OP_GET_ATTRIBUTES; /* gets first, sets then */
        rig_set_list(rig, g, 256, want, "b", 1);
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->in[at], g == OSD_GEN1 ? 'a' : 'c');
        rig_run(rig, &c);
        assert_int_equal(rig->in[at], 'b');
    }
}

static void test_interpreter_attributes__the_clock_can_be_set(void **state)
{
    struct rig *rig = *state;

    rig_set_u(rig, 0, 0, OSD_PAGE_R + 5, 9, 1000000, 6);
    expect_good(rig);
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0x100), 1000000);
    rig->now--; /* another thread's reading may be older */
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0x100), 1000000);
    rig->now += 6;
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0x100), 1000005);
    rig_set_u(rig, 0, 0, OSD_PAGE_R + 5, 9, 500000, 6);
    assert_int_equal(rig_get_u(rig, 0, 0, R1, 0x100), 500000);
}

static void test_interpreter_attributes__values_out_of_range(void **state)
{
    struct rig *rig = *state;

    rig_partition(rig, RIG_PID);
    rig_set_u(rig, 0, 0, OSD_PAGE_R + 5, 1, 2, 1); /* there is no key */
    expect_param(rig, 8);
    rig_set_u(rig, 0, 0, OSD_PAGE_R + 5, 1, 0, 1);
    expect_good(rig);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 2, 1ULL << 40, 6); /* beyond the root's limit */
    expect_param(rig, 8);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 2, 1000, 6);
    expect_good(rig);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 5, 2), 1000);
    rig_set_u(rig, 0, 0, R1, 0x110, 3, 1);
    expect_param(rig, 8);
    rig_set_u(rig, 0, 0, R1, 0x110, 1, 1);
    expect_good(rig);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 4, 1, 1, 7); /* descriptors have 8 bytes */
    expect_param(rig, 8);
}

/* ---- timestamps ---- */

struct times {
    uint64_t created, attr_accessed, attr_modified, data_accessed, data_modified;
};

static struct times times_of(struct rig *rig, uint64_t oid)
{
    uint32_t page = (oid ? OSD_PAGE_U : OSD_PAGE_P) + OSD_PG_TIMESTAMPS;

    get_page(rig, OSD_GEN2, RIG_PID, oid, page);
    expect_good(rig);
    return (struct times){be48_get(rig->in + 8), be48_get(rig->in + 14), be48_get(rig->in + 20),
                          be48_get(rig->in + 26), be48_get(rig->in + 32)};
}

static void read_one(struct rig *rig, uint8_t timestamps)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);

    c.length = 1;
    c.timestamps = timestamps;
    rig->out_len = 0;
    rig->in_len = 1;
    rig_run(rig, &c);
    expect_good(rig);
}

static void test_interpreter_attributes__timestamps_follow_the_commands(void **state)
{
    struct rig *rig = *state;
    struct times t;

    rig_objects(rig);
    rig->now = RIG_NOW + 1;
    rig_write(rig, RIG_OID, 0, "abc", 3);
    rig->now = RIG_NOW + 2;
    read_one(rig, 0);
    rig->now = RIG_NOW + 3;
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, U1, 9, "n", 1);
    rig->now = RIG_NOW + 4;
    times_of(rig, RIG_OID);
    t = times_of(rig, RIG_OID);
    assert_int_equal(t.created, RIG_NOW);
    assert_int_equal(t.data_modified, RIG_NOW + 1);
    assert_int_equal(t.data_accessed, RIG_NOW + 2);
    assert_int_equal(t.attr_modified, RIG_NOW + 3);
    assert_int_equal(t.attr_accessed, RIG_NOW + 4);
    t = times_of(rig, 0);
    assert_int_equal(t.data_modified, RIG_NOW + 1);
    assert_int_equal(t.data_accessed, RIG_NOW + 2);
    assert_int_equal(t.attr_modified, RIG_NOW);
    rig->now = RIG_NOW + 5;
    rig_set_u(rig, RIG_PID, RIG_OID, U1, 0x82, 1, 8);
    assert_int_equal(times_of(rig, RIG_OID).data_modified, RIG_NOW + 5);
    assert_int_equal(times_of(rig, 0).data_modified, RIG_NOW + 5);
}

static void test_interpreter_attributes__timestamps_can_be_bypassed(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    rig->now = RIG_NOW + 1;
    read_one(rig, 0x7f);
    assert_int_equal(times_of(rig, RIG_OID).data_accessed, RIG_NOW);
    read_one(rig, 0xe0); /* vendor specific: as usual */
    assert_int_equal(times_of(rig, RIG_OID).data_accessed, RIG_NOW + 1);
    rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + 3, 0xfffffffe, 0x7f, 1);
    expect_good(rig);
    rig->now = RIG_NOW + 2;
    read_one(rig, 0);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    assert_int_equal(times_of(rig, RIG_OID).data_accessed, RIG_NOW + 1);
    assert_int_equal(times_of(rig, RIG_OID).data_modified, RIG_NOW);
    assert_int_equal(times_of(rig, 0).data_modified, RIG_NOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_attributes__what_linux_probes_is_never_empty),
        rig_test(test_interpreter_attributes__of_the_root_have_their_lengths),
        rig_test(test_interpreter_attributes__of_partition_and_object_have_their_values),
        rig_test(test_interpreter_attributes__clients_define_what_they_like),
        rig_test(test_interpreter_attributes__a_page_is_identified_by_attribute_zero),
        rig_test(test_interpreter_attributes__what_is_not_settable_is_refused_by_entry),
        rig_test(test_interpreter_attributes__a_refused_entry_undoes_the_list),
        rig_test(test_interpreter_attributes__page_format_sets_one),
        rig_test(test_interpreter_attributes__the_cdb_field_sets_one),
        rig_test(test_interpreter_attributes__pages_have_their_layouts),
        rig_test(test_interpreter_attributes__pages_without_layout),
        rig_test(test_interpreter_attributes__all_of_a_page_and_of_all_pages),
        rig_test(test_interpreter_attributes__an_allocation_length_cuts_but_lengths_stay),
        rig_test(test_interpreter_attributes__malformed_lists_point_into_data_out),
        rig_test(test_interpreter_attributes__logical_length_truncates_and_extends),
        rig_test(test_interpreter_attributes__get_sees_what_the_command_did),
        rig_test(test_interpreter_attributes__the_clock_can_be_set),
        rig_test(test_interpreter_attributes__values_out_of_range),
        rig_test(test_interpreter_attributes__timestamps_follow_the_commands),
        rig_test(test_interpreter_attributes__timestamps_can_be_bypassed),
        rig_test(test_interpreter_attributes__what_is_cut_off_costs_little),
        rig_test(test_interpreter_attributes__of_members_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
