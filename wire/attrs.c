/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/attrs.c - attribute lists, page layouts, current command page
 *
 * Entry heads of both generations are one table; page layouts (reference 4.5, 4.6, 4.8, 4.9)
 * another. A cursor remembers where it is and nothing else.
 */
#include "wire/attrs.h"

#include <string.h>

uint8_t osd_page_owner(uint32_t page)
{
    if (page < OSD_PAGE_P)
        return OSD_TYPE_USER;
    if (page < OSD_PAGE_C)
        return OSD_TYPE_PARTITION;
    if (page < OSD_PAGE_R)
        return OSD_TYPE_COLLECTION;
    if (page < 0xc0000000u)
        return OSD_TYPE_ROOT;
    return 0;
}

bool osd_page_reserved(uint32_t page)
{
    return page >= 0xc0000000u && page < OSD_PAGE_ANY;
}

uint32_t osd_page_offset(uint32_t page)
{
    return page < 0xc0000000u ? page % OSD_PAGE_P : page;
}

/* ---- lists ---- */

/* Shape of an entry head: where the pieces are, counted from the entry's first byte. */
struct head {
    uint8_t len;    /* bytes before the value */
    uint8_t id;     /* page, number */
    uint8_t length; /* 16-bit value length; 0 = entry has none */
    uint8_t oid;    /* 64-bit object id at 0 when set */
    uint8_t align;  /* entries are padded to a multiple */
};

static const struct head get_head = {.len = 8, .align = 1};
static const struct head value_head_v1 = {.len = 10, .length = 8, .align = 1};
static const struct head value_head_v2 = {.len = 16, .length = 14, .align = 8};
static const struct head multi_head_v1 = {
    .len = 18, .id = 8, .length = 16, .oid = 1, .align = 1};

#define GROUP_HEAD 16 /* type Eh: object id, type, reserved, 16-bit list length */

static const struct head *head_of(enum osd_gen gen, enum osd_list_type type)
{
    switch (type) {
    case OSD_LIST_GET:
        return &get_head;
    case OSD_LIST_MULTI_V1:
        return &multi_head_v1;
    case OSD_LIST_SET:
    case OSD_LIST_MULTI_V2:
        break;
    }
    return gen == OSD_GEN1 ? &value_head_v1 : &value_head_v2;
}

static size_t list_header_len(enum osd_gen gen)
{
    return gen == OSD_GEN1 ? 4 : 8;
}

static osd_status list_fail(struct osd_wire_error *reterr, size_t at, const char *what)
{
    *reterr =
        (struct osd_wire_error){.field = (uint16_t)(at > 0xffff ? 0xffff : at), .what = what};
    return OSD_E_INVALID;
}

osd_status osd_attr_cursor_open(struct osd_bytes list, enum osd_gen gen,
                                enum osd_list_type want, bool retrieved,
                                struct osd_attr_cursor *ret, struct osd_wire_error *reterr)
{
    enum osd_list_type foreign = gen == OSD_GEN1 ? OSD_LIST_MULTI_V2 : OSD_LIST_MULTI_V1;
    size_t header = list_header_len(gen);

    if (list.len < header)
        return list_fail(reterr, 0, "attribute list shorter than its header");
    if ((list.data[0] & 0x0f) != want || want == foreign)
        return list_fail(reterr, 0, "wrong attribute list type");

    size_t said = gen == OSD_GEN1 ? be16_get(list.data + 2) : be32_get(list.data + 4);
    size_t there = list.len - header;
    if (retrieved) {
        list.len = header + (said < there ? said : there);
    } else if (said != 0 && said != there) {
        return list_fail(reterr, gen == OSD_GEN1 ? 2 : 4, "attribute list length");
    }
    *ret = (struct osd_attr_cursor){
        .list = list, .at = header, .gen = gen, .type = want, .lenient = retrieved};
    return OSD_OK;
}

bool osd_attr_list_cut(struct osd_bytes list, enum osd_gen gen)
{
    size_t header = list_header_len(gen);

    if (list.len < header)
        return false;
    if (gen == OSD_GEN1)
        return be16_get(list.data + 2) == 0xffff || be16_get(list.data + 2) > list.len - header;
    return be32_get(list.data + 4) > list.len - header;
}

/* Enter the next object's group of a type Eh list. */
static osd_status next_group(struct osd_attr_cursor *c, struct osd_wire_error *reterr)
{
    while (c->type == OSD_LIST_MULTI_V2 && c->at >= c->group_end) {
        if (c->at + GROUP_HEAD > c->list.len)
            return c->at == c->list.len || c->lenient
                       ? OSD_E_NOT_FOUND
                       : list_fail(reterr, c->at, "cut object entry");
        c->oid = be64_get(c->list.data + c->at);
        c->group_end = c->at + GROUP_HEAD + be16_get(c->list.data + c->at + 14);
        c->at += GROUP_HEAD;
    }
    return OSD_OK;
}

/* Where the entries that the cursor stands in must end. */
static size_t entries_end(const struct osd_attr_cursor *c)
{
    bool inside = c->type == OSD_LIST_MULTI_V2 && c->group_end < c->list.len;

    return inside ? c->group_end : c->list.len;
}

osd_status osd_attr_cursor_next(struct osd_attr_cursor *c, struct osd_attr_entry *ret,
                                struct osd_wire_error *reterr)
{
    const struct head *h = head_of(c->gen, c->type);
    osd_status st = next_group(c, reterr);
    size_t end = entries_end(c), left;
    bool may_be_cut = c->lenient && end == c->list.len;

    if (st)
        return st;
    left = end - c->at;
    if (left == 0)
        return OSD_E_NOT_FOUND;
    if (left < h->len)
        return may_be_cut ? OSD_E_NOT_FOUND : list_fail(reterr, c->at, "cut attribute entry");

    const uint8_t *p = c->list.data + c->at;
    struct osd_attr_entry e = {
        .id = {.page = be32_get(p + h->id), .number = be32_get(p + h->id + 4)}, .oid = c->oid};
    if (h->oid)
        e.oid = be64_get(p);
    if (h->length) {
        e.len = be16_get(p + h->length);
        e.undefined = c->gen == OSD_GEN1 ? e.len == 0xffff : c->lenient && e.len == 0;
        if (e.undefined)
            e.len = 0;
        if (e.len > left - h->len && !may_be_cut)
            return list_fail(reterr, c->at, "attribute value reaches beyond its list");
    }
    size_t have = e.len < left - h->len ? e.len : left - h->len;
    e.value = (struct osd_bytes){.data = p + h->len, .len = have};
    size_t step = (h->len + (size_t)e.len + h->align - 1) / h->align * h->align;
    c->at += step < left ? step : left;
    *ret = e;
    return OSD_OK;
}

void osd_attr_list_open(struct osd_writer *w, enum osd_gen gen, enum osd_list_type type)
{
    osd_writer_u8(w, (uint8_t)type);
    osd_writer_zero(w, list_header_len(gen) - 1);
}

void osd_attr_list_close(struct osd_writer *w, enum osd_gen gen, size_t start)
{
    size_t len = w->full - start - list_header_len(gen);
    uint8_t field[4];

    if (gen == OSD_GEN1) {
        be16_put(field, len > 0xffff ? 0xffff : (uint16_t)len);
        osd_writer_patch(w, start + 2, field, 2);
    } else {
        be32_put(field, (uint32_t)len);
        osd_writer_patch(w, start + 4, field, 4);
    }
}

static void put_id(struct osd_writer *w, struct osd_attr_id id)
{
    osd_writer_be32(w, id.page);
    osd_writer_be32(w, id.number);
}

void osd_attr_put_get(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id)
{
    (void)gen;
    put_id(w, id);
}

static void put_entry(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id,
                      const void *value, uint16_t len, uint16_t field)
{
    put_id(w, id);
    if (gen == OSD_GEN2)
        osd_writer_zero(w, 6);
    osd_writer_be16(w, field);
    osd_writer_put(w, value, len);
    if (gen == OSD_GEN2)
        osd_writer_zero(w, (8 - len % 8) % 8);
}

void osd_attr_put_value(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id,
                        const void *value, uint16_t len)
{
    put_entry(w, gen, id, value, len, len);
}

void osd_attr_put_undefined(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id)
{
    put_entry(w, gen, id, NULL, 0, gen == OSD_GEN1 ? 0xffff : 0);
}

void osd_attr_put_multi_v1(struct osd_writer *w, uint64_t oid, struct osd_attr_id id,
                           const void *value, uint16_t len, bool undefined)
{
    osd_writer_be64(w, oid);
    put_entry(w, OSD_GEN1, id, value, undefined ? 0 : len, undefined ? 0xffff : len);
}

size_t osd_attr_group_open(struct osd_writer *w, uint64_t oid, uint8_t object_type)
{
    size_t start = w->full;

    osd_writer_be64(w, oid);
    osd_writer_u8(w, object_type);
    osd_writer_zero(w, 7);
    return start;
}

void osd_attr_group_close(struct osd_writer *w, size_t group_start)
{
    uint8_t field[2];

    be16_put(field, (uint16_t)(w->full - group_start - GROUP_HEAD));
    osd_writer_patch(w, group_start + 14, field, sizeof(field));
}

/* ---- page layouts ---- */

#define N(a) (uint16_t)(sizeof(a) / sizeof((a)[0]))

static const struct osd_page_field quotas_r[] = {
    {0x1, 8, 8}, {0x10001, 16, 8}, {0x10002, 24, 8}, {0x10081, 32, 4}, {0x20002, 36, 8}};
static const struct osd_page_field quotas_p[] = {
    {0x1, 8, 8}, {0x10001, 16, 8}, {0x10002, 24, 8}, {0x10081, 32, 4}};
static const struct osd_page_field quotas_u[] = {{0x1, 8, 8}};
static const struct osd_page_field times_r[] = {{0x2, 8, 6}, {0x3, 14, 6}, {0xfffffffe, 20, 1}};
static const struct osd_page_field times_p[] = {
    {0x1, 8, 6}, {0x2, 14, 6}, {0x3, 20, 6}, {0x4, 26, 6}, {0x5, 32, 6}, {0xfffffffe, 38, 1}};
static const struct osd_page_field times_cu[] = {
    {0x1, 8, 6}, {0x2, 14, 6}, {0x3, 20, 6}, {0x4, 26, 6}, {0x5, 32, 6}};
static const struct osd_page_field security_r[] = {
    {0x1, 8, 1},         {0x6, 9, 1},         {0x7, 10, 2},        {0x2, 12, 6},
    {0x3, 18, 6},        {0x7ffd, 25, 7},     {0x7ffe, 32, 7},     {0x80000000, 39, 1},
    {0x80000001, 40, 1}, {0x80000002, 41, 1}, {0x80000010, 55, 1}, {0x80000011, 56, 1},
    {0x80000012, 57, 1}};
static const struct osd_page_field security_r2[] = {
    {0x1, 8, 1},         {0x6, 9, 1},         {0x7, 10, 2},        {0x2, 12, 6},
    {0x3, 18, 6},        {0x7ffd, 25, 7},     {0x7ffe, 32, 7},     {0x80000000, 39, 1},
    {0x80000001, 40, 1}, {0x80000002, 41, 1}, {0x80000010, 55, 1}, {0x80000011, 56, 1},
    {0x80000012, 57, 1}, {0xa, 72, 2}};
static const struct osd_page_field security_p1[] = {
    {0x1, 11, 1}, {0x2, 12, 6},         {0x3, 18, 6},        {0x4, 24, 2},
    {0x5, 26, 2}, {0x40000001, 150, 4}, {0x40000002, 154, 4}};
static const struct osd_page_field security_p2[] = {
    {0x1, 11, 1}, {0x2, 12, 6},        {0x3, 18, 6},       {0x4, 24, 2},
    {0x5, 26, 2}, {0x40000001, 28, 4}, {0x40000002, 32, 4}};
static const struct osd_page_field security_cu[] = {{0x40000001, 8, 4}};

static const struct osd_page_field recovery_rp[] = {{0x6, 8, 8},  {0x1, 16, 1}, {0x2, 17, 1},
                                                    {0x3, 18, 6}, {0x4, 24, 6}, {0x5, 30, 6}};
static const struct osd_page_field recovery_cu[] = {{0x1, 8, 1}, {0x3, 10, 6}, {0x4, 16, 6}};

#define R(x) (OSD_PAGE_R + (x))
#define P(x) (OSD_PAGE_P + (x))
#define C(x) (OSD_PAGE_C + (x))
#define U(x) (OSD_PAGE_U + (x))
#define BOTH 0

static const struct {
    int gen; /* BOTH or one generation */
    struct osd_page_layout layout;
} page_table[] = {
    {BOTH, {R(OSD_PG_QUOTAS), 44, N(quotas_r), quotas_r}},
    {BOTH, {P(OSD_PG_QUOTAS), 36, N(quotas_p), quotas_p}},
    {BOTH, {U(OSD_PG_QUOTAS), 16, N(quotas_u), quotas_u}},
    {BOTH, {R(OSD_PG_TIMESTAMPS), 21, N(times_r), times_r}},
    {BOTH, {P(OSD_PG_TIMESTAMPS), 39, N(times_p), times_p}},
    {BOTH, {C(OSD_PG_TIMESTAMPS), 38, N(times_cu), times_cu}},
    {BOTH, {U(OSD_PG_TIMESTAMPS), 38, N(times_cu), times_cu}},
    {OSD_GEN1, {R(OSD_PG_SECURITY), 71, N(security_r), security_r}},
    {OSD_GEN2, {R(OSD_PG_SECURITY), 74, N(security_r2), security_r2}},
    {OSD_GEN1, {P(OSD_PG_SECURITY), 158, N(security_p1), security_p1}},
    {OSD_GEN2, {P(OSD_PG_SECURITY), 158, N(security_p2), security_p2}},
    {BOTH, {C(OSD_PG_SECURITY), 12, N(security_cu), security_cu}},
    {BOTH, {U(OSD_PG_SECURITY), 12, N(security_cu), security_cu}},
    {OSD_GEN2, {R(OSD_PG_RECOVERY), 36, N(recovery_rp), recovery_rp}},
    {OSD_GEN2, {P(OSD_PG_RECOVERY), 36, N(recovery_rp), recovery_rp}},
    {OSD_GEN2, {C(OSD_PG_RECOVERY), 22, N(recovery_cu), recovery_cu}},
    {OSD_GEN2, {U(OSD_PG_RECOVERY), 22, N(recovery_cu), recovery_cu}},
};

const struct osd_page_layout *osd_page_layout(uint32_t page, enum osd_gen gen)
{
    for (size_t i = 0; i < sizeof(page_table) / sizeof(page_table[0]); i++)
        if (page_table[i].layout.page == page &&
            (page_table[i].gen == BOTH || page_table[i].gen == (int)gen))
            return &page_table[i].layout;
    return NULL;
}

void osd_page_put_null(struct osd_writer *w, uint32_t page)
{
    osd_writer_be32(w, page);
    osd_writer_be32(w, 0);
}

void osd_current_command_put(struct osd_writer *w, enum osd_gen gen,
                             const struct osd_current_command *cc)
{
    osd_writer_be32(w, OSD_PAGE_CURRENT);
    osd_writer_be32(w, gen == OSD_GEN1 ? 0x30 : 0x44);
    osd_writer_put(w, cc->response_icv, gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN);
    osd_writer_u8(w, cc->object_type);
    osd_writer_zero(w, 3);
    osd_writer_be64(w, cc->pid);
    osd_writer_be64(w, cc->oid);
    osd_writer_be64(w, cc->append_start);
    if (gen == OSD_GEN2)
        osd_writer_be64(w, (uint64_t)cc->used_change);
}

osd_status osd_current_command_parse(struct osd_bytes page, enum osd_gen gen,
                                     struct osd_current_command *ret)
{
    size_t icv = gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
    size_t least = 8 + icv + 4 + 24;
    struct osd_current_command cc = {0};

    if (page.len < least || be32_get(page.data) != OSD_PAGE_CURRENT)
        return OSD_E_INVALID;
    const uint8_t *p = page.data + 8 + icv;
    memcpy(cc.response_icv, page.data + 8, icv);
    cc.object_type = p[0];
    cc.pid = be64_get(p + 4);
    cc.oid = be64_get(p + 12);
    cc.append_start = be64_get(p + 20);
    if (gen == OSD_GEN2 && page.len >= least + 8)
        cc.used_change = (int64_t)be64_get(p + 28);
    *ret = cc;
    return OSD_OK;
}
