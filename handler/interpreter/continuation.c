/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/continuation.c - the CDB continuation segment (reference 3.6)
 *
 * Each kind of descriptor is taken by the commands that have a use for it, at most once.
 * Whatever is wrong is reported at byte 48 of the CDB, except that the sum of the lengths of a
 * scatter/gather list must be the length field.
 */
#include "continuation.h"

#define FIELD        48
#define FIELD_LENGTH 32
#define FORMAT       0x01
#define ENTRY        16

#define TYPE_END 0x0000

static bool is_scattered(enum osd_op op)
{
    return op == OSD_OP_READ || op == OSD_OP_WRITE || op == OSD_OP_CREATE_AND_WRITE;
}

static bool is_query(enum osd_op op)
{
    return op == OSD_OP_QUERY;
}

static bool is_copy(enum osd_op op)
{
    return op == OSD_OP_COPY_USER_OBJECTS;
}

static bool is_compare(enum osd_op op)
{
    return op == OSD_OP_READ_MAPS_AND_COMPARE;
}

static bool has_second(enum osd_op op)
{
    return is_copy(op) || is_compare(op);
}

static bool is_object(uint32_t len, uint8_t pad)
{
    return len == 16 && pad == 0;
}

static bool is_source(uint32_t len, uint8_t pad)
{
    (void)pad;
    return len == 18 || len == 20; /* deployed initiators leave the reserved bytes out */
}

static bool is_capabilities(uint32_t len, uint8_t pad)
{
    return len != 0 && len % OSD2_CAPABILITY_LEN == 0 && pad == 0;
}

static bool is_entries(uint32_t len, uint8_t pad)
{
    return len != 0 && len % ENTRY == 0 && pad == 0;
}

static bool is_list(uint32_t len, uint8_t pad)
{
    (void)pad;
    return len != 0;
}

/* Kinds of descriptors: which commands take them, what their length must be, where they go. */
static const struct kind {
    uint16_t type;
    bool (*taken)(enum osd_op op);
    bool (*well_formed)(uint32_t len, uint8_t pad);
    size_t member; /* struct osd_bytes of struct command */
} kinds[] = {
    {0x0001, is_scattered, is_entries, offsetof(struct command, scatter)},
    {0x0002, is_query, is_list, offsetof(struct command, query)},
    {0x0100, is_compare, is_object, offsetof(struct command, second)},
    {0x0101, is_copy, is_source, offsetof(struct command, second)},
    {0xffee, has_second, is_capabilities, offsetof(struct command, extensions)},
};

static const struct kind *find_kind(const struct command *c, uint16_t type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].type == type && kinds[i].taken(c->cdb.op))
            return &kinds[i];
    return NULL;
}

static osd_status check_head(struct command *c)
{
    const uint8_t *p = c->continuation.data;
    size_t len = c->continuation.len;

    if (len < CONTINUATION_HEAD || len > CONTINUATION_MAX || len % 8 != 0)
        return fail_cdb(c, FIELD);
    if (p[0] != FORMAT || be16_get(p + 2) != be16_get(c->req->cdb + 8))
        return fail_cdb(c, FIELD);
    return OSD_OK;
}

/* Take one descriptor; room is what lies behind its head. */
static osd_status take(struct command *c, const uint8_t *descriptor, size_t room)
{
    const struct kind *k = find_kind(c, be16_get(descriptor));
    uint32_t len = be32_get(descriptor + 4);
    uint8_t pad = descriptor[3] & 7;
    struct osd_bytes *member;

    if (!k || !k->well_formed(len, pad) || len > room || pad > room - len ||
        (len + pad) % 8 != 0)
        return fail_cdb(c, FIELD);
    member = (struct osd_bytes *)((char *)c + k->member);
    if (member->len != 0)
        return fail_cdb(c, FIELD);
    *member = (struct osd_bytes){.data = descriptor + 8, .len = len};
    return OSD_OK;
}

static osd_status walk_descriptors(struct command *c)
{
    const uint8_t *p = c->continuation.data;
    size_t at = CONTINUATION_HEAD, end = c->continuation.len;

    while (at < end) { /* all lengths are multiples of 8, so a head always fits */
        osd_status st;

        if (be16_get(p + at) == TYPE_END)
            break;
        st = take(c, p + at, end - at - 8);
        if (st)
            return st;
        at += 8 + be32_get(p + at + 4) + (p[at + 3] & 7);
    }
    if (c->scatter.len)
        c->n_extents = (uint32_t)(c->scatter.len / ENTRY);
    return OSD_OK;
}

/* The entries' lengths add up to the length of the command, and no entry wraps. */
static osd_status check_sum(struct command *c)
{
    uint64_t left = c->cdb.length;

    for (uint32_t i = 0; i < c->n_extents; i++) {
        struct extent e = command_extent(c, i);
        uint64_t offset = c->scatter.len ? e.start - c->cdb.start : 0;

        if (e.len > left)
            return fail_cdb(c, FIELD_LENGTH);
        if (offset > UINT64_MAX - c->cdb.start)
            return fail_cdb(c, FIELD);
        left -= e.len;
    }
    return left ? fail_cdb(c, FIELD_LENGTH) : OSD_OK;
}

osd_status continuation_parse(struct command *c)
{
    osd_status st;

    c->n_extents = 1;
    if (c->cdb.cont_len == 0)
        return OSD_OK;
    if ((st = check_head(c)) || (st = walk_descriptors(c)))
        return st;
    return c->scatter.len ? check_sum(c) : OSD_OK;
}

struct store_id second_object(const struct command *c)
{
    return (struct store_id){be64_get(c->second.data), be64_get(c->second.data + 8)};
}

osd_status second_load(struct command *c, struct store_meta *ret)
{
    uint64_t at = (uint64_t)(c->second.data - c->continuation.data);
    struct store_id id = second_object(c);
    struct store_meta m;
    osd_status st = ops_of(c)->get_meta(c->txn, (struct store_id){id.pid, 0}, &m);

    if (st == OSD_E_NOT_FOUND || (st == OSD_OK && id.pid == 0))
        return fail_param(c, at);
    if (st == OSD_OK)
        st = ops_of(c)->get_meta(c->txn, id, &m);
    if (st == OSD_E_NOT_FOUND || (st == OSD_OK && m.kind != STORE_USER))
        return fail_param(c, at + 8);
    if (st == OSD_OK)
        *ret = m;
    return st;
}

struct extent command_extent(const struct command *c, uint32_t i)
{
    const uint8_t *p;

    if (c->scatter.len == 0)
        return (struct extent){c->cdb.start, c->cdb.length};
    p = c->scatter.data + (size_t)i * ENTRY;
    return (struct extent){c->cdb.start + be64_get(p), be64_get(p + 8)};
}
