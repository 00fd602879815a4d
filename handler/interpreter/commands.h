/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/commands.h - what the commands themselves do (function COMMAND)
 *
 * Each works on command.target inside command.txn; existence, permissions and segments have
 * been checked. Reference 2.4.
 */
#ifndef INTERPRETER_COMMANDS_H
#define INTERPRETER_COMMANDS_H

#include "command.h"

/* objects.c */
osd_status run_none(struct command *c); /* nothing but attributes */
osd_status run_create(struct command *c);
osd_status run_create_and_write(struct command *c);
osd_status run_create_partition(struct command *c);
osd_status run_remove(struct command *c);
osd_status run_format(struct command *c);
osd_status run_structure_check(struct command *c);

/* list.c */
osd_status run_list(struct command *c);

/* data.c */
osd_status run_read(struct command *c);
osd_status run_write(struct command *c);
osd_status run_append(struct command *c);
osd_status run_clear(struct command *c);
osd_status run_punch(struct command *c);
osd_status run_flush(struct command *c);
osd_status run_read_map(struct command *c);

/* compare.c */
osd_status run_compare(struct command *c);

/* copy.c */
osd_status run_copy(struct command *c);

/* perform.c */
osd_status run_scsi(struct command *c);
osd_status run_task_management(struct command *c);

/* keys.c */
osd_status run_set_key(struct command *c);
osd_status run_set_master_key(struct command *c);

/* duplicates.c */
osd_status run_create_duplicate(struct command *c);
osd_status run_detach(struct command *c);
osd_status run_refresh(struct command *c);
osd_status run_restore(struct command *c);

/* query.c */
osd_status run_query(struct command *c);

/* collections.c */
osd_status run_create_collection(struct command *c);
osd_status run_create_tracking(struct command *c);
osd_status run_remove_collection(struct command *c);
osd_status run_remove_members(struct command *c);
osd_status run_set_members(struct command *c);

/** Metadata of a new object of the command's partition, without limits of its own except the
 *  length. */
struct store_meta fresh_object(const struct command *c, enum store_kind kind);

/** Write the command data to its extents of an object. */
osd_status write_data(struct command *c, struct store_id id);

#endif
