/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/uml/osd_load.c - load on one OSD through libosd, and the proof that it was carried out
 *
 * osd_load append [-c CLIENTS] [-n RECORDS] [-s SIZE] [-y] -a FILE PID OID
 *
 * Each client is a process with a session of its own and appends its records; where each
 * acknowledged one begins (as the device says) is kept in FILE, with -y on stable storage
 * before the next. Exit status 1 when a client had to give up.
 *
 * osd_load verify [the same options] -a FILE PID OID
 *
 * The object consists of whole records: every acknowledged one where it was said to be, none
 * twice, and of each client at most one that was sent but not acknowledged.
 *
 * osd_load create [-n OBJECTS] [-c THREADS] [-k OBJECTS_PER_COMMAND] PID
 *
 * Creates objects with ids of the device's choice, prints the rate.
 *
 * osd_load cost [-n SAMPLES] PID
 *
 * Prints what one CREATE, READ, GET ATTRIBUTES and LIST of 1,000 ids cost (medians).
 *
 * The device is $OSD_DEVICE.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "osd/osd.h"

#define MAX_CLIENTS 128
#define MAX_SIZE    (1u << 20)
#define LIST_PAGE   1000

struct load {
    long clients, records, per_command;
    size_t size;
    bool stable; /* acknowledgements too */
    const char *file;
    uint64_t pid, oid;
    uint64_t *acked; /* [client * records + record]: start + 1; 0 = not acknowledged */
};

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, osd_last_error());
    return 1;
}

static struct osd_session *open_session(void)
{
    const char *url = getenv("OSD_DEVICE");
    struct osd_session *s;

    if (!url || osd_open(url, NULL, &s)) {
        failed(url ? url : "OSD_DEVICE is not set");
        exit(2);
    }
    return s;
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- append ---- */

/* A record names its client and number, and the rest of it follows from them. */
static void make_record(const struct load *l, long client, long number, uint8_t *dst)
{
    for (size_t i = 0; i < l->size; i++)
        dst[i] = (uint8_t)(client * 31 + number * 7 + (long)i);
    snprintf((char *)dst, l->size, "%07ld.%07ld", client, number);
}

static bool map_acked(struct load *l, int flags)
{
    size_t len = (size_t)(l->clients * l->records) * sizeof(*l->acked);
    int fd = l->file ? open(l->file, flags, 0600) : -1;

    if (fd < 0 || ftruncate(fd, (off_t)len)) {
        perror(l->file ? l->file : "-a FILE");
        return false;
    }
    l->acked = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return l->acked != MAP_FAILED;
}

/* Remember that a record was acknowledged. */
static bool keep_acked(const struct load *l, long i, uint64_t start)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), at = (size_t)i * sizeof(*l->acked);

    l->acked[i] = start + 1;
    return !l->stable || msync((char *)l->acked + at / page * page, page, MS_SYNC) == 0;
}

static int append_records(const struct load *l, long client)
{
    struct osd_session *s = open_session();
    static uint8_t record[MAX_SIZE];
    uint64_t start;

    for (long i = 0; i < l->records; i++) {
        make_record(l, client, i, record);
        if (osd_append(s, l->pid, l->oid, record, l->size, &start))
            return failed("append");
        if (!keep_acked(l, client * l->records + i, start))
            return failed("msync");
    }
    osd_close(s);
    return 0;
}

static int run_append(struct load *l)
{
    double t0 = seconds();
    int status, bad = 0;

    if (!map_acked(l, O_RDWR | O_CREAT | O_TRUNC))
        return 2;
    for (long c = 0; c < l->clients; c++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(append_records(l, c));
        if (pid < 0)
            return 2;
    }
    while (wait(&status) > 0)
        bad += status != 0;
    printf("%ld clients appended %ld records of %zu bytes each: %.0f/s, %d gave up\n",
           l->clients, l->records, l->size,
           (double)(l->clients * l->records) / (seconds() - t0), bad);
    return bad > 0;
}

/* ---- verify ---- */

struct verdict {
    const struct load *l;
    struct osd_session *s;
    uint8_t *seen;
    long found, unacked;
};

static int check_record(struct verdict *v, uint64_t at)
{
    const struct load *l = v->l;
    static uint8_t got[MAX_SIZE], want[MAX_SIZE];
    long client, number;
    size_t n;

    if (osd_read(v->s, l->pid, l->oid, at, got, l->size, &n) || n != l->size)
        return failed("read");
    if (sscanf((const char *)got, "%7ld.%7ld", &client, &number) != 2 || client < 0 ||
        client >= l->clients || number < 0 || number >= l->records) {
        fprintf(stderr, "no record at %" PRIu64 "\n", at);
        return 1;
    }
    make_record(l, client, number, want);
    if (memcmp(got, want, l->size) != 0) {
        fprintf(stderr, "record at %" PRIu64 " is damaged\n", at);
        return 1;
    }
    long i = client * l->records + number;
    if (v->seen[i]++) {
        fprintf(stderr, "record %ld of client %ld is there twice\n", number, client);
        return 1;
    }
    if (l->acked[i] && l->acked[i] != at + 1) {
        fprintf(stderr, "record at %" PRIu64 " was said to be at %" PRIu64 "\n", at,
                l->acked[i] - 1);
        return 1;
    }
    v->found++;
    return 0;
}

/* Acknowledged records must be there; only the one in flight may be there without. */
static int check_client(struct verdict *v, long client)
{
    long unacked = 0;

    for (long i = client * v->l->records; i < (client + 1) * v->l->records; i++) {
        if (v->l->acked[i] && !v->seen[i]) {
            fprintf(stderr, "acknowledged record %ld is lost\n", i);
            return 1;
        }
        unacked += !v->l->acked[i] && v->seen[i];
    }
    v->unacked += unacked;
    if (unacked > 1)
        fprintf(stderr, "%ld records of client %ld that it never sent\n", unacked - 1, client);
    return unacked > 1;
}

static int get_length(struct osd_session *s, const struct load *l, uint64_t *ret)
{
    uint8_t value[8];
    struct osd_attr_get g = {.page = 1, .number = 0x82, .value = value, .cap = sizeof(value)};

    if (osd_get_attrs(s, l->pid, l->oid, &g, 1) || g.len != 8)
        return failed("length");
    *ret = 0;
    for (int i = 0; i < 8; i++)
        *ret = *ret << 8 | value[i];
    return 0;
}

static int run_verify(struct load *l)
{
    struct verdict v = {.l = l, .s = open_session()};
    uint64_t length = 0;
    int rc = get_length(v.s, l, &length);

    if (!map_acked(l, O_RDWR))
        return 2;
    v.seen = calloc((size_t)(l->clients * l->records), 1);
    if (!v.seen)
        return 2;
    if (length % l->size) {
        fprintf(stderr, "length %" PRIu64 " is not one of whole records\n", length);
        rc = 1;
    }
    for (uint64_t at = 0; at < length && !rc; at += l->size)
        rc = check_record(&v, at);
    for (long c = 0; c < l->clients && !rc; c++)
        rc = check_client(&v, c);
    printf("%" PRIu64 " bytes: %ld records, %ld of them not acknowledged: %s\n", length,
           v.found, v.unacked, rc ? "WRONG" : "right");
    free(v.seen);
    osd_close(v.s);
    return rc;
}

/* ---- create ---- */

struct creator {
    pthread_t thread;
    const struct load *l;
    struct osd_session *s;
    long objects;
    int rc;
};

static void *create_objects(void *arg)
{
    struct creator *c = arg;

    for (long done = 0; done < c->objects && !c->rc;) {
        long n = c->objects - done < c->l->per_command ? c->objects - done : c->l->per_command;
        struct osd_call call = {.verb = OSD_V_CREATE, .pid = c->l->pid, .length = (uint64_t)n};
        if (osd_execute(c->s, &call))
            c->rc = failed("create");
        done += n;
    }
    return NULL;
}

static int run_create(struct load *l)
{
    static struct creator creators[MAX_CLIENTS];
    struct osd_session *s = open_session();
    double t0 = seconds();
    int rc = 0;

    for (long i = 0; i < l->clients; i++) {
        long share = l->records * (i + 1) / l->clients - l->records * i / l->clients;
        creators[i] = (struct creator){.l = l, .s = s, .objects = share};
        if (pthread_create(&creators[i].thread, NULL, create_objects, &creators[i]))
            return 2;
    }
    for (long i = 0; i < l->clients; i++) {
        pthread_join(creators[i].thread, NULL);
        rc |= creators[i].rc;
    }
    printf("created %ld objects, %ld per command: %.0f/s\n", l->records, l->per_command,
           (double)l->records / (seconds() - t0));
    osd_close(s);
    return rc;
}

/* ---- cost ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct sample {
    struct osd_session *s;
    const struct load *l;
    uint64_t oid; /* the object of this sample */
};

static osd_status cost_create(struct sample *p)
{
    return osd_create(p->s, p->l->pid, 0, &p->oid);
}

static osd_status cost_write(struct sample *p)
{
    static const uint8_t data[4096];

    return osd_write(p->s, p->l->pid, p->oid, 0, data, sizeof(data));
}

static osd_status cost_read(struct sample *p)
{
    uint8_t data[4096];
    size_t n;

    return osd_read(p->s, p->l->pid, p->oid, 0, data, sizeof(data), &n);
}

static osd_status cost_attributes(struct sample *p)
{
    uint64_t length;

    return get_length(p->s, &(struct load){.pid = p->l->pid, .oid = p->oid}, &length) ? OSD_E_IO
                                                                                      : OSD_OK;
}

static osd_status cost_list(struct sample *p)
{
    static uint8_t page[24 + 8 * LIST_PAGE];
    struct osd_call c = {.verb = OSD_V_LIST,
                         .pid = p->l->pid,
                         .start = p->oid / 2, /* from the middle of the ids */
                         .in = page,
                         .in_len = sizeof(page)};
    return osd_execute(p->s, &c);
}

static const struct {
    const char *name;
    osd_status (*run)(struct sample *p);
} costs[] = {{"CREATE", cost_create},
             {"WRITE 4 KiB", cost_write},
             {"READ 4 KiB", cost_read},
             {"GET ATTRIBUTES", cost_attributes},
             {"LIST 1,000", cost_list}};

#define N_COSTS (sizeof(costs) / sizeof(costs[0]))

/* One sample of each cost. */
static int take_sample(struct sample *p, double *at, long stride)
{
    for (size_t i = 0; i < N_COSTS; i++) {
        double t0 = seconds();
        if (costs[i].run(p))
            return failed(costs[i].name);
        at[(long)i * stride] = (seconds() - t0) * 1e6;
    }
    return osd_remove(p->s, p->l->pid, p->oid) ? failed("remove") : 0;
}

static int run_cost(struct load *l)
{
    double *us = calloc((size_t)l->records * N_COSTS, sizeof(*us));
    struct sample p = {.s = open_session(), .l = l};

    for (long i = 0; us && i < l->records; i++)
        if (take_sample(&p, us + i, l->records))
            return 1;
    for (size_t i = 0; us && i < N_COSTS; i++) {
        double *t = us + (long)i * l->records;
        qsort(t, (size_t)l->records, sizeof(*t), by_value);
        printf("%-16s %8.0f us median %8.0f us at 90 %%\n", costs[i].name, t[l->records / 2],
               t[l->records * 9 / 10]);
    }
    free(us);
    osd_close(p.s);
    return 0;
}

/* ---- command line ---- */

static const struct {
    const char *name;
    int n_args;
    int (*run)(struct load *l);
} verbs[] = {{"append", 2, run_append},
             {"verify", 2, run_verify},
             {"create", 1, run_create},
             {"cost", 1, run_cost}};

static bool parse(struct load *l, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "c:n:s:k:a:y")) >= 0) {
        long n = optarg ? strtol(optarg, NULL, 0) : 0;
        switch (c) {
        case 'c':
            l->clients = n;
            break;
        case 'n':
            l->records = n;
            break;
        case 's':
            l->size = (size_t)n;
            break;
        case 'k':
            l->per_command = n;
            break;
        case 'a':
            l->file = optarg;
            break;
        case 'y':
            l->stable = true;
            break;
        default:
            return false;
        }
    }
    if (optind < argc)
        l->pid = strtoull(argv[optind], NULL, 0);
    if (optind + 1 < argc)
        l->oid = strtoull(argv[optind + 1], NULL, 0);
    return l->clients >= 1 && l->clients <= MAX_CLIENTS && l->records >= 1 && l->size >= 16 &&
           l->size <= MAX_SIZE && l->per_command >= 1;
}

int main(int argc, char **argv)
{
    static struct load l = {.clients = 8, .records = 100, .size = 64, .per_command = 1};

    for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(argv[1], verbs[i].name) == 0 && parse(&l, argc - 1, argv + 1) &&
            argc - 1 - optind == verbs[i].n_args)
            return verbs[i].run(&l);
    fprintf(stderr, "usage: see the top of osd_load.c\n");
    return 3;
}
