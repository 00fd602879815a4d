/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/raw.h - RocksDB by itself, as a peer: what one put and one get cost without us
 */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <stddef.h>
#include <stdint.h>

struct bench_raw;

/** A fresh data base with default options; failures end the program. */
struct bench_raw *bench_raw_open(const char *path);
void bench_raw_close(struct bench_raw *r);
void bench_raw_put(struct bench_raw *r, uint64_t id, const void *value, size_t len);
/** The value is looked up and let go. */
void bench_raw_get(struct bench_raw *r, uint64_t id);

#endif
