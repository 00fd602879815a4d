/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire/list.h - LIST and LIST COLLECTION parameter data, READ MAP data (reference 3.1, 3.7),
 * READ MAPS AND COMPARE data (ours)
 */
#ifndef WIRE_LIST_H
#define WIRE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"
#include "osd/status.h"
#include "wire/attrs.h"
#include "wire/cdb.h"

#define OSD_LIST_HEADER_LEN 24

enum osd_list_what {
    OSD_LISTS_PARTITIONS = 0x01,
    OSD_LISTS_COLLECTIONS = 0x11,
    OSD_LISTS_USERS = 0x21
};

struct osd_list_head {
    uint64_t additional_len; /* bytes after this field if nothing were cut */
    uint64_t continuation;   /* first id not returned; 0 = complete */
    uint32_t list_id;
    bool changed;    /* LSTCHG */
    bool with_attrs; /* OSD-2 */
    enum osd_list_what what;
    bool list_collection; /* command was LIST COLLECTION (decides OSD-1 byte 23 bit 0) */
};

/** Write the 24-byte header. */
void osd_list_head_encode(const struct osd_list_head *h, enum osd_gen gen, uint8_t dst[24]);

/** Read a header. The client should trust its request more than `what` (reference 10 row 12).
 *  OSD_E_INVALID when shorter than 24 bytes or additional length below 16. */
osd_status osd_list_head_decode(struct osd_bytes data, enum osd_gen gen,
                                struct osd_list_head *ret);

/** Entry with attributes (OSD-2): head of 16 bytes, then type 9h entries in entry.attrs. */
struct osd_list_entry {
    uint64_t id;
    uint8_t object_type;
    struct osd_bytes attrs; /* entries without list header; walk with osd_list_entry_attrs() */
};

/** Append an entry head with zero attribute length; close patches it. Returns its start. */
size_t osd_list_entry_open(struct osd_writer *w, uint64_t id, uint8_t object_type);
void osd_list_entry_close(struct osd_writer *w, size_t start);

/** Next entry at *at (starts at 24) of list data with or without attributes.
 *  OSD_E_NOT_FOUND at the end (a cut entry is the end). */
osd_status osd_list_entry_next(struct osd_bytes data, const struct osd_list_head *h, size_t *at,
                               struct osd_list_entry *ret);

/** Cursor over one entry's attributes. */
void osd_list_entry_attrs(const struct osd_list_entry *e, struct osd_attr_cursor *ret);

enum osd_map_type {
    OSD_MAP_ALL = 0x0000,
    OSD_MAP_WRITTEN = 0x0001,
    OSD_MAP_HOLE = 0x0002,
    OSD_MAP_DAMAGED = 0x0003,
    OSD_MAP_DAMAGED_ATTRS = 0x8000
};

struct osd_map_entry {
    uint16_t type;
    uint32_t len;
    uint64_t offset;
};

void osd_map_entry_put(struct osd_writer *w, const struct osd_map_entry *e);
/** Next descriptor at *at (starts at 8). OSD_E_NOT_FOUND at the end. */
osd_status osd_map_entry_next(struct osd_bytes data, size_t *at, struct osd_map_entry *ret);

/** The head of READ MAPS AND COMPARE data (docs/map-compare.md), before entries as of READ MAP,
 *  the first at byte OSD_COMPARE_HEADER_LEN. */
#define OSD_COMPARE_HEADER_LEN 16
#define OSD_COMPARE_COMPLETE   UINT64_MAX
struct osd_compare_head {
    uint64_t additional_len; /* bytes after this field */
    uint64_t next;           /* byte to go on from, or OSD_COMPARE_COMPLETE */
};

void osd_compare_head_encode(const struct osd_compare_head *h,
                             uint8_t dst[OSD_COMPARE_HEADER_LEN]);
/** OSD_E_INVALID when shorter than a head, or when it claims less. */
osd_status osd_compare_head_decode(struct osd_bytes data, struct osd_compare_head *ret);

#endif
