/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/copy.h - the source descriptor of COPY USER OBJECTS, for the files that
 * lock and authorize
 */
#ifndef INTERPRETER_COPY_H
#define INTERPRETER_COPY_H

#include "command.h"

/** The object to copy from; command.copy_source is not empty. */
struct store_id copy_source(const struct command *c);

/** Whether its attributes are to be copied, too. */
bool copy_wants_attributes(const struct command *c);

#endif
