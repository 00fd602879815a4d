/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/store_common.c - what every implementation of the store shares
 */
#include "store.h"

struct store_meta store_root_defaults(uint64_t now_ms)
{
    return (struct store_meta){
        .kind = STORE_ROOT,
        .created = now_ms,
        .attr_accessed = now_ms,
        .attr_modified = now_ms,
        .data_accessed = now_ms,
        .data_modified = now_ms,
        .max_length = STORE_NO_LIMIT,
        .capacity_quota = STORE_NO_LIMIT,
        .object_quota = STORE_NO_LIMIT,
        .partition_quota = STORE_NO_LIMIT,
        .collections_quota = UINT32_MAX,
    };
}
