/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/duplicates.c - snapshots and clones of partitions (docs/snapshots.md)
 *
 * The store makes a partition that holds what another one holds in one step; what is here is who
 * may be made from whom. Invariants:
 *  (1) A partition knows its source by store_meta.source; DETACH CLONE forgets it.
 *  (2) Keys and the policy/security page are no content: a new partition has no keys, one that is
 *      made again keeps its own, so that what was revoked stays revoked.
 *  (3) A source is the one with the identity that store_meta.source_identity names: a partition
 *      made anew under its number has another one. Refreshed or restored, it keeps its own.
 */
#include "aside.h"
#include "commands.h"
#include "keys.h"
#include "wire/attrs.h"

#define FIELD_METHOD 14
#define FIELD_TIME   15
#define FIELD_PID    16
#define FIELD_ZERO   24
#define FIELD_SOURCE 40
#define FREEZE       0x80

/* Methods that storage shared until it changes satisfies (reference 4.10). */
static bool is_method(uint8_t method)
{
    return method <= 0x01 || method >= 0xfd;
}

/* What all five have in common. Every time of duplication is the moment of the command. */
static osd_status check_fields(struct command *c)
{
    if (!is_method(c->cdb.duplication))
        return fail_cdb(c, FIELD_METHOD);
    if (c->cdb.time_of_dup & ~FREEZE)
        return fail_cdb(c, FIELD_TIME);
    return c->cdb.oid ? fail_cdb(c, FIELD_ZERO) : OSD_OK;
}

/* ---- keys and policy, which are no content ---- */

static osd_status collect_own(struct command *c, struct store_id id, struct osd_buf *a)
{
    osd_status st = aside_collect(c, id, OSD_PAGE_P + OSD_PG_SECURITY, a);

    return st ? st : aside_collect(c, id, KEYS_PAGE, a);
}

/* ---- making one ---- */

/* A new partition has the policy of its source, but none of its keys. */
static osd_status drop_keys(struct command *c, struct store_id id)
{
    struct osd_buf keys = aside_make();
    osd_status st = aside_collect(c, id, KEYS_PAGE, &keys);

    if (st == OSD_OK)
        st = aside_take(c, id, &keys);
    aside_free(&keys);
    return st;
}

static struct store_meta fresh_meta(const struct command *c, enum store_duplicate kind)
{
    struct store_meta m = c->meta;

    m.duplicate = (uint8_t)kind;
    m.source = c->target.pid;
    m.source_identity = c->meta.identity;
    m.identity = 0;
    m.created = m.attr_accessed = m.attr_modified = c->now;
    m.data_accessed = m.data_modified = c->now;
    return m;
}

osd_status run_create_duplicate(struct command *c)
{
    bool snapshot = c->cdb.op == OSD_OP_CREATE_SNAPSHOT;
    struct store_meta m = fresh_meta(c, snapshot ? STORE_SNAPSHOT : STORE_CLONE);
    struct store_id id = {c->cdb.pid, 0};
    osd_status st = check_fields(c);

    if (st)
        return st;
    if (id.pid != 0 && id.pid < OSD_ID_FIRST)
        return fail_cdb(c, FIELD_PID);
    st = ops_of(c)->duplicate(c->txn, c->target.pid, id, &m, &id);
    if (st == OSD_E_EXISTS)
        return fail_cdb(c, FIELD_PID);
    if (st == OSD_OK)
        st = drop_keys(c, id);
    c->object = (struct attr_object){.id = id, .type = OSD_TYPE_PARTITION, .exists = true};
    return st;
}

/* ---- making one again ---- */

/* Partition `from` as what the target is made from; CDB(40) unless it may be. */
static osd_status find_from(struct command *c, uint64_t from, struct store_meta *ret)
{
    osd_status st = OSD_E_NOT_FOUND;

    if (from != 0 && from != c->target.pid)
        st = ops_of(c)->get_meta(c->txn, (struct store_id){from, 0}, ret);
    return st == OSD_E_NOT_FOUND ? fail_cdb(c, FIELD_SOURCE) : st;
}

/* Whether a partition is the one that had this identity; 0: made before identities were kept. */
static bool is_same(const struct store_meta *m, uint64_t identity)
{
    return identity == 0 || m->identity == identity;
}

/* The target becomes what `from` is; metadata, keys and policy stay its own. */
static osd_status make_again(struct command *c, uint64_t from, const struct store_meta *meta)
{
    struct store_id id = c->target;
    struct osd_buf own = aside_make(), others = aside_make();
    osd_status st = collect_own(c, id, &own);

    if (st == OSD_OK)
        st = ops_of(c)->remove(c->txn, id, true);
    if (st == OSD_OK)
        st = ops_of(c)->duplicate(c->txn, from, id, meta, &id);
    if (st == OSD_OK)
        st = collect_own(c, id, &others);
    if (st == OSD_OK)
        st = aside_take(c, id, &others);
    if (st == OSD_OK)
        st = aside_give(c, id, &own);
    aside_free(&own);
    aside_free(&others);
    return st;
}

osd_status run_refresh(struct command *c)
{
    struct store_meta source, m = c->meta;
    osd_status st = check_fields(c);

    if (st)
        return st;
    if (m.duplicate == STORE_ORIGINAL)
        return fail_cdb(c, FIELD_PID);
    if (c->cdb.start != 0 && c->cdb.start != m.source)
        return fail_cdb(c, FIELD_SOURCE);
    st = find_from(c, m.source, &source);
    if (st)
        return st;
    if (!is_same(&source, m.source_identity))
        return fail_cdb(c, FIELD_SOURCE);
    m.data_modified = m.attr_modified = c->now;
    return make_again(c, m.source, &m);
}

osd_status run_restore(struct command *c)
{
    struct store_meta snapshot, m = c->meta;
    osd_status st = check_fields(c);

    if (st == OSD_OK)
        st = find_from(c, c->cdb.start, &snapshot);
    if (st)
        return st;
    if (snapshot.duplicate != STORE_SNAPSHOT || snapshot.source != c->target.pid ||
        !is_same(&m, snapshot.source_identity))
        return fail_cdb(c, FIELD_SOURCE);
    m.data_modified = m.attr_modified = c->now;
    return make_again(c, c->cdb.start, &m);
}

osd_status run_detach(struct command *c)
{
    struct store_meta m = c->meta;
    osd_status st = check_fields(c);

    if (st)
        return st;
    if (m.duplicate != STORE_CLONE)
        return fail_cdb(c, FIELD_PID);
    if (c->cdb.start != 0 && c->cdb.start != m.source)
        return fail_cdb(c, FIELD_SOURCE);
    m.duplicate = STORE_ORIGINAL;
    m.source = m.source_identity = 0;
    m.attr_modified = c->now;
    return ops_of(c)->put_meta(c->txn, c->target, &m);
}
