/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/options.c - see options.h
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST  32u /* options of a program */
#define WIDTH 79u
#define HELP  MOST /* what getopt_long() answers for --help */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void print_usage(FILE *to, const char *program, const struct bench_option *all, size_t n)
{
    int indent = fprintf(to, "usage: %s", program);
    size_t column = (size_t)indent;
    char one[128];

    for (size_t i = 0; i < n; i++) {
        const struct bench_option *o = &all[i];
        snprintf(one, sizeof(one), o->argument ? "[--%s %s]" : "[--%s]", o->name, o->argument);
        if (column + 1 + strlen(one) > WIDTH)
            column = (size_t)fprintf(to, "\n%*s", indent, "") - 1;
        column += (size_t)fprintf(to, " %s", one);
    }
    fputc('\n', to);
    for (size_t i = 0; i < n; i++)
        if (all[i].help)
            fprintf(to, "  --%-10s %s\n", all[i].name, all[i].help);
}

static uint64_t most_of(const struct bench_option *o)
{
    uint64_t most = o->kind == BENCH_INT        ? INT_MAX
                    : o->kind == BENCH_UNSIGNED ? UINT_MAX
                                                : UINT64_MAX;

    return o->most < most ? o->most : most;
}

/* A decimal number within the option's bounds. */
static bool is_number(const struct bench_option *o, const char *text, uint64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *ret >= o->least &&
           *ret <= most_of(o);
}

static bool set(const struct bench_option *o, const char *text)
{
    uint64_t n = 0;

    if (o->kind > BENCH_TEXT && !is_number(o, text, &n))
        return false;
    switch (o->kind) {
    case BENCH_FLAG:
        *(bool *)o->value = true;
        break;
    case BENCH_TEXT:
        *(const char **)o->value = text;
        break;
    case BENCH_INT:
        *(int *)o->value = (int)n;
        break;
    case BENCH_UNSIGNED:
        *(unsigned *)o->value = (unsigned)n;
        break;
    case BENCH_NUMBER:
        *(uint64_t *)o->value = n;
        break;
    }
    return true;
}

/* One option of the command line; false when there are no more. */
static bool take_one(int argc, char **argv, const struct option *longs,
                     const struct bench_option *all, size_t n)
{
    const char *program = base_name(argv[0]);
    int c = getopt_long(argc, argv, "", longs, NULL);

    if (c == (int)HELP) {
        print_usage(stdout, program, all, n);
        exit(0);
    }
    if (c >= 0 && c < (int)n && !set(&all[c], optarg)) {
        fprintf(stderr, "%s: --%s takes a number from %llu to %llu, not %s\n", program,
                all[c].name, (unsigned long long)all[c].least,
                (unsigned long long)most_of(&all[c]), optarg);
        exit(2);
    }
    if (c == '?' || (c < 0 && optind != argc)) {
        print_usage(stderr, program, all, n);
        exit(2);
    }
    return c >= 0;
}

void bench_options(int argc, char **argv, const struct bench_option *all, size_t n)
{
    struct option longs[MOST + 2] = {0};

    assert(n <= MOST);
    for (size_t i = 0; i < n; i++)
        longs[i] = (struct option){all[i].name, all[i].kind != BENCH_FLAG, NULL, (int)i};
    longs[n] = (struct option){"help", 0, NULL, (int)HELP};
    while (take_one(argc, argv, longs, all, n))
        ;
}
