/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/figures.h - series of measurements, their medians, and how they are written down
 *
 * One line of a Markdown table on stdout and one object of JSON per series: name, what, unit,
 * median, min, max, target (0 = none), rounds (every value in order).
 */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define BENCH_MAX_ROUNDS 99

struct bench_series {
    double v[BENCH_MAX_ROUNDS];
    unsigned n;
};

/** What goes beyond BENCH_MAX_ROUNDS is dropped. */
void bench_series_add(struct bench_series *s, double v);

/** Round by round a / b; as long as the shorter one. */
struct bench_series bench_series_ratio(const struct bench_series *a,
                                       const struct bench_series *b);

/** Head of a table. */
void bench_report_head(const char *title);

/** Line of a table and entry of list. at_most: the target is a limit, not a minimum. */
void bench_report(json_t *list, const char *name, const char *what, const char *unit,
                  const struct bench_series *s, double target, bool at_most);

/** A number beside the last entry of list. */
void bench_report_tag(json_t *list, const char *key, uint64_t value);

/** Machine and date, printed and put into root. */
void bench_describe(json_t *root);

/** Give root away, to a file unless that is NULL. */
void bench_write(json_t *root, const char *path);

#endif
