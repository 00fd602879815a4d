/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_list.c - any bytes as LIST data and as READ MAP data (what a client gets)
 *
 * Byte 0 bit 0 selects the generation. Holds: every entry and its attributes lie inside the
 * data, the walks end, and the header survives encoding.
 */
#include <string.h>

#include "check.h"
#include "wire/list.h"

static void check_attrs(const struct osd_list_entry *e)
{
    struct osd_attr_cursor c;
    struct osd_wire_error err;
    struct osd_attr_entry a;
    size_t n = 0;

    osd_list_entry_attrs(e, &c);
    while (osd_attr_cursor_next(&c, &a, &err) == OSD_OK) {
        require(a.value.len <= a.len);
        require(a.value.len == 0 ||
                (a.value.data >= e->attrs.data &&
                 a.value.data + a.value.len <= e->attrs.data + e->attrs.len));
        require(a.oid == e->id);
        require(++n <= e->attrs.len);
    }
}

static void check_head(const struct osd_list_head *h, enum osd_gen gen)
{
    struct osd_list_head again;
    uint8_t raw[OSD_LIST_HEADER_LEN];

    osd_list_head_encode(h, gen, raw);
    require(osd_list_head_decode((struct osd_bytes){raw, sizeof(raw)}, gen, &again) == OSD_OK);
    require(again.additional_len == h->additional_len && again.list_id == h->list_id);
    require(again.continuation == h->continuation && again.changed == h->changed);
    require(again.what == h->what && again.with_attrs == h->with_attrs);
}

static void check_list(struct osd_bytes data, enum osd_gen gen)
{
    size_t at = OSD_LIST_HEADER_LEN, before = at;
    struct osd_list_entry e;
    struct osd_list_head h;

    if (osd_list_head_decode(data, gen, &h))
        return;
    check_head(&h, gen);
    while (osd_list_entry_next(data, &h, &at, &e) == OSD_OK) {
        require(at > before && at <= data.len);
        before = at;
        if (h.with_attrs)
            check_attrs(&e);
    }
}

static void check_map(struct osd_bytes data)
{
    size_t at = 8;
    struct osd_map_entry e;

    while (osd_map_entry_next(data, &at, &e) == OSD_OK)
        require(at <= data.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    check_list((struct osd_bytes){data + 1, size - 1}, data[0] & 1 ? OSD_GEN2 : OSD_GEN1);
    check_map((struct osd_bytes){data + 1, size - 1});
    return 0;
}
