/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/scrub.h - all of a device is read in the background, slowly
 */
#ifndef INTERPRETER_SCRUB_H
#define INTERPRETER_SCRUB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "osd/status.h"

struct osd_device;
struct osd_device_config;

/** The thread, and what it tells others: times in ms since 1970. */
struct scrub {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t bell; /* rung to stop */
    bool running;
    atomic_bool stop;
    uint64_t rate, interval_ms;                 /* bytes per second; 0: never */
    atomic_uint_fast64_t begun, ended;          /* this pass, 0: none under way; the last one */
    atomic_uint_fast64_t bytes, objects, found; /* of this or the last pass */
};

/** Start the thread, if there is to be one. After everything else of the device is there. */
osd_status scrub_start(struct osd_device *dev, const struct osd_device_config *cfg);

/** End it, after the piece it reads; nothing happens when there is none. */
void scrub_stop(struct osd_device *dev);

#endif
