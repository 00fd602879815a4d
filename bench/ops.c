/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/ops.c - see ops.h
 *
 * Ids: LIST_PID holds exactly 1,000 objects; BENCH_MANY_PID as many as asked for. A work's ids:
 * BACKGROUND objects with one attribute, then BIG with BENCH_BUF bytes written at once, then OVER of the
 * same size for overwriting, then fresh ones.
 */
#include "ops.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "raw.h"

#define LIST_PID   0x10001ULL
#define FRESH_PID  0x20000ULL
#define OID        0x1000000ULL
#define WORK_IDS   (1ULL << 24)
#define BIG        BENCH_BACKGROUND
#define OVER       (BENCH_BACKGROUND + 1)
#define FRESH      0x10000ULL
#define ATTR_LEN   16
#define PAGE_IDS   1000
#define LIST_BYTES (24 + 8 * PAGE_IDS)
#define FILL_RUN   4096 /* objects per CREATE while filling */

/* ---- ids ---- */

static uint64_t background(const struct bench_work *w, unsigned i)
{
    return w->first_oid + i * 7919u % BENCH_BACKGROUND;
}

static uint64_t fresh(const struct bench_work *w, unsigned i)
{
    return w->first_oid + FRESH + w->turn % 64 * FRESH + i;
}

/* ---- partitions ---- */

static void make_partition(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_CREATE_PARTITION, FRESH_PID, 0, 0);
}

static void prepare_remove_partition(struct bench_work *w, const struct bench_op *op);

static void step_partition(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_pid(&w->cmd, FRESH_PID + w->first_oid + i);
    bench_cmd_run(w->to, &w->cmd);
}

static void all_partitions(struct bench_work *w, const struct bench_op *op, enum osd_op what)
{
    bench_cmd_make(&w->cmd, what, FRESH_PID, 0, 0);
    for (unsigned i = 0; i < op->batch; i++)
        step_partition(w, op, i);
}

static void drop_partitions(struct bench_work *w, const struct bench_op *op)
{
    all_partitions(w, op, OSD_OP_REMOVE_PARTITION);
}

static void prepare_remove_partition(struct bench_work *w, const struct bench_op *op)
{
    all_partitions(w, op, OSD_OP_CREATE_PARTITION);
    bench_cmd_make(&w->cmd, OSD_OP_REMOVE_PARTITION, FRESH_PID, 0, 0);
}

/* ---- objects ---- */

static void step_fresh(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_oid(&w->cmd, fresh(w, i));
    bench_cmd_run(w->to, &w->cmd);
}

static void all_fresh(struct bench_work *w, const struct bench_op *op, enum osd_op what)
{
    bench_cmd_make(&w->cmd, what, w->pid, OID, 0);
    for (unsigned i = 0; i < op->batch; i++)
        step_fresh(w, op, i);
}

static void prepare_create(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_CREATE, w->pid, OID, 0);
}

static void drop_fresh(struct bench_work *w, const struct bench_op *op)
{
    all_fresh(w, op, OSD_OP_REMOVE);
}

static void prepare_remove(struct bench_work *w, const struct bench_op *op)
{
    all_fresh(w, op, OSD_OP_CREATE);
    bench_cmd_make(&w->cmd, OSD_OP_REMOVE, w->pid, OID, 0);
}

/* ---- attributes ---- */

static void step_background(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_oid(&w->cmd, background(w, i));
    bench_cmd_run(w->to, &w->cmd);
}

static void prepare_set(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_SET_ATTRIBUTES, w->pid, OID, 0);
    bench_cmd_sets(&w->cmd, w->list, sizeof(w->list), 1, w->buf + w->turn % 64, ATTR_LEN);
}

static void prepare_get(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_GET_ATTRIBUTES, w->pid, OID, 0);
    bench_cmd_gets(&w->cmd, w->list, sizeof(w->list), 1, w->in, 64);
}

static void prepare_set_10(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_SET_ATTRIBUTES, w->pid, OID, 0);
    bench_cmd_sets(&w->cmd, w->list, sizeof(w->list), 10, w->buf + w->turn % 64, ATTR_LEN);
}

static void prepare_get_10(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_GET_ATTRIBUTES, w->pid, OID, 0);
    bench_cmd_gets(&w->cmd, w->list, sizeof(w->list), 10, w->in, sizeof(w->in));
}

static void prepare_get_page(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_GET_ATTRIBUTES, w->pid, OID, 0);
    bench_cmd_gets_page(&w->cmd, OSD_PAGE_U + OSD_PG_TIMESTAMPS, w->in, sizeof(w->in));
}

/* ---- bytes ---- */

static void data_cmd(struct bench_work *w, enum osd_op what, uint64_t oid, uint64_t size)
{
    bench_cmd_make(&w->cmd, what, w->pid, oid, size);
    *(what == OSD_OP_READ ? &w->cmd.in : &w->cmd.out) = (struct iovec){w->buf, size};
}

/* Somewhere in the big object, aligned to the size. */
static uint64_t somewhere(const struct bench_op *op, unsigned i)
{
    return i * 7919ULL * op->size % BENCH_BUF;
}

/* All of what will be read was touched just before, as the peer's file was. */
static void prepare_read(struct bench_work *w, const struct bench_op *op)
{
    data_cmd(w, OSD_OP_READ, w->first_oid + BIG, BENCH_BUF);
    bench_cmd_run(w->to, &w->cmd);
    data_cmd(w, OSD_OP_READ, w->first_oid + BIG, op->size);
}

static void prepare_overwrite(struct bench_work *w, const struct bench_op *op)
{
    data_cmd(w, OSD_OP_WRITE, w->first_oid + OVER, op->size);
}

static void prepare_read_scattered(struct bench_work *w, const struct bench_op *op)
{
    data_cmd(w, OSD_OP_READ, w->first_oid + OVER, op->size);
}

static void step_somewhere(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_start(&w->cmd, somewhere(op, i));
    bench_cmd_run(w->to, &w->cmd);
}

static void step_once_only(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_nonce(&w->cmd, w->first_oid + w->turn * op->batch + i);
    step_somewhere(w, op, i);
}

static void prepare_append(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_CREATE, w->pid, fresh(w, 0), 0);
    bench_cmd_run(w->to, &w->cmd);
    data_cmd(w, OSD_OP_APPEND, fresh(w, 0), op->size);
}

static void prepare_create_and_write(struct bench_work *w, const struct bench_op *op)
{
    data_cmd(w, OSD_OP_CREATE_AND_WRITE, OID, op->size);
}

static void step_same(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_run(w->to, &w->cmd);
}

static void drop_one(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_REMOVE, w->pid, fresh(w, 0), 0);
    bench_cmd_run(w->to, &w->cmd);
}

/* New data: one object that grows. */
static void prepare_grow(struct bench_work *w, const struct bench_op *op)
{
    prepare_append(w, op);
    data_cmd(w, OSD_OP_WRITE, fresh(w, 0), op->size);
}

static void step_grow(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_cmd_start(&w->cmd, i * op->size);
    bench_cmd_run(w->to, &w->cmd);
}

/* As many pieces as the batch will take away, at the front of one object. */
static void prepare_punch(struct bench_work *w, const struct bench_op *op)
{
    prepare_grow(w, op);
    for (unsigned i = 0; i < op->batch; i++)
        step_grow(w, op, i);
    bench_cmd_make(&w->cmd, OSD_OP_PUNCH, w->pid, fresh(w, 0), op->size);
}

/* Bytes at an offset that is not aligned: nothing but zeroing inside one block. */
static void prepare_clear(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_CLEAR, w->pid, w->first_oid + OVER, op->size);
}

static void prepare_flush(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_FLUSH, w->pid, w->first_oid + OVER, 0);
}

/* ---- collections ---- */

static void prepare_create_collection(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_CREATE_COLLECTION, w->pid, OID, 0);
}

static void drop_collections(struct bench_work *w, const struct bench_op *op)
{
    all_fresh(w, op, OSD_OP_REMOVE_COLLECTION);
}

/* ---- what every SCSI device answers ---- */

static void prepare_inquiry(struct bench_work *w, const struct bench_op *op)
{
    static const uint8_t cdb[] = {0x12, 0, 0, 0, 96, 0};

    bench_cmd_raw(&w->cmd, cdb, sizeof(cdb));
    w->cmd.in = (struct iovec){w->in, 96};
}

/* ---- listings ---- */

static void prepare_list(struct bench_work *w, const struct bench_op *op)
{
    static const uint64_t pids[] = {LIST_PID, BENCH_MANY_PID, 0};

    bench_cmd_make(&w->cmd, OSD_OP_LIST, pids[op->size], 0, LIST_BYTES);
    w->cmd.in = (struct iovec){w->buf, LIST_BYTES};
}

static void prepare_get_any(struct bench_work *w, const struct bench_op *op)
{
    bench_cmd_make(&w->cmd, OSD_OP_GET_ATTRIBUTES, BENCH_MANY_PID, OID, 0);
    bench_cmd_gets_page(&w->cmd, OSD_PAGE_U + OSD_PG_TIMESTAMPS, w->in, sizeof(w->in));
}

/* Some object of the large partition, all over it. */
static void step_get_any(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    uint64_t hash = (w->turn * op->batch + i) * 0x9e3779b97f4a7c15ULL >> 20;

    bench_cmd_oid(&w->cmd, OSD_ID_FIRST + hash % w->many_objects);
    bench_cmd_run(w->to, &w->cmd);
}

static void step_list(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    if (op->size == 1 && w->many_objects > PAGE_IDS)
        bench_cmd_start(&w->cmd,
                        OSD_ID_FIRST + i * 7919ULL * PAGE_IDS % (w->many_objects - PAGE_IDS));
    bench_cmd_run(w->to, &w->cmd);
}

/* ---- peers: the same bytes in a file ---- */

static void peer_path(const struct bench_work *w, char path[4096])
{
    snprintf(path, 4096, "%s/peer-%llx", w->dir, (unsigned long long)w->first_oid);
}

static void peer_open(struct bench_work *w, const struct bench_op *op)
{
    char path[4096];

    peer_path(w, path);
    w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (w->fd < 0)
        bench_die("%s: %m", path);
}

static void peer_open_filled(struct bench_work *w, const struct bench_op *op)
{
    peer_open(w, op);
    if (pwrite(w->fd, w->buf, BENCH_BUF, 0) != BENCH_BUF)
        bench_die("pwrite: %m");
}

/* As long as the batch will make it: what is measured then finds its pages there. */
static void peer_open_written(struct bench_work *w, const struct bench_op *op)
{
    peer_open(w, op);
    for (unsigned i = 0; i < op->batch; i++)
        op->step(w, op, i);
}

static void peer_close(struct bench_work *w, const struct bench_op *op)
{
    char path[4096];

    close(w->fd);
    peer_path(w, path);
    unlink(path);
}

static void peer_write(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    if (pwrite(w->fd, w->buf, op->size, (off_t)(i * op->size)) != (ssize_t)op->size)
        bench_die("pwrite: %m");
}

static void peer_overwrite(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    if (pwrite(w->fd, w->buf, op->size, (off_t)somewhere(op, i)) != (ssize_t)op->size)
        bench_die("pwrite: %m");
}

static void peer_read(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    if (pread(w->fd, w->buf, op->size, (off_t)somewhere(op, i)) != (ssize_t)op->size)
        bench_die("pread: %m");
}

/* ---- peers: what a store like this one cannot do without ---- */

#define CHECKED (256 * 1024) /* read at a time, as the store does */
#define BLOCK   4096
#define RECORD  200

/* A checked READ: the bytes, and a checksum of each block of them. */
static void peer_checked(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    off_t from = (off_t)somewhere(op, i);
    uint32_t crc = 0;

    for (size_t at = 0, part; at < op->size; at += part) {
        part = op->size - at < CHECKED ? op->size - at : CHECKED;
        if (pread(w->fd, w->buf + at, part, from + (off_t)at) != (ssize_t)part)
            bench_die("pread: %m");
        for (size_t b = 0; b < part; b += BLOCK)
            crc ^= osd_crc32c(0, w->buf + at + b, BLOCK);
    }
    w->computed = crc;
}

/* Where each step of a batch has a block of its own, and a log that is mapped; nothing of them is new. */
static void peer_open_logged(struct bench_work *w, const struct bench_op *op)
{
    size_t len = (size_t)op->batch * RECORD;
    char path[4096];

    peer_open(w, op);
    snprintf(path, sizeof(path), "%s/peer-log-%llx", w->dir, (unsigned long long)w->first_oid);
    w->log_fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (w->log_fd < 0 || unlink(path) != 0 || ftruncate(w->log_fd, (off_t)len) != 0)
        bench_die("%s: %m", path);
    for (off_t at = 0; at < (off_t)op->batch * BLOCK; at += BENCH_BUF)
        if (pwrite(w->fd, w->buf, BENCH_BUF, at) != BENCH_BUF)
            bench_die("pwrite: %m");
    w->log = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, w->log_fd, 0);
    if (w->log == MAP_FAILED)
        bench_die("mmap: %m");
    memset(w->log, 0x5a, len);
}

/* An overwriting WRITE: the block to another place, its checksum, a record that says so. */
static void peer_logged(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    const uint8_t *block = w->buf + somewhere(op, i);
    uint8_t record[RECORD] = {0};

    if (pwrite(w->fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
        bench_die("pwrite: %m");
    be32_put(record + 8, osd_crc32c(0, block, BLOCK));
    be32_put(record, osd_crc32c(0, record + 4, RECORD - 4));
    memcpy(w->log + (size_t)i * RECORD, record, RECORD);
}

static void peer_close_logged(struct bench_work *w, const struct bench_op *op)
{
    munmap(w->log, (size_t)op->batch * RECORD);
    close(w->log_fd);
    peer_close(w, op);
}

/* What every way into the kernel costs at least. */
static void peer_nothing(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    syscall(SYS_getppid);
}

/* Nothing but registers: what the machine makes of several threads. */
static void peer_compute(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    uint64_t x = w->turn + i + 1;

    for (unsigned k = 0; k < 1000; k++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    w->computed = x;
}

static void peer_map(struct bench_work *w, const struct bench_op *op)
{
    w->pages = mmap(NULL, op->batch * op->size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (w->pages == MAP_FAILED)
        bench_die("mmap: %m");
    madvise(w->pages, op->batch * op->size, MADV_NOHUGEPAGE);
}

static void peer_touch(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    w->pages[i * op->size] = 1;
}

static void peer_unmap(struct bench_work *w, const struct bench_op *op)
{
    munmap(w->pages, op->batch * op->size);
}

/* Make ext4 put new directories of this one where few others are. */
static void spread_directories(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags;

    if (fd < 0)
        bench_die("%s: %m", path);
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_TOPDIR_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags); /* other file systems have no such thing */
    }
    close(fd);
}

/* One file per object, as somebody would do by hand. Files stay until the work's directory goes, each
 * batch in a directory of its own, far from those of earlier runs: for minutes after a file was removed
 * ext4 passes over its inode, and looks at all such inodes for each file that is made, which then takes
 * 260 us instead of 9. */
static void peer_directory(struct bench_work *w, const struct bench_op *op)
{
    spread_directories(w->dir);
    snprintf(w->files, sizeof(w->files), "%s/objects-%d-%llx-%llu", w->dir, (int)getpid(),
             (unsigned long long)w->first_oid, (unsigned long long)w->turn);
    if (mkdir(w->files, 0700) != 0)
        bench_die("%s: %m", w->files);
}

static void peer_create(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%u", w->files, i);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        bench_die("%s: %m", path);
    close(fd);
}

/* RocksDB alone, default options, keys as long as those of objects; one for all works. */
static struct bench_raw *raw_shared;
static unsigned raw_users;
static pthread_mutex_t raw_mutex = PTHREAD_MUTEX_INITIALIZER;

static void raw_get(struct bench_work *w)
{
    char path[4096];

    pthread_mutex_lock(&raw_mutex);
    snprintf(path, sizeof(path), "%s/peer-rocksdb", w->dir);
    if (raw_users++ == 0)
        raw_shared = bench_raw_open(path);
    w->raw = raw_shared;
    pthread_mutex_unlock(&raw_mutex);
}

static void raw_put(struct bench_work *w)
{
    pthread_mutex_lock(&raw_mutex);
    if (w->raw && --raw_users == 0)
        bench_raw_close(raw_shared);
    w->raw = NULL;
    pthread_mutex_unlock(&raw_mutex);
}

static void peer_rocksdb(struct bench_work *w, const struct bench_op *op)
{
    if (w->raw)
        return;
    raw_get(w);
    for (unsigned i = 0; i < BENCH_BACKGROUND; i++)
        bench_raw_put(w->raw, background(w, i), w->buf, op->size);
}

static void peer_rocksdb_put(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_raw_put(w->raw, background(w, i), w->buf + i % 64, op->size);
}

static void peer_rocksdb_get(struct bench_work *w, const struct bench_op *op, unsigned i)
{
    bench_raw_get(w->raw, background(w, i));
}

static void nothing(struct bench_work *w, const struct bench_op *op)
{
}

/* ---- the table ---- */

const struct bench_op bench_ops[] = {
    {"create_partition", "CREATE PARTITION", 12, 1000, 0, make_partition, step_partition,
     drop_partitions},
    {"remove_partition", "REMOVE PARTITION (empty)", 0, 1000, 0, prepare_remove_partition,
     step_partition, nothing},
    {"create", "CREATE", 12, 4000, 0, prepare_create, step_fresh, drop_fresh},
    {"peer_create", "file per object: open(O_CREAT), close", 0, 4000, 0, peer_directory,
     peer_create, nothing},
    {"remove", "REMOVE (no data)", 15, 4000, 0, prepare_remove, step_fresh, nothing},
    {"set_1", "SET ATTRIBUTES, 1 of 16 bytes", 8, 4000, 0, prepare_set, step_background,
     nothing},
    {"get_1", "GET ATTRIBUTES, 1 of 16 bytes", 3, 4000, 0, prepare_get, step_background,
     nothing},
    {"set_10", "SET ATTRIBUTES, 10 of 16 bytes", 0, 500, 0, prepare_set_10, step_background,
     nothing},
    {"get_10", "GET ATTRIBUTES, list of 10", 0, 500, 0, prepare_get_10, step_background,
     nothing},
    {"get_page", "GET ATTRIBUTES, Timestamps page", 0, 2000, 0, prepare_get_page,
     step_background, nothing},
    {"get_any", "GET ATTRIBUTES, Timestamps page, any object of many", 0, 2000, 0,
     prepare_get_any, step_get_any, nothing},
    {"read_4k", "READ 4 KiB", 3, 4000, 4096, prepare_read, step_somewhere, nothing},
    {"peer_read_4k", "pread 4 KiB", 0, 4000, 4096, peer_open_filled, peer_read, peer_close},
    {"write_4k", "WRITE 4 KiB, overwrite", 6, 4000, 4096, prepare_overwrite, step_somewhere,
     nothing},
    {"write_4k_once", "WRITE 4 KiB, overwrite, with nonce", 0, 4000, 4096, prepare_overwrite,
     step_once_only, nothing},
    {"peer_overwrite_4k", "pwrite 4 KiB, overwrite", 0, 4000, 4096, peer_open_filled,
     peer_overwrite, peer_close},
    {"peer_logged_4k", "pwrite 4 KiB elsewhere, CRC32C, copy of a record into a mapped file", 0,
     4000, 4096, peer_open_logged, peer_logged, peer_close_logged},
    {"append_64", "APPEND 64 bytes", 6, 4000, 64, prepare_append, step_same, drop_one},
    {"peer_rocksdb_put", "RocksDB by itself: put of 100 bytes", 0, 4000, 100, peer_rocksdb,
     peer_rocksdb_put, nothing},
    {"peer_rocksdb_get", "RocksDB by itself: get of 100 bytes", 0, 4000, 100, peer_rocksdb,
     peer_rocksdb_get, nothing},
    {"peer_record", "pwrite 200 bytes, each behind the last, pages already there", 0, 4000, 200,
     peer_open_written, peer_write, peer_close},
    {"peer_nothing", "a system call that does nothing", 0, 4000, 0, nothing, peer_nothing,
     nothing},
    {"peer_compute", "a loop in registers", 0, 4000, 0, nothing, peer_compute, nothing},
    {"peer_touch", "a page of memory touched for the first time", 0, 1000, 4096, peer_map,
     peer_touch, peer_unmap},
    {"create_and_write_4k", "CREATE AND WRITE 4 KiB", 0, 1000, 4096, prepare_create_and_write,
     step_fresh, drop_fresh},
    {"clear_512", "CLEAR 512 bytes", 0, 1000, 512, prepare_clear, step_somewhere, nothing},
    {"punch_4k", "PUNCH 4 KiB of 1 MiB", 0, 256, 4096, prepare_punch, step_same, drop_one},
    {"flush", "FLUSH, nothing to flush", 0, 200, 0, prepare_flush, step_same, nothing},
    {"create_collection", "CREATE COLLECTION", 0, 500, 0, prepare_create_collection, step_fresh,
     drop_collections},
    {"inquiry", "INQUIRY", 0, 4000, 0, prepare_inquiry, step_same, nothing},
    {"list_1k", "LIST, page of 1,000 of 1,000", 250, 100, 0, prepare_list, step_list, nothing},
    {"list_many", "LIST, page of 1,000 of many", 250, 100, 1, prepare_list, step_list, nothing},
    {"list_root", "LIST ROOT, 3 partitions", 0, 500, 2, prepare_list, step_list, nothing},
    {"write_64k", "WRITE 64 KiB, new data", 0, 512, 65536, prepare_grow, step_grow, drop_one},
    {"peer_write_64k", "pwrite 64 KiB, new file", 0, 512, 65536, peer_open, peer_write,
     peer_close},
    {"read_64k", "READ 64 KiB", 0, 512, 65536, prepare_read, step_somewhere, nothing},
    {"peer_read_64k", "pread 64 KiB", 0, 512, 65536, peer_open_filled, peer_read, peer_close},
    {"peer_checked_64k", "pread 64 KiB, CRC32C of each 4 KiB", 0, 512, 65536, peer_open_filled,
     peer_checked, peer_close},
    {"write_1m", "WRITE 1 MiB, new data", 0, 48, BENCH_BUF, prepare_grow, step_grow, drop_one},
    {"peer_write_1m", "pwrite 1 MiB, new file", 0, 48, BENCH_BUF, peer_open, peer_write,
     peer_close},
    {"peer_rewrite_1m", "pwrite 1 MiB, pages already there", 0, 48, BENCH_BUF,
     peer_open_written, peer_write, peer_close},
    {"read_1m", "READ 1 MiB", 0, 48, BENCH_BUF, prepare_read, step_somewhere, nothing},
    {"read_1m_scattered", "READ 1 MiB, overwritten in 4 KiB before", 0, 48, BENCH_BUF,
     prepare_read_scattered, step_somewhere, nothing},
    {"peer_read_1m", "pread 1 MiB", 0, 48, BENCH_BUF, peer_open_filled, peer_read, peer_close},
    {"peer_checked_1m", "pread 1 MiB, CRC32C of each 4 KiB", 0, 48, BENCH_BUF, peer_open_filled,
     peer_checked, peer_close},
};
const unsigned bench_n_ops = sizeof(bench_ops) / sizeof(bench_ops[0]);

const struct bench_op *bench_op_find(const char *name)
{
    for (unsigned i = 0; i < bench_n_ops; i++)
        if (strcmp(bench_ops[i].name, name) == 0)
            return &bench_ops[i];
    return NULL;
}

bool bench_op_is_peer(const struct bench_op *op)
{
    return strncmp(op->name, "peer_", 5) == 0;
}

bool bench_op_needs_many(const struct bench_op *op)
{
    return strcmp(op->name, "list_many") == 0 || strcmp(op->name, "get_any") == 0;
}

uint64_t bench_batch(struct bench_work *w, const struct bench_op *op)
{
    w->turn++;
    op->prepare(w, op);
    uint64_t t0 = bench_now_ns();
    for (unsigned i = 0; i < op->batch; i++)
        op->step(w, op, i);
    uint64_t t = bench_now_ns() - t0;
    op->tidy(w, op);
    return t;
}

uint64_t bench_settle(const struct bench_target *to, uint64_t pid, uint64_t oid)
{
    struct bench_cmd create, list, drop;
    uint8_t in[64];

    bench_cmd_make(&create, OSD_OP_CREATE, pid, oid, 0);
    bench_cmd_make(&list, OSD_OP_LIST, pid, 0, sizeof(in));
    list.in = (struct iovec){in, sizeof(in)};
    bench_cmd_make(&drop, OSD_OP_REMOVE, pid, oid, 0);
    bench_cmd_run(to, &create);
    uint64_t t0 = bench_now_ns();
    bench_cmd_run(to, &list);
    uint64_t ns = bench_now_ns() - t0;
    bench_cmd_run(to, &drop);
    return ns;
}

/* ---- furniture ---- */

/* n objects whose ids the store chooses: OSD_ID_FIRST and following in a fresh partition. */
static void fill(const struct bench_target *to, uint64_t pid, uint64_t n)
{
    struct osd_cdb cdb = osd_cdb_make(OSD_OP_CREATE, OSD_GEN2, pid, 0);
    struct bench_cmd c = {0};

    for (uint64_t done = 0; done < n; done += cdb.count) {
        cdb.count = (uint16_t)(n - done < FILL_RUN ? n - done : FILL_RUN);
        if (osd_cdb_encode(&cdb, c.cdb, &c.cdb_len))
            bench_die("CREATE cannot be encoded");
        bench_cmd_run(to, &c);
    }
}

void bench_grow(const struct bench_target *to, uint64_t n)
{
    fill(to, BENCH_MANY_PID, n);
}

void bench_furnish(const struct bench_target *to, uint64_t many_objects)
{
    static const uint64_t pids[] = {BENCH_PID, LIST_PID, BENCH_MANY_PID};
    struct bench_cmd c;

    for (unsigned i = 0; i < 3; i++) {
        bench_cmd_make(&c, OSD_OP_CREATE_PARTITION, pids[i], 0, 0);
        bench_cmd_run(to, &c);
    }
    fill(to, LIST_PID, PAGE_IDS);
    fill(to, BENCH_MANY_PID, many_objects);
}

void bench_work_init(struct bench_work *w, const struct bench_target *to, const char *dir,
                     unsigned number, uint64_t pid, uint64_t many_objects)
{
    static const struct bench_op all = {.batch = BENCH_BACKGROUND};

    *w = (struct bench_work){.to = to,
                             .dir = dir,
                             .pid = pid,
                             .first_oid = OID + number * WORK_IDS,
                             .many_objects = many_objects};
    w->buf = aligned_alloc(4096, BENCH_BUF); /* like the data area of a transport */
    if (!w->buf)
        bench_die("out of memory");
    for (unsigned i = 0; i < BENCH_BUF; i++)
        w->buf[i] = (uint8_t)(i * 2654435761u >> 13);
    bench_cmd_make(&w->cmd, OSD_OP_CREATE, w->pid, OID, 0);
    for (unsigned i = 0; i <= OVER; i++) {
        bench_cmd_oid(&w->cmd, w->first_oid + i);
        bench_cmd_run(to, &w->cmd);
    }
    prepare_set(w, &all);
    for (unsigned i = 0; i < BENCH_BACKGROUND; i++)
        step_background(w, &all, i);
    data_cmd(w, OSD_OP_WRITE, w->first_oid + BIG, BENCH_BUF);
    bench_cmd_run(to, &w->cmd);
    bench_cmd_oid(&w->cmd, w->first_oid + OVER);
    bench_cmd_run(to, &w->cmd);
}

void bench_work_end(struct bench_work *w)
{
    raw_put(w);
    free(w->buf);
}
