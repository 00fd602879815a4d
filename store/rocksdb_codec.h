/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_codec.h - what the values of the RocksDB store hold, without RocksDB
 *
 * An object's record is all that a small command needs of it: metadata, small attributes, the map
 * of its first chunk, and its data as long as that is short.
 * Invariants:
 *  (1) Decoding looks at nothing outside the given bytes. What does not fit together in them is
 *      CORRUPT; what was decoded can be encoded.
 *  (2) Inline attributes are sorted by page, then number; none is empty.
 *  (3) Inline data is block 0 of the object up to its last byte that counts; the rest of the
 *      block is zeros. It has a checksum of its own.
 */
#ifndef STORE_ROCKSDB_CODEC_H
#define STORE_ROCKSDB_CODEC_H

#include "common/bytes.h"
#include "store/store.h"

#define OBJECT_KEY_LEN 16
#define LISTED_KEY_LEN 17
#define ATTR_KEY_LEN   24
#define EXTENT_KEY_LEN 24
#define RECORD_KEY_LEN 4

#define INLINE_VALUE 256u  /* bytes of an attribute kept in the record */
#define INLINE_ATTRS 768u  /* of all of them, INLINE_HEAD for each included */
#define INLINE_HEAD  10u   /* page, number, length */
#define INLINE_DATA  1024u /* bytes of block 0 kept in the record */

#define CHUNK       32u /* blocks of a chunk */
#define CHUNK_BYTES ((uint64_t)CHUNK * STORE_BLOCK)
#define HOLE        UINT64_MAX
#define IN_RECORD   (1ULL << 63) /* block 0 is inline data: next to no block, nor to HOLE */

#define CHUNK_MAX  (2 + 10 * CHUNK)              /* encoded, without inline data */
#define BODY_MAX   (CHUNK_MAX + 6 + INLINE_DATA) /* encoded chunk 0 */
#define RECORD_LEN 116
#define PART_LEN   (RECORD_LEN + 2 + 6 * 8) /* of a partition or the root */
#define PART_SHORT (PART_LEN - 2 * 8)       /* ... before partitions had identities */
#define OBJECT_MAX (RECORD_LEN + 2 + INLINE_ATTRS + BODY_MAX)

/** The metadata record of an object, a partition or the root, and what the store itself needs to
 *  know of it. meta.kind is 0 in an empty one. */
struct record {
    struct store_id id;
    struct store_meta meta;
    uint64_t attr_bytes;     /* of meta.used: what its attributes are charged with */
    uint32_t members;        /* user objects: collections it is in */
    uint32_t outside;        /* attributes with a key of their own */
    uint32_t chunks;         /* map chunks with a key of their own */
    uint64_t copying;        /* partition: the one it is still being made from; 0: none */
    uint64_t copying_serial; /* ... and its serial number */
    uint64_t serial;         /* partition: grows with every one that is made */
    bool shared;             /* partition: blocks of it may be others' as well */
    bool changed;            /* and not yet in the batch */
    bool fresh;              /* created, and its key for listings is not yet in the batch */
};

/** A user object or collection: its record with what else the value holds, still encoded. */
struct object {
    struct record rec;
    uint16_t attrs_len, body_len; /* body_len 0: chunk 0 is a hole */
    uint8_t attrs[INLINE_ATTRS];
    uint8_t body[BODY_MAX];
};

/** Bytes of block 0 that lie in the record. */
struct inline_data {
    uint16_t len;
    uint8_t bytes[INLINE_DATA];
};

/** A decoded piece of an object's map. */
struct chunk {
    uint64_t number;
    bool stored;           /* has a key of its own */
    uint32_t mapped;       /* blocks that are no holes, an inline one included */
    uint64_t block[CHUNK]; /* HOLE, IN_RECORD or block number */
    uint32_t crc[CHUNK];
    struct inline_data data; /* when block[0] is IN_RECORD */
};

/* ---- keys ---- */

void key_object(uint8_t key[OBJECT_KEY_LEN], struct store_id id);
/** The place of an object or a partition in the listing of its kind. */
void key_listed(uint8_t key[LISTED_KEY_LEN], struct store_id id, uint8_t kind);
void key_attr(uint8_t key[ATTR_KEY_LEN], struct store_id id, uint32_t page, uint32_t number);
void key_extent(uint8_t key[EXTENT_KEY_LEN], struct store_id id, uint64_t chunk);

/* ---- records ---- */

/** Partitions and the root: the record alone. Returns PART_LEN. */
size_t part_encode(const struct record *rec, uint8_t dst[PART_LEN]);
/** Of any value: the record in front. CORRUPT. */
osd_status record_decode(const void *src, size_t len, struct store_id id, struct record *ret);
size_t object_encode(const struct object *o, uint8_t dst[OBJECT_MAX]);
/** A whole value. CORRUPT leaves *ret undefined. */
osd_status object_decode(const void *src, size_t len, struct store_id id, struct object *ret);

/* ---- inline attributes ---- */

/** One of an object's inline attributes; value points into the object. */
struct inline_attr {
    uint32_t page, number;
    const uint8_t *value;
    uint16_t len;
};

/** The first at or after (page, number); false when there is none. */
bool inline_seek(const struct object *o, uint32_t page, uint32_t number,
                 struct inline_attr *ret);
/** Exactly this one. */
bool inline_find(const struct object *o, uint32_t page, uint32_t number,
                 struct inline_attr *ret);
void inline_drop(struct object *o, uint32_t page, uint32_t number);
/** Set or replace one of 1 or more bytes; false, and nothing changed, when it is too long or there
 *  is no room. value does not point into the object. */
bool inline_set(struct object *o, uint32_t page, uint32_t number, const void *value,
                uint32_t len);

/* ---- chunks ---- */

/** A chunk of holes. */
void chunk_init(struct chunk *c, uint64_t number);
/** Fill an initialised chunk. CORRUPT leaves it undefined. */
osd_status chunk_decode(const void *src, size_t len, struct chunk *c);
/** 0 when all of it is holes. */
size_t chunk_encode(const struct chunk *c, uint8_t dst[BODY_MAX]);
/** Runs of blocks in an encoded chunk: calls visit for each; CORRUPT when malformed. */
osd_status chunk_runs(const void *src, size_t len,
                      osd_status (*visit)(void *arg, uint64_t first, uint32_t count),
                      void *arg);
#endif
