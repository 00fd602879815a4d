/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/inproc.c - time per command in process: interpreter and store, no transport
 *
 * Rounds: in each of them every operation runs one batch, peers right beside what they are
 * compared with, so noise of the machine meets both. A figure is the median of the rounds,
 * shown with the smallest and the largest; a ratio is the median of the rounds' own ratios.
 * The first round warms up and is not counted. The measuring thread is pinned to one CPU; the
 * store's background threads are not, nor are several threads or processes that are measured
 * together (together.h).
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "figures.h"
#include "ops.h"
#include "options.h"
#include "together.h"

struct ratio {
    const char *name, *a, *b; /* speed of a / speed of b */
    double target;
};

static const struct ratio ratios[] = {
    {"WRITE 1 MiB new data / pwrite, new file", "write_1m", "peer_write_1m", 0.80},
    {"WRITE 1 MiB new data / pwrite, pages already there", "write_1m", "peer_rewrite_1m", 0},
    {"READ 1 MiB / pread", "read_1m", "peer_read_1m", 0.85},
    {"READ 1 MiB / pread and CRC32C", "read_1m", "peer_checked_1m", 0},
    {"pread and CRC32C / pread, 1 MiB", "peer_checked_1m", "peer_read_1m", 0},
    {"WRITE 64 KiB new data / pwrite", "write_64k", "peer_write_64k", 0},
    {"READ 64 KiB / pread", "read_64k", "peer_read_64k", 0},
    {"READ 64 KiB / pread and CRC32C", "read_64k", "peer_checked_64k", 0},
    {"pread and CRC32C / pread, 64 KiB", "peer_checked_64k", "peer_read_64k", 0},
    {"WRITE 4 KiB overwrite / pwrite", "write_4k", "peer_overwrite_4k", 0},
    {"WRITE 4 KiB overwrite / pwrite, CRC32C, record", "write_4k", "peer_logged_4k", 0},
    {"READ 4 KiB / pread", "read_4k", "peer_read_4k", 0},
    {"CREATE / file per object", "create", "peer_create", 0},
};

/* Speed of four threads on objects of their own over that of one. Batches are several times as long as
 * otherwise where a command takes so little that the threads' beginning and end would count. New data goes to
 * other blocks with each batch: the rounds that do not count go on until all of them were written to once. */
static const struct {
    const char *op;
    double target;
    unsigned times, warm; /* warm: rounds that do not count */
} scaled[] = {
    {"create", 2.5, 1, 1},         {"set_1", 2.5, 8, 1},          {"get_1", 2.5, 8, 1},
    {"read_4k", 2.5, 8, 1},        {"write_4k", 2.5, 4, 1},       {"write_64k", 2.0, 2, 6},
    {"peer_rocksdb_put", 0, 1, 1}, {"peer_rocksdb_get", 0, 4, 1}, {"peer_read_4k", 0, 8, 1},
    {"peer_write_64k", 0, 2, 1},   {"peer_compute", 0, 8, 1}};
static const unsigned threads[] = {1, 4, 2, 8, 16}; /* 4 right after 1 */
#define N_THREADS (sizeof(threads) / sizeof(threads[0]))
#define MORE      3u /* times the rounds of other figures: these scatter more */

struct options {
    const char *store, *dir, *json, *only;
    unsigned rounds, batch; /* batch: most steps */
    uint64_t objects;
    int cpu;
    bool threads, floor;
};

/* ---- one thread ---- */

static bool wanted(const struct options *o, const struct bench_op *op)
{
    return (!o->only || strcmp(o->only, op->name) == 0) &&
           (o->objects || !bench_op_needs_many(op));
}

static struct bench_op limited(const struct options *o, const struct bench_op *op)
{
    struct bench_op r = *op;

    r.batch = r.batch < o->batch ? r.batch : o->batch;
    return r;
}

static const struct bench_series *series_of(const struct bench_series *all, const char *name)
{
    return &all[bench_op_find(name) - bench_ops];
}

static void measure_ops(const struct options *o, struct bench_work *w,
                        const struct bench_op *ops, unsigned n, struct bench_series *all)
{
    for (unsigned round = 0; round <= o->rounds; round++)
        for (unsigned i = 0; i < n; i++) {
            if (!wanted(o, &ops[i]))
                continue;
            struct bench_op op = limited(o, &ops[i]);
            double us = (double)bench_batch(w, &op) / 1000.0 / op.batch;
            if (round > 0)
                bench_series_add(&all[i], us);
        }
}

static void report_ops(const struct bench_op *ops, unsigned n, const struct bench_series *all,
                       json_t *list)
{
    bench_report_head("us per command");
    for (unsigned i = 0; i < n; i++)
        if (all[i].n > 0)
            bench_report(list, ops[i].name, ops[i].what, "us", &all[i], ops[i].target_us, true);
}

/* System calls of a store over LIO. */
static void measure_floor(const struct options *o, struct bench_work *w, json_t *list)
{
    struct bench_series *all = calloc(bench_n_floor_ops, sizeof(*all));

    if (!all)
        bench_die("out of memory");
    measure_ops(o, w, bench_floor_ops, bench_n_floor_ops, all);
    report_ops(bench_floor_ops, bench_n_floor_ops, all, list);
    free(all);
}

static void report_ratios(const struct bench_series *all, json_t *list)
{
    bench_report_head("speed / speed of the peer");
    for (unsigned i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++) {
        struct bench_series r =
            bench_series_ratio(series_of(all, ratios[i].b), series_of(all, ratios[i].a));
        if (r.n > 0)
            bench_report(list, ratios[i].a, ratios[i].name, "ratio", &r, ratios[i].target,
                         false);
    }
}

/* ---- several at once ---- */

/** What is measured of several, round by round. */
struct together {
    struct bench_series speed[N_THREADS], cpu[N_THREADS]; /* threads of one store */
    struct bench_series one, four;                        /* speed of processes */
    struct bench_series most; /* how many times one thread's speed the CPUs have time for */
};

static void report_together(const struct bench_op *op, const struct together *t, double target,
                            json_t *list)
{
    struct bench_series four = bench_series_ratio(&t->speed[1], &t->speed[0]);
    struct bench_series cost = bench_series_ratio(&t->cpu[1], &t->cpu[0]);
    struct bench_series apart = bench_series_ratio(&t->four, &t->one);
    char what[128];

    for (size_t k = 0; k < N_THREADS; k++) {
        snprintf(what, sizeof(what), "%s, %u threads, thousand/s", op->what, threads[k]);
        bench_report(list, op->name, what, "k/s", &t->speed[k], 0, false);
        bench_report_tag(list, "threads", threads[k]);
    }
    snprintf(what, sizeof(what), "%s, 4 threads / 1", op->what);
    bench_report(list, op->name, what, "ratio", &four, target, false);
    snprintf(what, sizeof(what), "%s, 4 processes / 1", op->what);
    bench_report(list, op->name, what, "apart", &apart, 0, false);
    snprintf(what, sizeof(what), "%s, CPU time of one, 4 threads / 1", op->what);
    bench_report(list, op->name, what, "cpu", &cost, 0, true);
    snprintf(what, sizeof(what), "%s, CPUs / CPU time of one, all threads", op->what);
    bench_report(list, op->name, what, "most", &t->most, 0, false);
}

static void one_round(struct together *t, struct bench_work *works, struct bench_processes *p,
                      const struct bench_op *op)
{
    for (size_t k = 0; k < N_THREADS; k++) {
        struct bench_rate r = bench_by_threads(works, op, threads[k]);
        bench_series_add(&t->speed[k], r.speed);
        bench_series_add(&t->cpu[k], r.cpu);
        if (threads[k] == 1)
            bench_series_add(&t->most, 1000.0 * bench_cpus() / r.all / r.speed);
        if (threads[k] != BENCH_PROCESSES)
            continue;
        bench_series_add(&t->one, bench_by_processes(p, op, 1).speed);
        bench_series_add(&t->four, bench_by_processes(p, op, BENCH_PROCESSES).speed);
    }
}

static void measure_together(const struct options *o, struct bench_work *works,
                             struct bench_processes *p, json_t *list)
{
    bench_report_head("threads");
    for (unsigned i = 0; i < sizeof(scaled) / sizeof(scaled[0]); i++) {
        struct bench_op op = limited(o, bench_op_find(scaled[i].op));
        struct together t = {0};
        op.batch *= scaled[i].times;
        if (o->only && strcmp(o->only, op.name) != 0)
            continue;
        for (unsigned round = 0; round < scaled[i].warm + MORE * o->rounds; round++) {
            if (round == scaled[i].warm)
                t = (struct together){0};
            one_round(&t, works, p, &op);
        }
        report_together(&op, &t, scaled[i].target, list);
    }
}

/* ---- the program ---- */

static void describe(json_t *root, const struct options *o)
{
    bench_describe(root);
    printf("store %s in %s, %llu objects in the large partition\n\n", o->store, o->dir,
           (unsigned long long)o->objects);
    json_object_set_new(root, "store", json_string(o->store));
    json_object_set_new(root, "dir", json_string(o->dir));
    json_object_set_new(root, "objects", json_integer((json_int_t)o->objects));
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.store = "rocksdb",
                        .dir = "/dev/shm",
                        .rounds = 7,
                        .batch = UINT_MAX,
                        .objects = 100000,
                        .cpu = -1};
    const struct bench_option all[] = {
        BENCH_OPTION("store", "rocksdb|memory", &o.store, NULL),
        BENCH_OPTION("dir", "DIR", &o.dir,
                     "where the store and the peers' files go (default /dev/shm)"),
        BENCH_OPTION_FROM("rounds", "N", &o.rounds, 1, BENCH_MAX_ROUNDS,
                          "counted rounds (default 7)"),
        BENCH_OPTION("objects", "N", &o.objects,
                     "in the partition of the long listing (default 100000)"),
        BENCH_OPTION_FROM("batch", "N", &o.batch, 1, UINT_MAX,
                          "commands of a round, at most (default: each operation's own)"),
        BENCH_OPTION("cpu", "N", &o.cpu, "the one to measure on"),
        BENCH_OPTION("threads", NULL, &o.threads,
                     "also 1 to 16 threads at once, and 4 processes with a store each"),
        BENCH_OPTION("floor", NULL, &o.floor, "also the least a store does over LIO"),
        BENCH_OPTION("only", "OPERATION", &o.only, "one of them, for a profiler"),
        BENCH_OPTION("json", "FILE", &o.json, NULL),
    };

    bench_options(argc, argv, all, sizeof(all) / sizeof(all[0]));
    if (o.only && !bench_op_find(o.only))
        bench_die("there is no operation %s", o.only);
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct bench_series *all = calloc(bench_n_ops, sizeof(*all));
    struct bench_work works[BENCH_MAX_THREADS];
    unsigned n_works = o.threads ? BENCH_MAX_THREADS : 1;
    static const char *const names[] = {"operations", "ratios", "threads", "floor"};
    json_t *root = json_object(), *lists[4];
    char dir[4096], store[4200];

    if (!all)
        bench_die("out of memory");
    snprintf(dir, sizeof(dir), "%s/liosd-bench-%d", o.dir, (int)getpid());
    snprintf(store, sizeof(store), "%s/store", dir);
    if (mkdir(dir, 0700) != 0)
        bench_die("%s: %m", dir);
    describe(root, &o);
    struct bench_processes *p = o.threads ? bench_processes_start(o.store, dir) : NULL;
    struct osd_device *dev = bench_unit_open(o.store, store);
    struct bench_target to = bench_unit_target(dev);
    bench_together_init();
    if (o.cpu >= 0)
        bench_pin(o.cpu);
    bench_furnish(&to, o.objects);
    for (unsigned i = 0; i < n_works; i++)
        bench_work_init(&works[i], &to, dir, i, BENCH_PID, o.objects);
    for (int i = 0; i < 4; i++)
        json_object_set_new(root, names[i], lists[i] = json_array());
    measure_ops(&o, works, bench_ops, bench_n_ops, all);
    report_ops(bench_ops, bench_n_ops, all, lists[0]);
    report_ratios(all, lists[1]);
    if (o.threads)
        measure_together(&o, works, p, lists[2]);
    if (o.floor)
        measure_floor(&o, works, lists[3]);
    bench_write(root, o.json);
    for (unsigned i = 0; i < n_works; i++)
        bench_work_end(&works[i]);
    osd_device_close(dev);
    bench_processes_end(p);
    bench_remove_tree(dir);
    free(all);
    return 0;
}
