/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_query.c - any text as an expression of osdctl query
 *
 * Holds: what is accepted has criteria whose bounds lie in the query, each with one bound at least;
 * what is refused has a reason of printable characters.
 */
#include <stdlib.h>
#include <string.h>

#include "query/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_bound(const struct query *q, const void *data, size_t len)
{
    const uint8_t *p = data;

    require(len == 0 || (p >= q->bytes && p + len <= q->bytes + q->used));
}

static void check_accepted(const struct query *q)
{
    require(q->n >= 1 && q->n <= QUERY_COMPARISONS && q->used <= QUERY_BYTES);
    for (size_t i = 0; i < q->n; i++) {
        check_bound(q, q->criteria[i].min, q->criteria[i].min_len);
        check_bound(q, q->criteria[i].max, q->criteria[i].max_len);
        require(q->criteria[i].min_len + q->criteria[i].max_len > 0);
        require(q->criteria[i].page < 0x30000000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct query q;
    char why[120], *s = malloc(size + 1);

    require(s != NULL);
    memcpy(s, data, size);
    s[size] = 0;
    if (query_parse(s, &q, why, sizeof(why))) {
        check_accepted(&q);
    } else {
        require(why[0] && memchr(why, 0, sizeof(why)));
        for (const char *p = why; *p; p++)
            require(*p >= ' ' && *p < 127);
    }
    free(s);
    return 0;
}
