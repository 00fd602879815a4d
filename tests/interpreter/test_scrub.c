/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_scrub.c - damage that nobody reads is found in the background
 *
 * On the RocksDB store; between close and open the test changes bytes of its files.
 */
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "raw.h"
#include "rig.h"
#include "store/fault.h"

#define U6 OSD_PG_RECOVERY
#define P6 (OSD_PAGE_P + OSD_PG_RECOVERY)
#define R6 (OSD_PAGE_R + OSD_PG_RECOVERY)

#define SCRUB_BYTES 0x80000003u
#define SCRUB_FOUND 0x80000005u

#define FAST (1024 * MIB)
#define DAY  86400000ULL

#define INLINE    (RIG_OID + 1) /* its bytes lie in its record */
#define EXTENTS   (RIG_OID + 2)
#define ATTRIBUTE (RIG_OID + 3)
#define SOUND     (RIG_OID + 4)
#define CLIENT    0x10000u /* an attribute page */
#define BLOCK     4096
#define LENGTH    (250 * BLOCK)
#define BAD_BLOCK 77

static unsigned lines; /* of the log about passes; atomic */

static void note_line(enum osd_log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "scrub "))
        __atomic_add_fetch(&lines, 1, __ATOMIC_RELAXED);
}

/* ---- the device ---- */

static void shut(struct rig *rig)
{
    osd_device_close(rig->dev);
    free(rig->out);
    free(rig->in);
}

static void open_every(struct rig *rig, uint64_t rate, uint64_t interval)
{
    struct store_config cfg = {.path = rig->dir, .clock = &rig->clock};
    struct osd_store *s;

    assert_int_equal(store_rocksdb_open(&cfg, &s, NULL, 0), OSD_OK);
    rig_open_with(
        rig, s, (struct osd_device_config){.scrub_rate = rate, .scrub_interval_ms = interval});
}

static void open_again(struct rig *rig, uint64_t rate)
{
    open_every(rig, rate, DAY);
}

static uint64_t ended(struct rig *rig)
{
    struct osd_device_stats s;

    osd_device_stats(rig->dev, &s);
    return s.scrub_ended;
}

static uint64_t root_number(struct rig *rig, uint32_t number)
{
    return rig_get_u(rig, 0, 0, R6, number);
}

/* Bytes without a pattern, so that nothing on disk is smaller than they are. */
static void fill(uint8_t *p, size_t len, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = (uint8_t)x;
    }
}

static uint8_t read_byte(struct rig *rig, uint64_t oid, uint64_t at)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, oid);

    c.start = at;
    c.length = rig->in_len = 1;
    rig->out_len = 0;
    return rig_run(rig, &c);
}

/* Work on sound objects at least until a pass after `before` has ended. */
static void work_until_ended(struct rig *rig, uint64_t before)
{
    uint8_t bytes[3 * BLOCK];
    bool over = false;

    for (unsigned i = 0; !over || i < 20; i++) {
        over = ended(rig) > before;
        fill(bytes, sizeof(bytes), i);
        rig_write(rig, SOUND, i % 50 * BLOCK, bytes, sizeof(bytes));
        assert_int_equal(read_byte(rig, SOUND, i % 50 * BLOCK), SAM_GOOD);
        rig_set_u(rig, RIG_PID, SOUND, CLIENT, 1 + i % 20, i, 8);
        expect_good(rig);
    }
}

static void tomorrow(struct rig *rig)
{
    __atomic_add_fetch(&rig->now, DAY, __ATOMIC_RELAXED);
}

/* ---- damage ---- */

static uint8_t data[LENGTH], value[2000];

static void make_objects(struct rig *rig)
{
    rig_objects(rig);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (uint64_t oid = INLINE; oid <= SOUND; oid++)
        rig_object(rig, RIG_PID, oid);
    fill(data, sizeof(data), 3);
    fill(value, sizeof(value), 5);
    rig_write(rig, EXTENTS, 0, data, sizeof(data));
    rig_write(rig, INLINE, 0, value, 500);
    rig_write(rig, SOUND, 0, value, sizeof(value));
    rig_set(rig, OSD_GEN2, RIG_PID, ATTRIBUTE, CLIENT, 1, value, sizeof(value));
    expect_good(rig);
}

static void damage_all(struct rig *rig)
{
    uint8_t record[OBJECT_MAX];
    struct raw w = raw_open(rig->dir);
    struct store_id id = {RIG_PID, INLINE};
    size_t len = raw_get(&w, id, record);

    record[len - 100] ^= 4;
    raw_set(&w, id, record, len);
    raw_close(&w);
    assert_int_equal(raw_flip(rig->dir, "data", "", data + BAD_BLOCK * BLOCK, BLOCK), 1);
    assert_int_equal(raw_flip(rig->dir, "db", ".sst", value + 600, 800), 1);
}

/* Written anew; the attribute as if its table came from a backup. */
static void heal_all(struct rig *rig)
{
    rig_write(rig, EXTENTS, BAD_BLOCK * BLOCK, data, BLOCK);
    rig_write(rig, INLINE, 0, data, BLOCK);
    shut(rig);
    value[1000] ^= 4; /* what raw_flip() made of it */
    assert_int_equal(raw_flip(rig->dir, "db", ".sst", value + 600, 800), 1);
    open_again(rig, FAST);
}

/* READ MAP of everything: a descriptor is type 2..3, length 4..7, offset 8..15. */
static size_t read_map(struct rig *rig, uint64_t oid, uint16_t type)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ_MAP, OSD_GEN2, RIG_PID, oid);

    c.map_type = type;
    c.length = rig->in_len = 400;
    rig->out_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    return (size_t)be64_get(rig->in) / 16;
}

static void expect_range(const struct rig *rig, size_t i, uint16_t type, uint64_t off,
                         uint32_t len)
{
    const uint8_t *p = rig->in + 8 + 16 * i;

    assert_int_equal(be16_get(p + 2), type);
    assert_int_equal(be32_get(p + 4), len);
    assert_int_equal(be64_get(p + 8), off);
}

static void expect_on_record(struct rig *rig)
{
    assert_int_equal(rig_get_u(rig, RIG_PID, INLINE, U6, 1), 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, EXTENTS, U6, 1), 1);
    assert_int_equal(rig_get_u(rig, RIG_PID, EXTENTS, U6, 3), rig->now);
    assert_int_equal(rig_get_u(rig, RIG_PID, ATTRIBUTE, U6, 1), 2);
    assert_int_equal(rig_get_u(rig, RIG_PID, ATTRIBUTE, U6, 4), rig->now);
    assert_int_equal(rig_get_u(rig, RIG_PID, SOUND, U6, 1), 0);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, P6, 2), 3);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, P6, 6), 3);
    assert_int_equal(root_number(rig, 6), 1);
}

static void expect_in_map(struct rig *rig)
{
    uint32_t behind = (BAD_BLOCK + 1) * BLOCK;

    assert_int_equal(read_map(rig, EXTENTS, OSD_MAP_ALL), 3);
    expect_range(rig, 0, OSD_MAP_WRITTEN, 0, BAD_BLOCK * BLOCK);
    expect_range(rig, 1, OSD_MAP_DAMAGED, BAD_BLOCK * BLOCK, BLOCK);
    expect_range(rig, 2, OSD_MAP_WRITTEN, behind, LENGTH - behind);
    assert_int_equal(read_map(rig, EXTENTS, OSD_MAP_DAMAGED), 1);
    assert_int_equal(read_map(rig, INLINE, OSD_MAP_ALL), 1);
    expect_range(rig, 0, OSD_MAP_DAMAGED, 0, 500);
    assert_int_equal(read_map(rig, ATTRIBUTE, OSD_MAP_ALL), 1);
    expect_range(rig, 0, OSD_MAP_DAMAGED_ATTRS, 0, 0);
    assert_int_equal(read_map(rig, ATTRIBUTE, OSD_MAP_HOLE), 0);
}

static void test_interpreter_scrub__finds_all_damage_while_others_work(void **state)
{
    struct rig rig = {0};
    uint8_t got[BLOCK];

    (void)state;
    rig_open(&rig);
    make_objects(&rig);
    shut(&rig);
    open_again(&rig, 0); /* what was in the log goes into tables */
    shut(&rig);
    damage_all(&rig);
    open_again(&rig, FAST);
    work_until_ended(&rig, 0);
    assert_int_equal(root_number(&rig, SCRUB_FOUND), 3);
    expect_on_record(&rig);
    expect_in_map(&rig);
    read_byte(&rig, EXTENTS, BAD_BLOCK * BLOCK);
    expect_asc(&rig, SENSE_MEDIUM_ERROR, ASC_UNRECOVERED_READ);
    assert_int_equal(read_byte(&rig, EXTENTS, (BAD_BLOCK + 1) * BLOCK), SAM_GOOD);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, SOUND, CLIENT, 1, got), 8);

    uint64_t first = ended(&rig);
    heal_all(&rig);
    assert_int_equal(root_number(&rig, 6), 1); /* not known to be healed yet */
    tomorrow(&rig);
    work_until_ended(&rig, first);
    assert_int_equal(root_number(&rig, SCRUB_FOUND), 0);
    for (uint64_t oid = INLINE; oid <= SOUND; oid++)
        assert_int_equal(rig_get_u(&rig, RIG_PID, oid, U6, 1), 0);
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 6), 0);
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P6, 2), 0);
    assert_int_equal(root_number(&rig, 6), 0);
    assert_int_equal(read_map(&rig, EXTENTS, OSD_MAP_ALL), 1);
    rig_close(&rig);
}

static void wait_for_bytes(struct rig *rig, uint64_t bytes)
{
    while (root_number(rig, SCRUB_BYTES) < bytes)
        usleep(1000);
}

static void test_interpreter_scrub__goes_on_where_it_was(void **state)
{
    struct rig rig = {0};

    (void)state;
    rig_open(&rig);
    make_objects(&rig);
    shut(&rig);
    open_again(&rig, 2 * MIB); /* the largest object takes five pieces */
    wait_for_bytes(&rig, 300 * KIB);
    shut(&rig);
    open_again(&rig, 2 * MIB);
    wait_for_bytes(&rig, 800 * KIB);
    shut(&rig);
    open_again(&rig, FAST);
    while (!ended(&rig))
        usleep(1000);
    uint64_t in_parts = root_number(&rig, SCRUB_BYTES), first = ended(&rig);
    tomorrow(&rig);
    while (ended(&rig) == first)
        usleep(1000);
    /* attributes of the object it was at are read again each time, data is not */
    assert_in_range(in_parts - root_number(&rig, SCRUB_BYTES), 0, 20000);
    rig_close(&rig);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void test_interpreter_scrub__reads_no_faster_than_it_may(void **state)
{
    struct rig rig = {0};

    (void)state;
    rig_open(&rig);
    make_objects(&rig);
    shut(&rig);
    uint64_t begun = now_ms();
    open_again(&rig, 2 * MIB);
    while (!ended(&rig))
        usleep(1000);
    assert_true(now_ms() - begun >= LENGTH * 1000ULL / (2 * MIB)); /* slower it may be */
    rig_close(&rig);
}

static void test_interpreter_scrub__passes_without_a_pause_are_not_told_each(void **state)
{
    struct rig rig = {0};

    (void)state;
    rig_open(&rig);
    shut(&rig);
    lines = 0;
    open_every(&rig, FAST, 0);
    for (uint64_t i = 0, before = 0; i < 3; i++) {
        while (ended(&rig) == before)
            usleep(1000);
        before = ended(&rig);
        tomorrow(&rig);
    }
    rig_close(&rig);
    assert_int_equal(lines, 1);
}

static void test_interpreter_scrub__a_slow_one_ends_with_the_device(void **state)
{
    struct rig rig = {0};

    (void)state;
    rig_open(&rig);
    make_objects(&rig);
    shut(&rig);
    open_again(&rig, 1); /* the next piece in hours */
    rig_close(&rig);
}

/* Open again on a store whose nth call meets damage; NULL: the device does not open so. */
static struct osd_store *open_faulty(struct rig *rig, uint64_t nth)
{
    struct store_config cfg = {.path = rig->dir, .clock = &rig->clock};
    struct osd_device_config dc = {
        .clock = &rig->clock, .scrub_rate = FAST, .scrub_interval_ms = DAY};
    struct osd_store *inner;

    assert_int_equal(store_rocksdb_open(&cfg, &inner, NULL, 0), OSD_OK);
    assert_int_equal(store_fault_wrap(inner, &dc.store), OSD_OK);
    store_fault_arm(dc.store, nth, OSD_E_CORRUPT);
    if (osd_device_open(&dc, &rig->dev) == OSD_OK)
        return dc.store;
    dc.store->ops->close(dc.store);
    return NULL;
}

/* Whatever call meets damage: the pass ends, no transaction stays, others work on. */
static void test_interpreter_scrub__damage_anywhere_does_not_stop_it(void **state)
{
    uint64_t nth = 0, calls = 1, seen = 0;
    struct osd_store *faulty;
    struct rig rig = {0};

    (void)state;
    rig_open(&rig);
    rig_objects(&rig);
    rig_collection(&rig, RIG_PID, RIG_CID);
    rig_write(&rig, RIG_OID, 0, "some data", 9);
    osd_device_close(rig.dev);
    while (calls > nth) {
        faulty = open_faulty(&rig, ++nth);
        calls = nth + 1;
        if (!faulty)
            continue;
        while (ended(&rig) != rig.now)
            usleep(1000);
        calls = store_fault_calls(faulty);
        seen += rig_get_u(&rig, RIG_PID, RIG_OID, U6, 1) != 0;
        assert_int_equal(read_byte(&rig, RIG_OID, 0), SAM_GOOD);
        assert_int_equal(store_fault_open_transactions(faulty), 0);
        osd_device_close(rig.dev);
        tomorrow(&rig);
    }
    assert_true(seen > 0);
    assert_non_null(open_faulty(&rig, 0));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreter_scrub__finds_all_damage_while_others_work),
        cmocka_unit_test(test_interpreter_scrub__goes_on_where_it_was),
        cmocka_unit_test(test_interpreter_scrub__reads_no_faster_than_it_may),
        cmocka_unit_test(test_interpreter_scrub__passes_without_a_pause_are_not_told_each),
        cmocka_unit_test(test_interpreter_scrub__a_slow_one_ends_with_the_device),
        cmocka_unit_test(test_interpreter_scrub__damage_anywhere_does_not_stop_it),
    };

    setenv("RIG_STORE", "rocksdb", 1);
    osd_log_set_sink(note_line);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
