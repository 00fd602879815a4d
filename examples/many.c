/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/many.c - many commands in flight from one thread, with an event loop of one's own
 *
 * cc many.c $(pkg-config --cflags --libs libosd) -o many
 * ./many file:///tmp/store 10000
 *
 * Makes so many objects, each with its number as data, and counts what succeeded. At most WINDOW
 * commands are submitted at a time: each that is done makes room for the next.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <osd/osd.h>

#define PARTITION 0x20000
#define WINDOW    64

struct run {
    struct osd_session *s;
    unsigned long next, total, done, failed;
};

struct slot {
    struct run *run;
    struct osd_call call;
    char data[24];
};

static void submit_next(struct slot *slot);

/* Runs inside osd_poll(), in our thread: no locks needed. */
static void on_done(struct osd_call *call, osd_status status, void *arg)
{
    struct slot *slot = arg;

    slot->run->done++;
    if (status) {
        slot->run->failed++;
        fprintf(stderr, "many: %s\n", osd_last_error());
    }
    submit_next(slot);
}

/* The slot's call and data stay untouched until on_done(). */
static void submit_next(struct slot *slot)
{
    struct run *run = slot->run;

    if (run->next == run->total)
        return;
    slot->call = (struct osd_call){.verb = OSD_V_CREATE_AND_WRITE,
                                   .pid = PARTITION,
                                   .out = slot->data,
                                   .no_results = true};
    slot->call.out_len = (size_t)snprintf(slot->data, sizeof(slot->data), "%lu", run->next++);
    if (osd_submit(run->s, &slot->call, on_done, slot)) {
        fprintf(stderr, "many: %s\n", osd_last_error());
        run->failed++;
        run->done++;
    }
}

static void run_all(struct run *run)
{
    struct pollfd fd = {.fd = osd_fd(run->s), .events = POLLIN};
    static struct slot slots[WINDOW];

    for (int i = 0; i < WINDOW; i++) {
        slots[i].run = run;
        submit_next(&slots[i]);
    }
    while (run->done < run->total) {
        poll(&fd, 1, -1); /* other descriptors of the program would stand beside it */
        osd_poll(run->s, 0);
    }
}

int main(int argc, char **argv)
{
    const struct osd_options options = {.create = true, .method = -1, .in_flight = WINDOW};
    struct run run = {0};
    osd_status st;

    if (argc != 3) {
        fprintf(stderr, "usage: many URL COUNT\n");
        return 2;
    }
    run.total = strtoul(argv[2], NULL, 10);
    if (osd_open(argv[1], &options, &run.s)) {
        fprintf(stderr, "many: %s\n", osd_last_error());
        return 1;
    }
    st = osd_create_partition(run.s, PARTITION, NULL);
    if (st && st != OSD_E_EXISTS)
        fprintf(stderr, "many: %s\n", osd_last_error());
    run_all(&run);
    osd_close(run.s);
    printf("%lu objects made, %lu failed\n", run.done - run.failed, run.failed);
    return run.failed ? 1 : 0;
}
