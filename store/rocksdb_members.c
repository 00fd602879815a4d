/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_members.c - memberships in the RocksDB store
 *
 * A membership is two keys without value, one from each side, and is counted in the record of the
 * user object. Whoever writes them holds the
 * user object (or its partition) exclusively, so nobody else writes the same keys.
 */
#include "rocksdb_internal.h"

static osd_status expect_kind(struct txn *t, struct store_id id, enum store_kind kind)
{
    struct store_meta m;
    osd_status st = txn_load(t, id, &m);

    return st ? st : m.kind == kind ? OSD_OK : OSD_E_INVALID;
}

static bool is_member(struct txn *t, struct store_id collection, uint64_t oid)
{
    uint8_t key[EXTENT_KEY_LEN];
    struct value v;

    key_extent(key, collection, oid);
    if (txn_get(t, CF_MEMBERS, key, sizeof(key), &v))
        return false;
    value_free(&v);
    return true;
}

/* Both keys of a membership. */
static void set_both(struct txn *t, uint64_t pid, uint64_t one, uint64_t other, bool member)
{
    uint64_t sides[2][2] = {{one, other}, {other, one}};

    for (int i = 0; i < 2; i++) {
        uint8_t key[EXTENT_KEY_LEN];
        key_extent(key, (struct store_id){pid, sides[i][0]}, sides[i][1]);
        if (member)
            txn_put(t, CF_MEMBERS, key, sizeof(key), "", 0);
        else
            txn_delete(t, CF_MEMBERS, key, sizeof(key));
    }
}

static osd_status do_set(struct txn *t, struct store_id collection, uint64_t oid, bool member)
{
    struct store_id id = {collection.pid, oid};
    struct record rec;
    osd_status st = txn_may_change(t, id) ? txn_record(t, id, &rec) : OSD_E_INVALID;

    if (!st && rec.meta.kind != STORE_USER)
        st = OSD_E_INVALID;
    if (!st)
        st = expect_kind(t, collection, STORE_COLLECTION);
    if (st || is_member(t, collection, oid) == member)
        return st;
    set_both(t, id.pid, collection.oid, oid, member);
    rec.members += member ? 1 : -1u;
    txn_record_put(t, &rec);
    return OSD_OK;
}

osd_status rdb_set_member(struct store_txn *base, struct store_id collection, uint64_t oid,
                          bool member)
{
    return txn_noted(base, do_set((struct txn *)base, collection, oid, member));
}

/* Ids of the other side from `from` on, at most max; *ret_next: the first one left out, or 0. */
static osd_status walk(struct txn *t, struct store_id id, uint64_t from, uint64_t *ids,
                       size_t max, size_t *ret_n, uint64_t *ret_next)
{
    rocksdb_iterator_t *it = txn_iterate(t, CF_MEMBERS);
    uint8_t key[EXTENT_KEY_LEN];
    uint64_t next = 0;
    size_t n = 0;

    key_extent(key, id, from);
    for (rocksdb_iter_seek(it, (char *)key, sizeof(key)); rocksdb_iter_valid(it) && !next;
         rocksdb_iter_next(it)) {
        size_t len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &len);
        if (len != sizeof(key) || memcmp(k, key, OBJECT_KEY_LEN) != 0)
            break;
        if (n < max)
            ids[n++] = be64_get(k + OBJECT_KEY_LEN);
        else
            next = be64_get(k + OBJECT_KEY_LEN);
    }
    *ret_n = n;
    *ret_next = next;
    return rdb_iterated(t->rdb, it, OSD_OK);
}

osd_status rdb_members(struct store_txn *base, struct store_id id, uint64_t from, uint64_t *ids,
                       size_t max, size_t *ret_n, uint64_t *ret_next)
{
    struct txn *t = (struct txn *)base;
    struct store_meta m;
    osd_status st = txn_load(t, id, &m);

    if (!st && m.kind == STORE_COLLECTION)
        st = dups_settle(t->rdb, id.pid, DUPS_TO);
    if (!st)
        st = walk(t, id, from, ids, max, ret_n, ret_next);
    return st;
}

/* A user object that is in one collection less. */
static osd_status count_out(struct txn *t, struct store_id id)
{
    struct record rec;
    osd_status st = txn_record(t, id, &rec);

    if (st || rec.meta.kind != STORE_USER || rec.members == 0)
        return st;
    rec.members--;
    txn_record_put(t, &rec);
    return OSD_OK;
}

osd_status members_remove(struct txn *t, const struct record *rec)
{
    struct store_id id = rec->id;
    uint64_t ids[64], next = 0;
    osd_status st =
        rec->meta.kind == STORE_COLLECTION ? dups_settle(t->rdb, id.pid, DUPS_TO) : OSD_OK;
    size_t n;

    if (st)
        return st;
    do {
        n = 0;
        st = walk(t, id, next, ids, 64, &n, &next);
        for (size_t i = 0; i < n && !st; i++) {
            set_both(t, id.pid, id.oid, ids[i], false);
            if (rec->meta.kind == STORE_COLLECTION)
                st = count_out(t, (struct store_id){id.pid, ids[i]});
        }
    } while (next && !st);
    return st;
}
