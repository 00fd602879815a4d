/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/dh.c - see dh.h
 */
#include "dh.h"

#include <openssl/bn.h>
#include <string.h>

#define GENERATOR 2

size_t osd_dh_len(uint8_t group)
{
    return group == OSD_DH_1024 ? 128 : group == OSD_DH_2048 ? 256 : 0;
}

/* Numbers of one exchange; every member may be NULL. */
struct numbers {
    BN_CTX *ctx;
    BIGNUM *p, *base, *x, *y;
};

static void forget(struct numbers *n)
{
    BN_free(n->p);
    BN_clear_free(n->base);
    BN_clear_free(n->x);
    BN_clear_free(n->y);
    BN_CTX_free(n->ctx);
}

static osd_status prepare(uint8_t group, struct numbers *n)
{
    *n = (struct numbers){.ctx = BN_CTX_new(), .base = BN_new(), .y = BN_new()};
    n->p = group == OSD_DH_1024 ? BN_get_rfc2409_prime_1024(NULL)
                                : BN_get_rfc3526_prime_2048(NULL);
    return n->ctx && n->base && n->y && n->p ? OSD_OK : OSD_E_NOMEM;
}

/* y = base ^ x mod p, into len bytes. The exponent is secret. */
static osd_status power(struct numbers *n, size_t len, uint8_t *ret)
{
    BN_set_flags(n->x, BN_FLG_CONSTTIME);
    if (BN_mod_exp(n->y, n->base, n->x, n->p, n->ctx) != 1 ||
        BN_bn2binpad(n->y, ret, (int)len) != (int)len)
        return OSD_E_NOMEM;
    return OSD_OK;
}

osd_status osd_dh_make(uint8_t group, uint8_t *ret_secret, uint8_t *ret_public)
{
    size_t len = osd_dh_len(group);
    struct numbers n;
    osd_status st;

    if (len == 0)
        return OSD_E_INVALID;
    st = prepare(group, &n);
    n.x = BN_new();
    if (st == OSD_OK &&
        (!n.x || BN_priv_rand_range(n.x, n.p) != 1 || BN_set_word(n.base, GENERATOR) != 1 ||
         BN_bn2binpad(n.x, ret_secret, (int)len) != (int)len))
        st = OSD_E_NOMEM;
    if (st == OSD_OK)
        st = power(&n, len, ret_public);
    forget(&n);
    return st;
}

/* 1 < y < p - 1: the other values give the secret away. */
static int in_group(const struct numbers *n)
{
    BIGNUM *last = BN_dup(n->p);
    int good = last && BN_sub_word(last, 1) == 1 && !BN_is_zero(n->base) &&
               !BN_is_one(n->base) && BN_cmp(n->base, last) < 0;

    BN_free(last);
    return good;
}

osd_status osd_dh_shared(uint8_t group, const uint8_t *secret, const uint8_t *other,
                         uint8_t *ret)
{
    size_t len = osd_dh_len(group);
    struct numbers n;
    osd_status st;

    if (len == 0)
        return OSD_E_INVALID;
    st = prepare(group, &n);
    n.x = BN_bin2bn(secret, (int)len, NULL);
    if (st == OSD_OK && (!n.x || !BN_bin2bn(other, (int)len, n.base)))
        st = OSD_E_NOMEM;
    if (st == OSD_OK && !in_group(&n))
        st = OSD_E_INVALID;
    if (st == OSD_OK)
        st = power(&n, len, ret);
    forget(&n);
    return st;
}
