/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/tags.h - policy access tags (reference 4.8, 5.3): the device takes a capability only if
 * it has the tag that its partition, collection or object has
 *
 * A partition has a tag of its own and one that user objects get when they are made. What has had
 * its own changed since, or never got that of its partition, has a record in the database.
 * Invariants:
 *  (1) As with keys (keys.h) a tag is written down before it is sent and is sent as the same bytes
 *      by whoever finds it, so the device carries it out once; credentials with it are made only
 *      after the device has it.
 *  (2) No two tags that an object ever gets are the same.
 *  (3) What is in the database holds: a device that says otherwise is set to it.
 * Snapshots have no tags: nothing can be set there. Partition zero and the root object have none
 * either; what they allow ends with their keys.
 * Every function may be called from any thread and blocks; why gets a sentence on failure.
 */
#ifndef SECMGR_TAGS_H
#define SECMGR_TAGS_H

#include "capability.h"
#include "keys.h"

/** The tag for a capability on what is asked for; w: its partition's. 0: not compared. */
osd_status sm_tag_of(struct sm_keys *k, const struct sm_osd *o, const struct sm_ask *ask,
                     const struct sm_working *w, uint32_t *ret, char *why, size_t why_len);

/** The device refused this tag: if it is the present one, the device gets it once more. */
osd_status sm_tag_restore(struct sm_keys *k, const struct sm_osd *o, const struct sm_ask *ask,
                          uint32_t refused, char *why, size_t why_len);

/** Another tag: what was made with the one before ends before this returns. oid 0: that of the
 *  partition. In a snapshot, the partition's keys instead. OSD_OK also for what is not there. */
osd_status sm_tag_change(struct sm_keys *k, const struct sm_osd *o, uint8_t type, uint64_t pid,
                         uint64_t oid, char *why, size_t why_len);

#endif
