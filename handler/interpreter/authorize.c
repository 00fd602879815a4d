/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/authorize.c - capability checks (reference 5.3, 5.4)
 *
 * Each check names the CDB byte that failed; clients depend on it (reference 2.3). A capability
 * of format 0 is no capability: with NOSEC as the default method nothing is checked then.
 * Checks that compare with an attribute of an object that does not exist are left out; the
 * command itself then reports the missing object.
 */
#include "authorize.h"

#include "attributes.h"
#include "continuation.h"
#include "copy.h"
#include "query.h"
#include "secure.h"
#include "security/grants.h"

#define AT(offset) (OSD_CAPABILITY_AT + (offset))
#define POLICY_TAG 0x40000001u

static bool nothing_to_check(const struct command *c)
{
    return c->cdb.cap.format == 0;
}

/* Whether the tail of the capability is laid out as in OSD-1. */
static bool layout1(const struct command *c)
{
    return osd_capability_is_layout1(&c->cdb);
}

osd_status authorize_validate(struct command *c)
{
    uint8_t newest = c->cdb.gen == OSD_GEN1 ? 1 : 2;
    osd_status st;

    if (c->cdb.cap.format > newest)
        return fail_cdb(c, AT(0));
    st = secure_validate(c);
    if (st == OSD_OK && c->replay.foreign)
        return fail_kind(c, FAULT_NONCE);
    return st;
}

/* Without security no expiration (zero) never comes; a credential always has one. */
static bool expired(const struct command *c, const struct osd_capability *cap)
{
    return c->now > cap->expiration && (cap->expiration != 0 || cap->method != OSD_SEC_NOSEC);
}

/* ---- the object ---- */

static uint8_t wanted_type(const struct command *c)
{
    uint8_t type = osd_grant_of(c->cdb.op)->type;

    return type ? type : c->target_type;
}

/* Root attributes and those of partition zero share (0,0): GET and SET ATTRIBUTES take both
 * (reference 9.1); the attribute checks look closer. */
static bool type_fits(const struct command *c, uint8_t type)
{
    bool either = c->act->target == TARGET_ANY && wanted_type(c) == OSD_TYPE_ROOT;
    bool unknown = c->act->target == TARGET_ANY && !c->exists && c->target.oid != 0;

    return type == wanted_type(c) || (either && type == OSD_TYPE_PARTITION) ||
           (unknown && type == OSD_TYPE_COLLECTION);
}

static bool descriptor_fits(const struct command *c)
{
    uint8_t want = osd_grant_of(c->cdb.op)->descriptor;

    if (!want)
        want = osd_grant_descriptor(c->cdb.cap.object_type, layout1(c));
    return c->cdb.cap.descriptor == want;
}

static osd_status check_created(struct command *c)
{
    uint64_t want = c->cdb.cap.created;

    if (want == 0 || action_creates(c->act) || !c->exists || c->target_type == OSD_TYPE_ROOT)
        return OSD_OK;
    return want == c->meta.created ? OSD_OK : fail_cdb(c, AT(42));
}

/* ---- permissions ---- */

static bool permits(const struct command *c, uint16_t want)
{
    return (c->cdb.cap.permissions & want) == want;
}

static bool permits_command(const struct command *c)
{
    uint16_t other = osd_grant_of(c->cdb.op)->alternative;

    return permits(c, osd_grant_permissions(&c->cdb)) || (other && permits(c, other));
}

/* ---- what the descriptor allows ---- */

/* Whether an object has this policy access tag. */
static osd_status has_tag(struct command *c, struct store_id id, uint8_t type, uint32_t want,
                          bool *ret)
{
    uint32_t base = type == OSD_TYPE_USER         ? OSD_PAGE_U
                    : type == OSD_TYPE_COLLECTION ? OSD_PAGE_C
                                                  : OSD_PAGE_P;
    struct attr_object o = {.id = id, .type = type, .exists = true};
    struct attr_value v;
    osd_status st =
        attr_get(c, &o, (struct osd_attr_id){base + OSD_PG_SECURITY, POLICY_TAG}, &v);

    *ret = st == OSD_OK && v.len == 4 && be32_get(v.data) == want;
    return st;
}

static osd_status check_policy_tag(struct command *c)
{
    uint32_t want = c->cdb.cap.policy_tag;
    bool same;
    osd_status st;

    if (want == 0 || action_creates(c->act) || !c->exists)
        return OSD_OK;
    st = has_tag(c, c->target, c->target_type, want, &same);
    return st ? st : same ? OSD_OK : fail_cdb(c, layout1(c) ? AT(56) : AT(60));
}

static osd_status check_ids(struct command *c)
{
    const struct osd_capability *cap = &c->cdb.cap;
    bool any_pid = c->act->target == TARGET_NEW_PARTITION && cap->allowed_pid == 0;
    bool any_oid = action_creates(c->act) && cap->allowed_oid == 0;

    if (c->act->target == TARGET_SOURCE)
        return cap->allowed_pid == c->target.pid ? OSD_OK : fail_cdb(c, 40);
    if (cap->allowed_pid != c->cdb.pid && !any_pid)
        return fail_cdb(c, 16);
    if (cap->descriptor != OSD_DESC_PAR && cap->allowed_oid != c->cdb.oid && !any_oid)
        return fail_cdb(c, 24);
    return OSD_OK;
}

static bool has_range(enum osd_op op)
{
    return op == OSD_OP_READ || op == OSD_OP_WRITE || op == OSD_OP_CREATE_AND_WRITE ||
           op == OSD_OP_CLEAR || op == OSD_OP_PUNCH || op == OSD_OP_APPEND;
}

static bool is_ranged(const struct command *c)
{
    const struct osd_capability *cap = &c->cdb.cap;

    return !layout1(c) && (cap->range_len != 0 || cap->range_start != 0);
}

/* One extent against the byte range of an OSD-2 capability. */
static osd_status check_extent(struct command *c, struct extent e)
{
    uint64_t first = c->cdb.cap.range_start, len = c->cdb.cap.range_len;

    if (e.start < first || (len != UINT64_MAX && e.start - first > len))
        return fail_cdb(c, 40);
    if (len != UINT64_MAX && e.len > len - (e.start - first))
        return fail_cdb(c, 32);
    return OSD_OK;
}

/* Where APPEND writes; a repeated one, where it has written. */
static uint64_t append_start(const struct command *c)
{
    bool again = c->replay.found && !c->replay.foreign;

    return again ? c->replay.outcome.append_start : c->meta.length;
}

/* READ MAPS AND COMPARE looks at what lies from its first byte on. */
static struct extent compared(const struct command *c)
{
    uint64_t start = c->cdb.start, length = c->meta.length;

    return (struct extent){start, length > start ? length - start : 0};
}

static osd_status check_range(struct command *c)
{
    osd_status st = OSD_OK;

    if (!is_ranged(c))
        return OSD_OK;
    if (c->cdb.op == OSD_OP_READ_MAPS_AND_COMPARE)
        return c->exists ? check_extent(c, compared(c)) : OSD_OK;
    if (!has_range(c->cdb.op))
        return OSD_OK;
    if (c->cdb.op == OSD_OP_APPEND)
        return c->exists ? check_extent(c, (struct extent){append_start(c), c->cdb.length})
                         : OSD_OK;
    for (uint32_t i = 0; i < c->n_extents && st == OSD_OK; i++)
        st = check_extent(c, command_extent(c, i));
    return st;
}

/* ---- further objects of the command ---- */

/* Whether a further capability is for all of an object's bytes, and attributes if they are used. */
static bool is_for_all(const struct osd_capability *cap, const struct store_meta *m,
                       uint16_t perms)
{
    bool bytes = cap->range_start == 0 && (cap->range_len == 0 || cap->range_len >= m->length);

    return bytes && (cap->allowed_attrs == 0 || !(perms & OSD_PERM_GET_ATTR));
}

/* Whether a further capability lets a user object be used. */
static bool extends(const struct command *c, const struct osd_capability *cap,
                    struct store_id id, const struct store_meta *m, uint16_t perms)
{
    bool proven = c->verified || cap->method == OSD_SEC_NOSEC;

    return proven && is_for_all(cap, m, perms) && cap->format == 2 &&
           cap->object_type == OSD_TYPE_USER && cap->descriptor == OSD_DESC_USER &&
           cap->allowed_pid == id.pid && cap->allowed_oid == id.oid &&
           (cap->permissions & perms) == perms && !expired(c, cap) &&
           (cap->created == 0 || cap->created == m->created) &&
           (cap->boot_epoch == 0 || cap->boot_epoch == c->dev->boot_epoch);
}

/* What the command does with its second object: it copies it, or compares its map. */
static uint16_t second_permissions(const struct command *c)
{
    bool attrs = c->cdb.op == OSD_OP_COPY_USER_OBJECTS && copy_wants_attributes(c);

    return OSD_PERM_READ | (attrs ? OSD_PERM_GET_ATTR : 0);
}

/* The second object needs a capability of its own. A missing one is reported by the command. */
static osd_status check_second(struct command *c)
{
    uint16_t perms;
    struct store_meta m;
    struct store_id id;
    osd_status st;

    if (c->second.len == 0)
        return OSD_OK;
    id = second_object(c);
    perms = second_permissions(c);
    st = ops_of(c)->get_meta(c->txn, id, &m);
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    if (c->cdb.op == OSD_OP_COPY_USER_OBJECTS && is_ranged(c) &&
        (st = check_extent(c, (struct extent){0, m.length})))
        return st;
    for (size_t at = 0; at < c->extensions.len; at += OSD2_CAPABILITY_LEN) {
        struct osd_capability cap;
        bool same = true;
        osd_capability_decode(c->extensions.data + at, OSD_GEN2, &cap);
        if (!extends(c, &cap, id, &m, perms))
            continue;
        if (cap.policy_tag)
            st = has_tag(c, id, OSD_TYPE_USER, cap.policy_tag, &same);
        if (st || same)
            return st;
    }
    return fail_cdb(c, 48);
}

osd_status authorize_command(struct command *c)
{
    const struct osd_capability *cap = &c->cdb.cap;
    osd_status st;

    if (nothing_to_check(c))
        return OSD_OK;
    if (expired(c, cap))
        return fail_cdb(c, AT(4));
    if ((st = check_created(c)))
        return st;
    if (!type_fits(c, cap->object_type))
        return fail_cdb(c, AT(48));
    if (!permits_command(c))
        return fail_cdb(c, AT(49));
    if (!descriptor_fits(c))
        return fail_cdb(c, AT(55));
    if ((st = check_policy_tag(c)))
        return st;
    if (!layout1(c) && cap->boot_epoch != 0 && cap->boot_epoch != c->dev->boot_epoch)
        return fail_cdb(c, AT(64));
    if ((st = check_ids(c)))
        return st;
    st = check_range(c);
    return st ? st : check_second(c);
}

/* ---- attributes ---- */

/* What a capability must hold for attributes of one kind of access. */
struct access {
    struct command *c;
    uint16_t perm;            /* GET_ATTR or SET_ATTR */
    struct osd_bytes allowed; /* entries of the attributes access list */
    bool limited;
};

static bool listed(const struct access *a, struct osd_attr_id id)
{
    for (size_t at = 0; at + 8 <= a->allowed.len; at += 8) {
        uint32_t page = be32_get(a->allowed.data + at);
        uint32_t number = be32_get(a->allowed.data + at + 4);
        if (page == id.page && (number == id.number || number == OSD_ATTR_ALL))
            return true;
    }
    return false;
}

static osd_status check_attr(void *arg, struct osd_attr_id id)
{
    const struct access *a = arg;
    struct command *c = a->c;
    uint8_t owner = osd_page_owner(id.page);
    bool set = a->perm == OSD_PERM_SET_ATTR;
    uint16_t want = a->perm | (osd_grant_for_attribute(id.page, set) & OSD_PERM_POL_SEC);

    if (id.page == OSD_PAGE_CURRENT)
        return OSD_OK;
    if (!permits(c, want))
        return fail_cdb(c, AT(49));
    if (c->act->target == TARGET_ANY && c->target_type == OSD_TYPE_ROOT &&
        (owner == OSD_TYPE_ROOT || owner == OSD_TYPE_PARTITION) &&
        c->cdb.cap.object_type != owner)
        return fail_cdb(c, AT(48));
    if (a->limited && !listed(a, id))
        return fail_cdb(c, AT(56));
    return OSD_OK;
}

/* The list of attributes that ALLOWED ATTRIBUTES ACCESS names: an attribute of the partition
 * (reference 4.7). */
static osd_status load_allowed(struct access *a)
{
    struct command *c = a->c;
    struct attr_object o = {.id = {.pid = c->target.pid}, .exists = true};
    struct attr_value v;
    osd_status st;

    if (layout1(c) || c->cdb.cap.allowed_attrs == 0)
        return OSD_OK;
    o.type = o.id.pid ? OSD_TYPE_PARTITION : OSD_TYPE_ROOT;
    a->limited = true;
    st = attr_get(
        c, &o, (struct osd_attr_id){OSD_PAGE_P + OSD_PG_COLLECTIONS, c->cdb.cap.allowed_attrs},
        &v);
    if (st == OSD_OK)
        a->allowed = (struct osd_bytes){.data = v.data, .len = v.len};
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

osd_status authorize_sets(struct command *c)
{
    struct access a = {.c = c, .perm = OSD_PERM_SET_ATTR};
    osd_status st = OSD_OK;

    if (!nothing_to_check(c))
        st = load_allowed(&a);
    return st ? st : attributes_each_set(c, nothing_to_check(c) ? NULL : check_attr, &a);
}

osd_status authorize_gets(struct command *c)
{
    struct access a = {.c = c, /* M_OBJECT is the right to see what is listed */
                       .perm = c->cdb.list_attr ? OSD_PERM_M_OBJECT : OSD_PERM_GET_ATTR};
    osd_status st = OSD_OK;

    if (!nothing_to_check(c))
        st = load_allowed(&a);
    if (st == OSD_OK)
        st = attributes_each_get(c, nothing_to_check(c) ? NULL : check_attr, &a);
    a.perm = OSD_PERM_QUERY; /* a criterion tells of the attribute without getting it */
    return st ? st : query_each(c, nothing_to_check(c) ? NULL : check_attr, &a);
}
