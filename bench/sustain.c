/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/sustain.c - writing for long: stalls, and bytes the device gets per byte of the user
 *
 * Phases, each ended by a FLUSH OSD that counts as part of it: new data in pieces of 1 MiB and
 * of 64 KiB in objects of 1 GiB, then 4 KiB at random places of one object. A stall is a
 * command of over 100 ms. What the device gets is write_bytes of /proc/self/io less what was
 * truncated before it was written: pages made dirty for a device, so the directory must not lie
 * in memory (tmpfs has no device: 0 is shown).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "figures.h"
#include "ops.h"

#define FIRST    0x20000ULL
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
};

struct outcome {
    double *us; /* per command */
    uint64_t n, stalls;
    double seconds, device;
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

/* Place of command i: objects of 1 GiB one after another, or anywhere in the first. */
static void aim(struct bench_cmd *c, const struct phase *p, uint64_t i, uint64_t total)
{
    uint64_t hash = i * 0x9e3779b97f4a7c15ULL >> 24;
    uint64_t at = p->random ? hash % (total / p->size) * p->size : i * p->size;

    bench_cmd_oid(c, FIRST + at / GIB);
    bench_cmd_start(c, at % GIB);
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

static void write_all(const struct bench_target *to, const struct phase *p, uint64_t total,
                      struct outcome *o)
{
    static uint8_t data[MIB];
    struct bench_cmd c;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    bench_cmd_make(&c, OSD_OP_WRITE, BENCH_PID, FIRST, p->size);
    c.out = (struct iovec){data, p->size};
    uint64_t last = bench_now_ns();
    for (uint64_t i = 0; i < o->n; i++) {
        aim(&c, p, i, total);
        bench_cmd_run(to, &c);
        uint64_t now = bench_now_ns();
        o->us[i] = (double)(now - last) / 1000.0;
        o->stalls += o->us[i] > STALL_US;
        last = now;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void number(json_t *list, const struct phase *p, const char *what, const char *unit,
                   double v, double target)
{
    struct bench_series s = {.v = {v}, .n = 1};
    char line[128];

    snprintf(line, sizeof(line), "%s: %s", p->what, what);
    bench_report(list, p->name, line, unit, &s, target, true);
}

static void report(const struct phase *p, struct outcome *o, json_t *list)
{
    uint64_t bytes = o->n * p->size;

    qsort(o->us, o->n, sizeof(o->us[0]), compare);
    number(list, p, "MiB written", "MiB", (double)bytes / MIB, 0);
    number(list, p, "MB/s, with the final flush", "MB/s", (double)bytes / 1e6 / o->seconds, 0);
    number(list, p, "median, us", "us", o->us[o->n / 2], 0);
    number(list, p, "99.9 %, us", "us", o->us[o->n * 999 / 1000], 0);
    number(list, p, "longest, ms", "ms", o->us[o->n - 1] / 1000.0, 100);
    number(list, p, "commands over 100 ms", "commands", (double)o->stalls, 0);
    number(list, p, "device bytes / user bytes", "ratio", o->device / (double)bytes, p->most);
}

static void run_phase(const struct bench_target *to, const struct phase *p, uint64_t mib,
                      json_t *list)
{
    uint64_t total = mib * MIB, t0, d0;
    struct outcome o = {.n = total / p->size};

    o.us = calloc(o.n, sizeof(o.us[0]));
    if (!o.us)
        bench_die("out of memory");
    objects(to, OSD_OP_CREATE, total);
    if (p->random) {
        struct outcome fill = {.us = o.us, .n = total / MIB};
        write_all(to, &phases[0], total, &fill);
    }
    flush(to);
    d0 = device_bytes();
    t0 = bench_now_ns();
    write_all(to, p, total, &o);
    flush(to);
    o.seconds = (double)(bench_now_ns() - t0) / 1e9;
    o.device = (double)(device_bytes() - d0);
    report(p, &o, list);
    objects(to, OSD_OP_REMOVE, total);
    free(o.us);
}

static noreturn void usage(void)
{
    fputs(
        "usage: sustain [--dir DIR] [--large MIB] [--small MIB] [--random MIB] [--json FILE]\n"
        "  MiB written in pieces of 1 MiB (20480), 64 KiB (4096), 4 KiB (1024)\n",
        stderr);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    static const struct option longs[] = {{"dir", 1, NULL, 'd'},  {"large", 1, NULL, 0},
                                          {"small", 1, NULL, 1},  {"random", 1, NULL, 2},
                                          {"json", 1, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct options o = {.dir = "/var/tmp", .mib = {20480, 4096, 1024}};

    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == 'd')
            o.dir = optarg;
        else if (c == 'j')
            o.json = optarg;
        else if (c >= 0 && c <= 2 && bench_number(optarg) > 0)
            o.mib[c] = bench_number(optarg);
        else
            usage();
    }
    if (optind != argc)
        usage();
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    json_t *root = json_object(), *list = json_array();
    char dir[4096];

    snprintf(dir, sizeof(dir), "%s/liosd-sustain-%d", o.dir, (int)getpid());
    bench_describe(root);
    struct osd_device *dev = bench_unit_open("rocksdb", dir);
    struct bench_target to = bench_unit_target(dev);
    bench_furnish(&to, 0);
    bench_report_head("writing for long");
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        run_phase(&to, &phases[i], o.mib[i], list);
    osd_device_close(dev);
    bench_remove_tree(dir);
    json_object_set_new(root, "sustain", list);
    if (o.json && json_dump_file(root, o.json, JSON_INDENT(1)) != 0)
        bench_die("cannot write %s", o.json);
    json_decref(root);
    return 0;
}
