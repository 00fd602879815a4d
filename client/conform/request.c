/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/request.c - see request.h
 */
#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "expr.h"

#define EXPIRATION   0x020251fe2400ULL /* 2040-01-01 */
#define UNUSED       0xffffffffu
#define ANSWER       4096u /* allocation lengths that a line does not state */
#define PAGE_ANSWER  256u
#define ANSWER_MAX   (1u << 20) /* room made for an allocation length */
#define SERVICE      8
#define CONTINUATION 40

/* What a line asks for, before the bytes are laid out. */
struct plan {
    struct request *r;
    const struct words *line;
    size_t first; /* first word after the name and the ids */
    uint64_t pid, oid;
    char *reason;
    size_t reason_len;
    struct osd_buf continuation, data, set, get;
    bool has_data, list_attr, no_cap, cap_collection, cap_format1;
    unsigned n_get, n_set;
    bool policy; /* attributes that need POL/SEC */
    char format; /* 'p' page, 'l' list, 'c' CDB field */
    uint32_t page, number, get_page;
    uint32_t alloc;
    bool has_alloc;
    const struct sign_facts *facts;
    size_t piece_at[3]; /* where command data, set and get list lie in Data-Out */
    size_t out_info_at; /* and their integrity information; 0: there is none */
};

static osd_status bad(struct plan *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static osd_status bad(struct plan *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(p->reason, p->reason_len, fmt, ap);
    va_end(ap);
    return OSD_E_INVALID;
}

/* ---- words ---- */

/* Value of KEY=VALUE, NULL when the word is something else. */
static char *value_of(char *word, const char *key)
{
    size_t n = strlen(key);

    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static char *find_value(const struct plan *p, const char *key)
{
    for (size_t i = p->first; i < p->line->n; i++) {
        char *v = value_of(p->line->w[i], key);
        if (v)
            return v;
    }
    return NULL;
}

static osd_status take_ids(struct plan *p)
{
    char *w = p->first < p->line->n ? p->line->w[p->first] : NULL;
    char *slash;

    if (!w || w[0] < '0' || w[0] > '9' || strchr(w, '='))
        return OSD_OK;
    slash = strchr(w, '/');
    if (slash)
        *slash = 0;
    if (!expr_number(w, p->r->gen, &p->pid) ||
        (slash && !expr_number(slash + 1, p->r->gen, &p->oid)))
        return bad(p, "\"%s\" is no object id", w);
    if (slash)
        *slash = '/';
    p->first++;
    return OSD_OK;
}

/* ---- attributes ---- */

static bool is_policy(uint32_t page)
{
    return page < 0xc0000000 && page % 0x30000000 == 5;
}

static osd_status put_get(struct plan *p, const char *v)
{
    uint8_t raw[8];
    uint32_t page, number;
    size_t len = strlen(v);

    p->n_get++;
    if (p->format == 'p') {
        if (!expr_page(v, len, p->r->gen, &p->get_page))
            return bad(p, "\"%s\" is no attributes page", v);
        p->policy |= is_policy(p->get_page);
        return OSD_OK;
    }
    if (!expr_attribute(v, len, p->r->gen, &page, &number))
        return bad(p, "\"%s\" is no attribute PAGE/NUMBER", v);
    p->policy |= is_policy(page);
    be32_put(raw, page);
    be32_put(raw + 4, number);
    return osd_buf_put(&p->get, raw, sizeof(raw));
}

/* Entry of a set list (reference 3.2, 3.3). */
static osd_status put_entry(struct plan *p, const struct osd_buf *value)
{
    size_t head = p->r->gen == 1 ? 10 : 16;
    uint8_t raw[16] = {0};
    osd_status st;

    be32_put(raw, p->page);
    be32_put(raw + 4, p->number);
    be16_put(raw + head - 2, (uint16_t)value->len);
    st = osd_buf_put(&p->set, raw, head);
    if (st == OSD_OK)
        st = osd_buf_put(&p->set, value->data, value->len);
    if (st == OSD_OK && p->r->gen == 2)
        st = osd_buf_put(&p->set, NULL, -value->len & 7);
    return st;
}

/* PAGE/NUMBER:BYTES; nothing after the colon is length zero. */
static osd_status put_set(struct plan *p, const char *v)
{
    _cleanup_buf_ struct osd_buf value = osd_buf_make(EXPR_MAX);
    const char *colon = strchr(v, ':');
    osd_status st = OSD_OK;

    if (!colon || !expr_attribute(v, (size_t)(colon - v), p->r->gen, &p->page, &p->number))
        return bad(p, "\"%s\" is no PAGE/NUMBER:VALUE", v);
    if (colon[1] && (st = expr_bytes(colon + 1, p->r->gen, &value)))
        return bad(p, "\"%s\" is no value", colon + 1);
    p->n_set++;
    p->policy |= is_policy(p->page);
    if (p->format == 'l')
        return put_entry(p, &value);
    if (p->format == 'p')
        return osd_buf_put(&p->set, value.data, value.len);
    if (value.len > 18)
        return bad(p, "18 bytes at most in the CDB");
    be16_put(p->r->cdb + 60, (uint16_t)value.len);
    memcpy(p->r->cdb + 62, value.data ? value.data : (const uint8_t *)"", value.len);
    return OSD_OK;
}

static osd_status put_header(struct plan *p, struct osd_buf *list, uint8_t type)
{
    uint8_t raw[8] = {type};
    size_t len = p->r->gen == 1 ? 4 : 8;
    osd_status st;

    (void)st;
    return osd_buf_put(list, raw, len);
}

static void patch_header(const struct plan *p, struct osd_buf *list)
{
    if (list->len == 0)
        return;
    if (p->r->gen == 1)
        be16_put(list->data + 2, (uint16_t)(list->len - 4));
    else
        be32_put(list->data + 4, (uint32_t)(list->len - 8));
}

static osd_status choose_format(struct plan *p)
{
    const char *v = find_value(p, "attrs");
    bool any = find_value(p, "get") || find_value(p, "set") || find_value(p, "get_list") ||
               find_value(p, "set_list");

    if (v && strcmp(v, "list") && strcmp(v, "page") && strcmp(v, "cdb"))
        return bad(p, "attrs=%s is none of list, page, cdb", v);
    p->format = v ? v[0] : any ? 'l' : 'p';
    return OSD_OK;
}

/* A list whose bytes the line states whole. */
static osd_status raw_list(struct plan *p, const char *key, struct osd_buf *list, unsigned *n)
{
    const char *v = find_value(p, key);

    if (!v)
        return OSD_OK;
    *n += 1;
    return expr_bytes(v, p->r->gen, list) ? bad(p, "%s=%s is no bytes", key, v) : OSD_OK;
}

static osd_status take_attributes(struct plan *p)
{
    osd_status st = choose_format(p);
    bool list = p->format == 'l';

    if (st == OSD_OK && list && find_value(p, "get"))
        st = put_header(p, &p->get, 0x1);
    if (st == OSD_OK && list && find_value(p, "set"))
        st = put_header(p, &p->set, 0x9);
    for (size_t i = p->first; st == OSD_OK && i < p->line->n; i++) {
        const char *get = value_of(p->line->w[i], "get");
        const char *set = value_of(p->line->w[i], "set");
        if (get)
            st = put_get(p, get);
        else if (set)
            st = put_set(p, set);
    }
    if (st)
        return st;
    if (list) {
        patch_header(p, &p->get);
        patch_header(p, &p->set);
    }
    st = raw_list(p, "get_list", &p->get, &p->n_get);
    return st ? st : raw_list(p, "set_list", &p->set, &p->n_set);
}

/* ---- segments ---- */

static size_t unit(const struct plan *p)
{
    return p->r->gen == 1 ? 256 : 8;
}

static uint32_t offset_field(const struct plan *p, size_t off)
{
    if (off == 0)
        return 0;
    return p->r->gen == 1 ? (uint32_t)(off >> 8) : 0xb0000000u | (uint32_t)(off >> 3);
}

/* Append a segment to Data-Out where an offset can point; returns its offset field. */
static osd_status add_out(struct plan *p, const struct osd_buf *seg, size_t *ret_at,
                          uint32_t *ret_field)
{
    size_t pad = -p->r->out.len & (unit(p) - 1);
    osd_status st;

    *ret_field = UNUSED;
    if (seg->len == 0)
        return OSD_OK;
    st = osd_buf_put(&p->r->out, NULL, pad);
    *ret_field = offset_field(p, p->r->out.len);
    *ret_at = p->r->out.len;
    return st ? st : osd_buf_put(&p->r->out, seg->data, seg->len);
}

static osd_status take_bytes(struct plan *p, const char *key, struct osd_buf *ret)
{
    const char *v = find_value(p, key);

    if (!v || !*v)
        return OSD_OK;
    return expr_bytes(v, p->r->gen, ret) ? bad(p, "%s=%s is no bytes", key, v) : OSD_OK;
}

/* descriptors=BYTES: the head of the continuation segment is made here (reference 3.6). */
static osd_status take_continuation(struct plan *p)
{
    uint8_t head[CONTINUATION] = {0x01};
    osd_status st;

    if (!find_value(p, "descriptors"))
        return take_bytes(p, "continuation", &p->continuation);
    be16_put(head + 2, p->r->op->action[2]);
    st = osd_buf_put(&p->continuation, head, sizeof(head));
    return st ? st : take_bytes(p, "descriptors", &p->continuation);
}

static osd_status lay_out(struct plan *p)
{
    struct request *r = p->r;
    uint32_t set_field = UNUSED, get_field = UNUSED;
    osd_status st = osd_buf_put(&r->out, p->continuation.data, p->continuation.len);

    if (st == OSD_OK && p->has_data)
        st = osd_buf_put(&r->out, p->data.data, p->data.len);
    if (st == OSD_OK && p->format != 'c')
        st = add_out(p, &p->set, &p->piece_at[1], &set_field);
    if (st == OSD_OK && p->format == 'l')
        st = add_out(p, &p->get, &p->piece_at[2], &get_field);
    if (st)
        return st;
    if (p->format == 'p') {
        be32_put(r->cdb + 52, p->get_page);
        be32_put(r->cdb + 64, p->n_set ? p->page : 0);
        be32_put(r->cdb + 68, p->n_set ? p->number : 0);
        be32_put(r->cdb + 72, (uint32_t)p->set.len);
        be32_put(r->cdb + 76, set_field);
    } else if (p->format == 'l') {
        be32_put(r->cdb + 52, (uint32_t)p->get.len);
        be32_put(r->cdb + 56, get_field);
        be32_put(r->cdb + 68, (uint32_t)p->set.len);
        be32_put(r->cdb + 72, set_field);
    } else {
        be32_put(r->cdb + 52, p->page);
        be32_put(r->cdb + 56, p->number);
    }
    return OSD_OK;
}

/* Room for the answer, and where the retrieved attributes go. */
static osd_status plan_in(struct plan *p)
{
    struct request *r = p->r;
    bool gets = p->n_get > 0 && !p->list_attr && p->format != 'c';
    size_t at = p->format == 'p' ? 56 : 60;
    uint64_t len = r->op->data ? be64_get(r->cdb + (r->gen == 1 ? 36 : 32)) : 0;

    r->in_data = r->op->data == 'i' || r->op->data == 'a' ? len : 0;
    if (r->in_data > ANSWER_MAX)
        r->in_data = ANSWER_MAX;
    r->in_len = r->in_data;
    r->retrieved_at = (r->in_data + unit(p) - 1) & ~(unit(p) - 1);
    if (!p->has_alloc)
        p->alloc = p->format == 'p' ? PAGE_ANSWER : ANSWER;
    if (p->format != 'c')
        be32_put(r->cdb + at + 4, gets ? offset_field(p, r->retrieved_at) : UNUSED);
    if (!gets)
        return OSD_OK;
    be32_put(r->cdb + at, p->alloc);
    r->in_len = r->retrieved_at + (p->alloc < ANSWER_MAX ? p->alloc : ANSWER_MAX);
    return OSD_OK;
}

/* ---- signatures (reference 6) ---- */

/* Room for the integrity information of ALLDATA, behind everything else. */
static osd_status make_room(struct plan *p)
{
    struct request *r = p->r;
    struct osd_buf info = osd_buf_make(sizeof(uint64_t) * 16);
    size_t in_field = r->gen == 1 ? 192 : 228;
    uint32_t field = UNUSED;
    osd_status st = OSD_OK;

    if (r->out.len > p->continuation.len) {
        st = osd_buf_put(&info, NULL, sign_out_len(r->gen));
        if (st == OSD_OK)
            st = add_out(p, &info, &p->out_info_at, &field);
        be32_put(r->cdb + in_field + 4, field);
    }
    if (r->in_len) {
        r->sign.in_info_at = (r->in_len + unit(p) - 1) & ~(unit(p) - 1);
        r->in_len = r->sign.in_info_at + sign_in_len(r->gen);
        be32_put(r->cdb + in_field, offset_field(p, r->sign.in_info_at));
    }
    osd_buf_free(&info);
    return st;
}

static uint8_t method_of(const struct plan *p)
{
    static const char *const names[] = {"nosec", "capkey", "cmdrsp", "alldata"};
    const char *v = find_value(p, "method");

    for (uint8_t i = 0; v && i < 4; i++)
        if (strcmp(names[i], v) == 0)
            return i;
    return 0;
}

/* Where a client that signs would put its nonce; a line may state another one. */
static void put_nonce(struct plan *p)
{
    uint8_t *nonce = p->r->cdb + (p->r->gen == 1 ? 180 : 216);

    if (p->r->sign.method < 2)
        return;
    be48_put(nonce, p->facts->clock_ms);
    osd_random(nonce + 6, 6);
}

static osd_status take_method(struct plan *p)
{
    const char *v = find_value(p, "method"), *hmac = find_value(p, "hmac");

    p->r->sign.method = method_of(p);
    p->r->sign.sha256 = hmac && strcmp(hmac, "sha256") == 0;
    if (v && p->r->sign.method == 0 && strcmp(v, "nosec") != 0)
        return bad(p, "method=%s is none of capkey, cmdrsp, alldata", v);
    if (p->r->sign.method && (!find_value(p, "key") || !p->facts))
        return bad(p, "method=%s needs a key", v);
    return OSD_OK;
}

/* Everything is in its place: the values are computed, the request's own last. */
static osd_status sign(struct plan *p)
{
    _cleanup_buf_ struct osd_buf secret = osd_buf_make(EXPR_MAX);
    struct request *r = p->r;
    struct osd_bytes piece[3] = {{NULL, p->data.len}, {NULL, 0}, {NULL, 0}};
    bool ok;

    if (!r->sign.method)
        return OSD_OK;
    if (take_bytes(p, "key", &secret) || secret.len == 0)
        return bad(p, "key=%s is no key", find_value(p, "key"));
    ok = sign_capability_key(r->sign.sha256, (struct osd_bytes){secret.data, secret.len},
                             r->gen, r->cdb, p->facts, r->sign.key);
    if (p->format != 'c')
        piece[1].len = p->set.len;
    if (p->format == 'l')
        piece[2].len = p->get.len;
    p->piece_at[0] = p->continuation.len;
    for (size_t i = 0; i < 3; i++)
        piece[i].data = piece[i].len ? r->out.data + p->piece_at[i] : NULL;
    if (ok && r->sign.method == 3 && p->out_info_at)
        ok = sign_out(&r->sign, r->gen, piece, r->out.data + p->out_info_at);
    if (ok)
        ok = sign_continuation(&r->sign, r->out.data, p->continuation.len);
    return ok && sign_cdb(&r->sign, r->gen, r->cdb, p->facts) ? OSD_OK : OSD_E_NOMEM;
}

/* ---- capability ---- */

static uint8_t object_type(const struct plan *p)
{
    static const uint8_t types[] = {0x01, 0x02, 0x80, 0x40};
    enum subject s = p->r->op->subject;

    if (p->cap_collection || (s == SUBJECT_LISTED && p->oid))
        return 0x40;
    if (s == SUBJECT_IDS || s == SUBJECT_LISTED)
        return p->pid == 0 ? 0x01 : p->oid == 0 ? 0x02 : 0x80;
    return types[s];
}

static uint16_t permissions(const struct plan *p)
{
    uint16_t v = p->r->op->permissions;

    if (p->n_get)
        v |= PERM_GET_ATTR;
    if (p->n_set)
        v |= PERM_SET_ATTR;
    if (p->policy)
        v |= PERM_POL_SEC;
    if (p->list_attr)
        v |= 0x0010;
    return p->r->gen == 1 || p->cap_format1 ? v & 0xffe0 : v;
}

static void put_capability(struct plan *p)
{
    bool layout1 = p->r->gen == 1 || p->cap_format1;
    uint8_t *cap = p->r->cdb + 80, type = object_type(p);
    bool par = type == 0x01 || type == 0x02;

    if (p->no_cap)
        return;
    cap[0] = layout1 ? 1 : 2;
    cap[1] = p->r->sign.sha256 ? 2 : 0; /* index of the algorithm */
    cap[2] = p->r->sign.method;
    be48_put(cap + 4, EXPIRATION);
    cap[48] = type;
    be16_put(cap + 49, permissions(p));
    cap[55] = (uint8_t)((par ? 2 : type == 0x40 && !layout1 ? 3 : 1) << 4);
    be64_put(cap + (layout1 ? 60 : 72), p->pid);
    be64_put(cap + (layout1 ? 68 : 80), par ? 0 : p->oid);
}

/* ---- fields ---- */

/* permissions=READ+GET_ATTR, permissions=default-READ, or a number. */
static bool permission_value(const struct plan *p, const char *text, uint64_t *ret)
{
    uint16_t v = 0;
    bool minus = false;

    if (expr_number(text, p->r->gen, ret))
        return true;
    for (;;) {
        size_t n = strcspn(text, "+-");
        uint16_t bits = n == 7 && strncmp(text, "default", n) == 0 ? permissions(p)
                        : n == 3 && strncmp(text, "all", n) == 0
                            ? (p->r->gen == 1 ? 0xffe0 : 0xfffc)
                            : permission_find(text, n);
        if (bits == 0 && !(n == 4 && strncmp(text, "none", n) == 0))
            return false;
        v = minus ? v & ~bits : v | bits;
        if (text[n] == 0)
            break;
        minus = text[n] == '-';
        text += n + 1;
    }
    *ret = v;
    return true;
}

static const struct field *find_field(const struct request *r, const char *name)
{
    return r->op->spc_len ? field_find_spc(r->op->spc_opcode, name) : field_find(name, r->gen);
}

static const char *const special[] = {"data",   "get",     "set",          "attrs",
                                      "alloc",  "cap",     "get_list",     "set_list",
                                      "out",    "out_len", "continuation", "descriptors",
                                      "in_len", "cdb_len", "seed",         "key_identifier",
                                      "method", "key",     "hmac"};

static bool is_special(const char *name)
{
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
        if (strcmp(special[i], name) == 0)
            return true;
    return false;
}

/* @N=BYTES: the CDB as it stands, overwritten. */
static osd_status put_raw(struct plan *p, const char *at, const char *v)
{
    _cleanup_buf_ struct osd_buf b = osd_buf_make(CDB_MAX);
    uint64_t n;

    if (!expr_number(at, p->r->gen, &n) || expr_bytes(v, p->r->gen, &b) || n > CDB_MAX ||
        b.len > CDB_MAX - n)
        return bad(p, "@%s=%s: not bytes of the CDB", at, v);
    if (b.len)
        memcpy(p->r->cdb + n, b.data, b.len);
    return OSD_OK;
}

/* Fields of SET KEY and SET MASTER KEY that are strings of bytes (reference 1.8). */
static osd_status put_strings(struct plan *p)
{
    static const struct {
        const char *key;
        uint8_t at, len;
    } strings[] = {{"seed", 32, 20}, {"key_identifier", 25, 7}};

    for (size_t i = 0; i < 2; i++) {
        _cleanup_buf_ struct osd_buf b = osd_buf_make(CDB_MAX);
        osd_status st = take_bytes(p, strings[i].key, &b);
        if (st)
            return st;
        if (b.len && b.len != strings[i].len)
            return bad(p, "%s has %u bytes", strings[i].key, strings[i].len);
        if (b.len)
            memcpy(p->r->cdb + strings[i].at, b.data, b.len);
    }
    return OSD_OK;
}

static osd_status put_field(struct plan *p, const char *name, const char *v)
{
    const struct field *f = find_field(p->r, name);
    uint64_t n;
    bool ok;

    if (!f)
        return bad(p, "%s has no field \"%s\" in OSD-%d", p->r->op->name, name, p->r->gen);
    ok = strcmp(f->name, "permissions") == 0 ? permission_value(p, v, &n)
                                             : expr_number(v, p->r->gen, &n);
    if (!ok || !field_put(f, p->r->gen, p->r->cdb, n))
        return bad(p, "%s=%s does not fit", name, v);
    return OSD_OK;
}

/* All words KEY=VALUE; raw ones when raw is set, else named fields. */
static osd_status put_fields(struct plan *p, bool raw)
{
    osd_status st = OSD_OK;

    for (size_t i = p->first; st == OSD_OK && i < p->line->n; i++) {
        char *w = p->line->w[i], *eq = strchr(w, '=');
        if (!eq)
            return bad(p, "\"%s\" is no FIELD=VALUE", w);
        *eq = 0;
        if (w[0] == '@')
            st = raw ? put_raw(p, w + 1, eq + 1) : OSD_OK;
        else if (!raw && !is_special(w))
            st = put_field(p, w, eq + 1);
        *eq = '=';
    }
    return st;
}

/* A length the line leaves out: that of the data, or a usual allocation length. */
static void default_length(struct plan *p)
{
    struct request *r = p->r;
    const struct field *f = find_field(r, r->op->spc_len ? "allocation_length" : "length");

    if (!f)
        return;
    if (r->op->data == 'o')
        (void)field_put(f, r->gen, r->cdb, p->data.len);
    else if (r->op->data == 'a')
        (void)field_put(f, r->gen, r->cdb, r->op->spc_len ? 252 : ANSWER);
}

static osd_status take_numbers(struct plan *p)
{
    static const char *const keys[] = {"alloc", "in_len", "out_len", "cdb_len"};
    uint64_t v[4] = {p->alloc, p->r->in_len, p->r->out.len, p->r->cdb_len};

    for (size_t i = 0; i < 4; i++) {
        const char *text = find_value(p, keys[i]);
        if (text && (!expr_number(text, p->r->gen, &v[i]) || v[i] > UINT32_MAX))
            return bad(p, "%s=%s is no length", keys[i], text);
    }
    if (v[3] > CDB_MAX || v[1] > EXPR_MAX || v[2] > EXPR_MAX)
        return bad(p, "too long");
    p->r->in_len = v[1];
    p->r->cdb_len = v[3];
    if (v[2] > p->r->out.len)
        return osd_buf_put(&p->r->out, NULL, v[2] - p->r->out.len);
    p->r->out.len = v[2];
    return OSD_OK;
}

static osd_status take_cap(struct plan *p)
{
    const char *v = find_value(p, "cap");

    if (!v)
        return OSD_OK;
    p->no_cap = strcmp(v, "none") == 0;
    p->cap_collection = strcmp(v, "collection") == 0;
    p->cap_format1 = strcmp(v, "format1") == 0 && p->r->gen == 2;
    if (!p->no_cap && !p->cap_collection && strcmp(v, "format1") != 0)
        return bad(p, "cap=%s is none of none, collection, format1", v);
    return OSD_OK;
}

/* ---- the two kinds of command ---- */

static void put_fixed(struct plan *p)
{
    struct request *r = p->r;
    size_t icv = r->gen == 1 ? 192 : 228;

    r->cdb_len = r->gen == 1 ? 200 : 236;
    r->cdb[0] = 0x7f;
    r->cdb[7] = (uint8_t)(r->cdb_len - 8);
    be16_put(r->cdb + SERVICE, r->op->action[r->gen]);
    r->cdb[11] = (uint8_t)((p->format == 'c' ? 1 : p->format == 'p' ? 2 : 3) << 4);
    be64_put(r->cdb + 16, p->pid);
    be64_put(r->cdb + 24, p->oid);
    be32_put(r->cdb + icv, UNUSED);
    be32_put(r->cdb + icv + 4, UNUSED);
    if (r->gen == 2 && p->continuation.len)
        be32_put(r->cdb + 48, (uint32_t)p->continuation.len);
}

static osd_status build_osd(struct plan *p)
{
    const char *list_attr = find_value(p, "list_attr"), *alloc = find_value(p, "alloc");
    uint64_t v;
    osd_status st;

    p->list_attr = list_attr && strcmp(list_attr, "1") == 0;
    if (alloc && expr_number(alloc, p->r->gen, &v) && v <= UINT32_MAX) {
        p->alloc = (uint32_t)v;
        p->has_alloc = true;
    }
    p->has_data = find_value(p, "data") != NULL;
    if ((st = take_method(p)) || (st = take_cap(p)) || (st = take_bytes(p, "data", &p->data)) ||
        (st = take_continuation(p)) || (st = take_attributes(p)))
        return st;
    put_fixed(p);
    default_length(p);
    put_capability(p);
    put_nonce(p);
    if ((st = lay_out(p)) || (st = put_fields(p, false)))
        return st;
    /* Offsets that the line states are put after those made here. */
    if ((st = plan_in(p)) || (p->r->sign.method == 3 && (st = make_room(p))))
        return st;
    if ((st = put_fields(p, false)) || (st = put_strings(p)))
        return st;
    return sign(p);
}

static osd_status build_spc(struct plan *p)
{
    struct request *r = p->r;
    const struct field *f = find_field(r, "allocation_length");
    osd_status st;

    r->cdb_len = r->op->spc_len;
    r->cdb[0] = r->op->spc_opcode;
    default_length(p);
    st = put_fields(p, false);
    for (int i = 0; f && i < f->len; i++)
        r->in_len = r->in_len << 8 | r->cdb[f->at[1] + i];
    if (r->in_len > ANSWER_MAX)
        r->in_len = ANSWER_MAX;
    r->in_data = r->in_len;
    return st;
}

/* CDB BYTES: all of it as it stands. */
static const struct opcode raw_opcode = {.name = "CDB", .spc_len = 6};

static osd_status build_raw(struct plan *p)
{
    _cleanup_buf_ struct osd_buf b = osd_buf_make(CDB_MAX);

    if (p->line->n < 2 || expr_bytes(p->line->w[1], p->r->gen, &b) || b.len == 0)
        return bad(p, "CDB wants its bytes");
    memcpy(p->r->cdb, b.data, b.len);
    p->r->cdb_len = b.len;
    p->first = 2;
    return OSD_OK;
}

static osd_status build(struct plan *p)
{
    struct request *r = p->r;
    osd_status st;

    if (strcmp(p->line->w[0], "CDB") == 0) {
        r->op = &raw_opcode;
        st = build_raw(p);
    } else {
        r->op = opcode_find((char *const *)p->line->w, p->line->n, &p->first);
        if (!r->op)
            return bad(p, "\"%s\" is no command", p->line->w[0]);
        if (!r->op->spc_len && !r->op->action[r->gen])
            return bad(p, "OSD-%d has no %s", r->gen, r->op->name);
        st = take_ids(p);
        if (st == OSD_OK)
            st = r->op->spc_len ? build_spc(p) : build_osd(p);
    }
    if (st == OSD_OK && find_value(p, "out")) {
        r->out.len = 0;
        st = take_bytes(p, "out", &r->out);
    }
    r->list_format = p->format == 'l';
    if (st == OSD_OK)
        st = put_fields(p, true);
    return st ? st : take_numbers(p);
}

bool request_signs(const struct words *line)
{
    for (size_t i = 0; i < line->n; i++)
        if (strncmp(line->w[i], "method=", 7) == 0)
            return true;
    return false;
}

osd_status request_build(const struct words *line, int gen, const struct sign_facts *facts,
                         struct request *ret, char *reason, size_t reason_len)
{
    struct plan p = {.r = ret,
                     .line = line,
                     .facts = facts,
                     .reason = reason,
                     .reason_len = reason_len,
                     .continuation = osd_buf_make(EXPR_MAX),
                     .data = osd_buf_make(EXPR_MAX),
                     .set = osd_buf_make(EXPR_MAX),
                     .get = osd_buf_make(EXPR_MAX)};
    osd_status st;

    *ret = (struct request){.gen = gen, .out = osd_buf_make(2 * EXPR_MAX)};
    reason[0] = 0;
    st = line->n ? build(&p) : bad(&p, "empty line");
    if (st && !reason[0])
        snprintf(reason, reason_len, "%s", osd_status_text(st));
    osd_buf_free(&p.continuation);
    osd_buf_free(&p.data);
    osd_buf_free(&p.set);
    osd_buf_free(&p.get);
    return st;
}

void request_free(struct request *r)
{
    osd_buf_free(&r->out);
}

int request_field(const struct request *r, const char *text)
{
    size_t len = strcspn(text, "=");
    char name[64];
    const struct field *f;
    uint64_t v;

    if (len >= sizeof(name))
        return -1;
    memcpy(name, text, len);
    name[len] = 0;
    f = find_field(r, name);
    if (f)
        return f->at[r->gen];
    return expr_number(name, r->gen, &v) && v < 65536 ? (int)v : -1;
}

bool request_is_optional(const struct request *r)
{
    return opcode_is_optional(r->op, r->gen, r->cdb[0]);
}
