/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs.c - the verbs of osdctl, except the copying of trees
 */
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (4u << 20)

#define PAGE_R 0x90000000u
#define PAGE_P 0x30000000u
#define PAGE_U 0x00000000u

static uint64_t number_of(const struct osd_attr_get *a)
{
    const uint8_t *p = a->value;
    uint64_t v = 0;

    for (uint16_t i = 0; i < a->len && i < a->cap; i++)
        v = v << 8 | p[i];
    return v;
}

static void put_be(uint8_t *dst, uint64_t v, size_t len)
{
    for (size_t i = len; i-- > 0; v >>= 8)
        dst[i] = (uint8_t)v;
}

/* ---- named attributes, fetched in one command and shown as they are ---- */

enum show { SHOW_NUMBER, SHOW_TEXT, SHOW_HEX };

struct shown {
    const char *name;
    uint32_t page, number;
    enum show show;
};

#define MAX_SHOWN 16

static json_t *hex_json(const uint8_t *p, size_t len)
{
    char text[2 * 64 + 1];

    if (len > 64)
        len = 64;
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", p[i]);
    text[2 * len] = 0;
    return json_string(text);
}

static json_t *shown_json(const struct shown *w, const struct osd_attr_get *g)
{
    json_t *text;

    if (w->show == SHOW_NUMBER)
        return json_integer((json_int_t)number_of(g));
    if (w->show == SHOW_HEX)
        return hex_json(g->value, g->len < g->cap ? g->len : g->cap);
    text = json_stringn(g->value, g->len < g->cap ? g->len : g->cap);
    return text ? text : hex_json(g->value, g->len);
}

static void shown_text(const struct shown *w, const json_t *value)
{
    if (json_is_string(value))
        printf("%-24s %s\n", w->name, json_string_value(value));
    else
        printf("%-24s %" JSON_INTEGER_FORMAT "\n", w->name, json_integer_value(value));
}

static int show_attributes(const struct options *o, struct osd_session *s, struct target t,
                           const struct shown *what, size_t n)
{
    struct osd_attr_get get[MAX_SHOWN];
    uint8_t values[MAX_SHOWN][64];
    json_t *data = json_object();
    osd_status st;

    for (size_t i = 0; i < n; i++)
        get[i] = (struct osd_attr_get){.page = what[i].page,
                                       .number = what[i].number,
                                       .value = values[i],
                                       .cap = sizeof(values[i])};
    st = osd_get_attrs(s, t.pid, t.oid, get, n);
    if (st) {
        json_decref(data);
        return report_failure(o, st);
    }
    for (size_t i = 0; i < n; i++) {
        if (!get[i].defined)
            continue;
        json_t *v = shown_json(&what[i], &get[i]);
        if (!o->json)
            shown_text(&what[i], v);
        json_object_set_new(data, what[i].name, v);
    }
    report_data(o, data);
    return 0;
}

int verb_info(struct options *o, struct osd_session *s, int argc, char **argv)
{
    static const struct shown root[] = {
        {"vendor", PAGE_R + 1, 0x4, SHOW_TEXT},
        {"product", PAGE_R + 1, 0x5, SHOW_TEXT},
        {"model", PAGE_R + 1, 0x6, SHOW_TEXT},
        {"revision", PAGE_R + 1, 0x7, SHOW_TEXT},
        {"serial_number", PAGE_R + 1, 0x8, SHOW_TEXT},
        {"name", PAGE_R + 1, 0x9, SHOW_TEXT},
        {"system_id", PAGE_R + 1, 0x3, SHOW_HEX},
        {"total_capacity", PAGE_R + 1, 0x80, SHOW_NUMBER},
        {"used_capacity", PAGE_R + 1, 0x81, SHOW_NUMBER},
        {"partitions", PAGE_R + 1, 0xc0, SHOW_NUMBER},
        {"clock_ms", PAGE_R + 1, 0x100, SHOW_NUMBER},
        {"security_method", PAGE_R + 5, 0x1, SHOW_NUMBER},
    };
    struct target t = {0, 0};

    (void)argc;
    (void)argv;
    return show_attributes(o, s, t, root, sizeof(root) / sizeof(root[0]));
}

int verb_stat(struct options *o, struct osd_session *s, int argc, char **argv)
{
    static const struct shown partition[] = {
        {"used_capacity", PAGE_P + 1, 0x81, SHOW_NUMBER},
        {"objects", PAGE_P + 1, 0xc1, SHOW_NUMBER},
        {"username", PAGE_P + 1, 0x9, SHOW_TEXT},
        {"created_ms", PAGE_P + 3, 0x1, SHOW_NUMBER},
        {"data_modified_ms", PAGE_P + 3, 0x5, SHOW_NUMBER},
    };
    static const struct shown object[] = {
        {"length", PAGE_U + 1, 0x82, SHOW_NUMBER},
        {"used_capacity", PAGE_U + 1, 0x81, SHOW_NUMBER},
        {"username", PAGE_U + 1, 0x9, SHOW_TEXT},
        {"created_ms", PAGE_U + 3, 0x1, SHOW_NUMBER},
        {"attributes_accessed_ms", PAGE_U + 3, 0x2, SHOW_NUMBER},
        {"attributes_modified_ms", PAGE_U + 3, 0x3, SHOW_NUMBER},
        {"data_accessed_ms", PAGE_U + 3, 0x4, SHOW_NUMBER},
        {"data_modified_ms", PAGE_U + 3, 0x5, SHOW_NUMBER},
    };
    struct target t;

    (void)argc;
    if (!parse_target(argv[0], &t) || t.pid == 0)
        return usage_error("\"%s\" is not PID or PID/OID", argv[0]);
    return t.oid
               ? show_attributes(o, s, t, object, sizeof(object) / sizeof(object[0]))
               : show_attributes(o, s, t, partition, sizeof(partition) / sizeof(partition[0]));
}

/* ---- ls ---- */

struct listing {
    const struct options *o;
    struct osd_session *s;
    uint64_t pid;
    uint64_t *ids;
    size_t n, cap;
};

static bool list_id(void *arg, uint64_t id)
{
    struct listing *l = arg;

    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 1024;
        uint64_t *ids = realloc(l->ids, cap * sizeof(*ids));
        if (!ids)
            return false;
        l->ids = ids;
        l->cap = cap;
    }
    l->ids[l->n++] = id;
    return true;
}

static void list_line(const struct listing *l, uint64_t id)
{
    struct target t = {l->pid ? l->pid : id, l->pid ? id : 0};
    uint8_t value[8];
    struct osd_attr_get len = {.page = l->pid ? PAGE_U + 1 : PAGE_P + 1,
                               .number = l->pid ? 0x82 : 0xc1,
                               .value = value,
                               .cap = sizeof(value)};
    bool known = l->o->long_list && osd_get_attrs(l->s, t.pid, t.oid, &len, 1) == OSD_OK;
    char name[64];

    if (l->pid)
        snprintf(name, sizeof(name), "0x%" PRIx64 "/0x%" PRIx64, t.pid, t.oid);
    else
        snprintf(name, sizeof(name), "0x%" PRIx64, t.pid);
    if (l->o->json) {
        json_t *line = json_pack("{s:s}", "id", name);
        if (known)
            json_object_set_new(line, l->pid ? "length" : "objects",
                                json_integer((json_int_t)number_of(&len)));
        report_data(l->o, line);
    } else if (known) {
        printf("%-40s %" PRIu64 "\n", name, number_of(&len));
    } else {
        puts(name);
    }
}

int verb_ls(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct listing l = {.o = o, .s = s};
    osd_status st;

    if (argc == 1 && !parse_number(argv[0], &l.pid))
        return usage_error("\"%s\" is not a partition id", argv[0]);
    st = osd_each_id(s, l.pid, 0, list_id, &l);
    for (size_t i = 0; i < l.n && !st; i++)
        list_line(&l, l.ids[i]);
    free(l.ids);
    return st ? report_failure(o, st) : 0;
}

/* ---- create, remove ---- */

static int created(const struct options *o, uint64_t pid, uint64_t oid)
{
    char name[64];

    if (oid)
        snprintf(name, sizeof(name), "0x%" PRIx64 "/0x%" PRIx64, pid, oid);
    else
        snprintf(name, sizeof(name), "0x%" PRIx64, pid);
    if (!o->json)
        puts(name);
    report_data(o, json_pack("{s:s}", "id", name));
    return 0;
}

int verb_mk(struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint64_t pid;
    osd_status st;

    (void)argc;
    if (strcmp(argv[0], "partition") != 0 || !parse_number(argv[1], &pid))
        return usage_error("usage: osdctl mk partition PID");
    st = osd_create_partition(s, pid, &pid);
    return st ? report_failure(o, st) : created(o, pid, 0);
}

int verb_create(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    osd_status st;

    (void)argc;
    if (!parse_target(argv[0], &t))
        return usage_error("\"%s\" is not PID or PID/OID", argv[0]);
    st = osd_create(s, t.pid, t.oid, &t.oid);
    return st ? report_failure(o, st) : created(o, t.pid, t.oid);
}

int verb_rm(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    osd_status st;

    if (argc == 2) {
        if (strcmp(argv[0], "partition") != 0 || !parse_number(argv[1], &t.pid))
            return usage_error("usage: osdctl rm partition PID");
        st = osd_remove_partition(s, t.pid, o->contents);
    } else {
        if (!parse_target(argv[0], &t) || t.oid == 0)
            return usage_error("\"%s\" is not PID/OID", argv[0]);
        st = osd_remove(s, t.pid, t.oid);
    }
    if (st)
        return report_failure(o, st);
    report_data(o, json_object());
    return 0;
}

/* ---- data ---- */

static int io_failure(const char *what)
{
    fprintf(stderr, "osdctl: %s: %s\n", what, strerror(errno));
    return EXIT_FAILED;
}

/* Whole buffers from a pipe as from a file. Returns bytes, 0 at the end, -1 on error. */
static ssize_t read_full(int fd, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, (char *)buf + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static bool write_full(int fd, const void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)buf + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static int send_file(const struct options *o, struct osd_session *s, int fd, struct target t,
                     const char *name, bool append)
{
    char *buf = malloc(CHUNK);
    uint64_t at = 0;
    osd_status st = OSD_OK;
    ssize_t n = 0;

    if (!buf)
        return io_failure("buffer");
    size_t part = append ? 1u << 20 : CHUNK;
    while (!st && (n = read_full(fd, buf, part)) > 0) {
        st = append ? osd_append(s, t.pid, t.oid, buf, (size_t)n, NULL)
                    : osd_write(s, t.pid, t.oid, at, buf, (size_t)n);
        at += (uint64_t)n;
    }
    free(buf);
    if (st)
        return report_failure(o, st);
    return n < 0 ? io_failure(name) : 0;
}

static int open_input(const char *name)
{
    return strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
}

int verb_put(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    osd_status st;
    int fd, rc;

    (void)argc;
    if (!parse_target(argv[1], &t) || t.pid == 0)
        return usage_error("\"%s\" is not PID or PID/OID", argv[1]);
    fd = open_input(argv[0]);
    if (fd < 0)
        return io_failure(argv[0]);
    st = osd_create(s, t.pid, t.oid, &t.oid);
    if (st == OSD_E_EXISTS && t.oid)
        st = osd_truncate(s, t.pid, t.oid, 0);
    rc = st ? report_failure(o, st) : send_file(o, s, fd, t, argv[0], false);
    close(fd);
    return rc ? rc : created(o, t.pid, t.oid);
}

int verb_append(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    int fd, rc;

    (void)argc;
    if (!parse_target(argv[1], &t) || t.oid == 0)
        return usage_error("\"%s\" is not PID/OID", argv[1]);
    fd = open_input(argv[0]);
    if (fd < 0)
        return io_failure(argv[0]);
    rc = send_file(o, s, fd, t, argv[0], true);
    close(fd);
    if (!rc)
        report_data(o, json_object());
    return rc;
}

static int fetch(const struct options *o, struct osd_session *s, struct target t, int fd,
                 const char *name, uint64_t *ret_len)
{
    char *buf = malloc(CHUNK);
    uint64_t at = 0;
    size_t n = CHUNK;
    osd_status st = OSD_OK;
    int rc = 0;

    if (!buf)
        return io_failure("buffer");
    while (n == CHUNK && !rc) {
        st = osd_read(s, t.pid, t.oid, at, buf, CHUNK, &n);
        if (st)
            break;
        if (!write_full(fd, buf, n))
            rc = io_failure(name);
        at += n;
    }
    free(buf);
    *ret_len = at;
    return st ? report_failure(o, st) : rc;
}

int verb_get(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    uint64_t len;
    int fd, rc;

    (void)argc;
    if (!parse_target(argv[0], &t) || t.oid == 0)
        return usage_error("\"%s\" is not PID/OID", argv[0]);
    fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return io_failure(argv[1]);
    rc = fetch(o, s, t, fd, argv[1], &len);
    if (close(fd) != 0 && !rc)
        rc = io_failure(argv[1]);
    if (!rc)
        report_data(o, json_pack("{s:I}", "length", (json_int_t)len));
    return rc;
}

int verb_cat(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct target t;
    uint64_t len;

    (void)argc;
    if (!parse_target(argv[0], &t) || t.oid == 0)
        return usage_error("\"%s\" is not PID/OID", argv[0]);
    return fetch(o, s, t, STDOUT_FILENO, "standard output", &len);
}

/* ---- attributes ---- */

static bool print_attr(void *arg, uint32_t page, uint32_t number, const void *value,
                       uint16_t len)
{
    const struct options *o = arg;
    json_t *hex = hex_json(value, len);

    if (o->json) {
        report_data(o, json_pack("{s:I, s:I, s:i, s:o}", "page", (json_int_t)page, "number",
                                 (json_int_t)number, "length", (int)len, "value", hex));
        return true;
    }
    printf("0x%08" PRIx32 " 0x%08" PRIx32 " %5u  %s\n", page, number, len,
           json_string_value(hex));
    json_decref(hex);
    return true;
}

static int attr_get(struct options *o, struct osd_session *s, struct target t, uint32_t page,
                    uint32_t number)
{
    char *value = malloc(0xffff);
    struct osd_attr_get g = {.page = page, .number = number, .value = value, .cap = 0xfffe};
    osd_status st = osd_get_attrs(s, t.pid, t.oid, &g, 1);
    int rc = 0;

    if (st) {
        rc = report_failure(o, st);
    } else if (!g.defined) {
        fprintf(stderr, "osdctl: attribute 0x%" PRIx32 " 0x%" PRIx32 " is not defined\n", page,
                number);
        rc = EXIT_NOT_FOUND;
    } else if (o->json) {
        print_attr(o, page, number, value, g.len);
    } else if (!write_full(STDOUT_FILENO, value, g.len)) {
        rc = io_failure("standard output");
    }
    free(value);
    return rc;
}

/* A value: text as it is, or 0x and hexadecimal digits. */
static bool parse_value(const char *s, uint8_t *dst, size_t cap, uint16_t *ret_len)
{
    size_t len = strlen(s);

    if (strncmp(s, "0x", 2) != 0) {
        if (len > cap)
            return false;
        memcpy(dst, s, len);
        *ret_len = (uint16_t)len;
        return true;
    }
    if (len % 2 || (len - 2) / 2 > cap || strspn(s + 2, "0123456789abcdefABCDEF") != len - 2)
        return false;
    for (size_t i = 2; i < len; i += 2) {
        char two[3] = {s[i], s[i + 1], 0};
        dst[i / 2 - 1] = (uint8_t)strtoul(two, NULL, 16);
    }
    *ret_len = (uint16_t)((len - 2) / 2);
    return true;
}

int verb_attr(struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint64_t page = 0xffffffff, number = 0;
    static uint8_t value[0xfffe];
    struct osd_attr set = {.value = value};
    struct target t;
    osd_status st;

    if (!parse_target(argv[1], &t))
        return usage_error("\"%s\" is not PID or PID/OID", argv[1]);
    if (argc >= 3 && (!parse_number(argv[2], &page) || page > UINT32_MAX))
        return usage_error("\"%s\" is not a page number", argv[2]);
    if (argc >= 4 && (!parse_number(argv[3], &number) || number > UINT32_MAX))
        return usage_error("\"%s\" is not an attribute number", argv[3]);
    if (strcmp(argv[0], "ls") == 0 && argc <= 3) {
        st = osd_each_attr(s, t.pid, t.oid, (uint32_t)page, print_attr, o);
        return st ? report_failure(o, st) : 0;
    }
    if (strcmp(argv[0], "get") == 0 && argc == 4)
        return attr_get(o, s, t, (uint32_t)page, (uint32_t)number);
    if (strcmp(argv[0], "set") != 0 || argc != 5)
        return usage_error("usage: osdctl attr ls ID [PAGE] | get ID PAGE NUMBER | set ID PAGE "
                           "NUMBER VALUE");
    if (!parse_value(argv[4], value, sizeof(value), &set.len))
        return usage_error("the value is too long or not hexadecimal");
    set.page = (uint32_t)page;
    set.number = (uint32_t)number;
    st = osd_set_attrs(s, t.pid, t.oid, &set, 1);
    if (st)
        return report_failure(o, st);
    report_data(o, json_object());
    return 0;
}

int verb_quota(struct options *o, struct osd_session *s, int argc, char **argv)
{
    static const struct shown quotas[] = {
        {"capacity", PAGE_P + 2, 0x10001, SHOW_NUMBER},
        {"objects", PAGE_P + 2, 0x10002, SHOW_NUMBER},
        {"length", PAGE_P + 2, 0x1, SHOW_NUMBER},
    };
    struct target t;
    uint8_t value[8];
    uint64_t limit;

    if (!parse_target(argv[0], &t) || t.pid == 0 || t.oid != 0)
        return usage_error("\"%s\" is not a partition id", argv[0]);
    if (argc == 1)
        return show_attributes(o, s, t, quotas, 3);
    if (argc != 3 || (strcmp(argv[2], "none") != 0 && !parse_size(argv[2], &limit)))
        return usage_error("usage: osdctl quota PID capacity|objects|length SIZE|none");
    if (strcmp(argv[2], "none") == 0)
        limit = UINT64_MAX;
    put_be(value, limit, sizeof(value));
    for (size_t i = 0; i < 3; i++)
        if (strcmp(argv[1], quotas[i].name) == 0) {
            struct osd_attr set = {quotas[i].page, quotas[i].number, value, sizeof(value)};
            osd_status st = osd_set_attrs(s, t.pid, 0, &set, 1);
            if (st)
                return report_failure(o, st);
            report_data(o, json_object());
            return 0;
        }
    return usage_error("\"%s\" is not a quota", argv[1]);
}

/* ---- the rest ---- */

int verb_flush(struct options *o, struct osd_session *s, int argc, char **argv)
{
    osd_status st = osd_flush(s);

    (void)argc;
    (void)argv;
    if (st)
        return report_failure(o, st);
    report_data(o, json_object());
    return 0;
}

int verb_format(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct osd_call c = {.verb = OSD_V_FORMAT};
    osd_status st;

    if (argc == 1 && !parse_size(argv[0], &c.length))
        return usage_error("\"%s\" is not a size", argv[0]);
    if (!o->yes)
        return usage_error("format removes everything on %s; say --yes", o->device);
    st = osd_execute(s, &c);
    if (st)
        return report_failure(o, st);
    report_data(o, json_object());
    return 0;
}

int verb_cp(struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint64_t pid;

    (void)argc;
    if (!o->recursive)
        return usage_error("cp copies trees: say -r (put and get are for single objects)");
    if (parse_number(argv[1], &pid))
        return copy_in(o, s, argv[0], pid);
    if (parse_number(argv[0], &pid))
        return copy_out(o, s, pid, argv[1]);
    return usage_error("one of the two has to be a partition id");
}

static void print_finding(void *arg, const char *line)
{
    const struct options *o = arg;

    if (o->json)
        report_data(o, json_pack("{s:s}", "finding", line));
    else
        puts(line);
}

int verb_check(struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct osd_options so = {.read_only = !o->repair};
    struct osd_check_result r;
    const char *path = argc ? argv[0] : o->device;
    char url[4096];
    osd_status st;

    if (!path)
        return usage_error("no store: give its directory or file:///path");
    snprintf(url, sizeof(url), "%s%s", path[0] == '/' ? "file://" : "", path);
    st = osd_open(url, &so, &s);
    if (st)
        return report_failure(o, st);
    st = osd_check(s, o->repair, print_finding, o, &r);
    osd_close(s);
    if (st)
        return report_failure(o, st);
    if (!o->json)
        printf("%" PRIu64 " partitions, %" PRIu64 " objects, %" PRIu64 " attributes, %" PRIu64
               " bytes checked: %" PRIu64 " findings, %" PRIu64 " repaired\n",
               r.partitions, r.objects, r.attributes, r.bytes, r.findings, r.repaired);
    report_data(o,
                json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "partitions", (json_int_t)r.partitions,
                          "objects", (json_int_t)r.objects, "attributes",
                          (json_int_t)r.attributes, "bytes", (json_int_t)r.bytes, "findings",
                          (json_int_t)r.findings, "repaired", (json_int_t)r.repaired));
    return r.findings > r.repaired ? EXIT_INTEGRITY : 0;
}

int verb_explain(struct options *o, struct osd_session *s, int argc, char **argv)
{
    static const char *const codes[] = {
        "success",        "failure",         "usage error",        "not found",
        "exists already", "access denied",   "target unreachable", "busy",
        "no space",       "integrity error", "some items failed",  "protocol error",
        "interrupted"};
    uint8_t sense[252];
    uint16_t len;
    uint64_t n;
    char text[300], hex[600];

    (void)s;
    (void)argc;
    if (parse_number(argv[0], &n) && n < sizeof(codes) / sizeof(codes[0]) &&
        strlen(argv[0]) < 3) {
        snprintf(text, sizeof(text), "%s", codes[n]);
    } else {
        snprintf(hex, sizeof(hex), "0x%s", argv[0]);
        if (!parse_value(hex, sense, sizeof(sense), &len))
            return usage_error("\"%s\" is neither an exit code nor sense data in hexadecimal",
                               argv[0]);
        osd_explain_sense(sense, len, text, sizeof(text));
    }
    if (!o->json)
        puts(text);
    report_data(o, json_pack("{s:s}", "text", text));
    return 0;
}
