/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_duplicate.c - partitions that are made from others
 *
 * duplicate() writes the record of the new partition and takes a snapshot of the database. The
 * records of the objects follow later, one by one: in the background, before the source changes
 * or removes an object, and when somebody looks for one. Blocks are never copied: a map that is
 * copied makes its blocks' owners one more.
 * Invariants, for a partition D that is being made from S:
 *  (1) What S held when D was made is in D, or it is in S as it was then and D says nothing of it.
 *      So the snapshot is only what spares us the locks of S: after a restart S itself will do.
 *      S is never removed before it has been copied, and has a serial number that no other
 *      partition in its place gets.
 *  (2) "D says nothing": no record, and no marker (KIND_GONE in the family of ids). Markers are
 *      put with the commit of what they speak of: an object that D removed, or one that S made.
 *  (3) used and count of D are complete from the beginning. Copying an object changes neither.
 *  (4) An object's record is written last of all its keys; keys of an object without record are
 *      those of a copy that was cut off, which will be made again.
 *  (5) Copies are made under struct dup.mutex, by threads that hold the device's lock, shared at
 *      least; none takes another lock of the table of locks meanwhile.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "rocksdb_internal.h"

#define KIND_GONE  0xff
#define BATCH_FULL MIB
#define STEP       512u      /* objects between two looks of the keeper at other things ... */
#define STEP_BYTES (4 * MIB) /* ... and what they put, but for the end of the last one */
#define REST_MS    60000u    /* after a failure */

/** Kinds of objects in the order in which they are copied. */
static const enum store_kind kinds[] = {STORE_COLLECTION, STORE_USER};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/** A partition that is being made. */
struct dup {
    struct dup *next;
    uint64_t source, pid;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *ro; /* of the snapshot */
    pthread_mutex_t mutex;
    size_t kind; /* which of the kinds is being copied; N_KINDS: all are. Under the mutex */
    uint64_t next_id;     /* ids of that kind below are done; under the mutex */
    uint64_t copied, put; /* objects and bytes in this step; under the mutex */
    bool recount;         /* the counters of the partition do not have it yet (at open) */
    uint64_t rest_until;  /* ms; the keeper's: a step failed, others come first until then */
    osd_status reported;  /* likewise: the failure that was logged last */
};

/* ---- the list ---- */

static struct dup *dup_new(uint64_t source, uint64_t pid)
{
    struct dup *d = calloc(1, sizeof(*d));

    if (d) {
        d->source = source;
        d->pid = pid;
        pthread_mutex_init(&d->mutex, NULL);
    }
    return d;
}

void dup_free(struct rdb *r, struct dup *d)
{
    if (!d)
        return;
    if (d->ro)
        rocksdb_readoptions_destroy(d->ro);
    if (d->snapshot)
        rocksdb_release_snapshot(r->db, d->snapshot);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

void dup_start(struct rdb *r, struct dup *d)
{
    ahead_drain(r); /* the snapshot is the database's; a failure is that of the store */
    d->snapshot = rocksdb_create_snapshot(r->db);
    d->ro = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(d->ro, d->snapshot);
    pthread_rwlock_wrlock(&r->dups_lock);
    d->next = r->dups;
    r->dups = d;
    __atomic_add_fetch(&r->n_dups, 1, __ATOMIC_RELEASE);
    pthread_rwlock_unlock(&r->dups_lock);
    keeper_ring(r);
}

void dup_forget(struct rdb *r, uint64_t pid)
{
    struct dup **at = &r->dups, *d;

    if (!dups_any(r))
        return;
    pthread_rwlock_wrlock(&r->dups_lock);
    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    d = *at;
    if (d) {
        *at = d->next;
        __atomic_sub_fetch(&r->n_dups, 1, __ATOMIC_RELEASE);
    }
    pthread_rwlock_unlock(&r->dups_lock);
    dup_free(r, d);
}

void dups_clear(struct rdb *r)
{
    while (r->dups)
        dup_forget(r, r->dups->pid);
}

/* The list is read under this, and nothing in it goes meanwhile. */
static struct dup *dups_read(struct rdb *r)
{
    pthread_rwlock_rdlock(&r->dups_lock);
    return r->dups;
}

static void dups_done(struct rdb *r)
{
    pthread_rwlock_unlock(&r->dups_lock);
}

/* The one that is becoming partition pid, or NULL. */
static struct dup *find(struct dup *list, uint64_t pid)
{
    while (list && list->pid != pid)
        list = list->next;
    return list;
}

struct dup *dup_hold(struct rdb *r, uint64_t pid)
{
    struct dup *d;

    if (!dups_any(r))
        return NULL;
    d = find(dups_read(r), pid);
    dups_done(r);
    if (d)
        pthread_mutex_lock(&d->mutex);
    return d;
}

void dup_let_go(struct dup *d, bool gone)
{
    if (!d)
        return;
    if (gone)
        d->kind = N_KINDS;
    pthread_mutex_unlock(&d->mutex);
}

/* ---- one object ---- */

void key_gone(uint8_t key[LISTED_KEY_LEN], struct store_id id)
{
    key_listed(key, id, KIND_GONE);
}

bool key_is_marker(const uint8_t *key)
{
    return key[8] == KIND_GONE;
}

/* A value of the source as it was; *ret.pin NULL when there is none. */
static osd_status get_at(struct rdb *r, rocksdb_readoptions_t *ro, enum cf cf, const void *key,
                         size_t len, struct value *ret)
{
    char *err = NULL;

    *ret = (struct value){0};
    ret->pin = rocksdb_get_pinned_cf(r->db, ro, r->cf[cf], key, len, &err);
    if (err)
        return rdb_error(r, err);
    if (ret->pin)
        ret->data = rocksdb_pinnableslice_value(ret->pin, &ret->len);
    return OSD_OK;
}

static osd_status has_key(struct rdb *r, enum cf cf, const void *key, size_t len, bool *ret)
{
    struct value v = {0};
    bool ahead;
    osd_status st = ahead_get(r, cf, key, len, &v, &ahead);

    if (!ahead)
        st = get_at(r, r->ro, cf, key, len, &v);
    *ret = !st && (v.own || v.pin);
    value_free(&v);
    return ahead && st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Whether the new partition says something of id: first its record, then the marker, since
 * whoever removes the record puts the marker with it. */
static osd_status is_settled(struct rdb *r, struct store_id id, bool *ret)
{
    uint8_t key[OBJECT_KEY_LEN], gone[LISTED_KEY_LEN];
    osd_status st;

    key_object(key, id);
    key_gone(gone, id);
    st = has_key(r, CF_OBJECTS, key, sizeof(key), ret);
    if (!st && !*ret)
        st = has_key(r, CF_IDS, gone, sizeof(gone), ret);
    return st;
}

/** A copy under way. */
struct copy {
    struct rdb *r;
    struct dup *d;
    struct store_id from, to;
    rocksdb_writebatch_t *batch;
    struct run_list shared; /* blocks that got one more owner */
};

static osd_status copy_write(struct copy *c)
{
    size_t size;

    if (rdb_failed(c->r))
        return OSD_E_IO;
    rocksdb_writebatch_data(c->batch, &size);
    c->d->put += size;
    osd_status st = ahead_write(c->r, c->batch);
    rocksdb_writebatch_clear(c->batch);
    return st;
}

static osd_status copy_put(struct copy *c, enum cf cf, const void *key, size_t key_len,
                           const void *value, size_t len)
{
    size_t size;

    rocksdb_writebatch_put_cf(c->batch, c->r->cf[cf], key, key_len, value, len);
    rocksdb_writebatch_data(c->batch, &size);
    return size > BATCH_FULL ? copy_write(c) : OSD_OK;
}

static osd_status share_run(void *arg, uint64_t first, uint32_t count)
{
    struct copy *c = arg;
    osd_status st = run_add(&c->shared, first, count);

    if (st)
        return st;
    st = blocks_share(c->r->blocks, first, count);
    if (st) /* that one is not ours to give back */
        c->shared.v[c->shared.n - 1].count -= count;
    return st;
}

/* A key of the source, whose first 16 bytes name the object, under the new partition. */
static osd_status copy_key(struct copy *c, enum cf cf, const uint8_t *key, size_t key_len,
                           const void *value, size_t len)
{
    uint8_t to[EXTENT_KEY_LEN], mirror[EXTENT_KEY_LEN];
    osd_status st = OSD_OK;

    if (key_len != sizeof(to))
        return OSD_E_CORRUPT;
    memcpy(to, key, sizeof(to));
    be64_put(to, c->to.pid);
    if (cf == CF_EXTENTS)
        st = chunk_runs(value, len, share_run, c);
    if (cf == CF_MEMBERS) {
        key_extent(mirror, (struct store_id){c->to.pid, be64_get(key + 16)}, c->to.oid);
        st = copy_put(c, cf, mirror, sizeof(mirror), "", 0);
    }
    return st ? st : copy_put(c, cf, to, sizeof(to), value, len);
}

/* All keys of the object in one family. */
static osd_status copy_family(struct copy *c, enum cf cf)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(c->r->db, c->d->ro, c->r->cf[cf]);
    uint8_t prefix[OBJECT_KEY_LEN];
    osd_status st = OSD_OK;

    key_object(prefix, c->from);
    for (rocksdb_iter_seek(it, (char *)prefix, sizeof(prefix)); rocksdb_iter_valid(it) && !st;
         rocksdb_iter_next(it)) {
        size_t klen, len;
        const char *k = rocksdb_iter_key(it, &klen), *v = rocksdb_iter_value(it, &len);
        if (klen < sizeof(prefix) || memcmp(k, prefix, sizeof(prefix)) != 0)
            break;
        st = copy_key(c, cf, (const uint8_t *)k, klen, v, len);
    }
    return rdb_iterated(c->r, it, st);
}

/* At open, when the counters were made from the records that are there. */
static void recount(struct rdb *r, uint64_t pid, uint64_t used)
{
    struct part *parts[] = {part_find(r, pid), r->root};

    for (int i = 0; i < 2; i++)
        if (parts[i])
            counter_add(&parts[i]->used, (int64_t)used);
    if (parts[0])
        counter_add(&parts[0]->count, 1);
}

/* value: the record of the source. */
static osd_status copy_keys(struct copy *c, const struct value *value)
{
    uint8_t key[OBJECT_KEY_LEN], listed[LISTED_KEY_LEN];
    struct object o;
    osd_status st = object_decode(value->data, value->len, c->from, &o);

    if (!st && o.rec.outside)
        st = copy_family(c, CF_ATTRS);
    if (!st && o.rec.chunks)
        st = copy_family(c, CF_EXTENTS);
    if (!st && o.rec.members)
        st = copy_family(c, CF_MEMBERS);
    if (!st && o.body_len > 0)
        st = chunk_runs(o.body, o.body_len, share_run, c);
    if (st)
        return st;
    key_object(key, c->to);
    key_listed(listed, c->to, o.rec.meta.kind);
    rocksdb_writebatch_put_cf(c->batch, c->r->cf[CF_IDS], (char *)listed, sizeof(listed), "",
                              0);
    rocksdb_writebatch_put_cf(c->batch, c->r->cf[CF_OBJECTS], (char *)key, sizeof(key),
                              value->data, value->len);
    st = copy_write(c);
    if (!st && c->d->recount)
        recount(c->r, c->to.pid, o.rec.meta.used);
    return st;
}

static osd_status copy_object(struct rdb *r, struct dup *d, uint64_t oid,
                              const struct value *value)
{
    struct copy c = {.r = r, .d = d, .from = {d->source, oid}, .to = {d->pid, oid}};
    osd_status st;

    c.batch = rocksdb_writebatch_create();
    st = copy_keys(&c, value);
    for (size_t i = 0; st && i < c.shared.n; i++)
        if (c.shared.v[i].count > 0)
            blocks_retire(r->blocks, c.shared.v[i].first, c.shared.v[i].count);
    rocksdb_writebatch_destroy(c.batch);
    free(c.shared.v);
    return st;
}

/* Copy an object unless that was done, or the source had none. Under the mutex. */
static osd_status settle_locked(struct rdb *r, struct dup *d, uint64_t oid)
{
    struct store_id from = {d->source, oid}, to = {d->pid, oid};
    uint8_t key[OBJECT_KEY_LEN];
    struct value v;
    bool settled;
    osd_status st = is_settled(r, to, &settled);

    if (st || settled)
        return st;
    key_object(key, from);
    st = get_at(r, d->ro, CF_OBJECTS, key, sizeof(key), &v);
    if (!st && v.pin)
        st = copy_object(r, d, oid, &v);
    value_free(&v);
    return st;
}

static osd_status settle(struct rdb *r, struct dup *d, uint64_t oid)
{
    osd_status st = OSD_OK;

    pthread_mutex_lock(&d->mutex);
    if (d->kind < N_KINDS)
        st = settle_locked(r, d, oid);
    pthread_mutex_unlock(&d->mutex);
    return st;
}

/* ---- all objects, step by step ---- */

/* Objects of a kind that the source had, from an id on; visit ends it by another status than OSD_OK,
 * which is returned. */
static osd_status each_of_source(struct rdb *r, struct dup *d, enum store_kind kind,
                                 uint64_t from,
                                 osd_status (*visit)(struct rdb *r, struct dup *d,
                                                     uint64_t oid))
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, d->ro, r->cf[CF_IDS]);
    uint8_t key[LISTED_KEY_LEN];
    osd_status st = OSD_OK;

    key_listed(key, (struct store_id){d->source, from ? from : 1}, (uint8_t)kind);
    for (rocksdb_iter_seek(it, (char *)key, sizeof(key)); rocksdb_iter_valid(it) && !st;
         rocksdb_iter_next(it)) {
        size_t len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &len);
        if (len != sizeof(key) || memcmp(k, key, 9) != 0)
            break;
        st = visit(r, d, be64_get(k + 9));
    }
    return rdb_iterated(r, it, st);
}

/* INTERRUPTED: that is enough for now. */
static osd_status copy_one(struct rdb *r, struct dup *d, uint64_t oid)
{
    osd_status st;

    if (d->copied >= STEP || d->put >= STEP_BYTES)
        return OSD_E_INTERRUPTED;
    st = settle_locked(r, d, oid);
    if (!st)
        d->next_id = oid + 1;
    d->copied++;
    return st;
}

/* Some objects of the present kind; *ret_all: these were the last. Under the mutex. */
static osd_status copy_some(struct rdb *r, struct dup *d, bool *ret_all)
{
    osd_status st;

    d->copied = d->put = 0;
    st = each_of_source(r, d, kinds[d->kind], d->next_id, copy_one);
    *ret_all = !st;
    return st == OSD_E_INTERRUPTED ? OSD_OK : st;
}

static osd_status step(struct rdb *r, struct dup *d, bool *ret_more)
{
    osd_status st = OSD_OK;
    bool all;

    pthread_mutex_lock(&d->mutex);
    if (d->kind < N_KINDS) {
        st = copy_some(r, d, &all);
        if (!st && all) {
            d->kind++;
            d->next_id = 0;
        }
    }
    *ret_more = !st && d->kind < N_KINDS;
    pthread_mutex_unlock(&d->mutex);
    return st;
}

static osd_status copy_all(struct rdb *r, struct dup *d)
{
    osd_status st = OSD_OK;

    for (bool more = true; more && !st;)
        st = step(r, d, &more);
    return st;
}

/* ---- when objects are looked for, changed, made and removed ---- */

osd_status dups_find(struct txn *t, struct store_id id)
{
    struct rdb *r = t->rdb;
    struct dup *d = find(dups_read(r), id.pid);
    osd_status st = OSD_OK;

    if (d)
        st = settle(r, d, id.oid);
    dups_done(r);
    return st;
}

void dups_before_change(struct txn *t, struct store_id id)
{
    struct rdb *r = t->rdb;
    osd_status st = OSD_OK;

    for (struct dup *d = dups_read(r); d && !st; d = d->next)
        if (d->source == id.pid)
            st = settle(r, d, id.oid);
    dups_done(r);
    txn_noted(&t->base, st);
}

static void put_marker(struct txn *t, struct store_id id)
{
    uint8_t key[LISTED_KEY_LEN];

    key_gone(key, id);
    txn_put(t, CF_IDS, key, sizeof(key), "", 0);
}

void dups_made(struct txn *t, struct store_id id)
{
    for (struct dup *d = dups_read(t->rdb); d; d = d->next)
        if (d->source == id.pid)
            put_marker(t, (struct store_id){d->pid, id.oid});
    dups_done(t->rdb);
}

void dups_removed(struct txn *t, struct store_id id)
{
    for (struct dup *d = dups_read(t->rdb); d; d = d->next)
        if (d->pid == id.pid)
            put_marker(t, id);
    dups_done(t->rdb);
}

osd_status dups_settle(struct rdb *r, uint64_t pid, unsigned which)
{
    osd_status st = OSD_OK;

    if (!dups_any(r))
        return OSD_OK;
    for (struct dup *d = dups_read(r); d && !st; d = d->next)
        if ((which & DUPS_TO && d->pid == pid) || (which & DUPS_FROM && d->source == pid))
            st = copy_all(r, d);
    dups_done(r);
    return st;
}

osd_status dups_settle_all(struct rdb *r)
{
    struct store_held held;
    osd_status st = OSD_OK;

    store_locks_acquire(r->locks, (struct store_id){0, 0}, STORE_SHARED, &held);
    for (struct dup *d = dups_read(r); d && !st; d = d->next)
        st = copy_all(r, d);
    dups_done(r);
    store_locks_release(r->locks, &held);
    return st;
}

static uint64_t bound_of(struct dup *d, enum store_kind kind)
{
    uint64_t bound = 0;

    pthread_mutex_lock(&d->mutex);
    if (d->kind == N_KINDS || (kind == kinds[0] && d->kind > 0))
        bound = DUPS_ALL;
    else if (kinds[d->kind] == kind)
        bound = d->next_id;
    pthread_mutex_unlock(&d->mutex);
    return bound;
}

uint64_t dups_bound(struct rdb *r, uint64_t pid, enum store_kind kind)
{
    uint64_t bound = DUPS_ALL;
    struct dup *d;

    if (!dups_any(r))
        return bound;
    d = find(dups_read(r), pid);
    if (d)
        bound = bound_of(d, kind);
    dups_done(r);
    return bound;
}

osd_status dups_step(struct rdb *r, uint64_t pid)
{
    struct dup *d = find(dups_read(r), pid);
    osd_status st = OSD_OK;
    bool more;

    if (d)
        st = step(r, d, &more);
    dups_done(r);
    return st;
}

/* ---- the partition ---- */

/* Markers of a partition as the transaction sees them; those that others put meanwhile stay, and
 * mean nothing. */
static void delete_markers(struct txn *t, uint64_t pid)
{
    rocksdb_iterator_t *it = txn_iterate(t, CF_IDS);
    uint8_t key[LISTED_KEY_LEN];
    struct osd_buf found = osd_buf_make(GIB);
    osd_status st = OSD_OK;

    key_gone(key, (struct store_id){pid, 1});
    for (rocksdb_iter_seek(it, (char *)key, 9); rocksdb_iter_valid(it) && !st;
         rocksdb_iter_next(it)) {
        size_t len;
        const char *k = rocksdb_iter_key(it, &len);
        if (len != sizeof(key) || memcmp(k, key, 9) != 0)
            break;
        st = osd_buf_put(&found, k, len);
    }
    st = rdb_iterated(t->rdb, it, st);
    for (size_t at = 0; at < found.len; at += sizeof(key))
        txn_delete(t, CF_IDS, found.data + at, sizeof(key));
    osd_buf_free(&found);
    txn_noted(&t->base, st);
}

/* Attributes of a partition are keys of their own, all of them. */
static osd_status copy_part_attrs(struct txn *t, uint64_t from, uint64_t to)
{
    rocksdb_iterator_t *it = rdb_iterate(t->rdb, t->rdb->ro, CF_ATTRS);
    uint8_t prefix[OBJECT_KEY_LEN], key[ATTR_KEY_LEN];

    key_object(prefix, (struct store_id){from, 0});
    for (rocksdb_iter_seek(it, (char *)prefix, sizeof(prefix)); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t klen, len;
        const char *k = rocksdb_iter_key(it, &klen), *v = rocksdb_iter_value(it, &len);
        if (klen != sizeof(key) || memcmp(k, prefix, sizeof(prefix)) != 0)
            break;
        memcpy(key, k, sizeof(key));
        be64_put(key, to);
        txn_put(t, CF_ATTRS, key, sizeof(key), v, len);
    }
    return rdb_iterated(t->rdb, it, t->failed);
}

/* The new partition's record and counters become those of one with the same content. */
static osd_status take_over(struct txn *t, struct part *source, struct part *p)
{
    struct record from, to;
    uint64_t used = counter_now(&source->used), count = counter_now(&source->count);
    osd_status st;

    txn_part_record(t, source, &from);
    txn_part_record(t, p, &to);
    to.meta.used = from.meta.used;
    to.attr_bytes = from.attr_bytes;
    to.outside = from.outside;
    to.copying = source->pid;
    to.copying_serial = from.serial;
    to.shared = from.shared = true;
    txn_record_put(t, &to);
    txn_record_put(t, &from);
    p->next_oid = __atomic_load_n(&source->next_oid, __ATOMIC_RELAXED);
    p->dup = dup_new(source->pid, p->pid);
    st = p->dup ? OSD_OK : OSD_E_NOMEM;
    if (!st)
        st = charge_counters(t, p->pid, (int64_t)used);
    return st ? st
              : count_objects(t, p, (int64_t)count, to.meta.object_quota, STORE_QUOTA_OBJECTS);
}

static osd_status duplicate(struct txn *t, uint64_t source, struct store_id id,
                            const struct store_meta *meta, struct store_id *ret)
{
    struct part *from = source ? txn_part(t, source) : NULL;
    struct store_id made;
    osd_status st;

    if (id.oid != 0 || meta->kind != STORE_PARTITION || source == 0 ||
        !store_held_covers(&t->held, (struct store_id){0, 0}))
        return OSD_E_INVALID;
    if (!from)
        return OSD_E_NOT_FOUND;
    for (const struct part *p = t->new_parts; p; p = p->next)
        if (p == from)
            return OSD_E_INVALID;
    st = dups_settle(t->rdb, source, DUPS_TO);
    if (!st)
        st = part_create(t, id, meta, &made);
    if (!st)
        st = take_over(t, from, t->new_parts);
    if (!st) {
        delete_markers(t, made.pid); /* of an earlier one with this id */
        st = copy_part_attrs(t, source, made.pid);
    }
    if (!st && index_any(t->rdb))
        st = index_copied(t, made.pid);
    if (!st)
        *ret = made;
    return st;
}

osd_status rdb_duplicate(struct store_txn *base, uint64_t source, struct store_id id,
                         const struct store_meta *meta, struct store_id *ret)
{
    return txn_noted(base, duplicate((struct txn *)base, source, id, meta, ret));
}

/* ---- the end ---- */

/* Whether everything has been copied; also of what is not in the list. */
static bool is_complete(struct rdb *r, uint64_t pid)
{
    struct dup *d = find(dups_read(r), pid);
    bool complete = true;

    if (d) {
        pthread_mutex_lock(&d->mutex);
        complete = d->kind == N_KINDS;
        pthread_mutex_unlock(&d->mutex);
    }
    dups_done(r);
    return complete;
}

/* Note on disk that the partition is complete, and forget how it was made. In its place there may
 * be another one by now, or none. */
static osd_status conclude(struct rdb *r, uint64_t pid)
{
    struct store_txn *base;
    struct record rec;
    osd_status st = rdb_begin(&r->base, (struct store_id){pid, 0}, STORE_EXCLUSIVE, &base);

    if (st)
        return st;
    st = txn_record((struct txn *)base, (struct store_id){pid, 0}, &rec);
    if (st || !is_complete(r, pid)) {
        rdb_abort(base);
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    }
    rec.copying = rec.copying_serial = 0;
    txn_record_put((struct txn *)base, &rec);
    delete_markers((struct txn *)base, pid);
    ((struct txn *)base)->concluded = pid;
    return rdb_commit(base, 0);
}

/* The others go on first; said once, not each time. */
static void step_failed(struct rdb *r, struct dup *d, osd_status st, uint64_t now)
{
    d->rest_until = now + REST_MS;
    if (d->reported != st)
        osd_log(OSD_LOG_ERROR,
                "store %s: partition 0x%llx cannot be completed from 0x%llx: %s; trying again",
                r->path, (unsigned long long)d->pid, (unsigned long long)d->source,
                osd_status_text(st));
    d->reported = st;
}

/* One step of one of them; *ret_pid: it is complete. Whether there was one to take. */
static bool some_step(struct rdb *r, uint64_t *ret_pid)
{
    uint64_t now = osd_monotonic_ms();
    struct store_held held;
    osd_status st = OSD_OK;
    bool more = true;

    store_locks_acquire(r->locks, (struct store_id){0, 0}, STORE_SHARED, &held);
    struct dup *d = dups_read(r);
    while (d && d->rest_until > now)
        d = d->next;
    if (d)
        st = step(r, d, &more);
    if (st)
        step_failed(r, d, st, now);
    *ret_pid = d && !more && !st ? d->pid : 0;
    dups_done(r);
    store_locks_release(r->locks, &held);
    return d;
}

osd_status dups_work(struct rdb *r, bool *ret_more)
{
    uint64_t complete = 0;
    osd_status st = OSD_OK;

    /* What space is left is for those who make some. */
    bool can = dups_any(r) && !rdb_failed(r) && !blocks_full(r->blocks);
    bool more = can && some_step(r, &complete);
    if (complete)
        st = conclude(r, complete);
    *ret_more = more && !st && dups_any(r);
    return st;
}

/* Whether what a partition was made from is still there; if not, all was copied before it went. */
static bool has_source(struct rdb *r, const struct part *p)
{
    const struct part *source = part_find(r, p->record.copying);

    return source && source->record.serial == p->record.copying_serial;
}

/* Count an object that could not be copied: it will be, or is said to be damaged. */
static osd_status count_one(struct rdb *r, struct dup *d, uint64_t oid)
{
    uint8_t key[OBJECT_KEY_LEN];
    struct record rec;
    struct value v = {0};
    bool settled;
    osd_status st = is_settled(r, (struct store_id){d->pid, oid}, &settled);

    if (st || settled)
        return st;
    key_object(key, (struct store_id){d->source, oid});
    st = get_at(r, d->ro, CF_OBJECTS, key, sizeof(key), &v);
    if (!st && v.pin)
        st = record_decode(v.data, v.len, (struct store_id){d->source, oid}, &rec);
    if (!st && v.pin)
        recount(r, d->pid, rec.meta.used);
    value_free(&v);
    return st;
}

/* What cannot be copied now stays in the list, as if the store had been open all the time: who
 * looks for an object of it hears of the failure, others go on. */
static osd_status put_aside(struct rdb *r, uint64_t pid, osd_status why)
{
    struct dup *d = find(dups_read(r), pid);
    osd_status st = OSD_OK;

    dups_done(r);
    if (!d)
        return OSD_OK;
    for (size_t i = 0; i < N_KINDS && d->kind < N_KINDS && !st; i++)
        st = each_of_source(r, d, kinds[i], 0, count_one);
    d->recount = false;
    step_failed(r, d, why, osd_monotonic_ms());
    return st;
}

/* Opening: nobody else is there. */
static osd_status resume(struct rdb *r, const struct part *p)
{
    osd_status st = OSD_OK;
    struct dup *d = dup_new(p->record.copying, p->pid);

    if (!d)
        return OSD_E_NOMEM;
    d->recount = true;
    dup_start(r, d);
    if (has_source(r, p)) {
        osd_log(OSD_LOG_INFO, "store %s: completing partition 0x%llx", r->path,
                (unsigned long long)p->pid);
        st = copy_all(r, d);
    } else {
        d->kind = N_KINDS;
    }
    if (!st)
        st = conclude(r, p->pid);
    return st ? put_aside(r, p->pid, st) : OSD_OK;
}

osd_status dups_resume(struct rdb *r)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < PART_BUCKETS && !st; i++)
        for (struct part *p = r->parts[i]; p && !st; p = p->next)
            if (p->record.copying)
                st = resume(r, p);
    return st;
}
