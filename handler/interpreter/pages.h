/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages.h - the tables behind attributes.h, shared by the pages*.c files
 */
#ifndef INTERPRETER_PAGES_H
#define INTERPRETER_PAGES_H

#include "attributes.h"

struct row;

/** One attribute being got or set. */
struct ask {
    struct command *c;
    const struct attr_object *o;
    struct osd_attr_id id;
    const struct row *row;
};

/** The value, in memory as attr_get() states; length 0: undefined. */
typedef osd_status (*getter)(const struct ask *a, struct attr_value *ret);

/** OSD_OK; OSD_E_DENIED with the reason; or what the store says. */
typedef osd_status (*setter)(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why);

#define GEN2   0x01 /* OSD-2 only */
#define ZERO   0x02 /* partition zero has it too */
#define SPARSE 0x04 /* a page that is there only if one of its attributes is */

struct row {
    uint32_t number;
    uint32_t span; /* so many numbers from there on */
    uint16_t len;  /* 0: variable */
    uint8_t flags;
    getter get;
    setter set; /* NULL: clients cannot */
    uint64_t arg;
};

/** The attributes of a page, ascending. */
struct page_rows {
    const struct row *rows;
    size_t n;
};
#define ROWS(a)                                                                                \
    {                                                                                          \
        (a), sizeof(a) / sizeof((a)[0])                                                        \
    }
#define M(member) offsetof(struct store_meta, member)

/* pages_information.c */
extern const struct page_rows page_information_r, page_information_p, page_information_c,
    page_information_u;
/* pages_limits.c */
extern const struct page_rows page_quotas_r, page_quotas_p, page_quotas_u;
extern const struct page_rows page_times_r, page_times_p, page_times_cu;
/* pages_index.c */
extern const struct page_rows page_index_p;
/* pages_collections.c */
extern const struct page_rows page_tracking_c;
osd_status page_set_access_list(const struct ask *a, const uint8_t *value, uint32_t len,
                                enum attr_refusal *ret_why);
osd_status page_set_membership(const struct ask *a, const uint8_t *value, uint32_t len,
                               enum attr_refusal *ret_why);
/* pages_security.c */
extern const struct page_rows page_security_r, page_security_p, page_security_cu;

/** Identifiers of keys, and which there are, in a security page of the page format. */
osd_status page_put_key_ids(struct command *c, const struct attr_object *o, uint32_t page,
                            uint8_t *dst);
/* pages_recovery.c */
extern const struct page_rows page_recovery_r, page_recovery_p, page_recovery_cu;

/* ---- page_values.c: what getters and setters are made of ---- */

/** A number as big-endian of the row's length. */
osd_status row_number(const struct ask *a, uint64_t v, struct attr_value *ret);
/** Text without a terminator; s outlives the value. */
osd_status row_text(struct attr_value *ret, const char *s);
/** ASCII of the row's length: left aligned, padded with spaces. */
osd_status row_padded(const struct ask *a, const char *s, struct attr_value *ret);
/** A stored attribute, or undefined. */
osd_status stored_load(struct command *c, struct store_id id, struct osd_attr_id attr,
                       struct attr_value *ret);
/** Say why not; returns OSD_E_DENIED. */
osd_status row_refuse(enum attr_refusal why, enum attr_refusal *ret_why);
/** A big-endian number of up to 8 bytes. */
uint64_t row_be_value(const uint8_t *p, uint32_t len);

/* Getters: a member of struct store_meta (arg is its offset), a stored attribute, the constant
 * arg, stored or else arg, nothing, the ids of the object, the device's clock. */
osd_status row_get_meta(const struct ask *a, struct attr_value *ret);
osd_status row_get_stored(const struct ask *a, struct attr_value *ret);
osd_status row_get_const(const struct ask *a, struct attr_value *ret);
osd_status row_get_default(const struct ask *a, struct attr_value *ret);
osd_status row_get_undefined(const struct ask *a, struct attr_value *ret);
osd_status row_get_pid(const struct ask *a, struct attr_value *ret);
osd_status row_get_oid(const struct ask *a, struct attr_value *ret);
osd_status row_get_clock(const struct ask *a, struct attr_value *ret);

/* Setters: a stored attribute, a member of struct store_meta. */
osd_status row_set_stored(const struct ask *a, const uint8_t *value, uint32_t len,
                          enum attr_refusal *ret_why);
osd_status row_set_meta(const struct ask *a, const uint8_t *value, uint32_t len,
                        enum attr_refusal *ret_why);

#endif
