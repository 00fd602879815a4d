/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/clock.c - see clock.h
 */
#include "common/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static uint64_t now_of(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t system_now_ms(void *arg)
{
    (void)arg;
    return now_of(CLOCK_REALTIME);
}

const struct osd_clock osd_clock_system = {.now_ms = system_now_ms};

#if defined(__x86_64__)
#define KEPT_CYCLES (1u << 20)

static uint64_t frequent_now_ms(void *arg)
{
    static _Thread_local uint64_t kept_ms, kept_at;
    uint64_t at = __builtin_ia32_rdtsc();

    if (kept_ms == 0 || at - kept_at >= KEPT_CYCLES) { /* also when the counter went back */
        kept_ms = system_now_ms(arg);
        kept_at = at;
    }
    return kept_ms;
}

const struct osd_clock osd_clock_frequent = {.now_ms = frequent_now_ms};
#else
const struct osd_clock osd_clock_frequent = {.now_ms = system_now_ms};
#endif

uint64_t osd_monotonic_ms(void)
{
    return now_of(CLOCK_MONOTONIC);
}

void osd_random(void *dst, size_t len)
{
    uint8_t *p = dst;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}
