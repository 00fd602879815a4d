/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/figures.c - see figures.h
 */
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

void bench_series_add(struct bench_series *s, double v)
{
    if (s->n < BENCH_MAX_ROUNDS)
        s->v[s->n++] = v;
}

struct bench_series bench_series_ratio(const struct bench_series *a,
                                       const struct bench_series *b)
{
    struct bench_series r = {.n = a->n < b->n ? a->n : b->n};

    for (unsigned i = 0; i < r.n; i++)
        r.v[i] = a->v[i] / b->v[i];
    return r;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct bench_series sorted(const struct bench_series *s)
{
    struct bench_series r = *s;

    qsort(r.v, r.n, sizeof(r.v[0]), compare);
    return r;
}

void bench_report_head(const char *title)
{
    printf("\n| %-50s | %9s | %21s | %-16s |\n|---|---|---|---|\n", title, "median", "spread",
           "goal");
}

void bench_report(json_t *list, const char *name, const char *what, const char *unit,
                  const struct bench_series *s, double target, bool at_most)
{
    struct bench_series o = sorted(s);
    double m = o.v[o.n / 2];
    json_t *raw = json_array();
    char goal[32] = "";

    for (unsigned i = 0; i < s->n; i++)
        json_array_append_new(raw, json_real(s->v[i]));
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:o}", "name", name,
                                    "what", what, "unit", unit, "median", m, "min", o.v[0],
                                    "max", o.v[o.n - 1], "target", target, "rounds", raw));
    if (target > 0)
        snprintf(goal, sizeof(goal), "%s %6.2f  %s", at_most ? "<=" : ">=", target,
                 (at_most ? m <= target : m >= target) ? "yes" : "NO");
    printf("| %-50s | %9.2f | %9.2f - %9.2f | %-16s |\n", what, m, o.v[0], o.v[o.n - 1], goal);
    fflush(stdout);
}

void bench_report_tag(json_t *list, const char *key, uint64_t value)
{
    json_t *row = json_array_get(list, json_array_size(list) - 1);

    json_object_set_new(row, key, json_integer((json_int_t)value));
}

void bench_describe(json_t *root)
{
    time_t now = time(NULL);
    struct tm tm;
    struct utsname u;
    char date[32], line[256], cpu[256] = "unknown";
    FILE *f = fopen("/proc/cpuinfo", "r");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "model name : %255[^\n]", cpu) == 1)
            break;
    if (f)
        fclose(f);
    uname(&u);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%MZ", &tm);
    printf("%s, %ld CPUs, Linux %s, %s\n", cpu, cpus, u.release, date);
    json_object_set_new(
        root, "machine",
        json_pack("{s:s, s:i, s:s}", "cpu", cpu, "cpus", (int)cpus, "kernel", u.release));
    json_object_set_new(root, "date", json_string(date));
}

void bench_write(json_t *root, const char *path)
{
    if (path && json_dump_file(root, path, JSON_INDENT(1)) != 0)
        bench_die("cannot write %s", path);
    json_decref(root);
}
