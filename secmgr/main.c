/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/main.c - osd-secmgr(8): start, readiness, rotation of keys, signals, end
 *
 * SIGTERM and SIGINT end it, SIGHUP opens the audit log and the revocation lists again. Nothing is kept in memory that
 * another manager on the same database would miss.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#ifdef SECMGR_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "api.h"
#include "common/clock.h"
#include "common/log.h"
#include "digits.h"
#include "http.h"
#include "revoke.h"
#include "wipe.h"

#define DEFAULT_CONFIG "/etc/osd/osd-secmgr.conf"
#define ROTATE_EVERY   5000u  /* ms between two looks for what is due, at most */
#define LEFT_OVER_MS   15000u /* a revocation that is older is nobody's request any more */
#define EXIT_USAGE     2

struct service {
    struct sm_config config;
    struct sm_db *db;
    struct sm_vault *vault;
    struct sm_keys *keys;
    struct sm_audit *audit;
    struct sm_api *api;
    struct sm_http *http;
};

/* ---- what systemd wants to hear ---- */

static void notify(const char *state)
{
#ifdef SECMGR_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

static uint64_t watchdog_ms(void)
{
    uint64_t us = 0;

#ifdef SECMGR_SYSTEMD
    if (sd_watchdog_enabled(0, &us) <= 0)
        us = 0;
#endif
    return us / 2000;
}

/* ---- start and end ---- */

static int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("osd-secmgr: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return EXIT_FAILURE;
}

/* The salt of the key-encryption key belongs to the database; a sealed word tells whether the
 * passphrase is the one that the keys were sealed with. */
static osd_status open_vault(struct service *s, char *why, size_t why_len)
{
    const char *name = s->config.passphrase, *dir = getenv("CREDENTIALS_DIRECTORY");
    char path[2 * SM_PATH];
    uint8_t salt[SM_SALT_LEN], word[16];
    char text[SM_SETTING], seal[SM_SETTING];
    size_t len;
    osd_status st;

    if (dir && strncmp(name, "credential:", 11) == 0)
        snprintf(path, sizeof(path), "%.500s/%.500s", dir, name + 11);
    else
        snprintf(path, sizeof(path), "%s", name);
    osd_random(salt, sizeof(salt));
    sm_hex_format(salt, sizeof(salt), text);
    st = sm_db_setting(s->db, "salt", text, text);
    if (!st && !sm_hex_parse(text, salt, sizeof(salt)))
        st = OSD_E_CORRUPT;
    if (!st)
        st = sm_vault_open_file(path, salt, &s->vault, why, why_len);
    if (!st)
        st = sm_vault_seal(s->vault, "check", (const uint8_t *)"osd-secmgr", 10, seal,
                           sizeof(seal));
    if (!st)
        st = sm_db_setting(s->db, "check", seal, seal);
    if (!st) {
        st = sm_vault_unseal(s->vault, "check", seal, word, sizeof(word), &len);
        if (st)
            snprintf(why, why_len,
                     "%.200s: not the passphrase that this database's keys are sealed with",
                     name);
    }
    return st;
}

static osd_status start(struct service *s, char *why, size_t why_len)
{
    struct sm_keys_config kc = {.wishes = &s->config.wishes,
                                .overlap_ms = s->config.max_lifetime_s * 1000,
                                .dh_group = s->config.dh_bits < 2048 ? 1 : 2};
    osd_status st = sm_audit_open(s->config.audit, &s->audit);

    if (st)
        snprintf(why, why_len, "audit log %.200s: %s", s->config.audit, strerror(errno));
    if (!st)
        st = sm_db_open(s->config.database, s->config.where, &s->db, why, why_len);
    if (!st)
        st = open_vault(s, why, why_len);
    kc.db = s->db;
    kc.vault = s->vault;
    if (!st)
        st = sm_keys_open(&kc, &s->keys);
    const struct sm_api_parts parts = {&s->config, s->db, s->keys, s->audit};
    if (!st)
        st = sm_api_new(&parts, &s->api);
    return st ? st : sm_http_start(&s->config, s->api, &s->http, why, why_len);
}

static void stop(struct service *s)
{
    sm_http_stop(s->http);
    sm_api_free(s->api);
    sm_keys_close(s->keys);
    sm_vault_close(s->vault);
    sm_db_close(s->db);
    sm_audit_close(s->audit);
}

/* ---- rotation and revocation ---- */

/* A thread of its own: devices that do not answer must not keep the watchdog waiting. */
struct rotator {
    struct service *service;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool end;
};

/* Keys that are due are looked for ten times in their life; revocations every few seconds. */
static uint64_t rotate_every(const struct sm_config *c)
{
    uint64_t tenth = c->rotate_s ? c->rotate_s * 100 : ROTATE_EVERY;

    return tenth > ROTATE_EVERY ? ROTATE_EVERY : tenth < 100 ? 100 : tenth;
}

static void wait_for_next(struct rotator *r, uint64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&r->wake, &r->mutex, &until);
}

static void look_after(struct service *s)
{
    unsigned rotated = 0;
    size_t revoked = 0;

    if (s->config.rotate_s &&
        !sm_keys_rotate_due(s->keys, s->config.rotate_s * 1000, &rotated) && rotated)
        osd_log(OSD_LOG_INFO, "%u working keys rotated", rotated);
    sm_revocations_resume(s->keys, LEFT_OVER_MS, &revoked);
    if (revoked)
        osd_log(OSD_LOG_INFO, "%zu revocations that were left over are carried out", revoked);
}

static void *rotate(void *arg)
{
    struct rotator *r = arg;
    const struct sm_config *c = &r->service->config;

    pthread_mutex_lock(&r->mutex);
    while (!r->end) {
        pthread_mutex_unlock(&r->mutex);
        look_after(r->service);
        pthread_mutex_lock(&r->mutex);
        if (!r->end)
            wait_for_next(r, rotate_every(c));
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

static bool start_rotation(struct rotator *r, struct service *s)
{
    *r = (struct rotator){.service = s};
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->wake, NULL);
    return pthread_create(&r->thread, NULL, rotate, r) == 0;
}

static void stop_rotation(struct rotator *r)
{
    pthread_mutex_lock(&r->mutex);
    r->end = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
    pthread_join(r->thread, NULL);
}

/* ---- the main thread's work ---- */

/* False: end. */
static bool take_signal(struct service *s, int fd)
{
    struct signalfd_siginfo si;

    if (read(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
        return true;
    if (si.ssi_signo != SIGHUP)
        return false;
    if (sm_audit_reopen(s->audit))
        osd_log(OSD_LOG_ERROR, "audit log %s: %s", s->config.audit, strerror(errno));
    sm_http_reload(s->http);
    return true;
}

static void serve(struct service *s, int signals)
{
    uint64_t watchdog = watchdog_ms();
    struct pollfd fd = {.fd = signals, .events = POLLIN};

    for (;;) {
        if (poll(&fd, 1, watchdog ? (int)watchdog : -1) > 0 && !take_signal(s, signals))
            return;
        notify("WATCHDOG=1");
    }
}

static void log_line(enum osd_log_level level, const char *line)
{
    static const char *const prefixes[] = {"<3>", "<4>", "<6>", "<7>"};

    if (level != OSD_LOG_DEBUG)
        fprintf(stderr, "%s%s\n", getenv("JOURNAL_STREAM") ? prefixes[level] : "", line);
}

static int run(struct service *s)
{
    char why[400] = "";
    struct rotator rotator;
    sigset_t set;
    int signals;
    osd_status st;

    signal(SIGPIPE, SIG_IGN);
    json_set_alloc_funcs(malloc, sm_wipe_free);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    prctl(PR_SET_DUMPABLE, 0); /* no core with keys in it */
    st = signals < 0 ? OSD_E_IO : start(s, why, sizeof(why));
    if (st) {
        stop(s);
        return fail("%s", why[0] ? why : osd_status_text(st));
    }
    osd_log(OSD_LOG_INFO, "ready: %s%s%s, %s", s->config.unix_path,
            s->config.https[0] ? ", https " : "", s->config.https, s->config.database);
    notify("READY=1");
    if (!start_rotation(&rotator, s)) {
        stop(s);
        return fail("no thread for rotation: %s", strerror(errno));
    }
    serve(s, signals);
    notify("STOPPING=1");
    stop_rotation(&rotator);
    stop(s);
    close(signals);
    return EXIT_SUCCESS;
}

static int help(void)
{
    printf("usage: osd-secmgr [OPTION]...\n\n"
           "Security manager of object-based storage devices.\n\n"
           "  -c, --config FILE  configuration (default " DEFAULT_CONFIG ")\n"
           "      --check        read the configuration, say what is wrong with it, end\n"
           "  -h, --help         this text\n"
           "      --version      the version\n\nSee osd-secmgr(8).\n");
    return EXIT_SUCCESS;
}

static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                             {"check", no_argument, NULL, 'k'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, 'V'},
                                             {NULL, 0, NULL, 0}};

int main(int argc, char **argv)
{
    const char *path = DEFAULT_CONFIG;
    struct service s = {0};
    bool check = false;
    char why[400];
    int c;

    while ((c = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        switch (c) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'h':
            return help();
        case 'V':
            return printf("osd-secmgr (liosd) %s\n", LIOSD_VERSION) < 0;
        default:
            return EXIT_USAGE;
        }
    }
    osd_log_set_sink(log_line);
    sm_config_defaults(&s.config);
    if (optind < argc)
        return fail("unexpected argument \"%s\"", argv[optind]) + 1;
    if (sm_config_load(&s.config, path, why, sizeof(why)) ||
        sm_config_check(&s.config, why, sizeof(why)))
        return fail("%s", why);
    return check ? EXIT_SUCCESS : run(&s);
}
