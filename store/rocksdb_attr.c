/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_attr.c - attributes of the RocksDB store
 *
 * An attribute's charge (ATTR_OVERHEAD + length) is part of the object's used.
 * Invariants:
 *  (1) A small attribute of an object lies in the object's record as long as there is room; every
 *      other one, and all of partitions and the root, is a key of its own. None is both.
 *  (2) The record counts those that have keys, so that nobody looks for keys that are not there.
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

#define VALUE_MAX 65534u

/** Where the attributes of an object are looked for. */
struct holder {
    struct object *o; /* NULL: a partition or the root */
    struct record rec;
};

/* Anything may be looked at; of a partition and the root, the record is a copy. */
static osd_status find_holder(struct txn *t, struct store_id id, struct holder *ret)
{
    osd_status st;

    ret->o = NULL;
    if (!id.oid)
        return txn_record(t, id, &ret->rec);
    st = txn_object(t, id, &ret->o);
    if (!st)
        ret->rec = ret->o->rec;
    return st;
}

static osd_status copy_out(const void *value, size_t len, void *dst, uint32_t cap,
                           uint32_t *ret_len)
{
    if (cap > 0)
        memcpy(dst, value, len < cap ? len : cap);
    *ret_len = (uint32_t)len;
    return OSD_OK;
}

static osd_status get_outside(struct txn *t, struct store_id id, uint32_t page, uint32_t number,
                              void *dst, uint32_t cap, uint32_t *ret_len)
{
    uint8_t key[ATTR_KEY_LEN];
    struct value v;

    key_attr(key, id, page, number);
    osd_status st = txn_get(t, CF_ATTRS, key, sizeof(key), &v);
    if (st)
        return st;
    copy_out(v.data, v.len, dst, cap, ret_len);
    value_free(&v);
    return OSD_OK;
}

osd_status rdb_get_attr(struct store_txn *base, struct store_id id, uint32_t page,
                        uint32_t number, void *dst, uint32_t cap, uint32_t *ret_len)
{
    struct txn *t = (struct txn *)base;
    struct inline_attr a;
    struct holder h;
    osd_status st = find_holder(t, id, &h);

    if (st)
        return st;
    if (h.o && inline_find(h.o, page, number, &a))
        return copy_out(a.value, a.len, dst, cap, ret_len);
    return h.rec.outside ? get_outside(t, id, page, number, dst, cap, ret_len)
                         : OSD_E_NOT_FOUND;
}

/** An attribute before a change. */
struct former {
    uint32_t len; /* 0: none */
    bool outside;
};

static osd_status find_former(struct txn *t, const struct holder *h, uint32_t page,
                              uint32_t number, struct former *ret)
{
    struct inline_attr a;
    osd_status st;

    *ret = (struct former){0};
    if (h->o && inline_find(h->o, page, number, &a)) {
        ret->len = a.len;
        return OSD_OK;
    }
    if (!h->rec.outside)
        return OSD_OK;
    st = get_outside(t, h->rec.id, page, number, NULL, 0, &ret->len);
    ret->outside = !st;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static int64_t charge_of(uint32_t len)
{
    return len ? (int64_t)len + ATTR_OVERHEAD : 0;
}

/* Put the value where it belongs and take it away from where it was. Returns whether the record
 * is another one by that. */
static bool place_value(struct txn *t, struct holder *h, const struct former *old,
                        uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    bool inside = h->o && len > 0 && inline_set(h->o, page, number, value, len);
    bool outside = len > 0 && !inside;
    uint8_t key[ATTR_KEY_LEN];

    if (h->o && old->len > 0 && !old->outside && !inside)
        inline_drop(h->o, page, number);
    key_attr(key, h->rec.id, page, number);
    if (outside)
        txn_put(t, CF_ATTRS, key, sizeof(key), value, len);
    else if (old->outside)
        txn_delete(t, CF_ATTRS, key, sizeof(key));
    h->rec.outside += (uint32_t)outside - (uint32_t)old->outside;
    return inside || !outside || !old->outside;
}

static osd_status do_set(struct txn *t, struct store_id id, uint32_t page, uint32_t number,
                         const void *value, uint32_t len)
{
    struct former old;
    struct holder h;
    osd_status st =
        len <= VALUE_MAX && txn_may_change(t, id) ? find_holder(t, id, &h) : OSD_E_INVALID;

    if (!st)
        st = find_former(t, &h, page, number, &old);
    if (st || (len == 0 && old.len == 0))
        return st;
    int64_t growth = charge_of(len) - charge_of(old.len);
    st = txn_charge(t, id, &h.rec.meta, growth);
    if (!st && index_concerns(t->rdb, page))
        st = index_follow(t, &h.rec, page, number, value, len);
    if (st)
        return st;
    h.rec.attr_bytes += (uint64_t)growth;
    bool changed = place_value(t, &h, &old, page, number, value, len) || growth;
    if (changed || dups_any(t->rdb)) /* duplicates are told by the record's change */
        txn_record_put(t, &h.rec);
    return OSD_OK;
}

osd_status rdb_set_attr(struct store_txn *base, struct store_id id, uint32_t page,
                        uint32_t number, const void *value, uint32_t len)
{
    return txn_noted(base, do_set((struct txn *)base, id, page, number, value, len));
}

/* ---- visiting ---- */

/* The inline ones that come before an outside one (NULL: all); whether to go on. What the visitor is given
 * stays where it is: it calls nothing here. */
static bool visit_inline(const struct object *o, struct inline_attr *next, bool *more,
                         const uint8_t *before, store_attr_visit visit, void *arg)
{
    while (*more &&
           (!before || ((uint64_t)next->page << 32 | next->number) < be64_get(before))) {
        if (!visit(arg, next->page, next->number, next->value, next->len))
            return false;
        size_t at = (size_t)(next->value + next->len - o->attrs);
        *more = at < o->attrs_len &&
                inline_seek(o, be32_get(o->attrs + at), be32_get(o->attrs + at + 4), next);
    }
    return true;
}

osd_status rdb_each_attr(struct store_txn *base, struct store_id id, uint32_t page,
                         uint32_t number, store_attr_visit visit, void *arg)
{
    struct txn *t = (struct txn *)base;
    uint8_t key[ATTR_KEY_LEN];
    struct inline_attr next;
    struct holder h;
    osd_status st = find_holder(t, id, &h);

    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    bool more = h.o && inline_seek(h.o, page, number, &next), go_on = true;
    key_attr(key, id, page, number);
    rocksdb_iterator_t *it = h.rec.outside ? txn_iterate(t, CF_ATTRS) : NULL;
    if (it)
        rocksdb_iter_seek(it, (char *)key, sizeof(key));
    for (; it && go_on && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t klen, len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &klen);
        if (klen != sizeof(key) || memcmp(k, key, OBJECT_KEY_LEN) != 0)
            break;
        go_on = visit_inline(h.o, &next, &more, k + 16, visit, arg);
        const char *value = rocksdb_iter_value(it, &len);
        go_on = go_on && visit(arg, be32_get(k + 16), be32_get(k + 20), value, (uint32_t)len);
    }
    st = it ? rdb_iterated(t->rdb, it, OSD_OK) : OSD_OK;
    if (!st && go_on && more)
        visit_inline(h.o, &next, &more, NULL, visit, arg);
    return st;
}

#define PIECE ((size_t)4096 * ATTR_KEY_LEN) /* keys removed at once */

/* At most PIECE bytes of keys of attributes. */
static osd_status collect_keys(struct txn *t, struct store_id id, struct osd_buf *keys)
{
    rocksdb_iterator_t *it = txn_iterate(t, CF_ATTRS);
    uint8_t prefix[OBJECT_KEY_LEN];
    osd_status st = OSD_OK;

    keys->len = 0;
    key_object(prefix, id);
    for (rocksdb_iter_seek(it, (char *)prefix, sizeof(prefix));
         !st && rocksdb_iter_valid(it) && keys->len < PIECE; rocksdb_iter_next(it)) {
        size_t len;
        const char *k = rocksdb_iter_key(it, &len);
        if (len != ATTR_KEY_LEN || memcmp(k, prefix, sizeof(prefix)) != 0)
            break;
        st = osd_buf_put(keys, k, len);
    }
    return rdb_iterated(t->rdb, it, st);
}

/* Collect first, delete after: the iterator must not see its own deletions. Piece by piece, so
 * that an object may have any number of them. */
osd_status attrs_remove(struct txn *t, const struct record *rec)
{
    _cleanup_buf_ struct osd_buf keys = osd_buf_make(PIECE);
    osd_status st = OSD_OK;
    bool more = rec->outside > 0;

    while (more && !st) {
        st = collect_keys(t, rec->id, &keys);
        for (size_t at = 0; at < keys.len && !st; at += ATTR_KEY_LEN)
            txn_delete(t, CF_ATTRS, keys.data + at, ATTR_KEY_LEN);
        more = keys.len == PIECE;
        st = txn_noted(&t->base, st);
    }
    return st;
}
