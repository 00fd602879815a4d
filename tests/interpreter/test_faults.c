/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_faults.c - every store call of every command fails once
 *
 * Raises N until the command succeeds. Would catch: a command that leaves something changed, a
 * transaction forgotten on an error path, an error that reads like success.
 */
#include "common/log.h"
#include "dump.h"
#include "rig.h"
#include "store/fault.h"

static const osd_status statuses[] = {OSD_E_IO, OSD_E_NOMEM, OSD_E_NO_SPACE, OSD_E_CORRUPT,
                                      OSD_E_BUSY};

static void expect_told(const struct rig *rig, osd_status st)
{
    switch (st) {
    case OSD_E_NO_SPACE:
        expect_asc(rig, SENSE_DATA_PROTECT, ASC_QUOTA);
        break;
    case OSD_E_NOMEM:
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE);
        break;
    case OSD_E_CORRUPT:
        expect_asc(rig, SENSE_MEDIUM_ERROR, ASC_UNRECOVERED_READ);
        break;
    case OSD_E_BUSY:
        assert_int_equal(rig->r.status, SAM_BUSY);
        break;
    default:
        expect_asc(rig, SENSE_HARDWARE_ERROR, ASC_INTERNAL_FAILURE);
    }
}

/* What a case adds to the plain command. Data-Out: 100 bytes of data, lists at 256 and 512. */
static void add_attributes(struct rig *rig, struct osd_cdb *c)
{
    const struct osd_attr_id want[] = {{OSD_PAGE_ALL, OSD_ATTR_ALL}, {OSD_PAGE_CURRENT, 3}};
    bool root = c->pid == 0 && c->op != OSD_OP_CREATE_PARTITION;
    bool user = c->oid != 0 || c->op == OSD_OP_CREATE || c->op == OSD_OP_COPY_USER_OBJECTS;
    bool collection = c->oid >= RIG_CID || c->op == OSD_OP_CREATE_COLLECTION ||
                      c->op == OSD_OP_CREATE_USER_TRACKING_COLLECTION;
    bool member =
        c->op == OSD_OP_GET_MEMBER_ATTRIBUTES || c->op == OSD_OP_SET_MEMBER_ATTRIBUTES;
    uint32_t base = root                    ? OSD_PAGE_R
                    : collection && !member ? OSD_PAGE_C
                    : user                  ? OSD_PAGE_U
                                            : OSD_PAGE_P;

    c->attr.format = OSD_ATTR_LIST;
    c->attr.get_list_off = 256;
    c->attr.get_list_len = (uint32_t)rig_get_list(rig, c->gen, 256, want, 2);
    c->attr.get_alloc_len = 8192;
    c->attr.retrieved_off = 8192;
    c->attr.set_off = 512;
    c->attr.set_len = (uint32_t)rig_set_list(
        rig, c->gen, 512, (struct osd_attr_id){base + 0x10001, 7}, "seven", 5);
    rig->out_len = 1024;
    rig->in_len = 16384;
}

/* The continuation segment a case needs, in front of the lists. */
static void add_continuation(struct rig *rig, struct osd_cdb *c)
{
    bool copies = c->op == OSD_OP_COPY_USER_OBJECTS, asks = c->op == OSD_OP_QUERY;
    bool compares = c->op == OSD_OP_READ_MAPS_AND_COMPARE;
    uint8_t *p = rig->out;

    if (!copies && !asks && !compares)
        return;
    memset(p, 0, 256);
    p[0] = 1;
    be16_put(p + 2, osd_op_info(c->op)->action[OSD_GEN2]);
    be16_put(p + 40, copies ? 0x0101 : compares ? 0x0100 : 2);
    be32_put(p + 44, copies ? 20 : compares ? 16 : 4 + 4 + 12 + 1);
    p[43] = copies ? 4 : compares ? 0 : 3;
    if (copies || compares) {
        be64_put(p + 48, RIG_PID);
        be64_put(p + 56, RIG_OID);
        p[64] = copies;
    } else { /* creation time from zero on */
        be16_put(p + 54, 13);
        be32_put(p + 56, 3);
        be32_put(p + 60, 1);
        be16_put(p + 64, 1);
    }
    c->cont_len = 72;
}

static const struct {
    enum osd_op op;
    uint64_t pid, oid, length;
    uint8_t option;
    uint16_t count;
} cases[] = {
    {OSD_OP_WRITE, RIG_PID, RIG_OID, 100, 0, 0},
    {OSD_OP_APPEND, RIG_PID, RIG_OID, 100, 0, 0},
    {OSD_OP_READ, RIG_PID, RIG_OID, 5000, 0, 0},
    {OSD_OP_CLEAR, RIG_PID, RIG_OID, 100, 0, 0},
    {OSD_OP_PUNCH, RIG_PID, RIG_OID, 100, 0, 0},
    {OSD_OP_READ_MAP, RIG_PID, RIG_OID, 1000, 0, 0},
    {OSD_OP_READ_MAPS_AND_COMPARE, RIG_PID, RIG_OID, 1000, 0, 0},
    {OSD_OP_FLUSH, RIG_PID, RIG_OID, 0, 0, 0},
    {OSD_OP_FLUSH_PARTITION, RIG_PID, 0, 0, 2, 0},
    {OSD_OP_FLUSH_OSD, 0, 0, 0, 2, 0},
    {OSD_OP_GET_ATTRIBUTES, RIG_PID, RIG_OID, 0, 0, 0},
    {OSD_OP_SET_ATTRIBUTES, RIG_PID, 0, 0, 0, 0},
    {OSD_OP_SET_ATTRIBUTES, 0, 0, 0, 0, 0},
    {OSD_OP_CREATE, RIG_PID, 0, 0, 0, 3},
    {OSD_OP_CREATE, RIG_PID, RIG_OID + 50, 0, 0, 1},
    {OSD_OP_CREATE_AND_WRITE, RIG_PID, RIG_OID + 60, 100, 0, 0},
    {OSD_OP_CREATE_PARTITION, 0, 0, 0, 0, 0},
    {OSD_OP_LIST, RIG_PID, 0, 1000, 0, 0},
    {OSD_OP_LIST, 0, 0, 1000, 0, 0},
    {OSD_OP_CREATE_COLLECTION, RIG_PID, 0, 0, 0, 0},
    {OSD_OP_LIST_COLLECTION, RIG_PID, RIG_CID, 1000, 0, 0},
    {OSD_OP_LIST_COLLECTION, RIG_PID, 0, 1000, 0, 0},
    {OSD_OP_FLUSH_COLLECTION, RIG_PID, RIG_CID, 0, 2, 0},
    {OSD_OP_CREATE_USER_TRACKING_COLLECTION, RIG_PID, 0, 0, 0, 0},
    {OSD_OP_GET_MEMBER_ATTRIBUTES, RIG_PID, RIG_CID, 0, 0, 0},
    {OSD_OP_SET_MEMBER_ATTRIBUTES, RIG_PID, RIG_CID, 0, 0, 0},
    {OSD_OP_COPY_USER_OBJECTS, RIG_PID, 0, 0, 0, 0},
    {OSD_OP_QUERY, RIG_PID, RIG_CID + 1, 100, 0, 0},
    {OSD_OP_QUERY, RIG_PID, RIG_CID + 1, 0, 0, 0},
    {OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_PID, RIG_CID, 0, 0, 0},
    {OSD_OP_REMOVE_COLLECTION, RIG_PID, RIG_CID, 0, 1, 0},
    {OSD_OP_REMOVE, RIG_PID, RIG_OID, 0, 0, 0},
    {OSD_OP_REMOVE_PARTITION, RIG_PID, 0, 0, 1, 0},
    {OSD_OP_FORMAT_OSD, 0, 0, 0, 0, 0},
};

/* A flush follows the commit: the attributes that came with it stay set when it fails. Damage
 * that a READ or a GET ATTRIBUTES finds is put on record. */
static bool leaves_traces(enum osd_op op, osd_status st)
{
    bool reads = op == OSD_OP_READ || op == OSD_OP_GET_ATTRIBUTES;

    return (reads && st == OSD_E_CORRUPT) || op == OSD_OP_FLUSH ||
           op == OSD_OP_FLUSH_COLLECTION || op == OSD_OP_FLUSH_PARTITION ||
           op == OSD_OP_FLUSH_OSD;
}

/* Fail the nth call of a command. True when there is no nth call any more. */
static bool fail_nth(struct rig *rig, const struct osd_cdb *c, const char *before, uint64_t nth,
                     osd_status st)
{
    bool over;
    char *after;

    store_fault_arm(rig->store, nth, st);
    rig_run(rig, c);
    over = store_fault_calls(rig->store) < nth;
    store_fault_arm(rig->store, 0, OSD_OK);
    assert_int_equal(store_fault_open_transactions(rig->store), 0);
    if (over)
        return true;
    expect_told(rig, st);
    assert_int_equal(rig->r.in_len, 0);
    after = store_dump(rig->store, STORE_DUMP_TIMES);
    if (!leaves_traces(c->op, st))
        assert_string_equal(before, after);
    free(after);
    return false;
}

static void fail_all(struct osd_cdb c, osd_status st)
{
    struct osd_store *faulty;
    struct rig rig = {0};
    uint64_t nth = 1;
    char *before;

    assert_int_equal(store_fault_wrap(rig_store(&rig, 0), &faulty), OSD_OK);
    rig_open_on(&rig, faulty);
    rig_objects(&rig);
    rig_write(&rig, RIG_OID, 0, rig.out, 4000);
    rig_collection(&rig, RIG_PID, RIG_CID);
    rig_join(&rig, RIG_OID, 1, RIG_CID);
    rig_tracking(&rig, RIG_PID, RIG_CID + 1, RIG_CID);
    rig_tracking(&rig, RIG_PID, RIG_CID + 2, RIG_CID);
    if (c.op == OSD_OP_QUERY && c.length == 0) {
        c.start = RIG_CID + 2;
        c.immed_tr = true;
    }
    rig.now += 7; /* a touch too many would show */
    before = store_dump(faulty, STORE_DUMP_TIMES);
    if (c.gen == OSD_GEN2 || c.op != OSD_OP_CREATE_PARTITION)
        add_attributes(&rig, &c);
    else
        rig.in_len = 0;
    add_continuation(&rig, &c);
    while (!fail_nth(&rig, &c, before, nth, st))
        nth++;
    if (c.op != OSD_OP_READ)
        expect_good(&rig);
    assert_true(nth > 2);
    free(before);
    rig_close(&rig);
}

static void test_interpreter_faults__a_failing_command_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (BOTH(g)) {
            if (!osd_op_info(cases[i].op)->action[g])
                continue;
            for (size_t k = 0; k < sizeof(statuses) / sizeof(statuses[0]); k++) {
                struct osd_cdb c = rig_cmd(cases[i].op, g, cases[i].pid, cases[i].oid);
                c.length = cases[i].length;
                c.count = cases[i].count;
                c.option = g == OSD_GEN1 && cases[i].op == OSD_OP_REMOVE_PARTITION
                               ? 0
                               : cases[i].option;
                c.sec.nonce[3] = 9;
                if (g == OSD_GEN1 && cases[i].op == OSD_OP_REMOVE_PARTITION)
                    continue;
                fail_all(c, statuses[k]);
            }
        }
    }
}

/* Open reads and writes settings; whichever fails, the store stays the caller's. */
static void test_interpreter_faults__open_fails_cleanly(void **state)
{
    struct osd_device_config cfg = {0};
    struct osd_device *dev = NULL;
    struct rig rig = {0};
    uint64_t nth = 1;

    (void)state;
    assert_int_equal(store_fault_wrap(rig_store(&rig, 0), &cfg.store), OSD_OK);
    for (;; nth++) {
        store_fault_arm(cfg.store, nth, OSD_E_IO);
        osd_status st = osd_device_open(&cfg, &dev);
        if (st == OSD_OK)
            break;
        assert_int_equal(st, OSD_E_IO);
        assert_null(dev);
    }
    assert_true(nth > 3);
    osd_device_close(dev);
}

/* A command that was carried out but may be gone after a restart has not ended well. */
static void test_interpreter_faults__what_cannot_be_published_is_not_told(void **state)
{
    struct osd_response good[2];
    struct osd_store *faulty;
    struct rig rig = {.later = true};

    (void)state;
    assert_int_equal(store_fault_wrap(rig_store(&rig, 0), &faulty), OSD_OK);
    rig_open_on(&rig, faulty);
    rig_objects(&rig);
    rig_write(&rig, RIG_OID, 0, "abc", 3);
    expect_good(&rig);
    good[0] = good[1] = rig.r;
    osd_device_publish(rig.dev, good, 2);
    assert_int_equal(good[0].status, SAM_GOOD);
    assert_int_equal(good[1].status, SAM_GOOD);
    store_fault_arm(faulty, 1, OSD_E_NO_SPACE);
    osd_device_publish(rig.dev, good, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(osd_sense_decode(good[i].sense, good[i].sense_len, &rig.sense),
                         OSD_OK);
        rig.r = good[i];
        expect_asc(&rig, SENSE_HARDWARE_ERROR, ASC_INTERNAL_FAILURE);
        assert_int_equal(good[i].in_len, 0);
    }
    rig_close(&rig);
}

static void quiet(enum osd_log_level level, const char *line)
{
    (void)level, (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreter_faults__a_failing_command_changes_nothing),
        cmocka_unit_test(test_interpreter_faults__open_fails_cleanly),
        cmocka_unit_test(test_interpreter_faults__what_cannot_be_published_is_not_told),
    };

    osd_log_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
