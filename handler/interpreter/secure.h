/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/secure.h - security methods: who made this request, and did it arrive
 * whole? (reference 6)
 */
#ifndef INTERPRETER_SECURE_H
#define INTERPRETER_SECURE_H

#include "command.h"

#define METHODS_KEYED   0x000fu /* NOSEC, CAPKEY, CMDRSP, ALLDATA: with a master key */
#define METHODS_NOSEC   0x0001u /* without one */
#define OLDEST_NONCE_MS 600000u /* limits of the nonce window, as durations */
#define NEWEST_NONCE_MS 60000u

/* Audit values whose capabilities are refused: an attribute of P+5h that is ours, the values one
 * behind the other (docs/security.md). */
#define FROZEN_AUDITS     0x80000001u
#define FROZEN_AUDITS_MAX 256u

/** Function VALIDATION: method, key, integrity values of request, continuation and data,
 *  nonce. Afterwards command.cap_key signs the response where the method wants that. */
osd_status secure_validate(struct command *c);

/** Once more, after others may have worked: whether method, key and audit value of a request that was
 *  valid are good still. */
osd_status secure_validate_again(struct command *c);

/** The partition whose method and keys a command is judged by; 0 for the device. */
uint64_t secure_judge(const struct command *c);

/** The method a partition (0: the root and partition zero) asks for at least. */
osd_status secure_default_method(struct command *c, uint64_t pid, uint8_t *ret);

/** Whether the response carries integrity values. */
static inline bool secure_signs(const struct command *c)
{
    return c->verified && c->cdb.cap.method >= OSD_SEC_CMDRSP;
}

/** Whether the command has a request integrity value of its own, over all other bytes of its CDB: by what
 *  its capability says. secure_validate() says whether it is right. */
bool secure_has_value(const struct command *c);

/** Length of an integrity value of the command's generation. */
static inline uint8_t secure_icv_len(const struct command *c)
{
    return c->cdb.gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
}

/** Response integrity value of GOOD, into a field of secure_icv_len() bytes; zeros where the status
 *  will be another. */
osd_status secure_good_icv(const struct command *c, uint8_t *dst);

/** After a commit and before the answer: what was known of credentials may hold no longer. */
void secure_note_change(struct command *c);

/** Give sense data its response integrity value. */
void secure_sign_sense(const struct command *c, struct osd_sense *s);

/** ALLDATA: put the integrity check information behind the data; returns the new in_len. */
uint64_t secure_seal(struct command *c, uint64_t in_len);

#endif
