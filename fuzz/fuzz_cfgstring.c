/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_cfgstring.c - any string as configuration of a LUN (any local user may send one
 * through D-Bus)
 *
 * Holds: what is accepted has an absolute path, lies within its limits and says the same when
 * parsed again; what is refused has a reason of printable characters, cut at the buffer's end.
 */
#include <stdlib.h>
#include <string.h>

#include "tcmu/cfgstring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_reason(const char *why, size_t len)
{
    require(why[0] && memchr(why, 0, len));
    for (; *why; why++)
        require(*why >= ' ' && *why < 127);
}

static void check_accepted(const struct osd_cfg *c, const char *s)
{
    struct osd_cfg again = {0};
    char why[64];

    require(c->path[0] == '/' && strlen(c->path) <= strlen(s));
    require(c->threads >= 1 && c->threads <= 64);
    require(c->capacity == 0 || c->capacity >= 1 << 20);
    require(osd_cfgstring_parse(s, &again, why, sizeof(why)) == OSD_OK);
    require(again.capacity == c->capacity && again.threads == c->threads);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t reason_len = 40 + (size > 0 ? data[0] : 0);
    char *s = malloc(size + 1), *why = malloc(reason_len);
    struct osd_cfg c;

    require(s && why);
    memcpy(s, data, size);
    s[size] = 0;
    if (osd_cfgstring_parse(s, &c, why, reason_len) == OSD_OK)
        check_accepted(&c, s);
    else
        check_reason(why, reason_len);
    free(why);
    free(s);
    return 0;
}
