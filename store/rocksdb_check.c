/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_check.c - walk a store and report what breaks an invariant
 *
 * Opening has already refused records and maps that cannot be decoded or name a block twice. What
 * is checked here: that every checksum of data holds, in blocks and in records; that used and the
 * counts in each record equal what is there; that every attribute, map and place in a listing
 * belongs to an object, and every object is listed; that indexes have an entry for each value, and
 * no other one. Repair rewrites the counts, lists what is not listed and removes orphans; damaged data stays as it is, reads of it keep failing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rocksdb_internal.h"

struct walk {
    struct rdb *r;
    bool repair;
    store_check_report report;
    void (*look)(void *arg);
    void *arg;
    struct store_check_result *res;
    uint8_t *buf;
    uint64_t bad, bad_end; /* bytes of the present object that are damaged and not said to be */
};

static void found(struct walk *w, struct store_id id, const char *what, bool repaired)
{
    w->res->findings++;
    w->res->repaired += repaired;
    if (w->report)
        w->report(w->arg, id, what);
}

static bool count_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                       uint32_t len)
{
    uint64_t *sum = arg;

    (void)page;
    (void)number;
    (void)value;
    sum[0] += len + ATTR_OVERHEAD;
    sum[1]++;
    return true;
}

static osd_status read_part(struct walk *w, struct store_txn *t, struct store_id id,
                            uint64_t off, uint64_t len)
{
    struct iovec v = {.iov_base = w->buf, .iov_len = len};
    struct osd_iov iov = osd_iov_make(&v, 1);

    return rdb_read(t, id, off, len, &iov, 0);
}

/* What was damaged so far is one finding. */
static void say_damaged(struct walk *w, struct store_id id)
{
    char what[96];

    if (w->bad_end > w->bad) {
        snprintf(what, sizeof(what), "data damaged in bytes %" PRIu64 "..%" PRIu64, w->bad,
                 w->bad_end - 1);
        found(w, id, what, false);
    }
    w->bad = w->bad_end = 0;
}

/* Which blocks of a part that cannot be read as a whole cannot. */
static void check_blocks(struct walk *w, struct store_txn *t, struct store_id id, uint64_t off,
                         uint64_t len)
{
    for (uint64_t at = off, next; at < off + len; at = next) {
        next = at + STORE_BLOCK - at % STORE_BLOCK;
        if (next > off + len)
            next = off + len;
        if (read_part(w, t, id, at, next - at) == OSD_OK)
            continue;
        if (at != w->bad_end) {
            say_damaged(w, id);
            w->bad = at;
        }
        w->bad_end = next;
    }
}

/* Read all data of an object; each range that is damaged is one finding. */
static osd_status check_data(struct walk *w, struct store_txn *t, struct store_id id,
                             uint64_t length, uint64_t *ret_blocks)
{
    osd_status st = OSD_OK;

    for (uint64_t off = 0, len; off < length && !st; off += len) {
        enum store_extent kind;
        st = rdb_seek(t, id, off, &kind, &len);
        for (uint64_t at = 0; !st && kind == STORE_DATA && at < len; at += MIB) {
            uint64_t part = len - at < MIB ? len - at : MIB;
            if (read_part(w, t, id, off + at, part))
                check_blocks(w, t, id, off + at, part);
            w->res->bytes += part;
        }
        if (!st && kind == STORE_DATA)
            *ret_blocks += (len + STORE_BLOCK - 1) / STORE_BLOCK;
    }
    say_damaged(w, id);
    return st;
}

static uint32_t count_members(struct store_txn *t, struct store_id id)
{
    uint64_t ids[64], next = 0;
    uint32_t sum = 0;
    size_t n;

    do {
        if (rdb_members(t, id, next, ids, 64, &n, &next))
            return sum;
        sum += (uint32_t)n;
    } while (next);
    return sum;
}

/* Keys of a family that begin with the object's id. */
static uint32_t count_keys(struct walk *w, enum cf cf, struct store_id id)
{
    rocksdb_iterator_t *it = rdb_iterate(w->r, w->r->ro, cf);
    uint8_t prefix[OBJECT_KEY_LEN];
    uint32_t n = 0;

    key_object(prefix, id);
    for (rocksdb_iter_seek(it, (char *)prefix, sizeof(prefix)); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t len;
        const char *k = rocksdb_iter_key(it, &len);
        if (len < sizeof(prefix) || memcmp(k, prefix, sizeof(prefix)) != 0)
            break;
        n++;
    }
    rocksdb_iter_destroy(it);
    return n;
}

/* Before anything is looked for that the record says there is none of. */
static bool check_keys(struct walk *w, struct store_txn *t, struct record *rec)
{
    uint32_t outside = count_keys(w, CF_ATTRS, rec->id),
             chunks = count_keys(w, CF_EXTENTS, rec->id);

    if (rec->outside == outside && rec->chunks == chunks)
        return false;
    found(w, rec->id, "number of attributes or map chunks outside the record is wrong",
          w->repair);
    rec->outside = outside;
    rec->chunks = chunks;
    if (w->repair)
        txn_record_put((struct txn *)t, rec);
    return true;
}

/* What the record says of the object against what is there. */
static void check_counts(struct walk *w, struct store_txn *t, struct record *rec,
                         uint64_t attr_bytes, uint64_t data_bytes)
{
    uint32_t members = rec->meta.kind == STORE_USER ? count_members(t, rec->id) : 0;
    bool used = rec->meta.used == attr_bytes + data_bytes && rec->attr_bytes == attr_bytes;

    if (!used)
        found(w, rec->id, "used capacity does not equal its blocks and attributes", w->repair);
    if (rec->members != members)
        found(w, rec->id, "number of memberships is wrong", w->repair);
    if (!w->repair || (used && rec->members == members))
        return;
    rec->meta.used = attr_bytes + data_bytes;
    rec->attr_bytes = attr_bytes;
    rec->members = members;
    txn_record_put((struct txn *)t, rec);
}

static void check_listed(struct walk *w, struct txn *t, const struct record *rec)
{
    uint8_t key[LISTED_KEY_LEN];
    struct value v;

    if (!rec->id.pid)
        return;
    key_listed(key, rec->id, rec->meta.kind);
    osd_status st = txn_get(t, CF_IDS, key, sizeof(key), &v);
    if (!st)
        value_free(&v);
    if (st != OSD_E_NOT_FOUND)
        return;
    found(w, rec->id, "not listed", w->repair);
    if (w->repair)
        txn_put(t, CF_IDS, key, sizeof(key), "", 0);
}

static osd_status check_index(struct walk *w, struct txn *t, const struct record *rec)
{
    uint32_t n;
    osd_status st = index_missing(t, rec, w->repair, &n);

    while (!st && n-- > 0)
        found(w, rec->id, "attribute that the index lacks", w->repair);
    return st;
}

static osd_status check_object(struct walk *w, struct store_id id)
{
    uint64_t attrs[2] = {0, 0}, blocks = 0;
    struct store_txn *t;
    struct record rec;
    osd_status st = rdb_begin(&w->r->base, id, w->repair ? STORE_EXCLUSIVE : STORE_SHARED, &t);
    bool hidden = false; /* what the record denies; not repaired */

    if (st)
        return st;
    st = txn_record((struct txn *)t, id, &rec);
    if (!st) {
        hidden = check_keys(w, t, &rec) && !w->repair;
        check_listed(w, (struct txn *)t, &rec);
        st = rdb_each_attr(t, id, 0, 0, count_attr, attrs);
    }
    if (!st && rec.meta.kind == STORE_USER)
        st = check_data(w, t, id, rec.meta.length, &blocks);
    if (!st && index_any(w->r))
        st = check_index(w, (struct txn *)t, &rec);
    if (!st && !hidden)
        check_counts(w, t, &rec, attrs[0], blocks * STORE_BLOCK);
    w->res->attributes += attrs[1];
    w->res->objects += id.oid != 0;
    w->res->partitions += id.oid == 0 && id.pid != 0;
    if (st || !w->repair) {
        rdb_abort(t);
        return st;
    }
    return rdb_commit(t, 0);
}

static osd_status check_objects(struct walk *w)
{
    rocksdb_iterator_t *it = rdb_iterate(w->r, w->r->ro_all, CF_OBJECTS);
    osd_status st = OSD_OK;

    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it) && !st; rocksdb_iter_next(it)) {
        size_t len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &len);
        st = check_object(w, (struct store_id){be64_get(k), be64_get(k + 8)});
        if (w->look)
            w->look(w->arg);
    }
    return rdb_iterated(w->r, it, st);
}

/* Whether a membership lacks its other side. */
static bool one_sided(struct txn *t, const uint8_t *k)
{
    uint8_t mirror[EXTENT_KEY_LEN];
    struct value v;

    key_extent(mirror, (struct store_id){be64_get(k), be64_get(k + 16)}, be64_get(k + 8));
    if (txn_get(t, CF_MEMBERS, mirror, sizeof(mirror), &v))
        return true;
    value_free(&v);
    return false;
}

/* The object a key belongs to. */
static struct store_id owner_of(enum cf cf, const uint8_t *k)
{
    if (cf != CF_IDS)
        return (struct store_id){be64_get(k), be64_get(k + 8)};
    if (be64_get(k) == 0)
        return (struct store_id){be64_get(k + 9), 0};
    return (struct store_id){be64_get(k), be64_get(k + 9)};
}

/* Keys that need no object: markers, and those of a copy that was cut off, which is made again
 * when the store is opened for writing. */
static bool unsettled(struct rdb *r, enum cf cf, const uint8_t *k)
{
    struct part *p = part_find(r, be64_get(k));
    bool copying = false;

    if (p) {
        pthread_mutex_lock(&p->mutex);
        copying = p->record.copying != 0;
        pthread_mutex_unlock(&p->mutex);
    }
    return copying || (cf == CF_IDS && key_is_marker(k));
}

/* A key of an index. */
static void check_entry(struct walk *w, struct txn *t, const uint8_t *k, size_t len)
{
    if (index_justified(t, k, len))
        return;
    found(w, (struct store_id){be64_get(k), len > 24 ? be64_get(k + len - 8) : 0},
          "index entry without its attribute", w->repair);
    if (w->repair)
        txn_delete(t, CF_IDS, k, len);
}

/* Keys of a family whose object does not exist. */
static osd_status check_orphans(struct walk *w, enum cf cf, const char *what)
{
    rocksdb_iterator_t *it = rdb_iterate(w->r, w->r->ro_all, cf);
    struct store_txn *t;
    osd_status st = rdb_begin(&w->r->base, (struct store_id){0, 0},
                              w->repair ? STORE_EXCLUSIVE : STORE_SHARED, &t);

    for (rocksdb_iter_seek_to_first(it); !st && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct store_meta m;
        size_t len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &len);
        struct store_id id = owner_of(cf, k);
        if (unsettled(w->r, cf, k))
            continue;
        if (cf == CF_IDS && index_key(k)) {
            check_entry(w, (struct txn *)t, k, len);
            continue;
        }
        osd_status one = txn_load((struct txn *)t, id, &m);

        if (!one && cf == CF_MEMBERS && one_sided((struct txn *)t, k))
            one = OSD_E_NOT_FOUND;
        if (!one && cf == CF_IDS && m.kind != k[8])
            one = OSD_E_NOT_FOUND;
        if (one == OSD_E_NOT_FOUND) {
            found(w, id, what, w->repair);
            if (w->repair)
                txn_delete((struct txn *)t, cf, k, len);
        } else if (one) {
            st = one;
        }
    }
    st = rdb_iterated(w->r, it, st);
    if (!st && w->repair)
        return rdb_commit(t, 0);
    rdb_abort(t);
    return st;
}

/* Opening has dropped them. */
static void check_journal(struct walk *w)
{
    const struct ahead *a = &w->r->ahead;
    char what[180];

    if (!a->beyond)
        return;
    snprintf(what, sizeof(what),
             "the journal could be read up to record %" PRIu64
             " only, those behind, up to %" PRIu64
             ", are dropped: not synced when power was lost, or lost by a disk",
             a->found, a->beyond);
    found(w, (struct store_id){0, 0}, what, true);
}

osd_status rdb_check(struct osd_store *s, bool repair, store_check_report report, void *arg,
                     struct store_check_result *ret)
{
    return rdb_check_looking(s, repair, report, NULL, arg, ret);
}

osd_status rdb_check_looking(struct osd_store *s, bool repair, store_check_report report,
                             void (*look)(void *arg), void *arg, struct store_check_result *ret)
{
    struct walk w = {.r = (struct rdb *)s,
                     .repair = repair,
                     .report = report,
                     .look = look,
                     .arg = arg,
                     .res = ret};
    osd_status st;

    *ret = (struct store_check_result){0};
    st = dups_settle_all(w.r);
    if (st)
        return st;
    w.buf = malloc(MIB);
    if (!w.buf)
        return OSD_E_NOMEM;
    check_journal(&w);
    st = check_objects(&w);
    if (!st)
        st = check_orphans(&w, CF_IDS, "listed, but does not exist");
    if (!st)
        st = check_orphans(&w, CF_ATTRS, "attribute without object");
    if (!st)
        st = check_orphans(&w, CF_EXTENTS, "extent map without object");
    if (!st)
        st = check_orphans(&w, CF_MEMBERS, "membership without object or other side");
    free(w.buf);
    return st;
}
