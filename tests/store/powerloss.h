/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/powerloss.h - what a file system holds after loss of power
 *
 * A program that links powerloss.c has its own write(), fsync() and so on, which the libraries
 * it uses call as well. From powerloss_watch() on, every write below a directory is noted with
 * what it replaces, also one into a mapping by guarded_write(), and every sync. When the program
 * has been killed, powerloss_cut() takes back a random part of what was not synced, page by page: of
 * every page some of its last unsynced writes are lost. Names of files are taken to be durable at once
 * and in order. The program is linked with -Wl,--wrap=mmap64 -Wl,--wrap=guarded_write.
 */
#ifndef TESTS_STORE_POWERLOSS_H
#define TESTS_STORE_POWERLOSS_H

#include <stdint.h>

/** Begin to watch; at most once per process. The notes go to a file, behind those that a process which is
 *  dead left there. */
void powerloss_watch(const char *dir, const char *notes);

/** Let the power fail: change the files of a dead process. How many pages lost something. */
uint64_t powerloss_cut(const char *dir, const char *notes, uint64_t seed);

#endif
