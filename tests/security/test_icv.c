/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_icv.c - integrity check values and keys against the published vectors
 * (tests/data/vectors.txt)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cmocka.h>

#include "security/icv.h"
#include "vectors.h"

static void expect(const char *key, const uint8_t value[OSD_KEY_LEN])
{
    uint8_t want[512];

    vector_need(key, want);
    assert_memory_equal(want, value, OSD_KEY_LEN);
}

/* The seeds of the vectors count up: 01h, 31h, 61h and on. */
static struct osd_bytes seed_from(uint8_t first, uint8_t dst[OSD_KEY_LEN])
{
    for (int i = 0; i < OSD_KEY_LEN; i++)
        dst[i] = (uint8_t)(first + i);
    return (struct osd_bytes){dst, OSD_KEY_LEN};
}

static void test_security_icv__keys_derive_from_their_parents(void **state)
{
    uint8_t master[512], gen[OSD_KEY_LEN], auth[OSD_KEY_LEN], part[OSD_KEY_LEN];
    uint8_t seed[OSD_KEY_LEN];

    (void)state;
    vector_need("kd.master_generation_key", master);
    assert_int_equal(osd_key_derive(master, seed_from(0x01, seed), OSD_KEY_GENERATION, gen),
                     OSD_OK);
    expect("kd.root_generation_key", gen);
    assert_int_equal(
        osd_key_derive(master, seed_from(0x01, seed), OSD_KEY_AUTHENTICATION, auth), OSD_OK);
    expect("kd.root_authentication_key", auth);
    assert_int_equal(osd_key_derive(gen, seed_from(0x31, seed), OSD_KEY_GENERATION, part),
                     OSD_OK);
    expect("kd.partition_generation_key", part);
    assert_int_equal(osd_key_derive(gen, seed_from(0x31, seed), OSD_KEY_AUTHENTICATION, auth),
                     OSD_OK);
    expect("kd.partition_authentication_key", auth);
    assert_int_equal(osd_key_derive(part, seed_from(0x61, seed), OSD_KEY_AUTHENTICATION, auth),
                     OSD_OK);
    expect("kd.working_key_3", auth);
    assert_int_equal(
        osd_key_derive(part, (struct osd_bytes){NULL, 0}, OSD_KEY_GENERATION, auth),
        OSD_E_INVALID);
}

static const uint8_t system_id[OSD_SYSTEM_ID_LEN] = {0x01, 0x03, 0x00, 0x08, 0x50, 0x01,
                                                     0x23, 0x45, 0x67, 0x89, 0xab, 0xcd};

static void capability_key(const char *name, size_t len, uint8_t cdb[512],
                           uint8_t ret[OSD_KEY_LEN])
{
    uint8_t working[512];
    char key[40];

    snprintf(key, sizeof(key), "%s.cdb", name);
    vector_need(key, cdb);
    vector_need("kd.working_key_3", working);
    assert_int_equal(
        osd_capability_key(working, (struct osd_bytes){cdb + 80, len}, system_id, ret), OSD_OK);
    snprintf(key, sizeof(key), "%s.capability_key", name);
    expect(key, ret);
}

static void test_security_icv__of_the_security_token(void **state)
{
    uint8_t cdb[512], key[OSD_KEY_LEN], icv[OSD_KEY_LEN], token[16];

    (void)state;
    for (int i = 0; i < 16; i++)
        token[i] = (uint8_t)(0x10 + i);
    capability_key("V23", OSD1_CAPABILITY_LEN, cdb, key);
    const struct osd_bytes pieces[] = {{token, 16}};
    assert_int_equal(osd_mac(key, pieces, 1, icv), OSD_OK);
    expect("V23.request_icv", icv);
    assert_true(osd_icv_equal(icv, cdb + 160, OSD_ICV1_LEN));
}

static void test_security_icv__of_requests_in_both_generations(void **state)
{
    uint8_t cdb[512], key[OSD_KEY_LEN], icv[OSD_KEY_LEN];

    (void)state;
    capability_key("V24", OSD1_CAPABILITY_LEN, cdb, key);
    assert_int_equal(osd_request_icv(key, OSD_GEN1, cdb, icv), OSD_OK);
    expect("V24.request_icv", icv);
    assert_true(osd_icv_equal(icv, cdb + 160, OSD_ICV1_LEN));
    cdb[100] ^= 1;
    assert_int_equal(osd_request_icv(key, OSD_GEN1, cdb, icv), OSD_OK);
    assert_false(osd_icv_equal(icv, cdb + 160, OSD_ICV1_LEN));
    capability_key("V25", OSD2_CAPABILITY_LEN, cdb, key);
    assert_int_equal(osd_request_icv(key, OSD_GEN2, cdb, icv), OSD_OK);
    expect("V25.request_icv", icv);
    assert_true(osd_icv_equal(icv, cdb + 184, OSD_ICV2_LEN));
    cdb[184 + 31] = 1; /* the rest of the field must be zeros */
    assert_false(osd_icv_equal(icv, cdb + 184, OSD_ICV2_LEN));
}

static void test_security_icv__of_responses(void **state)
{
    uint8_t cdb[512], key[OSD_KEY_LEN], icv[OSD_KEY_LEN], sense[512], field[OSD_ICV1_LEN];
    size_t len = vector_need("V24.sense", sense);

    (void)state;
    capability_key("V24", OSD1_CAPABILITY_LEN, cdb, key);
    assert_int_equal(osd_response_icv(key, cdb + 180, 0, (struct osd_bytes){NULL, 0}, icv),
                     OSD_OK);
    expect("V24.response_icv_good", icv);
    memcpy(field, sense + len - OSD_ICV1_LEN, OSD_ICV1_LEN);
    memset(sense + len - OSD_ICV1_LEN, 0, OSD_ICV1_LEN);
    assert_int_equal(osd_response_icv(key, cdb + 180, 2, (struct osd_bytes){sense, len}, icv),
                     OSD_OK);
    assert_true(osd_icv_equal(icv, field, OSD_ICV1_LEN));
}

static void test_security_icv__over_scattered_data(void **state)
{
    uint8_t cdb[512], key[OSD_KEY_LEN], icv[OSD_KEY_LEN], data[64];
    struct iovec v[2] = {{data, 13}, {data + 13, 51}};
    struct osd_iov iov = osd_iov_make(v, 2);
    struct osd_mac m;

    (void)state;
    for (int i = 0; i < 64; i++)
        data[i] = (uint8_t)i;
    capability_key("V25", OSD2_CAPABILITY_LEN, cdb, key);
    assert_int_equal(osd_mac_begin(key, &m), OSD_OK);
    assert_int_equal(osd_mac_add_iov(&m, &iov, 0, 64), OSD_OK);
    assert_int_equal(osd_mac_end(&m, icv), OSD_OK);
    expect("alldata.icv", icv);
}

static void test_security_icv__of_a_continuation_leaves_its_field_out(void **state)
{
    uint8_t key[OSD_KEY_LEN] = {1}, segment[80] = {1, 2, 3}, one[OSD_KEY_LEN];
    uint8_t other[OSD_KEY_LEN];

    (void)state;
    assert_int_equal(osd_continuation_icv(key, (struct osd_bytes){segment, 80}, one), OSD_OK);
    memset(segment + 8, 0xff, 32);
    assert_int_equal(osd_continuation_icv(key, (struct osd_bytes){segment, 80}, other), OSD_OK);
    assert_memory_equal(one, other, OSD_KEY_LEN);
    segment[79] = 9;
    assert_int_equal(osd_continuation_icv(key, (struct osd_bytes){segment, 80}, other), OSD_OK);
    assert_memory_not_equal(one, other, OSD_KEY_LEN);
    assert_int_equal(osd_continuation_icv(key, (struct osd_bytes){segment, 39}, other),
                     OSD_E_INVALID);
}

static void test_security_icv__fields_are_filled_from_the_left(void **state)
{
    uint8_t value[OSD_KEY_LEN], field[OSD_ICV2_LEN];

    (void)state;
    memset(value, 7, sizeof(value));
    memset(field, 9, sizeof(field));
    osd_icv_put(value, field, sizeof(field));
    assert_memory_equal(value, field, OSD_KEY_LEN);
    for (size_t i = OSD_KEY_LEN; i < sizeof(field); i++)
        assert_int_equal(field[i], 0);
}

/* HMAC-SHA256, cut to 20 bytes; computed with "openssl dgst -sha256 -mac HMAC". */
static void test_security_icv__by_hmac_sha256(void **state)
{
    static const uint8_t want[OSD_KEY_LEN] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38,
                                              0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b,
                                              0xf1, 0x2b, 0x88, 0x1d, 0xc2, 0x00};
    uint8_t key[OSD_KEY_LEN], icv[OSD_KEY_LEN], sha1[OSD_KEY_LEN];
    const struct osd_bytes text = {(const uint8_t *)"Hi There", 8};
    enum osd_hmac hmac;

    (void)state;
    memset(key, 0x0b, sizeof(key));
    for (int i = 0; i < 2; i++) { /* one thread uses both in turn */
        assert_int_equal(osd_mac_by(OSD_HMAC_SHA256, key, &text, 1, icv), OSD_OK);
        assert_memory_equal(icv, want, OSD_KEY_LEN);
        assert_int_equal(osd_mac(key, &text, 1, sha1), OSD_OK);
        assert_int_equal(sha1[0], 0xb6); /* RFC 2202, case 1 */
    }
    assert_true(osd_hmac_of_index(0, &hmac) && hmac == OSD_HMAC_SHA1);
    assert_true(osd_hmac_of_index(2, &hmac) && hmac == OSD_HMAC_SHA256);
    assert_false(osd_hmac_of_index(3, &hmac));
}

/* FIPS 180-2, appendix B; and what a code that is being computed meanwhile comes to. */
static void test_security_icv__digest_is_sha256(void **state)
{
    static const uint8_t abc[OSD_DIGEST_LEN] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    const uint8_t key[OSD_KEY_LEN] = {1};
    const struct osd_bytes piece = {(const uint8_t *)"abc", 3};
    uint8_t d[OSD_DIGEST_LEN], one[OSD_KEY_LEN], other[OSD_KEY_LEN];
    struct osd_mac m;

    (void)state;
    assert_int_equal(osd_mac_by(OSD_HMAC_SHA256, key, &piece, 1, one), OSD_OK);
    assert_int_equal(osd_mac_begin_by(OSD_HMAC_SHA256, key, &m), OSD_OK);
    assert_int_equal(osd_digest("abc", 3, d), OSD_OK);
    assert_memory_equal(d, abc, sizeof(abc));
    assert_int_equal(osd_mac_add(&m, "abc", 3), OSD_OK);
    assert_int_equal(osd_mac_end(&m, other), OSD_OK);
    assert_memory_equal(one, other, sizeof(one));
}

/* Every length around the blocks of a digest, in one piece and in two, against libcrypto's own HMAC;
 * one ready key for all. Would catch: a digest that goes on from a key with a wrong count of bytes. */
static void test_security_icv__of_keys_made_ready(void **state)
{
    static const enum osd_hmac hmacs[] = {OSD_HMAC_SHA1, OSD_HMAC_SHA256};
    uint8_t key[OSD_KEY_LEN], data[300], want[EVP_MAX_MD_SIZE], one[OSD_KEY_LEN];
    struct osd_mac_key ready;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    for (int i = 0; i < OSD_KEY_LEN; i++)
        key[i] = (uint8_t)(0xf0 + i);
    for (int h = 0; h < 2; h++) {
        const EVP_MD *md = h ? EVP_sha256() : EVP_sha1();
        assert_int_equal(osd_mac_key_make(hmacs[h], key, &ready), OSD_OK);
        for (size_t len = 0; len <= sizeof(data); len++) {
            const struct osd_bytes two[] = {{data, len / 3}, {data + len / 3, len - len / 3}};
            assert_non_null(HMAC(md, key, sizeof(key), data, len, want, NULL));
            assert_int_equal(osd_mac_with(&ready, two, 2, one), OSD_OK);
            assert_memory_equal(one, want, OSD_KEY_LEN);
            assert_int_equal(osd_mac_by(hmacs[h], key, &(struct osd_bytes){data, len}, 1, one),
                             OSD_OK);
            assert_memory_equal(one, want, OSD_KEY_LEN);
        }
    }
}

static bool is_wiped(const void *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((const uint8_t *)p)[i])
            return false;
    return true;
}

static void test_security_icv__keys_and_codes_are_wiped(void **state)
{
    const uint8_t key[OSD_KEY_LEN] = {1, 2, 3};
    struct osd_mac_key ready;
    uint8_t icv[OSD_KEY_LEN];
    struct osd_mac m;

    (void)state;
    for (int dropped = 0; dropped < 2; dropped++) {
        assert_int_equal(osd_mac_key_make(OSD_HMAC_SHA256, key, &ready), OSD_OK);
        osd_mac_begin_with(&ready, &m);
        assert_int_equal(osd_mac_add(&m, "abc", 3), OSD_OK);
        if (dropped)
            osd_mac_drop(&m);
        else
            assert_int_equal(osd_mac_end(&m, icv), OSD_OK);
        assert_true(is_wiped(&m, sizeof(m)));
        osd_mac_key_wipe(&ready);
        assert_true(is_wiped(&ready, sizeof(ready)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_security_icv__keys_derive_from_their_parents),
        cmocka_unit_test(test_security_icv__of_the_security_token),
        cmocka_unit_test(test_security_icv__of_requests_in_both_generations),
        cmocka_unit_test(test_security_icv__of_responses),
        cmocka_unit_test(test_security_icv__over_scattered_data),
        cmocka_unit_test(test_security_icv__of_a_continuation_leaves_its_field_out),
        cmocka_unit_test(test_security_icv__fields_are_filled_from_the_left),
        cmocka_unit_test(test_security_icv__by_hmac_sha256),
        cmocka_unit_test(test_security_icv__digest_is_sha256),
        cmocka_unit_test(test_security_icv__of_keys_made_ready),
        cmocka_unit_test(test_security_icv__keys_and_codes_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
