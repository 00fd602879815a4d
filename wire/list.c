/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/list.c - LIST data and READ MAP data (reference 3.1, 3.7)
 */
#include "wire/list.h"

#include <string.h>

#define ENTRY_HEAD 16
#define MAP_HEAD   8
#define MAP_ENTRY  16

void osd_list_head_encode(const struct osd_list_head *h, enum osd_gen gen, uint8_t dst[24])
{
    uint8_t flags;

    if (gen == OSD_GEN1)
        flags = h->list_collection ? h->what == OSD_LISTS_COLLECTIONS
                                   : h->what == OSD_LISTS_PARTITIONS;
    else
        flags = (uint8_t)((h->what + h->with_attrs) << 2);
    memset(dst, 0, OSD_LIST_HEADER_LEN);
    be64_put(dst, h->additional_len);
    be64_put(dst + 8, h->continuation);
    be32_put(dst + 16, h->list_id);
    dst[23] = (uint8_t)(flags | h->changed << 1);
}

osd_status osd_list_head_decode(struct osd_bytes data, enum osd_gen gen,
                                struct osd_list_head *ret)
{
    struct osd_list_head h = {0};

    if (data.len < OSD_LIST_HEADER_LEN || be64_get(data.data) < 16)
        return OSD_E_INVALID;
    h.additional_len = be64_get(data.data);
    h.continuation = be64_get(data.data + 8);
    h.list_id = be32_get(data.data + 16);
    h.changed = data.data[23] & 2;
    if (gen == OSD_GEN2) {
        h.with_attrs = (data.data[23] >> 2 & 3) == 2; /* 02h, 12h, 22h: one above without */
        h.what = (enum osd_list_what)((data.data[23] >> 2) - h.with_attrs);
    } else {
        h.what = data.data[23] & 1 ? OSD_LISTS_PARTITIONS : OSD_LISTS_USERS;
    }
    *ret = h;
    return OSD_OK;
}

size_t osd_list_entry_open(struct osd_writer *w, uint64_t id, uint8_t object_type)
{
    return osd_attr_group_open(w, id, object_type);
}

void osd_list_entry_close(struct osd_writer *w, size_t start)
{
    osd_attr_group_close(w, start);
}

/* Bytes of entries that are really there. */
static size_t entries_end(struct osd_bytes data, const struct osd_list_head *h)
{
    return h->additional_len < data.len - 8 ? (size_t)h->additional_len + 8 : data.len;
}

osd_status osd_list_entry_next(struct osd_bytes data, const struct osd_list_head *h, size_t *at,
                               struct osd_list_entry *ret)
{
    size_t end = entries_end(data, h);
    size_t head = h->with_attrs ? ENTRY_HEAD : 8;
    struct osd_list_entry e = {0};

    if (*at > end || end - *at < head)
        return OSD_E_NOT_FOUND;
    e.id = be64_get(data.data + *at);
    if (h->with_attrs) {
        size_t len = be16_get(data.data + *at + 14);
        if (len > end - *at - head)
            return OSD_E_NOT_FOUND;
        e.object_type = data.data[*at + 8];
        e.attrs = (struct osd_bytes){.data = data.data + *at + head, .len = len};
        head += len;
    }
    *at += head;
    *ret = e;
    return OSD_OK;
}

void osd_list_entry_attrs(const struct osd_list_entry *e, struct osd_attr_cursor *ret)
{
    *ret = (struct osd_attr_cursor){
        .list = e->attrs, .gen = OSD_GEN2, .type = OSD_LIST_SET, .lenient = true, .oid = e->id};
}

void osd_map_entry_put(struct osd_writer *w, const struct osd_map_entry *e)
{
    osd_writer_be16(w, 0);
    osd_writer_be16(w, e->type);
    osd_writer_be32(w, e->len);
    osd_writer_be64(w, e->offset);
}

osd_status osd_map_entry_next(struct osd_bytes data, size_t *at, struct osd_map_entry *ret)
{
    if (data.len < MAP_HEAD || *at > data.len || data.len - *at < MAP_ENTRY ||
        *at + MAP_ENTRY - MAP_HEAD > be64_get(data.data))
        return OSD_E_NOT_FOUND;
    const uint8_t *p = data.data + *at;
    *ret = (struct osd_map_entry){
        .type = be16_get(p + 2), .len = be32_get(p + 4), .offset = be64_get(p + 8)};
    *at += MAP_ENTRY;
    return OSD_OK;
}

void osd_compare_head_encode(const struct osd_compare_head *h,
                             uint8_t dst[OSD_COMPARE_HEADER_LEN])
{
    be64_put(dst, h->additional_len);
    be64_put(dst + 8, h->next);
}

osd_status osd_compare_head_decode(struct osd_bytes data, struct osd_compare_head *ret)
{
    struct osd_compare_head h;

    if (data.len < OSD_COMPARE_HEADER_LEN)
        return OSD_E_INVALID;
    h.additional_len = be64_get(data.data);
    h.next = be64_get(data.data + 8);
    if (h.additional_len < OSD_COMPARE_HEADER_LEN - 8)
        return OSD_E_INVALID;
    *ret = h;
    return OSD_OK;
}
