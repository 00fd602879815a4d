/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/plain.h - what the programs share that use nothing but libosd's public headers
 *
 * Invariant: a call that fails ends the program, so no figure is ever that of a failure.
 */
#ifndef BENCH_PLAIN_H
#define BENCH_PLAIN_H

#include "osd/osd.h"

/** Monotonic time in ms, with a fraction. */
double bench_now_ms(void);

/** End the program with status 2, what was tried and libosd's error, unless st is OSD_OK. Of the
 *  calling thread's last call. */
void bench_must(osd_status st, const char *what);

#endif
