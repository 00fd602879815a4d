/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/tree_work.c - many items at once; progress, failures and the summary of a copy
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree.h"

#define THREADS 16

void work_begin(struct work *w)
{
    pthread_mutex_init(&w->mutex, NULL);
    pthread_mutex_init(&w->asking, NULL);
    w->terminal = !w->o->quiet && !json_output && !w->o->dry_run && w->o->progress_fd < 0 &&
                  isatty(STDERR_FILENO);
    list_open(w->o->dry_run ? "plan" : "failures");
}

/* ---- threads ---- */

/* The first reason counts. */
static void set_fatal(struct work *w, osd_status st, const char *why)
{
    if (!w->fatal)
        snprintf(w->fatal_why, sizeof(w->fatal_why), "%s", why);
    w->fatal = st;
}

bool work_goes_on(struct work *w)
{
    if (interrupted() && !w->fatal) {
        pthread_mutex_lock(&w->mutex);
        set_fatal(w, OSD_E_INTERRUPTED, "interrupted; the same command goes on from here");
        pthread_mutex_unlock(&w->mutex);
    }
    return !w->fatal;
}

/* Credentials for the next items. One question that is refused as a whole is the last one. */
static void ask_ahead(struct work *w)
{
    uint64_t oids[OSD_PREFETCH_MAX];
    size_t n = 0, end = w->asked + OSD_PREFETCH_MAX;

    if (end > w->items.n)
        end = w->items.n;
    for (size_t i = w->asked; i < end; i++) {
        uint64_t oid = w->oid_of(w, &w->items.v[i]);
        if (oid)
            oids[n++] = oid;
    }
    w->asked = end;
    if (n > 1 && osd_prefetch(w->s, w->pid, oids, n, w->verbs))
        w->asks = false;
}

/* Before item i is begun. Others wait: they would ask for each one. */
static void prepare(struct work *w, size_t i)
{
    if (!w->oid_of)
        return;
    pthread_mutex_lock(&w->asking);
    while (w->asks && w->asked <= i)
        ask_ahead(w);
    pthread_mutex_unlock(&w->asking);
}

static void *worker(void *arg)
{
    struct work *w = arg;

    while (work_goes_on(w)) {
        size_t i = w->next++;
        if (i >= w->items.n)
            break;
        prepare(w, i);
        w->run(w, &w->items.v[i]);
    }
    return NULL;
}

void work_each(struct work *w, void (*run)(struct work *w, struct item *it))
{
    pthread_t threads[THREADS];
    int n = 0;

    w->run = run;
    w->next = 0;
    w->asked = 0;
    w->asks = w->o->secmgr != NULL;
    while (!w->o->dry_run && n < THREADS && pthread_create(&threads[n], NULL, worker, w) == 0)
        n++;
    if (n == 0)
        worker(w);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* ---- progress ---- */

static void show_progress(struct work *w)
{
    unsigned percent = w->total_bytes ? (unsigned)(w->bytes * 100 / w->total_bytes) : 100;

    if (percent == w->shown_percent)
        return;
    w->shown_percent = percent;
    if (w->o->progress_fd >= 0)
        dprintf(w->o->progress_fd, "%" PRIu64 "/%" PRIu64 "\n", (uint64_t)w->bytes,
                w->total_bytes);
    else if (w->terminal)
        fprintf(stderr, "\r%3u %%  %" PRIu64 "/%" PRIu64 " bytes", percent, (uint64_t)w->bytes,
                w->total_bytes);
}

void work_bytes(struct work *w, uint64_t n)
{
    w->bytes += n;
    if (w->o->progress_fd < 0 && !w->terminal)
        return;
    pthread_mutex_lock(&w->mutex);
    show_progress(w);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- lines about items ---- */

static void end_bar(struct work *w)
{
    if (w->terminal)
        fputs("\r\033[K", stderr);
    w->shown_percent = 101;
}

void work_plan(struct work *w, const struct item *it, const char *action)
{
    pthread_mutex_lock(&w->mutex);
    if (json_output) {
        list_item(json_pack("{s:s, s:o, s:I}", "action", action, "path",
                            json_text(it->path, strlen(it->path)), "bytes",
                            (json_int_t)it->size));
    } else {
        printf("%-8s ", action);
        print_clean(stdout, it->path);
        putchar('\n');
    }
    pthread_mutex_unlock(&w->mutex);
}

void work_failed(struct work *w, const char *path, osd_status st, const char *message)
{
    const char *why = message ? message : osd_last_error();

    pthread_mutex_lock(&w->mutex);
    w->failed++;
    end_bar(w);
    if (st == OSD_E_UNREACHABLE || st == OSD_E_NOMEM || st == OSD_E_INTERRUPTED) {
        set_fatal(w, st, why);
    } else if (json_output) {
        list_item(json_pack("{s:s*, s:o, s:s, s:o}", "action", w->o->dry_run ? "fail" : NULL,
                            "path", json_text(path, strlen(path)), "status",
                            osd_status_name(st), "message", json_text(why, strlen(why))));
    } else {
        fputs("osdctl: ", stderr);
        print_clean(stderr, path);
        fputs(": ", stderr);
        print_clean(stderr, why);
        putc('\n', stderr);
    }
    pthread_mutex_unlock(&w->mutex);
}

/* ---- the end ---- */

static void work_free(struct work *w)
{
    for (size_t i = 0; i < w->items.n; i++)
        free(w->items.v[i].path);
    free(w->items.v);
    free(w->known);
    if (w->root >= 0)
        close(w->root);
    pthread_mutex_destroy(&w->mutex);
    pthread_mutex_destroy(&w->asking);
}

static json_t *summary(const struct work *w)
{
    char name[TARGET_NAME_LEN];

    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "partition",
                     target_name(name, w->pid, 0), "dry_run", w->o->dry_run, "items",
                     (json_int_t)w->total_items, "bytes", (json_int_t)w->bytes, "skipped",
                     (json_int_t)w->skipped, "failed", (json_int_t)w->failed, "other_objects",
                     (json_int_t)w->other_objects);
}

static void print_summary(const struct work *w, const char *what)
{
    char name[TARGET_NAME_LEN];

    printf("%s %s: %" PRIu64 " items, %" PRIu64 " bytes (%" PRIu64
           " were there already, %" PRIu64 " failed)\n",
           what, target_name(name, w->pid, 0), w->total_items, (uint64_t)w->bytes,
           (uint64_t)w->skipped, (uint64_t)w->failed);
    if (w->other_objects)
        printf("%" PRIu64 " other objects of the partition are not part of a tree\n",
               w->other_objects);
}

int work_end(struct work *w, const char *what)
{
    char message[128];
    int rc;

    end_bar(w);
    if (w->fatal) {
        rc = fail_with((osd_status)w->fatal, "%s",
                       w->fatal_why[0] ? w->fatal_why : osd_status_text((osd_status)w->fatal));
    } else {
        snprintf(message, sizeof(message), "%" PRIu64 " of %" PRIu64 " items failed",
                 (uint64_t)w->failed, w->total_items);
        if (!json_output)
            print_summary(w, what);
        rc = list_close(summary(w), w->failed ? OSD_E_PARTIAL : OSD_OK, message);
    }
    work_free(w);
    return rc;
}
