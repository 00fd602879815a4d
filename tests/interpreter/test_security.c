/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_security.c - security methods, keys, nonces
 *
 * The test signs as a client does, with keys it derives itself.
 */
#include <unistd.h>

#include "interpreter/device.h"
#include "interpreter/nonces.h"
#include "interpreter/secure.h"
#include "security/dh.h"
#include "security/icv.h"
#include "signed.h"
#include "wire/twophase.h"

/* ---- requests ---- */

static void test_interpreter_security__signed_requests_pass(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        rig.in_len = 8;
        signed_run(&rig, &r);
        expect_good(&rig);
        assert_memory_equal(rig.in, "data", 4);
        r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        r.raw[g == OSD_GEN1 ? 43 : 39] ^= 1; /* another length */
        signed_run(&rig, &r);
        expect_cdb(&rig, g == OSD_GEN1 ? 160 : 184);
        assert_int_equal(rig.sense.icv_len, 0); /* nobody to sign for */
        assert_int_equal(rig.sense.completed, 0);
        r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        r.raw[129] = 0xff; /* more permissions */
        signed_run(&rig, &r);
        expect_cdb(&rig, g == OSD_GEN1 ? 160 : 184);
        struct osd_cdb c = signed_read(g);
        c.cap.key_version = VERSION + 1;
        r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        signed_run(&rig, &r);
        expect_cdb(&rig, 81);
        r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        r.c.cap.icv_algorithm = 3;
        signed_again(&r, k.working, &k);
        signed_run(&rig, &r);
        expect_cdb(&rig, 81);
    }
    rig_close(&rig);
}

static void test_interpreter_security__capkey_signs_the_token(void **state)
{
    uint8_t inquiry[6] = {0x12, 1, 0xb1, 0, 20, 0}, icv[OSD_KEY_LEN];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        rig.in_len = 20;
        rig_run_raw(&rig, inquiry, 6);
        const struct osd_bytes token = {rig.in + 4, 16};
        struct request r = signed_make(&rig, signed_read(g), OSD_SEC_CAPKEY, k.working, &k);
        assert_int_equal(osd_mac(r.capability_key, &token, 1, icv), OSD_OK);
        osd_icv_put(icv, r.raw + (g == OSD_GEN1 ? 160 : 184), g == OSD_GEN1 ? 20 : 32);
        rig.in_len = 4;
        signed_run(&rig, &r);
        expect_good(&rig);
        signed_run(&rig, &r); /* nonces do not count */
        expect_good(&rig);
        r.raw[g == OSD_GEN1 ? 165 : 190] ^= 1;
        signed_run(&rig, &r);
        expect_cdb(&rig, g == OSD_GEN1 ? 160 : 184);
    }
    rig_close(&rig);
}

static void test_interpreter_security__responses_are_signed(void **state)
{
    struct osd_current_command cc;
    uint8_t icv[OSD_KEY_LEN];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct osd_cdb c = signed_read(g);
        c.attr.get_page = OSD_PAGE_CURRENT;
        c.attr.get_alloc_len = 100;
        c.attr.retrieved_off = 256;
        rig.in_len = 400;
        struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        struct osd_bytes page = {rig.in + 256, rig.r.in_len - 256};
        assert_int_equal(osd_current_command_parse(page, g, &cc), OSD_OK);
        assert_int_equal(osd_response_icv(r.capability_key, r.c.sec.nonce, 0,
                                          (struct osd_bytes){NULL, 0}, icv),
                         OSD_OK);
        assert_memory_equal(cc.response_icv, icv, OSD_KEY_LEN);
        c = signed_read(g);
        c.oid = c.cap.allowed_oid = RIG_OID + 9; /* not there */
        r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        signed_run(&rig, &r);
        expect_cdb(&rig, 24);
        expect_signed(&rig, &r);
        c = signed_read(g);
        c.length = 10; /* past the end */
        r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        signed_run(&rig, &r);
        expect_asc(&rig, SENSE_RECOVERED, ASC_READ_PAST_END);
        expect_signed(&rig, &r);
    }
    rig_close(&rig);
}

/* ---- nonces ---- */

static void test_interpreter_security__a_nonce_is_good_once_and_in_time(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    rig.now += 700000;
    for (BOTH(g)) {
        struct request r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        rig.in_len = 4;
        signed_run(&rig, &r);
        expect_good(&rig);
        signed_run(&rig, &r);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        expect_signed(&rig, &r);
        for (int late = 0; late < 2; late++) {
            be48_put(r.c.sec.nonce, late ? rig.now + 60001 : rig.now - 600001);
            signed_again(&r, k.working, &k);
            signed_run(&rig, &r);
            expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_TIMESTAMP);
            assert_int_equal(rig.sense.command_info, rig.now);
            be48_put(r.c.sec.nonce, late ? rig.now + 60000 : rig.now - 600000);
            r.c.sec.nonce[11] ^= (uint8_t)g;
            signed_again(&r, k.working, &k);
            signed_run(&rig, &r);
            expect_good(&rig);
        }
    }
    rig_set_u(&rig, RIG_PID, 0, P5, 2, 1000, 6); /* a narrower window */
    struct request r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    be48_put(r.c.sec.nonce, rig.now - 1001);
    signed_again(&r, k.working, &k);
    rig.in_len = 4;
    signed_run(&rig, &r);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_TIMESTAMP);
    rig_close(&rig);
}

static struct request four_bytes_more(struct rig *rig, enum osd_gen g, const struct keys *k)
{
    struct osd_cdb c =
        signed_command(OSD_OP_APPEND, g, RIG_PID, RIG_OID, OSD_TYPE_USER, OSD_PERM_APPEND);

    c.cap.key_version = VERSION;
    c.length = rig->out_len = 4;
    rig->in_len = 0;
    return signed_make(rig, c, OSD_SEC_CMDRSP, k->working, k);
}

static void test_interpreter_security__a_repeated_write_is_answered_from_the_record(
    void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    struct request r = four_bytes_more(&rig, OSD_GEN2, &k);
    for (int i = 0; i < 3; i++) {
        signed_run(&rig, &r);
        expect_good(&rig);
        rig.now += 400000; /* the record counts longer than the window */
    }
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, 1, 0x82), 8);
    r.raw[39] = 3; /* not signed */
    rig.out_len = 4;
    rig.in_len = 0;
    signed_run(&rig, &r);
    expect_cdb(&rig, 184);
    rig_close(&rig);
}

/* What the store has of a nonce, and what is to be there instead. */
#define RECORD_LEN 72

static void recall(struct rig *rig, const struct request *r, uint8_t raw[STORE_OUTCOME_MAX])
{
    size_t len;

    assert_int_equal(rig->store->ops->recall(rig->store, r->c.sec.nonce, raw, &len), OSD_OK);
    assert_int_equal(len, RECORD_LEN);
}

static void record(struct rig *rig, const struct request *r, const uint8_t raw[RECORD_LEN])
{
    const struct store_ops *ops = rig->store->ops;
    struct store_txn *t;

    assert_int_equal(
        ops->begin(rig->store, (struct store_id){RIG_PID, RIG_OID}, STORE_EXCLUSIVE, &t),
        OSD_OK);
    assert_int_equal(ops->record(t, r->c.sec.nonce, raw, RECORD_LEN), OSD_OK);
    assert_int_equal(ops->commit(t, 0), OSD_OK);
}

/* Would catch: a repetition that is refused because the store was written when records had digests, or that
 * is carried out again; a record of one kind taken for one of another. */
static void test_interpreter_security__a_repetition_is_known_by_its_value_or_a_digest(
    void **state)
{
    uint8_t raw[STORE_OUTCOME_MAX];
    uint64_t len = 4;
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = four_bytes_more(&rig, g, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        len += 4;
        recall(&rig, &r, raw);
        assert_int_equal(be32_get(raw), 3);
        assert_true(osd_icv_equal(r.raw + (g == OSD_GEN1 ? 160 : 184), raw + 8, 32));
        be32_put(raw, 2);
        assert_int_equal(osd_digest(r.raw, r.len, raw + 8), OSD_OK);
        record(&rig, &r, raw);
        signed_run(&rig, &r);
        expect_good(&rig);
        raw[39] ^= 1; /* of another command */
        for (uint32_t format = 0; format < 5; format++) {
            be32_put(raw, format);
            record(&rig, &r, raw);
            signed_run(&rig, &r);
            expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        }
        assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, 1, 0x82), len);
    }
    rig_close(&rig);
}

/* Would catch: a record answered to who only copied the integrity value of the command it is of, which
 * anybody on the way can read: changed bytes under a method that checks the value, or one that does not. */
static void test_interpreter_security__a_copied_value_gets_nothing_from_the_record(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = four_bytes_more(&rig, g, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        r.raw[10] ^= 0x40; /* an option */
        signed_run(&rig, &r);
        expect_cdb(&rig, g == OSD_GEN1 ? 160 : 184);
        r.raw[10] ^= 0x40;
        r.c.cap.method = OSD_SEC_NOSEC;
        memcpy(r.c.sec.request_icv, r.raw + (g == OSD_GEN1 ? 160 : 184), OSD_KEY_LEN);
        rig_run(&rig, &r.c);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
    }
    assert_int_equal(rig_get_u(&rig, RIG_PID, RIG_OID, 1, 0x82), 12);
    rig_close(&rig);
}

/* A READ that sets an attribute, and so is on record. */
static struct request recorded_read(struct rig *rig, enum osd_gen g, const struct keys *k)
{
    struct osd_cdb c = signed_command(OSD_OP_READ, g, RIG_PID, RIG_OID, OSD_TYPE_USER,
                                      OSD_PERM_READ | OSD_PERM_SET_ATTR);

    c.cap.key_version = VERSION;
    c.length = 4;
    if (g == OSD_GEN2) {
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                          .set_page = 1,
                                          .set_number = 9,
                                          .set_len = 3,
                                          .value = "one"};
        rig->out_len = 0;
    } else {
        c.attr.set_page = 1;
        c.attr.set_number = 9;
        c.attr.set_off = 0;
        c.attr.set_len = rig->out_len = 3;
    }
    rig->in_len = 4;
    return signed_make(rig, c, OSD_SEC_CMDRSP, k->working, k);
}

/* Would catch: a recorded command that somebody overheard, and sends again for as long as its
 * credential is good, to see what the object holds then. */
static void test_interpreter_security__an_old_repetition_shows_nothing_of_today(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        struct request r = recorded_read(&rig, g, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        rig_write(&rig, RIG_OID, 0, "more", 4);
        recorded_read(&rig, g, &k);
        rig.now += 600000;
        signed_run(&rig, &r); /* its answer may have been lost */
        expect_good(&rig);
        assert_memory_equal(rig.in, "more", 4);
        rig.now += 1;
        signed_run(&rig, &r);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        expect_signed(&rig, &r);
        assert_int_equal(rig.r.in_len, 0);
    }
    struct osd_cdb c = signed_command(OSD_OP_APPEND, OSD_GEN2, RIG_PID, RIG_OID, OSD_TYPE_USER,
                                      OSD_PERM_APPEND | OSD_PERM_GET_ATTR);
    c.cap.key_version = VERSION;
    c.length = rig.out_len = 4;
    c.attr.retrieved_off = 0;
    c.attr.get_alloc_len = rig.in_len = 200;
    for (int today = 0; today < 2; today++) {
        c.attr.get_page = today ? OSD_PG_TIMESTAMPS : OSD_PAGE_CURRENT;
        struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        rig.now += 700000;
        rig.in_len = 200;
        signed_run(&rig, &r);
        if (today)
            expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_NONCE_NOT_UNIQUE);
        else
            expect_good(&rig); /* what it did then */
    }
    rig_close(&rig);
}

static void test_interpreter_security__staging_does_not_use_the_nonce_up(void **state)
{
    uint8_t cdb[OSD_TWOPHASE_CDB_LEN];
    struct osd_attr_id want = {1, 0x82};
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    struct osd_cdb c = signed_read(OSD_GEN2);
    size_t list = rig_get_list(&rig, OSD_GEN2, 0, &want, 1);
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)list,
                                      .get_alloc_len = 100,
                                      .retrieved_off = 256,
                                      .set_off = OSD_OFFSET_UNUSED};
    struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    memmove(rig.out + r.len, rig.out, list);
    memcpy(rig.out, r.raw, r.len);
    struct osd_twophase t = {.action = OSD_ACT_STAGE, .length = (uint32_t)(r.len + list)};
    t.tag[0] = 7;
    osd_twophase_encode(&t, cdb);
    rig.out_len = t.length;
    rig.in_len = 0;
    rig_run_raw(&rig, cdb, sizeof(cdb));
    expect_good(&rig);
    t.action = OSD_ACT_COLLECT;
    t.length = rig.in_len = 400;
    osd_twophase_encode(&t, cdb);
    rig.out_len = 0;
    rig_run_raw(&rig, cdb, sizeof(cdb));
    expect_good(&rig);
    assert_memory_equal(rig.in, "data", 4);
    rig_close(&rig);
}

/* What makes way for newer ones is not accepted again, because the window has moved. */
static void test_interpreter_security__forgotten_nonces_stay_refused(void **state)
{
    uint8_t nonce[OSD_NONCE_LEN] = {0};
    struct nonces n;

    (void)state;
    nonces_init(&n, 5);
    assert_int_equal(nonces_floor(&n), 5);
    for (uint32_t i = 0; i < NONCES; i++) {
        be48_put(nonce, 10 + i / 1024);
        be32_put(nonce + 8, i);
        assert_int_equal(nonces_use(&n, nonce), OSD_OK);
    }
    assert_int_equal(nonces_use(&n, nonce), OSD_E_EXISTS);
    assert_int_equal(nonces_floor(&n), 5);
    be32_put(nonce + 8, NONCES);
    assert_int_equal(nonces_use(&n, nonce), OSD_OK);
    assert_int_equal(nonces_floor(&n), 11);
    /* It made way after somebody had asked for the floor and before they used it. */
    be48_put(nonce, 10);
    be32_put(nonce + 8, 0);
    assert_int_equal(nonces_use(&n, nonce), OSD_E_EXISTS);
    nonces_destroy(&n);
}

/* ---- what is asked for at least ---- */

static void test_interpreter_security__a_partition_can_insist(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_CMDRSP, 1);
    expect_good(&rig);
    for (BOTH(g)) {
        struct osd_cdb c = signed_read(g);
        rig.out_len = 0;
        rig.in_len = 4;
        rig_run(&rig, &c);
        expect_cdb(&rig, 82);
        c.cap = (struct osd_capability){0};
        rig_run(&rig, &c);
        expect_cdb(&rig, 80);
        struct request r = signed_make(&rig, signed_read(g), OSD_SEC_CAPKEY, k.working, &k);
        signed_run(&rig, &r);
        expect_cdb(&rig, 82);
        r = signed_make(&rig, signed_read(g), OSD_SEC_CMDRSP, k.working, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
    }
    struct osd_cdb c = signed_read(OSD_GEN2); /* the layout of OSD-1 is for NOSEC only */
    c.cap.format = 1;
    struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 80);
    rig_close(&rig);
}

/* Would catch: a clone that asks for nothing and is refreshed by anybody, with what its source, which
 * asks for proof, holds then. */
static void test_interpreter_security__data_of_a_partition_goes_nowhere_unproven(void **state)
{
    struct osd_cdb refresh =
                       rig_cmd(OSD_OP_REFRESH_SNAPSHOT_OR_CLONE, OSD_GEN2, RIG_PID + 1, 0),
                   restore =
                       rig_cmd(OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT, OSD_GEN2, RIG_PID, 0),
                   make = rig_cmd(OSD_OP_CREATE_CLONE, OSD_GEN2, RIG_PID + 1, 0);
    struct keys k, clone;
    struct request r;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    rig.out_len = rig.in_len = 0;
    make.start = RIG_PID;
    rig_good(&rig, &make);
    clone = k;
    signed_keys_below(&rig, OSD_GEN2, RIG_PID + 1, &clone);
    rig_good(&rig, &refresh); /* both ask for nothing */
    rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_CMDRSP, 1);
    rig.out_len = rig.in_len = 0;
    rig_run(&rig, &refresh);
    expect_cdb(&rig, 80);
    rig_cap(&refresh, OSD_TYPE_PARTITION, OSD_PERM_READ | OSD_PERM_WRITE);
    refresh.cap.key_version = VERSION;
    rig_run(&rig, &refresh);
    expect_cdb(&rig, 82);
    for (int i = 0; i < 2; i++) { /* a credential that is known, too */
        r = signed_make(&rig, refresh, i ? OSD_SEC_CAPKEY : OSD_SEC_CMDRSP, clone.working, &k);
        if (i)
            signed_token(&rig, &r);
        signed_run(&rig, &r);
        if (i)
            expect_cdb(&rig, 82);
        else
            expect_good(&rig);
    }
    rig_close(&rig);

    signed_furnish(&rig, &k);
    rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_NOSEC, 1);
    make = rig_cmd(OSD_OP_CREATE_SNAPSHOT, OSD_GEN2, RIG_PID + 1, 0);
    make.start = RIG_PID;
    restore.start = RIG_PID + 1;
    rig.out_len = rig.in_len = 0;
    rig_good(&rig, &make);
    rig_good(&rig, &restore);
    const uint8_t method =
        OSD_SEC_CMDRSP; /* as if it had been made when its source asked for it */
    struct store_txn *t;
    const struct store_id id = {RIG_PID + 1, 0};
    assert_int_equal(rig.store->ops->begin(rig.store, id, STORE_EXCLUSIVE, &t), OSD_OK);
    assert_int_equal(rig.store->ops->set_attr(t, id, P5, 1, &method, 1), OSD_OK);
    assert_int_equal(rig.store->ops->commit(t, 0), OSD_OK);
    assert_int_equal(device_note_secured(rig.dev), OSD_OK);
    rig_run(&rig, &restore);
    expect_cdb(&rig, 80);
    rig_close(&rig);
}

static void test_interpreter_security__a_device_can_insist_from_birth(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_open(&rig, OSD_SEC_CMDRSP, &k);
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, g, RIG_PID + g, 0);
        rig_run(&rig, &c);
        expect_cdb(&rig, 80);
        c = signed_command(OSD_OP_CREATE_PARTITION, g, RIG_PID + g, 0, OSD_TYPE_PARTITION,
                           OSD_PERM_CREATE);
        rig_run(&rig, &c);
        expect_cdb(&rig, 82);
    }
    /* INQUIRY tells what the system id is made of; here it is taken from the device page */
    uint8_t inquiry[6] = {0x12, 1, 0x83, 0, 255, 0};
    rig.in_len = 255;
    rig_run_raw(&rig, inquiry, 6);
    size_t at = 4; /* the NAA designator */
    while (rig.in[at + 1] != 0x03)
        at += 4u + rig.in[at + 3];
    memcpy(k.system_id, rig.in + at, 12);
    signed_keys(&rig, OSD_GEN1, 0, &k); /* partition zero */
    struct osd_cdb c = signed_command(OSD_OP_CREATE_PARTITION, OSD_GEN2, RIG_PID, 0,
                                      OSD_TYPE_PARTITION, OSD_PERM_CREATE);
    c.cap.key_version = VERSION;
    struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    rig.in_len = 0;
    signed_run(&rig, &r);
    expect_good(&rig);
    c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, RIG_PID, RIG_OID); /* inherited */
    rig_run(&rig, &c);
    expect_cdb(&rig, 80);
    c = signed_command(OSD_OP_FORMAT_OSD, OSD_GEN2, 0, 0, OSD_TYPE_ROOT,
                       OSD_PERM_OBJ_MGMT | OSD_PERM_GLOBAL);
    c.cap.key_version = VERSION;
    r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k); /* the keys are still there */
    signed_run(&rig, &r);
    expect_good(&rig);
    c.cap.method = OSD_SEC_NOSEC; /* and so is the demand */
    rig_run(&rig, &c);
    expect_cdb(&rig, 82);
    rig_close(&rig);
}

/* ---- ALLDATA ---- */

static void test_interpreter_security__data_both_ways_is_signed(void **state)
{
    uint8_t icv[OSD_KEY_LEN];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (BOTH(g)) {
        size_t field = g == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
        struct osd_cdb c =
            signed_command(OSD_OP_WRITE, g, RIG_PID, RIG_OID, OSD_TYPE_USER, OSD_PERM_WRITE);
        c.cap.key_version = VERSION;
        c.length = 5;
        c.sec.data_out_icv_off = 256;
        struct request r = signed_make(&rig, c, OSD_SEC_ALLDATA, k.working, &k);
        memset(rig.out, 0, 400);
        memcpy(rig.out, "bytes", 5);
        be64_put(rig.out + 256, 5);
        const struct osd_bytes pieces[] = {{rig.out, 5}, {rig.out + 256, 24}};
        assert_int_equal(osd_mac(r.capability_key, pieces, 2, icv), OSD_OK);
        osd_icv_put(icv, rig.out + 256 + 24, field);
        rig.out_len = 256 + 24 + field;
        rig.in_len = 0;
        signed_run(&rig, &r);
        expect_good(&rig);
        static const size_t bad[] = {0, 256 + 7, 256 + 15, 256 + 24};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            r = signed_make(&rig, c, OSD_SEC_ALLDATA, k.working, &k);
            rig.out[bad[i]] ^= 1;
            signed_run(&rig, &r);
            expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_DATA_OUT_ICV);
            expect_signed(&rig, &r);
            rig.out[bad[i]] ^= 1;
        }
        c.sec.data_out_icv_off = OSD_OFFSET_UNUSED;
        r = signed_make(&rig, c, OSD_SEC_ALLDATA, k.working, &k);
        signed_run(&rig, &r);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_DATA_OUT_ICV);
        /* and back */
        c = signed_read(g);
        c.length = 5;
        c.sec.data_in_icv_off = 256;
        r = signed_make(&rig, c, OSD_SEC_ALLDATA, k.working, &k);
        rig.out_len = 0;
        rig.in_len = 400;
        signed_run(&rig, &r);
        expect_good(&rig);
        assert_int_equal(rig.r.in_len, 256 + 16 + field);
        assert_int_equal(be64_get(rig.in + 256), 5);
        assert_int_equal(be64_get(rig.in + 264), 0);
        const struct osd_bytes in[] = {{rig.in, 5}, {rig.in + 256, 16}};
        assert_int_equal(osd_mac(r.capability_key, in, 2, icv), OSD_OK);
        assert_true(osd_icv_equal(icv, rig.in + 256 + 16, field));
        assert_memory_equal(rig.in, "bytes", 5);
    }
    rig_close(&rig);
}

static void test_interpreter_security__continuations_are_signed(void **state)
{
    uint8_t icv[OSD_KEY_LEN];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    struct osd_cdb c = signed_read(OSD_GEN2);
    c.cont_len = rig.out_len = 64;
    rig.in_len = 4;
    memset(rig.out, 0, 64);
    rig.out[0] = 1;
    be16_put(rig.out + 2, 0x8885);
    rig.out[41] = 1;
    be32_put(rig.out + 44, 16);
    be64_put(rig.out + 56, 4);
    struct request r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 48);
    assert_int_equal(
        osd_continuation_icv(r.capability_key, (struct osd_bytes){rig.out, 64}, icv), OSD_OK);
    osd_icv_put(icv, rig.out + 8, OSD_ICV2_LEN);
    r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    rig_close(&rig);
}

/* A copy into RIG_PID + 1, which has keys of its own, of an object of RIG_PID; its continuation segment
 * is in the rig's Data-Out. */
enum { COPY_SOURCE_AT = 40, COPY_CAPABILITY_AT = 72, COPY_SEGMENT = 184 };

struct copying {
    struct keys k, other; /* of RIG_PID, of RIG_PID + 1 */
    struct osd_cdb c;
    struct osd_capability from;
};

static void put_source(struct rig *rig, const struct copying *p)
{
    memset(rig->out, 0, COPY_SEGMENT);
    rig->out[0] = 1;
    be16_put(rig->out + 2, 0x8893);
    be16_put(rig->out + COPY_SOURCE_AT, 0x0101);
    rig->out[COPY_SOURCE_AT + 3] = 4;
    be32_put(rig->out + COPY_SOURCE_AT + 4, 20);
    be64_put(rig->out + COPY_SOURCE_AT + 8, RIG_PID);
    be64_put(rig->out + COPY_SOURCE_AT + 16, RIG_OID);
    be16_put(rig->out + COPY_CAPABILITY_AT, 0xffee);
    be32_put(rig->out + COPY_CAPABILITY_AT + 4, OSD2_CAPABILITY_LEN);
    osd_capability_encode(&p->from, OSD_GEN2, rig->out + COPY_CAPABILITY_AT + 8);
    rig->out_len = COPY_SEGMENT;
    rig->in_len = 0;
}

static void furnish_copying(struct rig *rig, struct copying *p)
{
    signed_furnish(rig, &p->k);
    rig_partition(rig, RIG_PID + 1);
    p->other = p->k;
    signed_keys_below(rig, OSD_GEN2, RIG_PID + 1, &p->other);
    p->c = signed_command(OSD_OP_COPY_USER_OBJECTS, OSD_GEN2, RIG_PID + 1, RIG_OID,
                          OSD_TYPE_USER, OSD_PERM_CREATE | OSD_PERM_WRITE);
    p->c.cap.key_version = VERSION;
    p->c.cont_len = COPY_SEGMENT;
    p->from = signed_read(OSD_GEN2).cap;
    p->from.method = OSD_SEC_CMDRSP;
}

/* The value of the segment: by the request's key alone, or chained through a key for the source. */
static void seal_copy(struct rig *rig, const struct copying *p, const struct request *r,
                      const uint8_t *source_key)
{
    const struct osd_bytes segment = {rig->out, COPY_SEGMENT};
    const struct osd_bytes before = {r->capability_key, OSD_KEY_LEN};
    const struct osd_bytes cap = {rig->out + COPY_CAPABILITY_AT + 8, OSD2_CAPABILITY_LEN};
    uint8_t icv[OSD_KEY_LEN], key[OSD_KEY_LEN], own[OSD_KEY_LEN];

    memcpy(key, r->capability_key, sizeof(key));
    if (source_key) {
        assert_int_equal(osd_capability_key(source_key, cap, p->k.system_id, own), OSD_OK);
        assert_int_equal(osd_mac(own, &before, 1, key), OSD_OK);
    }
    assert_int_equal(osd_continuation_icv(key, segment, icv), OSD_OK);
    osd_icv_put(icv, rig->out + 8, OSD_ICV2_LEN);
}

/* The source of a copy lies in a partition of its own keys: only who holds a credential for it
 * can sign the continuation segment. */
static void test_interpreter_security__further_capabilities_are_proven(void **state)
{
    struct copying p;
    struct request r;
    struct rig rig;

    (void)state;
    furnish_copying(&rig, &p);
    rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_CAPKEY, 1);
    put_source(&rig, &p);
    rig_run(&rig, &p.c); /* no proof at all, though the target's partition asks for none */
    expect_cdb(&rig, 82);
    r = signed_make(&rig, p.c, OSD_SEC_CMDRSP, p.other.working, &p.k);
    seal_copy(&rig, &p, &r, NULL);
    signed_run(&rig, &r);
    expect_cdb(&rig, 48);
    r = signed_make(&rig, p.c, OSD_SEC_CMDRSP, p.other.working, &p.k);
    seal_copy(&rig, &p, &r,
              p.other.working); /* by who has the keys of the other partition only */
    signed_run(&rig, &r);
    expect_cdb(&rig, 48);
    r = signed_make(&rig, p.c, OSD_SEC_CMDRSP, p.other.working, &p.k);
    seal_copy(&rig, &p, &r, p.k.working);
    signed_run(&rig, &r);
    expect_good(&rig);
    rig_close(&rig);
}

/* A copy to another id, with a good proof of the capability for its source. */
static void copy_with(struct rig *rig, struct copying *p, const struct osd_capability *from)
{
    struct copying q = *p;
    struct request r;

    q.c.oid = q.c.cap.allowed_oid = ++p->c.oid;
    q.from = *from;
    put_source(rig, &q);
    r = signed_make(rig, q.c, OSD_SEC_CMDRSP, q.other.working, &q.k);
    seal_copy(rig, &q, &r, q.k.working);
    signed_run(rig, &r);
}

/* What ends a credential ends it for a second object, too. */
static void test_interpreter_security__further_capabilities_end_like_others(void **state)
{
    uint8_t frozen[OSD_AUDIT_LEN];
    struct osd_capability from;
    struct copying p;
    struct rig rig;

    (void)state;
    furnish_copying(&rig, &p);
    memset(frozen, 0x22, sizeof(frozen));
    memset(p.from.audit, 0x22, sizeof(frozen));
    copy_with(&rig, &p, &p.from);
    expect_good(&rig);

    from = p.from;
    from.method = OSD_SEC_ALLDATA; /* the request has not so much */
    copy_with(&rig, &p, &from);
    expect_cdb(&rig, 48);
    from = p.from;
    from.expiration = 1;
    copy_with(&rig, &p, &from);
    expect_cdb(&rig, 48);
    from = p.from;
    from.created = 1;
    copy_with(&rig, &p, &from);
    expect_cdb(&rig, 48);
    from = p.from;
    from.policy_tag = 1;
    copy_with(&rig, &p, &from);
    expect_cdb(&rig, 48);
    from = p.from;
    from.boot_epoch = (uint16_t)(rig.dev->boot_epoch + 1);
    copy_with(&rig, &p, &from);
    expect_cdb(&rig, 48);

    rig_set(&rig, OSD_GEN2, RIG_PID, 0, P5, FROZEN_AUDITS, frozen, sizeof(frozen));
    expect_good(&rig);
    copy_with(&rig, &p, &p.from);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_AUDIT_FROZEN);
    rig_set(&rig, OSD_GEN2, RIG_PID, 0, P5, FROZEN_AUDITS, frozen, 0);
    rig_set_u(&rig, RIG_PID, 0, P5, 5, 1u << VERSION, 2);
    expect_good(&rig);
    copy_with(&rig, &p, &p.from);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_KEY_FROZEN);
    rig_set_u(&rig, RIG_PID, 0, P5, 5, 0, 2);
    copy_with(&rig, &p, &p.from);
    expect_good(&rig);
    rig_close(&rig);
}

/* Who has the keys of a partition may do what lies in it, but neither remove nor make partitions. */
static void test_interpreter_security__partitions_come_and_go_by_keys_of_the_device(
    void **state)
{
    static const struct {
        enum osd_op op;
        uint64_t pid;
        uint16_t perms;
    } cases[] = {{OSD_OP_REMOVE_PARTITION, RIG_PID, OSD_PERM_REMOVE},
                 {OSD_OP_CREATE_PARTITION, RIG_PID, OSD_PERM_CREATE}};
    struct request r;
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct osd_cdb c = signed_command(cases[i].op, OSD_GEN2, cases[i].pid, 0,
                                          OSD_TYPE_PARTITION, cases[i].perms);
        c.cap.key_version = VERSION;
        c.option = 1; /* with what is in it */
        c.cap.permissions |= OSD_PERM_GBL_REM;
        r = signed_make(&rig, c, OSD_SEC_CMDRSP, k.working, &k);
        rig.out_len = rig.in_len = 0;
        signed_run(&rig, &r);
        expect_cdb(&rig, 81); /* the device has no such key */
    }
    r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.in_len = 4;
    signed_run(&rig, &r);
    expect_good(&rig);
    rig_close(&rig);
}

/* ---- SET KEY ---- */

static void test_interpreter_security__keys_have_their_consequences(void **state)
{
    struct keys k;
    struct rig rig;
    uint8_t raw[64];

    (void)state;
    signed_furnish(&rig, &k);
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, 0x7ffe, raw), 7);
    assert_memory_equal(raw, "key-id1", 7);
    assert_int_equal(rig_get(&rig, OSD_GEN1, RIG_PID, 0, P5, 0x7fff, raw), 7);
    assert_int_equal(rig_get(&rig, OSD_GEN1, RIG_PID, 0, P5, 0x8000 + VERSION, raw), 7);
    assert_memory_equal(raw, "key-id3", 7);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x8000, raw), -1);
    /* freezing */
    rig_set_u(&rig, RIG_PID, 0, P5, 5, 1u << VERSION, 2);
    struct request r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.out_len = 0;
    rig.in_len = 4;
    signed_run(&rig, &r);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_KEY_FROZEN);
    r = signed_set_key(&rig, OSD_GEN2, 3, RIG_PID, VERSION, k.partition[OSD_KEY_AUTHENTICATION],
                       &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    assert_int_equal(rig_get_u(&rig, RIG_PID, 0, P5, 5), 0);
    /* a partition key ends its working keys, a root key all of both */
    r = signed_set_key(&rig, OSD_GEN1, 2, RIG_PID, 0, k.root[OSD_KEY_AUTHENTICATION], &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x8000 + VERSION, raw), -1);
    r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.out_len = 0;
    rig.in_len = 4;
    signed_run(&rig, &r);
    expect_cdb(&rig, 81);
    r = signed_set_key(&rig, OSD_GEN1, 1, 0, 0, k.master[OSD_KEY_AUTHENTICATION], &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x7fff, raw), -1);
    r = signed_set_key(&rig, OSD_GEN2, 3, RIG_PID, 0, k.partition[OSD_KEY_AUTHENTICATION], &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 81);
    rig_close(&rig);
}

/* Set a working key whose identifier says its version. */
static void name_key(struct rig *rig, uint8_t version, struct keys *k)
{
    struct request r = signed_set_key(rig, OSD_GEN2, 3, RIG_PID, version,
                                      k->partition[OSD_KEY_AUTHENTICATION], k);

    r.c.key_id[6] = (uint8_t)('a' + version);
    signed_again(&r, k->partition[OSD_KEY_AUTHENTICATION], k);
    rig->out_len = rig->in_len = 0;
    signed_run(rig, &r);
    expect_good(rig);
}

static void get_security_page(struct rig *rig, enum osd_gen g, uint64_t pid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, g, pid, 0);

    c.attr.get_page = pid ? P5 : R5;
    c.attr.get_alloc_len = 256;
    c.attr.retrieved_off = 0;
    rig->out_len = 0;
    rig->in_len = 256;
    rig_run(rig, &c);
    expect_good(rig);
}

/* Would catch: a manager that takes one key's place for another's. */
static void test_interpreter_security__pages_say_which_keys_there_are(void **state)
{
    static const uint8_t versions[] = {0, 7, 8, 15}; /* and VERSION */
    struct keys k;
    struct rig rig;
    uint8_t want[3 + 7 * 17] = {1, 0x89, 0x81}, raw[64];

    (void)state;
    signed_furnish(&rig, &k);
    for (size_t i = 0; i < sizeof(versions); i++)
        name_key(&rig, versions[i], &k);
    name_key(&rig, VERSION, &k);
    memcpy(want + 3, "key-id2", 7);
    for (uint8_t v = 0; v < 16; v++)
        if (v == VERSION || memchr(versions, v, sizeof(versions))) {
            memcpy(want + 10 + 7 * v, "key-id", 6);
            want[16 + 7 * v] = (uint8_t)('a' + v);
        }
    for (BOTH(g)) {
        get_security_page(&rig, g, RIG_PID);
        assert_memory_equal(rig.in + (g == OSD_GEN1 ? 28 : 36), want, sizeof(want));
        get_security_page(&rig, g, 0);
        assert_int_equal(rig.in[24], 3);
        assert_memory_equal(rig.in + 32, "key-id1", 7);
    }
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, 0xa, raw), 2); /* boot epoch */
    rig_close(&rig);
    rig_open(&rig); /* without keys */
    get_security_page(&rig, OSD_GEN2, 0);
    assert_int_equal(rig.in[24], 0);
    rig_close(&rig);
}

/* Would catch: a credential never seen before that rests on what was known of its working key
 * before the change. */
static void test_interpreter_security__new_credentials_of_a_known_key_follow_every_change(
    void **state)
{
    struct keys k;
    struct rig rig;
    struct osd_cdb c = signed_read(OSD_GEN2);
    struct request r;

    (void)state;
    signed_furnish(&rig, &k);
    for (uint8_t step = 0; step < 5; step++) {
        if (step == 1 || step == 2)
            rig_set_u(&rig, RIG_PID, 0, P5, 5, step == 1 ? 1u << VERSION : 0, 2);
        if (step == 3)
            rig_set_u(&rig, RIG_PID, 0, P5, 1, OSD_SEC_ALLDATA, 1);
        if (step == 4) {
            r = signed_set_key(&rig, OSD_GEN2, 2, RIG_PID, 0, k.root[OSD_KEY_AUTHENTICATION],
                               &k);
            r.c.cap.method = OSD_SEC_ALLDATA;
            signed_again(&r, k.root[OSD_KEY_AUTHENTICATION], &k);
            signed_run(&rig, &r);
            expect_good(&rig);
        }
        c.cap.discriminator[0] = step; /* another credential each time */
        r = signed_make(&rig, c, step == 4 ? OSD_SEC_ALLDATA : OSD_SEC_CMDRSP, k.working, &k);
        rig.out_len = 0;
        rig.in_len = 4;
        signed_run(&rig, &r);
        switch (step) {
        case 1:
            expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_KEY_FROZEN);
            break;
        case 3:
            expect_cdb(&rig, 82);
            break;
        case 4:
            expect_cdb(&rig, 81);
            break;
        default:
            expect_good(&rig);
        }
    }
    rig_close(&rig);
}

/* A capability says by its audit value what it was made for; all of one value end at once. */
static void test_interpreter_security__a_frozen_audit_value_ends_its_capabilities(void **state)
{
    uint8_t frozen[2 * OSD_AUDIT_LEN];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    memset(frozen, 0x11, OSD_AUDIT_LEN);
    memset(frozen + OSD_AUDIT_LEN, 0x22, OSD_AUDIT_LEN);
    for (BOTH(g)) {
        struct osd_cdb c = signed_read(g);
        memset(c.cap.audit, 0x22, OSD_AUDIT_LEN);
        for (uint8_t method = OSD_SEC_CAPKEY; method <= OSD_SEC_ALLDATA; method++) {
            struct osd_cdb other = c;
            struct request r;
            other.cap.audit[OSD_AUDIT_LEN - 1]++;
            rig_set(&rig, g, RIG_PID, 0, P5, FROZEN_AUDITS, frozen, sizeof(frozen));
            expect_good(&rig);
            for (int i = 0; i < 3; i++) { /* frozen, another one, thawed */
                if (i == 2)
                    rig_set(&rig, g, RIG_PID, 0, P5, FROZEN_AUDITS, frozen, OSD_AUDIT_LEN);
                r = signed_make(&rig, i == 1 ? other : c, method, k.working, &k);
                if (method == OSD_SEC_CAPKEY)
                    signed_token(&rig, &r);
                rig.out_len = 0;
                rig.in_len = 4;
                signed_run(&rig, &r);
                if (i > 0) {
                    expect_good(&rig);
                    continue;
                }
                expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_AUDIT_FROZEN);
                if (method >= OSD_SEC_CMDRSP)
                    expect_signed(&rig, &r);
            }
        }
    }
    rig_set(&rig, OSD_GEN2, RIG_PID, 0, P5, FROZEN_AUDITS, frozen, 30);
    expect_param(&rig, 8);
    rig_close(&rig);
}

/* What says or changes something of the device goes through PERFORM SCSI COMMAND, which needs a
 * capability, once the root asks for one; what finds the device does not. */
static void test_interpreter_security__spc_commands_need_a_credential_too(void **state)
{
    static const struct {
        uint8_t cdb[12];
        bool to_all;
    } commands[] = {
        {{SPC_TEST_UNIT_READY}, true},
        {{SPC_REQUEST_SENSE, 0, 0, 0, 96}, true},
        {{SPC_INQUIRY, 0, 0, 0, 96}, true},
        {{SPC_REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 96}, true},
        {{SPC_MODE_SENSE10, 0, 0x3f, 0, 0, 0, 0, 0, 96}, false},
        {{SPC_LOG_SENSE, 0, 0x40, 0, 0, 0, 0, 0, 96}, false},
        {{SPC_START_STOP_UNIT, 0, 0, 0, 1}, false},
        {{SPC_MAINTENANCE_IN, SPC_MI_SUPPORTED_TMF, 0, 0, 0, 0, 0, 0, 0, 96}, false}};
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    for (int asks = 0; asks < 3; asks++) { /* as furnished, by attribute, that taken back */
        if (asks > 0)
            rig_set_u(&rig, 0, 0, R5, 1, asks == 1 ? OSD_SEC_CMDRSP : OSD_SEC_NOSEC, 1);
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
            rig.out_len = 0;
            rig.in_len = 96;
            rig_run_raw(&rig, commands[i].cdb, sizeof(commands[i].cdb));
            if (asks != 1 || commands[i].to_all)
                expect_good(&rig);
            else
                expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
        }
        if (asks == 1) { /* the method was set behind a capability, and is taken back so */
            const struct store_id root = {0, 0};
            struct store_txn *t;
            assert_int_equal(rig.store->ops->begin(rig.store, root, STORE_EXCLUSIVE, &t),
                             OSD_OK);
            assert_int_equal(rig.store->ops->set_attr(t, root, R5, 1, "", 1), OSD_OK);
            assert_int_equal(rig.store->ops->commit(t, 0), OSD_OK);
            trusted_expire(&rig.dev->trusted);
        }
    }
    rig_close(&rig);
}

/* Would catch: a FORMAT OSD that locks its owner out, or leaves keys to the next partition. */
static void test_interpreter_security__format_keeps_the_keys_of_the_device(void **state)
{
    struct keys k;
    struct rig rig;
    uint8_t raw[64];

    (void)state;
    signed_furnish(&rig, &k);
    struct osd_cdb c = rig_cmd(OSD_OP_FORMAT_OSD, OSD_GEN2, 0, 0);
    rig.out_len = rig.in_len = 0;
    rig_good(&rig, &c);
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, 0x7ffe, raw), 7);
    assert_memory_equal(raw, "key-id1", 7);
    rig_partition(&rig, RIG_PID);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x7fff, raw), -1);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x8000 + VERSION, raw), -1);
    struct request r =
        signed_set_key(&rig, OSD_GEN2, 2, RIG_PID, 0, k.root[OSD_KEY_AUTHENTICATION], &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    rig_close(&rig);
}

static void test_interpreter_security__set_key_checks_its_fields(void **state)
{
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    const struct {
        uint8_t which, version;
        uint64_t pid;
        const uint8_t *secret;
        uint16_t field;
    } cases[] = {
        {0, 0, RIG_PID, k.master[OSD_KEY_AUTHENTICATION], 11},
        {1, 0, RIG_PID, k.master[OSD_KEY_AUTHENTICATION], 16}, /* a root key of a partition */
        {2, 1, RIG_PID, k.root[OSD_KEY_AUTHENTICATION], 24},
        {3, 16, RIG_PID, k.partition[OSD_KEY_AUTHENTICATION], 24},
        {3, 1, RIG_PID + 1, k.partition[OSD_KEY_AUTHENTICATION], 81}, /* no such partition */
        {3, 1, 0, k.partition[OSD_KEY_AUTHENTICATION], 81},      /* partition zero has no key */
        {2, 0, RIG_PID, k.partition[OSD_KEY_AUTHENTICATION], 0}, /* not the key for this */
        {3, 1, RIG_PID, k.working, 0},
        {1, 0, 0, k.root[OSD_KEY_AUTHENTICATION], 0},
    };
    for (BOTH(g))
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct request r = signed_set_key(&rig, g, cases[i].which, cases[i].pid,
                                              cases[i].version, cases[i].secret, &k);
            rig.out_len = rig.in_len = 0;
            signed_run(&rig, &r);
            expect_cdb(&rig, cases[i].field ? cases[i].field : g == OSD_GEN1 ? 160 : 184);
        }
    /* once there are keys, nobody changes them without one */
    for (BOTH(g)) {
        struct osd_cdb c = rig_cmd(OSD_OP_SET_KEY, g, RIG_PID, 0);
        c.option = 2;
        rig_run(&rig, &c);
        expect_cdb(&rig, 80);
        rig_cap(&c, OSD_TYPE_PARTITION, OSD_PERM_DEV_MGMT | OSD_PERM_POL_SEC);
        rig_run(&rig, &c);
        expect_cdb(&rig, 82);
    }
    rig_close(&rig);
}

/* Keys are nobody's to read, and do not outlive their partition. */
static void test_interpreter_security__keys_stay_inside(void **state)
{
    uint8_t raw[64];
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    rig_set_u(&rig, RIG_PID, 0, 0xcf000000, 1, 1, 1);
    expect_param(&rig, 8);
    struct osd_attr_id want = {OSD_PAGE_ALL, OSD_ATTR_ALL};
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, OSD_GEN2, RIG_PID, 0);
    rig.out_len = rig_get_list(&rig, OSD_GEN2, 0, &want, 1);
    rig.in_len = 8192;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)rig.out_len,
                                      .get_alloc_len = 8192,
                                      .set_off = OSD_OFFSET_UNUSED};
    rig_run(&rig, &c);
    expect_good(&rig);
    assert_null(memmem(rig.in, rig.r.in_len, k.working, OSD_KEY_LEN));
    c = rig_cmd(OSD_OP_REMOVE_PARTITION, OSD_GEN2, RIG_PID, 0);
    c.option = 1;
    rig_good(&rig, &c);
    rig_partition(&rig, RIG_PID);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x7fff, raw), -1);
    rig_close(&rig);
}

/* ---- SET MASTER KEY ---- */

static struct request master_step(struct rig *rig, uint8_t step, uint32_t len,
                                  const struct keys *k)
{
    struct osd_cdb c = signed_command(OSD_OP_SET_MASTER_KEY, OSD_GEN2, 0, 0, OSD_TYPE_ROOT,
                                      OSD_PERM_DEV_MGMT | OSD_PERM_POL_SEC | OSD_PERM_GLOBAL);

    c.option = step;
    c.dh_group = OSD_DH_1024;
    memcpy(c.key_id, "master2", 7);
    c.param_len = len;
    c.alloc_len = step ? 0 : 132;
    rig->out_len = len;
    rig->in_len = step ? 0 : 132;
    return signed_make(rig, c, OSD_SEC_CMDRSP, k->master[OSD_KEY_AUTHENTICATION], k);
}

static void test_interpreter_security__the_master_key_changes_hands(void **state)
{
    uint8_t x[OSD_DH_MAX], mine[OSD_DH_MAX], theirs[OSD_DH_MAX], shared[OSD_DH_MAX], raw[64];
    struct request r;
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    assert_int_equal(osd_dh_make(OSD_DH_1024, x, mine), OSD_OK);
    r = master_step(&rig, 1, 2 * 132, &k); /* before step 0 */
    signed_run(&rig, &r);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_SEQUENCE_ERROR);
    memcpy(rig.out, mine, 128);
    r = master_step(&rig, 0, 127, &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 32);
    r = master_step(&rig, 0, 128, &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    assert_int_equal(rig.r.in_len, 132);
    assert_int_equal(be32_get(rig.in), 128);
    memcpy(theirs, rig.in + 4, 128);
    be32_put(rig.out, 128);
    memcpy(rig.out + 4, mine, 128);
    be32_put(rig.out + 132, 128);
    memcpy(rig.out + 136, theirs, 128);
    rig.out[10] ^= 1;
    r = master_step(&rig, 1, 264, &k);
    signed_run(&rig, &r);
    expect_param(&rig, 4);
    rig.out[10] ^= 1;
    rig.out[263] ^= 1;
    r = master_step(&rig, 1, 264, &k);
    signed_run(&rig, &r);
    expect_param(&rig, 136);
    rig.out[263] ^= 1;
    r = master_step(&rig, 1, 264, &k);
    r.c.key_id[0] ^= 1;
    signed_again(&r, k.master[OSD_KEY_AUTHENTICATION], &k);
    be32_put(r.c.sec.nonce + 6, ++n_nonces);
    signed_run(&rig, &r);
    expect_cdb(&rig, 25);
    r = master_step(&rig, 1, 264, &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    /* the same key on this side; what hung on the old one is gone */
    assert_int_equal(osd_dh_shared(OSD_DH_1024, x, theirs, shared), OSD_OK);
    uint8_t old[OSD_KEY_LEN];
    memcpy(old, k.master[OSD_KEY_GENERATION], OSD_KEY_LEN);
    signed_derive(k.master, old, shared, 128);
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, 0x7ffd, raw), 7);
    assert_memory_equal(raw, "master2", 7);
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, 0x7ffe, raw), -1);
    assert_int_equal(rig_get(&rig, OSD_GEN2, RIG_PID, 0, P5, 0x7fff, raw), -1);
    signed_keys(&rig, OSD_GEN2, RIG_PID, &k);
    r = signed_make(&rig, signed_read(OSD_GEN2), OSD_SEC_CMDRSP, k.working, &k);
    rig.in_len = 4;
    rig.out_len = 0;
    signed_run(&rig, &r);
    expect_good(&rig);
    r = master_step(&rig, 2, 0, &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 11);
    r = master_step(&rig, 0, 128, &k);
    r.c.dh_group = 3;
    signed_again(&r, k.master[OSD_KEY_AUTHENTICATION], &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 24);
    struct osd_cdb c = rig_cmd(OSD_OP_SET_MASTER_KEY, OSD_GEN1, 0, 0);
    rig_run(&rig, &c); /* once there are keys nobody changes them without one */
    expect_cdb(&rig, 80);
    rig_cap(&c, OSD_TYPE_ROOT, OSD_PERM_DEV_MGMT | OSD_PERM_POL_SEC);
    rig_run(&rig, &c);
    expect_cdb(&rig, 82);
    rig_close(&rig);
}

static bool is_wiped(struct exchange *x)
{
    uint8_t bits = 0;

    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < sizeof(x->secret); i++)
        bits |= x->secret[i];
    pthread_mutex_unlock(&x->lock);
    return bits == 0;
}

static struct request step_of(struct rig *rig, int step, uint8_t group, uint32_t len,
                              const struct keys *k)
{
    struct request r = master_step(rig, (uint8_t)step, len, k);

    r.c.dh_group = group;
    r.c.alloc_len = step ? 0 : 4 + len;
    rig->in_len = r.c.alloc_len;
    signed_again(&r, k->master[OSD_KEY_AUTHENTICATION], k);
    return r;
}

/* The group of 1024 bits is refused and not listed where it is not allowed; that of 2048 bits sets a
 * key, once. */
static void test_interpreter_security__the_weak_group_needs_leave(void **state)
{
    enum { WEAK = 0x80000011, STRONG_LEN = 256, PARAMS = 2 * (4 + STRONG_LEN) };
    uint8_t x[OSD_DH_MAX], mine[OSD_DH_MAX], theirs[OSD_DH_MAX], shared[OSD_DH_MAX], raw[64];
    uint8_t old[OSD_KEY_LEN];
    struct request r;
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, WEAK, raw), 1);
    assert_int_equal(raw[0], OSD_DH_1024);
    rig.dev->weak_groups = false;
    assert_int_equal(rig_get(&rig, OSD_GEN2, 0, 0, R5, WEAK, raw), 1);
    assert_int_equal(raw[0], 0);
    assert_int_equal(osd_dh_make(OSD_DH_1024, x, rig.out), OSD_OK);
    r = step_of(&rig, 0, OSD_DH_1024, 128, &k);
    signed_run(&rig, &r);
    expect_cdb(&rig, 24);

    assert_int_equal(osd_dh_make(OSD_DH_2048, x, mine), OSD_OK);
    memcpy(rig.out, mine, STRONG_LEN);
    r = step_of(&rig, 0, OSD_DH_2048, STRONG_LEN, &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    assert_int_equal(be32_get(rig.in), STRONG_LEN);
    memcpy(theirs, rig.in + 4, STRONG_LEN);
    be32_put(rig.out, STRONG_LEN);
    memcpy(rig.out + 4, mine, STRONG_LEN);
    be32_put(rig.out + 4 + STRONG_LEN, STRONG_LEN);
    memcpy(rig.out + 8 + STRONG_LEN, theirs, STRONG_LEN);
    r = step_of(&rig, 1, OSD_DH_1024, PARAMS, &k); /* not the one of step 0 */
    signed_run(&rig, &r);
    expect_cdb(&rig, 24);
    r = step_of(&rig, 1, OSD_DH_2048, PARAMS, &k);
    signed_run(&rig, &r);
    expect_good(&rig);
    assert_int_equal(osd_dh_shared(OSD_DH_2048, x, theirs, shared), OSD_OK);
    memcpy(old, k.master[OSD_KEY_GENERATION], OSD_KEY_LEN);
    signed_derive(k.master, old, shared, STRONG_LEN);
    r = step_of(&rig, 1, OSD_DH_2048, PARAMS, &k); /* the exchange is over */
    signed_run(&rig, &r);
    expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_SEQUENCE_ERROR);
    rig_close(&rig);
}

/* Would catch: a client that begins an exchange and goes away leaves the device's secret in its
 * memory until it is closed. */
static void test_interpreter_security__an_abandoned_exchange_is_wiped(void **state)
{
    uint8_t x[OSD_DH_MAX], mine[OSD_DH_MAX];
    struct request r;
    struct keys k;
    struct rig rig;

    (void)state;
    signed_furnish(&rig, &k);
    assert_int_equal(osd_dh_make(OSD_DH_1024, x, mine), OSD_OK);
    for (int i = 0; i < 2; i++) { /* what is wiped is no hindrance to the next one */
        rig.dev->exchange.lifetime = EXCHANGE_MS;
        memcpy(rig.out, mine, 128);
        r = master_step(&rig, 0, 128, &k);
        signed_run(&rig, &r);
        expect_good(&rig);
        assert_false(is_wiped(&rig.dev->exchange));
        rig.dev->exchange.lifetime = 1;
        r = master_step(&rig, 0, 128, &k); /* the newest counts, and lives shorter */
        signed_run(&rig, &r);
        expect_good(&rig);
        while (!is_wiped(&rig.dev->exchange)) { /* which its thread is told only here */
            pthread_cond_signal(&rig.dev->exchange.bell);
            usleep(1000);
        }
        r = master_step(&rig, 1, 264, &k);
        signed_run(&rig, &r);
        expect_asc(&rig, SENSE_ILLEGAL_REQUEST, ASC_SEQUENCE_ERROR);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreter_security__signed_requests_pass),
        cmocka_unit_test(test_interpreter_security__capkey_signs_the_token),
        cmocka_unit_test(test_interpreter_security__responses_are_signed),
        cmocka_unit_test(test_interpreter_security__a_nonce_is_good_once_and_in_time),
        cmocka_unit_test(
            test_interpreter_security__a_repeated_write_is_answered_from_the_record),
        cmocka_unit_test(
            test_interpreter_security__a_repetition_is_known_by_its_value_or_a_digest),
        cmocka_unit_test(
            test_interpreter_security__a_copied_value_gets_nothing_from_the_record),
        cmocka_unit_test(test_interpreter_security__an_old_repetition_shows_nothing_of_today),
        cmocka_unit_test(test_interpreter_security__staging_does_not_use_the_nonce_up),
        cmocka_unit_test(test_interpreter_security__forgotten_nonces_stay_refused),
        cmocka_unit_test(test_interpreter_security__a_partition_can_insist),
        cmocka_unit_test(test_interpreter_security__data_of_a_partition_goes_nowhere_unproven),
        cmocka_unit_test(test_interpreter_security__a_device_can_insist_from_birth),
        cmocka_unit_test(test_interpreter_security__data_both_ways_is_signed),
        cmocka_unit_test(test_interpreter_security__continuations_are_signed),
        cmocka_unit_test(test_interpreter_security__further_capabilities_are_proven),
        cmocka_unit_test(
            test_interpreter_security__partitions_come_and_go_by_keys_of_the_device),
        cmocka_unit_test(test_interpreter_security__further_capabilities_end_like_others),
        cmocka_unit_test(test_interpreter_security__keys_have_their_consequences),
        cmocka_unit_test(test_interpreter_security__pages_say_which_keys_there_are),
        cmocka_unit_test(test_interpreter_security__set_key_checks_its_fields),
        cmocka_unit_test(test_interpreter_security__a_frozen_audit_value_ends_its_capabilities),
        cmocka_unit_test(test_interpreter_security__spc_commands_need_a_credential_too),
        cmocka_unit_test(test_interpreter_security__format_keeps_the_keys_of_the_device),
        cmocka_unit_test(
            test_interpreter_security__new_credentials_of_a_known_key_follow_every_change),
        cmocka_unit_test(test_interpreter_security__keys_stay_inside),
        cmocka_unit_test(test_interpreter_security__the_master_key_changes_hands),
        cmocka_unit_test(test_interpreter_security__the_weak_group_needs_leave),
        cmocka_unit_test(test_interpreter_security__an_abandoned_exchange_is_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
