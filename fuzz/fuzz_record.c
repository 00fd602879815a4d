/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_record.c - any bytes as the record of an object or as a map chunk
 *
 * Holds for what decodes: it encodes into no more than the stated maximum, that decodes to the
 * same, every attribute is found where the walk over them says it is, and after attributes were
 * set and dropped the record still decodes.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "store/rocksdb_codec.h"

#define ID ((struct store_id){7, 9})

static void require(int holds)
{
    if (!holds)
        abort();
}

static osd_status within(void *arg, uint64_t first, uint32_t count)
{
    (void)first;
    *(uint32_t *)arg += count;
    return OSD_OK;
}

static void try_chunk(const uint8_t *data, size_t len)
{
    struct chunk a, b;
    uint8_t again[BODY_MAX];
    uint32_t blocks = 0;

    chunk_init(&a, 0);
    chunk_init(&b, 0);
    osd_status st = chunk_decode(data, len, &a);
    require(chunk_runs(data, len, within, &blocks) == st);
    if (st)
        return;
    require(blocks + (a.block[0] == IN_RECORD) == a.mapped);
    size_t n = chunk_encode(&a, again);
    require(n <= BODY_MAX && chunk_decode(again, n, &b) == OSD_OK);
    for (uint32_t i = 0; i < CHUNK; i++)
        require(a.block[i] == b.block[i] && (a.block[i] == HOLE || a.crc[i] == b.crc[i]));
    require(a.data.len == b.data.len && !memcmp(a.data.bytes, b.data.bytes, a.data.len));
}

static void walk(const struct object *o)
{
    struct inline_attr a, same;
    uint64_t at = 0, next;
    size_t sum = 0;

    while (inline_seek(o, (uint32_t)(at >> 32), (uint32_t)at, &a)) {
        next = (uint64_t)a.page << 32 | a.number;
        require(next >= at && inline_find(o, a.page, a.number, &same) && same.value == a.value);
        sum += INLINE_HEAD + a.len;
        if (next == UINT64_MAX)
            break;
        at = next + 1;
    }
    require(sum == o->attrs_len);
}

static void change(struct object *o, const uint8_t *data, size_t len)
{
    static uint8_t value[INLINE_VALUE];
    uint8_t encoded[OBJECT_MAX];
    struct object *again = malloc(sizeof(*again));

    require(again != NULL);
    for (size_t i = 0; i + 3 < len && i < 60; i += 3) {
        struct inline_attr a;
        if (data[i] & 1)
            inline_drop(o, data[i] >> 4, data[i + 1]);
        else if (inline_set(o, data[i] >> 4, data[i + 1], value, 1u + data[i + 2]))
            require(inline_find(o, data[i] >> 4, data[i + 1], &a) && a.len == 1u + data[i + 2]);
        walk(o);
    }
    require(object_decode(encoded, object_encode(o, encoded), ID, again) == OSD_OK);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct object *o = malloc(sizeof(*o));
    uint8_t encoded[OBJECT_MAX];
    struct record rec;

    require(o != NULL);
    try_chunk(data, len);
    (void)record_decode(data, len, (struct store_id){7, 0}, &rec);
    if (object_decode(data, len, ID, o) == OSD_OK) {
        require(object_encode(o, encoded) == len && !memcmp(encoded, data, len));
        if (o->body_len > 0)
            try_chunk(o->body, o->body_len);
        walk(o);
        change(o, data, len);
    }
    free(o);
    return 0;
}
