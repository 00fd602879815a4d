/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/collections.h - collections and their members, for the files that care
 */
#ifndef INTERPRETER_COLLECTIONS_H
#define INTERPRETER_COLLECTIONS_H

#include "command.h"

/* Collection types (reference 4.4). */
#define COLLECTION_LINKED   0x00 /* clients fill it through page U+4h */
#define COLLECTION_TRACKING 0x01 /* commands fill it */

/* Attributes of the command tracking page (reference 4.9). */
#define TRACK_PERCENT   0x1u
#define TRACK_ACTIVE    0x2u
#define TRACK_STATUS    0x3u
#define TRACK_SENSE     0x4u
#define TRACK_MEMBERS   0x10u
#define TRACK_PROCESSED 0x11u
#define TRACK_NEWER     0x12u /* and 13h: skipped because newer, because missing */

#define TRACK_RUNNING 0xffffu /* TRACK_STATUS of a command under way */

/** Remember that the members of a collection of the command's partition change: its data
 *  modified time follows after the commit. */
void collection_changed(struct command *c, uint64_t cid);

/** The same for every collection a user object is in. */
osd_status collections_of_changed(struct command *c, struct store_id object);

/** Visit the members of a collection in ascending order. A failing visit ends it. */
typedef osd_status (*member_visit)(struct command *c, uint64_t oid, void *arg);
osd_status members_each(struct command *c, struct store_id collection, member_visit visit,
                        void *arg);

/** The tracking page of a tracked command's collection: it is under way; it is done; it has failed
 *  with this sense data, and so has done nothing. finish: does nothing without IMMED_TR. */
osd_status tracking_begin(struct command *c);
osd_status tracking_finish(struct command *c, uint64_t members, uint64_t processed);
osd_status tracking_fail(struct command *c, const uint8_t *sense, size_t len);

/** Whether the page of a collection says that a command is under way. A collection that was made
 *  anew, or came back out of a snapshot, does not say so of what was accepted before. */
osd_status tracking_says_running(struct command *c, struct store_id id, bool *ret);

#endif
