/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/attributes.h - attributes: single values (pages.c) and the attribute
 * phases of a command (attributes.c)
 */
#ifndef INTERPRETER_ATTRIBUTES_H
#define INTERPRETER_ATTRIBUTES_H

#include "command.h"

/** A value; memory of the command or of static tables, valid until the next attr_ call. len 0:
 *  undefined. */
struct attr_value {
    const uint8_t *data;
    uint32_t len;
};

/** Why an attribute cannot be set; tells which CDB field to point at. */
enum attr_refusal { REFUSE_PAGE, REFUSE_NUMBER, REFUSE_LENGTH, REFUSE_VALUE };

/** Whether a page can belong to the object (current command and pages of any object included).
 */
bool attr_page_fits(const struct attr_object *o, uint32_t page);

/** Value of one attribute of an object; undefined ones have length 0. */
osd_status attr_get(struct command *c, const struct attr_object *o, struct osd_attr_id id,
                    struct attr_value *ret);

/**
 * Set one attribute; length 0 undefines.
 *
 * @return OSD_OK; OSD_E_DENIED with *ret_why; or what the store says.
 */
osd_status attr_set(struct command *c, const struct attr_object *o, struct osd_attr_id id,
                    const uint8_t *value, uint32_t len, enum attr_refusal *ret_why);

/** Whether the value of an attribute of user objects is, in every one of them, what the store
 *  keeps under these numbers. number OSD_ATTR_ALL: all those of the page. */
bool attr_is_stored(const struct command *c, struct osd_attr_id id);

/** Visit the defined attributes of one page in ascending order, until a visit returns false. */
typedef bool (*attr_visit)(void *arg, struct osd_attr_id id, const uint8_t *value,
                           uint32_t len);
osd_status attr_each(struct command *c, const struct attr_object *o, uint32_t page,
                     attr_visit visit, void *arg);

/** Next page of the object >= from that may hold attributes; OSD_E_NOT_FOUND at the end. Pages
 *  of any object are left out. */
osd_status attr_next_page(struct command *c, const struct attr_object *o, uint32_t from,
                          uint32_t *ret);

/* ---- phases ---- */

/** Call check (may be NULL) for every attribute to be set or got; malformed lists fail. */
typedef osd_status (*attr_check)(void *arg, struct osd_attr_id id);
osd_status attributes_each_set(struct command *c, attr_check check, void *arg);
osd_status attributes_each_get(struct command *c, attr_check check, void *arg);

/** Functions SET_ATTR and GET_ATTR on command.object. */
osd_status attributes_set(struct command *c);
osd_status attributes_get(struct command *c);

/** Note that attributes of an object other than the one addressed went to Data-In: their time of
 *  access is stamped after the commit. */
void attributes_note_got(struct command *c, struct store_id id);

/** Append the attributes a get list names as OSD-2 entries without list header (LIST with
 *  attributes). */
osd_status attributes_put_entries(struct command *c, const struct attr_object *o,
                                  struct osd_writer *w);

#endif
