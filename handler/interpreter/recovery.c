/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/recovery.c - error recovery attributes and OBJECT STRUCTURE CHECK
 * (reference 2.4, 4.9)
 *
 * Each object is looked at and written down in transactions of its own, so neither damage nor a
 * long check keeps others waiting; the totals are those of the objects met.
 * Invariants:
 *  (1) New damage of an object is counted at once: by its partition when the object had none on
 *      record, by the root when the partition had none.
 *  (2) What is healed or gone leaves the totals when they are counted anew: by the check, or by
 *      damage_recount().
 */
#include "recovery.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/log.h"
#include "wire/attrs.h"

#define CHUNK 256
#define PIECE MIB

static uint32_t page_of(enum store_kind kind)
{
    static const uint32_t bases[] = {[STORE_ROOT] = OSD_PAGE_R,
                                     [STORE_PARTITION] = OSD_PAGE_P,
                                     [STORE_COLLECTION] = OSD_PAGE_C,
                                     [STORE_USER] = OSD_PAGE_U};
    return bases[kind] + OSD_PG_RECOVERY;
}

/* ---- reading and writing the attributes ---- */

/* A number of at most 8 bytes; 0 when undefined. */
static osd_status get_number(struct store_txn *t, struct store_id id, uint32_t page,
                             uint32_t number, uint64_t *ret)
{
    uint8_t raw[8];
    uint32_t len = 0;
    osd_status st = t->store->ops->get_attr(t, id, page, number, raw, sizeof(raw), &len);

    *ret = 0;
    if (st == OSD_OK && len > sizeof(raw))
        return OSD_E_CORRUPT;
    for (uint32_t i = 0; st == OSD_OK && i < len; i++)
        *ret = *ret << 8 | raw[i];
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Zero is the same as undefined. */
static osd_status put_number(struct store_txn *t, struct store_id id, uint32_t page,
                             uint32_t number, uint64_t value, uint32_t len)
{
    uint8_t raw[8];

    be64_put(raw, value);
    return t->store->ops->set_attr(t, id, page, number, raw + 8 - len, value ? len : 0);
}

/* End a transaction by the outcome of its work. */
static osd_status end(struct store_txn *t, osd_status st)
{
    if (st == OSD_OK)
        return t->store->ops->commit(t, 0);
    t->store->ops->abort(t);
    return st;
}

/* Write an object's own damage down; *ret_old is what was on record. */
static osd_status put_own(struct store_txn *t, struct store_id id, uint8_t bits, bool add,
                          uint64_t now, uint64_t *ret_old)
{
    struct store_meta m;
    uint32_t page;
    osd_status st = t->store->ops->get_meta(t, id, &m);

    if (st)
        return st;
    page = page_of(m.kind);
    st = get_number(t, id, page, RECOVERY_SUMMARY, ret_old);
    if (add)
        bits |= (uint8_t)*ret_old;
    if (st == OSD_OK)
        st = put_number(t, id, page, RECOVERY_SUMMARY, bits, 1);
    if (st == OSD_OK && bits & DAMAGED_DATA)
        st = put_number(t, id, page, RECOVERY_DATA_TIME, now, 6);
    if (st == OSD_OK && bits & DAMAGED_ATTRS)
        st = put_number(t, id, page, RECOVERY_ATTR_TIME, now, 6);
    return st;
}

static osd_status note_own(struct osd_device *dev, struct store_id id, uint8_t bits, bool add,
                           uint64_t now, uint64_t *ret_old)
{
    struct store_txn *t;
    osd_status st = dev->store->ops->begin(dev->store, id, STORE_EXCLUSIVE, &t);

    return st ? st : end(t, put_own(t, id, bits, add, now, ret_old));
}

/* What a partition or the root knows of damage inside. */
struct tally {
    uint64_t bits, count;
};

static osd_status put_tally(struct store_txn *t, struct store_id id, const struct tally *more,
                            bool add, uint64_t now, struct tally *ret_old)
{
    uint32_t page = page_of(id.pid ? STORE_PARTITION : STORE_ROOT);
    struct tally now_is = *more;
    osd_status st;

    if ((st = get_number(t, id, page, RECOVERY_CONTAINED, &ret_old->bits)) ||
        (st = get_number(t, id, page, RECOVERY_COUNT, &ret_old->count)))
        return st;
    if (add) {
        now_is.bits |= ret_old->bits;
        now_is.count += ret_old->count;
    }
    st = put_number(t, id, page, RECOVERY_CONTAINED, now_is.bits, 1);
    if (st == OSD_OK)
        st = put_number(t, id, page, RECOVERY_COUNT, now_is.count, 8);
    if (st == OSD_OK && now_is.bits)
        st = put_number(t, id, page, RECOVERY_CONTAINED_TIME, now, 6);
    return st;
}

static osd_status note_tally(struct osd_device *dev, struct store_id id,
                             const struct tally *more, bool add, uint64_t now,
                             struct tally *ret_old)
{
    struct store_meta m;
    struct store_txn *t;
    osd_status st = dev->store->ops->begin(dev->store, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = dev->store->ops->get_meta(t, id, &m);
    return end(t, st ? st : put_tally(t, id, more, add, now, ret_old));
}

/* What contains an object hears of damage that is new. */
static osd_status tell_containers(struct osd_device *dev, struct store_id id, uint8_t bits,
                                  bool first, uint64_t now)
{
    struct tally more = {.bits = bits, .count = first}, old = {0};
    osd_status st = OSD_OK;

    if (id.oid)
        st = note_tally(dev, (struct store_id){id.pid, 0}, &more, true, now, &old);
    more.count = first && old.count == 0;
    if (st == OSD_OK && id.pid)
        st = note_tally(dev, (struct store_id){0, 0}, &more, true, now, &old);
    return st;
}

void damage_found(struct osd_device *dev, struct store_id id, uint8_t bits, uint64_t now)
{
    const char *what = bits & DAMAGED_DATA ? "data" : "attributes";
    uint64_t before = 0;
    osd_status st = note_own(dev, id, bits, true, now, &before);

    if (st == OSD_OK && (before & bits) == bits)
        return;
    osd_log(OSD_LOG_WARN, "%s of object 0x%llx/0x%llx damaged", what,
            (unsigned long long)id.pid, (unsigned long long)id.oid);
    if (st == OSD_OK)
        st = tell_containers(dev, id, bits, before == 0, now);
    if (st)
        osd_log(OSD_LOG_ERROR, "damage of object 0x%llx/0x%llx could not be recorded: %s",
                (unsigned long long)id.pid, (unsigned long long)id.oid, osd_status_text(st));
}

osd_status damage_on_record(struct store_txn *t, struct store_id id, enum store_kind kind,
                            uint8_t *ret)
{
    uint64_t bits = 0;
    osd_status st = get_number(t, id, page_of(kind), RECOVERY_SUMMARY, &bits);

    *ret = (uint8_t)bits;
    return st;
}

/* Take those bits off the record that were not seen, nor written down since the look began. */
static osd_status put_healed(struct store_txn *t, struct store_id id, uint8_t seen,
                             uint64_t since)
{
    static const uint32_t times[] = {RECOVERY_DATA_TIME, RECOVERY_ATTR_TIME};
    static const uint8_t bits[] = {DAMAGED_DATA, DAMAGED_ATTRS};
    struct store_meta m;
    uint64_t old, when;
    osd_status st = t->store->ops->get_meta(t, id, &m);

    if (st == OSD_OK)
        st = get_number(t, id, page_of(m.kind), RECOVERY_SUMMARY, &old);
    for (int i = 0; i < 2 && st == OSD_OK; i++) {
        if (seen & bits[i])
            continue;
        st = get_number(t, id, page_of(m.kind), times[i], &when);
        if (when < since)
            old &= ~(uint64_t)bits[i];
    }
    return st ? st : put_number(t, id, page_of(m.kind), RECOVERY_SUMMARY, old, 1);
}

osd_status damage_healed(struct osd_device *dev, struct store_id id, uint8_t seen,
                         uint64_t since)
{
    struct store_txn *t;
    osd_status st = dev->store->ops->begin(dev->store, id, STORE_EXCLUSIVE, &t);

    return st ? st : end(t, put_healed(t, id, seen, since));
}

/* ---- the check ---- */

/** A check under way: of the objects of one container. */
struct check {
    uint64_t now;
    const struct task *task; /* that may be aborted */
    struct tally sum;
};

static osd_status check_goes_on(const struct check *c)
{
    return task_aborted(c->task) ? OSD_E_INTERRUPTED : OSD_OK;
}

static bool walk_on(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    (void)arg, (void)page, (void)number, (void)value, (void)len;
    return true;
}

static osd_status read_run(const struct check *c, struct store_txn *t, struct store_id id,
                           uint64_t off, uint64_t len, uint8_t *piece)
{
    osd_status st = OSD_OK;

    for (uint64_t done = 0; done < len && st == OSD_OK; done += PIECE) {
        uint64_t part = len - done < PIECE ? len - done : PIECE;
        struct iovec v = {.iov_base = piece, .iov_len = part};
        struct osd_iov iov = osd_iov_make(&v, 1);
        st = check_goes_on(c);
        if (st == OSD_OK)
            st = t->store->ops->read(t, id, off + done, part, &iov, 0);
    }
    return st;
}

/* Walk over the data; read it if piece is not NULL. */
static osd_status verify_data(const struct check *c, struct store_txn *t, struct store_id id,
                              uint64_t length, uint8_t *piece)
{
    osd_status st = OSD_OK;
    enum store_extent kind;
    uint64_t len;

    for (uint64_t at = 0; at < length && st == OSD_OK; at += len) {
        st = check_goes_on(c);
        if (st == OSD_OK)
            st = t->store->ops->seek(t, id, at, &kind, &len);
        if (st == OSD_OK && (len == 0 || kind == STORE_DAMAGED))
            st = OSD_E_CORRUPT;
        if (st == OSD_OK && kind == STORE_DATA && piece)
            st = read_run(c, t, id, at, len, piece);
    }
    return st;
}

/* Damage becomes a bit, anything else goes on up. */
static osd_status as_bit(osd_status st, uint8_t bit, uint8_t *bits)
{
    if (st != OSD_E_CORRUPT)
        return st;
    *bits |= bit;
    return OSD_OK;
}

static osd_status verify_user(const struct check *c, struct store_txn *t, struct store_id id,
                              uint64_t length, bool suspect, uint8_t *bits)
{
    _cleanup_free_ uint8_t *piece = suspect ? malloc(PIECE) : NULL;

    if (suspect && !piece)
        return OSD_E_NOMEM;
    return as_bit(verify_data(c, t, id, length, piece), DAMAGED_DATA, bits);
}

static osd_status verify(const struct check *c, struct store_txn *t, struct store_id id,
                         uint8_t *bits, uint64_t *ret_old)
{
    const struct store_ops *ops = t->store->ops;
    uint64_t first, next;
    struct store_meta m;
    size_t n;
    osd_status st = ops->get_meta(t, id, &m);

    if (st)
        return as_bit(st, DAMAGED_ATTRS, bits);
    st = get_number(t, id, page_of(m.kind), RECOVERY_SUMMARY, ret_old);
    if (st == OSD_OK)
        st = ops->each_attr(t, id, 0, 0, walk_on, NULL);
    if (st)
        return as_bit(st, DAMAGED_ATTRS, bits);
    if (m.kind == STORE_USER)
        return verify_user(c, t, id, m.length, *ret_old & DAMAGED_DATA, bits);
    if (m.kind != STORE_COLLECTION)
        return OSD_OK;
    return as_bit(ops->members(t, id, 0, &first, 1, &n, &next), DAMAGED_DATA, bits);
}

static osd_status check_object(struct osd_device *dev, struct store_id id, void *arg)
{
    struct check *c = arg;
    struct store_txn *t;
    uint64_t old = 0;
    uint8_t bits = 0;
    osd_status st = check_goes_on(c);

    if (st == OSD_OK)
        st = dev->store->ops->begin(dev->store, id, STORE_SHARED, &t);
    if (st)
        return st;
    st = verify(c, t, id, &bits, &old);
    dev->store->ops->abort(t);
    c->sum.bits |= bits;
    c->sum.count += bits != 0;
    if (st == OSD_OK && bits != old)
        st = note_own(dev, id, bits, false, c->now, &old);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st; /* removed meanwhile */
}

static osd_status list_chunk(struct osd_device *dev, uint64_t pid, enum store_kind kind,
                             uint64_t *ids, size_t *ret_n, uint64_t *next)
{
    struct store_id container = {pid, 0};
    struct store_txn *t;
    uint64_t changes;
    osd_status st = dev->store->ops->begin(dev->store, container, STORE_SHARED, &t);

    if (st)
        return st;
    st = dev->store->ops->list(t, pid, kind, *next, ids, CHUNK, ret_n, next, &changes);
    dev->store->ops->abort(t);
    return st;
}

osd_status each_object(struct osd_device *dev, uint64_t pid, enum store_kind kind,
                       uint64_t from, object_visit visit, void *arg)
{
    uint64_t ids[CHUNK], next = from;
    osd_status st;

    do {
        size_t n = 0;
        st = list_chunk(dev, pid, kind, ids, &n, &next);
        for (size_t i = 0; i < n && st == OSD_OK; i++) {
            struct store_id id = {pid ? pid : ids[i], pid ? ids[i] : 0};
            st = visit(dev, id, arg);
        }
    } while (st == OSD_OK && next);
    return st;
}

static osd_status check_partition(struct osd_device *dev, struct store_id id, void *arg)
{
    struct check *root = arg, own = {.now = root->now, .task = root->task}, in = own;
    struct tally old;
    osd_status st;

    if ((st = check_object(dev, id, &own)) ||
        (st = each_object(dev, id.pid, STORE_USER, 0, check_object, &in)) ||
        (st = each_object(dev, id.pid, STORE_COLLECTION, 0, check_object, &in)) ||
        (st = note_tally(dev, id, &in.sum, false, in.now, &old)))
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    root->sum.bits |= own.sum.bits | in.sum.bits;
    root->sum.count += own.sum.count != 0 || in.sum.count != 0;
    return OSD_OK;
}

osd_status structure_check(struct osd_device *dev, uint64_t pid, uint64_t now,
                           const struct task *task)
{
    struct store_id root = {0, 0};
    struct check own = {.now = now, .task = task}, in = own;
    struct tally old;
    osd_status st;

    if (pid != 0)
        return check_partition(dev, (struct store_id){pid, 0}, &in);
    if ((st = check_object(dev, root, &own)) ||
        (st = each_object(dev, 0, STORE_PARTITION, 0, check_partition, &in)))
        return st;
    return note_tally(dev, root, &in.sum, false, now, &old);
}

/* ---- counting anew ---- */

/** A count under way of what is on record. */
struct recount {
    struct tally sum;
    object_visit pace;
    void *arg;
};

static osd_status get_tally(struct store_txn *t, struct store_id id, struct tally *ret)
{
    uint32_t page = page_of(id.pid ? STORE_PARTITION : STORE_ROOT);
    osd_status st = get_number(t, id, page, RECOVERY_CONTAINED, &ret->bits);

    return st ? st : get_number(t, id, page, RECOVERY_COUNT, &ret->count);
}

/* What is on record of an object, or of a partition and inside it. */
static osd_status load_record(struct store_txn *t, struct store_id id, struct tally *ret)
{
    struct store_meta m;
    uint8_t own = 0;
    osd_status st = t->store->ops->get_meta(t, id, &m);

    *ret = (struct tally){0};
    if (st == OSD_OK)
        st = damage_on_record(t, id, m.kind, &own);
    if (st == OSD_OK && !id.oid)
        st = get_tally(t, id, ret);
    ret->bits |= own;
    ret->count = own != 0 || ret->count != 0;
    return st;
}

static osd_status count_record(struct osd_device *dev, struct store_id id, void *arg)
{
    struct recount *r = arg;
    struct tally one;
    struct store_txn *t;
    osd_status st = dev->store->ops->begin(dev->store, id, STORE_SHARED, &t);

    if (st)
        return st;
    st = load_record(t, id, &one);
    dev->store->ops->abort(t);
    if (st == OSD_OK) {
        r->sum.bits |= one.bits;
        r->sum.count += one.count;
    }
    return st == OSD_OK || st == OSD_E_NOT_FOUND || st == OSD_E_CORRUPT
               ? r->pace(dev, id, r->arg)
               : st;
}

static osd_status read_tally(struct osd_device *dev, struct store_id id, struct tally *ret)
{
    struct store_meta m;
    struct store_txn *t;
    osd_status st = dev->store->ops->begin(dev->store, id, STORE_SHARED, &t);

    if (st)
        return st;
    st = dev->store->ops->get_meta(t, id, &m);
    if (st == OSD_OK)
        st = get_tally(t, id, ret);
    dev->store->ops->abort(t);
    return st;
}

/* Unless more was found meanwhile: that may be counted, or not. */
static osd_status write_tally(struct osd_device *dev, struct store_id id,
                              const struct tally *before, const struct tally *sum, uint64_t now)
{
    struct store_txn *t;
    struct store_meta m;
    struct tally is, old;
    osd_status st = dev->store->ops->begin(dev->store, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = t->store->ops->get_meta(t, id, &m);
    if (st == OSD_OK)
        st = get_tally(t, id, &is);
    if (st == OSD_OK && is.bits == before->bits && is.count == before->count)
        st = put_tally(t, id, sum, false, now, &old);
    return end(t, st);
}

osd_status damage_recount(struct osd_device *dev, uint64_t pid, uint64_t now, object_visit pace,
                          void *arg)
{
    struct recount r = {.pace = pace, .arg = arg};
    struct store_id id = {pid, 0};
    struct tally before = {0};
    osd_status st = read_tally(dev, id, &before);

    if (st || (before.bits == 0 && before.count == 0))
        return st;
    st = each_object(dev, pid, pid ? STORE_USER : STORE_PARTITION, 0, count_record, &r);
    if (st == OSD_OK && pid)
        st = each_object(dev, pid, STORE_COLLECTION, 0, count_record, &r);
    if (st || (r.sum.bits == before.bits && r.sum.count == before.count))
        return st;
    return write_tally(dev, id, &before, &r.sum, now);
}
