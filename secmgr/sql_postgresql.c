/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/sql_postgresql.c - connections to a PostgreSQL server (see sql.h)
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql.h"

struct sql_conn {
    PGconn *pg;
    char text[200];
};

static void ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static void close_postgresql(struct sql_conn *c)
{
    PQfinish(c->pg);
    free(c);
}

/* The first line of a message. */
static void keep_text(char *dst, size_t len, const char *text)
{
    snprintf(dst, len, "%.*s", (int)strcspn(text, "\n"), text);
}

static osd_status open_postgresql(const char *where, struct sql_conn **ret, char *why,
                                  size_t why_len)
{
    struct sql_conn *c = calloc(1, sizeof(*c));

    if (!c)
        return OSD_E_NOMEM;
    c->pg = PQconnectdb(where);
    if (PQstatus(c->pg) != CONNECTION_OK) {
        keep_text(why, why_len, PQerrorMessage(c->pg));
        close_postgresql(c);
        return OSD_E_UNREACHABLE;
    }
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    *ret = c;
    return OSD_OK;
}

/* By class or code of SQLSTATE. */
static const struct {
    const char *state;
    osd_status st;
} states[] = {
    {"23505", OSD_E_EXISTS},    {"40001", OSD_E_BUSY},     {"40P01", OSD_E_BUSY},
    {"55P03", OSD_E_BUSY},      {"53100", OSD_E_NO_SPACE}, {"53200", OSD_E_NOMEM},
    {"57P", OSD_E_UNREACHABLE}, {"08", OSD_E_UNREACHABLE}, {"XX001", OSD_E_CORRUPT},
};

static osd_status status_of(struct sql_conn *c, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    if (PQstatus(c->pg) != CONNECTION_OK)
        return OSD_E_UNREACHABLE;
    for (size_t i = 0; state && i < sizeof(states) / sizeof(states[0]); i++)
        if (strncmp(state, states[i].state, strlen(states[i].state)) == 0)
            return states[i].st;
    return OSD_E_IO;
}

static void visit_rows(const PGresult *r, sql_row *row, void *arg)
{
    int n = PQnfields(r) < SQL_PARAMS ? PQnfields(r) : SQL_PARAMS;
    const char *columns[SQL_PARAMS];

    for (int i = 0; i < PQntuples(r); i++) {
        for (int k = 0; k < n; k++)
            columns[k] = PQgetisnull(r, i, k) ? NULL : PQgetvalue(r, i, k);
        row(arg, columns, n);
    }
}

static osd_status run_postgresql(struct sql_conn *c, const char *sql, const char *const *params,
                                 int n, sql_row *row, void *arg, uint64_t *ret_changed)
{
    PGresult *r = PQexecParams(c->pg, sql, n, NULL, params, NULL, NULL, 0);
    ExecStatusType e = PQresultStatus(r);
    osd_status st = OSD_OK;

    if (e != PGRES_COMMAND_OK && e != PGRES_TUPLES_OK) {
        keep_text(c->text, sizeof(c->text), PQerrorMessage(c->pg));
        st = status_of(c, r);
    } else {
        if (row)
            visit_rows(r, row, arg);
        if (ret_changed)
            *ret_changed = strtoull(PQcmdTuples((PGresult *)r), NULL, 10);
    }
    PQclear(r);
    return st;
}

static const char *text_postgresql(struct sql_conn *c)
{
    return c->text;
}

const struct sql_driver sql_postgresql = {
    .name = "postgresql",
    .open = open_postgresql,
    .close = close_postgresql,
    .run = run_postgresql,
    .text = text_postgresql,
};
