/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/mutants.c - the suite against broken devices: how much it notices
 *
 *     mutants [--rounds N] [--seed S] [--show KIND]
 *
 * A first run counts the commands of every case. In each round then one command of every case meets
 * a device that is broken in one way: it answers with a byte changed, with another status, too
 * little, or it read one bit of the request wrongly. Prints, by kind, how many of these the suite
 * has noticed, and fails when a kind is noticed less often than it used to be.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "conform/conform.h"

#define INSTANCES_MAX 16384
#define SENSE_HEAD    8
#define JUDGED        100 /* fewer broken devices of a kind say little */

enum kind {
    ERROR_AS_GOOD,  /* what was refused is said to be GOOD */
    GOOD_AS_ERROR,  /* what went well is said to be refused */
    SENSE_CODE,     /* key or additional sense code */
    SENSE_POINTER,  /* field pointer */
    SENSE_OBJECT,   /* ids or functions of descriptor 06h */
    DATA_BIT,       /* a bit of Data-In */
    DATA_SHORT,     /* the last byte of Data-In is not carried */
    IGNORES_SET,    /* attributes to be set are dropped */
    WRITES_WRONG,   /* a bit of Data-Out */
    READS_ID_WRONG, /* a bit of a partition or object id */
    READS_LENGTH_WRONG,
    KINDS
};

static const struct {
    const char *name;
    unsigned least; /* percent that must be noticed */
} kinds[KINDS] = {
    [ERROR_AS_GOOD] = {"a refusal told as GOOD", 98},
    [GOOD_AS_ERROR] = {"GOOD told as a refusal", 98},
    [SENSE_CODE] = {"bits of sense key and code", 95},
    [SENSE_POINTER] = {"a bit of the field pointer", 88},
    [SENSE_OBJECT] = {"a bit of ids or functions in sense data", 65},
    [DATA_BIT] = {"a bit of Data-In", 35},
    [DATA_SHORT] = {"the last byte of Data-In missing", 50},
    [IGNORES_SET] = {"attributes to be set ignored", 58},
    [WRITES_WRONG] = {"a bit of Data-Out read wrongly", 28},
    [READS_ID_WRONG] = {"a bit of an id read wrongly", 70},
    [READS_LENGTH_WRONG] = {"a bit of length or start read wrongly", 55},
};

struct bench {
    unsigned commands[INSTANCES_MAX]; /* of each case, from the first run */
    size_t instance;
    unsigned at;     /* command of the case that is under way */
    unsigned target; /* the one that meets the broken device */
    bool counting;
    enum kind kind;
    bool done; /* something was broken */
    uint64_t state;
    const char *show;
    unsigned broken[KINDS], noticed[KINDS];
};

/* A generator of its own, so that a seed says everything. */
static uint64_t next(struct bench *b)
{
    b->state += 0x9e3779b97f4a7c15ULL;
    uint64_t x = b->state;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

static unsigned below(struct bench *b, uint64_t n)
{
    return n ? (unsigned)(next(b) % n) : 0;
}

static void flip(struct bench *b, uint8_t *p, size_t len)
{
    if (len == 0)
        return;
    p[below(b, len)] ^= (uint8_t)(1u << below(b, 8));
    b->done = true;
}

/* ---- a device that answers wrongly ---- */

static uint8_t *find_descriptor(struct conform_exchange *x, uint8_t type)
{
    for (size_t at = SENSE_HEAD; at + 2 <= x->sense_len; at += 2u + x->sense[at + 1])
        if (x->sense[at] == type)
            return x->sense + at;
    return NULL;
}

static void refuse(struct conform_exchange *x)
{
    static const uint8_t sense[] = {0x72, 5, 0x24, 0,    0, 0,  0, 40, 2,
                                    6,    0, 0,    0xc0, 0, 24, 0, 6,  0x1e};

    memset(x->sense, 0, 48);
    memcpy(x->sense, sense, sizeof(sense));
    x->sense_len = 48;
    x->status = 2;
}

static void break_answer(struct bench *b, struct conform_exchange *x)
{
    bool error = x->status == 2;
    uint8_t *d;

    switch (b->kind) {
    case ERROR_AS_GOOD:
        b->done = error;
        if (error)
            x->status = 0;
        break;
    case GOOD_AS_ERROR:
        b->done = x->status == 0;
        if (b->done)
            refuse(x);
        break;
    case SENSE_CODE: /* the high half of byte 1 is reserved */
        b->done = error;
        if (error)
            x->sense[1] ^= (uint8_t)(1u << below(b, 4));
        if (error && below(b, 2))
            x->sense[2] ^= (uint8_t)(1u << below(b, 8));
        break;
    case SENSE_POINTER:
        d = error ? find_descriptor(x, 2) : NULL;
        if (d)
            flip(b, d + 5, 2);
        break;
    case SENSE_OBJECT:
        d = error ? find_descriptor(x, 6) : NULL;
        if (d)
            flip(b, d + 8, 24);
        break;
    case DATA_BIT:
        flip(b, x->in, x->in_len);
        break;
    case DATA_SHORT:
        b->done = x->in_len > 0;
        x->in_len -= b->done;
        if (b->done)
            x->in[x->in_len] = 0;
        break;
    default:
        break;
    }
}

/* ---- a device that reads the request wrongly ---- */

static bool is_osd(const struct conform_exchange *x)
{
    return x->cdb[0] == 0x7f && x->cdb_len >= 200;
}

static void drop_set(struct bench *b, uint8_t *cdb)
{
    static const uint8_t at[] = {0, 52, 64, 68};
    unsigned format = cdb[11] >> 4 & 3;

    if (format == 0 || be32_get(cdb + at[format]) == 0)
        return;
    be32_put(cdb + at[format], 0);
    b->done = true;
}

/* APPEND, CLEAR, CREATE AND WRITE, PUNCH, READ, WRITE: by the low byte of the service action. */
static bool moves_data(uint8_t action)
{
    static const uint8_t codes[] = {0x05, 0x06, 0x07, 0x12, 0x84, 0x85, 0x86, 0x87, 0x89, 0x92};

    return memchr(codes, action, sizeof(codes)) != NULL;
}

static void break_request(struct bench *b, struct conform_exchange *x)
{
    bool second = is_osd(x) && (x->cdb[9] & 0x80) != 0;

    if (b->kind == WRITES_WRONG)
        flip(b, x->out, x->out_len);
    if (!is_osd(x))
        return;
    if (b->kind == IGNORES_SET)
        drop_set(b, x->cdb);
    if (b->kind == READS_ID_WRONG)
        flip(b, x->cdb + 16, 16);
    if (b->kind == READS_LENGTH_WRONG && moves_data(x->cdb[9]))
        flip(b, x->cdb + (second ? 32 : 36), 16);
}

static void tamper(void *arg, struct conform_exchange *x)
{
    struct bench *b = arg;

    if (!x->in_case)
        return;
    if (!b->counting && b->at == b->target) {
        if (x->answered)
            break_answer(b, x);
        else
            break_request(b, x);
    }
    b->at += x->answered;
}

/* ---- runs ---- */

static void begin_instance(struct bench *b)
{
    b->at = 0;
    b->done = false;
    b->kind = (enum kind)below(b, KINDS);
    b->target = b->instance < INSTANCES_MAX ? below(b, b->commands[b->instance]) : 0;
}

static void report(void *arg, const struct conform_result *r)
{
    struct bench *b = arg;
    bool noticed = r->outcome == CONFORM_FAILED;

    if (b->counting && b->instance < INSTANCES_MAX) {
        b->commands[b->instance] = b->at;
    } else if (b->done) {
        b->broken[b->kind]++;
        b->noticed[b->kind] += noticed;
        if (b->show && strstr(kinds[b->kind].name, b->show) && !noticed)
            printf("unnoticed in command %u of OSD-%d %s\n", b->target + 1, r->generation,
                   r->name);
    }
    b->instance++;
    begin_instance(b);
}

static int run(struct bench *b)
{
    struct conform_options opt = {.url = "memory:",
                                  .destructive = true,
                                  .report = report,
                                  .arg = b,
                                  .tamper = tamper,
                                  .tamper_arg = b};
    struct conform_totals totals;
    char reason[512];
    osd_status st;

    b->instance = 0;
    begin_instance(b);
    st = conform_run(&opt, &totals, reason, sizeof(reason));
    if (st || (b->counting && totals.failed)) {
        fprintf(stderr, "mutants: %s\n", st ? reason : "cases fail without being broken");
        return 1;
    }
    return 0;
}

static int summary(const struct bench *b)
{
    unsigned broken = 0, noticed = 0;
    int rc = 0;

    for (int i = 0; i < KINDS; i++) {
        unsigned percent = b->broken[i] ? 100 * b->noticed[i] / b->broken[i] : 0;
        bool less = b->broken[i] >= JUDGED && percent < kinds[i].least;
        printf("%3u %% of %5u noticed: %s%s\n", percent, b->broken[i], kinds[i].name,
               less ? ": less than before" : "");
        broken += b->broken[i];
        noticed += b->noticed[i];
        rc |= less;
    }
    printf("%3u %% of %5u in all\n", broken ? 100 * noticed / broken : 0, broken);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"show", required_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    static struct bench b = {.counting = true, .state = 1};
    unsigned rounds = 4;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'r')
            rounds = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 's')
            b.state = strtoull(optarg, NULL, 10);
        else if (c == 'w')
            b.show = optarg;
        else
            return 2;
    }
    if (run(&b))
        return 1;
    b.counting = false;
    for (unsigned i = 0; i < rounds; i++)
        if (run(&b))
            return 1;
    return summary(&b);
}
