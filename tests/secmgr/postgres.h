/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/postgres.h - a PostgreSQL server of the test's own, on a Unix socket in a fresh
 * directory
 */
#ifndef TESTS_SECMGR_POSTGRES_H
#define TESTS_SECMGR_POSTGRES_H

#include <stdbool.h>

/** Start one; NULL when PostgreSQL is not installed. The text is the conninfo; it stays valid. */
const char *postgres_start(void);
/** Kill every connection, as a restart of the server would. */
void postgres_restart(void);
void postgres_stop(void);

#endif
