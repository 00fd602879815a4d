/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/credential.c - see credential.h
 */
#include "credential.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "hex.h"
#include "keyfile.h"

#define HEAD "liosd credential 1\n"

osd_status osd_credential_make(const struct osd_capability *cap, enum osd_hmac hmac,
                               enum osd_gen gen, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                               const uint8_t secret[OSD_KEY_LEN], struct osd_credential *ret)
{
    struct osd_credential c = {.gen = gen};
    size_t len = osd_capability_encode(cap, gen, c.capability);
    osd_status st;

    memcpy(c.system_id, system_id, OSD_SYSTEM_ID_LEN);
    st = osd_capability_key_by(hmac, secret, (struct osd_bytes){c.capability, len}, system_id,
                               c.key);
    if (st == OSD_OK)
        *ret = c;
    OPENSSL_cleanse(&c, sizeof(c));
    return st;
}

void osd_credential_format(const struct osd_credential *c, char dst[OSD_CREDENTIAL_TEXT_MAX])
{
    char capability[2 * OSD2_CAPABILITY_LEN + 1], system[2 * OSD_SYSTEM_ID_LEN + 1];
    char key[2 * OSD_KEY_LEN + 1];

    osd_hex_put(c->capability, osd_credential_capability_len(c), capability);
    osd_hex_put(c->system_id, OSD_SYSTEM_ID_LEN, system);
    osd_hex_put(c->key, OSD_KEY_LEN, key);
    snprintf(dst, OSD_CREDENTIAL_TEXT_MAX,
             HEAD "generation %d\nsystem %s\ncapability %s\nkey %s\n", (int)c->gen, system,
             capability, key);
    OPENSSL_cleanse(key, sizeof(key));
}

/* Where the names stand in a text; every name once, in any order. */
struct lines {
    const char *generation, *system, *capability, *key;
};

static osd_status find_lines(const char *text, struct lines *l)
{
    static const char *const names[] = {"generation ", "system ", "capability ", "key "};
    const char **const places[] = {&l->generation, &l->system, &l->capability, &l->key};

    if (strncmp(text, HEAD, strlen(HEAD)) != 0)
        return OSD_E_INVALID;
    for (text += strlen(HEAD); *text; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t i = 0;
        while (i < 4 && strncmp(text, names[i], strlen(names[i])) != 0)
            i++;
        if (i == 4 || *places[i])
            return OSD_E_INVALID;
        *places[i] = text + strlen(names[i]);
    }
    return l->generation && l->system && l->capability && l->key ? OSD_OK : OSD_E_INVALID;
}

/* A value of exactly len bytes. */
static bool take(const char *value, uint8_t *dst, size_t len)
{
    return strcspn(value, "\n") == 2 * len && osd_hex_parse(value, dst, len);
}

osd_status osd_credential_parse(const char *text, struct osd_credential *ret)
{
    struct osd_credential c = {.gen = OSD_GEN2};
    struct lines l = {0};
    osd_status st = find_lines(text, &l);

    if (st)
        return st;
    if (strcspn(l.generation, "\n") != 1 || (*l.generation != '1' && *l.generation != '2'))
        return OSD_E_INVALID;
    c.gen = *l.generation == '1' ? OSD_GEN1 : OSD_GEN2;
    if (take(l.system, c.system_id, OSD_SYSTEM_ID_LEN) &&
        take(l.capability, c.capability, osd_credential_capability_len(&c)) &&
        take(l.key, c.key, OSD_KEY_LEN))
        *ret = c;
    else
        st = OSD_E_INVALID;
    OPENSSL_cleanse(&c, sizeof(c));
    return st;
}

osd_status osd_credential_read(const char *path, struct osd_credential *ret, char *why,
                               size_t why_len)
{
    char text[OSD_CREDENTIAL_TEXT_MAX];
    osd_status st = osd_secret_read(path, text, sizeof(text), why, why_len);

    if (st)
        return st;
    st = osd_credential_parse(text, ret);
    if (st)
        snprintf(why, why_len, "%s does not hold a credential", path);
    OPENSSL_cleanse(text, sizeof(text));
    return st;
}
