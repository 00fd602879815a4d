/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/device.c - open and close a logical unit, who it is, the way in
 *
 * Identity, boot epoch and the offset of the adjustable clock are settings of the store, so
 * they survive FORMAT OSD.
 */
#include "device.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "common/clock.h"
#include "common/log.h"
#include "keys.h"
#include "secure.h"
#include "wire/spc.h"
#include "wire/twophase.h"

#define METHOD_NUMBER 0x1 /* attribute of R+5h and P+5h */

#define SETTING_SERIAL   "interpreter.serial"
#define SETTING_EPOCH    "interpreter.boot_epoch"
#define SETTING_CLOCK    "interpreter.clock_offset"
#define SETTING_CAPACITY "interpreter.max_capacity"
#define SETTING_METHOD   "interpreter.default_method"
#define SETTING_SECURED  "interpreter.secured"
#define SETTING_SEAL     "interpreter.seal"

static osd_status get_number(struct osd_store *s, const char *name, uint64_t *ret)
{
    uint8_t raw[8];
    size_t len;
    osd_status st = s->ops->get_setting(s, name, raw, sizeof(raw), &len);

    if (st == OSD_OK && len != sizeof(raw))
        return OSD_E_CORRUPT;
    if (st == OSD_OK)
        *ret = be64_get(raw);
    return st;
}

static osd_status put_number(struct osd_store *s, const char *name, uint64_t value)
{
    uint8_t raw[8];

    be64_put(raw, value);
    return s->ops->put_setting(s, name, raw, sizeof(raw));
}

/* ---- identity ---- */

static osd_status make_serial(struct osd_store *s, char serial[65])
{
    uint8_t raw[16];

    osd_random(raw, sizeof(raw));
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(serial + 2 * i, 3, "%02x", raw[i]);
    return s->ops->put_setting(s, SETTING_SERIAL, serial, strlen(serial));
}

static osd_status find_serial(const struct osd_device_config *cfg, char serial[65])
{
    struct osd_store *s = cfg->store;
    size_t len = strnlen(cfg->serial, sizeof(cfg->serial));
    osd_status st;

    memset(serial, 0, 65);
    if (len > 0) {
        memcpy(serial, cfg->serial, len);
        return OSD_OK;
    }
    st = s->ops->get_setting(s, SETTING_SERIAL, serial, 64, &len);
    return st == OSD_E_NOT_FOUND ? make_serial(s, serial) : st;
}

/* A locally assigned NAA name (type 3h): 60 bits out of the serial number. */
static void make_naa(const char *serial, uint8_t naa[8])
{
    uint64_t h = 0xcbf29ce484222325;

    for (const char *p = serial; *p; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001b3;
    be64_put(naa, (h & 0x0fffffffffffffff) | 0x3000000000000000);
}

static osd_status make_identity(const struct osd_device_config *cfg, struct osd_identity *ret)
{
    struct osd_identity id = {.vendor = OSD_VENDOR, .product = "Object Storage"};
    osd_status st = find_serial(cfg, id.serial);

    if (st)
        return st;
    snprintf(id.revision, sizeof(id.revision), "%.4s", LIOSD_VERSION);
    make_naa(id.serial, id.naa);
    *ret = id;
    return OSD_OK;
}

/* ---- open ---- */

/* A new epoch at every start; never zero, which means "not compared" in a capability. */
static osd_status next_epoch(struct osd_store *s, uint16_t *ret)
{
    uint64_t epoch = 0;
    osd_status st = get_number(s, SETTING_EPOCH, &epoch);

    if (st && st != OSD_E_NOT_FOUND)
        return st;
    epoch = epoch % UINT16_MAX + 1;
    st = put_number(s, SETTING_EPOCH, epoch);
    *ret = (uint16_t)epoch;
    return st;
}

/* The capacity the store was made with bounds what FORMAT OSD may ask for. */
static osd_status find_capacity(struct osd_store *s, uint64_t *ret)
{
    struct store_info info;
    osd_status st = get_number(s, SETTING_CAPACITY, ret);

    if (st != OSD_E_NOT_FOUND)
        return st;
    s->ops->info(s, &info);
    *ret = info.capacity;
    return put_number(s, SETTING_CAPACITY, *ret);
}

osd_status osd_device_made_with(struct osd_store *store, uint8_t *ret_method)
{
    uint64_t method = 0;
    osd_status st = get_number(store, SETTING_METHOD, &method);

    if (st == OSD_OK)
        *ret_method = (uint8_t)method;
    return st;
}

/* The method a device is made with stays; what configures it later does not count. */
static osd_status find_method(const struct osd_device_config *cfg, struct osd_device *dev)
{
    uint64_t method = cfg->default_method, secured = 0;
    osd_status st = get_number(cfg->store, SETTING_METHOD, &method);

    if (st == OSD_E_NOT_FOUND)
        st = put_number(cfg->store, SETTING_METHOD, method);
    if (st)
        return st;
    dev->default_method = (uint8_t)method;
    st = get_number(cfg->store, SETTING_SECURED, &secured);
    atomic_init(&dev->secured, secured || method != OSD_SEC_NOSEC);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Salt of the passphrase, behind a byte that says how far sealing has come. */
enum { SEALING = 1, SEALED = 2 };

static osd_status begin_sealing(struct osd_store *s, uint8_t state[1 + OSD_SEAL_SALT_LEN])
{
    state[0] = SEALING;
    osd_random(state + 1, OSD_SEAL_SALT_LEN);
    return s->ops->put_setting(s, SETTING_SEAL, state, 1 + OSD_SEAL_SALT_LEN);
}

static osd_status finish_sealing(struct osd_store *s, const struct osd_seal *seal,
                                 uint8_t state[1 + OSD_SEAL_SALT_LEN])
{
    osd_status st = keys_seal_all(s, seal);

    state[0] = SEALED;
    return st ? st : s->ops->put_setting(s, SETTING_SEAL, state, 1 + OSD_SEAL_SALT_LEN);
}

/* Once there was a passphrase, nothing goes without it. */
static osd_status find_seal(const struct osd_device_config *cfg, struct osd_device *dev)
{
    const struct osd_bytes passphrase = {cfg->passphrase, cfg->passphrase_len};
    uint8_t state[1 + OSD_SEAL_SALT_LEN];
    size_t len = 0;
    osd_status st =
        cfg->store->ops->get_setting(cfg->store, SETTING_SEAL, state, sizeof(state), &len);

    if (st == OSD_OK && (len != sizeof(state) || state[0] < SEALING || state[0] > SEALED))
        return OSD_E_CORRUPT;
    if (!cfg->passphrase)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st ? st : OSD_E_DENIED;
    if (st == OSD_E_NOT_FOUND)
        st = begin_sealing(cfg->store, state);
    if (st == OSD_OK)
        st = osd_seal_make(passphrase, state + 1, &dev->own_seal);
    if (st == OSD_OK && state[0] == SEALING)
        st = finish_sealing(cfg->store, &dev->own_seal, state);
    dev->seal = &dev->own_seal;
    return st;
}

/* The first master key; without one nobody could ever set another. */
static osd_status find_master_key(const struct osd_device_config *cfg, struct osd_device *dev)
{
    bool have;
    osd_status st = keys_have_master(cfg->store, dev->seal, &have);

    if (st == OSD_OK && !have && cfg->first_key) {
        uint8_t key[2 * OSD_KEY_LEN];
        st = cfg->first_key(cfg->key_arg, key);
        if (st == OSD_OK)
            st = keys_install_master(cfg->store, dev->seal, key);
        OPENSSL_cleanse(key, sizeof(key));
        have = true;
    }
    if (st)
        return st == OSD_E_CORRUPT && dev->seal ? OSD_E_DENIED : st;
    dev->methods = have ? METHODS_KEYED : METHODS_NOSEC;
    return have || dev->default_method == OSD_SEC_NOSEC ? OSD_OK : OSD_E_NOT_FOUND;
}

/* ---- a store whose protection may be less than it was ---- */

/* A device that was made without a method, or with one that is not known, is one with a method from
 * now on. */
static osd_status raise_method(struct osd_store *s)
{
    uint64_t method = OSD_SEC_NOSEC;
    osd_status st = get_number(s, SETTING_METHOD, &method);

    if (st && st != OSD_E_NOT_FOUND)
        return st;
    st = put_number(s, SETTING_SECURED, 1);
    return st || method >= OSD_SEC_CMDRSP ? st : put_number(s, SETTING_METHOD, OSD_SEC_CMDRSP);
}

/* What is said of that: some partition asks for a method; or perhaps, since what was said is lost. */
enum { SOME_ASK = 1, SOME_MAY_ASK = 2 };

/* Whether anybody ever has to prove anything. Without a master key nobody can. */
static osd_status find_secured(struct osd_store *s, bool *ret)
{
    uint64_t method = OSD_SEC_NOSEC, secured = 0;
    enum keys_master master;
    osd_status st = get_number(s, SETTING_METHOD, &method);

    *ret = true;
    if (st == OSD_E_NOT_FOUND)
        return raise_method(s);
    if (st == OSD_OK)
        st = get_number(s, SETTING_SECURED, &secured);
    if (st == OSD_OK || st == OSD_E_NOT_FOUND)
        st = keys_master(s, &master);
    if (st)
        return st;
    *ret = secured == SOME_ASK || method != OSD_SEC_NOSEC || master != KEYS_NO_MASTER;
    return secured ? OSD_OK : put_number(s, SETTING_SECURED, SOME_MAY_ASK);
}

/* Where the method that is asked for may be lost, or an older one, that is the strongest. */
static osd_status demand_most(struct osd_store *s, uint64_t pid)
{
    uint32_t page = (pid ? OSD_PAGE_P : OSD_PAGE_R) + OSD_PG_SECURITY;
    struct store_id id = {pid, 0};
    uint8_t method = OSD_SEC_ALLDATA;
    struct store_txn *t;
    osd_status st = s->ops->begin(s, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = s->ops->set_attr(t, id, page, METHOD_NUMBER, &method, 1);
    if (st == OSD_OK)
        return s->ops->commit(t, STORE_COMMIT_SYNC);
    s->ops->abort(t);
    return st;
}

/* Without its master key, or the salt of the passphrase that opens it, a device needs a new one; so it
 * does when what the root has may be older (own): that key and the root key may be ones that were
 * replaced because somebody else knew them. */
static osd_status distrust_device(struct osd_store *s, bool secured, bool own)
{
    uint8_t state[1 + OSD_SEAL_SALT_LEN];
    enum keys_master master;
    size_t len;
    osd_status st = s->ops->get_setting(s, SETTING_SEAL, state, sizeof(state), &len);
    bool salt = st == OSD_OK;

    if (st && st != OSD_E_NOT_FOUND)
        return st;
    st = keys_master(s, &master);
    if (st)
        return st;
    bool closed = own || (master == KEYS_MASTER_SEALED && !salt);
    st = closed ? keys_end_all(s) : keys_end(s, 0);
    return st || !secured || (master != KEYS_NO_MASTER && !closed) ? st : raise_method(s);
}

osd_status osd_device_distrust(struct osd_store *s, uint64_t pid, bool own)
{
    bool secured;
    osd_status st = find_secured(s, &secured);

    if (st == OSD_OK)
        st = pid ? keys_end(s, pid) : distrust_device(s, secured, own);
    if (st == OSD_OK && own && secured)
        st = demand_most(s, pid);
    return pid && st == OSD_E_NOT_FOUND ? OSD_OK : st; /* it is gone */
}

osd_status device_note_secured(struct osd_device *dev)
{
    osd_status st = OSD_OK;

    if (!atomic_load(&dev->secured))
        st = put_number(dev->store, SETTING_SECURED, 1);
    if (st == OSD_OK)
        atomic_store(&dev->secured, true);
    return st;
}

osd_status device_learn_method(struct osd_device *dev)
{
    const struct store_ops *ops = dev->store->ops;
    const struct store_id root = {0, 0};
    uint8_t method = dev->default_method;
    struct store_txn *t;
    uint32_t len;
    osd_status st = OSD_OK;

    if (atomic_load(&dev->secured)) {
        st = ops->begin(dev->store, root, STORE_SHARED, &t);
        if (st)
            return st;
        st = ops->get_attr(t, root, OSD_PAGE_R + OSD_PG_SECURITY, METHOD_NUMBER, &method, 1,
                           &len);
        ops->abort(t);
    }
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    atomic_store(&dev->root_method, method);
    return OSD_OK;
}

static osd_status load_state(const struct osd_device_config *cfg, struct osd_device *dev)
{
    uint64_t offset = 0;
    osd_status st;

    if ((st = make_identity(cfg, &dev->identity)) ||
        (st = next_epoch(cfg->store, &dev->boot_epoch)) ||
        (st = find_capacity(cfg->store, &dev->max_capacity)) || (st = find_method(cfg, dev)) ||
        (st = find_seal(cfg, dev)) || (st = find_master_key(cfg, dev)))
        return st;
    st = get_number(cfg->store, SETTING_CLOCK, &offset);
    if (st && st != OSD_E_NOT_FOUND)
        return st;
    atomic_init(&dev->clock_offset, (int64_t)offset);
    dev->store = cfg->store;
    return device_learn_method(dev);
}

/* Everything but the store. */
static void release(struct osd_device *dev)
{
    staging_destroy(&dev->staging);
    tracker_destroy(&dev->tracker);
    tasks_destroy(&dev->tasks);
    inflight_destroy(&dev->inflight);
    nonces_destroy(&dev->nonces);
    trusted_destroy(&dev->trusted);
    exchange_destroy(&dev->exchange);
    OPENSSL_cleanse(&dev->own_seal, sizeof(dev->own_seal));
    free(dev);
}

osd_status osd_device_open(const struct osd_device_config *cfg, struct osd_device **ret)
{
    struct osd_device *dev;
    osd_status st;

    if (cfg->default_method > OSD_SEC_ALLDATA)
        return OSD_E_UNSUPPORTED;
    dev = aligned_alloc(_Alignof(struct osd_device), sizeof(*dev));
    if (!dev)
        return OSD_E_NOMEM;
    memset(dev, 0, sizeof(*dev));
    st = load_state(cfg, dev);
    if (st) {
        OPENSSL_cleanse(&dev->own_seal, sizeof(dev->own_seal));
        free(dev);
        return st;
    }
    dev->clock = cfg->clock ? cfg->clock : &osd_clock_system;
    dev->weak_groups = cfg->weak_groups;
    osd_system_id(&dev->identity, dev->system_id);
    dev->max_steps = STEPS_MAX;
    osd_random(dev->security_token, sizeof(dev->security_token));
    inflight_init(&dev->inflight);
    nonces_init(&dev->nonces, device_now(dev));
    trusted_init(&dev->trusted);
    exchange_init(&dev->exchange);
    staging_init(&dev->staging);
    tasks_init(&dev->tasks);
    tracker_init(&dev->tracker);
    st = scrub_start(dev, cfg);
    if (st) {
        release(dev);
        return st;
    }
    *ret = dev;
    return OSD_OK;
}

void osd_device_set_serial(struct osd_device *dev, const char *serial)
{
    struct osd_identity *id = &dev->identity;

    if (!serial[0])
        return;
    memset(id->serial, 0, sizeof(id->serial));
    memcpy(id->serial, serial, strnlen(serial, sizeof(id->serial) - 1));
    make_naa(id->serial, id->naa);
    osd_system_id(id, dev->system_id);
}

uint8_t osd_device_method(const struct osd_device *dev)
{
    return dev->default_method;
}

void osd_device_close(struct osd_device *dev)
{
    if (!dev)
        return;
    struct osd_store *store = dev->store;
    tracker_stop(&dev->tracker);
    scrub_stop(dev);
    release(dev);
    store->ops->close(store);
}

void osd_device_settle(struct osd_device *dev)
{
    tracker_settle(&dev->tracker);
}

uint64_t device_now(struct osd_device *dev)
{
    uint64_t now = osd_clock_now(dev->clock) + (uint64_t)atomic_load(&dev->clock_offset);
    uint64_t least = atomic_load(&dev->clock_least);

    return now > least ? now : least;
}

osd_status device_set_clock(struct osd_device *dev, uint64_t now_ms)
{
    uint64_t offset = now_ms - osd_clock_now(dev->clock);

    atomic_store(&dev->clock_least, now_ms);
    atomic_store(&dev->clock_offset, (int64_t)offset);
    return put_number(dev->store, SETTING_CLOCK, offset);
}

/* ---- changes of members ---- */

static atomic_uint *member_counter(struct osd_device *dev, struct store_id id)
{
    return &dev->member_changes[(id.oid ^ id.pid * 0x9e3779b97f4a7c15ULL >> 20) %
                                MEMBER_COUNTERS];
}

void device_members_changed(struct osd_device *dev, struct store_id collection)
{
    if (collection.oid) {
        atomic_fetch_add_explicit(member_counter(dev, collection), 1, memory_order_relaxed);
        return;
    }
    for (size_t i = 0; i < MEMBER_COUNTERS; i++)
        atomic_fetch_add_explicit(&dev->member_changes[i], 1, memory_order_relaxed);
}

/* The boot epoch keeps apart what was counted before a restart and after it. */
uint32_t device_member_changes(struct osd_device *dev, struct store_id collection)
{
    return ((uint32_t)dev->boot_epoch << 15) +
           atomic_load_explicit(member_counter(dev, collection), memory_order_relaxed);
}

/* ---- the way in ---- */

static void dispatch(struct osd_device *dev, const struct osd_request *req,
                     struct osd_response *ret)
{
    struct osd_twophase wrapper;

    if (req->cdb_len == 0 || req->cdb[0] != OSD_OPCODE) {
        spc_execute(dev, req, ret);
        return;
    }
    switch (osd_twophase_decode(req->cdb, req->cdb_len, &wrapper)) {
    case OSD_OK:
        staging_execute(dev, &wrapper, req, ret);
        break;
    case OSD_E_UNSUPPORTED:
        command_execute(dev, req, ret);
        break;
    default:
        respond_plain(FAULT_CDB, 7, ret);
        osd_iov_zero(&req->in, 0, req->in.len);
    }
}

void osd_device_execute(struct osd_device *dev, const struct osd_request *req,
                        struct osd_response *ret)
{
    struct counts *mine = &dev->counts[osd_thread_place()];

    dispatch(dev, req, ret);
    atomic_fetch_add_explicit(&mine->commands, 1, memory_order_relaxed);
    if (ret->status != SAM_GOOD)
        atomic_fetch_add_explicit(&mine->failures, 1, memory_order_relaxed);
}

void osd_device_publish(struct osd_device *dev, struct osd_response *responses, size_t n)
{
    osd_status st = dev->store->ops->publish(dev->store);

    for (size_t i = 0; st && i < n; i++)
        respond_lost(&responses[i]);
    if (st)
        osd_log(OSD_LOG_ERROR, "commands that were carried out may be lost: %s",
                osd_status_text(st));
}

/* A COLLECT whose command cannot be seen now may be anything. */
static enum osd_weight weigh_wrapper(struct osd_device *dev, const struct osd_twophase *t,
                                     struct osd_scope *ret_scope)
{
    uint8_t cdb[OSD_CDB_MAX];
    size_t len;
    bool seen, stages = t->action == OSD_ACT_STAGE;

    *ret_scope = (struct osd_scope){.nothing = stages, .stages = stages};
    if (stages || t->length >= 256 * KIB)
        return t->length >= 256 * KIB ? OSD_WEIGHT_LONG : OSD_WEIGHT_SHORT;
    seen = staging_peek(&dev->staging, t->tag, cdb, &len);
    return seen ? command_weigh(cdb, len, ret_scope) : OSD_WEIGHT_LONG;
}

static enum osd_weight weigh(struct osd_device *dev, const uint8_t *cdb, size_t cdb_len,
                             struct osd_scope *ret_scope)
{
    struct osd_twophase wrapper;

    *ret_scope = (struct osd_scope){.nothing = true};
    if (cdb_len == 0 || cdb[0] != OSD_OPCODE)
        return OSD_WEIGHT_SHORT;
    if (osd_twophase_decode(cdb, cdb_len, &wrapper) == OSD_OK)
        return weigh_wrapper(dev, &wrapper, ret_scope);
    return command_weigh(cdb, cdb_len, ret_scope);
}

/* What works on after its status may hold its partition for as long as a heavy command. */
enum osd_weight osd_device_weigh(struct osd_device *dev, const uint8_t *cdb, size_t cdb_len,
                                 struct osd_scope *ret_scope)
{
    enum osd_weight own = weigh(dev, cdb, cdb_len, ret_scope);
    bool waits = !ret_scope->nothing && tracker_meets(&dev->tracker, ret_scope->pid);

    return waits ? OSD_WEIGHT_HEAVY : own;
}

bool osd_scopes_meet(struct osd_scope a, struct osd_scope b)
{
    if (a.nothing || b.nothing)
        return false;
    if (a.pid == 0 || b.pid == 0)
        return true;
    return a.pid == b.pid && (a.oid == 0 || b.oid == 0 || a.oid == b.oid);
}

uint64_t device_failures(struct osd_device *dev)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < OSD_PLACES; i++)
        sum += atomic_load(&dev->counts[i].failures);
    return sum;
}

void osd_device_stats(struct osd_device *dev, struct osd_device_stats *ret)
{
    uint64_t commands = 0;

    for (unsigned i = 0; i < OSD_PLACES; i++)
        commands += atomic_load(&dev->counts[i].commands);
    *ret = (struct osd_device_stats){.commands = commands,
                                     .failures = device_failures(dev),
                                     .replays = atomic_load(&dev->replays),
                                     .staged_bytes = staging_bytes(&dev->staging),
                                     .scrub_ended = atomic_load(&dev->scrub.ended)};
}
