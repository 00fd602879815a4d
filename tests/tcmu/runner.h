/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/runner.h - stands in for tcmu-runner and the kernel's side of the ring
 *
 * One device. runner_submit() does what the kernel and tcmu-runner's command thread do: an
 * entry at the ring's head (padding where it would not fit), a tcmulib_cmd made of one
 * allocation, handle_cmd. runner_reap() does what the kernel does with completions, and asserts
 * that each names a command that is in flight. The ring is small, so that it wraps often.
 */
#ifndef TESTS_TCMU_RUNNER_H
#define TESTS_TCMU_RUNNER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcmu/abi.h"

#define RUNNER_IN_FLIGHT 40

struct flight {
    bool used, done;
    struct iovec iov[8];
    int n_iov;
    uint8_t status, uflags;
    uint32_t read_len;
    uint8_t sense[TCMU_SENSE_LEN];
    pthread_t completed_by; /* thread that announced the completion */
};

/** The handler that handler_init() registered. */
extern struct tcmur_handler *runner_handler;

/** Make the device; the handler's open() is the caller's business. NULL wwn: has none. */
struct tcmu_device *runner_device(const char *cfgstring, int64_t lbas, const char *wwn);
void runner_set_wwn(struct tcmu_device *dev, const char *wwn);
void runner_device_free(struct tcmu_device *dev);

/** Hand a command to the handler, in this thread. Waits while the ring is full. Returns its
 *  number. The pieces stay the caller's until the command is done. */
int runner_submit(struct tcmu_device *dev, const uint8_t *cdb, size_t len,
                  const struct iovec *iov, int n_iov);

/** The same for commands that all lie in the ring before the first is handed over, as after a
 *  burst; n at most RUNNER_BURST. */
#define RUNNER_BURST 10
struct runner_cmd {
    const uint8_t *cdb;
    size_t len;
    const struct iovec *iov;
    int n_iov, number; /* number: filled in */
};
void runner_submit_burst(struct tcmu_device *dev, struct runner_cmd *cmds, unsigned n);

/** How often the handler told the kernel of completions. */
unsigned runner_kicks(struct tcmu_device *dev);

/** Set *flag while handle_cmd runs (in the thread that calls runner_submit()); NULL: no more.
 */
void runner_raise_while_handling(bool *flag);

/** Take completions off the ring; returns how many commands are still in flight. */
int runner_reap(struct tcmu_device *dev);

/** Wait for a command and copy its outcome; its number is free again. */
struct flight runner_wait(struct tcmu_device *dev, int number);

/** Every command handed over so far, and completions seen. */
unsigned runner_submitted(struct tcmu_device *dev);
unsigned runner_completed(struct tcmu_device *dev);

/** Last error line that the handler logged; "" when none. */
extern char runner_last_error[512];

#endif
