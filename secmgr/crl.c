/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/crl.c - see crl.h
 */
#include "crl.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"

#define LOOK_MS  1000 /* between two looks at the file */
#define FILE_MAX (64L << 20)

struct lists {
    gnutls_x509_crl_t *v;
    unsigned n;
};

struct sm_crl {
    char *path;
    gnutls_x509_crt_t *ca;
    unsigned n_ca;
    pthread_mutex_t mutex; /* of what follows */
    struct lists lists;
    struct stat seen;
    uint64_t looked_ms;
};

static void drop(struct lists *l)
{
    for (unsigned i = 0; i < l->n; i++)
        gnutls_x509_crl_deinit(l->v[i]);
    gnutls_free(l->v);
    *l = (struct lists){0};
}

/* ---- the file ---- */

/* Its bytes; free() them. */
static char *read_file(const char *path, size_t *ret_len, char *why, size_t why_len)
{
    FILE *f = fopen(path, "re");
    struct stat st;
    char *text = NULL;

    errno = 0;
    if (f && fstat(fileno(f), &st) == 0 && st.st_size > 0 && st.st_size <= FILE_MAX &&
        (text = malloc((size_t)st.st_size)))
        *ret_len = fread(text, 1, (size_t)st.st_size, f);
    if (!text)
        snprintf(why, why_len, "client_crl = %.200s: %s", path,
                 f && !errno ? "is empty or too long" : strerror(errno));
    if (f)
        fclose(f);
    return text;
}

static bool is_signed(const struct sm_crl *c, gnutls_x509_crl_t crl)
{
    unsigned trouble = 0;

    return gnutls_x509_crl_verify(crl, c->ca, c->n_ca, 0, &trouble) >= 0 &&
           (trouble & ~(unsigned)GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED) == 0;
}

static osd_status load(const struct sm_crl *c, struct lists *ret, char *why, size_t why_len)
{
    gnutls_datum_t pem = {0};
    struct lists l = {0};
    size_t len = 0;
    int rc;

    pem.data = (unsigned char *)read_file(c->path, &len, why, why_len);
    if (!pem.data)
        return OSD_E_NOT_FOUND;
    pem.size = (unsigned)len;
    rc = gnutls_x509_crl_list_import2(&l.v, &l.n, &pem, GNUTLS_X509_FMT_PEM, 0);
    free(pem.data);
    if (rc < 0) {
        snprintf(why, why_len, "client_crl = %.200s: %s", c->path, gnutls_strerror(rc));
        return OSD_E_INVALID;
    }
    for (unsigned i = 0; i < l.n; i++)
        if (!is_signed(c, l.v[i])) {
            snprintf(why, why_len, "client_crl = %.200s: not signed by client_ca", c->path);
            drop(&l);
            return OSD_E_INVALID;
        }
    *ret = l;
    return OSD_OK;
}

static bool changed(const struct sm_crl *c, const struct stat *now)
{
    return now->st_ino != c->seen.st_ino || now->st_size != c->seen.st_size ||
           now->st_mtim.tv_sec != c->seen.st_mtim.tv_sec ||
           now->st_mtim.tv_nsec != c->seen.st_mtim.tv_nsec;
}

/* What cannot be used is reported once, until the file changes again. */
static void look(struct sm_crl *c)
{
    struct lists fresh;
    struct stat now = {0};
    char why[400] = "";

    c->looked_ms = osd_monotonic_ms();
    if (stat(c->path, &now) == 0 && !changed(c, &now))
        return;
    if (load(c, &fresh, why, sizeof(why)) == OSD_OK) {
        drop(&c->lists);
        c->lists = fresh;
        osd_log(OSD_LOG_INFO, "%s: %u revocation lists", c->path, fresh.n);
    } else if (changed(c, &now)) {
        osd_log(OSD_LOG_ERROR, "%s; the lists before stay in force", why);
    }
    c->seen = now;
}

/* ---- public ---- */

osd_status sm_crl_open(const char *path, const char *ca, struct sm_crl **ret, char *why,
                       size_t why_len)
{
    gnutls_datum_t pem = {(unsigned char *)ca, (unsigned)strlen(ca)};
    struct sm_crl *c = calloc(1, sizeof(*c));
    osd_status st;

    if (!c)
        return OSD_E_NOMEM;
    pthread_mutex_init(&c->mutex, NULL);
    c->path = strdup(path);
    if (gnutls_x509_crt_list_import2(&c->ca, &c->n_ca, &pem, GNUTLS_X509_FMT_PEM, 0) < 0) {
        snprintf(why, why_len, "client_ca holds no certificate");
        st = OSD_E_INVALID;
    } else {
        stat(path, &c->seen);
        st = c->path ? load(c, &c->lists, why, why_len) : OSD_E_NOMEM;
    }
    if (st) {
        sm_crl_close(c);
        return st;
    }
    c->looked_ms = osd_monotonic_ms();
    *ret = c;
    return OSD_OK;
}

void sm_crl_close(struct sm_crl *c)
{
    if (!c)
        return;
    drop(&c->lists);
    for (unsigned i = 0; i < c->n_ca; i++)
        gnutls_x509_crt_deinit(c->ca[i]);
    gnutls_free(c->ca);
    pthread_mutex_destroy(&c->mutex);
    free(c->path);
    free(c);
}

void sm_crl_reload(struct sm_crl *c)
{
    pthread_mutex_lock(&c->mutex);
    look(c);
    pthread_mutex_unlock(&c->mutex);
}

/* What cannot be read is no certificate to trust. */
static bool is_listed(const struct lists *l, const gnutls_datum_t *raw)
{
    gnutls_x509_crt_t crt;
    bool listed = true;

    if (gnutls_x509_crt_init(&crt) < 0)
        return true;
    if (gnutls_x509_crt_import(crt, raw, GNUTLS_X509_FMT_DER) >= 0)
        listed = gnutls_x509_crt_check_revocation(crt, l->v, l->n) != 0;
    gnutls_x509_crt_deinit(crt);
    return listed;
}

bool sm_crl_lists(struct sm_crl *c, const gnutls_datum_t *chain, unsigned n)
{
    bool listed = false;

    pthread_mutex_lock(&c->mutex);
    if (osd_monotonic_ms() - c->looked_ms >= LOOK_MS)
        look(c);
    for (unsigned i = 0; i < n && !listed; i++)
        listed = is_listed(&c->lists, &chain[i]);
    pthread_mutex_unlock(&c->mutex);
    return listed;
}
