/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/run.c - the cases of all scripts against one device (see conform.h)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "conform.h"
#include "session.h"
#include "suite.h"

#define SCRIPT_MAX (4u << 20)

struct run {
    const struct conform_options *opt;
    struct session *session; /* NULL when only listing */
    struct conform_totals totals;
    struct vars vars;
    char *reason;
    size_t reason_len;
};

/* Object ids that every script can use. */
static const char *const fixed_ids[][2] = {
    {"p", "0x10000"}, {"q", "0x20000"}, {"o", "0x10005"}, {"o2", "0x10006"}, {"c", "0x10100"}};

/* $nonce: the random half of a request nonce that no case had before. */
static void put_nonce(struct vars *vars)
{
    char text[16];
    uint64_t n;

    osd_random(&n, sizeof(n));
    snprintf(text, sizeof(text), "%012" PRIx64, n >> 16 | 1);
    vars_set(vars, "nonce", text);
}

static bool wanted(const struct run *run, const struct conform_result *r)
{
    for (size_t i = 0; i < run->opt->n_filters; i++) {
        const char *f = run->opt->filters[i];
        if (strncmp(f, "clause:", 7) == 0 ? strcmp(f + 7, r->clause) == 0
                                          : strstr(r->name, f) != NULL)
            return true;
    }
    return run->opt->n_filters == 0;
}

/* The device as a case finds it: empty, attributes of the root as they were made. */
static osd_status begin(struct run *run, int gen, char *why, size_t why_len)
{
    const struct script_step format = {.text = "FORMAT OSD cap=none"};
    osd_status st = session_step(run->session, gen, &format, &run->vars, why, why_len);
    char first[160];

    if (st == OSD_E_NOT_FOUND) {
        snprintf(first, sizeof(first), "%s", why);
        snprintf(why, why_len, "FORMAT OSD before the case: %s", first);
    }
    return st;
}

/* A malformed step is a mistake of the script and ends the run, as a lost device does. */
static osd_status execute(struct run *run, const struct script_case *c,
                          struct conform_result *r, char *why, size_t why_len)
{
    osd_status st = begin(run, r->generation, why, why_len);

    r->line = c->line;
    for (size_t i = 0; i < c->n_steps && st == OSD_OK; i++) {
        r->line = c->steps[i].line;
        st = session_step(run->session, r->generation, &c->steps[i], &run->vars, why, why_len);
    }
    r->outcome = st == OSD_OK ? CONFORM_PASSED : CONFORM_FAILED;
    if (st == OSD_OK || st == OSD_E_NOT_FOUND)
        return OSD_OK;
    snprintf(run->reason, run->reason_len, "%s:%u: %s: %s", r->script, r->line, r->name, why);
    return st;
}

static void count(struct run *run, const struct conform_result *r)
{
    run->totals.passed += r->outcome == CONFORM_PASSED;
    run->totals.failed += r->outcome == CONFORM_FAILED;
    run->totals.skipped += r->outcome == CONFORM_SKIPPED;
    run->opt->report(run->opt->arg, r);
}

static osd_status run_instance(struct run *run, const struct script_case *c, const char *file,
                               const char *script, int gen, size_t i)
{
    struct conform_result r = {.title = c->title,
                               .clause = c->clause,
                               .covers = c->covers,
                               .generation = gen,
                               .outcome = CONFORM_SKIPPED,
                               .script = file,
                               .line = c->line};
    char name[256], suffix[128], why[256] = "";
    osd_status st = OSD_OK;

    run->vars.n = 0;
    put_nonce(&run->vars);
    for (size_t k = 0; k < sizeof(fixed_ids) / sizeof(fixed_ids[0]); k++)
        vars_set(&run->vars, fixed_ids[k][0], fixed_ids[k][1]);
    if (!script_bind(c, i, &run->vars, suffix, sizeof(suffix))) {
        snprintf(run->reason, run->reason_len, "%s:%u: too many variables", file, c->line);
        return OSD_E_INVALID;
    }
    snprintf(name, sizeof(name), "%s/%s%s", script, c->name, suffix);
    r.name = name;
    r.why = why;
    if (!wanted(run, &r))
        return OSD_OK;
    if (!run->session)
        snprintf(why, sizeof(why), "not run");
    else if (c->in_process && !session_in_process(run->session))
        snprintf(why, sizeof(why), "cannot pass a kernel target");
    else
        st = execute(run, c, &r, why, sizeof(why));
    if (st == OSD_OK)
        count(run, &r);
    return st;
}

static osd_status run_case(struct run *run, const struct script_case *c, const char *file,
                           const char *script)
{
    osd_status st = OSD_OK;

    for (int gen = 1; gen <= 2; gen++) {
        if (!(c->generations & 1u << gen))
            continue;
        for (size_t i = 0; i < script_instances(c) && st == OSD_OK; i++)
            st = run_instance(run, c, file, script, gen, i);
    }
    return st;
}

static osd_status run_text(struct run *run, const char *file, const char *text, size_t len)
{
    struct script *s;
    osd_status st = script_parse(file, text, len, &s, run->reason, run->reason_len);

    if (st)
        return st;
    for (const struct script_case *c = s->cases; c && st == OSD_OK; c = c->next)
        st = run_case(run, c, file, s->name);
    script_free(s);
    return st;
}

static osd_status run_file(struct run *run, const char *file)
{
    _cleanup_buf_ struct osd_buf text = osd_buf_make(SCRIPT_MAX);
    FILE *f = fopen(file, "re");
    osd_status st = OSD_OK;
    char part[4096];
    size_t n;

    if (!f) {
        snprintf(run->reason, run->reason_len, "cannot open script %s", file);
        return OSD_E_NOT_FOUND;
    }
    while (st == OSD_OK && (n = fread(part, 1, sizeof(part), f)) > 0)
        st = osd_buf_put(&text, part, n);
    fclose(f);
    return st ? st : run_text(run, file, (const char *)text.data, text.len);
}

static osd_status run_all(struct run *run)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < run->opt->n_scripts && st == OSD_OK; i++)
        st = run_file(run, run->opt->scripts[i]);
    for (size_t i = 0; run->opt->n_scripts == 0 && i < suite_count && st == OSD_OK; i++)
        st = run_text(run, suite_scripts[i].file, suite_scripts[i].text, suite_scripts[i].len);
    return st;
}

osd_status conform_run(const struct conform_options *opt, struct conform_totals *ret,
                       char *reason, size_t reason_len)
{
    struct run *run = calloc(1, sizeof(*run));
    osd_status st = run ? OSD_OK : OSD_E_NOMEM;

    reason[0] = 0;
    if (st == OSD_OK) {
        *run = (struct run){.opt = opt, .reason = reason, .reason_len = reason_len};
        if (!opt->list_only)
            st = session_open(opt->url, &run->session, reason, reason_len);
    }
    if (st == OSD_OK)
        st = run_all(run);
    if (run && run->session)
        session_close(run->session);
    if (st == OSD_OK && run->totals.passed + run->totals.failed + run->totals.skipped == 0) {
        snprintf(reason, reason_len, "no case matches");
        st = OSD_E_NOT_FOUND;
    }
    if (st == OSD_OK)
        *ret = run->totals;
    else if (!reason[0])
        snprintf(reason, reason_len, "%s", osd_status_text(st));
    free(run);
    return st;
}
