/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/query/expression.h - what a user writes of attributes, as criteria of QUERY
 *
 *     size > 1M and username = "alice"
 *     0x10000:1 = "red" or modified >= 2026-01-31
 *
 * An expression is one comparison or several, all joined by "and" or all by "or". A comparison is a
 * name, one of = < <= > >=, and a value; osdctl(1) has the names and the forms of values.
 */
#ifndef QUERY_EXPRESSION_H
#define QUERY_EXPRESSION_H

#include "osd/osd.h"

#define QUERY_COMPARISONS 64    /* of an expression, at most */
#define QUERY_BYTES       16384 /* of its bounds, together */

/** An expression that was parsed. It stays where it is: the bounds lie in it. */
struct query {
    bool all; /* joined by "and"; also of a single comparison */
    size_t n;
    struct osd_criterion criteria[QUERY_COMPARISONS];
    size_t used;
    uint8_t bytes[QUERY_BYTES];
};

/** Parse a text. False: why gets a sentence of at most why_len bytes, printable ASCII, zero
 *  terminated, that names the place; *ret is undefined then. Any thread. */
bool query_parse(const char *text, struct query *ret, char *why, size_t why_len);

#endif
