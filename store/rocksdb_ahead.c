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
 *  (2) Whoever looks a key up asks the tables first: `filling`, then `draining`. Whoever iterates
 *      has them drained (rdb_iterate()).
 *  (3) A key leaves `draining` when it is in the database, and not before.
 *  (4) When the database refuses what is ahead, the store has failed; keys that are ahead are found,
 *      iterators fail.
 *  (5) A commit passes `gate` with its record and its changes: who turns the tables has the gate alone,
 *      and finds in them what the records up to some number changed, and nothing else. Of two changes
 *      of one key that of the greater number stays.
 *  (6) Who only looks a key up never waits for the journal.
 * Locks: drain_lock, gate, then either that of the journal or lock.
 */
#include <stdlib.h>

#include "common/hash.h"
#include "common/thread.h"
#include "rocksdb_ahead.h"

#define LIST_MAX (32 * KIB)

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

/* Into the table. An earlier change of the key gives its place up and is returned; a later one stays, and
 * the change itself is returned. Who looks at the counts without the lock finds a key counted before it
 * is there: otherwise it would miss what was committed before. */
static struct change *enter(struct ahead *a, struct change *c)
{
    struct change_table *w = a->filling;
    struct change **at = find(w, c->hash, (enum cf)c->cf, c->bytes, c->key_len), *old = *at;

    if (old && old->number > c->number)
        return c;
    if (old) {
        c->next = old->next;
        TAILQ_INSERT_BEFORE(old, c, in_table);
        TAILQ_REMOVE(&w->all, old, in_table);
    } else {
        __atomic_store_n(&a->n[c->cf], a->n[c->cf] + 1, __ATOMIC_RELEASE);
        __atomic_store_n(&a->n_all, a->n_all + 1, __ATOMIC_RELEASE);
        c->next = NULL;
        TAILQ_INSERT_TAIL(&w->all, c, in_table);
    }
    *at = c;
    return old;
}

void ahead_list_free(struct change_list *l)
{
    for (struct change *c = TAILQ_FIRST(l), *next; c; c = next) {
        next = TAILQ_NEXT(c, in_table);
        free(c);
    }
    TAILQ_INIT(l);
}

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
    struct ahead *a = &r->ahead;
    uint64_t hash = hash_of(r, cf, key, key_len);
    osd_status st = OSD_OK;

    *ret_there = false;
    if (__atomic_load_n(&a->n[cf], __ATOMIC_ACQUIRE) == 0)
        return OSD_OK;
    osd_lock_short(&a->lock);
    struct change *c = *find(a->filling, hash, cf, key, key_len);
    if (!c)
        c = *find(a->draining, hash, cf, key, key_len);
    if (c) {
        *ret_there = true;
        st = value_of(c, ret);
    }
    pthread_mutex_unlock(&a->lock);
    return st;
}

/* ---- commits ---- */

osd_status ahead_note(struct txn *t, enum cf cf, const void *key, size_t key_len,
                      const void *value, size_t len, bool deleted)
{
    struct change *c = malloc(sizeof(*c) + key_len + len);

    if (!c)
        return OSD_E_NOMEM;
    *c = (struct change){.hash = hash_of(t->rdb, cf, key, key_len),
                         .cf = (uint8_t)cf,
                         .deleted = deleted,
                         .key_len = (uint16_t)key_len,
                         .len = (uint32_t)len};
    memcpy(c->bytes, key, key_len);
    memcpy(c->bytes + key_len, value, len);
    if (t->newest)
        t->newest->beside = c;
    else
        t->changes = c;
    t->newest = c;
    t->changes_len += key_len + len;
    return OSD_OK;
}

void ahead_forget(struct txn *t)
{
    for (struct change *c = t->changes, *beside; c; c = beside) {
        beside = c->beside;
        free(c);
    }
    t->changes = t->newest = NULL;
    t->changes_len = 0;
}

/* The list as a record of the journal. */
static osd_status make_record(struct txn *t)
{
    struct osd_buf *b = &t->record;
    uint8_t kind = RECORD_CHANGES, head[CHANGE_HEAD];
    osd_status st;

    b->max = SIZE_MAX;
    b->len = 0;
    st = osd_buf_put(b, &kind, 1);
    for (const struct change *c = t->changes; c && !st; c = c->beside) {
        head[0] = c->cf;
        head[1] = c->deleted;
        be16_put(head + 2, c->key_len);
        be32_put(head + 4, c->len);
        st = osd_buf_put(b, head, sizeof(head));
        if (!st)
            st = osd_buf_put(b, c->bytes, c->key_len + (size_t)c->len);
    }
    return st;
}

/* The list becomes part of the table. What is not needed any more, the list's own included, is freed
 * without the lock. */
static void enter_all(struct ahead *a, struct txn *t, uint64_t number)
{
    struct change *old = NULL, *beside;

    osd_lock_short(&a->lock);
    for (struct change *c = t->changes; c; c = beside) {
        beside = c->beside; /* the change is the table's soon */
        c->number = number;
        struct change *gone = enter(a, c);
        if (gone) {
            gone->beside = old;
            old = gone;
        }
    }
    __atomic_store_n(&a->bytes, a->bytes + t->changes_len, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&a->lock);
    t->changes = old;
    ahead_forget(t);
}

/* A list that is too long to be ahead. */
static osd_status write_list(struct txn *t)
{
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();

    for (const struct change *c = t->changes; c; c = c->beside)
        ahead_put_change(t->rdb, b, c);
    osd_status st = ahead_write(t->rdb, b);
    rocksdb_writebatch_destroy(b);
    return st;
}

osd_status ahead_commit(struct txn *t)
{
    struct rdb *r = t->rdb;
    struct ahead *a = &r->ahead;

    if (t->changes_len > LIST_MAX)
        return write_list(t);
    osd_status st = make_record(t);
    if (st)
        return st;
    struct iovec v = {t->record.data, t->record.len};
    uint32_t crc = journal_crc(&v, 1);
    spread_read(&a->gate);
    uint64_t number = journal_add(a->journal, &v, 1, crc);
    st = number ? journal_written(a->journal, number) : OSD_E_NOMEM;
    if (!st)
        enter_all(a, t, number);
    spread_read_end(&a->gate);
    if (st && number)
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    return st;
}

/* One change of a batch into the list. INVALID: it is of a kind that is not known there. */
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
