/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_replay.c - records of the journal, and what opening takes over of them
 *
 * A record is the list of a transaction's changes or a RocksDB batch (enum record_kind). Nothing in it
 * is believed that the database would abort at. Invariant (1) of rocksdb_ahead.c is kept here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "rocksdb_ahead.h"

/* ---- batches ---- */

/* A number of up to 32 bits, seven of them in each byte, the lowest ones first. */
static bool batch_number(struct batch_at *b, uint32_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 32 && b->p < b->end; shift += 7) {
        uint8_t byte = *b->p++;
        *ret |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool batch_bytes(struct batch_at *b, const uint8_t **ret, uint32_t *ret_len)
{
    if (!batch_number(b, ret_len) || *ret_len > (size_t)(b->end - b->p))
        return false;
    *ret = b->p;
    b->p += *ret_len;
    return true;
}

static enum cf family_of(const struct rdb *r, uint32_t id)
{
    int cf = 0;

    while (cf < CF_MAX && rocksdb_column_family_handle_get_id(r->cf[cf]) != id)
        cf++;
    return (enum cf)cf;
}

bool batch_next(const struct rdb *r, struct batch_at *b, struct batch_change *ret)
{
    uint32_t family = 0;
    uint8_t tag = *b->p++;

    *ret =
        (struct batch_change){.deletes = tag == BATCH_DELETION || tag == BATCH_FAMILY_DELETION,
                              .range = tag == BATCH_RANGE || tag == BATCH_FAMILY_RANGE};
    if (!ret->deletes && !ret->range && tag != BATCH_VALUE && tag != BATCH_FAMILY_VALUE)
        return false;
    if ((tag == BATCH_FAMILY_DELETION || tag == BATCH_FAMILY_VALUE ||
         tag == BATCH_FAMILY_RANGE) &&
        !batch_number(b, &family))
        return false;
    ret->cf = family_of(r, family);
    ret->value = b->p;
    return ret->cf != CF_MAX && batch_bytes(b, &ret->key, &ret->key_len) &&
           (ret->deletes || batch_bytes(b, &ret->value, &ret->len));
}

/* ---- records ---- */

/* Whether the database takes such a key: shorter than its family's prefix it would abort. */
static bool key_fits(enum cf cf, size_t len)
{
    static const uint8_t least[CF_MAX] = {
        [CF_OBJECTS] = OBJECT_KEY_LEN, [CF_ATTRS] = OBJECT_KEY_LEN,
        [CF_EXTENTS] = OBJECT_KEY_LEN, [CF_RECORDS] = RECORD_KEY_LEN,
        [CF_MEMBERS] = OBJECT_KEY_LEN,
    };

    return len >= least[cf];
}

/* Whether it takes such a range: not a reversed one, nor one that begins like a key whose place it keeps. */
static bool range_fits(const struct batch_change *c)
{
    size_t both = c->key_len < c->len ? c->key_len : c->len;
    int order = memcmp(c->key, c->value, both);

    return (order < 0 || (order == 0 && c->key_len <= c->len)) &&
           (!rdb_is_hinted(c->cf) || c->key_len <= RANGE_MOST);
}

/* Whether the database takes all of a batch: what it finds wrong in one it has in its log already,
 * and in part in its tables. */
static bool batch_whole(const struct rdb *r, const uint8_t *p, size_t len)
{
    struct batch_at at = {p + BATCH_HEAD, p + len};
    struct batch_change c;
    uint32_t n = 0;

    if (len < BATCH_HEAD)
        return false;
    for (; at.p < at.end; n++)
        if (!batch_next(r, &at, &c) || !(c.range ? range_fits(&c) : key_fits(c.cf, c.key_len)))
            return false;
    return n == batch_count(p);
}

bool change_next(const uint8_t *p, size_t len, size_t *at, struct batch_change *ret)
{
    if (len - *at < CHANGE_HEAD)
        return false;
    const uint8_t *head = p + *at;
    *ret = (struct batch_change){.cf = (enum cf)head[0],
                                 .deletes = head[1],
                                 .key = head + CHANGE_HEAD,
                                 .key_len = be16_get(head + 2),
                                 .len = be32_get(head + 4)};
    *at += CHANGE_HEAD;
    if (head[0] >= CF_MAX || head[1] > 1 || (ret->deletes && ret->len > 0) ||
        ret->key_len > len - *at || ret->len > len - *at - ret->key_len ||
        !key_fits(ret->cf, ret->key_len))
        return false;
    ret->value = ret->key + ret->key_len;
    *at += (size_t)ret->key_len + ret->len;
    return true;
}

osd_status ahead_decode(struct rdb *r, const void *data, size_t len, rocksdb_writebatch_t **ret)
{
    const uint8_t *p = data;
    osd_status st = OSD_OK;

    if (len < 1 || (p[0] != RECORD_CHANGES && p[0] != RECORD_BATCH))
        return OSD_E_CORRUPT;
    if (p[0] == RECORD_BATCH) {
        if (!batch_whole(r, p + 1, len - 1))
            return OSD_E_CORRUPT;
        *ret = rocksdb_writebatch_create_from((const char *)p + 1, len - 1);
        return OSD_OK;
    }
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    for (size_t at = 1; at < len && !st;) {
        struct batch_change c;
        if (change_next(p, len, &at, &c))
            ahead_put(r, b, &c);
        else
            st = OSD_E_CORRUPT;
    }
    if (st)
        rocksdb_writebatch_destroy(b);
    else
        *ret = b;
    return st;
}

void ahead_each(struct rdb *r, const void *data, size_t len,
                void (*visit)(void *arg, enum cf cf, const uint8_t *key, size_t len), void *arg)
{
    const uint8_t *p = data;
    struct batch_change c;

    if (len > BATCH_HEAD && p[0] == RECORD_BATCH) {
        struct batch_at at = {p + 1 + BATCH_HEAD, p + len};
        while (at.p < at.end && batch_next(r, &at, &c))
            visit(arg, c.cf, c.key, c.key_len);
    }
    for (size_t at = 1; len > 0 && p[0] == RECORD_CHANGES && at < len;) {
        if (!change_next(p, len, &at, &c))
            return;
        visit(arg, c.cf, c.key, c.key_len);
    }
}

static osd_status replay_record(void *arg, uint64_t number, const void *data, size_t len)
{
    struct rdb *r = arg;
    rocksdb_writebatch_t *b;
    osd_status st = ahead_decode(r, data, len, &b);

    if (st == OSD_E_CORRUPT)
        osd_log(OSD_LOG_ERROR, "store %s: record %llu of its journal makes no sense", r->path,
                (unsigned long long)number);
    if (st)
        return st;
    st = ahead_apply(r, b, number);
    rocksdb_writebatch_destroy(b);
    return st;
}

/* ---- opening ---- */

static osd_status get_applied(struct rdb *r, uint64_t *ret)
{
    char *err = NULL;
    size_t len;
    char *v =
        rocksdb_get_cf(r->db, r->ro, r->cf[CF_DEFAULT], APPLIED, strlen(APPLIED), &len, &err);
    osd_status st = err ? rdb_error(r, err) : v && len != 8 ? OSD_E_CORRUPT : OSD_OK;

    *ret = v && !st ? be64_get((const uint8_t *)v) : 0;
    rocksdb_free(v);
    return st;
}

/* A file of the journal is begun anew when the database has, durably, all that it held, and the other one
 * is not begun before. So one of them begins with a record that the database has, or with the next one,
 * as long as it has all that it ever had; one whose begin did not reach the disk tells nothing. But a database
 * that lost how far the journal leapt has lost something whatever the other file tells. */
static osd_status check_begins(const struct rdb *r, const struct journal_files *files,
                               uint64_t applied, char *reason, size_t reason_len)
{
    uint64_t first[2];

    journal_begins(files, first);
    bool later[2] = {first[0] > applied + 1, first[1] > applied + 1};
    bool leapt = first[0] > applied + JOURNAL_LEAP || first[1] > applied + JOURNAL_LEAP;

    if (!leapt && !(later[0] && later[1]))
        return OSD_OK;
    uint64_t from = later[0] && (!later[1] || first[0] < first[1]) ? first[0] : first[1];
    snprintf(reason, reason_len,
             "store %s: the database has the journal's records up to %llu, the journal those "
             "from %llu on: what was between is lost; osdctl salvage makes a new store of what "
             "is left",
             r->path, (unsigned long long)applied, (unsigned long long)from);
    return OSD_E_CORRUPT;
}

/* Records behind the last one that could be shown. The next few may be what the process was writing when it
 * died: nobody was told of them, as the first of them is not there. */
static void look_beyond(struct rdb *r, const struct journal_files *files, uint64_t last)
{
    struct ahead *a = &r->ahead;

    a->found = last;
    a->beyond = journal_beyond(files, last);
    if (a->beyond <= last + JOURNAL_AT_ONCE) {
        if (a->beyond > last + 1)
            osd_log(OSD_LOG_INFO,
                    "store %s: records %llu to %llu of its journal, which were being written "
                    "together, are dropped",
                    r->path, (unsigned long long)last + 1, (unsigned long long)a->beyond);
        a->beyond = 0;
    }
    if (a->beyond)
        osd_log(
            OSD_LOG_WARN,
            "store %s: its journal can be read up to record %llu; those behind, up to "
            "%llu, are dropped. After a loss of power they had not been synced, and nothing "
            "has to be done. If there was none, a disk has failed or somebody wrote there: "
            "run osdctl check, and restore what is missing",
            r->path, (unsigned long long)last, (unsigned long long)a->beyond);
}

static osd_status replay_files(struct rdb *r, const struct journal_files *files,
                               journal_visit visit, uint64_t *ret_last, char *reason,
                               size_t reason_len)
{
    uint64_t applied;
    osd_status st = get_applied(r, &applied);

    if (!st)
        st = check_begins(r, files, applied, reason, reason_len);
    if (!st)
        st = journal_replay(files, applied, visit, r, ret_last);
    if (!st)
        look_beyond(r, files, *ret_last);
    return st;
}

osd_status rdb_read_journal(const char *store, struct journal_files **ret)
{
    _cleanup_free_ char *dir = NULL;

    if (asprintf(&dir, "%s/journal", store) < 0)
        return OSD_E_NOMEM;
    return journal_read(dir, ret);
}

static osd_status replay(struct rdb *r, journal_visit visit, uint64_t *ret_last, char *reason,
                         size_t reason_len)
{
    struct journal_files *files;
    osd_status st = rdb_read_journal(r->path, &files);

    if (st)
        return st;
    st = replay_files(r, files, visit, ret_last, reason, reason_len);
    journal_files_free(files);
    return st;
}

/* The database has, it says, more records than there ever were: those to come get numbers that no client knows,
 * and none can invent one that a replay takes for the next (JOURNAL_LEAP). What lies in the files until they are
 * begun anew has lesser numbers. */
static osd_status leap(struct rdb *r)
{
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    uint32_t chance;

    osd_random(&chance, sizeof(chance));
    osd_status st = ahead_apply(r, b, r->ahead.applied + JOURNAL_LEAP + chance);
    rocksdb_writebatch_destroy(b);
    return st;
}

/* Take over what is left in the journal, and leap, durably. In this order in the database's log: what of it is
 * there after a death is what some number of records make it. */
static osd_status finish(struct rdb *r, char *reason, size_t reason_len)
{
    char *err = NULL;
    osd_status st = replay(r, replay_record, &r->ahead.applied, reason, reason_len);

    if (!st)
        st = leap(r);
    if (st)
        return st;
    rocksdb_flush_wal(r->db, 1, &err);
    return err ? rdb_error(r, err) : OSD_OK;
}

static osd_status stop_at_one(void *arg, uint64_t number, const void *data, size_t len)
{
    (void)arg;
    (void)number;
    (void)data;
    (void)len;
    return OSD_E_INTERRUPTED;
}

osd_status ahead_left(struct rdb *r, bool *ret, char *reason, size_t reason_len)
{
    uint64_t last;
    osd_status st = replay(r, stop_at_one, &last, reason, reason_len);

    *ret = st == OSD_E_INTERRUPTED;
    return *ret ? OSD_OK : st;
}

osd_status ahead_open(struct rdb *r, char *reason, size_t reason_len)
{
    _cleanup_free_ char *dir = NULL;
    struct ahead *a = &r->ahead;
    osd_status st = finish(r, reason, reason_len);

    if (st)
        return st;
    if (asprintf(&dir, "%s/journal", r->path) < 0)
        return OSD_E_NOMEM;
    st = ahead_tables_make(a);
    return st ? st : journal_open(dir, a->applied, r->cfg.journal, &a->journal);
}
