/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_tamper.c - every command there is, signed and good, is changed on its way
 *
 * The commands come from the table of the wire room, each on a unit where it would be carried out:
 * it is, when nothing was changed. Under CMDRSP and ALLDATA every bit of the CDB is covered; under
 * CAPKEY the capability and its value, bytes 80 to 179 (OSD-1: 160 on) or 215, and no others. A
 * continuation segment is covered whole by each of them. The same commands are tried without each
 * permission that they need.
 */
#include "dump.h"
#include "interpreter/device.h"
#include "security/grants.h"
#include "signed.h"

#define TRACKED  (RIG_CID + 1)
#define HOLLOW   (RIG_CID + 2) /* without members */
#define EMPTY    (RIG_PID + 1) /* partitions: without objects, */
#define SNAPSHOT (RIG_PID + 2) /* made of RIG_PID */
#define CLONE    (RIG_PID + 3)
#define SEGMENT  40  /* first descriptor of a continuation segment */
#define INFO     512 /* of Data-Out, under ALLDATA */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 11 /* of the bits, or it takes minutes */
#else
#define STRIDE 1
#endif

#define ICV_LEN(g) ((g) == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN)
#define ICV_AT(g)  ((g) == OSD_GEN1 ? 160u : 184u)

/* A unit, and the keys of its partitions by which commands are judged. */
struct scene {
    struct rig rig;
    struct keys keys, device, clone;
};

static void duplicate(struct rig *rig, enum osd_op op, uint64_t pid)
{
    struct osd_cdb c = rig_cmd(op, OSD_GEN2, pid, 0);

    c.start = RIG_PID;
    rig->out_len = rig->in_len = 0;
    rig_good(rig, &c);
}

static void open_scene(struct scene *s)
{
    struct rig *rig = &s->rig;

    signed_furnish(rig, &s->keys);
    rig_collection(rig, RIG_PID, RIG_CID);
    rig_join(rig, RIG_OID, 1, RIG_CID);
    rig_tracking(rig, RIG_PID, TRACKED, RIG_CID);
    rig_collection(rig, RIG_PID, HOLLOW);
    rig_partition(rig, EMPTY);
    duplicate(rig, OSD_OP_CREATE_SNAPSHOT, SNAPSHOT);
    duplicate(rig, OSD_OP_CREATE_CLONE, CLONE);
    s->device = s->clone = s->keys;
    signed_keys_below(rig, OSD_GEN2, 0, &s->device);
    signed_keys_below(rig, OSD_GEN2, CLONE, &s->clone);
}

/* What everything asks for from now on, set behind the device's back. */
static void demand(struct rig *rig, uint8_t method)
{
    static const uint64_t pids[] = {0, RIG_PID, CLONE};

    for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
        const struct store_id id = {pids[i], 0};
        struct store_txn *t;
        assert_int_equal(rig->store->ops->begin(rig->store, id, STORE_EXCLUSIVE, &t), OSD_OK);
        assert_int_equal(rig->store->ops->set_attr(t, id, pids[i] ? P5 : R5, 1, &method, 1),
                         OSD_OK);
        assert_int_equal(rig->store->ops->commit(t, 0), OSD_OK);
    }
    assert_int_equal(device_note_secured(rig->dev), OSD_OK);
    trusted_expire(&rig->dev->trusted);
}

/* ---- good commands ---- */

/* What a command needs besides its object; len of Data-Out, behind a continuation segment. */
struct needs {
    uint8_t type; /* of what it addresses */
    uint64_t pid, oid, start, length;
    uint16_t descriptor; /* in the continuation segment, 0: there is none */
    size_t out;
};

#define USER(...)                                                                              \
    {                                                                                          \
        OSD_TYPE_USER, RIG_PID, RIG_OID, __VA_ARGS__                                           \
    }
#define NEW_USER(...)                                                                          \
    {                                                                                          \
        OSD_TYPE_USER, RIG_PID, RIG_OID + 1, __VA_ARGS__                                       \
    }
#define LINKED(...)                                                                            \
    {                                                                                          \
        OSD_TYPE_COLLECTION, RIG_PID, RIG_CID, __VA_ARGS__                                     \
    }
#define TRACKING(...)                                                                          \
    {                                                                                          \
        OSD_TYPE_COLLECTION, RIG_PID, TRACKED, __VA_ARGS__                                     \
    }
#define NEW_LINKED(...)                                                                        \
    {                                                                                          \
        OSD_TYPE_COLLECTION, RIG_PID, RIG_CID + 9, __VA_ARGS__                                 \
    }
#define ROOT(...)                                                                              \
    {                                                                                          \
        OSD_TYPE_ROOT, 0, 0, __VA_ARGS__                                                       \
    }
#define PART(pid, ...)                                                                         \
    {                                                                                          \
        OSD_TYPE_PARTITION, pid, 0, __VA_ARGS__                                                \
    }

static const struct needs all[OSD_OP_MAX] = {
    [OSD_OP_APPEND] = USER(0, 4, 0, 4),
    [OSD_OP_CLEAR] = USER(0, 2, 0, 0),
    [OSD_OP_COPY_USER_OBJECTS] = NEW_USER(0, 0, 0x0101, 0),
    [OSD_OP_CREATE] = NEW_USER(0, 0, 0, 0),
    [OSD_OP_CREATE_AND_WRITE] = NEW_USER(0, 4, 0, 4),
    [OSD_OP_CREATE_CLONE] = PART(RIG_PID + 9, RIG_PID, 0, 0, 0),
    [OSD_OP_CREATE_COLLECTION] = NEW_LINKED(0, 0, 0, 0),
    [OSD_OP_CREATE_PARTITION] = PART(RIG_PID + 9, 0, 0, 0, 0),
    [OSD_OP_CREATE_SNAPSHOT] = PART(RIG_PID + 9, RIG_PID, 0, 0, 0),
    [OSD_OP_CREATE_USER_TRACKING_COLLECTION] = NEW_LINKED(RIG_CID, 0, 0, 0),
    [OSD_OP_DETACH_CLONE] = PART(CLONE, 0, 0, 0, 0),
    [OSD_OP_FLUSH] = USER(0, 0, 0, 0),
    [OSD_OP_FLUSH_COLLECTION] = LINKED(0, 0, 0, 0),
    [OSD_OP_FLUSH_OSD] = ROOT(0, 0, 0, 0),
    [OSD_OP_FLUSH_PARTITION] = PART(RIG_PID, 0, 0, 0, 0),
    [OSD_OP_FORMAT_OSD] = ROOT(0, 0, 0, 0),
    [OSD_OP_GET_ATTRIBUTES] = USER(0, 0, 0, 0),
    [OSD_OP_GET_MEMBER_ATTRIBUTES] = TRACKING(0, 0, 0, 0),
    [OSD_OP_LIST] = PART(RIG_PID, 0, 64, 0, 0),
    [OSD_OP_LIST_COLLECTION] = LINKED(0, 64, 0, 0),
    [OSD_OP_OBJECT_STRUCTURE_CHECK] = PART(RIG_PID, 0, 0, 0, 0),
    [OSD_OP_PERFORM_SCSI_COMMAND] = ROOT(0, 0, 0, 0), /* TEST UNIT READY */
    [OSD_OP_PERFORM_TASK_MANAGEMENT] = ROOT(0, 0, 0, 0),
    [OSD_OP_PUNCH] = USER(0, 1, 0, 0),
    [OSD_OP_QUERY] = TRACKING(0, 64, 0x0002, 0),
    [OSD_OP_READ] = USER(0, 4, 0x0001, 0),
    [OSD_OP_READ_MAP] = USER(0, 64, 0, 0),
    [OSD_OP_READ_MAPS_AND_COMPARE] = USER(0, 64, 0x0100, 0),
    [OSD_OP_REFRESH_SNAPSHOT_OR_CLONE] = PART(CLONE, 0, 0, 0, 0),
    [OSD_OP_REMOVE] = USER(0, 0, 0, 0),
    [OSD_OP_REMOVE_COLLECTION] = {OSD_TYPE_COLLECTION, RIG_PID, HOLLOW},
    [OSD_OP_REMOVE_MEMBER_OBJECTS] = TRACKING(0, 0, 0, 0),
    [OSD_OP_REMOVE_PARTITION] = PART(EMPTY, 0, 0, 0, 0),
    [OSD_OP_RESTORE_PARTITION_FROM_SNAPSHOT] = PART(RIG_PID, SNAPSHOT, 0, 0, 0),
    [OSD_OP_SET_ATTRIBUTES] = USER(0, 0, 0, 0),
    [OSD_OP_SET_KEY] = PART(RIG_PID, 0, 0, 0, 0),
    [OSD_OP_SET_MASTER_KEY] = ROOT(0, 0, 0, 128),
    [OSD_OP_SET_MEMBER_ATTRIBUTES] = TRACKING(0, 0, 0, 0),
    [OSD_OP_WRITE] = USER(0, 4, 0x0001, 4),
};

/* The one secret that a command is judged by. */
static const uint8_t *secret_of(const struct scene *s, enum osd_op op)
{
    switch (op) {
    case OSD_OP_SET_KEY:
        return s->keys.partition[OSD_KEY_AUTHENTICATION];
    case OSD_OP_SET_MASTER_KEY:
        return s->keys.master[OSD_KEY_AUTHENTICATION];
    case OSD_OP_CREATE_PARTITION:
    case OSD_OP_REMOVE_PARTITION:
        return s->device.working;
    case OSD_OP_DETACH_CLONE:
    case OSD_OP_REFRESH_SNAPSHOT_OR_CLONE:
        return s->clone.working;
    default:
        return all[op].type == OSD_TYPE_ROOT ? s->device.working : s->keys.working;
    }
}

static struct osd_cdb command(enum osd_op op, enum osd_gen g)
{
    const struct needs *n = &all[op];
    struct osd_cdb c = rig_cmd(op, g, n->pid, n->oid);
    uint8_t type = n->type;

    c.start = n->start;
    c.length = n->length;
    rig_cap(&c, type, 0xffff);
    c.cap.key_version = VERSION;
    if (op == OSD_OP_CREATE_CLONE || op == OSD_OP_CREATE_SNAPSHOT)
        c.cap.allowed_pid = RIG_PID;
    if (op == OSD_OP_SET_KEY) {
        c.option = 3;
        c.key_version = VERSION + 1;
        memset(c.seed, 0x5e, OSD_SEED_LEN);
    }
    if (op == OSD_OP_SET_MASTER_KEY) {
        c.dh_group = OSD_DH_1024;
        c.param_len = 128;
        c.alloc_len = 132;
    }
    if (op == OSD_OP_PERFORM_TASK_MANAGEMENT)
        c.tm_function = 0x02;
    if (g == OSD_GEN2 && (op == OSD_OP_SET_ATTRIBUTES || op == OSD_OP_SET_MEMBER_ATTRIBUTES)) {
        c.attr.format = OSD_ATTR_CDB;
        c.attr.set_page = OSD_PAGE_U + 0x10000;
        c.attr.set_number = 1;
        c.attr.set_len = 4;
        memcpy(c.attr.value, "evil", 4);
    }
    return c;
}

/* ---- signed ---- */

/* One good request, and what it was made with. */
struct good {
    struct request r;
    enum osd_hmac hmac;
    uint8_t method;
    size_t segment; /* length of the continuation segment */
};

static void sign(struct good *q, const struct scene *s, const uint8_t *secret)
{
    enum osd_gen g = q->r.c.gen;
    uint8_t icv[OSD_KEY_LEN];
    struct osd_bytes cap;

    assert_int_equal(osd_cdb_encode(&q->r.c, q->r.raw, &q->r.len), OSD_OK);
    cap = (struct osd_bytes){q->r.raw + OSD_CAPABILITY_AT,
                             g == OSD_GEN1 ? OSD1_CAPABILITY_LEN : OSD2_CAPABILITY_LEN};
    assert_int_equal(
        osd_capability_key_by(q->hmac, secret, cap, s->keys.system_id, q->r.capability_key),
        OSD_OK);
    if (q->method == OSD_SEC_CAPKEY) {
        const struct osd_bytes token = {s->rig.dev->security_token, SECURITY_TOKEN_LEN};
        assert_int_equal(osd_mac_by(q->hmac, q->r.capability_key, &token, 1, icv), OSD_OK);
    } else {
        assert_int_equal(osd_request_icv_by(q->hmac, q->r.capability_key, g, q->r.raw, icv),
                         OSD_OK);
    }
    osd_icv_put(icv, q->r.raw + ICV_AT(g), ICV_LEN(g));
}

/* A descriptor of the continuation segment at rig.out + at; returns where the next one goes. */
static size_t describe(struct scene *s, size_t at, const struct good *q)
{
    uint16_t type = all[q->r.c.op].descriptor;
    uint8_t *p = s->rig.out + at + 8;
    uint32_t len = 16, pad = 0;

    if (type == 0x0001) { /* all bytes, where they belong */
        be64_put(p + 8, q->r.c.length);
    } else if (type == 0x0002) { /* every member */
        len = pad = 4;
    } else { /* the object that is copied or compared with */
        len = type == 0x0101 ? 20 : 16;
        pad = -len & 7;
        be64_put(p, RIG_PID);
        be64_put(p + 8, RIG_OID);
    }
    be16_put(s->rig.out + at, type);
    s->rig.out[at + 3] = (uint8_t)pad;
    be32_put(s->rig.out + at + 4, len);
    return at + 8 + len + pad;
}

/* The capability of the second object; its key goes into that of the segment. */
static size_t extend(struct scene *s, size_t at, const struct good *q, uint8_t key[OSD_KEY_LEN])
{
    struct osd_cdb read = rig_cmd(OSD_OP_READ, OSD_GEN2, RIG_PID, RIG_OID);
    const struct osd_bytes before = {key, OSD_KEY_LEN};
    uint8_t raw[OSD_CDB_MAX], own[OSD_KEY_LEN];
    size_t len;

    rig_cap(&read, OSD_TYPE_USER, OSD_PERM_READ | OSD_PERM_GET_ATTR);
    read.cap.method = q->method;
    read.cap.icv_algorithm = q->r.c.cap.icv_algorithm;
    read.cap.key_version = VERSION;
    assert_int_equal(osd_cdb_encode(&read, raw, &len), OSD_OK);
    be16_put(s->rig.out + at, 0xffee);
    be32_put(s->rig.out + at + 4, OSD2_CAPABILITY_LEN);
    memcpy(s->rig.out + at + 8, raw + OSD_CAPABILITY_AT, OSD2_CAPABILITY_LEN);
    const struct osd_bytes cap = {s->rig.out + at + 8, OSD2_CAPABILITY_LEN};
    assert_int_equal(
        osd_capability_key_by(q->hmac, s->keys.working, cap, s->keys.system_id, own), OSD_OK);
    assert_int_equal(osd_mac_by(q->hmac, own, &before, 1, key), OSD_OK);
    return at + 8 + OSD2_CAPABILITY_LEN;
}

/* Length of the segment without its value. */
static size_t make_segment(struct scene *s, const struct good *q, uint8_t key[OSD_KEY_LEN])
{
    uint16_t type = all[q->r.c.op].descriptor;
    uint8_t *p = s->rig.out;
    size_t len;

    if (!type || q->r.c.gen == OSD_GEN1)
        return 0;
    p[0] = 1;
    be16_put(p + 2, osd_op_info(q->r.c.op)->action[OSD_GEN2]);
    len = describe(s, SEGMENT, q);
    return type >= 0x0100 ? extend(s, len, q, key) : len;
}

/* Data-Out begins with the segment; its integrity information under ALLDATA is at INFO. */
static void add_info(struct scene *s, struct good *q)
{
    const struct needs *n = &all[q->r.c.op];
    uint8_t *info = s->rig.out + INFO, icv[OSD_KEY_LEN];

    be64_put(info, n->out);
    const struct osd_bytes pieces[] = {{s->rig.out + q->segment, n->out}, {info, 24}};
    assert_int_equal(osd_mac_by(q->hmac, q->r.capability_key, pieces, 2, icv), OSD_OK);
    osd_icv_put(icv, info + 24, ICV_LEN(q->r.c.gen));
    s->rig.out_len = INFO + 24 + ICV_LEN(q->r.c.gen);
}

static struct good sign_good(struct scene *s, struct osd_cdb c, uint8_t method,
                             enum osd_hmac hmac)
{
    struct good q = {.r = {.c = c}, .hmac = hmac, .method = method};
    const uint8_t *secret = secret_of(s, c.op);
    enum osd_op op = c.op;
    uint8_t key[OSD_KEY_LEN], icv[OSD_KEY_LEN];

    memset(s->rig.out, 0, 1024);
    q.r.c.cap.method = method;
    q.r.c.cap.icv_algorithm =
        hmac == OSD_HMAC_SHA256 ? OSD_HMAC_INDEX_SHA256 : OSD_HMAC_INDEX_SHA1;
    be48_put(q.r.c.sec.nonce, s->rig.now);
    be32_put(q.r.c.sec.nonce + 6, ++n_nonces);
    q.segment = make_segment(s, &q, key);
    q.r.c.cont_len = (uint32_t)q.segment;
    if (method == OSD_SEC_ALLDATA && all[op].out)
        q.r.c.sec.data_out_icv_off = INFO;
    sign(&q, s, secret);
    memset(s->rig.out, 0, 1024);
    memcpy(key, q.r.capability_key, OSD_KEY_LEN);
    if (make_segment(s, &q, key)) {
        const struct osd_bytes segment = {s->rig.out, q.segment};
        assert_int_equal(osd_continuation_icv_by(hmac, key, segment, icv), OSD_OK);
        osd_icv_put(icv, s->rig.out + 8, OSD_ICV2_LEN);
    }
    memset(s->rig.out + q.segment, 0x42, all[op].out);
    s->rig.out_len = q.segment + all[op].out;
    s->rig.in_len = q.r.c.alloc_len ? q.r.c.alloc_len : q.r.c.length;
    if (method == OSD_SEC_ALLDATA && all[op].out)
        add_info(s, &q);
    return q;
}

/* ---- tampered with ---- */

static bool executed(const struct rig *rig)
{
    return rig->r.status != SAM_CHECK_CONDITION || rig->sense.key == SENSE_RECOVERED;
}

static void try_bits(struct scene *s, const struct good *q, uint8_t *at, size_t first,
                     size_t end, const char *where)
{
    for (size_t bit = 8 * first + n_nonces % STRIDE; bit < 8 * end; bit += STRIDE) {
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        signed_run(&s->rig, &q->r);
        if (executed(&s->rig))
            fail_msg("OSD-%d %s, method %d, algorithm %02x: %s byte %zu bit %zu",
                     (int)q->r.c.gen, osd_op_info(q->r.c.op)->name, q->method,
                     (unsigned)q->hmac, where, bit / 8, bit % 8);
        at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Nothing that was changed is carried out, and nothing has changed; what was not changed is. */
static void tamper(enum osd_op op, enum osd_gen g, uint8_t method, enum osd_hmac hmac)
{
    size_t first = method == OSD_SEC_CAPKEY ? OSD_CAPABILITY_AT : 0;
    char *before, *after;
    struct scene s;
    struct good q;

    open_scene(&s);
    demand(&s.rig, method);
    q = sign_good(&s, command(op, g), method, hmac);
    before = store_dump(s.rig.store, STORE_DUMP_TIMES);
    try_bits(&s, &q, q.r.raw, first,
             method == OSD_SEC_CAPKEY ? ICV_AT(g) + ICV_LEN(g) : q.r.len, "CDB");
    try_bits(&s, &q, s.rig.out, 0, q.segment, "continuation");
    after = store_dump(s.rig.store, STORE_DUMP_TIMES);
    assert_string_equal(before, after);
    free(before);
    free(after);
    signed_run(&s.rig, &q.r);
    if (s.rig.r.status != SAM_GOOD)
        print_message("OSD-%d %s, method %d\n", (int)g, osd_op_info(op)->name, method);
    expect_good(&s.rig);
    rig_close(&s.rig);
}

/* SET KEY and SET MASTER KEY are refused under CAPKEY. */
static bool is_offered(enum osd_op op, enum osd_gen g, uint8_t method)
{
    bool keys = op == OSD_OP_SET_KEY || op == OSD_OP_SET_MASTER_KEY;

    return osd_op_info(op)->action[g] && !(keys && method == OSD_SEC_CAPKEY);
}

static void tamper_with_all(uint8_t method, enum osd_hmac hmac)
{
    for (BOTH(g))
        for (int op = 1; op < OSD_OP_MAX; op++)
            if (is_offered((enum osd_op)op, g, method))
                tamper((enum osd_op)op, g, method, hmac);
}

static void test_interpreter_tamper__no_flipped_bit_is_executed_under_capkey(void **state)
{
    (void)state;
    tamper_with_all(OSD_SEC_CAPKEY, OSD_HMAC_SHA1);
    tamper_with_all(OSD_SEC_CAPKEY, OSD_HMAC_SHA256);
}

static void test_interpreter_tamper__no_flipped_bit_is_executed_under_cmdrsp(void **state)
{
    (void)state;
    tamper_with_all(OSD_SEC_CMDRSP, OSD_HMAC_SHA1);
    tamper_with_all(OSD_SEC_CMDRSP, OSD_HMAC_SHA256);
}

static void test_interpreter_tamper__no_flipped_bit_is_executed_under_alldata(void **state)
{
    (void)state;
    tamper_with_all(OSD_SEC_ALLDATA, OSD_HMAC_SHA1);
    tamper_with_all(OSD_SEC_ALLDATA, OSD_HMAC_SHA256);
}

/* ---- without a permission ---- */

static void refuse(struct scene *s, struct osd_cdb c, uint16_t without)
{
    char *before = store_dump(s->rig.store, STORE_DUMP_TIMES), *after;
    struct good q;

    c.cap.permissions = (uint16_t)(0xffff & ~without);
    q = sign_good(s, c, OSD_SEC_CMDRSP, OSD_HMAC_SHA1);
    signed_run(&s->rig, &q.r);
    if (s->rig.r.status != SAM_CHECK_CONDITION || s->rig.sense.field != 129)
        print_message("OSD-%d %s without %04x\n", (int)c.gen, osd_op_info(c.op)->name, without);
    expect_cdb(&s->rig, 129);
    expect_signed(&s->rig, &q.r);
    after = store_dump(s->rig.store, STORE_DUMP_TIMES);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* Each command that is offered, without each permission that it needs: refused at byte 129, and
 * nothing has happened. */
static void test_interpreter_tamper__every_missing_permission_is_missed(void **state)
{
    struct scene s;

    (void)state;
    open_scene(&s);
    for (BOTH(g))
        for (int op = 1; op < OSD_OP_MAX; op++) {
            struct osd_cdb c;
            unsigned tried = 0;
            if (!osd_op_info((enum osd_op)op)->action[g])
                continue;
            c = command((enum osd_op)op, g);
            for (uint16_t bit = 0x8000; bit; bit >>= 1) {
                if (!(osd_grant_permissions(&c) & bit))
                    continue;
                refuse(&s, c, bit | osd_grant_of(c.op)->alternative);
                tried++;
            }
            assert_true(tried > 0); /* every command there is needs something */
        }
    rig_close(&s.rig);
}

/* An attribute that is set on the way needs a permission of its own, whatever the command. */
static void test_interpreter_tamper__no_command_sets_without_permission(void **state)
{
    struct scene s;

    (void)state;
    open_scene(&s);
    for (int op = 1; op < OSD_OP_MAX; op++) {
        static const uint32_t pages[] = {[OSD_TYPE_ROOT] = OSD_PAGE_R,
                                         [OSD_TYPE_PARTITION] = OSD_PAGE_P,
                                         [OSD_TYPE_COLLECTION] = OSD_PAGE_C,
                                         [OSD_TYPE_USER] = OSD_PAGE_U};
        struct osd_cdb c = command((enum osd_op)op, OSD_GEN2);
        uint32_t base = pages[all[op].type];
        if (op == OSD_OP_SET_MEMBER_ATTRIBUTES)
            base = OSD_PAGE_U;
        c.attr.format = OSD_ATTR_CDB;
        c.attr.set_number = 1;
        c.attr.set_len = 4;
        c.attr.set_page = base + 0x10000;
        refuse(&s, c, OSD_PERM_SET_ATTR);
        c.attr.set_page = base + OSD_PG_SECURITY;
        c.attr.set_number = 0x40000001;
        refuse(&s, c, OSD_PERM_POL_SEC);
    }
    rig_close(&s.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreter_tamper__no_flipped_bit_is_executed_under_capkey),
        cmocka_unit_test(test_interpreter_tamper__no_flipped_bit_is_executed_under_cmdrsp),
        cmocka_unit_test(test_interpreter_tamper__no_flipped_bit_is_executed_under_alldata),
        cmocka_unit_test(test_interpreter_tamper__every_missing_permission_is_missed),
        cmocka_unit_test(test_interpreter_tamper__no_command_sets_without_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
