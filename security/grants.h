/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/grants.h - what a capability must say for each command (reference 2.1), in one table
 *
 * The device asks it whether a capability suffices; whoever makes capabilities (security
 * manager, libosd, osdctl) asks it what to write. Permissions for attributes that a command gets
 * or sets come on top: osd_grant_for_attribute().
 */
#ifndef SECURITY_GRANTS_H
#define SECURITY_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/cdb.h"

struct osd_grant {
    uint16_t permissions; /* all of these ... */
    uint16_t alternative; /* ... or, if not 0, all of these */
    uint8_t type;         /* capability object type; 0: that of the object */
    uint8_t descriptor;   /* enum osd_descriptor; 0: that of the object */
};

/** Row of a command; NULL for one that has none. Static memory. */
const struct osd_grant *osd_grant_of(enum osd_op op);

/** Permissions that one particular command needs, options and generation counted in; bits that
 *  the layout of its capability cannot hold are left out. */
uint16_t osd_grant_permissions(const struct osd_cdb *cdb);

/** Whether a capability's tail is laid out as in OSD-1. */
static inline bool osd_capability_is_layout1(const struct osd_cdb *cdb)
{
    return cdb->gen == OSD_GEN1 || cdb->cap.format == 1;
}

/** Permissions for one attribute page besides that of the command: GET_ATTR or SET_ATTR, and
 *  POL/SEC where the page is about access. */
uint16_t osd_grant_for_attribute(uint32_t page, bool set);

/** Descriptor that goes with an object type. */
uint8_t osd_grant_descriptor(uint8_t object_type, bool layout1);

#endif
