/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/sustain.c - writing for long: stalls, and bytes the device gets per byte of the user
 *
 * Phases, each ended by a FLUSH OSD that counts as part of it: new data in pieces of 1 MiB and
 * of 64 KiB in objects of 1 GiB, then 4 KiB at random places. Beside it, in slices of 256 MiB
 * that alternate, the same writes into a plain file with an fdatasync() at the end, on the same
 * file system. A stall is a command of over 100 ms. What the device gets is write_bytes of
 * /proc/self/io less what was truncated before it was written: pages made dirty for a device,
 * so the directory must not lie in memory (tmpfs has no device: 0 is shown).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "figures.h"
#include "ops.h"
#include "options.h"

#define FIRST    0x20000ULL
#define SLICE    (256 * MIB)
#define STALL_US 100000.0

struct phase {
    const char *name, *what;
    uint64_t size;
    bool random;
    double most; /* goal: device / user */
};

static const struct phase phases[] = {
    {"new_1m", "1 MiB, new data", MIB, false, 1.1},
    {"new_64k", "64 KiB, new data", 64 * KIB, false, 1.1},
    {"random_4k", "4 KiB at random places", 4096, true, 3},
};

struct options {
    const char *dir, *json;
    uint64_t mib[3]; /* per phase */
    int cpu;         /* -1: any */
};

struct outcome {
    double *us; /* per command */
    uint64_t n, stalls;
    double seconds, device;
};

enum { OURS, FILE_PEER, SIDES };

struct place {
    const struct bench_target *to;
    int fd;
};

static uint64_t device_bytes(void)
{
    unsigned long long written = 0, cancelled = 0;
    char line[128];
    FILE *f = fopen("/proc/self/io", "r");

    if (!f)
        bench_die("/proc/self/io cannot be read");
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "write_bytes: %llu", &written);
        sscanf(line, "cancelled_write_bytes: %llu", &cancelled);
    }
    fclose(f);
    return written - cancelled;
}

static void flush(const struct bench_target *to)
{
    struct bench_cmd c;

    bench_cmd_make(&c, OSD_OP_FLUSH_OSD, 0, 0, 0);
    bench_cmd_run(to, &c);
}

/* Place of command i: one after another, or anywhere. */
static uint64_t place_of(const struct phase *p, uint64_t i, uint64_t total)
{
    uint64_t hash = i * 0x9e3779b97f4a7c15ULL >> 24;

    return p->random ? hash % (total / p->size) * p->size : i * p->size;
}

static void objects(const struct bench_target *to, enum osd_op op, uint64_t total)
{
    struct bench_cmd c;

    bench_cmd_make(&c, op, BENCH_PID, FIRST, 0);
    for (uint64_t i = 0; i <= total / GIB; i++) {
        bench_cmd_oid(&c, FIRST + i);
        bench_cmd_run(to, &c);
    }
}

static uint8_t data[MIB];

static void write_object(const struct place *w, struct bench_cmd *c, uint64_t at)
{
    bench_cmd_oid(c, FIRST + at / GIB);
    bench_cmd_start(c, at % GIB);
    bench_cmd_run(w->to, c);
}

static void write_file(const struct place *w, uint64_t size, uint64_t at)
{
    if (pwrite(w->fd, data, size, (off_t)at) != (ssize_t)size)
        bench_die("pwrite: %m");
}

/* Commands from..to of one side. */
static void write_slice(const struct place *w, int side, const struct phase *p, uint64_t total,
                        uint64_t from, uint64_t to, struct outcome *o)
{
    uint64_t d0 = device_bytes(), t0 = bench_now_ns(), last = t0;
    struct bench_cmd c;

    bench_cmd_make(&c, OSD_OP_WRITE, BENCH_PID, FIRST, p->size);
    c.out = (struct iovec){data, p->size};
    for (uint64_t i = from; i < to; i++) {
        if (side == OURS)
            write_object(w, &c, place_of(p, i, total));
        else
            write_file(w, p->size, place_of(p, i, total));
        uint64_t now = bench_now_ns();
        o->us[i] = (double)(now - last) / 1000.0;
        o->stalls += o->us[i] > STALL_US;
        last = now;
    }
    o->seconds += (double)(last - t0) / 1e9;
    o->device += (double)(device_bytes() - d0);
}

/* Both sides in turn. */
static void write_all(const struct place *w, const struct phase *p, uint64_t total,
                      struct outcome o[SIDES])
{
    uint64_t n = total / p->size, step = SLICE / p->size;

    for (uint64_t from = 0; from < n; from += step)
        for (int k = 0; k < SIDES; k++) {
            int side = from / step % 2 ? SIDES - 1 - k : k;
            write_slice(w, side, p, total, from, from + step < n ? from + step : n, &o[side]);
        }
}

static void flush_both(const struct place *w, struct outcome o[SIDES])
{
    for (int side = 0; side < SIDES; side++) {
        uint64_t d0 = device_bytes(), t0 = bench_now_ns();
        if (side == OURS)
            flush(w->to);
        else if (fdatasync(w->fd) != 0)
            bench_die("fdatasync: %m");
        o[side].seconds += (double)(bench_now_ns() - t0) / 1e9;
        o[side].device += (double)(device_bytes() - d0);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void number(json_t *list, const struct phase *p, int side, const char *what,
                   const char *unit, double v, double target)
{
    static const char *const sides[SIDES] = {"", "plain file, "};
    struct bench_series s = {.v = {v}, .n = 1};
    char line[128];

    snprintf(line, sizeof(line), "%s%s: %s", sides[side], p->what, what);
    bench_report(list, p->name, line, unit, &s, side == OURS ? target : 0, true);
}

static void report(const struct phase *p, int side, struct outcome *o, json_t *list)
{
    uint64_t bytes = o->n * p->size;

    qsort(o->us, o->n, sizeof(o->us[0]), compare);
    number(list, p, side, "MiB written", "MiB", (double)bytes / MIB, 0);
    number(list, p, side, "MB/s, with the final flush", "MB/s",
           (double)bytes / 1e6 / o->seconds, 0);
    number(list, p, side, "median, us", "us", o->us[o->n / 2], 0);
    number(list, p, side, "99.9 %, us", "us", o->us[o->n * 999 / 1000], 0);
    number(list, p, side, "longest, ms", "ms", o->us[o->n - 1] / 1000.0, 100);
    number(list, p, side, "commands over 100 ms", "commands", (double)o->stalls, 0);
    number(list, p, side, "device bytes / user bytes", "ratio", o->device / (double)bytes,
           p->most);
}

static void make_outcomes(struct outcome o[SIDES], uint64_t n)
{
    for (int side = 0; side < SIDES; side++) {
        o[side] = (struct outcome){.n = n, .us = calloc(n, sizeof(double))};
        if (!o[side].us)
            bench_die("out of memory");
    }
}

static void free_outcomes(struct outcome o[SIDES])
{
    for (int side = 0; side < SIDES; side++)
        free(o[side].us);
}

/* Random places: of data that is there. */
static void fill(const struct place *w, uint64_t total)
{
    struct outcome o[SIDES];

    make_outcomes(o, total / MIB);
    write_all(w, &phases[0], total, o);
    flush_both(w, o);
    free_outcomes(o);
}

static void run_phase(const struct place *w, const struct phase *p, uint64_t mib, json_t *list)
{
    uint64_t total = mib * MIB;
    struct outcome o[SIDES];

    objects(w->to, OSD_OP_CREATE, total);
    flush(w->to);
    if (p->random)
        fill(w, total);
    make_outcomes(o, total / p->size);
    write_all(w, p, total, o);
    flush_both(w, o);
    for (int side = 0; side < SIDES; side++)
        report(p, side, &o[side], list);
    free_outcomes(o);
    objects(w->to, OSD_OP_REMOVE, total);
    if (ftruncate(w->fd, 0) != 0)
        bench_die("ftruncate: %m");
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.dir = "/var/tmp", .mib = {2048, 512, 256}, .cpu = -1};
    const struct bench_option all[] = {
        BENCH_OPTION("dir", "DIR", &o.dir, "where store and file go (default /var/tmp)"),
        BENCH_OPTION_FROM("large", "MIB", &o.mib[0], 1, UINT32_MAX,
                          "by each side in pieces of 1 MiB (default 2048)"),
        BENCH_OPTION_FROM("small", "MIB", &o.mib[1], 1, UINT32_MAX,
                          "in pieces of 64 KiB (default 512)"),
        BENCH_OPTION_FROM("random", "MIB", &o.mib[2], 1, UINT32_MAX,
                          "in pieces of 4 KiB (default 256)"),
        BENCH_OPTION("cpu", "N", &o.cpu, "the one to measure on"),
        BENCH_OPTION("json", "FILE", &o.json, NULL),
    };

    bench_options(argc, argv, all, sizeof(all) / sizeof(all[0]));
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    json_t *root = json_object(), *list = json_array();
    char dir[4096], file[4110];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    snprintf(dir, sizeof(dir), "%s/liosd-sustain-%d", o.dir, (int)getpid());
    snprintf(file, sizeof(file), "%s.file", dir);
    bench_describe(root);
    struct osd_device *dev = bench_unit_open("rocksdb", dir);
    struct bench_target to = bench_unit_target(dev);
    struct place w = {.to = &to, .fd = open(file, O_RDWR | O_CREAT | O_EXCL, 0600)};
    if (w.fd < 0 || unlink(file) != 0)
        bench_die("%s: %m", file);
    if (o.cpu >= 0)
        bench_pin(o.cpu);
    bench_furnish(&to, 0);
    bench_report_head("writing for long");
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        run_phase(&w, &phases[i], o.mib[i], list);
    close(w.fd);
    osd_device_close(dev);
    bench_remove_tree(dir);
    json_object_set_new(root, "sustain", list);
    bench_write(root, o.json);
    return 0;
}
