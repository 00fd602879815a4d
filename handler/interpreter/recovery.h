/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/recovery.h - damage that was found, and the check that looks for it
 */
#ifndef INTERPRETER_RECOVERY_H
#define INTERPRETER_RECOVERY_H

#include "device.h"

/* Attributes of the error recovery pages (reference 4.9). */
#define RECOVERY_SUMMARY        0x1u
#define RECOVERY_CONTAINED      0x2u
#define RECOVERY_DATA_TIME      0x3u
#define RECOVERY_ATTR_TIME      0x4u
#define RECOVERY_CONTAINED_TIME 0x5u
#define RECOVERY_COUNT          0x6u
/* Of the root's, ours (docs/scrub.md). */
#define SCRUB_RATE    0x80000001u
#define SCRUB_BEGUN   0x80000002u
#define SCRUB_BYTES   0x80000003u
#define SCRUB_OBJECTS 0x80000004u
#define SCRUB_FOUND   0x80000005u
#define SCRUB_ENDED   0x80000006u

/* Bits of a damage summary. */
#define DAMAGED_DATA  0x01 /* of a collection: its list */
#define DAMAGED_ATTRS 0x02

/** Remember that something of an object (or a partition, or the root) could not be read; what
 *  contains it hears of it. The caller has no transaction open. Damage that was not on record is
 *  logged, and so is what goes wrong here. */
void damage_found(struct osd_device *dev, struct store_id id, uint8_t bits, uint64_t now);

/** The damage summary of an object of this kind: DAMAGED_DATA, DAMAGED_ATTRS. */
osd_status damage_on_record(struct store_txn *t, struct store_id id, enum store_kind kind,
                            uint8_t *ret);

/** All of an object was looked at from the time `since` on, and `seen` is its damage: what else is
 *  on record is forgotten, unless it was written down since. Totals: damage_recount(). The caller
 *  has no transaction open. NOT_FOUND; what the store says. */
osd_status damage_healed(struct osd_device *dev, struct store_id id, uint8_t seen,
                         uint64_t since);

/** Called for an object; another status than OSD_OK ends the walk and is returned by it. */
typedef osd_status (*object_visit)(struct osd_device *dev, struct store_id id, void *arg);

/** Call visit for what there is of a kind in partition pid, ids ascending from `from` on; pid 0:
 *  for the partitions. Others may make and remove some meanwhile. NOT_FOUND; what the store or
 *  visit says. The caller has no transaction open. */
osd_status each_object(struct osd_device *dev, uint64_t pid, enum store_kind kind,
                       uint64_t from, object_visit visit, void *arg);

/** Bring the totals of a partition (0: of the root) to what is on record of the objects in it.
 *  Nothing happens while they are zero. pace is called after each object. Damage that is found
 *  meanwhile makes the outcome void. The caller has no transaction open. */
osd_status damage_recount(struct osd_device *dev, uint64_t pid, uint64_t now, object_visit pace,
                          void *arg);

/**
 * OBJECT STRUCTURE CHECK: look at every object of a partition (0: of all), one after the other,
 * and bring the error recovery attributes up to date. Data is read only where damage is on
 * record. The caller has no transaction open; other commands go on.
 *
 * @return OSD_OK, damage or not; OSD_E_INTERRUPTED when the task was aborted: what was found until
 *         then stays on record; else what kept the store from being looked at.
 */
osd_status structure_check(struct osd_device *dev, uint64_t pid, uint64_t now,
                           const struct task *task);

#endif
