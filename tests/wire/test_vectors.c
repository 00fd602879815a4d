/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_vectors.c - the published vectors (tests/data/vectors.txt) in both directions
 *
 * Every CDB decodes, and encoding what was decoded gives the same bytes; sense data and the
 * Data-In and Data-Out samples likewise where the wire room builds them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"
#include "wire/attrs.h"
#include "wire/cdb.h"
#include "wire/list.h"
#include "wire/sense.h"

static struct osd_cdb decode_vector(const char *name)
{
    struct osd_wire_error err = {0};
    uint8_t raw[VECTOR_MAX];
    struct osd_cdb c;
    char key[32];

    snprintf(key, sizeof(key), "%s.cdb", name);
    size_t len = vector_need(key, raw);
    if (osd_cdb_decode(raw, len, &c, &err))
        fail_msg("%s: %s at %u", name, err.what, err.field);
    return c;
}

/* Zero is written B0000000h by some; the vectors V12, V16 and V18 use that form, we write 0. */
static void unify_zero_offsets(uint8_t *cdb)
{
    static const int at[] = {56, 60, 64, 72, 76};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
        if (be32_get(cdb + at[i]) == 0xb0000000)
            be32_put(cdb + at[i], 0);
}

static void test_wire_cdb__every_vector_survives_decode_and_encode(void **state)
{
    (void)state;
    for (int v = 1; v <= 25; v++) {
        uint8_t raw[VECTOR_MAX], back[OSD_CDB_MAX];
        char name[8], key[32];
        size_t len, back_len;

        snprintf(name, sizeof(name), "V%d", v);
        snprintf(key, sizeof(key), "V%d.cdb", v);
        len = vector_need(key, raw);
        struct osd_cdb c = decode_vector(name);
        assert_int_equal(osd_cdb_encode(&c, back, &back_len), OSD_OK);
        assert_int_equal(back_len, len);
        unify_zero_offsets(raw);
        assert_memory_equal(back, raw, len);
    }
}

static void test_wire_cdb__fields_mean_what_the_reference_says(void **state)
{
    struct osd_cdb c = decode_vector("V1");

    (void)state;
    assert_int_equal(c.op, OSD_OP_FORMAT_OSD);
    assert_int_equal(c.length, 1 << 30);
    assert_int_equal(c.cap.expiration, 0x020251fe2400);
    assert_int_equal(c.cap.permissions, OSD_PERM_OBJ_MGMT | OSD_PERM_GLOBAL);
    c = decode_vector("V3");
    assert_int_equal(c.count, 3);
    assert_int_equal(c.attr.get_list_len, 12);
    assert_int_equal(c.attr.get_list_off, 0);
    assert_int_equal(c.attr.set_off, OSD_OFFSET_UNUSED);
    c = decode_vector("V4");
    assert_true(c.fua);
    assert_int_equal(c.length, 300);
    assert_int_equal(c.attr.set_len, 0x13);
    assert_int_equal(c.attr.set_off, 512);
    c = decode_vector("V5");
    assert_int_equal(c.start, 512);
    assert_int_equal(c.attr.retrieved_off, 256);
    c = decode_vector("V13");
    assert_int_equal(c.attr.format, OSD_ATTR_CDB);
    assert_int_equal(c.attr.set_len, 5);
    assert_memory_equal(c.attr.value, "alice", 5);
    c = decode_vector("V14");
    assert_int_equal(c.cont_len, 80);
    assert_int_equal(c.cap.range_len, UINT64_MAX);
    c = decode_vector("V17");
    assert_int_equal(c.option, 1);
    c = decode_vector("V18");
    assert_true(c.list_attr);
    c = decode_vector("V20");
    assert_int_equal(c.map_type, OSD_MAP_WRITTEN);
    c = decode_vector("V21");
    assert_int_equal(c.option, 2);
    c = decode_vector("V25");
    assert_int_equal(c.cap.method, OSD_SEC_CMDRSP);
    assert_int_equal(c.cap.key_version, 3);
    assert_int_equal(c.sec.nonce[0], 0x01);
}

static void test_wire_sense__vector_24_is_rebuilt_byte_for_byte(void **state)
{
    uint8_t raw[VECTOR_MAX], back[OSD_SENSE_MAX];
    size_t len = vector_need("V24.sense", raw);
    struct osd_sense s;

    (void)state;
    assert_int_equal(osd_sense_decode(raw, len, &s), OSD_OK);
    assert_int_equal(s.key, SENSE_ILLEGAL_REQUEST);
    assert_int_equal(s.field, 24);
    assert_int_equal(s.oid, 0x10005);
    assert_int_equal(s.completed, OSD_FN_VALIDATION | OSD_FN_CMD_CAP);
    assert_int_equal(osd_sense_status(&s), OSD_E_NOT_FOUND);
    assert_int_equal(osd_sense_encode(&s, back), len);
    assert_memory_equal(back, raw, len);
}

static void test_wire_attrs__list_samples_parse_and_rebuild(void **state)
{
    struct osd_wire_error err;
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    uint8_t raw[VECTOR_MAX], back[VECTOR_MAX];
    size_t len = vector_need("V3.din", raw);
    struct osd_writer w = osd_writer_make(back, sizeof(back));
    struct osd_bytes list = {raw, len};
    int n = 0;

    (void)state;
    assert_int_equal(osd_attr_cursor_open(list, OSD_GEN1, OSD_LIST_MULTI_V1, true, &cur, &err),
                     OSD_OK);
    osd_attr_list_open(&w, OSD_GEN1, OSD_LIST_MULTI_V1);
    while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK) {
        assert_int_equal(e.oid, 0x10005 + n++);
        osd_attr_put_multi_v1(&w, e.oid, e.id, e.value.data, e.len, e.undefined);
    }
    assert_int_equal(n, 3);
    osd_attr_list_close(&w, OSD_GEN1, 0);
    assert_int_equal(w.full, len);
    assert_memory_equal(back, raw, len);

    list.len = vector_need("V12.din", raw);
    w = osd_writer_make(back, sizeof(back));
    assert_int_equal(osd_attr_cursor_open(list, OSD_GEN2, OSD_LIST_SET, true, &cur, &err),
                     OSD_OK);
    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_SET);
    for (n = 0; osd_attr_cursor_next(&cur, &e, &err) == OSD_OK; n++)
        osd_attr_put_value(&w, OSD_GEN2, e.id, e.value.data, e.len);
    assert_int_equal(n, 2);
    osd_attr_list_close(&w, OSD_GEN2, 0);
    assert_int_equal(w.full, list.len);
    assert_memory_equal(back, raw, list.len);
}

static void test_wire_list__samples_parse(void **state)
{
    uint8_t raw[VECTOR_MAX], head[24];
    struct osd_bytes data = {raw, vector_need("V18.din", raw)};
    struct osd_attr_cursor cur;
    struct osd_attr_entry a;
    struct osd_wire_error err;
    struct osd_list_entry e;
    struct osd_list_head h;
    size_t at = OSD_LIST_HEADER_LEN;

    (void)state;
    assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &h), OSD_OK);
    assert_true(h.with_attrs);
    assert_int_equal(h.what, OSD_LISTS_USERS);
    osd_list_head_encode(&h, OSD_GEN2, head);
    assert_memory_equal(head, raw, sizeof(head));
    assert_int_equal(osd_list_entry_next(data, &h, &at, &e), OSD_OK);
    assert_int_equal(e.id, 0x10005);
    osd_list_entry_attrs(&e, &cur);
    assert_int_equal(osd_attr_cursor_next(&cur, &a, &err), OSD_OK);
    assert_int_equal(be64_get(a.value.data), 300);
    assert_int_equal(osd_list_entry_next(data, &h, &at, &e), OSD_E_NOT_FOUND);
}

static void test_wire_current_command__sample_parses_and_rebuilds(void **state)
{
    uint8_t raw[VECTOR_MAX], back[128];
    struct osd_bytes page = {raw, vector_need("V2.din", raw)};
    struct osd_writer w = osd_writer_make(back, sizeof(back));
    struct osd_current_command cc;

    (void)state;
    assert_int_equal(osd_current_command_parse(page, OSD_GEN1, &cc), OSD_OK);
    assert_int_equal(cc.pid, 0x10000);
    osd_current_command_put(&w, OSD_GEN1, &cc);
    assert_int_equal(w.full, page.len);
    assert_memory_equal(back, raw, page.len);
}

static void test_wire_offset__examples_of_the_reference(void **state)
{
    uint64_t v;
    uint32_t f;

    (void)state;
    assert_int_equal(osd_offset_encode(4096, OSD_GEN1, &f), OSD_OK);
    assert_int_equal(f, 0x10);
    assert_int_equal(osd_offset_encode(264, OSD_GEN2, &f), OSD_OK);
    assert_int_equal(f, 0xb0000021);
    assert_int_equal(osd_offset_decode(0x10000008, OSD_GEN1, &v), OSD_OK);
    assert_int_equal(v, 4096);
    assert_int_equal(osd_offset_decode(0x80000001, OSD_GEN2, &v), OSD_E_INVALID);
    assert_int_equal(osd_offset_encode(12, OSD_GEN2, &f), OSD_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_cdb__every_vector_survives_decode_and_encode),
        cmocka_unit_test(test_wire_cdb__fields_mean_what_the_reference_says),
        cmocka_unit_test(test_wire_sense__vector_24_is_rebuilt_byte_for_byte),
        cmocka_unit_test(test_wire_attrs__list_samples_parse_and_rebuild),
        cmocka_unit_test(test_wire_list__samples_parse),
        cmocka_unit_test(test_wire_current_command__sample_parses_and_rebuilds),
        cmocka_unit_test(test_wire_offset__examples_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
