/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/db.c - see db.h
 *
 * Ids are kept as 16 hexadecimal digits: they sort as numbers and no column type can cut them.
 * A server that answered and no longer does may be restarted: statements wait for it, until it is PATIENCE_MS since
 * one found it gone.
 */
#include "db.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "sql.h"

#define POOL           8
#define SCHEMA_VERSION "1"
#define NUMBER_TEXT    24
#define PATIENCE_MS    10000u
#define PAUSE_US       50000u

struct sm_db {
    const struct sql_driver *sql;
    char where[1024];
    pthread_mutex_t mutex;
    pthread_cond_t returned;
    struct sql_conn *idle[POOL];
    int n_idle, n_out;
    atomic_uint_fast64_t failures;
    atomic_uint_fast64_t gone_ms; /* since when the server does not answer; 0: it does */
};

static _Thread_local char last_text[200] = "";

const char *sm_db_text(void)
{
    return last_text;
}

uint64_t sm_db_failures(struct sm_db *db)
{
    return atomic_load(&db->failures);
}

static void keep_text(const char *text)
{
    snprintf(last_text, sizeof(last_text), "%s", text);
}

/* ---- the pool ---- */

static osd_status take(struct sm_db *db, struct sql_conn **ret)
{
    char why[200] = "";
    osd_status st = OSD_OK;

    pthread_mutex_lock(&db->mutex);
    while (db->n_idle == 0 && db->n_out >= POOL)
        pthread_cond_wait(&db->returned, &db->mutex);
    db->n_out++;
    *ret = db->n_idle > 0 ? db->idle[--db->n_idle] : NULL;
    pthread_mutex_unlock(&db->mutex);
    if (*ret)
        return OSD_OK;
    st = db->sql->open(db->where, ret, why, sizeof(why));
    if (st) {
        keep_text(why);
        pthread_mutex_lock(&db->mutex);
        db->n_out--;
        pthread_cond_signal(&db->returned);
        pthread_mutex_unlock(&db->mutex);
    }
    return st;
}

/* What lost its server is not used again, and neither are the others of that time. */
static void give_back(struct sm_db *db, struct sql_conn *c, osd_status st)
{
    pthread_mutex_lock(&db->mutex);
    db->n_out--;
    if (st == OSD_E_UNREACHABLE) {
        db->sql->close(c);
        while (db->n_idle > 0)
            db->sql->close(db->idle[--db->n_idle]);
    } else {
        db->idle[db->n_idle++] = c;
    }
    pthread_cond_signal(&db->returned);
    pthread_mutex_unlock(&db->mutex);
}

struct statement {
    const char *sql;
    const char *params[SQL_PARAMS];
    int n;
    sql_row *row;
    void *arg;
};

static osd_status run_once(struct sm_db *db, const struct statement *s, uint64_t *ret_changed)
{
    struct sql_conn *c;
    osd_status st = take(db, &c);

    if (st)
        return st;
    st = db->sql->run(c, s->sql, s->params, s->n, s->row, s->arg, ret_changed);
    if (st)
        keep_text(db->sql->text(c));
    give_back(db, c, st);
    return st;
}

#define NEVER_THERE 1u /* gone_ms: it has not answered yet */

/* Whether to wait for the server, after a statement found it gone. */
static bool may_be_back(struct sm_db *db)
{
    uint64_t now = osd_monotonic_ms();
    uint_fast64_t since = 0;

    if (atomic_compare_exchange_strong(&db->gone_ms, &since, now))
        return true;
    return since != NEVER_THERE && now - since < PATIENCE_MS;
}

/* A lost connection is tried again: every statement may be carried out twice. Rows are
 * visited only when all of them have come. */
static osd_status run(struct sm_db *db, const struct statement *s, uint64_t *ret_changed)
{
    osd_status st = run_once(db, s, ret_changed);

    for (unsigned again = 0; st == OSD_E_UNREACHABLE && (again == 0 || may_be_back(db));
         again++) {
        if (again > 0)
            usleep(PAUSE_US);
        st = run_once(db, s, ret_changed);
    }
    if (st != OSD_E_UNREACHABLE)
        atomic_store(&db->gone_ms, 0);
    if (st && st != OSD_E_EXISTS) {
        atomic_fetch_add(&db->failures, 1);
        osd_log(OSD_LOG_ERROR, "database: %s", last_text);
    }
    return st;
}

/* As run(), but no row changed is none_st. */
static osd_status change(struct sm_db *db, const struct statement *s, osd_status none_st)
{
    uint64_t n = 0;
    osd_status st = run(db, s, &n);

    return st ? st : n > 0 ? OSD_OK : none_st;
}

/* ---- numbers ---- */

static const char *hex_text(uint64_t v, char dst[NUMBER_TEXT])
{
    snprintf(dst, NUMBER_TEXT, "%016" PRIx64, v);
    return dst;
}

static uint64_t number(const char *s, int base)
{
    return s ? strtoull(s, NULL, base) : 0;
}

static void copy_text(char *dst, size_t len, const char *src)
{
    snprintf(dst, len, "%s", src ? src : "");
}

/* ---- tables ---- */

static const char *const tables[] = {
    "CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS osd (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL,"
    " url TEXT NOT NULL, method TEXT NOT NULL, version TEXT NOT NULL, secret TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS part (osd TEXT NOT NULL, pid TEXT NOT NULL,"
    " version TEXT NOT NULL, secret TEXT NOT NULL, PRIMARY KEY (osd, pid))",
    "CREATE TABLE IF NOT EXISTS rule (osd TEXT NOT NULL, type TEXT NOT NULL,"
    " pid TEXT NOT NULL, oid TEXT NOT NULL, principal TEXT NOT NULL, perms TEXT NOT NULL,"
    " inherit TEXT, expires TEXT NOT NULL, PRIMARY KEY (osd, pid, oid, type, principal))",
    "CREATE TABLE IF NOT EXISTS object_tag (osd TEXT NOT NULL, pid TEXT NOT NULL,"
    " oid TEXT NOT NULL, version TEXT NOT NULL, value TEXT NOT NULL, nonce TEXT NOT NULL,"
    " PRIMARY KEY (osd, pid, oid))",
    "CREATE TABLE IF NOT EXISTS revocation (id TEXT PRIMARY KEY, osd TEXT NOT NULL,"
    " what TEXT NOT NULL, type TEXT NOT NULL, pid TEXT NOT NULL, oid TEXT NOT NULL,"
    " begun TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS member (grp TEXT NOT NULL, principal TEXT NOT NULL,"
    " PRIMARY KEY (principal, grp))",
};

/* Two managers may make them at once; PostgreSQL then reports a conflict to one. */
static osd_status make_tables(struct sm_db *db)
{
    osd_status st = OSD_OK;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && !st; i++) {
        struct statement s = {.sql = tables[i]};
        st = run(db, &s, NULL);
        for (int again = 0; st == OSD_E_EXISTS && again < 5; again++)
            st = run(db, &s, NULL);
    }
    return st;
}

static osd_status check_version(struct sm_db *db, char *why, size_t why_len)
{
    char have[SM_SETTING];
    osd_status st = sm_db_setting(db, "schema", SCHEMA_VERSION, have);

    if (st)
        return st;
    if (strcmp(have, SCHEMA_VERSION) == 0)
        return OSD_OK;
    snprintf(why, why_len, "the tables have version %.20s, this program knows version %s", have,
             SCHEMA_VERSION);
    return OSD_E_VERSION;
}

static const struct sql_driver *driver(const char *kind)
{
    if (strcmp(kind, "sqlite") == 0)
        return &sql_sqlite;
#ifdef SECMGR_POSTGRESQL
    if (strcmp(kind, "postgresql") == 0)
        return &sql_postgresql;
#endif
    return NULL;
}

osd_status sm_db_open(const char *kind, const char *where, struct sm_db **ret, char *why,
                      size_t why_len)
{
    struct sm_db *db = calloc(1, sizeof(*db));
    osd_status st;

    if (!db)
        return OSD_E_NOMEM;
    db->sql = driver(kind);
    if (!db->sql || strlen(where) >= sizeof(db->where)) {
        snprintf(why, why_len, "database \"%s\" is not built in, or its name is too long",
                 kind);
        free(db);
        return OSD_E_UNSUPPORTED;
    }
    copy_text(db->where, sizeof(db->where), where);
    pthread_mutex_init(&db->mutex, NULL);
    pthread_cond_init(&db->returned, NULL);
    db->gone_ms = NEVER_THERE;
    why[0] = 0;
    st = make_tables(db);
    if (!st)
        st = check_version(db, why, why_len);
    if (st) {
        if (!why[0])
            snprintf(why, why_len, "%s database: %s", kind, last_text);
        sm_db_close(db);
        return st;
    }
    *ret = db;
    return OSD_OK;
}

void sm_db_close(struct sm_db *db)
{
    if (!db)
        return;
    while (db->n_idle > 0)
        db->sql->close(db->idle[--db->n_idle]);
    pthread_cond_destroy(&db->returned);
    pthread_mutex_destroy(&db->mutex);
    free(db);
}

/* ---- settings ---- */

static void take_setting(void *arg, const char *const *columns, int n)
{
    (void)n;
    copy_text(arg, SM_SETTING, columns[0]);
}

osd_status sm_db_setting(struct sm_db *db, const char *name, const char *value, char *ret)
{
    char found[SM_SETTING] = "";
    struct statement put = {.sql = "INSERT INTO setting (name, value) VALUES ($1, $2)"
                                   " ON CONFLICT (name) DO NOTHING",
                            .params = {name, value},
                            .n = 2};
    struct statement get = {.sql = "SELECT value FROM setting WHERE name = $1",
                            .params = {name},
                            .n = 1,
                            .row = take_setting,
                            .arg = found};
    osd_status st = run(db, &put, NULL);

    if (!st)
        st = run(db, &get, NULL);
    if (!st)
        copy_text(ret, SM_SETTING, found);
    return st;
}

/* ---- OSDs ---- */

struct osd_walk {
    void (*visit)(void *arg, const struct sm_osd *o);
    void *arg;
};

static void take_osd(void *arg, const char *const *columns, int n)
{
    struct osd_walk *w = arg;
    struct sm_osd o = {.method = (uint8_t)number(columns[3], 10),
                       .version = number(columns[4], 10)};

    (void)n;
    copy_text(o.id, sizeof(o.id), columns[0]);
    copy_text(o.name, sizeof(o.name), columns[1]);
    copy_text(o.url, sizeof(o.url), columns[2]);
    copy_text(o.secret, sizeof(o.secret), columns[5]);
    w->visit(w->arg, &o);
}

static void keep_osd(void *arg, const struct sm_osd *o)
{
    *(struct sm_osd *)arg = *o;
}

osd_status sm_db_osd_get(struct sm_db *db, const char *name, struct sm_osd *ret)
{
    struct sm_osd found = {0};
    struct osd_walk w = {keep_osd, &found};
    struct statement s = {.sql = "SELECT id, name, url, method, version, secret FROM osd"
                                 " WHERE name = $1 OR id = $1",
                          .params = {name},
                          .n = 1,
                          .row = take_osd,
                          .arg = &w};
    osd_status st = run(db, &s, NULL);

    if (st)
        return st;
    if (!found.id[0])
        return OSD_E_NOT_FOUND;
    *ret = found;
    return OSD_OK;
}

osd_status sm_db_osd_add(struct sm_db *db, const struct sm_osd *o)
{
    char method[NUMBER_TEXT];
    struct statement s = {.sql = "INSERT INTO osd (id, name, url, method, version, secret)"
                                 " VALUES ($1, $2, $3, $4, '1', $5)",
                          .params = {o->id, o->name, o->url, method, o->secret},
                          .n = 5};

    snprintf(method, sizeof(method), "%u", o->method);
    return run(db, &s, NULL);
}

osd_status sm_db_osd_put(struct sm_db *db, struct sm_osd *o)
{
    char method[NUMBER_TEXT], old[NUMBER_TEXT], new[NUMBER_TEXT];
    struct statement s = {.sql = "UPDATE osd SET url = $2, method = $3, secret = $4,"
                                 " version = $6 WHERE id = $1 AND version = $5",
                          .params = {o->id, o->url, method, o->secret, old, new},
                          .n = 6};
    osd_status st;

    snprintf(method, sizeof(method), "%u", o->method);
    snprintf(old, sizeof(old), "%" PRIu64, o->version);
    snprintf(new, sizeof(new), "%" PRIu64, o->version + 1);
    st = change(db, &s, OSD_E_BUSY);
    if (!st)
        o->version++;
    return st;
}

/* The OSD itself last: what fails halfway can be repeated. */
osd_status sm_db_osd_remove(struct sm_db *db, const char *id)
{
    struct statement rules = {.sql = "DELETE FROM rule WHERE osd = $1", .params = {id}, .n = 1};
    struct statement parts = {.sql = "DELETE FROM part WHERE osd = $1", .params = {id}, .n = 1};
    struct statement tags = {
        .sql = "DELETE FROM object_tag WHERE osd = $1", .params = {id}, .n = 1};
    struct statement revocations = {
        .sql = "DELETE FROM revocation WHERE osd = $1", .params = {id}, .n = 1};
    struct statement osd = {.sql = "DELETE FROM osd WHERE id = $1", .params = {id}, .n = 1};
    struct statement *const all[] = {&rules, &parts, &tags, &revocations};
    osd_status st = OSD_OK;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !st; i++)
        st = run(db, all[i], NULL);
    return st ? st : change(db, &osd, OSD_E_NOT_FOUND);
}

osd_status sm_db_osd_each(struct sm_db *db, void (*visit)(void *arg, const struct sm_osd *o),
                          void *arg)
{
    struct osd_walk w = {visit, arg};
    struct statement s = {.sql = "SELECT id, name, url, method, version, secret FROM osd"
                                 " ORDER BY name",
                          .row = take_osd,
                          .arg = &w};

    return run(db, &s, NULL);
}

/* ---- keys of partitions ---- */

struct part_walk {
    void (*visit)(void *arg, const struct sm_part *p);
    void *arg;
};

static void take_part(void *arg, const char *const *columns, int n)
{
    struct part_walk *w = arg;
    struct sm_part p = {.pid = number(columns[1], 16), .version = number(columns[2], 10)};

    (void)n;
    copy_text(p.osd, sizeof(p.osd), columns[0]);
    copy_text(p.secret, sizeof(p.secret), columns[3]);
    w->visit(w->arg, &p);
}

static void keep_part(void *arg, const struct sm_part *p)
{
    *(struct sm_part *)arg = *p;
}

osd_status sm_db_part_get(struct sm_db *db, const char *osd, uint64_t pid, struct sm_part *ret)
{
    char pid_text[NUMBER_TEXT];
    struct sm_part found = {0};
    struct part_walk w = {keep_part, &found};
    struct statement s = {.sql = "SELECT osd, pid, version, secret FROM part"
                                 " WHERE osd = $1 AND pid = $2",
                          .params = {osd, hex_text(pid, pid_text)},
                          .n = 2,
                          .row = take_part,
                          .arg = &w};
    osd_status st = run(db, &s, NULL);

    if (st)
        return st;
    if (!found.osd[0])
        return OSD_E_NOT_FOUND;
    *ret = found;
    return OSD_OK;
}

osd_status sm_db_part_put(struct sm_db *db, struct sm_part *p)
{
    char pid[NUMBER_TEXT], old[NUMBER_TEXT], new[NUMBER_TEXT];
    struct statement s = {.params = {p->osd, hex_text(p->pid, pid), p->secret, new, old},
                          .n = 5};
    osd_status st;

    s.sql = "UPDATE part SET secret = $3, version = $4"
            " WHERE osd = $1 AND pid = $2 AND version = $5";
    if (p->version == 0) {
        s.sql = "INSERT INTO part (osd, pid, secret, version) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (osd, pid) DO NOTHING";
        s.n = 4;
    }
    snprintf(old, sizeof(old), "%" PRIu64, p->version);
    snprintf(new, sizeof(new), "%" PRIu64, p->version + 1);
    st = change(db, &s, OSD_E_BUSY);
    if (!st)
        p->version++;
    return st;
}

osd_status sm_db_part_remove(struct sm_db *db, const char *osd, uint64_t pid)
{
    char text[NUMBER_TEXT];
    struct statement tags = {.sql = "DELETE FROM object_tag WHERE osd = $1 AND pid = $2",
                             .params = {osd, hex_text(pid, text)},
                             .n = 2};
    struct statement part = {
        .sql = "DELETE FROM part WHERE osd = $1 AND pid = $2", .params = {osd, text}, .n = 2};
    osd_status st = run(db, &tags, NULL);

    return st ? st : change(db, &part, OSD_E_NOT_FOUND);
}

osd_status sm_db_part_each(struct sm_db *db, const char *osd,
                           void (*visit)(void *arg, const struct sm_part *p), void *arg)
{
    struct part_walk w = {visit, arg};
    struct statement s = {.sql = "SELECT osd, pid, version, secret FROM part WHERE osd = $1"
                                 " ORDER BY pid",
                          .params = {osd},
                          .n = 1,
                          .row = take_part,
                          .arg = &w};

    return run(db, &s, NULL);
}

/* ---- tags of objects ---- */

static void take_tag(void *arg, const char *const *columns, int n)
{
    struct sm_tag_record *t = arg;

    (void)n;
    t->version = number(columns[0], 10);
    t->value = (uint32_t)number(columns[1], 10);
    copy_text(t->nonce, sizeof(t->nonce), columns[2]);
}

osd_status sm_db_tag_get(struct sm_db *db, const char *osd, uint64_t pid, uint64_t oid,
                         struct sm_tag_record *ret)
{
    char pid_text[NUMBER_TEXT], oid_text[NUMBER_TEXT];
    struct sm_tag_record found = {.pid = pid, .oid = oid};
    struct statement s = {.sql = "SELECT version, value, nonce FROM object_tag"
                                 " WHERE osd = $1 AND pid = $2 AND oid = $3",
                          .params = {osd, hex_text(pid, pid_text), hex_text(oid, oid_text)},
                          .n = 3,
                          .row = take_tag,
                          .arg = &found};
    osd_status st = run(db, &s, NULL);

    if (st)
        return st;
    if (found.version == 0)
        return OSD_E_NOT_FOUND;
    copy_text(found.osd, sizeof(found.osd), osd);
    *ret = found;
    return OSD_OK;
}

osd_status sm_db_tag_put(struct sm_db *db, struct sm_tag_record *t)
{
    char pid[NUMBER_TEXT], oid[NUMBER_TEXT], value[NUMBER_TEXT], old[NUMBER_TEXT],
        new[NUMBER_TEXT];
    struct statement s = {.params = {t->osd, hex_text(t->pid, pid), hex_text(t->oid, oid),
                                     value, t->nonce, new, old},
                          .n = 7};
    osd_status st;

    s.sql = "UPDATE object_tag SET value = $4, nonce = $5, version = $6"
            " WHERE osd = $1 AND pid = $2 AND oid = $3 AND version = $7";
    if (t->version == 0) {
        s.sql = "INSERT INTO object_tag (osd, pid, oid, value, nonce, version)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (osd, pid, oid) DO NOTHING";
        s.n = 6;
    }
    snprintf(value, sizeof(value), "%" PRIu32, t->value);
    snprintf(old, sizeof(old), "%" PRIu64, t->version);
    snprintf(new, sizeof(new), "%" PRIu64, t->version + 1);
    st = change(db, &s, OSD_E_BUSY);
    if (!st)
        t->version++;
    return st;
}

/* ---- revocations ---- */

osd_status sm_db_revocation_add(struct sm_db *db, const struct sm_revocation_record *r)
{
    char what[NUMBER_TEXT], type[NUMBER_TEXT], pid[NUMBER_TEXT], oid[NUMBER_TEXT],
        begun[NUMBER_TEXT];
    struct statement s = {
        .sql = "INSERT INTO revocation (id, osd, what, type, pid, oid, begun)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        .params = {r->id, r->osd, what, type, hex_text(r->pid, pid), hex_text(r->oid, oid),
                   hex_text(r->begun_ms, begun)},
        .n = 7};

    snprintf(what, sizeof(what), "%u", r->what);
    snprintf(type, sizeof(type), "%u", r->type);
    return run(db, &s, NULL);
}

osd_status sm_db_revocation_remove(struct sm_db *db, const char *id)
{
    struct statement s = {
        .sql = "DELETE FROM revocation WHERE id = $1", .params = {id}, .n = 1};

    return change(db, &s, OSD_E_NOT_FOUND);
}

struct revocation_walk {
    void (*visit)(void *arg, const struct sm_revocation_record *r);
    void *arg;
};

static void take_revocation(void *arg, const char *const *columns, int n)
{
    struct revocation_walk *w = arg;
    struct sm_revocation_record r = {.what = (uint8_t)number(columns[2], 10),
                                     .type = (uint8_t)number(columns[3], 10),
                                     .pid = number(columns[4], 16),
                                     .oid = number(columns[5], 16),
                                     .begun_ms = number(columns[6], 16)};

    (void)n;
    copy_text(r.id, sizeof(r.id), columns[0]);
    copy_text(r.osd, sizeof(r.osd), columns[1]);
    w->visit(w->arg, &r);
}

osd_status sm_db_revocation_each(struct sm_db *db, uint64_t before_ms,
                                 void (*visit)(void *arg, const struct sm_revocation_record *r),
                                 void *arg)
{
    char before[NUMBER_TEXT];
    struct revocation_walk w = {visit, arg};
    struct statement s = {.sql = "SELECT id, osd, what, type, pid, oid, begun FROM revocation"
                                 " WHERE begun < $1 ORDER BY begun, id LIMIT 100",
                          .params = {hex_text(before_ms, before)},
                          .n = 1,
                          .row = take_revocation,
                          .arg = &w};

    return run(db, &s, NULL);
}

/* ---- rules ---- */

struct rule_walk {
    sm_rule_visit *visit;
    void *arg;
};

static void take_rule(void *arg, const char *const *columns, int n)
{
    struct rule_walk *w = arg;
    struct sm_rule r = {.type = (uint8_t)number(columns[1], 10),
                        .pid = number(columns[2], 16),
                        .oid = number(columns[3], 16),
                        .perms = (uint16_t)number(columns[5], 10),
                        .inherits = columns[6] != NULL,
                        .inherit = (uint16_t)number(columns[6], 10),
                        .expires = number(columns[7], 10)};

    (void)n;
    copy_text(r.osd, sizeof(r.osd), columns[0]);
    copy_text(r.principal, sizeof(r.principal), columns[4]);
    w->visit(w->arg, &r);
}

#define RULE_COLUMNS "SELECT osd, type, pid, oid, principal, perms, inherit, expires FROM rule"

/* Texts of a rule's key and values, for the parameters of a statement. */
struct rule_text {
    char type[NUMBER_TEXT], pid[NUMBER_TEXT], oid[NUMBER_TEXT], perms[NUMBER_TEXT],
        inherit[NUMBER_TEXT], expires[NUMBER_TEXT];
};

static void put_rule(const struct sm_rule *r, struct rule_text *t, struct statement *s)
{
    snprintf(t->type, sizeof(t->type), "%u", r->type);
    hex_text(r->pid, t->pid);
    hex_text(r->oid, t->oid);
    snprintf(t->perms, sizeof(t->perms), "%u", r->perms);
    snprintf(t->inherit, sizeof(t->inherit), "%u", r->inherit);
    snprintf(t->expires, sizeof(t->expires), "%" PRIu64, r->expires);
    const char *const params[] = {r->osd,
                                  t->type,
                                  t->pid,
                                  t->oid,
                                  r->principal,
                                  t->perms,
                                  r->inherits ? t->inherit : NULL,
                                  t->expires};
    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        s->params[i] = params[i];
}

osd_status sm_db_rule_set(struct sm_db *db, const struct sm_rule *r)
{
    struct rule_text t;
    struct statement s = {
        .sql = "INSERT INTO rule (osd, type, pid, oid, principal, perms, inherit, expires)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
               " ON CONFLICT (osd, pid, oid, type, principal) DO UPDATE SET"
               " perms = $6, inherit = $7, expires = $8",
        .n = 8};

    put_rule(r, &t, &s);
    return run(db, &s, NULL);
}

osd_status sm_db_rule_remove(struct sm_db *db, const struct sm_rule *r)
{
    struct rule_text t;
    struct statement s = {.sql = "DELETE FROM rule WHERE osd = $1 AND type = $2 AND pid = $3"
                                 " AND oid = $4 AND principal = $5",
                          .n = 5};

    put_rule(r, &t, &s);
    return change(db, &s, OSD_E_NOT_FOUND);
}

static void keep_rule(void *arg, const struct sm_rule *r)
{
    *(struct sm_rule *)arg = *r;
}

osd_status sm_db_rule_get(struct sm_db *db, const struct sm_rule *of, struct sm_rule *ret)
{
    struct rule_text t;
    struct sm_rule found = {0};
    struct rule_walk w = {keep_rule, &found};
    struct statement s = {.sql = RULE_COLUMNS " WHERE osd = $1 AND type = $2 AND pid = $3"
                                              " AND oid = $4 AND principal = $5",
                          .n = 5,
                          .row = take_rule,
                          .arg = &w};
    osd_status st;

    put_rule(of, &t, &s);
    st = run(db, &s, NULL);
    if (st)
        return st;
    if (!found.osd[0])
        return OSD_E_NOT_FOUND;
    *ret = found;
    return OSD_OK;
}

osd_status sm_db_rule_match(struct sm_db *db, const char *osd, uint64_t pid, uint64_t oid,
                            sm_rule_visit *visit, void *arg)
{
    char pid_text[NUMBER_TEXT], oid_text[NUMBER_TEXT], zero[NUMBER_TEXT];
    struct rule_walk w = {visit, arg};
    struct statement s = {
        .sql = RULE_COLUMNS " WHERE osd = $1 AND (pid = $2 AND (oid = $3 OR"
                            " oid = $4) OR pid = $4 AND oid = $4)",
        .params = {osd, hex_text(pid, pid_text), hex_text(oid, oid_text), hex_text(0, zero)},
        .n = 4,
        .row = take_rule,
        .arg = &w};

    return run(db, &s, NULL);
}

osd_status sm_db_rule_of(struct sm_db *db, const char *principal, sm_rule_visit *visit,
                         void *arg)
{
    struct rule_walk w = {visit, arg};
    struct statement s = {.sql = RULE_COLUMNS " WHERE principal = $1",
                          .params = {principal},
                          .n = 1,
                          .row = take_rule,
                          .arg = &w};

    return run(db, &s, NULL);
}

osd_status sm_db_rule_each(struct sm_db *db, const char *osd, sm_rule_visit *visit, void *arg)
{
    struct rule_walk w = {visit, arg};
    struct statement s = {.sql =
                              RULE_COLUMNS " WHERE osd = $1 ORDER BY pid, oid, type, principal",
                          .params = {osd},
                          .n = 1,
                          .row = take_rule,
                          .arg = &w};

    return run(db, &s, NULL);
}

/* ---- groups ---- */

osd_status sm_db_member_add(struct sm_db *db, const char *group, const char *principal)
{
    struct statement s = {.sql = "INSERT INTO member (grp, principal) VALUES ($1, $2)"
                                 " ON CONFLICT (principal, grp) DO NOTHING",
                          .params = {group, principal},
                          .n = 2};

    return run(db, &s, NULL);
}

osd_status sm_db_member_remove(struct sm_db *db, const char *group, const char *principal)
{
    struct statement s = {.sql = "DELETE FROM member WHERE grp = $1 AND principal = $2",
                          .params = {group, principal},
                          .n = 2};

    return change(db, &s, OSD_E_NOT_FOUND);
}

struct member_walk {
    void (*visit)(void *arg, const char *group, const char *principal);
    void *arg;
};

static void take_member(void *arg, const char *const *columns, int n)
{
    struct member_walk *w = arg;

    (void)n;
    w->visit(w->arg, columns[0], columns[1]);
}

osd_status sm_db_member_each(struct sm_db *db, const char *principal,
                             void (*visit)(void *arg, const char *group, const char *principal),
                             void *arg)
{
    struct member_walk w = {visit, arg};
    struct statement s = {.sql = principal
                                     ? "SELECT grp, principal FROM member WHERE principal = $1"
                                     : "SELECT grp, principal FROM member ORDER BY 1, 2",
                          .params = {principal},
                          .n = principal ? 1 : 0,
                          .row = take_member,
                          .arg = &w};

    return run(db, &s, NULL);
}
