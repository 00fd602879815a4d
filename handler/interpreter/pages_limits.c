/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_limits.c - quotas and timestamps pages, x+2h and x+3h
 * (reference 4.5, 4.6)
 */
#include "pages.h"

static osd_status set_bypass(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    if (value[0] != 0 && value[0] != 0x7f && value[0] < 0xe0)
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_meta(a, value, len, ret_why);
}

static const struct row rows_quotas_r[] = {
    {0x1, 1, 8, 0, row_get_meta, row_set_meta, M(max_length)},
    {0x10001, 1, 8, 0, row_get_meta, row_set_meta, M(capacity_quota)},
    {0x10002, 1, 8, 0, row_get_meta, row_set_meta, M(object_quota)},
    {0x10081, 1, 4, 0, row_get_meta, row_set_meta, M(collections_quota)},
    {0x20002, 1, 8, 0, row_get_meta, row_set_meta, M(partition_quota)},
};
const struct page_rows page_quotas_r = ROWS(rows_quotas_r);

static const struct row rows_quotas_p[] = {
    {0x1, 1, 8, 0, row_get_meta, row_set_meta, M(max_length)},
    {0x10001, 1, 8, 0, row_get_meta, row_set_meta, M(capacity_quota)},
    {0x10002, 1, 8, 0, row_get_meta, row_set_meta, M(object_quota)},
    {0x10081, 1, 4, 0, row_get_meta, row_set_meta, M(collections_quota)},
};
const struct page_rows page_quotas_p = ROWS(rows_quotas_p);

static const struct row rows_quotas_u[] = {
    {0x1, 1, 8, 0, row_get_meta, row_set_meta, M(max_length)},
};
const struct page_rows page_quotas_u = ROWS(rows_quotas_u);

static const struct row rows_times_r[] = {
    {0x2, 1, 6, 0, row_get_meta, NULL, M(attr_accessed)},
    {0x3, 1, 6, 0, row_get_meta, NULL, M(attr_modified)},
    {0xfffffffe, 1, 1, 0, row_get_meta, set_bypass, M(time_bypass)},
};
const struct page_rows page_times_r = ROWS(rows_times_r);

static const struct row rows_times_p[] = {
    {0x1, 1, 6, 0, row_get_meta, NULL, M(created)},
    {0x2, 1, 6, 0, row_get_meta, NULL, M(attr_accessed)},
    {0x3, 1, 6, 0, row_get_meta, NULL, M(attr_modified)},
    {0x4, 1, 6, 0, row_get_meta, NULL, M(data_accessed)},
    {0x5, 1, 6, 0, row_get_meta, NULL, M(data_modified)},
    {0xfffffffe, 1, 1, 0, row_get_meta, set_bypass, M(time_bypass)},
};
const struct page_rows page_times_p = ROWS(rows_times_p);

static const struct row rows_times_cu[] = {
    {0x1, 1, 6, 0, row_get_meta, NULL, M(created)},
    {0x2, 1, 6, 0, row_get_meta, NULL, M(attr_accessed)},
    {0x3, 1, 6, 0, row_get_meta, NULL, M(attr_modified)},
    {0x4, 1, 6, 0, row_get_meta, NULL, M(data_accessed)},
    {0x5, 1, 6, 0, row_get_meta, NULL, M(data_modified)},
};
const struct page_rows page_times_cu = ROWS(rows_times_cu);
