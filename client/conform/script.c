/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/script.c - see script.h
 */
#include "script.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MACROS_MAX 32
#define DEPTH_MAX  4
#define TEXT_MAX   (4u << 20)

/* Memory that is freed at once. */
struct chunk {
    struct chunk *next;
    max_align_t data[];
};

static void *keep(struct script *s, size_t len)
{
    struct chunk *c = calloc(1, sizeof(*c) + len);

    if (!c)
        return NULL;
    c->next = s->arena;
    s->arena = c;
    return c->data;
}

static const char *keep_text(struct script *s, const char *text, size_t len)
{
    char *copy = keep(s, len + 1);

    if (copy)
        memcpy(copy, text, len);
    return copy;
}

void script_free(struct script *s)
{
    struct chunk *next;

    for (struct chunk *c = s->arena; c; c = next) {
        next = c->next;
        free(c);
    }
    free(s);
}

/* ---- reading ---- */

struct macro {
    const char *name;
    const char *text; /* lines as they stand */
    size_t len;
    unsigned line;
};

struct reader {
    struct script *s;
    const char *file, *at, *end;
    unsigned line;
    char *reason;
    size_t reason_len;
    const char *clause, *covers; /* for the cases that follow */
    unsigned generations;
    bool in_process, needs_key, changes_master, whole_device;
    struct macro macros[MACROS_MAX];
    size_t n_macros;
    struct script_case *c, **tail; /* the case being read */
    struct script_each *table;     /* its table being read */
    struct words w;
};

static osd_status bad(struct reader *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static osd_status bad(struct reader *r, const char *fmt, ...)
{
    int n = snprintf(r->reason, r->reason_len, "%s:%u: ", r->file, r->line);
    va_list ap;

    va_start(ap, fmt);
    if (n > 0 && (size_t)n < r->reason_len)
        vsnprintf(r->reason + n, r->reason_len - (size_t)n, fmt, ap);
    va_end(ap);
    return OSD_E_INVALID;
}

/* The next line, a backslash at the end joining lines; false at the end of the text. */
static bool next_line(struct reader *r, char dst[LINE_MAX_])
{
    size_t n = 0;

    while (r->at < r->end) {
        const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
        size_t len = (size_t)((stop ? stop : r->end) - r->at);
        bool joined = len > 0 && r->at[len - 1] == '\\';
        if (n + len >= LINE_MAX_)
            len = LINE_MAX_ - 1 - n;
        memcpy(dst + n, r->at, len);
        n += joined ? len - 1 : len;
        r->at = stop ? stop + 1 : r->end;
        r->line++;
        if (!joined)
            break;
    }
    dst[n] = 0;
    return n > 0 || r->at < r->end;
}

/* The words from i on as one text. */
static const char *rest(struct reader *r, size_t i)
{
    char text[LINE_MAX_];
    size_t n = 0;

    for (text[0] = 0; i < r->w.n && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", r->w.w[i]);
    return keep_text(r->s, text, strlen(text));
}

/* ---- cases ---- */

static bool good_name(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-')
            return false;
    return *s != 0;
}

static osd_status begin_case(struct reader *r)
{
    struct script_case *c = keep(r->s, sizeof(*c));
    const char *title = r->w.n > 2 ? r->w.w[2] : "";
    size_t len = strlen(title);

    if (!c)
        return OSD_E_NOMEM;
    if (r->w.n != 3 || !good_name(r->w.w[1]) || len < 3 || title[0] != '"')
        return bad(r, "case wants a name and a \"title\"");
    for (struct script_case *o = r->s->cases; o; o = o->next)
        if (strcmp(o->name, r->w.w[1]) == 0)
            return bad(r, "there is a case %s already", r->w.w[1]);
    c->name = keep_text(r->s, r->w.w[1], strlen(r->w.w[1]));
    c->title = keep_text(r->s, title + 1, len - 2);
    c->steps = keep(r->s, STEPS_MAX * sizeof(*c->steps));
    c->line = r->line;
    c->clause = r->clause;
    c->covers = r->covers;
    c->generations = r->generations;
    c->in_process = r->in_process;
    c->needs_key = r->needs_key;
    c->changes_master = r->changes_master;
    c->whole_device = r->whole_device;
    r->c = c;
    return c->name && c->title && c->steps ? OSD_OK : OSD_E_NOMEM;
}

static bool same_row(const struct script_each *e, size_t a, size_t b, size_t columns)
{
    for (size_t i = 0; i < columns; i++)
        if (strcmp(e->values[a * e->n_names + i], e->values[b * e->n_names + i]) != 0)
            return false;
    return true;
}

static bool unique(const struct script_each *e, size_t columns)
{
    for (size_t i = 0; i < e->n_rows; i++)
        for (size_t k = 0; k < i; k++)
            if (same_row(e, i, k, columns))
                return false;
    return true;
}

/* How many columns tell the rows apart; 0: two are the same, or there is none. */
static size_t key_columns(const struct script_each *e)
{
    for (size_t n = 1; n <= e->n_names && e->n_rows > 0; n++)
        if (unique(e, n))
            return n;
    return 0;
}

static osd_status end_case(struct reader *r)
{
    struct script_case *c = r->c;

    for (size_t i = 0; i < c->n_each; i++)
        if (!(c->each[i].n_key = key_columns(&c->each[i])))
            return bad(r, "case %s: a table without rows, or with one twice", c->name);
    if (c->n_steps == 0)
        return bad(r, "case %s has no command", c->name);
    if (!c->clause || !c->covers)
        return bad(r, "case %s names no clause", c->name);
    *r->tail = c;
    r->tail = &c->next;
    r->c = NULL;
    r->table = NULL;
    return OSD_OK;
}

static osd_status take_each(struct reader *r)
{
    struct script_case *c = r->c;

    if (!c || c->n_steps || c->n_each == EACH_MAX || r->w.n < 2 || r->w.n - 1 > NAMES_MAX)
        return bad(r, "each NAME... stands at the beginning of a case, at most %d times",
                   EACH_MAX);
    r->table = &c->each[c->n_each++];
    r->table->n_names = r->w.n - 1;
    r->table->values = keep(r->s, ROWS_MAX * NAMES_MAX * sizeof(char *));
    for (size_t i = 1; i < r->w.n; i++)
        r->table->names[i - 1] = keep_text(r->s, r->w.w[i], strlen(r->w.w[i]));
    return r->table->values ? OSD_OK : OSD_E_NOMEM;
}

/* "| value | value": as many as names. Values may have blanks. With one name a line may hold
 * several rows. */
static osd_status take_row(struct reader *r)
{
    struct script_each *t = r->table;
    size_t n = 0;

    if (!t || r->c->n_steps)
        return bad(r, "a row without table");
    for (size_t i = 0; i < r->w.n;) {
        size_t first = ++i, count;
        while (i < r->w.n && strcmp(r->w.w[i], "|") != 0)
            i++;
        if (t->n_rows == ROWS_MAX || (t->n_names > 1 && n == t->n_names))
            return bad(r, "too many values");
        count = r->w.n;
        r->w.n = i;
        t->values[t->n_rows * t->n_names + n++] = rest(r, first);
        r->w.n = count;
        if (t->n_names == 1) {
            t->n_rows++;
            n = 0;
        }
    }
    if (t->n_names > 1) {
        if (n != t->n_names)
            return bad(r, "%zu values for %zu names", n, t->n_names);
        t->n_rows++;
    }
    return OSD_OK;
}

static osd_status take_step(struct reader *r)
{
    struct script_step *s;

    if (!r->c)
        return bad(r, "\"%s\" outside of a case", r->w.w[0]);
    if (r->c->n_steps == STEPS_MAX)
        return bad(r, "%d commands at most", STEPS_MAX);
    s = &r->c->steps[r->c->n_steps++];
    s->line = r->line;
    s->let = strcmp(r->w.w[0], "let") == 0;
    if (s->let && (r->w.n != 4 || strcmp(r->w.w[2], "=") != 0))
        return bad(r, "let NAME = VALUE");
    s->until = strcmp(r->w.w[0], "until") == 0;
    if (s->until && r->w.n < 2)
        return bad(r, "until COMMAND");
    s->text = rest(r, s->until ? 1 : 0);
    return s->text ? OSD_OK : OSD_E_NOMEM;
}

static osd_status take_expectation(struct reader *r)
{
    struct script_step *s;

    if (!r->c || r->c->n_steps == 0)
        return bad(r, "an expectation without command");
    s = &r->c->steps[r->c->n_steps - 1];
    if (s->let || s->n_expect == EXPECT_MAX || r->w.n < 2)
        return bad(r, "an expectation that belongs to nothing, or too many");
    s->expect[s->n_expect] = rest(r, 0);
    return s->expect[s->n_expect++] ? OSD_OK : OSD_E_NOMEM;
}

/* ---- what stands outside of cases, too ---- */

/* clause SECTION ROW...: the row is that of docs/coverage.md. */
static osd_status take_clause(struct reader *r)
{
    const char *clause, *covers;

    if (r->w.n < 3)
        return bad(r, "clause SECTION ROW");
    clause = keep_text(r->s, r->w.w[1], strlen(r->w.w[1]));
    covers = rest(r, 2);
    if (r->c) {
        r->c->clause = clause;
        r->c->covers = covers;
    } else {
        r->clause = clause;
        r->covers = covers;
    }
    return clause && covers ? OSD_OK : OSD_E_NOMEM;
}

static osd_status take_generation(struct reader *r)
{
    unsigned g = 0;

    for (size_t i = 1; i < r->w.n; i++) {
        if (strcmp(r->w.w[i], "1") != 0 && strcmp(r->w.w[i], "2") != 0)
            return bad(r, "generation 1, 2 or 1 2");
        g |= 1u << (r->w.w[i][0] - '0');
    }
    if (!g)
        return bad(r, "generation 1, 2 or 1 2");
    *(r->c ? &r->c->generations : &r->generations) = g;
    return OSD_OK;
}

static osd_status take_in_process(struct reader *r)
{
    *(r->c ? &r->c->in_process : &r->in_process) = true;
    return OSD_OK;
}

static osd_status take_needs_key(struct reader *r)
{
    *(r->c ? &r->c->needs_key : &r->needs_key) = true;
    return OSD_OK;
}

static osd_status take_changes_master(struct reader *r)
{
    *(r->c ? &r->c->changes_master : &r->changes_master) = true;
    return OSD_OK;
}

static osd_status take_whole_device(struct reader *r)
{
    *(r->c ? &r->c->whole_device : &r->whole_device) = true;
    return OSD_OK;
}

static osd_status take_define(struct reader *r)
{
    char line[LINE_MAX_];
    struct macro *m = &r->macros[r->n_macros];

    if (r->c || r->n_macros == MACROS_MAX || r->w.n != 2)
        return bad(r, "define NAME stands outside of cases, at most %d times", MACROS_MAX);
    m->name = keep_text(r->s, r->w.w[1], strlen(r->w.w[1]));
    m->text = r->at;
    m->line = r->line;
    for (;;) {
        const char *before = r->at;
        if (!next_line(r, line))
            return bad(r, "define %s has no end", m->name);
        if (!words_split(&r->w, line))
            return bad(r, "something stays open");
        if (r->w.n == 1 && strcmp(r->w.w[0], "end") == 0) {
            m->len = (size_t)(before - m->text);
            break;
        }
    }
    r->n_macros++;
    return m->name ? OSD_OK : OSD_E_NOMEM;
}

static osd_status read_lines(struct reader *r, int depth);

/* do NAME: the lines of the definition in this place. */
static osd_status take_do(struct reader *r, int depth)
{
    for (size_t i = 0; i < r->n_macros; i++) {
        const struct macro *m = &r->macros[i];
        if (r->w.n != 2 || strcmp(m->name, r->w.w[1]) != 0)
            continue;
        if (depth == DEPTH_MAX)
            return bad(r, "definitions are nested too deep");
        const char *at = r->at, *end = r->end;
        unsigned line = r->line;
        r->at = m->text;
        r->end = m->text + m->len;
        r->line = m->line;
        osd_status st = read_lines(r, depth + 1);
        r->at = at;
        r->end = end;
        r->line = line;
        return st;
    }
    return bad(r, "do: no such definition");
}

static osd_status take_end(struct reader *r)
{
    return r->c ? end_case(r) : bad(r, "end of nothing");
}

static osd_status take_case(struct reader *r)
{
    return r->c ? bad(r, "case %s has no end", r->c->name) : begin_case(r);
}

static const struct keyword {
    const char *name;
    osd_status (*run)(struct reader *r);
} keywords[] = {
    {"case", take_case},
    {"end", take_end},
    {"each", take_each},
    {"|", take_row},
    {"->", take_expectation},
    {"clause", take_clause},
    {"generation", take_generation},
    {"in-process", take_in_process},
    {"needs-key", take_needs_key},
    {"changes-master", take_changes_master},
    {"whole-device", take_whole_device},
    {"define", take_define},
};

static osd_status take_line(struct reader *r, int depth)
{
    const char *first = r->w.w[0];

    if (strcmp(first, "do") == 0)
        return take_do(r, depth);
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
        if (strcmp(first, keywords[i].name) == 0)
            return keywords[i].run(r);
    return take_step(r);
}

static osd_status read_lines(struct reader *r, int depth)
{
    char line[LINE_MAX_];
    osd_status st = OSD_OK;

    while (st == OSD_OK && next_line(r, line)) {
        if (!words_split(&r->w, line))
            return bad(r, "too long, or a quote or parenthesis stays open");
        if (r->w.n)
            st = take_line(r, depth);
    }
    return st;
}

static void name_of(struct script *s, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;

    snprintf(s->name, sizeof(s->name), "%.*s", (int)strcspn(base, "."), base);
}

osd_status script_parse(const char *file, const char *text, size_t len, struct script **ret,
                        char *reason, size_t reason_len)
{
    struct script *s = calloc(1, sizeof(*s));
    struct reader *r = calloc(1, sizeof(*r));
    osd_status st = s && r ? OSD_OK : OSD_E_NOMEM;

    reason[0] = 0;
    if (st == OSD_OK) {
        name_of(s, file);
        *r = (struct reader){.s = s,
                             .file = file,
                             .at = text,
                             .end = text + len,
                             .generations = 6,
                             .tail = &s->cases,
                             .reason = reason,
                             .reason_len = reason_len};
        st = len > TEXT_MAX || memchr(text, 0, len) ? bad(r, "no script") : read_lines(r, 0);
    }
    if (st == OSD_OK && r->c)
        st = bad(r, "case %s has no end", r->c->name);
    if (st && !reason[0])
        snprintf(reason, reason_len, "%s", osd_status_text(st));
    free(r);
    if (st == OSD_OK)
        *ret = s;
    else if (s)
        script_free(s);
    return st;
}

/* ---- instances ---- */

size_t script_instances(const struct script_case *c)
{
    size_t n = 1;

    for (size_t i = 0; i < c->n_each; i++)
        n *= c->each[i].n_rows;
    return n;
}

bool script_bind(const struct script_case *c, size_t i, struct vars *vars, char *suffix,
                 size_t suffix_len)
{
    size_t n = 0;

    suffix[0] = 0;
    for (size_t k = 0; k < c->n_each; k++) {
        const struct script_each *e = &c->each[k];
        const char **row = e->values + i % e->n_rows * e->n_names;
        i /= e->n_rows;
        for (size_t j = 0; j < e->n_names; j++)
            if (!vars_set(vars, e->names[j], row[j]))
                return false;
        for (size_t j = 0; j < e->n_key && n < suffix_len; j++)
            n += (size_t)snprintf(suffix + n, suffix_len - n, "%c%s", n ? ',' : '[', row[j]);
    }
    if (n && n < suffix_len)
        snprintf(suffix + n, suffix_len - n, "]");
    return true;
}
