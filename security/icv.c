/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/icv.c - see icv.h
 */
#include "icv.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ZEROS  64
#define PIECES 16

static const uint8_t zeros[ZEROS];

/* ---- the code ---- */

/* Making a context costs more than a code over a CDB, so each thread keeps one that it uses again
 * with other keys. Long-lived secrets do not go into it. */
struct osd_mac {
    EVP_MAC_CTX *ctx;
    bool kept, busy;
};

static EVP_MAC *hmac; /* fetched once, never freed */
static pthread_key_t kept;
static bool have_kept;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void discard(void *arg)
{
    struct osd_mac *m = arg;

    EVP_MAC_CTX_free(m->ctx); /* wipes the key */
    free(m);
}

static void prepare(void)
{
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    have_kept = pthread_key_create(&kept, discard) == 0;
}

static struct osd_mac *new_mac(void)
{
    char digest[] = "SHA1";
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 4),
                           OSSL_PARAM_END};
    struct osd_mac *m = calloc(1, sizeof(*m));

    if (m && hmac)
        m->ctx = EVP_MAC_CTX_new(hmac);
    if (m && m->ctx && EVP_MAC_CTX_set_params(m->ctx, params) == 1)
        return m;
    if (m)
        discard(m);
    return NULL;
}

/* The thread's own, if it is free; else a new one. */
static struct osd_mac *take_mac(bool secret)
{
    struct osd_mac *m = have_kept && !secret ? pthread_getspecific(kept) : NULL;

    if (m && !m->busy)
        return m;
    if (m || secret || !have_kept)
        return new_mac();
    m = new_mac();
    if (m)
        m->kept = pthread_setspecific(kept, m) == 0;
    return m;
}

static osd_status begin(const uint8_t key[OSD_KEY_LEN], bool secret, struct osd_mac **ret)
{
    struct osd_mac *m;

    pthread_once(&once, prepare);
    m = take_mac(secret);
    if (!m)
        return OSD_E_NOMEM;
    m->busy = true;
    if (EVP_MAC_init(m->ctx, key, OSD_KEY_LEN, NULL) != 1) {
        osd_mac_drop(m);
        return OSD_E_NOMEM;
    }
    *ret = m;
    return OSD_OK;
}

osd_status osd_mac_begin(const uint8_t key[OSD_KEY_LEN], struct osd_mac **ret)
{
    return begin(key, false, ret);
}

osd_status osd_mac_add(struct osd_mac *m, const void *data, size_t len)
{
    if (len == 0)
        return OSD_OK;
    return EVP_MAC_update(m->ctx, data, len) == 1 ? OSD_OK : OSD_E_NOMEM;
}

static osd_status add_zeros(struct osd_mac *m, uint64_t len)
{
    osd_status st = OSD_OK;

    for (; len > 0 && st == OSD_OK; len -= len < ZEROS ? len : ZEROS)
        st = osd_mac_add(m, zeros, len < ZEROS ? (size_t)len : ZEROS);
    return st;
}

osd_status osd_mac_add_iov(struct osd_mac *m, const struct osd_iov *iov, uint64_t off,
                           uint64_t len)
{
    struct iovec v[PIECES];
    osd_status st = OSD_OK;
    int n = 1;

    while (len > 0 && n > 0 && st == OSD_OK) {
        n = osd_iov_slice(iov, off, len, v, PIECES);
        for (int i = 0; i < n && st == OSD_OK; i++) {
            st = osd_mac_add(m, v[i].iov_base, v[i].iov_len);
            off += v[i].iov_len;
            len -= v[i].iov_len;
        }
    }
    return st ? st : add_zeros(m, len);
}

osd_status osd_mac_end(struct osd_mac *m, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t value[OSD_KEY_LEN];
    size_t len = 0;
    int done = EVP_MAC_final(m->ctx, value, &len, sizeof(value));

    osd_mac_drop(m);
    if (done != 1 || len != sizeof(value))
        return OSD_E_NOMEM;
    memcpy(ret, value, sizeof(value));
    return OSD_OK;
}

void osd_mac_drop(struct osd_mac *m)
{
    if (m->kept)
        m->busy = false;
    else
        discard(m);
}

static osd_status mac(const uint8_t key[OSD_KEY_LEN], bool secret,
                      const struct osd_bytes *pieces, size_t n, uint8_t ret[OSD_KEY_LEN])
{
    struct osd_mac *m;
    osd_status st = begin(key, secret, &m);

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

osd_status osd_mac(const uint8_t key[OSD_KEY_LEN], const struct osd_bytes *pieces, size_t n,
                   uint8_t ret[OSD_KEY_LEN])
{
    return mac(key, false, pieces, n, ret);
}

osd_status osd_mac_secret(const uint8_t key[OSD_KEY_LEN], const struct osd_bytes *pieces,
                          size_t n, uint8_t ret[OSD_KEY_LEN])
{
    return mac(key, true, pieces, n, ret);
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

    return mac(secret, true, pieces, 2, ret);
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
    return mac(parent, true, pieces, 2, ret);
}
