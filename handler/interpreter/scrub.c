/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/scrub.c - see scrub.h
 *
 * A pass looks at the root, then at each partition: at itself, its user objects, its collections.
 * All attributes, lists of members and bytes of an object are read; what is damaged goes on record
 * as by a READ that meets it (recovery.c), what is not any more comes off it.
 * Invariants:
 *  (1) No transaction reads more than PIECE bytes of data, or about as much of attributes, and none
 *      is open while the thread sleeps: a command waits for one piece at most.
 *  (2) Over time no more than `rate` bytes a second are read; every object counts as LEAST at
 *      least, and what was not used of the rate is not made up for.
 *  (3) The place is a setting of the store, written every SAVE_MS and at the end: what is behind it
 *      was read in this pass. After a crash some is read again, nothing is left out.
 */
#include "scrub.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/bytes.h"
#include "common/cond.h"
#include "common/log.h"
#include "device.h"
#include "recovery.h"

#define SETTING   "interpreter.scrub"
#define VERSION   1
#define PLACE_LEN (3 + 9 * 8)
#define PIECE     (256 * KIB)
#define LEAST     4096u    /* an object or a look into its map */
#define A_FEW     256u     /* when all that is read is one attribute */
#define SAVE_MS   30000u   /* between two settings of the place */
#define LOOK_MS   1000u    /* whether the next pass is due */
#define REST_MS   60000u   /* after a failure */
#define TELL_MS   3600000u /* between two lines in the log about passes that follow each other */
#define NS_PER_MS 1000000u
#define MEMBERS   256u

/** What of a partition (or the root) is being looked at. */
enum scrub_stage { STAGE_ITSELF, STAGE_USERS, STAGE_COLLECTIONS };

/** How far a pass has come: everything in front of object oid was looked at, and of that object
 *  the bytes in front of off. */
struct place {
    uint8_t stage, bits; /* bits: damage of that object so far */
    uint64_t pid, oid, off;
    uint64_t since;        /* when that object was begun; 0: it was not */
    uint64_t begun, ended; /* as in struct scrub */
    uint64_t bytes, objects, found;
};

/** A thread at work. */
struct work {
    struct osd_device *dev;
    struct scrub *s;
    struct place at;
    uint64_t due_ns, saved_ms;
    uint64_t told_ms; /* 0: never */
    uint8_t *piece;
};

/* ---- the place ---- */

static void place_put(const struct place *p, uint8_t raw[PLACE_LEN])
{
    const uint64_t words[9] = {p->pid,   p->oid,   p->off,     p->since, p->begun,
                               p->ended, p->bytes, p->objects, p->found};

    raw[0] = VERSION;
    raw[1] = p->stage;
    raw[2] = p->bits;
    for (size_t i = 0; i < 9; i++)
        be64_put(raw + 3 + 8 * i, words[i]);
}

/* One that this program did not write is as good as none: a pass begins. */
static void place_get(const uint8_t raw[PLACE_LEN], size_t len, struct place *p)
{
    uint64_t *const words[9] = {&p->pid,   &p->oid,   &p->off,     &p->since, &p->begun,
                                &p->ended, &p->bytes, &p->objects, &p->found};

    *p = (struct place){0};
    if (len != PLACE_LEN || raw[0] != VERSION || raw[1] > STAGE_COLLECTIONS)
        return;
    p->stage = raw[1];
    p->bits = raw[2];
    for (size_t i = 0; i < 9; i++)
        *words[i] = be64_get(raw + 3 + 8 * i);
}

static void show(const struct work *w)
{
    atomic_store(&w->s->begun, w->at.begun);
    atomic_store(&w->s->bytes, w->at.bytes);
    atomic_store(&w->s->objects, w->at.objects);
    atomic_store(&w->s->found, w->at.found);
    atomic_store(&w->s->ended, w->at.ended);
}

static void save(struct work *w)
{
    struct osd_store *store = w->dev->store;
    uint8_t raw[PLACE_LEN];

    place_put(&w->at, raw);
    store->ops->put_setting(store, SETTING, raw, sizeof(raw)); /* if not, more is read again */
    w->saved_ms = osd_monotonic_ms();
}

static void load(struct work *w)
{
    struct osd_store *store = w->dev->store;
    uint8_t raw[PLACE_LEN];
    size_t len = 0;

    if (store->ops->get_setting(store, SETTING, raw, sizeof(raw), &len))
        len = 0;
    place_get(raw, len, &w->at);
    show(w);
}

/* ---- the rate ---- */

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

/* Sleep until then, or until the end; OSD_E_INTERRUPTED. */
static osd_status sleep_until(struct scrub *s, uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / (1000ULL * NS_PER_MS)),
                          .tv_nsec = (long)(ns % (1000ULL * NS_PER_MS))};
    int rc = 0;

    pthread_mutex_lock(&s->mutex);
    while (!atomic_load(&s->stop) && rc == 0)
        rc = pthread_cond_timedwait(&s->bell, &s->mutex, &ts);
    pthread_mutex_unlock(&s->mutex);
    return atomic_load(&s->stop) ? OSD_E_INTERRUPTED : OSD_OK;
}

static osd_status sleep_ms(struct scrub *s, uint64_t ms)
{
    return sleep_until(s, now_ns() + ms * NS_PER_MS);
}

/* Between two transactions: pay for what was read. OSD_E_INTERRUPTED at the end. */
static osd_status pay(struct work *w, uint64_t bytes)
{
    uint64_t now = now_ns();

    if (w->due_ns < now)
        w->due_ns = now;
    w->due_ns += bytes * 1000 * NS_PER_MS / w->s->rate;
    show(w);
    if (osd_monotonic_ms() - w->saved_ms >= SAVE_MS)
        save(w);
    if (w->due_ns - now >= NS_PER_MS)
        return sleep_until(w->s, w->due_ns);
    return atomic_load(&w->s->stop) ? OSD_E_INTERRUPTED : OSD_OK;
}

/* ---- one object ---- */

/* What is in memory says nothing about what is on the disk. */
static osd_status begin(struct work *w, struct store_id id, struct store_txn **ret)
{
    osd_status st = w->dev->store->ops->begin(w->dev->store, id, STORE_SHARED, ret);

    if (!st)
        (*ret)->past_memory = true;
    return st;
}

/* Damage goes on record; anything else goes on up. */
static osd_status judge(struct work *w, struct store_id id, osd_status st, uint8_t bit)
{
    if (st != OSD_E_CORRUPT)
        return st;
    w->at.found += w->at.bits == 0;
    w->at.bits |= bit;
    damage_found(w->dev, id, bit, device_now(w->dev));
    return OSD_OK;
}

/** A part of an object's attributes. */
struct part {
    uint32_t page, number; /* from where on */
    uint64_t bytes;
    bool more;
};

/* One attribute more than fits is the first of the next part. */
static bool count_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                       uint32_t len)
{
    struct part *p = arg;

    (void)value;
    p->more = p->bytes >= PIECE;
    p->page = page;
    p->number = number;
    p->bytes += p->more ? 0 : A_FEW + len;
    return !p->more;
}

static osd_status read_attrs_part(struct work *w, struct store_id id, struct part *p,
                                  struct store_meta *ret)
{
    const struct store_ops *ops = w->dev->store->ops;
    struct store_txn *t;
    osd_status st = begin(w, id, &t);

    p->bytes = 0;
    p->more = false;
    if (st)
        return st;
    st = ops->get_meta(t, id, ret);
    if (st == OSD_OK)
        st = ops->each_attr(t, id, p->page, p->number, count_attr, p);
    ops->abort(t);
    return st;
}

static osd_status look_at_attrs(struct work *w, struct store_id id, struct store_meta *ret)
{
    struct part p = {0};
    osd_status st;

    do {
        st = read_attrs_part(w, id, &p, ret);
        w->at.bytes += p.bytes;
        if (st == OSD_E_CORRUPT)
            return judge(w, id, st, DAMAGED_ATTRS);
        if (st == OSD_OK)
            st = pay(w, p.bytes > LEAST ? p.bytes : LEAST);
    } while (st == OSD_OK && p.more);
    return st;
}

/* The next run of data or of nothing; *ret_read what was read of it. PAST_END at the end. */
static osd_status read_piece(struct work *w, struct store_id id, uint64_t *ret_read)
{
    const struct store_ops *ops = w->dev->store->ops;
    struct iovec v = {.iov_base = w->piece, .iov_len = PIECE};
    enum store_extent kind = STORE_HOLE;
    struct store_txn *t;
    uint64_t len = 0;
    osd_status st = begin(w, id, &t);

    *ret_read = 0;
    if (st)
        return st;
    st = ops->seek(t, id, w->at.off, &kind, &len);
    if (st == OSD_OK && (len == 0 || kind == STORE_DAMAGED))
        st = OSD_E_CORRUPT;
    if (st == OSD_OK && kind == STORE_DATA) {
        len = len < PIECE ? len : PIECE;
        v.iov_len = *ret_read = len;
        struct osd_iov iov = osd_iov_make(&v, 1);
        st = ops->read(t, id, w->at.off, len, &iov, 0);
    }
    ops->abort(t);
    if (st == OSD_OK)
        w->at.off += len;
    return st;
}

/* Up to the first damage: the object is on record then. */
static osd_status look_at_data(struct work *w, struct store_id id)
{
    uint64_t n;
    osd_status st;

    do {
        st = read_piece(w, id, &n);
        w->at.bytes += n;
        if (st == OSD_E_CORRUPT)
            return judge(w, id, st, DAMAGED_DATA);
        if (st == OSD_OK)
            st = pay(w, n > LEAST ? n : LEAST);
    } while (st == OSD_OK);
    return st == OSD_E_PAST_END ? OSD_OK : st;
}

static osd_status read_members(struct work *w, struct store_id id, uint64_t *next)
{
    const struct store_ops *ops = w->dev->store->ops;
    uint64_t ids[MEMBERS];
    struct store_txn *t;
    size_t n;
    osd_status st = begin(w, id, &t);

    if (st)
        return st;
    st = ops->members(t, id, *next, ids, MEMBERS, &n, next);
    ops->abort(t);
    return st;
}

static osd_status look_at_members(struct work *w, struct store_id id)
{
    uint64_t next = 0;
    osd_status st;

    do {
        st = read_members(w, id, &next);
        if (st == OSD_E_CORRUPT)
            return judge(w, id, st, DAMAGED_DATA);
        if (st == OSD_OK)
            st = pay(w, LEAST);
    } while (st == OSD_OK && next);
    return st;
}

static osd_status look(struct work *w, struct store_id id)
{
    struct store_meta m = {0};
    osd_status st = look_at_attrs(w, id, &m);

    if (st || m.kind == 0)
        return st;
    if (m.kind == STORE_USER && !(w->at.bits & DAMAGED_DATA))
        return look_at_data(w, id);
    return m.kind == STORE_COLLECTION ? look_at_members(w, id) : OSD_OK;
}

/* What is on record and was not found comes off it. */
static osd_status settle(struct work *w, struct store_id id)
{
    const struct store_ops *ops = w->dev->store->ops;
    struct store_meta m;
    struct store_txn *t;
    uint8_t on_record = 0;
    osd_status st = begin(w, id, &t);

    if (st)
        return st;
    st = ops->get_meta(t, id, &m);
    if (st == OSD_OK)
        st = damage_on_record(t, id, m.kind, &on_record);
    ops->abort(t);
    if (st == OSD_OK && on_record & ~w->at.bits)
        st = damage_healed(w->dev, id, w->at.bits, w->at.since);
    return st == OSD_E_CORRUPT && w->at.bits & DAMAGED_ATTRS ? OSD_OK : st;
}

/* An object_visit; what was removed meanwhile is no matter. */
static osd_status scrub_object(struct osd_device *dev, struct store_id id, void *arg)
{
    struct work *w = arg;
    osd_status st;

    if (w->at.since == 0 || w->at.oid != id.oid) {
        w->at.oid = id.oid;
        w->at.off = w->at.bits = 0;
        w->at.since = device_now(dev);
    }
    st = look(w, id);
    if (st == OSD_OK)
        st = settle(w, id);
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    w->at.oid = id.oid + 1;
    w->at.since = 0;
    w->at.objects++;
    return OSD_OK;
}

/* ---- a pass ---- */

static osd_status pay_a_little(struct osd_device *dev, struct store_id id, void *arg)
{
    (void)dev;
    (void)id;
    return pay(arg, A_FEW);
}

/* Where a list is damaged, the totals stay as they are. */
static osd_status recount(struct work *w, uint64_t pid)
{
    osd_status st = damage_recount(w->dev, pid, device_now(w->dev), pay_a_little, w);

    return st == OSD_E_CORRUPT ? OSD_OK : st;
}

static void next_stage(struct work *w, uint8_t stage)
{
    w->at.stage = stage;
    w->at.oid = w->at.since = 0;
}

/* An object_visit: what is left of a partition. */
static osd_status scrub_partition(struct osd_device *dev, struct store_id id, void *arg)
{
    static const enum store_kind kinds[] = {
        [STAGE_USERS] = STORE_USER, [STAGE_COLLECTIONS] = STORE_COLLECTION};
    struct work *w = arg;
    osd_status st = OSD_OK;

    if (w->at.pid != id.pid) {
        w->at.pid = id.pid;
        next_stage(w, STAGE_ITSELF);
    }
    if (w->at.stage == STAGE_ITSELF && !(st = scrub_object(dev, id, w)))
        next_stage(w, STAGE_USERS);
    while (!st && w->at.stage <= STAGE_COLLECTIONS) {
        st = each_object(dev, id.pid, kinds[w->at.stage], w->at.oid, scrub_object, w);
        st = judge(w, id, st, DAMAGED_DATA); /* of its lists */
        if (!st)
            next_stage(w, w->at.stage + 1);
    }
    if (!st)
        st = recount(w, id.pid);
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    w->at.pid = id.pid + 1;
    next_stage(w, STAGE_ITSELF);
    return OSD_OK;
}

static osd_status scrub_all(struct work *w)
{
    struct store_id root = {0, 0};
    osd_status st = OSD_OK;

    if (w->at.pid == 0)
        st = scrub_object(w->dev, root, w);
    if (!st)
        st = each_object(w->dev, 0, STORE_PARTITION, w->at.pid, scrub_partition, w);
    st = judge(w, root, st, DAMAGED_DATA);
    return st ? st : recount(w, 0);
}

/* Passes that begin as soon as the last one has ended are not worth a line each. */
static void log_pass(struct work *w, const char *what)
{
    uint64_t now = osd_monotonic_ms();

    if (w->s->interval_ms < TELL_MS && w->told_ms && now - w->told_ms < TELL_MS &&
        w->at.found == 0)
        return;
    w->told_ms = now;
    osd_log(OSD_LOG_INFO, "scrub %s: %llu objects, %llu bytes read, %llu damaged", what,
            (unsigned long long)w->at.objects, (unsigned long long)w->at.bytes,
            (unsigned long long)w->at.found);
}

/* Begin or go on with a pass, to its end if nothing comes between. */
static osd_status pass(struct work *w)
{
    osd_status st;

    if (w->at.begun == 0)
        w->at = (struct place){.begun = device_now(w->dev), .ended = w->at.ended};
    log_pass(w, w->at.objects ? "goes on" : "begins");
    show(w);
    w->due_ns = 0;
    st = scrub_all(w);
    if (st == OSD_OK) {
        w->at.begun = 0;
        w->at.ended = device_now(w->dev);
        log_pass(w, "ended");
    }
    save(w);
    show(w);
    return st;
}

static bool is_due(const struct work *w)
{
    uint64_t now = device_now(w->dev);

    return w->at.begun || w->at.ended == 0 || now < w->at.ended ||
           now - w->at.ended >= w->s->interval_ms;
}

static void *scrub_main(void *arg)
{
    struct osd_device *dev = arg;
    struct work w = {.dev = dev, .s = &dev->scrub, .piece = malloc(PIECE)};

    load(&w);
    while (w.piece && !atomic_load(&w.s->stop)) {
        osd_status st = is_due(&w) ? pass(&w) : OSD_OK;
        if (st && st != OSD_E_INTERRUPTED)
            osd_log(OSD_LOG_WARN, "scrub stopped: %s; it goes on in a minute",
                    osd_status_text(st));
        sleep_ms(w.s, st ? REST_MS : LOOK_MS);
    }
    free(w.piece);
    return NULL;
}

osd_status scrub_start(struct osd_device *dev, const struct osd_device_config *cfg)
{
    struct scrub *s = &dev->scrub;

    s->rate = cfg->scrub_rate;
    s->interval_ms = cfg->scrub_interval_ms;
    if (!s->rate)
        return OSD_OK;
    pthread_mutex_init(&s->mutex, NULL);
    osd_cond_init(&s->bell);
    s->running = pthread_create(&s->thread, NULL, scrub_main, dev) == 0;
    return s->running ? OSD_OK : OSD_E_NOMEM;
}

void scrub_stop(struct osd_device *dev)
{
    struct scrub *s = &dev->scrub;

    if (!s->running)
        return;
    pthread_mutex_lock(&s->mutex);
    atomic_store(&s->stop, true);
    pthread_cond_signal(&s->bell);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->bell);
    s->running = false;
}
