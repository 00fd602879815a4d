/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_recovery.c - error recovery pages x+6h of OSD-2 (reference 4.9)
 *
 * recovery.c writes them. Numbers from 80000000h on of the root's are ours: how far the scrub has
 * come (scrub.h).
 */
#include "pages.h"
#include "recovery.h"

/* arg: offset in struct scrub; undefined while there is no scrub. */
static osd_status get_scrub(const struct ask *a, struct attr_value *ret)
{
    struct scrub *s = &a->c->dev->scrub;
    void *member = (char *)s + a->row->arg;

    if (!s->rate)
        return row_get_undefined(a, ret);
    return row_number(a, atomic_load((atomic_uint_fast64_t *)member), ret);
}

static osd_status get_rate(const struct ask *a, struct attr_value *ret)
{
    uint64_t rate = a->c->dev->scrub.rate;

    return rate ? row_number(a, rate, ret) : row_get_undefined(a, ret);
}

#define RECOVERY_RP                                                                            \
    {RECOVERY_SUMMARY, 1, 1, GEN2, row_get_default, NULL, 0},                                  \
        {RECOVERY_CONTAINED, 1, 1, GEN2, row_get_default, NULL, 0},                            \
        {RECOVERY_DATA_TIME, 3, 6, GEN2, row_get_default, NULL, 0},                            \
    {                                                                                          \
        RECOVERY_COUNT, 1, 8, GEN2, row_get_default, NULL, 0                                   \
    }

static const struct row rows_recovery_p[] = {RECOVERY_RP};
const struct page_rows page_recovery_p = ROWS(rows_recovery_p);

static const struct row rows_recovery_r[] = {
    RECOVERY_RP,
    {SCRUB_RATE, 1, 8, GEN2, get_rate, NULL, 0},
    {SCRUB_BEGUN, 1, 6, GEN2, get_scrub, NULL, offsetof(struct scrub, begun)},
    {SCRUB_BYTES, 1, 8, GEN2, get_scrub, NULL, offsetof(struct scrub, bytes)},
    {SCRUB_OBJECTS, 1, 8, GEN2, get_scrub, NULL, offsetof(struct scrub, objects)},
    {SCRUB_FOUND, 1, 8, GEN2, get_scrub, NULL, offsetof(struct scrub, found)},
    {SCRUB_ENDED, 1, 6, GEN2, get_scrub, NULL, offsetof(struct scrub, ended)},
};
const struct page_rows page_recovery_r = ROWS(rows_recovery_r);

static const struct row rows_recovery_cu[] = {
    {RECOVERY_SUMMARY, 1, 1, GEN2, row_get_default, NULL, 0},
    {RECOVERY_DATA_TIME, 2, 6, GEN2, row_get_default, NULL, 0},
};
const struct page_rows page_recovery_cu = ROWS(rows_recovery_cu);
