/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/device.c - see device.h
 */
#include "device.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "security/dh.h"
#include "security/grants.h"
#include "wire/attrs.h"
#include "wire/sense.h"
#include "wire/spc.h"

#define ICV_AT      184
#define CREDENTIAL  3600000u /* ms that the manager's own capabilities are valid */
#define RETRY_MS    8000     /* and for one command; clients wait for half a minute */
#define VPD_ROOM    252
#define KEY_MISSING (OSD_CAPABILITY_AT + 1)
#define OTHER_TYPE  (OSD_CAPABILITY_AT + 48)

/* ---- the usual link ---- */

struct url_link {
    struct sm_link base;
    struct transport *transport;
};

/* No answer in time is no answer; OSD_E_TIMEOUT is a word about nonces here. */
static osd_status silence(osd_status st)
{
    return st == OSD_E_TIMEOUT ? OSD_E_UNREACHABLE : st;
}

static osd_status execute_url(struct sm_link *l, struct exchange *x, char *why, size_t why_len)
{
    return silence(transport_execute(((struct url_link *)l)->transport, x, why, why_len));
}

static void close_url(struct sm_link *l)
{
    transport_close(((struct url_link *)l)->transport);
    free(l);
}

osd_status sm_link_open_url(const char *url, struct sm_link **ret, char *why, size_t why_len)
{
    const struct osd_options opt = {.retry_ms = RETRY_MS};
    struct url_link *l = calloc(1, sizeof(*l));
    osd_status st;

    if (!l)
        return OSD_E_NOMEM;
    l->base = (struct sm_link){.execute = execute_url, .close = close_url};
    st = transport_open_within(url, &opt, RETRY_MS, &l->transport, why, why_len);
    if (st) {
        free(l);
        return silence(st);
    }
    *ret = &l->base;
    return OSD_OK;
}

/* ---- identity ---- */

osd_status sm_device_system_id(struct sm_link *l, uint8_t ret[OSD_SYSTEM_ID_LEN], char *why,
                               size_t why_len)
{
    static const uint8_t inquiry[6] = {SPC_INQUIRY, 0x01, 0x83, 0, VPD_ROOM, 0};
    uint8_t page[VPD_ROOM] = {0};
    struct iovec v = {page, sizeof(page)};
    struct exchange x = {.cdb = inquiry, .cdb_len = sizeof(inquiry), .in = osd_iov_make(&v, 1)};
    osd_status st = l->execute(l, &x, why, why_len);

    if (st)
        return st;
    if (x.status == SAM_GOOD && osd_system_id_of_page(page, sizeof(page), ret))
        return OSD_OK;
    snprintf(why, why_len, "the device has no usable identification page (83h)");
    return OSD_E_PROTOCOL;
}

/* ---- signed commands ---- */

static uint64_t time_of(const uint8_t nonce[OSD_NONCE_LEN])
{
    return be48_get(nonce);
}

void sm_nonce_make(uint8_t nonce[OSD_NONCE_LEN], int64_t ahead_ms)
{
    be48_put(nonce, (uint64_t)((int64_t)osd_clock_now(&osd_clock_system) + ahead_ms));
    osd_random(nonce + 6, OSD_NONCE_LEN - 6);
}

/* A command of the manager's own; everything in its capability follows from the arguments. */
static struct osd_cdb command(enum osd_op op, uint64_t pid, uint8_t type, uint16_t perms,
                              const uint8_t nonce[OSD_NONCE_LEN])
{
    struct osd_cdb c = {
        .op = op,
        .gen = OSD_GEN2,
        .pid = pid,
        .cap = {.format = 2,
                .icv_algorithm = 1,
                .method = OSD_SEC_CMDRSP,
                .expiration = time_of(nonce) + CREDENTIAL,
                .object_type = type,
                .permissions = perms,
                .descriptor = OSD_DESC_PAR,
                .allowed_pid = pid},
        .attr = {.format = OSD_ATTR_PAGE,
                 .retrieved_off = OSD_OFFSET_UNUSED,
                 .set_off = OSD_OFFSET_UNUSED},
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED},
    };

    memcpy(c.sec.nonce, nonce, OSD_NONCE_LEN);
    memcpy(c.cap.discriminator, nonce, sizeof(c.cap.discriminator));
    return c;
}

/* Room behind Data-Out for the integrity information of ALLDATA: byte counts and a value. */
#define COUNTS_LEN 24
#define INFO_LEN   (COUNTS_LEN + OSD_ICV2_LEN)
#define IN_COUNTS  16 /* and behind Data-In */
#define IN_INFO    (IN_COUNTS + OSD_ICV2_LEN)
#define OUT_ROOM   (2 * (4 + OSD_DH_MAX) + 8 + INFO_LEN)

struct signed_command {
    uint8_t raw[OSD_CDB_MAX];
    size_t len;
    uint8_t out[OUT_ROOM];
    size_t out_len;
    uint8_t key[OSD_KEY_LEN]; /* capability key; wiped when the answer is there */
};

/* The counts and the value over what there is, command data or a get list (reference 6.3). */
static osd_status sign_data(struct signed_command *s, size_t len, size_t get_len)
{
    uint8_t *info = s->out + s->out_len - INFO_LEN, icv[OSD_KEY_LEN];
    const struct osd_bytes pieces[] = {{s->out, len}, {info, COUNTS_LEN}};
    osd_status st;

    be64_put(info, len - get_len);
    be64_put(info + 16, get_len);
    st = osd_mac(s->key, pieces, 2, icv);
    if (!st)
        osd_icv_put(icv, info + COUNTS_LEN, OSD_ICV2_LEN);
    return st;
}

static osd_status sign(struct osd_cdb *c, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                       const uint8_t secret[OSD_KEY_LEN], struct iovec out,
                       struct signed_command *ret)
{
    struct osd_bytes cap = {ret->raw + OSD_CAPABILITY_AT, OSD2_CAPABILITY_LEN};
    bool all = c->cap.method == OSD_SEC_ALLDATA && out.iov_len > 0;
    uint8_t icv[OSD_KEY_LEN];
    osd_status st;

    memset(ret->out, 0, sizeof(ret->out));
    if (out.iov_len)
        memcpy(ret->out, out.iov_base, out.iov_len);
    ret->out_len = out.iov_len;
    if (all) {
        c->sec.data_out_icv_off = osd_offset_align(out.iov_len, OSD_GEN2);
        ret->out_len = (size_t)c->sec.data_out_icv_off + INFO_LEN;
    }
    st = osd_cdb_encode(c, ret->raw, &ret->len);
    if (!st)
        st = osd_capability_key(secret, cap, system_id, ret->key);
    if (!st && all)
        st = sign_data(ret, out.iov_len, c->attr.get_list_len);
    if (!st)
        st = osd_request_icv(ret->key, OSD_GEN2, ret->raw, icv);
    if (!st)
        osd_icv_put(icv, ret->raw + ICV_AT, OSD_ICV2_LEN);
    return st;
}

/* Attributes at the front of Data-In, then counts and value where they were asked for. */
static osd_status verify_data(const struct osd_cdb *c, const struct signed_command *s,
                              struct iovec in, char *why, size_t why_len)
{
    const uint8_t *data = in.iov_base, *info;
    uint8_t icv[OSD_KEY_LEN];
    uint64_t attrs;

    if (c->sec.data_in_icv_off == OSD_OFFSET_UNUSED)
        return OSD_OK;
    info = data + c->sec.data_in_icv_off;
    attrs = be64_get(info + 8);
    if (be64_get(info) == 0 && attrs <= c->attr.get_alloc_len) {
        const struct osd_bytes pieces[] = {{data, attrs}, {info, IN_COUNTS}};
        if (!osd_mac(s->key, pieces, 2, icv) &&
            osd_icv_equal(icv, info + IN_COUNTS, OSD_ICV2_LEN))
            return OSD_OK;
    }
    snprintf(why, why_len, "the answer does not have the device's signature");
    return OSD_E_PROTOCOL;
}

static osd_status judge(const struct exchange *x, int64_t *ret_ahead_ms, char *why,
                        size_t why_len)
{
    struct osd_sense s;

    if (x->status == SAM_GOOD)
        return OSD_OK;
    if (x->status != SAM_CHECK_CONDITION ||
        osd_sense_decode(x->sense, x->sense_len, &s) != OSD_OK) {
        snprintf(why, why_len, "SCSI status %02Xh", x->status);
        return OSD_E_PROTOCOL;
    }
    osd_sense_format(&s, why, why_len);
    if (s.asc == ASC_NONCE_TIMESTAMP && s.has_command_info) {
        *ret_ahead_ms = (int64_t)s.command_info - (int64_t)osd_clock_now(&osd_clock_system);
        return OSD_E_TIMEOUT;
    }
    if (s.asc == ASC_NONCE_NOT_UNIQUE)
        return OSD_E_TIMEOUT;
    if (s.asc == ASC_WRITE_PROTECTED)
        return OSD_E_UNSUPPORTED;
    if (s.asc == ASC_INVALID_FIELD_CDB && s.has_field &&
        (s.field == ICV_AT || s.field == KEY_MISSING))
        return OSD_E_DENIED;
    if (s.asc == ASC_SEQUENCE_ERROR)
        return OSD_E_BUSY;
    if (s.asc == ASC_INVALID_FIELD_CDB && s.has_field &&
        (s.field == 16 || s.field == OTHER_TYPE))
        return OSD_E_NOT_FOUND;
    return osd_sense_status(&s);
}

static osd_status send_signed(struct sm_link *l, struct osd_cdb *c,
                              const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                              const uint8_t secret[OSD_KEY_LEN], struct iovec out,
                              struct iovec in, int64_t *ret_ahead_ms, char *why, size_t why_len)
{
    struct signed_command s;
    struct iovec all = {.iov_base = s.out};
    struct exchange x = {.cdb = s.raw, .in = osd_iov_make(&in, 1)};
    osd_status st;

    if (l->method == OSD_SEC_ALLDATA)
        c->cap.method = OSD_SEC_ALLDATA;
    st = sign(c, system_id, secret, out, &s);
    x.cdb_len = s.len;
    all.iov_len = s.out_len;
    x.out = osd_iov_make(&all, 1);
    if (!st)
        st = l->execute(l, &x, why, why_len);
    if (!st)
        st = judge(&x, ret_ahead_ms, why, why_len);
    if (!st)
        st = verify_data(c, &s, in, why, why_len);
    OPENSSL_cleanse(s.key, sizeof(s.key));
    return st;
}

/* ---- SET KEY ---- */

void sm_set_key_plan(struct sm_set_key *k, uint8_t kind, uint8_t version,
                     int64_t clock_ahead_ms)
{
    *k = (struct sm_set_key){.kind = kind, .version = version};
    osd_random(k->seed, sizeof(k->seed));
    osd_random(k->id, sizeof(k->id));
    sm_nonce_make(k->nonce, clock_ahead_ms);
}

osd_status sm_set_key_result(const struct sm_set_key *k, const struct sm_key *parent,
                             struct sm_key *ret)
{
    struct osd_bytes seed = {k->seed, OSD_SEED_LEN};
    struct sm_key made = {0};
    osd_status st =
        osd_key_derive(parent->generation, seed, OSD_KEY_AUTHENTICATION, made.authentication);

    if (!st && k->kind != SM_KEY_WORKING)
        st = osd_key_derive(parent->generation, seed, OSD_KEY_GENERATION, made.generation);
    if (!st)
        *ret = made;
    return st;
}

osd_status sm_device_set_key(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                             uint64_t pid, const struct sm_set_key *k,
                             const struct sm_key *parent, int64_t *ret_ahead_ms, char *why,
                             size_t why_len)
{
    struct osd_cdb c = command(OSD_OP_SET_KEY, pid,
                               k->kind == SM_KEY_ROOT ? OSD_TYPE_ROOT : OSD_TYPE_PARTITION,
                               OSD_PERM_DEV_MGMT | OSD_PERM_POL_SEC, k->nonce);
    const struct iovec none = {0};

    c.option = k->kind;
    c.key_version = k->version;
    memcpy(c.key_id, k->id, sizeof(c.key_id));
    memcpy(c.seed, k->seed, sizeof(c.seed));
    return send_signed(l, &c, system_id, parent->authentication, none, none, ret_ahead_ms, why,
                       why_len);
}

osd_status sm_device_probe(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                           uint64_t pid, uint8_t version, const uint8_t secret[OSD_KEY_LEN],
                           char *why, size_t why_len)
{
    uint8_t nonce[OSD_NONCE_LEN];
    const struct iovec none = {0};
    int64_t ahead = 0;
    osd_status st = OSD_E_TIMEOUT;

    for (int i = 0; i < 2 && st == OSD_E_TIMEOUT; i++) {
        sm_nonce_make(nonce, ahead);
        struct osd_cdb c =
            command(OSD_OP_GET_ATTRIBUTES, pid, OSD_TYPE_PARTITION, OSD_PERM_GET_ATTR, nonce);
        c.cap.key_version = version;
        st = send_signed(l, &c, system_id, secret, none, none, &ahead, why, why_len);
    }
    return st;
}

/* ---- integrity algorithms ---- */

#define LIST_ROOM   512 /* of either list */
#define INQUIRY_LEN 36

static osd_status vendor_is_ours(struct sm_link *l, bool *ret, char *why, size_t why_len)
{
    static const uint8_t inquiry[6] = {SPC_INQUIRY, 0, 0, 0, INQUIRY_LEN, 0};
    uint8_t data[INQUIRY_LEN] = {0};
    struct iovec v = {data, sizeof(data)};
    struct exchange x = {.cdb = inquiry, .cdb_len = sizeof(inquiry), .in = osd_iov_make(&v, 1)};
    osd_status st = l->execute(l, &x, why, why_len);

    *ret = !st && x.status == SAM_GOOD && osd_inquiry_is_ours(data, sizeof(data));
    return st;
}

static size_t put_questions(uint8_t dst[LIST_ROOM])
{
    struct osd_writer w = osd_writer_make(dst, LIST_ROOM);

    osd_attr_list_open(&w, OSD_GEN2, OSD_LIST_GET);
    for (uint32_t i = 0; i < OSD_ALGORITHMS; i++)
        osd_attr_put_get(
            &w, OSD_GEN2,
            (struct osd_attr_id){OSD_PAGE_R + OSD_PG_SECURITY, OSD_ALGORITHM_FIRST + i});
    osd_attr_list_close(&w, OSD_GEN2, 0);
    return w.full;
}

static osd_status take_answers(const uint8_t *list, struct osd_algorithms *ret, char *why,
                               size_t why_len)
{
    const struct osd_bytes raw = {list, LIST_ROOM};
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    struct osd_wire_error err;

    if (osd_attr_cursor_open(raw, OSD_GEN2, OSD_LIST_SET, true, &cur, &err)) {
        snprintf(why, why_len, "the device sent no attribute list: %s", err.what);
        return OSD_E_PROTOCOL;
    }
    while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK) {
        uint32_t index = e.id.number - OSD_ALGORITHM_FIRST;
        if (e.id.page == OSD_PAGE_R + OSD_PG_SECURITY && index < OSD_ALGORITHMS &&
            !e.undefined && e.value.len == 1)
            ret->code[index] = e.value.data[0];
    }
    return OSD_OK;
}

static osd_status ask_algorithms(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                 uint8_t version, const uint8_t secret[OSD_KEY_LEN],
                                 uint8_t in[LIST_ROOM + IN_INFO], int64_t *ahead_ms, char *why,
                                 size_t why_len)
{
    uint8_t nonce[OSD_NONCE_LEN], list[LIST_ROOM];
    struct iovec out = {list, put_questions(list)};
    bool all = l->method == OSD_SEC_ALLDATA;
    struct osd_cdb c;

    sm_nonce_make(nonce, *ahead_ms);
    c = command(OSD_OP_GET_ATTRIBUTES, 0, OSD_TYPE_ROOT, OSD_PERM_GET_ATTR | OSD_PERM_POL_SEC,
                nonce);
    c.cap.key_version = version;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)out.iov_len,
                                      .get_alloc_len = LIST_ROOM,
                                      .set_off = OSD_OFFSET_UNUSED};
    if (all)
        c.sec.data_in_icv_off = LIST_ROOM;
    return send_signed(l, &c, system_id, secret, out,
                       (struct iovec){in, LIST_ROOM + (all ? IN_INFO : 0)}, ahead_ms, why,
                       why_len);
}

osd_status sm_device_algorithms(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                uint8_t version, const uint8_t secret[OSD_KEY_LEN],
                                struct osd_algorithms *ret, char *why, size_t why_len)
{
    uint8_t in[LIST_ROOM + IN_INFO] = {0};
    struct osd_algorithms found = {0};
    int64_t ahead = 0;
    osd_status st = vendor_is_ours(l, &found.ours, why, why_len);

    for (int i = 0; i < 2 && (i == 0 ? !st : st == OSD_E_TIMEOUT); i++)
        st = ask_algorithms(l, system_id, version, secret, in, &ahead, why, why_len);
    if (!st)
        st = take_answers(in, &found, why, why_len);
    if (!st)
        *ret = found;
    return st;
}

/* ---- policy access tags ---- */

#define TAG_NUMBER    0x40000001u
#define NO_TIMESTAMPS 0x7f /* who may do what is no change of the object */

static struct osd_cdb tag_command(const struct sm_set_tag *t, uint8_t version)
{
    bool user = t->type == OSD_TYPE_USER, collection = t->type == OSD_TYPE_COLLECTION;
    struct osd_cdb c = command(OSD_OP_SET_ATTRIBUTES, t->pid, t->type,
                               OSD_PERM_SET_ATTR | OSD_PERM_POL_SEC, t->nonce);

    c.oid = c.cap.allowed_oid = t->oid;
    c.timestamps = NO_TIMESTAMPS;
    c.cap.descriptor = osd_grant_descriptor(t->type, false);
    c.cap.key_version = version;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                      .set_page = (user         ? OSD_PAGE_U
                                                   : collection ? OSD_PAGE_C
                                                                : OSD_PAGE_P) +
                                                  OSD_PG_SECURITY,
                                      .set_number = TAG_NUMBER + t->for_new,
                                      .set_len = sizeof(t->value)};
    be32_put(c.attr.value, t->value);
    return c;
}

osd_status sm_device_set_tag(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                             const struct sm_set_tag *t, uint8_t version,
                             const uint8_t secret[OSD_KEY_LEN], int64_t *ret_ahead_ms,
                             char *why, size_t why_len)
{
    const struct iovec none = {0};
    struct osd_cdb c = tag_command(t, version);

    return send_signed(l, &c, system_id, secret, none, none, ret_ahead_ms, why, why_len);
}

/* ---- SET MASTER KEY ---- */

static struct osd_cdb master_command(const struct sm_exchange *x, uint8_t step,
                                     int64_t ahead_ms)
{
    uint8_t nonce[OSD_NONCE_LEN];
    struct osd_cdb c;

    sm_nonce_make(nonce, ahead_ms);
    c = command(OSD_OP_SET_MASTER_KEY, 0, OSD_TYPE_ROOT,
                OSD_PERM_DEV_MGMT | OSD_PERM_POL_SEC | OSD_PERM_GLOBAL, nonce);
    c.option = step;
    c.dh_group = x->group;
    memcpy(c.key_id, x->id, sizeof(c.key_id));
    return c;
}

/* Both parts of the next master key from the shared secret. */
static osd_status derive_next(struct sm_exchange *x, const uint8_t *secret,
                              const struct sm_key *master)
{
    uint8_t shared[OSD_DH_MAX];
    struct osd_bytes seed = {shared, osd_dh_len(x->group)};
    osd_status st = osd_dh_shared(x->group, secret, x->theirs, shared);

    if (!st)
        st = osd_key_derive(master->generation, seed, OSD_KEY_GENERATION, x->next.generation);
    if (!st)
        st = osd_key_derive(master->generation, seed, OSD_KEY_AUTHENTICATION,
                            x->next.authentication);
    OPENSSL_cleanse(shared, sizeof(shared));
    return st;
}

osd_status sm_device_master_begin(struct sm_link *l, const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                  const struct sm_key *master, uint8_t group,
                                  struct sm_exchange *ret, int64_t *ahead_ms, char *why,
                                  size_t why_len)
{
    size_t len = osd_dh_len(group);
    uint8_t secret[OSD_DH_MAX], answer[4 + OSD_DH_MAX] = {0};
    struct sm_exchange x = {.group = group};
    osd_status st = len ? osd_dh_make(group, secret, x.ours) : OSD_E_INVALID;

    osd_random(x.id, sizeof(x.id));
    for (int i = 0; i < 2 && (i == 0 || st == OSD_E_TIMEOUT); i++) {
        struct osd_cdb c = master_command(&x, 0, *ahead_ms);
        c.param_len = (uint32_t)len;
        c.alloc_len = (uint32_t)(4 + len);
        if (i == 0 && st)
            break;
        st = send_signed(l, &c, system_id, master->authentication, (struct iovec){x.ours, len},
                         (struct iovec){answer, 4 + len}, ahead_ms, why, why_len);
    }
    if (!st && be32_get(answer) != len) {
        snprintf(why, why_len, "the device sent no Diffie-Hellman value");
        st = OSD_E_PROTOCOL;
    }
    if (!st) {
        memcpy(x.theirs, answer + 4, len);
        st = derive_next(&x, secret, master);
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    if (!st)
        *ret = x;
    return st;
}

osd_status sm_device_master_finish(struct sm_link *l,
                                   const uint8_t system_id[OSD_SYSTEM_ID_LEN],
                                   const struct sm_key *master, const struct sm_exchange *x,
                                   int64_t *ahead_ms, char *why, size_t why_len)
{
    size_t len = osd_dh_len(x->group);
    uint8_t out[2 * (4 + OSD_DH_MAX)];
    struct osd_writer w = osd_writer_make(out, sizeof(out));
    struct osd_cdb c = master_command(x, 1, *ahead_ms);

    osd_writer_be32(&w, (uint32_t)len);
    osd_writer_put(&w, x->ours, len);
    osd_writer_be32(&w, (uint32_t)len);
    osd_writer_put(&w, x->theirs, len);
    c.param_len = (uint32_t)w.full;
    return send_signed(l, &c, system_id, master->authentication, (struct iovec){out, w.full},
                       (struct iovec){0}, ahead_ms, why, why_len);
}
