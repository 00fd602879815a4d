/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/script.h - a script of cases, read (docs/conform.md has the language)
 *
 * Invariants:
 *  (1) What a struct script names lives as long as the script.
 *  (2) A case has at least one step, an each-table at least one row, a row as many values as the
 *      table has names: script_parse() refuses everything else.
 */
#ifndef CONFORM_SCRIPT_H
#define CONFORM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "osd/status.h"
#include "words.h"

#define EACH_MAX   4
#define NAMES_MAX  6
#define ROWS_MAX   256
#define STEPS_MAX  256
#define EXPECT_MAX 16

/** A command line and what is expected of it. let: "let NAME = VALUE" instead of a command. until:
 *  again and again until it is so. */
struct script_step {
    unsigned line;
    const char *text;
    bool let, until;
    const char *expect[EXPECT_MAX];
    size_t n_expect;
};

/** A table: a case is run once for each row. */
struct script_each {
    const char *names[NAMES_MAX];
    size_t n_names, n_key; /* n_key columns tell the rows apart and are in the name */
    const char **values;   /* n_rows * n_names */
    size_t n_rows;
};

struct script_case {
    const char *name, *title;
    const char *clause; /* section of the reference */
    const char *covers; /* row of docs/coverage.md */
    unsigned line;
    unsigned generations; /* bit 1: OSD-1, bit 2: OSD-2 */
    bool in_process;      /* cannot be brought through a kernel target */
    bool needs_key;       /* signs: the device's master key has to be known */
    bool changes_master;  /* the device's master key is another one afterwards */
    bool whole_device;    /* looks at what the whole device holds */
    struct script_each each[EACH_MAX];
    size_t n_each;
    struct script_step *steps;
    size_t n_steps;
    struct script_case *next;
};

struct script {
    char name[64]; /* file name without directory and extension */
    struct script_case *cases;
    void *arena;
};

/**
 * Parse.
 *
 * @param text len bytes.
 * @return OSD_OK; OSD_E_INVALID with file, line and a sentence in reason; OSD_E_NOMEM.
 */
osd_status script_parse(const char *file, const char *text, size_t len, struct script **ret,
                        char *reason, size_t reason_len);
void script_free(struct script *s);

/** How many instances a case has in one generation. */
size_t script_instances(const struct script_case *c);

/** Variables of instance i; suffix gets "[a,b]" or "". */
bool script_bind(const struct script_case *c, size_t i, struct vars *vars, char *suffix,
                 size_t suffix_len);

#endif
