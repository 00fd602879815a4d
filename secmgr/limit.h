/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/limit.h - how many requests a caller may make: one bucket of tokens a caller
 *
 * The table has a fixed size; a caller that is not in it takes the place of the one that was
 * quiet longest among a few, so many callers cost accuracy, never memory.
 */
#ifndef SECMGR_LIMIT_H
#define SECMGR_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct sm_limit;

/** per_second: tokens that come back; burst: tokens that a bucket holds. 0 = no limit. NULL when
 *  there is no memory. */
struct sm_limit *sm_limit_new(uint32_t per_second, uint32_t burst);
void sm_limit_free(struct sm_limit *l);

/** Take n tokens at a time in monotonic ms, or as many as a bucket holds; false: there are not so
 *  many left, and none was taken. Any thread. */
bool sm_limit_take(struct sm_limit *l, const char *caller, uint32_t n, uint64_t now_ms);

#endif
