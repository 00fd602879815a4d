/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_perform.c - PERFORM SCSI COMMAND, PERFORM TASK MANAGEMENT FUNCTION
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "rig.h"
#include "wire/spc.h"

static uint16_t at(enum osd_gen g)
{
    return g == OSD_GEN1 ? 36 : 32;
}

static struct osd_cdb scsi(enum osd_gen g, uint8_t opcode)
{
    struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_SCSI_COMMAND, g, 0, 0);

    c.scsi_cdb[0] = opcode;
    return c;
}

static void test_interpreter_perform__answers_as_the_command_alone(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        uint8_t alone[256];
        struct osd_cdb c = scsi(g, 0x5a);
        c.scsi_cdb[2] = 0x3f;
        c.scsi_cdb[8] = 255;
        rig->out_len = 0;
        rig->in_len = 255;
        rig_run_raw(rig, c.scsi_cdb, 10);
        expect_good(rig);
        size_t len = rig->r.in_len;
        memcpy(alone, rig->in, len);
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->r.in_len, len);
        assert_memory_equal(rig->in, alone, len);
        c.scsi_cdb[8] = 5; /* cut by the embedded allocation length */
        rig_run(rig, &c);
        assert_int_equal(rig->r.in_len, 5);
    }
}

static void test_interpreter_perform__attributes_come_behind_the_data(void **state)
{
    struct osd_attr_id want = {OSD_PAGE_R + 1, 0xc0};
    struct rig *rig = *state;

    for (BOTH(g)) {
        struct osd_cdb c = scsi(g, 0x12);
        c.scsi_cdb[4] = 255;
        rig->out_len = rig_get_list(rig, g, 0, &want, 1);
        rig->in_len = 1024;
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 100,
                                          .retrieved_off = 512,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        assert_int_equal(rig->in[0], OSD_DEVICE_TYPE);
        assert_int_equal(rig->in[512], OSD_LIST_SET);
        assert_true(rig->r.in_len > 512);
        c.attr.retrieved_off = 0; /* upon the data */
        rig_run(rig, &c);
        expect_cdb(rig, 64);
    }
}

static void test_interpreter_perform__faults_point_into_the_embedded_cdb(void **state)
{
    struct rig *rig = *state;

    for (BOTH(g)) {
        static const uint8_t unknown[] = {0x7f, 0x28, 0xff};
        struct osd_cdb c;
        rig->out_len = 0;
        rig->in_len = 100;
        for (size_t i = 0; i < sizeof(unknown); i++) {
            c = scsi(g, unknown[i]);
            rig_run(rig, &c);
            expect_cdb(rig, at(g));
            assert_true(rig->sense.has_object);
        }
        c = scsi(g, 0x12);
        c.scsi_cdb[2] = 0x80; /* a page without EVPD */
        rig_run(rig, &c);
        expect_cdb(rig, at(g) + 2);
        c = scsi(g, 0x55);
        c.scsi_cdb[1] = 0x10;
        c.scsi_cdb[8] = 8;
        rig_run(rig, &c);
        expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_PARAM_LIST_LENGTH);
        memset(rig->out, 0, 8);
        rig->out[7] = 8;
        rig->out_len = 8;
        rig_run(rig, &c);
        expect_param(rig, 6);
        rig->out[7] = 0;
        rig_run(rig, &c);
        expect_good(rig);
    }
}

/* One buffer cannot bring data both ways. */
static void test_interpreter_perform__one_buffer_serves_one_direction(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c = scsi(OSD_GEN2, 0x12);

    c.scsi_cdb[4] = 255;
    c.attr.set_page = OSD_PAGE_R + 0x10000;
    c.attr.set_number = 1;
    c.attr.set_len = 3;
    c.attr.set_off = 0;
    rig->shared = true;
    rig->out_len = rig->in_len = 255;
    rig_run(rig, &c);
    expect_cdb(rig, 32);
    c.scsi_cdb[0] = 0;
    c.scsi_cdb[4] = 0;
    rig_run(rig, &c);
    expect_good(rig);
    rig->shared = false;
}

/* ---- task management ---- */

#define COMPLETE  0x00
#define SUCCEEDED 0x05
#define REJECTED  0x08
#define TAG       0x1122334455667788ULL
#define MEMBERS   5

/* The store of a rig in which one call of a thread waits; one test at a time. */
static struct held {
    struct store_ops ops, inner;
    bool at_commit; /* else at the first of the calls below */
    sem_t begun, go;
} held;

static _Thread_local bool waits; /* once, in the thread that set it */

static void hold_here(void)
{
    if (!waits)
        return;
    waits = false;
    sem_post(&held.begun);
    while (sem_wait(&held.go)) {
    }
}

static osd_status held_members(struct store_txn *t, struct store_id id, uint64_t from,
                               uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next)
{
    if (!held.at_commit)
        hold_here();
    return held.inner.members(t, id, from, ids, max, ret_n, ret_next);
}

static osd_status held_read(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                            const struct osd_iov *dst, uint64_t at)
{
    if (!held.at_commit)
        hold_here();
    return held.inner.read(t, id, off, len, dst, at);
}

static osd_status held_commit(struct store_txn *t, unsigned flags)
{
    if (held.at_commit)
        hold_here();
    return held.inner.commit(t, flags);
}

static osd_status held_list(struct store_txn *t, uint64_t pid, enum store_kind kind,
                            uint64_t from, uint64_t *ids, size_t max, size_t *ret_n,
                            uint64_t *ret_next, uint64_t *ret_changes)
{
    if (!held.at_commit)
        hold_here();
    return held.inner.list(t, pid, kind, from, ids, max, ret_n, ret_next, ret_changes);
}

static osd_status held_remove(struct store_txn *t, struct store_id id, bool contents)
{
    if (!held.at_commit)
        hold_here();
    return held.inner.remove(t, id, contents);
}

static osd_status held_format(struct store_txn *t, uint64_t capacity,
                              const struct store_meta *root)
{
    if (!held.at_commit)
        hold_here();
    return held.inner.format(t, capacity, root);
}

static osd_status held_duplicate(struct store_txn *t, uint64_t source, struct store_id id,
                                 const struct store_meta *m, struct store_id *ret)
{
    if (!held.at_commit)
        hold_here();
    return held.inner.duplicate(t, source, id, m, ret);
}

static void hold(struct rig *rig, bool at_commit)
{
    held.inner = held.ops = *rig->store->ops;
    held.ops.list = held_list;
    held.ops.remove = held_remove;
    held.ops.format = held_format;
    held.ops.duplicate = held_duplicate;
    held.ops.members = held_members;
    held.ops.read = held_read;
    held.ops.commit = held_commit;
    held.at_commit = at_commit;
    rig->store->ops = &held.ops;
    sem_init(&held.begun, 0, 0);
    sem_init(&held.go, 0, 0);
}

/** A command in a thread of its own, with what it answered. */
struct runner {
    struct rig rig;
    struct osd_cdb c;
    pthread_t thread;
};

static void *run_command(void *arg)
{
    struct runner *r = arg;

    waits = true;
    rig_run(&r->rig, &r->c);
    if (waits) /* it never came there: the test fails by what it answered */
        sem_post(&held.begun);
    return NULL;
}

/* Ends when the command stands in the store. */
static void start(struct runner *r, struct rig *rig, const struct osd_cdb *c)
{
    *r = (struct runner){
        .rig = {.dev = rig->dev, .out = malloc(RIG_BUF), .in = malloc(RIG_BUF)}, .c = *c};
    memcpy(r->rig.out, rig->out, 1024);
    r->rig.out_len = rig->out_len;
    r->rig.in_len = rig->in_len;
    assert_int_equal(pthread_create(&r->thread, NULL, run_command, r), 0);
    while (sem_wait(&held.begun)) {
    }
}

static void end(struct runner *r)
{
    sem_post(&held.go);
    pthread_join(r->thread, NULL);
    free(r->rig.out);
    free(r->rig.in);
}

static void expect_aborted(const struct rig *rig)
{
    assert_int_equal(rig->r.status, SAM_CHECK_CONDITION);
    expect_asc(rig, SENSE_ABORTED_COMMAND, ASC_COMMANDS_CLEARED);
}

/* Collections RIG_CID (linked) and RIG_CID + 1 (tracking) with all objects, and one without. */
static void make_members(struct rig *rig)
{
    uint64_t ids[MEMBERS];

    rig_partition(rig, RIG_PID);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (uint64_t i = 0; i < MEMBERS; i++) {
        rig_object(rig, RIG_PID, RIG_OID + i);
        rig_join(rig, RIG_OID + i, 1, RIG_CID);
    }
    rig_write(rig, RIG_OID, 0, "abc", 3);
    rig_tracking(rig, RIG_PID, RIG_CID + 1, RIG_CID);
    rig_tracking(rig, RIG_PID, RIG_CID + 2, 0);
    assert_int_equal(rig_members(rig, RIG_CID + 1, ids, MEMBERS), MEMBERS);
}

/* Everything of the rig's partition that a command on members could change. */
static void expect_untouched(struct rig *rig)
{
    uint64_t ids[MEMBERS + 1];
    uint8_t value[8];

    assert_int_equal(rig_members(rig, RIG_CID, ids, MEMBERS + 1), MEMBERS);
    assert_int_equal(rig_members(rig, RIG_CID + 1, ids, MEMBERS + 1), MEMBERS);
    assert_int_equal(rig_members(rig, RIG_CID + 2, ids, MEMBERS + 1), 0);
    assert_int_equal(rig_members(rig, 0, ids, MEMBERS + 1), 3);
    for (uint64_t i = 0; i < MEMBERS; i++)
        assert_int_equal(
            rig_get(rig, OSD_GEN2, RIG_PID, RIG_OID + i, OSD_PAGE_U + 0x10001, 7, value), -1);
}

/* A continuation segment: a query list that every member meets, or a source for a copy. */
static void put_continuation(struct rig *rig, enum osd_op op)
{
    bool copies = op == OSD_OP_COPY_USER_OBJECTS;
    uint8_t *p = rig->out;

    memset(p, 0, 256);
    p[0] = 1;
    be16_put(p + 2, osd_op_info(op)->action[OSD_GEN2]);
    be16_put(p + 40, copies ? 0x0101 : 2);
    p[43] = 4;
    be32_put(p + 44, copies ? 20 : 4);
    be64_put(p + 48, copies ? RIG_PID : 0);
    be64_put(p + 56, copies ? RIG_OID : 0);
}

static struct osd_cdb long_command(struct rig *rig, enum osd_op op, uint64_t cid)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, RIG_PID, cid);

    rig->out_len = rig->in_len = 0;
    if (op == OSD_OP_QUERY || op == OSD_OP_COPY_USER_OBJECTS) {
        put_continuation(rig, op);
        c.cont_len = op == OSD_OP_QUERY ? 56 : 72;
        rig->out_len = c.cont_len;
    }
    if (op == OSD_OP_SET_MEMBER_ATTRIBUTES) {
        c.attr.format = OSD_ATTR_LIST;
        c.attr.set_off = 0;
        c.attr.set_len = (uint32_t)rig_set_list(
            rig, OSD_GEN2, 0, (struct osd_attr_id){OSD_PAGE_U + 0x10001, 7}, "seven", 5);
        rig->out_len = c.attr.set_len;
    }
    if (op == OSD_OP_CREATE_USER_TRACKING_COLLECTION || op == OSD_OP_QUERY)
        c.start = op == OSD_OP_QUERY ? RIG_CID + 2 : RIG_CID;
    if (op == OSD_OP_REMOVE_COLLECTION)
        c.option = 1;
    be64_put(c.sec.nonce + 4, TAG);
    return c;
}

/* Commands that are about more than members, or hold more than the partition. */
static struct osd_cdb large_command(struct rig *rig, enum osd_op op, uint64_t pid)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, pid, 0);

    rig->out_len = rig->in_len = 0;
    if (op == OSD_OP_LIST || op == OSD_OP_LIST_COLLECTION)
        c.length = rig->in_len = 1000;
    if (op == OSD_OP_REMOVE_PARTITION)
        c.option = 1;
    if (op == OSD_OP_CREATE_SNAPSHOT)
        c.start = RIG_PID;
    if (op == OSD_OP_COPY_USER_OBJECTS) {
        put_continuation(rig, op);
        c.oid = RIG_OID + 90;
        c.cont_len = 72;
        rig->out_len = c.cont_len;
    }
    be64_put(c.sec.nonce + 4, TAG);
    return c;
}

static const struct {
    enum osd_op op;
    uint64_t pid;
} large_commands[] = {
    {OSD_OP_LIST, RIG_PID},
    {OSD_OP_LIST, 0},
    {OSD_OP_LIST_COLLECTION, RIG_PID},
    {OSD_OP_OBJECT_STRUCTURE_CHECK, RIG_PID},
    {OSD_OP_OBJECT_STRUCTURE_CHECK, 0},
    {OSD_OP_CREATE_SNAPSHOT, RIG_PID + 9},
    {OSD_OP_COPY_USER_OBJECTS, RIG_PID + 1},
    {OSD_OP_REMOVE_PARTITION, RIG_PID},
    {OSD_OP_FORMAT_OSD, 0},
};

#define N_LARGE (sizeof(large_commands) / sizeof(large_commands[0]))

/* Also where the command holds the whole device: the function waits for nothing of it. */
static void test_interpreter_tasks__what_holds_everything_is_aborted_too(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;

    make_members(rig);
    rig_partition(rig, RIG_PID + 1);
    hold(rig, false);
    for (size_t i = 0; i < N_LARGE; i++) {
        c = large_command(rig, large_commands[i].op, large_commands[i].pid);
        start(&r, rig, &c);
        assert_int_equal(rig_manage(rig, 0x80, TAG), SUCCEEDED);
        assert_int_equal(rig_manage(rig, 0x01, TAG), COMPLETE);
        end(&r);
        expect_aborted(&r.rig);
        assert_int_equal(r.rig.r.in_len, 0);
        expect_untouched(rig);
    }
    rig->out_len = rig->in_len = 0;
    for (size_t i = 0; i < N_LARGE;
         i++) { /* and the same commands are good when nobody objects */
        c = large_command(rig, large_commands[i].op, large_commands[i].pid);
        be64_put(c.sec.nonce + 4, TAG + i);
        rig_run(rig, &c);
        expect_good(rig);
    }
}

#define ROUNDS 60

static atomic_bool done;

/* Everything that changes the root or holds it, again and again. */
static void *change_the_root(void *arg)
{
    struct rig *rig = arg,
               own = {.dev = rig->dev, .out = malloc(RIG_BUF), .in = malloc(RIG_BUF)};

    for (unsigned i = 0; i < ROUNDS; i++) {
        static const struct osd_attr_id id = {OSD_PAGE_R + 0x10001, 7};
        struct osd_cdb set = rig_cmd(OSD_OP_SET_ATTRIBUTES, OSD_GEN2, 0, 0);
        struct osd_cdb format = rig_cmd(OSD_OP_FORMAT_OSD, OSD_GEN2, 0, 0);
        set.attr.format = OSD_ATTR_LIST;
        set.attr.set_off = 0;
        set.attr.set_len = (uint32_t)rig_set_list(&own, OSD_GEN2, 0, id, "seven", 5);
        own.out_len = set.attr.set_len;
        own.in_len = 0;
        rig_run(&own, &set);
        own.out_len = 0;
        rig_run(&own, &format);
    }
    atomic_store(&done, true);
    free(own.out);
    free(own.in);
    return NULL;
}

/* Without a lock it reads the root as it is: never half of a value, never what is none. */
static void test_interpreter_tasks__the_root_is_read_while_it_changes(void **state)
{
    struct osd_attr_id want = {OSD_PAGE_R + 0x10001, 7};
    struct rig *rig = *state;
    pthread_t thread;

    atomic_store(&done, false);
    assert_int_equal(pthread_create(&thread, NULL, change_the_root, rig), 0);
    do {
        struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN2, 0, 0);
        c.tm_function = 0x82;
        rig->in_len = 100;
        rig->out_len = rig_get_list(rig, OSD_GEN2, 0, &want, 1);
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                          .get_list_len = (uint32_t)rig->out_len,
                                          .get_alloc_len = 100,
                                          .set_off = OSD_OFFSET_UNUSED};
        rig_run(rig, &c);
        expect_good(rig);
        if (be16_get(rig->in + 8 + 14) == 5) {
            assert_memory_equal(rig->in + 8 + 16, "seven", 5);
        } else {
            assert_int_equal(be16_get(rig->in + 8 + 14), 0);
        }
    } while (!atomic_load(&done));
    pthread_join(thread, NULL);
}

/* Attributes that a check sets are set before it looks: it is aborted no more then. */
static void test_interpreter_tasks__a_check_that_sets_attributes_is_carried_out(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;
    uint8_t value[8];

    make_members(rig);
    hold(rig, false);
    c = large_command(rig, OSD_OP_OBJECT_STRUCTURE_CHECK, RIG_PID);
    c.attr.format = OSD_ATTR_LIST;
    c.attr.set_off = 0;
    c.attr.set_len = (uint32_t)rig_set_list(
        rig, OSD_GEN2, 0, (struct osd_attr_id){OSD_PAGE_P + 0x10001, 7}, "seven", 5);
    rig->out_len = c.attr.set_len;
    start(&r, rig, &c);
    assert_int_equal(rig_manage(rig, 0x01, TAG), COMPLETE);
    end(&r);
    expect_good(&r.rig);
    assert_int_equal(rig_get(rig, OSD_GEN2, RIG_PID, 0, OSD_PAGE_P + 0x10001, 7, value), 5);
}

static const struct {
    enum osd_op op;
    uint64_t cid;
} long_commands[] = {
    {OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_CID},
    {OSD_OP_QUERY, RIG_CID + 1},
    {OSD_OP_SET_MEMBER_ATTRIBUTES, RIG_CID},
    {OSD_OP_CREATE_USER_TRACKING_COLLECTION, RIG_CID + 9},
    {OSD_OP_REMOVE_COLLECTION, RIG_CID},
    {OSD_OP_COPY_USER_OBJECTS, RIG_OID + 90},
};

#define N_LONG (sizeof(long_commands) / sizeof(long_commands[0]))

static void test_interpreter_tasks__what_is_aborted_leaves_everything_as_it_was(void **state)
{
    static const uint8_t functions[] = {0x01, 0x02, 0x04, 0x08};
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;

    make_members(rig);
    hold(rig, false);
    for (size_t i = 0; i < N_LONG; i++)
        for (size_t f = 0; f < sizeof(functions); f++) {
            c = long_command(rig, long_commands[i].op, long_commands[i].cid);
            start(&r, rig, &c);
            assert_int_equal(rig_manage(rig, functions[f], TAG), COMPLETE);
            end(&r);
            expect_aborted(&r.rig);
            expect_untouched(rig);
        }
    rig->out_len = rig->in_len = 0;
    c = long_command(rig, OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_CID);
    rig_good(rig, &c); /* and under its nonce it is none that was carried out */
    assert_int_equal(rig_members(rig, RIG_CID, &(uint64_t){0}, 1), 0);
}

static void test_interpreter_tasks__a_query_to_the_initiator_ends_without_data(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;

    make_members(rig);
    hold(rig, false);
    c = long_command(rig, OSD_OP_QUERY, RIG_CID + 1);
    c.start = 0;
    c.length = rig->in_len = 1000;
    start(&r, rig, &c);
    rig_manage(rig, 0x02, 0);
    end(&r);
    expect_aborted(&r.rig);
    assert_int_equal(r.rig.r.in_len, 0);
}

static void test_interpreter_tasks__a_tag_means_the_command_with_that_nonce(void **state)
{
    static const uint64_t others[] = {0, TAG + 1};
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;

    make_members(rig);
    hold(rig, false);
    c = long_command(rig, OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_CID);
    assert_int_equal(rig_manage(rig, 0x80, TAG), COMPLETE);
    assert_int_equal(rig_manage(rig, 0x81, 0), COMPLETE);
    rig->out_len = rig->in_len = 0;
    start(&r, rig, &c);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig_manage(rig, 0x80, others[i]), COMPLETE);
        assert_int_equal(rig_manage(rig, 0x01, others[i]), COMPLETE);
    }
    assert_int_equal(rig_manage(rig, 0x80, TAG), SUCCEEDED);
    assert_int_equal(rig_manage(rig, 0x81, 0), SUCCEEDED);
    end(&r);
    expect_good(&r.rig);
    assert_int_equal(rig_manage(rig, 0x80, TAG), COMPLETE);
    assert_int_equal(rig_manage(rig, 0x81, 0), COMPLETE);
}

static void test_interpreter_tasks__one_of_two_is_aborted(void **state)
{
    struct rig *rig = *state;
    struct runner r[2];

    make_members(rig);
    hold(rig, false);
    for (size_t i = 0; i < 2; i++) {
        struct osd_cdb c = long_command(rig, OSD_OP_QUERY, RIG_CID + 1);
        c.start = 0;
        c.length = rig->in_len = 1000;
        be64_put(c.sec.nonce + 4, TAG + i);
        start(&r[i], rig, &c);
    }
    assert_int_equal(rig_manage(rig, 0x01, TAG), COMPLETE);
    sem_post(&held.go);
    end(&r[0]);
    end(&r[1]);
    expect_aborted(&r[0].rig);
    expect_good(&r[1].rig);
    assert_int_equal(r[1].rig.r.in_len, 12 + 8 * MEMBERS);
    assert_int_equal(rig_manage(rig, 0x81, 0), COMPLETE);
}

/* A command without a nonce has no tag: not even the tag zero. */
static void test_interpreter_tasks__commands_without_a_nonce_have_no_tag(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;

    make_members(rig);
    hold(rig, false);
    c = long_command(rig, OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_CID);
    memset(c.sec.nonce, 0, sizeof(c.sec.nonce));
    start(&r, rig, &c);
    assert_int_equal(rig_manage(rig, 0x01, 0), COMPLETE);
    assert_int_equal(rig_manage(rig, 0x80, 0), COMPLETE);
    assert_int_equal(rig_manage(rig, 0x81, 0), SUCCEEDED);
    end(&r);
    expect_good(&r.rig);
}

static void test_interpreter_tasks__what_commits_can_no_longer_be_aborted(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c;
    struct runner r;
    uint64_t id;

    make_members(rig);
    hold(rig, true);
    c = long_command(rig, OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_CID);
    start(&r, rig, &c);
    assert_int_equal(rig_manage(rig, 0x02, 0), COMPLETE);
    end(&r);
    expect_good(&r.rig);
    assert_int_equal(rig_members(rig, RIG_CID, &id, 1), 0);
}

static void test_interpreter_tasks__what_fails_aborts_nothing(void **state)
{
    struct rig *rig = *state;
    struct osd_cdb c, tm = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN2, 0, 0);
    struct runner r;

    make_members(rig);
    hold(rig, false);
    c = long_command(rig, OSD_OP_REMOVE_MEMBER_OBJECTS, RIG_CID);
    start(&r, rig, &c);
    tm.tm_function = 0x02;
    tm.tm_alloc_len = 8;
    tm.attr.get_page = OSD_PAGE_CURRENT; /* upon the answer */
    tm.attr.get_alloc_len = 100;
    tm.attr.retrieved_off = 0;
    rig->out_len = 0;
    rig->in_len = 100;
    rig_run(rig, &tm);
    expect_cdb(rig, 60);
    end(&r);
    expect_good(&r.rig);
}

static void test_interpreter_perform__functions_on_tasks_and_their_answers(void **state)
{
    static const struct {
        uint8_t function, response;
        bool osd1;
    } cases[] = {
        {0x01, COMPLETE, true},  {0x02, COMPLETE, true},  {0x04, COMPLETE, true},
        {0x08, COMPLETE, true},  {0x10, REJECTED, false}, {0x40, REJECTED, false},
        {0x80, COMPLETE, false}, {0x81, COMPLETE, false}, {0x82, COMPLETE, false},
    };
    struct rig *rig = *state;
    struct osd_cdb c;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(rig_manage(rig, cases[i].function, 0), cases[i].response);
        c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN1, 0, 0);
        c.tm_function = cases[i].function;
        rig->in_len = 0;
        rig_run(rig, &c);
        if (cases[i].osd1)
            expect_good(rig);
        else
            expect_cdb(rig, 43);
    }
    c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN2, 0, 0);
    c.tm_function = 0x82;
    c.tm_alloc_len = 3;
    rig->in_len = 20;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 3);
    c.tm_function = 0x03;
    rig_run(rig, &c);
    expect_cdb(rig, 39);
}

/* Where commands arrive it neither waits for the long ones nor holds up anybody. */
static void test_interpreter_perform__task_management_goes_past_long_commands(void **state)
{
    struct rig *rig = *state;
    uint8_t raw[OSD_CDB_MAX];
    struct osd_scope scope;
    size_t len;

    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, g, 0, 0);
        assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
        assert_int_equal(osd_device_weigh(rig->dev, raw, len, &scope), OSD_WEIGHT_LONG);
        assert_true(scope.nothing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(test_interpreter_perform__answers_as_the_command_alone),
        rig_test(test_interpreter_perform__attributes_come_behind_the_data),
        rig_test(test_interpreter_perform__faults_point_into_the_embedded_cdb),
        rig_test(test_interpreter_perform__one_buffer_serves_one_direction),
        rig_test(test_interpreter_perform__functions_on_tasks_and_their_answers),
        rig_test(test_interpreter_perform__task_management_goes_past_long_commands),
        rig_test(test_interpreter_tasks__what_is_aborted_leaves_everything_as_it_was),
        rig_test(test_interpreter_tasks__what_holds_everything_is_aborted_too),
        rig_test(test_interpreter_tasks__a_check_that_sets_attributes_is_carried_out),
        rig_test(test_interpreter_tasks__the_root_is_read_while_it_changes),
        rig_test(test_interpreter_tasks__a_query_to_the_initiator_ends_without_data),
        rig_test(test_interpreter_tasks__a_tag_means_the_command_with_that_nonce),
        rig_test(test_interpreter_tasks__one_of_two_is_aborted),
        rig_test(test_interpreter_tasks__commands_without_a_nonce_have_no_tag),
        rig_test(test_interpreter_tasks__what_commits_can_no_longer_be_aborted),
        rig_test(test_interpreter_tasks__what_fails_aborts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
