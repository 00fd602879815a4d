/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/continuation.h - the OSD-2 CDB continuation segment and the extents of a
 * data command
 */
#ifndef INTERPRETER_CONTINUATION_H
#define INTERPRETER_CONTINUATION_H

#include "command.h"

#define CONTINUATION_HEAD 40
#define CONTINUATION_MAX  65536 /* root information attribute Ah */

/** Bytes of the user object that one part of the command data belongs to. */
struct extent {
    uint64_t start, len;
};

/**
 * Check the continuation segment that segments_plan() found and take its scatter/gather list.
 * Afterwards the command has n_extents extents, one without such a list.
 */
osd_status continuation_parse(struct command *c);

/** The second object of the command, which command.second names: the source of a copy, what is
 *  compared with. */
struct store_id second_object(const struct command *c);

/** Its metadata; when it is missing, or no user object, the descriptor is at fault. */
osd_status second_load(struct command *c, struct store_meta *ret);

/** Extent i of the command, in the order of the data. */
struct extent command_extent(const struct command *c, uint32_t i);

#endif
