/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_device.c - flush, format, check, explain: the device as a whole
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"

int verb_flush(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    osd_status st = osd_flush(s);

    return st ? fail(st) : succeed(json_object());
}

int verb_format(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct osd_call c = {.verb = OSD_V_FORMAT};
    osd_status st;

    if (argc == 1 && !parse_size(argv[0], &c.length))
        return usage_error("\"%s\" is not a size", argv[0]);
    if (!o->yes)
        return usage_error("format removes everything on %s; say --yes", o->device);
    st = osd_execute(s, &c);
    return st ? fail(st) : succeed(json_object());
}

/* ---- check ---- */

static void print_finding(void *arg, const char *line)
{
    if (json_output)
        list_item(json_text(line, strlen(line)));
    else
        puts(line);
}

static int check_ended(const struct osd_check_result *r, const char *path)
{
    char message[512];
    bool bad = r->findings > r->repaired;
    json_t *data =
        json_pack("{s:I,s:I,s:I,s:I,s:I}", "partitions", (json_int_t)r->partitions, "objects",
                  (json_int_t)r->objects, "attributes", (json_int_t)r->attributes, "bytes",
                  (json_int_t)r->bytes, "repaired", (json_int_t)r->repaired);

    if (!json_output)
        printf("%" PRIu64 " partitions, %" PRIu64 " objects, %" PRIu64 " attributes, %" PRIu64
               " bytes checked: %" PRIu64 " findings, %" PRIu64 " repaired\n",
               r->partitions, r->objects, r->attributes, r->bytes, r->findings, r->repaired);
    snprintf(message, sizeof(message), "%s: %" PRIu64 " findings not repaired", path,
             r->findings - r->repaired);
    return list_close(data, bad ? OSD_E_CORRUPT : OSD_OK, message);
}

int verb_check(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct osd_options so = {.read_only = !o->repair};
    struct osd_check_result r;
    const char *path = argc ? argv[0] : o->device;
    char url[4200];
    osd_status st;

    if (!path)
        return usage_error("no store: give its directory or file:///path");
    snprintf(url, sizeof(url), "%s%s", path[0] == '/' ? "file://" : "", path);
    st = osd_open(url, &so, &s);
    if (st)
        return fail(st);
    list_open("findings");
    st = osd_check(s, o->repair, print_finding, NULL, &r);
    osd_close(s);
    return st ? fail(st) : check_ended(&r, path);
}

int verb_explain(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint8_t sense[252];
    char text[300];
    size_t len;
    uint64_t n;

    if (strlen(argv[0]) < 3 && parse_number(argv[0], &n) && exit_code_text(n)) {
        snprintf(text, sizeof(text), "%s", exit_code_text(n));
    } else {
        if (!parse_hex(argv[0], sense, sizeof(sense), &len) || len < 4)
            return usage_error("\"%s\" is neither an exit code nor sense data in hexadecimal",
                               argv[0]);
        osd_explain_sense(sense, len, text, sizeof(text));
    }
    if (!json_output)
        puts(text);
    return succeed(json_pack("{s:s}", "text", text));
}
