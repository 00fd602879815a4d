/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/ops_floor.c - what a store does at least that answers READ and WRITE over LIO: a copy out of
 * a mapped file or into one, with the checksum of each block, where the loads of lio.c go, from and to
 * memory as the commands in flight have it
 *
 * "copy" is what the empty handler does with the same bytes instead. The bytes between which all
 * of them copy are used by one work at a time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ops.h"
#include "store/sums.h"

#define PAGE 4096u

static uint8_t medium[BENCH_SPREAD], buffers[BENCH_DEPTH][BENCH_BUF];

static uint64_t place(const struct bench_op *op, unsigned i)
{
    return i * BENCH_STRIDE * op->size % BENCH_SPREAD;
}

/* Pages that are there already. */
static void touch(struct bench_work *w, const struct bench_op *op)
{
    if (medium[0])
        return;
    memset(medium, 0x5a, sizeof(medium));
    memset(buffers, 0x5a, sizeof(buffers));
}

static void path_of(const struct bench_work *w, char path[4096])
{
    snprintf(path, 4096, "%s/floor-%llx", w->dir, (unsigned long long)w->first_oid);
}

static void open_filled(struct bench_work *w, const struct bench_op *op)
{
    char path[4096];

    touch(w, op);
    path_of(w, path);
    w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (uint64_t at = 0; at < BENCH_SPREAD; at += BENCH_BUF)
        if (pwrite(w->fd, medium + at, BENCH_BUF, (off_t)at) != BENCH_BUF)
            bench_die("%s: %m", path);
}

static void close_filled(struct bench_work *w, const struct bench_op *op)
{
    char path[4096];

    close(w->fd);
    path_of(w, path);
    unlink(path);
}

static void nothing(struct bench_work *w, const struct bench_op *op)
{
}

static uint8_t *mapping;
static uint32_t sums[BENCH_BUF / PAGE];

/* Each page of it touched once, to read and to write. */
static void open_mapped(struct bench_work *w, const struct bench_op *op)
{
    open_filled(w, op);
    mapping = mmap(NULL, BENCH_SPREAD, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
    if (mapping == MAP_FAILED)
        bench_die("mmap: %m");
    for (size_t at = 0; at < BENCH_SPREAD; at += PAGE)
        *(volatile uint8_t *)(mapping + at) = medium[at];
}

static void close_mapped(struct bench_work *w, const struct bench_op *op)
{
    munmap(mapping, BENCH_SPREAD);
    close_filled(w, op);
}

static struct iovec in_flight(const struct bench_op *op, unsigned i)
{
    return (struct iovec){buffers[i % BENCH_DEPTH], op->size};
}

static void step_map_out(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    struct iovec v = in_flight(op, i);

    sums_of_copy(mapping + place(op, i), &v, (uint32_t)(op->size / PAGE), sums);
}

static void step_map_in(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    struct iovec v = in_flight(op, i);

    sums_of_copy_to(mapping + place(op, i), &v, (uint32_t)(op->size / PAGE), sums);
}

static void step_copy_out(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    memcpy(buffers[i % BENCH_DEPTH], medium + place(op, i), op->size);
}

static void step_copy_in(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    memcpy(medium + place(op, i), buffers[i % BENCH_DEPTH], op->size);
}

const struct bench_op bench_floor_ops[] = {
    {"floor_map_out_4k", "copy 4 KiB out of a mapping of 32 MiB, with CRC32C", 0, 4000, 4096,
     open_mapped, step_map_out, close_mapped},
    {"floor_copy_out_4k", "copy 4 KiB of 32 MiB", 0, 4000, 4096, touch, step_copy_out, nothing},
    {"floor_map_in_4k", "copy 4 KiB into a mapping of 32 MiB, with CRC32C", 0, 4000, 4096,
     open_mapped, step_map_in, close_mapped},
    {"floor_copy_in_4k", "copy 4 KiB into 32 MiB", 0, 4000, 4096, touch, step_copy_in, nothing},
    {"floor_map_out_64k", "copy 64 KiB out of a mapping of 32 MiB, with CRC32C", 0, 512, 65536,
     open_mapped, step_map_out, close_mapped},
    {"floor_copy_out_64k", "copy 64 KiB of 32 MiB", 0, 512, 65536, touch, step_copy_out,
     nothing},
    {"floor_map_in_64k", "copy 64 KiB into a mapping of 32 MiB, with CRC32C", 0, 512, 65536,
     open_mapped, step_map_in, close_mapped},
    {"floor_copy_in_64k", "copy 64 KiB into 32 MiB", 0, 512, 65536, touch, step_copy_in,
     nothing},
    {"floor_map_out_1m", "copy 1 MiB out of a mapping of 32 MiB, with CRC32C", 0, 64, BENCH_BUF,
     open_mapped, step_map_out, close_mapped},
    {"floor_copy_out_1m", "copy 1 MiB of 32 MiB", 0, 64, BENCH_BUF, touch, step_copy_out,
     nothing},
    {"floor_map_in_1m", "copy 1 MiB into a mapping of 32 MiB, with CRC32C", 0, 64, BENCH_BUF,
     open_mapped, step_map_in, close_mapped},
    {"floor_copy_in_1m", "copy 1 MiB into 32 MiB", 0, 64, BENCH_BUF, touch, step_copy_in,
     nothing},
};
const unsigned bench_n_floor_ops = sizeof(bench_floor_ops) / sizeof(bench_floor_ops[0]);
