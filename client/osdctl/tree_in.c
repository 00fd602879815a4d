/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/tree_in.c - from a directory into a partition
 *
 * The tree is walked first, then its items are copied side by side. An object's id is a hash of
 * its path, so that a second run finds what the first one did. Invariant: what is there under
 * an item's id is looked at before any data is sent, unless the partition had no such id.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

#define PROBES 16

/* ---- the walk ---- */

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static char type_of(mode_t mode)
{
    return S_ISREG(mode) ? 'f' : S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : 0;
}

/* Whether an entry can be copied, and if not, why. */
static osd_status fit(const FTSENT *e, const char *rel, const char **ret_why)
{
    if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS) {
        *ret_why = strerror(e->fts_errno);
        return errno_status(e->fts_errno);
    }
    *ret_why = strlen(rel) > TREE_PATH_MAX
                   ? "the path is longer than 4095 bytes"
                   : "is neither a file, a directory nor a symbolic link";
    return strlen(rel) > TREE_PATH_MAX || !type_of(e->fts_statp->st_mode) ? OSD_E_UNSUPPORTED
                                                                          : OSD_OK;
}

static bool take_entry(struct work *w, const FTSENT *e, size_t skip)
{
    const char *rel = e->fts_path + skip + strspn(e->fts_path + skip, "/");
    const char *why;
    osd_status st = fit(e, rel, &why);

    if (st) {
        w->total_items++;
        work_failed(w, *rel ? rel : e->fts_path, st, why);
        return true;
    }
    struct item it = {.path = strdup(rel),
                      .mode = e->fts_statp->st_mode,
                      .mtime = mtime_ns(e->fts_statp),
                      .type = type_of(e->fts_statp->st_mode)};
    if (it.type != 'd')
        it.size = (uint64_t)e->fts_statp->st_size;
    w->total_items++;
    w->total_bytes += it.size;
    return it.path && items_add(&w->items, &it);
}

static osd_status walk(struct work *w, const char *dir)
{
    char *const paths[] = {(char *)dir, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW, NULL);
    size_t skip = strlen(dir);
    bool good = fts != NULL;
    FTSENT *e;

    while (good && !interrupted() && (e = fts_read(fts)))
        if (e->fts_info != FTS_DP && (e->fts_level > 0 || e->fts_info != FTS_D))
            good = take_entry(w, e, skip);
    if (fts)
        fts_close(fts);
    return good ? OSD_OK : OSD_E_NOMEM;
}

/* ---- what is there already ---- */

enum found {
    FOUND_NOTHING,
    FOUND_SAME,
    FOUND_MODE,  /* same but for the mode */
    FOUND_BEGUN, /* the same file, not all of it */
    FOUND_OLD,   /* the path as it was earlier */
    FOUND_OTHER  /* another path has this id */
};

/* FNV-1a over the path; probe tells colliding paths apart. */
static uint64_t path_id(const char *path, unsigned probe)
{
    uint64_t h = 0xcbf29ce484222325ULL + probe;

    for (; *path; path++)
        h = (h ^ (uint8_t)*path) * 0x100000001b3ULL;
    return (h >> 1) | 0x100000000ULL;
}

static bool is_known(const struct work *w, uint64_t oid)
{
    size_t low = 0, high = w->n_known;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (w->known[mid] < oid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < w->n_known && w->known[low] == oid;
}

struct there {
    char path[PATH_MAX];
    uint8_t mode[4], mtime[8], type[1], complete[8], length[8];
    struct osd_attr_get get[6];
};

static struct osd_attr_get wanted(uint32_t page, uint32_t number, void *value, uint16_t cap)
{
    return (struct osd_attr_get){.page = page, .number = number, .value = value, .cap = cap};
}

static bool number_is(const struct osd_attr_get *g, uint64_t value)
{
    return g->defined && g->len == g->cap && be_get(g->value, g->len) == value;
}

static enum found compare(const struct item *it, const struct there *t)
{
    size_t len = strlen(it->path);

    if (!t->get[0].defined || t->get[0].len != len || memcmp(t->path, it->path, len) != 0)
        return FOUND_OTHER;
    if (!number_is(&t->get[2], (uint64_t)it->mtime) ||
        !number_is(&t->get[3], (uint8_t)it->type))
        return FOUND_OLD;
    if (!t->get[4].defined)
        return FOUND_BEGUN;
    if (!number_is(&t->get[4], it->size))
        return FOUND_OLD;
    return number_is(&t->get[1], it->mode) ? FOUND_SAME : FOUND_MODE;
}

/* *ret_length: logical length of what is there. */
static osd_status look(struct work *w, const struct item *it, uint64_t oid, enum found *ret,
                       uint64_t *ret_length)
{
    struct there t;
    osd_status st;

    t.get[0] = wanted(PAGE_TREE, TREE_PATH, t.path, sizeof(t.path));
    t.get[1] = wanted(PAGE_TREE, TREE_MODE, t.mode, 4);
    t.get[2] = wanted(PAGE_TREE, TREE_MTIME, t.mtime, 8);
    t.get[3] = wanted(PAGE_TREE, TREE_TYPE, t.type, 1);
    t.get[4] = wanted(PAGE_TREE, TREE_COMPLETE, t.complete, 8);
    t.get[5] = wanted(INFORMATION, LOGICAL_LENGTH, t.length, 8);
    st = osd_get_attrs(w->s, w->pid, oid, t.get, 6);
    if (st == OSD_E_NOT_FOUND) {
        *ret = FOUND_NOTHING;
        return OSD_OK;
    }
    if (st)
        return st;
    *ret = compare(it, &t);
    *ret_length = t.get[5].defined ? be_get(t.length, 8) : 0;
    return OSD_OK;
}

/* ---- sending ---- */

/* One item on its way: where it comes from, and why it failed when the device is not to blame.
 */
struct source {
    struct work *w;
    const struct item *it;
    uint64_t oid;
    int fd;
    const char *why;
};

static osd_status local_failure(struct source *s, osd_status st, const char *why)
{
    s->why = why;
    return st;
}

static osd_status errno_failure(struct source *s)
{
    return local_failure(s, errno_status(errno), strerror(errno));
}

/* The file still is what the walk saw. */
static bool unchanged(const struct source *s)
{
    struct stat st;

    return s->it->type != 'f' ||
           (fstat(s->fd, &st) == 0 && (uint64_t)st.st_size == s->it->size &&
            mtime_ns(&st) == s->it->mtime);
}

static osd_status changed(struct source *s)
{
    return local_failure(s, OSD_E_IO, "changed while it was copied; run the copy again");
}

struct item_attrs {
    uint8_t mode[4], mtime[8], type[1], complete[8];
    struct osd_attr set[5];
};

static void item_attrs(const struct item *it, struct item_attrs *a)
{
    be_put(a->mode, it->mode, 4);
    be_put(a->mtime, (uint64_t)it->mtime, 8);
    a->type[0] = (uint8_t)it->type;
    be_put(a->complete, it->size, 8);
    a->set[0] = (struct osd_attr){PAGE_TREE, TREE_PATH, it->path, (uint16_t)strlen(it->path)};
    a->set[1] = (struct osd_attr){PAGE_TREE, TREE_MODE, a->mode, 4};
    a->set[2] = (struct osd_attr){PAGE_TREE, TREE_MTIME, a->mtime, 8};
    a->set[3] = (struct osd_attr){PAGE_TREE, TREE_TYPE, a->type, 1};
    a->set[4] = (struct osd_attr){PAGE_TREE, TREE_COMPLETE, a->complete, 8};
}

static osd_status create(struct source *s, const void *data, size_t len, bool whole)
{
    struct item_attrs a;
    struct osd_call c = {.verb = len ? OSD_V_CREATE_AND_WRITE : OSD_V_CREATE,
                         .pid = s->w->pid,
                         .oid = s->oid,
                         .out = data,
                         .out_len = len,
                         .set = a.set,
                         .n_set = whole ? 5 : 4};

    item_attrs(s->it, &a);
    return osd_execute(s->w->s, &c);
}

static ssize_t read_small(struct source *s, char *buf)
{
    size_t size = (size_t)s->it->size;

    if (s->it->type == 'l')
        return readlinkat(s->w->root, s->it->path, buf, size + 1);
    return s->it->type == 'f' ? read_full(s->fd, buf, size) : 0;
}

/* Directories, links, files of up to one piece: created whole, in one command. */
static osd_status send_small(struct source *s)
{
    char *buf = malloc((size_t)s->it->size + 1);
    osd_status st = OSD_E_NOMEM;
    ssize_t n;

    if (!buf)
        return st;
    n = read_small(s, buf);
    if (n < 0)
        st = errno_failure(s);
    else if ((uint64_t)n != s->it->size || !unchanged(s))
        st = changed(s);
    else
        st = create(s, buf, (size_t)n, true);
    free(buf);
    if (!st)
        work_bytes(s->w, s->it->size);
    return st;
}

/* Next range with data at or after *at, at most one piece. 0: only holes are left. */
static size_t next_data(const struct source *s, uint64_t *at)
{
    off_t data = lseek(s->fd, (off_t)*at, SEEK_DATA), hole;
    uint64_t end = s->it->size;

    if (data < 0 && errno == ENXIO)
        return 0;
    if (data >= 0) {
        *at = (uint64_t)data;
        hole = lseek(s->fd, data, SEEK_HOLE);
        if (hole > data && (uint64_t)hole < end)
            end = (uint64_t)hole;
    }
    if (*at >= end)
        return 0;
    return end - *at < PIECE ? (size_t)(end - *at) : PIECE;
}

/* Length and the mark of completeness, in one command. */
static osd_status finish_big(struct source *s, uint64_t at)
{
    struct item_attrs a;
    uint8_t length[8];
    struct osd_attr set[2] = {{INFORMATION, LOGICAL_LENGTH, length, 8}};

    if (!unchanged(s))
        return changed(s);
    item_attrs(s->it, &a);
    be_put(length, s->it->size, 8);
    set[1] = a.set[4];
    if (at < s->it->size) /* ends in a hole */
        work_bytes(s->w, s->it->size - at);
    return at < s->it->size ? osd_set_attrs(s->w->s, s->w->pid, s->oid, set, 2)
                            : osd_set_attrs(s->w->s, s->w->pid, s->oid, set + 1, 1);
}

/* A file of more than one piece, front to back, from `at` on. */
static osd_status send_big(struct source *s, uint64_t at)
{
    char *buf = malloc(PIECE);
    osd_status st = buf ? OSD_OK : OSD_E_NOMEM;

    while (!st && work_goes_on(s->w)) {
        uint64_t from = at;
        size_t want = next_data(s, &at);
        if (want == 0)
            break;
        ssize_t n = pread(s->fd, buf, want, (off_t)at);
        if (n < 0)
            st = errno_failure(s);
        else if ((size_t)n != want)
            st = changed(s);
        else
            st = osd_write(s->w->s, s->w->pid, s->oid, at, buf, want);
        at += want;
        work_bytes(s->w, at - from);
    }
    free(buf);
    if (!st && !work_goes_on(s->w))
        st = local_failure(s, OSD_E_INTERRUPTED, "interrupted");
    return st ? st : finish_big(s, at);
}

static osd_status send_new(struct source *s)
{
    osd_status st;

    if (s->it->size <= PIECE)
        return send_small(s);
    st = create(s, NULL, 0, false);
    return st ? st : send_big(s, 0);
}

static osd_status set_mode(struct source *s)
{
    struct item_attrs a;

    item_attrs(s->it, &a);
    return osd_set_attrs(s->w->s, s->w->pid, s->oid, &a.set[1], 1);
}

static osd_status replace(struct source *s)
{
    osd_status st = osd_remove(s->w->s, s->w->pid, s->oid);

    return st && st != OSD_E_NOT_FOUND ? st : send_new(s);
}

/* Bring what stands under s->oid to what the item is. */
static osd_status bring(struct source *s, enum found found, uint64_t length)
{
    switch (found) {
    case FOUND_SAME:
    case FOUND_MODE:
        s->w->skipped++;
        work_bytes(s->w, s->it->size);
        return found == FOUND_MODE ? set_mode(s) : OSD_OK;
    case FOUND_BEGUN:
        if (s->it->size <= PIECE || length > s->it->size)
            return replace(s);
        work_bytes(s->w, length);
        return send_big(s, length);
    case FOUND_OLD:
        return replace(s);
    case FOUND_NOTHING:
    case FOUND_OTHER:
        break;
    }
    return send_new(s);
}

static void plan(struct source *s, enum found found)
{
    static const char *const actions[] = {[FOUND_NOTHING] = "new",
                                          [FOUND_MODE] = "mode",
                                          [FOUND_BEGUN] = "resume",
                                          [FOUND_OLD] = "replace"};

    if (found == FOUND_SAME)
        s->w->skipped++;
    else
        work_plan(s->w, s->it, actions[found]);
    if (found != FOUND_SAME && found != FOUND_MODE)
        s->w->bytes += s->it->size;
}

/* One probe. *ret_other: another path has this id, try the next. */
static osd_status try_id(struct source *s, bool *ret_other)
{
    enum found found = FOUND_NOTHING;
    uint64_t length = 0;
    osd_status st = OSD_OK;

    if (is_known(s->w, s->oid))
        st = look(s->w, s->it, s->oid, &found, &length);
    for (int tries = 0; !st && found != FOUND_OTHER; tries++) {
        if (s->w->o->dry_run) {
            plan(s, found);
            return OSD_OK;
        }
        st = bring(s, found, length);
        if (st != OSD_E_EXISTS || tries > 0)
            return st;
        /* Created since the ids were listed: see what it is. */
        st = look(s->w, s->it, s->oid, &found, &length);
    }
    *ret_other = !st;
    return st;
}

static void copy_item(struct work *w, struct item *it)
{
    struct source s = {.w = w, .it = it, .fd = -1};
    osd_status st = OSD_OK;
    bool other = true;

    if (it->type == 'f') {
        s.fd = openat(w->root, it->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (s.fd < 0)
            st = errno_failure(&s);
    }
    for (unsigned probe = 0; other && !st && probe < PROBES; probe++) {
        other = false;
        s.oid = path_id(it->path, probe);
        st = try_id(&s, &other);
    }
    if (!st && other) {
        st = OSD_E_EXISTS;
        s.why = "too many other objects have the ids of this path";
    }
    if (st)
        work_failed(w, it->path, st, s.why);
    if (s.fd >= 0)
        close(s.fd);
}

/* ---- the copy ---- */

/* The partition, made if need be, and what it holds. */
static osd_status prepare_partition(struct work *w)
{
    osd_status st = OSD_OK;

    if (!w->o->dry_run) {
        st = osd_create_partition(w->s, w->pid, &w->pid);
        if (st != OSD_E_EXISTS)
            return st;
    } else if (w->pid == 0) {
        return OSD_OK;
    }
    st = load_known(w);
    return w->o->dry_run && st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* What an earlier copy may have left is looked at. New objects have one credential for all. */
static uint64_t earlier_oid(const struct work *w, const struct item *it)
{
    uint64_t oid = path_id(it->path, 0);

    return is_known(w, oid) ? oid : 0;
}

int copy_in(const struct options *o, struct osd_session *s, const char *dir, uint64_t pid)
{
    struct work w = {
        .o = o, .s = s, .pid = pid, .oid_of = earlier_oid, .verbs = 1u << OSD_V_GET_ATTRIBUTES};
    osd_status st;

    w.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w.root < 0)
        return fail_errno(dir);
    work_begin(&w);
    st = prepare_partition(&w);
    if (!st) {
        st = walk(&w, dir);
        work_each(&w, copy_item);
        if (!st && work_goes_on(&w) && !o->dry_run)
            st = osd_flush(s);
    }
    if (st && !w.fatal) {
        snprintf(w.fatal_why, sizeof(w.fatal_why), "%s",
                 st == OSD_E_NOMEM ? osd_status_text(st) : osd_last_error());
        w.fatal = st;
    }
    return work_end(&w, o->dry_run ? "would copy into" : "copied into");
}
