/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/query.c - QUERY of 100 matches among many members, without an index and with one
 *
 *     bench/query DIRECTORY [MEMBERS]    (a new store is made in it; 1,000,000: some minutes)
 *
 * Says how long a query takes, how long other commands take beside one that looks at every member,
 * how long the index takes to build, and what it costs to set an attribute that is indexed, beside
 * one that is not, in turn. Ends with 1 when a query does not find what it should.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plain.h"

#define MATCHES  100u
#define AT_ONCE  50000u /* objects made by one command */
#define PAGE     0x10000u
#define INDEXES  0x3000f000u
#define STATE    0x8001u
#define COMPLETE 2
#define SCANS    5
#define SEARCHES 101
#define SETS     4000

static struct osd_session *session;
static uint64_t pid, tracking, last; /* last: the greatest id of a member */
static unsigned members = 1000000;
static int wrong;

static void put64(uint8_t *dst, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        dst[i] = (uint8_t)v;
}

/* ---- what is asked ---- */

static void make_members(void)
{
    struct osd_call collection = {.verb = OSD_V_CREATE_COLLECTION}, track;
    uint8_t cid[8];
    struct osd_attr set[] = {{4, 1, cid, 8}, {PAGE, 1, "blue", 4}};

    bench_must(osd_create_partition(session, 0, &pid), "partition");
    collection.pid = pid;
    bench_must(osd_execute(session, &collection), "collection");
    put64(cid, collection.ret_oid);
    for (unsigned made = 0; made < members;) {
        unsigned n = members - made < AT_ONCE ? members - made : AT_ONCE;
        struct osd_call c = {.verb = OSD_V_CREATE,
                             .pid = pid,
                             .length = n,
                             .set = set,
                             .n_set = 2,
                             .no_results = true};
        bench_must(osd_execute(session, &c), "create");
        made += n;
    }
    last = collection.ret_oid + members; /* ids follow each other in a new partition */
    track = (struct osd_call){
        .verb = OSD_V_CREATE_TRACKING, .pid = pid, .start = collection.ret_oid};
    bench_must(osd_execute(session, &track), "tracking collection");
    tracking = track.ret_oid;
}

/* Every so many-th member is red. */
static void paint(void)
{
    struct osd_attr red = {PAGE, 1, "red", 3};

    for (unsigned i = 0; i < MATCHES; i++)
        bench_must(
            osd_set_attrs(session, pid, last - (uint64_t)i * (members / MATCHES), &red, 1),
            "paint");
}

static bool count(void *arg, uint64_t id)
{
    (void)id;
    ++*(unsigned *)arg;
    return true;
}

static double query_ms(void)
{
    struct osd_criterion red = {PAGE, 1, "red", "red", 3, 3};
    double begun = bench_now_ms();
    unsigned n = 0;

    bench_must(osd_query(session, pid, tracking, true, &red, 1, count, &n), "query");
    wrong |= n != MATCHES;
    return bench_now_ms() - begun;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report_queries(const char *what, unsigned n)
{
    double ms[SEARCHES];

    for (unsigned i = 0; i < n; i++)
        ms[i] = query_ms();
    qsort(ms, n, sizeof(ms[0]), by_value);
    printf("QUERY %s: median %.2f ms, least %.2f, most %.2f (%u times)\n", what, ms[n / 2],
           ms[0], ms[n - 1], n);
}

/* ---- others ---- */

struct others {
    unsigned stop, n;
    double longest, sum;
};

static void *set_attributes(void *arg)
{
    struct others *o = arg;
    struct osd_attr size = {PAGE, 2, "12345678", 8};

    while (!__atomic_load_n(&o->stop, __ATOMIC_RELAXED)) {
        uint64_t oid = last - (o->n * 7919u) % members;
        double begun = bench_now_ms();
        bench_must(osd_set_attrs(session, pid, oid, &size, 1), "set");
        double took = bench_now_ms() - begun;
        o->longest = took > o->longest ? took : o->longest;
        o->sum += took;
        o->n++;
    }
    return NULL;
}

static void beside_scan(void)
{
    struct others o = {0};
    pthread_t thread;

    if (pthread_create(&thread, NULL, set_attributes, &o) != 0)
        exit(2);
    double took = query_ms();
    __atomic_store_n(&o.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    printf("beside a QUERY of %.0f ms: %u SET ATTRIBUTES, mean %.3f ms, longest %.2f ms\n",
           took, o.n, o.n ? o.sum / o.n : 0, o.longest);
}

static void build_index(void)
{
    uint8_t spec[8], state = 0;
    struct osd_attr ask = {INDEXES, 1, spec, 8};
    struct osd_attr_get got = {.page = INDEXES, .number = STATE, .value = &state, .cap = 1};
    double begun;

    put64(spec, (uint64_t)PAGE << 32 | 1);
    begun = bench_now_ms();
    bench_must(osd_set_attrs(session, pid, 0, &ask, 1), "index");
    while (state != COMPLETE) {
        usleep(10000);
        bench_must(osd_get_attrs(session, pid, 0, &got, 1), "state");
    }
    printf("index built in %.1f s\n", (bench_now_ms() - begun) / 1e3);
}

/* Attribute 1 is indexed, 3 is not; each gets a new value each time. */
static void set_in_turn(void)
{
    static double ms[2][SETS];

    for (unsigned i = 0; i < 2 * SETS; i++) {
        char value[16];
        struct osd_attr a = {PAGE, i % 2 ? 3 : 1, value, 0};
        a.len = (uint16_t)snprintf(value, sizeof(value), "value-%07u", i);
        double begun = bench_now_ms();
        bench_must(osd_set_attrs(session, pid, last - members / MATCHES / 2, &a, 1), "set");
        ms[i % 2][i / 2] = bench_now_ms() - begun;
    }
    for (int k = 0; k < 2; k++)
        qsort(ms[k], SETS, sizeof(ms[k][0]), by_value);
    printf("SET ATTRIBUTES: indexed %.1f us, not indexed %.1f us (medians of %d)\n",
           ms[0][SETS / 2] * 1e3, ms[1][SETS / 2] * 1e3, SETS);
}

static void everything(void)
{
    unsigned n = 0;
    double begun = bench_now_ms();

    bench_must(osd_query(session, pid, tracking, true, NULL, 0, count, &n), "query");
    wrong |= n != members;
    printf("QUERY of all %u: %.0f ms\n", n, bench_now_ms() - begun);
}

int main(int argc, char **argv)
{
    struct osd_options options = {.create = true, .method = -1};
    char url[4096];

    if (argc < 2 || argc > 3 || argv[1][0] != '/') {
        fprintf(stderr, "usage: query /DIRECTORY [MEMBERS]\n");
        return 2;
    }
    if (argc == 3)
        members = (unsigned)strtoul(argv[2], NULL, 10);
    if (members < MATCHES)
        return 2;
    snprintf(url, sizeof(url), "file://%s", argv[1]);
    bench_must(osd_open(url, &options, &session), "open");
    make_members();
    paint();
    report_queries("without an index", SCANS);
    beside_scan();
    everything();
    build_index();
    report_queries("with an index", SEARCHES);
    set_in_turn();
    osd_close(session);
    return wrong;
}
