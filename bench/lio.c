/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/lio.c - the object LUN over iSCSI beside an empty handler and a block LUN
 *
 * All LUNs belong to one target in one boot. A comparison goes in pairs of slices that follow
 * each other at once, each side first in every second pair; its figure is the median of the
 * pairs' ratios. How many of several small commands in flight meet in the ring is chance, which
 * each slice meets anew: there each side of a pair is ten short slices. A slice is a number of
 * commands that was found to take about the slice time, because asking the clock inside user-mode
 * Linux costs as much as a command.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "figures.h"
#include "initiator/initiator.h"
#include "ops.h"
#include "options.h"
#include "signer.h"

#define SPREAD    BENCH_SPREAD
#define LOAD_PID  0x10000ULL
#define LOAD_OID  0x10005ULL /* and following: one per area */
#define MAX_IO    (4 * MIB)
#define FILL_IO   MIB
#define CALIBRATE 64
#define BLOCK     512u
#define NO_LUN    UINT64_MAX

enum lun_kind { LUN_OSD, LUN_EMPTY, LUN_BLOCK, LUN_KINDS };

struct side {
    struct iscsi_session *session;
    uint64_t lun;
    enum lun_kind kind;
    bool there;
};

/* Three objects, three parts of the disk. */
enum area { CLEAN, DIRTY, FRESH };

/* read: CLEAN was written once from its start, DIRTY is what overwrite writes; allocate writes
 * FRESH, which is empty before each slice. */
static const struct how {
    const char *name;
    bool write;
    enum area area;
} hows[] = {{"read", false, CLEAN},
            {"read scattered", false, DIRTY},
            {"overwrite", true, DIRTY},
            {"allocate", true, FRESH}};
enum { READ, READ_SCATTERED, OVERWRITE, ALLOCATE };

struct load {
    unsigned how, size, depth;
    double over_empty, over_block; /* goals */
};

static const struct load goals[] = {
    {READ, 4096, 1, 0.80, 0},          {OVERWRITE, 4096, 1, 0.80, 0},
    {READ, 4096, 16, 0.85, 0},         {OVERWRITE, 4096, 16, 0.85, 0},
    {READ, 65536, 16, 0.90, 0.85},     {OVERWRITE, 65536, 16, 0.90, 0.85},
    {READ, MIB, 16, 0.90, 0.85},       {OVERWRITE, MIB, 16, 0.90, 0.85},
    {READ_SCATTERED, 65536, 16, 0, 0},
};

/* Figure 7 of the paper: one command at a time, 1 KiB to 128 KiB; here up to 4 MiB. */
static const unsigned sizes[] = {1024,   2048,   4096,   8192, 16384,   32768,  65536,
                                 131072, 262144, 524288, MIB,  2 * MIB, 4 * MIB};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

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
    struct slot slots[BENCH_DEPTH];
};

/* ---- one command ---- */

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
        bench_die("operation code %02xh: %s", c->cdb[0], osd_status_text(st));
    if (cmd.scsi_status != SAM_GOOD)
        bench_refused(c, cmd.scsi_status, cmd.sense, cmd.sense_len);
    return cmd.in_len;
}

/* READ(10), WRITE(10) or the OSD's, of an area; aim() says where. */
static void make_io(struct bench_cmd *c, const struct side *side, bool write, enum area area,
                    unsigned size)
{
    uint8_t block[10] = {write ? 0x2a : 0x28};

    be16_put(block + 7, (uint16_t)(size / BLOCK));
    if (side->kind == LUN_BLOCK)
        bench_cmd_raw(c, block, sizeof(block));
    else
        bench_cmd_make(c, write ? OSD_OP_WRITE : OSD_OP_READ, LOAD_PID, LOAD_OID + area, size);
}

static void aim(struct bench_cmd *c, const struct side *side, enum area area, uint64_t at)
{
    if (side->kind == LUN_BLOCK)
        be32_put(c->cdb + 2, (uint32_t)((area * SPREAD + at) / BLOCK));
    else
        bench_cmd_start(c, at);
}

/* ---- one slice ---- */

static void send_next(struct slot *s)
{
    const struct load *l = s->slice->load;
    uint64_t n = s->slice->number++;

    s->slice->to_send--;
    s->slice->in_flight++;
    aim(&s->cdb, s->slice->side, hows[l->how].area,
        (l->how == ALLOCATE ? n : n * BENCH_STRIDE) * l->size % SPREAD);
    if (iscsi_submit(s->slice->side->session, &s->cmd))
        bench_die("the session died");
}

static void done(struct iscsi_command *cmd, void *arg)
{
    struct slot *s = arg;

    if (cmd->status)
        bench_die("%s: %s", hows[s->slice->load->how].name, osd_status_text(cmd->status));
    if (cmd->scsi_status != SAM_GOOD)
        bench_refused(&s->cdb, cmd->scsi_status, cmd->sense, cmd->sense_len);
    s->slice->in_flight--;
    if (s->slice->to_send > 0)
        send_next(s);
}

static void make_slot(struct slot *s, struct slice *slice, uint8_t *memory)
{
    const struct how *how = &hows[slice->load->how];
    struct osd_iov whole;

    s->slice = slice;
    s->buffer = (struct iovec){memory, slice->load->size};
    make_io(&s->cdb, slice->side, how->write, how->area, slice->load->size);
    whole = osd_iov_make(&s->buffer, 1);
    s->cmd = (struct iscsi_command){.lun = slice->side->lun,
                                    .cdb = s->cdb.cdb,
                                    .cdb_len = s->cdb.cdb_len,
                                    .retry = ISCSI_RETRY_NEVER,
                                    .done = done,
                                    .arg = s};
    *(how->write ? &s->cmd.out : &s->cmd.in) = whole;
}

/* Microseconds per command of n commands. */
static double run_slice(const struct side *side, const struct load *load, uint64_t n)
{
    static uint8_t memory[BENCH_DEPTH][MAX_IO];
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

/* ---- areas ---- */

static struct bench_target target_of(struct side *side)
{
    return (struct bench_target){.run = run_there, .arg = side};
}

/* One UNMAP may take 4 MiB of a fileio LUN. */
static void unmap(struct side *side, enum area area)
{
    static const uint8_t cdb[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0};
    const uint32_t step = 4 * MIB / BLOCK;
    struct bench_target to = target_of(side);
    uint8_t list[24] = {0, 22, 0, 16};
    struct bench_cmd c;

    bench_cmd_raw(&c, cdb, sizeof(cdb));
    c.out = (struct iovec){list, sizeof(list)};
    for (uint64_t at = 0; at < SPREAD / BLOCK; at += step) {
        be64_put(list + 8, area * SPREAD / BLOCK + at);
        be32_put(list + 16, step);
        bench_cmd_run(&to, &c);
    }
}

static void object(struct side *side, enum osd_op op, enum area area)
{
    struct bench_target to = target_of(side);
    struct bench_cmd c;

    bench_cmd_make(&c, op, LOAD_PID, LOAD_OID + area, 0);
    bench_cmd_run(&to, &c);
}

/* Nothing allocated in FRESH. */
static void clear_fresh(struct side *side)
{
    if (side->kind == LUN_BLOCK) {
        unmap(side, FRESH);
        return;
    }
    object(side, OSD_OP_REMOVE, FRESH);
    object(side, OSD_OP_CREATE, FRESH);
}

static void fill(struct side *side, enum area area)
{
    struct bench_target to = target_of(side);
    static uint8_t memory[FILL_IO];
    struct bench_cmd c;

    memset(memory, 0x5a, sizeof(memory));
    make_io(&c, side, true, area, FILL_IO);
    c.out = (struct iovec){memory, FILL_IO};
    for (uint64_t at = 0; at < SPREAD; at += FILL_IO) {
        aim(&c, side, area, at);
        bench_cmd_run(&to, &c);
    }
}

/* What a LUN touches for the first time is touched then: each page of the ring, of the store's
 * journal, of files that are mapped when they are read often (MAPPED_HOT times each). */
static void warm(struct side *side)
{
    static const struct load loads[] = {
        {OVERWRITE, 4096, 16}, {READ, 65536, 16}, {READ, MIB, 16}};
    static const uint64_t commands[] = {40000, 10240, 64};

    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
        run_slice(side, &loads[i], commands[i]);
}

/* ---- loads ---- */

#define SHORT_SLICE    10    /* ms; with less nobody looks at the figures */
#define MOST_BY_CHANCE 4096u /* bytes; of larger commands the bytes take most of the time */

struct options {
    const char *url, *json;
    unsigned pairs, slice_ms;
    const char *only; /* a load or a table of them; NULL: all */
    uint64_t luns[LUN_KINDS];
    uint64_t secured; /* a LUN with bench_signer_first_key(); NO_LUN: there is none */
    bool only_block;
};

static double slice(struct side *side, const struct load *l, uint64_t n)
{
    if (l->how == ALLOCATE)
        clear_fresh(side);
    return run_slice(side, l, n);
}

/* How a load is compared: in each pair every side has so many slices, taking turns. */
struct plan {
    unsigned pairs, turns;
    double slice_ms;
};

static struct plan plan_for(const struct options *o, const struct load *l, bool goal)
{
    if (!goal)
        return (struct plan){o->pairs, 1, o->slice_ms};
    if (l->depth == 1 || l->size > MOST_BY_CHANCE)
        return (struct plan){2 * o->pairs, 1, o->slice_ms};
    return (struct plan){3 * o->pairs, 10, o->slice_ms / 3.0};
}

/* Commands for a slice. */
static uint64_t calibrate(double slice_ms, struct side *side, const struct load *l)
{
    uint64_t most = SPREAD / l->size;
    uint64_t few = most / 4 < CALIBRATE ? most / 4 : CALIBRATE;
    uint64_t n = (uint64_t)(slice_ms * 1000.0 / slice(side, l, few)) + l->depth;

    return l->how == ALLOCATE && n > most ? most : n;
}

static void measure_load(const struct plan *plan, struct side *sides, const struct load *l,
                         struct bench_series *us)
{
    uint64_t n[LUN_KINDS];

    for (int k = 0; k < LUN_KINDS; k++)
        n[k] = sides[k].there ? calibrate(plan->slice_ms, &sides[k], l) : 0;
    for (unsigned pair = 0; pair < plan->pairs; pair++) {
        double sum[LUN_KINDS] = {0};
        for (unsigned i = 0; i < plan->turns * LUN_KINDS; i++) {
            unsigned turn = pair * plan->turns + i / LUN_KINDS, at = i % LUN_KINDS;
            int k = (int)(turn % 2 ? LUN_KINDS - 1 - at : at);
            if (sides[k].there)
                sum[k] += slice(&sides[k], l, n[k]);
        }
        for (int k = 0; k < LUN_KINDS; k++)
            if (sides[k].there)
                bench_series_add(&us[k], sum[k] / plan->turns);
    }
}

static void describe_load(json_t *list, const struct load *l, const char *lun)
{
    json_t *row = json_array_get(list, json_array_size(list) - 1);

    json_object_set_new(row, "how", json_string(hows[l->how].name));
    json_object_set_new(row, "size", json_integer(l->size));
    json_object_set_new(row, "depth", json_integer(l->depth));
    json_object_set_new(row, "lun", json_string(lun));
}

static const char *name_of(const struct load *l, char *name, size_t len)
{
    bool mib = l->size >= MIB;

    snprintf(name, len, "%s %u %s QD%u", hows[l->how].name,
             (unsigned)(l->size / (mib ? MIB : 1024)), mib ? "MiB" : "KiB", l->depth);
    return name;
}

static void report_load(const struct side *sides, const struct load *l,
                        const struct bench_series *us, json_t *times, json_t *ratios)
{
    static const char *const luns[] = {"object LUN", "empty handler", "block LUN"};
    char name[64], what[128];

    name_of(l, name, sizeof(name));
    for (int k = 0; k < LUN_KINDS; k++) {
        if (!sides[k].there)
            continue;
        snprintf(what, sizeof(what), "%s, %s", name, luns[k]);
        bench_report(times, name, what, "us", &us[k], 0, true);
        describe_load(times, l, luns[k]);
    }
    for (int k = LUN_EMPTY; k < LUN_KINDS; k++) {
        struct bench_series r = bench_series_ratio(&us[k], &us[LUN_OSD]);
        if (r.n == 0)
            continue;
        snprintf(what, sizeof(what), "%s / %s", name, luns[k]);
        bench_report(ratios, name, what, "ratio", &r,
                     k == LUN_EMPTY ? l->over_empty : l->over_block, false);
        describe_load(ratios, l, luns[k]);
    }
}

static void measure_loads(const struct options *o, struct side *sides, const struct load *l,
                          size_t n, const char *title, json_t *root)
{
    json_t *times = json_array(), *ratios = json_array();
    struct bench_series us[LUN_KINDS];
    char key[64];

    bench_report_head(title);
    for (size_t i = 0; i < n; i++) {
        if (o->only && strcmp(title, o->only) != 0 &&
            strcmp(name_of(&l[i], key, sizeof(key)), o->only) != 0)
            continue;
        memset(us, 0, sizeof(us));
        struct plan plan = plan_for(o, &l[i], l == goals);
        measure_load(&plan, sides, &l[i], us);
        report_load(sides, &l[i], us, times, ratios);
    }
    snprintf(key, sizeof(key), "%s_times", title);
    json_object_set_new(root, key, times);
    snprintf(key, sizeof(key), "%s_ratios", title);
    json_object_set_new(root, key, ratios);
}

static void measure_sizes(const struct options *o, struct side *sides, json_t *root)
{
    static const unsigned ways[] = {READ, ALLOCATE, OVERWRITE};
    struct load loads[3 * N_SIZES];

    for (size_t i = 0; i < 3 * N_SIZES; i++)
        loads[i] = (struct load){.how = ways[i % 3], .size = sizes[i / 3], .depth = 1};
    measure_loads(o, sides, loads, 3 * N_SIZES, "sizes", root);
}

/* ---- several clients ---- */

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

#define MAX_CLIENTS  16
#define CLIENT_BYTES 4096u

static const unsigned clients[] = {1, 2, 4, 8, 16};
#define N_CLIENTS (sizeof(clients) / sizeof(clients[0]))

/* One with a session of its own, one command at a time, in the DIRTY area. */
struct client {
    pthread_t thread;
    pthread_barrier_t *start;
    struct side side;
    bool write;
    unsigned number;
    uint64_t commands, from, to; /* ns */
    uint8_t data[CLIENT_BYTES];
};

static void *run_client(void *arg)
{
    struct client *me = arg;
    struct bench_target to = target_of(&me->side);
    struct bench_cmd c;

    make_io(&c, &me->side, me->write, DIRTY, CLIENT_BYTES);
    *(me->write ? &c.out : &c.in) = (struct iovec){me->data, CLIENT_BYTES};
    pthread_barrier_wait(me->start);
    me->from = bench_now_ns();
    for (uint64_t i = 0; i < me->commands; i++) {
        aim(&c, &me->side, DIRTY,
            (i * BENCH_STRIDE + me->number * SPREAD / MAX_CLIENTS / CLIENT_BYTES) *
                CLIENT_BYTES % SPREAD);
        bench_cmd_run(&to, &c);
    }
    me->to = bench_now_ns();
    return NULL;
}

/* Thousand commands per second of n clients together. */
static double client_rate(struct client *all, unsigned n, enum lun_kind kind, uint64_t lun,
                          bool write, uint64_t commands)
{
    pthread_barrier_t start;
    uint64_t from = UINT64_MAX, to = 0;

    pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        all[i].side.kind = kind;
        all[i].side.lun = lun;
        all[i].start = &start;
        all[i].write = write;
        all[i].number = i;
        all[i].commands = commands / n + 1;
        if (pthread_create(&all[i].thread, NULL, run_client, &all[i]))
            bench_die("no thread");
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(all[i].thread, NULL);
        from = all[i].from < from ? all[i].from : from;
        to = all[i].to > to ? all[i].to : to;
    }
    pthread_barrier_destroy(&start);
    return 1e6 * n * (double)(commands / n + 1) / (double)(to - from);
}

static void measure_client_load(const struct options *o, struct client *all, bool write,
                                json_t *list)
{
    static const char *const luns[] = {"object LUN", "empty handler", "block LUN"};
    struct bench_series rates[LUN_KINDS][N_CLIENTS] = {0};
    uint64_t commands = o->slice_ms * 10 + 16; /* at 10 a millisecond */
    char what[128];

    for (unsigned round = 0; round <= o->pairs; round++)
        for (size_t n = 0; n < N_CLIENTS; n++)
            for (int k = 0; k < LUN_KINDS; k++) {
                double r =
                    client_rate(all, clients[n], (enum lun_kind)k, o->luns[k], write, commands);
                if (round > 0)
                    bench_series_add(&rates[k][n], r);
            }
    for (int k = 0; k < LUN_KINDS; k++)
        for (size_t n = 0; n < N_CLIENTS; n++) {
            snprintf(what, sizeof(what), "%s 4 KiB, %u clients, %s", write ? "WRITE" : "READ",
                     clients[n], luns[k]);
            bench_report(list, write ? "overwrite" : "read", what, "k/s", &rates[k][n], 0,
                         false);
            bench_report_tag(list, "clients", clients[n]);
            json_object_set_new(json_array_get(list, json_array_size(list) - 1), "lun",
                                json_string(luns[k]));
        }
}

static struct iscsi_session *connect_to(const char *text)
{
    struct iscsi_options opt = {0};
    struct iscsi_session *session;
    struct iscsi_url url;
    char why[256] = "";

    if (iscsi_url_parse(text, &url, why, sizeof(why)) ||
        iscsi_connect(&url, &opt, &session, why, sizeof(why)))
        bench_die("%s: %s", text, why);
    return session;
}

static void measure_clients(const struct options *o, json_t *root)
{
    struct client *all = calloc(MAX_CLIENTS, sizeof(*all));
    json_t *list = json_array();

    if (!all)
        bench_die("out of memory");
    for (unsigned i = 0; i < MAX_CLIENTS; i++) {
        all[i].side.session = connect_to(o->url);
        for (int k = 0; k < LUN_KINDS; k++) {
            all[i].side.lun = o->luns[k];
            settle(&all[i].side);
        }
    }
    bench_report_head("clients, thousand commands/s");
    measure_client_load(o, all, false, list);
    measure_client_load(o, all, true, list);
    for (unsigned i = 0; i < MAX_CLIENTS; i++)
        iscsi_disconnect(all[i].side.session);
    free(all);
    json_object_set_new(root, "clients", list);
}

/* ---- Table 3 of the paper ---- */

#define MOST_OVER   1.05 /* what CMDRSP may cost over CAPKEY */
#define MANY_STEPS  300u /* READ and WRITE, where noise would hide it most */
#define FEW_STEPS   100u
#define QUICK_STEPS 10u
#define PAIR_STEPS  500u /* where two methods are compared: see measure_ratio() */
#define PAIRS       6u /* ... for each pair that other comparisons have: they differ by so little */
#define WARM_STEPS  70000u /* WRITEs: more than there are outcomes on record */

/* The columns: the methods, then the empty handler, which needs none. */
enum { RATIO = BENCH_METHODS, EMPTY, COLUMNS };

/* One command at a time on two units: what is signed goes to one, the same unsigned to the other. */
struct table3 {
    struct bench_signer *signer, *none;
    struct bench_target to, to_empty;
    struct bench_work work, work_empty;
};

static double one_batch(struct table3 *t, const struct bench_op *op, int column)
{
    if (column == EMPTY)
        return bench_signer_batch(t->none, &t->work_empty, op, BENCH_NOSEC);
    return bench_signer_batch(t->signer, &t->work, op, (enum bench_method)column);
}

static double settle_us(const struct table3 *t)
{
    struct bench_target to = bench_signer_unit(t->signer);

    return (double)bench_settle(&to, LOAD_PID, LOAD_OID) / 1000.0;
}

/* What a slice leaves for RocksDB, for each of its commands. */
static double left_us(struct table3 *t, const struct bench_op *op, enum bench_method method)
{
    one_batch(t, op, (int)method);
    return settle_us(t) / op->batch;
}

/* CMDRSP over CAPKEY, in turns of a few commands. The guest's scheduler knows no time but the tick's:
 * from one to the next, for a hundred commands, threads get the CPU in the same order, on which up to a
 * third of a command's time depends, and a slice of one method would be a few throws of the dice.
 * What a command changes also has to be put into RocksDB, many keys at a time, on the one CPU there
 * is. That is asked for behind slices of each method by itself, which have so few commands that
 * nothing is put before, and added. */
static struct bench_series measure_ratio(const struct options *o, struct table3 *t,
                                         const struct bench_op *command)
{
    struct bench_series us[BENCH_METHODS] = {0};
    struct bench_op op = *command;
    unsigned most = o->slice_ms < SHORT_SLICE ? QUICK_STEPS : PAIR_STEPS;

    op.batch = op.batch < most ? op.batch : most;
    settle_us(t);
    for (unsigned pair = 0; pair < PAIRS * o->pairs; pair++) {
        enum bench_method first = pair % 2 ? BENCH_CMDRSP : BENCH_CAPKEY;
        enum bench_method m[2] = {first, first == BENCH_CAPKEY ? BENCH_CMDRSP : BENCH_CAPKEY};
        double one[2];
        bench_signer_turns(t->signer, &t->work, &op, m, one);
        settle_us(t);
        for (int i = 0; i < 2; i++)
            bench_series_add(&us[m[i]], one[i] + left_us(t, &op, m[i]));
    }
    return bench_series_ratio(&us[BENCH_CMDRSP], &us[BENCH_CAPKEY]);
}

static void report_command(json_t *list, const struct bench_op *op,
                           const struct bench_series us[COLUMNS])
{
    char what[128];

    for (int c = 0; c < COLUMNS; c++) {
        snprintf(what, sizeof(what), "%s, %s", op->what,
                 c == RATIO   ? "CMDRSP / CAPKEY"
                 : c == EMPTY ? "empty handler"
                              : bench_method_names[c]);
        bench_report(list, op->name, what, c == RATIO ? "" : "us", &us[c],
                     c == RATIO ? MOST_OVER : 0, true);
        bench_report_tag(list, "method", (uint64_t)c);
    }
}

static void measure_command(const struct options *o, struct table3 *t, const char *name,
                            json_t *list)
{
    struct bench_series us[COLUMNS] = {0};
    struct bench_op op = *bench_op_find(name);
    bool many = strcmp(name, "read_4k") == 0 || strcmp(name, "write_4k") == 0;

    us[RATIO] = measure_ratio(o, t, &op);
    op.batch = o->slice_ms < SHORT_SLICE ? QUICK_STEPS : many ? MANY_STEPS : FEW_STEPS;
    for (unsigned round = 0; round <= 2 * o->pairs; round++)
        for (int k = 0; k < COLUMNS; k++) {
            int c = round % 2 ? COLUMNS - 1 - k : k;
            double one = c == RATIO ? 0 : one_batch(t, &op, c);
            if (round > 0 && c != RATIO)
                bench_series_add(&us[c], one);
        }
    report_command(list, &op, us);
}

/* As warm(), and each place for an outcome is used once. */
static void warm_signed(struct table3 *t)
{
    struct bench_op op = *bench_op_find("write_4k");

    op.batch = PAIR_STEPS;
    for (unsigned i = 0; i < WARM_STEPS / PAIR_STEPS; i++)
        one_batch(t, &op, BENCH_CMDRSP);
}

static void measure_table3(const struct options *o, struct side *secured, struct side *empty,
                           json_t *root)
{
    struct table3 t = {.signer = bench_signer_over(target_of(secured)),
                       .none = bench_signer_none(target_of(empty))};
    json_t *list = json_array();

    t.to = bench_signer_target(t.signer);
    t.to_empty = bench_signer_target(t.none);
    bench_work_init(&t.work, &t.to, "/", 0, BENCH_PID, 0);
    bench_work_init(&t.work_empty, &t.to_empty, "/", 0, BENCH_PID, 0);
    if (o->slice_ms >= SHORT_SLICE)
        warm_signed(&t);
    bench_report_head("latency under each security method at QD1, us");
    for (size_t i = 0; i < BENCH_TABLE3; i++)
        measure_command(o, &t, bench_table3[i], list);
    bench_work_end(&t.work);
    bench_work_end(&t.work_empty);
    bench_signer_close(t.signer);
    bench_signer_close(t.none);
    json_object_set_new(root, "table3", list);
}

/* ---- the program ---- */

/* What the loads find; the empty handler nods at all of it. */
static void furnish(struct side *side)
{
    struct bench_target to = target_of(side);

    if (side->kind != LUN_BLOCK) {
        bench_furnish(&to, 0);
        for (int area = CLEAN; area <= FRESH; area++)
            object(side, OSD_OP_CREATE, (enum area)area);
    }
    fill(side, CLEAN);
    fill(side, DIRTY);
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.pairs = 7, .slice_ms = 300, .luns = {0, 1, 2}, .secured = NO_LUN};
    bool first_key = false;
    const struct bench_option all[] = {
        BENCH_OPTION("url", "iscsi://HOST/TARGET", &o.url, NULL),
        BENCH_OPTION("osd", "LUN", &o.luns[LUN_OSD], "the objects (default 0)"),
        BENCH_OPTION("empty", "LUN", &o.luns[LUN_EMPTY], "the empty handler (default 1)"),
        BENCH_OPTION("block", "LUN", &o.luns[LUN_BLOCK], "the disk (default 2)"),
        BENCH_OPTION("secured", "LUN", &o.secured,
                     "objects, with security=nosec and the master key that --first-key prints"),
        BENCH_OPTION("only-block", NULL, &o.only_block, "there is the disk only"),
        BENCH_OPTION("only", "LOAD", &o.only,
                     "one load or table of loads, named as in the output; or: table3"),
        BENCH_OPTION_FROM("pairs", "N", &o.pairs, 1, BENCH_MAX_ROUNDS / PAIRS,
                          "of slices (default 7)"),
        BENCH_OPTION_FROM("slice", "MS", &o.slice_ms, 1, UINT_MAX, "(default 300)"),
        BENCH_OPTION("json", "FILE", &o.json, NULL),
        BENCH_OPTION("first-key", NULL, &first_key, "print that key, do nothing else"),
    };

    bench_options(argc, argv, all, sizeof(all) / sizeof(all[0]));
    if (first_key) {
        puts(bench_signer_first_key());
        exit(0);
    }
    if (!o.url)
        bench_die("--url is missing");
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct iscsi_session *session = connect_to(o.url);
    struct side sides[LUN_KINDS];
    json_t *root = json_object();

    for (int k = 0; k < LUN_KINDS; k++) {
        bool there = k == LUN_BLOCK || !o.only_block;
        sides[k] = (struct side){session, o.luns[k], (enum lun_kind)k, there};
        if (!there)
            continue;
        settle(&sides[k]);
        furnish(&sides[k]);
        if (o.slice_ms >= SHORT_SLICE)
            warm(&sides[k]);
    }
    bench_describe(root);
    measure_loads(&o, sides, goals, sizeof(goals) / sizeof(goals[0]), "depth", root);
    measure_sizes(&o, sides, root);
    if (!o.only_block && !o.only)
        measure_clients(&o, root);
    if (o.secured != NO_LUN && (!o.only || strcmp(o.only, "table3") == 0)) {
        struct side side = {session, o.secured, LUN_OSD, true};
        settle(&side);
        measure_table3(&o, &side, &sides[LUN_EMPTY], root);
    }
    bench_write(root, o.json);
    iscsi_disconnect(session);
    return 0;
}
