/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_list.c - LIST and READ MAP data: headers, entries, cuts at every length
 */
#include <string.h>

#include "random.h"
#include "wire/list.h"

#define BOTH(g)                                                                                \
    enum osd_gen g = OSD_GEN1;                                                                 \
    g <= OSD_GEN2;                                                                             \
    g++

static void test_wire_list__byte_23_of_every_kind(void **state)
{
    static const struct {
        enum osd_gen gen;
        enum osd_list_what what;
        bool collection_command, with_attrs, changed;
        uint8_t want;
    } table[] = {
        {OSD_GEN1, OSD_LISTS_PARTITIONS, false, false, false, 0x01},
        {OSD_GEN1, OSD_LISTS_USERS, false, false, true, 0x02},
        {OSD_GEN1, OSD_LISTS_COLLECTIONS, true, false, true, 0x03},
        {OSD_GEN1, OSD_LISTS_USERS, true, false, false, 0x00},
        {OSD_GEN2, OSD_LISTS_PARTITIONS, false, false, false, 0x04},
        {OSD_GEN2, OSD_LISTS_PARTITIONS, false, true, false, 0x08},
        {OSD_GEN2, OSD_LISTS_COLLECTIONS, true, false, false, 0x44},
        {OSD_GEN2, OSD_LISTS_COLLECTIONS, true, true, true, 0x4a},
        {OSD_GEN2, OSD_LISTS_USERS, false, false, true, 0x86},
        {OSD_GEN2, OSD_LISTS_USERS, true, true, false, 0x88},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct osd_list_head h = {.additional_len = 0x1122334455667788,
                                  .continuation = 0x10020,
                                  .list_id = 0xabcdef01,
                                  .changed = table[i].changed,
                                  .with_attrs = table[i].with_attrs,
                                  .what = table[i].what,
                                  .list_collection = table[i].collection_command};
        struct osd_list_head back;
        uint8_t raw[24];

        osd_list_head_encode(&h, table[i].gen, raw);
        assert_int_equal(raw[23], table[i].want);
        assert_int_equal(be64_get(raw), h.additional_len);
        assert_int_equal(be64_get(raw + 8), 0x10020);
        assert_int_equal(be32_get(raw + 16), 0xabcdef01);
        assert_int_equal(osd_list_head_decode((struct osd_bytes){raw, 24}, table[i].gen, &back),
                         OSD_OK);
        assert_int_equal(back.additional_len, h.additional_len);
        assert_int_equal(back.continuation, h.continuation);
        assert_int_equal(back.list_id, h.list_id);
        assert_int_equal(back.changed, h.changed);
        if (table[i].gen == OSD_GEN2) {
            assert_int_equal(back.what, h.what);
            assert_int_equal(back.with_attrs, h.with_attrs);
        } else { /* bit 0 is all that OSD-1 says; COLTN reads like ROOT */
            assert_int_equal(back.what, raw[23] & 1 ? OSD_LISTS_PARTITIONS : OSD_LISTS_USERS);
        }
    }
}

static void test_wire_list__heads_that_are_none(void **state)
{
    uint8_t raw[24] = {0};
    struct osd_list_head h = {.list_id = 7};

    (void)state;
    for (BOTH(g)) {
        raw[7] = 16;
        for (size_t len = 0; len < 24; len++)
            assert_int_equal(osd_list_head_decode((struct osd_bytes){raw, len}, g, &h),
                             OSD_E_INVALID);
        raw[7] = 15; /* less than the rest of the header */
        assert_int_equal(osd_list_head_decode((struct osd_bytes){raw, 24}, g, &h),
                         OSD_E_INVALID);
        assert_int_equal(h.list_id, 7);
    }
}

/* Header and entries of n objects, with one attribute each when wanted; entry i has i bytes. */
static size_t make_list(uint8_t *dst, size_t cap, unsigned n, bool with_attrs)
{
    struct osd_writer w = osd_writer_make(dst, cap);
    struct osd_list_head h = {.with_attrs = with_attrs, .what = OSD_LISTS_USERS};
    uint8_t raw[24], value[64];

    memset(value, 'v', sizeof(value));
    osd_writer_zero(&w, 24);
    for (unsigned i = 0; i < n; i++) {
        if (!with_attrs) {
            osd_writer_be64(&w, 0x10000 + i);
            continue;
        }
        size_t start = osd_list_entry_open(&w, 0x10000 + i, OSD_TYPE_USER);
        if (i > 0)
            osd_attr_put_value(&w, OSD_GEN2, (struct osd_attr_id){1, i}, value, (uint16_t)i);
        osd_list_entry_close(&w, start);
    }
    h.additional_len = w.full - 8;
    osd_list_head_encode(&h, OSD_GEN2, raw);
    osd_writer_patch(&w, 0, raw, sizeof(raw));
    return w.full;
}

static void expect_attrs(const struct osd_list_entry *e, unsigned i)
{
    struct osd_attr_cursor c;
    struct osd_attr_entry a;
    struct osd_wire_error err;

    osd_list_entry_attrs(e, &c);
    if (i > 0) {
        assert_int_equal(osd_attr_cursor_next(&c, &a, &err), OSD_OK);
        assert_int_equal(a.id.number, i);
        assert_int_equal(a.len, i);
        assert_int_equal(a.value.len, i);
        assert_int_equal(a.oid, 0x10000 + i);
    }
    assert_int_equal(osd_attr_cursor_next(&c, &a, &err), OSD_E_NOT_FOUND);
}

/* Cut anywhere: whole entries are there, the rest is not, and nothing else happens. */
static void test_wire_list__entries_with_and_without_attributes(void **state)
{
    enum { N = 9 };

    (void)state;
    for (int attrs = 0; attrs <= 1; attrs++) {
        uint8_t raw[1024];
        size_t len = make_list(raw, sizeof(raw), N, attrs);

        assert_int_equal(len, make_list(NULL, 0, N, attrs));
        for (size_t cut = 24; cut <= len; cut++) {
            struct osd_bytes data = {raw, cut};
            struct osd_list_head h;
            struct osd_list_entry e;
            size_t at = 24;
            unsigned n = 0;

            assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
            assert_int_equal(h.with_attrs, attrs);
            assert_int_equal(h.additional_len, len - 8);
            while (osd_list_entry_next(data, &h, &at, &e) == OSD_OK) {
                assert_int_equal(e.id, 0x10000 + n);
                if (attrs) {
                    assert_int_equal(e.object_type, OSD_TYPE_USER);
                    expect_attrs(&e, n);
                }
                n++;
            }
            assert_true(at <= cut);
            assert_int_equal(n == N, cut == len);
            if (!attrs)
                assert_int_equal(n, (cut - 24) / 8);
        }
    }
}

/* A device may send more bytes than its own length field says: they are no entries. */
static void test_wire_list__the_length_of_the_device_counts(void **state)
{
    uint8_t raw[24 + 8 * 8];
    struct osd_bytes data = {raw, make_list(raw, sizeof(raw), 8, false)};
    struct osd_list_entry e;
    struct osd_list_head h;

    (void)state;
    for (uint64_t said = 0; said <= 8; said++) {
        size_t at = 24, n = 0;
        be64_put(raw, 16 + 8 * said);
        assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
        while (osd_list_entry_next(data, &h, &at, &e) == OSD_OK)
            n++;
        assert_int_equal(n, said);
    }
    be64_put(raw, 16 + 8 * 4 - 1); /* ends inside an entry */
    assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
    for (size_t at = 24, n = 0; n < 4; n++)
        assert_int_equal(osd_list_entry_next(data, &h, &at, &e), n < 3 ? 0 : OSD_E_NOT_FOUND);
    be64_put(raw, UINT64_MAX); /* not counted by the device */
    size_t at = 24, n = 0;
    assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
    while (osd_list_entry_next(data, &h, &at, &e) == OSD_OK)
        n++;
    assert_int_equal(n, 8);
    at = SIZE_MAX;
    assert_int_equal(osd_list_entry_next(data, &h, &at, &e), OSD_E_NOT_FOUND);
}

static void test_wire_map__descriptors_survive_and_may_be_cut(void **state)
{
    static const struct osd_map_entry want[] = {{OSD_MAP_WRITTEN, 4096, 0},
                                                {OSD_MAP_HOLE, 0xffffffff, 4096},
                                                {OSD_MAP_DAMAGED, 1, 0x1234567890ab},
                                                {OSD_MAP_DAMAGED_ATTRS, 0, 0}};
    static const uint8_t second[] = {0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff,
                                     0, 0, 0, 0, 0,    0,    16,   0};
    uint8_t raw[8 + 4 * 16];
    struct osd_writer w = osd_writer_make(raw, sizeof(raw));

    (void)state;
    osd_writer_be64(&w, 4 * 16);
    for (int i = 0; i < 4; i++)
        osd_map_entry_put(&w, &want[i]);
    assert_int_equal(w.full, sizeof(raw));
    assert_memory_equal(raw + 24, second, 16);
    for (size_t cut = 0; cut <= sizeof(raw); cut++) {
        struct osd_map_entry e;
        size_t at = 8, n = 0;
        while (osd_map_entry_next((struct osd_bytes){raw, cut}, &at, &e) == OSD_OK) {
            assert_int_equal(e.type, want[n].type);
            assert_int_equal(e.len, want[n].len);
            assert_int_equal(e.offset, want[n].offset);
            n++;
        }
        assert_int_equal(n, cut < 8 ? 0 : (cut - 8) / 16);
    }
    be64_put(raw, 16); /* what the device says counts */
    struct osd_map_entry e;
    size_t at = 8;
    assert_int_equal(osd_map_entry_next((struct osd_bytes){raw, sizeof(raw)}, &at, &e), OSD_OK);
    assert_int_equal(osd_map_entry_next((struct osd_bytes){raw, sizeof(raw)}, &at, &e),
                     OSD_E_NOT_FOUND);
    be64_put(raw, UINT64_MAX);
    at = sizeof(raw) + 1;
    assert_int_equal(osd_map_entry_next((struct osd_bytes){raw, sizeof(raw)}, &at, &e),
                     OSD_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_list__byte_23_of_every_kind),
        cmocka_unit_test(test_wire_list__heads_that_are_none),
        cmocka_unit_test(test_wire_list__entries_with_and_without_attributes),
        cmocka_unit_test(test_wire_list__the_length_of_the_device_counts),
        cmocka_unit_test(test_wire_map__descriptors_survive_and_may_be_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
