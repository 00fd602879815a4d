/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_record.c - metadata records as a transaction sees them
 *
 * Reading or writing a key costs more than everything else a small command does. A transaction
 * therefore keeps the records it works on decoded, and puts each changed one into its batch
 * once; records of partitions and of the root are in memory anyway (struct part).
 * Invariants:
 *  (1) Kept are only records that the transaction's lock keeps still: those it covers, shared or
 *      exclusively, and those it created. All others are read anew each time.
 *  (2) A record that is kept and changed is not in the batch yet, nor is a fresh one listed.
 *      Whoever iterates over listings has them written first (txn_iterate()).
 *  (3) Changed records of partitions reach struct part at commit, in part_records_applied().
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

static bool same(struct store_id a, struct store_id b)
{
    return a.pid == b.pid && a.oid == b.oid;
}

/* ---- partitions and the root ---- */

/* The transaction's own version of a partition's record, or NULL when it changed none. */
static struct record *part_changed(const struct txn *t, const struct part *p)
{
    for (struct part_record *e = t->part_records; e; e = e->next)
        if (e->part == p)
            return &e->record;
    return NULL;
}

void txn_part_record(const struct txn *t, struct part *p, struct record *ret)
{
    const struct record *own = part_changed(t, p);

    if (own) {
        *ret = *own;
        return;
    }
    if (p == t->part) { /* held: nobody else changes it */
        *ret = p->record;
        return;
    }
    pthread_mutex_lock(&p->mutex);
    *ret = p->record;
    pthread_mutex_unlock(&p->mutex);
}

static osd_status part_put(struct txn *t, const struct record *rec)
{
    struct part *p = txn_part(t, rec->id.pid);
    struct record *own = p ? part_changed(t, p) : NULL;
    struct part_record *e;

    if (!p)
        return OSD_E_NOT_FOUND;
    if (!own) {
        e = calloc(1, sizeof(*e));
        if (!e)
            return OSD_E_NOMEM;
        e->part = p;
        e->next = t->part_records;
        t->part_records = e;
        own = &e->record;
    }
    *own = *rec;
    own->changed = true;
    return OSD_OK;
}

/* Forget what was changed of a partition that goes. */
static void part_forget(struct txn *t, uint64_t pid)
{
    struct part_record **at = &t->part_records, *e;

    while (*at && (*at)->record.id.pid != pid)
        at = &(*at)->next;
    e = *at;
    if (e) {
        *at = e->next;
        free(e);
    }
}

void part_records_applied(struct txn *t)
{
    for (const struct part_record *e = t->part_records; e; e = e->next) {
        pthread_mutex_lock(&e->part->mutex);
        e->part->record = e->record;
        pthread_mutex_unlock(&e->part->mutex);
    }
}

/* ---- objects ---- */

/* Whether nobody else can change the record before the transaction ends. */
static bool still(const struct txn *t, struct store_id id)
{
    struct store_id own = t->base.id;

    return own.pid == 0 || (own.pid == id.pid && (own.oid == 0 || own.oid == id.oid)) ||
           txn_may_change(t, id);
}

static struct object *kept(struct txn *t, struct store_id id)
{
    for (size_t i = 0; i < TXN_KEPT; i++)
        if (t->kept[i].rec.meta.kind && same(t->kept[i].rec.id, id)) {
            t->used_at[i] = ++t->uses;
            return &t->kept[i];
        }
    return NULL;
}

/* A fresh one is also listed from now on. */
static void settled(struct txn *t, struct record *rec)
{
    uint8_t key[LISTED_KEY_LEN];

    if (rec->fresh && (rec->id.pid || rec->id.oid)) {
        key_listed(key, rec->id, rec->meta.kind);
        txn_put(t, CF_IDS, key, sizeof(key), "", 0);
    }
    rec->fresh = rec->changed = false;
}

static void settle_object(struct txn *t, struct object *o)
{
    uint8_t key[OBJECT_KEY_LEN], value[OBJECT_MAX];

    if (!o->rec.meta.kind || !o->rec.changed)
        return;
    key_object(key, o->rec.id);
    txn_put(t, CF_OBJECTS, key, sizeof(key), value, object_encode(o, value));
    settled(t, &o->rec);
}

static void settle_part(struct txn *t, struct record *rec)
{
    uint8_t key[OBJECT_KEY_LEN], value[PART_LEN];

    if (!rec->changed)
        return;
    key_object(key, rec->id);
    txn_put(t, CF_OBJECTS, key, sizeof(key), value, part_encode(rec, value));
    settled(t, rec);
}

/* A place to keep one more: an empty one, or that of the one not used for longest. */
static struct object *vacate(struct txn *t)
{
    size_t place = 0;

    for (size_t i = 0; i < TXN_KEPT; i++) {
        if (!t->kept[i].rec.meta.kind)
            t->used_at[i] = 0;
        if (t->used_at[i] < t->used_at[place])
            place = i;
    }
    settle_object(t, &t->kept[place]);
    t->kept[place].rec.meta.kind = 0;
    t->used_at[place] = ++t->uses;
    return &t->kept[place];
}

osd_status txn_object(struct txn *t, struct store_id id, struct object **ret)
{
    struct object *o = kept(t, id);
    uint8_t key[OBJECT_KEY_LEN], room[OBJECT_MAX];
    struct value v;

    if (o) {
        *ret = o;
        return OSD_OK;
    }
    key_object(key, id);
    osd_status st = txn_get_hot(t, CF_OBJECTS, key, sizeof(key), room, &v);
    if (st == OSD_E_NOT_FOUND && dups_any(t->rdb)) {
        st = dups_find(t, id);
        if (!st)
            st = txn_get_hot(t, CF_OBJECTS, key, sizeof(key), room, &v);
    }
    if (st)
        return st;
    o = still(t, id) ? vacate(t) : &t->other;
    st = object_decode(v.data, v.len, id, o);
    value_free(&v);
    if (st)
        o->rec.meta.kind = 0;
    else
        *ret = o;
    return st;
}

void txn_object_changed(struct txn *t, struct object *o)
{
    if (!o->rec.changed && !o->rec.fresh && dups_any(t->rdb))
        dups_before_change(t, o->rec.id);
    o->rec.changed = true;
    t->changed = true;
}

void txn_object_make(struct txn *t, const struct record *rec)
{
    struct object *o = kept(t, rec->id);

    if (!o)
        o = vacate(t);
    o->rec = *rec;
    o->rec.fresh = true;
    o->attrs_len = o->body_len = 0;
    if (dups_any(t->rdb))
        dups_made(t, rec->id);
    txn_object_changed(t, o);
}

/* One that may be changed in place, to be followed by txn_object_changed(). */
static osd_status object_for_change(struct txn *t, struct store_id id, struct object **ret)
{
    osd_status st = txn_object(t, id, ret);

    return !st && *ret == &t->other ? OSD_E_INVALID : st;
}

static osd_status object_put(struct txn *t, const struct record *rec)
{
    struct object *o;
    osd_status st = object_for_change(t, rec->id, &o);

    if (st)
        return st;
    bool fresh = o->rec.fresh;
    o->rec = *rec;
    o->rec.fresh = fresh;
    txn_object_changed(t, o);
    return OSD_OK;
}

/* ---- both ---- */

osd_status txn_record(struct txn *t, struct store_id id, struct record *ret)
{
    struct object *o;
    osd_status st = OSD_OK;

    if (id.oid) {
        st = txn_object(t, id, &o);
        if (!st)
            *ret = o->rec;
        return st;
    }
    struct part *p = txn_part(t, id.pid);
    if (!p)
        return OSD_E_NOT_FOUND;
    txn_part_record(t, p, ret);
    return ret->id.pid == id.pid ? OSD_OK
                                 : OSD_E_NOT_FOUND; /* gone, and another one's memory */
}

/* End of a change of a record: it may have failed. */
static void changed(struct txn *t, osd_status st)
{
    t->changed = true;
    if (st)
        txn_noted(&t->base, st == OSD_E_NOT_FOUND ? OSD_E_INVALID : st);
}

void txn_record_put(struct txn *t, const struct record *rec)
{
    changed(t, rec->id.oid ? object_put(t, rec) : part_put(t, rec));
}

void txn_record_delete(struct txn *t, const struct record *rec)
{
    struct object *have = rec->id.oid ? kept(t, rec->id) : NULL;
    uint8_t key[OBJECT_KEY_LEN], listed[LISTED_KEY_LEN];

    key_object(key, rec->id);
    key_listed(listed, rec->id, rec->meta.kind);
    if (rec->id.oid && dups_any(t->rdb)) {
        dups_before_change(t, rec->id);
        dups_removed(t, rec->id);
    }
    if (have)
        have->rec.meta.kind = 0;
    else if (!rec->id.oid)
        part_forget(t, rec->id.pid);
    txn_delete(t, CF_OBJECTS, key, sizeof(key));
    txn_delete(t, CF_IDS, listed, sizeof(listed));
}

void txn_records_write(struct txn *t)
{
    for (size_t i = 0; i < TXN_KEPT; i++)
        settle_object(t, &t->kept[i]);
    for (struct part_record *e = t->part_records; e; e = e->next)
        settle_part(t, &e->record);
}

void txn_records_forget(struct txn *t)
{
    for (size_t i = 0; i < TXN_KEPT; i++)
        t->kept[i].rec.meta.kind = 0;
    while (t->part_records) {
        struct part_record *e = t->part_records;
        t->part_records = e->next;
        free(e);
    }
}

osd_status txn_load(struct txn *t, struct store_id id, struct store_meta *ret)
{
    struct object *o;
    struct record rec;
    osd_status st = id.oid ? txn_object(t, id, &o) : txn_record(t, id, &rec);

    if (!st)
        *ret = id.oid ? o->rec.meta : rec.meta;
    return st;
}

static osd_status object_store(struct txn *t, struct store_id id, const struct store_meta *m)
{
    struct object *o;
    osd_status st = object_for_change(t, id, &o);

    if (st)
        return st;
    o->rec.meta = *m;
    txn_object_changed(t, o);
    return OSD_OK;
}

static osd_status part_store(struct txn *t, struct store_id id, const struct store_meta *m)
{
    struct record rec;
    osd_status st = txn_record(t, id, &rec);

    if (st)
        return st;
    rec.meta = *m;
    return part_put(t, &rec);
}

void txn_store(struct txn *t, struct store_id id, const struct store_meta *m)
{
    changed(t, id.oid ? object_store(t, id, m) : part_store(t, id, m));
}
