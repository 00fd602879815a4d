/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/sums.c - see sums.h
 */
#include "store/sums.h"

#include <string.h>

#include "common/crc32c.h"
#include "store/store.h"

enum copy { NOTHING, INTO_PIECES, OUT_OF_PIECES };

/* What is summed up is the copy, or the pieces if nothing is copied. */
static inline void sums(enum copy copy, uint8_t *there, const struct iovec *v, uint32_t n,
                        uint32_t *ret)
{
    uint8_t *at = v->iov_base;
    size_t left = v->iov_len;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t crc = 0;
        for (size_t want = STORE_BLOCK, part; want > 0; want -= part) {
            for (; left == 0; left = v->iov_len)
                at = (++v)->iov_base;
            part = left < want ? left : want;
            if (copy == INTO_PIECES)
                memcpy(at, there, part);
            else if (copy == OUT_OF_PIECES)
                memcpy(there, at, part);
            crc = osd_crc32c(crc, copy == OUT_OF_PIECES ? there : at, part);
            if (copy != NOTHING)
                there += part;
            at += part;
            left -= part;
        }
        ret[i] = crc;
    }
}

void sums_of(const struct iovec *v, uint32_t n, uint32_t *ret)
{
    sums(NOTHING, NULL, v, n, ret);
}

void sums_of_copy(const uint8_t *from, const struct iovec *v, uint32_t n, uint32_t *ret)
{
    sums(INTO_PIECES, (uint8_t *)(uintptr_t)from, v, n, ret);
}

void sums_of_copy_to(uint8_t *to, const struct iovec *v, uint32_t n, uint32_t *ret)
{
    sums(OUT_OF_PIECES, to, v, n, ret);
}
