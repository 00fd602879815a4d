/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interop/carrier.h - how osd_drive's commands travel: over iSCSI, or into a capture file
 *
 * The capture file holds what an iSCSI session would have carried, bidirectional commands
 * included, which kernel LIO refuses; the commands run on a device in this process.
 */
#ifndef INTEROP_CARRIER_H
#define INTEROP_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

/** A command and its answer. out and in are the caller's. */
struct exchange {
    const uint8_t *cdb;
    size_t cdb_len;
    const uint8_t *out;
    size_t out_len;
    uint8_t *in;
    size_t in_cap; /* room, and what is announced as expected length; 0: no Data-In */
    /* the answer */
    size_t in_len;
    uint8_t status;
    uint8_t sense[252];
    size_t sense_len;
};

struct carrier {
    osd_status (*execute)(struct carrier *c, struct exchange *x);
    void (*close)(struct carrier *c);
    bool both_ways; /* carries Data-Out and Data-In in one command */
};

/** Log in to an iscsi:// URL. NULL with a sentence on standard error. */
struct carrier *carrier_iscsi(const char *url);

/** A device on a fresh store in memory; the packets go to a file (pcap, raw IPv4). */
struct carrier *carrier_capture(const char *path);

#endif
