/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/dh.h - the Diffie-Hellman exchange of SET MASTER KEY (reference 6.8)
 *
 * Groups: 01h the 1024-bit MODP group of RFC 2409, 02h the 2048-bit one of RFC 3526; the
 * generator is 2. Values are big-endian and as long as the modulus.
 */
#ifndef SECURITY_DH_H
#define SECURITY_DH_H

#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define OSD_DH_1024 0x01
#define OSD_DH_2048 0x02
#define OSD_DH_MAX  256 /* bytes of the longest value */

/** Bytes of a group's values; 0 for a group nobody has. */
size_t osd_dh_len(uint8_t group);

/** A fresh secret exponent and its public value, each osd_dh_len() bytes. OSD_E_INVALID,
 *  OSD_E_NOMEM. Any thread. */
osd_status osd_dh_make(uint8_t group, uint8_t *ret_secret, uint8_t *ret_public);

/** The secret both sides share. OSD_E_INVALID when the other side's value is none of the group
 *  (0, 1, p-1 and beyond). Any thread. */
osd_status osd_dh_shared(uint8_t group, const uint8_t *secret, const uint8_t *other,
                         uint8_t *ret);

#endif
