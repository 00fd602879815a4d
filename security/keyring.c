/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/keyring.c - see keyring.h
 */
#include "keyring.h"

#include <openssl/crypto.h>
#include <string.h>

osd_status osd_keyring_seed(const struct osd_keyring *ring, enum osd_key_kind kind,
                            uint64_t pid, uint8_t version, uint8_t ret[OSD_SEED_LEN])
{
    static const char purpose[] = "liosd key seed 1";
    uint8_t what[10] = {(uint8_t)kind};
    const struct osd_bytes pieces[] = {{(const uint8_t *)purpose, sizeof(purpose)},
                                       {what, sizeof(what)}};

    be64_put(what + 1, kind >= OSD_KEY_PARTITION ? pid : 0);
    what[9] = kind == OSD_KEY_WORKING ? version : 0;
    return osd_mac(ring->master + OSD_KEY_LEN, pieces, 2, ret);
}

/* One part of a key of a kind, from its parent's generation key. */
static osd_status derive(const struct osd_keyring *ring, enum osd_key_kind kind, uint64_t pid,
                         uint8_t version, const uint8_t parent[OSD_KEY_LEN],
                         enum osd_key_part part, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t seed[OSD_SEED_LEN];
    osd_status st = osd_keyring_seed(ring, kind, pid, version, seed);

    return st ? st : osd_key_derive(parent, (struct osd_bytes){seed, sizeof(seed)}, part, ret);
}

osd_status osd_keyring_key(const struct osd_keyring *ring, enum osd_key_kind kind, uint64_t pid,
                           uint8_t version, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t parent[OSD_KEY_LEN], key[OSD_KEY_LEN];
    osd_status st = OSD_OK;

    if (kind == OSD_KEY_MASTER) {
        memcpy(ret, ring->master + OSD_KEY_LEN, OSD_KEY_LEN);
        return OSD_OK;
    }
    memcpy(parent, ring->master, OSD_KEY_LEN);
    for (int k = OSD_KEY_ROOT; k < (int)kind && st == OSD_OK; k++) {
        st = derive(ring, (enum osd_key_kind)k, pid, 0, parent, OSD_KEY_GENERATION, key);
        memcpy(parent, key, sizeof(parent));
    }
    if (st == OSD_OK)
        st = derive(ring, kind, pid, version, parent, OSD_KEY_AUTHENTICATION, ret);
    OPENSSL_cleanse(parent, sizeof(parent));
    OPENSSL_cleanse(key, sizeof(key));
    return st;
}
