/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/attrs.h - attribute lists, page layouts, page and attribute numbers
 *
 * Reference 3.2, 3.3, 4.1-4.9. Readers are cursors over caller's bytes (no copy); writers go
 * through struct osd_writer, so an allocation length cuts data without losing its true length.
 * Invariants:
 *  (1) A cursor never yields an entry that reaches outside the list.
 *  (2) Writers and readers of one generation are inverse to each other.
 */
#ifndef WIRE_ATTRS_H
#define WIRE_ATTRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "osd/status.h"
#include "wire/cdb.h"

/* Page bases (reference 4.1). */
#define OSD_PAGE_U       0x00000000u
#define OSD_PAGE_P       0x30000000u
#define OSD_PAGE_C       0x60000000u
#define OSD_PAGE_R       0x90000000u
#define OSD_PAGE_ANY     0xf0000000u
#define OSD_PAGE_CURRENT 0xfffffffeu
#define OSD_PAGE_ALL     0xffffffffu
#define OSD_ATTR_ALL     0xffffffffu
/* Offsets of standard pages from their base. */
#define OSD_PG_DIRECTORY   0x0u
#define OSD_PG_INFORMATION 0x1u
#define OSD_PG_QUOTAS      0x2u
#define OSD_PG_TIMESTAMPS  0x3u
#define OSD_PG_COLLECTIONS 0x4u
#define OSD_PG_SECURITY    0x5u
#define OSD_PG_RECOVERY    0x6u
#define OSD_PG_CLIENT      0x10000u /* first client-defined page */

#define OSD_ATTR_VALUE_MAX 0xfffeu
#define OSD_PAGE_ID_LEN    40 /* attribute 0 of every page */

/** OSD_TYPE_* of the object a page number belongs to; 0 for pages of any object (>= F0000000h)
 *  and for the reserved range C0000000h-EFFFFFFFh (see osd_page_reserved()). */
uint8_t osd_page_owner(uint32_t page);
bool osd_page_reserved(uint32_t page);
/** Page number without its base; pages >= C0000000h unchanged. */
uint32_t osd_page_offset(uint32_t page);

enum osd_list_type {
    OSD_LIST_GET = 0x1,
    OSD_LIST_SET = 0x9,      /* also retrieved attributes of one object */
    OSD_LIST_MULTI_V2 = 0xe, /* retrieved, several objects, OSD-2 */
    OSD_LIST_MULTI_V1 = 0xf  /* retrieved, several objects, OSD-1 */
};

struct osd_attr_id {
    uint32_t page, number;
};

/** One attribute; value points into the list. undefined: length said "no such attribute". */
struct osd_attr_entry {
    struct osd_attr_id id;
    bool undefined;
    uint16_t len;           /* true length, even where the value was cut */
    struct osd_bytes value; /* what is there of it */
    uint64_t oid;           /* multi-object lists only */
};

struct osd_attr_cursor {
    struct osd_bytes list;
    size_t at;        /* next byte to read */
    size_t group_end; /* OSD-2 type Eh: end of the current object's entries */
    uint64_t oid;     /* current object of a multi-object list */
    enum osd_gen gen;
    enum osd_list_type type;
    bool lenient; /* retrieved lists may be cut by an allocation length */
};

/**
 * Open a list.
 *
 * @param list   header and entries, exactly as long as the CDB says (3.3 rule 1: that length
 *               governs; the header's own may be zero).
 * @param want   expected type; one that the generation does not have is refused.
 * @param retrieved true for Data-In read by a client: a cut last entry ends the list quietly,
 *               and the header's length bounds it.
 * @return OSD_OK; OSD_E_INVALID with the byte within the list in *reterr (in_cdb false).
 */
osd_status osd_attr_cursor_open(struct osd_bytes list, enum osd_gen gen,
                                enum osd_list_type want, bool retrieved,
                                struct osd_attr_cursor *ret, struct osd_wire_error *reterr);

/** Next entry. OSD_E_NOT_FOUND at the end; OSD_E_INVALID as above, also in a retrieved list
 * when an entry reaches out of its object's group. */
osd_status osd_attr_cursor_next(struct osd_attr_cursor *c, struct osd_attr_entry *ret,
                                struct osd_wire_error *reterr);

/** Whether a retrieved list is longer than its bytes, by what its header says. An OSD-1 header
 *  cannot say more than FFFFh; that counts as cut. */
bool osd_attr_list_cut(struct osd_bytes list, enum osd_gen gen);

/** Append the list header with a zero length; osd_attr_list_close() patches it. */
void osd_attr_list_open(struct osd_writer *w, enum osd_gen gen, enum osd_list_type type);

/** Patch the length of the list that began at byte `start` of the writer (full count). */
void osd_attr_list_close(struct osd_writer *w, enum osd_gen gen, size_t start);

/** Append a get-list entry. */
void osd_attr_put_get(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id);

/** Append a set-list or retrieved entry with its value (padding of OSD-2 included). */
void osd_attr_put_value(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id,
                        const void *value, uint16_t len);

/** Append a retrieved entry for an undefined attribute (length FFFFh OSD-1, 0000h OSD-2). */
void osd_attr_put_undefined(struct osd_writer *w, enum osd_gen gen, struct osd_attr_id id);

/** OSD-1 type Fh: one entry of one object. */
void osd_attr_put_multi_v1(struct osd_writer *w, uint64_t oid, struct osd_attr_id id,
                           const void *value, uint16_t len, bool undefined);

/** OSD-2 type Eh: head of one object's group; entries follow with osd_attr_put_value(), 65,535
 *  bytes at most (the caller sees to it); osd_attr_group_close() patches the group's length.
 *  Returns the group's start for it. */
size_t osd_attr_group_open(struct osd_writer *w, uint64_t oid, uint8_t object_type);
void osd_attr_group_close(struct osd_writer *w, size_t group_start);

/* ---- page format (reference 4.5, 4.6, 4.8, 4.9) ---- */

/** One attribute inside a page layout. */
struct osd_page_field {
    uint32_t number;
    uint16_t offset; /* from the first byte of the page */
    uint16_t len;
};

/** A page that has a page format. Bytes in no field are zero. */
struct osd_page_layout {
    uint32_t page;  /* full page number (user, partition, ... or current command) */
    uint16_t total; /* bytes in all, the 8-byte header included */
    uint16_t n_fields;
    const struct osd_page_field *fields;
};

/** Layout of a page in one generation; NULL if the page has none. Static memory. */
const struct osd_page_layout *osd_page_layout(uint32_t page, enum osd_gen gen);

/** Append the null page (8 bytes: page number, length 0). */
void osd_page_put_null(struct osd_writer *w, uint32_t page);

/** Contents of the current command page. */
struct osd_current_command {
    uint8_t response_icv[OSD_ICV2_LEN];
    uint8_t object_type;
    uint64_t pid, oid, append_start;
    int64_t used_change; /* OSD-2 r05 */
};

/** Append / parse the current command page (56 bytes OSD-1, 76 OSD-2). Parsing accepts the
 *  68-byte form of older OSD-2 devices. OSD_E_INVALID when it is something else. */
void osd_current_command_put(struct osd_writer *w, enum osd_gen gen,
                             const struct osd_current_command *cc);
osd_status osd_current_command_parse(struct osd_bytes page, enum osd_gen gen,
                                     struct osd_current_command *ret);

#endif
