/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/test_login.c - login, discovery, redirection and reconnecting over TCP
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "mock.h"

#define TARGET  "iqn.2026-11.test:mock"
#define TEXT(t) (t), sizeof(t)

static const uint8_t cdb[16] = {0};

static struct iscsi_url url_of(const struct mock *m, const char *options)
{
    char text[300], reason[200];
    struct iscsi_url u;

    snprintf(text, sizeof(text), "iscsi://%s127.0.0.1:%d/" TARGET "/0%s",
             options && options[0] != '?' ? options : "", m->port,
             options && options[0] == '?' ? options : "");
    if (iscsi_url_parse(text, &u, reason, sizeof(reason)))
        fail_msg("%s: %s", text, reason);
    return u;
}

static uint32_t itt_of(const struct mock *m)
{
    return isc_word(m->bhs, ISC_ITT);
}

static struct osd_bytes text_of(struct mock *m)
{
    m->data[m->len] = '\0';
    return (struct osd_bytes){m->data, m->len + 1};
}

static bool key_is(struct mock *m, const char *key, const char *value)
{
    const char *have = isc_text_find(text_of(m), key);

    return have && strcmp(have, value) == 0;
}

/* One login try; the session is closed again. */
static osd_status try_login(const struct iscsi_url *u, const struct iscsi_options *opt,
                            char reason[256])
{
    struct iscsi_session *s = NULL;
    osd_status st = iscsi_connect(u, opt, &s, reason, 256);

    if (st == OSD_OK)
        iscsi_disconnect(s);
    else
        assert_null(s);
    return st;
}

/* ---- the exchange ---- */

static void script_plain(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[0] == (ISC_LOGIN_REQUEST | ISC_IMMEDIATE));
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0x81);
    MOCK_CHECK(m, m->bhs[ISC_VERSION_MAX] == 0 && m->bhs[ISC_VERSION_MIN] == 0);
    MOCK_CHECK(m, be16_get(m->bhs + ISC_TSIH) == 0 && m->bhs[ISC_ISID] == 0x80);
    MOCK_CHECK(m, key_is(m, "InitiatorName", "iqn.2026-11.test:me"));
    MOCK_CHECK(m, key_is(m, "TargetName", TARGET));
    MOCK_CHECK(m, key_is(m, "SessionType", "Normal"));
    MOCK_CHECK(m, key_is(m, "AuthMethod", "None"));
    mock_login_answer(m, 0x81, 0, TEXT("TargetPortalGroupTag=1\0AuthMethod=None"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0x87);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_EXP_STAT_SN) == m->stat_sn);
    MOCK_CHECK(m, key_is(m, "HeaderDigest", "None"));
    MOCK_CHECK(m, key_is(m, "DataDigest", "None"));
    MOCK_CHECK(m, key_is(m, "MaxOutstandingR2T", "1"));
    MOCK_CHECK(m, key_is(m, "ErrorRecoveryLevel", "0"));
    /* The target wants two more rounds, brings up a key and cuts its text in two PDUs. */
    mock_login_answer(m, 0x04 | ISC_F_CONTINUE, 0, TEXT("X-org.foo=1\0MaxBurst") - 1);
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->len == 0 && (m->bhs[ISC_FLAGS] & 0xc0) == 0);
    mock_login_answer(m, 0x04, 0, TEXT("Length=4096\0ImmediateData=No"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0x87);
    MOCK_CHECK(m, key_is(m, "X-org.foo", "NotUnderstood"));
    mock_login_answer(m, 0x04, 0, TEXT("InitialR2T=Yes"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->len == 0);
    mock_login_answer(m, 0x87, 0, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_login__stages_and_texts_are_followed(void **state)
{
    struct mock *m = mock_start_tcp(script_plain, NULL);
    struct iscsi_url u = url_of(m, NULL);
    struct iscsi_options o = {.initiator_name = "iqn.2026-11.test:me"};
    struct iscsi_session *s;
    char reason[256] = "";

    (void)state;
    if (iscsi_connect(&u, &o, &s, reason, sizeof(reason)))
        fail_msg("%s", reason);
    assert_int_equal(s->link.agreed.max_burst, 4096);
    assert_int_equal(s->link.agreed.first_burst, 4096);
    assert_int_equal(s->link.agreed.immediate_data, 0);
    assert_int_equal(s->link.agreed.initial_r2t, 1);
    assert_int_equal(s->link.tsih, 1);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static const struct {
    uint16_t code;
    osd_status status;
    const char *reason;
} codes[] = {
    {0x0200, OSD_E_PROTOCOL, "error in the login"},
    {0x0201, OSD_E_DENIED, "CHAP"},
    {0x0202, OSD_E_DENIED, "initiator name"},
    {0x0203, OSD_E_NOT_FOUND, "no such target"},
    {0x0204, OSD_E_NOT_FOUND, "removed"},
    {0x0205, OSD_E_UNSUPPORTED, "version"},
    {0x0206, OSD_E_BUSY, "too many connections"},
    {0x0207, OSD_E_PROTOCOL, "parameter"},
    {0x0209, OSD_E_UNSUPPORTED, "type of session"},
    {0x02ff, OSD_E_PROTOCOL, "02ffh"},
    {0x0300, OSD_E_UNREACHABLE, "internal error"},
    {0x0301, OSD_E_UNREACHABLE, "not available"},
    {0x0302, OSD_E_UNREACHABLE, "resources"},
    {0x0399, OSD_E_UNREACHABLE, "0399h"},
    {0x0777, OSD_E_PROTOCOL, "0777h"},
    {0x0101, OSD_E_BUSY, "moved"}, /* without an address */
};

static void script_code(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_login_answer(m, 0, *(const uint16_t *)m->arg, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_login__status_codes_have_a_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct mock *m = mock_start_tcp(script_code, (void *)&codes[i].code);
        struct iscsi_url u = url_of(m, NULL);
        char reason[256] = "";
        osd_status st = try_login(&u, NULL, reason);
        if (st != codes[i].status || !strstr(reason, codes[i].reason))
            fail_msg("%04x: %s, \"%s\"", codes[i].code, osd_status_name(st), reason);
        assert_true(mock_stop(m));
    }
}

/* ---- targets that misbehave in the login ---- */

static void script_skip_to_full(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_login_answer(m, 0x83, 0, TEXT("AuthMethod=None"));
    mock_until_closed(m);
}

static void script_endless(struct mock *m)
{
    mock_accept(m);
    while (mock_receive(m, 5000))
        mock_login_answer(m, 0x00, 0, NULL, 0);
}

static void script_endless_text(struct mock *m)
{
    static char text[8000] = "a=b";

    mock_accept(m);
    while (mock_receive(m, 5000))
        mock_login_answer(m, ISC_F_CONTINUE, 0, text, sizeof(text));
}

static void script_endless_continue(struct mock *m)
{
    mock_accept(m);
    while (mock_receive(m, 5000))
        mock_login_answer(m, ISC_F_CONTINUE, 0, NULL, 0);
}

static void script_huge_text(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_begin(m, bhs, ISC_LOGIN_RESPONSE, 0x81, itt_of(m), true);
    isc_pdu_set_data_len(bhs, 0xffffff);
    mock_raw(m, bhs, sizeof(bhs));
    mock_until_closed(m);
}

static void script_other_pdu(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_respond(m, itt_of(m), 0, NULL, 0);
    mock_until_closed(m);
}

static void script_not_text(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_login_answer(m, 0x81, 0, TEXT("AuthMethod=None"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_login_answer(m, 0x87, 0, TEXT("gibberish"));
    mock_until_closed(m);
}

static void script_silence(struct mock *m)
{
    mock_accept(m);
    mock_until_closed(m);
}

static void script_other_method(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_login_answer(m, 0x00, 0, TEXT("AuthMethod=KRB5"));
    mock_until_closed(m);
}

static void script_close(struct mock *m)
{
    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
}

static const struct {
    void (*script)(struct mock *m);
    osd_status status;
    const char *reason;
} bad_logins[] = {
    {script_skip_to_full, OSD_E_PROTOCOL, "skips a stage"},
    {script_endless, OSD_E_PROTOCOL, "does not end"},
    {script_endless_text, OSD_E_PROTOCOL, "more text"},
    {script_endless_continue, OSD_E_PROTOCOL, "does not end"},
    {script_huge_text, OSD_E_PROTOCOL, "more text"},
    {script_other_pdu, OSD_E_PROTOCOL, "PDU 21h"},
    {script_not_text, OSD_E_PROTOCOL, "key=value"},
    {script_silence, OSD_E_TIMEOUT, "in time"},
    {script_other_method, OSD_E_DENIED, "KRB5"},
    {script_close, OSD_E_DENIED, "require CHAP"},
};

static void test_initiator_login__misbehaving_targets_are_left(void **state)
{
    struct iscsi_options o = {.login_timeout_ms = 300};

    (void)state;
    for (size_t i = 0; i < sizeof(bad_logins) / sizeof(bad_logins[0]); i++) {
        struct mock *m = mock_start_tcp(bad_logins[i].script, NULL);
        struct iscsi_url u = url_of(m, NULL);
        char reason[256] = "";
        osd_status st = try_login(&u, &o, reason);
        if (st != bad_logins[i].status || !strstr(reason, bad_logins[i].reason))
            fail_msg("%zu: %s, \"%s\"", i, osd_status_name(st), reason);
        assert_true(mock_stop(m));
    }
}

static void test_initiator_login__nobody_there_is_unreachable(void **state)
{
    struct mock *m = mock_start_tcp(mock_hang_up, NULL);
    struct iscsi_url u = url_of(m, NULL);
    char reason[256] = "";

    (void)state;
    assert_true(mock_stop(m)); /* its port is free now */
    assert_int_equal(try_login(&u, NULL, reason), OSD_E_UNREACHABLE);
    assert_non_null(strstr(reason, "refused"));
    assert_int_equal(iscsi_url_parse("iscsi://127.0.0.1/", &u, NULL, 0), OSD_OK);
    assert_int_equal(try_login(&u, NULL, reason), OSD_E_INVALID);
}

/* ---- CHAP as a target sees it ---- */

enum chap_flaw { CHAP_FINE, CHAP_NO_PROOF, CHAP_WRONG_PROOF, CHAP_REFLECT, CHAP_SKIP };

static void append_hex(char *text, size_t size, const uint8_t *data, size_t len)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < len; i++)
        n += (size_t)snprintf(text + n, size - n, "%02x", data[i]);
}

/* The answer to the initiator's CHAP_I, CHAP_C; returns its length. */
static size_t prove(struct mock *m, char *text, size_t size, enum chap_flaw flaw)
{
    uint8_t challenge[64], r[ISC_CHAP_DIGEST_MAX];
    struct osd_bytes c = {challenge, 0};
    const char *id = isc_text_find(text_of(m), "CHAP_I");

    MOCK_CHECK(m, id && isc_binary_decode(isc_text_find(text_of(m), "CHAP_C"), challenge,
                                          sizeof(challenge), &c.len) == OSD_OK);
    isc_chap_digest(5, (uint8_t)strtoul(id, NULL, 10),
                    flaw == CHAP_WRONG_PROOF ? "no" : "secret-of-tgt", c, r);
    int n = snprintf(text, size, "CHAP_N=tgt") + 1;
    snprintf(text + n, size - (size_t)n, "CHAP_R=0x");
    append_hex(text + n, size - (size_t)n, r, 16);
    return (size_t)n + strlen(text + n) + 1;
}

static void script_chap(struct mock *m)
{
    enum chap_flaw flaw = *(enum chap_flaw *)m->arg;
    uint8_t challenge[4] = {1, 2, 3, 4}, want[ISC_CHAP_DIGEST_MAX], have[ISC_CHAP_DIGEST_MAX];
    char text[300] = "";
    size_t len = 0;

    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0);
    MOCK_CHECK(m, key_is(m, "AuthMethod", "CHAP"));
    if (flaw == CHAP_SKIP) {
        mock_login_answer(m, 0, 0, TEXT("AuthMethod=None"));
        mock_until_closed(m);
        return;
    }
    mock_login_answer(m, 0, 0, TEXT("AuthMethod=CHAP"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, strstr(isc_text_find(text_of(m), "CHAP_A"), "5") != NULL);
    mock_login_answer(m, 0, 0, TEXT("CHAP_A=5\0CHAP_I=0x21\0CHAP_C=0x01020304"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0x81 && key_is(m, "CHAP_N", "joe"));
    isc_chap_digest(5, 0x21, "secret-of-joe", (struct osd_bytes){challenge, 4}, want);
    MOCK_CHECK(m, isc_binary_decode(isc_text_find(text_of(m), "CHAP_R"), have, sizeof(have),
                                    &len) == OSD_OK);
    MOCK_CHECK(m, len == 16 && memcmp(have, want, 16) == 0);
    if (flaw == CHAP_REFLECT) {
        snprintf(text, sizeof(text), "CHAP_R=0x");
        append_hex(text, sizeof(text), have, 16);
        len = strlen(text) + 1;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "CHAP_N=tgt") + 1;
    } else if (flaw != CHAP_NO_PROOF) {
        len = prove(m, text, sizeof(text), flaw);
    } else {
        len = 0;
    }
    mock_login_answer(m, 0x81, 0, text, len);
    if (!mock_receive(m, 3000)) {
        MOCK_CHECK(m, flaw != CHAP_FINE);
        return;
    }
    MOCK_CHECK(m, flaw == CHAP_FINE);
    mock_login_answer(m, 0x87, 0, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_login__mutual_chap_needs_both_proofs(void **state)
{
    enum chap_flaw flaws[] = {CHAP_FINE, CHAP_NO_PROOF, CHAP_WRONG_PROOF, CHAP_REFLECT,
                              CHAP_SKIP};
    struct iscsi_options o = {.login_timeout_ms = 5000};

    (void)state;
    for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
        struct mock *m = mock_start_tcp(script_chap, &flaws[i]);
        struct iscsi_url u = url_of(m, "joe%secret-of-joe@");
        char reason[256] = "";
        snprintf(u.mutual_user, sizeof(u.mutual_user), "tgt");
        snprintf(u.mutual_secret, sizeof(u.mutual_secret), "secret-of-tgt");
        osd_status st = try_login(&u, &o, reason);
        if (st != (flaws[i] == CHAP_FINE ? OSD_OK : OSD_E_DENIED))
            fail_msg("%zu: %s, \"%s\"", i, osd_status_name(st), reason);
        assert_true(mock_stop(m));
    }
}

/* ---- elsewhere ---- */

static void script_moved(struct mock *m)
{
    char text[64];

    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    int n = snprintf(text, sizeof(text), "TargetAddress=127.0.0.1:%d,1", *(int *)m->arg);
    mock_login_answer(m, 0, 0x0101, text, (size_t)n + 1);
    mock_until_closed(m);
}

static void script_welcome(struct mock *m)
{
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_login__redirections_are_followed(void **state)
{
    struct mock *there = mock_start_tcp(script_welcome, NULL);
    struct mock *here = mock_start_tcp(script_moved, &there->port);
    struct iscsi_url u = url_of(here, NULL);
    char reason[256] = "";

    (void)state;
    assert_int_equal(try_login(&u, NULL, reason), OSD_OK);
    assert_true(mock_stop(here));
    assert_true(mock_stop(there));
}

static void script_circle(struct mock *m)
{
    char text[64];

    for (int i = 0; i < 8; i++) {
        mock_accept(m);
        mock_expect(m, ISC_LOGIN_REQUEST);
        int n = snprintf(text, sizeof(text), "TargetAddress=127.0.0.1:%d,1", m->port);
        mock_login_answer(m, 0, 0x0101, text, (size_t)n + 1);
    }
    mock_until_closed(m);
}

static void test_initiator_login__a_circle_of_redirections_ends(void **state)
{
    struct mock *m = mock_start_tcp(script_circle, NULL);
    struct iscsi_url u = url_of(m, NULL);
    char reason[256] = "";

    (void)state;
    assert_int_equal(try_login(&u, NULL, reason), OSD_E_UNREACHABLE);
    assert_non_null(strstr(reason, "circle"));
    assert_true(mock_stop(m));
}

static void test_initiator_login__portals_are_tried_in_turn(void **state)
{
    static const uint16_t not_found = 0x0203;
    struct mock *closed = mock_start_tcp(mock_hang_up, NULL);
    struct mock *other = mock_start_tcp(script_code, (void *)&not_found);
    struct mock *good = mock_start_tcp(script_welcome, NULL);
    struct iscsi_url u = url_of(closed, NULL);
    char reason[256] = "";

    (void)state;
    assert_true(mock_stop(closed));
    snprintf(u.portals[1], sizeof(u.portals[1]), "127.0.0.1:%d", other->port);
    snprintf(u.portals[2], sizeof(u.portals[2]), "127.0.0.1:%d", good->port);
    u.n_portals = 3;
    assert_int_equal(try_login(&u, NULL, reason), OSD_OK);
    assert_true(mock_stop(other));
    assert_true(mock_stop(good));
}

/* ---- discovery ---- */

struct found {
    int n;
    char text[4000];
};

static void on_target(void *arg, const char *target, const char *portal)
{
    struct found *f = arg;
    size_t n = strlen(f->text);

    f->n++;
    snprintf(f->text + n, sizeof(f->text) - n, "%s %s\n", target, portal);
}

static void script_discovery(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_accept(m);
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, key_is(m, "SessionType", "Discovery"));
    MOCK_CHECK(m, isc_text_find(text_of(m), "TargetName") == NULL);
    mock_login_answer(m, 0x81, 0, TEXT("AuthMethod=None"));
    mock_expect(m, ISC_LOGIN_REQUEST);
    mock_login_answer(m, 0x87, 0, NULL, 0);
    mock_expect(m, ISC_TEXT_REQUEST);
    MOCK_CHECK(m, key_is(m, "SendTargets", "All") && m->bhs[ISC_FLAGS] == ISC_F_FINAL);
    uint32_t itt = itt_of(m);
    /* a ping in between, then the list in two parts */
    mock_begin(m, bhs, ISC_NOP_IN, ISC_F_FINAL, ISC_NO_TAG, false);
    be32_put(bhs + ISC_TTT, 5);
    mock_send(m, bhs, NULL, 0);
    MOCK_CHECK(m, mock_receive(m, 5000) && isc_opcode(m->bhs) == ISC_NOP_OUT);
    mock_begin(m, bhs, ISC_TEXT_RESPONSE, ISC_F_CONTINUE, itt, true);
    be32_put(bhs + ISC_TTT, 0x99);
    mock_send(m, bhs,
              TEXT("TargetName=iqn.a:1\0TargetAddress=10.0.0.1:3260,1\0"
                   "TargetAddress=[fe80::1]:3261,2\0TargetName=iqn.a") -
                  1);
    mock_expect(m, ISC_TEXT_REQUEST);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_TTT) == 0x99 && m->len == 0 && itt_of(m) == itt);
    mock_begin(m, bhs, ISC_TEXT_RESPONSE, ISC_F_FINAL, itt, true);
    be32_put(bhs + ISC_TTT, ISC_NO_TAG);
    mock_send(m, bhs, TEXT(":2\0TargetName=iqn.a:3\0TargetAddress=10.0.0.3,1"));
    mock_until_closed(m);
}

static void test_initiator_discover__every_portal_is_visited(void **state)
{
    struct mock *m = mock_start_tcp(script_discovery, NULL);
    struct iscsi_url u = url_of(m, NULL);
    struct found f = {0};
    char want[300], reason[256] = "";

    (void)state;
    if (iscsi_discover(&u, NULL, on_target, &f, reason, sizeof(reason)))
        fail_msg("%s", reason);
    snprintf(want, sizeof(want),
             "iqn.a:1 10.0.0.1:3260\niqn.a:1 [fe80::1]:3261\niqn.a:2 127.0.0.1:%d\n"
             "iqn.a:3 10.0.0.3:3260\n",
             m->port);
    assert_string_equal(f.text, want);
    assert_true(mock_stop(m));
}

static void script_endless_targets(struct mock *m)
{
    static char text[8192];
    uint8_t bhs[ISC_BHS_LEN];

    memset(text, 'x', sizeof(text));
    memcpy(text, "TargetName=", 11);
    mock_accept(m);
    mock_login(m, NULL, 0);
    while (mock_receive(m, 5000)) {
        mock_begin(m, bhs, ISC_TEXT_RESPONSE, ISC_F_CONTINUE, itt_of(m), true);
        be32_put(bhs + ISC_TTT, 0x99);
        mock_send(m, bhs, text, sizeof(text));
    }
}

static void test_initiator_discover__an_endless_list_is_cut_off(void **state)
{
    struct mock *m = mock_start_tcp(script_endless_targets, NULL);
    struct iscsi_url u = url_of(m, NULL);
    struct found f = {0};
    char reason[256] = "";

    (void)state;
    assert_int_equal(iscsi_discover(&u, NULL, on_target, &f, reason, sizeof(reason)),
                     OSD_E_PROTOCOL);
    assert_int_equal(f.n, 0);
    assert_true(mock_stop(m));
}

/* ---- reconnecting ---- */

struct call {
    struct iscsi_command cmd;
    int calls;
};

static void on_done(struct iscsi_command *cmd, void *arg)
{
    struct call *c = arg;

    (void)cmd;
    c->calls++;
}

static void submit(struct iscsi_session *s, struct call *c, enum iscsi_retry retry)
{
    *c = (struct call){.cmd = {.cdb = cdb, .cdb_len = 6, .retry = retry, .done = on_done}};
    c->cmd.arg = c;
    assert_int_equal(iscsi_submit(s, &c->cmd), OSD_OK);
}

static void serve_all(struct iscsi_session *s, struct call *c, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 100 && c[i].calls == 0; k++)
            iscsi_service(s, 1000);
    for (int i = 0; i < n; i++)
        assert_int_equal(c[i].calls, 1);
}

static struct iscsi_session *connect_with(const struct mock *m, uint32_t reconnect_ms,
                                          uint32_t command_timeout_ms)
{
    struct iscsi_options o = {.reconnect_ms = reconnect_ms,
                              .command_timeout_ms = command_timeout_ms};
    struct iscsi_url u = url_of(m, NULL);
    struct iscsi_session *s;
    char reason[256] = "";

    if (iscsi_connect(&u, &o, &s, reason, sizeof(reason)))
        fail_msg("%s", reason);
    pthread_mutex_lock(&s->lock);
    s->tick_ms = 10;
    s->backoff_ms = 10;
    s->abort_ms = 100;
    pthread_cond_signal(&s->keeper_cond);
    pthread_mutex_unlock(&s->lock);
    return s;
}

static void script_resend(struct mock *m)
{
    static const uint8_t luns[] = {0, 2, 3};
    uint8_t isid[6];

    mock_accept(m);
    mock_login(m, NULL, 0);
    memcpy(isid, m->bhs + ISC_ISID, 6);
    for (uint8_t i = 0; i < 4; i++)
        mock_expect(m, ISC_COMMAND);
    mock_accept(m); /* hangs up first */
    mock_login(m, NULL, 0);
    MOCK_CHECK(m, memcmp(isid, m->bhs + ISC_ISID, 6) == 0); /* reinstatement */
    MOCK_CHECK(m, be16_get(m->bhs + ISC_TSIH) == 0);
    for (uint32_t i = 0; i < 3; i++) {
        mock_expect(m, ISC_COMMAND);
        MOCK_CHECK(m, isc_word(m->bhs, ISC_CMD_SN) == 1 + i); /* numbers start again */
        MOCK_CHECK(m, m->bhs[ISC_LUN + 1] == luns[i]);        /* the old order */
        mock_respond(m, itt_of(m), 0, NULL, 0);
    }
    mock_until_closed(m);
}

static void test_initiator_reconnect__safe_commands_are_sent_again_in_order(void **state)
{
    struct mock *m = mock_start_tcp(script_resend, NULL);
    struct iscsi_session *s = connect_with(m, 5000, 0);
    struct call c[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        c[i] = (struct call){.cmd = {.lun = (uint64_t)i,
                                     .cdb = cdb,
                                     .cdb_len = 6,
                                     .retry = i == 1 ? ISCSI_RETRY_NEVER : ISCSI_RETRY_SAFE,
                                     .done = on_done,
                                     .arg = &c[i]}};
        assert_int_equal(iscsi_submit(s, &c[i].cmd), OSD_OK);
    }
    serve_all(s, c, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(c[i].cmd.status, i == 1 ? OSD_E_UNREACHABLE : OSD_OK);
        assert_int_equal(c[i].cmd.resent, i != 1);
    }
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void script_idle_loss(struct mock *m)
{
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    mock_respond(m, itt_of(m), 0, NULL, 0);
    mock_until_closed(m);
}

/* Would catch: a program whose first command after a quiet night fails. */
static void test_initiator_reconnect__a_command_after_an_idle_loss_works(void **state)
{
    struct mock *m = mock_start_tcp(script_idle_loss, NULL);
    struct iscsi_session *s = connect_with(m, 5000, 0);
    struct call c;

    (void)state;
    usleep(100000);
    submit(s, &c, ISCSI_RETRY_NEVER); /* never sent before: no reason to fail it */
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_OK);
    assert_false(c.cmd.resent);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void script_gone(struct mock *m)
{
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    close(m->listen_fd);
    m->listen_fd = -1;
}

static void test_initiator_reconnect__gives_up_after_its_time(void **state)
{
    struct mock *m = mock_start_tcp(script_gone, NULL);
    struct iscsi_session *s = connect_with(m, 300, 0);
    uint64_t t0 = osd_monotonic_ms();
    struct call c;

    (void)state;
    submit(s, &c, ISCSI_RETRY_SAFE);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_E_UNREACHABLE);
    assert_true(osd_monotonic_ms() - t0 >= 250);
    /* the session itself lives on and tries again for the next command */
    assert_int_equal(iscsi_service(s, 0), 0);
    submit(s, &c, ISCSI_RETRY_SAFE);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_E_UNREACHABLE);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* Disconnecting must not wait for the reconnect time. */
static void test_initiator_reconnect__disconnect_interrupts_it(void **state)
{
    struct mock *m = mock_start_tcp(script_gone, NULL);
    struct iscsi_session *s = connect_with(m, 60000, 0);
    struct call c;

    (void)state;
    submit(s, &c, ISCSI_RETRY_SAFE);
    for (int i = 0; i < 20; i++)
        iscsi_service(s, 10);
    iscsi_disconnect(s);
    assert_int_equal(c.calls, 1);
    assert_int_equal(c.cmd.status, OSD_E_INTERRUPTED); /* after that time: unreachable */
    assert_true(mock_stop(m));
}

static void script_always_dies(struct mock *m)
{
    for (int i = 0; i < ISC_SENDS_MAX; i++) {
        mock_accept(m);
        mock_login(m, NULL, 0);
        mock_expect(m, ISC_COMMAND);
    }
}

/* Would catch: a command that kills its target every time, for ever. */
static void test_initiator_reconnect__a_command_is_not_sent_for_ever(void **state)
{
    struct mock *m = mock_start_tcp(script_always_dies, NULL);
    struct iscsi_session *s = connect_with(m, 5000, 0);
    struct call c;

    (void)state;
    submit(s, &c, ISCSI_RETRY_SAFE);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_E_UNREACHABLE);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void script_hung_abort(struct mock *m)
{
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND); /* never answered, nor its abort */
    mock_expect(m, ISC_TASK_REQUEST);
    MOCK_CHECK(m, !mock_receive(m, 5000));
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    mock_respond(m, itt_of(m), 0, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_reconnect__an_unanswered_abort_reinstates_the_session(void **state)
{
    struct mock *m = mock_start_tcp(script_hung_abort, NULL);
    struct iscsi_session *s = connect_with(m, 5000, 50);
    struct call c;

    (void)state;
    submit(s, &c, ISCSI_RETRY_SAFE);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_E_TIMEOUT);
    submit(s, &c, ISCSI_RETRY_NEVER);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_OK);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void send_async(struct mock *m, uint8_t event, uint16_t p2, uint16_t p3)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_begin(m, bhs, ISC_ASYNC, ISC_F_FINAL, ISC_NO_TAG, true);
    bhs[ISC_ASYNC_EVENT] = event;
    be16_put(bhs + ISC_ASYNC_PARAM1 + 2, p2);
    be16_put(bhs + ISC_ASYNC_PARAM1 + 4, p3);
    mock_send(m, bhs, NULL, 0);
}

static void script_leave(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];
    uint32_t itt;

    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    itt = itt_of(m);
    send_async(m, 0, 0, 0); /* a SCSI event: nothing to do */
    send_async(m, 1, 0, 3);
    MOCK_CHECK(m, !mock_receive(m, 100)); /* still waits for the command */
    mock_respond(m, itt, 0, NULL, 0);
    mock_expect(m, ISC_LOGOUT_REQUEST);
    mock_begin(m, bhs, ISC_LOGOUT_RESPONSE, ISC_F_FINAL, itt_of(m), true);
    mock_send(m, bhs, NULL, 0);
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    send_async(m, 2, 0, 0); /* drops the connection at once */
    mock_accept(m);
    mock_login(m, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    mock_respond(m, itt_of(m), 0, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_reconnect__a_target_may_ask_for_logout(void **state)
{
    struct mock *m = mock_start_tcp(script_leave, NULL);
    struct iscsi_session *s = connect_with(m, 5000, 0);
    struct call c;

    (void)state;
    submit(s, &c, ISCSI_RETRY_NEVER);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_OK);
    submit(s, &c, ISCSI_RETRY_SAFE);
    serve_all(s, &c, 1);
    assert_int_equal(c.cmd.status, OSD_OK);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* Threads in iscsi_execute all come through a loss. */
#define THREADS 4

static void script_flaky(struct mock *m)
{
    for (int life = 0; life < 5; life++) {
        mock_accept(m);
        mock_login(m, NULL, 0);
        for (int i = 0; i < 30; i++) {
            if (!mock_receive(m, 10000))
                break;
            if (isc_opcode(m->bhs) == ISC_COMMAND) {
                m->max_cmd_sn = m->exp_cmd_sn + 8;
                mock_respond(m, itt_of(m), 0, NULL, 0);
            }
        }
    }
    mock_accept(m);
    mock_login(m, NULL, 0);
    while (mock_receive(m, 10000)) {
        uint8_t bhs[ISC_BHS_LEN];
        m->max_cmd_sn = m->exp_cmd_sn + 8;
        if (isc_opcode(m->bhs) == ISC_COMMAND) {
            mock_respond(m, itt_of(m), 0, NULL, 0);
        } else if (isc_opcode(m->bhs) == ISC_LOGOUT_REQUEST) {
            mock_begin(m, bhs, ISC_LOGOUT_RESPONSE, ISC_F_FINAL, itt_of(m), true);
            mock_send(m, bhs, NULL, 0);
        }
    }
}

static void *flaky_thread(void *arg)
{
    struct iscsi_session *s = arg;
    intptr_t wrong = 0;

    for (int i = 0; i < 60; i++) {
        struct iscsi_command c = {.cdb = cdb, .cdb_len = 6, .retry = ISCSI_RETRY_SAFE};
        wrong += iscsi_execute(s, &c) != OSD_OK;
    }
    return (void *)wrong;
}

static void test_initiator_reconnect__threads_come_through_losses(void **state)
{
    struct mock *m = mock_start_tcp(script_flaky, NULL);
    struct iscsi_session *s = connect_with(m, 5000, 0);
    pthread_t t[THREADS];
    void *wrong;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, flaky_thread, s);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initiator_login__stages_and_texts_are_followed),
        cmocka_unit_test(test_initiator_login__status_codes_have_a_meaning),
        cmocka_unit_test(test_initiator_login__misbehaving_targets_are_left),
        cmocka_unit_test(test_initiator_login__nobody_there_is_unreachable),
        cmocka_unit_test(test_initiator_login__mutual_chap_needs_both_proofs),
        cmocka_unit_test(test_initiator_login__redirections_are_followed),
        cmocka_unit_test(test_initiator_login__a_circle_of_redirections_ends),
        cmocka_unit_test(test_initiator_login__portals_are_tried_in_turn),
        cmocka_unit_test(test_initiator_discover__every_portal_is_visited),
        cmocka_unit_test(test_initiator_discover__an_endless_list_is_cut_off),
        cmocka_unit_test(test_initiator_reconnect__safe_commands_are_sent_again_in_order),
        cmocka_unit_test(test_initiator_reconnect__a_command_after_an_idle_loss_works),
        cmocka_unit_test(test_initiator_reconnect__gives_up_after_its_time),
        cmocka_unit_test(test_initiator_reconnect__disconnect_interrupts_it),
        cmocka_unit_test(test_initiator_reconnect__a_command_is_not_sent_for_ever),
        cmocka_unit_test(test_initiator_reconnect__an_unanswered_abort_reinstates_the_session),
        cmocka_unit_test(test_initiator_reconnect__a_target_may_ask_for_logout),
        cmocka_unit_test(test_initiator_reconnect__threads_come_through_losses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
