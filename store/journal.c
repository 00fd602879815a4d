/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/journal.c - see journal.h
 *
 * A record is copied into a shared mapping of its file: what the page cache has then outlives the
 * process as what a system call wrote does, and fdatasync() brings it to the disk as well. The mapping
 * is used as far as the file has its blocks already (`ready`), so that no copy meets a full file system.
 * Beyond that, where there is no mapping, and when a copy fails (guarded.h), the same bytes are written
 * by pwrite(), which tells the error.
 * Several are copied at once, each by who adds it; its number stands in a place of `copying` meanwhile. A
 * record is written when no lesser number stands there (await()): that is what makes invariant (1) hold. It
 * is not copied before all but the JOURNAL_AT_ONCE before it are written.
 *
 * One word, `word`, has the number of the last record, which file is written to, and where the places given in
 * that end. It is
 *  OPEN    The word says what is so; the members that tell the same (`last`, and pos and last of the current
 *          file) are behind. Who adds exchanges the word for one with a record more (next_steadily()), if the
 *          record ends at `steady` or before: up to there nothing else is to be done for one.
 *  CLOSED  The members say what is so, and who adds takes `lock`. Of the word only the number holds.
 * and goes from
 *  OPEN to OPEN    by who adds. Number and place are of one moment: records lie in the order of their numbers.
 *  OPEN to CLOSED  by take(), under the lock, which brings the members up to date. Who has read the word before
 *                  cannot exchange it any more.
 *  CLOSED to OPEN  by leave(), which gives the lock back, if the next record may end before `steady`. It may not
 *                  where it is the other file's turn, what is ready ends, or the mapping is lost; and never after
 *                  a failure.
 * Between take() and leave() is done what is rare: a record that does not fit, change of file, failure, and
 * whatever looks at the members. Nobody waits for a copy there: who copies may have to take the lock.
 *
 * This holds because
 *  - a word that was closed and opened again between who read it and his exchange is the same only if no record
 *    was added, and a file is changed only with a record. The `steady` that he read between them is the one from
 *    before or the one from after that. Either will do: what was ready still is, a mapping that is lost leaves
 *    the word closed, and journal_calls() may be late by a few records;
 *  - the word has the low part of the number, and the rest follows from `base`, a number that the word had when
 *    `base` was stored: it is not greater than that of a word that is read after it;
 *  - a number is put into `copying` before the word has it: who sees that it is given sees it there, too. If
 *    another gets it first, the next one is put there. Meanwhile it is too low, and others wait for it in vain;
 *    it is never too high.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/crc32c.h"
#include "common/thread.h"
#include "store/guarded.h"

#define HEAD_LEN 20u
#define FILE_LEN (8u * 1024 * 1024)
#define MAPPED   2u /* times a file: it goes on there while the other is not released */
#define AHEAD    (2u * 1024 * 1024) /* a file is ready so far ahead of what is written */
#define STEP     (256u * 1024)
#define PAGE     4096u /* the smallest there is */
#define SHORT    4096u /* longer records are put together in memory of their own */

#define YIELDS   32u   /* so often a CPU is left to others before sleeping */
#define NAP_US   50u   /* and each time so much longer, */
#define NAP_MOST 5000u /* up to this */
#define TELL     8u    /* numbers that can be divided by this are `awaited` */

#define NOWHERE (UINT64_MAX / 2) /* behind any file's end */

struct jfile {
    int fd;
    bool all_ready; /* as far as it can be; atomic */
    uint8_t *map;   /* map_len bytes; NULL: it cannot be mapped */
    uint64_t ready; /* so much has its blocks and pages; atomic, changed under ready_lock */

    /* With the word closed: */
    bool lost;       /* a copy failed: the mapping is not used any more */
    uint64_t pos;    /* end of the places given */
    uint64_t last;   /* number of the last record in it, or one that is not needed */
    uint64_t synced; /* a sync has begun that takes care of its records up to this one */
};

/** Where who is adding a record says so, until it is there. */
struct copier {
    _Alignas(64) uint64_t
        number; /* of the record; 0: nobody's place, NO_NUMBER: not known yet; atomic */
};

#define NO_NUMBER UINT64_MAX

/* The word, from its low bits on: where the places end (behind 24 bits it stays closed), whether the second file is
 * written to, whether it is closed, and 38 bits of the number: no thread stands still for as many records. */
#define POS_BITS 24u
#define POS_MOST ((1ULL << POS_BITS) - 1)
#define SECOND   (1ULL << POS_BITS)
#define CLOSED   (SECOND << 1)
#define ONE      (CLOSED << 1) /* a number more */
#define LOW      (UINT64_MAX / ONE)

struct journal {
    /* What every record needs and hardly any changes. */
    uint64_t file_len, map_len;
    uint64_t base;   /* a number that was in the word; atomic, changed with the word closed */
    uint64_t steady; /* end of the places that are taken out of the word; likewise */
    bool calls;      /* journal_calls(); likewise */
    uint64_t
        bad; /* records from this number on are not written; NO_NUMBER: all are. Likewise */
    struct jfile file[2];

    /* Under the lock: with the word closed. */
    _Alignas(64) pthread_mutex_t lock;
    uint64_t last; /* record added */
    unsigned current;
    uint64_t extra; /* when it is crowded, so much is ready behind a file's end */
    uint64_t released;
    uint64_t failed_at; /* the record that could not be written, and how that was */
    osd_status failure;
    pthread_mutex_t ready_lock; /* of who makes ready */

    /* Lines of their own: */
    _Alignas(64) uint64_t word; /* atomic */
    _Alignas(64) uint64_t
        awaited; /* nobody copies a record up to this number, or perhaps a greater one; atomic */
    struct copier copying[OSD_PLACES];
};

static const char *const names[2] = {"a", "b"};

static osd_status errno_status(void)
{
    return errno == ENOSPC || errno == EDQUOT ? OSD_E_NO_SPACE
           : errno == ENOMEM                  ? OSD_E_NOMEM
                                              : OSD_E_IO;
}

/* ---- reading ---- */

/** One file as it lies there, and the records that it begins with: whole, each one's number one more than that
 *  of the one before. */
struct image {
    uint8_t *data;
    size_t len;
    uint64_t first, last; /* their numbers; 0: there are none */
    size_t end;           /* of the last of them */
};

struct journal_files {
    struct image file[2];
};

struct found {
    uint64_t number;
    const uint8_t *data;
    size_t len;
};

/* The record at an offset; false when there is no whole one. */
static bool record_at(const struct image *m, size_t at, struct found *ret)
{
    if (at > m->len || m->len - at < HEAD_LEN)
        return false;
    const uint8_t *p = m->data + at;
    if (osd_crc32c(0, p, 16) != be32_get(p + 16))
        return false;
    *ret = (struct found){be64_get(p + 4), p + HEAD_LEN, be32_get(p)};
    return ret->number > 0 && ret->len <= m->len - at - HEAD_LEN &&
           osd_crc32c(0, ret->data, ret->len) == be32_get(p + 12);
}

static void find_records(struct image *m)
{
    struct found f;

    while (record_at(m, m->end, &f) && (!m->last || f.number == m->last + 1)) {
        m->first = m->first ? m->first : f.number;
        m->last = f.number;
        m->end += HEAD_LEN + f.len;
    }
}

/* As much of the file as there is. Not mapped: there, a sector that cannot be read would end the
 * process, which serves others as well. */
static osd_status read_all(int fd, size_t size, struct image *ret)
{
    ret->data = malloc(size);
    if (!ret->data)
        return OSD_E_NOMEM;
    while (ret->len < size) {
        ssize_t n = pread(fd, ret->data + ret->len, size - ret->len, (off_t)ret->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno_status();
        if (n == 0)
            break;
        ret->len += (size_t)n;
    }
    return OSD_OK;
}

static osd_status read_file(int dir, const char *name, struct image *ret)
{
    int fd =
        openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe is not waited for */
    struct stat s;

    if (fd < 0)
        return errno == ENOENT ? OSD_OK : errno_status();
    osd_status st = fstat(fd, &s) == 0 ? OSD_OK : errno_status();
    if (!st && s.st_size > 0)
        st = read_all(fd, (size_t)s.st_size, ret);
    close(fd);
    if (!st)
        find_records(ret);
    return st;
}

static osd_status read_files(const char *dir, struct image m[2])
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? OSD_OK : errno_status();
    osd_status st = read_file(fd, names[0], &m[0]);
    if (!st)
        st = read_file(fd, names[1], &m[1]);
    close(fd);
    return st;
}

osd_status journal_read(const char *dir, struct journal_files **ret)
{
    struct journal_files *files = calloc(1, sizeof(*files));

    if (!files)
        return OSD_E_NOMEM;
    osd_status st = read_files(dir, files->file);
    if (st)
        journal_files_free(files);
    else
        *ret = files;
    return st;
}

void journal_files_free(struct journal_files *files)
{
    if (!files)
        return;
    free(files->file[0].data);
    free(files->file[1].data);
    free(files);
}

void journal_begins(const struct journal_files *files, uint64_t ret[2])
{
    ret[0] = files->file[0].first;
    ret[1] = files->file[1].first;
}

uint64_t journal_first(const struct journal_files *files, uint64_t after)
{
    uint64_t least = 0;

    for (int i = 0; i < 2; i++) {
        const struct image *m = &files->file[i];
        uint64_t number = m->first > after ? m->first : after + 1;
        if (m->last > after && (!least || number < least))
            least = number;
    }
    return least;
}

/** How far a replay has come. */
struct replay {
    uint64_t last; /* number that was shown, or what need not be */
    journal_visit visit;
    void *arg;
};

/* The records of one file. What need not be shown may end anywhere: the file was about to be used again, and
 * some pages of that were not written. */
static osd_status replay_file(struct replay *r, const struct image *m)
{
    osd_status st = OSD_OK;

    if (m->first > r->last + 1)
        return OSD_OK;
    for (size_t at = 0, len; !st && at < m->end; at += HEAD_LEN + len) {
        const uint8_t *p = m->data + at;
        uint64_t number = be64_get(p + 4);
        len = be32_get(p);
        if (number <= r->last)
            continue;
        st = r->visit(r->arg, number, p + HEAD_LEN, len);
        r->last = number;
    }
    return st;
}

osd_status journal_replay(const struct journal_files *files, uint64_t after,
                          journal_visit visit, void *arg, uint64_t *ret_last)
{
    struct replay r = {.last = after, .visit = visit, .arg = arg};
    const struct image *m = files->file;
    unsigned older = m[1].first && (!m[0].first || m[1].first < m[0].first);
    osd_status st = replay_file(&r, &m[older]);

    if (!st)
        st = replay_file(&r, &m[!older]);
    *ret_last = r.last;
    return st;
}

/* ---- searching ---- */

/** A search for heads of records where there may be none. */
struct search {
    const struct image *m;
    uint64_t
        most; /* the greatest number that there can be: a file has no more records than bytes */
    size_t
        left; /* bytes of records that are looked at, at most: heads may be somebody's invention */
};

/* How far it is from here, where eight zeros stand for a number, to the next place where they need not: most
 * of a journal was never written to. */
static size_t zeros_at(const struct image *m, size_t at)
{
    static const uint8_t zeros[4096];

    return m->len - at >= sizeof(zeros) && memcmp(m->data + at, zeros, sizeof(zeros)) == 0
               ? sizeof(zeros) - HEAD_LEN
               : 1;
}

/* How far the next head may be from here: behind a whole record, behind zeros, or one byte on. *ret_number: of
 * the record that begins here; 0: none does. */
static size_t head_at(struct search *s, size_t at, uint64_t *ret_number)
{
    const uint8_t *p = s->m->data + at;
    uint64_t number = be64_get(p + 4);
    uint32_t len = be32_get(p);
    struct found f;

    *ret_number = 0;
    if (number == 0)
        return zeros_at(s->m, at);
    if (number > s->most || osd_crc32c(0, p, 16) != be32_get(p + 16))
        return 1;
    *ret_number = number;
    if (len > s->left)
        return 1;
    s->left -= len;
    return record_at(s->m, at, &f) ? HEAD_LEN + f.len : 1;
}

/* The greatest number in a file; of records that begin with one beyond `most`: none. */
static uint64_t greatest(const struct image *m, uint64_t most)
{
    struct search s = {m, most, 2 * m->len};
    uint64_t ret = m->first <= most ? m->last : 0, number;

    for (size_t at = m->end; at + HEAD_LEN <= m->len;) {
        at += head_at(&s, at, &number);
        if (number > ret)
            ret = number;
    }
    return ret;
}

uint64_t journal_beyond(const struct journal_files *files, uint64_t after)
{
    uint64_t ret = 0;

    for (int i = 0; i < 2; i++) {
        const struct image *m = &files->file[i];
        uint64_t number = greatest(m, after + 2 * (uint64_t)m->len);
        if (number > after && number > ret)
            ret = number;
    }
    return ret;
}

/* ---- the word ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The base was read before the word, which has that number or a later one. */
static uint64_t number_in(uint64_t word, uint64_t base)
{
    return base + ((word / ONE - base) & LOW);
}

static bool has_failed(const struct journal *j)
{
    return __atomic_load_n(&j->bad, __ATOMIC_RELAXED) != NO_NUMBER;
}

/* From OPEN to CLOSED. */
static void close_locked(struct journal *j)
{
    struct jfile *f = &j->file[j->current];
    uint64_t word = __atomic_fetch_or(&j->word, CLOSED, __ATOMIC_ACQ_REL);

    if (!(word & CLOSED)) {
        f->pos = word & POS_MOST;
        f->last = j->last = number_in(word, j->base);
    }
    __atomic_store_n(&j->base, j->last, __ATOMIC_RELEASE);
}

/* Nobody else gives numbers or places until leave(), and the members say what is so. */
static void take(struct journal *j)
{
    osd_lock_short(&j->lock);
    close_locked(j);
}

/* So far a file is ready; NOWHERE: as far as it can be, or is needed before it is the other's turn. */
static uint64_t ready_end(const struct journal *j, const struct jfile *f)
{
    uint64_t ready = __atomic_load_n(&f->ready, __ATOMIC_RELAXED);

    return __atomic_load_n(&f->all_ready, __ATOMIC_RELAXED) || ready >= j->file_len ? NOWHERE
                                                                                    : ready;
}

/* Whether the file that is not written to still has what is needed. */
static bool other_is_held(const struct journal *j)
{
    return j->file[!j->current].last > j->released;
}

/* Whether a file is half full and the other not released. */
static bool is_crowded(const struct journal *j)
{
    return j->file[j->current].pos > j->file_len / 2 && other_is_held(j);
}

/* The places may end here before there is something to do: what is ready should reach half as far ahead as
 * it does when it was just made, and behind half of a file the other is released. */
static uint64_t quiet_end(const struct journal *j)
{
    const struct jfile *f = &j->file[j->current], *other = &j->file[!j->current];
    uint64_t end = least(ready_end(j, f), j->file_len + ready_end(j, other));

    end -= least(end, AHEAD / 2);
    return other_is_held(j) ? least(end, j->file_len / 2) : end;
}

/* Let everybody know whether there is something to do. They look at this after each commit, but it
 * changes rarely. Returns what `steady` has to be: places up to there are ready, and change nothing of this. */
static uint64_t look(struct journal *j)
{
    const struct jfile *f = &j->file[j->current];
    uint64_t quiet = quiet_end(j), ready = __atomic_load_n(&f->ready, __ATOMIC_ACQUIRE);
    bool calls = f->pos > quiet;

    if (calls != j->calls)
        __atomic_store_n(&j->calls, calls, __ATOMIC_RELAXED);
    if (f->lost)
        return 0;
    if (!other_is_held(j)) /* whose turn it is from there on */
        ready = least(ready, j->file_len);
    return least(POS_MOST, calls ? ready : least(ready, quiet));
}

/* To OPEN, if it can be. */
static void leave(struct journal *j)
{
    uint64_t pos = j->file[j->current].pos, steady = look(j), word = j->last * ONE;

    if (has_failed(j) || pos >= steady)
        word |= CLOSED;
    else
        word |= pos | (j->current ? SECOND : 0);
    __atomic_store_n(&j->steady, steady, __ATOMIC_RELAXED);
    __atomic_store_n(&j->word, word, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&j->lock);
}

/* ---- open and close ---- */

/* The directory's own place, and those of the files in it, are durable. */
static osd_status sync_place(const char *dir, int fd)
{
    _cleanup_free_ char *above = NULL;

    if (asprintf(&above, "%s/..", dir) < 0)
        return OSD_E_NOMEM;
    int up = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = up >= 0 && fsync(fd) == 0 && fsync(up) == 0;
    osd_status st = ok ? OSD_OK : errno_status();
    if (up >= 0)
        close(up);
    return st;
}

/* The mapping reaches to where the file will: what is not ready is not touched. */
static osd_status file_open(struct journal *j, int dir, const char *name, struct jfile *f)
{
    f->fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->fd < 0 || ftruncate(f->fd, 0) != 0 || fsync(f->fd) != 0)
        return errno_status();
    void *map = mmap(NULL, j->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    f->map = map == MAP_FAILED ? NULL : map;
    f->all_ready = !f->map;
    return OSD_OK;
}

static osd_status files_open(struct journal *j, const char *dir)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return errno_status();
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno_status();
    osd_status st = file_open(j, fd, names[0], &j->file[0]);
    if (!st)
        st = file_open(j, fd, names[1], &j->file[1]);
    if (!st)
        st = sync_place(dir, fd);
    close(fd);
    return st;
}

osd_status journal_open(const char *dir, uint64_t last, uint64_t file_len, struct journal **ret)
{
    struct journal *j = aligned_alloc(_Alignof(struct journal), sizeof(*j));

    if (!j)
        return OSD_E_NOMEM;
    *j = (struct journal){.file_len = file_len ? file_len : FILE_LEN};
    j->map_len = MAPPED * j->file_len;
    pthread_mutex_init(&j->lock, NULL);
    pthread_mutex_init(&j->ready_lock, NULL);
    j->last = j->base = j->awaited = j->released = last;
    j->bad = NO_NUMBER;
    j->word = j->last * ONE | CLOSED;
    for (int i = 0; i < 2; i++)
        j->file[i] = (struct jfile){.fd = -1, .last = last, .synced = last};
    osd_status st = files_open(j, dir);
    if (st) {
        journal_close(j);
        return st;
    }
    journal_make_ready(j);
    *ret = j;
    return OSD_OK;
}

/* What was made ready and not used is given back: who opens it next would read all of it. */
static void file_close(struct jfile *f, uint64_t map_len)
{
    if (f->map)
        munmap(f->map, map_len);
    if (f->fd < 0)
        return;
    bool given = ftruncate(f->fd, (off_t)f->pos) == 0;
    (void)given; /* it need not be */
    close(f->fd);
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    close_locked(j);
    for (int i = 0; i < 2; i++)
        file_close(&j->file[i], j->map_len);
    pthread_mutex_destroy(&j->lock);
    pthread_mutex_destroy(&j->ready_lock);
    free(j);
}

/* ---- making ready ---- */

struct span {
    uint8_t *at;
    size_t len;
};

/* Another thread may write there meanwhile. */
static void touch_pages(void *arg)
{
    const struct span *s = arg;

    for (size_t i = 0; i < s->len; i += PAGE)
        __atomic_fetch_or(s->at + i, 0, __ATOMIC_RELAXED);
}

/* Kernels before 5.14 do not do it by themselves. */
static bool populate(uint8_t *at, size_t len)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(at, len, MADV_POPULATE_WRITE) == 0)
        return true;
#endif
    return guarded_run(at, len, touch_pages, &(struct span){at, len});
}

/* Some of a file more, up to an offset. That it cannot be is no failure: pwrite() will tell. It is not
 * tried again. */
static void make_ready(struct journal *j, struct jfile *f, uint64_t upto)
{
    uint64_t at = f->ready, len;

    if (f->all_ready)
        return;
    for (upto = least(upto, j->map_len); at < upto; at += len) {
        len = least(j->map_len - at, STEP);
        if (fallocate(f->fd, 0, (off_t)at, (off_t)len) != 0 || !populate(f->map + at, len))
            break;
        __atomic_store_n(&f->ready, at + len, __ATOMIC_RELEASE);
    }
    if (at == j->map_len || at < upto)
        __atomic_store_n(&f->all_ready, true, __ATOMIC_RELAXED);
}

void journal_make_ready(struct journal *j)
{
    if (pthread_mutex_trylock(&j->ready_lock) != 0)
        return;
    take(j);
    struct jfile *f = &j->file[j->current], *other = &j->file[!j->current];
    uint64_t upto = f->pos + AHEAD, end = least(upto, j->file_len);
    if (is_crowded(j))
        end = upto > j->file_len + j->extra ? upto : j->file_len + j->extra;
    leave(j);
    make_ready(j, f, end);
    if (upto > j->file_len)
        make_ready(j, other, upto - j->file_len);
    pthread_mutex_unlock(&j->ready_lock);
    take(j);
    leave(j); /* which looks at what is ready now */
}

/* ---- adding ---- */

uint32_t journal_crc(const struct iovec *v, int n)
{
    uint32_t crc = 0;

    for (int i = 0; i < n; i++)
        crc = osd_crc32c(crc, v[i].iov_base, v[i].iov_len);
    return crc;
}

/** Where a record goes. */
struct place {
    struct jfile *f; /* NULL: nowhere, as the journal has failed */
    uint64_t at;
    uint8_t *map; /* NULL: it is not ready there */
};

static osd_status write_all(int fd, const uint8_t *p, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno_status() : OSD_E_IO;
        p += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return OSD_OK;
}

static osd_status write_at(struct journal *j, const struct place *w, const uint8_t *p,
                           size_t len)
{
    if (w->map && guarded_write(w->map, p, len))
        return OSD_OK;
    if (w->map) {
        take(j);
        w->f->lost = true;
        leave(j);
    }
    return write_all(w->f->fd, p, len, w->at);
}

/* The file to write to: the other one when this is full and the other has nothing to lose. */
static osd_status choose_file(struct journal *j, struct jfile **ret)
{
    struct jfile *f = &j->file[j->current], *other = &j->file[!j->current];

    *ret = f;
    if (f->pos < j->file_len || other_is_held(j))
        return OSD_OK;
    if (other->pos > j->map_len && ftruncate(other->fd, (off_t)j->map_len) != 0)
        return errno_status();
    if (f->pos - j->file_len > j->extra / 2)
        j->extra = 2 * (f->pos - j->file_len);
    other->pos = 0;
    j->current = !j->current;
    *ret = other;
    return OSD_OK;
}

/* The end of a file becomes that of a record. With the word closed. */
static osd_status give_place(struct journal *j, uint64_t number, size_t len, struct place *ret)
{
    struct jfile *f;
    osd_status st = choose_file(j, &f);

    if (st)
        return st;
    uint64_t ready = __atomic_load_n(&f->ready, __ATOMIC_ACQUIRE);
    bool mapped = !f->lost && ready >= f->pos && ready - f->pos >= len;
    *ret = (struct place){f, f->pos, mapped ? f->map + f->pos : NULL};
    f->pos += len;
    f->last = number;
    return OSD_OK;
}

/* A record cannot be written. Of several that cannot the first is what a replay ends at. With the word closed. */
static void fail_closed(struct journal *j, uint64_t number, osd_status st)
{
    if (number >= j->bad)
        return;
    j->failed_at = number;
    j->failure = st;
    __atomic_store_n(&j->bad, number, __ATOMIC_RELEASE);
}

static void fail(struct journal *j, uint64_t number, osd_status st)
{
    take(j);
    fail_closed(j, number, st);
    leave(j);
}

static void nap(unsigned times)
{
    unsigned us = times < NAP_MOST / NAP_US ? times * NAP_US : NAP_MOST;

    nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/* What another thread does is not done, and this one has asked so often. A copy takes less than going to
 * sleep would, unless the thread has lost its CPU, or waits for a disk: before a page can be changed. */
static void wait_some(unsigned asked)
{
    if (asked < OSD_SPINS)
        osd_pause();
    else if (asked < OSD_SPINS + YIELDS)
        sched_yield();
    else
        nap(asked - OSD_SPINS - YIELDS + 1);
}

/* A place to say in what is being copied: that of the thread, or another one while more than
 * OSD_PLACES threads add. */
static struct copier *begin_copying(struct journal *j)
{
    unsigned mine = osd_thread_place();

    for (unsigned asked = 1;; wait_some(asked++))
        for (unsigned i = 0; i < OSD_PLACES; i++) {
            struct copier *c = &j->copying[(mine + i) % OSD_PLACES];
            uint64_t nobody = 0;
            if (__atomic_compare_exchange_n(&c->number, &nobody, NO_NUMBER, false,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return c;
        }
}

static bool is_copied(const struct copier *c, uint64_t upto)
{
    uint64_t number = __atomic_load_n(&c->number, __ATOMIC_ACQUIRE);

    return number == 0 || number > upto;
}

/* Nobody copies a record up to this number any more; it and those before it were added. */
static void await(struct journal *j, uint64_t upto)
{
    for (unsigned i = 0; i < OSD_PLACES; i++)
        for (unsigned asked = 1; !is_copied(&j->copying[i], upto);)
            wait_some(asked++);
    if (upto % TELL == 0)
        __atomic_store_n(&j->awaited, upto, __ATOMIC_RELEASE);
}

/* Before a record is copied: however many threads add, less than JOURNAL_AT_ONCE lie behind one that is not
 * there. False: one before it never will be. */
static bool await_turn(struct journal *j, uint64_t number)
{
    if (number > __atomic_load_n(&j->awaited, __ATOMIC_ACQUIRE) + JOURNAL_AT_ONCE)
        await(j, number - JOURNAL_AT_ONCE);
    return number < __atomic_load_n(&j->bad, __ATOMIC_ACQUIRE);
}

/* The next number, and a place for it, out of the word. 0: not out of it. Whoever sees in the word that the
 * number is given sees it in c as well; whoever sees it in c sees what was copied, or failed, by who had c
 * before. */
static uint64_t next_steadily(struct journal *j, size_t len, struct copier *c,
                              struct place *ret)
{
    uint64_t base = __atomic_load_n(&j->base, __ATOMIC_ACQUIRE), number;
    uint64_t word = __atomic_load_n(&j->word, __ATOMIC_ACQUIRE);

    do {
        if ((word & CLOSED) ||
            (word & POS_MOST) + len > __atomic_load_n(&j->steady, __ATOMIC_RELAXED))
            return 0;
        number = number_in(word, base) + 1;
        __atomic_store_n(&c->number, number, __ATOMIC_RELEASE);
    } while (!__atomic_compare_exchange_n(&j->word, &word, word + ONE + len, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    struct jfile *f = &j->file[(word & SECOND) != 0];
    *ret = (struct place){f, word & POS_MOST, f->map + (word & POS_MOST)};
    return number;
}

/* The same with the word closed; leave() lets others see the number. */
static uint64_t next_closed(struct journal *j, size_t len, struct copier *c, struct place *ret)
{
    uint64_t number = ++j->last;
    osd_status st = OSD_OK;

    __atomic_store_n(&c->number, number, __ATOMIC_RELEASE);
    *ret = (struct place){0};
    if (!has_failed(j))
        st = give_place(j, number, len, ret);
    if (st)
        fail_closed(j, number, st);
    return number;
}

static uint64_t next(struct journal *j, size_t len, struct copier *c, struct place *ret)
{
    uint64_t number = next_steadily(j, len, c, ret);

    if (number)
        return number;
    take(j);
    number = next_closed(j, len, c, ret);
    leave(j);
    return number;
}

/* The next record, whose number is told its head only now. Returns the number. */
static uint64_t append(struct journal *j, uint8_t *p, size_t len)
{
    struct copier *c = begin_copying(j);
    struct place w;
    uint64_t number = next(j, len, c, &w);

    be64_put(p + 4, number);
    be32_put(p + 16, osd_crc32c(0, p, 16));
    osd_status st = w.f && await_turn(j, number) ? write_at(j, &w, p, len) : OSD_OK;
    if (st)
        fail(j, number, st);
    __atomic_store_n(&c->number, 0, __ATOMIC_RELEASE);
    return number;
}

uint64_t journal_add(struct journal *j, const struct iovec *v, int n, uint32_t crc)
{
    uint8_t small[SHORT];
    size_t len = 0;

    for (int i = 0; i < n; i++)
        len += v[i].iov_len;
    if (len > UINT32_MAX)
        return 0;
    uint8_t *p = HEAD_LEN + len <= sizeof(small) ? small : malloc(HEAD_LEN + len);
    if (!p)
        return 0;
    uint8_t *at = p + HEAD_LEN;
    for (int i = 0; i < n; at += v[i++].iov_len)
        memcpy(at, v[i].iov_base, v[i].iov_len);
    be32_put(p, (uint32_t)len);
    be32_put(p + 12, crc);
    uint64_t number = append(j, p, HEAD_LEN + len);
    if (p != small)
        free(p);
    return number;
}

uint64_t journal_last(struct journal *j)
{
    uint64_t base = __atomic_load_n(&j->base, __ATOMIC_ACQUIRE);

    return number_in(__atomic_load_n(&j->word, __ATOMIC_ACQUIRE), base);
}

osd_status journal_written(struct journal *j, uint64_t upto)
{
    await(j, upto);
    if (upto < __atomic_load_n(&j->bad, __ATOMIC_ACQUIRE))
        return OSD_OK;
    osd_lock_short(&j->lock);
    osd_status st = upto == j->failed_at ? j->failure : OSD_E_IO;
    pthread_mutex_unlock(&j->lock);
    return st;
}

/* A sync failed: what was written before may not be on the disk, and is as written as it was; there is
 * no more. */
static void end(struct journal *j)
{
    take(j);
    if (!has_failed(j))
        __atomic_store_n(&j->bad, j->last + 1, __ATOMIC_RELEASE);
    leave(j);
}

osd_status journal_sync(struct journal *j)
{
    bool dirty[2];

    take(j);
    uint64_t last = j->last;
    bool failed = has_failed(j);
    for (int i = 0; i < 2; i++) {
        dirty[i] = j->file[i].last > j->file[i].synced;
        j->file[i].synced = j->file[i].last;
    }
    leave(j);
    osd_status st = journal_written(j, last);
    if (!st &&
        failed) /* an earlier sync: marks of what it did not bring to the disk are gone */
        st = OSD_E_IO;
    for (int i = 0; i < 2 && !st; i++)
        if (dirty[i] && fdatasync(j->file[i].fd) != 0)
            st = errno_status();
    if (st)
        end(j);
    return st;
}

void journal_release(struct journal *j, uint64_t upto)
{
    take(j);
    j->released = upto;
    leave(j);
}

bool journal_calls(struct journal *j)
{
    return __atomic_load_n(&j->calls, __ATOMIC_RELAXED);
}

bool journal_crowded(struct journal *j)
{
    take(j);
    bool crowded = is_crowded(j);
    leave(j);
    return crowded;
}
