/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_replay.c - exactly once, two-phase transfer, many threads
 */
#include <pthread.h>

#include "common/crc32c.h"
#include "rig.h"

static void set_nonce(struct osd_cdb *c, uint8_t n)
{
    memset(c->sec.nonce, 0, sizeof(c->sec.nonce));
    c->sec.nonce[0] = 1;
    c->sec.nonce[11] = n;
}

static uint64_t replays(struct rig *rig)
{
    struct osd_device_stats s;

    osd_device_stats(rig->dev, &s);
    return s.replays;
}

static struct osd_current_command current(struct rig *rig, struct osd_cdb *c)
{
    struct osd_current_command cc;

    c->attr.get_page = OSD_PAGE_CURRENT;
    c->attr.get_alloc_len = 100;
    c->attr.retrieved_off = 0;
    rig->in_len = 100;
    rig_run(rig, c);
    expect_good(rig);
    struct osd_bytes page = {rig->in, rig->r.in_len};
    assert_int_equal(osd_current_command_parse(page, c->gen, &cc), OSD_OK);
    return cc;
}

static void test_interpreter_replay__append_happens_once(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_APPEND, g, RIG_PID, RIG_OID);
        c.length = 5;
        set_nonce(&c, (uint8_t)g);
        rig->out_len = 5;
        for (int i = 0; i < 3; i++) {
            rig->out_len = 5;
            struct osd_current_command cc = current(rig, &c);
            assert_int_equal(cc.append_start, 5 * (g - 1));
            if (g == OSD_GEN2)
                assert_int_equal(cc.used_change, 0);
        }
        assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), 5 * g);
        assert_int_equal(replays(rig), 2 * g);
    }
}

static void test_interpreter_replay__creation_answers_the_same_ids(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, OSD_GEN2, 0, 0);
    uint64_t first;

    set_nonce(&c, 1);
    first = current(rig, &c).pid;
    assert_int_equal(current(rig, &c).pid, first);
    assert_int_equal(rig_get_u(rig, 0, 0, OSD_PAGE_R + 1, 0xc0), 1);
    c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, first, 0);
    c.count = 3;
    set_nonce(&c, 2);
    rig->out_len = 0;
    uint64_t last = current(rig, &c).oid;
    assert_int_equal(current(rig, &c).oid, last);
    assert_int_equal(rig_get_u(rig, first, 0, OSD_PAGE_P + 1, 0xc1), 3);
    /* The attributes of the objects created then are had again. */
    struct osd_attr_id want = {1, 2};
    c.attr = (struct osd_attr_params){
        .format = OSD_ATTR_LIST, .get_alloc_len = 512, .set_off = OSD_OFFSET_UNUSED};
    c.attr.get_list_len = (uint32_t)rig_get_list(rig, OSD_GEN2, 0, &want, 1);
    rig->out_len = c.attr.get_list_len;
    rig->in_len = 512;
    set_nonce(&c, 3);
    rig_run(rig, &c);
    expect_good(rig);
    uint8_t before[512];
    memcpy(before, rig->in, 512);
    rig_run(rig, &c);
    expect_good(rig);
    assert_memory_equal(rig->in, before, 512);
    assert_int_equal(be32_get(rig->in + 4), 3 * (16 + 24));
}

static void test_interpreter_replay__a_removal_repeated_is_good(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE, OSD_GEN1, RIG_PID, RIG_OID);
    struct osd_attr_id want = {1, 0x82};

    rig_objects(rig);
    set_nonce(&c, 1);
    c.attr.format = OSD_ATTR_LIST;
    c.attr.get_list_len = (uint32_t)rig_get_list(rig, OSD_GEN1, 0, &want, 1);
    c.attr.get_list_off = 0;
    c.attr.get_alloc_len = 64;
    c.attr.retrieved_off = 0;
    rig->out_len = c.attr.get_list_len;
    rig->in_len = 64;
    rig_run(rig, &c);
    expect_good(rig);
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(be16_get(rig->in + 4 + 8), 0xffff); /* gone: undefined */
    c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, RIG_PID, 0);
    set_nonce(&c, 2);
    rig_good(rig, &c);
    rig_good(rig, &c);
    set_nonce(&c, 3);
    rig_run(rig, &c);
    expect_cdb(rig, 16);
}

static void test_interpreter_replay__another_command_under_the_nonce_is_refused(void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CLEAR, OSD_GEN2, RIG_PID, RIG_OID);
        c.length = 10;
        set_nonce(&c, 1);
        rig_good(rig, &c);
        c = rig_cmd(OSD_OP_SET_ATTRIBUTES, g, RIG_PID, RIG_OID);
        c.attr.set_page = 1;
        c.attr.set_number = 9;
        set_nonce(&c, 1);
        rig_run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        c = rig_cmd(OSD_OP_READ, g, RIG_PID, RIG_OID); /* changes nothing: not looked at */
        set_nonce(&c, 1);
        rig_good(rig, &c);
    }
}

static void test_interpreter_replay__failures_are_not_recorded(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, RIG_OID);

    set_nonce(&c, 1);
    rig_run(rig, &c);
    expect_cdb(rig, 16);
    rig_partition(rig, RIG_PID);
    rig_good(rig, &c); /* the same bytes, now executed */
    assert_int_equal(replays(rig), 0);
    rig_good(rig, &c);
    assert_int_equal(replays(rig), 1);
}

/* A record as the first format had it: FNV-1a and CRC32C of the CDB, then what was answered. */
static void record_of_format_1(struct rig *rig, const struct osd_cdb *c)
{
    const struct store_id id = {c->pid, c->oid};
    uint64_t fnv = 0xcbf29ce484222325;
    uint8_t cdb[OSD_CDB_MAX], raw[48] = {0};
    struct store_txn *t;
    size_t len;

    assert_int_equal(osd_cdb_encode(c, cdb, &len), OSD_OK);
    for (size_t i = 0; i < len; i++)
        fnv = (fnv ^ cdb[i]) * 0x100000001b3;
    be64_put(raw, fnv);
    be32_put(raw + 8, osd_crc32c(0, cdb, len));
    be32_put(raw + 12, 1);
    be64_put(raw + 16, c->pid);
    be64_put(raw + 24, c->oid);
    assert_int_equal(rig->store->ops->begin(rig->store, id, STORE_EXCLUSIVE, &t), OSD_OK);
    assert_int_equal(rig->store->ops->record(t, c->sec.nonce, raw, sizeof(raw)), OSD_OK);
    assert_int_equal(rig->store->ops->commit(t, 0), OSD_OK);
}

/* Would catch: a command that was carried out before the program was replaced by a newer one, and is
 * carried out again after it. */
static void test_interpreter_replay__a_record_of_another_format_keeps_its_nonce_used(
    void **state)
{
    struct rig *rig = *state;

    rig_objects(rig);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_APPEND, g, RIG_PID, RIG_OID);
        c.length = 5;
        set_nonce(&c, (uint8_t)g);
        record_of_format_1(rig, &c);
        for (int i = 0; i < 2; i++) {
            rig->out_len = 5;
            rig_run(rig, &c);
            expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
            c.length = 4;
        }
        assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), 0);
    }
}

/* What it set then is not set again, what it reads is read again. */
static void test_interpreter_replay__sets_are_skipped_and_reads_repeated(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    uint8_t name[64];

    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "abc", 3);
    set_nonce(&c, 1);
    c.length = 3;
    c.attr = (struct osd_attr_params){
        .format = OSD_ATTR_CDB, .set_page = 1, .set_number = 9, .set_len = 3, .value = "one"};
    rig->in_len = 3;
    rig_run(rig, &c);
    expect_good(rig);
    rig_set(rig, OSD_GEN2, RIG_PID, RIG_OID, 1, 9, "two", 3);
    rig_write(rig, RIG_OID, 0, "xyz", 3);
    rig->in_len = 3;
    rig_run(rig, &c);
    expect_good(rig);
    assert_memory_equal(rig->in, "xyz", 3);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID, 1, 9, name), 3);
    assert_memory_equal(name, "two", 3);
}

/* ---- two-phase ---- */

static void two_phase(struct osd_twophase *t, uint8_t tag)
{
    memset(t->tag, tag, sizeof(t->tag));
}

/* STAGE a command with rig->out[0..out_len) as its Data-Out. */
static uint8_t stage(struct rig *rig, const struct osd_cdb *c, uint8_t tag)
{
    struct osd_twophase t = {.action = OSD_ACT_STAGE};
    uint8_t raw[OSD_TWOPHASE_CDB_LEN], cdb[OSD_CDB_MAX];
    size_t len;

    assert_int_equal(osd_cdb_encode(c, cdb, &len), OSD_OK);
    memmove(rig->out + len, rig->out, rig->out_len);
    memcpy(rig->out, cdb, len);
    rig->out_len += len;
    t.length = (uint32_t)rig->out_len;
    two_phase(&t, tag);
    osd_twophase_encode(&t, raw);
    rig->in_len = 0;
    rig->shared = true;
    rig_run_raw(rig, raw, sizeof(raw));
    rig->shared = false;
    rig->out_len = 0;
    return rig->r.status;
}

static uint8_t collect(struct rig *rig, uint8_t tag, size_t room)
{
    struct osd_twophase t = {.action = OSD_ACT_COLLECT, .length = (uint32_t)room};
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];

    two_phase(&t, tag);
    osd_twophase_encode(&t, raw);
    rig->out_len = 0;
    rig->in_len = room;
    rig->shared = true;
    rig_run_raw(rig, raw, sizeof(raw));
    rig->shared = false;
    return rig->r.status;
}

static uint64_t staged(struct rig *rig)
{
    struct osd_device_stats s;

    osd_device_stats(rig->dev, &s);
    return s.staged_bytes;
}

/* APPEND that sets and gets: both directions, over a transport that has one at a time. */
static struct osd_cdb both_ways(struct rig *rig)
{
    struct osd_cdb c = rig_cmd(OSD_OP_APPEND, OSD_GEN2, RIG_PID, RIG_OID);
    struct osd_attr_id want = {1, 0x82};

    memcpy(rig->out, "data", 4);
    c.length = 4;
    c.attr.format = OSD_ATTR_LIST;
    c.attr.get_list_off = 64;
    c.attr.get_list_len = (uint32_t)rig_get_list(rig, OSD_GEN2, 64, &want, 1);
    c.attr.get_alloc_len = 64;
    c.attr.retrieved_off = 0;
    rig->out_len = 64 + c.attr.get_list_len;
    return c;
}

static void test_interpreter_staging__two_phases_make_one_command(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    rig_objects(rig);
    c = both_ways(rig);
    stage(rig, &c, 7);
    expect_good(rig);
    assert_true(staged(rig) > 236);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), 0);
    collect(rig, 7, 64);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 32);
    assert_int_equal(be64_get(rig->in + 24), 4);
    assert_int_equal(staged(rig), 0); /* no nonce: forgotten */
    collect(rig, 7, 64);
    expect_cdb(rig, 16);
}

static void test_interpreter_staging__a_repeated_collect_is_safe_by_the_nonce(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    rig_objects(rig);
    c = both_ways(rig);
    set_nonce(&c, 9);
    stage(rig, &c, 7);
    for (int i = 0; i < 3; i++) {
        collect(rig, 7, 64);
        expect_good(rig);
        assert_int_equal(be64_get(rig->in + 24), 4);
    }
    assert_int_equal(replays(rig), 2);
    c = both_ways(rig); /* the same tag again: replaced */
    stage(rig, &c, 7);
    collect(rig, 7, 64);
    assert_int_equal(be64_get(rig->in + 24), 8);
}

static void test_interpreter_staging__an_embedded_failure_comes_home(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    rig_objects(rig);
    c = both_ways(rig);
    stage(rig, &c, 1);
    expect_good(rig);
    struct osd_cdb gone = rig_cmd(OSD_OP_REMOVE, OSD_GEN2, RIG_PID, RIG_OID);
    rig_good(rig, &gone);
    collect(rig, 1, 64);
    expect_cdb(rig, 24);
    assert_true(rig->sense.has_object);
}

static void test_interpreter_staging__what_cannot_be_staged(void **state)
{
    struct osd_twophase t = {.action = OSD_ACT_STAGE, .length = 300};
    uint8_t raw[OSD_TWOPHASE_CDB_LEN];
    struct rig *rig = *state;
    struct osd_cdb c;
    size_t len;

    rig_objects(rig);
    collect(rig, 3, 64); /* unknown tag */
    expect_cdb(rig, 16);
    osd_twophase_encode(&t, raw);
    rig->out_len = 299;
    rig_run_raw(rig, raw, sizeof(raw));
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
    memset(rig->out, 0, 300);
    rig->out_len = 300; /* no OSD command inside */
    rig_run_raw(rig, raw, sizeof(raw));
    expect_param(rig, 0);
    c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    osd_cdb_encode(&c, rig->out, &len);
    rig->out[8] = 0x12; /* unknown service action */
    rig_run_raw(rig, raw, sizeof(raw));
    expect_cdb(rig, 8); /* as the command itself would be refused */
    assert_true(rig->sense.has_object);
    osd_cdb_encode(&c, rig->out, &len);
    rig->out[12] = 0x33;
    rig_run_raw(rig, raw, sizeof(raw));
    expect_cdb(rig, 12); /* as the command itself would be refused */
    assert_true(rig->sense.has_object);
    rig->out[7] = 0xff; /* longer than what came */
    t.length = 250;
    osd_twophase_encode(&t, raw);
    rig_run_raw(rig, raw, sizeof(raw));
    expect_param(rig, 7);
    osd_twophase_encode(&t, rig->out); /* a wrapper in a wrapper */
    rig_run_raw(rig, raw, sizeof(raw));
    expect_cdb(rig, 8);
    assert_true(rig->sense.has_object);
    t.length = (16 << 20) + 1;
    osd_twophase_encode(&t, raw);
    rig_run_raw(rig, raw, sizeof(raw));
    expect_cdb(rig, 32);
    raw[7]++;
    rig_run_raw(rig, raw, sizeof(raw));
    expect_cdb(rig, 7);
    /* Not allowed by its own capability: told as the command would tell it. */
    c = both_ways(rig);
    rig_cap(&c, OSD_TYPE_USER, OSD_PERM_APPEND);
    stage(rig, &c, 1);
    expect_cdb(rig, 129);
    c = both_ways(rig);
    c.attr.get_list_off = 4096; /* segment outside of what was staged */
    stage(rig, &c, 1);
    expect_cdb(rig, 56);
    assert_int_equal(staged(rig), 0);
}

static void test_interpreter_staging__is_bounded(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    rig_objects(rig);
    for (int i = 0; i < 64; i++) {
        c = both_ways(rig);
        set_nonce(&c, (uint8_t)i);
        assert_int_equal(stage(rig, &c, (uint8_t)i), SAM_GOOD);
    }
    c = both_ways(rig);
    assert_int_equal(stage(rig, &c, 200), SAM_BUSY); /* many initiators at once: try again */
    collect(rig, 5, 64);                             /* executed ones make way */
    expect_good(rig);
    c = both_ways(rig);
    stage(rig, &c, 200);
    expect_good(rig);
    collect(rig, 5, 64);
    expect_cdb(rig, 16);
    collect(rig, 200, 64);
    expect_good(rig);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS  200
#define RECORD  24

struct worker {
    struct rig *rig;
    unsigned n;
    unsigned good, busy;
};

static uint8_t execute(struct rig *rig, const struct osd_cdb *c, const void *data, size_t len)
{
    uint8_t raw[OSD_CDB_MAX];
    struct iovec out = {(void *)data, len};
    struct osd_request req = {.cdb = raw, .out = osd_iov_make(&out, 1)};
    struct osd_response r;

    if (osd_cdb_encode(c, raw, &req.cdb_len))
        return 0xff;
    osd_device_execute(rig->dev, &req, &r);
    return r.status;
}

static void *append_records(void *arg)
{
    struct worker *w = arg;
    uint8_t record[RECORD];

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct osd_cdb c =
            rig_cmd(OSD_OP_APPEND, i % 2 ? OSD_GEN1 : OSD_GEN2, RIG_PID, RIG_OID);
        c.length = RECORD;
        memset(record, (int)(w->n + 1), sizeof(record));
        be32_put(record, i);
        w->good += execute(w->rig, &c, record, sizeof(record)) == SAM_GOOD;
    }
    return NULL;
}

static void run_threads(struct rig *rig, void *(*f)(void *), struct worker *w)
{
    pthread_t id[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.rig = rig, .n = i};
        assert_int_equal(pthread_create(&id[i], NULL, f, &w[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(id[i], NULL);
}

/* Would catch: an append that takes its place before it has the object's lock. */
static void test_interpreter_threads__every_record_is_there_whole_and_once(void **state)
{
    static bool seen[THREADS][ROUNDS];
    struct worker w[THREADS];
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);

    rig_objects(rig);
    run_threads(rig, append_records, w);
    c.length = THREADS * ROUNDS * RECORD;
    rig->in_len = c.length;
    rig_run(rig, &c);
    expect_good(rig);
    for (size_t i = 0; i < THREADS * ROUNDS; i++) {
        const uint8_t *r = rig->in + i * RECORD;
        assert_in_range(r[4], 1, THREADS);
        for (int k = 4; k < RECORD; k++)
            assert_int_equal(r[k], r[4]);
        assert_false(seen[r[4] - 1][be32_get(r)]);
        seen[r[4] - 1][be32_get(r)] = true;
    }
}

static void *create_one_id(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, RIG_OID + i);
        uint8_t st = execute(w->rig, &c, NULL, 0);
        w->good += st == SAM_GOOD;
        w->busy += st == SAM_BUSY;
    }
    return NULL;
}

static void test_interpreter_threads__an_id_has_one_creator(void **state)
{
    struct worker w[THREADS];
    struct rig *rig = *state;
    unsigned good = 0;

    rig_partition(rig, RIG_PID);
    run_threads(rig, create_one_id, w);
    for (int i = 0; i < THREADS; i++)
        good += w[i].good;
    assert_int_equal(good, ROUNDS);
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), ROUNDS);
}

static void *append_same_nonce(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct osd_cdb c = rig_cmd(OSD_OP_APPEND, OSD_GEN2, RIG_PID, RIG_OID);
        uint8_t st;
        c.length = 1;
        set_nonce(&c, (uint8_t)i);
        while ((st = execute(w->rig, &c, "x", 1)) == SAM_BUSY)
            w->busy++;
        w->good += st == SAM_GOOD;
    }
    return NULL;
}

/* The store, which is asked for the outcome of a nonce while another command has that nonce, too. */
static struct {
    struct rig *rig;
    const struct store_ops *inner;
    const struct osd_cdb *c; /* comes once, meanwhile */
    uint8_t status;          /* what it was answered */
} meanwhile;

static osd_status recall_slowly(struct osd_store *s, const uint8_t nonce[STORE_NONCE_LEN],
                                void *ret, size_t *ret_len)
{
    const struct osd_cdb *c = meanwhile.c;

    meanwhile.c = NULL;
    if (c)
        meanwhile.status = execute(meanwhile.rig, c, "again", 5);
    return meanwhile.inner->recall(s, nonce, ret, ret_len);
}

static void test_interpreter_replay__a_nonce_in_progress_is_busy(void **state)
{
    struct rig *rig = *state;
    struct store_ops slow = *rig->store->ops;
    struct osd_cdb c = rig_cmd(OSD_OP_APPEND, OSD_GEN2, RIG_PID, RIG_OID);

    rig_objects(rig);
    c.length = 5;
    set_nonce(&c, 1);
    meanwhile.rig = rig;
    meanwhile.inner = rig->store->ops;
    meanwhile.c = &c;
    slow.recall = recall_slowly;
    rig->store->ops = &slow;
    assert_int_equal(execute(rig, &c, "first", 5), SAM_GOOD);
    rig->store->ops = meanwhile.inner;
    assert_int_equal(meanwhile.status, SAM_BUSY);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), 5);
    assert_int_equal(execute(rig, &c, "third", 5), SAM_GOOD); /* from the record */
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), 5);
}

/* Would catch: a nonce that is looked up before the one in progress has been recorded. */
static void test_interpreter_threads__one_nonce_executes_once(void **state)
{
    struct worker w[THREADS];
    struct rig *rig = *state;

    rig_objects(rig);
    run_threads(rig, append_same_nonce, w);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(w[i].good, ROUNDS);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, 1, 0x82), ROUNDS);
}

static void *create_runs(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN1, RIG_PID, 0);
        uint8_t st;
        c.count = i % 3 ? 7 : 0;
        while ((st = execute(w->rig, &c, NULL, 0)) == SAM_BUSY)
            w->busy++;
        w->good += st == SAM_GOOD ? (i % 3 ? 7 : 1) : 0;
    }
    return NULL;
}

static void test_interpreter_threads__runs_of_objects_do_not_mix(void **state)
{
    struct worker w[THREADS];
    struct rig *rig = *state;
    unsigned objects = 0;

    rig_partition(rig, RIG_PID);
    run_threads(rig, create_runs, w);
    for (int i = 0; i < THREADS; i++)
        objects += w[i].good;
    assert_int_equal(objects, THREADS * (13 * 7 + 7));
    assert_int_equal(rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + 1, 0xc1), objects);
}

/* ---- collections under threads ---- */

#define COLLECTIONS 3

/* One command of a mixture on collections that everybody shares. */
static void mixed_command(struct worker *w, unsigned kind, uint64_t oid, uint64_t cid)
{
    uint8_t data[80] = {1};
    struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, OSD_GEN2, RIG_PID, oid);
    size_t len = 0;
    uint8_t st;

    switch (kind) {
    case 0: /* leave */
    case 1: /* join */
    case 2:
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                          .set_page = OSD_PG_COLLECTIONS,
                                          .set_number = (uint32_t)(cid - RIG_CID + 1),
                                          .set_len = kind ? 8 : 0};
        be64_put(c.attr.value, kind ? cid : 0);
        break;
    case 3:
        c.op = OSD_OP_REMOVE;
        break;
    case 4:
        c.op = OSD_OP_CREATE;
        break;
    case 5:
        c = rig_cmd(OSD_OP_REMOVE_COLLECTION, OSD_GEN1, RIG_PID, cid);
        c.option = 1;
        break;
    case 6:
        c = rig_cmd(OSD_OP_CREATE_COLLECTION, OSD_GEN1, RIG_PID, cid);
        break;
    case 7: /* name every member */
        c.op = OSD_OP_SET_MEMBER_ATTRIBUTES;
        c.oid = cid;
        c.attr = (struct osd_attr_params){
            .format = OSD_ATTR_CDB, .set_page = 1, .set_number = 9, .set_len = 3};
        break;
    default: /* everything in the tracking collection into another */
        c = rig_cmd(OSD_OP_QUERY, OSD_GEN2, RIG_PID, RIG_CID + 10);
        c.start = RIG_CID + 11;
        c.cont_len = (uint32_t)(len = 56);
        be16_put(data + 2, 0x88a0);
        be16_put(data + 40, 2);
        data[43] = 4;
        be32_put(data + 44, 4);
    }
    st = execute(w->rig, &c, data, len);
    w->good += st == SAM_GOOD;
    w->busy += st != SAM_GOOD && st != SAM_CHECK_CONDITION && st != SAM_BUSY;
}

static void *mix_collections(void *arg)
{
    struct worker *w = arg;
    uint32_t seed = w->n * 7919 + 1;

    for (unsigned i = 0; i < ROUNDS * 3; i++) {
        seed = seed * 1664525 + 1013904223;
        mixed_command(w, seed >> 28, RIG_OID + (seed >> 20) % 6,
                      RIG_CID + (seed >> 12) % COLLECTIONS);
    }
    return NULL;
}

/* An object's attributes name exactly the linked collections that have it. */
static unsigned expect_agreement(struct rig *rig, uint64_t cid)
{
    uint64_t ids[16];
    unsigned n = (unsigned)rig_members(rig, cid, ids, 16);

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(
            rig_get_u(rig, RIG_PID, ids[i], OSD_PG_COLLECTIONS, (uint32_t)(cid - RIG_CID + 1)),
            cid);
    return n;
}

static void count_found(void *arg, struct store_id id, const char *finding)
{
    (void)id;
    print_error("%s\n", finding);
    ++*(unsigned *)arg;
}

/* Would catch: a collection removed while somebody joins it, a member left behind. */
static void test_interpreter_threads__collections_and_members_agree(void **state)
{
    struct rig *rig = *state;
    struct store_check_result result;
    struct worker w[THREADS];
    unsigned findings = 0, members = 0, named = 0;
    uint64_t ids[16];
    uint8_t raw[64];

    rig_partition(rig, RIG_PID);
    for (uint64_t i = 0; i < 6; i++)
        rig_object(rig, RIG_PID, RIG_OID + i);
    for (uint64_t i = 0; i < COLLECTIONS; i++)
        rig_collection(rig, RIG_PID, RIG_CID + i);
    rig_tracking(rig, RIG_PID, RIG_CID + 10, 0);
    rig_tracking(rig, RIG_PID, RIG_CID + 11, 0);
    run_threads(rig, mix_collections, w);
    for (int i = 0; i < THREADS; i++) {
        assert_true(w[i].good > 0);
        assert_int_equal(w[i].busy, 0);
    }
    size_t n = rig_members(rig, 0, ids, 16);
    for (size_t i = 0; i < n; i++)
        members += ids[i] < RIG_CID + 10 ? expect_agreement(rig, ids[i]) : 0;
    for (uint64_t oid = RIG_OID; oid < RIG_OID + 6; oid++) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, oid);
        execute(rig, &c, NULL, 0);
        for (uint32_t number = 1; number <= COLLECTIONS; number++)
            named += rig_get(rig, OSD_GEN2, RIG_PID, oid, OSD_PG_COLLECTIONS, number, raw) > 0;
    }
    assert_int_equal(members, named);
    assert_int_equal(rig->store->ops->check(rig->store, false, count_found, &findings, &result),
                     OSD_OK);
    assert_int_equal(findings, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_replay__append_happens_once),
        rig_test(test_interpreter_replay__a_nonce_in_progress_is_busy),
        rig_test(test_interpreter_replay__creation_answers_the_same_ids),
        rig_test(test_interpreter_replay__a_removal_repeated_is_good),
        rig_test(test_interpreter_replay__another_command_under_the_nonce_is_refused),
        rig_test(test_interpreter_replay__failures_are_not_recorded),
        rig_test(test_interpreter_replay__a_record_of_another_format_keeps_its_nonce_used),
        rig_test(test_interpreter_replay__sets_are_skipped_and_reads_repeated),
        rig_test(test_interpreter_staging__two_phases_make_one_command),
        rig_test(test_interpreter_staging__a_repeated_collect_is_safe_by_the_nonce),
        rig_test(test_interpreter_staging__an_embedded_failure_comes_home),
        rig_test(test_interpreter_staging__what_cannot_be_staged),
        rig_test(test_interpreter_staging__is_bounded),
        rig_test(test_interpreter_threads__every_record_is_there_whole_and_once),
        rig_test(test_interpreter_threads__an_id_has_one_creator),
        rig_test(test_interpreter_threads__one_nonce_executes_once),
        rig_test(test_interpreter_threads__runs_of_objects_do_not_mix),
        rig_test(test_interpreter_threads__collections_and_members_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
