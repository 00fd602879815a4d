/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/expr.c - see expr.h
 */
#include "expr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "sign.h"

#define TERM_MAX 1024 /* characters of one term that is no string of bytes */

/* Length of the text up to the first of the stop characters outside of () and "". */
static size_t span(const char *s, size_t len, const char *stop)
{
    int depth = 0;
    bool quoted = false;
    size_t i;

    for (i = 0; i < len; i++) {
        if (s[i] == '"')
            quoted = !quoted;
        else if (!quoted && s[i] == '(')
            depth++;
        else if (!quoted && s[i] == ')')
            depth--;
        else if (!quoted && depth == 0 && strchr(stop, s[i]))
            break;
    }
    return i;
}

const char *expr_pick(const char *text, int gen, size_t *ret_len)
{
    size_t len = strlen(text), first = span(text, len, "|");

    if (first == len || gen == 1) {
        *ret_len = first;
        return text;
    }
    *ret_len = len - first - 1;
    return text + first + 1;
}

/* ---- numbers ---- */

static bool plain_number(const char *s, size_t len, uint64_t *ret)
{
    char digits[32], *end;
    int base = 10;

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, s, len);
    digits[len] = 0;
    if (digits[0] == '0' && (digits[1] | 0x20) == 'x') {
        base = 16;
    } else if (digits[len - 1] == 'h') {
        digits[len - 1] = 0;
        base = 16;
    }
    if (!strchr("0123456789abcdefABCDEF", digits[0]))
        return false;
    errno = 0;
    *ret = strtoull(digits, &end, base);
    return errno == 0 && *end == 0;
}

static bool sum(const char *s, size_t len, uint64_t *ret)
{
    uint64_t total = 0, v;
    bool minus = false;

    for (;;) {
        size_t n = span(s, len, "+-");
        if (!plain_number(s, n, &v))
            return false;
        total = minus ? total - v : total + v;
        if (n == len)
            break;
        minus = s[n] == '-';
        s += n + 1;
        len -= n + 1;
    }
    *ret = total;
    return true;
}

bool expr_number(const char *text, int gen, uint64_t *ret)
{
    size_t len;
    const char *s = expr_pick(text, gen, &len);

    return sum(s, len, ret);
}

/* ---- bytes ---- */

uint8_t expr_pattern(uint64_t seed, uint64_t at)
{
    uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15ULL + seed * 0xd1342543de82ef95ULL + 1;

    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 32;
    return (uint8_t)(x >> 8 * (at & 7));
}

/* The arguments of a term; numbers, except that the last may be bytes. */
struct call {
    int gen;
    uint64_t n[4];
    size_t count;
    const char *arg[4]; /* text of the arguments */
    size_t arg_len[4];
    const char *last; /* that of the last */
    size_t last_len;
    struct osd_buf *out;
};

static osd_status do_zeros(const struct call *c)
{
    return c->n[0] > EXPR_MAX ? OSD_E_NOMEM : osd_buf_put(c->out, NULL, c->n[0]);
}

static osd_status do_pattern(const struct call *c)
{
    uint64_t seed = c->n[1], from = c->count > 2 ? c->n[2] : 0;
    size_t start = c->out->len;
    osd_status st = do_zeros(c);

    for (uint64_t i = 0; st == OSD_OK && i < c->n[0]; i++)
        c->out->data[start + i] = expr_pattern(seed, from + i);
    return st;
}

static osd_status do_fill(const struct call *c)
{
    size_t start = c->out->len;
    osd_status st = do_zeros(c);

    if (st == OSD_OK && c->n[0])
        memset(c->out->data + start, (int)c->n[1], c->n[0]);
    return st;
}

static osd_status put_number(const struct call *c, int len)
{
    uint8_t raw[8];

    if (len < 8 && c->n[0] >> 8 * len)
        return OSD_E_INVALID;
    be64_put(raw, c->n[0]);
    return osd_buf_put(c->out, raw + 8 - len, (size_t)len);
}

static osd_status do_u8(const struct call *c)
{
    return put_number(c, 1);
}

static osd_status do_u16(const struct call *c)
{
    return put_number(c, 2);
}

static osd_status do_u32(const struct call *c)
{
    return put_number(c, 4);
}

static osd_status do_u48(const struct call *c)
{
    return put_number(c, 6);
}

static osd_status do_u64(const struct call *c)
{
    return put_number(c, 8);
}

static int hex_digit(char ch)
{
    const char *digits = "0123456789abcdef", *at = ch ? strchr(digits, ch | 0x20) : NULL;

    return at ? (int)(at - digits) : -1;
}

static osd_status do_hex(const struct call *c)
{
    osd_status st = c->last_len % 2 ? OSD_E_INVALID : OSD_OK;

    for (size_t i = 0; st == OSD_OK && i < c->last_len; i += 2) {
        int high = hex_digit(c->last[i]), low = hex_digit(c->last[i + 1]);
        uint8_t byte = (uint8_t)(high << 4 | low);
        st = high < 0 || low < 0 ? OSD_E_INVALID : osd_buf_put(c->out, &byte, 1);
    }
    return st;
}

static osd_status bytes(const char *s, size_t len, int gen, struct osd_buf *out);

static osd_status do_repeat(const struct call *c)
{
    osd_status st = c->n[0] > EXPR_MAX ? OSD_E_NOMEM : OSD_OK;

    for (uint64_t i = 0; st == OSD_OK && i < c->n[0]; i++) {
        size_t before = c->out->len;
        st = bytes(c->last, c->last_len, c->gen, c->out);
        if (c->out->len == before) /* nothing, however often */
            break;
    }
    return st;
}

/* The bytes after a two-byte length of them. */
static osd_status do_counted(const struct call *c)
{
    size_t start = c->out->len;
    osd_status st = osd_buf_put(c->out, NULL, 2);

    if (st == OSD_OK)
        st = bytes(c->last, c->last_len, c->gen, c->out);
    if (st)
        return st;
    if (c->out->len - start - 2 > UINT16_MAX)
        return OSD_E_INVALID;
    be16_put(c->out->data + start, (uint16_t)(c->out->len - start - 2));
    return OSD_OK;
}

/* A descriptor of the CDB continuation segment (reference 3.6), padded to eight. */
static osd_status do_descriptor(const struct call *c)
{
    size_t start = c->out->len, len, pad;
    osd_status st = osd_buf_put(c->out, NULL, 8);

    if (st == OSD_OK)
        st = bytes(c->last, c->last_len, c->gen, c->out);
    if (st || c->n[0] > UINT16_MAX)
        return st ? st : OSD_E_INVALID;
    len = c->out->len - start - 8;
    pad = -len & 7;
    be16_put(c->out->data + start, (uint16_t)c->n[0]);
    c->out->data[start + 3] = (uint8_t)pad;
    be32_put(c->out->data + start + 4, (uint32_t)len);
    return osd_buf_put(c->out, NULL, pad);
}

/* A value of the standard's page identifications: vendor and name, 40 bytes. */
static osd_status do_id(const struct call *c)
{
    char raw[40] = "INCITS  T10 ";
    size_t len = c->last_len;

    if (len < 2 || len - 2 > sizeof(raw) - 13 || c->last[0] != '"')
        return OSD_E_INVALID;
    memcpy(raw + 12, c->last + 1, len - 2);
    return osd_buf_put(c->out, raw, sizeof(raw));
}

static bool number_of(const char *s, size_t len, int gen, uint64_t *ret)
{
    char text[TERM_MAX];

    if (len >= sizeof(text))
        return false;
    memcpy(text, s, len);
    text[len] = 0;
    return expr_number(text, gen, ret);
}

/* ---- keys (reference 6.7, 6.8) ---- */

static osd_status argument(const struct call *c, size_t i, struct osd_buf *ret)
{
    osd_status st = bytes(c->arg[i], c->arg_len[i], c->gen, ret);

    return st == OSD_OK && ret->len == 0 ? OSD_E_INVALID : st;
}

static osd_status do_hmac(const struct call *c)
{
    _cleanup_buf_ struct osd_buf key = osd_buf_make(EXPR_MAX), data = osd_buf_make(EXPR_MAX);
    uint8_t value[ICV_LEN];
    osd_status st = argument(c, 0, &key);

    if (st == OSD_OK)
        st = argument(c, 1, &data);
    if (st)
        return st;
    const struct osd_bytes piece = {data.data, data.len};
    if (!sign_hmac(false, (struct osd_bytes){key.data, key.len}, &piece, 1, value))
        return OSD_E_NOMEM;
    return osd_buf_put(c->out, value, sizeof(value));
}

static osd_status do_power(const struct call *c)
{
    _cleanup_buf_ struct osd_buf base = osd_buf_make(EXPR_MAX),
                                 exponent = osd_buf_make(EXPR_MAX);
    uint8_t value[256];
    uint64_t group;
    size_t len;
    osd_status st = argument(c, 1, &base);

    if (st == OSD_OK)
        st = argument(c, 2, &exponent);
    if (st || !number_of(c->arg[0], c->arg_len[0], c->gen, &group))
        return st ? st : OSD_E_INVALID;
    len = sign_power((unsigned)group, (struct osd_bytes){base.data, base.len},
                     (struct osd_bytes){exponent.data, exponent.len}, value);
    return len ? osd_buf_put(c->out, value, len) : OSD_E_INVALID;
}

static osd_status last_bit(const struct call *c, uint8_t bit)
{
    size_t start = c->out->len;
    osd_status st = bytes(c->last, c->last_len, c->gen, c->out);

    if (st == OSD_OK && c->out->len == start)
        st = OSD_E_INVALID;
    if (st == OSD_OK)
        c->out->data[c->out->len - 1] = (uint8_t)((c->out->data[c->out->len - 1] & ~1) | bit);
    return st;
}

static osd_status do_odd(const struct call *c)
{
    return last_bit(c, 1);
}

static osd_status do_even(const struct call *c)
{
    return last_bit(c, 0);
}

enum kind { NUMBERS, TEXT_LAST, TEXTS };

static const struct function {
    const char *name;
    uint8_t min, max; /* arguments */
    enum kind kind;   /* TEXT_LAST: the last is not a number; TEXTS: none is */
    osd_status (*run)(const struct call *c);
} functions[] = {
    {"zeros", 1, 1, NUMBERS, do_zeros},
    {"pattern", 2, 3, NUMBERS, do_pattern},
    {"fill", 2, 2, NUMBERS, do_fill},
    {"u8", 1, 1, NUMBERS, do_u8},
    {"u16", 1, 1, NUMBERS, do_u16},
    {"u32", 1, 1, NUMBERS, do_u32},
    {"u48", 1, 1, NUMBERS, do_u48},
    {"u64", 1, 1, NUMBERS, do_u64},
    {"hex", 1, 1, TEXT_LAST, do_hex},
    {"repeat", 2, 2, TEXT_LAST, do_repeat},
    {"id", 1, 1, TEXT_LAST, do_id},
    {"counted", 1, 1, TEXT_LAST, do_counted},
    {"descriptor", 2, 2, TEXT_LAST, do_descriptor},
    {"hmac", 2, 2, TEXTS, do_hmac},
    {"power", 3, 3, TEXTS, do_power},
    {"odd", 1, 1, TEXT_LAST, do_odd},
    {"even", 1, 1, TEXT_LAST, do_even},
};

static const struct function *find_function(const char *s, size_t len)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (strlen(functions[i].name) == len && strncmp(functions[i].name, s, len) == 0)
            return &functions[i];
    return NULL;
}

/* The arguments between the parentheses. */
static bool take_arguments(struct call *c, const struct function *f, const char *s, size_t len)
{
    for (;;) {
        size_t n = span(s, len, ",");
        bool last = n == len;
        if (c->count == f->max)
            return false;
        c->arg[c->count] = c->last = s;
        c->arg_len[c->count] = c->last_len = n;
        if (f->kind != TEXTS && !(f->kind == TEXT_LAST && last) &&
            !number_of(s, n, c->gen, &c->n[c->count]))
            return false;
        c->count++;
        if (last)
            break;
        s += n + 1;
        len -= n + 1;
    }
    return c->count >= f->min;
}

static osd_status term(const char *s, size_t len, int gen, struct osd_buf *out)
{
    struct call c = {.gen = gen, .out = out};
    size_t name = strcspn(s, "(");

    if (len >= 2 && s[0] == '"' && s[len - 1] == '"')
        return osd_buf_put(out, s + 1, len - 2);
    if (name >= len || s[len - 1] != ')')
        return OSD_E_INVALID;
    const struct function *f = find_function(s, name);
    if (!f || !take_arguments(&c, f, s + name + 1, len - name - 2))
        return OSD_E_INVALID;
    return f->run(&c);
}

static osd_status bytes(const char *s, size_t len, int gen, struct osd_buf *out)
{
    osd_status st = OSD_OK;

    for (;;) {
        size_t n = span(s, len, "+");
        st = term(s, n, gen, out);
        if (st || n == len)
            return st;
        s += n + 1;
        len -= n + 1;
    }
}

osd_status expr_bytes(const char *text, int gen, struct osd_buf *ret)
{
    size_t len;
    const char *s = expr_pick(text, gen, &len);

    return bytes(s, len, gen, ret);
}

/* ---- attributes ---- */

static const struct page_base {
    const char *name;
    uint32_t base;
} bases[] = {{"U+", 0}, {"P+", 0x30000000}, {"C+", 0x60000000}, {"R+", 0x90000000}};

bool expr_page(const char *text, size_t len, int gen, uint32_t *ret)
{
    uint64_t v, base = 0;

    if (len == 7 && strncmp(text, "current", len) == 0) {
        *ret = 0xfffffffe;
        return true;
    }
    if (len == 3 && strncmp(text, "all", len) == 0) {
        *ret = 0xffffffff;
        return true;
    }
    for (size_t i = 0; len > 2 && i < sizeof(bases) / sizeof(bases[0]); i++) {
        if (strncmp(text, bases[i].name, 2) == 0) {
            base = bases[i].base;
            text += 2;
            len -= 2;
            break;
        }
    }
    if (!number_of(text, len, gen, &v) || base + v > UINT32_MAX)
        return false;
    *ret = (uint32_t)(base + v);
    return true;
}

bool expr_attribute(const char *text, size_t len, int gen, uint32_t *ret_page,
                    uint32_t *ret_number)
{
    size_t slash = span(text, len, "/");

    return slash < len && expr_page(text, slash, gen, ret_page) &&
           expr_page(text + slash + 1, len - slash - 1, gen, ret_number);
}
