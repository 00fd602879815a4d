/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/rig.c - see rig.h
 */
#include "rig.h"

#include <ftw.h>

static uint64_t rig_now(void *arg)
{
    return __atomic_load_n(&((struct rig *)arg)->now,
                           __ATOMIC_RELAXED); /* the scrub asks, too */
}

struct osd_store *rig_store(struct rig *rig, uint64_t capacity)
{
    struct store_config cfg = {
        .path = rig->dir, .create = true, .capacity = capacity, .clock = &rig->clock};
    const char *kind = getenv("RIG_STORE"), *tmp = getenv("TMPDIR");
    bool rocksdb = kind && strcmp(kind, "rocksdb") == 0;
    struct osd_store *s;

    rig->now = RIG_NOW;
    rig->clock = (struct osd_clock){.now_ms = rig_now, .arg = rig};
    rig->dir[0] = 0;
    if (rocksdb) {
        snprintf(rig->dir, sizeof(rig->dir), "%s/interpreter-XXXXXX",
                 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
        assert_non_null(mkdtemp(rig->dir));
    }
    assert_int_equal((rocksdb ? store_rocksdb_open : store_memory_open)(&cfg, &s, NULL, 0),
                     OSD_OK);
    return s;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

void rig_open_with(struct rig *rig, struct osd_store *store, struct osd_device_config cfg)
{
    cfg.store = store;
    cfg.clock = &rig->clock;
    snprintf(cfg.serial, sizeof(cfg.serial), "rig-serial-0001");
    assert_int_equal(osd_device_open(&cfg, &rig->dev), OSD_OK);
    rig->store = store;
    rig->out = calloc(1, RIG_BUF);
    rig->in = calloc(1, RIG_BUF);
    rig->out_len = 0;
    rig->in_len = 0;
    rig->shared = false;
}

void rig_open_on(struct rig *rig, struct osd_store *store)
{
    rig_open_with(rig, store, (struct osd_device_config){0});
}

void rig_open(struct rig *rig)
{
    rig_open_on(rig, rig_store(rig, 0));
}

void rig_close(struct rig *rig)
{
    osd_device_close(rig->dev);
    if (rig->dir[0])
        nftw(rig->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(rig->out);
    free(rig->in);
}

uint8_t rig_manage(struct rig *rig, uint8_t function, uint64_t tag)
{
    struct osd_cdb c = rig_cmd(OSD_OP_PERFORM_TASK_MANAGEMENT, OSD_GEN2, 0, 0);

    c.tm_alloc_len = 8;
    c.tm_function = function;
    c.tm_tag = tag;
    rig->out_len = 0;
    rig->in_len = 8;
    rig_run(rig, &c);
    expect_good(rig);
    assert_int_equal(rig->r.in_len, 8);
    assert_int_equal(be16_get(rig->in), 6);
    return rig->in[4];
}

int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig_open(rig);
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* ---- commands ---- */

struct osd_cdb rig_cmd(enum osd_op op, enum osd_gen gen, uint64_t pid, uint64_t oid)
{
    return osd_cdb_make(op, gen, pid, oid);
}

void rig_cap(struct osd_cdb *c, uint8_t type, uint16_t perms)
{
    bool par = type == OSD_TYPE_ROOT || type == OSD_TYPE_PARTITION;
    bool col = type == OSD_TYPE_COLLECTION && c->gen == OSD_GEN2;

    c->cap = (struct osd_capability){.format = c->gen == OSD_GEN1 ? 1 : 2,
                                     .expiration = 0x020251fe2400,
                                     .object_type = type,
                                     .permissions = perms,
                                     .descriptor = par   ? OSD_DESC_PAR
                                                   : col ? OSD_DESC_COL
                                                         : OSD_DESC_USER,
                                     .allowed_pid = c->pid,
                                     .allowed_oid = par ? 0 : c->oid};
}

/* Memory of exactly the size, so that the sanitizer sees every byte too far. */
static uint8_t *exact(const uint8_t *from, size_t len)
{
    uint8_t *p = malloc(len ? len : 1);

    assert_non_null(p);
    if (from)
        memcpy(p, from, len);
    else
        memset(p, 0xa5, len ? len : 1);
    return p;
}

static void check_response(struct rig *rig)
{
    const struct osd_response *r = &rig->r;

    assert_true(r->sense_len <= OSD_SENSE_MAX);
    assert_int_equal(r->sense_len > 0, r->status == SAM_CHECK_CONDITION);
    memset(&rig->sense, 0, sizeof(rig->sense));
    if (r->sense_len > 0)
        assert_int_equal(osd_sense_decode(r->sense, r->sense_len, &rig->sense), OSD_OK);
    assert_true(r->in_len <= rig->in_len);
    if (!rig->shared)
        for (size_t i = r->in_len; i < rig->in_len; i++)
            assert_int_equal(rig->in[i], 0);
}

uint8_t rig_run_raw(struct rig *rig, const uint8_t *cdb, size_t len)
{
    uint8_t *c = exact(cdb, len), *out = exact(rig->out, rig->out_len);
    uint8_t *in = exact(NULL, rig->in_len);
    size_t half = rig->in_len / 2 + 3 < rig->in_len ? rig->in_len / 2 + 3 : 0;
    struct iovec vo[2] = {{out, rig->out_len / 3},
                          {out + rig->out_len / 3, rig->out_len - rig->out_len / 3}};
    struct iovec vi[2] = {{in, half}, {in + half, rig->in_len - half}};
    struct osd_request req = {.cdb = c,
                              .cdb_len = len,
                              .out = osd_iov_make(vo, 2),
                              .in = osd_iov_make(vi, 2),
                              .shared_buffer = rig->shared,
                              .later = rig->later};

    if (rig->shared) {
        if (rig->out_len >= rig->in_len)
            req.in = req.out;
        else
            req.out = req.in;
    }
    memset(&rig->r, 0xee, sizeof(rig->r));
    osd_device_execute(rig->dev, &req, &rig->r);
    memcpy(rig->in, in, rig->in_len);
    free(c);
    free(out);
    free(in);
    check_response(rig);
    return rig->r.status;
}

uint8_t rig_run(struct rig *rig, const struct osd_cdb *c)
{
    uint8_t raw[OSD_CDB_MAX];
    size_t len;

    assert_int_equal(osd_cdb_encode(c, raw, &len), OSD_OK);
    return rig_run_raw(rig, raw, len);
}

/* ---- expectations ---- */

static void explain(const struct rig *rig)
{
    char line[256] = "no sense";

    if (rig->r.sense_len > 0)
        osd_sense_format(&rig->sense, line, sizeof(line));
    print_message("status %02x: %s\n", rig->r.status, line);
}

void expect_good(const struct rig *rig)
{
    if (rig->r.status != SAM_GOOD)
        explain(rig);
    assert_int_equal(rig->r.status, SAM_GOOD);
}

void expect_asc(const struct rig *rig, uint8_t key, uint16_t asc)
{
    if (rig->r.status != SAM_CHECK_CONDITION || rig->sense.asc != asc)
        explain(rig);
    assert_int_equal(rig->r.status, SAM_CHECK_CONDITION);
    assert_int_equal(rig->sense.key, key);
    assert_int_equal(rig->sense.asc, asc);
}

static void expect_field(const struct rig *rig, bool in_cdb, uint16_t field)
{
    if (rig->sense.field != field)
        explain(rig);
    assert_true(rig->sense.has_field);
    assert_int_equal(rig->sense.field_in_cdb, in_cdb);
    assert_int_equal(rig->sense.field, field);
}

void expect_cdb(const struct rig *rig, uint16_t field)
{
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD_CDB);
    expect_field(rig, true, field);
}

void expect_param(const struct rig *rig, uint16_t field)
{
    expect_asc(rig, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD_PARAM);
    expect_field(rig, false, field);
}

void expect_quota(const struct rig *rig, uint32_t page, uint32_t number)
{
    expect_asc(rig, SENSE_DATA_PROTECT, ASC_QUOTA);
    assert_int_equal(rig->sense.n_attrs, 1);
    assert_int_equal(rig->sense.attrs[0].page, page);
    assert_int_equal(rig->sense.attrs[0].number, number);
}

/* ---- fixtures ---- */

void rig_good(struct rig *rig, const struct osd_cdb *c)
{
    rig->out_len = rig->in_len = 0;
    rig_run(rig, c);
    expect_good(rig);
}

void rig_partition(struct rig *rig, uint64_t pid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_PARTITION, OSD_GEN2, pid, 0);

    rig_good(rig, &c);
}

void rig_object(struct rig *rig, uint64_t pid, uint64_t oid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE, OSD_GEN2, pid, oid);

    rig_good(rig, &c);
}

void rig_objects(struct rig *rig)
{
    rig_partition(rig, RIG_PID);
    rig_object(rig, RIG_PID, RIG_OID);
}

void rig_collection(struct rig *rig, uint64_t pid, uint64_t cid)
{
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_COLLECTION, OSD_GEN2, pid, cid);

    rig_good(rig, &c);
}

void rig_tracking(struct rig *rig, uint64_t pid, uint64_t cid, uint64_t source)
{
    struct osd_cdb c = rig_cmd(OSD_OP_CREATE_USER_TRACKING_COLLECTION, OSD_GEN2, pid, cid);

    c.start = source;
    rig_good(rig, &c);
}

void rig_join(struct rig *rig, uint64_t oid, uint32_t number, uint64_t cid)
{
    rig_set_u(rig, RIG_PID, oid, OSD_PG_COLLECTIONS, number, cid, 8);
    expect_good(rig);
}

size_t rig_members(struct rig *rig, uint64_t cid, uint64_t *ids, size_t max)
{
    struct osd_cdb c = rig_cmd(OSD_OP_LIST_COLLECTION, OSD_GEN2, RIG_PID, cid);
    size_t n;

    c.length = rig->in_len = 24 + 8 * max;
    rig->out_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    n = (rig->r.in_len - 24) / 8;
    for (size_t i = 0; i < n; i++)
        ids[i] = be64_get(rig->in + 24 + 8 * i);
    rig->in_len = 0;
    return n;
}

void rig_write(struct rig *rig, uint64_t oid, uint64_t start, const void *data, size_t len)
{
    struct osd_cdb c = rig_cmd(OSD_OP_WRITE, OSD_GEN2, RIG_PID, oid);

    c.start = start;
    c.length = len;
    memcpy(rig->out, data, len);
    rig->out_len = len;
    rig->in_len = 0;
    rig_run(rig, &c);
    expect_good(rig);
    rig->out_len = 0;
}

/* ---- attributes ---- */

size_t rig_get_list(struct rig *rig, enum osd_gen gen, size_t at, const struct osd_attr_id *ids,
                    size_t n)
{
    struct osd_writer w = osd_writer_make(rig->out + at, RIG_BUF - at);

    osd_attr_list_open(&w, gen, OSD_LIST_GET);
    for (size_t i = 0; i < n; i++)
        osd_attr_put_get(&w, gen, ids[i]);
    osd_attr_list_close(&w, gen, 0);
    return w.full;
}

size_t rig_set_list(struct rig *rig, enum osd_gen gen, size_t at, struct osd_attr_id id,
                    const void *value, uint16_t len)
{
    struct osd_writer w = osd_writer_make(rig->out + at, RIG_BUF - at);

    osd_attr_list_open(&w, gen, OSD_LIST_SET);
    osd_attr_put_value(&w, gen, id, value, len);
    osd_attr_list_close(&w, gen, 0);
    return w.full;
}

int rig_get(struct rig *rig, enum osd_gen gen, uint64_t pid, uint64_t oid, uint32_t page,
            uint32_t number, uint8_t *dst)
{
    struct osd_cdb c = rig_cmd(OSD_OP_GET_ATTRIBUTES, gen, pid, oid);
    struct osd_attr_id id = {page, number};
    struct osd_attr_cursor cur;
    struct osd_wire_error err;
    struct osd_attr_entry e;

    rig->out_len = rig_get_list(rig, gen, 0, &id, 1);
    rig->in_len = 70000;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_len = (uint32_t)rig->out_len,
                                      .get_alloc_len = 70000,
                                      .set_off = OSD_OFFSET_UNUSED};
    rig_run(rig, &c);
    expect_good(rig);
    struct osd_bytes list = {rig->in, rig->r.in_len};
    assert_int_equal(osd_attr_cursor_open(list, gen, OSD_LIST_SET, true, &cur, &err), OSD_OK);
    assert_int_equal(osd_attr_cursor_next(&cur, &e, &err), OSD_OK);
    assert_int_equal(e.id.page, page);
    assert_int_equal(e.id.number, number);
    if (e.undefined)
        return -1;
    assert_int_equal(e.value.len, e.len);
    memcpy(dst, e.value.data, e.len);
    return e.len;
}

uint64_t rig_get_u(struct rig *rig, uint64_t pid, uint64_t oid, uint32_t page, uint32_t number)
{
    uint8_t raw[65536];
    int len = rig_get(rig, OSD_GEN2, pid, oid, page, number, raw);
    uint64_t v = 0;

    assert_in_range(len, 1, 8);
    for (int i = 0; i < len; i++)
        v = v << 8 | raw[i];
    return v;
}

void rig_set(struct rig *rig, enum osd_gen gen, uint64_t pid, uint64_t oid, uint32_t page,
             uint32_t number, const void *value, uint16_t len)
{
    struct osd_cdb c = rig_cmd(OSD_OP_SET_ATTRIBUTES, gen, pid, oid);

    rig->out_len = rig_set_list(rig, gen, 0, (struct osd_attr_id){page, number}, value, len);
    rig->in_len = 0;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                      .get_list_off = OSD_OFFSET_UNUSED,
                                      .retrieved_off = OSD_OFFSET_UNUSED,
                                      .set_len = (uint32_t)rig->out_len};
    rig_run(rig, &c);
}

void rig_set_u(struct rig *rig, uint64_t pid, uint64_t oid, uint32_t page, uint32_t number,
               uint64_t value, uint16_t len)
{
    uint8_t raw[8];

    be64_put(raw, value);
    rig_set(rig, OSD_GEN2, pid, oid, page, number, raw + 8 - len, len);
}
