/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_show.c - info, stat and quota: named attributes, fetched in one command
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"

enum show { SHOW_NUMBER, SHOW_LIMIT, SHOW_TEXT, SHOW_HEX, SHOW_DUPLICATE, SHOW_ID };

struct shown {
    const char *name;
    uint32_t page, number;
    enum show show;
};

#define MAX_SHOWN 16
#define N(a)      (sizeof(a) / sizeof((a)[0]))

static const struct shown root_attrs[] = {
    {"vendor", PAGE_ROOT + INFORMATION, 0x4, SHOW_TEXT},
    {"product", PAGE_ROOT + INFORMATION, 0x5, SHOW_TEXT},
    {"model", PAGE_ROOT + INFORMATION, 0x6, SHOW_TEXT},
    {"revision", PAGE_ROOT + INFORMATION, 0x7, SHOW_TEXT},
    {"serial_number", PAGE_ROOT + INFORMATION, 0x8, SHOW_TEXT},
    {"name", PAGE_ROOT + INFORMATION, 0x9, SHOW_TEXT},
    {"system_id", PAGE_ROOT + INFORMATION, 0x3, SHOW_HEX},
    {"total_capacity", PAGE_ROOT + INFORMATION, 0x80, SHOW_LIMIT},
    {"used_capacity", PAGE_ROOT + INFORMATION, 0x81, SHOW_NUMBER},
    {"partitions", PAGE_ROOT + INFORMATION, 0xc0, SHOW_NUMBER},
    {"clock_ms", PAGE_ROOT + INFORMATION, 0x100, SHOW_NUMBER},
    {"security_method", PAGE_ROOT + SECURITY, 0x1, SHOW_NUMBER},
    {"damaged_partitions", PAGE_ROOT + RECOVERY, 0x6, SHOW_NUMBER},
    {"scrub_begun_ms", PAGE_ROOT + RECOVERY, 0x80000002, SHOW_NUMBER},
    {"scrub_bytes", PAGE_ROOT + RECOVERY, 0x80000003, SHOW_NUMBER},
    {"scrub_ended_ms", PAGE_ROOT + RECOVERY, 0x80000006, SHOW_NUMBER},
};

static const struct shown partition_attrs[] = {
    {"used_capacity", PAGE_PARTITION + INFORMATION, 0x81, SHOW_NUMBER},
    {"objects", PAGE_PARTITION + INFORMATION, 0xc1, SHOW_NUMBER},
    {"username", PAGE_PARTITION + INFORMATION, 0x9, SHOW_TEXT},
    {"created_ms", PAGE_PARTITION + TIMESTAMPS, 0x1, SHOW_NUMBER},
    {"data_modified_ms", PAGE_PARTITION + TIMESTAMPS, 0x5, SHOW_NUMBER},
    {"duplicate", PAGE_PARTITION + INFORMATION, 0x80000001, SHOW_DUPLICATE},
    {"source", PAGE_PARTITION + INFORMATION, 0x80000002, SHOW_ID},
};

static const struct shown object_attrs[] = {
    {"length", PAGE_USER + INFORMATION, LOGICAL_LENGTH, SHOW_NUMBER},
    {"used_capacity", PAGE_USER + INFORMATION, 0x81, SHOW_NUMBER},
    {"username", PAGE_USER + INFORMATION, 0x9, SHOW_TEXT},
    {"created_ms", PAGE_USER + TIMESTAMPS, 0x1, SHOW_NUMBER},
    {"attributes_accessed_ms", PAGE_USER + TIMESTAMPS, 0x2, SHOW_NUMBER},
    {"attributes_modified_ms", PAGE_USER + TIMESTAMPS, 0x3, SHOW_NUMBER},
    {"data_accessed_ms", PAGE_USER + TIMESTAMPS, 0x4, SHOW_NUMBER},
    {"data_modified_ms", PAGE_USER + TIMESTAMPS, 0x5, SHOW_NUMBER},
};

static const struct shown quota_attrs[] = {
    {"capacity", PAGE_PARTITION + QUOTAS, 0x10001, SHOW_LIMIT},
    {"objects", PAGE_PARTITION + QUOTAS, 0x10002, SHOW_LIMIT},
    {"length", PAGE_PARTITION + QUOTAS, 0x1, SHOW_LIMIT},
};

/* Names on the wire are padded with spaces or zeros. */
static size_t trimmed(const char *s, size_t len)
{
    while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == 0))
        len--;
    return len;
}

/* What a partition was made as (docs/snapshots.md). */
static json_t *duplicate_word(uint64_t kind)
{
    static const char *const words[] = {NULL, "snapshot", "clone"};

    return kind < N(words) && words[kind] ? json_string(words[kind]) : json_null();
}

static json_t *id_or_null(uint64_t pid)
{
    char name[TARGET_NAME_LEN];

    return pid ? json_string(target_name(name, pid, 0)) : json_null();
}

static json_t *shown_value(const struct shown *w, const struct osd_attr_get *g)
{
    size_t len = g->len < g->cap ? g->len : g->cap;

    switch (w->show) {
    case SHOW_NUMBER:
        return json_integer((json_int_t)be_get(g->value, len));
    case SHOW_LIMIT:
        return json_limit(be_get(g->value, len));
    case SHOW_DUPLICATE:
        return duplicate_word(be_get(g->value, len));
    case SHOW_ID:
        return id_or_null(be_get(g->value, len));
    case SHOW_HEX:
        return json_hex(g->value, len);
    case SHOW_TEXT:
        break;
    }
    return json_text(g->value, trimmed(g->value, len));
}

static void print_shown(const char *name, const json_t *value)
{
    if (json_is_string(value)) {
        printf("%-24s ", name);
        print_clean(stdout, json_string_value(value));
        putchar('\n');
    } else if (json_is_null(value)) {
        printf("%-24s none\n", name);
    } else {
        printf("%-24s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
    }
}

static int show(struct osd_session *s, struct target t, const struct shown *what, size_t n)
{
    struct osd_attr_get get[MAX_SHOWN];
    uint8_t values[MAX_SHOWN][256];
    char name[TARGET_NAME_LEN];
    json_t *data;
    osd_status st;

    for (size_t i = 0; i < n; i++)
        get[i] = (struct osd_attr_get){.page = what[i].page,
                                       .number = what[i].number,
                                       .value = values[i],
                                       .cap = sizeof(values[i])};
    st = osd_get_attrs(s, t.pid, t.oid, get, n);
    if (st)
        return fail(st);
    data = json_object();
    if (t.pid)
        json_object_set_new(data, "id", json_string(target_name(name, t.pid, t.oid)));
    for (size_t i = 0; i < n; i++) {
        if (!get[i].defined)
            continue;
        json_t *v = shown_value(&what[i], &get[i]);
        if (!json_output)
            print_shown(what[i].name, v);
        json_object_set_new(data, what[i].name, v);
    }
    return succeed(data);
}

int verb_info(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    return show(s, (struct target){0, 0}, root_attrs, N(root_attrs));
}

int verb_stat(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;

    if (!parse_target(argv[0], &t) || t.pid == 0)
        return usage_error("\"%s\" is not PID or PID/OID", argv[0]);
    return t.oid ? show(s, t, object_attrs, N(object_attrs))
                 : show(s, t, partition_attrs, N(partition_attrs));
}

static int set_quota(struct osd_session *s, struct target t, const struct shown *quota,
                     uint64_t limit)
{
    uint8_t value[8];
    struct osd_attr set = {quota->page, quota->number, value, sizeof(value)};
    char name[TARGET_NAME_LEN];
    osd_status st;

    be_put(value, limit, sizeof(value));
    st = osd_set_attrs(s, t.pid, 0, &set, 1);
    if (st)
        return fail(st);
    return succeed(json_pack("{s:s, s:o}", "id", target_name(name, t.pid, 0), quota->name,
                             json_limit(limit)));
}

int verb_quota(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    uint64_t limit = UINT64_MAX;

    if (!parse_target(argv[0], &t) || t.pid == 0 || t.oid != 0)
        return usage_error("\"%s\" is not a partition id", argv[0]);
    if (argc == 1)
        return show(s, t, quota_attrs, N(quota_attrs));
    if (argc != 3)
        return usage_error("usage: osdctl quota PID [capacity|objects|length SIZE|none]");
    if (strcmp(argv[2], "none") != 0 && !parse_size(argv[2], &limit))
        return usage_error("\"%s\" is neither a size nor none", argv[2]);
    for (size_t i = 0; i < N(quota_attrs); i++)
        if (strcmp(argv[1], quota_attrs[i].name) == 0)
            return set_quota(s, t, &quota_attrs[i], limit);
    return usage_error("\"%s\" is not a quota: capacity, objects, length", argv[1]);
}
