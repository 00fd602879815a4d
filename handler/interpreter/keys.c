/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/keys.c - key records, SET KEY, SET MASTER KEY (reference 6.5-6.8)
 */
#include "keys.h"

#include <openssl/crypto.h>
#include <string.h>

#include "commands.h"
#include "secure.h"
#include "security/dh.h"
#include "security/icv.h"

#define RECORD_LEN    (8 + 2 * OSD_KEY_LEN + OSD_KEY_ID_LEN)
#define STORED_MAX    (RECORD_LEN + OSD_SEAL_MORE)
#define LABEL_LEN     12
#define FROZEN_NUMBER 0x5u /* of P+5h: mask of frozen working keys */

static const struct store_id root = {0, 0};

/* ---- records ---- */

static void encode(const struct key_record *k, uint8_t dst[RECORD_LEN])
{
    be64_put(dst, k->serial);
    memcpy(dst + 8, k->generation, OSD_KEY_LEN);
    memcpy(dst + 8 + OSD_KEY_LEN, k->authentication, OSD_KEY_LEN);
    memcpy(dst + 8 + 2 * OSD_KEY_LEN, k->id, OSD_KEY_ID_LEN);
}

static void decode(const uint8_t src[RECORD_LEN], struct key_record *ret)
{
    ret->serial = be64_get(src);
    memcpy(ret->generation, src + 8, OSD_KEY_LEN);
    memcpy(ret->authentication, src + 8 + OSD_KEY_LEN, OSD_KEY_LEN);
    memcpy(ret->id, src + 8 + 2 * OSD_KEY_LEN, OSD_KEY_ID_LEN);
}

/* What a sealed record is bound to: whose key it is, and which. */
static struct osd_bytes label_of(struct store_id id, uint32_t number, uint8_t dst[LABEL_LEN])
{
    be64_put(dst, id.pid);
    be32_put(dst + 8, number);
    return (struct osd_bytes){dst, LABEL_LEN};
}

static osd_status get_record(struct store_txn *t, const struct osd_seal *seal,
                             struct store_id id, uint32_t number, struct key_record *ret)
{
    uint8_t raw[STORED_MAX], plain[RECORD_LEN], label[LABEL_LEN];
    uint32_t len = 0, want = seal ? STORED_MAX : RECORD_LEN;
    osd_status st = t->store->ops->get_attr(t, id, KEYS_PAGE, number, raw, sizeof(raw), &len);

    if (st)
        return st;
    if (len != want)
        return OSD_E_CORRUPT;
    if (seal)
        st = osd_seal_get(seal, label_of(id, number, label), (struct osd_bytes){raw, len},
                          plain);
    else
        memcpy(plain, raw, sizeof(plain));
    if (st == OSD_OK)
        decode(plain, ret);
    OPENSSL_cleanse(raw, sizeof(raw));
    OPENSSL_cleanse(plain, sizeof(plain));
    return st;
}

static osd_status put_record(struct store_txn *t, const struct osd_seal *seal,
                             struct store_id id, uint32_t number, const struct key_record *k)
{
    uint8_t raw[STORED_MAX], plain[RECORD_LEN], label[LABEL_LEN];
    uint32_t len = seal ? STORED_MAX : RECORD_LEN;
    osd_status st = OSD_OK;

    encode(k, plain);
    if (seal)
        st = osd_seal_put(seal, label_of(id, number, label),
                          (struct osd_bytes){plain, sizeof(plain)}, raw);
    else
        memcpy(raw, plain, sizeof(plain));
    if (st == OSD_OK)
        st = t->store->ops->set_attr(t, id, KEYS_PAGE, number, raw, len);
    OPENSSL_cleanse(raw, sizeof(raw));
    OPENSSL_cleanse(plain, sizeof(plain));
    return st;
}

static osd_status drop_record(struct command *c, struct store_id id, uint32_t number)
{
    return ops_of(c)->set_attr(c->txn, id, KEYS_PAGE, number, NULL, 0);
}

/* Serial of the root key there is; 0 before the first. */
static osd_status get_serial(struct command *c, uint64_t *ret)
{
    uint8_t raw[8];
    uint32_t len = 0;
    osd_status st =
        ops_of(c)->get_attr(c->txn, root, KEYS_PAGE, KEY_SERIAL, raw, sizeof(raw), &len);

    *ret = st == OSD_OK && len == sizeof(raw) ? be64_get(raw) : 0;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Every partition and working key ends. */
static osd_status next_serial(struct command *c)
{
    uint64_t serial;
    uint8_t raw[8];
    osd_status st = get_serial(c, &serial);

    if (st)
        return st;
    be64_put(raw, serial + 1);
    return ops_of(c)->set_attr(c->txn, root, KEYS_PAGE, KEY_SERIAL, raw, sizeof(raw));
}

osd_status keys_load(struct command *c, uint64_t pid, uint32_t number, struct key_record *ret)
{
    uint64_t serial = 0;
    osd_status st = get_record(c->txn, c->dev->seal, (struct store_id){pid, 0}, number, ret);

    if (st == OSD_OK && number >= KEY_PARTITION)
        st = get_serial(c, &serial);
    if (st == OSD_OK && number >= KEY_PARTITION && ret->serial != serial)
        st = OSD_E_NOT_FOUND;
    return st;
}

/* ---- which key ---- */

enum { SET_ROOT = 1, SET_PARTITION = 2, SET_WORKING = 3 };

static osd_status authentication_key(struct command *c, uint64_t pid, uint32_t number,
                                     uint8_t ret[OSD_KEY_LEN])
{
    struct key_record k;
    osd_status st = keys_load(c, pid, number, &k);

    if (st == OSD_OK)
        memcpy(ret, k.authentication, OSD_KEY_LEN);
    OPENSSL_cleanse(&k, sizeof(k));
    return st;
}

osd_status keys_working(struct command *c, uint64_t pid, uint8_t version,
                        uint8_t ret[OSD_KEY_LEN])
{
    return authentication_key(c, pid, KEY_WORKING + version, ret);
}

osd_status keys_secret(struct command *c, uint8_t ret[OSD_KEY_LEN])
{
    uint8_t which = c->cdb.option;

    if (c->cdb.op == OSD_OP_SET_MASTER_KEY ||
        (c->cdb.op == OSD_OP_SET_KEY && which <= SET_ROOT))
        return authentication_key(c, 0, KEY_MASTER, ret);
    if (c->cdb.op == OSD_OP_SET_KEY && which == SET_PARTITION)
        return authentication_key(c, 0, KEY_ROOT, ret);
    if (c->cdb.op == OSD_OP_SET_KEY)
        return authentication_key(c, c->target.pid, KEY_PARTITION, ret);
    return keys_working(c, secure_judge(c), c->cdb.cap.key_version, ret);
}

/* ---- SET KEY ---- */

/* Where the three kinds of keys come from and go to. */
static const struct {
    uint32_t parent, number;
} kinds[] = {[SET_ROOT] = {KEY_MASTER, KEY_ROOT},
             [SET_PARTITION] = {KEY_ROOT, KEY_PARTITION},
             [SET_WORKING] = {KEY_PARTITION, KEY_WORKING}};

static osd_status check_set_key(struct command *c)
{
    uint8_t version = c->cdb.key_version;

    if (c->cdb.option == 0)
        return fail_cdb(c, 11);
    if (c->cdb.option == SET_ROOT && c->cdb.pid != 0)
        return fail_cdb(c, 16);
    if (version >= N_WORKING || (c->cdb.option != SET_WORKING && version != 0))
        return fail_cdb(c, 24);
    return OSD_OK;
}

/* Both parts of a key from its parent's generation key. */
static osd_status derive(const struct key_record *parent, struct osd_bytes seed,
                         struct key_record *k)
{
    osd_status st = osd_key_derive(parent->generation, seed, OSD_KEY_GENERATION, k->generation);

    return st ? st
              : osd_key_derive(parent->generation, seed, OSD_KEY_AUTHENTICATION,
                               k->authentication);
}

/* A new working key is not frozen. */
static osd_status thaw(struct command *c)
{
    uint32_t page = OSD_PAGE_P + OSD_PG_SECURITY, len = 0;
    uint8_t raw[2];
    osd_status st =
        ops_of(c)->get_attr(c->txn, c->target, page, FROZEN_NUMBER, raw, sizeof(raw), &len);

    if (st || len != sizeof(raw))
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    be16_put(raw, be16_get(raw) & (uint16_t) ~(1u << c->cdb.key_version));
    return ops_of(c)->set_attr(c->txn, c->target, page, FROZEN_NUMBER, raw, sizeof(raw));
}

/* What ends or changes with a key that was set. */
static osd_status consequences(struct command *c)
{
    osd_status st = OSD_OK;

    if (c->cdb.option == SET_ROOT)
        return next_serial(c);
    if (c->cdb.option == SET_WORKING)
        return thaw(c);
    for (uint32_t v = 0; v < N_WORKING && st == OSD_OK; v++)
        st = drop_record(c, c->target, KEY_WORKING + v);
    return st;
}

osd_status run_set_key(struct command *c)
{
    struct osd_bytes seed = {c->cdb.seed, OSD_SEED_LEN};
    struct key_record parent, k = {0};
    uint32_t number;
    osd_status st = check_set_key(c);

    if (st)
        return st;
    number = kinds[c->cdb.option].number;
    if (c->cdb.option == SET_WORKING)
        number += c->cdb.key_version;
    st = keys_load(c, c->cdb.option == SET_WORKING ? c->target.pid : 0,
                   kinds[c->cdb.option].parent, &parent);
    if (st == OSD_E_NOT_FOUND) /* nothing to make it from */
        return fail_cdb(c, 11);
    if (st == OSD_OK)
        st = derive(&parent, seed, &k);
    if (c->cdb.option == SET_WORKING)
        memset(k.generation, 0, OSD_KEY_LEN);
    memcpy(k.id, c->cdb.key_id, OSD_KEY_ID_LEN);
    if (st == OSD_OK)
        st = get_serial(c, &k.serial);
    if (st == OSD_OK)
        st = put_record(c->txn, c->dev->seal, c->target, number, &k);
    OPENSSL_cleanse(&k, sizeof(k));
    OPENSSL_cleanse(&parent, sizeof(parent));
    return st ? st : consequences(c);
}

/* ---- SET MASTER KEY ---- */

static osd_status seed_exchange(struct command *c)
{
    struct exchange *x = &c->dev->exchange;
    size_t len = osd_dh_len(c->cdb.dh_group);
    uint8_t answer[4 + OSD_DH_MAX];
    uint64_t n;
    osd_status st;

    if (len == 0 || (c->cdb.dh_group == OSD_DH_1024 && !c->dev->weak_groups))
        return fail_cdb(c, 24);
    if (c->cdb.param_len != len)
        return fail_cdb(c, 32);
    pthread_mutex_lock(&x->lock);
    x->len = len;
    x->group = c->cdb.dh_group;
    memcpy(x->id, c->cdb.key_id, OSD_KEY_ID_LEN);
    osd_iov_read(&c->req->out, c->data_off, x->client, len);
    st = exchange_begin(x);
    be32_put(answer, (uint32_t)len);
    memcpy(answer + 4, x->device, len);
    pthread_mutex_unlock(&x->lock);
    n = 4 + len < c->cdb.alloc_len ? 4 + len : c->cdb.alloc_len;
    if (st == OSD_OK)
        c->data_in_len = osd_iov_write(&c->req->in, 0, answer, n);
    return st;
}

/* A value of step 1 against that of step 0; *at moves behind it. */
static osd_status check_value(struct command *c, const uint8_t *want, size_t len, uint64_t *at)
{
    uint8_t raw[4 + OSD_DH_MAX];
    uint64_t start = *at;

    *at += 4 + len;
    if (osd_iov_read(&c->req->out, start, raw, 4 + len) != 4 + len || be32_get(raw) != len)
        return fail_param(c, start);
    return memcmp(raw + 4, want, len) == 0 ? OSD_OK : fail_param(c, start + 4);
}

/* Step 1 repeats what step 0 exchanged, within ten seconds. */
static osd_status check_exchange(struct command *c, const struct exchange *x)
{
    uint64_t at = c->data_off;
    osd_status st;

    if (!exchange_lives(x))
        return fail_kind(c, FAULT_SEQUENCE);
    if (x->group != c->cdb.dh_group)
        return fail_cdb(c, 24);
    if (memcmp(x->id, c->cdb.key_id, OSD_KEY_ID_LEN) != 0)
        return fail_cdb(c, 25);
    if (c->cdb.param_len != 2 * (4 + x->len))
        return fail_cdb(c, 32);
    st = check_value(c, x->client, x->len, &at);
    return st ? st : check_value(c, x->device, x->len, &at);
}

static osd_status install(struct command *c, const struct exchange *x)
{
    uint8_t shared[OSD_DH_MAX];
    struct key_record old, k = {0};
    osd_status st = osd_dh_shared(x->group, x->secret, x->client, shared);

    if (st == OSD_E_INVALID) /* a value that gives the secret away */
        return fail_param(c, c->data_off + 4);
    if (st == OSD_OK)
        st = keys_load(c, 0, KEY_MASTER, &old);
    if (st == OSD_E_NOT_FOUND)
        return fail_cdb(c, 11);
    if (st == OSD_OK)
        st = derive(&old, (struct osd_bytes){shared, x->len}, &k);
    memcpy(k.id, x->id, OSD_KEY_ID_LEN);
    if (st == OSD_OK)
        st = put_record(c->txn, c->dev->seal, root, KEY_MASTER, &k);
    if (st == OSD_OK)
        st = drop_record(c, root, KEY_ROOT);
    OPENSSL_cleanse(shared, sizeof(shared));
    OPENSSL_cleanse(&k, sizeof(k));
    OPENSSL_cleanse(&old, sizeof(old));
    return st ? st : next_serial(c);
}

static osd_status change_master(struct command *c)
{
    struct exchange *x = &c->dev->exchange;
    osd_status st;

    pthread_mutex_lock(&x->lock);
    st = check_exchange(c, x);
    if (st == OSD_OK)
        st = install(c, x);
    if (st == OSD_OK)
        exchange_end(x);
    pthread_mutex_unlock(&x->lock);
    return st;
}

osd_status run_set_master_key(struct command *c)
{
    switch (c->cdb.option) {
    case 0:
        return seed_exchange(c);
    case 1:
        return change_master(c);
    default:
        return fail_cdb(c, 11);
    }
}

/* ---- the first master key ---- */

osd_status keys_have_master(struct osd_store *s, const struct osd_seal *seal, bool *ret)
{
    struct key_record k;
    struct store_txn *t;
    osd_status st = s->ops->begin(s, root, STORE_SHARED, &t);

    if (st)
        return st;
    st = get_record(t, seal, root, KEY_MASTER, &k);
    s->ops->abort(t);
    OPENSSL_cleanse(&k, sizeof(k));
    *ret = st == OSD_OK;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

osd_status keys_install_master(struct osd_store *s, const struct osd_seal *seal,
                               const uint8_t key[2 * OSD_KEY_LEN])
{
    struct key_record k = {0};
    struct store_txn *t;
    osd_status st = s->ops->begin(s, root, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    memcpy(k.generation, key, OSD_KEY_LEN);
    memcpy(k.authentication, key + OSD_KEY_LEN, OSD_KEY_LEN);
    st = put_record(t, seal, root, KEY_MASTER, &k);
    OPENSSL_cleanse(&k, sizeof(k));
    if (st == OSD_OK)
        return s->ops->commit(t, STORE_COMMIT_SYNC);
    s->ops->abort(t);
    return st;
}

/* ---- keys that are no longer trusted ---- */

static osd_status drop_from(struct store_txn *t, struct store_id id, uint32_t number)
{
    return t->store->ops->set_attr(t, id, KEYS_PAGE, number, NULL, 0);
}

static osd_status end_keys(struct store_txn *t, struct store_id id)
{
    osd_status st = drop_from(t, id, KEY_PARTITION);

    for (uint32_t v = 0; v < N_WORKING && st == OSD_OK; v++)
        st = drop_from(t, id, KEY_WORKING + v);
    return st;
}

/* Keys that are there for one of another serial number have ended. */
static osd_status any_serial(struct store_txn *t)
{
    uint8_t raw[8];

    osd_random(raw, sizeof(raw));
    raw[0] &= 0x7f; /* it counts on */
    return t->store->ops->set_attr(t, root, KEYS_PAGE, KEY_SERIAL, raw, sizeof(raw));
}

/* The root's, with master: that and the root key as well. */
static osd_status end_of(struct osd_store *s, struct store_id id, bool master)
{
    struct store_txn *t;
    osd_status st = s->ops->begin(s, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = end_keys(t, id);
    if (st == OSD_OK && master)
        st = drop_from(t, id, KEY_MASTER);
    if (st == OSD_OK && master)
        st = drop_from(t, id, KEY_ROOT);
    if (st == OSD_OK && id.pid == 0)
        st = any_serial(t);
    if (st == OSD_OK)
        return s->ops->commit(t, STORE_COMMIT_SYNC);
    s->ops->abort(t);
    return st;
}

osd_status keys_end(struct osd_store *s, uint64_t pid)
{
    return end_of(s, (struct store_id){pid, 0}, false);
}

osd_status keys_master(struct osd_store *s, enum keys_master *ret)
{
    struct store_txn *t;
    uint32_t len = 0;
    osd_status st = s->ops->begin(s, root, STORE_SHARED, &t);

    if (st)
        return st;
    st = s->ops->get_attr(t, root, KEYS_PAGE, KEY_MASTER, NULL, 0, &len);
    s->ops->abort(t);
    *ret = st ? KEYS_NO_MASTER : len == RECORD_LEN ? KEYS_MASTER_OPEN : KEYS_MASTER_SEALED;
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* ---- sealing what lies open ---- */

/* One record that may be absent, or sealed already. */
static osd_status seal_record(struct store_txn *t, const struct osd_seal *seal,
                              struct store_id id, uint32_t number)
{
    struct key_record k;
    osd_status st = get_record(t, NULL, id, number, &k);

    if (st == OSD_OK)
        st = put_record(t, seal, id, number, &k);
    else if (st == OSD_E_CORRUPT) /* of another length */
        st = get_record(t, seal, id, number, &k);
    OPENSSL_cleanse(&k, sizeof(k));
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

static osd_status seal_records(struct osd_store *s, const struct osd_seal *seal,
                               struct store_id id)
{
    struct store_txn *t;
    osd_status st = s->ops->begin(s, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = seal_record(t, seal, id, KEY_MASTER);
    if (st == OSD_OK)
        st = seal_record(t, seal, id, KEY_ROOT);
    if (st == OSD_OK)
        st = seal_record(t, seal, id, KEY_PARTITION);
    for (uint32_t v = 0; v < N_WORKING && st == OSD_OK; v++)
        st = seal_record(t, seal, id, KEY_WORKING + v);
    if (st == OSD_OK)
        return s->ops->commit(t, STORE_COMMIT_SYNC);
    s->ops->abort(t);
    return st;
}

/* Partitions from one id on. *ret_next: the first that is left, 0: none. */
static osd_status some_partitions(struct osd_store *s, uint64_t from, uint64_t *pids,
                                  size_t max, size_t *ret_n, uint64_t *ret_next)
{
    struct store_txn *t;
    uint64_t changes;
    osd_status st = s->ops->begin(s, root, STORE_SHARED, &t);

    if (st)
        return st;
    st = s->ops->list(t, 0, STORE_PARTITION, from, pids, max, ret_n, ret_next, &changes);
    s->ops->abort(t);
    return st;
}

/* seal NULL: end them instead. */
static osd_status each_partition(struct osd_store *s, const struct osd_seal *seal)
{
    uint64_t pids[64], next = OSD_ID_FIRST;
    osd_status st = OSD_OK;

    while (st == OSD_OK && next != 0) {
        size_t n = 0;
        st = some_partitions(s, next, pids, sizeof(pids) / sizeof(pids[0]), &n, &next);
        for (size_t i = 0; i < n && st == OSD_OK; i++)
            st = seal ? seal_records(s, seal, (struct store_id){pids[i], 0})
                      : keys_end(s, pids[i]);
    }
    return st;
}

osd_status keys_seal_all(struct osd_store *s, const struct osd_seal *seal)
{
    osd_status st = seal_records(s, seal, root);

    return st ? st : each_partition(s, seal);
}

osd_status keys_end_all(struct osd_store *s)
{
    osd_status st = end_of(s, root, true);

    return st ? st : each_partition(s, NULL);
}
