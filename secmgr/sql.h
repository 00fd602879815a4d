/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/sql.h - one connection to an SQL database: the seam between db.c and SQLite or
 * PostgreSQL
 *
 * Statements are written once for both. Parameters are $1, $2... and are text, as are results;
 * NULL is NULL.
 * Invariants:
 *  (1) A parameter is never part of a statement's text.
 *  (2) One thread at a time uses a connection (db.c keeps a pool).
 */
#ifndef SECMGR_SQL_H
#define SECMGR_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define SQL_PARAMS 12

struct sql_conn;

/** One row of a result. The texts are valid during the call. */
typedef void sql_row(void *arg, const char *const *columns, int n);

struct sql_driver {
    const char *name; /* "sqlite", "postgresql" */
    /** Connect. where: a path, or a conninfo string. OSD_E_UNREACHABLE, OSD_E_IO. */
    osd_status (*open)(const char *where, struct sql_conn **ret, char *why, size_t why_len);
    void (*close)(struct sql_conn *c);
    /**
     * Run one statement.
     *
     * @param ret_changed rows changed; may be NULL.
     * @return OSD_OK; OSD_E_EXISTS (a key is taken); OSD_E_BUSY (other writers, try again);
     *         OSD_E_UNREACHABLE (connection lost: close it; outside a transaction nothing is
     *         known about a change); OSD_E_IO (anything else; text() says what).
     */
    osd_status (*run)(struct sql_conn *c, const char *sql, const char *const *params, int n,
                      sql_row *row, void *arg, uint64_t *ret_changed);
    /** Sentence about the last failure of run(). */
    const char *(*text)(struct sql_conn *c);
};

extern const struct sql_driver sql_sqlite;
extern const struct sql_driver sql_postgresql;

#endif
