/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite_model.c - conformance: random operations against a model of flat arrays
 *
 * The model says what store.h says in the plainest way it can be said. After every operation
 * the object it touched is compared with the model inside the transaction, after every
 * transaction the counters, now and then everything. STORE_MODEL_OPS and STORE_MODEL_SEED in
 * the environment change how long and which; STORE_MODEL_TRACE prints every operation as it
 * goes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

#define B       STORE_BLOCK
#define PARTS   3
#define OBJECTS 4  /* slot 0 of a partition stands for the partition itself */
#define BLOCKS  35 /* more than a chunk of the RocksDB store */
#define LEN     (BLOCKS * B)
#define PAGES   3
#define NUMBERS 3
#define VALUE   300

struct object {
    bool exists;
    uint8_t kind;
    uint64_t length, max_length, modified;
    uint8_t bytes[LEN];
    bool data[BLOCKS]; /* whether the block holds written data */
    uint32_t attr_len[PAGES][NUMBERS];
    uint8_t attr[PAGES][NUMBERS][VALUE];
};

struct model {
    struct object o[PARTS][OBJECTS];
};

struct run {
    struct rig *r;
    struct store_txn *t;
    struct model *now, *before; /* before: at the begin of the transaction */
    uint64_t seed;
    unsigned part; /* of the transaction */
    bool trace;
};

static uint64_t pick(struct run *c, uint64_t n)
{
    return rig_random(&c->seed, n);
}

/* The last page is the one that asks a partition for indexes. */
static uint32_t page_of(uint32_t page)
{
    return page == PAGES - 1 ? STORE_INDEX_PAGE : page;
}

static struct store_id id_of(unsigned part, unsigned slot)
{
    return (struct store_id){STORE_ID_FIRST + part, slot ? STORE_ID_FIRST + slot : 0};
}

/* ---- what the model says ---- */

static uint64_t attrs_used(const struct object *o)
{
    uint64_t used = 0;

    for (int p = 0; p < PAGES; p++)
        for (int n = 0; n < NUMBERS; n++)
            used += o->attr_len[p][n] ? 16 + o->attr_len[p][n] : 0;
    return used;
}

static uint64_t object_used(const struct object *o)
{
    uint64_t used = attrs_used(o);

    for (int b = 0; b < BLOCKS; b++)
        used += o->data[b] ? B : 0;
    return used;
}

static uint64_t part_used(const struct model *m, unsigned part)
{
    uint64_t used = attrs_used(&m->o[part][0]);

    for (unsigned s = 1; s < OBJECTS; s++)
        if (m->o[part][s].exists)
            used += object_used(&m->o[part][s]);
    return used;
}

static uint64_t part_count(const struct model *m, unsigned part)
{
    uint64_t count = 0;

    for (unsigned s = 1; s < OBJECTS; s++)
        count += m->o[part][s].exists;
    return count;
}

/* Drop the data flags of blocks wholly at or beyond the length. */
static void cut(struct object *o)
{
    for (uint64_t b = (o->length + B - 1) / B; b < BLOCKS; b++)
        o->data[b] = false;
    memset(o->bytes + o->length, 0, LEN - o->length);
}

static void model_write(struct object *o, uint64_t off, uint64_t len, const uint8_t *src)
{
    memcpy(o->bytes + off, src, len);
    for (uint64_t b = off / B; b < (off + len + B - 1) / B; b++)
        o->data[b] = true;
    if (off + len > o->length)
        o->length = off + len;
}

static void model_clear(struct object *o, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;
    uint64_t last = end >= o->length ? (end + B - 1) / B : end / B;

    memset(o->bytes + off, 0, len);
    for (uint64_t b = (off + B - 1) / B; b < last; b++)
        o->data[b] = false;
    if (end > o->length)
        o->length = end;
}

/* Every byte that stays takes the data flag of the block it came from along. */
static void model_punch(struct object *o, uint64_t off, uint64_t len)
{
    bool data[BLOCKS] = {false};
    uint64_t length = o->length - len;

    for (uint64_t i = 0; i < length; i++) {
        uint64_t from = i < off ? i : i + len;
        data[i / B] |= o->data[from / B];
    }
    memmove(o->bytes + off, o->bytes + off + len, o->length - off - len);
    memcpy(o->data, data, sizeof(data));
    o->length = length;
    cut(o);
}

/* ---- comparing ---- */

static void compare_attrs(struct run *c, struct store_id id, const struct object *o)
{
    for (uint32_t p = 0; p < PAGES; p++)
        for (uint32_t n = 0; n < NUMBERS; n++) {
            uint8_t got[VALUE];
            uint32_t len = 0;
            osd_status status = c->r->ops->get_attr(c->t, id, page_of(p), n, got, VALUE, &len);
            assert_int_equal(status, o->attr_len[p][n] ? OSD_OK : OSD_E_NOT_FOUND);
            assert_int_equal(len, o->attr_len[p][n]);
            assert_memory_equal(got, o->attr[p][n], len);
        }
}

static void compare_extents(struct run *c, struct store_id id, const struct object *o)
{
    for (uint64_t at = 0; at < o->length;) {
        enum store_extent kind;
        uint64_t len = 0;
        rig_ok(c->r->ops->seek(c->t, id, at, &kind, &len));
        assert_true(len > 0 && at + len <= o->length);
        for (uint64_t b = at / B; b < (at + len + B - 1) / B; b++)
            assert_int_equal(kind, o->data[b] ? STORE_DATA : STORE_HOLE);
        at += len;
    }
}

static void compare_data(struct run *c, struct store_id id, const struct object *o)
{
    static uint8_t got[LEN];

    memset(got, 0xee, sizeof(got));
    rig_ok(rig_txn_read(c->t, id, 0, got, LEN));
    assert_memory_equal(got, o->bytes, LEN);
    compare_extents(c, id, o);
}

/* Compare an object the transaction may read with the model. */
static void compare_object(struct run *c, unsigned part, unsigned slot)
{
    const struct object *o = &c->now->o[part][slot];
    struct store_id id = id_of(part, slot);
    struct store_meta m;
    osd_status status = c->r->ops->get_meta(c->t, id, &m);

    assert_int_equal(status, o->exists ? OSD_OK : OSD_E_NOT_FOUND);
    if (!o->exists)
        return;
    assert_int_equal(m.kind, o->kind);
    assert_int_equal(m.length, o->length);
    assert_int_equal(m.max_length, o->max_length);
    assert_int_equal(m.data_modified, o->modified);
    assert_int_equal(m.used, slot ? object_used(o) : part_used(c->now, part));
    assert_int_equal(m.count, slot ? 0 : part_count(c->now, part));
    compare_attrs(c, id, o);
    if (o->kind == STORE_USER)
        compare_data(c, id, o);
}

static void compare_all(struct run *c)
{
    uint64_t used = 0;
    struct store_info info;

    c->t = rig_begin(c->r, (struct store_id){0, 0}, STORE_EXCLUSIVE);
    for (unsigned p = 0; p < PARTS; p++) {
        for (unsigned s = 0; s < OBJECTS; s++)
            compare_object(c, p, s);
        used += c->now->o[p][0].exists ? part_used(c->now, p) : 0;
    }
    c->r->ops->abort(c->t);
    c->r->ops->info(c->r->s, &info);
    assert_int_equal(info.used, used);
    rig_check(c->r);
}

/* ---- operations: carry out on both, return what both said ---- */

static osd_status op_create(struct run *c, struct object *o, struct store_id id)
{
    struct store_meta m = rig_meta(id.oid == 0       ? STORE_PARTITION
                                   : pick(c, 4) == 0 ? STORE_COLLECTION
                                                     : STORE_USER);
    osd_status want = o->exists                                 ? OSD_E_EXISTS
                      : !c->now->o[c->part][0].exists && id.oid ? OSD_E_NOT_FOUND
                                                                : OSD_OK;

    m.data_modified = pick(c, 1000);
    rig_fails(c->r->ops->create(c->t, id, &m, &id), want);
    if (want == OSD_OK) {
        memset(o, 0, sizeof(*o));
        o->exists = true;
        o->kind = m.kind;
        o->max_length = STORE_NO_LIMIT;
        o->modified = m.data_modified;
    }
    return want;
}

static osd_status op_remove(struct run *c, struct object *o, struct store_id id)
{
    bool contents = pick(c, 2);
    bool full = id.oid == 0 && part_count(c->now, c->part) > 0;
    osd_status want = !o->exists          ? OSD_E_NOT_FOUND
                      : full && !contents ? OSD_E_NOT_EMPTY
                                          : OSD_OK;

    rig_fails(c->r->ops->remove(c->t, id, contents), want);
    if (want == OSD_OK && id.oid == 0)
        memset(c->now->o[c->part], 0, sizeof(c->now->o[c->part]));
    else if (want == OSD_OK)
        memset(o, 0, sizeof(*o));
    return want;
}

/* A value of any length; on a partition's last page, what asks for an index. */
static uint32_t pick_value(struct run *c, struct store_id id, uint32_t page,
                           uint8_t value[VALUE])
{
    uint32_t len = pick(c, 3) ? (uint32_t)pick(c, VALUE + 1) : 0;

    if (pick(c, 4) == 0) /* around what is kept in a record */
        len = 255 + (uint32_t)pick(c, 3);
    rig_fill(value, VALUE, (unsigned)pick(c, 1000));
    if (id.oid || page != PAGES - 1)
        return len;
    memset(value, 0, 8);
    value[3] = (uint8_t)pick(c, 2);
    if (pick(c, 3))
        value[7] = (uint8_t)pick(c, NUMBERS);
    else
        memset(value + 4, 0xff, 4);
    return pick(c, 3) ? 8 : 0;
}

static osd_status op_set_attr(struct run *c, struct object *o, struct store_id id)
{
    uint32_t page = (uint32_t)pick(c, PAGES), number = (uint32_t)pick(c, NUMBERS);
    uint8_t value[VALUE];
    uint32_t len = pick_value(c, id, page, value);
    osd_status want = o->exists ? OSD_OK : OSD_E_NOT_FOUND;

    rig_fails(c->r->ops->set_attr(c->t, id, page_of(page), number, value, len), want);
    if (want == OSD_OK) {
        memcpy(o->attr[page][number], value, len);
        o->attr_len[page][number] = len;
    }
    return want;
}

static osd_status op_put_meta(struct run *c, struct object *o, struct store_id id)
{
    struct store_meta m = rig_meta(STORE_ROOT);
    osd_status want = o->exists ? OSD_OK : OSD_E_NOT_FOUND;

    m.max_length = pick(c, 3) ? STORE_NO_LIMIT : pick(c, LEN);
    m.data_modified = pick(c, 1000);
    rig_fails(c->r->ops->put_meta(c->t, id, &m), want);
    if (want == OSD_OK) {
        o->max_length = m.max_length;
        o->modified = m.data_modified;
    }
    return want;
}

/* What a data operation on this object says before its own conditions. */
static osd_status data_status(const struct object *o, uint64_t new_length)
{
    if (!o->exists)
        return OSD_E_NOT_FOUND;
    if (o->kind != STORE_USER)
        return OSD_E_INVALID;
    return new_length > o->length && new_length > o->max_length ? OSD_E_QUOTA : OSD_OK;
}

/* A short one at the beginning, about as long as what a store may keep beside its metadata. */
static void pick_short(struct run *c, uint64_t *off, uint64_t *len)
{
    static const uint64_t ends[] = {1, 255, 1023, 1024, 1025, 1100, B};
    uint64_t end = ends[pick(c, sizeof(ends) / sizeof(ends[0]))];

    *off = pick(c, 3) ? pick(c, end + 1) : 0;
    *len = pick(c, 3) ? end - *off : pick(c, 100);
}

/* A range inside LEN; often at block borders, sometimes empty. */
static void pick_range(struct run *c, uint64_t *off, uint64_t *len)
{
    if (pick(c, 2)) {
        pick_short(c, off, len);
        return;
    }
    *off = pick(c, LEN);
    if (pick(c, 3) == 0)
        *off -= *off % B;
    *len = pick(c, pick(c, 2) ? LEN - *off + 1 : (LEN - *off < 200 ? LEN - *off : 200) + 1);
    if (pick(c, 3) == 0)
        *len -= *len % B;
}

static osd_status op_write(struct run *c, struct object *o, struct store_id id)
{
    static uint8_t src[LEN];
    uint64_t off, len;
    osd_status want;

    pick_range(c, &off, &len);
    want = data_status(o, len ? off + len : 0);
    rig_fill(src, len, (unsigned)pick(c, 1000));
    rig_fails(rig_txn_write(c->t, id, off, src, len), want);
    if (want == OSD_OK && len > 0)
        model_write(o, off, len, src);
    return want;
}

static osd_status op_clear(struct run *c, struct object *o, struct store_id id)
{
    uint64_t off, len;
    osd_status want;

    pick_range(c, &off, &len);
    want = data_status(o, len ? off + len : 0);
    rig_fails(c->r->ops->clear(c->t, id, off, len), want);
    if (want == OSD_OK && len > 0)
        model_clear(o, off, len);
    return want;
}

static osd_status op_punch(struct run *c, struct object *o, struct store_id id)
{
    uint64_t off, len;
    osd_status want;

    pick_range(c, &off, &len);
    if (pick(c, 4) && o->exists && o->length > 0) {
        off %= o->length;
        len = len % (o->length - off) + 1;
    }
    want = data_status(o, 0);
    if (want == OSD_OK && off + len > o->length)
        want = OSD_E_PAST_END;
    rig_fails(c->r->ops->punch(c->t, id, off, len), want);
    if (want == OSD_OK && len > 0)
        model_punch(o, off, len);
    return want;
}

static osd_status op_truncate(struct run *c, struct object *o, struct store_id id)
{
    uint64_t length, unused;
    osd_status want;

    pick_range(c, &length, &unused);
    want = data_status(o, length);
    rig_fails(c->r->ops->truncate(c->t, id, length), want);
    if (want == OSD_OK) {
        o->length = length;
        cut(o);
    }
    return want;
}

typedef osd_status (*operation)(struct run *c, struct object *o, struct store_id id);

static const struct {
    operation run;
    const char *name;
    bool data;
} operations[] = {
    {op_write, "write", true},       {op_write, "write", true},
    {op_clear, "clear", true},       {op_punch, "punch", true},
    {op_truncate, "truncate", true}, {op_set_attr, "set_attr", false},
    {op_create, "create", false},    {op_put_meta, "put_meta", false},
    {op_create, "create", false},    {op_remove, "remove", false},
};

/* ---- transactions ---- */

/* One random operation on an object the transaction holds; returns whether to go on. */
static bool step(struct run *c, unsigned slot)
{
    struct object *o = &c->now->o[c->part][slot];
    uint64_t which;
    osd_status status;

    do {
        which = pick(c, sizeof(operations) / sizeof(operations[0]));
    } while ((slot == 0 && operations[which].data) ||
             (operations[which].run == op_remove && pick(c, slot ? 2 : 6)));
    if (c->trace)
        print_message("  %s %u.%u\n", operations[which].name, c->part, slot);
    status = operations[which].run(c, o, id_of(c->part, slot));
    if (status == OSD_OK || status == OSD_E_NOT_FOUND)
        compare_object(c, c->part, slot);
    return status == OSD_OK || status == OSD_E_NOT_FOUND;
}

/* How far the transaction reaches: 0 one object, 1 its partition, 2 the store. */
static struct store_id scope(struct run *c, unsigned reach, unsigned slot)
{
    return reach == 2 ? (struct store_id){0, 0} : id_of(c->part, reach == 0 ? slot : 0);
}

/* A partition in place of what there was, like another one. */
static osd_status duplicate(struct run *c, unsigned from)
{
    struct object *to = c->now->o[c->part];
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_id id = id_of(c->part, 0);
    osd_status want = c->now->o[from][0].exists ? OSD_OK : OSD_E_NOT_FOUND;

    m.data_modified = pick(c, 1000);
    if (to[0].exists)
        rig_ok(c->r->ops->remove(c->t, id, true));
    rig_fails(c->r->ops->duplicate(c->t, id_of(from, 0).pid, id, &m, &id), want);
    memcpy(to, c->now->o[from], sizeof(c->now->o[from]));
    to[0].max_length = STORE_NO_LIMIT;
    to[0].modified = m.data_modified;
    return want;
}

static unsigned duplication(struct run *c)
{
    unsigned from = (c->part + 1 + (unsigned)pick(c, PARTS - 1)) % PARTS;

    if (c->trace)
        print_message("%u becomes what %u is\n", c->part, from);
    c->t = rig_begin(c->r, (struct store_id){0, 0}, STORE_EXCLUSIVE);
    memcpy(c->before, c->now, sizeof(*c->now));
    if (duplicate(c, from) == OSD_OK && pick(c, 5)) {
        rig_commit(c->r, c->t);
    } else {
        c->r->ops->abort(c->t);
        memcpy(c->now, c->before, sizeof(*c->now));
    }
    return 1;
}

static unsigned transaction(struct run *c)
{
    unsigned slot = (unsigned)pick(c, OBJECTS), reach = pick(c, 10) < 6 ? 0 : 1 + pick(c, 2);
    unsigned steps = 1 + (unsigned)pick(c, 4), done = 0;
    bool go_on = true;

    c->part = (unsigned)pick(c, PARTS);
    if (pick(c, 12) == 0)
        return duplication(c);
    c->t = rig_begin(c->r, scope(c, reach, slot), STORE_EXCLUSIVE);
    memcpy(c->before, c->now, sizeof(*c->now));
    if (c->trace)
        print_message("transaction on %u.%u, reach %u\n", c->part, slot, reach);
    while (done < steps && go_on) {
        go_on = step(c, slot);
        done++;
        if (reach > 0)
            slot = (unsigned)pick(c, OBJECTS);
    }
    if (go_on && pick(c, 5)) {
        rig_commit(c->r, c->t);
    } else {
        c->r->ops->abort(c->t);
        memcpy(c->now, c->before, sizeof(*c->now));
    }
    return done;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void test_store_model__random_operations_agree_with_the_model(void **state)
{
    struct run c = {.r = *state,
                    .seed = from_environment("STORE_MODEL_SEED", 1),
                    .trace = getenv("STORE_MODEL_TRACE")};
    uint64_t ops = from_environment("STORE_MODEL_OPS", 20000), seed = c.seed, next_check = 0;

    c.now = calloc(1, sizeof(*c.now));
    c.before = calloc(1, sizeof(*c.before));
    assert_non_null(c.now);
    assert_non_null(c.before);
    for (uint64_t done = 0; done < ops; done += transaction(&c)) {
        if (done < next_check)
            continue;
        compare_all(&c);
        next_check = done + 200;
    }
    compare_all(&c);
    print_message("model: %" PRIu64 " operations, seed %" PRIu64 "\n", ops, seed);
    free(c.now);
    free(c.before);
}

/* The same with the store closed and opened again every so often. */
static void test_store_model__and_so_they_do_across_reopening(void **state)
{
    struct run c = {.r = *state,
                    .seed = 77 + from_environment("STORE_MODEL_SEED", 1),
                    .trace = getenv("STORE_MODEL_TRACE")};

    if (!rig_persists())
        skip();
    c.now = calloc(1, sizeof(*c.now));
    c.before = calloc(1, sizeof(*c.before));
    assert_non_null(c.now);
    assert_non_null(c.before);
    for (int i = 0; i < 8; i++) {
        for (unsigned done = 0; done < 200;)
            done += transaction(&c);
        rig_reopen(c.r);
        compare_all(&c);
    }
    free(c.now);
    free(c.before);
}

int suite_model(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_model__random_operations_agree_with_the_model),
        RIG_TEST(test_store_model__and_so_they_do_across_reopening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
