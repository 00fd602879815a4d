/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_sorted.c - changes as one batch, in their order
 *
 * In their order, by family and then by key, the database finds the place of each key near that of the
 * one before. One thread puts the keys of all who commit, so this is made for many thousands of short keys:
 * they are sorted byte by byte, by those of the first bytes in which they differ, and compared only where
 * these are the same. The batch has the bytes that RocksDB's own calls would make (rocksdb_replay.c reads
 * them).
 */
#include <stdlib.h>

#include "rocksdb_ahead.h"

#define WORDS 3u
#define FIRST (WORDS * 8u)
#define FEW   128u /* a pass over all bytes that differ would cost more */
#define SOON  4u   /* so many changes before it is put, one is fetched from memory */
#define HEAD  16u  /* of a change in a batch, at most: a tag, three numbers */

/** A change, and what it is ordered by first. */
struct placed {
    uint64_t first[WORDS]; /* the family, bytes of the key; what is not there is 0 */
    const struct change *change;
};

osd_status sorted_room(struct sorted *s, size_t most)
{
    *s = (struct sorted){.v = malloc(2 * most * sizeof(*s->v))};
    return s->v ? OSD_OK : OSD_E_NOMEM;
}

void sorted_free(struct sorted *s)
{
    free(s->v);
}

void sorted_add(struct sorted *s, const struct change *c)
{
    uint8_t first[FIRST] = {c->cf};
    struct placed *p = &s->v[s->n++];

    memcpy(first + 1, c->bytes, c->key_len < FIRST - 1 ? c->key_len : FIRST - 1);
    for (unsigned i = 0; i < WORDS; i++)
        p->first[i] = be64_get(first + 8 * (size_t)i);
    p->change = c;
    s->bytes += HEAD + c->key_len + c->len;
}

/* ---- their order ---- */

static bool same_first(const struct placed *a, const struct placed *b)
{
    return memcmp(a->first, b->first, sizeof(a->first)) == 0;
}

static int compare(const void *x, const void *y)
{
    const struct placed *a = x, *b = y;
    const struct change *c = a->change, *d = b->change;
    size_t both = c->key_len < d->key_len ? c->key_len : d->key_len;

    for (unsigned i = 0; i < WORDS; i++)
        if (a->first[i] != b->first[i])
            return a->first[i] < b->first[i] ? -1 : 1;
    int order = memcmp(c->bytes, d->bytes, both);
    return order ? order : (c->key_len > d->key_len) - (c->key_len < d->key_len);
}

static uint8_t byte_of(const struct placed *p, unsigned i)
{
    return (uint8_t)(p->first[i / 8] >> (56 - i % 8 * 8));
}

/* From one list into the other, by one byte; of two that have the same the first stays the first. */
static void by_byte(const struct placed *from, struct placed *to, size_t n, unsigned i)
{
    size_t at[256] = {0}, next = 0;

    for (size_t k = 0; k < n; k++)
        at[byte_of(&from[k], i)]++;
    for (unsigned b = 0; b < 256; b++) {
        size_t count = at[b];
        at[b] = next;
        next += count;
    }
    for (size_t k = 0; k < n; k++)
        to[at[byte_of(&from[k], i)]++] = from[k];
}

/* Bits that not all have the same. */
static struct placed differences(const struct sorted *s)
{
    struct placed d = {{0}, NULL};

    for (size_t k = 1; k < s->n; k++)
        for (unsigned i = 0; i < WORDS; i++)
            d.first[i] |= s->v[k].first[i] ^ s->v[0].first[i];
    return d;
}

/* By what they are ordered by first, from the last byte on. */
static void by_first(struct sorted *s)
{
    const struct placed differ = differences(s);
    struct placed *from = s->v, *to = s->v + s->n, *was;

    for (unsigned i = FIRST; i-- > 0;) {
        if (!byte_of(&differ, i))
            continue;
        by_byte(from, to, s->n, i);
        was = from;
        from = to;
        to = was;
    }
    if (from != s->v)
        memcpy(s->v, from, s->n * sizeof(*from));
}

static void put_in_order(struct sorted *s)
{
    if (s->n < FEW) {
        qsort(s->v, s->n, sizeof(*s->v), compare);
        return;
    }
    by_first(s);
    for (size_t from = 0, to; from < s->n; from = to) {
        for (to = from + 1; to < s->n && same_first(&s->v[from], &s->v[to]);)
            to++;
        if (to - from > 1)
            qsort(s->v + from, to - from, sizeof(*s->v), compare);
    }
}

/* ---- the batch ---- */

/* Seven bits in each byte, the lowest ones first. */
static uint8_t *put_number(uint8_t *p, uint32_t n)
{
    for (; n >= 128; n >>= 7)
        *p++ = (uint8_t)(n | 128);
    *p++ = (uint8_t)n;
    return p;
}

static uint8_t *put_bytes(uint8_t *p, const void *from, uint32_t len)
{
    p = put_number(p, len);
    memcpy(p, from, len);
    return p + len;
}

static uint8_t *put_change(uint8_t *p, const struct change *c, uint32_t family)
{
    *p++ = c->deleted ? BATCH_FAMILY_DELETION : BATCH_FAMILY_VALUE;
    p = put_number(p, family);
    p = put_bytes(p, c->bytes, c->key_len);
    return c->deleted ? p : put_bytes(p, c->bytes + c->key_len, c->len);
}

static uint8_t *put_applied(uint8_t *p, uint64_t number)
{
    uint8_t field[8];

    be64_put(field, number);
    *p++ = BATCH_VALUE;
    p = put_bytes(p, APPLIED, (uint32_t)strlen(APPLIED));
    return put_bytes(p, field, sizeof(field));
}

/* The batch, and how long it is. */
static size_t lay_out(const struct rdb *r, const struct sorted *s, uint64_t number,
                      uint8_t *data)
{
    uint32_t family[CF_MAX], count = htole32((uint32_t)s->n + 1);
    uint8_t *p = data + BATCH_HEAD;

    for (int i = 0; i < CF_MAX; i++)
        family[i] = rocksdb_column_family_handle_get_id(r->cf[i]);
    for (size_t i = 0; i < s->n; i++) {
        if (i + SOON < s->n)
            __builtin_prefetch(s->v[i + SOON].change);
        p = put_change(p, s->v[i].change, family[s->v[i].change->cf]);
    }
    p = put_applied(p, number);
    memset(data, 0, BATCH_HEAD);
    memcpy(data + 8, &count, sizeof(count));
    return (size_t)(p - data);
}

rocksdb_writebatch_t *sorted_batch(const struct rdb *r, struct sorted *s, uint64_t number)
{
    uint8_t *data = malloc(BATCH_HEAD + s->bytes + HEAD + strlen(APPLIED) + sizeof(number));

    if (!data)
        return NULL;
    put_in_order(s);
    size_t len = lay_out(r, s, number, data);
    rocksdb_writebatch_t *b = rocksdb_writebatch_create_from((const char *)data, len);
    free(data);
    return b;
}
