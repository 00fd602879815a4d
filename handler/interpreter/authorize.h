/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/authorize.h - may this capability do that?
 */
#ifndef INTERPRETER_AUTHORIZE_H
#define INTERPRETER_AUTHORIZE_H

#include "command.h"

/** Function VALIDATION: capability format, security method, nonce not used for another CDB. */
osd_status authorize_validate(struct command *c);

/** Function CMD_CAP: the capability against the command (reference 5.3). */
osd_status authorize_command(struct command *c);

/** Functions SA_CAP and GA_CAP: the capability against the attributes asked for. Malformed
 *  lists are found here. */
osd_status authorize_sets(struct command *c);
osd_status authorize_gets(struct command *c);

#endif
