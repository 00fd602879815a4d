/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/preload.c - cure for libtcmu's handling of operation codes it does not know
 *
 * libtcmu computes the CDB length of a command with tcmu_cdb_get_length(); for the groups
 * 60h-7Eh and C0h-FFh it fails, drops the command, and the device is wedged. Preloaded into
 * tcmu-runner, these three functions take the place of libtcmu's: every group has a length, and
 * no LBA or transfer length is read from commands that have none. The handler then answers such
 * commands with INVALID COMMAND OPERATION CODE like any other unknown one.
 */
#include <stdint.h>

int tcmu_cdb_get_length(uint8_t *cdb);
uint64_t tcmu_cdb_get_lba(uint8_t *cdb);
uint32_t tcmu_cdb_get_xfer_length(uint8_t *cdb);

__attribute__((visibility("default"))) int tcmu_cdb_get_length(uint8_t *cdb)
{
    static const uint8_t by_group[8] = {6, 10, 10, 16, 16, 12, 10, 10};

    return cdb[0] == 0x7f ? 8 + cdb[7] : by_group[cdb[0] >> 5];
}

__attribute__((visibility("default"))) uint64_t tcmu_cdb_get_lba(uint8_t *cdb)
{
    (void)cdb;
    return 0;
}

__attribute__((visibility("default"))) uint32_t tcmu_cdb_get_xfer_length(uint8_t *cdb)
{
    (void)cdb;
    return 0;
}
