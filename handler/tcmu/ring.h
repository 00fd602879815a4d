/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/ring.h - completing commands on the TCMU ring without tcmu-runner
 *
 * tcmu-runner cannot report how many bytes of Data-In are meant, nor Data-In together with
 * CHECK CONDITION. With nr_threads 0 and every command answered "asynchronous" it never writes
 * the ring's tail, so the handler owns it. Invariants: (1) The tail moves by one entry per
 * completed command, under the caller's lock. (2) An entry is overwritten only after
 * tcmu-runner has read it: completions never outnumber the commands that were handed to the
 * handler.
 */
#ifndef TCMU_RING_H
#define TCMU_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

/** Where tcmu-runner reads, for one who follows it from the ring's tail at the start: the
 *  mailbox's cmd_tail before the first command. */
uint32_t osd_ring_start(const void *map);

/** Follow: command cmd_id was handed over and is not yet completed. Moves *at behind its entry;
 *  true when the next command is in the ring already and will be handed over without a wait.
 *  False when that is not sure, and for good after an entry that was not the command's. The
 *  reader's thread only. */
bool osd_ring_follow(const void *map, uint32_t *at, uint16_t cmd_id);

/** Write one completion at the ring's tail and advance it. read_len 0 = not stated. The mapping
 *  is tcmu_dev_get_memory_info()'s base. One caller at a time. */
void osd_ring_complete(void *map, uint16_t cmd_id, uint8_t scsi_status, const uint8_t *sense,
                       size_t sense_len, uint32_t read_len);

#endif
