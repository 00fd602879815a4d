/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory_members.c - memberships in the memory store
 *
 * A transaction notes the pairs it makes and drops; commit carries them out on the versions of
 * both objects as they are by then, so that transactions on different user objects can change
 * one collection's members side by side. What a transaction sees is the committed state with
 * its own pairs on top.
 */
#include <stdlib.h>

#include "memory.h"

static osd_status expect_kind(struct mem_txn *t, struct store_id id, enum store_kind kind)
{
    struct mem_object *o;
    osd_status status = mem_find(t, id, &o);

    if (status)
        return status;
    status = o->meta.kind == kind ? OSD_OK : OSD_E_INVALID;
    store_ref_put(&o->ref);
    return status;
}

static osd_status note_pair(struct mem_part_work *pw, uint64_t cid, uint64_t oid, bool member)
{
    struct mem_pair *p = malloc(sizeof(*p));

    if (!p)
        return OSD_E_NOMEM;
    *p = (struct mem_pair){.cid = cid, .oid = oid, .member = member};
    if (!pw->pairs)
        pw->last_pair = &pw->pairs;
    *pw->last_pair = p;
    pw->last_pair = &p->next;
    return OSD_OK;
}

osd_status mem_set_member(struct store_txn *txn, struct store_id collection, uint64_t oid,
                          bool member)
{
    struct mem_txn *t = mem_txn_of(txn);
    struct mem_part_work *pw;
    struct mem_work *w;
    osd_status status = mem_change_data(t, (struct store_id){collection.pid, oid}, &w);

    if (status == OSD_OK)
        status = expect_kind(t, collection, STORE_COLLECTION);
    if (status == OSD_OK)
        status = mem_part_work(t, collection.pid, &pw);
    if (status == OSD_OK)
        status = note_pair(pw, collection.oid, oid, member);
    return mem_failed(txn, status);
}

/* Add or take one id. */
static osd_status put_id(struct tree_node **tree, uint64_t id, bool member)
{
    struct mem_value *v;
    osd_status status;

    if (!member)
        return tree_del(tree, id);
    v = mem_value_new(0);
    if (!v)
        return OSD_E_NOMEM;
    status = tree_put(tree, id, &v->ref);
    if (status)
        store_ref_put(&v->ref);
    return status;
}

/* The members of id as the transaction sees them; *ret is a pointer of the caller's. */
static osd_status seen_members(struct mem_txn *t, struct store_id id, struct tree_node **ret)
{
    struct mem_store *s = mem_store_of(&t->base);
    struct mem_part_work *pw;
    struct mem_object *o = NULL;
    osd_status status = mem_part_work(t, id.pid, &pw);

    if (status)
        return status;
    pthread_mutex_lock(&s->lock);
    if (pw->part)
        o = mem_committed(pw->part, id.oid);
    *ret = o ? tree_ref(o->members) : NULL;
    pthread_mutex_unlock(&s->lock);
    for (const struct mem_pair *p = pw->pairs; p && status == OSD_OK; p = p->next) {
        if (p->cid == id.oid)
            status = put_id(ret, p->oid, p->member);
        else if (p->oid == id.oid)
            status = put_id(ret, p->cid, p->member);
    }
    if (status)
        tree_unref(*ret);
    return status;
}

osd_status mem_members(struct store_txn *txn, struct store_id id, uint64_t from, uint64_t *ids,
                       size_t max, size_t *ret_n, uint64_t *ret_next)
{
    struct mem_txn *t = mem_txn_of(txn);
    struct tree_node *members = NULL;
    const struct tree_node *n;
    struct mem_object *o;
    size_t got = 0;
    osd_status status = mem_find(t, id, &o);

    if (status)
        return status;
    store_ref_put(&o->ref);
    status = seen_members(t, id, &members);
    if (status)
        return status;
    for (n = tree_ceil(members, from); n && got < max; n = tree_next(members, n))
        ids[got++] = n->key;
    *ret_n = got;
    *ret_next = n ? n->key : 0;
    tree_unref(members);
    return OSD_OK;
}

osd_status mem_drop_members(struct mem_txn *t, struct store_id id)
{
    bool collection = expect_kind(t, id, STORE_COLLECTION) == OSD_OK;
    struct tree_node *members = NULL;
    struct mem_part_work *pw;
    osd_status status = mem_part_work(t, id.pid, &pw);

    if (status == OSD_OK)
        status = seen_members(t, id, &members);
    if (status)
        return status;
    for (const struct tree_node *n = tree_ceil(members, 0); n && status == OSD_OK;
         n = tree_next(members, n))
        status =
            note_pair(pw, collection ? id.oid : n->key, collection ? n->key : id.oid, false);
    tree_unref(members);
    return status;
}

/* ---- commit ---- */

/* Replace a version by one with a changed membership. Absent ones are removed here. */
static osd_status change_one(struct tree_node **objects, uint64_t id, uint64_t other,
                             bool member)
{
    const struct mem_object *old = tree_get(*objects, id);
    struct mem_object *o;
    osd_status status;

    if (!old)
        return OSD_OK;
    o = mem_object_copy(old);
    status = o ? put_id(&o->members, other, member) : OSD_E_NOMEM;
    if (status == OSD_OK)
        status = tree_put(objects, id, &o->ref);
    if (status && o)
        store_ref_put(&o->ref);
    return status;
}

osd_status mem_merge_members(const struct mem_part_work *pw, struct tree_node **objects)
{
    osd_status status = OSD_OK;

    for (const struct mem_pair *p = pw->pairs; p && status == OSD_OK; p = p->next) {
        bool both = tree_get(*objects, p->cid) && tree_get(*objects, p->oid);
        status = change_one(objects, p->cid, p->oid, p->member && both);
        if (status == OSD_OK)
            status = change_one(objects, p->oid, p->cid, p->member && both);
    }
    return status;
}

void mem_free_pairs(struct mem_part_work *pw)
{
    while (pw->pairs) {
        struct mem_pair *next = pw->pairs->next;
        free(pw->pairs);
        pw->pairs = next;
    }
}
