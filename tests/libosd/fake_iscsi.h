/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/fake_iscsi.h - the functions of initiator.h as a device in memory behind
 * something like kernel LIO, with faults on demand
 *
 * Linked in place of room_initiator's session. Like LIO it carries one direction a command and
 * hands the device one buffer. There is one device for all sessions; it lives from the first
 * iscsi_connect() to fake_reset().
 */
#ifndef TESTS_LIBOSD_FAKE_ISCSI_H
#define TESTS_LIBOSD_FAKE_ISCSI_H

#include "initiator/initiator.h"

#define FAKE_URL  "iscsi://192.0.2.1/iqn.2026-11.org.liosd:fake/3"
#define FAKE_KEPT 64
#define FAKE_KEY  "0123456789" /* eight times: the first master key with a method */

/** What happens to one command. */
enum fault {
    FAULT_NONE,
    FAULT_BUSY,          /* BUSY, not carried out */
    FAULT_FULL,          /* TASK SET FULL, not carried out */
    FAULT_ATTENTION,     /* UNIT ATTENTION, not carried out */
    FAULT_ATTENTION_LIO, /* the same in fixed format, as the kernel sends it */
    FAULT_NOT_READY,     /* NOT READY */
    FAULT_LOST_ANSWER,   /* carried out, answered with BUSY */
    FAULT_FORGOT_STAGE,  /* COLLECT: the device restarted, it knows no such tag */
    FAULT_UNREACHABLE,   /* the connection is gone */
    FAULT_ABORTED,       /* carried out, answered with TASK ABORTED */
    FAULT_CONFLICT       /* RESERVATION CONFLICT */
};

/** Commands that arrived, the first FAKE_KEPT of them; what the next ones shall meet. */
struct fake {
    int n; /* commands so far */
    struct {
        uint8_t cdb[260];
        size_t cdb_len, out_len, in_len;
        uint8_t out[512]; /* first bytes of Data-Out */
        uint64_t lun;
    } kept[FAKE_KEPT];
    enum fault faults[FAKE_KEPT]; /* by number of the command since fake_forget() */
    enum fault always;            /* for all commands, unless FAULT_NONE */
    uint8_t method;               /* security method of a device that is made; 0: none */
    void (*before)(void);         /* runs in every command's thread */
    void (*alter)(struct iscsi_command *c); /* changes what the device answered */
    void (*lie)(struct iscsi_command *c);   /* makes Data-In instead of the device */
};
extern struct fake fake;

/** Forget what arrived and all faults. */
void fake_forget(void);
/** The device ends; memory is freed. */
void fake_reset(void);

#endif
