/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/crc32c.h - CRC32C (Castagnoli) as iSCSI and the store use it
 */
#ifndef COMMON_CRC32C_H
#define COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** CRC32C of len bytes, continuing from crc (0 to start). Standard final value (RFC 3720 B.4).
 */
uint32_t osd_crc32c(uint32_t crc, const void *data, size_t len);

#endif
