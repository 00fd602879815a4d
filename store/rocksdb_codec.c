/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_codec.c - keys and the metadata record, byte by byte
 *
 * Record: version 1, kind, type, time bypass, then twelve 64-bit and one 32-bit big-endian
 * numbers in the order of the table below. used of partitions is not kept (rebuilt at open).
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
#define RECORD_LEN (4 + 8 * N64 + 4)

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

size_t meta_encode(const struct store_meta *m, uint8_t dst[RECORD_MAX])
{
    dst[0] = RECORD_VERSION;
    dst[1] = m->kind;
    dst[2] = m->type;
    dst[3] = m->time_bypass;
    for (size_t i = 0; i < N64; i++)
        be64_put(dst + 4 + 8 * i, *(const uint64_t *)((const char *)m + members64[i]));
    be32_put(dst + 4 + 8 * N64, m->collections_quota);
    return RECORD_LEN;
}

osd_status meta_decode(const void *src, size_t len, struct store_meta *ret)
{
    const uint8_t *p = src;
    struct store_meta m = {0};

    if (len < RECORD_LEN || p[0] != RECORD_VERSION)
        return OSD_E_CORRUPT;
    m.kind = p[1];
    m.type = p[2];
    m.time_bypass = p[3];
    for (size_t i = 0; i < N64; i++)
        *(uint64_t *)((char *)&m + members64[i]) = be64_get(p + 4 + 8 * i);
    m.collections_quota = be32_get(p + 4 + 8 * N64);
    *ret = m;
    return OSD_OK;
}
