/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/staging.h - two-phase transfer: commands that wait for their Data-In
 *
 * STAGE DATA-OUT leaves an embedded CDB and its Data-Out under a tag, COLLECT executes it
 * (wire/twophase.h). Bounded in number, bytes and time.
 */
#ifndef INTERPRETER_STAGING_H
#define INTERPRETER_STAGING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "interpreter.h"
#include "wire/cdb.h"
#include "wire/twophase.h"

#define STAGE_MAX_BYTES  (16 * MIB)
#define STAGE_MAX_TOTAL  (64 * MIB)
#define STAGE_MAX_COUNT  64
#define STAGE_EXPIRES_MS 30000

struct stage {
    uint8_t tag[OSD_TAG_LEN];
    uint8_t *data; /* NULL: free slot */
    uint32_t len;
    uint32_t cdb_len; /* of data: the embedded CDB */
    uint64_t deadline, order;
    bool busy; /* being written or executed */
    bool done; /* executed; kept for a repeated COLLECT, first to go when room is needed */
};

struct staging {
    pthread_mutex_t lock;
    struct stage slots[STAGE_MAX_COUNT];
    uint64_t total, order;
};

void staging_init(struct staging *s);
void staging_destroy(struct staging *s);
uint64_t staging_bytes(struct staging *s);

/** Copy the CDB that is staged under a tag. False: there is none, or it is being staged or
 *  executed at this moment. */
bool staging_peek(struct staging *s, const uint8_t *tag, uint8_t cdb[OSD_CDB_MAX],
                  size_t *ret_len);

/** Carry out one of the two wrapper commands. */
void staging_execute(struct osd_device *dev, const struct osd_twophase *t,
                     const struct osd_request *req, struct osd_response *ret);

#endif
