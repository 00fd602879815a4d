/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/aside.c - see aside.h
 */
#include "aside.h"

#include <openssl/crypto.h>

#define HEAD 10
#define ROOM 4096 /* for all keys of an object: memory that grew would keep a copy of them */

struct osd_buf aside_make(void)
{
    return osd_buf_make(4 * MIB);
}

struct collecting {
    struct osd_buf *a;
    uint32_t page;
    osd_status status;
};

static bool collect_one(void *arg, uint32_t page, uint32_t number, const void *value,
                        uint32_t len)
{
    struct collecting *k = arg;
    uint8_t head[HEAD];

    if (page != k->page)
        return false;
    be32_put(head, page);
    be32_put(head + 4, number);
    be16_put(head + 8, (uint16_t)len);
    k->status = osd_buf_put(k->a, head, sizeof(head));
    if (k->status == OSD_OK)
        k->status = osd_buf_put(k->a, value, len);
    return k->status == OSD_OK;
}

osd_status aside_collect(struct command *c, struct store_id id, uint32_t page,
                         struct osd_buf *a)
{
    struct collecting k = {.a = a, .page = page};
    osd_status st = a->cap ? OSD_OK : osd_buf_reserve(a, ROOM);

    if (st == OSD_OK)
        st = ops_of(c)->each_attr(c->txn, id, page, 0, collect_one, &k);
    return st ? st : k.status;
}

static osd_status set_each(struct command *c, struct store_id id, const struct osd_buf *a,
                           bool values)
{
    osd_status st = OSD_OK;

    for (size_t at = 0; at < a->len && st == OSD_OK;) {
        const uint8_t *p = a->data + at;
        uint16_t len = be16_get(p + 8);
        st = ops_of(c)->set_attr(c->txn, id, be32_get(p), be32_get(p + 4), p + HEAD,
                                 values ? len : 0);
        at += HEAD + len;
    }
    return st;
}

osd_status aside_give(struct command *c, struct store_id id, const struct osd_buf *a)
{
    return set_each(c, id, a, true);
}

osd_status aside_take(struct command *c, struct store_id id, const struct osd_buf *a)
{
    return set_each(c, id, a, false);
}

void aside_free(struct osd_buf *a)
{
    if (a->data)
        OPENSSL_cleanse(a->data, a->len);
    osd_buf_free(a);
}
