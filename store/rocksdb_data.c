/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_data.c - bytes of user objects: copy on write in 4096-byte blocks
 *
 * The map of an object is cut into chunks of CHUNK blocks. The first lies in the object's record,
 * each other one is a key; a chunk of holes is nowhere. Block 0 of an object lies in the record
 * itself as long as its last byte that counts is among the first INLINE_DATA.
 * Invariants:
 *  (1) A block that a committed map names is never written again before it is retired.
 *  (2) Every mapped block has the checksum of its 4096 bytes, inline data that of its own; bytes
 *      of the last block beyond the logical length are zero.
 *  (3) used of an object counts 4096 per mapped block, an inline one included.
 *  (4) The record counts the chunks that have keys, a chunk in memory its mapped blocks.
 */
#include <stdlib.h>

#include "common/crc32c.h"
#include "rocksdb_internal.h"

#define PIECES      64
#define WINDOW      8u  /* chunks read together */
#define AT_ONCE     64u /* blocks written while their bytes, once seen, are in the CPU's cache */
#define ROUND_UP(n) (((n) + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK)

/* ---- chunks ---- */

void txn_chunks_write(struct txn *t)
{
    for (unsigned i = 0; i < t->n_chunks; i++) {
        const struct kept_chunk *k = &t->chunks[i];
        uint8_t key[EXTENT_KEY_LEN];
        key_extent(key, k->id, k->number);
        if (k->len)
            txn_put(t, CF_EXTENTS, key, sizeof(key), k->value, k->len);
        else
            txn_delete(t, CF_EXTENTS, key, sizeof(key));
    }
    t->n_chunks = 0;
}

static struct kept_chunk *kept_chunk(struct txn *t, struct store_id id, uint64_t number)
{
    for (unsigned i = 0; i < t->n_chunks; i++)
        if (t->chunks[i].number == number && t->chunks[i].id.oid == id.oid &&
            t->chunks[i].id.pid == id.pid)
            return &t->chunks[i];
    return NULL;
}

/* A chunk that has or had a key, as the transaction sees it. NOT_FOUND. */
static osd_status chunk_get(struct txn *t, struct store_id id, uint64_t number, struct chunk *c)
{
    const struct kept_chunk *k = kept_chunk(t, id, number);
    uint8_t key[EXTENT_KEY_LEN], room[OBJECT_MAX];
    struct value v;

    if (k)
        return k->len ? chunk_decode(k->value, k->len, c) : OSD_E_NOT_FOUND;
    key_extent(key, id, number);
    osd_status st = txn_get_hot(t, CF_EXTENTS, key, sizeof(key), room, &v);
    if (st)
        return st;
    st = chunk_decode(v.data, v.len, c);
    value_free(&v);
    return st == OSD_OK && c->block[0] == IN_RECORD ? OSD_E_CORRUPT : st;
}

static osd_status chunk_load(struct txn *t, const struct object *o, uint64_t number,
                             struct chunk *c)
{
    chunk_init(c, number);
    if (number == 0)
        return o->body_len ? chunk_decode(o->body, o->body_len, c) : OSD_OK;
    if (!o->rec.chunks)
        return OSD_OK;
    osd_status st = chunk_get(t, o->rec.id, number, c);
    c->stored = !st;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Into the record, or kept to be put under its key; the object counts as changed by its caller.
 */
static void chunk_store(struct txn *t, struct object *o, const struct chunk *c)
{
    if (c->number == 0) {
        o->body_len = (uint16_t)chunk_encode(c, o->body);
        return;
    }
    uint8_t value[BODY_MAX];
    size_t len = chunk_encode(c, value);
    struct kept_chunk *k = kept_chunk(t, o->rec.id, c->number);
    if (!len && !c->stored)
        return;
    if (!k && t->n_chunks == TXN_CHUNKS)
        txn_chunks_write(t);
    if (!k)
        k = &t->chunks[t->n_chunks++];
    k->id = o->rec.id;
    k->number = c->number;
    k->len = (uint16_t)len;
    memcpy(k->value, value, len);
    o->rec.chunks += (uint32_t)(len > 0) - (uint32_t)c->stored;
}

/* ---- blocks ---- */

static osd_status inline_check(const struct chunk *c)
{
    return osd_crc32c(0, c->data.bytes, c->data.len) == c->crc[0] ? OSD_OK : OSD_E_CORRUPT;
}

/* One block, checked, into 4096 bytes of memory. */
static osd_status block_read(struct txn *t, const struct chunk *c, uint32_t i, uint8_t *dst)
{
    struct iovec v = {.iov_base = dst, .iov_len = STORE_BLOCK};
    size_t len = c->block[i] == IN_RECORD ? c->data.len : 0;

    if (c->block[i] == HOLE || c->block[i] == IN_RECORD) {
        memcpy(dst, c->data.bytes, len);
        memset(dst + len, 0, STORE_BLOCK - len);
        return c->block[i] == HOLE ? OSD_OK : inline_check(c);
    }
    uint32_t crc;
    osd_status st = blocks_read(t->rdb->blocks, c->block[i], 1, &v, 1, &crc);
    return !st && crc != c->crc[i] ? OSD_E_CORRUPT : st;
}

/* How many blocks lie one behind the other in one file, of n from i on. */
static uint32_t run_in(const struct chunk *c, uint32_t i, uint32_t n)
{
    uint64_t first = c->block[i];
    uint32_t len = 1;

    while (first < IN_RECORD && len < n && c->block[i + len] == first + len &&
           (first + len) % BLOCKS_PER_FILE != 0)
        len++;
    return len;
}

/* Forget where n blocks were. A block this transaction allocated itself is released at its end
 * like any other: it stands in both lists, and commit retires it. */
static osd_status blocks_unmap(struct txn *t, struct chunk *c, uint32_t i, uint32_t n)
{
    for (uint32_t end = i + n, len; i < end; i += len) {
        uint64_t first = c->block[i];
        len = run_in(c, i, end - i);
        if (first == HOLE)
            continue;
        osd_status st = first < IN_RECORD ? run_add(&t->freed, first, len) : OSD_OK;
        if (st)
            return st;
        for (uint32_t k = i; k < i + len; k++)
            c->block[k] = HOLE;
        c->mapped -= len;
    }
    return OSD_OK;
}

/* Blocks that only wait for a sync are worth one before the store counts as full. When none waits, a
 * sync of another thread may just have freed some. After a failed write nothing is allocated: the log may
 * hold a transaction whose blocks were given back. */
static osd_status find_blocks(const struct txn *t, uint32_t want, uint64_t *first,
                              uint32_t *got)
{
    struct rdb *r = t->rdb;
    uint64_t whose = rdb_lane(r, t->base.id);
    osd_status st = rdb_failed(r) ? OSD_E_IO : blocks_alloc(r->blocks, whose, want, first, got);

    if (st == OSD_E_NO_SPACE && (!blocks_waiting(r->blocks) || rdb_sync(r) == OSD_OK))
        st = blocks_alloc(r->blocks, whose, want, first, got);
    return st;
}

/** Chunks side by side that are worked on together; block numbers count from the first. */
struct view {
    uint32_t n;
    struct chunk c[WINDOW];
};

static struct chunk *chunk_at(struct view *w, uint32_t i)
{
    return &w->c[i / CHUNK];
}

static uint64_t block_at(const struct view *w, uint32_t i)
{
    return w->c[i / CHUNK].block[i % CHUNK];
}

/* Fresh blocks become blocks at.. of the view. */
static osd_status map_run(struct txn *t, struct view *w, uint32_t at, uint64_t first,
                          uint32_t n, const uint32_t *crc)
{
    for (uint32_t part; n > 0; at += part, first += part, crc += part, n -= part) {
        struct chunk *c = chunk_at(w, at);
        uint32_t k = at % CHUNK;
        part = CHUNK - k < n ? CHUNK - k : n;
        osd_status st = blocks_unmap(t, c, k, part);
        if (st)
            return st;
        for (uint32_t i = 0; i < part; i++)
            c->block[k + i] = first + i;
        memcpy(c->crc + k, crc, part * sizeof(*crc));
        c->mapped += part;
    }
    return OSD_OK;
}

/* Checksums, map and data of a run of fresh blocks, AT_ONCE by AT_ONCE or as many as PIECES hold. */
static osd_status fill_run(struct txn *t, struct view *w, uint32_t at, uint64_t first,
                           uint32_t n, const struct osd_iov *src, uint64_t src_off)
{
    struct iovec v[PIECES];
    uint32_t crc[AT_ONCE];

    for (uint32_t done = 0, part; done < n; done += part) {
        size_t want = (size_t)(n - done < AT_ONCE ? n - done : AT_ONCE) * STORE_BLOCK;
        int pieces =
            osd_iov_slice(src, src_off + (uint64_t)done * STORE_BLOCK, want, v, PIECES);
        part = (uint32_t)(osd_iov_make(v, pieces).len / STORE_BLOCK);
        if (part == 0)
            return OSD_E_INVALID;
        osd_status st = blocks_write(t->rdb->blocks, first + done, part, v, pieces, crc);
        if (!st)
            st = map_run(t, w, at + done, first + done, part, crc);
        if (st)
            return st;
    }
    return OSD_OK;
}

/* Write n whole blocks from pieces of memory, to fresh places. */
static osd_status blocks_put(struct txn *t, struct view *w, uint32_t at, uint32_t n,
                             const struct osd_iov *src, uint64_t src_off)
{
    const uint32_t *crc;
    uint64_t early;

    if (t->early && early_take(t, src, src_off, n, &early, &crc))
        return map_run(t, w, at, early, n, crc);
    while (n > 0) {
        uint64_t first;
        uint32_t got;
        osd_status st = find_blocks(t, n, &first, &got);
        if (st)
            return st;
        st = run_add(&t->allocated, first, got);
        if (st) {
            blocks_release(t->rdb->blocks, first, got);
            return st;
        }
        st = fill_run(t, w, at, first, got, src, src_off);
        if (st)
            return st;
        at += got;
        n -= got;
        src_off += (uint64_t)got * STORE_BLOCK;
    }
    return OSD_OK;
}

/** A change of some bytes of one block. */
struct patch {
    uint32_t skip, len;
    const struct osd_iov *src; /* NULL: zeros */
    uint64_t src_off;
};

/* Up to where block 0 has bytes that count after a patch. */
static uint32_t extent_after(const struct chunk *c, const struct patch *p)
{
    uint32_t end = p->skip + p->len;
    uint32_t old = c->block[0] == HOLE        ? 0
                   : c->block[0] == IN_RECORD ? c->data.len
                                              : STORE_BLOCK;

    if (p->src)
        return old > end ? old : end;
    return end < old || p->skip > old ? old : p->skip;
}

static void overlay(uint8_t *block, const struct patch *p)
{
    if (p->src)
        osd_iov_read(p->src, p->src_off, block + p->skip, p->len);
    else
        memset(block + p->skip, 0, p->len);
}

/* Read, overlay, write elsewhere: into the record if it is block 0 of the object and short. */
static osd_status block_patch(struct txn *t, struct view *w, uint32_t i, const struct patch *p)
{
    struct chunk *c = chunk_at(w, i);
    uint8_t block[STORE_BLOCK];
    struct iovec v = {.iov_base = block, .iov_len = STORE_BLOCK};
    struct osd_iov whole = osd_iov_make(&v, 1);
    bool first = c->number == 0 && i == 0;
    uint32_t extent = first ? extent_after(c, p) : STORE_BLOCK;
    osd_status st = block_read(t, c, i % CHUNK, block);

    if (st)
        return st;
    overlay(block, p);
    if (extent > INLINE_DATA)
        return blocks_put(t, w, i, 1, &whole, 0);
    st = blocks_unmap(t, c, 0, 1);
    if (st)
        return st;
    c->block[0] = IN_RECORD;
    c->mapped++;
    c->data.len = (uint16_t)extent;
    memcpy(c->data.bytes, block, extent);
    c->crc[0] = osd_crc32c(0, block, extent);
    return OSD_OK;
}

/* ---- operations on a range, window by window ---- */

/* Works on bytes [off, off+len) from the start of a loaded view. done: bytes of the range before
 * it. */
typedef osd_status (*view_step)(struct txn *t, struct view *w, uint32_t off, uint32_t len,
                                uint64_t done, void *arg);

static osd_status view_load(struct txn *t, const struct object *o, uint64_t number, uint32_t n,
                            struct view *w)
{
    osd_status st = OSD_OK;

    w->n = n;
    for (uint32_t i = 0; i < n && !st; i++)
        st = chunk_load(t, o, number + i, &w->c[i]);
    return st;
}

static int64_t view_mapped(const struct view *w)
{
    int64_t n = 0;

    for (uint32_t i = 0; i < w->n; i++)
        n += w->c[i].mapped;
    return n;
}

/* Walk a range; with change, chunks are stored again and the difference is charged. */
static osd_status walk(struct txn *t, struct object *o, uint64_t off, uint64_t len, bool change,
                       view_step step, void *arg)
{
    uint64_t done = 0;
    struct view w;

    while (done < len) {
        uint32_t at = (uint32_t)((off + done) % CHUNK_BYTES);
        uint32_t part = (uint32_t)(WINDOW * CHUNK_BYTES - at);
        if (part > len - done)
            part = (uint32_t)(len - done);
        uint32_t n = (uint32_t)((at + part + CHUNK_BYTES - 1) / CHUNK_BYTES);
        osd_status st = view_load(t, o, (off + done) / CHUNK_BYTES, n, &w);
        if (st)
            return st;
        int64_t before = change ? view_mapped(&w) : 0;
        st = step(t, &w, at, part, done, arg);
        if (!st && change)
            st = txn_charge(t, o->rec.id, &o->rec.meta,
                            (view_mapped(&w) - before) * (int64_t)STORE_BLOCK);
        if (st)
            return st;
        for (uint32_t i = 0; change && i < n; i++)
            chunk_store(t, o, &w.c[i]);
        done += part;
    }
    return OSD_OK;
}

struct io {
    const struct osd_iov *iov;
    uint64_t off;
};

/* Read the run of whole mapped blocks that lie one after another on disk, starting at block i.
 */
static osd_status read_run(struct txn *t, struct view *w, uint32_t i, uint32_t n,
                           const struct osd_iov *dst, uint64_t dst_off)
{
    struct iovec v[BLOCKS_PIECES];
    uint32_t crc[WINDOW * CHUNK];

    for (uint32_t k = 0, whole; k < n; k += whole) {
        size_t want = (size_t)(n - k) * STORE_BLOCK;
        int pieces =
            osd_iov_slice(dst, dst_off + (uint64_t)k * STORE_BLOCK, want, v, BLOCKS_PIECES);
        whole = (uint32_t)(osd_iov_make(v, pieces).len / STORE_BLOCK);
        if (whole == 0)
            return OSD_E_INVALID;
        osd_status st = blocks_read(t->rdb->blocks, block_at(w, i + k), whole, v, pieces, crc);
        if (st)
            return st;
        for (uint32_t j = 0; j < whole; j++)
            if (crc[j] != chunk_at(w, i + k + j)->crc[(i + k + j) % CHUNK])
                return OSD_E_CORRUPT;
    }
    return OSD_OK;
}

static uint32_t run_from(const struct view *w, uint32_t i, uint32_t max)
{
    uint64_t first = block_at(w, i);
    uint32_t n = 1;

    while (n < max && block_at(w, i + n) == first + n && (first + n) % BLOCKS_PER_FILE != 0)
        n++;
    return n;
}

/* Bytes of block 0 from the record. */
static osd_status read_inline(const struct chunk *c, uint32_t skip, uint32_t len,
                              const struct osd_iov *dst, uint64_t to)
{
    uint32_t there = skip < c->data.len ? c->data.len - skip : 0;

    if (there > len)
        there = len;
    if (there)
        osd_iov_write(dst, to, c->data.bytes + skip, there);
    if (there < len)
        osd_iov_zero(dst, to + there, len - there);
    return inline_check(c);
}

static osd_status step_read(struct txn *t, struct view *w, uint32_t off, uint32_t len,
                            uint64_t done, void *arg)
{
    struct io *io = arg;
    uint64_t to = io->off + done;

    while (len > 0) {
        uint32_t i = off / STORE_BLOCK, skip = off % STORE_BLOCK;
        uint32_t part = STORE_BLOCK - skip < len ? STORE_BLOCK - skip : len;
        uint64_t block = block_at(w, i);
        osd_status st = OSD_OK;

        if (block == HOLE) {
            osd_iov_zero(io->iov, to, part);
        } else if (block == IN_RECORD) {
            st = read_inline(chunk_at(w, i), skip, part, io->iov, to);
        } else if (part == STORE_BLOCK) {
            uint32_t n = run_from(w, i, len / STORE_BLOCK);
            st = read_run(t, w, i, n, io->iov, to);
            part = n * STORE_BLOCK;
        } else {
            uint8_t whole[STORE_BLOCK];
            st = block_read(t, chunk_at(w, i), i % CHUNK, whole);
            if (!st)
                osd_iov_write(io->iov, to, whole + skip, part);
        }
        if (st)
            return st;
        off += part;
        to += part;
        len -= part;
    }
    return OSD_OK;
}

static osd_status step_write(struct txn *t, struct view *w, uint32_t off, uint32_t len,
                             uint64_t done, void *arg)
{
    struct io *io = arg;
    uint64_t from = io->off + done;

    while (len > 0) {
        uint32_t i = off / STORE_BLOCK, skip = off % STORE_BLOCK;
        uint32_t part = STORE_BLOCK - skip < len ? STORE_BLOCK - skip : len;
        osd_status st;

        if (part == STORE_BLOCK) {
            part = len / STORE_BLOCK * STORE_BLOCK;
            st = blocks_put(t, w, i, part / STORE_BLOCK, io->iov, from);
        } else {
            st = block_patch(t, w, i, &(struct patch){skip, part, io->iov, from});
        }
        if (st)
            return st;
        off += part;
        from += part;
        len -= part;
    }
    return OSD_OK;
}

static osd_status step_clear(struct txn *t, struct view *w, uint32_t off, uint32_t len,
                             uint64_t done, void *arg)
{
    (void)done;
    (void)arg;
    while (len > 0) {
        uint32_t i = off / STORE_BLOCK, skip = off % STORE_BLOCK;
        uint32_t part = STORE_BLOCK - skip < len ? STORE_BLOCK - skip : len;
        osd_status st = OSD_OK;

        if (part == STORE_BLOCK)
            st = blocks_unmap(t, chunk_at(w, i), i % CHUNK, 1);
        else if (block_at(w, i) != HOLE)
            st = block_patch(t, w, i, &(struct patch){.skip = skip, .len = part});
        if (st)
            return st;
        off += part;
        len -= part;
    }
    return OSD_OK;
}

/* Chunks that an object of this length can have. */
static uint64_t chunks_of(uint64_t length)
{
    return length / CHUNK_BYTES + (length % CHUNK_BYTES != 0);
}

static osd_status has_chunk(struct txn *t, struct store_id id, uint64_t number)
{
    const struct kept_chunk *k = kept_chunk(t, id, number);
    uint8_t key[EXTENT_KEY_LEN];
    struct value v;

    if (k)
        return k->len ? OSD_OK : OSD_E_NOT_FOUND;
    key_extent(key, id, number);
    osd_status st = txn_get(t, CF_EXTENTS, key, sizeof(key), &v);
    if (!st)
        value_free(&v);
    return st;
}

/* First chunk with a key at or after `from`, before `end`. NOT_FOUND. A key or two are asked for
 * one by one, which costs less than an iterator. */
static osd_status next_key(struct txn *t, struct store_id id, uint64_t from, uint64_t end,
                           uint64_t *ret)
{
    uint8_t key[EXTENT_KEY_LEN];
    osd_status st = OSD_E_NOT_FOUND;
    rocksdb_iterator_t *it;
    size_t len;

    if (end - from <= 2) {
        for (; from < end && st == OSD_E_NOT_FOUND; from++) {
            st = has_chunk(t, id, from);
            *ret = from;
        }
        return st;
    }
    it = txn_iterate(t, CF_EXTENTS);
    key_extent(key, id, from);
    rocksdb_iter_seek(it, (char *)key, sizeof(key));
    if (rocksdb_iter_valid(it)) {
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &len);
        uint64_t number = len == sizeof(key) ? be64_get(k + 16) : end;
        if (number < end && memcmp(k, key, OBJECT_KEY_LEN) == 0) {
            *ret = number;
            st = OSD_OK;
        }
    }
    osd_status read = rdb_iterated(t->rdb, it, OSD_OK);
    return read ? read : st;
}

/* First chunk at or after `from`, before `end`, that is no hole. NOT_FOUND. */
static osd_status next_chunk(struct txn *t, const struct object *o, uint64_t from, uint64_t end,
                             uint64_t *ret)
{
    if (from == 0 && end > 0 && o->body_len > 0) {
        *ret = 0;
        return OSD_OK;
    }
    from += from == 0;
    return from < end && o->rec.chunks > 0 ? next_key(t, o->rec.id, from, end, ret)
                                           : OSD_E_NOT_FOUND;
}

/* Clear a range that may be astronomically long: only chunks that exist are visited. */
static osd_status clear_range(struct txn *t, struct object *o, uint64_t off, uint64_t end)
{
    uint64_t length = o->rec.meta.length, chunks = chunks_of(end < length ? end : length);

    while (off < end && off / CHUNK_BYTES < chunks) {
        uint64_t chunk, stop;
        osd_status st = next_chunk(t, o, off / CHUNK_BYTES, chunks, &chunk);
        if (st == OSD_E_NOT_FOUND || (!st && chunk * CHUNK_BYTES >= end))
            return OSD_OK;
        if (st)
            return st;
        if (chunk * CHUNK_BYTES > off)
            off = chunk * CHUNK_BYTES;
        stop = (chunk + 1) * CHUNK_BYTES < end ? (chunk + 1) * CHUNK_BYTES : end;
        st = walk(t, o, off, stop - off, true, step_clear, NULL);
        if (st)
            return st;
        off = stop;
    }
    return OSD_OK;
}

/* ---- the seam ---- */

static osd_status load_user(struct store_txn *base, struct store_id id, struct object **ret)
{
    struct store_meta m;
    osd_status st =
        id.oid ? txn_object((struct txn *)base, id, ret) : txn_load((struct txn *)base, id, &m);

    if (st || !id.oid)
        return st ? st : OSD_E_INVALID;
    return (*ret)->rec.meta.kind == STORE_USER ? OSD_OK : OSD_E_INVALID;
}

/* The same for reading bytes: under a lock that covers them. */
static osd_status load_for_read(struct store_txn *base, struct store_id id, uint64_t off,
                                uint64_t len, struct object **ret)
{
    bool own = base->id.pid == id.pid && base->id.oid == id.oid;
    osd_status st = own || txn_may_change((struct txn *)base, id) ? load_user(base, id, ret)
                                                                  : OSD_E_INVALID;

    return st ? st : off + len < off ? OSD_E_INVALID : OSD_OK;
}

/* Whether len bytes at off lie in the caller's memory. */
static bool in_memory(const struct osd_iov *iov, uint64_t off, uint64_t len)
{
    return off <= iov->len && len <= iov->len - off;
}

/* The same for a call that changes bytes [off, off+len). */
static osd_status load_for_change(struct store_txn *base, struct store_id id, uint64_t off,
                                  uint64_t len, struct object **ret)
{
    osd_status st =
        txn_may_change((struct txn *)base, id) ? load_user(base, id, ret) : OSD_E_INVALID;

    return st ? st : off + len < off ? OSD_E_INVALID : OSD_OK;
}

/* Room for a new end of the object. */
static osd_status check_end(struct store_txn *base, const struct object *o, uint64_t off,
                            uint64_t len, uint64_t *ret_end)
{
    const struct store_meta *m = &o->rec.meta;
    uint64_t end = off + len;

    if (end < off || end > STORE_LENGTH_MAX || (end > m->length && end > m->max_length)) {
        base->quota = STORE_QUOTA_LENGTH;
        return OSD_E_QUOTA;
    }
    *ret_end = end > m->length ? end : m->length;
    return OSD_OK;
}

/* End of a change that succeeded. */
static osd_status settled(struct txn *t, struct object *o, uint64_t length)
{
    o->rec.meta.length = length;
    txn_object_changed(t, o);
    return OSD_OK;
}

osd_status rdb_read(struct store_txn *base, struct store_id id, uint64_t off, uint64_t len,
                    const struct osd_iov *dst, uint64_t dst_off)
{
    struct io io = {.iov = dst, .off = dst_off};
    struct object *o;
    osd_status st = load_for_read(base, id, off, len, &o);

    if (!st && !in_memory(dst, dst_off, len))
        st = OSD_E_INVALID;
    if (st)
        return st;
    uint64_t there = off < o->rec.meta.length ? o->rec.meta.length - off : 0;
    if (there < len)
        osd_iov_zero(dst, dst_off + there, len - there);
    return walk((struct txn *)base, o, off, there < len ? there : len, false, step_read, &io);
}

static osd_status do_write(struct store_txn *base, struct store_id id, uint64_t off,
                           uint64_t len, const struct osd_iov *src, uint64_t src_off)
{
    struct txn *t = (struct txn *)base;
    struct io io = {.iov = src, .off = src_off};
    struct object *o;
    uint64_t end;
    osd_status st = load_for_change(base, id, off, len, &o);

    if (!st && !in_memory(src, src_off, len))
        st = OSD_E_INVALID;
    if (st || len == 0)
        return st;
    st = check_end(base, o, off, len, &end);
    if (!st)
        st = walk(t, o, off, len, true, step_write, &io);
    return st ? st : settled(t, o, end);
}

static osd_status do_clear(struct store_txn *base, struct store_id id, uint64_t off,
                           uint64_t len)
{
    struct txn *t = (struct txn *)base;
    struct object *o;
    uint64_t end;
    osd_status st = load_for_change(base, id, off, len, &o);

    if (st || len == 0)
        return st;
    st = check_end(base, o, off, len, &end);
    if (!st) /* the block the object ends in goes with its last byte */
        st = clear_range(t, o, off, off + len == end ? ROUND_UP(end) : off + len);
    return st ? st : settled(t, o, end);
}

static osd_status do_truncate(struct store_txn *base, struct store_id id, uint64_t length)
{
    struct txn *t = (struct txn *)base;
    struct object *o;
    uint64_t end;
    osd_status st = load_for_change(base, id, 0, 0, &o);

    if (st)
        return st;
    if (length > o->rec.meta.length)
        st = check_end(base, o, length, 0, &end);
    else
        st = clear_range(t, o, length, ROUND_UP(o->rec.meta.length));
    return st ? st : settled(t, o, length);
}

/* First block of a chunk from i on that is (or is not) a hole; CHUNK. */
static uint32_t first_block(const struct chunk *c, uint32_t i, bool hole)
{
    while (i < CHUNK && (c->block[i] == HOLE) != hole)
        i++;
    return i;
}

static uint64_t place_of(const struct chunk *c, uint32_t block)
{
    return c->number * CHUNK_BYTES + (uint64_t)block * STORE_BLOCK;
}

/* Where the first data at or after block i of a loaded chunk begins; the length when there is
 * none. A chunk that is stored has some, so that this looks at one more at most. */
static osd_status find_data(struct txn *t, const struct object *o, struct chunk *c, uint32_t i,
                            uint64_t *ret)
{
    uint64_t length = o->rec.meta.length, number = c->number;

    i = first_block(c, i, false);
    while (i == CHUNK) {
        osd_status st = next_chunk(t, o, number + 1, chunks_of(length), &number);
        *ret = length;
        if (st)
            return st == OSD_E_NOT_FOUND ? OSD_OK : st;
        st = chunk_load(t, o, number, c);
        if (st)
            return st;
        i = first_block(c, 0, false);
    }
    *ret = place_of(c, i);
    return OSD_OK;
}

/* Blocks from i on that lie one behind the other; those of a record do not. */
static uint32_t adjacent(const struct chunk *c, uint32_t i)
{
    uint32_t n = 1;

    while (c->block[i] != IN_RECORD && i + n < CHUNK && c->block[i + n] == c->block[i] + n)
        n++;
    return n;
}

/* Kind and place of what begins at off; *ret_len goes to the end of that place, or,
 * with place NULL, to that of the kind. */
static osd_status look(struct store_txn *base, struct store_id id, uint64_t off,
                       enum store_extent *ret_kind, uint64_t *ret_place, uint64_t *ret_len)
{
    struct txn *t = (struct txn *)base;
    struct object *o;
    struct chunk c;
    uint64_t end;
    osd_status st = load_for_read(base, id, off, 0, &o);

    if (st)
        return st;
    if (off >= o->rec.meta.length)
        return OSD_E_PAST_END;
    st = chunk_load(t, o, off / CHUNK_BYTES, &c);
    uint32_t i = (uint32_t)(off % CHUNK_BYTES / STORE_BLOCK);
    uint64_t block = c.block[i];
    if (!st && block == HOLE)
        st = find_data(t, o, &c, i, &end);
    else
        end = place_of(&c, ret_place ? i + adjacent(&c, i) : first_block(&c, i, true));
    if (st)
        return st;
    *ret_kind = block == HOLE ? STORE_HOLE : STORE_DATA;
    if (ret_place)
        *ret_place = block == HOLE || block == IN_RECORD ? 0 : block + 1;
    *ret_len = (end < o->rec.meta.length ? end : o->rec.meta.length) - off;
    return OSD_OK;
}

osd_status rdb_seek(struct store_txn *t, struct store_id id, uint64_t off,
                    enum store_extent *ret_kind, uint64_t *ret_len)
{
    return look(t, id, off, ret_kind, NULL, ret_len);
}

osd_status rdb_place(struct store_txn *t, struct store_id id, uint64_t off,
                     enum store_extent *ret_kind, uint64_t *ret_place, uint64_t *ret_len)
{
    return look(t, id, off, ret_kind, ret_place, ret_len);
}

#define MOVE_BYTES (1u << 20)

/* A punch as it goes: bytes from `off` on come from `len` further up; dst is the next block of
 * the object to be settled, and lies on a block boundary. */
struct punch {
    struct store_txn *base;
    struct store_id id;
    uint64_t off, len, new_length;
    uint64_t dst;
    uint8_t *buf;
};

static osd_status punch_copy(struct punch *p, uint64_t dst, uint64_t n)
{
    struct iovec v = {.iov_base = p->buf, .iov_len = n};
    struct osd_iov iov = osd_iov_make(&v, 1);
    osd_status st = rdb_read(p->base, p->id, dst + p->len, n, &iov, 0);

    return st ? st : do_write(p->base, p->id, dst, n, &iov, 0);
}

/* What begins at off, like rdb_seek(); a hole that goes on behind a chunk's end is one. Looks no
 * further than it must to know whether there are n bytes of it. */
static osd_status seek_run(struct punch *p, uint64_t off, uint64_t n,
                           enum store_extent *ret_kind, uint64_t *ret_run)
{
    enum store_extent kind = STORE_HOLE;
    uint64_t more;
    osd_status st = rdb_seek(p->base, p->id, off, ret_kind, ret_run);

    while (!st && *ret_kind == STORE_HOLE && kind == STORE_HOLE && *ret_run < n) {
        st = rdb_seek(p->base, p->id, off + *ret_run, &kind, &more);
        *ret_run += !st && kind == STORE_HOLE ? more : 0;
    }
    return st;
}

/* Settle one block or more: holes stay holes by whole blocks, a block with any data is data. */
static osd_status punch_step(struct punch *p)
{
    uint64_t keep = p->off > p->dst ? p->off - p->dst : 0; /* bytes of the block that stay */
    uint64_t left = p->new_length - p->dst - keep, run;
    uint64_t n = STORE_BLOCK - keep < left ? STORE_BLOCK - keep : left;
    enum store_extent kind;
    osd_status st = OSD_OK;

    if (n > 0)
        st = seek_run(p, p->dst + keep + p->len, n, &kind, &run);
    if (st)
        return st;
    if (n == 0 || (kind == STORE_HOLE && run >= n)) {
        uint64_t whole = n > 0 && keep == 0 ? run / STORE_BLOCK : 0;
        uint64_t end = p->dst + (whole > 1 ? whole : 1) * STORE_BLOCK;
        struct object *o;
        st = load_user(p->base, p->id, &o);
        if (!st && n > 0)
            st = clear_range((struct txn *)p->base, o, p->dst + keep, end);
        if (!st)
            txn_object_changed((struct txn *)p->base, o);
        p->dst = end;
        return st;
    }
    uint64_t blocks = kind == STORE_DATA ? (keep + run) / STORE_BLOCK : 0;
    if (blocks > MOVE_BYTES / STORE_BLOCK)
        blocks = MOVE_BYTES / STORE_BLOCK;
    st = punch_copy(p, p->dst + keep, blocks > 1 ? blocks * STORE_BLOCK - keep : n);
    p->dst += (blocks > 1 ? blocks : 1) * STORE_BLOCK;
    return st;
}

static osd_status do_punch(struct store_txn *base, struct store_id id, uint64_t off,
                           uint64_t len)
{
    struct object *o;
    osd_status st = load_for_change(base, id, off, len, &o);

    if (!st && off + len > o->rec.meta.length)
        st = OSD_E_PAST_END;
    if (st || len == 0)
        return st;
    _cleanup_free_ uint8_t *buf = malloc(MOVE_BYTES);
    if (!buf)
        return OSD_E_NOMEM;
    struct punch p = {.base = base,
                      .id = id,
                      .off = off,
                      .len = len,
                      .new_length = o->rec.meta.length - len,
                      .dst = off / STORE_BLOCK * STORE_BLOCK,
                      .buf = buf};
    struct txn *t = (struct txn *)base;
    t->deferring = true; /* only what it takes in the end counts */
    t->deferred = 0;
    while (p.dst < p.new_length && !st)
        st = punch_step(&p);
    if (!st)
        st = do_truncate(base, id, p.new_length);
    t->deferring = false;
    return st || !t->deferred ? st : charge_counters(t, id.pid, t->deferred);
}

osd_status rdb_write(struct store_txn *base, struct store_id id, uint64_t off, uint64_t len,
                     const struct osd_iov *src, uint64_t src_off)
{
    return txn_noted(base, do_write(base, id, off, len, src, src_off));
}

osd_status rdb_clear(struct store_txn *base, struct store_id id, uint64_t off, uint64_t len)
{
    return txn_noted(base, do_clear(base, id, off, len));
}

osd_status rdb_punch(struct store_txn *base, struct store_id id, uint64_t off, uint64_t len)
{
    return txn_noted(base, do_punch(base, id, off, len));
}

osd_status rdb_truncate(struct store_txn *base, struct store_id id, uint64_t length)
{
    return txn_noted(base, do_truncate(base, id, length));
}

osd_status chunks_each(struct txn *t, const struct record *rec,
                       osd_status (*visit)(void *arg, uint64_t number, const void *value,
                                           size_t len),
                       void *arg)
{
    uint8_t key[EXTENT_KEY_LEN];
    osd_status st = OSD_OK;

    if (!rec->chunks)
        return OSD_OK;
    rocksdb_iterator_t *it = txn_iterate(t, CF_EXTENTS);
    key_extent(key, rec->id, 0);
    for (rocksdb_iter_seek(it, (char *)key, sizeof(key)); !st && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t klen, len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &klen);
        if (klen != sizeof(key) || memcmp(k, key, OBJECT_KEY_LEN) != 0)
            break;
        const char *value = rocksdb_iter_value(it, &len);
        st = visit(arg, be64_get(k + OBJECT_KEY_LEN), value, len);
    }
    return rdb_iterated(t->rdb, it, st);
}

/** What removal finds: runs to free, and numbers of chunks (8 bytes each) to delete. */
struct goner {
    struct run_list *freed;
    struct osd_buf numbers;
};

static osd_status retire_run(void *arg, uint64_t first, uint32_t count)
{
    return run_add(arg, first, count);
}

static osd_status retire_chunk(void *arg, uint64_t number, const void *value, size_t len)
{
    struct goner *g = arg;
    uint8_t field[8];
    osd_status st = chunk_runs(value, len, retire_run, g->freed);

    be64_put(field, number);
    return st ? st : osd_buf_put(&g->numbers, field, sizeof(field));
}

osd_status data_remove(struct txn *t, const struct object *o)
{
    struct goner g = {.freed = &t->freed, .numbers = osd_buf_make(GIB)};
    struct store_id id = o->rec.id;
    osd_status st =
        o->body_len ? chunk_runs(o->body, o->body_len, retire_run, g.freed) : OSD_OK;

    if (!st)
        st = chunks_each(t, &o->rec, retire_chunk, &g);
    for (size_t at = 0; at < g.numbers.len && !st; at += 8) {
        uint8_t key[EXTENT_KEY_LEN];
        key_extent(key, id, be64_get(g.numbers.data + at));
        txn_delete(t, CF_EXTENTS, key, sizeof(key));
    }
    osd_buf_free(&g.numbers);
    return st;
}
