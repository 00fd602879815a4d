/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_snapshot.c - snapshot: partitions that are made from others; compare: what
 * changed since
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/number.h"
#include "verbs.h"

/** A word after "snapshot": which partitions it names. */
static const struct action {
    const char *word, *usage;
    enum osd_verb verb;
    int min_args, max_args;
    bool makes; /* PID [NEW]: a new one; otherwise PID [FROM]: PID changes */
} actions[] = {
    {"create", "PID [NEW]", OSD_V_CREATE_SNAPSHOT, 1, 2, true},
    {"clone", "PID [NEW]", OSD_V_CREATE_CLONE, 1, 2, true},
    {"detach", "CLONE", OSD_V_DETACH_CLONE, 1, 1, false},
    {"refresh", "SNAPSHOT", OSD_V_REFRESH, 1, 1, false},
    {"restore", "PID SNAPSHOT", OSD_V_RESTORE, 2, 2, false},
};

static const struct action *find_action(const char *word)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].word, word) == 0)
            return &actions[i];
    return NULL;
}

static int execute(struct osd_session *s, const struct action *a, uint64_t first,
                   uint64_t second)
{
    struct osd_call c = {
        .verb = a->verb, .pid = a->makes ? second : first, .start = a->makes ? first : second};
    char name[TARGET_NAME_LEN];
    osd_status st = osd_execute(s, &c);

    if (st)
        return fail(st);
    if (!a->makes)
        return succeed(json_object());
    target_name(name, c.ret_pid, 0);
    if (!json_output)
        puts(name);
    return succeed(json_pack("{s:s}", "id", name));
}

int verb_snapshot(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    const struct action *a = find_action(argv[0]);
    uint64_t ids[2] = {0, 0};

    if (!a)
        return usage_error("\"%s\" is none of create, clone, detach, refresh, restore",
                           argv[0]);
    if (argc - 1 < a->min_args || argc - 1 > a->max_args)
        return usage_error("usage: osdctl snapshot %s %s", a->word, a->usage);
    for (int i = 1; i < argc; i++)
        if (!osd_number_parse(argv[i], &ids[i - 1]) ||
            (ids[i - 1] == 0 && (i == 1 || !a->makes)))
            return usage_error("\"%s\" is not a partition id", argv[i]);
    if (a->makes && !new_id(ids[1]))
        return too_small(ids[1]);
    return execute(s, a, ids[0], ids[1]);
}

/* ---- compare ---- */

static bool show_range(void *arg, uint64_t start, uint64_t length, bool hole)
{
    const char *kind = hole ? "hole" : "data";

    if (json_output)
        json_array_append_new(arg, json_pack("{s:s, s:I, s:I}", "kind", kind, "start",
                                             (json_int_t)start, "length", (json_int_t)length));
    else
        printf("%s %" PRIu64 " %" PRIu64 "\n", kind, start, length);
    return true;
}

int verb_compare(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t[2];
    json_t *ranges;
    osd_status st;

    for (int i = 0; i < 2; i++)
        if (!parse_target(argv[i], &t[i]) || t[i].oid == 0)
            return usage_error("\"%s\" is not PID/OID", argv[i]);
    ranges = json_array();
    st = osd_compare(s, t[0].pid, t[0].oid, t[1].pid, t[1].oid, show_range, ranges);
    if (st) {
        json_decref(ranges);
        return fail(st);
    }
    return succeed(json_pack("{s:o}", "ranges", ranges));
}
