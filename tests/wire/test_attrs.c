/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_attrs.c - attribute lists and pages beyond the vectors: round trips, cuts at
 * every length, wrong lists point at the wrong byte
 */
#include <string.h>

#include "common/bytes.h"
#include "random.h"
#include "wire/attrs.h"

#define BOTH(g)                                                                                \
    enum osd_gen g = OSD_GEN1;                                                                 \
    g <= OSD_GEN2;                                                                             \
    g++
#define MAX 64

struct item {
    struct osd_attr_id id;
    uint64_t oid;
    bool undefined;
    uint16_t len;
    uint8_t value[80];
};

static size_t head_len(enum osd_gen gen)
{
    return gen == OSD_GEN1 ? 4 : 8;
}

static size_t random_items(uint64_t *rng, struct item *items)
{
    size_t n = random_next(rng) % MAX;
    uint64_t oid = 0x10000;

    for (size_t i = 0; i < n; i++) {
        oid += random_next(rng) % 3 == 0;
        items[i] = (struct item){
            .id = {(uint32_t)random_next(rng), (uint32_t)random_next(rng)},
            .oid = oid,
            .undefined = random_next(rng) % 5 == 0,
        };
        if (!items[i].undefined)
            items[i].len = (uint16_t)(1 + random_next(rng) % sizeof(items[i].value));
        random_fill(rng, items[i].value, items[i].len);
    }
    return n;
}

/* A list of type 1h, 9h, Eh or Fh with these entries. */
static void put_list(struct osd_writer *w, enum osd_gen gen, enum osd_list_type type,
                     const struct item *items, size_t n)
{
    size_t start = w->full, group = 0;

    osd_attr_list_open(w, gen, type);
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &items[i];
        bool grouped = type == OSD_LIST_MULTI_V2;

        if (grouped && (i == 0 || it->oid != it[-1].oid))
            group = osd_attr_group_open(w, it->oid, OSD_TYPE_USER);
        if (type == OSD_LIST_GET)
            osd_attr_put_get(w, gen, it->id);
        else if (type == OSD_LIST_MULTI_V1)
            osd_attr_put_multi_v1(w, it->oid, it->id, it->value, it->len, it->undefined);
        else if (it->undefined)
            osd_attr_put_undefined(w, gen, it->id);
        else
            osd_attr_put_value(w, gen, it->id, it->value, it->len);
        if (grouped && (i + 1 == n || it[1].oid != it->oid))
            osd_attr_group_close(w, group);
    }
    osd_attr_list_close(w, gen, start);
}

static void expect_item(const struct osd_attr_entry *e, const struct item *it,
                        enum osd_list_type type)
{
    assert_int_equal(e->id.page, it->id.page);
    assert_int_equal(e->id.number, it->id.number);
    if (type == OSD_LIST_GET)
        return;
    assert_int_equal(e->len, it->len);
    assert_int_equal(e->undefined, it->undefined);
    assert_memory_equal(e->value.data, it->value, e->value.len);
    if (type != OSD_LIST_SET)
        assert_int_equal(e->oid, it->oid);
}

static const struct kind {
    enum osd_gen gen;
    enum osd_list_type type;
} kinds[] = {{OSD_GEN1, OSD_LIST_GET},      {OSD_GEN2, OSD_LIST_GET},
             {OSD_GEN1, OSD_LIST_SET},      {OSD_GEN2, OSD_LIST_SET},
             {OSD_GEN1, OSD_LIST_MULTI_V1}, {OSD_GEN2, OSD_LIST_MULTI_V2}};

#define EACH_KIND(k)                                                                           \
    const struct kind *k = kinds;                                                              \
    k < kinds + 6;                                                                             \
    k++

static void test_wire_attrs__random_lists_survive(void **state)
{
    uint64_t rng = 808;

    (void)state;
    for (int round = 0; round < 300; round++) {
        for (EACH_KIND(k)) {
            struct item items[MAX];
            uint8_t raw[MAX * 128];
            struct osd_writer w = osd_writer_make(raw, sizeof(raw));
            struct osd_attr_cursor c;
            struct osd_attr_entry e;
            struct osd_wire_error err;
            size_t n = random_items(&rng, items);

            put_list(&w, k->gen, k->type, items, n);
            assert_true(w.full <= sizeof(raw));
            struct osd_bytes list = {raw, w.full};
            assert_int_equal(osd_attr_cursor_open(list, k->gen, k->type, true, &c, &err),
                             OSD_OK);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_OK);
                assert_int_equal(e.value.len, e.len);
                expect_item(&e, &items[i], k->type);
            }
            assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_E_NOT_FOUND);
            assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_E_NOT_FOUND);
        }
    }
}

/* A client reads what an allocation length left over: whole entries, then perhaps the beginning
 * of one value with its true length, then the end. */
static void test_wire_attrs__retrieved_lists_may_be_cut_anywhere(void **state)
{
    uint64_t rng = 909;

    (void)state;
    for (EACH_KIND(k)) {
        struct item items[MAX];
        uint8_t raw[MAX * 128];
        size_t n;

        do
            n = random_items(&rng, items);
        while (n < 5);
        struct osd_writer full = osd_writer_make(raw, sizeof(raw));
        put_list(&full, k->gen, k->type, items, n);
        for (size_t cut = 0; cut < full.full; cut++) {
            uint8_t part[MAX * 128];
            struct osd_writer w = osd_writer_make(part, cut);
            struct osd_attr_cursor c;
            struct osd_attr_entry e;
            struct osd_wire_error err;
            size_t i = 0;
            osd_status st;

            memset(part, 0xee, sizeof(part));
            put_list(&w, k->gen, k->type, items, n);
            assert_int_equal(w.full, full.full); /* lengths describe the whole */
            assert_memory_equal(part, raw, cut);
            assert_int_equal(part[cut], 0xee);
            st = osd_attr_cursor_open((struct osd_bytes){part, cut}, k->gen, k->type, true, &c,
                                      &err);
            assert_int_equal(st, cut < head_len(k->gen) ? OSD_E_INVALID : OSD_OK);
            while (st == OSD_OK && (st = osd_attr_cursor_next(&c, &e, &err)) == OSD_OK) {
                expect_item(&e, &items[i++], k->type);
                assert_true(e.value.data + e.value.len <= part + cut);
            }
            assert_true(st == OSD_E_NOT_FOUND || cut < head_len(k->gen));
            assert_true(i <= n);
        }
    }
}

/* What a device gets must be whole: a cut is allowed only between two entries. */
static void test_wire_attrs__lists_to_a_device_must_be_whole(void **state)
{
    static const uint8_t value[11] = "elevenbytes";

    (void)state;
    for (BOTH(g)) {
        uint8_t raw[256];
        struct osd_writer w = osd_writer_make(raw, sizeof(raw));
        size_t ends[4], head = head_len(g);

        osd_attr_list_open(&w, g, OSD_LIST_SET);
        ends[0] = w.full;
        for (uint32_t i = 1; i <= 3; i++) {
            osd_attr_put_value(&w, g, (struct osd_attr_id){0x10000, i}, value, 11);
            ends[i] = w.full;
        }
        for (size_t cut = 0; cut <= ends[3]; cut++) {
            struct osd_attr_cursor c;
            struct osd_attr_entry e;
            struct osd_wire_error err = {.in_cdb = true};
            size_t n = 0, last = 0;
            osd_status st = osd_attr_cursor_open((struct osd_bytes){raw, cut}, g, OSD_LIST_SET,
                                                 false, &c, &err);

            if (cut < head) {
                assert_int_equal(st, OSD_E_INVALID);
                assert_int_equal(err.field, 0);
                continue;
            }
            while ((st = osd_attr_cursor_next(&c, &e, &err)) == OSD_OK)
                n++;
            while (last < 3 && ends[last + 1] <= cut)
                last++;
            /* In OSD-2 the padding of the last entry may be missing. */
            bool unpadded = g == OSD_GEN2 && last < 3 && cut >= ends[last] + 16 + 11;
            assert_int_equal(n, unpadded ? last + 1 : last);
            if (cut == ends[last] || unpadded) {
                assert_int_equal(st, OSD_E_NOT_FOUND);
            } else {
                assert_int_equal(st, OSD_E_INVALID);
                assert_int_equal(err.field, ends[last]);
                assert_false(err.in_cdb);
            }
        }
    }
}

static void test_wire_attrs__wrong_heads_point_at_their_field(void **state)
{
    (void)state;
    for (EACH_KIND(k)) {
        uint8_t raw[64] = {0};
        struct osd_bytes list = {raw, head_len(k->gen) + 18 * 2};
        struct osd_attr_cursor c = {.at = 77};
        struct osd_wire_error err;

        for (unsigned type = 0; type < 256; type++) {
            raw[0] = (uint8_t)type;
            bool same = (type & 15) == k->type; /* the upper half is reserved */
            osd_status st = osd_attr_cursor_open(list, k->gen, k->type, false, &c, &err);
            assert_int_equal(st, same ? OSD_OK : OSD_E_INVALID);
            if (!same)
                assert_int_equal(err.field, 0);
        }
        raw[0] = k->type;
        c.at = 77;
        raw[head_len(k->gen) - 1] = 35; /* neither zero nor what is there */
        assert_int_equal(osd_attr_cursor_open(list, k->gen, k->type, false, &c, &err),
                         OSD_E_INVALID);
        assert_int_equal(err.field, k->gen == OSD_GEN1 ? 2 : 4);
        assert_int_equal(c.at, 77);
        raw[head_len(k->gen) - 1] = 36;
        assert_int_equal(osd_attr_cursor_open(list, k->gen, k->type, false, &c, &err), OSD_OK);
    }
}

/* Types Eh and Fh belong to one generation each. */
static void test_wire_attrs__lists_of_the_other_generation_are_refused(void **state)
{
    static const uint8_t e[8] = {0x0e}, f[8] = {0x0f};
    struct osd_attr_cursor c;
    struct osd_wire_error err;

    (void)state;
    assert_int_equal(osd_attr_cursor_open((struct osd_bytes){e, 8}, OSD_GEN1, OSD_LIST_MULTI_V2,
                                          true, &c, &err),
                     OSD_E_INVALID);
    assert_int_equal(osd_attr_cursor_open((struct osd_bytes){f, 8}, OSD_GEN2, OSD_LIST_MULTI_V1,
                                          true, &c, &err),
                     OSD_E_INVALID);
}

/* Would catch: a value that reaches out of its object's entries into those of the next. */
static void test_wire_attrs__a_value_stays_in_its_group(void **state)
{
    uint8_t raw[128];
    struct osd_writer w = osd_writer_make(raw, sizeof(raw));
    struct osd_wire_error err = {0};
    struct osd_attr_cursor c;
    struct osd_attr_entry e;
    size_t group, length_at;

    (void)state;
    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_MULTI_V2);
    for (uint64_t oid = 0x10000; oid < 0x10002; oid++) {
        group = osd_attr_group_open(&w, oid, OSD_TYPE_USER);
        osd_attr_put_value(&w, OSD_GEN2, (struct osd_attr_id){1, 2}, &oid, 8);
        osd_attr_group_close(&w, group);
    }
    osd_attr_list_close(&w, OSD_GEN2, 0);
    length_at = 8 + 16 + 14;
    be16_put(raw + length_at, 9);
    assert_int_equal(osd_attr_cursor_open((struct osd_bytes){raw, w.full}, OSD_GEN2,
                                          OSD_LIST_MULTI_V2, true, &c, &err),
                     OSD_OK);
    assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_E_INVALID);
    assert_int_equal(err.field, 8 + 16);
    be16_put(raw + length_at, 8);
    be16_put(raw + 8 + 14, 8); /* the group ends inside its first entry's head */
    assert_int_equal(osd_attr_cursor_open((struct osd_bytes){raw, w.full}, OSD_GEN2,
                                          OSD_LIST_MULTI_V2, true, &c, &err),
                     OSD_OK);
    assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_E_INVALID);
}

/* A list of several objects to a device would have to be whole, too. */
static void test_wire_attrs__a_cut_group_head_is_an_error(void **state)
{
    uint8_t raw[8 + 16 + 15] = {0x0e};
    struct osd_wire_error err = {0};
    struct osd_attr_cursor c;
    struct osd_attr_entry e;

    (void)state;
    for (size_t len = 8; len <= sizeof(raw); len++) {
        assert_int_equal(osd_attr_cursor_open((struct osd_bytes){raw, len}, OSD_GEN2,
                                              OSD_LIST_MULTI_V2, false, &c, &err),
                         OSD_OK);
        bool whole = len == 8 || len == 8 + 16;
        assert_int_equal(osd_attr_cursor_next(&c, &e, &err),
                         whole ? OSD_E_NOT_FOUND : OSD_E_INVALID);
        if (!whole)
            assert_int_equal(err.field, len < 8 + 16 ? 8 : 8 + 16);
    }
}

/* Field pointers have 16 bits. */
static void test_wire_attrs__a_fault_far_away_points_at_the_last_byte(void **state)
{
    static const size_t entry = 16 + 992;
    static uint8_t value[992], raw[70 * 1024];
    struct osd_wire_error err;
    struct osd_attr_cursor c;
    struct osd_attr_entry e;

    (void)state;
    for (size_t n = 64; n <= 66; n++) {
        struct osd_writer w = osd_writer_make(raw, sizeof(raw));
        osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_SET);
        for (uint32_t i = 0; i < n; i++)
            osd_attr_put_value(&w, OSD_GEN2, (struct osd_attr_id){0x10000, i}, value, 992);
        osd_writer_zero(&w, 1); /* an odd rest */
        assert_int_equal(osd_attr_cursor_open((struct osd_bytes){raw, w.full}, OSD_GEN2,
                                              OSD_LIST_SET, false, &c, &err),
                         OSD_OK);
        while (osd_attr_cursor_next(&c, &e, &err) == OSD_OK)
            ;
        size_t at = 8 + n * entry;
        assert_int_equal(err.field, at > 0xffff ? 0xffff : at);
    }
}

static void test_wire_attrs__a_header_tells_whether_the_list_is_cut(void **state)
{
    uint8_t raw[16] = {0x09};

    (void)state;
    for (BOTH(g)) {
        size_t head = head_len(g);
        for (uint8_t said = 0; said <= 8; said++) {
            raw[head - 1] = said;
            for (size_t len = 0; len <= 16; len++)
                assert_int_equal(osd_attr_list_cut((struct osd_bytes){raw, len}, g),
                                 len >= head && head + said > len);
        }
        memset(raw, 0, sizeof(raw));
    }
    static uint8_t full[4 + 0xffff] = {0x09, 0, 0xff, 0xff};
    assert_true(osd_attr_list_cut((struct osd_bytes){full, sizeof(full)}, OSD_GEN1));
    full[3] = 0xfe;
    assert_false(osd_attr_list_cut((struct osd_bytes){full, sizeof(full)}, OSD_GEN1));
}

static void test_wire_attrs__undefined_is_said_as_each_generation_does(void **state)
{
    static const uint8_t v1[] = {9, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0xc0, 0xff, 0xff};
    static const uint8_t v2[] = {9, 0, 0, 0,    0, 0, 0, 16, 0, 0, 0, 1,
                                 0, 0, 0, 0xc0, 0, 0, 0, 0,  0, 0, 0, 0};
    struct osd_attr_id id = {1, 0xc0};
    struct osd_wire_error err;
    struct osd_attr_cursor c;
    struct osd_attr_entry e;

    (void)state;
    for (BOTH(g)) {
        uint8_t raw[32];
        struct osd_writer w = osd_writer_make(raw, sizeof(raw));
        size_t len = g == OSD_GEN1 ? sizeof(v1) : sizeof(v2);

        osd_attr_list_open(&w, g, OSD_LIST_SET);
        osd_attr_put_undefined(&w, g, id);
        osd_attr_list_close(&w, g, 0);
        assert_int_equal(w.full, len);
        assert_memory_equal(raw, g == OSD_GEN1 ? v1 : v2, len);
        assert_int_equal(
            osd_attr_cursor_open((struct osd_bytes){raw, len}, g, OSD_LIST_SET, true, &c, &err),
            OSD_OK);
        assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_OK);
        assert_true(e.undefined);
        assert_int_equal(e.len, 0);
    }
    /* Setting with length 0 removes an attribute; it is not "undefined". */
    assert_int_equal(osd_attr_cursor_open((struct osd_bytes){v2, sizeof(v2)}, OSD_GEN2,
                                          OSD_LIST_SET, false, &c, &err),
                     OSD_OK);
    assert_int_equal(osd_attr_cursor_next(&c, &e, &err), OSD_OK);
    assert_false(e.undefined);
}

static void test_wire_attrs__a_long_osd1_list_says_ffff(void **state)
{
    static uint8_t value[60000], raw[130000];
    struct osd_writer w = osd_writer_make(raw, sizeof(raw));

    (void)state;
    osd_attr_list_open(&w, OSD_GEN1, OSD_LIST_SET);
    for (uint32_t i = 1; i <= 2; i++)
        osd_attr_put_value(&w, OSD_GEN1, (struct osd_attr_id){0x10000, i}, value,
                           sizeof(value));
    osd_attr_list_close(&w, OSD_GEN1, 0);
    assert_int_equal(be16_get(raw + 2), 0xffff);
    for (uint16_t len = 0xfff4; len <= 0xfff6; len++) { /* 10 more with the entry's head */
        static uint8_t most[0xfff6];
        w = osd_writer_make(raw, sizeof(raw));
        osd_writer_zero(&w, 6); /* a list that is not at the beginning */
        osd_attr_list_open(&w, OSD_GEN1, OSD_LIST_SET);
        osd_attr_put_value(&w, OSD_GEN1, (struct osd_attr_id){0x10000, 1}, most, len);
        osd_attr_list_close(&w, OSD_GEN1, 6);
        assert_int_equal(be16_get(raw + 8), len + 10 > 0xffff ? 0xffff : len + 10);
    }
}

/* ---- pages ---- */

static void test_wire_pages__ranges_of_the_reference(void **state)
{
    static const struct {
        uint32_t page;
        uint8_t owner;
        bool reserved;
        uint32_t offset;
    } pages[] = {{0, OSD_TYPE_USER, false, 0},
                 {0x2fffffff, OSD_TYPE_USER, false, 0x2fffffff},
                 {0x30000000, OSD_TYPE_PARTITION, false, 0},
                 {0x5fffffff, OSD_TYPE_PARTITION, false, 0x2fffffff},
                 {0x60000000, OSD_TYPE_COLLECTION, false, 0},
                 {0x8fffffff, OSD_TYPE_COLLECTION, false, 0x2fffffff},
                 {0x90000000, OSD_TYPE_ROOT, false, 0},
                 {0x90000001, OSD_TYPE_ROOT, false, 1},
                 {0xbfffffff, OSD_TYPE_ROOT, false, 0x2fffffff},
                 {0xc0000000, 0, true, 0xc0000000},
                 {0xefffffff, 0, true, 0xefffffff},
                 {0xf0000000, 0, false, 0xf0000000},
                 {0xfffffffe, 0, false, 0xfffffffe},
                 {0xffffffff, 0, false, 0xffffffff}};

    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        assert_int_equal(osd_page_owner(pages[i].page), pages[i].owner);
        assert_int_equal(osd_page_reserved(pages[i].page), pages[i].reserved);
        assert_int_equal(osd_page_offset(pages[i].page), pages[i].offset);
    }
}

/* Written from the reference (4.5, 4.6, 4.8, 4.9): where each attribute lies in its page. */
#define N(a) sizeof(a) / sizeof((a)[0]), a
#define QUOTAS                                                                                 \
    {0x1, 8, 8}, {0x10001, 16, 8}, {0x10002, 24, 8},                                           \
    {                                                                                          \
        0x10081, 32, 4                                                                         \
    }
#define TIMES                                                                                  \
    {0x1, 8, 6}, {0x2, 14, 6}, {0x3, 20, 6}, {0x4, 26, 6},                                     \
    {                                                                                          \
        0x5, 32, 6                                                                             \
    }
#define ROOT_SECURITY                                                                          \
    {0x1, 8, 1}, {0x6, 9, 1}, {0x7, 10, 2}, {0x2, 12, 6}, {0x3, 18, 6}, {0x7ffd, 25, 7},       \
        {0x7ffe, 32, 7}, {0x80000000, 39, 1}, {0x80000001, 40, 1}, {0x80000002, 41, 1},        \
        {0x80000010, 55, 1}, {0x80000011, 56, 1},                                              \
    {                                                                                          \
        0x80000012, 57, 1                                                                      \
    }
#define PARTITION_SECURITY                                                                     \
    {0x1, 11, 1}, {0x2, 12, 6}, {0x3, 18, 6}, {0x4, 24, 2},                                    \
    {                                                                                          \
        0x5, 26, 2                                                                             \
    }

static const struct osd_page_field
    r2[] = {QUOTAS, {0x20002, 36, 8}},
    p2[] = {QUOTAS}, u2[] = {{0x1, 8, 8}},
    r3[] = {{0x2, 8, 6}, {0x3, 14, 6}, {0xfffffffe, 20, 1}},
    p3[] = {TIMES, {0xfffffffe, 38, 1}}, cu3[] = {TIMES}, r5v1[] = {ROOT_SECURITY},
    r5v2[] = {ROOT_SECURITY, {0xa, 72, 2}},
    p5v1[] = {PARTITION_SECURITY, {0x40000001, 150, 4}, {0x40000002, 154, 4}},
    p5v2[] = {PARTITION_SECURITY, {0x40000001, 28, 4}, {0x40000002, 32, 4}},
    cu5[] = {{0x40000001, 8, 4}},
    rp6[] = {{0x6, 8, 8}, {0x1, 16, 1}, {0x2, 17, 1}, {0x3, 18, 6}, {0x4, 24, 6}, {0x5, 30, 6}},
    cu6[] = {{0x1, 8, 1}, {0x3, 10, 6}, {0x4, 16, 6}};

static const struct {
    int gen; /* 0: both */
    uint32_t page;
    uint16_t total;
    size_t n;
    const struct osd_page_field *fields;
} layouts[] = {
    {0, 0x90000002, 44, N(r2)},    {0, 0x30000002, 36, N(p2)},    {0, 0x00000002, 16, N(u2)},
    {0, 0x90000003, 21, N(r3)},    {0, 0x30000003, 39, N(p3)},    {0, 0x60000003, 38, N(cu3)},
    {0, 0x00000003, 38, N(cu3)},   {1, 0x90000005, 71, N(r5v1)},  {2, 0x90000005, 74, N(r5v2)},
    {1, 0x30000005, 158, N(p5v1)}, {2, 0x30000005, 158, N(p5v2)}, {0, 0x60000005, 12, N(cu5)},
    {0, 0x00000005, 12, N(cu5)},   {2, 0x90000006, 36, N(rp6)},   {2, 0x30000006, 36, N(rp6)},
    {2, 0x60000006, 22, N(cu6)},   {2, 0x00000006, 22, N(cu6)},
};

static void expect_field(const struct osd_page_layout *l, const struct osd_page_field *want)
{
    for (uint16_t i = 0; i < l->n_fields; i++) {
        if (l->fields[i].number != want->number)
            continue;
        assert_int_equal(l->fields[i].offset, want->offset);
        assert_int_equal(l->fields[i].len, want->len);
        return;
    }
    fail_msg("page %08x has no attribute %x", l->page, want->number);
}

static void test_wire_pages__layouts_are_those_of_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        for (BOTH(g)) {
            const struct osd_page_layout *l = osd_page_layout(layouts[i].page, g);

            if (layouts[i].gen && layouts[i].gen != (int)g)
                continue;
            assert_non_null(l);
            assert_int_equal(l->page, layouts[i].page);
            assert_int_equal(l->total, layouts[i].total);
            assert_int_equal(l->n_fields, layouts[i].n);
            for (size_t f = 0; f < layouts[i].n; f++)
                expect_field(l, &layouts[i].fields[f]);
        }
    }
    for (BOTH(g)) {
        assert_null(osd_page_layout(0, g));
        assert_null(osd_page_layout(1, g));
        assert_null(osd_page_layout(0x60000002, g));
        assert_null(osd_page_layout(0xf0000002, g));
        assert_null(osd_page_layout(OSD_PAGE_CURRENT, g));
    }
    assert_null(osd_page_layout(0x90000006, OSD_GEN1));
}

static void test_wire_pages__the_null_page_is_a_head(void **state)
{
    static const uint8_t want[] = {0x60, 0, 0, 9, 0, 0, 0, 0};
    uint8_t raw[8];
    struct osd_writer w = osd_writer_make(raw, sizeof(raw));

    (void)state;
    osd_page_put_null(&w, 0x60000009);
    assert_int_equal(w.full, 8);
    assert_memory_equal(raw, want, 8);
}

static void test_wire_current_command__each_form_and_no_other(void **state)
{
    struct osd_current_command cc = {.object_type = OSD_TYPE_USER,
                                     .pid = 0x10000,
                                     .oid = 0x1234567890,
                                     .append_start = 99,
                                     .used_change = -4096},
                               back;

    (void)state;
    memset(cc.response_icv, 0x5a, 20);
    for (BOTH(g)) {
        uint8_t raw[80];
        struct osd_writer w = osd_writer_make(raw, sizeof(raw));
        size_t full = g == OSD_GEN1 ? 56 : 76, least = g == OSD_GEN1 ? 56 : 68;

        osd_current_command_put(&w, g, &cc);
        assert_int_equal(w.full, full);
        assert_int_equal(be32_get(raw + 4), full - 8);
        assert_int_equal(raw[g == OSD_GEN1 ? 28 : 40], OSD_TYPE_USER);
        assert_int_equal(be64_get(raw + (g == OSD_GEN1 ? 40 : 52)), cc.oid);
        for (size_t cut = 0; cut <= full; cut++) {
            back = (struct osd_current_command){.pid = 7};
            osd_status st = osd_current_command_parse((struct osd_bytes){raw, cut}, g, &back);
            assert_int_equal(st, cut < least ? OSD_E_INVALID : OSD_OK);
            assert_int_equal(back.pid, cut < least ? 7 : 0x10000);
            if (cut < least)
                continue;
            assert_int_equal(back.oid, cc.oid);
            assert_int_equal(back.append_start, 99);
            assert_memory_equal(back.response_icv, cc.response_icv, sizeof(cc.response_icv));
            assert_int_equal(back.used_change, g == OSD_GEN2 && cut == 76 ? -4096 : 0);
        }
        raw[3] ^= 1;
        assert_int_equal(osd_current_command_parse((struct osd_bytes){raw, full}, g, &back),
                         OSD_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_attrs__random_lists_survive),
        cmocka_unit_test(test_wire_attrs__retrieved_lists_may_be_cut_anywhere),
        cmocka_unit_test(test_wire_attrs__lists_to_a_device_must_be_whole),
        cmocka_unit_test(test_wire_attrs__wrong_heads_point_at_their_field),
        cmocka_unit_test(test_wire_attrs__lists_of_the_other_generation_are_refused),
        cmocka_unit_test(test_wire_attrs__a_value_stays_in_its_group),
        cmocka_unit_test(test_wire_attrs__a_cut_group_head_is_an_error),
        cmocka_unit_test(test_wire_attrs__a_fault_far_away_points_at_the_last_byte),
        cmocka_unit_test(test_wire_attrs__a_header_tells_whether_the_list_is_cut),
        cmocka_unit_test(test_wire_attrs__undefined_is_said_as_each_generation_does),
        cmocka_unit_test(test_wire_attrs__a_long_osd1_list_says_ffff),
        cmocka_unit_test(test_wire_pages__ranges_of_the_reference),
        cmocka_unit_test(test_wire_pages__layouts_are_those_of_the_reference),
        cmocka_unit_test(test_wire_pages__the_null_page_is_a_head),
        cmocka_unit_test(test_wire_current_command__each_form_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
