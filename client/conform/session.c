/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/session.c - see session.h
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "expr.h"
#include "libosd/transport.h"

#define RETRY_MS 20000u

struct session {
    struct transport *transport;
    bool in_process;
    struct words words;
    char line[LINE_MAX_];
};

osd_status session_open(const char *url, struct session **ret, char *reason, size_t reason_len)
{
    struct osd_options opt = {.create = true, .retry_ms = RETRY_MS};
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

static bool split(struct session *s, const struct vars *vars, const char *text, char *why,
                  size_t why_len)
{
    if (!vars_expand(vars, text, s->line)) {
        snprintf(why, why_len, "no variable \"%.64s\"", s->line);
        return false;
    }
    if (!words_split(&s->words, s->line)) {
        snprintf(why, why_len, "line too long, or something stays open");
        return false;
    }
    return true;
}

/* let NAME = VALUE; a number is computed, everything else is text. */
static osd_status let(struct session *s, int gen, struct vars *vars, char *why, size_t why_len)
{
    char value[32];
    uint64_t n;
    bool number = expr_number(s->words.w[3], gen, &n);

    if (number)
        snprintf(value, sizeof(value), "0x%llx", (unsigned long long)n);
    if (vars_set(vars, s->words.w[1], number ? value : s->words.w[3]))
        return OSD_OK;
    snprintf(why, why_len, "too many variables");
    return OSD_E_INVALID;
}

/* To the device and back. Data-In is poisoned, so bytes nobody wrote are seen. */
static osd_status carry(struct session *s, const struct request *r, struct answer *a, char *why,
                        size_t why_len)
{
    struct iovec out = {.iov_base = r->out.data, .iov_len = r->out.len}, in;
    struct exchange x = {.cdb = r->cdb, .cdb_len = r->cdb_len};
    osd_status st = osd_buf_put(&a->in, NULL, r->in_len);

    if (st)
        return st;
    if (r->in_len && s->in_process)
        memset(a->in.data, 0xa5, r->in_len);
    in = (struct iovec){.iov_base = a->in.data, .iov_len = r->in_len};
    x.out = osd_iov_make(&out, r->out.len ? 1 : 0);
    x.in = osd_iov_make(&in, r->in_len ? 1 : 0);
    st = transport_execute(s->transport, &x, why, why_len);
    a->status = x.status;
    a->sense_len = x.sense_len;
    memcpy(a->sense, x.sense, x.sense_len);
    a->in_len = x.in_len;
    a->in_process = s->in_process;
    return st;
}

/* Whether a line begins with a verdict; without any, GOOD is expected. */
static bool has_verdict(const char *expectation)
{
    const char *first = expectation + 2;

    while (*first == ' ')
        first++;
    return memchr(first, '=', strcspn(first, " ")) == NULL;
}

static osd_status check(struct session *s, const struct script_step *step,
                        const struct request *r, const struct answer *a, struct vars *vars,
                        char *why, size_t why_len)
{
    bool verdict = false;
    osd_status st = OSD_OK;

    if (!answer_sound(r, a, why, why_len))
        return OSD_E_NOT_FOUND;
    for (size_t i = 0; i < step->n_expect; i++)
        verdict |= has_verdict(step->expect[i]);
    if (!verdict && a->status != 0) {
        answer_format(a, why, why_len);
        return OSD_E_NOT_FOUND;
    }
    for (size_t i = 0; i < step->n_expect && st == OSD_OK; i++) {
        if (!split(s, vars, step->expect[i], why, why_len))
            return OSD_E_INVALID;
        st = expect_check(&s->words, r, a, vars, why, why_len);
    }
    return st;
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

osd_status session_step(struct session *s, int gen, const struct script_step *step,
                        struct vars *vars, char *why, size_t why_len)
{
    struct answer a = {.in = osd_buf_make(EXPR_MAX)};
    struct request r;
    osd_status st;

    if (!split(s, vars, step->text, why, why_len))
        return OSD_E_INVALID;
    if (step->let)
        return let(s, gen, vars, why, why_len);
    st = request_build(&s->words, take_generation(&s->words, gen), &r, why, why_len);
    if (st == OSD_OK)
        st = carry(s, &r, &a, why, why_len);
    if (st == OSD_OK)
        st = check(s, step, &r, &a, vars, why, why_len);
    request_free(&r);
    osd_buf_free(&a.in);
    return st;
}
