/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/url.c - iscsi://[user%secret@]host[:port][/iqn[/lun]][?option=value&...]
 *
 * The URL is cut at its reserved characters first and percent escapes are undone in the parts,
 * so an escaped / or @ is ordinary text. The first % of user%secret is the separator: a user
 * name therefore holds no %, and a % in the secret is written %25.
 */
#include "initiator/initiator.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initiator_internal.h"

#define LUN_MAX 16383

static const char default_port[] = "3260";

/* A part of the URL: from, up to but without to. */
struct part {
    const char *from, *to;
};

static size_t part_len(struct part p)
{
    return (size_t)(p.to - p.from);
}

/* First of chars in p, or p's end. */
static const char *part_find(struct part p, const char *chars)
{
    const char *at = p.from;

    while (at < p.to && !strchr(chars, *at))
        at++;
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo percent escapes into dst; what names the part in the reason. */
static osd_status unescape(struct part p, char *dst, size_t size, const char *what,
                           struct isc_reason *why)
{
    size_t n = 0;

    for (const char *at = p.from; at < p.to; at++) {
        char c = *at;
        if (c == '%') {
            int hi = p.to - at > 2 ? hex_digit(at[1]) : -1;
            int lo = p.to - at > 2 ? hex_digit(at[2]) : -1;
            if (hi < 0 || lo < 0)
                return isc_say(why, OSD_E_INVALID,
                               "%s: %% must be followed by two hex digits (%% itself is %%25)",
                               what);
            c = (char)(hi << 4 | lo);
            at += 2;
        }
        if (c == '\0')
            return isc_say(why, OSD_E_INVALID, "%s holds a NUL byte", what);
        if (n + 1 >= size)
            return isc_say(why, OSD_E_INVALID, "%s is longer than %zu bytes", what, size - 1);
        dst[n++] = c;
    }
    dst[n] = '\0';
    return OSD_OK;
}

static osd_status parse_login(struct part p, char user[256], char secret[256], const char *what,
                              struct isc_reason *why)
{
    const char *cut = part_find(p, "%");

    if (cut == p.to || cut == p.from || cut + 1 == p.to)
        return isc_say(why, OSD_E_INVALID, "%s must be user%%secret", what);
    osd_status st = unescape((struct part){p.from, cut}, user, 256, what, why);
    return st ? st : unescape((struct part){cut + 1, p.to}, secret, 256, what, why);
}

static osd_status check_port(struct part p, struct isc_reason *why)
{
    unsigned long port = 0;

    for (const char *at = p.from; at < p.to; at++) {
        if (!isdigit((unsigned char)*at) || port > 65535)
            port = 65536;
        else
            port = port * 10 + (unsigned long)(*at - '0');
    }
    if (port == 0 || port > 65535)
        return isc_say(why, OSD_E_INVALID, "port \"%.*s\" is not a number from 1 to 65535",
                       (int)(part_len(p) < 32 ? part_len(p) : 32), p.from);
    return OSD_OK;
}

osd_status isc_portal_parse(const char *text, size_t len, char dst[ISC_PORTAL_MAX],
                            struct isc_reason *why)
{
    struct part p = {text, text + len}, host = p, port = {default_port, default_port + 4};
    char plain[256];

    if (len > 0 && *p.from == '[') {
        const char *close = part_find(p, "]");
        if (close == p.to || (close + 1 < p.to && close[1] != ':'))
            return isc_say(why, OSD_E_INVALID,
                           "an IPv6 host is written [address] or "
                           "[address]:port");
        host.to = close + 1;
    } else {
        host.to = part_find(p, ":");
        if (host.to < p.to && part_find((struct part){host.to + 1, p.to}, ":") < p.to)
            return isc_say(why, OSD_E_INVALID, "an IPv6 host needs brackets: [%.*s]",
                           (int)(len < 64 ? len : 64), text);
    }
    if (host.to < p.to)
        port = (struct part){host.to + 1, p.to};
    osd_status st = unescape(host, plain, sizeof(plain), "host", why);
    if (st || (st = check_port(port, why)))
        return st;
    if (plain[0] == '\0' || strcmp(plain, "[]") == 0)
        return isc_say(why, OSD_E_INVALID, "no host in the URL");
    snprintf(dst, ISC_PORTAL_MAX, "%s:%.*s", plain, (int)part_len(port), port.from);
    return OSD_OK;
}

static osd_status add_portal(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    int max = (int)(sizeof(u->portals) / sizeof(u->portals[0]));

    if (u->n_portals == max)
        return isc_say(why, OSD_E_INVALID, "more than %d portals", max);
    osd_status st = isc_portal_parse(p.from, part_len(p), u->portals[u->n_portals], why);
    if (st == OSD_OK)
        u->n_portals++;
    return st;
}

static osd_status parse_authority(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    const char *at = p.to;

    while (at > p.from && at[-1] != '@')
        at--;
    if (at > p.from) {
        struct part login = {p.from, at - 1};
        osd_status st = parse_login(login, u->user, u->secret, "user%secret", why);
        if (st)
            return st;
    }
    return add_portal(u, (struct part){at, p.to}, why);
}

static osd_status parse_target(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    osd_status st = unescape(p, u->target, sizeof(u->target), "target name", why);

    if (st)
        return st;
    if (strncmp(u->target, "iqn.", 4) != 0 && strncmp(u->target, "eui.", 4) != 0 &&
        strncmp(u->target, "naa.", 4) != 0)
        return isc_say(why, OSD_E_INVALID,
                       "target name \"%s\" does not begin with iqn., eui. or naa.", u->target);
    u->has_target = true;
    return OSD_OK;
}

static osd_status parse_lun(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    uint64_t lun = 0;
    bool good = part_len(p) > 0;

    for (const char *at = p.from; good && at < p.to; at++) {
        good = isdigit((unsigned char)*at) && lun <= LUN_MAX;
        lun = lun * 10 + (uint64_t)(*at - '0');
    }
    if (!good || lun > LUN_MAX)
        return isc_say(why, OSD_E_INVALID, "LUN \"%.*s\" is not a number from 0 to %d",
                       (int)(part_len(p) < 32 ? part_len(p) : 32), p.from, LUN_MAX);
    u->lun = lun;
    u->has_lun = true;
    return OSD_OK;
}

/* /iqn[/lun]; a slash at the end adds nothing. */
static osd_status parse_path(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    if (part_len(p) <= 1)
        return OSD_OK;
    p.from++;
    const char *cut = part_find(p, "/");
    osd_status st = parse_target(u, (struct part){p.from, cut}, why);

    if (st || p.to - cut <= 1)
        return st;
    return parse_lun(u, (struct part){cut + 1, p.to}, why);
}

static osd_status option_portal(struct iscsi_url *u, struct part v, struct isc_reason *why)
{
    return add_portal(u, v, why);
}

static osd_status option_mutual(struct iscsi_url *u, struct part v, struct isc_reason *why)
{
    return parse_login(v, u->mutual_user, u->mutual_secret, "mutual", why);
}

static osd_status option_digest(struct iscsi_url *u, struct part v, struct isc_reason *why)
{
    if (part_len(v) == 4 && memcmp(v.from, "data", 4) == 0)
        u->data_digest = true;
    else if (part_len(v) != 4 || memcmp(v.from, "none", 4) != 0)
        return isc_say(why, OSD_E_INVALID, "digest must be data or none");
    return OSD_OK;
}

static const struct {
    const char *name;
    osd_status (*parse)(struct iscsi_url *u, struct part v, struct isc_reason *why);
} options[] = {
    {"portal=", option_portal},
    {"mutual=", option_mutual},
    {"digest=", option_digest},
};

static osd_status parse_option(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        size_t n = strlen(options[i].name);
        if (part_len(p) >= n && memcmp(p.from, options[i].name, n) == 0)
            return options[i].parse(u, (struct part){p.from + n, p.to}, why);
    }
    return isc_say(why, OSD_E_INVALID,
                   "unknown option \"%.*s\"; there are portal=, mutual= and digest=",
                   (int)(part_len(p) < 64 ? part_len(p) : 64), p.from);
}

static osd_status parse_options(struct iscsi_url *u, struct part p, struct isc_reason *why)
{
    while (p.from < p.to) {
        const char *cut = part_find(p, "&");
        osd_status st = parse_option(u, (struct part){p.from, cut}, why);
        if (st)
            return st;
        p.from = cut < p.to ? cut + 1 : cut;
    }
    return OSD_OK;
}

/* Rules that span several parts. */
static osd_status check_whole(const struct iscsi_url *u, struct isc_reason *why)
{
    if (u->mutual_user[0] && !u->user[0])
        return isc_say(why, OSD_E_INVALID, "mutual= needs user%%secret@ before the host too");
    if (u->mutual_user[0] && strcmp(u->secret, u->mutual_secret) == 0)
        return isc_say(why, OSD_E_INVALID, "the two secrets of mutual CHAP must differ");
    return OSD_OK;
}

osd_status iscsi_url_parse(const char *url, struct iscsi_url *ret, char *reason,
                           size_t reason_len)
{
    static const char scheme[] = "iscsi://";
    struct isc_reason why = {reason, reason_len};
    struct iscsi_url u = {.n_portals = 0};

    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return isc_say(&why, OSD_E_INVALID, "an iSCSI URL begins with iscsi://");
    struct part p = {url + sizeof(scheme) - 1, url + strlen(url)};
    const char *query = part_find(p, "?");
    const char *path = part_find((struct part){p.from, query}, "/");
    osd_status st = parse_authority(&u, (struct part){p.from, path}, &why);

    if (st == OSD_OK)
        st = parse_path(&u, (struct part){path, query}, &why);
    if (st == OSD_OK && query < p.to)
        st = parse_options(&u, (struct part){query + 1, p.to}, &why);
    if (st == OSD_OK)
        st = check_whole(&u, &why);
    if (st == OSD_OK)
        *ret = u;
    return st;
}
