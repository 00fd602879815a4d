/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/osdctl.h - what the files of osdctl share: options, exit codes, output
 */
#ifndef OSDCTL_OSDCTL_H
#define OSDCTL_OSDCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "osd/osd.h"

/* Exit codes; documented in osdctl(1). */
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

/* Client pages that osdctl uses (docs/tree-format.md). */
#define PAGE_TREE     0x00010000u
#define TREE_PATH     1u
#define TREE_MODE     2u
#define TREE_MTIME    3u
#define TREE_TYPE     4u
#define TREE_COMPLETE 5u

struct options {
    const char *device;
    bool json, recursive, yes, repair, contents, long_list, create, quiet;
    int generation;
    int progress_fd; /* -1: none asked for */
    uint64_t capacity;
};

struct target {
    uint64_t pid, oid;
};

/** Exit code of a status. */
int exit_code(osd_status st);

/** Report a failure once: text on stderr, or the error object on stdout with --json. Returns
 * the exit code. */
int report_failure(const struct options *o, osd_status st);
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Print the data of a success with --json (takes the reference); nothing otherwise. */
void report_data(const struct options *o, json_t *data);

/** "0x10000" or "0x10000/0x10005"; decimal too. False when malformed. */
bool parse_target(const char *s, struct target *ret);
bool parse_number(const char *s, uint64_t *ret);
/** Number with k, m, g, t (binary). */
bool parse_size(const char *s, uint64_t *ret);

/** Copy a tree into or out of a partition (tree.c). Returns the exit code. */
int copy_in(const struct options *o, struct osd_session *s, const char *path, uint64_t pid);
int copy_out(const struct options *o, struct osd_session *s, uint64_t pid, const char *path);

#endif
