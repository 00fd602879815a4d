/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/conform.h - the conformance suite: cases of the standard, run against a device
 *
 * A case is a few commands with what the standard demands of their answers, written in scripts
 * (docs/conform.md). The project's scripts are part of this room; others can be given. Only a
 * destructive run changes anything outside of partitions that it makes and removes.
 */
#ifndef CONFORM_CONFORM_H
#define CONFORM_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

/** A command on its way to the device, and its answer on the way back. */
struct conform_exchange {
    uint8_t *cdb;
    size_t cdb_len;
    uint8_t *out; /* Data-Out */
    size_t out_len;
    bool in_case;  /* a command of a case; otherwise one that prepares for it or clears up */
    bool answered; /* the rest counts */
    uint8_t status;
    uint8_t *sense; /* room for 252 bytes */
    size_t sense_len;
    uint8_t *in;     /* Data-In */
    uint64_t in_len; /* of it carried; may be made smaller */
};

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
    const char *why;    /* what is wrong, or why it was skipped; "" */
    /* Of the command that failed; "" otherwise. */
    const char *command;  /* as the script says it, variables replaced */
    const char *cdb;      /* hexadecimal */
    const char *out;      /* Data-Out: length and first bytes */
    const char *expected; /* the expectation that did not hold */
    const char *got;      /* status and sense data */
};

struct conform_options {
    const char *url;
    const char *const *scripts; /* files; NULL: the project's own */
    size_t n_scripts;
    const char *const *filters; /* part of a name, or "clause:2.4"; any of them; NULL: all */
    size_t n_filters;
    bool list_only; /* run nothing: every case is reported as skipped */
    bool
        destructive; /* FORMAT OSD before every case, and everything a case wants; otherwise only
                         what stays within partitions of the run's own. memory: always is */
    bool create;     /* file: URLs: make the store if there is none */
    const char *key_file; /* master key of the device, for cases that sign; NULL: these are
                             skipped (memory: makes a key of its own) */
    /* Called before each command and after it; may change what it sees. NULL: none. */
    void (*tamper)(void *arg, struct conform_exchange *x);
    void *tamper_arg;
    void (*report)(void *arg, const struct conform_result *r);
    void *arg;
    bool (*stopped)(void); /* asked before each case: true ends the run; NULL: none does */
};

struct conform_totals {
    size_t passed, failed, skipped;
};

/**
 * Run.
 *
 * @param ret set only on success. Cases that fail are a result, not an error.
 * @return OSD_OK; OSD_E_INTERRUPTED (stopped); OSD_E_INVALID (script or URL); OSD_E_NOT_FOUND (a script file, or no case
 *         matches); OSD_E_UNREACHABLE and the like from the transport. A sentence in reason.
 *
 * One run at a time in a process.
 */
osd_status conform_run(const struct conform_options *opt, struct conform_totals *ret,
                       char *reason, size_t reason_len);

#endif
