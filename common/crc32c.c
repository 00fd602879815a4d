/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/crc32c.c - CRC32C by ISA-L, which picks the best instruction set at run time
 *
 * ISA-L works on the inverted register; the public form starts and ends inverted once.
 */
#include "common/crc32c.h"

#include <isa-l/crc.h>

uint32_t osd_crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;

    crc = ~crc;
    while (len > 0) { /* crc32_iscsi takes an int */
        int part = len > (1 << 30) ? (1 << 30) : (int)len;
        crc = crc32_iscsi((unsigned char *)p, part, crc);
        p += part;
        len -= (size_t)part;
    }
    return ~crc;
}
