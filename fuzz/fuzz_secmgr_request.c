/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_secmgr_request.c - any bytes as body of a request to the security manager
 *
 * The first byte chooses the request. Holds: what is accepted lies in its limits; what is refused
 * has a reason and leaves the result alone.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "secmgr/requests.h"

#define WHY 160

static void check_credential(const char *body, size_t len, char *why)
{
    struct sm_credential_request r = {.osd = "untouched"};

    if (sm_parse_credential(body, len, &r, why, WHY)) {
        require(why[0] && strcmp(r.osd, "untouched") == 0);
        return;
    }
    require(sm_osd_name_valid(r.osd) && r.ask.perms != 0);
    require(r.ask.gen == OSD_GEN1 || r.ask.gen == OSD_GEN2);
    require(r.ask.created >> 48 == 0);
    require(r.ask.gen == OSD_GEN2 || (r.ask.range_len == 0 && r.ask.range_start == 0));
}

static void check_rule(const char *body, size_t len, bool remove, char *why)
{
    struct sm_rule r = {.osd = "id"};

    if (sm_parse_rule(body, len, remove, &r, why, WHY)) {
        require(why[0]);
        return;
    }
    require(strcmp(r.osd, "id") == 0 && sm_principal_valid(r.principal));
    require(r.type == OSD_TYPE_ROOT || r.pid >= OSD_ID_FIRST);
    require(!r.inherits || r.oid == 0);
}

static void check_enrol(const char *body, size_t len, char *why)
{
    struct sm_enrol_request r;

    if (sm_parse_enrol(body, len, &r, why, WHY)) {
        require(why[0]);
        return;
    }
    require(sm_osd_name_valid(r.name) && r.method <= OSD_SEC_ALLDATA);
    require(strlen(r.url) < sizeof(r.url));
}

static void check_batch(const char *body, size_t len, char *why)
{
    struct sm_batch_request r;

    if (sm_parse_batch(body, len, &r, why, WHY)) {
        require(why[0]);
        return;
    }
    require(r.n >= 1 && r.n <= SM_BATCH && sm_osd_name_valid(r.one.osd));
    for (size_t i = 0; i < r.n; i++)
        require(r.oids[i] >= OSD_ID_FIRST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = malloc(size + 1), why[WHY] = "", member[SM_PRINCIPAL];
    struct sm_key_request key;
    size_t len = size ? size - 1 : 0;

    require(body);
    if (len)
        memcpy(body, data + 1, len);
    switch (size ? data[0] % 7 : 0) {
    case 0:
        check_credential(body, len, why);
        break;
    case 1:
    case 2:
        check_rule(body, len, data[0] % 7 == 2, why);
        break;
    case 3:
        check_enrol(body, len, why);
        break;
    case 4:
        require((sm_parse_key(body, len, &key, why, WHY) == OSD_OK) == (why[0] == 0));
        break;
    case 6:
        check_batch(body, len, why);
        break;
    default:
        if (sm_parse_member(body, len, member, why, WHY) == OSD_OK)
            require(sm_principal_valid(member) && strcmp(member, "other") != 0);
    }
    free(body);
    return 0;
}
