/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_stress.c - hostile initiators: eight threads send commands whose fields
 * are at their extremes, whose lists and descriptors lie, and which remove what others use
 *
 * Nobody knows what the answers should be; what must hold is that there is one, that nothing of
 * Data-In is left unwritten, that the sanitizers are silent, that staging stays within its
 * bounds, and that the store's own check finds nothing afterwards.
 * STRESS_COMMANDS (per thread) and STRESS_SEED in the environment change how many and which.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/log.h"
#include "interpreter/staging.h"
#include "rig.h"

#define THREADS 8
#define OUT_MAX 20000u
#define IN_MAX  9000u
#define PARTS   2
#define COPIES  3 /* partitions that are made from others, behind those */
#define OBJECTS 6
#define COLLS   3
#define N(a)    (sizeof(a) / sizeof((a)[0]))

struct hostile {
    struct osd_device *dev;
    uint64_t seed, good, failed;
    struct osd_cdb c;
    uint8_t raw[OSD_CDB_MAX + 8], *out, *in;
    size_t raw_len, out_len, in_len;
    bool shared;
    bool calm;          /* this command may well succeed */
    const char *broken; /* what did not hold */
};

static uint64_t next_random(struct hostile *h)
{
    uint64_t z = h->seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t below(struct hostile *h, uint64_t n)
{
    return next_random(h) % n;
}

static bool one_in(struct hostile *h, uint64_t n)
{
    return below(h, n) == 0;
}

/* ---- fields ---- */

static uint64_t some_number(struct hostile *h)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     8,
                                     4095,
                                     4096,
                                     4097,
                                     65535,
                                     1 << 20,
                                     UINT32_MAX,
                                     1ULL << 32,
                                     (1ULL << 60) - 1,
                                     1ULL << 60,
                                     INT64_MAX,
                                     1ULL << 63,
                                     UINT64_MAX - 4096,
                                     UINT64_MAX - 1,
                                     UINT64_MAX};

    return !h->calm && one_in(h, 2) ? edges[below(h, N(edges))] : below(h, 9000);
}

static uint64_t some_pid(struct hostile *h)
{
    static const uint64_t edges[] = {0, 1, OSD_ID_FIRST - 1, UINT64_MAX, UINT64_MAX - 1};

    return !h->calm && one_in(h, 6) ? edges[below(h, N(edges))]
                                    : RIG_PID + below(h, PARTS + one_in(h, 3) * COPIES);
}

static uint64_t some_oid(struct hostile *h)
{
    static const uint64_t edges[] = {0, 0, 0, 1, OSD_ID_FIRST - 1, UINT64_MAX, UINT64_MAX - 1};

    if (!h->calm && one_in(h, 4))
        return edges[below(h, N(edges))];
    return one_in(h, h->calm ? 6 : 2) ? RIG_CID + below(h, COLLS) : RIG_OID + below(h, OBJECTS);
}

static uint32_t some_page(struct hostile *h)
{
    static const uint32_t bases[] = {OSD_PAGE_U, OSD_PAGE_P, OSD_PAGE_C, OSD_PAGE_R};
    static const uint32_t others[] = {0x10000,      0x10000,      0x10001,   OSD_PAGE_CURRENT,
                                      OSD_PAGE_ALL, OSD_PAGE_ANY, 0xc0000000};

    if (h->calm)
        return one_in(h, 2) ? 0x10000 : 1 + (uint32_t)below(h, 4);
    return one_in(h, 2) ? bases[below(h, 4)] + (uint32_t)below(h, 10)
                        : others[below(h, N(others))];
}

static uint32_t some_attr(struct hostile *h)
{
    static const uint32_t numbers[] = {0,    1,          2,           9,       0x82,
                                       0x81, 0x10001,    0x10002,     0x10081, 0x20002,
                                       3,    0xfffffffe, OSD_ATTR_ALL};

    return numbers[below(h, N(numbers))];
}

/* ---- Data-Out ---- */

static size_t put_gets(struct hostile *h, size_t at)
{
    struct osd_writer w = osd_writer_make(h->out + at, OUT_MAX - at);

    osd_attr_list_open(&w, h->c.gen, OSD_LIST_GET);
    for (uint64_t n = 1 + below(h, 5); n > 0; n--)
        osd_attr_put_get(&w, h->c.gen, (struct osd_attr_id){some_page(h), some_attr(h)});
    osd_attr_list_close(&w, h->c.gen, 0);
    return w.full;
}

/* Values are numbers, ids of collections or long. */
static size_t put_sets(struct hostile *h, size_t at)
{
    struct osd_writer w = osd_writer_make(h->out + at, OUT_MAX - at);
    uint8_t value[3000];

    osd_attr_list_open(&w, h->c.gen, OSD_LIST_SET);
    for (uint64_t n = 1 + below(h, 3); n > 0; n--) {
        uint16_t len = (uint16_t)(one_in(h, 2) ? 8 : below(h, sizeof(value)));
        bool join = one_in(h, 3), client = h->calm && !join;
        memset(value, (int)below(h, 256), len);
        if (len == 8)
            be64_put(value, join ? RIG_CID + below(h, COLLS) : some_number(h));
        osd_attr_put_value(
            &w, h->c.gen,
            (struct osd_attr_id){join     ? 4
                                 : client ? 0x10000
                                          : some_page(h),
                                 client ? 1 + (uint32_t)below(h, 5) : some_attr(h)},
            value, len);
    }
    osd_attr_list_close(&w, h->c.gen, 0);
    return w.full;
}

/* Every kind of descriptor, now and then twice or cut. */
static size_t put_continuation(struct hostile *h)
{
    static const uint16_t types[] = {1, 2, 0x100, 0x101, 0xffee, 0};
    size_t at = 40;

    memset(h->out, 0, 300);
    h->out[0] = 1;
    be16_put(h->out + 2, osd_op_info(h->c.op)->action[h->c.gen]);
    for (uint64_t n = 1 + one_in(h, 8); n > 0; n--) {
        uint16_t type = types[below(h, N(types))];
        uint32_t len = type == 1       ? 16 * (uint32_t)(1 + below(h, 4))
                       : type == 0x100 ? 16
                       : type == 0x101 ? 20
                                       : 32;
        be16_put(h->out + at, type);
        h->out[at + 3] = (uint8_t)(-len & 7);
        be32_put(h->out + at + 4, one_in(h, 20) ? (uint32_t)some_number(h) : len);
        memset(h->out + at + 8, 0, len + 7);
        if (type == 0x100 || type == 0x101) {
            be64_put(h->out + at + 8, some_pid(h));
            be64_put(h->out + at + 16, some_oid(h));
            if (type == 0x101)
                h->out[at + 24] = (uint8_t)below(h, 2);
        }
        for (uint32_t i = 0; type == 1 && i < len; i += 8)
            be64_put(h->out + at + 8 + i, some_number(h));
        if (type == 2) {
            h->out[at + 8] = (uint8_t)below(h, 2);
            be16_put(h->out + at + 14, 28 - 4);
            be32_put(h->out + at + 16, some_page(h));
            be32_put(h->out + at + 20, some_attr(h));
            h->out[at + 25] = 8;
        }
        at += 8 + (len + 7) / 8 * 8;
    }
    return at;
}

static void lie(struct hostile *h)
{
    struct osd_attr_params *a = &h->c.attr;

    switch (below(h, 8)) {
    case 0:
        a->get_list_off = some_number(h);
        break;
    case 1:
        a->set_off = some_number(h);
        break;
    case 2:
        a->retrieved_off = some_number(h);
        break;
    case 3:
        a->get_alloc_len = (uint32_t)some_number(h);
        break;
    case 4:
        a->get_list_len = (uint32_t)some_number(h);
        break;
    case 5:
        a->set_len = (uint32_t)some_number(h);
        break;
    case 6:
        a->set_off = a->get_list_off; /* one upon the other */
        break;
    case 7:
        h->out_len = below(h, OUT_MAX);
    }
}

static void put_attributes(struct hostile *h, size_t at)
{
    struct osd_attr_params *a = &h->c.attr;

    at = (at + 7) / 8 * 8;
    a->format = one_in(h, 2) ? OSD_ATTR_LIST : OSD_ATTR_PAGE;
    a->retrieved_off = !h->calm && one_in(h, 2) ? 0 : 4096;
    a->get_alloc_len = (uint32_t)below(h, 4096);
    if (a->format == OSD_ATTR_PAGE) {
        a->get_page = one_in(h, 2) ? 0 : some_page(h);
        a->set_page = one_in(h, 2) ? 0 : some_page(h);
        a->set_number = some_attr(h);
        a->set_len = (uint32_t)(one_in(h, 2) ? 8 : below(h, 100));
        a->set_off = at;
        if (a->set_page == 0)
            a->set_number = a->set_len = 0;
        be64_put(h->out + at, some_number(h));
        h->out_len = at + 100;
        return;
    }
    if (!one_in(h, 3)) {
        a->get_list_off = at;
        a->get_list_len = (uint32_t)put_gets(h, at);
        at = (at + a->get_list_len + 7) / 8 * 8;
    }
    if (!one_in(h, 3)) {
        a->set_off = at;
        a->set_len = (uint32_t)put_sets(h, at);
        at += a->set_len;
    }
    h->out_len = at;
}

/* ---- commands ---- */

static bool reads(enum osd_op op)
{
    return op == OSD_OP_READ || op == OSD_OP_LIST || op == OSD_OP_LIST_COLLECTION ||
           op == OSD_OP_READ_MAP || op == OSD_OP_READ_MAPS_AND_COMPARE || op == OSD_OP_QUERY;
}

/* Snapshots and clones, of each other too. */
static const enum osd_op duplicating[] = {
    OSD_OP_CREATE_SNAPSHOT, OSD_OP_CREATE_CLONE, OSD_OP_REFRESH_SNAPSHOT_OR_CLONE,
    OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT, OSD_OP_DETACH_CLONE};

static void name_partitions(struct hostile *h)
{
    bool makes = h->c.op == OSD_OP_CREATE_SNAPSHOT || h->c.op == OSD_OP_CREATE_CLONE;

    h->c.gen = OSD_GEN2;
    h->c.oid = one_in(h, 20);
    h->c.start = one_in(h, 5) ? 0 : some_pid(h);
    if (makes)
        h->c.pid = RIG_PID + PARTS + below(h, COPIES);
}

static void draft(struct hostile *h)
{
    enum osd_op op = (enum osd_op)below(h, OSD_OP_MAX);
    size_t at = 0;

    if (one_in(h, 20))
        op = duplicating[below(h, N(duplicating))];
    if (op == OSD_OP_FORMAT_OSD && !one_in(h, 20))
        op = OSD_OP_CREATE_PARTITION;
    if (op == OSD_OP_REMOVE_PARTITION && !one_in(h, 5))
        op = OSD_OP_CREATE;
    h->calm = one_in(h, 2);
    h->c = rig_cmd(op, one_in(h, 3) ? OSD_GEN1 : OSD_GEN2, some_pid(h), some_oid(h));
    if (h->calm && (op == OSD_OP_CREATE || op == OSD_OP_COPY_USER_OBJECTS) && one_in(h, 2))
        h->c.oid = 0;
    h->c.option = (uint8_t)(h->calm ? 0 : below(h, 3));
    h->c.count = (uint16_t)(one_in(h, 4) ? below(h, 200) : 0);
    h->c.start = some_number(h);
    h->c.length = h->calm ? below(h, 3000) : some_number(h);
    h->c.list_attr = one_in(h, 4);
    h->c.immed_tr = one_in(h, 4);
    h->c.fua = one_in(h, 50);
    h->c.sec.nonce[5] = (uint8_t)(one_in(h, 3) ? 1 + below(h, 40) : 0);
    if (op == OSD_OP_QUERY || op == OSD_OP_CREATE_USER_TRACKING_COLLECTION)
        h->c.start = one_in(h, 2) ? 0 : RIG_CID + below(h, COLLS);
    for (size_t i = 0; i < N(duplicating); i++)
        if (op == duplicating[i])
            name_partitions(h);
    if (h->c.gen == OSD_GEN2 && one_in(h, h->calm ? 6 : 3))
        at = h->c.cont_len = (uint32_t)put_continuation(h);
    if (!reads(op))
        at += h->c.length < 9000 ? h->c.length : 0;
    h->out_len = at;
    if (one_in(h, 2))
        put_attributes(h, at);
    if (!h->calm && one_in(h, 3))
        lie(h);
    h->in_len = h->calm ? IN_MAX : below(h, IN_MAX);
}

static void spoil(struct hostile *h)
{
    for (uint64_t n = 1 + below(h, 3); n > 0; n--)
        h->raw[below(h, h->raw_len)] ^= (uint8_t)(1u << below(h, 8));
    if (one_in(h, 4))
        h->raw_len = below(h, h->raw_len);
}

/* Send the draft through the two-phase wrappers; few tags, so that threads meet. */
static void wrap(struct hostile *h)
{
    struct osd_twophase t = {.action = one_in(h, 2) ? OSD_ACT_STAGE : OSD_ACT_COLLECT,
                             .tag = {(uint8_t)below(h, 6)}};

    if (t.action == OSD_ACT_STAGE && h->out_len + h->raw_len <= OUT_MAX) {
        memmove(h->out + h->raw_len, h->out, h->out_len);
        memcpy(h->out, h->raw, h->raw_len);
        h->out_len += h->raw_len;
    }
    t.length = (uint32_t)(one_in(h, 10)                 ? some_number(h)
                          : t.action == OSD_ACT_COLLECT ? h->in_len
                                                        : h->out_len);
    osd_twophase_encode(&t, h->raw);
    h->raw_len = OSD_TWOPHASE_CDB_LEN;
}

static void check_answer(struct hostile *h, const struct osd_response *r)
{
    struct osd_sense s;

    if (r->status != SAM_GOOD && r->status != SAM_CHECK_CONDITION && r->status != SAM_BUSY)
        h->broken = "status";
    else if ((r->sense_len > 0) != (r->status == SAM_CHECK_CONDITION))
        h->broken = "sense without its status, or the other way round";
    else if (r->sense_len > 0 && osd_sense_decode(r->sense, r->sense_len, &s))
        h->broken = "sense data";
    else if (!h->shared && r->in_len > h->in_len)
        h->broken = "more Data-In than there is room";
    for (size_t i = r->in_len; !h->shared && !h->broken && i < h->in_len; i++)
        if (h->in[i])
            h->broken = "Data-In behind the answer";
    h->good += r->status == SAM_GOOD;
    h->failed += r->status != SAM_GOOD;
}

/* While FORMAT OSD works others are told so at once: without waiting, most commands of a run could
 * meet nothing but a FORMAT on a busy machine. */
static bool device_formats(const struct osd_response *r)
{
    struct osd_sense s;

    return r->sense_len > 0 && osd_sense_decode(r->sense, r->sense_len, &s) == OSD_OK &&
           s.key == SENSE_NOT_READY;
}

static void execute(struct hostile *h)
{
    uint8_t *cdb = malloc(h->raw_len + 1), *out = malloc(h->out_len + 1);
    struct iovec vo[2] = {{out, h->out_len / 2},
                          {out + h->out_len / 2, h->out_len - h->out_len / 2}};
    struct iovec vi = {h->in, h->in_len};
    struct osd_request req = {.cdb = cdb,
                              .cdb_len = h->raw_len,
                              .out = osd_iov_make(vo, 2),
                              .in = osd_iov_make(&vi, h->in_len ? 1 : 0),
                              .shared_buffer = h->shared};
    struct osd_response r;
    struct osd_scope scope;

    if (!cdb || !out) {
        h->broken = "no memory";
    } else {
        memcpy(cdb, h->raw, h->raw_len);
        if (h->out_len)
            memcpy(out, h->out, h->out_len);
        if (h->in_len)
            memset(h->in, 0xa5, h->in_len);
        if (h->shared)
            req.in = req.out;
        osd_device_weigh(h->dev, cdb, h->raw_len, &scope);
        osd_device_execute(h->dev, &req, &r);
        for (unsigned i = 0; i < 1000 && device_formats(&r); i++) {
            usleep(1000);
            osd_device_execute(h->dev, &req, &r);
        }
        check_answer(h, &r);
    }
    free(cdb);
    free(out);
}

static void make(struct hostile *h, enum osd_op op, uint64_t pid, uint64_t oid)
{
    h->c = rig_cmd(op, OSD_GEN2, pid, oid);
    h->out_len = h->in_len = 0;
    h->shared = false;
    if (osd_cdb_encode(&h->c, h->raw, &h->raw_len) == OSD_OK)
        execute(h);
}

/* Make what the others have removed. */
static void restore(struct hostile *h)
{
    for (uint64_t p = RIG_PID; p < RIG_PID + PARTS; p++) {
        make(h, OSD_OP_CREATE_PARTITION, p, 0);
        for (uint64_t i = 0; i < OBJECTS; i++)
            make(h, OSD_OP_CREATE, p, RIG_OID + i);
        for (uint64_t i = 0; i + 1 < COLLS; i++)
            make(h, OSD_OP_CREATE_COLLECTION, p, RIG_CID + i);
        make(h, OSD_OP_CREATE_USER_TRACKING_COLLECTION, p, RIG_CID + COLLS - 1);
    }
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void *attack(void *arg)
{
    struct hostile *h = arg;
    uint64_t n = from_environment("STRESS_COMMANDS", 4000);

    h->out = calloc(1, OUT_MAX + 4096);
    h->in = calloc(1, IN_MAX);
    while (n-- > 0 && h->out && h->in && !h->broken) {
        if (one_in(h, 150))
            restore(h);
        h->shared = one_in(h, 5);
        draft(h);
        if (osd_cdb_encode(&h->c, h->raw, &h->raw_len))
            continue;
        if (h->out_len > OUT_MAX)
            h->out_len = OUT_MAX;
        if (!h->calm && one_in(h, 4))
            spoil(h);
        if (one_in(h, 5))
            wrap(h);
        execute(h);
    }
    free(h->out);
    free(h->in);
    return NULL;
}

/* What the commands above expect to find. */
static void furnish(struct rig *rig)
{
    for (uint64_t p = 0; p < PARTS; p++) {
        rig_partition(rig, RIG_PID + p);
        for (uint64_t i = 0; i < OBJECTS; i++)
            rig_object(rig, RIG_PID + p, RIG_OID + i);
        for (uint64_t i = 0; i + 1 < COLLS; i++)
            rig_collection(rig, RIG_PID + p, RIG_CID + i);
        rig_tracking(rig, RIG_PID + p, RIG_CID + COLLS - 1, 0);
    }
}

static void print_finding(void *arg, struct store_id id, const char *finding)
{
    print_error("%llx.%llx: %s\n", (unsigned long long)id.pid, (unsigned long long)id.oid,
                finding);
}

static void quiet(enum osd_log_level level, const char *line)
{
}

static void test_interpreter_stress__hostile_initiators_break_nothing(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = from_environment("STRESS_SEED", 1), good = 0, failed = 0;
    struct store_check_result result;
    struct osd_device_stats stats;
    struct hostile h[THREADS];
    pthread_t id[THREADS];

    osd_log_set_sink(quiet);
    furnish(rig);
    for (int i = 0; i < THREADS; i++) {
        h[i] = (struct hostile){.dev = rig->dev, .seed = seed * 1000 + (uint64_t)i};
        assert_int_equal(pthread_create(&id[i], NULL, attack, &h[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(id[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        if (h[i].broken)
            print_error("thread %d: %s\n", i, h[i].broken);
        assert_null(h[i].broken);
        good += h[i].good;
        failed += h[i].failed;
    }
    print_message("%llu good, %llu failed\n", (unsigned long long)good,
                  (unsigned long long)failed);
    assert_true(good > failed / 10);
    osd_device_stats(rig->dev, &stats);
    assert_true(stats.staged_bytes <= STAGE_MAX_TOTAL);
    assert_int_equal(rig->store->ops->check(rig->store, false, print_finding, NULL, &result),
                     OSD_OK);
    assert_int_equal(result.findings, 0);
}

/* ---- lists while objects come and go ---- */

#define STABLE  100u /* objects with even ids stay, odd ones come and go */
#define LISTS   60
#define LIST_IN (OSD_LIST_HEADER_LEN + 7 * 8)

static atomic_bool churn_ends;
static atomic_uint churning; /* threads that have done something */

static void *churn(void *arg)
{
    struct hostile *h = arg;

    bool began = false;

    h->out = h->in = NULL;
    /* At least one success, also where this thread runs for the first time at the end. */
    while ((!atomic_load(&churn_ends) || h->good == 0) && !h->broken) {
        uint64_t oid = RIG_OID + 1 + 2 * below(h, STABLE);
        make(h, one_in(h, 2) ? OSD_OP_CREATE : OSD_OP_REMOVE, RIG_PID, oid);
        if (!began && h->good > 0)
            atomic_fetch_add(&churning, 1);
        began = h->good > 0;
    }
    return NULL;
}

/* The whole list, seven ids at a time. Ids ascend; every object that stays is there once. */
static void list_once(struct rig *rig)
{
    struct osd_cdb c = rig_cmd(OSD_OP_LIST, OSD_GEN2, RIG_PID, 0);
    struct osd_list_head head = {.continuation = 0};
    uint64_t last = 0, stable = 0;

    do {
        struct osd_list_entry e;
        size_t at = OSD_LIST_HEADER_LEN;
        c.start = head.continuation;
        c.list_id = head.list_id;
        c.length = rig->in_len = LIST_IN;
        rig_run(rig, &c);
        expect_good(rig);
        struct osd_bytes data = {rig->in, rig->r.in_len};
        assert_int_equal(osd_list_head_decode(data, OSD_GEN2, &head), OSD_OK);
        while (osd_list_entry_next(data, &head, &at, &e) == OSD_OK) {
            assert_true(e.id > last);
            last = e.id;
            stable += (e.id - RIG_OID) % 2 == 0;
        }
        assert_true(head.continuation == 0 || head.continuation > last);
    } while (head.continuation);
    assert_int_equal(stable, STABLE);
}

static void test_interpreter_stress__a_list_has_all_that_was_there_all_the_time(void **state)
{
    struct rig *rig = *state;
    struct hostile h[4];
    pthread_t id[4];

    rig_partition(rig, RIG_PID);
    for (uint64_t i = 0; i < STABLE; i++)
        rig_object(rig, RIG_PID, RIG_OID + 2 * i);
    atomic_store(&churn_ends, false);
    atomic_store(&churning, 0);
    for (int i = 0; i < 4; i++) {
        h[i] = (struct hostile){.dev = rig->dev, .seed = (uint64_t)i};
        assert_int_equal(pthread_create(&id[i], NULL, churn, &h[i]), 0);
    }
    for (int i = 0; i < 10000 && atomic_load(&churning) < 4; i++)
        usleep(1000); /* a busy machine takes its time to begin */
    for (int i = 0; i < LISTS; i++)
        list_once(rig);
    atomic_store(&churn_ends, true);
    for (int i = 0; i < 4; i++)
        pthread_join(id[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_null(h[i].broken);
        assert_true(h[i].good > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_stress__hostile_initiators_break_nothing),
        rig_test(test_interpreter_stress__a_list_has_all_that_was_there_all_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
