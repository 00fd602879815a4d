/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/signed.h - a logical unit with keys, and requests signed as a client does,
 * with keys that the test derives itself
 */
#ifndef TESTS_INTERPRETER_SIGNED_H
#define TESTS_INTERPRETER_SIGNED_H

#include "rig.h"
#include "security/icv.h"

#define P5      (OSD_PAGE_P + OSD_PG_SECURITY)
#define R5      (OSD_PAGE_R + OSD_PG_SECURITY)
#define VERSION 3 /* of the working key */

struct keys {
    uint8_t master[2][OSD_KEY_LEN]; /* by enum osd_key_part */
    uint8_t root[2][OSD_KEY_LEN], partition[2][OSD_KEY_LEN], working[OSD_KEY_LEN];
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
};

/** The signed request, and what checks its response. */
struct request {
    struct osd_cdb c;
    uint8_t raw[OSD_CDB_MAX], capability_key[OSD_KEY_LEN];
    size_t len;
    enum osd_hmac hmac; /* of its capability */
};

extern unsigned n_nonces;    /* makes nonces differ */
extern uint8_t signed_index; /* of the integrity algorithm in capabilities that are made */

/** Open a unit with a first master key; furnish: method NOSEC, an object with "data", and the
 *  three keys of RIG_PID. */
void signed_open(struct rig *rig, uint8_t method, struct keys *k);
void signed_furnish(struct rig *rig, struct keys *k);

/** Give a partition its keys; with signed_keys() the root key is set before. k follows. */
void signed_keys(struct rig *rig, enum osd_gen g, uint64_t pid, struct keys *k);
void signed_keys_below(struct rig *rig, enum osd_gen g, uint64_t pid, struct keys *k);
struct request signed_set_key(struct rig *rig, enum osd_gen g, uint8_t which, uint64_t pid,
                              uint8_t version, const uint8_t *secret, const struct keys *k);
void signed_derive(uint8_t key[2][OSD_KEY_LEN], const uint8_t *parent, const uint8_t *seed,
                   size_t len);
int signed_seed(uint8_t which, uint64_t pid, uint8_t version);

/** Commands with a capability of their own. */
struct osd_cdb signed_command(enum osd_op op, enum osd_gen g, uint64_t pid, uint64_t oid,
                              uint8_t type, uint16_t perms);
struct osd_cdb signed_read(enum osd_gen g);

/** Sign a command that has its capability, with a fresh nonce; sign again what was changed. */
struct request signed_make(struct rig *rig, struct osd_cdb c, uint8_t method,
                           const uint8_t secret[OSD_KEY_LEN], const struct keys *k);
void signed_again(struct request *r, const uint8_t secret[OSD_KEY_LEN], const struct keys *k);

/** Sign what was made for CAPKEY with the device's security token. */
void signed_token(struct rig *rig, struct request *r);

/** Execute; and whether the sense data of a failed one is signed. */
void signed_run(struct rig *rig, const struct request *r);
void expect_signed(const struct rig *rig, const struct request *r);

#endif
