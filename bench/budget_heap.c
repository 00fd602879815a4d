/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/budget_heap.c - malloc() and its kin, counted, and as dear whatever was freed before
 *
 * Memory comes in sizes that are powers of two and goes back to the list of its size, so that a call
 * takes the same instructions each time; what libc's takes depends on what was freed before, by a
 * tenth of a short command and more. In front of what a caller gets lies where its piece begins and
 * which list it belongs to. Nothing goes back to the kernel.
 */
#include "budget_heap.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LEAST   6u /* 64 bytes */
#define MOST    48u
#define AREA    20u /* smaller pieces are cut from areas of 1 MiB */
#define DEFAULT alignof(max_align_t)

/* A piece that nobody has. */
struct piece {
    struct piece *next;
};

/* In front of what a caller has. */
struct head {
    struct piece *piece;
    size_t order;
};

static struct piece *lists[MOST];
static uint8_t *area;
static size_t area_left;
static uint64_t allocations;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t budget_allocations(void)
{
    return allocations;
}

static void *from_kernel(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Under the lock. */
static struct piece *cut(unsigned order)
{
    size_t len = (size_t)1 << order;

    if (order >= AREA)
        return from_kernel(len);
    if (area_left < len) {
        area = from_kernel((size_t)1 << AREA);
        area_left = area ? (size_t)1 << AREA : 0;
    }
    if (!area)
        return NULL;
    area += len;
    area_left -= len;
    return (struct piece *)(area - len);
}

static struct piece *take(unsigned order)
{
    pthread_mutex_lock(&lock);
    struct piece *p = lists[order];
    if (p)
        lists[order] = p->next;
    else
        p = cut(order);
    allocations++;
    pthread_mutex_unlock(&lock);
    return p;
}

static unsigned order_of(size_t len)
{
    unsigned order = (unsigned)(64 - __builtin_clzl(len - 1));

    return order < LEAST ? LEAST : order;
}

static void *get(size_t alignment, size_t size)
{
    size_t len = size + alignment + sizeof(struct head);
    unsigned order = order_of(len);
    struct piece *p = len >= size && order < MOST ? take(order) : NULL;

    if (!p) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t at = ((uintptr_t)p + sizeof(struct head) + alignment - 1) & ~(alignment - 1);
    ((struct head *)at)[-1] = (struct head){.piece = p, .order = order};
    return (void *)at;
}

static size_t room_of(void *p)
{
    const struct head *h = (struct head *)p - 1;

    return (uintptr_t)h->piece + ((size_t)1 << h->order) - (uintptr_t)p;
}

/* Libraries find these as well: what one allocates the other may free. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    return get(DEFAULT, size);
}

void *calloc(size_t n, size_t size)
{
    size_t len;
    void *p = __builtin_mul_overflow(n, size, &len) ? NULL : get(DEFAULT, len);

    return p ? memset(p, 0, len) : NULL;
}

void free(void *p)
{
    if (!p)
        return;
    struct head h = ((struct head *)p)[-1];
    pthread_mutex_lock(&lock);
    h.piece->next = lists[h.order];
    lists[h.order] = h.piece;
    pthread_mutex_unlock(&lock);
}

void *realloc(void *p, size_t size)
{
    void *moved;

    if (p && size <= room_of(p))
        return p;
    moved = get(DEFAULT, size);
    if (moved && p)
        memcpy(moved, p, room_of(p));
    if (moved)
        free(p);
    return moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return get(alignment < DEFAULT ? DEFAULT : alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    *ret = aligned_alloc(alignment, size);
    return *ret ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *p)
{
    return p ? room_of(p) : 0;
}

#pragma GCC visibility pop
