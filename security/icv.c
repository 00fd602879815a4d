/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/icv.c - see icv.h
 */
#include "icv.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#define ZEROS 64

static const uint8_t zeros[ZEROS];

/* ---- the code ---- */

static EVP_MAC *hmac; /* fetched once, never freed */
static pthread_once_t hmac_once = PTHREAD_ONCE_INIT;

static void fetch_hmac(void)
{
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

/* struct osd_mac is the library's context under a name of ours. */
static EVP_MAC_CTX *context(struct osd_mac *m)
{
    return (EVP_MAC_CTX *)m;
}

osd_status osd_mac_begin(const uint8_t key[OSD_KEY_LEN], struct osd_mac **ret)
{
    char digest[] = "SHA1";
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 4),
                           OSSL_PARAM_END};
    EVP_MAC_CTX *ctx;

    pthread_once(&hmac_once, fetch_hmac);
    ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    if (!ctx || EVP_MAC_init(ctx, key, OSD_KEY_LEN, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        return OSD_E_NOMEM;
    }
    *ret = (struct osd_mac *)ctx;
    return OSD_OK;
}

osd_status osd_mac_add(struct osd_mac *m, const void *data, size_t len)
{
    if (len == 0)
        return OSD_OK;
    return EVP_MAC_update(context(m), data, len) == 1 ? OSD_OK : OSD_E_NOMEM;
}

osd_status osd_mac_add_iov(struct osd_mac *m, const struct osd_iov *iov, uint64_t off,
                           uint64_t len)
{
    uint8_t piece[4096];
    osd_status st = OSD_OK;

    while (len > 0 && st == OSD_OK) {
        size_t part = len < sizeof(piece) ? (size_t)len : sizeof(piece);
        uint64_t got = osd_iov_read(iov, off, piece, part);
        memset(piece + got, 0, part - got);
        st = osd_mac_add(m, piece, part);
        off += part;
        len -= part;
    }
    return st;
}

osd_status osd_mac_end(struct osd_mac *m, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t value[OSD_KEY_LEN];
    size_t len = 0;
    int done = EVP_MAC_final(context(m), value, &len, sizeof(value));

    osd_mac_drop(m);
    if (done != 1 || len != sizeof(value))
        return OSD_E_NOMEM;
    memcpy(ret, value, sizeof(value));
    return OSD_OK;
}

void osd_mac_drop(struct osd_mac *m)
{
    EVP_MAC_CTX_free(context(m));
}

osd_status osd_mac(const uint8_t key[OSD_KEY_LEN], const struct osd_bytes *pieces, size_t n,
                   uint8_t ret[OSD_KEY_LEN])
{
    struct osd_mac *m;
    osd_status st = osd_mac_begin(key, &m);

    if (st)
        return st;
    for (size_t i = 0; i < n && st == OSD_OK; i++)
        st = osd_mac_add(m, pieces[i].data, pieces[i].len);
    if (st) {
        osd_mac_drop(m);
        return st;
    }
    return osd_mac_end(m, ret);
}

bool osd_icv_equal(const uint8_t value[OSD_KEY_LEN], const uint8_t *field, size_t len)
{
    return CRYPTO_memcmp(value, field, OSD_KEY_LEN) == 0 &&
           CRYPTO_memcmp(zeros, field + OSD_KEY_LEN, len - OSD_KEY_LEN) == 0;
}

void osd_icv_put(const uint8_t value[OSD_KEY_LEN], uint8_t *field, size_t len)
{
    memset(field, 0, len);
    memcpy(field, value, OSD_KEY_LEN);
}

/* ---- what is covered ---- */

osd_status osd_capability_key(const uint8_t secret[OSD_KEY_LEN], struct osd_bytes capability,
                              const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                              uint8_t ret[OSD_KEY_LEN])
{
    const struct osd_bytes pieces[] = {capability, {system_id, OSD_SYSTEM_ID_LEN}};

    return osd_mac(secret, pieces, 2, ret);
}

/* Bytes with a field inside them taken as zeros. */
static osd_status mac_around(const uint8_t *key, struct osd_bytes all, size_t at, size_t len,
                             uint8_t ret[OSD_KEY_LEN])
{
    const struct osd_bytes pieces[] = {
        {all.data, at}, {zeros, len}, {all.data + at + len, all.len - at - len}};

    return osd_mac(key, pieces, 3, ret);
}

osd_status osd_request_icv(const uint8_t key[OSD_KEY_LEN], enum osd_gen gen, const uint8_t *cdb,
                           uint8_t ret[OSD_KEY_LEN])
{
    return gen == OSD_GEN1
               ? mac_around(key, (struct osd_bytes){cdb, OSD1_CDB_LEN}, 160, OSD_ICV1_LEN, ret)
               : mac_around(key, (struct osd_bytes){cdb, OSD2_CDB_LEN}, 184, OSD_ICV2_LEN, ret);
}

osd_status osd_response_icv(const uint8_t key[OSD_KEY_LEN], const uint8_t nonce[OSD_NONCE_LEN],
                            uint8_t status, struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN])
{
    const struct osd_bytes pieces[] = {{nonce, OSD_NONCE_LEN}, {&status, 1}, sense};

    return osd_mac(key, pieces, 3, ret);
}

osd_status osd_continuation_icv(const uint8_t key[OSD_KEY_LEN], struct osd_bytes segment,
                                uint8_t ret[OSD_KEY_LEN])
{
    if (segment.len < 8 + OSD_ICV2_LEN)
        return OSD_E_INVALID;
    return mac_around(key, segment, 8, OSD_ICV2_LEN, ret);
}

osd_status osd_key_derive(const uint8_t parent[OSD_KEY_LEN], struct osd_bytes seed,
                          enum osd_key_part part, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t last;

    if (seed.len == 0)
        return OSD_E_INVALID;
    last = (uint8_t)((seed.data[seed.len - 1] & 0xfe) | part);
    const struct osd_bytes pieces[] = {{seed.data, seed.len - 1}, {&last, 1}};
    return osd_mac(parent, pieces, 2, ret);
}
