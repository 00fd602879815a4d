/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/signed.c - see signed.h
 */
#include "signed.h"

unsigned n_nonces;
uint8_t signed_index = OSD_HMAC_INDEX_SHA1;

void signed_again(struct request *r, const uint8_t secret[OSD_KEY_LEN], const struct keys *k)
{
    size_t cap = r->c.gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN;
    size_t at = r->c.gen == OSD_GEN1 ? 160 : 184;
    size_t field = r->c.gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
    uint8_t icv[OSD_KEY_LEN];

    if (!osd_hmac_of_index(r->c.cap.icv_algorithm, &r->hmac)) /* to be refused */
        r->hmac = OSD_HMAC_SHA1;
    assert_int_equal(osd_cdb_encode(&r->c, r->raw, &r->len), OSD_OK);
    assert_int_equal(osd_capability_key_by(r->hmac, secret,
                                           (struct osd_bytes){r->raw + 80, cap}, k->system_id,
                                           r->capability_key),
                     OSD_OK);
    assert_int_equal(osd_request_icv_by(r->hmac, r->capability_key, r->c.gen, r->raw, icv),
                     OSD_OK);
    osd_icv_put(icv, r->raw + at, field);
}

/* Sign a command that has its capability, with a fresh nonce. */
struct request signed_make(struct rig *rig, struct osd_cdb c, uint8_t method,
                           const uint8_t secret[OSD_KEY_LEN], const struct keys *k)
{
    struct request r = {.c = c};

    r.c.cap.method = method;
    r.c.cap.icv_algorithm = signed_index;
    be48_put(r.c.sec.nonce, rig->now);
    be32_put(r.c.sec.nonce + 6, ++n_nonces);
    signed_again(&r, secret, k);
    return r;
}

void signed_run(struct rig *rig, const struct request *r)
{
    rig_run_raw(rig, r->raw, r->len);
}

/* Whether the sense data of a failed request is signed. */
void expect_signed(const struct rig *rig, const struct request *r)
{
    size_t field = r->c.gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
    uint8_t sense[OSD_SENSE_MAX], icv[OSD_KEY_LEN];
    size_t len = rig->r.sense_len;

    assert_int_equal(rig->sense.icv_len, field);
    memcpy(sense, rig->r.sense, len);
    memset(sense + len - field, 0, field);
    assert_int_equal(osd_response_icv_by(r->hmac, r->capability_key, r->c.sec.nonce,
                                         rig->r.status, (struct osd_bytes){sense, len}, icv),
                     OSD_OK);
    assert_true(osd_icv_equal(icv, rig->sense.icv, field));
}

struct osd_cdb signed_command(enum osd_op op, enum osd_gen g, uint64_t pid, uint64_t oid,
                              uint8_t type, uint16_t perms)
{
    struct osd_cdb c = rig_cmd(op, g, pid, oid);

    rig_cap(&c, type, perms);
    return c;
}

struct osd_cdb signed_read(enum osd_gen g)
{
    struct osd_cdb c = signed_command(OSD_OP_READ, g, RIG_PID, RIG_OID, OSD_TYPE_USER,
                                      OSD_PERM_READ | OSD_PERM_GET_ATTR);

    c.cap.key_version = VERSION;
    c.length = 4;
    return c;
}

/* ---- keys ---- */

void signed_derive(uint8_t key[2][OSD_KEY_LEN], const uint8_t *parent, const uint8_t *seed,
                   size_t len)
{
    for (int part = 0; part < 2; part++)
        assert_int_equal(osd_key_derive(parent, (struct osd_bytes){seed, len},
                                        (enum osd_key_part)part, key[part]),
                         OSD_OK);
}

/* Seeds differ by key and partition. */
int signed_seed(uint8_t which, uint64_t pid, uint8_t version)
{
    return 0x10 * which + version + (pid & 1 ? 0x80 : 0);
}

struct request signed_set_key(struct rig *rig, enum osd_gen g, uint8_t which, uint64_t pid,
                              uint8_t version, const uint8_t *secret, const struct keys *k)
{
    struct osd_cdb c = signed_command(OSD_OP_SET_KEY, g, pid, 0,
                                      which == 1 ? OSD_TYPE_ROOT : OSD_TYPE_PARTITION,
                                      OSD_PERM_DEV_MGMT | OSD_PERM_POL_SEC);

    c.option = which;
    c.key_version = version;
    memset(c.seed, signed_seed(which, pid, version), OSD_SEED_LEN);
    memcpy(c.key_id, "key-id?", 7);
    c.key_id[6] = (uint8_t)('0' + which);
    return signed_make(rig, c, OSD_SEC_CMDRSP, secret, k);
}

/* Set the keys of partition pid and derive them here. */
void signed_keys_below(struct rig *rig, enum osd_gen g, uint64_t pid, struct keys *k)
{
    uint8_t seed[OSD_SEED_LEN], both[2][OSD_KEY_LEN];
    struct request r;

    rig->out_len = rig->in_len = 0;
    r = signed_set_key(rig, g, 2, pid, 0, k->root[OSD_KEY_AUTHENTICATION], k);
    signed_run(rig, &r);
    expect_good(rig);
    memset(seed, signed_seed(2, pid, 0), sizeof(seed));
    signed_derive(k->partition, k->root[OSD_KEY_GENERATION], seed, sizeof(seed));
    r = signed_set_key(rig, g, 3, pid, VERSION, k->partition[OSD_KEY_AUTHENTICATION], k);
    signed_run(rig, &r);
    expect_good(rig);
    memset(seed, signed_seed(3, pid, VERSION), sizeof(seed));
    signed_derive(both, k->partition[OSD_KEY_GENERATION], seed, sizeof(seed));
    memcpy(k->working, both[OSD_KEY_AUTHENTICATION], OSD_KEY_LEN);
}

/* Set the three keys below the master key, for partition pid, and derive them here. */
void signed_keys(struct rig *rig, enum osd_gen g, uint64_t pid, struct keys *k)
{
    uint8_t seed[OSD_SEED_LEN];
    struct request r = signed_set_key(rig, g, 1, 0, 0, k->master[OSD_KEY_AUTHENTICATION], k);

    rig->out_len = rig->in_len = 0;
    signed_run(rig, &r);
    expect_good(rig);
    memset(seed, 0x10, sizeof(seed));
    signed_derive(k->root, k->master[OSD_KEY_GENERATION], seed, sizeof(seed));
    signed_keys_below(rig, g, pid, k);
}

static osd_status first_key(void *arg, uint8_t ret[2 * OSD_KEY_LEN])
{
    const struct keys *k = arg;

    memcpy(ret, k->master[OSD_KEY_GENERATION], OSD_KEY_LEN);
    memcpy(ret + OSD_KEY_LEN, k->master[OSD_KEY_AUTHENTICATION], OSD_KEY_LEN);
    return OSD_OK;
}

void signed_open(struct rig *rig, uint8_t method, struct keys *k)
{
    struct osd_device_config cfg = {.clock = &rig->clock,
                                    .serial = "rig-serial-0001",
                                    .default_method = method,
                                    .first_key = first_key,
                                    .key_arg = k,
                                    .weak_groups = true};

    memset(rig, 0, sizeof(*rig));
    memset(k, 0, sizeof(*k));
    memset(k->master, 0xa1, sizeof(k->master));
    k->master[1][7] = 1;
    cfg.store = rig->store = rig_store(rig, 0);
    assert_int_equal(osd_device_open(&cfg, &rig->dev), OSD_OK);
    rig->out = calloc(1, RIG_BUF);
    rig->in = calloc(1, RIG_BUF);
}

/* An object, keys of its partition, and the system id. */
void signed_furnish(struct rig *rig, struct keys *k)
{
    signed_open(rig, OSD_SEC_NOSEC, k);
    assert_int_equal(rig_get(rig, OSD_GEN2, 0, 0, OSD_PAGE_R + 1, 3, k->system_id),
                     OSD_SYSTEM_ID_LEN);
    rig_objects(rig);
    rig_write(rig, RIG_OID, 0, "data", 4);
    signed_keys(rig, OSD_GEN2, RIG_PID, k);
}

void signed_token(struct rig *rig, struct request *r)
{
    uint8_t inquiry[6] = {0x12, 1, 0xb1, 0, 20, 0}, icv[OSD_KEY_LEN];
    size_t out = rig->out_len, in = rig->in_len;

    rig->out_len = 0;
    rig->in_len = 20;
    rig_run_raw(rig, inquiry, 6);
    const struct osd_bytes token = {rig->in + 4, 16};
    assert_int_equal(osd_mac_by(r->hmac, r->capability_key, &token, 1, icv), OSD_OK);
    osd_icv_put(icv, r->raw + (r->c.gen == OSD_GEN1 ? 160 : 184),
                r->c.gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN);
    rig->out_len = out;
    rig->in_len = in;
}
