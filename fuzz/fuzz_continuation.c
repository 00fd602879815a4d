/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_continuation.c - any bytes as the CDB continuation segment of a scatter/gather
 * command
 *
 * Input: service action (16 bits), start (64 bits), length (64 bits), then the segment. Holds:
 * the extents of an accepted segment lie inside it, do not wrap, and add up to the length.
 */
#include <string.h>

#include "check.h"
#include "interpreter/continuation.h"

#define HEAD 18

static void check_extents(const struct command *c)
{
    uint64_t sum = 0;

    require(c->n_extents >= 1);
    if (c->scatter.len == 0)
        return;
    require(c->scatter.data >= c->continuation.data);
    require(c->scatter.data + c->scatter.len <= c->continuation.data + c->continuation.len);
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
    if (continuation_parse(&c) == OSD_OK)
        check_extents(&c);
    else
        require(c.fault.kind == FAULT_CDB && (c.fault.field == 48 || c.fault.field == 32));
    return 0;
}
