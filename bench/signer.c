/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/signer.c - see signer.h
 */
#include "signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"
#include "security/dh.h"
#include "security/grants.h"
#include "security/icv.h"

#define MASTER_BYTE 0xa1
#define VERSION     3 /* of the working keys */
#define EXPIRES     0x020251fe2400ULL
#define AT_ICV      184 /* in a CDB of the second generation */
#define COUNTS_OUT  24  /* lengths in front of the value over Data-Out */
#define COUNTS_IN   16
#define LIST_PID    (BENCH_PID + 1)

const char *const bench_method_names[BENCH_METHODS] = {"NOSEC", "NOSEC, nonce", "CAPKEY",
                                                       "CMDRSP", "ALLDATA"};

const char *const bench_table3[BENCH_TABLE3] = {
    "create_partition", "create",  "list_1k",  "list_root", "set_1",           "write_4k",
    "append_64",        "read_4k", "get_page", "remove",    "remove_partition"};

enum { ROOT_KEY = 1, PARTITION_KEY = 2, WORKING_KEY = 3 };

struct key {
    uint8_t part[2][OSD_KEY_LEN]; /* by enum osd_key_part */
};

/* Two methods in turn. */
struct turns {
    const enum bench_method *method;
    unsigned commands[2];
    uint64_t spent[2]; /* ticks() */
};

struct bench_signer {
    struct osd_device *dev; /* NULL: somebody else's unit */
    struct bench_target plain;
    enum bench_method method;
    struct turns *turns; /* NULL: method alone */
    uint64_t spent;      /* ticks() */
    uint64_t nonces;
    struct key master, root, partition[3], working[3];
    uint8_t system_id[OSD_SYSTEM_ID_LEN], token[16];
    uint8_t secret[OSD_DH_MAX], offered[OSD_DH_MAX]; /* for the next master key */
    uint8_t out[BENCH_BUF + KIB], in[BENCH_BUF + KIB];
};

/* Partitions with keys; 0 is the device's own, BENCH_PID the second. */
static const uint64_t keyed[3] = {0, BENCH_PID, LIST_PID};

static const uint8_t *working_key(const struct bench_signer *s, const struct osd_cdb *c)
{
    bool device = c->op == OSD_OP_CREATE_PARTITION || c->op == OSD_OP_REMOVE_PARTITION;

    for (int i = 0; i < 3; i++)
        if (keyed[i] == (device ? 0 : c->pid))
            return s->working[i].part[OSD_KEY_AUTHENTICATION];
    bench_die("no key for partition %llx", (unsigned long long)c->pid);
}

/* ---- signing ---- */

static void must(osd_status st)
{
    if (st)
        bench_die("signing: %s", osd_status_text(st));
}

static void add_capability(struct osd_cdb *c, uint8_t method)
{
    const struct osd_grant *g = osd_grant_of(c->op);
    uint8_t own = c->oid ? OSD_TYPE_USER : c->pid ? OSD_TYPE_PARTITION : OSD_TYPE_ROOT;
    uint8_t type = g->type ? g->type : own;

    c->cap = (struct osd_capability){
        .format = 2,
        .key_version = VERSION,
        .icv_algorithm = 1,
        .method = method,
        .expiration = EXPIRES,
        .object_type = type,
        .descriptor = g->descriptor ? g->descriptor : osd_grant_descriptor(type, false),
        .allowed_pid = c->pid,
        .allowed_oid = type == OSD_TYPE_USER ? c->oid : 0};
    c->cap.permissions = (uint16_t)(osd_grant_permissions(c) | OSD_PERM_GET_ATTR |
                                    (c->op == OSD_OP_SET_KEY ? 0 : OSD_PERM_SET_ATTR));
}

static void add_nonce(struct bench_signer *s, struct osd_cdb *c)
{
    uint64_t now = osd_clock_now(&osd_clock_system);

    be48_put(c->sec.nonce, now);
    be48_put(c->sec.nonce + 6, ++s->nonces);
}

/* Encode, and sign with the credential's key, which is returned. */
static void seal(const struct bench_signer *s, const struct osd_cdb *c, const uint8_t *secret,
                 struct bench_cmd *ret, uint8_t key[OSD_KEY_LEN])
{
    const struct osd_bytes cap = {ret->cdb + OSD_CAPABILITY_AT, OSD2_CAPABILITY_LEN};
    const struct osd_bytes token = {s->token, sizeof(s->token)};
    uint8_t icv[OSD_KEY_LEN];

    must(osd_cdb_encode(c, ret->cdb, &ret->cdb_len));
    must(osd_capability_key(secret, cap, s->system_id, key));
    must(c->cap.method == OSD_SEC_CAPKEY ? osd_mac(key, &token, 1, icv)
                                         : osd_request_icv(key, OSD_GEN2, ret->cdb, icv));
    osd_icv_put(icv, ret->cdb + AT_ICV, OSD_ICV2_LEN);
}

static uint64_t up(uint64_t n)
{
    return (n + 255) / 256 * 256;
}

/* Room for the integrity values behind both directions' data. */
static void widen(struct bench_signer *s, struct bench_cmd *c, struct osd_cdb *cdb)
{
    uint64_t out = c->out.iov_len, in = c->in.iov_len;

    if (out > 0) {
        memcpy(s->out, c->out.iov_base, out);
        cdb->sec.data_out_icv_off = up(out);
        c->out = (struct iovec){s->out, up(out) + COUNTS_OUT + OSD_ICV2_LEN};
    }
    if (in > 0) {
        cdb->sec.data_in_icv_off = up(in);
        c->in = (struct iovec){s->in, up(in) + COUNTS_IN + OSD_ICV2_LEN};
    }
}

/* Command data or a list: no command here has both. */
static void sign_data(struct bench_signer *s, const struct osd_cdb *c, uint64_t len,
                      const uint8_t key[OSD_KEY_LEN])
{
    bool sets = c->attr.format == OSD_ATTR_LIST && c->attr.set_len > 0;
    bool gets = c->attr.format == OSD_ATTR_LIST && c->attr.get_list_len > 0;
    uint8_t *info = s->out + up(len), icv[OSD_KEY_LEN];
    const struct osd_bytes pieces[] = {{s->out, len}, {info, COUNTS_OUT}};

    be64_put(info, sets || gets ? 0 : len);
    be64_put(info + 8, sets ? len : 0);
    be64_put(info + 16, gets ? len : 0);
    must(osd_mac(key, pieces, 2, icv));
    osd_icv_put(icv, info + COUNTS_OUT, OSD_ICV2_LEN);
}

static void sign(struct bench_signer *s, struct bench_cmd *c)
{
    uint64_t out = c->out.iov_len;
    struct osd_wire_error err;
    uint8_t key[OSD_KEY_LEN];
    struct osd_cdb cdb;

    if (osd_cdb_decode(c->cdb, c->cdb_len, &cdb, &err))
        bench_die("own CDB, byte %u: %s", err.field, err.what);
    if (s->method != BENCH_CAPKEY)
        add_nonce(s, &cdb);
    if (s->method == BENCH_NONCE) {
        must(osd_cdb_encode(&cdb, c->cdb, &c->cdb_len));
        return;
    }
    add_capability(&cdb, s->method == BENCH_CAPKEY   ? OSD_SEC_CAPKEY
                         : s->method == BENCH_CMDRSP ? OSD_SEC_CMDRSP
                                                     : OSD_SEC_ALLDATA);
    if (s->method == BENCH_ALLDATA)
        widen(s, c, &cdb);
    seal(s, &cdb, working_key(s, &cdb), c, key);
    if (s->method == BENCH_ALLDATA && out > 0)
        sign_data(s, &cdb, out, key);
}

/* What grows evenly while time does. */
static uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return bench_now_ns();
#endif
}

static uint64_t run_timed(struct bench_signer *s, const struct bench_cmd *c, uint64_t *spent)
{
    uint64_t t0 = ticks();
    uint64_t n = bench_cmd_run(&s->plain, c);

    *spent += ticks() - t0;
    return n;
}

static uint64_t run_in_turn(struct bench_signer *s, const struct bench_cmd *command)
{
    struct turns *t = s->turns;
    struct bench_cmd c[2] = {*command, *command};
    int side = (t->commands[0] + t->commands[1]) / BENCH_TURN % 2;

    for (int i = 0; i < 2; i++) {
        s->method = t->method[i];
        sign(s, &c[i]);
    }
    t->commands[side]++;
    return run_timed(s, &c[side], &t->spent[side]);
}

static uint64_t run_signed(void *arg, const struct bench_cmd *command)
{
    struct bench_signer *s = arg;
    struct bench_cmd c = *command;

    if (s->turns)
        return run_in_turn(s, command);
    if (s->method != BENCH_NOSEC)
        sign(s, &c);
    return run_timed(s, &c, &s->spent);
}

/* ---- keys ---- */

/* Encode and sign a command on keys. */
static void seal_keys(struct bench_signer *s, struct osd_cdb *c, uint8_t type,
                      const uint8_t *secret, struct bench_cmd *ret)
{
    uint8_t key[OSD_KEY_LEN];

    add_nonce(s, c);
    add_capability(c, OSD_SEC_CMDRSP);
    c->cap.object_type = type;
    memset(ret, 0, sizeof(*ret));
    seal(s, c, secret, ret, key);
}

static struct osd_cdb make_set_key(struct bench_signer *s, uint8_t which, uint64_t pid,
                                   const uint8_t *secret, struct bench_cmd *ret)
{
    struct osd_cdb c = osd_cdb_make(OSD_OP_SET_KEY, OSD_GEN2, pid, 0);

    c.option = which;
    c.key_version = which == WORKING_KEY ? VERSION : 0;
    memset(c.seed, 0x10 * which, sizeof(c.seed));
    memset(c.key_id, 'a' + which, sizeof(c.key_id));
    seal_keys(s, &c, which == ROOT_KEY ? OSD_TYPE_ROOT : OSD_TYPE_PARTITION, secret, ret);
    return c;
}

static void derive(const struct key *parent, struct osd_bytes seed, struct key *ret)
{
    uint8_t generation[OSD_KEY_LEN]; /* the parent may be what is replaced */

    memcpy(generation, parent->part[OSD_KEY_GENERATION], sizeof(generation));
    for (int part = 0; part < 2; part++)
        must(osd_key_derive(generation, seed, (enum osd_key_part)part, ret->part[part]));
}

static void set_key(struct bench_signer *s, uint8_t which, uint64_t pid, const uint8_t *secret,
                    const struct key *parent, struct key *ret)
{
    struct bench_cmd cmd;
    struct osd_cdb c = make_set_key(s, which, pid, secret, &cmd);

    bench_cmd_run(&s->plain, &cmd);
    derive(parent, (struct osd_bytes){c.seed, sizeof(c.seed)}, ret);
}

void bench_signer_set_key(struct bench_signer *s, struct bench_cmd *ret)
{
    make_set_key(s, WORKING_KEY, BENCH_PID, s->partition[1].part[OSD_KEY_AUTHENTICATION], ret);
}

/* What both sides offered, each behind its length; and what they have in common. */
static void agree(struct bench_signer *s, const uint8_t *in, uint8_t *room)
{
    uint8_t shared[OSD_DH_MAX];

    be32_put(room, OSD_DH_MAX);
    memcpy(room + 4, s->offered, OSD_DH_MAX);
    memcpy(room + BENCH_MASTER_IN, in, BENCH_MASTER_IN);
    must(osd_dh_shared(OSD_DH_2048, s->secret, in + 4, shared));
    derive(&s->master, (struct osd_bytes){shared, sizeof(shared)}, &s->master);
}

void bench_signer_master_key(struct bench_signer *s, unsigned step, uint8_t *in, uint8_t *room,
                             struct bench_cmd *ret)
{
    struct osd_cdb c = osd_cdb_make(OSD_OP_SET_MASTER_KEY, OSD_GEN2, 0, 0);
    struct key old = s->master;

    c.option = (uint8_t)step;
    c.dh_group = OSD_DH_2048;
    memset(c.key_id, 'm', sizeof(c.key_id));
    c.param_len = step ? BENCH_MASTER_OUT : OSD_DH_MAX;
    c.alloc_len = step ? 0 : BENCH_MASTER_IN;
    if (step) {
        agree(s, in, room);
    } else {
        must(osd_dh_make(OSD_DH_2048, s->secret, s->offered));
        memcpy(room, s->offered, OSD_DH_MAX);
    }
    seal_keys(s, &c, OSD_TYPE_ROOT, old.part[OSD_KEY_AUTHENTICATION], ret);
    ret->out = (struct iovec){room, c.param_len};
    ret->in = (struct iovec){in, c.alloc_len};
}

/* Vital product data of the unit: the token that CAPKEY signs, and its name in credentials. */
static void learn(struct bench_signer *s)
{
    static const uint8_t token[6] = {0x12, 1, 0xb1, 0, 255, 0};
    static const uint8_t names[6] = {0x12, 1, 0x83, 0, 255, 0};
    uint8_t in[255];
    struct bench_cmd c;

    bench_cmd_raw(&c, token, sizeof(token));
    c.in = (struct iovec){in, sizeof(in)};
    bench_cmd_run(&s->plain, &c);
    memcpy(s->token, in + 4, sizeof(s->token));
    bench_cmd_raw(&c, names, sizeof(names));
    c.in = (struct iovec){in, sizeof(in)};
    uint64_t len = bench_cmd_run(&s->plain, &c);
    for (uint64_t at = 4; at + 4 <= len; at += 4u + in[at + 3])
        if ((in[at + 1] & 0xf) == 3) { /* NAA */
            memcpy(s->system_id, in + at, 4u + in[at + 3]);
            return;
        }
    bench_die("the unit has no NAA name");
}

const char *bench_signer_first_key(void)
{
    static char digits[4 * OSD_KEY_LEN + 1];

    for (size_t i = 0; i < 2 * OSD_KEY_LEN; i++)
        snprintf(digits + 2 * i, 3, "%02x", MASTER_BYTE);
    return digits;
}

struct bench_signer *bench_signer_none(struct bench_target plain)
{
    struct bench_signer *s = calloc(1, sizeof(*s));

    if (!s)
        bench_die("out of memory");
    s->plain = plain;
    return s;
}

struct bench_signer *bench_signer_over(struct bench_target plain)
{
    struct bench_signer *s = bench_signer_none(plain);

    memset(&s->master, MASTER_BYTE, sizeof(s->master));
    bench_furnish(&plain, 0);
    learn(s);
    set_key(s, ROOT_KEY, 0, s->master.part[OSD_KEY_AUTHENTICATION], &s->master, &s->root);
    for (int i = 0; i < 3; i++) {
        struct key *partition = &s->partition[i];
        set_key(s, PARTITION_KEY, keyed[i], s->root.part[OSD_KEY_AUTHENTICATION], &s->root,
                partition);
        set_key(s, WORKING_KEY, keyed[i], partition->part[OSD_KEY_AUTHENTICATION], partition,
                &s->working[i]);
    }
    return s;
}

struct bench_signer *bench_signer_open(const char *kind, const char *path)
{
    uint8_t first[2 * OSD_KEY_LEN];
    struct osd_device *dev;
    struct bench_signer *s;

    memset(first, MASTER_BYTE, sizeof(first));
    dev = bench_unit_open_keyed(kind, path, first);
    s = bench_signer_over(bench_unit_target(dev));
    s->dev = dev;
    return s;
}

void bench_signer_close(struct bench_signer *s)
{
    if (s->dev)
        osd_device_close(s->dev);
    free(s);
}

struct bench_target bench_signer_target(struct bench_signer *s)
{
    return (struct bench_target){.run = run_signed, .arg = s};
}

struct bench_target bench_signer_unit(const struct bench_signer *s)
{
    return s->plain;
}

void bench_signer_watch(struct bench_signer *s, struct bench_target between)
{
    s->plain = between;
}

void bench_signer_start(struct bench_signer *s, enum bench_method method)
{
    s->method = method;
    s->spent = 0;
}

/* The steps alone. Returns microseconds of a tick. */
static double run_steps(struct bench_work *w, const struct bench_op *op)
{
    uint64_t ns = bench_now_ns(), counted = ticks();

    for (unsigned i = 0; i < op->batch; i++)
        op->step(w, op, i);
    counted = ticks() - counted;
    ns = bench_now_ns() - ns;
    return (double)ns / (double)counted / 1000.0;
}

double bench_signer_batch(struct bench_signer *s, struct bench_work *w,
                          const struct bench_op *op, enum bench_method method)
{
    w->turn++;
    bench_signer_start(s, BENCH_NOSEC);
    op->prepare(w, op);
    bench_signer_start(s, method);
    double tick = run_steps(w, op);
    double us = tick * (double)s->spent / op->batch;
    bench_signer_start(s, BENCH_NOSEC);
    op->tidy(w, op);
    return us;
}

void bench_signer_turns(struct bench_signer *s, struct bench_work *w, const struct bench_op *op,
                        const enum bench_method method[2], double ret_us[2])
{
    struct turns t = {.method = method};

    w->turn++;
    bench_signer_start(s, BENCH_NOSEC);
    op->prepare(w, op);
    s->turns = &t;
    double tick = run_steps(w, op);
    s->turns = NULL;
    bench_signer_start(s, BENCH_NOSEC);
    op->tidy(w, op);
    for (int i = 0; i < 2; i++)
        ret_us[i] = tick * (double)t.spent[i] / t.commands[i];
}
