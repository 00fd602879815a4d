/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_early.c - bytes of several writes that are put into place together, before them
 *
 * Invariants:
 *  (1) The blocks are allocated and named by no map until a transaction takes them; then they are
 *      its own, and what becomes of it decides about them.
 *  (2) A format takes all blocks there are. It does not come between allocating and writing, and what
 *      was allocated before one is neither used nor given back after it.
 */
#include <stdlib.h>

#include "rocksdb_internal.h"

#define MOST   128u /* blocks: what stays in the CPU's cache until it is written */
#define PIECES 64

struct early_part {
    const struct iovec *v; /* by these pieces it is known again */
    uint32_t at, n;        /* blocks, from the first on */
    bool taken;
};

struct store_early {
    uint64_t formats; /* of the store, when the blocks were allocated */
    uint64_t first;
    unsigned n;
    struct early_part parts[STORE_EARLY_MAX];
    uint32_t crc[MOST];
};

/* As many of the first ones as `room` blocks hold, and PIECES pieces; returns how many blocks. */
static uint32_t lay_out(struct store_early *e, const struct osd_iov *data, unsigned n,
                        uint32_t room)
{
    uint32_t at = 0;
    int pieces = 0;

    for (e->n = 0; e->n < n; e->n++) {
        uint64_t blocks = data[e->n].len / STORE_BLOCK;
        pieces += data[e->n].n;
        if (blocks > room - at || pieces > PIECES)
            break;
        e->parts[e->n] = (struct early_part){data[e->n].v, at, (uint32_t)blocks, false};
        at += (uint32_t)blocks;
    }
    return at;
}

/* Checksums and data of what was laid out. */
static osd_status put(struct rdb *r, struct store_early *e, const struct osd_iov *data)
{
    struct iovec v[PIECES];
    uint32_t blocks = 0;
    int n = 0;

    for (unsigned i = 0; i < e->n; i++) {
        memcpy(v + n, data[i].v, (size_t)data[i].n * sizeof(*v));
        n += data[i].n;
        blocks += e->parts[i].n;
    }
    return blocks_write(r->blocks, e->first, blocks, v, n, e->crc);
}

/* One run for at least two of them. */
static osd_status put_together(struct rdb *r, struct store_early *e, uint64_t whose,
                               const struct osd_iov *data, unsigned n)
{
    uint32_t want = lay_out(e, data, n, MOST), got, used;
    osd_status st = e->n < 2        ? OSD_E_UNSUPPORTED
                    : rdb_failed(r) ? OSD_E_IO
                                    : blocks_alloc(r->blocks, whose, want, &e->first, &got);

    if (st)
        return st;
    used = lay_out(e, data, n, got);
    st = e->n < 2 ? OSD_E_NO_SPACE : put(r, e, data);
    if (st)
        used = 0;
    if (used < got)
        blocks_release(r->blocks, e->first + used, got - used);
    return st;
}

static const struct store_id everything;

osd_status rdb_early(struct osd_store *s, struct store_id whose, const struct osd_iov *data,
                     unsigned n, struct store_early **ret)
{
    struct rdb *r = (struct rdb *)s;
    struct store_early *e = malloc(sizeof(*e));
    struct store_held held;

    if (!e)
        return OSD_E_NOMEM;
    store_locks_acquire(r->locks, everything, STORE_SHARED, &held);
    e->formats = r->formats;
    osd_status st = put_together(r, e, rdb_lane(r, whose), data, n);
    store_locks_release(r->locks, &held);
    if (st)
        free(e);
    else
        *ret = e;
    return st;
}

void rdb_early_use(struct store_txn *t, struct store_early *e)
{
    ((struct txn *)t)->early = e;
}

bool early_take(struct txn *t, const struct osd_iov *src, uint64_t src_off, uint32_t n,
                uint64_t *ret_first, const uint32_t **ret_crc)
{
    struct store_early *e = t->early;

    for (unsigned i = 0; i < e->n && src_off == 0 && e->formats == t->rdb->formats; i++) {
        struct early_part *p = &e->parts[i];
        if (p->v != src->v || p->n != n || p->taken ||
            run_add(&t->allocated, e->first + p->at, n))
            continue;
        p->taken = true;
        *ret_first = e->first + p->at;
        *ret_crc = e->crc + p->at;
        return true;
    }
    return false;
}

static void give_back(struct rdb *r, const struct store_early *e)
{
    struct store_held held;

    store_locks_acquire(r->locks, everything, STORE_SHARED, &held);
    for (unsigned i = 0; i < e->n && e->formats == r->formats && !rdb_failed(r); i++)
        if (!e->parts[i].taken)
            blocks_release(r->blocks, e->first + e->parts[i].at, e->parts[i].n);
    store_locks_release(r->locks, &held);
}

void rdb_early_end(struct osd_store *s, struct store_early *e)
{
    bool all = true;

    for (unsigned i = 0; i < e->n; i++)
        all = all && e->parts[i].taken;
    if (!all)
        give_back((struct rdb *)s, e);
    free(e);
}
