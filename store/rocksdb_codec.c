/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_codec.c - keys and the metadata record, byte by byte
 *
 * Record: version 2, kind, type, time bypass; then big-endian numbers: 64 bits each in the order
 * of the table below, collections quota (32), charge of the attributes (64), memberships (32),
 * attributes and chunks with keys of their own (32 each). Of an object there follow: length of the
 * inline attributes (16), these, and up to the end chunk 0 (rocksdb_chunk.c). Of a partition: kind
 * of duplicate, whether blocks are shared (8 each), source, serial number, number and serial number
 * of what it is being made from, identity, identity of the source (64 each). A record without the last
 * two is read as well: its identity is its serial number, that of its source is not known (0).
 * used of partitions is that of their attributes; the sum over objects is made at open.
 */
#include "rocksdb_codec.h"

#define RECORD_VERSION 2

static const size_t members64[] = {
    offsetof(struct store_meta, length),         offsetof(struct store_meta, used),
    offsetof(struct store_meta, created),        offsetof(struct store_meta, attr_accessed),
    offsetof(struct store_meta, attr_modified),  offsetof(struct store_meta, data_accessed),
    offsetof(struct store_meta, data_modified),  offsetof(struct store_meta, max_length),
    offsetof(struct store_meta, capacity_quota), offsetof(struct store_meta, object_quota),
    offsetof(struct store_meta, partition_quota)};
#define N64 (sizeof(members64) / sizeof(members64[0]))
_Static_assert(RECORD_LEN == 4 + 8 * N64 + 4 + 8 + 3 * 4, "what record_encode() makes");

void key_object(uint8_t key[OBJECT_KEY_LEN], struct store_id id)
{
    be64_put(key, id.pid);
    be64_put(key + 8, id.oid);
}

void key_listed(uint8_t key[LISTED_KEY_LEN], struct store_id id, uint8_t kind)
{
    be64_put(key, id.oid ? id.pid : 0);
    key[8] = kind;
    be64_put(key + 9, id.oid ? id.oid : id.pid);
}

void key_attr(uint8_t key[ATTR_KEY_LEN], struct store_id id, uint32_t page, uint32_t number)
{
    key_object(key, id);
    be32_put(key + 16, page);
    be32_put(key + 20, number);
}

void key_extent(uint8_t key[EXTENT_KEY_LEN], struct store_id id, uint64_t chunk)
{
    key_object(key, id);
    be64_put(key + 16, chunk);
}

static size_t record_encode(const struct record *rec, uint8_t dst[RECORD_LEN])
{
    const struct store_meta *m = &rec->meta;
    uint8_t *p = dst + 4;

    dst[0] = RECORD_VERSION;
    dst[1] = m->kind;
    dst[2] = m->type;
    dst[3] = m->time_bypass;
    for (size_t i = 0; i < N64; i++, p += 8)
        be64_put(p, *(const uint64_t *)((const char *)m + members64[i]));
    be32_put(p, m->collections_quota);
    be64_put(p + 4, rec->attr_bytes);
    be32_put(p + 12, rec->members);
    be32_put(p + 16, rec->outside);
    be32_put(p + 20, rec->chunks);
    return RECORD_LEN;
}

/* What follows the record of a partition or the root. */
static void part_tail_get(const uint8_t *p, bool is_short, struct record *rec)
{
    rec->meta.duplicate = p[0];
    rec->shared = p[1];
    rec->meta.source = be64_get(p + 2);
    rec->serial = be64_get(p + 10);
    rec->copying = be64_get(p + 18);
    rec->copying_serial = be64_get(p + 26);
    rec->meta.identity = is_short ? rec->serial : be64_get(p + 34);
    rec->meta.source_identity = is_short ? 0 : be64_get(p + 42);
}

osd_status record_decode(const void *src, size_t len, struct store_id id, struct record *ret)
{
    const uint8_t *p = src;
    struct record rec = {.id = id};
    struct store_meta *m = &rec.meta;

    if (id.oid ? len < RECORD_LEN + 2 : len != PART_LEN && len != PART_SHORT)
        return OSD_E_CORRUPT;
    if (p[0] != RECORD_VERSION || p[1] < STORE_ROOT || p[1] > STORE_USER)
        return OSD_E_CORRUPT;
    m->kind = p[1];
    m->type = p[2];
    m->time_bypass = p[3];
    p += 4;
    for (size_t i = 0; i < N64; i++, p += 8)
        *(uint64_t *)((char *)m + members64[i]) = be64_get(p);
    m->collections_quota = be32_get(p);
    rec.attr_bytes = be64_get(p + 4);
    rec.members = be32_get(p + 12);
    rec.outside = be32_get(p + 16);
    rec.chunks = be32_get(p + 20);
    if (!id.oid)
        part_tail_get(p + 24, len == PART_SHORT, &rec);
    *ret = rec;
    return OSD_OK;
}

size_t part_encode(const struct record *rec, uint8_t dst[PART_LEN])
{
    uint8_t *p = dst + record_encode(rec, dst);

    p[0] = rec->meta.duplicate;
    p[1] = rec->shared;
    be64_put(p + 2, rec->meta.source);
    be64_put(p + 10, rec->serial);
    be64_put(p + 18, rec->copying);
    be64_put(p + 26, rec->copying_serial);
    be64_put(p + 34, rec->meta.identity);
    be64_put(p + 42, rec->meta.source_identity);
    return PART_LEN;
}

size_t object_encode(const struct object *o, uint8_t dst[OBJECT_MAX])
{
    uint8_t *p = dst + record_encode(&o->rec, dst);

    be16_put(p, o->attrs_len);
    memcpy(p + 2, o->attrs, o->attrs_len);
    memcpy(p + 2 + o->attrs_len, o->body, o->body_len);
    return RECORD_LEN + 2 + o->attrs_len + o->body_len;
}

/* One attribute at p; false when what is there is none. */
static bool attr_at(const uint8_t *p, size_t len, struct inline_attr *ret)
{
    if (len < INLINE_HEAD)
        return false;
    *ret = (struct inline_attr){be32_get(p), be32_get(p + 4), p + INLINE_HEAD, be16_get(p + 8)};
    return ret->len >= 1 && ret->len <= INLINE_VALUE && ret->len <= len - INLINE_HEAD;
}

/* The order of attributes. */
static uint64_t place(uint32_t page, uint32_t number)
{
    return (uint64_t)page << 32 | number;
}

static bool attrs_valid(const uint8_t *p, size_t len)
{
    struct inline_attr a;
    uint64_t before = 0;

    for (size_t at = 0; at < len; at += INLINE_HEAD + a.len) {
        if (!attr_at(p + at, len - at, &a) || (at > 0 && place(a.page, a.number) <= before))
            return false;
        before = place(a.page, a.number);
    }
    return true;
}

osd_status object_decode(const void *src, size_t len, struct store_id id, struct object *ret)
{
    osd_status st = record_decode(src, len, id, &ret->rec);

    if (st)
        return st;
    const uint8_t *p = (const uint8_t *)src + RECORD_LEN;
    size_t attrs = be16_get(p), rest = len - RECORD_LEN - 2;
    if (attrs > INLINE_ATTRS || attrs > rest || rest - attrs > BODY_MAX)
        return OSD_E_CORRUPT;
    if (!attrs_valid(p + 2, attrs))
        return OSD_E_CORRUPT;
    ret->attrs_len = (uint16_t)attrs;
    ret->body_len = (uint16_t)(rest - attrs);
    memcpy(ret->attrs, p + 2, attrs);
    memcpy(ret->body, p + 2 + attrs, ret->body_len);
    return OSD_OK;
}

/* ---- inline attributes ---- */

/* Offset of the first attribute at or after (page, number), which is *ret; or attrs_len. */
static size_t attr_offset(const struct object *o, uint32_t page, uint32_t number,
                          struct inline_attr *ret)
{
    size_t at = 0;

    while (at < o->attrs_len && attr_at(o->attrs + at, o->attrs_len - at, ret) &&
           place(ret->page, ret->number) < place(page, number))
        at += INLINE_HEAD + ret->len;
    return at;
}

bool inline_seek(const struct object *o, uint32_t page, uint32_t number,
                 struct inline_attr *ret)
{
    return attr_offset(o, page, number, ret) < o->attrs_len;
}

bool inline_find(const struct object *o, uint32_t page, uint32_t number,
                 struct inline_attr *ret)
{
    return inline_seek(o, page, number, ret) && ret->page == page && ret->number == number;
}

/* Make the attribute at offset `at`, old bytes long, or what is put there, `next` bytes long. */
static void resize(struct object *o, size_t at, size_t old, size_t next)
{
    memmove(o->attrs + at + next, o->attrs + at + old, o->attrs_len - at - old);
    o->attrs_len = (uint16_t)(o->attrs_len - old + next);
}

void inline_drop(struct object *o, uint32_t page, uint32_t number)
{
    struct inline_attr a;

    if (inline_find(o, page, number, &a))
        resize(o, (size_t)(a.value - o->attrs) - INLINE_HEAD, INLINE_HEAD + a.len, 0);
}

bool inline_set(struct object *o, uint32_t page, uint32_t number, const void *value,
                uint32_t len)
{
    struct inline_attr a;
    size_t at = attr_offset(o, page, number, &a), old = 0;

    if (at < o->attrs_len && a.page == page && a.number == number)
        old = INLINE_HEAD + a.len;
    if (len > INLINE_VALUE || o->attrs_len - old + INLINE_HEAD + len > INLINE_ATTRS)
        return false;
    resize(o, at, old, INLINE_HEAD + len);
    be32_put(o->attrs + at, page);
    be32_put(o->attrs + at + 4, number);
    be16_put(o->attrs + at + 8, (uint16_t)len);
    memcpy(o->attrs + at + INLINE_HEAD, value, len);
    return true;
}
