/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/conform.c - the verb "conform": the conformance suite as TAP or JSON
 */
#include "conform/conform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

#define ARGUMENTS_MAX 64 /* the limit of the row in main.c */

static const char *const outcomes[] = {
    [CONFORM_PASSED] = "passed", [CONFORM_FAILED] = "failed", [CONFORM_SKIPPED] = "skipped"};

static json_t *as_json(const struct conform_result *r)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s}",
                     "name", r->name, "title", r->title, "clause", r->clause, "covers",
                     r->covers, "generation", r->generation, "outcome", outcomes[r->outcome],
                     "script", r->script, "line", (int)r->line, "why", r->why, "command",
                     r->command, "cdb", r->cdb, "data_out", r->out, "expected", r->expected,
                     "got", r->got);
}

/* A line of the YAML block, the value as a double-quoted scalar; nothing for an empty one. */
static void print_yaml(const char *key, const char *value)
{
    if (!*value)
        return;
    printf("  %s: \"", key);
    for (; *value; value++)
        printf(*value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    printf("\"\n");
}

static void print_failure(const struct conform_result *r)
{
    printf("  ---\n");
    print_yaml("title", r->title);
    print_yaml("clause", r->clause);
    print_yaml("covers", r->covers);
    printf("  at: %s:%u\n", r->script, r->line);
    print_yaml("sent", r->command);
    print_yaml("cdb", r->cdb);
    print_yaml("data_out", r->out);
    print_yaml("expected", r->expected);
    print_yaml("got", r->got);
    print_yaml("found", r->why);
    printf("  ...\n");
}

static void print_tap(size_t n, const struct conform_result *r)
{
    printf("%sok %zu - OSD-%d %s%s%s\n", r->outcome == CONFORM_FAILED ? "not " : "", n,
           r->generation, r->name, r->outcome == CONFORM_SKIPPED ? " # SKIP " : "",
           r->outcome == CONFORM_SKIPPED ? r->why : "");
    if (r->outcome == CONFORM_FAILED)
        print_failure(r);
    fflush(stdout);
}

static void report(void *arg, const struct conform_result *r)
{
    size_t *n = arg;

    *n += 1;
    if (json_output)
        list_item(as_json(r));
    else
        print_tap(*n, r);
}

/* A case once, whatever its tables and generations. */
static void report_listed(void *arg, const struct conform_result *r)
{
    static char last[256];
    size_t len = strcspn(r->name, "["), *n = arg;

    *n += 1;
    if (json_output) {
        list_item(as_json(r));
    } else if (len >= sizeof(last) || strlen(last) != len || strncmp(last, r->name, len) != 0) {
        snprintf(last, sizeof(last), "%.*s", (int)len, r->name);
        printf("%-45s %-4s %s\n", last, r->clause, r->title);
    }
}

static bool is_script(const char *s)
{
    size_t n = strlen(s);

    return n > 4 && strcmp(s + n - 4, ".osd") == 0;
}

static bool is_url(const char *s)
{
    return strstr(s, ":/") || strncmp(s, "memory:", 7) == 0;
}

static int finish(size_t n, const struct conform_totals *t, bool listed)
{
    json_t *members = json_pack("{s:I, s:I, s:I}", "passed", (json_int_t)t->passed, "failed",
                                (json_int_t)t->failed, "skipped", (json_int_t)t->skipped);
    char text[64];

    if (!json_output && !listed)
        printf("1..%zu\n# %zu passed, %zu failed, %zu skipped\n", n, t->passed, t->failed,
               t->skipped);
    snprintf(text, sizeof(text), "%zu of %zu cases failed", t->failed, n);
    return list_close(members, t->failed ? OSD_E_PARTIAL : OSD_OK, text);
}

static int run(struct conform_options *co)
{
    struct conform_totals totals;
    char reason[512];
    osd_status st;
    size_t n = 0;

    co->report = co->list_only ? report_listed : report;
    co->arg = &n;
    catch_interrupts();
    list_open("cases");
    st = conform_run(co, &totals, reason, sizeof(reason));
    if (st == OSD_OK)
        return finish(n, &totals, co->list_only);
    if (!json_output)
        printf("Bail out! %s\n", reason);
    if (st == OSD_E_INVALID) /* a line of a script, or the URL */
        return strstr(reason, ".osd:") ? malformed(reason) : usage_error("%s", reason);
    return fail_with(st, "%s%s", reason,
                     strstr(reason, "not an OSD store") ? "; --create-store makes one" : "");
}

/* Cut --only at its commas and add the parts; text is the caller's copy. */
static bool add_filters(struct conform_options *co, const char *filters[], char *text)
{
    for (char *part; (part = strsep(&text, ",")) != NULL;) {
        if (!*part)
            continue;
        if (co->n_filters == ARGUMENTS_MAX)
            return false;
        filters[co->n_filters++] = part;
    }
    return true;
}

static int take_arguments(struct conform_options *co, const char *scripts[],
                          const char *filters[], int argc, char **argv)
{
    for (int i = 0; i < argc && i < ARGUMENTS_MAX; i++) {
        if (is_url(argv[i]) && i > 0)
            return usage_error("\"%s\": the device comes first, and there is one", argv[i]);
        else if (is_url(argv[i]))
            co->url = argv[i];
        else if (is_script(argv[i]))
            scripts[co->n_scripts++] = argv[i];
        else
            filters[co->n_filters++] = argv[i];
    }
    if (!co->list_only && !co->url)
        return usage_error("no device: osdctl conform URL");
    return 0;
}

int verb_conform(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    const char *scripts[ARGUMENTS_MAX], *filters[ARGUMENTS_MAX];
    char only[1024] = "";
    struct conform_options co = {.url = o->device,
                                 .scripts = scripts,
                                 .filters = filters,
                                 .list_only = o->long_list,
                                 .destructive = o->destructive || o->yes,
                                 .create = o->create,
                                 .key_file = o->key,
                                 .stopped = interrupted};
    int rc = take_arguments(&co, scripts, filters, argc, argv);

    (void)s;
    if (rc)
        return rc;
    if (o->tap && json_output)
        return usage_error("--tap or --json, not both");
    if (o->only && (size_t)snprintf(only, sizeof(only), "%s", o->only) >= sizeof(only))
        return usage_error("--only: at most %zu characters", sizeof(only) - 1);
    if (!add_filters(&co, filters, only))
        return usage_error("--only: at most %d filters", ARGUMENTS_MAX);
    return run(&co);
}
