/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_salvage_mend.c - what was read of a damaged store becomes one that opens
 *
 * What the store refuses to open with is mended here: settings and records that are missing or make no
 * sense, partitions without record, maps that make no sense. What is lost is named: by listings
 * (objects without record), by records (attributes, memberships and maps that they count), and by
 * keys whose object has no record. Counters, listings and indexes are left to the store's own repair.
 * Invariants:
 *  (1) Objects stay in their partitions: one whose record is lost gets another one.
 *  (2) Where a map is lost there will be one that no checksum fits (salvage_mark()), as far as it is
 *      known where that was; otherwise everywhere that the object has no map. An object that
 *      would need too many of these is lost.
 *  (3) When anything is suspect, or lost from a map, all partitions count as sharing blocks: where two objects name one
 *      block, since one of them is older than it was, the store opens; a checksum tells them apart.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crc32c.h"
#include "rocksdb_salvage.h"

#define MARKS_MAX 262144u /* of an object: 32 GiB */
#define OWNERS    60000u  /* of a block with no checksum; fewer than blocks.c can count */

/** A partition whose record there is. */
struct seen {
    uint64_t pid, copying, copying_serial;
    bool shared;
};

struct mender {
    struct salvage *s;
    struct rdb *to;
    struct list parts;         /* struct seen, by id */
    struct store_id last;      /* whose key was looked at last */
    uint64_t *used[FILES_MAX]; /* blocks that maps name, a bit each; NULL: none of the file */
    const struct seen *part;   /* of the map that is looked at; NULL: it has no record */
    bool twice;                /* a block of that map was named before */
};

static void put(struct salvage *s, enum cf cf, const void *key, size_t key_len,
                const void *value, size_t len)
{
    rocksdb_writebatch_put_cf(s->b, s->to->cf[cf], key, key_len, value, len);
}

static void drop(struct salvage *s, enum cf cf, const void *key, size_t key_len)
{
    rocksdb_writebatch_delete_cf(s->b, s->to->cf[cf], key, key_len);
}

static bool suspicious(const struct salvage *s)
{
    bool any = s->ret->older || s->twice;

    for (int i = 0; i < CF_MAX; i++)
        any |= s->suspect[i];
    return any;
}

/* A value; NULL when there is none. */
static osd_status get(struct salvage *s, enum cf cf, const void *key, size_t key_len,
                      rocksdb_pinnableslice_t **ret)
{
    char *err = NULL;

    *ret = rocksdb_get_pinned_cf(s->to->db, s->to->ro, s->to->cf[cf], key, key_len, &err);
    return err ? rdb_error(s->to, err) : OSD_OK;
}

static osd_status has(struct salvage *s, enum cf cf, const void *key, size_t key_len, bool *ret)
{
    rocksdb_pinnableslice_t *v;
    osd_status st = get(s, cf, key, key_len, &v);

    *ret = v;
    if (v)
        rocksdb_pinnableslice_destroy(v);
    return st;
}

static osd_status has_record(struct salvage *s, struct store_id id, bool *ret)
{
    uint8_t key[OBJECT_KEY_LEN];

    key_object(key, id);
    return has(s, CF_OBJECTS, key, sizeof(key), ret);
}

/** A key that is walked over. */
struct entry {
    const uint8_t *key, *value;
    size_t key_len, len;
};

/* Every key of a family that begins so; the walk sees what is in the database when it begins, and
 * what it puts is written as it goes. */
static osd_status each(struct mender *m, enum cf cf, const void *prefix, size_t prefix_len,
                       osd_status (*visit)(struct mender *m, const struct entry *e, void *arg),
                       void *arg)
{
    struct rdb *r = m->to;
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, r->ro_all, r->cf[cf]);
    osd_status st = OSD_OK;

    for (rocksdb_iter_seek(it, prefix, prefix_len); !st && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        struct entry e;
        e.key = (const uint8_t *)rocksdb_iter_key(it, &e.key_len);
        e.value = (const uint8_t *)rocksdb_iter_value(it, &e.len);
        if (e.key_len < prefix_len || memcmp(e.key, prefix, prefix_len) != 0)
            break;
        if (salvage_key_whole(cf, e.key_len))
            st = visit(m, &e, arg);
        else /* the journal's */
            drop(m->s, cf, e.key, e.key_len);
        if (!st)
            st = salvage_write(m->s, false);
    }
    return rdb_iterated(r, it, st);
}

static osd_status each_of(struct mender *m, enum cf cf, struct store_id id,
                          osd_status (*visit)(struct mender *m, const struct entry *e,
                                              void *arg),
                          void *arg)
{
    uint8_t prefix[OBJECT_KEY_LEN];

    key_object(prefix, id);
    return each(m, cf, prefix, sizeof(prefix), visit, arg);
}

/* ---- settings, outcomes of commands ---- */

/* NOT_FOUND: it is lost. */
static osd_status check_version(struct salvage *s)
{
    rocksdb_pinnableslice_t *v;
    osd_status st = get(s, CF_DEFAULT, "format", 6, &v);
    size_t len;

    if (st || !v)
        return st ? st : OSD_E_NOT_FOUND;
    const char *have = rocksdb_pinnableslice_value(v, &len);
    uint32_t version = len == 4 ? be32_get((const uint8_t *)have) : 0;
    rocksdb_pinnableslice_destroy(v);
    if (version >= FORMAT_OLD && version <= FORMAT_INDEXED)
        return OSD_OK;
    snprintf(s->reason, s->reason_len,
             "store %s has format version %u, this program knows %u: use the liosd it is of",
             s->source, version, FORMAT_INDEXED);
    return OSD_E_VERSION;
}

static osd_status mend_settings(struct salvage *s)
{
    uint8_t format[4], capacity[8] = {0};
    bool there;
    osd_status st = check_version(s);

    if (st == OSD_E_NOT_FOUND) {
        be32_put(format, FORMAT_INDEXED);
        put(s, CF_DEFAULT, "format", 6, format, sizeof(format));
        s->suspect[CF_DEFAULT] = true;
        st = OSD_OK;
    }
    if (!st)
        st = has(s, CF_DEFAULT, "capacity", 8, &there);
    if (st || there)
        return st;
    put(s, CF_DEFAULT, "capacity", 8, capacity, sizeof(capacity));
    salvage_harmed(s, (struct store_id){0, 0}, "the capacity of the store is lost: no limit");
    s->suspect[CF_DEFAULT] = true;
    return OSD_OK;
}

static void pass(void *arg, const struct outcome *o)
{
    (void)arg;
    (void)o;
}

static osd_status mend_outcome(struct mender *m, const struct entry *e, void *arg)
{
    if (outcomes_decode(e->key, e->value, e->len, pass, arg))
        return OSD_OK;
    drop(m->s, CF_RECORDS, e->key, e->key_len);
    m->s->suspect[CF_RECORDS] = true;
    return OSD_OK;
}

/* ---- memberships ---- */

/* Either side tells of the other. */
static osd_status put_mirror(struct mender *m, const struct entry *e, void *arg)
{
    uint8_t mirror[EXTENT_KEY_LEN];

    (void)arg;
    key_extent(mirror, (struct store_id){be64_get(e->key), be64_get(e->key + 16)},
               be64_get(e->key + 8));
    put(m->s, CF_MEMBERS, mirror, sizeof(mirror), "", 0);
    return OSD_OK;
}

/* ---- records ---- */

static const struct seen *find_part(const struct mender *m, uint64_t pid)
{
    const struct seen *v = m->parts.v;

    for (size_t from = 0, to = m->parts.n; from < to;) {
        size_t middle = (from + to) / 2;
        if (v[middle].pid == pid)
            return &v[middle];
        if (v[middle].pid < pid)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static void greatest(uint64_t *serial, uint64_t other)
{
    if (other > *serial)
        *serial = other;
}

static osd_status see_part(struct mender *m, const struct record *rec)
{
    struct seen *p = list_add(&m->parts, sizeof(*p));

    m->part = NULL; /* the list may be elsewhere now */
    if (!p)
        return OSD_E_NOMEM;
    *p = (struct seen){rec->id.pid, rec->copying, rec->copying_serial, rec->shared};
    greatest(&m->s->serial, rec->serial);
    greatest(&m->s->serial, rec->copying_serial);
    greatest(&m->s->serial, rec->meta.identity);
    greatest(&m->s->serial, rec->meta.source_identity);
    return OSD_OK;
}

static osd_status see_run(void *arg, uint64_t first, uint32_t count)
{
    struct mender *m = arg;
    uint64_t file = first / BLOCKS_PER_FILE, **map;

    if (file >= FILES_MAX - 1)
        return OSD_E_CORRUPT;
    greatest(&m->s->n_files, file + 1);
    map = &m->used[file];
    if (!*map)
        *map = calloc(BLOCKS_PER_FILE / 64, sizeof(**map));
    if (!*map)
        return OSD_E_NOMEM;
    for (uint64_t i = first % BLOCKS_PER_FILE; count-- > 0; i++) {
        uint64_t bit = 1ULL << i % 64;
        m->twice |= ((*map)[i / 64] & bit) && (!m->part || !m->part->shared);
        (*map)[i / 64] |= bit;
    }
    return OSD_OK;
}

/* The blocks of an object's map, or a piece of it. */
static osd_status see_blocks(struct mender *m, struct store_id id, const void *map, size_t len)
{
    if (!m->part || m->part->pid != id.pid)
        m->part = find_part(m, id.pid);
    m->twice = false;
    osd_status st = chunk_runs(map, len, see_run, m);
    if (!st && m->twice) {
        m->s->twice = true;
        salvage_harmed(m->s, id, "its data lies where data of another object does");
    }
    return st;
}

static osd_status lose_chunks(struct salvage *s, const struct record *rec, uint64_t first,
                              uint64_t last)
{
    struct lost_chunks *l = list_add(&s->chunks, sizeof(*l));

    if (!l)
        return OSD_E_NOMEM;
    *l = (struct lost_chunks){rec->id, rec->meta.length, first, last};
    return OSD_OK;
}

/* An object whose record can be decoded, but perhaps not the map in it. */
static osd_status see_object(struct mender *m, struct object *o)
{
    uint8_t key[OBJECT_KEY_LEN], value[OBJECT_MAX];
    osd_status st = o->body_len ? see_blocks(m, o->rec.id, o->body, o->body_len) : OSD_OK;

    if (st != OSD_E_CORRUPT)
        return st;
    o->body_len = 0;
    key_object(key, o->rec.id);
    put(m->s, CF_OBJECTS, key, sizeof(key), value, object_encode(o, value));
    salvage_harmed(m->s, o->rec.id, "the map of its first 128 KiB makes no sense");
    return lose_chunks(m->s, &o->rec, 0, 0);
}

/* Every record: those that make no sense go, as if they could not have been read. */
static osd_status see_record(struct mender *m, const struct entry *e, void *arg)
{
    struct store_id id = {be64_get(e->key), be64_get(e->key + 8)};
    struct object *o = arg;
    osd_status st = id.oid ? object_decode(e->value, e->len, id, o)
                           : record_decode(e->value, e->len, id, &o->rec);
    enum store_kind kind = id.pid ? STORE_PARTITION : STORE_ROOT;

    if (!st && (id.oid ? id.pid == 0 || o->rec.meta.kind < STORE_COLLECTION
                       : o->rec.meta.kind != kind))
        st = OSD_E_CORRUPT;
    if (st == OSD_E_CORRUPT) {
        drop(m->s, CF_OBJECTS, e->key, e->key_len);
        m->s->suspect[CF_OBJECTS] = true;
        return id.oid ? salvage_lost(m->s, id) : OSD_OK;
    }
    if (st)
        return st;
    return id.oid ? see_object(m, o) : see_part(m, &o->rec);
}

/* ---- who is lost ---- */

/* Whose key it is has no record: a partition gets one, anything else is lost. */
static osd_status expect(struct mender *m, struct list *parts, struct store_id id)
{
    bool there = find_part(m, id.pid);
    osd_status st = OSD_OK;

    if (!there) {
        struct store_id *p = list_add(parts, sizeof(*p));
        if (!p)
            return OSD_E_NOMEM;
        *p = (struct store_id){id.pid, 0};
    }
    if (id.oid == 0)
        return OSD_OK;
    st = has_record(m->s, id, &there);
    return st || there ? st : salvage_lost(m->s, id);
}

static bool is_copying(const struct mender *m, uint64_t pid)
{
    const struct seen *p = find_part(m, pid);

    return p && p->copying;
}

/* Keys that begin with the object's id, one after another. */
static osd_status expect_owner(struct mender *m, const struct entry *e, void *arg)
{
    struct store_id id = {be64_get(e->key), be64_get(e->key + 8)};

    if (id.pid == m->last.pid && id.oid == m->last.oid)
        return OSD_OK;
    m->last = id;
    return is_copying(m, id.pid) ? OSD_OK : expect(m, arg, id); /* a copy that was cut off */
}

static osd_status expect_listed(struct mender *m, const struct entry *e, void *arg)
{
    uint64_t pid = be64_get(e->key), number = be64_get(e->key + 9);
    struct store_id id = {pid ? pid : number, pid ? number : 0};
    uint8_t gone[LISTED_KEY_LEN];
    size_t lost = m->s->lost.n;

    if (e->key_len != LISTED_KEY_LEN || key_is_marker(e->key) || index_key(e->key))
        return OSD_OK;
    osd_status st = expect(m, arg, id);
    if (!st && m->s->lost.n > lost && is_copying(m, pid)) { /* what it would get may be newer */
        key_gone(gone, id);
        put(m->s, CF_IDS, gone, sizeof(gone), "", 0);
    }
    return st;
}

static osd_status count_one(struct mender *m, const struct entry *e, void *arg)
{
    uint64_t *n = arg;

    (void)m;
    n[0]++;
    n[1] += e->len + ATTR_OVERHEAD;
    return OSD_OK;
}

/* The serial number that a partition had of which others are being made. */
static uint64_t serial_for(struct mender *m, uint64_t pid)
{
    const struct seen *v = m->parts.v;

    for (size_t i = 0; i < m->parts.n; i++)
        if (v[i].copying == pid && v[i].copying_serial)
            return v[i].copying_serial;
    return ++m->s->serial;
}

/* A record for a partition, or the root, that has lost its own. */
static osd_status make_part(struct mender *m, uint64_t pid)
{
    const struct osd_clock *clock = m->s->what->clock;
    struct record rec = {
        .id = {pid, 0},
        .meta = store_root_defaults(osd_clock_now(clock ? clock : &osd_clock_system))};
    uint8_t key[OBJECT_KEY_LEN], value[PART_LEN];
    uint64_t attrs[2] = {0, 0};
    osd_status st = each_of(m, CF_ATTRS, rec.id, count_one, attrs);

    if (st)
        return st;
    rec.outside = (uint32_t)attrs[0];
    rec.attr_bytes = rec.meta.used = attrs[1];
    if (pid) {
        rec.meta.kind = STORE_PARTITION;
        rec.serial = rec.meta.identity = serial_for(m, pid);
        rec.shared = true;
    }
    key_object(key, rec.id);
    put(m->s, CF_OBJECTS, key, sizeof(key), value, part_encode(&rec, value));
    salvage_harmed(m->s, rec.id,
                   "its own record is lost: timestamps, quotas and whether it was a snapshot "
                   "are no longer known");
    return salvage_distrust(m->s, pid, true);
}

static int by_id(const void *a, const void *b)
{
    const struct store_id *x = a, *y = b;

    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return x->oid < y->oid ? -1 : x->oid > y->oid;
}

void salvage_unique(struct list *l)
{
    struct store_id *v = l->v;
    size_t n = 0;

    if (l->n > 1)
        qsort(v, l->n, sizeof(*v), by_id);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || by_id(&v[n - 1], &v[i]) != 0)
            v[n++] = v[i];
    l->n = n;
}

static osd_status make_parts(struct mender *m, struct list *parts)
{
    const struct store_id *v = parts->v;
    osd_status st = OSD_OK;

    salvage_unique(parts);
    for (size_t i = 0; i < parts->n && !st; i++)
        st = make_part(m, v[i].pid);
    return st ? st : salvage_write(m->s, true);
}

/* Objects and partitions that listings and other keys know and that have no record. */
static osd_status mend_records(struct mender *m)
{
    static const enum cf owned[] = {CF_ATTRS, CF_EXTENTS, CF_MEMBERS, CF_OBJECTS};
    struct list parts = {0};
    osd_status st = expect(m, &parts, (struct store_id){0, 0});

    if (!st)
        st = each(m, CF_IDS, "", 0, expect_listed, &parts);
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]) && !st; i++) {
        m->last = (struct store_id){0, 0};
        st = each(m, owned[i], "", 0, expect_owner, &parts);
    }
    if (!st)
        st = make_parts(m, &parts);
    free(parts.v);
    return st;
}

/* ---- maps ---- */

static osd_status see_map(struct mender *m, const struct entry *e, void *arg)
{
    struct store_id id = {be64_get(e->key), be64_get(e->key + 8)};
    osd_status st = see_blocks(m, id, e->value, e->len);

    (void)arg;
    if (st != OSD_E_CORRUPT)
        return st;
    struct lost_keys *l = list_add(&m->s->keys, sizeof(*l));
    if (!l)
        return OSD_E_NOMEM;
    *l = (struct lost_keys){.cf = CF_EXTENTS};
    key_extent(l->from, id, be64_get(e->key + 16) - 1);
    memcpy(l->to, e->key, e->key_len);
    drop(m->s, CF_EXTENTS, e->key, e->key_len);
    m->s->suspect[CF_EXTENTS] = true;
    return OSD_OK;
}

/** The gaps between the chunks of an object. */
struct gaps {
    const struct record *rec;
    bool anywhere;       /* where chunks were lost is not known */
    uint64_t next, lost; /* first chunk behind those that were looked at; chunks lost so far */
};

/* Chunks first..last are not there: which of them were, perhaps. */
static osd_status lose_gap(struct salvage *s, struct gaps *g, uint64_t first, uint64_t last)
{
    const struct lost_keys *v = s->keys.v;
    uint8_t low[KEY_ROOM] = {0}, high[KEY_ROOM] = {0};
    osd_status st = OSD_OK;

    if (first > last)
        return OSD_OK;
    if (g->anywhere) {
        g->lost += last - first + 1;
        return lose_chunks(s, g->rec, first, last);
    }
    key_extent(low, g->rec->id, first);
    key_extent(high, g->rec->id, last);
    for (size_t i = 0; i < s->keys.n && !st; i++) {
        if (v[i].cf != CF_EXTENTS || memcmp(v[i].to, low, KEY_ROOM) < 0 ||
            memcmp(v[i].from, high, KEY_ROOM) >= 0)
            continue;
        bool from = memcmp(v[i].from, low, KEY_ROOM) >= 0;
        bool to = memcmp(v[i].to, high, KEY_ROOM) <= 0;
        uint64_t a = from ? be64_get(v[i].from + 16) + 1 : first;
        uint64_t b = to ? be64_get(v[i].to + 16) : last;
        g->lost += b - a + 1;
        st = lose_chunks(s, g->rec, a, b);
    }
    return st;
}

static osd_status see_gap(struct mender *m, const struct entry *e, void *arg)
{
    struct gaps *g = arg;
    uint64_t number = be64_get(e->key + 16);
    osd_status st = lose_gap(m->s, g, g->next, number - 1);

    g->next = number + 1;
    return st;
}

static osd_status find_gaps(struct mender *m, struct gaps *g)
{
    uint64_t length = g->rec->meta.length, last = length ? (length - 1) / CHUNK_BYTES : 0;
    osd_status st;

    g->next = 1;
    g->lost = 0;
    st = each_of(m, CF_EXTENTS, g->rec->id, see_gap, g);
    return st ? st : lose_gap(m->s, g, g->next, last);
}

/* An object that lacks `missing` of its chunks. */
static osd_status mend_map(struct mender *m, const struct record *rec, uint64_t missing)
{
    struct gaps g = {.rec = rec};
    size_t before = m->s->chunks.n;
    uint8_t key[OBJECT_KEY_LEN];
    osd_status st = find_gaps(m, &g);

    if (!st && g.lost < missing) {
        m->s->chunks.n = before;
        g.anywhere = true;
        st = find_gaps(m, &g);
    }
    if (st)
        return st;
    if (g.lost > MARKS_MAX) {
        m->s->chunks.n = before;
        key_object(key, rec->id);
        drop(m->s, CF_OBJECTS, key, sizeof(key));
        return salvage_lost(m->s, rec->id);
    }
    salvage_harmed(m->s, rec->id,
                   "%" PRIu64 " pieces of its map, of 128 KiB each, are lost, among %" PRIu64
                   " that now cannot be read",
                   missing, g.lost);
    return OSD_OK;
}

/* ---- what records count ---- */

static osd_status count_of(struct mender *m, enum cf cf, struct store_id id, uint64_t *ret)
{
    uint64_t n[2] = {0, 0};
    osd_status st = each_of(m, cf, id, count_one, n);

    *ret = n[0];
    return st;
}

static osd_status check_attrs(struct mender *m, const struct record *rec)
{
    uint64_t n;
    osd_status st = count_of(m, CF_ATTRS, rec->id, &n);

    if (st || n >= rec->outside)
        return st;
    salvage_harmed(m->s, rec->id, "%" PRIu64 " attributes are lost", rec->outside - n);
    return salvage_distrust(m->s, rec->id.pid, rec->id.oid == 0);
}

static osd_status check_members(struct mender *m, const struct record *rec)
{
    uint64_t n;
    osd_status st = count_of(m, CF_MEMBERS, rec->id, &n);

    if (!st && rec->meta.kind == STORE_USER && n < rec->members)
        salvage_harmed(m->s, rec->id, "%" PRIu64 " memberships are lost", rec->members - n);
    return st;
}

static osd_status check_map(struct mender *m, const struct record *rec)
{
    uint64_t n;
    osd_status st = count_of(m, CF_EXTENTS, rec->id, &n);

    return st || n >= rec->chunks ? st : mend_map(m, rec, rec->chunks - n);
}

static osd_status share_part(struct mender *m, uint64_t pid)
{
    uint8_t key[OBJECT_KEY_LEN], value[PART_LEN];
    rocksdb_pinnableslice_t *v;
    struct record rec;
    size_t len;

    key_object(key, (struct store_id){pid, 0});
    osd_status st = get(m->s, CF_OBJECTS, key, sizeof(key), &v);
    if (st || !v)
        return st;
    const char *have = rocksdb_pinnableslice_value(v, &len);
    st = record_decode(have, len, (struct store_id){pid, 0}, &rec);
    rocksdb_pinnableslice_destroy(v);
    if (st)
        return st;
    rec.shared = true;
    put(m->s, CF_OBJECTS, key, sizeof(key), value, part_encode(&rec, value));
    return salvage_write(m->s, false);
}

/* Those that had a record; the others are made so. */
static osd_status share_all(struct mender *m)
{
    const struct seen *v = m->parts.v;
    osd_status st = OSD_OK;

    for (size_t i = 0; i < m->parts.n && !st; i++)
        if (v[i].pid)
            st = share_part(m, v[i].pid);
    return st;
}

static osd_status check_record(struct mender *m, const struct entry *e, void *arg)
{
    uint8_t listed[LISTED_KEY_LEN];
    struct record rec;
    osd_status st = record_decode(
        e->value, e->len, (struct store_id){be64_get(e->key), be64_get(e->key + 8)}, &rec);

    (void)arg;
    if (!st)
        st = check_attrs(m, &rec);
    if (!st && rec.id.oid)
        st = check_members(m, &rec);
    if (!st && rec.id.oid)
        st = check_map(m, &rec);
    if (!st && rec.id.pid && m->s->suspect[CF_IDS]) {
        key_listed(listed, rec.id, rec.meta.kind);
        put(m->s, CF_IDS, listed, sizeof(listed), "", 0);
    }
    return st;
}

/* ---- partitions that were being made from others ---- */

/* What is lost in a partition others lack that did not have it yet. */
static osd_status lose_copies(struct mender *m)
{
    const struct seen *p = m->parts.v;
    size_t n = m->s->lost.n;
    osd_status st = OSD_OK;

    for (size_t i = 0; i < m->parts.n && !st; i++)
        for (size_t k = 0; p[i].copying && k < n && !st; k++) {
            struct store_id id = ((const struct store_id *)m->s->lost.v)[k];
            bool there = true;
            if (id.pid != p[i].copying)
                continue;
            id.pid = p[i].pid;
            st = has_record(m->s, id, &there);
            if (!st && !there)
                st = salvage_lost(m->s, id);
        }
    return st;
}

/* ---- all of it ---- */

static osd_status mend(struct mender *m)
{
    struct salvage *s = m->s;
    struct object *o = malloc(sizeof(*o));
    osd_status st = o ? mend_settings(s) : OSD_E_NOMEM;

    if (!st)
        st = each(m, CF_RECORDS, "", 0, mend_outcome, NULL);
    if (!st)
        st = each(m, CF_MEMBERS, "", 0, put_mirror, NULL);
    if (!st)
        st = each(m, CF_OBJECTS, "", 0, see_record, o);
    if (!st)
        st = each(m, CF_EXTENTS, "", 0, see_map, NULL);
    free(o);
    if (!st)
        st = salvage_write(s, true);
    if (!st)
        st = mend_records(m);
    if (!st)
        st = each(m, CF_OBJECTS, "", 0, check_record, NULL);
    if (!st && (suspicious(s) || s->chunks.n > 0))
        st = share_all(m);
    if (!st)
        st = salvage_write(s, true);
    return st ? st : lose_copies(m);
}

osd_status salvage_mend(struct salvage *s)
{
    struct mender *m = calloc(1, sizeof(*m));

    if (!m)
        return OSD_E_NOMEM;
    m->s = s;
    m->to = s->to;
    osd_status st = mend(m);
    for (size_t i = 0; i < FILES_MAX; i++)
        free(m->used[i]);
    free(m->parts.v);
    free(m);
    if (!st && (s->ret->older || s->suspect[CF_DEFAULT] || s->suspect[CF_RECORDS]))
        st = salvage_distrust(s, 0, false);
    return st;
}

/* ---- marks ---- */

/* A map in which every block up to the object's length is one with another checksum. */
static size_t make_mark(const struct lost_chunks *l, uint64_t number, uint64_t block,
                        uint8_t dst[BODY_MAX])
{
    static const uint8_t zeros[STORE_BLOCK];
    uint32_t crc = ~osd_crc32c(0, zeros, sizeof(zeros));
    uint64_t blocks = (l->length + STORE_BLOCK - 1) / STORE_BLOCK;
    struct chunk c;

    chunk_init(&c, number);
    for (uint32_t i = 0; i < CHUNK && number * CHUNK + i < blocks; i++) {
        c.block[i] = block;
        c.crc[i] = crc;
        c.mapped++;
    }
    return chunk_encode(&c, dst);
}

static osd_status put_first(struct salvage *s, struct store_id id, const uint8_t *mark,
                            size_t len)
{
    uint8_t key[OBJECT_KEY_LEN], value[OBJECT_MAX];
    struct object *o = malloc(sizeof(*o));
    rocksdb_pinnableslice_t *v = NULL;
    size_t have;

    key_object(key, id);
    osd_status st = o ? get(s, CF_OBJECTS, key, sizeof(key), &v) : OSD_E_NOMEM;
    if (!st && v) {
        const char *p = rocksdb_pinnableslice_value(v, &have);
        st = object_decode(p, have, id, o);
        if (!st) {
            memcpy(o->body, mark, len);
            o->body_len = (uint16_t)len;
            put(s, CF_OBJECTS, key, sizeof(key), value, object_encode(o, value));
        }
    }
    if (v)
        rocksdb_pinnableslice_destroy(v);
    free(o);
    return st;
}

static osd_status put_mark(struct salvage *s, const struct lost_chunks *l, uint64_t number,
                           uint64_t block)
{
    uint8_t key[EXTENT_KEY_LEN], mark[BODY_MAX];
    size_t len = make_mark(l, number, block, mark);

    if (len == 0)
        return OSD_OK;
    if (number == 0)
        return put_first(s, l->id, mark, len);
    key_extent(key, l->id, number);
    put(s, CF_EXTENTS, key, sizeof(key), mark, len);
    return salvage_write(s, false);
}

uint64_t salvage_marks(const struct salvage *s)
{
    const struct lost_chunks *v = s->chunks.v;
    uint64_t n = 0;

    for (size_t i = 0; i < s->chunks.n; i++)
        n += v[i].last - v[i].first + 1;
    return n ? n * CHUNK / OWNERS + 1 : 0;
}

osd_status salvage_mark(struct salvage *s, uint64_t bad)
{
    const struct lost_chunks *v = s->chunks.v;
    uint64_t n = 0;
    osd_status st = OSD_OK;

    for (size_t i = 0; i < s->chunks.n; i++)
        for (uint64_t k = v[i].first; k <= v[i].last && !st; k++, n += CHUNK)
            st = put_mark(s, &v[i], k, bad + n / OWNERS);
    return st ? st : salvage_write(s, true);
}
