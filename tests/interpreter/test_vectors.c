/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_vectors.c - the published vectors (tests/data/vectors.txt), executed
 *
 * Would catch: a field read from the wrong place, an answer that differs from the samples.
 */
#include "rig.h"
#include "vectors.h"

/* Execute a vector with its Data-Out; Data-In has room for in_len bytes. */
static void run_vector(struct rig *rig, const char *name, size_t in_len)
{
    uint8_t cdb[512];
    char key[32];
    size_t len;

    snprintf(key, sizeof(key), "%s.cdb", name);
    len = vector_read(key, cdb);
    assert_true(len > 0);
    snprintf(key, sizeof(key), "%s.dout", name);
    rig->out_len = vector_read(key, rig->out);
    rig->in_len = in_len;
    rig_run_raw(rig, cdb, len);
}

static void expect_sample(struct rig *rig, const char *key)
{
    uint8_t want[512];
    size_t len = vector_read(key, want);

    expect_good(rig);
    assert_int_equal(rig->r.in_len, len);
    assert_memory_equal(rig->in, want, len);
}

static void test_interpreter_vectors__osd1_life_of_objects(void **state)
{
    static const uint8_t zeros[8];
    struct rig *rig = *state;

    run_vector(rig, "V1", 0);
    expect_good(rig);
    run_vector(rig, "V2", 56);
    expect_sample(rig, "V2.din");
    run_vector(rig, "V3", 128);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 82);
    for (uint64_t i = 0; i < 3; i++) {
        uint8_t *entry = rig->in + 4 + 26 * i;
        assert_int_equal(be64_get(entry), RIG_PID + i); /* the sample begins at 10005h */
        assert_int_equal(be64_get(entry + 18), be64_get(entry));
    }
    run_vector(rig, "V4", 0);
    expect_cdb(rig, 24);
    rig_object(rig, RIG_PID, RIG_OID);
    run_vector(rig, "V4", 0);
    expect_good(rig);
    run_vector(rig, "V5", 320);
    expect_cdb(rig, 44); /* the object has 300 bytes, V5 reads at 512 */
    run_vector(rig, "V10", 64);
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
    rig_write(rig, RIG_OID, 512, rig->out, 256);
    run_vector(rig, "V5", 320);
    expect_good(rig);
    assert_int_equal(be32_get(rig->in + 256), 0x09000012);
    assert_int_equal(be64_get(rig->in + 256 + 14), 768);
    run_vector(rig, "V7", 64);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 38);
    assert_int_equal(be48_get(rig->in + 8), RIG_NOW);
    run_vector(rig, "V8", 0);
    expect_good(rig);
    run_vector(rig, "V11", 0);
    expect_good(rig);
    run_vector(rig, "V11", 0);
    expect_cdb(rig, 24);
    (void)zeros;
}

static void test_interpreter_vectors__osd1_append_tells_where(void **state)
{
    struct rig *rig = *state;
    uint8_t cdb[256];
    size_t len = vector_read("V10.cdb", cdb);

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, rig->out, 100);
    rig->out_len = 4096;
    rig->in_len = 56;
    rig_run_raw(rig, cdb, len);
    expect_good(rig);
    assert_int_equal(be64_get(rig->in + 48), 100);
}

static void test_interpreter_vectors__osd1_list(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    rig_object(rig, RIG_PID, RIG_OID + 1);
    run_vector(rig, "V6", 1024);
    expect_sample(rig, "V6.din");
}

static void test_interpreter_vectors__osd2(void **state)
{
    struct rig *rig = *state;
    uint8_t data[16384] = {1}, value[64];

    rig_objects(rig);
    run_vector(rig, "V12", 4096);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 64); /* V12 allows 64 of the 72 bytes */
    assert_int_equal(be32_get(rig->in + 4), 64);
    assert_int_equal(be16_get(rig->in + 8 + 14), 20);
    assert_int_equal(be16_get(rig->in + 48 + 14), 6);
    run_vector(rig, "V13", 0);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 1, 9, value), 5);
    assert_memory_equal(value, "alice", 5);
    rig_write(rig, RIG_OID, 0, data, 300);
    run_vector(rig, "V20", 4096);
    expect_sample(rig, "V20.din");
    rig_write(rig, RIG_OID, 0, data, sizeof(data));
    run_vector(rig, "V19", 0);
    expect_good(rig);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), sizeof(data) - 4096);
    run_vector(rig, "V21", 0);
    expect_good(rig);
    run_vector(rig, "V17", 0);
    expect_good(rig);
    run_vector(rig, "V17", 0);
    expect_cdb(rig, 16);
}

static void test_interpreter_vectors__osd2_collections(void **state)
{
    uint8_t data[2000] = {1}, cid[8];
    struct rig *rig = *state;

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, data, 300);
    run_vector(rig, "V16", 76);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 76);
    assert_int_equal(rig->in[40], OSD_TYPE_COLLECTION);
    assert_int_equal(be64_get(rig->in + 52), 0x10100);
    be64_put(cid, 0x10100);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, OSD_PG_COLLECTIONS, 1, cid, 8);
    expect_good(rig);
    run_vector(rig, "V18", 4096);
    expect_sample(rig, "V18.din");
    run_vector(rig, "V15", 256); /* a linked collection cannot be asked */
    expect_cdb(rig, 24);
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_COLLECTION, OSD_GEN2, RIG_PID, 0x10100);
    c.option = 1;
    rig_good(rig, &c);
    c = rig_cmd(OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_GEN2, RIG_PID, 0x10100);
    rig_good(rig, &c);
    run_vector(rig, "V15", 256);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 12);
    assert_int_equal(be64_get(rig->in), 4);
    assert_int_equal(rig->in[11], 0x84);
}

/* V9 has no partition key to make a working key from; V22 exchanges values as anywhere. */
static void test_interpreter_vectors__keys(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    run_vector(rig, "V9", 256);
    expect_cdb(rig, 11);
    run_vector(rig, "V22", 132);
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH); /* it comes without data */
}

/* V23-V25 carry other security methods, but there are no keys. */
static void test_interpreter_vectors__methods_without_keys_are_refused(void **state)
{
    static const char *const names[] = {"V23", "V24", "V25"};
    struct rig *rig = *state;

    rig_objects(rig);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        run_vector(rig, names[i], 512);
        expect_cdb(rig, 82);
        assert_int_equal(rig->sense.completed, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_vectors__osd1_life_of_objects),
        rig_test(test_interpreter_vectors__osd1_append_tells_where),
        rig_test(test_interpreter_vectors__osd1_list),
        rig_test(test_interpreter_vectors__osd2),
        rig_test(test_interpreter_vectors__osd2_collections),
        rig_test(test_interpreter_vectors__keys),
        rig_test(test_interpreter_vectors__methods_without_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
