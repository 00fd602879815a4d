/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_outcome.c - outcomes of commands: in memory, in a commit, in the database
 *
 * The last STORE_RECORDS are in a ring in memory, which answers who asks; the place of one is its sequence
 * number modulo that. A commit has its outcome as one more change in its record of the journal, under the
 * key of its slot. It is not ahead like other keys (rocksdb_ahead.c): the ring has it. Draining puts those
 * of a page of the ring under one key, which costs a small part of a key for each; where there are
 * few, and in large commits, which go to the database by themselves, it is the key of the slot as well.
 * Invariants:
 *  (1) The index names exactly the filled slots; of two with one nonce, the later one.
 *  (2) A slot holds the outcome with the greatest sequence number of those for it. So it is when
 *      they are loaded: which key has it, and whether another has an older one, does not matter.
 *  (3) Whoever turns the tables finds in the ring the outcomes of all records up to that number
 *      (invariant (5) there). Those after it do not get into the database with it: after a loss of power
 *      nothing else of their commands might be there.
 *  (4) A page with an outcome that is not in the database is in record_pages.
 */
#include "common/hash.h"
#include "common/thread.h"
#include "rocksdb_ahead.h"

#define INDEX_SIZE (STORE_RECORDS * 2u)
#define VALUE_HEAD (8u + STORE_NONCE_LEN) /* sequence number, nonce */
#define VALUE_MAX  (VALUE_HEAD + STORE_OUTCOME_MAX)
#define PAGE_MAX   (OUTCOME_PAGE * (1u + VALUE_MAX)) /* of each, how long it is comes first */
#define PAGE_FEW                                                                               \
    4u /* fewer get keys of their own: what is in the page already is not put again */

/* ---- in memory ---- */

static size_t nonce_hash(const struct rdb *r, const uint8_t *nonce)
{
    return osd_hash(r->seed, be64_get(nonce), be32_get(nonce + 8)) % INDEX_SIZE;
}

/* Place of a nonce in the index, or the empty place where it would go. */
static size_t index_find(const struct rdb *r, const uint8_t *nonce)
{
    size_t i = nonce_hash(r, nonce);

    while (r->record_index[i] &&
           memcmp(r->records[r->record_index[i] - 1].nonce, nonce, STORE_NONCE_LEN) != 0)
        i = (i + 1) % INDEX_SIZE;
    return i;
}

/* Open addressing without tombstones: move later entries of the cluster back. */
static void index_drop(struct rdb *r, size_t hole)
{
    size_t i = hole;

    r->record_index[hole] = 0;
    for (;;) {
        i = (i + 1) % INDEX_SIZE;
        if (!r->record_index[i])
            return;
        size_t home = nonce_hash(r, r->records[r->record_index[i] - 1].nonce);
        bool stays = hole < i ? home > hole && home <= i : home > hole || home <= i;
        if (stays)
            continue;
        r->record_index[hole] = r->record_index[i];
        r->record_index[i] = 0;
        hole = i;
    }
}

/* A store without outcomes needs no memory for them. With the first one comes all of it: otherwise one
 * in thirty would wait for a page. Under record_lock. */
static void use_records(struct rdb *r)
{
    if (r->records_used)
        return;
    memset(r->records, 0, STORE_RECORDS * sizeof(*r->records)); /* as they are */
    memset(r->record_index, 0, INDEX_SIZE * sizeof(*r->record_index));
    r->records_used = true;
}

/* Under record_lock. */
static void page_changed(struct rdb *r, uint32_t page)
{
    uint64_t bit = 1ULL << page % 64;

    if (r->record_pages[page / 64] & bit)
        return;
    r->record_pages[page / 64] |= bit;
    __atomic_store_n(&r->n_record_pages, r->n_record_pages + 1, __ATOMIC_RELEASE);
}

void record_remember(struct rdb *r, const struct outcome *o)
{
    uint32_t slot = (uint32_t)(o->seq % STORE_RECORDS);
    struct outcome *old = &r->records[slot];

    osd_lock_short(&r->record_lock);
    use_records(r);
    if (old->seq < o->seq) {
        if (old->seq) {
            size_t at = index_find(r, old->nonce);
            if (r->record_index[at] == slot + 1)
                index_drop(r, at);
        }
        *old = *o;
        size_t at = index_find(r, o->nonce);
        uint32_t known = r->record_index[at];
        if (!known || r->records[known - 1].seq < o->seq)
            r->record_index[at] = slot + 1;
        if (o->number)
            page_changed(r, slot / OUTCOME_PAGE);
    }
    pthread_mutex_unlock(&r->record_lock);
}

osd_status rdb_record(struct store_txn *base, const uint8_t nonce[STORE_NONCE_LEN],
                      const void *outcome, size_t len)
{
    struct txn *t = (struct txn *)base;

    if (len > STORE_OUTCOME_MAX || t->outcome.seq)
        return txn_noted(base, OSD_E_INVALID);
    t->outcome = (struct outcome){.len = (uint8_t)len};
    t->outcome.seq = __atomic_add_fetch(&t->rdb->record_seq, 1, __ATOMIC_RELAXED);
    memcpy(t->outcome.nonce, nonce, STORE_NONCE_LEN);
    memcpy(t->outcome.data, outcome, len);
    t->changed = true;
    return OSD_OK;
}

osd_status rdb_recall(struct osd_store *s, const uint8_t nonce[STORE_NONCE_LEN],
                      void *ret_outcome, size_t *ret_len)
{
    struct rdb *r = (struct rdb *)s;
    osd_status st = OSD_E_NOT_FOUND;

    pthread_mutex_lock(&r->record_lock);
    uint32_t slot = r->record_index[index_find(r, nonce)];
    if (slot) {
        const struct outcome *o = &r->records[slot - 1];
        memcpy(ret_outcome, o->data, o->len);
        *ret_len = o->len;
        st = OSD_OK;
    }
    pthread_mutex_unlock(&r->record_lock);
    return st;
}

/* ---- in a commit and in the database ---- */

/* The value of a slot's key. Returns its length. */
static size_t value_encode(const struct outcome *o, uint8_t dst[VALUE_MAX])
{
    be64_put(dst, o->seq);
    memcpy(dst + 8, o->nonce, STORE_NONCE_LEN);
    memcpy(dst + VALUE_HEAD, o->data, o->len);
    return VALUE_HEAD + o->len;
}

static bool value_decode(const uint8_t *v, size_t len, struct outcome *ret)
{
    if (len < VALUE_HEAD || len > VALUE_MAX)
        return false;
    *ret = (struct outcome){.seq = be64_get(v), .len = (uint8_t)(len - VALUE_HEAD)};
    memcpy(ret->nonce, v + 8, STORE_NONCE_LEN);
    memcpy(ret->data, v + VALUE_HEAD, ret->len);
    return true;
}

void record_put(struct txn *t)
{
    uint8_t key[RECORD_KEY_LEN], value[VALUE_MAX];

    be32_put(key, (uint32_t)(t->outcome.seq % STORE_RECORDS));
    txn_put(t, CF_RECORDS, key, sizeof(key), value, value_encode(&t->outcome, value));
}

bool outcomes_decode(const uint8_t *key, const uint8_t *v, size_t len,
                     void (*visit)(void *arg, const struct outcome *o), void *arg)
{
    struct outcome o;

    if (be32_get(key) < STORE_RECORDS) {
        if (!value_decode(v, len, &o))
            return false;
        visit(arg, &o);
        return true;
    }
    for (size_t at = 0; at < len; at += 1 + v[at]) {
        if (v[at] > len - at - 1 || !value_decode(v + at + 1, v[at], &o))
            return false;
        visit(arg, &o);
    }
    return true;
}

/** Of which records outcomes are to be put: those after `after` are not in the database. */
struct span {
    uint64_t after, upto;
};

static bool is_new(const struct outcome *o, const struct span *s)
{
    return o->number > s->after && o->number <= s->upto;
}

/* The outcomes of a page up to s->upto, or of these the new ones alone if they are few. The page is as
 * it is in the database then, unless it has later ones. Returns the length. Under record_lock. */
static size_t page_encode(struct rdb *r, uint32_t page, const struct span *s, uint8_t *dst,
                          bool *ret_few)
{
    const struct outcome *first = &r->records[page * OUTCOME_PAGE];
    unsigned n_new = 0, n_later = 0;
    uint8_t *at = dst;

    for (const struct outcome *o = first; o < first + OUTCOME_PAGE; o++) {
        n_new += is_new(o, s);
        n_later += o->number > s->upto;
    }
    *ret_few = n_new < PAGE_FEW;
    for (const struct outcome *o = first; n_new > 0 && o < first + OUTCOME_PAGE; o++)
        if (o->seq && (*ret_few ? is_new(o, s) : o->number <= s->upto)) {
            *at = (uint8_t)value_encode(o, at + 1);
            at += 1 + *at;
        }
    if (n_later == 0) {
        r->record_pages[page / 64] &= ~(1ULL << page % 64);
        __atomic_store_n(&r->n_record_pages, r->n_record_pages - 1, __ATOMIC_RELEASE);
    }
    return (size_t)(at - dst);
}

static void put_key(struct rdb *r, rocksdb_writebatch_t *b, uint32_t number,
                    const uint8_t *value, size_t len)
{
    uint8_t key[RECORD_KEY_LEN];

    be32_put(key, number);
    rocksdb_writebatch_put_cf(b, r->cf[CF_RECORDS], (char *)key, sizeof(key),
                              (const char *)value, len);
}

static void put_page(struct rdb *r, rocksdb_writebatch_t *b, uint32_t page,
                     const struct span *s)
{
    uint8_t value[PAGE_MAX];
    bool few;

    pthread_mutex_lock(&r->record_lock);
    size_t len = page_encode(r, page, s, value, &few);
    pthread_mutex_unlock(&r->record_lock);
    if (!few)
        put_key(r, b, STORE_RECORDS + page, value, len);
    for (size_t at = 0; few && at < len; at += 1 + value[at])
        put_key(r, b, (uint32_t)(be64_get(value + at + 1) % STORE_RECORDS), value + at + 1,
                value[at]);
}

bool outcomes_wait(const struct rdb *r)
{
    return __atomic_load_n(&r->n_record_pages, __ATOMIC_ACQUIRE) > 0;
}

void outcomes_put(struct rdb *r, rocksdb_writebatch_t *b, uint64_t after, uint64_t upto)
{
    const struct span s = {after, upto};
    uint64_t pages;

    for (uint32_t i = 0; i < OUTCOME_PAGES / 64; i++) {
        pthread_mutex_lock(&r->record_lock);
        pages = r->record_pages[i];
        pthread_mutex_unlock(&r->record_lock);
        for (; pages; pages &= pages - 1)
            put_page(r, b, i * 64 + (uint32_t)__builtin_ctzll(pages), &s);
    }
}

static void load(void *arg, const struct outcome *o)
{
    struct rdb *r = arg;

    if (o->seq > r->record_seq)
        r->record_seq = o->seq;
    record_remember(r, o);
}

osd_status records_load(struct rdb *r)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, r->ro_all, r->cf[CF_RECORDS]);
    osd_status st = OSD_OK;

    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it) && !st; rocksdb_iter_next(it)) {
        size_t klen, len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &klen);
        const uint8_t *v = (const uint8_t *)rocksdb_iter_value(it, &len);

        if (klen != RECORD_KEY_LEN || !outcomes_decode(k, v, len, load, r))
            st = OSD_E_CORRUPT;
    }
    return rdb_iterated(r, it, st);
}
