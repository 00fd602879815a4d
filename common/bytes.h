/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/bytes.h - big-endian access by offset, bounded views, a writer that cuts
 *
 * Invariants:
 *  (1) Nothing here reads or writes outside the bounds given at construction.
 *  (2) struct osd_writer counts every byte appended, also those cut off by its capacity, so a
 *      length field can describe the whole of data that an allocation length cut (reference 1.5
 *      rule 4).
 */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)
#define TIB (1024ULL * GIB)

/* Whole words are moved: byte by byte compilers do not always make one access of them, and who reads
 * several bytes at once right after a store of each of them waits. */

static inline uint16_t be16_get(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}

static inline uint32_t be32_get(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static inline uint64_t be48_get(const void *p)
{
    return (uint64_t)be16_get(p) << 32 | be32_get((const uint8_t *)p + 2);
}

static inline uint64_t be64_get(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

static inline void be16_put(void *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void be32_put(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void be48_put(void *p, uint64_t v)
{
    be16_put(p, (uint16_t)(v >> 32));
    be32_put((uint8_t *)p + 2, (uint32_t)v);
}

static inline void be64_put(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}

/** Read-only bytes of somebody else's memory. */
struct osd_bytes {
    const uint8_t *data;
    size_t len;
};

/** Appends into fixed memory; what does not fit is counted and dropped. */
struct osd_writer {
    uint8_t *data; /* may be NULL when cap is 0 */
    size_t cap;
    size_t full; /* bytes appended so far, cut or not */
};

static inline struct osd_writer osd_writer_make(void *data, size_t cap)
{
    return (struct osd_writer){.data = data, .cap = cap};
}

/** Bytes that really stand in the writer's memory. */
static inline size_t osd_writer_kept(const struct osd_writer *w)
{
    return w->full < w->cap ? w->full : w->cap;
}

static inline void osd_writer_put(struct osd_writer *w, const void *src, size_t len)
{
    if (w->full < w->cap && len > 0) {
        size_t room = w->cap - w->full;
        memcpy(w->data + w->full, src, len < room ? len : room);
    }
    w->full += len;
}

static inline void osd_writer_zero(struct osd_writer *w, size_t len)
{
    if (w->full < w->cap && len > 0) {
        size_t room = w->cap - w->full;
        memset(w->data + w->full, 0, len < room ? len : room);
    }
    w->full += len;
}

static inline void osd_writer_u8(struct osd_writer *w, uint8_t v)
{
    osd_writer_put(w, &v, 1);
}

static inline void osd_writer_be16(struct osd_writer *w, uint16_t v)
{
    uint8_t b[2];
    be16_put(b, v);
    osd_writer_put(w, b, sizeof(b));
}

static inline void osd_writer_be32(struct osd_writer *w, uint32_t v)
{
    uint8_t b[4];
    be32_put(b, v);
    osd_writer_put(w, b, sizeof(b));
}

static inline void osd_writer_be48(struct osd_writer *w, uint64_t v)
{
    uint8_t b[6];
    be48_put(b, v);
    osd_writer_put(w, b, sizeof(b));
}

static inline void osd_writer_be64(struct osd_writer *w, uint64_t v)
{
    uint8_t b[8];
    be64_put(b, v);
    osd_writer_put(w, b, sizeof(b));
}

/** Overwrite bytes already appended (a length field, say); parts that were cut stay cut. */
static inline void osd_writer_patch(struct osd_writer *w, size_t at, const void *src,
                                    size_t len)
{
    if (at < w->cap)
        memcpy(w->data + at, src, len < w->cap - at ? len : w->cap - at);
}

#endif
