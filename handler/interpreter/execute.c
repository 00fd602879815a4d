/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/execute.c - the phases of an OSD command (reference 2.2)
 *
 * Checks first, then work and attributes in the order of the command, all in one transaction
 * that commits only when every phase succeeded. command.function always says which phase is
 * under way, so respond.c can tell how far the command got.
 */
#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "authorize.h"
#include "collections.h"
#include "continuation.h"
#include "query.h"
#include "recovery.h"
#include "secure.h"
#include "segments.h"

struct phase {
    uint32_t function; /* OSD_FN_* */
    osd_status (*run)(struct command *c);
};

/* ---- addressing ---- */

static const struct store_id root_id = {0, 0};

static void address(struct command *c)
{
    c->target = (struct store_id){c->cdb.pid, c->cdb.oid};
    switch (c->act->target) {
    case TARGET_ROOT:
        c->target = root_id;
        c->target_type = OSD_TYPE_ROOT;
        break;
    case TARGET_KEY:
        c->target.oid = 0;
        c->target_type = c->cdb.option == 1 ? OSD_TYPE_ROOT : OSD_TYPE_PARTITION;
        break;
    case TARGET_PARTITION:
    case TARGET_NEW_PARTITION:
        c->target.oid = 0;
        c->target_type = OSD_TYPE_PARTITION;
        break;
    case TARGET_SOURCE:
        c->target = (struct store_id){c->cdb.start, 0};
        c->target_type = OSD_TYPE_PARTITION;
        break;
    case TARGET_CONTAINER:
        c->target.oid = 0;
        c->target_type = c->target.pid ? OSD_TYPE_PARTITION : OSD_TYPE_ROOT;
        break;
    case TARGET_COLLECTIONS:
        c->target_type = c->target.oid ? OSD_TYPE_COLLECTION : OSD_TYPE_PARTITION;
        break;
    case TARGET_COLLECTION:
    case TARGET_NEW_COLLECTION:
        c->target_type = OSD_TYPE_COLLECTION;
        break;
    case TARGET_USER:
    case TARGET_NEW_USER:
        c->target_type = OSD_TYPE_USER;
        break;
    case TARGET_ANY:
        c->target_type = c->target.oid   ? OSD_TYPE_USER
                         : c->target.pid ? OSD_TYPE_PARTITION
                                         : OSD_TYPE_ROOT;
        break;
    }
    c->object = (struct attr_object){.id = c->target, .type = c->target_type};
    c->n_objects = 1;
}

/* An object of a partition, which the command will make. */
static bool creates_inside(const struct command *c)
{
    return action_creates(c->act) && c->act->target != TARGET_NEW_PARTITION;
}

/* Whether the command works on what lies around in the partition. */
static bool needs_whole(const struct command *c)
{
    return c->act->flags & ACT_WHOLE && (c->mutating || c->sets);
}

/* What the transaction locks: the object, or what contains the objects to be created. */
static struct store_id lock_id(const struct command *c)
{
    if (c->act->target == TARGET_NEW_PARTITION || c->target.pid == 0 ||
        c->act->flags & ACT_DEVICE)
        return root_id;
    if (c->second.len && second_object(c).pid != c->target.pid)
        return root_id; /* two partitions */
    if (c->looking || c->tracked)
        return c->target;
    if (creates_inside(c) || needs_whole(c) || c->second.len)
        return (struct store_id){c->target.pid, 0};
    return c->target;
}

/* It ends what others wait for: no lock may stand in its way. */
static bool goes_ahead(const struct command *c)
{
    return c->act->flags & ACT_AHEAD && !c->sets;
}

/* Objects being created are the transaction's own; only a run of ids needs the partition. */
static enum store_mode lock_mode(const struct command *c)
{
    if (goes_ahead(c))
        return STORE_UNLOCKED;
    if (c->check_only || c->looking)
        return STORE_SHARED;
    if (c->act->flags & ACT_PAIR)
        return STORE_EXCLUSIVE;
    if (c->act->target == TARGET_NEW_PARTITION || c->replay.found)
        return STORE_SHARED;
    if (c->target.pid == 0 && c->target_type != OSD_TYPE_ROOT && c->act->target != TARGET_KEY)
        return STORE_SHARED;
    if (creates_inside(c))
        return c->cdb.count > 1 || needs_whole(c) ? STORE_EXCLUSIVE : STORE_SHARED;
    return c->mutating || c->sets ? STORE_EXCLUSIVE : STORE_SHARED;
}

static uint8_t type_of(uint8_t kind)
{
    static const uint8_t types[] = {[STORE_ROOT] = OSD_TYPE_ROOT,
                                    [STORE_PARTITION] = OSD_TYPE_PARTITION,
                                    [STORE_COLLECTION] = OSD_TYPE_COLLECTION,
                                    [STORE_USER] = OSD_TYPE_USER};
    return types[kind];
}

/* Metadata of the target's partition and of the target itself, as far as they exist. */
static osd_status load_target(struct command *c)
{
    const struct store_ops *ops = ops_of(c);
    struct store_id part = {c->target.pid, 0};
    osd_status st;

    st = ops->get_meta(c->txn, part, &c->partition); /* the root for pid 0 */
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    c->has_partition = true;
    if (c->target.oid == 0 || creates_inside(c)) {
        c->meta = c->partition;
        c->exists = c->target_type == type_of(c->meta.kind) || c->act->target == TARGET_KEY;
        return OSD_OK;
    }
    if (c->target.pid == 0)
        return OSD_OK;
    st = ops->get_meta(c->txn, c->target, &c->meta);
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    if (c->act->target == TARGET_ANY)
        c->target_type = c->object.type = type_of(c->meta.kind);
    c->exists = c->target_type == type_of(c->meta.kind);
    return OSD_OK;
}

static osd_status begin(struct command *c)
{
    osd_status st = ops_of(c)->begin(c->dev->store, lock_id(c), lock_mode(c), &c->txn);

    if (st)
        return st;
    if (c->req->early)
        ops_of(c)->early_use(c->txn, c->req->early);
    st = load_target(c);
    c->object.exists = c->exists;
    return st;
}

/* The same place of the same partition, not one made there meanwhile. */
static bool is_same(const struct store_meta *a, const struct store_meta *b)
{
    return a->kind == b->kind && a->type == b->type && a->duplicate == b->duplicate &&
           a->created == b->created;
}

/* What works on after its status does so as long as the page says so. */
static osd_status require_accepted(struct command *c)
{
    bool running = true;
    osd_status st = c->job ? tracking_says_running(c, c->job->collection, &running) : OSD_OK;

    return st || running ? st : fail_cdb(c, 24);
}

/* Whether the command may still do what it was begun for. */
static osd_status authorize_again(struct command *c)
{
    osd_status st;

    (void)((st = secure_validate_again(c)) || (st = authorize_command(c)) ||
           (st = authorize_sets(c)) || (st = authorize_gets(c)));
    return st;
}

/* End the transaction, which changed nothing, and begin another one. What was revoked meanwhile is
 * revoked for this command, too. */
static osd_status begin_again(struct command *c)
{
    struct store_meta meta = c->meta, partition = c->partition;
    osd_status st;

    ops_of(c)->abort(c->txn);
    c->txn = NULL;
    c->cache_valid = c->exists = c->has_partition = false;
    st = begin(c);
    c->now = device_now(c->dev);
    if (st == OSD_OK && (!c->has_partition || !is_same(&c->partition, &partition)))
        return fail_cdb(c, 16);
    if (st == OSD_OK && (!c->exists || !is_same(&c->meta, &meta)))
        return fail_cdb(c, 24);
    if (st == OSD_OK)
        st = require_accepted(c);
    return st ? st : authorize_again(c);
}

osd_status command_pause(struct command *c)
{
    return begin_again(c);
}

osd_status command_lock(struct command *c)
{
    if (!c->looking || c->replay.found || !(c->mutating || c->sets))
        return OSD_OK;
    c->looking = false;
    return begin_again(c);
}

/* Where the CDB names the partition. */
static uint16_t partition_field(const struct command *c)
{
    return c->act->target == TARGET_SOURCE ? 40 : 16;
}

/* A snapshot stays what it is until it goes as a whole. */
static bool is_protected(const struct command *c)
{
    bool snapshot = c->has_partition && c->partition.duplicate == STORE_SNAPSHOT &&
                    c->act->target != TARGET_SOURCE;

    return snapshot && (c->sets || (c->mutating && !(c->act->flags & ACT_FROZEN)));
}

/* Function COMMAND begins with the object being there. */
static osd_status require_target(struct command *c)
{
    bool inside = c->target_type != OSD_TYPE_ROOT && c->target_type != OSD_TYPE_PARTITION;

    if (c->replay.found || c->act->target == TARGET_NEW_PARTITION)
        return OSD_OK;
    if (!c->has_partition || (creates_inside(c) && c->target.pid == 0))
        return fail_cdb(c, partition_field(c));
    if (!c->exists && !creates_inside(c))
        return fail_cdb(c, inside ? 24 : partition_field(c));
    return is_protected(c) ? fail_kind(c, FAULT_PROTECTED) : OSD_OK;
}

/* ---- phases ---- */

static osd_status work(struct command *c)
{
    osd_status st;

    if (c->replay.found && c->mutating)
        return OSD_OK;
    if ((st = go_on(c))) /* aborted while it waited */
        return st;
    st = c->act->run(c);
    c->cache_valid = false;
    return st;
}

static osd_status set_attributes(struct command *c)
{
    return c->replay.found ? OSD_OK : attributes_set(c);
}

bool command_bypasses_times(const struct command *c)
{
    return c->cdb.timestamps == 0x7f ||
           (c->has_partition &&
            (c->partition.time_bypass == 0x7f || c->partition.duplicate == STORE_SNAPSHOT));
}

static void stamp(struct store_meta *m, unsigned touch, uint64_t now)
{
    uint64_t *const stamps[] = {&m->attr_accessed, &m->attr_modified, &m->data_accessed,
                                &m->data_modified};

    for (unsigned i = 0; i < 4; i++)
        if (touch & 1u << i)
            *stamps[i] = now;
}

/* Metadata as the command leaves it, with timestamps of now. */
static osd_status put_stamped(struct command *c, struct store_id id, struct store_meta *m,
                              unsigned touch)
{
    if (command_bypasses_times(c) || !touch)
        return OSD_OK;
    stamp(m, touch, c->now);
    return ops_of(c)->put_meta(c->txn, id, m);
}

osd_status command_stamp(struct command *c, struct store_id id, unsigned touch)
{
    struct store_meta m;
    osd_status st;

    if (command_bypasses_times(c) || !touch)
        return OSD_OK;
    st = ops_of(c)->get_meta(c->txn, id, &m);
    return st ? st : put_stamped(c, id, &m, touch);
}

/* How much the command changes the used capacity, and timestamps. */
static osd_status measure_and_stamp(struct command *c, unsigned touch)
{
    bool made = action_creates(c->act) || c->act->target == TARGET_SOURCE;
    uint64_t before = made ? 0 : c->meta.used;
    struct store_meta m;
    osd_status st;

    if (c->act->order == ORDER_SET_GET_WORK) {
        c->used_change = -(int64_t)before;
        return command_stamp(c, c->object.id, touch);
    }
    st = ops_of(c)->get_meta(c->txn, c->object.id, &m);
    if (st)
        return st;
    c->used_change = (int64_t)(m.used * c->n_objects - before);
    return put_stamped(c, c->object.id, &m, touch);
}

/* Implied attributes that belong to the transaction. Times of access, and those of the
 * partition, are touched after the commit. */
static osd_status implied(struct command *c)
{
    unsigned touch =
        (c->act->touch | c->touch) & (STORE_TOUCH_DATA_MODIFIED | STORE_TOUCH_ATTR_MODIFIED);

    if (c->act->flags &
        ACT_MEMBERS) /* whose lengths change: the members', not the collection's */
        touch &= ~(unsigned)STORE_TOUCH_DATA_MODIFIED;
    if (c->replay.found || !(c->mutating || c->sets))
        return OSD_OK;
    return measure_and_stamp(c, action_creates(c->act) ? 0 : touch);
}

static const struct phase checks[] = {
    {OSD_FN_VALIDATION, authorize_validate}, {OSD_FN_CMD_CAP, authorize_command},
    {OSD_FN_COMMAND, require_target},        {OSD_FN_SA_CAP, authorize_sets},
    {OSD_FN_GA_CAP, authorize_gets},         {0, NULL}};

static const struct phase orders[][5] = {
    [ORDER_WORK_SET_GET] = {{OSD_FN_COMMAND, work},
                            {OSD_FN_SET_ATTR, set_attributes},
                            {OSD_FN_IMPLIED, implied},
                            {OSD_FN_GET_ATTR, attributes_get},
                            {0, NULL}},
    [ORDER_SET_GET_WORK] = {{OSD_FN_SET_ATTR, set_attributes},
                            {OSD_FN_IMPLIED, implied},
                            {OSD_FN_GET_ATTR, attributes_get},
                            {OSD_FN_COMMAND, work},
                            {0, NULL}},
    [ORDER_GET_SET] = {{OSD_FN_GET_ATTR, attributes_get},
                       {OSD_FN_SET_ATTR, set_attributes},
                       {OSD_FN_IMPLIED, implied},
                       {0, NULL}},
};

/* Checks that the command has and has passed stay passed, whatever follows. */
static void note_passed(struct command *c, uint32_t function)
{
    bool absent = (function == OSD_FN_SA_CAP && !c->sets) ||
                  (function == OSD_FN_GA_CAP && !c->gets) || function == OSD_FN_COMMAND;

    if (!absent)
        c->validated |= function;
}

static osd_status run_checks(struct command *c)
{
    osd_status st = OSD_OK;

    for (const struct phase *p = checks; p->run && st == OSD_OK; p++) {
        c->function = p->function;
        st = p->run(c);
        if (st == OSD_OK)
            note_passed(c, p->function);
    }
    return st;
}

static osd_status run_phases(struct command *c)
{
    osd_status st = OSD_OK;

    for (const struct phase *p = orders[c->act->order]; p->run && st == OSD_OK; p++) {
        c->function = p->function;
        st = p->run(c);
    }
    return st;
}

/* ---- outcome ---- */

/* The outcome of the first time, where it cannot be computed again. */
static void take_outcome(struct command *c)
{
    const struct outcome *o = &c->replay.outcome;

    c->object.id = (struct store_id){o->pid, o->oid};
    c->n_objects = o->n_objects;
    c->append_start = o->append_start;
    c->used_change = o->used_change;
    atomic_fetch_add_explicit(&c->dev->replays, 1, memory_order_relaxed);
}

/* A replayed command's object may be gone, or may be one that it created. */
static osd_status find_replayed(struct command *c)
{
    struct store_meta m;
    osd_status st;

    if (!c->replay.found || c->replay.foreign)
        return OSD_OK;
    take_outcome(c);
    st = ops_of(c)->get_meta(c->txn, c->object.id, &m);
    c->object.exists = st == OSD_OK;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* A long command whose work comes after a commit that changes nothing. */
static bool works_on(const struct command *c)
{
    return c->after && !c->mutating && !c->sets;
}

static osd_status finish(struct command *c, osd_status st)
{
    unsigned flags = c->cdb.fua || c->sync ? STORE_COMMIT_SYNC
                     : c->req->later       ? STORE_COMMIT_LATER
                                           : 0;

    if (st == OSD_OK)
        st = replay_record(c);
    if (st)
        return st;
    c->function = OSD_FN_COMMAND;
    if (c->act->flags & ACT_LONG && !works_on(c) && !task_settle(c->task))
        return fail_kind(c, FAULT_ABORTED);
    st = ops_of(c)->commit(c->txn, flags);
    c->txn = NULL;
    secure_note_change(c);
    return st == OSD_OK && c->after ? c->after(c) : st;
}

/* Collections whose members came or went. */
static void count_members(struct command *c)
{
    struct store_id id = {.pid = c->target.pid};

    for (unsigned i = 0; i < c->n_changed; i++) {
        id.oid = c->changed[i];
        device_members_changed(c->dev, id);
        if (!command_bypasses_times(c))
            ops_of(c)->touch(c->dev->store, id, STORE_TOUCH_DATA_MODIFIED, c->now);
    }
    id.oid = 0;
    if (c->n_changed == CHANGED_MAX) /* there may have been more */
        device_members_changed(c->dev, id);
}

/* Members and listed objects whose attributes were got. */
static void touch_got(struct command *c)
{
    struct store_id id;

    for (size_t at = 0; at + sizeof(id) <= c->got.len; at += sizeof(id)) {
        memcpy(&id, c->got.data + at, sizeof(id));
        ops_of(c)->touch(c->dev->store, id, STORE_TOUCH_ATTR_ACCESSED, c->now);
    }
}

/* After the commit: lazy timestamps, the clock. */
static void aftermath(struct command *c)
{
    const struct store_ops *ops = ops_of(c);
    unsigned touch = c->act->touch | c->touch;

    if (c->replay.found || c->tracked)
        return;
    if (c->mutating || c->sets)
        touch &= ~(unsigned)(STORE_TOUCH_DATA_MODIFIED | STORE_TOUCH_ATTR_MODIFIED);
    if (!command_bypasses_times(c)) {
        if (touch)
            ops->touch(c->dev->store, c->object.id, touch, c->now);
        if (c->act->touch_partition | (c->touch & STORE_TOUCH_DATA_MODIFIED))
            ops->touch(c->dev->store, (struct store_id){c->target.pid, 0},
                       c->act->touch_partition | (c->touch & STORE_TOUCH_DATA_MODIFIED),
                       c->now);
        touch_got(c);
    }
    count_members(c);
    if (c->set_clock)
        device_set_clock(c->dev, c->new_clock);
    if (c->target_type == OSD_TYPE_ROOT && (c->sets || c->formats))
        device_learn_method(c->dev);
}

/* What a CDB asks for that may make no sense otherwise. */
static enum osd_op op_named(const struct osd_request *req)
{
    return req->cdb_len >= 10 ? osd_op_by_action(be16_get(req->cdb + 8), NULL) : OSD_OP_INVALID;
}

/* Decode, find the segments, look the nonce up. No transaction yet. */
static osd_status prepare(struct command *c, bool check_in)
{
    struct osd_wire_error err = {0};
    osd_status st = osd_cdb_decode(c->req->cdb, c->req->cdb_len, &c->cdb, &err);

    c->act = action_of(st ? op_named(c->req) : c->cdb.op);
    if (!c->act)
        return fail_cdb(c, c->req->cdb_len >= 10 ? 8 : 7);
    if (st)
        return fail_cdb(c, err.field);
    if (c->cdb.isolation == 3 || c->cdb.isolation > 5)
        return fail_cdb(c, 10);
    c->mutating = command_mutates(&c->cdb);
    address(c);
    st = segments_plan(c, check_in);
    return st ? st : continuation_parse(c);
}

/* While FORMAT OSD is at work commands are told so instead of waiting for it. */
static osd_status require_ready(struct command *c)
{
    return atomic_load(&c->dev->formatting) && !goes_ahead(c) ? fail_kind(c, FAULT_NOT_READY)
                                                              : OSD_OK;
}

/* ---- tracked commands ---- */

/* Whether the work may come after the status: what brings attributes home cannot do without it. */
static bool may_be_tracked(const struct command *c)
{
    return c->cdb.immed_tr && c->mutating && !c->gets;
}

/* How much of Data-Out the work needs. */
static uint64_t out_needed(const struct command *c)
{
    const struct osd_attr_params *a = &c->cdb.attr;
    uint64_t lists = c->set_list.len ? a->set_off + c->set_list.len : 0;

    return lists > c->cdb.cont_len ? lists : c->cdb.cont_len;
}

static struct job *make_job(const struct command *c, size_t out_len)
{
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        return NULL;
    j->out = malloc(out_len + 1);
    if (!j->out) {
        free(j);
        return NULL;
    }
    j->collection = c->target;
    j->meta = c->meta;
    j->partition = c->partition;
    j->action = be16_get(c->req->cdb + 8);
    j->validated = c->validated;
    j->cdb_len = c->req->cdb_len < OSD_CDB_MAX ? c->req->cdb_len : OSD_CDB_MAX;
    memcpy(j->cdb, c->req->cdb, j->cdb_len);
    j->out_len = osd_iov_read(&c->req->out, 0, j->out, out_len);
    return j;
}

/* The command becomes the job of its collection, unless that has one. */
static osd_status reserve(struct command *c)
{
    uint64_t len = out_needed(c);
    struct job *j;
    osd_status st;

    if (len > JOB_OUT_MAX)
        return fail_kind(c, FAULT_ROOM);
    j = make_job(c, len);
    if (!j)
        return OSD_E_NOMEM;
    st = tracker_reserve(c->dev, j, task_tag(c->cdb.sec.nonce));
    if (st == OSD_OK)
        c->later = j;
    else
        job_free(j);
    if (st == OSD_E_BUSY)
        return fail_cdb(c, 24);
    return st == OSD_E_NO_SPACE ? fail_kind(c, FAULT_ROOM) : st;
}

/* Instead of the phases: all that can be told before the work, and the page that says it is under
 * way. Collections that clients fill have no such page, and their commands are as without
 * IMMED_TR. */
static osd_status accept(struct command *c)
{
    osd_status st = OSD_OK;

    if (c->replay.found)
        return OSD_OK;
    c->function = OSD_FN_COMMAND;
    if (c->meta.type != COLLECTION_TRACKING) {
        c->tracked = false;
        st = c->act->flags & ACT_LOOKS ? OSD_OK : command_lock(c);
        return st ? st : run_phases(c);
    }
    if (c->cdb.op == OSD_OP_QUERY)
        st = query_check(c);
    if (st == OSD_OK)
        st = reserve(c);
    if (st == OSD_OK)
        st = command_lock(c);
    return st ? st : tracking_begin(c);
}

/* ---- begin to end ---- */

static osd_status execute(struct command *c)
{
    osd_status st = prepare(c, true);

    if (st == OSD_OK)
        st = require_ready(c);
    if (st == OSD_OK && c->act->flags & ACT_LONG)
        task_enter(&c->dev->tasks, c->task, task_tag(c->cdb.sec.nonce));
    if (st == OSD_OK)
        st = replay_enter(c);
    c->tracked = st == OSD_OK && may_be_tracked(c);
    c->looking = c->act && (c->act->flags & ACT_LOOKS || c->tracked);
    if (st == OSD_OK)
        st = begin(c);
    if (st == OSD_OK)
        st = run_checks(c);
    if (st == OSD_OK)
        st = find_replayed(c);
    if (st == OSD_OK)
        st = c->tracked ? accept(c) : run_phases(c);
    return finish(c, st);
}

/* Reading met damage: of attributes while they were got, else of what the command reads. */
static void note_damage(const struct command *c)
{
    bool attrs = c->function == OSD_FN_GET_ATTR || c->cdb.op == OSD_OP_GET_ATTRIBUTES;

    if (c->cdb.op == OSD_OP_READ || c->cdb.op == OSD_OP_GET_ATTRIBUTES)
        damage_found(c->dev, c->target, attrs ? DAMAGED_ATTRS : DAMAGED_DATA, c->now);
}

static void command_init(struct command *c, struct osd_device *dev,
                         const struct osd_request *req)
{
    memset(c, 0, offsetof(struct command, small));
    c->dev = dev;
    c->req = req;
    c->now = device_now(dev);
    c->task = &c->own_task;
    c->big = NULL;
    c->cache_valid = false;
}

/* What was promised begins, or will not be. */
static void hand_over(struct command *c, osd_status st)
{
    if (c->later && st == OSD_OK)
        tracker_submit(c->dev, c->later);
    else if (c->later)
        tracker_drop(c->dev, c->later);
    c->later = NULL;
}

void command_execute(struct osd_device *dev, const struct osd_request *req,
                     struct osd_response *ret)
{
    struct command c;
    osd_status st;

    command_init(&c, dev, req);
    st = execute(&c);
    respond(&c, st, ret);
    if (c.txn)
        ops_of(&c)->abort(c.txn);
    task_leave(&dev->tasks, c.task);
    hand_over(&c, st);
    if (c.formats)
        atomic_fetch_sub(&dev->formatting, 1);
    if (st == OSD_OK)
        aftermath(&c);
    if (st == OSD_E_CORRUPT)
        note_damage(&c);
    replay_leave(&c);
    ret->in_len = segments_finish(&c, st == OSD_OK);
    if (st == OSD_OK)
        ret->in_len = secure_seal(&c, ret->in_len);
    if (c.verified)
        osd_mac_key_wipe(&c.cap_key);
    segments_free(&c);
}

void command_check(struct osd_device *dev, const struct osd_request *req,
                   struct osd_response *ret)
{
    struct command c;
    osd_status st;

    command_init(&c, dev, req);
    c.check_only = true;
    st = prepare(&c, false);
    if (st == OSD_OK)
        st = require_ready(&c);
    if (st == OSD_OK)
        st = begin(&c);
    if (st == OSD_OK)
        st = run_checks(&c);
    respond(&c, st, ret);
    if (c.txn)
        ops_of(&c)->abort(c.txn);
    if (c.verified)
        osd_mac_key_wipe(&c.cap_key);
    segments_free(&c);
}

/* ---- after the status ---- */

/* The collection must be the one the command was accepted for, and what allowed it still be good. */
static osd_status begin_job(struct command *c)
{
    osd_status st = begin(c);

    if (st == OSD_OK && (!c->has_partition || !is_same(&c->partition, &c->job->partition)))
        return fail_cdb(c, 16);
    if (st == OSD_OK && (!c->exists || !is_same(&c->meta, &c->job->meta)))
        return fail_cdb(c, 24);
    if (st == OSD_OK)
        st = require_target(c);
    if (st == OSD_OK)
        st = require_accepted(c);
    return st ? st : authorize_again(c);
}

#define COUNT_CHUNK 256

/* For the percentage; they may become more or less. */
static osd_status count_ahead(struct command *c)
{
    uint64_t ids[COUNT_CHUNK], next = 0;
    size_t n = 0;
    osd_status st;

    do {
        st = go_on(c);
        if (st == OSD_OK)
            st = ops_of(c)->members(c->txn, c->target, next, ids, COUNT_CHUNK, &n, &next);
        if (st == OSD_OK)
            atomic_fetch_add_explicit(&c->job->members, n, memory_order_relaxed);
    } while (st == OSD_OK && next);
    return st;
}

static osd_status execute_job(struct command *c)
{
    osd_status st = prepare(c, true);

    c->function = OSD_FN_COMMAND;
    c->looking = c->act && c->act->flags & ACT_LOOKS;
    if (st == OSD_OK)
        st = require_ready(c);
    if (st == OSD_OK)
        st = go_on(c);
    if (st == OSD_OK)
        st = begin_job(c);
    if (st == OSD_OK)
        st = count_ahead(c);
    if (st == OSD_OK)
        st = run_phases(c);
    return finish(c, st);
}

/* In a transaction of its own: that of the work is gone. Where it fails too, the page reads as that
 * of a command that went with its process (pages_collections.c). */
static osd_status put_failure(struct command *c, const struct osd_response *r)
{
    const struct store_ops *ops = ops_of(c);
    osd_status st = ops->begin(c->dev->store, c->job->collection, STORE_EXCLUSIVE, &c->txn);

    if (st)
        return st;
    c->object.id = c->job->collection;
    st = require_accepted(c);
    if (st == OSD_OK)
        st = tracking_fail(c, r->sense, r->sense_len);
    if (st == OSD_OK)
        st = ops->commit(c->txn, 0);
    else
        ops->abort(c->txn);
    c->txn = NULL;
    return st;
}

void command_work_on(struct osd_device *dev, struct job *job)
{
    struct iovec piece = {.iov_base = job->out, .iov_len = job->out_len};
    struct osd_request req = {
        .cdb = job->cdb, .cdb_len = job->cdb_len, .out = osd_iov_make(&piece, 1)};
    struct osd_response r;
    struct command c;
    osd_status st;

    command_init(&c, dev, &req);
    c.job = job;
    c.task = &job->task;
    c.validated = job->validated;
    st = execute_job(&c);
    respond(&c, st, &r);
    if (c.txn)
        ops_of(&c)->abort(c.txn);
    c.txn = NULL;
    if (st == OSD_OK)
        aftermath(&c);
    else
        put_failure(&c, &r);
    segments_free(&c);
}
