/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/model.h - the standard as a program that is as simple as possible
 *
 * The model keeps the objects of one logical unit in plain arrays, reads CDBs by the byte numbers
 * of the reference and says what the answer must be. It shares no code with the device: no room
 * is included here. Where several answers are right (two faults in one command, and the reference
 * gives no order) it lists them all.
 *
 * Invariants:
 *  (1) objects[] ascends by (pid, oid); objects[0] is the root.
 *  (2) A command that fails leaves the state as it was: objects are copied before they are
 *      changed (model_own), and the array of before comes back.
 *  (3) What the reference leaves to the device and no rule can tell (ids it chooses, list
 *      identifiers, its identity) is taken from its answer and must stay true from then on.
 * Threads: one thread per model.
 */
#ifndef CONFORM_MODEL_H
#define CONFORM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define M_ROOT       0x01
#define M_PARTITION  0x02
#define M_COLLECTION 0x40
#define M_USER       0x80

#define M_BLOCK    4096u
#define M_ID_FIRST 0x10000u
#define M_NO_LIMIT UINT64_MAX
#define M_OBJECTS  512
#define M_FAULTS   24
#define M_LIST_IDS 32
#define M_ALL      0xffffffffu
#define M_CURRENT  0xfffffffeu

/* Function bits of sense data (reference 7.3). */
#define F_VALIDATION 0x80000000u
#define F_CMD_CAP    0x20000000u
#define F_COMMAND    0x10000000u
#define F_IMPLIED    0x00100000u
#define F_SA_CAP     0x00002000u
#define F_SET        0x00001000u
#define F_GA_CAP     0x00000020u
#define F_GET        0x00000010u
#define F_ALL        0xb0103030u

struct m_attr {
    uint32_t page, number, len;
    uint8_t *value;
};

struct m_block {
    uint64_t index;
    uint8_t bytes[M_BLOCK];
};

struct m_object {
    uint64_t pid, oid;
    uint8_t type;            /* M_* */
    uint8_t collection_type; /* 00h linked, 01h tracking */
    uint8_t bypass;
    bool dead; /* replaced or removed by the command under way */
    unsigned long born;
    uint64_t length;
    uint64_t t[6]; /* timestamps by attribute number, reference 4.6 */
    uint64_t max_length, capacity, objects, partitions;
    uint32_t collections;
    uint64_t changes; /* objects that came into or went out of this container */
    struct m_attr *attrs;
    size_t n_attrs;
    struct m_block **blocks;
    size_t n_blocks;
    uint64_t *members; /* of a collection, ascending */
    size_t n_members;
};

/* A list identifier the device gave out, and the container's count of changes then. */
struct m_list_id {
    uint32_t id;
    uint64_t pid, oid, changes, created;
    bool collections;
};

struct model {
    struct m_object *objects[M_OBJECTS];
    size_t n;
    struct m_object *before[M_OBJECTS];
    size_t n_before;
    unsigned long command;
    struct m_attr *learned; /* what the device says of itself */
    size_t n_learned;
    int64_t clock_offset;
    uint64_t now; /* of the last command */
    struct m_list_id list_ids[M_LIST_IDS];
    size_t n_list_ids;
};

struct m_fault {
    uint8_t key;
    uint16_t asc;
    char where; /* 'c' CDB, 'p' parameter list, 0 none */
    uint16_t field, field_to;
    bool has_attr; /* a descriptor 08h has to be there */
    uint32_t page, number;
    uint32_t function; /* that failed; 0: none was begun */
};

/** What the device has to answer. */
struct m_answer {
    size_t n_faults; /* 0: GOOD; else one of these */
    struct m_fault faults[M_FAULTS];
    bool past_end; /* GOOD but for RECOVERED ERROR 3Bh/17h */
    uint64_t bytes_read;
    uint64_t pid, oid; /* of descriptor 06h */
    uint8_t *in;       /* in_len bytes, and which of them count */
    bool *known;
    size_t in_len, in_cap;
    bool invented;         /* the device chose an id and nothing tells which */
    const char *complaint; /* the device's answer breaks a rule by itself; NULL: no */
};

/** A command, and the device's answer where the model has to learn from it. */
struct m_request {
    const uint8_t *cdb;
    size_t cdb_len;
    const uint8_t *out;
    size_t out_len, in_room;
    uint64_t now; /* the machine's clock, ms */
    bool device_good;
    const uint8_t *device_in;
    size_t device_in_len;
};

struct model *model_new(uint64_t now);
void model_free(struct model *m);
/** The state after FORMAT OSD. What was learned stays. */
void model_format(struct model *m, uint64_t now);
/** Tell a value of the root that only the device knows. */
void model_learn(struct model *m, uint32_t page, uint32_t number, const uint8_t *value,
                 uint32_t len);
/** Execute. ret->in and ret->known are reused from call to call: zero ret before the first. */
void model_execute(struct model *m, const struct m_request *r, struct m_answer *ret);
void model_answer_free(struct m_answer *a);

struct m_object *model_find(const struct model *m, uint64_t pid, uint64_t oid);

/* ---- model_state.c ---- */
struct m_object *model_own(struct model *m, struct m_object *o);
struct m_object *model_add(struct model *m, uint64_t pid, uint64_t oid, uint8_t type);
void model_remove(struct model *m, struct m_object *o);
void model_begin(struct model *m);
void model_end(struct model *m, bool commit);
struct m_attr *model_attr(const struct m_object *o, uint32_t page, uint32_t number);
/** o must be owned. len 0 removes. */
void model_put_attr(struct m_object *o, uint32_t page, uint32_t number, const void *v,
                    uint32_t len);
uint64_t model_used(const struct model *m, const struct m_object *o);
uint64_t model_count(const struct model *m, const struct m_object *o);
/** Bytes of an owned user object; no limits are looked at. */
void model_write(struct m_object *o, uint64_t at, uint64_t len, const uint8_t *from);
void model_read(const struct m_object *o, uint64_t at, uint64_t len, uint8_t *to);
void model_clear(struct m_object *o, uint64_t at, uint64_t len);
void model_punch(struct m_object *o, uint64_t at, uint64_t len);
void model_truncate(struct m_object *o, uint64_t length);
/** How many blocks a write would add. */
uint64_t model_new_blocks(const struct m_object *o, uint64_t at, uint64_t len);
bool model_has_block(const struct m_object *o, uint64_t index);
bool model_is_member(const struct m_object *collection, uint64_t oid);
void model_set_member(struct m_object *collection, uint64_t oid, bool member);

#endif
