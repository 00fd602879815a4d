/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_query.c - QUERY: criteria, both kinds of result, malformed lists
 */
#include <unistd.h>

#include "interpreter/device.h"
#include "signed.h"

#define TRACKED (RIG_CID + 1)
#define SEGMENT 40
#define LIST    (SEGMENT + 8) /* the query list in Data-Out */
#define LENGTH  1, 0x82
#define COLOUR  0x10000, 1
#define UNBOUND NULL, 0

/* Ten members of a tracking collection: object i has length i * 100; odd ones have a colour. */
static void ten_members(struct rig *rig)
{
    rig_partition(rig, RIG_PID);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (uint64_t i = 0; i < 10; i++) {
        rig_object(rig, RIG_PID, RIG_OID + i);
        rig_set_u(rig, RIG_PID, RIG_OID + i, LENGTH, i * 100, 8);
        if (i % 2)
            rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID + i, COLOUR,
                    i < 5 ? "red" : "blue-and-green", i < 5 ? 3 : 14);
        rig_join(rig, RIG_OID + i, 1, RIG_CID);
    }
    rig_tracking(rig, RIG_PID, TRACKED, RIG_CID);
}

/* The query being put together in rig->out. */
struct draft {
    struct rig *rig;
    size_t len; /* of the query list */
    struct osd_cdb c;
};

static struct draft query(struct rig *rig, uint8_t type)
{
    struct draft d = {
        .rig = rig, .len = 4, .c = rig_cmd(OSD_OP_QUERY, OSD_GEN2, RIG_PID, TRACKED)};

    memset(rig->out, 0, 4096);
    rig->out[LIST] = type;
    d.c.length = 1000;
    return d;
}

static void criterion(struct draft *d, uint32_t page, uint32_t number, const void *min,
                      uint16_t min_len, const void *max, uint16_t max_len)
{
    struct osd_writer w = osd_writer_make(d->rig->out + LIST + d->len, 4096);

    osd_writer_be16(&w, 0);
    osd_writer_be16(&w, (uint16_t)(12 + min_len + max_len));
    osd_writer_be32(&w, page);
    osd_writer_be32(&w, number);
    osd_writer_be16(&w, min_len);
    osd_writer_put(&w, min, min_len);
    osd_writer_be16(&w, max_len);
    osd_writer_put(&w, max, max_len);
    d->len += w.full;
}

/* The continuation segment is complete but for its value. */
static void assemble(struct draft *d)
{
    uint8_t *p = d->rig->out, pad = (uint8_t)(-d->len & 7);

    p[0] = 1;
    be16_put(p + 2, 0x88a0);
    be16_put(p + SEGMENT, 2);
    p[SEGMENT + 3] = pad;
    be32_put(p + SEGMENT + 4, (uint32_t)d->len);
    d->c.cont_len = (uint32_t)(LIST + d->len + pad);
    d->rig->out_len = d->c.cont_len;
    d->rig->in_len = d->c.length;
}

static void ask(struct draft *d)
{
    assemble(d);
    rig_run(d->rig, &d->c);
}

/* Bit i: object i is in the answer, which is well formed. */
static unsigned answer(struct draft *d)
{
    struct rig *rig = d->rig;
    unsigned found = 0;

    ask(d);
    expect_good(rig);
    assert_int_equal(be64_get(rig->in) + 8, rig->r.in_len);
    assert_int_equal(rig->in[11], 0x84);
    for (size_t at = 12; at < rig->r.in_len; at += 8)
        found |= 1u << (be64_get(rig->in + at) - RIG_OID);
    return found;
}

static void test_interpreter_query__bounds_are_inclusive_and_may_be_open(void **state)
{
    static const uint8_t b300[8] = {[6] = 1, [7] = 44}, b700[2] = {2, 188};
    struct rig *rig = *state;

    ten_members(rig);
    for (uint8_t type = 0; type < 2; type++) {
        struct draft d = query(rig, type);
        criterion(&d, LENGTH, b300, 8, b700, 2); /* 300..700, of different lengths */
        assert_int_equal(answer(&d), 0x0f8);
        d = query(rig, type);
        criterion(&d, LENGTH, b300, 8, UNBOUND);
        assert_int_equal(answer(&d), 0x3f8);
        d = query(rig, type);
        criterion(&d, LENGTH, UNBOUND, b300, 8);
        assert_int_equal(answer(&d), 0x00f);
        d = query(rig, type);
        criterion(&d, LENGTH, UNBOUND, UNBOUND);
        assert_int_equal(answer(&d), 0x3ff);
        d = query(rig, type);
        criterion(&d, LENGTH, b700, 2, b300, 8);
        assert_int_equal(answer(&d), 0);
    }
}

static void test_interpreter_query__unions_and_intersections(void **state)
{
    static const uint8_t b300[2] = {1, 44}, b600[2] = {2, 88};
    struct rig *rig = *state;

    ten_members(rig);
    struct draft d = query(rig, 0);
    criterion(&d, COLOUR, "red", 3, "red", 3);
    criterion(&d, LENGTH, b600, 2, UNBOUND);
    assert_int_equal(answer(&d), 0x00a | 0x3c0);
    d = query(rig, 1);
    criterion(&d, COLOUR, "blue", 4, "blue-and-greenish", 17);
    criterion(&d, LENGTH, b600, 2, UNBOUND);
    assert_int_equal(answer(&d), 0x280);
    d = query(rig, 1);
    criterion(&d, COLOUR, "red", 3, "red", 3);
    criterion(&d, LENGTH, b300, 2, b300, 2);
    assert_int_equal(answer(&d), 0x008);
    d = query(rig, 0); /* long values compare like words, the shorter one first */
    criterion(&d, COLOUR, "blue-and-green", 14, "blue-and-green", 14);
    assert_int_equal(answer(&d), 0x2a0);
    d = query(rig, 0);
    criterion(&d, COLOUR, UNBOUND, "blue-and-gree", 13);
    assert_int_equal(answer(&d), 0);
}

static void test_interpreter_query__without_criteria_everything_matches(void **state)
{
    struct rig *rig = *state;

    ten_members(rig);
    for (uint8_t type = 0; type < 2; type++) {
        struct draft d = query(rig, type);
        assert_int_equal(answer(&d), 0x3ff);
        d = query(rig, type);
        d.len += 4; /* an entry of length 0 */
        assert_int_equal(answer(&d), 0x3ff);
    }
}

static void test_interpreter_query__undefined_attributes_match_no_bound(void **state)
{
    struct rig *rig = *state;

    ten_members(rig);
    struct draft d = query(rig, 1);
    criterion(&d, COLOUR, "", 0, "\xff", 1); /* an upper bound alone */
    assert_int_equal(answer(&d) & 0x155, 0);
    d = query(rig, 1);
    criterion(&d, COLOUR, UNBOUND, UNBOUND);
    assert_int_equal(answer(&d), 0x3ff);
}

static void test_interpreter_query__an_allocation_length_cuts(void **state)
{
    struct rig *rig = *state;

    ten_members(rig);
    struct draft d = query(rig, 0);
    d.c.length = 12 + 16;
    ask(&d);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 28);
    assert_int_equal(be64_get(rig->in), 4 + 80);
}

static void test_interpreter_query__into_a_collection(void **state)
{
    static const uint8_t b600[2] = {2, 88};
    struct rig *rig = *state;
    uint64_t ids[16];

    ten_members(rig);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, RIG_CID); /* its members will be dropped */
    for (int immediate = 0; immediate < 2; immediate++) {
        struct draft d = query(rig, 0);
        d.c.length = 0;
        d.c.start = RIG_CID + 2;
        d.c.immed_tr = immediate;
        criterion(&d, LENGTH, b600, 2, UNBOUND);
        ask(&d);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, 0);
        osd_device_settle(rig->dev);
        assert_int_equal(rig_members(rig, RIG_CID + 2, ids, 16), 4);
        assert_int_equal(ids[0], RIG_OID + 6);
    }
    assert_int_equal(rig_get_u(rig, RIG_PID, TRACKED, OSD_PAGE_C + OSD_PG_COLLECTIONS, 0x11),
                     10);
}

static void test_interpreter_query__collections_it_cannot_use(void **state)
{
    static const uint64_t bad[] = {TRACKED, RIG_CID, RIG_CID + 9, RIG_OID};
    struct rig *rig = *state;

    ten_members(rig);
    struct draft d = query(rig, 0);
    d.c.start = TRACKED; /* data in and a collection */
    ask(&d);
    expect_cdb(rig, 32);
    d.c.start = 0;
    d.c.length = 0;
    ask(&d);
    expect_cdb(rig, 32);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        d.c.start = bad[i];
        ask(&d);
        expect_cdb(rig, 40);
    }
    d = query(rig, 0);
    d.c.immed_tr = true;
    ask(&d);
    expect_cdb(rig, 11);
    d = query(rig, 0);
    d.c.oid = RIG_CID; /* linked */
    ask(&d);
    expect_cdb(rig, 24);
    d.c.oid = RIG_OID;
    ask(&d);
    expect_cdb(rig, 24);
    d = query(rig, 0);
    d.c.cont_len = 0;
    rig->out_len = 0;
    rig_run(rig, &d.c);
    expect_cdb(rig, 48);
}

static void test_interpreter_query__malformed_lists_point_into_data_out(void **state)
{
    struct rig *rig = *state;
    struct draft d;

    ten_members(rig);
    d = query(rig, 2);
    ask(&d);
    expect_param(rig, LIST);
    d = query(rig, 0);
    d.len = 3;
    ask(&d);
    expect_param(rig, LIST);
    d = query(rig, 0);
    d.len = 7;
    ask(&d);
    expect_param(rig, LIST + 4);
    d = query(rig, 0);
    criterion(&d, OSD_PAGE_P + 1, 1, UNBOUND, UNBOUND);
    ask(&d);
    expect_param(rig, LIST + 8);
    d = query(rig, 0);
    criterion(&d, 1, OSD_ATTR_ALL, UNBOUND, UNBOUND);
    ask(&d);
    expect_param(rig, LIST + 12);
    for (uint16_t len = 1; len < 20; len++) {
        if (len == 12 + 2)
            continue;
        d = query(rig, 0);
        criterion(&d, LENGTH, "a", 1, "b", 1);
        be16_put(rig->out + LIST + 4 + 2, len);
        ask(&d);
        expect_param(rig, LIST + 6);
    }
    d = query(rig, 0); /* a list for a command that has no use for it */
    ask(&d);
    expect_good(rig);
    d.c.op = OSD_OP_READ;
    d.c.oid = RIG_OID;
    be16_put(rig->out + 2, 0x8885);
    rig_run(rig, &d.c);
    expect_cdb(rig, 48);
}

static void test_interpreter_query__needs_permissions(void **state)
{
    struct rig *rig = *state;

    ten_members(rig);
    struct draft d = query(rig, 0);
    criterion(&d, LENGTH, UNBOUND, UNBOUND);
    rig_cap(&d.c, OSD_TYPE_COLLECTION, (uint16_t)~OSD_PERM_QUERY);
    ask(&d);
    expect_cdb(rig, 129);
    d.c.cap.permissions = OSD_PERM_QUERY;
    ask(&d);
    expect_good(rig);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, 0);
    d.c.start = RIG_CID + 2;
    d.c.length = 0;
    ask(&d);
    expect_cdb(rig, 129);
    d.c.cap.permissions |= OSD_PERM_WRITE;
    ask(&d);
    expect_good(rig);
    /* comparing with a security attribute is reading it */
    d = query(rig, 0);
    criterion(&d, OSD_PG_SECURITY, 0x40000001, UNBOUND, UNBOUND);
    rig_cap(&d.c, OSD_TYPE_COLLECTION, OSD_PERM_QUERY);
    ask(&d);
    expect_cdb(rig, 129);
    d.c.cap.permissions |= OSD_PERM_POL_SEC;
    ask(&d);
    expect_good(rig);
}

/* Criteria times members: a query may not take hours. It is refused, not cut. */
static void test_interpreter_query__has_an_end(void **state)
{
    struct rig *rig = *state;
    uint64_t steps = rig->dev->max_steps;
    struct draft d;

    ten_members(rig);
    for (int kind = 0; kind < 2; kind++) { /* criteria that look at something, and empty ones */
        d = query(rig, 1);
        for (int i = 0; i < 50; i++)
            if (kind)
                d.len += 4;
            else
                criterion(&d, LENGTH, UNBOUND, UNBOUND);
        rig->dev->max_steps = 600;
        assert_int_equal(answer(&d), 0x3ff);
        rig->dev->max_steps = 400;
        ask(&d);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE);
        rig->dev->max_steps = steps;
    }
}

/* ---- with an index ---- */

#define INDEXES  STORE_INDEX_PAGE
#define STATE(n) INDEXES, 0x8000 + (n)
#define CROWD    700

static void ask_index(struct rig *rig, uint32_t n, uint32_t page, uint32_t number)
{
    uint8_t spec[8];

    be32_put(spec, page);
    be32_put(spec + 4, number);
    rig_set(rig, OSD_GEN2, RIG_PID, 0, INDEXES, n, spec, 8);
}

/* Whether the store has indexes at all; if so, this one is complete then. */
static bool await_index(struct rig *rig, uint32_t n)
{
    struct store_info info;

    rig->store->ops->info(rig->store, &info);
    if (strcmp(info.kind, "memory") == 0)
        return false;
    while (rig_get_u(rig, RIG_PID, 0, STATE(n)) != 2)
        usleep(1000);
    return true;
}

/* Members i = 0..CROWD-1 with a colour, a size and a serial number, each in its own way. */
static void crowd(struct rig *rig)
{
    static const char *const colours[] = {"red", "green", "blue-and-green", "blue-and-grey"};

    rig_partition(rig, RIG_PID);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (uint64_t i = 0; i < CROWD; i++) {
        const char *colour = colours[i * 7 % 4];
        rig_object(rig, RIG_PID, RIG_OID + i + 0x1000);
        if (i % 5)
            rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID + i + 0x1000, COLOUR, colour,
                    (uint16_t)strlen(colour));
        rig_set_u(rig, RIG_PID, RIG_OID + i + 0x1000, COLOUR + 1, i * i % 101,
                  1 + (uint16_t)(i % 8));
        if (i % 3)
            rig_join(rig, RIG_OID + i + 0x1000, 1, RIG_CID);
    }
    rig_tracking(rig, RIG_PID, TRACKED, RIG_CID);
}

/* A query of the crowd, by number. */
static struct draft crowd_query(struct rig *rig, unsigned n)
{
    static const char *const words[] = {"red", "blue", "blue-and-green", "zzzzzzzzzz",
                                        "blue-z"};
    const char *a = words[n % 5], *b = words[n / 5 % 5];
    uint8_t low = (uint8_t)(n * 13 % 101), high[9] = {[7] = (uint8_t)(low + n % 9)};
    struct draft d = query(rig, (n / 2) % 2);

    d.c.length = 8192;
    if (n % 4 != 1)
        criterion(&d, COLOUR, a, (uint16_t)strlen(a), b, n % 3 ? (uint16_t)strlen(b) : 0);
    if (n % 4 != 2)
        criterion(&d, COLOUR + 1, &low, 1, high, n % 7 ? 8 : 9);
    if (n % 11 == 0)
        criterion(&d, LENGTH, &low, 1, UNBOUND);
    if (n % 13 == 0)
        d.len += 4; /* matches everything */
    return d;
}

#define QUERIES 200

static void test_interpreter_query__an_index_changes_no_answer(void **state)
{
    struct rig *rig = *state;
    uint8_t *scanned = malloc(QUERIES * 8192), *p;
    size_t len[QUERIES], some = 0;

    assert_non_null(scanned);
    crowd(rig);
    for (int pass = 0; pass < 3; pass++) {
        if (pass == 1)
            ask_index(rig, 1, COLOUR);
        if (pass == 2)
            ask_index(rig, 2, 0x10000, OSD_ATTR_ALL);
        if (pass && !await_index(rig, (uint32_t)pass))
            break;
        for (unsigned n = 0; n < QUERIES; n++) {
            struct draft d = crowd_query(rig, n);
            p = scanned + n * 8192;
            ask(&d);
            expect_good(rig);
            if (pass) {
                assert_int_equal(len[n], rig->r.in_len);
                assert_memory_equal(p, rig->in, len[n]);
            }
            len[n] = rig->r.in_len;
            memcpy(p, rig->in, len[n]);
            some += len[n] > 12 && len[n] < 12 + 8 * CROWD / 4;
        }
    }
    assert_true(some > QUERIES / 4);
    free(scanned);
}

static void test_interpreter_query__an_index_finds_members_only(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[CROWD];

    crowd(rig);
    ask_index(rig, 16, COLOUR);
    await_index(rig, 16);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, 0);
    struct draft d = query(rig, 1);
    d.c.length = 0;
    d.c.start = RIG_CID + 2;
    criterion(&d, COLOUR, "red", 3, "red", 3);
    ask(&d);
    expect_good(rig);
    size_t n = rig_members(rig, RIG_CID + 2, ids, CROWD), want = 0;
    for (uint64_t i = 0; i < CROWD; i++)
        want += i % 5 && i % 3 && i * 7 % 4 == 0;
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal((ids[i] - RIG_OID - 0x1000) % 3, 0);
}

static void test_interpreter_query__an_index_is_asked_for_by_an_attribute(void **state)
{
    static const struct {
        uint32_t page, number;
        bool good;
    } cases[] = {
        {0x10000, 5, true},
        {0x10000, OSD_ATTR_ALL, true},
        {0x1fffffff, 0, true},
        {1, 9, true},
        {4, 1, true},
        {1, 0x82, false},
        {3, 1, false},
        {1, OSD_ATTR_ALL, false},
        {7, 1, false},
        {OSD_PAGE_P + 1, 9, false},
        {OSD_PAGE_ANY, 1, false},
        {1, 0, false},
        {OSD_PAGE_P + 0x10000, 1, false},
    };
    struct rig *rig = *state;
    uint8_t got[64];

    rig_objects(rig);
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t n = 1 + i % STORE_INDEX_MAX;
        ask_index(rig, n, cases[i].page, cases[i].number);
        assert_int_equal(rig->r.status == 0, cases[i].good);
        assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, 0, INDEXES, n, got),
                         cases[i].good ? 8 : -1);
        assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, 0, STATE(n), got),
                         cases[i].good ? 1 : -1);
    }
    rig_set(rig, OSD_GEN2, RIG_PID, 0, INDEXES, 1, "short", 5);
    assert_int_not_equal(rig->r.status, 0);
    rig_set(rig, OSD_GEN2, RIG_PID, 0, INDEXES, STORE_INDEX_MAX + 1, got, 8);
    assert_int_not_equal(rig->r.status, 0);
    rig_set(rig, OSD_GEN2, RIG_PID, 0, STATE(1), "\2", 1);
    assert_int_not_equal(rig->r.status, 0);
    rig_set(rig, OSD_GEN2, RIG_PID, 0, INDEXES, 1, "", 0);
    expect_good(rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, 0, STATE(1), got), -1);
}

/* ---- what others wait for ---- */

/* What transactions a command begins. */
static struct watch {
    const struct store_ops *real;
    struct store_ops ops;
    unsigned shared, whole;
    void (*at)(struct rig *rig); /* called before the second shared one */
    struct rig *rig;
} watch;

static osd_status watched_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                                struct store_txn **ret)
{
    watch.shared += mode == STORE_SHARED && id.oid == TRACKED;
    watch.whole += mode == STORE_EXCLUSIVE && id.oid == 0;
    if (watch.shared + watch.whole == 2 && watch.at) {
        void (*at)(struct rig *) = watch.at;
        watch.at = NULL;
        at(watch.rig);
    }
    return watch.real->begin(s, id, mode, ret);
}

static void watch_store(struct rig *rig, void (*at)(struct rig *))
{
    watch = (struct watch){.real = rig->store->ops, .ops = *rig->store->ops, .at = at};
    watch.ops.begin = watched_begin;
    watch.rig = rig;
    rig->store->ops = &watch.ops;
}

static void unwatch(struct rig *rig)
{
    rig->store->ops = watch.real;
}

static void test_interpreter_query__a_scan_pauses_and_locks_little(void **state)
{
    struct rig *rig = *state;
    struct draft d;

    crowd(rig); /* 466 members: two pieces */
    d = crowd_query(rig, 0);
    watch_store(rig, NULL);
    ask(&d);
    unwatch(rig);
    expect_good(rig);
    assert_int_equal(watch.shared, 2);
    assert_int_equal(watch.whole, 0);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, 0);
    d.c.length = 0;
    d.c.start = RIG_CID + 2;
    watch_store(rig, NULL);
    ask(&d);
    unwatch(rig);
    expect_good(rig);
    assert_int_equal(watch.shared, 2);
    assert_int_equal(watch.whole, 1);
}

static void direct(struct rig *rig, struct store_id id, bool again)
{
    struct store_meta m;
    struct store_txn *t;

    assert_int_equal(
        watch.real->begin(rig->store, (struct store_id){RIG_PID, 0}, STORE_EXCLUSIVE, &t),
        OSD_OK);
    assert_int_equal(watch.real->get_meta(t, id, &m), OSD_OK);
    assert_int_equal(watch.real->remove(t, id, false), OSD_OK);
    m.created++;
    if (again)
        assert_int_equal(watch.real->create(t, id, &m, &id), OSD_OK);
    assert_int_equal(watch.real->commit(t, 0), OSD_OK);
}

static void remove_it(struct rig *rig)
{
    direct(rig, (struct store_id){RIG_PID, TRACKED}, false);
}

static void replace_it(struct rig *rig)
{
    direct(rig, (struct store_id){RIG_PID, TRACKED}, true);
}

static void remove_matches(struct rig *rig)
{
    direct(rig, (struct store_id){RIG_PID, RIG_CID + 2}, false);
}

static void test_interpreter_query__a_collection_that_goes_in_a_pause_ends_it(void **state)
{
    static void (*const at[])(struct rig *) = {remove_it, replace_it, remove_matches};
    struct rig *rig = *state;

    crowd(rig);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, 0);
    for (int i = 0; i < 3; i++) {
        struct draft d = crowd_query(rig, 0);
        if (i == 2) {
            d.c.length = 0;
            d.c.start = RIG_CID + 2;
        }
        watch_store(rig, at[i]);
        ask(&d);
        unwatch(rig);
        expect_cdb(rig, i == 2 ? 40 : 24);
        if (i == 0)
            rig_tracking(rig, RIG_PID, TRACKED, RIG_CID);
        if (i == 1) {
            remove_it(rig);
            rig_tracking(rig, RIG_PID, TRACKED, RIG_CID);
        }
    }
}

/* Ways in which the administrator ends what a query may do; the test gives him buffers of his
 * own. */
static void another_tag(struct rig *rig)
{
    rig_set_u(rig, RIG_PID, TRACKED, OSD_PAGE_C + OSD_PG_SECURITY, 0x40000001, 8, 4);
}

static void freeze_key(struct rig *rig)
{
    rig_set_u(rig, RIG_PID, 0, P5, 5, 1u << VERSION, 2);
}

static void freeze_audit(struct rig *rig)
{
    const uint8_t audit[OSD_AUDIT_LEN] = {0};

    rig_set(rig, OSD_GEN2, RIG_PID, 0, P5, 0x80000001, audit, sizeof(audit));
}

static void stronger_method(struct rig *rig)
{
    rig_set_u(rig, RIG_PID, 0, P5, 1, OSD_SEC_ALLDATA, 1);
}

static void let_it_expire(struct rig *rig)
{
    watch.rig->now += 1000;
    (void)rig;
}

static struct keys keys;

static void another_key(struct rig *rig)
{
    struct request set = signed_set_key(rig, OSD_GEN2, 3, RIG_PID, VERSION,
                                        keys.partition[OSD_KEY_AUTHENTICATION], &keys);

    memset(set.c.seed, 0x77, OSD_SEED_LEN);
    signed_again(&set, keys.partition[OSD_KEY_AUTHENTICATION], &keys);
    rig->out_len = rig->in_len = 0;
    signed_run(rig, &set);
    expect_good(rig);
}

static void (*take_back)(struct rig *rig);

static void revoke_meanwhile(struct rig *rig)
{
    struct rig admin = *rig;

    admin.out = calloc(1, RIG_BUF);
    admin.in = calloc(1, RIG_BUF);
    admin.r.status = SAM_GOOD;
    take_back(&admin);
    expect_good(&admin);
    free(admin.out);
    free(admin.in);
}

/* Sign what a draft asks, with its continuation segment. */
static struct request sign(struct draft *d)
{
    uint8_t icv[OSD_KEY_LEN];
    struct request r;

    assemble(d);
    r = signed_make(d->rig, d->c, OSD_SEC_CMDRSP, keys.working, &keys);
    assert_int_equal(osd_continuation_icv(r.capability_key,
                                          (struct osd_bytes){d->rig->out, d->c.cont_len}, icv),
                     OSD_OK);
    osd_icv_put(icv, d->rig->out + 8, OSD_ICV2_LEN);
    return r;
}

/* Would catch: a long query that goes on to say what members hold after its credential has been
 * taken back. */
static void test_interpreter_query__what_is_revoked_in_a_pause_ends_it(void **state)
{
    static const struct {
        void (*how)(struct rig *rig);
        uint16_t field, asc;
    } ways[] = {
        {another_tag, 140, 0},           {another_key, 184, 0},
        {stronger_method, 82, 0},        {let_it_expire, 84, 0},
        {freeze_key, 0, ASC_KEY_FROZEN}, {freeze_audit, 0, ASC_AUDIT_FROZEN},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct rig rig;
        (void)state;
        signed_open(&rig, OSD_SEC_NOSEC, &keys);
        assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, OSD_PAGE_R + 1, 3, keys.system_id),
                         OSD_SYSTEM_ID_LEN);
        crowd(&rig);
        signed_keys(&rig, OSD_GEN2, RIG_PID, &keys);
        rig_set_u(&rig, RIG_PID, TRACKED, OSD_PAGE_C + OSD_PG_SECURITY, 0x40000001, 7, 4);
        expect_good(&rig);
        for (int revoked = 0; revoked < 2; revoked++) {
            struct draft d = crowd_query(&rig, 1);
            rig_cap(&d.c, OSD_TYPE_COLLECTION,
                    OSD_PERM_READ | OSD_PERM_QUERY | OSD_PERM_GET_ATTR);
            d.c.cap.key_version = VERSION;
            d.c.cap.policy_tag = 7;
            d.c.cap.expiration = rig.now + 500;
            struct request r = sign(&d);
            take_back = ways[i].how;
            watch_store(&rig, revoked ? revoke_meanwhile : NULL);
            signed_run(&rig, &r);
            unwatch(&rig);
            if (!revoked)
                expect_good(&rig);
            else if (ways[i].field)
                expect_cdb(&rig, ways[i].field);
            else
                expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ways[i].asc);
        }
        assert_int_equal(rig.r.in_len, 0);
        rig_close(&rig);
    }
}

/* Member 1 changes its colour when everything has been looked at. */
static void change_one(struct rig *rig)
{
    struct store_id id = {RIG_PID, RIG_OID + 1};
    struct store_txn *t;

    assert_int_equal(watch.real->begin(rig->store, id, STORE_EXCLUSIVE, &t), OSD_OK);
    assert_int_equal(watch.real->set_attr(t, id, COLOUR, "tan", 3), OSD_OK);
    assert_int_equal(watch.real->commit(t, 0), OSD_OK);
}

static void test_interpreter_query__what_matches_no_more_is_not_entered(void **state)
{
    struct rig *rig = *state;
    uint64_t ids[16];

    ten_members(rig);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, 0);
    struct draft d = query(rig, 0);
    d.c.length = 0;
    d.c.start = RIG_CID + 2;
    criterion(&d, COLOUR, "red", 3, "red", 3);
    watch_store(rig, change_one);
    ask(&d);
    unwatch(rig);
    expect_good(rig);
    assert_int_equal(rig_members(rig, RIG_CID + 2, ids, 16), 1);
    assert_int_equal(ids[0], RIG_OID + 3);
}

static void test_interpreter_query__attributes_are_set_after_it(void **state)
{
    struct rig *rig = *state;
    uint8_t got[64];

    crowd(rig);
    struct draft d = crowd_query(rig, 0);
    d.c.attr.format = OSD_ATTR_CDB;
    d.c.attr.set_page = OSD_PAGE_C + 0x10000;
    d.c.attr.set_number = 3;
    d.c.attr.set_len = 4;
    memcpy(d.c.attr.value, "done", 4);
    watch_store(rig, NULL);
    ask(&d);
    unwatch(rig);
    expect_good(rig);
    assert_int_equal(watch.whole, 1);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, TRACKED, OSD_PAGE_C + 0x10000, 3, got), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_query__bounds_are_inclusive_and_may_be_open),
        rig_test(test_interpreter_query__unions_and_intersections),
        rig_test(test_interpreter_query__without_criteria_everything_matches),
        rig_test(test_interpreter_query__undefined_attributes_match_no_bound),
        rig_test(test_interpreter_query__an_allocation_length_cuts),
        rig_test(test_interpreter_query__into_a_collection),
        rig_test(test_interpreter_query__collections_it_cannot_use),
        rig_test(test_interpreter_query__malformed_lists_point_into_data_out),
        rig_test(test_interpreter_query__needs_permissions),
        rig_test(test_interpreter_query__has_an_end),
        rig_test(test_interpreter_query__an_index_changes_no_answer),
        rig_test(test_interpreter_query__an_index_finds_members_only),
        rig_test(test_interpreter_query__an_index_is_asked_for_by_an_attribute),
        rig_test(test_interpreter_query__a_scan_pauses_and_locks_little),
        rig_test(test_interpreter_query__a_collection_that_goes_in_a_pause_ends_it),
        cmocka_unit_test(test_interpreter_query__what_is_revoked_in_a_pause_ends_it),
        rig_test(test_interpreter_query__what_matches_no_more_is_not_entered),
        rig_test(test_interpreter_query__attributes_are_set_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
