/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/test_handler.c - the whole plugin between a stand-in for tcmu-runner and the
 * memory store: iovecs, residuals, completions from several threads, open and close
 */
#include <ftw.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "interpreter/interpreter.h"
#include "runner.h"
#include "security/keyfile.h"
#include "tcmu/keys.h"
#include "wire/cdb.h"
#include "wire/sense.h"
#include "wire/twophase.h"

#define CFG    "osd//test;store=memory;security=nosec;threads=4"
#define PID    0x10000ULL
#define OID    0x10000ULL
#define LBAS   (8LL << 20) /* of 512 bytes: 4 GiB */
#define BIG    (256u << 10)
#define POISON 0xa5

int handler_init(void);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static _Thread_local bool no_memory;

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

/* What the handler thinks has passed while a command was carried out. */
static uint64_t each_takes_ms;
static atomic_uint_least64_t passed_ms;

uint64_t __wrap_osd_monotonic_frequent_ms(void);

uint64_t __wrap_osd_monotonic_frequent_ms(void)
{
    return 1000 + passed_ms;
}

/* A REMOVE PARTITION of this partition holds its lock until it is let go. */
#define SLOW_PID 0x20000ULL

static sem_t slow_started, slow_go;

/* What the handler does with a burst; the commands run in the thread that submits. */
static struct {
    struct tcmu_device *dev; /* NULL: nobody watches */
    bool later[RUNNER_BURST];
    pthread_t by[RUNNER_BURST]; /* who executes it */
    unsigned n_executed, n_published;
    int in_flight[RUNNER_BURST]; /* when it publishes */
    size_t published[RUNNER_BURST];
    unsigned n_early;
    size_t early[RUNNER_BURST];
} watched;

static atomic_uint n_commands, before_slow;

void __real_osd_device_early(struct osd_device *dev, struct osd_request *reqs, size_t n);
void __wrap_osd_device_early(struct osd_device *dev, struct osd_request *reqs, size_t n);

void __wrap_osd_device_early(struct osd_device *dev, struct osd_request *reqs, size_t n)
{
    if (watched.dev && watched.n_early < RUNNER_BURST)
        watched.early[watched.n_early++] = n;
    __real_osd_device_early(dev, reqs, n);
}

void __real_osd_device_publish(struct osd_device *dev, struct osd_response *r, size_t n);
void __wrap_osd_device_publish(struct osd_device *dev, struct osd_response *r, size_t n);

void __wrap_osd_device_publish(struct osd_device *dev, struct osd_response *r, size_t n)
{
    if (watched.dev && watched.n_published < RUNNER_BURST) {
        watched.in_flight[watched.n_published] = runner_reap(watched.dev);
        watched.published[watched.n_published++] = n;
    }
    __real_osd_device_publish(dev, r, n);
}

void __real_osd_device_execute(struct osd_device *dev, const struct osd_request *req,
                               struct osd_response *ret);
void __wrap_osd_device_execute(struct osd_device *dev, const struct osd_request *req,
                               struct osd_response *ret);

void __wrap_osd_device_execute(struct osd_device *dev, const struct osd_request *req,
                               struct osd_response *ret)
{
    struct osd_wire_error err;
    struct osd_cdb c;

    if (watched.dev && watched.n_executed < RUNNER_BURST) {
        watched.by[watched.n_executed] = pthread_self();
        watched.later[watched.n_executed++] = req->later;
    }
    if (osd_cdb_decode(req->cdb, req->cdb_len, &c, &err) == OSD_OK &&
        c.op == OSD_OP_REMOVE_PARTITION && c.pid == SLOW_PID) {
        before_slow = n_commands;
        sem_post(&slow_started);
        sem_wait(&slow_go);
    }
    __real_osd_device_execute(dev, req, ret);
    passed_ms += each_takes_ms;
    n_commands++;
}

/* ---- a device with one partition and one object ---- */

static struct osd_cdb command(enum osd_op op, uint64_t oid)
{
    return osd_cdb_make(op, OSD_GEN2, PID, oid);
}

static int submit(struct tcmu_device *dev, const struct osd_cdb *c, struct iovec *iov,
                  int n_iov)
{
    uint8_t raw[OSD_CDB_MAX];
    size_t len;

    assert_int_equal(osd_cdb_encode(c, raw, &len), OSD_OK);
    return runner_submit(dev, raw, len, iov, n_iov);
}

static struct flight run(struct tcmu_device *dev, const struct osd_cdb *c, void *buf,
                         size_t len)
{
    struct iovec v = {buf, len};

    return runner_wait(dev, submit(dev, c, &v, len ? 1 : 0));
}

static void run_good(struct tcmu_device *dev, const struct osd_cdb *c, void *buf, size_t len)
{
    assert_int_equal(run(dev, c, buf, len).status, SAM_GOOD);
}

static void create(struct tcmu_device *dev, uint64_t oid)
{
    struct osd_cdb c = command(OSD_OP_CREATE, oid);

    c.count = 1;
    run_good(dev, &c, NULL, 0);
}

static int open_device(void **state)
{
    struct osd_cdb c = command(OSD_OP_CREATE_PARTITION, 0);

    *state = runner_device(CFG, LBAS, "wwn-of-this-unit");
    assert_int_equal(runner_handler->open(*state, false), 0);
    run_good(*state, &c, NULL, 0);
    create(*state, OID);
    return 0;
}

static int close_device(void **state)
{
    runner_handler->close(*state);
    assert_int_equal(runner_submitted(*state), runner_completed(*state));
    runner_device_free(*state);
    return 0;
}

static struct osd_sense sense_of(const struct flight *f)
{
    struct osd_sense s;

    assert_int_equal(f->status, SAM_CHECK_CONDITION);
    assert_int_equal(f->sense[0], 0x72); /* descriptor format, always */
    assert_int_equal(osd_sense_decode(f->sense, sizeof(f->sense), &s), OSD_OK);
    return s;
}

static void write_object(struct tcmu_device *dev, uint64_t oid, uint64_t start, void *data,
                         size_t len)
{
    struct osd_cdb c = command(OSD_OP_WRITE, oid);

    c.start = start;
    c.length = len;
    run_good(dev, &c, data, len);
}

/* ---- Data-In, Data-Out ---- */

static void assert_filled(const uint8_t *p, size_t len, uint8_t value)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(p[i], value);
}

/* The data area still holds another command's data: not one byte of it may stay. */
static void test_tcmu_handler__short_answer_is_zero_filled_and_counted(void **state)
{
    static const uint8_t inquiry[6] = {0x12, 0, 0, 0x10, 0, 0};
    uint8_t a[10], b[50], c[4000];
    struct iovec v[3] = {{a, sizeof(a)}, {b, sizeof(b)}, {c, sizeof(c)}};

    memset(a, POISON, sizeof(a));
    memset(b, POISON, sizeof(b));
    memset(c, POISON, sizeof(c));
    struct flight f = runner_wait(*state, runner_submit(*state, inquiry, 6, v, 3));
    assert_int_equal(f.status, SAM_GOOD);
    assert_int_equal(f.uflags, RING_FLAG_READ_LEN);
    assert_int_equal(f.read_len, a[4] + 5u); /* as the INQUIRY data says itself */
    assert_int_equal(a[0], 0x11);
    assert_filled(c + f.read_len - 60, 4060 - f.read_len, 0);
}

/* In pieces of odd sizes what goes in comes out, and lands where it should. */
static void test_tcmu_handler__data_in_pieces(void **state)
{
    static uint8_t out[10000], in[10000];
    struct iovec vo[3] = {{out, 1}, {out + 1, 4098}, {out + 4099, 5901}};
    struct iovec vi[4] = {{in, 4097}, {in + 4097, 0}, {in + 4097, 3}, {in + 4100, 5900}};
    struct osd_cdb w = command(OSD_OP_WRITE, OID), r = command(OSD_OP_READ, OID);

    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + i / 256);
    w.length = r.length = sizeof(out);
    struct flight f = runner_wait(*state, submit(*state, &w, vo, 3));
    assert_int_equal(f.status, SAM_GOOD);
    assert_int_equal(f.uflags, 0); /* a read length on a write would spoil its residual */
    f = runner_wait(*state, submit(*state, &r, vi, 4));
    assert_int_equal(f.status, SAM_GOOD);
    assert_int_equal(f.read_len, sizeof(in));
    assert_memory_equal(in, out, sizeof(in));
}

/* READ past the end: the bytes that exist, the sense, and the residual, all in one answer. */
static void test_tcmu_handler__data_in_with_check_condition(void **state)
{
    struct osd_cdb r = command(OSD_OP_READ, OID);
    uint8_t in[4096], hello[] = "hello";
    struct flight f;

    write_object(*state, OID, 0, hello, 5);
    memset(in, POISON, sizeof(in));
    r.length = 512;
    f = run(*state, &r, in, sizeof(in));
    assert_int_equal(sense_of(&f).asc, ASC_READ_PAST_END);
    assert_int_equal(sense_of(&f).command_info, 5);
    assert_int_equal(f.uflags, RING_FLAG_READ_LEN);
    assert_int_equal(f.read_len, 512);
    assert_memory_equal(in, hello, 5);
    assert_filled(in + 5, sizeof(in) - 5, 0);
}

static void test_tcmu_handler__failed_read_shows_nothing(void **state)
{
    struct osd_cdb r = command(OSD_OP_READ, OID + 1);
    uint8_t in[512];
    struct flight f;

    memset(in, POISON, sizeof(in));
    r.length = sizeof(in);
    f = run(*state, &r, in, sizeof(in));
    assert_int_equal(sense_of(&f).asc, ASC_INVALID_FIELD_CDB);
    assert_filled(in, sizeof(in), 0);
}

/* Every operation code there is, with a buffer and without: always an answer, and only GOOD or
 * sense in descriptor format. */
static void test_tcmu_handler__any_operation_code_is_answered(void **state)
{
    uint8_t cdb[300], data[64];
    struct iovec v = {data, sizeof(data)};

    for (int op = 0; op < 256; op++) {
        memset(cdb, 0, sizeof(cdb));
        cdb[0] = (uint8_t)op;
        for (int with_data = 0; with_data < 2; with_data++) {
            struct flight f =
                runner_wait(*state, runner_submit(*state, cdb, sizeof(cdb), &v, with_data));
            if (f.status != SAM_GOOD)
                (void)sense_of(&f);
        }
    }
    cdb[0] = 0xc0;
    struct flight f = runner_wait(*state, runner_submit(*state, cdb, 10, NULL, 0));
    assert_int_equal(sense_of(&f).key, SENSE_ILLEGAL_REQUEST);
    assert_int_equal(sense_of(&f).asc, ASC_INVALID_OPCODE);
}

/* The CDB ends with its memory: a handler that reads on is caught by the sanitizer. */
static void test_tcmu_handler__cdb_lengths_of_7fh(void **state)
{
    uint8_t cdb[263] = {0x7f};

    for (unsigned add = 0; add < 256; add++) {
        cdb[7] = (uint8_t)add;
        struct flight f = runner_wait(*state, runner_submit(*state, cdb, 8 + add, NULL, 0));
        assert_int_equal(f.status, SAM_CHECK_CONDITION);
    }
}

/* ---- threads ---- */

static void ready_burst(struct runner_cmd *cmds, unsigned n)
{
    static const uint8_t ready[6];

    for (unsigned i = 0; i < n; i++)
        cmds[i] = (struct runner_cmd){.cdb = ready, .len = sizeof(ready)};
}

static void test_tcmu_handler__short_here_long_elsewhere(void **state)
{
    static uint8_t big[BIG];
    struct osd_cdb w = command(OSD_OP_WRITE, OID);
    struct flight f;

    w.length = 16;
    f = run(*state, &w, big, 16);
    assert_true(pthread_equal(f.completed_by, pthread_self()));
    w.length = BIG;
    w.fua = true;
    f = run(*state, &w, big, BIG);
    assert_int_equal(f.status, SAM_GOOD);
    assert_false(pthread_equal(f.completed_by, pthread_self()));
}

/* Whether this thread carried out a WRITE of 256 KiB that comes alone. */
static bool transfers_here(struct tcmu_device *dev, uint64_t oid)
{
    static uint8_t big[BIG];
    struct osd_cdb w = command(OSD_OP_WRITE, oid);
    struct flight f;

    w.length = BIG;
    f = run(dev, &w, big, BIG);
    assert_int_equal(f.status, SAM_GOOD);
    return pthread_equal(f.completed_by, pthread_self());
}

/* The same in a burst of n TEST UNIT READY, as the one with this index. */
static bool transfers_here_among(struct tcmu_device *dev, unsigned index, unsigned n)
{
    static uint8_t big[BIG], raw[OSD_CDB_MAX];
    struct osd_cdb w = command(OSD_OP_WRITE, OID);
    struct iovec v = {big, BIG};
    struct runner_cmd cmds[RUNNER_BURST];
    bool here = false;

    w.length = BIG;
    ready_burst(cmds, n);
    cmds[index] = (struct runner_cmd){.cdb = raw, .iov = &v, .n_iov = 1};
    assert_int_equal(osd_cdb_encode(&w, raw, &cmds[index].len), OSD_OK);
    runner_submit_burst(dev, cmds, n);
    for (unsigned i = 0; i < n; i++) {
        struct flight f = runner_wait(dev, cmds[i].number);
        assert_int_equal(f.status, SAM_GOOD);
        if (i == index)
            here = pthread_equal(f.completed_by, pthread_self());
    }
    return here;
}

/* A command that holds SLOW_PID; its number. It runs when this returns. */
static int submit_slow(struct tcmu_device *dev)
{
    struct osd_cdb slow = command(OSD_OP_REMOVE_PARTITION, 0);
    int number;

    sem_init(&slow_started, 0, 0);
    sem_init(&slow_go, 0, 0);
    slow.pid = SLOW_PID;
    slow.option = 1;
    number = submit(dev, &slow, NULL, 0);
    sem_wait(&slow_started);
    return number;
}

static void end_slow(struct tcmu_device *dev, int number)
{
    sem_post(&slow_go);
    runner_wait(dev, number);
    sem_destroy(&slow_go);
    sem_destroy(&slow_started);
}

/* Would catch: a worker woken for a transfer that nobody waits for; a transfer that keeps others
 * waiting. */
static void test_tcmu_handler__transfer_runs_here_when_it_is_alone(void **state)
{
    assert_true(transfers_here(*state, OID));
    assert_false(transfers_here_among(*state, 0, 2));
    assert_false(transfers_here_among(*state, 1, 2));
    int slow = submit_slow(*state);
    assert_false(transfers_here(*state, OID));
    end_slow(*state, slow);
}

/* Would catch: one who reads what is not in memory, and everybody else waits for the disk with him. */
static void test_tcmu_handler__slow_transfers_go_elsewhere(void **state)
{
    each_takes_ms = 2;
    assert_true(transfers_here(*state, OID));
    assert_true(transfers_here(*state, OID));
    each_takes_ms = 3;
    assert_true(transfers_here(*state, OID));
    each_takes_ms = 0;
    for (int i = 0; i < 16; i++)
        assert_false(transfers_here(*state, OID));
    assert_true(transfers_here(*state, OID));
}

/* Without memory for the hand-over the command runs where it arrived. */
static void test_tcmu_handler__long_without_memory(void **state)
{
    struct osd_cdb f = command(OSD_OP_FLUSH, OID);
    uint8_t raw[OSD_CDB_MAX];
    size_t len;
    int n;

    assert_int_equal(osd_cdb_encode(&f, raw, &len), OSD_OK);
    runner_raise_while_handling(&no_memory);
    n = runner_submit(*state, raw, len, NULL, 0);
    runner_raise_while_handling(NULL);
    struct flight got = runner_wait(*state, n);
    assert_true(pthread_equal(got.completed_by, pthread_self()));
}

/* While a slow command holds a partition, short ones to it wait in the pool, and everybody else
 * is served at once. */
static void test_tcmu_handler__slow_command_holds_up_nobody_else(void **state)
{
    static const uint8_t ready[6];
    struct osd_cdb c = command(OSD_OP_CREATE, 0);
    struct flight f;
    int slow = submit_slow(*state);

    c.count = 1;
    f = run(*state, &c, NULL, 0); /* another partition: here and now */
    assert_int_equal(f.status, SAM_GOOD);
    assert_true(pthread_equal(f.completed_by, pthread_self()));
    f = runner_wait(*state, runner_submit(*state, ready, 6, NULL, 0));
    assert_true(pthread_equal(f.completed_by, pthread_self()));
    c.pid = SLOW_PID; /* the same one: not in this thread */
    f = run(*state, &c, NULL, 0);
    assert_false(pthread_equal(f.completed_by, pthread_self()));
    end_slow(*state, slow);
    do { /* the slow one is over, soon nothing is left of it */
        f = run(*state, &c, NULL, 0);
    } while (!pthread_equal(f.completed_by, pthread_self()));
}

/* Commands that take minutes, and those that wait for them, leave workers for the others. */
static void test_tcmu_handler__heavy_commands_leave_workers(void **state)
{
    struct osd_cdb slow = command(OSD_OP_REMOVE_PARTITION, 0), c = command(OSD_OP_CREATE, 0);
    struct osd_cdb flush = command(OSD_OP_FLUSH, OID);
    int slow_numbers[6], waiting[6];

    sem_init(&slow_started, 0, 0);
    sem_init(&slow_go, 0, 0);
    slow.pid = c.pid = SLOW_PID;
    slow.option = 1;
    c.count = 1;
    for (int i = 0; i < 6; i++) { /* more than there are workers */
        slow_numbers[i] = submit(*state, &slow, NULL, 0);
        waiting[i] = submit(*state, &c, NULL, 0);
    }
    sem_wait(&slow_started);
    run_good(*state, &flush, NULL, 0);
    for (int i = 0; i < 6; i++)
        sem_post(&slow_go);
    for (int i = 0; i < 6; i++) {
        runner_wait(*state, slow_numbers[i]);
        runner_wait(*state, waiting[i]);
    }
    sem_destroy(&slow_go);
    sem_destroy(&slow_started);
}

/* One word to the kernel for up to eight short commands; none is left untold at the end. */
static void test_tcmu_handler__burst_is_announced_together(void **state)
{
    struct runner_cmd cmds[RUNNER_BURST];
    unsigned before = runner_kicks(*state);

    ready_burst(cmds, RUNNER_BURST);
    runner_submit_burst(*state, cmds, RUNNER_BURST);
    assert_int_equal(runner_kicks(*state) - before, 2); /* 8 and 2 */
    for (unsigned i = 0; i < RUNNER_BURST; i++)
        assert_int_equal(runner_wait(*state, cmds[i].number).status, SAM_GOOD);
}

/* What commands of a burst change may be written out once, but before any of them is completed. */
static void test_tcmu_handler__burst_is_published_before_it_is_completed(void **state)
{
    static const bool later[RUNNER_BURST] = {true, true, true,  true, true,
                                             true, true, false, true, false};
    struct osd_cdb c = command(OSD_OP_WRITE, OID);
    struct runner_cmd cmds[RUNNER_BURST];
    struct iovec v = {(uint8_t[]){"text"}, 4};
    uint8_t raw[OSD_CDB_MAX];
    size_t len;

    c.length = v.iov_len;
    assert_int_equal(osd_cdb_encode(&c, raw, &len), OSD_OK);
    for (unsigned i = 0; i < RUNNER_BURST; i++)
        cmds[i] = (struct runner_cmd){.cdb = raw, .len = len, .iov = &v, .n_iov = 1};
    memset(&watched, 0, sizeof(watched));
    watched.dev = *state;
    runner_submit_burst(*state, cmds, RUNNER_BURST);
    watched.dev = NULL;
    for (unsigned i = 0; i < RUNNER_BURST; i++)
        assert_int_equal(runner_wait(*state, cmds[i].number).status, SAM_GOOD);
    assert_int_equal(watched.n_executed, RUNNER_BURST);
    assert_memory_equal(watched.later, later, sizeof(later));
    assert_int_equal(watched.n_published, 2);
    assert_int_equal(watched.published[0], 8);
    assert_int_equal(watched.in_flight[0], RUNNER_BURST);
    assert_int_equal(watched.published[1], 2);
    assert_int_equal(watched.in_flight[1], 2);
    assert_int_equal(watched.n_early, 2);
    assert_int_equal(watched.early[0], 8);
    assert_int_equal(watched.early[1], 2);
}

/* One in the middle of a burst takes long: the ones in front of it are carried out before it may be in
 * their way, and all others are told before it ends. */
static void test_tcmu_handler__burst_does_not_wait_for_its_long_one(void **state)
{
    struct osd_cdb slow = command(OSD_OP_REMOVE_PARTITION, 0);
    struct runner_cmd cmds[4];
    uint8_t raw[OSD_CDB_MAX];

    sem_init(&slow_started, 0, 0);
    sem_init(&slow_go, 0, 0);
    slow.pid = SLOW_PID;
    slow.option = 1;
    ready_burst(cmds, 4);
    n_commands = 0;
    cmds[2] = (struct runner_cmd){.cdb = raw};
    assert_int_equal(osd_cdb_encode(&slow, raw, &cmds[2].len), OSD_OK);
    runner_submit_burst(*state, cmds, 4);
    sem_wait(&slow_started);
    for (unsigned i = 0; i < 4; i++)
        if (i != 2)
            assert_int_equal(runner_wait(*state, cmds[i].number).status, SAM_GOOD);
    sem_post(&slow_go);
    runner_wait(*state, cmds[2].number);
    sem_destroy(&slow_go);
    sem_destroy(&slow_started);
    assert_true(before_slow >= 2); /* the last one may have been faster */
}

/* A two-phase command of `length` bytes, with one tag for all; data: where its CDB may lie. */
static struct runner_cmd two_phase(uint16_t action, uint32_t length, uint8_t *raw,
                                   const struct iovec *data)
{
    struct osd_twophase t = {.action = action, .tag = {7}, .length = length};

    osd_twophase_encode(&t, raw);
    return (struct runner_cmd){
        .cdb = raw, .len = OSD_TWOPHASE_CDB_LEN, .iov = data, .n_iov = 1};
}

/* STAGE and COLLECT of a command in one burst; returns the thread that carried out the COLLECT. */
static pthread_t stage_and_collect(struct tcmu_device *dev, const struct osd_cdb *c)
{
    uint8_t raw[2][OSD_TWOPHASE_CDB_LEN], cdb[OSD_CDB_MAX], in[64];
    struct iovec out = {.iov_base = cdb}, home = {in, sizeof(in)};
    struct runner_cmd cmds[2];

    assert_int_equal(osd_cdb_encode(c, cdb, &out.iov_len), OSD_OK);
    cmds[0] = two_phase(OSD_ACT_STAGE, (uint32_t)out.iov_len, raw[0], &out);
    cmds[1] = two_phase(OSD_ACT_COLLECT, sizeof(in), raw[1], &home);
    memset(&watched, 0, sizeof(watched));
    watched.dev = dev;
    runner_submit_burst(dev, cmds, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(runner_wait(dev, cmds[i].number).status, SAM_GOOD);
    watched.dev = NULL;
    assert_int_equal(watched.n_executed, 2);
    return watched.by[1];
}

/* Would catch: a COLLECT that is weighed by what its tag named before the burst, and holds up all
 * others when it is a long one. */
static void test_tcmu_handler__burst_weighs_a_collect_by_the_stage_before_it(void **state)
{
    struct osd_cdb brief = command(OSD_OP_GET_ATTRIBUTES, OID),
                   heavy = command(OSD_OP_PUNCH, OID);

    assert_true(pthread_equal(stage_and_collect(*state, &brief), pthread_self()));
    assert_false(pthread_equal(stage_and_collect(*state, &heavy), pthread_self()));
}

#define MIXED 600

/* Short and long ones mixed, many at once, the ring wraps all the time: each is completed
 * exactly once (the stand-in aborts otherwise) and the data are right. */
static void test_tcmu_handler__many_in_flight(void **state)
{
    static uint8_t bufs[8][BIG], back[BIG];
    int numbers[8];

    for (uint64_t i = 0; i < 8; i++) {
        create(*state, OID + 1 + i);
        memset(bufs[i], (int)(i + 1), BIG);
    }
    for (int round = 0; round < MIXED / 8; round++) {
        for (uint64_t i = 0; i < 8; i++) {
            struct osd_cdb w = command(OSD_OP_WRITE, OID + 1 + i);
            size_t len = i % 2 ? BIG : 100;
            struct iovec v = {bufs[i], len};
            w.length = len;
            w.fua = i % 2; /* to the pool, though it is alone */
            numbers[i] = submit(*state, &w, &v, 1);
        }
        for (int i = 0; i < 8; i++)
            assert_int_equal(runner_wait(*state, numbers[i]).status, SAM_GOOD);
    }
    for (uint64_t i = 0; i < 8; i++) {
        struct osd_cdb r = command(OSD_OP_READ, OID + 1 + i);
        r.length = i % 2 ? BIG : 100;
        run_good(*state, &r, back, r.length);
        assert_memory_equal(back, bufs[i], r.length);
    }
}

struct submitter {
    struct tcmu_device *dev;
    struct osd_cdb cdb;
    struct iovec iov;
    uint8_t buf[BIG];
};

/* The address sanitizer does not see that cancellation ends this function's frame. */
static void *__attribute__((no_sanitize("address"))) submit_for_ever(void *arg)
{
    struct submitter *s = arg;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* as the stand-in needs it */
    for (;;) {
        runner_wait(s->dev, submit(s->dev, &s->cdb, &s->iov, 1));
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
        pthread_testcancel();
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    }
    return NULL;
}

/* SIGTERM: tcmu-runner cancels the command thread, then closes. What was handed over is
 * completed before close() returns. */
static void test_tcmu_handler__cancelled_thread_and_close(void **state)
{
    static struct submitter s;
    pthread_t thread;

    s.dev = *state;
    s.cdb = command(OSD_OP_WRITE, OID);
    s.cdb.length = BIG;
    s.cdb.fua = true;
    s.iov = (struct iovec){s.buf, BIG};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pthread_create(&thread, NULL, submit_for_ever, &s), 0);
        for (unsigned seen = runner_completed(*state); runner_completed(*state) < seen + 3;)
            sched_yield();
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    /* close_device() asserts that nothing is missing */
}

static void test_tcmu_handler__close_waits_for_the_pool(void **state)
{
    static uint8_t bufs[8][BIG];
    struct osd_cdb w = command(OSD_OP_WRITE, OID);
    struct tcmu_device *dev = runner_device(CFG, LBAS, NULL);
    struct osd_cdb p = command(OSD_OP_CREATE_PARTITION, 0);

    (void)state;
    assert_int_equal(runner_handler->open(dev, false), 0);
    run_good(dev, &p, NULL, 0);
    create(dev, OID);
    w.length = BIG;
    w.fua = true;
    for (int i = 0; i < 8; i++) {
        struct iovec v = {bufs[i], BIG};
        submit(dev, &w, &v, 1);
    }
    runner_handler->close(dev);
    assert_int_equal(runner_reap(dev), 0);
    assert_int_equal(runner_completed(dev), runner_submitted(dev));
    runner_device_free(dev);
}

/* ---- configuration ---- */

static void test_tcmu_handler__registration(void **state)
{
    (void)state;
    assert_string_equal(runner_handler->subtype, "osd");
    assert_int_equal(runner_handler->nr_threads, 0); /* the ring's tail is ours only then */
    for (int i = 0; i < 6; i++)
        assert_null(runner_handler->data_ops[i]);
    assert_non_null(strstr(runner_handler->cfg_desc, "security=nosec"));
}

static void test_tcmu_handler__check_config(void **state)
{
    char *reason = NULL;

    (void)state;
    assert_true(runner_handler->check_config("osd//x;security=nosec", &reason));
    assert_null(reason);
    assert_true(runner_handler->check_config("osd//x", &reason));
    assert_false(runner_handler->check_config("osd//x;security=none", &reason));
    assert_non_null(strstr(reason, "security=none"));
    free(reason);
}

/* Does not open, and says why with these words. */
static void open_and_fail(const char *cfg, const char *words)
{
    struct tcmu_device *dev = runner_device(cfg, LBAS, NULL);

    runner_last_error[0] = 0;
    assert_int_equal(runner_handler->open(dev, false), -1);
    if (!strstr(runner_last_error, words))
        fail_msg("no \"%s\" in \"%s\"", words, runner_last_error);
    runner_device_free(dev);
}

/* A restored configuration was not checked: open() refuses it, in words, in the log. */
static void test_tcmu_handler__open_checks_again(void **state)
{
    static const struct {
        const char *cfg, *words;
    } wrong[] = {
        {"osd//x;security=nosec;colour=blue", "unknown option \"colour\""},
        {"osd//proc/no/such/place;security=nosec", "/proc/no/such/place"},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++)
        open_and_fail(wrong[i].cfg, wrong[i].words);
}

/* ---- keys ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

#define DIR_ROOM 80

/* For stores: in memory where the other tests have theirs, since they are made and opened many times. */
static void make_dir(char dir[DIR_ROOM])
{
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, DIR_ROOM, "%s/handler-XXXXXX", tmp && strlen(tmp) < 60 ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
}

/* Opens; a request without credentials is refused at this byte, 0: carried out. */
static void open_and_try(const char *cfg, uint16_t field)
{
    struct tcmu_device *dev = runner_device(cfg, LBAS, NULL);
    struct osd_cdb c = command(OSD_OP_CREATE_PARTITION, 0);
    struct osd_sense s;

    c.pid = 0; /* a new one each time */
    assert_int_equal(runner_handler->open(dev, false), 0);
    struct flight f = runner_wait(dev, submit(dev, &c, NULL, 0));
    if (field) {
        assert_int_equal(f.status, SAM_CHECK_CONDITION);
        assert_int_equal(osd_sense_decode(f.sense, sizeof(f.sense), &s), OSD_OK);
        assert_int_equal(s.field, field);
    } else {
        assert_int_equal(f.status, SAM_GOOD);
    }
    runner_handler->close(dev);
    runner_device_free(dev);
}

/* A store that nobody said anything about asks for credentials, and its key lies where only root
 * finds it. The method is the store's: a configuration cannot take it back. */
static void test_tcmu_handler__stores_are_born_secure(void **state)
{
    char dir[DIR_ROOM], cfg[128], path[128];
    uint8_t key[OSD_MASTER_LEN];
    char why[256];
    struct stat s;

    (void)state;
    make_dir(dir);
    snprintf(cfg, sizeof(cfg), "osd/%s/store", dir);
    snprintf(path, sizeof(path), "%s/store/" OSD_OWN_KEY_FILE, dir);
    open_and_try(cfg, 80);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    assert_int_equal(osd_keyfile_read(path, key, why, sizeof(why)), OSD_OK);
    assert_int_equal(unlink(path), 0); /* fetched */
    open_and_try(cfg, 80);
    assert_int_equal(stat(path, &s), -1);
    snprintf(cfg, sizeof(cfg), "osd/%s/store;security=nosec", dir);
    open_and_try(cfg, 80);
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_tcmu_handler__nosec_has_no_key_file(void **state)
{
    char dir[DIR_ROOM], cfg[128], path[128];
    struct stat s;

    (void)state;
    make_dir(dir);
    snprintf(cfg, sizeof(cfg), "osd/%s/store;security=nosec", dir);
    snprintf(path, sizeof(path), "%s/store/" OSD_OWN_KEY_FILE, dir);
    open_and_try(cfg, 0);
    assert_int_equal(stat(path, &s), -1);
    open_and_try(cfg, 0); /* nor does it ask for one later */
    assert_int_equal(stat(path, &s), -1);
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Would catch: a store that was made for everybody, exported by somebody who asked for nothing of
 * the kind and believes that it is protected. */
static void test_tcmu_handler__a_weaker_store_is_refused_unless_it_is_asked_for(void **state)
{
    static const char *const methods[] = {"nosec", "capkey", "cmdrsp", "alldata"};
    char cfg[160], words[160], key[160], dir[DIR_ROOM];
    struct stat s;

    (void)state;
    make_dir(dir);
    for (int made = 0; made < 4; made++) {
        snprintf(cfg, sizeof(cfg), "osd/%s/%d;security=%s", dir, made, methods[made]);
        open_and_try(cfg, made ? 80 : 0);
        for (int asked = 0; asked < 4; asked++) {
            snprintf(cfg, sizeof(cfg), "osd/%s/%d;security=%s", dir, made, methods[asked]);
            snprintf(words, sizeof(words), "%s/%d was made with", dir, made);
            if (asked > made)
                open_and_fail(cfg, words);
            else
                open_and_try(cfg, made ? 80 : 0);
        }
    }
    snprintf(cfg, sizeof(cfg), "osd/%s/0", dir);
    open_and_fail(cfg, "say security=nosec");
    snprintf(key, sizeof(key), "%s/0/" OSD_OWN_KEY_FILE, dir);
    assert_int_equal(stat(key, &s), -1); /* and was not changed */
    snprintf(cfg, sizeof(cfg), "osd/%s/1", dir);
    open_and_fail(cfg, "say security=capkey");
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A key that others can read is no secret: the store is not opened with it. */
static void test_tcmu_handler__a_key_file_is_its_owners(void **state)
{
    char dir[DIR_ROOM], cfg[240], path[128];
    uint8_t key[OSD_MASTER_LEN];
    char why[256];

    (void)state;
    make_dir(dir);
    snprintf(path, sizeof(path), "%s/key", dir);
    snprintf(cfg, sizeof(cfg), "osd/%s/store;master_key_file=%s", dir, path);
    assert_int_equal(osd_keyfile_make(path, key, why, sizeof(why)), OSD_OK);
    assert_int_equal(chmod(path, 0640), 0);
    struct tcmu_device *dev = runner_device(cfg, LBAS, NULL);
    assert_int_equal(runner_handler->open(dev, false), -1);
    assert_non_null(strstr(runner_last_error, "chmod 600"));
    runner_device_free(dev);
    assert_int_equal(chmod(path, 0600), 0);
    open_and_try(cfg, 80);
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void expect_serial(struct tcmu_device *dev, const char *want, size_t len)
{
    static const uint8_t vpd80[6] = {0x12, 1, 0x80, 0, 255, 0};
    uint8_t in[255];
    struct iovec v = {in, sizeof(in)};
    struct flight f = runner_wait(dev, runner_submit(dev, vpd80, 6, &v, 1));

    assert_int_equal(f.status, SAM_GOOD);
    assert_int_equal(f.read_len, 4 + len);
    assert_memory_equal(in + 4, want, len);
}

static void test_tcmu_handler__serial_number_is_the_wwn(void **state)
{
    expect_serial(*state, "wwn-of-this-unit", 16);
}

/* targetcli sets the wwn after tcmu-runner opened the backstore; a unit that changed its name
 * at its next start would be a stranger to every initiator. */
static void test_tcmu_handler__wwn_set_after_open(void **state)
{
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789";
    struct tcmu_device *dev = runner_device(CFG, LBAS, "");

    (void)state;
    assert_int_equal(runner_handler->open(dev, false), 0);
    runner_set_wwn(dev, longest);
    expect_serial(dev, longest, 64);
    runner_handler->close(dev);
    runner_device_free(dev);
}

/* capacity= decides, without it the LUN's size does; FORMAT OSD may ask for no more. */
static void test_tcmu_handler__capacity(void **state)
{
    static const struct {
        const char *cfg;
        uint64_t want;
    } cases[] = {
        {CFG ";capacity=64m", 64 << 20},
        {CFG, 512ULL * LBAS},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tcmu_device *dev = runner_device(cases[i].cfg, LBAS, NULL);
        struct osd_cdb c = command(OSD_OP_FORMAT_OSD, 0);

        c.pid = 0;
        assert_int_equal(runner_handler->open(dev, false), 0);
        c.length = cases[i].want + 1;
        assert_int_equal(run(dev, &c, NULL, 0).status, SAM_CHECK_CONDITION);
        c.length = cases[i].want;
        run_good(dev, &c, NULL, 0);
        runner_handler->close(dev);
        runner_device_free(dev);
    }
}

int main(void)
{
#define on_device(f) cmocka_unit_test_setup_teardown(f, open_device, close_device)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcmu_handler__registration),
        cmocka_unit_test(test_tcmu_handler__check_config),
        cmocka_unit_test(test_tcmu_handler__open_checks_again),
        cmocka_unit_test(test_tcmu_handler__stores_are_born_secure),
        cmocka_unit_test(test_tcmu_handler__nosec_has_no_key_file),
        cmocka_unit_test(test_tcmu_handler__a_weaker_store_is_refused_unless_it_is_asked_for),
        cmocka_unit_test(test_tcmu_handler__a_key_file_is_its_owners),
        cmocka_unit_test(test_tcmu_handler__capacity),
        on_device(test_tcmu_handler__serial_number_is_the_wwn),
        cmocka_unit_test(test_tcmu_handler__wwn_set_after_open),
        on_device(test_tcmu_handler__short_answer_is_zero_filled_and_counted),
        on_device(test_tcmu_handler__data_in_pieces),
        on_device(test_tcmu_handler__data_in_with_check_condition),
        on_device(test_tcmu_handler__failed_read_shows_nothing),
        on_device(test_tcmu_handler__any_operation_code_is_answered),
        on_device(test_tcmu_handler__cdb_lengths_of_7fh),
        on_device(test_tcmu_handler__short_here_long_elsewhere),
        on_device(test_tcmu_handler__transfer_runs_here_when_it_is_alone),
        on_device(test_tcmu_handler__slow_transfers_go_elsewhere),
        on_device(test_tcmu_handler__long_without_memory),
        on_device(test_tcmu_handler__slow_command_holds_up_nobody_else),
        on_device(test_tcmu_handler__heavy_commands_leave_workers),
        on_device(test_tcmu_handler__burst_is_announced_together),
        on_device(test_tcmu_handler__burst_is_published_before_it_is_completed),
        on_device(test_tcmu_handler__burst_does_not_wait_for_its_long_one),
        on_device(test_tcmu_handler__burst_weighs_a_collect_by_the_stage_before_it),
        on_device(test_tcmu_handler__many_in_flight),
        on_device(test_tcmu_handler__cancelled_thread_and_close),
        cmocka_unit_test(test_tcmu_handler__close_waits_for_the_pool),
    };

    handler_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
