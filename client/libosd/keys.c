/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/keys.c - keys of the device and credentials, made with the session's key file
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "libosd.h"
#include "security/grants.h"

#define KEY_ID "liosd 1" /* seven characters: made by the key ring's rule */

static osd_status need_ring(const struct osd_session *s)
{
    return s->signer.with == SIGN_KEYRING
               ? OSD_OK
               : failed(OSD_E_INVALID, "keys are set with the device's master key: give a key "
                                       "file");
}

/* ---- SET KEY ---- */

static osd_status build_set_key(const struct osd_session *s, enum osd_key which, uint64_t pid,
                                unsigned version, struct build *b)
{
    static const char *const names[] = {[OSD_KEY_OF_ROOT] = "SET KEY (root)",
                                        [OSD_KEY_OF_PARTITION] = "SET KEY (partition)",
                                        [OSD_KEY_OF_WORK] = "SET KEY (working key)"};
    struct osd_cdb *cdb = &b->cdb;

    b->name = names[which];
    b->changes = true;
    b->standard = true; /* as keys are derived, and before the device can be asked */
    b->out_lists = b->in_lists = osd_buf_make(1024);
    *cdb = (struct osd_cdb){.op = OSD_OP_SET_KEY,
                            .gen = s->gen,
                            .option = (uint8_t)which,
                            .pid = pid,
                            .key_version = (uint8_t)version};
    cdb->attr.format = OSD_ATTR_PAGE;
    cdb->attr.retrieved_off = cdb->attr.set_off = OSD_OFFSET_UNUSED;
    cdb->sec.data_in_icv_off = cdb->sec.data_out_icv_off = OSD_OFFSET_UNUSED;
    cdb->cap = (struct osd_capability){
        .format = (uint8_t)s->gen,
        .object_type = which == OSD_KEY_OF_ROOT ? OSD_TYPE_ROOT : OSD_TYPE_PARTITION,
        .descriptor = OSD_DESC_PAR,
        .allowed_pid = pid};
    cdb->cap.permissions = osd_grant_permissions(cdb);
    memcpy(cdb->key_id, KEY_ID, OSD_KEY_ID_LEN);
    return osd_keyring_seed(&s->signer.ring, (enum osd_key_kind)which, pid, (uint8_t)version,
                            cdb->seed);
}

/* A device without the parent key says so at byte 81; with another one, at the integrity value. */
static osd_status judge_set_key(const struct build *b, const struct exchange *x)
{
    struct osd_sense d;
    char text[256];

    if (x->status == SAM_GOOD)
        return OSD_OK;
    if (x->status != SAM_CHECK_CONDITION || osd_sense_decode(x->sense, x->sense_len, &d))
        return failed(OSD_E_BUSY, "%s: SCSI status %02Xh", b->name, x->status);
    osd_sense_format(&d, text, sizeof(text));
    if (d.asc == ASC_INVALID_FIELD_CDB && d.has_field && d.field == OSD_CAPABILITY_AT + 1)
        return failed(OSD_E_NOT_FOUND, "%s: the device has no parent key to make it of (%s)",
                      b->name, text);
    if (d.asc == ASC_INVALID_FIELD_CDB && d.has_field &&
        d.field == signer_icv_field(b->cdb.gen))
        return failed(OSD_E_DENIED, "%s: the device has another parent key (%s)", b->name,
                      text);
    return failed(osd_sense_status(&d), "%s: %s", b->name, text);
}

osd_status osd_set_key(struct osd_session *s, enum osd_key which, uint64_t pid,
                       unsigned version)
{
    struct osd_call none = {0};
    struct exchange x = {0};
    struct build b = {0};
    osd_status st = need_ring(s);

    if (st)
        return st;
    if (which < OSD_KEY_OF_ROOT || which > OSD_KEY_OF_WORK || version > 15 ||
        (which != OSD_KEY_OF_WORK && version > 0) || (which == OSD_KEY_OF_ROOT && pid > 0))
        return failed(OSD_E_INVALID, "no such key");
    st = build_set_key(s, which, pid, version, &b);
    x.cdb = b.raw;
    if (st == OSD_OK)
        st = exchange_signed(s, &none, &b, &x);
    if (st == OSD_OK)
        st = judge_set_key(&b, &x);
    build_free(&b);
    return st;
}

osd_status osd_install_keys(struct osd_session *s, uint64_t pid)
{
    osd_status st = osd_set_key(s, OSD_KEY_OF_PARTITION, pid, 0);

    if (st == OSD_E_NOT_FOUND && !(st = osd_set_key(s, OSD_KEY_OF_ROOT, 0, 0)))
        st = osd_set_key(s, OSD_KEY_OF_PARTITION, pid, 0);
    return st ? st : osd_set_key(s, OSD_KEY_OF_WORK, pid, 0);
}

/* ---- credentials ---- */

osd_status osd_mint(struct osd_session *s, const struct osd_allowance *a, char *text,
                    size_t cap)
{
    struct osd_capability c = {.format = (uint8_t)s->gen,
                               .key_version = (uint8_t)a->version,
                               .method = s->signer.method,
                               .expiration = a->expires_ms,
                               .permissions = a->permissions,
                               .allowed_pid = a->pid,
                               .allowed_oid = a->oid};
    char made_text[OSD_CREDENTIAL_TEXT_MAX];
    struct osd_credential made;
    uint8_t secret[OSD_KEY_LEN];
    struct osd_algorithm with;
    osd_status st = need_ring(s);

    if (st || (st = signer_learn(s)) || (st = signer_choose(s, &with)))
        return st;
    c.icv_algorithm = with.index;
    if (a->version > 15 || a->expires_ms >> 48 || a->expires_ms == 0)
        return failed(OSD_E_INVALID, "no such key version, or no time of expiration");
    c.object_type = a->pid == 0   ? OSD_TYPE_ROOT
                    : a->oid == 0 ? OSD_TYPE_PARTITION
                                  : OSD_TYPE_USER;
    c.descriptor = osd_grant_descriptor(c.object_type, s->gen == OSD_GEN1);
    st = osd_keyring_key(&s->signer.ring, OSD_KEY_WORKING, a->pid, (uint8_t)a->version, secret);
    if (st == OSD_OK)
        st = osd_credential_make(&c, with.hmac, s->gen, s->signer.system_id, secret, &made);
    if (st)
        return failed(st, "credential: %s", osd_status_text(st));
    osd_credential_format(&made, made_text);
    if (strlen(made_text) < cap)
        memcpy(text, made_text, strlen(made_text) + 1);
    else
        st = failed(OSD_E_INVALID, "no room for a credential");
    OPENSSL_cleanse(&made, sizeof(made));
    OPENSSL_cleanse(made_text, sizeof(made_text));
    OPENSSL_cleanse(secret, sizeof(secret));
    return st;
}
