/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_sorted.c - a batch of changes beside the one that RocksDB makes of them one by one
 */
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "store/rocksdb_ahead.h"

#define CHANGES 3000u
#define ROOM    (sizeof(struct change) + 48 + 304) /* of a change; the next one is aligned */

static _Thread_local unsigned refused; /* the how manieth call from now on is; 0: none */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return refused && --refused == 0 ? NULL : __real_malloc(size);
}

static struct change *change_at(uint8_t *all, size_t i)
{
    return (struct change *)(void *)(all + i * ROOM);
}

/* By family, then by key. */
static int compare(const void *x, const void *y)
{
    const struct change *c = *(struct change *const *)x, *d = *(struct change *const *)y;
    size_t both = c->key_len < d->key_len ? c->key_len : d->key_len;

    if (c->cf != d->cf)
        return c->cf < d->cf ? -1 : 1;
    int order = memcmp(c->bytes, d->bytes, both);
    return order ? order : (c->key_len > d->key_len) - (c->key_len < d->key_len);
}

/* Keys that begin alike, for more or for fewer bytes, each of them another one: a shorter key is the
 * beginning of a longer one, zeros follow, and some differ behind what they are ordered by first. */
static void make_change(struct change *c, unsigned i, unsigned kind)
{
    *c = (struct change){.cf = (uint8_t)(CF_IDS + i % (CF_MAX - CF_IDS)),
                         .deleted = i % 7 == 0,
                         .len = i % 7 == 0 ? 0 : i * 31 % 300};
    memset(c->bytes, kind == 2 ? 0xee : 0, 48);
    switch (kind) {
    case 0: /* as objects have them */
        be64_put(c->bytes, 0x10000 + i % 3);
        be64_put(c->bytes + 8, i * 2654435761u % 100000 * CHANGES + i);
        c->key_len = 16;
        break;
    case 1: /* zeros, few or many, and one byte that may be another one */
        c->key_len = (uint16_t)(1 + i % 47);
        c->bytes[i / 47 % c->key_len] = (uint8_t)(i / 500);
        break;
    default: /* the last bytes alone */
        be32_put(c->bytes + 30, i * 2654435761u);
        c->key_len = 34;
    }
    memset(c->bytes + c->key_len, (int)i, c->len);
}

/* How many different changes there are. */
static size_t make_all(uint8_t *all, struct change **v, unsigned n, unsigned kind)
{
    size_t different = 0;

    for (unsigned i = 0; i < n; i++)
        make_change(v[i] = change_at(all, i), i, kind);
    qsort(v, n, sizeof(struct change *), compare);
    for (size_t i = 0; i < n; i++)
        if (!different || compare(&v[different - 1], &v[i]) != 0)
            v[different++] = v[i];
    return different;
}

static rocksdb_writebatch_t *one_by_one(struct rdb *r, struct change *const *v, size_t n,
                                        uint64_t number)
{
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    uint8_t field[8];

    for (size_t i = 0; i < n; i++)
        ahead_put(r, b,
                  &(struct batch_change){.cf = (enum cf)v[i]->cf,
                                         .deletes = v[i]->deleted,
                                         .key = v[i]->bytes,
                                         .value = v[i]->bytes + v[i]->key_len,
                                         .key_len = v[i]->key_len,
                                         .len = v[i]->len});
    be64_put(field, number);
    rocksdb_writebatch_put_cf(b, r->cf[CF_DEFAULT], APPLIED, strlen(APPLIED), (char *)field,
                              sizeof(field));
    return b;
}

/* Both batches of n changes have the same bytes, whatever order they were told in. */
static void check_batch(struct rdb *r, uint8_t *all, unsigned n, unsigned kind)
{
    struct change *v[CHANGES];
    struct sorted s;
    size_t len, expected_len, different = make_all(all, v, n, kind);

    rig_ok(sorted_room(&s, different));
    for (size_t i = 0; i < different; i++)
        sorted_add(&s, v[i * 1009 % different]); /* 1009: a prime, no divisor of the number */
    rocksdb_writebatch_t *b = sorted_batch(r, &s, 7 + n);
    rocksdb_writebatch_t *expected = one_by_one(r, v, different, 7 + n);
    assert_non_null(b);
    const char *data = rocksdb_writebatch_data(b, &len);
    const char *expected_data = rocksdb_writebatch_data(expected, &expected_len);
    assert_int_equal(len, expected_len);
    assert_memory_equal(data, expected_data, len);
    rocksdb_writebatch_destroy(b);
    rocksdb_writebatch_destroy(expected);
    sorted_free(&s);
}

/* Would catch: another order than the keys', by bytes that are not compared or a length, and a batch that
 * RocksDB reads otherwise than it was meant. */
static void test_store_sorted__the_batch_is_that_of_sorted_puts(void **state)
{
    struct rig *r = *state;
    static const unsigned numbers[] = {1, 2, 3, 127, 128, 129, 300, CHANGES};
    uint8_t *all = calloc(CHANGES, ROOM);

    assert_non_null(all);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        for (unsigned kind = 0; kind < 3; kind++)
            check_batch((struct rdb *)r->s, all, numbers[i], kind);
    free(all);
}

static size_t n_ahead(const struct rdb *r)
{
    size_t n = 0;

    for (unsigned i = 0; i < AHEAD_SHARDS; i++)
        n += r->ahead.shard[i].n_all;
    return n;
}

/* Would catch: keys that are lost, or a process that ends, when there is no memory to put them in order. */
static void test_store_sorted__without_memory_they_are_put_as_they_are(void **state)
{
    struct rig *r = *state;
    struct store_id partition = rig_partition(r), id[64];

    for (unsigned nth = 1; nth <= 2; nth++) { /* the list, the batch */
        for (size_t i = 0; i < 64; i++)
            id[i] = rig_object(r, partition.pid);
        refused = nth;
        osd_status st = ahead_drain((struct rdb *)r->s);
        bool asked = refused == 0;
        refused = 0;
        rig_ok(st);
        assert_true(asked);
        assert_int_equal(n_ahead((struct rdb *)r->s), 0);
        rig_reopen(r);
        for (size_t i = 0; i < 64; i++)
            assert_true(rig_exists(r, id[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_sorted__the_batch_is_that_of_sorted_puts),
        RIG_TEST(test_store_sorted__without_memory_they_are_put_as_they_are),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
