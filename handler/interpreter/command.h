/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/command.h - one command on its way through the interpreter
 *
 * Shared by the files of this room. Invariants:
 *  (1) A function that fails has either set command.fault (what the client is told) or returns
 *      a status of the store that respond.c translates.
 *  (2) command.txn is NULL before and after the phases; between, every store call goes through
 *      it, except recall, touch and flush.
 *  (3) Data-In is filled in two places only: [0, data_in_len) and [attr_in_off, +attr_in_len).
 */
#ifndef INTERPRETER_COMMAND_H
#define INTERPRETER_COMMAND_H

#include "interpreter.h"

#include "common/buf.h"
#include "common/bytes.h"
#include "device.h"
#include "replay.h"
#include "security/icv.h"
#include "wire/attrs.h"
#include "wire/cdb.h"

/** What the client is told of a failure; FAULT_NONE: the status alone decides. */
enum fault_kind {
    FAULT_NONE,
    FAULT_CDB,        /* 24h/00h with a pointer into the CDB */
    FAULT_PARAM,      /* 26h/00h with a pointer into Data-Out */
    FAULT_LENGTH,     /* 1Ah/00h */
    FAULT_QUOTA,      /* 55h/07h with the quota attribute */
    FAULT_NOT_EMPTY,  /* 2Ch/0Ah */
    FAULT_NONCE,      /* 24h/06h */
    FAULT_NONCE_TIME, /* 24h/07h with the device's clock */
    FAULT_KEY_FROZEN, /* 24h/05h */
    FAULT_AUDIT,      /* 24h/04h */
    FAULT_DATA_ICV,   /* 26h/0Fh */
    FAULT_SEQUENCE,   /* 2Ch/00h */
    FAULT_PROTECTED,  /* 27h/00h: a snapshot */
    FAULT_NOT_READY,  /* 04h/07h: FORMAT OSD is at work */
    FAULT_ROOM,       /* 55h/00h */
    FAULT_ABORTED,    /* 2Fh/00h: by PERFORM TASK MANAGEMENT FUNCTION */
    FAULT_OPCODE      /* 20h/00h */
};

struct fault {
    enum fault_kind kind;
    uint16_t field;
    bool has_attr;
    struct osd_attr_id attr; /* descriptor 08h */
};

/** Whose attributes are meant. */
struct attr_object {
    struct store_id id;
    uint8_t type; /* OSD_TYPE_* */
    bool exists;
};

/** What a command addresses (reference 1.8). */
enum target {
    TARGET_ROOT,
    TARGET_PARTITION,
    TARGET_USER,
    TARGET_ANY,       /* GET and SET ATTRIBUTES */
    TARGET_CONTAINER, /* LIST: the root with pid 0, else a partition */
    TARGET_KEY,       /* SET KEY: the root or a partition, partition zero included */
    TARGET_COLLECTION,
    TARGET_COLLECTIONS, /* LIST COLLECTION: the partition with cid 0, else a collection */
    TARGET_NEW_USER,    /* CREATE: the partition exists, the object will */
    TARGET_NEW_COLLECTION,
    TARGET_NEW_PARTITION,
    TARGET_SOURCE /* CREATE SNAPSHOT, CREATE CLONE: the partition to be made from, bytes 40-47 */
};

/** When the command's own work comes among the attribute phases (reference 2.2). */
enum order { ORDER_WORK_SET_GET, ORDER_SET_GET_WORK, ORDER_GET_SET };

/** Whether a command changes objects by itself. */
enum mutates {
    MUTATES_NO,
    MUTATES_YES,
    MUTATES_SECOND, /* if it names a second object */
    MUTATES_STEP    /* in its second step */
};

#define ACT_WHOLE   0x01 /* holds the partition if it changes anything */
#define ACT_MEMBERS 0x02 /* its attributes are those of the collection's members */
#define ACT_DEVICE  0x04 /* holds everything */
#define ACT_FROZEN  0x08 /* may change a snapshot */
#define ACT_PAIR    0x10 /* looks at the data of a second object */
#define ACT_LOOKS   0x20 /* looks first, with few locks, and calls command_lock() to change */
#define ACT_LONG    0x40 /* may be aborted while it works (tasks.h) */
#define ACT_AHEAD   0x80 /* waits for nobody, unless it sets attributes */

struct command;

/** One row of table.c. */
struct action {
    enum target target;
    enum order order;
    enum mutates mutates;
    unsigned touch;                       /* timestamps of the object, enum store_touch */
    unsigned touch_partition;             /* those of its partition */
    osd_status (*run)(struct command *c); /* NULL: not offered */
    unsigned flags;                       /* ACT_* */
};

/** Row of a command; NULL for commands that are not offered. */
const struct action *action_of(enum osd_op op);

/** Whether a command changes objects by itself. */
bool command_mutates(const struct osd_cdb *cdb);

/** Whether a command changes objects, by itself or by setting attributes. */
bool command_changes(const struct osd_cdb *cdb);

/** Whether what the command addresses comes into being by it. */
static inline bool action_creates(const struct action *a)
{
    return a->target == TARGET_NEW_USER || a->target == TARGET_NEW_COLLECTION ||
           a->target == TARGET_NEW_PARTITION;
}

#define CHANGED_MAX 16

/** Attributes and members one command may look at: some minutes. */
#define STEPS_MAX (1u << 27)

/** Whether a service action is offered (REPORT SUPPORTED OPERATION CODES). */
bool action_supported(uint16_t service_action);

struct command {
    struct osd_device *dev;
    const struct osd_request *req;
    struct osd_cdb cdb;
    const struct action *act;
    uint64_t now;
    struct store_txn *txn;
    bool check_only;   /* the phases will not be run */
    bool mutating;     /* changes objects by itself */
    bool looking;      /* the transaction only reads (ACT_LOOKS) */
    bool tracked;      /* the work will come after the status (tracker.h) */
    struct job *job;   /* of which this is the work; NULL: a request */
    struct job *later; /* of a tracked command: what it leaves behind; reserved */

    /* what is addressed, as it was when the transaction began */
    struct store_id target;
    uint8_t target_type; /* OSD_TYPE_* */
    bool exists, has_partition;
    struct store_meta meta, partition;

    /* whose attributes are meant; n_objects consecutive ids from object on */
    struct attr_object object;
    uint32_t n_objects;

    /* where the parts of Data-Out are, and what is wanted in Data-In */
    uint64_t data_off, data_out_len; /* command data */
    struct osd_bytes continuation, set_list, get_list;
    struct osd_bytes scatter;            /* scatter/gather entries inside continuation */
    struct osd_bytes query;              /* query list inside continuation */
    struct osd_bytes second, extensions; /* likewise: a second object (continuation.h), further
                                            capabilities (authorize.c) */
    uint32_t n_extents;                  /* see continuation.h */
    void *owned[3];                      /* copies of scattered segments */
    int n_owned;
    bool sets, gets;
    bool keeps_in; /* the one buffer is Data-Out: nothing to fill */

    /* what came out */
    uint64_t data_in_len, attr_in_off, attr_in_len;
    uint64_t append_start;
    int64_t used_change;
    bool past_end;                          /* READ reached beyond the end */
    uint64_t bytes_read;                    /* then: bytes that exist */
    unsigned touch;                         /* timestamps of the object, beyond what act says */
    uint64_t changed[CHANGED_MAX];          /* collections that gain or lose members */
    unsigned n_changed;                     /* ... so many; those beyond are not stamped */
    struct osd_buf got;                     /* store_ids of other objects whose attributes went
                                               to Data-In, which bounds it */
    bool sync;                              /* commit to stable storage */
    osd_status (*after)(struct command *c); /* what follows the commit; NULL: nothing */
    bool formats;                           /* counted in device.formatting */
    bool set_clock;                         /* the adjustable clock was set */
    uint64_t new_clock;

    /* exactly once */
    struct replay replay;

    struct task *task, own_task; /* that of the job, or its own */

    /* security */
    bool verified;      /* its integrity value was right */
    enum osd_hmac hmac; /* of a signed command */
    struct osd_mac_key cap_key;

    /* how far it got */
    uint32_t function;  /* OSD_FN_* being carried out */
    uint32_t validated; /* those that are complete and cannot be undone */
    struct fault fault;

    uint64_t steps; /* attributes and members looked at */

    /* scratch of the attribute phases */
    uint8_t small[512]; /* value of one attribute; longer ones go to big */
    uint8_t *big;
    bool cache_valid; /* metadata as last read; whoever changes something clears it */
    struct store_id cache_id;
    struct store_meta cache;
};

/** Note what the client is told; they return the status to pass on. */
osd_status fail_cdb(struct command *c, uint16_t field);
osd_status fail_param(struct command *c, uint64_t at);
osd_status fail_kind(struct command *c, enum fault_kind kind);
osd_status fail_quota(struct command *c, uint32_t page, uint32_t number);

/** Whether the command may work on: fails when it was aborted. */
static inline osd_status go_on(struct command *c)
{
    return task_aborted(c->task) ? fail_kind(c, FAULT_ABORTED) : OSD_OK;
}

/** Count one attribute or member looked at: lists, members and criteria multiply, and nobody
 *  may hold a worker for ever, or after it was aborted. */
static inline osd_status spend(struct command *c)
{
    osd_status st = go_on(c);

    if (st)
        return st;
    return ++c->steps <= c->dev->max_steps ? OSD_OK : fail_kind(c, FAULT_ROOM);
}

/** Count members that a tracked command is done with. */
static inline void count_processed(struct command *c, uint64_t n)
{
    if (c->job)
        atomic_fetch_add_explicit(&c->job->processed, n, memory_order_relaxed);
}

/** Pick the pointer of the command's generation. */
static inline uint16_t by_gen(const struct command *c, uint16_t osd1, uint16_t osd2)
{
    return c->cdb.gen == OSD_GEN1 ? osd1 : osd2;
}

static inline const struct store_ops *ops_of(const struct command *c)
{
    return c->dev->store->ops;
}

/** Whether the command leaves timestamps as they are. */
bool command_bypasses_times(const struct command *c);

/** Set timestamps of an object to now, inside the transaction, unless they are bypassed.
 *  touch: STORE_TOUCH_*. */
osd_status command_stamp(struct command *c, struct store_id id, unsigned touch);

/** Commands with ACT_LOOKS. pause: let those go on who wait for what the command has locked. lock:
 *  from now on it may change what it is to change, which may be what it was no more; nothing
 *  happens when it changes nothing. Both begin a new transaction, and fail when the target is
 *  not the same one any more. */
osd_status command_pause(struct command *c);
osd_status command_lock(struct command *c);

/** The five phases of an OSD command whose service action is not one of the two wrappers. */
void command_execute(struct osd_device *dev, const struct osd_request *req,
                     struct osd_response *ret);

/** Is the command well formed, and would its capability let it pass? Nothing is executed; Data-In
 *  limits are not looked at. Fills ret (GOOD or the command's own CHECK CONDITION). */
void command_check(struct osd_device *dev, const struct osd_request *req,
                   struct osd_response *ret);

/** Carry out what a tracked command left to do, and put into its page how it ended. */
void command_work_on(struct osd_device *dev, struct job *job);

/** status and c->fault to SAM status and sense data (respond.c): the only maker of sense for
 *  OSD commands. */
void respond(const struct command *c, osd_status st, struct osd_response *ret);

/** The same for commands that have no struct command: SPC and the two wrappers. */
void respond_plain(enum fault_kind kind, uint16_t field, struct osd_response *ret);

/** Whatever the outcome was, it is not known to last. */
void respond_lost(struct osd_response *ret);

#endif
