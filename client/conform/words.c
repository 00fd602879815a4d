/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/words.c - see words.h
 */
#include "words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define VALUES_DEPTH 3 /* variables inside of values */

/* One word from *at on; advances *at behind it. False: something stays open. */
static bool word(char **at)
{
    bool quoted = false;
    int depth = 0;
    char *s = *at;

    for (; *s && (quoted || depth > 0 || !isspace((unsigned char)*s)); s++) {
        if (*s == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (*s == '(') - (*s == ')');
    }
    *at = s;
    return !quoted && depth == 0;
}

bool words_split(struct words *ret, const char *line)
{
    size_t len = strlen(line);
    char *s = ret->text;

    ret->n = 0;
    if (len >= sizeof(ret->text))
        return false;
    memcpy(s, line, len + 1);
    for (;;) {
        while (isspace((unsigned char)*s))
            s++;
        if (*s == 0 || *s == '#')
            return true;
        if (ret->n == WORDS_MAX)
            return false;
        ret->w[ret->n++] = s;
        if (!word(&s))
            return false;
        if (*s)
            *s++ = 0;
    }
}

static struct var *find(const struct vars *vars, const char *name, size_t len)
{
    for (size_t i = 0; i < vars->n; i++)
        if (strlen(vars->v[i].name) == len && strncmp(vars->v[i].name, name, len) == 0)
            return (struct var *)&vars->v[i];
    return NULL;
}

bool vars_set(struct vars *vars, const char *name, const char *value)
{
    struct var *v = find(vars, name, strlen(name));

    if (strlen(name) >= sizeof(v->name) || strlen(value) >= sizeof(v->value))
        return false;
    if (!v) {
        if (vars->n == VARS_MAX)
            return false;
        v = &vars->v[vars->n++];
        snprintf(v->name, sizeof(v->name), "%s", name);
    }
    snprintf(v->value, sizeof(v->value), "%s", value);
    return true;
}

static size_t name_length(const char *s)
{
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return n;
}

static bool append(char *dst, size_t *at, const char *src, size_t len)
{
    if (*at + len >= LINE_MAX_)
        return false;
    memcpy(dst + *at, src, len);
    *at += len;
    dst[*at] = 0;
    return true;
}

static bool expand_once(const struct vars *vars, const char *src, char dst[LINE_MAX_])
{
    size_t at = 0;

    dst[0] = 0;
    while (*src) {
        size_t plain = strcspn(src, "$");
        if (!append(dst, &at, src, plain))
            return false;
        src += plain;
        if (*src == 0)
            break;
        bool braced = src[1] == '{';
        const char *name = src + 1 + braced;
        size_t len = name_length(name);
        const struct var *v = find(vars, name, len);
        if (!v) {
            snprintf(dst, LINE_MAX_, "%.*s", (int)len, name);
            return false;
        }
        if (!append(dst, &at, v->value, strlen(v->value)))
            return false;
        src = name + len + (braced && name[len] == '}');
    }
    return true;
}

bool vars_expand(const struct vars *vars, const char *src, char dst[LINE_MAX_])
{
    char text[LINE_MAX_];

    if (!expand_once(vars, src, dst))
        return false;
    for (int i = 0; i < VALUES_DEPTH && strchr(dst, '$'); i++) {
        memcpy(text, dst, sizeof(text));
        if (!expand_once(vars, text, dst))
            return false;
    }
    return true;
}
