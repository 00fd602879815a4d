/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory_txn.c - transactions of the memory store: working copies, quotas, commit
 *
 * Invariants:
 *  (1) A working copy is reached by its transaction only, until commit swaps it in.
 *  (2) Commit prepares new trees beside the old ones first; only when nothing can fail any more
 *      are they swapped, all under one hold of the store's lock.
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* ---- values and versions ---- */

static void drop_plain(struct store_ref *r)
{
    free(r);
}

struct mem_value *mem_value_new(uint32_t len)
{
    struct mem_value *v = malloc(sizeof(*v) + len);

    if (v) {
        v->ref = (struct store_ref){.refs = 1, .drop = drop_plain};
        v->len = len;
    }
    return v;
}

static void drop_object(struct store_ref *r)
{
    struct mem_object *o = (struct mem_object *)r;

    tree_unref(o->attrs);
    tree_unref(o->blocks);
    tree_unref(o->members);
    free(o);
}

struct mem_object *mem_object_new(const struct store_meta *meta)
{
    struct mem_object *o = calloc(1, sizeof(*o));

    if (o) {
        o->ref = (struct store_ref){.refs = 1, .drop = drop_object};
        o->meta = *meta;
    }
    return o;
}

struct mem_object *mem_object_copy(const struct mem_object *from)
{
    struct mem_object *o = mem_object_new(&from->meta);

    if (o) {
        o->attrs = tree_ref(from->attrs);
        o->blocks = tree_ref(from->blocks);
        o->members = tree_ref(from->members);
    }
    return o;
}

static void drop_part(struct store_ref *r)
{
    struct mem_part *p = (struct mem_part *)r;

    tree_unref(p->objects);
    if (p->self)
        store_ref_put(&p->self->ref);
    free(p);
}

struct mem_part *mem_part_new(uint64_t pid)
{
    struct mem_part *p = calloc(1, sizeof(*p));

    if (p) {
        p->ref = (struct store_ref){.refs = 1, .drop = drop_part};
        p->pid = pid;
        p->next_id = STORE_ID_FIRST;
    }
    return p;
}

struct mem_object *mem_committed(const struct mem_part *part, uint64_t oid)
{
    return oid == 0 ? part->self : tree_get(part->objects, oid);
}

uint64_t *mem_stamp(struct store_meta *m, unsigned i)
{
    uint64_t *const stamps[] = {&m->attr_accessed, &m->attr_modified, &m->data_accessed,
                                &m->data_modified};
    return stamps[i];
}

/* Bring a touch of the committed version into a working copy that did not set the time. Caller
 * holds the store's lock. */
static void merge_stamps(struct mem_work *w, const struct mem_object *committed)
{
    struct store_meta meta = committed->meta;

    for (unsigned i = 0; i < 4; i++)
        if (!(w->stamps & 1u << i))
            *mem_stamp(&w->obj->meta, i) = *mem_stamp(&meta, i);
}

/* ---- a transaction's notes ---- */

static struct mem_part_work *find_part_work(struct mem_txn *t, uint64_t pid)
{
    struct mem_part_work *pw = &t->root;

    while (pw && pw->pid != pid)
        pw = pw->next;
    return pw;
}

osd_status mem_part_work(struct mem_txn *t, uint64_t pid, struct mem_part_work **ret)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_part_work *pw = find_part_work(t, pid);

    if (!pw) {
        pw = calloc(1, sizeof(*pw));
        if (!pw)
            return OSD_E_NOMEM;
        pw->pid = pid;
        pw->locks = s->locks;
        pthread_mutex_lock(&s->lock);
        pw->live = tree_get(s->parts, pid);
        if (pw->live)
            store_ref_get(&pw->live->ref);
        pthread_mutex_unlock(&s->lock);
        pw->part = pw->live;
        pw->next = t->root.next;
        t->root.next = pw;
    }
    *ret = pw;
    return OSD_OK;
}

static void drop_work(struct store_ref *r)
{
    struct mem_work *w = (struct mem_work *)r;

    if (w->claimed)
        store_unclaim(w->locks, &w->claim);
    if (w->obj)
        store_ref_put(&w->obj->ref);
    free(w);
}

struct mem_work *mem_work_new(struct mem_store *s, struct store_id id)
{
    struct mem_work *w = calloc(1, sizeof(*w));

    if (w) {
        w->ref = (struct store_ref){.refs = 1, .drop = drop_work};
        w->locks = s->locks;
        w->claim.id = id;
    }
    return w;
}

/* Caller holds the lock. */
static void release_reserved(struct mem_part_work *pw)
{
    if (!pw->part)
        return;
    pw->part->reserved_used -= pw->reserved_used;
    pw->part->reserved_count -= pw->reserved_count;
    pw->reserved_used = pw->reserved_count = 0;
}

void mem_forget_part(struct mem_store *s, struct mem_part_work *pw)
{
    pthread_mutex_lock(&s->lock);
    release_reserved(pw);
    pthread_mutex_unlock(&s->lock);
    tree_unref(pw->works);
    pw->works = NULL;
    mem_free_pairs(pw);
    if (pw->part && pw->part != pw->live)
        store_ref_put(&pw->part->ref);
    pw->part = NULL;
    pw->used = pw->count = 0;
}

/* ---- looking ---- */

osd_status mem_find(struct mem_txn *t, struct store_id id, struct mem_object **ret)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_part_work *pw = find_part_work(t, id.pid);
    struct mem_work *w = pw ? tree_get(pw->works, id.oid) : NULL;
    struct mem_object *o = NULL;
    struct mem_part *part;

    pthread_mutex_lock(&s->lock);
    part = pw ? pw->part : tree_get(s->parts, id.pid);
    if (part)
        o = mem_committed(part, id.oid);
    if (w) {
        if (w->obj && o)
            merge_stamps(w, o);
        o = w->obj;
    }
    if (o)
        store_ref_get(&o->ref);
    pthread_mutex_unlock(&s->lock);
    if (!o)
        return OSD_E_NOT_FOUND;
    *ret = o;
    return OSD_OK;
}

/* Whether the transaction made id itself, or the partition it lies in. */
static bool created_here(struct mem_txn *t, struct store_id id)
{
    struct mem_part_work *pw = find_part_work(t, id.pid);
    struct mem_work *w = pw ? tree_get(pw->works, id.oid) : NULL;

    return (w && w->created) || (pw && pw->part && pw->part != pw->live);
}

static bool may_change(struct mem_txn *t, struct store_id id)
{
    return store_held_covers(&t->held, id) || created_here(t, id);
}

osd_status mem_find_data(struct mem_txn *t, struct store_id id, struct mem_object **ret)
{
    bool own = id.pid == t->held.id.pid && id.oid == t->held.id.oid;
    struct mem_object *o;
    osd_status status;

    if (!own && !may_change(t, id))
        return OSD_E_INVALID;
    status = mem_find(t, id, &o);
    if (status)
        return status;
    if (o->meta.kind != STORE_USER) {
        store_ref_put(&o->ref);
        return OSD_E_INVALID;
    }
    *ret = o;
    return OSD_OK;
}

/* ---- changing ---- */

static osd_status copy_to_change(struct mem_txn *t, struct mem_part_work *pw,
                                 struct store_id id, struct mem_work **ret)
{
    struct mem_object *seen;
    struct mem_work *w;
    osd_status status = mem_find(t, id, &seen);

    if (status)
        return status;
    w = mem_work_new(mem_store_of(&t->base), id);
    if (w)
        w->obj = mem_object_copy(seen);
    store_ref_put(&seen->ref);
    status = w && w->obj ? tree_put(&pw->works, id.oid, &w->ref) : OSD_E_NOMEM;
    if (status == OSD_OK)
        *ret = w;
    else if (w)
        store_ref_put(&w->ref);
    return status;
}

osd_status mem_change(struct mem_txn *t, struct store_id id, struct mem_work **ret)
{
    struct mem_part_work *pw;
    struct mem_work *w;
    osd_status status;

    if (!may_change(t, id))
        return OSD_E_INVALID;
    status = mem_part_work(t, id.pid, &pw);
    if (status)
        return status;
    w = tree_get(pw->works, id.oid);
    if (!w)
        return copy_to_change(t, pw, id, ret);
    if (!w->obj)
        return OSD_E_NOT_FOUND;
    *ret = w;
    return OSD_OK;
}

osd_status mem_change_data(struct mem_txn *t, struct store_id id, struct mem_work **ret)
{
    struct mem_work *w;
    osd_status status = mem_change(t, id, &w);

    if (status)
        return status;
    if (w->obj->meta.kind != STORE_USER)
        return OSD_E_INVALID;
    *ret = w;
    return OSD_OK;
}

osd_status mem_failed(struct store_txn *t, osd_status status)
{
    if (status && status != OSD_E_NOT_FOUND)
        mem_txn_of(t)->failed = status;
    return status;
}

/* ---- accounting ---- */

/* What a counter would be at worst: committed, others' reservations, and this change. */
static uint64_t worst(uint64_t committed, uint64_t reserved, uint64_t own, int64_t change)
{
    return committed + (reserved - own) + (uint64_t)change;
}

static uint64_t positive(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

static void reserve(uint64_t *total, uint64_t *own, uint64_t now)
{
    *total += now - *own;
    *own = now;
}

/* Limits of a partition as the transaction sees them. Caller holds the lock. */
static const struct store_meta *limits(const struct mem_part_work *pw)
{
    const struct mem_work *w = tree_get(pw->works, 0);

    return w && w->obj ? &w->obj->meta : &pw->part->self->meta;
}

static uint64_t used_at_worst(const struct mem_part_work *pw, int64_t delta)
{
    return worst(pw->part->used, pw->part->reserved_used, pw->reserved_used, pw->used + delta);
}

static void change_used(struct mem_part_work *pw, int64_t delta)
{
    pw->used += delta;
    reserve(&pw->part->reserved_used, &pw->reserved_used, positive(pw->used));
}

static osd_status use_locked(struct mem_txn *t, struct mem_part_work *pw, int64_t delta)
{
    uint64_t capacity = t->capacity ? t->capacity : mem_store_of(&t->base)->capacity;

    if (delta > 0 && pw != &t->root && used_at_worst(pw, delta) > limits(pw)->capacity_quota) {
        t->base.quota = STORE_QUOTA_CAPACITY;
        return OSD_E_QUOTA;
    }
    if (delta > 0 && used_at_worst(&t->root, delta) > capacity)
        return OSD_E_NO_SPACE;
    if (pw != &t->root)
        change_used(pw, delta);
    change_used(&t->root, delta);
    return OSD_OK;
}

osd_status mem_use_part(struct mem_txn *t, struct mem_part_work *pw, int64_t delta)
{
    struct mem_store *s = mem_store_of(&t->base);
    osd_status status;

    pthread_mutex_lock(&s->lock);
    status = use_locked(t, pw, delta);
    pthread_mutex_unlock(&s->lock);
    return status;
}

osd_status mem_use(struct mem_txn *t, struct mem_work *w, int64_t delta)
{
    osd_status status;

    if (delta == 0)
        return OSD_OK;
    status = mem_use_part(t, find_part_work(t, w->claim.id.pid), delta);
    if (status == OSD_OK)
        w->obj->meta.used += (uint64_t)delta;
    return status;
}

static osd_status count_locked(struct mem_txn *t, struct mem_part_work *pw, int64_t delta)
{
    bool root = pw == &t->root;
    const struct store_meta *limit = limits(pw);
    uint64_t quota = root ? limit->partition_quota : limit->object_quota;
    int64_t change = pw->count + delta;

    if (delta > 0 &&
        worst(pw->part->count, pw->part->reserved_count, pw->reserved_count, change) > quota) {
        t->base.quota = root ? STORE_QUOTA_PARTITIONS : STORE_QUOTA_OBJECTS;
        return OSD_E_QUOTA;
    }
    pw->count = change;
    pw->changes++;
    reserve(&pw->part->reserved_count, &pw->reserved_count, positive(change));
    return OSD_OK;
}

osd_status mem_count(struct mem_txn *t, struct mem_part_work *pw, int64_t delta)
{
    struct mem_store *s = mem_store_of(&t->base);
    osd_status status;

    pthread_mutex_lock(&s->lock);
    status = count_locked(t, pw, delta);
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- begin and end ---- */

osd_status mem_begin(struct osd_store *store, struct store_id id, enum store_mode mode,
                     struct store_txn **ret)
{
    struct mem_store *s = (struct mem_store *)store;
    struct mem_txn *t = calloc(1, sizeof(*t));

    if (!t)
        return OSD_E_NOMEM;
    t->base = (struct store_txn){.store = store, .id = id, .mode = mode};
    t->root.live = t->root.part = s->root;
    t->root.locks = s->locks;
    store_locks_acquire(s->locks, id, mode, &t->held);
    *ret = &t->base;
    return OSD_OK;
}

static void free_part_work(struct mem_part_work *pw)
{
    tree_unref(pw->works);
    mem_free_pairs(pw);
    if (pw->claimed)
        store_unclaim(pw->locks, &pw->claim);
    if (pw->pid == 0)
        return;
    if (pw->part && pw->part != pw->live)
        store_ref_put(&pw->part->ref);
    if (pw->live)
        store_ref_put(&pw->live->ref);
    free(pw);
}

/* Give back everything the transaction still has: notes, claims, reservations, locks. */
static void end(struct mem_txn *t)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_part_work *next;

    pthread_mutex_lock(&s->lock);
    for (struct mem_part_work *pw = &t->root; pw; pw = pw->next)
        release_reserved(pw);
    pthread_mutex_unlock(&s->lock);
    for (struct mem_part_work *pw = &t->root; pw; pw = next) {
        next = pw->next;
        free_part_work(pw);
    }
    store_locks_release(s->locks, &t->held);
    free(t->record);
    free(t);
}

void mem_abort(struct store_txn *t)
{
    end(mem_txn_of(t));
}

/* ---- commit ---- */

/* Put the working copies of a partition into *objects, a second pointer to its content. */
static osd_status merge_objects(struct mem_part_work *pw, struct tree_node **objects)
{
    const struct tree_node *n = tree_ceil(pw->works, 1);
    osd_status status = OSD_OK;

    for (; n && status == OSD_OK; n = tree_next(pw->works, n)) {
        struct mem_work *w = (struct mem_work *)n->value;
        struct mem_object *old = tree_get(*objects, n->key);
        if (!w->obj) {
            status = tree_del(objects, n->key);
            continue;
        }
        if (old)
            merge_stamps(w, old);
        tree_unref(w->obj->members);
        w->obj->members = old ? tree_ref(old->members) : NULL;
        status = tree_put(objects, n->key, store_ref_get(&w->obj->ref));
        if (status)
            store_ref_put(&w->obj->ref);
    }
    return status;
}

static osd_status merge_part(struct mem_part_work *pw, struct tree_node **parts)
{
    osd_status status;

    if (!pw->part)
        return tree_del(parts, pw->pid);
    if (pw->part == pw->live)
        return OSD_OK;
    status = tree_put(parts, pw->pid, store_ref_get(&pw->part->ref));
    if (status)
        store_ref_put(&pw->part->ref);
    return status;
}

/* Replace the partition's own version by the working copy, if there is one. */
static void swap_self(struct mem_part_work *pw)
{
    struct mem_work *w = tree_get(pw->works, 0);
    struct mem_part *part = pw->part;

    if (!w)
        return;
    if (part->self) {
        merge_stamps(w, part->self);
        store_ref_put(&part->self->ref);
    }
    part->self = store_ref_get(&w->obj->ref);
}

/* Swap a partition's new content in. Cannot fail. */
static void apply_part(struct mem_part_work *pw, struct tree_node *objects)
{
    struct mem_part *part = pw->part;
    struct tree_node *old;

    if (!part)
        return;
    swap_self(pw);
    old = part->objects;
    part->objects = objects;
    tree_unref(old);
    part->used += (uint64_t)pw->used;
    part->count += (uint64_t)pw->count;
    part->changes += pw->changes;
}

/* Prepare the new content of every partition beside the old one. */
static osd_status prepare(struct mem_txn *t, struct tree_node **parts)
{
    osd_status status = OSD_OK;

    for (struct mem_part_work *pw = &t->root; pw && status == OSD_OK; pw = pw->next) {
        if (pw->part) {
            pw->merged = tree_ref(pw->part->objects);
            status = merge_objects(pw, &pw->merged);
            if (status == OSD_OK)
                status = mem_merge_members(pw, &pw->merged);
        }
        if (status == OSD_OK && pw->pid != 0)
            status = merge_part(pw, parts);
    }
    return status;
}

static osd_status commit_locked(struct mem_store *s, struct mem_txn *t)
{
    struct tree_node *parts = tree_ref(s->parts);
    osd_status status = prepare(t, &parts);

    if (status) {
        for (struct mem_part_work *pw = &t->root; pw; pw = pw->next)
            tree_unref(pw->merged);
        tree_unref(parts);
        return status;
    }
    for (struct mem_part_work *pw = &t->root; pw; pw = pw->next)
        apply_part(pw, pw->merged);
    tree_unref(s->parts);
    s->parts = parts;
    if (t->capacity)
        s->capacity = t->capacity;
    if (t->record)
        mem_add_record(s, t->record);
    t->record = NULL;
    return OSD_OK;
}

osd_status mem_commit(struct store_txn *txn, unsigned flags)
{
    struct mem_txn *t = mem_txn_of(txn);
    struct mem_store *s = mem_store_of(txn);
    osd_status status = t->failed;

    if (status == OSD_OK) {
        pthread_mutex_lock(&s->lock);
        status = commit_locked(s, t);
        pthread_mutex_unlock(&s->lock);
    }
    end(t);
    return status;
}
