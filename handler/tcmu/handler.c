/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/handler.c - the tcmu-runner plugin: from a ring entry to the interpreter and
 * back
 *
 * Invariants:
 *  (1) Every command that tcmu-runner hands over is completed on the ring exactly once, on
 * every path; close() waits until that is so. (2) handle_cmd always returns
 * TCMU_STS_ASYNC_HANDLED (ring.h says why). (3) No thread is cancelled while it works for a
 * device. (4) tcmu-runner's thread of the device, where all commands arrive, waits for no other
 * command: long ones, and short ones that may have to wait for one of the pool, run in the
 * device's own pool; the other short ones run where they arrive, before any that came later goes to
 * the pool. (5) Several short commands that lie in the ring together, at most TOGETHER, and up to
 * a STAGE, by which a COLLECT behind it is weighed, are carried out together, one after the other:
 * what they write is put into place once, what they changed is published once, then they are
 * completed and the kernel is told once. Every one of the pool ends by itself. (6) No command is
 * completed before what it changed or saw survives the death of the process.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "cfgstring.h"
#include "common/clock.h"
#include "common/descriptors.h"
#include "common/log.h"
#include "interpreter/interpreter.h"
#include "keys.h"
#include "memory.h"
#include "pool.h"
#include "ring.h"
#include "store/store.h"

#define TOGETHER 8u
#define DAY_MS   86400000ULL

/* A transfer that took SLOW_MS, by a clock that counts milliseconds, waited for a disk: the ASIDE next
 * ones go to the pool. */
#define SLOW_MS 3u
#define ASIDE   16u

#define EXPORT __attribute__((visibility("default")))

struct lun {
    struct tcmu_device *dev;
    struct osd_device *osd;
    struct osd_pool *pool;
    void *map;
    /* the command thread's own: */
    bool named;          /* the device has its serial number */
    uint32_t place;      /* where tcmu-runner reads in the ring */
    unsigned aside;      /* transfers that go to the pool because one before was slow */
    uint64_t began_ms;   /* of the transfer that is gathered; 0: none is */
    unsigned n_gathered; /* commands that are not yet carried out */
    struct tcmulib_cmd *gathered[TOGETHER];
    struct osd_request requests[TOGETHER];
    struct osd_response responses[TOGETHER];

    pthread_mutex_t mutex; /* ring tail, pending, pooled */
    pthread_cond_t idle;
    uint64_t pending; /* handed over, not yet completed */
    struct pooled *pooled;
};

/* A command in the pool, waiting or running. */
struct pooled {
    struct osd_job job;
    struct lun *lun;
    struct tcmulib_cmd *cmd;
    struct osd_scope scope;
    struct pooled *next, **link; /* lun->pooled */
};

/* ---- logging ---- */

static void log_to_runner(enum osd_log_level level, const char *line)
{
    if (level == OSD_LOG_ERROR)
        tcmu_err_message(NULL, "osd", 0, "%s\n", line);
    else if (level == OSD_LOG_WARN)
        tcmu_warn_message(NULL, "osd", 0, "%s\n", line);
    else if (level == OSD_LOG_INFO)
        tcmu_info_message(NULL, "osd", 0, "%s\n", line);
}

/* ---- commands ---- */

/* Length of a CDB by its operation code group (SPC-4 4.3). */
static size_t cdb_length(const uint8_t *cdb)
{
    static const uint8_t by_group[8] = {6, 10, 10, 0, 16, 12, 10, 10};

    if (cdb[0] == 0x7f)
        return 8u + cdb[7];
    return by_group[cdb[0] >> 5] ? by_group[cdb[0] >> 5] : 16;
}

/* On the ring; in_len is bounded by the buffer, whose length 32 bits hold. Under the lock. */
static void complete(struct lun *lun, const struct tcmulib_cmd *cmd,
                     const struct osd_response *r)
{
    osd_ring_complete(lun->map, cmd->cmd_id, r->status, r->sense, r->sense_len,
                      (uint32_t)r->in_len);
    if (--lun->pending == 0)
        pthread_cond_signal(&lun->idle);
}

/* Under the lock. */
static void enlist(struct lun *lun, struct pooled *p)
{
    p->next = lun->pooled;
    p->link = &lun->pooled;
    if (p->next)
        p->next->link = &p->next;
    lun->pooled = p;
}

/* Under the lock. NULL: was not of the pool. */
static void delist(struct pooled *p)
{
    if (!p)
        return;
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
}

/* Make the outcome of commands last, complete them, tell the kernel; p: the one command's place in
 * the pool, or NULL. */
static void end(struct lun *lun, struct tcmulib_cmd **cmds, struct osd_response *responses,
                unsigned n, struct pooled *p)
{
    osd_device_publish(lun->osd, responses, n);
    pthread_mutex_lock(&lun->mutex);
    delist(p);
    for (unsigned i = 0; i < n; i++)
        complete(lun, cmds[i], &responses[i]);
    pthread_mutex_unlock(&lun->mutex);
    for (unsigned i = 0; i < n; i++)
        free(cmds[i]);
    tcmulib_processing_complete(lun->dev);
}

/* later: more commands end together with this one. */
static struct osd_request request_of(const struct tcmulib_cmd *cmd, bool later)
{
    struct osd_iov buffer = osd_iov_make(cmd->iovec, (int)cmd->iov_cnt);

    return (struct osd_request){.cdb = cmd->cdb,
                                .cdb_len = cdb_length(cmd->cdb),
                                .out = buffer,
                                .in = buffer,
                                .shared_buffer = true,
                                .later = later};
}

static void execute(struct lun *lun, const struct osd_request *req, struct osd_response *ret)
{
    osd_device_execute(lun->osd, req, ret);
    if (ret->in_len > req->in.len)
        ret->in_len = req->in.len;
}

/* How heavy the commands in the pool are that this one may have to wait for. Under the lock. */
static enum osd_weight weigh_waiting(const struct lun *lun, struct osd_scope scope)
{
    enum osd_weight most = OSD_WEIGHT_SHORT;

    for (const struct pooled *p = lun->pooled; p && most < OSD_WEIGHT_HEAVY; p = p->next)
        if (osd_scopes_meet(p->scope, scope))
            most = p->job.heavy ? OSD_WEIGHT_HEAVY : OSD_WEIGHT_LONG;
    return most;
}

static void run_pooled(struct osd_job *job)
{
    struct pooled *p = (struct pooled *)job;
    struct lun *lun = p->lun;
    struct osd_request request = request_of(p->cmd, false);
    struct osd_response response;

    execute(lun, &request, &response);
    end(lun, &p->cmd, &response, 1, p);
    free(p);
}

/* Had the transfer that ran here better gone to the pool? */
static void judge_transfer(struct lun *lun)
{
    if (lun->began_ms && osd_monotonic_frequent_ms() - lun->began_ms >= SLOW_MS)
        lun->aside = ASIDE;
    lun->began_ms = 0;
}

/* Carry out what was gathered. */
static void run_gathered(struct lun *lun)
{
    unsigned n = lun->n_gathered;

    for (unsigned i = 0; i < n; i++)
        lun->requests[i] = request_of(lun->gathered[i], i + 1 < n);
    osd_device_early(lun->osd, lun->requests, n);
    for (unsigned i = 0; i < n; i++)
        execute(lun, &lun->requests[i], &lun->responses[i]);
    if (n > 0) {
        osd_device_early_end(lun->osd, lun->requests[0].early);
        end(lun, lun->gathered, lun->responses, n, NULL);
        judge_transfer(lun);
    }
    lun->n_gathered = 0;
}

/* Whether the command that has just come runs in this thread; more: others lie in the ring. Under
 * the lock. */
static bool runs_here(struct lun *lun, enum osd_weight weight, bool more)
{
    if (weight != OSD_WEIGHT_TRANSFER)
        return weight == OSD_WEIGHT_SHORT;
    if (more || lun->pending > 1)
        return false;
    if (lun->aside > 0) {
        lun->aside--;
        return false;
    }
    lun->began_ms = osd_monotonic_frequent_ms();
    return true;
}

/* True when the command went to the pool; without memory it runs here. */
static bool hand_over(struct lun *lun, struct tcmulib_cmd *cmd, bool more,
                      struct osd_scope *ret_scope)
{
    size_t len = cdb_length(cmd->cdb);
    enum osd_weight weight = osd_device_weigh(lun->osd, cmd->cdb, len, ret_scope), wait;
    struct pooled *p = NULL;

    pthread_mutex_lock(&lun->mutex);
    lun->pending++;
    wait = weigh_waiting(lun, *ret_scope);
    if (wait > weight)
        weight = wait;
    if (!runs_here(lun, weight, more))
        p = malloc(sizeof(*p));
    if (p) {
        *p = (struct pooled){.job = {.run = run_pooled, .heavy = weight == OSD_WEIGHT_HEAVY},
                             .lun = lun,
                             .cmd = cmd,
                             .scope = *ret_scope};
        enlist(lun, p);
    }
    pthread_mutex_unlock(&lun->mutex);
    if (p) {
        run_gathered(lun); /* they came before it and shall not wait for it */
        osd_pool_add(lun->pool, &p->job);
    }
    return p != NULL;
}

/* targetcli gives a backstore its wwn only after it was opened, but before it is exported: the
 * first command is the time to read it. */
static void name_device(struct lun *lun)
{
    char *wwn = tcmu_cfgfs_dev_get_wwn(lun->dev);

    if (wwn)
        osd_device_set_serial(lun->osd, wwn);
    free(wwn);
}

/* What takes long is done while the kernel still looks at the device. */
static void first_command(struct lun *lun)
{
    name_device(lun);
    osd_memory_ahead();
    lun->named = true;
}

static int handle_cmd(struct tcmu_device *dev, struct tcmur_cmd *rcmd)
{
    struct lun *lun = tcmur_dev_get_private(dev);
    bool more = osd_ring_follow(lun->map, &lun->place, rcmd->lib_cmd->cmd_id);
    struct osd_scope scope;
    int old;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    if (!lun->named)
        first_command(lun);
    if (!hand_over(lun, rcmd->lib_cmd, more, &scope))
        lun->gathered[lun->n_gathered++] = rcmd->lib_cmd;
    if (!more || scope.stages || lun->n_gathered == TOGETHER)
        run_gathered(lun);
    pthread_setcancelstate(old, NULL);
    return TCMU_STS_ASYNC_HANDLED;
}

/* ---- configuration, open, close ---- */

static bool check_config(const char *cfgstring, char **reason)
{
    struct osd_cfg cfg;
    char why[512];

    if (osd_cfgstring_parse(cfgstring, &cfg, why, sizeof(why)) == OSD_OK)
        return true;
    *reason = strdup(why);
    return false;
}

/* tcmu-runner's unit says LimitNOFILE=1000000; where it was started otherwise, what may be had for the asking
 * is taken: what it waits with, ppoll, knows all descriptors. */
static osd_status open_store(const struct osd_cfg *cfg, uint64_t lun_size,
                             struct osd_store **ret, char *why, size_t why_len)
{
    struct store_config sc = {
        .path = cfg->path,
        .create = true,
        .capacity = cfg->capacity ? cfg->capacity : lun_size,
        .sync = cfg->sync_always ? STORE_SYNC_ALWAYS : STORE_SYNC_NORMAL,
        .clock = &osd_clock_frequent,
        .begins = osd_memory_ahead,
    };

    if (!cfg->memory)
        osd_descriptors_raise();
    return cfg->memory ? store_memory_open(&sc, ret, why, why_len)
                       : store_rocksdb_open(&sc, ret, why, why_len);
}

/* A store that asks for less than the configuration does opens only when that is said. */
static osd_status check_method(const struct osd_cfg *cfg, struct osd_store *store, char *why,
                               size_t why_len)
{
    uint8_t method;
    osd_status st = osd_device_made_with(store, &method);

    if (st)
        return st == OSD_E_NOT_FOUND ? OSD_OK : st;
    if (method >= cfg->method)
        return OSD_OK;
    snprintf(why, why_len,
             "%s was made with security method %s, which is weaker than %s: say security=%s if "
             "that is meant",
             cfg->path, osd_method_name(method), osd_method_name(cfg->method),
             osd_cfgstring_method(method));
    return OSD_E_DENIED;
}

static osd_status open_device(struct lun *lun, const struct osd_cfg *cfg, char *why,
                              size_t why_len)
{
    uint64_t size =
        (uint64_t)tcmu_dev_get_num_lbas(lun->dev) * tcmu_dev_get_block_size(lun->dev);
    struct osd_device_config dc = {.clock = &osd_clock_frequent,
                                   .scrub_rate = cfg->scrub,
                                   .scrub_interval_ms = cfg->scrub_days * DAY_MS};
    struct osd_key_source source = {.cfg = cfg, .why = why, .why_len = why_len};
    osd_status st = open_store(cfg, size, &dc.store, why, why_len);

    if (st)
        return st;
    st = check_method(cfg, dc.store, why, why_len);
    if (!st)
        st = osd_key_source_set(&source, &dc);
    if (!st)
        st = osd_device_open(&dc, &lun->osd);
    osd_key_source_wipe(&source);
    if (!st && !(st = osd_pool_start(cfg->threads, &lun->pool)))
        return OSD_OK;
    if (!why[0] && st == OSD_E_DENIED)
        snprintf(why, why_len,
                 "%s: its keys are sealed under another passphrase than that of "
                 "passphrase_file=",
                 cfg->path);
    if (!why[0])
        snprintf(why, why_len, "device on store %s: %s", cfg->path, osd_status_text(st));
    if (lun->osd)
        osd_device_close(lun->osd);
    else
        dc.store->ops->close(dc.store);
    return st;
}

static int open_lun(struct tcmu_device *dev, bool reopen)
{
    struct lun *lun = calloc(1, sizeof(*lun));
    struct osd_cfg cfg;
    char why[512] = "";
    size_t len;
    off_t offset;
    int old;

    (void)reopen;
    if (!lun)
        return -1;
    lun->dev = dev;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    if (osd_cfgstring_parse(tcmu_dev_get_cfgstring(dev), &cfg, why, sizeof(why)) ||
        open_device(lun, &cfg, why, sizeof(why))) {
        osd_log(OSD_LOG_ERROR, "%s", why);
        free(lun);
        pthread_setcancelstate(old, NULL);
        return -1;
    }
    tcmu_dev_get_memory_info(dev, &lun->map, &len, &offset);
    lun->place = osd_ring_start(lun->map);
    pthread_mutex_init(&lun->mutex, NULL);
    pthread_cond_init(&lun->idle, NULL);
    tcmur_dev_set_private(dev, lun);
    osd_log(OSD_LOG_INFO, "opened %s, security method %s", cfg.path,
            osd_method_name(osd_device_method(lun->osd)));
    if (osd_device_method(lun->osd) > cfg.method)
        osd_log(OSD_LOG_WARN, "%s keeps the security method it was made with", cfg.path);
    pthread_setcancelstate(old, NULL);
    return 0;
}

static void close_lun(struct tcmu_device *dev)
{
    struct lun *lun = tcmur_dev_get_private(dev);
    int old;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    run_gathered(lun);
    pthread_mutex_lock(&lun->mutex);
    while (lun->pending > 0)
        pthread_cond_wait(&lun->idle, &lun->mutex);
    pthread_mutex_unlock(&lun->mutex);
    osd_pool_stop(lun->pool);
    osd_device_close(lun->osd);
    pthread_cond_destroy(&lun->idle);
    pthread_mutex_destroy(&lun->mutex);
    free(lun);
    pthread_setcancelstate(old, NULL);
}

static int reconfig(struct tcmu_device *dev, struct tcmulib_cfg_info *cfg)
{
    (void)dev;
    (void)cfg;
    return 0; /* nothing of a LUN's nominal size or cache setting matters to an OSD */
}

EXPORT int handler_init(void);

int handler_init(void)
{
    static struct tcmur_handler handler = {
        .name = "Object-based storage device (T10 OSD)",
        .subtype = "osd",
        .cfg_desc =
            "/absolute/path/of/the/store[;key=value]...\n"
            "keys: capacity=SIZE (k, m, g, t; default: the LUN's size),\n"
            "security=cmdrsp|capkey|alldata|nosec (default cmdrsp; nosec: no credentials;\n"
            "a store made with a weaker method is refused),\n"
            "master_key_file=/path (default: master.key in the store), dh1024=refuse|allow,\n"
            "passphrase_file=/path (keys are sealed in the store),\n"
            "sync=normal|always, store=rocksdb|memory, threads=N,\n"
            "scrub=off|RATE (bytes per second, default 8m), scrub_days=N (default 7)\n"
            "examples:\n"
            "  size=4T cfgstring=" OSD_CFGSTRING_EXAMPLE "\n"
            "  size=4T cfgstring=/srv/osd1;capacity=2T;sync=always;security=nosec",
        .check_config = check_config,
        .reconfig = reconfig,
        .open = open_lun,
        .close = close_lun,
        .nr_threads = 0,
        .handle_cmd = handle_cmd,
    };

    osd_log_set_sink(log_to_runner);
    osd_memory_keep();
    return tcmur_register_handler(&handler);
}
