/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/guarded.h - memory mapped from files is touched without dying of it
 *
 * A page of a mapped file may be impossible to have: the device cannot read it, the file was cut
 * short from outside, there is no space for what is written. The kernel says so with SIGBUS, which
 * kills the process. What is done through these functions returns false then.
 *
 * Invariants:
 *  (1) The handler of SIGBUS is installed once in the process, at the first call. It takes only
 *      faults of the thread that is in such a call, in the pages of its range; any other goes to the
 *      handler that was there before, or to the default action.
 *  (2) No system call and no memory is needed but for the first call of a thread, which also lets
 *      SIGBUS through to it: the kernel kills who faults with the signal blocked.
 *  (3) What installs a handler of SIGBUS after that has to pass on what it does not know.
 * Threads: every function from any thread; what holds it is not unloaded from the process.
 */
#ifndef STORE_GUARDED_H
#define STORE_GUARDED_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Have a function work on mapped memory.
 *
 * @param at, len the bytes that may fault.
 * @param work    is left where it stands when they do: it takes no locks and allocates nothing.
 *
 * @return whether work was called and has returned; false also within another call (not nested).
 */
bool guarded_run(const void *at, size_t len, void (*work)(void *arg), void *arg);

/** Copy out of a mapping. False: part of dst may have been written. */
bool guarded_read(void *dst, const void *mapped, size_t len);

/** Copy into a shared mapping. False: part of it may have been written. What can only fail later, as
 *  the file is written back, is told by msync() or fdatasync(). */
bool guarded_write(void *mapped, const void *src, size_t len);

#endif
