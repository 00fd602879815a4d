/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/sums.c - see sums.h
 */
#include "store/sums.h"

#include <string.h>

#include "common/crc32c.h"
#include "store/store.h"

/* from NULL: nothing is copied. */
static inline void sums(const uint8_t *from, const struct iovec *v, uint32_t n, uint32_t *ret)
{
    uint8_t *at = v->iov_base;
    size_t left = v->iov_len;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t crc = 0;
        for (size_t want = STORE_BLOCK, part; want > 0; want -= part) {
            for (; left == 0; left = v->iov_len)
                at = (++v)->iov_base;
            part = left < want ? left : want;
            if (from) {
                memcpy(at, from, part);
                from += part;
            }
            crc = osd_crc32c(crc, at, part);
            at += part;
            left -= part;
        }
        ret[i] = crc;
    }
}

void sums_of(const struct iovec *v, uint32_t n, uint32_t *ret)
{
    sums(NULL, v, n, ret);
}

void sums_of_copy(const uint8_t *from, const struct iovec *v, uint32_t n, uint32_t *ret)
{
    sums(from, v, n, ret);
}
