/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/chap.c - CHAP of iSCSI login, both directions (RFC 1994, RFC 7143 12.1.3)
 *
 * Invariants:
 *  (1) A challenge this process issued lately is never answered by it (reflection), and a
 *      target that sends our own response back has proved nothing.
 *  (2) Digests are compared in constant time.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "initiator_internal.h"

/* CHAP_A numbers (IANA "PPP Authentication Algorithms") in the order offered. SHA256 comes last
 * because tgt takes its number for SHA-1; who knows SHA256 knows one of the others too. */
static const struct algorithm {
    int number;
    const char *name;
    size_t len;
} algorithms[] = {
    {8, "SHA3-256", 32},
    {6, "SHA1", 20},
    {5, "MD5", 16},
    {7, "SHA256", 32},
};

#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))
#define ISSUED_MAX   32

/* Challenges issued by this process, the oldest overwritten first. */
static pthread_mutex_t issued_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint8_t challenge[ISC_CHAP_DIGEST_MAX];
    size_t len;
} issued[ISSUED_MAX];
static unsigned issued_next;

static void issue_challenge(struct isc_chap *c)
{
    c->challenge_len = isc_chap_digest_len(c->algorithm);
    osd_random(c->challenge, c->challenge_len);
    osd_random(&c->id, 1);
    pthread_mutex_lock(&issued_lock);
    memcpy(issued[issued_next].challenge, c->challenge, c->challenge_len);
    issued[issued_next].len = c->challenge_len;
    issued_next = (issued_next + 1) % ISSUED_MAX;
    pthread_mutex_unlock(&issued_lock);
}

static bool was_issued(struct osd_bytes challenge)
{
    bool found = false;

    pthread_mutex_lock(&issued_lock);
    for (int i = 0; i < ISSUED_MAX; i++)
        found |= issued[i].len > 0 && issued[i].len == challenge.len &&
                 memcmp(issued[i].challenge, challenge.data, challenge.len) == 0;
    pthread_mutex_unlock(&issued_lock);
    return found;
}

static const struct algorithm *find_algorithm(int number)
{
    for (size_t i = 0; i < N_ALGORITHMS; i++) {
        if (algorithms[i].number == number)
            return &algorithms[i];
    }
    return NULL;
}

osd_status isc_chap_digest(int algorithm, uint8_t id, const char *secret,
                           struct osd_bytes challenge, uint8_t dst[ISC_CHAP_DIGEST_MAX])
{
    const struct algorithm *a = find_algorithm(algorithm);
    EVP_MD *md = a ? EVP_MD_fetch(NULL, a->name, NULL) : NULL;
    EVP_MD_CTX *ctx = md ? EVP_MD_CTX_new() : NULL;
    bool good = ctx && EVP_DigestInit_ex(ctx, md, NULL) && EVP_DigestUpdate(ctx, &id, 1) &&
                EVP_DigestUpdate(ctx, secret, strlen(secret)) &&
                EVP_DigestUpdate(ctx, challenge.data, challenge.len) &&
                EVP_DigestFinal_ex(ctx, dst, NULL);

    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    return good ? OSD_OK : OSD_E_UNSUPPORTED;
}

size_t isc_chap_digest_len(int algorithm)
{
    const struct algorithm *a = find_algorithm(algorithm);
    EVP_MD *md = a ? EVP_MD_fetch(NULL, a->name, NULL) : NULL;

    EVP_MD_free(md);
    return md ? a->len : 0;
}

static int digit_of(char c, int base)
{
    static const char hex[] = "0123456789abcdef";
    static const char b64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at;

    if (base == 16 && c >= 'A' && c <= 'F')
        c |= 0x20;
    at = c ? strchr(base == 16 ? hex : b64, c) : NULL;
    return at ? (int)(at - (base == 16 ? hex : b64)) : -1;
}

osd_status isc_binary_decode(const char *value, uint8_t *dst, size_t max, size_t *ret_len)
{
    bool hex = value[0] == '0' && (value[1] | 0x20) == 'x';
    int bits = hex ? 4 : 6;
    uint32_t acc = 0;
    int have = 0;
    size_t n = 0;

    if (!hex && !(value[0] == '0' && (value[1] | 0x20) == 'b'))
        return OSD_E_INVALID;
    value += 2;
    if (hex && strlen(value) % 2 != 0)
        have = 4; /* an odd number of digits has a leading zero */
    for (; *value && !(*value == '=' && !hex); value++) {
        int d = digit_of(*value, hex ? 16 : 64);
        if (d < 0)
            return OSD_E_INVALID;
        acc = (acc << bits | (uint32_t)d) & 0xffff;
        have += bits;
        if (have < 8)
            continue;
        have -= 8;
        if (n == max)
            return OSD_E_INVALID;
        dst[n++] = (uint8_t)(acc >> have);
    }
    if (strspn(value, "=") != strlen(value) || n == 0)
        return OSD_E_INVALID;
    *ret_len = n;
    return OSD_OK;
}

static osd_status put_hex(struct osd_buf *b, const char *key, const uint8_t *data, size_t len)
{
    char text[2 + 2 * ISC_CHAP_DIGEST_MAX + 1] = "0x";

    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 + 2 * i, 3, "%02x", data[i]);
    return isc_text_add(b, key, text);
}

osd_status isc_chap_offer(struct osd_buf *b)
{
    char list[32] = "";
    size_t n = 0;

    for (size_t i = 0; i < N_ALGORITHMS; i++) {
        if (isc_chap_digest_len(algorithms[i].number))
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%d", n ? "," : "",
                                  algorithms[i].number);
    }
    return isc_text_add(b, "CHAP_A", list);
}

/* A small number, decimal or hex. */
static bool parse_number(const char *text, unsigned long max, unsigned long *ret)
{
    char *end;

    if (!text || text[0] < '0' || text[0] > '9')
        return false;
    *ret = strtoul(text, &end, 0);
    return *end == '\0' && *ret <= max;
}

static osd_status put_response(struct isc_chap *c, uint8_t id, struct osd_bytes challenge,
                               struct osd_buf *b)
{
    osd_status st = isc_chap_digest(c->algorithm, id, c->secret, challenge, c->response);

    if (st == OSD_OK)
        st = isc_text_add(b, "CHAP_N", c->user);
    if (st == OSD_OK)
        st = put_hex(b, "CHAP_R", c->response, isc_chap_digest_len(c->algorithm));
    return st;
}

static osd_status put_challenge(struct isc_chap *c, struct osd_buf *b)
{
    char id[8];

    issue_challenge(c);
    snprintf(id, sizeof(id), "%u", c->id);
    osd_status st = isc_text_add(b, "CHAP_I", id);
    return st ? st : put_hex(b, "CHAP_C", c->challenge, c->challenge_len);
}

osd_status isc_chap_answer(struct isc_chap *c, struct osd_bytes text, struct osd_buf *b,
                           struct isc_reason *why)
{
    const char *value = isc_text_find(text, "CHAP_C");
    uint8_t bytes[ISC_CHAP_CHALLENGE_MAX];
    struct osd_bytes challenge = {.data = bytes};
    unsigned long algorithm, id;

    if (!parse_number(isc_text_find(text, "CHAP_A"), 255, &algorithm) ||
        !isc_chap_digest_len((int)algorithm))
        return isc_say(why, OSD_E_UNSUPPORTED, "no CHAP digest in common with the target");
    if (!parse_number(isc_text_find(text, "CHAP_I"), 255, &id) || !value ||
        isc_binary_decode(value, bytes, sizeof(bytes), &challenge.len))
        return isc_say(why, OSD_E_PROTOCOL, "the target's CHAP challenge is malformed");
    if (was_issued(challenge))
        return isc_say(why, OSD_E_DENIED, "the target reflects our own CHAP challenge");

    c->algorithm = (int)algorithm;
    osd_status st = put_response(c, (uint8_t)id, challenge, b);
    if (st == OSD_OK && c->mutual_user[0])
        st = put_challenge(c, b);
    return st ? isc_say(why, st, "cannot build the CHAP answer") : OSD_OK;
}

osd_status isc_chap_verify(const struct isc_chap *c, struct osd_bytes text,
                           struct isc_reason *why)
{
    const char *name = isc_text_find(text, "CHAP_N"), *value = isc_text_find(text, "CHAP_R");
    uint8_t want[ISC_CHAP_DIGEST_MAX], have[ISC_CHAP_DIGEST_MAX];
    struct osd_bytes challenge = {c->challenge, c->challenge_len};
    size_t len;

    if (!name || !value || isc_binary_decode(value, have, sizeof(have), &len))
        return isc_say(why, OSD_E_DENIED, "the target does not prove itself (mutual CHAP)");
    if (strcmp(name, c->mutual_user) != 0)
        return isc_say(why, OSD_E_DENIED, "the target calls itself \"%.64s\", not \"%s\"", name,
                       c->mutual_user);
    if (isc_chap_digest(c->algorithm, c->id, c->mutual_secret, challenge, want))
        return isc_say(why, OSD_E_UNSUPPORTED, "CHAP digest %d", c->algorithm);
    if (len != c->challenge_len || CRYPTO_memcmp(have, want, len) != 0 ||
        CRYPTO_memcmp(have, c->response, len) == 0)
        return isc_say(why, OSD_E_DENIED,
                       "the target's CHAP response is wrong (mutual secret differs?)");
    return OSD_OK;
}
