/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/keys_internal.h - what keys.c and tags.c share: a piece of work on one partition of one
 * device
 *
 * Work is a loop: look at the record, do the next thing that is missing, write it down; when
 * another manager was faster (OSD_E_BUSY), look again. One piece of work at a time on a device.
 */
#ifndef SECMGR_KEYS_INTERNAL_H
#define SECMGR_KEYS_INTERNAL_H

#include "key_records.h"
#include "keys.h"

#define SM_STEPS 24 /* of one loop, at most */

struct sm_job {
    struct sm_keys *k;
    struct sm_osd osd;
    struct sm_osd_keys osd_keys;
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    struct sm_part part;
    struct sm_part_keys keys;
    struct sm_link *link;
    bool locked;
    int64_t ahead_ms; /* the device's clock */
    char *why;
    size_t why_len;
};

#define SM_JOB(name, keys) struct sm_job name = {.k = (keys), .why = why, .why_len = why_len}

/** Lock the device and read the records. sm_job_end() in any case. */
osd_status sm_job_begin(struct sm_job *j, const struct sm_osd *o, uint64_t pid);
void sm_job_end(struct sm_job *j, osd_status st);

/** The partition's record anew. */
osd_status sm_job_reload(struct sm_job *j);
/** OSD_E_BUSY: another manager changed it. */
osd_status sm_job_save(struct sm_job *j);
/** A way to the device, in j->link. */
osd_status sm_job_link(struct sm_job *j);
/** Until the partition has its keys and tags. */
osd_status sm_job_settle(struct sm_job *j);
/** Ask the device for the current working key, and settle anew if it does not have it. */
osd_status sm_job_verify(struct sm_job *j);

struct sm_db *sm_keys_db(struct sm_keys *k);

/** To be sent, with a new nonce. */
void sm_tag_plan(struct sm_job *j, struct sm_tag *t, uint32_t value);
/** The tag after another one; never 0. */
uint32_t sm_tag_after(uint32_t value);

#endif
