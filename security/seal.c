/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/seal.c - see seal.h
 */
#include "seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyfile.h"

#define FORMAT    1
#define NONCE_LEN 12
#define TAG_LEN   16

osd_status osd_seal_make(struct osd_bytes passphrase, const uint8_t salt[OSD_SEAL_SALT_LEN],
                         struct osd_seal *ret)
{
    uint64_t n = 1 << 14;
    uint32_t r = 8, p = 1;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)passphrase.data,
                                passphrase.len),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt,
                                OSD_SEAL_SALT_LEN),
        OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_END,
    };
    EVP_KDF *kdf;
    EVP_KDF_CTX *ctx;
    bool good;

    if (passphrase.len < OSD_SEAL_PASS_MIN)
        return OSD_E_INVALID;
    kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    good = ctx && EVP_KDF_derive(ctx, ret->key, sizeof(ret->key), params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good ? OSD_OK : OSD_E_NOMEM;
}

osd_status osd_seal_put(const struct osd_seal *s, struct osd_bytes label, struct osd_bytes src,
                        uint8_t *dst)
{
    uint8_t *nonce = dst + 1, *body = nonce + NONCE_LEN;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    bool good = ctx && RAND_bytes(nonce, NONCE_LEN) == 1 &&
                EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, s->key, nonce) == 1 &&
                EVP_EncryptUpdate(ctx, NULL, &n, label.data, (int)label.len) == 1 &&
                EVP_EncryptUpdate(ctx, body, &n, src.data, (int)src.len) == 1 &&
                EVP_EncryptFinal_ex(ctx, body + src.len, &n) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, body + src.len) == 1;

    dst[0] = FORMAT;
    EVP_CIPHER_CTX_free(ctx);
    return good ? OSD_OK : OSD_E_NOMEM;
}

osd_status osd_seal_get(const struct osd_seal *s, struct osd_bytes label, struct osd_bytes src,
                        uint8_t *dst)
{
    uint8_t tag[TAG_LEN];
    const uint8_t *nonce = src.data + 1, *body = nonce + NONCE_LEN;
    EVP_CIPHER_CTX *ctx;
    size_t len;
    bool good;
    int n;

    if (src.len < OSD_SEAL_MORE || src.data[0] != FORMAT)
        return OSD_E_CORRUPT;
    len = src.len - OSD_SEAL_MORE;
    memcpy(tag, body + len, TAG_LEN);
    ctx = EVP_CIPHER_CTX_new();
    good = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, s->key, nonce) == 1 &&
           EVP_DecryptUpdate(ctx, NULL, &n, label.data, (int)label.len) == 1 &&
           EVP_DecryptUpdate(ctx, dst, &n, body, (int)len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, dst + len, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good)
        OPENSSL_cleanse(dst, len);
    return good ? OSD_OK : OSD_E_CORRUPT;
}

osd_status osd_seal_passphrase(const char *path, uint8_t dst[OSD_SEAL_PASS_MAX],
                               size_t *ret_len, char *why, size_t why_len)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    char credential[4096];
    osd_status st;

    *ret_len = 0;
    if (!path && !dir)
        return OSD_OK;
    if (!path)
        snprintf(credential, sizeof(credential), "%s/liosd-passphrase", dir);
    st =
        osd_secret_read(path ? path : credential, (char *)dst, OSD_SEAL_PASS_MAX, why, why_len);
    if (st == OSD_E_NOT_FOUND && !path) {
        why[0] = 0; /* no failure */
        return OSD_OK;
    }
    if (st)
        return st;
    *ret_len = strcspn((char *)dst, "\r\n");
    if (*ret_len >= OSD_SEAL_PASS_MIN)
        return OSD_OK;
    snprintf(why, why_len, "%s: a passphrase has at least %d bytes", path ? path : credential,
             OSD_SEAL_PASS_MIN);
    return OSD_E_INVALID;
}
