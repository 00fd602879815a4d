/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/generate.c - see generate.h
 *
 * Ids and attributes come from small sets, so that commands meet: an id is taken, a quota is hit,
 * an attribute is set again.
 */
#include "generate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MANY_OBJECTS 300

struct line {
    struct generator *g;
    const struct model *m;
    char *text;
    size_t len;
    int gen;
    uint64_t pid, oid;
    uint8_t type;     /* of what attributes belong to */
    bool creates_any; /* the device chooses the id: it has to be told first */
    bool only_data;   /* no attributes */
};

uint64_t generate_below(struct generator *g, uint64_t n)
{
    g->state ^= g->state << 13;
    g->state ^= g->state >> 7;
    g->state ^= g->state << 17;
    return (g->state * 0x2545f4914f6cdd1dULL >> 16) % n;
}

static uint64_t below(struct line *l, uint64_t n)
{
    return generate_below(l->g, n);
}

/* True in p of a hundred cases. */
static bool chance(struct line *l, unsigned p)
{
    return below(l, 100) < p;
}

static void say(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct line *l, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(l->text + l->len, LINE_SIZE - l->len, fmt, ap);
    va_end(ap);
    if (n > 0 && l->len + (size_t)n < LINE_SIZE)
        l->len += (size_t)n;
}

/* ---- ids ---- */

static const struct m_object *existing(struct line *l, uint8_t type, uint64_t pid)
{
    const struct m_object *found = NULL;
    size_t seen = 0;

    for (size_t i = 0; i < l->m->n; i++) {
        const struct m_object *o = l->m->objects[i];
        if (o->type == type && (!pid || o->pid == pid) && below(l, ++seen) == 0)
            found = o;
    }
    return found;
}

static uint64_t some_pid(struct line *l)
{
    const struct m_object *o = existing(l, M_PARTITION, 0);

    if (o && !chance(l, 3))
        return o->pid;
    if (chance(l, 5))
        return UINT64_MAX;
    return chance(l, 90) ? 0x10000 + below(l, 3) : below(l, 2) ? below(l, 0x10000) : 0;
}

static uint64_t some_oid(struct line *l)
{
    static const uint64_t odd[] = {UINT64_MAX, UINT64_MAX, M_ID_FIRST, M_ID_FIRST - 1, 1};

    return chance(l, 94) ? 0x10005 + below(l, 10) : odd[below(l, 5)];
}

/* Address an object of a type; now and then one that is not there or is something else. */
static void address(struct line *l, uint8_t type)
{
    const struct m_object *o = chance(l, 92) ? existing(l, type, 0) : NULL;

    l->pid = o ? o->pid : some_pid(l);
    l->oid = o ? o->oid : some_oid(l);
    l->type = type;
    say(l, " 0x%" PRIx64 "/0x%" PRIx64, l->pid, l->oid);
}

static void address_partition(struct line *l)
{
    l->pid = some_pid(l);
    l->oid = 0;
    l->type = M_PARTITION;
    say(l, " 0x%" PRIx64, l->pid);
}

static void address_new(struct line *l, uint8_t type)
{
    l->pid = some_pid(l);
    l->oid = chance(l, 88) && l->m->n < MANY_OBJECTS ? some_oid(l) : 0;
    l->type = type;
    l->creates_any = l->oid == 0;
    say(l, " 0x%" PRIx64 "/0x%" PRIx64, l->pid, l->oid);
}

/* ---- numbers ---- */

static uint64_t some_start(struct line *l)
{
    static const uint64_t odd[] = {0,          1,
                                   4095,       4096,
                                   4097,       8192,
                                   65536,      1ULL << 32,
                                   1ULL << 60, (1ULL << 60) - 10,
                                   UINT64_MAX, UINT64_MAX - 5,
                                   1ULL << 63};

    const struct m_object *o = model_find(l->m, l->pid, l->oid);

    if (o && chance(l, 15)) /* about the end of the object */
        return o->length - 1 + below(l, 3);
    if (chance(l, 4))
        return odd[below(l, sizeof(odd) / sizeof(odd[0]))];
    return chance(l, 30) ? 4096 * below(l, 6) : below(l, 20000);
}

static uint64_t some_length(struct line *l)
{
    if (chance(l, 8))
        return below(l, 2) ? 0 : 4096 * (1 + below(l, 4));
    return 1 + below(l, chance(l, 20) ? 20000 : 600);
}

static uint64_t some_quota(struct line *l)
{
    if (chance(l, 50))
        return UINT64_MAX;
    return chance(l, 30) ? below(l, 12) : below(l, 60000);
}

/* ---- attributes ---- */

enum value {
    V_TEXT, /* any length up to 40, sometimes nothing, sometimes long */
    V_BIG,  /* quota, 8 bytes */
    V_SMALL_QUOTA,
    V_LENGTH,
    V_CID,
    V_BYPASS,
    V_METHOD,
    V_TAG,
    V_U16,
    V_ACCESS,
    V_ISOLATION,
    V_DURATION,
    V_NAME,
    V_CLOCK
};

struct choice {
    const char *name; /* "BASE+PAGE/NUMBER" */
    enum value value;
};

static const struct choice of_user[] = {
    {"U+1h/9h", V_TEXT},       {"U+1h/82h", V_LENGTH},    {"U+2h/1h", V_BIG},
    {"U+4h/1h", V_CID},        {"U+4h/2h", V_CID},        {"U+4h/77h", V_CID},
    {"U+4h/FFFFFF01h", V_CID}, {"U+5h/40000001h", V_TAG}, {"U+10000h/1", V_TEXT},
    {"U+10000h/2", V_TEXT},    {"U+10000h/0", V_NAME},    {"U+1FFFFFFFh/FFFFFFFEh", V_TEXT},
    {"0xF0000000/1", V_TEXT},  {"0xFFFFFFFD/3", V_TEXT},  {"U+12345h/5", V_TEXT},
    {"U+1h/81h", V_BIG},       {"U+3h/1h", V_DURATION},   {"U+20000000h/1", V_TEXT},
    {"U+80h/1", V_TEXT},       {"U+0/1", V_TEXT},         {"U+6h/1", V_METHOD}};
static const struct choice of_partition[] = {{"P+1h/9h", V_TEXT},
                                             {"P+2h/1h", V_BIG},
                                             {"P+2h/10001h", V_BIG},
                                             {"P+2h/10002h", V_BIG},
                                             {"P+2h/10081h", V_SMALL_QUOTA},
                                             {"P+3h/FFFFFFFEh", V_BYPASS},
                                             {"P+4h/1h", V_ACCESS},
                                             {"P+4h/2h", V_ACCESS},
                                             {"P+5h/1h", V_METHOD},
                                             {"P+5h/2h", V_DURATION},
                                             {"P+5h/3h", V_DURATION},
                                             {"P+5h/4h", V_U16},
                                             {"P+5h/5h", V_U16},
                                             {"P+5h/40000001h", V_TAG},
                                             {"P+5h/40000002h", V_TAG},
                                             {"P+10000h/1", V_TEXT},
                                             {"P+10000h/0", V_NAME},
                                             {"0xF0000001/1", V_TEXT},
                                             {"P+1h/C1h", V_BIG},
                                             {"P+5h/8000h", V_TEXT}};
static const struct choice of_collection[] = {
    {"C+1h/9h", V_TEXT},    {"C+5h/40000001h", V_TAG}, {"C+10000h/1", V_TEXT},
    {"C+10000h/2", V_TEXT}, {"0xF0000002/9", V_TEXT},  {"C+1h/Ah", V_METHOD},
    {"C+4h/10h", V_BIG}};
static const struct choice of_root[] = {
    {"R+1h/9h", V_TEXT},    {"R+1h/110h", V_ISOLATION},   {"R+2h/1h", V_BIG},
    {"R+2h/10001h", V_BIG}, {"R+2h/10002h", V_BIG},       {"R+2h/10081h", V_SMALL_QUOTA},
    {"R+2h/20002h", V_BIG}, {"R+3h/FFFFFFFEh", V_BYPASS}, {"R+5h/1h", V_METHOD},
    {"R+5h/6h", V_METHOD},  {"R+5h/9h", V_CLOCK},         {"R+10000h/1", V_TEXT},
    {"P+1h/9h", V_TEXT},    {"P+5h/40000001h", V_TAG},    {"P+5h/4h", V_U16},
    {"P+2h/1h", V_BIG},     {"R+1h/80h", V_BIG},          {"P+4h/1h", V_ACCESS}};

#define CHOICES(a)                                                                             \
    {                                                                                          \
        (a), sizeof(a) / sizeof((a)[0])                                                        \
    }

struct choices {
    const struct choice *c;
    size_t n;
};

static struct choices choices_of(uint8_t type)
{
    static const struct choices user = CHOICES(of_user), partition = CHOICES(of_partition),
                                collection = CHOICES(of_collection), root = CHOICES(of_root);

    return type == M_USER        ? user
           : type == M_PARTITION ? partition
           : type == M_ROOT      ? root
                                 : collection;
}

static const struct choice *choose(struct line *l)
{
    struct choices c = choices_of(chance(l, 98) ? l->type : M_PARTITION);

    return &c.c[below(l, c.n)];
}

static void say_text(struct line *l)
{
    unsigned what = (unsigned)below(l, 10);

    if (what == 0)
        return; /* nothing: undefined */
    if (what == 1)
        say(l, "pattern(%" PRIu64 ",%" PRIu64 ")", 1 + below(l, 700), below(l, 100));
    else
        say(l, "\"%.*s\"", (int)(1 + below(l, 20)), "abcdefghijklmnopqrstuvwxyz");
}

static void say_cid(struct line *l)
{
    const struct m_object *o = chance(l, 90) ? existing(l, M_COLLECTION, l->pid) : NULL;

    if (chance(l, 15))
        return;
    say(l, "u64(0x%" PRIx64 ")", o ? o->oid : some_oid(l));
}

static void say_value(struct line *l, enum value v)
{
    static const unsigned isolations[] = {1, 2, 4, 5, 0, 3, 6, 7};

    if (v != V_CLOCK && chance(l, 2)) { /* a length that may be wrong */
        say(l, "zeros(%" PRIu64 ")", below(l, 10));
        return;
    }
    switch (v) {
    case V_TEXT:
        say_text(l);
        break;
    case V_BIG:
        say(l, "u64(0x%" PRIx64 ")", some_quota(l));
        break;
    case V_SMALL_QUOTA:
        say(l, "u32(%" PRIu64 ")", chance(l, 50) ? UINT32_MAX : below(l, 3));
        break;
    case V_LENGTH:
        say(l, "u64(0x%" PRIx64 ")", some_start(l));
        break;
    case V_CID:
        say_cid(l);
        break;
    case V_BYPASS:
        say(l, "u8(%" PRIu64 ")", chance(l, 60) ? 0 : chance(l, 70) ? 0x7f : below(l, 256));
        break;
    case V_METHOD:
        say(l, "u8(0)");
        break;
    case V_TAG:
        say(l, "u32(%" PRIu64 ")", chance(l, 40) ? 0 : below(l, 3));
        break;
    case V_U16:
        say(l, "u16(%" PRIu64 ")", below(l, 3));
        break;
    case V_ACCESS:
        say(l, "u32(1)+u32(%s)", chance(l, 50) ? "0xffffffff" : "9");
        break;
    case V_ISOLATION:
        say(l, "u8(%u)", isolations[below(l, 8)]);
        break;
    case V_DURATION:
        say(l, "u48(%" PRIu64 ")", below(l, 2) ? below(l, 1000) : (uint64_t)1 << 40);
        break;
    case V_NAME:
        say(l, "fill(%" PRIu64 ",65)", 1 + below(l, 41));
        break;
    case V_CLOCK: /* only ever forward */
        say(l, "u48(0x%" PRIx64 ")", l->m->now + 1000 + below(l, 1000));
        break;
    }
}

static const char *const extra_numbers[] = {"1h",  "2h",  "81h", "82h", "83h",  "D1h",
                                            "C1h", "84h", "Ah",  "0h",  "100h", "C0h"};

static const char *base(const struct line *l)
{
    return l->type == M_USER        ? "U"
           : l->type == M_PARTITION ? "P"
           : l->type == M_ROOT      ? "R"
                                    : "C";
}

static void say_get(struct line *l)
{
    unsigned what = (unsigned)below(l, 20);
    const struct choice *c = choose(l);

    if (what < 9)
        say(l, " get=%s", c->name);
    else if (what < 13)
        say(l, " get=%s+1h/%s", base(l), extra_numbers[below(l, 12)]);
    else if (what < 15)
        say(l, " get=%s+3h/%" PRIu64, base(l), 1 + below(l, 5));
    else if (what < 16)
        say(l, " get=%s+%" PRIu64 "h/0xffffffff", base(l), below(l, 7));
    else if (what < 17)
        say(l, " get=%s+10000h/0xffffffff", base(l));
    else if (what < 18)
        say(l, " get=current/%" PRIu64, below(l, 8));
    else if (what < 19)
        say(l, " get=%s+0/%s+%" PRIu64 "h", base(l), base(l), below(l, 7));
    else if (chance(l, 30))
        say(l, " get=all/0xffffffff alloc=20000");
}

static void say_set(struct line *l, const char *colon)
{
    const struct choice *c = choose(l);

    say(l, " set=%s%s", c->name, colon);
    say_value(l, c->value);
}

/* A get or set list of a few entries with one thing wrong: its type, its length, its last bytes. */
static void malformed_list(struct line *l)
{
    bool set = chance(l, 50);
    unsigned entries = (unsigned)below(l, 3), cut = chance(l, 50) ? (unsigned)below(l, 9) : 0;
    unsigned each = set ? (l->gen == 1 ? 12 : 24) : 8, head = l->gen == 1 ? 4 : 8;
    unsigned total = entries * each + (cut ? 1 : 0);
    unsigned said = chance(l, 60) ? total : chance(l, 50) ? 0 : (unsigned)below(l, 40);

    say(l, " attrs=list %s_list=u8(%u)", set ? "set" : "get",
        chance(l, 85) ? (set ? 9 : 1) : (unsigned)below(l, 16));
    say(l, head == 4 ? "+u8(0)+u16(%u)" : "+zeros(3)+u32(%u)", said);
    for (unsigned i = 0; i < entries; i++) {
        say(l, "+u32(0x%x)+u32(%u)", chance(l, 90) ? 0x10000 : 0x30010000, i + 1);
        if (set)
            say(l, l->gen == 1 ? "+u16(%u)+u16(7)" : "+zeros(6)+u16(%u)+u64(7)",
                chance(l, 80) ? 2 : (unsigned)below(l, 90));
    }
    if (cut)
        say(l, "+zeros(%u)", chance(l, 50) ? 1 : cut);
}

static void list_format(struct line *l)
{
    unsigned gets = (unsigned)below(l, 4), sets = (unsigned)below(l, 3);

    say(l, " attrs=list");
    if (l->creates_any)
        say(l, " get=%s+1h/%s", base(l), l->type == M_PARTITION ? "1h" : "2h");
    for (unsigned i = 0; i < gets; i++)
        say_get(l);
    for (unsigned i = 0; i < sets; i++)
        say_set(l, ":");
    if (chance(l, 4) && !l->creates_any)
        say(l, " alloc=%" PRIu64, below(l, 60));
}

static void page_format(struct line *l)
{
    static const char *const whole[] = {"20000000h", "20000001h", "20000003h",
                                        "20000005h", "20010000h", "2FFFFFFFh"};

    say(l, " attrs=page");
    if (l->creates_any || chance(l, 25))
        say(l, " get=current");
    else if (chance(l, 30))
        say(l, " get=%s+%s alloc=20000", base(l), whole[below(l, 6)]);
    else if (chance(l, 70))
        say(l, " get=%s+%" PRIu64 "h", base(l), chance(l, 95) ? 1 + below(l, 6) : 0x10000);
    if (chance(l, 40))
        say_set(l, ":");
    if (chance(l, 5) && !l->creates_any)
        say(l, " alloc=%" PRIu64, below(l, 60));
}

static void attributes(struct line *l, unsigned often)
{
    if (l->creates_any && chance(l, 50))
        page_format(l);
    else if (l->creates_any)
        list_format(l);
    else if (!chance(l, often))
        return;
    else if (chance(l, 4))
        malformed_list(l);
    else if (chance(l, 55))
        list_format(l);
    else if (l->gen == 1 || chance(l, 65))
        page_format(l);
    else {
        const struct choice *c = choose(l);
        if (c->value == V_TEXT || c->value == V_NAME)
            say(l, " attrs=cdb set=%s:\"%.*s\"", c->name, (int)below(l, 18),
                "cdb-cdb-cdb-cdb-cdb");
        else {
            say(l, " attrs=cdb set=%s:", c->name);
            say_value(l, c->value);
        }
    }
}

/* ---- what all commands have ---- */

static void wrong_capability(struct line *l)
{
    static const char *const types[] = {"1", "2", "0x40", "0x80"};
    const struct m_object *o = model_find(l->m, l->pid, l->oid);

    switch (below(l, l->gen == 2 ? 15 : 10)) {
    case 0:
        say(l, " capability_expiration_time=%d", chance(l, 50) ? 1 : 0);
        break;
    case 1:
        say(l, " object_created_time=0x%" PRIx64,
            o && chance(l, 80) ? o->t[1] - 1 + below(l, 3) : 77);
        break;
    case 2:
        say(l, " object_type=%s", types[below(l, 4)]);
        break;
    case 3:
    case 4:
        say(l, " permissions=0x%" PRIx64, below(l, 0x10000) & (l->gen == 1 ? 0xffe0 : 0xfffc));
        break;
    case 5:
        say(l, " permissions=all");
        break;
    case 6:
        say(l, " object_descriptor_type=%" PRIu64, below(l, 4));
        break;
    case 7:
        say(l, " policy_access_tag=%" PRIu64, below(l, 3));
        break;
    case 8:
        say(l, " allowed_partition_id=%s", chance(l, 50) ? "0" : "0x10001");
        break;
    case 9:
        say(l, " allowed_object_id=%s", chance(l, 50) ? "0" : "0x10006");
        break;
    case 10:
        say(l, " boot_epoch=%" PRIu64, below(l, 3));
        break;
    case 11:
    case 12:
        say(l, " allowed_range_start=%" PRIu64 " allowed_range_length=%s", below(l, 3000),
            chance(l, 30) ? "0xffffffffffffffff" : "3000");
        break;
    case 13:
        say(l, " allowed_attributes_access=%" PRIu64, 1 + below(l, 2));
        break;
    default:
        say(l, " cap=format1");
    }
}

static void common(struct line *l)
{
    const struct m_object *o = model_find(l->m, l->pid, l->oid);

    if (chance(l, 25))
        say(l, " cap=none");
    else if (o && o->type == M_COLLECTION && l->type == M_COLLECTION && chance(l, 97))
        say(l, " cap=collection");
    else if (chance(l, 12))
        wrong_capability(l);
    else if (l->type == M_ROOT && chance(l, 20))
        say(l, " object_type=2");
    if (chance(l, 4))
        say(l, " timestamps_control=%s",
            chance(l, 85)   ? "0x7f"
            : chance(l, 50) ? "0xe1"
                            : "0x55");
    if (chance(l, 2))
        say(l, " fua=1");
    if (chance(l, 2))
        say(l, " dpo=1");
    if (l->gen == 2 && chance(l, 3))
        say(l, " isolation=%" PRIu64, below(l, 8));
    if (chance(l, 8)) /* differ.c sends it twice */
        say(l, " request_nonce_random=0x%" PRIx64, 1 + below(l, 1ULL << 47));
    if (chance(l, 2)) /* one byte of options, attribute parameters or capability is another */
        say(l, " @%" PRIu64 "=u8(%" PRIu64 ")",
            chance(l, 30)   ? 10 + below(l, 6)
            : chance(l, 50) ? 52 + below(l, 28)
                            : 84 + below(l, 76),
            chance(l, 50) ? below(l, 4) : below(l, 256));
    if (chance(l, 1) && chance(l, 40))
        say(l, " get_set_cdbfmt=%" PRIu64, below(l, 4));
}

/* ---- commands ---- */

static void scattered(struct line *l, bool write)
{
    unsigned n = 1 + (unsigned)below(l, 3);
    uint64_t sum = 0;

    say(l, " descriptors=descriptor(1,");
    for (unsigned i = 0; i < n; i++) {
        uint64_t len = below(l, 400);
        say(l, "%su64(%" PRIu64 ")+u64(%" PRIu64 ")", i ? "+" : "", below(l, 9000), len);
        sum += len;
    }
    say(l, ")");
    if (chance(l, 3))
        sum++;
    if (write)
        say(l, " data=pattern(%" PRIu64 ",%" PRIu64 ")", sum, below(l, 200));
    else
        say(l, " length=%" PRIu64, sum);
    say(l, " starting_byte_address=%" PRIu64, below(l, 3000));
}

static void data_out(struct line *l)
{
    if (l->gen == 2 && chance(l, 10)) {
        scattered(l, true);
        return;
    }
    say(l, " data=pattern(%" PRIu64 ",%" PRIu64 ") starting_byte_address=%" PRIu64,
        some_length(l), below(l, 200), some_start(l));
    if (chance(l, 1))
        say(l, " length=%" PRIu64, some_length(l));
}

static void g_write(struct line *l)
{
    say(l, "WRITE");
    address(l, M_USER);
    data_out(l);
    attributes(l, 25);
}

static void g_read(struct line *l)
{
    say(l, "READ");
    address(l, M_USER);
    if (l->gen == 2 && chance(l, 10))
        scattered(l, false);
    else
        say(l, " length=%" PRIu64 " starting_byte_address=%" PRIu64, some_length(l),
            chance(l, 40) ? 0 : some_start(l));
    attributes(l, 25);
}

static void g_append(struct line *l)
{
    say(l, "APPEND");
    address(l, M_USER);
    say(l, " data=pattern(%" PRIu64 ",%" PRIu64 ")", below(l, 5000), below(l, 200));
    if (chance(l, 50))
        say(l, " attrs=page get=current");
    else
        attributes(l, 30);
}

static void g_range(struct line *l)
{
    say(l, "%s", chance(l, 50) ? "CLEAR" : "PUNCH");
    address(l, M_USER);
    say(l, " length=%" PRIu64 " starting_byte_address=%" PRIu64,
        chance(l, 4) ? (uint64_t)1 << 59 : below(l, 9000), some_start(l));
    attributes(l, 20);
}

static void g_create(struct line *l)
{
    say(l, "CREATE");
    address_new(l, M_USER);
    if (l->m->n < MANY_OBJECTS && (l->creates_any ? chance(l, 60) : chance(l, 2)))
        say(l, " number_of_user_objects=%" PRIu64, below(l, 5));
    attributes(l, 30);
}

static void g_create_write(struct line *l)
{
    say(l, "CREATE AND WRITE");
    address_new(l, M_USER);
    data_out(l);
    attributes(l, 25);
}

static void g_create_collection(struct line *l)
{
    say(l, "CREATE COLLECTION");
    address_new(l, M_COLLECTION);
    attributes(l, 25);
}

static void g_create_tracking(struct line *l)
{
    const struct m_object *o;

    say(l, "CREATE USER TRACKING COLLECTION");
    address_new(l, M_COLLECTION);
    o = existing(l, M_COLLECTION, l->pid);
    if (o && chance(l, 70))
        say(l, " source_collection_object_id=0x%" PRIx64, o->oid);
    else if (chance(l, 10))
        say(l, " source_collection_object_id=0x%" PRIx64, some_oid(l));
    attributes(l, 25);
}

static void g_create_partition(struct line *l)
{
    say(l, "CREATE PARTITION");
    l->pid = chance(l, 85) ? 0x10000 + below(l, 4) : chance(l, 30) ? UINT64_MAX : 0;
    l->oid = 0;
    l->type = M_PARTITION;
    l->creates_any = l->pid == 0;
    say(l, " 0x%" PRIx64, l->pid);
    attributes(l, 25);
}

static void g_copy(struct line *l)
{
    const struct m_object *o = existing(l, M_USER, 0);

    say(l, "COPY USER OBJECTS");
    address_new(l, M_USER);
    say(l,
        " descriptors=descriptor(0x101,u64(0x%" PRIx64 ")+u64(0x%" PRIx64 ")+u8(%" PRIu64
        ")+zeros(3)) object_duplication_method=%s",
        o ? o->pid : some_pid(l), o && chance(l, 95) ? o->oid : some_oid(l), below(l, 2),
        chance(l, 50)   ? "0"
        : chance(l, 80) ? "0xfe"
                        : "0x41");
    if (chance(l, 85))
        say(l, " cap=none");
    attributes(l, 20);
}

static void g_remove(struct line *l)
{
    say(l, "REMOVE");
    address(l, M_USER);
    attributes(l, 30);
}

static void g_remove_collection(struct line *l)
{
    say(l, "REMOVE COLLECTION");
    address(l, M_COLLECTION);
    if (chance(l, 60))
        say(l, " fcr=1");
    attributes(l, 25);
}

static void g_remove_partition(struct line *l)
{
    say(l, "REMOVE PARTITION");
    address_partition(l);
    if (l->gen == 2 && chance(l, 70))
        say(l, " scope=%d permissions=all", chance(l, 95));
    attributes(l, 20);
}

static void g_flush(struct line *l)
{
    switch (below(l, 4)) {
    case 0:
        say(l, "FLUSH COLLECTION");
        address(l, M_COLLECTION);
        break;
    case 1:
        say(l, "FLUSH PARTITION");
        address_partition(l);
        break;
    case 2:
        say(l, "FLUSH OSD");
        l->type = M_ROOT;
        break;
    default:
        say(l, "FLUSH");
        address(l, M_USER);
        if (l->gen == 2)
            say(l, " length=%" PRIu64 " starting_byte_address=%" PRIu64, below(l, 100),
                some_start(l));
    }
    say(l, " flush_scope=%" PRIu64, chance(l, 90) ? below(l, 3) : 3);
    attributes(l, 15);
}

static void say_any(struct line *l)
{
    unsigned what = (unsigned)below(l, 10);

    if (what < 5)
        address(l, M_USER);
    else if (what < 7)
        address(l, M_COLLECTION);
    else if (what < 9)
        address_partition(l);
    else {
        l->type = M_ROOT;
        say(l, " 0/0");
    }
}

static void g_get(struct line *l)
{
    say(l, "GET ATTRIBUTES");
    say_any(l);
    attributes(l, 98);
}

static void g_set(struct line *l)
{
    say(l, "SET ATTRIBUTES");
    say_any(l);
    attributes(l, 98);
}

/* Joining a collection is rare among random attributes and needs to be frequent. */
static void g_join(struct line *l)
{
    say(l, "SET ATTRIBUTES");
    address(l, M_USER);
    say(l, " set=U+4h/%" PRIu64 "h:", 1 + below(l, 3));
    say_cid(l);
}

static void g_list(struct line *l)
{
    size_t n = l->m->n_list_ids;
    const struct m_list_id *id = n && chance(l, 30) ? &l->m->list_ids[below(l, n)] : NULL;
    const struct m_object *o = id ? model_find(l->m, id->pid, id->oid) : NULL;
    bool collection, attrs = l->gen == 2 && chance(l, 30);

    if (!o || o->t[1] != id->created) /* of a container that is gone */
        id = NULL;
    collection = id ? id->collections : chance(l, 50);
    l->type = M_PARTITION;
    say(l, "%s", collection ? "LIST COLLECTION" : "LIST");
    if (id) {
        l->pid = id->pid;
        l->oid = id->oid;
        say(l, " 0x%" PRIx64 "/0x%" PRIx64 " list_identifier=0x%x", l->pid, l->oid, id->id);
    } else if (collection && chance(l, 50)) {
        address(l, M_COLLECTION);
    } else if (collection || chance(l, 75)) {
        address_partition(l);
    } else {
        l->type = M_ROOT;
        say(l, " 0");
    }
    if (chance(l, 30))
        say(l, " initial_object_id=0x%" PRIx64, some_oid(l));
    say(l, " allocation_length=%" PRIu64,
        chance(l, 40)   ? below(l, 100)
        : chance(l, 10) ? 0
                        : 4000);
    if (!attrs) {
        attributes(l, 15);
        return;
    }
    l->type = l->type == M_ROOT ? M_PARTITION : M_USER;
    if (collection && l->oid == 0)
        l->type = M_COLLECTION;
    say(l, " list_attr=1 attrs=list");
    say_get(l);
    if (chance(l, 50))
        say_get(l);
    l->type = M_PARTITION;
}

static void g_members(struct line *l)
{
    static const char *const ops[] = {"GET MEMBER ATTRIBUTES", "SET MEMBER ATTRIBUTES",
                                      "REMOVE MEMBER OBJECTS"};
    unsigned op = (unsigned)below(l, chance(l, 15) ? 3 : 2);

    say(l, "%s", ops[op]);
    address(l, M_COLLECTION);
    if (chance(l, 20))
        say(l, " immed_tr=1");
    if (op < 2)
        l->type = M_USER;
    if (op == 2 || chance(l, 60))
        attributes(l, op == 2 ? 25 : 90);
    else
        list_format(l);
    if (op < 2)
        say(l, " cap=%s", chance(l, 50) ? "none" : "collection");
}

/* A bound on a number that some member of the collection has, or nearly. */
static void say_number_bound(struct line *l, const struct m_object *collection, bool oid)
{
    size_t n = collection ? collection->n_members : 0;
    const struct m_object *o =
        n ? model_find(l->m, l->pid, collection->members[below(l, n)]) : NULL;
    uint64_t v = o ? (oid ? o->oid : o->length) : below(l, 70000);

    if (chance(l, 25))
        say(l, "+u16(0)");
    else
        say(l, "+counted(u64(0x%" PRIx64 "))", chance(l, 60) ? v : v - 1 + below(l, 3));
}

static void say_criterion(struct line *l)
{
    static const char *const attr[] = {"u32(1)+u32(9)", "u32(0x10000)+u32(1)",
                                       "u32(1)+u32(0x82)", "u32(1)+u32(2)"};
    const struct m_object *o = model_find(l->m, l->pid, l->oid);
    unsigned which = (unsigned)below(l, 4);

    o = o && o->type == M_COLLECTION ? o : NULL;
    say(l, "+zeros(2)+counted(%s", attr[which]);
    if (which >= 2) {
        say_number_bound(l, o, which == 3);
        say_number_bound(l, o, which == 3);
    } else {
        say(l, "+counted(u8(%" PRIu64 "))", 97 + below(l, 5));
        say(l, "+counted(u16(%" PRIu64 "))", 0x6100 + below(l, 1000));
    }
    say(l, ")");
}

static void g_query(struct line *l)
{
    const struct m_object *o;
    unsigned n = (unsigned)below(l, 3);

    say(l, "QUERY");
    address(l, M_COLLECTION);
    o = existing(l, M_COLLECTION, l->pid);
    if (o && chance(l, 40))
        say(l,
            " matches_collection_object_id=0x%" PRIx64 " allocation_length=0 "
            "permissions=QUERY+WRITE+GET_ATTR+SET_ATTR",
            o->oid);
    else
        say(l, " allocation_length=%" PRIu64, chance(l, 80) ? 2000 : below(l, 60));
    if (chance(l, 15))
        say(l, " immed_tr=1");
    say(l, " descriptors=descriptor(2,u8(%" PRIu64 ")+zeros(3)", below(l, 2));
    for (unsigned i = 0; i < n; i++)
        say_criterion(l);
    if (chance(l, 5))
        say(l, "+zeros(4)");
    say(l, ")");
    attributes(l, 10);
}

static void g_read_map(struct line *l)
{
    say(l, "READ MAP");
    address(l, M_USER);
    say(l, " map_type=%" PRIu64 " starting_byte_address=%" PRIu64,
        chance(l, 95) ? below(l, 4) : 7, chance(l, 50) ? 0 : some_start(l));
    if (chance(l, 10))
        say(l, " allocation_length=%" PRIu64, below(l, 60));
    attributes(l, 15);
}

static void g_format(struct line *l)
{
    say(l, "FORMAT OSD");
    l->type = M_ROOT;
    attributes(l, 40);
}

static const struct {
    unsigned weight;
    bool osd2;
    void (*say)(struct line *l);
} commands[] = {
    {14, false, g_write},
    {12, false, g_read},
    {6, false, g_append},
    {9, true, g_range},
    {6, false, g_create},
    {5, false, g_create_write},
    {3, false, g_create_collection},
    {3, true, g_create_tracking},
    {2, false, g_create_partition},
    {4, true, g_copy},
    {4, false, g_remove},
    {2, false, g_remove_collection},
    {1, false, g_remove_partition},
    {1, false, g_flush},
    {12, false, g_get},
    {12, false, g_set},
    {5, false, g_join},
    {8, false, g_list},
    {4, true, g_members},
    {6, true, g_query},
    {4, true, g_read_map},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

void generate(struct generator *g, const struct model *m, char line[LINE_SIZE])
{
    struct line l = {.g = g, .m = m, .text = line};
    unsigned total = 0, at;
    size_t i = 0;

    line[0] = 0;
    for (i = 0; i < N_COMMANDS; i++)
        total += commands[i].weight;
    do {
        l.gen = chance(&l, 35) ? 1 : 2;
        at = (unsigned)below(&l, total);
        for (i = 0; at >= commands[i].weight; i++)
            at -= commands[i].weight;
    } while (commands[i].osd2 && l.gen == 1);
    say(&l, "OSD-%d ", l.gen);
    if (m->n == 1 && chance(&l, 80))
        g_create_partition(&l);
    else if (chance(&l, 1) && chance(&l, 10))
        g_format(&l);
    else
        commands[i].say(&l);
    common(&l);
}
