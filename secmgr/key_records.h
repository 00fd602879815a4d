/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/key_records.h - what the key manager keeps of an OSD and of a partition, sealed and
 * unsealed
 *
 * Both forms begin with a format byte. Plain records are wiped by whoever made them:
 * _cleanup_osd_keys_, _cleanup_part_keys_.
 */
#ifndef SECMGR_KEY_RECORDS_H
#define SECMGR_KEY_RECORDS_H

#include "db.h"
#include "device.h"
#include "vault.h"

#define SM_WORKING 16

struct sm_osd_keys {
    struct sm_key master, root;
    struct sm_key next_master; /* may be the device's already */
    bool has_next, has_root;
    struct sm_set_key pending; /* kind SM_KEY_ROOT or NONE */
    bool knows_algorithms;
    struct osd_algorithms algorithms; /* as the device said when it was asked last */
};

/** A policy access tag: what the device has, or shall have. */
struct sm_tag {
    uint32_t value; /* 0: none was ever given */
    bool pending;   /* the device may not have it yet; sent with this nonce */
    uint8_t nonce[OSD_NONCE_LEN];
};

struct sm_part_keys {
    bool has_key, has_current;
    struct sm_key key;
    uint8_t current; /* version of new credentials */
    struct {
        bool valid;
        uint64_t set_ms;
        uint8_t key[OSD_KEY_LEN];
    } working[SM_WORKING];
    struct sm_set_key pending;      /* SM_KEY_PARTITION, SM_KEY_WORKING or NONE */
    uint8_t root_mark[4];           /* of the root key it descends from */
    bool untagged;                  /* nothing can be set: a snapshot */
    struct sm_tag own_tag, new_tag; /* of the partition; of objects that are made in it */
};

/** From and into the secret member of the database's records. OSD_E_CORRUPT: sealed with another
 *  passphrase, or damaged. */
osd_status sm_osd_keys_load(struct sm_vault *v, const struct sm_osd *o,
                            struct sm_osd_keys *ret);
osd_status sm_osd_keys_store(struct sm_vault *v, const struct sm_osd_keys *k, struct sm_osd *o);
osd_status sm_part_keys_load(struct sm_vault *v, const struct sm_part *p,
                             struct sm_part_keys *ret);
osd_status sm_part_keys_store(struct sm_vault *v, const struct sm_part_keys *k,
                              struct sm_part *p);

/** A few bytes that differ with the root key and tell nothing about it. */
osd_status sm_root_mark(const struct sm_osd_keys *k, uint8_t ret[4]);

void sm_osd_keys_wipe(struct sm_osd_keys *k);
void sm_part_keys_wipe(struct sm_part_keys *k);
#define _cleanup_osd_keys_  __attribute__((cleanup(sm_osd_keys_wipe)))
#define _cleanup_part_keys_ __attribute__((cleanup(sm_part_keys_wipe)))

#endif
