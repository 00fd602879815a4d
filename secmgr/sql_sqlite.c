/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/sql_sqlite.c - connections to an SQLite file (see sql.h)
 *
 * Write-ahead log and full synchronisation: a rule or key that was acknowledged survives the
 * machine. Statements are kept prepared.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sql.h"

#define BUSY_MS  10000
#define PREPARED 48

struct prepared {
    const char *sql; /* by address: statements are literals */
    sqlite3_stmt *stmt;
    bool kept;
};

struct sql_conn {
    sqlite3 *db;
    struct prepared kept[PREPARED];
    size_t n_kept;
};

static void close_sqlite(struct sql_conn *c)
{
    for (size_t i = 0; i < c->n_kept; i++)
        sqlite3_finalize(c->kept[i].stmt);
    sqlite3_close(c->db);
    free(c);
}

/* A new file is its owner's alone; SQLite gives the files beside it the same mode. One that is
 * there must not be opened here: closing it would drop the locks of other connections. */
static void make_private(const char *where)
{
    int fd = open(where, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
}

static osd_status open_sqlite(const char *where, struct sql_conn **ret, char *why,
                              size_t why_len)
{
    struct sql_conn *c = calloc(1, sizeof(*c));

    if (!c)
        return OSD_E_NOMEM;
    make_private(where);
    if (sqlite3_open_v2(where, &c->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(c->db, BUSY_MS) != SQLITE_OK ||
        sqlite3_exec(c->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", NULL, NULL,
                     NULL) != SQLITE_OK) {
        snprintf(why, why_len, "%s: %s", where, sqlite3_errmsg(c->db));
        close_sqlite(c);
        return OSD_E_IO;
    }
    *ret = c;
    return OSD_OK;
}

static osd_status status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return OSD_OK;
    case SQLITE_CONSTRAINT:
        return OSD_E_EXISTS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return OSD_E_BUSY;
    case SQLITE_FULL:
        return OSD_E_NO_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return OSD_E_CORRUPT;
    case SQLITE_NOMEM:
        return OSD_E_NOMEM;
    default:
        return OSD_E_IO;
    }
}

static osd_status prepare(struct sql_conn *c, const char *sql, struct prepared *ret)
{
    int rc;

    for (size_t i = 0; i < c->n_kept; i++)
        if (c->kept[i].sql == sql) {
            *ret = c->kept[i];
            return OSD_OK;
        }
    *ret = (struct prepared){.sql = sql};
    rc = sqlite3_prepare_v2(c->db, sql, -1, &ret->stmt, NULL);
    ret->kept = rc == SQLITE_OK && c->n_kept < PREPARED;
    if (ret->kept)
        c->kept[c->n_kept++] = *ret;
    return status_of(rc);
}

/* $1 is a named parameter for SQLite. */
static void bind(sqlite3_stmt *s, const char *const *params, int n)
{
    for (int i = 0; i < n; i++) {
        char name[12];
        snprintf(name, sizeof(name), "$%d", i + 1);
        int at = sqlite3_bind_parameter_index(s, name);
        if (at > 0 && params[i])
            sqlite3_bind_text(s, at, params[i], -1, SQLITE_STATIC);
    }
}

static osd_status step(sqlite3_stmt *s, sql_row *row, void *arg)
{
    const char *columns[SQL_PARAMS];
    int rc, n = sqlite3_column_count(s);

    n = n < SQL_PARAMS ? n : SQL_PARAMS;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        for (int i = 0; i < n; i++)
            columns[i] = (const char *)sqlite3_column_text(s, i);
        if (row)
            row(arg, columns, n);
    }
    return status_of(rc);
}

static osd_status run_sqlite(struct sql_conn *c, const char *sql, const char *const *params,
                             int n, sql_row *row, void *arg, uint64_t *ret_changed)
{
    struct prepared p;
    osd_status st = prepare(c, sql, &p);

    if (st)
        return st;
    bind(p.stmt, params, n);
    st = step(p.stmt, row, arg);
    if (!st && ret_changed)
        *ret_changed = (uint64_t)sqlite3_changes(c->db);
    if (p.kept) {
        sqlite3_reset(p.stmt);
        sqlite3_clear_bindings(p.stmt);
    } else {
        sqlite3_finalize(p.stmt);
    }
    return st;
}

static const char *text_sqlite(struct sql_conn *c)
{
    return sqlite3_errmsg(c->db);
}

const struct sql_driver sql_sqlite = {
    .name = "sqlite",
    .open = open_sqlite,
    .close = close_sqlite,
    .run = run_sqlite,
    .text = text_sqlite,
};
