/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/tree_out.c - from a partition into a directory
 *
 * First the attributes of every object are read, which tells what the tree is; then its items
 * are fetched side by side; then directories get their modes and times, the deepest first.
 * Invariants: (1) The device is not trusted: every step down a path refuses symbolic links, and
 * set-user-ID and set-group-ID are not restored. (2) A file appears under its name when it is
 * whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define MODES     01777
#define ZERO_STEP 65536u /* zeros of this size become holes */

/* ---- what an object is ---- */

static bool take_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                      uint16_t len)
{
    struct item *it = arg;

    if (number == TREE_PATH && len > 0 && len <= TREE_PATH_MAX && !memchr(value, 0, len)) {
        free(it->path);
        it->path = strndup(value, len);
    } else if (number == TREE_MODE && len == 4) {
        it->mode = (uint32_t)be_get(value, 4);
    } else if (number == TREE_MTIME && len == 8) {
        it->mtime = (int64_t)be_get(value, 8);
    } else if (number == TREE_TYPE && len == 1) {
        it->type = *(const char *)value;
    } else if (number == TREE_COMPLETE && len == 8) {
        it->complete = true;
        it->size = be_get(value, 8);
    }
    return true;
}

/* Relative, without empty, "." and ".." components. */
static bool safe_path(const char *p)
{
    for (;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || n > NAME_MAX || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[n])
            return true;
        p += n + 1;
    }
}

static const char *unfit(const struct item *it)
{
    if (!safe_path(it->path))
        return "the path is not a relative one without . and ..";
    if (it->type != 'f' && it->type != 'd' && it->type != 'l')
        return "is of a type that this osdctl does not know";
    if (!it->complete)
        return "incomplete; run the copy in again";
    if (it->type == 'l' && (it->size == 0 || it->size >= PATH_MAX))
        return "is a symbolic link without a possible target";
    return NULL;
}

static void read_item(struct work *w, struct item *it)
{
    osd_status st = osd_each_attr(w->s, w->pid, it->oid, PAGE_TREE, take_attr, it);
    const char *why = NULL;
    char name[TARGET_NAME_LEN];

    if (st == OSD_E_NOT_FOUND) /* removed since the ids were listed */
        return;
    if (st)
        work_failed(w, target_name(name, w->pid, it->oid), st, NULL);
    else if (it->path && (why = unfit(it)))
        work_failed(w, it->path, OSD_E_INVALID, why);
    if (st || why) {
        free(it->path);
        it->path = NULL;
    }
}

/* ---- below the destination ---- */

static int step_down(int at, const char *name)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The directory a path's last component is in, made if need be. *ret_name points into path.
 * Returns a descriptor to close, or -1 with errno. */
static int open_parent(int root, const char *path, const char **ret_name)
{
    char name[NAME_MAX + 1];
    int fd = dup(root);

    for (const char *slash; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        int below;
        memcpy(name, path, (size_t)(slash - path));
        name[slash - path] = 0;
        below = step_down(fd, name);
        int error = errno;
        close(fd);
        errno = error;
        fd = below;
    }
    *ret_name = path;
    return fd;
}

static struct timespec time_of(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    if (t.tv_nsec < 0) {
        t.tv_sec--;
        t.tv_nsec += 1000000000;
    }
    return t;
}

static bool set_time(int dir, const char *name, int64_t ns)
{
    struct timespec t[2] = {time_of(ns), time_of(ns)};

    return utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- fetching one item ---- */

struct sink {
    struct work *w;
    const struct item *it;
    int dir;          /* parent directory */
    const char *name; /* in it */
    const char *why;  /* why it failed, when the device is not to blame */
};

static osd_status local_failure(struct sink *s, osd_status st, const char *why)
{
    s->why = why;
    return st;
}

static osd_status errno_failure(struct sink *s)
{
    return local_failure(s, errno_status(errno), strerror(errno));
}

static bool is_there(struct sink *s)
{
    struct timespec t = time_of(s->it->mtime);
    struct stat st;

    return fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == s->it->size && st.st_mtim.tv_sec == t.tv_sec &&
           st.st_mtim.tv_nsec == t.tv_nsec;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Write a piece; runs of zeros stay holes. */
static bool write_piece(int fd, const uint8_t *p, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i += ZERO_STEP) {
        size_t n = len - i < ZERO_STEP ? len - i : ZERO_STEP;
        if (all_zero(p + i, n))
            continue;
        if (lseek(fd, (off_t)(at + i), SEEK_SET) < 0 || !write_full(fd, p + i, n))
            return false;
    }
    return true;
}

static osd_status fetch_data(struct sink *s, int fd)
{
    uint8_t *buf = malloc(PIECE);
    osd_status st = buf ? OSD_OK : OSD_E_NOMEM;

    for (uint64_t at = 0; !st && at < s->it->size;) {
        if (!work_goes_on(s->w)) {
            st = local_failure(s, OSD_E_INTERRUPTED, "interrupted");
            break;
        }
        uint64_t rest = s->it->size - at;
        size_t n = 0, want = rest < PIECE ? (size_t)rest : PIECE;
        st = osd_read(s->w->s, s->w->pid, s->it->oid, at, buf, want, &n);
        if (!st && n != want)
            st = local_failure(s, OSD_E_CORRUPT,
                               "the object is shorter than its attributes say");
        else if (!st && !write_piece(fd, buf, n, at))
            st = errno_failure(s);
        at += n;
        work_bytes(s->w, n);
    }
    free(buf);
    if (!st && ftruncate(fd, (off_t)s->it->size) != 0)
        st = errno_failure(s);
    return st;
}

/* Whole under another name, then renamed. */
static osd_status fetch_file(struct sink *s)
{
    char part[48];
    osd_status st;
    int fd;

    if (is_there(s)) {
        s->w->skipped++;
        work_bytes(s->w, s->it->size);
        if (fchmodat(s->dir, s->name, s->it->mode & MODES, 0) != 0)
            return errno_failure(s);
        return OSD_OK;
    }
    snprintf(part, sizeof(part), ".osdctl-%016" PRIx64 ".part", s->it->oid);
    fd = openat(s->dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno_failure(s);
    st = fetch_data(s, fd);
    if (!st && (fchmod(fd, s->it->mode & MODES) != 0 || !set_time(s->dir, part, s->it->mtime)))
        st = errno_failure(s);
    if (close(fd) != 0 && !st)
        st = errno_failure(s);
    if (!st && renameat(s->dir, part, s->dir, s->name) != 0)
        st = errno_failure(s);
    if (st)
        unlinkat(s->dir, part, 0);
    return st;
}

static osd_status fetch_link(struct sink *s)
{
    char to[PATH_MAX], old[PATH_MAX];
    size_t n;
    osd_status st = osd_read(s->w->s, s->w->pid, s->it->oid, 0, to, (size_t)s->it->size, &n);

    if (st)
        return st;
    if (n != s->it->size || memchr(to, 0, n))
        return local_failure(s, OSD_E_INVALID, "is a symbolic link without a possible target");
    to[n] = 0;
    if (readlinkat(s->dir, s->name, old, sizeof(old)) == (ssize_t)n &&
        memcmp(old, to, n) == 0) {
        s->w->skipped++;
    } else {
        unlinkat(s->dir, s->name, 0);
        if (symlinkat(to, s->dir, s->name) != 0)
            return errno_failure(s);
    }
    work_bytes(s->w, n);
    if (!set_time(s->dir, s->name, s->it->mtime))
        return errno_failure(s);
    return OSD_OK;
}

static osd_status fetch_directory(struct sink *s)
{
    int fd = step_down(s->dir, s->name);

    if (fd < 0)
        return errno_failure(s);
    close(fd);
    return OSD_OK;
}

static osd_status plan(struct work *w, const struct item *it)
{
    struct sink s = {.w = w, .it = it, .dir = w->root, .name = it->path};

    if (w->root >= 0 && it->type == 'f' && is_there(&s)) {
        w->skipped++;
    } else {
        work_plan(w, it, "fetch");
        w->bytes += it->size;
    }
    return OSD_OK;
}

static osd_status fetch(struct sink *s)
{
    s->dir = open_parent(s->w->root, s->it->path, &s->name);
    if (s->dir < 0)
        return errno == ELOOP || errno == ENOTDIR
                   ? local_failure(s, OSD_E_EXISTS,
                                   "a component of the path is there and no directory")
                   : errno_failure(s);
    osd_status st = s->it->type == 'd'   ? fetch_directory(s)
                    : s->it->type == 'l' ? fetch_link(s)
                                         : fetch_file(s);
    close(s->dir);
    return st;
}

static void fetch_item(struct work *w, struct item *it)
{
    struct sink s = {.w = w, .it = it};
    osd_status st;

    if (!it->path)
        return;
    st = w->o->dry_run ? plan(w, it) : fetch(&s);
    if (!st)
        return;
    work_failed(w, it->path, st, s.why);
    it->complete = false; /* a directory that is none gets no mode */
}

/* ---- the copy ---- */

static void count_items(struct work *w)
{
    for (size_t i = 0; i < w->items.n; i++) {
        w->total_items += w->items.v[i].path != NULL;
        w->total_bytes += w->items.v[i].path ? w->items.v[i].size : 0;
    }
    w->other_objects = w->items.n - w->total_items - w->failed;
    w->total_items += w->failed;
}

static int by_path(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return strcmp(x->path ? x->path : "", y->path ? y->path : "");
}

static int longer_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    size_t lx = x->path ? strlen(x->path) : 0, ly = y->path ? strlen(y->path) : 0;

    return lx < ly ? 1 : lx > ly ? -1 : 0;
}

static void finish_directory(struct work *w, const struct item *it)
{
    struct timespec t[2] = {time_of(it->mtime), time_of(it->mtime)};
    const char *name;
    int parent = open_parent(w->root, it->path, &name), dir = -1;

    if (parent >= 0)
        dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || futimens(dir, t) != 0 || fchmod(dir, it->mode & MODES) != 0)
        work_failed(w, it->path, OSD_E_IO, strerror(errno));
    if (dir >= 0)
        close(dir);
    if (parent >= 0)
        close(parent);
}

/* Modes and times, after everything is in the directories; what is inside comes before. */
static void finish_directories(struct work *w)
{
    qsort(w->items.v, w->items.n, sizeof(*w->items.v), longer_first);
    for (size_t i = 0; i < w->items.n; i++) {
        struct item *it = &w->items.v[i];
        if (it->path && it->type == 'd' && it->complete)
            finish_directory(w, it);
    }
}

static bool add_ids(struct work *w)
{
    for (size_t i = 0; i < w->n_known; i++) {
        struct item it = {.oid = w->known[i]};
        if (!items_add(&w->items, &it))
            return false;
    }
    return true;
}

/* The destination, once it is known that there is something to copy. -1: reported. */
static int open_destination(struct work *w, const char *dir)
{
    if (!w->o->dry_run && mkdir(dir, 0777) != 0 && errno != EEXIST)
        return -1;
    w->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return w->root < 0 && !(w->o->dry_run && errno == ENOENT) ? -1 : 0;
}

static uint64_t own_oid(const struct work *w, const struct item *it)
{
    (void)w;
    return it->oid;
}

int copy_out(const struct options *o, struct osd_session *s, uint64_t pid, const char *dir)
{
    struct work w = {.o = o,
                     .s = s,
                     .pid = pid,
                     .root = -1,
                     .oid_of = own_oid,
                     .verbs = 1u << OSD_V_READ | 1u << OSD_V_GET_ATTRIBUTES};
    osd_status st;

    work_begin(&w);
    st = load_known(&w);
    if (st || !add_ids(&w)) {
        w.fatal = st ? st : OSD_E_NOMEM;
        snprintf(w.fatal_why, sizeof(w.fatal_why), "%s",
                 st ? osd_last_error() : osd_status_text(OSD_E_NOMEM));
    } else if (open_destination(&w, dir) != 0) {
        w.fatal = errno_status(errno);
        snprintf(w.fatal_why, sizeof(w.fatal_why), "%s: %s", dir, strerror(errno));
    } else {
        work_each(&w, read_item);
        count_items(&w);
        qsort(w.items.v, w.items.n, sizeof(*w.items.v), by_path);
        work_each(&w, fetch_item);
        if (!o->dry_run && work_goes_on(&w))
            finish_directories(&w);
    }
    return work_end(&w, o->dry_run ? "would fetch from" : "fetched from");
}
