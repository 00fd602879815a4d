/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/fault.c - fault-injecting wrapper; see fault.h
 */
#include <stdlib.h>

#include "fault.h"

struct fault_store {
    struct osd_store base;
    struct osd_store *inner;
    uint64_t calls, nth, open;
    osd_status status;
};

/* Transactions the calling thread has open, over all fault stores. */
static _Thread_local unsigned mine;

struct fault_txn {
    struct store_txn base;
    struct store_txn *inner;
    osd_status doomed;
};

static struct fault_store *fault_of(const struct osd_store *s)
{
    return (struct fault_store *)s;
}

/* Count a call of the store; the status it fails with, or OSD_OK. */
static osd_status count(struct fault_store *f)
{
    uint64_t call = __atomic_add_fetch(&f->calls, 1, __ATOMIC_SEQ_CST);

    return call == __atomic_load_n(&f->nth, __ATOMIC_SEQ_CST) ? f->status : OSD_OK;
}

/* The same for a call inside a transaction, which a failure dooms. */
static osd_status count_in(struct store_txn *t)
{
    osd_status status = count(fault_of(t->store));

    if (status)
        ((struct fault_txn *)t)->doomed = status;
    return status;
}

static struct store_txn *inner_of(struct store_txn *t)
{
    return ((struct fault_txn *)t)->inner;
}

static const struct store_ops *ops_of(struct store_txn *t)
{
    return fault_of(t->store)->inner->ops;
}

/* Pass the result of an inner call on, with the quota that stopped it. */
static osd_status passed(struct store_txn *t, osd_status status)
{
    t->quota = inner_of(t)->quota;
    return status;
}

/* Body of a slot that works inside a transaction. */
#define PASS(t, slot, ...)                                                                     \
    do {                                                                                       \
        osd_status status_ = count_in(t);                                                      \
        if (status_)                                                                           \
            return status_;                                                                    \
        return passed(t, ops_of(t)->slot(inner_of(t), __VA_ARGS__));                           \
    } while (0)

/* ---- the store ---- */

static void fault_close(struct osd_store *s)
{
    struct fault_store *f = fault_of(s);

    f->inner->ops->close(f->inner);
    free(f);
}

static void fault_info(struct osd_store *s, struct store_info *ret)
{
    fault_of(s)->inner->ops->info(fault_of(s)->inner, ret);
}

static void fault_touch(struct osd_store *s, struct store_id id, unsigned flags,
                        uint64_t now_ms)
{
    if (mine == 0)
        fault_of(s)->inner->ops->touch(fault_of(s)->inner, id, flags, now_ms);
}

static osd_status fault_recall(struct osd_store *s, const uint8_t nonce[STORE_NONCE_LEN],
                               void *ret_outcome, size_t *ret_len)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = count(fault_of(s));

    return status ? status : inner->ops->recall(inner, nonce, ret_outcome, ret_len);
}

static osd_status fault_flush(struct osd_store *s)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = count(fault_of(s));

    return mine ? OSD_E_INVALID : status ? status : inner->ops->flush(inner);
}

static osd_status fault_publish(struct osd_store *s)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = count(fault_of(s));

    return status ? status : inner->ops->publish(inner);
}

static osd_status fault_check(struct osd_store *s, bool repair, store_check_report report,
                              void *arg, struct store_check_result *ret)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = count(fault_of(s));

    return mine     ? OSD_E_INVALID
           : status ? status
                    : inner->ops->check(inner, repair, report, arg, ret);
}

static osd_status fault_get_setting(struct osd_store *s, const char *name, void *dst,
                                    size_t cap, size_t *ret_len)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = count(fault_of(s));

    return status ? status : inner->ops->get_setting(inner, name, dst, cap, ret_len);
}

static osd_status fault_put_setting(struct osd_store *s, const char *name, const void *value,
                                    size_t len)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = count(fault_of(s));

    return status ? status : inner->ops->put_setting(inner, name, value, len);
}

/* ---- begin and end ---- */

static osd_status fault_begin(struct osd_store *s, struct store_id id, enum store_mode mode,
                              struct store_txn **ret)
{
    struct fault_store *f = fault_of(s);
    struct fault_txn *t;
    osd_status status = count(f);

    if (status)
        return status;
    t = calloc(1, sizeof(*t));
    if (!t)
        return OSD_E_NOMEM;
    t->base = (struct store_txn){.store = s, .id = id, .mode = mode};
    status = f->inner->ops->begin(f->inner, id, mode, &t->inner);
    if (status) {
        free(t);
        return status;
    }
    __atomic_add_fetch(&f->open, 1, __ATOMIC_SEQ_CST);
    mine++;
    *ret = &t->base;
    return OSD_OK;
}

static void forget(struct store_txn *t)
{
    __atomic_sub_fetch(&fault_of(t->store)->open, 1, __ATOMIC_SEQ_CST);
    mine--;
    free(t);
}

static void fault_abort(struct store_txn *t)
{
    ops_of(t)->abort(inner_of(t));
    forget(t);
}

static osd_status fault_commit(struct store_txn *t, unsigned flags)
{
    osd_status injected = count_in(t), status = ((struct fault_txn *)t)->doomed;

    if (injected || status)
        ops_of(t)->abort(inner_of(t));
    else
        status = ops_of(t)->commit(inner_of(t), flags);
    forget(t);
    return status;
}

/* ---- inside a transaction ---- */

static osd_status fault_get_meta(struct store_txn *t, struct store_id id,
                                 struct store_meta *ret)
{
    PASS(t, get_meta, id, ret);
}

static osd_status fault_put_meta(struct store_txn *t, struct store_id id,
                                 const struct store_meta *m)
{
    PASS(t, put_meta, id, m);
}

static osd_status fault_create(struct store_txn *t, struct store_id id,
                               const struct store_meta *meta, struct store_id *ret)
{
    PASS(t, create, id, meta, ret);
}

static osd_status fault_remove(struct store_txn *t, struct store_id id, bool contents)
{
    PASS(t, remove, id, contents);
}

static osd_status fault_format(struct store_txn *t, uint64_t capacity,
                               const struct store_meta *root)
{
    PASS(t, format, capacity, root);
}

static osd_status fault_read(struct store_txn *t, struct store_id id, uint64_t off,
                             uint64_t len, const struct osd_iov *dst, uint64_t dst_off)
{
    PASS(t, read, id, off, len, dst, dst_off);
}

static osd_status fault_write(struct store_txn *t, struct store_id id, uint64_t off,
                              uint64_t len, const struct osd_iov *src, uint64_t src_off)
{
    PASS(t, write, id, off, len, src, src_off);
}

static osd_status fault_clear(struct store_txn *t, struct store_id id, uint64_t off,
                              uint64_t len)
{
    PASS(t, clear, id, off, len);
}

static osd_status fault_punch(struct store_txn *t, struct store_id id, uint64_t off,
                              uint64_t len)
{
    PASS(t, punch, id, off, len);
}

static osd_status fault_truncate(struct store_txn *t, struct store_id id, uint64_t length)
{
    PASS(t, truncate, id, length);
}

static osd_status fault_seek(struct store_txn *t, struct store_id id, uint64_t off,
                             enum store_extent *ret_kind, uint64_t *ret_len)
{
    PASS(t, seek, id, off, ret_kind, ret_len);
}

static osd_status fault_get_attr(struct store_txn *t, struct store_id id, uint32_t page,
                                 uint32_t number, void *dst, uint32_t cap, uint32_t *ret_len)
{
    PASS(t, get_attr, id, page, number, dst, cap, ret_len);
}

static osd_status fault_set_attr(struct store_txn *t, struct store_id id, uint32_t page,
                                 uint32_t number, const void *value, uint32_t len)
{
    PASS(t, set_attr, id, page, number, value, len);
}

static osd_status fault_each_attr(struct store_txn *t, struct store_id id, uint32_t page,
                                  uint32_t number, store_attr_visit visit, void *arg)
{
    PASS(t, each_attr, id, page, number, visit, arg);
}

static osd_status fault_list(struct store_txn *t, uint64_t pid, enum store_kind kind,
                             uint64_t from, uint64_t *ids, size_t max, size_t *ret_n,
                             uint64_t *ret_next, uint64_t *ret_changes)
{
    PASS(t, list, pid, kind, from, ids, max, ret_n, ret_next, ret_changes);
}

static osd_status fault_record(struct store_txn *t, const uint8_t nonce[STORE_NONCE_LEN],
                               const void *outcome, size_t len)
{
    PASS(t, record, nonce, outcome, len);
}

static osd_status fault_set_member(struct store_txn *t, struct store_id collection,
                                   uint64_t oid, bool member)
{
    PASS(t, set_member, collection, oid, member);
}

static osd_status fault_members(struct store_txn *t, struct store_id id, uint64_t from,
                                uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next)
{
    PASS(t, members, id, from, ids, max, ret_n, ret_next);
}

static osd_status fault_find(struct store_txn *t, uint64_t pid, const struct store_values *want,
                             uint64_t *ids, size_t max, size_t *ret_n, bool *ret_more)
{
    PASS(t, find, pid, want, ids, max, ret_n, ret_more);
}

static osd_status fault_duplicate(struct store_txn *t, uint64_t source, struct store_id id,
                                  const struct store_meta *meta, struct store_id *ret)
{
    PASS(t, duplicate, source, id, meta, ret);
}

static osd_status fault_place(struct store_txn *t, struct store_id id, uint64_t off,
                              enum store_extent *ret_kind, uint64_t *ret_place,
                              uint64_t *ret_len)
{
    PASS(t, place, id, off, ret_kind, ret_place, ret_len);
}

static osd_status fault_early(struct osd_store *s, struct store_id whose,
                              const struct osd_iov *data, unsigned n, struct store_early **ret)
{
    struct osd_store *inner = fault_of(s)->inner;
    osd_status status = inner->ops->early ? count(fault_of(s)) : OSD_E_UNSUPPORTED;

    return status ? status : inner->ops->early(inner, whose, data, n, ret);
}

static void fault_early_use(struct store_txn *t, struct store_early *e)
{
    ops_of(t)->early_use(inner_of(t), e);
}

static void fault_early_end(struct osd_store *s, struct store_early *e)
{
    fault_of(s)->inner->ops->early_end(fault_of(s)->inner, e);
}

static const struct store_ops fault_ops = {
    .size = sizeof(struct store_ops),
    .close = fault_close,
    .info = fault_info,
    .begin = fault_begin,
    .commit = fault_commit,
    .abort = fault_abort,
    .get_meta = fault_get_meta,
    .put_meta = fault_put_meta,
    .create = fault_create,
    .remove = fault_remove,
    .format = fault_format,
    .read = fault_read,
    .write = fault_write,
    .clear = fault_clear,
    .punch = fault_punch,
    .truncate = fault_truncate,
    .seek = fault_seek,
    .get_attr = fault_get_attr,
    .set_attr = fault_set_attr,
    .each_attr = fault_each_attr,
    .list = fault_list,
    .record = fault_record,
    .recall = fault_recall,
    .touch = fault_touch,
    .flush = fault_flush,
    .check = fault_check,
    .get_setting = fault_get_setting,
    .put_setting = fault_put_setting,
    .set_member = fault_set_member,
    .members = fault_members,
    .duplicate = fault_duplicate,
    .place = fault_place,
    .find = fault_find,
    .publish = fault_publish,
    .early = fault_early,
    .early_use = fault_early_use,
    .early_end = fault_early_end,
};

/* ---- control ---- */

osd_status store_fault_wrap(struct osd_store *inner, struct osd_store **ret)
{
    struct fault_store *f = calloc(1, sizeof(*f));

    if (!f)
        return OSD_E_NOMEM;
    f->base.ops = &fault_ops;
    f->inner = inner;
    *ret = &f->base;
    return OSD_OK;
}

void store_fault_arm(struct osd_store *s, uint64_t nth, osd_status status)
{
    struct fault_store *f = fault_of(s);

    f->status = status;
    __atomic_store_n(&f->calls, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&f->nth, nth, __ATOMIC_SEQ_CST);
}

uint64_t store_fault_calls(const struct osd_store *s)
{
    return __atomic_load_n(&fault_of(s)->calls, __ATOMIC_SEQ_CST);
}

uint64_t store_fault_open_transactions(const struct osd_store *s)
{
    return __atomic_load_n(&fault_of(s)->open, __ATOMIC_SEQ_CST);
}
