/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/staging.c - STAGE DATA-OUT and COLLECT (see staging.h)
 *
 * Invariants (under the lock):
 *  (1) total is the sum of the slots' lengths and never above STAGE_MAX_TOTAL.
 *  (2) A busy slot belongs to one thread, which alone touches its bytes; nobody frees it.
 * A stage that has been executed is kept, so that a COLLECT repeated after a lost answer finds
 * it: harmless for commands that change nothing, and safe by the embedded nonce for others.
 * Without a nonce a state-changing command is forgotten as soon as it has run.
 */
#include "staging.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "common/clock.h"

#define FIELD_TAG    16
#define FIELD_LENGTH 32

void staging_init(struct staging *s)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
}

void staging_destroy(struct staging *s)
{
    for (int i = 0; i < STAGE_MAX_COUNT; i++)
        free(s->slots[i].data);
    pthread_mutex_destroy(&s->lock);
}

uint64_t staging_bytes(struct staging *s)
{
    uint64_t total;

    pthread_mutex_lock(&s->lock);
    total = s->total;
    pthread_mutex_unlock(&s->lock);
    return total;
}

/* ---- slots; the lock is held ---- */

static void drop(struct staging *s, struct stage *g)
{
    s->total -= g->len;
    free(g->data);
    *g = (struct stage){0};
}

static void purge(struct staging *s, uint64_t now)
{
    for (int i = 0; i < STAGE_MAX_COUNT; i++)
        if (s->slots[i].data && !s->slots[i].busy && now >= s->slots[i].deadline)
            drop(s, &s->slots[i]);
}

static struct stage *find(struct staging *s, const uint8_t *tag)
{
    for (int i = 0; i < STAGE_MAX_COUNT; i++)
        if (s->slots[i].data && memcmp(s->slots[i].tag, tag, OSD_TAG_LEN) == 0)
            return &s->slots[i];
    return NULL;
}

static struct stage *find_free(struct staging *s)
{
    for (int i = 0; i < STAGE_MAX_COUNT; i++)
        if (!s->slots[i].data)
            return &s->slots[i];
    return NULL;
}

static struct stage *oldest_done(struct staging *s)
{
    struct stage *oldest = NULL;

    for (int i = 0; i < STAGE_MAX_COUNT; i++) {
        struct stage *g = &s->slots[i];
        if (g->data && g->done && !g->busy && (!oldest || g->order < oldest->order))
            oldest = g;
    }
    return oldest;
}

bool staging_peek(struct staging *s, const uint8_t *tag, uint8_t cdb[OSD_CDB_MAX],
                  size_t *ret_len)
{
    const struct stage *g;
    bool there;

    pthread_mutex_lock(&s->lock);
    g = find(s, tag);
    there = g && !g->busy && g->cdb_len <= OSD_CDB_MAX;
    if (there) {
        memcpy(cdb, g->data, g->cdb_len);
        *ret_len = g->cdb_len;
    }
    pthread_mutex_unlock(&s->lock);
    return there;
}

/* A free slot and room for len bytes; executed stages make way. NULL: no room. */
static struct stage *make_room(struct staging *s, uint32_t len)
{
    struct stage *g = find_free(s), *old;

    while ((!g || s->total + len > STAGE_MAX_TOTAL) && (old = oldest_done(s))) {
        drop(s, old);
        g = old;
    }
    return g && s->total + len <= STAGE_MAX_TOTAL ? g : NULL;
}

/* ---- STAGE ---- */

/* Take a slot for the tag, busy until it is settled. OSD_E_BUSY; OSD_E_NOMEM (no room). */
static osd_status reserve(struct staging *s, const struct osd_twophase *t, struct stage **ret)
{
    uint64_t now = osd_monotonic_frequent_ms();
    struct stage *g;
    uint8_t *data = malloc(t->length);

    if (!data)
        return OSD_E_NOMEM;
    pthread_mutex_lock(&s->lock);
    purge(s, now);
    g = find(s, t->tag);
    if (g && g->busy) {
        pthread_mutex_unlock(&s->lock);
        free(data);
        return OSD_E_BUSY;
    }
    if (g)
        drop(s, g);
    g = make_room(s, t->length);
    if (g) {
        *g = (struct stage){.data = data,
                            .len = t->length,
                            .deadline = now + STAGE_EXPIRES_MS,
                            .order = s->order++,
                            .busy = true};
        memcpy(g->tag, t->tag, OSD_TAG_LEN);
        s->total += g->len;
    }
    pthread_mutex_unlock(&s->lock);
    if (!g)
        free(data);
    *ret = g;
    return g ? OSD_OK : OSD_E_NOMEM;
}

static void settle(struct staging *s, struct stage *g, bool keep, bool done)
{
    pthread_mutex_lock(&s->lock);
    g->busy = false;
    g->done = g->done || done;
    if (!keep)
        drop(s, g);
    pthread_mutex_unlock(&s->lock);
}

/* The embedded command as a request of its own. */
static struct osd_request embedded(const struct stage *g, struct iovec *out)
{
    *out = (struct iovec){.iov_base = g->data + g->cdb_len, .iov_len = g->len - g->cdb_len};
    return (struct osd_request){
        .cdb = g->data, .cdb_len = g->cdb_len, .out = osd_iov_make(out, 1)};
}

/* Malformed embedded commands are refused here, and those their capability does not allow. */
static void judge(struct osd_device *dev, struct stage *g, struct osd_response *ret)
{
    struct osd_request req;
    struct iovec out;

    g->cdb_len = g->len >= 8 ? 8u + g->data[7] : g->len + 1;
    if (g->cdb_len > g->len || g->data[0] != OSD_OPCODE) {
        respond_plain(FAULT_PARAM, g->data[0] != OSD_OPCODE ? 0 : 7, ret);
        return;
    }
    req = embedded(g, &out);
    command_check(dev, &req, ret);
}

static void stage(struct osd_device *dev, const struct osd_twophase *t,
                  const struct osd_request *req, struct osd_response *ret)
{
    struct stage *g;
    osd_status st;

    if (t->length == 0 || t->length > STAGE_MAX_BYTES) {
        respond_plain(FAULT_CDB, FIELD_LENGTH, ret);
        return;
    }
    if (req->out.len < t->length) {
        respond_plain(FAULT_LENGTH, 0, ret);
        return;
    }
    st = reserve(&dev->staging, t, &g);
    if (st) { /* the tag is in use, or there is no room: both pass */
        *ret = (struct osd_response){.status = SAM_BUSY};
        return;
    }
    osd_iov_read(&req->out, 0, g->data, g->len);
    judge(dev, g, ret);
    settle(&dev->staging, g, ret->status == SAM_GOOD, false);
}

/* ---- COLLECT ---- */

static osd_status claim(struct staging *s, const uint8_t *tag, struct stage **ret)
{
    struct stage *g;
    osd_status st = OSD_OK;

    pthread_mutex_lock(&s->lock);
    purge(s, osd_monotonic_frequent_ms());
    g = find(s, tag);
    if (!g)
        st = OSD_E_NOT_FOUND;
    else if (g->busy)
        st = OSD_E_BUSY;
    else
        g->busy = true;
    pthread_mutex_unlock(&s->lock);
    *ret = g;
    return st;
}

static bool may_repeat(const struct osd_request *req)
{
    static const uint8_t zero[OSD_NONCE_LEN];
    struct osd_wire_error err;
    struct osd_cdb c;

    if (osd_cdb_decode(req->cdb, req->cdb_len, &c, &err))
        return false;
    return memcmp(c.sec.nonce, zero, sizeof(zero)) != 0 || !command_changes(&c);
}

/* Whether the command has not even begun and may be sent again as it is. */
static bool comes_later(const struct osd_response *r)
{
    return r->status == SAM_BUSY ||
           (r->status == SAM_CHECK_CONDITION && (r->sense[1] & 15) == SENSE_NOT_READY);
}

static void run(struct osd_device *dev, struct stage *g, const struct osd_twophase *t,
                const struct osd_request *outer, struct osd_response *ret)
{
    struct iovec out, *in = NULL;
    struct osd_request req = embedded(g, &out);

    if (outer->in.n > 0 && !(in = calloc((size_t)outer->in.n, sizeof(*in)))) {
        respond_plain(FAULT_ROOM, 0, ret);
        settle(&dev->staging, g, true, false);
        return;
    }
    req.in = osd_iov_make(in, osd_iov_slice(&outer->in, 0, t->length, in, outer->in.n));
    command_execute(dev, &req, ret);
    settle(&dev->staging, g, comes_later(ret) || may_repeat(&req), !comes_later(ret));
    free(in);
}

static void collect(struct osd_device *dev, const struct osd_twophase *t,
                    const struct osd_request *req, struct osd_response *ret)
{
    struct stage *g;
    osd_status st = claim(&dev->staging, t->tag, &g);

    if (st == OSD_E_BUSY)
        *ret = (struct osd_response){.status = SAM_BUSY};
    else if (st)
        respond_plain(FAULT_CDB, FIELD_TAG, ret);
    else
        run(dev, g, t, req, ret);
}

void staging_execute(struct osd_device *dev, const struct osd_twophase *t,
                     const struct osd_request *req, struct osd_response *ret)
{
    if (t->action == OSD_ACT_STAGE) {
        stage(dev, t, req, ret);
        if (!req->shared_buffer)
            osd_iov_zero(&req->in, 0, req->in.len);
        ret->in_len = 0;
        return;
    }
    *ret = (struct osd_response){0};
    collect(dev, t, req, ret);
    osd_iov_zero(&req->in, ret->in_len, req->in.len - ret->in_len);
}
