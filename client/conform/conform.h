/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/conform.h - the conformance suite: cases of the standard, run against a device
 *
 * A case is a few commands with what the standard demands of their answers, written in scripts
 * (docs/conform.md). The project's scripts are part of this room; others can be given. A run
 * formats the device before every case: everything on it is lost.
 */
#ifndef CONFORM_CONFORM_H
#define CONFORM_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

enum conform_outcome { CONFORM_PASSED, CONFORM_FAILED, CONFORM_SKIPPED };

/** One case in one generation, with one row of its tables. */
struct conform_result {
    const char *name;   /* "script/case[row]" */
    const char *title;  /* one sentence */
    const char *clause; /* section of docs/osd-reference, "2.4" */
    const char *covers; /* row of docs/coverage.md */
    int generation;
    enum conform_outcome outcome;
    const char *script; /* file */
    unsigned line;      /* of the command that failed */
    const char *why;    /* what was found, or why it was skipped; "" */
};

struct conform_options {
    const char *url;
    const char *const *scripts; /* files; NULL: the project's own */
    size_t n_scripts;
    const char *const *filters; /* part of a name, or "clause:2.4"; any of them; NULL: all */
    size_t n_filters;
    bool list_only; /* run nothing: every case is reported as skipped */
    void (*report)(void *arg, const struct conform_result *r);
    void *arg;
};

struct conform_totals {
    size_t passed, failed, skipped;
};

/**
 * Run.
 *
 * @param ret set only on success. Cases that fail are a result, not an error.
 * @return OSD_OK; OSD_E_INVALID (script or URL); OSD_E_NOT_FOUND (a script file, or no case
 *         matches); OSD_E_UNREACHABLE and the like from the transport. A sentence in reason.
 *
 * One run at a time in a process.
 */
osd_status conform_run(const struct conform_options *opt, struct conform_totals *ret,
                       char *reason, size_t reason_len);

#endif
