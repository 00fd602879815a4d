/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory_objects.c - objects as wholes in the memory store: metadata, creation, removal,
 * lists
 */
#include <stdlib.h>

#include "memory.h"

/* ---- metadata ---- */

/* Counters of a partition (0: of the store) as the transaction sees them. */
static void fill_counters(struct mem_txn *t, uint64_t pid, struct store_meta *m)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_part_work *pw = &t->root;
    struct mem_part *part;

    while (pw && pw->pid != pid)
        pw = pw->next;
    pthread_mutex_lock(&s->lock);
    part = pw ? pw->part : tree_get(s->parts, pid);
    if (part) {
        m->used = part->used + (pw ? (uint64_t)pw->used : 0);
        m->count = part->count + (pw ? (uint64_t)pw->count : 0);
    }
    pthread_mutex_unlock(&s->lock);
}

osd_status mem_get_meta(struct store_txn *txn, struct store_id id, struct store_meta *ret)
{
    struct mem_object *o;
    osd_status status = mem_find(mem_txn_of(txn), id, &o);

    if (status)
        return status;
    *ret = o->meta;
    store_ref_put(&o->ref);
    if (id.oid == 0)
        fill_counters(mem_txn_of(txn), id.pid, ret);
    return OSD_OK;
}

/* Times that differ from what the transaction sees are its own from now on. */
static void put_stamps(struct mem_work *w, struct store_meta *m)
{
    for (unsigned i = 0; i < 4; i++)
        if (*mem_stamp(m, i) != *mem_stamp(&w->obj->meta, i))
            w->stamps |= 1u << i;
}

osd_status mem_put_meta(struct store_txn *t, struct store_id id, const struct store_meta *m)
{
    struct store_meta seen, next = *m;
    struct mem_work *w;
    osd_status status = mem_change(mem_txn_of(t), id, &w);

    if (status == OSD_OK)
        status = mem_get_meta(t, id, &seen);
    if (status)
        return mem_failed(t, status);
    put_stamps(w, &next);
    next.kind = w->obj->meta.kind;
    next.length = w->obj->meta.length;
    next.used = w->obj->meta.used;
    next.count = w->obj->meta.count;
    next.identity = w->obj->meta.identity;
    w->obj->meta = next;
    return OSD_OK;
}

/* ---- creation ---- */

static struct mem_object *fresh_object(const struct store_meta *meta)
{
    struct mem_object *o = mem_object_new(meta);

    if (o)
        o->meta.length = o->meta.used = o->meta.count = 0;
    return o;
}

static bool exists(struct mem_txn *t, struct store_id id)
{
    struct mem_object *o;

    if (mem_find(t, id, &o))
        return false;
    store_ref_put(&o->ref);
    return true;
}

static uint64_t next_id(struct mem_store *s, struct mem_part *part)
{
    uint64_t id;

    pthread_mutex_lock(&s->lock);
    id = part->next_id++;
    pthread_mutex_unlock(&s->lock);
    return id;
}

/* Claim w's id; EXISTS or BUSY when it is taken. */
static osd_status claim_id(struct mem_txn *t, struct mem_work *w)
{
    osd_status status = store_claim(w->locks, &w->claim);

    if (status)
        return status;
    w->claimed = true;
    if (!exists(t, w->claim.id))
        return OSD_OK;
    store_unclaim(w->locks, &w->claim);
    w->claimed = false;
    return OSD_E_EXISTS;
}

/* Claim w's id, or the next free one of its partition when oid is 0. */
static osd_status choose_id(struct mem_txn *t, struct mem_part *part, struct mem_work *w)
{
    osd_status status;

    if (w->claim.id.oid != 0)
        return claim_id(t, w);
    do {
        w->claim.id.oid = next_id(mem_store_of(&t->base), part);
        status = claim_id(t, w);
    } while (status == OSD_E_EXISTS || status == OSD_E_BUSY);
    return status;
}

/* Note that w now is a new object with this metadata. */
static osd_status fill_work(struct mem_work *w, const struct store_meta *meta)
{
    w->obj = fresh_object(meta);
    w->created = true;
    w->stamps = ~0u;
    return w->obj ? OSD_OK : OSD_E_NOMEM;
}

/* An id this transaction has not touched yet. */
static osd_status create_new(struct mem_txn *t, struct mem_part_work *pw, struct store_id id,
                             const struct store_meta *meta, struct store_id *ret)
{
    struct mem_work *w = mem_work_new(mem_store_of(&t->base), id);
    osd_status status;

    if (!w)
        return OSD_E_NOMEM;
    status = choose_id(t, pw->part, w);
    if (status == OSD_OK)
        status = fill_work(w, meta);
    if (status == OSD_OK)
        status = mem_count(t, pw, 1);
    if (status == OSD_OK)
        status = tree_put(&pw->works, w->claim.id.oid, &w->ref);
    if (status)
        store_ref_put(&w->ref);
    else
        *ret = w->claim.id;
    return status;
}

static osd_status create_object(struct mem_txn *t, struct store_id id,
                                const struct store_meta *meta, struct store_id *ret)
{
    struct mem_part_work *pw;
    struct mem_work *w;
    osd_status status = mem_part_work(t, id.pid, &pw);
    bool on_partition = t->held.id.pid == id.pid && t->held.id.oid == 0;

    if (status)
        return status;
    if (!pw->part || id.pid == 0)
        return OSD_E_NOT_FOUND;
    if (!on_partition && !store_held_covers(&t->held, id) && pw->part == pw->live)
        return OSD_E_INVALID;
    w = id.oid ? tree_get(pw->works, id.oid) : NULL;
    if (!w)
        return create_new(t, pw, id, meta, ret);
    if (w->obj)
        return OSD_E_EXISTS;
    status = mem_count(t, pw, 1); /* removed in this transaction: the id is still ours */
    if (status == OSD_OK)
        status = fill_work(w, meta);
    if (status == OSD_OK)
        *ret = id;
    return status;
}

/* Claim a partition id; somebody may have committed it since pw was made. */
static osd_status claim_part(struct mem_store *s, struct mem_part_work *pw)
{
    struct mem_part *came;
    osd_status status;

    if (pw->part)
        return OSD_E_EXISTS;
    if (pw->live || pw->claimed)
        return OSD_OK; /* removed in this transaction */
    pw->claim.id = (struct store_id){pw->pid, 0};
    status = store_claim(s->locks, &pw->claim);
    if (status)
        return status;
    pthread_mutex_lock(&s->lock);
    came = tree_get(s->parts, pw->pid);
    pthread_mutex_unlock(&s->lock);
    pw->claimed = !came;
    if (came)
        store_unclaim(s->locks, &pw->claim);
    return came ? OSD_E_EXISTS : OSD_OK;
}

static osd_status choose_part(struct mem_txn *t, uint64_t pid, struct mem_part_work **ret)
{
    struct mem_store *s = mem_store_of(&t->base);
    bool chosen = pid == 0;
    osd_status status;

    do {
        if (chosen)
            pid = next_id(s, s->root);
        status = mem_part_work(t, pid, ret);
        if (status == OSD_OK)
            status = claim_part(s, *ret);
    } while (chosen && (status == OSD_E_EXISTS || status == OSD_E_BUSY));
    return status;
}

/* Give pw, whose id is claimed, an empty partition with this metadata. */
static osd_status fill_part(struct mem_txn *t, struct mem_part_work *pw,
                            const struct store_meta *meta)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_work *w = mem_work_new(s, (struct store_id){pw->pid, 0});
    osd_status status = w ? fill_work(w, meta) : OSD_E_NOMEM;

    if (status == OSD_OK && !meta->identity)
        w->obj->meta.identity = __atomic_add_fetch(&s->last_identity, 1, __ATOMIC_RELAXED);
    if (status == OSD_OK)
        status = tree_put(&pw->works, 0, &w->ref);
    if (status) {
        if (w)
            store_ref_put(&w->ref);
        return status;
    }
    pw->part = mem_part_new(pw->pid);
    return pw->part ? OSD_OK : OSD_E_NOMEM;
}

/* A new empty partition; pid 0: the store chooses. */
static osd_status new_part(struct mem_txn *t, uint64_t pid, const struct store_meta *meta,
                           struct mem_part_work **ret)
{
    osd_status status = choose_part(t, pid, ret);

    if (status == OSD_OK)
        status = mem_count(t, &t->root, 1);
    return status ? status : fill_part(t, *ret, meta);
}

static osd_status create_partition(struct mem_txn *t, struct store_id id,
                                   const struct store_meta *meta, struct store_id *ret)
{
    bool on_root = t->held.id.pid == 0 && t->held.id.oid == 0;
    struct mem_part_work *pw;
    osd_status status;

    if (id.oid != 0 || (!on_root && !store_held_covers(&t->held, id)))
        return OSD_E_INVALID;
    status = new_part(t, id.pid, meta, &pw);
    if (status == OSD_OK)
        *ret = (struct store_id){pw->pid, 0};
    return status;
}

osd_status mem_create(struct store_txn *t, struct store_id id, const struct store_meta *meta,
                      struct store_id *ret)
{
    osd_status status = OSD_E_INVALID;

    if (meta->kind == STORE_PARTITION)
        status = create_partition(mem_txn_of(t), id, meta, ret);
    else if (meta->kind == STORE_USER || meta->kind == STORE_COLLECTION)
        status = create_object(mem_txn_of(t), id, meta, ret);
    return mem_failed(t, status);
}

/* ---- duplication ---- */

/* Content is never changed where it lies, so a second pointer to it is a copy. */
static osd_status share_content(struct mem_txn *t, struct mem_part_work *pw,
                                const struct mem_part *from)
{
    struct mem_work *w = tree_get(pw->works, 0);
    osd_status status = mem_use_part(t, pw, (int64_t)from->used);

    if (status == OSD_OK)
        status = mem_count(t, pw, (int64_t)from->count);
    if (status)
        return status;
    w->obj->attrs = tree_ref(from->self->attrs);
    w->obj->meta.used = from->self->meta.used;
    pw->part->objects = tree_ref(from->objects);
    pw->part->next_id = from->next_id;
    return OSD_OK;
}

static osd_status duplicate(struct mem_txn *t, uint64_t source, struct store_id id,
                            const struct store_meta *meta, struct store_id *ret)
{
    struct mem_part_work *from, *pw;
    osd_status status;

    if (id.oid != 0 || meta->kind != STORE_PARTITION || source == 0 ||
        !store_held_covers(&t->held, (struct store_id){0, 0}))
        return OSD_E_INVALID;
    status = mem_part_work(t, source, &from);
    if (status == OSD_OK && !from->part)
        status = OSD_E_NOT_FOUND;
    if (status == OSD_OK && (from->part != from->live || from->works || from->pairs))
        status = OSD_E_INVALID;
    if (status == OSD_OK)
        status = new_part(t, id.pid, meta, &pw);
    if (status == OSD_OK)
        status = share_content(t, pw, from->live);
    if (status == OSD_OK)
        *ret = (struct store_id){pw->pid, 0};
    return status;
}

osd_status mem_duplicate(struct store_txn *t, uint64_t source, struct store_id id,
                         const struct store_meta *meta, struct store_id *ret)
{
    return mem_failed(t, duplicate(mem_txn_of(t), source, id, meta, ret));
}

/* ---- removal ---- */

static osd_status drop_partition(struct mem_txn *t, struct mem_part_work *pw)
{
    int64_t used = (int64_t)pw->part->used + pw->used;
    osd_status status = mem_use_part(t, &t->root, -used);

    if (status == OSD_OK)
        status = mem_count(t, &t->root, -1);
    if (status == OSD_OK)
        mem_forget_part(mem_store_of(&t->base), pw);
    return status;
}

static osd_status remove_partition(struct mem_txn *t, struct store_id id, bool contents)
{
    struct mem_part_work *pw;
    osd_status status = mem_part_work(t, id.pid, &pw);

    if (status)
        return status;
    if (!pw->part)
        return OSD_E_NOT_FOUND;
    if (id.pid == 0 || (!store_held_covers(&t->held, id) && pw->part == pw->live))
        return OSD_E_INVALID;
    if (!contents && pw->part->count + (uint64_t)pw->count != 0)
        return OSD_E_NOT_EMPTY;
    return drop_partition(t, pw);
}

static osd_status remove_object(struct mem_txn *t, struct store_id id)
{
    struct mem_part_work *pw;
    struct mem_work *w;
    osd_status status = mem_change(t, id, &w);

    if (status == OSD_OK)
        status = mem_part_work(t, id.pid, &pw);
    if (status == OSD_OK)
        status = mem_drop_members(t, id);
    if (status == OSD_OK)
        status = mem_use(t, w, -(int64_t)w->obj->meta.used);
    if (status == OSD_OK)
        status = mem_count(t, pw, -1);
    if (status)
        return status;
    store_ref_put(&w->obj->ref);
    w->obj = NULL;
    return OSD_OK;
}

osd_status mem_remove(struct store_txn *t, struct store_id id, bool contents)
{
    if (id.oid == 0)
        return mem_failed(t, remove_partition(mem_txn_of(t), id, contents));
    return mem_failed(t, remove_object(mem_txn_of(t), id));
}

/* Note every committed partition in the transaction. */
static osd_status note_all_parts(struct mem_txn *t)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_part_work *pw;
    struct tree_node *parts;
    osd_status status = OSD_OK;

    pthread_mutex_lock(&s->lock);
    parts = tree_ref(s->parts);
    pthread_mutex_unlock(&s->lock);
    for (const struct tree_node *n = tree_ceil(parts, 0); n && status == OSD_OK;
         n = tree_next(parts, n))
        status = mem_part_work(t, n->key, &pw);
    tree_unref(parts);
    return status;
}

static osd_status reset_root(struct mem_txn *t, const struct store_meta *root)
{
    struct mem_work *w;
    osd_status status = mem_change(t, (struct store_id){0, 0}, &w);

    if (status == OSD_OK)
        status = mem_use(t, w, -(int64_t)w->obj->meta.used);
    if (status)
        return status;
    store_ref_put(&w->obj->ref);
    w->stamps = ~0u;
    w->obj = fresh_object(root);
    if (!w->obj)
        return OSD_E_NOMEM;
    w->obj->meta.kind = STORE_ROOT;
    return OSD_OK;
}

static osd_status format(struct mem_txn *t, const struct store_meta *root)
{
    osd_status status = OSD_E_INVALID;

    if (store_held_covers(&t->held, (struct store_id){0, 0}))
        status = note_all_parts(t);
    for (struct mem_part_work *pw = t->root.next; pw && status == OSD_OK; pw = pw->next)
        if (pw->part)
            status = drop_partition(t, pw);
    return status ? status : reset_root(t, root);
}

osd_status mem_format(struct store_txn *t, uint64_t capacity, const struct store_meta *root)
{
    osd_status status = format(mem_txn_of(t), root);

    if (status == OSD_OK && capacity)
        mem_txn_of(t)->capacity = capacity;
    return mem_failed(t, status);
}

/* ---- lists ---- */

/* A container as one transaction sees it. Used under the store's lock. */
struct view {
    struct mem_txn *t;
    const struct tree_node *committed; /* objects of a partition, or partitions */
    const struct mem_part_work *pw;    /* of the container; NULL: nothing changed here */
    enum store_kind kind;
};

/* The first node of the transaction's own at or after id: a work, or among partition notes. */
static bool next_own(const struct view *v, uint64_t from, uint64_t *ret)
{
    const struct tree_node *n;
    bool found = false;

    if (v->kind != STORE_PARTITION) {
        n = v->pw ? tree_ceil(v->pw->works, from) : NULL;
        if (n)
            *ret = n->key;
        return n;
    }
    for (struct mem_part_work *pw = v->t->root.next; pw; pw = pw->next) {
        if (pw->pid < from || (found && pw->pid > *ret))
            continue;
        *ret = pw->pid;
        found = true;
    }
    return found;
}

/* Whether the transaction sees an object of the wanted kind at id. */
static bool visible(const struct view *v, uint64_t id)
{
    const struct mem_object *o;
    const struct mem_work *w;

    if (v->kind == STORE_PARTITION) {
        for (struct mem_part_work *pw = v->t->root.next; pw; pw = pw->next)
            if (pw->pid == id)
                return pw->part;
        return tree_get(v->committed, id);
    }
    w = v->pw ? tree_get(v->pw->works, id) : NULL;
    o = w ? w->obj : tree_get(v->committed, id);
    return o && o->meta.kind == v->kind;
}

/* The least visible id >= from; 0: none. */
static uint64_t next_visible(const struct view *v, uint64_t from)
{
    for (uint64_t id = from ? from : 1;; id++) {
        const struct tree_node *n = tree_ceil(v->committed, id);
        uint64_t own = 0;
        bool has_own = next_own(v, id, &own);
        if (!n && !has_own)
            return 0;
        id = !n || (has_own && own < n->key) ? own : n->key;
        if (visible(v, id))
            return id;
        if (id == UINT64_MAX)
            return 0;
    }
}

static void list_locked(const struct view *v, uint64_t from, uint64_t *ids, size_t max,
                        size_t *ret_n, uint64_t *ret_next)
{
    uint64_t id = next_visible(v, from);
    size_t n = 0;

    while (id && n < max) {
        ids[n++] = id;
        id = id == UINT64_MAX ? 0 : next_visible(v, id + 1);
    }
    *ret_n = n;
    *ret_next = id;
}

osd_status mem_list(struct store_txn *txn, uint64_t pid, enum store_kind kind, uint64_t from,
                    uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                    uint64_t *ret_changes)
{
    struct mem_txn *t = mem_txn_of(txn);
    struct mem_store *s = mem_store_of(txn);
    struct mem_part_work *pw = &t->root;
    struct mem_part *part;

    if ((kind == STORE_PARTITION) != (pid == 0))
        return OSD_E_INVALID;
    while (pw && pw->pid != pid)
        pw = pw->next;
    pthread_mutex_lock(&s->lock);
    part = pw ? pw->part : tree_get(s->parts, pid);
    if (part) {
        struct view v = {t, pid == 0 ? s->parts : part->objects, pw, kind};
        list_locked(&v, from, ids, max, ret_n, ret_next);
        *ret_changes = part->changes;
    }
    pthread_mutex_unlock(&s->lock);
    return part ? OSD_OK : OSD_E_NOT_FOUND;
}

/* ---- touch ---- */

/* A version nobody reads now, in place of the committed one. Caller holds the lock. */
static struct mem_object *replace_committed(struct mem_part *part, uint64_t oid,
                                            struct mem_object *old)
{
    struct mem_object *copy;

    if (__atomic_load_n(&old->ref.refs, __ATOMIC_ACQUIRE) == 1)
        return old;
    copy = mem_object_copy(old);
    if (copy && oid != 0 && tree_put(&part->objects, oid, &copy->ref)) {
        store_ref_put(&copy->ref);
        copy = NULL;
    } else if (copy && oid == 0) {
        store_ref_put(&old->ref);
        part->self = copy;
    }
    return copy;
}

void mem_touch(struct osd_store *store, struct store_id id, unsigned flags, uint64_t now_ms)
{
    struct mem_store *s = (struct mem_store *)store;
    struct mem_object *o = NULL;
    struct mem_part *part;

    pthread_mutex_lock(&s->lock);
    part = id.pid == 0 ? s->root : tree_get(s->parts, id.pid);
    if (part)
        o = mem_committed(part, id.oid);
    if (o)
        o = replace_committed(part, id.oid, o);
    for (unsigned i = 0; o && i < 4; i++)
        if (flags & 1u << i && now_ms > *mem_stamp(&o->meta, i))
            *mem_stamp(&o->meta, i) = now_ms;
    pthread_mutex_unlock(&s->lock);
}
