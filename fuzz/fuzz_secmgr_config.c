/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_secmgr_config.c - any bytes as configuration of the security manager
 *
 * Holds: every text in the result ends within its room, numbers lie in their limits; what is
 * refused has a printable reason that names the line.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "secmgr/config.h"

static void check_accepted(const struct sm_config *c)
{
    char why[200] = "";

    require(memchr(c->unix_path, 0, sizeof(c->unix_path)) && memchr(c->where, 0, SM_PATH));
    require(memchr(c->https, 0, sizeof(c->https)) &&
            memchr(c->database, 0, sizeof(c->database)));
    require(c->admins.n >= 1 && c->admins.n <= SM_ADMINS && c->observers.n <= SM_ADMINS &&
            c->unix_mode <= 0777);
    require(c->threads >= 1 && c->threads <= 64 && c->burst >= 1);
    require(c->lifetime_s >= 10 && c->max_lifetime_s <= 30 * 86400);
    require((sm_config_check(c, why, sizeof(why)) == OSD_OK) == (why[0] == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), why[120] = "";
    struct sm_config c;

    require(text);
    memcpy(text, data, size);
    sm_config_defaults(&c);
    if (sm_config_parse(&c, text, size, why, sizeof(why)) == OSD_OK) {
        check_accepted(&c);
    } else {
        require(strncmp(why, "line ", 5) == 0);
        for (const char *s = why; *s; s++)
            require(*s >= ' ' && *s < 127);
    }
    free(text);
    return 0;
}
