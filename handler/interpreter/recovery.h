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

/* Bits of a damage summary. */
#define DAMAGED_DATA  0x01 /* of a collection: its list */
#define DAMAGED_ATTRS 0x02

/** Remember that data of a user object could not be read; its partition and the root hear of
 *  it. The caller has no transaction open. What goes wrong here is logged only. */
void damage_found(struct osd_device *dev, struct store_id id, uint8_t bits, uint64_t now);

/**
 * OBJECT STRUCTURE CHECK: look at every object of a partition (0: of all), one after the other,
 * and bring the error recovery attributes up to date. Data is read only where damage is on
 * record. The caller has no transaction open; other commands go on.
 *
 * @return OSD_OK, damage or not; else what kept the store from being looked at.
 */
osd_status structure_check(struct osd_device *dev, uint64_t pid, uint64_t now);

#endif
