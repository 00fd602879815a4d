/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/clock.h - time and randomness through a seam, so that tests can fix them
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/** A source of time. now_ms: milliseconds since 1970-01-01 UT; callable from any thread. */
struct osd_clock {
    uint64_t (*now_ms)(void *arg);
    void *arg;
};

/** The machine's own wall clock (CLOCK_REALTIME_COARSE would be too coarse for nonces). */
extern const struct osd_clock osd_clock_system;

/** The same for one who asks with every command: each thread keeps a reading for 2^20 cycles of
 *  the processor's counter (less than 1 ms), because without a vDSO (user-mode Linux) asking
 *  costs as much as a small command. Elsewhere than on x86-64 it asks every time. */
extern const struct osd_clock osd_clock_frequent;

static inline uint64_t osd_clock_now(const struct osd_clock *c)
{
    return c->now_ms(c->arg);
}

/** Monotonic milliseconds for timeouts; no seam, never goes back. */
uint64_t osd_monotonic_ms(void);

/** The same for one who asks with every command: a reading that the thread keeps, as old as one of
 *  osd_clock_frequent may be. So it may show less than another thread has seen. */
uint64_t osd_monotonic_frequent_ms(void);

/** Fill dst with random bytes from the kernel; waits for the pool at boot, cannot fail later.
 */
void osd_random(void *dst, size_t len);

#endif
