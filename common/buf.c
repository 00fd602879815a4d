/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/buf.c - see buf.h; grows by doubling, clipped at the maximum
 */
#include "common/buf.h"

#include <string.h>

osd_status osd_buf_reserve(struct osd_buf *b, size_t extra)
{
    if (extra > b->max - b->len)
        return OSD_E_NOMEM;
    if (b->len + extra <= b->cap)
        return OSD_OK;

    size_t cap = b->cap ? b->cap : 256;
    while (cap < b->len + extra)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max)
        cap = b->max;

    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return OSD_E_NOMEM;
    b->data = data;
    b->cap = cap;
    return OSD_OK;
}

osd_status osd_buf_put(struct osd_buf *b, const void *src, size_t len)
{
    osd_status st = osd_buf_reserve(b, len);

    if (st || len == 0)
        return st;
    if (src)
        memcpy(b->data + b->len, src, len);
    else
        memset(b->data + b->len, 0, len);
    b->len += len;
    return OSD_OK;
}

void osd_buf_free(struct osd_buf *b)
{
    free(b->data);
    *b = osd_buf_make(b->max);
}
