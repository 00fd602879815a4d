/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/raw.h - what lies below a closed store, to be changed behind its back
 *
 * A function that cannot do it fails the test.
 */
#ifndef TESTS_STORE_RAW_H
#define TESTS_STORE_RAW_H

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/rocksdb_codec.h"

enum raw_family {
    RAW_DEFAULT,
    RAW_IDS,
    RAW_OBJECTS,
    RAW_ATTRS,
    RAW_EXTENTS,
    RAW_RECORDS,
    RAW_MEMBERS,
    RAW_FAMILIES
};

/** The database of a store, open without the store. */
struct raw {
    rocksdb_t *db;
    rocksdb_options_t *o;
    rocksdb_writeoptions_t *wo;
    rocksdb_readoptions_t *ro;
    rocksdb_column_family_handle_t *cf[RAW_FAMILIES];
};

/** dir: of the store, which nobody has open. */
struct raw raw_open(const char *dir);
void raw_close(struct raw *w);
void raw_put(struct raw *w, enum raw_family cf, const void *key, size_t key_len,
             const void *value, size_t len);
void raw_delete(struct raw *w, enum raw_family cf, const void *key, size_t key_len);
/** The record of an object, and to replace it. */
size_t raw_get(struct raw *w, struct store_id id, uint8_t dst[OBJECT_MAX]);
void raw_set(struct raw *w, struct store_id id, const uint8_t *value, size_t len);

/** A table of a family, the n-th; false: it has not so many. path: 120 bytes. */
bool raw_table(struct raw *w, const char *store, enum raw_family cf, unsigned n, char *path);

/** The number of the last record of its journal that a store's database has. */
uint64_t raw_applied(const char *store);

/** The store's journal has these records, behind as many as `missing` that are lost; the first one lies in
 *  a file of its own if `apart`. */
struct raw_record {
    const void *data;
    size_t len;
};
void raw_journal(const char *store, uint64_t missing, bool apart, const struct raw_record *v,
                 size_t n);

/** Flip a bit of every place below directory dir of a store ("db", "data") where these bytes lie
 *  in a file whose name ends so. Returns how many there were. */
unsigned raw_flip(const char *store, const char *dir, const char *ending, const void *bytes,
                  size_t len);

#endif
