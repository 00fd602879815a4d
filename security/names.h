/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/names.h - words for permissions and kinds of objects, in rules, requests and on command
 * lines
 *
 * What format functions write, parse functions read back.
 */
#ifndef SECURITY_NAMES_H
#define SECURITY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define OSD_PERMISSIONS_TEXT 160 /* room for every permission's name */

/** "read,write,get-attr": the bits as OSD_PERM_*; "none" and "all" are words, too. OSD_E_INVALID.
 */
osd_status osd_permissions_parse(const char *s, uint16_t *ret);
/** One name alone; 0 when there is none such. */
uint16_t osd_permission_by_name(const char *name, size_t len);
/** Names joined by commas, "none" for 0; returns dst. */
const char *osd_permissions_format(uint16_t perms, char dst[OSD_PERMISSIONS_TEXT]);
/** Every permission of the standard. */
uint16_t osd_permissions_all(void);

/** "root", "partition", "collection", "object" for OSD_TYPE_*; 0 and NULL when unknown. */
uint8_t osd_type_by_name(const char *name);
const char *osd_type_name(uint8_t type);

#endif
