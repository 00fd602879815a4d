/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/copy.h - the source descriptor of COPY USER OBJECTS, for the files that
 * lock and authorize
 */
#ifndef INTERPRETER_COPY_H
#define INTERPRETER_COPY_H

#include "command.h"

/** Whether the attributes of the source are to be copied, too. */
bool copy_wants_attributes(const struct command *c);

#endif
