/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_information.c - information pages x+1h (reference 4.4)
 */
#include <string.h>

#include "continuation.h"
#include "pages.h"

#define DEFAULT_NAME "liosd"
#define MODEL        "liosd object storage device"

/* Snapshots, clones and branch depth are limited by what a block can count: its owners. */
#define DUPLICATES_MAX   65535u
#define DUPLICATE_KIND   0x80000001u /* ours: 0 none, 1 snapshot, 2 clone (docs/snapshots.md) */
#define DUPLICATE_SOURCE 0x80000002u /* ours: the partition it was made from, or 0 */

static osd_status get_system_id(const struct ask *a, struct attr_value *ret)
{
    *ret = (struct attr_value){.data = a->c->dev->system_id, .len = OSD_SYSTEM_ID_LEN};
    return OSD_OK;
}

static osd_status get_vendor(const struct ask *a, struct attr_value *ret)
{
    return row_padded(a, a->c->dev->identity.vendor, ret);
}

static osd_status get_product(const struct ask *a, struct attr_value *ret)
{
    return row_padded(a, a->c->dev->identity.product, ret);
}

static osd_status get_model(const struct ask *a, struct attr_value *ret)
{
    return row_padded(a, MODEL, ret);
}

static osd_status get_revision(const struct ask *a, struct attr_value *ret)
{
    return row_padded(a, a->c->dev->identity.revision, ret);
}

static osd_status get_serial(const struct ask *a, struct attr_value *ret)
{
    return row_text(ret, a->c->dev->identity.serial);
}

/* Never empty: deployed initiators stop at an undefined attribute (reference 10 row 31). */
static osd_status get_name(const struct ask *a, struct attr_value *ret)
{
    osd_status st = row_get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? row_text(ret, DEFAULT_NAME) : st;
}

/* FORMAT OSD, which is not committed yet, tells what it makes. */
static osd_status get_capacity(const struct ask *a, struct attr_value *ret)
{
    struct store_info info;

    if (a->c->formats)
        return row_number(a, a->c->cdb.length ? a->c->cdb.length : a->c->dev->max_capacity,
                          ret);
    ops_of(a->c)->info(a->c->dev->store, &info);
    return row_number(a, info.capacity, ret);
}

osd_status row_get_clock(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->c->set_clock ? a->c->new_clock : a->c->now, ret);
}

static osd_status get_isolation_methods(const struct ask *a, struct attr_value *ret)
{
    memset(a->c->small, 0, a->row->len);
    a->c->small[0] =
        0x6c; /* none, strict, range, functional: commands on an object are serial */
    *ret = (struct attr_value){.data = a->c->small, .len = a->row->len};
    return OSD_OK;
}

static osd_status set_length(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    (void)ret_why;
    a->c->touch |= STORE_TOUCH_DATA_MODIFIED;
    return ops_of(a->c)->truncate(a->c->txn, a->o->id, row_be_value(value, len));
}

static osd_status set_isolation(const struct ask *a, const uint8_t *value, uint32_t len,
                                enum attr_refusal *ret_why)
{
    if (value[0] != 1 && value[0] != 2 && value[0] != 4 && value[0] != 5)
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

/* All methods that are offered do the same, so what a client says here makes no difference yet. */
static osd_status set_method(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    uint64_t method = row_be_value(value, len);

    if (method != 0x01 && (method < 0xfd || method > 0xff))
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

/* Duplicates are taken at the moment of the command, always. */
static osd_status set_time(const struct ask *a, const uint8_t *value, uint32_t len,
                           enum attr_refusal *ret_why)
{
    if (row_be_value(value, len) != 0)
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

static const struct row rows_information_r[] = {
    {0x3, 1, 20, 0, get_system_id, NULL, 0},
    {0x4, 1, 8, 0, get_vendor, NULL, 0},
    {0x5, 1, 16, 0, get_product, NULL, 0},
    {0x6, 1, 32, 0, get_model, NULL, 0},
    {0x7, 1, 4, 0, get_revision, NULL, 0},
    {0x8, 1, 0, 0, get_serial, NULL, 0},
    {0x9, 1, 0, 0, get_name, row_set_stored, 0},
    {0xa, 1, 4, GEN2, row_get_const, NULL, CONTINUATION_MAX},
    {0x80, 1, 8, 0, get_capacity, NULL, 0},
    {0x81, 1, 8, 0, row_get_meta, NULL, M(used)},
    {0x83, 1, 4, GEN2, row_get_const, NULL, 0},
    {0xc0, 1, 8, 0, row_get_meta, NULL, M(count)},
    {0x100, 1, 6, 0, row_get_clock, NULL, 0},
    {0x110, 1, 1, GEN2, row_get_default, set_isolation, 2},
    {0x111, 1, 32, GEN2, get_isolation_methods, NULL, 0},
    {0x120, 1, 8, GEN2, row_get_const, NULL, STORE_LENGTH_MAX},
    {0x121, 1, 8, GEN2, row_get_const, NULL, 1},
    {0x122, 1, 8, GEN2, row_get_const, NULL, OSD_ATTR_VALUE_MAX},
    {0x123, 1, 1, GEN2, row_get_const, NULL, 1},
    {0x1c1, 2, 4, GEN2, row_get_const, NULL, DUPLICATES_MAX},
    {0x1cc, 1, 4, GEN2, row_get_const, NULL, DUPLICATES_MAX},
    {0x200, 2, 4, GEN2, row_get_const, NULL, 1},
    {0x281, 1, 4, GEN2, row_get_const, NULL, 1},
    {0x2fd, 3, 4, GEN2, row_get_const, NULL, 1},
    {0x300, 1, 4, GEN2, row_get_const, NULL, 1},
    {0x310, 1, 4, GEN2, row_get_const, NULL, 1},
    {0x311, 1, 1, GEN2, row_get_const, NULL, 1},
    {0x7000001, 2, 4, GEN2, row_get_const, NULL, CONTINUATION_MAX - CONTINUATION_HEAD - 8},
    {0x7000100, 1, 4, GEN2, row_get_const, NULL, 16},
    {0x7000101, 1, 4, GEN2, row_get_const, NULL, 20},
    {0x700ffee, 1, 4, GEN2, row_get_const, NULL, CONTINUATION_MAX - CONTINUATION_HEAD - 8},
};
const struct page_rows page_information_r = ROWS(rows_information_r);

static const struct row rows_information_p[] = {
    {0x1, 1, 8, ZERO, row_get_pid, NULL, 0},
    {0x9, 1, 0, ZERO, row_get_stored, row_set_stored, 0},
    {0x81, 1, 8, 0, row_get_meta, NULL, M(used)},
    {0x83, 1, 4, GEN2, row_get_const, NULL, 0},
    {0x84, 1, 8, GEN2, row_get_const, NULL, STORE_BLOCK},
    {0xc1, 1, 8, 0, row_get_meta, NULL, M(count)},
    {0xd1, 1, 8, GEN2, row_get_meta, NULL, M(used)},
    {0x200, 2, 4, GEN2, row_get_default, set_method, 1},
    {0x300, 2, 4, GEN2, row_get_default, set_time, 0},
    {DUPLICATE_KIND, 1, 1, GEN2, row_get_meta, NULL, M(duplicate)},
    {DUPLICATE_SOURCE, 1, 8, GEN2, row_get_meta, NULL, M(source)},
};
const struct page_rows page_information_p = ROWS(rows_information_p);

static const struct row rows_information_c[] = {
    {0x1, 1, 8, 0, row_get_pid, NULL, 0},
    {0x2, 1, 8, 0, row_get_oid, NULL, 0},
    {0x9, 1, 0, 0, row_get_stored, row_set_stored, 0},
    {0xa, 1, 1, GEN2, row_get_meta, NULL, M(type)},
    {0x81, 1, 8, 0, row_get_meta, NULL, M(used)},
    {0x83, 1, 4, GEN2, row_get_const, NULL, 0},
};
const struct page_rows page_information_c = ROWS(rows_information_c);

static const struct row rows_information_u[] = {
    {0x1, 1, 8, 0, row_get_pid, NULL, 0},
    {0x2, 1, 8, 0, row_get_oid, NULL, 0},
    {0x9, 1, 0, 0, row_get_stored, row_set_stored, 0},
    {0x81, 1, 8, 0, row_get_meta, NULL, M(used)},
    {0x82, 1, 8, 0, row_get_meta, set_length, M(length)},
    {0x83, 1, 4, GEN2, row_get_const, NULL, 0},
    {0xd1, 1, 8, GEN2, row_get_meta, NULL, M(used)},
};
const struct page_rows page_information_u = ROWS(rows_information_u);
