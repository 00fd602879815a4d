/* SPDX-License-Identifier: Apache-2.0 */
/*
 * osd_drive.c - sends one of every OSD command over iSCSI and says what it meant by each
 *
 * usage: osd_drive iscsi://host/target/lun >meant.txt
 * One line per command on standard output: the tshark field names and values that a decoder
 * must find in the CDB. test-tshark.sh compares them with what tshark found on the wire. Field
 * values are random (fixed seed), so most commands are refused by the device; only the CDB
 * matters here. Commands go out one at a time, so the order on the wire is the order of the
 * lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "initiator/initiator.h"
#include "wire/cdb.h"

static uint64_t state = 0x9e3779b97f4a7c15ULL;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Members of the command that tshark shows, and by which name. */
enum member { PID, OID, LENGTH, START, LIST_ID, COUNT, OPTION, KEY_VERSION, NO_MEMBER };

struct meaning {
    enum member member;
    const char *field;
};

#define MEANINGS 6

/* What tshark 4.0 decodes of each command. OSD-2 bodies it does not dissect are left out. */
static const struct row {
    enum osd_op op;
    enum osd_gen gen;
    struct meaning m[MEANINGS];
} rows[] = {
    {OSD_OP_APPEND,
     OSD_GEN1,
     {{PID, "partition_id"}, {OID, "user_object_id"}, {LENGTH, "length"}}},
    {OSD_OP_CREATE,
     OSD_GEN1,
     {{PID, "partition_id"},
      {OID, "requested_user_object_id"},
      {COUNT, "number_of_user_objects"}}},
    {OSD_OP_CREATE_AND_WRITE,
     OSD_GEN1,
     {{PID, "partition_id"},
      {OID, "requested_user_object_id"},
      {LENGTH, "length"},
      {START, "starting_byte_address"}}},
    {OSD_OP_CREATE_COLLECTION,
     OSD_GEN1,
     {{PID, "partition_id"}, {OID, "requested_collection_object_id"}}},
    {OSD_OP_CREATE_PARTITION, OSD_GEN1, {{PID, "requested_partition_id"}}},
    {OSD_OP_FLUSH,
     OSD_GEN1,
     {{PID, "partition_id"}, {OID, "user_object_id"}, {OPTION, "flush.scope"}}},
    {OSD_OP_FLUSH_COLLECTION,
     OSD_GEN1,
     {{PID, "partition_id"},
      {OID, "collection_object_id"},
      {OPTION, "flush_collection.scope"}}},
    {OSD_OP_FLUSH_PARTITION,
     OSD_GEN1,
     {{PID, "partition_id"}, {OPTION, "flush_partition.scope"}}},
    {OSD_OP_FLUSH_OSD, OSD_GEN1, {{OPTION, "flush_osd.scope"}}},
    {OSD_OP_GET_ATTRIBUTES, OSD_GEN1, {{PID, "partition_id"}, {OID, "user_object_id"}}},
    {OSD_OP_LIST,
     OSD_GEN1,
     {{PID, "partition_id"},
      {LENGTH, "allocation_length"},
      {START, "initial_object_id"},
      {LIST_ID, "list_identifier"}}},
    {OSD_OP_LIST_COLLECTION,
     OSD_GEN1,
     {{PID, "partition_id"},
      {OID, "collection_object_id"},
      {LENGTH, "allocation_length"},
      {START, "initial_object_id"},
      {LIST_ID, "list_identifier"}}},
    {OSD_OP_READ,
     OSD_GEN1,
     {{PID, "partition_id"},
      {OID, "user_object_id"},
      {LENGTH, "length"},
      {START, "starting_byte_address"}}},
    {OSD_OP_REMOVE, OSD_GEN1, {{PID, "partition_id"}, {OID, "user_object_id"}}},
    {OSD_OP_REMOVE_COLLECTION,
     OSD_GEN1,
     {{PID, "partition_id"}, {OID, "collection_object_id"}}},
    {OSD_OP_REMOVE_PARTITION, OSD_GEN1, {{PID, "partition_id"}}},
    {OSD_OP_SET_ATTRIBUTES, OSD_GEN1, {{PID, "partition_id"}, {OID, "user_object_id"}}},
    {OSD_OP_WRITE,
     OSD_GEN1,
     {{PID, "partition_id"},
      {OID, "user_object_id"},
      {LENGTH, "length"},
      {START, "starting_byte_address"}}},
    {OSD_OP_CREATE_PARTITION, OSD_GEN2, {{PID, "requested_partition_id"}}},
    {OSD_OP_GET_ATTRIBUTES, OSD_GEN2, {{PID, "partition_id"}, {OID, "user_object_id"}}},
    {OSD_OP_LIST,
     OSD_GEN2,
     {{PID, "partition_id"},
      {LENGTH, "allocation_length"},
      {START, "initial_object_id"},
      {LIST_ID, "list_identifier"}}},
    {OSD_OP_REMOVE_PARTITION, OSD_GEN2, {{PID, "partition_id"}, {OPTION, "remove_scope"}}},
    {OSD_OP_SET_ATTRIBUTES, OSD_GEN2, {{PID, "partition_id"}, {OID, "user_object_id"}}},
};

/* Random but plausible values for the members a row names; sizes small, so that no data moves.
 */
static void fill(const struct row *r, struct osd_cdb *c)
{
    *c = (struct osd_cdb){.op = r->op, .gen = r->gen, .attr.format = OSD_ATTR_PAGE};
    for (int i = 0; i < MEANINGS && r->m[i].field; i++) {
        switch (r->m[i].member) {
        case PID:
            c->pid = OSD_ID_FIRST + next_random() % 0xffffffff;
            break;
        case OID:
            c->oid = OSD_ID_FIRST + next_random() % 0xffffffff;
            break;
        case LENGTH:
            c->length = next_random() % 4096;
            break;
        case START:
            c->start = next_random() >> 8;
            break;
        case LIST_ID:
            c->list_id = (uint32_t)next_random();
            break;
        case COUNT:
            c->count = (uint16_t)(1 + next_random() % 100);
            break;
        case OPTION:
            c->option = (uint8_t)(next_random() % 2);
            break;
        case KEY_VERSION:
        case NO_MEMBER:
            break;
        }
    }
    if (r->op == OSD_OP_CREATE && c->count > 1)
        c->oid = 0;
    c->attr.get_page = 1 + (uint32_t)(next_random() % 3);
    c->attr.get_alloc_len = (uint32_t)(next_random() % 256);
    c->attr.retrieved_off = osd_offset_align(c->length, r->gen);
    c->attr.set_off = OSD_OFFSET_UNUSED;
    c->cap = (struct osd_capability){
        .format = (uint8_t)r->gen,
        .expiration = next_random() >> 16,
        .object_type = OSD_TYPE_USER,
        .permissions = (uint16_t)(next_random() & 0xffe0),
        .descriptor = OSD_DESC_USER,
        .policy_tag = (uint32_t)next_random(),
        .allowed_pid = c->pid,
        .allowed_oid = c->oid,
    };
    c->sec.data_in_icv_off = OSD_OFFSET_UNUSED;
    c->sec.data_out_icv_off = OSD_OFFSET_UNUSED;
}

static uint64_t member_value(const struct osd_cdb *c, enum member m)
{
    switch (m) {
    case PID:
        return c->pid;
    case OID:
        return c->oid;
    case LENGTH:
        return c->length;
    case START:
        return c->start;
    case LIST_ID:
        return c->list_id;
    case COUNT:
        return c->count;
    case OPTION:
        return c->option;
    case KEY_VERSION:
        return c->key_version;
    case NO_MEMBER:
        break;
    }
    return 0;
}

static void say(const struct row *r, const struct osd_cdb *c)
{
    printf("svcaction=%u getset=%d timestamps_control=%u get_attributes_page=%" PRIu32
           " get_attributes_allocation_length=%" PRIu32 " capability_format=%u object_type=%u"
           " permissions=%u",
           osd_op_info(r->op)->action[r->gen], c->attr.format, c->timestamps, c->attr.get_page,
           c->attr.get_alloc_len, c->cap.format, c->cap.object_type, c->cap.permissions);
    for (int i = 0; i < MEANINGS && r->m[i].field; i++)
        printf(" %s=%" PRIu64, r->m[i].field, member_value(c, r->m[i].member));
    printf("\n");
}

/* Send a CDB; which way data goes follows the command, as a real client would do it. */
static osd_status send_cdb(struct iscsi_session *s, uint64_t lun, const uint8_t *cdb,
                           size_t len, const struct osd_cdb *c)
{
    static uint8_t data[1 << 16];
    struct iovec v = {.iov_base = data, .iov_len = 0};
    struct iscsi_command cmd = {.lun = lun, .cdb = cdb, .cdb_len = len};

    if (!c) {
        v.iov_len = 96;
        cmd.in = osd_iov_make(&v, 1);
    } else if (osd_op_info(c->op)->data_out) {
        v.iov_len = c->length;
        cmd.out = osd_iov_make(&v, 1);
    } else {
        v.iov_len = sizeof(data);
        cmd.in = osd_iov_make(&v, 1);
    }
    osd_status st = iscsi_execute(s, &cmd);
    if (!c && !st && cmd.scsi_status != 0) /* a unit attention may precede the first INQUIRY */
        return OSD_E_PROTOCOL;
    return st;
}

int main(int argc, char **argv)
{
    static const uint8_t inquiry[6] = {0x12, 0, 0, 0, 96, 0};
    struct iscsi_options opt = {.login_timeout_ms = 10000};
    struct iscsi_session *s;
    struct iscsi_url url;
    char why[256];

    if (argc != 2) {
        fprintf(stderr, "usage: osd_drive iscsi://host/target/lun\n");
        return 2;
    }
    if (iscsi_url_parse(argv[1], &url, why, sizeof(why)) ||
        iscsi_connect(&url, &opt, &s, why, sizeof(why))) {
        fprintf(stderr, "osd_drive: %s\n", why);
        return 1;
    }
    if (send_cdb(s, url.lun, inquiry, sizeof(inquiry), NULL)) {
        fprintf(stderr, "osd_drive: INQUIRY failed\n");
        return 1;
    }
    for (size_t i = 0; i < 3 * sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i % (sizeof(rows) / sizeof(rows[0]))];
        uint8_t cdb[OSD_CDB_MAX];
        struct osd_cdb c;
        size_t len;

        fill(r, &c);
        if (osd_cdb_encode(&c, cdb, &len)) {
            fprintf(stderr, "osd_drive: cannot encode %s\n", osd_op_info(r->op)->name);
            return 1;
        }
        say(r, &c);
        osd_status st = send_cdb(s, url.lun, cdb, len, &c);
        if (st) {
            fprintf(stderr, "osd_drive: %s: %s\n", osd_op_info(r->op)->name,
                    osd_status_text(st));
            return 1;
        }
    }
    iscsi_disconnect(s);
    return 0;
}
