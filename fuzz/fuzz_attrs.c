/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_attrs.c - any bytes as an attribute list, and as a current command page
 *
 * Byte 0 selects: bit 0 generation, bit 1 retrieved, bits 3..2 list type. Holds: every entry
 * lies inside the list, the walk ends, errors point into the list, and the list written from
 * the entries reads back as the same entries.
 */
#include <string.h>

#include "check.h"
#include "common/bytes.h"
#include "wire/attrs.h"

static const enum osd_list_type types[] = {OSD_LIST_GET, OSD_LIST_SET, OSD_LIST_MULTI_V2,
                                           OSD_LIST_MULTI_V1};

static void check_entry(const struct osd_attr_cursor *c, const struct osd_attr_entry *e)
{
    const uint8_t *end = c->list.data + c->list.len;

    require(c->at <= c->list.len);
    require(e->value.len <= e->len);
    require(e->value.data >= c->list.data && e->value.data <= end);
    require(e->value.len <= (size_t)(end - e->value.data));
    require(c->lenient || e->value.len == e->len);
    require(!e->undefined || e->len == 0);
}

/* Entry n of the list, for a second look without keeping them all. */
static void put_again(struct osd_writer *w, const struct osd_attr_cursor *c,
                      const struct osd_attr_entry *e)
{
    if (c->type == OSD_LIST_GET)
        osd_attr_put_get(w, c->gen, e->id);
    else if (c->type == OSD_LIST_MULTI_V1)
        osd_attr_put_multi_v1(w, e->oid, e->id, e->value.data, e->len, e->undefined);
    else if (e->undefined)
        osd_attr_put_undefined(w, c->gen, e->id);
    else
        osd_attr_put_value(w, c->gen, e->id, e->value.data, e->len);
}

static void put_entry(struct osd_writer *w, const struct osd_attr_cursor *c,
                      const struct osd_attr_entry *e)
{
    size_t group = 0;

    if (c->type == OSD_LIST_MULTI_V2)
        group = osd_attr_group_open(w, e->oid, OSD_TYPE_USER);
    put_again(w, c, e);
    if (c->type == OSD_LIST_MULTI_V2)
        osd_attr_group_close(w, group);
}

/* Walk both lists side by side. */
static void check_same(struct osd_bytes list, struct osd_bytes again,
                       const struct osd_attr_cursor *like)
{
    struct osd_attr_cursor a, b;
    struct osd_wire_error err;
    struct osd_attr_entry x, y;

    require(osd_attr_cursor_open(list, like->gen, like->type, like->lenient, &a, &err) == 0);
    require(osd_attr_cursor_open(again, like->gen, like->type, like->lenient, &b, &err) == 0);
    while (osd_attr_cursor_next(&a, &x, &err) == OSD_OK) {
        if (x.value.len < x.len)
            return; /* the cut end */
        require(osd_attr_cursor_next(&b, &y, &err) == OSD_OK);
        require(x.id.page == y.id.page && x.id.number == y.id.number && x.oid == y.oid);
        require(x.len == y.len && x.undefined == y.undefined);
        require(memcmp(x.value.data, y.value.data, x.len) == 0);
    }
    require(osd_attr_cursor_next(&b, &y, &err) == OSD_E_NOT_FOUND);
}

#define ROOM (4u << 20)

static void check_list(struct osd_bytes list, enum osd_gen gen, enum osd_list_type type,
                       bool retrieved)
{
    static uint8_t back[ROOM];
    struct osd_writer w = osd_writer_make(back, sizeof(back));
    struct osd_wire_error err = {.in_cdb = true};
    struct osd_attr_cursor c;
    struct osd_attr_entry e;
    osd_status st;
    size_t n = 0;

    if (osd_attr_cursor_open(list, gen, type, retrieved, &c, &err)) {
        require(!err.in_cdb && err.what);
        return;
    }
    osd_attr_list_open(&w, gen, type);
    while ((st = osd_attr_cursor_next(&c, &e, &err)) == OSD_OK) {
        check_entry(&c, &e);
        if (e.value.len == e.len)
            put_entry(&w, &c, &e);
        require(++n <= list.len);
    }
    require(st == OSD_E_NOT_FOUND || (st == OSD_E_INVALID && err.field <= list.len));
    osd_attr_list_close(&w, gen, 0);
    bool long1 = gen == OSD_GEN1 && w.full > 0xffff; /* more than its length field can say */
    if (st == OSD_E_NOT_FOUND && !long1 && w.full <= sizeof(back))
        check_same(list, (struct osd_bytes){back, w.full}, &c);
}

static void check_current(struct osd_bytes page, enum osd_gen gen)
{
    struct osd_current_command cc, again;
    uint8_t back[76];
    struct osd_writer w = osd_writer_make(back, sizeof(back));

    if (osd_current_command_parse(page, gen, &cc))
        return;
    osd_current_command_put(&w, gen, &cc);
    require(w.full == (gen == OSD_GEN1 ? 56 : 76));
    require(osd_current_command_parse((struct osd_bytes){back, w.full}, gen, &again) == 0);
    require(again.pid == cc.pid && again.oid == cc.oid && again.used_change == cc.used_change);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    enum osd_gen gen = data[0] & 1 ? OSD_GEN2 : OSD_GEN1;
    struct osd_bytes rest = {data + 1, size - 1};

    check_list(rest, gen, types[data[0] >> 2 & 3], data[0] & 2);
    check_current(rest, gen);
    return 0;
}
