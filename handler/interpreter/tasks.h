/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/tasks.h - commands under way that PERFORM TASK MANAGEMENT FUNCTION may end
 *
 * Those that may take long (ACT_LONG of table.c) are in a list while they run. The device never
 * learns the tag that a transport gives a command; its name here is a part of its nonce.
 * Invariant: a task is aborted or settled, never both: what was aborted changes nothing, and what
 * is about to commit can no longer be aborted. OBJECT STRUCTURE CHECK works after its commit, which
 * changes nothing when it can be aborted, and writes down what it finds as it goes.
 */
#ifndef INTERPRETER_TASKS_H
#define INTERPRETER_TASKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/cdb.h"

enum task_state { TASK_RUNNING, TASK_ABORTED, TASK_SETTLED };

/** A command's part in this; all zero until it enters. */
struct task {
    struct task *next, **link; /* under the lock, neighbours write them too */
    bool entered;              /* its own thread's */
    uint64_t tag;              /* 0: it has none */
    atomic_uint state;         /* enum task_state */
};

struct tasks {
    pthread_mutex_t lock;
    struct task *head; /* of commands on their threads' stacks, and of jobs (tracker.h) */
};

void tasks_init(struct tasks *t);
void tasks_destroy(struct tasks *t);

/** Tag of a command: bytes 4 to 11 of its request nonce. */
uint64_t task_tag(const uint8_t nonce[OSD_NONCE_LEN]);

/** From here on the task can be aborted. It must leave before it goes away. */
void task_enter(struct tasks *t, struct task *k, uint64_t tag);

/** Nothing happens when the task never entered. */
void task_leave(struct tasks *t, struct task *k);

/** From now on it cannot be aborted; false: it was. Any thread. */
bool task_settle(struct task *k);

static inline bool task_aborted(const struct task *k)
{
    return atomic_load_explicit(&k->state, memory_order_relaxed) == TASK_ABORTED;
}

/** Abort one task, unless it is settled. Any thread. */
void task_abort(struct task *k);

/** Abort the tasks with this tag, or all. Those that are settled run on. Waits for no task. Any
 *  thread. */
void tasks_abort(struct tasks *t, uint64_t tag);
void tasks_abort_all(struct tasks *t);

/** Whether one with this tag, or any, is under way. Any thread. */
bool tasks_find(struct tasks *t, uint64_t tag);
bool tasks_any(struct tasks *t);

#endif
