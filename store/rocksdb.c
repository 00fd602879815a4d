/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb.c - the RocksDB store: open, recovery, flush, settings, the table of operations
 *
 * A store is a directory: db/ (RocksDB), journal/ (what is ahead of it), data/ (data files).
 * Invariants: (1) A directory that is not ours is never written: only an absent or empty one
 * becomes a store. (2) After open, counters, block allocation and id hints equal what the records
 * say. (3) Durable means: data files synced first, then the journal that names their blocks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/descriptors.h"
#include "common/log.h"
#include "rocksdb_internal.h"

#define BLOCK_CACHE   (64 * MIB)
#define VALUE_CACHE   (32 * MIB)
#define WALKED_BLOCK  (16 * KIB)
#define WRITE_BUFFERS (96 * MIB) /* from here on the largest tables in memory go to disk */
#define WRITE_BUFFER  (32 * MIB) /* of a family, and this many wait at most to go there: ... */
#define WRITE_WAITING 8          /* ... writes are slowed down from the last but one on */
#define MOST_TABLES   256        /* open at a time, */
#define LEAST_TABLES  20         /* and RocksDB opens no fewer */
#define OTHER_FILES   64u        /* open besides tables and data files, at most */
#define LEAST_LEFT    24u        /* files that can be opened when the store is open */
#define BLOOM_RATIO   0.01       /* of a table in memory: what tells that a key is not there */

/* RocksDB makes families in this order: one with objects but without ids is of version 1. */
const char *const rdb_family_names[CF_MAX] = {"default", "ids",     "objects", "attrs",
                                              "extents", "records", "members"};

osd_status rdb_iterated(struct rdb *r, rocksdb_iterator_t *it, osd_status st)
{
    char *err = NULL;

    if (!st)
        rocksdb_iter_get_error(it, &err);
    rocksdb_iter_destroy(it);
    if (!st && __atomic_load_n(&r->ahead.stuck, __ATOMIC_RELAXED))
        st = OSD_E_IO; /* it may have missed what is ahead */
    return err ? rdb_error(r, err) : st;
}

/* ---- flush ---- */

osd_status rdb_sync(struct rdb *r)
{
    uint64_t ticket = __atomic_add_fetch(&r->flush_asked, 1, __ATOMIC_SEQ_CST);
    uint64_t mark, upto;
    osd_status st;

    pthread_mutex_lock(&r->flush_lock);
    if (r->flush_done >= ticket) { /* a round that began after our commit has ended */
        pthread_mutex_unlock(&r->flush_lock);
        return OSD_OK;
    }
    upto = __atomic_load_n(&r->flush_asked, __ATOMIC_SEQ_CST);
    st = rdb_failed(r) ? OSD_E_IO : blocks_sync(r->blocks, &mark);
    if (!st)
        st = journal_sync(r->ahead.journal);
    if (!st && rdb_failed(r)) /* meanwhile */
        st = OSD_E_IO;
    if (st) { /* what failed to reach the disk may be gone: nothing can be built upon it */
        __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    } else {
        blocks_sync_done(r->blocks, mark);
        r->flush_done = upto;
    }
    pthread_mutex_unlock(&r->flush_lock);
    return st;
}

osd_status rdb_sync_data(struct rdb *r)
{
    uint64_t ticket = __atomic_add_fetch(&r->data_asked, 1, __ATOMIC_SEQ_CST), upto, mark;
    osd_status st = OSD_OK;

    pthread_mutex_lock(&r->flush_lock);
    if (r->data_done < ticket) {
        upto = __atomic_load_n(&r->data_asked, __ATOMIC_SEQ_CST);
        st = rdb_failed(r) ? OSD_E_IO : blocks_sync(r->blocks, &mark);
        if (!st)
            r->data_done = upto;
        else
            __atomic_store_n(&r->failed, true, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&r->flush_lock);
    return st;
}

osd_status rdb_flush(struct osd_store *s)
{
    struct rdb *r = (struct rdb *)s;
    osd_status st = touch_flush(r);

    return st ? st : rdb_sync(r);
}

/* ---- settings and information ---- */

static bool setting_name(const char *name)
{
    size_t len = strnlen(name, 65);

    return len >= 1 && len <= 64;
}

static osd_status rdb_get_setting(struct osd_store *s, const char *name, void *dst, size_t cap,
                                  size_t *ret_len)
{
    struct rdb *r = (struct rdb *)s;
    char *err = NULL;
    size_t len;

    if (!setting_name(name))
        return OSD_E_INVALID;
    char *v = rocksdb_get_cf(r->db, r->ro, r->cf[CF_DEFAULT], name, strlen(name), &len, &err);

    if (err)
        return rdb_error(r, err);
    if (!v)
        return OSD_E_NOT_FOUND;
    memcpy(dst, v, len < cap ? len : cap);
    *ret_len = len;
    rocksdb_free(v);
    return OSD_OK;
}

static osd_status rdb_put_setting(struct osd_store *s, const char *name, const void *value,
                                  size_t len)
{
    struct rdb *r = (struct rdb *)s;

    if (len > 4096 || !setting_name(name))
        return OSD_E_INVALID;
    if (rdb_failed(r))
        return OSD_E_IO;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    rocksdb_writebatch_put_cf(b, r->cf[CF_DEFAULT], name, strlen(name), value, len);
    osd_status st = ahead_write(r, b);
    rocksdb_writebatch_destroy(b);
    return st ? st : rdb_sync(r);
}

static void rdb_info(struct osd_store *s, struct store_info *ret)
{
    struct rdb *r = (struct rdb *)s;

    *ret = (struct store_info){
        .capacity = __atomic_load_n(&r->capacity, __ATOMIC_RELAXED),
        .used = counter_now(&r->root->used),
        .partitions = counter_now(&r->root->count),
        .read_only = rdb_failed(r),
    };
    snprintf(ret->kind, sizeof(ret->kind), "rocksdb");
}

/* ---- recovery ---- */

static osd_status recover_run(void *arg, uint64_t first, uint32_t count)
{
    return blocks_mark(arg, first, count);
}

static osd_status recover_shared_run(void *arg, uint64_t first, uint32_t count)
{
    return blocks_mark_shared(arg, first, count);
}

/* The runs of a map; only partitions that say so share blocks with others. */
static osd_status recover_runs(struct rdb *r, const struct part *p, const void *map, size_t len)
{
    return chunk_runs(map, len, p && p->record.shared ? recover_shared_run : recover_run,
                      r->blocks);
}

/* Whether a map is that of a copy that was cut off (rocksdb_duplicate.c): it is made again, and
 * owns its blocks only then. */
static bool is_remnant(struct rdb *r, const struct part *p, const char *key)
{
    char *err = NULL;

    if (!p || !p->record.copying)
        return false;
    rocksdb_pinnableslice_t *record =
        rocksdb_get_pinned_cf(r->db, r->ro, r->cf[CF_OBJECTS], key, OBJECT_KEY_LEN, &err);
    if (record)
        rocksdb_pinnableslice_destroy(record);
    bool remnant = !record && !err;
    rocksdb_free(err);
    return remnant;
}

static osd_status recover_extents(struct rdb *r)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, r->ro_all, r->cf[CF_EXTENTS]);
    const struct part *p = NULL;
    osd_status st = OSD_OK;

    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it) && !st; rocksdb_iter_next(it)) {
        size_t klen, len;
        const char *k = rocksdb_iter_key(it, &klen), *v = rocksdb_iter_value(it, &len);
        if (klen != EXTENT_KEY_LEN)
            st = OSD_E_CORRUPT;
        else if (!p || p->pid != be64_get((const uint8_t *)k))
            p = part_find(r, be64_get((const uint8_t *)k));
        if (!st && !is_remnant(r, p, k))
            st = recover_runs(r, p, v, len);
    }
    return rdb_iterated(r, it, st);
}

/* One record: the root, a partition (which precedes its objects), or an object. */
static osd_status recover_object(struct rdb *r, const struct record *rec, struct part **current)
{
    const struct store_meta *m = &rec->meta;
    struct store_id id = rec->id;

    if (id.oid == 0) {
        struct part *p = part_new(r, rec);
        if (!p)
            return OSD_E_NOMEM;
        counter_set(&p->used, m->used);
        if (id.pid == 0) {
            r->root = p;
        } else {
            part_insert(r, p);
            counter_add(&r->root->count, 1);
            counter_add(&r->root->used, (int64_t)m->used);
            if (rec->serial > r->last_serial)
                r->last_serial = rec->serial;
            if (id.pid >= r->next_pid && id.pid < UINT64_MAX)
                r->next_pid = id.pid + 1;
        }
        *current = p;
        return OSD_OK;
    }
    if (!*current || (*current)->pid != id.pid)
        return OSD_E_CORRUPT;
    counter_add(&(*current)->count, 1);
    counter_add(&(*current)->used, (int64_t)m->used);
    counter_add(&r->root->used, (int64_t)m->used);
    if (id.oid >= (*current)->next_oid && id.oid < UINT64_MAX)
        (*current)->next_oid = id.oid + 1;
    return OSD_OK;
}

/* The blocks of an object's first chunk, and that the rest of it can be decoded. */
static osd_status recover_contents(struct rdb *r, const struct part *p, struct store_id id,
                                   const void *value, size_t len, struct record *ret)
{
    struct object o;
    osd_status st;

    if (id.oid == 0)
        return record_decode(value, len, id, ret);
    st = object_decode(value, len, id, &o);
    if (!st && o.body_len > 0)
        st = recover_runs(r, p, o.body, o.body_len);
    if (!st)
        *ret = o.rec;
    return st;
}

/* Counters start from each container's own record (its attributes) and add the objects'. */
static osd_status recover_objects(struct rdb *r)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, r->ro_all, r->cf[CF_OBJECTS]);
    struct part *current = NULL;
    osd_status st = OSD_OK;

    r->next_pid = STORE_ID_FIRST;
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it) && !st; rocksdb_iter_next(it)) {
        size_t klen, len;
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &klen);
        const char *v = rocksdb_iter_value(it, &len);
        struct record rec;

        st = klen == OBJECT_KEY_LEN
                 ? recover_contents(r, current, (struct store_id){be64_get(k), be64_get(k + 8)},
                                    v, len, &rec)
                 : OSD_E_CORRUPT;
        if (!st)
            st = recover_object(r, &rec, &current);
    }
    st = rdb_iterated(r, it, st);
    return st || r->root ? st : OSD_E_CORRUPT;
}

/* ---- open ---- */

/* As many tables as may be open beside data files, and those that are made ahead. */
static int most_tables(const struct rdb *r)
{
    uint64_t others = (uint64_t)r->lock_fd + r->n_data + BLOCKS_MOST_NAMES + OTHER_FILES;
    uint64_t most = osd_descriptors_most();

    if (most >= others + MOST_TABLES)
        return MOST_TABLES;
    return most <= others + LEAST_TABLES ? LEAST_TABLES : (int)(most - others);
}

/* Options and one more, which has no function of its own; without it if RocksDB does not know it. */
static rocksdb_options_t *with_option(rocksdb_options_t *o, const char *option)
{
    rocksdb_options_t *with = rocksdb_options_create();
    char *err = NULL;

    rocksdb_get_options_from_string(o, option, with, &err);
    if (err) {
        rocksdb_free(err);
        rocksdb_options_destroy(with);
        return o;
    }
    rocksdb_options_destroy(o);
    return with;
}

/* walked: for a family of short keys that is walked over: each key is whole in its table, which costs
 * less to pass than one that has to be put together from the one before, and a block has several
 * hundred of them, for the next one has to be looked up. */
static rocksdb_options_t *make_options(struct rdb *r, rocksdb_cache_t *cache, bool walked)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_use_delta_encoding(table, !walked);
    if (walked)
        rocksdb_block_based_options_set_block_size(table, WALKED_BLOCK);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_options_set_block_based_table_factory(o, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_options_set_create_if_missing(o, r->cfg.create);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_db_write_buffer_size(o, WRITE_BUFFERS);
    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER);
    rocksdb_options_set_max_write_buffer_number(o, WRITE_WAITING);
    rocksdb_options_set_max_total_wal_size(o, 256 * MIB);
    rocksdb_options_set_max_open_files(o, most_tables(r));
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_max_background_jobs(o, 2);
    /* Fatal errors only: others it logs on a full file system as well, and aborts when it cannot. */
    rocksdb_options_set_info_log_level(o, 4);
    rocksdb_options_set_wal_recovery_mode(o, 2); /* point in time */
    rocksdb_options_set_manual_wal_flush(o, 1);  /* the journal has it, rocksdb_ahead.c */
    /* One thread writes, keys in order (rocksdb_sorted.c): after the key before, if nothing is between,
     * a key is put without a search. */
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0);
    /* Space that is reserved is memory there, which has to be cleared: 35 MiB for each log. */
    return blocks_in_memory(r->path) ? with_option(o, "allow_fallocate=false") : o;
}

/* A key is looked for from where the last one of its partition was put: older changes between the two,
 * which a key that changes again and again leaves there, would have it looked for from the start. RocksDB
 * keeps that place by the first bytes of a key, and takes it for keys and for range deletions, which are in
 * two lists. So it is kept for keys longer than those where range deletions begin (rdb_is_hinted()). */
static rocksdb_options_t *hinted(rocksdb_options_t *o)
{
    return with_option(o, "memtable_insert_with_hint_prefix_extractor=rocksdb.FixedPrefix.9");
}

/* Options of a family whose keys begin with what they are of, a hinted one. Where that is all of the key
 * (whole), most that are looked for are not in memory: a filter tells. */
static rocksdb_options_t *prefix_options(rocksdb_options_t *base, size_t prefix, bool whole)
{
    rocksdb_options_t *o = rocksdb_options_create_copy(base);

    rocksdb_options_set_prefix_extractor(o, rocksdb_slicetransform_create_fixed_prefix(prefix));
    if (whole)
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, BLOOM_RATIO);
    return hinted(o);
}

/* Version 1 had no family of ids; opening would make one. */
static osd_status refuse_old(struct rdb *r, const char *path, char *reason, size_t reason_len)
{
    bool ids = false, objects = false;
    char *err = NULL;
    size_t n = 0;
    char **names = rocksdb_list_column_families(r->options, path, &n, &err);

    if (err) /* nothing there yet, or opening will tell */
        rocksdb_free(err);
    for (size_t i = 0; i < n; i++) {
        ids |= strcmp(names[i], rdb_family_names[CF_IDS]) == 0;
        objects |= strcmp(names[i], rdb_family_names[CF_OBJECTS]) == 0;
    }
    if (names)
        rocksdb_list_column_families_destroy(names, n);
    if (ids || !objects)
        return OSD_OK;
    snprintf(reason, reason_len,
             "store %s has format version 1, this program knows %u: copy its content with the "
             "liosd that made it",
             r->path, FORMAT_INDEXED);
    return OSD_E_VERSION;
}

/* The database with its families. */
static char *open_families(struct rdb *r, const char *path, rocksdb_cache_t *cache)
{
    rocksdb_options_t *o = r->options, *ids = make_options(r, cache, true);
    rocksdb_options_t *records = prefix_options(o, RECORD_KEY_LEN, true);
    rocksdb_options_t *objects = prefix_options(o, OBJECT_KEY_LEN, true);
    rocksdb_options_t *of_objects = prefix_options(o, OBJECT_KEY_LEN, false);
    const rocksdb_options_t *all[CF_MAX];
    char *err = NULL;

    for (int i = 0; i < CF_MAX; i++)
        all[i] = of_objects;
    all[CF_DEFAULT] = o;
    all[CF_IDS] = ids;
    all[CF_OBJECTS] = objects;
    all[CF_RECORDS] = records;
    if (r->cfg.read_only)
        r->db = rocksdb_open_for_read_only_column_families(o, path, CF_MAX, rdb_family_names,
                                                           all, r->cf, 0, &err);
    else
        r->db =
            rocksdb_open_column_families(o, path, CF_MAX, rdb_family_names, all, r->cf, &err);
    rocksdb_options_destroy(ids);
    rocksdb_options_destroy(records);
    rocksdb_options_destroy(objects);
    rocksdb_options_destroy(of_objects);
    return err;
}

/* By this process, or by another. ("lock" alone is in "block", too.) */
static bool is_locked(const char *err)
{
    return strstr(err, "lock hold by") || strstr(err, "While lock file");
}

static osd_status open_db(struct rdb *r, const char *path, char *reason, size_t reason_len)
{
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE);
    char *err = NULL;

    r->options = make_options(r, cache, false);
    osd_status st = refuse_old(r, path, reason, reason_len);
    if (!st)
        err = open_families(r, path, cache);
    rocksdb_cache_destroy(cache);
    if (err) {
        bool starved = rdb_is_starved(err), locked = !starved && is_locked(err);
        bool damaged = strstr(err, "orruption");
        snprintf(reason, reason_len,
                 starved   ? "store %s: " OSD_TOO_MANY_FILES
                 : locked  ? "store %s is in use by another process"
                 : damaged ? "store %s: osdctl salvage makes a new one of what is left: %s"
                           : "store %s cannot be opened: %s",
                 r->path, err);
        st = locked ? OSD_E_BUSY : rdb_error(r, err);
        if (locked)
            rocksdb_free(err);
        r->db = NULL;
    }
    return st;
}

static osd_status check_format(struct rdb *r, char *reason, size_t reason_len)
{
    uint8_t version[4], capacity[8];
    size_t len = 0;
    osd_status st = rdb_get_setting(&r->base, "format", version, sizeof(version), &len);

    if (st)
        return st;
    r->format = len == sizeof(version) ? be32_get(version) : 0;
    if (r->format < FORMAT_OLD || r->format > FORMAT_INDEXED) {
        snprintf(
            reason, reason_len,
            "store %s has format version %u, this program knows %u: use the liosd it is of",
            r->path, r->format, FORMAT_INDEXED);
        return OSD_E_VERSION;
    }
    st = rdb_get_setting(&r->base, "capacity", capacity, sizeof(capacity), &len);
    if (st || len != sizeof(capacity))
        return st ? st : OSD_E_CORRUPT;
    r->capacity = be64_get(capacity) ? be64_get(capacity) : STORE_NO_LIMIT;
    return OSD_OK;
}

/* First records of a new store; the format version is what makes it one, in the same write. */
static osd_status initialise(struct rdb *r)
{
    const struct record root = {.meta = store_root_defaults(osd_clock_now(r->cfg.clock))};
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    uint8_t key[OBJECT_KEY_LEN], record[PART_LEN], version[4], capacity[8];
    char *err = NULL;

    key_object(key, (struct store_id){0, 0});
    be32_put(version, FORMAT_PLAIN);
    be64_put(capacity, r->cfg.capacity);
    rocksdb_writebatch_put_cf(b, r->cf[CF_OBJECTS], (char *)key, sizeof(key), (char *)record,
                              part_encode(&root, record));
    rocksdb_writebatch_put_cf(b, r->cf[CF_DEFAULT], "capacity", 8, (char *)capacity, 8);
    rocksdb_writebatch_put_cf(b, r->cf[CF_DEFAULT], "format", 6, (char *)version, 4);
    rocksdb_write(r->db, r->wo, b, &err);
    rocksdb_writebatch_destroy(b);
    if (err)
        return rdb_error(r, err);
    rocksdb_flush_wal(r->db, 1, &err);
    return err ? rdb_error(r, err) : OSD_OK;
}

static void rdb_close(struct osd_store *s)
{
    struct rdb *r = (struct rdb *)s;

    keeper_stop(r);
    if (r->db && r->root && r->ahead.journal)
        touch_flush(r);
    ahead_close(r);
    touch_clear(r);
    dups_clear(r);
    parts_free(r);
    for (int i = 0; i < CF_MAX && r->db; i++)
        rocksdb_column_family_handle_destroy(r->cf[i]);
    if (r->db)
        rocksdb_close(r->db);
    for (size_t i = 0; i < OSD_PLACES; i++)
        txn_destroy(r->ended[i].txn);
    if (r->ro)
        rocksdb_readoptions_destroy(r->ro);
    if (r->ro_all)
        rocksdb_readoptions_destroy(r->ro_all);
    if (r->ro_page)
        rocksdb_readoptions_destroy(r->ro_page);
    if (r->options)
        rocksdb_options_destroy(r->options);
    if (r->wo)
        rocksdb_writeoptions_destroy(r->wo);
    blocks_close(r->blocks);
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    store_locks_free(r->locks);
    cache_free(r->cache);
    spread_destroy(&r->parts_lock);
    pthread_mutex_destroy(&r->spare_lock);
    pthread_rwlock_destroy(&r->dups_lock);
    pthread_mutex_destroy(&r->record_lock);
    pthread_mutex_destroy(&r->flush_lock);
    spread_destroy(&r->ahead.gate);
    for (unsigned i = 0; i < AHEAD_SHARDS; i++)
        pthread_mutex_destroy(&r->ahead.shard[i].lock);
    pthread_mutex_destroy(&r->ahead.lock);
    pthread_mutex_destroy(&r->ahead.drain_lock);
    pthread_mutex_destroy(&r->ahead.bell_lock);
    pthread_cond_destroy(&r->ahead.bell);
    pthread_cond_destroy(&r->ahead.room);
    free(r->records);
    free(r->record_index);
    free(r->path);
    free(r);
}

static const struct store_ops rdb_ops = {
    .size = sizeof(struct store_ops),
    .close = rdb_close,
    .info = rdb_info,
    .begin = rdb_begin,
    .commit = rdb_commit,
    .abort = rdb_abort,
    .get_meta = rdb_get_meta,
    .put_meta = rdb_put_meta,
    .create = rdb_create,
    .remove = rdb_remove,
    .format = rdb_format,
    .read = rdb_read,
    .write = rdb_write,
    .clear = rdb_clear,
    .punch = rdb_punch,
    .truncate = rdb_truncate,
    .seek = rdb_seek,
    .get_attr = rdb_get_attr,
    .set_attr = rdb_set_attr,
    .each_attr = rdb_each_attr,
    .list = rdb_list,
    .record = rdb_record,
    .recall = rdb_recall,
    .touch = rdb_touch,
    .flush = rdb_flush,
    .check = rdb_check,
    .get_setting = rdb_get_setting,
    .put_setting = rdb_put_setting,
    .set_member = rdb_set_member,
    .members = rdb_members,
    .duplicate = rdb_duplicate,
    .place = rdb_place,
    .find = rdb_find,
    .publish = rdb_publish,
    .early = rdb_early,
    .early_use = rdb_early_use,
    .early_end = rdb_early_end,
};

static struct rdb *rdb_new(const struct store_config *cfg, const char *path)
{
    struct rdb *r = aligned_alloc(_Alignof(struct rdb), sizeof(*r));

    if (!r)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->base.ops = &rdb_ops;
    r->cfg = *cfg;
    r->batch_room = BATCH_ROOM;
    r->max_parts = PARTS_MAX;
    r->lock_fd = -1;
    osd_random(&r->seed, sizeof(r->seed));
    if (!r->cfg.clock)
        r->cfg.clock = &osd_clock_system;
    r->locks = store_locks_new();
    r->cache = cache_new(VALUE_CACHE);
    spread_init(&r->parts_lock);
    pthread_mutex_init(&r->spare_lock, NULL);
    pthread_rwlock_init(&r->dups_lock, NULL);
    touch_init(r);
    pthread_mutex_init(&r->record_lock, NULL);
    pthread_mutex_init(&r->flush_lock, NULL);
    spread_init(&r->ahead.gate);
    for (unsigned i = 0; i < AHEAD_SHARDS; i++)
        pthread_mutex_init(&r->ahead.shard[i].lock, NULL);
    pthread_mutex_init(&r->ahead.lock, NULL);
    pthread_mutex_init(&r->ahead.drain_lock, NULL);
    pthread_mutex_init(&r->ahead.bell_lock, NULL);
    pthread_cond_init(&r->ahead.bell, NULL);
    osd_cond_init(&r->ahead.room);
    r->ro = rocksdb_readoptions_create();
    r->ro_all = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(r->ro_all, 1);
    r->ro_page = rocksdb_readoptions_create();
    rocksdb_readoptions_set_pin_data(r->ro_page, 1);
    r->wo = rocksdb_writeoptions_create();
    r->path = strdup(path);
    r->records = calloc(STORE_RECORDS, sizeof(*r->records));
    r->record_index = calloc(STORE_RECORDS * 2, sizeof(*r->record_index));
    if (!r->locks || !r->cache || !r->path || !r->records || !r->record_index) {
        rdb_close(&r->base);
        return NULL;
    }
    return r;
}

/* A store, an empty place for one, or somebody else's directory? */
static osd_status inspect_directory(struct rdb *r, char *reason, size_t reason_len)
{
    _cleanup_free_ char *marker = NULL;
    struct dirent *e;
    int entries = 0;
    DIR *d;

    if (asprintf(&marker, "%s/db/CURRENT", r->path) < 0)
        return OSD_E_NOMEM;
    if (access(marker, F_OK) == 0)
        return OSD_OK;
    d = opendir(r->path);
    if (!d && errno != ENOENT) {
        snprintf(reason, reason_len, "%s: %s", r->path, osd_descriptors_why(errno));
        return errno == EACCES ? OSD_E_DENIED : OSD_E_IO;
    }
    while (d && (e = readdir(d)))
        entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                   strcmp(e->d_name, "db") != 0 && strcmp(e->d_name, "data") != 0;
    if (d)
        closedir(d);
    if (!r->cfg.create) {
        snprintf(reason, reason_len, "%s is not an OSD store", r->path);
        return OSD_E_NOT_FOUND;
    }
    if (entries > 0) {
        snprintf(reason, reason_len,
                 "%s is neither empty nor an OSD store: give an empty or new directory",
                 r->path);
        return OSD_E_INVALID;
    }
    if (!d && mkdir(r->path, 0700) != 0) {
        snprintf(reason, reason_len, "cannot create %s: %s", r->path, strerror(errno));
        return errno == EACCES || errno == EROFS ? OSD_E_DENIED : OSD_E_IO;
    }
    return OSD_OK;
}

/* Nobody else, this process included, has it open: RocksDB's own lock knows a directory by its name,
 * and has one owner per process. */
osd_status rdb_lock_directory(const char *path, bool alone, int *ret_fd, char *reason,
                              size_t reason_len)
{
    struct stat s;

    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd < 0 || fstat(*ret_fd, &s) != 0) {
        snprintf(reason, reason_len, "%s: %s", path, osd_descriptors_why(errno));
        return errno == ENOENT ? OSD_E_NOT_FOUND : OSD_E_IO;
    }
    if (s.st_uid != geteuid() || s.st_mode & S_IWOTH) {
        snprintf(reason, reason_len,
                 "%s belongs to another user, or everybody may write there: use a directory "
                 "that only this program's user can change",
                 path);
        return OSD_E_DENIED;
    }
    if (alone && flock(*ret_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        snprintf(reason, reason_len, "store %s is in use by another LUN or process", path);
        return OSD_E_BUSY;
    }
    return OSD_OK;
}

/* Programs that do not know what the store may hold from now on must not open it: a journal, pages of
 * outcomes. A journal that an older one left may say which version that was, and is taken over before. What
 * is only to be read stays what it is, and is taken for what it would become. */
static osd_status raise_format(struct rdb *r)
{
    uint8_t version[4];
    char *err = NULL;

    if (r->format >= FORMAT_PLAIN)
        return OSD_OK;
    r->format = r->format % 2 ? FORMAT_INDEXED : FORMAT_PLAIN;
    if (r->cfg.read_only)
        return OSD_OK;
    be32_put(version, r->format);
    rocksdb_put_cf(r->db, r->wo, r->cf[CF_DEFAULT], "format", 6, (char *)version,
                   sizeof(version), &err);
    if (!err)
        rocksdb_flush_wal(r->db, 1, &err);
    return err ? rdb_error(r, err) : OSD_OK;
}

/* INTERRUPTED: it may not be written, and is not what was committed. */
static osd_status open_ahead(struct rdb *r, char *reason, size_t reason_len)
{
    osd_status st;
    bool left = false;

    if (r->cfg.read_only)
        st = ahead_left(r, &left, reason, reason_len);
    else
        st = ahead_open(r, reason, reason_len);
    if (!st && left)
        st = OSD_E_INTERRUPTED;
    if (!st)
        st = check_format(r, reason, reason_len); /* the journal may have changed it */
    return st ? st : raise_format(r);
}

/* What to say of an opening that failed and nothing was said of. error: of the last system call. */
static void say_why(struct rdb *r, osd_status st, int error, char *reason, size_t reason_len)
{
    const char *what = st == OSD_E_CORRUPT ? "osdctl salvage makes a new one of what is left"
                                           : "run osdctl check";

    if (st == OSD_E_IO && (error == EMFILE || __atomic_load_n(&r->starved, __ATOMIC_RELAXED)))
        snprintf(reason, reason_len, "store %s: " OSD_TOO_MANY_FILES, r->path);
    else
        snprintf(reason, reason_len, "store %s: %s; %s", r->path, osd_status_text(st), what);
}

/* An open store opens files now and then, and fails for good when its database cannot. */
static osd_status leave_some(const struct rdb *r)
{
    int next = fcntl(r->lock_fd, F_DUPFD_CLOEXEC, 0);

    if (next >= 0)
        close(next);
    if (next >= 0 && (uint64_t)next + LEAST_LEFT < osd_descriptors_most())
        return OSD_OK;
    errno = EMFILE;
    return OSD_E_IO;
}

/* The common end of opening: database, format, state in memory. */
static osd_status open_parts(struct rdb *r, const char *db, const char *data, char *reason,
                             size_t reason_len)
{
    osd_status st;

    errno = 0;
    if (!r->cfg.read_only)
        blocks_give_spare(data);
    r->n_data = blocks_count(data);
    st = open_db(r, db, reason, reason_len);
    if (st)
        return st;
    st = blocks_open(data, r->cfg.read_only, &r->blocks);
    if (!st)
        st = check_format(r, reason, reason_len);
    if (st == OSD_E_NOT_FOUND && r->cfg.create) {
        st = initialise(r);
        if (!st)
            st = check_format(r, reason, reason_len);
    }
    if (!st)
        st = open_ahead(r, reason, reason_len);
    if (!st)
        st = recover_objects(r);
    if (!st)
        st = recover_extents(r);
    if (!st)
        st = records_load(r);
    if (!st)
        st = index_open(r);
    if (!st)
        st = leave_some(r);
    if (!st)
        blocks_recovered(r->blocks);
    if (!st && !r->cfg.read_only)
        st = dups_resume(r);
    if (!st && !r->cfg.read_only && !r->cfg.idle)
        st = blocks_make_ahead(r->blocks, r->cfg.quiet_ms ? r->cfg.quiet_ms : BLOCKS_QUIET_MS);
    if (!st && !r->cfg.read_only && !r->cfg.idle)
        st = ahead_start(r);
    if (!st && !r->cfg.read_only && !r->cfg.idle)
        st = keeper_start(r);
    if (st && reason_len > 0 && reason[0] == 0)
        say_why(r, st, errno, reason, reason_len);
    return st;
}

static osd_status open_once(const struct store_config *cfg, struct osd_store **ret,
                            char *reason, size_t reason_len)
{
    _cleanup_free_ char *db = NULL, *data = NULL;
    struct rdb *r;
    osd_status st;

    reason[0] = 0;
    r = rdb_new(cfg, cfg->path);
    if (!r || asprintf(&db, "%s/db", cfg->path) < 0 ||
        asprintf(&data, "%s/data", cfg->path) < 0)
        return OSD_E_NOMEM;
    st = inspect_directory(r, reason, reason_len);
    if (!st)
        st = rdb_lock_directory(r->path, !cfg->read_only, &r->lock_fd, reason, reason_len);
    if (!st && cfg->create)
        mkdir(db, 0700); /* what RocksDB makes, everybody may read */
    if (!st)
        st = open_parts(r, db, data, reason, reason_len);
    if (st) {
        rdb_close(&r->base);
        return st;
    }
    *ret = &r->base;
    return OSD_OK;
}

osd_status rdb_make_bare(const struct store_config *cfg, struct rdb **ret, char *reason,
                         size_t reason_len)
{
    _cleanup_free_ char *db = NULL;
    struct rdb *r = rdb_new(cfg, cfg->path);

    if (!r || asprintf(&db, "%s/db", cfg->path) < 0)
        return OSD_E_NOMEM;
    osd_status st = inspect_directory(r, reason, reason_len);
    if (!st)
        st = rdb_lock_directory(r->path, true, &r->lock_fd, reason, reason_len);
    if (!st && mkdir(db, 0700) != 0)
        st = errno == EEXIST ? OSD_E_EXISTS : OSD_E_IO;
    if (!st)
        st = open_db(r, db, reason, reason_len);
    if (st)
        rdb_close(&r->base);
    else
        *ret = r;
    return st;
}

#define ENDING 60 /* times 50 ms: a process that was killed may not be gone yet */

/* Open what is only to be read after what a crash left in its journal was taken over; what was missing there is
 * that of the store which is opened. */
static osd_status open_finished(const struct store_config *cfg, struct osd_store **ret,
                                char *reason, size_t reason_len)
{
    struct store_config finish = *cfg;
    osd_status st = OSD_E_BUSY;

    finish.read_only = false; /* what a crash left in the journal belongs to it */
    finish.idle = true;
    for (int i = 0; i < ENDING && st == OSD_E_BUSY; i++) {
        st = open_once(&finish, ret, reason, reason_len);
        if (st == OSD_E_BUSY)
            usleep(50000);
    }
    if (st)
        return st;
    uint64_t was_found = ((struct rdb *)*ret)->ahead.found;
    uint64_t was_beyond = ((struct rdb *)*ret)->ahead.beyond;
    (*ret)->ops->close(*ret);
    st = open_once(cfg, ret, reason, reason_len);
    if (!st && was_beyond) {
        ((struct rdb *)*ret)->ahead.found = was_found;
        ((struct rdb *)*ret)->ahead.beyond = was_beyond;
    }
    return st;
}

osd_status store_rocksdb_open(const struct store_config *cfg, struct osd_store **ret,
                              char *reason, size_t reason_len)
{
    char scratch[256];

    if (!reason) {
        reason = scratch;
        reason_len = sizeof(scratch);
    }
    osd_status st = open_once(cfg, ret, reason, reason_len);
    return st == OSD_E_INTERRUPTED ? open_finished(cfg, ret, reason, reason_len) : st;
}
