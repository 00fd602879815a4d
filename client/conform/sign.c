/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/sign.c - see sign.h
 */
#include "sign.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "common/buf.h"

#define CAPABILITY_AT 80
#define ALL_MAX       (16u << 20)
#define OUT_COUNTS    24
#define IN_COUNTS     16

static size_t cdb_len(int gen)
{
    return gen == 1 ? 200 : 236;
}

static size_t capability_len(int gen)
{
    return gen == 1 ? 80 : 104;
}

static size_t icv_at(int gen)
{
    return gen == 1 ? 160 : 184;
}

static size_t nonce_at(int gen)
{
    return gen == 1 ? 180 : 216;
}

static size_t field_len(int gen)
{
    return gen == 1 ? ICV_LEN : 32;
}

static void put_field(int gen, const uint8_t value[ICV_LEN], uint8_t *dst)
{
    memset(dst, 0, field_len(gen));
    memcpy(dst, value, ICV_LEN);
}

static bool field_is(int gen, const uint8_t value[ICV_LEN], const uint8_t *field)
{
    uint8_t want[32];

    put_field(gen, value, want);
    return memcmp(want, field, field_len(gen)) == 0;
}

bool sign_hmac(bool sha256, struct osd_bytes key, const struct osd_bytes *pieces, size_t n,
               uint8_t ret[ICV_LEN])
{
    _cleanup_buf_ struct osd_buf all = osd_buf_make(ALL_MAX);
    uint8_t digest[EVP_MAX_MD_SIZE];

    for (size_t i = 0; i < n; i++)
        if (osd_buf_put(&all, pieces[i].data, pieces[i].len))
            return false;
    if (!HMAC(sha256 ? EVP_sha256() : EVP_sha1(), key.data, (int)key.len,
              all.len ? all.data : digest, all.len, digest, NULL))
        return false;
    memcpy(ret, digest, ICV_LEN);
    return true;
}

bool sign_capability_key(bool sha256, struct osd_bytes secret, int gen, const uint8_t *cdb,
                         const struct sign_facts *facts, uint8_t ret[ICV_LEN])
{
    const struct osd_bytes pieces[] = {{cdb + CAPABILITY_AT, capability_len(gen)},
                                       {facts->system_id, SYSTEM_ID_LEN}};

    return sign_hmac(sha256, secret, pieces, 2, ret);
}

static bool by_capability(const struct signature *s, const struct osd_bytes *pieces, size_t n,
                          uint8_t ret[ICV_LEN])
{
    return sign_hmac(s->sha256, (struct osd_bytes){s->key, ICV_LEN}, pieces, n, ret);
}

bool sign_cdb(const struct signature *s, int gen, uint8_t *cdb, const struct sign_facts *facts)
{
    const struct osd_bytes token = {facts->token, facts->token_len}, all = {cdb, cdb_len(gen)};
    uint8_t icv[ICV_LEN];

    memset(cdb + icv_at(gen), 0, field_len(gen));
    if (!by_capability(s, s->method == 1 ? &token : &all, 1, icv))
        return false;
    put_field(gen, icv, cdb + icv_at(gen));
    return true;
}

bool sign_continuation(const struct signature *s, uint8_t *segment, size_t len)
{
    const struct osd_bytes all = {segment, len};
    uint8_t icv[ICV_LEN];

    if (len < 40)
        return true;
    memset(segment + 8, 0, 32);
    if (!by_capability(s, &all, 1, icv))
        return false;
    put_field(2, icv, segment + 8);
    return true;
}

size_t sign_out_len(int gen)
{
    return OUT_COUNTS + field_len(gen);
}

size_t sign_in_len(int gen)
{
    return IN_COUNTS + field_len(gen);
}

bool sign_out(const struct signature *s, int gen, const struct osd_bytes piece[3], uint8_t *dst)
{
    const struct osd_bytes pieces[] = {piece[0], piece[1], piece[2], {dst, OUT_COUNTS}};
    uint8_t icv[ICV_LEN];

    for (size_t i = 0; i < 3; i++)
        be64_put(dst + 8 * i, piece[i].len);
    if (!by_capability(s, pieces, 4, icv))
        return false;
    put_field(gen, icv, dst + OUT_COUNTS);
    return true;
}

/* Sense data with the value of descriptor 07h taken as zeros. */
static void blank(uint8_t *sense, size_t len)
{
    for (size_t at = 8; at + 2 <= len && at + 2u + sense[at + 1] <= len;
         at += 2u + sense[at + 1])
        if (sense[at] == 0x07)
            memset(sense + at + 2, 0, sense[at + 1]);
}

bool sign_response_right(const struct signature *s, int gen, const uint8_t *cdb, uint8_t status,
                         struct osd_bytes sense, const uint8_t *value)
{
    uint8_t copy[256] = {0}, icv[ICV_LEN];
    const struct osd_bytes pieces[] = {
        {cdb + nonce_at(gen), 12}, {&status, 1}, {copy, sense.len}};

    if (sense.len > sizeof(copy))
        return false;
    if (sense.len)
        memcpy(copy, sense.data, sense.len);
    blank(copy, sense.len);
    return by_capability(s, pieces, 3, icv) && field_is(gen, icv, value);
}

bool sign_in_right(const struct signature *s, int gen, struct osd_bytes in, size_t retrieved_at)
{
    const uint8_t *info = in.data + s->in_info_at;
    uint64_t data, retrieved;
    uint8_t icv[ICV_LEN];

    if (s->in_info_at == 0 || s->in_info_at + sign_in_len(gen) > in.len)
        return false;
    data = be64_get(info);
    retrieved = be64_get(info + 8);
    if (data > s->in_info_at || retrieved > s->in_info_at - retrieved_at)
        return false;
    const struct osd_bytes pieces[] = {
        {in.data, data}, {in.data + retrieved_at, retrieved}, {info, IN_COUNTS}};
    return by_capability(s, pieces, 3, icv) && field_is(gen, icv, info + IN_COUNTS);
}

/* ---- Diffie-Hellman ---- */

static BIGNUM *modulus(unsigned group)
{
    return group == 1   ? BN_get_rfc2409_prime_1024(NULL)
           : group == 2 ? BN_get_rfc3526_prime_2048(NULL)
                        : NULL;
}

size_t sign_power(unsigned group, struct osd_bytes base, struct osd_bytes exponent,
                  uint8_t dst[256])
{
    BIGNUM *p = modulus(group), *b = BN_bin2bn(base.data, (int)base.len, NULL);
    BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.len, NULL), *r = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    int len = p ? BN_num_bytes(p) : 0;

    if (!p || !b || !e || !r || !ctx || !BN_mod_exp(r, b, e, p, ctx) ||
        BN_bn2binpad(r, dst, len) < 0)
        len = 0;
    BN_CTX_free(ctx);
    BN_free(r);
    BN_free(e);
    BN_free(b);
    BN_free(p);
    return (size_t)len;
}
