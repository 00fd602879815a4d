/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_net.c - discover, ping: what there is, and whether it answers
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

/* ---- discover ---- */

static void print_url(const char *url)
{
    print_clean(stdout, url);
    putchar('\n');
}

static void print_portal(void *arg, const char *target, const char *portal)
{
    char url[600];

    (*(uint64_t *)arg)++;
    snprintf(url, sizeof(url), "iscsi://%s/%s/0", portal, target);
    if (json_output)
        list_item(json_pack("{s:s, s:s, s:s}", "target", target, "portal", portal, "url", url));
    else
        print_url(url);
}

int verb_discover(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    const char *portal = argc ? argv[0] : o->device;
    char url[700];
    uint64_t n = 0;
    osd_status st;

    if (!portal)
        return usage_error("no portal: give host[:port] or iscsi://host[:port]");
    if (snprintf(url, sizeof(url), "%s%s", strstr(portal, "://") ? "" : "iscsi://", portal) >=
        (int)sizeof(url))
        return usage_error("the portal is longer than %zu bytes", sizeof(url) - 1);
    list_open("targets");
    st = osd_discover(url, print_portal, &n);
    if (st == OSD_E_INVALID)
        return usage_error("%s", osd_last_error());
    return st ? fail(st) : list_close(json_pack("{s:I}", "count", (json_int_t)n), OSD_OK, NULL);
}

/* ---- ping ---- */

struct pings {
    uint64_t sent, ready, total_us, min_us, max_us;
};

static void print_ping(uint64_t n, uint64_t us, const char *trouble)
{
    if (json_output)
        list_item(json_pack("{s:I, s:b, s:I, s:o*}", "number", (json_int_t)n, "ready",
                            trouble == NULL, "us", (json_int_t)us, "message",
                            trouble ? json_text(trouble, strlen(trouble)) : NULL));
    if (!json_output) {
        printf("%" PRIu64 ": ", n);
        print_clean(stdout, trouble ? trouble : "ready");
        printf(", %" PRIu64 ".%03" PRIu64 " ms\n", us / 1000, us % 1000);
    }
    fflush(stdout);
}

static void count_ping(struct pings *p, uint64_t us, bool ready)
{
    p->min_us = p->sent == 0 || us < p->min_us ? us : p->min_us;
    p->max_us = us > p->max_us ? us : p->max_us;
    p->total_us += us;
    p->sent++;
    p->ready += ready;
}

static int pings_ended(const struct pings *p)
{
    char message[100];
    uint64_t mean = p->total_us / p->sent;

    snprintf(message, sizeof(message), "not ready %" PRIu64 " of %" PRIu64 " times",
             p->sent - p->ready, p->sent);
    if (!json_output)
        printf("%" PRIu64 " of %" PRIu64 " ready; least, mean, most: %" PRIu64 ", %" PRIu64
               ", %" PRIu64 " us\n",
               p->ready, p->sent, p->min_us, mean, p->max_us);
    return list_close(json_pack("{s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)p->sent,
                                "ready", (json_int_t)p->ready, "min_us", (json_int_t)p->min_us,
                                "mean_us", (json_int_t)mean, "max_us", (json_int_t)p->max_us),
                      p->ready < p->sent ? OSD_E_BUSY : OSD_OK, message);
}

int verb_ping(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct pings p = {0};

    catch_interrupts();
    list_open("replies");
    do {
        uint64_t us = 0;
        osd_status st = osd_ping(s, &us);
        if (st && st != OSD_E_BUSY)
            return fail(st);
        count_ping(&p, us, !st);
        print_ping(p.sent, us, st ? osd_last_error() : NULL);
        if (p.sent != o->count && !interrupted())
            usleep((useconds_t)(o->interval_ms * 1000));
    } while (p.sent != o->count && !interrupted());
    return pings_ended(&p);
}
