/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_continuation.c - any bytes as a CDB continuation segment
 *
 * Input: service action (16 bits), start (64 bits), length (64 bits), then the segment. Holds:
 * what an accepted segment yields lies inside it; extents do not wrap and add up to the length;
 * faults of a query list point into the segment.
 */
#include <string.h>

#include "check.h"
#include "interpreter/continuation.h"
#include "interpreter/query.h"

#define HEAD 18

static void check_inside(const struct command *c, struct osd_bytes part)
{
    if (part.len == 0)
        return;
    require(part.data >= c->continuation.data + CONTINUATION_HEAD);
    require(part.data + part.len <= c->continuation.data + c->continuation.len);
}

static osd_status count(void *arg, struct osd_attr_id id)
{
    require(osd_page_owner(id.page) == OSD_TYPE_USER && id.number != OSD_ATTR_ALL);
    require(++*(size_t *)arg <= 65536 / 16);
    return OSD_OK;
}

static void check_query(struct command *c)
{
    size_t n = 0;
    osd_status st = query_each(c, count, &n);

    require(st == OSD_OK || c->fault.kind == FAULT_PARAM);
    require(st == OSD_OK || c->fault.field <= c->continuation.len);
}

static void check_extents(const struct command *c)
{
    uint64_t sum = 0;

    require(c->n_extents >= 1);
    if (c->scatter.len == 0)
        return;
    require(c->scatter.len == (size_t)c->n_extents * 16);
    for (uint32_t i = 0; i < c->n_extents; i++) {
        struct extent e = command_extent(c, i);
        require(e.start >= c->cdb.start);
        require(e.len <= c->cdb.length - sum);
        sum += e.len;
    }
    require(sum == c->cdb.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct command c;
    uint8_t cdb[10] = {OSD_OPCODE};
    struct osd_request req = {.cdb = cdb, .cdb_len = sizeof(cdb)};

    if (size < HEAD)
        return 0;
    memset(&c, 0, sizeof(c));
    memcpy(cdb + 8, data, 2);
    c.req = &req;
    c.cdb.op = osd_op_by_action(be16_get(data), &c.cdb.gen);
    if (c.cdb.op == OSD_OP_INVALID || c.cdb.gen != OSD_GEN2)
        return 0;
    c.cdb.start = be64_get(data + 2);
    c.cdb.length = be64_get(data + 10);
    c.continuation = (struct osd_bytes){data + HEAD, size - HEAD};
    c.cdb.cont_len = (uint32_t)c.continuation.len;
    if (continuation_parse(&c)) {
        require(c.fault.kind == FAULT_CDB && (c.fault.field == 48 || c.fault.field == 32));
        return 0;
    }
    check_inside(&c, c.scatter);
    check_inside(&c, c.query);
    check_inside(&c, c.second);
    check_inside(&c, c.extensions);
    check_extents(&c);
    check_query(&c);
    return 0;
}
