/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/pages_security.c - policy/security pages x+5h (reference 4.8)
 */
#include <openssl/crypto.h>
#include <string.h>

#include "keys.h"
#include "pages.h"
#include "secure.h"

#define POLICY_TAG 0x40000001u

/* The list of nonces is at least so deep, whatever is asked for: the device's (nonces.h) is
 * deeper than the attribute can say. */
#define NONCE_DEPTH UINT16_MAX

static osd_status get_methods(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->c->dev->methods, ret);
}

/* ---- default methods ---- */

/* That of the root is that of partition zero. */
static osd_status get_default_method(const struct ask *a, struct attr_value *ret)
{
    uint8_t method;
    osd_status st = secure_default_method(a->c, a->o->id.pid, &method);

    return st ? st : row_number(a, method, ret);
}

static osd_status get_method_for_new(const struct ask *a, struct attr_value *ret)
{
    osd_status st = row_get_stored(a, ret);

    return st == OSD_OK && ret->len == 0 ? row_number(a, a->c->dev->default_method, ret) : st;
}

static osd_status set_method(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    uint32_t base = a->o->id.pid ? OSD_PAGE_P : OSD_PAGE_R;
    osd_status st = OSD_OK;

    if (value[0] > 15 || !(a->c->dev->methods >> value[0] & 1))
        return row_refuse(REFUSE_VALUE, ret_why);
    if (value[0] != OSD_SEC_NOSEC)
        st = device_note_secured(a->c->dev);
    return st ? st
              : ops_of(a->c)->set_attr(a->c->txn, a->o->id, base + OSD_PG_SECURITY,
                                       a->id.number, value, len);
}

/* ---- keys ---- */

static osd_status key_id(const struct ask *a, uint32_t number, struct attr_value *ret)
{
    struct key_record k;
    osd_status st = keys_load(a->c, a->o->id.pid, number, &k);

    *ret = (struct attr_value){0};
    if (st == OSD_OK) {
        memcpy(a->c->small, k.id, OSD_KEY_ID_LEN);
        *ret = (struct attr_value){.data = a->c->small, .len = OSD_KEY_ID_LEN};
    }
    OPENSSL_cleanse(&k, sizeof(k));
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Identifiers begin at the row's number, their keys at arg. */
static osd_status get_key_id(const struct ask *a, struct attr_value *ret)
{
    return key_id(a, (uint32_t)a->row->arg + (a->id.number - a->row->number), ret);
}

osd_status page_put_key_ids(struct command *c, const struct attr_object *o, uint32_t page,
                            uint8_t *dst)
{
    struct ask a = {.c = c, .o = o};
    bool v2 = c->cdb.gen == OSD_GEN2;
    uint8_t *valid = dst + (page == OSD_PAGE_R + OSD_PG_SECURITY ? 24 : v2 ? 36 : 28);
    struct attr_value v;
    osd_status st;

    if (page == OSD_PAGE_R + OSD_PG_SECURITY) {
        if ((st = key_id(&a, KEY_MASTER, &v)))
            return st;
        valid[0] = v.len ? 2 : 0;
        st = key_id(&a, KEY_ROOT, &v);
        valid[0] |= st == OSD_OK && v.len;
        return st;
    }
    if (page != OSD_PAGE_P + OSD_PG_SECURITY)
        return OSD_OK;
    if ((st = key_id(&a, KEY_PARTITION, &v)))
        return st;
    valid[0] = v.len != 0;
    if (v.len)
        memcpy(valid + 3, v.data, v.len);
    for (uint32_t i = 0; i < N_WORKING && st == OSD_OK; i++) {
        st = key_id(&a, KEY_WORKING + i, &v);
        if (st || !v.len)
            continue;
        valid[1 + i / 8] |= (uint8_t)(1u << i % 8);
        memcpy(valid + 3 + OSD_KEY_ID_LEN * (1 + i), v.data, v.len);
    }
    return st;
}

/* Integrity value algorithms 0-15 and groups of the exchange 0-15 (reference 6.2, 6.8). */
static osd_status get_algorithm(const struct ask *a, struct attr_value *ret)
{
    static const uint8_t supported[32] = {[0] = OSD_HMAC_SHA1,
                                          [OSD_HMAC_INDEX_SHA1] = OSD_HMAC_SHA1,
                                          [OSD_HMAC_INDEX_SHA256] = OSD_HMAC_SHA256,
                                          [16] = OSD_DH_2048,
                                          [17] = OSD_DH_1024};
    uint8_t value = supported[a->id.number - a->row->number];

    if (a->id.number - a->row->number == 17 && !a->c->dev->weak_groups)
        value = 0;
    return row_number(a, value, ret);
}

/* ---- nonces, clock, epoch ---- */

static osd_status get_epoch(const struct ask *a, struct attr_value *ret)
{
    return row_number(a, a->c->dev->boot_epoch, ret);
}

/* A nonce window of a partition lies inside that of the root, which is arg. */
static osd_status set_window(const struct ask *a, const uint8_t *value, uint32_t len,
                             enum attr_refusal *ret_why)
{
    if (row_be_value(value, len) > a->row->arg)
        return row_refuse(REFUSE_VALUE, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

static osd_status set_frozen_audits(const struct ask *a, const uint8_t *value, uint32_t len,
                                    enum attr_refusal *ret_why)
{
    if (len % OSD_AUDIT_LEN != 0 || len > FROZEN_AUDITS_MAX * OSD_AUDIT_LEN)
        return row_refuse(REFUSE_LENGTH, ret_why);
    return row_set_stored(a, value, len, ret_why);
}

/* Takes effect when the command has committed. */
static osd_status set_clock(const struct ask *a, const uint8_t *value, uint32_t len,
                            enum attr_refusal *ret_why)
{
    (void)ret_why;
    a->c->set_clock = true;
    a->c->new_clock = row_be_value(value, len);
    return OSD_OK;
}

static const struct row rows_security_r[] = {
    {0x1, 1, 1, 0, get_default_method, set_method, 0},
    {0x2, 1, 6, 0, row_get_const, NULL, OLDEST_NONCE_MS},
    {0x3, 1, 6, 0, row_get_const, NULL, NEWEST_NONCE_MS},
    {0x6, 1, 1, 0, get_method_for_new, set_method, 0},
    {0x7, 1, 2, 0, get_methods, NULL, 0},
    {0x9, 1, 6, 0, row_get_clock, set_clock, 0},
    {0xa, 1, 2, GEN2, get_epoch, NULL, 0},
    {0x7ffd, 2, 7, 0, get_key_id, NULL, KEY_MASTER},
    {0x80000000, 32, 1, 0, get_algorithm, NULL, 0},
};
const struct page_rows page_security_r = ROWS(rows_security_r);

static const struct row rows_security_p[] = {
    {0x1, 1, 1, ZERO, get_default_method, set_method, 0},
    {0x2, 1, 6, ZERO, row_get_default, set_window, OLDEST_NONCE_MS},
    {0x3, 1, 6, ZERO, row_get_default, set_window, NEWEST_NONCE_MS},
    {0x4, 1, 2, ZERO, row_get_default, row_set_stored, NONCE_DEPTH},
    {0x5, 1, 2, ZERO, row_get_default, row_set_stored, 0},
    {0x7fff, 1, 7, ZERO, get_key_id, NULL, KEY_PARTITION},
    {0x8000, N_WORKING, 7, ZERO, get_key_id, NULL, KEY_WORKING},
    {POLICY_TAG, 2, 4, ZERO, row_get_default, row_set_stored, 0},
    {FROZEN_AUDITS, 1, 0, ZERO, row_get_stored, set_frozen_audits, 0},
};
const struct page_rows page_security_p = ROWS(rows_security_p);

static const struct row rows_security_cu[] = {
    {POLICY_TAG, 1, 4, 0, row_get_default, row_set_stored, 0},
};
const struct page_rows page_security_cu = ROWS(rows_security_cu);
