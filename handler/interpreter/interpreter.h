/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/interpreter.h - one OSD logical unit: SCSI command in, status and data
 * out
 *
 * The one entry point for every transport (tcmu handler, file:// in libosd, tests). It knows no
 * transport: a command is bytes, Data-Out and Data-In are iovecs.
 * Invariants:
 *  (1) osd_device_execute() always fills the response and writes every byte of request.in
 *      (what the command does not fill is zero), also on errors.
 *  (2) One command is one store transaction; a failing command changes nothing. Those that work on
 *      after their status (tracker.h) have another one for the work.
 *  (3) A state-changing command with a non-zero nonce executes at most once within the store's
 *      window of records; a repetition is answered from the record.
 */
#ifndef INTERPRETER_INTERPRETER_H
#define INTERPRETER_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/iov.h"
#include "osd/status.h"
#include "store/store.h"
#include "wire/sense.h"
#include "wire/spc.h"

struct osd_device;

struct osd_device_config {
    struct osd_store *store;       /* taken over; closed by osd_device_close() */
    const struct osd_clock *clock; /* NULL: the system's */
    char serial[64];               /* unit serial number; "" = random, kept in the store */
    uint8_t default_method;        /* security method of a new device */
    /* The first master key of a device that has none: 20 bytes generation, 20 authentication
     * key; asked for once, during open. NULL: leave it so. */
    osd_status (*first_key)(void *arg, uint8_t ret_key[40]);
    void *key_arg;
    const uint8_t *passphrase; /* keys are sealed under it in the store; NULL: they lie open */
    size_t passphrase_len;
    bool weak_groups;    /* SET MASTER KEY may use the 1024-bit group */
    uint64_t scrub_rate; /* bytes per second read in the background to find damage; 0: never */
    uint64_t scrub_interval_ms; /* from the end of one pass to the beginning of the next */
};

/** OSD_OK; OSD_E_IO, OSD_E_CORRUPT from the store; OSD_E_UNSUPPORTED security method;
 *  OSD_E_NOT_FOUND (a method other than NOSEC, and no master key); what first_key() returns;
 *  OSD_E_DENIED (keys are sealed, and this is not the passphrase). The
 *  store stays the caller's on failure. */
osd_status osd_device_open(const struct osd_device_config *cfg, struct osd_device **ret);

/** Of a store that no device has open, whose keys may be missing or older than they were: partition
 *  and working keys of partition pid end, with pid 0 those of all; own: its attributes may be missing
 *  or older, so it asks for ALLDATA, and with pid 0 root and master key end, too. Where nothing ever had
 *  to be proved, keys end and that is all. A device without master key, or whose passphrase is lost with
 *  its salt, needs a new master key as one that is made. What the store returns. */
osd_status osd_device_distrust(struct osd_store *store, uint64_t pid, bool own);

/** Security method that a store's device was made with. OSD_E_NOT_FOUND: it has no device yet;
 *  OSD_E_IO, OSD_E_CORRUPT. */
osd_status osd_device_made_with(struct osd_store *store, uint8_t *ret_method);

/** Security method that the device asks for unless a partition says otherwise: the one it was
 *  made with. */
uint8_t osd_device_method(const struct osd_device *dev);

/** The unit serial number, and the names made of it, where the transport learns it late; "" =
 *  no change; longer than 64 characters is cut. Before the first osd_device_execute(). */
void osd_device_set_serial(struct osd_device *dev, const char *serial);

/** Ends the device after all osd_device_execute() calls returned; closes the store. What works on
 *  after its status is aborted first. */
void osd_device_close(struct osd_device *dev);

/** One command. With shared_buffer (TCMU: one buffer, its direction is in the CDB) out and in
 *  name the same memory; a command that needs both directions is then refused with INVALID
 * FIELD IN CDB at byte 52 (its attribute parameters), except through two-phase transfer. */
struct osd_request {
    const uint8_t *cdb;
    size_t cdb_len;
    struct osd_iov out, in;
    bool shared_buffer;
    bool later;                /* nobody is told of the outcome before osd_device_publish() */
    struct store_early *early; /* of osd_device_early(), or NULL */
};

struct osd_response {
    uint8_t status; /* SAM_* */
    size_t sense_len;
    uint8_t sense[OSD_SENSE_MAX];
    uint64_t in_len; /* Data-In bytes that carry meaning, from the start; the rest is zero */
};

#define OSD_EARLY_MAX STORE_EARLY_MAX

/** Before n requests, at most OSD_EARLY_MAX, are executed one after the other by this thread: put what
 *  those among them that WRITE whole blocks bring into place together, and set `early` of all of them.
 *  Their buffers stay as they are until osd_device_early_end(). Nothing is changed by that, whatever
 *  becomes of the requests. */
void osd_device_early(struct osd_device *dev, struct osd_request *reqs, size_t n);

/** After the last of them; before somebody is told of the outcome of any. */
void osd_device_early_end(struct osd_device *dev, struct store_early *e);

/** Execute. Blocks; any number of threads at once. */
void osd_device_execute(struct osd_device *dev, const struct osd_request *req,
                        struct osd_response *ret);

/** Wait until no command works on after its status (IMMED_TR). Any thread. */
void osd_device_settle(struct osd_device *dev);

/** Before somebody is told of these responses: what their commands changed with `later`, or may
 *  have seen of others that did, survives the death of the process when it returns. When the store
 *  fails they all become HARDWARE ERROR. Any thread. */
void osd_device_publish(struct osd_device *dev, struct osd_response *responses, size_t n);

enum osd_weight {
    OSD_WEIGHT_SHORT,    /* run where it arrived */
    OSD_WEIGHT_TRANSFER, /* does no more than move much: as SHORT when alone, else as LONG */
    OSD_WEIGHT_LONG,     /* may block or take long: give it to a worker */
    OSD_WEIGHT_HEAVY     /* may take minutes (table.c): leave workers for others */
};

/** What a command works on, as far as its CDB tells: object oid of partition pid; oid 0 the
 *  whole partition, pid 0 everything. */
struct osd_scope {
    bool
        nothing; /* nobody waits for it long (SPC commands, staging, flushes, what is malformed) */
    bool stages; /* a COLLECT that comes later is judged by it: it is carried out before that */
    uint64_t pid, oid;
};

/** Judge a command without executing it, and what it will lock; malformed ones are short. What it is
 *  allowed by is not looked at. A COLLECT is judged by the command that was staged for it. Any thread. */
enum osd_weight osd_device_weigh(struct osd_device *dev, const uint8_t *cdb, size_t cdb_len,
                                 struct osd_scope *ret_scope);

/** True when one of the two commands may have to wait for the other. */
bool osd_scopes_meet(struct osd_scope a, struct osd_scope b);

/** Counters for logs and osdctl info; any thread. */
struct osd_device_stats {
    uint64_t commands, failures, replays, staged_bytes;
    uint64_t scrub_ended; /* when the last pass ended, ms since 1970; 0: none did */
};
void osd_device_stats(struct osd_device *dev, struct osd_device_stats *ret);

#endif
