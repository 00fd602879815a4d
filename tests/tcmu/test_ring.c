/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/test_ring.c - completions on a ring laid out as the kernel does it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tcmu/ring.h"

#define CMDR_OFF  128
#define CMDR_SIZE 1024
#define ENTRY     128
#define OP_PAD    0u
#define OP_TMR    2u

static _Alignas(64) uint8_t memory[CMDR_OFF + CMDR_SIZE];

static struct tcmu_ring_mailbox *mailbox(void)
{
    return (struct tcmu_ring_mailbox *)memory;
}

static struct ring_entry *entry(uint32_t at)
{
    return (struct ring_entry *)(memory + CMDR_OFF + at);
}

/* Only the header of padding exists: it may be 8 bytes long. */
static void put(uint32_t at, uint32_t len, uint32_t op, uint16_t id)
{
    const uint32_t len_op = len | op;
    uint8_t *p = memory + CMDR_OFF + at;

    memset(p, 0xee, len);
    memcpy(p, &len_op, sizeof(len_op));
    memcpy(p + offsetof(struct ring_entry, cmd_id), &id, sizeof(id));
    p[offsetof(struct ring_entry, kflags)] = 0x40;
}

static int ring(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    *mailbox() = (struct tcmu_ring_mailbox){
        .version = 2, .flags = RING_CAP_READ_LEN, .cmdr_off = CMDR_OFF, .cmdr_size = CMDR_SIZE};
    return 0;
}

static void complete(uint16_t id, uint32_t read_len)
{
    osd_ring_complete(memory, id, 0, NULL, 0, read_len);
}

static void test_tcmu_ring__good_without_data(void **state)
{
    static const uint8_t zero[TCMU_SENSE_LEN];

    (void)state;
    put(0, ENTRY, RING_OP_CMD, 7);
    complete(7, 0);
    assert_int_equal(mailbox()->cmd_tail, ENTRY);
    assert_int_equal(entry(0)->rsp.scsi_status, 0);
    assert_int_equal(entry(0)->uflags, 0);
    assert_int_equal(entry(0)->rsp.read_len, 0);
    assert_memory_equal(entry(0)->rsp.sense, zero, sizeof(zero)); /* nothing of the request */
    assert_int_equal(entry(0)->kflags, 0x40);                     /* the kernel's own */
    assert_int_equal(entry(0)->len_op, ENTRY | RING_OP_CMD);
}

/* Completions come in any order: the slot at the tail takes the id of the one that is done. */
static void test_tcmu_ring__any_order(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 3; i++)
        put(i * ENTRY, ENTRY, RING_OP_CMD, i);
    complete(2, 0);
    complete(0, 0);
    complete(1, 0);
    assert_int_equal(entry(0)->cmd_id, 2);
    assert_int_equal(entry(ENTRY)->cmd_id, 0);
    assert_int_equal(entry(2 * ENTRY)->cmd_id, 1);
    assert_int_equal(mailbox()->cmd_tail, 3 * ENTRY);
}

static void test_tcmu_ring__padding_and_notices_are_passed_over(void **state)
{
    (void)state;
    put(0, 64, OP_TMR, 0);
    put(64, 8, OP_PAD, 0);
    put(72, ENTRY, RING_OP_CMD, 1);
    complete(1, 0);
    assert_int_equal(mailbox()->cmd_tail, 72 + ENTRY);
    assert_int_equal(entry(72)->cmd_id, 1);
    assert_int_equal(entry(0)->len_op, 64 | OP_TMR);
}

/* The last entry ends where the ring does, or padding does: the tail becomes 0. */
static void test_tcmu_ring__wraps(void **state)
{
    (void)state;
    put(CMDR_SIZE - ENTRY, ENTRY, RING_OP_CMD, 1);
    mailbox()->cmd_tail = CMDR_SIZE - ENTRY;
    complete(1, 0);
    assert_int_equal(mailbox()->cmd_tail, 0);

    put(CMDR_SIZE - 16, 16, OP_PAD, 0);
    put(0, ENTRY, RING_OP_CMD, 2);
    mailbox()->cmd_tail = CMDR_SIZE - 16;
    complete(2, 0);
    assert_int_equal(mailbox()->cmd_tail, ENTRY);
    assert_int_equal(entry(0)->cmd_id, 2);
}

static void test_tcmu_ring__read_length_where_the_kernel_knows_it(void **state)
{
    (void)state;
    put(0, ENTRY, RING_OP_CMD, 1);
    complete(1, 4080);
    assert_int_equal(entry(0)->uflags, RING_FLAG_READ_LEN);
    assert_int_equal(entry(0)->rsp.read_len, 4080);

    mailbox()->flags = 0;
    put(ENTRY, ENTRY, RING_OP_CMD, 1);
    complete(1, 4080);
    assert_int_equal(entry(ENTRY)->uflags, 0);
    assert_int_equal(entry(ENTRY)->rsp.read_len, 0);
}

/* CHECK CONDITION can have both: sense and the length of the Data-In. */
static void test_tcmu_ring__sense_with_data(void **state)
{
    uint8_t sense[TCMU_SENSE_LEN + 8];

    (void)state;
    for (size_t i = 0; i < sizeof(sense); i++)
        sense[i] = (uint8_t)(i + 1);
    put(0, ENTRY, RING_OP_CMD, 1);
    put(ENTRY, ENTRY, RING_OP_CMD, 2);
    osd_ring_complete(memory, 1, 2, sense, 20, 5);
    assert_int_equal(entry(0)->rsp.scsi_status, 2);
    assert_int_equal(entry(0)->rsp.read_len, 5);
    assert_memory_equal(entry(0)->rsp.sense, sense, 20);
    for (size_t i = 20; i < TCMU_SENSE_LEN; i++)
        assert_int_equal(entry(0)->rsp.sense[i], 0);

    osd_ring_complete(memory, 2, 2, sense, sizeof(sense), 0); /* longer is cut */
    assert_memory_equal(entry(ENTRY)->rsp.sense, sense, TCMU_SENSE_LEN);
    assert_int_equal(entry(2 * ENTRY)->len_op, 0); /* nothing behind the entry is touched */
}

/* The reader's place: over padding, round the end of the ring, and whether more follows. */
static void test_tcmu_ring__follows_the_reader(void **state)
{
    uint32_t at;

    (void)state;
    put(CMDR_SIZE - ENTRY - 16, ENTRY, RING_OP_CMD, 1);
    put(CMDR_SIZE - 16, 16, OP_PAD, 0);
    put(0, ENTRY, RING_OP_CMD, 2);
    mailbox()->cmd_tail = CMDR_SIZE - ENTRY - 16;
    mailbox()->cmd_head = ENTRY;
    at = osd_ring_start(memory);
    assert_true(osd_ring_follow(memory, &at, 1));
    assert_false(osd_ring_follow(memory, &at, 2));
    put(ENTRY, ENTRY, RING_OP_CMD, 3); /* came after the last look */
    mailbox()->cmd_head = 2 * ENTRY;
    assert_false(osd_ring_follow(memory, &at, 3));
}

/* Padding alone is nothing that will be handed over: who waits for it waits for ever. */
static void test_tcmu_ring__padding_is_not_more(void **state)
{
    uint32_t at = 0;

    (void)state;
    put(0, ENTRY, RING_OP_CMD, 1);
    put(ENTRY, 8, OP_PAD, 0);
    mailbox()->cmd_head = ENTRY + 8;
    assert_false(osd_ring_follow(memory, &at, 1));
}

/* A reader that is elsewhere: never again "more". */
static void test_tcmu_ring__lost_for_good(void **state)
{
    uint32_t at = 0;

    (void)state;
    for (uint16_t i = 0; i < 4; i++)
        put(i * ENTRY, ENTRY, RING_OP_CMD, i);
    mailbox()->cmd_head = 4 * ENTRY;
    assert_false(osd_ring_follow(memory, &at, 2));
    assert_false(osd_ring_follow(memory, &at, 0));
    assert_false(osd_ring_follow(memory, &at, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tcmu_ring__good_without_data, ring),
        cmocka_unit_test_setup(test_tcmu_ring__any_order, ring),
        cmocka_unit_test_setup(test_tcmu_ring__padding_and_notices_are_passed_over, ring),
        cmocka_unit_test_setup(test_tcmu_ring__wraps, ring),
        cmocka_unit_test_setup(test_tcmu_ring__read_length_where_the_kernel_knows_it, ring),
        cmocka_unit_test_setup(test_tcmu_ring__sense_with_data, ring),
        cmocka_unit_test_setup(test_tcmu_ring__follows_the_reader, ring),
        cmocka_unit_test_setup(test_tcmu_ring__padding_is_not_more, ring),
        cmocka_unit_test_setup(test_tcmu_ring__lost_for_good, ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
