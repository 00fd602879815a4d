/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/sign.h - integrity check values of commands and answers (reference 6)
 *
 * Computed here with OpenSSL and by the standard's layouts, not by security/: a device that signs
 * wrongly in the same way as our library is found out.
 */
#ifndef CONFORM_SIGN_H
#define CONFORM_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "osd/status.h"

#define ICV_LEN       20
#define SYSTEM_ID_LEN 20
#define TOKEN_MAX     256

/** What a signature needs to know of the device. */
struct sign_facts {
    uint8_t system_id[SYSTEM_ID_LEN];
    uint8_t token[TOKEN_MAX]; /* security token of VPD page B1h */
    size_t token_len;
    uint64_t clock_ms; /* of the device, now */
};

/** How a command was signed; method 0: it was not. */
struct signature {
    uint8_t method;
    bool sha256;
    uint8_t key[ICV_LEN]; /* capability key */
    size_t in_info_at;    /* where data-in integrity information is expected; 0: nowhere */
};

/** HMAC over the pieces one after the other, cut to 20 bytes. False: no memory. */
bool sign_hmac(bool sha256, struct osd_bytes key, const struct osd_bytes *pieces, size_t n,
               uint8_t ret[ICV_LEN]);

/** The capability key of a credential: HMAC of the capability and the system id. */
bool sign_capability_key(bool sha256, struct osd_bytes secret, int gen, const uint8_t *cdb,
                         const struct sign_facts *facts, uint8_t ret[ICV_LEN]);

/** Put the request integrity check value into the CDB. */
bool sign_cdb(const struct signature *s, int gen, uint8_t *cdb, const struct sign_facts *facts);

/** Put the continuation's value into its segment (OSD-2). */
bool sign_continuation(const struct signature *s, uint8_t *segment, size_t len);

/** Data-Out integrity information: three counts and the value over the pieces and these. dst
 *  gets sign_out_len() bytes. */
bool sign_out(const struct signature *s, int gen, const struct osd_bytes piece[3],
              uint8_t *dst);
size_t sign_out_len(int gen);
size_t sign_in_len(int gen);

/** Whether value (20 or 32 bytes) is the response's: nonce, status, sense with its value zero. */
bool sign_response_right(const struct signature *s, int gen, const uint8_t *cdb, uint8_t status,
                         struct osd_bytes sense, const uint8_t *value);

/** Whether Data-In integrity information stands where it must and is right for what its counts say:
 *  command data from the start, retrieved attributes at retrieved_at. */
bool sign_in_right(const struct signature *s, int gen, struct osd_bytes in,
                   size_t retrieved_at);

/** base to the power of exponent in a MODP group (1: 1024 bits, 2: 2048 bits), big-endian and as
 *  long as the modulus (128 or 256 bytes). 0: no such group, or no memory; else the length. */
size_t sign_power(unsigned group, struct osd_bytes base, struct osd_bytes exponent,
                  uint8_t dst[256]);

#endif
