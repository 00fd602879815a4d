/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/lio.c - the object LUN over iSCSI beside an empty handler and a block LUN
 *
 * All LUNs belong to one target in one boot. A comparison goes in pairs of slices that follow
 * each other at once, each side first in every second pair; its figure is the median of the
 * pairs' ratios. A slice is a number of commands that was found to take about the slice time,
 * because asking the clock inside user-mode Linux costs as much as a command.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "figures.h"
#include "initiator/initiator.h"
#include "ops.h"

#define MAX_DEPTH 16
#define SPREAD    (32 * MIB) /* of the object or disk that is used */
#define LOAD_PID  0x10000ULL
#define LOAD_OID  0x10005ULL
#define MAX_IO    (1u << 20)
#define CALIBRATE 64
#define OP_STEPS  200u
#define BLOCK     512u

enum lun_kind { LUN_OSD, LUN_EMPTY, LUN_BLOCK, LUN_KINDS };

struct side {
    struct iscsi_session *session;
    uint64_t lun;
    enum lun_kind kind;
};

struct load {
    const char *name;
    bool write;
    unsigned size, depth;
    double over_empty, over_block; /* goals */
};

static const struct load loads[] = {
    {"READ 4 KiB QD1", false, 4096, 1, 0.80, 0},
    {"WRITE 4 KiB QD1", true, 4096, 1, 0.80, 0},
    {"READ 4 KiB QD16", false, 4096, 16, 0.85, 0},
    {"WRITE 4 KiB QD16", true, 4096, 16, 0.85, 0},
    {"READ 64 KiB QD16", false, 65536, 16, 0.90, 0.85},
    {"WRITE 64 KiB QD16", true, 65536, 16, 0.90, 0.85},
    {"READ 1 MiB QD16", false, MAX_IO, 16, 0.90, 0.85},
    {"WRITE 1 MiB QD16", true, MAX_IO, 16, 0.90, 0.85},
};
#define N_LOADS (sizeof(loads) / sizeof(loads[0]))

/* One of the commands in flight. */
struct slot {
    struct iscsi_command cmd;
    struct bench_cmd cdb;
    struct iovec buffer;
    struct slice *slice;
};

struct slice {
    const struct side *side;
    const struct load *load;
    uint64_t to_send, in_flight, number;
    struct slot slots[MAX_DEPTH];
};

/* ---- one slice ---- */

static void aim(struct slot *s)
{
    const struct load *l = s->slice->load;
    uint64_t at = s->slice->number++ * 7919 * l->size % SPREAD;

    if (s->slice->side->kind == LUN_BLOCK)
        be32_put(s->cdb.cdb + 2, (uint32_t)(at / BLOCK));
    else
        bench_cmd_start(&s->cdb, at);
}

static void make_cdb(struct slot *s)
{
    const struct load *l = s->slice->load;
    uint8_t block[10] = {l->write ? 0x2a : 0x28};

    be16_put(block + 7, (uint16_t)(l->size / BLOCK));
    if (s->slice->side->kind == LUN_BLOCK)
        bench_cmd_raw(&s->cdb, block, sizeof(block));
    else
        bench_cmd_make(&s->cdb, l->write ? OSD_OP_WRITE : OSD_OP_READ, LOAD_PID, LOAD_OID,
                       l->size);
}

static void send_next(struct slot *s)
{
    s->slice->to_send--;
    s->slice->in_flight++;
    aim(s);
    if (iscsi_submit(s->slice->side->session, &s->cmd))
        bench_die("the session died");
}

static void done(struct iscsi_command *cmd, void *arg)
{
    struct slot *s = arg;

    if (cmd->status)
        bench_die("%s: %s", s->slice->load->name, osd_status_text(cmd->status));
    if (cmd->scsi_status != SAM_GOOD)
        bench_refused(&s->cdb, cmd->scsi_status, cmd->sense, cmd->sense_len);
    s->slice->in_flight--;
    if (s->slice->to_send > 0)
        send_next(s);
}

static void make_slot(struct slot *s, struct slice *slice, uint8_t *memory)
{
    struct osd_iov whole;

    s->slice = slice;
    s->buffer = (struct iovec){memory, slice->load->size};
    make_cdb(s);
    whole = osd_iov_make(&s->buffer, 1);
    s->cmd = (struct iscsi_command){.lun = slice->side->lun,
                                    .cdb = s->cdb.cdb,
                                    .cdb_len = s->cdb.cdb_len,
                                    .retry = ISCSI_RETRY_NEVER,
                                    .done = done,
                                    .arg = s};
    *(slice->load->write ? &s->cmd.out : &s->cmd.in) = whole;
}

/* Microseconds per command of n commands. */
static double run_slice(const struct side *side, const struct load *load, uint64_t n)
{
    static uint8_t memory[MAX_DEPTH][MAX_IO];
    static struct slice s;
    uint64_t t0;

    s = (struct slice){.side = side, .load = load, .to_send = n};
    for (unsigned i = 0; i < load->depth; i++)
        make_slot(&s.slots[i], &s, memory[i]);
    t0 = bench_now_ns();
    for (unsigned i = 0; i < load->depth && s.to_send > 0; i++)
        send_next(&s.slots[i]);
    while (s.in_flight > 0)
        if (iscsi_service(side->session, -1) < 0)
            bench_die("the session died");
    return (double)(bench_now_ns() - t0) / 1000.0 / (double)n;
}

/* ---- loads ---- */

struct options {
    const char *url, *json;
    unsigned pairs, slice_ms;
    uint64_t luns[LUN_KINDS];
};

static void measure_load(const struct options *o, const struct side *sides,
                         const struct load *l, struct bench_series *us)
{
    uint64_t n[LUN_KINDS];

    for (int k = 0; k < LUN_KINDS; k++) {
        double each = run_slice(&sides[k], l, CALIBRATE);
        n[k] = (uint64_t)(o->slice_ms * 1000.0 / each) + l->depth;
    }
    for (unsigned pair = 0; pair < o->pairs; pair++)
        for (int i = 0; i < LUN_KINDS; i++) {
            int k = pair % 2 ? LUN_KINDS - 1 - i : i;
            bench_series_add(&us[k], run_slice(&sides[k], l, n[k]));
        }
}

static void measure_loads(const struct options *o, const struct side *sides, json_t *root)
{
    static const char *const names[] = {"object LUN", "empty handler", "fileio block LUN"};
    json_t *times = json_array(), *ratios = json_array();
    static struct bench_series us[N_LOADS][LUN_KINDS];
    char what[128];

    for (size_t i = 0; i < N_LOADS; i++)
        measure_load(o, sides, &loads[i], us[i]);
    bench_report_head("us per command");
    for (size_t i = 0; i < N_LOADS; i++)
        for (int k = 0; k < LUN_KINDS; k++) {
            snprintf(what, sizeof(what), "%s, %s", loads[i].name, names[k]);
            bench_report(times, loads[i].name, what, "us", &us[i][k], 0, true);
        }
    bench_report_head("speed / speed of the peer");
    for (size_t i = 0; i < N_LOADS; i++)
        for (int k = LUN_EMPTY; k < LUN_KINDS; k++) {
            struct bench_series r = bench_series_ratio(&us[i][k], &us[i][LUN_OSD]);
            snprintf(what, sizeof(what), "%s / %s", loads[i].name, names[k]);
            bench_report(ratios, loads[i].name, what, "ratio", &r,
                         k == LUN_EMPTY ? loads[i].over_empty : loads[i].over_block, false);
        }
    json_object_set_new(root, "lio_times", times);
    json_object_set_new(root, "lio_ratios", ratios);
}

/* ---- operations, one after another ---- */

static uint64_t run_there(void *arg, const struct bench_cmd *c)
{
    const struct side *side = arg;
    struct iscsi_command cmd = {.lun = side->lun,
                                .cdb = c->cdb,
                                .cdb_len = c->cdb_len,
                                .out = {&c->out, 1, c->out.iov_len},
                                .in = {&c->in, 1, c->in.iov_len},
                                .retry = ISCSI_RETRY_NEVER};
    osd_status st = iscsi_execute(side->session, &cmd);

    if (st)
        bench_die("%s: %s", osd_op_info(osd_op_by_action(be16_get(c->cdb + 8), NULL))->name,
                  osd_status_text(st));
    if (cmd.scsi_status != SAM_GOOD)
        bench_refused(c, cmd.scsi_status, cmd.sense, cmd.sense_len);
    return cmd.in_len;
}

static void measure_op(const struct options *o, struct bench_work *works,
                       const struct bench_op *full, json_t *list)
{
    struct bench_series us[2] = {0};
    struct bench_op op = *full;
    char what[128];

    if (op.batch > OP_STEPS)
        op.batch = OP_STEPS;
    for (unsigned pair = 0; pair <= o->pairs; pair++)
        for (int i = 0; i < 2; i++) {
            int k = pair % 2 ? 1 - i : i;
            double t = (double)bench_batch(&works[k], &op) / 1000.0 / op.batch;
            if (pair > 0)
                bench_series_add(&us[k], t);
        }
    bench_report(list, op.name, op.what, "us", &us[0], 0, true);
    snprintf(what, sizeof(what), "  the same, empty handler");
    bench_report(list, op.name, what, "us", &us[1], 0, true);
}

/* What moves data in both directions cannot be sent in one command over LIO. */
static bool over_lio(const struct bench_op *op)
{
    static const char *const not_here[] = {"get_1", "get_10", "get_any", "list_many",
                                           "punch_4k"};

    for (size_t i = 0; i < sizeof(not_here) / sizeof(not_here[0]); i++)
        if (strcmp(op->name, not_here[i]) == 0)
            return false;
    return !bench_op_is_peer(op);
}

static void measure_ops(const struct options *o, struct side *sides, json_t *root)
{
    struct bench_target to[2];
    struct bench_work works[2];
    json_t *list = json_array();

    for (int k = 0; k < 2; k++) {
        to[k] = (struct bench_target){.run = run_there, .arg = &sides[k]};
        bench_work_init(&works[k], &to[k], "/", 0, BENCH_PID, 0);
    }
    bench_report_head("latency, us per command at QD1");
    for (unsigned i = 0; i < bench_n_ops; i++)
        if (over_lio(&bench_ops[i]))
            measure_op(o, works, &bench_ops[i], list);
    for (int k = 0; k < 2; k++)
        bench_work_end(&works[k]);
    json_object_set_new(root, "lio_latency", list);
}

/* ---- the program ---- */

/* TEST UNIT READY until the unit has said everything about its past. */
static void settle(struct side *side)
{
    static const uint8_t tur[6] = {0};
    struct iscsi_command cmd = {.lun = side->lun, .cdb = tur, .cdb_len = sizeof(tur)};

    for (int i = 0; i < 8; i++)
        if (iscsi_execute(side->session, &cmd) == OSD_OK && cmd.scsi_status == SAM_GOOD)
            return;
    bench_die("LUN %u does not become ready", (unsigned)side->lun);
}

/* Partition, object with SPREAD + MAX_IO bytes; the empty handler nods at all of it. */
static void furnish(struct side *side)
{
    struct bench_target to = {.run = run_there, .arg = side};
    static uint8_t memory[MAX_IO];
    struct bench_cmd c;

    bench_furnish(&to, 0);
    bench_cmd_make(&c, OSD_OP_CREATE, LOAD_PID, LOAD_OID, 0);
    bench_cmd_run(&to, &c);
    memset(memory, 0x5a, sizeof(memory));
    bench_cmd_make(&c, OSD_OP_WRITE, LOAD_PID, LOAD_OID, MAX_IO);
    c.out = (struct iovec){memory, MAX_IO};
    for (uint64_t at = 0; at <= SPREAD; at += MAX_IO) {
        bench_cmd_start(&c, at);
        bench_cmd_run(&to, &c);
    }
}

static noreturn void usage(void)
{
    fputs("usage: lio --url iscsi://HOST/TARGET [--osd LUN] [--empty LUN] [--block LUN]\n"
          "           [--pairs N] [--slice MS] [--json FILE]\n",
          stderr);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    static const struct option longs[] = {{"url", 1, NULL, 'u'},   {"osd", 1, NULL, 'o'},
                                          {"empty", 1, NULL, 'e'}, {"block", 1, NULL, 'b'},
                                          {"pairs", 1, NULL, 'p'}, {"slice", 1, NULL, 's'},
                                          {"json", 1, NULL, 'j'},  {NULL, 0, NULL, 0}};
    struct options o = {.pairs = 7, .slice_ms = 300, .luns = {0, 1, 2}};

    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'u':
            o.url = optarg;
            break;
        case 'o':
            o.luns[LUN_OSD] = bench_number(optarg);
            break;
        case 'e':
            o.luns[LUN_EMPTY] = bench_number(optarg);
            break;
        case 'b':
            o.luns[LUN_BLOCK] = bench_number(optarg);
            break;
        case 'p':
            o.pairs = (unsigned)bench_number(optarg);
            break;
        case 's':
            o.slice_ms = (unsigned)bench_number(optarg);
            break;
        case 'j':
            o.json = optarg;
            break;
        default:
            usage();
        }
    }
    if (!o.url || optind != argc || o.pairs < 1 || o.pairs > BENCH_MAX_ROUNDS)
        usage();
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct iscsi_options opt = {0};
    struct iscsi_session *session;
    struct iscsi_url url;
    struct side sides[LUN_KINDS];
    json_t *root = json_object();
    char why[256] = "";

    if (iscsi_url_parse(o.url, &url, why, sizeof(why)) ||
        iscsi_connect(&url, &opt, &session, why, sizeof(why)))
        bench_die("%s: %s", o.url, why);
    for (int k = 0; k < LUN_KINDS; k++) {
        sides[k] = (struct side){session, o.luns[k], (enum lun_kind)k};
        settle(&sides[k]);
    }
    furnish(&sides[LUN_OSD]);
    furnish(&sides[LUN_EMPTY]);
    bench_describe(root);
    measure_loads(&o, sides, root);
    measure_ops(&o, sides, root);
    if (o.json && json_dump_file(root, o.json, JSON_INDENT(1)) != 0)
        bench_die("cannot write %s", o.json);
    json_decref(root);
    iscsi_disconnect(session);
    return 0;
}
