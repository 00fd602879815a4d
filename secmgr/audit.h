/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/audit.h - one line of JSON for every grant, refusal and change
 *
 * A line is written whole (one write to a file opened for appending), so managers may share a
 * file and a rotated log loses nothing.
 */
#ifndef SECMGR_AUDIT_H
#define SECMGR_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "osd/status.h"

struct sm_audit;

/** path "" or "-": standard error (the journal). OSD_E_IO with errno. */
osd_status sm_audit_open(const char *path, struct sm_audit **ret);
void sm_audit_close(struct sm_audit *a);

/** Write an entry; "time" is added; the reference is taken. Any thread. False: it is lost, and
 *  what it records must not happen. */
bool sm_audit_write(struct sm_audit *a, json_t *entry);

/** Open the file again (log rotation). */
osd_status sm_audit_reopen(struct sm_audit *a);

uint64_t sm_audit_failures(struct sm_audit *a);

#endif
