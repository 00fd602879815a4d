/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/objects.c - CREATE, CREATE PARTITION, REMOVE, REMOVE PARTITION, FORMAT
 * OSD
 *
 * Invariant: the ids of one CREATE are consecutive, so a record of (first, count) is enough to
 * answer a repetition.
 */
#include "aside.h"
#include "attributes.h"
#include "collections.h"
#include "commands.h"
#include "keys.h"
#include "recovery.h"

#define USER_POLICY_TAG 0x40000002u /* of the partition: given to new objects */
#define POLICY_TAG      0x40000001u

osd_status run_none(struct command *c)
{
    (void)c;
    return OSD_OK;
}

/* ---- CREATE ---- */

struct store_meta fresh_object(const struct command *c, enum store_kind kind)
{
    return (struct store_meta){.kind = (uint8_t)kind,
                               .created = c->now,
                               .attr_accessed = c->now,
                               .attr_modified = c->now,
                               .data_accessed = c->now,
                               .data_modified = c->now,
                               .max_length = c->partition.max_length,
                               .capacity_quota = STORE_NO_LIMIT,
                               .object_quota = STORE_NO_LIMIT,
                               .partition_quota = STORE_NO_LIMIT,
                               .collections_quota = UINT32_MAX};
}

/* The partition's policy access tag for new user objects, zero if it has none. */
static osd_status new_tag(struct command *c, uint32_t *ret)
{
    uint8_t raw[4];
    uint32_t len;
    osd_status st = ops_of(c)->get_attr(c->txn, (struct store_id){c->target.pid, 0},
                                        OSD_PAGE_P + OSD_PG_SECURITY, USER_POLICY_TAG, raw,
                                        sizeof(raw), &len);

    *ret = st == OSD_OK && len == sizeof(raw) ? be32_get(raw) : 0;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Create one object; oid 0 lets the store choose. */
static osd_status create_one(struct command *c, uint64_t oid, uint32_t tag, uint64_t *ret)
{
    struct store_meta m = fresh_object(c, STORE_USER);
    struct store_id id = {c->target.pid, oid};
    uint8_t raw[4];
    osd_status st = ops_of(c)->create(c->txn, id, &m, &id);

    if (st == OSD_E_EXISTS)
        return fail_cdb(c, 24);
    if (st == OSD_OK && tag) {
        be32_put(raw, tag);
        st = ops_of(c)->set_attr(c->txn, id, OSD_PAGE_U + OSD_PG_SECURITY, POLICY_TAG, raw,
                                 sizeof(raw));
    }
    if (st == OSD_OK)
        *ret = id.oid;
    return st;
}

/* Whether no object of a kind has an id in [first, first + n). */
static osd_status is_free(struct command *c, enum store_kind kind, uint64_t first, uint32_t n,
                          bool *ret)
{
    uint64_t id = 0, next, changes;
    size_t got;
    osd_status st =
        ops_of(c)->list(c->txn, c->target.pid, kind, first, &id, 1, &got, &next, &changes);

    *ret = *ret && st == OSD_OK && (got == 0 || id - first >= n);
    return st;
}

static osd_status run_is_free(struct command *c, uint64_t first, uint32_t n, bool *ret)
{
    osd_status st;

    *ret = true;
    st = is_free(c, STORE_USER, first, n, ret);
    return st ? st : is_free(c, STORE_COLLECTION, first, n, ret);
}

/* A run of n ids in the sparse upper half of the name space. The partition is locked. */
static osd_status find_run(struct command *c, uint32_t n, uint64_t *ret)
{
    bool found = false;
    osd_status st;

    do {
        uint64_t at;
        osd_random(&at, sizeof(at));
        *ret = (at >> 2 | 1ULL << 61) & ~0xffffULL;
        st = run_is_free(c, *ret, n, &found);
    } while (st == OSD_OK && !found);
    return st;
}

/* The first of n objects: where the store puts it if the ids after it are free too. */
static osd_status create_first(struct command *c, uint32_t n, uint32_t tag, uint64_t *ret)
{
    bool free_run = true;
    osd_status st = create_one(c, c->cdb.oid, tag, ret);

    if (st || n == 1)
        return st;
    st = run_is_free(c, *ret + 1, n - 1, &free_run);
    if (st || free_run)
        return st;
    st = ops_of(c)->remove(c->txn, (struct store_id){c->target.pid, *ret}, false);
    if (st == OSD_OK)
        st = find_run(c, n, ret);
    return st ? st : create_one(c, *ret, tag, ret);
}

osd_status run_create(struct command *c)
{
    uint32_t n = c->cdb.count ? c->cdb.count : 1, tag;
    uint64_t first, id;
    osd_status st;

    if (c->cdb.oid != 0 && (n > 1 || c->cdb.oid < OSD_ID_FIRST))
        return fail_cdb(c, 24);
    if (n > 1 && c->cdb.attr.format == OSD_ATTR_PAGE && c->cdb.attr.get_page != 0 &&
        c->cdb.attr.get_page != OSD_PAGE_CURRENT)
        return fail_cdb(c, 52);
    st = new_tag(c, &tag);
    if (st == OSD_OK)
        st = create_first(c, n, tag, &first);
    for (uint32_t i = 1; i < n && st == OSD_OK; i++)
        st = create_one(c, first + i, tag, &id);
    if (st)
        return st;
    c->object = (struct attr_object){
        .id = {c->target.pid, first}, .type = OSD_TYPE_USER, .exists = true};
    c->n_objects = n;
    return OSD_OK;
}

osd_status run_create_and_write(struct command *c)
{
    osd_status st = run_create(c);

    return st ? st : write_data(c, c->object.id);
}

/* The security method the root has for new partitions. */
static osd_status inherit_method(struct command *c, struct store_id id)
{
    struct attr_object root = {.type = OSD_TYPE_ROOT, .exists = true};
    struct attr_value v;
    uint8_t method;
    osd_status st;

    if (!atomic_load(&c->dev->secured))
        return OSD_OK;
    st = attr_get(c, &root, (struct osd_attr_id){OSD_PAGE_R + OSD_PG_SECURITY, 0x6}, &v);
    if (st || v.len != 1 || v.data[0] == OSD_SEC_NOSEC)
        return st;
    method = v.data[0];
    return ops_of(c)->set_attr(c->txn, id, OSD_PAGE_P + OSD_PG_SECURITY, 0x1, &method, 1);
}

osd_status run_create_partition(struct command *c)
{
    struct store_meta root, m;
    struct store_id id = {c->cdb.pid, 0};
    osd_status st;

    if (id.pid != 0 && id.pid < OSD_ID_FIRST)
        return fail_cdb(c, 16);
    st = ops_of(c)->get_meta(c->txn, (struct store_id){0, 0}, &root);
    if (st)
        return st;
    m = root; /* quotas are inherited */
    m.kind = STORE_PARTITION;
    m.time_bypass = 0;
    m.partition_quota = STORE_NO_LIMIT;
    m.created = m.attr_accessed = m.attr_modified = c->now;
    m.data_accessed = m.data_modified = c->now;
    st = ops_of(c)->create(c->txn, id, &m, &id);
    if (st == OSD_E_EXISTS)
        return fail_cdb(c, 16);
    c->object = (struct attr_object){.id = id, .type = OSD_TYPE_PARTITION, .exists = true};
    return st ? st : inherit_method(c, id);
}

/* ---- removal ---- */

#define SCOPE_EMPTY    0
#define SCOPE_CONTENTS 1

osd_status run_remove(struct command *c)
{
    bool partition = c->target_type == OSD_TYPE_PARTITION;
    osd_status st;

    if (partition && c->cdb.option > SCOPE_CONTENTS)
        return fail_cdb(c, 11);
    if (!partition && (st = collections_of_changed(c, c->target)))
        return st;
    st = ops_of(c)->remove(c->txn, c->target, partition && c->cdb.option == SCOPE_CONTENTS);
    if (st == OSD_E_NOT_EMPTY)
        return fail_kind(c, FAULT_NOT_EMPTY);
    c->object.exists = false;
    return st;
}

static osd_status check_structure(struct command *c)
{
    osd_status st = structure_check(c->dev, c->target.pid, c->now, c->task);

    return st == OSD_E_INTERRUPTED ? fail_kind(c, FAULT_ABORTED) : st;
}

osd_status run_structure_check(struct command *c)
{
    c->after = check_structure;
    return OSD_OK;
}

osd_status run_format(struct command *c)
{
    struct store_id id = {0, 0};
    struct store_meta root = store_root_defaults(c->now);
    uint64_t capacity = c->cdb.length ? c->cdb.length : c->dev->max_capacity;
    struct osd_buf keys;
    osd_status st;

    if (capacity > c->dev->max_capacity)
        return fail_cdb(c, by_gen(c, 36, 32));
    c->formats = true; /* whoever comes from now on need not wait */
    atomic_fetch_add(&c->dev->formatting, 1);
    keys = aside_make();
    (void)((st = aside_collect(c, id, KEYS_PAGE, &keys)) ||
           (st = ops_of(c)->format(c->txn, capacity, &root)) ||
           (st = aside_give(c, id, &keys)));
    aside_free(&keys);
    return st;
}
