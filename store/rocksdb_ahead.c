/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_ahead.c - what is committed and not yet in the database
 *
 * A put into RocksDB costs more than all else a small command does. So what a command changes goes
 * into a journal (journal.h) and into a table in memory, from where a thread brings it into the
 * database, many commands and one key of several at a time (rocksdb_drain.c). Large changes, and those
 * that delete ranges, go there at once, behind what is ahead, and through the journal as well.
 * Invariants:
 *  (1) What was committed is in the journal, in the order of the commits, until the database has it
 *      durably. The database holds what some number of records make it, and that number (APPLIED),
 *      in the same write: opening takes over the records after it (rocksdb_replay.c).
 *  (2) Whoever looks a key up asks the tables of its shard first: `filling`, then `draining`. Whoever
 *      iterates has them drained (rdb_iterate()).
 *  (3) A key leaves `draining` when it is in the database, and not before.
 *  (4) When the database refuses what is ahead, the store has failed; keys that are ahead are found,
 *      iterators fail.
 *  (5) A commit passes `gate` with its record and its changes: who turns the tables has the gate alone,
 *      and finds in them what the records up to some number changed, and nothing else. Of two changes
 *      of one key that of the greater number stays.
 *  (6) Who only looks a key up never waits for the journal.
 *  (7) A change is in the tables when its record, and each before it, is written.
 * Outcomes of commands have a place of their own (rocksdb_outcome.c).
 * Locks: drain_lock, gate, then either that of the journal, that of a shard, lock, or record_lock.
 */
#include <stdlib.h>

#include "common/hash.h"
#include "common/thread.h"
#include "rocksdb_ahead.h"

#define LIST_MAX (32 * KIB) /* bytes of a table, and less than a slab has */

/* ---- the tables ---- */

static uint64_t hash_of(const struct rdb *r, enum cf cf, const uint8_t *key, size_t len)
{
    uint64_t h = osd_hash(r->seed, (uint64_t)cf, len), word;

    for (; len > 0; key += 8, len -= len < 8 ? len : 8) {
        word = 0;
        memcpy(&word, key, len < 8 ? len : 8);
        h = osd_hash(r->seed, h, word);
    }
    return h;
}

static struct ahead_shard *shard_of(struct ahead *a, uint64_t hash)
{
    return &a->shard[hash / (UINT64_MAX / AHEAD_SHARDS + 1)];
}

/* The link that points to the key's change, or to NULL at the end of its chain. */
static struct change **find(struct change_table *w, uint64_t hash, enum cf cf, const void *key,
                            size_t len)
{
    struct change **at = &w->bucket[hash % AHEAD_BUCKETS];

    while (*at && ((*at)->hash != hash || (*at)->cf != cf || (*at)->key_len != len ||
                   memcmp((*at)->bytes, key, len) != 0))
        at = &(*at)->next;
    return at;
}

/* Into the table. An earlier change of the key gives its place up; a later one stays. Who looks at the
 * counts without the lock finds a key counted before it is there: otherwise it would miss what was
 * committed before. Under the lock. */
static void enter(struct ahead_shard *s, struct change *c)
{
    struct change_table *w = s->filling;
    struct change **at = find(w, c->hash, (enum cf)c->cf, c->bytes, c->key_len), *old = *at;

    if (old && old->number > c->number)
        return;
    if (old) {
        old->replaced = true;
    } else {
        w->n[c->cf]++;
        __atomic_store_n(&s->n[c->cf], s->n[c->cf] + 1, __ATOMIC_RELEASE);
        __atomic_store_n(&s->n_all, s->n_all + 1, __ATOMIC_RELEASE);
    }
    c->next = old ? old->next : NULL;
    c->in_table = w->last;
    w->last = c;
    *at = c;
}

/* Much is ahead, or more than that. */
static void raise_level(struct ahead *a, enum ahead_level level)
{
    if (__atomic_load_n(&a->level, __ATOMIC_RELAXED) < level)
        __atomic_store_n(&a->level, level, __ATOMIC_RELAXED);
}

/* What one shard has tells what all have: hashes are spread evenly. */
static void weigh_keys(struct ahead *a, size_t n)
{
    if (n >= ahead_many.keys / AHEAD_SHARDS)
        raise_level(a, n >= ahead_too_many.keys / AHEAD_SHARDS ? AHEAD_TOO_MANY : AHEAD_MANY);
}

osd_status ahead_tables_make(struct ahead *a)
{
    a->tables = calloc(2 * (size_t)AHEAD_SHARDS, sizeof(*a->tables));
    if (!a->tables)
        return OSD_E_NOMEM;
    for (unsigned i = 0; i < AHEAD_SHARDS; i++) {
        a->shard[i].filling = &a->tables[2 * (size_t)i];
        a->shard[i].draining = &a->tables[2 * (size_t)i + 1];
    }
    return OSD_OK;
}

static void slabs_free(struct slab *s)
{
    for (struct slab *next; s; s = next) {
        next = s->next;
        free(s);
    }
}

void ahead_tables_free(struct ahead *a)
{
    slabs_free(a->filling);
    slabs_free(a->draining);
    slabs_free(a->spare);
    free(a->tables);
}

/* ---- the tables' memory ---- */

/* Another slab in the place of one that has no room, `full`; another thread of the place may have got
 * it already. False: no memory. */
static bool more_room(struct ahead *a, struct slab_place *p, const struct slab *full)
{
    bool ok = true;

    osd_lock_short(&a->lock);
    if (p->slab == full) {
        struct slab *s = a->spare;
        if (s)
            a->spare = s->next;
        else
            s = malloc(sizeof(*s) + SLAB_ROOM);
        ok = s != NULL;
        if (s) {
            s->next = a->filling;
            s->used = 0;
            a->filling = s;
            size_t bytes = a->bytes + sizeof(*s) + SLAB_ROOM;
            __atomic_store_n(&a->bytes, bytes, __ATOMIC_RELAXED);
            if (bytes >= ahead_many.bytes)
                raise_level(a, bytes >= ahead_too_many.bytes ? AHEAD_TOO_MANY : AHEAD_MANY);
            __atomic_store_n(&p->slab, s, __ATOMIC_RELEASE);
        }
    }
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* Memory of what is being filled, for who has passed the gate: it is there until that was drained. NULL. */
static uint8_t *take_room(struct ahead *a, size_t len)
{
    struct slab_place *p = &a->place[osd_thread_place()];

    for (;;) {
        struct slab *s = __atomic_load_n(&p->slab, __ATOMIC_ACQUIRE);
        size_t at = s ? __atomic_fetch_add(&s->used, len, __ATOMIC_RELAXED) : SLAB_ROOM;
        if (at + len <= SLAB_ROOM)
            return s->room + at;
        if (!more_room(a, p, s))
            return NULL;
    }
}

/* ---- looking up ---- */

static osd_status value_of(const struct change *c, struct value *ret)
{
    if (c->deleted)
        return OSD_E_NOT_FOUND;
    ret->own = malloc(c->len ? c->len : 1);
    if (!ret->own)
        return OSD_E_NOMEM;
    memcpy(ret->own, c->bytes + c->key_len, c->len);
    ret->data = ret->own;
    ret->len = c->len;
    return OSD_OK;
}

osd_status ahead_get(struct rdb *r, enum cf cf, const void *key, size_t key_len,
                     struct value *ret, bool *ret_there)
{
    uint64_t hash = hash_of(r, cf, key, key_len);
    struct ahead_shard *s = shard_of(&r->ahead, hash);
    osd_status st = OSD_OK;

    *ret_there = false;
    if (__atomic_load_n(&s->n[cf], __ATOMIC_ACQUIRE) == 0)
        return OSD_OK;
    osd_lock_short(&s->lock);
    struct change *c = *find(s->filling, hash, cf, key, key_len);
    if (!c)
        c = *find(s->draining, hash, cf, key, key_len);
    if (c) {
        *ret_there = true;
        st = value_of(c, ret);
    }
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* ---- commits ---- */

/* What a change takes of a table. */
static size_t room_for(size_t key_len, size_t len)
{
    return (sizeof(struct change) + key_len + len + 7) / 8 * 8;
}

osd_status ahead_note(struct txn *t, enum cf cf, const void *key, size_t key_len,
                      const void *value, size_t len, bool deleted)
{
    struct osd_buf *b = &t->record;
    uint8_t head[1 + CHANGE_HEAD] = {RECORD_CHANGES, (uint8_t)cf, deleted};
    size_t known = b->len > 0; /* the kind comes once */

    b->max = SIZE_MAX;
    osd_status st = osd_buf_reserve(b, sizeof(head) + key_len + len);
    if (st)
        return st;
    be16_put(head + 3, (uint16_t)key_len);
    be32_put(head + 5, (uint32_t)len);
    osd_buf_put(b, head + known, sizeof(head) - known);
    osd_buf_put(b, key, key_len);
    osd_buf_put(b, value, len);
    t->table_len += room_for(key_len, len);
    return OSD_OK;
}

void ahead_forget(struct txn *t)
{
    t->record.len = 0;
    t->table_len = 0;
}

/* The changes of the record, one behind the other, as a table has them. Returns where they end. The outcome
 * is elsewhere; its room stays empty, so that many of them hold back who commits. */
static uint8_t *lay_out(const struct txn *t, uint64_t number, uint8_t *at)
{
    struct batch_change b;

    for (size_t from = 1;
         from < t->record.len && change_next(t->record.data, t->record.len, &from, &b);) {
        struct change *c = (struct change *)(void *)at;
        if (b.cf == CF_RECORDS)
            continue;
        *c = (struct change){.number = number,
                             .hash = hash_of(t->rdb, b.cf, b.key, b.key_len),
                             .cf = (uint8_t)b.cf,
                             .deleted = b.deletes,
                             .key_len = (uint16_t)b.key_len,
                             .len = b.len};
        memcpy(c->bytes, b.key, b.key_len + (size_t)b.len); /* the value is behind its key */
        at += room_for(b.key_len, b.len);
    }
    return at;
}

/* They become part of the tables. */
static void enter_all(struct ahead *a, uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        struct change *c = (struct change *)(void *)at;
        struct ahead_shard *s = shard_of(a, c->hash);
        at += room_for(c->key_len, c->len);
        osd_lock_short(&s->lock);
        enter(s, c);
        size_t n = s->n_all;
        pthread_mutex_unlock(&s->lock);
        weigh_keys(a, n);
    }
}

/* One that is too long to be ahead. */
static osd_status write_record(const struct txn *t)
{
    rocksdb_writebatch_t *b;
    osd_status st = ahead_decode(t->rdb, t->record.data, t->record.len, &b);

    if (st)
        return st;
    st = ahead_write(t->rdb, b);
    rocksdb_writebatch_destroy(b);
    return st;
}

osd_status ahead_commit(struct txn *t)
{
    struct rdb *r = t->rdb;
    struct ahead *a = &r->ahead;
    struct iovec v = {t->record.data, t->record.len};

    if (v.iov_len == 0)
        return OSD_OK;
    if (t->table_len > LIST_MAX)
        return write_record(t);
    uint32_t crc = journal_crc(&v, 1);
    spread_read(&a->gate);
    uint8_t *at = take_room(a, t->table_len);
    uint64_t number = at ? journal_add(a->journal, &v, 1, crc) : 0;
    const uint8_t *end = number ? lay_out(t, number, at) : at;
    osd_status st = number ? journal_written(a->journal, number) : OSD_E_NOMEM;
    if (!st)
        enter_all(a, at, end);
    if (!st && t->outcome.seq) {
        t->outcome.number = number;
        record_remember(r, &t->outcome);
    }
    spread_read_end(&a->gate);
    if (st && number)
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    return st;
}

/* One change of a batch into the record. INVALID: it is of a kind that is not known there. */
static osd_status note_from(struct txn *t, struct batch_at *b)
{
    struct batch_change c;

    return !batch_next(t->rdb, b, &c) || c.range
               ? OSD_E_INVALID
               : ahead_note(t, c.cf, c.key, c.key_len, c.value, c.len, c.deletes);
}

osd_status ahead_write_batch(struct txn *t, const char *data, size_t len)
{
    struct batch_at at = {(const uint8_t *)data + BATCH_HEAD, (const uint8_t *)data + len};
    osd_status st = len > LIST_MAX ? OSD_E_INVALID : OSD_OK;

    while (!st && at.p < at.end)
        st = note_from(t, &at);
    if (!st)
        return ahead_commit(t);
    if (st != OSD_E_INVALID)
        return st;
    ahead_forget(t);
    rocksdb_writebatch_t *b = rocksdb_writebatch_create_from(data, len);
    st = ahead_write(t->rdb, b);
    rocksdb_writebatch_destroy(b);
    return st;
}

osd_status ahead_publish(struct rdb *r)
{
    osd_status st = journal_written(r->ahead.journal, journal_last(r->ahead.journal));

    if (st)
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    return st;
}
