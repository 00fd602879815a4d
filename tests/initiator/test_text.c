/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/test_text.c - key=value text, operational negotiation, CHAP computations
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "initiator/initiator_internal.h"

#define TEXT(literal) ((struct osd_bytes){(const uint8_t *)(literal), sizeof(literal)})

static void test_initiator_text__pairs_are_read_in_order(void **state)
{
    struct osd_bytes text = TEXT("A=1\0\0Bee=\0C=x=y");
    struct isc_pair p;
    size_t pos = 0;

    (void)state;
    assert_int_equal(isc_text_next(text, &pos, &p), OSD_OK);
    assert_string_equal(p.key, "A");
    assert_string_equal(p.value, "1");
    assert_int_equal(isc_text_next(text, &pos, &p), OSD_OK);
    assert_string_equal(p.key, "Bee");
    assert_string_equal(p.value, "");
    assert_int_equal(isc_text_next(text, &pos, &p), OSD_OK);
    assert_string_equal(p.value, "x=y");
    assert_int_equal(isc_text_next(text, &pos, &p), OSD_E_NOT_FOUND);
    assert_string_equal(isc_text_find(text, "C"), "x=y");
    assert_null(isc_text_find(text, "D"));
}

static void test_initiator_text__malformed_pairs_are_refused(void **state)
{
    static const char long_key[] =
        "a-key-of-more-than-63-characters-a-key-of-more-than-63-characters-=1";
    static const char *const bad[] = {"novalue", "=x", long_key};
    struct isc_pair p;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t pos = 0;
        struct osd_bytes text = {(const uint8_t *)bad[i], strlen(bad[i]) + 1};
        assert_int_equal(isc_text_next(text, &pos, &p), OSD_E_PROTOCOL);
    }
    /* Would catch: a value read past the end of a text without its last NUL. */
    size_t pos = 0;
    assert_int_equal(isc_text_next((struct osd_bytes){(const uint8_t *)"A=1x", 3}, &pos, &p),
                     OSD_E_PROTOCOL);
}

static struct isc_params offer(bool digest)
{
    struct iscsi_options o = {
        .max_burst = 131072, .first_burst = 65536, .max_recv_segment = 8192};

    return isc_params_offer(&o, digest);
}

static osd_status take(struct osd_bytes text, const struct isc_params *o, struct isc_params *a,
                       struct osd_buf *reply)
{
    *a = isc_params_start(o);
    return isc_params_take(text, o, a, reply, NULL);
}

static void test_initiator_negotiate__unanswered_keys_have_the_rfc_defaults(void **state)
{
    struct isc_params o = offer(false), a = isc_params_start(&o);

    (void)state;
    assert_int_equal(a.initial_r2t, 1);
    assert_int_equal(a.immediate_data, 1);
    assert_int_equal(a.max_burst, 131072);
    assert_int_equal(a.first_burst, 65536);
    assert_int_equal(a.max_recv, 8192);
    assert_int_equal(a.max_outstanding_r2t, 1);
    assert_int_equal(a.error_recovery, 0);
    assert_int_equal(a.data_digest, 0);
}

static void test_initiator_negotiate__answers_combine_by_their_rule(void **state)
{
    struct isc_params o = offer(true), a;
    struct osd_buf reply = osd_buf_make(1000);

    (void)state;
    assert_int_equal(take(TEXT("InitialR2T=No\0ImmediateData=No\0MaxBurstLength=65536\0"
                               "FirstBurstLength=131072\0MaxRecvDataSegmentLength=0x40000\0"
                               "DataDigest=CRC32C\0HeaderDigest=None\0DefaultTime2Wait=9\0"
                               "MaxOutstandingR2T=Irrelevant"),
                          &o, &a, &reply),
                     OSD_OK);
    assert_int_equal(a.initial_r2t, 0);
    assert_int_equal(a.immediate_data, 0);
    assert_int_equal(a.max_burst, 65536);
    assert_int_equal(a.first_burst, 65536); /* never above MaxBurstLength, nor our offer */
    assert_int_equal(a.max_recv, 0x40000);
    assert_int_equal(a.data_digest, 1);
    assert_int_equal(a.time2wait, 9);
    assert_int_equal(reply.len, 0);
    osd_buf_free(&reply);
}

/* Would catch: a target that talks us into more than we offered. */
static void test_initiator_negotiate__no_answer_exceeds_the_offer(void **state)
{
    struct isc_params o = offer(false), a;
    struct osd_buf reply = osd_buf_make(1000);

    (void)state;
    assert_int_equal(take(TEXT("MaxBurstLength=16777215\0MaxOutstandingR2T=16\0"
                               "ErrorRecoveryLevel=2\0MaxConnections=8"),
                          &o, &a, &reply),
                     OSD_OK);
    assert_int_equal(a.max_burst, 131072);
    assert_int_equal(a.max_outstanding_r2t, 1);
    assert_int_equal(a.error_recovery, 0);
    assert_int_equal(a.max_connections, 1);
    osd_buf_free(&reply);
}

static void test_initiator_negotiate__bad_answers_are_refused(void **state)
{
    static const char *const bad[] = {
        "MaxBurstLength=511",   "MaxBurstLength=16777216", "MaxBurstLength=x",
        "MaxBurstLength=",      "MaxBurstLength=-1",       "InitialR2T=yes",
        "ImmediateData=1",      "HeaderDigest=MD5",        "MaxRecvDataSegmentLength=0",
        "ErrorRecoveryLevel=3", "MaxBurstLength=4096k",    "MaxBurstLength= 4096",
        "MaxOutstandingR2T=0",  "DefaultTime2Wait=3601",
    };
    struct isc_params o = offer(false), a;
    struct osd_buf reply = osd_buf_make(1000);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct osd_bytes text = {(const uint8_t *)bad[i], strlen(bad[i]) + 1};
        if (take(text, &o, &a, &reply) != OSD_E_PROTOCOL)
            fail_msg("%s was accepted", bad[i]);
    }
    /* Digests: neither forced on us nor silently dropped. */
    assert_int_equal(take(TEXT("HeaderDigest=CRC32C"), &o, &a, &reply), OSD_E_UNSUPPORTED);
    assert_int_equal(take(TEXT("DataDigest=CRC32C"), &o, &a, &reply), OSD_E_UNSUPPORTED);
    o.data_digest = 1;
    assert_int_equal(take(TEXT("DataDigest=None"), &o, &a, &reply), OSD_E_UNSUPPORTED);
    assert_int_equal(take(TEXT("DataDigest=Reject"), &o, &a, &reply), OSD_E_UNSUPPORTED);
    osd_buf_free(&reply);
}

static void test_initiator_negotiate__foreign_keys_get_a_reply(void **state)
{
    struct isc_params o = offer(false), a;
    struct osd_buf reply = osd_buf_make(1000);

    (void)state;
    assert_int_equal(take(TEXT("TargetAlias=x\0X-com.foo=1\0IFMarker=Yes\0"
                               "TargetPortalGroupTag=1\0Odd=NotUnderstood"),
                          &o, &a, &reply),
                     OSD_OK);
    static const char want[] = "X-com.foo=NotUnderstood\0IFMarker=No";
    assert_int_equal(reply.len, sizeof(want));
    assert_memory_equal(reply.data, want, sizeof(want));
    osd_buf_free(&reply);
    reply = osd_buf_make(10);
    assert_int_equal(take(TEXT("X-com.foo=1"), &o, &a, &reply), OSD_E_PROTOCOL);
    osd_buf_free(&reply);
}

/* The offer must be one that the same code would accept as an answer. */
static void test_initiator_negotiate__offer_is_well_formed(void **state)
{
    struct isc_params o = offer(true), a;
    struct osd_buf text = osd_buf_make(4096), reply = osd_buf_make(1000);

    (void)state;
    assert_int_equal(isc_params_put(&o, &text), OSD_OK);
    struct osd_bytes bytes = {text.data, text.len};
    assert_string_equal(isc_text_find(bytes, "HeaderDigest"), "None");
    assert_string_equal(isc_text_find(bytes, "DataDigest"), "CRC32C");
    assert_string_equal(isc_text_find(bytes, "InitialR2T"), "No");
    assert_string_equal(isc_text_find(bytes, "ErrorRecoveryLevel"), "0");
    assert_string_equal(isc_text_find(bytes, "MaxRecvDataSegmentLength"), "8192");
    assert_int_equal(take(bytes, &o, &a, &reply), OSD_OK);
    assert_int_equal(reply.len, 0);
    osd_buf_free(&text);
    osd_buf_free(&reply);
}

static void test_initiator_chap__binary_constants_decode(void **state)
{
    uint8_t b[8];
    size_t n = 0;

    (void)state;
    assert_int_equal(isc_binary_decode("0x0aFF", b, 8, &n), OSD_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(b, "\x0a\xff", 2);
    assert_int_equal(isc_binary_decode("0xabc", b, 8, &n), OSD_OK); /* leading zero left out */
    assert_memory_equal(b, "\x0a\xbc", 2);
    assert_int_equal(isc_binary_decode("0bTWFu", b, 8, &n), OSD_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(b, "Man", 3);
    assert_int_equal(isc_binary_decode("0BTWE=", b, 8, &n), OSD_OK);
    assert_int_equal(n, 2);
    static const char *const bad[] = {"",    "0",       "12", "0x",  "0xg0",
                                      "0b*", "0bTW=Fu", "0b", "0x=", "0x112233445566778899"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        n = 99;
        assert_int_equal(isc_binary_decode(bad[i], b, 8, &n), OSD_E_INVALID);
        assert_int_equal(n, 99);
    }
}

/* RFC 1994: the response is H(id, secret, challenge); values computed with another program
 * (python hashlib). */
static void test_initiator_chap__digests_are_those_of_rfc_1994(void **state)
{
    static const struct {
        int algorithm;
        const char *hex;
    } table[] = {
        {5, "0x92d5920ec197b63c7670195c62f992fb"},
        {6, "0x51bb97a4aeb90ee0c187dfad23317f8e7e064c33"},
        {7, "0x8d9fc4610051992f1ced15ea013f3c3dc247725fd09f12e415103329800e6357"},
        {8, "0x596b55a6734cd8d80f4faecc72610edc74f0a2ae986d1a5bf404524f093deaa2"},
    };
    uint8_t have[ISC_CHAP_DIGEST_MAX], want[ISC_CHAP_DIGEST_MAX];
    uint8_t challenge[16];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 16; i++)
        challenge[i] = (uint8_t)(0x80 + i);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        size_t len = isc_chap_digest_len(table[i].algorithm);
        assert_int_equal(isc_binary_decode(table[i].hex, want, sizeof(want), &n), OSD_OK);
        assert_int_equal(len, n);
        assert_int_equal(isc_chap_digest(table[i].algorithm, 0x23, "secret-of-joe1",
                                         (struct osd_bytes){challenge, 16}, have),
                         OSD_OK);
        assert_memory_equal(have, want, len);
    }
    assert_int_equal(isc_chap_digest_len(4), 0);
}

static struct isc_chap joe(void)
{
    return (struct isc_chap){
        .user = "joe", .secret = "sj", .mutual_user = "tgt", .mutual_secret = "st"};
}

static void put_hex(char *dst, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        snprintf(dst + 2 * i, 3, "%02x", data[i]);
}

/* A target's proof for what c asked, with this secret. */
static struct osd_bytes proof(const struct isc_chap *c, const char *name, const char *secret,
                              char text[200])
{
    uint8_t r[ISC_CHAP_DIGEST_MAX];
    struct osd_bytes challenge = {c->challenge, c->challenge_len};

    isc_chap_digest(c->algorithm, c->id, secret, challenge, r);
    int n = snprintf(text, 200, "CHAP_N=%s", name) + 1;
    n += snprintf(text + n, 200 - (size_t)n, "CHAP_R=0x");
    put_hex(text + n, r, isc_chap_digest_len(c->algorithm));
    return (struct osd_bytes){(uint8_t *)text,
                              (size_t)n + 2 * isc_chap_digest_len(c->algorithm) + 1};
}

static void test_initiator_chap__target_must_prove_itself(void **state)
{
    struct osd_buf out = osd_buf_make(4096);
    struct isc_chap c = joe();
    char text[200];

    (void)state;
    assert_int_equal(
        isc_chap_answer(&c, TEXT("CHAP_A=5\0CHAP_I=7\0CHAP_C=0x0102030405060708"), &out, NULL),
        OSD_OK);
    assert_int_equal(isc_chap_verify(&c, proof(&c, "tgt", "st", text), NULL), OSD_OK);
    assert_int_equal(isc_chap_verify(&c, proof(&c, "tgt", "sx", text), NULL), OSD_E_DENIED);
    assert_int_equal(isc_chap_verify(&c, proof(&c, "eve", "st", text), NULL), OSD_E_DENIED);
    assert_int_equal(isc_chap_verify(&c, TEXT("CHAP_N=tgt"), NULL), OSD_E_DENIED);
    assert_int_equal(isc_chap_verify(&c, TEXT("CHAP_N=tgt\0CHAP_R=0x00"), NULL), OSD_E_DENIED);
    osd_buf_free(&out);
}

/* Would catch: a target that sends back the challenge it got on another connection and has us
 * compute the answer to our own question. */
static void test_initiator_chap__own_challenge_is_not_answered(void **state)
{
    struct osd_buf out = osd_buf_make(4096), out2 = osd_buf_make(4096);
    struct isc_chap first = joe(), second = joe();
    char text[200] = "CHAP_A=5";
    size_t n = 9;

    (void)state;
    assert_int_equal(
        isc_chap_answer(&first, TEXT("CHAP_A=5\0CHAP_I=7\0CHAP_C=0x01020304"), &out, NULL),
        OSD_OK);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "CHAP_I=%u", first.id) + 1;
    n += (size_t)snprintf(text + n, sizeof(text) - n, "CHAP_C=0x");
    put_hex(text + n, first.challenge, first.challenge_len);
    struct osd_bytes reflected = {(uint8_t *)text, n + 2 * first.challenge_len + 1};
    assert_int_equal(isc_chap_answer(&second, reflected, &out2, NULL), OSD_E_DENIED);
    assert_int_equal(out2.len, 0);
    osd_buf_free(&out);
    osd_buf_free(&out2);
}

static void test_initiator_chap__malformed_challenges_are_refused(void **state)
{
    struct osd_buf out = osd_buf_make(4096);
    struct isc_chap c = joe();

    (void)state;
    assert_int_equal(isc_chap_answer(&c, TEXT("CHAP_A=4\0CHAP_I=7\0CHAP_C=0x01"), &out, NULL),
                     OSD_E_UNSUPPORTED);
    assert_int_equal(isc_chap_answer(&c, TEXT("CHAP_A=5\0CHAP_I=256\0CHAP_C=0x01"), &out, NULL),
                     OSD_E_PROTOCOL);
    assert_int_equal(isc_chap_answer(&c, TEXT("CHAP_A=5\0CHAP_I=1\0CHAP_C=zz"), &out, NULL),
                     OSD_E_PROTOCOL);
    assert_int_equal(isc_chap_answer(&c, TEXT("CHAP_A=5\0CHAP_I=1"), &out, NULL),
                     OSD_E_PROTOCOL);
    osd_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initiator_text__pairs_are_read_in_order),
        cmocka_unit_test(test_initiator_text__malformed_pairs_are_refused),
        cmocka_unit_test(test_initiator_negotiate__unanswered_keys_have_the_rfc_defaults),
        cmocka_unit_test(test_initiator_negotiate__answers_combine_by_their_rule),
        cmocka_unit_test(test_initiator_negotiate__no_answer_exceeds_the_offer),
        cmocka_unit_test(test_initiator_negotiate__bad_answers_are_refused),
        cmocka_unit_test(test_initiator_negotiate__foreign_keys_get_a_reply),
        cmocka_unit_test(test_initiator_negotiate__offer_is_well_formed),
        cmocka_unit_test(test_initiator_chap__binary_constants_decode),
        cmocka_unit_test(test_initiator_chap__digests_are_those_of_rfc_1994),
        cmocka_unit_test(test_initiator_chap__target_must_prove_itself),
        cmocka_unit_test(test_initiator_chap__own_challenge_is_not_answered),
        cmocka_unit_test(test_initiator_chap__malformed_challenges_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
