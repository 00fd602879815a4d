/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_ahead.c - what is committed and not yet in the database
 *
 * A put into RocksDB costs more than all else a small command does. So what a command changes goes
 * into a journal (journal.h) and into a table in memory, from where a thread brings it into the
 * database, many commands and one key of several at a time. Large changes, and those that delete
 * ranges, go there at once, behind what is ahead, and through the journal as well.
 * Invariants:
 *  (1) What was committed is in the journal, in the order of the commits, until the database has it
 *      durably. The database holds what some number of records make it, and that number (APPLIED),
 *      in the same write: opening takes over the records after it.
 *  (2) Whoever looks a key up asks the tables first: `filling`, then `draining`. Whoever iterates
 *      has them drained (rdb_iterate()).
 *  (3) A key leaves `draining` when it is in the database, and not before.
 *  (4) When the database refuses what is ahead, the store has failed; keys that are ahead are found,
 *      iterators fail.
 * Locks: drain_lock, lock, those of the journal.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/thread.h"
#include "rocksdb_internal.h"

#define MANY_KEYS  1024u /* from when on the thread drains ... */
#define MANY_BYTES MIB
#define TOO_MANY   8u /* ... and, times as many, whoever commits */
#define LIST_MAX   (32 * KIB)

#define LOOK_AGAIN_MS 10u /* whether others drain on, as they should */

enum record_kind { RECORD_CHANGES = 1, RECORD_BATCH };

#define CHANGE_HEAD                                                                            \
    8u /* family, deleted (8 bits each), length of the key (16), of the value (32) */

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

static void count(struct ahead *a, const struct change *c, size_t by)
{
    __atomic_add_fetch(&a->n[c->cf], by, __ATOMIC_RELEASE);
    __atomic_add_fetch(&a->n_all, by, __ATOMIC_RELEASE);
}

/* Take the change at *at out of its table. */
static struct change *take(struct ahead *a, struct change_table *w, struct change **at)
{
    struct change *c = *at;

    *at = c->next;
    TAILQ_REMOVE(&w->all, c, in_table);
    count(a, c, (size_t)-1);
    return c;
}

/* Into the table, in place of an earlier one, which is returned. Who looks at the counts without the
 * lock finds the key counted all the time: otherwise it would miss what was committed before. */
static struct change *enter(struct ahead *a, struct change *c)
{
    struct change_table *w = a->filling;
    struct change **at = find(w, c->hash, (enum cf)c->cf, c->bytes, c->key_len);

    count(a, c, 1);
    struct change *old = *at ? take(a, w, at) : NULL;
    c->next = *at;
    *at = c;
    TAILQ_INSERT_TAIL(&w->all, c, in_table);
    return old;
}

/* Take a change out of the table if it is there. */
static void leave(struct ahead *a, struct change_table *w, struct change *c)
{
    struct change **at = find(w, c->hash, (enum cf)c->cf, c->bytes, c->key_len);

    if (*at == c)
        take(a, w, at);
}

static void list_free(struct change_list *l)
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

/* ---- into the database ---- */

static void put_applied(struct rdb *r, rocksdb_writebatch_t *b, uint64_t number)
{
    uint8_t field[8];

    be64_put(field, number);
    rocksdb_writebatch_put_cf(b, r->cf[CF_DEFAULT], APPLIED, strlen(APPLIED), (char *)field,
                              sizeof(field));
}

static void put_change(struct rdb *r, rocksdb_writebatch_t *b, const struct change *c)
{
    const char *key = (const char *)c->bytes;

    if (c->deleted)
        rocksdb_writebatch_delete_cf(b, r->cf[c->cf], key, c->key_len);
    else
        rocksdb_writebatch_put_cf(b, r->cf[c->cf], key, c->key_len, key + c->key_len, c->len);
}

/* A batch that makes the database what the records up to this number make it. */
static osd_status apply(struct rdb *r, rocksdb_writebatch_t *b, uint64_t number)
{
    char *err = NULL;

    put_applied(r, b, number);
    rocksdb_write(r->db, r->wo, b, &err);
    if (!err) {
        r->ahead.applied = number;
        return OSD_OK;
    }
    __atomic_store_n(&r->ahead.stuck, true, __ATOMIC_RELAXED);
    __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    return rdb_error(r, err);
}

/* What is filled from now on comes later than what is drained. Under both locks. */
static void turn(struct ahead *a)
{
    struct change_table *w = a->draining;

    a->draining = a->filling;
    a->filling = w;
    __atomic_store_n(&a->bytes, 0, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&a->room);
}

/* `draining` is in the database: empty it. Readers wait no longer than for the table itself. */
static void drained(struct ahead *a, const size_t n[CF_MAX])
{
    struct change_table *w = a->draining;
    struct change_list gone = TAILQ_HEAD_INITIALIZER(gone);

    osd_lock_short(&a->lock);
    TAILQ_CONCAT(&gone, &w->all, in_table);
    memset(w->bucket, 0, sizeof(w->bucket));
    for (int i = 0; i < CF_MAX; i++) {
        __atomic_sub_fetch(&a->n[i], n[i], __ATOMIC_RELEASE);
        __atomic_sub_fetch(&a->n_all, n[i], __ATOMIC_RELEASE);
    }
    pthread_cond_broadcast(&a->room);
    pthread_mutex_unlock(&a->lock);
    list_free(&gone);
}

/* Bring what is in `draining` into the database, which then has the records up to this number. The
 * journal has them first. */
static osd_status drain(struct rdb *r, uint64_t number)
{
    struct ahead *a = &r->ahead;
    const struct change *c;
    rocksdb_writebatch_t *b;
    size_t n[CF_MAX] = {0};

    if (journal_write(a->journal, number) != OSD_OK) {
        __atomic_store_n(&a->stuck, true, __ATOMIC_RELAXED);
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        return OSD_E_IO;
    }
    if (TAILQ_EMPTY(&a->draining->all))
        return OSD_OK;
    b = rocksdb_writebatch_create();
    TAILQ_FOREACH(c, &a->draining->all, in_table)
    {
        put_change(r, b, c);
        n[c->cf]++;
    }
    osd_status st = apply(r, b, number);
    rocksdb_writebatch_destroy(b);
    if (!st)
        drained(a, n);
    return st;
}

/* Under drain_lock. */
static osd_status drain_all(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    if (__atomic_load_n(&a->stuck, __ATOMIC_RELAXED))
        return OSD_E_IO;
    osd_lock_short(&a->lock);
    turn(a);
    uint64_t number = journal_last(a->journal);
    pthread_mutex_unlock(&a->lock);
    return drain(r, number);
}

osd_status ahead_drain(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    if (__atomic_load_n(&a->n_all, __ATOMIC_ACQUIRE) == 0)
        return OSD_OK;
    pthread_mutex_lock(&a->drain_lock);
    osd_status st = drain_all(r);
    pthread_mutex_unlock(&a->drain_lock);
    return st;
}

osd_status ahead_drain_family(struct rdb *r, enum cf cf)
{
    return __atomic_load_n(&r->ahead.n[cf], __ATOMIC_ACQUIRE) > 0 ? ahead_drain(r) : OSD_OK;
}

rocksdb_iterator_t *rdb_iterate(struct rdb *r, rocksdb_readoptions_t *ro, enum cf cf)
{
    ahead_drain_family(r, cf); /* rdb_iterated() tells when that failed */
    return rocksdb_create_iterator_cf(r->db, ro, r->cf[cf]);
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

/* The list becomes part of the table. Returns what it takes the place of, the list's own included.
 * Under the lock. */
static struct change *enter_all(struct ahead *a, const struct txn *t, uint64_t number)
{
    struct change *old = NULL;

    for (struct change *c = t->changes; c; c = c->beside) {
        c->number = number;
        struct change *gone = enter(a, c);
        if (gone) {
            gone->next = old;
            old = gone;
        }
    }
    __atomic_add_fetch(&a->bytes, t->changes_len, __ATOMIC_RELAXED);
    return old;
}

/* The record could not be written: nothing is drained any more, and the tables are as before it. */
static void undo(struct ahead *a, struct txn *t, struct change *old, uint64_t number)
{
    pthread_mutex_lock(&a->lock);
    for (struct change *c = t->changes; c; c = c->beside) {
        leave(a, a->filling, c);
        leave(a, a->draining, c);
    }
    for (struct change *next; old; old = next) {
        next = old->next;
        if (old->number != number)
            enter(a, old);
    }
    pthread_mutex_unlock(&a->lock);
    ahead_forget(t);
}

/* The list is the tables' now. */
static void entered(struct txn *t, struct change *old)
{
    for (struct change *next; old; old = next) {
        next = old->next;
        free(old);
    }
    t->changes = t->newest = NULL;
    t->changes_len = 0;
}

/* A list that is too long to be ahead. */
static osd_status write_list(struct txn *t)
{
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();

    for (const struct change *c = t->changes; c; c = c->beside)
        put_change(t->rdb, b, c);
    osd_status st = ahead_write(t->rdb, b);
    rocksdb_writebatch_destroy(b);
    return st;
}

osd_status ahead_commit(struct txn *t, bool later)
{
    struct rdb *r = t->rdb;
    struct ahead *a = &r->ahead;
    struct change *old = NULL;

    if (t->changes_len > LIST_MAX)
        return write_list(t);
    osd_status st = make_record(t);
    if (st)
        return st;
    struct iovec v = {t->record.data, t->record.len};
    uint32_t crc = journal_crc(&v, 1);
    osd_lock_short(&a->lock);
    uint64_t number = journal_add(a->journal, &v, 1, crc);
    if (number)
        old = enter_all(a, t, number);
    pthread_mutex_unlock(&a->lock);
    if (!number)
        return OSD_E_NOMEM;
    st = later ? OSD_OK : journal_write(a->journal, number);
    if (st) {
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
        undo(a, t, old, number);
    } else {
        entered(t, old);
    }
    return st;
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
        osd_lock_short(&a->lock);
        number = journal_add(a->journal, v, 2, crc);
        if (number)
            turn(a);
        pthread_mutex_unlock(&a->lock);
        st = number ? drain(r, number - 1) : OSD_E_NOMEM;
    }
    if (!st)
        st = journal_write(a->journal, number);
    if (!st)
        st = apply(r, b, number);
    if (st && number) {
        __atomic_store_n(&a->stuck, true, __ATOMIC_RELAXED);
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&a->drain_lock);
    return st;
}

/** Where a RocksDB batch is read. */
struct batch_at {
    const uint8_t *p, *end;
};

/* A number of up to 32 bits, seven of them in each byte, the lowest ones first. */
static bool batch_number(struct batch_at *b, uint32_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 32 && b->p < b->end; shift += 7) {
        uint8_t byte = *b->p++;
        *ret |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool batch_bytes(struct batch_at *b, const uint8_t **ret, uint32_t *ret_len)
{
    if (!batch_number(b, ret_len) || *ret_len > (size_t)(b->end - b->p))
        return false;
    *ret = b->p;
    b->p += *ret_len;
    return true;
}

static enum cf family_of(const struct rdb *r, uint32_t id)
{
    int cf = 0;

    while (cf < CF_MAX && rocksdb_column_family_handle_get_id(r->cf[cf]) != id)
        cf++;
    return (enum cf)cf;
}

/** A change of a batch. */
struct batch_change {
    enum cf cf;
    bool deletes, range;        /* range: the value is the key where it ends */
    const uint8_t *key, *value; /* in the batch */
    uint32_t key_len, len;
};

/* The next change of a batch that has not ended; false: there is none of a kind that is known. */
static bool batch_next(const struct rdb *r, struct batch_at *b, struct batch_change *ret)
{
    enum { DELETION = 0, VALUE = 1, FAMILY_DELETION = 4, FAMILY_VALUE = 5 };
    enum { FAMILY_RANGE = 14, RANGE = 15 };
    uint32_t family = 0;
    uint8_t tag = *b->p++;

    *ret = (struct batch_change){.deletes = tag == DELETION || tag == FAMILY_DELETION,
                                 .range = tag == RANGE || tag == FAMILY_RANGE};
    if (!ret->deletes && !ret->range && tag != VALUE && tag != FAMILY_VALUE)
        return false;
    if ((tag == FAMILY_DELETION || tag == FAMILY_VALUE || tag == FAMILY_RANGE) &&
        !batch_number(b, &family))
        return false;
    ret->cf = family_of(r, family);
    ret->value = b->p;
    return ret->cf != CF_MAX && batch_bytes(b, &ret->key, &ret->key_len) &&
           (ret->deletes || batch_bytes(b, &ret->value, &ret->len));
}

/* One change of a batch into the list. INVALID: it is of a kind that is not known there. */
static osd_status note_from(struct txn *t, struct batch_at *b)
{
    struct batch_change c;

    return !batch_next(t->rdb, b, &c) || c.range
               ? OSD_E_INVALID
               : ahead_note(t, c.cf, c.key, c.key_len, c.value, c.len, c.deletes);
}

osd_status ahead_write_batch(struct txn *t, const char *data, size_t len, bool later)
{
    struct batch_at at = {(const uint8_t *)data + BATCH_HEAD, (const uint8_t *)data + len};
    osd_status st = len > LIST_MAX ? OSD_E_INVALID : OSD_OK;

    while (!st && at.p < at.end)
        st = note_from(t, &at);
    if (!st)
        return ahead_commit(t, later);
    if (st != OSD_E_INVALID)
        return st;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create_from(data, len);
    st = ahead_write(t->rdb, b);
    rocksdb_writebatch_destroy(b);
    return st;
}

osd_status ahead_publish(struct rdb *r)
{
    osd_status st = journal_write(r->ahead.journal, journal_last(r->ahead.journal));

    if (st)
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
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
    osd_status st = OSD_OK;

    if (rdb_failed(r))
        return st;
    st = ahead_drain(r);
    if (!st && journal_crowded(r->ahead.journal))
        st = release(r);
    return st;
}

static void *ahead_main(void *arg)
{
    struct rdb *r = arg;
    struct ahead *a = &r->ahead;

    pthread_mutex_lock(&a->bell_lock);
    while (!a->stop) {
        if (!a->rung) {
            pthread_cond_wait(&a->bell, &a->bell_lock);
            continue;
        }
        a->rung = false;
        pthread_mutex_unlock(&a->bell_lock);
        osd_status st = keep_up(r);
        if (st)
            osd_log(OSD_LOG_ERROR, "store %s: %s", r->path, osd_status_text(st));
        pthread_mutex_lock(&a->bell_lock);
    }
    pthread_mutex_unlock(&a->bell_lock);
    return NULL;
}

/* Returns whether there is somebody who heard it. */
static bool ring(struct ahead *a)
{
    if (!a->running)
        return false;
    pthread_mutex_lock(&a->bell_lock);
    if (!a->rung)
        pthread_cond_signal(&a->bell);
    a->rung = true;
    pthread_mutex_unlock(&a->bell_lock);
    return true;
}

/* Whether so many times as much is ahead as the thread is woken for. */
static bool much(const struct ahead *a, size_t times)
{
    return __atomic_load_n(&a->n_all, __ATOMIC_RELAXED) >= times * MANY_KEYS ||
           __atomic_load_n(&a->bytes, __ATOMIC_RELAXED) >= times * MANY_BYTES;
}

/* Until less is ahead. Whoever finds nobody draining does it: the thread may be at its syncs. Those
 * that wait are not in line for drain_lock, where others would overtake them. */
static void make_room(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    while (much(a, TOO_MANY) && !__atomic_load_n(&a->stuck, __ATOMIC_RELAXED)) {
        if (pthread_mutex_trylock(&a->drain_lock) == 0) {
            drain_all(r); /* a failure is that of the next commit */
            pthread_mutex_unlock(&a->drain_lock);
            return;
        }
        pthread_mutex_lock(&a->lock);
        if (much(a, TOO_MANY))
            osd_cond_wait_until(&a->room, &a->lock, osd_monotonic_ms() + LOOK_AGAIN_MS);
        pthread_mutex_unlock(&a->lock);
    }
}

void ahead_pass(struct rdb *r)
{
    struct ahead *a = &r->ahead;

    if (!much(a, 1) && !journal_crowded(a->journal))
        return;
    if (ring(a))
        make_room(r);
    else
        keep_up(r); /* a failure is that of the next commit */
}

/* ---- opening and closing ---- */

/* Whether the database takes such a key: shorter than its family's prefix it would abort. */
static bool key_fits(enum cf cf, size_t len)
{
    static const uint8_t least[CF_MAX] = {
        [CF_OBJECTS] = OBJECT_KEY_LEN, [CF_ATTRS] = OBJECT_KEY_LEN,
        [CF_EXTENTS] = OBJECT_KEY_LEN, [CF_RECORDS] = RECORD_KEY_LEN,
        [CF_MEMBERS] = OBJECT_KEY_LEN,
    };

    return len >= least[cf];
}

static bool in_order(const struct batch_change *c)
{
    size_t both = c->key_len < c->len ? c->key_len : c->len;
    int order = memcmp(c->key, c->value, both);

    return order < 0 || (order == 0 && c->key_len <= c->len);
}

/* Whether the database takes all of a batch: what it finds wrong in one it has in its log already,
 * and in part in its tables. */
static bool batch_whole(const struct rdb *r, const uint8_t *p, size_t len)
{
    struct batch_at at = {p + BATCH_HEAD, p + len};
    struct batch_change c;
    uint32_t n = 0;

    if (len < BATCH_HEAD)
        return false;
    for (; at.p < at.end; n++)
        if (!batch_next(r, &at, &c) || !(c.range ? in_order(&c) : key_fits(c.cf, c.key_len)))
            return false;
    return n == batch_count(p);
}

/* One change at *at of a record of len bytes, which becomes the place behind it. */
static bool change_next(const uint8_t *p, size_t len, size_t *at, struct batch_change *ret)
{
    if (len - *at < CHANGE_HEAD)
        return false;
    const uint8_t *head = p + *at;
    *ret = (struct batch_change){.cf = (enum cf)head[0],
                                 .deletes = head[1],
                                 .key = head + CHANGE_HEAD,
                                 .key_len = be16_get(head + 2),
                                 .len = be32_get(head + 4)};
    *at += CHANGE_HEAD;
    if (head[0] >= CF_MAX || head[1] > 1 || (ret->deletes && ret->len > 0) ||
        ret->key_len > len - *at || ret->len > len - *at - ret->key_len ||
        !key_fits(ret->cf, ret->key_len))
        return false;
    ret->value = ret->key + ret->key_len;
    *at += (size_t)ret->key_len + ret->len;
    return true;
}

static osd_status replay_change(struct rdb *r, rocksdb_writebatch_t *b, const uint8_t *p,
                                size_t len, size_t *at)
{
    struct batch_change c;

    if (!change_next(p, len, at, &c))
        return OSD_E_CORRUPT;
    if (c.deletes)
        rocksdb_writebatch_delete_cf(b, r->cf[c.cf], (const char *)c.key, c.key_len);
    else
        rocksdb_writebatch_put_cf(b, r->cf[c.cf], (const char *)c.key, c.key_len,
                                  (const char *)c.value, c.len);
    return OSD_OK;
}

osd_status ahead_decode(struct rdb *r, const void *data, size_t len, rocksdb_writebatch_t **ret)
{
    const uint8_t *p = data;
    osd_status st = OSD_OK;

    if (len < 1 || (p[0] != RECORD_CHANGES && p[0] != RECORD_BATCH))
        return OSD_E_CORRUPT;
    if (p[0] == RECORD_BATCH) {
        if (!batch_whole(r, p + 1, len - 1))
            return OSD_E_CORRUPT;
        *ret = rocksdb_writebatch_create_from((const char *)p + 1, len - 1);
        return OSD_OK;
    }
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    for (size_t at = 1; at < len && !st;)
        st = replay_change(r, b, p, len, &at);
    if (st)
        rocksdb_writebatch_destroy(b);
    else
        *ret = b;
    return st;
}

void ahead_each(struct rdb *r, const void *data, size_t len,
                void (*visit)(void *arg, enum cf cf, const uint8_t *key, size_t len), void *arg)
{
    const uint8_t *p = data;
    struct batch_change c;

    if (len > BATCH_HEAD && p[0] == RECORD_BATCH) {
        struct batch_at at = {p + 1 + BATCH_HEAD, p + len};
        while (at.p < at.end && batch_next(r, &at, &c))
            visit(arg, c.cf, c.key, c.key_len);
    }
    for (size_t at = 1; len > 0 && p[0] == RECORD_CHANGES && at < len;) {
        if (!change_next(p, len, &at, &c))
            return;
        visit(arg, c.cf, c.key, c.key_len);
    }
}

static osd_status replay_record(void *arg, uint64_t number, const void *data, size_t len)
{
    struct rdb *r = arg;
    rocksdb_writebatch_t *b;
    osd_status st = ahead_decode(r, data, len, &b);

    if (st == OSD_E_CORRUPT)
        osd_log(OSD_LOG_ERROR, "store %s: record %llu of its journal makes no sense", r->path,
                (unsigned long long)number);
    if (st)
        return st;
    st = apply(r, b, number);
    rocksdb_writebatch_destroy(b);
    return st;
}

static osd_status get_applied(struct rdb *r, uint64_t *ret)
{
    char *err = NULL;
    size_t len;
    char *v =
        rocksdb_get_cf(r->db, r->ro, r->cf[CF_DEFAULT], APPLIED, strlen(APPLIED), &len, &err);
    osd_status st = err ? rdb_error(r, err) : v && len != 8 ? OSD_E_CORRUPT : OSD_OK;

    *ret = v && !st ? be64_get((const uint8_t *)v) : 0;
    rocksdb_free(v);
    return st;
}

static osd_status replay(struct rdb *r, journal_visit visit, uint64_t *ret_last)
{
    _cleanup_free_ char *dir = NULL;
    uint64_t applied;
    osd_status st = get_applied(r, &applied);

    if (st)
        return st;
    return asprintf(&dir, "%s/journal", r->path) < 0
               ? OSD_E_NOMEM
               : journal_replay(dir, applied, visit, r, ret_last);
}

/* Take over what is left in the journal, durably. */
static osd_status finish(struct rdb *r)
{
    char *err = NULL;
    osd_status st = replay(r, replay_record, &r->ahead.applied);

    if (st)
        return st;
    rocksdb_flush_wal(r->db, 1, &err);
    return err ? rdb_error(r, err) : OSD_OK;
}

static osd_status stop_at_one(void *arg, uint64_t number, const void *data, size_t len)
{
    (void)arg;
    (void)number;
    (void)data;
    (void)len;
    return OSD_E_INTERRUPTED;
}

osd_status ahead_left(struct rdb *r, bool *ret)
{
    uint64_t last;
    osd_status st = replay(r, stop_at_one, &last);

    *ret = st == OSD_E_INTERRUPTED;
    return *ret ? OSD_OK : st;
}

osd_status ahead_open(struct rdb *r)
{
    _cleanup_free_ char *dir = NULL;
    struct ahead *a = &r->ahead;
    osd_status st = finish(r);

    if (st)
        return st;
    if (asprintf(&dir, "%s/journal", r->path) < 0)
        return OSD_E_NOMEM;
    a->filling = calloc(1, sizeof(*a->filling));
    a->draining = calloc(1, sizeof(*a->draining));
    if (!a->filling || !a->draining)
        return OSD_E_NOMEM;
    TAILQ_INIT(&a->filling->all);
    TAILQ_INIT(&a->draining->all);
    return journal_open(dir, a->applied, r->cfg.journal, &a->journal);
}

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
    if (a->filling && a->draining) {
        list_free(&a->filling->all);
        list_free(&a->draining->all);
    }
    free(a->filling);
    free(a->draining);
}
