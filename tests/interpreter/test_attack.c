/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_attack.c - an attacker changes, repeats and makes up requests
 *
 * The victim is one object with known bytes; after each attempt it is as it was. What a method
 * does not cover is named here by byte.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "interpreter/device.h"
#include "interpreter/keys.h"
#include "signed.h"

#define ICV_LEN(g) ((g) == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN)
#define ICV_AT(g)  ((g) == OSD_GEN1 ? 160u : 184u)
#define CAP_LEN(g) ((size_t)((g) == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN))

static void expect_untouched(struct rig *rig)
{
    struct osd_cdb c = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    size_t out = rig->out_len, in = rig->in_len;

    c.length = 4;
    rig->out_len = 0;
    rig->in_len = 4;
    rig_run(rig, &c);
    expect_good(rig);
    assert_memory_equal(rig->in, "data", 4);
    assert_int_equal(rig_get_u(rig, RIG_PID, RIG_OID, OSD_PG_INFORMATION, 0x82), 4);
    rig->out_len = out;
    rig->in_len = in;
}

/* What the partition asks for, set behind the device's back: with NOSEC the test looks at the
 * object and puts it right. */
static void demand(struct rig *rig, uint8_t method)
{
    const struct store_id id = {RIG_PID, 0};
    struct store_txn *t;

    assert_int_equal(rig->store->ops->begin(rig->store, id, STORE_EXCLUSIVE, &t), OSD_OK);
    assert_int_equal(rig->store->ops->set_attr(t, id, P5, 1, &method, 1), OSD_OK);
    assert_int_equal(rig->store->ops->commit(t, 0), OSD_OK);
    assert_int_equal(device_note_secured(rig->dev), OSD_OK);
    trusted_expire(&rig->dev->trusted);
}

/* Four bytes over the object's, with their integrity information under ALLDATA. */
static struct request signed_write(struct rig *rig, enum osd_gen g, uint8_t method,
                                   const struct keys *k)
{
    struct osd_cdb c = signed_command(OSD_OP_WRITE, g, RIG_PID, RIG_OID, OSD_TYPE_USER,
                                      OSD_PERM_WRITE | OSD_PERM_READ);
    struct request r;

    c.cap.key_version = VERSION;
    c.length = 4;
    rig->in_len = 0;
    rig->out_len = 4;
    if (method == OSD_SEC_ALLDATA) {
        c.sec.data_out_icv_off = 256;
        rig->out_len = 256 + 24 + ICV_LEN(g);
    }
    r = signed_make(rig, c, method, k->working, k);
    memset(rig->out, 0, rig->out_len);
    memcpy(rig->out, "evil", 4);
    if (method == OSD_SEC_ALLDATA) {
        uint8_t icv[OSD_KEY_LEN];
        be64_put(rig->out + 256, 4);
        const struct osd_bytes pieces[] = {{rig->out, 4}, {rig->out + 256, 24}};
        assert_int_equal(osd_mac_by(r.hmac, r.capability_key, pieces, 2, icv), OSD_OK);
        osd_icv_put(icv, rig->out + 280, ICV_LEN(g));
    }
    if (method == OSD_SEC_CAPKEY) {
        signed_token(rig, &r);
        memcpy(rig->out, "evil", 4);
    }
    return r;
}

/* ---- changed on the way ---- */

static bool executed(const struct rig *rig)
{
    return rig->r.status != SAM_CHECK_CONDITION || rig->sense.key == SENSE_RECOVERED;
}

/* Every bit of the CDB under CMDRSP and ALLDATA; under CAPKEY the capability and the value: the
 * other bytes (0-79, and behind the value) are not covered by it. */
static void test_interpreter_attack__no_flipped_bit_of_a_cdb_is_executed(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g))
        for (uint8_t method = OSD_SEC_CAPKEY; method <= OSD_SEC_ALLDATA; method++) {
            struct request r = signed_write(&rig, g, method, &k);
            size_t first = method == OSD_SEC_CAPKEY ? OSD_CAPABILITY_AT : 0;
            size_t end = method == OSD_SEC_CAPKEY ? ICV_AT(g) + ICV_LEN(g) : r.len;
            demand(&rig, method);
            for (size_t bit = 8 * first; bit < 8 * end; bit++) {
                r.raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
                signed_run(&rig, &r);
                if (executed(&rig))
                    fail_msg("OSD-%d method %d: byte %zu bit %zu", (int)g, method, bit / 8,
                             bit % 8);
                r.raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
            }
            uint8_t evil[512];
            memcpy(evil, rig.out, sizeof(evil));
            demand(&rig, OSD_SEC_NOSEC);
            expect_untouched(&rig);
            demand(&rig, method);
            memcpy(rig.out, evil, sizeof(evil));
            signed_run(&rig, &r); /* nothing used the nonce up */
            expect_good(&rig);
            demand(&rig, OSD_SEC_NOSEC);
            rig_write(&rig, RIG_OID, 0, "data", 4);
        }
    rig_close(&rig);
}

/* ALLDATA covers the data and its information; between them (bytes 4-255) is a gap. CMDRSP covers
 * no data: the changed bytes are written. */
static void test_interpreter_attack__no_flipped_bit_of_data_out_is_written(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = signed_write(&rig, g, OSD_SEC_ALLDATA, &k);
        for (size_t bit = 0; bit < 8 * rig.out_len; bit++) {
            bool gap = bit >= 8 * 4 && bit < 8 * 256;
            if (gap)
                continue;
            rig.out[bit / 8] ^= (uint8_t)(1u << bit % 8);
            be32_put(r.c.sec.nonce + 6, ++n_nonces); /* the last one is used up */
            signed_again(&r, k.working, &k);
            signed_run(&rig, &r);
            if (rig.r.status == SAM_GOOD)
                fail_msg("OSD-%d: byte %zu bit %zu", (int)g, bit / 8, bit % 8);
            expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_DATA_OUT_ICV);
            rig.out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        rig.out_len = 0;
        expect_untouched(&rig);
        r = signed_write(&rig, g, OSD_SEC_CMDRSP, &k);
        rig.out[0] ^= 1;
        signed_run(&rig, &r);
        expect_good(&rig);
        rig_write(&rig, RIG_OID, 0, "data", 4);
    }
    rig_close(&rig);
}

/* Four bytes to 0 and four to 100, by a scatter/gather list; info of ALLDATA is at 256. */
#define SCATTER_LEN 80

static struct request signed_scatter(struct rig *rig, uint8_t method, const struct keys *k)
{
    struct osd_cdb c =
        signed_command(OSD_OP_WRITE, OSD_GEN2, RIG_PID, RIG_OID, OSD_TYPE_USER, OSD_PERM_WRITE);
    uint8_t *p = rig->out, icv[OSD_KEY_LEN];
    struct request r;

    c.cap.key_version = VERSION;
    c.length = 8;
    c.cont_len = SCATTER_LEN;
    if (method == OSD_SEC_ALLDATA)
        c.sec.data_out_icv_off = 256;
    rig->in_len = 0;
    rig->out_len = 256 + 24 + OSD_ICV2_LEN;
    r = signed_make(rig, c, method, k->working, k);
    memset(p, 0, rig->out_len);
    p[0] = 1;
    be16_put(p + 2, 0x8886);
    be16_put(p + 40, 1);
    be32_put(p + 44, 32);
    be64_put(p + 56, 4);
    be64_put(p + 64, 100);
    be64_put(p + 72, 4);
    const struct osd_bytes segment = {p, SCATTER_LEN};
    assert_int_equal(osd_continuation_icv_by(r.hmac, r.capability_key, segment, icv), OSD_OK);
    osd_icv_put(icv, p + 8, OSD_ICV2_LEN);
    memcpy(p + SCATTER_LEN, "evilevil", 8);
    be64_put(p + 256, 8);
    const struct osd_bytes pieces[] = {{p + SCATTER_LEN, 8}, {p + 256, 24}};
    assert_int_equal(osd_mac_by(r.hmac, r.capability_key, pieces, 2, icv), OSD_OK);
    osd_icv_put(icv, p + 280, OSD_ICV2_LEN);
    return r;
}

/* The continuation segment is covered whole by its own value under CMDRSP and ALLDATA. (CAPKEY
 * covers it, too: security__continuations_are_signed.) */
static void test_interpreter_attack__no_flipped_bit_of_a_continuation_is_executed(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (uint8_t method = OSD_SEC_CMDRSP; method <= OSD_SEC_ALLDATA; method++) {
        struct request r = signed_scatter(&rig, method, &k);
        for (size_t bit = 0; bit < 8 * SCATTER_LEN; bit++) {
            rig.out[bit / 8] ^= (uint8_t)(1u << bit % 8);
            signed_run(&rig, &r);
            if (executed(&rig))
                fail_msg("method %d: byte %zu bit %zu", method, bit / 8, bit % 8);
            rig.out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        uint8_t evil[512];
        memcpy(evil, rig.out, sizeof(evil));
        expect_untouched(&rig);
        memcpy(rig.out, evil, sizeof(evil));
        signed_run(&rig, &r);
        expect_good(&rig);
        rig_set_u(&rig, RIG_PID, RIG_OID, OSD_PG_INFORMATION, 0x82, 0, 8);
        rig_write(&rig, RIG_OID, 0, "data", 4);
    }
    rig_close(&rig);
}

/* A list of one attribute to set at 0, one to get at 64, their information at 256 (ALLDATA). */
static struct request signed_lists(struct rig *rig, enum osd_gen g, const struct keys *k)
{
    struct osd_cdb c = signed_command(OSD_OP_SET_ATTRIBUTES, g, RIG_PID, RIG_OID, OSD_TYPE_USER,
                                      OSD_PERM_SET_ATTR | OSD_PERM_GET_ATTR);
    const struct osd_attr_id id = {OSD_PG_INFORMATION, 9};
    uint8_t icv[OSD_KEY_LEN];
    struct request r;

    memset(rig->out, 0, 512);
    c.cap.key_version = VERSION;
    c.attr =
        (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                 .set_len = (uint32_t)rig_set_list(rig, g, 0, id, "evil", 4),
                                 .get_list_off = 256,
                                 .get_alloc_len = 64};
    c.attr.get_list_len = (uint32_t)rig_get_list(rig, g, 256, &id, 1);
    c.sec.data_out_icv_off = 512;
    rig->in_len = 64;
    rig->out_len = 512 + 24 + ICV_LEN(g);
    r = signed_make(rig, c, OSD_SEC_ALLDATA, k->working, k);
    memset(rig->out + 512, 0, 24);
    be64_put(rig->out + 520, c.attr.set_len);
    be64_put(rig->out + 528, c.attr.get_list_len);
    const struct osd_bytes pieces[] = {{rig->out, c.attr.set_len},
                                       {rig->out + 256, c.attr.get_list_len},
                                       {rig->out + 512, 24}};
    assert_int_equal(osd_mac_by(r.hmac, r.capability_key, pieces, 3, icv), OSD_OK);
    osd_icv_put(icv, rig->out + 536, ICV_LEN(g));
    return r;
}

/* ALLDATA covers both lists and their information; between them are gaps. */
static void test_interpreter_attack__no_flipped_bit_of_an_attribute_list_is_taken(void **state)
{
    struct keys k;
    struct rig rig;
    uint8_t raw[64];

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = signed_lists(&rig, g, &k);
        const struct osd_attr_params *a = &r.c.attr;
        for (size_t at = 0; at < rig.out_len; at++) {
            bool gap =
                (at >= a->set_len && at < 256) || (at >= 256 + a->get_list_len && at < 512);
            for (unsigned bit = 0; bit < 8 && !gap; bit++) {
                rig.out[at] ^= (uint8_t)(1u << bit);
                be32_put(r.c.sec.nonce + 6, ++n_nonces); /* the last one is used up */
                signed_again(&r, k.working, &k);
                signed_run(&rig, &r);
                if (executed(&rig))
                    fail_msg("OSD-%d: byte %zu bit %u", (int)g, at, bit);
                rig.out[at] ^= (uint8_t)(1u << bit);
            }
        }
        be32_put(r.c.sec.nonce + 6, ++n_nonces);
        signed_again(&r, k.working, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        assert_int_equal(rig_get(&rig, g, RIG_PID, RIG_OID, OSD_PG_INFORMATION, 9, raw), 4);
    }
    rig_close(&rig);
}

/* ---- made up ---- */

/* Somebody with a credential changes what it says, or has a wrong key, and signs properly. */
static void test_interpreter_attack__no_flipped_bit_of_a_credential_opens(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g))
        for (uint8_t method = OSD_SEC_CAPKEY; method <= OSD_SEC_ALLDATA; method++) {
            struct request good = signed_write(&rig, g, method, &k);
            demand(&rig, method);
            for (size_t bit = 0; bit < 8 * (CAP_LEN(g) + OSD_KEY_LEN); bit++) {
                bool in_key = bit >= 8 * CAP_LEN(g);
                size_t at = in_key ? bit / 8 - CAP_LEN(g) : bit / 8;
                struct request r = good;
                uint8_t icv[OSD_KEY_LEN];
                if (in_key)
                    r.capability_key[at] ^= (uint8_t)(1u << bit % 8);
                else
                    r.raw[OSD_CAPABILITY_AT + at] ^= (uint8_t)(1u << bit % 8);
                if (method == OSD_SEC_CAPKEY) {
                    signed_token(&rig, &r);
                } else {
                    assert_int_equal(
                        osd_request_icv_by(r.hmac, r.capability_key, g, r.raw, icv), OSD_OK);
                    osd_icv_put(icv, r.raw + ICV_AT(g), ICV_LEN(g));
                }
                signed_run(&rig, &r);
                if (executed(&rig))
                    fail_msg("OSD-%d method %d: bit %zu", (int)g, method, bit);
            }
            demand(&rig, OSD_SEC_NOSEC);
            rig.out_len = 0;
            expect_untouched(&rig);
        }
    rig_close(&rig);
}

/* ---- repeated ---- */

/* For a test of what comes back: the memory store does not. */
static void skip_unless_stored(void)
{
    const char *kind = getenv("RIG_STORE");

    if (!kind || strcmp(kind, "rocksdb") != 0)
        skip();
}

/* Open the store of a device that was closed. */
static osd_status try_open(struct rig *rig, const char *passphrase)
{
    struct store_config cfg = {.path = rig->dir, .clock = &rig->clock};
    struct osd_device_config dc = {.clock = &rig->clock, .serial = "rig-serial-0001"};
    osd_status st;

    if (passphrase) {
        dc.passphrase = (const uint8_t *)passphrase;
        dc.passphrase_len = strlen(passphrase);
    }
    assert_int_equal(store_rocksdb_open(&cfg, &dc.store, NULL, 0), OSD_OK);
    rig->store = dc.store;
    st = osd_device_open(&dc, &rig->dev);
    if (st)
        dc.store->ops->close(dc.store);
    return st;
}

static void reopen(struct rig *rig)
{
    osd_device_close(rig->dev);
    assert_int_equal(try_open(rig, NULL), OSD_OK);
}

/* What was recorded before the device died is answered from there afterwards; no other request
 * with a nonce from before is accepted, used or not. */
static void test_interpreter_attack__a_restart_makes_no_nonce_good_again(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    skip_unless_stored();
    signed_furnish(&rig, &k);
    struct osd_cdb c = signed_command(OSD_OP_APPEND, OSD_GEN2, RIG_PID, RIG_OID, OSD_TYPE_USER,
                                      OSD_PERM_APPEND | OSD_PERM_READ | OSD_PERM_REMOVE);
    c.cap.key_version = VERSION;
    c.length = 4;
    struct request append = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    struct request used =
        signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    struct request unused =
        signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.out_len = 4;
    rig.in_len = 0;
    signed_run(&rig, &append);
    expect_good(&rig);
    rig.out_len = 0;
    rig.in_len = 4;
    signed_run(&rig, &used);
    expect_good(&rig);
    rig.now += 1000;
    reopen(&rig);
    rig.out_len = 4;
    rig.in_len = 0;
    for (int i = 0; i < 2; i++) {
        signed_run(&rig, &append); /* asked about again */
        expect_good(&rig);
    }
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, OSD_PG_INFORMATION, 0x82), 8);
    rig.out_len = 0;
    rig.in_len = 4;
    signed_run(&rig, &used);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_TIMESTAMP);
    signed_run(&rig, &unused);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_TIMESTAMP);
    c = signed_command(OSD_OP_REMOVE, OSD_GEN2, RIG_PID, RIG_OID, OSD_TYPE_USER,
                       OSD_PERM_REMOVE);
    c.cap.key_version = VERSION;
    struct request remove = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    memcpy(remove.c.sec.nonce, append.c.sec.nonce, OSD_NONCE_LEN);
    signed_again(&remove, k.working, &k);
    rig.in_len = 0;
    signed_run(&rig, &remove); /* another command under a nonce that is on record */
    assert_int_equal(rig.r.status, SAM_CHECK_CONDITION);
    assert_true(rig.sense.asc == ASC_NONCE_TIMESTAMP || rig.sense.asc == ASC_NONCE_NOT_UNIQUE);
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, OSD_PG_INFORMATION, 0x82), 8);
    rig_close(&rig);
}

/* No record of a key, as it lies in the store, holds the key. */
static bool lies_open(struct rig *rig, uint64_t pid, uint32_t number, const uint8_t *key)
{
    const struct store_id id = {pid, 0};
    uint8_t raw[256];
    uint32_t len = 0;
    struct store_txn *t;
    bool found = false;

    assert_int_equal(rig->store->ops->begin(rig->store, id, STORE_SHARED, &t), OSD_OK);
    assert_int_equal(
        rig->store->ops->get_attr(t, id, KEYS_PAGE, number, raw, sizeof(raw), &len), OSD_OK);
    rig->store->ops->abort(t);
    for (uint32_t i = 0; i + OSD_KEY_LEN <= len; i++)
        found = found || memcmp(raw + i, key, OSD_KEY_LEN) == 0;
    return found;
}

/* Whoever reads the disk does not get the keys; whoever has the wrong passphrase, or none, does not
 * get the device. */
static void test_interpreter_attack__keys_on_the_disk_are_sealed(void **state)
{
    static const char pass[] = "correct horse battery staple",
                      wrong[] = "correct horse battery";
    struct keys k;
    struct rig rig;

    (void)state;
    skip_unless_stored();
    signed_furnish(&rig, &k);
    assert_true(lies_open(&rig, 0, KEY_MASTER, k.master[OSD_KEY_GENERATION]));
    assert_true(lies_open(&rig, RIG_PID, KEY_WORKING + VERSION, k.working));
    osd_device_close(rig.dev);
    assert_int_equal(try_open(&rig, "too short"), OSD_E_INVALID);
    assert_int_equal(try_open(&rig, pass), OSD_OK); /* from now on */
    assert_false(lies_open(&rig, 0, KEY_MASTER, k.master[OSD_KEY_GENERATION]));
    assert_false(lies_open(&rig, 0, KEY_MASTER, k.master[OSD_KEY_AUTHENTICATION]));
    assert_false(lies_open(&rig, 0, KEY_ROOT, k.root[OSD_KEY_GENERATION]));
    assert_false(lies_open(&rig, RIG_PID, KEY_PARTITION, k.partition[OSD_KEY_GENERATION]));
    assert_false(lies_open(&rig, RIG_PID, KEY_WORKING + VERSION, k.working));
    rig.now += 1000;
    struct request r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.out_len = 0;
    rig.in_len = 4;
    signed_run(&rig, &r);
    expect_good(&rig);
    signed_keys(&rig, OSD_GEN2, RIG_PID, &k); /* new ones are sealed, too */
    assert_false(lies_open(&rig, 0, KEY_ROOT, k.root[OSD_KEY_GENERATION]));
    assert_false(lies_open(&rig, RIG_PID, KEY_WORKING + VERSION, k.working));
    osd_device_close(rig.dev);
    assert_int_equal(try_open(&rig, NULL), OSD_E_DENIED);
    assert_int_equal(try_open(&rig, wrong), OSD_E_DENIED);
    rig.now += 1000;
    assert_int_equal(try_open(&rig, pass), OSD_OK);
    r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.in_len = 4;
    signed_run(&rig, &r);
    expect_good(&rig);
    rig_close(&rig);
}

/* The store of a device that was closed, as a salvage has it. */
static void distrust_closed(struct rig *rig, uint64_t pid, bool own)
{
    struct store_config cfg = {.path = rig->dir, .clock = &rig->clock};
    struct osd_store *s;

    osd_device_close(rig->dev);
    assert_int_equal(store_rocksdb_open(&cfg, &s, NULL, 0), OSD_OK);
    if (own) /* some partition has asked for a method */
        assert_int_equal(s->ops->put_setting(s, "interpreter.secured", "\0\0\0\0\0\0\0\1", 8),
                         OSD_OK);
    assert_int_equal(osd_device_distrust(s, pid, own), OSD_OK);
    s->ops->close(s);
    rig->now += 1000;
}

static void distrust_stored(struct rig *rig, uint64_t pid, bool own)
{
    distrust_closed(rig, pid, own);
    assert_int_equal(try_open(rig, NULL), OSD_OK);
}

/* That its partition asks for. */
static uint8_t stored_method(struct rig *rig)
{
    const struct store_ops *ops = rig->store->ops;
    uint8_t method = OSD_SEC_NOSEC;
    struct store_txn *t;
    uint32_t len;

    assert_int_equal(ops->begin(rig->store, (struct store_id){RIG_PID, 0}, STORE_SHARED, &t),
                     OSD_OK);
    ops->get_attr(t, t->id, P5, 1, &method, 1, &len);
    ops->abort(t);
    return method;
}

static uint8_t read_signed(struct rig *rig, struct keys *k, uint8_t method)
{
    struct request r = signed_make(rig, signed_read(OSD_GEN2), method, k->working, k);

    rig->out_len = 0;
    rig->in_len = method == OSD_SEC_ALLDATA ? 512 : 4;
    signed_run(rig, &r);
    return rig->r.status;
}

/* Would catch: a key that may be an old one and still opens something, a partition that no longer
 * knows its method and asks for none. */
static void test_interpreter_attack__keys_that_are_not_trusted_any_more_open_nothing(
    void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    skip_unless_stored();
    signed_furnish(&rig, &k);
    assert_int_equal(read_signed(&rig, &k, OSD_SEC_CMDRSP), SAM_GOOD);
    distrust_stored(&rig, RIG_PID, false); /* of the partition */
    assert_int_not_equal(read_signed(&rig, &k, OSD_SEC_CMDRSP), SAM_GOOD);
    signed_keys_below(&rig, OSD_GEN2, RIG_PID, &k);
    assert_int_equal(read_signed(&rig, &k, OSD_SEC_CMDRSP), SAM_GOOD);
    distrust_stored(&rig, 0, false); /* of all: the root key is good for new ones */
    assert_int_not_equal(read_signed(&rig, &k, OSD_SEC_CMDRSP), SAM_GOOD);
    signed_keys_below(&rig, OSD_GEN2, RIG_PID, &k);
    assert_int_equal(read_signed(&rig, &k, OSD_SEC_CMDRSP), SAM_GOOD);
    distrust_stored(&rig, RIG_PID + 1000, true); /* it is gone */
    assert_int_equal(read_signed(&rig, &k, OSD_SEC_CMDRSP), SAM_GOOD);
    assert_int_equal(stored_method(&rig), OSD_SEC_NOSEC);
    distrust_stored(&rig, RIG_PID, true);
    assert_int_equal(stored_method(&rig), OSD_SEC_ALLDATA);
    rig_close(&rig);
}

/* Would catch: a root or master key that was replaced and comes back with what damage left. */
static void test_interpreter_attack__a_root_that_may_be_older_needs_a_new_master_key(
    void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    skip_unless_stored();
    signed_furnish(&rig, &k);
    distrust_closed(&rig, 0, true);
    assert_int_equal(try_open(&rig, NULL), OSD_E_NOT_FOUND);
    rig.dev = NULL;
    rig_close(&rig);
}

/* That some partition asks for a method was noted in settings that are lost; the partition still asks. */
static void test_interpreter_attack__a_lost_note_of_methods_lets_nobody_in(void **state)
{
    const struct store_id id = {RIG_PID, 0};
    const uint8_t method = OSD_SEC_CMDRSP;
    struct store_txn *t;
    struct keys k;
    struct rig rig;

    (void)state;
    skip_unless_stored();
    signed_furnish(&rig, &k);
    assert_int_equal(read_signed(&rig, &k, OSD_SEC_NOSEC), SAM_GOOD);
    assert_int_equal(rig.store->ops->begin(rig.store, id, STORE_EXCLUSIVE, &t), OSD_OK);
    assert_int_equal(rig.store->ops->set_attr(t, id, P5, 1, &method, 1), OSD_OK);
    assert_int_equal(rig.store->ops->commit(t, 0), OSD_OK);
    distrust_stored(&rig, 0, false); /* nothing tells of it but the partition */
    assert_int_not_equal(read_signed(&rig, &k, OSD_SEC_NOSEC), SAM_GOOD);
    rig_close(&rig);
}

/* Without a restart, too: the nonce of one command does for no other. */
static void test_interpreter_attack__a_used_nonce_does_for_no_other_command(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        rig.out_len = 0;
        rig.in_len = 8;
        signed_run(&rig, &r);
        expect_good(&rig);
        r.c.length = 3;
        signed_again(&r, k.working, &k);
        signed_run(&rig, &r);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        struct request w = signed_write(&rig, g, OSD_SEC_CMDRSP, &k);
        memcpy(w.c.sec.nonce, r.c.sec.nonce, OSD_NONCE_LEN);
        signed_again(&w, k.working, &k);
        signed_run(&rig, &w);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        rig.out_len = 0;
        expect_untouched(&rig);
    }
    rig_close(&rig);
}

/* ---- revoked ---- */

/* A credential that was used a moment ago, and is known to the device. */
static void warm_up(struct rig *rig, const struct request *warm, const struct keys *k)
{
    for (int i = 0; i < 2; i++) {
        struct request r = *warm;
        be32_put(r.c.sec.nonce + 6, ++n_nonces);
        signed_again(&r, k->working, k);
        rig->out_len = 0;
        rig->in_len = 4;
        signed_run(rig, &r);
        expect_good(rig);
    }
}

static void once_more(struct rig *rig, const struct request *warm, const struct keys *k)
{
    struct request r = *warm;

    be32_put(r.c.sec.nonce + 6, ++n_nonces);
    signed_again(&r, k->working, k);
    rig->out_len = 0;
    rig->in_len = 4;
    signed_run(rig, &r);
}

/* Each way to revoke is felt by the very next command. */
static void test_interpreter_attack__revocation_is_felt_at_once(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct osd_cdb c = signed_read(g);
        c.cap.policy_tag = 7;
        rig_set_u(&rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, 0x40000001, 7, 4);
        expect_good(&rig);
        struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        warm_up(&rig, &r, &k);
        rig_set_u(&rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, 0x40000001, 8, 4); /* policy tag */
        once_more(&rig, &r, &k);
        expect_cdb(&rig, g == OSD_GEN1 ? 136 : 140);
        rig_set_u(&rig, RIG_PID, RIG_OID, OSD_PG_SECURITY, 0x40000001, 7, 4);
        warm_up(&rig, &r, &k);
        rig_set_u(&rig, RIG_PID, 0, P5, 5, 1u << VERSION, 2); /* frozen */
        once_more(&rig, &r, &k);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_KEY_FROZEN);
        rig_set_u(&rig, RIG_PID, 0, P5, 5, 0, 2);
        warm_up(&rig, &r, &k);
        rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_ALLDATA, 1); /* a stronger method */
        once_more(&rig, &r, &k);
        expect_cdb(&rig, 82);
        rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_NOSEC, 1); /* nor can anybody take it back */
        assert_int_not_equal(rig.r.status, SAM_GOOD);
        rig_close(&rig);
        signed_furnish(&rig, &k);
    }
    rig_close(&rig);
}

/* A working key that is set again ends its credentials, also while others are at work; the
 * partition above it likewise. */
static void test_interpreter_attack__a_new_key_ends_the_old_credentials(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        warm_up(&rig, &r, &k);
        struct request set = signed_set_key(&rig, g, 3, RIG_PID, VERSION,
                                            k.partition[OSD_KEY_AUTHENTICATION], &k);
        memset(set.c.seed, 0x77 + (int)g, OSD_SEED_LEN);
        signed_again(&set, k.partition[OSD_KEY_AUTHENTICATION], &k);
        rig.out_len = rig.in_len = 0;
        signed_run(&rig, &set);
        expect_good(&rig);
        once_more(&rig, &r, &k);
        expect_cdb(&rig, ICV_AT(g));
        uint8_t seed[OSD_SEED_LEN], both[2][OSD_KEY_LEN];
        memset(seed, 0x77 + (int)g, sizeof(seed));
        signed_derive(both, k.partition[OSD_KEY_GENERATION], seed, sizeof(seed));
        memcpy(k.working, both[OSD_KEY_AUTHENTICATION], OSD_KEY_LEN);
        warm_up(&rig, &r, &k);
        struct osd_cdb c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, RIG_PID, 0);
        c.option = 1;
        rig_good(&rig, &c);
        rig_objects(&rig); /* the same ids again, made anew: no key fits */
        once_more(&rig, &r, &k);
        expect_cdb(&rig, 81);
        rig_write(&rig, RIG_OID, 0, "data", 4);
        signed_keys_below(&rig, g, RIG_PID, &k);
    }
    rig_close(&rig);
}

/* ---- under threads ---- */

struct reader {
    struct rig rig; /* buffers of its own on the one device */
    const struct keys *k;
    unsigned id;
    atomic_uint good, refused;
};

/* Reads with the old key until it is refused. */
static void *read_on(void *arg)
{
    struct reader *me = arg;
    struct iovec v = {me->rig.in, 4};

    for (unsigned i = 0; i < 1u << 24 && !me->refused; i++) {
        if (i >= 1u << 16) /* the device remembers 1,048,576 nonces of all readers together */
            usleep(1000);
        struct request r = {.c = signed_read(OSD_GEN2)};
        r.c.cap.method = OSD_SEC_CMDRSP;
        r.c.cap.icv_algorithm = OSD_HMAC_INDEX_SHA1;
        be48_put(r.c.sec.nonce, RIG_NOW);
        be32_put(r.c.sec.nonce + 6, 0x80000000u | i);
        r.c.sec.nonce[10] = (uint8_t)me->id;
        signed_again(&r, me->k->working, me->k);
        struct osd_request q = {.cdb = r.raw, .cdb_len = r.len, .in = osd_iov_make(&v, 1)};
        struct osd_response a;
        osd_device_execute(me->rig.dev, &q, &a);
        me->good += a.status == SAM_GOOD;
        me->refused += a.status != SAM_GOOD;
    }
    return NULL;
}

static void test_interpreter_attack__a_key_changes_while_others_read(void **state)
{
    struct reader readers[4] = {0};
    pthread_t threads[4];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (unsigned i = 0; i < 4; i++) {
        readers[i].rig = rig;
        readers[i].k = &k;
        readers[i].id = i;
        readers[i].rig.in = malloc(4);
        pthread_create(&threads[i], NULL, read_on, &readers[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        while (readers[i].good == 0 && readers[i].refused == 0)
            usleep(1000);
    struct request set = signed_set_key(&rig, OSD_GEN2, 3, RIG_PID, VERSION,
                                        k.partition[OSD_KEY_AUTHENTICATION], &k);
    memset(set.c.seed, 0x77, OSD_SEED_LEN);
    signed_again(&set, k.partition[OSD_KEY_AUTHENTICATION], &k);
    rig.out_len = rig.in_len = 0;
    signed_run(&rig, &set);
    expect_good(&rig);
    struct request old =
        signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.in_len = 4;
    signed_run(&rig,
               &old); /* begun after GOOD: the old key is over, whoever used it just now */
    expect_cdb(&rig, 184);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(readers[i].good > 0);
        assert_int_equal(readers[i].refused, 1);
        free(readers[i].rig.in);
    }
    rig_close(&rig);
}

static int by_sha256(void **state)
{
    (void)state;
    signed_index = OSD_HMAC_INDEX_SHA256;
    return 0;
}

static int by_sha1(void **state)
{
    (void)state;
    signed_index = OSD_HMAC_INDEX_SHA1;
    return 0;
}

#define BY_BOTH(f) cmocka_unit_test(f), cmocka_unit_test_setup_teardown(f, by_sha256, by_sha1)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BY_BOTH(test_interpreter_attack__no_flipped_bit_of_a_cdb_is_executed),
        BY_BOTH(test_interpreter_attack__no_flipped_bit_of_data_out_is_written),
        BY_BOTH(test_interpreter_attack__no_flipped_bit_of_a_continuation_is_executed),
        BY_BOTH(test_interpreter_attack__no_flipped_bit_of_an_attribute_list_is_taken),
        BY_BOTH(test_interpreter_attack__no_flipped_bit_of_a_credential_opens),
        cmocka_unit_test(test_interpreter_attack__a_restart_makes_no_nonce_good_again),
        cmocka_unit_test(test_interpreter_attack__keys_on_the_disk_are_sealed),
        cmocka_unit_test(
            test_interpreter_attack__keys_that_are_not_trusted_any_more_open_nothing),
        cmocka_unit_test(
            test_interpreter_attack__a_root_that_may_be_older_needs_a_new_master_key),
        cmocka_unit_test(test_interpreter_attack__a_lost_note_of_methods_lets_nobody_in),
        cmocka_unit_test(test_interpreter_attack__a_used_nonce_does_for_no_other_command),
        cmocka_unit_test(test_interpreter_attack__revocation_is_felt_at_once),
        cmocka_unit_test(test_interpreter_attack__a_new_key_ends_the_old_credentials),
        cmocka_unit_test(test_interpreter_attack__a_key_changes_while_others_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
