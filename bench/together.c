/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/together.c - see together.h
 *
 * A process waits for an operation in a pipe, carries its batch out and tells when it began and ended.
 * The barrier lies in memory that all of them share. They end with their parent.
 */
#include "together.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SETTLED 0xfffff0u /* of a work's ids, which no operation uses */

/** When somebody's batch was. */
struct turn {
    uint64_t from, to, cpu; /* ns; cpu: time of this thread */
    uint64_t all;           /* of all threads of the process; 0: not alone */
};

static cpu_set_t everywhere; /* where the process may run, before bench_pin() */

void bench_together_init(void)
{
    sched_getaffinity(0, sizeof(everywhere), &everywhere);
}

unsigned bench_cpus(void)
{
    return (unsigned)CPU_COUNT(&everywhere);
}

static uint64_t cpu_ns(clockid_t of)
{
    struct timespec t;

    clock_gettime(of, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What earlier batches left behind is in RocksDB, and the blocks they gave back are free. */
static void settle(const struct bench_work *w)
{
    struct bench_cmd flush;

    bench_settle(w->to, w->pid, w->first_oid + SETTLED);
    bench_cmd_make(&flush, OSD_OP_FLUSH_OSD, 0, 0, 0);
    bench_cmd_run(w->to, &flush);
}

/* alone: no other thread of this process has a batch. */
static struct turn one_batch(struct bench_work *w, const struct bench_op *op,
                             pthread_barrier_t *start, bool alone)
{
    struct turn t = {0};

    settle(w);
    w->turn++;
    op->prepare(w, op);
    pthread_barrier_wait(start);
    uint64_t before = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    t.cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    t.from = bench_now_ns();
    for (unsigned i = 0; i < op->batch; i++)
        op->step(w, op, i);
    t.to = bench_now_ns();
    t.cpu = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - t.cpu;
    t.all = alone ? cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - before : 0;
    pthread_barrier_wait(start);
    op->tidy(w, op);
    return t;
}

static struct bench_rate rate_of(const struct turn *t, unsigned n, const struct bench_op *op)
{
    uint64_t from = UINT64_MAX, to = 0, cpu = 0;
    double commands = (double)n * op->batch;

    for (unsigned i = 0; i < n; i++) {
        from = t[i].from < from ? t[i].from : from;
        to = t[i].to > to ? t[i].to : to;
        cpu += t[i].cpu;
    }
    return (struct bench_rate){1e6 * commands / (double)(to - from),
                               (double)cpu / 1e3 / commands, (double)t[0].all / 1e3 / commands};
}

/* ---- threads ---- */

struct runner {
    pthread_t thread;
    pthread_barrier_t *start;
    struct bench_work *work;
    const struct bench_op *op;
    bool alone;
    struct turn turn;
};

static void *run_batch(void *arg)
{
    struct runner *r = arg;

    sched_setaffinity(0, sizeof(everywhere), &everywhere);
    r->turn = one_batch(r->work, r->op, r->start, r->alone);
    return NULL;
}

struct bench_rate bench_by_threads(struct bench_work *works, const struct bench_op *op,
                                   unsigned n)
{
    struct runner r[BENCH_MAX_THREADS];
    struct turn t[BENCH_MAX_THREADS];
    pthread_barrier_t start;

    pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        r[i] = (struct runner){.start = &start, .work = &works[i], .op = op, .alone = n == 1};
        if (pthread_create(&r[i].thread, NULL, run_batch, &r[i]))
            bench_die("no thread");
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(r[i].thread, NULL);
        t[i] = r[i].turn;
    }
    pthread_barrier_destroy(&start);
    return rate_of(t, n, op);
}

/* ---- processes ---- */

struct process {
    pid_t pid;
    int ask, told; /* pipes to it and from it */
};

struct bench_processes {
    pthread_barrier_t *start; /* shared */
    struct process of[BENCH_PROCESSES];
};

static noreturn void serve(const struct bench_processes *p, int asked, int tell,
                           const char *kind, const char *dir)
{
    char store[4200];
    struct bench_work w;
    struct bench_op op;

    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mkdir(dir, 0700) != 0)
        bench_die("%s: %m", dir);
    snprintf(store, sizeof(store), "%s/store", dir);
    struct osd_device *dev = bench_unit_open(kind, store);
    struct bench_target to = bench_unit_target(dev);
    bench_furnish(&to, 0);
    bench_work_init(&w, &to, dir, 0, BENCH_PID, 0);
    while (read(asked, &op, sizeof(op)) == sizeof(op)) {
        struct turn t = one_batch(&w, &op, p->start, false);
        if (write(tell, &t, sizeof(t)) != sizeof(t))
            bench_die("a batch cannot be told: %m");
    }
    bench_work_end(&w);
    osd_device_close(dev);
    exit(0);
}

/* One that ends by itself has failed; the others may be waiting for it. */
static void one_has_ended(int sig)
{
    (void)sig;
    _exit(1);
}

static void process_start(struct bench_processes *p, unsigned i, const char *kind,
                          const char *dir)
{
    struct process *c = &p->of[i];
    char own[4096];
    int to[2], from[2];

    snprintf(own, sizeof(own), "%s/process-%u", dir, i);
    if (pipe(to) != 0 || pipe(from) != 0)
        bench_die("no pipe: %m");
    c->ask = to[1];
    c->told = from[0];
    c->pid = fork();
    if (c->pid < 0)
        bench_die("no process: %m");
    if (c->pid == 0) {
        for (unsigned k = 0; k <= i; k++) {
            close(p->of[k].ask); /* else nobody's pipe ends before ours does */
            close(p->of[k].told);
        }
        serve(p, to[0], from[1], kind, own);
    }
    close(to[0]);
    close(from[1]);
}

struct bench_processes *bench_processes_start(const char *kind, const char *dir)
{
    struct bench_processes *p = calloc(1, sizeof(*p));

    if (!p)
        bench_die("out of memory");
    p->start = mmap(NULL, sizeof(*p->start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);
    if (p->start == MAP_FAILED)
        bench_die("out of memory");
    fflush(stdout); /* what is in its buffer is not theirs */
    signal(SIGCHLD, one_has_ended);
    for (unsigned i = 0; i < BENCH_PROCESSES; i++)
        process_start(p, i, kind, dir);
    return p;
}

struct bench_rate bench_by_processes(struct bench_processes *p, const struct bench_op *op,
                                     unsigned n)
{
    struct turn t[BENCH_PROCESSES];
    pthread_barrierattr_t attr;

    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(p->start, &attr, n);
    pthread_barrierattr_destroy(&attr);
    for (unsigned i = 0; i < n; i++)
        if (write(p->of[i].ask, op, sizeof(*op)) != sizeof(*op))
            bench_die("a process cannot be asked: %m");
    for (unsigned i = 0; i < n; i++)
        if (read(p->of[i].told, &t[i], sizeof(t[i])) != sizeof(t[i]))
            bench_die("a process does not answer: %m");
    pthread_barrier_destroy(p->start);
    return rate_of(t, n, op);
}

void bench_processes_end(struct bench_processes *p)
{
    if (!p)
        return;
    signal(SIGCHLD, SIG_DFL);
    for (unsigned i = 0; i < BENCH_PROCESSES; i++) {
        close(p->of[i].ask);
        waitpid(p->of[i].pid, NULL, 0);
        close(p->of[i].told);
    }
    munmap(p->start, sizeof(*p->start));
    free(p);
}
