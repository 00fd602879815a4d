/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_query.c - collection, query: sets of objects, and which of them are as wanted
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/number.h"
#include "query/expression.h"
#include "verbs.h"

#define MEMBERSHIPS 0x4u /* page of user objects: collections they are in */

/* ---- output ---- */

struct members {
    uint64_t pid, n;
};

static bool print_member(void *arg, uint64_t oid)
{
    struct members *m = arg;
    char name[TARGET_NAME_LEN];

    m->n++;
    target_name(name, m->pid, oid);
    if (json_output)
        list_item(json_pack("{s:s}", "id", name));
    else
        puts(name);
    return true;
}

static int members_end(const struct members *m, osd_status st)
{
    return st ? fail(st)
              : list_close(json_pack("{s:I}", "count", (json_int_t)m->n), OSD_OK, NULL);
}

static int named(uint64_t pid, uint64_t cid, bool print)
{
    char name[TARGET_NAME_LEN];

    target_name(name, pid, cid);
    if (print && !json_output)
        puts(name);
    return succeed(json_pack("{s:s}", "id", name));
}

/* ---- collection ---- */

static int make(struct osd_session *s, enum osd_verb verb, struct target t, uint64_t source)
{
    struct osd_call c = {.verb = verb, .pid = t.pid, .oid = t.oid, .start = source};
    osd_status st;

    if (!new_id(t.oid))
        return too_small(t.oid);
    st = osd_execute(s, &c);
    return st ? fail(st) : named(t.pid, c.ret_oid, true);
}

static int collection_create(struct osd_session *s, struct target t, uint64_t none)
{
    return make(s, OSD_V_CREATE_COLLECTION, t, none);
}

static int collection_track(struct osd_session *s, struct target t, uint64_t source)
{
    return make(s, OSD_V_CREATE_TRACKING, t, source);
}

/* Members, or the collections of a partition. */
static int collection_ls(struct osd_session *s, struct target t, uint64_t none)
{
    struct members m = {.pid = t.pid};

    list_open(t.oid ? "objects" : "collections");
    return members_end(&m, osd_each_member(s, t.pid, t.oid, none, print_member, &m));
}

static int collection_rm(struct osd_session *s, struct target t, uint64_t none)
{
    struct osd_call c = {
        .verb = OSD_V_REMOVE_COLLECTION, .pid = t.pid, .oid = t.oid, .option = 1};
    osd_status st = osd_execute(s, &c);

    return st ? fail(st) : succeed(json_object());
}

/* Which collections an object is in, and under which numbers. */
struct joining {
    uint64_t cid;
    uint32_t last, member; /* member: the number that names the collection; 0: none */
};

static bool see_membership(void *arg, uint32_t page, uint32_t number, const void *value,
                           uint16_t len)
{
    struct joining *j = arg;

    if (page != MEMBERSHIPS || number == 0)
        return true;
    j->last = number;
    if (len == 8 && be_get(value, 8) == j->cid)
        j->member = number;
    return true;
}

static int set_membership(struct osd_session *s, struct target t, uint64_t oid, bool member)
{
    struct joining j = {.cid = t.oid};
    osd_status st = osd_each_attr(s, t.pid, oid, MEMBERSHIPS, see_membership, &j);
    uint8_t cid[8];
    struct osd_attr a = {MEMBERSHIPS, member ? j.last + 1 : j.member, cid, member ? 8 : 0};

    be_put(cid, t.oid, sizeof(cid));
    if (st == OSD_OK && member == (j.member == 0))
        st = osd_set_attrs(s, t.pid, oid, &a, 1);
    return st ? fail(st) : succeed(json_object());
}

static int collection_add(struct osd_session *s, struct target t, uint64_t oid)
{
    return set_membership(s, t, oid, true);
}

static int collection_drop(struct osd_session *s, struct target t, uint64_t oid)
{
    return set_membership(s, t, oid, false);
}

/** A word after "collection". */
static const struct action {
    const char *word, *usage;
    int (*run)(struct osd_session *s, struct target t, uint64_t second);
    int min_args, max_args;
    bool alone; /* a partition alone will do */
} actions[] = {
    {"create", "PID[/CID]", collection_create, 1, 1, true},
    {"track", "PID[/CID] [FROM]", collection_track, 1, 2, true},
    {"ls", "PID[/CID]", collection_ls, 1, 1, true},
    {"add", "PID/CID OID", collection_add, 2, 2, false},
    {"drop", "PID/CID OID", collection_drop, 2, 2, false},
    {"rm", "PID/CID", collection_rm, 1, 1, false},
};

static const struct action *find_action(const char *word)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].word, word) == 0)
            return &actions[i];
    return NULL;
}

int verb_collection(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    const struct action *a = find_action(argv[0]);
    uint64_t second = 0;
    struct target t;

    if (!a)
        return usage_error("\"%s\" is none of create, track, ls, add, drop, rm", argv[0]);
    if (argc - 1 < a->min_args || argc - 1 > a->max_args)
        return usage_error("usage: osdctl collection %s %s", a->word, a->usage);
    if (!parse_target(argv[1], &t) || t.pid == 0 || (t.oid == 0 && !a->alone))
        return usage_error("\"%s\" is not %s", argv[1], a->alone ? "PID[/CID]" : "PID/CID");
    if (argc == 3 && (!osd_number_parse(argv[2], &second) || second == 0))
        return usage_error("\"%s\" is not an id", argv[2]);
    return a->run(s, t, second);
}

/* ---- query ---- */

/* A collection that is none, or one that clients fill: asked, or for the matches. */
static int refused(osd_status st)
{
    if (st != OSD_E_NOT_FOUND)
        return fail(st);
    return fail_with(st,
                     "%s; \"collection track\" makes one, empty or with the members of another "
                     "collection",
                     osd_last_error());
}

static int query_into(struct osd_session *s, struct target t, const struct query *q,
                      uint64_t into)
{
    osd_status st = osd_query_into(s, t.pid, t.oid, q->all, q->criteria, q->n, into);

    return st ? refused(st) : named(t.pid, into, false);
}

int verb_query(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    static struct query q;
    struct members m = {0};
    struct target t;
    char why[200];
    osd_status st;

    if (!parse_target(argv[0], &t) || t.pid == 0 || t.oid == 0)
        return usage_error("\"%s\" is not PID/CID", argv[0]);
    if (!query_parse(argv[1], &q, why, sizeof(why)))
        return usage_error("\"%s\": %s", argv[1], why);
    if (o->into)
        return query_into(s, t, &q, o->into);
    m.pid = t.pid;
    list_open("objects");
    st = osd_query(s, t.pid, t.oid, q.all, q.criteria, q.n, print_member, &m);
    return st ? refused(st) : members_end(&m, st);
}
