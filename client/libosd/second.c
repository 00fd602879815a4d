/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/second.c - commands on two objects: the CDB continuation segment that names the
 * second one and carries its capability, and comparing two objects (docs/map-compare.md)
 *
 * The segment stands at the front of Data-Out: such a command has no data of its own there.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "libosd.h"
#include "security/icv.h"
#include "wire/list.h"

#define FORMAT       0x01
#define TYPE_OBJECT  0x0100
#define TYPE_CAPS    0xffee
#define ICV_AT       8
#define OBJECT_AT    40
#define CAPS_AT      (OBJECT_AT + 8 + 16)
#define CAP_AT       (CAPS_AT + 8)
#define SEGMENT_LEN  (CAP_AT + OSD2_CAPABILITY_LEN)
#define COMPARE_ROOM (OSD_COMPARE_HEADER_LEN + 16 * 1024)

static struct osd_capability capability(const struct osd_call *c)
{
    return (struct osd_capability){.format = 2,
                                   .object_type = OSD_TYPE_USER,
                                   .permissions = OSD_PERM_READ,
                                   .descriptor = OSD_DESC_USER,
                                   .allowed_pid = c->second_pid,
                                   .allowed_oid = c->second_oid};
}

osd_status second_build(struct build *b, const struct osd_call *c)
{
    struct osd_capability cap = capability(c);
    uint8_t p[SEGMENT_LEN] = {FORMAT};

    be16_put(p + 2, osd_op_info(b->cdb.op)->action[OSD_GEN2]);
    be16_put(p + OBJECT_AT, TYPE_OBJECT);
    be32_put(p + OBJECT_AT + 4, 16);
    be64_put(p + OBJECT_AT + 8, c->second_pid);
    be64_put(p + OBJECT_AT + 16, c->second_oid);
    be16_put(p + CAPS_AT, TYPE_CAPS);
    be32_put(p + CAPS_AT + 4, OSD2_CAPABILITY_LEN);
    osd_capability_encode(&cap, OSD_GEN2, p + CAP_AT);
    b->cdb.cont_len = sizeof(p);
    return osd_buf_put(&b->out_lists, p, sizeof(p));
}

/* ---- proof ---- */

static osd_status make(struct signer *g, const struct build *b, const struct osd_call *c,
                       struct osd_credential *ret)
{
    struct osd_capability cap = capability(c);
    uint8_t secret[OSD_KEY_LEN];
    osd_status st = signer_working_key(g, c->second_pid, 0, secret);

    cap.method = b->cdb.cap.method;
    cap.icv_algorithm = b->cdb.cap.icv_algorithm;
    cap.expiration = b->cdb.cap.expiration;
    if (st == OSD_OK)
        st = osd_credential_make(&cap, b->hmac, OSD_GEN2, g->system_id, secret, ret);
    OPENSSL_cleanse(secret, sizeof(secret));
    return st;
}

static osd_status fetch(struct osd_session *s, struct build *b, const struct osd_call *c,
                        struct osd_credential *ret, enum osd_hmac *ret_hmac)
{
    struct manager_want w = {.gen = OSD_GEN2,
                             .type = OSD_TYPE_USER,
                             .pid = c->second_pid,
                             .oid = c->second_oid,
                             .permissions = OSD_PERM_READ};
    char why[400] = "";
    osd_status st;

    memcpy(w.system_id, s->signer.system_id, sizeof(w.system_id));
    st = manager_credential(s->signer.manager, &w, b->second_refused, &b->second, why,
                            sizeof(why));
    if (st)
        return failed(st, "%s: %s", b->name, why[0] ? why : osd_status_text(st));
    memcpy(ret->capability, b->second.capability, b->second.len);
    memcpy(ret->key, b->second.key, OSD_KEY_LEN);
    *ret_hmac = b->second.hmac;
    return OSD_OK;
}

/* The value's key is chained through that of the second capability (docs/security.md). */
static osd_status seal(struct build *b, const struct osd_credential *second, enum osd_hmac hmac)
{
    const struct osd_bytes before = {b->key, OSD_KEY_LEN};
    const struct osd_bytes segment = {b->out_lists.data, SEGMENT_LEN};
    uint8_t key[OSD_KEY_LEN], icv[OSD_KEY_LEN];
    osd_status st;

    memcpy(b->out_lists.data + CAP_AT, second->capability, OSD2_CAPABILITY_LEN);
    memset(b->out_lists.data + ICV_AT, 0, OSD_ICV2_LEN);
    if ((second->capability[2] & 0xf) == OSD_SEC_NOSEC)
        memcpy(key, b->key, sizeof(key));
    else if ((st = osd_mac_by(hmac, second->key, &before, 1, key)))
        return st;
    st = osd_continuation_icv_by(b->hmac, key, segment, icv);
    if (st == OSD_OK)
        osd_icv_put(icv, b->out_lists.data + ICV_AT, OSD_ICV2_LEN);
    OPENSSL_cleanse(key, sizeof(key));
    return st;
}

osd_status second_sign(struct osd_session *s, struct build *b, const struct osd_call *c)
{
    struct osd_credential second = {0};
    enum osd_hmac hmac = b->hmac;
    osd_status st;

    if (s->signer.with == SIGN_CREDENTIAL)
        return failed(OSD_E_UNSUPPORTED,
                      "%s: needs credentials for two objects; use a key file or a manager",
                      b->name);
    st = s->signer.with == SIGN_MANAGER ? fetch(s, b, c, &second, &hmac)
                                        : make(&s->signer, b, c, &second);
    if (st == OSD_OK)
        st = seal(b, &second, hmac);
    OPENSSL_cleanse(&second, sizeof(second));
    return st;
}

/* ---- comparing ---- */

struct comparing {
    osd_range_visit *visit;
    void *arg;
    uint64_t next;
    bool stopped;
};

static osd_status compare_part(struct osd_session *s, struct osd_call *c, struct comparing *p)
{
    osd_status st = osd_execute(s, c);
    struct osd_bytes raw = {c->in, c->ret_len};
    struct osd_compare_head h;
    struct osd_map_entry e;
    size_t at = OSD_COMPARE_HEADER_LEN;

    if (st)
        return st;
    if (osd_compare_head_decode(raw, &h) || h.next <= c->start)
        return failed(OSD_E_PROTOCOL, "the device sent malformed comparison data");
    while (!p->stopped && osd_map_entry_next(raw, &at, &e) == OSD_OK)
        p->stopped = !p->visit(p->arg, e.offset, e.len, e.type == OSD_MAP_HOLE);
    p->next = h.next;
    return OSD_OK;
}

osd_status osd_compare(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t second_pid,
                       uint64_t second_oid, osd_range_visit *visit, void *arg)
{
    _cleanup_free_ uint8_t *data = malloc(COMPARE_ROOM);
    struct comparing p = {.visit = visit, .arg = arg};
    osd_status st = OSD_OK;

    if (!data)
        return failed(OSD_E_NOMEM, "out of memory");
    while (!st && !p.stopped && p.next != OSD_COMPARE_COMPLETE) {
        struct osd_call c = {.verb = OSD_V_COMPARE,
                             .pid = pid,
                             .oid = oid,
                             .second_pid = second_pid,
                             .second_oid = second_oid,
                             .start = p.next,
                             .in = data,
                             .in_len = COMPARE_ROOM};
        st = compare_part(s, &c, &p);
    }
    return st;
}
