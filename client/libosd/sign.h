/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/sign.h - credentials of a session: signing commands, verifying answers
 *
 * A session has none (NOSEC), one credential, a master key it makes credentials with, or a security
 * manager that it fetches them from. Every
 * try of a signed command is signed anew only when the device refused its nonce, so what is
 * repeated after a lost answer is the same bytes.
 * Invariants:
 *  (1) An answer whose integrity value is wrong never reaches the caller as a result.
 *  (2) Keys are wiped when the session closes, those that were made of the master key as well.
 */
#ifndef LIBOSD_SIGN_H
#define LIBOSD_SIGN_H

#include <pthread.h>
#include <stdatomic.h>

#include "manager.h"
#include "osd/osd.h"
#include "security/algorithms.h"
#include "security/credential.h"
#include "security/keyring.h"
#include "transport.h"

#define TOKEN_MAX    64
#define MADE_MAX     32u
#define WORKING_MAX  8u
#define NONCES_AHEAD 32u
#define NONCE_RANDOM 6u /* bytes of a nonce, behind the time */

enum sign_with { SIGN_NOTHING, SIGN_CREDENTIAL, SIGN_KEYRING, SIGN_MANAGER };

/* The key of a capability that was made here. */
struct made_key {
    uint64_t pid; /* whose working key it was made with */
    enum osd_hmac hmac;
    size_t len; /* of the capability; 0: none */
    uint8_t capability[OSD2_CAPABILITY_LEN];
    uint8_t key[OSD_KEY_LEN];
};

/* A working key that was made of the master key. */
struct working_key {
    bool made;
    uint64_t pid;
    uint8_t version;
    uint8_t key[OSD_KEY_LEN];
};

struct signer {
    enum sign_with with;
    enum osd_wish wish; /* for capabilities that are made here */
    uint8_t method;     /* of capabilities that are made here; or the credential's */
    struct osd_keyring ring;
    struct osd_credential credential;
    struct manager *manager;
    atomic_int_fast64_t skew; /* the device's clock less ours, ms */
    pthread_mutex_t lock;     /* of what follows */
    bool knows_system, knows_token, knows_algorithm;
    struct osd_algorithm algorithm; /* what the wish came to */
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    uint8_t token[TOKEN_MAX];
    size_t token_len;
    struct made_key made[MADE_MAX];
    struct working_key working[WORKING_MAX];
    uint8_t randoms[NONCES_AHEAD * NONCE_RANDOM];
    size_t randoms_left; /* bytes */
};

struct build;
struct osd_session;

/** Read the files that the options name. why gets a sentence on failure. */
osd_status signer_open(struct signer *g, const struct osd_options *opt, enum osd_gen gen,
                       char *why, size_t why_len);
void signer_close(struct signer *g);

/** With a security manager: a credential for the capability in b->cdb, from which the method
 *  follows. osd_last_error() has the manager's sentence. Nothing to do without one. */
osd_status signer_fetch(struct osd_session *s, struct build *b);

/** Whether the command's answer shall carry integrity values: of the response, and of Data-In
 *  and Data-Out. two_way: it would cost a command that moves data out a second direction. */
bool signer_wants_response(const struct signer *g, const struct build *b, bool two_way);
bool signer_wants_data(const struct signer *g, const struct build *b);

/** Room that build() leaves at the ends of Data-Out and Data-In under ALLDATA. */
size_t signer_out_info(enum osd_gen gen);
size_t signer_in_info(enum osd_gen gen);

/** Ask the device for its system id, once. */
osd_status signer_learn(struct osd_session *s);

/** With a key file: the algorithm of capabilities made for this session, for which the device is
 *  asked once. OSD_E_UNSUPPORTED: it does not list what is wished for. */
osd_status signer_choose(struct osd_session *s, struct osd_algorithm *ret);

/** A nonce of now, by the device's clock. Any thread. */
void signer_nonce(struct signer *g, uint8_t nonce[OSD_NONCE_LEN]);

/** A working key of the master key. Any thread. */
osd_status signer_working_key(struct signer *g, uint64_t pid, uint8_t version,
                              uint8_t ret[OSD_KEY_LEN]);

/** Byte of the request integrity value in a CDB. */
size_t signer_icv_field(enum osd_gen gen);

/** Capability, nonce, encoding, integrity values. b->cdb is complete but for these. */
osd_status sign(struct osd_session *s, struct build *b, const struct osd_call *c);

/** Judge the integrity values of an answer. OSD_OK; OSD_E_PROTOCOL with osd_last_error() set. */
osd_status verify(struct osd_session *s, const struct build *b, const struct osd_call *c,
                  const struct exchange *x);

/** Whether the device refused what signing again sets right: nonce, clock, token, a key that it
 *  no longer has. At most a few tries. */
bool sign_again(struct osd_session *s, struct build *b, const struct exchange *x, unsigned try);

#endif
