/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/audit.c - see audit.h
 */
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct sm_audit {
    char path[512];
    pthread_mutex_t mutex;
    int fd;
    atomic_uint_fast64_t failures;
};

static int open_file(const char *path)
{
    if (!path[0] || strcmp(path, "-") == 0)
        return dup(STDERR_FILENO);
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

osd_status sm_audit_open(const char *path, struct sm_audit **ret)
{
    struct sm_audit *a = calloc(1, sizeof(*a));

    if (!a)
        return OSD_E_NOMEM;
    snprintf(a->path, sizeof(a->path), "%s", path);
    a->fd = open_file(path);
    if (a->fd < 0) {
        free(a);
        return OSD_E_IO;
    }
    pthread_mutex_init(&a->mutex, NULL);
    *ret = a;
    return OSD_OK;
}

void sm_audit_close(struct sm_audit *a)
{
    if (!a)
        return;
    close(a->fd);
    pthread_mutex_destroy(&a->mutex);
    free(a);
}

osd_status sm_audit_reopen(struct sm_audit *a)
{
    int fd = open_file(a->path);

    if (fd < 0)
        return OSD_E_IO;
    pthread_mutex_lock(&a->mutex);
    close(a->fd);
    a->fd = fd;
    pthread_mutex_unlock(&a->mutex);
    return OSD_OK;
}

uint64_t sm_audit_failures(struct sm_audit *a)
{
    return atomic_load(&a->failures);
}

/* "2026-11-21T08:30:00.123Z" */
static json_t *time_now(void)
{
    struct timespec t;
    struct tm tm;
    char text[40], whole[48];

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(t.tv_nsec / 1000000));
    return json_string(whole);
}

static bool write_line(struct sm_audit *a, const char *text, size_t len)
{
    ssize_t n;

    pthread_mutex_lock(&a->mutex);
    do
        n = write(a->fd, text, len);
    while (n < 0 && errno == EINTR);
    pthread_mutex_unlock(&a->mutex);
    return n == (ssize_t)len;
}

bool sm_audit_write(struct sm_audit *a, json_t *entry)
{
    char *text = NULL, *line = NULL;
    bool good = false;
    int len;

    if (entry && json_object_set_new(entry, "time", time_now()) == 0)
        text = json_dumps(entry, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_SORT_KEYS);
    if (text && (len = asprintf(&line, "%s\n", text)) > 0)
        good = write_line(a, line, (size_t)len);
    if (!good)
        atomic_fetch_add(&a->failures, 1);
    free(line);
    free(text);
    json_decref(entry);
    return good;
}
