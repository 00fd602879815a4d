/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/sign.c - see sign.h (reference 6)
 */
#include "sign.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/crc32c.h"
#include "common/hash.h"
#include "libosd.h"
#include "security/grants.h"
#include "wire/attrs.h"
#include "wire/sense.h"
#include "wire/spc.h"

#define OUT_COUNTS      24
#define IN_COUNTS       16
#define HOUR_MS         3600000u
#define TRIES           3u
#define ICV_FIELD1      160
#define ICV_FIELD2      184
#define KEY_VERSION_AT  (OSD_CAPABILITY_AT + 1)
#define EXPIRATION_AT   (OSD_CAPABILITY_AT + 4)
#define TAG_AT1         (OSD_CAPABILITY_AT + 56)
#define TAG_AT2         (OSD_CAPABILITY_AT + 60)
#define RESPONSE_AT     8 /* in the current command page */
#define INQUIRY_ROOM    36
#define CONTINUATION_AT 48 /* where the CDB says that there is one */

_Static_assert((int)OSD_INTEGRITY_SHA1 == OSD_WISH_SHA1 &&
                   (int)OSD_INTEGRITY_SHA256 == OSD_WISH_SHA256 &&
                   (int)OSD_INTEGRITY_BEST == OSD_WISH_BEST,
               "osd.h says the same");

static size_t icv_len(enum osd_gen gen)
{
    return gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
}

size_t signer_icv_field(enum osd_gen gen)
{
    return gen == OSD_GEN1 ? ICV_FIELD1 : ICV_FIELD2;
}

/* ---- open and close ---- */

static osd_status open_manager(struct signer *g, const struct osd_options *opt, char *why,
                               size_t why_len)
{
    const struct manager_options mo = {opt->secmgr, opt->secmgr_ca, opt->secmgr_cert,
                                       opt->secmgr_key};
    osd_status st = manager_open(&mo, &g->manager, why, why_len);

    if (!st)
        g->with = SIGN_MANAGER;
    return st;
}

osd_status signer_open(struct signer *g, const struct osd_options *opt, enum osd_gen gen,
                       char *why, size_t why_len)
{
    osd_status st = OSD_OK;

    pthread_mutex_init(&g->lock, NULL);
    if (!opt || (!opt->key_file && !opt->credential_file && !opt->secmgr))
        return OSD_OK;
    if (!!opt->key_file + !!opt->credential_file + !!opt->secmgr > 1) {
        snprintf(why, why_len, "key file, credential, security manager: give one of them");
        return OSD_E_INVALID;
    }
    if (opt->secmgr)
        return open_manager(g, opt, why, why_len);
    if (opt->integrity < 0 || opt->integrity >= OSD_WISHES) {
        snprintf(why, why_len, "no such integrity algorithm");
        return OSD_E_INVALID;
    }
    if (opt->key_file) {
        st = osd_keyfile_read(opt->key_file, g->ring.master, why, why_len);
        g->method = opt->method ? (uint8_t)opt->method : OSD_SEC_CMDRSP;
        g->wish = (enum osd_wish)opt->integrity;
        g->with = SIGN_KEYRING;
        return st;
    }
    st = osd_credential_read(opt->credential_file, &g->credential, why, why_len);
    if (st == OSD_OK && g->credential.gen != gen) {
        snprintf(why, why_len, "%s is a credential for OSD-%d", opt->credential_file,
                 (int)g->credential.gen);
        st = OSD_E_INVALID;
    }
    g->method = g->credential.capability[2] & 0xf;
    g->with = SIGN_CREDENTIAL;
    return st;
}

void signer_close(struct signer *g)
{
    manager_close(g->manager);
    pthread_mutex_destroy(&g->lock);
    OPENSSL_cleanse(g, sizeof(*g));
}

/* ---- what the device says of itself ---- */

/* page 0: standard data. */
static osd_status inquire(struct osd_session *s, uint8_t page, uint8_t *dst, size_t cap,
                          size_t *ret_len)
{
    const uint8_t cdb[6] = {SPC_INQUIRY, page != 0, page, 0, (uint8_t)cap, 0};
    struct iovec v = {dst, cap};
    struct exchange x = {.cdb = cdb, .cdb_len = sizeof(cdb), .in = osd_iov_make(&v, 1)};
    char why[300] = "";
    osd_status st = transport_execute(s->transport, &x, why, sizeof(why));

    if (st)
        return failed(st, "INQUIRY: %s", why);
    *ret_len = (size_t)x.in_len;
    if (page == 0 && x.status == SAM_GOOD)
        return OSD_OK;
    if (x.status != SAM_GOOD || x.in_len < 4 || dst[1] != page)
        return failed(OSD_E_PROTOCOL, "the device has no VPD page %02Xh", page);
    *ret_len = 4u + be16_get(dst + 2) < x.in_len ? 4u + be16_get(dst + 2) : (size_t)x.in_len;
    return OSD_OK;
}

/* The system id: the NAA designator of page 83h with its head, zero padded. */
static osd_status learn_system(struct osd_session *s)
{
    struct signer *g = &s->signer;
    uint8_t page[255];
    size_t len = 0, at = 4;
    osd_status st = inquire(s, 0x83, page, sizeof(page), &len);

    while (st == OSD_OK && at + 4 <= len && (page[at + 1] & 0xf) != 3)
        at += 4u + page[at + 3];
    if (st)
        return st;
    if (at + 4 > len || at + 4 + page[at + 3] > len || page[at + 3] > OSD_SYSTEM_ID_LEN - 4)
        return failed(OSD_E_PROTOCOL, "the device names itself in no way that gives its id");
    memset(g->system_id, 0, sizeof(g->system_id));
    memcpy(g->system_id, page + at, 4u + page[at + 3]);
    g->knows_system = true;
    return OSD_OK;
}

static osd_status learn_token(struct osd_session *s)
{
    struct signer *g = &s->signer;
    uint8_t page[4 + TOKEN_MAX];
    size_t len = 0;
    osd_status st = inquire(s, 0xb1, page, sizeof(page), &len);

    if (st)
        return st;
    g->token_len = len - 4;
    memcpy(g->token, page + 4, g->token_len);
    g->knows_token = true;
    return OSD_OK;
}

osd_status signer_learn(struct osd_session *s)
{
    osd_status st = OSD_OK;

    pthread_mutex_lock(&s->signer.lock);
    if (!s->signer.knows_system)
        st = learn_system(s);
    pthread_mutex_unlock(&s->signer.lock);
    return st;
}

/* The attributes are read with HMAC-SHA1, for nothing else is known to be there. */
static osd_status ask_algorithms(struct osd_session *s, struct osd_algorithms *ret)
{
    struct osd_attr_get get[OSD_ALGORITHMS];
    struct osd_call c = {.verb = OSD_V_GET_ATTRIBUTES, .get = get, .n_get = OSD_ALGORITHMS};
    uint8_t data[INQUIRY_ROOM];
    char why[400];
    size_t len = 0;
    osd_status st = inquire(s, 0, data, sizeof(data), &len);

    *ret = (struct osd_algorithms){.ours = !st && osd_inquiry_is_ours(data, len)};
    for (uint32_t i = 0; i < OSD_ALGORITHMS; i++)
        get[i] = (struct osd_attr_get){.page = OSD_PAGE_R + OSD_PG_SECURITY,
                                       .number = OSD_ALGORITHM_FIRST + i,
                                       .value = &ret->code[i],
                                       .cap = 1};
    if (!st)
        st = execute_standard(s, &c);
    if (!st)
        return OSD_OK;
    snprintf(why, sizeof(why), "%s", osd_last_error());
    return failed(st, "the device does not say which integrity algorithms it has: %s", why);
}

static osd_status learn_algorithm(struct osd_session *s)
{
    struct signer *g = &s->signer;
    char text[OSD_ALGORITHMS_TEXT];
    struct osd_algorithm found;
    struct osd_algorithms all;
    osd_status st = ask_algorithms(s, &all);

    if (st)
        return st;
    if (!osd_algorithm_choose(&all, g->wish, &found))
        return failed(OSD_E_UNSUPPORTED,
                      "the device has no integrity algorithm %s: it lists %s",
                      osd_wish_name(g->wish), osd_algorithms_format(&all, text));
    pthread_mutex_lock(&g->lock);
    g->algorithm = found;
    g->knows_algorithm = true;
    pthread_mutex_unlock(&g->lock);
    return OSD_OK;
}

osd_status signer_choose(struct osd_session *s, struct osd_algorithm *ret)
{
    struct signer *g = &s->signer;
    osd_status st = OSD_OK;
    bool known;

    *ret = OSD_ALGORITHM_STANDARD;
    if (g->wish == OSD_WISH_SHA1)
        return OSD_OK;
    pthread_mutex_lock(&g->lock);
    known = g->knows_algorithm;
    pthread_mutex_unlock(&g->lock);
    if (!known)
        st = learn_algorithm(s);
    if (!st) {
        pthread_mutex_lock(&g->lock);
        *ret = g->algorithm;
        pthread_mutex_unlock(&g->lock);
    }
    return st;
}

static osd_status learn(struct osd_session *s, struct build *b)
{
    struct signer *g = &s->signer;
    osd_status st = g->with == SIGN_KEYRING ? signer_learn(s) : OSD_OK;

    pthread_mutex_lock(&g->lock);
    if (st == OSD_OK && !g->knows_token && b->method == OSD_SEC_CAPKEY)
        st = learn_token(s);
    b->token_len = g->token_len;
    memcpy(b->token, g->token, sizeof(b->token));
    pthread_mutex_unlock(&g->lock);
    return st;
}

/* ---- keys ---- */

static struct working_key *working_place(struct signer *g, uint64_t pid, uint8_t version)
{
    return &g->working[osd_hash(0, pid, version) % WORKING_MAX];
}

static bool find_working(struct signer *g, uint64_t pid, uint8_t version,
                         uint8_t ret[OSD_KEY_LEN])
{
    struct working_key *w = working_place(g, pid, version);
    bool found;

    pthread_mutex_lock(&g->lock);
    found = w->made && w->pid == pid && w->version == version;
    if (found)
        memcpy(ret, w->key, OSD_KEY_LEN);
    pthread_mutex_unlock(&g->lock);
    return found;
}

osd_status signer_working_key(struct signer *g, uint64_t pid, uint8_t version,
                              uint8_t ret[OSD_KEY_LEN])
{
    struct working_key *w = working_place(g, pid, version);
    osd_status st;

    if (find_working(g, pid, version, ret))
        return OSD_OK;
    st = osd_keyring_key(&g->ring, OSD_KEY_WORKING, pid, version, ret);
    if (st)
        return st;
    pthread_mutex_lock(&g->lock);
    w->made = true;
    w->pid = pid;
    w->version = version;
    memcpy(w->key, ret, OSD_KEY_LEN);
    pthread_mutex_unlock(&g->lock);
    return OSD_OK;
}

static uint64_t device_clock(const struct signer *g)
{
    return osd_clock_now(&osd_clock_system) + (uint64_t)atomic_load(&g->skew);
}

static struct made_key *made_place(struct signer *g, const struct made_key *m)
{
    return &g->made[osd_crc32c((uint32_t)m->pid, m->capability, m->len) % MADE_MAX];
}

/* Whether the key of m's capability was made before; it is put into m. */
static bool find_made(struct signer *g, struct made_key *m)
{
    const struct made_key *k = made_place(g, m);
    bool found;

    pthread_mutex_lock(&g->lock);
    found = k->len == m->len && k->pid == m->pid && k->hmac == m->hmac &&
            memcmp(k->capability, m->capability, m->len) == 0;
    if (found)
        memcpy(m->key, k->key, OSD_KEY_LEN);
    pthread_mutex_unlock(&g->lock);
    return found;
}

static osd_status make_key(struct signer *g, struct made_key *m, uint8_t version)
{
    uint8_t secret[OSD_KEY_LEN];
    osd_status st = signer_working_key(g, m->pid, version, secret);

    if (st == OSD_OK)
        st = osd_capability_key_by(m->hmac, secret, (struct osd_bytes){m->capability, m->len},
                                   g->system_id, m->key);
    OPENSSL_cleanse(secret, sizeof(secret));
    if (st)
        return st;
    pthread_mutex_lock(&g->lock);
    *made_place(g, m) = *m;
    pthread_mutex_unlock(&g->lock);
    return OSD_OK;
}

/* Of a capability that a working key stands behind. */
static osd_status find_or_make(struct signer *g, struct build *b)
{
    bool device = b->cdb.op == OSD_OP_CREATE_PARTITION || b->cdb.op == OSD_OP_REMOVE_PARTITION;
    struct made_key m = {.pid = device ? 0 : b->cdb.cap.allowed_pid, .hmac = b->hmac};
    osd_status st = OSD_OK;

    m.len = osd_capability_encode(&b->cdb.cap, b->cdb.gen, m.capability);
    if (!find_made(g, &m))
        st = make_key(g, &m, b->cdb.cap.key_version);
    if (st == OSD_OK)
        memcpy(b->key, m.key, OSD_KEY_LEN);
    OPENSSL_cleanse(&m, sizeof(m));
    return st;
}

/* SET KEY: with the key above the one that is set (reference 6.5). */
static osd_status make_above(const struct signer *g, struct build *b)
{
    const struct osd_cdb *cdb = &b->cdb;
    uint8_t secret[OSD_KEY_LEN];
    struct osd_credential made;
    osd_status st =
        osd_keyring_key(&g->ring, (enum osd_key_kind)(cdb->option - 1), cdb->pid, 0, secret);

    if (st == OSD_OK)
        st = osd_credential_make(&cdb->cap, b->hmac, cdb->gen, g->system_id, secret, &made);
    if (st == OSD_OK)
        memcpy(b->key, made.key, OSD_KEY_LEN);
    OPENSSL_cleanse(&made, sizeof(made));
    OPENSSL_cleanse(secret, sizeof(secret));
    return st;
}

/* The capability that was filled in, as part of a credential made here. It is good for an hour
 * or two, always to the full hour, so that the same one comes again. */
static osd_status make_credential(struct osd_session *s, struct build *b)
{
    struct signer *g = &s->signer;
    struct osd_algorithm with = OSD_ALGORITHM_STANDARD;
    osd_status st = b->standard ? OSD_OK : signer_choose(s, &with);

    if (st)
        return st;
    b->hmac = with.hmac;
    b->cdb.cap.method = b->method;
    b->cdb.cap.icv_algorithm = with.index;
    b->cdb.cap.expiration = (device_clock(g) / HOUR_MS + 2) * HOUR_MS;
    return b->cdb.op == OSD_OP_SET_KEY ? make_above(g, b) : find_or_make(g, b);
}

/* ---- the security manager ---- */

/* What a command asks for. Objects that are to be created have one capability for all. */
static struct manager_want want_of(const struct osd_session *s, const struct build *b)
{
    const struct osd_capability *cap = &b->cdb.cap;
    struct manager_want w = {.gen = b->cdb.gen,
                             .type = cap->object_type,
                             .pid = cap->allowed_pid,
                             .oid = cap->permissions & OSD_PERM_CREATE ? 0 : cap->allowed_oid,
                             .permissions = cap->permissions};

    memcpy(w.system_id, s->signer.system_id, sizeof(w.system_id));
    return w;
}

osd_status signer_fetch(struct osd_session *s, struct build *b)
{
    struct manager_want w;
    char why[400] = "";
    osd_status st;

    b->method = s->signer.method;
    if (s->signer.with != SIGN_MANAGER)
        return OSD_OK;
    st = signer_learn(s);
    if (st == OSD_OK) {
        w = want_of(s, b);
        st = manager_credential(s->signer.manager, &w, b->refused, &b->granted, why,
                                sizeof(why));
        if (st)
            failed(st, "%s: %s", b->name, why[0] ? why : osd_status_text(st));
    }
    b->told = st != OSD_OK;
    if (st == OSD_OK) {
        b->refused = MANAGER_NOTHING;
        b->method = b->granted.capability[2] & 0xf;
        memcpy(b->key, b->granted.key, OSD_KEY_LEN);
    }
    return st;
}

/* What these verbs need on a user object. */
static uint16_t permissions_of(uint32_t verbs)
{
    uint16_t sum = 0;

    for (int v = 0; v < OSD_V_MAX; v++) {
        const struct verb *row = verb_of(&(struct osd_call){.verb = (enum osd_verb)v});
        if (verbs >> v & 1)
            sum |= osd_grant_of(row->op)->permissions;
    }
    return sum;
}

osd_status osd_prefetch(struct osd_session *s, uint64_t pid, const uint64_t *oids, size_t n,
                        uint32_t verbs)
{
    struct manager_want w = {
        .gen = s->gen, .type = OSD_TYPE_USER, .pid = pid, .permissions = permissions_of(verbs)};
    char why[400] = "";
    osd_status st;

    if (n > OSD_PREFETCH_MAX || w.permissions == 0 || w.permissions & OSD_PERM_CREATE)
        return failed(OSD_E_INVALID, "too many objects, or verbs that have no credentials");
    if (s->signer.with != SIGN_MANAGER || n == 0)
        return OSD_OK;
    st = signer_learn(s);
    if (st)
        return st;
    memcpy(w.system_id, s->signer.system_id, sizeof(w.system_id));
    st = manager_credentials(s->signer.manager, &w, oids, n, why, sizeof(why));
    return st ? failed(st, "%s", why[0] ? why : osd_status_text(st)) : OSD_OK;
}

/* ---- request ---- */

bool signer_wants_response(const struct signer *g, const struct build *b, bool two_way)
{
    return g->with &&
           (b->method == OSD_SEC_ALLDATA || (b->method == OSD_SEC_CMDRSP && !two_way));
}

bool signer_wants_data(const struct signer *g, const struct build *b)
{
    return g->with && b->method == OSD_SEC_ALLDATA;
}

size_t signer_out_info(enum osd_gen gen)
{
    return OUT_COUNTS + icv_len(gen);
}

size_t signer_in_info(enum osd_gen gen)
{
    return IN_COUNTS + icv_len(gen);
}

/* Counts and value at the end of Data-Out: command data, set list, get list. */
static osd_status sign_data(struct build *b, const struct osd_call *c)
{
    const struct osd_attr_params *a = &b->cdb.attr;
    bool list = a->format == OSD_ATTR_LIST;
    uint64_t set_len = a->set_off == OSD_OFFSET_UNUSED ? 0 : a->set_len;
    uint64_t get_len = list ? a->get_list_len : 0;
    size_t data_len = command_data(c);
    const uint8_t *lists = b->out_lists.data;
    uint8_t *info = b->out_lists.data + b->out_lists.len - signer_out_info(b->cdb.gen);
    uint8_t icv[OSD_KEY_LEN];
    osd_status st;

    be64_put(info, data_len);
    be64_put(info + 8, set_len);
    be64_put(info + 16, get_len);
    const struct osd_bytes pieces[] = {
        {c->out, data_len},
        {set_len ? lists + (a->set_off - data_len) : lists, set_len},
        {get_len ? lists + (a->get_list_off - data_len) : lists, get_len},
        {info, OUT_COUNTS}};
    st = osd_mac_with(&b->ready, pieces, 4, icv);
    if (st == OSD_OK)
        osd_icv_put(icv, info + OUT_COUNTS, icv_len(b->cdb.gen));
    return st;
}

/* Random bytes come from the kernel for several nonces at a time. */
void signer_nonce(struct signer *g, uint8_t nonce[OSD_NONCE_LEN])
{
    be48_put(nonce, device_clock(g));
    pthread_mutex_lock(&g->lock);
    if (g->randoms_left == 0) {
        osd_random(g->randoms, sizeof(g->randoms));
        g->randoms_left = sizeof(g->randoms);
    }
    g->randoms_left -= NONCE_RANDOM;
    memcpy(nonce + 6, g->randoms + g->randoms_left, NONCE_RANDOM);
    pthread_mutex_unlock(&g->lock);
}

#define CONTINUATION_ICV 8 /* in the segment */

/* The segment at the front of Data-Out. */
static osd_status sign_continuation(struct osd_session *s, struct build *b,
                                    const struct osd_call *c)
{
    const struct osd_bytes segment = {b->out_lists.data, b->cdb.cont_len};
    uint8_t icv[OSD_KEY_LEN];
    osd_status st;

    if (b->cdb.op != OSD_OP_QUERY)
        return second_sign(s, b, c);
    st = osd_continuation_icv_by(b->hmac, b->key, segment, icv);
    if (st == OSD_OK)
        osd_icv_put(icv, b->out_lists.data + CONTINUATION_ICV, OSD_ICV2_LEN);
    return st;
}

static osd_status sign_request(struct build *b)
{
    const struct osd_bytes token = {b->token, b->token_len};
    uint8_t icv[OSD_KEY_LEN];
    osd_status st = b->method == OSD_SEC_CAPKEY
                        ? osd_mac_with(&b->ready, &token, 1, icv)
                        : osd_request_icv_with(&b->ready, b->cdb.gen, b->raw, icv);

    if (st == OSD_OK)
        osd_icv_put(icv, b->raw + signer_icv_field(b->cdb.gen), icv_len(b->cdb.gen));
    return st;
}

osd_status sign(struct osd_session *s, struct build *b, const struct osd_call *c)
{
    struct signer *g = &s->signer;
    bool sets_keys = b->cdb.op == OSD_OP_SET_KEY; /* never signed by less than CMDRSP */
    osd_status st = OSD_OK;

    if (g->with != SIGN_MANAGER)
        b->method = sets_keys && g->method < OSD_SEC_CMDRSP ? OSD_SEC_CMDRSP : g->method;
    else if (b->refused)
        st = signer_fetch(s, b);
    if (st == OSD_OK)
        st = learn(s, b);
    if (st == OSD_OK && g->with == SIGN_KEYRING)
        st = make_credential(s, b);
    else if (st == OSD_OK && g->with == SIGN_CREDENTIAL)
        memcpy(b->key, g->credential.key, OSD_KEY_LEN);
    if (st)
        return st;
    signer_nonce(g, b->cdb.sec.nonce);
    if ((st = osd_cdb_encode(&b->cdb, b->raw, &b->raw_len)))
        return st;
    if (g->with == SIGN_CREDENTIAL) /* as it was given, reserved bits included */
        memcpy(b->raw + OSD_CAPABILITY_AT, g->credential.capability,
               osd_credential_capability_len(&g->credential));
    else if (g->with == SIGN_MANAGER)
        memcpy(b->raw + OSD_CAPABILITY_AT, b->granted.capability, b->granted.len);
    if (b->method == OSD_SEC_NOSEC)
        return OSD_OK;
    if (g->with == SIGN_MANAGER)
        b->hmac = b->granted.hmac;
    else if (g->with == SIGN_CREDENTIAL &&
             !osd_hmac_of_index(b->raw[OSD_CAPABILITY_AT + 1] & 0xf, &b->hmac))
        return failed(OSD_E_UNSUPPORTED, "%s: the credential's algorithm is none of ours",
                      b->name);
    if ((st = osd_mac_key_make(b->hmac, b->key, &b->ready)))
        return st;
    if (b->cdb.cont_len && (st = sign_continuation(s, b, c)))
        return st;
    if (b->cdb.sec.data_out_icv_off != OSD_OFFSET_UNUSED && (st = sign_data(b, c)))
        return st;
    return sign_request(b);
}

/* ---- answer ---- */

/* As long as the device made it: a transport may send more (LIO sends all of its buffer). */
static size_t sense_length(const struct exchange *x)
{
    size_t len = x->sense_len >= 8 ? 8u + x->sense[7] : 0;

    return len < x->sense_len ? len : x->sense_len;
}

/* The response integrity value inside sense data (descriptor 07h); 0 when there is none. */
static size_t find_sense_icv(const uint8_t *sense, size_t len, size_t field)
{
    for (size_t at = 8; at + 2 <= len; at += 2u + sense[at + 1])
        if (sense[at] == 0x07 && sense[at + 1] >= field && at + 2 + field <= len)
            return at + 2;
    return 0;
}

static bool response_fits(const struct build *b, uint8_t status, struct osd_bytes sense,
                          const uint8_t *value)
{
    uint8_t icv[OSD_KEY_LEN];

    return osd_response_icv_with(&b->ready, b->cdb.sec.nonce, status, sense, icv) == OSD_OK &&
           osd_icv_equal(icv, value, icv_len(b->cdb.gen));
}

static osd_status not_the_devices(const struct build *b, const char *what)
{
    return failed(OSD_E_PROTOCOL,
                  "%s: the %s does not have the device's signature; somebody changed it, or "
                  "it is the answer to another command",
                  b->name, what);
}

/* Failures before the device knows the key carry no value: they are failures all the same. */
static osd_status verify_sense(const struct build *b, const struct exchange *x)
{
    size_t len = sense_length(x), field = icv_len(b->cdb.gen),
           at = find_sense_icv(x->sense, len, field);
    uint8_t copy[OSD_SENSE_MAX];
    struct osd_sense s;

    if (at == 0 && (osd_sense_decode(x->sense, x->sense_len, &s) || s.key != SENSE_RECOVERED))
        return OSD_OK;
    if (at == 0)
        return not_the_devices(b, "sense data");
    memcpy(copy, x->sense, len);
    memset(copy + at, 0, field);
    return response_fits(b, x->status, (struct osd_bytes){copy, len}, x->sense + at)
               ? OSD_OK
               : not_the_devices(b, "sense data");
}

/* Retrieved attributes in Data-In. */
static struct osd_bytes retrieved(const struct build *b)
{
    return (struct osd_bytes){b->in_lists.data + b->in_gap,
                              b->in_lists.len - b->in_gap - b->in_tail};
}

static const uint8_t *find_response_icv(const struct build *b)
{
    struct osd_bytes raw = retrieved(b);
    struct osd_attr_cursor cur;
    struct osd_attr_entry e;
    struct osd_wire_error err;

    if (b->current_page)
        return raw.len >= RESPONSE_AT + icv_len(b->cdb.gen) ? raw.data + RESPONSE_AT : NULL;
    if (osd_attr_cursor_open(raw, b->cdb.gen, retrieved_type(b), true, &cur, &err))
        return NULL;
    while (osd_attr_cursor_next(&cur, &e, &err) == OSD_OK)
        if (e.id.page == OSD_PAGE_CURRENT && e.id.number == 1)
            return e.value.len == icv_len(b->cdb.gen) ? e.value.data : NULL;
    return NULL;
}

/* Byte counts and value at the end of Data-In, over command data and attributes. */
static osd_status verify_data(const struct build *b, const struct osd_call *c)
{
    const uint8_t *info = b->in_lists.data + b->in_lists.len - signer_in_info(b->cdb.gen);
    uint64_t data = be64_get(info), attrs = be64_get(info + 8);
    struct osd_bytes raw = retrieved(b);
    uint8_t icv[OSD_KEY_LEN];

    if (data > c->in_len || attrs > raw.len)
        return not_the_devices(b, "data");
    const struct osd_bytes pieces[] = {{c->in, data}, {raw.data, attrs}, {info, IN_COUNTS}};
    if (osd_mac_with(&b->ready, pieces, 3, icv) ||
        !osd_icv_equal(icv, info + IN_COUNTS, icv_len(b->cdb.gen)))
        return not_the_devices(b, "data");
    return OSD_OK;
}

/* A command that was carried out, and says so with sense data: READ past the end. */
static bool brings_data(const struct exchange *x)
{
    struct osd_sense d;

    return osd_sense_decode(x->sense, x->sense_len, &d) == OSD_OK && d.key == SENSE_RECOVERED;
}

osd_status verify(struct osd_session *s, const struct build *b, const struct osd_call *c,
                  const struct exchange *x)
{
    const uint8_t *value;

    if (!s->signer.with || b->method < OSD_SEC_CMDRSP)
        return OSD_OK;
    if (x->status == SAM_CHECK_CONDITION) {
        osd_status st = verify_sense(b, x);
        return st || !b->signs_data || !brings_data(x) ? st : verify_data(b, c);
    }
    if (x->status != SAM_GOOD || !b->signs_response)
        return OSD_OK;
    value = find_response_icv(b);
    if (!value || !response_fits(b, x->status, (struct osd_bytes){NULL, 0}, value))
        return not_the_devices(b, "answer");
    return b->signs_data ? verify_data(b, c) : OSD_OK;
}

/* ---- once more ---- */

/* What a credential ended by: its key is gone, its time is over, or the policy access tag of the
 * object is another now. The manager has others. */
static enum manager_refused credential_ended(const struct osd_sense *d, enum osd_gen gen)
{
    if (d->asc == ASC_KEY_FROZEN || d->asc == ASC_AUDIT_FROZEN)
        return MANAGER_KEY;
    if (d->asc != ASC_INVALID_FIELD_CDB || !d->has_field || !d->field_in_cdb)
        return MANAGER_NOTHING;
    if (d->field == (gen == OSD_GEN1 ? TAG_AT1 : TAG_AT2))
        return MANAGER_TAG;
    return d->field == KEY_VERSION_AT || d->field == EXPIRATION_AT ||
                   d->field == signer_icv_field(gen)
               ? MANAGER_KEY
               : MANAGER_NOTHING;
}

/* The same of the credential for the second object. The device does not say what it ended by: most
 * likely by its tag, then by its key. */
static enum manager_refused second_ended(const struct build *b, const struct osd_sense *d)
{
    bool at = d->asc == ASC_INVALID_FIELD_CDB && d->has_field && d->field_in_cdb &&
              d->field == CONTINUATION_AT;

    if (b->second.len == 0)
        return MANAGER_NOTHING;
    if (d->asc == ASC_KEY_FROZEN || d->asc == ASC_AUDIT_FROZEN)
        return MANAGER_KEY;
    return !at ? MANAGER_NOTHING : b->second_refused ? MANAGER_KEY : MANAGER_TAG;
}

static bool may_renew(struct build *b, const struct osd_sense *d)
{
    b->refused = credential_ended(d, b->cdb.gen);
    b->second_refused = second_ended(b, d);
    return b->refused || b->second_refused;
}

bool sign_again(struct osd_session *s, struct build *b, const struct exchange *x, unsigned try)
{
    struct signer *g = &s->signer;
    struct osd_sense d;

    if (!g->with || try >= TRIES || x->status != SAM_CHECK_CONDITION ||
        osd_sense_decode(x->sense, x->sense_len, &d) || d.key != SENSE_ILLEGAL_REQUEST)
        return false;
    if (d.asc == ASC_NONCE_TIMESTAMP && d.has_command_info) {
        atomic_store(&g->skew,
                     (int_fast64_t)(d.command_info - osd_clock_now(&osd_clock_system)));
        return true;
    }
    if (d.asc == ASC_NONCE_NOT_UNIQUE) /* of a repetition whose first answer was lost */
        return !b->changes;
    if (g->with == SIGN_MANAGER && may_renew(b, &d))
        return true;
    if (b->method != OSD_SEC_CAPKEY || d.asc != ASC_INVALID_FIELD_CDB || !d.has_field ||
        d.field != signer_icv_field(b->cdb.gen))
        return false;
    pthread_mutex_lock(&g->lock); /* the device may have started anew */
    g->knows_token = false;
    pthread_mutex_unlock(&g->lock);
    return true;
}
