/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/output.c - results, failures and exit codes, as text or as one JSON document
 *
 * The document is written front to back, so that long lists need no memory:
 *   {"schema":"osdctl/1","data":{"NAME":[item,item],...},"ok":true}
 * Invariant: `open` says which brackets are open; the functions that end the document close
 * them first.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "osdctl.h"

bool json_output;

static enum { NOTHING_OPEN, LIST_OPEN, CONTENT_OPEN } open_part;
static bool first_item;

/* ---- exit codes ---- */

static const int exit_codes[OSD_STATUS_MAX] = {
    [OSD_OK] = 0,
    [OSD_E_NOMEM] = EXIT_FAILED,
    [OSD_E_INVALID] = EXIT_FAILED,
    [OSD_E_NOT_FOUND] = EXIT_NOT_FOUND,
    [OSD_E_EXISTS] = EXIT_EXISTS,
    [OSD_E_NOT_EMPTY] = EXIT_FAILED,
    [OSD_E_QUOTA] = EXIT_NO_SPACE,
    [OSD_E_NO_SPACE] = EXIT_NO_SPACE,
    [OSD_E_DENIED] = EXIT_DENIED,
    [OSD_E_PAST_END] = EXIT_FAILED,
    [OSD_E_IO] = EXIT_FAILED,
    [OSD_E_CORRUPT] = EXIT_INTEGRITY,
    [OSD_E_BUSY] = EXIT_BUSY,
    [OSD_E_UNREACHABLE] = EXIT_UNREACHABLE,
    [OSD_E_PROTOCOL] = EXIT_PROTOCOL,
    [OSD_E_TIMEOUT] = EXIT_BUSY,
    [OSD_E_UNSUPPORTED] = EXIT_FAILED,
    [OSD_E_VERSION] = EXIT_FAILED,
    [OSD_E_INTERRUPTED] = EXIT_INTERRUPTED,
    [OSD_E_PARTIAL] = EXIT_PARTIAL,
};

static const char *const exit_texts[] = {
    [0] = "success",
    [EXIT_FAILED] = "failure",
    [EXIT_USAGE] = "usage error",
    [EXIT_NOT_FOUND] = "not found",
    [EXIT_EXISTS] = "exists already",
    [EXIT_DENIED] = "access denied",
    [EXIT_UNREACHABLE] = "target unreachable",
    [EXIT_BUSY] = "busy or no answer in time",
    [EXIT_NO_SPACE] = "no space or quota exceeded",
    [EXIT_INTEGRITY] = "data or store damaged",
    [EXIT_PARTIAL] = "some items failed",
    [EXIT_PROTOCOL] = "the peer broke the protocol",
    [EXIT_INTERRUPTED] = "interrupted",
};

static int exit_code(osd_status st)
{
    return (unsigned)st < OSD_STATUS_MAX ? exit_codes[st] : EXIT_FAILED;
}

const char *exit_code_text(uint64_t code)
{
    return code < sizeof(exit_texts) / sizeof(exit_texts[0]) ? exit_texts[code] : NULL;
}

/* ---- text ---- */

/* Bytes of the UTF-8 character that p begins with, 1 for what is none; 0: a terminal would obey
 * the byte instead of showing it (C0 and C1 controls). */
static size_t shown_bytes(const uint8_t *p, size_t len)
{
    size_t n = p[0] >= 0xf0 && p[0] < 0xf5   ? 4
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                                             : 1;

    for (size_t i = 1; i < n; i++)
        if (i >= len || (p[i] & 0xc0) != 0x80)
            n = 1;
    if (n == 1)
        return p[0] >= 0x20 && p[0] != 0x7f && (p[0] < 0x80 || p[0] >= 0xa0);
    return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

void print_clean(FILE *f, const char *s)
{
    size_t len = strlen(s), n;

    for (; len > 0; s += n ? n : 1, len -= n ? n : 1) {
        n = *s == '\\' ? 0 : shown_bytes((const uint8_t *)s, len);
        if (n)
            fwrite(s, 1, n, f);
        else
            fprintf(f, "\\%03o", (unsigned char)*s);
    }
}

bool write_content(int fd, const void *buf, size_t len)
{
    const uint8_t *p = buf;
    char octal[5];
    size_t n;

    if (!isatty(fd))
        return write_full(fd, buf, len);
    while (len > 0) {
        bool line = *p == '\n' || *p == '\t';
        n = line ? 1 : shown_bytes(p, len);
        snprintf(octal, sizeof(octal), "\\%03o", *p);
        if (!write_full(fd, n ? (const char *)p : octal, n ? n : 4))
            return false;
        p += n ? n : 1;
        len -= n ? n : 1;
    }
    return true;
}

static void print_message(const char *message)
{
    fflush(stdout);
    fputs("osdctl: ", stderr);
    print_clean(stderr, message);
    putc('\n', stderr);
}

/* ---- pieces of the document ---- */

static void print_value(json_t *v)
{
    json_dumpf(v, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    json_decref(v);
}

/* Members of an object without its braces; takes the reference. */
static void print_members(json_t *o)
{
    const char *key;
    json_t *v;

    json_object_foreach(o, key, v)
    {
        putchar(',');
        print_value(json_string(key));
        putchar(':');
        print_value(json_incref(v));
    }
    json_decref(o);
}

static void print_head(void)
{
    fputs("{\"schema\":\"osdctl/1\"", stdout);
}

/* What is open of "data", closed; members (may be NULL) come into it. */
static void close_data(json_t *members)
{
    fputs(open_part == LIST_OPEN ? "\n]" : "\"", stdout);
    print_members(members ? members : json_object());
    putchar('}');
    open_part = NOTHING_OPEN;
}

static void print_end(int code, const char *status, const char *message)
{
    if (code) {
        json_t *error = json_pack("{s:i, s:s, s:o}", "code", code, "status", status, "message",
                                  json_text(message, strlen(message)));
        fputs(",\"ok\":false,\"error\":", stdout);
        print_value(error);
    } else {
        fputs(",\"ok\":true", stdout);
    }
    puts("}");
}

/* ---- ends ---- */

static int end_failed(int code, const char *status, const char *message)
{
    if (json_output) {
        if (open_part == NOTHING_OPEN)
            print_head();
        else
            close_data(NULL);
        print_end(code, status, message);
    } else {
        print_message(message);
    }
    return code;
}

int fail(osd_status st)
{
    return end_failed(exit_code(st), osd_status_name(st), osd_last_error());
}

int fail_with(osd_status st, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return end_failed(exit_code(st), osd_status_name(st), text);
}

osd_status errno_status(int error)
{
    static const struct {
        int error;
        osd_status status;
    } known[] = {{ENOENT, OSD_E_NOT_FOUND}, {EACCES, OSD_E_DENIED},    {EPERM, OSD_E_DENIED},
                 {ENOSPC, OSD_E_NO_SPACE},  {EDQUOT, OSD_E_NO_SPACE},  {ENOMEM, OSD_E_NOMEM},
                 {EEXIST, OSD_E_EXISTS},    {EINTR, OSD_E_INTERRUPTED}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].error == error)
            return known[i].status;
    return OSD_E_IO;
}

int fail_errno(const char *what)
{
    int error = errno;

    return fail_with(errno_status(error), "%s: %s", what[0] ? what : "\"\"",
                     error == EINTR ? "interrupted" : strerror(error));
}

int usage_error(const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text) - 32, fmt, ap);
    va_end(ap);
    strncat(text, "; see osdctl --help", sizeof(text) - strlen(text) - 1);
    return end_failed(EXIT_USAGE, "usage", text);
}

int malformed(const char *message)
{
    return end_failed(EXIT_USAGE, "usage", message);
}

int succeed(json_t *data)
{
    if (json_output) {
        print_head();
        fputs(",\"data\":", stdout);
        print_value(json_incref(data));
        print_end(0, NULL, NULL);
    }
    json_decref(data);
    return 0;
}

/* ---- lists and contents ---- */

void list_open(const char *name)
{
    if (!json_output)
        return;
    print_head();
    printf(",\"data\":{\"%s\":[", name);
    open_part = LIST_OPEN;
    first_item = true;
}

void list_item(json_t *item)
{
    if (!json_output) {
        json_decref(item);
        return;
    }
    fputs(first_item ? "\n" : ",\n", stdout);
    first_item = false;
    print_value(item);
}

int list_close(json_t *members, osd_status st, const char *message)
{
    if (json_output) {
        close_data(json_incref(members));
        print_end(exit_code(st), osd_status_name(st), message);
    } else if (st) {
        print_message(message);
    }
    json_decref(members);
    return exit_code(st);
}

void content_open(void)
{
    print_head();
    fputs(",\"data\":{\"content_base64\":\"", stdout);
    open_part = CONTENT_OPEN;
}

void content_add(const uint8_t *p, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16;
        v |= i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0;
        v |= i + 2 < len ? p[i + 2] : 0;
        putchar(digits[v >> 18]);
        putchar(digits[v >> 12 & 63]);
        putchar(i + 1 < len ? digits[v >> 6 & 63] : '=');
        putchar(i + 2 < len ? digits[v & 63] : '=');
    }
}

/* ---- values ---- */

json_t *json_text(const char *s, size_t len)
{
    json_t *whole = json_stringn(s, len), *v;
    char *clean;
    size_t n = 0;

    if (whole)
        return whole;
    clean = malloc(3 * len + 1);
    if (!clean)
        return json_string("?");
    for (size_t i = 0; i < len;) {
        size_t good = 4 < len - i ? 4 : len - i;
        json_t *one = NULL;
        while (good > 0 && !(one = json_stringn(s + i, good)))
            good--;
        json_decref(one);
        memcpy(clean + n, good ? s + i : "\xef\xbf\xbd", good ? good : 3);
        n += good ? good : 3;
        i += good ? good : 1;
    }
    v = json_stringn(clean, n);
    free(clean);
    return v;
}

json_t *json_hex(const uint8_t *p, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * len + 1);
    json_t *v;

    if (!text)
        return json_null();
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[p[i] >> 4];
        text[2 * i + 1] = digits[p[i] & 15];
    }
    v = json_stringn(text, 2 * len);
    free(text);
    return v;
}

json_t *json_limit(uint64_t v)
{
    return v > INT64_MAX ? json_null() : json_integer((json_int_t)v);
}
