/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_keys.c - the key manager on a real device in this process: enrolment, rotation
 * and revocation, with every command to the device lost once on its way or on its way back, and
 * with two managers at once
 *
 * Policy access tags likewise. After every failure the manager must be able to carry on, and what it calls the working key must
 * be one that the device takes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "interpreter/interpreter.h"
#include "secmgr/digits.h"
#include "secmgr/key_records.h"
#include "secmgr/keys_internal.h"
#include "secmgr/tags.h"
#include "wire/sense.h"
#include "wire/spc.h"

#define PID 0x10000u

static struct osd_device *device;
static struct sm_db *db;
static struct sm_vault *vault;
static struct sm_keys *keys;
static char dir[] = "/tmp/secmgr-keys.XXXXXX", file[64], why[400];
static uint8_t master[2 * OSD_KEY_LEN];

/* ---- a way to the device that loses things ---- */

enum loss { LOSE_NOTHING, LOSE_REQUEST, LOSE_ANSWER };

/* What another device would say: a vendor's name in INQUIRY data, and which of the algorithms the
 * answer keeps. */
static const char *vendor;
static bool sha1_only;

static enum loss loss;
static atomic_int commands, lose_at; /* by number; 0: never */
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t last_cdb[OSD_CDB_MAX]; /* of the last OSD command */
static size_t last_len;

/* The second algorithm's attribute in a list of answers: page, number, length, then the value. */
static void disguise(struct exchange *x)
{
    static const uint8_t second[16] = {0x90, 0, 0, 5, 0x80, 0, 0, 2, [15] = 1};
    uint8_t data[600] = {0};

    osd_iov_read(&x->in, 0, data, sizeof(data));
    if (vendor && x->cdb[0] == SPC_INQUIRY && x->cdb[1] == 0) {
        osd_iov_write(&x->in, 8, vendor, 8);
        return;
    }
    for (size_t at = 8; sha1_only && x->cdb_len == OSD_CDB_MAX && at < x->in_len; at++)
        if (memcmp(data + at, second, sizeof(second)) == 0)
            osd_iov_write(&x->in, at + sizeof(second), "", 1);
}

static osd_status execute(struct sm_link *l, struct exchange *x, char *text, size_t len)
{
    struct osd_request req = {.cdb = x->cdb, .cdb_len = x->cdb_len, .out = x->out, .in = x->in};
    struct osd_response r;
    bool lost = atomic_fetch_add(&commands, 1) + 1 == atomic_load(&lose_at);

    (void)l;
    if (x->cdb_len == OSD_CDB_MAX) {
        pthread_mutex_lock(&last_lock);
        last_len = x->cdb_len;
        memcpy(last_cdb, x->cdb, x->cdb_len);
        pthread_mutex_unlock(&last_lock);
    }
    if (lost)
        snprintf(text, len, "lost");
    if (lost && loss == LOSE_REQUEST)
        return OSD_E_UNREACHABLE;
    /* BUSY: the other manager's same command is under way; transports try again. */
    for (int i = 0; i < 5000; i++) {
        osd_device_execute(device, &req, &r);
        if (r.status != SAM_BUSY)
            break;
        usleep(1000);
    }
    x->status = r.status;
    x->sense_len = r.sense_len;
    memcpy(x->sense, r.sense, r.sense_len);
    x->in_len = r.in_len;
    disguise(x);
    return lost ? OSD_E_UNREACHABLE : OSD_OK;
}

static void close_link(struct sm_link *l)
{
    free(l);
}

static osd_status open_link(const char *url, struct sm_link **ret, char *text, size_t len)
{
    struct sm_link *l = calloc(1, sizeof(*l));

    (void)url;
    (void)text;
    (void)len;
    l->execute = execute;
    l->close = close_link;
    *ret = l;
    return OSD_OK;
}

/* ---- a device and a manager ---- */

static osd_status give_key(void *arg, uint8_t ret_key[40])
{
    memcpy(ret_key, arg, 40);
    return OSD_OK;
}

static void open_device(void)
{
    struct store_config sc = {.path = "", .create = true, .clock = &osd_clock_system};
    struct osd_device_config dc = {.serial = "KEYS-1",
                                   .default_method = OSD_SEC_CMDRSP,
                                   .first_key = give_key,
                                   .key_arg = master};

    memset(master, 0x5a, sizeof(master));
    assert_int_equal(store_memory_open(&sc, &dc.store, why, sizeof(why)), OSD_OK);
    assert_int_equal(osd_device_open(&dc, &device), OSD_OK);
}

static struct sm_wishes wishes; /* of managers */

static struct sm_keys *open_keys(uint64_t overlap_ms)
{
    const struct sm_keys_config c = {.db = db,
                                     .vault = vault,
                                     .open_link = open_link,
                                     .overlap_ms = overlap_ms,
                                     .wishes = &wishes};
    struct sm_keys *k = NULL;

    assert_int_equal(sm_keys_open(&c, &k), OSD_OK);
    return k;
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&commands, 0);
    atomic_store(&lose_at, 0);
    loss = LOSE_NOTHING;
    vendor = NULL;
    sha1_only = false;
    wishes = (struct sm_wishes){.usual = OSD_WISH_SHA1};
    open_device();
    keys = open_keys(0);
    return 0;
}

static void forget(void)
{
    struct sm_osd o;

    if (sm_db_osd_get(db, "disk1", &o) == OSD_OK)
        sm_db_osd_remove(db, o.id);
}

static int tear_down(void **state)
{
    (void)state;
    sm_keys_close(keys);
    osd_device_close(device);
    forget();
    return 0;
}

static osd_status enrol_by(uint8_t method)
{
    char id[SM_ID_TEXT];

    return sm_keys_enrol(keys, "disk1", "file:///x", method, master, id, why, sizeof(why));
}

static osd_status enrol(void)
{
    return enrol_by(OSD_SEC_CMDRSP);
}

static struct sm_osd the_osd(void)
{
    struct sm_osd o;

    assert_int_equal(sm_db_osd_get(db, "disk1", &o), OSD_OK);
    return o;
}

/* What the device says to the manager's present working key. */
static osd_status probe(struct sm_keys *k, uint64_t pid, uint8_t *ret_version)
{
    uint8_t id[OSD_SYSTEM_ID_LEN];
    struct sm_osd o = the_osd();
    struct sm_working w;
    struct sm_link *l;
    osd_status st = sm_keys_working(k, &o, pid, &w, why, sizeof(why));

    if (st)
        return st;
    sm_hex_parse(o.id, id, sizeof(id));
    open_link("", &l, why, sizeof(why));
    *ret_version = w.version;
    st = sm_device_probe(l, id, pid, w.version, w.key, why, sizeof(why));
    l->close(l);
    return st;
}

/* ---- commands of a client ---- */

static struct osd_cdb command(enum osd_op op, uint8_t type, uint64_t oid, uint16_t perms)
{
    return (struct osd_cdb){
        .op = op,
        .gen = OSD_GEN2,
        .pid = PID,
        .oid = oid,
        .cap = {.format = 2,
                .icv_algorithm = 1,
                .method = OSD_SEC_CMDRSP,
                .expiration = (1ull << 48) - 1,
                .object_type = type,
                .permissions = perms,
                .descriptor = type == OSD_TYPE_USER ? OSD_DESC_USER : OSD_DESC_PAR,
                .allowed_pid = PID,
                .allowed_oid = oid},
        .attr = {.format = OSD_ATTR_PAGE,
                 .retrieved_off = OSD_OFFSET_UNUSED,
                 .set_off = OSD_OFFSET_UNUSED},
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED}};
}

/* Signed with the working key of a partition. 0: GOOD; else the CDB byte that was refused. */
static unsigned run(struct osd_cdb *c, uint64_t key_pid)
{
    uint8_t raw[OSD_CDB_MAX], id[OSD_SYSTEM_ID_LEN], key[OSD_KEY_LEN], icv[OSD_KEY_LEN];
    struct sm_working w;
    struct sm_osd o = the_osd();
    struct exchange x = {.cdb = raw};
    struct osd_sense sense;
    struct sm_link *l;

    assert_int_equal(sm_keys_working(keys, &o, key_pid, &w, why, sizeof(why)), OSD_OK);
    c->cap.key_version = w.version;
    c->cap.icv_algorithm = w.algorithm.index;
    be48_put(c->sec.nonce, osd_clock_now(&osd_clock_system));
    osd_random(c->sec.nonce + 6, 6);
    assert_int_equal(osd_cdb_encode(c, raw, &x.cdb_len), OSD_OK);
    sm_hex_parse(o.id, id, sizeof(id));
    osd_capability_key_by(w.algorithm.hmac, w.key,
                          (struct osd_bytes){raw + 80, OSD2_CAPABILITY_LEN}, id, key);
    osd_request_icv_by(w.algorithm.hmac, key, OSD_GEN2, raw, icv);
    osd_icv_put(icv, raw + 184, OSD_ICV2_LEN);
    open_link("", &l, why, sizeof(why));
    assert_int_equal(l->execute(l, &x, why, sizeof(why)), OSD_OK);
    l->close(l);
    if (x.status == SAM_GOOD)
        return 0;
    assert_int_equal(osd_sense_decode(x.sense, x.sense_len, &sense), OSD_OK);
    assert_int_equal(sense.asc, ASC_INVALID_FIELD_CDB);
    return sense.field;
}

static void make_partition(void)
{
    struct osd_cdb c = command(OSD_OP_CREATE_PARTITION, OSD_TYPE_PARTITION, 0, OSD_PERM_CREATE);

    assert_int_equal(run(&c, 0), 0);
}

static void make_object(uint64_t oid)
{
    struct osd_cdb c = command(OSD_OP_CREATE, OSD_TYPE_USER, oid, OSD_PERM_CREATE);

    assert_int_equal(run(&c, PID), 0);
}

/* What the device says to a capability with a tag; oid 0: for the partition. */
static unsigned offer(uint64_t oid, uint32_t tag)
{
    struct osd_cdb c = command(OSD_OP_GET_ATTRIBUTES, oid ? OSD_TYPE_USER : OSD_TYPE_PARTITION,
                               oid, OSD_PERM_GET_ATTR);

    c.cap.policy_tag = tag;
    return run(&c, PID);
}

/* The manager's tag for it. */
static uint32_t tag_in(struct sm_keys *k, uint64_t pid, uint64_t oid)
{
    struct sm_ask ask = {.type = oid ? OSD_TYPE_USER : OSD_TYPE_PARTITION,
                         .pid = pid,
                         .oid = oid,
                         .perms = OSD_PERM_READ};
    struct sm_osd o = the_osd();
    struct sm_working w;
    uint32_t tag = 0;

    assert_int_equal(sm_keys_working(k, &o, pid, &w, why, sizeof(why)), OSD_OK);
    assert_int_equal(sm_tag_of(k, &o, &ask, &w, &tag, why, sizeof(why)), OSD_OK);
    return tag;
}

static uint32_t tag_of(struct sm_keys *k, uint64_t oid)
{
    return tag_in(k, PID, oid);
}

/* ---- tests ---- */

static void test_secmgr_keys__enrolment_changes_the_master_key(void **state)
{
    uint8_t version;
    char id[SM_ID_TEXT];

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    assert_int_equal(probe(keys, 0, &version), OSD_OK);
    assert_int_equal(version, 0);
    assert_int_equal(enrol(), OSD_E_EXISTS);
    forget();
    assert_int_equal(enrol(), OSD_E_DENIED); /* the first key opens nothing any more */
    assert_int_equal(sm_db_osd_get(db, "disk1", &(struct sm_osd){0}), OSD_E_NOT_FOUND);
    assert_int_equal(sm_keys_reenrol(keys, "disk1", true, why, sizeof(why)), OSD_E_NOT_FOUND);
    (void)id;
}

/* Would catch: a crash at some point of enrolment after which nobody has the device's keys. */
/* Would catch: a device that has CMDRSP only and gets something else. */
static void test_secmgr_keys__commands_are_signed_by_the_method_of_the_device(void **state)
{
    static const struct {
        uint8_t enrolled, sent;
    } cases[] = {{OSD_SEC_CAPKEY, OSD_SEC_CMDRSP},
                 {OSD_SEC_CMDRSP, OSD_SEC_CMDRSP},
                 {OSD_SEC_ALLDATA, OSD_SEC_ALLDATA}};
    struct osd_wire_error err;
    struct osd_cdb c;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tear_down(NULL);
        set_up(NULL);
        assert_int_equal(enrol_by(cases[i].enrolled), OSD_OK);
        assert_int_equal(osd_cdb_decode(last_cdb, last_len, &c, &err), OSD_OK);
        assert_int_equal(c.cap.method, cases[i].sent);
        assert_int_equal(c.cap.icv_algorithm, 1);
    }
}

static void test_secmgr_keys__enrolment_survives_any_loss(void **state)
{
    int n = 1, done = 0;
    uint8_t version;

    (void)state;
    for (int kind = LOSE_REQUEST; kind <= LOSE_ANSWER; kind++, done = 0) {
        for (n = 1; !done; n++) {
            tear_down(NULL);
            set_up(NULL);
            loss = (enum loss)kind;
            atomic_store(&lose_at, n);
            done = enrol() == OSD_OK;
            atomic_store(&lose_at, 0);
            if (!done && sm_db_osd_get(db, "disk1", &(struct sm_osd){0}) == OSD_OK)
                assert_int_equal(sm_keys_reenrol(keys, "disk1", false, why, sizeof(why)),
                                 OSD_OK);
            else if (!done)
                assert_int_equal(enrol(), OSD_OK);
            assert_int_equal(probe(keys, 0, &version), OSD_OK);
        }
        assert_in_range(n, 6, 12); /* INQUIRY, two steps, root, partition, working key */
    }
}

static void test_secmgr_keys__a_partition_gets_its_keys_when_asked_for(void **state)
{
    struct sm_working w;
    struct sm_osd o;
    uint8_t version;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    o = the_osd();
    assert_int_equal(sm_keys_working(keys, &o, PID, &w, why, sizeof(why)), OSD_E_NOT_FOUND);
    assert_non_null(strstr(why, "0x10000"));
    make_partition();
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
}

/* The old key stays good, the new one is good, whatever is lost in between. */
static void test_secmgr_keys__rotation_survives_any_loss(void **state)
{
    struct sm_osd o;
    uint8_t before, after;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    make_partition();
    o = the_osd();
    for (int kind = LOSE_REQUEST; kind <= LOSE_ANSWER; kind++) {
        assert_int_equal(probe(keys, PID, &before), OSD_OK);
        loss = (enum loss)kind;
        atomic_store(&lose_at, atomic_load(&commands) + 1);
        assert_int_equal(sm_keys_rotate(keys, &o, PID, why, sizeof(why)), OSD_E_UNREACHABLE);
        assert_int_equal(probe(keys, PID, &after), OSD_OK);
        assert_int_equal(after, before);
        assert_int_equal(sm_keys_rotate(keys, &o, PID, why, sizeof(why)), OSD_OK);
        assert_int_equal(probe(keys, PID, &after), OSD_OK);
        assert_int_not_equal(after, before);
    }
}

static void test_secmgr_keys__revocation_survives_any_loss(void **state)
{
    struct sm_osd o;
    uint8_t version;
    osd_status st = OSD_E_UNREACHABLE;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    make_partition();
    o = the_osd();
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
    for (int kind = LOSE_REQUEST; kind <= LOSE_ANSWER; kind++, st = OSD_E_UNREACHABLE)
        for (int n = 1; st == OSD_E_UNREACHABLE; n++) {
            loss = (enum loss)kind;
            atomic_store(&lose_at, atomic_load(&commands) + n);
            st = sm_keys_revoke(keys, &o, PID, why, sizeof(why));
            atomic_store(&lose_at, 0);
            assert_int_equal(probe(keys, PID, &version), OSD_OK);
            assert_in_range(n, 1, 4);
        }
}

/* Whether the device takes what was made with a key before. */
static osd_status still_good(const struct sm_osd *o, uint64_t pid, const struct sm_working *w)
{
    uint8_t id[OSD_SYSTEM_ID_LEN];
    struct sm_link *l;
    osd_status st;

    sm_hex_parse(o->id, id, sizeof(id));
    open_link("", &l, why, sizeof(why));
    st = sm_device_probe(l, id, pid, w->version, w->key, why, sizeof(why));
    l->close(l);
    return st;
}

/* Would catch: a revocation that leaves credentials good, or ends those of others. */
static void test_secmgr_keys__a_revocation_ends_one_partition(void **state)
{
    struct sm_working zero, one;
    struct sm_osd o;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    make_partition();
    o = the_osd();
    assert_int_equal(sm_keys_working(keys, &o, 0, &zero, why, sizeof(why)), OSD_OK);
    assert_int_equal(sm_keys_working(keys, &o, PID, &one, why, sizeof(why)), OSD_OK);
    assert_int_equal(sm_keys_revoke(keys, &o, 0, why, sizeof(why)), OSD_OK);
    assert_int_equal(still_good(&o, 0, &zero), OSD_E_DENIED);
    assert_int_equal(still_good(&o, PID, &one), OSD_OK);
    assert_int_equal(sm_keys_working(keys, &o, 0, &zero, why, sizeof(why)), OSD_OK);
    assert_int_equal(sm_keys_revoke(keys, &o, PID, why, sizeof(why)), OSD_OK);
    assert_int_equal(still_good(&o, 0, &zero), OSD_OK);
    assert_int_equal(still_good(&o, PID, &one), OSD_E_DENIED);
}

/* Would catch: a key overwritten while credentials made with it are still valid. */
static void test_secmgr_keys__no_version_is_used_again_too_early(void **state)
{
    struct sm_osd o;
    uint8_t version;
    int n = 0;

    (void)state;
    sm_keys_close(keys);
    keys = open_keys(3600000);
    assert_int_equal(enrol(), OSD_OK);
    o = the_osd();
    while (sm_keys_rotate(keys, &o, 0, why, sizeof(why)) == OSD_OK)
        n++;
    assert_int_equal(n, SM_WORKING - 1);
    assert_non_null(strstr(why, "still valid"));
    assert_int_equal(probe(keys, 0, &version), OSD_OK);
    assert_int_equal(version, SM_WORKING - 1);
    assert_int_equal(sm_keys_revoke(keys, &o, 0, why, sizeof(why)), OSD_OK);
    assert_int_equal(probe(keys, 0, &version), OSD_OK);
    assert_int_equal(version, 0);
}

/* The device was restored from an old backup, say. */
static void test_secmgr_keys__a_device_that_forgot_its_keys_is_told_from_others(void **state)
{
    struct sm_osd o;
    uint8_t version;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    o = the_osd();
    assert_int_equal(sm_keys_verify(keys, &o, 0, why, sizeof(why)), OSD_OK);
    osd_device_close(device);
    open_device(); /* first master key again, no others */
    assert_int_equal(probe(keys, 0, &version), OSD_E_DENIED);
    sm_keys_close(keys); /* it asks the device once in two seconds only */
    keys = open_keys(0);
    assert_int_equal(sm_keys_verify(keys, &o, 0, why, sizeof(why)), OSD_E_DENIED);
    assert_non_null(strstr(why, "enrol it again"));
    assert_int_equal(sm_keys_reenrol(keys, "disk1", false, why, sizeof(why)), OSD_E_DENIED);
}

static void test_secmgr_keys__only_old_keys_are_due(void **state)
{
    uint8_t version;
    unsigned n;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    make_partition();
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
    assert_int_equal(sm_keys_rotate_due(keys, 3600000, &n), OSD_OK);
    assert_int_equal(n, 0);
    usleep(20000);
    assert_int_equal(sm_keys_rotate_due(keys, 10, &n), OSD_OK);
    assert_int_equal(n, 2);
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
    assert_int_equal(version, 1);
}

/* ---- two managers ---- */

static atomic_int failures, probes;
static atomic_bool stop;

static void *work(void *arg)
{
    uint8_t version;

    (void)arg;
    struct sm_keys *own = open_keys(0);
    while (!atomic_load(&stop)) {
        osd_status st = probe(own, PID, &version);
        atomic_fetch_add(&probes, 1);
        /* A key may have been overwritten since: 16 rotations without overlap take that long. */
        if (st && st != OSD_E_DENIED) {
            print_error("probe: %s\n", osd_status_text(st));
            atomic_fetch_add(&failures, 1);
        }
    }
    sm_keys_close(own);
    return NULL;
}

static void *rotate(void *arg)
{
    struct sm_osd o = *(struct sm_osd *)arg;
    struct sm_keys *own = open_keys(0);
    char text[400];

    for (int i = 0; i < 25 || atomic_load(&probes) == 0; i++) /* beside some work */
        if (sm_keys_rotate(own, &o, PID, text, sizeof(text))) {
            print_error("rotation %d: %s\n", i, text);
            atomic_fetch_add(&failures, 1);
        }
    sm_keys_close(own);
    return NULL;
}

/* Would catch: two managers that write down or carry out each other's changes twice. */
static void test_secmgr_keys__two_managers_rotate_at_once(void **state)
{
    pthread_t t[3];
    struct sm_osd o;
    uint8_t version;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    make_partition();
    o = the_osd();
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
    atomic_store(&stop, false);
    atomic_store(&probes, 0);
    assert_int_equal(pthread_create(&t[0], NULL, work, NULL), 0);
    assert_int_equal(pthread_create(&t[1], NULL, rotate, &o), 0);
    assert_int_equal(pthread_create(&t[2], NULL, rotate, &o), 0);
    pthread_join(t[1], NULL);
    pthread_join(t[2], NULL);
    atomic_store(&stop, true);
    pthread_join(t[0], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
}

/* ---- policy access tags ---- */

#define OID      0x10005u
#define TAG_BYTE 140

static osd_status change(uint64_t oid)
{
    struct sm_osd o = the_osd();

    return sm_tag_change(keys, &o, oid ? OSD_TYPE_USER : OSD_TYPE_PARTITION, PID, oid, why,
                         sizeof(why));
}

static void furnish(void)
{
    assert_int_equal(enrol(), OSD_OK);
    make_partition();
    tag_of(keys, 0); /* sets the partition up */
    make_object(OID);
    make_object(OID + 1);
}

static void test_secmgr_tags__what_has_the_last_tag_is_refused_at_its_byte(void **state)
{
    (void)state;
    furnish();
    for (uint64_t oid = 0; oid <= OID; oid += OID) {
        uint32_t before = tag_of(keys, oid);
        assert_int_not_equal(before, 0);
        assert_int_equal(offer(oid, before), 0);
        assert_int_equal(change(oid), OSD_OK);
        assert_int_equal(offer(oid, before), TAG_BYTE);
        assert_int_not_equal(tag_of(keys, oid), before);
        assert_int_equal(offer(oid, tag_of(keys, oid)), 0);
    }
    assert_int_equal(offer(OID + 1, tag_of(keys, OID + 1)), 0);
}

/* A rule may name a collection where a user object is. Would catch: a revocation that stays pending
 * for ever, and takes the object's credentials each time somebody tries it. */
static void test_secmgr_tags__no_tag_is_zero(void **state)
{
    (void)state;
    assert_int_equal(sm_tag_after(7), 8);
    assert_int_equal(sm_tag_after(UINT32_MAX - 1), UINT32_MAX);
    assert_int_equal(sm_tag_after(UINT32_MAX), 1);
}

static void test_secmgr_tags__an_object_of_another_type_has_none_to_change(void **state)
{
    struct sm_osd o;

    (void)state;
    furnish();
    o = the_osd();
    assert_int_equal(sm_tag_change(keys, &o, OSD_TYPE_COLLECTION, PID, OID, why, sizeof(why)),
                     OSD_OK);
    assert_int_equal(change(OID), OSD_OK);
    assert_int_equal(offer(OID, tag_of(keys, OID)), 0);
}

/* Whatever is lost, the device has what the manager says, and no earlier tag again. */
static void test_secmgr_tags__a_change_survives_any_loss(void **state)
{
    (void)state;
    furnish();
    for (uint64_t oid = 0; oid <= OID; oid += OID)
        for (int kind = LOSE_REQUEST; kind <= LOSE_ANSWER; kind++) {
            uint32_t before = tag_of(keys, oid);
            loss = (enum loss)kind;
            atomic_store(&lose_at, atomic_load(&commands) + 1);
            assert_int_equal(change(oid), OSD_E_UNREACHABLE);
            atomic_store(&lose_at, 0);
            assert_int_equal(offer(oid, tag_of(keys, oid)), 0);
            assert_int_equal(offer(oid, before), TAG_BYTE);
        }
}

/* The same command again, when the tag has changed once more since. */
static void test_secmgr_tags__a_late_command_brings_no_old_tag_back(void **state)
{
    uint8_t late[OSD_CDB_MAX];
    struct exchange x = {.cdb = late};
    struct sm_link *l;
    uint32_t first;

    (void)state;
    furnish();
    assert_int_equal(change(OID), OSD_OK);
    x.cdb_len = last_len;
    memcpy(late, last_cdb, last_len);
    first = tag_of(keys, OID);
    assert_int_equal(change(OID), OSD_OK);
    open_link("", &l, why, sizeof(why));
    assert_int_equal(l->execute(l, &x, why, sizeof(why)), OSD_OK);
    l->close(l);
    assert_int_equal(offer(OID, first), TAG_BYTE);
    assert_int_equal(offer(OID, tag_of(keys, OID)), 0);
}

/* Made before the partition had tags, or restored, or changed by somebody with the right to. */
static void test_secmgr_tags__a_device_that_has_another_tag_is_set_right(void **state)
{
    struct sm_ask ask = {.type = OSD_TYPE_USER, .pid = PID, .oid = OID};
    struct sm_osd o;

    (void)state;
    furnish();
    o = the_osd();
    for (int changed = 0; changed < 2; changed++) {
        struct osd_cdb c = command(OSD_OP_SET_ATTRIBUTES, OSD_TYPE_USER, OID,
                                   OSD_PERM_SET_ATTR | OSD_PERM_POL_SEC);
        c.attr = (struct osd_attr_params){
            .format = OSD_ATTR_CDB, .set_page = 5, .set_number = 0x40000001, .set_len = 4};
        assert_int_equal(run(&c, PID), 0);
        assert_int_equal(offer(OID, tag_of(keys, OID)), TAG_BYTE);
        assert_int_equal(sm_tag_restore(keys, &o, &ask, tag_of(keys, OID), why, sizeof(why)),
                         OSD_OK);
        assert_int_equal(offer(OID, tag_of(keys, OID)), 0);
        assert_int_equal(change(OID), OSD_OK);
    }
    assert_int_equal(sm_tag_restore(keys, &o, &ask, 1, why, sizeof(why)), OSD_OK);
    assert_int_equal(offer(OID, tag_of(keys, OID)), 0);
}

static void test_secmgr_tags__a_restored_partition_gets_both_its_tags(void **state)
{
    struct sm_ask ask = {.type = OSD_TYPE_PARTITION, .pid = PID};
    struct sm_osd o;

    (void)state;
    furnish();
    o = the_osd();
    for (uint32_t number = 0x40000001; number <= 0x40000002; number++) {
        struct osd_cdb c = command(OSD_OP_SET_ATTRIBUTES, OSD_TYPE_PARTITION, 0,
                                   OSD_PERM_SET_ATTR | OSD_PERM_POL_SEC);
        c.attr = (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                          .set_page = OSD_PAGE_P + OSD_PG_SECURITY,
                                          .set_number = number,
                                          .set_len = 4};
        assert_int_equal(run(&c, PID), 0);
    }
    assert_int_equal(offer(0, tag_of(keys, 0)), TAG_BYTE);
    assert_int_equal(sm_tag_restore(keys, &o, &ask, tag_of(keys, 0), why, sizeof(why)), OSD_OK);
    assert_int_equal(offer(0, tag_of(keys, 0)), 0);
    make_object(OID + 7);
    assert_int_equal(offer(OID + 7, tag_of(keys, OID + 7)), 0);
}

/* Would catch: a partition that never gets tags because a snapshot had its number. */
static void test_secmgr_tags__what_was_a_snapshot_gets_tags_as_a_partition(void **state)
{
    struct osd_cdb c = command(OSD_OP_CREATE_SNAPSHOT, OSD_TYPE_PARTITION, 0,
                               OSD_PERM_CREATE | OSD_PERM_READ | OSD_PERM_WRITE);
    struct osd_cdb gone = command(OSD_OP_REMOVE_PARTITION, OSD_TYPE_PARTITION, 0,
                                  OSD_PERM_REMOVE | OSD_PERM_GBL_REM);
    struct osd_cdb made =
        command(OSD_OP_CREATE_PARTITION, OSD_TYPE_PARTITION, 0, OSD_PERM_CREATE);
    struct sm_osd o;

    (void)state;
    furnish();
    o = the_osd();
    c.pid = PID + 1;
    c.start = PID;
    assert_int_equal(run(&c, PID), 0);
    assert_int_equal(tag_in(keys, PID + 1, 0), 0);
    gone.pid = gone.cap.allowed_pid = made.pid = made.cap.allowed_pid = PID + 1;
    gone.option = 1;
    assert_int_equal(run(&gone, 0), 0);
    assert_int_equal(run(&made, 0), 0);
    assert_int_equal(sm_keys_verify(keys, &o, PID + 1, why, sizeof(why)), OSD_OK);
    assert_int_not_equal(tag_in(keys, PID + 1, 0), 0);
}

static void test_secmgr_tags__a_partition_made_anew_gets_its_tags_again(void **state)
{
    struct osd_cdb c = command(OSD_OP_REMOVE_PARTITION, OSD_TYPE_PARTITION, 0,
                               OSD_PERM_REMOVE | OSD_PERM_GBL_REM);
    struct sm_osd o;

    (void)state;
    furnish();
    o = the_osd();
    assert_int_equal(change(OID), OSD_OK);
    c.option = 1;
    assert_int_equal(run(&c, 0), 0);
    assert_int_equal(change(OID), OSD_OK); /* nothing there */
    make_partition();
    assert_int_equal(sm_keys_verify(keys, &o, PID, why, sizeof(why)), OSD_OK);
    make_object(OID);
    assert_int_equal(offer(0, tag_of(keys, 0)), 0);
    assert_int_equal(offer(OID, tag_of(keys, OID)), 0);
}

static void *change_often(void *arg)
{
    struct sm_osd o = *(struct sm_osd *)arg;
    struct sm_keys *own = open_keys(0);
    char text[400];

    for (int i = 0; i < 20; i++)
        for (uint64_t oid = 0; oid <= OID; oid += OID)
            if (sm_tag_change(own, &o, oid ? OSD_TYPE_USER : OSD_TYPE_PARTITION, PID, oid, text,
                              sizeof(text))) {
                print_error("change %d: %s\n", i, text);
                atomic_fetch_add(&failures, 1);
            }
    sm_keys_close(own);
    return NULL;
}

static void test_secmgr_tags__two_managers_change_at_once(void **state)
{
    pthread_t t[2];
    struct sm_osd o;
    uint32_t own, object;

    (void)state;
    furnish();
    o = the_osd();
    own = tag_of(keys, 0);
    object = tag_of(keys, OID);
    atomic_store(&failures, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, change_often, &o), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    for (uint32_t i = 0; i < 40; i++) /* every one was another, and none but the last is good */
        assert_int_equal(offer(i % 2 ? 0 : OID, (i % 2 ? own : object) + i), TAG_BYTE);
    assert_int_equal(tag_of(keys, 0), own + 40);
    assert_int_equal(offer(0, own + 40), 0);
    assert_int_equal(offer(OID, tag_of(keys, OID)), 0);
}

/* ---- integrity algorithms ---- */

/* What credentials are made with; OSD_E_UNSUPPORTED with a sentence. */
static osd_status working_by(enum osd_wish w, struct osd_algorithm *ret)
{
    struct sm_osd o = the_osd();
    struct sm_working with = {0};
    osd_status st;

    wishes.usual = w;
    why[0] = 0;
    st = sm_keys_working(keys, &o, 0, &with, why, sizeof(why));
    *ret = with.algorithm;
    return st;
}

static void check_algorithm(enum osd_wish w, uint8_t index, enum osd_hmac hmac)
{
    struct osd_algorithm got;

    assert_int_equal(working_by(w, &got), OSD_OK);
    assert_int_equal(got.index, index);
    assert_int_equal(got.hmac, hmac);
}

static void test_secmgr_keys__credentials_have_the_algorithm_of_the_configuration(void **state)
{
    static const uint8_t methods[] = {OSD_SEC_CMDRSP, OSD_SEC_ALLDATA};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        tear_down(NULL);
        set_up(NULL);
        assert_int_equal(enrol_by(methods[i]), OSD_OK);
        check_algorithm(OSD_WISH_SHA1, 1, OSD_HMAC_SHA1);
        check_algorithm(OSD_WISH_BEST, 2, OSD_HMAC_SHA256);
        check_algorithm(OSD_WISH_SHA256, 2, OSD_HMAC_SHA256);
        make_partition(); /* which the device takes, as it takes this: */
        make_object(0x10000);
        assert_int_equal(last_cdb[OSD_CAPABILITY_AT + 1] & 0xf, 2);
    }
}

/* Would catch: one device's algorithm that counts for another, or for none. */
static void test_secmgr_keys__a_device_can_have_an_algorithm_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    wishes = (struct sm_wishes){.n = 1, .others = {{"disk1", OSD_WISH_SHA256}}};
    check_algorithm(OSD_WISH_SHA1, 2, OSD_HMAC_SHA256);
    wishes.others[0].wish = OSD_WISH_SHA1;
    check_algorithm(OSD_WISH_SHA256, 1, OSD_HMAC_SHA1);
    memcpy(wishes.others[0].osd, "disk2", 6);
    check_algorithm(OSD_WISH_SHA256, 2, OSD_HMAC_SHA256);
}

/* Would catch: credentials that the device cannot check, or an algorithm nobody asked for. */
static void test_secmgr_keys__an_algorithm_that_is_not_there_is_named(void **state)
{
    struct osd_algorithm got;

    (void)state;
    sha1_only = true;
    assert_int_equal(enrol(), OSD_OK);
    assert_int_equal(working_by(OSD_WISH_SHA256, &got), OSD_E_UNSUPPORTED);
    assert_string_equal(why, "disk1 has no integrity algorithm sha256, which icv_algorithm of "
                             "the security manager asks for: it lists HMAC-SHA1");
    check_algorithm(OSD_WISH_BEST, 1, OSD_HMAC_SHA1);
    check_algorithm(OSD_WISH_SHA1, 1, OSD_HMAC_SHA1);
}

/* E0h is each vendor's own. */
static void test_secmgr_keys__another_vendors_code_is_not_ours(void **state)
{
    struct osd_algorithm got;

    (void)state;
    vendor = "ACME    ";
    assert_int_equal(enrol(), OSD_OK);
    assert_int_equal(working_by(OSD_WISH_SHA256, &got), OSD_E_UNSUPPORTED);
    check_algorithm(OSD_WISH_BEST, 1, OSD_HMAC_SHA1);
}

/* Would catch: a manager that goes on with what the device had before. */
static void test_secmgr_keys__algorithms_are_asked_for_again(void **state)
{
    struct osd_algorithms a;
    struct sm_osd o;

    (void)state;
    sha1_only = true;
    assert_int_equal(enrol(), OSD_OK);
    o = the_osd();
    check_algorithm(OSD_WISH_BEST, 1, OSD_HMAC_SHA1);
    sha1_only = false; /* newer software */
    check_algorithm(OSD_WISH_BEST, 1, OSD_HMAC_SHA1);
    assert_int_equal(sm_keys_rotate(keys, &o, 0, why, sizeof(why)), OSD_OK);
    check_algorithm(OSD_WISH_BEST, 2, OSD_HMAC_SHA256);
    sha1_only = true; /* older again, and a client says that its key is refused */
    assert_int_equal(sm_keys_verify(keys, &o, 0, why, sizeof(why)), OSD_OK);
    check_algorithm(OSD_WISH_BEST, 1, OSD_HMAC_SHA1);
    sha1_only = false;
    assert_int_equal(sm_keys_reenrol(keys, "disk1", true, why, sizeof(why)), OSD_OK);
    o = the_osd();
    assert_int_equal(sm_keys_algorithms(keys, &o, &a), OSD_OK);
    assert_int_equal(a.code[2], OSD_HMAC_SHA256);
}

/* What is not known is asked for when a credential needs it; enrolment does not fail for it. */
static void test_secmgr_keys__algorithms_that_got_lost_are_asked_for_when_needed(void **state)
{
    struct osd_algorithms a;
    struct osd_algorithm got;
    struct sm_osd o;

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    int last = atomic_load(&commands);
    tear_down(NULL);
    set_up(NULL);
    loss = LOSE_ANSWER;
    atomic_store(&lose_at, last);
    assert_int_equal(enrol(), OSD_OK);
    o = the_osd();
    assert_int_equal(sm_keys_algorithms(keys, &o, &a), OSD_E_NOT_FOUND);
    check_algorithm(OSD_WISH_SHA1, 1, OSD_HMAC_SHA1);
    atomic_store(&lose_at, atomic_load(&commands) + 2);
    assert_int_equal(working_by(OSD_WISH_SHA256, &got), OSD_E_UNREACHABLE);
    check_algorithm(OSD_WISH_SHA256, 2, OSD_HMAC_SHA256);
}

/* Under ALLDATA the answer is signed. Would catch: somebody on the network who takes the better
 * algorithm away. */
static void test_secmgr_keys__a_changed_list_of_algorithms_is_noticed(void **state)
{
    struct osd_algorithms a;
    struct osd_algorithm got;
    struct sm_osd o;

    (void)state;
    sha1_only = true;
    assert_int_equal(enrol_by(OSD_SEC_ALLDATA), OSD_OK);
    o = the_osd();
    assert_int_equal(sm_keys_algorithms(keys, &o, &a), OSD_E_NOT_FOUND);
    assert_int_equal(working_by(OSD_WISH_BEST, &got), OSD_E_PROTOCOL);
    assert_non_null(strstr(why, "signature"));
    sha1_only = false;
    check_algorithm(OSD_WISH_BEST, 2, OSD_HMAC_SHA256);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_secmgr_keys__enrolment_changes_the_master_key),
        CASE(test_secmgr_keys__commands_are_signed_by_the_method_of_the_device),
        CASE(test_secmgr_keys__enrolment_survives_any_loss),
        CASE(test_secmgr_keys__a_partition_gets_its_keys_when_asked_for),
        CASE(test_secmgr_keys__rotation_survives_any_loss),
        CASE(test_secmgr_keys__revocation_survives_any_loss),
        CASE(test_secmgr_keys__a_revocation_ends_one_partition),
        CASE(test_secmgr_keys__no_version_is_used_again_too_early),
        CASE(test_secmgr_keys__a_device_that_forgot_its_keys_is_told_from_others),
        CASE(test_secmgr_keys__only_old_keys_are_due),
        CASE(test_secmgr_keys__two_managers_rotate_at_once),
        CASE(test_secmgr_keys__credentials_have_the_algorithm_of_the_configuration),
        CASE(test_secmgr_keys__a_device_can_have_an_algorithm_of_its_own),
        CASE(test_secmgr_keys__an_algorithm_that_is_not_there_is_named),
        CASE(test_secmgr_keys__another_vendors_code_is_not_ours),
        CASE(test_secmgr_keys__algorithms_are_asked_for_again),
        CASE(test_secmgr_keys__algorithms_that_got_lost_are_asked_for_when_needed),
        CASE(test_secmgr_keys__a_changed_list_of_algorithms_is_noticed),
        CASE(test_secmgr_tags__what_has_the_last_tag_is_refused_at_its_byte),
        CASE(test_secmgr_tags__no_tag_is_zero),
        CASE(test_secmgr_tags__an_object_of_another_type_has_none_to_change),
        CASE(test_secmgr_tags__a_change_survives_any_loss),
        CASE(test_secmgr_tags__a_late_command_brings_no_old_tag_back),
        CASE(test_secmgr_tags__a_device_that_has_another_tag_is_set_right),
        CASE(test_secmgr_tags__a_restored_partition_gets_both_its_tags),
        CASE(test_secmgr_tags__what_was_a_snapshot_gets_tags_as_a_partition),
        CASE(test_secmgr_tags__a_partition_made_anew_gets_its_tags_again),
        CASE(test_secmgr_tags__two_managers_change_at_once),
    };
    static const uint8_t salt[SM_SALT_LEN];
    int rc;

    if (access("/dev/shm", W_OK) == 0)
        memcpy(dir, "/dev/shm/sk.XXXXXX", sizeof("/dev/shm/sk.XXXXXX"));
    if (!mkdtemp(dir))
        return 1;
    snprintf(file, sizeof(file), "%s/db", dir);
    if (sm_vault_open((const uint8_t *)"sixteen letters.", 16, salt, &vault) ||
        sm_db_open("sqlite", file, &db, why, sizeof(why)))
        return 1;
    rc = cmocka_run_group_tests_name("keys", tests, NULL, NULL);
    sm_db_close(db);
    sm_vault_close(vault);
    for (size_t i = 0; i < 3; i++) {
        char name[80];
        snprintf(name, sizeof(name), "%s%s", file, (const char *[]){"", "-wal", "-shm"}[i]);
        unlink(name);
    }
    rmdir(dir);
    return rc;
}
