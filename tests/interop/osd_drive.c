/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interop/osd_drive.c - sends OSD commands and says what it meant by each
 *
 * usage: osd_drive iscsi://host/target/lun >meant.txt
 *        osd_drive FILE.pcap >meant.txt   (without a network, see carrier.h)
 * Each line of standard output is a kind (cdb, out, in, sense) and "field=value" pairs with the
 * names of Wireshark's fields; compare_tshark.py looks for them in a capture. First one of
 * every command with random field values, which the device refuses; then objects live and die,
 * so that answers are seen as well. Commands go out one at a time: the order on the wire is
 * that of the lines. Values come from struct osd_cdb or from our own decoders, never from the
 * encoded bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "common/bytes.h"
#include "wire/attrs.h"
#include "wire/cdb.h"
#include "wire/list.h"
#include "wire/sense.h"

#define ROUNDS  4
#define BUFFER  65536
#define DATA_IN 4096 /* room for every answer */

/* The last command and its answer. */
struct drive {
    struct carrier *carrier;
    uint64_t rng;
    uint8_t out[BUFFER], in[BUFFER];
    size_t out_len; /* Data-Out of the next command */
    bool both;      /* the next command has Data-In although it has Data-Out */
    struct exchange x;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "osd_drive: %s: %s\n", what, why);
    exit(1);
}

static uint64_t next_random(struct drive *d)
{
    d->rng ^= d->rng << 13;
    d->rng ^= d->rng >> 7;
    d->rng ^= d->rng << 17;
    return d->rng;
}

static void random_bytes(struct drive *d, uint8_t *dst, size_t len)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)next_random(d);
}

/* ---- what is meant ---- */

static void say(const char *field, uint64_t value)
{
    printf(" %s=0x%" PRIx64, field, value);
}

static void say_bytes(const char *field, const uint8_t *p, size_t len)
{
    printf(" %s=0x", field);
    for (size_t i = 0; i < len; i++)
        printf("%02x", p[i]);
}

/* An offset field as Wireshark shows it in page format: exponent and mantissa. In list format
 * it multiplies them out. */
static void say_offset(const char *field, uint64_t off, enum osd_gen gen)
{
    if (off == OSD_OFFSET_UNUSED)
        say(field, UINT32_MAX);
    else if (gen == OSD_GEN1)
        say(field, off / 256);
    else
        say(field, off ? 0xb0000000 | off / 8 : 0);
}

static void say_multiplied(const char *field, uint64_t off)
{
    say(field, off == OSD_OFFSET_UNUSED ? UINT32_MAX : off);
}

static void say_attr_params(const struct osd_cdb *c)
{
    const struct osd_attr_params *a = &c->attr;

    if (a->format == OSD_ATTR_PAGE) {
        say("get_attributes_page", a->get_page);
        say("get_attributes_allocation_length", a->get_alloc_len);
        say_offset("retrieved_attributes_offset", a->retrieved_off, c->gen);
        say("set_attributes_page", a->set_page);
        say("set_attribute_number", a->set_number);
        say("set_attribute_length", a->set_len);
        say_offset("set_attributes_offset", a->set_off, c->gen);
    } else if (a->format == OSD_ATTR_LIST) {
        say("get_attributes_list_length", a->get_list_len);
        say_multiplied("get_attributes_list_offset", a->get_list_off);
        say("get_attributes_allocation_length", a->get_alloc_len);
        say_multiplied("retrieved_attributes_offset", a->retrieved_off);
        say("set_attributes_list_length", a->set_len);
        say_multiplied("set_attributes_list_offset", a->set_off);
    } else { /* tshark 4.0 reads the two-byte length as four */
        say("set_attributes_page", a->set_page);
        say("set_attribute_number", a->set_number);
    }
}

/* tshark 4.0 knows the capability of OSD-1 only, also inside OSD-2 CDBs. */
static void say_capability(const struct osd_capability *cap)
{
    uint8_t bytes[6], descriptor[24] = {0};

    say("capability_format", cap->format);
    if (cap->format != 1)
        return;
    say("key_version", cap->key_version);
    say("icva", cap->icv_algorithm);
    say("security_method", cap->method);
    be48_put(bytes, cap->expiration);
    say_bytes("capability_expiration_time", bytes, sizeof(bytes));
    say_bytes("audit", cap->audit, sizeof(cap->audit));
    say_bytes("capability_discriminator", cap->discriminator, sizeof(cap->discriminator));
    be48_put(bytes, cap->created);
    say_bytes("object_created_time", bytes, sizeof(bytes));
    say("object_type", cap->object_type);
    say("permissions", cap->permissions);
    say("object_descriptor_type", cap->descriptor);
    be32_put(descriptor, cap->policy_tag);
    be64_put(descriptor + 4, cap->allowed_pid);
    be64_put(descriptor + 12, cap->allowed_oid);
    say_bytes("object_descriptor", descriptor, sizeof(descriptor));
}

/* tshark 4.0 looks for the security parameters where OSD-1 has them. */
static void say_security(const struct osd_cdb *c)
{
    if (c->gen != OSD_GEN1)
        return;
    say_bytes("ricv", c->sec.request_icv, OSD_ICV1_LEN);
    say_bytes("request_nonce", c->sec.nonce, OSD_NONCE_LEN);
    say_offset("diicvo", c->sec.data_in_icv_off, OSD_GEN1);
    say_offset("doicvo", c->sec.data_out_icv_off, OSD_GEN1);
}

/* ---- one command ---- */

/* Members of struct osd_cdb with their width, and the name tshark has for them. */
struct meaning {
    const char *field;
    size_t member, size;
};

#define M(name, member)                                                                        \
    {                                                                                          \
        name, offsetof(struct osd_cdb, member), sizeof(((struct osd_cdb *)0)->member)          \
    }
#define PID    M("partition_id", pid)
#define OID    M("user_object_id", oid)
#define CID    M("collection_object_id", oid)
#define LENGTH M("length", length)
#define START  M("starting_byte_address", start)
#define CONT   M("cdb_continuation.length", cont_len)
#define LISTED                                                                                 \
    M("allocation_length", length), M("initial_object_id", start), M("list_identifier", list_id)

/* What tshark 4.0 dissects of each command. known: only the service action is known to it. */
static const struct row {
    enum osd_op op;
    enum osd_gen gen;
    bool only_known;
    struct meaning m[6];
} rows[] = {
    {OSD_OP_APPEND, 1, 0, {PID, OID, LENGTH}},
    {OSD_OP_CREATE,
     1,
     0,
     {PID, M("requested_user_object_id", oid), M("number_of_user_objects", count)}},
    {OSD_OP_CREATE_AND_WRITE, 1, 0, {PID, M("requested_user_object_id", oid), LENGTH, START}},
    {OSD_OP_CREATE_COLLECTION, 1, 0, {PID, M("requested_collection_object_id", oid)}},
    {OSD_OP_CREATE_PARTITION, 1, 0, {M("requested_partition_id", pid)}},
    {OSD_OP_FLUSH, 1, 0, {PID, OID, M("flush.scope", option)}},
    {OSD_OP_FLUSH_COLLECTION, 1, 0, {PID, CID, M("flush_collection.scope", option)}},
    {OSD_OP_FLUSH_PARTITION, 1, 0, {PID, M("flush_partition.scope", option)}},
    {OSD_OP_FLUSH_OSD, 1, 0, {M("flush_osd.scope", option)}},
    {OSD_OP_FORMAT_OSD, 1, 0, {M("formatted_capacity", length)}},
    {OSD_OP_GET_ATTRIBUTES, 1, 0, {PID, OID}},
    {OSD_OP_LIST, 1, 0, {PID, LISTED, M("sort_order", option)}},
    {OSD_OP_LIST_COLLECTION, 1, 0, {PID, CID, LISTED}},
    {OSD_OP_READ, 1, 0, {PID, OID, LENGTH, START}},
    {OSD_OP_REMOVE, 1, 0, {PID, OID}},
    {OSD_OP_REMOVE_COLLECTION, 1, 0, {PID, CID, M("collection.fcr", option)}},
    {OSD_OP_REMOVE_PARTITION, 1, 0, {PID}},
    {OSD_OP_SET_ATTRIBUTES, 1, 0, {PID, OID}},
    {OSD_OP_SET_KEY,
     1,
     0,
     {PID, M("set_key_version", key_version), M("key_to_set", option),
      M("key_identifier", key_id), M("seed", seed)}},
    {OSD_OP_WRITE, 1, 0, {PID, OID, LENGTH, START}},
    {OSD_OP_CREATE_PARTITION, 2, 0, {M("requested_partition_id", pid), CONT}},
    {OSD_OP_CREATE_USER_TRACKING_COLLECTION,
     2,
     0,
     {PID, M("requested_collection_object_id", oid), M("source_collection_object_id", start),
      CONT}},
    {OSD_OP_GET_ATTRIBUTES, 2, 0, {PID, OID, CONT}},
    {OSD_OP_LIST, 2, 0, {PID, LISTED, M("list_attr", list_attr), M("sort_order", option)}},
    {OSD_OP_LIST_COLLECTION, 2, 0, {PID, CID, LISTED, M("list_attr", list_attr)}},
    {OSD_OP_QUERY,
     2,
     0,
     {PID, CID, M("allocation_length", length), M("matches_collection_object_id", start), CONT,
      M("immed_tr", immed_tr)}},
    {OSD_OP_REMOVE_COLLECTION, 2, 0, {PID, CID, CONT}},
    {OSD_OP_REMOVE_PARTITION, 2, 0, {PID, M("remove_scope", option), CONT}},
    {OSD_OP_SET_ATTRIBUTES, 2, 0, {PID, OID, CONT}},
    {OSD_OP_APPEND, 2, true, {{0}}},
    {OSD_OP_CLEAR, 2, true, {{0}}},
    {OSD_OP_COPY_USER_OBJECTS, 2, true, {{0}}},
    {OSD_OP_CREATE, 2, true, {{0}}},
    {OSD_OP_CREATE_AND_WRITE, 2, true, {{0}}},
    {OSD_OP_READ, 2, true, {{0}}},
    {OSD_OP_REMOVE, 2, true, {{0}}},
    {OSD_OP_REMOVE_MEMBER_OBJECTS, 2, true, {{0}}},
    {OSD_OP_GET_MEMBER_ATTRIBUTES, 2, true, {{0}}},
    {OSD_OP_SET_MEMBER_ATTRIBUTES, 2, true, {{0}}},
    {OSD_OP_WRITE, 2, true, {{0}}},
    {OSD_OP_CREATE_COLLECTION, 2, true, {{0}}},
    {OSD_OP_FLUSH, 2, true, {{0}}},
    {OSD_OP_FLUSH_COLLECTION, 2, true, {{0}}},
    {OSD_OP_FLUSH_OSD, 2, true, {{0}}},
    {OSD_OP_FLUSH_PARTITION, 2, true, {{0}}},
    {OSD_OP_FORMAT_OSD, 2, true, {{0}}},
    {OSD_OP_PUNCH, 2, true, {{0}}},
    {OSD_OP_READ_MAP, 2, true, {{0}}},
    {OSD_OP_SET_KEY, 2, true, {{0}}},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
#define N_M    (sizeof(rows[0].m) / sizeof(rows[0].m[0]))

static const struct row *row_of(const struct osd_cdb *c)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].op == c->op && rows[i].gen == c->gen)
            return &rows[i];
    die(osd_op_info(c->op)->name, "no row");
    return NULL;
}

static void say_member(const struct osd_cdb *c, const struct meaning *m)
{
    const uint8_t *p = (const uint8_t *)c + m->member;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;

    switch (m->size) {
    case 1:
        say(m->field, *p);
        break;
    case 2:
        memcpy(&v16, p, sizeof(v16));
        say(m->field, v16);
        break;
    case 4:
        memcpy(&v32, p, sizeof(v32));
        say(m->field, v32);
        break;
    case 8:
        memcpy(&v64, p, sizeof(v64));
        say(m->field, v64);
        break;
    default:
        say_bytes(m->field, p, m->size);
    }
}

static bool is_flush1(const struct osd_cdb *c)
{
    return c->gen == OSD_GEN1 && (c->op == OSD_OP_FLUSH || c->op == OSD_OP_FLUSH_COLLECTION ||
                                  c->op == OSD_OP_FLUSH_OSD || c->op == OSD_OP_FLUSH_PARTITION);
}

static void say_cdb(const struct osd_cdb *c)
{
    const struct row *r = row_of(c);
    bool list = c->op == OSD_OP_LIST || c->op == OSD_OP_LIST_COLLECTION;

    printf("cdb");
    say("opcode", OSD_OPCODE);
    say("addcdblen", c->gen == OSD_GEN1 ? 192 : 228);
    say("svcaction", osd_op_info(c->op)->action[c->gen]);
    if (!r->only_known) {
        say("getset", c->attr.format);
        say("timestamps_control", c->timestamps);
        if (!is_flush1(c) && !list && c->op != OSD_OP_SET_KEY && c->op != OSD_OP_FORMAT_OSD &&
            c->op != OSD_OP_QUERY) {
            say("option.fua", c->fua);
            say("option.dpo", c->dpo);
        }
        for (size_t i = 0; i < N_M && r->m[i].field; i++)
            say_member(c, &r->m[i]);
        say_attr_params(c);
        say_capability(&c->cap);
        say_security(c);
    }
    printf("\n");
}

/* What our own decoder makes of the sense data. */
static void say_sense(const struct exchange *x)
{
    struct osd_sense s;

    if (osd_sense_decode(x->sense, x->sense_len, &s))
        die("sense", "does not decode");
    printf("sense");
    say("sns.key", s.key);
    say("sns.ascascq", s.asc);
    if (s.has_field) {
        say("sns.sksv", 1);
        say("sns.sks.fp.cd", s.field_in_cdb);
        say("sns.sks.fp.field", s.field);
    }
    if (s.n_attrs) {
        say("sns.desc.osd_attr.page", s.attrs[0].page);
        say("sns.desc.osd_attr.number", s.attrs[0].number);
    }
    if (s.has_object) {
        say("sns.desc.osd_object.not_initiated", s.not_initiated);
        say("sns.desc.osd_object.completed", s.completed);
        say("sns.desc.osd_object.partition_id", s.pid);
        say("sns.desc.osd_object.object_id", s.oid);
    }
    printf("\n");
}

/* Send a CDB with what stands in out. Says the CDB and the sense data. */
static void run(struct drive *d, const struct osd_cdb *c)
{
    uint8_t cdb[OSD_CDB_MAX];
    size_t len;

    if (osd_cdb_encode(c, cdb, &len))
        die(osd_op_info(c->op)->name, "cannot be encoded");
    d->x = (struct exchange){.cdb = cdb,
                             .cdb_len = len,
                             .out = d->out,
                             .out_len = d->out_len,
                             .in = d->in,
                             .in_cap = d->out_len && !d->both ? 0 : DATA_IN};
    say_cdb(c);
    osd_status st = d->carrier->execute(d->carrier, &d->x);
    if (st)
        die(osd_op_info(c->op)->name, osd_status_text(st));
    if (d->x.status == SAM_CHECK_CONDITION)
        say_sense(&d->x);
    d->out_len = 0;
    d->both = false;
}

/* ---- every command, random ---- */

static struct osd_capability random_capability(struct drive *d, const struct osd_cdb *c)
{
    struct osd_capability cap = {
        .format = (uint8_t)(c->gen == OSD_GEN1 ? 1 : 1 + next_random(d) % 2),
        .key_version = next_random(d) & 15,
        .icv_algorithm = next_random(d) & 15,
        .method = next_random(d) & 3,
        .expiration = next_random(d) >> 16,
        .created = next_random(d) >> 16,
        .object_type = 0x04, /* no object has it: refused */
        .permissions = (uint16_t)(next_random(d) & 0xffe0),
        .descriptor = OSD_DESC_USER,
        .policy_tag = (uint32_t)next_random(d),
        .allowed_pid = c->pid,
        .allowed_oid = c->oid,
    };

    random_bytes(d, cap.audit, sizeof(cap.audit));
    random_bytes(d, cap.discriminator, sizeof(cap.discriminator));
    return cap;
}

static uint64_t random_offset(struct drive *d, enum osd_gen gen)
{
    uint64_t v = next_random(d);

    return v % 4 == 0 ? OSD_OFFSET_UNUSED : osd_offset_align(v % 1000000, gen);
}

static struct osd_attr_params random_attrs(struct drive *d, const struct osd_cdb *c)
{
    enum osd_attr_format format = OSD_ATTR_PAGE + next_random(d) % 2;

    if (osd_op_info(c->op)->data_out) /* tshark would take the data for attributes */
        return (struct osd_attr_params){.format = format,
                                        .get_alloc_len = (uint32_t)next_random(d),
                                        .retrieved_off = random_offset(d, c->gen),
                                        .set_off = OSD_OFFSET_UNUSED};
    if (c->op == OSD_OP_SET_ATTRIBUTES && c->gen == OSD_GEN2 && next_random(d) % 2)
        return (struct osd_attr_params){.format = OSD_ATTR_CDB,
                                        .set_page = 0x10000 | (uint32_t)next_random(d) % 0xffff,
                                        .set_number = (uint32_t)next_random(d) >> 1,
                                        .set_len = next_random(d) % 19};
    if (format == OSD_ATTR_PAGE)
        return (struct osd_attr_params){.format = format,
                                        .get_page = (uint32_t)next_random(d),
                                        .get_alloc_len = (uint32_t)next_random(d),
                                        .retrieved_off = random_offset(d, c->gen),
                                        .set_page = (uint32_t)next_random(d),
                                        .set_number = (uint32_t)next_random(d),
                                        .set_len = (uint32_t)next_random(d),
                                        .set_off = random_offset(d, c->gen)};
    return (struct osd_attr_params){.format = format,
                                    .get_list_len = (uint32_t)next_random(d),
                                    .get_list_off = random_offset(d, c->gen),
                                    .get_alloc_len = (uint32_t)next_random(d),
                                    .retrieved_off = random_offset(d, c->gen),
                                    .set_len = (uint32_t)next_random(d),
                                    .set_off = random_offset(d, c->gen)};
}

/* Largest value of byte 10's or 11's command-specific bits. */
static uint8_t option_limit(const struct osd_cdb *c)
{
    switch (c->op) {
    case OSD_OP_LIST:
        return 15;
    case OSD_OP_REMOVE_PARTITION:
        return c->gen == OSD_GEN2 ? 7 : 0;
    case OSD_OP_REMOVE_COLLECTION:
        return 1;
    default:
        return is_flush1(c) || c->op == OSD_OP_SET_KEY ? 3 : 0;
    }
}

static void random_command(struct drive *d, const struct row *r)
{
    struct osd_cdb c = {.op = r->op, .gen = r->gen};
    bool list = r->op == OSD_OP_LIST || r->op == OSD_OP_LIST_COLLECTION;

    c.pid = next_random(d) | 1;
    c.oid = r->op == OSD_OP_SET_KEY ? 0 : next_random(d) | 1;
    c.length = osd_op_info(r->op)->data_out ? 1 + next_random(d) % 4000 : next_random(d);
    c.start = next_random(d);
    c.count = (uint16_t)next_random(d);
    c.list_id = (uint32_t)next_random(d);
    c.option = (uint8_t)(next_random(d) % (option_limit(&c) + 1u));
    c.key_version = next_random(d) & 15;
    c.timestamps = next_random(d) % 2 ? 0x7f : 0;
    c.fua = !is_flush1(&c) && next_random(d) % 2;
    c.dpo = !is_flush1(&c) && next_random(d) % 2;
    c.list_attr = list && r->gen == OSD_GEN2 && next_random(d) % 2;
    random_bytes(d, c.key_id, sizeof(c.key_id));
    random_bytes(d, c.seed, sizeof(c.seed));
    c.attr = random_attrs(d, &c);
    c.cap = random_capability(d, &c);
    random_bytes(d, c.sec.request_icv, r->gen == OSD_GEN1 ? OSD_ICV1_LEN : OSD_ICV2_LEN);
    random_bytes(d, c.sec.nonce, sizeof(c.sec.nonce));
    c.sec.data_in_icv_off = random_offset(d, r->gen);
    c.sec.data_out_icv_off = random_offset(d, r->gen);
    if (osd_op_info(r->op)->data_out)
        d->out_len = c.length;
    run(d, &c);
    if (d->x.status != SAM_CHECK_CONDITION)
        die(osd_op_info(r->op)->name, "a command with random fields was not refused");
}

/* ---- objects live and die ---- */

static struct osd_cdb command(enum osd_op op, enum osd_gen gen, uint64_t pid, uint64_t oid)
{
    struct osd_cdb c = {
        .op = op,
        .gen = gen,
        .pid = pid,
        .oid = oid,
        .attr = {.format = OSD_ATTR_PAGE, .set_off = OSD_OFFSET_UNUSED},
        .sec = {.data_in_icv_off = OSD_OFFSET_UNUSED, .data_out_icv_off = OSD_OFFSET_UNUSED}};
    bool user = oid != 0 || op == OSD_OP_CREATE;

    c.cap = (struct osd_capability){.format = 1,
                                    .object_type = user  ? OSD_TYPE_USER
                                                   : pid ? OSD_TYPE_PARTITION
                                                         : OSD_TYPE_ROOT,
                                    .permissions = gen == OSD_GEN1 ? 0xffe0 : 0xfffc,
                                    .descriptor = user ? OSD_DESC_USER : OSD_DESC_PAR,
                                    .allowed_pid = pid,
                                    .allowed_oid = user ? oid : 0};
    return c;
}

static void expect_good(struct drive *d, const struct osd_cdb *c)
{
    run(d, c);
    if (d->x.status != SAM_GOOD)
        die(osd_op_info(c->op)->name, "was refused");
}

/* A command that answers its current command page, which names the object. tshark reads pages
 * in lists only, so there is no line for it. */
static void with_current(struct drive *d, struct osd_cdb *c)
{
    struct osd_current_command cc;

    c->attr.get_page = OSD_PAGE_CURRENT;
    c->attr.get_alloc_len = c->gen == OSD_GEN1 ? 56 : 76;
    expect_good(d, c);
    struct osd_bytes page = {d->in, d->x.in_len};
    if (osd_current_command_parse(page, c->gen, &cc) || cc.pid != c->pid || cc.oid != c->oid)
        die(osd_op_info(c->op)->name, "no current command page");
}

/* SET ATTRIBUTES with a list of one: the list travels in Data-Out. */
static void set_name(struct drive *d, enum osd_gen gen, uint64_t pid, uint64_t oid)
{
    struct osd_writer w = osd_writer_make(d->out, BUFFER);
    struct osd_cdb c = command(OSD_OP_SET_ATTRIBUTES, gen, pid, oid);

    osd_attr_list_open(&w, gen, OSD_LIST_SET);
    osd_attr_put_value(&w, gen, (struct osd_attr_id){OSD_PG_INFORMATION, 9}, "alice", 5);
    osd_attr_list_close(&w, gen, 0);
    d->out_len = w.full;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_LIST, .set_len = (uint32_t)w.full};
    expect_good(d, &c);
    printf("out");
    say("attributes_list.type", OSD_LIST_SET);
    say("attributes.page", OSD_PG_INFORMATION);
    say("attribute.number", 9);
    say("attribute.length", 5);
    printf("\n");
}

static void list(struct drive *d, enum osd_gen gen, uint64_t pid)
{
    struct osd_cdb c = command(OSD_OP_LIST, gen, pid, 0);
    size_t at = OSD_LIST_HEADER_LEN;
    struct osd_list_head h;
    struct osd_list_entry e;

    c.length = 4096;
    expect_good(d, &c);
    struct osd_bytes data = {d->in, d->x.in_len};
    if (osd_list_head_decode(data, gen, &h) || osd_list_entry_next(data, &h, &at, &e))
        die("LIST", "no list");
    printf("in"); /* tshark calls a list malformed that the allocation length cut */
    say("additional_length", h.additional_len);
    say("continuation_object_id", h.continuation);
    say("list_identifier", h.list_id);
    say("list.lstchg", h.changed);
    say(pid ? "user_object_id" : "partition_id", e.id);
    printf("\n");
}

/* ---- lists both ways: what a command asks for, what comes back ---- */

#define MAX_SEEN  64
#define N_SET     3    /* attributes that are set */
#define RETRIEVED 1024 /* where retrieved attributes begin in Data-In */

/* The first is undefined. In OSD-1 it is left out: tshark 4.0 takes its length FFFFh for a
 * length.
 */
#define MAX_ASKED 5
static const struct osd_attr_id all_asked[MAX_ASKED] = {{OSD_PG_INFORMATION, 0xd1},
                                                        {OSD_PG_INFORMATION, 0x82},
                                                        {OSD_PAGE_CURRENT, 2},
                                                        {OSD_PAGE_CURRENT, 3},
                                                        {OSD_PAGE_CURRENT, 4}};

static size_t asked(enum osd_gen gen, const struct osd_attr_id **ret)
{
    size_t skip = gen == OSD_GEN1;

    *ret = all_asked + skip;
    return MAX_ASKED - skip;
}

/* "a,b,c": every value that tshark has of a field, in order. */
static void say_all(const char *field, const uint64_t *values, size_t n)
{
    printf(" %s=", field);
    for (size_t i = 0; i < n; i++)
        printf("%s0x%" PRIx64, i ? "," : "", values[i]);
}

/* Append a list to Data-Out where the next one may begin; returns its offset and length. */
static size_t append_list(struct drive *d, const struct osd_cdb *c, enum osd_list_type type,
                          uint32_t *ret_len)
{
    size_t at = osd_offset_align(d->out_len, c->gen);
    struct osd_writer w = osd_writer_make(d->out + at, BUFFER - at);
    const struct osd_attr_id *get;
    size_t n = asked(c->gen, &get);

    memset(d->out + d->out_len, 0, at - d->out_len);
    osd_attr_list_open(&w, c->gen, type);
    for (size_t i = 0; i < n && type == OSD_LIST_GET; i++)
        osd_attr_put_get(&w, c->gen, get[i]);
    for (uint32_t i = 1; i <= N_SET && type == OSD_LIST_SET; i++)
        osd_attr_put_value(&w, c->gen, (struct osd_attr_id){OSD_PG_CLIENT, i}, "value", i);
    osd_attr_list_close(&w, c->gen, 0);
    *ret_len = (uint32_t)w.full;
    d->out_len = at + w.full;
    return at;
}

/* Set some attributes, get some, and name both lists in the CDB. */
static void ask(struct drive *d, struct osd_cdb *c, bool set)
{
    c->attr = (struct osd_attr_params){.format = OSD_ATTR_LIST,
                                       .get_alloc_len = 1024,
                                       .retrieved_off = RETRIEVED,
                                       .set_off = OSD_OFFSET_UNUSED};
    if (set)
        c->attr.set_off = append_list(d, c, OSD_LIST_SET, &c->attr.set_len);
    c->attr.get_list_off = append_list(d, c, OSD_LIST_GET, &c->attr.get_list_len);
    d->both = true;
}

/* Both lists of Data-Out, in the order in which tshark shows them: get, then set. */
static void say_asked(enum osd_gen gen, bool set)
{
    uint64_t pages[MAX_ASKED + N_SET], numbers[MAX_ASKED + N_SET];
    uint64_t types[2] = {OSD_LIST_GET, OSD_LIST_SET};
    const struct osd_attr_id *get;
    size_t n = asked(gen, &get);

    for (size_t i = 0; i < n; i++) {
        pages[i] = get[i].page;
        numbers[i] = get[i].number;
    }
    for (uint32_t i = 1; i <= N_SET && set; i++) {
        pages[n] = OSD_PG_CLIENT;
        numbers[n++] = i;
    }
    printf("out");
    say_all("attributes_list.type", types, set ? 2 : 1);
    say_all("attributes.page", pages, n);
    say_all("attribute.number", numbers, n);
    printf("\n");
}

/* What an attribute list says, by our own decoder. */
struct seen {
    uint64_t pages[MAX_SEEN], numbers[MAX_SEEN], lengths[MAX_SEEN], objects[MAX_SEEN],
        logical[MAX_SEEN];
    size_t n, n_objects, n_logical;
};

static void look(struct osd_attr_cursor *cur, struct seen *s)
{
    struct osd_wire_error err;
    struct osd_attr_entry e;

    while (s->n < MAX_SEEN && osd_attr_cursor_next(cur, &e, &err) == OSD_OK) {
        s->pages[s->n] = e.id.page;
        s->numbers[s->n] = e.id.number;
        s->lengths[s->n++] = e.len;
        if (e.id.page == OSD_PAGE_CURRENT && e.id.number == 4)
            s->objects[s->n_objects++] = be64_get(e.value.data);
        if (e.id.page == OSD_PG_INFORMATION && e.id.number == 0x82)
            s->logical[s->n_logical++] = be64_get(e.value.data);
    }
}

static void say_seen(const struct seen *s)
{
    say_all("attributes.page", s->pages, s->n);
    say_all("attribute.number", s->numbers, s->n);
    say_all("attribute.length", s->lengths, s->n);
    say_all("attr.object_id", s->objects, s->n_objects);
    say_all("user_object.logical_length", s->logical, s->n_logical);
    printf("\n");
}

static void say_retrieved(struct drive *d, const struct osd_cdb *c, enum osd_list_type type)
{
    struct osd_bytes list = {d->in + RETRIEVED, d->x.in_len - RETRIEVED};
    struct osd_attr_cursor cur;
    struct osd_wire_error err;
    struct seen s = {.n = 0};

    if (d->x.in_len < RETRIEVED || osd_attr_cursor_open(list, c->gen, type, true, &cur, &err))
        die(osd_op_info(c->op)->name, "no attributes came back");
    look(&cur, &s);
    printf("in");
    say("attributes_list.type", type);
    say_seen(&s);
}

/* A command with lists in both directions. */
static void both(struct drive *d, struct osd_cdb *c, bool set, enum osd_list_type type)
{
    ask(d, c, set);
    expect_good(d, c);
    if (row_of(c)->only_known)
        return;
    say_asked(c->gen, set);
    say_retrieved(d, c, type);
}

/* OSD-2 LIST with attributes: the get list goes out, entries with attributes come back. */
static void list_with_attributes(struct drive *d, uint64_t pid)
{
    struct osd_cdb c = command(OSD_OP_LIST, OSD_GEN2, pid, 0);
    size_t at = OSD_LIST_HEADER_LEN, n = 0;
    uint64_t ids[MAX_SEEN];
    struct osd_list_head h;
    struct osd_list_entry e;
    struct seen s = {.n = 0};

    ask(d, &c, false);
    c.list_attr = true;
    c.attr.get_alloc_len = 0; /* attributes come inside the list */
    c.attr.retrieved_off = OSD_OFFSET_UNUSED;
    c.length = DATA_IN;
    expect_good(d, &c);
    say_asked(OSD_GEN2, false);
    struct osd_bytes data = {d->in, d->x.in_len};
    if (osd_list_head_decode(data, OSD_GEN2, &h) || !h.with_attrs)
        die("LIST", "no attributes came back");
    while (n < MAX_SEEN && osd_list_entry_next(data, &h, &at, &e) == OSD_OK) {
        struct osd_attr_cursor cur;
        ids[n++] = e.id;
        osd_list_entry_attrs(&e, &cur);
        look(&cur, &s);
    }
    printf("in");
    say("object_descriptor_format", 0x22);
    say_all("user_object_id", ids, n);
    say_seen(&s);
}

/* ---- collections ---- */

static struct osd_cdb collection_command(enum osd_op op, enum osd_gen gen, uint64_t pid,
                                         uint64_t cid)
{
    struct osd_cdb c = command(op, gen, pid, cid);

    c.cap.object_type = OSD_TYPE_COLLECTION;
    c.cap.descriptor = OSD_DESC_USER; /* format 1 knows no other */
    return c;
}

/* LIST COLLECTION: of one collection its members, with cid 0 the collections of the partition. */
static void list_collection(struct drive *d, enum osd_gen gen, uint64_t pid, uint64_t cid)
{
    struct osd_cdb c = cid ? collection_command(OSD_OP_LIST_COLLECTION, gen, pid, cid)
                           : command(OSD_OP_LIST_COLLECTION, gen, pid, 0);
    size_t at = OSD_LIST_HEADER_LEN;
    struct osd_list_head h;
    struct osd_list_entry e;

    c.length = DATA_IN;
    expect_good(d, &c);
    struct osd_bytes data = {d->in, d->x.in_len};
    if (osd_list_head_decode(data, gen, &h) || osd_list_entry_next(data, &h, &at, &e))
        die("LIST COLLECTION", "no list");
    printf("in");
    say("additional_length", h.additional_len);
    say("continuation_object_id", h.continuation);
    if (gen == OSD_GEN1)
        say("list_collection.coltn", cid == 0);
    else
        say("object_descriptor_format", cid ? 0x21 : 0x11);
    say(cid ? "user_object_id" : "collection_object_id", e.id);
    printf("\n");
}

/* QUERY for objects of 1 to 4096 bytes: the query list is in the CDB continuation segment. */
static void query(struct drive *d, uint64_t pid, uint64_t cid, uint64_t found)
{
    struct osd_writer w = osd_writer_make(d->out, BUFFER);
    struct osd_cdb c = collection_command(OSD_OP_QUERY, OSD_GEN2, pid, cid);

    osd_writer_be32(&w, 0x01000000 | 0x88a0);
    osd_writer_zero(&w, 36);
    osd_writer_be16(&w, 2);  /* a query list ... */
    osd_writer_be16(&w, 4);  /* ... and 4 bytes to fill up */
    osd_writer_be32(&w, 36); /* its length */
    osd_writer_be32(&w, 0x01000000);
    osd_writer_be32(&w, 28);
    osd_writer_be32(&w, OSD_PG_INFORMATION);
    osd_writer_be32(&w, 0x82);
    osd_writer_be16(&w, 8);
    osd_writer_be64(&w, 1);
    osd_writer_be16(&w, 8);
    osd_writer_be64(&w, 4096);
    osd_writer_zero(&w, 4);
    d->out_len = w.full;
    d->both = true;
    c.cont_len = (uint32_t)w.full;
    c.length = DATA_IN;
    c.cap.format = 2;
    c.cap.descriptor = OSD_DESC_COL;
    expect_good(d, &c);
    printf("out");
    say("cdb_continuation.format", 1);
    say("cdb_continuation.sa", 0x88a0);
    say("cdb_continuation.desc.type", 2);
    say("cdb_continuation.desc.padlen", 4);
    say("cdb_continuation.desc.length", 36);
    say("query.type", 1);
    say("query.entry.length", 28);
    say("query.entry.page", OSD_PG_INFORMATION);
    say("query.entry.number", 0x82);
    say("query.entry.min_length", 8);
    say("query.entry.max_length", 8);
    printf("\nin");
    say("additional_length", 4 + 8);
    say("user_object_id", found);
    printf("\n");
}

/* A collection of one user object that has some bytes. */
static void collections(struct drive *d, enum osd_gen gen, uint64_t pid, uint64_t oid)
{
    uint64_t cid = 0x11000;
    struct osd_cdb c = collection_command(OSD_OP_CREATE_COLLECTION, gen, pid, cid);

    expect_good(d, &c);
    c = command(OSD_OP_SET_ATTRIBUTES, gen, pid, oid); /* join it */
    be64_put(d->out, cid);
    d->out_len = 8;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_PAGE,
                                      .set_page = OSD_PAGE_U + OSD_PG_COLLECTIONS,
                                      .set_number = 1,
                                      .set_len = 8};
    expect_good(d, &c);
    list_collection(d, gen, pid, 0);
    list_collection(d, gen, pid, cid);
    if (gen == OSD_GEN2) {
        c = collection_command(OSD_OP_CREATE_USER_TRACKING_COLLECTION, gen, pid, cid + 1);
        c.start = cid; /* with the same members */
        expect_good(d, &c);
        if (d->carrier->both_ways)
            query(d, pid, cid + 1, oid);
        c = collection_command(OSD_OP_REMOVE_COLLECTION, gen, pid, cid + 1);
        c.option = 1;
        expect_good(d, &c);
    }
    c = collection_command(OSD_OP_REMOVE_COLLECTION, gen, pid, cid);
    run(d, &c); /* it has a member */
    c.option = 1;
    expect_good(d, &c);
}

/* ---- one after the other ---- */

/* A quota that is used up: the sense data names it. */
static void exceed_quota(struct drive *d, enum osd_gen gen, uint64_t pid)
{
    struct osd_cdb c = command(OSD_OP_SET_ATTRIBUTES, gen, pid, 0);

    be64_put(d->out, 1);
    d->out_len = 8;
    c.attr = (struct osd_attr_params){.format = OSD_ATTR_PAGE,
                                      .set_page = OSD_PAGE_P + OSD_PG_QUOTAS,
                                      .set_number = 0x10002,
                                      .set_len = 8};
    expect_good(d, &c);
    c = command(OSD_OP_CREATE, gen, pid, 0);
    run(d, &c);
    if (d->x.status != SAM_CHECK_CONDITION)
        die("CREATE", "went beyond the quota");
}

static void life(struct drive *d, enum osd_gen gen)
{
    uint64_t pid = 0x20000 + gen, oid = 0x10005;
    struct osd_cdb c = command(OSD_OP_CREATE_PARTITION, gen, pid, 0);

    with_current(d, &c);
    c = command(OSD_OP_CREATE_PARTITION, gen, pid + 0x1000, 0);
    expect_good(d, &c);
    c = command(OSD_OP_CREATE, gen, pid, oid);
    with_current(d, &c);
    c = command(OSD_OP_CREATE, gen, pid, oid + 1);
    expect_good(d, &c);
    c = command(OSD_OP_WRITE, gen, pid, oid);
    c.length = d->out_len = 100;
    random_bytes(d, d->out, 100);
    expect_good(d, &c);
    c = command(OSD_OP_READ, gen, pid, oid);
    c.length = 256; /* more than there is: data and sense */
    run(d, &c);
    if (d->x.status != SAM_CHECK_CONDITION || memcmp(d->in, d->out, 100) != 0)
        die("READ", "expected the data and a word on its end");
    set_name(d, gen, pid, oid);
    c = command(OSD_OP_GET_ATTRIBUTES, gen, pid, oid);
    with_current(d, &c);
    list(d, gen, pid);
    list(d, gen, 0);
    collections(d, gen, pid, oid);
    exceed_quota(d, gen, pid);
    c = command(OSD_OP_REMOVE_PARTITION, gen, pid, 0);
    run(d, &c); /* not empty */
    for (uint64_t i = 0; i < 2; i++) {
        c = command(OSD_OP_REMOVE, gen, pid, oid + i);
        expect_good(d, &c);
    }
    for (uint64_t i = 0; i < 2; i++) {
        c = command(OSD_OP_REMOVE_PARTITION, gen, pid + 0x1000 * i, 0);
        expect_good(d, &c);
    }
}

static void lists_both_ways(struct drive *d, enum osd_gen gen)
{
    uint64_t pid = 0x30000 + gen, oid = 0x10005;
    struct osd_cdb c = command(OSD_OP_CREATE_PARTITION, gen, pid, 0);

    expect_good(d, &c);
    c = command(OSD_OP_CREATE, gen, pid, oid);
    both(d, &c, true, OSD_LIST_SET);
    c = command(OSD_OP_CREATE, gen, pid, 0);
    c.count = 3;
    both(d, &c, false, gen == OSD_GEN1 ? OSD_LIST_MULTI_V1 : OSD_LIST_MULTI_V2);
    c = command(OSD_OP_WRITE, gen, pid, oid);
    c.length = d->out_len = 700;
    both(d, &c, true, OSD_LIST_SET);
    c = command(OSD_OP_APPEND, gen, pid, oid);
    c.length = d->out_len = 100;
    both(d, &c, false, OSD_LIST_SET);
    c = command(OSD_OP_READ, gen, pid, oid);
    c.length = 800;
    both(d, &c, true, OSD_LIST_SET);
    c = command(OSD_OP_GET_ATTRIBUTES, gen, pid, oid);
    both(d, &c, true, OSD_LIST_SET);
    c = command(OSD_OP_SET_ATTRIBUTES, gen, pid, oid);
    both(d, &c, true, OSD_LIST_SET);
    if (gen == OSD_GEN2)
        list_with_attributes(d, pid);
    c = command(OSD_OP_REMOVE, gen, pid, oid);
    both(d, &c, false, OSD_LIST_SET);
}

/* tshark learns from INQUIRY that the logical unit is an OSD. */
static void inquire(struct drive *d)
{
    static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 96, 0};

    for (int i = 0; i < 3; i++) { /* a unit attention may come first */
        d->x = (struct exchange){
            .cdb = inquiry, .cdb_len = sizeof(inquiry), .in = d->in, .in_cap = 96};
        if (d->carrier->execute(d->carrier, &d->x) == OSD_OK && d->x.status == SAM_GOOD)
            return;
    }
    die("INQUIRY", "failed");
}

int main(int argc, char **argv)
{
    static struct drive d = {.rng = 0x9e3779b97f4a7c15ULL};

    if (argc != 2)
        die("usage", "osd_drive iscsi://host/target/lun or FILE.pcap");
    bool remote = strncmp(argv[1], "iscsi://", 8) == 0;
    d.carrier = remote ? carrier_iscsi(argv[1]) : carrier_capture(argv[1]);
    if (!d.carrier)
        return 1;
    inquire(&d);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < N_ROWS; i++)
            random_command(&d, &rows[i]);
    for (enum osd_gen gen = OSD_GEN1; gen <= OSD_GEN2; gen++) {
        life(&d, gen);
        if (d.carrier->both_ways)
            lists_both_ways(&d, gen);
    }
    d.carrier->close(d.carrier);
    return 0;
}
