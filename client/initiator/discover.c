/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/discover.c - a discovery session: SendTargets=All (RFC 7143 appendix C)
 *
 * The whole answer is gathered first (ISC_DISCOVER_MAX bytes at most), then visited.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "initiator_internal.h"

#define ROUNDS_MAX 4096

static osd_status send_text(struct isc_link *l, uint32_t ttt, struct osd_bytes text,
                            struct isc_reason *why)
{
    uint8_t bhs[ISC_BHS_LEN];

    isc_pdu_start(bhs, ISC_TEXT_REQUEST | ISC_IMMEDIATE, ISC_F_FINAL, l->itt);
    be32_put(bhs + ISC_TTT, ttt);
    be32_put(bhs + ISC_CMD_SN, l->cmd_sn);
    be32_put(bhs + ISC_EXP_STAT_SN, l->exp_stat_sn);
    return isc_link_send(l, bhs, text, why);
}

static osd_status answer_ping(struct isc_link *l, const uint8_t *in, struct isc_reason *why)
{
    uint8_t bhs[ISC_BHS_LEN];

    if (isc_word(in, ISC_TTT) == ISC_NO_TAG)
        return OSD_OK;
    isc_pdu_start(bhs, ISC_NOP_OUT | ISC_IMMEDIATE, ISC_F_FINAL, ISC_NO_TAG);
    memcpy(bhs + ISC_LUN, in + ISC_LUN, 8);
    be32_put(bhs + ISC_TTT, isc_word(in, ISC_TTT));
    be32_put(bhs + ISC_CMD_SN, l->cmd_sn);
    be32_put(bhs + ISC_EXP_STAT_SN, l->exp_stat_sn);
    return isc_link_send(l, bhs, (struct osd_bytes){NULL, 0}, why);
}

/* The next Text Response; its text is appended. */
static osd_status receive_text(struct isc_link *l, uint8_t bhs[ISC_BHS_LEN],
                               struct osd_buf *text, struct isc_reason *why)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        size_t before = text->len;
        osd_status st = isc_link_receive(l, bhs, text, why);
        if (st)
            return st;
        if (isc_opcode(bhs) == ISC_TEXT_RESPONSE && isc_word(bhs, ISC_ITT) == l->itt) {
            l->exp_stat_sn = isc_word(bhs, ISC_STAT_SN) + 1;
            return OSD_OK;
        }
        text->len = before;
        if (isc_opcode(bhs) != ISC_NOP_IN)
            break;
        if ((st = answer_ping(l, bhs, why)))
            return st;
    }
    return isc_say(why, OSD_E_PROTOCOL, "%s answers SendTargets with PDU %02xh", l->portal,
                   isc_opcode(bhs));
}

static osd_status send_targets(struct isc_link *l, struct osd_buf *text, struct isc_reason *why)
{
    static const uint8_t request[] = "SendTargets=All";
    struct osd_bytes ask = {request, sizeof(request)};
    uint8_t bhs[ISC_BHS_LEN];
    uint32_t ttt = ISC_NO_TAG;

    l->itt = 1;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        osd_status st = send_text(l, ttt, ask, why);
        if (st == OSD_OK)
            st = receive_text(l, bhs, text, why);
        if (st || bhs[ISC_FLAGS] & ISC_F_FINAL)
            return st;
        ttt = isc_word(bhs, ISC_TTT);
        if (ttt == ISC_NO_TAG)
            break;
        ask = (struct osd_bytes){NULL, 0};
    }
    return isc_say(why, OSD_E_PROTOCOL, "%s: the list of targets does not end", l->portal);
}

/* End the session politely; the answer is awaited so that the target logs no lost connection.
 */
static void log_out(struct isc_link *l)
{
    _cleanup_buf_ struct osd_buf data = osd_buf_make(ISC_TEXT_MAX);
    uint8_t bhs[ISC_BHS_LEN];

    isc_pdu_start(bhs, ISC_LOGOUT_REQUEST | ISC_IMMEDIATE, ISC_F_FINAL, ++l->itt);
    be32_put(bhs + ISC_CMD_SN, l->cmd_sn);
    be32_put(bhs + ISC_EXP_STAT_SN, l->exp_stat_sn);
    if (isc_link_send(l, bhs, (struct osd_bytes){NULL, 0}, NULL) == OSD_OK)
        isc_link_receive(l, bhs, &data, NULL);
    isc_link_close(l);
}

struct visitor {
    void (*visit)(void *arg, const char *target, const char *portal);
    void *arg;
    const char *asked; /* the portal that was asked */
};

/* TargetName=..., then its TargetAddress=host:port,tag lines; none means the portal asked. */
static osd_status visit_all(struct osd_bytes text, const struct visitor *v,
                            struct isc_reason *why)
{
    const char *target = NULL;
    bool told = true;
    struct isc_pair pair;
    size_t pos = 0;
    osd_status st;

    while ((st = isc_text_next(text, &pos, &pair)) == OSD_OK) {
        if (strcmp(pair.key, "TargetName") == 0) {
            if (!told)
                v->visit(v->arg, target, v->asked);
            target = pair.value;
            told = false;
        } else if (strcmp(pair.key, "TargetAddress") == 0 && target) {
            char portal[ISC_PORTAL_MAX];
            if (isc_portal_parse(pair.value, strcspn(pair.value, ","), portal, NULL) == OSD_OK)
                v->visit(v->arg, target, portal);
            told = true;
        }
    }
    if (st == OSD_E_PROTOCOL)
        return isc_say(why, st, "the list of targets is not key=value");
    if (!told)
        v->visit(v->arg, target, v->asked);
    return OSD_OK;
}

osd_status iscsi_discover(const struct iscsi_url *url, const struct iscsi_options *opt,
                          void (*visit)(void *arg, const char *target, const char *portal),
                          void *arg, char *reason, size_t reason_len)
{
    struct isc_reason why = {reason, reason_len};
    _cleanup_buf_ struct osd_buf text = osd_buf_make(ISC_DISCOVER_MAX);
    struct isc_link l = isc_link_make(-1);
    struct iscsi_options o;
    int portal = 0;

    isc_options_fill(opt, &o);
    osd_status st = isc_establish(&l, url, &o, true, &portal, &why);
    if (st)
        return st;
    st = send_targets(&l, &text, &why);
    if (st == OSD_OK)
        log_out(&l);
    isc_link_close(&l);
    if (st == OSD_OK && osd_buf_put(&text, "", 1))
        st = isc_say(&why, OSD_E_NOMEM, "no memory");
    if (st)
        return st;
    struct visitor v = {visit, arg, l.portal};
    return visit_all((struct osd_bytes){text.data, text.len}, &v, &why);
}
