/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/iscsi_probe.c - one SCSI command (or many of the same) to a target
 *
 * iscsi_probe [options] URL CDBHEX
 *   -i N     Data-In length            -o FILE  Data-Out from a file ("-": -s N bytes of a
 * pattern) -s N     Data-Out length           -w FILE  write the Data-In there instead of
 * printing hex -n N     run it N times            -q N     so many in flight (default 1) -t MS
 * command timeout           -r MS    reconnect time -p CDB   run this CDB first and ignore its
 * result (clears unit attentions) -l NAME  initiator name            -d       discovery: list
 * targets and portals of the URL -m N     MaxRecvDataSegmentLength  -I       no immediate data
 *   -c       continue after failures   -S       mark the command safe to send again
 *   -z MS    wait that long after login
 * CDBHEX "-" with -d. Exit status: 0 GOOD, 1 other SCSI status, 2 transport failure, 3 usage.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "initiator/initiator.h"

#define PREPARE_TRIES 4

struct probe {
    struct iscsi_url url;
    struct iscsi_options opt;
    uint8_t cdb[300];
    size_t cdb_len, in_len, out_len;
    const char *in_file, *out_file, *prepare;
    long count, depth, wait_ms;
    bool discover, keep_going, safe;
    struct iscsi_session *session;
    long submitted, finished, bad;
    osd_status worst;
};

struct flight {
    struct iscsi_command cmd;
    struct iovec in, out;
    struct probe *p;
};

static size_t parse_hex(const char *text, uint8_t *dst, size_t max)
{
    size_t n = 0;

    for (; text[0] && text[1] && n < max; text += 2) {
        char two[3] = {text[0], text[1], 0}, *end;
        dst[n++] = (uint8_t)strtoul(two, &end, 16);
        if (*end)
            return 0;
    }
    return *text ? 0 : n;
}

static void print_hex(const char *name, const uint8_t *data, size_t len)
{
    printf("%s ", name);
    for (size_t i = 0; i < len; i++)
        printf("%02x", data[i]);
    printf("\n");
}

static void report(const struct iscsi_command *c, const struct probe *p)
{
    printf("transport %s\nstatus %02x\nin %llu\n", osd_status_name(c->status), c->scsi_status,
           (unsigned long long)c->in_len);
    if (c->sense_len > 0)
        print_hex("sense", c->sense, c->sense_len);
    if (c->in_len == 0)
        return;
    const uint8_t *data = c->in.v[0].iov_base;
    FILE *f = p->in_file ? fopen(p->in_file, "wb") : NULL;
    if (f) {
        fwrite(data, 1, c->in_len, f);
        fclose(f);
    } else {
        print_hex("data", data, c->in_len);
    }
}

static int verdict(const struct iscsi_command *c)
{
    return c->status ? 2 : c->scsi_status ? 1 : 0;
}

static void on_done(struct iscsi_command *c, void *arg)
{
    struct flight *f = arg;
    struct probe *p = f->p;

    p->finished++;
    if (verdict(c)) {
        if (p->bad++ == 0)
            report(c, p);
        p->worst = c->status ? c->status : p->worst;
        if (!p->keep_going)
            return;
    }
    if (p->submitted < p->count && iscsi_submit(p->session, c) == OSD_OK)
        p->submitted++;
}

/* A command with its own memory. */
static void prepare_flight(struct probe *p, struct flight *f)
{
    uint8_t *out = p->out_len ? calloc(1, p->out_len) : NULL;
    uint8_t *in = p->in_len ? calloc(1, p->in_len) : NULL;
    FILE *file = p->out_file && strcmp(p->out_file, "-") != 0 ? fopen(p->out_file, "rb") : NULL;

    for (size_t i = 0; i < p->out_len; i++)
        out[i] = (uint8_t)(i * 31 + (i >> 8));
    if (file) {
        if (fread(out, 1, p->out_len, file) != p->out_len)
            fprintf(stderr, "%s: short\n", p->out_file);
        fclose(file);
    }
    f->p = p;
    f->in = (struct iovec){in, p->in_len};
    f->out = (struct iovec){out, p->out_len};
    f->cmd = (struct iscsi_command){.lun = p->url.lun,
                                    .cdb = p->cdb,
                                    .cdb_len = p->cdb_len,
                                    .in = osd_iov_make(&f->in, in ? 1 : 0),
                                    .out = osd_iov_make(&f->out, out ? 1 : 0),
                                    .retry = p->safe ? ISCSI_RETRY_SAFE : ISCSI_RETRY_NEVER,
                                    .done = on_done,
                                    .arg = f};
}

static void release_flight(struct flight *f)
{
    free(f->in.iov_base);
    free(f->out.iov_base);
}

static void run_prepare(struct probe *p)
{
    uint8_t cdb[300];
    size_t len = parse_hex(p->prepare, cdb, sizeof(cdb));

    for (int i = 0; i < PREPARE_TRIES; i++) {
        struct iscsi_command c = {.lun = p->url.lun, .cdb = cdb, .cdb_len = len};
        if (iscsi_execute(p->session, &c) || c.scsi_status == 0)
            break;
    }
}

static int run_one(struct probe *p)
{
    struct flight f;

    prepare_flight(p, &f);
    iscsi_execute(p->session, &f.cmd);
    report(&f.cmd, p);
    int rc = verdict(&f.cmd);
    release_flight(&f);
    return rc;
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int run_many(struct probe *p)
{
    struct flight *f = calloc((size_t)p->depth, sizeof(*f));
    double t0 = seconds();

    if (!f)
        return 2;
    for (long i = 0; i < p->depth; i++) {
        prepare_flight(p, &f[i]);
        if (p->submitted < p->count && iscsi_submit(p->session, &f[i].cmd) == OSD_OK)
            p->submitted++;
    }
    while (p->finished < p->submitted && iscsi_service(p->session, -1) >= 0)
        ;
    double t = seconds() - t0;
    printf("%ld commands, %ld bad, %.3f s, %.0f/s, %.1f us each, %.1f MB/s\n", p->finished,
           p->bad, t, (double)p->finished / t, t * 1e6 / (double)p->finished,
           (double)p->finished * (double)(p->in_len + p->out_len) / t / 1e6);
    for (long i = 0; i < p->depth; i++)
        release_flight(&f[i]);
    free(f);
    return p->bad == 0 && p->finished == p->count ? 0 : p->worst ? 2 : 1;
}

static void on_target(void *arg, const char *target, const char *portal)
{
    printf("%s %s\n", target, portal);
}

static int run(struct probe *p)
{
    char reason[256] = "";
    osd_status st;

    if (p->discover) {
        st = iscsi_discover(&p->url, &p->opt, on_target, NULL, reason, sizeof(reason));
        if (st)
            fprintf(stderr, "%s: %s\n", osd_status_name(st), reason);
        return st ? 2 : 0;
    }
    st = iscsi_connect(&p->url, &p->opt, &p->session, reason, sizeof(reason));
    if (st) {
        fprintf(stderr, "%s: %s\n", osd_status_name(st), reason);
        return 2;
    }
    if (p->prepare)
        run_prepare(p);
    nanosleep(&(struct timespec){p->wait_ms / 1000, p->wait_ms % 1000 * 1000000}, NULL);
    int rc = p->count > 1 || p->depth > 1 ? run_many(p) : run_one(p);
    iscsi_disconnect(p->session);
    return rc;
}

static size_t file_size(const char *path)
{
    FILE *f = fopen(path, "rb");
    long n = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : 0;

    if (f)
        fclose(f);
    return n > 0 ? (size_t)n : 0;
}

/* The options; false: usage. */
static bool parse_options(struct probe *p, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "i:o:s:w:n:q:t:r:p:l:m:z:dIcS")) >= 0) {
        unsigned long n = optarg ? strtoul(optarg, NULL, 0) : 0;
        switch (c) {
        case 'i':
            p->in_len = n;
            break;
        case 'o':
            p->out_file = optarg;
            break;
        case 's':
            p->out_len = n;
            break;
        case 'w':
            p->in_file = optarg;
            break;
        case 'n':
            p->count = (long)n;
            break;
        case 'q':
            p->depth = (long)n;
            break;
        case 't':
            p->opt.command_timeout_ms = (uint32_t)n;
            break;
        case 'r':
            p->opt.reconnect_ms = (uint32_t)n;
            break;
        case 'p':
            p->prepare = optarg;
            break;
        case 'l':
            snprintf(p->opt.initiator_name, ISCSI_NAME_MAX, "%s", optarg);
            break;
        case 'm':
            p->opt.max_recv_segment = (uint32_t)n;
            break;
        case 'z':
            p->wait_ms = (long)n;
            break;
        case 'd':
            p->discover = true;
            break;
        case 'I':
            p->opt.no_immediate_data = true;
            break;
        case 'c':
            p->keep_going = true;
            break;
        case 'S':
            p->safe = true;
            break;
        default:
            return false;
        }
    }
    if (p->out_file && !p->out_len)
        p->out_len = file_size(p->out_file);
    return argc - optind == (p->discover ? 1 : 2) && p->depth > 0 && p->count > 0;
}

int main(int argc, char **argv)
{
    static struct probe p = {.count = 1, .depth = 1};
    char reason[256] = "";

    if (!parse_options(&p, argc, argv)) {
        fprintf(stderr,
                "usage: iscsi_probe [options] URL CDBHEX (see the top of its source)\n");
        return 3;
    }
    if (iscsi_url_parse(argv[optind], &p.url, reason, sizeof(reason))) {
        fprintf(stderr, "%s\n", reason);
        return 3;
    }
    if (!p.discover && (p.cdb_len = parse_hex(argv[optind + 1], p.cdb, sizeof(p.cdb))) == 0) {
        fprintf(stderr, "the CDB is not hex\n");
        return 3;
    }
    return run(&p);
}
