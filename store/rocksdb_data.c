/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_data.c - bytes of user objects: copy on write in 4096-byte blocks
 *
 * The map of an object is cut into chunks of CHUNK blocks, one key each. Value: number of runs
 * (2 bytes), then per run start in the chunk (2), count (2), first block (8); then a CRC32C (4)
 * for every mapped block in order. A chunk without runs has no key.
 * Invariants:
 *  (1) A block that a committed map names is never written again before it is retired.
 *  (2) Every mapped block has the checksum of its 4096 bytes; bytes of the last block beyond
 * the logical length are zero. (3) used of an object counts 4096 per mapped block.
 */
#include <stdlib.h>

#include "common/crc32c.h"
#include "rocksdb_internal.h"

#define CHUNK       128u
#define CHUNK_BYTES ((uint64_t)CHUNK * STORE_BLOCK)
#define RUN_LEN     12
#define HOLE        UINT64_MAX
#define VALUE_MAX   (2 + CHUNK * (RUN_LEN + 4))
#define PIECES      64
#define ROUND_UP(n) (((n) + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK)

struct chunk {
    uint64_t number;
    uint64_t block[CHUNK]; /* HOLE or block number */
    uint32_t crc[CHUNK];
};

/* ---- chunks ---- */

osd_status chunk_runs(const void *value, size_t len,
                      osd_status (*visit)(void *arg, uint64_t first, uint32_t count), void *arg)
{
    const uint8_t *p = value;
    size_t n = len >= 2 ? be16_get(p) : 0, blocks = 0;

    if (len < 2 || n > CHUNK || len < 2 + n * RUN_LEN)
        return OSD_E_CORRUPT;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *r = p + 2 + i * RUN_LEN;
        uint32_t count = be16_get(r + 2);
        if (be16_get(r) + count > CHUNK || count == 0)
            return OSD_E_CORRUPT;
        osd_status st = visit(arg, be64_get(r + 4), count);
        if (st)
            return st;
        blocks += count;
    }
    return len == 2 + n * RUN_LEN + 4 * blocks ? OSD_OK : OSD_E_CORRUPT;
}

static osd_status chunk_decode(const void *value, size_t len, struct chunk *c)
{
    const uint8_t *p = value, *crc;
    size_t n = len >= 2 ? be16_get(p) : 0, blocks = 0;

    if (len < 2 || n > CHUNK || len < 2 + n * RUN_LEN)
        return OSD_E_CORRUPT;
    crc = p + 2 + n * RUN_LEN;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *r = p + 2 + i * RUN_LEN;
        uint32_t at = be16_get(r), count = be16_get(r + 2);
        if (at + count > CHUNK || (size_t)(crc - p) + 4 * (blocks + count) > len)
            return OSD_E_CORRUPT;
        for (uint32_t k = 0; k < count; k++) {
            c->block[at + k] = be64_get(r + 4) + k;
            c->crc[at + k] = be32_get(crc + 4 * (blocks + k));
        }
        blocks += count;
    }
    return OSD_OK;
}

static size_t chunk_encode(const struct chunk *c, uint8_t *dst)
{
    uint16_t n = 0;
    size_t at = 2;

    for (uint32_t i = 0; i < CHUNK;) {
        uint32_t k = 1;
        if (c->block[i] == HOLE) {
            i++;
            continue;
        }
        while (i + k < CHUNK && c->block[i + k] == c->block[i] + k &&
               c->block[i + k] % BLOCKS_PER_FILE != 0)
            k++;
        be16_put(dst + at, (uint16_t)i);
        be16_put(dst + at + 2, (uint16_t)k);
        be64_put(dst + at + 4, c->block[i]);
        at += RUN_LEN;
        n++;
        i += k;
    }
    be16_put(dst, n);
    for (uint32_t i = 0; i < CHUNK; i++)
        if (c->block[i] != HOLE) {
            be32_put(dst + at, c->crc[i]);
            at += 4;
        }
    return n ? at : 0;
}

static osd_status chunk_load(struct txn *t, struct store_id id, uint64_t number,
                             struct chunk *c)
{
    uint8_t key[EXTENT_KEY_LEN];
    struct value v;

    c->number = number;
    memset(c->block, 0xff, sizeof(c->block));
    key_extent(key, id, number);
    osd_status st = txn_get(t, CF_EXTENTS, key, sizeof(key), &v);
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    st = chunk_decode(v.data, v.len, c);
    value_free(&v);
    return st;
}

static void chunk_store(struct txn *t, struct store_id id, const struct chunk *c)
{
    uint8_t key[EXTENT_KEY_LEN], value[VALUE_MAX];
    size_t len = chunk_encode(c, value);

    key_extent(key, id, c->number);
    if (len)
        txn_put(t, CF_EXTENTS, key, sizeof(key), value, len);
    else
        txn_delete(t, CF_EXTENTS, key, sizeof(key));
}

/* ---- blocks ---- */

static uint32_t crc_pieces(const struct iovec *v, int n)
{
    uint32_t crc = 0;

    for (int i = 0; i < n; i++)
        crc = osd_crc32c(crc, v[i].iov_base, v[i].iov_len);
    return crc;
}

/* One mapped block, checked, into 4096 bytes of memory. */
static osd_status block_read(struct txn *t, const struct chunk *c, uint32_t i, uint8_t *dst)
{
    struct iovec v = {.iov_base = dst, .iov_len = STORE_BLOCK};
    osd_status st = blocks_read(t->rdb->blocks, c->block[i], 0, &v, 1, STORE_BLOCK);

    if (!st && osd_crc32c(0, dst, STORE_BLOCK) != c->crc[i])
        st = OSD_E_CORRUPT;
    return st;
}

/* Forget where a block was. A block this transaction allocated itself is released at its end
 * like any other: it stands in both lists, and commit retires it. */
static osd_status block_unmap(struct txn *t, struct chunk *c, uint32_t i)
{
    osd_status st = c->block[i] == HOLE ? OSD_OK : run_add(&t->freed, c->block[i], 1);

    if (!st)
        c->block[i] = HOLE;
    return st;
}

/* Blocks that only wait for a sync are worth one before the store counts as full. After a
 * failed write nothing is allocated: the log may hold a transaction whose blocks were given
 * back. */
static osd_status find_blocks(struct rdb *r, uint32_t want, uint64_t *first, uint32_t *got)
{
    osd_status st = __atomic_load_n(&r->failed, __ATOMIC_RELAXED)
                        ? OSD_E_IO
                        : blocks_alloc(r->blocks, want, first, got);

    if (st == OSD_E_NO_SPACE && blocks_waiting(r->blocks) && rdb_sync(r) == OSD_OK)
        st = blocks_alloc(r->blocks, want, first, got);
    return st;
}

/* Write n whole blocks of a chunk from pieces of memory, to fresh places. */
static osd_status blocks_put(struct txn *t, struct chunk *c, uint32_t at, uint32_t n,
                             const struct osd_iov *src, uint64_t src_off)
{
    while (n > 0) {
        struct iovec v[PIECES];
        uint64_t first;
        uint32_t got;
        osd_status st = find_blocks(t->rdb, n, &first, &got);
        if (st)
            return st;
        st = run_add(&t->allocated, first, got);
        if (st) {
            blocks_release(t->rdb->blocks, first, got);
            return st;
        }
        for (uint32_t i = 0; i < got; i++) {
            uint64_t off = src_off + (uint64_t)i * STORE_BLOCK;
            int pieces = osd_iov_slice(src, off, STORE_BLOCK, v, PIECES);
            if ((st = block_unmap(t, c, at + i)))
                return st;
            c->block[at + i] = first + i;
            c->crc[at + i] = crc_pieces(v, pieces);
        }
        size_t len = (size_t)got * STORE_BLOCK;
        for (size_t done = 0; done < len;) { /* more pieces than PIECES: several writes */
            int pieces = osd_iov_slice(src, src_off + done, len - done, v, PIECES);
            struct osd_iov part = osd_iov_make(v, pieces);
            size_t whole = part.len / STORE_BLOCK * STORE_BLOCK;
            if (whole == 0)
                return OSD_E_INVALID;
            st = blocks_write(t->rdb->blocks, first + done / STORE_BLOCK, v, pieces, whole);
            if (st)
                return st;
            done += whole;
        }
        at += got;
        n -= got;
        src_off += len;
    }
    return OSD_OK;
}

/* Change some bytes of one block: read, overlay, write elsewhere. src NULL means zeros. */
static osd_status block_patch(struct txn *t, struct chunk *c, uint32_t i, uint32_t skip,
                              uint32_t len, const struct osd_iov *src, uint64_t src_off)
{
    uint8_t block[STORE_BLOCK];
    struct iovec v = {.iov_base = block, .iov_len = STORE_BLOCK};
    struct osd_iov whole = osd_iov_make(&v, 1);
    osd_status st = OSD_OK;

    if (c->block[i] == HOLE)
        memset(block, 0, sizeof(block));
    else
        st = block_read(t, c, i, block);
    if (st)
        return st;
    if (src)
        osd_iov_read(src, src_off, block + skip, len);
    else
        memset(block + skip, 0, len);
    return blocks_put(t, c, i, 1, &whole, 0);
}

static uint32_t mapped(const struct chunk *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < CHUNK; i++)
        n += c->block[i] != HOLE;
    return n;
}

/* ---- operations on a range, chunk by chunk ---- */

/* Works on bytes [off, off+len) inside one loaded chunk. done: bytes of the range before it. */
typedef osd_status (*chunk_step)(struct txn *t, struct chunk *c, uint32_t off, uint32_t len,
                                 uint64_t done, void *arg);

/* Walk a range; with change, chunks are stored again and the difference is charged to m. */
static osd_status walk(struct txn *t, struct store_id id, struct store_meta *m, uint64_t off,
                       uint64_t len, bool change, chunk_step step, void *arg)
{
    uint64_t done = 0;
    struct chunk c;

    while (done < len) {
        uint32_t at = (uint32_t)((off + done) % CHUNK_BYTES);
        uint32_t part = (uint32_t)(CHUNK_BYTES - at);
        if (part > len - done)
            part = (uint32_t)(len - done);
        osd_status st = chunk_load(t, id, (off + done) / CHUNK_BYTES, &c);
        if (st)
            return st;
        int64_t before = mapped(&c);
        st = step(t, &c, at, part, done, arg);
        if (!st && change) {
            st = txn_charge(t, id, m, ((int64_t)mapped(&c) - before) * (int64_t)STORE_BLOCK);
            chunk_store(t, id, &c);
        }
        if (st)
            return st;
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
static osd_status read_run(struct txn *t, struct chunk *c, uint32_t i, uint32_t n,
                           const struct osd_iov *dst, uint64_t dst_off)
{
    struct iovec v[PIECES];

    for (uint32_t k = 0; k < n;) {
        size_t want = (size_t)(n - k) * STORE_BLOCK;
        int pieces = osd_iov_slice(dst, dst_off + (uint64_t)k * STORE_BLOCK, want, v, PIECES);
        uint32_t whole = (uint32_t)(osd_iov_make(v, pieces).len / STORE_BLOCK);
        if (whole == 0)
            return OSD_E_INVALID;
        osd_status st = blocks_read(t->rdb->blocks, c->block[i + k], 0, v, pieces,
                                    (size_t)whole * STORE_BLOCK);
        if (st)
            return st;
        for (uint32_t j = k; j < k + whole; j++) {
            int m =
                osd_iov_slice(dst, dst_off + (uint64_t)j * STORE_BLOCK, STORE_BLOCK, v, PIECES);
            if (crc_pieces(v, m) != c->crc[i + j])
                return OSD_E_CORRUPT;
        }
        k += whole;
    }
    return OSD_OK;
}

static uint32_t run_from(const struct chunk *c, uint32_t i, uint32_t max)
{
    uint32_t n = 1;

    while (n < max && c->block[i + n] == c->block[i] + n &&
           c->block[i + n] % BLOCKS_PER_FILE != 0)
        n++;
    return n;
}

static osd_status step_read(struct txn *t, struct chunk *c, uint32_t off, uint32_t len,
                            uint64_t done, void *arg)
{
    struct io *io = arg;
    uint64_t to = io->off + done;

    while (len > 0) {
        uint32_t i = off / STORE_BLOCK, skip = off % STORE_BLOCK;
        uint32_t part = STORE_BLOCK - skip < len ? STORE_BLOCK - skip : len;
        osd_status st = OSD_OK;

        if (c->block[i] == HOLE) {
            osd_iov_zero(io->iov, to, part);
        } else if (part == STORE_BLOCK) {
            uint32_t n = run_from(c, i, len / STORE_BLOCK);
            st = read_run(t, c, i, n, io->iov, to);
            part = n * STORE_BLOCK;
        } else {
            uint8_t block[STORE_BLOCK];
            st = block_read(t, c, i, block);
            if (!st)
                osd_iov_write(io->iov, to, block + skip, part);
        }
        if (st)
            return st;
        off += part;
        to += part;
        len -= part;
    }
    return OSD_OK;
}

static osd_status step_write(struct txn *t, struct chunk *c, uint32_t off, uint32_t len,
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
            st = blocks_put(t, c, i, part / STORE_BLOCK, io->iov, from);
        } else {
            st = block_patch(t, c, i, skip, part, io->iov, from);
        }
        if (st)
            return st;
        off += part;
        from += part;
        len -= part;
    }
    return OSD_OK;
}

static osd_status step_clear(struct txn *t, struct chunk *c, uint32_t off, uint32_t len,
                             uint64_t done, void *arg)
{
    (void)done;
    (void)arg;
    while (len > 0) {
        uint32_t i = off / STORE_BLOCK, skip = off % STORE_BLOCK;
        uint32_t part = STORE_BLOCK - skip < len ? STORE_BLOCK - skip : len;
        osd_status st = OSD_OK;

        if (part == STORE_BLOCK)
            st = block_unmap(t, c, i);
        else if (c->block[i] != HOLE)
            st = block_patch(t, c, i, skip, part, NULL, 0);
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
    uint8_t key[EXTENT_KEY_LEN];
    struct value v;

    key_extent(key, id, number);
    osd_status st = txn_get(t, CF_EXTENTS, key, sizeof(key), &v);
    if (!st)
        value_free(&v);
    return st;
}

/* First chunk at or after `from`, before `end`, that has a map. NOT_FOUND. A key or two are asked
 * for one by one, which costs less than an iterator. */
static osd_status next_chunk(struct txn *t, struct store_id id, uint64_t from, uint64_t end,
                             uint64_t *ret)
{
    uint8_t key[EXTENT_KEY_LEN];
    osd_status st = OSD_E_NOT_FOUND;
    rocksdb_iterator_t *it;
    size_t len;

    if (end - from <= 2) {
        for (*ret = from; from < end && st == OSD_E_NOT_FOUND; from++) {
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
    rocksdb_iter_destroy(it);
    return st;
}

/* Clear a range that may be astronomically long: only chunks that exist are visited. */
static osd_status clear_range(struct txn *t, struct store_id id, struct store_meta *m,
                              uint64_t off, uint64_t end)
{
    uint64_t chunks = chunks_of(end < m->length ? end : m->length);

    while (off < end && off / CHUNK_BYTES < chunks) {
        uint64_t chunk, stop;
        osd_status st = next_chunk(t, id, off / CHUNK_BYTES, chunks, &chunk);
        if (st == OSD_E_NOT_FOUND || (!st && chunk * CHUNK_BYTES >= end))
            return OSD_OK;
        if (st)
            return st;
        if (chunk * CHUNK_BYTES > off)
            off = chunk * CHUNK_BYTES;
        stop = (chunk + 1) * CHUNK_BYTES < end ? (chunk + 1) * CHUNK_BYTES : end;
        st = walk(t, id, m, off, stop - off, true, step_clear, NULL);
        if (st)
            return st;
        off = stop;
    }
    return OSD_OK;
}

/* ---- the seam ---- */

static osd_status load_user(struct store_txn *base, struct store_id id, struct store_meta *m)
{
    osd_status st = txn_load((struct txn *)base, id, m);

    return st ? st : m->kind == STORE_USER ? OSD_OK : OSD_E_INVALID;
}

/* The same for reading bytes: under a lock that covers them. */
static osd_status load_for_read(struct store_txn *base, struct store_id id, uint64_t off,
                                uint64_t len, struct store_meta *m)
{
    bool own = base->id.pid == id.pid && base->id.oid == id.oid;
    osd_status st =
        own || txn_may_change((struct txn *)base, id) ? load_user(base, id, m) : OSD_E_INVALID;

    return st ? st : off + len < off ? OSD_E_INVALID : OSD_OK;
}

/* Whether len bytes at off lie in the caller's memory. */
static bool in_memory(const struct osd_iov *iov, uint64_t off, uint64_t len)
{
    return off <= iov->len && len <= iov->len - off;
}

/* The same for a call that changes bytes [off, off+len). */
static osd_status load_for_change(struct store_txn *base, struct store_id id, uint64_t off,
                                  uint64_t len, struct store_meta *m)
{
    osd_status st =
        txn_may_change((struct txn *)base, id) ? load_user(base, id, m) : OSD_E_INVALID;

    return st ? st : off + len < off ? OSD_E_INVALID : OSD_OK;
}

/* Room for a new end of the object. */
static osd_status check_end(struct store_txn *base, const struct store_meta *m, uint64_t off,
                            uint64_t len, uint64_t *ret_end)
{
    uint64_t end = off + len;

    if (end < off || end > STORE_LENGTH_MAX || (end > m->length && end > m->max_length)) {
        base->quota = STORE_QUOTA_LENGTH;
        return OSD_E_QUOTA;
    }
    *ret_end = end > m->length ? end : m->length;
    return OSD_OK;
}

osd_status rdb_read(struct store_txn *base, struct store_id id, uint64_t off, uint64_t len,
                    const struct osd_iov *dst, uint64_t dst_off)
{
    struct store_meta m;
    struct io io = {.iov = dst, .off = dst_off};
    osd_status st = load_for_read(base, id, off, len, &m);

    if (!st && !in_memory(dst, dst_off, len))
        st = OSD_E_INVALID;
    if (st)
        return st;
    uint64_t there = off < m.length ? m.length - off : 0;
    if (there < len)
        osd_iov_zero(dst, dst_off + there, len - there);
    return walk((struct txn *)base, id, NULL, off, there < len ? there : len, false, step_read,
                &io);
}

static osd_status do_write(struct store_txn *base, struct store_id id, uint64_t off,
                           uint64_t len, const struct osd_iov *src, uint64_t src_off)
{
    struct txn *t = (struct txn *)base;
    struct io io = {.iov = src, .off = src_off};
    struct store_meta m;
    uint64_t end;
    osd_status st = load_for_change(base, id, off, len, &m);

    if (!st && !in_memory(src, src_off, len))
        st = OSD_E_INVALID;
    if (st || len == 0)
        return st;
    st = check_end(base, &m, off, len, &end);
    if (!st)
        st = walk(t, id, &m, off, len, true, step_write, &io);
    if (st)
        return st;
    m.length = end;
    txn_store(t, id, &m);
    return OSD_OK;
}

static osd_status do_clear(struct store_txn *base, struct store_id id, uint64_t off,
                           uint64_t len)
{
    struct txn *t = (struct txn *)base;
    struct store_meta m;
    uint64_t end;
    osd_status st = load_for_change(base, id, off, len, &m);

    if (st || len == 0)
        return st;
    st = check_end(base, &m, off, len, &end);
    if (!st) /* the block the object ends in goes with its last byte */
        st = clear_range(t, id, &m, off, off + len == end ? ROUND_UP(end) : off + len);
    if (st)
        return st;
    m.length = end;
    txn_store(t, id, &m);
    return OSD_OK;
}

static osd_status do_truncate(struct store_txn *base, struct store_id id, uint64_t length)
{
    struct txn *t = (struct txn *)base;
    struct store_meta m;
    uint64_t end;
    osd_status st = load_for_change(base, id, 0, 0, &m);

    if (st)
        return st;
    if (length > m.length)
        st = check_end(base, &m, length, 0, &end);
    else
        st = clear_range(t, id, &m, length, ROUND_UP(m.length));
    if (st)
        return st;
    m.length = length;
    txn_store(t, id, &m);
    return OSD_OK;
}

osd_status rdb_seek(struct store_txn *base, struct store_id id, uint64_t off,
                    enum store_extent *ret_kind, uint64_t *ret_len)
{
    struct txn *t = (struct txn *)base;
    struct store_meta m;
    struct chunk c;
    uint64_t number, end;
    osd_status st = load_for_read(base, id, off, 0, &m);

    if (st)
        return st;
    if (off >= m.length)
        return OSD_E_PAST_END;
    st = next_chunk(t, id, off / CHUNK_BYTES, chunks_of(m.length), &number);
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    if (st || number > off / CHUNK_BYTES) { /* hole up to the next chunk or the end */
        end = st || number * CHUNK_BYTES > m.length ? m.length : number * CHUNK_BYTES;
        *ret_kind = STORE_HOLE;
        *ret_len = end - off;
        return OSD_OK;
    }
    st = chunk_load(t, id, number, &c);
    if (st)
        return st;
    uint32_t i = (uint32_t)(off % CHUNK_BYTES / STORE_BLOCK), k = i;
    bool hole = c.block[i] == HOLE;
    while (k < CHUNK && (c.block[k] == HOLE) == hole)
        k++;
    end = number * CHUNK_BYTES + (uint64_t)k * STORE_BLOCK;
    *ret_kind = hole ? STORE_HOLE : STORE_DATA;
    *ret_len = (end < m.length ? end : m.length) - off;
    return OSD_OK;
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

/* Settle one block or more: holes stay holes by whole blocks, a block with any data is data. */
static osd_status punch_step(struct punch *p)
{
    uint64_t keep = p->off > p->dst ? p->off - p->dst : 0; /* bytes of the block that stay */
    uint64_t left = p->new_length - p->dst - keep, run;
    uint64_t n = STORE_BLOCK - keep < left ? STORE_BLOCK - keep : left;
    enum store_extent kind;
    osd_status st = OSD_OK;

    if (n > 0)
        st = rdb_seek(p->base, p->id, p->dst + keep + p->len, &kind, &run);
    if (st)
        return st;
    if (n == 0 || (kind == STORE_HOLE && run >= n)) {
        uint64_t whole = n > 0 && keep == 0 ? run / STORE_BLOCK : 0;
        uint64_t end = p->dst + (whole > 1 ? whole : 1) * STORE_BLOCK;
        struct store_meta m;
        st = load_user(p->base, p->id, &m);
        if (!st && n > 0)
            st = clear_range((struct txn *)p->base, p->id, &m, p->dst + keep, end);
        if (!st)
            txn_store((struct txn *)p->base, p->id, &m);
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
    struct store_meta m;
    osd_status st = load_for_change(base, id, off, len, &m);

    if (!st && off + len > m.length)
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
                      .new_length = m.length - len,
                      .dst = off / STORE_BLOCK * STORE_BLOCK,
                      .buf = buf};
    while (p.dst < p.new_length && !st)
        st = punch_step(&p);
    return st ? st : do_truncate(base, id, p.new_length);
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

static osd_status retire_run(void *arg, uint64_t first, uint32_t count)
{
    return run_add(arg, first, count);
}

osd_status data_remove(struct txn *t, const struct record *rec)
{
    uint64_t number = 0, end = chunks_of(rec->meta.length);
    osd_status st = OSD_OK;

    while (number < end && !(st = next_chunk(t, rec->id, number, end, &number))) {
        uint8_t key[EXTENT_KEY_LEN];
        struct value v;

        key_extent(key, rec->id, number);
        st = txn_get(t, CF_EXTENTS, key, sizeof(key), &v);
        if (st)
            return st;
        st = chunk_runs(v.data, v.len, retire_run, &t->freed);
        value_free(&v);
        if (st)
            return st;
        txn_delete(t, CF_EXTENTS, key, sizeof(key));
        number++;
    }
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}
