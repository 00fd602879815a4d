/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory_data.c - bytes of user objects in the memory store
 *
 * A block of STORE_BLOCK bytes exists in the tree exactly when it counts as data. Blocks are
 * never changed in place: versions share them.
 */
#include <string.h>

#include "memory.h"

static uint64_t block_of(uint64_t off)
{
    return off / STORE_BLOCK;
}

/* Number of the first block that begins at or after off. */
static uint64_t block_after(uint64_t off)
{
    return off / STORE_BLOCK + (off % STORE_BLOCK != 0);
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool in_iov(const struct osd_iov *iov, uint64_t off, uint64_t len)
{
    return off <= iov->len && len <= iov->len - off;
}

static bool wraps(uint64_t off, uint64_t len)
{
    return off + len < off;
}

/* ---- reading ---- */

static void read_blocks(const struct mem_object *o, uint64_t off, uint64_t len,
                        const struct osd_iov *dst, uint64_t dst_off)
{
    uint64_t end = off + len, at = off;

    for (const struct tree_node *n = tree_ceil(o->blocks, block_of(off)); n && at < end;
         n = tree_next(o->blocks, n)) {
        const struct mem_value *v = (const struct mem_value *)n->value;
        uint64_t start = n->key * STORE_BLOCK;
        if (start >= end)
            break;
        if (start > at) {
            osd_iov_zero(dst, dst_off + (at - off), start - at);
            at = start;
        }
        uint64_t part = min64(end, start + STORE_BLOCK) - at;
        osd_iov_write(dst, dst_off + (at - off), v->data + (at - start), part);
        at += part;
    }
    osd_iov_zero(dst, dst_off + (at - off), end - at);
}

osd_status mem_read(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                    const struct osd_iov *dst, uint64_t dst_off)
{
    struct mem_object *o;
    osd_status status;

    if (wraps(off, len) || !in_iov(dst, dst_off, len))
        return OSD_E_INVALID;
    status = mem_find_data(mem_txn_of(t), id, &o);
    if (status)
        return status;
    read_blocks(o, off, len, dst, dst_off);
    store_ref_put(&o->ref);
    return OSD_OK;
}

/* What lies at a byte below the length, up to *ret_end: a hole, or the data of one block, which is *ret_n. */
static enum store_extent extent_at(const struct mem_object *o, uint64_t off,
                                   const struct tree_node **ret_n, uint64_t *ret_end)
{
    const struct tree_node *n = tree_ceil(o->blocks, block_of(off));
    bool data = n && n->key == block_of(off);
    uint64_t end = data ? n->key + 1 : n ? n->key : block_after(o->meta.length);

    *ret_n = n;
    *ret_end = min64(end * STORE_BLOCK, o->meta.length);
    return data ? STORE_DATA : STORE_HOLE;
}

osd_status mem_seek(struct store_txn *t, struct store_id id, uint64_t off,
                    enum store_extent *ret_kind, uint64_t *ret_len)
{
    const struct tree_node *n;
    struct mem_object *o;
    uint64_t length, end;
    osd_status status = mem_find_data(mem_txn_of(t), id, &o);

    if (status)
        return status;
    length = o->meta.length;
    if (off < length) {
        *ret_kind = extent_at(o, off, &n, &end);
        while (*ret_kind == STORE_DATA && (n = tree_next(o->blocks, n)) &&
               n->key * STORE_BLOCK == end)
            end = min64(end + STORE_BLOCK, length);
        *ret_len = end - off;
    }
    store_ref_put(&o->ref);
    return off < length ? OSD_OK : OSD_E_PAST_END;
}

/* Blocks are never changed in place, so the address of one is its place; alone, because its
 * neighbours lie anywhere. They are not looked at: who compares maps asks for every block. */
osd_status mem_place(struct store_txn *t, struct store_id id, uint64_t off,
                     enum store_extent *ret_kind, uint64_t *ret_place, uint64_t *ret_len)
{
    const struct tree_node *n;
    struct mem_object *o;
    uint64_t length, end;
    osd_status status = mem_find_data(mem_txn_of(t), id, &o);

    if (status)
        return status;
    length = o->meta.length;
    *ret_place = 0;
    if (off < length) {
        *ret_kind = extent_at(o, off, &n, &end);
        *ret_place = *ret_kind == STORE_DATA ? (uintptr_t)n->value : 0;
        *ret_len = end - off;
    }
    store_ref_put(&o->ref);
    return off < length ? OSD_OK : OSD_E_PAST_END;
}

/* ---- changing ---- */

/* Refuse a length the object may not grow to. */
static osd_status check_length(struct mem_txn *t, const struct mem_object *o, uint64_t length)
{
    if (length <= o->meta.length || length <= min64(o->meta.max_length, STORE_LENGTH_MAX))
        return OSD_OK;
    t->base.quota = STORE_QUOTA_LENGTH;
    return OSD_E_QUOTA;
}

/* Make block `key` of a tree a block of its own, content kept or zeros. */
static osd_status own_block(struct tree_node **blocks, uint64_t key, struct mem_value **ret)
{
    const struct mem_value *old = tree_get(*blocks, key);
    struct mem_value *v = mem_value_new(STORE_BLOCK);
    osd_status status;

    if (!v)
        return OSD_E_NOMEM;
    if (old)
        memcpy(v->data, old->data, STORE_BLOCK);
    else
        memset(v->data, 0, STORE_BLOCK);
    status = tree_put(blocks, key, &v->ref);
    if (status)
        store_ref_put(&v->ref);
    else
        *ret = v;
    return status;
}

/* Copy bytes of a buffer in, or zeros when src is NULL, making data blocks of all touched. */
static osd_status put_bytes(struct tree_node **blocks, uint64_t off, uint64_t len,
                            const struct osd_iov *src, uint64_t src_off)
{
    osd_status status = OSD_OK;

    for (uint64_t done = 0; done < len && status == OSD_OK;) {
        uint64_t in_block = (off + done) % STORE_BLOCK;
        uint64_t part = min64(len - done, STORE_BLOCK - in_block);
        struct mem_value *v;
        status = own_block(blocks, block_of(off + done), &v);
        if (status == OSD_OK && src)
            osd_iov_read(src, src_off + done, v->data + in_block, part);
        else if (status == OSD_OK)
            memset(v->data + in_block, 0, part);
        done += part;
    }
    return status;
}

/* Blocks of a tree with first <= number < last. */
static uint64_t count_blocks(const struct tree_node *blocks, uint64_t first, uint64_t last)
{
    uint64_t count = 0;

    for (const struct tree_node *n = tree_ceil(blocks, first); n && n->key < last;
         n = tree_next(blocks, n))
        count++;
    return count;
}

static osd_status drop_blocks(struct tree_node **blocks, uint64_t first, uint64_t last)
{
    osd_status status = OSD_OK;

    for (const struct tree_node *n = tree_ceil(*blocks, first);
         n && n->key < last && status == OSD_OK; n = tree_ceil(*blocks, first)) {
        first = n->key;
        status = tree_del(blocks, first);
    }
    return status;
}

/* Account blocks put in place of those the object has now. */
static osd_status use_blocks(struct mem_txn *t, struct mem_work *w, uint64_t before,
                             uint64_t after)
{
    return mem_use(t, w, ((int64_t)after - (int64_t)before) * STORE_BLOCK);
}

static void grow(struct mem_object *o, uint64_t length)
{
    if (length > o->meta.length)
        o->meta.length = length;
}

static osd_status write_bytes(struct mem_txn *t, struct mem_work *w, uint64_t off, uint64_t len,
                              const struct osd_iov *src, uint64_t src_off)
{
    uint64_t first = block_of(off), last = block_after(off + len);
    osd_status status = check_length(t, w->obj, off + len);

    if (status == OSD_OK)
        status = use_blocks(t, w, count_blocks(w->obj->blocks, first, last), last - first);
    if (status == OSD_OK)
        status = put_bytes(&w->obj->blocks, off, len, src, src_off);
    if (status == OSD_OK)
        grow(w->obj, off + len);
    return status;
}

osd_status mem_write(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len,
                     const struct osd_iov *src, uint64_t src_off)
{
    struct mem_work *w;
    osd_status status = OSD_E_INVALID;

    if (!wraps(off, len) && in_iov(src, src_off, len))
        status = mem_change_data(mem_txn_of(t), id, &w);
    if (status == OSD_OK && len > 0)
        status = write_bytes(mem_txn_of(t), w, off, len, src, src_off);
    return mem_failed(t, status);
}

/* Zero the part of one block that [off, end) covers, if it is data. */
static osd_status zero_within(struct mem_object *o, uint64_t key, uint64_t off, uint64_t end)
{
    uint64_t from = off > key * STORE_BLOCK ? off : key * STORE_BLOCK;
    uint64_t to = min64(end, (key + 1) * STORE_BLOCK);

    if (!tree_get(o->blocks, key) || from >= to)
        return OSD_OK;
    return put_bytes(&o->blocks, from, to - from, NULL, 0);
}

static osd_status release(struct mem_txn *t, struct mem_work *w, uint64_t first, uint64_t last)
{
    osd_status status;

    if (first >= last)
        return OSD_OK;
    status = use_blocks(t, w, count_blocks(w->obj->blocks, first, last), 0);
    return status ? status : drop_blocks(&w->obj->blocks, first, last);
}

static osd_status clear_bytes(struct mem_txn *t, struct mem_work *w, uint64_t off, uint64_t len)
{
    struct mem_object *o = w->obj;
    uint64_t end = off + len;
    uint64_t last = end >= o->meta.length ? block_after(end) : block_of(end);
    osd_status status = check_length(t, o, end);

    if (status == OSD_OK)
        status = release(t, w, block_after(off), last);
    if (status == OSD_OK)
        status = zero_within(o, block_of(off), off, end);
    if (status == OSD_OK)
        status = zero_within(o, block_of(end), off, end);
    if (status == OSD_OK)
        grow(o, end);
    return status;
}

osd_status mem_clear(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len)
{
    struct mem_work *w;
    osd_status status = OSD_E_INVALID;

    if (!wraps(off, len))
        status = mem_change_data(mem_txn_of(t), id, &w);
    if (status == OSD_OK && len > 0)
        status = clear_bytes(mem_txn_of(t), w, off, len);
    return mem_failed(t, status);
}

/* Copy what `from` holds from `off` on, up to length, into `to`, `shift` bytes lower. */
static osd_status move_down(const struct tree_node *from, struct tree_node **to, uint64_t off,
                            uint64_t length, uint64_t shift)
{
    osd_status status = OSD_OK;

    for (const struct tree_node *n = tree_ceil(from, block_of(off));
         n && n->key * STORE_BLOCK < length && status == OSD_OK; n = tree_next(from, n)) {
        struct mem_value *v = (struct mem_value *)n->value;
        uint64_t start = n->key * STORE_BLOCK;
        uint64_t at = off > start ? off : start;
        struct iovec piece = {v->data, STORE_BLOCK};
        struct osd_iov src = osd_iov_make(&piece, 1);
        status = put_bytes(to, at - shift, min64(length, start + STORE_BLOCK) - at, &src,
                           at - start);
    }
    return status;
}

/* Build the blocks an object has without [off, off + len). */
static osd_status punched(const struct mem_object *o, uint64_t off, uint64_t len,
                          struct tree_node **ret)
{
    uint64_t head = block_of(off);
    struct tree_node *blocks = tree_ref(o->blocks);
    osd_status status = drop_blocks(&blocks, block_after(off), UINT64_MAX);

    if (status == OSD_OK && off % STORE_BLOCK != 0 && tree_get(blocks, head))
        status = put_bytes(&blocks, off, (head + 1) * STORE_BLOCK - off, NULL, 0);
    if (status == OSD_OK)
        status = move_down(o->blocks, &blocks, off + len, o->meta.length, len);
    if (status)
        tree_unref(blocks);
    else
        *ret = blocks;
    return status;
}

static osd_status punch_bytes(struct mem_txn *t, struct mem_work *w, uint64_t off, uint64_t len)
{
    struct mem_object *o = w->obj;
    struct tree_node *blocks;
    osd_status status;

    if (off > o->meta.length || len > o->meta.length - off)
        return OSD_E_PAST_END;
    if (len == 0)
        return OSD_OK;
    status = punched(o, off, len, &blocks);
    if (status)
        return status;
    status = use_blocks(t, w, count_blocks(o->blocks, 0, UINT64_MAX),
                        count_blocks(blocks, 0, UINT64_MAX));
    if (status) {
        tree_unref(blocks);
        return status;
    }
    tree_unref(o->blocks);
    o->blocks = blocks;
    o->meta.length -= len;
    return OSD_OK;
}

osd_status mem_punch(struct store_txn *t, struct store_id id, uint64_t off, uint64_t len)
{
    struct mem_work *w;
    osd_status status = OSD_E_INVALID;

    if (!wraps(off, len))
        status = mem_change_data(mem_txn_of(t), id, &w);
    if (status == OSD_OK)
        status = punch_bytes(mem_txn_of(t), w, off, len);
    return mem_failed(t, status);
}

static osd_status set_length(struct mem_txn *t, struct mem_work *w, uint64_t length)
{
    osd_status status = check_length(t, w->obj, length);

    if (status == OSD_OK && length < w->obj->meta.length) {
        status = release(t, w, block_after(length), UINT64_MAX);
        if (status == OSD_OK && length % STORE_BLOCK != 0)
            status = zero_within(w->obj, block_of(length), length, UINT64_MAX);
    }
    if (status == OSD_OK)
        w->obj->meta.length = length;
    return status;
}

osd_status mem_truncate(struct store_txn *t, struct store_id id, uint64_t length)
{
    struct mem_work *w;
    osd_status status = mem_change_data(mem_txn_of(t), id, &w);

    if (status == OSD_OK)
        status = set_length(mem_txn_of(t), w, length);
    return mem_failed(t, status);
}
