/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/osdctl.h - what the files of osdctl share: options, output, arguments, local
 * files
 *
 * A verb writes its results through the functions under "output" and returns its exit code.
 * Invariants: (1) With --json exactly one JSON document goes to standard output, whatever
 * happens (docs/json.md). (2) A verb reports a failure once.
 */
#ifndef OSDCTL_OSDCTL_H
#define OSDCTL_OSDCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "osd/osd.h"

struct options {
    const char *device;
    bool destructive, tap; /* conform */
    const char *only;      /* conform: filters with commas between them */
    bool recursive, yes, repair, contents, long_list, create, quiet, dry_run;
    int generation;
    const char *key, *credential; /* files */
    const char *secmgr;           /* URLs; then files: */
    const char *secmgr_ca, *secmgr_cert, *secmgr_key;
    int method;           /* with key: 1-3, 0 = default; -1: a store may be made without */
    int integrity;        /* with key: enum osd_integrity */
    int progress_fd;      /* -1: none asked for */
    uint64_t count;       /* ping: how many; 0 = until interrupted */
    uint64_t interval_ms; /* ping: between two */
    uint64_t capacity;
    uint64_t into; /* query: the matches collection; 0: none */
};

struct target {
    uint64_t pid, oid;
};

/* ---- output (output.c) ---- */

/** Exit codes; osdctl(1) and `osdctl explain N` say what they mean. */
enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_EXISTS = 4,
    EXIT_DENIED = 5,
    EXIT_UNREACHABLE = 6,
    EXIT_BUSY = 7,
    EXIT_NO_SPACE = 8,
    EXIT_INTEGRITY = 9,
    EXIT_PARTIAL = 10,
    EXIT_PROTOCOL = 11,
    EXIT_INTERRUPTED = 12
};

/** Sentence for an exit code; NULL when osdctl has no such code. */
const char *exit_code_text(uint64_t code);

/** Whether results go out as JSON; set once by the command line. */
extern bool json_output;

/** End with a failure; the exit code is returned. fail() takes the sentence of
 *  osd_last_error(), fail_with() its own, fail_errno() "what: reason". */
int fail(osd_status st);
int fail_with(osd_status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int fail_errno(const char *what);
/** The status that stands for an errno of a local file. */
osd_status errno_status(int error);
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** The same of a file, about which --help says nothing. */
int malformed(const char *message);

/** End with success; data is what --json shows (the reference is taken). Returns 0. */
int succeed(json_t *data);

/** Results one by one: between open and the end items are printed as they come. The end is
 *  list_close() with further members of the data and the exit code's status (OSD_OK or what a
 *  message says about the whole), or a fail function. Text output is the verb's own. */
void list_open(const char *name);
void list_item(json_t *item);
int list_close(json_t *members, osd_status st, const char *message);

/** Base64 of an object as the member "content_base64"; len a multiple of 3 except in the last
 *  call. Ends like a list. */
void content_open(void);
void content_add(const uint8_t *data, size_t len);

/** Text that others chose, to a terminal: control characters and backslashes as \\ooo. */
void print_clean(FILE *f, const char *s);
/** A JSON string of text that need not be UTF-8: other bytes become U+FFFD. */
json_t *json_text(const char *s, size_t len);
/** A JSON string of hexadecimal digits. */
json_t *json_hex(const uint8_t *p, size_t len);
/** A JSON number, or null for the value that means "no limit". */
json_t *json_limit(uint64_t v);

/* ---- arguments (arguments.c) ---- */

/** "0x10000/0x10005" or "0x10000"; decimal too. False when malformed. */
bool parse_target(const char *s, struct target *ret);
/** An id that the device or its user chooses: 0, or at least FIRST_ID. */
#define FIRST_ID 0x10000u
bool new_id(uint64_t id);
/** The usage error for an id that new_id() refuses. */
int too_small(uint64_t id);
/** Number with k, m, g, t (binary). */
bool parse_size(const char *s, uint64_t *ret);
/** Attribute value: 0x and pairs of hexadecimal digits, or text as it is (text: after "text:"
 *  if it begins with 0x). */
bool parse_value(const char *s, uint8_t *dst, size_t cap, uint16_t *ret_len);
/** Pairs of hexadecimal digits. */
bool parse_hex(const char *s, uint8_t *dst, size_t cap, size_t *ret_len);

#define TARGET_NAME_LEN 48
/** "0x10000/0x10005", without the object when oid is 0. */
const char *target_name(char dst[TARGET_NAME_LEN], uint64_t pid, uint64_t oid);

/* ---- local files (files.c) ---- */

/** Before anything is opened: a standard stream that is closed becomes one whose use fails. */
void hold_standard_streams(void);
/** Whether a descriptor is open for writing. */
bool is_output(int fd);
/** Whole buffers from a pipe as from a file. Bytes read, fewer at the end; -1 with errno, EINTR
 *  once interrupted(). */
ssize_t read_full(int fd, void *buf, size_t len);
/** False with errno set. */
bool write_full(int fd, const void *buf, size_t len);
/** The same for bytes of a device: a terminal gets its control characters, but for new line and
 *  tab, as \\ and three octal digits. */
bool write_content(int fd, const void *buf, size_t len);
/** What messages call a file: "-" is the standard stream. */
const char *input_name(const char *name);
const char *output_name(const char *name);
/** "-" is standard input. Directories are refused. -1 with errno. */
int open_input(const char *name);
/** "-" is standard output. *ret_new: the file was made by this call. -1 with errno. */
int open_output(const char *name, bool *ret_new);

/* ---- signals (interrupt.c) ---- */

/** From now on SIGINT, SIGTERM and SIGHUP are noted; a second one ends the program as usual.
 *  Signals that the caller of osdctl has ignored stay so. */
void catch_interrupts(void);
bool interrupted(void);

/* ---- numbers in attribute values ---- */

static inline uint64_t be_get(const uint8_t *p, size_t len)
{
    uint64_t v = 0;

    for (size_t i = 0; i < len; i++)
        v = v << 8 | p[i];
    return v;
}

static inline void be_put(uint8_t *dst, uint64_t v, size_t len)
{
    for (size_t i = len; i-- > 0; v >>= 8)
        dst[i] = (uint8_t)v;
}

/* Attribute pages (OSD-2 7.1.2): bases by kind of object, then offsets. */
#define PAGE_USER       0x00000000u
#define PAGE_PARTITION  0x30000000u
#define PAGE_COLLECTION 0x60000000u
#define PAGE_ROOT       0x90000000u
#define INFORMATION     0x1u
#define QUOTAS          0x2u
#define TIMESTAMPS      0x3u
#define SECURITY        0x5u
#define RECOVERY        0x6u
#define LOGICAL_LENGTH  0x82u    /* in user object information */
#define OWN_PAGES       0x10000u /* pages that clients define: from base + this */
#define OWN_PAGES_LAST  0x1fffffffu

#endif
