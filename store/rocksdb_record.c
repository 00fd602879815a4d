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
 *  (2) A record that is kept and changed is not in the batch yet. Whoever iterates over records
 *      has them written first (txn_iterate()).
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

static struct record *kept(struct txn *t, struct store_id id)
{
    for (size_t i = 0; i < TXN_KEPT; i++)
        if (t->kept[i].meta.kind && same(t->kept[i].id, id))
            return &t->kept[i];
    return NULL;
}

static void put_record(struct txn *t, const struct record *rec)
{
    uint8_t key[OBJECT_KEY_LEN], value[RECORD_MAX];

    key_object(key, rec->id);
    txn_put(t, CF_OBJECTS, key, sizeof(key), value, record_encode(rec, value));
}

static void settle(struct txn *t, struct record *rec)
{
    if (rec->meta.kind && rec->changed)
        put_record(t, rec);
    rec->changed = false;
}

/* Keep a record, in place of the one that was kept first. */
static void keep(struct txn *t, const struct record *rec)
{
    struct record *place = kept(t, rec->id);

    if (!place) {
        place = &t->kept[t->next_kept++ % TXN_KEPT];
        settle(t, place);
    }
    *place = *rec;
}

/* ---- both ---- */

osd_status txn_record(struct txn *t, struct store_id id, struct record *ret)
{
    const struct record *have = id.oid ? kept(t, id) : NULL;
    struct part *p = id.oid ? NULL : txn_part(t, id.pid);
    uint8_t key[OBJECT_KEY_LEN];
    struct value v;

    if (have)
        *ret = *have;
    else if (p)
        txn_part_record(t, p, ret);
    if (have || !id.oid)
        return have || p ? OSD_OK : OSD_E_NOT_FOUND;
    key_object(key, id);
    osd_status st = txn_get(t, CF_OBJECTS, key, sizeof(key), &v);
    if (st)
        return st;
    st = record_decode(v.data, v.len, id, ret);
    value_free(&v);
    if (!st && still(t, id))
        keep(t, ret);
    return st;
}

void txn_record_put(struct txn *t, const struct record *rec)
{
    struct record changed = *rec;
    osd_status st = OSD_OK;

    changed.changed = true;
    if (rec->id.oid)
        keep(t, &changed);
    else
        st = part_put(t, &changed);
    batch_of(t); /* a transaction with changes has a batch */
    if (st)
        txn_noted(&t->base, st);
}

void txn_record_delete(struct txn *t, struct store_id id)
{
    struct record *have = id.oid ? kept(t, id) : NULL;
    uint8_t key[OBJECT_KEY_LEN];

    if (have)
        *have = (struct record){0};
    if (!id.oid)
        part_forget(t, id.pid);
    key_object(key, id);
    txn_delete(t, CF_OBJECTS, key, sizeof(key));
}

void txn_records_write(struct txn *t)
{
    for (size_t i = 0; i < TXN_KEPT; i++)
        settle(t, &t->kept[i]);
    for (struct part_record *e = t->part_records; e; e = e->next)
        settle(t, &e->record);
}

void txn_records_forget(struct txn *t)
{
    memset(t->kept, 0, sizeof(t->kept));
    while (t->part_records) {
        struct part_record *e = t->part_records;
        t->part_records = e->next;
        free(e);
    }
}

osd_status txn_load(struct txn *t, struct store_id id, struct store_meta *ret)
{
    struct record rec;
    osd_status st = txn_record(t, id, &rec);

    if (!st)
        *ret = rec.meta;
    return st;
}

void txn_store(struct txn *t, struct store_id id, const struct store_meta *m)
{
    struct record rec;
    osd_status st = txn_record(t, id, &rec);

    if (st) {
        txn_noted(&t->base, st);
        return;
    }
    rec.meta = *m;
    txn_record_put(t, &rec);
}
