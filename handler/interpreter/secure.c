/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/secure.c - see secure.h
 *
 * Nothing but the list of nonces changes before every value has been verified.
 */
#include "secure.h"

#include <openssl/crypto.h>
#include <string.h>

#include "continuation.h"
#include "keys.h"
#include "security/icv.h"

#define AT(offset)    (OSD_CAPABILITY_AT + (offset))
#define METHOD_NUMBER 0x1u
#define FROZEN_NUMBER 0x5u
#define OUT_COUNTS    24 /* three byte counts before the data-out integrity value */
#define IN_COUNTS     16

/* ---- what the partition wants ---- */

/* A number of a policy/security page of the root or a partition; 0 with *ret_set false. */
static osd_status policy(struct command *c, uint64_t pid, uint32_t base, uint32_t number,
                         uint64_t *ret, bool *ret_set)
{
    uint8_t raw[8];
    uint32_t len = 0;
    osd_status st = ops_of(c)->get_attr(c->txn, (struct store_id){pid, 0},
                                        base + OSD_PG_SECURITY, number, raw, sizeof(raw), &len);

    *ret = 0;
    for (uint32_t i = 0; st == OSD_OK && i < len && i < sizeof(raw); i++)
        *ret = *ret << 8 | raw[i];
    *ret_set = st == OSD_OK;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

osd_status secure_default_method(struct command *c, uint64_t pid, uint8_t *ret)
{
    uint64_t method = 0;
    bool set = false;
    osd_status st = OSD_OK;

    if (atomic_load_explicit(&c->dev->secured, memory_order_acquire))
        st = policy(c, pid, pid ? OSD_PAGE_P : OSD_PAGE_R, METHOD_NUMBER, &method, &set);
    *ret = set ? (uint8_t)method : pid ? OSD_SEC_NOSEC : c->dev->default_method;
    return st;
}

/* Creating and removing partitions are matters of the device. */
uint64_t secure_judge(const struct command *c)
{
    bool device = c->act->target == TARGET_NEW_PARTITION ||
                  c->cdb.op == OSD_OP_REMOVE_PARTITION || c->target_type == OSD_TYPE_ROOT;

    return device ? 0 : c->target.pid;
}

static bool sets_keys(const struct command *c)
{
    return c->cdb.op == OSD_OP_SET_KEY || c->cdb.op == OSD_OP_SET_MASTER_KEY;
}

/* A partition that the command takes data from, besides that which judges it; 0: there is none. */
static uint64_t other_source(const struct command *c)
{
    if (c->cdb.op == OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT)
        return c->cdb.start;
    if (c->cdb.op == OSD_OP_REFRESH_SNAPSHOT_OR_CLONE)
        return c->has_partition ? c->partition.source : 0;
    return c->second.len ? second_object(c).pid : 0;
}

/* The method a command has to use at least: what its partition asks for, that of the source of
 * a copy, and for keys, once there is one, a method that signs the whole command. */
static osd_status least_method(struct command *c, uint8_t *ret)
{
    uint8_t least, other = OSD_SEC_NOSEC;
    uint64_t source = other_source(c);
    osd_status st = secure_default_method(c, secure_judge(c), &least);

    if (st == OSD_OK && source)
        st = secure_default_method(c, source, &other);
    if (st)
        return st;
    least = other > least ? other : least;
    if (sets_keys(c) && c->dev->methods != METHODS_NOSEC && least < OSD_SEC_CMDRSP)
        least = OSD_SEC_CMDRSP;
    *ret = least;
    return OSD_OK;
}

/* ---- the request ---- */

static osd_status check_method(struct command *c, uint8_t least)
{
    const struct osd_capability *cap = &c->cdb.cap;

    if (cap->format == 0)
        return least == OSD_SEC_NOSEC ? OSD_OK : fail_cdb(c, AT(0));
    if (cap->method < least || !(c->dev->methods >> cap->method & 1))
        return fail_cdb(c, AT(2));
    if (cap->method != OSD_SEC_NOSEC && c->cdb.gen == OSD_GEN2 && cap->format != 2)
        return fail_cdb(c, AT(0));
    return OSD_OK;
}

static struct osd_bytes raw_capability(const struct command *c)
{
    return (struct osd_bytes){c->req->cdb + OSD_CAPABILITY_AT, c->cdb.gen == OSD_GEN1
                                                                   ? OSD1_CAPABILITY_LEN
                                                                   : OSD2_CAPABILITY_LEN};
}

static osd_status check_request(struct command *c, const struct trust *t)
{
    uint8_t icv[OSD_KEY_LEN];
    osd_status st = OSD_OK;

    if (c->cdb.cap.method == OSD_SEC_CAPKEY)
        memcpy(icv, t->token_icv, sizeof(icv));
    else
        st = osd_request_icv_with(&t->ready, c->cdb.gen, c->req->cdb, icv);
    if (st == OSD_OK && !osd_icv_equal(icv, c->cdb.sec.request_icv, secure_icv_len(c)))
        return fail_cdb(c, by_gen(c, 160, 184));
    return st;
}

static osd_status is_frozen(struct command *c, uint64_t pid, uint8_t version, bool *ret)
{
    uint64_t mask;
    bool set;
    osd_status st = policy(c, pid, OSD_PAGE_P, FROZEN_NUMBER, &mask, &set);

    *ret = mask >> version & 1;
    return st;
}

/* Whether a partition refuses capabilities with this audit value; and whether it has any such. */
static osd_status is_audit_frozen(struct command *c, uint64_t pid,
                                  const uint8_t audit[OSD_AUDIT_LEN], bool *ret, bool *ret_any)
{
    uint8_t frozen[FROZEN_AUDITS_MAX * OSD_AUDIT_LEN];
    uint32_t len = 0;
    osd_status st =
        ops_of(c)->get_attr(c->txn, (struct store_id){pid, 0}, OSD_PAGE_P + OSD_PG_SECURITY,
                            FROZEN_AUDITS, frozen, sizeof(frozen), &len);

    *ret = false;
    *ret_any = st == OSD_OK;
    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    for (uint32_t at = 0; at + OSD_AUDIT_LEN <= len && !*ret; at += OSD_AUDIT_LEN)
        *ret = memcmp(frozen + at, audit, OSD_AUDIT_LEN) == 0;
    return OSD_OK;
}

static osd_status load_window(struct command *c, struct trust_ground *g)
{
    bool set_oldest, set_newest;
    osd_status st;

    if ((st = policy(c, secure_judge(c), OSD_PAGE_P, 2, &g->oldest, &set_oldest)) ||
        (st = policy(c, secure_judge(c), OSD_PAGE_P, 3, &g->newest, &set_newest)))
        return st;
    if (!set_oldest)
        g->oldest = OLDEST_NONCE_MS;
    if (!set_newest)
        g->newest = NEWEST_NONCE_MS;
    return OSD_OK;
}

/* The secret that the credential must have been made with, and what goes with it, from the
 * store; least is known already. */
static osd_status learn(struct command *c, struct trust_ground *g)
{
    osd_status st = keys_secret(c, g->secret);
    bool mine;

    g->frozen = false;
    if (st == OSD_E_NOT_FOUND)
        return fail_cdb(c, AT(1));
    if (st == OSD_OK && !sets_keys(c))
        st = is_frozen(c, secure_judge(c), c->cdb.cap.key_version, &g->frozen);
    if (st == OSD_OK)
        st = is_audit_frozen(c, secure_judge(c), c->cdb.cap.audit, &mine, &g->audits);
    return st ? st : load_window(c, g);
}

/* The capability key, and all that can be computed of it before a request comes. */
static osd_status derive(struct command *c, struct trust *t)
{
    const struct osd_bytes token = {c->dev->security_token, SECURITY_TOKEN_LEN};
    osd_status st = osd_capability_key_by(c->hmac, t->ground.secret, raw_capability(c),
                                          c->dev->system_id, t->key);
    bool any;

    t->audit_frozen = false;
    if (st == OSD_OK)
        st = osd_mac_key_make(c->hmac, t->key, &t->ready);
    if (st == OSD_OK && t->ground.audits)
        st = is_audit_frozen(c, secure_judge(c), c->cdb.cap.audit, &t->audit_frozen, &any);
    if (st == OSD_OK && c->cdb.cap.method == OSD_SEC_CAPKEY)
        st = osd_mac_with(&t->ready, &token, 1, t->token_icv);
    return st;
}

/* One further capability: its key goes into the key of the continuation's value, so whoever
 * signs the continuation has the credentials of all of them. */
static osd_status add_extension(struct command *c, const uint8_t *raw, uint8_t key[OSD_KEY_LEN])
{
    const struct osd_bytes before = {key, OSD_KEY_LEN};
    uint8_t secret[OSD_KEY_LEN], own[OSD_KEY_LEN], least;
    struct osd_capability cap;
    enum osd_hmac hmac;
    bool frozen, audit_frozen, any;
    osd_status st;

    osd_capability_decode(raw, OSD_GEN2, &cap);
    if ((st = secure_default_method(c, cap.allowed_pid, &least)))
        return st;
    if (cap.format != 2 || cap.method < least || cap.method > c->cdb.cap.method ||
        !osd_hmac_of_index(cap.icv_algorithm, &hmac))
        return fail_cdb(c, 48);
    if (cap.method == OSD_SEC_NOSEC)
        return OSD_OK;
    if ((st = is_frozen(c, cap.allowed_pid, cap.key_version, &frozen)) ||
        (st = is_audit_frozen(c, cap.allowed_pid, cap.audit, &audit_frozen, &any)))
        return st;
    if (frozen || audit_frozen)
        return fail_kind(c, frozen ? FAULT_KEY_FROZEN : FAULT_AUDIT);
    st = keys_working(c, cap.allowed_pid, cap.key_version, secret);
    if (st == OSD_OK)
        st = osd_capability_key_by(hmac, secret, (struct osd_bytes){raw, OSD2_CAPABILITY_LEN},
                                   c->dev->system_id, own);
    if (st == OSD_OK)
        st = osd_mac_by(hmac, own, &before, 1, key);
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(own, sizeof(own));
    return st == OSD_E_NOT_FOUND ? fail_cdb(c, 48) : st;
}

static osd_status check_continuation(struct command *c, const uint8_t request_key[OSD_KEY_LEN])
{
    uint8_t icv[OSD_KEY_LEN], key[OSD_KEY_LEN];
    osd_status st = OSD_OK;

    if (c->continuation.len == 0)
        return OSD_OK;
    memcpy(key, request_key, sizeof(key));
    for (size_t at = 0; at < c->extensions.len && st == OSD_OK; at += OSD2_CAPABILITY_LEN)
        st = add_extension(c, c->extensions.data + at, key);
    if (st == OSD_OK)
        st = osd_continuation_icv_by(c->hmac, key, c->continuation, icv);
    OPENSSL_cleanse(key, sizeof(key));
    if (st == OSD_OK && !osd_icv_equal(icv, c->continuation.data + 8, OSD_ICV2_LEN))
        return fail_cdb(c, 48);
    return st;
}

/* ---- the nonce ---- */

/* Whether a repetition says more than what is on record. */
static bool shows_today(const struct command *c)
{
    bool current =
        c->cdb.attr.format != OSD_ATTR_LIST && c->cdb.attr.get_page == OSD_PAGE_CURRENT;

    return (c->gets && !current) || (osd_op_info(c->cdb.op)->data_in && !c->mutating);
}

/* A repetition whose outcome is on record is answered from there, however old it is; what is there
 * today it shows only as long as another command of its time would be accepted. */
static osd_status check_nonce(struct command *c, const struct trust *t)
{
    uint64_t stamp = be48_get(c->cdb.sec.nonce);
    bool old = stamp + t->ground.oldest < c->now;
    osd_status st;

    if (c->replay.found && !c->replay.foreign)
        return old && shows_today(c) ? fail_kind(c, FAULT_NONCE) : OSD_OK;
    if (old || stamp > c->now + t->ground.newest || stamp < nonces_floor(&c->dev->nonces))
        return fail_kind(c, FAULT_NONCE_TIME);
    if (c->check_only)
        return OSD_OK;
    st = nonces_use(&c->dev->nonces, c->cdb.sec.nonce);
    return st == OSD_E_EXISTS ? fail_kind(c, FAULT_NONCE) : st;
}

/* ---- data ---- */

/* Byte counts and the value over command data, set list and get list. */
static osd_status out_icv(struct command *c, const uint8_t counts[OUT_COUNTS],
                          uint8_t ret[OSD_KEY_LEN])
{
    struct osd_mac m;
    osd_status st;

    osd_mac_begin_with(&c->cap_key, &m);
    if ((st = osd_mac_add_iov(&m, &c->req->out, c->data_off, be64_get(counts))) ||
        (st = osd_mac_add(&m, c->set_list.data, c->set_list.len)) ||
        (st = osd_mac_add(&m, c->get_list.data, c->get_list.len)) ||
        (st = osd_mac_add(&m, counts, OUT_COUNTS))) {
        osd_mac_drop(&m);
        return st;
    }
    return osd_mac_end(&m, ret);
}

static osd_status check_data_out(struct command *c)
{
    uint8_t counts[OUT_COUNTS], info[OUT_COUNTS + OSD_ICV2_LEN], icv[OSD_KEY_LEN];
    size_t len = OUT_COUNTS + secure_icv_len(c);
    uint64_t at = c->cdb.sec.data_out_icv_off;
    osd_status st;

    if (c->cdb.cap.method != OSD_SEC_ALLDATA ||
        (c->data_out_len == 0 && c->set_list.len == 0 && c->get_list.len == 0))
        return OSD_OK;
    be64_put(counts, c->data_out_len);
    be64_put(counts + 8, c->set_list.len);
    be64_put(counts + 16, c->get_list.len);
    if (at == OSD_OFFSET_UNUSED || osd_iov_read(&c->req->out, at, info, len) != len ||
        memcmp(info, counts, OUT_COUNTS) != 0)
        return fail_kind(c, FAULT_DATA_ICV);
    st = out_icv(c, counts, icv);
    if (st == OSD_OK && !osd_icv_equal(icv, info + OUT_COUNTS, secure_icv_len(c)))
        return fail_kind(c, FAULT_DATA_ICV);
    return st;
}

/* The request's own values, with what is known of its credential. */
static osd_status check_signed(struct command *c, const struct trust *t)
{
    osd_status st;

    if ((st = check_request(c, t)) || (st = check_continuation(c, t->key)))
        return st;
    c->cap_key = t->ready;
    c->verified = true;
    if (t->ground.frozen || t->audit_frozen)
        return fail_kind(c, t->ground.frozen ? FAULT_KEY_FROZEN : FAULT_AUDIT);
    if (c->cdb.cap.method >= OSD_SEC_CMDRSP && (st = check_nonce(c, t)))
        return st;
    return check_data_out(c);
}

static bool is_signed(const struct command *c)
{
    return c->cdb.cap.format != 0 && c->cdb.cap.method != OSD_SEC_NOSEC;
}

bool secure_has_value(const struct command *c)
{
    return is_signed(c) && c->cdb.cap.method >= OSD_SEC_CMDRSP;
}

/* What a credential rests on: known of the working key, or from the store. */
static osd_status find_ground(struct command *c, bool usual, struct trust_ground *ret)
{
    struct trusted *known = &c->dev->trusted;
    uint64_t epoch = trusted_epoch(known), pid = secure_judge(c);
    uint8_t version = c->cdb.cap.key_version;
    bool found = usual && trusted_find_ground(known, pid, version, ret);
    osd_status st = found ? OSD_OK : least_method(c, &ret->least);

    if (st || (st = check_method(c, ret->least)) || !is_signed(c))
        return st;
    if (!osd_hmac_of_index(c->cdb.cap.icv_algorithm, &c->hmac))
        return fail_cdb(c, AT(1));
    if (found)
        return OSD_OK;
    st = learn(c, ret);
    if (st == OSD_OK && usual)
        trusted_enter_ground(known, epoch, pid, version, ret);
    return st;
}

static bool is_usual(const struct command *c)
{
    return is_signed(c) && !sets_keys(c) && !other_source(c);
}

/* A credential that was good before: its capability says what it said then. */
static osd_status use_known(struct command *c, const struct trust *t)
{
    osd_status st = check_method(c, t->ground.least);

    if (st == OSD_OK && !osd_hmac_of_index(c->cdb.cap.icv_algorithm, &c->hmac))
        st = fail_cdb(c, AT(1));
    return st ? st : check_signed(c, t);
}

static osd_status use_new(struct command *c, bool usual, struct trust *t)
{
    struct trusted *known = &c->dev->trusted;
    uint64_t epoch = trusted_epoch(known);
    osd_status st = find_ground(c, usual, &t->ground);

    if (st || !is_signed(c))
        return st;
    st = derive(c, t);
    if (st == OSD_OK)
        st = check_signed(c, t);
    if (c->verified && usual)
        trusted_enter(known, epoch, secure_judge(c), raw_capability(c), t);
    return st;
}

osd_status secure_validate(struct command *c)
{
    bool usual = is_usual(c);
    struct trust t;
    bool found =
        usual && trusted_find(&c->dev->trusted, secure_judge(c), raw_capability(c), &t);
    osd_status st = found ? use_known(c, &t) : use_new(c, usual, &t);

    if (is_signed(c))
        OPENSSL_cleanse(&t, sizeof(t));
    return st;
}

osd_status secure_validate_again(struct command *c)
{
    struct trust t;
    osd_status st = find_ground(c, is_usual(c), &t.ground);

    if (st || !is_signed(c))
        return st;
    st = derive(c, &t);
    if (st == OSD_OK)
        st = check_request(c, &t);
    if (st == OSD_OK && (t.ground.frozen || t.audit_frozen))
        st = fail_kind(c, t.ground.frozen ? FAULT_KEY_FROZEN : FAULT_AUDIT);
    OPENSSL_cleanse(&t, sizeof(t));
    return st;
}

void secure_note_change(struct command *c)
{
    enum target t = c->act->target;
    bool whole = t == TARGET_ROOT || t == TARGET_PARTITION || t == TARGET_NEW_PARTITION ||
                 t == TARGET_SOURCE || t == TARGET_KEY;

    bool policy_owner = c->target_type == OSD_TYPE_ROOT || c->target_type == OSD_TYPE_PARTITION;

    if ((whole && c->mutating) || (c->sets && policy_owner))
        trusted_expire(&c->dev->trusted);
}

/* ---- the response ---- */

osd_status secure_good_icv(const struct command *c, uint8_t *dst)
{
    uint8_t icv[OSD_KEY_LEN];
    osd_status st;

    if (c->past_end) { /* the status is none, its value is in the sense data */
        memset(dst, 0, secure_icv_len(c));
        return OSD_OK;
    }
    st = osd_response_icv_with(&c->cap_key, c->cdb.sec.nonce, SAM_GOOD,
                               (struct osd_bytes){NULL, 0}, icv);
    if (st == OSD_OK)
        osd_icv_put(icv, dst, secure_icv_len(c));
    return st;
}

void secure_sign_sense(const struct command *c, struct osd_sense *s)
{
    uint8_t raw[OSD_SENSE_MAX], icv[OSD_KEY_LEN];
    size_t len;

    if (!secure_signs(c))
        return;
    s->icv_len = secure_icv_len(c);
    len = osd_sense_encode(s, raw);
    if (osd_response_icv_with(&c->cap_key, c->cdb.sec.nonce, SAM_CHECK_CONDITION,
                              (struct osd_bytes){raw, len}, icv) == OSD_OK)
        osd_icv_put(icv, s->icv, s->icv_len);
}

static osd_status in_icv(struct command *c, const uint8_t counts[IN_COUNTS],
                         uint8_t ret[OSD_KEY_LEN])
{
    struct osd_mac m;
    osd_status st;

    osd_mac_begin_with(&c->cap_key, &m);
    if ((st = osd_mac_add_iov(&m, &c->req->in, 0, c->data_in_len)) ||
        (st = osd_mac_add_iov(&m, &c->req->in, c->attr_in_off, c->attr_in_len)) ||
        (st = osd_mac_add(&m, counts, IN_COUNTS))) {
        osd_mac_drop(&m);
        return st;
    }
    return osd_mac_end(&m, ret);
}

uint64_t secure_seal(struct command *c, uint64_t in_len)
{
    uint8_t info[IN_COUNTS + OSD_ICV2_LEN], icv[OSD_KEY_LEN];
    size_t len = IN_COUNTS + secure_icv_len(c);
    uint64_t at = c->cdb.sec.data_in_icv_off;

    if (!c->verified || c->cdb.cap.method != OSD_SEC_ALLDATA || at == OSD_OFFSET_UNUSED ||
        c->keeps_in || at < in_len || at > c->req->in.len || c->req->in.len - at < len)
        return in_len;
    be64_put(info, c->data_in_len);
    be64_put(info + 8, c->attr_in_len);
    if (in_icv(c, info, icv))
        return in_len;
    osd_icv_put(icv, info + IN_COUNTS, secure_icv_len(c));
    osd_iov_write(&c->req->in, at, info, len);
    return at + len;
}
