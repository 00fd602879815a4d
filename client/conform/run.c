/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/run.c - the cases of all scripts against one device (see conform.h)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "conform.h"
#include "security/keyfile.h"
#include "session.h"
#include "sign.h"
#include "suite.h"

#define SCRIPT_MAX (4u << 20)

struct run {
    const struct conform_options *opt;
    struct session *session; /* NULL when only listing */
    bool confined;           /* to the partitions p and q, which are the run's own */
    uint64_t p, q;
    bool spoken[3];               /* generations that the device knows */
    char key[2][ICV_LEN * 2 + 8]; /* master key: generation, authentication, as hex(...); "" */
    struct conform_totals totals;
    struct vars vars;
    struct report rep;
    char *reason;
    size_t reason_len;
};

/* Object ids that every script can use. */
static const char *const fixed_ids[][2] = {
    {"o", "0x10005"}, {"o2", "0x10006"}, {"c", "0x10100"}};

/* $nonce: the random half of a request nonce that no case had before. */
static void put_nonce(struct vars *vars)
{
    char text[16];
    uint64_t n;

    osd_random(&n, sizeof(n));
    snprintf(text, sizeof(text), "%012" PRIx64, n >> 16 | 1);
    vars_set(vars, "nonce", text);
}

static void put_number(struct vars *vars, const char *name, uint64_t v)
{
    char text[32];

    snprintf(text, sizeof(text), "0x%" PRIx64, v);
    vars_set(vars, name, text);
}

/* The variables that every case finds. */
static void put_variables(struct run *run)
{
    run->vars.n = 0;
    put_nonce(&run->vars);
    put_number(&run->vars, "p", run->p);
    put_number(&run->vars, "q", run->q);
    for (size_t k = 0; k < sizeof(fixed_ids) / sizeof(fixed_ids[0]); k++)
        vars_set(&run->vars, fixed_ids[k][0], fixed_ids[k][1]);
    if (run->key[0][0]) {
        vars_set(&run->vars, "master_generation", run->key[0]);
        vars_set(&run->vars, "master", run->key[1]);
    }
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

static osd_status step(struct run *run, int gen, const char *text)
{
    const struct script_step s = {.text = text};

    return session_step(run->session, gen, &s, &run->vars, &run->rep);
}

/* A sentence about a step that is no case's. */
static osd_status note(struct run *run, const char *what, osd_status st)
{
    char why[sizeof(run->rep.why)];

    snprintf(why, sizeof(why), "%s", run->rep.why);
    snprintf(run->rep.why, sizeof(run->rep.why), "%s: %.200s", what, why);
    return st;
}

/* ---- a run that keeps to partitions of its own ---- */

/* Remove the members of a list one by one, as OSD-1 has to. */
static osd_status remove_listed(struct run *run, const char *list, const char *remove)
{
    const struct script_step s = {
        .text = list, .expect = {"-> good save=listed:u64@24"}, .n_expect = 1};
    osd_status st;

    for (;;) {
        st = session_step(run->session, 1, &s, &run->vars, &run->rep);
        if (st) /* the list is empty, or there is none */
            return st == OSD_E_NOT_FOUND || st == OSD_E_UNSUPPORTED ? OSD_OK : st;
        if ((st = step(run, 1, remove)))
            return st;
    }
}

static osd_status remove_partition(struct run *run, uint64_t pid)
{
    osd_status st;

    put_number(&run->vars, "own", pid);
    st = step(run, 2, "REMOVE PARTITION $own scope=1 permissions=REMOVE+GBL_REM");
    if (st != OSD_E_NOT_FOUND)
        return st;
    if (step(run, 1, "LIST $own") == OSD_E_NOT_FOUND) /* there is none, or no way to it */
        return OSD_OK;
    if ((st = remove_listed(run, "LIST $own", "REMOVE $own/$listed")) ||
        (st = remove_listed(run, "LIST COLLECTION $own",
                            "REMOVE COLLECTION $own/$listed fcr=1")))
        return st;
    return step(run, 1, "REMOVE PARTITION $own");
}

/* A partition id that the device does not have. */
static osd_status choose(struct run *run, uint64_t *ret)
{
    static const struct script_step is_missing = {
        .text = "LIST $own", .expect = {"-> cdb partition_id"}, .n_expect = 1};

    osd_random(ret, sizeof(*ret));
    *ret = *ret >> 4 | 0x10000;
    put_number(&run->vars, "own", *ret);
    if (session_step(run->session, 2, &is_missing, &run->vars, &run->rep) &&
        session_step(run->session, 1, &is_missing, &run->vars, &run->rep)) {
        snprintf(run->reason, run->reason_len, "no partition id is free for this run: %.200s",
                 run->rep.why);
        return OSD_E_EXISTS;
    }
    return OSD_OK;
}

static osd_status confine(struct run *run)
{
    osd_status st = choose(run, &run->p);
    uint64_t p = run->p;

    if (st == OSD_OK)
        st = choose(run, &run->q);
    if (run->q < p) {
        run->p = run->q;
        run->q = p;
    }
    if (st == OSD_OK)
        session_confine(run->session, run->p, run->q);
    run->confined = st == OSD_OK;
    return st;
}

/* ---- one case ---- */

/* Cases move the device's clock; each finds it right. One that cannot be set is none of ours. */
static void set_clock(struct run *run, int gen)
{
    put_number(&run->vars, "clock", osd_clock_now(&osd_clock_system));
    (void)step(run, gen, "SET ATTRIBUTES 0/0 set=R+5h/9h:u48($clock) cap=none");
}

/* The device as a case finds it: empty, attributes of the root as they were made; or without
 * the partitions of the run. */
static osd_status begin(struct run *run, int gen)
{
    osd_status st;

    if (!run->confined) {
        st = step(run, gen, "FORMAT OSD cap=none");
        if (st == OSD_OK)
            set_clock(run, gen);
        if (st != OSD_E_UNSUPPORTED)
            return st ? note(run, "FORMAT OSD before the case", st) : OSD_OK;
        st = confine(run);
        if (st)
            return st;
        put_variables(run);
    }
    return OSD_OK;
}

/* What a case has left behind in partitions of the run. */
static osd_status clean(struct run *run)
{
    osd_status st = remove_partition(run, run->p);

    if (st == OSD_OK)
        st = remove_partition(run, run->q);
    if (st)
        snprintf(run->reason, run->reason_len,
                 "partition %" PRIX64 "h or %" PRIX64 "h, made by this run, stays: %.200s",
                 run->p, run->q, run->rep.why);
    return st;
}

#define UNTIL_TRIES    200
#define UNTIL_PAUSE_US 50000

/* In this process nothing goes on after a status: once is enough. */
static osd_status run_step(struct run *run, const struct script_step *step, int gen)
{
    int tries = step->until && !session_in_process(run->session) ? UNTIL_TRIES : 1;
    osd_status st = session_step(run->session, gen, step, &run->vars, &run->rep);

    while (st == OSD_E_NOT_FOUND && --tries > 0) {
        usleep(UNTIL_PAUSE_US);
        st = session_step(run->session, gen, step, &run->vars, &run->rep);
    }
    return st;
}

static osd_status run_steps(struct run *run, const struct script_case *c,
                            struct conform_result *r)
{
    osd_status st = OSD_OK;

    session_in_case(run->session, true);
    for (size_t i = 0; i < c->n_steps && st == OSD_OK; i++) {
        r->line = c->steps[i].line;
        st = run_step(run, &c->steps[i], r->generation);
    }
    session_in_case(run->session, false);
    return st;
}

/* The cases that follow need the key that this one has set. */
static void keep_master(struct run *run)
{
    static const char *const names[] = {"$master_generation", "$master"};
    char text[LINE_MAX_];

    for (size_t i = 0; i < 2; i++)
        if (vars_expand(&run->vars, names[i], text))
            snprintf(run->key[i], sizeof(run->key[i]), "%.*s", (int)sizeof(run->key[i]) - 1,
                     text);
}

static bool is_skip(osd_status st)
{
    return st == OSD_E_UNSUPPORTED || st == OSD_E_DENIED;
}

/* A malformed step is a mistake of the script and ends the run, as a lost device does. What the case
 * has made goes if the device can be asked for it. */
static osd_status end_run(struct run *run, const struct conform_result *r, osd_status st)
{
    struct report shown = run->rep;
    bool stays = run->confined && (st != OSD_E_INVALID || clean(run));
    size_t n;

    n = (size_t)snprintf(run->reason, run->reason_len, "%s:%u: %s: %s", r->script, r->line,
                         r->name, shown.why);
    if (stays && n < run->reason_len)
        snprintf(run->reason + n, run->reason_len - n,
                 "; partition %" PRIX64 "h or %" PRIX64 "h, made by this run, may be left",
                 run->p, run->q);
    return st;
}

static osd_status execute(struct run *run, const struct script_case *c,
                          struct conform_result *r)
{
    struct report shown;
    osd_status st = begin(run, r->generation), end = OSD_OK;

    if (st == OSD_OK)
        st = run_steps(run, c, r);
    r->outcome = st == OSD_OK ? CONFORM_PASSED : is_skip(st) ? CONFORM_SKIPPED : CONFORM_FAILED;
    if (st && st != OSD_E_NOT_FOUND && !is_skip(st))
        return end_run(run, r, st);
    if (c->changes_master && st == OSD_OK)
        keep_master(run);
    if (run->confined) {
        shown = run->rep;
        end = clean(run);
        run->rep = shown;
    }
    return end;
}

static void count(struct run *run, struct conform_result *r)
{
    bool failed = r->outcome == CONFORM_FAILED;

    r->why = r->outcome == CONFORM_PASSED ? "" : run->rep.why;
    r->command = failed ? run->rep.command : "";
    r->cdb = failed ? run->rep.cdb : "";
    r->out = failed ? run->rep.out : "";
    r->expected = failed ? run->rep.expected : "";
    r->got = failed ? run->rep.got : "";
    run->totals.passed += r->outcome == CONFORM_PASSED;
    run->totals.failed += failed;
    run->totals.skipped += r->outcome == CONFORM_SKIPPED;
    run->opt->report(run->opt->arg, r);
}

/* Why a case is not for this device or this run; NULL: it is. */
static const char *not_for_this(const struct run *run, const struct script_case *c, int gen)
{
    if (!run->session)
        return "not run";
    if (!run->spoken[gen])
        return gen == 1 ? "the device does not speak OSD-1" : "the device does not speak OSD-2";
    if (c->in_process && !session_in_process(run->session))
        return "cannot pass a kernel target";
    if (c->needs_key && !run->key[0][0])
        return "signs commands, and no master key was given";
    if (run->confined && (c->whole_device || c->needs_key))
        return "looks at the whole device: --destructive";
    if (c->changes_master && (run->opt->tamper || strcmp(run->opt->url, "memory:") != 0))
        return "changes the master key: with memory: only";
    return NULL;
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
    const char *skip = not_for_this(run, c, gen);
    char name[256], suffix[128];
    osd_status st = OSD_OK;

    put_variables(run);
    if (!script_bind(c, i, &run->vars, suffix, sizeof(suffix))) {
        snprintf(run->reason, run->reason_len, "%s:%u: too many variables", file, c->line);
        return OSD_E_INVALID;
    }
    snprintf(name, sizeof(name), "%s/%s%s", script, c->name, suffix);
    r.name = name;
    memset(&run->rep, 0, sizeof(run->rep));
    if (!wanted(run, &r))
        return OSD_OK;
    if (skip)
        snprintf(run->rep.why, sizeof(run->rep.why), "%s", skip);
    else
        st = execute(run, c, &r);
    if (st == OSD_OK)
        count(run, &r);
    return st;
}

static bool is_stopped(struct run *run)
{
    if (!run->opt->stopped || !run->opt->stopped())
        return false;
    snprintf(run->reason, run->reason_len, "interrupted");
    return true;
}

static osd_status run_case(struct run *run, const struct script_case *c, const char *file,
                           const char *script)
{
    osd_status st = OSD_OK;

    for (int gen = 1; gen <= 2; gen++) {
        if (!(c->generations & 1u << gen))
            continue;
        for (size_t i = 0; i < script_instances(c) && st == OSD_OK; i++)
            st = is_stopped(run) ? OSD_E_INTERRUPTED
                                 : run_instance(run, c, file, script, gen, i);
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
        snprintf(run->reason, run->reason_len, "script %s: %s", file, strerror(errno));
        return OSD_E_NOT_FOUND;
    }
    while (st == OSD_OK && (n = fread(part, 1, sizeof(part), f)) > 0)
        st = osd_buf_put(&text, part, n);
    if (st == OSD_OK && ferror(f)) {
        snprintf(run->reason, run->reason_len, "script %s: %s", file, strerror(errno));
        st = OSD_E_IO;
    }
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
    if (run->session && !run->confined)
        set_clock(run, 2);
    return st;
}

/* ---- keys ---- */

static void put_key(struct run *run, const uint8_t key[2 * ICV_LEN])
{
    for (size_t i = 0; i < 2; i++) {
        size_t n = (size_t)snprintf(run->key[i], sizeof(run->key[i]), "hex(");
        for (size_t k = 0; k < ICV_LEN; k++)
            n += (size_t)snprintf(run->key[i] + n, sizeof(run->key[i]) - n, "%02x",
                                  key[i * ICV_LEN + k]);
        snprintf(run->key[i] + n, sizeof(run->key[i]) - n, ")");
    }
}

/* A key of its own for a device in memory: a file that nobody else can see. */
static osd_status invent_key(char *path, size_t path_len, int *ret_fd)
{
    uint8_t key[2 * ICV_LEN];
    char text[4 * ICV_LEN + 1];
    int fd = *ret_fd = memfd_create("master key", MFD_CLOEXEC);

    osd_random(key, sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++)
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    if (fd < 0 || fchmod(fd, 0600) || write(fd, text, sizeof(text) - 1) < 0)
        return OSD_E_IO;
    snprintf(path, path_len, "/proc/self/fd/%d", fd);
    return OSD_OK;
}

/* Which generations there are, and that commands need no proof: GET ATTRIBUTES is mandatory. */
static osd_status probe(struct run *run)
{
    static const struct script_step unknown = {.text = "GET ATTRIBUTES 0/0 cap=none",
                                               .expect = {"-> cdb service_action"},
                                               .n_expect = 1};
    static const struct script_step refused = {
        .text = "GET ATTRIBUTES 0/0 cap=none",
        .expect = {"-> cdb security_method,capability_format"},
        .n_expect = 1};

    for (int gen = 1; gen <= 2; gen++) {
        osd_status st = session_step(run->session, gen, &unknown, &run->vars, &run->rep);
        if (st == OSD_OK)
            continue;
        if (st == OSD_E_NOT_FOUND)
            st = session_step(run->session, gen, &refused, &run->vars, &run->rep);
        if (st == OSD_OK) {
            snprintf(run->reason, run->reason_len,
                     "the device wants proof of every command; the suite needs NOSEC as the "
                     "default security method of the root");
            return OSD_E_DENIED;
        }
        if (st != OSD_E_NOT_FOUND)
            return st;
        run->spoken[gen] = true;
    }
    return OSD_OK;
}

static osd_status open_device(struct run *run)
{
    const struct conform_options *opt = run->opt;
    bool memory = strcmp(opt->url, "memory:") == 0;
    const char *file = opt->key_file;
    uint8_t key[2 * ICV_LEN];
    char path[32];
    int fd = -1;
    osd_status st = OSD_OK;

    if (memory && !file && (st = invent_key(path, sizeof(path), &fd)) == OSD_OK)
        file = path;
    if (st == OSD_OK && file)
        st = osd_keyfile_read(file, key, run->reason, run->reason_len);
    if (st == OSD_OK && file)
        put_key(run, key);
    if (st == OSD_OK)
        st = session_open(opt->url, file, opt->create || memory, &run->session, run->reason,
                          run->reason_len);
    explicit_bzero(key, sizeof(key));
    if (fd >= 0)
        close(fd);
    if (st)
        return st;
    session_tamper(run->session, opt->tamper, opt->tamper_arg);
    if ((st = probe(run)))
        return st;
    return !opt->destructive && !memory ? confine(run) : OSD_OK;
}

osd_status conform_run(const struct conform_options *opt, struct conform_totals *ret,
                       char *reason, size_t reason_len)
{
    struct run *run = calloc(1, sizeof(*run));
    osd_status st = run ? OSD_OK : OSD_E_NOMEM;

    reason[0] = 0;
    if (st == OSD_OK) {
        *run = (struct run){
            .opt = opt, .p = 0x10000, .q = 0x20000, .reason = reason, .reason_len = reason_len};
        if (!opt->list_only)
            st = open_device(run);
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
    if (run)
        explicit_bzero(run, sizeof(*run));
    free(run);
    return st;
}
