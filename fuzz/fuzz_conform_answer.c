/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_conform_answer.c - any bytes as the answer of a device to the conformance suite
 *
 * Byte 0 selects generation, command and expectation, byte 1 is the status, byte 2 the length of the
 * sense data that follows; the rest is Data-In. Holds: the answer is judged within its bytes and not
 * changed, and what is not as expected has a sentence.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "conform/expect.h"
#include "conform/expr.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const commands[] = {
    "READ 0x10000/0x10005 length=64 get=U+1h/82h",
    "READ 0x10000/0x10005 length=64 attrs=page get=current method=alldata key=zeros(20)",
    "GET ATTRIBUTES 0x10000/0x10005 get=current/1 method=cmdrsp key=zeros(20)",
    "LIST 0x10000",
};

static const char *const expectations[] = {
    "-> good data=pattern(8,1) retrieved@4=zeros(2) in=7",
    "-> good attr=U+1h/82h:u64(0) attrs=3 attr=0x10005,U+1h/82h:any",
    "-> good ids=1,2 additional_length=5 list_format=1 continuation_object_id=nonzero",
    "-> good save=a:u64@8 save=b:attr:U+1h/82h save=c:bytes:20@4 save=d:r32@0 has=u8(7)",
    "-> good response=signed data_in=signed",
    "-> status 2 response=signed",
    "-> cdb length,user_object_id object=0x10000/0x10005 completed=1 not_initiated=2",
    "-> quota U+2h/1",
    "-> past-end 5 information=any names=U+1h/1",
    "-> sense 5/24/06 response=none",
};

static void judge(const char *line, const struct request *r, const struct answer *a)
{
    static struct words words;
    static struct vars vars;
    char why[256] = "";
    osd_status st;

    vars.n = 0;
    require(words_split(&words, line));
    st = expect_check(&words, r, a, &vars, why, sizeof(why));
    require(st == OSD_OK || why[0]);
    require(st != OSD_E_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sign_facts facts = {.token_len = 16};
    static struct words words;
    struct answer a = {.in = osd_buf_make(EXPR_MAX), .in_process = true};
    struct request r;
    char why[256];
    size_t sense;

    if (size < 3)
        return 0;
    require(words_split(&words, commands[(data[0] >> 1) % COUNT(commands)]));
    require(request_build(&words, data[0] % 2 + 1, &facts, &r, why, sizeof(why)) == OSD_OK);
    a.status = data[1];
    sense = data[2] < size - 3 ? data[2] : size - 3;
    a.sense_len = sense < SENSE_MAX ? sense : SENSE_MAX;
    memcpy(a.sense, data + 3, a.sense_len);
    require(osd_buf_put(&a.in, NULL, r.in_len) == OSD_OK);
    a.in_len = size - 3 - sense < r.in_len ? size - 3 - sense : r.in_len;
    if (a.in_len)
        memcpy(a.in.data, data + 3 + sense, a.in_len);
    why[0] = 0;
    require(answer_sound(&r, &a, why, sizeof(why)) || why[0]);
    answer_format(&a, why, sizeof(why));
    (void)answer_refuses_command(&a);
    for (size_t i = 0; i < COUNT(expectations); i++)
        judge(expectations[i], &r, &a);
    request_free(&r);
    osd_buf_free(&a.in);
    return 0;
}
