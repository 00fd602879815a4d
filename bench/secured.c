/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/secured.c - what the security methods cost: the commands of the paper's Table 3 under
 * each of them, in rounds that interleave the methods
 *
 * Time inside the unit only; signing is the client's work. NOSEC with a nonce is shown because
 * CMDRSP and ALLDATA need one, and a nonce alone makes the unit record the outcome.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures.h"
#include "ops.h"
#include "signer.h"

static const char *const names[BENCH_METHODS] = {"NOSEC", "NOSEC, nonce", "CAPKEY", "CMDRSP",
                                                 "ALLDATA"};
static const char *const ops[] = {
    "create_partition", "create",    "list_1k", "list_root", "set_1",
    "write_4k",         "append_64", "read_4k", "get_page",  "remove",
    "remove_partition", "write_64k", "read_64k"};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

struct options {
    const char *store, *dir, *json;
    unsigned rounds, batch;
};

/* bench_batch(), with only the steps signed and timed. */
static double batch(struct bench_signer *s, struct bench_work *w, const struct bench_op *op,
                    enum bench_method method)
{
    w->turn++;
    bench_signer_start(s, BENCH_NOSEC);
    op->prepare(w, op);
    bench_signer_start(s, method);
    for (unsigned i = 0; i < op->batch; i++)
        op->step(w, op, i);
    double us = (double)bench_signer_spent(s) / 1000.0 / op->batch;
    bench_signer_start(s, BENCH_NOSEC);
    op->tidy(w, op);
    return us;
}

static void measure(const struct options *o, struct bench_signer *s, struct bench_work *w,
                    json_t *list)
{
    static struct bench_series us[N_OPS][BENCH_METHODS];
    char what[128];

    for (unsigned round = 0; round <= o->rounds; round++)
        for (size_t i = 0; i < N_OPS; i++)
            for (int m = 0; m < BENCH_METHODS; m++) {
                struct bench_op op = *bench_op_find(ops[i]);
                op.batch = op.batch < o->batch ? op.batch : o->batch;
                double t = batch(s, w, &op, (enum bench_method)m);
                if (round > 0)
                    bench_series_add(&us[i][m], t);
            }
    bench_report_head("security methods, us per command");
    for (size_t i = 0; i < N_OPS; i++)
        for (int m = 0; m < BENCH_METHODS; m++) {
            snprintf(what, sizeof(what), "%s, %s", bench_op_find(ops[i])->what, names[m]);
            bench_report(list, ops[i], what, "us", &us[i][m], 0, true);
            bench_report_tag(list, "method", (uint64_t)m);
        }
}

static noreturn void usage(void)
{
    fputs("usage: secured [--store rocksdb|memory] [--dir DIR] [--rounds N] [--batch N]\n"
          "               [--json FILE]\n",
          stderr);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    static const struct option longs[] = {{"store", 1, NULL, 's'},  {"dir", 1, NULL, 'd'},
                                          {"rounds", 1, NULL, 'r'}, {"batch", 1, NULL, 'b'},
                                          {"json", 1, NULL, 'j'},   {NULL, 0, NULL, 0}};
    struct options o = {.store = "rocksdb", .dir = "/dev/shm", .rounds = 7, .batch = 500};

    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 's':
            o.store = optarg;
            break;
        case 'd':
            o.dir = optarg;
            break;
        case 'r':
            o.rounds = (unsigned)bench_number(optarg);
            break;
        case 'b':
            o.batch = (unsigned)bench_number(optarg);
            break;
        case 'j':
            o.json = optarg;
            break;
        default:
            usage();
        }
    }
    if (optind != argc || o.rounds < 1 || o.batch < 1 || o.rounds > BENCH_MAX_ROUNDS)
        usage();
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    json_t *root = json_object(), *list = json_array();
    struct bench_work w;
    char dir[4096];

    snprintf(dir, sizeof(dir), "%s/liosd-secured-%d", o.dir, (int)getpid());
    bench_describe(root);
    struct bench_signer *s = bench_signer_open(o.store, dir);
    struct bench_target to = bench_signer_target(s);
    bench_work_init(&w, &to, o.dir, 0, BENCH_PID, 0);
    measure(&o, s, &w, list);
    bench_work_end(&w);
    bench_signer_close(s);
    bench_remove_tree(dir);
    json_object_set_new(root, "secured", list);
    if (o.json && json_dump_file(root, o.json, JSON_INDENT(1)) != 0)
        bench_die("cannot write %s", o.json);
    json_decref(root);
    return 0;
}
