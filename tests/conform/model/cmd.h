/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/cmd.h - one command inside the model
 */
#ifndef CONFORM_MODEL_CMD_H
#define CONFORM_MODEL_CMD_H

#include "pages.h"

enum m_op {
    O_NONE,
    O_APPEND,
    O_CLEAR,
    O_COPY,
    O_CREATE,
    O_CREATE_WRITE,
    O_CREATE_COLLECTION,
    O_CREATE_PARTITION,
    O_CREATE_TRACKING,
    O_FLUSH,
    O_FLUSH_COLLECTION,
    O_FLUSH_OSD,
    O_FLUSH_PARTITION,
    O_FORMAT,
    O_GET,
    O_GET_MEMBERS,
    O_LIST,
    O_LIST_COLLECTION,
    O_CHECK,
    O_PUNCH,
    O_QUERY,
    O_READ,
    O_READ_MAP,
    O_REMOVE,
    O_REMOVE_COLLECTION,
    O_REMOVE_MEMBERS,
    O_REMOVE_PARTITION,
    O_SET,
    O_SET_MEMBERS,
    O_WRITE,
    O_MAX
};

/* Whose object the ids of a command name. */
enum m_target { T_ROOT, T_PARTITION, T_USER, T_COLLECTION, T_ANY, T_LISTED, T_MEMBERS_OF };

struct m_command {
    enum m_op op;
    uint16_t action[3];
    enum m_target target;
    bool creates;
    uint16_t permissions, other; /* any of the two sets does */
    char data;                   /* 'o' Data-Out, 'i' Data-In, 'a' allocation length */
    bool continuation;
};

struct cmd {
    struct model *m;
    const struct m_request *r;
    struct m_answer *a;
    const struct m_command *k;
    int gen;
    uint64_t now;
    /* the CDB */
    uint8_t isolation, format, option, timestamps, duplication;
    bool immed, list_attr;
    uint64_t pid, oid, length, start;
    uint32_t list_id, cont_len;
    uint16_t count, map_type;
    /* attribute parameters */
    bool sets, gets;
    uint32_t get_page, set_page, set_number, set_len, get_len, alloc;
    uint64_t get_at, set_at, in_at; /* UINT64_MAX: unused */
    const uint8_t *value;           /* of page or CDB format */
    /* segments */
    uint64_t data_at;
    const uint8_t *scatter, *query, *source; /* descriptors of the continuation */
    uint32_t n_scatter, query_len;
    bool extension;
    /* what is addressed */
    struct m_object *target; /* NULL: not there */
    uint8_t type;
    bool bypass;
    /* whose attributes */
    uint8_t subject;
    uint64_t first;
    uint32_t n;
    /* outcome */
    uint32_t function;
    uint64_t append_start;
    int64_t used_change;
    unsigned touched; /* timestamps set lists have asked for */
    size_t data_in;
    uint64_t
        got[2 * M_OBJECTS]; /* ids (pid, oid) of others whose attributes were brought home */
    size_t n_got;
    bool
        accepted; /* a tracked command: its status is GOOD, what it has to say is in the page */
    uint64_t beyond; /* bytes of READ MAP that are not even kept */
};

#define BAD(c, f) m_fault_cdb(c, f, f)

/* Note a fault; they return false for "return BAD(...)". */
bool m_fault_cdb(struct cmd *c, uint16_t from, uint16_t to);
bool m_fault_param(struct cmd *c, uint64_t at);
bool m_fault_sense(struct cmd *c, uint8_t key, uint16_t asc);
bool m_fault_quota(struct cmd *c, uint32_t page, uint32_t number);

uint64_t m_be(const uint8_t *p, unsigned n);
void m_put(struct cmd *c, const void *p, size_t len);
void m_put_be(struct cmd *c, uint64_t v, unsigned n);
/** Overwrite bytes that were put before. */
void m_patch(struct cmd *c, size_t at, uint64_t v, unsigned n);
void m_unknown(struct cmd *c, size_t at, size_t n);

struct m_view m_view_of(const struct cmd *c);
/** Entries of the get list for one object, after the head of the list. */
void m_put_entries(struct cmd *c, const struct m_object *o, bool multi1);
struct m_object *m_partition(const struct cmd *c);
/** Stamp timestamps (bits) of an object unless they are bypassed. */
void m_stamp(struct cmd *c, struct m_object *o, unsigned bits);
void m_stamp_always(struct cmd *c, struct m_object *o, unsigned bits);

/** Attributes of an object other than the one addressed were brought home. */
void m_got(struct cmd *c, const struct m_object *o);

/** A tracked command that was accepted has failed: after the state of before has come back, what the
 *  page says of it. */
void m_track_failure(struct cmd *c);

/** The command's own work. False: a fault was noted. */
bool m_work(struct cmd *c);
bool m_query_check(struct cmd *c);
/** Whether the capability lets one attribute be got (or set); else a fault is noted. */
bool m_may_access(struct cmd *c, uint16_t perm, uint32_t page, uint32_t number);

/* Timestamps as bits. */
#define AA 0x04u
#define AM 0x08u
#define DA 0x10u
#define DM 0x20u

#endif
