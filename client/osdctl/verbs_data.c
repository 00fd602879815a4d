/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_data.c - put, append, get, cat: bytes of one object
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "verbs.h"

#define CHUNK        (3u << 20) /* a multiple of 3, for base64 */
#define APPEND_CHUNK (1u << 20) /* one command */

static int stopped(void)
{
    return fail_with(OSD_E_INTERRUPTED, "interrupted");
}

/* ---- from a file into an object ---- */

struct source {
    int fd;
    const char *name; /* in messages */
    uint64_t sent;
};

static int send_source(struct osd_session *s, struct source *f, struct target t, bool append)
{
    size_t part = append ? APPEND_CHUNK : CHUNK;
    char *buf = malloc(part);
    osd_status st = OSD_OK;
    ssize_t n = -1;

    if (!buf)
        return fail_errno(f->name);
    while (!st && !interrupted() && (n = read_full(f->fd, buf, part)) > 0) {
        st = append ? osd_append(s, t.pid, t.oid, buf, (size_t)n, NULL)
                    : osd_write(s, t.pid, t.oid, f->sent, buf, (size_t)n);
        f->sent += st ? 0 : (uint64_t)n;
    }
    free(buf);
    if (st)
        return fail(st);
    if (interrupted())
        return stopped();
    return n < 0 ? fail_errno(f->name) : 0;
}

static int sent(struct target t, uint64_t length)
{
    char name[TARGET_NAME_LEN];

    return succeed(json_pack("{s:s, s:I}", "id", target_name(name, t.pid, t.oid), "length",
                             (json_int_t)length));
}

/* Into an object that is new, or emptied. A new one that stays incomplete is removed. */
static int put_source(struct osd_session *s, struct source *f, struct target *t)
{
    osd_status st = osd_create(s, t->pid, t->oid, &t->oid);
    bool made = st == OSD_OK;
    int rc;

    if (st == OSD_E_EXISTS && t->oid)
        st = osd_truncate(s, t->pid, t->oid, 0);
    if (st)
        return fail(st);
    rc = send_source(s, f, *t, false);
    if (rc && made)
        osd_remove(s, t->pid, t->oid);
    return rc;
}

int verb_put(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct source f = {.name = input_name(argv[0])};
    struct target t;
    char name[TARGET_NAME_LEN];
    int rc;

    if (!parse_target(argv[1], &t) || t.pid == 0)
        return usage_error("\"%s\" is not PID or PID/OID", argv[1]);
    if (!new_id(t.oid))
        return too_small(t.oid);
    f.fd = open_input(argv[0]);
    if (f.fd < 0)
        return fail_errno(f.name);
    catch_interrupts();
    rc = put_source(s, &f, &t);
    close(f.fd);
    if (rc)
        return rc;
    if (!json_output)
        puts(target_name(name, t.pid, t.oid));
    return sent(t, f.sent);
}

int verb_append(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct source f = {.name = input_name(argv[0])};
    struct target t;
    int rc;

    if (!parse_target(argv[1], &t) || t.oid == 0)
        return usage_error("\"%s\" is not PID/OID", argv[1]);
    f.fd = open_input(argv[0]);
    if (f.fd < 0)
        return fail_errno(f.name);
    rc = send_source(s, &f, t, true);
    close(f.fd);
    return rc ? rc : sent(t, f.sent);
}

/* ---- from an object into a file ---- */

struct fetch {
    struct osd_session *s;
    struct target t;
    uint8_t *buf;
    uint64_t at;
    size_t n; /* bytes in buf; fewer than CHUNK: the end */
};

static osd_status fetch_next(struct fetch *f)
{
    osd_status st = osd_read(f->s, f->t.pid, f->t.oid, f->at, f->buf, CHUNK, &f->n);

    f->at += st ? 0 : f->n;
    return st;
}

/* Begin: the first bytes are there before an output file is touched. Reports and frees on
 * failure. */
static int fetch_begin(struct fetch *f, struct osd_session *s, const char *name)
{
    osd_status st;

    *f = (struct fetch){.s = s};
    if (!parse_target(name, &f->t) || f->t.oid == 0)
        return usage_error("\"%s\" is not PID/OID", name);
    f->buf = malloc(CHUNK);
    if (!f->buf)
        return fail(OSD_E_NOMEM);
    st = fetch_next(f);
    if (st)
        free(f->buf);
    return st ? fail(st) : 0;
}

/* The bytes at hand and the rest go to put(); ends with success or a reported failure. */
static int fetch_rest(struct fetch *f, const char *name, int fd)
{
    for (;;) {
        osd_status st;
        if (fd < 0)
            content_add(f->buf, f->n);
        else if (!write_content(fd, f->buf, f->n))
            return fail_errno(name);
        if (f->n < CHUNK)
            return 0;
        if (interrupted())
            return stopped();
        st = fetch_next(f);
        if (st)
            return fail(st);
    }
}

/* A new file that stays incomplete is removed. */
static int get_to_file(struct fetch *f, const char *name)
{
    bool made;
    int fd = open_output(name, &made);
    int rc;

    if (fd < 0)
        return fail_errno(output_name(name));
    catch_interrupts();
    rc = fetch_rest(f, output_name(name), fd);
    if (close(fd) != 0 && !rc)
        rc = fail_errno(output_name(name));
    if (rc && made)
        unlink(name);
    return rc ? rc : sent(f->t, f->at);
}

int verb_get(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct fetch f;
    int rc;

    if (json_output && argv[1][0] == '-' && !argv[1][1])
        return usage_error("--json and the object cannot both go to standard output; cat does "
                           "that");
    rc = fetch_begin(&f, s, argv[0]);
    if (rc)
        return rc;
    rc = get_to_file(&f, argv[1]);
    free(f.buf);
    return rc;
}

int verb_cat(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct fetch f;
    int rc = fetch_begin(&f, s, argv[0]);

    if (rc)
        return rc;
    if (json_output)
        content_open();
    rc = fetch_rest(&f, "standard output", json_output ? -1 : STDOUT_FILENO);
    free(f.buf);
    if (rc || !json_output)
        return rc;
    return list_close(json_pack("{s:I}", "length", (json_int_t)f.at), OSD_OK, NULL);
}
