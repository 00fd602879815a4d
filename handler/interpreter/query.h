/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/query.h - the query list of QUERY, for authorize.c
 */
#ifndef INTERPRETER_QUERY_H
#define INTERPRETER_QUERY_H

#include "attributes.h"

/** What the CDB and the collections must be like; OSD_OK or what the client is told. */
osd_status query_check(struct command *c);

/** Call check (may be NULL) for the attribute of every criterion; a malformed list fails. */
osd_status query_each(struct command *c, attr_check check, void *arg);

#endif
