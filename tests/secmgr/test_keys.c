/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/test_keys.c - the key manager on a real device in this process: enrolment, rotation
 * and revocation, with every command to the device lost once on its way or on its way back, and
 * with two managers at once
 *
 * After every failure the manager must be able to carry on, and what it calls the working key must
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
#include "secmgr/key_records.h"
#include "secmgr/keys.h"
#include "secmgr/names.h"
#include "wire/sense.h"

#define PID 0x10000u

static struct osd_device *device;
static struct sm_db *db;
static struct sm_vault *vault;
static struct sm_keys *keys;
static char dir[] = "/tmp/secmgr-keys.XXXXXX", file[64], why[400];
static uint8_t master[2 * OSD_KEY_LEN];

/* ---- a way to the device that loses things ---- */

enum loss { LOSE_NOTHING, LOSE_REQUEST, LOSE_ANSWER };

static enum loss loss;
static atomic_int commands, lose_at; /* by number; 0: never */

static osd_status execute(struct sm_link *l, struct exchange *x, char *text, size_t len)
{
    struct osd_request req = {.cdb = x->cdb, .cdb_len = x->cdb_len, .out = x->out, .in = x->in};
    struct osd_response r;
    bool lost = atomic_fetch_add(&commands, 1) + 1 == atomic_load(&lose_at);

    (void)l;
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

static struct sm_keys *open_keys(uint64_t overlap_ms)
{
    const struct sm_keys_config c = {
        .db = db, .vault = vault, .open_link = open_link, .overlap_ms = overlap_ms};
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

static osd_status enrol(void)
{
    char id[SM_ID_TEXT];

    return sm_keys_enrol(keys, "disk1", "file:///x", OSD_SEC_CMDRSP, master, id, why,
                         sizeof(why));
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
    uint8_t id[OSD_SYSTEM_ID_LEN], secret[OSD_KEY_LEN];
    struct sm_osd o = the_osd();
    struct sm_link *l;
    osd_status st = sm_keys_working(k, &o, pid, ret_version, secret, why, sizeof(why));

    if (st)
        return st;
    sm_hex_parse(o.id, id, sizeof(id));
    open_link("", &l, why, sizeof(why));
    st = sm_device_probe(l, id, pid, *ret_version, secret, why, sizeof(why));
    l->close(l);
    return st;
}

/* A partition, made with a credential for partition zero. */
static void make_partition(void)
{
    uint8_t raw[OSD_CDB_MAX], id[OSD_SYSTEM_ID_LEN], secret[OSD_KEY_LEN], key[OSD_KEY_LEN],
        icv[OSD_KEY_LEN], version;
    struct sm_osd o = the_osd();
    struct osd_cdb c = {
        .op = OSD_OP_CREATE_PARTITION,
        .gen = OSD_GEN2,
        .pid = PID,
        .cap = {.format = 2,
                .icv_algorithm = 1,
                .method = OSD_SEC_CMDRSP,
                .expiration = (1ull << 48) - 1,
                .object_type = OSD_TYPE_PARTITION,
                .permissions = OSD_PERM_CREATE,
                .descriptor = OSD_DESC_PAR,
                .allowed_pid = PID},
        .attr = {.format = OSD_ATTR_PAGE,
                 .retrieved_off = OSD_OFFSET_UNUSED,
                 .set_off = OSD_OFFSET_UNUSED},
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED}};
    struct exchange x = {.cdb = raw};
    struct sm_link *l;

    assert_int_equal(sm_keys_working(keys, &o, 0, &version, secret, why, sizeof(why)), OSD_OK);
    c.cap.key_version = version;
    be48_put(c.sec.nonce, osd_clock_now(&osd_clock_system));
    osd_random(c.sec.nonce + 6, 6);
    assert_int_equal(osd_cdb_encode(&c, raw, &x.cdb_len), OSD_OK);
    sm_hex_parse(o.id, id, sizeof(id));
    osd_capability_key(secret, (struct osd_bytes){raw + 80, OSD2_CAPABILITY_LEN}, id, key);
    osd_request_icv(key, OSD_GEN2, raw, icv);
    osd_icv_put(icv, raw + 184, OSD_ICV2_LEN);
    open_link("", &l, why, sizeof(why));
    assert_int_equal(l->execute(l, &x, why, sizeof(why)), OSD_OK);
    l->close(l);
    assert_int_equal(x.status, SAM_GOOD);
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
    struct sm_osd o;
    uint8_t version, secret[OSD_KEY_LEN];

    (void)state;
    assert_int_equal(enrol(), OSD_OK);
    o = the_osd();
    assert_int_equal(sm_keys_working(keys, &o, PID, &version, secret, why, sizeof(why)),
                     OSD_E_NOT_FOUND);
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

    for (int i = 0; i < 25; i++)
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
    assert_int_equal(pthread_create(&t[0], NULL, work, NULL), 0);
    assert_int_equal(pthread_create(&t[1], NULL, rotate, &o), 0);
    assert_int_equal(pthread_create(&t[2], NULL, rotate, &o), 0);
    pthread_join(t[1], NULL);
    pthread_join(t[2], NULL);
    atomic_store(&stop, true);
    pthread_join(t[0], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_true(atomic_load(&probes) > 0);
    assert_int_equal(probe(keys, PID, &version), OSD_OK);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_secmgr_keys__enrolment_changes_the_master_key),
        CASE(test_secmgr_keys__enrolment_survives_any_loss),
        CASE(test_secmgr_keys__a_partition_gets_its_keys_when_asked_for),
        CASE(test_secmgr_keys__rotation_survives_any_loss),
        CASE(test_secmgr_keys__revocation_survives_any_loss),
        CASE(test_secmgr_keys__no_version_is_used_again_too_early),
        CASE(test_secmgr_keys__a_device_that_forgot_its_keys_is_told_from_others),
        CASE(test_secmgr_keys__only_old_keys_are_due),
        CASE(test_secmgr_keys__two_managers_rotate_at_once),
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
