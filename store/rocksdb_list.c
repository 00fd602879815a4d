/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/rocksdb_list.c - listings of the RocksDB store
 *
 * Every partition and object has an empty key in the family of ids: its container (0 for
 * partitions), its kind, its own number. A page is one walk over keys that lie side by side.
 */
#include "rocksdb_internal.h"

osd_status listed_ids(struct txn *t, uint64_t pid, uint8_t kind, uint64_t from, uint64_t *ids,
                      size_t max, size_t *ret_n, uint64_t *ret_next)
{
    rocksdb_iterator_t *it = txn_iterate(t, CF_IDS);
    uint8_t key[LISTED_KEY_LEN];
    size_t n = 0, len;

    *ret_next = 0;
    key_listed(key, (struct store_id){pid ? pid : from, pid ? from : 0}, kind);
    if (pid && from == 0) /* what key_listed() takes for a partition */
        key_listed(key, (struct store_id){pid, 1}, kind);
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

osd_status rdb_list(struct store_txn *base, uint64_t pid, enum store_kind kind, uint64_t from,
                    uint64_t *ids, size_t max, size_t *ret_n, uint64_t *ret_next,
                    uint64_t *ret_changes)
{
    struct txn *t = (struct txn *)base;
    struct part *p = txn_part(t, pid);
    osd_status st = OSD_OK;
    uint64_t bound;

    if (!p)
        return OSD_E_NOT_FOUND;
    if (pid == 0)
        kind = STORE_PARTITION;
    for (;;) {
        bound = pid ? dups_bound(t->rdb, pid, kind) : DUPS_ALL;
        st = listed_ids(t, pid, kind, from, ids, max, ret_n, ret_next);
        if (st)
            return st;
        if (bound == DUPS_ALL || (*ret_next && *ret_next <= bound))
            break;
        st = dups_step(t->rdb, pid);
        if (st)
            return st;
    }
    pthread_mutex_lock(&p->mutex);
    *ret_changes = p->changes;
    pthread_mutex_unlock(&p->mutex);
    return OSD_OK;
}
