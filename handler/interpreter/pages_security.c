/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_security.c - policy/security pages x+5h (reference 4.8)
 */
#include "pages.h"

#define POLICY_TAG 0x40000001u

static osd_status get_methods(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->c->dev->security->supported, ret);
}

static osd_status get_default_method(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->c->dev->security->default_method, ret);
}

static osd_status get_oldest(const struct ask *a, struct attr_value *ret)
{
    osd_status st = row_get_stored(a, ret);

    return st == OSD_OK && ret->len == 0
               ? row_number(a, a->c->dev->security->oldest_nonce_ms, ret)
               : st;
}

static osd_status get_newest(const struct ask *a, struct attr_value *ret)
{
    osd_status st = row_get_stored(a, ret);

    return st == OSD_OK && ret->len == 0
               ? row_number(a, a->c->dev->security->newest_nonce_ms, ret)
               : st;
}

static osd_status get_epoch(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->c->dev->boot_epoch, ret);
}

static osd_status set_method(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    (void)len;
    if (value[0] > 15 || !(a->c->dev->security->supported >> value[0] & 1))
        return row_refuse(REFUSE_VALUE, ret_why);
    return OSD_OK;
}

/* A nonce window of a partition lies inside that of the root. */
static osd_status set_window(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    const struct security_ops *s = a->c->dev->security;
    uint64_t limit = a->id.number == 2 ? s->oldest_nonce_ms : s->newest_nonce_ms;

    if (row_be_value(value, len) > limit)
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

/* Takes effect when the command has committed. */
static osd_status set_clock(const struct ask *a, const uint8_t *value, uint32_t len,
                            enum attr_refusal *ret_why)
{
    (void)ret_why;
    a->c->set_clock = true;
    a->c->new_clock = row_be_value(value, len);
    return OSD_OK;
}

static const struct row rows_security_r[] = {
    {0x1, 1, 1, 0, get_default_method, set_method, 0},
    {0x2, 1, 6, 0, get_oldest, NULL, 0},
    {0x3, 1, 6, 0, get_newest, NULL, 0},
    {0x6, 1, 1, 0, get_default_method, set_method, 0},
    {0x7, 1, 2, 0, get_methods, NULL, 0},
    {0x9, 1, 6, 0, row_get_clock, set_clock, 0},
    {0xa, 1, 2, GEN2, get_epoch, NULL, 0},
    {0x7ffd, 2, 7, 0, row_get_undefined, NULL, 0},
    {0x80000000, 32, 1, 0, row_get_const, NULL, 0},
};
const struct page_rows page_security_r = ROWS(rows_security_r);

static const struct row rows_security_p[] = {
    {0x1, 1, 1, ZERO, get_default_method, set_method, 0},
    {0x2, 1, 6, ZERO, get_oldest, set_window, 0},
    {0x3, 1, 6, ZERO, get_newest, set_window, 0},
    {0x4, 1, 2, ZERO, row_get_default, row_set_stored, 0},
    {0x5, 1, 2, ZERO, row_get_default, row_set_stored, 0},
    {0x7fff, 17, 7, ZERO, row_get_undefined, NULL, 0},
    {POLICY_TAG, 2, 4, ZERO, row_get_default, row_set_stored, 0},
};
const struct page_rows page_security_p = ROWS(rows_security_p);

static const struct row rows_security_cu[] = {
    {POLICY_TAG, 1, 4, 0, row_get_default, row_set_stored, 0},
};
const struct page_rows page_security_cu = ROWS(rows_security_cu);
