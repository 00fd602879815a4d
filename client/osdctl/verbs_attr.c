/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_attr.c - attr ls, get, set and rm
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/number.h"
#include "verbs.h"

#define VALUE_MAX   0xfffe
#define SHOWN_BYTES 32          /* of a value in a line of text */
#define ALL         0xffffffffu /* pages, or attributes of a page: of attr ls only */

struct attr_args {
    struct target t;
    uint32_t page, number;
    const char *value;
};

static json_t *attr_json(uint32_t page, uint32_t number, const void *value, uint16_t len)
{
    return json_pack("{s:I, s:I, s:i, s:o}", "page", (json_int_t)page, "number",
                     (json_int_t)number, "length", (int)len, "value_hex", json_hex(value, len));
}

static bool print_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                       uint16_t len)
{
    const uint8_t *p = value;

    (*(uint64_t *)arg)++;
    if (json_output) {
        list_item(attr_json(page, number, value, len));
        return true;
    }
    printf("0x%08" PRIx32 " 0x%08" PRIx32 " %5u  ", page, number, len);
    for (uint16_t i = 0; i < len && i < SHOWN_BYTES; i++)
        printf("%02x", p[i]);
    puts(len > SHOWN_BYTES ? "..." : "");
    return true;
}

static int attr_ls(struct osd_session *s, const struct attr_args *a)
{
    uint64_t n = 0;
    osd_status st;

    list_open("attributes");
    st = osd_each_attr(s, a->t.pid, a->t.oid, a->page, print_attr, &n);
    if (st)
        return fail(st);
    return list_close(json_pack("{s:I}", "count", (json_int_t)n), OSD_OK, NULL);
}

static int attr_get(struct osd_session *s, const struct attr_args *a)
{
    static uint8_t value[VALUE_MAX];
    struct osd_attr_get g = {
        .page = a->page, .number = a->number, .value = value, .cap = VALUE_MAX};
    osd_status st = osd_get_attrs(s, a->t.pid, a->t.oid, &g, 1);
    char name[TARGET_NAME_LEN];

    if (st)
        return fail(st);
    if (!g.defined)
        return fail_with(OSD_E_NOT_FOUND,
                         "%s has no attribute 0x%" PRIx32 " 0x%" PRIx32 "; attr ls shows which",
                         target_name(name, a->t.pid, a->t.oid), a->page, a->number);
    if (!json_output && !write_content(STDOUT_FILENO, value, g.len))
        return fail_errno("standard output");
    return succeed(attr_json(a->page, a->number, value, g.len));
}

/* First page of the kind of object. */
static uint32_t first_page(const struct attr_args *a)
{
    bool collection = a->page >= PAGE_COLLECTION && a->page < PAGE_ROOT;

    if (a->t.pid == 0)
        return PAGE_ROOT;
    if (a->t.oid == 0)
        return PAGE_PARTITION;
    return collection ? PAGE_COLLECTION : PAGE_USER;
}

static int change(struct osd_session *s, const struct attr_args *a, const void *value,
                  uint16_t len)
{
    struct osd_attr set = {a->page, a->number, value, len};
    osd_status st = osd_set_attrs(s, a->t.pid, a->t.oid, &set, 1);
    uint32_t first = first_page(a);

    if (st == OSD_E_INVALID)
        return fail_with(st,
                         "%s; pages of your own are 0x%" PRIx32 " to 0x%" PRIx32
                         " here, with any number",
                         osd_last_error(), first + OWN_PAGES, first + OWN_PAGES_LAST);
    return st ? fail(st) : succeed(json_object());
}

static int attr_set(struct osd_session *s, const struct attr_args *a)
{
    static uint8_t value[VALUE_MAX];
    uint16_t len;

    if (!parse_value(a->value, value, sizeof(value), &len))
        return usage_error("the value is longer than %d bytes, or begins with 0x and is not "
                           "hexadecimal",
                           VALUE_MAX);
    if (len == 0)
        return usage_error("an empty value would remove the attribute; say attr rm");
    return change(s, a, value, len);
}

static int attr_rm(struct osd_session *s, const struct attr_args *a)
{
    return change(s, a, NULL, 0);
}

static const struct {
    const char *name;
    int min_args, max_args; /* after the name */
    int (*run)(struct osd_session *s, const struct attr_args *a);
} actions[] = {{"ls", 1, 2, attr_ls},
               {"get", 3, 3, attr_get},
               {"set", 4, 4, attr_set},
               {"rm", 3, 3, attr_rm}};

static bool parse_u32(const char *s, uint32_t *ret)
{
    uint64_t v;

    if (!osd_number_parse(s, &v) || v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

int verb_attr(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct attr_args a = {.page = ALL};
    size_t i = 0;

    while (i < sizeof(actions) / sizeof(actions[0]) && strcmp(actions[i].name, argv[0]) != 0)
        i++;
    argc--;
    argv++;
    if (i == sizeof(actions) / sizeof(actions[0]) || argc < actions[i].min_args ||
        argc > actions[i].max_args)
        return usage_error("usage: osdctl attr ls ID [PAGE] | get ID PAGE NUMBER | set ID PAGE "
                           "NUMBER VALUE | rm ID PAGE NUMBER");
    if (!parse_target(argv[0], &a.t))
        return usage_error("\"%s\" is not 0, PID or PID/OID", argv[0]);
    if (argc >= 2 && (!parse_u32(argv[1], &a.page) || (a.page == ALL && argc > 2)))
        return usage_error("\"%s\" is not a page number", argv[1]);
    if (argc >= 3 && (!parse_u32(argv[2], &a.number) || a.number == ALL))
        return usage_error("\"%s\" is not an attribute number", argv[2]);
    a.value = argc == 4 ? argv[3] : NULL;
    return actions[i].run(s, &a);
}
