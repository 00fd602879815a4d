/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_device.c - flush, format, check, salvage, explain: the device as a whole
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/number.h"
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

#define URL_MAX (PATH_MAX + 8)

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

/* Directory of a store named by a file:// URL or by itself; NULL: reported in *ret_rc. */
static const char *store_directory(const char *name, int *ret_rc)
{
    if (strncmp(name, "file://", 7) == 0)
        return name + 7;
    if (!strstr(name, "://") && name[0])
        return name;
    *ret_rc = usage_error(
        "\"%s\" is not the directory of a store: this runs where the store lies", name);
    return NULL;
}

/* file:// URL of a store; false: reported in *ret_rc. */
static bool store_url(const char *name, char url[URL_MAX], int *ret_rc)
{
    char path[PATH_MAX];

    name = store_directory(name, ret_rc);
    if (!name)
        return false;
    if (!realpath(name, path)) {
        *ret_rc = fail_errno(name);
        return false;
    }
    snprintf(url, URL_MAX, "file://%s", path);
    return true;
}

int verb_check(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct osd_options so = {.read_only = !o->repair,
                             .passphrase_file = getenv("OSD_PASSPHRASE_FILE")};
    struct osd_check_result r;
    const char *path = argc ? argv[0] : o->device;
    char url[URL_MAX];
    osd_status st;
    int rc;

    if (!path)
        return usage_error("no store: give its directory or file:///path");
    if (!store_url(path, url, &rc))
        return rc;
    st = osd_open(url, &so, &s);
    if (st)
        return fail(st);
    list_open("findings");
    st = osd_check(s, o->repair, print_finding, NULL, &r);
    osd_close(s);
    return st ? fail(st) : check_ended(&r, path);
}

/* ---- salvage ---- */

/** What is shown while it runs. */
struct bar {
    bool terminal, drawn;
    time_t second;
};

static void clear_bar(struct bar *b)
{
    if (b->drawn)
        fprintf(stderr, "\r\033[K");
    b->drawn = false;
}

static void salvage_finding(void *arg, const char *line)
{
    clear_bar(arg);
    print_finding(NULL, line);
}

static void salvage_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct bar *b = arg;

    if (!b->terminal || b->second == time(NULL))
        return;
    b->second = time(NULL);
    b->drawn = true;
    if (total)
        fprintf(stderr, "\r\033[K%s: %" PRIu64 " of %" PRIu64, step, done, total);
    else
        fprintf(stderr, "\r\033[K%s: %" PRIu64, step, done);
}

static int salvage_ended(const struct osd_salvage_result *r, const char *source,
                         const char *target)
{
    char message[512];
    bool bad = r->lost || r->harmed || r->dropped || r->older;
    json_t *data = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:b}", "partitions", (json_int_t)r->partitions,
        "objects", (json_int_t)r->objects, "attributes", (json_int_t)r->attributes, "bytes",
        (json_int_t)r->bytes, "lost", (json_int_t)r->lost, "harmed", (json_int_t)r->harmed,
        "dropped", (json_int_t)r->dropped, "uncounted", r->uncounted, "older", r->older);

    if (!json_output)
        printf("%" PRIu64 " partitions, %" PRIu64 " objects, %" PRIu64 " attributes, %" PRIu64
               " bytes are in %s: %" PRIu64 " objects lost, %" PRIu64
               " other findings, %" PRIu64 " records of the journal dropped%s%s\n",
               r->partitions, r->objects, r->attributes, r->bytes, target, r->lost, r->harmed,
               r->dropped, r->uncounted ? ", and changes that nobody can count" : "",
               r->older ? "; what it holds may be older than what was there" : "");
    snprintf(message, sizeof(message), "%s is made; something of %s is missing in it", target,
             source);
    return list_close(data, bad ? OSD_E_CORRUPT : OSD_OK, message);
}

int verb_salvage(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct bar b = {.terminal = !o->quiet && !json_output && isatty(2)};
    struct osd_salvage_result r;
    const char *source, *target;
    int rc;

    source = store_directory(argv[0], &rc);
    target = source ? store_directory(argv[1], &rc) : NULL;
    if (!target)
        return rc;
    list_open("findings");
    osd_status st = osd_salvage(source, target, salvage_finding, salvage_progress, &b, &r);
    clear_bar(&b);
    return st ? fail(st) : salvage_ended(&r, source, target);
}

/* ---- explain ---- */

#define SENSE_MAX 252

/* Pairs of hexadecimal digits, with or without 0x in front and blanks between. What was cut off
 * behind the additional sense code is taken for zeros. False: no sense data. */
static bool parse_sense(const char *s, uint8_t sense[SENSE_MAX], size_t *ret_len)
{
    char digits[2 * SENSE_MAX + 1];
    size_t n = 0, len;

    s += strncmp(s, "0x", 2) == 0 ? 2 : 0;
    for (; *s && n < sizeof(digits) - 1; s++)
        if (*s != ' ' && *s != '\n')
            digits[n++] = *s;
    digits[n] = 0;
    memset(sense, 0, SENSE_MAX);
    if (*s || !parse_hex(digits, sense, SENSE_MAX, &len) || len == 0)
        return false;
    switch (sense[0] & 0x7f) {
    case 0x70:
    case 0x71: /* fixed format: the code is in bytes 12 and 13 */
        *ret_len = len < 18 ? 18 : len;
        return len >= 14;
    case 0x72:
    case 0x73: /* descriptor format: in bytes 2 and 3 */
        *ret_len = len < 8 ? 8 : len;
        return len >= 4;
    default:
        return false;
    }
}

int verb_explain(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint8_t sense[SENSE_MAX];
    char text[300];
    size_t len;
    uint64_t n;

    if (strlen(argv[0]) < 3 && osd_number_parse(argv[0], &n) && exit_code_text(n))
        snprintf(text, sizeof(text), "%s", exit_code_text(n));
    else if (parse_sense(argv[0], sense, &len))
        osd_explain_sense(sense, len, text, sizeof(text));
    else
        return usage_error("\"%s\" is neither an exit code nor sense data in hexadecimal",
                           argv[0]);
    if (!json_output)
        puts(text);
    return succeed(json_pack("{s:s}", "text", text));
}
