/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/plain.c - see plain.h
 */
#include "plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double bench_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void bench_must(osd_status st, const char *what)
{
    if (st == OSD_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, osd_last_error());
    exit(2);
}
