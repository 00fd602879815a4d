/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/copy.c - COPY USER OBJECTS (reference 2.4, 3.6, 4.10)
 *
 * The copy is made byte by byte inside the command's transaction, which holds both objects; so
 * every time of duplication is the same moment, and freezing the source is no extra work. Holes
 * stay holes. Memberships, the policy access tag and damage of the source are not copied.
 */
#include "copy.h"

#include <stdlib.h>

#include "attributes.h"
#include "commands.h"
#include "common/buf.h"
#include "continuation.h"

#define PIECE     MIB
#define FLAG_ATTR 0x01

/* Methods of duplication (reference 4.10); others would need storage that is shared. */
static bool is_method(uint8_t method)
{
    return method == 0x00 || method == 0x81 || method >= 0xfd;
}

bool copy_wants_attributes(const struct command *c)
{
    return c->second.data[16] & FLAG_ATTR;
}

/* ---- bytes ---- */

static osd_status copy_run(struct command *c, struct store_id from, uint64_t off, uint64_t len,
                           uint8_t *piece)
{
    const struct store_ops *ops = ops_of(c);
    osd_status st = OSD_OK;

    for (uint64_t done = 0; done < len && st == OSD_OK; done += PIECE) {
        uint64_t part = len - done < PIECE ? len - done : PIECE;
        struct iovec v = {.iov_base = piece, .iov_len = part};
        struct osd_iov iov = osd_iov_make(&v, 1);
        st = go_on(c);
        if (st == OSD_OK)
            st = ops->read(c->txn, from, off + done, part, &iov, 0);
        if (st == OSD_OK)
            st = ops->write(c->txn, c->object.id, off + done, part, &iov, 0);
    }
    return st;
}

static osd_status copy_data(struct command *c, struct store_id from, uint64_t length)
{
    _cleanup_free_ uint8_t *piece = malloc(PIECE);
    osd_status st = piece ? OSD_OK : OSD_E_NOMEM;
    enum store_extent kind;
    uint64_t len;

    for (uint64_t at = 0; at < length && st == OSD_OK; at += len) {
        st = ops_of(c)->seek(c->txn, from, at, &kind, &len);
        if (st == OSD_OK && len == 0)
            st = OSD_E_CORRUPT;
        if (st == OSD_OK && kind != STORE_HOLE)
            st = copy_run(c, from, at, len, piece);
    }
    return st ? st : ops_of(c)->truncate(c->txn, c->object.id, length);
}

/* ---- attributes ---- */

struct found {
    struct osd_attr_id id;
    bool any;
};

static bool first(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    struct found *f = arg;

    (void)value, (void)len;
    *f = (struct found){{page, number}, true};
    return false;
}

static bool stays_behind(uint32_t page)
{
    return page == OSD_PAGE_U + OSD_PG_COLLECTIONS || page == OSD_PAGE_U + OSD_PG_SECURITY ||
           page == OSD_PAGE_U + OSD_PG_RECOVERY;
}

static osd_status copy_attribute(struct command *c, struct store_id from, struct osd_attr_id id,
                                 uint8_t *value)
{
    uint32_t len = 0;
    osd_status st =
        ops_of(c)->get_attr(c->txn, from, id.page, id.number, value, OSD_ATTR_VALUE_MAX, &len);

    if (st == OSD_OK && !stays_behind(id.page))
        st = ops_of(c)->set_attr(c->txn, c->object.id, id.page, id.number, value, len);
    return st;
}

static osd_status copy_attributes(struct command *c, struct store_id from)
{
    _cleanup_free_ uint8_t *value = malloc(OSD_ATTR_VALUE_MAX);
    struct osd_attr_id next = {0, 0};
    osd_status st = value ? OSD_OK : OSD_E_NOMEM;

    while (st == OSD_OK) {
        struct found f = {.any = false};
        st = ops_of(c)->each_attr(c->txn, from, next.page, next.number, first, &f);
        if (st || !f.any)
            break;
        st = copy_attribute(c, from, f.id, value);
        next = (struct osd_attr_id){f.id.page, f.id.number + 1};
        next.page += next.number == 0;
    }
    return st;
}

/* ---- the command ---- */

osd_status run_copy(struct command *c)
{
    struct store_id from;
    struct store_meta source = {0};
    osd_status st;

    if (c->second.len == 0)
        return fail_cdb(c, 48);
    if (!is_method(c->cdb.duplication))
        return fail_cdb(c, 14);
    from = second_object(c);
    if ((st = second_load(c, &source)) || (st = run_create(c)) ||
        (st = copy_data(c, from, source.length)))
        return st;
    return copy_wants_attributes(c) ? copy_attributes(c, from) : OSD_OK;
}
