/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/unit.c - see unit.h
 */
#include "unit.h"

#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Places in a CDB of the second generation (reference 1.2, 1.7). */
#define AT_PID         16
#define AT_OID         24
#define AT_START       40
#define NONCE_FROM_END 20 /* nonce 12, then two offsets of 4 */

noreturn void bench_die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

void bench_remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static osd_status first_key(void *arg, uint8_t ret_key[40])
{
    memcpy(ret_key, arg, 40);
    return OSD_OK;
}

struct osd_device *bench_unit_open(const char *kind, const char *path)
{
    return bench_unit_open_keyed(kind, path, NULL);
}

struct osd_device *bench_unit_open_keyed(const char *kind, const char *path,
                                         const uint8_t *master)
{
    struct store_config cfg = {.path = path, .create = true, .clock = &osd_clock_system};
    struct osd_device_config dc = {.serial = "bench",
                                   .first_key = master ? first_key : NULL,
                                   .key_arg = (void *)(uintptr_t)master};
    struct osd_device *dev;
    char why[256] = "";
    osd_status st = OSD_E_INVALID;

    if (strcmp(kind, "memory") == 0) {
        st = store_memory_open(&cfg, &dc.store, why, sizeof(why));
    } else if (strcmp(kind, "rocksdb") == 0) {
        bench_remove_tree(path);
        st = store_rocksdb_open(&cfg, &dc.store, why, sizeof(why));
    }
    if (st == OSD_OK)
        st = osd_device_open(&dc, &dev);
    if (st)
        bench_die("store %s: %s %s", kind, osd_status_text(st), why);
    return dev;
}

/* ---- commands ---- */

static void encode(struct bench_cmd *c, const struct osd_cdb *cdb)
{
    if (osd_cdb_encode(cdb, c->cdb, &c->cdb_len))
        bench_die("%s cannot be encoded", osd_op_info(cdb->op)->name);
}

void bench_cmd_make(struct bench_cmd *c, enum osd_op op, uint64_t pid, uint64_t oid,
                    uint64_t length)
{
    struct osd_cdb cdb = osd_cdb_make(op, OSD_GEN2, pid, oid);

    cdb.length = length;
    memset(c, 0, sizeof(*c));
    encode(c, &cdb);
}

/* The same command with other attribute parameters. */
static void with_attrs(struct bench_cmd *c, const struct osd_attr_params *attr)
{
    struct osd_wire_error err;
    struct osd_cdb cdb;

    if (osd_cdb_decode(c->cdb, c->cdb_len, &cdb, &err))
        bench_die("own CDB, byte %u: %s", err.field, err.what);
    cdb.attr = *attr;
    encode(c, &cdb);
}

static struct osd_attr_id id_of(unsigned i)
{
    return (struct osd_attr_id){BENCH_CLIENT_PAGE, i + 1};
}

void bench_cmd_sets(struct bench_cmd *c, uint8_t *list, size_t cap, unsigned n,
                    const void *value, uint16_t len)
{
    struct osd_writer w = osd_writer_make(list, cap);
    struct osd_attr_params p = {.format = OSD_ATTR_LIST,
                                .get_list_off = OSD_OFFSET_UNUSED,
                                .retrieved_off = OSD_OFFSET_UNUSED};

    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_SET);
    for (unsigned i = 0; i < n; i++)
        osd_attr_put_value(&w, OSD_GEN2, id_of(i), value, len);
    osd_attr_list_close(&w, OSD_GEN2, 0);
    if (w.full > cap)
        bench_die("set list of %u attributes does not fit", n);
    p.set_len = (uint32_t)w.full;
    c->out = (struct iovec){list, w.full};
    with_attrs(c, &p);
}

void bench_cmd_gets(struct bench_cmd *c, uint8_t *list, size_t cap, unsigned n, void *in,
                    uint32_t in_len)
{
    struct osd_writer w = osd_writer_make(list, cap);
    struct osd_attr_params p = {
        .format = OSD_ATTR_LIST, .get_alloc_len = in_len, .set_off = OSD_OFFSET_UNUSED};

    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_GET);
    for (unsigned i = 0; i < n; i++)
        osd_attr_put_get(&w, OSD_GEN2, id_of(i));
    osd_attr_list_close(&w, OSD_GEN2, 0);
    if (w.full > cap)
        bench_die("get list of %u attributes does not fit", n);
    p.get_list_len = (uint32_t)w.full;
    c->out = (struct iovec){list, w.full};
    c->in = (struct iovec){in, in_len};
    with_attrs(c, &p);
}

void bench_cmd_gets_page(struct bench_cmd *c, uint32_t page, void *in, uint32_t in_len)
{
    struct osd_attr_params p = {.format = OSD_ATTR_PAGE,
                                .get_page = page,
                                .get_alloc_len = in_len,
                                .set_off = OSD_OFFSET_UNUSED};

    c->in = (struct iovec){in, in_len};
    with_attrs(c, &p);
}

void bench_cmd_raw(struct bench_cmd *c, const uint8_t *cdb, size_t len)
{
    memset(c, 0, sizeof(*c));
    memcpy(c->cdb, cdb, len);
    c->cdb_len = len;
}

void bench_cmd_pid(struct bench_cmd *c, uint64_t pid)
{
    be64_put(c->cdb + AT_PID, pid);
}

void bench_cmd_oid(struct bench_cmd *c, uint64_t oid)
{
    be64_put(c->cdb + AT_OID, oid);
}

void bench_cmd_start(struct bench_cmd *c, uint64_t start)
{
    be64_put(c->cdb + AT_START, start);
}

void bench_cmd_nonce(struct bench_cmd *c, uint64_t n)
{
    uint8_t *nonce = c->cdb + c->cdb_len - NONCE_FROM_END;

    be48_put(nonce, bench_now_ns() / 1000000);
    be48_put(nonce + 6, n);
}

noreturn void bench_refused(const struct bench_cmd *c, uint8_t status, const uint8_t *sense,
                            size_t sense_len)
{
    enum osd_op op = osd_op_by_action(be16_get(c->cdb + 8), NULL);
    struct osd_sense s;
    char line[256] = "no sense data";

    if (sense_len > 0 && osd_sense_decode(sense, sense_len, &s) == OSD_OK)
        osd_sense_format(&s, line, sizeof(line));
    bench_die("%s: status %02x: %s", op == OSD_OP_INVALID ? "?" : osd_op_info(op)->name, status,
              line);
}

static uint64_t run_here(void *arg, const struct bench_cmd *c)
{
    struct osd_request req = {.cdb = c->cdb,
                              .cdb_len = c->cdb_len,
                              .out = {&c->out, 1, c->out.iov_len},
                              .in = {&c->in, 1, c->in.iov_len}};
    struct osd_response r;

    osd_device_execute(arg, &req, &r);
    if (r.status != SAM_GOOD)
        bench_refused(c, r.status, r.sense, r.sense_len);
    return r.in_len;
}

struct bench_target bench_unit_target(struct osd_device *dev)
{
    return (struct bench_target){.run = run_here, .arg = dev};
}

void bench_pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        bench_die("cannot run on CPU %d: %m", cpu);
}

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
