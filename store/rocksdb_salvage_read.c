/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_salvage_read.c - keys out of a database that is damaged
 *
 * RocksDB works on directories of links to the files of the source, so whatever it makes or renames
 * is ours. It opens them to read only, and is walked over; where a table cannot be read, the walk
 * goes on behind the least key from which on it can. What was passed over is then looked for in the
 * tables that are whole: RocksDB makes a list of these alone.
 * Invariants:
 *  (1) A key that the walk takes has its newest value: an older one lies in the same range of keys
 *      as the newer one that cannot be read, and the range is passed over.
 *  (2) Every range that was passed over is in s->keys, every family with one is suspect.
 *  (3) Whose key is taken from such a range is named: it may be an older one.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocksdb_salvage.h"

#define BITS  (KEY_ROOM * 8)
#define SHIFT 1000000u /* of the numbers of linked tables: what RocksDB makes has lesser ones */

/** A database to read from. */
struct source {
    rocksdb_t *db;
    rocksdb_options_t *o;
    rocksdb_readoptions_t *ro;
    rocksdb_column_family_handle_t *cf[CF_MAX];
};

/* ---- links ---- */

static bool ends(const char *name, const char *with)
{
    size_t n = strlen(name), tail = strlen(with);

    return n >= tail && strcmp(name + n - tail, with) == 0;
}

static osd_status make_link(const struct salvage *s, const char *dir, const char *name,
                            unsigned shift)
{
    _cleanup_free_ char *from = NULL, *to = NULL;
    unsigned long long number = strtoull(name, NULL, 10);
    int n = shift ? asprintf(&to, "%s/%06llu%s", dir, number + shift, strchr(name, '.'))
                  : asprintf(&to, "%s/%s", dir, name);

    if (n < 0 || asprintf(&from, "%s/db/%s", s->source, name) < 0)
        return OSD_E_NOMEM;
    return symlink(from, to) == 0 ? OSD_OK : OSD_E_IO;
}

/** Files of the database. All have their own names, others get other numbers. */
enum files { ALL_FILES, TABLES_AND_LOGS, LOGS };

/* Links in dir to the files of the database. */
static osd_status make_links(struct salvage *s, const char *dir, enum files which)
{
    _cleanup_free_ char *db = NULL;
    osd_status st = OSD_OK;
    struct dirent *e;

    if (asprintf(&db, "%s/db", s->source) < 0)
        return OSD_E_NOMEM;
    DIR *d = opendir(db);
    if (!d)
        return OSD_E_IO;
    while (!st && (e = readdir(d))) {
        bool log = ends(e->d_name, ".log"), table = ends(e->d_name, ".sst");
        if (e->d_name[0] == '.' || strncmp(e->d_name, "LO", 2) == 0)
            continue; /* LOCK, LOG: its own */
        if (which == ALL_FILES || log || (table && which == TABLES_AND_LOGS))
            st = make_link(s, dir, e->d_name, which == ALL_FILES ? 0 : SHIFT);
    }
    closedir(d);
    return st;
}

/* ---- opening ---- */

static void source_close(struct source *d)
{
    for (int i = 0; i < CF_MAX && d->db; i++)
        rocksdb_column_family_handle_destroy(d->cf[i]);
    if (d->db)
        rocksdb_close(d->db);
    if (d->o)
        rocksdb_options_destroy(d->o);
    if (d->ro)
        rocksdb_readoptions_destroy(d->ro);
    *d = (struct source){0};
}

enum {
    WHOLE = 0,
    POINT_IN_TIME = 2,
    SKIP_DAMAGED = 3
}; /* WHOLE: it may break off at its end */

/* strict: what is wrong with a log is not passed over, and tables are looked at. */
static rocksdb_options_t *options_for(int log_mode, bool strict)
{
    rocksdb_options_t *o = rocksdb_options_create();

    rocksdb_options_set_paranoid_checks(o, strict);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(o, 1);
    rocksdb_options_set_max_open_files(o, 20); /* hardly any is opened before it is needed */
    rocksdb_options_set_info_log_level(o, 4);
    rocksdb_options_set_wal_recovery_mode(o, log_mode);
    return o;
}

/* Returns RocksDB's message, or NULL. */
static char *source_open(struct source *d, const char *dir, int log_mode, bool strict)
{
    const rocksdb_options_t *all[CF_MAX];
    char *err = NULL;

    *d =
        (struct source){.o = options_for(log_mode, strict), .ro = rocksdb_readoptions_create()};
    rocksdb_readoptions_set_fill_cache(d->ro, 0);
    for (int i = 0; i < CF_MAX; i++)
        all[i] = d->o;
    d->db = rocksdb_open_for_read_only_column_families(d->o, dir, CF_MAX, rdb_family_names, all,
                                                       d->cf, 0, &err);
    if (err) {
        d->db = NULL;
        source_close(d);
    }
    return err;
}

/* Changes name families by numbers, in batches of the journal. */
static bool same_families(const struct salvage *s, const struct source *d)
{
    for (int i = 0; i < CF_MAX; i++)
        if (rocksdb_column_family_handle_get_id(d->cf[i]) !=
            rocksdb_column_family_handle_get_id(s->to->cf[i]))
            return false;
    return true;
}

/* A database with all families; tables: each has one, since logs name families that may have had none. */
static char *make_skeleton(const char *dir, bool tables)
{
    static const char key[KEY_ROOM] = {-1}; /* none of ours */
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_writeoptions_t *wo = rocksdb_writeoptions_create();
    rocksdb_flushoptions_t *fo = rocksdb_flushoptions_create();
    rocksdb_column_family_handle_t *cf[CF_MAX];
    const rocksdb_options_t *all[CF_MAX];
    char *err = NULL;

    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_info_log_level(o, 4);
    rocksdb_options_set_write_buffer_size(o, 64 * KIB); /* it reserves as much for each log */
    for (int i = 0; i < CF_MAX; i++)
        all[i] = o;
    rocksdb_t *db =
        rocksdb_open_column_families(o, dir, CF_MAX, rdb_family_names, all, cf, &err);
    for (int i = 0; i < CF_MAX && !err && tables; i++) {
        rocksdb_delete_cf(db, wo, cf[i], key, sizeof(key), &err);
        if (!err)
            rocksdb_flush_cf(db, fo, cf[i], &err);
    }
    for (int i = 0; i < CF_MAX && db; i++)
        rocksdb_column_family_handle_destroy(cf[i]);
    if (db)
        rocksdb_close(db);
    rocksdb_flushoptions_destroy(fo);
    rocksdb_writeoptions_destroy(wo);
    rocksdb_options_destroy(o);
    return err;
}

/* ---- the database as it is ---- */

/* Whether all of the logs can be read. RocksDB opens them with no tables beside them. */
static osd_status look_at_logs(struct salvage *s, bool *ret_whole)
{
    _cleanup_free_ char *dir = NULL;
    struct source d;
    osd_status st;

    if (asprintf(&dir, "%s/logs", s->base) < 0)
        return OSD_E_NOMEM;
    char *err = make_skeleton(dir, false);
    st = err ? OSD_E_IO : make_links(s, dir, LOGS);
    if (!st && !err)
        err = source_open(&d, dir, WHOLE, true);
    *ret_whole = !err;
    if (!st && !err)
        source_close(&d);
    rocksdb_free(err);
    return st;
}

/* If RocksDB takes it. A damaged log ends where the damage is, as far as that can be had: then it is
 * known which changes there are. */
static osd_status open_as_it_is(struct salvage *s, struct source *d, bool *ret_opened)
{
    bool whole;
    osd_status st = look_at_logs(s, &whole);

    if (!st)
        st = make_links(s, s->links, ALL_FILES);
    if (st)
        return st;
    char *err = source_open(d, s->links, POINT_IN_TIME, !whole);
    s->log = whole ? LOG_WHOLE : LOG_ENDS;
    if (err) {
        rocksdb_free(err);
        err = source_open(d, s->links, SKIP_DAMAGED, false);
        s->log = whole ? LOG_WHOLE : LOG_SKIPPED;
    }
    *ret_opened = !err;
    rocksdb_free(err);
    return OSD_OK;
}

/* ---- a new list of tables ---- */

/* Name the tables that RocksDB put aside as a whole. */
static void report_aside(struct salvage *s)
{
    _cleanup_free_ char *aside = NULL;
    struct dirent *e;
    DIR *d = asprintf(&aside, "%s/lost", s->tables) < 0 ? NULL : opendir(aside);

    while (d && (e = readdir(d)))
        if (ends(e->d_name, ".sst"))
            salvage_harmed(s, (struct store_id){0, 0}, "table db/%06llu.sst is damaged",
                           strtoull(e->d_name, NULL, 10) - SHIFT);
    if (d)
        closedir(d);
}

static osd_status open_anew(struct salvage *s, struct source *d)
{
    char *err = make_skeleton(s->tables, true);
    osd_status st = err ? OSD_E_IO : make_links(s, s->tables, TABLES_AND_LOGS);

    if (!st) {
        rocksdb_options_t *o = options_for(SKIP_DAMAGED, false);
        rocksdb_repair_db(o, s->tables, &err);
        rocksdb_options_destroy(o);
    }
    if (!st && !err)
        err = source_open(d, s->tables, SKIP_DAMAGED, false);
    if (err)
        snprintf(s->reason, s->reason_len, "%s: nothing can be read: %s", s->source, err);
    if (!st && err)
        st = OSD_E_CORRUPT;
    rocksdb_free(err);
    if (!st)
        report_aside(s);
    return st;
}

/* ---- numbers as long as a key ---- */

/* Add 2^bit; false: that is too much. */
static bool spot_add(uint8_t k[KEY_ROOM], unsigned bit)
{
    unsigned carry = 1u << bit % 8;

    for (unsigned i = KEY_ROOM - bit / 8; carry && i-- > 0; carry >>= 8) {
        carry += k[i];
        k[i] = (uint8_t)carry;
    }
    return carry == 0;
}

/* The middle between two, rounded down. */
static void spot_middle(const uint8_t a[KEY_ROOM], const uint8_t b[KEY_ROOM],
                        uint8_t ret[KEY_ROOM])
{
    unsigned sums[KEY_ROOM + 1], carry = 0;

    for (unsigned i = KEY_ROOM; i-- > 0; carry >>= 8) {
        carry += (unsigned)a[i] + b[i];
        sums[i + 1] = carry & 0xff;
    }
    sums[0] = carry;
    for (unsigned i = 0; i < KEY_ROOM; i++)
        ret[i] = (uint8_t)((sums[i] & 1) << 7 | sums[i + 1] >> 1);
}

/* ---- one family ---- */

struct reader {
    struct salvage *s;
    const struct source *from;
    enum cf cf;
    rocksdb_iterator_t *it;
    uint8_t last[KEY_ROOM]; /* the key before, filled up with zeros */
};

/* Whether the iterator stands at a key, or behind the last one. */
static bool is_readable(struct reader *d)
{
    char *err = NULL;

    if (rocksdb_iter_valid(d->it))
        return true;
    rocksdb_iter_get_error(d->it, &err);
    rocksdb_free(err);
    return !err;
}

/* With an iterator of its own: one that failed once says so at its end as well. */
static bool seek(struct reader *d, const uint8_t spot[KEY_ROOM])
{
    rocksdb_iter_destroy(d->it);
    d->it = rocksdb_create_iterator_cf(d->from->db, d->from->ro, d->from->cf[d->cf]);
    rocksdb_iter_seek(d->it, (const char *)spot, KEY_ROOM);
    return is_readable(d);
}

/* Behind what cannot be read: steps that double until one can be read, then halves between it and
 * the one before. False: there is none. */
static bool pass_over(struct reader *d, uint8_t ret[KEY_ROOM])
{
    uint8_t below[KEY_ROOM], at[KEY_ROOM], middle[KEY_ROOM];
    bool found = false;

    memcpy(below, d->last, KEY_ROOM);
    for (unsigned bit = 0; bit <= BITS && !found; bit++) {
        memcpy(at, d->last, KEY_ROOM);
        if (bit == BITS || !spot_add(at, bit))
            memset(at, 0xff, KEY_ROOM);
        found = seek(d, at);
        if (!found)
            memcpy(below, at, KEY_ROOM);
    }
    if (!found)
        return false;
    for (spot_middle(below, at, middle); memcmp(middle, below, KEY_ROOM) != 0;
         spot_middle(below, at, middle))
        memcpy(seek(d, middle) ? at : below, middle, KEY_ROOM);
    memcpy(ret, at, KEY_ROOM);
    return seek(d, at);
}

static const char *const family_texts[CF_MAX] = {[CF_DEFAULT] = "settings of the device",
                                                 [CF_IDS] = "entries of listings",
                                                 [CF_OBJECTS] = "records of objects",
                                                 [CF_ATTRS] = "attributes",
                                                 [CF_EXTENTS] = "maps of data",
                                                 [CF_RECORDS] = "outcomes of commands",
                                                 [CF_MEMBERS] = "memberships"};

/* Where an object begins or ends among keys. */
static struct store_id id_in(enum cf cf, const uint8_t *key)
{
    bool by_object = cf != CF_DEFAULT && cf != CF_RECORDS;

    if (cf == CF_IDS)
        return (struct store_id){be64_get(key) ? be64_get(key) : be64_get(key + 9), 0};
    return by_object ? (struct store_id){be64_get(key), be64_get(key + 8)}
                     : (struct store_id){0, 0};
}

static osd_status note_lost(struct reader *d, const uint8_t to[KEY_ROOM])
{
    struct lost_keys *l = list_add(&d->s->keys, sizeof(*l));
    struct store_id from_id = id_in(d->cf, d->last), to_id = id_in(d->cf, to);

    if (!l)
        return OSD_E_NOMEM;
    *l = (struct lost_keys){.cf = d->cf};
    memcpy(l->from, d->last, KEY_ROOM);
    memcpy(l->to, to, KEY_ROOM);
    d->s->suspect[d->cf] = true;
    salvage_harmed(d->s, from_id, "%s cannot be read from here to 0x%llx/0x%llx",
                   family_texts[d->cf], (unsigned long long)to_id.pid,
                   (unsigned long long)to_id.oid);
    return OSD_OK;
}

bool salvage_key_whole(enum cf cf, size_t len)
{
    static const size_t lens[CF_MAX] = {[CF_OBJECTS] = OBJECT_KEY_LEN,
                                        [CF_ATTRS] = ATTR_KEY_LEN,
                                        [CF_EXTENTS] = EXTENT_KEY_LEN,
                                        [CF_RECORDS] = RECORD_KEY_LEN,
                                        [CF_MEMBERS] = EXTENT_KEY_LEN};

    return lens[cf] ? len == lens[cf] : cf != CF_IDS || len >= LISTED_KEY_LEN;
}

static osd_status take_key(struct reader *d)
{
    size_t klen, len;
    const char *k = rocksdb_iter_key(d->it, &klen), *v = rocksdb_iter_value(d->it, &len);

    memset(d->last, 0, KEY_ROOM);
    memcpy(d->last, k, klen < KEY_ROOM ? klen : KEY_ROOM);
    if (!salvage_key_whole(d->cf, klen))
        return OSD_OK;
    rocksdb_writebatch_put_cf(d->s->b, d->s->to->cf[d->cf], k, klen, v, len);
    if (++d->s->done % 1024 == 0)
        salvage_step(d->s, "keys", d->s->done, 0);
    return salvage_write(d->s, false);
}

/* CORRUPT: nothing can be read there. */
static osd_status take_family(struct salvage *s, const struct source *from, enum cf cf)
{
    struct reader d = {.s = s, .from = from, .cf = cf};
    uint8_t next[KEY_ROOM];
    osd_status st = OSD_OK;
    bool more = true;

    d.it = rocksdb_create_iterator_cf(from->db, from->ro, from->cf[cf]);
    rocksdb_iter_seek_to_first(d.it);
    while (!st && more) {
        for (; !st && rocksdb_iter_valid(d.it); rocksdb_iter_next(d.it))
            st = take_key(&d);
        more = !st && !is_readable(&d);
        if (more)
            st = pass_over(&d, next) ? note_lost(&d, next) : OSD_E_CORRUPT;
    }
    rocksdb_iter_destroy(d.it);
    return st;
}

/* ---- what other tables have ---- */

/* Whose key it is, as far as it matters to them that it may be an older one. */
static bool concerns(enum cf cf, const uint8_t *key, struct store_id *ret)
{
    *ret = id_in(cf, key);
    return cf != CF_IDS && cf != CF_RECORDS;
}

/* Attributes of partitions and of the root say who is let in. */
static osd_status note_aged(struct salvage *s, enum cf cf, const uint8_t *key)
{
    struct store_id id, *at = s->aged.v;
    size_t n = s->aged.n;

    if (!concerns(cf, key, &id))
        return OSD_OK;
    osd_status st = cf == CF_ATTRS && id.oid == 0 ? salvage_distrust(s, id.pid, true) : OSD_OK;
    if (st || (n && at[n - 1].pid == id.pid && at[n - 1].oid == id.oid))
        return st;
    at = list_add(&s->aged, sizeof(*at));
    if (!at)
        return OSD_E_NOMEM;
    *at = id;
    return OSD_OK;
}

/* A key in a range that was passed over: what the other tables hold may be what was before. */
static osd_status take_older(struct reader *d)
{
    struct salvage *s = d->s;
    size_t klen, len;
    const char *k = rocksdb_iter_key(d->it, &klen), *v = rocksdb_iter_value(d->it, &len);

    if (!salvage_key_whole(d->cf, klen))
        return OSD_OK;
    rocksdb_writebatch_put_cf(s->b, s->to->cf[d->cf], k, klen, v, len);
    s->ret->older = true;
    memset(d->last, 0, KEY_ROOM);
    memcpy(d->last, k, klen < KEY_ROOM ? klen : KEY_ROOM);
    osd_status st = note_aged(s, d->cf, d->last);
    return st ? st : salvage_write(s, false);
}

/* Keys behind l->from, not behind l->to. */
static osd_status take_range(struct salvage *s, const struct source *from,
                             const struct lost_keys *l)
{
    struct reader d = {.s = s, .from = from, .cf = l->cf};
    uint8_t at[KEY_ROOM];
    osd_status st = OSD_OK;

    d.it = rocksdb_create_iterator_cf(from->db, from->ro, from->cf[l->cf]);
    if (l->all)
        rocksdb_iter_seek_to_first(d.it);
    else
        rocksdb_iter_seek(d.it, (const char *)l->from, KEY_ROOM);
    for (; !st && rocksdb_iter_valid(d.it); rocksdb_iter_next(d.it)) {
        size_t klen;
        const char *k = rocksdb_iter_key(d.it, &klen);
        memset(at, 0, KEY_ROOM);
        memcpy(at, k, klen < KEY_ROOM ? klen : KEY_ROOM);
        if (!l->all && memcmp(at, l->to, KEY_ROOM) > 0)
            break;
        st = take_older(&d);
    }
    if (!st && !is_readable(&d))
        st = OSD_E_CORRUPT;
    rocksdb_iter_destroy(d.it);
    return st;
}

/* Without the tables that are damaged: what was passed over. */
static osd_status take_from_others(struct salvage *s)
{
    const struct lost_keys *v = s->keys.v;
    struct source d;
    osd_status st = open_anew(s, &d);

    if (st)
        return st;
    if (!same_families(s, &d))
        st = OSD_E_VERSION;
    for (size_t i = 0; i < s->keys.n && !st; i++)
        st = take_range(s, &d, &v[i]);
    source_close(&d);
    return st;
}

static void report_aged(struct salvage *s)
{
    const struct store_id *v = s->aged.v;

    salvage_unique(&s->aged);
    for (size_t i = 0; i < s->aged.n; i++)
        salvage_harmed(s, v[i], "what it has may be older than what it had, or was removed");
}

/* ---- all of them ---- */

static osd_status note_family(struct salvage *s, enum cf cf)
{
    struct lost_keys *l = list_add(&s->keys, sizeof(*l));

    if (!l)
        return OSD_E_NOMEM;
    *l = (struct lost_keys){.cf = cf, .all = true};
    memset(l->to, 0xff, KEY_ROOM);
    s->suspect[cf] = true;
    salvage_harmed(s, (struct store_id){0, 0}, "%s cannot be read as they lie",
                   family_texts[cf]);
    return OSD_OK;
}

/* CORRUPT from a family: some of it may have been taken, which is no harm. */
static osd_status take_families(struct salvage *s, const struct source *from)
{
    osd_status st = same_families(s, from) ? OSD_OK : OSD_E_VERSION;

    for (int i = 0; i < CF_MAX && !st; i++) {
        st = take_family(s, from, (enum cf)i);
        if (st == OSD_E_CORRUPT)
            st = note_family(s, (enum cf)i);
    }
    return st ? st : salvage_write(s, true);
}

osd_status salvage_read(struct salvage *s)
{
    struct source d;
    bool opened = false;
    osd_status st = open_as_it_is(s, &d, &opened);

    for (int i = 0; i < CF_MAX && !st && !opened; i++)
        st = note_family(s, (enum cf)i);
    if (!opened && s->log != LOG_WHOLE)
        s->log = LOG_SKIPPED;
    if (!st && opened) {
        st = take_families(s, &d);
        source_close(&d);
    }
    if (!st && s->keys.n > 0)
        st = take_from_others(s);
    if (!st)
        st = salvage_write(s, true);
    if (!st)
        report_aged(s);
    if (st == OSD_E_VERSION)
        snprintf(s->reason, s->reason_len, "%s: its database is of another liosd", s->source);
    return st;
}
