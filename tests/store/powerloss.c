/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/powerloss.c - see powerloss.h
 *
 * Invariant: a write is noted before it happens, under the lock that orders writes; so the notes
 * of a killed process tell at least what it did, in order. A sync covers what was noted before
 * it began, and is noted when it has ended.
 *
 * Files are known by the numbers of their inodes, with the generation where a file system has one: it gives a number
 * to a new file as soon as the old one is closed, tmpfs does not.
 */
#include "powerloss.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u

enum kind { NOTE_WRITE = 1, NOTE_SYNC, NOTE_GONE };

/* One note; old_len bytes that the write replaces follow. */
struct note {
    uint64_t kind, file; /* which: identity() */
    uint64_t off, len, old_len;
    uint64_t size; /* of the file, before a write */
    uint64_t upto; /* NOTE_SYNC: number of notes it covers */
};

/* ---- in the watched process ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int notes_fd = -1;
static char watched[PATH_MAX];
static uint64_t n_notes;

static void die(const char *what)
{
    perror(what);
    _exit(9);
}

/* Count the notes that are there; one that is not whole goes. */
static void go_on(int fd)
{
    struct note n;
    struct stat s;
    uint64_t at = 0;

    if (fstat(fd, &s) != 0)
        die("notes");
    while (syscall(SYS_pread64, fd, &n, sizeof(n), at) == (long)sizeof(n) &&
           n.old_len <= (uint64_t)s.st_size - at - sizeof(n)) {
        at += sizeof(n) + n.old_len;
        n_notes++;
    }
    if (ftruncate(fd, (off_t)at) != 0)
        die("notes");
}

void powerloss_watch(const char *dir, const char *notes)
{
    snprintf(watched, sizeof(watched), "%s/", dir);
    int fd = open(notes, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        die(notes);
    go_on(fd);
    notes_fd = fd;
}

/* Whether a descriptor is a file to be watched; its state. */
static bool is_watched(int fd, struct stat *ret)
{
    char link[40], path[PATH_MAX];
    ssize_t n;

    if (notes_fd < 0)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0 || strncmp(path, watched, strlen(watched)) != 0)
        return false;
    return fstat(fd, ret) == 0 && S_ISREG(ret->st_mode);
}

static uint64_t identity(int fd, const struct stat *s)
{
    int generation = 0;

    if (ioctl(fd, FS_IOC_GETVERSION, &generation) != 0)
        generation = 0;
    return s->st_ino ^ (uint64_t)(uint32_t)generation << 32;
}

/* Under the lock. */
static void put(const struct note *n, const void *old)
{
    struct iovec v[2] = {{(void *)n, sizeof(*n)}, {(void *)old, n->old_len}};

    if (syscall(SYS_writev, notes_fd, v, 2) != (long)(sizeof(*n) + n->old_len))
        die("notes");
    n_notes++;
}

/* Logs are open for writing only. */
static long read_old(int fd, void *old, uint64_t len, uint64_t off)
{
    char link[40];
    long got = syscall(SYS_pread64, fd, old, len, off);

    if (got >= 0 || errno != EBADF)
        return got;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    fd = open(link, O_RDONLY | O_CLOEXEC);
    got = syscall(SYS_pread64, fd, old, len, off);
    close(fd);
    return got;
}

static void note_write(int fd, const struct stat *s, uint64_t off, uint64_t len)
{
    uint64_t size = (uint64_t)s->st_size, there = off < size ? size - off : 0;
    struct note n = {.kind = NOTE_WRITE,
                     .file = identity(fd, s),
                     .off = off,
                     .len = len,
                     .old_len = there < len ? there : len,
                     .size = size};
    void *old = malloc(n.old_len + 1);

    if (!old || read_old(fd, old, n.old_len, off) != (long)n.old_len)
        die("old bytes");
    put(&n, old);
    free(old);
}

/* Note that an inode is given up, lest a later file with its number inherits its notes. */
static void note_gone(const char *path)
{
    struct stat s;

    if (notes_fd < 0 || strncmp(path, watched, strlen(watched)) != 0)
        return;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &s) == 0) {
        pthread_mutex_lock(&lock);
        put(&(struct note){.kind = NOTE_GONE, .file = identity(fd, &s)}, NULL);
        pthread_mutex_unlock(&lock);
    }
    if (fd >= 0)
        close(fd);
}

/* Libraries find what follows only if the program exports it. */
#pragma GCC visibility push(default)

ssize_t write(int fd, const void *buf, size_t len)
{
    struct stat s;

    if (!is_watched(fd, &s))
        return syscall(SYS_write, fd, buf, len);
    pthread_mutex_lock(&lock);
    fstat(fd, &s);
    note_write(fd, &s, (uint64_t)lseek(fd, 0, SEEK_CUR), len);
    ssize_t rc = syscall(SYS_write, fd, buf, len);
    pthread_mutex_unlock(&lock);
    return rc;
}

static ssize_t write_at(int fd, const struct iovec *v, int n, off_t off)
{
    struct stat s;
    size_t len = 0;

    if (!is_watched(fd, &s))
        return syscall(SYS_pwritev, fd, v, n, (long)off, 0L);
    for (int i = 0; i < n; i++)
        len += v[i].iov_len;
    pthread_mutex_lock(&lock);
    fstat(fd, &s);
    note_write(fd, &s, (uint64_t)off, len);
    ssize_t rc = syscall(SYS_pwritev, fd, v, n, (long)off, 0L);
    pthread_mutex_unlock(&lock);
    return rc;
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t off)
{
    return write_at(fd, v, n, off);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off_t off)
{
    struct iovec v = {(void *)buf, len};

    return write_at(fd, &v, 1, off);
}

/* The names that libraries without large file support call. */
ssize_t plain_pwrite(int fd, const void *buf, size_t len, off_t off) __asm__("pwrite");
ssize_t plain_pwrite(int fd, const void *buf, size_t len, off_t off)
{
    return pwrite64(fd, buf, len, off);
}

ssize_t plain_pwritev(int fd, const struct iovec *v, int n, off_t off) __asm__("pwritev");
ssize_t plain_pwritev(int fd, const struct iovec *v, int n, off_t off)
{
    return write_at(fd, v, n, off);
}

/* A file system with a disk below it, wherever the files are: what is written to mapped files of tmpfs
 * would not be noted. */
int statfs64(const char *path, struct statfs64 *ret)
{
    long rc = syscall(SYS_statfs, path, ret);

    ret->f_type = EXT4_SUPER_MAGIC;
    return (int)rc;
}

/* To punch a hole is to write zeros. */
int fallocate64(int fd, int mode, off_t off, off_t len)
{
    struct stat s;

    if (!(mode & FALLOC_FL_PUNCH_HOLE) || !is_watched(fd, &s))
        return (int)syscall(SYS_fallocate, fd, mode, (long)off, (long)len);
    pthread_mutex_lock(&lock);
    fstat(fd, &s);
    note_write(fd, &s, (uint64_t)off, (uint64_t)len);
    int rc = (int)syscall(SYS_fallocate, fd, mode, (long)off, (long)len);
    pthread_mutex_unlock(&lock);
    return rc;
}

/* Nothing has to reach the disk for this: the machine stays up. */
static int sync_file(int fd)
{
    struct stat s;

    if (!is_watched(fd, &s))
        return 0;
    pthread_mutex_lock(&lock);
    struct note n = {.kind = NOTE_SYNC, .file = identity(fd, &s), .upto = n_notes};
    pthread_mutex_unlock(&lock);
    sched_yield();
    pthread_mutex_lock(&lock);
    put(&n, NULL);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd)
{
    return sync_file(fd);
}

int fdatasync(int fd)
{
    return sync_file(fd);
}

int unlink(const char *path)
{
    note_gone(path);
    return (int)syscall(SYS_unlink, path);
}

int rename(const char *from, const char *to)
{
    note_gone(to);
    return (int)syscall(SYS_rename, from, to);
}

#pragma GCC visibility pop

/* ---- mappings ---- */

#define MAPS 8

/* The shared mappings of files that are watched. The program is linked with what it maps and copies
 * wrapped. */
static struct {
    uint8_t *at;
    size_t len;
    int fd;
} maps[MAPS];
static unsigned n_maps;

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
    void *map = __real_mmap64(at, len, prot, flags, fd, off);
    struct stat s;

    if (map == MAP_FAILED || !(prot & PROT_WRITE) || !is_watched(fd, &s))
        return map;
    pthread_mutex_lock(&lock);
    if (n_maps == MAPS || off != 0)
        die("too many mappings");
    maps[n_maps].at = map;
    maps[n_maps].len = len;
    maps[n_maps++].fd = fd;
    pthread_mutex_unlock(&lock);
    return map;
}

/* Under the lock. */
static void note_copy(const uint8_t *to, size_t len)
{
    struct stat s;

    for (unsigned i = 0; i < n_maps; i++)
        if (to >= maps[i].at && to < maps[i].at + maps[i].len && fstat(maps[i].fd, &s) == 0)
            note_write(maps[i].fd, &s, (uint64_t)(to - maps[i].at), len);
}

bool __real_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len);
bool __wrap_guarded_write(void *mapped, const void *src, size_t len)
{
    pthread_mutex_lock(&lock);
    note_copy(mapped, len);
    bool copied = __real_guarded_write(mapped, src, len);
    pthread_mutex_unlock(&lock);
    return copied;
}

/* ---- afterwards ---- */

struct read_note {
    struct note n;
    const uint8_t *old;
    bool safe; /* synced, or of a file that is gone */
};

struct notes {
    uint8_t *bytes;
    struct read_note *v;
    size_t n, cap;
};

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "powerloss: %s\n", what);
        abort();
    }
}

static struct notes read_notes(const char *path)
{
    struct notes all = {0};
    struct stat s;
    int fd = open(path, O_RDONLY);

    must(fd >= 0 && fstat(fd, &s) == 0, "no notes");
    size_t len = (size_t)s.st_size, at = 0;
    all.bytes = malloc(len + 1);
    must(all.bytes != NULL, "no memory");
    while (at < len) {
        ssize_t got = read(fd, all.bytes + at, len - at);
        must(got > 0, "notes cannot be read");
        at += (size_t)got;
    }
    close(fd);
    for (at = 0; len - at >= sizeof(struct note);) {
        struct read_note r = {.old = all.bytes + at + sizeof(r.n)};
        memcpy(&r.n, all.bytes + at, sizeof(r.n));
        if (r.n.old_len > len - at - sizeof(r.n))
            break; /* killed while it noted this: nothing was written */
        if (all.n == all.cap) {
            all.cap = all.cap ? 2 * all.cap : 1024;
            all.v = realloc(all.v, all.cap * sizeof(*all.v));
            must(all.v != NULL, "no memory");
        }
        all.v[all.n++] = r;
        at += sizeof(r.n) + r.n.old_len;
    }
    return all;
}

static void mark_safe(struct notes *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct note *n = &all->v[i].n;
        size_t upto = n->kind == NOTE_SYNC ? n->upto : n->kind == NOTE_GONE ? i : 0;
        for (size_t k = 0; k < upto; k++)
            all->v[k].safe |= all->v[k].n.file == n->file;
    }
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* What is lost of one file. */
struct loss {
    const struct notes *all;
    uint64_t file, seed, lost;
    unsigned percent; /* how likely a page loses its last write */
    uint64_t pages;
    uint8_t *ended; /* per page: an older write of it survived, so nothing older is lost */
};

/* Take one write back, page by page; the end of what stays of it. */
static uint64_t take_back(struct loss *l, int fd, const struct read_note *r)
{
    uint64_t end = r->n.off + r->n.len, kept = 0;

    for (uint64_t at = r->n.off; at < end;) {
        uint64_t page = at / PAGE, stop = (page + 1) * PAGE < end ? (page + 1) * PAGE : end;
        uint64_t have = r->n.off + r->n.old_len;
        static const uint8_t zeros[PAGE];

        if (l->ended[page] || next_random(&l->seed) % 100 >= l->percent) {
            l->ended[page] = 1;
            kept = stop;
        } else {
            uint64_t old = at < have ? (have < stop ? have : stop) - at : 0;
            must(syscall(SYS_pwrite64, fd, r->old + (at - r->n.off), old, at) == (long)old,
                 "write");
            must(syscall(SYS_pwrite64, fd, zeros, stop - at - old, at + old) ==
                     (long)(stop - at - old),
                 "write");
            l->lost++;
        }
        at = stop;
    }
    return kept;
}

static void cut_file(struct loss *l, const char *path)
{
    uint64_t size = UINT64_MAX, kept = 0;
    int fd = open(path, O_RDWR);
    struct stat s;

    must(fd >= 0 && fstat(fd, &s) == 0, path);
    l->file = identity(fd, &s);
    for (size_t i = 0; i < l->all->n; i++) {
        const struct note *n = &l->all->v[i].n;
        if (n->kind == NOTE_WRITE && n->file == l->file && n->off + n->len > l->pages * PAGE)
            l->pages = (n->off + n->len + PAGE - 1) / PAGE;
    }
    l->ended = calloc(l->pages + 1, 1);
    must(l->ended != NULL, "no memory");
    for (size_t i = l->all->n; i-- > 0;) {
        const struct read_note *r = &l->all->v[i];
        if (r->n.kind != NOTE_WRITE || r->n.file != l->file || r->safe)
            continue;
        uint64_t end = take_back(l, fd, r);
        kept = end > kept ? end : kept;
        size = r->n.size;
    }
    free(l->ended);
    if (size != UINT64_MAX && (uint64_t)s.st_size > (kept > size ? kept : size))
        must(ftruncate(fd, (off_t)(kept > size ? kept : size)) == 0, "truncate");
    close(fd);
}

static struct loss *current; /* of the tree walk */

static int visit(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    static const unsigned moods[] = {0, 10, 50, 90, 100};

    if (flag != FTW_F)
        return 0;
    current->pages = 0;
    current->percent = moods[next_random(&current->seed) % 5];
    cut_file(current, path);
    return 0;
}

uint64_t powerloss_cut(const char *dir, const char *notes, uint64_t seed)
{
    struct notes all = read_notes(notes);
    struct loss l = {.all = &all, .seed = seed};

    mark_safe(&all);
    current = &l;
    must(nftw(dir, visit, 16, FTW_PHYS) == 0, dir);
    free(all.v);
    free(all.bytes);
    return l.lost;
}
