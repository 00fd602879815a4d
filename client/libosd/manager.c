/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/manager.c - see manager.h
 */
#include "manager.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/hash.h"
#include "manager_text.h"

#define URLS      8
#define HANDLES   8
#define REPLY_MAX (4u << 20)
/* Of replies with one credential and with many; they are made whole, for what grows leaves copies
 * behind. */
#define ONE_MAX    (16u << 10)
#define MANY_MAX   (512u << 10)
#define CACHE      4096 /* credentials */
#define WAYS       8
#define SPARE_MS   15000u /* a credential is good for so long yet, or for half its life */
#define TIMEOUT_S  30L
#define CONNECT_MS 5000L
#define ROUNDS     3 /* through all managers */
#define LIMITED    4 /* waits when the manager says that we ask too often */

struct entry {
    struct manager_want want;
    struct manager_credential credential;
    uint64_t renew_ms; /* wall clock; 0: unused */
    uint64_t used;
};

struct manager {
    char *urls[URLS]; /* "unix:/path" or "https://..." */
    int n_urls;
    char *ca, *certificate, *private_key;
    pthread_mutex_t mutex; /* of what follows */
    int good;              /* the manager that answered last */
    CURL *idle[HANDLES];
    int n_idle;
    uint64_t seed, tick;
    struct entry *cache;
};

/* ---- open and close ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool add_url(struct manager *m, const char *s, size_t len)
{
    bool is_unix = len > 6 && strncmp(s, "unix:/", 6) == 0;
    bool https = len > 8 && strncmp(s, "https://", 8) == 0;

    if ((!is_unix && !https) || m->n_urls == URLS)
        return false;
    m->urls[m->n_urls] = strndup(s, len);
    return m->urls[m->n_urls] && ++m->n_urls;
}

static osd_status parse_urls(struct manager *m, const char *s, char *why, size_t why_len)
{
    for (;;) {
        size_t len = strcspn(s, ",");
        if (!add_url(m, s, len)) {
            snprintf(why, why_len,
                     "security manager \"%s\": unix:/path or https://host[:port], at most %d",
                     s, URLS);
            return OSD_E_INVALID;
        }
        if (!s[len])
            return OSD_OK;
        s += len + 1;
    }
}

static char *copy(const char *s)
{
    return s && s[0] ? strdup(s) : NULL;
}

osd_status manager_open(const struct manager_options *o, struct manager **ret, char *why,
                        size_t why_len)
{
    struct manager *m = calloc(1, sizeof(*m));
    osd_status st;

    if (!m)
        return OSD_E_NOMEM;
    pthread_once(&curl_once, init_curl);
    pthread_mutex_init(&m->mutex, NULL);
    osd_random(&m->seed, sizeof(m->seed));
    m->ca = copy(o->ca);
    m->certificate = copy(o->certificate);
    m->private_key = copy(o->private_key);
    m->cache = calloc(CACHE, sizeof(*m->cache));
    st = m->cache ? parse_urls(m, o->urls, why, why_len) : OSD_E_NOMEM;
    if (st) {
        manager_close(m);
        return st;
    }
    *ret = m;
    return OSD_OK;
}

void manager_close(struct manager *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->n_idle; i++)
        curl_easy_cleanup(m->idle[i]);
    for (int i = 0; i < m->n_urls; i++)
        free(m->urls[i]);
    if (m->cache)
        OPENSSL_cleanse(m->cache, CACHE * sizeof(*m->cache));
    free(m->cache);
    free(m->ca);
    free(m->certificate);
    free(m->private_key);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}

/* ---- one request to one manager ---- */

static CURL *take_handle(struct manager *m)
{
    CURL *h = NULL;

    pthread_mutex_lock(&m->mutex);
    if (m->n_idle > 0)
        h = m->idle[--m->n_idle];
    pthread_mutex_unlock(&m->mutex);
    return h ? h : curl_easy_init();
}

/* Connections stay open with the handle. */
static void return_handle(struct manager *m, CURL *h)
{
    curl_easy_reset(h);
    pthread_mutex_lock(&m->mutex);
    if (m->n_idle < HANDLES) {
        m->idle[m->n_idle++] = h;
        h = NULL;
    }
    pthread_mutex_unlock(&m->mutex);
    if (h)
        curl_easy_cleanup(h);
}

static size_t take_bytes(char *data, size_t one, size_t n, void *arg)
{
    return osd_buf_put(arg, data, one * n) == OSD_OK ? one * n : 0;
}

static void set_tls(const struct manager *m, CURL *h)
{
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (m->ca)
        curl_easy_setopt(h, CURLOPT_CAINFO, m->ca);
    if (m->certificate) {
        curl_easy_setopt(h, CURLOPT_SSLCERT, m->certificate);
        curl_easy_setopt(h, CURLOPT_SSLKEY, m->private_key ? m->private_key : m->certificate);
    } else {
        curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_NEGOTIATE);
        curl_easy_setopt(h, CURLOPT_USERPWD, ":");
    }
}

static void set_address(const struct manager *m, CURL *h, const char *base, const char *path)
{
    bool is_unix = strncmp(base, "unix:", 5) == 0;
    char url[1200];

    snprintf(url, sizeof(url), "%s%s", is_unix ? "http://osd-secmgr" : base, path);
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, is_unix ? "http" : "https");
    if (is_unix) {
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, base + 5);
        curl_easy_setopt(h, CURLOPT_PROXY, "");
    } else {
        set_tls(m, h);
    }
}

/* *ret_code: the HTTP status, when there was a reply. */
static osd_status request_one(struct manager *m, int which, const char *method,
                              const char *path, const char *body, struct osd_buf *reply,
                              long *ret_code, char *why, size_t why_len)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers;
    CURL *h = take_handle(m);
    CURLcode rc;

    if (!h)
        return OSD_E_NOMEM;
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    set_address(m, h, m->urls[which], path);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, reply);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    if (body)
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    rc = curl_easy_perform(h);
    if (rc == CURLE_OK)
        curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, ret_code);
    else
        snprintf(why, why_len, "security manager %s: %s", m->urls[which],
                 error[0] ? error : curl_easy_strerror(rc));
    curl_slist_free_all(headers);
    return_handle(m, h);
    return rc == CURLE_OK ? OSD_OK : OSD_E_UNREACHABLE;
}

/* ---- one request to any of them ---- */

static osd_status status_of(long code)
{
    switch (code) {
    case 400:
    case 405:
    case 413:
        return OSD_E_INVALID;
    case 401:
    case 403:
        return OSD_E_DENIED;
    case 404:
        return OSD_E_NOT_FOUND;
    case 409:
        return OSD_E_EXISTS;
    case 429:
        return OSD_E_BUSY;
    case 501:
        return OSD_E_UNSUPPORTED;
    default:
        return code >= 500 ? OSD_E_UNREACHABLE : OSD_E_PROTOCOL;
    }
}

static int first_choice(struct manager *m)
{
    pthread_mutex_lock(&m->mutex);
    int good = m->good;
    pthread_mutex_unlock(&m->mutex);
    return good;
}

static void remember(struct manager *m, int which)
{
    pthread_mutex_lock(&m->mutex);
    m->good = which;
    pthread_mutex_unlock(&m->mutex);
}

/* Try until one of the managers answers with something other than its own trouble. */
static osd_status request_any(struct manager *m, const char *method, const char *path,
                              const char *body, struct osd_buf *reply, char *why,
                              size_t why_len)
{
    int first = first_choice(m), limited = 0;
    osd_status st = OSD_E_UNREACHABLE;

    for (int i = 0; i < ROUNDS * m->n_urls; i++) {
        int which = (first + i) % m->n_urls;
        long code = 0;
        reply->len = 0;
        if (i > 0 && i % m->n_urls == 0)
            usleep(100000);
        st = request_one(m, which, method, path, body, reply, &code, why, why_len);
        if (st == OSD_E_NOMEM)
            return st;
        if (st)
            continue;
        remember(m, which);
        if (code >= 200 && code < 300)
            return OSD_OK;
        st = status_of(code);
        manager_message(reply->data, reply->len, code, why, why_len);
        if (st == OSD_E_BUSY && limited++ < LIMITED) {
            sleep(1);
            i = -1;
        } else if (st != OSD_E_UNREACHABLE) {
            return st;
        }
    }
    return st;
}

osd_status manager_request(struct manager *m, const char *method, const char *path,
                           const char *body, char **ret_reply, char *why, size_t why_len)
{
    struct osd_buf reply = osd_buf_make(REPLY_MAX);
    osd_status st = request_any(m, method, path, body, &reply, why, why_len);

    *ret_reply = NULL;
    if (reply.len > 0 && osd_buf_put(&reply, "", 1) == OSD_OK)
        *ret_reply = (char *)reply.data;
    else
        osd_buf_free(&reply);
    return st;
}

/* ---- the cache ---- */

/* Whether what was granted for a does for b, too. */
static bool covers(const struct manager_want *a, const struct manager_want *b)
{
    return a->pid == b->pid && a->oid == b->oid && a->type == b->type && a->gen == b->gen &&
           (a->permissions & b->permissions) == b->permissions &&
           memcmp(a->system_id, b->system_id, OSD_SYSTEM_ID_LEN) == 0;
}

static struct entry *set_of(struct manager *m, const struct manager_want *w)
{
    uint64_t kind = (uint64_t)w->type << 8 | w->gen;
    uint64_t h = osd_hash(osd_hash(m->seed, w->pid, w->oid), kind, be64_get(w->system_id + 4));

    return m->cache + h % (CACHE / WAYS) * WAYS;
}

static bool find_cached(struct manager *m, const struct manager_want *w,
                        struct manager_credential *ret)
{
    uint64_t now = osd_clock_now(&osd_clock_system);
    bool found = false;

    pthread_mutex_lock(&m->mutex);
    struct entry *e = set_of(m, w);
    for (int i = 0; i < WAYS && !found; i++)
        if (e[i].renew_ms > now && covers(&e[i].want, w)) {
            e[i].used = ++m->tick;
            *ret = e[i].credential;
            found = true;
        }
    pthread_mutex_unlock(&m->mutex);
    return found;
}

/* In the place of one that did for the same, and may be no good any more. */
static void keep(struct manager *m, const struct manager_want *w,
                 const struct manager_credential *c, uint64_t expires)
{
    uint64_t now = osd_clock_now(&osd_clock_system);
    uint64_t left = expires > now ? expires - now : 0;

    pthread_mutex_lock(&m->mutex);
    struct entry *e = set_of(m, w), *to = e;
    for (int i = 0; i < WAYS; i++) {
        if (covers(&e[i].want, w)) {
            to = &e[i];
            break;
        }
        if (e[i].used < to->used)
            to = &e[i];
    }
    *to = (struct entry){*w, *c, now + (left > 2 * SPARE_MS ? left - SPARE_MS : left / 2),
                         ++m->tick};
    pthread_mutex_unlock(&m->mutex);
}

/* ---- credentials ---- */

static void wipe(struct osd_buf *reply)
{
    if (reply->data)
        OPENSSL_cleanse(reply->data, reply->cap);
    osd_buf_free(reply);
}

osd_status manager_credential(struct manager *m, const struct manager_want *w,
                              enum manager_refused refused, struct manager_credential *ret,
                              char *why, size_t why_len)
{
    struct osd_buf reply = osd_buf_make(ONE_MAX);
    struct manager_credential c = {0};
    uint64_t expires;
    char *body;
    osd_status st;

    if (!refused && find_cached(m, w, ret))
        return OSD_OK;
    body = manager_ask(w, refused, ret);
    st = body ? osd_buf_reserve(&reply, ONE_MAX) : OSD_E_NOMEM;
    if (!st)
        st = request_any(m, "POST", "/v1/credentials", body, &reply, why, why_len);
    if (!st && !manager_granted(reply.data, reply.len, w->gen, &c, &expires)) {
        snprintf(why, why_len, "the security manager's answer is no credential");
        st = OSD_E_PROTOCOL;
    }
    if (!st) {
        keep(m, w, &c, expires);
        *ret = c;
    }
    wipe(&reply);
    OPENSSL_cleanse(&c, sizeof(c));
    free(body);
    return st;
}

struct kept_many {
    struct manager *m;
    struct manager_want want;
    size_t n;
};

static void keep_one(void *arg, uint64_t oid, const struct manager_credential *c,
                     uint64_t expires)
{
    struct kept_many *k = arg;

    k->want.oid = oid;
    keep(k->m, &k->want, c, expires);
    k->n++;
}

/* Those of which nothing is known. */
static size_t unknown_of(struct manager *m, const struct manager_want *w, const uint64_t *oids,
                         size_t n, uint64_t *ret)
{
    struct manager_credential c;
    struct manager_want one = *w;
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        one.oid = oids[i];
        if (!find_cached(m, &one, &c))
            ret[left++] = oids[i];
    }
    OPENSSL_cleanse(&c, sizeof(c));
    return left;
}

osd_status manager_credentials(struct manager *m, const struct manager_want *w,
                               const uint64_t *oids, size_t n, char *why, size_t why_len)
{
    struct osd_buf reply = osd_buf_make(MANY_MAX);
    struct kept_many kept = {.m = m, .want = *w};
    uint64_t unknown[MANAGER_MANY];
    char *body;
    osd_status st;

    if (n > MANAGER_MANY)
        return OSD_E_INVALID;
    n = unknown_of(m, w, oids, n, unknown);
    if (n == 0)
        return OSD_OK;
    body = manager_ask_many(w, unknown, n);
    st = body ? osd_buf_reserve(&reply, MANY_MAX) : OSD_E_NOMEM;
    if (!st)
        st = request_any(m, "POST", "/v1/credentials/batch", body, &reply, why, why_len);
    if (!st && !manager_granted_many(reply.data, reply.len, w->gen, keep_one, &kept)) {
        snprintf(why, why_len, "the security manager's answer holds no credentials");
        st = OSD_E_PROTOCOL;
    }
    if (!st && kept.n == 0) {
        manager_refusal(reply.data, reply.len, why, why_len);
        st = OSD_E_DENIED;
    }
    wipe(&reply);
    free(body);
    return st;
}
