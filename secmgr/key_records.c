/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/key_records.c - see key_records.h
 */
#include "key_records.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define FORMAT           1
#define PART_TAGS        2 /* format of partitions with tags; without them they have format 1 */
#define ALGORITHMS_KNOWN 2 /* likewise of devices with what they said of their algorithms */
#define PLAIN_ROOM       900
#define LABEL_ROOM       80

void sm_osd_keys_wipe(struct sm_osd_keys *k)
{
    OPENSSL_cleanse(k, sizeof(*k));
}

void sm_part_keys_wipe(struct sm_part_keys *k)
{
    OPENSSL_cleanse(k, sizeof(*k));
}

/* ---- reading in order ---- */

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static void take(struct reader *r, void *dst, size_t len)
{
    if ((size_t)(r->end - r->at) < len) {
        r->bad = true;
        return;
    }
    memcpy(dst, r->at, len);
    r->at += len;
}

static uint8_t take_u8(struct reader *r)
{
    uint8_t v = 0;

    take(r, &v, 1);
    return v;
}

static uint64_t take_be64(struct reader *r)
{
    uint8_t b[8] = {0};

    take(r, b, sizeof(b));
    return be64_get(b);
}

static bool at_good_end(const struct reader *r)
{
    return !r->bad && r->at == r->end;
}

/* ---- pieces ---- */

static void put_key(struct osd_writer *w, const struct sm_key *k)
{
    osd_writer_put(w, k->generation, OSD_KEY_LEN);
    osd_writer_put(w, k->authentication, OSD_KEY_LEN);
}

static void take_key(struct reader *r, struct sm_key *k)
{
    take(r, k->generation, OSD_KEY_LEN);
    take(r, k->authentication, OSD_KEY_LEN);
}

static void put_pending(struct osd_writer *w, const struct sm_set_key *k)
{
    osd_writer_u8(w, k->kind);
    osd_writer_u8(w, k->version);
    osd_writer_put(w, k->seed, sizeof(k->seed));
    osd_writer_put(w, k->nonce, sizeof(k->nonce));
    osd_writer_put(w, k->id, sizeof(k->id));
}

static void take_pending(struct reader *r, struct sm_set_key *k)
{
    k->kind = take_u8(r);
    k->version = take_u8(r);
    take(r, k->seed, sizeof(k->seed));
    take(r, k->nonce, sizeof(k->nonce));
    take(r, k->id, sizeof(k->id));
    if (k->kind > SM_KEY_WORKING || k->version >= SM_WORKING)
        r->bad = true;
}

static void put_tag(struct osd_writer *w, const struct sm_tag *t)
{
    osd_writer_be32(w, t->value);
    osd_writer_u8(w, t->pending);
    osd_writer_put(w, t->nonce, sizeof(t->nonce));
}

static void take_tag(struct reader *r, struct sm_tag *t)
{
    uint8_t value[4] = {0};

    take(r, value, sizeof(value));
    t->value = be32_get(value);
    t->pending = take_u8(r) != 0;
    take(r, t->nonce, sizeof(t->nonce));
}

/* ---- an OSD ---- */

static const char *osd_label(const struct sm_osd *o, char dst[LABEL_ROOM])
{
    snprintf(dst, LABEL_ROOM, "osd %s", o->id);
    return dst;
}

osd_status sm_osd_keys_load(struct sm_vault *v, const struct sm_osd *o, struct sm_osd_keys *ret)
{
    _cleanup_osd_keys_ struct sm_osd_keys k = {0};
    uint8_t plain[PLAIN_ROOM];
    char label[LABEL_ROOM];
    uint8_t format;
    size_t len;
    osd_status st =
        sm_vault_unseal(v, osd_label(o, label), o->secret, plain, sizeof(plain), &len);

    if (st)
        return st;
    struct reader r = {plain, plain + len, false};
    format = take_u8(&r);
    r.bad = format != FORMAT && format != ALGORITHMS_KNOWN;
    take_key(&r, &k.master);
    take_key(&r, &k.root);
    take_key(&r, &k.next_master);
    k.has_next = take_u8(&r) != 0;
    k.has_root = take_u8(&r) != 0;
    take_pending(&r, &k.pending);
    if (format == ALGORITHMS_KNOWN) {
        k.knows_algorithms = take_u8(&r) != 0;
        k.algorithms.ours = take_u8(&r) != 0;
        take(&r, k.algorithms.code, sizeof(k.algorithms.code));
    }
    OPENSSL_cleanse(plain, sizeof(plain));
    if (!at_good_end(&r))
        return OSD_E_CORRUPT;
    *ret = k;
    return OSD_OK;
}

osd_status sm_osd_keys_store(struct sm_vault *v, const struct sm_osd_keys *k, struct sm_osd *o)
{
    uint8_t plain[PLAIN_ROOM];
    char label[LABEL_ROOM];
    struct osd_writer w = osd_writer_make(plain, sizeof(plain));
    osd_status st;

    osd_writer_u8(&w, ALGORITHMS_KNOWN);
    put_key(&w, &k->master);
    put_key(&w, &k->root);
    put_key(&w, &k->next_master);
    osd_writer_u8(&w, k->has_next);
    osd_writer_u8(&w, k->has_root);
    put_pending(&w, &k->pending);
    osd_writer_u8(&w, k->knows_algorithms);
    osd_writer_u8(&w, k->algorithms.ours);
    osd_writer_put(&w, k->algorithms.code, sizeof(k->algorithms.code));
    st = sm_vault_seal(v, osd_label(o, label), plain, w.full, o->secret, sizeof(o->secret));
    OPENSSL_cleanse(plain, sizeof(plain));
    return st;
}

osd_status sm_root_mark(const struct sm_osd_keys *k, uint8_t ret[4])
{
    static const uint8_t text[] = "root mark";
    const struct osd_bytes piece = {text, sizeof(text)};
    uint8_t mac[OSD_KEY_LEN];
    osd_status st = osd_mac(k->root.generation, &piece, 1, mac);

    if (!st)
        memcpy(ret, mac, 4);
    return st;
}

/* ---- a partition ---- */

static const char *part_label(const struct sm_part *p, char dst[LABEL_ROOM])
{
    snprintf(dst, LABEL_ROOM, "partition %s/%" PRIx64, p->osd, p->pid);
    return dst;
}

osd_status sm_part_keys_load(struct sm_vault *v, const struct sm_part *p,
                             struct sm_part_keys *ret)
{
    _cleanup_part_keys_ struct sm_part_keys k = {0};
    uint8_t plain[PLAIN_ROOM];
    char label[LABEL_ROOM];
    uint8_t format;
    size_t len;
    osd_status st =
        sm_vault_unseal(v, part_label(p, label), p->secret, plain, sizeof(plain), &len);

    if (st)
        return st;
    struct reader r = {plain, plain + len, false};
    format = take_u8(&r);
    r.bad = format != FORMAT && format != PART_TAGS;
    k.has_key = take_u8(&r) != 0;
    k.has_current = take_u8(&r) != 0;
    k.current = take_u8(&r) % SM_WORKING;
    take(&r, k.root_mark, sizeof(k.root_mark));
    take_key(&r, &k.key);
    for (int i = 0; i < SM_WORKING; i++) {
        k.working[i].valid = take_u8(&r) != 0;
        k.working[i].set_ms = take_be64(&r);
        take(&r, k.working[i].key, OSD_KEY_LEN);
    }
    take_pending(&r, &k.pending);
    if (format == PART_TAGS) {
        k.untagged = take_u8(&r) != 0;
        take_tag(&r, &k.own_tag);
        take_tag(&r, &k.new_tag);
    }
    OPENSSL_cleanse(plain, sizeof(plain));
    if (!at_good_end(&r))
        return OSD_E_CORRUPT;
    *ret = k;
    return OSD_OK;
}

osd_status sm_part_keys_store(struct sm_vault *v, const struct sm_part_keys *k,
                              struct sm_part *p)
{
    uint8_t plain[PLAIN_ROOM];
    char label[LABEL_ROOM];
    struct osd_writer w = osd_writer_make(plain, sizeof(plain));
    osd_status st;

    osd_writer_u8(&w, PART_TAGS);
    osd_writer_u8(&w, k->has_key);
    osd_writer_u8(&w, k->has_current);
    osd_writer_u8(&w, k->current);
    osd_writer_put(&w, k->root_mark, sizeof(k->root_mark));
    put_key(&w, &k->key);
    for (int i = 0; i < SM_WORKING; i++) {
        osd_writer_u8(&w, k->working[i].valid);
        osd_writer_be64(&w, k->working[i].set_ms);
        osd_writer_put(&w, k->working[i].key, OSD_KEY_LEN);
    }
    put_pending(&w, &k->pending);
    osd_writer_u8(&w, k->untagged);
    put_tag(&w, &k->own_tag);
    put_tag(&w, &k->new_tag);
    st = sm_vault_seal(v, part_label(p, label), plain, w.full, p->secret, sizeof(p->secret));
    OPENSSL_cleanse(plain, sizeof(plain));
    return st;
}
