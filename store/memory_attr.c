/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory_attr.c - attributes of the memory store: a tree per object, by page and number
 */
#include <string.h>

#include "memory.h"

#define ATTR_COST    16u /* of an attribute beside its value, store.h */
#define ATTR_LEN_MAX 65534u

static uint64_t attr_key(uint32_t page, uint32_t number)
{
    return (uint64_t)page << 32 | number;
}

osd_status mem_get_attr(struct store_txn *t, struct store_id id, uint32_t page, uint32_t number,
                        void *dst, uint32_t cap, uint32_t *ret_len)
{
    struct mem_object *o;
    struct mem_value *v;
    osd_status status = mem_find(mem_txn_of(t), id, &o);

    if (status)
        return status;
    v = tree_get(o->attrs, attr_key(page, number));
    if (v) {
        if (cap > 0)
            memcpy(dst, v->data, v->len < cap ? v->len : cap);
        *ret_len = v->len;
    }
    store_ref_put(&o->ref);
    return v ? OSD_OK : OSD_E_NOT_FOUND;
}

static osd_status put_value(struct mem_work *w, uint64_t key, const void *value, uint32_t len)
{
    struct mem_value *v;
    osd_status status;

    if (len == 0)
        return tree_del(&w->obj->attrs, key);
    v = mem_value_new(len);
    if (!v)
        return OSD_E_NOMEM;
    memcpy(v->data, value, len);
    status = tree_put(&w->obj->attrs, key, &v->ref);
    if (status)
        store_ref_put(&v->ref);
    return status;
}

osd_status mem_set_attr(struct store_txn *t, struct store_id id, uint32_t page, uint32_t number,
                        const void *value, uint32_t len)
{
    const struct mem_value *old;
    struct mem_work *w;
    int64_t delta = len ? ATTR_COST + len : 0;
    osd_status status = OSD_E_INVALID;

    if (len <= ATTR_LEN_MAX)
        status = mem_change(mem_txn_of(t), id, &w);
    if (status)
        return mem_failed(t, status);
    old = tree_get(w->obj->attrs, attr_key(page, number));
    if (old)
        delta -= ATTR_COST + old->len;
    status = mem_use(mem_txn_of(t), w, delta);
    if (status == OSD_OK)
        status = put_value(w, attr_key(page, number), value, len);
    return mem_failed(t, status);
}

osd_status mem_each_attr(struct store_txn *t, struct store_id id, uint32_t page,
                         uint32_t number, store_attr_visit visit, void *arg)
{
    struct mem_object *o;
    osd_status status = mem_find(mem_txn_of(t), id, &o);

    if (status)
        return status;
    for (const struct tree_node *n = tree_ceil(o->attrs, attr_key(page, number)); n;
         n = tree_next(o->attrs, n)) {
        const struct mem_value *v = (const struct mem_value *)n->value;
        if (!visit(arg, (uint32_t)(n->key >> 32), (uint32_t)n->key, v->data, v->len))
            break;
    }
    store_ref_put(&o->ref);
    return OSD_OK;
}

osd_status mem_find_values(struct store_txn *t, uint64_t pid, const struct store_values *want,
                           uint64_t *ids, size_t max, size_t *ret_n, bool *ret_more)
{
    (void)t, (void)pid, (void)want, (void)ids, (void)max, (void)ret_n, (void)ret_more;
    return OSD_E_NOT_FOUND;
}
