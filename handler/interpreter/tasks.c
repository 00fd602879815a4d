/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/tasks.c - see tasks.h
 */
#include "tasks.h"

#include "common/bytes.h"

void tasks_init(struct tasks *t)
{
    pthread_mutex_init(&t->lock, NULL);
    t->head = NULL;
}

void tasks_destroy(struct tasks *t)
{
    pthread_mutex_destroy(&t->lock);
}

uint64_t task_tag(const uint8_t nonce[OSD_NONCE_LEN])
{
    return be64_get(nonce + OSD_NONCE_LEN - 8);
}

void task_enter(struct tasks *t, struct task *k, uint64_t tag)
{
    k->tag = tag;
    k->entered = true;
    pthread_mutex_lock(&t->lock);
    k->next = t->head;
    k->link = &t->head;
    if (k->next)
        k->next->link = &k->next;
    t->head = k;
    pthread_mutex_unlock(&t->lock);
}

void task_leave(struct tasks *t, struct task *k)
{
    if (!k->entered)
        return;
    k->entered = false;
    pthread_mutex_lock(&t->lock);
    *k->link = k->next;
    if (k->next)
        k->next->link = k->link;
    pthread_mutex_unlock(&t->lock);
}

static bool leave_running(struct task *k, enum task_state to)
{
    unsigned running = TASK_RUNNING;

    return atomic_compare_exchange_strong(&k->state, &running, to) || running == to;
}

bool task_settle(struct task *k)
{
    return leave_running(k, TASK_SETTLED);
}

void task_abort(struct task *k)
{
    leave_running(k, TASK_ABORTED);
}

static void abort_if(struct tasks *t, bool all, uint64_t tag)
{
    pthread_mutex_lock(&t->lock);
    for (struct task *k = t->head; k; k = k->next)
        if (all || k->tag == tag)
            task_abort(k);
    pthread_mutex_unlock(&t->lock);
}

void tasks_abort(struct tasks *t, uint64_t tag)
{
    if (tag != 0)
        abort_if(t, false, tag);
}

void tasks_abort_all(struct tasks *t)
{
    abort_if(t, true, 0);
}

static bool find_if(struct tasks *t, bool all, uint64_t tag)
{
    bool found = false;

    pthread_mutex_lock(&t->lock);
    for (const struct task *k = t->head; k && !found; k = k->next)
        found = all || k->tag == tag;
    pthread_mutex_unlock(&t->lock);
    return found;
}

bool tasks_find(struct tasks *t, uint64_t tag)
{
    return tag != 0 && find_if(t, false, tag);
}

bool tasks_any(struct tasks *t)
{
    return find_if(t, true, 0);
}
