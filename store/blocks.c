/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/blocks.c - see blocks.h; next-fit over a bitmap per file, one mutex
 *
 * Threads that write little at a time would meet over that mutex with each command, to take blocks and to retire
 * others. So each place of threads has a stock of both (store/stock.h), which it fills and empties under the mutex,
 * all at once. What depends on each block gets them from all stocks first: retired runs before a sync and
 * before there is no space, free blocks before a file is made or given space, before pieces go
 * back after a while in which nobody needed them, and at the end. While few blocks are free nobody keeps some.
 *
 * The kernel lets one writer into a file at a time. Who allocates has one of several lanes, each
 * with a place to go on from: all in one file, until a run is wanted where a write is under way
 * and there is a file with room where none is. A stock is filled from the lane of the object for which it has
 * too little.
 *
 * Nobody should wait for a disk because a file is needed. Its name is durable only with a sync of the
 * directory, which takes as long as the disk has other things to write; reserving its space has
 * the file system read where it has some. So one thread makes files without space, many with one sync,
 * long before they are needed; another one reserves space for those that are next, for more of them
 * while files are filled in a rush, or while writers meet. A file without space is like one that gave all of
 * its pieces back.
 */
#include "store/blocks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/descriptors.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/thread.h"
#include "store/bits.h"
#include "store/mapped.h"
#include "store/stock.h"
#include "store/sums.h"

#define MAX_FILES 65536u /* 4 TiB of data */
#define WORDS     (BLOCKS_PER_FILE / 64)
#define LOOK_MS   100
#define REST_MS   5000 /* until the next try to make a file ahead */
#define CLOSE_MS  1000 /* for giving back space at the end */
#define LANES     16u
#define APART     4u    /* files for writers that would meet in one */
#define ROOMY     1024u /* free blocks of such a file, at least */
#define MET_MS    60000 /* how long they are kept after that */
#define QUICK     8u    /* files that get their space within QUICK_MS: ... */
#define QUICK_MS  1000
#define RUSH      16u /* ... as many have space for what comes, for RUSH_MS */
#define RUSH_MS   60000

/* Blocks, at most, that come from a stock: more take longer to write than others to go on meanwhile, and each such
 * run goes where nobody writes. */
#define LITTLE 8u
#define PLENTY (OSD_PLACES * STOCK_BLOCKS) /* blocks that are free before a stock takes some */

#define AT_ONCE 64u /* blocks read while their bytes, once seen, are in the CPU's cache */

/* Descriptors that files made ahead leave to others: without one the database fails. */
#define SPARED 384u

/* What a file gives back at a time; a file has as many as a word has bits. */
#define PIECE      256u /* blocks: 1 MiB */
#define PIECES     (BLOCKS_PER_FILE / PIECE)
#define PIECE_SIZE ((uint32_t)(PIECE * STORE_BLOCK))

/* What all look at first; what each WRITE changes is a bitmap away, in other cache lines. */
struct data_file {
    int fd;
    struct mapped_file mapped;
    uint32_t lack;       /* bytes that it needs for the pieces that are gone: */
    uint64_t gone;       /* their space the file system has */
    uint16_t *others;    /* per block: owners beyond the first; NULL: none of any */
    uint64_t map[WORDS]; /* bit set = in use or waiting, or of a piece that is gone */
    uint32_t used;
    uint32_t writers; /* at work now; atomic */
};

struct run {
    uint64_t first;
    uint32_t count;
    uint64_t mark;
};

struct blocks {
    char *dir; /* NULL: memory */
    bool read_only;
    bool unsure; /* whether names of files found at open are durable; atomic */
    uint64_t reserve;
    struct mapped *mapped; /* NULL: never */
    struct stock *stocks;  /* one for each place of threads */
    bool *dirty;           /* files that have to be synced, for each place MAX_FILES; atomic */
    uint64_t looked_ms;    /* when available was looked at, 0: never; atomic, ... */
    uint64_t available;    /* ... as these bytes of the file system are */
    uint32_t n_files;      /* changed under the mutex, read without it */
    struct data_file *files[MAX_FILES];

    /* What follows changes with the work, under the mutex, and is in no cache line of what is above. */
    pthread_mutex_t mutex;
    struct lane {
        uint32_t file, block; /* where the next run is looked for */
    } lanes[LANES];
    struct lane *filled[OSD_PLACES]; /* which one each stock's window is from */
    uint64_t met_ms;                 /* when writers met last, 0: never */
    uint64_t took_ms[QUICK];         /* when files got space last, in turn */
    uint32_t n_took;
    uint64_t rush_ms; /* when QUICK files got it that fast, or too late, 0: never */
    struct run *waiting;
    size_t n_waiting, cap_waiting;
    uint64_t waiting_blocks; /* atomic, changed under the mutex */
    uint64_t mark;           /* grows with every sync */
    uint64_t used;           /* blocks of all files in use, waiting or gone */
    uint64_t gone;           /* blocks of all files that are gone */
    uint32_t names;          /* files of which all pieces are gone */
    bool making;             /* the space of a file is changed */
    bool naming;             /* files from n_files on are being made */
    uint32_t collecting;     /* threads that look for what stocks have */
    pthread_cond_t made;     /* either has ended */

    pthread_t namer;           /* makes files ahead ... */
    pthread_t maker;           /* ... and this one takes space for them, and gives some back */
    bool ahead, stop, resting; /* there are both; they shall end; the maker got no space */
    bool watching;             /* it waits for the end of quiet_ms */
    bool keeps;                /* the file system takes nothing back */
    uint64_t quiet_ms;
    uint64_t least_free; /* blocks, since it watches */
    pthread_cond_t low;  /* of blocks */
    pthread_cond_t few;  /* names */
};

#define FILE_SIZE ((uint64_t)BLOCKS_PER_FILE * STORE_BLOCK)

static void file_path(const struct blocks *b, uint32_t n, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%06u", b->dir, n);
}

static osd_status errno_status(void)
{
    return errno == ENOSPC || errno == EDQUOT ? OSD_E_NO_SPACE : OSD_E_IO;
}

/* In the place of this thread, so that those who write to one file write to no line of another's. */
static void set_dirty(struct blocks *b, uint64_t file)
{
    __atomic_store_n(&b->dirty[osd_thread_place() * MAX_FILES + file], true, __ATOMIC_RELEASE);
}

/* Whether a file was written to since this was asked last. */
static bool take_dirty(struct blocks *b, uint64_t file)
{
    bool any = false;

    for (size_t i = file; i < OSD_PLACES * MAX_FILES; i += MAX_FILES)
        if (__atomic_load_n(&b->dirty[i], __ATOMIC_RELAXED))
            any |= __atomic_exchange_n(&b->dirty[i], false, __ATOMIC_ACQ_REL);
    return any;
}

/* Files that exist from the first one on; a gap ends the search. */
static osd_status open_existing(struct blocks *b)
{
    for (uint32_t n = 0; n < MAX_FILES; n++) {
        char path[PATH_MAX];
        file_path(b, n, path);
        int fd = open(path, (b->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (fd < 0)
            return errno == ENOENT ? OSD_OK : OSD_E_IO;
        struct data_file *f = calloc(1, sizeof(*f));
        if (!f) {
            close(fd);
            return OSD_E_NOMEM;
        }
        f->fd = fd;
        set_dirty(b, n); /* a process that died may not have synced it */
        b->files[b->n_files++] = f;
        b->unsure = !b->read_only;
    }
    return OSD_OK;
}

/* How much of the file system data files leave alone. */
static osd_status find_reserve(struct blocks *b)
{
    struct statvfs vfs;

    if (statvfs(b->dir, &vfs) != 0)
        return errno_status();
    b->reserve = (uint64_t)vfs.f_blocks * vfs.f_frsize / 20;
    if (b->reserve < BLOCKS_RESERVE_MIN)
        b->reserve = BLOCKS_RESERVE_MIN;
    if (b->reserve > BLOCKS_RESERVE_MAX)
        b->reserve = BLOCKS_RESERVE_MAX;
    return OSD_OK;
}

bool blocks_in_memory(const char *dir)
{
    struct statfs fs;

    return statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void init_locks(struct blocks *b)
{
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->made, NULL);
    osd_cond_init(&b->low);
    osd_cond_init(&b->few);
}

uint64_t blocks_count(const char *dir)
{
    DIR *d = opendir(dir);
    uint64_t n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

osd_status blocks_open(const char *dir, bool read_only, struct blocks **ret)
{
    struct blocks *b = calloc(1, sizeof(*b));
    osd_status st = OSD_OK;

    if (!b)
        return OSD_E_NOMEM;
    init_locks(b);
    b->read_only = read_only;
    b->mark = 1;
    b->stocks = stocks_new();
    b->dirty = calloc(OSD_PLACES, MAX_FILES); /* pages that are not written to take no memory */
    if (!b->stocks || !b->dirty) {
        st = OSD_E_NOMEM;
    } else if (dir) {
        b->dir = strdup(dir);
        if (!b->dir)
            st = OSD_E_NOMEM;
        else if (!read_only && mkdir(dir, 0700) != 0 && errno != EEXIST)
            st = errno_status();
        else
            st = open_existing(b);
        if (!st)
            st = find_reserve(b);
        if (!st && !read_only)
            st = mapped_new(0, 0, blocks_in_memory(dir), &b->mapped);
    }
    if (st) {
        blocks_close(b);
        return st;
    }
    *ret = b;
    return OSD_OK;
}

static bool bit_get(const struct data_file *f, uint32_t i)
{
    return f->map[i / 64] >> (i % 64) & 1;
}

static void bits_set(struct blocks *b, struct data_file *f, uint32_t at, uint32_t count)
{
    f->used += count;
    b->used += count;
    for (uint32_t part; count > 0; at += part, count -= part)
        f->map[at / 64] |= bits_in_word(at, count, &part);
}

static void bits_clear(struct blocks *b, struct data_file *f, uint32_t at, uint32_t count)
{
    f->used -= count;
    b->used -= count;
    for (uint32_t part; count > 0; at += part, count -= part)
        f->map[at / 64] &= ~bits_in_word(at, count, &part);
}

osd_status blocks_mark(struct blocks *b, uint64_t first, uint32_t count)
{
    uint64_t file = first / BLOCKS_PER_FILE;
    uint32_t at = (uint32_t)(first % BLOCKS_PER_FILE);

    if (file >= b->n_files || count > BLOCKS_PER_FILE - at)
        return OSD_E_CORRUPT;
    for (uint32_t i = at; i < at + count; i++)
        if (bit_get(b->files[file], i))
            return OSD_E_CORRUPT;
    bits_set(b, b->files[file], at, count);
    return OSD_OK;
}

/* ---- several owners ---- */

#define OWNERS_MAX UINT16_MAX

static bool in_a_file(const struct blocks *b, uint64_t first, uint32_t count)
{
    return first / BLOCKS_PER_FILE < b->n_files &&
           count <= BLOCKS_PER_FILE - first % BLOCKS_PER_FILE;
}

/* Whether each block of a run can get one more owner. Caller holds the mutex. */
static osd_status can_share(struct data_file *f, uint32_t at, uint32_t count)
{
    if (!f->others)
        f->others = calloc(BLOCKS_PER_FILE, sizeof(*f->others));
    if (!f->others)
        return OSD_E_NOMEM;
    for (uint32_t i = at; i < at + count; i++)
        if (f->others[i] == OWNERS_MAX)
            return OSD_E_NO_SPACE;
    return OSD_OK;
}

osd_status blocks_mark_shared(struct blocks *b, uint64_t first, uint32_t count)
{
    uint32_t at = (uint32_t)(first % BLOCKS_PER_FILE);
    struct data_file *f;

    if (!in_a_file(b, first, count))
        return OSD_E_CORRUPT;
    f = b->files[first / BLOCKS_PER_FILE];
    osd_status st = can_share(f, at, count);
    for (uint32_t i = at; i < at + count && !st; i++) {
        if (bit_get(f, i))
            f->others[i]++;
        else
            bits_set(b, f, i, 1);
    }
    return st;
}

osd_status blocks_share(struct blocks *b, uint64_t first, uint32_t count)
{
    uint32_t at = (uint32_t)(first % BLOCKS_PER_FILE);
    osd_status st = OSD_E_CORRUPT;

    pthread_mutex_lock(&b->mutex);
    if (in_a_file(b, first, count)) {
        struct data_file *f = b->files[first / BLOCKS_PER_FILE];
        st = can_share(f, at, count);
        for (uint32_t i = at; i < at + count && !st; i++)
            f->others[i]++;
    }
    pthread_mutex_unlock(&b->mutex);
    return st;
}

static bool has_looked(const struct blocks *b, uint64_t max_age)
{
    uint64_t then = __atomic_load_n(&b->looked_ms, __ATOMIC_ACQUIRE);

    return then && osd_monotonic_frequent_ms() < then + max_age;
}

/* Look at the space of the file system, unless that was done within max_age ms. When it cannot
 * be told, the last value stands. Caller holds the mutex. */
static void look(struct blocks *b, uint64_t max_age)
{
    struct statvfs vfs;

    if (!b->dir || (max_age && has_looked(b, max_age)))
        return;
    uint64_t now = osd_monotonic_ms();
    if (statvfs(b->dir, &vfs) == 0)
        __atomic_store_n(&b->available, (uint64_t)vfs.f_bavail * vfs.f_frsize,
                         __ATOMIC_RELAXED);
    __atomic_store_n(&b->looked_ms, now, __ATOMIC_RELEASE);
}

bool blocks_full(struct blocks *b)
{
    if (!b->dir)
        return false;
    if (!has_looked(b, LOOK_MS)) {
        pthread_mutex_lock(&b->mutex);
        look(b, LOOK_MS);
        pthread_mutex_unlock(&b->mutex);
    }
    return __atomic_load_n(&b->available, __ATOMIC_RELAXED) < b->reserve / 2;
}

static int make_file(const struct blocks *b, uint32_t n)
{
    char path[PATH_MAX];

    if (!b->dir)
        return memfd_create("osd-data", MFD_CLOEXEC);
    file_path(b, n, path);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* A new name in the directory survives loss of power only when the directory is synced. */
static osd_status sync_names(int dir)
{
    return dir < 0 || fsync(dir) != 0 ? errno_status() : OSD_OK;
}

static int open_directory(const struct blocks *b)
{
    return open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Once: the process that made those files may have died before it did. */
static osd_status sync_found_names(struct blocks *b)
{
    if (!__atomic_exchange_n(&b->unsure, false, __ATOMIC_ACQ_REL))
        return OSD_OK;
    int dir = open_directory(b);
    osd_status st = sync_names(dir);

    if (dir >= 0)
        close(dir);
    if (st)
        __atomic_store_n(&b->unsure, true, __ATOMIC_RELEASE);
    return st;
}

/* File n does not stay. */
static void drop_data_file(const struct blocks *b, uint32_t n, struct data_file *f)
{
    char path[PATH_MAX];

    if (f->fd >= 0 && b->dir) {
        file_path(b, n, path);
        unlink(path);
    }
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

/* File n, of full size and without space. */
static osd_status make_data_file(const struct blocks *b, uint32_t n, struct data_file **ret)
{
    struct data_file *f = calloc(1, sizeof(*f));
    osd_status st = OSD_OK;

    if (!f)
        return OSD_E_NOMEM;
    f->fd = make_file(b, n);
    if (f->fd < 0 || ftruncate(f->fd, (off_t)FILE_SIZE) != 0)
        st = errno_status();
    if (st)
        drop_data_file(b, n, f);
    else
        *ret = f;
    return st;
}

/* Whether files made ahead would take the descriptors of others, when this is the last one. */
static bool is_crowded(const struct data_file *f)
{
    return (uint64_t)f->fd + SPARED >= osd_descriptors_most();
}

/* Without the mutex: as many files as should be made, at most *n, and one sync for all of them.
 * OSD_OK: there is at least one. */
static osd_status make_data_files(const struct blocks *b, struct data_file **f, uint32_t *n)
{
    int dir = b->dir ? open_directory(b) : -1; /* first, as files may be all that can be open */
    osd_status st = b->dir && dir < 0 ? errno_status() : OSD_OK;
    uint32_t made = 0;

    while (!st && made < *n && (made == 0 || !is_crowded(f[made - 1])) &&
           !(st = make_data_file(b, b->n_files + made, &f[made])))
        made++;
    if (made > 0)
        st = b->dir ? sync_names(dir) : OSD_OK;
    while (st && made > 0) {
        made--;
        drop_data_file(b, b->n_files + made, f[made]);
    }
    if (dir >= 0)
        close(dir);
    *n = made;
    return st;
}

/* ---- blocks that wait for a sync ---- */

static void clear_run(struct blocks *b, uint64_t first, uint32_t count)
{
    bits_clear(b, b->files[first / BLOCKS_PER_FILE], (uint32_t)(first % BLOCKS_PER_FILE),
               count);
}

static void set_waiting(struct blocks *b, uint64_t n)
{
    __atomic_store_n(&b->waiting_blocks, n, __ATOMIC_RELAXED);
}

/* Without memory for the list the run stays in use until the next open: safe, only wasteful. */
static void retire_locked(struct blocks *b, uint64_t first, uint32_t count)
{
    if (b->n_waiting == b->cap_waiting) {
        size_t cap = b->cap_waiting ? b->cap_waiting * 2 : 256;
        struct run *grown = realloc(b->waiting, cap * sizeof(*grown));
        if (!grown)
            return;
        b->waiting = grown;
        b->cap_waiting = cap;
    }
    b->waiting[b->n_waiting++] = (struct run){first, count, b->mark};
    set_waiting(b, b->waiting_blocks + count);
}

/* What of a run has no other owner is retired, the rest loses one. */
static void disown_locked(struct blocks *b, struct data_file *f, uint64_t first, uint32_t count)
{
    uint32_t at = (uint32_t)(first % BLOCKS_PER_FILE), i = 0;

    while (i < count) {
        uint32_t n = 0;
        while (i + n < count && f->others[at + i + n] == 0)
            n++;
        if (n > 0)
            retire_locked(b, first + i, n);
        i += n;
        for (; i < count && f->others[at + i] > 0; i++)
            f->others[at + i]--;
    }
}

static void retire_now(struct blocks *b, uint64_t first, uint32_t count)
{
    struct data_file *f = b->files[first / BLOCKS_PER_FILE];

    if (f->others)
        disown_locked(b, f, first, count);
    else
        retire_locked(b, first, count);
}

/* ---- stocks ---- */

/* Caller holds the stock's lock and the mutex, for this and the next. */
static void retire_runs(struct blocks *b, struct stock *s)
{
    for (uint32_t i = 0; i < s->n_runs; i++)
        retire_now(b, s->runs[i].first, s->runs[i].count);
    stock_drop_runs(s);
}

/* Blocks that are left in a window are free again, and its lane goes on with them. */
static void return_window(struct blocks *b, struct stock *s)
{
    uint64_t first;

    if (!stock_left(s, &first))
        return;
    struct data_file *f = b->files[first / BLOCKS_PER_FILE];
    uint32_t n = stock_return(s, f->map);
    f->used -= n;
    b->used -= n;
    *b->filled[s - b->stocks] =
        (struct lane){(uint32_t)(first / BLOCKS_PER_FILE), (uint32_t)(first % BLOCKS_PER_FILE)};
}

/* All that is retired is so in the list of all. */
static void retire_stocks(struct blocks *b)
{
    for (unsigned i = 0; i < OSD_PLACES; i++) {
        struct stock *s = &b->stocks[i];
        if (!stock_retires(s))
            continue;
        osd_lock_short(&s->mutex);
        osd_lock_short(&b->mutex);
        retire_runs(b, s);
        pthread_mutex_unlock(&b->mutex);
        pthread_mutex_unlock(&s->mutex);
    }
}

/* What stocks have is where all find it, and nobody takes more for later until the end. The caller holds the
 * mutex, which is free meanwhile. */
static void collect_unlocked(struct blocks *b)
{
    b->collecting++;
    pthread_mutex_unlock(&b->mutex);
    for (unsigned i = 0; i < OSD_PLACES; i++) {
        struct stock *s = &b->stocks[i];
        osd_lock_short(&s->mutex);
        osd_lock_short(&b->mutex);
        retire_runs(b, s);
        return_window(b, s);
        pthread_mutex_unlock(&b->mutex);
        pthread_mutex_unlock(&s->mutex);
    }
    pthread_mutex_lock(&b->mutex);
    b->collecting--;
}

/* ---- space that is given back, and taken again ---- */

static bool piece_is_free(const struct data_file *f, uint32_t piece)
{
    const uint64_t *w = f->map + (size_t)piece * (PIECE / 64);

    return (w[0] | w[1] | w[2] | w[3]) == 0;
}

/* Pieces of a file that nothing lies in, the last ones first. */
static uint64_t free_pieces(const struct data_file *f, uint64_t most)
{
    uint64_t found = 0;

    for (uint32_t i = PIECES; i-- > 0 && most > 0 && f->used < BLOCKS_PER_FILE;)
        if (piece_is_free(f, i)) {
            found |= 1ULL << i;
            most--;
        }
    return found;
}

static uint32_t count_of(uint64_t pieces)
{
    return (uint32_t)__builtin_popcountll(pieces);
}

/* Free pieces are gone from now on, or those that were are there again. */
static void pieces_leave(struct blocks *b, struct data_file *f, uint64_t pieces, uint32_t lack)
{
    for (uint32_t i = 0; i < PIECES; i++)
        if (pieces >> i & 1)
            bits_set(b, f, i * PIECE, PIECE);
    f->gone |= pieces;
    f->lack += lack;
    b->names += f->gone == UINT64_MAX;
    b->gone += (uint64_t)count_of(pieces) * PIECE;
}

static void pieces_return(struct blocks *b, struct data_file *f)
{
    for (uint32_t i = 0; i < PIECES; i++)
        if (f->gone >> i & 1)
            bits_clear(b, f, i * PIECE, PIECE);
    b->gone -= (uint64_t)count_of(f->gone) * PIECE;
    b->names -= f->gone == UINT64_MAX;
    f->gone = 0;
    f->lack = 0;
}

void blocks_recovered(struct blocks *b)
{
    for (uint32_t i = 0; i < b->n_files && !b->read_only; i++) {
        struct data_file *f = b->files[i];
        struct stat s;

        if (fstat(f->fd, &s) != 0 || (uint64_t)s.st_blocks * 512 >= FILE_SIZE)
            continue;
        uint64_t pieces = free_pieces(f, PIECES),
                 lack = FILE_SIZE - (uint64_t)s.st_blocks * 512,
                 most = (uint64_t)count_of(pieces) * PIECE_SIZE;
        pieces_leave(b, f, pieces, (uint32_t)(lack < most ? lack : most));
    }
}

/* The first run of pieces from *at on, which becomes its place; its length, 0: none. */
static uint32_t next_pieces(uint64_t pieces, uint32_t *at)
{
    uint32_t n = 0;

    while (*at < PIECES && !(pieces >> *at & 1))
        ++*at;
    while (*at + n < PIECES && pieces >> (*at + n) & 1)
        n++;
    return n;
}

/* Without the mutex: punch pieces out of a file, or have the file system give their space again. */
static osd_status change_space(const struct data_file *f, uint64_t pieces, int mode)
{
    for (uint32_t i = 0, n; (n = next_pieces(pieces, &i)) > 0; i += n)
        if (fallocate(f->fd, mode, (off_t)i * PIECE_SIZE, (off_t)n * PIECE_SIZE) != 0)
            return errno_status();
    return OSD_OK;
}

/* The same. The caller holds the mutex, which is free meanwhile, and has seen that no file is being
 * changed. */
static osd_status change_space_unlocked(struct blocks *b, const struct data_file *f,
                                        uint64_t pieces, int mode)
{
    b->making = true;
    pthread_mutex_unlock(&b->mutex);
    osd_status st = change_space(f, pieces, mode);
    int why = errno;
    pthread_mutex_lock(&b->mutex);
    b->making = false;
    pthread_cond_broadcast(&b->made);
    errno = why;
    return st;
}

/* A file that has pieces to be taken again, and whose size leaves the reserve and `room` bytes. */
static struct data_file *find_lacking(struct blocks *b, uint64_t room)
{
    look(b, 0);
    for (uint32_t i = 0; i < b->n_files; i++) {
        struct data_file *f = b->files[i];
        if (f->gone && b->available >= b->reserve + room + f->lack)
            return f;
    }
    return NULL;
}

static uint32_t wanted_names(const struct blocks *b)
{
    uint32_t n = b->n_files - b->names;

    return n < BLOCKS_LEAST_NAMES  ? BLOCKS_LEAST_NAMES
           : n > BLOCKS_MOST_NAMES ? BLOCKS_MOST_NAMES
                                   : n;
}

static bool names_are_few(const struct blocks *b)
{
    return b->names <= wanted_names(b) / 2 && b->n_files < MAX_FILES;
}

/* At most n more files. They have no space yet, but those in memory. Caller holds the mutex, which is
 * free meanwhile, and has seen that nobody else does this. */
static osd_status add_files(struct blocks *b, uint32_t n)
{
    struct data_file *f[BLOCKS_MOST_NAMES];
    osd_status st;

    n = n < MAX_FILES - b->n_files ? n : MAX_FILES - b->n_files;
    if (n == 0)
        return OSD_E_NO_SPACE;
    b->naming = true;
    pthread_mutex_unlock(&b->mutex);
    st = make_data_files(b, f, &n);
    pthread_mutex_lock(&b->mutex);
    b->naming = false;
    for (uint32_t i = 0; i < n; i++) {
        b->files[b->n_files + i] = f[i];
        if (b->dir)
            pieces_leave(b, f[i], UINT64_MAX, (uint32_t)FILE_SIZE);
    }
    __atomic_store_n(&b->n_files, b->n_files + n, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&b->made);
    return st;
}

/* Whether files are filled faster than others could always get space in time. */
static void note_rush(struct blocks *b)
{
    uint64_t now = osd_monotonic_ms(), *took = &b->took_ms[b->n_took++ % QUICK];

    if (*took && now < *took + QUICK_MS)
        b->rush_ms = now;
    *took = now;
}

/* Reserve the space that a file lacks. As change_space_unlocked(). */
static osd_status take_space(struct blocks *b, struct data_file *f)
{
    osd_status st = change_space_unlocked(b, f, f->gone, 0);

    if (st && (errno == EOPNOTSUPP || errno == ENOSYS))
        st = OSD_OK; /* it cannot be reserved */
    if (!st)
        pieces_return(b, f);
    else /* nor a part of it, if that can be helped */
        change_space_unlocked(b, f, f->gone, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
    note_rush(b);
    if (b->ahead && names_are_few(b))
        pthread_cond_signal(&b->few);
    return st;
}

/* A step towards more free blocks, if `room` bytes (FILE_SIZE or more) beyond the reserve are there: the
 * space of a file that lacks some, or else a file. Caller holds the mutex, which is free meanwhile,
 * and has seen that the space of no other file is being changed. */
static osd_status grow(struct blocks *b, uint64_t room)
{
    struct data_file *f = b->gone ? find_lacking(b, room - FILE_SIZE) : NULL;

    if (f)
        return take_space(b, f);
    look(b, 0);
    if (b->dir && (b->names > 0 || b->available < b->reserve + room))
        return OSD_E_NO_SPACE;
    if (!b->naming)
        return add_files(b, b->ahead ? wanted_names(b) : 1);
    pthread_cond_wait(&b->made, &b->mutex);
    return OSD_OK;
}

#define LEAST_AHEAD (BLOCKS_PER_FILE / 2)
#define MOST_AHEAD  (4 * BLOCKS_PER_FILE)

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Files with space that there should be besides: for writers to keep apart, or for those that are so fast
 * that reserving it takes too long. */
static uint32_t files_besides(const struct blocks *b)
{
    uint64_t now = b->met_ms || b->rush_ms ? osd_monotonic_frequent_ms() : 0;

    if (b->rush_ms && now < b->rush_ms + RUSH_MS)
        return RUSH;
    return b->met_ms && now < b->met_ms + MET_MS ? APART : 0;
}

/* How many blocks should be free: a quarter of all that have space, within the bounds, or those
 * files. */
static uint64_t wanted_free(const struct blocks *b)
{
    uint64_t want = ((uint64_t)b->n_files * BLOCKS_PER_FILE - b->gone) / 4;

    want = want < LEAST_AHEAD ? LEAST_AHEAD : want > MOST_AHEAD ? MOST_AHEAD : want;
    return larger(want, (uint64_t)files_besides(b) * BLOCKS_PER_FILE);
}

static uint64_t blocks_free(const struct blocks *b)
{
    return (uint64_t)b->n_files * BLOCKS_PER_FILE - b->used;
}

/* How many blocks may stay free: as many as are in use, within twice those bounds, and a file more
 * than writers should have. */
static uint64_t most_free(const struct blocks *b)
{
    uint64_t most = b->used - b->gone;

    most = most < 2 * LEAST_AHEAD  ? 2 * LEAST_AHEAD
           : most > 2 * MOST_AHEAD ? 2 * MOST_AHEAD
                                   : most;
    uint64_t besides = files_besides(b);
    return besides ? larger(most, (besides + 1) * BLOCKS_PER_FILE) : most;
}

static uint64_t too_many(const struct blocks *b)
{
    uint64_t most = most_free(b), all = blocks_free(b);

    return b->ahead && !b->keeps && all > most ? all - most : 0;
}

/* Pieces of one file; how many blocks went. Pieces that could not all be punched are gone as well:
 * who takes them again finds them as they are. */
static uint64_t give_pieces(struct blocks *b, struct data_file *f, uint64_t pieces)
{
    pieces_leave(b, f, pieces, count_of(pieces) * PIECE_SIZE);
    if (!change_space_unlocked(b, f, pieces, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
        return (uint64_t)count_of(pieces) * PIECE;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        osd_log(OSD_LOG_WARN, "%s: space cannot be given back: %s", b->dir, strerror(errno));
    b->keeps = true;
    return 0;
}

#define BREATH 64 /* files looked at while others wait */

/* Give back what is too much, at most that many blocks, until the time (ms) has come, somebody
 * makes a file, or the end. Caller holds the mutex, which is free now and then. */
static void give_back(struct blocks *b, uint64_t most, uint64_t until)
{
    uint64_t given = 0;

    for (uint32_t i = b->n_files; i-- > 0 && !b->making && !b->stop;) {
        if (osd_monotonic_ms() >= until)
            break;
        if (i % BREATH == 0) {
            pthread_mutex_unlock(&b->mutex);
            pthread_mutex_lock(&b->mutex);
        }
        uint64_t left = too_many(b);
        left = left < most - given ? left : most - given;
        uint64_t pieces = free_pieces(b->files[i], left / PIECE);
        if (pieces)
            given += give_pieces(b, b->files[i], pieces);
    }
    if (given)
        osd_log(OSD_LOG_INFO, "%s: %llu MiB given back to the file system", b->dir,
                (unsigned long long)(given / PIECE));
}

/* ---- the thread ---- */

/* Whether so few blocks are free that there should be more. A store without data needs none. */
static bool is_low(const struct blocks *b)
{
    return b->used > b->gone && blocks_free(b) < wanted_free(b);
}

/* Wait for the bell; whether the time was over before. */
static bool wait_low(struct blocks *b, uint64_t ms)
{
    return !osd_cond_wait_until(&b->low, &b->mutex, osd_monotonic_ms() + ms);
}

/* What was written and removed again and again within that time keeps its space. */
static void watch(struct blocks *b)
{
    b->watching = true;
    b->least_free = blocks_free(b);
    bool over = wait_low(b, b->quiet_ms);
    b->watching = false;
    if (over && !b->stop)
        collect_unlocked(b);
    uint64_t most = most_free(b);
    if (over && !b->stop && b->least_free > most)
        give_back(b, b->least_free - most, UINT64_MAX);
}

static void *maker_main(void *arg)
{
    struct blocks *b = arg;

    pthread_mutex_lock(&b->mutex);
    while (!b->stop) {
        if (b->making) {
            pthread_cond_wait(&b->made, &b->mutex);
        } else if (is_low(b)) {
            if (grow(b, 2 * FILE_SIZE) && !b->stop) {
                b->resting = true;
                wait_low(b, REST_MS);
                b->resting = false;
            }
        } else if (too_many(b) >= PIECE) {
            watch(b);
        } else {
            pthread_cond_wait(&b->low, &b->mutex);
        }
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

static osd_status add_ahead(struct blocks *b)
{
    if (b->n_files > 0 && is_crowded(b->files[b->n_files - 1]))
        return OSD_E_NO_SPACE;
    return add_files(b, wanted_names(b) - b->names);
}

static void *namer_main(void *arg)
{
    struct blocks *b = arg;

    pthread_mutex_lock(&b->mutex);
    while (!b->stop) {
        if (b->naming)
            pthread_cond_wait(&b->made, &b->mutex);
        else if (!names_are_few(b))
            pthread_cond_wait(&b->few, &b->mutex);
        else if (add_ahead(b) && !b->stop)
            osd_cond_wait_until(&b->few, &b->mutex, osd_monotonic_ms() + REST_MS);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

static void end_threads(struct blocks *b, bool maker)
{
    pthread_mutex_lock(&b->mutex);
    b->stop = true;
    pthread_cond_signal(&b->low);
    pthread_cond_signal(&b->few);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->namer, NULL);
    if (maker)
        pthread_join(b->maker, NULL);
}

static void stop_ahead(struct blocks *b)
{
    if (!b->ahead)
        return;
    end_threads(b, true);
    pthread_mutex_lock(&b->mutex);
    b->stop = false;
    b->met_ms = b->rush_ms = 0;
    collect_unlocked(b);
    give_back(b, UINT64_MAX, osd_monotonic_ms() + CLOSE_MS);
    pthread_mutex_unlock(&b->mutex);
}

void blocks_close(struct blocks *b)
{
    if (!b)
        return;
    stop_ahead(b);
    mapped_free(b->mapped);
    for (uint32_t i = 0; i < b->n_files; i++) {
        close(b->files[i]->fd);
        free(b->files[i]->others);
        free(b->files[i]);
    }
    free(b->waiting);
    stocks_free(b->stocks);
    free(b->dirty);
    free(b->dir);
    pthread_cond_destroy(&b->few);
    pthread_cond_destroy(&b->low);
    pthread_cond_destroy(&b->made);
    pthread_mutex_destroy(&b->mutex);
    free(b);
}

static void spare_path(const char *dir, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/spare", dir);
}

void blocks_give_spare(const char *dir)
{
    char path[PATH_MAX];
    struct statvfs vfs;

    spare_path(dir, path);
    if (statvfs(dir, &vfs) == 0 && (uint64_t)vfs.f_bavail * vfs.f_frsize < BLOCKS_SPARE &&
        unlink(path) == 0)
        osd_log(OSD_LOG_WARN, "%s: the file system is full; the spare file is given up", dir);
}

/* Without it the store works as well, so failures do not count. */
static void make_spare(struct blocks *b)
{
    char path[PATH_MAX];

    spare_path(b->dir, path);
    pthread_mutex_lock(&b->mutex);
    look(b, 0);
    bool room = b->available >= b->reserve + FILE_SIZE + BLOCKS_SPARE;
    pthread_mutex_unlock(&b->mutex);
    if (!room || access(path, F_OK) == 0)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && fallocate(fd, 0, 0, BLOCKS_SPARE) != 0)
        unlink(path);
    if (fd >= 0)
        close(fd);
}

osd_status blocks_make_ahead(struct blocks *b, uint64_t quiet_ms)
{
    if (!b->dir || b->read_only)
        return OSD_OK;
    make_spare(b);
    b->quiet_ms = quiet_ms;
    b->ahead = true; /* the threads look at it */
    if (pthread_create(&b->namer, NULL, namer_main, b) == 0) {
        if (pthread_create(&b->maker, NULL, maker_main, b) == 0)
            return OSD_OK;
        end_threads(b, false);
    }
    b->ahead = false;
    return OSD_E_NOMEM;
}

/* Longest run of free blocks from `at` on, at most want. */
static uint32_t free_run(const struct data_file *f, uint32_t at, uint32_t want)
{
    uint32_t most = BLOCKS_PER_FILE - at < want ? BLOCKS_PER_FILE - at : want;

    for (uint32_t n = 0, part; n < most; n += part) {
        uint64_t taken = f->map[(at + n) / 64] & bits_in_word(at + n, most - n, &part);
        if (taken)
            return n + (uint32_t)__builtin_ctzll(taken) - (at + n) % 64;
    }
    return most;
}

/* First free block at or after `at`, or BLOCKS_PER_FILE. */
static uint32_t next_free(const struct data_file *f, uint32_t at)
{
    while (at < BLOCKS_PER_FILE) {
        uint64_t taken = f->map[at / 64] | ((1ULL << (at % 64)) - 1);
        if (taken != UINT64_MAX)
            return at / 64 * 64 + (uint32_t)__builtin_ctzll(~taken);
        at = (at / 64 + 1) * 64;
    }
    return BLOCKS_PER_FILE;
}

static bool is_written(const struct data_file *f)
{
    return __atomic_load_n(&f->writers, __ATOMIC_RELAXED) > 0;
}

/* When a write is under way where the lane is, it goes on in one of the next files where none is. */
static void keep_apart(struct blocks *b, struct lane *lane)
{
    if (!b->ahead || b->n_files == 0 || !is_written(b->files[lane->file]))
        return;
    b->met_ms = osd_monotonic_frequent_ms();
    for (uint32_t k = 1; k <= 2 * APART; k++) {
        uint32_t file = (lane->file + k) % b->n_files;
        const struct data_file *f = b->files[file];
        if (BLOCKS_PER_FILE - f->used >= ROOMY && !is_written(f)) {
            *lane = (struct lane){file, 0};
            return;
        }
    }
}

/* The lane goes on to the first free block of the files that there are. */
static bool find_free(struct blocks *b, struct lane *lane)
{
    for (uint32_t k = 0; k <= b->n_files && b->n_files > 0; k++) {
        uint32_t file = (lane->file + k) % b->n_files;
        const struct data_file *f = b->files[file];
        if (f->used == BLOCKS_PER_FILE)
            continue;
        uint32_t at = next_free(f, k == 0 ? lane->block : 0);
        if (at < BLOCKS_PER_FILE) {
            *lane = (struct lane){file, at};
            return true;
        }
    }
    return false;
}

static bool take_run(struct blocks *b, struct lane *lane, uint32_t want, uint64_t *ret_first,
                     uint32_t *ret_n)
{
    if (!find_free(b, lane))
        return false;
    struct data_file *f = b->files[lane->file];
    uint32_t n = free_run(f, lane->block, want);
    bits_set(b, f, lane->block, n);
    *ret_first = (uint64_t)lane->file * BLOCKS_PER_FILE + lane->block;
    *ret_n = n;
    lane->block += n;
    return true;
}

/* There are fewer free ones than before. */
static void note_taken(struct blocks *b)
{
    if (blocks_free(b) < b->least_free)
        b->least_free = blocks_free(b);
    if (b->ahead && !b->resting && is_low(b))
        pthread_cond_signal(&b->low);
}

/* A run of what all share, or if there is none of what stocks have, or else of more files. */
static osd_status alloc_locked(struct blocks *b, struct lane *lane, uint32_t want,
                               uint64_t *ret_first, uint32_t *ret_n)
{
    osd_status st = OSD_OK;

    keep_apart(b, lane);
    for (bool all = false; !st && !take_run(b, lane, want, ret_first, ret_n); all = !all) {
        if (!all)
            collect_unlocked(b);
        else if (b->making)
            pthread_cond_wait(&b->made, &b->mutex);
        else
            st = grow(b, FILE_SIZE);
    }
    note_taken(b);
    return st;
}

/* What is free in the next window that has some. */
static void take_window(struct blocks *b, struct stock *s, struct lane *lane)
{
    if (!find_free(b, lane))
        return;
    struct data_file *f = b->files[lane->file];
    uint32_t n =
        stock_fill(s, (uint64_t)lane->file * BLOCKS_PER_FILE, f->map, WORDS, lane->block);
    f->used += n;
    b->used += n;
    lane->block = (lane->block / 64 + STOCK_WORDS) * 64;
    b->filled[s - b->stocks] = lane;
}

/* Another window for a stock whose lock the caller holds, if there is plenty and nobody looks for all there is. */
static void restock(struct blocks *b, struct stock *s, struct lane *lane)
{
    osd_lock_short(&b->mutex);
    return_window(b, s);
    if (blocks_free(b) >= PLENTY && !b->collecting) {
        keep_apart(b, lane);
        take_window(b, s, lane);
    }
    note_taken(b);
    pthread_mutex_unlock(&b->mutex);
}

static struct lane *lane_of(struct blocks *b, uint64_t whose)
{
    return &b->lanes[osd_hash_mix(whose) % LANES];
}

static bool from_stock(struct blocks *b, uint64_t whose, uint32_t want, uint64_t *ret_first,
                       uint32_t *ret_n)
{
    struct stock *s = &b->stocks[osd_thread_place()];

    osd_lock_short(&s->mutex);
    bool took = stock_take(s, want, false, ret_first, ret_n);
    if (!took) {
        restock(b, s, lane_of(b, whose));
        took = stock_take(s, want, true, ret_first, ret_n);
    }
    pthread_mutex_unlock(&s->mutex);
    return took;
}

osd_status blocks_alloc(struct blocks *b, uint64_t whose, uint32_t want, uint64_t *ret_first,
                        uint32_t *ret_n)
{
    if (want <= LITTLE && from_stock(b, whose, want, ret_first, ret_n))
        return OSD_OK;
    osd_lock_short(&b->mutex);
    osd_status st = alloc_locked(b, lane_of(b, whose), want, ret_first, ret_n);
    pthread_mutex_unlock(&b->mutex);
    return st;
}

void blocks_release(struct blocks *b, uint64_t first, uint32_t count)
{
    osd_lock_short(&b->mutex);
    clear_run(b, first, count);
    pthread_mutex_unlock(&b->mutex);
}

void blocks_retire(struct blocks *b, uint64_t first, uint32_t count)
{
    struct stock *s = &b->stocks[osd_thread_place()];

    osd_lock_short(&s->mutex);
    if (stock_retire(s, first, count)) {
        osd_lock_short(&b->mutex);
        retire_runs(b, s);
        pthread_mutex_unlock(&b->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
}

/* What of a file is gone, or just coming back, stays so. */
static void retire_file(struct blocks *b, uint32_t n)
{
    struct data_file *f = b->files[n];

    if (f->used == count_of(f->gone) * PIECE)
        return;
    b->used += BLOCKS_PER_FILE - f->used;
    memset(f->map, 0xff, sizeof(f->map));
    f->used = BLOCKS_PER_FILE;
    for (uint32_t i = 0, len; (len = next_pieces(~f->gone, &i)) > 0; i += len)
        retire_locked(b, (uint64_t)n * BLOCKS_PER_FILE + i * PIECE, len * PIECE);
}

/* What stocks have is in use like all else. */
void blocks_retire_all(struct blocks *b)
{
    for (unsigned i = 0; i < OSD_PLACES; i++) {
        pthread_mutex_lock(&b->stocks[i].mutex);
        stock_forget(&b->stocks[i]);
    }
    pthread_mutex_lock(&b->mutex);
    b->n_waiting = 0;
    set_waiting(b, 0);
    for (uint32_t i = 0; i < b->n_files; i++) {
        free(b->files[i]->others);
        b->files[i]->others = NULL;
        retire_file(b, i);
    }
    pthread_mutex_unlock(&b->mutex);
    for (unsigned i = OSD_PLACES; i-- > 0;)
        pthread_mutex_unlock(&b->stocks[i].mutex);
}

uint64_t blocks_waiting(struct blocks *b)
{
    return __atomic_load_n(&b->waiting_blocks, __ATOMIC_RELAXED);
}

osd_status blocks_sync(struct blocks *b, uint64_t *ret_mark)
{
    osd_status st = sync_found_names(b);
    uint32_t n;

    retire_stocks(b);
    pthread_mutex_lock(&b->mutex);
    *ret_mark = b->mark++;
    n = b->n_files;
    pthread_mutex_unlock(&b->mutex);
    for (uint32_t i = 0; i < n && b->dir; i++) {
        if (take_dirty(b, i) && fdatasync(b->files[i]->fd) != 0) {
            st = errno_status();
            set_dirty(b, i);
        }
    }
    return st;
}

void blocks_sync_done(struct blocks *b, uint64_t mark)
{
    size_t kept = 0;

    pthread_mutex_lock(&b->mutex);
    for (size_t i = 0; i < b->n_waiting; i++) {
        if (b->waiting[i].mark <= mark) {
            clear_run(b, b->waiting[i].first, b->waiting[i].count);
            set_waiting(b, b->waiting_blocks - b->waiting[i].count);
        } else {
            b->waiting[kept++] = b->waiting[i];
        }
    }
    b->n_waiting = kept;
    if (b->ahead && !b->watching && !b->resting && too_many(b) >= PIECE)
        pthread_cond_signal(&b->low);
    pthread_mutex_unlock(&b->mutex);
}

/* One system call. One piece of memory goes without a list, which the kernel would fetch. */
static ssize_t move(int fd, bool out, const struct iovec *v, int n, off_t at)
{
    if (n == 1)
        return out ? pwrite(fd, v->iov_base, v->iov_len, at)
                   : pread(fd, v->iov_base, v->iov_len, at);
    return out ? pwritev(fd, v, n, at) : preadv(fd, v, n, at);
}

/* The loop shared by reading and writing: goes on after partial transfers. v has len bytes. */
static osd_status transfer(const struct data_file *f, bool out, uint32_t block,
                           const struct iovec *v, int n, size_t len)
{
    off_t at = (off_t)block * STORE_BLOCK;
    struct osd_iov all = osd_iov_make(v, n);
    struct iovec part[BLOCKS_PIECES];
    size_t done = 0;

    while (done < len) {
        int parts = osd_iov_slice(&all, done, len - done, part, BLOCKS_PIECES);
        ssize_t got = move(f->fd, out, part, parts, at + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? OSD_E_CORRUPT : errno_status();
        done += (size_t)got;
    }
    return OSD_OK;
}

/* AT_ONCE by AT_ONCE. */
static osd_status read_file(const struct data_file *f, uint32_t block, uint32_t count,
                            const struct iovec *v, int n, uint32_t *ret_crc)
{
    struct osd_iov all = osd_iov_make(v, n);
    struct iovec part[BLOCKS_PIECES];

    for (uint32_t done = 0, some; done < count; done += some) {
        some = count - done < AT_ONCE ? count - done : AT_ONCE;
        size_t len = (size_t)some * STORE_BLOCK;
        int parts = osd_iov_slice(&all, (uint64_t)done * STORE_BLOCK, len, part, BLOCKS_PIECES);
        osd_status st = transfer(f, false, block + done, part, parts, len);
        if (st)
            return st;
        sums_of(part, some, ret_crc + done);
    }
    return OSD_OK;
}

osd_status blocks_read(struct blocks *b, uint64_t first, uint32_t count, const struct iovec *v,
                       int n, uint32_t *ret_crc)
{
    uint32_t at = (uint32_t)(first % BLOCKS_PER_FILE);

    if (first / BLOCKS_PER_FILE >= __atomic_load_n(&b->n_files, __ATOMIC_ACQUIRE))
        return OSD_E_CORRUPT;
    struct data_file *f = b->files[first / BLOCKS_PER_FILE];
    if (mapped_read(b->mapped, &f->mapped, f->fd, at, count, v, ret_crc))
        return OSD_OK;
    return read_file(f, at, count, v, n, ret_crc);
}

static osd_status write_file(struct blocks *b, struct data_file *f, uint32_t block,
                             uint32_t count, const struct iovec *v, int n, uint32_t *ret_crc)
{
    size_t len = (size_t)count * STORE_BLOCK;

    sums_of(v, count, ret_crc);
    __atomic_add_fetch(&f->writers, 1, __ATOMIC_RELAXED);
    osd_status st = transfer(f, true, block, v, n, len);
    __atomic_sub_fetch(&f->writers, 1, __ATOMIC_RELAXED);
    if (!st)
        mapped_written(b->mapped, &f->mapped, block, count);
    return st;
}

osd_status blocks_write(struct blocks *b, uint64_t first, uint32_t count, const struct iovec *v,
                        int n, uint32_t *ret_crc)
{
    struct data_file *f = b->files[first / BLOCKS_PER_FILE];
    uint32_t at = (uint32_t)(first % BLOCKS_PER_FILE);
    osd_status st = OSD_OK;

    if (!mapped_write(b->mapped, &f->mapped, f->fd, at, count, v, ret_crc))
        st = write_file(b, f, at, count, v, n, ret_crc);
    /* Not before: a sync meanwhile would take it for its own. */
    set_dirty(b, first / BLOCKS_PER_FILE);
    return st;
}
