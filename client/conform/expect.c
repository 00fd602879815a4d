/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/expect.c - see expect.h (reference 2.3, 3.1-3.3, 7)
 */
#include "expect.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "expr.h"

#define GOOD              0x00
#define CHECK_CONDITION   0x02
#define FUNCTIONS_ALL     0xb0103030u
#define LIST_HEAD         24
#define SERVICE_ACTION_AT 8
#define FIRST_SNAPSHOT    0x88a8 /* CREATE CLONE */
#define LAST_SNAPSHOT     0x88ac /* RESTORE PARTITION FROM SNAPSHOT */

/* ---- sense data ---- */

struct sense {
    uint8_t key;
    uint16_t asc;
    bool has_field, in_cdb;
    uint16_t field;
    bool has_info;
    uint64_t info;
    bool has_object;
    uint32_t not_initiated, completed;
    uint64_t pid, oid;
    size_t n_attrs;
    uint32_t page, number; /* of the first */
};

/* One descriptor; len is its length byte. */
static bool take_descriptor(struct sense *s, const uint8_t *d, uint8_t len)
{
    switch (d[0]) {
    case 0x01:
        s->has_info = true;
        s->info = be64_get(d + 4);
        return len == 0x0a;
    case 0x02:
        s->has_field = (d[4] & 0x80) != 0;
        s->in_cdb = (d[4] & 0x40) != 0;
        s->field = be16_get(d + 5);
        return len == 0x06;
    case 0x06:
        if (len != 0x1e)
            return false;
        s->has_object = true;
        s->not_initiated = be32_get(d + 8);
        s->completed = be32_get(d + 12);
        s->pid = be64_get(d + 16);
        s->oid = be64_get(d + 24);
        return true;
    case 0x08:
        s->n_attrs = (len - 2u) / 8;
        s->page = len >= 10 ? be32_get(d + 4) : 0;
        s->number = len >= 10 ? be32_get(d + 8) : 0;
        return len >= 10 && len % 8 == 2;
    default:
        return true;
    }
}

/* False when it is no descriptor format or a descriptor leaves it. */
static bool sense_parse(const struct answer *a, struct sense *ret)
{
    const uint8_t *d = a->sense;
    struct sense s = {0};
    size_t end;

    if (a->sense_len < 8 || d[0] != 0x72)
        return false;
    s.key = d[1] & 0x0f;
    s.asc = be16_get(d + 2);
    end = 8u + d[7];
    if (end > a->sense_len)
        return false;
    for (size_t at = 8; at < end; at += 2u + d[at + 1])
        if (at + 2 > end || at + 2 + d[at + 1] > end || d[at + 1] < 6 ||
            !take_descriptor(&s, d + at, d[at + 1]))
            return false;
    *ret = s;
    return true;
}

void answer_format(const struct answer *a, char *dst, size_t len)
{
    struct sense s;
    size_t n;

    if (a->status != CHECK_CONDITION || !sense_parse(a, &s)) {
        snprintf(dst, len, a->status ? "status %02Xh" : "GOOD", a->status);
        return;
    }
    n = (size_t)snprintf(dst, len, "CHECK CONDITION, key %Xh, %02X/%02X", s.key, s.asc >> 8,
                         s.asc & 0xff);
    if (s.has_field && n < len)
        n += (size_t)snprintf(dst + n, len - n, ", %s byte %u", s.in_cdb ? "CDB" : "parameter",
                              s.field);
    if (s.has_info && n < len)
        n += (size_t)snprintf(dst + n, len - n, ", information %" PRIu64, s.info);
    if (s.n_attrs && n < len)
        snprintf(dst + n, len - n, ", attribute %" PRIX32 "h/%" PRIX32 "h", s.page, s.number);
}

bool answer_refuses_command(const struct answer *a)
{
    struct sense s;

    if (a->status != CHECK_CONDITION || !sense_parse(a, &s) || s.key != 5)
        return false;
    return s.asc == 0x2000 ||
           (s.asc == 0x2400 && s.has_field && s.in_cdb && s.field == SERVICE_ACTION_AT);
}

/* ---- what holds of every answer ---- */

struct check {
    const struct request *r;
    const struct answer *a;
    struct vars *vars;
    struct sense s;
    bool has_sense;
    char *why;
    size_t why_len;
};

static osd_status no(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static osd_status no(struct check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->why, c->why_len, fmt, ap);
    va_end(ap);
    return OSD_E_NOT_FOUND;
}

static osd_status malformed(struct check *c, const char *what, const char *text)
{
    snprintf(c->why, c->why_len, "%s: \"%s\"", what, text);
    return OSD_E_INVALID;
}

/* What descriptor 06h must name: the ids of the CDB, unless the device was to choose one. */
static bool names_object(const struct check *c)
{
    uint64_t pid = be64_get(c->r->cdb + 16), oid = be64_get(c->r->cdb + 24);
    enum subject s = c->r->op->subject;

    uint16_t action = be16_get(c->r->cdb + 8);

    if (c->r->cdb_len < 200 || !opcode_of_action(action) ||
        (action >= FIRST_SNAPSHOT && action <= LAST_SNAPSHOT)) /* of which object is open */
        return true;
    if (s == SUBJECT_ROOT || s == SUBJECT_PARTITION)
        oid = 0;
    if (c->s.completed == 0 && c->s.pid == 0 && c->s.oid == 0) /* the CDB itself is malformed */
        return true;
    return (pid == 0 || c->s.pid == pid) && (oid == 0 || c->s.oid == oid);
}

static osd_status sound_sense(struct check *c)
{
    const struct sense *s = &c->s;
    bool osd = c->r->cdb[0] == 0x7f && c->r->cdb_len > 100;

    if (!c->has_sense)
        return no(c, "sense data is not in descriptor format or is malformed");
    if (s->key == 0)
        return no(c, "CHECK CONDITION with NO SENSE");
    if (osd && !s->has_object)
        return no(c, "no OSD error identification descriptor");
    if (osd && !names_object(c))
        return no(c, "sense names object %" PRIX64 "h/%" PRIX64 "h", s->pid, s->oid);
    if (osd && s->not_initiated & s->completed)
        return no(c, "a function is both completed and not initiated");
    if (osd && (s->not_initiated | s->completed) & ~FUNCTIONS_ALL)
        return no(c, "unknown function bits");
    return OSD_OK;
}

static osd_status sound(struct check *c)
{
    const struct answer *a = c->a;

    if (a->status == CHECK_CONDITION) {
        osd_status st = sound_sense(c);
        if (st)
            return st;
    }
    if (a->in_len > a->in.len)
        return no(c, "more Data-In than there was room for");
    if (a->in_process)
        for (uint64_t i = a->in_len; i < a->in.len; i++)
            if (a->in.data[i])
                return no(c, "byte %" PRIu64 " of Data-In is not zero beyond the answer", i);
    return OSD_OK;
}

bool answer_sound(const struct request *r, const struct answer *a, char *why, size_t why_len)
{
    struct check c = {.r = r, .a = a, .why = why, .why_len = why_len};

    c.has_sense = sense_parse(a, &c.s);
    return sound(&c) == OSD_OK;
}

/* ---- status and sense ---- */

static osd_status outcome(struct check *c)
{
    char text[160];

    answer_format(c->a, text, sizeof(text));
    return no(c, "got %s", text);
}

static bool is_sense(const struct check *c, uint8_t key, uint16_t asc)
{
    return c->a->status == CHECK_CONDITION && c->s.key == key && c->s.asc == asc;
}

static osd_status want_good(struct check *c, const char *arg)
{
    (void)arg;
    return c->a->status == GOOD ? OSD_OK : outcome(c);
}

/* One field name of a list with commas; -1: there is no such field. */
static int one_field(const struct check *c, const char *s, size_t len)
{
    char text[64];

    if (len >= sizeof(text))
        return -1;
    memcpy(text, s, len);
    text[len] = 0;
    return request_field(c->r, text);
}

/* FIELD, FIELD=VALUE, a byte number; several with commas: any of them is right. */
static osd_status want_field(struct check *c, const char *arg, uint16_t asc, bool in_cdb)
{
    size_t len;
    const char *s = expr_pick(arg, c->r->gen, &len);

    for (size_t n; len > 0; s += n, len -= n) {
        n = 0;
        while (n < len && s[n] != ',')
            n++;
        int field = one_field(c, s, n);
        if (field < 0)
            return malformed(c, "no field", arg);
        if (is_sense(c, 5, asc) && c->s.has_field && c->s.in_cdb == in_cdb &&
            c->s.field == field)
            return OSD_OK;
        n += n < len;
    }
    return outcome(c);
}

static osd_status want_cdb(struct check *c, const char *arg)
{
    return want_field(c, arg, 0x2400, true);
}

static osd_status want_param(struct check *c, const char *arg)
{
    return want_field(c, arg, 0x2600, false);
}

static osd_status want_quota(struct check *c, const char *arg)
{
    uint32_t page, number;

    if (!expr_attribute(arg, strlen(arg), c->r->gen, &page, &number))
        return malformed(c, "no attribute", arg);
    if (!is_sense(c, 7, 0x5507) || c->s.n_attrs == 0 || c->s.page != page ||
        c->s.number != number)
        return outcome(c);
    return OSD_OK;
}

static osd_status want_eof(struct check *c, const char *arg)
{
    uint64_t n;

    if (!expr_number(arg, c->r->gen, &n))
        return malformed(c, "no number", arg);
    return is_sense(c, 1, 0x3b17) && c->s.has_info && c->s.info == n ? OSD_OK : outcome(c);
}

static osd_status want_not_empty(struct check *c, const char *arg)
{
    (void)arg;
    return is_sense(c, 5, 0x2c0a) ? OSD_OK : outcome(c);
}

static osd_status want_short(struct check *c, const char *arg)
{
    (void)arg;
    return is_sense(c, 5, 0x1a00) ? OSD_OK : outcome(c);
}

static osd_status want_opcode(struct check *c, const char *arg)
{
    (void)arg;
    return is_sense(c, 5, 0x2000) ? OSD_OK : outcome(c);
}

/* KEY/ASC/ASCQ, hex digits without h: 5/24/06. */
static osd_status want_sense(struct check *c, const char *arg)
{
    unsigned v[3];
    char *end;

    for (int i = 0; i < 3; i++) {
        v[i] = (unsigned)strtoul(arg, &end, 16);
        if (end == arg || v[i] > 0xff || *end != (i < 2 ? '/' : 0))
            return malformed(c, "no KEY/ASC/ASCQ", arg);
        arg = end + 1;
    }
    return is_sense(c, (uint8_t)v[0], (uint16_t)(v[1] << 8 | v[2])) ? OSD_OK : outcome(c);
}

static osd_status want_status(struct check *c, const char *arg)
{
    uint64_t n;

    if (!expr_number(arg, c->r->gen, &n))
        return malformed(c, "no status", arg);
    return c->a->status == n ? OSD_OK : outcome(c);
}

static const struct verdict {
    const char *name;
    bool takes_argument;
    osd_status (*run)(struct check *c, const char *arg);
} verdicts[] = {
    {"good", false, want_good},        {"cdb", true, want_cdb},
    {"param", true, want_param},       {"quota", true, want_quota},
    {"past-end", true, want_eof},      {"not-empty", false, want_not_empty},
    {"short-data", false, want_short}, {"bad-opcode", false, want_opcode},
    {"sense", true, want_sense},       {"status", true, want_status},
};

/* ---- bytes ---- */

static osd_status same(struct check *c, const char *what, size_t at, const struct osd_buf *want)
{
    const struct osd_buf *in = &c->a->in;

    if (want->len > c->a->in_len || at > c->a->in_len - want->len)
        return no(c, "%s: %" PRIu64 " bytes of Data-In, wanted %zu", what, c->a->in_len,
                  at + want->len);
    for (size_t i = 0; i < want->len; i++)
        if (in->data[at + i] != want->data[i])
            return no(c, "%s: byte %zu is %02Xh, wanted %02Xh", what, i, in->data[at + i],
                      want->data[i]);
    return OSD_OK;
}

static osd_status want_bytes(struct check *c, const char *what, size_t at, const char *v)
{
    _cleanup_buf_ struct osd_buf want = osd_buf_make(EXPR_MAX);

    if (*v && expr_bytes(v, c->r->gen, &want))
        return malformed(c, "no bytes", v);
    return same(c, what, at, &want);
}

/* ---- retrieved attributes ---- */

/* A list walked entry by entry. */
struct walk {
    const uint8_t *p;
    size_t len, at, group_end;
    int gen;
    uint8_t type;
    uint64_t oid; /* types Eh and Fh */
    uint32_t page, number;
    const uint8_t *value;
    uint16_t value_len;
    bool undefined;
};

static bool walk_open(struct walk *w, const struct check *c)
{
    size_t at = c->r->retrieved_at, head = c->r->gen == 1 ? 4 : 8;
    uint64_t have = c->a->in_len > at ? c->a->in_len - at : 0;
    uint64_t said;

    if (have < head)
        return false;
    *w = (struct walk){.p = c->a->in.data + at, .gen = c->r->gen, .at = head};
    w->type = w->p[0] & 0x0f;
    said = head + (w->gen == 1 ? be16_get(w->p + 2) : be32_get(w->p + 4));
    w->len = said < have ? said : have;
    return w->type == 0x9 || w->type == (w->gen == 1 ? 0xf : 0xe);
}

/* The next entry, false at the end (which a cut entry is). */
static bool walk_next(struct walk *w)
{
    size_t extra = w->type == 0xf ? 8 : 0, head = extra + (w->gen == 1 ? 10 : 16);
    const uint8_t *e;
    uint16_t said;

    while (w->type == 0xe && w->at >= w->group_end) {
        if (w->at + 16 > w->len)
            return false;
        w->oid = be64_get(w->p + w->at);
        w->group_end = w->at + 16 + be16_get(w->p + w->at + 14);
        w->at += 16;
    }
    if (w->at + head > w->len)
        return false;
    e = w->p + w->at;
    if (extra)
        w->oid = be64_get(e);
    e += extra;
    w->page = be32_get(e);
    w->number = be32_get(e + 4);
    said = be16_get(e + (w->gen == 1 ? 8 : 14));
    w->undefined = said == (w->gen == 1 ? 0xffff : 0);
    w->value_len = w->undefined ? 0 : said;
    w->value = w->p + w->at + head;
    if (w->value_len > w->len - w->at - head)
        return false;
    w->at += head + (w->gen == 1 ? w->value_len : (w->value_len + 7u) & ~7u);
    return true;
}

/* Find an attribute, of one object when oid is not 0. */
static bool find_attr(struct check *c, uint64_t oid, uint32_t page, uint32_t number,
                      struct walk *w)
{
    if (!walk_open(w, c))
        return false;
    while (walk_next(w))
        if (w->page == page && w->number == number && (oid == 0 || w->oid == oid))
            return true;
    return false;
}

static osd_status compare_attr(struct check *c, const struct walk *w, const char *key,
                               const char *v)
{
    _cleanup_buf_ struct osd_buf want = osd_buf_make(EXPR_MAX);

    if (strcmp(v, "undefined") == 0)
        return w->undefined ? OSD_OK : no(c, "attribute %s has %u bytes", key, w->value_len);
    if (strcmp(v, "any") == 0)
        return w->undefined ? no(c, "attribute %s is undefined", key) : OSD_OK;
    if (strncmp(v, "length", 6) == 0) {
        uint64_t n;
        if (!expr_number(v + 6, c->r->gen, &n))
            return malformed(c, "no length", v);
        return w->value_len == n ? OSD_OK
                                 : no(c, "attribute %s has %u bytes", key, w->value_len);
    }
    if (*v && expr_bytes(v, c->r->gen, &want))
        return malformed(c, "no value", v);
    if (w->value_len != want.len)
        return no(c, "attribute %s has %u bytes, wanted %zu", key, w->value_len, want.len);
    for (size_t i = 0; i < want.len; i++)
        if (w->value[i] != want.data[i])
            return no(c, "attribute %s: byte %zu is %02Xh, wanted %02Xh", key, i, w->value[i],
                      want.data[i]);
    return OSD_OK;
}

/* PAGE/NUMBER:VALUE, or OID,PAGE/NUMBER:VALUE in a list of several objects. */
static osd_status want_attr(struct check *c, const char *v)
{
    const char *colon = strchr(v, ':'), *comma = strchr(v, ',');
    uint32_t page, number;
    uint64_t oid = 0;
    char key[96];
    struct walk w;

    if (!colon || (size_t)(colon - v) >= sizeof(key))
        return malformed(c, "no PAGE/NUMBER:VALUE", v);
    memcpy(key, v, (size_t)(colon - v));
    key[colon - v] = 0;
    char *name = comma && comma < colon ? key + (comma - v) + 1 : key;
    if (name != key)
        name[-1] = 0;
    if ((name != key && !expr_number(key, c->r->gen, &oid)) ||
        !expr_attribute(name, strlen(name), c->r->gen, &page, &number))
        return malformed(c, "no attribute", v);
    if (!find_attr(c, oid, page, number, &w))
        return strcmp(colon + 1, "absent") == 0 ? OSD_OK
                                                : no(c, "attribute %s was not returned", name);
    if (strcmp(colon + 1, "absent") == 0)
        return no(c, "attribute %s was returned", name);
    return compare_attr(c, &w, name, colon + 1);
}

static osd_status want_count(struct check *c, const char *v)
{
    struct walk w;
    uint64_t want, n = 0;

    if (!expr_number(v, c->r->gen, &want))
        return malformed(c, "no number", v);
    if (walk_open(&w, c))
        while (walk_next(&w))
            n++;
    return n == want ? OSD_OK : no(c, "%" PRIu64 " attributes, wanted %" PRIu64, n, want);
}

/* ---- LIST data ---- */

static osd_status want_ids(struct check *c, const char *v)
{
    uint64_t have = c->a->in_len, i = 0, id, said;
    char one[64];

    if (have < LIST_HEAD)
        return no(c, "no LIST header");
    said = be64_get(c->a->in.data);
    have = said < have - 8 ? said + 8 : have;
    have = have < LIST_HEAD ? 0 : (have - LIST_HEAD) / 8;
    while (*v && strcmp(v, "none") != 0) {
        size_t n = strcspn(v, ",");
        if (n >= sizeof(one))
            return malformed(c, "no ids", v);
        memcpy(one, v, n);
        one[n] = 0;
        if (!expr_number(one, c->r->gen, &id))
            return malformed(c, "no ids", v);
        if (i >= have)
            return no(c, "%" PRIu64 " ids, %" PRIX64 "h is missing", have, id);
        if (be64_get(c->a->in.data + LIST_HEAD + 8 * i) != id)
            return no(c, "id %" PRIu64 " is %" PRIX64 "h, wanted %" PRIX64 "h", i,
                      be64_get(c->a->in.data + LIST_HEAD + 8 * i), id);
        i++;
        v += n + (v[n] == ',');
    }
    return i == have ? OSD_OK : no(c, "%" PRIu64 " ids, wanted %" PRIu64, have, i);
}

/* ---- numbers inside the answer ---- */

/* A number of Data-In that has a name. */
static const struct part {
    const char *name;
    uint8_t at, len;
} list_parts[] = {{"additional_length", 0, 8},
                  {"continuation_object_id", 8, 8},
                  {"list_identifier", 16, 4},
                  {"list_format", 23, 1}};

static uint64_t number_at(const uint8_t *p, size_t len)
{
    uint64_t v = 0;

    while (len-- > 0)
        v = v << 8 | *p++;
    return v;
}

static const struct part *find_part(const char *name)
{
    for (size_t i = 0; i < sizeof(list_parts) / sizeof(list_parts[0]); i++)
        if (strcmp(list_parts[i].name, name) == 0)
            return &list_parts[i];
    return NULL;
}

static osd_status want_part(struct check *c, const struct part *p, const char *v)
{
    uint64_t want, have;

    if (c->a->in_len < (uint64_t)p->at + p->len)
        return no(c, "%s: only %" PRIu64 " bytes of Data-In", p->name, c->a->in_len);
    have = number_at(c->a->in.data + p->at, p->len);
    if (strcmp(v, "nonzero") == 0)
        return have ? OSD_OK : no(c, "%s is zero", p->name);
    if (!expr_number(v, c->r->gen, &want))
        return malformed(c, "no number", v);
    return have == want ? OSD_OK
                        : no(c, "%s is %" PRIX64 "h, wanted %" PRIX64 "h", p->name, have, want);
}

/* save=NAME:bytes:LENGTH@AT: bytes of Data-In as hex(...). */
static osd_status save_bytes(struct check *c, const char *name, const char *where)
{
    char value[VALUE_MAX];
    uint64_t len, at;
    size_t n;
    char *end;

    len = strtoul(where, &end, 0);
    if (*end != '@' || !expr_number(end + 1, c->r->gen, &at) || 2 * len + 6 > sizeof(value))
        return malformed(c, "no LENGTH@AT", where);
    if (at + len > c->a->in_len)
        return no(c, "%s is not in the answer", where);
    n = (size_t)snprintf(value, sizeof(value), "hex(");
    for (uint64_t i = 0; i < len; i++)
        n += (size_t)snprintf(value + n, sizeof(value) - n, "%02x", c->a->in.data[at + i]);
    snprintf(value + n, sizeof(value) - n, ")");
    return vars_set(c->vars, name, value) ? OSD_OK : malformed(c, "too many variables", name);
}

/* NAME:u64@8 of Data-In, NAME:r32@0 of the retrieved attributes, NAME:attr:PAGE/NUMBER. */
static bool locate(struct check *c, const char *where, const uint8_t **ret, size_t *ret_len)
{
    uint64_t at, base = where[0] == 'r' ? c->r->retrieved_at : 0;
    uint32_t page, number;
    struct walk w;
    char *end;

    if (strncmp(where, "attr:", 5) == 0) {
        if (!expr_attribute(where + 5, strlen(where + 5), c->r->gen, &page, &number) ||
            !find_attr(c, 0, page, number, &w) || w.value_len > 8)
            return false;
        *ret = w.value;
        *ret_len = w.value_len;
        return true;
    }
    *ret_len = strtoul(where + 1, &end, 10) / 8;
    if ((where[0] != 'u' && where[0] != 'r') || *end != '@' || *ret_len > 8 ||
        !expr_number(end + 1, c->r->gen, &at) || base + at + *ret_len > c->a->in_len)
        return false;
    *ret = c->a->in.data + base + at;
    return true;
}

static osd_status save(struct check *c, const char *v)
{
    const char *colon = strchr(v, ':');
    char name[32], value[32];
    const uint8_t *p;
    size_t len;

    if (!colon || (size_t)(colon - v) >= sizeof(name))
        return malformed(c, "no NAME:WHERE", v);
    memcpy(name, v, (size_t)(colon - v));
    name[colon - v] = 0;
    if (strncmp(colon, ":bytes:", 7) == 0)
        return save_bytes(c, name, colon + 7);
    if (!locate(c, colon + 1, &p, &len))
        return no(c, "%s is not in the answer", colon + 1);
    snprintf(value, sizeof(value), "0x%" PRIx64, number_at(p, len));
    return vars_set(c->vars, name, value) ? OSD_OK : malformed(c, "too many variables", v);
}

/* ---- conditions ---- */

static osd_status want_in(struct check *c, const char *v)
{
    uint64_t n;

    if (!expr_number(v, c->r->gen, &n))
        return malformed(c, "no number", v);
    return c->a->in_len == n
               ? OSD_OK
               : no(c, "%" PRIu64 " bytes of Data-In, wanted %" PRIu64, c->a->in_len, n);
}

static osd_status want_data(struct check *c, const char *v)
{
    return want_bytes(c, "data", 0, v);
}

static osd_status want_retrieved(struct check *c, const char *v)
{
    return want_bytes(c, "retrieved attributes", c->r->retrieved_at, v);
}

static osd_status want_object(struct check *c, const char *v)
{
    const char *slash = strchr(v, '/');
    char pid[64];
    uint64_t p, o = 0;

    if ((slash ? (size_t)(slash - v) : strlen(v)) >= sizeof(pid))
        return malformed(c, "no object", v);
    snprintf(pid, sizeof(pid), "%.*s", (int)(slash ? slash - v : (long)strlen(v)), v);
    if (!expr_number(pid, c->r->gen, &p) || (slash && !expr_number(slash + 1, c->r->gen, &o)))
        return malformed(c, "no object", v);
    if (!c->s.has_object || c->s.pid != p || c->s.oid != o)
        return no(c, "sense names object %" PRIX64 "h/%" PRIX64 "h", c->s.pid, c->s.oid);
    return OSD_OK;
}

static osd_status want_bits(struct check *c, const char *v, const char *what, uint32_t have)
{
    uint64_t want;

    if (!expr_number(v, c->r->gen, &want))
        return malformed(c, "no number", v);
    return have == want ? OSD_OK : no(c, "%s is %08" PRIX32 "h", what, have);
}

static osd_status want_completed(struct check *c, const char *v)
{
    return want_bits(c, v, "completed", c->s.completed);
}

static osd_status want_not_initiated(struct check *c, const char *v)
{
    return want_bits(c, v, "not_initiated", c->s.not_initiated);
}

static osd_status want_information(struct check *c, const char *v)
{
    uint64_t want;

    if (strcmp(v, "any") == 0)
        return c->s.has_info ? OSD_OK : no(c, "no command-specific information");
    if (!expr_number(v, c->r->gen, &want))
        return malformed(c, "no number", v);
    return c->s.has_info && c->s.info == want
               ? OSD_OK
               : no(c, "command-specific information is %" PRIu64, c->s.info);
}

/* ---- integrity check values (reference 6.3) ---- */

/* Descriptor 07h of sense data; NULL when there is none of that length. */
static const uint8_t *response_in_sense(const struct answer *a, size_t len)
{
    for (size_t at = 8; at + 2 + len <= a->sense_len; at += 2u + a->sense[at + 1])
        if (a->sense[at] == 0x07 && a->sense[at + 1] == len)
            return a->sense + at + 2;
    return NULL;
}

/* The response's value of a GOOD answer: attribute 1h of the current command page, or the page. */
static const uint8_t *response_in_page(struct check *c)
{
    size_t at = c->r->retrieved_at, len = c->r->gen == 1 ? 20 : 32;
    struct walk w;

    if (c->r->list_format)
        return find_attr(c, 0, 0xfffffffe, 1, &w) && w.value_len == len ? w.value : NULL;
    if (c->a->in_len < at + 8 + len || be32_get(c->a->in.data + at) != 0xfffffffe)
        return NULL;
    return c->a->in.data + at + 8;
}

/* response=signed: the value is there and right; response=none: there is none. */
static osd_status want_response(struct check *c, const char *v)
{
    bool good = c->a->status == GOOD;
    const uint8_t *value =
        good ? response_in_page(c) : response_in_sense(c->a, c->r->gen == 1 ? 20 : 32);
    const struct osd_bytes sense = {c->a->sense, good ? 0 : c->a->sense_len};

    if (strcmp(v, "none") == 0)
        return value ? no(c, "there is a response integrity check value") : OSD_OK;
    if (strcmp(v, "signed") != 0)
        return malformed(c, "neither signed nor none", v);
    if (!value)
        return no(c, "no response integrity check value");
    return sign_response_right(&c->r->sign, c->r->gen, c->r->cdb, c->a->status, sense, value)
               ? OSD_OK
               : no(c, "the response integrity check value is wrong");
}

/* data_in=signed: the integrity information behind Data-In is right. */
static osd_status want_data_in(struct check *c, const char *v)
{
    if (strcmp(v, "signed") != 0)
        return malformed(c, "not signed", v);
    return sign_in_right(&c->r->sign, c->r->gen,
                         (struct osd_bytes){c->a->in.data, c->a->in_len}, c->r->retrieved_at)
               ? OSD_OK
               : no(c, "the integrity information of Data-In is missing or wrong");
}

/* Attribute named by descriptor 08h. */
static osd_status want_names(struct check *c, const char *v)
{
    uint32_t page, number;

    if (!expr_attribute(v, strlen(v), c->r->gen, &page, &number))
        return malformed(c, "no attribute", v);
    return c->s.n_attrs && c->s.page == page && c->s.number == number
               ? OSD_OK
               : no(c, "sense does not name attribute %s", v);
}

/* has=BYTES: somewhere in Data-In. */
static osd_status want_has(struct check *c, const char *v)
{
    _cleanup_buf_ struct osd_buf want = osd_buf_make(EXPR_MAX);

    if (expr_bytes(v, c->r->gen, &want) || want.len == 0)
        return malformed(c, "no bytes", v);
    return memmem(c->a->in.data, c->a->in_len, want.data, want.len)
               ? OSD_OK
               : no(c, "%s is nowhere in Data-In", v);
}

static const struct condition {
    const char *name;
    osd_status (*run)(struct check *c, const char *v);
} conditions[] = {
    {"in", want_in},
    {"data", want_data},
    {"retrieved", want_retrieved},
    {"attr", want_attr},
    {"attrs", want_count},
    {"ids", want_ids},
    {"object", want_object},
    {"completed", want_completed},
    {"not_initiated", want_not_initiated},
    {"information", want_information},
    {"names", want_names},
    {"save", save},
    {"has", want_has},
    {"response", want_response},
    {"data_in", want_data_in},
};

/* data@N=BYTES, retrieved@N=BYTES */
static osd_status want_at(struct check *c, const char *key, const char *at, const char *v)
{
    bool retrieved = strncmp(key, "retrieved@", 10) == 0;
    uint64_t n;

    if ((!retrieved && strncmp(key, "data@", 5) != 0) || !expr_number(at, c->r->gen, &n) ||
        n > EXPR_MAX)
        return malformed(c, "no condition", key);
    return want_bytes(c, key, n + (retrieved ? c->r->retrieved_at : 0), v);
}

static osd_status condition(struct check *c, const char *key, const char *v)
{
    const struct part *p = find_part(key);
    const char *at = strchr(key, '@');

    if (p)
        return want_part(c, p, v);
    if (at)
        return want_at(c, key, at + 1, v);
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (strcmp(conditions[i].name, key) == 0)
            return conditions[i].run(c, v);
    return malformed(c, "no condition", key);
}

/* NAME=... of a condition that there is. */
static bool is_condition(const char *word)
{
    size_t len = strcspn(word, "=");
    char key[64];

    if (!word[len] || len >= sizeof(key))
        return false;
    snprintf(key, sizeof(key), "%.*s", (int)len, word);
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
        if (strcmp(conditions[i].name, key) == 0)
            return true;
    return find_part(key) || strncmp(key, "data@", 5) == 0 ||
           strncmp(key, "retrieved@", 10) == 0;
}

static const struct verdict *find_verdict(const char *name)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (strcmp(verdicts[i].name, name) == 0)
            return &verdicts[i];
    return NULL;
}

/* The first word after "->" is a verdict, or the line has conditions only. */
static osd_status take_verdict(struct check *c, const struct words *line, size_t *at)
{
    const struct verdict *v = find_verdict(line->w[*at]);

    if (!v)
        return strchr(line->w[*at], '=') ? OSD_OK : malformed(c, "no verdict", line->w[*at]);
    if (v->takes_argument && *at + 1 >= line->n)
        return malformed(c, "argument missing after", v->name);
    *at += v->takes_argument ? 2 : 1;
    return v->run(c, v->takes_argument ? line->w[*at - 1] : NULL);
}

/* Mistakes in what follows the verdict are those of the script, also when the verdict does not
 * hold and nobody looks at the rest. */
static osd_status check_names(struct check *c, const struct words *line)
{
    const struct verdict *v = find_verdict(line->w[1]);
    size_t at = v ? 2u + v->takes_argument : strchr(line->w[1], '=') ? 1 : line->n;

    for (; at < line->n; at++)
        if (!is_condition(line->w[at]))
            return malformed(c, "no condition", line->w[at]);
    return OSD_OK;
}

osd_status expect_check(const struct words *line, const struct request *r,
                        const struct answer *a, struct vars *vars, char *why, size_t why_len)
{
    struct check c = {.r = r, .a = a, .vars = vars, .why = why, .why_len = why_len};
    size_t at = 1;
    osd_status st;

    if (line->n < 2)
        return malformed(&c, "empty expectation", "");
    c.has_sense = sense_parse(a, &c.s);
    st = check_names(&c, line);
    if (st == OSD_OK)
        st = take_verdict(&c, line, &at);
    for (; st == OSD_OK && at < line->n; at++) {
        char *eq = strchr(line->w[at], '=');
        *eq = 0;
        st = condition(&c, line->w[at], eq + 1);
        *eq = '=';
    }
    return st;
}
