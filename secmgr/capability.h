/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/capability.h - the capability generator: who may do what, from the rules of the
 * access-control database
 *
 * What rules mean:
 *  - A rule gives a principal permissions on one thing: the root object (the device), a partition,
 *    a collection or an object. With `inherit` it also speaks about everything below.
 *  - A question about an object is answered at the first of these levels that has a rule for the
 *    caller: the object's own rules; what the partition's rules let inherit; what the device's
 *    rules let inherit. For a partition: its own rules; what the device lets inherit. For the root
 *    object: its own rules.
 *  - At a level the caller's own rule counts; if there is none, all rules of its groups together;
 *    if there is none, the rule of "other". So a rule without permissions denies.
 *  - Creating and removing a partition are questions about the device: its own rules. Making a
 *    snapshot or a clone is one about the partition that it is made of (CREATE, READ and WRITE).
 *  - A new object has no rules yet: CREATE is answered at the partition's level.
 *  - Rules that have expired do not exist; a capability never outlives the rules it rests on.
 */
#ifndef SECMGR_CAPABILITY_H
#define SECMGR_CAPABILITY_H

#include "db.h"
#include "identity.h"
#include "wire/cdb.h"

/** What a client wants to do. */
struct sm_ask {
    enum osd_gen gen;
    uint8_t type; /* OSD_TYPE_* */
    uint64_t pid, oid;
    uint16_t perms;
    uint64_t lifetime_ms; /* 0 = as long as usual */
    uint64_t created;     /* these go into the capability as they are */
    uint64_t range_start, range_len;
};

struct sm_decision {
    uint16_t granted;    /* of what was asked */
    uint16_t missing;    /* of what was asked; the request is refused unless 0 */
    uint64_t expires;    /* of the rules it rests on, ms; 0 = never */
    const char *level;   /* "object", "partition", "device" rules decided; "none" */
    const char *because; /* "own", "group", "other" rule; "no rule" */
};

/** OSD_OK with a decision, which may be a refusal; OSD_E_INVALID: pid, oid and type do not go
 *  together; errors of the database. Any thread. */
osd_status sm_decide(struct sm_db *db, const char *osd, const struct sm_identity *who,
                     const struct sm_ask *ask, uint64_t now_ms, struct sm_decision *ret);

/** Creating or removing a partition: judged by the device's rules, made with a key of partition
 *  zero. */
bool sm_ask_is_partition_change(const struct sm_ask *ask);

/** Whose working key credentials for it are made with. */
uint64_t sm_ask_key_partition(const struct sm_ask *ask);

/** The capability for a question that was answered with yes; discriminator random, audit as
 *  given. */
void sm_capability_fill(const struct sm_ask *ask, uint8_t method, uint8_t icv_algorithm,
                        uint8_t key_version, uint64_t expires_ms, uint32_t tag,
                        const uint8_t audit[20], struct osd_capability *ret);

#endif
