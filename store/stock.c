/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/stock.c - see stock.h
 */
#include "store/stock.h"

#include <stdlib.h>
#include <string.h>

#include "store/bits.h"

struct stock *stocks_new(void)
{
    struct stock *s = aligned_alloc(alignof(struct stock), OSD_PLACES * sizeof(*s));

    if (!s)
        return NULL;
    memset(s, 0, OSD_PLACES * sizeof(*s));
    for (unsigned i = 0; i < OSD_PLACES; i++)
        pthread_mutex_init(&s[i].mutex, NULL);
    return s;
}

void stocks_free(struct stock *s)
{
    for (unsigned i = 0; s && i < OSD_PLACES; i++)
        pthread_mutex_destroy(&s[i].mutex);
    free(s);
}

/* First bit of what is left, or STOCK_BLOCKS. */
static uint32_t first_left(const struct stock *s)
{
    for (uint32_t i = 0; i < STOCK_WORDS; i++)
        if (s->free[i])
            return i * 64 + (uint32_t)__builtin_ctzll(s->free[i]);
    return STOCK_BLOCKS;
}

/* How many are left from `at` on without a gap, at most want. */
static uint32_t run_left(const struct stock *s, uint32_t at, uint32_t want)
{
    uint32_t most = STOCK_BLOCKS - at < want ? STOCK_BLOCKS - at : want;

    for (uint32_t n = 0, part; n < most; n += part) {
        uint64_t gap = ~s->free[(at + n) / 64] & bits_in_word(at + n, most - n, &part);
        if (gap)
            return n + (uint32_t)__builtin_ctzll(gap) - (at + n) % 64;
    }
    return most;
}

bool stock_take(struct stock *s, uint32_t want, bool last, uint64_t *ret_first, uint32_t *ret_n)
{
    uint32_t at = first_left(s), n = run_left(s, at, want);

    if (n == 0 || (!last && n < want && at + n == STOCK_BLOCKS))
        return false;
    *ret_first = s->first + at;
    *ret_n = n;
    for (uint32_t part; n > 0; at += part, n -= part)
        s->free[at / 64] &= ~bits_in_word(at, n, &part);
    return true;
}

bool stock_left(const struct stock *s, uint64_t *ret_first)
{
    uint32_t at = first_left(s);

    *ret_first = s->first + at;
    return at < STOCK_BLOCKS;
}

uint32_t stock_fill(struct stock *s, uint64_t file, uint64_t *map, uint32_t words, uint32_t at)
{
    uint64_t these = UINT64_MAX << (at % 64);
    uint32_t n = 0;

    s->word = at / 64;
    s->first = file + (uint64_t)s->word * 64;
    for (uint32_t i = 0; i < STOCK_WORDS && s->word + i < words; i++, these = UINT64_MAX) {
        s->free[i] = ~map[s->word + i] & these;
        map[s->word + i] |= s->free[i];
        n += (uint32_t)__builtin_popcountll(s->free[i]);
    }
    return n;
}

uint32_t stock_return(struct stock *s, uint64_t *map)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < STOCK_WORDS; i++) {
        if (s->free[i]) /* a window may be longer than its file */
            map[s->word + i] &= ~s->free[i];
        n += (uint32_t)__builtin_popcountll(s->free[i]);
        s->free[i] = 0;
    }
    return n;
}

static void set_runs(struct stock *s, uint32_t n)
{
    __atomic_store_n(&s->n_runs, n, __ATOMIC_RELAXED);
}

bool stock_retire(struct stock *s, uint64_t first, uint32_t count)
{
    s->runs[s->n_runs] = (struct stock_run){first, count};
    s->in_runs += count;
    set_runs(s, s->n_runs + 1);
    return s->n_runs == STOCK_RUNS || s->in_runs >= STOCK_RETIRED;
}

bool stock_retires(const struct stock *s)
{
    return __atomic_load_n(&s->n_runs, __ATOMIC_RELAXED) > 0;
}

void stock_drop_runs(struct stock *s)
{
    s->in_runs = 0;
    set_runs(s, 0);
}

void stock_forget(struct stock *s)
{
    memset(s->free, 0, sizeof(s->free));
    stock_drop_runs(s);
}
