/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/query/expression.c - see expression.h
 *
 * Bounds of QUERY are inclusive, so less and greater become the next number. Text has none: that
 * is refused with the reason, as is everything else that one list of criteria cannot say.
 */
#include "expression.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum type { NUMBER, TIME, TEXT, ANYTHING };

/* Attributes with a name (user object information, timestamps; docs/tree-format.md). */
static const struct name {
    const char *name;
    uint32_t page, number;
    enum type type;
} names[] = {
    {"size", 0x1, 0x82, NUMBER},       {"length", 0x1, 0x82, NUMBER},
    {"used", 0x1, 0x81, NUMBER},       {"id", 0x1, 0x2, NUMBER},
    {"username", 0x1, 0x9, TEXT},      {"owner", 0x1, 0x9, TEXT},
    {"created", 0x3, 0x1, TIME},       {"attr-accessed", 0x3, 0x2, TIME},
    {"attr-modified", 0x3, 0x3, TIME}, {"accessed", 0x3, 0x4, TIME},
    {"data-accessed", 0x3, 0x4, TIME}, {"modified", 0x3, 0x5, TIME},
    {"data-modified", 0x3, 0x5, TIME}, {"path", 0x10000, 0x1, TEXT},
    {"mode", 0x10000, 0x2, NUMBER},    {"type", 0x10000, 0x4, TEXT},
};

struct parser {
    const char *text, *at;
    struct query *q;
    const char *problem; /* the first one ... */
    const char *place;   /* ... and where */
};

static bool wrong(struct parser *p, const char *place, const char *problem)
{
    if (!p->problem) {
        p->problem = problem;
        p->place = place;
    }
    return false;
}

/* ---- characters ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What a name or a value without quotes is made of. */
static bool is_plain(char c)
{
    return is_letter(c) || is_digit(c) || (c && strchr("-_:.", c));
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void skip_spaces(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n')
        p->at++;
}

struct word {
    const char *s;
    size_t len;
};

static struct word take_word(struct parser *p)
{
    struct word w = {.s = p->at};

    while (is_plain(*p->at))
        p->at++;
    w.len = (size_t)(p->at - w.s);
    return w;
}

static bool is_word(struct word w, const char *s)
{
    return strlen(s) == w.len && memcmp(w.s, s, w.len) == 0;
}

/* ---- numbers ---- */

/* All of the word: decimal or 0x; with a unit where that is allowed. */
static bool to_number(struct word w, bool units, uint64_t *ret)
{
    static const char known[] = "kmgt";
    bool hex = w.len > 2 && w.s[0] == '0' && (w.s[1] | 0x20) == 'x';
    const char *s = w.s + (hex ? 2 : 0), *end = w.s + w.len, *unit = NULL;
    unsigned base = hex ? 16 : 10, shift = 0;
    uint64_t v = 0;

    if (units && !hex && w.len > 1)
        unit = strchr(known, end[-1] | 0x20);
    if (unit) {
        shift = 10 * (unsigned)(unit - known + 1);
        end--;
    }
    if (s == end)
        return false;
    for (; s < end; s++) {
        int digit = hex_digit(*s);
        if (digit < 0 || (unsigned)digit >= base || v > (UINT64_MAX - (unsigned)digit) / base)
            return false;
        v = v * base + (unsigned)digit;
    }
    *ret = v << shift;
    return v <= UINT64_MAX >> shift;
}

/* ---- values ---- */

/* What stands right of the operator: the numbers it means, or bytes. */
struct value {
    bool is_bytes;
    uint64_t first, last; /* a day is a range of them */
    const uint8_t *data;
    size_t len;
};

static bool add_byte(struct parser *p, uint8_t byte)
{
    if (p->q->used == QUERY_BYTES)
        return wrong(p, p->at, "the expression is too long");
    p->q->bytes[p->q->used++] = byte;
    return true;
}

/* Behind a backslash: a quote, a backslash, or x and two hexadecimal digits. */
static bool take_escape(struct parser *p)
{
    int high, low;

    if (*p->at == '"' || *p->at == '\\')
        return add_byte(p, (uint8_t)*p->at++);
    if (*p->at != 'x' || (high = hex_digit(p->at[1])) < 0 || (low = hex_digit(p->at[2])) < 0)
        return wrong(p, p->at, "after \\ comes \", \\ or x and two hexadecimal digits");
    p->at += 3;
    return add_byte(p, (uint8_t)(high << 4 | low));
}

static bool take_quoted(struct parser *p, struct value *ret)
{
    const char *open = p->at++;
    size_t start = p->q->used;

    while (*p->at != '"') {
        if (!*p->at)
            return wrong(p, open, "this quote is never closed");
        if (*p->at == '\\') {
            p->at++;
            if (!take_escape(p))
                return false;
        } else if (!add_byte(p, (uint8_t)*p->at++)) {
            return false;
        }
    }
    p->at++;
    *ret = (struct value){
        .is_bytes = true, .data = p->q->bytes + start, .len = p->q->used - start};
    return true;
}

static bool take_hex(struct parser *p, struct word w, struct value *ret)
{
    size_t start = p->q->used;

    if (w.len % 2 || w.len == 2)
        return wrong(p, w.s, "hexadecimal values are pairs of digits");
    for (size_t i = 2; i < w.len; i += 2) {
        int high = hex_digit(w.s[i]), low = hex_digit(w.s[i + 1]);
        if (high < 0 || low < 0)
            return wrong(p, w.s, "hexadecimal values are pairs of digits");
        if (!add_byte(p, (uint8_t)(high << 4 | low)))
            return false;
    }
    *ret = (struct value){
        .is_bytes = true, .data = p->q->bytes + start, .len = p->q->used - start};
    return true;
}

/* So many digits, a number from least to most. */
static bool digits(const char **s, const char *end, int n, int least, int most, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*s)++) {
        if (*s == end || !is_digit(**s))
            return false;
        v = v * 10 + (**s - '0');
    }
    *ret = v;
    return v >= least && v <= most;
}

static bool take_char(const char **s, const char *end, char c)
{
    if (*s == end || **s != c)
        return false;
    (*s)++;
    return true;
}

/* YYYY-MM-DD, then perhaps T or a space and HH:MM or HH:MM:SS, perhaps Z. UTC. */
static bool to_time(struct word w, struct value *ret)
{
    const char *s = w.s, *end = w.s + w.len;
    uint64_t span = 24 * 3600 * 1000;
    struct tm tm = {0}, same;

    if (!digits(&s, end, 4, 1970, 9999, &tm.tm_year) || !take_char(&s, end, '-') ||
        !digits(&s, end, 2, 1, 12, &tm.tm_mon) || !take_char(&s, end, '-') ||
        !digits(&s, end, 2, 1, 31, &tm.tm_mday))
        return false;
    if (take_char(&s, end, 'T') || take_char(&s, end, ' ')) {
        if (!digits(&s, end, 2, 0, 23, &tm.tm_hour) || !take_char(&s, end, ':') ||
            !digits(&s, end, 2, 0, 59, &tm.tm_min))
            return false;
        span = 60 * 1000;
        if (take_char(&s, end, ':')) {
            if (!digits(&s, end, 2, 0, 59, &tm.tm_sec))
                return false;
            span = 1000;
        }
        take_char(&s, end, 'Z');
    }
    tm.tm_year -= 1900;
    tm.tm_mon--;
    same = tm;
    time_t t = timegm(&tm);
    if (s != end || tm.tm_mday != same.tm_mday) /* the 31st of February */
        return false;
    *ret = (struct value){.first = (uint64_t)t * 1000, .last = (uint64_t)t * 1000 + span - 1};
    return true;
}

static bool number_value(struct word w, struct value *ret)
{
    uint64_t v;

    if (!to_number(w, true, &v))
        return false;
    *ret = (struct value){.first = v, .last = v};
    return true;
}

static bool quoted_value(struct parser *p, enum type type, struct value *ret)
{
    const char *place = p->at;

    if (!take_quoted(p, ret))
        return false;
    if (type == NUMBER)
        return wrong(p, place, "a number is written without quotes");
    if (type == TIME) {
        size_t used = p->q->used - ret->len;
        if (!to_time((struct word){(const char *)ret->data, ret->len}, ret))
            return wrong(p, place, "a time is YYYY-MM-DD or YYYY-MM-DDTHH:MM[:SS], UTC");
        p->q->used = used;
        return true;
    }
    return ret->len > 0 || wrong(p, place, "an attribute without a value is undefined");
}

static bool take_value(struct parser *p, enum type type, struct value *ret)
{
    struct word w;

    skip_spaces(p);
    if (*p->at == '"')
        return quoted_value(p, type, ret);
    w = take_word(p);
    if (w.len == 0)
        return wrong(p, p->at, "here should be a value");
    switch (type) {
    case TEXT:
        return wrong(p, w.s, "text is written in quotes");
    case TIME:
        return to_time(w, ret) || number_value(w, ret) ||
               wrong(p, w.s, "a time is YYYY-MM-DD or YYYY-MM-DDTHH:MM[:SS], UTC");
    case NUMBER:
        return number_value(w, ret) ||
               wrong(p, w.s, "a number is decimal, perhaps with K, M, G or T, or 0x...");
    default:
        if (w.len > 2 && w.s[0] == '0' && w.s[1] == 'x')
            return take_hex(p, w, ret);
        return number_value(w, ret) ||
               wrong(p, w.s, "a value is a number, 0x and pairs of digits, or text in quotes");
    }
}

/* ---- comparisons ---- */

enum operator{ EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };

static bool take_operator(struct parser *p, enum operator* ret)
{
    static const struct {
        const char *s;
        enum operator op;
    } operators[] = {{"==", EQUAL}, {"<=", LESS_EQUAL}, {">=", GREATER_EQUAL},
                     {"=", EQUAL},  {"<", LESS},        {">", GREATER}};

    skip_spaces(p);
    if (strncmp(p->at, "!=", 2) == 0 || strncmp(p->at, "<>", 2) == 0)
        return wrong(
            p, p->at,
            "QUERY cannot ask for what is unequal: for numbers join < and > by \"or\"");
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        size_t len = strlen(operators[i].s);
        if (strncmp(p->at, operators[i].s, len) == 0) {
            *ret = operators[i].op;
            p->at += len;
            return true;
        }
    }
    return wrong(p, p->at, "here should be one of = < <= > >=");
}

/* Short bytes are the number that the device takes them for; left out are text and what is long,
 * which have no next value. */
static bool to_bounds(struct parser *p, const char *place, enum operator op, bool quoted,
                      struct value *v)
{
    bool exclusive = op == LESS || op == GREATER;

    if (v->is_bytes && exclusive) {
        if (quoted || v->len > 8)
            return wrong(p, place, "bounds of QUERY are inclusive: for text say <= or >=");
        v->first = 0;
        for (size_t i = 0; i < v->len; i++)
            v->first = v->first << 8 | v->data[i];
        v->last = v->first;
        v->is_bytes = false;
    }
    if (op == LESS && v->first-- == 0)
        return wrong(p, place, "nothing is less than that");
    if (op == GREATER && ++v->last == 0)
        return wrong(p, place, "nothing is greater than that");
    return true;
}

/* A bound in the memory of the query. */
static bool put_bound(struct parser *p, const struct value *v, uint64_t number,
                      const void **ret, uint16_t *ret_len)
{
    size_t start = p->q->used;

    if (v->is_bytes) {
        *ret = v->data;
        *ret_len = (uint16_t)v->len;
        return true;
    }
    for (int shift = 56; shift >= 0; shift -= 8)
        if (!add_byte(p, (uint8_t)(number >> shift)))
            return false;
    *ret = p->q->bytes + start;
    *ret_len = 8;
    return true;
}

static bool add_criterion(struct parser *p, const struct name *n, enum operator op,
                          const struct value *v)
{
    struct osd_criterion k = {.page = n->page, .number = n->number};
    bool lower = op == EQUAL || op == GREATER || op == GREATER_EQUAL;
    bool upper = op == EQUAL || op == LESS || op == LESS_EQUAL;

    if (p->q->n == QUERY_COMPARISONS)
        return wrong(p, p->at, "more comparisons than one query takes");
    if (lower && !put_bound(p, v, op == GREATER ? v->last : v->first, &k.min, &k.min_len))
        return false;
    if (upper && !put_bound(p, v, op == LESS ? v->first : v->last, &k.max, &k.max_len))
        return false;
    p->q->criteria[p->q->n++] = k;
    return true;
}

/* PAGE:NUMBER, decimal or 0x. */
static bool numbered(struct parser *p, struct word w, struct name *ret)
{
    const char *colon = memchr(w.s, ':', w.len);
    uint64_t page, number;

    if (!colon || !to_number((struct word){w.s, (size_t)(colon - w.s)}, false, &page) ||
        !to_number((struct word){colon + 1, w.len - (size_t)(colon + 1 - w.s)}, false, &number))
        return wrong(p, w.s, "an attribute is PAGE:NUMBER, or a name that osdctl(1) lists");
    if (page >= 0x30000000 || number >= UINT32_MAX)
        return wrong(p, w.s, "only attributes of user objects can be asked for");
    *ret = (struct name){.page = (uint32_t)page, .number = (uint32_t)number, .type = ANYTHING};
    return true;
}

static bool take_name(struct parser *p, struct name *ret)
{
    struct word w;

    skip_spaces(p);
    if (*p->at == '(' || *p->at == ')')
        return wrong(p, p->at,
                     "no parentheses: QUERY has one level, all \"and\" or all \"or\"");
    w = take_word(p);
    if (w.len == 0)
        return wrong(p, p->at, "here should be an attribute");
    if (is_word(w, "not"))
        return wrong(p, w.s, "QUERY cannot negate");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is_word(w, names[i].name)) {
            *ret = names[i];
            return true;
        }
    return is_digit(*w.s) ? numbered(p, w, ret)
                          : wrong(p, w.s, "no attribute has this name; PAGE:NUMBER names any");
}

static bool take_comparison(struct parser *p)
{
    enum operator op;
    struct value v;
    struct name n;

    if (!take_name(p, &n) || !take_operator(p, &op))
        return false;
    skip_spaces(p);
    const char *place = p->at;
    return take_value(p, n.type, &v) && to_bounds(p, place, op, *place == '"', &v) &&
           add_criterion(p, &n, op, &v);
}

/* "and" or "or", as before it; false at the end, too. */
static bool take_join(struct parser *p, bool first)
{
    const char *place;
    struct word w;
    bool all;

    skip_spaces(p);
    place = p->at;
    if (!*place)
        return false;
    if (*place == ')' || *place == '(')
        return wrong(p, place,
                     "no parentheses: QUERY has one level, all \"and\" or all \"or\"");
    w = take_word(p);
    all = is_word(w, "and");
    if (!all && !is_word(w, "or"))
        return wrong(p, place, "here should be \"and\" or \"or\"");
    if (!first && all != p->q->all)
        return wrong(p, place,
                     "QUERY has one level: join all by \"and\" or all by \"or\", ask twice for "
                     "more");
    p->q->all = all;
    return true;
}

bool query_parse(const char *text, struct query *ret, char *why, size_t why_len)
{
    struct parser p = {.text = text, .at = text, .q = ret};
    bool go_on = true;

    ret->all = true;
    ret->n = ret->used = 0;
    for (bool first = true; go_on && take_comparison(&p); first = false)
        go_on = take_join(&p, first);
    if (p.problem)
        snprintf(why, why_len, "character %zu: %s", (size_t)(p.place - text) + 1, p.problem);
    return !p.problem;
}
