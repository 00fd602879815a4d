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

uint64_t osd_monotonic_ms(void)
{
    return now_of(CLOCK_MONOTONIC);
}

#if defined(__x86_64__)
#define KEPT_CYCLES (1u << 20)

/* A thread's last reading of a clock, and the processor's counter then. */
struct reading {
    uint64_t ms, at;
};

static uint64_t now_or_kept(struct reading *kept, clockid_t id)
{
    uint64_t at = __builtin_ia32_rdtsc();

    if (kept->ms == 0 || at - kept->at >= KEPT_CYCLES) /* also when the counter went back */
        *kept = (struct reading){.ms = now_of(id), .at = at};
    return kept->ms;
}

static uint64_t frequent_now_ms(void *arg)
{
    static _Thread_local struct reading kept;

    (void)arg;
    return now_or_kept(&kept, CLOCK_REALTIME);
}

uint64_t osd_monotonic_frequent_ms(void)
{
    static _Thread_local struct reading kept;

    return now_or_kept(&kept, CLOCK_MONOTONIC);
}

const struct osd_clock osd_clock_frequent = {.now_ms = frequent_now_ms};
#else
const struct osd_clock osd_clock_frequent = {.now_ms = system_now_ms};

uint64_t osd_monotonic_frequent_ms(void)
{
    return osd_monotonic_ms();
}
#endif

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
