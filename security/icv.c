/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/icv.c - see icv.h
 */
#include "icv.h"

/* The digests by their own names, which are deprecated since OpenSSL 3.0: EVP allocates a context for
 * each of the two digests of a code, cannot go on from a key without copying one, and spends as much
 * on what is as short as a CDB as the digests do. The arithmetic is the same. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#define ZEROS  64
#define PIECES 16
#define BLOCK  64 /* bytes, of both digests */

static const uint8_t zeros[ZEROS];

/* ---- the digests ---- */

union digest {
    SHA_CTX sha1;
    SHA256_CTX sha256;
};

_Static_assert(sizeof(union digest) <= sizeof(((struct osd_mac *)0)->digest), "room for one");
_Static_assert(OSD_KEY_LEN == SHA_DIGEST_LENGTH && OSD_DIGEST_LEN == SHA256_DIGEST_LENGTH &&
                   SHA_CBLOCK == BLOCK && SHA256_CBLOCK == BLOCK,
               "what the codes are made of");

static union digest *digest_of(struct osd_mac *m)
{
    return (union digest *)m->digest;
}

static bool digest_begin(union digest *d, bool sha256)
{
    return (sha256 ? SHA256_Init(&d->sha256) : SHA1_Init(&d->sha1)) == 1;
}

static bool digest_add(union digest *d, bool sha256, const void *data, size_t len)
{
    return (sha256 ? SHA256_Update(&d->sha256, data, len) : SHA1_Update(&d->sha1, data, len)) ==
           1;
}

static bool digest_end(union digest *d, bool sha256, uint8_t ret[OSD_DIGEST_LEN])
{
    return (sha256 ? SHA256_Final(ret, &d->sha256) : SHA1_Final(ret, &d->sha1)) == 1;
}

/* What a digest is after one block. */
static void digest_save(const union digest *d, bool sha256, uint32_t h[8])
{
    const SHA_CTX *c = &d->sha1;

    if (sha256)
        memcpy(h, d->sha256.h, sizeof(d->sha256.h));
    else
        memcpy(h, (const uint32_t[8]){c->h0, c->h1, c->h2, c->h3, c->h4}, 8 * sizeof(*h));
}

static void digest_resume(union digest *d, bool sha256, const uint32_t h[8])
{
    if (sha256) {
        d->sha256 = (SHA256_CTX){.Nl = 8 * BLOCK, .md_len = SHA256_DIGEST_LENGTH};
        memcpy(d->sha256.h, h, sizeof(d->sha256.h));
    } else {
        d->sha1 = (SHA_CTX){
            .h0 = h[0], .h1 = h[1], .h2 = h[2], .h3 = h[3], .h4 = h[4], .Nl = 8 * BLOCK};
    }
}

osd_status osd_digest(const void *data, size_t len, uint8_t ret[OSD_DIGEST_LEN])
{
    union digest d;
    bool good =
        digest_begin(&d, true) && digest_add(&d, true, data, len) && digest_end(&d, true, ret);

    return good ? OSD_OK : OSD_E_NOMEM;
}

/* ---- the code ---- */

bool osd_hmac_of_index(uint8_t index, enum osd_hmac *ret)
{
    if (index > OSD_HMAC_INDEX_SHA256)
        return false;
    *ret = index == OSD_HMAC_INDEX_SHA256 ? OSD_HMAC_SHA256 : OSD_HMAC_SHA1;
    return true;
}

/* The digest of the key with a pattern, which is one block (RFC 2104). */
static bool digest_key(bool sha256, const uint8_t key[OSD_KEY_LEN], uint8_t pattern,
                       uint32_t h[8])
{
    uint8_t block[BLOCK];
    union digest d;
    bool good;

    memset(block, pattern, BLOCK);
    for (int i = 0; i < OSD_KEY_LEN; i++)
        block[i] ^= key[i];
    good = digest_begin(&d, sha256) && digest_add(&d, sha256, block, BLOCK);
    if (good)
        digest_save(&d, sha256, h);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(&d, sizeof(d));
    return good;
}

osd_status osd_mac_key_make(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                            struct osd_mac_key *ret)
{
    ret->sha256 = hmac == OSD_HMAC_SHA256;
    return digest_key(ret->sha256, key, 0x36, ret->inner) &&
                   digest_key(ret->sha256, key, 0x5c, ret->outer)
               ? OSD_OK
               : OSD_E_NOMEM;
}

void osd_mac_key_wipe(struct osd_mac_key *k)
{
    OPENSSL_cleanse(k, sizeof(*k));
}

void osd_mac_begin_with(const struct osd_mac_key *k, struct osd_mac *m)
{
    digest_resume(digest_of(m), k->sha256, k->inner);
    memcpy(m->outer, k->outer, sizeof(m->outer));
    m->sha256 = k->sha256;
}

osd_status osd_mac_begin_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                            struct osd_mac *m)
{
    struct osd_mac_key k;
    osd_status st = osd_mac_key_make(hmac, key, &k);

    if (st == OSD_OK)
        osd_mac_begin_with(&k, m);
    osd_mac_key_wipe(&k);
    return st;
}

osd_status osd_mac_add(struct osd_mac *m, const void *data, size_t len)
{
    return len == 0 || digest_add(digest_of(m), m->sha256, data, len) ? OSD_OK : OSD_E_NOMEM;
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
    size_t len = m->sha256 ? SHA256_DIGEST_LENGTH : SHA_DIGEST_LENGTH;
    union digest *d = digest_of(m);
    uint8_t value[OSD_DIGEST_LEN];
    bool good = digest_end(d, m->sha256, value);

    if (good) {
        digest_resume(d, m->sha256, m->outer);
        good = digest_add(d, m->sha256, value, len) && digest_end(d, m->sha256, value);
    }
    osd_mac_drop(m);
    if (!good)
        return OSD_E_NOMEM;
    memcpy(ret, value, OSD_KEY_LEN);
    return OSD_OK;
}

void osd_mac_drop(struct osd_mac *m)
{
    OPENSSL_cleanse(m, sizeof(*m));
}

osd_status osd_mac_with(const struct osd_mac_key *k, const struct osd_bytes *pieces, size_t n,
                        uint8_t ret[OSD_KEY_LEN])
{
    osd_status st = OSD_OK;
    struct osd_mac m;

    osd_mac_begin_with(k, &m);
    for (size_t i = 0; i < n && st == OSD_OK; i++)
        st = osd_mac_add(&m, pieces[i].data, pieces[i].len);
    if (st) {
        osd_mac_drop(&m);
        return st;
    }
    return osd_mac_end(&m, ret);
}

osd_status osd_mac_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                      const struct osd_bytes *pieces, size_t n, uint8_t ret[OSD_KEY_LEN])
{
    struct osd_mac_key k;
    osd_status st = osd_mac_key_make(hmac, key, &k);

    if (st == OSD_OK)
        st = osd_mac_with(&k, pieces, n, ret);
    osd_mac_key_wipe(&k);
    return st;
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

    return osd_mac_by(hmac, secret, pieces, 2, ret);
}

/** Pieces that a code is over. */
struct covered {
    struct osd_bytes piece[3];
};

/* Bytes with a field inside them taken as zeros. */
static struct covered around(struct osd_bytes all, size_t at, size_t len)
{
    return (struct covered){
        {{all.data, at}, {zeros, len}, {all.data + at + len, all.len - at - len}}};
}

static struct covered of_request(enum osd_gen gen, const uint8_t *cdb)
{
    return gen == OSD_GEN1 ? around((struct osd_bytes){cdb, OSD1_CDB_LEN}, 160, OSD_ICV1_LEN)
                           : around((struct osd_bytes){cdb, OSD2_CDB_LEN}, 184, OSD_ICV2_LEN);
}

osd_status osd_request_icv_with(const struct osd_mac_key *k, enum osd_gen gen,
                                const uint8_t *cdb, uint8_t ret[OSD_KEY_LEN])
{
    const struct covered c = of_request(gen, cdb);

    return osd_mac_with(k, c.piece, 3, ret);
}

osd_status osd_request_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                              enum osd_gen gen, const uint8_t *cdb, uint8_t ret[OSD_KEY_LEN])
{
    const struct covered c = of_request(gen, cdb);

    return osd_mac_by(hmac, key, c.piece, 3, ret);
}

static struct covered of_response(const uint8_t nonce[OSD_NONCE_LEN], const uint8_t *status,
                                  struct osd_bytes sense)
{
    return (struct covered){{{nonce, OSD_NONCE_LEN}, {status, 1}, sense}};
}

osd_status osd_response_icv_with(const struct osd_mac_key *k,
                                 const uint8_t nonce[OSD_NONCE_LEN], uint8_t status,
                                 struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN])
{
    const struct covered c = of_response(nonce, &status, sense);

    return osd_mac_with(k, c.piece, 3, ret);
}

osd_status osd_response_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                               const uint8_t nonce[OSD_NONCE_LEN], uint8_t status,
                               struct osd_bytes sense, uint8_t ret[OSD_KEY_LEN])
{
    const struct covered c = of_response(nonce, &status, sense);

    return osd_mac_by(hmac, key, c.piece, 3, ret);
}

osd_status osd_continuation_icv_by(enum osd_hmac hmac, const uint8_t key[OSD_KEY_LEN],
                                   struct osd_bytes segment, uint8_t ret[OSD_KEY_LEN])
{
    if (segment.len < 8 + OSD_ICV2_LEN)
        return OSD_E_INVALID;
    const struct covered c = around(segment, 8, OSD_ICV2_LEN);
    return osd_mac_by(hmac, key, c.piece, 3, ret);
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
