/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_cdb.c - any bytes as an OSD CDB
 *
 * Holds: a failure names a byte of the CDB and leaves the output alone; what decodes can be
 * encoded again, and then decodes to the same; a CDB that was encoded is encoded from its
 * decoding byte for byte. The first four bytes are also tried as an offset field.
 */
#include <string.h>

#include "check.h"
#include "common/bytes.h"
#include "wire/cdb.h"

static void check_offset(uint32_t field, enum osd_gen gen)
{
    uint64_t value, aligned;
    uint32_t again;

    if (osd_offset_decode(field, gen, &value))
        return;
    if (value == OSD_OFFSET_UNUSED) {
        require(field == UINT32_MAX);
        return;
    }
    aligned = osd_offset_align(value, gen);
    require(aligned >= value);
    if (value >> 34) /* beyond what the encoder promises */
        return;
    require(osd_offset_encode(aligned, gen, &again) == OSD_OK);
    require(osd_offset_decode(again, gen, &value) == OSD_OK && value == aligned);
}

static void check_decoded(const struct osd_cdb *c)
{
    uint8_t first[OSD_CDB_MAX], second[OSD_CDB_MAX];
    struct osd_wire_error err;
    struct osd_cdb again;
    size_t len, len2;

    require(osd_op_info(c->op) && osd_op_info(c->op)->action[c->gen]);
    require(osd_cdb_encode(c, first, &len) == OSD_OK);
    require(len == (c->gen == OSD_GEN1 ? OSD1_CDB_LEN : OSD2_CDB_LEN));
    require(osd_cdb_decode(first, len, &again, &err) == OSD_OK);
    require(osd_cdb_encode(&again, second, &len2) == OSD_OK);
    require(len == len2 && memcmp(first, second, len) == 0);
    require(again.op == c->op && again.pid == c->pid && again.oid == c->oid);
    require(again.attr.set_off == c->attr.set_off && again.attr.set_len == c->attr.set_len);
    require(again.cap.permissions == c->cap.permissions && again.option == c->option);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct osd_cdb c = {.op = OSD_OP_INVALID, .pid = 0x5a5a};
    struct osd_wire_error err = {.field = 0xffff};

    if (size >= 4) {
        check_offset(be32_get(data), OSD_GEN1);
        check_offset(be32_get(data), OSD_GEN2);
    }
    if (osd_cdb_decode(data, size, &c, &err) == OSD_OK) {
        check_decoded(&c);
    } else {
        require(err.in_cdb && err.field < OSD_CDB_MAX && err.what);
        require(c.op == OSD_OP_INVALID && c.pid == 0x5a5a);
    }
    return 0;
}
