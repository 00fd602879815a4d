/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/page_values.c - getters and setters that attributes of many pages share
 */
#include <stdlib.h>
#include <string.h>

#include "pages.h"

#define VALUE_MAX (OSD_ATTR_VALUE_MAX + 1u)

/* ---- getters ---- */

osd_status row_number(const struct ask *a, uint64_t v, struct attr_value *ret)
{
    uint32_t len = a->row->len;

    for (uint32_t i = 0; i < len; i++)
        a->c->small[i] = len - 1 - i < 8 ? (uint8_t)(v >> 8 * (len - 1 - i)) : 0;
    *ret = (struct attr_value){.data = a->c->small, .len = len};
    return OSD_OK;
}

osd_status row_text(struct attr_value *ret, const char *s)
{
    *ret = (struct attr_value){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
    return OSD_OK;
}

/* ASCII of fixed length: left aligned, padded with spaces. */
osd_status row_padded(const struct ask *a, const char *s, struct attr_value *ret)
{
    memset(a->c->small, ' ', a->row->len);
    memcpy(a->c->small, s, strnlen(s, a->row->len));
    *ret = (struct attr_value){.data = a->c->small, .len = a->row->len};
    return OSD_OK;
}

/* The command's own access is stamped after its commit, but is seen by its get (reference 2.2). */
static void show_access(const struct command *c, struct store_meta *m)
{
    if (c->act->touch & STORE_TOUCH_DATA_ACCESSED && m->data_accessed < c->now &&
        !command_bypasses_times(c))
        m->data_accessed = c->now;
}

static osd_status load_meta(const struct ask *a, struct store_meta *ret)
{
    struct command *c = a->c;
    osd_status st = OSD_OK;

    if (!c->cache_valid || c->cache_id.pid != a->o->id.pid || c->cache_id.oid != a->o->id.oid) {
        st = ops_of(c)->get_meta(c->txn, a->o->id, &c->cache);
        c->cache_id = a->o->id;
        c->cache_valid = st == OSD_OK;
        if (st == OSD_OK && c->cache_id.pid == c->object.id.pid &&
            c->cache_id.oid == c->object.id.oid)
            show_access(c, &c->cache);
    }
    *ret = c->cache;
    return st;
}

/* A member of struct store_meta; arg is its offset, the row's length decides its type. */
osd_status row_get_meta(const struct ask *a, struct attr_value *ret)
{
    struct store_meta m;
    const uint8_t *p = (const uint8_t *)&m + a->row->arg;
    osd_status st = load_meta(a, &m);
    uint64_t v;

    if (st)
        return st;
    if (a->row->len == 1) {
        v = *p;
    } else if (a->row->len == 4) {
        uint32_t v32;
        memcpy(&v32, p, sizeof(v32));
        v = v32;
    } else {
        memcpy(&v, p, sizeof(v));
    }
    return row_number(a, v, ret);
}

osd_status stored_load(struct command *c, struct store_id id, struct osd_attr_id attr,
                       struct attr_value *ret)
{
    const struct store_ops *ops = ops_of(c);
    uint8_t *dst = c->small;
    uint32_t len;
    osd_status st =
        ops->get_attr(c->txn, id, attr.page, attr.number, dst, sizeof(c->small), &len);

    *ret = (struct attr_value){0};
    if (st == OSD_E_NOT_FOUND)
        return OSD_OK;
    if (st == OSD_OK && len > sizeof(c->small)) {
        if (!c->big && !(c->big = malloc(VALUE_MAX)))
            return OSD_E_NOMEM;
        dst = c->big;
        c->steps += len / sizeof(c->small); /* long values are more work */
        st = ops->get_attr(c->txn, id, attr.page, attr.number, dst, VALUE_MAX, &len);
    }
    if (st == OSD_OK)
        *ret = (struct attr_value){.data = dst, .len = len};
    return st;
}

osd_status row_get_stored(const struct ask *a, struct attr_value *ret)
{
    return stored_load(a->c, a->o->id, a->id, ret);
}

osd_status row_get_const(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->row->arg, ret);
}

/* Stored, or else arg. */
osd_status row_get_default(const struct ask *a, struct attr_value *ret)
{
    osd_status st = row_get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? row_get_const(a, ret) : st;
}

osd_status row_get_undefined(const struct ask *a, struct attr_value *ret)
{
    *ret = (struct attr_value){0};
    return OSD_OK;
}

osd_status row_get_pid(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->o->id.pid, ret);
}

osd_status row_get_oid(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->o->id.oid, ret);
}

/* ---- setters ---- */

osd_status row_refuse(enum attr_refusal why, enum attr_refusal *ret_why)
{
    *ret_why = why;
    return OSD_E_DENIED;
}

osd_status row_set_stored(const struct ask *a, const uint8_t *value, uint32_t len,
                          enum attr_refusal *ret_why)
{
    (void)ret_why;
    return ops_of(a->c)->set_attr(a->c->txn, a->o->id, a->id.page, a->id.number, value, len);
}

uint64_t row_be_value(const uint8_t *p, uint32_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

osd_status row_set_meta(const struct ask *a, const uint8_t *value, uint32_t len,
                        enum attr_refusal *ret_why)
{
    const struct store_ops *ops = ops_of(a->c);
    struct store_meta m;
    uint8_t *p = (uint8_t *)&m + a->row->arg;
    uint64_t v = row_be_value(value, len);
    osd_status st = ops->get_meta(a->c->txn, a->o->id, &m);

    (void)ret_why;
    if (st)
        return st;
    if (len == 1) {
        *p = (uint8_t)v;
    } else if (len == 4) {
        uint32_t v32 = (uint32_t)v;
        memcpy(p, &v32, sizeof(v32));
    } else {
        memcpy(p, &v, sizeof(v));
    }
    return ops->put_meta(a->c->txn, a->o->id, &m);
}
