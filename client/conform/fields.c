/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/fields.c - see fields.h (reference 1.1-1.8, 2.1, 5.1, 8.3)
 */
#include "fields.h"

#include <string.h>
#include <strings.h>

#define NO FIELD_ABSENT
#define BOTH(at)                                                                               \
    {                                                                                          \
        0, at, at                                                                              \
    }

/* Capability fields lie at 80 in both generations. */
#define CAP(n) BOTH(80 + (n))
#define CAP2(o1, o2)                                                                           \
    {                                                                                          \
        0, 80 + (o1), 80 + (o2)                                                                \
    }
#define CAP_OSD2(o2)                                                                           \
    {                                                                                          \
        0, NO, 80 + (o2)                                                                       \
    }

static const struct field fields[] = {
    {"operation_code", BOTH(0), 1, 0, 0},
    {"control", BOTH(1), 1, 0, 0},
    {"additional_cdb_length", BOTH(7), 1, 0, 0},
    {"service_action", BOTH(8), 2, 0, 0},
    {"dpo", BOTH(10), 0, 4, 1},
    {"fua", BOTH(10), 0, 3, 1},
    {"isolation", {0, NO, 10}, 0, 0, 3},
    {"get_set_cdbfmt", BOTH(11), 0, 4, 2},
    {"immed_tr", {0, NO, 11}, 0, 7, 1},
    {"list_attr", {0, NO, 11}, 0, 6, 1},
    {"sort_order", BOTH(11), 0, 0, 4},
    {"fcr", BOTH(11), 0, 0, 1},
    {"scope", {0, NO, 11}, 0, 0, 3},
    {"flush_scope", {0, 10, 11}, 0, 0, 2},
    {"timestamps_control", BOTH(12), 1, 0, 0},
    {"partition_id", BOTH(16), 8, 0, 0},
    {"requested_partition_id", BOTH(16), 8, 0, 0},
    {"user_object_id", BOTH(24), 8, 0, 0},
    {"requested_user_object_id", BOTH(24), 8, 0, 0},
    {"collection_object_id", BOTH(24), 8, 0, 0},
    {"requested_collection_object_id", BOTH(24), 8, 0, 0},
    {"length", {0, 36, 32}, 8, 0, 0},
    {"allocation_length", {0, 36, 32}, 8, 0, 0},
    {"formatted_capacity", {0, 36, 32}, 8, 0, 0},
    {"number_of_user_objects", {0, 36, 32}, 2, 0, 0},
    {"starting_byte_address", {0, 44, 40}, 8, 0, 0},
    {"initial_object_id", {0, 44, 40}, 8, 0, 0},
    {"matches_collection_object_id", {0, NO, 40}, 8, 0, 0},
    {"source_collection_object_id", {0, NO, 40}, 8, 0, 0},
    {"list_identifier", {0, 32, 48}, 4, 0, 0},
    {"cdb_continuation_length", {0, NO, 48}, 4, 0, 0},
    {"map_type", {0, NO, 48}, 2, 0, 0},
    {"object_duplication_method", {0, NO, 14}, 1, 0, 0},
    {"scsi_command_cdb", {0, 36, 32}, 1, 0, 0},
    {"key_to_set", BOTH(11), 0, 0, 2},
    {"dh_step", BOTH(11), 0, 0, 2},
    {"key_version_to_set", BOTH(24), 1, 0, 0},
    {"dh_group", BOTH(24), 1, 0, 0},
    {"parameter_list_length", BOTH(32), 4, 0, 0},
    {"master_key_allocation_length", BOTH(36), 4, 0, 0},
    {"function_code", {0, 43, 39}, 1, 0, 0},
    {"task_tag", {0, 44, 40}, 8, 0, 0},
    /* attribute parameters, page format */
    {"get_attributes_page", BOTH(52), 4, 0, 0},
    {"get_attributes_allocation_length", BOTH(56), 4, 0, 0},
    {"retrieved_attributes_offset", BOTH(60), 4, 0, 0},
    {"set_attributes_page", BOTH(64), 4, 0, 0},
    {"set_attribute_number", BOTH(68), 4, 0, 0},
    {"set_attribute_length", BOTH(72), 4, 0, 0},
    {"set_attribute_offset", BOTH(76), 4, 0, 0},
    /* list format */
    {"get_attributes_list_length", BOTH(52), 4, 0, 0},
    {"get_attributes_list_offset", BOTH(56), 4, 0, 0},
    {"get_attributes_list_allocation_length", BOTH(60), 4, 0, 0},
    {"retrieved_attributes_list_offset", BOTH(64), 4, 0, 0},
    {"set_attributes_list_length", BOTH(68), 4, 0, 0},
    {"set_attributes_list_offset", BOTH(72), 4, 0, 0},
    /* CDB field format */
    {"cdb_set_attributes_page", {0, NO, 52}, 4, 0, 0},
    {"cdb_set_attribute_number", {0, NO, 56}, 4, 0, 0},
    {"cdb_set_attribute_length", {0, NO, 60}, 2, 0, 0},
    {"cdb_set_attribute_value", {0, NO, 62}, 1, 0, 0},
    /* capability */
    {"capability_format", CAP(0), 0, 0, 4},
    {"key_version", CAP(1), 0, 4, 4},
    {"integrity_check_value_algorithm", CAP(1), 0, 0, 4},
    {"security_method", CAP(2), 0, 0, 4},
    {"capability_expiration_time", CAP(4), 6, 0, 0},
    {"object_created_time", CAP(42), 6, 0, 0},
    {"object_type", CAP(48), 1, 0, 0},
    {"permissions", CAP(49), 2, 0, 0},
    {"object_descriptor_type", CAP(55), 0, 4, 4},
    {"policy_access_tag", CAP2(56, 60), 4, 0, 0},
    {"allowed_attributes_access", CAP_OSD2(56), 4, 0, 0},
    {"boot_epoch", CAP_OSD2(64), 2, 0, 0},
    {"allowed_partition_id", CAP2(60, 72), 8, 0, 0},
    {"allowed_object_id", CAP2(68, 80), 8, 0, 0},
    {"allowed_range_length", CAP_OSD2(88), 8, 0, 0},
    {"allowed_range_start", CAP_OSD2(96), 8, 0, 0},
    /* security parameters; the nonce's timestamp and random part */
    {"request_integrity_check_value", {0, 160, 184}, 1, 0, 0},
    {"request_nonce_timestamp", {0, 180, 216}, 6, 0, 0},
    {"request_nonce_random", {0, 186, 222}, 6, 0, 0},
    {"data_in_integrity_check_value_offset", {0, 192, 228}, 4, 0, 0},
    {"data_out_integrity_check_value_offset", {0, 196, 232}, 4, 0, 0},
};

static const struct spc_field {
    uint8_t opcode;
    struct field f;
} spc_fields[] = {
    {0x12, {"evpd", BOTH(1), 0, 0, 1}},
    {0x12, {"page_code", BOTH(2), 1, 0, 0}},
    {0x12, {"allocation_length", BOTH(3), 2, 0, 0}},
    {0x03, {"desc", BOTH(1), 0, 0, 1}},
    {0x03, {"allocation_length", BOTH(4), 1, 0, 0}},
    {0x1a, {"pc", BOTH(2), 0, 6, 2}},
    {0x1a, {"page_code", BOTH(2), 0, 0, 6}},
    {0x1a, {"subpage_code", BOTH(3), 1, 0, 0}},
    {0x1a, {"allocation_length", BOTH(4), 1, 0, 0}},
    {0x5a, {"pc", BOTH(2), 0, 6, 2}},
    {0x5a, {"page_code", BOTH(2), 0, 0, 6}},
    {0x5a, {"subpage_code", BOTH(3), 1, 0, 0}},
    {0x5a, {"allocation_length", BOTH(7), 2, 0, 0}},
    {0xa0, {"select_report", BOTH(2), 1, 0, 0}},
    {0xa0, {"allocation_length", BOTH(6), 4, 0, 0}},
    {0xa3, {"service_action", BOTH(1), 0, 0, 5}},
    {0xa3, {"rctd", BOTH(2), 0, 7, 1}},
    {0xa3, {"reporting_options", BOTH(2), 0, 0, 3}},
    {0xa3, {"requested_operation_code", BOTH(3), 1, 0, 0}},
    {0xa3, {"requested_service_action", BOTH(4), 2, 0, 0}},
    {0xa3, {"allocation_length", BOTH(6), 4, 0, 0}},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct field *field_find(const char *name, int gen)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (strcasecmp(fields[i].name, name) == 0)
            return fields[i].at[gen] == NO ? NULL : &fields[i];
    return NULL;
}

const struct field *field_find_spc(uint8_t opcode, const char *name)
{
    for (size_t i = 0; i < COUNT(spc_fields); i++)
        if (spc_fields[i].opcode == opcode && strcasecmp(spc_fields[i].f.name, name) == 0)
            return &spc_fields[i].f;
    return NULL;
}

bool field_put(const struct field *f, int gen, uint8_t *cdb, uint64_t v)
{
    uint8_t *p = cdb + f->at[gen];

    if (f->len == 0) {
        uint8_t mask = (uint8_t)((1u << f->width) - 1);
        if (v > mask)
            return false;
        *p = (uint8_t)((*p & ~(mask << f->shift)) | v << f->shift);
        return true;
    }
    if (f->len < 8 && v >> 8 * f->len)
        return false;
    for (int i = f->len - 1; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
    return true;
}

/* ---- commands ---- */

#define READ_     0x8000
#define WRITE_    0x4000
#define GET_ATTR_ 0x2000
#define SET_ATTR_ 0x1000
#define CREATE_   0x0800
#define REMOVE_   0x0400
#define OBJ_MGMT_ 0x0200
#define APPEND_   0x0100
#define DEV_MGMT_ 0x0080
#define GLOBAL_   0x0040
#define POL_SEC_  0x0020
#define M_OBJECT_ 0x0010
#define QUERY_    0x0008
#define GBL_REM_  0x0004

static const struct permission {
    const char *name;
    uint16_t bit;
} permissions[] = {{"READ", READ_},         {"WRITE", WRITE_},     {"GET_ATTR", GET_ATTR_},
                   {"SET_ATTR", SET_ATTR_}, {"CREATE", CREATE_},   {"REMOVE", REMOVE_},
                   {"OBJ_MGMT", OBJ_MGMT_}, {"APPEND", APPEND_},   {"DEV_MGMT", DEV_MGMT_},
                   {"GLOBAL", GLOBAL_},     {"POL_SEC", POL_SEC_}, {"M_OBJECT", M_OBJECT_},
                   {"QUERY", QUERY_},       {"GBL_REM", GBL_REM_}};

uint16_t permission_find(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(permissions); i++)
        if (strlen(permissions[i].name) == len && strncmp(permissions[i].name, name, len) == 0)
            return permissions[i].bit;
    return 0;
}

#define U SUBJECT_USER
#define P SUBJECT_PARTITION
#define C SUBJECT_COLLECTION
#define R SUBJECT_ROOT
#define I SUBJECT_IDS

static const struct opcode opcodes[] = {
    {"APPEND", {0, 0x8807, 0x8887}, U, APPEND_, 'o', 0, 0},
    {"CLEAR", {0, 0, 0x8889}, U, WRITE_, 0, 0, 0},
    {"COPY USER OBJECTS", {0, 0, 0x8893}, U, CREATE_ | WRITE_, 0, 0, 0},
    {"CREATE AND WRITE", {0, 0x8812, 0x8892}, U, CREATE_ | WRITE_, 'o', 0, 0},
    {"CREATE CLONE", {0, 0, 0x88a8}, P, CREATE_ | READ_ | WRITE_, 0, 0, 0},
    {"CREATE COLLECTION", {0, 0x8815, 0x8895}, C, CREATE_, 0, 0, 0},
    {"CREATE PARTITION", {0, 0x880b, 0x888b}, P, CREATE_, 0, 0, 0},
    {"CREATE SNAPSHOT", {0, 0, 0x88a9}, P, CREATE_ | READ_ | WRITE_, 0, 0, 0},
    {"CREATE USER TRACKING COLLECTION", {0, 0, 0x8894}, C, CREATE_ | READ_ | WRITE_, 0, 0, 0},
    {"CREATE", {0, 0x8802, 0x8882}, U, CREATE_, 0, 0, 0},
    {"DETACH CLONE", {0, 0, 0x88aa}, P, WRITE_, 0, 0, 0},
    {"FLUSH COLLECTION", {0, 0x881a, 0x889a}, C, OBJ_MGMT_, 0, 0, 0},
    {"FLUSH OSD", {0, 0x881c, 0x889c}, R, OBJ_MGMT_, 0, 0, 0},
    {"FLUSH PARTITION", {0, 0x881b, 0x889b}, P, OBJ_MGMT_, 0, 0, 0},
    {"FLUSH", {0, 0x8808, 0x8888}, U, OBJ_MGMT_, 0, 0, 0},
    {"FORMAT OSD", {0, 0x8801, 0x8881}, R, OBJ_MGMT_ | GLOBAL_, 0, 0, 0},
    {"GET ATTRIBUTES", {0, 0x880e, 0x888e}, I, GET_ATTR_, 0, 0, 0},
    {"GET MEMBER ATTRIBUTES", {0, 0, 0x88a2}, C, GET_ATTR_ | M_OBJECT_, 0, 0, 0},
    {"LIST COLLECTION", {0, 0x8817, 0x8897}, SUBJECT_LISTED, READ_, 'a', 0, 0},
    {"LIST", {0, 0x8803, 0x8883}, I, READ_, 'a', 0, 0},
    {"OBJECT STRUCTURE CHECK", {0, 0, 0x8880}, I, DEV_MGMT_, 0, 0, 0},
    {"PERFORM SCSI COMMAND", {0, 0x8f7e, 0x8f7c}, R, DEV_MGMT_ | GLOBAL_, 'x', 0, 0},
    {"PERFORM TASK MANAGEMENT FUNCTION",
     {0, 0x8f7f, 0x8f7d},
     R,
     DEV_MGMT_ | GLOBAL_,
     'x',
     0,
     0},
    {"PUNCH", {0, 0, 0x8884}, U, WRITE_, 0, 0, 0},
    {"QUERY", {0, 0, 0x88a0}, C, QUERY_, 'a', 0, 0},
    {"READ MAPS AND COMPARE", {0, 0, 0x88b2}, U, READ_, 'a', 0, 0},
    {"READ MAP", {0, 0, 0x88b1}, U, READ_, 'a', 0, 0},
    {"READ", {0, 0x8805, 0x8885}, U, READ_, 'i', 0, 0},
    {"REFRESH SNAPSHOT OR CLONE", {0, 0, 0x88ab}, P, READ_ | WRITE_, 0, 0, 0},
    {"REMOVE COLLECTION", {0, 0x8816, 0x8896}, C, REMOVE_, 0, 0, 0},
    {"REMOVE MEMBER OBJECTS", {0, 0, 0x88a1}, C, REMOVE_ | M_OBJECT_, 0, 0, 0},
    {"REMOVE PARTITION", {0, 0x880c, 0x888c}, P, REMOVE_, 0, 0, 0},
    {"REMOVE", {0, 0x880a, 0x888a}, U, REMOVE_, 0, 0, 0},
    {"RESTORE PARTITION FROM SNAPSHOT", {0, 0, 0x88ac}, P, READ_ | WRITE_, 0, 0, 0},
    {"SET ATTRIBUTES", {0, 0x880f, 0x888f}, I, SET_ATTR_, 0, 0, 0},
    {"SET KEY", {0, 0x8818, 0x8898}, P, DEV_MGMT_ | POL_SEC_, 0, 0, 0},
    {"SET MASTER KEY", {0, 0x8819, 0x8899}, R, DEV_MGMT_ | POL_SEC_ | GLOBAL_, 'x', 0, 0},
    {"SET MEMBER ATTRIBUTES", {0, 0, 0x88a3}, C, SET_ATTR_ | M_OBJECT_, 0, 0, 0},
    {"WRITE", {0, 0x8806, 0x8886}, U, WRITE_, 'o', 0, 0},
    {"TEST UNIT READY", {0, 0, 0}, R, 0, 0, 0x00, 6},
    {"REQUEST SENSE", {0, 0, 0}, R, 0, 'a', 0x03, 6},
    {"INQUIRY", {0, 0, 0}, R, 0, 'a', 0x12, 6},
    {"MODE SENSE 6", {0, 0, 0}, R, 0, 'a', 0x1a, 6},
    {"MODE SENSE 10", {0, 0, 0}, R, 0, 'a', 0x5a, 10},
    {"REPORT LUNS", {0, 0, 0}, R, 0, 'a', 0xa0, 12},
    {"MAINTENANCE IN", {0, 0, 0}, R, 0, 'a', 0xa3, 12},
};

const struct opcode *opcode_of_action(uint16_t action)
{
    for (size_t i = 0; i < COUNT(opcodes); i++)
        if (action && (opcodes[i].action[1] == action || opcodes[i].action[2] == action))
            return &opcodes[i];
    return NULL;
}

/* Service actions that a device need not have. */
static const uint16_t optional_actions[] = {
    0x8801, 0x8815, 0x8816, 0x8817, 0x881a, 0x8881, 0x8893, 0x8894, 0x8895, 0x8896, 0x8897,
    0x889a, 0x88a0, 0x88a1, 0x88a2, 0x88a3, 0x88a8, 0x88a9, 0x88aa, 0x88ab, 0x88ac, 0x88b2};

/* Other operation codes that it need not have. */
static const uint8_t optional_opcodes[] = {0x1a, 0x1b, 0x1c, 0x1e, 0x3b, 0x3c,
                                           0x4c, 0x4d, 0x55, 0x5a, 0xa0, 0xa3};

bool opcode_is_optional(const struct opcode *op, int gen, uint8_t opcode)
{
    for (size_t i = 0; i < COUNT(optional_opcodes); i++)
        if (optional_opcodes[i] == opcode)
            return true;
    for (size_t i = 0; i < COUNT(optional_actions); i++)
        if (op->action[gen] && optional_actions[i] == op->action[gen])
            return true;
    return false;
}

/* How many words the name has if the words begin with it, else 0. */
static size_t matches(const char *name, char *const *words, size_t n)
{
    size_t used = 0;

    while (*name) {
        size_t len = strcspn(name, " ");
        if (used == n || strlen(words[used]) != len || strncmp(words[used], name, len) != 0)
            return 0;
        used++;
        name += len + (name[len] == ' ');
    }
    return used;
}

const struct opcode *opcode_find(char *const *words, size_t n, size_t *ret_words)
{
    const struct opcode *best = NULL;

    *ret_words = 0;
    for (size_t i = 0; i < COUNT(opcodes); i++) {
        size_t used = matches(opcodes[i].name, words, n);
        if (used > *ret_words) {
            best = &opcodes[i];
            *ret_words = used;
        }
    }
    return best;
}
