/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/names.h - how the security manager writes things down: permissions, kinds of objects,
 * ids, hexadecimal digits
 *
 * What format functions write, parse functions read back.
 */
#ifndef SECMGR_NAMES_H
#define SECMGR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define SM_PERMS_TEXT 160 /* room for every permission's name */

/** "read,write,get-attr": the bits as OSD_PERM_*; "none" and "all" are words, too. OSD_E_INVALID.
 */
osd_status sm_perms_parse(const char *s, uint16_t *ret);
/** One name alone; 0 when there is none such. */
uint16_t sm_perm_by_name(const char *name, size_t len);
/** Names joined by commas, "none" for 0; returns dst. */
const char *sm_perms_format(uint16_t perms, char dst[SM_PERMS_TEXT]);
/** Every permission of the standard. */
uint16_t sm_perms_all(void);

/** "root", "partition", "collection", "object" for OSD_TYPE_*; 0 and NULL when unknown. */
uint8_t sm_type_by_name(const char *name);
const char *sm_type_name(uint8_t type);

/** Decimal or 0x and hexadecimal digits, nothing else. */
bool sm_number_parse(const char *s, uint64_t *ret);

/** len bytes from exactly 2 * len hexadecimal digits. */
bool sm_hex_parse(const char *s, uint8_t *dst, size_t len);
/** 2 * len lower case digits and a zero; returns dst. */
char *sm_hex_format(const uint8_t *src, size_t len, char *dst);

#endif
