/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/transport.h - one encoded command to the device and back, however it is reached
 *
 * Invariants:
 *  (1) A command with data in both directions is one command for the caller; over iSCSI it goes
 *      as STAGE DATA-OUT and COLLECT (wire/twophase.h).
 *  (2) What is retried is sent with the same bytes, nonce included.
 */
#ifndef LIBOSD_TRANSPORT_H
#define LIBOSD_TRANSPORT_H

#include "common/iov.h"
#include "osd/osd.h"
#include "wire/sense.h"
#include "wire/twophase.h"

struct transport;

struct exchange {
    const uint8_t *cdb;
    size_t cdb_len;
    struct osd_iov out, in;
    uint8_t
        tag[OSD_TAG_LEN]; /* of its stage, if it goes in two phases; transport_execute()'s */
    /* Results. */
    uint8_t status;
    uint8_t sense[OSD_SENSE_MAX];
    size_t sense_len;
    uint64_t in_len;
};

/** Open. opt as for osd_open(); a negative method makes a store of memory: or file:// that has the
 *  key and accepts commands without proof. */
osd_status transport_open(const char *url, const struct osd_options *opt,
                          struct transport **ret, char *reason, size_t reason_len);
/** Login and every command over iSCSI end after command_ms with OSD_E_TIMEOUT; 0: login after ten
 *  seconds, commands never. */
osd_status transport_open_within(const char *url, const struct osd_options *opt,
                                 uint32_t command_ms, struct transport **ret, char *reason,
                                 size_t reason_len);
void transport_close(struct transport *t);

/** Carry out; retries until options.retry_ms. OSD_OK: a SCSI status was received. reason gets a
 *  sentence otherwise. */
osd_status transport_execute(struct transport *t, struct exchange *x, char *reason,
                             size_t reason_len);

/** As transport_execute(), but only once: BUSY and unit attentions are the answer. */
osd_status transport_once(struct transport *t, struct exchange *x, char *reason,
                          size_t reason_len);

/** The store of a file:// transport, NULL otherwise. */
struct osd_store *transport_store(struct transport *t);

#endif
