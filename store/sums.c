/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/sums.c - see sums.h
 *
 * Bytes just stored are not in the cache yet: the line that they go to has to be fetched first, and who
 * reads them waits for that. So a few blocks are copied, then these are summed up.
 */
#include "store/sums.h"

#include <string.h>

#include "common/crc32c.h"
#include "store/store.h"

#define AT_ONCE                                                                                \
    4u /* blocks: both sides of them lie in the CPU's first cache, or in its second */

/** Where one is in the pieces. */
struct place {
    const struct iovec *v;
    uint8_t *at;
    size_t left; /* of the piece */
};

static struct place start(const struct iovec *v)
{
    return (struct place){v, v->iov_base, v->iov_len};
}

/* The next bytes, at most `want`, as many as lie in one piece. */
static inline uint8_t *pass(struct place *p, size_t want, size_t *ret_len)
{
    while (p->left == 0) {
        p->v++;
        *p = start(p->v);
    }
    size_t len = p->left < want ? p->left : want;
    uint8_t *at = p->at;

    p->at += len;
    p->left -= len;
    *ret_len = len;
    return at;
}

static void copy_out(struct place *p, uint8_t *to, size_t len)
{
    for (size_t part; len > 0; to += part, len -= part) {
        const uint8_t *from = pass(p, len, &part);
        memcpy(to, from, part);
    }
}

static void copy_in(struct place *p, const uint8_t *from, size_t len)
{
    for (size_t part; len > 0; from += part, len -= part) {
        uint8_t *to = pass(p, len, &part);
        memcpy(to, from, part);
    }
}

static void sum_up(struct place *p, uint32_t n, uint32_t *ret)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t crc = 0;
        for (size_t want = STORE_BLOCK, part; want > 0; want -= part) {
            const uint8_t *at = pass(p, want, &part);
            crc = osd_crc32c(crc, at, part);
        }
        ret[i] = crc;
    }
}

static uint32_t at_once(uint32_t n)
{
    return n < AT_ONCE ? n : AT_ONCE;
}

void sums_of(const struct iovec *v, uint32_t n, uint32_t *ret)
{
    struct place p = start(v);

    sum_up(&p, n, ret);
}

void sums_of_copy(const uint8_t *from, const struct iovec *v, uint32_t n, uint32_t *ret)
{
    struct place copied = start(v), summed = copied;

    for (uint32_t some; n > 0; n -= some, ret += some) {
        some = at_once(n);
        copy_in(&copied, from, (size_t)some * STORE_BLOCK);
        sum_up(&summed, some, ret);
        from += (size_t)some * STORE_BLOCK;
    }
}

void sums_of_copy_to(uint8_t *to, const struct iovec *v, uint32_t n, uint32_t *ret)
{
    struct place copied = start(v);

    for (uint32_t some; n > 0; n -= some, ret += some) {
        some = at_once(n);
        copy_out(&copied, to, (size_t)some * STORE_BLOCK);
        for (uint32_t i = 0; i < some; i++, to += STORE_BLOCK)
            ret[i] = osd_crc32c(0, to, STORE_BLOCK);
    }
}
