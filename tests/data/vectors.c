/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/data/vectors.c - see vectors.h
 */
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

size_t vector_read(const char *key, uint8_t *dst)
{
    FILE *f = fopen(SOURCE_DIR "/tests/data/vectors.txt", "r");
    static char line[2 * VECTOR_MAX + 128];
    size_t klen = strlen(key), n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, klen) != 0 || line[klen] != '=')
            continue;
        for (const char *p = line + klen + 1; p[0] > ' ' && p[1] > ' ' && n < VECTOR_MAX;
             p += 2) {
            char two[3] = {p[0], p[1], 0};
            dst[n++] = (uint8_t)strtoul(two, NULL, 16);
        }
        break;
    }
    fclose(f);
    return n;
}

size_t vector_need(const char *key, uint8_t *dst)
{
    size_t n = vector_read(key, dst);

    assert_true(n > 0);
    return n;
}
