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
    const uint8_t *run = l->runs;
    uint32_t free_from = l->data ? 1 : 0, n_blocks = 0;

    for (size_t i = 0; i < l->n_runs; i++, run += RUN_LEN) {
        uint32_t at = run[0], count = run[1], in_file = be32_get(run + 2) % BLOCKS_PER_FILE;
        if (count == 0 || at < free_from || at + count > CHUNK ||
            in_file + count > BLOCKS_PER_FILE)
            return OSD_E_CORRUPT;
        free_from = at + count;
        n_blocks += count;
    }
    l->n_blocks = n_blocks;
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

_Static_assert(HOLE == UINT64_MAX, "all bytes of it are alike");

void chunk_init(struct chunk *c, uint64_t number)
{
    c->number = number;
    c->stored = false;
    c->mapped = 0;
    c->data.len = 0;
    memset(c->block, 0xff, sizeof(c->block));
}

static void decode_runs(const struct layout *l, struct chunk *c)
{
    const uint8_t *run = l->runs;
    uint32_t at = 0, left = 0;
    uint64_t block = 0;

    for (size_t i = 0; i < l->n_blocks; i++, at++, block++, left--) {
        if (left == 0) {
            at = run[0];
            left = run[1];
            block = be32_get(run + 2);
            run += RUN_LEN;
        }
        c->block[at] = block;
        c->crc[at] = be32_get(l->crcs + 4 * i);
    }
}

osd_status chunk_decode(const void *src, size_t len, struct chunk *c)
{
    struct layout l;
    osd_status st = parse(src, len, &l);

    if (st)
        return st;
    decode_runs(&l, c);
    c->mapped = (uint32_t)l.n_blocks;
    if (l.data) {
        c->block[0] = IN_RECORD;
        c->crc[0] = be32_get(l.data + 2);
        c->data.len = l.data_len;
        c->mapped++;
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

static uint8_t *put_data(const struct chunk *c, uint8_t *p)
{
    be16_put(p, c->data.len);
    be32_put(p + 2, c->crc[0]);
    memcpy(p + DATA_HEAD, c->data.bytes, c->data.len);
    return p + DATA_HEAD + c->data.len;
}

_Static_assert(IN_RECORD < HOLE, "block numbers are less than both");

size_t chunk_encode(const struct chunk *c, uint8_t dst[BODY_MAX])
{
    bool data = c->block[0] == IN_RECORD;
    uint8_t *p = data ? put_data(c, dst + HEAD_LEN) : dst + HEAD_LEN, *run = p, n = 0;
    uint8_t crcs[4 * CHUNK], *crc = crcs;
    uint64_t next = HOLE; /* the block that goes on where the one before ends */

    for (uint32_t i = 0; i < CHUNK; i++) {
        uint64_t block = c->block[i];
        if (block >= IN_RECORD) {
            next = HOLE;
            continue;
        }
        if (block != next || block % BLOCKS_PER_FILE == 0) {
            run = p;
            run[0] = (uint8_t)i;
            run[1] = 0;
            be32_put(run + 2, (uint32_t)block);
            p += RUN_LEN;
            n++;
        }
        run[1]++;
        be32_put(crc, c->crc[i]);
        crc += 4;
        next = block + 1;
    }
    memcpy(p, crcs, (size_t)(crc - crcs));
    dst[0] = n;
    dst[1] = data ? FLAG_DATA : 0;
    return c->mapped ? (size_t)(p - dst) + (size_t)(crc - crcs) : 0;
}
