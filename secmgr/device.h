/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/device.h - the key commands of an OSD, signed (CMDRSP or ALLDATA, OSD-2), over libosd's
 * transport
 *
 * A SET KEY is completely determined by its arguments: the same arguments are the same bytes,
 * nonce included, and the device carries those out once however often they arrive.
 *
 * All of it is signed with HMAC-SHA1, as keys are derived: it works before anything is known of a
 * device and after it was replaced or restored, and is the same bytes whatever managers are
 * configured to give out.
 */
#ifndef SECMGR_DEVICE_H
#define SECMGR_DEVICE_H

#include "libosd/transport.h"
#include "security/algorithms.h"

/** A way to one device; tests have their own. */
struct sm_link {
    osd_status (*execute)(struct sm_link *l, struct exchange *x, char *why, size_t why_len);
    void (*close)(struct sm_link *l);
    uint8_t method; /* commands are signed by; ALLDATA, or all else means CMDRSP */
};

typedef osd_status sm_link_open(const char *url, struct sm_link **ret, char *why,
                                size_t why_len);

/** The usual way: a device URL of libosd. */
sm_link_open sm_link_open_url;

/** A key with both parts (working keys have no generation part: zeros). */
struct sm_key {
    uint8_t generation[OSD_KEY_LEN], authentication[OSD_KEY_LEN];
};

/** The device's OSD system id, from VPD page 83h, which needs no credential. OSD_E_PROTOCOL. */
osd_status sm_device_system_id(struct sm_link *l, uint8_t ret[OSD_SYSTEM_ID_LEN], char *why,
                               size_t why_len);

enum sm_key_kind { SM_KEY_NONE = 0, SM_KEY_ROOT = 1, SM_KEY_PARTITION = 2, SM_KEY_WORKING = 3 };

/** What identifies one SET KEY. */
struct sm_set_key {
    uint8_t kind; /* enum sm_key_kind */
    uint8_t version;
    uint8_t seed[OSD_SEED_LEN];
    uint8_t nonce[OSD_NONCE_LEN];
    uint8_t id[OSD_KEY_ID_LEN];
};

/** A fresh one, with the time of a clock that is clock_ahead_ms ahead of ours. */
void sm_set_key_plan(struct sm_set_key *k, uint8_t kind, uint8_t version,
                     int64_t clock_ahead_ms);

/** The key it makes of its parent's generation key. */
osd_status sm_set_key_result(const struct sm_set_key *k, const struct sm_key *parent,
                             struct sm_key *ret);

/**
 * Carry it out on partition pid (0: root or partition zero), signed with the parent's
 * authentication key.
 *
 * @return OSD_OK; OSD_E_DENIED: the device does not have this parent key; OSD_E_NOT_FOUND: no
 *         such partition; OSD_E_TIMEOUT: the nonce was used by another command, or is not of the
 *         device's time, whose difference to ours goes to *ret_ahead_ms; what transports return. why says more.
 */
osd_status sm_device_set_key(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                             uint64_t pid, const struct sm_set_key *k,
                             const struct sm_key *parent, int64_t *ret_ahead_ms, char *why,
                             size_t why_len);

/** Whether the device accepts credentials of this working key: OSD_OK, OSD_E_DENIED,
 *  OSD_E_NOT_FOUND and others as above. */
osd_status sm_device_probe(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                           uint64_t pid, uint8_t version, const uint8_t secret[OSD_KEY_LEN],
                           char *why, size_t why_len);

/** Which integrity algorithms the device lists, read with a working key of partition zero. Under
 *  ALLDATA the answer is the device's own word; otherwise it may be changed on its way. Errors as
 *  above; OSD_E_PROTOCOL: the answer is none, or somebody changed it. */
osd_status sm_device_algorithms(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                uint8_t version, const uint8_t secret[OSD_KEY_LEN],
                                struct osd_algorithms *ret, char *why, size_t why_len);

/** A policy access tag of a partition, or of a collection or user object in it. */
struct sm_set_tag {
    uint8_t type; /* OSD_TYPE_* of what it is set on */
    uint64_t pid, oid;
    bool for_new; /* of a partition: the tag that new user objects get */
    uint32_t value;
    uint8_t nonce[OSD_NONCE_LEN];
};

/** A nonce with the time of a clock that is ahead_ms ahead of ours. */
void sm_nonce_make(uint8_t nonce[OSD_NONCE_LEN], int64_t ahead_ms);

/** Set it, signed with a working key of the partition. The same arguments are the same bytes.
 *  Errors as of sm_device_set_key(); OSD_E_NOT_FOUND also for the object; OSD_E_UNSUPPORTED:
 *  nothing may change there, it is a snapshot. */
osd_status sm_device_set_tag(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                             const struct sm_set_tag *t, uint8_t version,
                             const uint8_t secret[OSD_KEY_LEN], int64_t *ret_ahead_ms,
                             char *why, size_t why_len);

/** An exchange of SET MASTER KEY between its two steps. */
struct sm_exchange {
    uint8_t group, id[OSD_KEY_ID_LEN];
    uint8_t ours[256], theirs[256];
    struct sm_key next; /* the master key that step 1 installs */
};

/** Step 0: exchange of seeds. next is known afterwards. */
osd_status sm_device_master_begin(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                  const struct sm_key *master, uint8_t group,
                                  struct sm_exchange *ret, int64_t *ahead_ms, char *why,
                                  size_t why_len);
/** Step 1: change. OSD_E_BUSY: the device has dropped the exchange, begin again. After other
 *  failures nobody knows which master key the device has. */
osd_status sm_device_master_finish(struct sm_link *l,
                                   const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                   const struct sm_key *master, const struct sm_exchange *x,
                                   int64_t *ahead_ms, char *why, size_t why_len);

#endif
