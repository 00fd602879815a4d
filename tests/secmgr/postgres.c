/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/postgres.c - see postgres.h; the work is in postgres.sh
 */
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[300];

static bool run(const char *verb)
{
    char command[800];

    snprintf(command, sizeof(command), "'%s/tests/secmgr/postgres.sh' %s '%s' >/dev/null",
             SOURCE_DIR, verb, dir);
    return system(command) == 0;
}

const char *postgres_start(void)
{
    static char where[400];

    snprintf(dir, sizeof(dir), "%s/secmgr-pg.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir) || !run("start"))
        return NULL;
    snprintf(where, sizeof(where), "host=%s user=secmgr dbname=postgres", dir);
    return where;
}

void postgres_restart(void)
{
    run("restart");
}

void postgres_stop(void)
{
    run("stop");
}
