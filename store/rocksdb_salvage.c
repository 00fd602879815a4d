/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_salvage.c - see salvage.h: the order of things, the journal, data files, the end
 *
 * Everything is made in the directory "unfinished" below the target; what is in there is a store like
 * any other before it is moved out of it, its database last.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocksdb_salvage.h"

#define FILE_LEN ((uint64_t)BLOCKS_PER_FILE * STORE_BLOCK)
#define MANY     MIB /* bytes of a batch */

/* ---- what the files share ---- */

void *list_add(struct list *l, size_t size)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        void *v = realloc(l->v, cap * size);
        if (!v)
            return NULL;
        l->v = v;
        l->cap = cap;
    }
    return (char *)l->v + l->n++ * size;
}

static void report(struct salvage *s, struct store_id id, const char *text)
{
    if (s->what->report)
        s->what->report(s->what->arg, id, text);
}

void salvage_harmed(struct salvage *s, struct store_id id, const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    s->ret->harmed++;
    report(s, id, text);
}

static osd_status add_id(struct list *l, struct store_id id)
{
    struct store_id *at = list_add(l, sizeof(*at));

    if (at)
        *at = id;
    return at ? OSD_OK : OSD_E_NOMEM;
}

osd_status salvage_lost(struct salvage *s, struct store_id id)
{
    return add_id(&s->lost, id);
}

osd_status salvage_distrust(struct salvage *s, uint64_t pid, bool own)
{
    return add_id(&s->distrusted, (struct store_id){pid, own});
}

void salvage_step(struct salvage *s, const char *step, uint64_t done, uint64_t total)
{
    if (s->what->progress)
        s->what->progress(s->what->arg, step, done, total);
}

osd_status salvage_write(struct salvage *s, bool all)
{
    char *err = NULL;
    size_t size;

    rocksdb_writebatch_data(s->b, &size);
    if (size <= BATCH_HEAD || (!all && size < MANY))
        return OSD_OK;
    rocksdb_write(s->to->db, s->to->wo, s->b, &err);
    rocksdb_writebatch_clear(s->b);
    return err ? rdb_error(s->to, err) : OSD_OK;
}

/* ---- the journal ---- */

/* An object, or the partition or device, that a key is of. */
static void note_changed(void *arg, enum cf cf, const uint8_t *key, size_t len)
{
    struct salvage *s = arg;
    struct store_id id = {0, 0};

    if (cf == CF_RECORDS ||
        (cf == CF_DEFAULT && len == strlen(APPLIED) && memcmp(key, APPLIED, len) == 0))
        return;
    if (cf == CF_IDS && len == LISTED_KEY_LEN && !index_key(key))
        id = be64_get(key) ? (struct store_id){be64_get(key), be64_get(key + 9)}
                           : (struct store_id){be64_get(key + 9), 0};
    else if (cf != CF_DEFAULT && len >= 8)
        id =
            (struct store_id){be64_get(key), len >= 16 && cf != CF_IDS ? be64_get(key + 8) : 0};
    if (!s->noted)
        s->noted = add_id(&s->changed, id);
    if (!s->noted && cf == CF_ATTRS && id.oid == 0)
        s->noted = salvage_distrust(s, id.pid, true);
}

static osd_status make_nothing_of(void *arg, uint64_t number, const void *data, size_t len)
{
    struct salvage *s = arg;
    rocksdb_writebatch_t *b;
    osd_status st = ahead_decode(s->to, data, len, &b);

    if (!st)
        rocksdb_writebatch_destroy(b);
    if (st == OSD_E_CORRUPT && !s->bad_record)
        s->bad_record = number;
    return st == OSD_E_CORRUPT ? OSD_OK : st;
}

/* A record is taken over; from the first on that makes no sense they are dropped. */
static osd_status take_record(void *arg, uint64_t number, const void *data, size_t len)
{
    struct salvage *s = arg;
    rocksdb_writebatch_t *b;
    char *err = NULL;

    osd_status st = s->bad_record ? OSD_E_CORRUPT : ahead_decode(s->to, data, len, &b);
    if (st == OSD_E_CORRUPT) {
        if (!s->bad_record)
            s->bad_record = number;
        ahead_each(s->to, data, len, note_changed, s);
        return s->noted;
    }
    if (st)
        return st;
    rocksdb_write(s->to->db, s->to->wo, b, &err);
    rocksdb_writebatch_destroy(b);
    s->taken = number;
    return err ? rdb_error(s->to, err) : OSD_OK;
}

/* Known only from settings that are sound: an older number may be there instead. */
static osd_status get_applied(struct salvage *s, uint64_t *ret, bool *ret_known)
{
    char *err = NULL;
    size_t len = 0;
    char *v = rocksdb_get_cf(s->to->db, s->to->ro, s->to->cf[CF_DEFAULT], APPLIED,
                             strlen(APPLIED), &len, &err);

    *ret_known = !s->suspect[CF_DEFAULT] && (!v || len == 8);
    *ret = *ret_known && v ? be64_get((const uint8_t *)v) : 0;
    rocksdb_free(v);
    return err ? rdb_error(s->to, err) : OSD_OK;
}

/* It is not known which records the database has. All of them make it what it was, but not those up
 * to some. */
static osd_status whole_journal(struct salvage *s, const struct journal_files *files,
                                uint64_t *ret_after)
{
    uint64_t first = journal_first(files, 0), last;

    *ret_after = first ? first - 1 : 0;
    osd_status st = journal_replay(files, *ret_after, make_nothing_of, s, &last);
    if (!st && s->bad_record)
        s->bad_record = first;
    return st;
}

static void report_dropped(struct salvage *s, uint64_t last)
{
    const struct store_id *v = s->changed.v;

    s->ret->older = true;
    salvage_harmed(s, (struct store_id){0, 0},
                   "record %llu of the journal makes no sense: it and those after it, %llu in "
                   "all, are dropped",
                   (unsigned long long)s->bad_record, (unsigned long long)(last - s->taken));
    salvage_unique(&s->changed);
    for (size_t i = 0; i < s->changed.n; i++)
        salvage_harmed(s, v[i], "changes in dropped records of the journal are lost");
}

/* From where on the journal is taken: behind what the database has. */
static osd_status find_start(struct salvage *s, const struct journal_files *files,
                             uint64_t *ret_after)
{
    bool known;
    osd_status st = get_applied(s, ret_after, &known);

    if (st)
        return st;
    uint64_t next = journal_first(files, *ret_after), first = journal_first(files, 0);
    bool gap = next > *ret_after + 1;
    if (s->log == LOG_SKIPPED || (s->log == LOG_ENDS && (!first || gap))) {
        s->ret->older = s->ret->uncounted = true;
        salvage_harmed(s, (struct store_id){0, 0},
                       "the log of the database is damaged: some changes are missing");
    }
    if (!known || s->log == LOG_SKIPPED ||
        (gap && (s->suspect[CF_DEFAULT] || s->log == LOG_ENDS)))
        return whole_journal(s, files, ret_after);
    if (gap) {
        s->ret->older = true;
        salvage_harmed(s, (struct store_id){0, 0},
                       "the database has the journal's records up to %llu, the journal those "
                       "from %llu on: what was between is lost, and they are dropped",
                       (unsigned long long)*ret_after, (unsigned long long)next);
    }
    return OSD_OK;
}

/* Records that there were behind the last one that was shown. */
static void report_beyond(struct salvage *s, uint64_t last, uint64_t beyond)
{
    s->ret->older = true;
    salvage_harmed(s, (struct store_id){0, 0},
                   "the journal cannot be read behind its record %llu: what it had up to %llu "
                   "is lost",
                   (unsigned long long)last, (unsigned long long)beyond);
}

static osd_status take_files(struct salvage *s, const struct journal_files *files)
{
    uint64_t last = 0;
    osd_status st = find_start(s, files, &s->taken);

    if (!st)
        st = journal_replay(files, s->taken, take_record, s, &last);
    if (st)
        return st;
    uint64_t beyond = journal_beyond(files, last);
    s->ret->dropped = (beyond ? beyond : last) - s->taken;
    if (s->bad_record)
        report_dropped(s, last);
    if (beyond && !s->ret->older)
        report_beyond(s, last, beyond);
    return OSD_OK;
}

static osd_status take_journal(struct salvage *s)
{
    struct journal_files *files;
    osd_status st = rdb_read_journal(s->source, &files);

    if (st)
        return st;
    st = take_files(s, files);
    journal_files_free(files);
    return st;
}

/* ---- data files ---- */

static osd_status file_status(void)
{
    return errno == ENOSPC || errno == EDQUOT ? OSD_E_NO_SPACE : OSD_E_IO;
}

/* Bytes at..end of a file, piece by piece: what cannot be read is left out. */
static osd_status copy_bytes(struct salvage *s, uint64_t n, int in, int out, uint64_t at,
                             uint64_t end, uint8_t *buf)
{
    size_t piece = MIB;

    while (at < end) {
        size_t want = end - at < piece ? (size_t)(end - at) : piece;
        ssize_t got = pread(in, buf, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && piece > STORE_BLOCK) {
            piece = STORE_BLOCK;
            continue;
        }
        if (got < 0)
            salvage_harmed(s, (struct store_id){0, 0},
                           "data/%06llu: %zu bytes at %llu cannot be read",
                           (unsigned long long)n, want, (unsigned long long)at);
        if (got == 0)
            return OSD_OK;
        if (got > 0 && pwrite(out, buf, (size_t)got, (off_t)at) != got)
            return file_status();
        at += got < 0 ? want : (size_t)got;
        piece = at % MIB ? piece : MIB;
    }
    return OSD_OK;
}

/* What holds data gets space of its own, in whole pieces as data files have it. */
static osd_status copy_extents(struct salvage *s, uint64_t n, int in, int out, uint8_t *buf)
{
    off_t at = 0, end;
    osd_status st = OSD_OK;

    while (!st && at < (off_t)FILE_LEN && (at = lseek(in, at, SEEK_DATA)) >= 0) {
        end = lseek(in, at, SEEK_HOLE);
        at -= at % (off_t)MIB;
        end = end < 0 || end > (off_t)FILE_LEN ? (off_t)FILE_LEN : end;
        end += ((off_t)MIB - end % (off_t)MIB) % (off_t)MIB;
        if (fallocate(out, 0, at, end - at) != 0 && errno != EOPNOTSUPP)
            return file_status();
        st = copy_bytes(s, n, in, out, (uint64_t)at, (uint64_t)end, buf);
        at = end;
    }
    return st;
}

/* To read; nothing but a file, and nothing that is waited for. */
static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

static osd_status copy_file(struct salvage *s, uint64_t n, uint8_t *buf)
{
    _cleanup_free_ char *from = NULL, *to = NULL;
    osd_status st = OSD_OK;

    if (asprintf(&from, "%s/data/%06llu", s->source, (unsigned long long)n) < 0 ||
        asprintf(&to, "%s/data/%06llu", s->work, (unsigned long long)n) < 0)
        return OSD_E_NOMEM;
    int in = open_file(from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        st = file_status();
    if (!st && in < 0)
        salvage_harmed(s, (struct store_id){0, 0}, "data/%06llu cannot be read: %s",
                       (unsigned long long)n, strerror(errno));
    if (!st && in >= 0 && ioctl(out, FICLONE, in) != 0)
        st = copy_extents(s, n, in, out, buf);
    if (!st && (ftruncate(out, (off_t)FILE_LEN) != 0 || fsync(out) != 0))
        st = file_status();
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return st;
}

/* Data files that there are: their names are numbers. */
static osd_status count_files(struct salvage *s)
{
    _cleanup_free_ char *dir = NULL;
    struct dirent *e;

    if (asprintf(&dir, "%s/data", s->source) < 0)
        return OSD_E_NOMEM;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d))) {
        char *end;
        unsigned long long n = strtoull(e->d_name, &end, 10);
        if (*end == 0 && end - e->d_name >= 6 && n < FILES_MAX && n >= s->n_files)
            s->n_files = n + 1;
    }
    if (d)
        closedir(d);
    return s->n_files < FILES_MAX ? OSD_OK : OSD_E_CORRUPT;
}

/* A file for maps that are lost. */
static osd_status make_bad_file(struct salvage *s, uint64_t blocks)
{
    _cleanup_free_ char *path = NULL;
    off_t len = (off_t)(blocks * STORE_BLOCK + MIB - 1);

    if (blocks > BLOCKS_PER_FILE)
        return OSD_E_NO_SPACE;
    if (asprintf(&path, "%s/data/%06llu", s->work, (unsigned long long)s->n_files) < 0)
        return OSD_E_NOMEM;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && fallocate(fd, 0, 0, len - len % (off_t)MIB) == 0 &&
              ftruncate(fd, (off_t)FILE_LEN) == 0 && fsync(fd) == 0;
    osd_status st = ok ? OSD_OK : file_status();
    if (fd >= 0)
        close(fd);
    return st ? st : salvage_mark(s, s->n_files * BLOCKS_PER_FILE);
}

static osd_status copy_data(struct salvage *s)
{
    _cleanup_free_ char *dir = NULL;
    _cleanup_free_ uint8_t *buf = malloc(MIB);
    uint64_t marks = salvage_marks(s);

    if (!buf || asprintf(&dir, "%s/data", s->work) < 0)
        return OSD_E_NOMEM;
    if (mkdir(dir, 0700) != 0)
        return file_status();
    osd_status st = count_files(s);
    for (uint64_t n = 0; n < s->n_files && !st; n++) {
        salvage_step(s, "data files", n, s->n_files);
        st = copy_file(s, n, buf);
    }
    return st || !marks ? st : make_bad_file(s, marks);
}

/* ---- the check, and who is not trusted ---- */

struct checking {
    struct salvage *s;
    struct store_check_result res;
    uint64_t repaired;
};

/* What the store repairs by itself was in no place of its own, or was reported before. */
static void check_found(void *arg, struct store_id id, const char *text)
{
    struct checking *c = arg;

    if (c->res.repaired == c->repaired)
        salvage_harmed(c->s, id, "%s", text);
    c->repaired = c->res.repaired;
}

static void check_looked(void *arg)
{
    struct checking *c = arg;

    salvage_step(c->s, "objects checked", c->res.objects, 0);
}

static osd_status distrust_all(struct salvage *s, struct osd_store *store)
{
    struct store_id *v = s->distrusted.v;
    osd_status st = OSD_OK;

    salvage_unique(&s->distrusted);
    for (size_t i = 0; i < s->distrusted.n && !st; i++)
        if (s->what->distrust)
            st = s->what->distrust(s->what->arg, store, v[i].pid, v[i].oid != 0);
    return st;
}

static osd_status check_new(struct salvage *s)
{
    struct store_config cfg = {.path = s->work, .idle = true, .clock = s->what->clock};
    struct checking c = {.s = s};
    struct osd_store *store;
    osd_status st = store_rocksdb_open(&cfg, &store, s->reason, s->reason_len);

    if (st)
        return st;
    st = rdb_check_looking(store, true, check_found, check_looked, &c, &c.res);
    if (!st)
        st = distrust_all(s, store);
    if (!st)
        st = store->ops->flush(store);
    store->ops->close(store);
    s->ret->partitions = c.res.partitions;
    s->ret->objects = c.res.objects;
    s->ret->attributes = c.res.attributes;
    s->ret->bytes = c.res.bytes;
    return st;
}

static void report_lost(struct salvage *s)
{
    const struct store_id *v = s->lost.v;

    salvage_unique(&s->lost);
    for (size_t i = 0; i < s->lost.n; i++)
        report(s, v[i], "lost: its record cannot be read");
    s->ret->lost = s->lost.n;
}

/* ---- directories ---- */

static osd_status failed(struct salvage *s, const char *path)
{
    snprintf(s->reason, s->reason_len, "%s: %s", path, strerror(errno));
    return errno == EACCES || errno == EROFS ? OSD_E_DENIED
           : errno == ENOENT                 ? OSD_E_NOT_FOUND
                                             : file_status();
}

static osd_status find_source(struct salvage *s)
{
    _cleanup_free_ char *db = NULL;
    struct stat st;

    if (!realpath(s->what->source, s->source))
        return failed(s, s->what->source);
    if (asprintf(&db, "%s/db", s->source) < 0)
        return OSD_E_NOMEM;
    if (stat(db, &st) != 0 || !S_ISDIR(st.st_mode)) {
        snprintf(s->reason, s->reason_len, "%s is not an OSD store: it has no db", s->source);
        return OSD_E_NOT_FOUND;
    }
    return rdb_lock_directory(s->source, true, &s->source_lock, s->reason, s->reason_len);
}

/* Whether the target, which may be absent, is the source or would lie in it. */
static osd_status check_apart(struct salvage *s)
{
    const char *target = s->what->target, *name = strrchr(target, '/');
    _cleanup_free_ char *above =
        name ? strndup(target, (size_t)(name - target + 1)) : strdup(".");
    char path[PATH_MAX];
    size_t len = strlen(s->source);

    if (!above)
        return OSD_E_NOMEM;
    if (!realpath(target, path) && !realpath(above, path))
        return failed(s, above);
    if (strncmp(path, s->source, len) != 0 || (path[len] && path[len] != '/'))
        return OSD_OK;
    snprintf(s->reason, s->reason_len, "%s lies in %s, which is only read: give another place",
             target, s->source);
    return OSD_E_INVALID;
}

/* Only an absent or empty directory becomes the target. */
static osd_status find_target(struct salvage *s)
{
    const char *path = s->what->target;
    struct dirent *e;
    bool empty = true, cut_off = false;
    osd_status st = check_apart(s);

    if (st)
        return st;
    s->made = mkdir(path, 0700) == 0;
    if (!s->made && errno != EEXIST)
        return failed(s, path);
    DIR *d = opendir(path);
    if (!d)
        return failed(s, path);
    while ((e = readdir(d))) {
        empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                 strcmp(e->d_name, "lost+found") == 0;
        cut_off |= strcmp(e->d_name, "unfinished") == 0;
    }
    closedir(d);
    if (!empty)
        snprintf(s->reason, s->reason_len,
                 cut_off ? "%s holds a salvage that was cut off: remove what is in it, or give "
                           "another directory"
                         : "%s is not empty: give an empty or new directory",
                 path);
    return empty ? OSD_OK : OSD_E_EXISTS;
}

static osd_status make_directories(struct salvage *s)
{
    const char *path = s->what->target;
    const char *all[] = {s->base, s->links, s->tables, s->work};

    if (snprintf(s->base, PATH_MAX, "%s/unfinished", path) >= PATH_MAX - 20)
        return OSD_E_INVALID;
    stpcpy(stpcpy(s->links, s->base), "/links");
    stpcpy(stpcpy(s->tables, s->base), "/tables");
    stpcpy(stpcpy(s->work, s->base), "/store");
    for (int i = 0; i < 4; i++) {
        if (mkdir(all[i], 0700) != 0)
            return failed(s, all[i]);
        s->begun = true; /* nobody else's */
    }
    return OSD_OK;
}

/* Remove a directory of ours that holds files, links and such directories. */
static osd_status remove_all(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    osd_status st = OSD_OK;

    if (!d)
        return errno == ENOENT ? OSD_OK : file_status();
    while (!st && (e = readdir(d))) {
        _cleanup_free_ char *below = NULL;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (asprintf(&below, "%s/%s", path, e->d_name) < 0)
            st = OSD_E_NOMEM;
        else if (unlink(below) != 0)
            st = errno == EISDIR || errno == EPERM ? remove_all(below) : file_status();
    }
    closedir(d);
    return st ? st : rmdir(path) == 0 ? OSD_OK : file_status();
}

static osd_status sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok ? OSD_OK : file_status();
}

/* In this order: with the database the target is a store. */
static const char *const parts[] = {"data", "journal", "db"};

static osd_status place(struct salvage *s)
{
    _cleanup_free_ char *from = NULL, *to = NULL;
    const char *name = parts[s->placed];

    if (asprintf(&from, "%s/%s", s->work, name) < 0 ||
        asprintf(&to, "%s/%s", s->what->target, name) < 0)
        return OSD_E_NOMEM;
    osd_status st = sync_directory(from);
    if (!st && rename(from, to) != 0)
        st = file_status();
    s->placed += !st;
    return st;
}

static osd_status finish(struct salvage *s)
{
    const char *target = s->what->target;
    osd_status st = OSD_OK;

    salvage_step(s, "moving into place", 0, 0);
    while (!st && s->placed < 3) {
        st = place(s);
        if (!st && s->placed >= 2)
            st = sync_directory(target);
    }
    if (!st)
        remove_all(s->base); /* what should be left of it does no harm */
    return st;
}

/* After a failure: there is room again, and the target is what it was. Whether that could be done. */
static bool clean_up(struct salvage *s)
{
    while (s->placed > 0) {
        _cleanup_free_ char *from = NULL, *to = NULL;
        const char *name = parts[--s->placed];
        if (asprintf(&from, "%s/%s", s->what->target, name) < 0 ||
            asprintf(&to, "%s/%s", s->work, name) < 0 || rename(from, to) != 0)
            return false;
    }
    return (!s->begun || remove_all(s->base) == OSD_OK) &&
           (!s->made || rmdir(s->what->target) == 0);
}

/* ---- all of it ---- */

static osd_status sync_database(struct salvage *s)
{
    char *err = NULL;

    rocksdb_flush_wal(s->to->db, 1, &err);
    return err ? rdb_error(s->to, err) : OSD_OK;
}

/* Up to a store that opens, in "unfinished". */
static osd_status make_database(struct salvage *s)
{
    struct store_config cfg = {.path = s->work, .create = true, .clock = s->what->clock};
    osd_status st = rdb_make_bare(&cfg, &s->to, s->reason, s->reason_len);

    if (st)
        return st;
    st = salvage_read(s);
    if (!st)
        st = remove_all(s->links);
    if (!st)
        st = remove_all(s->tables);
    if (!st)
        st = take_journal(s);
    if (!st)
        st = salvage_mend(s);
    if (!st)
        st = copy_data(s);
    if (!st)
        st = sync_database(s);
    s->to->base.ops->close(&s->to->base);
    return st;
}

static osd_status salvage(struct salvage *s)
{
    osd_status st = find_source(s);

    if (!st)
        st = find_target(s);
    if (!st)
        st = make_directories(s);
    if (!st)
        st = make_database(s);
    if (!st)
        st = check_new(s);
    if (!st)
        st = finish(s);
    if (!st)
        report_lost(s);
    return st;
}

static void give_up(struct salvage *s, osd_status why)
{
    const struct store_salvage *what = s->what;
    bool clean = clean_up(s);

    if (!s->reason[0])
        snprintf(s->reason, s->reason_len, "%s to %s: %s", what->source, what->target,
                 osd_status_text(why));
    size_t len = strlen(s->reason);
    if (!clean)
        snprintf(s->reason + len, s->reason_len - len, "; remove what is in %s", what->target);
    else if (s->begun)
        snprintf(s->reason + len, s->reason_len - len,
                 "; what was made there is removed again");
}

osd_status store_rocksdb_salvage(const struct store_salvage *what, struct store_salvaged *ret,
                                 char *reason, size_t reason_len)
{
    struct salvage *s = calloc(1, sizeof(*s));

    if (!s)
        return OSD_E_NOMEM;
    reason[0] = 0;
    *ret = (struct store_salvaged){0};
    s->what = what;
    s->ret = ret;
    s->reason = reason;
    s->reason_len = reason_len;
    s->source_lock = -1;
    s->b = rocksdb_writebatch_create();
    osd_status st = salvage(s);
    if (st)
        give_up(s, st);
    rocksdb_writebatch_destroy(s->b);
    if (s->source_lock >= 0)
        close(s->source_lock);
    free(s->keys.v);
    free(s->aged.v);
    free(s->lost.v);
    free(s->chunks.v);
    free(s->distrusted.v);
    free(s->changed.v);
    free(s);
    return st;
}
