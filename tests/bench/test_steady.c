/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/test_steady.c - what a command on the data path does besides its work, when
 * everything it needs is there: memory asked for, questions for the time, bytes moved, locks taken
 *
 * On the RocksDB store, with the handler's clock. The calls are counted where our code makes them
 * (the linker wraps them), and malloc() wherever the thread makes it. A copy that our code makes by
 * itself, in a loop, is not seen. Where that is the interpreter, check-budget tells, but it counts on the store in
 * memory. Here it would need memory of its own at least, which is not asked for.
 */
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "ops.h"

#define WARM 8000u       /* commands ... */
#define FEW  (512 * MIB) /* ... but no more than move this many bytes */
#define DATA 4096u
#define MOST 8192u /* different locks of one command */

/* ---- what this thread does ---- */

struct seen {
    bool on;
    uint64_t allocations, clocks, moved;
    const void *lock[MOST];
    unsigned taken[MOST]; /* how often */
    unsigned locks;
};

static _Thread_local struct seen seen;

static void watch(bool on)
{
    memset(&seen, 0, sizeof(seen));
    seen.on = on;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    seen.allocations += seen.on;
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
    seen.allocations += seen.on;
    return __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size)
{
    seen.allocations += seen.on;
    return __libc_realloc(p, size);
}

/* Counts calls of a function in a member of seen. */
#define CALLS(member, type, name, params, args)                                                \
    type __real_##name params;                                                                 \
    type __wrap_##name params;                                                                 \
    type __wrap_##name params                                                                  \
    {                                                                                          \
        seen.member += seen.on;                                                                \
        return __real_##name args;                                                             \
    }

CALLS(allocations, void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
CALLS(allocations, int, posix_memalign, (void **to, size_t alignment, size_t size),
      (to, alignment, size))
CALLS(allocations, void *, mmap64,
      (void *at, size_t len, int prot, int flags, int fd, off_t offset),
      (at, len, prot, flags, fd, offset))
CALLS(clocks, int, clock_gettime, (clockid_t id, struct timespec *ts), (id, ts))
CALLS(clocks, int, gettimeofday, (struct timeval * tv, void *zone), (tv, zone))
CALLS(clocks, int, timespec_get, (struct timespec * ts, int base), (ts, base))
CALLS(clocks, time_t, time, (time_t * t), (t))

#define MOVES(type, name, params, args, bytes)                                                 \
    type __real_##name params;                                                                 \
    type __wrap_##name params;                                                                 \
    type __wrap_##name params                                                                  \
    {                                                                                          \
        if (seen.on)                                                                           \
            seen.moved += (bytes);                                                             \
        return __real_##name args;                                                             \
    }

static size_t total(const struct iovec *v, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++)
        len += v[i].iov_len;
    return len;
}

MOVES(void *, memcpy, (void *to, const void *from, size_t len), (to, from, len), len)
MOVES(void *, memmove, (void *to, const void *from, size_t len), (to, from, len), len)
MOVES(ssize_t, pread64, (int fd, void *to, size_t len, off_t at), (fd, to, len, at), len)
MOVES(ssize_t, pwrite64, (int fd, const void *from, size_t len, off_t at), (fd, from, len, at),
      len)
MOVES(ssize_t, preadv64, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at),
      total(v, n))
MOVES(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at),
      total(v, n))

#define LOCKS(name, type)                                                                      \
    int __real_##name(type *lock);                                                             \
    int __wrap_##name(type *lock);                                                             \
    int __wrap_##name(type *lock)                                                              \
    {                                                                                          \
        int r = __real_##name(lock);                                                           \
        if (seen.on && r == 0)                                                                 \
            note_lock((const void *)(uintptr_t)lock);                                          \
        return r;                                                                              \
    }

static void note_lock(const void *lock)
{
    unsigned i = 0;

    while (i < seen.locks && seen.lock[i] != lock)
        i++;
    assert_true(i < MOST);
    seen.lock[i] = lock;
    seen.taken[i]++;
    seen.locks += i == seen.locks;
}

LOCKS(pthread_mutex_lock, pthread_mutex_t)
LOCKS(pthread_mutex_trylock, pthread_mutex_t)
LOCKS(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCKS(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCKS(pthread_rwlock_tryrdlock, pthread_rwlock_t)
LOCKS(pthread_rwlock_trywrlock, pthread_rwlock_t)
LOCKS(pthread_spin_lock, pthread_spinlock_t)

/* ---- the handler's clock, which can be stopped ---- */

static uint64_t stopped; /* where; 0: it runs */

static uint64_t handler_now_ms(void *arg)
{
    return stopped ? stopped : osd_clock_now(&osd_clock_frequent);
}

static const struct osd_clock handler_clock = {.now_ms = handler_now_ms};

/* ---- operations of the bench ---- */

struct rig {
    struct osd_device *dev;
    struct bench_target to;
    struct bench_work work;
    char dir[96];
};

/* As the handler opens it. */
static int open_unit(void **state)
{
    static struct rig rig;
    const char *tmp = getenv("TMPDIR");
    struct store_config cfg = {.path = rig.dir, .create = true, .clock = &handler_clock};
    struct osd_device_config dc = {.clock = &handler_clock};

    snprintf(rig.dir, sizeof(rig.dir), "%s/steady-XXXXXX",
             tmp && strlen(tmp) < 64 ? tmp : "/tmp");
    assert_non_null(mkdtemp(rig.dir));
    assert_int_equal(store_rocksdb_open(&cfg, &dc.store, NULL, 0), OSD_OK);
    assert_int_equal(osd_device_open(&dc, &rig.dev), OSD_OK);
    rig.to = bench_unit_target(rig.dev);
    bench_furnish(&rig.to, 0);
    bench_work_init(&rig.work, &rig.to, rig.dir, 0, BENCH_PID, 0);
    *state = &rig;
    return 0;
}

static int close_unit(void **state)
{
    struct rig *rig = *state;

    bench_work_end(&rig->work);
    osd_device_close(rig->dev);
    bench_remove_tree(rig->dir);
    return 0;
}

/* What the steps of a batch did, when batches before it have put everything in place. */
static struct seen steps_of(struct bench_work *w, const char *name, unsigned *ret_n)
{
    const struct bench_op *op = bench_op_find(name);

    for (unsigned warm = 0; warm < WARM && (warm + 1) * op->size < FEW; warm += op->batch)
        bench_batch(w, op);
    w->turn++;
    op->prepare(w, op);
    watch(true);
    for (unsigned i = 0; i < op->batch; i++)
        op->step(w, op, i);
    struct seen s = seen;
    watch(false);
    op->tidy(w, op);
    *ret_n = op->batch;
    return s;
}

/* Once in many commands what grows with the work may grow. New data is not a steady state: what is kept of
 * an object becomes longer with its map. */
#define SELDOM 50u

static void test_bench_steady__the_data_path_asks_for_no_memory(void **state)
{
    static const struct {
        const char *name;
        unsigned most; /* pieces for a command */
    } cases[] = {{"read_4k", 0}, {"read_64k", 0}, {"read_1m", 0},   {"get_1", 0},
                 {"get_10", 0},  {"get_page", 0}, {"list_root", 0}, {"set_1", 0},
                 {"set_10", 0},  {"write_4k", 0}, {"append_64", 0}, {"write_64k", 2}};
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned n;
        struct seen s = steps_of(&rig->work, cases[i].name, &n);
        print_message("%-10s %.3f\n", cases[i].name, (double)s.allocations / n);
        assert_true(s.allocations <= (uint64_t)cases[i].most * n + n / SELDOM);
    }
}

/* A thread asks a clock again when the processor's counter has gone on by this much. */
#define KEPT_CYCLES (1u << 20)
#define CLOCKS      2u
#define PER_MAPPING                                                                            \
    8u /* reads of fresh blocks for each question of store/mapped.c: 2 when a window comes in */

static void test_bench_steady__the_time_is_not_asked_for_by_each_command(void **state)
{
#if defined(__x86_64__)
    static const char *const names[] = {"read_4k", "get_1", "set_1", "write_4k", "append_64"};
    struct rig *rig = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unsigned n;
        uint64_t from =
            __builtin_ia32_rdtsc(); /* earlier than the steps, so more than they take */
        struct seen s = steps_of(&rig->work, names[i], &n);
        uint64_t cycles = __builtin_ia32_rdtsc() - from;
        print_message("%-10s %.4f\n", names[i], (double)s.clocks / n);
        assert_true(s.clocks <= CLOCKS * (cycles / KEPT_CYCLES + 1) + n / PER_MAPPING);
    }
#else
    (void)state;
    skip(); /* every question goes to the clock */
#endif
}

/* Copies by the library and by the kernel together. A second copy would make it twice the size. */
static void expect_moved_once(struct rig *rig)
{
    static const char *const names[] = {"read_64k", "write_64k", "read_1m", "write_1m",
                                        "read_1m_scattered"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t size = bench_op_find(names[i])->size;
        unsigned n;
        struct seen s = steps_of(&rig->work, names[i], &n);
        uint64_t each = s.moved / n;
        size = size ? size : BENCH_BUF;
        print_message("%-18s %llu\n", names[i], (unsigned long long)each);
        assert_in_range(each, size, size + size / 4);
    }
}

static void test_bench_steady__bytes_are_moved_once(void **state)
{
    expect_moved_once(*state);
}

#define RING_PAGE 4096u

/* As the handler asks: one buffer for both directions, of pages that lie apart on the ring. */
static uint64_t run_on_ring(void *arg, const struct bench_cmd *c)
{
    static uint8_t ring[2 * BENCH_BUF];
    static struct iovec v[BENCH_BUF / RING_PAGE];
    size_t len = c->out.iov_len > c->in.iov_len ? c->out.iov_len : c->in.iov_len;
    int n = (int)((len + RING_PAGE - 1) / RING_PAGE);

    for (int i = 0; i < n; i++)
        v[i] = (struct iovec){ring + sizeof(ring) - (size_t)(i + 1) * 2 * RING_PAGE, RING_PAGE};
    if (n > 0)
        v[n - 1].iov_len = len - (size_t)(n - 1) * RING_PAGE;
    struct osd_iov buffer = osd_iov_make(v, n);
    struct osd_request req = {.cdb = c->cdb,
                              .cdb_len = c->cdb_len,
                              .out = buffer,
                              .in = buffer,
                              .shared_buffer = true};
    struct osd_response r;

    osd_device_execute(arg, &req, &r);
    if (r.status != 0)
        bench_refused(c, r.status, r.sense, r.sense_len);
    return r.in_len;
}

/* Would catch: a copy into one piece, of what lies in many. */
static void test_bench_steady__bytes_in_pages_of_the_ring_are_moved_once(void **state)
{
    struct rig *rig = *state;
    const struct bench_target ring = {.run = run_on_ring, .arg = rig->dev};

    rig->work.to = &ring;
    expect_moved_once(rig);
    rig->work.to = &rig->to;
}

/* ---- locks ---- */

#define TRIES    8u /* objects: those of two may share a lock by chance, of all eight not */
#define COMMANDS 512u
#define NEW_DATA 65536u
#define CREATED  0x800000u /* of a work's ids: those that workers create begin here */

enum what { GET, READ, SET, WRITE, CREATE, GROW, KINDS };

/* What is ahead of RocksDB has sixteen tables with a lock each. Who makes keys comes to any of them: to each one
 * rarely. Longer runs of free blocks are where all find them. */
static const struct {
    const char *name;
    enum osd_op op;
    uint64_t size;
    unsigned rarely; /* a lock that is taken once in more commands is not in the way */
    unsigned most;   /* others that commands on different objects share */
} kinds[KINDS] = {
    [GET] = {"GET", OSD_OP_GET_ATTRIBUTES, 0, 32, 0},
    [READ] = {"READ", OSD_OP_READ, DATA, 32, 0},
    [SET] = {"SET", OSD_OP_SET_ATTRIBUTES, 0, 32, 0},
    [WRITE] = {"WRITE", OSD_OP_WRITE, DATA, 32, 0},
    [CREATE] = {"CREATE", OSD_OP_CREATE, 0, 2, 0},
    [GROW] = {"WRITE, new data", OSD_OP_WRITE, NEW_DATA, 2, 1},
};

/* A thread that works on one object. */
struct worker {
    pthread_t thread;
    struct rig *rig;
    struct bench_work *work;
    enum what kind;
    uint64_t oid;
    struct seen seen;
};

static void make_command(struct worker *me)
{
    struct bench_work *w = me->work;
    struct bench_cmd *c = &w->cmd;
    uint64_t size = kinds[me->kind].size;

    bench_cmd_make(c, kinds[me->kind].op, BENCH_PID, me->oid, size);
    if (me->kind == GET)
        bench_cmd_gets_page(c, OSD_PAGE_U + OSD_PG_TIMESTAMPS, w->in, sizeof(w->in));
    else if (me->kind == SET)
        bench_cmd_sets(c, w->list, sizeof(w->list), 1, w->buf, 16);
    else if (size)
        *(me->kind == READ ? &c->in : &c->out) = (struct iovec){w->buf, size};
}

static void run_commands(struct worker *me, unsigned from)
{
    struct bench_cmd *c = &me->work->cmd;
    uint64_t made =
        me->work->first_oid + CREATED + (me->oid - me->rig->work.first_oid) * 2 * COMMANDS;

    for (unsigned i = from; i < from + COMMANDS; i++) {
        if (me->kind == CREATE)
            bench_cmd_oid(c, made + i);
        if (me->kind == GROW)
            bench_cmd_start(c, (1 + i) * (uint64_t)NEW_DATA);
        bench_cmd_run(&me->rig->to, c);
    }
}

static void *run_worker(void *arg)
{
    enum what kind = ((struct worker *)arg)->kind;
    struct worker *me = arg;

    me->kind = WRITE; /* so that there is something to read */
    make_command(me);
    bench_cmd_run(&me->rig->to, &me->work->cmd);
    me->kind = kind;
    make_command(me);
    run_commands(me, 0);
    watch(true);
    run_commands(me, COMMANDS);
    me->seen = seen;
    watch(false);
    return NULL;
}

static unsigned in_both(const struct seen *a, const struct seen *b, unsigned rarely)
{
    unsigned n = 0;

    for (unsigned i = 0; i < a->locks; i++)
        for (unsigned k = 0; k < b->locks; k++)
            n += a->lock[i] == b->lock[k] && a->taken[i] >= COMMANDS / rarely &&
                 b->taken[k] >= COMMANDS / rarely;
    return n;
}

/* The locks that commands of one kind on two objects share, one after the other in two threads. */
static unsigned shared_locks(struct rig *rig, struct bench_work *other, enum what kind)
{
    static struct worker a, b;
    unsigned least = UINT32_MAX;

    a = (struct worker){
        .rig = rig, .work = &rig->work, .kind = kind, .oid = rig->work.first_oid};
    run_worker(&a);
    for (unsigned i = 1; i <= TRIES; i++) {
        b = (struct worker){
            .rig = rig, .work = other, .kind = kind, .oid = rig->work.first_oid + i};
        assert_int_equal(pthread_create(&b.thread, NULL, run_worker, &b), 0);
        assert_int_equal(pthread_join(b.thread, NULL), 0);
        unsigned n = in_both(&a.seen, &b.seen, kinds[kind].rarely);
        least = n < least ? n : least;
    }
    assert_true(a.seen.locks > 0);
    return least;
}

/* WRITE has free blocks at hand, and what it retires; where all find them it comes once in many commands
 * (docs/performance.md). Would catch, too: a lock around the counters of a partition, or around all ids that are
 * being created. */
static void test_bench_steady__commands_on_different_objects_share_no_lock(void **state)
{
    struct rig *rig = *state;
    struct bench_work other;

    bench_work_init(&other, &rig->to, rig->dir, 1, BENCH_PID, 0);
    stopped = osd_clock_now(
        &handler_clock); /* once in a millisecond a partition's time of access is changed */
    for (enum what kind = GET; kind < KINDS; kind++) {
        unsigned n = shared_locks(rig, &other, kind);
        print_message("%-16s %u\n", kinds[kind].name, n);
        assert_in_range(n, 0, kinds[kind].most);
    }
    stopped = 0;
    bench_work_end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bench_steady__the_data_path_asks_for_no_memory),
        cmocka_unit_test(test_bench_steady__the_time_is_not_asked_for_by_each_command),
        cmocka_unit_test(test_bench_steady__bytes_are_moved_once),
        cmocka_unit_test(test_bench_steady__bytes_in_pages_of_the_ring_are_moved_once),
        cmocka_unit_test(test_bench_steady__commands_on_different_objects_share_no_lock),
    };

    return cmocka_run_group_tests(tests, open_unit, close_unit);
}
