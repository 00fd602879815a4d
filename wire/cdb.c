/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/cdb.c - decode and encode the OSD CDB of both generations
 *
 * The layout is data: a table of commands (reference 2.1), a table of command-specific fields
 * per command and generation (reference 1.1, 1.8), a table of attribute parameter fields per
 * format (reference 1.5). One walker decodes, its mirror encodes; both run over the same rows,
 * so the two directions cannot drift apart.
 */
#include "wire/cdb.h"

#include <string.h>

#include "common/bytes.h"

enum { C_NONE = 0, C_OUT = 1, C_IN = 2, C_CONT = 4 };

/* Name, service action in each generation (0: none), data phases. */
#define COMMANDS(X)                                                                            \
    X(APPEND, "APPEND", 0x8807, 0x8887, C_OUT | C_CONT)                                        \
    X(CLEAR, "CLEAR", 0, 0x8889, C_NONE)                                                       \
    X(COPY_USER_OBJECTS, "COPY USER OBJECTS", 0, 0x8893, C_CONT)                               \
    X(CREATE, "CREATE", 0x8802, 0x8882, C_NONE)                                                \
    X(CREATE_AND_WRITE, "CREATE AND WRITE", 0x8812, 0x8892, C_OUT | C_CONT)                    \
    X(CREATE_CLONE, "CREATE CLONE", 0, 0x88a8, C_NONE)                                         \
    X(CREATE_COLLECTION, "CREATE COLLECTION", 0x8815, 0x8895, C_NONE)                          \
    X(CREATE_PARTITION, "CREATE PARTITION", 0x880b, 0x888b, C_NONE)                            \
    X(CREATE_SNAPSHOT, "CREATE SNAPSHOT", 0, 0x88a9, C_NONE)                                   \
    X(CREATE_USER_TRACKING_COLLECTION, "CREATE USER TRACKING COLLECTION", 0, 0x8894, C_CONT)   \
    X(DETACH_CLONE, "DETACH CLONE", 0, 0x88aa, C_NONE)                                         \
    X(FLUSH, "FLUSH", 0x8808, 0x8888, C_NONE)                                                  \
    X(FLUSH_COLLECTION, "FLUSH COLLECTION", 0x881a, 0x889a, C_NONE)                            \
    X(FLUSH_OSD, "FLUSH OSD", 0x881c, 0x889c, C_NONE)                                          \
    X(FLUSH_PARTITION, "FLUSH PARTITION", 0x881b, 0x889b, C_NONE)                              \
    X(FORMAT_OSD, "FORMAT OSD", 0x8801, 0x8881, C_NONE)                                        \
    X(GET_ATTRIBUTES, "GET ATTRIBUTES", 0x880e, 0x888e, C_NONE)                                \
    X(GET_MEMBER_ATTRIBUTES, "GET MEMBER ATTRIBUTES", 0, 0x88a2, C_NONE)                       \
    X(LIST, "LIST", 0x8803, 0x8883, C_IN)                                                      \
    X(LIST_COLLECTION, "LIST COLLECTION", 0x8817, 0x8897, C_IN)                                \
    X(OBJECT_STRUCTURE_CHECK, "OBJECT STRUCTURE CHECK", 0, 0x8880, C_NONE)                     \
    X(PERFORM_SCSI_COMMAND, "PERFORM SCSI COMMAND", 0x8f7e, 0x8f7c, C_NONE)                    \
    X(PERFORM_TASK_MANAGEMENT, "PERFORM TASK MANAGEMENT FUNCTION", 0x8f7f, 0x8f7d, C_NONE)     \
    X(PUNCH, "PUNCH", 0, 0x8884, C_NONE)                                                       \
    X(QUERY, "QUERY", 0, 0x88a0, C_IN | C_CONT)                                                \
    X(READ, "READ", 0x8805, 0x8885, C_IN | C_CONT)                                             \
    X(READ_MAP, "READ MAP", 0, 0x88b1, C_IN)                                                   \
    X(READ_MAPS_AND_COMPARE, "READ MAPS AND COMPARE", 0, 0x88b2, C_IN | C_CONT)                \
    X(REFRESH_SNAPSHOT_OR_CLONE, "REFRESH SNAPSHOT OR CLONE", 0, 0x88ab, C_NONE)               \
    X(REMOVE, "REMOVE", 0x880a, 0x888a, C_NONE)                                                \
    X(REMOVE_COLLECTION, "REMOVE COLLECTION", 0x8816, 0x8896, C_NONE)                          \
    X(REMOVE_MEMBER_OBJECTS, "REMOVE MEMBER OBJECTS", 0, 0x88a1, C_NONE)                       \
    X(REMOVE_PARTITION, "REMOVE PARTITION", 0x880c, 0x888c, C_NONE)                            \
    X(RESTORE_PARTITION_FROM_SNAPSHOT, "RESTORE PARTITION FROM SNAPSHOT", 0, 0x88ac, C_NONE)   \
    X(SET_ATTRIBUTES, "SET ATTRIBUTES", 0x880f, 0x888f, C_NONE)                                \
    X(SET_KEY, "SET KEY", 0x8818, 0x8898, C_NONE)                                              \
    X(SET_MASTER_KEY, "SET MASTER KEY", 0x8819, 0x8899, C_OUT | C_IN)                          \
    X(SET_MEMBER_ATTRIBUTES, "SET MEMBER ATTRIBUTES", 0, 0x88a3, C_NONE)                       \
    X(WRITE, "WRITE", 0x8806, 0x8886, C_OUT | C_CONT)

#define INFO(op_, name_, a1, a2, flags)                                                        \
    [OSD_OP_##op_] = {.name = name_,                                                           \
                      .action = {0, a1, a2},                                                   \
                      .data_out = ((flags)&C_OUT) != 0,                                        \
                      .data_in = ((flags)&C_IN) != 0,                                          \
                      .continuation = ((flags)&C_CONT) != 0},

static const struct osd_op_info ops[OSD_OP_MAX] = {COMMANDS(INFO)};

/* One more than the command whose service action ends in this byte, which no two share; what is not
 * defined in a generation stands behind. */
#define PLACE(op_, action_) ((action_) ? (action_)&0xff : 0x100 + OSD_OP_##op_)
#define FIND(op_, name_, a1, a2, flags)                                                        \
    [PLACE(op_, a1)] = OSD_OP_##op_ + 1, [PLACE(op_, a2)] = OSD_OP_##op_ + 1,

static const uint8_t by_last_byte[0x100 + OSD_OP_MAX] = {COMMANDS(FIND)};

const struct osd_op_info *osd_op_info(enum osd_op op)
{
    return (unsigned)op < OSD_OP_MAX ? &ops[op] : NULL;
}

enum osd_op osd_op_by_action(uint16_t action, enum osd_gen *ret_gen)
{
    int op = by_last_byte[action & 0xff] - 1;

    for (int gen = OSD_GEN1; op >= 0 && gen <= OSD_GEN2; gen++) {
        if (ops[op].action[gen] == action) {
            if (ret_gen)
                *ret_gen = (enum osd_gen)gen;
            return (enum osd_op)op;
        }
    }
    return OSD_OP_INVALID;
}

/* ---- field rows ---- */

enum kind { K_U8, K_U16, K_U32, K_U64, K_BYTES, K_OFFSET, K_LOW4, K_LOW3, K_LOW2, K_LOW1 };

/* One wire field and the member that holds it. */
struct row {
    uint8_t at;      /* first byte in the CDB */
    uint8_t kind;    /* enum kind */
    uint16_t member; /* offsetof in struct osd_cdb */
    uint8_t len;     /* K_BYTES */
};

/* Checked by the compiler: a field has the width of its member, bytes fit into theirs. */
#define MEMBER_SIZE(member_) sizeof(((struct osd_cdb *)0)->member_)
#define KIND_SIZE(kind_)                                                                       \
    ((kind_) == K_U16                          ? 2                                             \
     : (kind_) == K_U32                        ? 4                                             \
     : (kind_) == K_U64 || (kind_) == K_OFFSET ? 8                                             \
                                               : 1)
#define REQUIRE(condition_)                                                                    \
    (0 * sizeof(struct {                                                                       \
         _Static_assert(condition_, "field and member differ");                                \
         char unused;                                                                          \
     }))
#define F(at_, kind_, member_)                                                                 \
    {                                                                                          \
        at_, kind_,                                                                            \
            offsetof(struct osd_cdb, member_) +                                                \
                REQUIRE(KIND_SIZE(kind_) == MEMBER_SIZE(member_)),                             \
            0                                                                                  \
    }
#define FB(at_, len_, member_)                                                                 \
    {                                                                                          \
        at_, K_BYTES, offsetof(struct osd_cdb, member_),                                       \
            len_ + REQUIRE(len_ <= MEMBER_SIZE(member_))                                       \
    }
#define MAX_ROWS 8

/* Rows of each command in each generation; a row with at 0 ends the list. */
static const struct row layouts[OSD_OP_MAX][3][MAX_ROWS] = {
    [OSD_OP_APPEND][OSD_GEN1] = {F(36, K_U64, length)},
    [OSD_OP_APPEND][OSD_GEN2] = {F(32, K_U64, length), F(48, K_U32, cont_len)},
    [OSD_OP_CLEAR][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start)},
    [OSD_OP_COPY_USER_OBJECTS][OSD_GEN2] = {F(14, K_U8, duplication), F(48, K_U32, cont_len)},
    [OSD_OP_CREATE][OSD_GEN1] = {F(36, K_U16, count)},
    [OSD_OP_CREATE][OSD_GEN2] = {F(32, K_U16, count)},
    [OSD_OP_CREATE_AND_WRITE][OSD_GEN1] = {F(36, K_U64, length), F(44, K_U64, start)},
    [OSD_OP_CREATE_AND_WRITE][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                                           F(48, K_U32, cont_len)},
    [OSD_OP_CREATE_CLONE][OSD_GEN2] = {F(14, K_U8, duplication), F(15, K_U8, time_of_dup),
                                       F(40, K_U64, start)},
    [OSD_OP_CREATE_SNAPSHOT][OSD_GEN2] = {F(14, K_U8, duplication), F(15, K_U8, time_of_dup),
                                          F(40, K_U64, start)},
    [OSD_OP_DETACH_CLONE][OSD_GEN2] = {F(14, K_U8, duplication), F(15, K_U8, time_of_dup),
                                       F(40, K_U64, start)},
    [OSD_OP_REFRESH_SNAPSHOT_OR_CLONE][OSD_GEN2] = {F(14, K_U8, duplication),
                                                    F(15, K_U8, time_of_dup),
                                                    F(40, K_U64, start)},
    [OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT][OSD_GEN2] = {F(14, K_U8, duplication),
                                                          F(15, K_U8, time_of_dup),
                                                          F(40, K_U64, start)},
    [OSD_OP_CREATE_USER_TRACKING_COLLECTION][OSD_GEN2] = {F(40, K_U64, start),
                                                          F(48, K_U32, cont_len)},
    [OSD_OP_FLUSH][OSD_GEN1] = {F(10, K_LOW2, option)},
    [OSD_OP_FLUSH][OSD_GEN2] = {F(11, K_LOW2, option), F(32, K_U64, length),
                                F(40, K_U64, start)},
    [OSD_OP_FLUSH_COLLECTION][OSD_GEN1] = {F(10, K_LOW2, option)},
    [OSD_OP_FLUSH_COLLECTION][OSD_GEN2] = {F(11, K_LOW2, option)},
    [OSD_OP_FLUSH_OSD][OSD_GEN1] = {F(10, K_LOW2, option)},
    [OSD_OP_FLUSH_OSD][OSD_GEN2] = {F(11, K_LOW2, option)},
    [OSD_OP_FLUSH_PARTITION][OSD_GEN1] = {F(10, K_LOW2, option)},
    [OSD_OP_FLUSH_PARTITION][OSD_GEN2] = {F(11, K_LOW2, option)},
    [OSD_OP_FORMAT_OSD][OSD_GEN1] = {F(36, K_U64, length)},
    [OSD_OP_FORMAT_OSD][OSD_GEN2] = {F(32, K_U64, length)},
    [OSD_OP_LIST][OSD_GEN1] = {F(11, K_LOW4, option), F(32, K_U32, list_id),
                               F(36, K_U64, length), F(44, K_U64, start)},
    [OSD_OP_LIST][OSD_GEN2] = {F(11, K_LOW4, option), F(32, K_U64, length), F(40, K_U64, start),
                               F(48, K_U32, list_id)},
    [OSD_OP_LIST_COLLECTION][OSD_GEN1] = {F(32, K_U32, list_id), F(36, K_U64, length),
                                          F(44, K_U64, start)},
    [OSD_OP_LIST_COLLECTION][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                                          F(48, K_U32, list_id)},
    [OSD_OP_PERFORM_SCSI_COMMAND][OSD_GEN1] = {FB(36, 16, scsi_cdb)},
    [OSD_OP_PERFORM_SCSI_COMMAND][OSD_GEN2] = {FB(32, 16, scsi_cdb)},
    [OSD_OP_PERFORM_TASK_MANAGEMENT][OSD_GEN1] = {F(43, K_U8, tm_function),
                                                  F(44, K_U64, tm_tag)},
    [OSD_OP_PERFORM_TASK_MANAGEMENT][OSD_GEN2] = {F(32, K_U16, tm_alloc_len),
                                                  F(39, K_U8, tm_function),
                                                  F(40, K_U64, tm_tag)},
    [OSD_OP_PUNCH][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start)},
    [OSD_OP_QUERY][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                                F(48, K_U32, cont_len)},
    [OSD_OP_READ][OSD_GEN1] = {F(36, K_U64, length), F(44, K_U64, start)},
    [OSD_OP_READ][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                               F(48, K_U32, cont_len)},
    [OSD_OP_READ_MAP][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                                   F(48, K_U16, map_type)},
    [OSD_OP_READ_MAPS_AND_COMPARE][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                                                F(48, K_U32, cont_len)},
    [OSD_OP_REMOVE_COLLECTION][OSD_GEN1] = {F(11, K_LOW1, option)},
    [OSD_OP_REMOVE_COLLECTION][OSD_GEN2] = {F(11, K_LOW1, option)},
    [OSD_OP_REMOVE_PARTITION][OSD_GEN2] = {F(11, K_LOW3, option)},
    [OSD_OP_SET_KEY][OSD_GEN1] = {F(11, K_LOW2, option), F(24, K_U8, key_version),
                                  FB(25, 7, key_id), FB(32, 20, seed)},
    [OSD_OP_SET_KEY][OSD_GEN2] = {F(11, K_LOW2, option), F(24, K_U8, key_version),
                                  FB(25, 7, key_id), FB(32, 20, seed)},
    [OSD_OP_SET_MASTER_KEY][OSD_GEN1] = {F(11, K_LOW2, option), F(24, K_U8, dh_group),
                                         FB(25, 7, key_id), F(32, K_U32, param_len),
                                         F(36, K_U32, alloc_len)},
    [OSD_OP_SET_MASTER_KEY][OSD_GEN2] = {F(11, K_LOW2, option), F(24, K_U8, dh_group),
                                         FB(25, 7, key_id), F(32, K_U32, param_len),
                                         F(36, K_U32, alloc_len)},
    [OSD_OP_WRITE][OSD_GEN1] = {F(36, K_U64, length), F(44, K_U64, start)},
    [OSD_OP_WRITE][OSD_GEN2] = {F(32, K_U64, length), F(40, K_U64, start),
                                F(48, K_U32, cont_len)},
};

/* Attribute parameters (reference 1.5), indexed by enum osd_attr_format. */
static const struct row attr_rows[4][MAX_ROWS] = {
    [OSD_ATTR_CDB] = {F(52, K_U32, attr.set_page), F(56, K_U32, attr.set_number),
                      F(60, K_U16, attr.set_len16), FB(62, 18, attr.value)},
    [OSD_ATTR_PAGE] = {F(52, K_U32, attr.get_page), F(56, K_U32, attr.get_alloc_len),
                       F(60, K_OFFSET, attr.retrieved_off), F(64, K_U32, attr.set_page),
                       F(68, K_U32, attr.set_number), F(72, K_U32, attr.set_len),
                       F(76, K_OFFSET, attr.set_off)},
    [OSD_ATTR_LIST] = {F(52, K_U32, attr.get_list_len), F(56, K_OFFSET, attr.get_list_off),
                       F(60, K_U32, attr.get_alloc_len), F(64, K_OFFSET, attr.retrieved_off),
                       F(68, K_U32, attr.set_len), F(72, K_OFFSET, attr.set_off)},
};

static const struct row object_rows[MAX_ROWS] = {F(16, K_U64, pid), F(24, K_U64, oid)};
static const struct row object_rows_key[MAX_ROWS] = {F(16, K_U64, pid)}; /* SET KEY family */

static const struct row security_rows[3][MAX_ROWS] = {
    [OSD_GEN1] = {FB(160, OSD_ICV1_LEN, sec.request_icv), FB(180, OSD_NONCE_LEN, sec.nonce),
                  F(192, K_OFFSET, sec.data_in_icv_off),
                  F(196, K_OFFSET, sec.data_out_icv_off)},
    [OSD_GEN2] = {FB(184, OSD_ICV2_LEN, sec.request_icv), FB(216, OSD_NONCE_LEN, sec.nonce),
                  F(228, K_OFFSET, sec.data_in_icv_off),
                  F(232, K_OFFSET, sec.data_out_icv_off)},
};

static const uint8_t low_mask[] = {
    [K_LOW4] = 0x0f, [K_LOW3] = 0x07, [K_LOW2] = 0x03, [K_LOW1] = 0x01};

static const struct row *id_rows(enum osd_op op)
{
    return op == OSD_OP_SET_KEY || op == OSD_OP_SET_MASTER_KEY ? object_rows_key : object_rows;
}

static osd_status fail(struct osd_wire_error *reterr, osd_status st, uint16_t field,
                       const char *what)
{
    *reterr = (struct osd_wire_error){.in_cdb = true, .field = field, .what = what};
    return st;
}

/* ---- offsets ---- */

struct osd_cdb osd_cdb_make(enum osd_op op, enum osd_gen gen, uint64_t pid, uint64_t oid)
{
    return (struct osd_cdb){
        .op = op,
        .gen = gen,
        .pid = pid,
        .oid = oid,
        .attr = {.format = OSD_ATTR_PAGE,
                 .retrieved_off = OSD_OFFSET_UNUSED,
                 .set_off = OSD_OFFSET_UNUSED},
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED}};
}

osd_status osd_offset_decode(uint32_t field, enum osd_gen gen, uint64_t *ret)
{
    int exponent = (int)(field >> 28);
    uint64_t mantissa = field & 0x0fffffff;

    if (field == UINT32_MAX) {
        *ret = OSD_OFFSET_UNUSED;
        return OSD_OK;
    }
    if (gen == OSD_GEN2 && exponent >= 8) {
        exponent -= 16; /* signed nibble, -5..7; -1 and the like are valid */
        if (exponent < -5)
            return OSD_E_INVALID;
    }
    *ret = mantissa << (exponent + 8);
    return OSD_OK;
}

osd_status osd_offset_encode(uint64_t value, enum osd_gen gen, uint32_t *ret)
{
    int lowest = gen == OSD_GEN2 ? -5 : 0;
    int highest = gen == OSD_GEN2 ? 7 : 15;

    if (value == OSD_OFFSET_UNUSED) {
        *ret = UINT32_MAX;
        return OSD_OK;
    }
    if (value == 0) {
        *ret = 0;
        return OSD_OK;
    }
    for (int e = lowest; e <= highest; e++) {
        if (value >> (e + 8) > 0x0fffffff)
            continue;
        if ((value >> (e + 8)) << (e + 8) != value)
            return OSD_E_INVALID;
        *ret = (uint32_t)(e & 0xf) << 28 | (uint32_t)(value >> (e + 8));
        return *ret == UINT32_MAX ? OSD_E_INVALID : OSD_OK;
    }
    return OSD_E_INVALID;
}

uint64_t osd_offset_align(uint64_t value, enum osd_gen gen)
{
    int shift = gen == OSD_GEN2 ? 3 : 8;
    int highest = gen == OSD_GEN2 ? 15 : 23;

    /* Rounding up stays below 0fffffffh, which with one exponent would mean "unused". */
    while (shift < highest && value >> shift >= 0x0ffffffe)
        shift++;
    uint64_t unit = 1ULL << shift;
    return (value + unit - 1) & ~(unit - 1);
}

/* ---- rows to and from bytes ---- */

static osd_status get_rows(const struct row *rows, const uint8_t *cdb, enum osd_gen gen,
                           struct osd_cdb *c, struct osd_wire_error *reterr)
{
    for (int i = 0; i < MAX_ROWS && rows[i].at; i++) {
        const struct row *r = &rows[i];
        const uint8_t *src = cdb + r->at;
        uint8_t *m = (uint8_t *)c + r->member;

        switch (r->kind) {
        case K_U8:
            *m = *src;
            break;
        case K_U16:
            *(uint16_t *)m = be16_get(src);
            break;
        case K_U32:
            *(uint32_t *)m = be32_get(src);
            break;
        case K_U64:
            *(uint64_t *)m = be64_get(src);
            break;
        case K_BYTES:
            memcpy(m, src, r->len);
            break;
        case K_OFFSET:
            if (osd_offset_decode(be32_get(src), gen, (uint64_t *)m))
                return fail(reterr, OSD_E_INVALID, r->at, "reserved exponent in offset");
            break;
        default:
            *m = *src & low_mask[r->kind];
        }
    }
    return OSD_OK;
}

static osd_status put_rows(const struct row *rows, const struct osd_cdb *c, uint8_t *cdb)
{
    for (int i = 0; i < MAX_ROWS && rows[i].at; i++) {
        const struct row *r = &rows[i];
        const uint8_t *m = (const uint8_t *)c + r->member;
        uint8_t *dst = cdb + r->at;
        uint32_t field;

        switch (r->kind) {
        case K_U8:
            *dst = *m;
            break;
        case K_U16:
            be16_put(dst, *(const uint16_t *)m);
            break;
        case K_U32:
            be32_put(dst, *(const uint32_t *)m);
            break;
        case K_U64:
            be64_put(dst, *(const uint64_t *)m);
            break;
        case K_BYTES:
            memcpy(dst, m, r->len);
            break;
        case K_OFFSET:
            if (osd_offset_encode(*(const uint64_t *)m, c->gen, &field))
                return OSD_E_INVALID;
            be32_put(dst, field);
            break;
        default:
            if (*m & ~low_mask[r->kind])
                return OSD_E_INVALID;
            *dst |= *m;
        }
    }
    return OSD_OK;
}

/* ---- capability (reference 5.1) ---- */

void osd_capability_decode(const uint8_t *src, enum osd_gen gen, struct osd_capability *ret)
{
    struct osd_capability c = {.format = src[0] & 0x0f};

    c.key_version = src[1] >> 4;
    c.icv_algorithm = src[1] & 0x0f;
    c.method = src[2] & 0x0f;
    c.expiration = be48_get(src + 4);
    memcpy(c.audit, src + 10, sizeof(c.audit));
    memcpy(c.discriminator, src + 30, sizeof(c.discriminator));
    c.created = be48_get(src + 42);
    c.object_type = src[48];
    c.permissions = be16_get(src + 49);
    c.descriptor = src[55] >> 4;
    if (gen == OSD_GEN1 || c.format == 1) {
        c.policy_tag = be32_get(src + 56);
        c.allowed_pid = be64_get(src + 60);
        c.allowed_oid = be64_get(src + 68);
    } else {
        c.allowed_attrs = be32_get(src + 56);
        c.policy_tag = be32_get(src + 60);
        c.boot_epoch = be16_get(src + 64);
        c.allowed_pid = be64_get(src + 72);
        c.allowed_oid = be64_get(src + 80);
        c.range_len = be64_get(src + 88);
        c.range_start = be64_get(src + 96);
    }
    *ret = c;
}

size_t osd_capability_encode(const struct osd_capability *c, enum osd_gen layout_gen,
                             uint8_t *dst)
{
    size_t len = layout_gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN;

    memset(dst, 0, len);
    dst[0] = c->format & 0x0f;
    dst[1] = (uint8_t)(c->key_version << 4 | (c->icv_algorithm & 0x0f));
    dst[2] = c->method & 0x0f;
    be48_put(dst + 4, c->expiration);
    memcpy(dst + 10, c->audit, sizeof(c->audit));
    memcpy(dst + 30, c->discriminator, sizeof(c->discriminator));
    be48_put(dst + 42, c->created);
    dst[48] = c->object_type;
    be16_put(dst + 49, c->permissions);
    dst[55] = (uint8_t)(c->descriptor << 4);
    if (layout_gen == OSD_GEN1) {
        be32_put(dst + 56, c->policy_tag);
        be64_put(dst + 60, c->allowed_pid);
        be64_put(dst + 68, c->allowed_oid);
    } else {
        be32_put(dst + 56, c->allowed_attrs);
        be32_put(dst + 60, c->policy_tag);
        be16_put(dst + 64, c->boot_epoch);
        be64_put(dst + 72, c->allowed_pid);
        be64_put(dst + 80, c->allowed_oid);
        be64_put(dst + 88, c->range_len);
        be64_put(dst + 96, c->range_start);
    }
    return len;
}

/* ---- the whole CDB ---- */

static bool is_flush(enum osd_op op)
{
    return op == OSD_OP_FLUSH || op == OSD_OP_FLUSH_COLLECTION || op == OSD_OP_FLUSH_OSD ||
           op == OSD_OP_FLUSH_PARTITION;
}

static bool has_list_attr(enum osd_op op)
{
    return op == OSD_OP_LIST || op == OSD_OP_LIST_COLLECTION;
}

static bool has_immed_tr(enum osd_op op)
{
    return op == OSD_OP_QUERY || op == OSD_OP_REMOVE_MEMBER_OBJECTS ||
           op == OSD_OP_SET_MEMBER_ATTRIBUTES || op == OSD_OP_GET_MEMBER_ATTRIBUTES;
}

/* Length and service action; what must hold before any layout applies. */
static osd_status decode_frame(const uint8_t *cdb, size_t len, struct osd_cdb *c,
                               struct osd_wire_error *reterr)
{
    if (len < 10 || cdb[0] != OSD_OPCODE)
        return fail(reterr, OSD_E_INVALID, 0, "not an OSD command");
    c->op = osd_op_by_action(be16_get(cdb + 8), &c->gen);
    if (c->op == OSD_OP_INVALID)
        return fail(reterr, OSD_E_UNSUPPORTED, 8, "unknown service action");

    size_t want = c->gen == OSD_GEN1 ? OSD1_CDB_LEN : OSD2_CDB_LEN;
    bool old_length = c->gen == OSD_GEN1 && cdb[7] == OSD2_CDB_LEN - 8;
    if (len < want || (cdb[7] != want - 8 && !old_length))
        return fail(reterr, OSD_E_INVALID, 7, "additional CDB length does not fit");
    return OSD_OK;
}

/* Bytes 10-12: options, CDBFMT, timestamps control. */
static osd_status decode_options(const uint8_t *cdb, struct osd_cdb *c,
                                 struct osd_wire_error *reterr)
{
    c->control = cdb[1];
    c->dpo = cdb[10] & 0x10;
    c->fua = cdb[10] & 0x08;
    if (c->gen == OSD_GEN2) {
        c->isolation = cdb[10] & 0x07;
        c->immed_tr = has_immed_tr(c->op) && cdb[11] & 0x80;
        c->list_attr = has_list_attr(c->op) && cdb[11] & 0x40;
    }
    c->timestamps = cdb[12];
    if (c->timestamps != 0 && c->timestamps != 0x7f && c->timestamps < 0xe0)
        return fail(reterr, OSD_E_INVALID, 12, "reserved timestamps control");

    int format = cdb[11] >> 4 & 3;
    if (format == 0 || (format == OSD_ATTR_CDB && c->gen == OSD_GEN1))
        return fail(reterr, OSD_E_INVALID, 11, "reserved GET/SET CDBFMT");
    c->attr.format = (enum osd_attr_format)format;
    return OSD_OK;
}

/* Old OSD-2 initiators put the flush scope in byte 10 (reference 10 row 2). */
static void accept_old_flush_scope(struct osd_cdb *c)
{
    if (c->gen == OSD_GEN2 && is_flush(c->op) && c->option == 0 &&
        (c->isolation == 1 || c->isolation == 2)) {
        c->option = c->isolation;
        c->isolation = 0;
    }
}

static osd_status check_attr_params(struct osd_cdb *c, struct osd_wire_error *reterr)
{
    if (c->attr.format != OSD_ATTR_CDB)
        return OSD_OK;
    c->attr.set_len = c->attr.set_len16;
    c->attr.set_len16 = 0;
    if (c->attr.set_len > sizeof(c->attr.value))
        return fail(reterr, OSD_E_INVALID, 60, "attribute longer than its CDB field");
    if (c->attr.set_page == 0 && c->attr.set_len != 0)
        return fail(reterr, OSD_E_INVALID, 52, "set attributes page 0 in the CDB");
    if (c->attr.set_page == UINT32_MAX)
        return fail(reterr, OSD_E_INVALID, 52, "set attributes page FFFFFFFFh");
    if (c->attr.set_number == UINT32_MAX)
        return fail(reterr, OSD_E_INVALID, 56, "set attribute number FFFFFFFFh");
    return OSD_OK;
}

/* A command without continuation has no business with bytes 48-51, except where they mean
 * something else (list identifier, map type, or a seed). */
static osd_status check_continuation(const uint8_t *cdb, const struct osd_cdb *c,
                                     struct osd_wire_error *reterr)
{
    bool other_use = c->op == OSD_OP_LIST || c->op == OSD_OP_LIST_COLLECTION ||
                     c->op == OSD_OP_READ_MAP || c->op == OSD_OP_SET_KEY;

    if (c->gen == OSD_GEN2 && !ops[c->op].continuation && !other_use && be32_get(cdb + 48) != 0)
        return fail(reterr, OSD_E_INVALID, 48, "command takes no CDB continuation");
    return OSD_OK;
}

/* All but what it is allowed by. */
static osd_status decode_request(const uint8_t *cdb, size_t len, struct osd_cdb *c,
                                 struct osd_wire_error *reterr)
{
    osd_status st;

    if ((st = decode_frame(cdb, len, c, reterr)) || (st = decode_options(cdb, c, reterr)) ||
        (st = get_rows(id_rows(c->op), cdb, c->gen, c, reterr)) ||
        (st = get_rows(layouts[c->op][c->gen], cdb, c->gen, c, reterr)) ||
        (st = check_continuation(cdb, c, reterr)) ||
        (st = get_rows(attr_rows[c->attr.format], cdb, c->gen, c, reterr)) ||
        (st = check_attr_params(c, reterr)))
        return st;
    accept_old_flush_scope(c);
    return OSD_OK;
}

osd_status osd_cdb_decode(const uint8_t *cdb, size_t len, struct osd_cdb *ret,
                          struct osd_wire_error *reterr)
{
    struct osd_cdb c = {.op = OSD_OP_INVALID};
    osd_status st = decode_request(cdb, len, &c, reterr);

    if (!st)
        st = get_rows(security_rows[c.gen], cdb, c.gen, &c, reterr);
    if (st)
        return st;
    osd_capability_decode(cdb + OSD_CAPABILITY_AT, c.gen, &c.cap);
    *ret = c;
    return OSD_OK;
}

osd_status osd_cdb_glance(const uint8_t *cdb, size_t len, struct osd_cdb *ret)
{
    struct osd_cdb c = {.op = OSD_OP_INVALID};
    struct osd_wire_error err;
    osd_status st = decode_request(cdb, len, &c, &err);

    if (!st)
        *ret = c;
    return st;
}

/* What bytes 10 and 11 of this command in this generation can say. */
static bool options_fit(const struct osd_cdb *c)
{
    bool v2 = c->gen == OSD_GEN2;

    if (c->attr.format < OSD_ATTR_CDB || c->attr.format > OSD_ATTR_LIST)
        return false;
    if (c->attr.format == OSD_ATTR_CDB && (!v2 || c->attr.set_len > sizeof(c->attr.value)))
        return false;
    return c->isolation <= (v2 ? 7 : 0) && (!c->immed_tr || (v2 && has_immed_tr(c->op))) &&
           (!c->list_attr || (v2 && has_list_attr(c->op)));
}

osd_status osd_cdb_encode(const struct osd_cdb *cmd, uint8_t *dst, size_t *ret_len)
{
    const struct osd_op_info *info = osd_op_info(cmd->op);
    struct osd_cdb c = *cmd;
    osd_status st;

    if (!info || (c.gen != OSD_GEN1 && c.gen != OSD_GEN2) || !info->action[c.gen])
        return OSD_E_UNSUPPORTED;
    if (!options_fit(&c))
        return OSD_E_INVALID;

    size_t len = c.gen == OSD_GEN1 ? OSD1_CDB_LEN : OSD2_CDB_LEN;
    memset(dst, 0, OSD_CDB_MAX);
    dst[0] = OSD_OPCODE;
    dst[1] = c.control;
    dst[7] = (uint8_t)(len - 8);
    be16_put(dst + 8, info->action[c.gen]);
    dst[10] = (uint8_t)(c.dpo << 4 | c.fua << 3 | c.isolation);
    dst[11] = (uint8_t)(c.immed_tr << 7 | c.list_attr << 6 | c.attr.format << 4);
    dst[12] = c.timestamps;
    c.attr.set_len16 = (uint16_t)c.attr.set_len;
    if ((st = put_rows(id_rows(c.op), &c, dst)) ||
        (st = put_rows(layouts[c.op][c.gen], &c, dst)) ||
        (st = put_rows(attr_rows[c.attr.format], &c, dst)) ||
        (st = put_rows(security_rows[c.gen], &c, dst)))
        return st;
    osd_capability_encode(&c.cap, c.gen == OSD_GEN1 || c.cap.format == 1 ? OSD_GEN1 : OSD_GEN2,
                          dst + OSD_CAPABILITY_AT);
    *ret_len = len;
    return OSD_OK;
}
