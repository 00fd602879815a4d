/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/unit.h - a logical unit in process, and commands that are ready to be executed
 *
 * A command is encoded once; before each execution only its ids and its start are patched into
 * the CDB, so that what is measured is the interpreter and the store and not the client.
 * Invariant: a command that does not end GOOD ends the program with its sense data, so no
 * figure is ever that of a failing command.
 */
#ifndef BENCH_UNIT_H
#define BENCH_UNIT_H

#include <stdint.h>
#include <stdnoreturn.h>

#include "interpreter/interpreter.h"
#include "wire/attrs.h"
#include "wire/cdb.h"

#define BENCH_CLIENT_PAGE (OSD_PAGE_U + OSD_PG_CLIENT)

/** Print a sentence and exit with status 1. */
noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct bench_cmd;

/** Where commands go: run() executes one, returns the bytes of Data-In that carry meaning and
 *  ends the program when the command does not end GOOD. */
struct bench_target {
    uint64_t (*run)(void *arg, const struct bench_cmd *c);
    void *arg;
};

/**
 * Open a unit on a fresh store.
 *
 * @param kind "memory" or "rocksdb"; anything else ends the program.
 * @param path directory of the store; removed first if it exists. Unused for memory.
 */
struct osd_device *bench_unit_open(const char *kind, const char *path);

/** The same with a first master key (40 bytes: generation, authentication); NULL: none. The unit
 *  still asks for no security method. */
struct osd_device *bench_unit_open_keyed(const char *kind, const char *path,
                                         const uint8_t *master);

/** Commands to a unit in this process. */
struct bench_target bench_unit_target(struct osd_device *dev);

/** Remove a directory with its contents; none is no error. */
void bench_remove_tree(const char *path);

/** A command of the second generation with its buffers, which belong to the caller. */
struct bench_cmd {
    uint8_t cdb[OSD_CDB_MAX];
    size_t cdb_len;
    struct iovec out, in;
};

/** Encode a command without attributes, capability (NOSEC) and nonce. */
void bench_cmd_make(struct bench_cmd *c, enum osd_op op, uint64_t pid, uint64_t oid,
                    uint64_t length);

/** Give it attribute lists in list format; list is room for them and becomes Data-Out. The
 *  n values of set (each len bytes) are those of BENCH_CLIENT_PAGE, numbers 1..n. */
void bench_cmd_sets(struct bench_cmd *c, uint8_t *list, size_t cap, unsigned n,
                    const void *value, uint16_t len);
void bench_cmd_gets(struct bench_cmd *c, uint8_t *list, size_t cap, unsigned n, void *in,
                    uint32_t in_len);

/** Get one whole page in page format. */
void bench_cmd_gets_page(struct bench_cmd *c, uint32_t page, void *in, uint32_t in_len);

/** A command that is no OSD command; len bytes, at most OSD_CDB_MAX. */
void bench_cmd_raw(struct bench_cmd *c, const uint8_t *cdb, size_t len);

/** Patch the fields that change from one execution to the next. */
void bench_cmd_pid(struct bench_cmd *c, uint64_t pid);
void bench_cmd_oid(struct bench_cmd *c, uint64_t oid);
void bench_cmd_start(struct bench_cmd *c, uint64_t start);
/** A nonce makes the device record the outcome (exactly once). */
void bench_cmd_nonce(struct bench_cmd *c, uint64_t n);

static inline uint64_t bench_cmd_run(const struct bench_target *t, const struct bench_cmd *c)
{
    return t->run(t->arg, c);
}

/** End the program because of a command's status. */
noreturn void bench_refused(const struct bench_cmd *c, uint8_t status, const uint8_t *sense,
                            size_t sense_len);

/** The calling thread stays on one CPU from now on; threads that are there already do not care. */
void bench_pin(int cpu);

/** Nanoseconds that only grow. */
uint64_t bench_now_ns(void);

#endif
