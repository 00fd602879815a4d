/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/mapped.c - see mapped.h
 *
 * Who copies counts itself in its thread's place before it looks where the file is mapped. Who takes a
 * mapping away first makes it unknown; a place whose count was zero after that has nobody left in it
 * who knows it.
 */
#include "store/mapped.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/thread.h"
#include "store/bits.h"
#include "store/blocks.h"
#include "store/guarded.h"
#include "store/sums.h"

#ifndef MADV_POPULATE_READ /* Linux 5.14; older ones refuse it, and pages come one by one */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define FILE_SIZE  ((size_t)BLOCKS_PER_FILE * STORE_BLOCK)
#define WORDS      (BLOCKS_PER_FILE / 64)
#define MOST_FILES (sizeof(void *) < 8 ? 8u : 4096u)
#define MOST_ALL   16384u /* in a process: the kernel gives it 65,530 mappings, by default */
#define OFTEN      4096u

/* User-mode Linux takes 40 us for a window, and then 600 for the first uses of its pages, which come one by one; it
 * is told by the former. Others take 1 (ext4) to 12 us (tmpfs), and nothing after that. */
#define DEAR_NS 30000u
#define BROUGHT 3u /* windows, before it is judged by the quickest of them */

/** A mapped file. Words are atomic; a bit or a read more or less only costs time. */
struct mapping {
    uint8_t *at;
    struct mapped_file *of;
    uint32_t slot;
    bool used;                                     /* since the hand passed */
    enum { READ_ONLY, IN_BETWEEN, WRITABLE } way;  /* changes in that order */
    uint64_t period;                               /* that `now` is of */
    uint64_t now[WORDS];                           /* blocks mapped or read here in it */
    uint64_t before[WORDS];                        /* and in the one before */
    uint8_t heat[BLOCKS_PER_FILE / MAPPED_WINDOW]; /* reads from the file, below MAPPED_HOT */
};

struct mapped {
    struct place {
        alignas(64) uint32_t users; /* atomic */
    } places[OSD_PLACES];
    alignas(64) uint64_t moved; /* bytes; atomic */
    uint64_t recent;
    bool in_memory;
    uint64_t brought, least_ns; /* windows; the quickest took that long; atomic */
    pthread_mutex_t mutex;      /* of what follows */
    uint32_t cap, hand;
    uint32_t most, n;        /* may be mapped, are mapped; read without it */
    struct mapping *leaving; /* is unmapped when no place is left; NULL: none */
    uint32_t places_left;    /* a bit for each */
    struct mapping *slots[]; /* cap */
};

static uint32_t n_all; /* files mapped in this process; atomic */

static uint64_t get(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* ---- blocks of a mapping ---- */

static void know(struct mapping *p, uint32_t at, uint32_t n)
{
    for (uint32_t part; n > 0; at += part, n -= part) {
        uint64_t mask = bits_in_word(at, n, &part);
        if ((get(&p->now[at / 64]) & mask) != mask)
            __atomic_fetch_or(&p->now[at / 64], mask, __ATOMIC_RELAXED);
    }
}

static uint8_t *address(const struct mapping *p, uint32_t block)
{
    return p->at + (size_t)block * STORE_BLOCK;
}

/* Which blocks are in memory. False: the kernel does not say. */
static bool look(const struct mapping *p, uint32_t block, uint32_t n,
                 unsigned char in[MAPPED_MOST])
{
    return mincore(address(p, block), (size_t)n * STORE_BLOCK, in) == 0;
}

static uint32_t run_of(const unsigned char *in, uint32_t at, uint32_t n)
{
    uint32_t len = 0;

    while (at + len < n && in[at + len] & 1)
        len++;
    return len;
}

/* Map those that are in memory: others would be read one by one. */
static void populate(struct mapping *p, uint32_t block, uint32_t n,
                     const unsigned char in[MAPPED_MOST], int advice)
{
    for (uint32_t i = 0, len; i < n; i += len + 1) {
        len = run_of(in, i, n);
        if (len == 0)
            continue;
        madvise(address(p, block + i), (size_t)len * STORE_BLOCK, advice);
        know(p, block + i, len);
    }
}

static bool protect(const struct mapping *p, int prot)
{
    return mprotect(p->at, FILE_SIZE, prot) == 0;
}

/* All that is in memory of a file, to be written to; nobody does yet. Changing the rights once more is for
 * user-mode Linux, which has a page come by its first use, 25 us each, or now, 2 us. */
static bool make_writable(struct mapping *p)
{
    unsigned char in[MAPPED_MOST];

    if (!protect(p, PROT_READ | PROT_WRITE))
        return false;
    for (uint32_t block = 0; block < BLOCKS_PER_FILE; block += MAPPED_MOST)
        if (look(p, block, MAPPED_MOST, in))
            populate(p, block, MAPPED_MOST, in, MADV_POPULATE_WRITE);
    return protect(p, PROT_READ) && protect(p, PROT_READ | PROT_WRITE);
}

/* ---- what is mapped ---- */

static uint64_t memory_pages(void)
{
    long n = sysconf(_SC_PHYS_PAGES);

    return n > 0 ? (uint64_t)n : 1;
}

/* As many as the machine's memory holds. Their page tables take a 512th of it then. */
static uint32_t most_files(void)
{
    uint64_t n = memory_pages() / BLOCKS_PER_FILE + 1;

    if (sysconf(_SC_PAGESIZE) != (long)STORE_BLOCK)
        return 0;
    return n < MOST_FILES ? (uint32_t)n : MOST_FILES;
}

osd_status mapped_new(uint32_t most, uint64_t recent, bool in_memory, struct mapped **ret)
{
    uint32_t cap = most ? most : most_files();
    size_t size = sizeof(struct mapped) + cap * sizeof(struct mapping *);
    struct mapped *m = aligned_alloc(alignof(struct mapped), (size + 63) / 64 * 64);

    if (!m)
        return OSD_E_NOMEM;
    memset(m, 0, size);
    pthread_mutex_init(&m->mutex, NULL);
    m->cap = m->most = cap;
    m->in_memory = in_memory;
    /* a sixteenth of the memory: two periods are not much beside it */
    m->recent = in_memory ? UINT64_MAX
                : recent  ? recent
                          : memory_pages() / 16 * STORE_BLOCK + 1;
    *ret = m;
    return OSD_OK;
}

static void unmap(struct mapped *m, struct mapping *p)
{
    munmap(p->at, FILE_SIZE);
    __atomic_sub_fetch(&n_all, 1, __ATOMIC_RELAXED);
    m->slots[p->slot] = NULL;
    __atomic_store_n(&m->n, m->n - 1, __ATOMIC_RELAXED);
    free(p);
}

void mapped_free(struct mapped *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->cap; i++)
        if (m->slots[i])
            unmap(m, m->slots[i]);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}

static uint32_t free_slot(const struct mapped *m)
{
    uint32_t i = 0;

    while (m->slots[i])
        i++;
    return i;
}

/* MAP_FAILED also when the process has as many as it should: without more of them malloc() fails, and new
 * threads do. */
static void *map_file(int fd)
{
    void *at = MAP_FAILED;

    if (__atomic_add_fetch(&n_all, 1, __ATOMIC_RELAXED) <= MOST_ALL)
        at = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        __atomic_sub_fetch(&n_all, 1, __ATOMIC_RELAXED);
    return at;
}

/* There is a free slot. When it cannot be done, there are no more mappings than now. */
static void map(struct mapped *m, struct mapped_file *f, int fd)
{
    struct mapping *p = calloc(1, sizeof(*p));
    void *at = p ? map_file(fd) : MAP_FAILED;

    if (at == MAP_FAILED) {
        free(p);
        __atomic_store_n(&m->most, m->n, __ATOMIC_RELAXED);
        return;
    }
    madvise(at, FILE_SIZE, MADV_RANDOM); /* a fault reads what is asked for */
    p->at = at;
    p->of = f;
    p->slot = free_slot(m);
    m->slots[p->slot] = p;
    __atomic_store_n(&m->n, m->n + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&f->mapping, p, __ATOMIC_SEQ_CST);
}

/* The next mapping that was not used since the hand was there last; where all are used again and again,
 * the next one after two rounds. */
static struct mapping *least_used(struct mapped *m)
{
    for (uint64_t steps = 0;; m->hand++, steps++) {
        struct mapping *p = m->slots[m->hand % m->cap];
        if (p && (!__atomic_exchange_n(&p->used, false, __ATOMIC_RELAXED) ||
                  steps >= 2 * (uint64_t)m->cap))
            return p;
    }
}

static void let_go(struct mapped *m)
{
    struct mapping *p = least_used(m);

    __atomic_store_n(&p->of->missed, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&p->of->mapping, NULL, __ATOMIC_SEQ_CST);
    m->leaving = p;
    m->places_left = (1u << OSD_PLACES) - 1;
}

/* Whether no mapping is leaving any more. */
static bool is_gone(struct mapped *m)
{
    for (uint32_t i = 0; i < OSD_PLACES && m->leaving; i++)
        if (__atomic_load_n(&m->places[i].users, __ATOMIC_SEQ_CST) == 0)
            m->places_left &= ~(1u << i);
    if (m->leaving && m->places_left)
        return false;
    if (m->leaving)
        unmap(m, m->leaving);
    m->leaving = NULL;
    return true;
}

/* How many blocks have to be missed of a file that is worth another's place. */
static uint32_t often(const struct mapped *m)
{
    return m->in_memory ? MAPPED_WRITTEN : OFTEN;
}

/* A file that is not mapped is used. As long as there is room it is mapped at once. */
static void want_map(struct mapped *m, struct mapped_file *f, int fd)
{
    uint32_t most = __atomic_load_n(&m->most, __ATOMIC_RELAXED);

    if (most == 0 || (__atomic_load_n(&m->n, __ATOMIC_RELAXED) >= most &&
                      __atomic_load_n(&f->missed, __ATOMIC_RELAXED) < often(m)))
        return;
    if (pthread_mutex_trylock(&m->mutex) != 0)
        return;
    if (is_gone(m) && !f->mapping) {
        if (m->n < m->most)
            map(m, f, fd);
        else if (m->n > 0)
            let_go(m);
    }
    pthread_mutex_unlock(&m->mutex);
}

/* ---- copying ---- */

static void moved(struct mapped *m, uint32_t n)
{
    __atomic_fetch_add(&m->moved, (uint64_t)n * STORE_BLOCK, __ATOMIC_RELAXED);
}

static bool is_known(const struct mapping *p, uint32_t at, uint32_t n)
{
    for (uint32_t part; n > 0; at += part, n -= part) {
        uint64_t mask = bits_in_word(at, n, &part);
        if (((get(&p->now[at / 64]) | get(&p->before[at / 64])) & mask) != mask)
            return false;
    }
    return true;
}

/* Who comes first in a new period turns the page; others may see some words of the old one. */
static void turn(const struct mapped *m, struct mapping *p)
{
    uint64_t period = get(&m->moved) / m->recent, old = get(&p->period);

    if (old == period || !__atomic_compare_exchange_n(&p->period, &old, period, false,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t last = __atomic_exchange_n(&p->now[i], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&p->before[i], period == old + 1 ? last : 0, __ATOMIC_RELAXED);
    }
}

static bool is_there(const struct mapping *p, uint32_t block, uint32_t n)
{
    unsigned char in[MAPPED_MOST];

    return look(p, block, n, in) && run_of(in, 0, n) == n;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void note_cost(struct mapped *m, uint64_t ns)
{
    if (get(&m->brought) == 0 || ns < get(&m->least_ns))
        __atomic_store_n(&m->least_ns, ns, __ATOMIC_RELAXED);
    __atomic_fetch_add(&m->brought, 1, __ATOMIC_RELAXED);
}

/* Map the pages of a window. */
static void bring(struct mapped *m, struct mapping *p, uint32_t block)
{
    unsigned char in[MAPPED_MOST];
    uint64_t ns = now_ns();

    if (!look(p, block, MAPPED_WINDOW, in))
        return;
    populate(p, block, MAPPED_WINDOW, in, MADV_POPULATE_READ);
    if (run_of(in, 0, MAPPED_WINDOW) == MAPPED_WINDOW)
        note_cost(m, now_ns() - ns);
}

/* Whether long reads never save what it costs to map the pages. */
static bool is_dear(const struct mapped *m)
{
    return get(&m->brought) >= BROUGHT && get(&m->least_ns) > DEAR_NS;
}

/* Blocks are read from the file, once more. */
static void heat(struct mapped *m, struct mapping *p, uint32_t block, uint32_t n)
{
    if (n > MAPPED_WINDOW && is_dear(m))
        return;
    for (uint32_t w = block / MAPPED_WINDOW; w <= (block + n - 1) / MAPPED_WINDOW; w++) {
        uint8_t reads = __atomic_load_n(&p->heat[w], __ATOMIC_RELAXED) + 1;
        __atomic_store_n(&p->heat[w], reads < MAPPED_HOT ? reads : 0, __ATOMIC_RELAXED);
        if (reads >= MAPPED_HOT)
            bring(m, p, w * MAPPED_WINDOW);
    }
}

struct job {
    uint8_t *at;
    const struct iovec *v;
    uint32_t n, *crc;
};

static void copy_out(void *arg)
{
    const struct job *j = arg;

    sums_of_copy(j->at, j->v, j->n, j->crc);
}

static void copy_in(void *arg)
{
    const struct job *j = arg;

    sums_of_copy_to(j->at, j->v, j->n, j->crc);
}

static void note_use(struct mapping *p)
{
    if (!__atomic_load_n(&p->used, __ATOMIC_RELAXED))
        __atomic_store_n(&p->used, true, __ATOMIC_RELAXED);
}

static bool read_from(struct mapped *m, struct mapping *p, uint32_t block, uint32_t n,
                      const struct iovec *v, uint32_t *crc)
{
    struct job j = {address(p, block), v, n, crc};

    note_use(p);
    turn(m, p);
    if (!is_known(p, block, n)) {
        heat(m, p, block, n);
        return false;
    }
    know(p, block, n);
    return (n <= MAPPED_WINDOW || m->in_memory || is_there(p, block, n)) &&
           guarded_run(j.at, (size_t)n * STORE_BLOCK, copy_out, &j);
}

static bool is_writable(const struct mapping *p)
{
    return __atomic_load_n(&p->way, __ATOMIC_ACQUIRE) == WRITABLE;
}

/* One thread makes a mapping writable. If it cannot, it stays in between. */
static void want_writable(struct mapping *p)
{
    int old = READ_ONLY;

    if (__atomic_load_n(&p->of->missed, __ATOMIC_RELAXED) >= MAPPED_WRITTEN &&
        __atomic_compare_exchange_n(&p->way, &old, IN_BETWEEN, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED) &&
        make_writable(p))
        __atomic_store_n(&p->way, WRITABLE, __ATOMIC_RELEASE);
}

static bool write_to(struct mapping *p, uint32_t block, uint32_t n, const struct iovec *v,
                     uint32_t *crc)
{
    struct job j = {address(p, block), v, n, crc};

    note_use(p);
    if (!is_writable(p))
        want_writable(p);
    return is_writable(p) && is_known(p, block, n) &&
           guarded_run(j.at, (size_t)n * STORE_BLOCK, copy_in, &j);
}

/* Go to where a file is mapped, or nowhere. What was found stays until the place is left. */
static struct mapping *enter(struct mapped *m, const struct mapped_file *f,
                             uint32_t **ret_users)
{
    *ret_users = &m->places[osd_thread_place()].users;
    __atomic_add_fetch(*ret_users, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&f->mapping, __ATOMIC_SEQ_CST);
}

static void leave(uint32_t *users)
{
    __atomic_sub_fetch(users, 1, __ATOMIC_RELEASE);
}

static bool copy(struct mapped *m, struct mapped_file *f, int fd, uint32_t block, uint32_t n,
                 const struct iovec *v, uint32_t *crc, bool in)
{
    if (n == 0 || n > MAPPED_MOST || n > BLOCKS_PER_FILE - block)
        return false;
    if (!__atomic_load_n(&f->mapping, __ATOMIC_RELAXED))
        want_map(m, f, fd);
    uint32_t *users;
    struct mapping *p = enter(m, f, &users);
    bool done = p && (in ? write_to(p, block, n, v, crc) : read_from(m, p, block, n, v, crc));
    leave(users);
    if (!done)
        __atomic_add_fetch(&f->missed, n, __ATOMIC_RELAXED);
    return done;
}

bool mapped_read(struct mapped *m, struct mapped_file *f, int fd, uint32_t block, uint32_t n,
                 const struct iovec *v, uint32_t *ret_crc)
{
    bool done = m && copy(m, f, fd, block, n, v, ret_crc, false);

    if (m && !done)
        moved(m, n);
    return done;
}

bool mapped_write(struct mapped *m, struct mapped_file *f, int fd, uint32_t block, uint32_t n,
                  const struct iovec *v, uint32_t *ret_crc)
{
    return m && m->in_memory && copy(m, f, fd, block, n, v, ret_crc, true);
}

void mapped_written(struct mapped *m, struct mapped_file *f, uint32_t block, uint32_t n)
{
    uint32_t *users;

    if (!m)
        return;
    moved(m, n);
    if (!m->in_memory)
        return;
    struct mapping *p = enter(m, f, &users);
    if (p && is_writable(p))
        know(p, block, n);
    leave(users);
}
