/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_recovery.c - error recovery pages x+6h of OSD-2 (reference 4.9)
 *
 * recovery.c writes them.
 */
#include "pages.h"
#include "recovery.h"

static const struct row rows_recovery_rp[] = {
    {RECOVERY_SUMMARY, 1, 1, GEN2, row_get_default, NULL, 0},
    {RECOVERY_CONTAINED, 1, 1, GEN2, row_get_default, NULL, 0},
    {RECOVERY_DATA_TIME, 3, 6, GEN2, row_get_default, NULL, 0},
    {RECOVERY_COUNT, 1, 8, GEN2, row_get_default, NULL, 0},
};
const struct page_rows page_recovery_rp = ROWS(rows_recovery_rp);

static const struct row rows_recovery_cu[] = {
    {RECOVERY_SUMMARY, 1, 1, GEN2, row_get_default, NULL, 0},
    {RECOVERY_DATA_TIME, 2, 6, GEN2, row_get_default, NULL, 0},
};
const struct page_rows page_recovery_cu = ROWS(rows_recovery_cu);
