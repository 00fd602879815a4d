/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/keys.c - see keys.h, keys_internal.h
 */
#include "keys.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "digits.h"
#include "keys_internal.h"
#include "security/dh.h"

#define EXCHANGES  3    /* begun for one change of the master key */
#define VERIFY_MS  2000 /* between two verifications of one partition */
#define N_VERIFIED 64
#define LOCKS      32
#define PATIENCE_S 5 /* that a request waits for another one on the same device */

struct sm_keys {
    struct sm_keys_config cfg;
    pthread_mutex_t locks[LOCKS]; /* one slow operation at a time on one device */
    pthread_mutex_t mutex;        /* of what follows */
    struct {
        uint64_t hash, when;
    } verified[N_VERIFIED];
    atomic_uint_fast64_t enrolments, rotations, revocations, setups, failures;
};

osd_status sm_keys_open(const struct sm_keys_config *cfg, struct sm_keys **ret)
{
    struct sm_keys *k = calloc(1, sizeof(*k));

    if (!k)
        return OSD_E_NOMEM;
    k->cfg = *cfg;
    if (!k->cfg.open_link)
        k->cfg.open_link = sm_link_open_url;
    if (!k->cfg.dh_group)
        k->cfg.dh_group = OSD_DH_2048;
    pthread_mutex_init(&k->mutex, NULL);
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&k->locks[i], NULL);
    *ret = k;
    return OSD_OK;
}

void sm_keys_close(struct sm_keys *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->mutex);
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&k->locks[i]);
    free(k);
}

struct sm_db *sm_keys_db(struct sm_keys *k)
{
    return k->cfg.db;
}

void sm_keys_get_stats(struct sm_keys *k, struct sm_keys_stats *ret)
{
    *ret = (struct sm_keys_stats){atomic_load(&k->enrolments), atomic_load(&k->rotations),
                                  atomic_load(&k->revocations), atomic_load(&k->setups),
                                  atomic_load(&k->failures)};
}

static uint64_t now_ms(void)
{
    return osd_clock_now(&osd_clock_system);
}

/* ---- one at a time ---- */

static uint64_t hash_text(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    return h;
}

/* A device that does not answer holds up those who want to change its keys, nobody else, and
 * them not for ever. */
static osd_status lock(struct sm_keys *k, const char *osd, char *why, size_t why_len)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_mutex_timedlock(&k->locks[hash_text(osd) % LOCKS], &until) == 0)
        return OSD_OK;
    snprintf(why, why_len, "another change of keys on this device is under way");
    return OSD_E_BUSY;
}

static void unlock(struct sm_keys *k, const char *osd)
{
    pthread_mutex_unlock(&k->locks[hash_text(osd) % LOCKS]);
}

/* ---- a piece of work ---- */

static osd_status job_load_osd(struct sm_job *j, const char *name)
{
    osd_status st = sm_db_osd_get(j->k->cfg.db, name, &j->osd);

    if (st == OSD_E_NOT_FOUND)
        snprintf(j->why, j->why_len, "no OSD \"%s\"", name);
    else if (st)
        snprintf(j->why, j->why_len, "database: %s", sm_db_text());
    if (st)
        return st;
    if (!sm_hex_parse(j->osd.id, j->system_id, OSD_SYSTEM_ID_LEN))
        return OSD_E_CORRUPT;
    st = sm_osd_keys_load(j->k->cfg.vault, &j->osd, &j->osd_keys);
    if (st)
        snprintf(j->why, j->why_len, "the keys of %s do not open: another passphrase?",
                 j->osd.name);
    return st;
}

void sm_tag_plan(struct sm_job *j, struct sm_tag *t, uint32_t value)
{
    t->value = value;
    t->pending = true;
    sm_nonce_make(t->nonce, j->ahead_ms);
}

/* No keys any more; the tags stay what they are. */
static void drop_keys(struct sm_job *j)
{
    struct sm_part_keys bare = {
        .untagged = j->keys.untagged, .own_tag = j->keys.own_tag, .new_tag = j->keys.new_tag};

    sm_part_keys_wipe(&j->keys);
    j->keys = bare;
}

/* What has lost its keys was made anew, or restored, and has other tags, too. */
static void reset_part(struct sm_job *j)
{
    drop_keys(j);
    j->keys.untagged = false;
    if (j->keys.own_tag.value)
        sm_tag_plan(j, &j->keys.own_tag, j->keys.own_tag.value);
    if (j->keys.new_tag.value)
        sm_tag_plan(j, &j->keys.new_tag, j->keys.new_tag.value);
}

/* The partition's record; one without keys when there is none, or when they descend from an
 * earlier root key. */
static osd_status job_load_part(struct sm_job *j, uint64_t pid)
{
    uint8_t mark[4];
    osd_status st = sm_db_part_get(j->k->cfg.db, j->osd.id, pid, &j->part);

    sm_part_keys_wipe(&j->keys);
    j->keys = (struct sm_part_keys){0};
    if (st == OSD_E_NOT_FOUND) {
        j->part = (struct sm_part){.pid = pid};
        memcpy(j->part.osd, j->osd.id, sizeof(j->part.osd));
        return OSD_OK;
    }
    if (!st)
        st = sm_part_keys_load(j->k->cfg.vault, &j->part, &j->keys);
    if (!st)
        st = sm_root_mark(&j->osd_keys, mark);
    if (st)
        snprintf(j->why, j->why_len, "keys of partition 0x%" PRIx64 ": %s", pid,
                 st == OSD_E_CORRUPT ? "another passphrase?" : sm_db_text());
    else if (memcmp(mark, j->keys.root_mark, sizeof(mark)) != 0)
        reset_part(j);
    return st;
}

osd_status sm_job_save(struct sm_job *j)
{
    osd_status st = sm_root_mark(&j->osd_keys, j->keys.root_mark);

    if (!st)
        st = sm_part_keys_store(j->k->cfg.vault, &j->keys, &j->part);
    return st ? st : sm_db_part_put(j->k->cfg.db, &j->part);
}

static osd_status job_save_osd(struct sm_job *j)
{
    osd_status st = sm_osd_keys_store(j->k->cfg.vault, &j->osd_keys, &j->osd);

    return st ? st : sm_db_osd_put(j->k->cfg.db, &j->osd);
}

osd_status sm_job_link(struct sm_job *j)
{
    osd_status st;

    if (j->link)
        return OSD_OK;
    j->why[0] = 0;
    st = j->k->cfg.open_link(j->osd.url, &j->link, j->why, j->why_len);
    if (!st)
        j->link->method = j->osd.method;
    else if (!j->why[0])
        snprintf(j->why, j->why_len, "device %s: %s", j->osd.name, osd_status_text(st));
    return st;
}

static void close_job(struct sm_job *j)
{
    if (j->link)
        j->link->close(j->link);
    sm_osd_keys_wipe(&j->osd_keys);
    sm_part_keys_wipe(&j->keys);
}

/* ---- one partition ---- */

static void apply(struct sm_part_keys *k, const struct sm_key *made)
{
    if (k->pending.kind == SM_KEY_PARTITION) {
        k->has_key = true;
        k->key = *made;
        k->pending = (struct sm_set_key){0};
        return;
    }
    k->current = k->pending.version;
    k->has_current = true;
    k->working[k->current].valid = true;
    k->working[k->current].set_ms = now_ms();
    memcpy(k->working[k->current].key, made->authentication, OSD_KEY_LEN);
    k->pending = (struct sm_set_key){0};
}

static const struct sm_key *parent_of(const struct sm_job *j)
{
    return j->keys.pending.kind == SM_KEY_PARTITION ? &j->osd_keys.root : &j->keys.key;
}

/* The device does not know the parent key. */
static osd_status parent_lost(struct sm_job *j)
{
    if (j->keys.pending.kind == SM_KEY_PARTITION) {
        snprintf(j->why, j->why_len,
                 "%s does not accept its root key: it was restored or formatted, or somebody "
                 "else manages it; enrol it again",
                 j->osd.name);
        return OSD_E_DENIED;
    }
    reset_part(j);
    return sm_job_save(j);
}

static osd_status partition_gone(struct sm_job *j)
{
    snprintf(j->why, j->why_len, "%s has no partition 0x%" PRIx64, j->osd.name, j->part.pid);
    sm_db_part_remove(j->k->cfg.db, j->osd.id, j->part.pid);
    return OSD_E_NOT_FOUND;
}

/* Carry out what is written down. OSD_OK: the record has changed, look again. */
static osd_status carry_out(struct sm_job *j)
{
    struct sm_key made;
    osd_status st = sm_job_link(j);

    if (!st)
        st = sm_set_key_result(&j->keys.pending, parent_of(j), &made);
    if (!st)
        st = sm_device_set_key(j->link, j->system_id, j->part.pid, &j->keys.pending,
                               parent_of(j), &j->ahead_ms, j->why, j->why_len);
    switch (st) {
    case OSD_OK:
        apply(&j->keys, &made);
        return sm_job_save(j);
    case OSD_E_TIMEOUT: /* the nonce is too old for the device: make another */
        sm_set_key_plan(&j->keys.pending, j->keys.pending.kind, j->keys.pending.version,
                        j->ahead_ms);
        return sm_job_save(j);
    case OSD_E_DENIED:
        return parent_lost(j);
    case OSD_E_NOT_FOUND:
        return partition_gone(j);
    default:
        return st;
    }
}

/* A tag of the partition that the device does not have yet; NULL: it has them all. */
static struct sm_tag *missing_tag(struct sm_part_keys *k, uint64_t pid)
{
    if (pid == 0 || k->untagged)
        return NULL;
    return !k->own_tag.value || k->own_tag.pending   ? &k->own_tag
           : !k->new_tag.value || k->new_tag.pending ? &k->new_tag
                                                     : NULL;
}

/* Carry out a tag that is written down. OSD_OK: the record has changed, look again. */
static osd_status carry_tag(struct sm_job *j, struct sm_tag *t)
{
    struct sm_set_tag set = {.type = OSD_TYPE_PARTITION,
                             .pid = j->part.pid,
                             .for_new = t == &j->keys.new_tag,
                             .value = t->value};
    osd_status st = sm_job_link(j);

    memcpy(set.nonce, t->nonce, sizeof(set.nonce));
    if (!st)
        st = sm_device_set_tag(j->link, j->system_id, &set, j->keys.current,
                               j->keys.working[j->keys.current].key, &j->ahead_ms, j->why,
                               j->why_len);
    switch (st) {
    case OSD_OK:
        t->pending = false;
        return sm_job_save(j);
    case OSD_E_TIMEOUT:
        sm_tag_plan(j, t, t->value);
        return sm_job_save(j);
    case OSD_E_UNSUPPORTED: /* a snapshot */
        j->keys.untagged = true;
        j->keys.own_tag = j->keys.new_tag = (struct sm_tag){0};
        return sm_job_save(j);
    case OSD_E_DENIED: /* it does not know the working key */
        reset_part(j);
        return sm_job_save(j);
    case OSD_E_NOT_FOUND:
        return partition_gone(j);
    default:
        return st;
    }
}

/* Where tags begin does not matter, if only no two that an object ever has are the same. */
static osd_status first_tag(struct sm_job *j, struct sm_tag *t)
{
    uint32_t value;

    osd_random(&value, sizeof(value));
    sm_tag_plan(j, t, sm_tag_after(value));
    return sm_job_save(j);
}

static osd_status plan(struct sm_job *j, uint8_t kind, uint8_t version)
{
    sm_set_key_plan(&j->keys.pending, kind, version, j->ahead_ms);
    return sm_job_save(j);
}

/* The next thing a partition needs. *ret_ready: nothing. */
static osd_status next_step(struct sm_job *j, bool *ret_ready)
{
    struct sm_tag *t = missing_tag(&j->keys, j->part.pid);

    if (j->keys.pending.kind != SM_KEY_NONE)
        return carry_out(j);
    if (!j->keys.has_key)
        return plan(j, SM_KEY_PARTITION, 0);
    if (!j->keys.has_current)
        return plan(j, SM_KEY_WORKING, 0);
    if (t)
        return t->pending ? carry_tag(j, t) : first_tag(j, t);
    *ret_ready = true;
    return OSD_OK;
}

osd_status sm_job_settle(struct sm_job *j)
{
    bool ready = false;
    osd_status st = OSD_OK;

    for (int i = 0; i < SM_STEPS && !ready && (!st || st == OSD_E_BUSY); i++) {
        st = next_step(j, &ready);
        if (st == OSD_E_BUSY) {
            osd_status loaded = job_load_part(j, j->part.pid);
            st = loaded ? loaded : OSD_E_BUSY;
        }
    }
    if (!st && !ready)
        st = OSD_E_BUSY;
    if (st == OSD_E_BUSY)
        snprintf(j->why, j->why_len, "other managers change the keys of 0x%" PRIx64,
                 j->part.pid);
    return st;
}

static osd_status begin_part(struct sm_job *j, const struct sm_osd *o, uint64_t pid)
{
    osd_status st = job_load_osd(j, o->id);

    if (!st && !j->osd_keys.has_root) {
        snprintf(j->why, j->why_len, "the enrolment of %s was not ended: enrol it again",
                 j->osd.name);
        return OSD_E_DENIED;
    }
    return st ? st : job_load_part(j, pid);
}

osd_status sm_job_reload(struct sm_job *j)
{
    return job_load_part(j, j->part.pid);
}

osd_status sm_job_begin(struct sm_job *j, const struct sm_osd *o, uint64_t pid)
{
    osd_status st = lock(j->k, o->id, j->why, j->why_len);

    j->locked = st == OSD_OK;
    memcpy(j->osd.id, o->id, sizeof(j->osd.id));
    return st ? st : begin_part(j, o, pid);
}

void sm_job_end(struct sm_job *j, osd_status st)
{
    if (j->locked)
        unlock(j->k, j->osd.id);
    if (st)
        atomic_fetch_add(&j->k->failures, 1);
    close_job(j);
}

static osd_status set_up(struct sm_keys *k, const struct sm_osd *o, uint64_t pid,
                         struct sm_part_keys *ret, char *why, size_t why_len)
{
    SM_JOB(j, k);
    osd_status st = sm_job_begin(&j, o, pid);

    if (!st)
        st = sm_job_settle(&j);
    if (!st)
        atomic_fetch_add(&k->setups, 1);
    *ret = j.keys;
    sm_job_end(&j, st);
    return st;
}

/* ---- integrity algorithms ---- */

/* Ask the device, in a job on partition zero whose keys are settled. */
static osd_status read_algorithms(struct sm_job *j)
{
    uint8_t v = j->keys.current;
    osd_status st = sm_job_link(j);

    if (!st)
        st = sm_device_algorithms(j->link, j->system_id, v, j->keys.working[v].key,
                                  &j->osd_keys.algorithms, j->why, j->why_len);
    if (st)
        return st;
    j->osd_keys.knows_algorithms = true;
    st = job_save_osd(j);
    return st == OSD_E_BUSY ? OSD_OK : st; /* another manager writes what it knows */
}

/* Where something else was the task: what is not known is asked for when it is needed. */
static void note_algorithms(struct sm_job *j)
{
    osd_status st = read_algorithms(j);

    if (st)
        osd_log(OSD_LOG_WARN, "%s does not say which integrity algorithms it has: %s",
                j->osd.name, j->why[0] ? j->why : osd_status_text(st));
}

static osd_status refresh_algorithms(struct sm_keys *k, const struct sm_osd *o,
                                     struct osd_algorithms *ret, char *why, size_t why_len)
{
    SM_JOB(j, k);
    osd_status st = sm_job_begin(&j, o, 0);

    if (!st)
        st = sm_job_settle(&j);
    if (!st)
        st = read_algorithms(&j);
    *ret = j.osd_keys.algorithms;
    sm_job_end(&j, st);
    return st;
}

osd_status sm_keys_algorithms(struct sm_keys *k, const struct sm_osd *o,
                              struct osd_algorithms *ret)
{
    _cleanup_osd_keys_ struct sm_osd_keys keys = {0};
    osd_status st = sm_osd_keys_load(k->cfg.vault, o, &keys);

    if (!st && !keys.knows_algorithms)
        st = OSD_E_NOT_FOUND;
    if (!st)
        *ret = keys.algorithms;
    return st;
}

/* The standard's own algorithm is taken for granted until the device is known. */
static osd_status choose(struct sm_keys *k, const struct sm_osd *o, bool known,
                         struct osd_algorithms *a, struct osd_algorithm *ret, char *why,
                         size_t why_len)
{
    enum osd_wish wish = sm_wish_of(k->cfg.wishes, o->name);
    char text[OSD_ALGORITHMS_TEXT];
    osd_status st = OSD_OK;

    *ret = OSD_ALGORITHM_STANDARD;
    if (!known && wish == OSD_WISH_SHA1)
        return OSD_OK;
    if (!known)
        st = refresh_algorithms(k, o, a, why, why_len);
    if (st || osd_algorithm_choose(a, wish, ret))
        return st;
    snprintf(
        why, why_len,
        "%s has no integrity algorithm %s, which icv_algorithm of the security manager asks "
        "for: it lists %s",
        o->name, osd_wish_name(wish), osd_algorithms_format(a, text));
    return OSD_E_UNSUPPORTED;
}

osd_status sm_keys_working(struct sm_keys *k, const struct sm_osd *o, uint64_t pid,
                           struct sm_working *ret, char *why, size_t why_len)
{
    _cleanup_part_keys_ struct sm_part_keys keys = {0};
    struct osd_algorithms algorithms;
    bool known;
    SM_JOB(j, k);
    osd_status st = begin_part(&j, o, pid);

    keys = j.keys;
    algorithms = j.osd_keys.algorithms;
    known = j.osd_keys.knows_algorithms;
    close_job(&j);
    if (!st && (!keys.has_current || missing_tag(&keys, pid)))
        st = set_up(k, o, pid, &keys, why, why_len);
    if (!st)
        st = choose(k, o, known, &algorithms, &ret->algorithm, why, why_len);
    if (st)
        return st;
    ret->version = keys.current;
    ret->own_tag = keys.own_tag.value;
    ret->new_tag = keys.new_tag.value;
    memcpy(ret->key, keys.working[keys.current].key, OSD_KEY_LEN);
    return OSD_OK;
}

/* ---- verification ---- */

/* Whether it is time to ask the device again; notes that it was. */
static bool may_verify(struct sm_keys *k, const struct sm_osd *o, uint64_t pid)
{
    uint64_t hash = osd_hash(hash_text(o->id), pid, 0), now = osd_monotonic_ms();
    size_t at = hash % N_VERIFIED;
    bool may;

    pthread_mutex_lock(&k->mutex);
    may = k->verified[at].hash != hash || now - k->verified[at].when >= VERIFY_MS;
    if (may) {
        k->verified[at].hash = hash;
        k->verified[at].when = now;
    }
    pthread_mutex_unlock(&k->mutex);
    return may;
}

osd_status sm_job_verify(struct sm_job *j)
{
    uint8_t v = j->keys.current;
    osd_status st;

    if (!j->keys.has_current)
        return sm_job_settle(j);
    st = sm_job_link(j);
    if (!st)
        st = sm_device_probe(j->link, j->system_id, j->part.pid, v, j->keys.working[v].key,
                             j->why, j->why_len);
    if (st != OSD_E_DENIED)
        return st;
    osd_log(OSD_LOG_WARN, "%s: partition 0x%" PRIx64 " has lost its keys", j->osd.name,
            j->part.pid);
    reset_part(j);
    st = sm_job_save(j);
    return st && st != OSD_E_BUSY ? st : sm_job_settle(j);
}

osd_status sm_keys_verify(struct sm_keys *k, const struct sm_osd *o, uint64_t pid, char *why,
                          size_t why_len)
{
    struct osd_algorithms now;
    char ignored[400];
    SM_JOB(j, k);
    osd_status st;

    if (!may_verify(k, o, pid))
        return OSD_OK;
    st = sm_job_begin(&j, o, pid);
    if (!st)
        st = sm_job_verify(&j);
    sm_job_end(&j, st);
    /* refused at the same byte when it is gone */
    if (!st && sm_wish_of(k->cfg.wishes, o->name) != OSD_WISH_SHA1)
        refresh_algorithms(k, o, &now, ignored, sizeof(ignored));
    return st;
}

/* ---- rotation ---- */

/* Whether a version's key may be overwritten: nothing made with it is still valid. */
static bool version_free(const struct sm_job *j, uint8_t v)
{
    uint8_t after = (v + 1) % SM_WORKING;
    uint64_t ended = j->keys.working[after].set_ms;

    return !j->keys.working[v].valid || ended + j->k->cfg.overlap_ms <= now_ms();
}

/* *ret_done stays false when the current key is younger than age_ms. */
static osd_status rotate(struct sm_job *j, uint64_t age_ms, bool *ret_done)
{
    uint8_t next, before = j->keys.current;
    bool pending = j->keys.pending.kind == SM_KEY_WORKING;
    osd_status st = sm_job_settle(j);

    if (st || (age_ms && j->keys.working[j->keys.current].set_ms + age_ms > now_ms())) {
        *ret_done = !st && pending && j->keys.current != before;
        return st;
    }
    next = (j->keys.current + 1) % SM_WORKING;
    if (!version_free(j, next)) {
        snprintf(j->why, j->why_len,
                 "credentials made with all 16 working keys of 0x%" PRIx64
                 " are still valid; wait, or revoke them",
                 j->part.pid);
        return OSD_E_BUSY;
    }
    st = plan(j, SM_KEY_WORKING, next);
    if (st == OSD_E_BUSY) /* another manager rotates it */
        st = job_load_part(j, j->part.pid);
    if (!st)
        st = sm_job_settle(j);
    *ret_done = !st;
    if (!st && j->part.pid == 0)
        note_algorithms(j);
    return st;
}

static osd_status rotate_older(struct sm_keys *k, const struct sm_osd *o, uint64_t pid,
                               uint64_t age_ms, bool *ret_done, char *why, size_t why_len)
{
    SM_JOB(j, k);
    osd_status st = sm_job_begin(&j, o, pid);

    *ret_done = false;
    if (!st)
        st = rotate(&j, age_ms, ret_done);
    if (!st && *ret_done)
        atomic_fetch_add(&k->rotations, 1);
    sm_job_end(&j, st);
    return st;
}

osd_status sm_keys_rotate(struct sm_keys *k, const struct sm_osd *o, uint64_t pid, char *why,
                          size_t why_len)
{
    bool done;

    return rotate_older(k, o, pid, 0, &done, why, why_len);
}

/* A new partition key, whatever other managers are doing. */
static osd_status plan_revocation(struct sm_job *j)
{
    osd_status st = OSD_E_BUSY;

    for (int i = 0; i < SM_STEPS && st == OSD_E_BUSY; i++) {
        if (i > 0 && (st = sm_job_reload(j)))
            break;
        drop_keys(j);
        st = plan(j, SM_KEY_PARTITION, 0);
    }
    return st;
}

osd_status sm_keys_revoke(struct sm_keys *k, const struct sm_osd *o, uint64_t pid, char *why,
                          size_t why_len)
{
    SM_JOB(j, k);
    osd_status st = sm_job_begin(&j, o, pid);

    if (!st)
        st = plan_revocation(&j);
    if (!st)
        st = sm_job_settle(&j);
    if (!st)
        atomic_fetch_add(&k->revocations, 1);
    sm_job_end(&j, st);
    return st;
}

/* ---- enrolment ---- */

static osd_status set_root_with(struct sm_job *j, const struct sm_key *master)
{
    osd_status st = OSD_E_TIMEOUT;

    for (int i = 0; i < 2 && st == OSD_E_TIMEOUT; i++) {
        if (i > 0) {
            sm_set_key_plan(&j->osd_keys.pending, SM_KEY_ROOT, 0, j->ahead_ms);
            st = job_save_osd(j);
            if (st)
                return st;
        }
        st = sm_device_set_key(j->link, j->system_id, 0, &j->osd_keys.pending, master,
                               &j->ahead_ms, j->why, j->why_len);
    }
    return st;
}

/* A new root key, under whichever master key the device has. */
static osd_status set_root(struct sm_job *j)
{
    struct sm_osd_keys *k = &j->osd_keys;
    osd_status st = OSD_E_DENIED;
    bool next = k->has_next;

    if (next)
        st = set_root_with(j, &k->next_master);
    if (st == OSD_E_DENIED) {
        next = false;
        st = set_root_with(j, &k->master);
    }
    if (st == OSD_E_DENIED)
        snprintf(j->why, j->why_len, "%s does not accept the master key", j->osd.name);
    if (st)
        return st;
    if (next)
        k->master = k->next_master;
    k->next_master = (struct sm_key){0};
    k->has_next = false;
    st = sm_set_key_result(&k->pending, &k->master, &k->root);
    if (st)
        return st;
    k->pending = (struct sm_set_key){0};
    k->has_root = true;
    return job_save_osd(j);
}

static osd_status try_change_master(struct sm_job *j)
{
    struct sm_exchange x;
    osd_status st =
        sm_device_master_begin(j->link, j->system_id, &j->osd_keys.master, j->k->cfg.dh_group,
                               &x, &j->ahead_ms, j->why, j->why_len);

    if (st == OSD_E_DENIED)
        snprintf(j->why, j->why_len, "%s does not accept the master key", j->osd.name);
    if (st)
        return st;
    j->osd_keys.next_master = x.next;
    j->osd_keys.has_next = true;
    st = job_save_osd(j);
    if (!st)
        st = sm_device_master_finish(j->link, j->system_id, &j->osd_keys.master, &x,
                                     &j->ahead_ms, j->why, j->why_len);
    return st;
}

/* The device waits for step 1 ten seconds; a database may take longer than that. */
static osd_status change_master(struct sm_job *j)
{
    osd_status st = OSD_E_BUSY;

    for (int i = 0; i < EXCHANGES && st == OSD_E_BUSY; i++)
        st = try_change_master(j);
    return st;
}

/* Root key, then the keys of partition zero. */
static osd_status set_all(struct sm_job *j)
{
    osd_status st;

    sm_set_key_plan(&j->osd_keys.pending, SM_KEY_ROOT, 0, j->ahead_ms);
    j->osd_keys.has_root = false;
    st = job_save_osd(j);
    if (!st)
        st = set_root(j);
    if (!st)
        st = job_load_part(j, 0);
    if (!st)
        st = sm_job_settle(j);
    if (!st)
        note_algorithms(j);
    return st;
}

static osd_status add_record(struct sm_job *j, const char *name, const char *url,
                             uint8_t method, const uint8_t master[2 * OSD_KEY_LEN])
{
    osd_status st;

    j->osd.method = method;
    snprintf(j->osd.name, sizeof(j->osd.name), "%s", name);
    snprintf(j->osd.url, sizeof(j->osd.url), "%s", url);
    memcpy(j->osd_keys.master.generation, master, OSD_KEY_LEN);
    memcpy(j->osd_keys.master.authentication, master + OSD_KEY_LEN, OSD_KEY_LEN);
    st = sm_job_link(j);
    if (!st)
        st = sm_device_system_id(j->link, j->system_id, j->why, j->why_len);
    if (st)
        return st;
    sm_hex_format(j->system_id, OSD_SYSTEM_ID_LEN, j->osd.id);
    st = sm_osd_keys_store(j->k->cfg.vault, &j->osd_keys, &j->osd);
    if (!st)
        st = sm_db_osd_add(j->k->cfg.db, &j->osd);
    if (st)
        snprintf(j->why, j->why_len, "%s",
                 st == OSD_E_EXISTS ? "the name or the device is known already" : sm_db_text());
    j->osd.version = 1;
    return st;
}

osd_status sm_keys_enrol(struct sm_keys *k, const char *name, const char *url, uint8_t method,
                         const uint8_t master[2 * OSD_KEY_LEN], char ret_id[SM_ID_TEXT],
                         char *why, size_t why_len)
{
    SM_JOB(j, k);
    osd_status st = add_record(&j, name, url, method, master);
    bool added = st == OSD_OK, locked;

    if (added)
        st = lock(k, j.osd.id, why, why_len);
    locked = added && !st;
    if (!st)
        st = change_master(&j);
    if (added && st && !j.osd_keys.has_next) /* nothing has happened on the device */
        sm_db_osd_remove(k->cfg.db, j.osd.id);
    if (!st)
        st = set_all(&j);
    if (locked)
        unlock(k, j.osd.id);
    atomic_fetch_add(st ? &k->failures : &k->enrolments, 1);
    if (!st)
        memcpy(ret_id, j.osd.id, SM_ID_TEXT);
    close_job(&j);
    return st;
}

osd_status sm_keys_reenrol(struct sm_keys *k, const char *name, bool new_master, char *why,
                           size_t why_len)
{
    SM_JOB(j, k);
    struct sm_osd o;
    osd_status st = sm_db_osd_get(k->cfg.db, name, &o);

    if (st)
        snprintf(why, why_len, st == OSD_E_NOT_FOUND ? "no such OSD" : "database");
    if (st || (st = lock(k, o.id, why, why_len)))
        return st;
    st = job_load_osd(&j, name);
    if (!st)
        st = sm_job_link(&j);
    if (!st && (new_master || j.osd_keys.has_next)) {
        /* First end an interrupted change, or nobody knows which master key is the last. */
        if (j.osd_keys.has_next)
            st = set_all(&j);
        if (!st)
            st = change_master(&j);
    }
    if (!st)
        st = set_all(&j);
    unlock(k, o.id);
    atomic_fetch_add(st ? &k->failures : &k->enrolments, 1);
    close_job(&j);
    return st;
}

/* ---- all partitions ---- */

struct walk {
    struct sm_keys *k;
    const struct sm_osd *o;
    uint8_t root_mark[4];
    void (*visit)(void *arg, const struct sm_key_state *s);
    void *arg;
    osd_status st;
};

static void visit_part(void *arg, const struct sm_part *p)
{
    _cleanup_part_keys_ struct sm_part_keys keys = {0};
    struct walk *w = arg;
    osd_status st = sm_part_keys_load(w->k->cfg.vault, p, &keys);

    if (st) {
        w->st = st;
        return;
    }
    struct sm_key_state s = {.pid = p->pid,
                             .ready = keys.has_current &&
                                      memcmp(keys.root_mark, w->root_mark, 4) == 0,
                             .pending = keys.pending.kind != SM_KEY_NONE,
                             .version = keys.current,
                             .set_ms = keys.working[keys.current].set_ms};
    w->visit(w->arg, &s);
}

osd_status sm_keys_each(struct sm_keys *k, const struct sm_osd *o,
                        void (*visit)(void *arg, const struct sm_key_state *s), void *arg)
{
    _cleanup_osd_keys_ struct sm_osd_keys keys = {0};
    struct walk w = {.k = k, .o = o, .visit = visit, .arg = arg};
    osd_status st = sm_osd_keys_load(k->cfg.vault, o, &keys);

    if (!st)
        st = sm_root_mark(&keys, w.root_mark);
    if (!st)
        st = sm_db_part_each(k->cfg.db, o->id, visit_part, &w);
    return st ? st : w.st;
}

/* ---- automatic rotation ---- */

struct due {
    uint64_t age_ms, *pids;
    size_t n, cap;
};

static void note_due(void *arg, const struct sm_key_state *s)
{
    struct due *d = arg;

    if (!s->ready || (!s->pending && s->set_ms + d->age_ms > now_ms()))
        return;
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 64;
        uint64_t *more = realloc(d->pids, cap * sizeof(*more));
        if (!more)
            return;
        d->pids = more;
        d->cap = cap;
    }
    d->pids[d->n++] = s->pid;
}

struct osds {
    struct sm_osd *list;
    size_t n, cap;
};

static void note_osd(void *arg, const struct sm_osd *o)
{
    struct osds *all = arg;

    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 16;
        struct sm_osd *more = realloc(all->list, cap * sizeof(*more));
        if (!more)
            return;
        all->list = more;
        all->cap = cap;
    }
    all->list[all->n++] = *o;
}

static unsigned rotate_osd(struct sm_keys *k, const struct sm_osd *o, uint64_t age_ms)
{
    struct due d = {.age_ms = age_ms};
    char why[300] = "";
    unsigned done = 0;
    osd_status st = sm_keys_each(k, o, note_due, &d);

    for (size_t i = 0; i < d.n && !st; i++) {
        bool rotated;
        osd_status one = rotate_older(k, o, d.pids[i], age_ms, &rotated, why, sizeof(why));
        done += rotated;
        if (one)
            osd_log(OSD_LOG_WARN, "%s: rotating the key of 0x%" PRIx64 ": %s", o->name,
                    d.pids[i], why);
        if (one == OSD_E_UNREACHABLE)
            break;
    }
    free(d.pids);
    return done;
}

osd_status sm_keys_rotate_due(struct sm_keys *k, uint64_t age_ms, unsigned *ret_n)
{
    struct osds all = {0};
    osd_status st = sm_db_osd_each(k->cfg.db, note_osd, &all);

    *ret_n = 0;
    for (size_t i = 0; i < all.n && !st; i++)
        *ret_n += rotate_osd(k, &all.list[i], age_ms);
    free(all.list);
    return st;
}
