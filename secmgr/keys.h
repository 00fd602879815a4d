/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/keys.h - the key manager: secret keys of many OSDs, set on the devices and kept sealed
 * in the database; with a partition's keys go its policy access tags (tags.h)
 *
 * Invariants:
 *  (1) A command that changes a key on a device is written down before it is sent, and its result
 *      after it was carried out. Whoever finds one written down carries it out again, which is
 *      the same bytes (device.h), so managers may die or race at any point.
 *  (2) Credentials are made with a key only after the device has it.
 *  (3) A working key is overwritten only when every credential made with it has expired: rotation
 *      takes the next of the 16 versions, and a version that was current until t is free at t +
 *      overlap.
 * Every function may be called from any thread and blocks; why gets a sentence on failure.
 */
#ifndef SECMGR_KEYS_H
#define SECMGR_KEYS_H

#include "db.h"
#include "device.h"
#include "vault.h"
#include "wishes.h"

struct sm_keys;

struct sm_keys_config {
    struct sm_db *db; /* these stay the caller's */
    struct sm_vault *vault;
    const struct sm_wishes *wishes; /* for the integrity algorithm of credentials */
    sm_link_open *open_link;        /* NULL: sm_link_open_url */
    uint8_t dh_group;               /* OSD_DH_1024, OSD_DH_2048; 0 = the latter */
    uint64_t overlap_ms;            /* longest life of a credential */
};

/** OSD_E_NOMEM. */
osd_status sm_keys_open(const struct sm_keys_config *cfg, struct sm_keys **ret);
void sm_keys_close(struct sm_keys *k);

/**
 * Take over an OSD: learn its system id, change its master key, set its root key and the keys of
 * partition zero.
 *
 * @param master generation key, then authentication key, as the device was created with.
 * @return OSD_OK and the record's id; OSD_E_EXISTS (name or device is known already: after an
 *         enrolment that failed halfway, sm_keys_reenrol() ends it); OSD_E_DENIED (the device has
 *         another master key; nothing is kept); what devices and databases return.
 */
osd_status sm_keys_enrol(struct sm_keys *k, const char *name, const char *url, uint8_t method,
                         const uint8_t master[2 * OSD_KEY_LEN], char ret_id[SM_ID_TEXT],
                         char *why, size_t why_len);

/** End what was interrupted; with new_master change the master key, too. All credentials of the
 *  device end; keys of partitions are made again when asked for. */
osd_status sm_keys_reenrol(struct sm_keys *k, const char *name, bool new_master, char *why,
                           size_t why_len);

/** What new credentials on a partition are made with. */
struct sm_working {
    struct osd_algorithm algorithm;
    uint8_t version;
    uint8_t key[OSD_KEY_LEN];
    uint32_t own_tag,
        new_tag; /* policy access tags: of the partition, of new objects; 0: none */
};

/** The partition is set up when it has no keys or tags. OSD_E_NOT_FOUND: the device has no such
 *  partition; OSD_E_UNSUPPORTED: it does not list the algorithm that is wished for. */
osd_status sm_keys_working(struct sm_keys *k, const struct sm_osd *o, uint64_t pid,
                           struct sm_working *ret, char *why, size_t why_len);

/** What the device said of its integrity algorithms: at enrolment, at the rotation of partition
 *  zero, and when it refused a key. OSD_E_NOT_FOUND: it has not been asked yet. */
osd_status sm_keys_algorithms(struct sm_keys *k, const struct sm_osd *o,
                              struct osd_algorithms *ret);

/** A client says that the device refuses credentials of the current key: ask the device, and set
 *  up the partition's keys again if it does not have them. At most once in some seconds for one
 *  partition; then OSD_OK at once. */
osd_status sm_keys_verify(struct sm_keys *k, const struct sm_osd *o, uint64_t pid, char *why,
                          size_t why_len);

/** Next working key; credentials of the one before stay valid. OSD_E_BUSY: invariant (3). */
osd_status sm_keys_rotate(struct sm_keys *k, const struct sm_osd *o, uint64_t pid, char *why,
                          size_t why_len);
/** New partition key and working key; all credentials on the partition end at once. */
osd_status sm_keys_revoke(struct sm_keys *k, const struct sm_osd *o, uint64_t pid, char *why,
                          size_t why_len);

/** What is known about a partition's keys, without the keys. */
struct sm_key_state {
    uint64_t pid;
    bool ready, pending;
    uint8_t version;
    uint64_t set_ms; /* when the current working key was set */
};
osd_status sm_keys_each(struct sm_keys *k, const struct sm_osd *o,
                        void (*visit)(void *arg, const struct sm_key_state *s), void *arg);

/** Rotate every working key older than age_ms. Failures are logged; the others go on. *ret_n:
 *  how many were rotated. */
osd_status sm_keys_rotate_due(struct sm_keys *k, uint64_t age_ms, unsigned *ret_n);

struct sm_keys_stats {
    uint64_t enrolments, rotations, revocations, setups, failures;
};
void sm_keys_get_stats(struct sm_keys *k, struct sm_keys_stats *ret);

#endif
