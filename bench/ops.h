/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/ops.h - the operations that are measured, as a table
 *
 * An operation is measured in batches: prepare (not measured), n times step, tidy (not
 * measured). After tidy everything is as it was before prepare, so batches can be repeated and
 * interleaved in any order.
 * Threads: each thread has a work of its own; works of one target share the two partitions and
 * nothing else but the peer's RocksDB.
 */
#ifndef BENCH_OPS_H
#define BENCH_OPS_H

#include "unit.h"

#define BENCH_PID        0x10000ULL
#define BENCH_MANY_PID   0x10002ULL
#define BENCH_BUF        (1u << 20)
#define BENCH_BACKGROUND 1000 /* objects of every work that are there all the time */

/* Loads over LIO: the bytes of an object or disk that are used, in which order (every so many pieces of
 * them), how many commands there are at once. */
#define BENCH_SPREAD (32 * MIB)
#define BENCH_STRIDE 7919ULL
#define BENCH_DEPTH  16

struct bench_work {
    const struct bench_target *to;
    const char *dir;       /* where peers put their files */
    uint64_t pid;          /* the partition it works in */
    uint64_t first_oid;    /* 2^24 ids from here on are this work's own */
    uint64_t many_objects; /* objects in the large partition; 0 = none */
    uint64_t turn;         /* grows with every batch; makes fresh ids */
    struct bench_cmd cmd;
    uint8_t list[512], in[512];
    uint8_t *buf;   /* BENCH_BUF bytes */
    uint8_t *pages; /* nobody touched them yet */
    volatile uint64_t computed;
    int fd, log_fd;
    char files[4000];      /* directory of a peer's files, one for each object */
    uint8_t *log;          /* mapped */
    struct bench_raw *raw; /* opened by its first use */
};

struct bench_op {
    const char *name;
    const char *what;
    double target_us; /* 0 = none stated */
    unsigned batch;   /* steps */
    uint64_t size;    /* of what one step moves */
    void (*prepare)(struct bench_work *w, const struct bench_op *op);
    void (*step)(struct bench_work *w, const struct bench_op *op, unsigned i);
    void (*tidy)(struct bench_work *w, const struct bench_op *op);
};

extern const struct bench_op bench_ops[];
extern const unsigned bench_n_ops;

/** The least that a store does over LIO, by hand; for one work. */
extern const struct bench_op bench_floor_ops[];
extern const unsigned bench_n_floor_ops;

/** NULL when there is none of that name in bench_ops. */
const struct bench_op *bench_op_find(const char *name);

/** Peers touch files and no unit. */
bool bench_op_is_peer(const struct bench_op *op);
/** Only of use when the large partition has objects. */
bool bench_op_needs_many(const struct bench_op *op);

/** Partitions and objects that all works share: call once per target. */
void bench_furnish(const struct bench_target *to, uint64_t many_objects);

/** That many more objects in the large partition. */
void bench_grow(const struct bench_target *to, uint64_t n);

/** Make work number `number` (0..15) with its background objects in partition pid (BENCH_PID
 *  or BENCH_MANY_PID). */
void bench_work_init(struct bench_work *w, const struct bench_target *to, const char *dir,
                     unsigned number, uint64_t pid, uint64_t many_objects);
void bench_work_end(struct bench_work *w);

/** One batch; returns nanoseconds of the n steps together. */
uint64_t bench_batch(struct bench_work *w, const struct bench_op *op);

/** What the commands so far have left for the store's thread to put into RocksDB is put there now: a
 *  LIST has all that is ahead put, if an object is new, which oid becomes and is no longer. Nanoseconds
 *  of the LIST. */
uint64_t bench_settle(const struct bench_target *to, uint64_t pid, uint64_t oid);

#endif
