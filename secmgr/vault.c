/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/vault.c - see vault.h
 */
#include "vault.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "digits.h"

#define KEY_LEN        32
#define NONCE_LEN      12
#define TAG_LEN        16
#define FORMAT         1
#define PASSPHRASE_MIN 16
#define PASSPHRASE_MAX 4096
#define PLAIN_MAX      4096

struct sm_vault {
    uint8_t key[KEY_LEN];
};

static bool derive(const uint8_t *pass, size_t len, const uint8_t salt[SM_SALT_LEN],
                   uint8_t key[KEY_LEN])
{
    uint64_t n = 1 << 14;
    uint32_t r = 8, p = 1;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)pass, len),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, SM_SALT_LEN),
        OSSL_PARAM_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_END,
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool good = ctx && EVP_KDF_derive(ctx, key, KEY_LEN, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

osd_status sm_vault_open(const uint8_t *passphrase, size_t len, const uint8_t salt[SM_SALT_LEN],
                         struct sm_vault **ret)
{
    struct sm_vault *v;

    if (len < PASSPHRASE_MIN)
        return OSD_E_INVALID;
    v = calloc(1, sizeof(*v));
    if (!v || !derive(passphrase, len, salt, v->key)) {
        free(v);
        return OSD_E_NOMEM;
    }
    *ret = v;
    return OSD_OK;
}

osd_status sm_vault_open_file(const char *path, const uint8_t salt[SM_SALT_LEN],
                              struct sm_vault **ret, char *why, size_t why_len)
{
    uint8_t pass[PASSPHRASE_MAX];
    FILE *f = fopen(path, "re");
    osd_status st;
    size_t len;

    if (!f) {
        snprintf(why, why_len, "passphrase file %s: %s", path, strerror(errno));
        return OSD_E_NOT_FOUND;
    }
    setvbuf(f, NULL, _IONBF, 0);
    len = fread(pass, 1, sizeof(pass), f);
    fclose(f);
    while (len > 0 && pass[len - 1] == '\n')
        len--;
    st = sm_vault_open(pass, len, salt, ret);
    OPENSSL_cleanse(pass, sizeof(pass));
    if (st)
        snprintf(why, why_len, "passphrase file %s: %s", path,
                 st == OSD_E_INVALID ? "shorter than 16 bytes" : osd_status_text(st));
    return st;
}

void sm_vault_close(struct sm_vault *v)
{
    if (v)
        OPENSSL_cleanse(v, sizeof(*v));
    free(v);
}

/* ---- sealing ---- */

static bool encrypt(const uint8_t *key, const char *label, const uint8_t *src, size_t len,
                    uint8_t *sealed)
{
    uint8_t *nonce = sealed + 1, *body = nonce + NONCE_LEN;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    bool good = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
                EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)label, (int)strlen(label)) &&
                EVP_EncryptUpdate(ctx, body, &n, src, (int)len) &&
                EVP_EncryptFinal_ex(ctx, body + len, &n) &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, body + len);

    EVP_CIPHER_CTX_free(ctx);
    return good;
}

osd_status sm_vault_seal(struct sm_vault *v, const char *label, const uint8_t *src, size_t len,
                         char *dst, size_t cap)
{
    uint8_t sealed[PLAIN_MAX + SM_SEAL_MORE];

    if (len > PLAIN_MAX || cap < 2 * (len + SM_SEAL_MORE) + 1)
        return OSD_E_NOMEM;
    sealed[0] = FORMAT;
    osd_random(sealed + 1, NONCE_LEN);
    if (!encrypt(v->key, label, src, len, sealed))
        return OSD_E_NOMEM;
    sm_hex_format(sealed, len + SM_SEAL_MORE, dst);
    return OSD_OK;
}

static bool decrypt(const uint8_t *key, const char *label, uint8_t *sealed, size_t len,
                    uint8_t *dst)
{
    uint8_t *nonce = sealed + 1, *body = nonce + NONCE_LEN;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;
    bool good = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
                EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *)label, (int)strlen(label)) &&
                EVP_DecryptUpdate(ctx, dst, &n, body, (int)len) &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, body + len) &&
                EVP_DecryptFinal_ex(ctx, dst + len, &n) == 1;

    EVP_CIPHER_CTX_free(ctx);
    return good;
}

osd_status sm_vault_unseal(struct sm_vault *v, const char *label, const char *text,
                           uint8_t *dst, size_t cap, size_t *ret_len)
{
    uint8_t sealed[PLAIN_MAX + SM_SEAL_MORE], plain[PLAIN_MAX];
    size_t total = strlen(text) / 2, len = total - SM_SEAL_MORE;
    osd_status st = OSD_E_CORRUPT;

    if (total < SM_SEAL_MORE || total > sizeof(sealed) || len > cap ||
        !sm_hex_parse(text, sealed, total) || sealed[0] != FORMAT)
        return OSD_E_CORRUPT;
    if (decrypt(v->key, label, sealed, len, plain)) {
        memcpy(dst, plain, len);
        *ret_len = len;
        st = OSD_OK;
    }
    OPENSSL_cleanse(plain, sizeof(plain));
    return st;
}
