/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/test_forged.c - somebody changes the device's answers on their way: every bit of
 * status, sense data and Data-In, by every method that signs answers, in both generations, with
 * both algorithms
 *
 * What libosd hands out as a result is what the device said, or it is an error. What CMDRSP does
 * not cover is named in covered().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "fake_iscsi.h"
#include "osd/osd.h"
#include "wire/cdb.h"
#include "wire/sense.h"

#define PID      0x10000u
#define OID      0x10000u
#define CONTENT  "content!"
#define ANSWER   2048 /* of Data-In that is looked at; longer ones are of no test here */
#define ICV_LEN  (gen == 1 ? OSD_ICV1_LEN : OSD_ICV2_LEN)
#define INFO_LEN (16 + ICV_LEN)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 7 /* of the bits of Data-In, or it takes minutes */
#else
#define STRIDE 1
#endif

static struct osd_session *s;
static int gen;
static uint8_t method;
static char key_file[] = "/tmp/libosd-forged-key.XXXXXX";

/* ---- the forger ---- */

enum part { PART_NONE, PART_STATUS, PART_SENSE, PART_DATA, PARTS };

static struct {
    enum part part;
    size_t bit;
    bool done; /* once in a call: what is asked again is answered truly */
} forge;

/* The true answer, as it went over the wire. */
static struct {
    size_t len[PARTS]; /* bytes */
    uint8_t in[ANSWER];
    int commands;
} seen;

/* The last command of a call brings the answer home: it has Data-In here. */
static void alter(struct iscsi_command *c)
{
    uint8_t byte;
    size_t at = forge.bit / 8;

    if (c->in.len == 0 || forge.done)
        return;
    forge.done = true;
    seen.len[PART_STATUS] = 1;
    seen.len[PART_SENSE] = c->sense_len ? 8u + c->sense[7] : 0;
    seen.len[PART_DATA] = (size_t)c->in.len;
    if (forge.part == PART_NONE)
        osd_iov_read(&c->in, 0, seen.in, sizeof(seen.in));
    if (forge.part == PART_STATUS)
        c->scsi_status ^= (uint8_t)(1u << forge.bit);
    if (forge.part == PART_SENSE)
        c->sense[at] ^= (uint8_t)(1u << forge.bit % 8);
    if (forge.part != PART_DATA)
        return;
    osd_iov_read(&c->in, at, &byte, 1);
    byte ^= (uint8_t)(1u << forge.bit % 8);
    osd_iov_write(&c->in, at, &byte, 1);
}

/* ---- calls ---- */

/* What a caller gets. */
struct result {
    osd_status st;
    char data[16];
    size_t n;
    uint64_t value;
};

static void read_all(struct result *r)
{
    struct osd_call c = {
        .verb = OSD_V_READ, .pid = PID, .oid = OID, .in = r->data, .in_len = 8};

    r->st = osd_execute(s, &c);
    r->n = c.ret_len;
}

static void read_past_end(struct result *r)
{
    struct osd_call c = {
        .verb = OSD_V_READ, .pid = PID, .oid = OID, .start = 3, .in = r->data, .in_len = 16};

    r->st = osd_execute(s, &c);
    r->n = c.ret_len;
}

static void get_attribute(struct result *r)
{
    uint8_t value[8] = {0};
    struct osd_attr_get g = {.page = 1, .number = 0x82, .value = value, .cap = 8};

    r->st = osd_get_attrs(s, PID, OID, &g, 1);
    r->n = g.defined ? g.len : 0;
    r->value = be64_get(value);
}

static void read_from_and_get(struct result *r, uint64_t start, size_t len)
{
    uint8_t value[8] = {0};
    struct osd_attr_get g = {.page = 1, .number = 0x82, .value = value, .cap = 8};
    struct osd_call c = {.verb = OSD_V_READ,
                         .pid = PID,
                         .oid = OID,
                         .start = start,
                         .in = r->data,
                         .in_len = len,
                         .get = &g,
                         .n_get = 1};

    r->st = osd_execute(s, &c);
    r->n = c.ret_len;
    r->value = be64_get(value);
}

static void read_and_get(struct result *r)
{
    read_from_and_get(r, 0, 8);
}

static void read_past_end_and_get(struct result *r)
{
    read_from_and_get(r, 3, 16);
}

static void remove_missing(struct result *r)
{
    r->st = osd_remove(s, PID, OID + 1);
}

static void append(struct result *r)
{
    r->st = osd_truncate(s, PID, OID, 8);
    forge.done = false; /* it is the next one */
    r->st = osd_append(s, PID, OID, "more", 4, &r->value);
    forge.done = true;
    osd_truncate(s, PID, OID, 8);
}

static const struct {
    const char *name;
    void (*run)(struct result *r);
    osd_status st; /* of the true answer */
    size_t data;   /* bytes of command data in Data-In that the caller made room for */
    bool page;     /* attributes come as the current command page, else as a list */
} calls[] = {
    {"read", read_all, OSD_OK, 8, true},
    {"read past the end", read_past_end, OSD_E_PAST_END, 16, true},
    {"get attribute", get_attribute, OSD_OK, 0, false},
    {"read and get", read_and_get, OSD_OK, 8, false},
    {"read past the end and get", read_past_end_and_get, OSD_E_PAST_END, 16, false},
    {"remove what is not there", remove_missing, OSD_E_NOT_FOUND, 0, true},
    {"append", append, OSD_OK, 0, true},
};

static struct result run(size_t call, enum part part, size_t bit)
{
    struct result r = {0};

    forge.part = part;
    forge.bit = bit;
    forge.done = false;
    fake.n = 0;
    calls[call].run(&r);
    return r;
}

static bool same(const struct result *a, const struct result *b)
{
    return a->st == b->st && a->n == b->n && a->value == b->value &&
           memcmp(a->data, b->data, sizeof(a->data)) == 0;
}

/* ---- what is covered ---- */

static size_t aligned(size_t at)
{
    return (size_t)osd_offset_align(at, (enum osd_gen)gen);
}

/* Where the response's integrity value stands in Data-In: in the current command page, or in the
 * first entry of the list, which is behind the list's head and page, number and length. */
static size_t response_at(size_t call)
{
    size_t head = gen == 1 ? 4 + 10 : 8 + 16;

    return aligned(calls[call].data) + (calls[call].page ? 8 : head);
}

/* What must not come through, whoever changes it. CMDRSP covers the value of the response
 * (status and nonce), and the sense data; not: data, attributes, the page around the value. */
static bool covered(size_t call, size_t byte)
{
    size_t value = response_at(call), end = seen.len[PART_DATA];
    const uint8_t *info = seen.in + end - INFO_LEN;
    size_t attrs = aligned(calls[call].data);

    if (method == OSD_SEC_CMDRSP)
        return calls[call].st == OSD_OK && byte >= value && byte < value + ICV_LEN;
    if (calls[call].st != OSD_OK && calls[call].st != OSD_E_PAST_END)
        return false; /* a failure has no data */
    return byte >= end - INFO_LEN || byte < be64_get(info) ||
           (byte >= attrs && byte < attrs + be64_get(info + 8));
}

static void check_bit(size_t call, const struct result *truth, enum part part, size_t bit)
{
    struct result r = run(call, part, bit);
    bool good = r.st == OSD_OK || r.st == OSD_E_PAST_END;
    bool repeated = fake.n > seen.commands; /* BUSY, or no sense data at all: asked again */

    if (part == PART_DATA && !covered(call, bit / 8) && method == OSD_SEC_CMDRSP)
        return;
    if (good && !same(&r, truth))
        fail_msg("%s, OSD-%d method %d: part %d byte %zu bit %zu came through",
                 calls[call].name, gen, method, (int)part, bit / 8, bit % 8);
    if (good && !repeated && (part != PART_DATA || covered(call, bit / 8)))
        fail_msg("%s, OSD-%d method %d: part %d byte %zu bit %zu was not noticed",
                 calls[call].name, gen, method, (int)part, bit / 8, bit % 8);
}

static void check_call(size_t call)
{
    struct result truth = run(call, PART_NONE, 0);

    assert_int_equal(truth.st, calls[call].st);
    assert_in_range(seen.len[PART_DATA], 1, ANSWER);
    seen.commands = fake.n;
    for (enum part part = PART_STATUS; part < PARTS; part++)
        for (size_t bit = 0; bit < 8 * seen.len[part]; bit += part == PART_DATA ? STRIDE : 1)
            check_bit(call, &truth, part, bit);
    truth = run(call, PART_NONE, 0); /* and the truth is believed yet */
    assert_int_equal(truth.st, calls[call].st);
}

/* ---- sessions ---- */

static void open_session(int integrity)
{
    const struct osd_options opt = {.generation = gen,
                                    .retry_ms = 2000,
                                    .key_file = key_file,
                                    .method = method,
                                    .integrity = integrity};

    fake_forget();
    fake.method = method;
    assert_int_equal(osd_open(FAKE_URL, &opt, &s), OSD_OK);
    assert_int_equal(osd_install_keys(s, 0), OSD_OK);
    assert_int_equal(osd_create_partition(s, PID, NULL), OSD_OK);
    assert_int_equal(osd_create(s, PID, OID, NULL), OSD_OK);
    assert_int_equal(osd_write(s, PID, OID, 0, CONTENT, strlen(CONTENT)), OSD_OK);
    fake.alter = alter;
}

static void close_session(void)
{
    osd_close(s);
    fake_reset();
}

static void check_all(int integrity)
{
    for (gen = 1; gen <= 2; gen++)
        for (method = OSD_SEC_CMDRSP; method <= OSD_SEC_ALLDATA; method++) {
            open_session(integrity);
            for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
                check_call(i);
            close_session();
        }
}

static void test_libosd_forged__no_flipped_bit_of_an_answer_is_believed(void **state)
{
    (void)state;
    check_all(OSD_INTEGRITY_SHA1);
}

static void test_libosd_forged__nor_is_one_signed_with_hmac_sha256(void **state)
{
    (void)state;
    check_all(OSD_INTEGRITY_SHA256);
}

/* Under CMDRSP data may be changed on its way: that is what ALLDATA is for. Would catch: a test
 * above that believes nothing at all. */
static void test_libosd_forged__cmdrsp_does_not_cover_data(void **state)
{
    struct result r;

    (void)state;
    gen = 2;
    method = OSD_SEC_CMDRSP;
    open_session(OSD_INTEGRITY_SHA1);
    r = run(0, PART_DATA, 0);
    assert_int_equal(r.st, OSD_OK);
    assert_int_equal(r.data[0], CONTENT[0] ^ 1);
    close_session();
}

static int make_key_file(void **state)
{
    int fd = mkstemp(key_file);
    bool good = fd >= 0;

    (void)state;
    for (int i = 0; i < 8 && good; i++)
        good = write(fd, FAKE_KEY, 10) == 10;
    close(fd);
    return good ? 0 : -1;
}

static int remove_key_file(void **state)
{
    (void)state;
    return unlink(key_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libosd_forged__no_flipped_bit_of_an_answer_is_believed),
        cmocka_unit_test(test_libosd_forged__nor_is_one_signed_with_hmac_sha256),
        cmocka_unit_test(test_libosd_forged__cmdrsp_does_not_cover_data),
    };

    return cmocka_run_group_tests(tests, make_key_file, remove_key_file);
}
