/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/hex.h - bytes as hexadecimal digits, for the text files of keys and credentials
 */
#ifndef SECURITY_HEX_H
#define SECURITY_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** len bytes out of 2 * len digits; what follows them is not looked at. False when there are
 *  fewer; then dst may be partly written. */
bool osd_hex_parse(const char *text, uint8_t *dst, size_t len);

/** 2 * len digits and a zero byte. */
void osd_hex_put(const uint8_t *src, size_t len, char *dst);

#endif
