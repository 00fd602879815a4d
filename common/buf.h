/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/buf.h - growable buffer that is born with a maximum, and scope cleanup
 *
 * Invariants:
 *  (1) len <= cap <= max; data is NULL exactly when cap is 0.
 *  (2) After a failed append the content is as before it.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "osd/status.h"

struct osd_buf {
    uint8_t *data;
    size_t len, cap, max;
};

/** An empty buffer that may grow to max bytes. */
static inline struct osd_buf osd_buf_make(size_t max)
{
    return (struct osd_buf){.max = max};
}

/** Make room for extra more bytes. OSD_E_NOMEM beyond max or when malloc fails. */
osd_status osd_buf_reserve(struct osd_buf *b, size_t extra);

/** Append bytes; src NULL appends zeros. OSD_E_NOMEM as above. */
osd_status osd_buf_put(struct osd_buf *b, const void *src, size_t len);

/** Free the memory; the buffer is empty and usable again. */
void osd_buf_free(struct osd_buf *b);

static inline void osd_free_ptr(void *p)
{
    free(*(void **)p);
}

/** Frees at scope end: _cleanup_free_ char *s = strdup(x); */
#define _cleanup_free_ __attribute__((cleanup(osd_free_ptr)))
#define _cleanup_buf_  __attribute__((cleanup(osd_buf_free)))

#endif
