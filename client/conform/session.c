/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/session.c - see session.h
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "expect.h"
#include "expr.h"
#include "libosd/transport.h"

#define RETRY_MS  20000u
#define SHOWN_OUT 64 /* bytes of Data-Out in a report */
#define VPD_TOKEN 0xb1

struct session {
    struct transport *transport;
    bool in_process;
    bool confined;
    uint64_t own[2]; /* partitions */
    void (*tamper)(void *arg, struct conform_exchange *x);
    void *tamper_arg;
    bool in_case;
    struct words words;
    char line[LINE_MAX_];
};

osd_status session_open(const char *url, const char *key_file, bool create,
                        struct session **ret, char *reason, size_t reason_len)
{
    /* The method of a device made here: its partitions accept commands without proof. */
    struct osd_options opt = {
        .create = create, .retry_ms = RETRY_MS, .key_file = key_file, .method = -1};
    struct session *s = calloc(1, sizeof(*s));
    osd_status st =
        s ? transport_open(url, &opt, &s->transport, reason, reason_len) : OSD_E_NOMEM;

    if (st) {
        free(s);
        return st;
    }
    s->in_process = strncmp(url, "iscsi:", 6) != 0;
    *ret = s;
    return OSD_OK;
}

void session_close(struct session *s)
{
    transport_close(s->transport);
    free(s);
}

bool session_in_process(const struct session *s)
{
    return s->in_process;
}

void session_confine(struct session *s, uint64_t first, uint64_t second)
{
    s->confined = true;
    s->own[0] = first;
    s->own[1] = second;
}

void session_tamper(struct session *s, void (*tamper)(void *arg, struct conform_exchange *x),
                    void *arg)
{
    s->tamper = tamper;
    s->tamper_arg = arg;
}

void session_in_case(struct session *s, bool in_case)
{
    s->in_case = in_case;
}

/* ---- lines ---- */

static bool split(struct session *s, const struct vars *vars, const char *text,
                  struct report *rep)
{
    if (!vars_expand(vars, text, s->line)) {
        snprintf(rep->why, sizeof(rep->why), "no variable \"%.64s\"", s->line);
        return false;
    }
    if (!words_split(&s->words, s->line)) {
        snprintf(rep->why, sizeof(rep->why), "line too long, or something stays open");
        return false;
    }
    return true;
}

/* Bytes as hex(...), so that they are computed but once. */
static bool let_bytes(struct session *s, int gen, struct vars *vars)
{
    _cleanup_buf_ struct osd_buf b = osd_buf_make(VALUE_MAX / 2 - 4);
    char value[VALUE_MAX];
    size_t n;

    if (expr_bytes(s->words.w[3], gen, &b))
        return false;
    n = (size_t)snprintf(value, sizeof(value), "hex(");
    for (size_t i = 0; i < b.len; i++)
        n += (size_t)snprintf(value + n, sizeof(value) - n, "%02x", b.data[i]);
    snprintf(value + n, sizeof(value) - n, ")");
    return vars_set(vars, s->words.w[1], value);
}

/* let NAME = VALUE; a number is computed, so are keys, everything else is text. */
static osd_status let(struct session *s, int gen, struct vars *vars, struct report *rep)
{
    const char *text = s->words.w[3];
    bool key = strncmp(text, "hmac(", 5) == 0 || strncmp(text, "power(", 6) == 0;
    char value[32];
    uint64_t n;
    bool number = expr_number(text, gen, &n);

    if (number)
        snprintf(value, sizeof(value), "0x%llx", (unsigned long long)n);
    if (key ? let_bytes(s, gen, vars) : vars_set(vars, s->words.w[1], number ? value : text))
        return OSD_OK;
    snprintf(rep->why, sizeof(rep->why), "no such value, or too many variables");
    return OSD_E_INVALID;
}

/* ---- what a partition of one's own allows ---- */

static bool reads(uint16_t action)
{
    static const uint16_t actions[] = {0x8803, 0x8805, 0x8808, 0x880e, 0x8817, 0x881a, 0x881b,
                                       0x881c, 0x8883, 0x8885, 0x8888, 0x888e, 0x8897, 0x889a,
                                       0x889b, 0x889c, 0x88a2, 0x88b1, 0x88b2};

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (actions[i] == action)
            return true;
    return false;
}

/* Whether the CDB sets an attribute, in any format. */
static bool sets(const uint8_t *cdb)
{
    static const uint8_t at[] = {0, 52, 64, 68};
    unsigned format = cdb[11] >> 4 & 3;

    return format == 0 || be32_get(cdb + at[format]) != 0;
}

static bool is_query_of_state(uint8_t opcode)
{
    return opcode == 0x00 || opcode == 0x03 || opcode == 0x12 || opcode == 0x1a ||
           opcode == 0x4d || opcode == 0x5a || opcode == 0xa0 || opcode == 0xa3;
}

/* Whether nothing but the partitions of this run can be changed by it. */
static bool is_confined(const struct session *s, const struct request *r)
{
    uint16_t action = be16_get(r->cdb + 8);
    uint64_t pid = be64_get(r->cdb + 16);

    if (r->cdb[0] != 0x7f)
        return is_query_of_state(r->cdb[0]);
    if (r->cdb_len < 200)
        return false;
    if (pid != 0 && (pid == s->own[0] || pid == s->own[1]))
        return opcode_of_action(action);
    if (pid == 0 && (action == 0x8803 || action == 0x8883)) /* LIST: what others have made */
        return false;
    return reads(action) && !sets(r->cdb);
}

/* ---- to the device and back ---- */

/* Data-In is poisoned, so bytes nobody wrote are seen. */
static osd_status carry(struct session *s, struct request *r, struct answer *a,
                        struct report *rep)
{
    struct iovec out = {.iov_base = r->out.data, .iov_len = r->out.len}, in;
    struct exchange x = {.cdb = r->cdb, .cdb_len = r->cdb_len};
    struct conform_exchange seen = {.cdb = r->cdb,
                                    .cdb_len = r->cdb_len,
                                    .out = r->out.data,
                                    .out_len = r->out.len,
                                    .in_case = s->in_case,
                                    .sense = a->sense};
    osd_status st = osd_buf_put(&a->in, NULL, r->in_len);

    if (st)
        return st;
    if (r->in_len && s->in_process)
        memset(a->in.data, 0xa5, r->in_len);
    if (s->tamper)
        s->tamper(s->tamper_arg, &seen);
    in = (struct iovec){.iov_base = a->in.data, .iov_len = r->in_len};
    x.out = osd_iov_make(&out, r->out.len ? 1 : 0);
    x.in = osd_iov_make(&in, r->in_len ? 1 : 0);
    st = transport_execute(s->transport, &x, rep->why, sizeof(rep->why));
    a->status = x.status;
    a->sense_len = x.sense_len;
    /* A transport may carry a buffer of fixed size: what is behind the sense data is none of it. */
    if (a->sense_len >= 8 && a->sense_len > 8u + x.sense[7])
        a->sense_len = 8u + x.sense[7];
    memcpy(a->sense, x.sense, x.sense_len);
    a->in_len = x.in_len;
    a->in_process = s->in_process;
    if (s->tamper && st == OSD_OK) {
        seen.answered = true;
        seen.status = a->status;
        seen.sense_len = a->sense_len;
        seen.in = a->in.data;
        seen.in_len = a->in_len;
        s->tamper(s->tamper_arg, &seen);
        a->status = seen.status;
        a->sense_len = seen.sense_len;
        a->in_len = seen.in_len;
    }
    return st;
}

/* ---- what a signature needs to know of the device ---- */

static osd_status ask(struct session *s, int gen, const char *line, struct answer *a,
                      struct request *r, struct report *rep)
{
    struct words w;
    osd_status st;

    if (!words_split(&w, line))
        return OSD_E_INVALID;
    st = request_build(&w, gen, NULL, r, rep->why, sizeof(rep->why));
    if (st == OSD_OK)
        st = carry(s, r, a, rep);
    if (st == OSD_OK && a->status != 0) {
        answer_format(a, rep->got, sizeof(rep->got));
        snprintf(rep->why, sizeof(rep->why), "%.100s before a signed command: %.100s", line,
                 rep->got);
        st = OSD_E_NOT_FOUND;
    }
    return st;
}

/* The value of the only attribute of a retrieved list. */
static osd_status ask_attribute(struct session *s, int gen, const char *line, uint8_t *dst,
                                size_t len, struct report *rep)
{
    struct answer a = {.in = osd_buf_make(EXPR_MAX)};
    struct request r = {0};
    size_t at = gen == 1 ? 14 : 24;
    osd_status st = ask(s, gen, line, &a, &r, rep);

    if (st == OSD_OK && a.in_len < at + len) {
        snprintf(rep->why, sizeof(rep->why), "%s: %zu bytes wanted", line, len);
        st = OSD_E_NOT_FOUND;
    }
    if (st == OSD_OK)
        memcpy(dst, a.in.data + at, len);
    request_free(&r);
    osd_buf_free(&a.in);
    return st;
}

static osd_status ask_token(struct session *s, int gen, struct sign_facts *f,
                            struct report *rep)
{
    struct answer a = {.in = osd_buf_make(EXPR_MAX)};
    struct request r = {0};
    osd_status st = ask(s, gen, "INQUIRY evpd=1 page_code=0xb1", &a, &r, rep);

    if (st == OSD_OK && a.in_len > 4 && a.in.data[1] == VPD_TOKEN) {
        f->token_len = be16_get(a.in.data + 2);
        if (f->token_len > a.in_len - 4)
            f->token_len = a.in_len - 4;
        memcpy(f->token, a.in.data + 4, f->token_len);
    }
    request_free(&r);
    osd_buf_free(&a.in);
    return st;
}

/* None of the case's commands. */
static osd_status learn(struct session *s, int gen, struct sign_facts *f, struct report *rep)
{
    bool in_case = s->in_case;
    uint8_t clock[6];
    osd_status st;

    s->in_case = false;
    st = ask_attribute(s, gen, "GET ATTRIBUTES 0/0 get=R+1h/3 cap=none", f->system_id,
                       SYSTEM_ID_LEN, rep);

    if (st == OSD_OK)
        st = ask_attribute(s, gen, "GET ATTRIBUTES 0/0 get=R+1h/100h cap=none", clock,
                           sizeof(clock), rep);
    if (st == OSD_OK)
        f->clock_ms = be48_get(clock);
    if (st == OSD_OK)
        st = ask_token(s, gen, f, rep);
    s->in_case = in_case;
    return st;
}

/* ---- the answer ---- */

/* Whether a line begins with a verdict; without any, GOOD is expected. */
static bool has_verdict(const char *expectation)
{
    const char *first = expectation + 2;

    while (*first == ' ')
        first++;
    return memchr(first, '=', strcspn(first, " ")) == NULL;
}

/* Whether the device said that it does not have a command which it need not have. */
static bool is_not_offered(const struct request *r, const struct answer *a)
{
    return request_is_optional(r) && answer_refuses_command(a);
}

static osd_status check(struct session *s, const struct script_step *step,
                        const struct request *r, const struct answer *a, struct vars *vars,
                        struct report *rep)
{
    bool verdict = false;
    osd_status st = OSD_OK;

    snprintf(rep->expected, sizeof(rep->expected), "good");
    answer_format(a, rep->got, sizeof(rep->got));
    if (!answer_sound(r, a, rep->why, sizeof(rep->why))) {
        snprintf(rep->expected, sizeof(rep->expected), "a well-formed answer");
        return OSD_E_NOT_FOUND;
    }
    for (size_t i = 0; i < step->n_expect; i++)
        verdict |= has_verdict(step->expect[i]);
    if (!verdict && a->status != 0) {
        snprintf(rep->why, sizeof(rep->why), "got %.200s", rep->got);
        st = OSD_E_NOT_FOUND;
    }
    for (size_t i = 0; i < step->n_expect && st == OSD_OK; i++) {
        if (!split(s, vars, step->expect[i], rep))
            return OSD_E_INVALID;
        snprintf(rep->expected, sizeof(rep->expected), "%.1000s",
                 s->line + 2 + (s->line[2] == ' '));
        st = expect_check(&s->words, r, a, vars, rep->why, sizeof(rep->why));
    }
    if (st == OSD_E_NOT_FOUND && is_not_offered(r, a)) {
        snprintf(rep->why, sizeof(rep->why), "the device does not offer %s, which is optional",
                 r->op->name);
        st = OSD_E_UNSUPPORTED;
    }
    return st;
}

/* ---- steps ---- */

static void put_hex(char *dst, size_t cap, const uint8_t *p, size_t len)
{
    size_t n = strlen(dst);

    for (size_t i = 0; i < len && n + 3 < cap; i++)
        n += (size_t)snprintf(dst + n, cap - n, "%02x", p[i]);
}

static void note_request(struct report *rep, const struct request *r)
{
    rep->cdb[0] = rep->out[0] = 0;
    put_hex(rep->cdb, sizeof(rep->cdb), r->cdb, r->cdb_len);
    if (r->out.len == 0)
        return;
    snprintf(rep->out, sizeof(rep->out), "%zu bytes: ", r->out.len);
    put_hex(rep->out, sizeof(rep->out), r->out.data,
            r->out.len < SHOWN_OUT ? r->out.len : SHOWN_OUT);
}

/* "OSD-1 READ ...": a command of the other generation than the case's. */
static int take_generation(struct words *w, int gen)
{
    bool given = w->n > 0 && (strcmp(w->w[0], "OSD-1") == 0 || strcmp(w->w[0], "OSD-2") == 0);

    if (!given)
        return gen;
    gen = w->w[0][4] - '0';
    memmove(w->w, w->w + 1, --w->n * sizeof(w->w[0]));
    return gen;
}

static osd_status run_command(struct session *s, int gen, const struct script_step *step,
                              struct vars *vars, struct report *rep)
{
    struct answer a = {.in = osd_buf_make(EXPR_MAX)};
    struct request r = {0};
    struct sign_facts facts = {0};
    osd_status st = OSD_OK;

    snprintf(rep->command, sizeof(rep->command), "%.1000s", s->line);
    gen = take_generation(&s->words, gen);
    if (request_signs(&s->words) && (st = learn(s, gen, &facts, rep)))
        return st;
    st = request_build(&s->words, gen, &facts, &r, rep->why, sizeof(rep->why));
    if (st == OSD_OK && s->confined && !is_confined(s, &r)) {
        snprintf(rep->why, sizeof(rep->why), "touches more than partitions of its own");
        st = OSD_E_DENIED;
    }
    if (st == OSD_OK) {
        note_request(rep, &r);
        st = carry(s, &r, &a, rep);
    }
    if (st == OSD_OK)
        st = check(s, step, &r, &a, vars, rep);
    request_free(&r);
    osd_buf_free(&a.in);
    return st;
}

osd_status session_step(struct session *s, int gen, const struct script_step *step,
                        struct vars *vars, struct report *rep)
{
    if (!split(s, vars, step->text, rep))
        return OSD_E_INVALID;
    return step->let ? let(s, gen, vars, rep) : run_command(s, gen, step, vars, rep);
}
