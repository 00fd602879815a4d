/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/ring.c - see ring.h
 */
#include "ring.h"

#include <string.h>

#define LOST UINT32_MAX /* the reader's place is not known */

static struct ring_entry *entry_at(const struct tcmu_ring_mailbox *mb, uint32_t tail)
{
    return (struct ring_entry *)((uint8_t *)mb + mb->cmdr_off + tail);
}

static uint32_t after(const struct tcmu_ring_mailbox *mb, uint32_t tail, uint32_t len_op)
{
    return (tail + (len_op & ~RING_OP_MASK)) % mb->cmdr_size;
}

uint32_t osd_ring_start(const void *map)
{
    return ((const struct tcmu_ring_mailbox *)map)->cmd_tail;
}

/* The first command from at on; head when there is none. */
static uint32_t skip_others(const struct tcmu_ring_mailbox *mb, uint32_t at, uint32_t head)
{
    while (at != head) {
        uint32_t len_op = entry_at(mb, at)->len_op;
        if ((len_op & RING_OP_MASK) == RING_OP_CMD)
            break;
        at = after(mb, at, len_op);
    }
    return at;
}

bool osd_ring_follow(const void *map, uint32_t *at, uint16_t cmd_id)
{
    const struct tcmu_ring_mailbox *mb = map;
    uint32_t head = __atomic_load_n(&mb->cmd_head, __ATOMIC_ACQUIRE);
    uint32_t here = *at == LOST ? head : skip_others(mb, *at, head);
    const struct ring_entry *e = entry_at(mb, here);

    if (here == head || e->cmd_id != cmd_id) {
        *at = LOST;
        return false;
    }
    *at = after(mb, here, e->len_op);
    return skip_others(mb, *at, head) != head;
}

void osd_ring_complete(void *map, uint16_t cmd_id, uint8_t scsi_status, const uint8_t *sense,
                       size_t sense_len, uint32_t read_len)
{
    struct tcmu_ring_mailbox *mb = map;
    uint32_t tail = mb->cmd_tail;
    struct ring_entry *e = entry_at(mb, tail);

    while ((e->len_op & RING_OP_MASK) != RING_OP_CMD) { /* padding, notices */
        tail = after(mb, tail, e->len_op);
        e = entry_at(mb, tail);
    }
    e->cmd_id = cmd_id;
    e->uflags = 0;
    memset(&e->rsp, 0, sizeof(e->rsp));
    e->rsp.scsi_status = scsi_status;
    if (read_len > 0 && mb->flags & RING_CAP_READ_LEN) {
        e->uflags = RING_FLAG_READ_LEN;
        e->rsp.read_len = read_len;
    }
    if (sense_len > 0)
        memcpy(e->rsp.sense, sense, sense_len < TCMU_SENSE_LEN ? sense_len : TCMU_SENSE_LEN);
    __atomic_store_n(&mb->cmd_tail, after(mb, tail, e->len_op), __ATOMIC_RELEASE);
}
