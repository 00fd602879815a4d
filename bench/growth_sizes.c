/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/growth_sizes.c - every command as the objects of its partition become more
 *
 * A unit for each size: 1,000 objects in one partition, 10,000 and so on, beside those that the
 * commands themselves work on. Every operation runs its batches on all units in turn, so that the
 * sizes are compared in the same moments. What takes longer than LONG_NS at one size is not repeated
 * there, nor is what changes a whole partition or unit (RESTORE, FORMAT OSD).
 * Memory and disk: a process of its own for each size, which makes a store and then the objects.
 * Memory is its resident set, without and with them, disk the growth of the store's directory.
 */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figures.h"
#include "growth.h"
#include "ops_rest.h"

#define FIRST_SIZE 1000ULL
#define MAX_SIZES  6
#define MAX_OPS    96
#define LONG_NS    500000000ULL

struct unit {
    char store[4300];
    struct bench_signer *signer;
    struct bench_target to;
    struct bench_work work;
    uint64_t objects;
    struct bench_series us[MAX_OPS];
    bool too_long[MAX_OPS];
};

static struct unit units[MAX_SIZES];
static unsigned n_units;

/* ---- memory and disk ---- */

static uint64_t resident(void)
{
    unsigned long long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f || fscanf(f, "%llu %llu", &size, &pages) != 2)
        bench_die("/proc/self/statm cannot be read");
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t disk_sum;

static int add_file(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)path, (void)f;
    uint64_t blocks = (uint64_t)st->st_blocks * 512, size = (uint64_t)st->st_size;

    if (type == FTW_F) /* neither what is allocated ahead nor holes */
        disk_sum += blocks < size ? blocks : size;
    return 0;
}

static uint64_t disk(const char *path)
{
    disk_sum = 0;
    nftw(path, add_file, 16, FTW_PHYS);
    return disk_sum;
}

/* What a process with a store took before and after the objects were made. */
struct space {
    uint64_t memory[2], disk[2];
};

static void name_store(struct unit *u, const char *dir)
{
    snprintf(u->store, sizeof(u->store), "%s/store-%llu", dir, (unsigned long long)u->objects);
}

static void fill_and_tell(const struct growth_options *o, const char *dir, uint64_t objects,
                          int fd)
{
    static struct unit u;
    struct space s;

    u.objects = objects;
    name_store(&u, dir);
    u.to = bench_unit_target(bench_unit_open(o->store, u.store));
    bench_furnish(&u.to, 0);
    s.memory[0] = resident();
    s.disk[0] = disk(u.store);
    bench_grow(&u.to, objects);
    s.memory[1] = resident();
    s.disk[1] = disk(u.store);
    if (write(fd, &s, sizeof(s)) != sizeof(s))
        bench_die("pipe: %m");
}

static void report_space(json_t *list, const char *what, uint64_t objects,
                         const uint64_t taken[2])
{
    double bytes = ((double)taken[1] - (double)taken[0]) / (double)objects;

    printf("%s, %llu objects: %.1f MiB before, %.1f MiB with them, %.0f bytes per object\n",
           what, (unsigned long long)objects, (double)taken[0] / MIB, (double)taken[1] / MIB,
           bytes);
    json_array_append_new(list, json_pack("{s:s, s:I, s:f, s:I, s:I}", "what", what, "objects",
                                          (json_int_t)objects, "bytes", bytes, "before",
                                          (json_int_t)taken[0], "after", (json_int_t)taken[1]));
}

/* In a process of its own: what others left in the heap would hide what a store takes. Called while
 * there is one thread. */
static void measure_space(const struct growth_options *o, const char *dir, uint64_t objects,
                          json_t *list)
{
    struct space s;
    int fd[2], status;

    fflush(stdout);
    if (pipe(fd) != 0)
        bench_die("pipe: %m");
    pid_t child = fork();
    if (child < 0)
        bench_die("fork: %m");
    if (child == 0) {
        fill_and_tell(o, dir, objects, fd[1]);
        _exit(0);
    }
    close(fd[1]);
    ssize_t got = read(fd[0], &s, sizeof(s));
    close(fd[0]);
    if (waitpid(child, &status, 0) != child || status != 0 || got != sizeof(s))
        bench_die("the process that fills a store has failed");
    report_space(list, "memory", objects, s.memory);
    report_space(list, "disk", objects, s.disk);
}

/* ---- units ---- */

static void open_unit(struct unit *u, const struct growth_options *o, const char *dir)
{
    name_store(u, dir);
    u->signer = bench_signer_open(o->store, u->store);
    u->to = bench_signer_unit(u->signer);
    bench_grow(&u->to, u->objects);
    bench_work_init(&u->work, &u->to, dir, 0, BENCH_MANY_PID, u->objects);
}

static void close_unit(struct unit *u)
{
    bench_work_end(&u->work);
    bench_signer_close(u->signer);
    bench_remove_tree(u->store);
}

void growth_fill(const struct growth_options *o, const char *dir, json_t *root)
{
    json_t *list = json_array();

    for (uint64_t have = FIRST_SIZE; have <= o->max && n_units < MAX_SIZES; have *= 10) {
        measure_space(o, dir, have, list);
        units[n_units++].objects = have;
    }
    for (unsigned k = 0; k < n_units; k++)
        open_unit(&units[k], o, dir);
    json_object_set_new(root, "space", list);
}

/* ---- commands ---- */

static const struct bench_op *ops[MAX_OPS];
static unsigned n_ops;

static void add(const struct bench_op *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (bench_op_is_peer(&from[i]))
            continue;
        if (n_ops == MAX_OPS)
            bench_die("more than %u operations", MAX_OPS);
        ops[n_ops++] = &from[i];
    }
}

static void measure_one(const struct growth_options *o, struct unit *u, unsigned i, bool counts)
{
    struct bench_op op = *ops[i];

    op.batch = op.batch < o->batch ? op.batch : o->batch;
    if (u->too_long[i])
        return;
    bench_rest_keys(u->signer);
    uint64_t ns = bench_batch(&u->work, &op);
    u->too_long[i] = ns > LONG_NS;
    if (counts || u->too_long[i])
        bench_series_add(&u->us[i], (double)ns / 1000.0 / op.batch);
}

/* Operations from..to, interleaved. The first round does not count. */
static void measure_rounds(const struct growth_options *o, unsigned from, unsigned to)
{
    for (unsigned round = 0; round <= o->rounds; round++)
        for (unsigned i = from; i < to; i++)
            for (unsigned k = 0; k < n_units; k++)
                measure_one(o, &units[k], i, round > 0);
}

static void report_size(const struct unit *u, json_t *list)
{
    char what[128];

    for (unsigned i = 0; i < n_ops; i++) {
        snprintf(what, sizeof(what), "%s, %llu objects", ops[i]->what,
                 (unsigned long long)u->objects);
        bench_report(list, ops[i]->name, what, "us", &u->us[i], 0, true);
        bench_report_tag(list, "objects", u->objects);
    }
}

static void measure_once(const struct growth_options *o, unsigned i)
{
    for (unsigned k = 0; k < n_units; k++)
        measure_one(o, &units[k], i, true);
}

/* What changes all of a partition or a unit comes last. */
void growth_measure(const struct growth_options *o, json_t *root)
{
    const struct bench_op *ending = bench_rest_ops + bench_n_rest_ops - BENCH_REST_LAST;
    json_t *list = json_array();
    unsigned usual;

    add(bench_ops, bench_n_ops);
    add(bench_rest_ops, bench_n_rest_ops - BENCH_REST_LAST);
    add(bench_whole_ops, bench_n_whole_ops - 1);
    usual = n_ops;
    add(ending, BENCH_REST_LAST - 1);
    measure_rounds(o, 0, usual);
    measure_rounds(o, usual, n_ops);                 /* now there are no working keys */
    add(bench_whole_ops + bench_n_whole_ops - 1, 1); /* RESTORE */
    measure_once(o, n_ops - 1);
    add(ending + BENCH_REST_LAST - 1, 1); /* FORMAT OSD */
    measure_once(o, n_ops - 1);
    bench_report_head("growth, us per command");
    for (unsigned k = 0; k < n_units; k++) {
        report_size(&units[k], list);
        close_unit(&units[k]);
    }
    json_object_set_new(root, "growth", list);
}
