/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_interpreter.c - any CDB and any data against a logical unit on the memory store
 *
 * The input is a series of commands: flags, CDB length, Data-Out length (16 bits), Data-In
 * length (16 bits), CDB, Data-Out. Holds after every command: the response is filled, sense
 * decodes, no poison is left in Data-In and everything behind in_len is zero. At the end the
 * store's own check finds nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/log.h"
#include "interpreter/interpreter.h"
#include "wire/cdb.h"
#include "wire/sense.h"

#define POISON       0xa5
#define POISON_RUN   12 /* bytes in a row that no answer has by chance */
#define MAX_COMMANDS 16
#define MAX_IN       20000

enum {
    FLAG_FRAME = 1,
    FLAG_NO_CAPABILITY = 2,
    FLAG_SHARED = 4,
    FLAG_KNOWN_OBJECT = 8,
    FLAG_CONTINUATION = 16
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

static void run(struct osd_device *dev, const uint8_t *cdb, size_t cdb_len, uint8_t *out,
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
    check_response(&r);
    if (!shared)
        check_in(&r, in, in_len);
    free(in);
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

static struct osd_device *open_device(struct osd_store **ret)
{
    struct store_config cfg = {.create = true, .capacity = 1 << 24, .clock = &fixed};
    struct osd_device_config dc = {.clock = &fixed, .serial = "fuzz"};
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

/* One command off the input; returns the bytes it took. */
static size_t step(struct osd_device *dev, const uint8_t *data, size_t size)
{
    size_t cdb_len = data[1], out_len = be16_get(data + 2), in_len = be16_get(data + 4), used;
    uint8_t *cdb, *out;

    cdb_len = cdb_len < size - 6 ? cdb_len : size - 6;
    used = 6 + cdb_len;
    out_len = out_len < size - used ? out_len : size - used;
    cdb = malloc(cdb_len + 1);
    out = malloc(out_len + 1);
    require(cdb && out);
    memcpy(cdb, data + 6, cdb_len);
    memcpy(out, data + used, out_len);
    for (size_t i = 0; i < out_len; i++)
        out[i] ^= out[i] == POISON;
    shape(cdb, cdb_len, data[0]);
    if (data[0] & FLAG_CONTINUATION)
        shape_out(cdb, cdb_len, out, out_len);
    run(dev, cdb, cdb_len, out, out_len, in_len % MAX_IN, data[0] & FLAG_SHARED);
    free(cdb);
    free(out);
    return used + out_len;
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
