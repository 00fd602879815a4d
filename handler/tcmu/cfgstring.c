/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/cfgstring.c - see cfgstring.h; one row per key
 */
#include "cfgstring.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "wire/cdb.h"

#define SCRUB_MIN  (64 * KIB)
#define SCRUB_MAX  (16 * GIB)
#define SCRUB_RATE (8 * MIB)
#define SCRUB_DAYS 7

static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "/._@=+~%-;";

struct parse {
    struct osd_cfg cfg;
    unsigned seen; /* bit i: keys[i] was given */
    char *reason;
    size_t reason_len;
};

static osd_status __attribute__((format(printf, 2, 3)))
complain(struct parse *p, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(p->reason, p->reason_len, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < p->reason_len)
        snprintf(p->reason + n, p->reason_len - (size_t)n, "; example: %s",
                 OSD_CFGSTRING_EXAMPLE);
    return OSD_E_INVALID;
}

/* Digits and one of k, m, g, t (binary). */
static osd_status parse_size(const char *v, uint64_t *ret)
{
    static const char units[] = "kmgt";
    unsigned long long n;
    char *end;

    if (v[0] < '0' || v[0] > '9')
        return OSD_E_INVALID;
    errno = 0;
    n = strtoull(v, &end, 10);
    if (errno)
        return OSD_E_INVALID;
    if (*end) {
        const char *u = strchr(units, *end | 0x20);
        int shift = u ? 10 * (int)(u - units + 1) : 64;
        if (end[1] || shift == 64 || n > UINT64_MAX >> shift)
            return OSD_E_INVALID;
        n <<= shift;
    }
    *ret = n;
    return OSD_OK;
}

static osd_status key_capacity(struct parse *p, const char *v)
{
    if (parse_size(v, &p->cfg.capacity) || p->cfg.capacity < 1 << 20)
        return complain(p, "capacity=%s is not a size of at least 1m (number with k, m, g, t)",
                        v);
    return OSD_OK;
}

static const char *const methods[] = {[OSD_SEC_NOSEC] = "nosec",
                                      [OSD_SEC_CAPKEY] = "capkey",
                                      [OSD_SEC_CMDRSP] = "cmdrsp",
                                      [OSD_SEC_ALLDATA] = "alldata"};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

const char *osd_cfgstring_method(uint8_t method)
{
    return method < N_METHODS ? methods[method] : "unknown";
}

static osd_status key_security(struct parse *p, const char *v)
{
    for (uint8_t i = 0; i < N_METHODS; i++) {
        if (strcmp(v, methods[i]) == 0) {
            p->cfg.method = i;
            return OSD_OK;
        }
    }
    return complain(p, "security=%s is none of nosec, capkey, cmdrsp, alldata", v);
}

static osd_status key_master(struct parse *p, const char *v)
{
    if (v[0] != '/')
        return complain(p, "master_key_file=%s is not an absolute path", v);
    snprintf(p->cfg.master_key_file, sizeof(p->cfg.master_key_file), "%s", v);
    return OSD_OK;
}

static osd_status key_passphrase(struct parse *p, const char *v)
{
    if (v[0] != '/')
        return complain(p, "passphrase_file=%s is not an absolute path", v);
    snprintf(p->cfg.passphrase_file, sizeof(p->cfg.passphrase_file), "%s", v);
    return OSD_OK;
}

static osd_status key_dh1024(struct parse *p, const char *v)
{
    p->cfg.weak_groups = strcmp(v, "allow") == 0;
    if (!p->cfg.weak_groups && strcmp(v, "refuse") != 0)
        return complain(p, "dh1024=%s is neither refuse nor allow", v);
    return OSD_OK;
}

static osd_status key_sync(struct parse *p, const char *v)
{
    p->cfg.sync_always = strcmp(v, "always") == 0;
    if (!p->cfg.sync_always && strcmp(v, "normal") != 0)
        return complain(p, "sync=%s is neither normal nor always", v);
    return OSD_OK;
}

static osd_status key_store(struct parse *p, const char *v)
{
    p->cfg.memory = strcmp(v, "memory") == 0;
    if (!p->cfg.memory && strcmp(v, "rocksdb") != 0)
        return complain(p, "store=%s is neither rocksdb nor memory", v);
    return OSD_OK;
}

static osd_status key_threads(struct parse *p, const char *v)
{
    uint64_t n;

    if (parse_size(v, &n) || n < 1 || n > 64)
        return complain(p, "threads=%s is not a number from 1 to 64", v);
    p->cfg.threads = (unsigned)n;
    return OSD_OK;
}

static osd_status key_scrub(struct parse *p, const char *v)
{
    p->cfg.scrub = 0;
    if (strcmp(v, "off") == 0)
        return OSD_OK;
    if (parse_size(v, &p->cfg.scrub) || p->cfg.scrub < SCRUB_MIN || p->cfg.scrub > SCRUB_MAX)
        return complain(p,
                        "scrub=%s is neither off nor bytes per second from 64k to 16g "
                        "(number with k, m, g)",
                        v);
    return OSD_OK;
}

static osd_status key_scrub_days(struct parse *p, const char *v)
{
    uint64_t n;

    if (parse_size(v, &n) || n > 365)
        return complain(p, "scrub_days=%s is not a number from 0 to 365", v);
    p->cfg.scrub_days = (unsigned)n;
    return OSD_OK;
}

/* tcmu-runner evaluates this one itself and aborts when a command of ours is slower. */
static osd_status key_runner_timeout(struct parse *p, const char *v)
{
    return complain(p,
                    "leave tcmur_cmd_time_out=%s out: tcmu-runner would end at a slow "
                    "command; the backstore's attribute cmd_time_out sets a limit",
                    v);
}

static const struct {
    const char *key;
    osd_status (*set)(struct parse *p, const char *value);
} keys[] = {{"capacity", key_capacity},
            {"security", key_security},
            {"sync", key_sync},
            {"store", key_store},
            {"threads", key_threads},
            {"master_key_file", key_master},
            {"dh1024", key_dh1024},
            {"passphrase_file", key_passphrase},
            {"scrub", key_scrub},
            {"scrub_days", key_scrub_days},
            {"tcmur_cmd_time_out", key_runner_timeout}};

static osd_status set_key(struct parse *p, unsigned i, const char *value)
{
    if (p->seen & 1u << i)
        return complain(p, "%s= is given twice: leave one out", keys[i].key);
    p->seen |= 1u << i;
    return keys[i].set(p, value);
}

static osd_status parse_option(struct parse *p, const char *option)
{
    const char *eq = strchr(option, '=');

    if (!eq || eq == option)
        return complain(p, "\"%s\" is not key=value", option);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strlen(keys[i].key) == (size_t)(eq - option) &&
            strncmp(keys[i].key, option, (size_t)(eq - option)) == 0)
            return set_key(p, i, eq + 1);
    return complain(p,
                    "unknown option \"%.*s\" (known: capacity, security, master_key_file, "
                    "passphrase_file, dh1024, sync, store, threads, scrub, scrub_days)",
                    (int)(eq - option), option);
}

osd_status osd_cfgstring_parse(const char *s, struct osd_cfg *ret, char *reason,
                               size_t reason_len)
{
    struct parse p = {.cfg = {.threads = 4,
                              .method = OSD_SEC_CMDRSP,
                              .scrub = SCRUB_RATE,
                              .scrub_days = SCRUB_DAYS},
                      .reason = reason,
                      .reason_len = reason_len};
    char copy[OSD_CFGSTRING_MAX + 1];
    char *option, *rest;
    osd_status st;

    if (strlen(s) > OSD_CFGSTRING_MAX)
        return complain(&p, "longer than %d characters", OSD_CFGSTRING_MAX);
    size_t good = strspn(s, allowed);
    if (s[good])
        return complain(&p, "character '%c' is not allowed (letters, digits and /._@=+~%%-;)",
                        s[good] > ' ' && s[good] < 127 ? s[good] : '?');
    if (strncmp(s, "osd/", 4) == 0)
        s += 4;
    if (s[0] != '/')
        return complain(&p, "\"%s\" does not start with an absolute path", s);
    snprintf(copy, sizeof(copy), "%s", s);
    rest = copy;
    option = strsep(&rest, ";");
    snprintf(p.cfg.path, sizeof(p.cfg.path), "%s", option);
    while (rest) {
        option = strsep(&rest, ";");
        if ((st = parse_option(&p, option)))
            return st;
    }
    if (p.cfg.memory && p.cfg.method != OSD_SEC_NOSEC && !p.cfg.master_key_file[0])
        return complain(&p, "store=memory has no place for a master key: add "
                            "master_key_file=/path, or security=nosec");
    *ret = p.cfg;
    return OSD_OK;
}
