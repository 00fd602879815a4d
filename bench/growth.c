/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/growth.c - what becomes of the cost of a command, of memory and of disk as objects grow
 *
 * Objects in one partition (growth_sizes.c); 1, 10 and 1,000 attributes on one object, up to 100,000
 * partitions, holes of up to 1 TiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "figures.h"
#include "growth.h"
#include "ops.h"
#include "options.h"

#define ATTR_OID 0xf000001ULL
#define ATTR_LEN 16
#define LIST_MAX 65536

/* ---- attributes on one object ---- */

struct attr_case {
    unsigned n; /* attributes on the object */
    struct bench_cmd create, set_all, set_one, get_one, remove;
};

static uint8_t all_list[LIST_MAX], one_list[256], get_list[256], answer[64];

static void make_case(struct attr_case *a, unsigned n)
{
    static const uint8_t value[ATTR_LEN] = {1, 2, 3};

    a->n = n;
    bench_cmd_make(&a->create, OSD_OP_CREATE, BENCH_PID, ATTR_OID, 0);
    bench_cmd_make(&a->remove, OSD_OP_REMOVE, BENCH_PID, ATTR_OID, 0);
    bench_cmd_make(&a->set_all, OSD_OP_SET_ATTRIBUTES, BENCH_PID, ATTR_OID, 0);
    a->set_one = a->get_one = a->set_all;
    bench_cmd_sets(&a->set_all, all_list, sizeof(all_list), n, value, ATTR_LEN);
    bench_cmd_sets(&a->set_one, one_list, sizeof(one_list), 1, value, ATTR_LEN);
    bench_cmd_make(&a->get_one, OSD_OP_GET_ATTRIBUTES, BENCH_PID, ATTR_OID, 0);
    bench_cmd_gets(&a->get_one, get_list, sizeof(get_list), 1, answer, sizeof(answer));
}

static double timed(const struct bench_target *to, const struct bench_cmd *c, unsigned times)
{
    uint64_t t0 = bench_now_ns();

    for (unsigned i = 0; i < times; i++)
        bench_cmd_run(to, c);
    return (double)(bench_now_ns() - t0) / 1000.0 / times;
}

static void measure_attrs(const struct growth_options *o, const struct bench_target *to,
                          json_t *root)
{
    static const unsigned counts[] = {1, 10, 1000};
    static const char *const names[] = {"SET all", "SET one", "GET one", "REMOVE the object"};
    json_t *list = json_array();
    struct attr_case a;
    char what[128];

    bench_report_head("attributes on one object, us per command");
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        struct bench_series us[4] = {0};
        double t[4];
        make_case(&a, counts[k]);
        for (unsigned round = 0; round <= o->rounds; round++) {
            bench_cmd_run(to, &a.create);
            t[0] = timed(to, &a.set_all, 1);
            t[1] = timed(to, &a.set_one, 200);
            t[2] = timed(to, &a.get_one, 200);
            t[3] = timed(to, &a.remove, 1);
            for (int i = 0; i < 4 && round > 0; i++)
                bench_series_add(&us[i], t[i]);
        }
        for (int i = 0; i < 4; i++) {
            snprintf(what, sizeof(what), "%s, %u attributes", names[i], counts[k]);
            bench_report(list, names[i], what, "us", &us[i], 0, true);
            bench_report_tag(list, "attributes", counts[k]);
        }
    }
    json_object_set_new(root, "attributes", list);
}

/* ---- partitions ---- */

#define FIRST_PART    0x1000000ULL
#define SPARSE_OID    0xf000002ULL
#define SPARSE_IO     4096u
#define SPARSE_ROUNDS 50u

static const char *const beside[] = {
    "create_partition", "remove_partition", "create",   "set_1",
    "read_4k",          "write_4k",         "list_root"};
#define N_BESIDE (sizeof(beside) / sizeof(beside[0]))

/* What commands cost while there are that many partitions more. */
static void measure_beside(const struct growth_options *o, struct bench_work *w,
                           unsigned partitions, json_t *list)
{
    struct bench_series us[N_BESIDE] = {0};
    char what[128];

    for (unsigned round = 0; round <= o->rounds; round++)
        for (size_t i = 0; i < N_BESIDE; i++) {
            struct bench_op op = *bench_op_find(beside[i]);
            op.batch = op.batch < o->batch ? op.batch : o->batch;
            double t = (double)bench_batch(w, &op) / 1000.0 / op.batch;
            if (round > 0)
                bench_series_add(&us[i], t);
        }
    for (size_t i = 0; i < N_BESIDE; i++) {
        snprintf(what, sizeof(what), "%s, %u partitions",
                 strcmp(beside[i], "list_root") == 0 ? "LIST ROOT"
                                                     : bench_op_find(beside[i])->what,
                 partitions);
        bench_report(list, beside[i], what, "us", &us[i], 0, true);
        bench_report_tag(list, "partitions", partitions);
    }
}

static void measure_partitions(const struct growth_options *o, const struct bench_target *to,
                               const char *dir, json_t *root)
{
    static const unsigned counts[] = {1000, 100000};
    json_t *list = json_array();
    struct bench_work w;
    struct bench_cmd c;
    unsigned have = 0;

    bench_work_init(&w, to, dir, 1, BENCH_PID, 0);
    bench_report_head("partitions, us per command");
    measure_beside(o, &w, 3, list);
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        if (counts[k] > o->partitions)
            break;
        for (; have < counts[k]; have++) {
            bench_cmd_make(&c, OSD_OP_CREATE_PARTITION, FIRST_PART + have, 0, 0);
            bench_cmd_run(to, &c);
        }
        measure_beside(o, &w, counts[k], list);
    }
    bench_work_end(&w);
    json_object_set_new(root, "partitions", list);
}

/* ---- sparse objects ---- */

/* 4 KiB as the last ones of an object of that length, which is a hole before them. */
static void measure_length(const struct growth_options *o, const struct bench_target *to,
                           uint64_t length, const char *name, json_t *list)
{
    static const char *const names[] = {"WRITE at the end of the hole", "READ of the end",
                                        "READ of the hole", "REMOVE"};
    struct bench_series us[4] = {0};
    struct bench_cmd create, write, read, hole, remove;
    static uint8_t data[SPARSE_IO];
    char what[128];

    bench_cmd_make(&create, OSD_OP_CREATE, BENCH_PID, SPARSE_OID, 0);
    bench_cmd_make(&write, OSD_OP_WRITE, BENCH_PID, SPARSE_OID, SPARSE_IO);
    bench_cmd_make(&read, OSD_OP_READ, BENCH_PID, SPARSE_OID, SPARSE_IO);
    bench_cmd_make(&remove, OSD_OP_REMOVE, BENCH_PID, SPARSE_OID, 0);
    write.out = read.in = (struct iovec){data, SPARSE_IO};
    hole = read;
    bench_cmd_start(&write, length - SPARSE_IO);
    bench_cmd_start(&read, length - SPARSE_IO);
    bench_cmd_start(&hole, length / 2 - SPARSE_IO);
    for (unsigned round = 0; round <= o->rounds; round++) {
        double sum[4] = {0};
        for (unsigned i = 0; i < SPARSE_ROUNDS; i++) {
            bench_cmd_run(to, &create);
            sum[0] += timed(to, &write, 1);
            sum[1] += timed(to, &read, 1);
            sum[2] += timed(to, &hole, 1);
            sum[3] += timed(to, &remove, 1);
        }
        for (int i = 0; i < 4 && round > 0; i++)
            bench_series_add(&us[i], sum[i] / SPARSE_ROUNDS);
    }
    for (int i = 0; i < 4; i++) {
        snprintf(what, sizeof(what), "%s, object of %s", names[i], name);
        bench_report(list, names[i], what, "us", &us[i], 0, true);
        bench_report_tag(list, "length", length);
    }
}

static void measure_sparse(const struct growth_options *o, const struct bench_target *to,
                           json_t *root)
{
    json_t *list = json_array();

    bench_report_head("sparse objects, us per command");
    measure_length(o, to, MIB, "1 MiB", list);
    measure_length(o, to, GIB, "1 GiB", list);
    measure_length(o, to, 1024 * GIB, "1 TiB", list);
    json_object_set_new(root, "sparse", list);
}

/* ---- the program ---- */

static struct growth_options parse(int argc, char **argv)
{
    struct growth_options o = {.store = "rocksdb",
                               .dir = "/dev/shm",
                               .rounds = 7,
                               .batch = 1000,
                               .max = 100000,
                               .partitions = 100000,
                               .cpu = -1};
    const struct bench_option all[] = {
        BENCH_OPTION("store", "rocksdb|memory", &o.store, NULL),
        BENCH_OPTION("dir", "DIR", &o.dir, "where the stores go (default /dev/shm)"),
        BENCH_OPTION_FROM("rounds", "N", &o.rounds, 1, BENCH_MAX_ROUNDS,
                          "counted rounds (default 7)"),
        BENCH_OPTION_FROM("batch", "N", &o.batch, 1, UINT_MAX,
                          "commands of a round, at most (default 1000)"),
        BENCH_OPTION("max", "OBJECTS", &o.max, "of the largest partition (default 100000)"),
        BENCH_OPTION("partitions", "N", &o.partitions, "at most (default 100000)"),
        BENCH_OPTION("cpu", "N", &o.cpu, "the one to measure on"),
        BENCH_OPTION("json", "FILE", &o.json, NULL),
    };

    bench_options(argc, argv, all, sizeof(all) / sizeof(all[0]));
    return o;
}

int main(int argc, char **argv)
{
    struct growth_options o = parse(argc, argv);
    json_t *root = json_object();
    char dir[4096], store[4200];

    snprintf(dir, sizeof(dir), "%s/liosd-growth-%d", o.dir, (int)getpid());
    snprintf(store, sizeof(store), "%s/store", dir);
    if (mkdir(dir, 0700) != 0)
        bench_die("%s: %m", dir);
    bench_describe(root);
    growth_fill(&o, dir, root);
    struct osd_device *dev = bench_unit_open(o.store, store);
    struct bench_target to = bench_unit_target(dev);
    bench_furnish(&to, 0);
    if (o.cpu >= 0) /* now that the stores have their threads */
        bench_pin(o.cpu);
    growth_measure(&o, root);
    measure_attrs(&o, &to, root);
    measure_partitions(&o, &to, dir, root);
    measure_sparse(&o, &to, root);
    bench_write(root, o.json);
    osd_device_close(dev);
    bench_remove_tree(dir);
    return 0;
}
