/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/icv.h - integrity check values and the derivation of keys (reference 6.2-6.7)
 *
 * HMAC-SHA1 as the standard has it, or HMAC-SHA256 cut to the same 20 bytes (a vendor's algorithm
 * in the sense of the supported algorithms attributes); functions without an algorithm in their
 * name's end mean the former. Key derivation is always HMAC-SHA1. Both ends use these functions, so what one signs the other verifies.
 * Invariants:
 *  (1) Keys and values have OSD_KEY_LEN bytes; OSD-2 fields of 32 bytes hold them at the left,
 *      followed by zeros.
 *  (2) Comparison takes the same time wherever the values differ.
 *  (3) Nothing of a key stays behind when a call returns, but in what the caller has: a key made
 *      ready, until osd_mac_key_wipe(), and a code, until its end.
 * Every function may be called from any thread; OSD_E_NOMEM when the library fails.
 */
#ifndef SECURITY_ICV_H
#define SECURITY_ICV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/iov.h"
#include "osd/status.h"
#include "wire/cdb.h"
#include "wire/spc.h"

#define OSD_KEY_LEN 20

/** Codes of algorithms as in the supported algorithms attributes. */
enum osd_hmac { OSD_HMAC_SHA1 = 0x01, OSD_HMAC_SHA256 = 0xe0 };

/** Index of an algorithm in a capability, on our device (root attributes 80000000h + index). */
#define OSD_HMAC_INDEX_SHA1   1
#define OSD_HMAC_INDEX_SHA256 2

/** Algorithm of an index on our device; false when there is none. Index 0 is HMAC-SHA1, too. */
bool osd_hmac_of_index(uint8_t index, enum osd_hmac *ret);

/** A key made ready for many codes: two blocks of each are computed. As secret as the key. */
struct osd_mac_key {
    uint32_t inner[8], outer[8];
    bool sha256;
};

osd_status osd_mac_key_make(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                            struct osd_mac_key *ret);
void osd_mac_key_wipe(struct osd_mac_key *k);

/** A code being computed over bytes that come one after the other. osd_mac_end() or osd_mac_drop()
 *  wipes it. */
struct osd_mac {
    uint64_t digest[14];
    uint32_t outer[8];
    bool sha256;
};

void osd_mac_begin_with(const struct osd_mac_key *k, struct osd_mac *m);
osd_status osd_mac_begin_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                            struct osd_mac *m);
osd_status osd_mac_add(struct osd_mac *m, const void *data, size_t len);
/** len bytes at off of an iov; zeros are added for what lies outside. */
osd_status osd_mac_add_iov(struct osd_mac *m, const struct osd_iov *iov, uint64_t off,
                           uint64_t len);
osd_status osd_mac_end(struct osd_mac *m, uint8_t ret[OSD_KEY_LEN]);
void osd_mac_drop(struct osd_mac *m);

/** One code over the pieces in their order. */
osd_status osd_mac_with(const struct osd_mac_key *k, const struct osd_bytes *pieces, size_t n,
                        uint8_t ret[OSD_KEY_LEN]);
osd_status osd_mac_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                      const struct osd_bytes *pieces, size_t n, uint8_t ret[OSD_KEY_LEN]);

/** SHA-256 of bytes. */
#define OSD_DIGEST_LEN 32
osd_status osd_digest(const void *data, size_t len, uint8_t ret[OSD_DIGEST_LEN]);

/** Whether a field of len bytes (20 or 32) holds the value. */
bool osd_icv_equal(const uint8_t value[OSD_KEY_LEN], const uint8_t *field, size_t len);

/** Put a value into a field of len bytes (20 or 32). */
void osd_icv_put(const uint8_t value[OSD_KEY_LEN], uint8_t *field, size_t len);

/** Integrity value of a credential, which is the capability key (6.3). capability: 80 or 104
 *  bytes as in the CDB. */
osd_status osd_capability_key_by(enum osd_hmac hmac, const uint8_t secret[OSD_KEY_LEN],
                                 struct osd_bytes capability,
                                 const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                 uint8_t ret[OSD_KEY_LEN]);

/** Request integrity value of CMDRSP and ALLDATA: the CDB with its own field as zeros. */
osd_status osd_request_icv_with(const struct osd_mac_key *k, enum osd_gen gen,
                                const uint8_t *cdb, uint8_t ret[OSD_KEY_LEN]);
osd_status osd_request_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                              enum osd_gen gen, const uint8_t *cdb, uint8_t ret[OSD_KEY_LEN]);

/** Response integrity value: nonce, status, and sense data whose own value is zeros. */
osd_status osd_response_icv_with(const struct osd_mac_key *k,
                                 const uint8_t nonce[OSD_NONCE_LEN], uint8_t status,
                                 struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN]);
osd_status osd_response_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                               const uint8_t nonce[OSD_NONCE_LEN], uint8_t status,
                               struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN]);

/** Value of a CDB continuation segment: its bytes with its own field (8-39) as zeros. */
osd_status osd_continuation_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                                   struct osd_bytes segment, uint8_t ret[OSD_KEY_LEN]);

enum osd_key_part { OSD_KEY_AUTHENTICATION = 0, OSD_KEY_GENERATION = 1 };

/** A new key from its parent's generation key (6.7): the last bit of the seed says which part. */
osd_status osd_key_derive(const uint8_t parent[OSD_KEY_LEN], struct osd_bytes seed,
                          enum osd_key_part part, uint8_t ret[OSD_KEY_LEN]);

/* ---- the same with HMAC-SHA1 ---- */

static inline osd_status osd_mac_begin(const uint8_t key[OSD_KEY_LEN], struct osd_mac *m)
{
    return osd_mac_begin_by(OSD_HMAC_SHA1, key, m);
}

static inline osd_status osd_mac(const uint8_t key[OSD_KEY_LEN], const struct osd_bytes *pieces,
                                 size_t n, uint8_t ret[OSD_KEY_LEN])
{
    return osd_mac_by(OSD_HMAC_SHA1, key, pieces, n, ret);
}

static inline osd_status osd_capability_key(const uint8_t secret[OSD_KEY_LEN],
                                            struct osd_bytes capability,
                                            const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                            uint8_t ret[OSD_KEY_LEN])
{
    return osd_capability_key_by(OSD_HMAC_SHA1, secret, capability, system_id, ret);
}

static inline osd_status osd_request_icv(const uint8_t key[OSD_KEY_LEN], enum osd_gen gen,
                                         const uint8_t *cdb, uint8_t ret[OSD_KEY_LEN])
{
    return osd_request_icv_by(OSD_HMAC_SHA1, key, gen, cdb, ret);
}

static inline osd_status osd_response_icv(const uint8_t key[OSD_KEY_LEN],
                                          const uint8_t nonce[OSD_NONCE_LEN], uint8_t status,
                                          struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN])
{
    return osd_response_icv_by(OSD_HMAC_SHA1, key, nonce, status, sense, ret);
}

static inline osd_status osd_continuation_icv(const uint8_t key[OSD_KEY_LEN],
                                              struct osd_bytes segment,
                                              uint8_t ret[OSD_KEY_LEN])
{
    return osd_continuation_icv_by(OSD_HMAC_SHA1, key, segment, ret);
}

#endif
