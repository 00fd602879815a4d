/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_chunk.c - map chunks, byte by byte
 *
 * Number of runs (1 byte), flags (1). With FLAG_DATA: length (2 bytes), CRC32C (4) and bytes of
 * inline data, which is block 0 and belongs to no run. Then per run start in the chunk (1), count
 * (1) and first block (4), in order; then a CRC32C (4) for every block of the runs.
 * A chunk without runs and inline data has no encoding.
 */
#include "rocksdb_codec.h"
#include "store/blocks.h"

#define FLAG_DATA 1
#define HEAD_LEN  2
#define DATA_HEAD 6
#define RUN_LEN   6

/** Where the parts of an encoded chunk are. */
struct layout {
    size_t n_runs, n_blocks;
    const uint8_t *data; /* length, CRC, bytes; NULL: none */
    uint16_t data_len;
    const uint8_t *runs, *crcs;
};

/* Runs: ascending, inside the chunk, each in one file, and not over block 0 when that is inline. */
static osd_status count_blocks(struct layout *l)
{
    uint32_t free_from = l->data ? 1 : 0;

    for (size_t i = 0; i < l->n_runs; i++) {
        uint32_t at = l->runs[i * RUN_LEN], count = l->runs[i * RUN_LEN + 1];
        uint32_t in_file = be32_get(l->runs + i * RUN_LEN + 2) % BLOCKS_PER_FILE;
        if (count == 0 || at < free_from || at + count > CHUNK)
            return OSD_E_CORRUPT;
        if (in_file + count > BLOCKS_PER_FILE)
            return OSD_E_CORRUPT;
        free_from = at + count;
        l->n_blocks += count;
    }
    return OSD_OK;
}

static osd_status parse(const void *src, size_t len, struct layout *ret)
{
    const uint8_t *p = src;
    struct layout l = {0};
    size_t at = HEAD_LEN;

    if (len < HEAD_LEN || p[0] > CHUNK || p[1] & ~FLAG_DATA || (p[0] == 0 && p[1] == 0))
        return OSD_E_CORRUPT;
    l.n_runs = p[0];
    if (p[1] & FLAG_DATA) {
        if (len < HEAD_LEN + DATA_HEAD)
            return OSD_E_CORRUPT;
        l.data = p + HEAD_LEN;
        l.data_len = be16_get(l.data);
        at += DATA_HEAD + l.data_len;
    }
    if (l.data_len > INLINE_DATA || len < at + l.n_runs * RUN_LEN)
        return OSD_E_CORRUPT;
    l.runs = p + at;
    l.crcs = l.runs + l.n_runs * RUN_LEN;
    osd_status st = count_blocks(&l);
    if (!st && len != (size_t)(l.crcs - p) + 4 * l.n_blocks)
        st = OSD_E_CORRUPT;
    if (!st)
        *ret = l;
    return st;
}

void chunk_init(struct chunk *c, uint64_t number)
{
    c->number = number;
    c->stored = false;
    c->data.len = 0;
    for (uint32_t i = 0; i < CHUNK; i++)
        c->block[i] = HOLE;
}

osd_status chunk_decode(const void *src, size_t len, struct chunk *c)
{
    struct layout l;
    osd_status st = parse(src, len, &l);

    if (st)
        return st;
    for (size_t i = 0; i < l.n_runs; i++) {
        const uint8_t *run = l.runs + i * RUN_LEN;
        uint32_t at = run[0], n = run[1];
        uint64_t first = be32_get(run + 2);
        for (uint32_t k = 0; k < n; k++)
            c->block[at + k] = first + k;
        for (uint32_t k = 0; k < n; k++)
            c->crc[at + k] = be32_get(l.crcs + (size_t)k * 4);
        l.crcs += (size_t)n * 4;
    }
    if (l.data) {
        c->block[0] = IN_RECORD;
        c->crc[0] = be32_get(l.data + 2);
        c->data.len = l.data_len;
        memcpy(c->data.bytes, l.data + DATA_HEAD, l.data_len);
    }
    return OSD_OK;
}

osd_status chunk_runs(const void *src, size_t len,
                      osd_status (*visit)(void *arg, uint64_t first, uint32_t count), void *arg)
{
    struct layout l;
    osd_status st = parse(src, len, &l);

    for (size_t i = 0; !st && i < l.n_runs; i++)
        st = visit(arg, be32_get(l.runs + i * RUN_LEN + 2), l.runs[i * RUN_LEN + 1]);
    return st;
}

/* Whether block i goes on where its neighbour before ends, in the same file. */
static bool goes_on(const struct chunk *c, uint32_t i)
{
    return c->block[i] == c->block[i - 1] + 1 && c->block[i] % BLOCKS_PER_FILE != 0;
}

static bool in_file(uint64_t block)
{
    return block != HOLE && block != IN_RECORD;
}

static uint8_t *put_data(const struct chunk *c, uint8_t *p)
{
    be16_put(p, c->data.len);
    be32_put(p + 2, c->crc[0]);
    memcpy(p + DATA_HEAD, c->data.bytes, c->data.len);
    return p + DATA_HEAD + c->data.len;
}

size_t chunk_encode(const struct chunk *c, uint8_t dst[BODY_MAX])
{
    bool data = c->block[0] == IN_RECORD;
    uint8_t *p = data ? put_data(c, dst + HEAD_LEN) : dst + HEAD_LEN, n = 0;

    for (uint32_t i = 0; i < CHUNK; i++) {
        uint32_t first = i;
        if (!in_file(c->block[i]))
            continue;
        while (i + 1 < CHUNK && goes_on(c, i + 1))
            i++;
        p[0] = (uint8_t)first;
        p[1] = (uint8_t)(i + 1 - first);
        be32_put(p + 2, (uint32_t)c->block[first]);
        p += RUN_LEN;
        n++;
    }
    for (uint32_t i = 0; i < CHUNK; i++)
        if (in_file(c->block[i])) {
            be32_put(p, c->crc[i]);
            p += 4;
        }
    dst[0] = n;
    dst[1] = data ? FLAG_DATA : 0;
    return n || data ? (size_t)(p - dst) : 0;
}

uint32_t chunk_mapped(const struct chunk *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < CHUNK; i++)
        n += c->block[i] != HOLE;
    return n;
}
