/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_list.c - listings of the RocksDB store
 *
 * Every partition and object has an empty key in the family of ids: its container (0 for
 * partitions), its kind, its own number. A page is one walk over keys that lie side by side; one of
 * partitions is made of what is in memory of them. A container's changes are counted when its listing
 * shows them, and the count is read before the walk: so what is counted is listed.
 */
#include "rocksdb_internal.h"

osd_status listed_ids(struct txn *t, uint64_t pid, uint8_t kind, uint64_t from, uint64_t *ids,
                      size_t max, size_t *ret_n, uint64_t *ret_next)
{
    rocksdb_iterator_t *it = txn_iterate(t, CF_IDS);
    uint8_t key[LISTED_KEY_LEN];
    size_t n = 0, len;

    *ret_next = 0;
    key_listed(key, (struct store_id){pid, from ? from : 1}, kind); /* 0: for a partition */
    for (rocksdb_iter_seek(it, (char *)key, sizeof(key)); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        const uint8_t *k = (const uint8_t *)rocksdb_iter_key(it, &len);
        if (len != sizeof(key) || memcmp(k, key, 9) != 0)
            break;
        if (n == max) {
            *ret_next = be64_get(k + 9);
            break;
        }
        ids[n++] = be64_get(k + 9);
    }
    *ret_n = n;
    return rdb_iterated(t->rdb, it, OSD_OK);
}

/* The same of the root. What the transaction itself made or removed is looked for one by one. */
static size_t listed_parts(const struct txn *t, uint64_t from, uint64_t *ids, size_t max,
                           uint64_t *ret_next)
{
    if (!t->new_parts && !t->removed && !t->formatted)
        return part_page(t->rdb, from, ids, max, ret_next);
    uint64_t pid = txn_next_part(t, from);
    size_t n = 0;

    while (pid && n < max) {
        ids[n++] = pid;
        pid = pid < UINT64_MAX ? txn_next_part(t, pid + 1) : 0;
    }
    *ret_next = pid;
    return n;
}

/* What a partition that is being made does not have yet is copied before it is listed. */
static osd_status list_objects(struct txn *t, uint64_t pid, enum store_kind kind, uint64_t from,
                               uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next)
{
    for (;;) {
        uint64_t bound = dups_bound(t->rdb, pid, kind);
        osd_status st = listed_ids(t, pid, kind, from, ids, max, ret_n, ret_next);
        if (st || bound == DUPS_ALL || (*ret_next && *ret_next <= bound))
            return st;
        st = dups_step(t->rdb, pid);
        if (st)
            return st;
    }
}

osd_status rdb_list(struct store_txn *base, uint64_t pid, enum store_kind kind, uint64_t from,
                    uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                    uint64_t *ret_changes)
{
    struct txn *t = (struct txn *)base;
    struct part *p = txn_part(t, pid);
    osd_status st = OSD_OK;

    if (!p)
        return OSD_E_NOT_FOUND;
    *ret_changes = __atomic_load_n(&p->changes, __ATOMIC_ACQUIRE);
    if (pid == 0)
        *ret_n = listed_parts(t, from, ids, max, ret_next);
    else
        st = list_objects(t, pid, kind, from, ids, max, ret_n, ret_next);
    return st;
}
