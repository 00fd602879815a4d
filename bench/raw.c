/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/raw.c - see raw.h
 */
#include "raw.h"

#include <rocksdb/c.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "unit.h"

#define KEY_LEN 16

struct bench_raw {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *ro;
    rocksdb_writeoptions_t *wo;
};

static void must(char *err)
{
    if (err)
        bench_die("RocksDB: %s", err);
}

struct bench_raw *bench_raw_open(const char *path)
{
    struct bench_raw *r = malloc(sizeof(*r));
    char *err = NULL;

    if (!r)
        bench_die("out of memory");
    r->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(r->options, 1);
    r->db = rocksdb_open(r->options, path, &err);
    must(err);
    r->ro = rocksdb_readoptions_create();
    r->wo = rocksdb_writeoptions_create();
    return r;
}

void bench_raw_close(struct bench_raw *r)
{
    rocksdb_close(r->db);
    rocksdb_readoptions_destroy(r->ro);
    rocksdb_writeoptions_destroy(r->wo);
    rocksdb_options_destroy(r->options);
    free(r);
}

static void make_key(char key[KEY_LEN], uint64_t id)
{
    be64_put(key, 0);
    be64_put(key + 8, id);
}

void bench_raw_put(struct bench_raw *r, uint64_t id, const void *value, size_t len)
{
    char key[KEY_LEN], *err = NULL;

    make_key(key, id);
    rocksdb_put(r->db, r->wo, key, sizeof(key), value, len, &err);
    must(err);
}

void bench_raw_get(struct bench_raw *r, uint64_t id)
{
    char key[KEY_LEN], *err = NULL;
    size_t len;

    make_key(key, id);
    char *value = rocksdb_get(r->db, r->ro, key, sizeof(key), &len, &err);
    must(err);
    rocksdb_free(value);
}
