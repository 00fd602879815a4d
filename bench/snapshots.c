/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/snapshots.c - what a snapshot of 100,000 objects and 5 GiB costs, and that it stays
 *
 *     bench/snapshots DIRECTORY    (a new store is made in it; 13 GiB, some minutes)
 *
 * Fills a partition, takes a snapshot, then reads all of the snapshot in one thread and compares
 * it while another thread overwrites the source. Ends with 1 when a byte of the snapshot changed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define OBJECTS 100000u
#define LENGTH  53688u /* times OBJECTS: 5 GiB */
#define FIRST   0x10000u
#define LATER   1000000u /* what is added to a seed for the second content */

static struct osd_session *session;
static uint64_t source;

static void fill(uint8_t *dst, uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t at = 0; at < LENGTH; at += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(dst + at, &x, sizeof(x));
    }
}

static void write_one(unsigned i, uint64_t seed)
{
    uint8_t bytes[LENGTH];

    fill(bytes, seed);
    bench_must(osd_write(session, source, FIRST + i, 0, bytes, LENGTH), "write");
}

static void fill_source(void)
{
    uint64_t oid;

    bench_must(osd_create_partition(session, 0, &source), "partition");
    for (unsigned i = 0; i < OBJECTS; i++) {
        bench_must(osd_create(session, source, FIRST + i, &oid), "create");
        write_one(i, i);
    }
}

/** What the overwriting thread saw, and how it is told to stop. */
struct writer {
    unsigned stop, n;
    double longest, sum;
};

/* From the end, so that it meets the reader in the middle. */
static void *overwrite(void *arg)
{
    struct writer *w = arg;

    while (w->n < OBJECTS && !__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
        double begun = bench_now_ms();
        write_one(OBJECTS - 1 - w->n, OBJECTS - 1 - w->n + LATER);
        double took = bench_now_ms() - begun;
        w->longest = took > w->longest ? took : w->longest;
        w->sum += took;
        w->n++;
    }
    return NULL;
}

static uint64_t take_snapshot(const char *what)
{
    struct osd_call call = {.verb = OSD_V_CREATE_SNAPSHOT, .start = source};
    double begun = bench_now_ms();

    bench_must(osd_execute(session, &call), what);
    printf("%s: %.2f ms\n", what, bench_now_ms() - begun);
    return call.ret_pid;
}

/* How many objects of the snapshot are not what the source was filled with. */
static unsigned compare(uint64_t pid)
{
    static uint8_t got[LENGTH], want[LENGTH];
    unsigned wrong = 0;

    for (unsigned i = 0; i < OBJECTS; i++) {
        size_t n = 0;
        bench_must(osd_read(session, pid, FIRST + i, 0, got, LENGTH, &n), "read");
        fill(want, i);
        wrong += n != LENGTH || memcmp(got, want, LENGTH) != 0;
    }
    return wrong;
}

static unsigned read_beside_writer(uint64_t pid)
{
    struct writer w = {0};
    pthread_t thread;

    if (pthread_create(&thread, NULL, overwrite, &w) != 0)
        exit(2);
    double begun = bench_now_ms();
    unsigned wrong = compare(pid);
    double took = bench_now_ms() - begun;
    __atomic_store_n(&w.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    printf("read of all of it: %.0f ms, %u objects wrong\n", took, wrong);
    printf("source overwritten meanwhile: %u objects, mean %.2f ms, longest %.1f ms\n", w.n,
           w.n ? w.sum / w.n : 0, w.longest);
    return wrong;
}

int main(int argc, char **argv)
{
    struct osd_options options = {.create = true, .method = -1};
    struct osd_call refresh = {.verb = OSD_V_REFRESH};
    char url[4096];
    double begun;

    if (argc != 2 || argv[1][0] != '/') {
        fprintf(stderr, "usage: snapshots /DIRECTORY\n");
        return 2;
    }
    snprintf(url, sizeof(url), "file://%s", argv[1]);
    bench_must(osd_open(url, &options, &session), "open");
    fill_source();
    unsigned wrong = read_beside_writer(take_snapshot("CREATE SNAPSHOT"));
    uint64_t second = take_snapshot("CREATE SNAPSHOT once more");
    begun = bench_now_ms();
    bench_must(osd_remove_partition(session, second, true), "remove");
    printf("REMOVE PARTITION of that at once: %.2f ms\n", bench_now_ms() - begun);
    refresh.pid = take_snapshot("CREATE SNAPSHOT a third time");
    begun = bench_now_ms();
    bench_must(osd_execute(session, &refresh), "refresh");
    printf("REFRESH of that at once: %.2f ms\n", bench_now_ms() - begun);
    osd_close(session);
    return wrong ? 1 : 0;
}
