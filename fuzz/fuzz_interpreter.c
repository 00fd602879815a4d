/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_interpreter.c - any CDB and any data against a logical unit on the memory store
 *
 * The input is a series of commands: flags, CDB length, Data-Out length (16 bits), Data-In
 * length (16 bits), CDB, Data-Out. Holds after every command: the response is filled, sense
 * decodes, no poison is left in Data-In and everything behind in_len is zero. At the end the
 * store's own check finds nothing.
 * With FLAG_SIGN, in the first command as well, a command that decodes gets a capability for what
 * it addresses and is signed by CMDRSP or ALLDATA with keys that the device has, continuation
 * segment and Data-Out included, so that what is behind the checks of a signed command is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/log.h"
#include "interpreter/interpreter.h"
#include "security/grants.h"
#include "security/icv.h"
#include "wire/cdb.h"
#include "wire/sense.h"
#include "wire/spc.h"

#define POISON       0xa5
#define POISON_RUN   12 /* bytes in a row that no answer has by chance */
#define MAX_COMMANDS 16
#define MAX_IN       20000

enum {
    FLAG_FRAME = 1,
    FLAG_NO_CAPABILITY = 2,
    FLAG_SHARED = 4,
    FLAG_KNOWN_OBJECT = 8,
    FLAG_CONTINUATION = 16,
    FLAG_SIGN = 32
};

#define OBJECT     (OSD_ID_FIRST + 5)
#define COLLECTION (OSD_ID_FIRST + 0x100)
#define TRACKING   (OSD_ID_FIRST + 0x101)

static uint64_t fixed_now(void *arg)
{
    (void)arg;
    return 0x019b76daa800;
}

static const struct osd_clock fixed = {.now_ms = fixed_now};

static void quiet(enum osd_log_level level, const char *line)
{
    (void)level, (void)line;
}

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_in(const struct osd_response *r, const uint8_t *in, size_t len)
{
    size_t run = 0;

    require(r->in_len <= len);
    for (size_t i = 0; i < len; i++) {
        run = in[i] == POISON ? run + 1 : 0;
        require(run < POISON_RUN);
        require(i < r->in_len || in[i] == 0);
    }
}

static void check_response(const struct osd_response *r)
{
    struct osd_sense s;

    require(r->status == SAM_GOOD || r->status == SAM_CHECK_CONDITION || r->status == SAM_BUSY);
    require(r->sense_len <= OSD_SENSE_MAX);
    require((r->sense_len > 0) == (r->status == SAM_CHECK_CONDITION));
    if (r->sense_len > 0)
        require(osd_sense_decode(r->sense, r->sense_len, &s) == OSD_OK);
}

static uint8_t run(struct osd_device *dev, const uint8_t *cdb, size_t cdb_len, uint8_t *out,
                   size_t out_len, size_t in_len, int shared)
{
    uint8_t *in = malloc(in_len + 1);
    struct iovec vo = {out, out_len};
    struct iovec vi[2] = {{in, in_len / 3}, {in + in_len / 3, in_len - in_len / 3}};
    struct osd_request req = {.cdb = cdb,
                              .cdb_len = cdb_len,
                              .out = osd_iov_make(&vo, 1),
                              .in = osd_iov_make(vi, 2),
                              .shared_buffer = shared};
    struct osd_response r;
    struct osd_scope scope;

    require(in != NULL);
    memset(in, POISON, in_len + 1);
    memset(&r, 0xee, sizeof(r));
    if (shared)
        req.in = req.out;
    osd_device_weigh(dev, cdb, cdb_len, &scope);
    osd_device_execute(dev, &req, &r);
    osd_device_settle(dev);
    check_response(&r);
    if (!shared)
        check_in(&r, in, in_len);
    free(in);
    return r.status;
}

/* Make it likely that a CDB is one: frame, capability, ids. */
static void shape(uint8_t *cdb, size_t len, unsigned flags)
{
    static const uint64_t known[] = {0, OBJECT, COLLECTION, TRACKING};
    bool v2;

    if (len < OSD1_CDB_LEN)
        return;
    v2 = cdb[9] & 0x80;
    if (be16_get(cdb + 8) == (v2 ? 0x8882 : 0x8802)) /* at most 255 objects at once */
        cdb[v2 ? 32 : 36] = 0;
    if (flags & FLAG_FRAME) {
        cdb[0] = OSD_OPCODE;
        cdb[7] = v2 ? OSD2_CDB_LEN - 8 : OSD1_CDB_LEN - 8;
    }
    if (flags & FLAG_NO_CAPABILITY)
        cdb[OSD_CAPABILITY_AT] = 0;
    if (flags & FLAG_KNOWN_OBJECT) {
        be64_put(cdb + 16, OSD_ID_FIRST);
        be64_put(cdb + 24, known[cdb[31] & 3]);
    }
}

/* Give a continuation segment its head. */
static void shape_out(const uint8_t *cdb, size_t cdb_len, uint8_t *out, size_t out_len)
{
    if (cdb_len < OSD2_CDB_LEN || out_len < 40)
        return;
    memset(out, 0, 40);
    out[0] = 1;
    memcpy(out + 2, cdb + 8, 2);
}

/* What the device has: [0] partition zero, [1] the partition that is furnished. */
static struct {
    uint8_t master[2][OSD_KEY_LEN], root[2][OSD_KEY_LEN];
    uint8_t partition[2][2][OSD_KEY_LEN], working[2][OSD_KEY_LEN];
    uint8_t system_id[OSD_SYSTEM_ID_LEN];
    uint32_t nonces;
    bool given;
} keys;

static osd_status first_key(void *arg, uint8_t ret_key[40])
{
    (void)arg;
    memset(ret_key, 'g', OSD_KEY_LEN);
    memset(ret_key + OSD_KEY_LEN, 'a', OSD_KEY_LEN);
    memcpy(keys.master[OSD_KEY_GENERATION], ret_key, OSD_KEY_LEN);
    memcpy(keys.master[OSD_KEY_AUTHENTICATION], ret_key + OSD_KEY_LEN, OSD_KEY_LEN);
    return OSD_OK;
}

static struct osd_device *open_device(struct osd_store **ret)
{
    struct store_config cfg = {.create = true, .capacity = 1 << 24, .clock = &fixed};
    struct osd_device_config dc = {.clock = &fixed, .serial = "fuzz", .first_key = first_key};
    struct osd_device *dev;

    require(store_memory_open(&cfg, &dc.store, NULL, 0) == OSD_OK);
    require(osd_device_open(&dc, &dev) == OSD_OK);
    *ret = dc.store;
    return dev;
}

static void make(struct osd_device *dev, enum osd_op op, uint64_t oid, uint64_t start)
{
    struct osd_cdb c = {.op = op,
                        .gen = OSD_GEN2,
                        .pid = OSD_ID_FIRST,
                        .oid = oid,
                        .start = start,
                        .attr = {.format = OSD_ATTR_PAGE}};
    uint8_t cdb[OSD_CDB_MAX], data[8] = {1, 2, 3};
    size_t len;

    if (op == OSD_OP_CREATE_AND_WRITE)
        c.length = sizeof(data);
    if (op == OSD_OP_SET_ATTRIBUTES) { /* a member of the collection */
        be64_put(data, COLLECTION);
        c.start = 0;
        c.attr.set_page = 4;
        c.attr.set_number = 1;
        c.attr.set_len = sizeof(data);
    }
    require(osd_cdb_encode(&c, cdb, &len) == OSD_OK);
    run(dev, cdb, len, data, sizeof(data), 0, 0);
}

/* A partition with an object of eight bytes in a linked and in a tracking collection. */
static void furnish(struct osd_device *dev)
{
    make(dev, OSD_OP_CREATE_PARTITION, 0, 0);
    make(dev, OSD_OP_CREATE_AND_WRITE, OBJECT, 0);
    make(dev, OSD_OP_CREATE_COLLECTION, COLLECTION, 0);
    make(dev, OSD_OP_SET_ATTRIBUTES, OBJECT, 0);
    make(dev, OSD_OP_CREATE_USER_TRACKING_COLLECTION, TRACKING, COLLECTION);
}

/* ---- signed commands ---- */

#define OUT_COUNTS      24
#define SIGNED_OUT_ROOM (2 * 65536u)

static void derive(uint8_t key[2][OSD_KEY_LEN], uint8_t parent[2][OSD_KEY_LEN], uint8_t fill)
{
    uint8_t seed[OSD_SEED_LEN];

    memset(seed, fill, sizeof(seed));
    for (int part = 0; part < 2; part++)
        require(osd_key_derive(parent[OSD_KEY_GENERATION],
                               (struct osd_bytes){seed, sizeof(seed)}, (enum osd_key_part)part,
                               key[part]) == OSD_OK);
}

static const uint8_t *secret_of(const struct osd_cdb *c)
{
    bool device = c->op == OSD_OP_CREATE_PARTITION || c->op == OSD_OP_REMOVE_PARTITION ||
                  osd_grant_of(c->op)->type == OSD_TYPE_ROOT;
    int which = !device && c->pid != 0;

    if (c->op == OSD_OP_SET_MASTER_KEY || (c->op == OSD_OP_SET_KEY && c->option == 1))
        return keys.master[OSD_KEY_AUTHENTICATION];
    if (c->op == OSD_OP_SET_KEY && c->option == 2)
        return keys.root[OSD_KEY_AUTHENTICATION];
    if (c->op == OSD_OP_SET_KEY)
        return keys.partition[which][OSD_KEY_AUTHENTICATION];
    return keys.working[which];
}

/* Everything that the command may want, for what it addresses. */
static void allow(struct osd_cdb *c, uint8_t method)
{
    static const uint8_t types[] = {OSD_TYPE_USER, OSD_TYPE_COLLECTION, OSD_TYPE_PARTITION,
                                    OSD_TYPE_ROOT};
    const struct osd_grant *g = osd_grant_of(c->op);
    bool source = c->op == OSD_OP_CREATE_SNAPSHOT || c->op == OSD_OP_CREATE_CLONE;
    uint8_t type = g->type ? g->type : types[c->cap.object_type & 3];

    c->cap =
        (struct osd_capability){.format = (uint8_t)c->gen,
                                .icv_algorithm = OSD_HMAC_INDEX_SHA1,
                                .method = method,
                                .expiration = fixed_now(NULL) + 1000,
                                .object_type = type,
                                .permissions = c->gen == OSD_GEN1 ? 0xffe0 : 0xfffc,
                                .descriptor = osd_grant_descriptor(type, c->gen == OSD_GEN1),
                                .allowed_pid = source ? c->start : c->pid,
                                .allowed_oid = c->oid};
    if (c->cap.descriptor == OSD_DESC_PAR)
        c->cap.allowed_oid = 0;
    be48_put(c->sec.nonce, fixed_now(NULL));
    be32_put(c->sec.nonce + 6, ++keys.nonces);
}

/* A range of Data-Out, or nothing where it does not fit. */
static struct osd_bytes piece(const uint8_t *out, size_t out_len, uint64_t off, uint64_t len)
{
    bool fits = off <= out_len && len <= out_len - off;

    return fits ? (struct osd_bytes){out + off, len} : (struct osd_bytes){out, 0};
}

/* The integrity information of ALLDATA, behind everything else. Returns the length of Data-Out. */
static size_t sign_data(struct osd_cdb *c, const uint8_t key[OSD_KEY_LEN], uint8_t *out,
                        size_t out_len)
{
    const struct osd_attr_params *a = &c->attr;
    bool data = osd_op_info(c->op)->data_out, list = a->format == OSD_ATTR_LIST;
    bool set = list || (a->format == OSD_ATTR_PAGE && a->set_page);
    uint64_t at = osd_offset_align(out_len, c->gen);
    size_t field = c->gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN;
    uint8_t icv[OSD_KEY_LEN], *info = out + at;

    if (at + OUT_COUNTS + field > SIGNED_OUT_ROOM)
        return out_len;
    memset(out + out_len, 0, at - out_len + OUT_COUNTS + field);
    struct osd_bytes pieces[] = {
        piece(out, out_len, c->cont_len, data ? c->length : 0),
        piece(out, out_len, a->set_off, set ? a->set_len : 0),
        piece(out, out_len, a->get_list_off, list ? a->get_list_len : 0),
        {info, OUT_COUNTS}};
    for (size_t i = 0; i < 3; i++)
        be64_put(info + 8 * i, pieces[i].len);
    require(osd_mac(key, pieces, 4, icv) == OSD_OK);
    osd_icv_put(icv, info + OUT_COUNTS, field);
    c->sec.data_out_icv_off = at;
    return at + OUT_COUNTS + field;
}

/* Sign a command in place, where it is one. Returns the length of Data-Out. */
static size_t sign(uint8_t cdb[OSD_CDB_MAX], size_t *cdb_len, uint8_t *out, size_t out_len)
{
    uint8_t raw[OSD_CDB_MAX], key[OSD_KEY_LEN], icv[OSD_KEY_LEN];
    struct osd_wire_error err;
    struct osd_cdb c;
    size_t len;

    if (osd_cdb_decode(cdb, *cdb_len, &c, &err) || !osd_grant_of(c.op))
        return out_len;
    allow(&c, cdb[OSD_CAPABILITY_AT + 2] & 1 ? OSD_SEC_ALLDATA : OSD_SEC_CMDRSP);
    if (osd_cdb_encode(&c, raw, &len))
        return out_len;
    require(osd_capability_key(secret_of(&c),
                               (struct osd_bytes){raw + OSD_CAPABILITY_AT,
                                                  c.gen == OSD_GEN1 ? OSD1_CAPABILITY_LEN
                                                                    : OSD2_CAPABILITY_LEN},
                               keys.system_id, key) == OSD_OK);
    if (c.cont_len >= 40 && c.cont_len <= out_len) {
        require(osd_continuation_icv(key, (struct osd_bytes){out, c.cont_len}, icv) == OSD_OK);
        osd_icv_put(icv, out + 8, OSD_ICV2_LEN);
    }
    if (c.cap.method == OSD_SEC_ALLDATA)
        out_len = sign_data(&c, key, out, out_len);
    if (osd_cdb_encode(&c, raw, &len) == OSD_OK &&
        osd_request_icv(key, c.gen, raw, icv) == OSD_OK) {
        osd_icv_put(icv, raw + (c.gen == OSD_GEN1 ? 160 : 184),
                    c.gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN);
        memcpy(cdb, raw, len);
        *cdb_len = len;
    }
    return out_len;
}

static void set_key(struct osd_device *dev, uint8_t which, uint64_t pid, uint8_t fill)
{
    struct osd_cdb c = {.op = OSD_OP_SET_KEY,
                        .gen = OSD_GEN2,
                        .pid = pid,
                        .option = which,
                        .attr = {.format = OSD_ATTR_PAGE},
                        .cap = {.object_type = which == 1 ? 3 : 2}};
    uint8_t cdb[OSD_CDB_MAX], out[1];
    size_t len;

    memset(c.seed, fill, sizeof(c.seed));
    require(osd_cdb_encode(&c, cdb, &len) == OSD_OK);
    sign(cdb, &len, out, 0);
    require(run(dev, cdb, len, out, 0, 0, 0) == SAM_GOOD);
}

/* Root key, and for partition zero and the furnished one partition key and working key 0. */
static void give_keys(struct osd_device *dev)
{
    uint8_t page[256] = {0}, inquiry[6] = {SPC_INQUIRY, 1, 0x83, 0, 255, 0},
            both[2][OSD_KEY_LEN];
    struct iovec v = {page, sizeof(page)}, none = {page, 0};
    struct osd_request req = {
        .cdb = inquiry, .cdb_len = 6, .out = osd_iov_make(&none, 1), .in = osd_iov_make(&v, 1)};
    struct osd_response r;

    osd_device_execute(dev, &req, &r);
    osd_device_settle(dev);
    require(osd_system_id_of_page(page, r.in_len, keys.system_id));
    keys.nonces = 0;
    keys.given = true;
    set_key(dev, 1, 0, 1);
    derive(keys.root, keys.master, 1);
    for (uint8_t i = 0; i < 2; i++) {
        uint64_t pid = i * OSD_ID_FIRST;
        set_key(dev, 2, pid, 2 + i);
        derive(keys.partition[i], keys.root, 2 + i);
        set_key(dev, 3, pid, 4 + i);
        derive(both, keys.partition[i], 4 + i);
        memcpy(keys.working[i], both[OSD_KEY_AUTHENTICATION], OSD_KEY_LEN);
    }
}

/* One command off the input; returns the bytes it took. */
static size_t step(struct osd_device *dev, const uint8_t *data, size_t size)
{
    size_t cdb_len = data[1], out_len = be16_get(data + 2), in_len = be16_get(data + 4), used;
    uint8_t *cdb, *out;

    cdb_len = cdb_len < size - 6 ? cdb_len : size - 6;
    used = 6 + cdb_len;
    out_len = out_len < size - used ? out_len : size - used;
    cdb = malloc(data[0] & FLAG_SIGN ? OSD_CDB_MAX + cdb_len : cdb_len + 1);
    out = malloc(data[0] & FLAG_SIGN ? SIGNED_OUT_ROOM : out_len + 1);
    require(cdb && out);
    memcpy(cdb, data + 6, cdb_len);
    memcpy(out, data + used, out_len);
    for (size_t i = 0; i < out_len; i++)
        out[i] ^= out[i] == POISON;
    shape(cdb, cdb_len, data[0]);
    if (data[0] & FLAG_CONTINUATION)
        shape_out(cdb, cdb_len, out, out_len);
    used += out_len;
    if (data[0] & FLAG_SIGN && keys.given)
        out_len = sign(cdb, &cdb_len, out, out_len);
    run(dev, cdb, cdb_len, out, out_len, in_len % MAX_IN, data[0] & FLAG_SHARED);
    free(cdb);
    free(out);
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_check_result result;
    struct osd_store *store;
    struct osd_device *dev;

    osd_log_set_sink(quiet);
    dev = open_device(&store);
    furnish(dev);
    keys.given = false; /* nonces take memory: only where the first command says so */
    if (size > 6 && data[0] & FLAG_SIGN)
        give_keys(dev);
    for (int i = 0; i < MAX_COMMANDS && size > 6; i++) {
        size_t used = step(dev, data, size);
        data += used;
        size -= used;
    }
    require(store->ops->check(store, false, NULL, NULL, &result) == OSD_OK);
    require(result.findings == 0);
    osd_device_close(dev);
    return 0;
}
