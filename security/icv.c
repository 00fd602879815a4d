/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/icv.c - see icv.h
 */
#include "icv.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ZEROS  64
#define PIECES 16

static const uint8_t zeros[ZEROS];

/* ---- the code ---- */

/* HMAC (RFC 2104) on the digests of libcrypto: its own HMAC sets up more than it computes for
 * what is as short as a CDB. Making a context costs too, so each thread keeps one per algorithm
 * that it uses again with other keys. Long-lived secrets do not go into it. */
#define BLOCK 64 /* bytes, of both digests */

struct osd_mac {
    EVP_MD_CTX *ctx;
    const EVP_MD *digest;
    uint8_t outer[BLOCK]; /* the key, with the outer pattern */
    bool kept, busy;
};

enum { N_HMACS = 2 };

struct kept {
    struct osd_mac *macs[N_HMACS];
};

static EVP_MD *digests[N_HMACS]; /* fetched once, never freed */
static pthread_key_t kept;
static bool have_kept;
static pthread_once_t once = PTHREAD_ONCE_INIT;

bool osd_hmac_of_index(uint8_t index, enum osd_hmac *ret)
{
    if (index > OSD_HMAC_INDEX_SHA256)
        return false;
    *ret = index == OSD_HMAC_INDEX_SHA256 ? OSD_HMAC_SHA256 : OSD_HMAC_SHA1;
    return true;
}

static void discard(struct osd_mac *m)
{
    if (!m)
        return;
    EVP_MD_CTX_free(m->ctx); /* wipes what it holds */
    OPENSSL_cleanse(m->outer, sizeof(m->outer));
    free(m);
}

static void discard_kept(void *arg)
{
    struct kept *k = arg;

    for (int i = 0; i < N_HMACS; i++)
        discard(k->macs[i]);
    free(k);
}

static void prepare(void)
{
    digests[0] = EVP_MD_fetch(NULL, "SHA1", NULL);
    digests[1] = EVP_MD_fetch(NULL, "SHA256", NULL);
    have_kept = pthread_key_create(&kept, discard_kept) == 0;
}

static struct osd_mac *new_mac(enum osd_hmac hmac)
{
    struct osd_mac *m = calloc(1, sizeof(*m));

    if (m)
        m->digest = digests[hmac == OSD_HMAC_SHA256];
    if (m && m->digest)
        m->ctx = EVP_MD_CTX_new();
    if (m && m->ctx)
        return m;
    discard(m);
    return NULL;
}

/* Where the thread keeps its context; NULL: it keeps none. */
static struct osd_mac **kept_place(enum osd_hmac hmac)
{
    struct kept *k = have_kept ? pthread_getspecific(kept) : NULL;

    if (!k && have_kept) {
        k = calloc(1, sizeof(*k));
        if (k && pthread_setspecific(kept, k)) {
            free(k);
            k = NULL;
        }
    }
    return k ? &k->macs[hmac == OSD_HMAC_SHA256] : NULL;
}

/* The thread's own, if it is free; else a new one. */
static struct osd_mac *take_mac(enum osd_hmac hmac, bool secret)
{
    struct osd_mac **place = secret ? NULL : kept_place(hmac);

    if (!place || (*place && (*place)->busy))
        return new_mac(hmac);
    if (!*place) {
        *place = new_mac(hmac);
        if (*place)
            (*place)->kept = true;
    }
    return *place;
}

/* The inner digest; the outer one's beginning is kept for the end. */
static bool start(struct osd_mac *m, const uint8_t key[OSD_KEY_LEN])
{
    uint8_t inner[BLOCK];
    bool good;

    memset(inner, 0x36, BLOCK);
    memset(m->outer, 0x5c, BLOCK);
    for (int i = 0; i < OSD_KEY_LEN; i++) {
        inner[i] ^= key[i];
        m->outer[i] ^= key[i];
    }
    good = EVP_DigestInit_ex2(m->ctx, m->digest, NULL) == 1 &&
           EVP_DigestUpdate(m->ctx, inner, BLOCK) == 1;
    OPENSSL_cleanse(inner, sizeof(inner));
    return good;
}

/* The outer digest over the inner one; its length, 0 on failure. */
static unsigned finish(struct osd_mac *m, uint8_t value[EVP_MAX_MD_SIZE])
{
    unsigned len = 0;

    return EVP_DigestFinal_ex(m->ctx, value, &len) == 1 &&
                   EVP_DigestInit_ex2(m->ctx, m->digest, NULL) == 1 &&
                   EVP_DigestUpdate(m->ctx, m->outer, BLOCK) == 1 &&
                   EVP_DigestUpdate(m->ctx, value, len) == 1 &&
                   EVP_DigestFinal_ex(m->ctx, value, &len) == 1
               ? len
               : 0;
}

static osd_status begin(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN], bool secret,
                        struct osd_mac **ret)
{
    struct osd_mac *m;

    pthread_once(&once, prepare);
    m = take_mac(hmac, secret);
    if (!m)
        return OSD_E_NOMEM;
    m->busy = true;
    if (!start(m, key)) {
        osd_mac_drop(m);
        return OSD_E_NOMEM;
    }
    *ret = m;
    return OSD_OK;
}

osd_status osd_mac_begin_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                            struct osd_mac **ret)
{
    return begin(hmac, key, false, ret);
}

osd_status osd_mac_add(struct osd_mac *m, const void *data, size_t len)
{
    if (len == 0)
        return OSD_OK;
    return EVP_DigestUpdate(m->ctx, data, len) == 1 ? OSD_OK : OSD_E_NOMEM;
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
    uint8_t value[EVP_MAX_MD_SIZE];
    unsigned len = finish(m, value);

    osd_mac_drop(m);
    if (len < OSD_KEY_LEN)
        return OSD_E_NOMEM;
    memcpy(ret, value, OSD_KEY_LEN);
    return OSD_OK;
}

void osd_mac_drop(struct osd_mac *m)
{
    if (!m->kept) {
        discard(m);
        return;
    }
    OPENSSL_cleanse(m->outer, sizeof(m->outer));
    m->busy = false;
}

static osd_status mac(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN], bool secret,
                      const struct osd_bytes *pieces, size_t n, uint8_t ret[OSD_KEY_LEN])
{
    struct osd_mac *m;
    osd_status st = begin(hmac, key, secret, &m);

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

osd_status osd_mac_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                      const struct osd_bytes *pieces, size_t n, uint8_t ret[OSD_KEY_LEN])
{
    return mac(hmac, key, false, pieces, n, ret);
}

osd_status osd_mac_secret(const uint8_t key[OSD_KEY_LEN], const struct osd_bytes *pieces,
                          size_t n, uint8_t ret[OSD_KEY_LEN])
{
    return mac(OSD_HMAC_SHA1, key, true, pieces, n, ret);
}

osd_status osd_digest(const void *data, size_t len, uint8_t ret[OSD_DIGEST_LEN])
{
    struct osd_mac *m;
    bool good;

    pthread_once(&once, prepare);
    m = take_mac(OSD_HMAC_SHA256, false);
    if (!m)
        return OSD_E_NOMEM;
    good = EVP_DigestInit_ex2(m->ctx, m->digest, NULL) == 1 &&
           EVP_DigestUpdate(m->ctx, data, len) == 1 &&
           EVP_DigestFinal_ex(m->ctx, ret, NULL) == 1;
    osd_mac_drop(m);
    return good ? OSD_OK : OSD_E_NOMEM;
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

osd_status osd_capability_key_by(enum osd_hmac hmac, const uint8_t secret[OSD_KEY_LEN],
                                 struct osd_bytes capability,
                                 const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                 uint8_t ret[OSD_KEY_LEN])
{
    const struct osd_bytes pieces[] = {capability, {system_id, OSD_SYSTEM_ID_LEN}};

    return mac(hmac, secret, true, pieces, 2, ret);
}

/* Bytes with a field inside them taken as zeros. */
static osd_status mac_around(enum osd_hmac hmac, const uint8_t *key, struct osd_bytes all,
                             size_t at, size_t len, uint8_t ret[OSD_KEY_LEN])
{
    const struct osd_bytes pieces[] = {
        {all.data, at}, {zeros, len}, {all.data + at + len, all.len - at - len}};

    return osd_mac_by(hmac, key, pieces, 3, ret);
}

osd_status osd_request_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                              enum osd_gen gen, const uint8_t *cdb, uint8_t ret[OSD_KEY_LEN])
{
    return gen == OSD_GEN1 ? mac_around(hmac, key, (struct osd_bytes){cdb, OSD1_CDB_LEN}, 160,
                                        OSD_ICV1_LEN, ret)
                           : mac_around(hmac, key, (struct osd_bytes){cdb, OSD2_CDB_LEN}, 184,
                                        OSD_ICV2_LEN, ret);
}

osd_status osd_response_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                               const uint8_t nonce[OSD_NONCE_LEN], uint8_t status,
                               struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN])
{
    const struct osd_bytes pieces[] = {{nonce, OSD_NONCE_LEN}, {&status, 1}, sense};

    return osd_mac_by(hmac, key, pieces, 3, ret);
}

osd_status osd_continuation_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                                   struct osd_bytes segment, uint8_t ret[OSD_KEY_LEN])
{
    if (segment.len < 8 + OSD_ICV2_LEN)
        return OSD_E_INVALID;
    return mac_around(hmac, key, segment, 8, OSD_ICV2_LEN, ret);
}

osd_status osd_key_derive(const uint8_t parent[OSD_KEY_LEN], struct osd_bytes seed,
                          enum osd_key_part part, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t last;

    if (seed.len == 0)
        return OSD_E_INVALID;
    last = (uint8_t)((seed.data[seed.len - 1] & 0xfe) | part);
    const struct osd_bytes pieces[] = {{seed.data, seed.len - 1}, {&last, 1}};
    return mac(OSD_HMAC_SHA1, parent, true, pieces, 2, ret);
}
