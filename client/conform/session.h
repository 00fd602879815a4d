/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/session.h - commands of the script language, carried out one by one
 */
#ifndef CONFORM_SESSION_H
#define CONFORM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conform.h"
#include "osd/status.h"
#include "script.h"

struct session;

/** What was sent, expected and got: for the one who reads that a case failed. */
struct report {
    char command[1024]; /* the line, variables replaced */
    char cdb[544];      /* hexadecimal */
    char out[160];      /* Data-Out, its length and first bytes */
    char expected[1024];
    char got[256]; /* status and sense */
    char why[256]; /* what is wrong with it */
};

/**
 * Open a device: iscsi://, file://, memory:.
 *
 * @param key_file master key of the device; NULL: none. memory: and a store made here get it.
 * @param create   make the store of a file:// URL when there is none; of memory: always.
 */
osd_status session_open(const char *url, const char *key_file, bool create,
                        struct session **ret, char *reason, size_t reason_len);
void session_close(struct session *s);

/** Whether commands reach the device as they are, no kernel in between. */
bool session_in_process(const struct session *s);

/** From here on commands that change anything outside of these partitions are not sent:
 *  session_step() says OSD_E_DENIED instead. */
void session_confine(struct session *s, uint64_t first, uint64_t second);

/** What is between us and the device from here on; NULL: nothing. */
void session_tamper(struct session *s, void (*tamper)(void *arg, struct conform_exchange *x),
                    void *arg);

/** Whether the steps from here on are those of a case. */
void session_in_case(struct session *s, bool in_case);

/**
 * Carry out one step and check what it says.
 *
 * @return OSD_OK: as expected; OSD_E_NOT_FOUND: the answer is another; OSD_E_UNSUPPORTED: the
 *         device does not offer the command, which is optional; OSD_E_DENIED: see
 *         session_confine(); OSD_E_INVALID: the step is malformed; else the transport failed.
 *         A sentence in rep->why unless OSD_OK.
 */
osd_status session_step(struct session *s, int gen, const struct script_step *step,
                        struct vars *vars, struct report *rep);

#endif
