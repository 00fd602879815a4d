/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/rig.h - a logical unit on an empty store with a clock that stands still
 *
 * rig_run() executes one command with Data-In poisoned and asserts what must always hold: the
 * response is filled, sense decodes and fits, everything behind in_len is zero.
 */
#ifndef TESTS_INTERPRETER_RIG_H
#define TESTS_INTERPRETER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interpreter/interpreter.h"
#include "wire/attrs.h"
#include "wire/cdb.h"
#include "wire/list.h"
#include "wire/sense.h"
#include "wire/twophase.h"

#define RIG_NOW 0x019b76daa800ULL /* 2026-01-01 */
#define RIG_BUF (1 << 20)
#define RIG_PID 0x10000ULL
#define RIG_OID 0x10005ULL
#define RIG_CID 0x10100ULL
#define BOTH(g)                                                                                \
    enum osd_gen g = OSD_GEN1;                                                                 \
    g <= OSD_GEN2;                                                                             \
    g++

struct rig {
    struct osd_clock clock;
    uint64_t now;
    struct osd_store *store; /* owned by the device */
    struct osd_device *dev;
    struct osd_response r;
    struct osd_sense sense; /* decoded when there is any */
    uint8_t *out, *in;      /* RIG_BUF bytes each */
    size_t out_len, in_len; /* what the next rig_run() offers */
    bool shared, later;     /* of the request */
    char dir[80];           /* of a store that persists; "" otherwise */
};

/** Group setup and teardown of one unit. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/** The same on a store of the caller's (taken over). */
void rig_open_on(struct rig *rig, struct osd_store *store);
/** ... configured otherwise; store, clock and serial are filled in. */
void rig_open_with(struct rig *rig, struct osd_store *store, struct osd_device_config cfg);
/** An empty store with the rig's clock: the memory store, or what RIG_STORE in the environment
 *  names ("rocksdb"). rig_close() removes its directory. */
struct osd_store *rig_store(struct rig *rig, uint64_t capacity);

/** A command in page format without attributes and without capability. */
struct osd_cdb rig_cmd(enum osd_op op, enum osd_gen gen, uint64_t pid, uint64_t oid);

/** Give a command a full capability of its generation: all permissions, right type and ids. */
void rig_cap(struct osd_cdb *c, uint8_t type, uint16_t perms);

/** Execute; Data-Out is rig->out[0..out_len), Data-In rig->in[0..in_len). Returns the status.
 */
uint8_t rig_run(struct rig *rig, const struct osd_cdb *c);
uint8_t rig_run_raw(struct rig *rig, const uint8_t *cdb, size_t len);

/** Assert the outcome of the last command. */
void expect_good(const struct rig *rig);
void expect_cdb(const struct rig *rig, uint16_t field);
void expect_param(const struct rig *rig, uint16_t field);
void expect_asc(const struct rig *rig, uint8_t key, uint16_t asc);
void expect_quota(const struct rig *rig, uint32_t page, uint32_t number);

/** Run a command without data and expect GOOD. */
void rig_good(struct rig *rig, const struct osd_cdb *c);

/** Partition RIG_PID and user object RIG_OID in it. */
void rig_objects(struct rig *rig);
void rig_partition(struct rig *rig, uint64_t pid);
void rig_object(struct rig *rig, uint64_t pid, uint64_t oid);
/** Collection RIG_CID or another; a user object's membership under an attribute number. */
void rig_collection(struct rig *rig, uint64_t pid, uint64_t cid);
void rig_tracking(struct rig *rig, uint64_t pid, uint64_t cid, uint64_t source);
void rig_join(struct rig *rig, uint64_t oid, uint32_t number, uint64_t cid);
/** Members of a collection of RIG_PID (cid 0: its collections); returns how many. */
size_t rig_members(struct rig *rig, uint64_t cid, uint64_t *ids, size_t max);
void rig_write(struct rig *rig, uint64_t oid, uint64_t start, const void *data, size_t len);

/** Value of one attribute by a GET ATTRIBUTES in list format; returns its length, -1 when
 *  undefined. */
int rig_get(struct rig *rig, enum osd_gen gen, uint64_t pid, uint64_t oid, uint32_t page,
            uint32_t number, uint8_t *dst);
uint64_t rig_get_u(struct rig *rig, uint64_t pid, uint64_t oid, uint32_t page, uint32_t number);

/** Set one attribute in list format; the outcome is in rig->r. */
void rig_set(struct rig *rig, enum osd_gen gen, uint64_t pid, uint64_t oid, uint32_t page,
             uint32_t number, const void *value, uint16_t len);
void rig_set_u(struct rig *rig, uint64_t pid, uint64_t oid, uint32_t page, uint32_t number,
               uint64_t value, uint16_t len);

/** Put lists into rig->out at an offset; return their length. */
size_t rig_get_list(struct rig *rig, enum osd_gen gen, size_t at, const struct osd_attr_id *ids,
                    size_t n);
size_t rig_set_list(struct rig *rig, enum osd_gen gen, size_t at, struct osd_attr_id id,
                    const void *value, uint16_t len);

/** PERFORM TASK MANAGEMENT FUNCTION (OSD-2); returns the service response of its answer. */
uint8_t rig_manage(struct rig *rig, uint8_t function, uint64_t tag);

/** Common first and last function of a test. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define rig_test(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

#endif
