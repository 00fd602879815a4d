/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/login.c - the login phase (RFC 7143 section 6 and 11.12 to 11.13)
 *
 * Security stage always, operational stage always, each in as many exchanges as the target
 * wants, at most EXCHANGES_MAX together. The target never moves us to a stage we did not ask
 * for, so it cannot skip proving itself.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "initiator_internal.h"

#define EXCHANGES_MAX    48
#define REDIRECTS_MAX    8
#define LOGIN_TIMEOUT_MS 10000
#define LOGIN_SEGMENT    8192 /* MaxRecvDataSegmentLength before it is negotiated */

enum stage { STAGE_SECURITY = 0, STAGE_OPERATIONAL = 1, STAGE_FULL = 3 };

enum auth {
    AUTH_OFFERED,   /* AuthMethod sent */
    AUTH_ALGORITHM, /* CHAP_A sent */
    AUTH_ANSWERED,  /* CHAP_N, CHAP_R sent */
    AUTH_DONE
};

struct login {
    struct isc_link *link;
    const struct iscsi_url *url;
    const struct iscsi_options *opt;
    struct isc_reason *why;
    bool discovery;
    enum stage stage;
    enum auth auth;
    bool transit; /* ask for the next stage with the next request */
    struct isc_chap chap;
    struct osd_buf out, in;
    uint8_t bhs[ISC_BHS_LEN]; /* last response */
};

static const struct {
    uint16_t code; /* class, detail */
    osd_status status;
    const char *text;
} login_errors[] = {
    {0x0200, OSD_E_PROTOCOL,
     "the target finds an error in the login (does it insist on a digest? digest=data asks for "
     "one)"},
    {0x0201, OSD_E_DENIED,
     "the target refuses the login (CHAP user or secret wrong or missing)"},
    {0x0202, OSD_E_DENIED, "this initiator name may not use the target"},
    {0x0203, OSD_E_NOT_FOUND, "no such target at this portal"},
    {0x0204, OSD_E_NOT_FOUND, "the target has been removed"},
    {0x0205, OSD_E_UNSUPPORTED, "the target speaks another iSCSI version"},
    {0x0206, OSD_E_BUSY, "the target has too many connections"},
    {0x0207, OSD_E_PROTOCOL, "the target misses a parameter"},
    {0x0208, OSD_E_PROTOCOL, "the target cannot include the connection in the session"},
    {0x0209, OSD_E_UNSUPPORTED, "the target does not offer this type of session"},
    {0x020a, OSD_E_PROTOCOL, "the target does not know the session"},
    {0x020b, OSD_E_PROTOCOL, "the target finds an invalid request during login"},
    {0x0300, OSD_E_UNREACHABLE, "the target has an internal error"},
    {0x0301, OSD_E_UNREACHABLE, "the target is not available, or has another name"},
    {0x0302, OSD_E_UNREACHABLE, "the target is out of resources"},
};

static osd_status status_of(struct login *g)
{
    uint16_t code = be16_get(g->bhs + ISC_STATUS_CLASS);
    const char *portal = g->link->portal;

    if (code == 0)
        return OSD_OK;
    for (size_t i = 0; i < sizeof(login_errors) / sizeof(login_errors[0]); i++) {
        if (login_errors[i].code == code)
            return isc_say(g->why, login_errors[i].status, "%s: %s (login status %04xh)",
                           portal, login_errors[i].text, code);
    }
    if (code >> 8 == 1)
        return isc_say(g->why, OSD_E_BUSY, "%s: the target has moved", portal);
    return isc_say(g->why, code >> 8 == 3 ? OSD_E_UNREACHABLE : OSD_E_PROTOCOL,
                   "%s: login status %04xh", portal, code);
}

static osd_status send_request(struct login *g, struct osd_bytes text)
{
    struct isc_link *l = g->link;
    uint8_t bhs[ISC_BHS_LEN];
    uint8_t flags = (uint8_t)(g->stage << 2);

    if (g->transit)
        flags |= ISC_F_FINAL | (g->stage == STAGE_SECURITY ? STAGE_OPERATIONAL : STAGE_FULL);
    isc_pdu_start(bhs, ISC_LOGIN_REQUEST | ISC_IMMEDIATE, flags, l->itt);
    memcpy(bhs + ISC_ISID, l->isid, sizeof(l->isid));
    be16_put(bhs + ISC_TSIH, l->tsih);
    be32_put(bhs + ISC_CMD_SN, l->cmd_sn);
    be32_put(bhs + ISC_EXP_STAT_SN, l->exp_stat_sn);
    return isc_link_send(l, bhs, text, g->why);
}

static osd_status receive_response(struct login *g)
{
    struct isc_link *l = g->link;
    osd_status st = isc_link_receive(l, g->bhs, &g->in, g->why);

    if (st)
        return st;
    if (isc_opcode(g->bhs) != ISC_LOGIN_RESPONSE || isc_word(g->bhs, ISC_ITT) != l->itt)
        return isc_say(g->why, OSD_E_PROTOCOL, "%s answers the login with PDU %02xh", l->portal,
                       isc_opcode(g->bhs));
    l->exp_stat_sn = isc_word(g->bhs, ISC_STAT_SN) + 1;
    l->max_cmd_sn = isc_word(g->bhs, ISC_MAX_CMD_SN);
    return OSD_OK;
}

/* Send out (in pieces if long), receive the whole answer into in. */
static osd_status exchange(struct login *g)
{
    bool transit = g->transit;
    osd_status st;

    osd_buf_free(&g->in);
    if (g->out.len > LOGIN_SEGMENT)
        return isc_say(g->why, OSD_E_INVALID, "login text longer than %d bytes", LOGIN_SEGMENT);
    st = send_request(g, (struct osd_bytes){g->out.data, g->out.len});
    g->out.len = 0;
    for (int i = 0; st == OSD_OK && i < EXCHANGES_MAX; i++) {
        st = receive_response(g);
        if (st || !(g->bhs[ISC_FLAGS] & ISC_F_CONTINUE) || g->bhs[ISC_STATUS_CLASS])
            break;
        g->transit = false;
        st = send_request(g, (struct osd_bytes){NULL, 0});
    }
    if (st == OSD_OK && g->bhs[ISC_FLAGS] & ISC_F_CONTINUE && !g->bhs[ISC_STATUS_CLASS])
        st =
            isc_say(g->why, OSD_E_PROTOCOL, "%s: the login text does not end", g->link->portal);
    g->transit = transit;
    if (st == OSD_OK && osd_buf_put(&g->in, "", 1)) /* the last value always ends */
        st = isc_say(g->why, OSD_E_NOMEM, "no memory");
    return st;
}

static struct osd_bytes answer(const struct login *g)
{
    return (struct osd_bytes){g->in.data, g->in.len};
}

static osd_status put_security_keys(struct login *g)
{
    const char *auth = !g->url->user[0]         ? "None"
                       : g->url->mutual_user[0] ? "CHAP"
                                                : "CHAP,None";
    osd_status st = isc_text_add(&g->out, "InitiatorName", g->opt->initiator_name);

    if (st == OSD_OK)
        st = isc_text_add(&g->out, "SessionType", g->discovery ? "Discovery" : "Normal");
    if (st == OSD_OK && !g->discovery)
        st = isc_text_add(&g->out, "TargetName", g->url->target);
    return st ? st : isc_text_add(&g->out, "AuthMethod", auth);
}

static osd_status take_auth_method(struct login *g)
{
    const char *method = isc_text_find(answer(g), "AuthMethod");

    if (method && strcmp(method, "CHAP") == 0 && g->url->user[0]) {
        g->auth = AUTH_ALGORITHM;
        return isc_chap_offer(&g->out);
    }
    if (g->url->mutual_user[0])
        return isc_say(g->why, OSD_E_DENIED,
                       "the target does not offer CHAP (mutual asked for)");
    if (method && strcmp(method, "None") != 0)
        return isc_say(g->why, OSD_E_DENIED, "the target wants AuthMethod=%.32s", method);
    g->auth = AUTH_DONE;
    g->transit = true;
    return OSD_OK;
}

/* The security stage, one answer: what it means and what to say next. */
static osd_status security_step(struct login *g)
{
    osd_status st = OSD_OK;

    switch (g->auth) {
    case AUTH_OFFERED:
        return take_auth_method(g);
    case AUTH_ALGORITHM:
        st = isc_chap_answer(&g->chap, answer(g), &g->out, g->why);
        g->auth = AUTH_ANSWERED;
        g->transit = true;
        return st;
    case AUTH_ANSWERED:
        if (g->chap.mutual_user[0])
            st = isc_chap_verify(&g->chap, answer(g), g->why);
        g->auth = AUTH_DONE;
        return st;
    case AUTH_DONE:
        break;
    }
    return OSD_OK;
}

static osd_status operational_step(struct login *g)
{
    return isc_params_take(answer(g), &g->link->offer, &g->link->agreed, &g->out, g->why);
}

static osd_status begin_operational(struct login *g)
{
    g->stage = STAGE_OPERATIONAL;
    g->transit = true;
    return isc_params_put(&g->link->offer, &g->out);
}

/* After an answer: has the stage ended? */
static osd_status advance(struct login *g)
{
    uint8_t flags = g->bhs[ISC_FLAGS];

    if (!(flags & ISC_F_FINAL))
        return OSD_OK;
    if (!g->transit || (flags & 3) != (g->stage == STAGE_SECURITY ? 1 : 3) ||
        (flags >> 2 & 3) != (uint8_t)g->stage)
        return isc_say(g->why, OSD_E_PROTOCOL, "the target skips a stage of the login");
    if (g->stage == STAGE_SECURITY)
        return begin_operational(g);
    g->stage = STAGE_FULL;
    g->link->tsih = be16_get(g->bhs + ISC_TSIH);
    return OSD_OK;
}

static osd_status step(struct login *g)
{
    bool asked = g->transit, first = g->auth == AUTH_OFFERED && g->stage == STAGE_SECURITY;
    osd_status st = exchange(g);

    /* LIO gives no status when it wants CHAP and none is offered. */
    if (st == OSD_E_UNREACHABLE && first && !g->url->user[0])
        st = isc_say(g->why, OSD_E_DENIED,
                     "%s closes the connection at once: does it require CHAP (user%%secret@)?",
                     g->link->portal);
    if (st == OSD_OK)
        st = status_of(g);
    if (st)
        return st;
    st = g->stage == STAGE_SECURITY ? security_step(g) : operational_step(g);
    if (st == OSD_OK) {
        bool next = g->transit;
        g->transit = asked;
        st = advance(g);
        g->transit |= next;
    }
    return st == OSD_E_NOMEM ? isc_say(g->why, st, "login text too long") : st;
}

/* TargetAddress=host:port,tag of a redirection. */
static void take_redirect(const struct login *g, char redirect[ISC_PORTAL_MAX])
{
    const char *at = isc_text_find(answer(g), "TargetAddress");

    if (at)
        isc_portal_parse(at, strcspn(at, ","), redirect, NULL);
}

osd_status isc_login(struct isc_link *l, const struct iscsi_url *url,
                     const struct iscsi_options *opt, bool discovery,
                     char redirect[ISC_PORTAL_MAX], struct isc_reason *why)
{
    struct login g = {
        .link = l,
        .url = url,
        .opt = opt,
        .why = why,
        .discovery = discovery,
        .transit = !url->user[0],
        .chap = {.user = url->user,
                 .secret = url->secret,
                 .mutual_user = url->mutual_user,
                 .mutual_secret = url->mutual_secret},
        .out = osd_buf_make(LOGIN_SEGMENT),
        .in = osd_buf_make(ISC_TEXT_MAX),
    };
    osd_status st;

    l->tsih = 0;
    l->itt = 0;
    l->exp_stat_sn = 0;
    l->offer = isc_params_offer(opt, url->data_digest && !discovery);
    l->agreed = isc_params_start(&l->offer);
    st = put_security_keys(&g);
    for (int i = 0; st == OSD_OK && g.stage != STAGE_FULL; i++)
        st = i < EXCHANGES_MAX
                 ? step(&g)
                 : isc_say(why, OSD_E_PROTOCOL, "%s: the login does not end", l->portal);
    if (st == OSD_E_BUSY && g.bhs[ISC_STATUS_CLASS] == 1)
        take_redirect(&g, redirect);
    osd_buf_free(&g.out);
    osd_buf_free(&g.in);
    return st;
}

/* One portal, following redirections. */
static osd_status try_portal(struct isc_link *l, const struct iscsi_url *url,
                             const struct iscsi_options *opt, bool discovery,
                             const char *portal, struct isc_reason *why)
{
    uint32_t timeout = opt->login_timeout_ms ? opt->login_timeout_ms : LOGIN_TIMEOUT_MS;
    char at[ISC_PORTAL_MAX];

    snprintf(at, sizeof(at), "%s", portal);
    for (int hop = 0; hop < REDIRECTS_MAX; hop++) {
        char next[ISC_PORTAL_MAX] = "";
        l->deadline_ms = osd_monotonic_ms() + timeout;
        osd_status st = isc_link_connect(l, at, why);
        if (st == OSD_OK)
            st = isc_login(l, url, opt, discovery, next, why);
        if (st)
            isc_link_close(l);
        if (!next[0])
            return st;
        memcpy(at, next, sizeof(at));
    }
    return isc_say(why, OSD_E_UNREACHABLE, "%s: redirected in a circle", portal);
}

/* Would another portal do better? */
static bool is_local(osd_status st)
{
    return st == OSD_E_UNREACHABLE || st == OSD_E_TIMEOUT || st == OSD_E_BUSY ||
           st == OSD_E_NOT_FOUND || st == OSD_E_PROTOCOL;
}

osd_status isc_establish(struct isc_link *l, const struct iscsi_url *url,
                         const struct iscsi_options *opt, bool discovery, int *portal,
                         struct isc_reason *why)
{
    char sentence[256];
    struct isc_reason inner = {sentence, sizeof(sentence)};
    osd_status first = OSD_E_UNREACHABLE;

    for (int i = 0; i < url->n_portals; i++) {
        int n = (*portal + i) % url->n_portals;
        osd_status st = try_portal(l, url, opt, discovery, url->portals[n], &inner);
        if (st == OSD_OK) {
            *portal = n;
            return st;
        }
        if (i == 0 || first == OSD_E_UNREACHABLE) { /* the most telling refusal is kept */
            first = st;
            isc_say(why, st, "%s", sentence);
        }
        if (!is_local(st))
            return isc_say(why, st, "%s", sentence);
    }
    return first;
}
