/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_early.c - several requests whose bytes are put into place before the first of
 * them is executed: nothing else than how they are written differs
 */
#include "rig.h"

#define N     OSD_EARLY_MAX
#define BLOCK STORE_BLOCK

/* Requests that are executed one after the other. */
struct burst {
    size_t n;
    struct osd_request req[N];
    struct osd_response r[N];
    uint8_t cdb[N][OSD_CDB_MAX], data[N][2 * BLOCK];
    struct iovec v[N];
};

static void add(struct burst *b, struct osd_cdb c, size_t len)
{
    size_t i = b->n++, cdb_len;

    memset(b->data[i], 'a' + (int)i, sizeof(b->data[i]));
    b->v[i] = (struct iovec){b->data[i], len};
    assert_int_equal(osd_cdb_encode(&c, b->cdb[i], &cdb_len), OSD_OK);
    struct osd_iov buffer = osd_iov_make(&b->v[i], 1);
    b->req[i] = (struct osd_request){.cdb = b->cdb[i],
                                     .cdb_len = cdb_len,
                                     .out = buffer,
                                     .in = buffer,
                                     .shared_buffer = true,
                                     .later = true};
}

static void add_io(struct burst *b, enum osd_op op, uint64_t pid, uint64_t start, uint64_t len)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, pid, RIG_OID);

    c.start = start;
    c.length = len;
    add(b, c, len);
}

static void run(struct rig *rig, struct burst *b)
{
    osd_device_early(rig->dev, b->req, b->n);
    for (size_t i = 0; i < b->n; i++)
        osd_device_execute(rig->dev, &b->req[i], &b->r[i]);
    osd_device_early_end(rig->dev, b->req[0].early);
    osd_device_publish(rig->dev, b->r, b->n);
}

static void expect_bytes(struct rig *rig, uint64_t start, size_t len, int want)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);

    c.start = start;
    c.length = len;
    rig->out_len = 0;
    rig->in_len = len;
    rig_run(rig, &c);
    expect_good(rig);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(rig->in[i], want);
}

static bool on_disk(void)
{
    const char *kind = getenv("RIG_STORE");

    return kind && strcmp(kind, "rocksdb") == 0;
}

/* In their order: a READ sees what was written before it, the last of two WRITEs stays. */
static void test_interpreter_early__commands_see_each_other(void **state)
{
    struct rig *rig = *state;
    static struct burst b;

    rig_objects(rig);
    b = (struct burst){0};
    add_io(&b, OSD_OP_WRITE, RIG_PID, 0, BLOCK);
    add_io(&b, OSD_OP_READ, RIG_PID, 0, BLOCK);
    add_io(&b, OSD_OP_WRITE, RIG_PID, 0, 2 * BLOCK);
    add_io(&b, OSD_OP_READ, RIG_PID, 0, BLOCK);
    add_io(&b, OSD_OP_WRITE, RIG_PID, 4 * BLOCK, BLOCK);
    run(rig, &b);
    assert_true((b.req[0].early != NULL) == on_disk());
    for (size_t i = 0; i < b.n; i++)
        assert_int_equal(b.r[i].status, SAM_GOOD);
    assert_int_equal(b.data[1][BLOCK - 1], 'a');
    assert_int_equal(b.data[3][BLOCK - 1], 'c');
    expect_bytes(rig, 0, 2 * BLOCK, 'c');
    expect_bytes(rig, 2 * BLOCK, 2 * BLOCK, 0);
    expect_bytes(rig, 4 * BLOCK, BLOCK, 'e');
}

/* One that is refused, or writes parts of blocks, is none of those, or leaves nothing. */
static void test_interpreter_early__refused_and_partial_ones_among_them(void **state)
{
    struct rig *rig = *state;
    static struct burst b;

    rig_objects(rig);
    b = (struct burst){0};
    add_io(&b, OSD_OP_WRITE, RIG_PID + 1, 0, BLOCK);
    add_io(&b, OSD_OP_WRITE, RIG_PID, 0, BLOCK);
    add_io(&b, OSD_OP_WRITE, RIG_PID, BLOCK - 10, BLOCK);
    add_io(&b, OSD_OP_WRITE, RIG_PID, 3 * BLOCK, 100);
    add_io(&b, OSD_OP_APPEND, RIG_PID, 0, BLOCK);
    run(rig, &b);
    assert_int_equal(b.r[0].status, SAM_CHECK_CONDITION);
    for (size_t i = 1; i < b.n; i++)
        assert_int_equal(b.r[i].status, SAM_GOOD);
    expect_bytes(rig, 0, BLOCK - 10, 'b');
    expect_bytes(rig, BLOCK - 10, BLOCK, 'c');
    expect_bytes(rig, 3 * BLOCK, 100, 'd');
    expect_bytes(rig, 3 * BLOCK + 100, BLOCK, 'e');
}

/* What comes with a CDB says how much; a buffer of another size is left alone. */
static void test_interpreter_early__less_than_two_are_left_alone(void **state)
{
    struct rig *rig = *state;
    static struct burst b;
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID);

    rig_objects(rig);
    b = (struct burst){0};
    add_io(&b, OSD_OP_WRITE, RIG_PID, 0, BLOCK);
    c.length = BLOCK;
    add(&b, c, 2 * BLOCK);
    b.req[b.n++] = (struct osd_request){.cdb = (const uint8_t[6]){0}, .cdb_len = 6};
    run(rig, &b);
    assert_null(b.req[0].early);
    expect_bytes(rig, 0, BLOCK, 'b');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_early__commands_see_each_other),
        rig_test(test_interpreter_early__refused_and_partial_ones_among_them),
        rig_test(test_interpreter_early__less_than_two_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
