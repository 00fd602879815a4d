/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/budget_heap.h - how often memory was asked for
 */
#ifndef BENCH_BUDGET_HEAP_H
#define BENCH_BUDGET_HEAP_H

#include <stdint.h>

/** Calls of malloc() and its kin that asked for a piece of memory. */
uint64_t budget_allocations(void);

#endif
