/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/guarded.c - see guarded.h; the handler of SIGBUS jumps back to where the call began
 */
#include "store/guarded.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#define PAGE 4096u /* the smallest there is: some machines tell no more of an address */

struct guard {
    sigjmp_buf back;
    uintptr_t first, last; /* pages */
};

/* As the handler finds them: no memory is taken for them, not even the first time. */
#define OF_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))
OF_THREAD struct guard *volatile mine; /* NULL: not in a call */
OF_THREAD bool ready;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction before;

/* The kernel says so, of an instruction of this thread; not somebody's kill(). */
static bool is_fault(const siginfo_t *info)
{
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

static void by_default(const siginfo_t *info)
{
    const struct sigaction none = {.sa_handler = SIG_DFL};

    if (before.sa_handler == SIG_IGN && !is_fault(info))
        return;
    sigaction(SIGBUS, &none, NULL);
    if (!is_fault(info))
        raise(SIGBUS);
    /* else the instruction is tried again, and the core shows it */
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
    struct guard *g = mine;
    uintptr_t page = (uintptr_t)info->si_addr / PAGE;

    if (g && is_fault(info) && page >= g->first && page <= g->last) {
        pthread_sigmask(SIG_SETMASK, &((const ucontext_t *)context)->uc_sigmask, NULL);
        siglongjmp(g->back, 1);
    }
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(sig, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(sig);
    else
        by_default(info);
}

/* With what the handler before asked for, which may be called by this one. */
static void install(void)
{
    struct sigaction act;

    sigaction(SIGBUS, NULL, &before); /* known before the handler can need it */
    act = before;
    act.sa_sigaction = on_bus;
    act.sa_flags = (before.sa_flags | SA_SIGINFO | SA_ONSTACK) & ~(int)SA_RESETHAND;
    sigaction(SIGBUS, &act, NULL);
}

static void be_ready(void)
{
    sigset_t bus;

    pthread_once(&once, install);
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
    ready = true;
}

bool guarded_run(const void *at, size_t len, void (*work)(void *arg), void *arg)
{
    struct guard g;

    if (mine)
        return false;
    if (!ready)
        be_ready();
    g.first = (uintptr_t)at / PAGE;
    g.last = ((uintptr_t)at + len - 1) / PAGE;
    if (sigsetjmp(g.back, 0)) {
        mine = NULL;
        return false;
    }
    mine = &g;
    atomic_signal_fence(memory_order_seq_cst);
    work(arg);
    atomic_signal_fence(memory_order_seq_cst);
    mine = NULL;
    return true;
}

struct copy {
    void *dst;
    const void *src;
    size_t len;
};

static void copy(void *arg)
{
    const struct copy *c = arg;

    memcpy(c->dst, c->src, c->len);
}

bool guarded_read(void *dst, const void *mapped, size_t len)
{
    return guarded_run(mapped, len, copy, &(struct copy){dst, mapped, len});
}

bool guarded_write(void *mapped, const void *src, size_t len)
{
    return guarded_run(mapped, len, copy, &(struct copy){mapped, src, len});
}
