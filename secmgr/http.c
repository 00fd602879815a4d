/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/http.c - see http.h: libmicrohttpd in front of api.c
 *
 * Bounds: connections and their number per address, seconds a connection may idle, bytes of a
 * body (SM_BODY_MAX) and of headers (MHD's memory limit).
 */
#include "http.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "crl.h"
#include "negotiate.h"
#include "requests.h"
#include "wipe.h"

#define IDLE_S      30
#define HEADERS_MAX (32u << 10)
#define PEM_MAX     (256u << 10)
#define CIPHERS     "SECURE128:%SERVER_PRECEDENCE:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define RETRY_AFTER "1"

struct listener {
    struct MHD_Daemon *daemon;
    struct sm_http *http;
    bool tls;
};

struct sm_http {
    const struct sm_config *config;
    struct sm_api *api;
    struct listener unix_, https;
    char *certificate, *private_key, *client_ca;
    struct sm_crl *crl; /* NULL: no revocation lists */
};

/* One request under way; MHD calls for its header, for pieces of its body, for its end. */
struct call {
    struct osd_buf body;
    bool too_long;
};

/* ---- who ---- */

struct caller {
    struct sm_identity who;
    bool known;
    const char *refusal;
    char peer[80];
};

static void from_unix(struct MHD_Connection *c, struct caller *ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        ret->refusal = "the kernel does not say who connected";
        return;
    }
    sm_identity_unix(cred.uid, cred.gid, &ret->who);
    ret->known = true;
    snprintf(ret->peer, sizeof(ret->peer), "unix pid %d", (int)cred.pid);
}

static void peer_address(struct MHD_Connection *c, struct caller *ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    socklen_t len;

    snprintf(ret->peer, sizeof(ret->peer), "tcp");
    if (!info || !info->client_addr)
        return;
    len = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                   : sizeof(struct sockaddr_in);
    getnameinfo(info->client_addr, len, ret->peer, sizeof(ret->peer), NULL, 0, NI_NUMERICHOST);
}

/* The subject's name, as a string that can stand in a rule. */
static bool subject_of(const gnutls_datum_t *raw, char *dst, size_t len)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t dn = {0};
    bool good = false;

    if (gnutls_x509_crt_init(&crt) < 0)
        return false;
    if (gnutls_x509_crt_import(crt, raw, GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_x509_crt_get_dn3(crt, &dn, 0) >= 0) {
        good = (size_t)snprintf(dst, len, "cert:%s", (const char *)dn.data) < len &&
               strlen((const char *)dn.data) == dn.size && sm_principal_valid(dst);
        gnutls_free(dn.data);
    }
    gnutls_x509_crt_deinit(crt);
    return good;
}

/* NULL: a certificate of the authority that is good now, for clients or for everything. */
static const char *distrust(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID,
                                     (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0};
    unsigned trouble = 0;

    if (gnutls_certificate_verify_peers(session, &purpose, 1, &trouble) < 0)
        return "the client certificate is not trusted";
    if (trouble & GNUTLS_CERT_EXPIRED)
        return "the client certificate has expired";
    if (trouble == (GNUTLS_CERT_INVALID | GNUTLS_CERT_PURPOSE_MISMATCH))
        return "the certificate is not for clients";
    return trouble ? "the client certificate is not trusted" : NULL;
}

static void from_certificate(struct listener *l, struct MHD_Connection *c, struct caller *ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_session_t session = info ? (gnutls_session_t)info->tls_session : NULL;
    const gnutls_datum_t *list;
    unsigned n = 0;

    list = session ? gnutls_certificate_get_peers(session, &n) : NULL;
    if (!list || n == 0)
        return; /* none was shown */
    if ((ret->refusal = distrust(session)))
        return;
    if (l->http->crl && sm_crl_lists(l->http->crl, list, n))
        ret->refusal = "the client certificate is revoked";
    else if (!subject_of(&list[0], ret->who.name, sizeof(ret->who.name)))
        ret->refusal = "the client certificate's subject is too long or not printable";
    else
        ret->known = true;
}

static void from_tls(struct listener *l, struct MHD_Connection *c, struct caller *ret)
{
    const char *header;

    peer_address(c, ret);
    from_certificate(l, c, ret);
    if (ret->known || !l->http->config->keytab[0])
        return;
    header = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    if (header)
        ret->known = sm_negotiate(header, &ret->who, &ret->refusal);
}

/* ---- requests ---- */

static void set_headers(struct MHD_Response *r, const struct sm_reply *reply)
{
    MHD_add_response_header(r, "Content-Type", reply->type ? reply->type : "text/plain");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (reply->status == 429)
        MHD_add_response_header(r, "Retry-After", RETRY_AFTER);
    if (reply->negotiate)
        MHD_add_response_header(r, "WWW-Authenticate", "Negotiate");
}

static enum MHD_Result send_reply(struct MHD_Connection *c, struct sm_reply *reply)
{
    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback(
        reply->len, reply->body, sm_wipe_free);
    enum MHD_Result result = MHD_NO;

    if (!r) {
        sm_wipe_free(reply->body);
        return MHD_NO;
    }
    set_headers(r, reply);
    result = MHD_queue_response(c, reply->status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result answer(struct listener *l, struct MHD_Connection *c, const char *url,
                              const char *method, struct call *call)
{
    struct caller caller = {0};
    struct sm_reply reply;
    struct sm_request req = {.method = method,
                             .path = url,
                             .body = call->body.data ? (const char *)call->body.data : "",
                             .body_len = call->body.len};

    if (l->tls)
        from_tls(l, c, &caller);
    else
        from_unix(c, &caller);
    req.known = caller.known;
    req.who = &caller.who;
    req.refusal = caller.refusal;
    req.peer = caller.peer;
    sm_api_handle(l->http->api, &req, &reply);
    return send_reply(c, &reply);
}

static enum MHD_Result too_long(struct MHD_Connection *c)
{
    static const char text[] =
        "{\"schema\":\"osd-secmgr/1\",\"ok\":false,\"error\":{\"code\":\"invalid\","
        "\"message\":\"the body is longer than 64 KiB\"}}";
    struct sm_reply reply = {413, "application/json", strdup(text), sizeof(text) - 1, false};

    return reply.body ? send_reply(c, &reply) : MHD_NO;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_len, void **state)
{
    struct call *call = *state;

    (void)version;
    if (!call) {
        call = calloc(1, sizeof(*call));
        *state = call;
        if (call)
            call->body = osd_buf_make(SM_BODY_MAX);
        return call ? MHD_YES : MHD_NO;
    }
    if (*data_len > 0) {
        /* In one piece from the beginning: what grows leaves copies behind. */
        if ((!call->body.data && osd_buf_reserve(&call->body, SM_BODY_MAX)) ||
            osd_buf_put(&call->body, data, *data_len))
            call->too_long = true;
        *data_len = 0;
        return MHD_YES;
    }
    return call->too_long ? too_long(c) : answer(arg, c, url, method, call);
}

static void end_call(void *arg, struct MHD_Connection *c, void **state,
                     enum MHD_RequestTerminationCode code)
{
    struct call *call = *state;

    (void)arg;
    (void)c;
    (void)code;
    if (call)
        sm_wipe_buf(&call->body);
    free(call);
    *state = NULL;
}

/* MHD's own messages are about broken connections: not ours to tell. */
static void quiet(void *arg, const char *fmt, va_list ap)
{
    (void)arg;
    (void)fmt;
    (void)ap;
}

/* ---- listening ---- */

static bool in_use(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0;

    if (fd >= 0)
        close(fd);
    return answers;
}

static int listen_unix(const struct sm_config *c, char *why, size_t why_len)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd;

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->unix_path);
    if (in_use(&a)) {
        snprintf(why, why_len, "%s: another process listens there", c->unix_path);
        return -1;
    }
    unlink(c->unix_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        chmod(c->unix_path, (mode_t)c->unix_mode) == 0 && listen(fd, 256) == 0)
        return fd;
    snprintf(why, why_len, "%s: %s", c->unix_path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* "address:port", "[address]:port", ":port" */
static int listen_tcp(const char *where, char *why, size_t why_len)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    const char *colon = strrchr(where, ':');
    char host[128] = "";
    int fd = -1, one = 1, rc = EAI_NONAME;

    if (colon) {
        bool brackets = where[0] == '[' && colon > where && colon[-1] == ']';
        snprintf(host, sizeof(host), "%.*s", (int)(colon - where) - 2 * brackets,
                 where + brackets);
        rc = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found);
    }
    if (rc != 0) {
        snprintf(why, why_len, "https = %s: %s", where, gai_strerror(rc));
        return -1;
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 256) != 0) {
        snprintf(why, why_len, "https = %s: %s", where, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static char *read_pem(const char *path, char *why, size_t why_len)
{
    char *text = calloc(1, PEM_MAX);
    FILE *f = fopen(path, "re");

    if (f && text && fread(text, 1, PEM_MAX - 1, f) > 0) {
        fclose(f);
        return text;
    }
    snprintf(why, why_len, "%s: %s", path, f ? "is empty" : strerror(errno));
    if (f)
        fclose(f);
    free(text);
    return NULL;
}

static struct MHD_Daemon *start(struct listener *l, int fd, const struct MHD_OptionItem *more,
                                unsigned more_flags)
{
    const struct sm_config *c = l->http->config;

    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | more_flags, 0, NULL, NULL, handle,
        l, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, end_call, NULL, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)(c->threads > 1 ? c->threads : 2), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)c->connections + 2 * (unsigned)c->threads, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

static osd_status start_unix(struct sm_http *h, char *why, size_t why_len)
{
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    int fd = listen_unix(h->config, why, why_len);

    if (fd < 0)
        return OSD_E_IO;
    h->unix_ = (struct listener){.http = h};
    h->unix_.daemon = start(&h->unix_, fd, none, 0);
    if (h->unix_.daemon)
        return OSD_OK;
    close(fd);
    snprintf(why, why_len, "%s: libmicrohttpd does not start", h->config->unix_path);
    return OSD_E_IO;
}

static osd_status start_https(struct sm_http *h, char *why, size_t why_len)
{
    const struct sm_config *c = h->config;
    int fd;

    if (!(h->certificate = read_pem(c->certificate, why, why_len)) ||
        !(h->private_key = read_pem(c->private_key, why, why_len)) ||
        (c->client_ca[0] && !(h->client_ca = read_pem(c->client_ca, why, why_len))))
        return OSD_E_IO;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, h->private_key},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, h->certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)CIPHERS},
        {h->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, h->client_ca},
        {MHD_OPTION_END, 0, NULL}};
    if (c->client_crl[0] && sm_crl_open(c->client_crl, h->client_ca, &h->crl, why, why_len))
        return OSD_E_IO;
    fd = listen_tcp(c->https, why, why_len);
    if (fd < 0)
        return OSD_E_IO;
    h->https = (struct listener){.http = h, .tls = true};
    h->https.daemon = start(&h->https, fd, tls, MHD_USE_TLS);
    if (h->https.daemon)
        return OSD_OK;
    close(fd);
    snprintf(why, why_len, "https: certificate or key is not usable (%s, %s)", c->certificate,
             c->private_key);
    return OSD_E_IO;
}

osd_status sm_http_start(const struct sm_config *c, struct sm_api *api, struct sm_http **ret,
                         char *why, size_t why_len)
{
    struct sm_http *h = calloc(1, sizeof(*h));
    osd_status st = OSD_OK;

    if (!h)
        return OSD_E_NOMEM;
    h->config = c;
    h->api = api;
    if (c->keytab[0])
        st = sm_negotiate_open(c->keytab, why, why_len);
    if (!st && c->unix_path[0])
        st = start_unix(h, why, why_len);
    if (!st && c->https[0])
        st = start_https(h, why, why_len);
    if (st) {
        sm_http_stop(h);
        return st;
    }
    *ret = h;
    return OSD_OK;
}

void sm_http_reload(struct sm_http *h)
{
    if (h->crl)
        sm_crl_reload(h->crl);
}

void sm_http_stop(struct sm_http *h)
{
    if (!h)
        return;
    if (h->unix_.daemon) {
        MHD_stop_daemon(h->unix_.daemon);
        unlink(h->config->unix_path);
    }
    if (h->https.daemon)
        MHD_stop_daemon(h->https.daemon);
    sm_crl_close(h->crl);
    free(h->certificate);
    free(h->private_key);
    free(h->client_ca);
    free(h);
}
