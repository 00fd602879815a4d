/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/replay.c - exactly once (see replay.h)
 *
 * Invariant: a nonce is looked up only while it is marked as in progress, and the mark is taken
 * away only after commit or abort; so of two threads with one nonce the later one is told BUSY
 * or finds the record.
 */
#include "replay.h"

#include <string.h>

#include "command.h"
#include "secure.h"

/* Of a record: its format, the mark of the CDB, what was answered. The first format had 48 bytes without a
 * number, which begin with a weaker digest. The others say what the mark is. */
#define OUTCOME_LEN 72
enum format {
    BY_DIGEST = 2, /* SHA-256 of the CDB */
    BY_VALUE = 3,  /* its request integrity value, then zeros */
};

void inflight_init(struct inflight *f)
{
    for (int i = 0; i < INFLIGHT_SHARDS; i++) {
        pthread_mutex_init(&f->shards[i].lock, NULL);
        f->shards[i].head = NULL;
    }
}

void inflight_destroy(struct inflight *f)
{
    for (int i = 0; i < INFLIGHT_SHARDS; i++)
        pthread_mutex_destroy(&f->shards[i].lock);
}

static unsigned shard_of(const uint8_t *nonce)
{
    return (nonce[5] ^ nonce[OSD_NONCE_LEN - 1]) % INFLIGHT_SHARDS;
}

static bool inflight_add(struct inflight *f, struct inflight_entry *e)
{
    unsigned i = shard_of(e->nonce);
    bool taken = false;

    pthread_mutex_lock(&f->shards[i].lock);
    for (struct inflight_entry *o = f->shards[i].head; o && !taken; o = o->next)
        taken = memcmp(o->nonce, e->nonce, OSD_NONCE_LEN) == 0;
    if (!taken) {
        e->next = f->shards[i].head;
        f->shards[i].head = e;
    }
    pthread_mutex_unlock(&f->shards[i].lock);
    return !taken;
}

static void inflight_del(struct inflight *f, struct inflight_entry *e)
{
    unsigned i = shard_of(e->nonce);

    pthread_mutex_lock(&f->shards[i].lock);
    for (struct inflight_entry **p = &f->shards[i].head; *p; p = &(*p)->next) {
        if (*p == e) {
            *p = e->next;
            break;
        }
    }
    pthread_mutex_unlock(&f->shards[i].lock);
}

/* ---- records ---- */

static void encode(const struct outcome *o, uint8_t dst[OUTCOME_LEN])
{
    be32_put(dst, o->format);
    be32_put(dst + 4, o->n_objects);
    memcpy(dst + 8, o->mark, OUTCOME_MARK_LEN);
    be64_put(dst + 40, o->pid);
    be64_put(dst + 48, o->oid);
    be64_put(dst + 56, o->append_start);
    be64_put(dst + 64, (uint64_t)o->used_change);
}

static void decode(const uint8_t src[OUTCOME_LEN], struct outcome *o)
{
    *o = (struct outcome){.format = be32_get(src),
                          .n_objects = be32_get(src + 4),
                          .pid = be64_get(src + 40),
                          .oid = be64_get(src + 48),
                          .append_start = be64_get(src + 56),
                          .used_change = (int64_t)be64_get(src + 64)};
    memcpy(o->mark, src + 8, OUTCOME_MARK_LEN);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

/* What tells the command from every other, in a record of this format; false: none of that format can be
 * of this command. The request integrity value does as well as a digest, and is there already: whoever finds
 * another CDB with the same one has broken HMAC. It is compared before it is checked, and nothing
 * comes of that until it was (secure_validate()). */
static bool mark_of(const struct command *c, uint32_t format, uint8_t ret[OUTCOME_MARK_LEN],
                    osd_status *st)
{
    size_t len = c->cdb.gen == OSD_GEN1 ? OSD1_CDB_LEN : OSD2_CDB_LEN;

    if (format == BY_DIGEST)
        *st = osd_digest(c->req->cdb, len, ret);
    else if (format == BY_VALUE && secure_has_value(c))
        osd_icv_put(c->cdb.sec.request_icv, ret, OUTCOME_MARK_LEN);
    else
        return false;
    return true;
}

static osd_status look_up(struct command *c)
{
    uint8_t raw[STORE_OUTCOME_MAX], mark[OUTCOME_MARK_LEN];
    struct replay *r = &c->replay;
    struct outcome seen;
    size_t len;
    osd_status st = ops_of(c)->recall(c->dev->store, r->entry.nonce, raw, &len);

    if (st == OSD_E_NOT_FOUND)
        return OSD_OK;
    if (st)
        return st;
    r->found = r->foreign = true;
    if (len != OUTCOME_LEN)
        return OSD_OK;
    decode(raw, &seen);
    if (!mark_of(c, seen.format, mark, &st) || st)
        return st;
    r->foreign = memcmp(seen.mark, mark, sizeof(mark)) != 0;
    if (!r->foreign)
        r->outcome = seen;
    return OSD_OK;
}

osd_status replay_enter(struct command *c)
{
    struct replay *r = &c->replay;

    if (is_zero(c->cdb.sec.nonce, OSD_NONCE_LEN) || !(c->mutating || c->sets))
        return OSD_OK;
    memcpy(r->entry.nonce, c->cdb.sec.nonce, OSD_NONCE_LEN);
    if (!inflight_add(&c->dev->inflight, &r->entry))
        return OSD_E_BUSY;
    r->active = r->entered = true;
    return look_up(c);
}

osd_status replay_record(struct command *c)
{
    struct outcome *o = &c->replay.outcome;
    uint8_t raw[OUTCOME_LEN];
    osd_status st = OSD_OK;

    if (!c->replay.active || c->replay.found)
        return OSD_OK;
    o->format = secure_has_value(c) ? BY_VALUE : BY_DIGEST;
    if (!mark_of(c, o->format, o->mark, &st) || st)
        return st;
    o->pid = c->object.id.pid;
    o->oid = c->object.id.oid;
    o->n_objects = c->n_objects;
    o->append_start = c->append_start;
    o->used_change = c->used_change;
    encode(o, raw);
    return ops_of(c)->record(c->txn, c->replay.entry.nonce, raw, sizeof(raw));
}

void replay_leave(struct command *c)
{
    if (c->replay.entered)
        inflight_del(&c->dev->inflight, &c->replay.entry);
    c->replay.entered = false;
}
