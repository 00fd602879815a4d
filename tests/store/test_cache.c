/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_cache.c - the cache of values, against a plain array
 */
#include <pthread.h>
#include <string.h>

#include "common/bytes.h"
#include "rig.h"
#include "store/cache.h"

#define KEYS    200
#define AMPLE   (16 * MIB)
#define SMALL   MIB /* a few values in each shard */
#define THREADS 4

/* Partitions 1 to 4, in each of them objects with a record and a part. */
static struct cache_key key_of(unsigned i)
{
    return (struct cache_key){.id = {1 + i % 4, 100 + i / 8}, .part = i / 4 % 2};
}

/* What a value of this seed is; returns its length. */
static size_t value_of(uint64_t seed, uint8_t value[CACHE_VALUE_MAX])
{
    size_t len = 1 + seed * 7919 % CACHE_VALUE_MAX;

    rig_fill(value, len, (unsigned)seed);
    return len;
}

/* Whether the value is there; if so, it has to be the one of this seed. */
static bool has(struct cache *c, struct cache_key key, uint64_t seed)
{
    uint8_t want[CACHE_VALUE_MAX], got[CACHE_VALUE_MAX];
    size_t len = cache_get(c, key, got, sizeof(got));

    if (len > 0) {
        assert_int_equal(len, value_of(seed, want));
        assert_memory_equal(got, want, len);
    }
    return len > 0;
}

static void put(struct cache *c, struct cache_key key, uint64_t seed)
{
    uint8_t value[CACHE_VALUE_MAX];

    cache_put(c, key, value, value_of(seed, value));
}

/* Would catch: a value of another key or an older one, one that comes back after it was dropped,
 * and one that is lost although there is room. */
static void test_store_cache__gives_what_was_put_last_and_not_dropped(void **state)
{
    struct cache *c = cache_new(AMPLE);
    uint64_t want[KEYS] = {0}, seed = 3; /* 0: nothing */

    assert_non_null(c);
    for (uint64_t i = 1; i < 50000; i++) {
        unsigned n = (unsigned)rig_random(&seed, KEYS);
        switch (rig_random(&seed, 4)) {
        case 0:
            cache_drop(c, key_of(n));
            want[n] = 0;
            break;
        case 1:
            put(c, key_of(n), i);
            want[n] = i;
            break;
        default:
            assert_true(has(c, key_of(n), want[n]) == (want[n] != 0));
        }
    }
    cache_free(c);
}

static void test_store_cache__a_dropped_partition_is_gone_and_can_be_filled_anew(void **state)
{
    struct cache *c = cache_new(AMPLE);

    assert_non_null(c);
    for (unsigned i = 0; i < KEYS; i++)
        put(c, key_of(i), 1);
    cache_drop_partition(c, 2);
    for (unsigned i = 1; i < KEYS; i += 4)
        assert_false(has(c, key_of(i), 0));
    put(c, key_of(1), 5);
    assert_true(has(c, key_of(1), 5));
    cache_clear(c);
    for (unsigned i = 0; i < KEYS; i++)
        assert_false(has(c, key_of(i), 0));
    put(c, key_of(1), 6);
    assert_true(has(c, key_of(1), 6));
    cache_free(c);
}

static void test_store_cache__takes_no_more_than_its_capacity(void **state)
{
    struct cache *c = cache_new(SMALL);
    uint8_t value[CACHE_VALUE_MAX];
    size_t sum = 0;

    assert_non_null(c);
    for (unsigned i = 0; i < 10000; i++)
        put(c, (struct cache_key){{7, i}, 0}, i);
    for (unsigned i = 0; i < 10000; i++)
        sum += cache_get(c, (struct cache_key){{7, i}, 0}, value, sizeof(value));
    assert_true(sum > SMALL / 2 && sum <= SMALL);
    cache_free(c);
}

static void test_store_cache__what_is_asked_for_outlives_what_is_not(void **state)
{
    const struct cache_key wanted = {{1, 1}, 0};
    struct cache *c = cache_new(SMALL);

    assert_non_null(c);
    put(c, wanted, 9);
    for (unsigned i = 0; i < 10000; i++) {
        assert_true(has(c, wanted, 9));
        put(c, (struct cache_key){{7, i}, 0}, i);
    }
    cache_free(c);
}

static void test_store_cache__what_does_not_fit_is_not_there(void **state)
{
    const struct cache_key key = {{1, 1}, 0};
    uint8_t value[CACHE_VALUE_MAX + 1] = {1};
    struct cache *c = cache_new(AMPLE);

    assert_non_null(c);
    cache_put(c, key, value, 100);
    assert_int_equal(cache_get(c, key, value, 99), 0); /* does not fit there */
    assert_int_equal(cache_get(c, key, value, 100), 100);
    cache_put(c, key, value, sizeof(value));
    assert_int_equal(cache_get(c, key, value, sizeof(value)), 0);
    cache_free(c);
    c = cache_new(0);
    assert_non_null(c);
    cache_put(c, key, value, 1);
    assert_int_equal(cache_get(c, key, value, 1), 0);
    cache_free(c);
}

/* Values that tell their key: what is got has to be whole and of the key. */
static void *work(void *arg)
{
    uint8_t value[CACHE_VALUE_MAX];
    struct cache *c = arg;
    uint64_t seed = (uint64_t)(uintptr_t)&value;

    for (int i = 0; i < 5000; i++) {
        unsigned n = (unsigned)rig_random(&seed, KEYS);
        switch (rig_random(&seed, 8)) {
        case 0:
            cache_drop(c, key_of(n));
            break;
        case 1:
            cache_drop_partition(c, key_of(n).id.pid);
            break;
        case 2:
        case 3:
            put(c, key_of(n), n);
            break;
        default:
            has(c, key_of(n), n);
        }
    }
    return NULL;
}

static void test_store_cache__threads_get_whole_values(void **state)
{
    struct cache *c = cache_new(SMALL / 4);
    pthread_t threads[THREADS];

    assert_non_null(c);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_cache__gives_what_was_put_last_and_not_dropped),
        cmocka_unit_test(test_store_cache__a_dropped_partition_is_gone_and_can_be_filled_anew),
        cmocka_unit_test(test_store_cache__takes_no_more_than_its_capacity),
        cmocka_unit_test(test_store_cache__what_is_asked_for_outlives_what_is_not),
        cmocka_unit_test(test_store_cache__what_does_not_fit_is_not_there),
        cmocka_unit_test(test_store_cache__threads_get_whole_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
