/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/cdb.h - the OSD command descriptor block of both generations, decoded and encoded
 *
 * One generation-free struct osd_cdb; the layouts (reference 1.1-1.8) are tables in cdb.c.
 * Invariants:
 *  (1) Decoding reads by offset inside the given length, never by casting.
 *  (2) encode(decode(x)) == x for every well-formed x without reserved bits; decode never
 *      accepts what encode cannot say again.
 *  (3) Outputs change only on success.
 * Wrapper commands of two-phase transfer (docs/two-phase.md) are not here but in twophase.h.
 */
#ifndef WIRE_CDB_H
#define WIRE_CDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define OSD_OPCODE        0x7f
#define OSD1_CDB_LEN      200
#define OSD2_CDB_LEN      236
#define OSD_CDB_MAX       OSD2_CDB_LEN
#define OSD_ID_FIRST      0x10000ULL /* smallest client-visible partition or object id */
#define OSD_NONCE_LEN     12
#define OSD_ICV1_LEN      20
#define OSD_ICV2_LEN      32
#define OSD_SEED_LEN      20
#define OSD_KEY_ID_LEN    7
#define OSD_OFFSET_UNUSED UINT64_MAX /* an offset field of FFFFFFFFh */

enum osd_gen { OSD_GEN1 = 1, OSD_GEN2 = 2 };

/** Every command of both generations. The order is alphabetical and has no meaning. */
enum osd_op {
    OSD_OP_APPEND,
    OSD_OP_CLEAR,
    OSD_OP_COPY_USER_OBJECTS,
    OSD_OP_CREATE,
    OSD_OP_CREATE_AND_WRITE,
    OSD_OP_CREATE_CLONE,
    OSD_OP_CREATE_COLLECTION,
    OSD_OP_CREATE_PARTITION,
    OSD_OP_CREATE_SNAPSHOT,
    OSD_OP_CREATE_USER_TRACKING_COLLECTION,
    OSD_OP_DETACH_CLONE,
    OSD_OP_FLUSH,
    OSD_OP_FLUSH_COLLECTION,
    OSD_OP_FLUSH_OSD,
    OSD_OP_FLUSH_PARTITION,
    OSD_OP_FORMAT_OSD,
    OSD_OP_GET_ATTRIBUTES,
    OSD_OP_GET_MEMBER_ATTRIBUTES,
    OSD_OP_LIST,
    OSD_OP_LIST_COLLECTION,
    OSD_OP_OBJECT_STRUCTURE_CHECK,
    OSD_OP_PERFORM_SCSI_COMMAND,
    OSD_OP_PERFORM_TASK_MANAGEMENT,
    OSD_OP_PUNCH,
    OSD_OP_QUERY,
    OSD_OP_READ,
    OSD_OP_READ_MAP,
    OSD_OP_READ_MAPS_AND_COMPARE,
    OSD_OP_REFRESH_SNAPSHOT_OR_CLONE,
    OSD_OP_REMOVE,
    OSD_OP_REMOVE_COLLECTION,
    OSD_OP_REMOVE_MEMBER_OBJECTS,
    OSD_OP_REMOVE_PARTITION,
    OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT,
    OSD_OP_SET_ATTRIBUTES,
    OSD_OP_SET_KEY,
    OSD_OP_SET_MASTER_KEY,
    OSD_OP_SET_MEMBER_ATTRIBUTES,
    OSD_OP_WRITE,
    OSD_OP_MAX,
    OSD_OP_INVALID = -1
};

/** Where a decoder found fault; becomes the sense field pointer. */
struct osd_wire_error {
    bool in_cdb;      /* true: byte of the CDB; false: byte of Data-Out */
    uint16_t field;   /* byte number */
    const char *what; /* static sentence for logs and clients */
};

enum osd_attr_format { OSD_ATTR_CDB = 1, OSD_ATTR_PAGE = 2, OSD_ATTR_LIST = 3 };

/** Get and set attributes parameters, CDB bytes 52-79 (reference 1.5). Offsets in bytes,
 *  exponent form already undone; OSD_OFFSET_UNUSED where the field was all ones. Only the
 *  members of the stated format are filled, the others are zero. */
struct osd_attr_params {
    enum osd_attr_format format;
    uint32_t get_page;      /* PAGE; 0 = get nothing */
    uint32_t get_list_len;  /* LIST; 0 = no list */
    uint64_t get_list_off;  /* LIST, in Data-Out */
    uint32_t get_alloc_len; /* PAGE, LIST */
    uint64_t retrieved_off; /* PAGE, LIST, in Data-In */
    uint32_t set_page;      /* PAGE, CDB; 0 = set nothing */
    uint32_t set_number;    /* PAGE, CDB */
    uint32_t set_len;       /* PAGE, CDB (16 bits on the wire); LIST: length of the set list */
    uint64_t set_off;       /* PAGE: value, LIST: list; in Data-Out */
    uint16_t set_len16;     /* CDB format's two-byte field, used inside wire/ only */
    uint8_t value[18];      /* CDB */
};

/* Capability object types (reference 5.1, byte 48). */
#define OSD_TYPE_ROOT       0x01
#define OSD_TYPE_PARTITION  0x02
#define OSD_TYPE_COLLECTION 0x40
#define OSD_TYPE_USER       0x80

/* Capability permission bits: byte 49 in the high byte, byte 50 in the low byte. */
#define OSD_PERM_READ     0x8000
#define OSD_PERM_WRITE    0x4000
#define OSD_PERM_GET_ATTR 0x2000
#define OSD_PERM_SET_ATTR 0x1000
#define OSD_PERM_CREATE   0x0800
#define OSD_PERM_REMOVE   0x0400
#define OSD_PERM_OBJ_MGMT 0x0200
#define OSD_PERM_APPEND   0x0100
#define OSD_PERM_DEV_MGMT 0x0080
#define OSD_PERM_GLOBAL   0x0040
#define OSD_PERM_POL_SEC  0x0020
#define OSD_PERM_M_OBJECT 0x0010 /* OSD-2 */
#define OSD_PERM_QUERY    0x0008 /* OSD-2 */
#define OSD_PERM_GBL_REM  0x0004 /* OSD-2 */

enum osd_descriptor {
    OSD_DESC_NONE = 0,
    OSD_DESC_USER = 1,
    OSD_DESC_PAR = 2,
    OSD_DESC_COL = 3
};
enum osd_security_method {
    OSD_SEC_NOSEC = 0,
    OSD_SEC_CAPKEY = 1,
    OSD_SEC_CMDRSP = 2,
    OSD_SEC_ALLDATA = 3
};

#define OSD1_CAPABILITY_LEN 80
#define OSD2_CAPABILITY_LEN 104
#define OSD_CAPABILITY_AT   80 /* its place in the CDB */
#define OSD_AUDIT_LEN       20

/** A capability (reference 5.1). format selects the layout of the tail: 1 OSD-1, 2 OSD-2;
 *  0 = no capability (all else ignored on decode). */
struct osd_capability {
    uint8_t format;
    uint8_t key_version;   /* 0-15 */
    uint8_t icv_algorithm; /* 0-15 */
    uint8_t method;        /* enum osd_security_method */
    uint64_t expiration;   /* ms since 1970, 48 bits */
    uint8_t audit[OSD_AUDIT_LEN];
    uint8_t discriminator[12];
    uint64_t created;       /* object created time, 48 bits; 0 = not compared */
    uint8_t object_type;    /* OSD_TYPE_* */
    uint16_t permissions;   /* OSD_PERM_* */
    uint8_t descriptor;     /* enum osd_descriptor */
    uint32_t allowed_attrs; /* OSD-2 */
    uint32_t policy_tag;
    uint16_t boot_epoch; /* OSD-2 */
    uint64_t allowed_pid, allowed_oid;
    uint64_t range_len, range_start; /* OSD-2, USER descriptor */
};

/** Encode a capability in the layout of layout_gen (80 or 104 bytes, which is returned);
 *  the format byte is written as it stands in cap. */
size_t osd_capability_encode(const struct osd_capability *cap, enum osd_gen layout_gen,
                             uint8_t *dst);

/** Decode the capability field of a CDB of generation gen. A format-1 capability inside an
 *  OSD-2 CDB is read in the OSD-1 layout (reference 10, row 4). Never fails: format checks are
 *  the interpreter's. */
void osd_capability_decode(const uint8_t *src, enum osd_gen gen, struct osd_capability *ret);

/** Security parameters at the end of the CDB. ICVs in OSD-1 use the first 20 bytes. */
struct osd_security_params {
    uint8_t request_icv[OSD_ICV2_LEN];
    uint8_t nonce[OSD_NONCE_LEN];
    uint64_t data_in_icv_off, data_out_icv_off; /* OSD_OFFSET_UNUSED when all ones */
};

/** A decoded command. Members that the command does not have are zero. */
struct osd_cdb {
    enum osd_op op;
    enum osd_gen gen;
    uint8_t control;
    bool dpo, fua;
    uint8_t isolation;   /* OSD-2, byte 10 bits 2..0 */
    bool immed_tr;       /* OSD-2 tracked commands */
    bool list_attr;      /* OSD-2 LIST, LIST COLLECTION */
    uint8_t option;      /* byte 11 bits 3..0: sort order, remove scope, FCR, key to set, DH
                            step, OSD-2 flush scope; OSD-1 flush scope (byte 10) also lands here */
    uint8_t timestamps;  /* byte 12 as sent */
    uint8_t duplication; /* byte 14, OSD-2 copy and snapshot commands */
    uint8_t time_of_dup; /* byte 15, snapshot commands */
    uint64_t pid, oid;   /* bytes 16-23, 24-31 (requested or addressed ids) */
    uint64_t length;     /* length, allocation length, formatted capacity */
    uint64_t start;      /* starting byte, initial oid, second collection or partition id */
    uint16_t count;      /* CREATE: number of user objects, as sent (0 means 1) */
    uint32_t list_id;    /* LIST, LIST COLLECTION */
    uint32_t cont_len;   /* OSD-2: CDB continuation length */
    uint16_t map_type;   /* READ MAP */
    uint8_t key_version; /* SET KEY byte 24 */
    uint8_t dh_group;    /* SET MASTER KEY byte 24 */
    uint8_t key_id[OSD_KEY_ID_LEN];
    uint8_t seed[OSD_SEED_LEN];
    uint32_t param_len, alloc_len; /* SET MASTER KEY */
    uint8_t scsi_cdb[16];          /* PERFORM SCSI COMMAND */
    uint8_t tm_function;           /* PERFORM TASK MANAGEMENT FUNCTION */
    uint16_t tm_alloc_len;
    uint64_t tm_tag;
    struct osd_attr_params attr;
    struct osd_capability cap;
    struct osd_security_params sec;
};

/** Which data phases a command has by itself, and what else the tables know of it. */
struct osd_op_info {
    const char *name;   /* as in the standard: "CREATE PARTITION" */
    uint16_t action[3]; /* [OSD_GEN1], [OSD_GEN2]; 0 = not defined in that generation */
    bool data_out;      /* moves command data out (length member says how much) */
    bool data_in;       /* moves command data in (length member is the allocation) */
    bool continuation;  /* takes a CDB continuation segment (OSD-2) */
};

/** Table row of a command; NULL for OSD_OP_INVALID or out of range. Static memory. */
const struct osd_op_info *osd_op_info(enum osd_op op);

/** Command of a service action; ret_gen (may be NULL) gets its generation.
 *  OSD_OP_INVALID when no generation defines it. */
enum osd_op osd_op_by_action(uint16_t action, enum osd_gen *ret_gen);

/** A command without attributes, integrity information, capability (NOSEC) and nonce. */
struct osd_cdb osd_cdb_make(enum osd_op op, enum osd_gen gen, uint64_t pid, uint64_t oid);

/**
 * Decode a CDB.
 *
 * Accepts additional length C0h and, from old initiators, E4h for OSD-1 (reference 10 row 1).
 * Checks: opcode, length, service action, CDBFMT, timestamps control, offset fields' form,
 * continuation length on commands without one, CREATE count rules that concern the CDB alone.
 *
 * @param cdb,len bytes as the transport delivered them; len may exceed the CDB.
 * @return OSD_OK; OSD_E_UNSUPPORTED (unknown service action, field 8); OSD_E_INVALID (field in
 *         *reterr). *ret changes only on success, *reterr only on failure. Any thread.
 */
osd_status osd_cdb_decode(const uint8_t *cdb, size_t len, struct osd_cdb *ret,
                          struct osd_wire_error *reterr);

/** The same without what the command is allowed by: cap and sec are zero, and nothing is judged there.
 *  For who only wants to know what will be done. */
osd_status osd_cdb_glance(const uint8_t *cdb, size_t len, struct osd_cdb *ret);

/**
 * Encode a CDB; the capability is laid out for the CDB's generation unless its format is 1 in
 * an OSD-2 CDB. Offsets must be representable (osd_offset_align()).
 *
 * @param dst at least OSD_CDB_MAX bytes, zero-filled first.
 * @param ret_len 200 or 236.
 * @return OSD_OK; OSD_E_UNSUPPORTED (command not defined in that generation); OSD_E_INVALID
 *         (offset not representable, value too wide for its field).
 */
osd_status osd_cdb_encode(const struct osd_cdb *cmd, uint8_t *dst, size_t *ret_len);

/** Decode an exponent-form offset field (reference 1.6). OSD_E_INVALID for the reserved
 *  exponents; FFFFFFFFh gives OSD_OFFSET_UNUSED. */
osd_status osd_offset_decode(uint32_t field, enum osd_gen gen, uint64_t *ret);

/** Encode; OSD_E_INVALID when the value is not exactly representable. Zero is encoded 0. */
osd_status osd_offset_encode(uint64_t value, enum osd_gen gen, uint32_t *ret);

/** A representable offset >= value and near it (256-byte steps in OSD-1, 8 in OSD-2, coarser
 *  for huge values), for values below 2^51 in OSD-1 and 2^43 in OSD-2. */
uint64_t osd_offset_align(uint64_t value, enum osd_gen gen);

#endif
