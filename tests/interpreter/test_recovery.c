/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_recovery.c - error recovery pages, OBJECT STRUCTURE CHECK
 *
 * Damage comes from the fault-injecting store.
 */
#include "common/log.h"
#include "dump.h"
#include "rig.h"
#include "store/fault.h"

#define U6 OSD_PG_RECOVERY
#define P6 (OSD_PAGE_P + OSD_PG_RECOVERY)
#define C6 (OSD_PAGE_C + OSD_PG_RECOVERY)
#define R6 (OSD_PAGE_R + OSD_PG_RECOVERY)

static void open_faulty(struct rig *rig)
{
    struct osd_store *faulty;

    memset(rig, 0, sizeof(*rig));
    assert_int_equal(store_fault_wrap(rig_store(rig, 0), &faulty), OSD_OK);
    rig_open_on(rig, faulty);
    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_write(rig, RIG_OID, 0, "some data", 9);
    rig->now += 60;
}

static void read_it(struct rig *rig)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);

    c.length = rig->in_len = 9;
    rig->out_len = 0;
    rig_run(rig, &c);
}

/* READ finds its data damaged. */
static void damage(struct rig *rig)
{
    uint64_t nth = 1;

    do {
        store_fault_arm(rig->store, nth++, OSD_E_CORRUPT);
        read_it(rig);
    } while (rig->r.status == SAM_GOOD || rig_get_u(rig, RIG_PID, RIG_OID, U6, 1) == 0);
    store_fault_arm(rig->store, 0, OSD_OK);
}

static void check(struct rig *rig, uint64_t pid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_OBJECT_STRUCTURE_CHECK, OSD_GEN2, pid, 0);

    rig->out_len = rig->in_len = 0;
    rig_run(rig, &c);
}

static void test_interpreter_recovery__nothing_is_damaged_at_first(void **state)
{
    struct rig rig;
    uint8_t raw[64];

    (void)state;
    open_faulty(&rig);
    for (uint32_t n = 1; n <= 6; n++) {
        assert_int_equal(rig_get_u(&rig, 0, 0, R6, n), 0);
        assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, n), 0);
        assert_int_equal(rig_get(&rig, OSD_GEN1, RIG_PID, 0, P6, n, raw), -1);
        int want = n == 1 ? 1 : n == 3 || n == 4 ? 6 : -1;
        assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, RIG_OID, U6, n, raw), want);
        assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, RIG_CID, C6, n, raw), want);
        rig_set(&rig, OSD_GEN2, RIG_PID, RIG_OID, U6, n, "123456", 6);
        expect_param(&rig, 8);
    }
    rig_close(&rig);
}

static void test_interpreter_recovery__a_damaged_read_is_put_on_record(void **state)
{
    struct rig rig;

    (void)state;
    open_faulty(&rig);
    damage(&rig);
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, U6, 1), 1);
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, U6, 3), rig.now);
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, U6, 4), 0);
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 2), 1);
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 5), rig.now);
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 6), 1);
    assert_int_equal(rig_get_u(&rig, 0, 0, R6, 2), 1);
    assert_int_equal(rig_get_u(&rig, 0, 0, R6, 6), 1);
    damage(&rig); /* again: no new damage */
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 6), 1);
    assert_int_equal(rig_get_u(&rig, 0, 0, R6, 6), 1);
    rig_close(&rig);
}

static void test_interpreter_recovery__pages_have_their_layouts(void **state)
{
    static const struct {
        uint64_t oid;
        uint32_t page;
        size_t len;
    } cases[] = {{RIG_OID, U6, 22}, {RIG_CID, C6, 22}, {0, P6, 36}};
    struct rig rig;

    (void)state;
    open_faulty(&rig);
    damage(&rig);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, OSD_GEN2, RIG_PID, cases[i].oid);
        c.attr.get_page = cases[i].page;
        c.attr.get_alloc_len = rig.in_len = 64;
        c.attr.retrieved_off = 0;
        rig.out_len = 0;
        rig_run(&rig, &c);
        expect_good(&rig);
        assert_int_equal(rig.r.in_len, cases[i].len);
        assert_int_equal(be32_get(rig.in + 4), cases[i].len - 8);
        assert_int_equal(rig.in[8], cases[i].oid == RIG_OID);
    }
    assert_int_equal(be64_get(rig.in + 8), 1); /* the partition */
    assert_int_equal(rig.in[17], 1);
    rig_close(&rig);
}

static void test_interpreter_recovery__the_check_forgets_what_is_healed(void **state)
{
    struct rig rig;

    (void)state;
    for (uint64_t pid = 0; pid <= RIG_PID; pid += RIG_PID) {
        open_faulty(&rig);
        damage(&rig);
        check(&rig, pid);
        expect_good(&rig);
        assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, U6, 1), 0);
        assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 2), 0);
        assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 6), 0);
        assert_int_equal(rig_get_u(&rig, 0, 0, R6, 6), pid != 0); /* only by the whole */
        rig_close(&rig);
    }
}

/* Whatever call meets damage, it is found, or the check says that it could not look. */
static void test_interpreter_recovery__the_check_finds_damage(void **state)
{
    unsigned seen_attrs = 0, seen_data = 0, seen_list = 0;
    uint64_t nth = 1;
    struct rig rig;
    bool over;

    (void)state;
    do {
        open_faulty(&rig);
        store_fault_arm(rig.store, nth, OSD_E_CORRUPT);
        check(&rig, 0);
        over = store_fault_calls(rig.store) < nth++;
        store_fault_arm(rig.store, 0, OSD_OK);
        assert_int_equal(store_fault_open_transactions(rig.store), 0);
        uint64_t user = rig_get_u(&rig, RIG_PID, RIG_OID, U6, 1);
        uint64_t coll = rig_get_u(&rig, RIG_PID, RIG_CID, C6, 1);
        if (rig.r.status == SAM_GOOD)
            assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 6), (user != 0) + (coll != 0));
        seen_attrs += user == 2;
        seen_data += user == 1;
        seen_list += coll == 1;
        rig_close(&rig);
    } while (!over);
    assert_true(seen_attrs > 0);
    assert_true(seen_data > 0);
    assert_true(seen_list > 0);
}

static void test_interpreter_recovery__a_check_that_cannot_look_fails(void **state)
{
    uint64_t nth = 1;
    struct rig rig;

    (void)state;
    open_faulty(&rig);
    damage(&rig);
    for (;; nth++) {
        store_fault_arm(rig.store, nth, OSD_E_IO);
        check(&rig, 0);
        if (store_fault_calls(rig.store) < nth)
            break;
        expect_asc(&rig, SENSE_HARDWARE_ERROR, ASC_INTERNAL_FAILURE);
        assert_int_equal(store_fault_open_transactions(rig.store), 0);
    }
    expect_good(&rig);
    assert_true(nth > 20);
    store_fault_arm(rig.store, 0, OSD_OK);
    check(&rig, RIG_PID + 1);
    expect_cdb(&rig, 16);
    rig_close(&rig);
}

static void test_interpreter_recovery__the_check_needs_permission(void **state)
{
    struct rig rig;

    (void)state;
    open_faulty(&rig);
    for (uint64_t pid = 0; pid <= RIG_PID; pid += RIG_PID) {
        struct osd_cdb c = rig_cmd(OSD_OP_OBJECT_STRUCTURE_CHECK, OSD_GEN2, pid, 0);
        uint8_t type = pid ? OSD_TYPE_PARTITION : OSD_TYPE_ROOT;
        rig.out_len = rig.in_len = 0;
        rig_cap(&c, type, (uint16_t) ~(OSD_PERM_DEV_MGMT | OSD_PERM_GLOBAL));
        rig_run(&rig, &c);
        expect_cdb(&rig, 129);
        rig_cap(&c, type, OSD_PERM_DEV_MGMT);
        rig_run(&rig, &c);
        expect_good(&rig);
        rig_cap(&c, type, OSD_PERM_OBJ_MGMT | OSD_PERM_GLOBAL);
        rig_run(&rig, &c);
        expect_good(&rig);
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
        cmocka_unit_test(test_interpreter_recovery__nothing_is_damaged_at_first),
        cmocka_unit_test(test_interpreter_recovery__a_damaged_read_is_put_on_record),
        cmocka_unit_test(test_interpreter_recovery__pages_have_their_layouts),
        cmocka_unit_test(test_interpreter_recovery__the_check_forgets_what_is_healed),
        cmocka_unit_test(test_interpreter_recovery__the_check_finds_damage),
        cmocka_unit_test(test_interpreter_recovery__a_check_that_cannot_look_fails),
        cmocka_unit_test(test_interpreter_recovery__the_check_needs_permission),
    };

    osd_log_set_sink(quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
