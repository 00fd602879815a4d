/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_objects.c - ls, mk, create, rm: which partitions and objects there are
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/number.h"
#include "verbs.h"

struct listing {
    struct osd_session *s;
    uint64_t pid;
    bool sizes;
    uint64_t n;
};

/* Logical length of an object, or number of objects in a partition. False: gone meanwhile. */
static bool size_of(const struct listing *l, uint64_t id, uint64_t *ret)
{
    uint8_t value[8];
    struct osd_attr_get g = {.page = PAGE_USER + INFORMATION,
                             .number = LOGICAL_LENGTH,
                             .value = value,
                             .cap = sizeof(value)};

    if (l->pid == 0) {
        g.page = PAGE_PARTITION + INFORMATION;
        g.number = 0xc1;
    }
    if (osd_get_attrs(l->s, l->pid ? l->pid : id, l->pid ? id : 0, &g, 1) || !g.defined)
        return false;
    *ret = be_get(value, g.len < sizeof(value) ? g.len : sizeof(value));
    return true;
}

static bool list_line(void *arg, uint64_t id)
{
    struct listing *l = arg;
    uint64_t size = 0;
    bool known = l->sizes && size_of(l, id, &size);
    char name[TARGET_NAME_LEN];

    target_name(name, l->pid ? l->pid : id, l->pid ? id : 0);
    l->n++;
    if (json_output) {
        json_t *line = json_pack("{s:s}", "id", name);
        if (known)
            json_object_set_new(line, l->pid ? "length" : "objects",
                                json_integer((json_int_t)size));
        list_item(line);
    } else if (known) {
        printf("%-40s %" PRIu64 "\n", name, size);
    } else {
        puts(name);
    }
    return true;
}

int verb_ls(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct listing l = {.s = s, .sizes = o->long_list};
    osd_status st;

    if (argc == 1 && (!osd_number_parse(argv[0], &l.pid) || l.pid == 0))
        return usage_error("\"%s\" is not a partition id", argv[0]);
    list_open(l.pid ? "objects" : "partitions");
    st = osd_each_id(s, l.pid, 0, list_line, &l);
    if (st)
        return fail(st);
    return list_close(json_pack("{s:I}", "count", (json_int_t)l.n), OSD_OK, NULL);
}

static int created(uint64_t pid, uint64_t oid)
{
    char name[TARGET_NAME_LEN];

    target_name(name, pid, oid);
    if (!json_output)
        puts(name);
    return succeed(json_pack("{s:s}", "id", name));
}

int verb_mk(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint64_t pid;
    osd_status st;

    if (strcmp(argv[0], "partition") != 0)
        return usage_error("usage: osdctl mk partition PID|0");
    if (!osd_number_parse(argv[1], &pid))
        return usage_error("\"%s\" is not a partition id", argv[1]);
    if (!new_id(pid))
        return too_small(pid);
    st = osd_create_partition(s, pid, &pid);
    return st ? fail(st) : created(pid, 0);
}

int verb_create(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    osd_status st;

    if (!parse_target(argv[0], &t) || t.pid == 0)
        return usage_error("\"%s\" is not PID or PID/OID", argv[0]);
    if (!new_id(t.oid))
        return too_small(t.oid);
    st = osd_create(s, t.pid, t.oid, &t.oid);
    return st ? fail(st) : created(t.pid, t.oid);
}

static int rm_partition(const struct options *o, struct osd_session *s, const char *arg)
{
    uint64_t pid;
    osd_status st;

    if (!osd_number_parse(arg, &pid) || pid == 0)
        return usage_error("\"%s\" is not a partition id", arg);
    st = osd_remove_partition(s, pid, o->contents);
    if (st == OSD_E_NOT_EMPTY)
        return fail_with(st,
                         "partition 0x%" PRIx64 " is not empty; --contents removes it with "
                         "everything in it",
                         pid);
    return st ? fail(st) : succeed(json_object());
}

int verb_rm(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    osd_status st;

    if (argc == 2 && strcmp(argv[0], "partition") == 0)
        return rm_partition(o, s, argv[1]);
    if (argc != 1)
        return usage_error("usage: osdctl rm PID/OID | rm partition PID");
    if (!parse_target(argv[0], &t) || t.oid == 0)
        return usage_error("\"%s\" is not PID/OID (a partition: rm partition PID)", argv[0]);
    st = osd_remove(s, t.pid, t.oid);
    return st ? fail(st) : succeed(json_object());
}
