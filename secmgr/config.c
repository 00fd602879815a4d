/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/config.c - see config.h
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/number.h"
#include "identity.h"
#include "requests.h"

#define FILE_MAX (64u << 10)
#define LINE_MAX 1024

/* ---- the keys ---- */

enum kind { TEXT, NUMBER, DURATION, MODE, LIST, WISH, WISH_OF };

#define AT(member)   offsetof(struct sm_config, member)
#define SIZE(member) sizeof(((struct sm_config *)0)->member)
#define DAY          86400u
#define OF_OSD       "osd NAME" /* sections that name one */

static const struct key {
    const char *name; /* section.key */
    enum kind kind;
    size_t at, size;
    uint64_t min, max;
} keys[] = {
    {"listen.unix", TEXT, AT(unix_path), SIZE(unix_path), 0, 0},
    {"listen.unix_mode", MODE, AT(unix_mode), 0, 0, 0777},
    {"listen.https", TEXT, AT(https), SIZE(https), 0, 0},
    {"listen.certificate", TEXT, AT(certificate), SIZE(certificate), 0, 0},
    {"listen.private_key", TEXT, AT(private_key), SIZE(private_key), 0, 0},
    {"listen.client_ca", TEXT, AT(client_ca), SIZE(client_ca), 0, 0},
    {"listen.client_crl", TEXT, AT(client_crl), SIZE(client_crl), 0, 0},
    {"listen.keytab", TEXT, AT(keytab), SIZE(keytab), 0, 0},
    {"database.kind", TEXT, AT(database), SIZE(database), 0, 0},
    {"database.where", TEXT, AT(where), SIZE(where), 0, 0},
    {"keys.passphrase_file", TEXT, AT(passphrase), SIZE(passphrase), 0, 0},
    {"keys.rotate", DURATION, AT(rotate_s), 0, 0, 3650 * DAY},
    {"keys.dh_bits", NUMBER, AT(dh_bits), 0, 1024, 2048},
    {"credentials.lifetime", DURATION, AT(lifetime_s), 0, 10, 30 * DAY},
    {"credentials.max_lifetime", DURATION, AT(max_lifetime_s), 0, 10, 30 * DAY},
    {"credentials.icv_algorithm", WISH, AT(wishes), 0, 0, 0},
    {OF_OSD ".icv_algorithm", WISH_OF, AT(wishes), 0, 0, 0},
    {"access.admin", LIST, AT(admins), 0, 0, 0},
    {"access.observer", LIST, AT(observers), 0, 0, 1},
    {"limits.requests_per_second", NUMBER, AT(requests_per_second), 0, 0, 1000000},
    {"limits.burst", NUMBER, AT(burst), 0, 1, 1000000},
    {"limits.connections", NUMBER, AT(connections), 0, 1, 100000},
    {"limits.threads", NUMBER, AT(threads), 0, 1, 64},
    {"audit.file", TEXT, AT(audit), SIZE(audit), 0, 0},
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

const char *sm_config_key(size_t i)
{
    return i < N_KEYS ? keys[i].name : NULL;
}

void sm_config_defaults(struct sm_config *ret)
{
    *ret = (struct sm_config){
        .unix_path = "/run/osd-secmgr/socket",
        .unix_mode = 0666,
        .database = "sqlite",
        .where = "/var/lib/osd-secmgr/secmgr.db",
        .rotate_s = 7 * DAY,
        .dh_bits = 2048,
        .lifetime_s = 3600,
        .max_lifetime_s = DAY,
        .wishes.usual = OSD_WISH_SHA1,
        .admins = {1, {"uid:0"}},
        .requests_per_second = 2000,
        .burst = 10000,
        .connections = 1000,
        .threads = 4,
    };
}

/* ---- values ---- */

/* A number with s, m, h or d. */
static bool parse_duration(const char *s, uint64_t *ret)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY}};
    size_t len = strlen(s);
    char digits[24];
    uint64_t v, factor = 1;

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, s, len + 1);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (digits[len - 1] == units[i].unit) {
            factor = units[i].seconds;
            digits[len - 1] = 0;
        }
    if (!osd_number_parse(digits, &v) || v > UINT32_MAX)
        return false;
    *ret = v * factor;
    return true;
}

static bool parse_mode(const char *s, uint64_t *ret)
{
    if (strlen(s) > 4 || !*s || s[strspn(s, "01234567")])
        return false;
    *ret = strtoull(s, NULL, 8);
    return true;
}

static bool set_number(struct sm_config *c, const struct key *k, const char *value)
{
    uint64_t v;
    bool good = k->kind == NUMBER     ? osd_number_parse(value, &v)
                : k->kind == DURATION ? parse_duration(value, &v)
                                      : parse_mode(value, &v);

    if (!good || v < k->min || v > k->max)
        return false;
    memcpy((char *)c + k->at, &v, sizeof(v));
    return true;
}

/* max: whether everybody ("other") may be in the list. */
static bool add_principal(struct sm_config *c, const struct key *k, const char *value)
{
    struct sm_principals *p = (struct sm_principals *)((char *)c + k->at);

    if (!sm_principal_valid(value) || (strcmp(value, "other") == 0 && !k->max) ||
        p->n >= SM_ADMINS)
        return false;
    snprintf(p->list[p->n++], sizeof(p->list[0]), "%s", value);
    return true;
}

static bool add_wish(struct sm_config *c, const char *osd, const char *value)
{
    struct sm_wishes *w = &c->wishes;

    if (w->n >= SM_WISHES || !osd_wish_parse(value, &w->others[w->n].wish))
        return false;
    snprintf(w->others[w->n++].osd, SM_NAME_LEN, "%s", osd);
    return true;
}

/* osd: the device that the section is about. */
static bool set_value(struct sm_config *c, const struct key *k, const char *osd,
                      const char *value)
{
    if (k->kind == LIST)
        return add_principal(c, k, value);
    if (k->kind == WISH)
        return osd_wish_parse(value, &c->wishes.usual);
    if (k->kind == WISH_OF)
        return add_wish(c, osd, value);
    if (k->kind != TEXT)
        return set_number(c, k, value);
    if (strlen(value) >= k->size)
        return false;
    snprintf((char *)c + k->at, k->size, "%s", value);
    return true;
}

/* ---- lines ---- */

static char *trim(char *s)
{
    char *end = s + strlen(s);

    while (end > s && strchr(" \t\r", end[-1]))
        *--end = 0;
    return s + strspn(s, " \t");
}

struct parse {
    struct sm_config *c;
    char section[32];
    char osd[SM_NAME_LEN]; /* of [osd NAME] */
    unsigned line;
    char *why;
    size_t why_len;
};

static osd_status bad_line(struct parse *p, const char *what, const char *text)
{
    snprintf(p->why, p->why_len, "line %u: %s \"%.60s\"", p->line, what, text);
    for (char *s = p->why; *s; s++)
        if ((unsigned char)*s < ' ' || (unsigned char)*s > 126)
            *s = '?';
    return OSD_E_INVALID;
}

/* "osd NAME", of a device. */
static osd_status parse_osd(struct parse *p, const char *s)
{
    const char *name = s + 4 + strspn(s + 4, " \t");

    if (!sm_osd_name_valid(name))
        return bad_line(p, "no name of a device:", name);
    snprintf(p->osd, sizeof(p->osd), "%s", name);
    snprintf(p->section, sizeof(p->section), OF_OSD);
    return OSD_OK;
}

static osd_status parse_section(struct parse *p, char *s)
{
    size_t len = strlen(s), known = 0;

    if (len < 3 || s[len - 1] != ']')
        return bad_line(p, "no section:", s);
    s[len - 1] = 0;
    if (strncmp(s + 1, "osd ", 4) == 0)
        return parse_osd(p, trim(s + 1));
    if (len - 2 >= sizeof(p->section))
        return bad_line(p, "no section:", s + 1);
    for (size_t i = 0; i < N_KEYS; i++)
        known += strncmp(keys[i].name, s + 1, len - 2) == 0 && keys[i].name[len - 2] == '.';
    if (!known)
        return bad_line(p, "unknown section", s + 1);
    memcpy(p->section, s + 1, len - 1);
    return OSD_OK;
}

static osd_status parse_pair(struct parse *p, char *s)
{
    char *equals = strchr(s, '='), name[96];

    if (!equals)
        return bad_line(p, "no \"key = value\":", s);
    *equals = 0;
    s = trim(s);
    snprintf(name, sizeof(name), "%s.%.60s", p->section, s);
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return set_value(p->c, &keys[i], p->osd, trim(equals + 1))
                       ? OSD_OK
                       : bad_line(p, "value out of range for", s);
    return bad_line(p, "unknown key", name);
}

static osd_status parse_line(struct parse *p, char *s)
{
    s = trim(s);
    if (!*s || *s == '#' || *s == ';')
        return OSD_OK;
    return *s == '[' ? parse_section(p, s) : parse_pair(p, s);
}

osd_status sm_config_parse(struct sm_config *c, const char *text, size_t len, char *why,
                           size_t why_len)
{
    struct parse p = {.c = c, .why = why, .why_len = why_len};
    const char *end = text + len;
    osd_status st = OSD_OK;

    while (text < end && !st) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((newline ? newline : end) - text);
        char line[LINE_MAX];
        p.line++;
        if (n >= sizeof(line) || memchr(text, 0, n))
            return bad_line(&p, "too long, or not text", "");
        memcpy(line, text, n);
        line[n] = 0;
        st = parse_line(&p, line);
        text += n + 1;
    }
    return st;
}

/* ---- files ---- */

static osd_status load_file(struct sm_config *c, const char *path, char *why, size_t why_len)
{
    _cleanup_free_ char *text = malloc(FILE_MAX);
    FILE *f = fopen(path, "re");
    char what[300];
    osd_status st;
    size_t len;

    if (!f || !text) {
        snprintf(why, why_len, "%s: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return OSD_E_NOT_FOUND;
    }
    len = fread(text, 1, FILE_MAX, f);
    fclose(f);
    if (len == FILE_MAX) {
        snprintf(why, why_len, "%s: longer than %u bytes", path, FILE_MAX - 1);
        return OSD_E_INVALID;
    }
    st = sm_config_parse(c, text, len, what, sizeof(what));
    if (st)
        snprintf(why, why_len, "%s: %s", path, what);
    return st;
}

static int is_conf(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

osd_status sm_config_load(struct sm_config *c, const char *path, char *why, size_t why_len)
{
    struct dirent **names = NULL;
    char dir[SM_PATH], file[SM_PATH + 260];
    osd_status st = load_file(c, path, why, why_len);
    int n;

    snprintf(dir, sizeof(dir), "%s.d", path);
    n = st ? 0 : scandir(dir, &names, is_conf, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof(file), "%s/%s", dir, names[i]->d_name);
        if (!st)
            st = load_file(c, file, why, why_len);
        free(names[i]);
    }
    free(names);
    return st;
}

osd_status sm_config_check(const struct sm_config *c, char *why, size_t why_len)
{
    const char *bad = NULL;

    if (!c->unix_path[0] && !c->https[0])
        bad = "nothing to listen on: [listen] unix or https";
    else if (c->https[0] && (!c->certificate[0] || !c->private_key[0]))
        bad = "[listen] https needs certificate and private_key";
    else if (c->https[0] && !c->client_ca[0] && !c->keytab[0])
        bad = "[listen] https needs client_ca (or keytab): callers must prove who they are";
    else if (c->client_crl[0] && !c->client_ca[0])
        bad = "[listen] client_crl needs client_ca, which signs it";
    else if (strcmp(c->database, "sqlite") != 0 && strcmp(c->database, "postgresql") != 0)
        bad = "[database] kind is sqlite or postgresql";
    else if (!c->passphrase[0])
        bad = "[keys] passphrase_file is missing: keys are not kept in the clear";
    else if (c->lifetime_s > c->max_lifetime_s)
        bad = "[credentials] lifetime is longer than max_lifetime";
    else if (c->rotate_s && c->rotate_s * 15 < c->max_lifetime_s)
        bad = "[keys] rotate: 15 rotations must take longer than [credentials] max_lifetime";
    if (!bad)
        return OSD_OK;
    snprintf(why, why_len, "%s", bad);
    return OSD_E_INVALID;
}
