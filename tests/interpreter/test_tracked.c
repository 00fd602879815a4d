/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_tracked.c - commands that work on after their status (IMMED_TR)
 *
 * Where a test looks at a command under way, the device's thread stands in a call of the store.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "interpreter/device.h"
#include "signed.h"
#include "store/fault.h"

#define C4      (OSD_PAGE_C + OSD_PG_COLLECTIONS)
#define RUNNING 0xffff
#define TAG     0x1122334455667788ULL
#define ASKED   (RIG_CID + 1) /* tracking, with all members */
#define MATCHES (RIG_CID + 2) /* tracking, with one member */
#define MANY    300           /* more than are looked at in one go */
#define LAST    (RIG_OID + 1000)

/* ---- a store in which a thread of the device waits ---- */

static struct {
    struct store_ops ops, inner;
    atomic_uint nth; /* look at members by another thread than the test's at which it waits */
    atomic_uint nth_begin; /* transaction of such a thread before which it waits */
    sem_t begun, go;
    bool cannot_commit; /* threads of the device */
    unsigned at_close;  /* ended status of ASKED when the store was closed */
} held;

static _Thread_local bool is_test;

static void wait_at(atomic_uint *nth)
{
    if (is_test || !atomic_load(nth) || atomic_fetch_sub(nth, 1) != 1)
        return;
    sem_post(&held.begun);
    while (sem_wait(&held.go)) {
    }
}

static osd_status held_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                             struct store_txn **ret)
{
    wait_at(&held.nth_begin);
    return held.inner.begin(s, id, mode, ret);
}

static osd_status held_members(struct store_txn *t, struct store_id id, uint64_t from,
                               uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next)
{
    wait_at(&held.nth);
    return held.inner.members(t, id, from, ids, max, ret_n, ret_next);
}

static osd_status held_commit(struct store_txn *t, unsigned flags)
{
    if (is_test || !held.cannot_commit)
        return held.inner.commit(t, flags);
    held.inner.abort(t);
    return OSD_E_IO;
}

static unsigned stored_status(struct osd_store *s, struct store_id id)
{
    struct store_txn *t;
    uint8_t raw[2] = {0};
    uint32_t len = 0;

    assert_int_equal(held.inner.begin(s, id, STORE_SHARED, &t), OSD_OK);
    held.inner.get_attr(t, id, C4, 3, raw, sizeof(raw), &len);
    held.inner.abort(t);
    return be16_get(raw);
}

static void held_close(struct osd_store *s)
{
    held.at_close = stored_status(s, (struct store_id){RIG_PID, ASKED});
    held.inner.close(s);
}

static void hold(struct rig *rig, unsigned nth)
{
    is_test = true;
    held.inner = held.ops = *rig->store->ops;
    held.ops.begin = held_begin;
    held.ops.members = held_members;
    held.ops.close = held_close;
    held.ops.commit = held_commit;
    held.cannot_commit = false;
    rig->store->ops = &held.ops;
    sem_init(&held.begun, 0, 0);
    sem_init(&held.go, 0, 0);
    atomic_store(&held.nth, nth);
    atomic_store(&held.nth_begin, 0);
}

/* Where it holds no lock: partitions exclude each other by chance. */
static void hold_before(struct rig *rig, unsigned nth_begin)
{
    hold(rig, 0);
    atomic_store(&held.nth_begin, nth_begin);
}

static void wait_until_held(void)
{
    while (sem_wait(&held.begun)) {
    }
}

static void let_go(struct rig *rig)
{
    sem_post(&held.go);
    osd_device_settle(rig->dev);
}

/* ---- commands ---- */

static void make_members(struct rig *rig, uint64_t pid, unsigned n)
{
    rig_partition(rig, pid);
    rig_collection(rig, pid, RIG_CID);
    for (uint64_t i = 0; i < n; i++) {
        rig_object(rig, pid, RIG_OID + 1000 + i);
        rig_set_u(rig, pid, RIG_OID + 1000 + i, OSD_PAGE_U + OSD_PG_COLLECTIONS, 1, RIG_CID, 8);
        expect_good(rig);
    }
    rig_tracking(rig, pid, ASKED, RIG_CID);
}

/* As make_members(); the matches collection has the first as its member. */
static void make_all(struct rig *rig, unsigned n)
{
    make_members(rig, RIG_PID, n);
    rig_collection(rig, RIG_PID, RIG_CID + 9);
    rig_join(rig, LAST, 2, RIG_CID + 9);
    rig_tracking(rig, RIG_PID, MATCHES, RIG_CID + 9);
}

/* With a query list that every member meets. */
static struct osd_cdb query(struct rig *rig, uint64_t pid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_QUERY, OSD_GEN2, pid, ASKED);
    uint8_t *p = rig->out;

    memset(p, 0, 56);
    p[0] = 1;
    be16_put(p + 2, 0x88a0);
    be16_put(p + 40, 2);
    p[43] = 4;
    be32_put(p + 44, 4);
    c.cont_len = 56;
    c.start = MATCHES;
    c.immed_tr = true;
    be64_put(c.sec.nonce + 4, TAG);
    rig->out_len = 56;
    rig->in_len = 0;
    return c;
}

static void run_good(struct rig *rig, const struct osd_cdb *c)
{
    rig_run(rig, c);
    expect_good(rig);
}

static void expect_page_of(struct rig *rig, uint64_t pid, unsigned percent, unsigned active,
                           unsigned status, uint64_t members, uint64_t processed)
{
    assert_int_equal(rig_get_u(rig, pid, ASKED, C4, 0x1), percent);
    assert_int_equal(rig_get_u(rig, pid, ASKED, C4, 0x2), active);
    assert_int_equal(rig_get_u(rig, pid, ASKED, C4, 0x3), status);
    assert_int_equal(rig_get_u(rig, pid, ASKED, C4, 0x10), members);
    assert_int_equal(rig_get_u(rig, pid, ASKED, C4, 0x11), processed);
}

#define expect_page(rig, ...) expect_page_of(rig, RIG_PID, __VA_ARGS__)

static void expect_no_sense(struct rig *rig)
{
    uint8_t raw[256];

    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, ASKED, C4, 4, raw), -1);
}

static struct osd_sense failure(struct rig *rig)
{
    struct osd_sense s;
    uint8_t raw[256];
    int len = rig_get(rig, OSD_GEN2, RIG_PID, ASKED, C4, 4, raw);

    assert_true(len > 0);
    assert_int_equal(osd_sense_decode(raw, (size_t)len, &s), OSD_OK);
    return s;
}

/* The page tells of a command that failed with this, and so changed nothing. */
static void expect_failed(struct rig *rig, uint8_t key, uint16_t asc)
{
    struct osd_sense s = failure(rig);

    expect_page(rig, 0, 0, SAM_CHECK_CONDITION, 0, 0);
    assert_int_equal(s.key, key);
    assert_int_equal(s.asc, asc);
}

static size_t matches(struct rig *rig)
{
    static uint64_t ids[MANY + 1];

    return rig_members(rig, MATCHES, ids, MANY + 1);
}

/* A query that all of five members meet, which waits when it has counted them. */
static struct osd_cdb begin_held(struct rig *rig)
{
    make_all(rig, 5);
    hold(rig, 2);
    struct osd_cdb c = query(rig, RIG_PID);
    run_good(rig, &c);
    wait_until_held();
    return c;
}

/* ---- tests ---- */

static void test_interpreter_tracked__progress_is_seen_while_it_works(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    make_all(rig, MANY);
    hold(rig, 4); /* two to count them, then the second look */
    c = query(rig, RIG_PID);
    run_good(rig, &c);
    wait_until_held();
    expect_page(rig, 85, 0x88a0, RUNNING, MANY, 256);
    expect_no_sense(rig);
    assert_int_equal(matches(rig), 1);
    let_go(rig);
    expect_page(rig, 100, 0, 0, MANY, MANY);
    expect_no_sense(rig);
    assert_int_equal(matches(rig), MANY);
}

/* It is done when it is committed, not when the last member was looked at. */
static void test_interpreter_tracked__it_is_not_done_before_its_end(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    make_all(rig, 5);
    hold_before(rig, 2); /* before it locks what the matches go into */
    c = query(rig, RIG_PID);
    run_good(rig, &c);
    wait_until_held();
    expect_page(rig, 99, 0x88a0, RUNNING, 5, 5);
    let_go(rig);
    expect_page(rig, 100, 0, 0, 5, 5);
}

/* Those that hold the partition count, too. Whether they are under way is told without waiting. */
static void test_interpreter_tracked__members_count_when_they_are_removed_or_set(void **state)
{
    static const enum osd_op ops[] = {OSD_OP_SET_MEMBER_ATTRIBUTES,
                                      OSD_OP_REMOVE_MEMBER_OBJECTS};
    struct rig *rig = *state;

    make_all(rig, MANY);
    hold(rig, 0);
    for (size_t i = 0; i < 2; i++) {
        struct osd_cdb c = rig_cmd(ops[i], OSD_GEN2, RIG_PID, ASKED);
        struct progress p = {0};
        uint8_t service;
        bool found;
        c.immed_tr = true;
        be64_put(c.sec.nonce + 4, TAG + i);
        if (i == 0)
            c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                              .set_page = OSD_PAGE_U + 0x10001,
                                              .set_number = 7,
                                              .set_len = 1};
        /* the second look: SET counts them once more, REMOVE looks at collections of each */
        atomic_store(&held.nth, i == 0 ? 6 : 4 + 256);
        rig->out_len = rig->in_len = 0;
        run_good(rig, &c);
        wait_until_held();
        found = tracker_find(&rig->dev->tracker, (struct store_id){RIG_PID, ASKED}, &p);
        service = rig_manage(rig, 0x80, TAG + i);
        let_go(rig);
        assert_int_equal(service, 0x05);
        assert_true(found);
        assert_int_equal(p.action, i == 0 ? 0x88a3 : 0x88a1);
        assert_int_equal(p.members, MANY);
        assert_int_equal(p.processed, 256);
        assert_int_equal(p.percent, 85);
    }
}

/* The device keeps a copy of Data-Out until the end, of so many bytes. */
static void test_interpreter_tracked__data_out_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, ASKED);

    make_all(rig, 1);
    free(rig->out);
    rig->out = calloc(2, RIG_BUF);
    assert_non_null(rig->out);
    c.immed_tr = true;
    c.attr.set_page = OSD_PAGE_U + 0x10001;
    c.attr.set_number = 7;
    c.attr.set_len = 256;
    rig->in_len = 0;
    for (uint32_t i = 0; i < 2; i++) {
        c.attr.set_off = JOB_OUT_MAX - 256 + i * 256;
        rig->out_len = c.attr.set_off + 256;
        rig_run(rig, &c);
        if (i == 0)
            expect_good(rig);
        osd_device_settle(rig->dev);
    }
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE);
    expect_page(rig, 100, 0, 0, 1, 1);
}

/* What can be told before the work is told by the status. */
static void test_interpreter_tracked__faults_of_the_request_are_told_at_once(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    make_all(rig, 1);
    c = query(rig, RIG_PID);
    c.start = RIG_CID; /* not a tracking one */
    rig_run(rig, &c);
    expect_cdb(rig, 40);
    expect_page(rig, 100, 0, 0, 0, 0);
}

static enum osd_weight weigh(struct rig *rig, enum osd_op op, uint64_t pid, uint64_t oid)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, pid, oid);
    uint8_t raw[OSD_CDB_MAX];
    struct osd_scope scope;
    size_t len;

    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
    return osd_device_weigh(rig->dev, raw, len, &scope);
}

/* Where commands arrive none may be run that has to wait for it. */
static void test_interpreter_tracked__commands_beside_it_are_heavy(void **state)
{
    struct rig *rig = *state;

    begin_held(rig);
    assert_int_equal(weigh(rig, OSD_OP_READ, RIG_PID, LAST), OSD_WEIGHT_HEAVY);
    assert_int_equal(weigh(rig, OSD_OP_SET_ATTRIBUTES, 0, 0), OSD_WEIGHT_HEAVY);
    assert_int_equal(weigh(rig, OSD_OP_READ, RIG_PID + 1, LAST), OSD_WEIGHT_SHORT);
    assert_int_equal(weigh(rig, OSD_OP_PERFORM_TASK_MANAGEMENT, 0, 0), OSD_WEIGHT_LONG);
    let_go(rig);
    assert_int_equal(weigh(rig, OSD_OP_READ, RIG_PID, LAST), OSD_WEIGHT_SHORT);
}

static void test_interpreter_tracked__one_at_a_time_on_a_collection(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = begin_held(rig);

    c.sec.nonce[0] = 1;
    rig_run(rig, &c);
    expect_cdb(rig, 24);
    c.immed_tr = false;
    c.start = 0;
    c.length = rig->in_len = 100;
    rig_run(rig, &c);
    expect_cdb(rig, 24);
    expect_page(rig, 0, 0x88a0, RUNNING, 5, 0);
    let_go(rig);
    c = query(rig, RIG_PID);
    rig->in_len = c.length = 100;
    c.immed_tr = false;
    c.start = 0;
    c.sec.nonce[0] = 2;
    run_good(rig, &c);
}

/* The same request again is answered by what the first one was, and begins nothing. */
static void test_interpreter_tracked__a_repetition_begins_nothing(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = begin_held(rig);

    run_good(rig, &c);
    let_go(rig);
    assert_int_equal(matches(rig), 5);
    rig_object(rig, RIG_PID, RIG_OID);
    struct osd_cdb gone = rig_cmd(OSD_OP_REMOVE, OSD_GEN2, RIG_PID, LAST);
    rig->out_len = rig->in_len = 0;
    rig_good(rig, &gone);
    c = query(rig, RIG_PID);
    run_good(rig, &c);
    osd_device_settle(rig->dev);
    expect_page(rig, 100, 0, 0, 5, 5);
}

static void test_interpreter_tracked__what_is_aborted_says_so(void **state)
{
    static const uint8_t functions[] = {0x01, 0x02, 0x04, 0x08};
    struct rig *rig = *state;

    make_all(rig, 5);
    hold(rig, 0);
    for (size_t i = 0; i < sizeof(functions); i++) {
        struct osd_cdb c = query(rig, RIG_PID);
        c.sec.nonce[0] = (uint8_t)(1 + i);
        atomic_store(&held.nth, 2);
        run_good(rig, &c);
        wait_until_held();
        assert_int_equal(rig_manage(rig, 0x80, TAG), 0x05);
        assert_int_equal(rig_manage(rig, functions[i], TAG), 0x00);
        let_go(rig);
        assert_int_equal(rig_manage(rig, 0x80, TAG), 0x00);
        expect_failed(rig, SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED);
        assert_int_equal(matches(rig), 1);
    }
    struct osd_cdb c = query(rig, RIG_PID);
    c.sec.nonce[0] = 9;
    run_good(rig, &c);
    osd_device_settle(rig->dev);
    expect_page(rig, 100, 0, 0, 5, 5);
    expect_no_sense(rig);
}

/* One that has not begun yet: the one before it goes on. */
static void test_interpreter_tracked__one_that_waits_can_be_aborted(void **state)
{
    struct rig *rig = *state;

    make_all(rig, 1);
    make_members(rig, RIG_PID + 1, 1);
    rig_tracking(rig, RIG_PID + 1, MATCHES, 0);
    hold(rig, 1);
    for (uint64_t i = 0; i < 2; i++) {
        struct osd_cdb c = query(rig, RIG_PID + 1 - i);
        be64_put(c.sec.nonce + 4, TAG + i);
        run_good(rig, &c);
    }
    wait_until_held();
    assert_int_equal(rig_manage(rig, 0x01, TAG + 1), 0x00);
    let_go(rig);
    expect_page_of(rig, RIG_PID + 1, 100, 0, 0, 1, 1);
    expect_failed(rig, SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED);
}

/* The store takes neither what it did nor how it ended. */
static void test_interpreter_tracked__what_cannot_be_said_reads_as_aborted(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    make_all(rig, 5);
    hold(rig, 0);
    held.cannot_commit = true;
    c = query(rig, RIG_PID);
    run_good(rig, &c);
    osd_device_settle(rig->dev);
    assert_int_equal(stored_status(rig->store, (struct store_id){RIG_PID, ASKED}), RUNNING);
    expect_failed(rig, SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED);
    assert_int_equal(matches(rig), 1);
}

/* What a process that ended in the middle leaves in the store. */
static void put_lost_page(struct rig *rig)
{
    static const uint8_t percent[1] = {0}, action[2] = {0x88, 0xa0}, status[2] = {0xff, 0xff};
    const struct store_ops *ops = rig->store->ops;
    struct store_id id = {RIG_PID, ASKED};
    struct store_txn *t;

    assert_int_equal(ops->begin(rig->store, id, STORE_EXCLUSIVE, &t), OSD_OK);
    assert_int_equal(ops->set_attr(t, id, C4, 1, percent, 1), OSD_OK);
    assert_int_equal(ops->set_attr(t, id, C4, 2, action, 2), OSD_OK);
    assert_int_equal(ops->set_attr(t, id, C4, 3, status, 2), OSD_OK);
    assert_int_equal(ops->commit(t, 0), OSD_OK);
}

static void test_interpreter_tracked__a_restart_in_the_middle_ends_it(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    make_all(rig, 5);
    put_lost_page(rig);
    expect_failed(rig, SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED);
    c = query(rig, RIG_PID);
    run_good(rig, &c);
    osd_device_settle(rig->dev);
    expect_page(rig, 100, 0, 0, 5, 5);
    expect_no_sense(rig);
}

static bool stops(struct osd_device *dev)
{
    bool stop;

    pthread_mutex_lock(&dev->tracker.lock);
    stop = dev->tracker.stop;
    pthread_mutex_unlock(&dev->tracker.lock);
    return stop;
}

static void *close_device(void *arg)
{
    osd_device_close(arg);
    return NULL;
}

static void test_interpreter_tracked__closing_the_device_ends_it(void **state)
{
    struct rig *rig = *state;
    pthread_t closer;

    begin_held(rig);
    assert_int_equal(pthread_create(&closer, NULL, close_device, rig->dev), 0);
    while (!stops(rig->dev))
        sched_yield();
    sem_post(&held.go);
    pthread_join(closer, NULL);
    rig->dev = NULL;
    assert_int_equal(held.at_close, SAM_CHECK_CONDITION);
}

/* One under way and as many waiting as there may be; one more changes nothing. */
static void test_interpreter_tracked__too_many_are_refused(void **state)
{
    struct rig *rig = *state;

    for (uint64_t i = 0; i < JOBS_MAX + 1; i++) {
        make_members(rig, RIG_PID + i, 1);
        rig_tracking(rig, RIG_PID + i, MATCHES, 0);
    }
    hold(rig, 1);
    for (uint64_t i = 0; i < JOBS_MAX + 1; i++) {
        struct osd_cdb c = query(rig, RIG_PID + i);
        c.sec.nonce[0] = (uint8_t)i;
        rig_run(rig, &c);
        if (i < JOBS_MAX)
            expect_good(rig);
    }
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_RESOURCE_FAILURE);
    wait_until_held();
    expect_page_of(rig, RIG_PID + 1, 0, 0x88a0, RUNNING, 0, 0);
    expect_page_of(rig, RIG_PID + JOBS_MAX, 100, 0, 0, 0, 0);
    let_go(rig);
    for (uint64_t i = 0; i < JOBS_MAX; i++)
        expect_page_of(rig, RIG_PID + i, 100, 0, 0, 1, 1);
}

/* A collection of the same name is not the one that was meant. */
static void test_interpreter_tracked__a_new_collection_is_left_alone(void **state)
{
    struct osd_cdb c, gone = rig_cmd(OSD_OP_REMOVE_COLLECTION, OSD_GEN2, RIG_PID + 1, ASKED);
    struct rig *rig = *state;

    make_all(rig, 1);
    make_members(rig, RIG_PID + 1, 1);
    rig_tracking(rig, RIG_PID + 1, MATCHES, 0);
    hold_before(rig, 1);
    for (uint64_t i = 0; i < 2; i++) {
        c = query(rig, RIG_PID + i);
        c.sec.nonce[0] = (uint8_t)i;
        run_good(rig, &c);
    }
    wait_until_held();
    gone.option = 1;
    rig->out_len = rig->in_len = 0;
    rig_good(rig, &gone);
    rig_tracking(rig, RIG_PID + 1, ASKED, RIG_CID); /* in the same millisecond */
    let_go(rig);
    expect_page(rig, 100, 0, 0, 1, 1);
    expect_page_of(rig, RIG_PID + 1, 100, 0, 0, 0, 0);
}

static void run_on(struct rig *rig, enum osd_op op, uint64_t pid, uint64_t start)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, pid, 0);

    c.start = start;
    rig->out_len = rig->in_len = 0;
    rig_good(rig, &c);
}

/* What comes back out of a snapshot was there before the command, which has no part in it. */
static void test_interpreter_tracked__a_restored_collection_is_left_alone(void **state)
{
    struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_MEMBER_OBJECTS, OSD_GEN2, RIG_PID, ASKED);
    struct rig *rig = *state;
    uint64_t ids[8];

    make_all(rig, 2);
    run_on(rig, OSD_OP_CREATE_SNAPSHOT, RIG_PID + 1, RIG_PID);
    hold_before(rig, 1);
    c.immed_tr = true;
    rig->out_len = rig->in_len = 0;
    run_good(rig, &c);
    wait_until_held();
    run_on(rig, OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT, RIG_PID, RIG_PID + 1);
    let_go(rig);
    expect_page(rig, 100, 0, 0, 0, 0);
    assert_int_equal(rig_members(rig, ASKED, ids, 8), 2);
}

/* Also what is done before its status is not done beside another one. */
static void test_interpreter_tracked__none_is_done_beside_another(void **state)
{
    static const enum osd_op ops[] = {OSD_OP_SET_MEMBER_ATTRIBUTES,
                                      OSD_OP_REMOVE_MEMBER_OBJECTS};
    struct rig *rig = *state;
    uint8_t status[2];

    make_all(rig, MANY);
    hold_before(rig, 2); /* at the pause between two looks */
    struct osd_cdb c = query(rig, RIG_PID);
    run_good(rig, &c);
    wait_until_held();
    for (size_t i = 0; i < 2; i++) {
        c = rig_cmd(ops[i], OSD_GEN2, RIG_PID, ASKED);
        c.immed_tr = true;
        c.attr.get_page = OSD_PAGE_CURRENT;
        c.attr.get_alloc_len = rig->in_len = 100;
        c.attr.retrieved_off = 0;
        rig->out_len = 0;
        status[i] = rig_run(rig, &c);
    }
    let_go(rig);
    assert_int_equal(status[0], SAM_CHECK_CONDITION);
    assert_int_equal(status[1], SAM_CHECK_CONDITION);
    expect_cdb(rig, 24);
    expect_page(rig, 100, 0, 0, MANY, MANY);
}

/* How it ended can be told also where there is room for nothing more. */
static void test_interpreter_tracked__a_full_partition_has_room_for_the_failure(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    uint64_t used;

    make_all(rig, 2);
    used = rig_get_u(rig, RIG_PID, 0, OSD_PAGE_P + OSD_PG_INFORMATION, 0x81);
    for (uint64_t room = 0; room < 2000; room += 8) {
        rig_set_u(rig, RIG_PID, 0, OSD_PAGE_P + OSD_PG_QUOTAS, 0x10001, used + room, 8);
        expect_good(rig);
        c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, ASKED);
        c.immed_tr = true;
        c.attr.set_page = OSD_PAGE_U + 0x10001;
        c.attr.set_number = 7;
        c.attr.set_off = 0;
        c.attr.set_len = 2000;
        be64_put(c.sec.nonce, room + 1);
        rig->out_len = 2000;
        rig->in_len = 0;
        rig_run(rig, &c);
        if (rig->r.status == SAM_GOOD)
            break;
        expect_quota(rig, OSD_PAGE_P + OSD_PG_QUOTAS, 0x10001);
    }
    osd_device_settle(rig->dev);
    expect_failed(rig, SENSE_DATA_PROTECT, ASC_QUOTA);
}

/* ---- credentials ---- */

static struct keys keys;

/* Members in two partitions, keys for the second. */
static void open_signed(struct rig *rig)
{
    signed_open(rig, OSD_SEC_NOSEC, &keys);
    assert_int_equal(rig_get(rig, OSD_GEN2, 0, 0, OSD_PAGE_R + 1, 3, keys.system_id),
                     OSD_SYSTEM_ID_LEN);
    make_members(rig, RIG_PID + 1, 1);
    rig_tracking(rig, RIG_PID + 1, MATCHES, 0);
    make_all(rig, MANY);
    signed_keys(rig, OSD_GEN2, RIG_PID, &keys);
}

/* Sign a query of RIG_PID, with its continuation segment. */
static struct request sign(struct rig *rig, struct osd_cdb c)
{
    uint8_t icv[OSD_KEY_LEN];
    struct request r;

    rig_cap(&c, OSD_TYPE_COLLECTION, 0xfffc);
    c.cap.key_version = VERSION;
    c.cap.policy_tag = 7;
    r = signed_make(rig, c, OSD_SEC_CMDRSP, keys.working, &keys);
    assert_int_equal(
        osd_continuation_icv(r.capability_key, (struct osd_bytes){rig->out, c.cont_len}, icv),
        OSD_OK);
    osd_icv_put(icv, rig->out + 8, OSD_ICV2_LEN);
    return r;
}

static void another_tag(struct rig *rig)
{
    rig_set_u(rig, RIG_PID, ASKED, OSD_PAGE_C + OSD_PG_SECURITY, 0x40000001, 8, 4);
}

static void freeze_key(struct rig *rig)
{
    rig_set_u(rig, RIG_PID, 0, P5, 5, 1u << VERSION, 2);
}

static void stronger_method(struct rig *rig)
{
    rig_set_u(rig, RIG_PID, 0, P5, 1, OSD_SEC_ALLDATA, 1);
}

static void nothing(struct rig *rig)
{
    rig->r.status = SAM_GOOD;
}

/* Would catch: a command that was accepted and waits for its turn, and is carried out although its
 * credential was taken back meanwhile. */
static void test_interpreter_tracked__what_is_revoked_while_it_waits_is_not_done(void **state)
{
    static const struct {
        void (*take_back)(struct rig *rig);
        uint16_t asc; /* 0: none */
    } ways[] = {{nothing, 0},
                {another_tag, ASC_INVALID_FIELD_CDB},
                {stronger_method, ASC_INVALID_FIELD_CDB},
                {freeze_key, ASC_KEY_FROZEN}};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct osd_cdb c;
        struct request r;
        struct rig rig;
        open_signed(&rig);
        rig_set_u(&rig, RIG_PID, ASKED, OSD_PAGE_C + OSD_PG_SECURITY, 0x40000001, 7, 4);
        expect_good(&rig);
        hold_before(&rig, 1);
        c = query(&rig, RIG_PID + 1);
        run_good(&rig, &c);
        wait_until_held();
        c = query(&rig, RIG_PID);
        r = sign(&rig, c);
        signed_run(&rig, &r);
        expect_good(&rig);
        ways[i].take_back(&rig);
        expect_good(&rig);
        let_go(&rig);
        if (ways[i].take_back == stronger_method) { /* only the store can be asked now */
            assert_int_equal(stored_status(rig.store, (struct store_id){RIG_PID, ASKED}),
                             SAM_CHECK_CONDITION);
        } else if (ways[i].asc) {
            expect_failed(&rig, SENSE_ILLEGAL_REQUEST, ways[i].asc);
            assert_int_equal(matches(&rig), 1);
        } else {
            expect_page(&rig, 100, 0, 0, MANY, MANY);
            assert_int_equal(matches(&rig), MANY);
        }
        rig_close(&rig);
    }
}

static void test_interpreter_tracked__members_are_removed_and_set(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    uint64_t ids[8];
    uint8_t value[8];

    make_all(rig, 5);
    c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, ASKED);
    c.immed_tr = true;
    c.attr.format = OSD_ATTR_LIST;
    c.attr.set_off = 8;
    c.attr.set_len = (uint32_t)rig_set_list(
        rig, OSD_GEN2, 8, (struct osd_attr_id){OSD_PAGE_U + 0x10001, 7}, "seven", 5);
    rig->out_len = 8 + c.attr.set_len;
    rig->in_len = 0;
    run_good(rig, &c);
    memset(rig->out, 0xee, 100); /* the device has its own copy */
    osd_device_settle(rig->dev);
    expect_page(rig, 100, 0, 0, 5, 5);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, LAST, OSD_PAGE_U + 0x10001, 7, value), 5);
    assert_memory_equal(value, "seven", 5);
    c = rig_cmd(OSD_OP_REMOVE_MEMBER_OBJECTS, OSD_GEN2, RIG_PID, ASKED);
    c.immed_tr = true;
    rig->out_len = 0;
    run_good(rig, &c);
    osd_device_settle(rig->dev);
    expect_page(rig, 100, 0, 0, 5, 5);
    assert_int_equal(rig_members(rig, ASKED, ids, 8), 0);
    assert_int_equal(rig_members(rig, RIG_CID, ids, 8), 0);
}

/* Only when it works does it turn out that a member cannot have the attribute. */
static void test_interpreter_tracked__a_failure_is_in_the_page(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MEMBER_ATTRIBUTES, OSD_GEN2, RIG_PID, ASKED);

    make_all(rig, 2);
    c.immed_tr = true;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                      .set_page = OSD_PAGE_U + OSD_PG_COLLECTIONS,
                                      .set_number = 5,
                                      .set_len = 8};
    be64_put(c.attr.value, RIG_CID + 77);
    rig->out_len = rig->in_len = 0;
    run_good(rig, &c);
    osd_device_settle(rig->dev);
    expect_failed(rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD_CDB);
    assert_int_equal(failure(rig).completed,
                     OSD_FN_VALIDATION | OSD_FN_CMD_CAP | OSD_FN_SA_CAP);
}

/* What the clients fill has no page, and what brings attributes home must have been done. */
static void test_interpreter_tracked__some_are_done_before_their_status(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;

    make_all(rig, 5);
    c = query(rig, RIG_PID);
    c.attr.get_page = OSD_PAGE_CURRENT;
    c.attr.get_alloc_len = 100;
    c.attr.retrieved_off = 0;
    rig->in_len = 100;
    run_good(rig, &c);
    assert_false(tracker_find(&rig->dev->tracker, (struct store_id){RIG_PID, ASKED}, NULL));
    expect_page(rig, 100, 0, 0, 5, 5);
    assert_int_equal(matches(rig), 5);
    c = rig_cmd(OSD_OP_REMOVE_MEMBER_OBJECTS, OSD_GEN2, RIG_PID, RIG_CID);
    c.immed_tr = true;
    rig->out_len = rig->in_len = 0;
    run_good(rig, &c);
    assert_false(tracker_find(&rig->dev->tracker, (struct store_id){RIG_PID, RIG_CID}, NULL));
    assert_int_equal(matches(rig), 0);
}

static void expect_truth(struct rig *rig)
{
    if (rig_get_u(rig, RIG_PID, ASKED, C4, 3) == 0) {
        expect_page(rig, 100, 0, 0, 2, 2);
        assert_int_equal(matches(rig), 2);
    } else {
        expect_page(rig, 0, 0, SAM_CHECK_CONDITION, 0, 0);
        assert_int_equal(matches(rig), 1);
    }
}

/* Whichever call of the store fails: what the page says is what was done. */
static void test_interpreter_tracked__a_failing_store_leaves_a_truthful_page(void **state)
{
    bool over = false;

    (void)state;
    for (uint64_t nth = 1; !over; nth++) {
        struct osd_store *faulty;
        struct rig rig = {0};
        struct osd_cdb c;
        assert_int_equal(store_fault_wrap(rig_store(&rig, 0), &faulty), OSD_OK);
        rig_open_on(&rig, faulty);
        make_all(&rig, 2);
        c = query(&rig, RIG_PID);
        store_fault_arm(faulty, nth, OSD_E_IO);
        rig_run(&rig, &c);
        osd_device_settle(rig.dev);
        over = store_fault_calls(faulty) < nth;
        store_fault_arm(faulty, 0, OSD_OK);
        assert_int_equal(store_fault_open_transactions(faulty), 0);
        if (rig.r.status == SAM_GOOD)
            expect_truth(&rig);
        else
            expect_page(&rig, 100, 0, 0, 0, 0);
        assert_true(!over || nth > 20);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_tracked__progress_is_seen_while_it_works),
        rig_test(test_interpreter_tracked__it_is_not_done_before_its_end),
        rig_test(test_interpreter_tracked__members_count_when_they_are_removed_or_set),
        rig_test(test_interpreter_tracked__data_out_is_bounded),
        rig_test(test_interpreter_tracked__faults_of_the_request_are_told_at_once),
        rig_test(test_interpreter_tracked__commands_beside_it_are_heavy),
        rig_test(test_interpreter_tracked__one_at_a_time_on_a_collection),
        rig_test(test_interpreter_tracked__a_repetition_begins_nothing),
        rig_test(test_interpreter_tracked__what_is_aborted_says_so),
        rig_test(test_interpreter_tracked__one_that_waits_can_be_aborted),
        rig_test(test_interpreter_tracked__what_cannot_be_said_reads_as_aborted),
        rig_test(test_interpreter_tracked__a_restart_in_the_middle_ends_it),
        rig_test(test_interpreter_tracked__closing_the_device_ends_it),
        rig_test(test_interpreter_tracked__too_many_are_refused),
        rig_test(test_interpreter_tracked__a_new_collection_is_left_alone),
        rig_test(test_interpreter_tracked__a_restored_collection_is_left_alone),
        rig_test(test_interpreter_tracked__none_is_done_beside_another),
        rig_test(test_interpreter_tracked__a_full_partition_has_room_for_the_failure),
        cmocka_unit_test(test_interpreter_tracked__what_is_revoked_while_it_waits_is_not_done),
        rig_test(test_interpreter_tracked__members_are_removed_and_set),
        rig_test(test_interpreter_tracked__a_failure_is_in_the_page),
        rig_test(test_interpreter_tracked__some_are_done_before_their_status),
        cmocka_unit_test(test_interpreter_tracked__a_failing_store_leaves_a_truthful_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
