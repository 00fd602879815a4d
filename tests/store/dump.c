/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/dump.c - see dump.h
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/crc32c.h"
#include "dump.h"

#define IDS_PER_PAGE 64
#define PIECE        65536u

struct dumper {
    struct osd_store *s;
    unsigned flags;
    uint64_t nameless; /* partition whose id is not shown; 0: none */
    struct osd_buf text;
    bool failed; /* no memory for the text */
};

__attribute__((format(printf, 2, 3))) static void line(struct dumper *d, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
    va_end(ap);
    text[n] = '\n';
    if (osd_buf_put(&d->text, text, (size_t)n + 1))
        d->failed = true;
}

static void dump_meta(struct dumper *d, const struct store_meta *m)
{
    line(d,
         "  meta kind %u type %u bypass %u length %" PRIu64 " used %" PRIu64 " count %" PRIu64,
         m->kind, m->type, m->time_bypass, m->length, m->used, m->count);
    line(d,
         "  limits length %" PRIx64 " capacity %" PRIx64 " objects %" PRIx64
         " partitions %" PRIx64 " collections %" PRIx32,
         m->max_length, m->capacity_quota, m->object_quota, m->partition_quota,
         m->collections_quota);
    if (d->flags & STORE_DUMP_TIMES)
        line(d, "  times %" PRIu64 " attr %" PRIu64 " %" PRIu64 " data %" PRIu64 " %" PRIu64,
             m->created, m->attr_accessed, m->attr_modified, m->data_accessed,
             m->data_modified);
}

static bool dump_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                      uint32_t len)
{
    line(arg, "  attr %" PRIx32 ".%" PRIx32 " %" PRIu32 " bytes %08" PRIx32, page, number, len,
         osd_crc32c(0, value, len));
    return true;
}

/* A run of data, read in pieces. */
static void dump_run(struct dumper *d, struct store_txn *t, uint64_t off, uint64_t len)
{
    uint8_t *piece = malloc(PIECE);
    uint32_t crc = 0;
    osd_status status = piece ? OSD_OK : OSD_E_NOMEM;

    for (uint64_t done = 0; done < len && status == OSD_OK;) {
        uint64_t part = len - done < PIECE ? len - done : PIECE;
        struct iovec v = {piece, part};
        struct osd_iov dst = osd_iov_make(&v, 1);
        status = d->s->ops->read(t, t->id, off + done, part, &dst, 0);
        if (status == OSD_OK)
            crc = osd_crc32c(crc, piece, part);
        done += part;
    }
    free(piece);
    if (status)
        line(d, "  data %" PRIu64 " failed: %s", off, osd_status_name(status));
    else
        line(d, "  data %" PRIu64 " + %" PRIu64 " %08" PRIx32, off, len, crc);
}

/* Neighbouring runs of one kind are one run, however the store reports them. */
static void dump_data(struct dumper *d, struct store_txn *t, uint64_t length)
{
    uint64_t start = 0, at = 0;

    while (at < length) {
        enum store_extent kind;
        uint64_t len = 0;
        osd_status status = d->s->ops->seek(t, t->id, at, &kind, &len);
        if (status || len == 0) {
            line(d, "  seek %" PRIu64 " failed: %s", at, osd_status_name(status));
            return;
        }
        if (kind != STORE_DATA) {
            if (at > start)
                dump_run(d, t, start, at - start);
            start = at + len;
        }
        if (kind == STORE_DAMAGED)
            line(d, "  damaged %" PRIu64 " + %" PRIu64, at, len);
        at += len;
    }
    if (at > start)
        dump_run(d, t, start, at - start);
}

static void dump_members(struct dumper *d, struct store_txn *t, struct store_id id)
{
    uint64_t ids[IDS_PER_PAGE], next = 0;
    size_t n = 0;

    do {
        osd_status status = d->s->ops->members(t, id, next, ids, IDS_PER_PAGE, &n, &next);
        if (status) {
            line(d, "  members failed: %s", osd_status_name(status));
            return;
        }
        for (size_t i = 0; i < n; i++)
            line(d, "  member %" PRIx64, ids[i]);
    } while (next);
}

static void dump_object(struct dumper *d, struct store_id id)
{
    struct store_meta m;
    struct store_txn *t;
    osd_status status = d->s->ops->begin(d->s, id, STORE_SHARED, &t);

    line(d, "object %" PRIx64 ".%" PRIx64, id.pid == d->nameless ? 0 : id.pid, id.oid);
    if (status) {
        line(d, "  begin failed: %s", osd_status_name(status));
        return;
    }
    status = d->s->ops->get_meta(t, id, &m);
    if (status == OSD_OK) {
        dump_meta(d, &m);
        status = d->s->ops->each_attr(t, id, 0, 0, dump_attr, d);
    }
    if (status == OSD_OK && m.kind == STORE_USER)
        dump_data(d, t, m.length);
    if (status == OSD_OK && id.oid != 0)
        dump_members(d, t, id);
    if (status)
        line(d, "  failed: %s", osd_status_name(status));
    d->s->ops->abort(t);
}

/* One page of a list; returns where the next begins, 0 at the end. */
static uint64_t list_page(struct dumper *d, uint64_t pid, enum store_kind kind, uint64_t from,
                          uint64_t *ids, size_t *ret_n)
{
    struct store_txn *t;
    uint64_t next = 0, changes;
    osd_status status = d->s->ops->begin(d->s, (struct store_id){pid, 0}, STORE_SHARED, &t);

    *ret_n = 0;
    if (status == OSD_OK) {
        status = d->s->ops->list(t, pid, kind, from, ids, IDS_PER_PAGE, ret_n, &next, &changes);
        d->s->ops->abort(t);
    }
    if (status)
        line(d, "list %" PRIx64 " failed: %s", pid, osd_status_name(status));
    return status ? 0 : next;
}

static void dump_objects(struct dumper *d, uint64_t pid, enum store_kind kind)
{
    uint64_t ids[IDS_PER_PAGE], from = 0;
    size_t n;

    do {
        from = list_page(d, pid, kind, from, ids, &n);
        for (size_t i = 0; i < n; i++)
            dump_object(d, (struct store_id){pid, ids[i]});
    } while (from);
}

static void dump_partition(struct dumper *d, uint64_t pid)
{
    dump_object(d, (struct store_id){pid, 0});
    dump_objects(d, pid, STORE_COLLECTION);
    dump_objects(d, pid, STORE_USER);
}

static void dump_partitions(struct dumper *d)
{
    uint64_t ids[IDS_PER_PAGE], from = 0;
    size_t n;

    do {
        from = list_page(d, 0, STORE_PARTITION, from, ids, &n);
        for (size_t i = 0; i < n; i++)
            dump_partition(d, ids[i]);
    } while (from);
}

static char *finish(struct dumper *d)
{
    if (osd_buf_put(&d->text, "", 1))
        d->failed = true;
    if (d->failed) {
        osd_buf_free(&d->text);
        return NULL;
    }
    return (char *)d->text.data;
}

char *store_dump(struct osd_store *s, unsigned flags)
{
    struct dumper d = {.s = s, .flags = flags, .text = osd_buf_make(GIB)};

    dump_object(&d, (struct store_id){0, 0});
    dump_partitions(&d);
    return finish(&d);
}

char *store_dump_partition(struct osd_store *s, uint64_t pid, unsigned flags)
{
    struct dumper d = {.s = s, .flags = flags, .nameless = pid, .text = osd_buf_make(GIB)};

    dump_partition(&d, pid);
    return finish(&d);
}
