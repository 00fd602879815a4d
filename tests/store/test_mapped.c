/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_mapped.c - which reads come from mapped files and which writes go there, and that they
 * are the file's bytes
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/crc32c.h"
#include "rig.h"
#include "store/blocks.h"
#include "store/mapped.h"

#define FILES     6
#define BLOCKS    512u /* of each file that hold something */
#define LONG      64u
#define OFTEN     4096u
#define PERIOD    (1 * MIB)
#define LONG_TIME (1024 * MIB)
#define THREADS   4
#define ROUNDS    3000

/* ---- the kernel ---- */

static atomic_uint maps, unmaps, populated, rights;
static bool no_maps, not_in_memory, no_rights;
static void *same;           /* in place of every mapping; NULL: none */
static uint64_t populate_ns; /* that mapping pages seems to take */
static atomic_ullong passed_ns;

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
    maps++;
    errno = ENOMEM;
    return no_maps ? MAP_FAILED : same ? same : __real_mmap64(at, len, prot, flags, fd, off);
}

int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len)
{
    unmaps++;
    return at == same ? 0 : __real_munmap(at, len);
}

int __real_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice);
int __wrap_madvise(void *at, size_t len, int advice)
{
    populated += advice != MADV_RANDOM;
    passed_ns += populate_ns;
    return __real_madvise(at, len, advice);
}

int __real_mprotect(void *at, size_t len, int prot);
int __wrap_mprotect(void *at, size_t len, int prot);
int __wrap_mprotect(void *at, size_t len, int prot)
{
    rights++;
    errno = ENOMEM;
    return no_rights ? -1 : __real_mprotect(at, len, prot);
}

int __real_mincore(void *at, size_t len, unsigned char *in);
int __wrap_mincore(void *at, size_t len, unsigned char *in);
int __wrap_mincore(void *at, size_t len, unsigned char *in)
{
    memset(in, 1, len / STORE_BLOCK);
    in[len / STORE_BLOCK - 1] = !not_in_memory;
    return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    *ts = (struct timespec){.tv_nsec = (long)passed_ns};
    return 0;
}

/* ---- files ---- */

struct files {
    struct mapped *m;
    struct mapped_file f[FILES];
    int fd[FILES];
};

/* What a block of a file holds, and holds after it was written again. */
static void fill(uint8_t *bytes, unsigned file, uint32_t block, unsigned version)
{
    rig_fill(bytes, STORE_BLOCK, file * 7919 + block + version * 104729);
}

static void write_block(const struct files *s, unsigned file, uint32_t block, unsigned version)
{
    uint8_t bytes[STORE_BLOCK];

    fill(bytes, file, block, version);
    assert_int_equal(pwrite(s->fd[file], bytes, STORE_BLOCK, (off_t)block * STORE_BLOCK),
                     STORE_BLOCK);
}

static void files_make_where(struct files *s, uint32_t most, uint64_t recent, bool in_memory)
{
    memset(s, 0, sizeof(*s));
    rig_guard();
    no_maps = not_in_memory = no_rights = false;
    populate_ns = 1000;
    for (unsigned i = 0; i < FILES; i++) {
        s->fd[i] = memfd_create("mapped", MFD_CLOEXEC);
        assert_true(s->fd[i] >= 0);
        assert_int_equal(ftruncate(s->fd[i], BLOCKS_PER_FILE * (off_t)STORE_BLOCK), 0);
        for (uint32_t k = 0; k < BLOCKS; k++)
            write_block(s, i, k, 0);
    }
    rig_ok(mapped_new(most, recent, in_memory, &s->m));
    maps = unmaps = populated = rights = 0;
}

static void files_make(struct files *s, uint32_t most, uint64_t recent)
{
    files_make_where(s, most, recent, false);
}

static void files_end(struct files *s)
{
    mapped_free(s->m);
    assert_int_equal(unmaps, no_maps ? 0 : maps);
    for (unsigned i = 0; i < FILES; i++)
        close(s->fd[i]);
}

/* A read; the bytes have to be right if it is served. */
static bool served(struct files *s, unsigned file, uint32_t block, uint32_t n, unsigned version)
{
    uint8_t *got = malloc((size_t)n * STORE_BLOCK), want[STORE_BLOCK];
    const struct iovec v = {got, (size_t)n * STORE_BLOCK};
    uint32_t crc[MAPPED_MOST + 1];
    bool ok = mapped_read(s->m, &s->f[file], s->fd[file], block, n, &v, crc);

    for (uint32_t i = 0; i < n && ok; i++) {
        fill(want, file, block + i, version);
        assert_memory_equal(got + (size_t)i * STORE_BLOCK, want, STORE_BLOCK);
        assert_int_equal(crc[i], osd_crc32c(0, want, STORE_BLOCK));
    }
    free(got);
    return ok;
}

/* Read so often that the next read is served. */
static void warm(struct files *s, unsigned file, uint32_t block, uint32_t n)
{
    for (unsigned i = 0; i < MAPPED_HOT; i++)
        assert_false(served(s, file, block, n, 0));
}

/* ---- tests ---- */

static void test_store_mapped__what_is_read_again_and_again_is_served(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    warm(&s, 0, 3, 1);
    assert_true(served(&s, 0, 3, 1, 0));
    assert_true(served(&s, 0, 0, MAPPED_WINDOW, 0)); /* its neighbours, too */
    assert_false(served(&s, 0, MAPPED_WINDOW, 1, 0));
    assert_false(served(&s, 0, MAPPED_WINDOW - 1, 2, 0));
    warm(&s, 0, 60, 70); /* several windows, some of whose words begin elsewhere */
    assert_true(served(&s, 0, 60, 70, 0));
    assert_true(served(&s, 0, 62, 4, 0));
    assert_false(served(&s, 1, 3, 1, 0));
    for (unsigned i = 0; i <= MAPPED_HOT; i++)
        assert_false(served(&s, 1, 0, MAPPED_MOST + 1, 0));
    assert_int_equal(maps, 2);
    files_end(&s);
}

static void test_store_mapped__what_was_written_since_is_seen(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    warm(&s, 0, 5, 1);
    assert_true(served(&s, 0, 5, 1, 0));
    write_block(&s, 0, 5, 1);
    assert_true(served(&s, 0, 5, 1, 1));
    files_end(&s);
}

static void test_store_mapped__pieces_of_any_length_are_filled_and_summed_up(void **state)
{
    static uint8_t got[3 * STORE_BLOCK], want[3 * STORE_BLOCK];
    const struct iovec v[] = {
        {got, 1}, {got + 1, 4094}, {got + 4095, 0}, {got + 4095, 5000}, {got + 9095, 3193}};
    struct files s;
    uint32_t crc[3];

    files_make(&s, FILES, LONG_TIME);
    for (uint32_t i = 0; i < 3; i++)
        fill(want + (size_t)i * STORE_BLOCK, 0, 100 + i, 0);
    warm(&s, 0, 100, 3);
    assert_true(mapped_read(s.m, &s.f[0], s.fd[0], 100, 3, v, crc));
    assert_memory_equal(got, want, sizeof(got));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(crc[i], osd_crc32c(0, want + (size_t)i * STORE_BLOCK, STORE_BLOCK));
    files_end(&s);
}

static void test_store_mapped__what_was_read_long_ago_is_not_served(void **state)
{
    struct files s;

    files_make(&s, FILES, PERIOD);
    warm(&s, 0, 5, 1);
    assert_true(served(&s, 0, 5, 1, 0));
    mapped_written(s.m, &s.f[1], 0, (uint32_t)(PERIOD / STORE_BLOCK));
    assert_true(served(&s, 0, 5, 1, 0));
    mapped_written(s.m, &s.f[1], 0, (uint32_t)(PERIOD / STORE_BLOCK));
    assert_true(served(&s, 0, 5, 1, 0)); /* it was, just now */
    mapped_written(s.m, &s.f[1], 0, (uint32_t)(2 * PERIOD / STORE_BLOCK));
    warm(&s, 0, 5, 1);
    assert_true(served(&s, 0, 5, 1, 0));
    for (uint32_t i = 0; i < 2; i++) /* what others read counts as well */
        assert_false(served(&s, 1, i * MAPPED_MOST, MAPPED_MOST, 0));
    assert_false(served(&s, 0, 5, 1, 0));
    files_end(&s);
}

static void test_store_mapped__what_is_not_in_memory_is_left_to_the_file(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    not_in_memory = true;
    warm(&s, 0, MAPPED_WINDOW - 2, 2); /* the last one would be read by itself */
    assert_false(served(&s, 0, MAPPED_WINDOW - 2, 2, 0));
    assert_true(served(&s, 0, 0, MAPPED_WINDOW - 1, 0));
    not_in_memory = false;
    populated = 0;
    warm(&s, 0, 0, LONG);
    assert_int_equal(populated, LONG / MAPPED_WINDOW);
    assert_true(served(&s, 0, 0, LONG, 0));
    not_in_memory = true;
    assert_false(served(&s, 0, 0, LONG, 0));
    assert_true(served(&s, 0, 0, MAPPED_WINDOW, 0)); /* not worth the question */
    not_in_memory = false;
    assert_true(served(&s, 0, 0, LONG, 0));
    assert_int_equal(populated, LONG / MAPPED_WINDOW);
    files_end(&s);
}

static void test_store_mapped__dear_pages_are_mapped_for_short_reads_only(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    populate_ns = 300000;
    warm(&s, 0, 0, LONG);
    assert_int_equal(populated, LONG / MAPPED_WINDOW); /* to know what it costs */
    assert_true(served(&s, 0, 0, LONG, 0));
    for (unsigned i = 0; i <= MAPPED_HOT; i++)
        assert_false(served(&s, 0, LONG, LONG, 0));
    assert_int_equal(populated, LONG / MAPPED_WINDOW);
    warm(&s, 0, LONG, MAPPED_WINDOW);
    assert_true(served(&s, 0, LONG, MAPPED_WINDOW, 0));
    files_end(&s);
}

static void test_store_mapped__a_file_cut_short_is_not_served_and_others_are(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    for (unsigned i = 0; i < 2; i++) {
        warm(&s, i, 0, LONG);
        assert_true(served(&s, i, 0, LONG, 0));
    }
    assert_int_equal(ftruncate(s.fd[0], 10 * (off_t)STORE_BLOCK), 0);
    assert_false(served(&s, 0, 9, 2, 0));
    assert_false(served(&s, 0, 10, 1, 0));
    assert_false(served(&s, 0, 0, LONG, 0));
    assert_true(served(&s, 0, 9, 1, 0));
    assert_true(served(&s, 1, 10, 1, 0));
    files_end(&s);
}

static void test_store_mapped__a_machine_that_maps_no_more_is_not_asked_again(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    warm(&s, 0, 0, 1);
    assert_true(served(&s, 0, 0, 1, 0));
    maps = 0;
    no_maps = true;
    for (unsigned i = 0; i < 4; i++)
        assert_false(served(&s, 1, 0, 1, 0));
    assert_int_equal(maps, 1);
    assert_true(served(&s, 0, 0, 1, 0));
    mapped_free(s.m);
    rig_ok(mapped_new(FILES, LONG_TIME, false, &s.m));
    memset(s.f, 0, sizeof(s.f));
    maps = unmaps = 0;
    for (unsigned i = 0; i < 4; i++)
        assert_false(served(&s, i, 0, MAPPED_MOST, 0));
    assert_int_equal(maps, 1);
    files_end(&s);
}

/* Would catch: stores that together take so many mappings that the process gets no memory any more. */
static void test_store_mapped__a_process_keeps_most_of_its_mappings_for_other_things(
    void **state)
{
    enum { MANY = 9000, STORES = 3, MOST = 16384 };
    struct mapped_file *f = calloc(STORES * MANY, sizeof(*f));
    static uint8_t bytes[STORE_BLOCK];
    const struct iovec v = {bytes, sizeof(bytes)};
    struct mapped *m[STORES];
    struct files s;
    uint32_t crc;

    assert_non_null(f);
    files_make(&s, FILES, LONG_TIME);
    same = __real_mmap64(NULL, sizeof(bytes), PROT_READ, MAP_SHARED, s.fd[0], 0);
    assert_ptr_not_equal(same, MAP_FAILED);
    for (unsigned i = 0; i < STORES; i++)
        rig_ok(mapped_new(MANY, LONG_TIME, false, &m[i]));
    for (unsigned i = 0; i < STORES * MANY; i++)
        assert_false(mapped_read(m[i / MANY], &f[i], s.fd[0], 0, 1, &v, &crc));
    assert_int_equal(maps, MOST);
    mapped_free(m[2]);
    mapped_free(m[1]);
    assert_int_equal(unmaps, MOST - MANY);
    rig_ok(mapped_new(MANY, LONG_TIME, false, &m[1])); /* there is room again */
    memset(f + MANY, 0, sizeof(*f));
    assert_false(mapped_read(m[1], &f[MANY], s.fd[0], 0, 1, &v, &crc));
    assert_int_equal(maps, MOST + 1);
    mapped_free(m[1]);
    mapped_free(m[0]);
    files_end(&s);
    void *p = same;
    same = NULL;
    __real_munmap(p, sizeof(bytes));
    free(f);
}

static void test_store_mapped__what_is_read_often_takes_the_place_of_what_is_not_used(
    void **state)
{
    struct files s;

    files_make(&s, 2, LONG_TIME);
    warm(&s, 0, 0, 1);
    warm(&s, 1, 0, 1);
    assert_int_equal(maps, 2);
    for (uint32_t i = 0; i < OFTEN; i++)
        assert_false(served(&s, 2, i % BLOCKS, 1, 0));
    assert_int_equal(maps, 2);
    assert_false(served(&s, 2, 0, 1, 0)); /* one goes: file 0, as the hand finds all used */
    assert_true(served(&s, 1, 0, 1, 0));
    assert_int_equal(unmaps, 0);
    warm(&s, 2, 0, 1); /* it is gone */
    assert_int_equal(unmaps, 1);
    assert_int_equal(maps, 3);
    assert_true(served(&s, 2, 0, 1, 0));
    assert_true(served(&s, 1, 0, 1, 0));
    for (uint32_t i = 0; i < OFTEN; i++)
        assert_false(served(&s, 0, i % BLOCKS, 1, 0));
    assert_int_equal(maps, 3);
    files_end(&s);
}

/* ---- writing ---- */

/* A write of whole blocks; if it is served, the file has the bytes. */
static bool put(struct files *s, unsigned file, uint32_t block, uint32_t n, unsigned version)
{
    uint8_t *bytes = malloc((size_t)n * STORE_BLOCK), back[STORE_BLOCK];
    const struct iovec v = {bytes, (size_t)n * STORE_BLOCK};
    uint32_t crc[MAPPED_MOST + 1];

    for (uint32_t i = 0; i < n; i++)
        fill(bytes + (size_t)i * STORE_BLOCK, file, block + i, version);
    bool ok = mapped_write(s->m, &s->f[file], s->fd[file], block, n, &v, crc);
    for (uint32_t i = 0; i < n && ok; i++) {
        assert_int_equal(
            pread(s->fd[file], back, STORE_BLOCK, (off_t)(block + i) * STORE_BLOCK),
            STORE_BLOCK);
        assert_memory_equal(back, bytes + (size_t)i * STORE_BLOCK, STORE_BLOCK);
        assert_int_equal(crc[i], osd_crc32c(0, back, STORE_BLOCK));
    }
    free(bytes);
    return ok;
}

/* Try so often that the next write may be served. */
static void wear(struct files *s, unsigned file)
{
    for (uint32_t n = 0; n < MAPPED_WRITTEN; n += MAPPED_MOST)
        assert_false(put(s, file, 0, MAPPED_MOST, 0));
}

static void test_store_mapped__what_lies_in_memory_is_written_there_after_a_while(void **state)
{
    struct files s;

    files_make_where(&s, FILES, LONG_TIME, true);
    wear(&s, 0);
    assert_true(put(&s, 0, 3, 1, 1));
    assert_true(put(&s, 0, 60, 70, 2));
    assert_true(put(&s, 0, 100, MAPPED_MOST, 3));
    assert_false(put(&s, 0, 100, MAPPED_MOST + 1, 4));
    assert_true(served(&s, 0, 3, 1, 1)); /* it was never read */
    assert_true(served(&s, 0, 100, MAPPED_MOST, 3));
    assert_true(served(&s, 0, 60, 40, 2));
    assert_false(put(&s, 1, 3, 1, 1));
    assert_int_equal(maps, 2);
    files_end(&s);
}

static void test_store_mapped__what_lies_on_a_disk_is_never_written_there(void **state)
{
    struct files s;

    files_make(&s, FILES, LONG_TIME);
    warm(&s, 0, 0, LONG);
    wear(&s, 0);
    assert_false(put(&s, 0, 3, 1, 1));
    assert_int_equal(rights, 0);
    files_end(&s);
}

static void test_store_mapped__a_block_without_a_page_gets_it_from_the_file(void **state)
{
    struct files s;

    files_make_where(&s, FILES, LONG_TIME, true);
    not_in_memory = true; /* the last one of each question */
    wear(&s, 0);
    assert_true(put(&s, 0, 0, MAPPED_MOST - 1, 1));
    assert_false(put(&s, 0, MAPPED_MOST - 1, 1, 1));
    assert_false(put(&s, 0, MAPPED_MOST - 2, 2, 1));
    mapped_written(s.m, &s.f[0], MAPPED_MOST - 1, 1);
    assert_true(put(&s, 0, MAPPED_MOST - 1, 1, 2));
    assert_true(put(&s, 0, MAPPED_MOST - 2, 2, 3));
    assert_int_equal(fallocate(s.fd[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               5 * (off_t)STORE_BLOCK, 2 * (off_t)STORE_BLOCK),
                     0);
    assert_true(put(&s, 0, 4, 4, 4)); /* two are new ones */
    files_end(&s);
}

static void test_store_mapped__a_machine_that_grants_no_rights_is_not_asked_again(void **state)
{
    struct files s;

    files_make_where(&s, FILES, LONG_TIME, true);
    no_rights = true;
    wear(&s, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_false(put(&s, 0, 3, 1, 1));
    assert_int_equal(rights, 1);
    warm(&s, 0, 3, 1);
    assert_true(served(&s, 0, 3, 1, 0));
    files_end(&s);
}

/* Would catch: a program that dies, or believes that it has written, where there is no page. */
static void test_store_mapped__what_is_cut_off_is_not_written_there(void **state)
{
    struct files s;

    files_make_where(&s, FILES, LONG_TIME, true);
    wear(&s, 0);
    assert_true(put(&s, 0, 9, 2, 1));
    assert_int_equal(ftruncate(s.fd[0], 10 * (off_t)STORE_BLOCK), 0);
    assert_false(put(&s, 0, 9, 2, 1));
    assert_false(put(&s, 0, 10, 1, 1));
    assert_true(put(&s, 0, 9, 1, 2));
    files_end(&s);
}

static void test_store_mapped__pieces_of_any_length_are_written_and_summed_up(void **state)
{
    static uint8_t bytes[3 * STORE_BLOCK], got[3 * STORE_BLOCK];
    const struct iovec v[] = {{bytes, 1},
                              {bytes + 1, 4094},
                              {bytes + 4095, 0},
                              {bytes + 4095, 5000},
                              {bytes + 9095, 3193}};
    struct files s;
    uint32_t crc[3];

    files_make_where(&s, FILES, LONG_TIME, true);
    rig_fill(bytes, sizeof(bytes), 5);
    wear(&s, 0);
    assert_true(mapped_write(s.m, &s.f[0], s.fd[0], 100, 3, v, crc));
    assert_int_equal(pread(s.fd[0], got, sizeof(got), 100 * (off_t)STORE_BLOCK), sizeof(got));
    assert_memory_equal(got, bytes, sizeof(got));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(crc[i], osd_crc32c(0, bytes + (size_t)i * STORE_BLOCK, STORE_BLOCK));
    files_end(&s);
}

/* ---- threads ---- */

/** One of THREADS. */
struct mover {
    struct files *s;
    uint32_t block; /* the first of LONG that are its own, in each file: of who writes */
    unsigned seed, served, wrong;
};

/* All of them at once, on these files. How often they were served. */
static unsigned move_together(struct files *s, void *(*move)(void *arg))
{
    struct mover m[THREADS];
    pthread_t thread[THREADS];
    unsigned all = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        m[i] = (struct mover){.s = s, .block = i * LONG, .seed = i};
        assert_int_equal(pthread_create(&thread[i], NULL, move, &m[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(m[i].wrong, 0);
        all += m[i].served; /* one thread may come too early for all of its own */
    }
    return all;
}

static void *read_on(void *arg)
{
    struct mover *r = arg;
    uint8_t *got = malloc((size_t)LONG * STORE_BLOCK), want[STORE_BLOCK];
    const struct iovec v = {got, (size_t)LONG * STORE_BLOCK};
    uint32_t crc[LONG];

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned file = (unsigned)rand_r(&r->seed) % FILES;
        uint32_t block = (uint32_t)rand_r(&r->seed) % 2 * LONG;
        if (!mapped_read(r->s->m, &r->s->f[file], r->s->fd[file], block, LONG, &v, crc))
            continue;
        fill(want, file, block + LONG - 1, 0);
        r->served++;
        r->wrong += memcmp(want, got + (size_t)(LONG - 1) * STORE_BLOCK, STORE_BLOCK) != 0;
    }
    free(got);
    return NULL;
}

/* Would catch: a file that is unmapped while somebody reads it there. */
static void test_store_mapped__readers_keep_what_others_unmap(void **state)
{
    struct files s;

    files_make(&s, 2, LONG_TIME);
    assert_in_range(move_together(&s, read_on), 1, THREADS * ROUNDS);
    assert_in_range(maps, 3, UINT_MAX);
    files_end(&s);
}

static void *write_on(void *arg)
{
    struct mover *w = arg;
    const size_t len = (size_t)LONG * STORE_BLOCK;
    uint8_t *bytes = malloc(2 * len);
    const struct iovec v = {bytes, len};
    uint32_t crc[LONG];

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned file =
            (unsigned)rand_r(&w->seed) % 32; /* one comes seldom, and takes another's place */
        file = file == 0 ? 3 : file % 3;
        memset(bytes, (int)(w->block + i), len);
        bool ok =
            mapped_write(w->s->m, &w->s->f[file], w->s->fd[file], w->block, LONG, &v, crc);
        off_t at = (off_t)w->block * STORE_BLOCK;
        w->served += ok;
        w->wrong += !ok && pwrite(w->s->fd[file], bytes, len, at) != (ssize_t)len;
        w->wrong += pread(w->s->fd[file], bytes + len, len, at) != (ssize_t)len ||
                    memcmp(bytes, bytes + len, len) != 0;
    }
    free(bytes);
    return NULL;
}

/* Would catch: a file that is unmapped, or cannot be written to for a moment, while somebody writes there. */
static void test_store_mapped__writers_keep_what_others_map_and_unmap(void **state)
{
    struct files s;

    files_make_where(&s, 3, LONG_TIME, true);
    assert_in_range(move_together(&s, write_on), 1, THREADS * ROUNDS);
    assert_in_range(maps, 5, UINT_MAX); /* the fourth came, another one came back */
    files_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_mapped__what_is_read_again_and_again_is_served),
        cmocka_unit_test(test_store_mapped__what_was_written_since_is_seen),
        cmocka_unit_test(test_store_mapped__pieces_of_any_length_are_filled_and_summed_up),
        cmocka_unit_test(test_store_mapped__what_was_read_long_ago_is_not_served),
        cmocka_unit_test(test_store_mapped__what_is_not_in_memory_is_left_to_the_file),
        cmocka_unit_test(test_store_mapped__dear_pages_are_mapped_for_short_reads_only),
        cmocka_unit_test(test_store_mapped__a_file_cut_short_is_not_served_and_others_are),
        cmocka_unit_test(test_store_mapped__a_machine_that_maps_no_more_is_not_asked_again),
        cmocka_unit_test(
            test_store_mapped__a_process_keeps_most_of_its_mappings_for_other_things),
        cmocka_unit_test(
            test_store_mapped__what_is_read_often_takes_the_place_of_what_is_not_used),
        cmocka_unit_test(test_store_mapped__what_lies_in_memory_is_written_there_after_a_while),
        cmocka_unit_test(test_store_mapped__what_lies_on_a_disk_is_never_written_there),
        cmocka_unit_test(test_store_mapped__a_block_without_a_page_gets_it_from_the_file),
        cmocka_unit_test(test_store_mapped__a_machine_that_grants_no_rights_is_not_asked_again),
        cmocka_unit_test(test_store_mapped__what_is_cut_off_is_not_written_there),
        cmocka_unit_test(test_store_mapped__pieces_of_any_length_are_written_and_summed_up),
        cmocka_unit_test(test_store_mapped__readers_keep_what_others_unmap),
        cmocka_unit_test(test_store_mapped__writers_keep_what_others_map_and_unmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
