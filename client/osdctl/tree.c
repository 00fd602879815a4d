/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/tree.c - osdctl cp -r: a directory tree into a partition and back
 *
 * One object for each file, directory and symbolic link, named by attributes
 * (docs/tree-format.md). The object id is a hash of the relative path, so a second run finds
 * what the first one did. Invariants: (1) An object has TREE_COMPLETE only when all its data is
 * there; it is set in the command that brings the last byte, or after it. (2) Running the same
 * copy again changes nothing that is complete and of the same size and modification time.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "osdctl.h"

#define THREADS    16
#define SMALL_FILE (1u << 20) /* goes with its attributes in one command */
#define QUEUE      256

#define LENGTH_PAGE   0x1u /* user object information */
#define LENGTH_NUMBER 0x82u

/* ---- progress ---- */

struct progress {
    const struct options *o;
    _Atomic uint64_t bytes, items, failed, skipped;
    uint64_t total_bytes, total_items;
    pthread_mutex_t mutex;
    unsigned shown_percent;
};

static void progress_show(struct progress *p)
{
    unsigned percent = p->total_bytes ? (unsigned)(p->bytes * 100 / p->total_bytes) : 100;

    pthread_mutex_lock(&p->mutex);
    if (percent != p->shown_percent || p->items == p->total_items) {
        p->shown_percent = percent;
        if (p->o->progress_fd >= 0)
            dprintf(p->o->progress_fd, "%" PRIu64 "/%" PRIu64 "\n", (uint64_t)p->bytes,
                    p->total_bytes);
        else if (!p->o->quiet && !p->o->json && isatty(STDERR_FILENO))
            fprintf(stderr, "\r%3u %%  %" PRIu64 "/%" PRIu64 " items", percent,
                    (uint64_t)p->items, p->total_items);
    }
    pthread_mutex_unlock(&p->mutex);
}

static int progress_end(struct progress *p, const char *what, osd_status fatal)
{
    if (!p->o->quiet && !p->o->json && p->o->progress_fd < 0 && isatty(STDERR_FILENO))
        fputc('\n', stderr);
    pthread_mutex_destroy(&p->mutex);
    if (fatal)
        return report_failure(p->o, fatal);
    if (!p->o->json)
        printf("%s %" PRIu64 " items, %" PRIu64 " bytes (%" PRIu64
               " were there already, %" PRIu64 " failed)\n",
               what, (uint64_t)p->items, (uint64_t)p->bytes, (uint64_t)p->skipped,
               (uint64_t)p->failed);
    report_data(p->o, json_pack("{s:I,s:I,s:I,s:I}", "items", (json_int_t)p->items, "bytes",
                                (json_int_t)p->bytes, "skipped", (json_int_t)p->skipped,
                                "failed", (json_int_t)p->failed));
    return p->failed ? EXIT_PARTIAL : 0;
}

/* ---- items and workers ---- */

struct item {
    char *path;      /* on this machine */
    const char *rel; /* inside path: below the root of the tree */
    struct stat st;
    uint64_t oid; /* copy out */
};

struct work {
    struct osd_session *s;
    uint64_t pid;
    const char *root;
    struct progress progress;
    void (*run)(struct work *w, struct item *it);
    pthread_mutex_t mutex;
    pthread_cond_t room, more;
    struct item queue[QUEUE];
    size_t head, n;
    bool ended;
};

static void *worker(void *arg)
{
    struct work *w = arg;

    for (;;) {
        pthread_mutex_lock(&w->mutex);
        while (w->n == 0 && !w->ended)
            pthread_cond_wait(&w->more, &w->mutex);
        if (w->n == 0) {
            pthread_mutex_unlock(&w->mutex);
            return NULL;
        }
        struct item it = w->queue[w->head];
        w->head = (w->head + 1) % QUEUE;
        w->n--;
        pthread_cond_signal(&w->room);
        pthread_mutex_unlock(&w->mutex);
        w->run(w, &it);
        free(it.path);
        w->progress.items++;
        progress_show(&w->progress);
    }
}

static void work_add(struct work *w, const struct item *it)
{
    pthread_mutex_lock(&w->mutex);
    while (w->n == QUEUE)
        pthread_cond_wait(&w->room, &w->mutex);
    w->queue[(w->head + w->n++) % QUEUE] = *it;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->mutex);
}

/* Run produce() in this thread with workers beside it, and wait for all. */
static osd_status work_run(struct work *w, osd_status (*produce)(struct work *w))
{
    pthread_t threads[THREADS];
    int n = 0;

    pthread_mutex_init(&w->mutex, NULL);
    pthread_mutex_init(&w->progress.mutex, NULL);
    pthread_cond_init(&w->room, NULL);
    pthread_cond_init(&w->more, NULL);
    while (n < THREADS && pthread_create(&threads[n], NULL, worker, w) == 0)
        n++;
    osd_status st = n > 0 ? produce(w) : OSD_E_NOMEM;
    pthread_mutex_lock(&w->mutex);
    w->ended = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->mutex);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_cond_destroy(&w->more);
    pthread_cond_destroy(&w->room);
    pthread_mutex_destroy(&w->mutex);
    return st;
}

static void item_failed(struct work *w, const char *name, const char *why)
{
    w->progress.failed++;
    fprintf(stderr, "osdctl: %s: %s\n", name, why);
}

/* ---- attributes of an item ---- */

static void be_put(uint8_t *dst, uint64_t v, int len)
{
    while (len-- > 0) {
        dst[len] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t be_get(const uint8_t *p, int len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

static uint64_t mtime_ns(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

static uint8_t type_of(const struct stat *st)
{
    return S_ISDIR(st->st_mode) ? 'd' : S_ISLNK(st->st_mode) ? 'l' : 'f';
}

struct item_attrs {
    uint8_t mode[4], mtime[8], type[1], complete[8];
    struct osd_attr set[5];
};

static void item_attrs(const struct item *it, struct item_attrs *a)
{
    be_put(a->mode, it->st.st_mode, 4);
    be_put(a->mtime, mtime_ns(&it->st), 8);
    a->type[0] = type_of(&it->st);
    be_put(a->complete, S_ISDIR(it->st.st_mode) ? 0 : (uint64_t)it->st.st_size, 8);
    a->set[0] = (struct osd_attr){PAGE_TREE, TREE_PATH, it->rel, (uint16_t)strlen(it->rel)};
    a->set[1] = (struct osd_attr){PAGE_TREE, TREE_MODE, a->mode, 4};
    a->set[2] = (struct osd_attr){PAGE_TREE, TREE_MTIME, a->mtime, 8};
    a->set[3] = (struct osd_attr){PAGE_TREE, TREE_TYPE, a->type, 1};
    a->set[4] = (struct osd_attr){PAGE_TREE, TREE_COMPLETE, a->complete, 8};
}

/* FNV-1a over the path; probe tells colliding paths apart. */
static uint64_t path_id(const char *rel, unsigned probe)
{
    uint64_t h = 0xcbf29ce484222325ULL + probe;

    for (; *rel; rel++)
        h = (h ^ (uint8_t)*rel) * 0x100000001b3ULL;
    return (h >> 1) | 0x100000000ULL;
}

/* ---- copy in ---- */

enum found { FOUND_SAME, FOUND_BEGUN, FOUND_OLD, FOUND_OTHER };

/* What stands under an id that is already taken; *ret_length: its logical length. */
static osd_status look(struct work *w, const struct item *it, uint64_t oid, enum found *ret,
                       uint64_t *ret_length)
{
    char path[PATH_MAX];
    uint8_t mtime[8], complete[8], length[8];
    struct osd_attr_get get[] = {
        {.page = PAGE_TREE, .number = TREE_PATH, .value = path, .cap = sizeof(path)},
        {.page = PAGE_TREE, .number = TREE_MTIME, .value = mtime, .cap = 8},
        {.page = PAGE_TREE, .number = TREE_COMPLETE, .value = complete, .cap = 8},
        {.page = LENGTH_PAGE, .number = LENGTH_NUMBER, .value = length, .cap = 8}};
    osd_status st = osd_get_attrs(w->s, w->pid, oid, get, 4);

    if (st)
        return st;
    bool same_path = get[0].defined && get[0].len == strlen(it->rel) &&
                     memcmp(path, it->rel, get[0].len) == 0;
    bool same_time = get[1].defined && be_get(mtime, 8) == mtime_ns(&it->st);
    uint64_t want = S_ISDIR(it->st.st_mode) ? 0 : (uint64_t)it->st.st_size;
    *ret_length = be_get(length, 8);
    if (!same_path)
        *ret = FOUND_OTHER;
    else if (!same_time || (get[2].defined && be_get(complete, 8) != want))
        *ret = FOUND_OLD;
    else
        *ret = get[2].defined ? FOUND_SAME : FOUND_BEGUN;
    return OSD_OK;
}

/* The rest of a big file from `at` on, then the mark that it is complete. */
static osd_status send_rest(struct work *w, const struct item *it, int fd, uint64_t oid,
                            uint64_t at)
{
    struct item_attrs a;
    char *buf = malloc(SMALL_FILE);
    osd_status st = buf ? OSD_OK : OSD_E_NOMEM;

    item_attrs(it, &a);
    while (!st) {
        ssize_t n = pread(fd, buf, SMALL_FILE, (off_t)at);
        if (n < 0)
            st = OSD_E_IO;
        if (n <= 0)
            break;
        st = osd_write(w->s, w->pid, oid, at, buf, (size_t)n);
        at += (uint64_t)n;
        w->progress.bytes += (uint64_t)n;
        progress_show(&w->progress);
    }
    free(buf);
    if (!st && at != (uint64_t)it->st.st_size)
        st = OSD_E_BUSY; /* the file changed under us */
    return st ? st : osd_set_attrs(w->s, w->pid, oid, &a.set[4], 1);
}

/* Create with attributes, and with the data when it is small. */
static osd_status send_first(struct work *w, const struct item *it, int fd, uint64_t oid,
                             const char *data, size_t len)
{
    struct item_attrs a;
    bool whole = fd < 0 || (uint64_t)it->st.st_size <= SMALL_FILE;
    struct osd_call c = {.verb = len ? OSD_V_CREATE_AND_WRITE : OSD_V_CREATE,
                         .pid = w->pid,
                         .oid = oid,
                         .out = data,
                         .out_len = len,
                         .set = a.set,
                         .n_set = whole ? 5 : 4};
    item_attrs(it, &a);
    osd_status st = osd_execute(w->s, &c);
    if (!st)
        w->progress.bytes += len;
    return st;
}

/* One item under one id: create it, or see what is there and bring it up to date. */
static osd_status send_item(struct work *w, const struct item *it, int fd, uint64_t oid,
                            const char *data, size_t len, bool *ret_other)
{
    bool big = fd >= 0 && (uint64_t)it->st.st_size > SMALL_FILE;
    enum found found;
    uint64_t length;
    osd_status st = send_first(w, it, fd, oid, data, len);

    if (!st)
        return big ? send_rest(w, it, fd, oid, len) : OSD_OK;
    if (st != OSD_E_EXISTS)
        return st;
    st = look(w, it, oid, &found, &length);
    if (st)
        return st;
    switch (found) {
    case FOUND_OTHER:
        *ret_other = true;
        return OSD_OK;
    case FOUND_SAME:
        w->progress.skipped++;
        w->progress.bytes += S_ISDIR(it->st.st_mode) ? 0 : (uint64_t)it->st.st_size;
        return OSD_OK;
    case FOUND_BEGUN:
        if (big && length <= (uint64_t)it->st.st_size) {
            w->progress.bytes += length;
            return send_rest(w, it, fd, oid, length);
        }
        break;
    case FOUND_OLD:
        break;
    }
    st = osd_remove(w->s, w->pid, oid);
    if (!st)
        st = send_first(w, it, fd, oid, data, len);
    return !st && big ? send_rest(w, it, fd, oid, len) : st;
}

/* First bytes of the item: a file's, or where a link points. False when unreadable. */
static bool first_bytes(const struct item *it, int *ret_fd, char **ret_data, size_t *ret_len)
{
    ssize_t n = 0;
    size_t want = S_ISDIR(it->st.st_mode) ? 0 : (size_t)it->st.st_size;

    *ret_fd = -1;
    if (want > SMALL_FILE)
        want = SMALL_FILE;
    *ret_data = malloc(want + 1);
    if (!*ret_data)
        return false;
    if (S_ISLNK(it->st.st_mode)) {
        n = readlink(it->path, *ret_data, want);
    } else if (S_ISREG(it->st.st_mode)) {
        *ret_fd = open(it->path, O_RDONLY | O_CLOEXEC);
        n = *ret_fd < 0 ? -1 : pread(*ret_fd, *ret_data, want, 0);
    }
    *ret_len = n > 0 ? (size_t)n : 0;
    return n >= 0 && *ret_len == want;
}

static void run_in(struct work *w, struct item *it)
{
    char *data = NULL;
    size_t len;
    int fd = -1;
    osd_status st = OSD_OK;
    bool other = true;

    if (!first_bytes(it, &fd, &data, &len)) {
        item_failed(w, it->rel, errno ? strerror(errno) : "changed while it was read");
    } else {
        for (unsigned probe = 0; other && !st && probe < 16; probe++) {
            other = false;
            st = send_item(w, it, fd, path_id(it->rel, probe), data, len, &other);
        }
        if (st)
            item_failed(w, it->rel, osd_last_error());
    }
    free(data);
    if (fd >= 0)
        close(fd);
}

static bool wanted(const FTSENT *e)
{
    return e->fts_level > 0 && (e->fts_info == FTS_D || e->fts_info == FTS_F ||
                                e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE);
}

/* Walk the tree; with w NULL only counts into p. */
static osd_status walk_tree(const char *root, struct work *w, struct progress *p)
{
    char *const paths[] = {(char *)root, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    size_t skip = strlen(root);
    FTSENT *e;

    if (!fts)
        return OSD_E_IO;
    while ((e = fts_read(fts))) {
        if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS) {
            if (w)
                item_failed(w, e->fts_path, strerror(e->fts_errno));
            continue;
        }
        if (!wanted(e))
            continue;
        if (!w) {
            p->total_items++;
            p->total_bytes +=
                S_ISDIR(e->fts_statp->st_mode) ? 0 : (uint64_t)e->fts_statp->st_size;
            continue;
        }
        struct item it = {.path = strdup(e->fts_path), .st = *e->fts_statp};
        if (!it.path)
            break;
        it.rel = it.path + skip + strspn(it.path + skip, "/");
        work_add(w, &it);
    }
    fts_close(fts);
    return OSD_OK;
}

static osd_status produce_in(struct work *w)
{
    return walk_tree(w->root, w, NULL);
}

int copy_in(const struct options *o, struct osd_session *s, const char *path, uint64_t pid)
{
    struct work w = {.s = s, .pid = pid, .root = path, .run = run_in, .progress = {.o = o}};
    struct stat st;
    char root[PATH_MAX];
    size_t len = strlen(path);

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) || len >= sizeof(root)) {
        fprintf(stderr, "osdctl: %s is not a directory\n", path);
        return EXIT_NOT_FOUND;
    }
    memcpy(root, path, len + 1);
    while (len > 1 && root[len - 1] == '/')
        root[--len] = 0;
    w.root = root;
    osd_status e = osd_create_partition(s, pid, &pid);
    if (e && e != OSD_E_EXISTS)
        return report_failure(o, e);
    walk_tree(root, NULL, &w.progress);
    e = work_run(&w, produce_in);
    if (!e)
        e = osd_flush(s);
    return progress_end(&w.progress, "copied", e);
}

/* ---- copy out ---- */

struct tree_entry {
    char path[PATH_MAX];
    uint64_t mode, mtime, size;
    uint8_t type;
    bool complete;
};

static bool take_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                      uint16_t len)
{
    struct tree_entry *e = arg;

    (void)page;
    if (number == TREE_PATH && len < sizeof(e->path)) {
        memcpy(e->path, value, len);
        e->path[len] = 0;
    } else if (number == TREE_MODE && len == 4) {
        e->mode = be_get(value, 4);
    } else if (number == TREE_MTIME && len == 8) {
        e->mtime = be_get(value, 8);
    } else if (number == TREE_TYPE && len == 1) {
        e->type = *(const uint8_t *)value;
    } else if (number == TREE_COMPLETE && len == 8) {
        e->complete = true;
        e->size = be_get(value, 8);
    }
    return true;
}

/* A path from the device must stay below the destination. */
static bool safe_path(const char *p)
{
    if (p[0] == 0 || p[0] == '/')
        return false;
    for (const char *s = p; s; s = strchr(s, '/')) {
        s += *s == '/';
        if (strncmp(s, "..", 2) == 0 && (s[2] == '/' || s[2] == 0))
            return false;
    }
    return true;
}

/* Make the directories above a path; their own entries set the modes later. */
static bool make_parents(char *path, size_t root_len)
{
    for (char *p = strchr(path + root_len + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        int rc = mkdir(path, 0700);
        *p = '/';
        if (rc != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static void set_times(const char *path, uint64_t ns)
{
    struct timespec t[2] = {
        {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)}};

    t[1] = t[0];
    utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

static bool fetch_file(struct work *w, uint64_t oid, const char *path,
                       const struct tree_entry *e)
{
    char *buf = malloc(SMALL_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = buf && fd >= 0;

    for (uint64_t at = 0; good && at < e->size;) {
        size_t n, want = e->size - at < SMALL_FILE ? (size_t)(e->size - at) : SMALL_FILE;
        good = osd_read(w->s, w->pid, oid, at, buf, want, &n) == OSD_OK && n == want &&
               pwrite(fd, buf, n, (off_t)at) == (ssize_t)n;
        at += n;
        w->progress.bytes += n;
    }
    if (good)
        good = fchmod(fd, (mode_t)e->mode & 07777) == 0;
    if (fd >= 0)
        close(fd);
    free(buf);
    return good;
}

static bool fetch_link(struct work *w, uint64_t oid, const char *path,
                       const struct tree_entry *e)
{
    char to[PATH_MAX];
    size_t n;

    if (e->size >= sizeof(to) ||
        osd_read(w->s, w->pid, oid, 0, to, (size_t)e->size, &n) != OSD_OK || n != e->size)
        return false;
    to[n] = 0;
    unlink(path);
    return symlink(to, path) == 0;
}

static void run_out(struct work *w, struct item *it)
{
    struct tree_entry *e = calloc(1, sizeof(*e));
    char path[2 * PATH_MAX];
    bool good;

    if (!e || osd_each_attr(w->s, w->pid, it->oid, PAGE_TREE, take_attr, e) != OSD_OK) {
        item_failed(w, "object", osd_last_error());
        free(e);
        return;
    }
    if (!safe_path(e->path) || !e->complete) {
        char name[40];
        snprintf(name, sizeof(name), "object 0x%" PRIx64, it->oid);
        item_failed(w, e->path[0] ? e->path : name,
                    e->path[0] && !e->complete ? "incomplete; run the copy in again"
                                               : "is not part of a tree");
        free(e);
        return;
    }
    snprintf(path, sizeof(path), "%s/%s", w->root, e->path);
    good = make_parents(path, strlen(w->root));
    if (good && e->type == 'd')
        good = mkdir(path, 0700) == 0 || errno == EEXIST;
    else if (good && e->type == 'l')
        good = fetch_link(w, it->oid, path, e);
    else if (good)
        good = fetch_file(w, it->oid, path, e);
    if (!good)
        item_failed(w, e->path, errno ? strerror(errno) : osd_last_error());
    else if (e->type != 'd')
        set_times(path, e->mtime);
    free(e);
}

struct ids {
    uint64_t *v;
    size_t n, cap;
};

static bool collect(void *arg, uint64_t id)
{
    struct ids *l = arg;

    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 1024;
        uint64_t *v = realloc(l->v, cap * sizeof(*v));
        if (!v)
            return false;
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = id;
    return true;
}

static osd_status produce_out(struct work *w)
{
    struct ids ids = {0};
    osd_status st = osd_each_id(w->s, w->pid, 0, collect, &ids);

    w->progress.total_items = ids.n;
    for (size_t i = 0; i < ids.n && !st; i++) {
        struct item it = {.oid = ids.v[i]};
        work_add(w, &it);
    }
    free(ids.v);
    return st;
}

/* Modes and times of directories, after everything is in them. */
static void finish_directory(struct work *w, uint64_t oid)
{
    struct tree_entry *e = calloc(1, sizeof(*e));
    char path[2 * PATH_MAX];

    if (e && osd_each_attr(w->s, w->pid, oid, PAGE_TREE, take_attr, e) == OSD_OK &&
        e->type == 'd' && safe_path(e->path)) {
        snprintf(path, sizeof(path), "%s/%s", w->root, e->path);
        set_times(path, e->mtime);
        if (chmod(path, (mode_t)e->mode & 07777) != 0)
            item_failed(w, e->path, strerror(errno));
    }
    free(e);
}

static bool finish_one(void *arg, uint64_t id)
{
    struct work *w = arg;

    finish_directory(w, id);
    return true;
}

int copy_out(const struct options *o, struct osd_session *s, uint64_t pid, const char *path)
{
    struct work w = {.s = s, .pid = pid, .root = path, .run = run_out, .progress = {.o = o}};
    osd_status st;

    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "osdctl: %s: %s\n", path, strerror(errno));
        return EXIT_FAILED;
    }
    st = work_run(&w, produce_out);
    if (!st)
        st = osd_each_id(s, pid, 0, finish_one, &w);
    return progress_end(&w.progress, "fetched", st);
}
