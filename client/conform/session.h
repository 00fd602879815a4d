/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/session.h - commands of the script language, carried out one by one
 */
#ifndef CONFORM_SESSION_H
#define CONFORM_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "osd/status.h"
#include "script.h"

struct session;

/** Open a device: iscsi://, file:// (the store is made when there is none), memory:. */
osd_status session_open(const char *url, struct session **ret, char *reason, size_t reason_len);
void session_close(struct session *s);

/** Whether commands reach the device as they are, no kernel in between. */
bool session_in_process(const struct session *s);

/**
 * Carry out one step and check what it says.
 *
 * @return OSD_OK: as expected; OSD_E_NOT_FOUND: the answer is another; OSD_E_INVALID: the step
 *         is malformed; else the transport failed. A sentence in why unless OSD_OK.
 */
osd_status session_step(struct session *s, int gen, const struct script_step *step,
                        struct vars *vars, char *why, size_t why_len);

#endif
