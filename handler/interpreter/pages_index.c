/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_index.c - our page P+F000h: what QUERY finds quickly (docs/query.md)
 *
 * Attribute n says which attribute of the partition's user objects is indexed, attribute 8000h + n
 * how far that is.
 */
#include "pages.h"

#define SPEC_LEN   8      /* page, number */
#define STATE_BASE 0x8000 /* attributes n + this */

enum { STATE_BUILDING = 1, STATE_COMPLETE = 2 };

static osd_status set_spec(const struct ask *a, const uint8_t *value, uint32_t len,
                           enum attr_refusal *ret_why)
{
    if (len != 0 && len != SPEC_LEN)
        return row_refuse(REFUSE_LENGTH, ret_why);
    if (len &&
        !attr_is_stored(a->c, (struct osd_attr_id){be32_get(value), be32_get(value + 4)}))
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

static osd_status get_state(const struct ask *a, struct attr_value *ret)
{
    const struct store_ops *ops = ops_of(a->c);
    uint32_t n = a->id.number - STATE_BASE, len;
    uint8_t spec[SPEC_LEN];
    size_t found;
    bool more;
    osd_status st =
        ops->get_attr(a->c->txn, a->o->id, STORE_INDEX_PAGE, n, spec, sizeof(spec), &len);

    *ret = (struct attr_value){0};
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    struct store_values any = {.page = be32_get(spec), .number = be32_get(spec + 4)};
    st = ops->find(a->c->txn, a->o->id.pid, &any, NULL, 0, &found, &more);
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    return row_number(a, st ? STATE_BUILDING : STATE_COMPLETE, ret);
}

static const struct row rows[] = {
    {1, STORE_INDEX_MAX, 0, 0, row_get_stored, set_spec, 0},
    {STATE_BASE + 1, STORE_INDEX_MAX, 1, 0, get_state, NULL, 0},
};
const struct page_rows page_index_p = ROWS(rows);
