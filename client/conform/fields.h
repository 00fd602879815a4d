/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/fields.h - the CDB of both generations by the standard's names
 *
 * Tables of this room alone, written from the standard and not from wire/: a conformance suite
 * that shared the device's tables would agree with its mistakes.
 */
#ifndef CONFORM_FIELDS_H
#define CONFORM_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIELD_ABSENT 0xff /* the generation does not have the field */

/** A field: len bytes at at[generation], or bits of one byte (len 0). */
struct field {
    const char *name; /* lower case, underscores */
    uint8_t at[3];    /* [1] OSD-1, [2] OSD-2 */
    uint8_t len;
    uint8_t shift, width; /* len 0 */
};

/** What a command is: its codes, data phases and what its capability must say. */
enum subject {
    SUBJECT_ROOT,
    SUBJECT_PARTITION,
    SUBJECT_USER,
    SUBJECT_COLLECTION,
    SUBJECT_IDS /* as the ids say */,
    SUBJECT_LISTED /* collection or partition */
};

struct opcode {
    const char *name;   /* "CREATE AND WRITE" */
    uint16_t action[3]; /* [1], [2]; 0 = not in that generation */
    enum subject subject;
    uint16_t permissions;
    char data; /* 'o' command data out, 'i' READ's data in, 'a' answer with an allocation */
    uint8_t spc_opcode, spc_len; /* spc_len != 0: an SPC command of that length */
};

#define PERM_GET_ATTR 0x2000
#define PERM_SET_ATTR 0x1000
#define PERM_POL_SEC  0x0020

/** Field by name for an OSD command; NULL when unknown. Static memory. */
const struct field *field_find(const char *name, int gen);

/** Field of an SPC command; NULL when unknown. */
const struct field *field_find_spc(uint8_t opcode, const char *name);

/** Store v; false when it does not fit into the field. */
bool field_put(const struct field *f, int gen, uint8_t *cdb, uint64_t v);

/** Command whose name begins the words; *ret_words says how many it has. NULL: none. */
const struct opcode *opcode_find(char *const *words, size_t n, size_t *ret_words);

/** Command of a service action, in either generation; NULL when the standard has none. */
const struct opcode *opcode_of_action(uint16_t action);

/** Whether a device need not have the command (reference 2.1, 8.3; collections are optional as a
 *  whole). opcode: byte 0 of the CDB. */
bool opcode_is_optional(const struct opcode *op, int gen, uint8_t opcode);

/** Permission bit by name ("GET_ATTR"); 0 when unknown. */
uint16_t permission_find(const char *name, size_t len);

#endif
