/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_drain.c - what is ahead comes into the database
 *
 * A thread does it, many keys at a time; whoever commits when too much is ahead, or iterates, does it
 * as well. All that is drained is one batch: RocksDB's log may reach the disk before the journal does,
 * and of two batches the first could be there without the records that both came from.
 * Invariants and locks: head of rocksdb_ahead.c.
 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/log.h"
#include "common/thread.h"
#include "rocksdb_ahead.h"

#define LOOK_AGAIN_MS 10u /* whether others drain on, as they should */

/* ---- into the database ---- */

static void put_applied(struct rdb *r, rocksdb_writebatch_t *b, uint64_t number)
{
    uint8_t field[8];

    be64_put(field, number);
    rocksdb_writebatch_put_cf(b, r->cf[CF_DEFAULT], APPLIED, strlen(APPLIED), (char *)field,
                              sizeof(field));
}

void ahead_put(struct rdb *r, rocksdb_writebatch_t *b, const struct batch_change *c)
{
    const char *key = (const char *)c->key;

    if (c->deletes)
        rocksdb_writebatch_delete_cf(b, r->cf[c->cf], key, c->key_len);
    else
        rocksdb_writebatch_put_cf(b, r->cf[c->cf], key, c->key_len, (const char *)c->value,
                                  c->len);
}

static void put_change(struct rdb *r, rocksdb_writebatch_t *b, const struct change *c)
{
    ahead_put(r, b,
              &(struct batch_change){.cf = (enum cf)c->cf,
                                     .deletes = c->deleted,
                                     .key = c->bytes,
                                     .value = c->bytes + c->key_len,
                                     .key_len = c->key_len,
                                     .len = c->len});
}

/* A batch with the number of the last record that it has. */
static osd_status write_batch(struct rdb *r, rocksdb_writebatch_t *b, uint64_t number)
{
    char *err = NULL;

    rocksdb_write(r->db, r->wo, b, &err);
    if (!err) {
        r->ahead.applied = number;
        return OSD_OK;
    }
    __atomic_store_n(&r->ahead.stuck, true, __ATOMIC_RELAXED);
    __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    return rdb_error(r, err);
}

osd_status ahead_apply(struct rdb *r, rocksdb_writebatch_t *b, uint64_t number)
{
    put_applied(r, b, number);
    return write_batch(r, b, number);
}

static size_t n_ahead(struct ahead *a)
{
    size_t n = 0;

    for (unsigned i = 0; i < AHEAD_SHARDS; i++)
        n += __atomic_load_n(&a->shard[i].n_all, __ATOMIC_ACQUIRE);
    return n;
}

/* The level as it is. */
static void weigh(struct ahead *a)
{
    size_t n = n_ahead(a), bytes = __atomic_load_n(&a->bytes, __ATOMIC_RELAXED);
    bool too_many = n >= ahead_too_many.keys || bytes >= ahead_too_many.bytes;
    bool many = n >= ahead_many.keys || bytes >= ahead_many.bytes;
    enum ahead_level level = too_many ? AHEAD_TOO_MANY : many ? AHEAD_MANY : AHEAD_FEW;

    __atomic_store_n(&a->level, level, __ATOMIC_RELAXED);
}

/* What is filled from now on comes later than what is drained. Under drain_lock and with the gate. */
static void turn(struct ahead *a)
{
    for (unsigned i = 0; i < AHEAD_SHARDS; i++) {
        struct ahead_shard *s = &a->shard[i];
        osd_lock_short(&s->lock);
        struct change_table *w = s->draining;
        s->draining = s->filling;
        s->filling = w;
        pthread_mutex_unlock(&s->lock);
    }
    osd_lock_short(&a->lock);
    for (unsigned i = 0; i < OSD_PLACES; i++)
        __atomic_store_n(&a->place[i].slab, NULL, __ATOMIC_RELAXED);
    a->draining = a->filling;
    a->filling = NULL;
    __atomic_store_n(&a->bytes, 0, __ATOMIC_RELAXED);
    weigh(a);
    pthread_cond_broadcast(&a->room);
    pthread_mutex_unlock(&a->lock);
}

/* One shard's `draining` is in the database: empty it. Readers wait no longer than for the table itself. */
static void shard_drained(struct ahead_shard *s)
{
    osd_lock_short(&s->lock);
    for (int i = 0; i < CF_MAX; i++) {
        size_t n = s->draining->n[i];
        __atomic_store_n(&s->n[i], s->n[i] - n, __ATOMIC_RELEASE);
        __atomic_store_n(&s->n_all, s->n_all - n, __ATOMIC_RELEASE);
    }
    memset(s->draining, 0, sizeof(*s->draining));
    pthread_mutex_unlock(&s->lock);
}

/* Slabs go to the spare ones. Under the lock. */
static void slabs_spare(struct ahead *a)
{
    struct slab **last = &a->draining;

    while (*last)
        last = &(*last)->next;
    *last = a->spare;
    a->spare = a->draining;
    a->draining = NULL;
}

/* `draining` is in the database; nobody finds what is in its memory any more once each shard is empty. */
static void drained(struct ahead *a)
{
    for (unsigned i = 0; i < AHEAD_SHARDS; i++)
        shard_drained(&a->shard[i]);
    osd_lock_short(&a->lock);
    slabs_spare(a);
    weigh(a);
    pthread_cond_broadcast(&a->room);
    pthread_mutex_unlock(&a->lock);
}

/* How many keys `draining` has. Under drain_lock, as all that looks at it. */
static size_t n_draining(const struct ahead *a)
{
    size_t n = 0;

    for (unsigned i = 0; i < AHEAD_SHARDS; i++)
        for (int k = 0; k < CF_MAX; k++)
            n += a->shard[i].draining->n[k];
    return n;
}

/* The first key that `draining` has (NULL), or the one after c; NULL: there is none. */
static const struct change *draining_next(const struct ahead *a, unsigned *shard,
                                          const struct change *c)
{
    c = c ? c->in_table : a->shard[ *shard = 0].draining->last;
    for (;;) {
        while (c && c->replaced)
            c = c->in_table;
        if (c || ++*shard == AHEAD_SHARDS)
            return c;
        c = a->shard[*shard].draining->last;
    }
}

/* The n keys that `draining` has as a batch, in their order; NULL: no memory. */
static rocksdb_writebatch_t *put_in_order(struct rdb *r, size_t n, uint64_t number)
{
    const struct ahead *a = &r->ahead;
    rocksdb_writebatch_t *b = NULL;
    struct sorted s;
    unsigned i;

    if (sorted_room(&s, n) == OSD_OK) {
        for (const struct change *c = NULL; (c = draining_next(a, &i, c));)
            sorted_add(&s, c);
        b = sorted_batch(r, &s, number);
    }
    sorted_free(&s);
    return b;
}

/* The same as they lie there. */
static rocksdb_writebatch_t *put_as_they_are(struct rdb *r, uint64_t number)
{
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    unsigned i;

    for (const struct change *c = NULL; (c = draining_next(&r->ahead, &i, c));)
        put_change(r, b, c);
    put_applied(r, b, number);
    return b;
}

/* Bring what is in `draining`, and the outcomes, into the database, which then has the records up to this
 * number. The journal has them first. */
static osd_status drain(struct rdb *r, uint64_t number)
{
    struct ahead *a = &r->ahead;
    size_t n = n_draining(a);

    if (journal_written(a->journal, number) != OSD_OK) {
        __atomic_store_n(&a->stuck, true, __ATOMIC_RELAXED);
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        return OSD_E_IO;
    }
    if (n > 0 || outcomes_wait(r)) {
        rocksdb_writebatch_t *b = put_in_order(r, n, number);
        if (!b)
            b = put_as_they_are(r, number);
        outcomes_put(r, b, a->applied, number);
        osd_status st = write_batch(r, b, number);
        rocksdb_writebatch_destroy(b);
        if (st)
            return st;
    }
    drained(a);
    return OSD_OK;
}

/* Under drain_lock. */
static osd_status drain_all(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    if (__atomic_load_n(&a->stuck, __ATOMIC_RELAXED))
        return OSD_E_IO;
    spread_write(&a->gate);
    turn(a);
    uint64_t number = journal_last(a->journal);
    spread_write_end(&a->gate);
    return drain(r, number);
}

osd_status ahead_drain(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    if (n_ahead(a) == 0 && !outcomes_wait(r))
        return OSD_OK;
    pthread_mutex_lock(&a->drain_lock);
    osd_status st = drain_all(r);
    pthread_mutex_unlock(&a->drain_lock);
    return st;
}

osd_status ahead_drain_family(struct rdb *r, enum cf cf)
{
    bool any = false;

    for (unsigned i = 0; i < AHEAD_SHARDS && !any; i++)
        any = __atomic_load_n(&r->ahead.shard[i].n[cf], __ATOMIC_ACQUIRE) > 0;
    return any ? ahead_drain(r) : OSD_OK;
}

rocksdb_iterator_t *rdb_iterate(struct rdb *r, rocksdb_readoptions_t *ro, enum cf cf)
{
    ahead_drain_family(r, cf); /* rdb_iterated() tells when that failed */
    return rocksdb_create_iterator_cf(r->db, ro, r->cf[cf]);
}

osd_status ahead_write(struct rdb *r, rocksdb_writebatch_t *b)
{
    struct ahead *a = &r->ahead;
    uint8_t kind = RECORD_BATCH;
    struct iovec v[2] = {{&kind, 1}, {0}};
    osd_status st = OSD_E_IO;
    uint64_t number = 0;

    v[1].iov_base = (void *)rocksdb_writebatch_data(b, &v[1].iov_len);
    uint32_t crc = journal_crc(v, 2);
    pthread_mutex_lock(&a->drain_lock);
    if (!__atomic_load_n(&a->stuck, __ATOMIC_RELAXED)) {
        spread_write(&a->gate);
        number = journal_add(a->journal, v, 2, crc);
        if (number)
            turn(a);
        spread_write_end(&a->gate);
        st = number ? drain(r, number - 1) : OSD_E_NOMEM;
    }
    if (!st)
        st = journal_written(a->journal, number);
    if (!st)
        st = ahead_apply(r, b, number);
    if (st && number) {
        __atomic_store_n(&a->stuck, true, __ATOMIC_RELAXED);
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&a->drain_lock);
    return st;
}

/* ---- keeping up ---- */

/* Make room in the journal: what it holds is in the database, durably. */
static osd_status release(struct rdb *r)
{
    char *err = NULL;
    osd_status st = ahead_drain(r);

    pthread_mutex_lock(&r->ahead.drain_lock);
    uint64_t applied = r->ahead.applied;
    pthread_mutex_unlock(&r->ahead.drain_lock);
    if (!st)
        st = rdb_sync(r); /* data first: the database's own log names blocks, too */
    if (st)
        return st;
    rocksdb_flush_wal(r->db, 1, &err);
    if (err) {
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        return rdb_error(r, err);
    }
    journal_release(r->ahead.journal, applied);
    return OSD_OK;
}

static osd_status keep_up(struct rdb *r)
{
    if (rdb_failed(r))
        return OSD_OK;
    journal_make_ready(r->ahead.journal);
    return journal_crowded(r->ahead.journal) ? release(r) : ahead_drain(r);
}

static void *ahead_main(void *arg)
{
    struct rdb *r = arg;
    struct ahead *a = &r->ahead;

    rdb_be_uncounted();
    if (r->cfg.begins)
        r->cfg.begins();
    pthread_mutex_lock(&a->bell_lock);
    while (!a->stop) {
        if (!a->rung) {
            pthread_cond_wait(&a->bell, &a->bell_lock);
            continue;
        }
        __atomic_store_n(&a->rung, false, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&a->bell_lock);
        osd_status st = keep_up(r);
        if (st)
            osd_log(OSD_LOG_ERROR, "store %s: %s", r->path, osd_status_text(st));
        pthread_mutex_lock(&a->bell_lock);
    }
    pthread_mutex_unlock(&a->bell_lock);
    return NULL;
}

/* Returns whether there is somebody who hears it. */
static bool ring(struct ahead *a)
{
    if (!a->running || __atomic_load_n(&a->rung, __ATOMIC_RELAXED))
        return a->running;
    pthread_mutex_lock(&a->bell_lock);
    __atomic_store_n(&a->rung, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&a->bell);
    pthread_mutex_unlock(&a->bell_lock);
    return true;
}

static bool is_level(const struct ahead *a, enum ahead_level least)
{
    return __atomic_load_n(&a->level, __ATOMIC_RELAXED) >= least;
}

/* Until less is ahead. Whoever finds nobody draining does it: the thread may be at its syncs. Those
 * that wait are not in line for drain_lock, where others would overtake them. */
static void make_room(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    while (is_level(a, AHEAD_TOO_MANY) && !__atomic_load_n(&a->stuck, __ATOMIC_RELAXED)) {
        if (pthread_mutex_trylock(&a->drain_lock) == 0) {
            drain_all(r); /* a failure is that of the next commit */
            pthread_mutex_unlock(&a->drain_lock);
            return;
        }
        pthread_mutex_lock(&a->lock);
        if (is_level(a, AHEAD_TOO_MANY))
            osd_cond_wait_until(&a->room, &a->lock, osd_monotonic_ms() + LOOK_AGAIN_MS);
        pthread_mutex_unlock(&a->lock);
    }
}

void ahead_pass(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    if (!is_level(a, AHEAD_MANY) && !journal_calls(a->journal))
        return;
    if (ring(a))
        make_room(r);
    else
        keep_up(r); /* a failure is that of the next commit */
}

/* ---- the thread ---- */

osd_status ahead_start(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    a->running = true; /* the thread's first commit may ring */
    if (pthread_create(&a->thread, NULL, ahead_main, r) == 0)
        return OSD_OK;
    a->running = false;
    return OSD_E_NOMEM;
}

static void stop(struct ahead *a)
{
    if (!a->running)
        return;
    pthread_mutex_lock(&a->bell_lock);
    a->stop = true;
    pthread_cond_signal(&a->bell);
    pthread_mutex_unlock(&a->bell_lock);
    pthread_join(a->thread, NULL);
    a->running = false;
}

void ahead_close(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    stop(a);
    if (a->journal && !rdb_failed(r))
        release(r);
    journal_close(a->journal);
    ahead_tables_free(a);
}
