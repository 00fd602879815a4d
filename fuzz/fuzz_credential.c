/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_credential.c - any text as a credential, any bytes as a sealed key
 *
 * Holds: what parses survives formatting and parsing; nothing opens that was not sealed.
 */
#include <string.h>

#include "check.h"
#include "security/credential.h"
#include "security/seal.h"

#define TEXT_MAX 4096

static void check_text(const char *text)
{
    struct osd_credential c, again;
    char made[OSD_CREDENTIAL_TEXT_MAX];

    memset(&c, 0x5a, sizeof(c));
    if (osd_credential_parse(text, &c))
        return;
    require(c.gen == OSD_GEN1 || c.gen == OSD_GEN2);
    osd_credential_format(&c, made);
    require(osd_credential_parse(made, &again) == OSD_OK);
    require(again.gen == c.gen);
    require(memcmp(again.key, c.key, OSD_KEY_LEN) == 0);
    require(memcmp(again.system_id, c.system_id, OSD_SYSTEM_ID_LEN) == 0);
    require(memcmp(again.capability, c.capability, osd_credential_capability_len(&c)) == 0);
}

static void check_sealed(const uint8_t *data, size_t len)
{
    static const struct osd_seal seal = {.key = {1}};
    const struct osd_bytes label = {(const uint8_t *)"label", 5};
    uint8_t out[TEXT_MAX];

    require(osd_seal_get(&seal, label, (struct osd_bytes){data, len}, out) == OSD_E_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[TEXT_MAX + 1];

    if (len > TEXT_MAX)
        return 0;
    check_sealed(data, len);
    memcpy(text, data, len);
    text[len] = 0;
    check_text(text);
    return 0;
}
