/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_keeper.c - the RocksDB store's background thread
 *
 * It syncs what was committed at the latest KEEPER_MS after it was, so that loss of power costs
 * no more than that, writes touched timestamps before there are too many of them, has range deletions
 * put into tables, and goes on with partitions that are being made from others and with indexes.
 * Commands only ring the bell.
 * Invariants:
 *  (1) One keeper per open store that may be written; it holds no lock while it sleeps.
 *  (2) A sync that fails makes the store refuse writes, whoever asked for it (rdb_sync()).
 *  (3) Whatever else fails, what was committed is synced.
 *  (4) keeper_stop() returns when the thread has ended; nothing rings after it.
 */
#include "common/clock.h"
#include "common/cond.h"
#include "common/log.h"
#include "rocksdb_internal.h"

#define KEEPER_MS 5000u

/* Sleep until the bell rings, the time is over or the end has come; whether to go on. */
static bool keeper_wait(struct keeper *k)
{
    uint64_t until = osd_monotonic_ms() + KEEPER_MS;

    pthread_mutex_lock(&k->mutex);
    while (!k->rung && !k->stop && osd_cond_wait_until(&k->bell, &k->mutex, until)) {
    }
    k->rung = false;
    bool go_on = !k->stop;
    pthread_mutex_unlock(&k->mutex);
    return go_on;
}

/* Have RocksDB put range deletions into tables, if there are many in memory. */
static osd_status ranges_work(struct rdb *r)
{
    rocksdb_flushoptions_t *o;
    osd_status st = OSD_OK;

    if (__atomic_load_n(&r->ranges, __ATOMIC_RELAXED) < RANGES_MANY || rdb_failed(r) ||
        blocks_full(r->blocks))
        return OSD_OK;
    __atomic_store_n(&r->ranges, 0, __ATOMIC_RELAXED);
    o = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(o, 0);
    for (int i = 0; i < CF_MAX && !st; i++) {
        char *err = NULL;
        if (i != CF_DEFAULT && i != CF_RECORDS)
            rocksdb_flush_cf(r->db, o, r->cf[i], &err);
        if (err)
            st = rdb_error(r, err);
    }
    rocksdb_flushoptions_destroy(o);
    return st;
}

static void keeper_round(struct rdb *r)
{
    osd_status st = touch_many(r) ? touch_flush(r) : OSD_OK, one;
    bool more, more_index;

    one = dups_work(r, &more);
    st = st ? st : one;
    one = index_work(r, &more_index);
    st = st ? st : one;
    if (more || more_index)
        keeper_ring(r);
    one = ranges_work(r);
    st = st ? st : one;
    uint64_t last = journal_last(r->ahead.journal); /* every commit is a record */
    if (r->keeper.synced != last) {
        r->keeper.synced = last;
        one = rdb_sync(r);
        st = st ? st : one;
    }
    if (st)
        osd_log(OSD_LOG_ERROR, "store %s: %s", r->path, osd_status_text(st));
}

static void *keeper_main(void *arg)
{
    struct rdb *r = arg;

    while (keeper_wait(&r->keeper))
        keeper_round(r);
    return NULL;
}

osd_status keeper_start(struct rdb *r)
{
    struct keeper *k = &r->keeper;

    k->rung = r->index_wanted; /* an index may be left to be built: at once */
    k->synced = UINT64_MAX;    /* none: also what a process that died wrote */
    pthread_mutex_init(&k->mutex, NULL);
    osd_cond_init(&k->bell);
    k->running = true; /* the thread looks at it */
    if (pthread_create(&k->thread, NULL, keeper_main, r) == 0)
        return OSD_OK;
    k->running = false;
    return OSD_E_NOMEM;
}

void keeper_ring(struct rdb *r)
{
    struct keeper *k = &r->keeper;

    if (!k->running)
        return;
    pthread_mutex_lock(&k->mutex);
    k->rung = true;
    pthread_cond_signal(&k->bell);
    pthread_mutex_unlock(&k->mutex);
}

void keeper_stop(struct rdb *r)
{
    struct keeper *k = &r->keeper;

    if (!k->running)
        return;
    pthread_mutex_lock(&k->mutex);
    k->stop = true;
    pthread_cond_signal(&k->bell);
    pthread_mutex_unlock(&k->mutex);
    pthread_join(k->thread, NULL);
    pthread_mutex_destroy(&k->mutex);
    pthread_cond_destroy(&k->bell);
    k->running = false;
}
