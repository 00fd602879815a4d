/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/memory.c - the store that forgets at exit: opening, outcomes, settings, the table
 *
 * For tests, fuzzers and as the model other implementations are compared with. Structure and
 * invariants: memory.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define SETTING_MAX 4096u

/* ---- outcomes of commands ---- */

/* Bucket of a nonce. Nonces are random enough to be their own hash; a peer that chooses equal
 * ones makes a chain of at most STORE_RECORDS. */
static struct mem_record **bucket(struct mem_store *s, const uint8_t *nonce)
{
    uint32_t words[3];

    memcpy(words, nonce, sizeof(words));
    return &s->buckets[(words[0] ^ words[1] * 31u ^ words[2] * 961u) % STORE_RECORDS];
}

/* The link that points to a nonce's record, or to NULL at the end of its chain. */
static struct mem_record **find_record(struct mem_store *s, const uint8_t *nonce)
{
    struct mem_record **at = bucket(s, nonce);

    while (*at && memcmp((*at)->nonce, nonce, STORE_NONCE_LEN) != 0)
        at = &(*at)->chain;
    return at;
}

static osd_status make_room_for_records(struct mem_store *s)
{
    if (!s->records)
        s->records = calloc(STORE_RECORDS, sizeof(struct mem_record *));
    if (!s->buckets)
        s->buckets = calloc(STORE_RECORDS, sizeof(struct mem_record *));
    return s->records && s->buckets ? OSD_OK : OSD_E_NOMEM;
}

static void forget_record(struct mem_store *s, struct mem_record *r)
{
    *find_record(s, r->nonce) = r->chain;
    free(r);
}

void mem_add_record(struct mem_store *s, struct mem_record *r)
{
    struct mem_record *same = *find_record(s, r->nonce);
    struct mem_record **slot = &s->records[s->next_record];

    if (same) {
        memcpy(same->outcome, r->outcome, r->len);
        same->len = r->len;
        free(r);
        return;
    }
    if (*slot)
        forget_record(s, *slot);
    *slot = r;
    *find_record(s, r->nonce) = r;
    s->next_record = (s->next_record + 1) % STORE_RECORDS;
}

static osd_status record(struct mem_txn *t, const uint8_t *nonce, const void *outcome,
                         size_t len)
{
    struct mem_store *s = mem_store_of(&t->base);
    osd_status status;

    if (t->record || len > STORE_OUTCOME_MAX)
        return OSD_E_INVALID;
    pthread_mutex_lock(&s->lock);
    status = make_room_for_records(s);
    pthread_mutex_unlock(&s->lock);
    if (status)
        return status;
    t->record = calloc(1, sizeof(*t->record));
    if (!t->record)
        return OSD_E_NOMEM;
    memcpy(t->record->nonce, nonce, STORE_NONCE_LEN);
    if (len > 0)
        memcpy(t->record->outcome, outcome, len);
    t->record->len = len;
    return OSD_OK;
}

static osd_status mem_record(struct store_txn *t, const uint8_t nonce[STORE_NONCE_LEN],
                             const void *outcome, size_t len)
{
    return mem_failed(t, record(mem_txn_of(t), nonce, outcome, len));
}

static osd_status mem_recall(struct osd_store *store, const uint8_t nonce[STORE_NONCE_LEN],
                             void *ret_outcome, size_t *ret_len)
{
    struct mem_store *s = (struct mem_store *)store;
    const struct mem_record *r = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->buckets)
        r = *find_record(s, nonce);
    if (r) {
        memcpy(ret_outcome, r->outcome, r->len);
        *ret_len = r->len;
    }
    pthread_mutex_unlock(&s->lock);
    return r ? OSD_OK : OSD_E_NOT_FOUND;
}

/* ---- settings ---- */

static struct mem_setting **find_setting(struct mem_store *s, const char *name)
{
    struct mem_setting **at = &s->settings;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static osd_status mem_get_setting(struct osd_store *store, const char *name, void *dst,
                                  size_t cap, size_t *ret_len)
{
    struct mem_store *s = (struct mem_store *)store;
    const struct mem_setting *found;

    pthread_mutex_lock(&s->lock);
    found = *find_setting(s, name);
    if (found) {
        size_t part = found->len < cap ? found->len : cap;
        if (part > 0)
            memcpy(dst, found->value, part);
        *ret_len = found->len;
    }
    pthread_mutex_unlock(&s->lock);
    return found ? OSD_OK : OSD_E_NOT_FOUND;
}

static osd_status mem_put_setting(struct osd_store *store, const char *name, const void *value,
                                  size_t len)
{
    struct mem_store *s = (struct mem_store *)store;
    struct mem_setting *made, **at, *old;
    size_t name_len = strlen(name);

    if (name_len == 0 || name_len >= sizeof(made->name) || len > SETTING_MAX)
        return OSD_E_INVALID;
    made = calloc(1, sizeof(*made) + len);
    if (!made)
        return OSD_E_NOMEM;
    memcpy(made->name, name, name_len);
    made->len = len;
    if (len > 0)
        memcpy(made->value, value, len);
    pthread_mutex_lock(&s->lock);
    at = find_setting(s, name);
    old = *at;
    made->next = old ? old->next : NULL;
    *at = made;
    pthread_mutex_unlock(&s->lock);
    free(old);
    return OSD_OK;
}

/* ---- the store as a whole ---- */

static void mem_info(struct osd_store *store, struct store_info *ret)
{
    struct mem_store *s = (struct mem_store *)store;

    pthread_mutex_lock(&s->lock);
    *ret = (struct store_info){.capacity = s->capacity,
                               .used = s->root->used,
                               .partitions = s->root->count,
                               .kind = "memory"};
    pthread_mutex_unlock(&s->lock);
}

static osd_status mem_flush(struct osd_store *s)
{
    return OSD_OK;
}

/* Nothing here survives the process. */
static osd_status mem_publish(struct osd_store *s)
{
    (void)s;
    return OSD_OK;
}

static void free_records(struct mem_store *s)
{
    for (size_t i = 0; s->records && i < STORE_RECORDS; i++)
        free(s->records[i]);
    free(s->records);
    free(s->buckets);
}

static void free_settings(struct mem_store *s)
{
    while (s->settings) {
        struct mem_setting *next = s->settings->next;
        free(s->settings);
        s->settings = next;
    }
}

static void mem_close(struct osd_store *store)
{
    struct mem_store *s = (struct mem_store *)store;

    free_records(s);
    free_settings(s);
    tree_unref(s->parts);
    if (s->root)
        store_ref_put(&s->root->ref);
    store_locks_free(s->locks);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const struct store_ops memory_ops = {
    .size = sizeof(struct store_ops),
    .close = mem_close,
    .info = mem_info,
    .begin = mem_begin,
    .commit = mem_commit,
    .abort = mem_abort,
    .get_meta = mem_get_meta,
    .put_meta = mem_put_meta,
    .create = mem_create,
    .remove = mem_remove,
    .format = mem_format,
    .read = mem_read,
    .write = mem_write,
    .clear = mem_clear,
    .punch = mem_punch,
    .truncate = mem_truncate,
    .seek = mem_seek,
    .get_attr = mem_get_attr,
    .set_attr = mem_set_attr,
    .each_attr = mem_each_attr,
    .list = mem_list,
    .record = mem_record,
    .recall = mem_recall,
    .touch = mem_touch,
    .flush = mem_flush,
    .check = mem_check,
    .get_setting = mem_get_setting,
    .put_setting = mem_put_setting,
    .set_member = mem_set_member,
    .members = mem_members,
    .duplicate = mem_duplicate,
    .place = mem_place,
    .find = mem_find_values,
    .publish = mem_publish,
};

static osd_status fill_store(struct mem_store *s, const struct store_config *cfg)
{
    const struct osd_clock *clock = cfg->clock ? cfg->clock : &osd_clock_system;
    struct store_meta root = store_root_defaults(osd_clock_now(clock));

    s->capacity = cfg->capacity ? cfg->capacity : STORE_NO_LIMIT;
    s->locks = store_locks_new();
    s->root = mem_part_new(0);
    if (s->root)
        s->root->self = mem_object_new(&root);
    return s->locks && s->root && s->root->self ? OSD_OK : OSD_E_NOMEM;
}

osd_status store_memory_open(const struct store_config *cfg, struct osd_store **ret,
                             char *reason, size_t reason_len)
{
    struct mem_store *s = calloc(1, sizeof(*s));
    osd_status status;

    if (s) {
        s->base.ops = &memory_ops;
        pthread_mutex_init(&s->lock, NULL);
    }
    status = s ? fill_store(s, cfg) : OSD_E_NOMEM;
    if (status == OSD_OK) {
        *ret = &s->base;
        return OSD_OK;
    }
    if (reason && reason_len > 0)
        snprintf(reason, reason_len, "memory store: no memory; free some and try again");
    if (s)
        mem_close(&s->base);
    return status;
}
