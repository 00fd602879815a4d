/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_manager_reply.c - answers of a security manager, as libosd reads them
 */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "libosd/manager_text.h"

struct seen {
    size_t n;
};

static void take(void *arg, uint64_t oid, const struct manager_credential *c, uint64_t expires)
{
    struct seen *s = arg;

    (void)oid;
    (void)expires;
    require(c->len == OSD1_CAPABILITY_LEN || c->len == OSD2_CAPABILITY_LEN);
    s->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct manager_credential c;
    char why[100];

    for (int gen = OSD_GEN1; gen <= OSD_GEN2; gen++) {
        struct seen s = {0};
        uint64_t expires = 0;
        if (manager_granted(data, len, (enum osd_gen)gen, &c, &expires))
            require(expires <= INT64_MAX &&
                    c.len == (gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN));
        manager_granted_many(data, len, (enum osd_gen)gen, take, &s);
        require(s.n <= len / OSD1_CAPABILITY_LEN);
    }
    manager_message(data, len, 500, why, sizeof(why));
    require(strnlen(why, sizeof(why)) < sizeof(why));
    return 0;
}
