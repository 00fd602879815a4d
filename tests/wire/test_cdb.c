/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/wire/test_cdb.c - the CDB beyond the vectors: every command, every field, every refusal
 *
 * The table of places is written from the reference (1.1, 1.8), not from cdb.c, whose two
 * directions share one table and would agree about a wrong place.
 */
#include <string.h>

#include "common/bytes.h"
#include "random.h"
#include "wire/cdb.h"

#define BOTH(g)                                                                                \
    enum osd_gen g = OSD_GEN1;                                                                 \
    g <= OSD_GEN2;                                                                             \
    g++

static size_t full_length(enum osd_gen gen)
{
    return gen == OSD_GEN1 ? 200 : 236;
}

static struct osd_cdb plain(enum osd_op op, enum osd_gen gen)
{
    return (struct osd_cdb){
        .op = op,
        .gen = gen,
        .attr = {.format = OSD_ATTR_PAGE, .set_off = OSD_OFFSET_UNUSED},
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED}};
}

static void encode(const struct osd_cdb *c, uint8_t raw[OSD_CDB_MAX])
{
    size_t len;

    assert_int_equal(osd_cdb_encode(c, raw, &len), OSD_OK);
    assert_int_equal(len, full_length(c->gen));
}

static void expect_refused(const uint8_t *raw, size_t len, osd_status st, uint16_t field)
{
    struct osd_cdb c = {.op = OSD_OP_INVALID, .oid = 0x77};
    struct osd_wire_error err = {.field = 0xffff};

    assert_int_equal(osd_cdb_decode(raw, len, &c, &err), st);
    assert_true(err.in_cdb);
    assert_int_equal(err.field, field);
    assert_non_null(err.what);
    assert_int_equal(c.op, OSD_OP_INVALID);
    assert_int_equal(c.oid, 0x77);
}

/* ---- every field at its place ---- */

#define M(member) offsetof(struct osd_cdb, member), sizeof(((struct osd_cdb *)0)->member)

/* size bytes at byte `at` of the CDB are a number, or an array of bytes, in one member. */
static const struct place {
    uint16_t action;
    uint8_t at;
    size_t member, size;
} places[] = {{0x8807, 36, M(length)},
              {0x8887, 32, M(length)},
              {0x8887, 48, M(cont_len)},
              {0x8889, 32, M(length)},
              {0x8889, 40, M(start)},
              {0x8893, 48, M(cont_len)},
              {0x8893, 14, M(duplication)},
              {0x8802, 36, M(count)},
              {0x8882, 32, M(count)},
              {0x8812, 36, M(length)},
              {0x8812, 44, M(start)},
              {0x8892, 32, M(length)},
              {0x8892, 40, M(start)},
              {0x8892, 48, M(cont_len)},
              {0x8894, 40, M(start)},
              {0x8894, 48, M(cont_len)},
              {0x8888, 32, M(length)},
              {0x8888, 40, M(start)},
              {0x8801, 36, M(length)},
              {0x8881, 32, M(length)},
              {0x8803, 32, M(list_id)},
              {0x8803, 36, M(length)},
              {0x8803, 44, M(start)},
              {0x8883, 32, M(length)},
              {0x8883, 40, M(start)},
              {0x8883, 48, M(list_id)},
              {0x8817, 32, M(list_id)},
              {0x8817, 36, M(length)},
              {0x8817, 44, M(start)},
              {0x8897, 32, M(length)},
              {0x8897, 40, M(start)},
              {0x8897, 48, M(list_id)},
              {0x8f7e, 36, M(scsi_cdb)},
              {0x8f7c, 32, M(scsi_cdb)},
              {0x8f7f, 43, M(tm_function)},
              {0x8f7f, 44, M(tm_tag)},
              {0x8f7d, 32, M(tm_alloc_len)},
              {0x8f7d, 39, M(tm_function)},
              {0x8f7d, 40, M(tm_tag)},
              {0x8884, 32, M(length)},
              {0x8884, 40, M(start)},
              {0x88a0, 32, M(length)},
              {0x88a0, 40, M(start)},
              {0x88a0, 48, M(cont_len)},
              {0x8805, 36, M(length)},
              {0x8805, 44, M(start)},
              {0x8885, 32, M(length)},
              {0x8885, 40, M(start)},
              {0x8885, 48, M(cont_len)},
              {0x88b1, 32, M(length)},
              {0x88b1, 40, M(start)},
              {0x88b1, 48, M(map_type)},
              {0x8818, 24, M(key_version)},
              {0x8818, 25, M(key_id)},
              {0x8818, 32, M(seed)},
              {0x8898, 24, M(key_version)},
              {0x8898, 25, M(key_id)},
              {0x8898, 32, M(seed)},
              {0x8819, 24, M(dh_group)},
              {0x8819, 25, M(key_id)},
              {0x8819, 32, M(param_len)},
              {0x8819, 36, M(alloc_len)},
              {0x8899, 24, M(dh_group)},
              {0x8899, 25, M(key_id)},
              {0x8899, 32, M(param_len)},
              {0x8899, 36, M(alloc_len)},
              {0x8806, 36, M(length)},
              {0x8806, 44, M(start)},
              {0x8886, 32, M(length)},
              {0x8886, 40, M(start)},
              {0x8886, 48, M(cont_len)},
              {0x880a, 16, M(pid)},
              {0x880a, 24, M(oid)},
              {0x888f, 16, M(pid)},
              {0x888f, 24, M(oid)},
              {0x880e, 12, M(timestamps)},
              {0x8885, 216, M(sec.nonce)},
              {0x8805, 180, M(sec.nonce)},
              {0x88a8, 14, M(duplication)},
              {0x88a8, 15, M(time_of_dup)},
              {0x88a8, 40, M(start)},
              {0x88a9, 14, M(duplication)},
              {0x88a9, 15, M(time_of_dup)},
              {0x88a9, 40, M(start)},
              {0x88aa, 14, M(duplication)},
              {0x88aa, 15, M(time_of_dup)},
              {0x88aa, 40, M(start)},
              {0x88ab, 14, M(duplication)},
              {0x88ab, 15, M(time_of_dup)},
              {0x88ab, 40, M(start)},
              {0x88ac, 14, M(duplication)},
              {0x88ac, 15, M(time_of_dup)},
              {0x88ac, 40, M(start)},
              {0x88b2, 32, M(length)},
              {0x88b2, 40, M(start)},
              {0x88b2, 48, M(cont_len)},
              {0x8805, 1, M(control)},
              {0x8885, 1, M(control)},
              {0x8885, 184, M(sec.request_icv)}};

/* A number as it stands on the wire, whatever the machine's byte order. */
static void to_wire(const struct osd_cdb *c, const struct place *p, uint8_t dst[32])
{
    const uint8_t *m = (const uint8_t *)c + p->member;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;

    memcpy(dst, m, p->size);
    if (p->member == offsetof(struct osd_cdb, key_id) ||
        p->member == offsetof(struct osd_cdb, scsi_cdb))
        return;
    if (p->size == 2) {
        memcpy(&v16, m, 2);
        be16_put(dst, v16);
    } else if (p->size == 4) {
        memcpy(&v32, m, 4);
        be32_put(dst, v32);
    } else if (p->size == 8) {
        memcpy(&v64, m, 8);
        be64_put(dst, v64);
    }
}

static void test_wire_cdb__fields_stand_where_the_reference_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct place *p = &places[i];
        uint8_t raw[OSD_CDB_MAX], clear[OSD_CDB_MAX], seen[32];
        struct osd_wire_error err;
        struct osd_cdb c, back;
        enum osd_gen gen;
        enum osd_op op = osd_op_by_action(p->action, &gen);

        assert_int_not_equal(op, OSD_OP_INVALID);
        c = plain(op, gen);
        encode(&c, clear);
        assert_int_equal(be16_get(clear + 8), p->action);
        memcpy(raw, clear, sizeof(raw));
        for (size_t k = 0; k < p->size; k++)
            raw[p->at + k] = (uint8_t)(0xe1 + k);
        if (osd_cdb_decode(raw, full_length(gen), &back, &err))
            fail_msg("%04x at %u: %s", p->action, p->at, err.what);
        to_wire(&back, p, seen);
        assert_memory_equal(seen, raw + p->at, p->size);
        encode(&back, clear);
        assert_memory_equal(clear, raw, full_length(gen));
    }
}

static bool has_place(uint16_t action, size_t member)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (places[i].action == action && places[i].member == member)
            return true;
    return false;
}

/* Would catch: a field that is longer than its member, or that a command does not have. */
static void test_wire_cdb__members_a_command_lacks_stay_zero(void **state)
{
    static const struct {
        size_t member, size;
    } all[] = {{M(length)},      {M(start)},      {M(count)},       {M(list_id)},
               {M(cont_len)},    {M(map_type)},   {M(key_version)}, {M(dh_group)},
               {M(key_id)},      {M(seed)},       {M(param_len)},   {M(alloc_len)},
               {M(scsi_cdb)},    {M(tm_tag)},     {M(tm_function)}, {M(tm_alloc_len)},
               {M(duplication)}, {M(time_of_dup)}};
    static const uint8_t zero[32];

    (void)state;
    for (int op = 0; op < OSD_OP_MAX; op++) {
        for (BOTH(g)) {
            uint16_t action = osd_op_info(op)->action[g];
            uint8_t raw[OSD_CDB_MAX];
            struct osd_wire_error err;
            struct osd_cdb c = plain(op, g);

            if (!action)
                continue;
            encode(&c, raw);
            memset(raw + 13, 0xff, 52 - 13);
            if (g == OSD_GEN2 && !osd_op_info(op)->continuation &&
                !has_place(action, offsetof(struct osd_cdb, list_id)) && op != OSD_OP_SET_KEY &&
                !has_place(action, offsetof(struct osd_cdb, map_type)))
                memset(raw + 48, 0, 4);
            be32_put(raw + 52, 0xffffffff);
            assert_int_equal(osd_cdb_decode(raw, full_length(g), &c, &err), OSD_OK);
            for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                if (!has_place(action, all[i].member))
                    assert_memory_equal((uint8_t *)&c + all[i].member, zero, all[i].size);
        }
    }
}

/* Fields narrower than a byte: where, how many bits, in which member they show. */
static void test_wire_cdb__bits_stand_where_the_reference_says(void **state)
{
    static const struct {
        uint16_t action;
        uint8_t at, mask, want_option;
        bool fua, dpo, immed, attrs;
        uint8_t isolation;
    } bits[] = {
        {0x8806, 10, 0x08, 0, true, false, false, false, 0},
        {0x8806, 10, 0x10, 0, false, true, false, false, 0},
        {0x8886, 10, 0x07, 0, false, false, false, false, 7},
        {0x88a0, 11, 0x80, 0, false, false, true, false, 0},
        {0x88a1, 11, 0x80, 0, false, false, true, false, 0},
        {0x8883, 11, 0x40, 0, false, false, false, true, 0},
        {0x8897, 11, 0x40, 0, false, false, false, true, 0},
        {0x8803, 11, 0x0f, 15, false, false, false, false, 0},
        {0x8883, 11, 0x0f, 15, false, false, false, false, 0},
        {0x8816, 11, 0x01, 1, false, false, false, false, 0},
        {0x8896, 11, 0x01, 1, false, false, false, false, 0},
        {0x888c, 11, 0x07, 7, false, false, false, false, 0},
        {0x8818, 11, 0x03, 3, false, false, false, false, 0},
        {0x8899, 11, 0x03, 3, false, false, false, false, 0},
        {0x8808, 10, 0x03, 3, false, false, false, false, 0},
        {0x881a, 10, 0x03, 3, false, false, false, false, 0},
        {0x881b, 10, 0x03, 3, false, false, false, false, 0},
        {0x881c, 10, 0x03, 3, false, false, false, false, 0},
        {0x889a, 11, 0x03, 3, false, false, false, false, 0},
        {0x889b, 11, 0x03, 3, false, false, false, false, 0},
        {0x8898, 11, 0x03, 3, false, false, false, false, 0},
        {0x8819, 11, 0x03, 3, false, false, false, false, 0},
        {0x88a2, 11, 0x80, 0, false, false, true, false, 0},
        {0x88a3, 11, 0x80, 0, false, false, true, false, 0},
        {0x8885, 11, 0xc0, 0, false, false, false, false, 0},
        {0x8888, 11, 0x03, 3, false, false, false, false, 0},
        {0x889c, 11, 0x03, 3, false, false, false, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        uint8_t raw[OSD_CDB_MAX], again[OSD_CDB_MAX];
        struct osd_wire_error err;
        struct osd_cdb c;
        enum osd_gen gen;
        enum osd_op op = osd_op_by_action(bits[i].action, &gen);

        c = plain(op, gen);
        encode(&c, raw);
        raw[bits[i].at] |= bits[i].mask;
        assert_int_equal(osd_cdb_decode(raw, full_length(gen), &c, &err), OSD_OK);
        assert_int_equal(c.option, bits[i].want_option);
        assert_int_equal(c.fua, bits[i].fua);
        assert_int_equal(c.dpo, bits[i].dpo);
        assert_int_equal(c.immed_tr, bits[i].immed);
        assert_int_equal(c.list_attr, bits[i].attrs);
        assert_int_equal(c.isolation, bits[i].isolation);
        encode(&c, again);
        if (bits[i].mask == 0xc0) /* reserved there: not said again */
            raw[bits[i].at] &= 0x3f;
        assert_memory_equal(again, raw, full_length(gen));
    }
}

static void test_wire_cdb__attribute_parameters_of_each_format(void **state)
{
    uint8_t raw[OSD_CDB_MAX];
    struct osd_wire_error err;
    struct osd_cdb c;

    (void)state;
    for (BOTH(g)) {
        c = plain(OSD_OP_GET_ATTRIBUTES, g);
        encode(&c, raw);
        for (int i = 0; i < 7; i++)
            be32_put(raw + 52 + 4 * i, 0x100u + (uint32_t)i);
        assert_int_equal(osd_cdb_decode(raw, full_length(g), &c, &err), OSD_OK);
        assert_int_equal(c.attr.get_page, 0x100);
        assert_int_equal(c.attr.get_alloc_len, 0x101);
        assert_int_equal(c.attr.retrieved_off, 0x102 * 256);
        assert_int_equal(c.attr.set_page, 0x103);
        assert_int_equal(c.attr.set_number, 0x104);
        assert_int_equal(c.attr.set_len, 0x105);
        assert_int_equal(c.attr.set_off, 0x106 * 256);
        raw[11] = 0x30;
        assert_int_equal(osd_cdb_decode(raw, full_length(g), &c, &err), OSD_OK);
        assert_int_equal(c.attr.get_list_len, 0x100);
        assert_int_equal(c.attr.get_list_off, 0x101 * 256);
        assert_int_equal(c.attr.get_alloc_len, 0x102);
        assert_int_equal(c.attr.retrieved_off, 0x103 * 256);
        assert_int_equal(c.attr.set_len, 0x104);
        assert_int_equal(c.attr.set_off, 0x105 * 256);
    }
    c = plain(OSD_OP_SET_ATTRIBUTES, OSD_GEN2);
    encode(&c, raw);
    raw[11] = 0x10;
    memset(raw + 52, 0, 28);
    be32_put(raw + 52, 0x10003);
    be32_put(raw + 56, 9);
    be16_put(raw + 60, 18);
    memset(raw + 62, 'v', 18);
    assert_int_equal(osd_cdb_decode(raw, 236, &c, &err), OSD_OK);
    assert_int_equal(c.attr.set_page, 0x10003);
    assert_int_equal(c.attr.set_number, 9);
    assert_int_equal(c.attr.set_len, 18);
    assert_memory_equal(c.attr.value, raw + 62, 18);
}

/* ---- round trip of random commands ---- */

static uint64_t random_offset(uint64_t *rng, enum osd_gen gen)
{
    uint64_t v = random_next(rng);

    if (v % 8 == 0)
        return OSD_OFFSET_UNUSED;
    return osd_offset_align(v >> (25 + v % 38), gen);
}

static struct osd_cdb random_command(uint64_t *rng, enum osd_op op, enum osd_gen gen)
{
    struct osd_cdb c = plain(op, gen);

    c.fua = random_next(rng) & 1;
    c.timestamps = random_next(rng) & 1 ? 0x7f : 0;
    c.pid = random_next(rng);
    c.oid = op == OSD_OP_SET_KEY || op == OSD_OP_SET_MASTER_KEY ? 0 : random_next(rng);
    c.attr.get_page = (uint32_t)random_next(rng);
    c.attr.get_alloc_len = (uint32_t)random_next(rng);
    c.attr.retrieved_off = random_offset(rng, gen);
    c.attr.set_page = (uint32_t)random_next(rng);
    c.attr.set_len = (uint32_t)random_next(rng);
    c.attr.set_off = random_offset(rng, gen);
    c.sec.data_in_icv_off = random_offset(rng, gen);
    random_fill(rng, c.sec.request_icv, gen == OSD_GEN1 ? 20 : 32);
    random_fill(rng, c.sec.nonce, sizeof(c.sec.nonce));
    random_fill(rng, c.cap.audit, sizeof(c.cap.audit));
    c.cap.format = (uint8_t)(random_next(rng) % gen + 1);
    c.cap.permissions = (uint16_t)random_next(rng);
    c.cap.expiration = random_next(rng) >> 16;
    c.cap.allowed_oid = random_next(rng);
    return c;
}

static void test_wire_cdb__random_commands_survive(void **state)
{
    uint64_t rng = 0x1234567;

    (void)state;
    for (int op = 0; op < OSD_OP_MAX; op++) {
        for (BOTH(g)) {
            for (int i = 0; i < 50 && osd_op_info(op)->action[g]; i++) {
                struct osd_cdb c = random_command(&rng, op, g), back;
                uint8_t raw[OSD_CDB_MAX];
                struct osd_wire_error err;

                encode(&c, raw);
                assert_int_equal(osd_cdb_decode(raw, full_length(g), &back, &err), OSD_OK);
                assert_int_equal(back.op, op);
                assert_int_equal(back.gen, g);
                assert_memory_equal(&back.attr, &c.attr, sizeof(c.attr));
                assert_memory_equal(&back.sec, &c.sec, sizeof(c.sec));
                assert_int_equal(back.pid, c.pid);
                assert_int_equal(back.oid, c.oid);
                assert_int_equal(back.cap.permissions, c.cap.permissions);
                assert_int_equal(back.cap.allowed_oid, c.cap.allowed_oid);
                assert_int_equal(back.cap.expiration, c.cap.expiration);
            }
        }
    }
}

/* Who weighs a command by it must not take it for another one. */
static void test_wire_cdb__a_glance_sees_all_but_what_allows_the_command(void **state)
{
    static const uint8_t zeros[sizeof(struct osd_cdb)];
    uint64_t rng = 0x7654321;

    (void)state;
    for (int op = 0; op < OSD_OP_MAX; op++) {
        for (BOTH(g)) {
            for (int i = 0; i < 50 && osd_op_info(op)->action[g]; i++) {
                struct osd_cdb c = random_command(&rng, op, g), whole, seen;
                uint8_t raw[OSD_CDB_MAX];
                struct osd_wire_error err;

                encode(&c, raw);
                assert_int_equal(osd_cdb_decode(raw, full_length(g), &whole, &err), OSD_OK);
                assert_int_equal(osd_cdb_glance(raw, full_length(g), &seen), OSD_OK);
                assert_memory_equal(&seen, &whole, offsetof(struct osd_cdb, cap));
                assert_memory_equal(&seen.cap, zeros, sizeof(seen.cap));
                assert_memory_equal(&seen.sec, zeros, sizeof(seen.sec));
            }
        }
    }
}

static void test_wire_cdb__a_glance_refuses_what_no_command_is(void **state)
{
    struct osd_cdb c = plain(OSD_OP_WRITE, OSD_GEN2), seen = {.oid = 0x77};
    uint8_t raw[OSD_CDB_MAX];

    (void)state;
    encode(&c, raw);
    assert_int_equal(osd_cdb_glance(raw, 235, &seen), OSD_E_INVALID);
    raw[11] = 0; /* GET/SET CDBFMT */
    assert_int_equal(osd_cdb_glance(raw, 236, &seen), OSD_E_INVALID);
    raw[0] = 0x2a;
    assert_int_equal(osd_cdb_glance(raw, 236, &seen), OSD_E_INVALID);
    assert_int_equal(seen.oid, 0x77);
}

/* ---- refusals ---- */

static void test_wire_cdb__every_cut_is_refused(void **state)
{
    (void)state;
    for (int op = 0; op < OSD_OP_MAX; op++) {
        for (BOTH(g)) {
            struct osd_cdb c = plain(op, g);
            uint8_t raw[OSD_CDB_MAX];

            if (!osd_op_info(op)->action[g])
                continue;
            encode(&c, raw);
            for (size_t len = 0; len < full_length(g); len++)
                expect_refused(raw, len, OSD_E_INVALID, len < 10 ? 0 : 7);
        }
    }
}

static void test_wire_cdb__frames_that_are_refused(void **state)
{
    struct osd_cdb c = plain(OSD_OP_READ, OSD_GEN2), back;
    uint8_t raw[OSD_CDB_MAX + 20] = {0};
    struct osd_wire_error err;

    (void)state;
    encode(&c, raw);
    assert_int_equal(osd_cdb_decode(raw, sizeof(raw), &back, &err),
                     OSD_OK); /* more may follow */
    raw[0] = 0x7e;
    expect_refused(raw, 236, OSD_E_INVALID, 0);
    raw[0] = 0x7f;
    for (unsigned action = 0; action <= 0xffff; action++) {
        if (osd_op_by_action((uint16_t)action, NULL) != OSD_OP_INVALID)
            continue;
        be16_put(raw + 8, (uint16_t)action);
        expect_refused(raw, 236, OSD_E_UNSUPPORTED, 8);
    }
    be16_put(raw + 8, 0x8885);
    for (unsigned len = 0; len <= 255; len++) {
        raw[7] = (uint8_t)len;
        if (len != 0xe4)
            expect_refused(raw, 236, OSD_E_INVALID, 7);
    }
    be16_put(raw + 8, 0x8805);
    for (unsigned len = 0; len <= 255; len++) {
        raw[7] = (uint8_t)len;
        if (len == 0xe4 || len == 0xc0)
            assert_int_equal(osd_cdb_decode(raw, 200, &back, &err), OSD_OK);
        else
            expect_refused(raw, 200, OSD_E_INVALID, 7);
    }
}

static void test_wire_cdb__reserved_values_point_at_their_byte(void **state)
{
    struct osd_cdb c = plain(OSD_OP_READ, OSD_GEN2), back;
    uint8_t raw[OSD_CDB_MAX];
    struct osd_wire_error err;

    (void)state;
    encode(&c, raw);
    raw[11] = 0x00;
    expect_refused(raw, 236, OSD_E_INVALID, 11);
    raw[11] = 0x20;
    for (unsigned v = 0; v <= 255; v++) {
        raw[12] = (uint8_t)v;
        if (v == 0 || v == 0x7f || v >= 0xe0)
            assert_int_equal(osd_cdb_decode(raw, 236, &back, &err), OSD_OK);
        else
            expect_refused(raw, 236, OSD_E_INVALID, 12);
    }
    c = plain(OSD_OP_READ, OSD_GEN1);
    encode(&c, raw);
    raw[11] = 0x10; /* no attribute in the CDB before OSD-2 */
    expect_refused(raw, 200, OSD_E_INVALID, 11);
}

static void test_wire_cdb__reserved_exponents_point_at_their_offset(void **state)
{
    static const struct {
        uint8_t format, at;
    } offsets[] = {{2, 60}, {2, 76}, {3, 56}, {3, 64}, {3, 72}, {2, 228}, {3, 232}};
    uint8_t raw[OSD_CDB_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct osd_cdb c = plain(OSD_OP_WRITE, OSD_GEN2);
        c.attr.format = offsets[i].format;
        for (uint32_t nibble = 8; nibble <= 10; nibble++) {
            encode(&c, raw);
            be32_put(raw + offsets[i].at, nibble << 28 | 1);
            expect_refused(raw, 236, OSD_E_INVALID, offsets[i].at);
        }
    }
}

static void test_wire_cdb__continuation_only_where_it_is_defined(void **state)
{
    uint8_t raw[OSD_CDB_MAX];
    struct osd_wire_error err;
    struct osd_cdb back;

    (void)state;
    for (int op = 0; op < OSD_OP_MAX; op++) {
        struct osd_cdb c = plain(op, OSD_GEN2);
        bool other = op == OSD_OP_LIST || op == OSD_OP_LIST_COLLECTION ||
                     op == OSD_OP_READ_MAP || op == OSD_OP_SET_KEY;

        if (!osd_op_info(op)->action[OSD_GEN2])
            continue;
        encode(&c, raw);
        be32_put(raw + 48, 48);
        if (!osd_op_info(op)->continuation && !other) {
            expect_refused(raw, 236, OSD_E_INVALID, 48);
            continue;
        }
        assert_int_equal(osd_cdb_decode(raw, 236, &back, &err), OSD_OK);
        assert_int_equal(back.cont_len, other ? 0 : 48);
    }
}

static void test_wire_cdb__an_attribute_in_the_cdb_has_limits(void **state)
{
    struct osd_cdb c = plain(OSD_OP_SET_ATTRIBUTES, OSD_GEN2), back;
    uint8_t raw[OSD_CDB_MAX];
    struct osd_wire_error err;

    (void)state;
    c.attr = (struct osd_attr_params){
        .format = OSD_ATTR_CDB, .set_page = 0x10000, .set_number = 1, .set_len = 18};
    encode(&c, raw);
    be16_put(raw + 60, 19);
    expect_refused(raw, 236, OSD_E_INVALID, 60);
    be16_put(raw + 60, 1);
    be32_put(raw + 56, UINT32_MAX);
    expect_refused(raw, 236, OSD_E_INVALID, 56);
    be32_put(raw + 56, 1);
    be32_put(raw + 52, UINT32_MAX);
    expect_refused(raw, 236, OSD_E_INVALID, 52);
    be32_put(raw + 52, 0);
    expect_refused(raw, 236, OSD_E_INVALID, 52);
    be16_put(raw + 60, 0); /* page 0 and nothing to set */
    assert_int_equal(osd_cdb_decode(raw, 236, &back, &err), OSD_OK);
}

static void test_wire_cdb__impossible_commands_are_not_encoded(void **state)
{
    struct osd_cdb c = plain(OSD_OP_PUNCH, OSD_GEN1);
    uint8_t raw[OSD_CDB_MAX];
    size_t len = 77;

    (void)state;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_UNSUPPORTED);
    c.op = OSD_OP_INVALID;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_UNSUPPORTED);
    c.op = OSD_OP_MAX;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_UNSUPPORTED);
    c = plain(OSD_OP_READ, 3);
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_UNSUPPORTED);
    c = plain(OSD_OP_READ, OSD_GEN1);
    c.attr.format = OSD_ATTR_CDB;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c.attr.format = 0;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_READ, OSD_GEN1);
    c.attr.retrieved_off = 100; /* not a multiple of 256 */
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_READ, OSD_GEN1);
    c.isolation = 1; /* would be read as a flush scope or not at all */
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_READ, OSD_GEN2);
    c.isolation = 8;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_READ, OSD_GEN2);
    c.list_attr = true;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_LIST, OSD_GEN2);
    c.immed_tr = true;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_REMOVE_COLLECTION, OSD_GEN2);
    c.option = 2;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    c = plain(OSD_OP_SET_ATTRIBUTES, OSD_GEN2);
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB, .set_page = 1, .set_len = 19};
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_E_INVALID);
    assert_int_equal(len, 77);
}

static void test_wire_cdb__old_initiators_are_understood(void **state)
{
    static const enum osd_op flushes[] = {OSD_OP_FLUSH, OSD_OP_FLUSH_COLLECTION,
                                          OSD_OP_FLUSH_PARTITION, OSD_OP_FLUSH_OSD};
    uint8_t raw[OSD_CDB_MAX];
    struct osd_wire_error err;
    struct osd_cdb c;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (uint8_t scope = 1; scope <= 7; scope++) {
            c = plain(flushes[i], OSD_GEN2);
            encode(&c, raw);
            raw[10] = scope; /* flush scope where OSD-1 has it */
            assert_int_equal(osd_cdb_decode(raw, 236, &c, &err), OSD_OK);
            assert_int_equal(c.option, scope <= 2 ? scope : 0);
            assert_int_equal(c.isolation, scope <= 2 ? 0 : scope);
            raw[11] |= 1; /* both: the place of the standard counts */
            assert_int_equal(osd_cdb_decode(raw, 236, &c, &err), OSD_OK);
            assert_int_equal(c.option, 1);
            assert_int_equal(c.isolation, scope);
        }
    }
    c = plain(OSD_OP_READ, OSD_GEN2);
    encode(&c, raw);
    raw[10] = 2;
    assert_int_equal(osd_cdb_decode(raw, 236, &c, &err), OSD_OK);
    assert_int_equal(c.option, 0);
    assert_int_equal(c.isolation, 2);
}

/* ---- offsets ---- */

static void test_wire_offset__everything_decoded_can_be_encoded(void **state)
{
    static const uint32_t mantissas[] = {0,        1,         2,         3,        0x21,
                                         0xffffff, 0x8000000, 0xffffffe, 0xfffffff};

    (void)state;
    for (BOTH(g)) {
        for (uint32_t nibble = 0; nibble < 16; nibble++) {
            for (size_t i = 0; i < sizeof(mantissas) / sizeof(mantissas[0]); i++) {
                uint32_t field = nibble << 28 | mantissas[i], back;
                int shift = (int)(g == OSD_GEN2 && nibble >= 8 ? nibble - 8 : nibble + 8);
                uint64_t v = 0, again;

                if (g == OSD_GEN2 && nibble >= 8 && nibble <= 10) {
                    assert_int_equal(osd_offset_decode(field, g, &v), OSD_E_INVALID);
                    continue;
                }
                assert_int_equal(osd_offset_decode(field, g, &v), OSD_OK);
                if (field == UINT32_MAX) {
                    assert_int_equal(v, OSD_OFFSET_UNUSED);
                    continue;
                }
                assert_int_equal(v, (uint64_t)mantissas[i] << shift);
                assert_int_equal(osd_offset_encode(v, g, &back), OSD_OK);
                assert_int_equal(osd_offset_decode(back, g, &again), OSD_OK);
                assert_int_equal(again, v);
            }
        }
    }
}

/* Would catch: an aligned offset whose field would be FFFFFFFFh, "unused". */
static void test_wire_offset__what_is_aligned_can_be_encoded(void **state)
{
    uint64_t rng = 99, back;
    uint32_t field;

    (void)state;
    for (BOTH(g)) {
        for (int i = 0; i < 20000; i++) {
            uint64_t v = random_next(&rng) >> (22 + i % 42);
            if (i % 3 == 0)
                v = (0xfffffffULL << (3 + i / 3 % (g == OSD_GEN1 ? 20 : 12))) +
                    (uint64_t)(i % 7) - 3;
            uint64_t a = osd_offset_align(v, g);
            assert_true(a >= v);
            assert_int_equal(osd_offset_encode(a, g, &field), OSD_OK);
            assert_int_equal(osd_offset_decode(field, g, &back), OSD_OK);
            assert_int_equal(back, a);
        }
        assert_int_equal(osd_offset_align(0, g), 0);
        assert_int_equal(osd_offset_align(1, g), g == OSD_GEN1 ? 256 : 8);
        assert_int_equal(osd_offset_align(257, g), g == OSD_GEN1 ? 512 : 264);
    }
    assert_int_equal(osd_offset_encode(0x0fffffffULL << 15, OSD_GEN2, &field), OSD_OK);
    assert_int_equal(osd_offset_encode(1ULL << 43, OSD_GEN2, &field), OSD_E_INVALID);
    assert_int_equal(osd_offset_encode(0x0fffffffULL << 22, OSD_GEN1, &field), OSD_OK);
    assert_int_equal(osd_offset_encode(1ULL << 51, OSD_GEN1, &field), OSD_E_INVALID);
    assert_int_equal(osd_offset_encode(UINT64_MAX - 7, OSD_GEN2, &field), OSD_E_INVALID);
    assert_int_equal(osd_offset_encode(UINT64_MAX - 255, OSD_GEN1, &field), OSD_E_INVALID);
}

/* ---- capability ---- */

/* Would catch: a field of the capability at a wrong byte; written from reference 5.1. */
static void test_wire_capability__fields_stand_where_the_reference_says(void **state)
{
    uint8_t raw[OSD2_CAPABILITY_LEN], back[OSD2_CAPABILITY_LEN];
    struct osd_capability c;

    (void)state;
    for (BOTH(g)) {
        for (size_t i = 0; i < sizeof(raw); i++)
            raw[i] = (uint8_t)(i + 1);
        raw[0] = (uint8_t)g;
        osd_capability_decode(raw, g, &c);
        assert_int_equal(c.format, g);
        assert_int_equal(c.key_version, 0);
        assert_int_equal(c.icv_algorithm, 2);
        assert_int_equal(c.method, 3);
        assert_int_equal(c.expiration, 0x05060708090a);
        assert_int_equal(c.audit[0], 11);
        assert_int_equal(c.discriminator[11], 42);
        assert_int_equal(c.created, 0x2b2c2d2e2f30);
        assert_int_equal(c.object_type, 49);
        assert_int_equal(c.permissions, 0x3233);
        assert_int_equal(c.descriptor, 56 >> 4);
        assert_int_equal(c.policy_tag, g == OSD_GEN1 ? 0x393a3b3c : 0x3d3e3f40);
        assert_int_equal(c.allowed_pid,
                         g == OSD_GEN1 ? 0x3d3e3f4041424344 : 0x494a4b4c4d4e4f50);
        assert_int_equal(c.allowed_oid,
                         g == OSD_GEN1 ? 0x45464748494a4b4c : 0x5152535455565758);
        assert_int_equal(c.allowed_attrs, g == OSD_GEN1 ? 0 : 0x393a3b3c);
        assert_int_equal(c.boot_epoch, g == OSD_GEN1 ? 0 : 0x4142);
        assert_int_equal(c.range_len, g == OSD_GEN1 ? 0 : 0x595a5b5c5d5e5f60);
        assert_int_equal(c.range_start, g == OSD_GEN1 ? 0 : 0x6162636465666768);
        raw[2] = 3; /* reserved bits and bytes are not written */
        raw[3] = 0;
        memset(raw + 51, 0, 4);
        raw[55] = 0x30;
        memset(raw + (g == OSD_GEN1 ? 76 : 66), 0, g == OSD_GEN1 ? 4 : 6);
        assert_int_equal(osd_capability_encode(&c, g, back), g == OSD_GEN1 ? 80 : 104);
        assert_memory_equal(back, raw, g == OSD_GEN1 ? 80 : 104);
    }
}

static void test_wire_capability__format_1_keeps_its_layout_in_osd2(void **state)
{
    struct osd_cdb c = plain(OSD_OP_READ, OSD_GEN2), back;
    uint8_t raw[OSD_CDB_MAX];
    struct osd_wire_error err;

    (void)state;
    c.cap = (struct osd_capability){
        .format = 1, .policy_tag = 7, .allowed_pid = 0x10000, .allowed_oid = 0x10001};
    encode(&c, raw);
    assert_int_equal(be32_get(raw + 80 + 56), 7);
    assert_int_equal(be64_get(raw + 80 + 60), 0x10000);
    assert_int_equal(osd_cdb_decode(raw, 236, &back, &err), OSD_OK);
    assert_int_equal(back.cap.policy_tag, 7);
    assert_int_equal(back.cap.allowed_oid, 0x10001);
    assert_int_equal(back.cap.allowed_attrs, 0);
}

/* Service actions and data phases of reference 2.1: o Data-Out, i Data-In, c continuation. */
static const struct {
    const char *name;
    uint16_t v1, v2;
    const char *phases;
} commands[] = {
    {"APPEND", 0x8807, 0x8887, "oc"},
    {"CLEAR", 0, 0x8889, ""},
    {"COPY USER OBJECTS", 0, 0x8893, "c"},
    {"CREATE", 0x8802, 0x8882, ""},
    {"CREATE AND WRITE", 0x8812, 0x8892, "oc"},
    {"CREATE CLONE", 0, 0x88a8, ""},
    {"CREATE COLLECTION", 0x8815, 0x8895, ""},
    {"CREATE PARTITION", 0x880b, 0x888b, ""},
    {"CREATE SNAPSHOT", 0, 0x88a9, ""},
    {"CREATE USER TRACKING COLLECTION", 0, 0x8894, "c"},
    {"DETACH CLONE", 0, 0x88aa, ""},
    {"FLUSH", 0x8808, 0x8888, ""},
    {"FLUSH COLLECTION", 0x881a, 0x889a, ""},
    {"FLUSH OSD", 0x881c, 0x889c, ""},
    {"FLUSH PARTITION", 0x881b, 0x889b, ""},
    {"FORMAT OSD", 0x8801, 0x8881, ""},
    {"GET ATTRIBUTES", 0x880e, 0x888e, ""},
    {"GET MEMBER ATTRIBUTES", 0, 0x88a2, ""},
    {"LIST", 0x8803, 0x8883, "i"},
    {"LIST COLLECTION", 0x8817, 0x8897, "i"},
    {"OBJECT STRUCTURE CHECK", 0, 0x8880, ""},
    {"PERFORM SCSI COMMAND", 0x8f7e, 0x8f7c, NULL},
    {"PERFORM TASK MANAGEMENT FUNCTION", 0x8f7f, 0x8f7d, NULL},
    {"PUNCH", 0, 0x8884, ""},
    {"QUERY", 0, 0x88a0, "ic"},
    {"READ", 0x8805, 0x8885, "ic"},
    {"READ MAP", 0, 0x88b1, "i"},
    {"READ MAPS AND COMPARE", 0, 0x88b2, "ic"},
    {"REFRESH SNAPSHOT OR CLONE", 0, 0x88ab, ""},
    {"REMOVE", 0x880a, 0x888a, ""},
    {"REMOVE COLLECTION", 0x8816, 0x8896, ""},
    {"REMOVE MEMBER OBJECTS", 0, 0x88a1, ""},
    {"REMOVE PARTITION", 0x880c, 0x888c, ""},
    {"RESTORE PARTITION FROM SNAPSHOT", 0, 0x88ac, ""},
    {"SET ATTRIBUTES", 0x880f, 0x888f, ""},
    {"SET KEY", 0x8818, 0x8898, ""},
    {"SET MASTER KEY", 0x8819, 0x8899, "oi"},
    {"SET MEMBER ATTRIBUTES", 0, 0x88a3, ""},
    {"WRITE", 0x8806, 0x8886, "oc"},
};

static void test_wire_op__numbers_are_those_of_the_reference(void **state)
{
    (void)state;
    assert_int_equal(sizeof(commands) / sizeof(commands[0]), OSD_OP_MAX);
    for (size_t i = 0; i < OSD_OP_MAX; i++) {
        const struct osd_op_info *info = osd_op_info(osd_op_by_action(commands[i].v2, NULL));

        assert_non_null(info);
        assert_string_equal(info->name, commands[i].name);
        assert_int_equal(info->action[OSD_GEN1], commands[i].v1);
        assert_int_equal(info->action[OSD_GEN2], commands[i].v2);
        if (!commands[i].phases) /* of no data by themselves that the length tells */
            continue;
        assert_int_equal(info->data_out, strchr(commands[i].phases, 'o') != NULL);
        assert_int_equal(info->data_in, strchr(commands[i].phases, 'i') != NULL);
        assert_int_equal(info->continuation, strchr(commands[i].phases, 'c') != NULL);
    }
}

static void test_wire_op__each_action_has_one_command(void **state)
{
    int actions = 0;

    (void)state;
    for (unsigned a = 0; a <= 0xffff; a++) {
        enum osd_gen gen = 0;
        enum osd_op op = osd_op_by_action((uint16_t)a, &gen);
        if (op == OSD_OP_INVALID)
            continue;
        actions++;
        assert_int_equal(osd_op_info(op)->action[gen], a);
        bool perform = a >> 8 == 0x8f; /* told apart by the whole number */
        assert_int_equal(gen, perform ? (a & 2 ? 1 : 2) : a & 0x80 ? 2 : 1);
    }
    assert_int_equal(actions, 23 + 39);
    assert_null(osd_op_info(OSD_OP_INVALID));
    assert_null(osd_op_info(OSD_OP_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_cdb__fields_stand_where_the_reference_says),
        cmocka_unit_test(test_wire_cdb__members_a_command_lacks_stay_zero),
        cmocka_unit_test(test_wire_cdb__bits_stand_where_the_reference_says),
        cmocka_unit_test(test_wire_cdb__attribute_parameters_of_each_format),
        cmocka_unit_test(test_wire_cdb__random_commands_survive),
        cmocka_unit_test(test_wire_cdb__a_glance_sees_all_but_what_allows_the_command),
        cmocka_unit_test(test_wire_cdb__a_glance_refuses_what_no_command_is),
        cmocka_unit_test(test_wire_cdb__every_cut_is_refused),
        cmocka_unit_test(test_wire_cdb__frames_that_are_refused),
        cmocka_unit_test(test_wire_cdb__reserved_values_point_at_their_byte),
        cmocka_unit_test(test_wire_cdb__reserved_exponents_point_at_their_offset),
        cmocka_unit_test(test_wire_cdb__continuation_only_where_it_is_defined),
        cmocka_unit_test(test_wire_cdb__an_attribute_in_the_cdb_has_limits),
        cmocka_unit_test(test_wire_cdb__impossible_commands_are_not_encoded),
        cmocka_unit_test(test_wire_cdb__old_initiators_are_understood),
        cmocka_unit_test(test_wire_offset__everything_decoded_can_be_encoded),
        cmocka_unit_test(test_wire_offset__what_is_aligned_can_be_encoded),
        cmocka_unit_test(test_wire_capability__fields_stand_where_the_reference_says),
        cmocka_unit_test(test_wire_capability__format_1_keeps_its_layout_in_osd2),
        cmocka_unit_test(test_wire_op__numbers_are_those_of_the_reference),
        cmocka_unit_test(test_wire_op__each_action_has_one_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
