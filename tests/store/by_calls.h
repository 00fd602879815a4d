/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/by_calls.h - a file system that reserves no space, when a test wants it: the journal has nothing
 * ready then, and writes its records by system calls
 *
 * For one source file of a program that is linked with --wrap=fallocate64.
 */
#ifndef TESTS_STORE_BY_CALLS_H
#define TESTS_STORE_BY_CALLS_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

static bool by_calls;

int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
    if (!by_calls)
        return __real_fallocate64(fd, mode, off, len);
    errno = EOPNOTSUPP;
    return -1;
}

#endif
