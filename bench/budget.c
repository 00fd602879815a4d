/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/budget.c - every operation a few times on the memory store, for callgrind to count
 *
 * Under "valgrind --tool=callgrind --collect-atstart=no" each operation ends with a dump that
 * is named after it and holds the instructions of its steps only. Prints "name steps
 * allocations" per operation, so the counts can be divided. check-budget does both.
 * Randomness is replaced (the linker wraps osd_random), so the shapes of hash tables and trees,
 * and with them the counts, repeat from run to run. malloc() and its kin are replaced to be counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "ops.h"

#define STEPS 100u /* at most, per operation */

void __wrap_osd_random(void *dst, size_t len);

void __wrap_osd_random(void *dst, size_t len)
{
    static uint64_t state = 1;

    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)dst)[i] = (uint8_t)(state >> 56);
    }
}

/* ---- counting allocations ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static uint64_t allocations;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    allocations++;
    return __libc_realloc(p, size);
}

/* ---- operations ---- */

static void count(struct bench_work *w, const struct bench_op *full)
{
    struct bench_op op = *full;

    if (op.batch > STEPS)
        op.batch = STEPS;
    bench_batch(w, &op); /* first uses of memory and tables do not count */
    w->turn++;
    op.prepare(w, &op);
    uint64_t before = allocations;
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
    for (unsigned i = 0; i < op.batch; i++)
        op.step(w, &op, i);
    CALLGRIND_TOGGLE_COLLECT;
    uint64_t made = allocations - before;
    CALLGRIND_DUMP_STATS_AT(op.name);
    op.tidy(w, &op);
    printf("%s %u %.2f\n", op.name, op.batch, (double)made / op.batch);
}

int main(void)
{
    struct osd_device *dev = bench_unit_open("memory", "/");
    struct bench_target to = bench_unit_target(dev);
    struct bench_work w;

    bench_furnish(&to, 0);
    bench_work_init(&w, &to, "/", 0, BENCH_PID, 0);
    for (unsigned i = 0; i < bench_n_ops; i++)
        if (!bench_op_is_peer(&bench_ops[i]) && !bench_op_needs_many(&bench_ops[i]))
            count(&w, &bench_ops[i]);
    for (unsigned i = 0; i < bench_n_rest_ops; i++)
        count(&w, &bench_rest_ops[i]);
    bench_work_end(&w);
    osd_device_close(dev);
    return 0;
}
