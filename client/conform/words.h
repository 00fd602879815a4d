/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/words.h - lines of a script: words, variables
 */
#ifndef CONFORM_WORDS_H
#define CONFORM_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 96
#define LINE_MAX_ 8192 /* characters of a line, variables replaced */
#define VARS_MAX  64
#define VALUE_MAX 640 /* bytes of a value, among them a Diffie-Hellman value as hex(...) */

/** A line cut into words; blanks inside "" and () do not cut, # begins a comment. */
struct words {
    char text[LINE_MAX_];
    char *w[WORDS_MAX];
    size_t n;
};

/** False when the line is too long, has too many words, or a quote or parenthesis stays open. */
bool words_split(struct words *ret, const char *line);

/** Values by name; names and values are copied. */
struct vars {
    struct var {
        char name[32];
        char value[VALUE_MAX];
    } v[VARS_MAX];
    size_t n;
};

/** Set or replace. False when there is no room. */
bool vars_set(struct vars *vars, const char *name, const char *value);

/** Replace every $name (or ${name}) of src into dst, LINE_MAX_ bytes, and in what came of it.
 *  False: unknown name (which is copied to dst) or too long. */
bool vars_expand(const struct vars *vars, const char *src, char dst[LINE_MAX_]);

#endif
