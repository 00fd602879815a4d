/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/options.h - the command line of a program of the bench, as a table
 *
 * Every option is long. An option's kind follows from what its value points to, which holds the default
 * before and what was given after.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_kind { BENCH_FLAG, BENCH_TEXT, BENCH_INT, BENCH_UNSIGNED, BENCH_NUMBER };

struct bench_option {
    const char *name, *argument; /* argument: what stands for it in the usage; NULL: a flag */
    enum bench_kind kind;
    void *value;
    uint64_t least, most; /* of a number */
    const char *help;     /* NULL: the name says it */
};

/** An entry: name, argument, where the value goes (bool, const char *, int, unsigned or uint64_t), help. */
#define BENCH_OPTION(name, argument, value, help)                                              \
    BENCH_OPTION_FROM(name, argument, value, 0, UINT64_MAX, help)

/** ... a number of these bounds. */
#define BENCH_OPTION_FROM(name, argument, value, least, most, help)                              \
    {                                                                                            \
        name, argument,                                                                        \
            _Generic((value),                                                                  \
            bool *: BENCH_FLAG,                                                                \
            const char **: BENCH_TEXT,                                                         \
            int *: BENCH_INT,                                                                  \
            unsigned *: BENCH_UNSIGNED,                                                        \
            uint64_t *: BENCH_NUMBER),                                                         \
            value, least, most, help \
    }

/** Set the values from the command line. --help prints the usage and ends the program with 0; what is
 *  not in the table, no number or out of its bounds ends it with 2 and says what was wrong. */
void bench_options(int argc, char **argv, const struct bench_option *all, size_t n);

#endif
