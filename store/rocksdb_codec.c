/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_codec.c - keys and the metadata record, byte by byte
 *
 * Record: version 1, kind, type, time bypass; then big-endian numbers: 64 bits each in the order
 * of the table below, collections quota (32), charge of the attributes (64), memberships (32).
 * used of partitions is that of their attributes; the sum over objects is made at open.
 */
#include "rocksdb_internal.h"

#define RECORD_VERSION 1

static const size_t members64[] = {
    offsetof(struct store_meta, length),         offsetof(struct store_meta, used),
    offsetof(struct store_meta, created),        offsetof(struct store_meta, attr_accessed),
    offsetof(struct store_meta, attr_modified),  offsetof(struct store_meta, data_accessed),
    offsetof(struct store_meta, data_modified),  offsetof(struct store_meta, max_length),
    offsetof(struct store_meta, capacity_quota), offsetof(struct store_meta, object_quota),
    offsetof(struct store_meta, partition_quota)};
#define N64        (sizeof(members64) / sizeof(members64[0]))
#define RECORD_LEN (4 + 8 * N64 + 16)

void key_object(uint8_t key[OBJECT_KEY_LEN], struct store_id id)
{
    be64_put(key, id.pid);
    be64_put(key + 8, id.oid);
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

size_t record_encode(const struct record *rec, uint8_t dst[RECORD_MAX])
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
    return RECORD_LEN;
}

osd_status record_decode(const void *src, size_t len, struct store_id id, struct record *ret)
{
    const uint8_t *p = src;
    struct record rec = {.id = id};
    struct store_meta *m = &rec.meta;

    if (len < RECORD_LEN || p[0] != RECORD_VERSION || p[1] == 0)
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
    *ret = rec;
    return OSD_OK;
}
