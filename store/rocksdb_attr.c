/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_attr.c - attributes and listings of the RocksDB store
 *
 * An attribute is one key; its charge (ATTR_OVERHEAD + length) is part of the object's used.
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

#define VALUE_MAX 65534u

osd_status rdb_get_attr(struct store_txn *base, struct store_id id, uint32_t page,
                        uint32_t number, void *dst, uint32_t cap, uint32_t *ret_len)
{
    uint8_t key[ATTR_KEY_LEN];
    struct value v;

    key_attr(key, id, page, number);
    osd_status st = txn_get((struct txn *)base, CF_ATTRS, key, sizeof(key), &v);
    if (st)
        return st;
    if (cap > 0)
        memcpy(dst, v.data, v.len < cap ? v.len : cap);
    *ret_len = (uint32_t)v.len;
    value_free(&v);
    return OSD_OK;
}

static osd_status do_set(struct store_txn *base, struct store_id id, uint32_t page,
                         uint32_t number, const void *value, uint32_t len)
{
    struct txn *t = (struct txn *)base;
    struct record rec;
    uint8_t key[ATTR_KEY_LEN];
    uint32_t old = 0;
    osd_status st =
        len <= VALUE_MAX && txn_may_change(t, id) ? txn_record(t, id, &rec) : OSD_E_INVALID;

    if (st)
        return st;
    st = rec.attr_bytes ? rdb_get_attr(base, id, page, number, NULL, 0, &old) : OSD_E_NOT_FOUND;
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    if (st && len == 0)
        return OSD_OK;
    int64_t before = st ? 0 : (int64_t)old + ATTR_OVERHEAD;
    int64_t after = len ? (int64_t)len + ATTR_OVERHEAD : 0;
    st = txn_charge(t, id, &rec.meta, after - before);
    if (st)
        return st;
    key_attr(key, id, page, number);
    if (len)
        txn_put(t, CF_ATTRS, key, sizeof(key), value, len);
    else
        txn_delete(t, CF_ATTRS, key, sizeof(key));
    rec.attr_bytes += (uint64_t)(after - before);
    if (after != before)
        txn_record_put(t, &rec);
    return OSD_OK;
}

osd_status rdb_set_attr(struct store_txn *base, struct store_id id, uint32_t page,
                        uint32_t number, const void *value, uint32_t len)
{
    return txn_noted(base, do_set(base, id, page, number, value, len));
}

osd_status rdb_each_attr(struct store_txn *base, struct store_id id, uint32_t page,
                         uint32_t number, store_attr_visit visit, void *arg)
{
    rocksdb_iterator_t *it = txn_iterate((struct txn *)base, CF_ATTRS);
    uint8_t key[ATTR_KEY_LEN];

    key_attr(key, id, page, number);
    for (rocksdb_iter_seek(it, (char *)key, sizeof(key)); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t klen, len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &klen);
        if (klen != sizeof(key) || memcmp(k, key, OBJECT_KEY_LEN) != 0)
            break;
        const char *value = rocksdb_iter_value(it, &len);
        if (!visit(arg, be32_get(k + 16), be32_get(k + 20), value, (uint32_t)len))
            break;
    }
    rocksdb_iter_destroy(it);
    return OSD_OK;
}

#define PIECE 4096u /* attributes removed at once */

static bool forget_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                        uint32_t len)
{
    struct osd_buf *keys = arg;
    uint8_t key[8];

    (void)value;
    (void)len;
    be32_put(key, page);
    be32_put(key + 4, number);
    return osd_buf_put(keys, key, sizeof(key)) == OSD_OK;
}

/* Collect first, delete after: the iterator must not see its own deletions. Piece by piece, so
 * that an object may have any number of them. */
osd_status attrs_remove(struct txn *t, struct store_id id)
{
    _cleanup_buf_ struct osd_buf keys = osd_buf_make((size_t)PIECE * 8);
    osd_status st = osd_buf_reserve(&keys, (size_t)PIECE * 8);

    do {
        keys.len = 0;
        if (!st)
            st = rdb_each_attr(&t->base, id, 0, 0, forget_attr, &keys);
        for (size_t at = 0; at < keys.len; at += 8) {
            uint8_t key[ATTR_KEY_LEN];
            key_attr(key, id, be32_get(keys.data + at), be32_get(keys.data + at + 4));
            txn_delete(t, CF_ATTRS, key, sizeof(key));
        }
        st = txn_noted(&t->base, st);
    } while (!st && keys.len == (size_t)PIECE * 8);
    return st;
}

/* ---- listings ---- */

struct listing {
    uint64_t *ids;
    size_t max, n;
    uint64_t next;
};

/* Keep an id, or remember it as the first one that did not fit. Returns false when full. */
static bool list_add(struct listing *l, uint64_t id)
{
    if (l->n == l->max) {
        l->next = id;
        return false;
    }
    l->ids[l->n++] = id;
    return true;
}

static void list_partitions(rocksdb_iterator_t *it, uint64_t from, struct listing *l)
{
    uint64_t pid = from > 0 ? from : 1;

    for (;;) {
        uint8_t key[OBJECT_KEY_LEN];
        size_t len;
        key_object(key, (struct store_id){pid, 0});
        rocksdb_iter_seek(it, (char *)key, sizeof(key));
        if (!rocksdb_iter_valid(it))
            return;
        pid = be64_get(rocksdb_iter_key(it, &len));
        if (!list_add(l, pid) || pid == UINT64_MAX)
            return;
        pid++;
    }
}

static void list_objects(rocksdb_iterator_t *it, uint64_t pid, enum store_kind kind,
                         uint64_t from, struct listing *l)
{
    uint8_t key[OBJECT_KEY_LEN];

    key_object(key, (struct store_id){pid, from > 0 ? from : 1});
    for (rocksdb_iter_seek(it, (char *)key, sizeof(key)); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t klen, len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &klen);
        if (be64_get(k) != pid)
            return;
        const uint8_t *v = (const uint8_t *)rocksdb_iter_value(it, &len);
        if (len > 1 && v[1] == kind && !list_add(l, be64_get(k + 8)))
            return;
    }
}

osd_status rdb_list(struct store_txn *base, uint64_t pid, enum store_kind kind, uint64_t from,
                    uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                    uint64_t *ret_changes)
{
    struct txn *t = (struct txn *)base;
    struct part *p = txn_part(t, pid);
    struct listing l = {.ids = ids, .max = max};

    struct store_meta m;
    if (!p || txn_load(t, (struct store_id){pid, 0}, &m))
        return OSD_E_NOT_FOUND;
    rocksdb_iterator_t *it = txn_iterate(t, CF_OBJECTS);
    if (pid == 0)
        list_partitions(it, from, &l);
    else
        list_objects(it, pid, kind, from, &l);
    rocksdb_iter_destroy(it);
    *ret_n = l.n;
    *ret_next = l.next;
    pthread_mutex_lock(&p->mutex);
    *ret_changes = p->changes;
    pthread_mutex_unlock(&p->mutex);
    return OSD_OK;
}
