/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/libosd.h - what the files of libosd share: the session, one command being built
 * and judged
 *
 * The way of a call: build() makes bytes of it, transport_execute() carries them (again and
 * again, the same bytes), judge() and take_answer() bring the results into it.
 */
#ifndef LIBOSD_LIBOSD_H
#define LIBOSD_LIBOSD_H

#include <sys/uio.h>

#include "common/buf.h"
#include "osd/osd.h"
#include "sign.h"
#include "transport.h"
#include "wire/attrs.h"
#include "wire/cdb.h"

#define ANSWER_FIRST (512u << 10) /* room for "all attributes" at first, bytes */
#define ANSWER_MAX   (4u << 20)   /* and at most: a command has to fit TCMU's data area */

struct async;

struct osd_session {
    struct transport *transport;
    enum osd_gen gen;
    struct signer signer;
    struct async *async;
};

/** Keep the sentence for osd_last_error() of this thread; returns st. */
osd_status failed(osd_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- build.c ---- */

enum verb_flag {
    VERB_CHANGES = 1,         /* something on the device */
    VERB_MAKES_IDS = 2,       /* its results are in the current command page */
    VERB_MAKES_PARTITION = 4, /* which needs keys */
    VERB_NAMES_SOURCE = 8,    /* start (bytes 40-47) is a partition */
    VERB_BY_SOURCE = 16,      /* its capability is one for that partition */
    VERB_COLLECTION = 32,     /* it is about one, or all of a partition */
};

struct verb {
    enum osd_op op;
    unsigned flags;
};

/** Bytes of command data in Data-Out: a query list is none. */
static inline size_t command_data(const struct osd_call *c)
{
    return c->verb == OSD_V_QUERY ? 0 : c->out_len;
}

/** The verb's row; NULL when there is no such verb. */
const struct verb *verb_of(const struct osd_call *c);
/** Name in the standard, of an existing verb. */
const char *verb_name(const struct osd_call *c);

struct build {
    struct osd_cdb cdb;
    struct osd_buf
        out_lists; /* what follows the command data in Data-Out, padding included; a CDB
                                 continuation segment is at its front, there is no data then */
    struct osd_buf in_lists; /* what follows the command data in Data-In, padding included */
    size_t answer_room;      /* more bytes for retrieved attributes than their caps need */
    size_t in_gap;           /* bytes between command data and retrieved attributes */
    size_t in_tail;          /* bytes behind the retrieved attributes: integrity information */
    bool current_page;       /* the retrieved attributes are the current command page */
    const char *name;        /* of the command, in the standard */
    bool changes;            /* the command changes something */
    bool signs_response, signs_data;   /* the answer has integrity values */
    bool standard;                     /* made with HMAC-SHA1, whatever is wished for */
    uint8_t method;                    /* it is signed by */
    enum osd_hmac hmac;                /* with this algorithm */
    uint8_t key[OSD_KEY_LEN];          /* capability key */
    struct osd_mac_key ready;          /* the same for that algorithm */
    struct manager_credential granted; /* by the security manager */
    enum manager_refused refused;      /* by the device, of that */
    struct manager_credential second;  /* granted for the second object of the command */
    enum manager_refused second_refused;
    bool told;                /* osd_last_error() is set already */
    uint8_t token[TOKEN_MAX]; /* security token, for CAPKEY */
    size_t token_len;
    struct iovec out_v[2], in_v[2];
    uint8_t raw[OSD_CDB_MAX];
    size_t raw_len;
};

/** Objects whose attributes come back: of a CREATE of several these, else the command's one. */
static inline size_t objects_made(const struct build *b)
{
    return b->cdb.op == OSD_OP_CREATE && b->cdb.count > 1 ? b->cdb.count : 1;
}

/** Fill a zeroed build. OSD_E_NOMEM, OSD_E_INVALID. Free it in any case. */
osd_status build(struct osd_session *s, const struct osd_call *c, struct build *b);
void build_free(struct build *b);

/* ---- second.c ---- */

/** The segment that names the call's second object, at the front of Data-Out. */
osd_status second_build(struct build *b, const struct osd_call *c);
/** Its capability and integrity value, once the capability of the CDB is made. */
osd_status second_sign(struct osd_session *s, struct build *b, const struct osd_call *c);

/* ---- answer.c ---- */

/** SCSI status and sense into the call and a status. */
osd_status judge(const struct build *b, struct osd_call *c, const struct exchange *x);
/** List type of the attributes that come back, in list format. */
enum osd_list_type retrieved_type(const struct build *b);
/** Ids and attributes from Data-In into the call. OSD_E_NOMEM: attributes are missing, because
 *  others were longer than their cap and took the room. */
osd_status take_answer(const struct build *b, struct osd_call *c);

/* ---- refusal.c ---- */

#define REFUSAL_TEXT 256

/** What was wrong with the credential of a command that the device refused; in dst, or static.
 *  NULL: the sense data does not say. */
const char *refusal_text(const struct build *b, const struct osd_sense *s,
                         char dst[REFUSAL_TEXT]);

/* ---- query.c ---- */

/** The segment that carries the call's query list, at the front of Data-Out. */
osd_status query_build(struct build *b, const struct osd_call *c);

/* ---- execute.c ---- */

/** What osd_each_id() does, with a verb that lists. */
osd_status each_listed(struct osd_session *s, enum osd_verb verb, uint64_t pid, uint64_t oid,
                       uint64_t from, bool (*visit)(void *arg, uint64_t id), void *arg);

/** osd_execute() for what is asked before the algorithm is known. */
osd_status execute_standard(struct osd_session *s, struct osd_call *c);

/** Sign, send, verify; again with a new signature where the device asks for one. x has the places
 *  of CDB and data. The call gives the places of the data. */
osd_status exchange_signed(struct osd_session *s, struct osd_call *c, struct build *b,
                           struct exchange *x);

/* ---- async.c ---- */

/** Commands of this session, at most in_flight at once (0 = the default). OSD_E_NOMEM, OSD_E_IO.
 */
osd_status async_open(struct osd_session *s, uint32_t in_flight, struct async **ret);
/** Wait for the commands under way, run their done(), end the threads, free. NULL is allowed. */
void async_close(struct async *a);

#endif
